"""A real engine, a real registry, and images as small as a shell."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pxl_platform.runner import FinalState, JobOrder, JobRunner
from pxl_toolbox.adapters import registry as registries
from pxl_toolbox.adapters.docker import BuildRequest, ContainerRequest, Docker, connect
from pxl_toolbox.core.events import ignore
from pxl_toolbox.jobs.docker_executor import DockerExecutor

_PROGRAMS = ("sh", "cat", "sleep", "mkdir", "head", "tr")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit_s:g} s for {what}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool], float, str], None]:
    """Waits for something, with a limit in seconds and a name for the error."""
    return wait_until


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    with connect() as engine:
        yield engine


@pytest.fixture(scope="session")
def name() -> str:
    """A word in the name of everything that this session makes on the engine."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def shell_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This machine's shell and a few programs, with the libraries that they need.

    So the tests fetch no image, and need no package that a bare Debian has not.
    """
    root = tmp_path_factory.mktemp("shell") / "root"
    for program in _PROGRAMS:
        found = shutil.which(program)
        assert found is not None
        needed = subprocess.run(
            ["ldd", found], capture_output=True, text=True, timeout=10, check=True
        ).stdout
        copy(Path(found), root / "bin" / program)
        for library in re.findall(r"(/\S+) \(0x", needed):
            copy(Path(library), root / library.lstrip("/"))
    return root.parent


@pytest.fixture(scope="session")
def shell_image(docker: Docker, shell_root: Path, name: str) -> Iterator[Callable[..., str]]:
    """Makes an image whose entry point runs a script by `sh -c`; returns its reference."""
    made: list[str] = []

    def make(script: str, reference: str | None = None) -> str:
        tag = reference or f"{name}-{len(made)}:1"
        entry = json.dumps(["/bin/sh", "-c", script, "job"])
        dockerfile = shell_root / f"Dockerfile-{len(made)}"
        dockerfile.write_text(f"FROM scratch\nCOPY root/ /\nENTRYPOINT {entry}\n")
        docker.build(
            BuildRequest(context=shell_root, dockerfile=dockerfile, tags=(tag,), timeout_s=60),
            ignore,
        )
        made.append(tag)
        return tag

    yield make
    for tag in made:
        docker.remove_image(tag, force=True)


@pytest.fixture(scope="session")
def job_image(shell_image: Callable[..., str]) -> str:
    """An image whose entry point runs what the variable SCRIPT holds."""
    return shell_image('eval "$SCRIPT"')


@pytest.fixture(scope="session")
def registry(docker: Docker, name: str) -> Iterator[str]:
    """Host and port of a registry, served by the toolbox image on the engine's network."""
    host = f"127.0.0.1:{free_port()}"
    container = docker.start(
        ContainerRequest(
            image="pxl-toolbox:latest",
            name=f"{name}-registry",
            command=("registry",),
            environment={"REGISTRY_HTTP_ADDR": host},
            network="host",
        )
    )
    try:
        wait_until(lambda: registries.reachable(host), 20, "the registry")
        yield host
    finally:
        docker.remove(container.id, force=True)


TOKEN = "tok-5f0c2a9e71"


class MemoryStore:
    """The platform's jobs, without a platform."""

    def __init__(self, prefix: str) -> None:
        self.logs: dict[str, list[str]] = defaultdict(list)
        self.ends: dict[str, tuple[FinalState, int | None, str]] = {}
        self.running: set[str] = set()
        self.most_at_once = 0
        self.full = False
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
        if self.full:
            raise OSError("no space left")
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
    store: MemoryStore,
    runner: Callable[[], JobRunner],
    until: Callable[[Callable[[], bool], float, str], None],
) -> Callable[[str], tuple[FinalState, int | None, str]]:
    """Runs the store's jobs until one has ended, and tells how."""

    def wait(job_id: str) -> tuple[FinalState, int | None, str]:
        runner()
        until(lambda: job_id in store.ends, 25, f"the end of {job_id}")
        return store.ends[job_id]

    return wait
