"""From the unmodified SDK to a container and back: `pxl-platform serve`, a launch, an end."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tomllib
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from pxl_toolbox.adapters.docker import Docker
from pxl_toolbox.jobs.docker_executor import JOB_LABEL, OWNER_LABEL

if TYPE_CHECKING:
    from picsellia import Client
    from picsellia.sdk.experiment import Experiment
    from picsellia.sdk.job import Job

Make = Callable[..., str]
Launch = Callable[..., "Job"]
Until = Callable[[Callable[[], bool], float, str], None]


@dataclass(frozen=True)
class Platform:
    """A platform that serves, and the SDK's client of it."""

    client: Client
    host: str
    token: str
    until: Until

    def own(self, path: str, method: str = "GET") -> Any:
        """What one of the platform's own routes answers."""
        request = urllib.request.Request(
            f"{self.host}/api/pxl/{path}",
            method=method,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def ended(self, job: Job) -> Any:
        """The job, once it is over."""
        over = {"SUCCEEDED", "FAILED", "KILLED"}
        self.until(lambda: self.own(f"job/{job.id}")["status"] in over, 25, "the job's end")
        return self.own(f"job/{job.id}")

    def log(self, job: Job) -> list[str]:
        return [line["text"] for line in self.own(f"job/{job.id}/log")["lines"]]


@pytest.fixture(scope="module")
def platform(
    docker: Docker, tmp_path_factory: pytest.TempPathFactory, until: Until
) -> Iterator[Platform]:
    """`pxl-platform serve` with a home of its own, on a free port."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's own, at its import
        import picsellia as sdk

    home = tmp_path_factory.mktemp("home")
    folders = {f"XDG_{name}_HOME": str(home / name) for name in ("CONFIG", "STATE", "DATA")}
    process = subprocess.Popen(
        [Path(sys.executable).parent / "pxl-platform", "serve", "--port", "0"],
        env={**os.environ, **folders},
        stdout=subprocess.PIPE,
    )
    try:
        login = home / "STATE" / "pxl-toolbox" / "local-platform.toml"
        until(login.is_file, 20, "the platform")
        local = tomllib.loads(login.read_text())
        with requests.Session() as session:
            client = sdk.Client(
                api_token=local["token"],
                organization_name=local["organization"],
                host=local["host"],
                session=session,
            )
            yield Platform(client, local["host"], local["token"], until)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        owner = (home / "DATA" / "pxl-toolbox" / "platform" / "instance").read_text().strip()
        for container in docker.containers({OWNER_LABEL: owner}):
            docker.remove(container.id, force=True)


@pytest.fixture
def launch(platform: Platform) -> Launch:
    """Registers a processing of that image and launches it on a dataset version."""

    def start(image: str, **asked: Any) -> Job:
        name = f"p{secrets.token_hex(4)}"
        repository, _, tag = image.rpartition(":")
        processing = platform.client.create_processing(
            name=name,
            target="DATASET_VERSION",
            default_cpu=1,
            default_gpu=0,
            default_parameters={"size": 3},
            docker_image=repository,
            docker_tag=tag,
            type="DATASET_VERSION_CREATION",
        )
        version = platform.client.create_dataset(name).create_version("first")
        return version.launch_processing(processing, **asked)

    return start


def train(platform: Platform, image: str, script: str) -> tuple[Experiment, Job]:
    """Launch a training of that image as the SDK does by default."""
    name = f"m{secrets.token_hex(4)}"
    repository, _, tag = image.rpartition(":")
    version = platform.client.create_model(name).create_version(
        name="v1",
        framework="PYTORCH",
        type="CLASSIFICATION",
        docker_image_name=repository,
        docker_tag=tag,
        docker_env_variables={"SCRIPT": script},
    )
    experiment = platform.client.create_project(name).create_experiment("first")
    experiment.set_base_model_version(version)
    return experiment, experiment.launch()


def test_a_processing_runs_to_its_end_with_its_log_and_what_it_needs_to_speak_to_the_platform(
    platform: Platform, launch: Launch, shell_image: Make, docker: Docker, until: Until
) -> None:
    script = "echo $host $organization_id $job_id; echo $api_token; echo to err >&2"
    job = launch(shell_image(script))

    ended = platform.ended(job)

    job.sync()
    assert (ended["status"], ended["exit_code"], ended["kind"]) == ("SUCCEEDED", 0, "processing")
    assert str(job.status.value) == "SUCCEEDED"
    assert sorted(platform.log(job)) == sorted(
        [f"{platform.host} {platform.client.id} {job.id}", "***", "to err"]
    )
    assert platform.own(f"job/{job.id}/log")["done"]
    until(lambda: not docker.containers({JOB_LABEL: str(job.id)}), 10, "the container's removal")


def test_a_processing_that_fails_tells_its_code(
    platform: Platform, launch: Launch, shell_image: Make
) -> None:
    ended = platform.ended(launch(shell_image("exit 3")))

    assert (ended["status"], ended["exit_code"]) == ("FAILED", 3)
    assert ended["reason"] == "the container ended with code 3"


def test_a_processing_that_needs_a_gpu_is_refused_where_there_is_none(
    platform: Platform, launch: Launch, shell_image: Make, docker: Docker
) -> None:
    ended = platform.ended(launch(shell_image("exit 0"), gpu=1))

    if docker.info().gpus:
        assert ended["status"] == "SUCCEEDED"
    else:
        assert (ended["status"], ended["exit_code"]) == ("FAILED", None)
        assert "asks for 1 GPU" in ended["reason"]


def test_a_running_processing_is_cancelled(
    platform: Platform, launch: Launch, shell_image: Make, docker: Docker, until: Until
) -> None:
    job = launch(shell_image("trap 'exit 1' TERM; echo up; while :; do sleep 0.05; done"))
    until(lambda: platform.log(job) == ["up"], 20, "the job's first line")

    platform.own(f"job/{job.id}/cancel", "POST")

    ended = platform.ended(job)
    assert (ended["status"], ended["exit_code"], ended["reason"]) == ("KILLED", 1, "cancelled")
    until(lambda: not docker.containers({JOB_LABEL: str(job.id)}), 10, "the container's removal")


@pytest.mark.parametrize(
    ("code", "job_status", "experiment_status"),
    [(0, "SUCCEEDED", "success"), (7, "FAILED", "failed")],
)
def test_a_training_launched_as_the_sdk_does_ends_by_its_container_with_or_without_a_gpu(
    platform: Platform,
    job_image: str,
    docker: Docker,
    code: int,
    job_status: str,
    experiment_status: str,
) -> None:
    experiment, job = train(platform, job_image, f"echo trains $experiment_id; exit {code}")

    ended = platform.ended(job)

    experiment.sync()
    assert (ended["status"], ended["exit_code"], ended["kind"]) == (job_status, code, "training")
    assert experiment.status.value.lower() == experiment_status
    *notes, line = platform.log(job)
    assert line == f"trains {experiment.id}"
    said = "runner: 1 GPU asked for, the engine has none: the job runs on the CPU"
    assert notes == ([] if docker.info().gpus else [said])
