"""Requests are read here: each getter gives a checked value or names the field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson

from pxl_platform.errors import BadRequest

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
LONGEST_NAME = 512
_LARGEST = 2**63 - 1  # what the database can hold


def uuid_text(value: object, field: str) -> str:
    """An id in its usual spelling."""
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise BadRequest(f"`{field}` has to be a UUID, not {shown(value)}")
    return str(UUID(value))


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def bounded(value: int, field: str) -> int:
    """An integer that the database can hold."""
    if abs(value) > _LARGEST:
        raise BadRequest(f"`{field}` is out of range: {shown(value)}")
    return value


def _without_nul(text: str, field: str) -> str:
    """A text that programs in C, SQLite's functions among them, do not cut short."""
    if "\0" in text:
        raise BadRequest(f"`{field}` has a NUL character: {shown(text)}")
    return text


def integer_of(text: str, field: str) -> int:
    """The integer that a text spells, if the database can hold it."""
    try:
        value = int(text)
    except ValueError:  # no digits, or more of them than Python reads
        raise BadRequest(f"`{field}` has to be an integer, not {shown(text)}") from None
    return bounded(value, field)


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON object, or a part of one. `where` is the way to it, for error messages."""

    fields: Mapping[str, Any]
    where: str = ""

    def has(self, name: str) -> bool:
        """Whether the field was sent, be it null."""
        return name in self.fields

    def given(self, name: str) -> bool:
        """Whether the field was sent and is not null."""
        return self.fields.get(name) is not None

    def text(self, name: str) -> str:
        """A text that must not be empty."""
        found = self.optional_text(name)
        if not found:
            raise BadRequest(f"`{self._path(name)}` is missing or empty")
        return found

    def name(self, name: str = "name") -> str:
        """A text that people call a thing by."""
        found = self.text(name)
        if len(found) > LONGEST_NAME:
            raise BadRequest(f"`{self._path(name)}` is longer than {LONGEST_NAME} characters")
        return found

    def optional_text(self, name: str) -> str | None:
        found = cast("str | None", self._typed(name, str, "a text"))
        return None if found is None else _without_nul(found, self._path(name))

    def integer(self, name: str, default: int | None = None) -> int:
        found = self.optional_integer(name)
        if found is None:
            found = default
        if found is None:
            raise BadRequest(f"`{self._path(name)}` is missing")
        return found

    def optional_integer(self, name: str) -> int | None:
        value = self.fields.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            return bounded(value, self._path(name))
        raise BadRequest(f"`{self._path(name)}` has to be an integer, not {shown(value)}")

    def number(self, name: str, default: float) -> float:
        value = self.fields.get(name)
        if value is None:
            return default
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise BadRequest(f"`{self._path(name)}` has to be a number, not {shown(value)}")

    def flag(self, name: str, *, default: bool) -> bool:
        found = cast("bool | None", self._typed(name, bool, "true or false"))
        return default if found is None else found

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        found = self.optional_choice(name, allowed)
        if found is None:
            found = default
        if found is None:
            raise BadRequest(f"`{self._path(name)}` is missing; one of {', '.join(allowed)}")
        return found

    def optional_choice(self, name: str, allowed: Sequence[str]) -> str | None:
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or value not in allowed:
            choices = ", ".join(allowed)
            raise BadRequest(f"`{self._path(name)}` is {shown(value)}; one of {choices}")
        return value

    def uuid(self, name: str) -> str:
        found = self.optional_uuid(name)
        if found is None:
            raise BadRequest(f"`{self._path(name)}` is missing")
        return found

    def optional_uuid(self, name: str) -> str | None:
        value = self.fields.get(name)
        return None if value is None else uuid_text(value, self._path(name))

    def uuids(self, name: str) -> list[str]:
        found = self.optional_uuids(name)
        if found is None:
            raise BadRequest(f"`{self._path(name)}` is missing")
        return found

    def optional_uuids(self, name: str) -> list[str] | None:
        values = self.optional_list(name)
        return None if values is None else uuid_list(values, self._path(name))

    def texts(self, name: str) -> list[str]:
        values = self.optional_list(name) or []
        for n, value in enumerate(values):
            if not isinstance(value, str):
                raise BadRequest(f"`{self._path(name)}[{n}]` has to be a text, not {shown(value)}")
            _without_nul(value, f"{self._path(name)}[{n}]")
        return cast("list[str]", values)

    def optional_list(self, name: str) -> list[Any] | None:
        return cast("list[Any] | None", self._typed(name, list, "a list"))

    def optional_object(self, name: str) -> dict[str, Any] | None:
        return cast("dict[str, Any] | None", self._typed(name, dict, "an object"))

    def parts(self, name: str) -> list[Body]:
        """The objects of a list."""
        values = self.optional_list(name) or []
        return [part(value, f"{self._path(name)}[{n}]") for n, value in enumerate(values)]

    def value(self, name: str) -> Any:
        """Any JSON value but null."""
        if self.fields.get(name) is None:
            raise BadRequest(f"`{self._path(name)}` is missing")
        return self.fields[name]

    def _typed(self, name: str, kind: type, called: str) -> object:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, kind):
            raise BadRequest(f"`{self._path(name)}` has to be {called}, not {shown(value)}")
        return value

    def _path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


def part(value: object, where: str) -> Body:
    if not isinstance(value, dict):
        raise BadRequest(f"`{where}` has to be an object, not {shown(value)}")
    return Body(value, where)


def uuid_list(values: Iterable[object], field: str) -> list[str]:
    """Ids without repetitions, in the order in which they came."""
    return list(dict.fromkeys(uuid_text(value, f"{field}[{n}]") for n, value in enumerate(values)))


def parse_json(raw: bytes) -> object:
    """The JSON value of a body; an empty body is null.

    Raises:
        BadRequest: it is not JSON.
    """
    if not raw.strip():
        return None
    try:
        return cast("object", orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
