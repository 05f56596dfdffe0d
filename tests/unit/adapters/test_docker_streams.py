"""A log that is cut anywhere gives the same lines, and an engine that goes away loses none."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import pytest

from pxl_toolbox.adapters.docker_streams import LineAssembler, LogLines, Transfer, follow, frames

OUT, ERR = 1, 2


def frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


def lines_of(pieces: list[tuple[int, bytes]]) -> list[str]:
    assembler = LineAssembler()
    lines = [line for stream, data in pieces for line in assembler.feed(stream, data)]
    return lines + assembler.rest()


def test_frames_are_read_whatever_the_connection_gives_at_a_time() -> None:
    raw = io.BytesIO(frame(OUT, b"hello") + frame(ERR, b"") + frame(ERR, b"oh"))

    found = list(frames(lambda wanted: raw.read(min(wanted, 3))))

    assert found == [(OUT, b"hello"), (ERR, b""), (ERR, b"oh")]


def test_a_connection_that_breaks_inside_a_frame_ends_the_log() -> None:
    raw = io.BytesIO(frame(OUT, b"whole\n") + frame(OUT, b"lost")[:6])

    assert list(frames(raw.read)) == [(OUT, b"whole\n")]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_letter_of_several_bytes_survives_a_cut(cut: int) -> None:
    data = "a€ü\n日本\r\n".encode()

    assert lines_of([(OUT, data[:cut]), (OUT, data[cut:])]) == ["a€ü", "日本"]


def test_the_streams_do_not_run_into_each_others_lines() -> None:
    pieces = [(OUT, b"out wri"), (ERR, b"err\n"), (OUT, b"tes\n"), (ERR, b"the end")]

    assert lines_of(pieces) == ["err", "out writes", "the end"]


def test_what_is_no_text_is_shown_and_loses_nothing_around_it() -> None:
    assert lines_of([(OUT, b"a\xff\xfeb\n")]) == ["a\ufffd\ufffdb"]


def test_a_line_without_an_end_is_cut_into_pieces_and_always_into_the_same() -> None:
    long = b"x" * 200_000

    at_once = lines_of([(OUT, long + b"\n")])
    in_bits = lines_of([(OUT, long[at : at + 7000]) for at in range(0, 200_000, 7000)])

    assert at_once == in_bits
    assert "".join(at_once) == long.decode()
    assert max(map(len, at_once)) <= 65_536


class Scripted:
    """A log that the engine sends, of which it may keep the end to itself."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.closed = False

    def read(self, wanted: int) -> bytes:
        return self._data.read(wanted)

    def close(self) -> None:
        self.closed = True


def test_an_engine_that_cuts_the_log_off_costs_no_line_and_doubles_none() -> None:
    whole = [frame(OUT, f"line {n}\n".encode()) for n in range(4)] + [frame(OUT, b"end")]
    logs = [Scripted(b"".join(whole[:2])), Scripted(b"".join(whole)), Scripted(b"".join(whole))]
    opened: Iterator[Scripted] = iter(logs)
    running = iter([True, False])

    lines = LogLines(lambda: next(opened), lambda: next(running), 1)

    assert list(lines) == ["line 1", "line 2", "line 3", "end"]
    assert all(log.closed for log in logs)


def test_a_closed_log_opens_nothing_more() -> None:
    lines = LogLines(lambda: Scripted(frame(OUT, b"a\n")), lambda: True, 0)
    assert next(lines) == "a"

    lines.close()

    assert list(lines) == []


def test_an_error_line_is_an_error_although_the_status_was_200() -> None:
    moved: list[tuple[int, int]] = []

    transfer = follow(
        [
            {"status": "Pushing", "id": "a", "progressDetail": {"current": 1, "total": 9}},
            {"status": "Pushing", "id": "b", "progressDetail": {"current": 7, "total": 5}},
            {"status": "Preparing", "id": "c", "progressDetail": {}},
            {"errorDetail": {"message": "no space left on device"}},
        ],
        lambda done, total: moved.append((done, total)),
    )

    assert transfer.error == "no space left on device"
    assert moved == [(1, 9), (6, 14)]


def test_a_push_tells_its_digest() -> None:
    transfer = Transfer()

    transfer.take({"progressDetail": {}, "aux": {"Tag": "1", "Digest": "sha256:ab", "Size": 5}})

    assert (transfer.digest, transfer.error) == ("sha256:ab", None)
