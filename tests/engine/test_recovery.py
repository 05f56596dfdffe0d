"""A runner that is killed loses no job: the next one finds it, with its log and its true end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from pxl_platform.models import Job, JobLine, Organization, new_id, now
from pxl_platform.platform import create_organization, find_organization, open_services
from pxl_platform.routing import Services
from pxl_platform.running_jobs import running_jobs
from pxl_toolbox.adapters.docker import Container, Docker
from pxl_toolbox.jobs.docker_executor import JOB_LABEL
from pxl_toolbox.jobs.journal import Journal

Until = Callable[[Callable[[], bool], float, str], None]

RUN = """
import sys, time
from pathlib import Path
from pxl_platform.platform import open_services
from pxl_platform.running_jobs import running_jobs

folder = Path(sys.argv[1])
with running_jobs(open_services(folder, runner_on=True), folder):
    time.sleep(60)
"""


@dataclass(frozen=True)
class Jobs:
    """The jobs of a platform's data folder, whose runner can be killed."""

    folder: Path
    services: Services
    until: Until
    image: str

    def launch(self, script: str) -> str:
        with self.services.database.write() as session:
            owner = find_organization(session, "acme")
            assert isinstance(owner, Organization)
            job = Job(
                id=new_id(),
                organization_id=owner.id,
                kind="processing",
                status="PENDING",
                updated_at=now(),
                image=self.image,
                host="http://127.0.0.1:1",
                cpu=1,
                environment={"SCRIPT": script},
            )
            session.add(job)
            return job.id

    def killed_once(self, ready: Callable[[], bool]) -> None:
        """Start a runner, and kill it once that is so."""
        process = self._runner()
        try:
            self.until(ready, 20, "the moment of the kill")
        finally:
            process.kill()
            process.wait(10)

    def killed_at(self, point: str) -> None:
        """Start a runner that is killed at a point of its work."""
        process = self._runner(f"{point}=kill")
        try:
            assert process.wait(20) == -signal.SIGKILL
        finally:
            process.kill()

    def _runner(self, fault: str = "") -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, str(self.folder)],
            env={**os.environ, "PXL_FAULT": fault},
            stderr=subprocess.DEVNULL,
        )

    def job(self, job_id: str) -> Job:
        with self.services.database.read() as session:
            return session.scalars(select(Job).where(Job.id == job_id)).one()

    def log(self, job_id: str) -> list[str]:
        with self.services.database.read() as session:
            wanted = select(JobLine.text).where(JobLine.job_id == job_id).order_by(JobLine.n)
            return list(session.scalars(wanted))

    def finish(self, job_id: str) -> Job:
        """Run the jobs here until this one has ended."""
        with running_jobs(self.services, self.folder):
            self.until(lambda: self.job(job_id).finished_at is not None, 20, "the job's end")
        return self.job(job_id)


@pytest.fixture
def platform(
    docker: Docker, tmp_path: Path, until: Until, job_image: str
) -> Iterator[Callable[[str], Jobs]]:
    """Makes a data folder of that name, with one organization."""
    made: list[Jobs] = []

    def make(name: str) -> Jobs:
        services = open_services(tmp_path / name, runner_on=True)
        with services.database.write() as session:
            create_organization(session, "acme")
        made.append(Jobs(tmp_path / name, services, until, job_image))
        return made[-1]

    yield make
    for one in made:
        with one.services.database.read() as session:
            everyone = list(session.scalars(select(Job.id)))
        one.services.database.close()
        for job_id in everyone:
            for container in containers(docker, job_id):
                docker.remove(container.id, force=True)


@pytest.fixture
def jobs(platform: Callable[[str], Jobs]) -> Jobs:
    return platform("platform")


def containers(docker: Docker, job_id: str) -> tuple[Container, ...]:
    return docker.containers({JOB_LABEL: job_id})


