"""Assets: data in a dataset version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.dialects.sqlite import insert

from pxl_platform.enums import DATA_TYPES
from pxl_platform.errors import BadRequest, NotFound
from pxl_platform.models import Asset, Data, DatasetVersion, new_id, now
from pxl_platform.paging import Page, page, whole
from pxl_platform.resources.data import data_views
from pxl_platform.resources.datasets import unlocked
from pxl_platform.resources.filters import (
    asset_condition,
    narrowed_by_custom_metadata,
    narrowed_by_list,
)
from pxl_platform.resources.shapes import extended_annotations
from pxl_platform.resources.tags import (
    link_tags,
    scoped_tag_ids,
    tags_by_object,
    unlink_objects,
)
from pxl_platform.resources.tasks import done_task
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_ORDERS = {
    "id": Asset.id,
    "created_at": Asset.created_at,
    "data_id": Asset.data_id,
    "filename": Data.filename,
    "data.filename": Data.filename,
    "object_name": Data.object_name,
    "data.object_name": Data.object_name,
    "data.created_at": Data.created_at,
    "width": Data.width,
    "height": Data.height,
}
_LISTS = {
    "ids": Asset.id,
    "filenames": Data.filename,
    "object_names": Data.object_name,
    "data_ids": Asset.data_id,
}
_CHUNK = 5_000


def asset_views(call: Call, rows: Sequence[Asset]) -> list[View]:
    """The views of many assets, with a constant number of queries."""
    tags = tags_by_object(call, [row.id for row in rows])
    data = _data_by_id(call, [row.data_id for row in rows])
    return [
        {
            "id": row.id,
            "dataset_version_id": row.dataset_version_id,
            "data_id": row.data_id,
            "data": data[row.data_id],
            "tags": tags.get(row.id, []),
            "created_at": row.created_at,
        }
        for row in rows
    ]


def _data_by_id(call: Call, ids: Sequence[str]) -> Mapping[str, View]:
    found: dict[str, View] = {}
    for start in range(0, len(ids), _CHUNK):
        chunk = select(Data).where(Data.id.in_(ids[start : start + _CHUNK]))
        rows = call.session.scalars(chunk).all()
        found |= {str(view["id"]): view for view in data_views(call, rows)}
    return found


def asset_view(call: Call, row: Asset) -> View:
    return asset_views(call, [row])[0]


def add_assets(call: Call) -> View:
    version, body = unlocked(call.at(DatasetVersion)), call.body
    tag_ids = scoped_tag_ids(call, body.optional_uuids("asset_tag_ids") or [], version, "ASSET")
    data = call.owned(Data, body.uuids("data_ids"))
    unready = [row.filename for row in data if row.upload_status != "DONE"]
    if unready:
        raise BadRequest(f"`data_ids`: {unready[0]!r} is not an image that can be opened")
    insert_assets(call, version, [row.id for row in data])
    if tag_ids:
        link_tags(call, tag_ids, _asset_ids(call, version, [row.id for row in data]))
    return {"job": done_task(call)}


def insert_assets(call: Call, version: DatasetVersion, data_ids: Sequence[str]) -> None:
    """Add data to a version; those that are in it already stay as they are."""
    added = now()
    rows = [
        {
            "id": new_id(),
            "created_at": added,
            "organization_id": version.organization_id,
            "dataset_version_id": version.id,
            "data_id": data_id,
        }
        for data_id in data_ids
    ]
    for start in range(0, len(rows), _CHUNK):
        call.session.execute(insert(Asset).on_conflict_do_nothing(), rows[start : start + _CHUNK])


def _asset_ids(call: Call, version: DatasetVersion, data_ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(data_ids), _CHUNK):
        found += call.session.scalars(
            select(Asset.id).where(
                Asset.dataset_version_id == version.id,
                Asset.data_id.in_(data_ids[start : start + _CHUNK]),
            )
        )
    return found


def _selected(call: Call) -> Select[Any]:
    """The assets of the path's version that the filters of the request leave."""
    version = call.at(DatasetVersion)
    statement = (
        select(Asset)
        .join(Data, Data.id == Asset.data_id)
        .where(Asset.dataset_version_id == version.id)
    )
    body = call.body
    text = body.optional_text("q") or call.query.text("q")
    if text and text.strip():
        statement = statement.where(asset_condition(text))
    types = body.texts("types") or call.query.texts("types")
    if types and set(types) != set(DATA_TYPES):
        statement = statement.where(Data.type.in_(types))
    return narrowed_by_custom_metadata(call, statement)


