"""Launch: start a job of what is deployed, and follow it to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxl_pipeline.api import environment
from pxl_pipeline.api.pipeline import Pipeline
from pxl_pipeline.api.platform import Platform
from pxl_pipeline.api.preparation import clear_outputs, warn_of_unread
from pxl_pipeline.api.run_config import RunConfig
from pxl_toolbox.adapters.process import Runner
from pxl_toolbox.core.errors import NotFoundError, TimeLimitError
from pxl_toolbox.core.events import Emit, Log, step
from pxl_toolbox.store.credentials import Context

_POLL_S = 0.5
_ENDED = frozenset({"SUCCEEDED", "FAILED", "KILLED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that was launched, and where to look at it."""

    id: str
    state: str
    url: str
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A launch of `pipeline` on the platform of `context`."""

    pipeline: Pipeline
    context: Context
    runner: Runner
    emit: Emit

    def run(self, run_config: Path) -> Job:
        """Start a job as the run config says; that file is only read.

        The job gets the deployed defaults with the run config's parameters over them.

        Raises:
            NotFoundError: there is no such file, or the pipeline is not deployed.
            ConfigError: the run config names something that the platform does not have.
            PlatformDown, TokenRefused, Refused: as they say.
        """
        if not run_config.is_file():
            raise NotFoundError(f"there is no run config {run_config}", hint="check the path")
        config = RunConfig.read(run_config, self.pipeline)
        config.require_complete()
        platform = Platform.of(self.context)
        identity = platform.identify(self.context.organization)
        with step(self.emit, "launch", self.context.host) as running:
            from pxl_pipeline.api.gateway import Gateway

            warn_of_unread(config, running)
            gateway = Gateway(self.context)
            data = dict(config.file.data)
            data["input"] = {key: dict(one) for key, one in data.get("input", {}).items()}
            if self.pipeline.is_training:
                gateway.complete(config, data)
                clear_outputs(gateway, config, running)
                hyperparameters = self._parameters(config, None)
                experiment_id = gateway.prepare_experiment(config, hyperparameters)
                job_id = gateway.launch_experiment(experiment_id, gpus=self._gpus(config))
            else:
                target_id = config.target_id
                processing_id = gateway.processing_id(self.pipeline.name)
                deployed = platform.get(f"/api/processing/{processing_id}")
                gateway.complete(config, data)
                clear_outputs(gateway, config, running)
                body = self._body(config, processing_id, deployed)
                job_id = gateway.launch_processing(self.pipeline.target, target_id, body)
            running.outcome = job_id
        url = f"{self.context.host}/{identity.organization_id}/jobs/{job_id}"
        return Job(id=job_id, state="PENDING", url=url)

    def _body(
        self, config: RunConfig, processing_id: str, deployed: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The body of a launch, with the fields that 0.7.6 sends.

        Source: POST …/processing/launch as observed; those that are not set are left out.
        """
        optional = {
            "inputs": config.inputs,
            "model_version_id": config.text("input", "model_version", "id")
            or config.inputs.get("model_version_id"),
            "target_version_name": config.output_version_name,
            "target_datalake_name": config.text("output", "datalake", "name"),
            "data_ids": config.file.get("input", "data_ids")
            or config.inputs.get("data_ids")
            or config.parameters.get("data_ids"),
        }
        window = {
            key: config.count("run_parameters", key)
            for key in ("offset", "limit")
            if config.file.get("run_parameters", key) is not None
        }
        cpu = config.count("docker", "cpu")
        return {
            "processing_id": processing_id,
            "parameters": self._parameters(config, deployed.get("default_parameters")),
            "cpu": self.pipeline.cpu if cpu is None else cpu,
            "gpu": self._gpus(config),
            **{key: value for key, value in optional.items() if value},
            **window,
        }

    def _parameters(self, config: RunConfig, deployed: Mapping[str, Any] | None) -> dict[str, Any]:
        """The run config's parameters over the deployed defaults.

        A training's defaults are with its model version, which the experiment takes over.
        """
        if deployed is None and not self.pipeline.is_training:
            deployed = environment.declared(
                self.pipeline, runner=self.runner, emit=self.emit
            ).parameters
        return {**(deployed or {}), **config.parameters}

    def _gpus(self, config: RunConfig) -> int:
        gpus = config.count("docker", "gpu")
        return self.pipeline.gpu if gpus is None else gpus


def follow(platform: Platform, job: Job, emit: Emit, *, limit_s: float) -> Job:
    """Wait until a job has ended; its log, where the platform shows one, as `Log` events.

    Args:
        platform: where the job runs.
        job: as `Launch.run` gave it.
        emit: told each line of the log.
        limit_s: how long to wait, in seconds.

    Raises:
        TimeLimitError: it had not ended by then; it goes on.
    """
    deadline = time.monotonic() + limit_s
    after = 0
    with step(emit, "job", job.id) as running:
        while True:
            status = platform.get(f"/api/v2/job/{job.id}")
            after = _tell_log(platform, job.id, after, emit)
            if status.get("status") in _ENDED:
                running.outcome = str(status["status"])
                running.ok = running.outcome == "SUCCEEDED"
                return _ended(platform, job, str(status["status"]))
            if time.monotonic() >= deadline:
                raise TimeLimitError(
                    f"job {job.id} is still {status.get('status')} after {limit_s:g} s",
                    hint="it goes on; see it at " + job.url,
                )
            time.sleep(_POLL_S)


def _tell_log(platform: Platform, job_id: str, after: int, emit: Emit) -> int:
    try:
        page = platform.get(f"/api/pxl/job/{job_id}/log", after=after)
    except NotFoundError:
        return after  # a platform that is not ours keeps its logs to its own pages
    for line in page["lines"]:
        emit(Log("job", str(line["text"])))
    return int(page["next"])


def _ended(platform: Platform, job: Job, state: str) -> Job:
    try:
        details = platform.get(f"/api/pxl/job/{job.id}")
    except NotFoundError:
        details = {}
    return Job(
        id=job.id,
        state=state,
        url=job.url,
        exit_code=details.get("exit_code"),
        reason=str(details.get("reason") or ""),
    )
