"""Containers in detail: what they may have, files in as an archive, their end."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pxl_toolbox.adapters.docker_engine import speaking
from pxl_toolbox.adapters.docker_model import (
    ENGINE_AWAY_LIMIT_S,
    ContainerMissing,
    ContainerRequest,
    EngineMissing,
)

if TYPE_CHECKING:
    from docker import APIClient

_WAIT_SLICE_S = 30
_PAUSE_S = 0.5
_NANO = 1_000_000_000


def host_config(api: APIClient, request: ContainerRequest) -> Any:
    """The engine's own form of the request's limits; an SDK type without a public name."""
    from docker.types import DeviceRequest, LogConfig

    gpus = [DeviceRequest(count=-1, capabilities=[["gpu"]])] if request.gpus else None
    return api.create_host_config(
        network_mode=request.network,
        nano_cpus=int(request.cpus * _NANO) if request.cpus is not None else None,
        mem_limit=request.memory_bytes,
        shm_size=request.shm_bytes,
        device_requests=gpus,
        binds=[f"{name}:{path}" for name, path in request.volumes.items()],
        # The one log driver that every engine has and whose log can be read again.
        log_config=LogConfig(type=LogConfig.types.JSON),
    )


def packed(files: Mapping[str, bytes], owner: int) -> bytes:
    """A tar archive of absolute paths, to be unpacked at the root of a container."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(data)
            member.mode = 0o644
            member.uid = member.gid = owner
            tar.addfile(member, io.BytesIO(data))
    return archive.getvalue()


class Making:
    """Makes a container in a thread, which an interruption does not reach.

    Half a request would leave a container whose id nobody has. One that is made after
    `undo` was called is dropped by the thread itself, which outlives the main one.
    """

    def __init__(self, make: Callable[[], str], drop: Callable[[str], None]) -> None:
        self._make = make
        self._drop = drop
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._made: str | None = None
        self._error: Exception | None = None
        self._unwanted = False

    def result(self) -> str:
        """The id, once it is made; raises what the making raised."""
        threading.Thread(target=self._run, name="make-container").start()
        self._over.wait()
        if self._made is None:
            raise self._error or RuntimeError("a container was made without an id")
        return self._made

    def undo(self) -> bool:
        """Drop it, now or when it is made; whether it was made already."""
        with self._lock:
            self._unwanted = True
            made = self._made
        if made is not None:
            self._drop(made)
        return made is not None

    def _run(self) -> None:
        try:
            made = self._make()
            with self._lock:
                self._made = made
                unwanted = self._unwanted
            if unwanted:
                self._drop(made)
        except Exception as error:  # noqa: BLE001  (handed to whoever waits)
            self._error = error
        finally:
            self._over.set()


def wait_for_end(api: APIClient, container_id: str) -> int:
    """The container's exit code; see `Docker.wait`."""
    last_answer = time.monotonic()
    while True:
        try:
            code = _wait_once(api, container_id)
        except EngineMissing:
            if time.monotonic() - last_answer > ENGINE_AWAY_LIMIT_S:
                raise
            time.sleep(_PAUSE_S)
            continue
        if code is not None:
            return code
        last_answer = time.monotonic()


def _wait_once(api: APIClient, container_id: str) -> int | None:
    """Wait a while; None where it still runs."""
    import requests

    missing = ContainerMissing(container_id)
    with speaking(f"wait for the container {container_id}", missing=missing):
        try:
            answer = api.wait(container_id, timeout=_WAIT_SLICE_S)
        except requests.exceptions.ReadTimeout:
            return None
        except requests.exceptions.ConnectionError as error:
            if "timed out" in str(error).lower():  # how the socket's own limit arrives
                return None
            raise
    return int(answer["StatusCode"])
