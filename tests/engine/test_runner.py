"""Jobs run as containers, their log is whole, and their end is the container's own."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pxl_platform.runner import FinalState, JobOrder, JobRunner
from pxl_toolbox.adapters.docker import BuildRequest, Container, Docker
from pxl_toolbox.core.events import ignore
from pxl_toolbox.jobs.docker_executor import JOB_LABEL, DockerExecutor

Make = Callable[..., str]
Until = Callable[[Callable[[], bool], float, str], None]
TOKEN = "tok-5f0c2a9e71"


class MemoryStore:
    """The platform's jobs, without a platform."""

    def __init__(self, prefix: str) -> None:
        self.logs: dict[str, list[str]] = defaultdict(list)
        self.ends: dict[str, tuple[FinalState, int | None, str]] = {}
        self.running: set[str] = set()
        self.most_at_once = 0
        self._prefix = prefix
        self._lock = threading.Lock()
        self._pending: list[JobOrder] = []
        self._open: list[str] = []
        self._cancelled: set[str] = set()

    def add(
        self,
        image: str,
        script: str = "",
        *,
        cpu: int = 1,
        gpu: int = 0,
        gpu_optional: bool = False,
        cancelled: bool = False,
    ) -> str:
        with self._lock:
            job_id = f"{self._prefix}-{len(self._open) + len(self._pending)}"
            order = JobOrder(
                job_id=job_id,
                image=image,
                environment={"SCRIPT": script, "api_token": TOKEN, "job_id": job_id},
                secrets=(TOKEN,),
                cpu=cpu,
                gpu=gpu,
                gpu_optional=gpu_optional,
            )
            self._pending.append(order)
            if cancelled:
                self._cancelled.add(job_id)
        return job_id

    def cancel(self, job_id: str) -> None:
        with self._lock:
            self._cancelled.add(job_id)

    def claim(self) -> JobOrder | None:
        with self._lock:
            if not self._pending:
                return None
            order = self._pending.pop(0)
            self._open.append(order.job_id)
            return order

    def open_jobs(self) -> Sequence[str]:
        with self._lock:
            return [job_id for job_id in self._open if job_id not in self.ends]

    def cancel_requested(self, job_id: str) -> bool:
        return job_id in self._cancelled

    def started(self, job_id: str) -> None:
        with self._lock:
            self.running.add(job_id)
            self.most_at_once = max(self.most_at_once, len(self.running))

    def append_log(self, job_id: str, lines: Sequence[str]) -> None:
        self.logs[job_id] += lines

    def log_length(self, job_id: str) -> int:
        return len(self.logs[job_id])

    def finished(
        self, job_id: str, *, state: FinalState, exit_code: int | None, reason: str
    ) -> None:
        with self._lock:
            assert job_id not in self.ends
            self.ends[job_id] = (state, exit_code, reason)
            self.running.discard(job_id)


@pytest.fixture
def store(name: str) -> MemoryStore:
    return MemoryStore(f"{name}-{secrets.token_hex(4)}")


@pytest.fixture
def executor(docker: Docker, store: MemoryStore, name: str) -> Iterator[DockerExecutor]:
    executor = DockerExecutor(f"{name}-{id(store)}")
    yield executor
    for handle in executor.leftovers():
        docker.remove(handle.reference, force=True)
    executor.close()


@pytest.fixture
def runner(
    store: MemoryStore, executor: DockerExecutor, tmp_path: Path
) -> Iterator[Callable[[], JobRunner]]:
    """Starts a runner of the store, of which there may be several; all are stopped at the end."""
    made: list[JobRunner] = []

    def start() -> JobRunner:
        runner = JobRunner(store, executor, journal=tmp_path / "jobs.sqlite3", poll_s=0.05)
        made.append(runner)
        runner.start()
        return runner

    yield start
    for one in made:
        one.stop(10)


@pytest.fixture
def ended(
    store: MemoryStore, runner: Callable[[], JobRunner], until: Until
) -> Callable[[str], tuple[FinalState, int | None, str]]:
    """Runs the store's jobs until one has ended, and tells how."""

    def wait(job_id: str) -> tuple[FinalState, int | None, str]:
        runner()
        until(lambda: job_id in store.ends, 25, f"the end of {job_id}")
        return store.ends[job_id]

    return wait


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


def test_an_image_that_is_nowhere_fails_the_job_by_its_name(
    store: MemoryStore, name: str, ended: Ended
) -> None:
    image = f"127.0.0.1:1/{name}/none:1"

    state, code, reason = ended(store.add(image))

    assert (state, code) == ("FAILED", None)
    assert reason.startswith(f"the image {image} is not on the engine and could not be fetched: ")


@pytest.mark.parametrize("image", ["Not/An Image:1", ":latest"])
def test_a_name_that_no_image_can_have_fails_the_job(
    store: MemoryStore, ended: Ended, image: str
) -> None:
    state, code, reason = ended(store.add(image))

    assert (state, code) == ("FAILED", None)
    assert image in reason


def test_an_image_that_cannot_start_fails_the_job_with_the_engines_reason(
    docker: Docker, store: MemoryStore, tmp_path: Path, name: str, ended: Ended
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text('FROM scratch\nCOPY Dockerfile /\nENTRYPOINT ["/no/such/program"]\n')
    image = f"{name}-unstartable:1"
    docker.build(BuildRequest(context=tmp_path, dockerfile=dockerfile, tags=(image,)), ignore)
    job_id = store.add(image)

    state, code, reason = ended(job_id)

    docker.remove_image(image, force=True)
    assert (state, code) == ("FAILED", None)
    assert "/no/such/program" in reason
    assert containers(docker, job_id) == ()


def test_the_image_that_the_registry_has_is_run_and_not_an_older_one_of_that_name(
    docker: Docker, store: MemoryStore, shell_image: Make, registry: str, name: str, ended: Ended
) -> None:
    reference = f"{registry}/{name}/moved:1"
    docker.tag(shell_image("echo from the registry"), reference)
    docker.push(reference, ignore)
    docker.tag(shell_image("echo from the engine"), reference)
    job_id = store.add(reference)

    end = ended(job_id)

    docker.remove_image(reference, force=True)
    assert end == ("SUCCEEDED", 0, "")
    assert store.logs[job_id] == ["from the registry"]


def test_where_the_registry_is_away_the_engines_image_is_run_and_the_log_says_so(
    store: MemoryStore, shell_image: Make, name: str, ended: Ended
) -> None:
    reference = shell_image("echo ran", f"127.0.0.1:1/{name}/kept:1")
    job_id = store.add(reference)

    assert ended(job_id)[0] == "SUCCEEDED"

    note, line = store.logs[job_id]
    assert note.startswith(f"runner: the Docker engine could not fetch {reference}: ")
    assert note.endswith("; the image that the engine has is used")
    assert line == "ran"


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
