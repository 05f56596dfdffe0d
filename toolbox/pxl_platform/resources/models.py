"""Models, their versions and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, select

from pxl_platform.body import Body
from pxl_platform.enums import FRAMEWORKS, INFERENCE_TYPES
from pxl_platform.errors import BadRequest, Conflict, NotFound
from pxl_platform.models import (
    Dataset,
    DatasetVersion,
    ExperimentDataset,
    Model,
    ModelFile,
    ModelVersion,
)
from pxl_platform.paging import page
from pxl_platform.resources.storage import presigned_url
from pxl_platform.resources.tags import tags_by_object, tags_of, unlink_objects
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_MODEL_ORDERS = {"name": Model.name, "created_at": Model.created_at, "id": Model.id}
_VERSION_ORDERS = {
    "name": ModelVersion.name,
    "version": ModelVersion.version,
    "created_at": ModelVersion.created_at,
    "id": ModelVersion.id,
}


def model_view(call: Call, model: Model) -> View:
    return {
        "id": model.id,
        "name": model.name,
        "description": model.description,
        "private": True,
        "tags": tags_of(call, model),
        "created_at": model.created_at,
    }


def version_view(call: Call, version: ModelVersion) -> View:
    return version_views(call, [version])[0]


def version_views(call: Call, versions: Sequence[ModelVersion]) -> list[View]:
    tags = tags_by_object(call, [version.id for version in versions])
    names = _names(call, {version.model_id for version in versions})
    return [
        {
            "id": version.id,
            "name": version.name,
            "version": version.version,
            "origin": {
                "id": version.model_id,
                "name": names[version.model_id],
                "private": True,
            },
            "description": version.description,
            "type": version.type,
            "framework": version.framework,
            "labels": version.labels,
            "parameters": version.parameters,
            "docker_image": version.docker_image,
            "docker_tag": version.docker_tag,
            "docker_flags": version.docker_flags,
            "docker_env_variables": version.docker_env_variables,
            "thumbnail_object_name": version.thumbnail_object_name,
            "notebook_link": version.notebook_link,
            "tags": tags.get(version.id, []),
            "created_at": version.created_at,
        }
        for version in versions
    ]


def _names(call: Call, ids: set[str]) -> Mapping[str, str]:
    return dict(call.session.execute(select(Model.id, Model.name).where(Model.id.in_(ids))).all())


def file_view(call: Call, file: ModelFile) -> View:
    return {
        "id": file.id,
        "name": file.name,
        "filename": file.filename,
        "object_name": file.object_name,
        "large": file.large,
        "presigned_url": presigned_url(call, file.object_name),
    }


def model_named(call: Call, name: str | None) -> Model | None:
    return call.session.scalar(
        select(Model).where(Model.organization_id == call.organization.id, Model.name == name)
    )


def new_model(call: Call, name: str, description: str | None) -> Model:
    """Make a model.

    Raises:
        Conflict: there is one of that name.
    """
    if model_named(call, name) is not None:
        raise Conflict(f"there is a model {name!r} already")
    model = Model(organization_id=call.organization.id, name=name, description=description)
    call.session.add(model)
    call.session.flush()
    return model


def create_model(call: Call) -> View:
    body = call.body
    return model_view(call, new_model(call, body.name(), body.optional_text("description")))


def list_models(call: Call) -> View:
    mine = select(Model).where(Model.organization_id == call.organization.id)
    found = page(call, mine, Model, _MODEL_ORDERS)
    return found.of([model_view(call, model) for model in found.rows])


def find_model(call: Call) -> View:
    wanted, name = call.query.uuid("id"), call.query.text("name")
    found = call.own(Model, wanted) if wanted else model_named(call, name)
    if found is None:
        raise NotFound(f"there is no model {name!r}")
    return model_view(call, found)


def find_public_model(call: Call) -> View:
    raise NotFound(f"a local platform has no public models, so no {call.query.text('name')!r}")


def list_public_models(_call: Call) -> View:
    return {"items": [], "count": 0, "next_cursor": None}


def get_model(call: Call) -> View:
    return model_view(call, call.at(Model))


def update_model(call: Call) -> View:
    model, body = call.at(Model), call.body
    if body.given("name"):
        name = body.name()
        if model_named(call, name) not in {None, model}:
            raise Conflict(f"there is a model {name!r} already")
        model.name = name
    if body.has("description"):
        model.description = body.optional_text("description")
    return model_view(call, model)


def delete_model(call: Call) -> None:
    model = call.at(Model)
    versions = select(ModelVersion.id).where(ModelVersion.model_id == model.id)
    unlink_objects(call, [model.id, *call.session.scalars(versions)])
    call.session.delete(model)


def new_version(call: Call, model: Model, body: Body) -> ModelVersion:
    """Make the version that a body describes; one without a name is called by its number.

    Raises:
        Conflict: the model has a version of that name.
    """
    last = select(func.max(ModelVersion.version)).where(ModelVersion.model_id == model.id)
    highest = call.session.scalar(last)
    number = 0 if highest is None else highest + 1
    name = body.optional_text("name") or f"v{number}"
    if call.session.scalar(_named(model, name)) is not None:
        raise Conflict(f"the model {model.name!r} has a version {name!r} already")
    version = ModelVersion(
        organization_id=call.organization.id,
        model_id=model.id,
        version=number,
        name=name,
        type="NOT_CONFIGURED",
        framework="NOT_CONFIGURED",
        parameters={},
    )
    _change(version, body)
    call.session.add(version)
    call.session.flush()
    return version


def _named(model: Model, name: str) -> Select[ModelVersion]:
    return select(ModelVersion).where(ModelVersion.model_id == model.id, ModelVersion.name == name)


def _change(version: ModelVersion, body: Body) -> None:
    """Take over what a body gives; what it leaves out or gives as null stays."""
    version.type = body.choice("type", INFERENCE_TYPES, version.type)
    version.framework = body.choice("framework", FRAMEWORKS, version.framework)
    for field in (
        "description",
        "docker_image",
        "docker_tag",
        "thumbnail_object_name",
        "notebook_link",
    ):
        if body.given(field):
            setattr(version, field, body.optional_text(field))
    for field in ("labels", "parameters", "docker_env_variables"):
        if body.given(field):
            setattr(version, field, body.optional_object(field))
    if body.given("docker_flags"):
        version.docker_flags = body.texts("docker_flags")


def create_version(call: Call) -> View:
    return version_view(call, new_version(call, call.at(Model), call.body))


def list_versions(call: Call) -> View:
    mine = select(ModelVersion).where(ModelVersion.model_id == call.at(Model).id)
    found = page(call, mine, ModelVersion, _VERSION_ORDERS)
    return found.of(version_views(call, found.rows))


def find_version(call: Call) -> View:
    model = call.at(Model)
    mine: Select[Any] = select(ModelVersion).where(ModelVersion.model_id == model.id)
    name, number = call.query.text("name"), call.query.integer("version")
    wanted = call.query.uuid("id")
    if name is None and number is None and wanted is None:
        raise BadRequest("the query has to hold `name`, `version` or `id`")
    for column, value in (
        (ModelVersion.name, name),
        (ModelVersion.version, number),
        (ModelVersion.id, wanted),
    ):
        if value is not None:
            mine = mine.where(column == value)
    found = call.session.scalar(mine)
    if found is None:
        raise NotFound(f"the model {model.name!r} has no version {name or number or wanted!r}")
    return version_view(call, found)


def find_any_version(call: Call) -> View:
    wanted = call.query.uuid("id")
    if wanted is None:
        raise BadRequest("the query has to hold `id`")
    return version_view(call, call.own(ModelVersion, wanted))


def get_version(call: Call) -> View:
    return version_view(call, call.at(ModelVersion))


def update_version(call: Call) -> View:
    version, body = call.at(ModelVersion), call.body
    if body.given("name"):
        name = body.name()
        model = call.own(Model, version.model_id)
        if call.session.scalar(_named(model, name)) not in {None, version}:
            raise Conflict(f"the model {model.name!r} has a version {name!r} already")
        version.name = name
    _change(version, body)
    return version_view(call, version)


def delete_version(call: Call) -> None:
    version = call.at(ModelVersion)
    unlink_objects(call, [version.id])
    call.session.delete(version)


def get_context(call: Call) -> View:
    """Where a version comes from: the experiment that made it, and what that was trained on."""
    version = call.at(ModelVersion)
    datasets = call.session.execute(
        select(ExperimentDataset.name, DatasetVersion.id, Dataset.name)
        .join(DatasetVersion, DatasetVersion.id == ExperimentDataset.dataset_version_id)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(ExperimentDataset.experiment_id == version.experiment_id)
        .order_by(ExperimentDataset.seq)
    )
    return {
        "id": version.id,
        "experiment_id": version.experiment_id,
        "datas": [
            {"id": version_id, "name": alias, "version_id": version_id, "repartition": {}}
            for alias, version_id, _name in datasets
        ],
        "parameters": version.parameters,
    }


def files_of(call: Call, version: ModelVersion) -> Sequence[ModelFile]:
    return call.session.scalars(
        select(ModelFile).where(ModelFile.model_version_id == version.id).order_by(ModelFile.seq)
    ).all()


def list_files(call: Call) -> View:
    files = files_of(call, call.at(ModelVersion))
    return {"items": [file_view(call, file) for file in files], "count": len(files)}


def _file_named(version: ModelVersion, name: str | None) -> Select[ModelFile]:
    return select(ModelFile).where(ModelFile.model_version_id == version.id, ModelFile.name == name)


def find_file(call: Call) -> View:
    name = call.query.text("name")
    found = call.session.scalar(_file_named(call.at(ModelVersion), name))
    if found is None:
        raise NotFound(f"the model version has no file {name!r}")
    return file_view(call, found)


def create_file(call: Call) -> View:
    version, body = call.at(ModelVersion), call.body
    name = body.name()
    if call.session.scalar(_file_named(version, name)) is not None:
        raise Conflict(f"the model version {version.name!r} has a file {name!r} already")
    file = ModelFile(
        organization_id=call.organization.id,
        model_version_id=version.id,
        name=name,
        filename=body.name("filename"),
        object_name=body.text("object_name"),
        large=body.flag("large", default=False),
    )
    call.session.add(file)
    call.session.flush()
    return file_view(call, file)


def get_file(call: Call) -> View:
    return file_view(call, call.at(ModelFile))


def delete_file(call: Call) -> None:
    call.session.delete(call.at(ModelFile))


_ORGANIZATION = "/api/organization/{organization}"
_MODEL = "/api/model/{model}"
_VERSION = "/api/model/version/{model_version}"
_FILE = "/api/model/file/{model_file}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_ORGANIZATION}/models", create_model),
    reads("GET", f"{_ORGANIZATION}/models", list_models),
    reads("GET", f"{_ORGANIZATION}/models/find", find_model),
    reads("GET", f"{_ORGANIZATION}/modelversions/find", find_any_version),
    reads("GET", "/api/models", list_public_models),
    reads("GET", "/api/models/find", find_public_model),
    reads("GET", _MODEL, get_model),
    Route("PATCH", _MODEL, update_model),
    Route("DELETE", _MODEL, delete_model),
    Route("POST", f"{_MODEL}/versions", create_version),
    reads("GET", f"{_MODEL}/versions", list_versions),
    reads("GET", f"{_MODEL}/versions/find", find_version),
    reads("GET", _VERSION, get_version),
    Route("PATCH", _VERSION, update_version),
    Route("DELETE", _VERSION, delete_version),
    reads("GET", f"{_VERSION}/context", get_context),
    reads("GET", "/api/model/context/{model_version}", get_context),
    Route("POST", f"{_VERSION}/modelfiles", create_file),
    reads("GET", f"{_VERSION}/modelfiles", list_files),
    reads("GET", f"{_VERSION}/modelfiles/find", find_file),
    reads("GET", _FILE, get_file),
    Route("DELETE", _FILE, delete_file),
)
