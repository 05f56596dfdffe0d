"""Datalakes and their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from sqlalchemy import Select, delete, select

from pxl_platform.body import Body, part, uuid_text
from pxl_platform.enums import DATA_TYPES, UPLOAD_STATUSES
from pxl_platform.errors import BadRequest, Conflict, NotFound
from pxl_platform.models import Data, Datalake, DataSource, Tag, TagLink
from pxl_platform.paging import Page, page, whole
from pxl_platform.resources.filters import (
    data_condition,
    narrowed_by_custom_metadata,
    narrowed_by_list,
)
from pxl_platform.resources.metadata_keys import check_custom_metadata
from pxl_platform.resources.storage import presigned_url
from pxl_platform.resources.tags import (
    link_tags,
    scoped_tag_ids,
    tags_by_object,
    unlink_objects,
)
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

ORDERS = {
    "id": Data.id,
    "created_at": Data.created_at,
    "filename": Data.filename,
    "object_name": Data.object_name,
    "width": Data.width,
    "height": Data.height,
    "type": Data.type,
    "content_type": Data.content_type,
}
_LISTS = {"ids": Data.id, "filenames": Data.filename, "object_names": Data.object_name}
_TRANSPOSED = range(5, 9)  # EXIF orientations that show the image on its side
_EXIF_ORIENTATION = 0x0112
_CHUNK = 10_000


def lake_view(call: Call, lake: Datalake) -> View:
    return {
        "id": lake.id,
        "name": lake.name,
        "connector_id": call.organization.connector_id,
        "created_at": lake.created_at,
    }


def data_views(call: Call, rows: Sequence[Data]) -> list[View]:
    """The views of many data, with a constant number of queries."""
    tags = tags_by_object(call, [row.id for row in rows])
    sources = _sources(call, {row.data_source_id for row in rows if row.data_source_id})
    return [
        {
            "id": row.id,
            "datalake_id": row.datalake_id,
            "object_name": row.object_name,
            "filename": row.filename,
            "type": row.type,
            "content_type": row.content_type,
            "upload_status": row.upload_status,
            "meta": None if row.width is None else {"width": row.width, "height": row.height},
            "metadata": row.details,
            "custom_metadata": row.custom_metadata,
            "presigned_url": presigned_url(call, row.object_name),
            "tags": tags.get(row.id, []),
            "data_source": sources.get(row.data_source_id or ""),
            "created_at": row.created_at,
        }
        for row in rows
    ]


def _sources(call: Call, ids: set[str]) -> Mapping[str, View]:
    rows = call.session.scalars(select(DataSource).where(DataSource.id.in_(ids)))
    return {row.id: {"id": row.id, "name": row.name} for row in rows}


def data_view(call: Call, row: Data) -> View:
    return data_views(call, [row])[0]


def find_datalake(call: Call) -> View:
    """By id, by name, or the one called `default`, or the oldest."""
    mine = select(Datalake).where(Datalake.organization_id == call.organization.id)
    wanted_id, name = call.query.uuid("id"), call.query.text("name")
    if wanted_id:
        return lake_view(call, call.own(Datalake, wanted_id))
    if name:
        found = call.session.scalar(mine.where(Datalake.name == name))
    else:
        order = (Datalake.name != "default", Datalake.seq)
        found = call.session.scalar(mine.order_by(*order).limit(1))
    if found is None:
        raise NotFound(f"there is no datalake {name!r}")
    return lake_view(call, found)


def list_datalakes(call: Call) -> View:
    mine = select(Datalake).where(Datalake.organization_id == call.organization.id)
    orders = {"name": Datalake.name, "created_at": Datalake.created_at}
    found = page(call, mine, Datalake, orders)
    return found.of([lake_view(call, lake) for lake in found.rows])


def get_datalake(call: Call) -> View:
    return lake_view(call, call.at(Datalake))


def create_data(call: Call) -> View:
    lake, body = call.at(Datalake), call.body
    tag_ids = scoped_tag_ids(call, body.optional_uuids("tags") or [], lake, "DATA")
    source_id = body.optional_uuid("data_source_id")
    if source_id is not None:
        call.own(DataSource, source_id)
    object_name, kind = body.text("object_name"), body.choice("type", DATA_TYPES, "IMAGE")
    stored = call.services.store.path(call.organization.connector_id, object_name)
    if not stored.is_file():
        raise BadRequest(f"`object_name`: {object_name!r} was not uploaded")
    size = _size(body, kind, stored)
    if call.session.scalar(_named(lake, object_name)) is not None:
        raise Conflict(f"there is a datum with the object name {object_name!r} already")
    data = Data(
        organization_id=call.organization.id,
        datalake_id=lake.id,
        object_name=object_name,
        filename=body.name("filename"),
        type=kind,
        content_type=body.optional_text("content_type") or "application/octet-stream",
        upload_status="ERROR" if size is None else "DONE",
        width=None if size is None else size[0],
        height=None if size is None else size[1],
        details=body.optional_object("metadata"),
        custom_metadata=_custom_metadata(lake, body),
        data_source_id=source_id,
    )
    call.session.add(data)
    call.session.flush()
    link_tags(call, tag_ids, [data.id])
    return data_view(call, data)


def _custom_metadata(lake: Datalake, body: Body) -> dict[str, Any] | None:
    found = body.optional_object("custom_metadata")
    check_custom_metadata(lake, found)
    return found


def _named(lake: Datalake, object_name: str) -> Select[Data]:
    return select(Data).where(Data.datalake_id == lake.id, Data.object_name == object_name)


def _size(body: Body, kind: str, stored: Path) -> tuple[int, int] | None:
    """Width and height in pixels: the client's, else measured; None for an unreadable image."""
    meta = body.optional_object("meta")
    if meta is not None:
        given = part(meta, "meta")
        return given.integer("width"), given.integer("height")
    if kind == "VIDEO":
        return 0, 0
    return image_size(stored)


