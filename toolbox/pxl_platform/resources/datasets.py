"""Datasets and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, delete, func, select

from pxl_platform.enums import INFERENCE_TYPES
from pxl_platform.errors import BadRequest, Conflict, Locked, NotFound
from pxl_platform.models import Annotation, Asset, Dataset, DatasetVersion, Label, Shape
from pxl_platform.paging import page
from pxl_platform.resources.tags import tags_by_object, tags_of, unlink_objects
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_DATASET_ORDERS = {
    "name": Dataset.name,
    "created_at": Dataset.created_at,
    "id": Dataset.id,
}
_VERSION_ORDERS = {
    "version": DatasetVersion.version,
    "name": DatasetVersion.version,
    "created_at": DatasetVersion.created_at,
    "id": DatasetVersion.id,
}


def dataset_view(call: Call, dataset: Dataset) -> View:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "description": dataset.description,
        "private": True,
        "tags": tags_of(call, dataset),
        "created_at": dataset.created_at,
    }


def version_view(call: Call, version: DatasetVersion) -> View:
    return version_views(call, [version])[0]


def version_views(call: Call, versions: Sequence[DatasetVersion]) -> list[View]:
    """The views of many versions, with a constant number of queries."""
    tags = tags_by_object(call, [version.id for version in versions])
    names = _names(call, {version.dataset_id for version in versions})
    return [
        {
            "id": version.id,
            "origin_id": version.dataset_id,
            "origin_name": names[version.dataset_id],
            "version": version.version,
            "description": version.description,
            "type": version.type,
            "locked": version.locked,
            "annotation_campaign_id": None,
            "tags": tags.get(version.id, []),
            "created_at": version.created_at,
        }
        for version in versions
    ]


def _names(call: Call, dataset_ids: set[str]) -> Mapping[str, str]:
    rows = call.session.execute(select(Dataset.id, Dataset.name).where(Dataset.id.in_(dataset_ids)))
    return dict(rows.all())


def unlocked(version: DatasetVersion) -> DatasetVersion:
    """The same version, if it may be changed.

    Raises:
        Locked: its owner locked it.
    """
    if version.locked:
        raise Locked(f"the dataset version {version.version!r} is locked")
    return version


def create_dataset(call: Call) -> View:
    name = call.body.name()
    if _dataset_named(call, name) is not None:
        raise Conflict(f"there is a dataset {name!r} already")
    dataset = Dataset(
        organization_id=call.organization.id,
        name=name,
        description=call.body.optional_text("description") or "",
    )
    call.session.add(dataset)
    call.session.flush()
    return dataset_view(call, dataset)


def _dataset_named(call: Call, name: str | None) -> Dataset | None:
    return call.session.scalar(
        select(Dataset).where(Dataset.organization_id == call.organization.id, Dataset.name == name)
    )


def list_datasets(call: Call) -> View:
    mine = select(Dataset).where(Dataset.organization_id == call.organization.id)
    if name := call.query.text("name"):
        mine = mine.where(Dataset.name == name)
    found = page(call, mine, Dataset, _DATASET_ORDERS)
    return found.of([dataset_view(call, dataset) for dataset in found.rows])


def find_dataset(call: Call) -> View:
    wanted, name = call.query.uuid("id"), call.query.text("name")
    if wanted is not None:
        return dataset_view(call, call.own(Dataset, wanted))
    found = _dataset_named(call, name)
    if found is None:
        raise NotFound(f"there is no dataset {name!r}")
    return dataset_view(call, found)


def get_dataset(call: Call) -> View:
    return dataset_view(call, call.at(Dataset))


def update_dataset(call: Call) -> View:
    dataset, body = call.at(Dataset), call.body
    if body.given("name"):
        name = body.name()
        if _dataset_named(call, name) not in {None, dataset}:
            raise Conflict(f"there is a dataset {name!r} already")
        dataset.name = name
    if body.given("description"):
        dataset.description = body.optional_text("description") or ""
    return dataset_view(call, dataset)


def delete_dataset(call: Call) -> None:
    dataset = call.at(Dataset)
    versions = select(DatasetVersion.id).where(DatasetVersion.dataset_id == dataset.id)
    for version_id in call.session.scalars(versions).all():
        _forget_tags(call, version_id)
    unlink_objects(call, [dataset.id])
    call.session.execute(delete(Dataset).where(Dataset.id == dataset.id))


def new_version(call: Call, dataset: Dataset) -> DatasetVersion:
    """Make the version that the body describes.

    Raises:
        Conflict: the dataset has one of that name; clients then load that one.
    """
    body = call.body
    name = body.name("version")
    if call.session.scalar(_version_named(dataset, name)) is not None:
        raise Conflict(f"the dataset {dataset.name!r} has a version {name!r} already")
    version = DatasetVersion(
        organization_id=call.organization.id,
        dataset_id=dataset.id,
        version=name,
        description=body.optional_text("description") or "",
        type=body.choice("type", INFERENCE_TYPES, "NOT_CONFIGURED"),
    )
    call.session.add(version)
    call.session.flush()
    return version


def _version_named(dataset: Dataset, name: str) -> Select[DatasetVersion]:
    return select(DatasetVersion).where(
        DatasetVersion.dataset_id == dataset.id, DatasetVersion.version == name
    )


def create_version(call: Call) -> View:
    return version_view(call, new_version(call, call.at(Dataset)))


def list_versions(call: Call) -> View:
    mine = select(DatasetVersion).where(DatasetVersion.dataset_id == call.at(Dataset).id)
    found = page(call, mine, DatasetVersion, _VERSION_ORDERS)
    return found.of(version_views(call, found.rows))


def find_version(call: Call) -> View:
    dataset = call.at(Dataset)
    wanted, name = call.query.uuid("id"), call.query.text("version")
    if wanted is None and name is None:
        raise BadRequest("the query has to hold `version` or `id`")
    mine: Select[Any] = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id)
    if wanted is not None:
        mine = mine.where(DatasetVersion.id == wanted)
    if name is not None:
        mine = mine.where(DatasetVersion.version == name)
    found = call.session.scalar(mine)
    if found is None:
        raise NotFound(f"the dataset {dataset.name!r} has no version {name or wanted!r}")
    return version_view(call, found)


def find_any_version(call: Call) -> View:
    wanted = call.query.uuid("id")
    if wanted is None:
        raise BadRequest("the query has to hold `id`")
    return version_view(call, call.own(DatasetVersion, wanted))


def get_version(call: Call) -> View:
    return version_view(call, call.at(DatasetVersion))


def update_version(call: Call) -> View:
    version, body = call.at(DatasetVersion), call.body
    if body.given("version"):
        name = body.name("version")
        dataset = call.own(Dataset, version.dataset_id)
        if call.session.scalar(_version_named(dataset, name)) not in {None, version}:
            raise Conflict(f"the dataset {dataset.name!r} has a version {name!r} already")
        version.version = name
    if body.given("description"):
        version.description = body.optional_text("description") or ""
    if body.given("type"):
        version.type = body.choice("type", INFERENCE_TYPES)
    return version_view(call, version)


def delete_version(call: Call) -> None:
    version = unlocked(call.at(DatasetVersion))
    _forget_tags(call, version.id)
    call.session.execute(delete(DatasetVersion).where(DatasetVersion.id == version.id))


def _forget_tags(call: Call, version_id: str) -> None:
    assets = call.session.scalars(select(Asset.id).where(Asset.dataset_version_id == version_id))
    unlink_objects(call, [version_id, *assets])


def lock(call: Call) -> View:
    call.at(DatasetVersion).locked = True
    return {}


def unlock(call: Call) -> View:
    call.at(DatasetVersion).locked = False
    return {}


def stats(call: Call) -> View:
    version = call.at(DatasetVersion)
    shapes = call.session.execute(
        select(Label.name, func.count())
        .join(Shape, Shape.label_id == Label.id)
        .where(Label.dataset_version_id == version.id)
        .group_by(Label.id)
        .order_by(Label.seq)
    )
    repartition = dict(shapes.all())
    annotations = select(func.count()).where(Annotation.dataset_version_id == version.id)
    return {
        "label_repartition": repartition,
        "nb_objects": sum(repartition.values()),
        "nb_annotations": call.session.scalar(annotations) or 0,
    }


def get_attributes(call: Call) -> View:
    return {"attributes": call.at(DatasetVersion).attributes}


def set_attributes(call: Call) -> View:
    version = call.at(DatasetVersion)
    version.attributes = call.body.optional_object("attributes")
    return {"attributes": version.attributes}


_ORGANIZATION = "/api/organization/{organization}"
_DATASET = "/api/dataset/{dataset}"
_VERSION = "/api/dataset/version/{dataset_version}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_ORGANIZATION}/datasets", create_dataset),
    reads("GET", f"{_ORGANIZATION}/datasets", list_datasets),
    reads("GET", f"{_ORGANIZATION}/datasets/find", find_dataset),
    reads("GET", f"{_ORGANIZATION}/datasetversions/find", find_any_version),
    reads("GET", _DATASET, get_dataset),
    Route("PATCH", _DATASET, update_dataset),
    Route("DELETE", _DATASET, delete_dataset),
    Route("POST", f"{_DATASET}/versions", create_version),
    reads("GET", f"{_DATASET}/versions", list_versions),
    reads("GET", f"{_DATASET}/versions/find", find_version),
    reads("GET", _VERSION, get_version),
    Route("PATCH", _VERSION, update_version),
    Route("DELETE", _VERSION, delete_version),
    Route("POST", f"{_VERSION}/lock", lock),
    Route("POST", f"{_VERSION}/unlock", unlock),
    reads("GET", f"{_VERSION}/stats", stats),
    reads("GET", f"{_VERSION}/attributes", get_attributes),
    Route("POST", f"{_VERSION}/attributes", set_attributes),
)
