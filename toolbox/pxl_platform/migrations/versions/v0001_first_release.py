"""The tables of the first release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Columns = tuple[str, ...]

_ID = 36


def _table(
    name: str, *columns: sa.Column[Any], unique: Sequence[Columns] = (), owned: bool = True
) -> None:
    """A table with what all have: the order, the id, the time and, mostly, an organization."""
    head: list[sa.Column[Any]] = [
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(_ID), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
    ]
    if owned:
        head.append(_reference("organization_id", "organization.id"))
    constraints = [
        sa.UniqueConstraint(*names, name=f"uq_{name}_{'_'.join(names)}")
        for names in (("id",), *unique)
    ]
    op.create_table(name, *head, *columns, *constraints)
    for column in (*head, *columns):
        if column.foreign_keys:
            _index(name, column.name)


def _reference(name: str, target: str, *, optional: bool = False) -> sa.Column[Any]:
    """A column that holds an id. What it points to takes the row with it, or is forgotten."""
    rule = "SET NULL" if optional else "CASCADE"
    return sa.Column(name, sa.String(_ID), sa.ForeignKey(target, ondelete=rule), nullable=optional)


def _index(table: str, *names: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(names)}", table, list(names))


def _text(name: str, length: int | None = None, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=optional)


def _integer(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=optional)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _json(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=optional)


def upgrade() -> None:
    _homes()
    _data()
    _drawings()
    _models()
    _experiments()
    _jobs()


def downgrade() -> None:
    for table in reversed(
        (
            "organization",
            "token",
            "tag",
            "tag_link",
            "data_source",
            "datalake",
            "data",
            "projection",
            "dataset",
            "dataset_version",
            "asset",
            "label_group",
            "label",
            "annotation",
            "shape",
            "processing",
            "processing_input",
            "model",
            "model_version",
            "model_file",
            "project",
            "project_dataset",
            "experiment",
            "experiment_dataset",
            "log",
            "artifact",
            "logging_file",
            "evaluation",
            "job",
            "job_line",
        )
    ):
        op.drop_table(table)


def _homes() -> None:
    _table(
        "organization",
        _text("name"),
        _text("connector_id", _ID),
        unique=[("connector_id",), ("name",)],
        owned=False,
    )
    _table(
        "token",
        _text("name"),
        _text("digest", 64),
        _text("expires_at", optional=True),
        _text("job_id", _ID, optional=True),
        unique=[("digest",)],
    )
    _index("token", "job_id")
    _table(
        "tag",
        _text("scope_id", _ID),
        _text("target_type"),
        _text("name"),
        unique=[("scope_id", "target_type", "name")],
    )
    op.create_table(
        "tag_link",
        sa.Column(
            "tag_id", sa.String(_ID), sa.ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("object_id", sa.String(_ID), primary_key=True),
    )
    _index("tag_link", "object_id")
    _table("data_source", _text("name"), unique=[("organization_id", "name")])
    _table(
        "datalake",
        _text("name"),
        _json("custom_metadata_schema", optional=True),
        _flag("allow_extra_custom_metadata"),
        unique=[("organization_id", "name")],
    )


def _data() -> None:
    _table(
        "data",
        _reference("datalake_id", "datalake.id"),
        _text("object_name"),
        _text("filename"),
        _text("type"),
        _text("content_type"),
        _text("upload_status"),
        _integer("width", optional=True),
        _integer("height", optional=True),
        _json("metadata", optional=True),
        _json("custom_metadata", optional=True),
        _reference("data_source_id", "data_source.id", optional=True),
        unique=[("datalake_id", "object_name")],
    )
    _index("data", "datalake_id", "filename")
    _table(
        "projection",
        _reference("data_id", "data.id"),
        _text("name"),
        _text("object_name"),
        _text("filename"),
        _json("infos", optional=True),
    )
    _table("dataset", _text("name"), _text("description"), unique=[("organization_id", "name")])
    _table(
        "dataset_version",
        _reference("dataset_id", "dataset.id"),
        _text("version"),
        _text("description"),
        _text("type"),
        _flag("locked"),
        _json("attributes", optional=True),
        unique=[("dataset_id", "version")],
    )
    _table(
        "asset",
        _reference("dataset_version_id", "dataset_version.id"),
        _reference("data_id", "data.id"),
        unique=[("dataset_version_id", "data_id")],
    )


def _drawings() -> None:
    _table(
        "label_group",
        _reference("dataset_version_id", "dataset_version.id"),
        _text("name"),
        _reference("parent_id", "label_group.id", optional=True),
        unique=[("dataset_version_id", "name")],
    )
    _table(
        "label",
        _reference("dataset_version_id", "dataset_version.id"),
        _text("name"),
        _reference("group_id", "label_group.id", optional=True),
        _json("skeleton", optional=True),
        _json("attributes", optional=True),
        unique=[("dataset_version_id", "name")],
    )
    _table(
        "annotation",
        _reference("dataset_version_id", "dataset_version.id"),
        _reference("asset_id", "asset.id"),
        sa.Column("duration", sa.Float(), nullable=False),
        _text("status"),
        _json("attributes", optional=True),
    )
    _table(
        "shape",
        _reference("annotation_id", "annotation.id"),
        _text("kind", 20),
        _reference("label_id", "label.id"),
        _json("geometry"),
        _text("text", optional=True),
        _json("attributes", optional=True),
    )
    _index("shape", "annotation_id", "kind")


def _models() -> None:
    _table(
        "processing",
        _text("name"),
        _text("target"),
        _text("type", optional=True),
        _text("description", optional=True),
        _integer("default_cpu"),
        _integer("default_gpu"),
        _json("default_parameters"),
        _text("docker_image"),
        _text("docker_tag"),
        _json("docker_flags", optional=True),
        unique=[("organization_id", "name")],
    )
    _table(
        "processing_input",
        _reference("processing_id", "processing.id"),
        _text("name"),
        _text("input_type"),
        _flag("required"),
        _text("inference_type_constraint", optional=True),
        _text("framework_constraint", optional=True),
        unique=[("processing_id", "name")],
    )
    _table(
        "model",
        _text("name"),
        _text("description", optional=True),
        unique=[("organization_id", "name")],
    )
    _table(
        "model_version",
        _reference("model_id", "model.id"),
        _integer("version"),
        _text("name"),
        _text("description", optional=True),
        _text("type"),
        _text("framework"),
        _text("docker_image", optional=True),
        _text("docker_tag", optional=True),
        _json("docker_flags", optional=True),
        _json("docker_env_variables", optional=True),
        _json("parameters"),
        _json("labels", optional=True),
        _text("thumbnail_object_name", optional=True),
        _text("notebook_link", optional=True),
        _text("experiment_id", _ID, optional=True),
        unique=[("model_id", "name"), ("model_id", "version")],
    )
    _table(
        "model_file",
        _reference("model_version_id", "model_version.id"),
        _text("name"),
        _text("filename"),
        _text("object_name"),
        _flag("large"),
        unique=[("model_version_id", "name")],
    )


def _experiments() -> None:
    _table(
        "project",
        _text("name"),
        _text("description", optional=True),
        unique=[("organization_id", "name")],
    )
    _table(
        "project_dataset",
        _reference("project_id", "project.id"),
        _reference("dataset_version_id", "dataset_version.id"),
        unique=[("project_id", "dataset_version_id")],
    )
    _table(
        "experiment",
        _reference("project_id", "project.id"),
        _text("name"),
        _text("description"),
        _text("status"),
        _reference("base_model_version_id", "model_version.id", optional=True),
        _reference("base_experiment_id", "experiment.id", optional=True),
        unique=[("project_id", "name")],
    )
    _table(
        "experiment_dataset",
        _reference("experiment_id", "experiment.id"),
        _reference("dataset_version_id", "dataset_version.id"),
        _text("name"),
        unique=[("experiment_id", "name")],
    )
    _table(
        "log",
        _reference("experiment_id", "experiment.id"),
        _text("name"),
        _text("type"),
        _json("data"),
        unique=[("experiment_id", "name")],
    )
    _table(
        "artifact",
        _reference("experiment_id", "experiment.id"),
        _text("name"),
        _text("filename"),
        _text("object_name"),
        _flag("large"),
        unique=[("experiment_id", "name")],
    )
    _table("logging_file", _reference("experiment_id", "experiment.id"), _text("object_name"))
    _table(
        "evaluation",
        _reference("experiment_id", "experiment.id"),
        _reference("asset_id", "asset.id"),
        _json("shapes"),
        _json("custom_metrics", optional=True),
    )


def _jobs() -> None:
    _table(
        "job",
        _text("kind", 20),
        _text("status", 20),
        _text("updated_at"),
        _text("image"),
        _text("host"),
        _integer("cpu"),
        _integer("gpu"),
        _text("target_id", _ID, optional=True),
        _text("processing_id", _ID, optional=True),
        _text("experiment_id", _ID, optional=True),
        _json("parameters"),
        _json("inputs"),
        _json("environment"),
        _text("payload_object_name", optional=True),
        _text("logging_object_name", optional=True),
        _flag("managed"),
        _flag("cancel_requested"),
        _integer("exit_code", optional=True),
        _text("reason"),
        _text("started_at", optional=True),
        _text("finished_at", optional=True),
    )
    _index("job", "status", "seq")
    _index("job", "experiment_id")
    _table(
        "job_line",
        _reference("job_id", "job.id"),
        _text("source", 20),
        _integer("n"),
        _text("part"),
        _text("text"),
    )
    _index("job_line", "job_id", "source", "n")
