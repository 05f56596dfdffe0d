"""A real engine, a real registry, and images as small as a shell."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pxl_toolbox.adapters import registry as registries
from pxl_toolbox.adapters.docker import BuildRequest, ContainerRequest, Docker, connect
from pxl_toolbox.core.events import ignore

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
