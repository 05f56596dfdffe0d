"""What test, smoke-test and launch do before a run: check, resolve, clear the outputs' places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxl_pipeline.api import environment
from pxl_pipeline.api.pipeline import Pipeline
from pxl_pipeline.api.platform import Platform
from pxl_pipeline.api.run_config import RunConfig
from pxl_pipeline.api.runs import RUN_CONFIG, Runs
from pxl_toolbox.adapters.files import write_atomically
from pxl_toolbox.adapters.process import Runner
from pxl_toolbox.core.events import Emit, Step, step
from pxl_toolbox.store.credentials import Context
from pxl_toolbox.store.toml_file import dumps

if TYPE_CHECKING:
    from pxl_pipeline.api.gateway import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRun:
    """A run that is ready to start: its folder, and the config that the pipeline will read."""

    folder: Path
    config: Mapping[str, Any]

    @property
    def config_path(self) -> Path:
        return self.folder / RUN_CONFIG

    @property
    def experiment_id(self) -> str | None:
        found = self.config.get("output", {}).get("experiment", {}).get("id")
        return str(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """A run whose inputs are there; nothing was made or deleted for it yet."""

    pipeline: Pipeline
    run_config: RunConfig
    gateway: Gateway
    data: dict[str, Any]
    emit: Emit

    def open(self, *, reuse_folder: bool, working_dir: str | None) -> PreparedRun:
        """Clear the outputs' places where asked to, and make the run's folder and config.

        The last thing before a run: what could fail without it, an install or a build, has
        been done by then, so that a failure there costs nobody an earlier result.

        Args:
            reuse_folder: use the latest run's folder again.
            working_dir: where the pipeline puts its files; None for the run's folder.
        """
        data = self.data
        with step(self.emit, "outputs", self.pipeline.name) as running:
            clear_outputs(self.gateway, self.run_config, running)
            folder = Runs(self.pipeline.folder).open(reuse=reuse_folder)
            data["run"]["working_dir"] = working_dir or str(folder)
            if self.pipeline.is_training:
                hyperparameters = data["hyperparameters"]
                experiment_id = self.gateway.prepare_experiment(self.run_config, hyperparameters)
                data.setdefault("output", {}).setdefault("experiment", {})["id"] = experiment_id
            write_atomically(folder / RUN_CONFIG, dumps(data))
        return PreparedRun(folder=folder, config=data)


def check(
    pipeline: Pipeline,
    *,
    context: Context,
    run_config: Path | None,
    runner: Runner,
    emit: Emit,
) -> CheckedRun:
    """Check a local run, and resolve what its config names.

    Args:
        pipeline: what will run.
        context: on which platform its inputs and outputs are.
        run_config: the run config; None for the latest run's, else the template's.
        runner: runs uv and the pipeline's own Python.
        emit: told what is going on.

    Raises:
        PlatformDown, TokenRefused, ConfigError, NotFoundError, UserCodeFailed: nothing was
            made, on the platform or on disk, but the pipeline's environment.
    """
    config = RunConfig.read(Runs(pipeline.folder).config_to_use(run_config), pipeline)
    config.require_complete()
    Platform.of(context).identify(context.organization)
    declared = environment.declared(pipeline, runner=runner, emit=emit)
    with step(emit, "inputs", context.host) as running:
        warn_of_unread(config, running)
        from pxl_pipeline.api.gateway import Gateway

        gateway = Gateway(context)
        data = config.resolved(context=context, declared=declared, working_dir="")
        gateway.complete(config, data)
    return CheckedRun(pipeline=pipeline, run_config=config, gateway=gateway, data=data, emit=emit)


def warn_of_unread(config: RunConfig, running: Step) -> None:
    """Say which sections of a run config nothing reads."""
    for key in config.unread:
        line = config.file.line_of(key)
        running.log(f"warning: {config.file.path}:{line}: nothing reads {key!r}")


def clear_outputs(gateway: Gateway, config: RunConfig, running: Step) -> None:
    """Delete what an earlier run left under the names of this run's outputs, where asked to."""
    if not config.override_outputs:
        return
    for what, delete in gateway.existing_outputs(config):
        running.log(f"override_outputs: deleting the {what}")
        delete()
