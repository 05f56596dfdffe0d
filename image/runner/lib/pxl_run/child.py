"""The pipeline's process: its output passed on as it comes, its signals, its exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import IO

_CHUNK_BYTES = 65536
_LONGEST_LINE = 65536
_DRAIN_S = 5.0  # for output of a process that the pipeline left behind
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

OnLine = Callable[[str], None]


class Child:
    """A program in a session of its own, so that a signal reaches all that it started."""

    def __init__(self, argv: Sequence[str], on_line: OnLine) -> None:
        self.signalled = False
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        # Handlers first: a signal in between is kept by `_pending` and not lost.
        self._pending: list[int] = []
        for number in _PASSED_ON:
            signal.signal(number, self._pass_on)
        self._process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        for kept in self._pending:
            self._signal(kept)
        self._pumps = [
            threading.Thread(target=self._pump, args=(pipe, sink), daemon=True)
            for pipe, sink in ((self._process.stdout, 1), (self._process.stderr, 2))
            if pipe is not None
        ]
        for pump in self._pumps:
            pump.start()

    def wait(self) -> int:
        """Wait for the end; the exit code as a shell would give it (128 + a signal's number)."""
        if self._process is None:
            raise AssertionError("waiting for a process that was not started")
        code = self._process.wait()
        for pump in self._pumps:
            pump.join(_DRAIN_S)
        return code if code >= 0 else 128 - code

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.signalled = True
        if self._process is None:
            self._pending.append(number)
        else:
            self._signal(number)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _pump(self, pipe: IO[bytes], sink: int) -> None:
        rest = b""
        while chunk := os.read(pipe.fileno(), _CHUNK_BYTES):
            with contextlib.suppress(OSError):  # nobody reads our output any more
                _write(sink, chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._on_line(_text(line))
        if rest:
            self._on_line(_text(rest))


def _text(line: bytes) -> str:
    """The line as a terminal would show it: of a progress bar, its last state."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")


def _write(sink: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(sink, chunk) :]
