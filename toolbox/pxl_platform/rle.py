"""Masks as COCO's compressed run lengths: what the SDK sends and pycocotools reads.

Source: the format is that of `rleToString` in cocoapi's maskApi.c: runs down the columns,
starting with background, each from the third on as a difference to the last but one, in groups of
five bits from 48 on in ASCII, least significant first.
"""

from __future__ import annotations

from collections.abc import Sequence

_BASE = 48
_MORE = 0x20
_SIGN = 0x10
_BITS = 0x1F
_LAST_CODE = _BASE + 0x3F


def decode(text: str) -> list[int]:
    """The lengths of the runs.

    Raises:
        ValueError: it is not a mask.
    """
    runs: list[int] = []
    at = 0
    while at < len(text):
        value = shift = 0
        more = True
        while more:
            if at >= len(text) or not _BASE <= ord(text[at]) <= _LAST_CODE:
                raise ValueError("it is not a compressed run-length mask")
            code = ord(text[at]) - _BASE
            value |= (code & _BITS) << shift
            more = bool(code & _MORE)
            at += 1
            shift += 5
            if not more and code & _SIGN:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    if any(run < 0 for run in runs):
        raise ValueError("a run of it is shorter than nothing")
    return runs


def encode(runs: Sequence[int]) -> str:
    """The text of runs, as `decode` reads it."""
    text = []
    for n, run in enumerate(runs):
        value = run - runs[n - 2] if n > 2 else run
        more = True
        while more:
            code = value & _BITS
            value >>= 5
            more = value != -1 if code & _SIGN else value != 0
            text.append(chr(_BASE + (code | _MORE if more else code)))
    return "".join(text)


def area(runs: Sequence[int]) -> int:
    """The number of pixels of the mask."""
    return sum(runs[1::2])


def box(runs: Sequence[int], height: int) -> list[int]:
    """The smallest rectangle around the mask, as x, y, width, height in pixels."""
    start = 0
    columns: list[int] = []
    rows: list[int] = []
    for n, run in enumerate(runs):
        if n % 2 and run and height:
            first, last = start, start + run - 1
            columns += [first // height, last // height]
            # A run that goes on in the next column covers both ends of the height.
            whole = first // height != last // height
            rows += [0, height - 1] if whole else [first % height, last % height]
        start += run
    if not columns:
        return [0, 0, 0, 0]
    x, y = min(columns), min(rows)
    return [x, y, max(columns) - x + 1, max(rows) - y + 1]
