"""Annotations: one by one, and in bulk for whole dataset versions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, delete, select

from pxl_platform.body import Body, uuid_list
from pxl_platform.enums import ANNOTATION_STATUSES, IMPORT_MODES
from pxl_platform.errors import BadRequest, NotFound
from pxl_platform.models import Annotation, Asset, DatasetVersion, Shape, new_id
from pxl_platform.paging import page
from pxl_platform.resources.datasets import unlocked
from pxl_platform.resources.shapes import (
    ShapeRow,
    annotation_view,
    drawn_views,
    insert_shapes,
    labels_of,
    shape_rows,
)
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_ORDERS = {
    "id": Annotation.id,
    "created_at": Annotation.created_at,
    "status": Annotation.status,
    "duration": Annotation.duration,
}
_EVERYTHING = "__all__"  # what the SDK sends in a list of ids to mean all of them
_CHUNK = 10_000


def _selected(call: Call) -> Select[Annotation]:
    version = call.at(DatasetVersion)
    statement = select(Annotation).where(Annotation.dataset_version_id == version.id)
    status = call.query.text("status")
    if status is not None:
        if status not in ANNOTATION_STATUSES:
            raise BadRequest(f"`status` is {status!r}; one of {', '.join(ANNOTATION_STATUSES)}")
        statement = statement.where(Annotation.status == status)
    asset_ids = call.query.uuids("asset_ids")
    return statement.where(Annotation.asset_id.in_(asset_ids)) if asset_ids else statement


def list_annotations(call: Call) -> View:
    found = page(call, _selected(call), Annotation, _ORDERS)
    return found.of([annotation_view(row) for row in found.rows])


def list_annotation_ids(call: Call) -> object:
    return [row.id for row in call.session.scalars(_selected(call).order_by(Annotation.seq))]


def load_annotations(call: Call) -> object:
    """The annotations of the ids in the body, with their shapes, as a bare list."""
    version = call.at(DatasetVersion)
    if not isinstance(call.content, list):
        raise BadRequest("the body has to be a list of ids")
    ids = uuid_list(call.content, "body")
    found = call.owned(Annotation, ids)
    return drawn_views(call, [row for row in found if row.dataset_version_id == version.id])


def import_annotations(call: Call) -> View:
    """Draw on many assets at once; the answer counts the shapes that each asset was given."""
    version, body = unlocked(call.at(DatasetVersion)), call.body
    mode = body.choice("import_type", IMPORT_MODES, "REPLACE")
    status = body.choice("status", ANNOTATION_STATUSES, "PENDING")
    sent = {part.uuid("asset_id"): part for part in body.parts("annotations")}
    _check_assets(call, version, list(sent))
    labels = labels_of(call, version.id)
    if mode == "REPLACE":
        _delete_of_assets(call, list(sent))
    there = {row.asset_id: row for row in _of_assets(call, list(sent))}
    counts: View = {}
    rows: list[ShapeRow] = []
    for asset_id, part in sent.items():
        annotation = there.get(asset_id)
        if annotation is not None and mode == "KEEP":
            counts[asset_id] = 0
            continue
        if annotation is None:
            annotation = new_annotation(version, asset_id, part, status)
            call.session.add(annotation)
        drawn = shape_rows(annotation, part, labels)
        counts[asset_id] = len(drawn)
        rows += drawn
    call.session.flush()
    insert_shapes(call, rows)
    return counts


def new_annotation(version: DatasetVersion, asset_id: str, sent: Body, status: str) -> Annotation:
    return Annotation(
        id=new_id(),
        organization_id=version.organization_id,
        dataset_version_id=version.id,
        asset_id=asset_id,
        duration=sent.number("duration", 0.0),
        status=status,
        attributes=sent.optional_object("attributes"),
    )


def _check_assets(call: Call, version: DatasetVersion, ids: Sequence[str]) -> None:
    for row in call.owned(Asset, ids):
        if row.dataset_version_id != version.id:
            raise NotFound(f"the dataset version has no asset {row.id}")


def _of_assets(call: Call, asset_ids: Sequence[str]) -> list[Annotation]:
    found: list[Annotation] = []
    for start in range(0, len(asset_ids), _CHUNK):
        found += call.session.scalars(
            select(Annotation)
            .where(Annotation.asset_id.in_(asset_ids[start : start + _CHUNK]))
            .order_by(Annotation.seq)
        )
    return found


def _delete_of_assets(call: Call, asset_ids: Sequence[str]) -> None:
    for start in range(0, len(asset_ids), _CHUNK):
        call.session.execute(
            delete(Annotation).where(Annotation.asset_id.in_(asset_ids[start : start + _CHUNK]))
        )


def delete_annotations(call: Call) -> None:
    """By annotation ids where these are given, else by asset ids; `__all__` means all assets."""
    version, body = unlocked(call.at(DatasetVersion)), call.body
    mine = delete(Annotation).where(Annotation.dataset_version_id == version.id)
    annotation_ids = body.optional_uuids("annotation_ids")
    if annotation_ids is not None:
        call.session.execute(mine.where(Annotation.id.in_(annotation_ids)))
    elif _EVERYTHING in body.texts("asset_ids"):
        call.session.execute(mine)
    else:
        call.session.execute(mine.where(Annotation.asset_id.in_(body.uuids("asset_ids"))))


def create_annotation(call: Call) -> View:
    asset = call.at(Asset)
    version = unlocked(call.own(DatasetVersion, asset.dataset_version_id))
    status = call.body.choice("status", ANNOTATION_STATUSES, "PENDING")
    annotation = new_annotation(version, asset.id, call.body, status)
    call.session.add(annotation)
    call.session.flush()
    return annotation_view(annotation)


def _on_asset(call: Call) -> list[Annotation]:
    return _of_assets(call, [call.at(Asset).id])


def list_on_asset(call: Call) -> View:
    rows = _on_asset(call)
    return {"items": [annotation_view(row) for row in rows], "count": len(rows)}


def find_on_asset(call: Call) -> View:
    rows = _on_asset(call)
    if not rows:
        raise NotFound("there is no annotation on this asset")
    return annotation_view(rows[-1])  # the last one made, as the SDK promises


def get_annotation(call: Call) -> View:
    return annotation_view(call.at(Annotation))


def update_annotation(call: Call) -> View:
    annotation, body = _changeable(call), call.body
    annotation.duration = body.number("duration", annotation.duration)
    annotation.status = body.choice("status", ANNOTATION_STATUSES, annotation.status)
    return annotation_view(annotation)


def delete_annotation(call: Call) -> None:
    call.session.execute(delete(Annotation).where(Annotation.id == _changeable(call).id))


def overwrite_annotation(call: Call) -> View:
    """Replace all shapes of an annotation by those of the body."""
    annotation, body = _changeable(call), call.body
    labels = labels_of(call, annotation.dataset_version_id)
    rows = shape_rows(annotation, body, labels)
    call.session.execute(delete(Shape).where(Shape.annotation_id == annotation.id))
    insert_shapes(call, rows)
    annotation.duration = body.number("duration", annotation.duration)
    return annotation_view(annotation)


def _changeable(call: Call) -> Annotation:
    annotation = call.at(Annotation)
    unlocked(call.own(DatasetVersion, annotation.dataset_version_id))
    return annotation


_VERSION = "/api/dataset/version/{dataset_version}"
_ASSET = "/api/asset/{asset}/annotations"

ROUTES: tuple[Route, ...] = (
    reads("GET", f"{_VERSION}/annotations", list_annotations),
    reads("XGET", f"{_VERSION}/annotations", load_annotations),
    Route("DELETE", f"{_VERSION}/annotations", delete_annotations),
    reads("GET", f"{_VERSION}/annotations/ids", list_annotation_ids),
    Route("POST", f"{_VERSION}/bulk-annotations", import_annotations),
    Route("POST", _ASSET, create_annotation),
    reads("GET", _ASSET, list_on_asset),
    reads("GET", f"{_ASSET}/find", find_on_asset),
    reads("GET", "/api/annotation/{annotation}", get_annotation),
    Route("PATCH", "/api/annotation/{annotation}", update_annotation),
    Route("DELETE", "/api/annotation/{annotation}", delete_annotation),
    Route("POST", "/api/annotation/{annotation}/save", overwrite_annotation),
)
