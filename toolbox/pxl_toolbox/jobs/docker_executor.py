"""Jobs as containers: one for each, found again by its labels."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

from pxl_toolbox.adapters.docker import (
    Container,
    ContainerMissing,
    ContainerRequest,
    Docker,
    PullRefused,
    connect,
)
from pxl_toolbox.core.redaction import Redactor
from pxl_toolbox.core.references import ImageReference
from pxl_toolbox.jobs.executor import (
    Handle,
    ImageUnavailable,
    JobPhase,
    JobRequest,
    JobState,
    LogReader,
    NotOffered,
    Offers,
)

NAME = "docker"
JOB_LABEL = "pxl.job"
OWNER_LABEL = "pxl.owner"
_NOTES_LABEL = "pxl.notes"
_SECRETS_LABEL = "pxl.secrets"
_STOP_GRACE_S = 10.0
_SHM_BYTES = 8 * 1024**3  # a limit; the engine's own of 64 MiB is too low for image loaders


class DockerExecutor:
    """Runs jobs on the Docker engine.

    Args:
        owner: whose jobs these are. Jobs of another owner on the same engine are never
            seen; the same owner after a restart finds its own.
        network: what the containers see; "host", so that they reach a platform and a
            registry that listen on the engine's machine.
        opened: connects to the engine, at the first call that needs it.
    """

    def __init__(
        self, owner: str, *, network: str | None = "host", opened: Callable[[], Docker] = connect
    ) -> None:
        self._owner = owner
        self._network = network
        self._opened = opened
        self._lock = threading.Lock()
        self._engine: Docker | None = None

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine = None

    def offers(self) -> Offers:
        info = self._docker().info()
        return Offers(cpus=info.cpus, gpus=info.gpus)

    def submit(self, request: JobRequest) -> Handle:
        earlier = self._container(request.job_id)
        if earlier is not None and earlier.state != "created":
            return self._handle(earlier)
        if earlier is not None:  # made by a process that died before it could start it
            self._docker().remove(earlier.id, force=True)
        offers = self.offers()
        gpus, gpu_notes = _granted_gpus(request, offers)
        cpus, cpu_notes = _granted_cpus(request, offers)
        notes = [*cpu_notes, *gpu_notes, *self._fetched(request.image)]
        started = self._docker().start(
            ContainerRequest(
                image=request.image,
                name=f"pxl-job-{request.job_id}",
                environment=request.environment,
                labels=self._labels(request, notes),
                network=self._network,
                cpus=cpus,
                shm_bytes=_SHM_BYTES,
                gpus=gpus,
            )
        )
        return self._handle(started)

    def find(self, job_id: str) -> Handle | None:
        found = self._container(job_id)
        return None if found is None else self._handle(found)

    def poll(self, handle: Handle) -> JobState:
        try:
            container = self._docker().container(handle.reference)
        except ContainerMissing:
            return JobState(phase=JobPhase.LOST)
        if container.state in {"created", "removing"}:  # never started, or being dropped
            return JobState(phase=JobPhase.LOST)
        if container.exit_code is None:
            return JobState(phase=JobPhase.RUNNING)
        return JobState(
            phase=JobPhase.ENDED,
            exit_code=container.exit_code,
            out_of_memory=container.out_of_memory,
        )

    def logs(self, handle: Handle, *, skip: int = 0) -> LogReader:
        container = self._docker().container(handle.reference)
        notes: list[str] = json.loads(container.labels.get(_NOTES_LABEL, "[]"))
        names: list[str] = json.loads(container.labels.get(_SECRETS_LABEL, "[]"))
        redact = Redactor(container.environment.get(name, "") for name in names)
        lines = self._docker().logs(container.id, skip=max(0, skip - len(notes)))
        return _JobLines(notes[skip:], lines, redact)

    def cancel(self, handle: Handle) -> None:
        self._docker().stop(handle.reference, _STOP_GRACE_S)

    def remove(self, handle: Handle) -> None:
        self._docker().remove(handle.reference, force=True)

    def leftovers(self) -> tuple[Handle, ...]:
        found = self._docker().containers({OWNER_LABEL: self._owner})
        return tuple(self._handle(container) for container in found)

    def _docker(self) -> Docker:
        with self._lock:
            if self._engine is None:
                self._engine = self._opened()
            return self._engine

    def _container(self, job_id: str) -> Container | None:
        labels = {OWNER_LABEL: self._owner, JOB_LABEL: job_id}
        return next(iter(self._docker().containers(labels)), None)

    def _handle(self, container: Container) -> Handle:
        return Handle(executor=NAME, job_id=container.labels[JOB_LABEL], reference=container.id)

    def _labels(self, request: JobRequest, notes: list[str]) -> Mapping[str, str]:
        # The names alone: the values stay where the engine keeps every environment.
        secret = [name for name, value in request.environment.items() if value in request.secrets]
        return {
            JOB_LABEL: request.job_id,
            OWNER_LABEL: self._owner,
            _NOTES_LABEL: json.dumps(notes),
            _SECRETS_LABEL: json.dumps(secret),
        }

    def _fetched(self, image: str) -> list[str]:
        """Have the registry's image; what the log has to say where it cannot be had."""
        try:
            names_a_registry = ImageReference.parse(image).names_a_registry
        except ValueError as error:
            raise ImageUnavailable(image, str(error)) from error
        here = self._docker().image(image) is not None
        if here and not names_a_registry:
            return []
        try:
            self._docker().pull(image)
        except PullRefused as error:
            if not here:
                raise ImageUnavailable(image, error.why) from error
            return [f"runner: {error.message}; the image that the engine has is used"]
        return []


def _granted_cpus(request: JobRequest, offers: Offers) -> tuple[int, list[str]]:
    """How many cpus the job gets, and what its log has to say about it."""
    if request.cpus <= offers.cpus:
        return max(1, request.cpus), []
    note = f"runner: {request.cpus} cpus are asked for, the engine has {offers.cpus}"
    return offers.cpus, [f"{note}: the job gets {offers.cpus}"]


def _granted_gpus(request: JobRequest, offers: Offers) -> tuple[bool, list[str]]:
    """Whether the job gets the GPUs, and what its log has to say about it."""
    if request.gpus == 0 or offers.gpus:
        return request.gpus > 0, []
    if not request.gpu_optional:
        raise NotOffered(f"{request.gpus} GPU", "none that a container can be given")
    note = f"runner: {request.gpus} GPU asked for, the engine has none: the job runs on the CPU"
    return False, [note]


class _JobLines:
    """The runner's notes, then the container's lines, without the job's secrets."""

    def __init__(self, notes: Iterable[str], lines: LogReader, redact: Redactor) -> None:
        self._notes = iter(notes)
        self._lines = lines
        self._redact = redact

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        note = next(self._notes, None)
        return self._redact(next(self._lines)) if note is None else note

    def close(self) -> None:
        self._lines.close()
