"""Runs the platform's jobs: one container for each, its log and its true end in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

FinalState = Literal["SUCCEEDED", "FAILED", "KILLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """A job to run, as the store hands it out.

    `image` is the whole reference. `environment` is what the image is started with;
    `secrets` are masked in the log. `cpu` and `gpu` are what the job asks for.
    """

    job_id: str
    image: str
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    cpu: int
    gpu: int


class JobStore(Protocol):
    """The platform's jobs, as the runner sees them. Called from several threads."""

    def claim(self) -> JobOrder | None:
        """Take the oldest PENDING job, now QUEUED, with a fresh token of its own."""
        ...

    def open_jobs(self) -> Sequence[str]:
        """The jobs that are QUEUED or RUNNING: what a restarted runner looks for."""
        ...

    def cancel_requested(self, job_id: str) -> bool:
        """Whether somebody asked for the job's end."""
        ...

    def started(self, job_id: str) -> None:
        """The container runs: the job is RUNNING. Harmless when said twice."""
        ...

    def append_log(self, job_id: str, lines: Sequence[str]) -> None:
        """Add lines to the container's log, all or none."""
        ...

    def log_length(self, job_id: str) -> int:
        """How many lines `append_log` has added so far.

        A restarted runner reads the container's log from its beginning and skips so
        many: no line is lost and none is there twice.
        """
        ...

    def finished(
        self, job_id: str, *, state: FinalState, exit_code: int | None, reason: str
    ) -> None:
        """The job's end. `exit_code` is None where no container told one."""
        ...