@pytest.mark.parametrize(
    "point", ["runner.submitted", "runner.started", "runner.logged", "runner.finished"]
)
def test_a_kill_at_any_point_changes_neither_the_log_nor_the_end(
    docker: Docker, jobs: Jobs, point: str
) -> None:
    job_id = jobs.launch("echo one; echo two; exit 5")
    jobs.killed_at(point)

    job = jobs.finish(job_id)

    assert (job.status, job.exit_code) == ("FAILED", 5)
    assert job.reason == "the container ended with code 5"
    assert jobs.log(job_id) == ["one", "two"]
    jobs.until(lambda: not containers(docker, job_id), 10, "the container's removal")
    with Journal(jobs.folder / "jobs.sqlite3") as journal:
        assert journal.records(job_id) == ()


@pytest.mark.parametrize("point", ["journal.run.begin", "journal.run.begun"])
def test_a_kill_before_the_container_was_there_fails_the_job_with_that_reason(
    docker: Docker, jobs: Jobs, point: str
) -> None:
    job_id = jobs.launch("echo ran")
    jobs.killed_at(point)

    job = jobs.finish(job_id)

    assert (job.status, job.exit_code) == ("FAILED", None)
    assert job.reason == "runner lost: it ended before the container was there"
    assert containers(docker, job_id) == ()


def test_a_kill_in_the_middle_of_a_log_loses_and_doubles_no_line(jobs: Jobs) -> None:
    script = "i=0; while [ $i -lt 60 ]; do echo line $i; sleep 0.05; i=$((i+1)); done; exit 5"
    job_id = jobs.launch(script)

    jobs.killed_once(lambda: len(jobs.log(job_id)) >= 10)
    before = len(jobs.log(job_id))
    job = jobs.finish(job_id)

    assert 10 <= before < 60
    assert (job.status, job.exit_code) == ("FAILED", 5)
    assert jobs.log(job_id) == [f"line {number}" for number in range(60)]


def test_a_container_that_ended_while_no_runner_was_there_is_concluded(
    docker: Docker, jobs: Jobs
) -> None:
    job_id = jobs.launch("echo up; sleep 0.5; echo down")
    jobs.killed_once(lambda: jobs.log(job_id) == ["up"])
    (container,) = containers(docker, job_id)
    docker.wait(container.id)

    job = jobs.finish(job_id)

    assert (job.status, job.exit_code) == ("SUCCEEDED", 0)
    assert jobs.log(job_id) == ["up", "down"]


def test_a_container_that_was_removed_while_no_runner_was_there_fails_the_job(
    docker: Docker, jobs: Jobs
) -> None:
    job_id = jobs.launch("echo up; sleep 30")
    jobs.killed_once(lambda: jobs.log(job_id) == ["up"])
    (container,) = containers(docker, job_id)
    docker.remove(container.id, force=True)

    job = jobs.finish(job_id)

    assert (job.status, job.exit_code) == ("FAILED", None)
    assert job.reason == "runner lost: the job's container is gone"
    assert jobs.log(job_id) == ["up"]


def test_a_cancel_while_no_runner_was_there_is_carried_out(docker: Docker, jobs: Jobs) -> None:
    script = "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done"
    job_id = jobs.launch(script)
    jobs.killed_once(lambda: jobs.log(job_id) == ["up"])
    with jobs.services.database.write() as session:
        session.scalars(select(Job).where(Job.id == job_id)).one().cancel_requested = True

    job = jobs.finish(job_id)

    assert (job.status, job.exit_code, job.reason) == ("KILLED", 9, "cancelled")
    assert jobs.log(job_id) == ["up", "bye"]
    jobs.until(lambda: not containers(docker, job_id), 10, "the container's removal")


def test_the_containers_of_another_data_folder_are_left_alone(
    docker: Docker, jobs: Jobs, platform: Callable[[str], Jobs]
) -> None:
    job_id = jobs.launch("echo up; sleep 30")
    jobs.killed_once(lambda: jobs.log(job_id) == ["up"])
    neighbour = platform("neighbour")

    assert neighbour.finish(neighbour.launch("exit 0")).status == "SUCCEEDED"

    (container,) = containers(docker, job_id)
    assert container.running
