"""What the Docker engine streams to us: logs of two streams in one, and transfers of layers."""

from __future__ import annotations

import codecs
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from pxl_toolbox.adapters.docker_model import ENGINE_AWAY_LIMIT_S, EngineMissing

Read = Callable[[int], bytes]

_HEADER = struct.Struct(">BxxxL")  # stream number, three zeros, length of what follows
_RECONNECT_S = 0.3
_LONGEST_LINE = 65_536  # characters; a program that never ends its line is cut into pieces


def frames(read: Read) -> Iterator[tuple[int, bytes]]:
    """The pieces of a multiplexed log: the stream's number (1 out, 2 err) and its bytes.

    Source:
        Docker Engine API 1.41, "Attach to a container", section "Stream format".
    """
    while True:
        header = _exactly(read, _HEADER.size)
        if len(header) < _HEADER.size:
            return
        stream, length = _HEADER.unpack(header)
        yield stream, _exactly(read, length)


def _exactly(read: Read, wanted: int) -> bytes:
    data = b""
    while len(data) < wanted:
        piece = read(wanted - len(data))
        if not piece:
            break
        data += piece
    return data


class LineAssembler:
    """Makes lines of the pieces of both streams, which arrive cut anywhere.

    The same log gives the same lines each time that it is read.
    """

    def __init__(self) -> None:
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        self._rests: dict[int, str] = {}

    def feed(self, stream: int, data: bytes) -> list[str]:
        """Take a piece and return the lines that it completed."""
        decoder = self._decoders.setdefault(
            stream, codecs.getincrementaldecoder("utf-8")("replace")
        )
        text = self._rests.get(stream, "") + decoder.decode(data)
        *whole, rest = text.split("\n")
        lines = [piece for line in whole for piece in _pieces(line.removesuffix("\r"))]
        *full, self._rests[stream] = _pieces(rest)
        return lines + full

    def rest(self) -> list[str]:
        """What both streams wrote after their last line's end."""
        return [self._rests[stream] for stream in sorted(self._rests) if self._rests[stream]]


def _pieces(line: str) -> list[str]:
    starts = range(0, max(len(line), 1), _LONGEST_LINE)
    return [line[start : start + _LONGEST_LINE] for start in starts]


@dataclass(slots=True)
class Transfer:
    """A push or a pull, as the engine's lines tell of it.

    `error` is the engine's refusal, which comes as a line of a stream whose HTTP status
    was 200; `digest` is the manifest's, where a push told it.
    """

    error: str | None = None
    digest: str | None = None
    _layers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, line: Mapping[str, object]) -> bool:
        """Read one line; True where the bytes moved."""
        error = line.get("error")
        detail = line.get("errorDetail")
        if isinstance(detail, Mapping) and not error:
            error = detail.get("message") or "refused without a reason"
        if error:
            self.error = str(error)
        aux = line.get("aux")
        if isinstance(aux, Mapping) and "Digest" in aux:
            self.digest = str(aux["Digest"])
        return self._take_progress(line)

    def _take_progress(self, line: Mapping[str, object]) -> bool:
        progress = line.get("progressDetail")
        # Extracting counts the same bytes a second time.
        if not isinstance(progress, Mapping) or line.get("status") == "Extracting":
            return False
        done, total = progress.get("current"), progress.get("total")
        if not isinstance(done, int) or not isinstance(total, int):
            return False
        # The engine's counter of a small layer runs past its total.
        self._layers[str(line.get("id"))] = (min(done, total), total)
        return True

    @property
    def done_bytes(self) -> int:
        return sum(done for done, _ in self._layers.values())

    @property
    def total_bytes(self) -> int:
        return sum(total for _, total in self._layers.values())


def follow(lines: Iterable[Mapping[str, object]], moved: Callable[[int, int], None]) -> Transfer:
    """Read a transfer's lines to the end; `moved` is told the bytes done and in all."""
    transfer = Transfer()
    for line in lines:
        if transfer.take(line):
            moved(transfer.done_bytes, transfer.total_bytes)
    return transfer


class OpenLog(Protocol):
    """A log that the engine is sending."""

    def read(self, wanted: int) -> bytes:
        """At most `wanted` bytes; nothing at the end, also after `close`."""
        ...

    def close(self) -> None:
        """End it, from any thread."""
        ...


class LogLines:
    """A container's lines to its end, through restarts of the engine of up to two minutes.

    An iterator; `close` ends it from any thread.
    """

    def __init__(
        self, open_log: Callable[[], OpenLog], is_running: Callable[[], bool], skip: int
    ) -> None:
        self._open_log = open_log
        self._is_running = is_running
        self._given = skip
        self._log: OpenLog | None = None
        self._closed = threading.Event()
        self._lines = self._follow()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        self._closed.set()
        log = self._log
        if log is not None:
            log.close()

    def _follow(self) -> Iterator[str]:
        last_answer = time.monotonic()
        while not self._closed.is_set():
            try:
                yield from self._read_once()
                if self._closed.is_set():
                    return
                if not self._is_running():
                    yield from self._read_once(to_the_last=True)
                    return
                last_answer = time.monotonic()
            except EngineMissing:
                if time.monotonic() - last_answer > ENGINE_AWAY_LIMIT_S:
                    raise
            # The engine cut us off: its log is read again, and skipped as far as we were.
            self._closed.wait(_RECONNECT_S)

    def _read_once(self, *, to_the_last: bool = False) -> Iterator[str]:
        for seen, line in enumerate(self._one_reading(to_the_last=to_the_last), start=1):
            if seen > self._given:
                self._given = seen
                yield line

    def _one_reading(self, *, to_the_last: bool) -> Iterator[str]:
        assembler = LineAssembler()
        log = self._log = self._open_log()
        try:
            if self._closed.is_set():  # closed while it was being opened
                return
            for stream, data in frames(log.read):
                yield from assembler.feed(stream, data)
            if to_the_last:
                yield from assembler.rest()
        finally:
            self._log = None
            log.close()
