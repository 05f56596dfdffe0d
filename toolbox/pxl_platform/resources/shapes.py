"""Shapes on annotations: reading them from requests, writing them in bulk, showing them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select

from pxl_platform import rle
from pxl_platform.body import Body
from pxl_platform.errors import BadRequest, NotFound
from pxl_platform.models import Annotation, Asset, Data, DatasetVersion, Label, Shape, new_id, now
from pxl_platform.resources.datasets import unlocked
from pxl_platform.routing import Call, Route, reads
from pxl_platform.shapes import KINDS, polygon_area, read_geometry, read_part

View = dict[str, object]
ShapeRow = dict[str, Any]

_CHUNK = 10_000
_SINGULAR: Mapping[str, str] = {
    "rectangles": "rectangle",
    "classifications": "classification",
    "points": "point",
    "polygons": "polygon",
    "lines": "line",
    "keypoints": "keypoint",
    "masks": "mask",
}


def label_view(label: Label) -> View:
    return {"id": label.id, "name": label.name, "group_id": label.group_id}


def shape_rows(
    annotation: Annotation, sent: Body, labels: Mapping[str, Label], kinds: Sequence[str] = KINDS
) -> list[ShapeRow]:
    """Rows to insert for the shapes that a body holds, each with a label of the version.

    Raises:
        BadRequest: a shape is malformed.
        NotFound: its label is not one of the dataset version.
    """
    added = now()
    return [
        {
            "id": new_id(),
            "created_at": added,
            "organization_id": annotation.organization_id,
            "annotation_id": annotation.id,
            "kind": kind,
            "label_id": known_label(labels, shape),
            "geometry": read_geometry(kind, shape),
            "text": shape.optional_text("text"),
            "attributes": shape.optional_object("attributes"),
        }
        for kind in kinds
        for shape in sent.parts(kind)
    ]


def known_label(labels: Mapping[str, Label], shape: Body) -> str:
    label_id = shape.uuid("label_id")
    if label_id not in labels:
        raise NotFound(f"`{shape.where}.label_id`: the dataset version has no label {label_id}")
    return label_id


def labels_of(call: Call, version_id: str) -> dict[str, Label]:
    """The labels of a version by id, in the order in which they came."""
    rows = call.session.scalars(
        select(Label).where(Label.dataset_version_id == version_id).order_by(Label.seq)
    )
    return {row.id: row for row in rows}


def insert_shapes(call: Call, rows: Sequence[ShapeRow]) -> None:
    for start in range(0, len(rows), _CHUNK):
        call.session.execute(insert(Shape), rows[start : start + _CHUNK])


def shapes_by_annotation(call: Call, ids: Sequence[str]) -> dict[str, list[Shape]]:
    found: dict[str, list[Shape]] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = call.session.scalars(
            select(Shape)
            .where(Shape.annotation_id.in_(ids[start : start + _CHUNK]))
            .order_by(Shape.seq)
        )
        for row in rows:
            found.setdefault(row.annotation_id, []).append(row)
    return found


def heights_by_asset(call: Call, asset_ids: Iterable[str]) -> dict[str, int]:
    """The heights in pixels that masks need for their boxes."""
    rows = call.session.execute(
        select(Asset.id, Data.height)
        .join(Data, Data.id == Asset.data_id)
        .where(Asset.id.in_(set(asset_ids)))
    )
    return {asset_id: height or 0 for asset_id, height in rows}


def shape_view(shape: Shape, label: object, height: int) -> View:
    """A shape with its `label` as the endpoint at hand gives it: an object or a name."""
    view = {
        "id": shape.id,
        "label": label,
        "label_id": shape.label_id,
        "text": shape.text,
        "attributes": shape.attributes,
        **shape.geometry,
    }
    if shape.kind == "masks":
        runs = rle.decode(shape.geometry["mask"])
        view |= {"area": float(rle.area(runs)), "bbox": rle.box(runs, height)}
    elif shape.kind == "polygons":
        # The SDK builds COCO files of polygons, and such a file with no area is not valid to it.
        view["area"] = polygon_area(shape.geometry["polygon"])
    return view


def grouped(shapes: Iterable[tuple[str, View]]) -> dict[str, list[View]]:
    """Views by kind; every kind is there, since clients read them without asking."""
    found: dict[str, list[View]] = {kind: [] for kind in KINDS}
    for kind, view in shapes:
        found[kind].append(view)
    return found


def annotation_view(annotation: Annotation) -> View:
    return {
        "id": annotation.id,
        "asset_id": annotation.asset_id,
        "dataset_version_id": annotation.dataset_version_id,
        "duration": annotation.duration,
        "status": annotation.status,
        "attributes": annotation.attributes,
        "created_at": annotation.created_at,
    }


def drawn_views(call: Call, annotations: Sequence[Annotation]) -> list[View]:
    """Annotations with all their shapes, `label` being the label's name."""
    shapes = shapes_by_annotation(call, [row.id for row in annotations])
    names = _label_names(call, {row.dataset_version_id for row in annotations})
    heights = heights_by_asset(call, {row.asset_id for row in annotations})
    return [
        {
            **annotation_view(row),
            **grouped(
                (shape.kind, shape_view(shape, names[shape.label_id], heights[row.asset_id]))
                for shape in shapes.get(row.id, [])
            ),
        }
        for row in annotations
    ]


