"""Programs that we start and find again: a process id together with its start time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pxl_toolbox.adapters.files import write_atomically
from pxl_toolbox.adapters.process import Command, process_started_at, start_detached, terminate
from pxl_toolbox.core.errors import UnavailableError

_POLL_S = 0.05
_TAIL_LINES = 15

Check = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Daemon:
    """A program that outlives the command that started it.

    `record` is the file that tells which process it is; it is written here and nowhere else,
    so a program that somebody else started is never taken for ours.
    """

    name: str
    record: Path
    log: Path

    def pid(self) -> int | None:
        """The process that we started, if it lives."""
        kept = self._kept()
        if kept is None or process_started_at(kept["pid"]) != kept["started_at"]:
            return None
        return kept["pid"]

    def port(self) -> int | None:
        """The port that it was started with."""
        kept = self._kept()
        return None if kept is None else kept.get("port")

    def start(self, command: Command, *, port: int | None = None) -> int:
        """Start it and remember it; its output is appended to `log`."""
        for file in (self.record, self.log):
            file.parent.mkdir(parents=True, exist_ok=True)
        told_before = self.log.stat().st_size if self.log.exists() else 0
        pid = start_detached(command, self.log)
        kept = {"pid": pid, "started_at": process_started_at(pid) or 0, "log_from": told_before}
        if port is not None:
            kept["port"] = port
        write_atomically(self.record, json.dumps(kept), mode=0o644)
        return pid

    def _kept(self) -> dict[str, int] | None:
        """The record; one that is not as we write it counts as none."""
        try:
            kept = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or not {"pid", "started_at"} <= kept.keys():
            return None
        return kept if all(isinstance(value, int) for value in kept.values()) else None

    def stop(self, *, grace_s: float) -> bool:
        """End it with TERM, and with KILL after `grace_s` seconds. False where it was not ours."""
        pid = self.pid()
        if pid is not None:
            terminate(pid, grace_s=grace_s)
        self.record.unlink(missing_ok=True)
        return pid is not None

    def log_tail(self) -> str:
        """The last lines that it wrote since its last start."""
        kept = self._kept() or {}
        told = self.log.read_bytes()[kept.get("log_from", 0) :].decode(errors="replace")
        return "\n".join(told.splitlines()[-_TAIL_LINES:])


class NotStarted(UnavailableError):
    """A service that we started ended, or did not answer in time."""

    def __init__(self, name: str, problem: str, log: str, tail: str) -> None:
        super().__init__(f"{name} {problem}\n{tail}".rstrip(), hint=f"see its log: {log}")


def wait_for(daemon: Daemon, answers: Check, *, limit_s: float) -> None:
    """Wait until it answers.

    Raises:
        NotStarted: it ended, or gave no answer within `limit_s` seconds.
    """
    problem = poll(answers, lambda: daemon.pid() is not None, limit_s=limit_s)
    if problem is not None:
        raise NotStarted(daemon.name, problem, str(daemon.log), daemon.log_tail())


def poll(answers: Check, lives: Check, *, limit_s: float) -> str | None:
    """Ask until it answers; the reason where it ended before, or `limit_s` seconds ran out."""
    deadline = time.monotonic() + limit_s
    while not answers():
        if not lives():
            return "ended at its start"
        if time.monotonic() > deadline:
            return f"did not answer within {limit_s:g} s"
        time.sleep(_POLL_S)
    return None
