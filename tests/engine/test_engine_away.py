"""An engine that goes away and comes back, as in an upgrade, costs no job and no line."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pxl_platform.runner import JobRunner
from pxl_toolbox.adapters.docker import ContainerRequest, Docker, EngineMissing, connect

if TYPE_CHECKING:
    from tests.engine.conftest import MemoryStore

Until = Callable[[Callable[[], bool], float, str], None]
# The SDK leaves a socket to the garbage collector where nobody listens.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

COUNT = "i=0; while [ $i -lt 60 ]; do echo line $i; sleep 0.05; i=$((i+1)); done; exit 6"


class Door:
    """A socket in front of the engine's, which can be shut and opened again."""

    def __init__(self, path: Path, engine: str) -> None:
        self.path = path
        self._engine = engine
        self._listeners: list[socket.socket] = []
        self._accepting: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._pumping: list[threading.Thread] = []

    def open(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(64)
        self._listeners.append(listener)
        self._accepting.append(started(self._accept, listener))

    def shut(self) -> None:
        """Cut every connection; who knocks from now on finds nobody."""
        self.path.unlink(missing_ok=True)
        ended(self._listeners, self._accepting)
        ended(self._connections, self._pumping)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                self._connections += [near, far]
                far.connect(self._engine)
                self._pumping += [started(pump, near, far), started(pump, far, near)]


def started(work: Callable[..., None], *arguments: socket.socket) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments)
    thread.start()
    return thread


def ended(sockets: list[socket.socket], threads: list[threading.Thread]) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(10)
    for one in sockets:
        one.close()
    sockets.clear()
    threads.clear()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The engine behind a door, where everybody looks for it."""
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    door = Door(tmp_path / "engine.sock", engine)
    door.open()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{door.path}")
    yield door
    door.shut()
    gc.collect()  # while the warnings of this module are off


@pytest.fixture
def through(door: Door) -> Iterator[Docker]:
    """The engine, spoken to through the door."""
    assert door.path.exists()
    with connect() as engine:
        yield engine


@pytest.fixture
def counting(docker: Docker, job_image: str, name: str) -> Iterator[str]:
    """The id of a container that writes sixty lines in three seconds and ends with 6."""
    request = ContainerRequest(
        image=job_image, name=f"{name}-counting", environment={"SCRIPT": COUNT}
    )
    container = docker.start(request)
    yield container.id
    docker.remove(container.id, force=True)


def test_a_job_goes_on_while_the_engine_cannot_be_reached(
    door: Door,
    store: MemoryStore,
    job_image: str,
    runner: Callable[[], JobRunner],
    until: Until,
) -> None:
    job_id = store.add(job_image, COUNT)
    runner()
    until(lambda: len(store.logs[job_id]) >= 10, 20, "the first lines")

    door.shut()
    at_the_cut = len(store.logs[job_id])
    time.sleep(0.5)  # the runner asks, and finds nobody
    door.open()

    until(lambda: job_id in store.ends, 20, "the job's end")
    assert 10 <= at_the_cut < 60
    assert store.ends[job_id] == ("FAILED", 6, "the container ended with code 6")
    assert store.logs[job_id] == [f"line {number}" for number in range(60)]


def test_a_wait_and_a_log_go_on_when_the_engine_is_back(
    door: Door, through: Docker, counting: str
) -> None:
    lines = through.logs(counting)
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(through.wait(counting)))
    waiting.start()
    first = [next(lines) for _ in range(10)]

    door.shut()
    threading.Timer(1, door.open).start()

    assert [*first, *lines] == [f"line {number}" for number in range(60)]
    waiting.join(20)
    assert codes == [6]


def test_an_engine_that_stays_away_is_told(door: Door, through: Docker, counting: str) -> None:
    door.shut()

    with pytest.raises(EngineMissing, match="asked to look up the container"):
        through.container(counting)
