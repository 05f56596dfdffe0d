"""Lists: by cursor, by limit and offset, in an order that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from pxl_platform.body import integer_of, shown
from pxl_platform.errors import BadRequest
from pxl_platform.models import Row
from pxl_platform.routing import Call

AnyRow = TypeVar("AnyRow", bound=Row)
Orders = Mapping[str, InstrumentedAttribute[Any]]

LONGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[AnyRow]):
    """Part of a list. `count` is the size of the whole; `next_cursor` is None at its end."""

    rows: Sequence[AnyRow]
    count: int
    next_cursor: str | None

    def of(self, items: Sequence[object]) -> dict[str, object]:
        """The answer, with a view for each row."""
        return {"items": list(items), "count": self.count, "next_cursor": self.next_cursor}


def page(
    call: Call, statement: Select[AnyRow], model: type[AnyRow], orders: Orders
) -> Page[AnyRow]:
    """The page that the query string asks for.

    `cursor` goes on after a row in the order of arrival; `order_by` (a name of `orders`, `-`
    before it for descending) goes with `limit` and `offset`.
    """
    session = call.session
    count = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    limit = _whole(call, "limit", LONGEST_PAGE, least=1, most=LONGEST_PAGE)
    order = ordering(call.query.texts("order_by"), orders)
    cursor = call.query.text("cursor")
    if cursor:
        statement = statement.where(model.seq > _seq(cursor))
    elif offset := _whole(call, "offset", 0, least=0, most=None):
        statement = statement.offset(offset)
    rows = session.scalars(statement.order_by(*order, model.seq).limit(limit + 1)).all()
    more = len(rows) > limit and not order
    rows = rows[:limit]
    return Page(rows, count, str(rows[-1].seq) if more else None)


def whole(
    call: Call, statement: Select[AnyRow], model: type[AnyRow], orders: Orders
) -> Page[AnyRow]:
    """Everything that a statement finds: the answer to a list of ids has to hold all of them."""
    order = ordering(call.query.texts("order_by"), orders)
    rows = call.session.scalars(statement.order_by(*order, model.seq)).all()
    return Page(rows, len(rows), None)


def ordering(wanted: Sequence[str], orders: Orders) -> list[ColumnElement[Any]]:
    """The columns to order by.

    Raises:
        BadRequest: a name is not one of `orders`.
    """
    columns: list[ColumnElement[Any]] = []
    for text in wanted:
        name = text.removeprefix("-")
        if name not in orders:
            raise BadRequest(f"`order_by` knows {', '.join(orders)}, not {name!r}")
        columns.append(orders[name].desc() if text.startswith("-") else orders[name].asc())
    return columns


def _whole(call: Call, name: str, default: int, *, least: int, most: int | None) -> int:
    value = call.query.integer(name)
    if value is None:
        return default
    if value < least:
        raise BadRequest(f"`{name}` has to be at least {least}, not {value}")
    return value if most is None else min(value, most)


def _seq(cursor: str) -> int:
    if not cursor.isdecimal():
        raise BadRequest(f"`cursor` is not one that this platform gave: {shown(cursor)}")
    return integer_of(cursor, "cursor")
