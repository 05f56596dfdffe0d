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


def prepare(
    pipeline: Pipeline,
    *,
    context: Context,
    run_config: Path | None,
    reuse_folder: bool,
    working_dir: str | None,
    runner: Runner,
    emit: Emit,
) -> PreparedRun:
    """Make a local run ready.

    Args:
        pipeline: what will run.
        context: on which platform its inputs and outputs are.
        run_config: the run config; None for the latest run's, else the template's.
        reuse_folder: use the latest run's folder again.
        working_dir: where the pipeline puts its files; None for the run's folder.
        runner: runs uv and the pipeline's own Python.
        emit: told what is going on.

    Raises:
        PlatformDown, TokenRefused, ConfigError, NotFoundError, UserCodeFailed: nothing was
            made, on the platform or on disk, but the pipeline's environment.
    """
    runs = Runs(pipeline.folder)
    config = RunConfig.read(runs.config_to_use(run_config), pipeline)
    if not pipeline.is_training:
        _ = config.target_id
    Platform.of(context).identify(context.organization)
    declared = environment.declared(pipeline, runner=runner, emit=emit)
    with step(emit, "inputs", context.host) as running:
        from pxl_pipeline.api.gateway import Gateway

        gateway = Gateway(context)
        data = config.resolved(context=context, declared=declared, working_dir="")
        gateway.complete(config, data)
        clear_outputs(gateway, config, running)
        folder = runs.open(reuse=reuse_folder)
        data["run"]["working_dir"] = working_dir or str(folder)
        if pipeline.is_training:
            experiment_id = gateway.prepare_experiment(config, data["hyperparameters"])
            data.setdefault("output", {}).setdefault("experiment", {})["id"] = experiment_id
        write_atomically(folder / RUN_CONFIG, dumps(data))
    return PreparedRun(folder=folder, config=data)


def clear_outputs(gateway: Gateway, config: RunConfig, running: Step) -> None:
    """Delete what an earlier run left under the names of this run's outputs, where asked to."""
    if not config.override_outputs:
        return
    for what, delete in gateway.existing_outputs(config):
        running.log(f"override_outputs: deleting the {what}")
        delete()
