"""Jobs run as containers, their log is whole, and their end is the container's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pxl_platform.runner import FinalState, JobRunner
from pxl_toolbox.adapters.docker import Container, Docker
from pxl_toolbox.jobs.docker_executor import JOB_LABEL

if TYPE_CHECKING:
    from tests.engine.conftest import MemoryStore

Until = Callable[[Callable[[], bool], float, str], None]
Ended = Callable[[str], tuple[FinalState, int | None, str]]


def containers(docker: Docker, job_id: str) -> tuple[Container, ...]:
    return docker.containers({JOB_LABEL: job_id})


def test_a_job_that_ends_well_has_succeeded_and_leaves_no_container(
    docker: Docker, store: MemoryStore, job_image: str, ended: Ended, until: Until
) -> None:
    job_id = store.add(job_image, "echo one; echo two; echo $job_id")

    assert ended(job_id) == ("SUCCEEDED", 0, "")

    assert store.logs[job_id] == ["one", "two", job_id]
    until(lambda: not containers(docker, job_id), 10, "the container's removal")


def test_a_job_that_ends_with_a_code_has_failed_with_it(
    docker: Docker, store: MemoryStore, job_image: str, ended: Ended, until: Until
) -> None:
    job_id = store.add(job_image, "echo to err >&2; exit 3")

    assert ended(job_id) == ("FAILED", 3, "the container ended with code 3")

    assert store.logs[job_id] == ["to err"]
    until(lambda: not containers(docker, job_id), 10, "the container's removal")


def test_ten_thousand_lines_arrive_whole_and_in_order(
    store: MemoryStore, job_image: str, ended: Ended
) -> None:
    script = "i=0; while [ $i -lt 10000 ]; do echo line $i; i=$((i+1)); done; printf 'the end'"
    job_id = store.add(job_image, script)

    assert ended(job_id)[0] == "SUCCEEDED"

    assert store.logs[job_id] == [*(f"line {number}" for number in range(10_000)), "the end"]


def test_the_jobs_token_is_masked_in_its_log(
    store: MemoryStore, job_image: str, ended: Ended
) -> None:
    job_id = store.add(job_image, 'echo "Authorization: Token $api_token!"')

    ended(job_id)

    assert store.logs[job_id] == ["Authorization: Token ***!"]


def test_a_running_job_that_is_cancelled_is_killed_with_its_last_words_kept(
    docker: Docker,
    store: MemoryStore,
    job_image: str,
    runner: Callable[[], JobRunner],
    until: Until,
) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    job_id = store.add(job_image, script)
    runner()
    until(lambda: store.logs[job_id] == ["up"], 20, "the job's first line")

    store.cancel(job_id)

    until(lambda: job_id in store.ends, 15, "the job's end")
    assert store.ends[job_id] == ("KILLED", 0, "cancelled")
    assert store.logs[job_id] == ["up", "bye"]
    until(lambda: not containers(docker, job_id), 10, "the container's removal")


def test_a_job_that_is_cancelled_before_its_start_never_has_a_container(
    docker: Docker, store: MemoryStore, job_image: str, ended: Ended
) -> None:
    job_id = store.add(job_image, "echo ran", cancelled=True)

    assert ended(job_id) == ("KILLED", None, "cancelled before it was started")

    assert store.logs[job_id] == []
    assert containers(docker, job_id) == ()


def test_a_container_that_somebody_removes_fails_the_job(
    docker: Docker,
    store: MemoryStore,
    job_image: str,
    runner: Callable[[], JobRunner],
    until: Until,
) -> None:
    job_id = store.add(job_image, "echo up; sleep 30")
    runner()
    until(lambda: store.logs[job_id] == ["up"], 20, "the job's first line")

    docker.remove(containers(docker, job_id)[0].id, force=True)

    until(lambda: job_id in store.ends, 15, "the job's end")
    state, code, _reason = store.ends[job_id]
    assert (state, code) == ("FAILED", None)


def test_a_log_that_cannot_be_stored_fails_the_job_and_leaves_no_container(
    docker: Docker, store: MemoryStore, job_image: str, ended: Ended, until: Until
) -> None:
    store.full = True
    job_id = store.add(job_image, "echo up; sleep 30")

    state, code, reason = ended(job_id)

    assert (state, code) == ("FAILED", None)
    assert reason == "the runner could not go on: OSError('no space left')"
    until(lambda: not containers(docker, job_id), 10, "the container's removal")


def test_without_an_engine_a_job_fails_and_says_so(
    store: MemoryStore, job_image: str, ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        state, code, reason = ended(store.add(job_image))

    assert (state, code) == ("FAILED", None)
    assert reason.startswith("no Docker engine answers at unix:///nonexistent/docker.sock")


def test_more_cpus_than_there_are_become_all_of_them_and_the_log_says_so(
    docker: Docker, store: MemoryStore, job_image: str, ended: Ended
) -> None:
    have = docker.info().cpus
    job_id = store.add(job_image, "echo ran", cpu=1000)

    assert ended(job_id)[0] == "SUCCEEDED"

    note = f"runner: 1000 cpus are asked for, the engine has {have}: the job gets {have}"
    assert store.logs[job_id] == [note, "ran"]


def test_a_gpu_that_is_needed_is_refused_where_there_is_none(
    docker: Docker, store: MemoryStore, job_image: str, ended: Ended
) -> None:
    job_id = store.add(job_image, "echo ran", gpu=1)

    state, _code, reason = ended(job_id)

    if docker.info().gpus:
        assert state == "SUCCEEDED"
    else:
        wanted = "the job asks for 1 GPU, and the engine has none that a container can be given"
        assert (state, reason) == ("FAILED", wanted)
        assert containers(docker, job_id) == ()


def test_a_gpu_that_would_be_nice_is_done_without_and_the_log_says_so(
    docker: Docker, store: MemoryStore, job_image: str, ended: Ended
) -> None:
    job_id = store.add(job_image, "echo ran", gpu=1, gpu_optional=True)

    assert ended(job_id)[0] == "SUCCEEDED"

    note = "runner: 1 GPU asked for, the engine has none: the job runs on the CPU"
    assert store.logs[job_id] == (["ran"] if docker.info().gpus else [note, "ran"])


def test_several_jobs_run_at_once_and_no_more_than_there_are_cpus(
    docker: Docker,
    store: MemoryStore,
    job_image: str,
    runner: Callable[[], JobRunner],
    until: Until,
) -> None:
    script = "echo I am $job_id; sleep 0.5; echo $job_id ends"
    jobs = [store.add(job_image, script) for _ in range(6)]

    runner()

    until(lambda: len(store.ends) == 6, 25, "the end of all jobs")
    assert {state for state, _, _ in store.ends.values()} == {"SUCCEEDED"}
    for job_id in jobs:
        assert store.logs[job_id] == [f"I am {job_id}", f"{job_id} ends"]
    cpus = docker.info().cpus
    assert min(2, cpus) <= store.most_at_once <= cpus


def test_a_stop_ends_within_its_limit_and_the_next_runner_goes_on(
    docker: Docker,
    store: MemoryStore,
    job_image: str,
    runner: Callable[[], JobRunner],
    until: Until,
) -> None:
    script = "trap 'exit 4' TERM; echo first; while :; do sleep 0.05; done"
    job_id = store.add(job_image, script)
    first = runner()
    until(lambda: store.logs[job_id] == ["first"], 20, "the job's first line")

    began = time.monotonic()
    first.stop(3)

    assert time.monotonic() - began < 3
    (container,) = containers(docker, job_id)
    assert container.running
    docker.stop(container.id, 10)
    runner()
    until(lambda: job_id in store.ends, 20, "the job's end")
    assert store.ends[job_id] == ("FAILED", 4, "the container ended with code 4")
    assert store.logs[job_id] == ["first"]


def test_of_two_runners_of_one_store_the_second_waits_for_the_first(
    store: MemoryStore, job_image: str, runner: Callable[[], JobRunner], until: Until
) -> None:
    first, _second = runner(), runner()
    job_id = store.add(job_image, "echo once; sleep 0.5")
    until(lambda: store.logs[job_id] == ["once"], 20, "the job's first line")

    first.stop(5)

    until(lambda: job_id in store.ends, 20, "the job's end by the second runner")
    assert store.ends[job_id] == ("SUCCEEDED", 0, "")
    assert store.logs[job_id] == ["once"]
