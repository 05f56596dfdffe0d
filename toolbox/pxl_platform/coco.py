"""COCO annotation files, read into shapes.

Source: the COCO data format, cocodataset.org, "Data format", section "Object Detection".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from pxl_platform.body import Body, part
from pxl_platform.errors import BadRequest
from pxl_platform.shapes import Geometry, read_geometry
from pxl_toolbox.core.errors import ConfigError, NotFoundError

_BOX = 4
_LEAST_POLYGON = 6  # numbers: three points


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """One annotation: its category's name, and what it draws, by kind of shape."""

    category: str
    geometries: Mapping[str, tuple[Geometry, ...]]


@dataclass(frozen=True, slots=True)
class Coco:
    """Categories in their order, and the annotations of each image.

    An image is called by its path below the images' folder, with slashes.
    """

    categories: tuple[str, ...]
    by_image: Mapping[str, tuple[CocoAnnotation, ...]]


def read_coco(path: Path, images: Iterable[str]) -> Coco:
    """Read a COCO file.

    Args:
        path: the file.
        images: the paths of the images that it is about, below their folder, with slashes. The
            file may call an image by its bare name where no other image has that name.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it is not COCO, or names an image or a category that is not there.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}", hint="give a COCO file") from None
    try:
        content = part(orjson.loads(raw), "the file")
        return _coco(Body(content.fields), _Known.of(images))
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON: {error}", hint=f"edit {path}") from None
    except BadRequest as error:
        raise ConfigError(f"{path}: {error.message}", hint=f"edit {path}") from None


@dataclass(frozen=True, slots=True)
class _Known:
    """The images that there are: their paths, and those of each bare name."""

    paths: frozenset[str]
    by_name: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, images: Iterable[str]) -> _Known:
        found: dict[str, list[str]] = defaultdict(list)
        for path in images:
            found[PurePosixPath(path).name].append(path)
        by_name = {name: tuple(paths) for name, paths in found.items()}
        return cls(frozenset(path for paths in by_name.values() for path in paths), by_name)


def _coco(content: Body, known: _Known) -> Coco:
    for key in ("images", "annotations", "categories"):
        if not content.has(key):
            raise BadRequest(f"`{key}` is missing: this is not a COCO file")
    names = {_id(one): one.name() for one in content.parts("categories")}
    files = {_id(one): _path(one, known) for one in content.parts("images")}
    by_image: dict[str, list[CocoAnnotation]] = {path: [] for path in files.values()}
    for one in content.parts("annotations"):
        image, category = one.integer("image_id"), one.integer("category_id")
        if image not in files:
            raise BadRequest(f"`{one.where}.image_id`: there is no image {image}")
        if category not in names:
            raise BadRequest(f"`{one.where}.category_id`: there is no category {category}")
        by_image[files[image]].append(CocoAnnotation(names[category], _geometries(one)))
    return Coco(
        tuple(dict.fromkeys(names.values())),
        {path: tuple(found) for path, found in by_image.items()},
    )


def kinds_of(type_: str) -> tuple[str, ...]:
    """The kinds of shapes that a dataset version of that type draws, the best first."""
    return {
        "CLASSIFICATION": ("classifications",),
        "SEGMENTATION": ("polygons", "masks", "rectangles"),
        "MASK": ("masks", "polygons", "rectangles"),
        "KEYPOINT": ("keypoints", "rectangles"),
        "OBJECT_DETECTION": ("rectangles",),
    }.get(type_, ("polygons", "masks", "keypoints", "rectangles", "classifications"))


def _id(body: Body) -> int:
    return body.integer("id")


def _path(image: Body, known: _Known) -> str:
    given = image.text("file_name")
    parts = PurePosixPath(given.replace("\\", "/")).parts
    path = str(PurePosixPath(*parts))
    # Folders in front of ours, such as the images' own, say nothing that contradicts.
    for start in range(len(parts)):
        below = str(PurePosixPath(*parts[start:]))
        if below in known.paths:
            return below
    meant = known.by_name.get(path, ())
    if not meant:
        raise BadRequest(f"`{image.where}.file_name`: there is no image {given!r}")
    if len(meant) > 1:
        raise BadRequest(
            f"`{image.where}.file_name`: {given!r} may be any of {len(meant)} images, "
            f"as {meant[0]} and {meant[1]}"
        )
    return meant[0]


def _geometries(annotation: Body) -> dict[str, tuple[Geometry, ...]]:
    found: dict[str, tuple[Geometry, ...]] = {"classifications": ({},)}
    box = annotation.optional_list("bbox")
    if box:
        if len(box) != _BOX:
            raise BadRequest(f"`{annotation.where}.bbox`: {box} is not x, y, width, height")
        fields = dict(zip(("x", "y", "w", "h"), box, strict=True))
        found["rectangles"] = (read_geometry("rectangles", Body(fields, annotation.where)),)
    found |= _segmentation(annotation)
    points = annotation.optional_list("keypoints")
    if points:
        triples = [points[n : n + 3] for n in range(0, len(points), 3)]
        body = Body({"keypoints": triples}, annotation.where)
        found["keypoints"] = (read_geometry("keypoints", body),)
    return found


def _segmentation(annotation: Body) -> dict[str, tuple[Geometry, ...]]:
    drawn: Any = annotation.fields.get("segmentation")
    if isinstance(drawn, dict):
        counts = drawn.get("counts")
        if not isinstance(counts, str):
            # Only the compressed form is kept; the other is what crowds have, and their
            # boxes are kept.
            return {}
        return {"masks": (read_geometry("masks", Body({"mask": counts}, annotation.where)),)}
    polygons = [
        [ring[n : n + 2] for n in range(0, len(ring), 2)]
        for ring in drawn or ()
        if isinstance(ring, list) and len(ring) >= _LEAST_POLYGON
    ]
    if not polygons:
        return {}
    read = (
        read_geometry("polygons", Body({"polygon": points}, annotation.where))
        for points in polygons
    )
    return {"polygons": tuple(read)}
