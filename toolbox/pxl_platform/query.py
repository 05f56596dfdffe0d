"""The query language of the `q` parameter, as a condition in SQL.

Its grammar is that of DjangoQL, whose spelling the SDK composes its filters in:
comparisons (`name = "a"`, `in`, `not in`, `~`, `startswith`, `<`…) joined by and, or and
parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from pxl_platform.body import integer_of
from pxl_platform.errors import BadRequest

Value = str | int | float | bool | None
Field = Callable[["Comparison"], ColumnElement[bool]]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?![\w-]))
    | (?P<sign>!=|!~|>=|<=|=|~|>|<|\(|\)|,)
    | (?P<word>[\w][\w.\-]*)
    )""",
    re.VERBOSE,
)
_SIGNS = frozenset({"=", "!=", "~", "!~", ">", ">=", "<", "<="})
_WORD_OPERATORS = frozenset({"in", "startswith", "endswith"})
_CONSTANTS: Mapping[str, Value] = {"true": True, "false": False, "none": None, "null": None}
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator values`; a negated word operator keeps its word and sets `negated`."""

    field: str
    operator: str
    values: tuple[Value, ...]
    negated: bool = False

    def on(self, column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """The condition on one column."""
        found = self._positive(column)
        return ~found if self.negated else found

    def _positive(
        self, column: ColumnElement[Any] | InstrumentedAttribute[Any]
    ) -> ColumnElement[bool]:
        if self.operator == "in":
            return column.in_(self.values)
        return _TESTS[self.operator](column, self.values[0] if self.values else None)


_TESTS: Mapping[str, Callable[[Any, Value], ColumnElement[bool]]] = {
    "=": lambda column, value: column.is_(None) if value is None else column == value,
    "~": lambda column, value: column.icontains(str(value), autoescape=True),
    "startswith": lambda column, value: column.startswith(str(value), autoescape=True),
    "endswith": lambda column, value: column.endswith(str(value), autoescape=True),
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
}


def condition(text: str, field: Callable[[str], Field | None]) -> ColumnElement[bool]:
    """The condition that `text` describes.

    Args:
        text: the query.
        field: gives the meaning of a field's name, or None where there is no such field.

    Raises:
        BadRequest: it is not a query, or it names an unknown field.
    """
    return _Parser(_tokens(text), field).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.text.lower() == word


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise BadRequest(f"`q` cannot be read from {text[position : position + 20]!r} on")
        tokens.append(_Token(found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token], field: Callable[[str], Field | None]) -> None:
        self._tokens = tokens
        self._field = field
        self._at = 0
        self._depth = 0

    def whole(self) -> ColumnElement[bool]:
        found = self._any()
        if self._at < len(self._tokens):
            raise BadRequest(f"`q` has {self._tokens[self._at].text!r} where it should end")
        return found

    def _any(self) -> ColumnElement[bool]:
        parts = [self._all()]
        while self._took_word("or"):
            parts.append(self._all())
        return or_(*parts)

    def _all(self) -> ColumnElement[bool]:
        parts = [self._one()]
        while self._took_word("and"):
            parts.append(self._one())
        return and_(*parts)

    def _one(self) -> ColumnElement[bool]:
        if not self._took_sign("("):
            return self._comparison()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BadRequest(f"`q` has more than {_DEEPEST} parentheses in each other")
        found = self._any()
        self._need(")")
        self._depth -= 1
        return found

    def _comparison(self) -> ColumnElement[bool]:
        name = self._next("a field's name")
        if name.kind != "word":
            raise BadRequest(f"`q` has {name.text!r} where a field's name should be")
        meaning = self._field(name.text)
        if meaning is None:
            raise BadRequest(f"`q` knows no field {name.text!r}")
        operator, negated = self._operator()
        values = self._values() if operator == "in" else (self._value(),)
        return meaning(Comparison(name.text, operator, values, negated))

    def _operator(self) -> tuple[str, bool]:
        negated = self._took_word("not")
        token = self._next("an operator")
        if token.kind == "sign" and token.text in _SIGNS and not negated:
            return token.text.removeprefix("!") or "=", token.text.startswith("!")
        if token.kind == "word" and token.text.lower() in _WORD_OPERATORS:
            return token.text.lower(), negated
        raise BadRequest(f"`q` has {token.text!r} where an operator should be")

    def _values(self) -> tuple[Value, ...]:
        self._need("(")
        values = [self._value()]
        while self._took_sign(","):
            values.append(self._value())
        self._need(")")
        return tuple(values)

    def _value(self) -> Value:
        token = self._next("a value")
        if token.kind == "text":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        if token.kind == "number":
            return float(token.text) if "." in token.text else integer_of(token.text, "q")
        if token.kind == "word":
            return _CONSTANTS.get(token.text.lower(), token.text)
        raise BadRequest(f"`q` has {token.text!r} where a value should be")

    def _next(self, wanted: str) -> _Token:
        if self._at >= len(self._tokens):
            raise BadRequest(f"`q` ends where {wanted} should be")
        self._at += 1
        return self._tokens[self._at - 1]

    def _took_word(self, word: str) -> bool:
        return self._took(lambda token: token.is_word(word))

    def _took_sign(self, sign: str) -> bool:
        return self._took(lambda token: token.kind == "sign" and token.text == sign)

    def _took(self, wanted: Callable[[_Token], bool]) -> bool:
        there = self._at < len(self._tokens) and wanted(self._tokens[self._at])
        self._at += there
        return there

    def _need(self, sign: str) -> None:
        if not self._took_sign(sign):
            raise BadRequest(f"`q` lacks a {sign!r}")
