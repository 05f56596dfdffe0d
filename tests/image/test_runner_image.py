"""The runner image: its `run` and `install-environment`, and who it runs as."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    DockerCommand = Any
    StubPlatform = Any

_RUN = ("--entrypoint", "run")


def _job(stub: StubPlatform) -> list[str]:
    words = ["--network", "host"]
    for name, value in stub.environment.items():
        words += ["--env", f"{name}={value}"]
    return words


def test_the_runner_is_not_root_and_owns_its_folder(
    docker: DockerCommand, runner_image: str
) -> None:
    done = docker.run(runner_image, "sh", "-c", "id -u; id -g; pwd; touch made && echo ok")

    assert done.out.split() == ["1000", "1000", "/experiment", "ok"]


def test_without_a_job_a_program_is_run_as_it_is(docker: DockerCommand, runner_image: str) -> None:
    done = docker.run(*_RUN, runner_image, "sh", "-c", "echo out; echo err >&2; exit 7")

    assert (done.code, done.out, done.err) == (7, "out\n", "err\n")


def test_a_script_without_an_environment_is_refused_with_the_way_out(
    docker: DockerCommand, runner_image: str
) -> None:
    done = docker.run(*_RUN, runner_image, "pipeline.py")

    assert done.code == 127
    assert "install-environment" in done.err


def test_a_script_runs_in_the_environment_of_the_pipeline(
    docker: DockerCommand, runner_image: str
) -> None:
    script = (
        "uv venv -q /experiment/.venv && "
        "echo 'import sys; print(sys.prefix, sys.argv[1:])' > pipeline.py && "
        "exec run pipeline.py --mode picsellia"
    )
    done = docker.run("--entrypoint", "sh", runner_image, "-c", script)

    assert done.out == "/experiment/.venv ['--mode', 'picsellia']\n", done.err


def test_a_job_in_a_container_is_reported_and_its_exit_code_passed_on(
    docker: DockerCommand, runner_image: str, stub_platform: StubPlatform
) -> None:
    done = docker.run(*_RUN, *_job(stub_platform), runner_image, "sh", "-c", "echo hello; exit 3")

    assert (done.code, done.out) == (3, "hello\n")
    assert stub_platform.paths()[0] == "POST /api/v2/job/job-1/running"
    assert stub_platform.paths()[-1] == "POST /api/v2/job/job-1/fail"
    assert "hello" in stub_platform.lines()


def test_a_job_without_a_token_is_run_and_not_reported(
    docker: DockerCommand, runner_image: str
) -> None:
    done = docker.run(*_RUN, "--env", "job_id=1", runner_image, "sh", "-c", "echo hello; exit 3")

    assert (done.code, done.out, done.err) == (3, "hello\n", "")


def test_docker_stop_ends_a_job_at_once_and_reports_it(
    docker: DockerCommand, runner_image: str, stub_platform: StubPlatform, wait_until: Any
) -> None:
    name = docker.start(*_RUN, *_job(stub_platform), runner_image, "sleep", "60")
    wait_until(lambda: bool(stub_platform.calls))

    began = time.monotonic()
    docker("stop", name)

    assert time.monotonic() - began < 4
    assert docker.exit_code(name) == 143
    assert stub_platform.paths()[-1] == "POST /api/v2/job/job-1/fail"


def test_docker_stop_ends_a_run_without_a_job_at_once(
    docker: DockerCommand, runner_image: str
) -> None:
    name = docker.start(*_RUN, runner_image, "sleep", "60")

    began = time.monotonic()
    docker("stop", name)

    assert time.monotonic() - began < 2
    assert docker.exit_code(name) == 143


def test_the_pipelines_own_modules_are_importable(docker: DockerCommand, runner_image: str) -> None:
    done = docker.run(runner_image, "sh", "-c", "echo $PYTHONPATH; ls $PYTHONPATH")

    assert done.out.split()[0] == "/opt/pxl/runtime"
    assert "picsellia_pipeline" in done.out
