"""A pipeline on disk: its folder and what its config.toml says.

The format is that of `picsellia-pipelines-cli` 0.7.6.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pxl_toolbox.core.errors import ConfigError, ConflictError, NotFoundError, UsageError
from pxl_toolbox.store.toml_file import TomlFile

CONFIG = "config.toml"
TRAINING = "TRAINING"

_NEVER_A_PIPELINE = frozenset(
    {".venv", "venv", ".git", "node_modules", "__pycache__", "build", "dist", "site-packages"}
)
_FRAMEWORKS = frozenset({"TENSORFLOW", "PYTORCH", "ONNX", "NOT_CONFIGURED"})
_INFERENCE_TYPES = frozenset(
    {"NOT_CONFIGURED", "CLASSIFICATION", "OBJECT_DETECTION", "SEGMENTATION", "POINT"}
    | {"KEYPOINT", "LINE", "MASK", "MULTI"}
)


class Target(StrEnum):
    """What a processing works on."""

    DATASET_VERSION = "DATASET_VERSION"
    DATALAKE = "DATALAKE"
    MODEL_VERSION = "MODEL_VERSION"


TARGETS: Mapping[str, Target] = {
    "PRE_ANNOTATION": Target.DATASET_VERSION,
    "DATA_AUGMENTATION": Target.DATASET_VERSION,
    "DATASET_VERSION_CREATION": Target.DATASET_VERSION,
    "AUTO_TAGGING": Target.DATASET_VERSION,
    "AUTO_ANNOTATION": Target.DATASET_VERSION,
    "DATA_AUTO_TAGGING": Target.DATALAKE,
    "MODEL_COMPRESSION": Target.MODEL_VERSION,
    "MODEL_CONVERSION": Target.MODEL_VERSION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTarget:
    """A model version that a training pipeline is deployed to."""

    origin_name: str
    name: str
    framework: str
    inference_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline's folder and its config.toml, checked.

    `script`, `requirements` are paths; `parameters_class` and `inputs_class` are written
    `FILE:CLASS`, the file relative to the folder. `cpu` and `gpu` are counts.
    """

    folder: Path
    name: str
    version: str
    description: str
    type: str
    script: Path
    requirements: Path
    parameters_class: str
    inputs_class: str | None
    image_name: str
    image_tag: str
    cpu: int
    gpu: int
    models: tuple[ModelTarget, ...]

    @property
    def config_path(self) -> Path:
        return self.folder / CONFIG

    @property
    def is_training(self) -> bool:
        return self.type == TRAINING

    @property
    def target(self) -> Target:
        """What the processing works on; a training has none."""
        return TARGETS[self.type]

    @property
    def parameters_key(self) -> str:
        """The table of a run config that holds the parameters."""
        return "hyperparameters" if self.is_training else "parameters"


def find(name: str | None, *, below: Path) -> Path:
    """The folder of a pipeline.

    Args:
        name: its folder's name or path; None for the folder that we are in, or above us.
        below: where to look.

    Raises:
        NotFoundError: there is none.
        ConflictError: several folders have that name.
    """
    if name is None:
        return _around(below)
    direct = below / name
    if (direct / CONFIG).is_file():
        return direct.resolve()
    if "/" in name:
        raise NotFoundError(f"{direct} holds no {CONFIG}", hint="give the pipeline's folder")
    if below.name == name and (below / CONFIG).is_file():
        return below.resolve()
    found = [folder for folder in folders(below) if folder.name == name]
    if not found:
        raise NotFoundError(
            f"there is no pipeline {name!r} below {below}", hint=_suggestion(name, below)
        )
    if len(found) > 1:
        places = ", ".join(str(folder.relative_to(below)) for folder in found)
        raise ConflictError(f"several folders are called {name}: {places}", hint="give the path")
    return found[0]


def folders(below: Path) -> Iterator[Path]:
    """Every pipeline's folder below a folder; environments and repositories are passed over."""
    for root, directories, files in os.walk(below):
        directories[:] = sorted(d for d in directories if d not in _NEVER_A_PIPELINE)
        if CONFIG in files and "pipeline.py" in files:
            yield Path(root).resolve()


