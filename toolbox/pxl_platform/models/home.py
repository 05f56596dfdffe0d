"""Organizations, their tokens and their tags."""

from __future__ import annotations

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pxl_platform.models.base import ID_LENGTH, Base, JsonObject, Owned, Row, new_id


class Organization(Row):
    __tablename__ = "organization"

    name: Mapped[str] = mapped_column(unique=True)
    connector_id: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True, default=new_id)


class Token(Owned):
    """A key to one organization, of which only the SHA-256 is kept.

    `expires_at` is an ISO 8601 time in UTC; `job_id` names the job that alone may use it.
    """

    __tablename__ = "token"

    name: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[str | None]
    job_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)


class Tag(Owned):
    """A tag of a datalake, of a dataset version or of the organization: that is its scope."""

    __tablename__ = "tag"
    __table_args__ = (UniqueConstraint("scope_id", "target_type", "name"),)

    scope_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    target_type: Mapped[str]
    name: Mapped[str]


class TagLink(Base):
    __tablename__ = "tag_link"
    __table_args__ = (Index("ix_tag_link_object_id", "object_id"),)

    tag_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True
    )
    object_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)


class DataSource(Owned):
    __tablename__ = "data_source"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]


class Datalake(Owned):
    __tablename__ = "datalake"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]
    custom_metadata_schema: Mapped[JsonObject | None] = mapped_column(JSON)
    allow_extra_custom_metadata: Mapped[bool] = mapped_column(default=True)