def _label_names(call: Call, version_ids: set[str]) -> dict[str, str]:
    rows = call.session.execute(
        select(Label.id, Label.name).where(Label.dataset_version_id.in_(version_ids))
    )
    return dict(rows.all())


def extended_annotations(call: Call, asset_ids: Sequence[str]) -> dict[str, list[View]]:
    """The drawn annotations of each asset; an asset without any is missing."""
    rows = call.session.scalars(
        select(Annotation).where(Annotation.asset_id.in_(asset_ids)).order_by(Annotation.seq)
    ).all()
    found: dict[str, list[View]] = {}
    for row, view in zip(rows, drawn_views(call, rows), strict=True):
        found.setdefault(row.asset_id, []).append(view)
    return found


def _labelled_views(call: Call, annotation: Annotation, shapes: Sequence[Shape]) -> list[View]:
    labels = labels_of(call, annotation.dataset_version_id)
    height = heights_by_asset(call, [annotation.asset_id])[annotation.asset_id]
    return [shape_view(row, label_view(labels[row.label_id]), height) for row in shapes]


def list_shapes(call: Call, kind: str) -> View:
    annotation = call.at(Annotation)
    rows = call.session.scalars(
        select(Shape)
        .where(Shape.annotation_id == annotation.id, Shape.kind == kind)
        .order_by(Shape.seq)
    ).all()
    return {"items": _labelled_views(call, annotation, rows), "count": len(rows)}


def create_shapes(call: Call, kind: str) -> View:
    annotation = call.at(Annotation)
    unlocked(call.own(DatasetVersion, annotation.dataset_version_id))
    labels = labels_of(call, annotation.dataset_version_id)
    rows = shape_rows(annotation, call.body, labels, (kind,))
    if not rows:
        raise BadRequest(f"`{kind}` is missing or empty")
    insert_shapes(call, rows)
    ids = [row["id"] for row in rows]
    made = call.session.scalars(select(Shape).where(Shape.id.in_(ids)).order_by(Shape.seq)).all()
    return {kind: _labelled_views(call, annotation, made)}


def _shape_at(call: Call, kind: str) -> Shape:
    shape = call.at(Shape)
    if shape.kind != kind:
        raise NotFound(f"there is no {_SINGULAR[kind]} {shape.id}")
    return shape


def get_shape(call: Call, kind: str) -> View:
    shape = _shape_at(call, kind)
    return _labelled_views(call, call.own(Annotation, shape.annotation_id), [shape])[0]


def update_shape(call: Call, kind: str) -> View:
    shape, body = _shape_at(call, kind), call.body
    annotation = call.own(Annotation, shape.annotation_id)
    unlocked(call.own(DatasetVersion, annotation.dataset_version_id))
    whole = Body({**shape.geometry, **body.fields}, kind)
    shape.geometry = read_part(kind, whole) or shape.geometry
    if body.given("label_id"):
        shape.label_id = known_label(labels_of(call, annotation.dataset_version_id), body)
    if body.has("text"):
        shape.text = body.optional_text("text")
    if body.has("attributes"):
        shape.attributes = body.optional_object("attributes")
    return _labelled_views(call, annotation, [shape])[0]


def delete_shape(call: Call, kind: str) -> None:
    shape = _shape_at(call, kind)
    annotation = call.own(Annotation, shape.annotation_id)
    unlocked(call.own(DatasetVersion, annotation.dataset_version_id))
    call.session.execute(delete(Shape).where(Shape.id == shape.id))


def _routes(kind: str) -> tuple[Route, ...]:
    one = f"/api/{_SINGULAR[kind]}/{{shape}}"
    many = f"/api/annotation/{{annotation}}/{kind}"
    return (
        reads("GET", many, lambda call: list_shapes(call, kind)),
        Route(
            "POST",
            f"/api/annotation/{{annotation}}/bulk-{kind}",
            lambda call: create_shapes(call, kind),
        ),
        reads("GET", one, lambda call: get_shape(call, kind)),
        Route("PATCH", one, lambda call: update_shape(call, kind)),
        Route("DELETE", one, lambda call: delete_shape(call, kind)),
    )


ROUTES: tuple[Route, ...] = tuple(route for kind in KINDS for route in _routes(kind))
