"""What a deployed pipeline looks like on the platform, and how far the platform is from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pxl_pipeline.api.declarations import Declarations, InputDeclaration, Json
from pxl_pipeline.api.pipeline import ModelTarget, Pipeline, require_models
from pxl_pipeline.api.platform import Platform
from pxl_toolbox.core.errors import NotFoundError

_GPU_FLAGS = ("--gpus=all", "--ipc=host")
_TRAINING_FLAGS = ("--gpus all", "--ipc host", "--name training")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The image that jobs run: a name without tag, and the exact version as its tag."""

    name: str
    tag: str

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One processing, or one model version, as the platform should hold it.

    `fields` are the body of the REST calls (platform path POST …/processings or
    …/versions); `inputs` is None where the pipeline declares none.
    """

    name: str
    model: ModelTarget | None
    fields: Mapping[str, Json]
    inputs: tuple[InputDeclaration, ...] | None

    @property
    def label(self) -> str:
        return f"{self.model.origin_name}:{self.model.name}" if self.model else self.name


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that the platform holds otherwise; `there` is None where it has no such thing."""

    field: str
    there: Json
    wanted: Json


def registrations(
    pipeline: Pipeline, declared: Declarations, image: Image
) -> tuple[Registration, ...]:
    """What a deploy registers: one processing, or each model version of a training.

    Raises:
        ConfigError: a training that names no model version.
    """
    if pipeline.is_training:
        return tuple(_training(declared, image, model) for model in require_models(pipeline))
    return (_processing(pipeline, declared, image),)


def find(
    platform: Platform, organization_id: str, wanted: Registration
) -> Mapping[str, Any] | None:
    """What the platform holds under that name, or None."""
    try:
        if wanted.model is None:
            path = f"/api/organization/{organization_id}/processings/find"
            return platform.get(path, name=wanted.name)
        path = f"/api/organization/{organization_id}/models/find"
        model = platform.get(path, name=wanted.model.origin_name)
        return platform.get(f"/api/model/{model['id']}/versions/find", name=wanted.model.name)
    except NotFoundError:
        return None


def differences(wanted: Registration, found: Mapping[str, Any] | None) -> tuple[Difference, ...]:
    """The fields in which the platform differs; those that it does not show are taken as equal."""
    if found is None:
        return (Difference(wanted.label, None, "to be created"),)
    return tuple(
        Difference(field, found[field], value)
        for field, value in wanted.fields.items()
        if field in found and _plain(found[field]) != _plain(value)
    )


def _plain(value: Any) -> Any:
    return None if value in ({}, [], "") else value


def _processing(pipeline: Pipeline, declared: Declarations, image: Image) -> Registration:
    return Registration(
        name=pipeline.name,
        model=None,
        fields={
            "name": pipeline.name,
            "type": pipeline.type,
            "target": str(pipeline.target),
            "description": pipeline.description,
            "default_cpu": pipeline.cpu,
            "default_gpu": pipeline.gpu,
            "default_parameters": dict(declared.parameters),
            "docker_image": image.name,
            "docker_tag": image.tag,
            "docker_flags": list(_GPU_FLAGS) if pipeline.gpu else None,
        },
        inputs=declared.inputs,
    )


def _training(declared: Declarations, image: Image, model: ModelTarget) -> Registration:
    return Registration(
        name=model.name,
        model=model,
        fields={
            "name": model.name,
            "framework": model.framework,
            "type": model.inference_type,
            "docker_image": image.name,
            "docker_tag": image.tag,
            "docker_flags": list(_TRAINING_FLAGS),
            "parameters": dict(declared.parameters),
        },
        inputs=None,
    )
