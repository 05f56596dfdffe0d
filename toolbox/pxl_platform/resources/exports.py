"""Exports of a dataset version's annotations: COCO, YOLO and Pascal VOC.

Sources: the COCO data format (cocodataset.org, "Data format"); the YOLO label format as
Ultralytics documents it (one text file for each image, numbers from 0 to 1); the Pascal
VOC development kit, section "Annotation".
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson
from sqlalchemy import select

from pxl_platform import rle
from pxl_platform.enums import ANNOTATION_STATUSES, EXPORT_FORMATS, EXPORT_KEYS
from pxl_platform.models import Annotation, Asset, Data, DatasetVersion, Shape
from pxl_platform.resources.shapes import labels_of, shapes_by_annotation
from pxl_platform.resources.storage import presigned_url
from pxl_platform.routing import Call, Route
from pxl_platform.shapes import box_of, polygon_area

_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class _Image:
    """An image of the export: its name there, its size in pixels, and its latest drawing."""

    name: str
    width: int
    height: int
    attributes: Mapping[str, Any] | None = None
    shapes: Sequence[Shape] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class _Export:
    """What is written: images in the order of their arrival, and categories by label id."""

    categories: Mapping[str, int]
    names: Sequence[str]
    skeletons: Mapping[str, Mapping[str, Any]]
    images: Sequence[_Image]


def export_annotations(call: Call) -> object:
    """Write the latest annotation of each asset into one file, and answer with a link to it."""
    version, body = call.at(DatasetVersion), call.body
    kind = body.choice("type", EXPORT_FORMATS)
    key = body.choice("export_key", EXPORT_KEYS, "FILENAME")
    status = body.optional_choice("status", ANNOTATION_STATUSES)
    export = _collected(call, version, body.optional_uuids("asset_ids"), key, status)
    write, suffix = _WRITERS[kind]
    # A file name, since clients put it behind a folder of theirs.
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", version.version)[:80] or "annotations"
    name = f"{stem}-{kind.lower()}-{uuid4().hex}{suffix}"
    call.services.store.put(call.organization.connector_id, name, write(export))
    return {"object_name": name, "presigned_url": presigned_url(call, name)}


def _collected(
    call: Call, version: DatasetVersion, asset_ids: list[str] | None, key: str, status: str | None
) -> _Export:
    labels = labels_of(call, version.id)
    latest = _latest(call, version, status)
    drawn = shapes_by_annotation(call, [row.id for row in latest.values()])
    images = []
    for asset, data in _assets(call, version, asset_ids):
        annotation = latest.get(asset.id)
        if annotation is None and status is not None:
            continue
        shapes = drawn.get(annotation.id, []) if annotation else []
        attributes = annotation.attributes if annotation else None
        size = (data.width or 0, data.height or 0)
        images.append(_Image(_named(asset, data, key), *size, attributes, shapes))
    return _Export(
        categories={label_id: number for number, label_id in enumerate(labels)},
        names=[label.name for label in labels.values()],
        skeletons={row.name: row.skeleton for row in labels.values() if row.skeleton},
        images=images,
    )


def _latest(call: Call, version: DatasetVersion, status: str | None) -> dict[str, Annotation]:
    wanted = select(Annotation).where(Annotation.dataset_version_id == version.id)
    if status is not None:
        wanted = wanted.where(Annotation.status == status)
    rows = call.session.scalars(wanted.order_by(Annotation.seq))
    return {row.asset_id: row for row in rows}


def _assets(
    call: Call, version: DatasetVersion, ids: list[str] | None
) -> Iterator[tuple[Asset, Data]]:
    mine = (
        select(Asset, Data)
        .join(Data, Data.id == Asset.data_id)
        .where(Asset.dataset_version_id == version.id)
        .order_by(Asset.seq)
    )
    if ids is None:
        yield from call.session.execute(mine).tuples()
        return
    call.owned(Asset, ids)
    for start in range(0, len(ids), _CHUNK):
        chosen = mine.where(Asset.id.in_(ids[start : start + _CHUNK]))
        yield from call.session.execute(chosen).tuples()


def _named(asset: Asset, data: Data, key: str) -> str:
    suffix = PurePosixPath(data.filename).suffix
    return {
        "ASSET_ID": f"{asset.id}{suffix}",
        "DATA_ID": f"{data.id}{suffix}",
        "OBJECT_NAME": data.object_name,
    }.get(key, data.filename)


def _coco(export: _Export) -> bytes:
    annotations: list[dict[str, Any]] = []
    images = []
    for number, image in enumerate(export.images):
        row = {
            "id": number,
            "file_name": image.name,
            "width": image.width,
            "height": image.height,
        }
        images.append(row | ({"attributes": image.attributes} if image.attributes else {}))
        for shape in image.shapes:
            annotations.append(
                {
                    # From 1 on: pycocotools takes 0 for "no annotation" when it evaluates.
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": export.categories[shape.label_id],
                    "iscrowd": 0,
                    "utf8_string": shape.text,
                    "attributes": shape.attributes,
                    **_coco_geometry(shape, image),
                }
            )
    categories = [
        {"id": number, "name": name, **_coco_skeleton(export.skeletons.get(name))}
        for number, name in enumerate(export.names)
    ]
    return orjson.dumps({"images": images, "annotations": annotations, "categories": categories})


def _coco_skeleton(skeleton: Mapping[str, Any] | None) -> dict[str, Any]:
    if skeleton is None:
        return {}
    return {"keypoints": skeleton.get("vertices"), "skeleton": skeleton.get("edges")}


def _coco_geometry(shape: Shape, image: _Image) -> dict[str, Any]:
    drawn = shape.geometry
    if shape.kind == "masks":
        runs = rle.decode(drawn["mask"])
        return {
            "bbox": rle.box(runs, image.height),
            "area": float(rle.area(runs)),
            "segmentation": {"counts": drawn["mask"], "size": [image.height, image.width]},
        }
    if shape.kind == "polygons":
        flat = [value for point in drawn["polygon"] for value in point]
        area = float(polygon_area(drawn["polygon"]))
        return {"bbox": box_of(drawn["polygon"]), "area": area, "segmentation": [flat]}
    if shape.kind == "keypoints":
        points = drawn["keypoints"]
        seen = [point[:2] for point in points if point[2]]
        return {
            "bbox": box_of(seen),
            "area": 1.0,
            "segmentation": [],
            "keypoints": [value for point in points for value in point],
            "num_keypoints": len(seen),
        }
    box = _box(shape)
    return {"bbox": box, "area": float(box[2] * box[3]) if box else 0.0, "segmentation": []}


def _box(shape: Shape) -> list[Any]:
    """x, y, width, height in pixels; empty where the shape has no extent."""
    drawn = shape.geometry
    if shape.kind == "rectangles":
        return [drawn["x"], drawn["y"], drawn["w"], drawn["h"]]
    if shape.kind in {"polygons", "lines"}:
        return box_of(drawn["polygon" if shape.kind == "polygons" else "line"])
    return box_of([drawn["point"]]) if shape.kind == "points" else []


def _yolo(export: _Export) -> bytes:
    names = orjson.dumps(list(export.names)).decode()  # JSON is YAML
    files = {"data.yaml": f"nc: {len(export.names)}\nnames: {names}\n"}
    for image in export.images:
        lines = (_yolo_line(shape, image, export) for shape in image.shapes)
        files[_with_suffix(image.name, ".txt")] = "".join(f"{line}\n" for line in lines if line)
    return _zipped(files)


def _yolo_line(shape: Shape, image: _Image, export: _Export) -> str:
    number = export.categories[shape.label_id]
    if shape.kind == "classifications":
        return str(number)
    if not image.width or not image.height:
        return ""
    if shape.kind == "polygons":
        scaled = [
            value / size
            for point in shape.geometry["polygon"]
            for value, size in zip(point, (image.width, image.height), strict=True)
        ]
    elif shape.kind == "rectangles":
        x, y, w, h = _box(shape)
        centre = ((x + w / 2) / image.width, (y + h / 2) / image.height)
        scaled = [*centre, w / image.width, h / image.height]
    else:
        return ""
    return " ".join([str(number), *(f"{value:.6f}" for value in scaled)])


def _voc(export: _Export) -> bytes:
    return _zipped(
        {_with_suffix(image.name, ".xml"): _voc_file(image, export) for image in export.images}
    )


def _voc_file(image: _Image, export: _Export) -> str:
    root = Element("annotation")
    SubElement(root, "folder")
    SubElement(root, "filename").text = image.name
    size = SubElement(root, "size")
    for tag, value in (("width", image.width), ("height", image.height), ("depth", 3)):
        SubElement(size, tag).text = str(value)
    segmented = any(shape.kind == "polygons" for shape in image.shapes)
    SubElement(root, "segmented").text = str(int(segmented))
    for shape in image.shapes:
        _voc_object(root, shape, export)
    return tostring(root, encoding="unicode")


def _voc_object(root: Element, shape: Shape, export: _Export) -> None:
    drawn = SubElement(root, "object")
    SubElement(drawn, "name").text = export.names[export.categories[shape.label_id]]
    for tag, text in (("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0")):
        SubElement(drawn, tag).text = text
    box = _box(shape)
    if box:
        x, y, w, h = box
        corners = (("xmin", x), ("ymin", y), ("xmax", x + w), ("ymax", y + h))
        edges = SubElement(drawn, "bndbox")
        for tag, value in corners:
            SubElement(edges, tag).text = str(value)
    if shape.kind == "polygons":
        points = SubElement(drawn, "polygon")
        for number, (x, y) in enumerate(shape.geometry["polygon"], 1):
            SubElement(points, f"x{number}").text = str(x)
            SubElement(points, f"y{number}").text = str(y)


def _with_suffix(name: str, suffix: str) -> str:
    # Only the name: an object name with folders must not lead out of where it is unpacked.
    return str(PurePosixPath(PurePosixPath(name).name).with_suffix(suffix))


def _zipped(files: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return written.getvalue()


_WRITERS: Mapping[str, tuple[Callable[[_Export], bytes], str]] = {
    "COCO": (_coco, ".json"),
    "YOLO": (_yolo, ".zip"),
    "PASCAL_VOC": (_voc, ".zip"),
}

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/api/dataset/version/{dataset_version}/annotations/export",
        export_annotations,
        writes=False,
    ),
)