def load(folder: Path) -> Pipeline:
    """Read and check the config.toml of a pipeline.

    Raises:
        ConfigError: naming file, line, key, value and the mend.
    """
    config = TomlFile.read(folder / CONFIG)
    kind = config.required(str, "metadata", "type").upper()
    if kind != TRAINING and kind not in TARGETS:
        raise config.error(
            "metadata", "type",
            problem=f"there is no type {kind!r}",
            mend=f"set it to one of {', '.join((TRAINING, *TARGETS))}",
        )  # fmt: skip
    return Pipeline(
        folder=folder,
        name=config.required(str, "metadata", "name"),
        version=config.optional(str, "metadata", "version") or "0.1.0",
        description=config.optional(str, "metadata", "description") or "",
        type=kind,
        script=_file(config, folder, "pipeline_script"),
        requirements=_file(config, folder, "requirements_file"),
        parameters_class=_class(config, folder, "parameters_class") or "",
        inputs_class=_class(config, folder, "inputs_class", optional=True),
        image_name=config.optional(str, "docker", "image_name") or "",
        image_tag=config.optional(str, "docker", "image_tag") or "",
        cpu=_count(config, "cpu", 4),
        gpu=_count(config, "gpu", 0),
        models=_models(config) if kind == TRAINING else (),
    )


def _around(folder: Path) -> Path:
    for candidate in (folder, *folder.parents):
        if (candidate / CONFIG).is_file() and (candidate / "pipeline.py").is_file():
            return candidate.resolve()
    raise UsageError("no pipeline was named, and this is not a pipeline's folder", hint="give NAME")


def _suggestion(name: str, below: Path) -> str:
    import difflib

    known = sorted({folder.name for folder in folders(below)})
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    if known:
        return f"choose one of {', '.join(known[:8])}"
    return "make one with `pxl-pipeline init`"


def _file(config: TomlFile, folder: Path, key: str) -> Path:
    name = config.required(str, "execution", key)
    path = folder / name
    if not path.is_file():
        raise config.error(
            "execution", key, problem=f"there is no file {name}", mend=f"name a file in {folder}"
        )
    return path


def _class(config: TomlFile, folder: Path, key: str, *, optional: bool = False) -> str | None:
    if optional and config.optional(str, "execution", key) is None:
        return None
    text = config.required(str, "execution", key)
    file, _, name = text.partition(":")
    if not name.isidentifier():
        raise config.error(
            "execution", key, problem=f"{text!r} is not FILE:CLASS", mend="write FILE:CLASS"
        )
    if not (folder / file).is_file():
        raise config.error(
            "execution", key, problem=f"there is no file {file}", mend=f"name a file in {folder}"
        )
    return text


def _count(config: TomlFile, key: str, default: int) -> int:
    value = config.optional(int, "docker", key)
    if value is not None and value < 0:
        raise config.error("docker", key, problem=f"{value} is below 0", mend=f"set {key} to 0")
    return default if value is None else value


def _models(config: TomlFile) -> tuple[ModelTarget, ...]:
    single, several = config.get("model_version"), config.get("model_versions")
    keys = {"origin_name", "name", "framework", "inference_type"}
    defined = isinstance(single, Mapping) and any(single.get(key) for key in keys)
    if several and defined:
        raise config.error(
            "model_versions",
            problem="stands beside [model_version], and only one of them may",
            mend="keep one of the two",
        )
    if several:
        if not isinstance(several, list) or not all(isinstance(row, Mapping) for row in several):
            raise config.error(
                "model_versions",
                problem="is not an array of tables",
                mend="write [[model_versions]]",
            )
        rows = [_model(config, "model_versions", row) for row in several]
        return tuple({(row.origin_name, row.name): row for row in rows}.values())
    return (_model(config, "model_version", single),) if defined else ()


def _model(config: TomlFile, table: str, row: Mapping[str, Any]) -> ModelTarget:
    for key in ("origin_name", "name"):
        if not isinstance(row.get(key), str) or not row[key]:
            raise config.error(table, key, problem="is missing or empty", mend=f"set {key}")
    return ModelTarget(
        origin_name=row["origin_name"],
        name=row["name"],
        framework=_choice(config, table, "framework", row, _FRAMEWORKS),
        inference_type=_choice(config, table, "inference_type", row, _INFERENCE_TYPES),
    )


def _choice(
    config: TomlFile, table: str, key: str, row: Mapping[str, Any], allowed: frozenset[str]
) -> str:
    value = str(row.get(key) or "NOT_CONFIGURED").upper()
    if value not in allowed:
        raise config.error(
            table, key,
            problem=f"there is no {value!r}",
            mend=f"set it to one of {', '.join(sorted(allowed))}",
        )  # fmt: skip
    return value


def require_models(pipeline: Pipeline) -> tuple[ModelTarget, ...]:
    """The model versions of a training pipeline, of which it needs at least one to be deployed.

    Raises:
        ConfigError: config.toml names none.
    """
    if not pipeline.models:
        raise ConfigError(
            f"{pipeline.config_path}: model_version: names no model version to deploy to",
            hint="set origin_name and name in [model_version]",
        )
    return pipeline.models
