"""Data of a datalake, datasets, and what is drawn on their assets."""

from __future__ import annotations

from sqlalchemy import JSON, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pxl_platform.models.base import JsonObject, Owned, reference


class Data(Owned):
    """An image or a video. `width` and `height` are pixels as shown, after EXIF orientation."""

    __tablename__ = "data"
    __table_args__ = (
        UniqueConstraint("datalake_id", "object_name"),
        Index("ix_data_datalake_id_filename", "datalake_id", "filename"),
    )

    datalake_id: Mapped[str] = reference("datalake.id")
    object_name: Mapped[str]
    filename: Mapped[str]
    type: Mapped[str]
    content_type: Mapped[str]
    upload_status: Mapped[str]
    width: Mapped[int | None]
    height: Mapped[int | None]
    details: Mapped[JsonObject | None] = mapped_column("metadata", JSON)
    custom_metadata: Mapped[JsonObject | None] = mapped_column(JSON)
    data_source_id: Mapped[str | None] = reference("data_source.id", nullable=True, keep=True)


class Projection(Owned):
    """Another picture of a datum: a heat map, a crop."""

    __tablename__ = "projection"

    data_id: Mapped[str] = reference("data.id")
    name: Mapped[str]
    object_name: Mapped[str]
    filename: Mapped[str]
    infos: Mapped[JsonObject | None] = mapped_column(JSON)


class Dataset(Owned):
    __tablename__ = "dataset"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str]
    description: Mapped[str]


class DatasetVersion(Owned):
    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("dataset_id", "version"),)

    dataset_id: Mapped[str] = reference("dataset.id")
    version: Mapped[str]
    description: Mapped[str]
    type: Mapped[str]
    locked: Mapped[bool] = mapped_column(default=False)
    attributes: Mapped[JsonObject | None] = mapped_column(JSON)


class Asset(Owned):
    __tablename__ = "asset"
    __table_args__ = (UniqueConstraint("dataset_version_id", "data_id"),)

    dataset_version_id: Mapped[str] = reference("dataset_version.id")
    data_id: Mapped[str] = reference("data.id")


class LabelGroup(Owned):
    __tablename__ = "label_group"
    __table_args__ = (UniqueConstraint("dataset_version_id", "name"),)

    dataset_version_id: Mapped[str] = reference("dataset_version.id")
    name: Mapped[str]
    parent_id: Mapped[str | None] = reference("label_group.id", nullable=True, keep=True)


class Label(Owned):
    """`skeleton` is `{"vertices": [name…], "edges": [[from, to]…]}`, edges counted from 1."""

    __tablename__ = "label"
    __table_args__ = (UniqueConstraint("dataset_version_id", "name"),)

    dataset_version_id: Mapped[str] = reference("dataset_version.id")
    name: Mapped[str]
    group_id: Mapped[str | None] = reference("label_group.id", nullable=True, keep=True)
    skeleton: Mapped[JsonObject | None] = mapped_column(JSON)
    attributes: Mapped[JsonObject | None] = mapped_column(JSON)


class Annotation(Owned):
    """What is drawn on one asset. `duration` is seconds of a person's work."""

    __tablename__ = "annotation"

    dataset_version_id: Mapped[str] = reference("dataset_version.id")
    asset_id: Mapped[str] = reference("asset.id")
    duration: Mapped[float]
    status: Mapped[str]
    attributes: Mapped[JsonObject | None] = mapped_column(JSON)


class Shape(Owned):
    """One drawn thing. `kind` is the name of its list in the API (`rectangles`, `polygons`…).

    `geometry` holds that kind's own keys, in pixels: `x y w h`, `polygon`, `line`, `point`,
    `keypoints`, or `mask` (COCO's compressed run lengths).
    """

    __tablename__ = "shape"
    __table_args__ = (Index("ix_shape_annotation_id_kind", "annotation_id", "kind"),)

    annotation_id: Mapped[str] = reference("annotation.id")
    kind: Mapped[str] = mapped_column(String(20))
    label_id: Mapped[str] = reference("label.id")
    geometry: Mapped[JsonObject] = mapped_column(JSON)
    text: Mapped[str | None]
    attributes: Mapped[JsonObject | None] = mapped_column(JSON)
