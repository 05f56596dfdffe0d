"""The kinds of shapes: how each is read, checked and shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pxl_platform import rle
from pxl_platform.body import Body, shown
from pxl_platform.errors import BadRequest

KINDS: Final = (
    "rectangles",
    "classifications",
    "points",
    "polygons",
    "lines",
    "keypoints",
    "masks",
)
Point = list[float]
Geometry = dict[str, Any]

_LONGEST_MASK = 16_000_000


def read_geometry(kind: str, shape: Body) -> Geometry:
    """The kind's own keys of a shape that was sent, checked.

    Raises:
        BadRequest: a key is missing or wrong.
    """
    return _READERS[kind](shape)


def read_part(kind: str, shape: Body) -> Geometry:
    """Like `read_geometry`, for a change that may leave the geometry as it is."""
    names = {"rectangles": ("x", "y", "w", "h")}.get(kind, (_KEYS.get(kind, ""),))
    return read_geometry(kind, shape) if all(shape.given(name) for name in names) else {}


def _rectangle(shape: Body) -> Geometry:
    found = {name: _pixel(shape, name) for name in ("x", "y", "w", "h")}
    if found["w"] < 0 or found["h"] < 0:
        raise BadRequest(f"`{shape.where}`: a rectangle has no negative width or height")
    return found


def _pixel(shape: Body, name: str) -> int:
    value: object = shape.fields.get(name)
    if not isinstance(value, (int, float)) or not _is_number(value):
        raise BadRequest(f"`{shape.where}.{name}` has to be a number, not {shown(value)}")
    return round(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _points(name: str, *, least: int, size: int = 2) -> Callable[[Body], Geometry]:
    def read(shape: Body) -> Geometry:
        points = shape.optional_list(name) or []
        if len(points) < least:
            raise BadRequest(f"`{shape.where}.{name}` needs at least {least} points")
        for point in points:
            _check_point(shape, name, point, size)
        return {name: points}

    return read


def _point(shape: Body) -> Geometry:
    point = shape.optional_list("point")
    _check_point(shape, "point", point, 2)
    return {"point": point}


def _check_point(shape: Body, name: str, point: object, size: int) -> None:
    if (
        not isinstance(point, list)
        or len(point) != size
        or not all(_is_number(value) for value in point)
    ):
        raise BadRequest(f"`{shape.where}.{name}`: {shown(point)} is not a point of {size} numbers")


def _mask(shape: Body) -> Geometry:
    text = shape.text("mask")
    if len(text) > _LONGEST_MASK:
        raise BadRequest(f"`{shape.where}.mask` is longer than {_LONGEST_MASK} characters")
    try:
        rle.decode(text)
    except ValueError as error:
        raise BadRequest(f"`{shape.where}.mask`: {error}") from None
    return {"mask": text}


def _nothing(_shape: Body) -> Geometry:
    return {}


_KEYS: Mapping[str, str] = {
    "points": "point",
    "polygons": "polygon",
    "lines": "line",
    "keypoints": "keypoints",
    "masks": "mask",
}
_READERS: Mapping[str, Callable[[Body], Geometry]] = {
    "rectangles": _rectangle,
    "classifications": _nothing,
    "points": _point,
    "polygons": _points("polygon", least=3),
    "lines": _points("line", least=2),
    "keypoints": _points("keypoints", least=1, size=3),
    "masks": _mask,
}


def polygon_area(polygon: Sequence[Sequence[float]]) -> float:
    """The area in square pixels, by the shoelace formula."""
    pairs = zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def box_of(points: Iterable[Sequence[float]]) -> list[float]:
    """The rectangle around points, as x, y, width, height."""
    listed = list(points)
    if not listed:
        return []
    xs, ys = [point[0] for point in listed], [point[1] for point in listed]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
