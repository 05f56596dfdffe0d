"""What the runner is handed, and what its reports leave in the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pxl_platform.auth import caller
from pxl_platform.errors import Unauthorized
from pxl_platform.job_store import DatabaseJobStore
from pxl_platform.models import Experiment, Job, Project, new_id, now
from pxl_platform.platform import create_organization, open_services
from pxl_platform.routing import Services


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = open_services(tmp_path / "platform")
    yield opened
    opened.database.close()


@pytest.fixture
def store(services: Services) -> DatabaseJobStore:
    return DatabaseJobStore(services.database)


def launched(services: Services, kind: str, *, name: str = "acme") -> str:
    """Add a pending job, with an experiment where it is a training."""
    with services.database.write() as session:
        owner = create_organization(session, name)
        project = Project(organization_id=owner.id, name="p")
        session.add(project)
        session.flush()
        experiment = Experiment(
            organization_id=owner.id,
            project_id=project.id,
            name="e",
            description="",
            status="WAITING",
        )
        session.add(experiment)
        session.flush()
        job = Job(
            id=new_id(),
            organization_id=owner.id,
            kind=kind,
            status="PENDING",
            updated_at=now(),
            image="trainer:1",
            host="http://localhost:1",
            cpu=1,
            gpu=1,
            experiment_id=experiment.id if kind == "training" else None,
            environment={"MINE": "x", "host": "http://elsewhere"},
        )
        session.add(job)
        return job.id


def status(services: Services, job_id: str) -> tuple[str, str | None]:
    with services.database.read() as session:
        job = session.query(Job).filter_by(id=job_id).one()
        experiment = session.query(Experiment).filter_by(id=job.experiment_id).one_or_none()
        return job.status, None if experiment is None else experiment.status


def test_a_training_may_run_without_the_gpu_that_every_client_asks_for(
    services: Services, store: DatabaseJobStore
) -> None:
    launched(services, "training")

    order = store.claim()

    assert order is not None
    assert (order.gpu, order.gpu_optional) == (1, True)


def test_a_processings_gpu_is_what_its_author_asked_for(
    services: Services, store: DatabaseJobStore
) -> None:
    launched(services, "processing")

    order = store.claim()

    assert order is not None
    assert (order.gpu, order.gpu_optional) == (1, False)


def test_a_job_is_handed_out_once_with_the_environment_that_pipelines_read(
    services: Services, store: DatabaseJobStore
) -> None:
    job_id = launched(services, "training")

    order = store.claim()

    assert order is not None
    assert store.claim() is None
    assert order.job_id == job_id
    assert order.environment["job_id"] == job_id
    assert order.environment["host"] == "http://localhost:1", "the image's author cannot move it"
    assert order.environment["MINE"] == "x"
    assert order.environment.keys() >= {"api_token", "organization_id", "experiment_id"}
    assert order.secrets == (order.environment["api_token"],)


def test_the_token_of_a_job_opens_its_organization_until_the_job_is_over(
    services: Services, store: DatabaseJobStore
) -> None:
    launched(services, "training")
    order = store.claim()
    assert order is not None
    headers = {"authorization": f"Bearer {order.environment['api_token']}"}
    with services.database.read() as session:
        assert caller(session, headers).organization.name == "acme"

    store.finished(order.job_id, state="SUCCEEDED", exit_code=0, reason="")

    with services.database.read() as session, pytest.raises(Unauthorized):
        caller(session, headers)


def test_an_experiment_follows_its_training(services: Services, store: DatabaseJobStore) -> None:
    job_id = launched(services, "training")
    seen = [status(services, job_id)]

    store.claim()
    seen.append(status(services, job_id))
    store.started(job_id)
    seen.append(status(services, job_id))
    store.finished(job_id, state="FAILED", exit_code=3, reason="the container ended with code 3")
    seen.append(status(services, job_id))

    assert seen == [
        ("PENDING", "WAITING"),
        ("QUEUED", "WAITING"),
        ("RUNNING", "RUNNING"),
        ("FAILED", "FAILED"),
    ]
    assert store.open_jobs() == []


def test_lines_are_numbered_on(services: Services, store: DatabaseJobStore) -> None:
    job_id = launched(services, "processing")

    store.append_log(job_id, ["one", "two"])
    store.append_log(job_id, [])
    store.append_log(job_id, ["three"])

    assert store.log_length(job_id) == 3
