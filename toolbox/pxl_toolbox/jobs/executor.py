"""Where jobs run: submitted, looked at, ended and read by a handle that survives a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self

from pxl_toolbox.core.errors import NotFoundError, UnavailableError


class JobPhase(StrEnum):
    """RUNNING until the job has ended; LOST where nothing of it is left to ask."""

    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job to run: an image with its own entry point. There is no way to ask for more.

    `job_id` is unique among the owner's jobs. `cpus` above what the executor has are cut
    to what it has; a GPU that it has not is refused, but for a `gpu_optional` job, which
    then runs on the CPU. `secrets` are values of the environment that the job's log never
    shows.
    """

    job_id: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    cpus: int = 1
    gpus: int = 0
    gpu_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """What finds a job again, in this process or a later one."""

    executor: str
    job_id: str
    reference: str

    def to_text(self) -> str:
        return json.dumps(
            {"executor": self.executor, "job_id": self.job_id, "reference": self.reference}
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `to_text` wrote; a ValueError where it did not."""
        try:
            raw = json.loads(text)
            return cls(
                executor=str(raw["executor"]),
                job_id=str(raw["job_id"]),
                reference=str(raw["reference"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"not a job's handle: {text!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job as it was when we looked. `exit_code` is there once it has ENDED."""

    phase: JobPhase
    exit_code: int | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What an executor has for all its jobs together. `gpus`: whether it has any."""

    cpus: int
    gpus: bool


class LogReader(Iterator[str], Protocol):
    """A job's lines until its end."""

    def close(self) -> None:
        """End the reading, from any thread."""
        ...


class Executor(Protocol):
    """Runs jobs. Its methods may be called from several threads."""

    def offers(self) -> Offers:
        """What it has."""
        ...

    def submit(self, request: JobRequest) -> Handle:
        """Start a job; one that runs already under this id is found, not started twice.

        Raises:
            NotOffered: it needs a GPU, and there is none.
            ImageUnavailable: its image is neither here nor to be had.
        """
        ...

    def find(self, job_id: str) -> Handle | None:
        """The job of that id, running or ended, where something of it is left."""
        ...

    def poll(self, handle: Handle) -> JobState:
        """How the job is now."""
        ...

    def logs(self, handle: Handle, *, skip: int = 0) -> LogReader:
        """The job's lines from line `skip` on, to its end; always the same lines."""
        ...

    def cancel(self, handle: Handle) -> None:
        """Ask the job to end, and end it where it does not. One that has ended is fine."""
        ...

    def remove(self, handle: Handle) -> None:
        """Drop what is left of an ended job: its log and its code are saved elsewhere."""
        ...

    def leftovers(self) -> tuple[Handle, ...]:
        """Everything of this owner's jobs that was not removed."""
        ...

    def close(self) -> None:
        """Let go of connections. Jobs run on."""
        ...


class NotOffered(UnavailableError):
    """A job asks for something that no executor here has."""

    def __init__(self, wanted: str, have: str) -> None:
        super().__init__(
            f"the job asks for {wanted}, and the engine has {have}",
            hint="ask for less in the job's settings, or run it where there is more",
        )


class ImageUnavailable(NotFoundError):
    """A job's image is not here, and could not be fetched."""

    def __init__(self, image: str, why: str) -> None:
        super().__init__(
            f"the image {image} is not on the engine and could not be fetched: {why}",
            hint="deploy the pipeline again, or start the registry that holds it",
        )
