"""Processings, models, projects and experiments."""

from __future__ import annotations

from sqlalchemy import JSON, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pxl_platform.models.base import ID_LENGTH, JsonList, JsonObject, Owned, reference


class Processing(Owned):
    __tablename__ = "processing"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]
    target: Mapped[str]
    type: Mapped[str | None]
    description: Mapped[str | None]
    default_cpu: Mapped[int]
    default_gpu: Mapped[int]
    default_parameters: Mapped[JsonObject] = mapped_column(JSON)
    docker_image: Mapped[str]
    docker_tag: Mapped[str]
    docker_flags: Mapped[JsonList | None] = mapped_column(JSON)


class ProcessingInput(Owned):
    __tablename__ = "processing_input"
    __table_args__ = (UniqueConstraint("processing_id", "name"),)

    processing_id: Mapped[str] = reference("processing.id")
    name: Mapped[str]
    input_type: Mapped[str]
    required: Mapped[bool]
    inference_type_constraint: Mapped[str | None]
    framework_constraint: Mapped[str | None]


class Model(Owned):
    __tablename__ = "model"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]
    description: Mapped[str | None]


class ModelVersion(Owned):
    """`version` counts from 0 within its model; `experiment_id` is where it was trained."""

    __tablename__ = "model_version"
    __table_args__ = (
        UniqueConstraint("model_id", "name"),
        UniqueConstraint("model_id", "version"),
    )

    model_id: Mapped[str] = reference("model.id")
    version: Mapped[int]
    name: Mapped[str]
    description: Mapped[str | None]
    type: Mapped[str]
    framework: Mapped[str]
    docker_image: Mapped[str | None]
    docker_tag: Mapped[str | None]
    docker_flags: Mapped[JsonList | None] = mapped_column(JSON)
    docker_env_variables: Mapped[JsonObject | None] = mapped_column(JSON)
    parameters: Mapped[JsonObject] = mapped_column(JSON)
    labels: Mapped[JsonObject | None] = mapped_column(JSON)
    thumbnail_object_name: Mapped[str | None]
    notebook_link: Mapped[str | None]
    experiment_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))


class ModelFile(Owned):
    __tablename__ = "model_file"
    __table_args__ = (UniqueConstraint("model_version_id", "name"),)

    model_version_id: Mapped[str] = reference("model_version.id")
    name: Mapped[str]
    filename: Mapped[str]
    object_name: Mapped[str]
    large: Mapped[bool]


class Project(Owned):
    __tablename__ = "project"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]
    description: Mapped[str | None]


class ProjectDataset(Owned):
    __tablename__ = "project_dataset"
    __table_args__ = (UniqueConstraint("project_id", "dataset_version_id"),)

    project_id: Mapped[str] = reference("project.id")
    dataset_version_id: Mapped[str] = reference("dataset_version.id")


class Experiment(Owned):
    __tablename__ = "experiment"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    project_id: Mapped[str] = reference("project.id")
    name: Mapped[str]
    description: Mapped[str]
    status: Mapped[str]
    base_model_version_id: Mapped[str | None] = reference(
        "model_version.id", nullable=True, keep=True
    )
    base_experiment_id: Mapped[str | None] = reference("experiment.id", nullable=True, keep=True)


class ExperimentDataset(Owned):
    __tablename__ = "experiment_dataset"
    __table_args__ = (UniqueConstraint("experiment_id", "name"),)

    experiment_id: Mapped[str] = reference("experiment.id")
    dataset_version_id: Mapped[str] = reference("dataset_version.id")
    name: Mapped[str]


class Log(Owned):
    """A named measurement of an experiment; `data` is any JSON value, kept as `{"value": …}`."""

    __tablename__ = "log"
    __table_args__ = (UniqueConstraint("experiment_id", "name"),)

    experiment_id: Mapped[str] = reference("experiment.id")
    name: Mapped[str]
    type: Mapped[str]
    data: Mapped[JsonObject] = mapped_column(JSON)


class Artifact(Owned):
    __tablename__ = "artifact"
    __table_args__ = (UniqueConstraint("experiment_id", "name"),)

    experiment_id: Mapped[str] = reference("experiment.id")
    name: Mapped[str]
    filename: Mapped[str]
    object_name: Mapped[str]
    large: Mapped[bool]


class LoggingFile(Owned):
    __tablename__ = "logging_file"

    experiment_id: Mapped[str] = reference("experiment.id")
    object_name: Mapped[str]


class Evaluation(Owned):
    """Predictions of an experiment on one asset: `{kind: [shape with label_id and score]}`."""

    __tablename__ = "evaluation"

    experiment_id: Mapped[str] = reference("experiment.id")
    asset_id: Mapped[str] = reference("asset.id")
    shapes: Mapped[JsonObject] = mapped_column(JSON)
    custom_metrics: Mapped[JsonObject | None] = mapped_column(JSON)
