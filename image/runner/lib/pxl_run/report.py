"""Carries the log's lines to the platform, without ever holding up the pipeline."""

from __future__ import annotations

import collections
import threading
from typing import Protocol

from pxl_run.platform import PlatformError

_EVERY_S = 0.5
_BATCH_LINES = 500
_WAITING_LINES = 20_000  # of a platform that is slower than the pipeline is talkative
_OURS = "--"  # sections and the exit code, which are never left out
_CHAPTER = "--#--"  # a line of the pipeline's output that opens a section (platform SDK)


class LogSink(Protocol):
    """Where lines go; the platform."""

    def lines(self, first: int, lines: list[str], *, part: str) -> None: ...


class Report:
    """A thread that posts lines in batches; what cannot be posted waits, up to a limit."""

    def __init__(self, sink: LogSink, part: str) -> None:
        self.part = part
        self.number = 0
        self.lost: str | None = None  # why the last batch could not be posted
        self._sink = sink
        self._waiting: collections.deque[str] = collections.deque()
        self._left_out = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def line(self, text: str) -> None:
        """Take one line; returns at once."""
        with self._lock:
            if len(self._waiting) < _WAITING_LINES or text.startswith(_OURS):
                self._tell_left_out()
                self._waiting.append(text)
            else:
                self._left_out += 1
            full = len(self._waiting) >= _BATCH_LINES
        if full:
            self._wake.set()

    def close(self, wait_s: float) -> None:
        """Post what waits, for at most `wait_s` seconds."""
        self._closing = True
        self._wake.set()
        self._thread.join(wait_s)

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._waiting.append(f"({self._left_out} lines left out: too many at a time)")
            self._left_out = 0

    def _work(self) -> None:
        while True:
            self._wake.wait(_EVERY_S)
            self._wake.clear()
            last_round = self._closing
            while batch := self._batch():
                if not self._post(batch):
                    break
            if last_round:
                return

    def _batch(self) -> list[str]:
        """The next lines of one section; they stay waiting until they are posted."""
        with self._lock:
            if self._waiting and self._waiting[0].startswith(_CHAPTER):
                self.part = self._waiting[0]
            batch: list[str] = []
            for text in self._waiting:
                if len(batch) == _BATCH_LINES or (batch and text.startswith(_CHAPTER)):
                    break
                batch.append(text)
            return batch

    def _post(self, batch: list[str]) -> bool:
        try:
            self._sink.lines(self.number, batch, part=self.part)
        except PlatformError as error:
            self.lost = str(error)
            return False
        self.lost = None
        self.number += len(batch)
        with self._lock:
            for _ in batch:
                self._waiting.popleft()
        return True
