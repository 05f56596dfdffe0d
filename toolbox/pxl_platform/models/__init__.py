"""The tables."""

from __future__ import annotations

from pxl_platform.models.base import Base, JsonList, JsonObject, Owned, Row, new_id, now
from pxl_platform.models.data import (
    Annotation,
    Asset,
    Data,
    Dataset,
    DatasetVersion,
    Label,
    LabelGroup,
    Projection,
    Shape,
)
from pxl_platform.models.home import Datalake, DataSource, Organization, Tag, TagLink, Token
from pxl_platform.models.jobs import Job, JobLine
from pxl_platform.models.training import (
    Artifact,
    Evaluation,
    Experiment,
    ExperimentDataset,
    Log,
    LoggingFile,
    Model,
    ModelFile,
    ModelVersion,
    Processing,
    ProcessingInput,
    Project,
    ProjectDataset,
)

__all__ = [
    "Annotation",
    "Artifact",
    "Asset",
    "Base",
    "Data",
    "DataSource",
    "Datalake",
    "Dataset",
    "DatasetVersion",
    "Evaluation",
    "Experiment",
    "ExperimentDataset",
    "Job",
    "JobLine",
    "JsonList",
    "JsonObject",
    "Label",
    "LabelGroup",
    "Log",
    "LoggingFile",
    "Model",
    "ModelFile",
    "ModelVersion",
    "Organization",
    "Owned",
    "Processing",
    "ProcessingInput",
    "Project",
    "ProjectDataset",
    "Projection",
    "Row",
    "Shape",
    "Tag",
    "TagLink",
    "Token",
    "new_id",
    "now",
]
