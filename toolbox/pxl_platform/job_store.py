"""What the job runner needs of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from pxl_platform.auth import create_token
from pxl_platform.database import Database
from pxl_platform.job_states import FINAL, OPEN, settle_experiment
from pxl_platform.models import Job, JobLine, Organization, Token, new_id, now
from pxl_platform.runner import JobOrder


@dataclass(frozen=True, slots=True)
class DatabaseJobStore:
    """Jobs in the platform's database. Each method is one transaction."""

    database: Database

    def claim(self) -> JobOrder | None:
        """Take the oldest pending job: it is queued, and has a token of its own until it ends."""
        if not self._pending():
            return None  # the common case must not take the writers' turn
        with self.database.write() as session:
            job = session.scalar(
                select(Job).where(Job.status == "PENDING").order_by(Job.seq).limit(1)
            )
            if job is None:
                return None
            _change(session, job, "QUEUED")
            job.managed = True
            owner = session.scalars(
                select(Organization).where(Organization.id == job.organization_id)
            ).one()
            token = create_token(session, owner, name=f"job {job.id}", job_id=job.id)
            return JobOrder(
                job_id=job.id,
                image=job.image,
                environment=_environment(job, token),
                secrets=(token,),
                cpu=job.cpu,
                gpu=job.gpu,
                # The SDK asks for a GPU in every launch of a training, wanted or not.
                gpu_optional=job.kind == "training",
            )

    def _pending(self) -> bool:
        with self.database.read() as session:
            wanted = select(Job.seq).where(Job.status == "PENDING").limit(1)
            return session.scalar(wanted) is not None

    def open_jobs(self) -> Sequence[str]:
        """The jobs that a runner took and that are not over, oldest first."""
        with self.database.read() as session:
            wanted = select(Job.id).where(Job.status.in_(OPEN), Job.managed).order_by(Job.seq)
            return session.scalars(wanted).all()

    def cancel_requested(self, job_id: str) -> bool:
        with self.database.read() as session:
            wanted = select(Job.cancel_requested).where(Job.id == job_id)
            return session.scalar(wanted) is True

    def started(self, job_id: str) -> None:
        with self.database.write() as session:
            job = _job(session, job_id)
            if job is not None and job.status not in FINAL:
                _change(session, job, "RUNNING")
                job.started_at = job.started_at or job.updated_at

    def append_log(self, job_id: str, lines: Sequence[str]) -> None:
        """Add lines of the container's output."""
        if not lines:
            return
        with self.database.write() as session:
            job = _job(session, job_id)
            if job is not None:
                session.execute(insert(JobLine), _line_rows(session, job, lines))

    def log_length(self, job_id: str) -> int:
        """How many lines of the container's output are there."""
        with self.database.read() as session:
            wanted = select(func.count()).where(
                JobLine.job_id == job_id, JobLine.source == "container"
            )
            return session.scalar(wanted) or 0

    def finished(
        self,
        job_id: str,
        *,
        state: Literal["SUCCEEDED", "FAILED", "KILLED"],
        exit_code: int | None,
        reason: str,
    ) -> None:
        """End the job: its state is final, its token is dead, its experiment follows."""
        with self.database.write() as session:
            job = _job(session, job_id)
            if job is None:
                return
            _change(session, job, state)
            job.finished_at = job.updated_at
            job.exit_code, job.reason = exit_code, reason
            session.execute(delete(Token).where(Token.job_id == job.id))


def _job(session: Session, job_id: str) -> Job | None:
    return session.scalar(select(Job).where(Job.id == job_id))


def _change(session: Session, job: Job, state: str) -> None:
    job.status = state
    job.updated_at = now()
    settle_experiment(session, job)


def _environment(job: Job, token: str) -> Mapping[str, str]:
    environment = {name: str(value) for name, value in job.environment.items()}
    environment |= {
        "api_token": token,
        "host": job.host,
        "organization_id": job.organization_id,
        "job_id": job.id,
    }
    if job.experiment_id is not None:
        environment["experiment_id"] = job.experiment_id
    return environment


def _line_rows(session: Session, job: Job, lines: Sequence[str]) -> list[dict[str, object]]:
    source, came = "container", now()
    last = session.scalar(
        select(func.max(JobLine.n)).where(JobLine.job_id == job.id, JobLine.source == source)
    )
    first = 0 if last is None else last + 1
    return [
        {
            "id": new_id(),
            "created_at": came,
            "organization_id": job.organization_id,
            "job_id": job.id,
            "source": source,
            "n": first + n,
            "part": "",
            "text": line,
        }
        for n, line in enumerate(lines)
    ]
