"""What a handler gets and what a route is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from pxl_platform.auth import Caller
from pxl_platform.body import Body, integer_of, part, uuid_list, uuid_text
from pxl_platform.database import Database
from pxl_platform.errors import NotFound
from pxl_platform.models import Organization, Owned
from pxl_platform.signing import Signer
from pxl_platform.storage import ObjectStore

OwnedRow = TypeVar("OwnedRow", bound=Owned)

_SQL_VARIABLES = 10_000  # in one statement; SQLite takes 32,766


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What outlives a request."""

    database: Database
    store: ObjectStore
    signer: Signer
    runner_on: bool


@dataclass(frozen=True, slots=True)
class Query:
    """The query string, read as `Body` reads a body."""

    params: QueryParams

    def text(self, name: str) -> str | None:
        return self.params.get(name)

    def texts(self, name: str) -> list[str]:
        return self.params.getlist(name)

    def integer(self, name: str) -> int | None:
        value = self.params.get(name)
        return None if value is None else integer_of(value, name)

    def flag(self, name: str) -> bool:
        """Python's spelling of a boolean, which is what the SDK sends, or JSON's."""
        return self.params.get(name, "").lower() == "true"

    def uuid(self, name: str) -> str | None:
        value = self.params.get(name)
        return None if value is None else uuid_text(value, name)

    def uuids(self, name: str) -> list[str]:
        return uuid_list(self.params.getlist(name), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of a known caller, inside its transaction."""

    session: Session
    caller: Caller
    path: Mapping[str, str]
    query: Query
    content: object
    base_url: str
    services: Services

    @property
    def organization(self) -> Organization:
        return self.caller.organization

    @property
    def body(self) -> Body:
        """The body as an object; no body at all is an empty one."""
        if self.content is None:
            return Body({})
        return Body(part(self.content, "body").fields)

    def at(self, model: type[OwnedRow]) -> OwnedRow:
        """The row that the path names by the model's table name.

        Raises:
            NotFound: there is none in the caller's organization.
        """
        return self.own(model, self.path[model.__tablename__])

    def own(self, model: type[OwnedRow], row_id: str) -> OwnedRow:
        """A row of the caller's organization; another organization's does not exist for it."""
        found = self.session.scalar(
            select(model).where(
                model.id == row_id, model.organization_id == self.caller.organization.id
            )
        )
        if found is None:
            raise NotFound(f"there is no {spoken(model)} {row_id}")
        return found

    def owned(self, model: type[OwnedRow], ids: Sequence[str]) -> list[OwnedRow]:
        """Rows of the caller's organization, in the order of `ids`; all must be there."""
        found: dict[str, OwnedRow] = {}
        for start in range(0, len(ids), _SQL_VARIABLES):
            rows = self.session.scalars(
                select(model).where(
                    model.id.in_(ids[start : start + _SQL_VARIABLES]),
                    model.organization_id == self.caller.organization.id,
                )
            )
            found |= {row.id: row for row in rows}
        for row_id in ids:
            if row_id not in found:
                raise NotFound(f"there is no {spoken(model)} {row_id}")
        return [found[row_id] for row_id in ids]


def spoken(model: type[Owned]) -> str:
    """How people call a thing of this table."""
    return str(model.__tablename__).replace("_", " ")


Handler = Callable[[Call], object]
PublicHandler = Callable[[Services], object]
StreamHandler = Callable[[Request, Services], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint for callers with a token.

    `path` is Starlette's, but a bare `{name}` stands for a UUID. `writes` says which kind of
    transaction the handler needs. A handler that returns None is answered by 204.
    """

    method: str
    path: str
    handler: Handler
    writes: bool = True


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """An endpoint that asks for no token and sees no organization's data."""

    method: str
    path: str
    handler: PublicHandler


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """An endpoint that reads or writes an object; its link is the permission."""

    method: str
    path: str
    handler: StreamHandler


AnyRoute = Route | PublicRoute | StreamRoute


def reads(method: str, path: str, handler: Handler) -> Route:
    """A route whose handler changes nothing in the database."""
    return Route(method, path, handler, writes=False)