def image_size(file: Path) -> tuple[int, int] | None:
    """Width and height of an image in pixels, as it is shown; None where it is not an image."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            sideways = image.getexif().get(_EXIF_ORIENTATION) in _TRANSPOSED
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return (height, width) if sideways else (width, height)


def list_data(call: Call) -> View:
    return _listed(call, page(call, _selected(call), Data, ORDERS))


def list_named_data(call: Call) -> View:
    statement = narrowed_by_list(_selected(call), call.body, _LISTS)
    paged = call.query.text("limit") is not None
    return _listed(call, (page if paged else whole)(call, statement, Data, ORDERS))


def _listed(call: Call, found: Page[Data]) -> View:
    return found.of(data_views(call, found.rows))


def _selected(call: Call) -> Select[Any]:
    """The data of the path's datalake that the filters of the request leave."""
    statement = select(Data).where(Data.datalake_id == call.at(Datalake).id)
    body = call.body
    text = body.optional_text("q") or call.query.text("q")
    if text and text.strip():
        statement = statement.where(data_condition(text))
    statuses = body.texts("upload_statuses") or call.query.texts("upload_statuses")
    if statuses and set(statuses) != set(UPLOAD_STATUSES):
        statement = statement.where(Data.upload_status.in_(statuses))
    types = body.texts("types") or call.query.texts("types")
    if types and set(types) != set(DATA_TYPES):
        statement = statement.where(Data.type.in_(types))
    return narrowed_by_custom_metadata(call, statement)


def find_data(call: Call) -> View:
    lake, query = call.at(Datalake), call.query
    statement = select(Data).where(Data.datalake_id == lake.id).order_by(Data.seq).limit(1)
    for name, column in (("filename", Data.filename), ("object_name", Data.object_name)):
        if (value := query.text(name)) is not None:
            statement = statement.where(column == value)
    if (wanted := query.uuid("id")) is not None:
        statement = statement.where(Data.id == wanted)
    found = call.session.scalar(statement)
    if found is None:
        raise NotFound("there is no such datum in this datalake")
    return data_view(call, found)


def list_data_ids(call: Call) -> View:
    found = page(call, _selected(call), Data, ORDERS)
    return found.of([row.id for row in found.rows])


def get_data(call: Call) -> View:
    return data_view(call, call.at(Data))


