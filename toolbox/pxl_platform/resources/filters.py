"""What `q`, the lists of a body and the other filters mean for data and for assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, and_, exists, false, or_
from sqlalchemy.orm import InstrumentedAttribute

from pxl_platform.body import Body
from pxl_platform.errors import BadRequest
from pxl_platform.models import Annotation, Asset, Data, DataSource, Label, Shape, Tag, TagLink
from pxl_platform.query import Comparison, Field, condition
from pxl_platform.routing import Call

_DATA_COLUMNS: Mapping[str, InstrumentedAttribute[Any]] = {
    "id": Data.id,
    "filename": Data.filename,
    "object_name": Data.object_name,
    "type": Data.type,
    "content_type": Data.content_type,
    "upload_status": Data.upload_status,
    "width": Data.width,
    "height": Data.height,
    "meta.width": Data.width,
    "meta.height": Data.height,
    "created_at": Data.created_at,
    "data_source_id": Data.data_source_id,
}
_ASSET_COLUMNS: Mapping[str, InstrumentedAttribute[Any]] = {
    "id": Asset.id,
    "data_id": Asset.data_id,
    "created_at": Asset.created_at,
}
_TAG_COLUMNS = {"name": Tag.name, "id": Tag.id}
_ANNOTATION_COLUMNS = {"status": Annotation.status, "id": Annotation.id}


def data_condition(text: str) -> ColumnElement[bool]:
    """The condition on `Data` that a query of the API describes."""
    return condition(text, _data_field)


def asset_condition(text: str) -> ColumnElement[bool]:
    """The condition on `Asset` joined to its `Data` that a query of the API describes."""
    return condition(text, _asset_field)


def _data_field(name: str) -> Field | None:
    if name in _DATA_COLUMNS:
        return _on(_DATA_COLUMNS[name])
    head, _, rest = name.partition(".")
    if head in {"metadata", "custom_metadata"} and rest:
        return _in_json(Data.details if head == "metadata" else Data.custom_metadata, rest)
    if head == "tags" and rest in _TAG_COLUMNS:
        return _tagged(Data.id, _TAG_COLUMNS[rest])
    if head in {"data_source", "source"} and rest in {"name", "id"}:
        column = DataSource.name if rest == "name" else DataSource.id
        return _related(
            lambda wanted: exists().where(DataSource.id == Data.data_source_id, wanted(column))
        )
    return None


def _asset_field(name: str) -> Field | None:
    if name in _ASSET_COLUMNS:
        return _on(_ASSET_COLUMNS[name])
    head, _, rest = name.partition(".")
    if head == "data" and rest:
        return _data_field(rest)
    if head == "tags" and rest in _TAG_COLUMNS:
        return _tagged(Asset.id, _TAG_COLUMNS[rest])
    if head in {"annotation", "annotations"} and rest in _ANNOTATION_COLUMNS:
        column = _ANNOTATION_COLUMNS[rest]
        return _related(
            lambda wanted: exists().where(Annotation.asset_id == Asset.id, wanted(column))
        )
    if name in {"labels.name", "annotations.label.name", "annotations.labels.name"}:
        return _related(_labelled)
    return _data_field(name)


def _labelled(wanted: Callable[[Any], ColumnElement[bool]]) -> ColumnElement[bool]:
    return exists().where(
        Annotation.asset_id == Asset.id,
        Shape.annotation_id == Annotation.id,
        Label.id == Shape.label_id,
        wanted(Label.name),
    )


def _on(column: InstrumentedAttribute[Any]) -> Field:
    return lambda comparison: comparison.on(column)


def _in_json(column: InstrumentedAttribute[Any], path: str) -> Field:
    def field(comparison: Comparison) -> ColumnElement[bool]:
        found = column[tuple(path.split("."))]
        value = comparison.values[0] if comparison.values else None
        if isinstance(value, bool):
            return comparison.on(found.as_boolean())
        if isinstance(value, (int, float)):
            return comparison.on(found.as_float())
        return comparison.on(found.as_string())

    return field


def _tagged(object_id: InstrumentedAttribute[str], column: InstrumentedAttribute[str]) -> Field:
    return _related(
        lambda wanted: exists().where(
            TagLink.object_id == object_id, Tag.id == TagLink.tag_id, wanted(column)
        )
    )


def _related(
    found: Callable[[Callable[[Any], ColumnElement[bool]]], ColumnElement[bool]],
) -> Field:
    """A field of things beside the row. "Not" means that none of them is so."""

    def field(comparison: Comparison) -> ColumnElement[bool]:
        positive = Comparison(comparison.field, comparison.operator, comparison.values)
        there = found(positive.on)
        return ~there if comparison.negated else there

    return field


def narrowed_by_list(
    statement: Select[Any], body: Body, lists: Mapping[str, InstrumentedAttribute[Any]]
) -> Select[Any]:
    """Keep the rows that a list of the body names; `lists` says which column each is about.

    Raises:
        BadRequest: none of the lists was sent.
    """
    for name, column in lists.items():
        if body.given(name):
            values = body.uuids(name) if name in {"ids", "data_ids"} else body.texts(name)
            return statement.where(column.in_(values))
    if body.given("filename_startswith") and "data_ids" in lists:
        starts = body.texts("filename_startswith")
        found = [Data.filename.startswith(start, autoescape=True) for start in starts]
        return statement.where(or_(false(), *found))
    raise BadRequest(f"the body has to hold one of {', '.join(lists)}")


def narrowed_by_custom_metadata(call: Call, statement: Select[Any]) -> Select[Any]:
    """Keep the rows whose custom metadata hold each of the values of that query parameter."""
    text = call.query.text("custom_metadata")
    if not text:
        return statement
    try:
        wanted = orjson.loads(text)
    except orjson.JSONDecodeError:
        wanted = None
    if not isinstance(wanted, dict):
        raise BadRequest("`custom_metadata` has to be a JSON object")
    return statement.where(and_(*(_equals(name, value) for name, value in wanted.items())))


def _equals(name: str, value: object) -> ColumnElement[bool]:
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise BadRequest(f"`custom_metadata.{name}` has to be a plain value")
    return _in_json(Data.custom_metadata, name)(Comparison(name, "=", (value,)))
