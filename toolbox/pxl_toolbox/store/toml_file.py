"""TOML files: read with errors that name file, line and key; edited with comments kept."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pxl_toolbox.adapters.files import write_atomically
from pxl_toolbox.core.errors import ConfigError, NotFoundError

TomlValue = str | int | float | bool
T = TypeVar("T", str, int, float, bool)

_KINDS: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "an array",
}
_SYNTAX_LINE = re.compile(r"\(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A parsed file that still knows its path and text, so that errors can point at a line."""

    path: Path
    text: str
    data: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """Read and parse `path` (TOML 1.0, UTF-8).

        Raises:
            NotFoundError: there is no such file.
            ConfigError: it is not UTF-8 or not TOML; the message names the line.
        """
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"there is no file {path}", hint="check the path") from None
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{path}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8"
            ) from None
        try:
            return cls(path, text, tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise _syntax_error(path, text, str(error)) from None

    def line_of(self, *keys: str) -> int | None:
        """The line where the key, or the innermost table of it that exists, stands."""
        lines = self.text.splitlines()
        for depth in range(len(keys), 0, -1):
            found = _line_of_table(lines, keys[:depth]) or _line_of_key(lines, keys[:depth])
            if found is not None:
                return found
        return None

    def get(self, *keys: str) -> Any:
        """The value at a dotted key, or None where it or a table above it is missing."""
        value: Any = self.data
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                return None
            value = value[key]
        return value

    def optional(self, kind: type[T], *keys: str) -> T | None:
        """The value at a dotted key, of the given kind, or None where it is missing.

        Raises:
            ConfigError: it is there and of another kind.
        """
        value = self.get(*keys)
        if value is None:
            return None
        if kind is float and type(value) is int:
            return kind(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(
                *keys, problem=f"must be {_KINDS[kind]}, not {value!r}", mend=f"edit {keys[-1]}"
            )
        return value

    def required(self, kind: type[T], *keys: str) -> T:
        """The value at a dotted key, of the given kind.

        Raises:
            ConfigError: it, or the table that it belongs to, is missing, or it is of another kind.
        """
        value = self.optional(kind, *keys)
        if value is None:
            *tables, key = keys
            if tables and self.get(*tables) is None:
                table = ".".join(tables)
                raise self.error(
                    *tables, problem="the section is missing", mend=f"add [{table}] with {key}"
                )
            raise self.error(*keys, problem="the key is missing", mend=f"add {key} = …")
        return value

    def error(self, *keys: str, problem: str, mend: str) -> ConfigError:
        """An error that says where: `FILE:LINE: KEY: problem`."""
        line = self.line_of(*keys)
        where = f"{self.path}:{line}" if line else str(self.path)
        return ConfigError(f"{where}: {'.'.join(keys)}: {problem}", hint=f"{mend} in {self.path}")


def set_values(path: Path, values: Mapping[tuple[str, ...], TomlValue]) -> None:
    """Set values by dotted key in the file `path`; comments, order and layout stay.

    A table that is missing is added at the end. The file is replaced as a whole.

    Raises:
        ConfigError: the file is not TOML, or a table of the key is something else.
        NotFoundError: there is no such file.
    """
    import tomlkit

    source = TomlFile.read(path)
    document = tomlkit.parse(source.text)
    for keys, value in values.items():
        *tables, last = keys
        table: Any = document
        for name in tables:
            if name not in table:
                table[name] = tomlkit.table()
            table = table[name]
            if not isinstance(table, dict):
                raise source.error(*keys, problem=f"{name} is not a table", mend=f"make [{name}]")
        table[last] = value
    write_atomically(path, tomlkit.dumps(document))


def dumps(data: Mapping[str, Any]) -> str:
    """TOML text of plain dicts, lists and scalars; None values are left out."""
    import tomlkit

    return tomlkit.dumps(_without_none(data))


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in data.items()
        if value is not None
    }


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    found = _SYNTAX_LINE.search(message)
    line = int(found[1]) if found else len(text.splitlines())
    what = _SYNTAX_LINE.sub("", message).removesuffix("(at end of document)").strip()
    return ConfigError(f"{path}:{line}: not TOML: {what}", hint=f"edit line {line} of {path}")


def _line_of_table(lines: Sequence[str], keys: Sequence[str]) -> int | None:
    header = re.compile(r"\s*\[\[?\s*" + r"\s*\.\s*".join(map(_spelled, keys)) + r"\s*\]\]?")
    return next((number for number, line in enumerate(lines, 1) if header.match(line)), None)


def _line_of_key(lines: Sequence[str], keys: Sequence[str]) -> int | None:
    *tables, key = keys
    start = _line_of_table(lines, tables) if tables else 0
    if start is None:
        return None
    wanted = re.compile(r"\s*" + _spelled(key) + r"\s*=")
    for number, line in enumerate(lines[start:], start + 1):
        if wanted.match(line):
            return number
        if line.lstrip().startswith("["):
            return None
    return None


def _spelled(key: str) -> str:
    return "[\"']?" + re.escape(key) + "[\"']?"