def list_assets(call: Call) -> View:
    return _listed(call, page(call, _selected(call), Asset, _ORDERS))


def list_named_assets(call: Call) -> View:
    statement = narrowed_by_list(_selected(call), call.body, _LISTS)
    paged = call.query.text("limit") is not None
    return _listed(call, (page if paged else whole)(call, statement, Asset, _ORDERS))


def _listed(call: Call, found: Page[Asset]) -> View:
    return found.of(asset_views(call, found.rows))


def list_asset_ids(call: Call) -> View:
    found = page(call, _selected(call), Asset, _ORDERS)
    return found.of([row.id for row in found.rows])


def list_extended_assets(call: Call) -> View:
    found = page(call, _selected(call), Asset, _ORDERS)
    drawn = extended_annotations(call, [row.id for row in found.rows])
    views = asset_views(call, found.rows)
    return found.of([{**view, "annotations": drawn.get(str(view["id"]), [])} for view in views])


def find_asset(call: Call) -> View:
    version, query = call.at(DatasetVersion), call.query
    statement = (
        select(Asset)
        .join(Data, Data.id == Asset.data_id)
        .where(Asset.dataset_version_id == version.id)
        .order_by(Asset.seq)
        .limit(1)
    )
    for name, column in (("filename", Data.filename), ("object_name", Data.object_name)):
        if (value := query.text(name)) is not None:
            statement = statement.where(column == value)
    for name, column in (("id", Asset.id), ("data_id", Asset.data_id)):
        if (wanted := query.uuid(name)) is not None:
            statement = statement.where(column == wanted)
    found = call.session.scalar(statement)
    if found is None:
        raise NotFound("there is no such asset in this dataset version")
    return asset_view(call, found)


def get_asset(call: Call) -> View:
    return asset_view(call, call.at(Asset))


def delete_asset(call: Call) -> None:
    asset = call.at(Asset)
    unlocked(call.own(DatasetVersion, asset.dataset_version_id))
    remove_assets(call, [asset.id])


def delete_assets(call: Call) -> None:
    version = unlocked(call.at(DatasetVersion))
    ids = call.body.uuids("ids")
    if any(row.dataset_version_id != version.id for row in call.owned(Asset, ids)):
        raise NotFound("some of these assets are not in this dataset version")
    remove_assets(call, ids)


def remove_assets(call: Call, ids: Sequence[str]) -> None:
    unlink_objects(call, ids)
    for start in range(0, len(ids), _CHUNK):
        call.session.execute(delete(Asset).where(Asset.id.in_(ids[start : start + _CHUNK])))


_VERSION = "/api/dataset/version/{dataset_version}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_VERSION}/assets", add_assets),
    reads("GET", f"{_VERSION}/assets", list_assets),
    reads("XGET", f"{_VERSION}/assets", list_named_assets),
    Route("DELETE", f"{_VERSION}/assets", delete_assets),
    reads("GET", f"{_VERSION}/assets/find", find_asset),
    reads("GET", f"{_VERSION}/assets/extended", list_extended_assets),
    reads("GET", f"{_VERSION}/assets/ids/paginated", list_asset_ids),
    reads("GET", "/api/asset/{asset}", get_asset),
    Route("DELETE", "/api/asset/{asset}", delete_asset),
)
