"""A job's log in batches, so that a thousand lines are not a thousand writes."""

from __future__ import annotations

import logging
import queue
import threading
import time

from pxl_toolbox.core.errors import ToolboxError
from pxl_toolbox.jobs.executor import LogReader

_BATCH_LINES = 500
_QUEUED_LINES = 2000

_log = logging.getLogger(__name__)


class LogPump:
    """Reads a log in a thread, so that lines can be stored in batches as they come."""

    def __init__(self, lines: LogReader) -> None:
        self._lines = lines
        self._queue: queue.Queue[str | None] = queue.Queue(_QUEUED_LINES)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def batch(self, wait_s: float) -> list[str] | None:
        """The lines that came within `wait_s` seconds, maybe none; None after the last."""
        batch: list[str] = []
        deadline = time.monotonic() + wait_s
        while len(batch) < _BATCH_LINES:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if line is None:
                if not batch:
                    return None
                self._queue.put(None)  # for the next call
                break
            batch.append(line)
        return batch

    def close(self) -> None:
        self._lines.close()
        while self._thread.is_alive():  # a full queue would hold it for ever
            self._drain()
            self._thread.join(0.01)

    def _drain(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()

    def _read(self) -> None:
        try:
            for line in self._lines:
                self._queue.put(line)
        except ToolboxError as error:
            _log.info("a log broke off: %s", error.message)  # `poll` tells what became of the job
        finally:
            self._queue.put(None)
