"""The connection to the Docker engine by its SDK, and the SDK's errors in our words."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pxl_toolbox.adapters.docker_model import EngineDenied, EngineMissing, EngineRefused
from pxl_toolbox.adapters.registry_credentials import docker_config
from pxl_toolbox.core.errors import ToolboxError

if TYPE_CHECKING:
    import requests
    from docker import APIClient

_DEFAULT_SOCKET = "/var/run/docker.sock"
_CONNECT_LIMIT_S = 2.5
_REQUEST_LIMIT_S = 60
_CONNECTIONS = 64  # each log that is followed holds one


def open_engine() -> APIClient:
    """Connect as the docker command would: DOCKER_HOST, else the context, else the socket.

    Raises:
        EngineMissing: nothing answered within 2.5 s.
        EngineDenied: the socket is not ours to use.
    """
    _probe_socket()
    # Here and not in the thread: on a slow disk the import alone may take longer than the limit.
    import docker  # noqa: F401  (a quarter of a second, paid by who needs an engine)

    _require_context()
    outcome: list[APIClient | Exception] = []
    # In a thread, since looking up a host's name knows no limit.
    attempt = threading.Thread(target=_attempt, args=(outcome,), daemon=True)
    attempt.start()
    attempt.join(_CONNECT_LIMIT_S)
    if not outcome:
        raise EngineMissing(where(), f"nothing came within {_CONNECT_LIMIT_S:g} s")
    result = outcome[0]
    if not isinstance(result, Exception):
        return result
    if "Permission denied" in str(result):
        raise EngineDenied(where()) from result
    raise EngineMissing(where(), _innermost(result)) from result


def ask_socket(path: str) -> tuple[int, bytes] | None:
    """GET a path of the Engine API over the socket of this machine; loads no SDK.

    Returns:
        Status and body, or None where the engine is spoken to in another way.

    Raises:
        EngineMissing, EngineDenied: as `open_engine`.

    Source:
        Docker Engine API, whose paths without a version mean the newest that the engine has.
    """
    address = _socket_path()
    if address is None:
        return None
    _probe_socket()
    connection = http.client.HTTPConnection("localhost", timeout=_REQUEST_LIMIT_S)
    with contextlib.closing(connection), socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(address)
            connection.sock = link
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineMissing(where(), str(error)) from error


def _probe_socket() -> None:
    """Knock at a socket of this machine, which costs nothing, before the SDK is loaded."""
    path = _socket_path()
    if path is None:
        return
    with socket.socket(socket.AF_UNIX) as knock:
        knock.settimeout(_CONNECT_LIMIT_S)
        try:
            knock.connect(path)
        except PermissionError as error:
            raise EngineDenied(where()) from error
        except OSError as error:
            raise EngineMissing(where(), error.strerror or str(error)) from error


def _socket_path() -> str | None:
    """The socket that is spoken to; None where the engine is elsewhere, or a context says it."""
    host = os.environ.get("DOCKER_HOST")
    if host:
        return host.removeprefix("unix://") if host.startswith("unix://") else None
    return _DEFAULT_SOCKET if _context() is None else None


def _require_context() -> None:
    """Refuse a context that is not there; the SDK would take the default one instead."""
    from docker.context import ContextAPI

    name = _context()
    if name and not os.environ.get("DOCKER_HOST") and ContextAPI.get_context(name) is None:
        raise EngineMissing(where(), "there is no context of that name")


def _attempt(outcome: list[APIClient | Exception]) -> None:
    import docker

    try:
        api = docker.DockerClient.from_env(
            timeout=int(_CONNECT_LIMIT_S), max_pool_size=_CONNECTIONS, use_ssh_client=True
        ).api
    except (docker.errors.DockerException, OSError, ValueError) as error:
        outcome.append(error)
    else:
        api.timeout = _REQUEST_LIMIT_S
        outcome.append(api)


def where() -> str:
    """The address that we look for an engine at, for messages."""
    context = _context()
    return os.environ.get("DOCKER_HOST") or (
        f"the Docker context {context}" if context else _DEFAULT_SOCKET
    )


def _context() -> str | None:
    """The Docker context that was chosen, None for the default one."""
    name = os.environ.get("DOCKER_CONTEXT") or docker_config().get("currentContext")
    return name if isinstance(name, str) and name not in {"", "default"} else None


def _innermost(error: BaseException) -> str:
    """The operating system's own words, which the SDK and its HTTP client wrap five times."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error)


@contextmanager
def speaking(
    what: str, *, missing: ToolboxError | None = None, conflict: ToolboxError | None = None
) -> Iterator[None]:
    """Turn the SDK's errors in the block into ours.

    Args:
        what: what the engine was asked to do, as "start the container x".
        missing: raised where the engine says that something is not there.
        conflict: raised where it says that something is in the way.
    """
    import requests
    import urllib3
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        known = {404: missing, 409: conflict}.get(error.status_code or 0)
        raise known or EngineRefused(what, str(error.explanation or error)) from error
    except DockerException as error:
        raise EngineRefused(what, str(error)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EngineMissing(where(), f"asked to {what}: {_innermost(error)}") from error


def open_log(api: APIClient, container_id: str) -> EngineLog:
    """Follow both streams of a container's log from its beginning; to be called in `speaking`."""
    response = api.get(
        f"{api.base_url}/v{api.api_version}/containers/{container_id}/logs",
        params={"stdout": 1, "stderr": 1, "follow": 1},
        stream=True,
        # A container may be silent for days; the engine ends the stream with it.
        timeout=(_REQUEST_LIMIT_S, None),
    )
    if not response.ok:
        with response:
            _raise_as_the_sdk_does(response)
    return EngineLog(response)


def _raise_as_the_sdk_does(response: requests.Response) -> None:
    import requests
    from docker.errors import create_api_error_from_http_exception

    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)


class EngineLog:
    """A log as the engine sends it, which another thread can end."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    def read(self, wanted: int) -> bytes:
        import urllib3

        try:
            return bytes(self._response.raw.read(wanted))
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
            # The connection broke or was closed; whoever reads asks the engine which it was.
            return b""

    def close(self) -> None:
        from docker.types import CancellableStream

        # The SDK knows where its HTTP client hides the socket; a plain close() would wait
        # for the reader. AttributeError: the stream ended by itself and has no socket.
        with contextlib.suppress(OSError, AttributeError):
            CancellableStream(iter(()), self._response).close()
        self._response.close()
