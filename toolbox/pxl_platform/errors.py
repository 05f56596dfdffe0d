"""What the API answers when it cannot do what was asked; the SDK maps the status to a class."""

from __future__ import annotations

from typing import ClassVar


class ApiError(Exception):
    """An answer other than 2xx: a message and, where it helps, lines of detail."""

    status: ClassVar[int] = 500

    def __init__(self, message: str, detail: list[str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class BadRequest(ApiError):
    """The request makes no sense; the message names the field."""

    status = 400


class Unauthorized(ApiError):
    """No token, or one that is unknown, expired or of a job that is over."""

    status = 401


class Forbidden(ApiError):
    """A link whose signature is wrong or too old."""

    status = 403


class NotFound(ApiError):
    """There is no such thing in the caller's organization."""

    status = 404


class MethodNotAllowed(ApiError):
    """The path exists, the method on it does not."""

    status = 405


class Conflict(ApiError):
    """There is one already."""

    status = 409


class TooLarge(ApiError):
    """The body is longer than this server takes."""

    status = 413


class Locked(ApiError):
    """The dataset version was locked."""

    status = 423
