"""Endpoints of our own, for our own commands: health, and jobs with their logs."""

from __future__ import annotations

from sqlalchemy import select

from pxl_platform.errors import BadRequest, NotFound
from pxl_platform.job_states import FINAL, settle_experiment
from pxl_platform.models import Job, JobLine, now
from pxl_platform.paging import page
from pxl_platform.routing import AnyRoute, Call, PublicRoute, Route, Services, reads
from pxl_toolbox import __version__

View = dict[str, object]

_MOST_LINES = 5_000
_ORDERS = {"created_at": Job.created_at, "status": Job.status}


def health(services: Services) -> View:
    return {
        "status": "ok",
        "version": __version__,
        "runner": "on" if services.runner_on else "off",
    }


def _view(job: Job) -> View:
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "exit_code": job.exit_code,
        "reason": job.reason,
        "image": job.image,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def _job(call: Call) -> Job:
    job = call.at(Job)
    if job.kind == "task":
        raise NotFound(f"there is no job {job.id}")
    return job


def get_job(call: Call) -> View:
    return _view(_job(call))


def list_jobs(call: Call) -> View:
    mine = select(Job).where(
        Job.organization_id == call.organization.id, Job.kind.in_(("processing", "training"))
    )
    found = page(call, mine, Job, _ORDERS)
    return found.of([_view(job) for job in found.rows])


def read_log(call: Call) -> View:
    """The lines from number `after` on. `done` says that there will be no more than these."""
    job = _job(call)
    after = call.query.integer("after") or 0
    if after < 0:
        raise BadRequest(f"`after` has to be 0 or more, not {after}")
    source = call.query.text("source") or "container"
    rows = call.session.execute(
        select(JobLine.n, JobLine.text)
        .where(JobLine.job_id == job.id, JobLine.source == source, JobLine.n >= after)
        .order_by(JobLine.n)
        .limit(_MOST_LINES)
    ).all()
    following = rows[-1].n + 1 if rows else after
    done = job.status in FINAL and len(rows) < _MOST_LINES
    return {
        "lines": [{"n": n, "text": text} for n, text in rows],
        "next": following,
        "done": done,
    }


def cancel(call: Call) -> View:
    """Ask for a job to be stopped; one that no runner took yet is over at once."""
    job = _job(call)
    if job.status not in FINAL:
        job.cancel_requested = True
        if not job.managed:
            job.status, job.reason = "KILLED", "cancelled before it started"
            job.updated_at = job.finished_at = now()
            settle_experiment(call.session, job)
    return _view(job)


ROUTES: tuple[AnyRoute, ...] = (
    PublicRoute("GET", "/api/pxl/health", health),
    reads("GET", "/api/pxl/jobs", list_jobs),
    reads("GET", "/api/pxl/job/{job}", get_job),
    reads("GET", "/api/pxl/job/{job}/log", read_log),
    Route("POST", "/api/pxl/job/{job}/cancel", cancel),
)
