"""Seed files: what an organization should hold, as TOML or JSON. Parsed here, applied elsewhere."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pxl_platform.body import Body, part
from pxl_platform.coco import Coco, read_coco
from pxl_platform.enums import FRAMEWORKS, INFERENCE_TYPES
from pxl_platform.errors import BadRequest
from pxl_toolbox.core.errors import ConfigError, NotFoundError

_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
_KEYS: Mapping[str, frozenset[str]] = {
    "file": frozenset({"organization"}),
    "organization": frozenset({"id", "name", "token", "datalake", "dataset", "model"}),
    "datalake": frozenset({"id", "name", "images", "tags"}),
    "dataset": frozenset({"id", "name", "description", "version"}),
    "dataset version": frozenset(
        {"id", "name", "description", "type", "images", "annotations", "tags"}
    ),
    "model": frozenset({"id", "name", "description", "version"}),
    "model version": frozenset(
        {"id", "name", "description", "framework", "type", "parameters", "files"}
        | {"labels", "docker_image", "docker_tag", "docker_flags"}
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatalakeSeed:
    """A datalake; `images` go into it, each with every tag; see `image_files`."""

    id: str | None
    name: str
    images: Mapping[str, Path]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersionSeed:
    """A dataset version; its images go into the default datalake."""

    id: str | None
    name: str
    description: str
    type: str
    images: Mapping[str, Path]
    annotations: Coco | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSeed:
    id: str | None
    name: str
    description: str
    versions: tuple[DatasetVersionSeed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersionSeed:
    """A model version; `files` are by the name that pipelines ask for."""

    id: str | None
    name: str
    description: str | None
    framework: str
    type: str
    parameters: Mapping[str, Any]
    labels: Mapping[str, Any] | None
    files: Mapping[str, Path]
    docker_image: str | None
    docker_tag: str | None
    docker_flags: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSeed:
    id: str | None
    name: str
    description: str | None
    versions: tuple[ModelVersionSeed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationSeed:
    id: str | None
    name: str
    token: str | None
    datalakes: tuple[DatalakeSeed, ...]
    datasets: tuple[DatasetSeed, ...]
    models: tuple[ModelSeed, ...]


def read_seed(path: Path) -> tuple[OrganizationSeed, ...]:
    """Read a seed file and check all that it names; paths are relative to it.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it is wrong; the message names file, key and value.
    """
    try:
        content = _parsed(path)
        _known(content, "file")
        return tuple(_organization(one, path) for one in content.parts("organization"))
    except BadRequest as error:
        raise ConfigError(f"{path}: {error.message}", hint=f"edit {path}") from None


def image_files(folder: Path) -> dict[str, Path]:
    """The images of a folder and those below it, by their path from it, with slashes."""
    found = (file for file in folder.rglob("*") if file.suffix.lower() in _IMAGES)
    files = sorted(file for file in found if file.is_file())
    return {file.relative_to(folder).as_posix(): file for file in files}


def _parsed(path: Path) -> Body:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"{path}: {error.strerror}", hint="give the path of a seed file"
        ) from None
    try:
        is_json = path.suffix.lower() == ".json"
        data = orjson.loads(raw) if is_json else tomllib.loads(raw.decode("utf-8-sig"))
    except (ValueError, tomllib.TOMLDecodeError) as error:
        kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
        raise ConfigError(f"{path}: not {kind}: {error}", hint=f"edit {path}") from None
    return part(data, "")


def _known(body: Body, kind: str) -> None:
    """Refuse keys that nobody reads: they are slips of the pen."""
    for key in body.fields:
        if key not in _KEYS[kind]:
            where = f"{body.where}.{key}" if body.where else key
            known = ", ".join(sorted(_KEYS[kind]))
            raise BadRequest(f"`{where}` is no key of a {kind}; one of {known}")


def _organization(body: Body, path: Path) -> OrganizationSeed:
    _known(body, "organization")
    token = body.optional_text("token")
    if token is not None and not token.strip():
        raise BadRequest(f"`{body.where}.token` is empty")
    return OrganizationSeed(
        id=body.optional_uuid("id"),
        name=body.name(),
        token=token,
        datalakes=tuple(_datalake(one, path) for one in body.parts("datalake")),
        datasets=tuple(_dataset(one, path) for one in body.parts("dataset")),
        models=tuple(_model(one, path) for one in body.parts("model")),
    )


def _datalake(body: Body, path: Path) -> DatalakeSeed:
    _known(body, "datalake")
    return DatalakeSeed(
        id=body.optional_uuid("id"),
        name=body.name(),
        images=_images(body, path),
        tags=tuple(body.texts("tags")),
    )


def _dataset(body: Body, path: Path) -> DatasetSeed:
    _known(body, "dataset")
    return DatasetSeed(
        id=body.optional_uuid("id"),
        name=body.name(),
        description=body.optional_text("description") or "",
        versions=tuple(_dataset_version(one, path) for one in body.parts("version")),
    )


def _dataset_version(body: Body, path: Path) -> DatasetVersionSeed:
    _known(body, "dataset version")
    images = _images(body, path)
    annotations = body.optional_text("annotations")
    return DatasetVersionSeed(
        id=body.optional_uuid("id"),
        name=body.name(),
        description=body.optional_text("description") or "",
        type=body.choice("type", INFERENCE_TYPES, "NOT_CONFIGURED"),
        images=images,
        annotations=None
        if annotations is None
        else read_coco(_file(body, "annotations", annotations, path), images),
        tags=tuple(body.texts("tags")),
    )


def _model(body: Body, path: Path) -> ModelSeed:
    _known(body, "model")
    return ModelSeed(
        id=body.optional_uuid("id"),
        name=body.name(),
        description=body.optional_text("description"),
        versions=tuple(_model_version(one, path) for one in body.parts("version")),
    )


def _model_version(body: Body, path: Path) -> ModelVersionSeed:
    _known(body, "model version")
    files = part(body.optional_object("files") or {}, f"{body.where}.files")
    flags = body.optional_list("docker_flags")
    return ModelVersionSeed(
        id=body.optional_uuid("id"),
        name=body.name(),
        description=body.optional_text("description"),
        framework=body.choice("framework", FRAMEWORKS, "NOT_CONFIGURED"),
        type=body.choice("type", INFERENCE_TYPES, "NOT_CONFIGURED"),
        parameters=body.optional_object("parameters") or {},
        labels=body.optional_object("labels"),
        files={name: _file(files, name, files.text(name), path) for name in files.fields},
        docker_image=body.optional_text("docker_image"),
        docker_tag=body.optional_text("docker_tag"),
        docker_flags=None if flags is None else tuple(body.texts("docker_flags")),
    )


def _images(body: Body, path: Path) -> Mapping[str, Path]:
    name = body.optional_text("images")
    if name is None:
        return {}
    folder = path.parent / name
    if not folder.is_dir():
        raise BadRequest(f"`{body.where}.images`: there is no folder {folder}")
    return image_files(folder)


def _file(body: Body, key: str, name: str, path: Path) -> Path:
    file = path.parent / name
    if not file.is_file():
        raise BadRequest(f"`{body.where}.{key}`: there is no file {file}")
    return file
