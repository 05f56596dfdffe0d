"""Work that this server did before it answered, which the API still tells as a job."""

from __future__ import annotations

from pxl_platform.errors import NotFound
from pxl_platform.models import Job, now
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_V1_STATUS = {
    "PENDING": "RUNNING",
    "QUEUED": "RUNNING",
    "RUNNING": "RUNNING",
    "SUCCEEDED": "SUCCESS",
    "FAILED": "FAILED",
    "KILLED": "TERMINATED",
}


def done_task(call: Call) -> View:
    """Record a finished task and return it as a job of the API's first version."""
    finished = now()
    task = Job(
        organization_id=call.organization.id,
        kind="task",
        status="SUCCEEDED",
        updated_at=finished,
        finished_at=finished,
    )
    call.session.add(task)
    call.session.flush()
    return task_view(task)


def task_view(job: Job) -> View:
    return {
        "id": job.id,
        "status": _V1_STATUS[job.status],
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }


def get_task(call: Call) -> View:
    job = call.at(Job)
    if job.kind != "task":
        raise NotFound(f"the job {job.id} is one of the second version: /api/v2/job/{job.id}")
    return task_view(job)


ROUTES: tuple[Route, ...] = (reads("GET", "/api/job/{job}", get_task),)