def get_data_link(call: Call) -> View:
    return {"presigned_url": presigned_url(call, call.at(Data).object_name)}


def update_data(call: Call) -> View:
    data, body = call.at(Data), call.body
    if body.has("metadata"):
        data.details = body.optional_object("metadata")
    if body.has("custom_metadata"):
        data.custom_metadata = _custom_metadata(call.own(Datalake, data.datalake_id), body)
    if body.given("filename"):
        data.filename = body.name("filename")
    return data_view(call, data)


def delete_data(call: Call) -> None:
    _delete(call, [call.at(Data).id])


def delete_many_data(call: Call) -> None:
    lake = call.at(Datalake)
    ids = call.body.uuids("ids")
    if any(row.datalake_id != lake.id for row in call.owned(Data, ids)):
        raise NotFound("some of these data are not in this datalake")
    _delete(call, ids)


def _delete(call: Call, ids: Sequence[str]) -> None:
    unlink_objects(call, ids)
    for start in range(0, len(ids), _CHUNK):
        call.session.execute(delete(Data).where(Data.id.in_(ids[start : start + _CHUNK])))


def update_many_data(call: Call) -> View:
    """For each id: replace metadata, custom metadata, tags (by name) and source (by name)."""
    lake = call.at(Datalake)
    changes = part(call.body.value("objects"), "objects").fields
    for row_id, change in changes.items():
        row = call.own(Data, uuid_text(row_id, f"objects.{row_id}"))
        if row.datalake_id != lake.id:
            raise NotFound(f"there is no datum {row.id} in this datalake")
        _change(call, lake, row, part(change, f"objects.{row_id}"))
    return {"count": len(changes)}


def _change(call: Call, lake: Datalake, row: Data, change: Body) -> None:
    if change.given("metadata"):
        row.details = change.optional_object("metadata")
    if change.given("custom_metadata"):
        row.custom_metadata = _custom_metadata(lake, change)
    if name := change.optional_text("data_source"):
        row.data_source_id = _source_id(call, name)
    if names := change.texts("tags"):
        call.session.execute(delete(TagLink).where(TagLink.object_id == row.id))
        link_tags(call, [_tag_id(call, lake, name) for name in names], [row.id])


def _source_id(call: Call, name: str) -> str:
    organization_id = call.organization.id
    mine = select(DataSource).where(
        DataSource.organization_id == organization_id, DataSource.name == name
    )
    found = call.session.scalar(mine)
    if found is None:
        found = DataSource(organization_id=organization_id, name=name)
        call.session.add(found)
        call.session.flush()
    return found.id


def _tag_id(call: Call, lake: Datalake, name: str) -> str:
    mine = select(Tag).where(Tag.scope_id == lake.id, Tag.target_type == "DATA", Tag.name == name)
    found = call.session.scalar(mine)
    if found is None:
        found = Tag(
            organization_id=lake.organization_id, scope_id=lake.id, target_type="DATA", name=name
        )
        call.session.add(found)
        call.session.flush()
    return found.id


_LAKE = "/api/datalake/{datalake}"

ROUTES: tuple[Route, ...] = (
    reads("GET", "/api/organization/{organization}/datalake", find_datalake),
    reads("GET", "/api/organization/{organization}/datalakes", list_datalakes),
    reads("GET", _LAKE, get_datalake),
    Route("POST", f"{_LAKE}/datas", create_data),
    reads("GET", f"{_LAKE}/datas", list_data),
    reads("XGET", f"{_LAKE}/datas", list_named_data),
    Route("DELETE", f"{_LAKE}/datas", delete_many_data),
    reads("GET", f"{_LAKE}/datas/find", find_data),
    reads("GET", f"{_LAKE}/datas/ids/paginated", list_data_ids),
    Route("PATCH", f"{_LAKE}/data/bulk", update_many_data),
    reads("GET", "/api/data/{data}", get_data),
    reads("GET", "/api/data/{data}/presigned-url", get_data_link),
    Route("PATCH", "/api/data/{data}", update_data),
    Route("PATCH", "/api/data/{data}/custom-metadata", update_data),
    Route("DELETE", "/api/data/{data}", delete_data),
)
