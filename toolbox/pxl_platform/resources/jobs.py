"""Jobs as the SDK sees them, and what a job's own client posts about itself."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import func, insert, select

from pxl_platform.body import Body
from pxl_platform.errors import BadRequest
from pxl_platform.job_states import FINAL, settle_experiment
from pxl_platform.models import Job, JobLine, new_id, now
from pxl_platform.resources.storage import presigned_url
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]


def job_view(call: Call, job: Job) -> View:
    return {
        "id": job.id,
        "job_id": job.id,
        "status": job.status,
        "type": job.kind.upper(),
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "runs": [_run_view(job)],
        "logging_object_name": job.logging_object_name,
        "processing_job": _processing_job(call, job),
    }


def _run_view(job: Job) -> View:
    """A job here runs once; the clients build the address of a page from the run's id."""
    run_id = str(uuid5(NAMESPACE_OID, str(UUID(job.id))))
    return {
        "id": run_id,
        "status": job.status,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }


def _processing_job(call: Call, job: Job) -> View | None:
    if job.kind != "processing":
        return None
    name = job.payload_object_name
    return {
        "target_id": job.target_id,
        "processing_id": job.processing_id,
        "parameters": job.parameters,
        "inputs": job.inputs,
        "payload_presigned_url": None if name is None else presigned_url(call, name),
    }


def get_job(call: Call) -> View:
    return job_view(call, call.at(Job))


def find_job(call: Call) -> View:
    wanted = call.query.uuid("id")
    if wanted is None:
        raise BadRequest("the query has to hold `id`")
    return job_view(call, call.own(Job, wanted))


def _posted(call: Call, status: str) -> View:
    """A client says how its job is. A job that a runner takes care of follows the runner alone."""
    job = call.at(Job)
    if not job.managed and job.status not in FINAL:
        job.status = status
        job.updated_at = now()
        if status == "RUNNING":
            job.started_at = job.started_at or job.updated_at
        else:
            job.finished_at = job.updated_at
        settle_experiment(call.session, job)
    return job_view(call, job)


def running(call: Call) -> View:
    return _posted(call, "RUNNING")


def succeed(call: Call) -> View:
    return _posted(call, "SUCCEEDED")


def fail(call: Call) -> View:
    return _posted(call, "FAILED")


def post_logging(call: Call) -> View:
    append_client_lines(call, call.at(Job), call.body)
    return {}


def append_client_lines(call: Call, job: Job, body: Body) -> None:
    """Keep what a client posts, apart from the container's own output."""
    sent = body.fields.get("log")
    texts: Sequence[object] = sent if isinstance(sent, list) else [sent]
    first = call.session.scalar(
        select(func.count()).where(JobLine.job_id == job.id, JobLine.source == "client")
    )
    lines = [
        {
            "id": new_id(),
            "created_at": now(),
            "organization_id": job.organization_id,
            "job_id": job.id,
            "source": "client",
            "n": (first or 0) + n,
            "part": body.optional_text("part") or "",
            "text": str(text),
        }
        for n, text in enumerate(texts)
        if text is not None
    ]
    if lines:
        call.session.execute(insert(JobLine), lines)


def save_logging(call: Call) -> View:
    job = call.at(Job)
    job.logging_object_name = call.body.text("logging_object_name")
    return {"logging_object_name": job.logging_object_name}


_JOB = "/api/v2/job/{job}"

ROUTES: tuple[Route, ...] = (
    reads("GET", "/api/organization/{organization}/jobv2s/find", find_job),
    reads("GET", _JOB, get_job),
    Route("POST", f"{_JOB}/running", running),
    Route("POST", f"{_JOB}/succeed", succeed),
    Route("POST", f"{_JOB}/fail", fail),
    Route("POST", f"{_JOB}/logging", post_logging),
    Route("POST", f"{_JOB}/logging/save", save_logging),
)
