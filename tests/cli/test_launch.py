"""launch: jobs on a real platform and engine, to their end and before it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pxl_pipeline.api.platform import Platform as Client

if TYPE_CHECKING:
    from tests.cli.conftest import Platform, Tiny, User

Until = Callable[[Callable[[], bool], float, str], None]
Answered = Callable[[subprocess.CompletedProcess[str]], Any]

pytestmark = pytest.mark.timeout(120)


def deployed(member: User) -> None:
    done = member.pxl("deploy", "tiny")
    assert done.returncode == 0, done.stderr


def test_a_launched_job_runs_the_image_to_its_end(
    member: User, tiny: Tiny, image: str, answered: Answered
) -> None:
    deployed(member)

    done = member.pxl("launch", "tiny", "--run-config-file", tiny.run_config, "--follow", "--json")

    job = answered(done)
    assert (job["state"], job["exit_code"]) == ("SUCCEEDED", 0)
    assert "job | arguments" in done.stderr
    assert "job | token ***" in done.stderr


def test_a_job_that_exits_3_is_failed_and_says_3(member: User, tiny: Tiny, image: str) -> None:
    tiny.write("exit_code", "3")
    deployed(member)

    done = member.pxl("launch", "tiny", "--run-config-file", tiny.run_config, "--wait", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["exit_code"] == 3
    assert "is FAILED with exit code 3" in done.stderr


def cancel_jobs(platform: Platform, image: str, until: Until) -> None:
    """Cancel what still runs of an image, and wait until the platform has ended it."""
    client = Client(host=platform.host, token=platform.token)

    def running() -> list[str]:
        jobs = client.get("/api/pxl/jobs")["items"]
        mine = [job for job in jobs if job["image"].startswith(f"{image}:")]
        return [job["id"] for job in mine if job["status"] in {"PENDING", "QUEUED", "RUNNING"}]

    for job_id in running():
        client.post(f"/api/pxl/job/{job_id}/cancel")
    until(lambda: not running(), 30, "the end of the cancelled jobs")


def test_a_launch_does_not_wait_unless_asked(
    member: User, tiny: Tiny, image: str, platform: Platform, until: Until
) -> None:
    tiny.write("sleep", "")
    deployed(member)
    began = time.monotonic()

    done = member.pxl("launch", "tiny", "--run-config-file", tiny.run_config, "--json")

    assert time.monotonic() - began < 15
    job = json.loads(done.stdout)
    assert job["state"] == "PENDING"
    cancel_jobs(platform, image, until)


def test_an_interrupted_follow_ends_with_130(
    member: User, tiny: Tiny, image: str, until: Until, platform: Platform
) -> None:
    tiny.write("sleep", "")
    deployed(member)
    process = member.start(
        "pxl-pipeline", "launch", "tiny", "--run-config-file", str(tiny.run_config), "--follow"
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "job | sleeping" in line:
            break

    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert " goes on; see " in err
    cancel_jobs(platform, image, until)
