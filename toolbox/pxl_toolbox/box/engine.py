"""A Docker engine for this machine: the one that is there, else one that we start."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pxl_toolbox.adapters import docker, engine_socket
from pxl_toolbox.adapters.docker_engine import where as engine_address
from pxl_toolbox.adapters.files import locked
from pxl_toolbox.adapters.process import Command, Runner
from pxl_toolbox.box import debian
from pxl_toolbox.box.processes import Daemon, wait_for
from pxl_toolbox.core.errors import UnavailableError
from pxl_toolbox.core.events import Emit, step

_PACKAGES = ("docker.io", "iptables")
_CGROUPS = "cgroupfs-mount"
_ANSWER_LIMIT_S = 60.0
_SERVICE_LIMIT_S = 30.0
_STOP_GRACE_S = 20.0  # it stops its containers first, which get 10 s
_INSTALL_WAIT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an engine that we start keeps its things, apart from Debian's own."""

    data: Path = Path("/var/lib/pxl-toolbox/docker")
    run: Path = Path("/run/pxl-toolbox")
    log: Path = Path("/var/log/pxl-toolbox/dockerd.log")
    socket: Path = Path("/var/run/docker.sock")
    options: tuple[str, ...] = ()

    def daemon(self) -> Daemon:
        return Daemon("the Docker engine", self.run / "engine.json", self.log)

    def argv(self) -> tuple[str, ...]:
        return (
            "dockerd",
            f"--host=unix://{self.socket}",
            f"--data-root={self.data}",
            f"--exec-root={self.run / 'docker'}",
            f"--pidfile={self.run / 'docker.pid'}",
            *self.options,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """What `pxl-toolbox engine status` tells. `ours`: we started it, and may stop it."""

    answers: bool
    ours: bool
    version: str | None
    cpus: int | None
    memory_bytes: int | None


class CannotStart(UnavailableError):
    """No engine answers, and we may not start one."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"no Docker engine answers, and {why}",
            hint="start Docker; where it is missing, on Debian as root: "
            "apt-get install --no-install-recommends docker.io iptables",
        )


def status(place: Place | None = None) -> EngineStatus:
    """What answers now; an engine that does not is a finding, not an error."""
    ours = (place or Place()).daemon().pid() is not None
    try:
        with docker.connect() as engine:
            info = engine.info()
    except (docker.EngineMissing, docker.EngineDenied):
        return EngineStatus(answers=False, ours=ours, version=None, cpus=None, memory_bytes=None)
    return EngineStatus(
        answers=True,
        ours=ours,
        version=info.version,
        cpus=info.cpus,
        memory_bytes=info.memory_bytes,
    )


def ensure(runner: Runner, emit: Emit, place: Place | None = None) -> bool:
    """Make sure that an engine answers; True if we started it.

    Raises:
        EngineDenied: there is one that this user may not use.
        CannotStart: there is none, and we may not start one.
        NotStarted: the one that we started does not answer.
    """
    if _answers():
        return False
    _require_permission()
    where = place or Place()
    with locked(where.run / "engine.lock", wait_s=_INSTALL_WAIT_S):
        if _answers():  # another command of ours was faster
            return False
        _install(runner, emit)
        if _service_came_up():
            return False
        start(where, emit)
    return True


def start(place: Place, emit: Emit) -> None:
    """Start an engine in `place` and wait until its socket takes connections."""
    command = Command(argv=place.argv(), cwd=Path("/"), timeout_s=_ANSWER_LIMIT_S)
    daemon = place.daemon()
    with step(emit, "engine", f"start dockerd, data in {place.data}") as running:
        place.data.mkdir(parents=True, exist_ok=True)
        place.socket.unlink(missing_ok=True)  # nobody answered on it
        pid = daemon.start(command)
        wait_for(daemon, lambda: engine_socket.answers(place.socket), limit_s=_ANSWER_LIMIT_S)
        running.outcome = f"process {pid}, log {place.log}"


def stop(emit: Emit, place: Place | None = None) -> bool:
    """Stop the engine that we started, its containers first; False if none of ours runs."""
    where = place or Place()
    daemon = where.daemon()
    if daemon.pid() is None:
        return False
    with step(emit, "engine", "stop dockerd"):
        daemon.stop(grace_s=_STOP_GRACE_S)
        where.socket.unlink(missing_ok=True)
    return True


def _answers() -> bool:
    try:
        docker.connect().close()
    except docker.EngineMissing:
        return False
    return True


def _require_permission() -> None:
    address = engine_address()
    if address.removeprefix("unix://") != str(Place().socket):
        raise CannotStart(f"{address} is not ours to start")
    if os.geteuid() != 0:
        raise CannotStart("starting one takes root")
    if shutil.which("dockerd") is None and shutil.which("apt-get") is None:
        raise CannotStart("this is not Debian, where we could install one")


def _install(runner: Runner, emit: Emit) -> None:
    missing = tuple(
        package
        for package, program in zip(_PACKAGES, ("dockerd", "iptables"), strict=True)
        if shutil.which(program) is None
    )
    if not _cgroups_mounted():
        missing += (_CGROUPS,)
    if missing:
        debian.install(runner, emit, missing, what_for="a Docker engine")
    if not _cgroups_mounted():
        # A container's own /sys may lack them; its package mounts them all.
        runner.run(Command(argv=(_CGROUPS,), cwd=Path("/"), timeout_s=_SERVICE_LIMIT_S))


def _cgroups_mounted() -> bool:
    mounts = Path("/proc/mounts").read_text().splitlines()
    return any(line.split()[2] in {"cgroup", "cgroup2"} for line in mounts)


def _service_came_up() -> bool:
    """Debian's package starts a service of its own, where the machine has an init."""
    deadline = time.monotonic() + _SERVICE_LIMIT_S
    while any(Path(name).exists() for name in ("/run/docker.pid", "/run/docker-ssd.pid")):
        if _answers():
            return True
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return False
