"""How the events of long work look: on a terminal, in a log, and to a program.

All three write to stderr; stdout is for the answer.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from enum import StrEnum
from typing import TextIO

from pxl_toolbox.core.events import Emit, Event, Finished, Log, Progress, Started, ignore

# Steps whose every line is for the user: what they came for, warnings, what is deleted.
_TALKATIVE = frozenset({"run", "job", "inputs", "outputs", "launch"})
_REDRAW_S = 0.1


class Style(StrEnum):
    """How to tell of progress; AUTO is TERMINAL where stderr is one, else PLAIN."""

    AUTO = "auto"
    TERMINAL = "terminal"
    PLAIN = "plain"
    JSON = "json"
    NONE = "none"


def renderer(style: Style, stream: TextIO, *, verbose: bool = False) -> Emit:
    """The renderer for a style; `verbose` shows the output of every step, not only of runs."""
    if style is Style.AUTO:
        smart = stream.isatty() and os.environ.get("TERM") != "dumb"
        style = Style.TERMINAL if smart else Style.PLAIN
    if style is Style.TERMINAL:
        return TerminalRenderer(stream, verbose=verbose)
    if style is Style.PLAIN:
        return PlainRenderer(stream, verbose=verbose)
    return JsonRenderer(stream) if style is Style.JSON else ignore


class PlainRenderer:
    """One line for each event that matters, for logs and for people who read them."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        match event:
            case Started(step, detail):
                self._say(f"{step}: {detail}" if detail else f"{step} …")
            case Log(step, line) if self._verbose or step in _TALKATIVE:
                self._say(f"{step} | {line}")
            case Finished():
                self._say(_ending(event))
            case Log() | Progress():
                pass  # a log has no use for a bar, nor for what a failure shows anyway

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class TerminalRenderer:
    """A line for each step, a bar while it runs, colours where they are wanted."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose
        self._colours = "NO_COLOR" not in os.environ
        self._open_line = False
        self._drawn_at = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case Started(step, detail):
                self._line(f"{self._in(1, step)} {detail}".rstrip())
            case Progress():
                self._draw(event)
            case Log(step, line) if self._verbose or step in _TALKATIVE:
                self._line(self._in(2, "  │ ") + line)
            case Log():
                pass
            case Finished():
                mark = self._in(32, "✓") if event.ok else self._in(31, "✗")
                self._line(f"{mark} {_ending(event)}")

    def _draw(self, event: Progress) -> None:
        now = time.monotonic()
        if now - self._drawn_at < _REDRAW_S and event.done != event.total:
            return
        self._drawn_at = now
        self._stream.write(f"\r\033[K  {event.step} {_amount(event)}")
        self._stream.flush()
        self._open_line = True

    def _line(self, text: str) -> None:
        if self._open_line:
            self._stream.write("\r\033[K")
            self._open_line = False
        print(text, file=self._stream, flush=True)

    def _in(self, colour: int, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colours else text


class JsonRenderer:
    """Each event as one JSON object on a line, with its kind as `event`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        row = {"event": type(event).__name__.lower(), **asdict(event)}
        print(json.dumps(row), file=self._stream, flush=True)


def _ending(event: Finished) -> str:
    result = "done" if event.ok else "not done"
    outcome = f": {event.outcome}" if event.outcome else ""
    return f"{event.step} {result} in {event.took_s:.1f} s{outcome}"


def _amount(event: Progress) -> str:
    if event.unit == "bytes":
        done = f"{event.done / 1e6:.1f}"
        return f"{done} of {event.total / 1e6:.1f} MB" if event.total else f"{done} MB"
    return f"{event.done} of {event.total} {event.unit}" if event.total else f"{event.done}"
