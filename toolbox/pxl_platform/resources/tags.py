"""Tags of anything, and the sources of data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert

from pxl_platform.body import uuid_list
from pxl_platform.enums import TAG_TARGETS
from pxl_platform.errors import BadRequest, Conflict, NotFound
from pxl_platform.models import (
    Asset,
    Data,
    Datalake,
    Dataset,
    DatasetVersion,
    DataSource,
    Model,
    ModelVersion,
    Owned,
    Tag,
    TagLink,
)
from pxl_platform.paging import page
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_TARGETS: Mapping[str, type[Owned]] = {
    "DATA": Data,
    "ASSET": Asset,
    "MODEL": Model,
    "MODEL_VERSION": ModelVersion,
    "DATASET": Dataset,
    "DATASET_VERSION": DatasetVersion,
}
_ORDERS = {"name": Tag.name, "created_at": Tag.created_at, "id": Tag.id}
_CHUNK = 10_000


def tag_view(tag: Tag) -> View:
    return {"id": tag.id, "name": tag.name, "target_type": tag.target_type}


def tags_by_object(call: Call, ids: Sequence[str]) -> dict[str, list[View]]:
    """The views of the tags of each of these objects; an object without tags is missing."""
    found: dict[str, list[View]] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = call.session.execute(
            select(TagLink.object_id, Tag)
            .join(Tag, Tag.id == TagLink.tag_id)
            .where(TagLink.object_id.in_(ids[start : start + _CHUNK]))
            .order_by(Tag.seq)
        )
        for object_id, tag in rows:
            found.setdefault(object_id, []).append(tag_view(tag))
    return found


def tags_of(call: Call, row: Owned) -> list[View]:
    return tags_by_object(call, [row.id]).get(row.id, [])


def link_tags(call: Call, tag_ids: Iterable[str], object_ids: Sequence[str]) -> None:
    """Attach; what is attached already stays so."""
    links = [{"tag_id": tag, "object_id": thing} for tag in tag_ids for thing in object_ids]
    for start in range(0, len(links), _CHUNK):
        call.session.execute(
            insert(TagLink).on_conflict_do_nothing(), links[start : start + _CHUNK]
        )


def unlink_objects(call: Call, ids: Sequence[str]) -> None:
    """Forget the tags of objects that are about to go."""
    for start in range(0, len(ids), _CHUNK):
        call.session.execute(
            delete(TagLink).where(TagLink.object_id.in_(ids[start : start + _CHUNK]))
        )


def scoped_tag_ids(call: Call, ids: Sequence[str], scope: Owned, target_type: str) -> list[str]:
    """Ids of tags, once each is found to be a tag of this scope and target."""
    for tag in call.owned(Tag, ids):
        if tag.scope_id != scope.id or tag.target_type != target_type:
            raise BadRequest(f"the tag {tag.name!r} is not one for {target_type} here")
    return list(ids)


def _create(call: Call, scope_id: str, target_type: str) -> View:
    name = call.body.name()
    if _found(call, scope_id, target_type, name) is not None:
        raise Conflict(f"there is a tag {name!r} for {target_type} already")
    tag = Tag(
        organization_id=call.organization.id,
        scope_id=scope_id,
        target_type=target_type,
        name=name,
    )
    call.session.add(tag)
    call.session.flush()
    return tag_view(tag)


def _found(call: Call, scope_id: str, target_type: str, name: str | None) -> Tag | None:
    return call.session.scalar(
        select(Tag).where(
            Tag.scope_id == scope_id, Tag.target_type == target_type, Tag.name == name
        )
    )


def _find(call: Call, scope_id: str, target_type: str) -> View:
    name = call.query.text("name")
    tag = _found(call, scope_id, target_type, name)
    if tag is None:
        raise NotFound(f"there is no tag {name!r} for {target_type}")
    return tag_view(tag)


def _list(call: Call, scope_id: str, target_type: str | None) -> View:
    wanted = select(Tag).where(Tag.scope_id == scope_id)
    if target_type is not None:
        wanted = wanted.where(Tag.target_type == target_type)
    found = page(call, wanted, Tag, _ORDERS)
    return found.of([tag_view(tag) for tag in found.rows])


def create_data_tag(call: Call) -> View:
    return _create(call, call.at(Datalake).id, "DATA")


def find_data_tag(call: Call) -> View:
    return _find(call, call.at(Datalake).id, "DATA")


def list_data_tags(call: Call) -> View:
    return _list(call, call.at(Datalake).id, "DATA")


def create_asset_tag(call: Call) -> View:
    return _create(call, call.at(DatasetVersion).id, "ASSET")


def find_asset_tag(call: Call) -> View:
    return _find(call, call.at(DatasetVersion).id, "ASSET")


def list_asset_tags(call: Call) -> View:
    return _list(call, call.at(DatasetVersion).id, "ASSET")


def create_organization_tag(call: Call) -> View:
    return _create(call, call.organization.id, call.body.choice("target_type", TAG_TARGETS))


def find_organization_tag(call: Call) -> View:
    return _find(call, call.organization.id, _wanted_target(call) or "")


def list_organization_tags(call: Call) -> View:
    return _list(call, call.organization.id, _wanted_target(call))


def _wanted_target(call: Call) -> str | None:
    wanted = call.query.text("target_type")
    if wanted is not None and wanted not in TAG_TARGETS:
        raise BadRequest(f"`target_type` is {wanted!r}; one of {', '.join(TAG_TARGETS)}")
    return wanted


def get_tag(call: Call) -> View:
    return tag_view(call.at(Tag))


def rename_tag(call: Call) -> View:
    tag = call.at(Tag)
    name = call.body.name()
    other = _found(call, tag.scope_id, tag.target_type, name)
    if other is not None and other is not tag:
        raise Conflict(f"there is a tag {name!r} for {tag.target_type} already")
    tag.name = name
    return tag_view(tag)


def delete_tag(call: Call) -> None:
    call.session.delete(call.at(Tag))


def attach(call: Call) -> View:
    tag = call.at(Tag)
    ids = _object_ids(call)
    model = _TARGETS.get(tag.target_type)
    if model is None:
        raise BadRequest(f"this platform has no {tag.target_type} to tag")
    _check_scope(tag, call.owned(model, ids))
    link_tags(call, [tag.id], ids)
    return {"tag": tag_view(tag), "count": len(ids)}


def detach(call: Call) -> View:
    tag = call.at(Tag)
    ids = _object_ids(call)
    removed = delete(TagLink).where(TagLink.tag_id == tag.id, TagLink.object_id.in_(ids))
    return {
        "tag": tag_view(tag),
        "count": len(call.session.scalars(removed.returning(TagLink.object_id)).all()),
    }


def _object_ids(call: Call) -> list[str]:
    if not isinstance(call.content, list):
        raise BadRequest("the body has to be a list of ids")
    return uuid_list(call.content, "body")


def _check_scope(tag: Tag, rows: Sequence[Owned]) -> None:
    for row in rows:
        scope = row.organization_id
        if isinstance(row, Data):
            scope = row.datalake_id
        elif isinstance(row, Asset):
            scope = row.dataset_version_id
        if scope != tag.scope_id:
            raise BadRequest(f"the tag {tag.name!r} is not one for {row.id}")


def _source_view(source: DataSource) -> View:
    return {"id": source.id, "name": source.name}


def _source(call: Call, name: str | None) -> DataSource | None:
    return call.session.scalar(
        select(DataSource).where(
            DataSource.organization_id == call.organization.id, DataSource.name == name
        )
    )


def create_source(call: Call) -> View:
    name = call.body.name()
    if _source(call, name) is not None:
        raise Conflict(f"there is a data source {name!r} already")
    source = DataSource(organization_id=call.organization.id, name=name)
    call.session.add(source)
    call.session.flush()
    return _source_view(source)


def find_source(call: Call) -> View:
    name = call.query.text("name")
    source = _source(call, name)
    if source is None:
        raise NotFound(f"there is no data source {name!r}")
    return _source_view(source)


def list_sources(call: Call) -> View:
    wanted = select(DataSource).where(DataSource.organization_id == call.organization.id)
    orders = {"name": DataSource.name, "created_at": DataSource.created_at}
    found = page(call, wanted, DataSource, orders)
    return found.of([_source_view(source) for source in found.rows])


def get_source(call: Call) -> View:
    return _source_view(call.at(DataSource))


def rename_source(call: Call) -> View:
    source = call.at(DataSource)
    name = call.body.name()
    other = _source(call, name)
    if other is not None and other is not source:
        raise Conflict(f"there is a data source {name!r} already")
    source.name = name
    return _source_view(source)


def delete_source(call: Call) -> None:
    call.session.delete(call.at(DataSource))


def count_tagged(call: Call, tag_ids: Sequence[str]) -> dict[str, int]:
    """How many objects carry each of these tags."""
    rows = call.session.execute(
        select(TagLink.tag_id, func.count())
        .where(TagLink.tag_id.in_(tag_ids))
        .group_by(TagLink.tag_id)
    )
    return dict(rows.all())


_ORGANIZATION = "/api/organization/{organization}"
_LAKE = "/api/datalake/{datalake}"
_VERSION = "/api/dataset/version/{dataset_version}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_LAKE}/tags", create_data_tag),
    reads("GET", f"{_LAKE}/tags", list_data_tags),
    reads("GET", f"{_LAKE}/tags/find", find_data_tag),
    Route("POST", f"{_VERSION}/tags", create_asset_tag),
    reads("GET", f"{_VERSION}/tags", list_asset_tags),
    reads("GET", f"{_VERSION}/tags/find", find_asset_tag),
    Route("POST", f"{_ORGANIZATION}/tags", create_organization_tag),
    reads("GET", f"{_ORGANIZATION}/tags", list_organization_tags),
    reads("GET", f"{_ORGANIZATION}/tags/find", find_organization_tag),
    reads("GET", "/api/tag/{tag}", get_tag),
    Route("PATCH", "/api/tag/{tag}", rename_tag),
    Route("DELETE", "/api/tag/{tag}", delete_tag),
    Route("POST", "/api/tag/{tag}/attach", attach),
    Route("POST", "/api/tag/{tag}/detach", detach),
    Route("POST", f"{_ORGANIZATION}/datasources", create_source),
    reads("GET", f"{_ORGANIZATION}/datasources", list_sources),
    reads("GET", f"{_ORGANIZATION}/datasources/find", find_source),
    reads("GET", "/api/data/source/{data_source}", get_source),
    Route("PATCH", "/api/data/source/{data_source}", rename_source),
    Route("DELETE", "/api/data/source/{data_source}", delete_source),
)
