"""Every process that we start is started here.

A command is data; running it streams its output line by line, keeps to a time
limit, and at its end nothing of what it started is left: it runs in a session of
its own, whose whole process group is killed on a time limit or an interruption.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Protocol

from pxl_toolbox.core.errors import NotFoundError, TimeLimitError, UserCodeFailed
from pxl_toolbox.core.redaction import Redactor

Stream = Literal["out", "err"]
OnLine = Callable[[str], None]

_KEPT_LINES = 20_000  # of each stream; a program that floods us is not worth our memory
_TERM_GRACE_S = 5.0
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, as data: it can be logged, compared and replayed.

    `env` is laid over our own environment; a value of None removes the variable.
    `secrets` are masked wherever the command or its output is shown. `stdin` is
    written to the program, which otherwise reads an empty input.
    """

    argv: tuple[str, ...]
    cwd: Path
    timeout_s: float
    env: Mapping[str, str | None] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    stdin: bytes = b""

    def __str__(self) -> str:
        return Redactor(self.secrets)(" ".join(self.argv))

    def environment(self) -> dict[str, str]:
        merged = {**os.environ, **self.env}
        return {name: value for name, value in merged.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended. `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str
    took_s: float

    def tail(self, lines: int = _TAIL_LINES) -> str:
        """The last lines of what it wrote, for an error message."""
        text = self.err.strip() or self.out.strip()
        return "\n".join(text.splitlines()[-lines:])


class CommandTimeout(TimeLimitError):
    """A command was still running at its limit; it and its children were killed."""

    def __init__(self, command: Command) -> None:
        super().__init__(
            f"`{command}` was still running after {command.timeout_s:g} s",
            hint="run it by hand to see what it waits for",
        )


class ProgramMissing(NotFoundError):
    """The program that a command names is not on PATH."""

    def __init__(self, program: str) -> None:
        super().__init__(f"the program {program} is not on PATH", hint=f"install {program}")


class CommandFailed(UserCodeFailed):
    """A command that had to succeed did not."""

    def __init__(self, command: Command, done: Completed) -> None:
        super().__init__(
            f"`{command}` ended with code {done.code}\n{done.tail()}",
            hint=f"run it by hand in {command.cwd}",
        )
        self.completed = done


class Runner(Protocol):
    """Runs commands. The one that counts is `LocalRunner`; tests script another."""

    def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run to the end. A code other than 0 is a result: only the caller knows what it means.

        Args:
            command: what to run.
            on_line: called with each line of output, both streams, as it comes.

        Raises:
            CommandTimeout: it was still running after `command.timeout_s`.
            ProgramMissing: there is no such program.
        """
        ...


class LocalRunner:
    """Runs commands on this machine."""

    def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        began = time.monotonic()
        with _started(command) as process:
            lines = _Lines(process, Redactor(command.secrets), on_line)
            lines.read_until(began + command.timeout_s, command)
            code = process.wait()
        return Completed(code, lines.text("out"), lines.text("err"), time.monotonic() - began)


def checked(runner: Runner, command: Command, on_line: OnLine | None = None) -> Completed:
    """Run `command` and raise `CommandFailed` unless it ends with 0."""
    done = runner.run(command, on_line)
    if done.code != 0:
        raise CommandFailed(command, done)
    return done


def replace_with(argv: tuple[str, ...], env: Mapping[str, str]) -> None:
    """Become another program, in this terminal; it never returns."""
    os.execvpe(argv[0], argv, {**os.environ, **env})  # noqa: S606


def start_detached(command: Command, log: Path) -> int:
    """Start a program that outlives us, its output appended to `log`; return its process id."""
    with log.open("ab") as sink:
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=command.cwd,
                env=command.environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise ProgramMissing(command.argv[0]) from None
    # The child is meant to outlive us, and Popen's destructor would complain that it does.
    process.returncode = 0
    return process.pid


def process_started_at(pid: int) -> int | None:
    """The start time of a live process in clock ticks since boot, or None where there is none.

    A process id is used again after its owner is gone; together with the start
    time it is an identity. Source: proc(5), /proc/PID/stat, field 22.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def terminate(pid: int, *, grace_s: float = _TERM_GRACE_S) -> None:
    """End a process that `start_detached` started, and all it started: TERM, then KILL."""
    began = process_started_at(pid)
    if began is None:
        return
    _signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        if process_started_at(pid) != began:
            return
        time.sleep(0.02)
    _signal_group(pid, signal.SIGKILL)


@contextmanager
def _started(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=command.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        if not command.cwd.is_dir():
            raise
        raise ProgramMissing(command.argv[0]) from None
    try:
        threading.Thread(target=_feed, args=(process, command.stdin), daemon=True).start()
        yield process
    finally:
        # Also what it started: a child that outlives its parent would hold our pipes open.
        if process.poll() is None:
            _stop(process)
        _signal_group(process.pid, signal.SIGKILL)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended without reading; its exit code says whether that was an error


def _stop(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(_TERM_GRACE_S)
    except subprocess.TimeoutExpired:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is gone
        os.killpg(pid, number)


class _Lines:
    """Reads both streams of a process at once, in the order in which the lines come."""

    def __init__(
        self, process: subprocess.Popen[bytes], redact: Redactor, on_line: OnLine | None
    ) -> None:
        self._redact = redact
        self._on_line = on_line
        self._kept: dict[Stream, deque[str]] = {
            "out": deque(maxlen=_KEPT_LINES),
            "err": deque(maxlen=_KEPT_LINES),
        }
        self._queue: queue.Queue[tuple[Stream, bytes | None]] = queue.Queue(maxsize=1000)
        self._process = process
        for name, pipe in (("out", process.stdout), ("err", process.stderr)):
            threading.Thread(target=self._pump, args=(name, pipe), daemon=True).start()

    def text(self, stream: Stream) -> str:
        return "".join(self._kept[stream])

    def read_until(self, deadline: float, command: Command) -> None:
        """Take lines until both streams ended, or the process did and its pipes fell silent."""
        open_streams = 2
        while open_streams:
            try:
                stream, raw = self._queue.get(timeout=_wait_s(deadline))
            except queue.Empty:
                if time.monotonic() >= deadline:
                    raise CommandTimeout(command) from None
                if self._process.poll() is not None:
                    return  # a grandchild holds the pipes; the caller kills the group
                continue
            if raw is None:
                open_streams -= 1
            else:
                self._take(stream, raw)
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise CommandTimeout(command) from None

    def _take(self, stream: Stream, raw: bytes) -> None:
        line = self._redact(raw.decode(errors="replace"))
        self._kept[stream].append(line)
        if self._on_line is not None:
            # Of a bar that is redrawn in place, the last state is the line.
            self._on_line(line.rstrip("\r\n").rpartition("\r")[2])

    def _pump(self, stream: Stream, pipe: IO[bytes]) -> None:
        try:
            for raw in pipe:
                self._queue.put((stream, raw))
        except ValueError:
            pass  # closed under us, after the process was killed
        finally:
            self._queue.put((stream, None))


def _wait_s(deadline: float) -> float:
    return min(0.2, max(0.0, deadline - time.monotonic()))
