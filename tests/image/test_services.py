"""`pxl-toolbox up`, `status` and `down`, on ports and in folders of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pxl_toolbox.adapters.docker import BuildRequest, connect
from pxl_toolbox.adapters.registry import digest, reachable
from pxl_toolbox.core.events import ignore

pytestmark = pytest.mark.timeout(120)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Toolbox:
    """The command pxl-toolbox with a state folder of its own."""

    folder: Path
    platform_port: int = field(default_factory=_free_port)
    registry_port: int = field(default_factory=_free_port)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("pxl-toolbox"))
        folders = {"XDG_STATE_HOME": "state", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache"}
        own = {name: str(self.folder / below) for name, below in folders.items()}
        return subprocess.run(
            [program, *words],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        ports = ("--platform-port", self.platform_port, "--registry-port", self.registry_port)
        return self("up", "--json", *map(str, ports))

    def status(self) -> Any:
        return json.loads(self("status", "--json").stdout)


@pytest.fixture
def toolbox(tmp_path: Path, toolbox_image: str) -> Iterator[Toolbox]:
    del toolbox_image  # the registry runs from it
    command = Toolbox(tmp_path)
    yield command
    command("down")
    volume = f"pxl-registry-{command.registry_port}"
    subprocess.run(["docker", "volume", "rm", volume], capture_output=True, timeout=30, check=False)


def test_up_starts_both_services_and_down_stops_them(toolbox: Toolbox) -> None:
    started = toolbox.up()
    assert started.returncode == 0, started.stderr
    found = toolbox.status()

    stopped = toolbox("down", "--json")

    assert [found[name]["answers"] for name in ("platform", "registry")] == [True, True]
    assert [found[name]["ours"] for name in ("platform", "registry")] == [True, True]
    assert json.loads(started.stdout) == found
    assert json.loads(stopped.stdout) == {"stopped": ["platform", "registry"]}
    assert not reachable(f"localhost:{toolbox.registry_port}")


def test_a_second_up_says_what_runs_and_leaves_it(toolbox: Toolbox) -> None:
    toolbox.up()
    record = toolbox.folder / "state" / "pxl-toolbox" / "platform.json"
    before = record.read_text()

    again = toolbox.up()

    assert again.returncode == 0
    assert "platform: was running already" in again.stderr
    assert "registry: was running already" in again.stderr
    assert record.read_text() == before


def test_a_port_of_somebody_else_is_refused_and_left_alone(toolbox: Toolbox) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", toolbox.platform_port))
        other.listen()
        refused = toolbox.up()

    assert refused.returncode == 7
    assert f"port {toolbox.platform_port}" in refused.stderr
    assert "--platform-port" in refused.stderr


def test_down_without_up_stops_nothing(toolbox: Toolbox) -> None:
    done = toolbox("down", "--json")

    assert (done.returncode, json.loads(done.stdout)) == (0, {"stopped": []})


def test_a_process_that_took_over_our_process_id_is_not_taken_for_ours(toolbox: Toolbox) -> None:
    state = toolbox.folder / "state" / "pxl-toolbox"
    state.mkdir(parents=True)
    record = {"pid": os.getpid(), "started_at": 1, "log_from": 0, "port": toolbox.platform_port}
    (state / "platform.json").write_text(json.dumps(record))

    stopped = toolbox("down", "--json")  # would end this very test run

    assert json.loads(stopped.stdout) == {"stopped": []}


def test_the_registry_keeps_what_is_pushed_through_a_restart(
    toolbox: Toolbox, tmp_path: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    toolbox.up()
    reference = f"localhost:{toolbox.registry_port}/acme/thing:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    request = BuildRequest(
        context=tmp_path, dockerfile=tmp_path / "Dockerfile", tags=(reference,), timeout_s=60
    )
    with connect() as engine:
        engine.build(request, ignore)
        pushed = engine.push(reference, ignore)
        engine.remove_image(reference)

    toolbox("down")
    toolbox.up()

    wait_until(lambda: digest(reference) == pushed)
