"""Small questions to a platform, over plain HTTP: is it there, who am I, how is my job.

The SDK takes 0.7 s to import and 8 s to notice a dead server; these answer in
milliseconds, and no question waits longer than 3 s. Whatever changes the platform
goes through `pxl_pipeline.api.gateway`.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from pxl_toolbox.core.errors import (
    DeniedError,
    NotFoundError,
    ToolboxError,
    UnavailableError,
    UsageError,
)
from pxl_toolbox.store.credentials import Context

_LIMIT_S = 2.5


class PlatformDown(UnavailableError):
    """The platform did not answer."""

    def __init__(self, host: str, why: str) -> None:
        hint = "check the URL (--host) and the network"
        if urlsplit(host).hostname in {"localhost", "127.0.0.1"}:
            hint = "start it with `pxl-toolbox up`"
        super().__init__(f"no platform answers at {host} ({why})", hint=hint)


class TokenRefused(DeniedError):
    """The platform does not know the token, or it has expired."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} refused the API token: it is wrong or has expired",
            hint="make a new token on the platform, then `pxl-pipeline login`",
        )


class Refused(ToolboxError):
    """The platform answered with an error of its own."""

    def __init__(self, host: str, status: int, message: str) -> None:
        super().__init__(
            f"{host} answered {status}: {message}", hint="see the platform's log for the details"
        )
        self.status = status


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token belongs to, and the organization that was asked for."""

    username: str
    organization: str
    organization_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform at `host`, spoken to with `token`.

    Source: the REST paths are those that the picsellia SDK 6.37.0 calls.
    """

    host: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, context: Context) -> Platform:
        return cls(host=context.host, token=context.token)

    def identify(self, organization: str | None) -> Identity:
        """Ask who we are; without a name, in the user's default organization.

        Raises:
            PlatformDown: nothing answered within 2.5 s.
            TokenRefused: the token is wrong or expired.
            NotFoundError: the organization does not exist, or the token does not open it.
        """
        try:
            ping = self.get("/api/home/ping")
        except NotFoundError:
            raise PlatformDown(self.host, "what answers there is no platform") from None
        found_id = ping.get("default_organization")
        if organization is not None:
            try:
                found_id = self.get("/api/organizations/find", name=organization)["id"]
            except NotFoundError:
                raise NotFoundError(
                    f"{self.host} has no organization {organization!r} for this token",
                    hint="check the spelling of --organization",
                ) from None
        if not found_id:
            raise UsageError(
                "the token's user has no organization of their own", hint="give --organization NAME"
            )
        details = self.get(f"/api/organization/{found_id}")
        return Identity(str(ping.get("username", "")), str(details["name"]), str(found_id))

    def get(self, path: str, **query: str | int) -> Mapping[str, Any]:
        """GET a JSON object.

        Raises:
            PlatformDown: nothing answered within 2.5 s, or not with JSON.
            TokenRefused: 401 or 403.
            NotFoundError: 404.
            Refused: any other status of 400 or more.
        """
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str) -> Mapping[str, Any]:
        """POST an empty body; raises as `get` does."""
        return self._ask("POST", path)

    def _ask(self, method: str, path: str) -> Mapping[str, Any]:
        try:
            status, body = self._exchange(method, path)
        except (OSError, http.client.HTTPException) as error:
            raise PlatformDown(self.host, _reason(error)) from None
        try:
            answer = json.loads(body) if body else {}
        except ValueError:
            answer = None
        if status in {401, 403}:
            raise TokenRefused(self.host)
        message = str(answer.get("message", "")) if isinstance(answer, dict) else ""
        if status == 404:
            raise NotFoundError(f"{self.host}{path}: {message or 'not found'}", hint="check the id")
        if status >= 400:
            raise Refused(self.host, status, message or body[:200].decode(errors="replace"))
        if not isinstance(answer, dict):
            raise PlatformDown(self.host, "it did not answer with JSON: not a platform")
        return answer

    def _exchange(self, method: str, path: str) -> tuple[int, bytes]:
        url = urlsplit(self.host)
        if url.scheme == "https":
            context = ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                url.hostname or "", url.port, timeout=_LIMIT_S, context=context
            )
        elif url.scheme == "http":
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_LIMIT_S)
        else:
            raise UsageError(f"not a platform's URL: {self.host!r}", hint="give http(s)://HOST")
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {self.token}"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing within {_LIMIT_S:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__
