"""The one tree of errors, each with a message, a next step and an exit code."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the shell sees. Documented in docs/reference/exit-codes.md; never renumber.

    All stay below 125: docker takes 125 to 127 for itself, shells 128 and up, and a
    caller has to tell ours from theirs.
    """

    OK = 0
    FAILED = 1  # the user's own code or data failed: their pipeline, their parameters
    USAGE = 2  # a wrong flag or argument
    CONFIG = 3  # a file we read is wrong
    MISSING = 4  # something that was named does not exist
    UNAVAILABLE = 5  # a service did not answer, or is not there
    DENIED = 6  # not logged in, or not allowed
    CONFLICT = 7  # refused, because going on would overwrite or conflict
    TIMEOUT = 8  # a limit that we set ran out
    BUG = 70  # ours
    INTERRUPTED = 130


class ToolboxError(Exception):
    """A failure in three parts: what happened, what to do next, how to exit.

    Raise a subclass. The message names the thing that failed; the hint is one
    command or one edit that the user can make now. No subclass prints anything.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserCodeFailed(ToolboxError):
    """The user's own code or data failed: their pipeline, their Dockerfile, their parameters."""

    exit_code = ExitCode.FAILED


class UsageError(ToolboxError):
    """An answer is missing or makes no sense, and only the caller can give it."""

    exit_code = ExitCode.USAGE


class ConfigError(ToolboxError):
    """A file that we read is wrong. The message names file, line and key."""

    exit_code = ExitCode.CONFIG


class NotFoundError(ToolboxError):
    """Something that was named does not exist."""

    exit_code = ExitCode.MISSING


class UnavailableError(ToolboxError):
    """A service or a program that is needed did not answer or is not there."""

    exit_code = ExitCode.UNAVAILABLE


class DeniedError(ToolboxError):
    """Not logged in, or not allowed."""

    exit_code = ExitCode.DENIED


class ConflictError(ToolboxError):
    """Refused, because going on would overwrite or conflict with something."""

    exit_code = ExitCode.CONFLICT


class TimeLimitError(ToolboxError):
    """A limit that we set ran out."""

    exit_code = ExitCode.TIMEOUT


class Interrupted(ToolboxError):
    """The user, or the machine, asked us to stop."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__(message, hint="run the command again when you are ready")
