"""What every table has: an order, a public id, the time it came, and its organization."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import JSON, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

JsonObject = dict[str, Any]
JsonList = list[Any]

ID_LENGTH = 36


def new_id() -> str:
    return str(uuid4())


def now() -> str:
    """The present time as ISO 8601 in UTC: as text it sorts, and it needs no conversion."""
    return datetime.now(UTC).isoformat()


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {JsonObject: JSON, JsonList: JSON}


class Row(Base):
    """A row with a place in the order of arrival, which cursors page by, and an id for clients."""

    __abstract__ = True

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True, default=new_id)
    created_at: Mapped[str] = mapped_column(default=now)


class Owned(Row):
    """A row of one organization. The column stands on every table, so that one check fits all."""

    __abstract__ = True

    organization_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )


def reference(target: str, *, nullable: bool = False, keep: bool = False) -> Any:
    """A column that holds another row's id and goes with it.

    Args:
        target: `table.column`.
        nullable: whether it may be empty.
        keep: forget the reference instead of the row when the other row goes.
    """
    rule = "SET NULL" if keep else "CASCADE"
    return mapped_column(
        String(ID_LENGTH), ForeignKey(target, ondelete=rule), nullable=nullable, index=True
    )
