"""The one stream in which long work tells what it is doing.

The work emits; a renderer in `pxl_toolbox.cli.render` decides how it looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """A step began. `step` is a short name, unique among the steps that run at one time."""

    step: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A step has done `done` of `total` `unit`s; `total` is None where nobody knows it."""

    step: str
    done: int
    total: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """One line, without its end, that a step's program wrote."""

    step: str
    line: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A step ended. `ok` is False where its error follows; `outcome` says what came of it."""

    step: str
    ok: bool
    took_s: float
    outcome: str = ""


Event = Started | Progress | Log | Finished
Emit = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """An `Emit` for callers that do not want to know."""


class Step:
    """A running step, as `step` hands it to the work.

    Set `outcome` to what came of it, and `ok` to False where it ended without what it
    was for, and yet without an error.
    """

    def __init__(self, name: str, emit: Emit) -> None:
        self.name = name
        self.outcome = ""
        self.ok = True
        self._emit = emit

    def log(self, line: str) -> None:
        self._emit(Log(self.name, line))

    def progress(self, done: int, total: int | None = None, unit: str = "") -> None:
        self._emit(Progress(self.name, done, total, unit))


@contextmanager
def step(emit: Emit, name: str, detail: str = "") -> Iterator[Step]:
    """Emit `Started`, run the block, emit `Finished`; an error passes through."""
    running = Step(name, emit)
    began = time.monotonic()
    emit(Started(name, detail))
    try:
        yield running
    except BaseException:
        # Why is told once, by the error itself, where it ends.
        emit(Finished(name, ok=False, took_s=time.monotonic() - began))
        raise
    emit(Finished(name, ok=running.ok, took_s=time.monotonic() - began, outcome=running.outcome))
