"""Projections: other pictures of a datum, such as a heat map, that a client stored with it."""

from __future__ import annotations

from sqlalchemy import select

from pxl_platform.errors import BadRequest, Conflict
from pxl_platform.models import Data, Projection
from pxl_platform.resources.storage import presigned_url
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]


def _view(call: Call, projection: Projection) -> View:
    return {
        "id": projection.id,
        "name": projection.name,
        "object_name": projection.object_name,
        "filename": projection.filename,
        "compute_status": "DONE",
        "infos": projection.infos,
        "presigned_url": presigned_url(call, projection.object_name),
    }


def create_projection(call: Call) -> View:
    data, body = call.at(Data), call.body
    name, object_name = body.name(), body.text("object_name")
    same = select(Projection).where(Projection.data_id == data.id, Projection.name == name)
    if call.session.scalar(same) is not None:
        raise Conflict(f"the datum {data.filename!r} has a projection {name!r} already")
    if not call.services.store.exists(call.organization.connector_id, object_name):
        raise BadRequest(f"`object_name`: {object_name!r} was not uploaded")
    projection = Projection(
        organization_id=call.organization.id,
        data_id=data.id,
        name=name,
        object_name=object_name,
        filename=body.name("filename"),
        infos=body.optional_object("additional_info"),
    )
    call.session.add(projection)
    call.session.flush()
    return _view(call, projection)


def list_projections(call: Call) -> View:
    data = call.at(Data)
    rows = call.session.scalars(
        select(Projection).where(Projection.data_id == data.id).order_by(Projection.seq)
    ).all()
    return {"items": [_view(call, row) for row in rows], "count": len(rows)}


def get_projection(call: Call) -> View:
    return _view(call, call.at(Projection))


def get_projection_link(call: Call) -> View:
    return {"presigned_url": presigned_url(call, call.at(Projection).object_name)}


def delete_projection(call: Call) -> None:
    call.session.delete(call.at(Projection))


_MANY = "/api/data/{data}/projections"
_ONE = "/api/data/projection/{projection}"

ROUTES: tuple[Route, ...] = (
    Route("POST", _MANY, create_projection),
    reads("GET", _MANY, list_projections),
    reads("GET", _ONE, get_projection),
    reads("GET", f"{_ONE}/presigned-url", get_projection_link),
    Route("DELETE", _ONE, delete_projection),
)
