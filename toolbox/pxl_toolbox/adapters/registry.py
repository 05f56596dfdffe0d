"""Image registries, spoken to over HTTP: does it answer, and which manifest has that name.

Standard library only. Registries of this machine are spoken to over http, all others over
https, as Docker does.

Source:
    OCI Distribution Specification 1.1, "Pull"; Docker's docs, "Token authentication".
"""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from pxl_toolbox.adapters.process import LocalRunner, Runner
from pxl_toolbox.adapters.registry_credentials import Credentials, credentials_for
from pxl_toolbox.core.errors import DeniedError, UnavailableError
from pxl_toolbox.core.references import ImageReference

_LIMIT_S = 10.0
_REACHABLE_LIMIT_S = 2.0
_ACCEPTED = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class RegistryMissing(UnavailableError):
    """The registry did not answer, or not as one."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"the registry {host} did not answer: {why}",
            hint="look whether it runs; the one on this machine: pxl-toolbox up",
        )


class RegistryDenied(DeniedError):
    """The registry does not let this user see the image."""

    def __init__(self, reference: ImageReference) -> None:
        super().__init__(
            f"the registry {reference.registry} does not let you see {reference.repository}",
            hint=f"log in to it: docker login {reference.registry}",
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""


def reachable(host: str) -> bool:
    """Whether a registry answers at `host` (host, or host:port); wanting a login counts."""
    try:
        answer = _ask(f"{_scheme(host)}://{host}/v2/", host, timeout_s=_REACHABLE_LIMIT_S)
    except RegistryMissing:
        return False
    return answer.status in {200, 401}


def digest(reference: str, *, runner: Runner | None = None) -> str | None:
    """The digest of the manifest that has this name in its registry, None where none has.

    Args:
        reference: an image reference; without a registry it is Docker Hub's.
        runner: starts the credential helpers that Docker's config names.

    Raises:
        RegistryMissing: no answer, or one that no registry gives.
        RegistryDenied: it wants a login that we have not, or forbids it.
    """
    wanted = ImageReference.parse(reference)
    source = _Repository(wanted, runner or LocalRunner())
    return _digest_of(source.ask("HEAD", f"manifests/{wanted.selector}"), wanted)


def labels(reference: str, *, runner: Runner | None = None) -> Mapping[str, str] | None:
    """The labels of the image that has this name in its registry, None where none has.

    An index of several platforms has no labels of its own: an empty mapping.
    Raises as `digest` does.

    Source:
        OCI Image Format Specification 1.1, "Image Manifest" and "Image Configuration".
    """
    wanted = ImageReference.parse(reference)
    source = _Repository(wanted, runner or LocalRunner())
    answer = source.ask("GET", f"manifests/{wanted.selector}")
    if _digest_of(answer, wanted) is None:
        return None
    try:
        config = json.loads(answer.body).get("config")
        if config is None:
            return {}
        blob = source.ask("GET", f"blobs/{config['digest']}")
        return dict(json.loads(blob.body)["config"].get("Labels") or {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryMissing(wanted.registry, "its manifest is not one") from error


@dataclass(frozen=True, slots=True)
class _Repository:
    """Asks a registry about one repository, logging in where it wants that."""

    wanted: ImageReference
    runner: Runner

    def ask(self, method: str, path: str) -> _Answer:
        host = self.wanted.api_host
        url = f"{_scheme(host)}://{host}/v2/{self.wanted.repository}/{path}"
        answer = _ask(url, host, method)
        if answer.status != 401:
            return answer
        login = credentials_for(self.wanted.registry, self.runner)
        return _ask(url, host, method, _authorization(answer, self.wanted, login))


def _digest_of(answer: _Answer, wanted: ImageReference) -> str | None:
    if answer.status == 404:
        return None
    if answer.status in {401, 403}:
        raise RegistryDenied(wanted)
    found = answer.headers.get("docker-content-digest")
    if answer.status != 200 or found is None:
        raise RegistryMissing(wanted.registry, f"it answered {answer.status} without a digest")
    return found


def _authorization(refusal: _Answer, wanted: ImageReference, login: Credentials | None) -> str:
    kind, _, rest = refusal.headers.get("www-authenticate", "").partition(" ")
    if kind.lower() == "bearer":
        return f"Bearer {_token(dict(_PARAMETER.findall(rest)), wanted, login)}"
    if kind.lower() != "basic" or login is None:
        raise RegistryDenied(wanted)
    return _basic(login)


def _token(challenge: Mapping[str, str], wanted: ImageReference, login: Credentials | None) -> str:
    realm = challenge.get("realm", "")
    if urlsplit(realm).scheme not in {"http", "https"}:
        raise RegistryMissing(wanted.registry, "it names no place that gives tokens")
    query = {
        "service": challenge.get("service", ""),
        "scope": challenge.get("scope", f"repository:{wanted.repository}:pull"),
    }
    headers = {"Authorization": _basic(login)} if login is not None else {}
    request = urllib.request.Request(f"{realm}?{urlencode(query)}", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_LIMIT_S) as response:  # noqa: S310
            body = json.load(response)
    except urllib.error.HTTPError as error:
        error.close()
        raise RegistryDenied(wanted) from error
    except (OSError, ValueError) as error:
        raise RegistryMissing(wanted.registry, f"no token from {realm}") from error
    token = body.get("token") or body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str):
        raise RegistryMissing(wanted.registry, f"no token from {realm}")
    return token


def _ask(
    url: str,
    host: str,
    method: str = "HEAD",
    authorization: str | None = None,
    *,
    timeout_s: float = _LIMIT_S,
) -> _Answer:
    request = urllib.request.Request(url, method=method, headers={"Accept": _ACCEPTED})  # noqa: S310
    if authorization is not None:
        # Not sent on: where a registry keeps its blobs elsewhere, that place must not see it.
        request.add_unredirected_header("Authorization", authorization)
    try:
        with _opener(host).open(request, timeout=timeout_s) as response:
            return _Answer(response.status, _lowered(response.headers.items()), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, _lowered(error.headers.items()))
    except urllib.error.URLError as error:
        raise RegistryMissing(host, str(error.reason)) from error
    except (OSError, ValueError) as error:
        raise RegistryMissing(host, str(error)) from error


def _opener(host: str) -> urllib.request.OpenerDirector:
    # What is on this machine is not behind the proxy that the environment may name.
    local = _scheme(host) == "http"
    handlers = [urllib.request.ProxyHandler({})] if local else []
    return urllib.request.build_opener(*handlers)


def _lowered(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in items}


def _scheme(host: str) -> str:
    name = host.partition(":")[0]
    # Docker's own rule for what may be insecure: localhost and 127.0.0.0/8.
    return "http" if name == "localhost" or name.startswith("127.") else "https"


def _basic(login: Credentials) -> str:
    pair = f"{login.user}:{login.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
