"""The runner's entry in a job that the embedded platform launched."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pxl_toolbox.adapters import local_http
from pxl_toolbox.adapters.docker import BuildRequest, connect
from pxl_toolbox.core.events import ignore

pytestmark = pytest.mark.timeout(120)

_DOCKERFILE = """
ARG RUNNER_IMAGE
FROM ${RUNNER_IMAGE}
ENTRYPOINT ["run", "sh", "-c", "echo said $api_token; exit 3"]
"""


@dataclass
class Platform:
    """A platform of our own with its first organization, spoken to without its SDK."""

    url: str
    organization: str
    token: str

    def __call__(self, method: str, path: str, body: dict[str, object] | None = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


@pytest.fixture
def platform(
    tmp_path: Path, wait_until: Callable[[Callable[[], bool]], None]
) -> Iterator[Platform]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    program = str(Path(sys.executable).with_name("pxl-platform"))
    server = subprocess.Popen(
        [program, "serve", "--port", str(port)],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        login = tmp_path / "pxl-toolbox" / "local-platform.toml"
        wait_until(lambda: login.exists() and bool(local_http.get(f"{url}/api/pxl/health")))
        local = tomllib.loads(login.read_text())
        speaker = Platform(url, "", local["token"])
        found = speaker("GET", f"/api/organizations/find?name={local['organization']}")
        speaker.organization = found["id"]
        yield speaker
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def pipeline_image(runner_image: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An image whose pipeline says its token and fails with 3."""
    (tmp_path / "Dockerfile").write_text(_DOCKERFILE)
    name = f"pxl-test-{secrets.token_hex(4)}"
    request = BuildRequest(
        context=tmp_path,
        dockerfile=tmp_path / "Dockerfile",
        tags=(f"{name}:1",),
        build_args={"RUNNER_IMAGE": runner_image},
        timeout_s=60,
    )
    with connect() as engine:
        engine.build(request, ignore)
        yield name, "1"
        engine.remove_image(f"{name}:1", force=True)


def test_a_launched_job_reports_itself_and_ends_as_its_pipeline_did(
    platform: Platform,
    pipeline_image: tuple[str, str],
    wait_until: Callable[[Callable[[], bool]], None],
) -> None:
    home = f"/api/organization/{platform.organization}"
    dataset = platform("POST", f"{home}/datasets", {"name": "d"})
    version = platform("POST", f"/api/dataset/{dataset['id']}/versions", {"version": "v"})
    image, tag = pipeline_image
    processing = platform(
        "POST",
        f"{home}/processings",
        {
            "name": "p",
            "target": "DATASET_VERSION",
            "type": "DATASET_VERSION_CREATION",
            "docker_image": image,
            "docker_tag": tag,
        },
    )

    job = platform(
        "POST",
        f"/api/dataset/version/{version['id']}/processing/launch",
        {"processing_id": processing["id"], "cpu": 1, "gpu": 0},
    )["id"]
    wait_until(lambda: platform("GET", f"/api/pxl/job/{job}")["finished_at"] is not None)

    ended = platform("GET", f"/api/pxl/job/{job}")
    log = [line["text"] for line in platform("GET", f"/api/pxl/job/{job}/log?after=0")["lines"]]
    assert (ended["status"], ended["exit_code"]) == ("FAILED", 3)
    assert "said ***" in log
    assert not [line for line in log if line.startswith("run: ")]  # no report was refused
    assert platform("GET", f"/api/v2/job/{job}")["logging_object_name"]
