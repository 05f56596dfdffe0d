"""The demo itself: the main job by a user's commands, on ports and in folders of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo" / "run.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    own = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("STATE", "DATA", "CACHE")}
    return subprocess.run(
        [sys.executable, str(DEMO), "--out", str(folder / "out"), *words],
        cwd=folder,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
    )


@pytest.fixture
def registry_port(tmp_path: Path) -> Iterator[int]:
    """A port for the registry; what the demo started there is gone afterwards."""
    port = free_port()
    yield port
    own = {"XDG_STATE_HOME": str(tmp_path / "state")}
    down = [str(Path(sys.executable).with_name("pxl-toolbox")), "down"]
    for argv in (down, ["docker", "volume", "rm", f"pxl-registry-{port}"]):
        subprocess.run(argv, env={**os.environ, **own}, capture_output=True, timeout=60, check=True)


@pytest.mark.timeout(600)
def test_the_main_job_runs_from_init_to_a_launched_job(
    tmp_path: Path, toolbox_image: str, registry_port: int
) -> None:
    ports = ("--platform-port", str(free_port()), "--registry-port", str(registry_port))

    done = run(tmp_path, *ports)

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert [step["name"] for step in report["steps"] if not step["ok"]] == []
    assert [(job["kind"], job["state"]) for job in report["jobs"]] == [
        ("processing", "SUCCEEDED"),
        ("training", "SUCCEEDED"),
        ("processing from the image", "SUCCEEDED"),
    ]
    assert all(digest.startswith("sha256:") for digest in report["images"].values())
    assert f"localhost:{registry_port}/local/resize-blur:1.0.2" in report["images"]
