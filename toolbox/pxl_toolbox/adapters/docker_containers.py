"""Containers in detail: what they may have, files in as an archive, their end."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping
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
