"""What a datalake says about the custom metadata of its data: which keys, of which type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pxl_platform.body import Body, shown
from pxl_platform.errors import BadRequest, NotFound
from pxl_platform.models import Datalake
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]


def _is_datetime(value: object) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "STRING": lambda value: isinstance(value, str),
    "INTEGER": lambda value: _is_number(value) and isinstance(value, int),
    "FLOAT": _is_number,
    "DATETIME": _is_datetime,
    "BOOLEAN": lambda value: isinstance(value, bool),
}


def check_custom_metadata(lake: Datalake, metadata: Mapping[str, Any] | None) -> None:
    """Hold a datum's custom metadata against what its datalake says about them.

    Raises:
        BadRequest: a key is missing, unknown where the datalake takes no other, or of another
            type.
    """
    schema = lake.custom_metadata_schema or {}
    if metadata is None:
        return
    for name, rule in schema.items():
        if name in metadata:
            _check(name, rule, metadata[name])
        elif rule.get("required") and not rule.get("archived"):
            raise BadRequest(f"`custom_metadata.{name}` is missing, and the datalake requires it")
    extra = [name for name in metadata if name not in schema]
    if extra and not lake.allow_extra_custom_metadata:
        raise BadRequest(f"`custom_metadata.{extra[0]}` is not a key of the datalake")


def _check(name: str, rule: Mapping[str, Any], value: object) -> None:
    values = value if isinstance(value, list) and rule.get("allow_multiple") else [value]
    for one in values:
        if one is None:
            continue
        if not _TYPES[rule["input_type"]](one):
            raise BadRequest(f"`custom_metadata.{name}`: {shown(one)} is no {rule['input_type']}")
        if rule.get("choices") and one not in rule["choices"]:
            raise BadRequest(f"`custom_metadata.{name}`: {shown(one)} is not one of its choices")


def _view(lake: Datalake) -> View:
    return {
        "custom_metadata_schema": lake.custom_metadata_schema or {},
        "allow_extra_custom_metadata": lake.allow_extra_custom_metadata,
    }


def get_schema(call: Call) -> View:
    return _view(call.at(Datalake))


def change_schema(call: Call) -> View:
    lake = call.at(Datalake)
    lake.allow_extra_custom_metadata = call.body.flag(
        "allow_extra_custom_metadata", default=lake.allow_extra_custom_metadata
    )
    return _view(lake)


def put_key(call: Call) -> View:
    lake = call.at(Datalake)
    rule = _rule(call.body)
    lake.custom_metadata_schema = {
        **(lake.custom_metadata_schema or {}),
        call.path["name"]: rule,
    }
    return _view(lake)


def _rule(body: Body) -> View:
    """The rule as it was sent, once its parts that we read are found right."""
    body.choice("input_type", tuple(_TYPES))
    for flag in ("required", "archived", "allow_multiple"):
        body.flag(flag, default=False)
    body.optional_list("choices")
    return dict(body.fields)


def delete_key(call: Call) -> None:
    lake, name = call.at(Datalake), call.path["name"]
    schema = dict(lake.custom_metadata_schema or {})
    if schema.pop(name, None) is None:
        raise NotFound(f"the datalake has no key {name!r} of custom metadata")
    lake.custom_metadata_schema = schema


_SCHEMA = "/api/datalake/{datalake}/custom-metadata"

ROUTES: tuple[Route, ...] = (
    reads("GET", _SCHEMA, get_schema),
    Route("PATCH", _SCHEMA, change_schema),
    Route("POST", f"{_SCHEMA}/keys/{{name:path}}", put_key),
    Route("DELETE", f"{_SCHEMA}/keys/{{name:path}}", delete_key),
)
