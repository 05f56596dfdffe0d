"""The platform and the registry of this machine: started together, found again, stopped."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pxl_toolbox.adapters import local_http, registry
from pxl_toolbox.adapters.docker import Container, ContainerMissing, ContainerRequest, Docker
from pxl_toolbox.adapters.files import locked, write_atomically
from pxl_toolbox.adapters.process import Command, ProgramMissing
from pxl_toolbox.box import images
from pxl_toolbox.box.processes import Daemon, NotStarted, poll, wait_for
from pxl_toolbox.core.errors import ConflictError, NotFoundError
from pxl_toolbox.core.events import Emit, step
from pxl_toolbox.store import settings

PLATFORM_PORT = 8000
REGISTRY_PORT = 5000
_ANSWER_LIMIT_S = 60.0
_PLATFORM_GRACE_S = 15.0
_REGISTRY_GRACE_S = 5.0
_LOCK_WAIT_S = 120.0
_LABEL = "pxl-toolbox.service"

Connect = Callable[[], Docker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How a service is. `ours`: `up` started it, and `down` stops it."""

    name: str
    url: str
    answers: bool
    ours: bool


class PortTaken(ConflictError):
    """Something that is not the service we look for listens on its port."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(
            f"something else than the {name} listens on port {port} of this machine",
            hint=f"stop it, or move the {name}: pxl-toolbox up --{name}-port PORT",
        )


class ToolboxImageMissing(NotFoundError):
    """The registry runs from our image, which is not built."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the Docker engine has no image {name}, which holds the registry",
            hint="build it: make images   (or pxl-toolbox images build)",
        )


def up(
    connect: Connect,
    emit: Emit,
    *,
    platform_port: int = PLATFORM_PORT,
    registry_port: int = REGISTRY_PORT,
) -> tuple[Service, ...]:
    """Start what does not run yet, and wait until both answer.

    Raises:
        PortTaken: a port is used by something else.
        ToolboxImageMissing: there is no image to run the registry from.
        NotStarted: a service that we started does not answer.
    """
    with locked(settings.state_folder() / "services.lock", wait_s=_LOCK_WAIT_S):
        _start_platform(emit, platform_port)
        if not registry.reachable(f"localhost:{registry_port}"):
            _refuse_taken("registry", registry_port)
            with connect() as engine:
                _start_registry(engine, emit, registry_port)
    return status(platform_port=platform_port, registry_port=registry_port)


def down(connect: Connect, emit: Emit) -> tuple[str, ...]:
    """Stop what `up` started and nothing else; the data stays. Returns what was stopped."""
    stopped = []
    with locked(settings.state_folder() / "services.lock", wait_s=_LOCK_WAIT_S):
        daemon = _platform()
        if daemon.pid() is not None:
            with step(emit, "platform", "stop it"):
                daemon.stop(grace_s=_PLATFORM_GRACE_S)
            stopped.append("platform")
        container = _registry_record()
        if container is not None:
            with connect() as engine, step(emit, "registry", "stop it"):
                engine.stop(container.id, _REGISTRY_GRACE_S)
                engine.remove(container.id, force=True)
            _registry_file().unlink()
            stopped.append("registry")
    return tuple(stopped)


def status(
    *, platform_port: int | None = None, registry_port: int | None = None
) -> tuple[Service, ...]:
    """Both services, at the ports they were started with unless others are named."""
    daemon, container = _platform(), _registry_record()
    at_platform = platform_port or daemon.port() or PLATFORM_PORT
    at_registry = registry_port or (container.port if container else None) or REGISTRY_PORT
    return (
        Service(
            name="platform",
            url=_platform_url(at_platform),
            answers=_platform_answers(at_platform),
            ours=daemon.pid() is not None and daemon.port() == at_platform,
        ),
        Service(
            name="registry",
            url=f"localhost:{at_registry}",
            answers=registry.reachable(f"localhost:{at_registry}"),
            ours=container is not None and container.port == at_registry,
        ),
    )


def _platform() -> Daemon:
    folder = settings.state_folder()
    return Daemon("the platform", folder / "platform.json", folder / "platform.log")


def _platform_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _platform_answers(port: int) -> bool:
    health = local_http.get(f"{_platform_url(port)}/api/pxl/health")
    return health is not None and health.get("status") == "ok"


def _start_platform(emit: Emit, port: int) -> None:
    if _platform_answers(port):
        return
    _refuse_taken("platform", port)
    command = Command(
        argv=(_console_script("pxl-platform"), "serve", "--port", str(port)),
        cwd=Path("/"),
        timeout_s=_ANSWER_LIMIT_S,
    )
    daemon = _platform()
    with step(emit, "platform", f"start it on {_platform_url(port)}") as running:
        pid = daemon.start(command, port=port)
        try:
            wait_for(daemon, lambda: _platform_answers(port), limit_s=_ANSWER_LIMIT_S)
        except BaseException:
            daemon.stop(grace_s=_PLATFORM_GRACE_S)
            raise
        running.outcome = f"process {pid}, log {daemon.log}"


def _console_script(name: str) -> str:
    """A program of ours: of the environment that we run in, else on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ProgramMissing(name)
    return found


@dataclass(frozen=True, slots=True)
class _RegistryRecord:
    """The container that `up` started, and its port."""

    id: str
    port: int


def _registry_file() -> Path:
    return settings.state_folder() / "registry.json"


def _registry_record() -> _RegistryRecord | None:
    try:
        kept = json.loads(_registry_file().read_text())
        return _RegistryRecord(str(kept["id"]), int(kept["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _start_registry(engine: Docker, emit: Emit, port: int) -> None:
    image = images.reference("pxl-toolbox")
    if engine.image(image) is None:
        raise ToolboxImageMissing(image)
    name = "pxl-registry" if port == REGISTRY_PORT else f"pxl-registry-{port}"
    with step(emit, "registry", f"start it on localhost:{port}") as running:
        _remove_ended(engine, name)
        container = engine.start(
            ContainerRequest(
                image=image,
                name=name,
                command=("registry",),
                environment={"REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"},
                labels={_LABEL: "registry"},
                network="host",
                volumes={name: "/var/lib/registry"},
            )
        )
        kept = json.dumps({"id": container.id, "port": port})
        write_atomically(_registry_file(), kept, mode=0o644)
        _wait_for_registry(engine, container, port)
        running.outcome = f"container {name}"


def _remove_ended(engine: Docker, name: str) -> None:
    """Our container of an earlier time, which a restart of the engine or the machine ended."""
    try:
        found = engine.container(name)
    except ContainerMissing:
        return
    if found.labels.get(_LABEL) == "registry" and not found.running:
        engine.remove(found.id)


def _wait_for_registry(engine: Docker, container: Container, port: int) -> None:
    def answers() -> bool:
        return registry.reachable(f"localhost:{port}")

    def lives() -> bool:
        return engine.container(container.id).running

    problem = poll(answers, lives, limit_s=_ANSWER_LIMIT_S)
    if problem is not None:
        tail = "\n".join(engine.logs(container.id)) if not lives() else ""
        raise NotStarted("the registry", problem, f"docker logs {container.name}", tail)


def _refuse_taken(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise PortTaken(name, port)
