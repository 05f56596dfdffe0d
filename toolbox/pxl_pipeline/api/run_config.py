"""A run config: what a run works on, what it makes, and its parameters.

The format is that of `picsellia-pipelines-cli` 0.7.6; the resolved form is what
`picsellia_cv_engine.core.services.context.config` of picsellia-cv-engine 0.6.12 validates.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pxl_pipeline.api.declarations import Declarations
from pxl_pipeline.api.pipeline import Pipeline, Target
from pxl_toolbox.core.errors import ConfigError
from pxl_toolbox.store.credentials import Context
from pxl_toolbox.store.toml_file import TomlFile

_INPUT_OF_TARGET: Mapping[Target, str] = {
    Target.DATASET_VERSION: "dataset_version",
    Target.DATALAKE: "datalake",
    Target.MODEL_VERSION: "model_version",
}


# What picsellia-cv-engine 0.6.12 and 0.7.6 of the peer read; the latter writes `auth` and `run`.
_SECTIONS = frozenset(
    {"override_outputs", "target_id", "job", "input", "inputs", "output", "auth", "run", "docker"}
    | {"run_parameters", "augmentations_parameters", "export_parameters", "experiment_id"}
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A version of something: by id, or by the names of its origin and of itself."""

    id: str | None
    origin_name: str | None
    name: str | None

    @property
    def given(self) -> bool:
        return bool(self.id or (self.origin_name and self.name))


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A run config as its author wrote it. Nothing here writes to that file."""

    file: TomlFile
    pipeline: Pipeline

    @classmethod
    def read(cls, path: Path, pipeline: Pipeline) -> RunConfig:
        """Read and check a run config.

        Raises:
            NotFoundError, ConfigError: it is missing or wrong; file, line and key are named.
        """
        config = cls(TomlFile.read(path), pipeline)
        config._check()
        return config

    @property
    def override_outputs(self) -> bool:
        """Whether outputs of the same name are deleted on the platform before the run."""
        return bool(self.file.optional(bool, "override_outputs"))

    @property
    def parameters(self) -> Mapping[str, Any]:
        return dict(self.file.get(self.pipeline.parameters_key) or {})

    @property
    def inputs(self) -> Mapping[str, Any]:
        return dict(self.file.get("inputs") or {})

    @property
    def target_id(self) -> str:
        """The id of what a processing works on.

        Raises:
            ConfigError: it is missing, or not a UUID.
        """
        target = self.pipeline.target
        if self.file.get("target_id"):
            return self._uuid("target_id")
        keys = ("input", _INPUT_OF_TARGET[target], "id")
        if not self.file.get(*keys):
            raise self.file.error(
                *keys,
                problem=f"names no {target.lower().replace('_', ' ')} to work on",
                mend=f"set id in [input.{_INPUT_OF_TARGET[target]}]",
            )
        return self._uuid(*keys)

    @property
    def output_version_name(self) -> str | None:
        """The name of the dataset version to make, if the pipeline makes one."""
        name = self.file.optional(str, "output", "dataset_version", "name")
        return name or self.inputs.get("target_version_name") or None

    @property
    def output_model_file(self) -> str | None:
        return self.parameters.get("output_model_file_name") or None

    def text(self, *keys: str) -> str | None:
        return self.file.optional(str, *keys) or None

    def count(self, *keys: str) -> int | None:
        return self.file.optional(int, *keys)

    def reference(self, *keys: str) -> Reference:
        """A version by id or by names, as `[input.…]` tables give it."""
        return Reference(
            id=self._uuid(*keys, "id") if self.file.get(*keys, "id") else None,
            origin_name=self.text(*keys, "origin_name"),
            name=self.text(*keys, "name") or self.text(*keys, "version_name"),
        )

    @property
    def unread(self) -> tuple[str, ...]:
        """What stands at the top of the file and nobody reads: a slip of the pen, mostly."""
        known = {*_SECTIONS, self.pipeline.parameters_key}
        return tuple(key for key in self.file.data if key not in known)

    def require_complete(self) -> None:
        """Check, without asking anybody, that the config names what a run needs.

        Raises:
            ConfigError: an id or a name is missing or is none.
        """
        if not self.pipeline.is_training:
            _ = self.target_id
            return
        if not self.reference("input", "train_dataset_version").given:
            raise self.file.error(
                *("input", "train_dataset_version"),
                problem="names no dataset version to train on",
                mend="set id in [input.train_dataset_version]",
            )
        if not self.file.get("output", "experiment", "id"):
            self.file.required(str, "output", "experiment", "name")
            self.file.required(str, "output", "experiment", "project_name")

    def merged_parameters(self, declared: Declarations) -> dict[str, Any]:
        """The declared defaults, and over them what the run config says."""
        return {**declared.parameters, **self.parameters}

    def resolved(
        self, *, context: Context, declared: Declarations, working_dir: str
    ) -> dict[str, Any]:
        """The whole config that the pipeline reads, as plain TOML values.

        Args:
            context: fills `[auth]`; the token is not part of it.
            declared: fills the parameters and inputs that the run config leaves out.
            working_dir: where the pipeline puts its files.
        """
        data: dict[str, Any] = deepcopy(dict(self.file.data))
        data["auth"] = {
            "organization_name": context.organization,
            "env": str(context.env),
            "host": context.host,
        }
        data["run"] = {**data.get("run", {}), "working_dir": working_dir}
        data["job"] = {**data.get("job", {}), "type": self.pipeline.type}
        data[self.pipeline.parameters_key] = self.merged_parameters(declared)
        if declared.inputs:
            empty = {one.name: "" for one in declared.inputs}
            data["inputs"] = {**empty, **self.inputs}
        if self.pipeline.type == "DATA_AUTO_TAGGING":
            data["run_parameters"] = {"offset": 0, "limit": 10, **data.get("run_parameters", {})}
        model = data.get("input", {}).get("model_version")
        if isinstance(model, dict):
            model.setdefault("visibility", "private")  # cv-engine refuses a model without it
        return data

    def _check(self) -> None:
        for table in ("job", "input", "output", "inputs", "run_parameters", "docker"):
            self._table(table)
        self._table(self.pipeline.parameters_key)
        written = self.file.optional(str, "job", "type")
        if written and written.upper() != self.pipeline.type:
            raise self.file.error(
                "job", "type",
                problem=f"is {written!r}, but the pipeline's type is {self.pipeline.type}",
                mend=f'write type = "{self.pipeline.type}"',
            )  # fmt: skip
        _ = self.override_outputs

    def _table(self, key: str) -> None:
        value = self.file.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise self.file.error(
                key, problem=f"must be a table, not {value!r}", mend=f"write [{key}]"
            )

    def _uuid(self, *keys: str) -> str:
        text = self.file.required(str, *keys)
        try:
            return str(UUID(text))
        except ValueError:
            raise self.file.error(
                *keys, problem=f"{text!r} is not an id", mend="paste the id from the platform"
            ) from None


def not_on_platform(config: RunConfig, what: str, *keys: str) -> ConfigError:
    """The error for an id or a name that the platform does not know."""
    value = config.file.get(*keys)
    return config.file.error(
        *keys,
        problem=f"the platform has no {what} {value!r}",
        mend="check the id, and `pxl-pipeline whoami` for the organization; edit it",
    )
