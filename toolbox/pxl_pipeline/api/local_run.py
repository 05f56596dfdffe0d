"""Runs of a pipeline here: in its environment (`test`) or in its image (`smoke-test`)."""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pxl_pipeline.api import environment, image
from pxl_pipeline.api.pipeline import Pipeline
from pxl_pipeline.api.preparation import CheckedRun, PreparedRun, check
from pxl_toolbox.adapters.files import write_atomically
from pxl_toolbox.adapters.process import Command, Runner
from pxl_toolbox.core.errors import UnavailableError
from pxl_toolbox.core.events import Emit, Log, step
from pxl_toolbox.core.redaction import Redactor
from pxl_toolbox.store.credentials import Context

if TYPE_CHECKING:
    from pxl_toolbox.adapters.docker import Docker

RUNTIME = Path(__file__).parents[1] / "runtime"

_RUN_LIMIT_S = 24 * 3600.0
_TAIL_LINES = 20
_OUTCOME = "outcome.json"
_SHM_BYTES = 8 * 1024**3  # what the platform gives, and loaders of images need
# In the container's own file system. The pipeline makes the folder, as whatever user it is.
_WORK_IN_CONTAINER = "/tmp/pxl-run"  # noqa: S108
_CONFIG_IN_CONTAINER = "/tmp/pxl-run.toml"  # noqa: S108


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a local run ended. That the pipeline itself failed is a finding, not an error.

    `exit_code` is the pipeline's, `took_s` its wall time in seconds, `tail` its last lines.
    """

    passed: bool
    exit_code: int
    took_s: float
    folder: Path
    tail: tuple[str, ...]
    image: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """A run to make, and the parts that it uses."""

    pipeline: Pipeline
    context: Context
    run_config: Path | None
    reuse_folder: bool
    runner: Runner
    emit: Emit

    def in_environment(self) -> RunReport:
        """Run the pipeline with its own Python, its output as events of the step "run".

        Raises:
            Whatever `preparation.check` raises.
        """
        checked = self._check()
        place = environment.ensure(self.pipeline, runner=self.runner, emit=self.emit)
        prepared = checked.open(reuse_folder=self.reuse_folder, working_dir=None)
        command = Command(
            argv=(
                str(place.python),
                str(self.pipeline.script),
                *("--config-file", str(prepared.config_path)),
                *("--mode", "local"),
            ),
            cwd=self.pipeline.folder,
            timeout_s=_RUN_LIMIT_S,
            env=self._variables(prepared)
            | {
                "PYTHONPATH": f"{self.pipeline.folder}:{RUNTIME}",
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": None,
                "VIRTUAL_ENV": None,
            },
            secrets=(self.context.token,),
        )
        lines = _Lines(self.emit, prepared.folder / "run.log")
        with (
            _outcome_kept(prepared),
            step(self.emit, "run", self.pipeline.script.name) as running,
            lines,
        ):
            done = self.runner.run(command, lines.add)
            running.ok, running.outcome = done.code == 0, f"exit code {done.code}"
        report = RunReport(
            passed=done.code == 0,
            exit_code=done.code,
            took_s=done.took_s,
            folder=prepared.folder,
            tail=lines.tail,
        )
        return _kept(report)

    def in_image(self, docker: Docker, *, gpus: bool, keep: bool) -> RunReport:
        """Build the image as a deploy does, and run its own entry point once.

        Args:
            docker: the engine.
            gpus: give the container the engine's GPUs.
            keep: leave the container there when it has ended.

        Raises:
            BuildFailed, ContainerNotStarted: as they say; the rest as `preparation.check`.
        """
        if gpus and not docker.info().gpus:
            raise UnavailableError(
                "this engine has no GPU for containers",
                hint="install the NVIDIA container toolkit, or leave --use-gpu out",
            )
        name = image.name_for(self.pipeline, self.context)
        checked = self._check()
        built = image.build(
            self.pipeline,
            tags=(f"{name}:smoke-test",),
            labels={},
            context=self.context,
            docker=docker,
            emit=self.emit,
        )
        prepared = checked.open(reuse_folder=self.reuse_folder, working_dir=_WORK_IN_CONTAINER)
        lines = _Lines(self.emit, prepared.folder / "run.log", secrets_=(self.context.token,))
        with _outcome_kept(prepared), step(self.emit, "run", built.id) as running, lines:
            report = self._run_image(docker, prepared, built.id, gpus=gpus, keep=keep, lines=lines)
            running.ok, running.outcome = report.passed, f"exit code {report.exit_code}"
        return _kept(report)

    def _run_image(
        self,
        docker: Docker,
        prepared: PreparedRun,
        image_id: str,
        *,
        gpus: bool,
        keep: bool,
        lines: _Lines,
    ) -> RunReport:
        from pxl_toolbox.adapters.docker import ContainerRequest

        began = time.monotonic()
        container = docker.start(
            ContainerRequest(
                image=image_id,
                name=f"pxl-smoke-{secrets.token_hex(6)}",
                command=("--config-file", _CONFIG_IN_CONTAINER, "--mode", "local"),
                environment={
                    key: value
                    for key, value in self._variables(prepared).items()
                    if value is not None
                },
                labels={"pxl.smoke-test": self.pipeline.name},
                network=image.network_for(self.context),
                shm_bytes=_SHM_BYTES,
                gpus=gpus,
                files={_CONFIG_IN_CONTAINER: prepared.config_path.read_bytes()},
                files_owner=1000,
            )
        )
        try:
            for line in docker.logs(container.id):
                lines.add(line)
            code = docker.wait(container.id)
        except BaseException:
            docker.remove(container.id, force=True)  # Ctrl-C leaves nothing running
            raise
        if not keep:
            docker.remove(container.id, force=True)
        return RunReport(
            passed=code == 0,
            exit_code=code,
            took_s=time.monotonic() - began,
            folder=prepared.folder,
            tail=lines.tail,
            image=image_id,
            container=container.name if keep else None,
        )

    def _check(self) -> CheckedRun:
        return check(
            self.pipeline,
            context=self.context,
            run_config=self.run_config,
            runner=self.runner,
            emit=self.emit,
        )

    def _variables(self, prepared: PreparedRun) -> dict[str, str | None]:
        """The environment that cv-engine's local contexts read."""
        return {
            "api_token": self.context.token,
            "organization_name": self.context.organization,
            "host": self.context.host,
            "experiment_id": prepared.experiment_id,
            "job_id": None,
        }


