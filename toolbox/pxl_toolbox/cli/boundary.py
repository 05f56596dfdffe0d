"""Where errors end: every console script of ours runs through `run`."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pxl_toolbox.core.errors import ExitCode, Interrupted, ToolboxError
from pxl_toolbox.store.settings import state_folder


def run(app: str) -> NoReturn:
    """Run one of our apps to its end and leave the process with its exit code.

    `app` is `module:name` of something callable. It is imported here, behind the signal
    handlers, so that an interruption at any time is told as one.

    A `ToolboxError` becomes an error line, a hint and its code; an interruption (Ctrl-C,
    TERM, HUP) unwinds like an error, so that what was started is ended, and exits 130;
    anything else is our bug: 70, the traceback in a file.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        module, _, name = app.partition(":")
        getattr(importlib.import_module(module), name)()
        sys.stdout.flush()
    except ToolboxError as error:
        _say(error.message, error.hint)
        _leave(error.exit_code)
    except Stopped:
        stopped = Interrupted()
        if sys.stderr.isatty():
            print(file=sys.stderr)  # behind the ^C that the terminal shows
        _say(stopped.message, stopped.hint)
        _leave(stopped.exit_code)
    except BrokenPipeError:
        # The reader of our output is gone (`pxl-pipeline … | head`): not worth a word.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(ExitCode.FAILED)
    except OSError as error:
        _say(
            f"{error.filename or 'the operating system'}: {error.strerror or error}",
            "check the path, who owns it, and the free space of its disk",
        )
        _leave(ExitCode.UNAVAILABLE)
    except Exception as error:  # noqa: BLE001  (the boundary is the one place that may)
        _leave(_told_unforeseen(error))
    _leave(ExitCode.OK)


def _told_unforeseen(error: Exception) -> ExitCode:
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("pxl_"):
        _say(
            f"the package {error.name} is not installed",
            "uv pip install 'pxl-toolbox[all]': the small installation leaves servers out",
        )
        return ExitCode.UNAVAILABLE
    report = _write_report(error)
    _say(f"a fault of our own: {type(error).__name__}", f"send us {report}; it holds the details")
    return ExitCode.BUG


class Stopped(BaseException):
    """Asked to stop: Ctrl-C, TERM or HUP.

    Not a KeyboardInterrupt, which typer turns into an exit code of its own.
    """


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def _say(message: str, hint: str) -> None:
    first, _, rest = message.partition("\n")
    red, bold, plain = ("\033[1;31m", "\033[1m", "\033[0m") if _coloured() else ("", "", "")
    lines = [f"{red}error: {plain}{first}"]
    lines += [f"  | {line}" for line in rest.splitlines()]
    lines.append(f"{bold}  try: {plain}{hint}")
    with contextlib.suppress(BrokenPipeError):
        print("\n".join(lines), file=sys.stderr, flush=True)


def _coloured() -> bool:
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _leave(code: int) -> NoReturn:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(int(code))


def _write_report(error: BaseException) -> Path:
    """Keep the traceback, without local variables: those may hold tokens."""
    import traceback
    from datetime import UTC, datetime

    folder = state_folder() / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    report.write_text("".join(traceback.format_exception(error)))
    return report
