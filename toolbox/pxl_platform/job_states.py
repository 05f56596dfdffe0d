"""The states of a job, and what they mean for the experiment that it trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from pxl_platform.models import Experiment, Job

FINAL: Final = frozenset({"SUCCEEDED", "FAILED", "KILLED"})
OPEN: Final = ("QUEUED", "RUNNING")

_EXPERIMENT_STATUS: Mapping[str, str] = {
    "PENDING": "WAITING",
    "QUEUED": "WAITING",
    "RUNNING": "RUNNING",
    "SUCCEEDED": "SUCCESS",
    "FAILED": "FAILED",
    "KILLED": "CANCELED",
}


def settle_experiment(session: Session, job: Job) -> None:
    """Let the experiment of a training job follow the job's state."""
    if job.experiment_id is None:
        return
    found = session.scalar(select(Experiment).where(Experiment.id == job.experiment_id))
    if found is not None:
        found.status = _EXPERIMENT_STATUS[job.status]