class _Lines:
    """A run's output: told, written to its log file, and its tail kept. Masks secrets."""

    def __init__(self, emit: Emit, path: Path, secrets_: tuple[str, ...] = ()) -> None:
        self._emit = emit
        self._path = path
        self._redact = Redactor(secrets_)
        self._kept: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def tail(self) -> tuple[str, ...]:
        return tuple(self._kept)

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8", errors="replace")
        return self

    def __exit__(self, *_details: object) -> None:
        self._file.close()

    def add(self, line: str) -> None:
        masked = self._redact(line)
        self._kept.append(masked)
        self._file.write(f"{masked}\n")
        self._emit(Log("run", masked))


@contextmanager
def _outcome_kept(prepared: PreparedRun) -> Iterator[None]:
    """Leave an outcome for a run that did not come to its end, too."""
    try:
        yield
    except BaseException as error:
        row = {"passed": False, "interrupted": type(error).__name__, "folder": str(prepared.folder)}
        write_atomically(prepared.folder / _OUTCOME, json.dumps(row, indent=2) + "\n")
        raise


def _kept(report: RunReport) -> RunReport:
    """Leave the outcome beside the run's config."""
    row = asdict(report) | {"folder": str(report.folder)}
    write_atomically(report.folder / _OUTCOME, json.dumps(row, indent=2) + "\n")
    return report
