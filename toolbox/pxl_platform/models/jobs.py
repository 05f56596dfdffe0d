"""Jobs and their logs."""

from __future__ import annotations

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from pxl_platform.models.base import ID_LENGTH, JsonObject, Owned, reference


class Job(Owned):
    """Work that was asked for.

    `kind` is `processing` or `training` (a container does the work) or `task` (done by this
    server before it answered, told to clients as a job of the API's first version).
    `managed` says that a runner took it: from then on only the runner decides its state.
    """

    __tablename__ = "job"
    __table_args__ = (Index("ix_job_status_seq", "status", "seq"),)

    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    updated_at: Mapped[str]
    image: Mapped[str] = mapped_column(default="")
    host: Mapped[str] = mapped_column(default="")
    cpu: Mapped[int] = mapped_column(default=0)
    gpu: Mapped[int] = mapped_column(default=0)
    target_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    processing_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    experiment_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)
    parameters: Mapped[JsonObject] = mapped_column(JSON, default=dict)
    inputs: Mapped[JsonObject] = mapped_column(JSON, default=dict)
    environment: Mapped[JsonObject] = mapped_column(JSON, default=dict)
    payload_object_name: Mapped[str | None]
    logging_object_name: Mapped[str | None]
    managed: Mapped[bool] = mapped_column(default=False)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    exit_code: Mapped[int | None]
    reason: Mapped[str] = mapped_column(default="")
    started_at: Mapped[str | None]
    finished_at: Mapped[str | None]


class JobLine(Owned):
    """A line of a job's log. `source` is `container` (its output) or `client` (posted)."""

    __tablename__ = "job_line"
    __table_args__ = (Index("ix_job_line_job_id_source_n", "job_id", "source", "n"),)

    job_id: Mapped[str] = reference("job.id")
    source: Mapped[str] = mapped_column(String(20))
    n: Mapped[int]
    part: Mapped[str] = mapped_column(default="")
    text: Mapped[str]
