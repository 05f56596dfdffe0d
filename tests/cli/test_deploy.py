"""smoke-test, deploy and launch: a real engine, registry and platform."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import threading
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pxl_pipeline.api.platform import Platform as Client
from pxl_toolbox.adapters import registry as registries
from pxl_toolbox.adapters.docker import Docker

if TYPE_CHECKING:
    from tests.cli.conftest import Platform, Tiny, User

Until = Callable[[Callable[[], bool], float, str], None]
Answered = Callable[[subprocess.CompletedProcess[str]], Any]

pytestmark = pytest.mark.timeout(120)


def registered(platform: Platform, name: str) -> dict[str, Any]:
    """The processing, as the platform holds it."""
    client = Client(host=platform.host, token=platform.token)
    organization = client.identify(platform.organization).organization_id
    found = client.get(f"/api/organization/{organization}/processings/find", name=name)
    return dict(found)


def name_of(image: str) -> str:
    return image.rpartition("/")[2]


def left(docker: Docker, label: str) -> int:
    return len(docker.containers({"pxl.smoke-test": label}))


# smoke-test


def test_a_smoke_test_runs_the_images_own_entry_point(
    member: User, tiny: Tiny, image: str, docker: Docker, platform: Platform
) -> None:
    done = member.pxl("smoke-test", "tiny", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["container_exit_code"] == 0
    assert "run | arguments --config-file /tmp/pxl-run.toml --mode local" in done.stderr
    assert platform.token not in done.stdout + done.stderr
    assert left(docker, name_of(image)) == 0


def test_a_container_that_exits_3_makes_us_exit_1_and_say_3(
    member: User, tiny: Tiny, image: str
) -> None:
    tiny.write("exit_code", "3")

    done = member.pxl("smoke-test", "tiny", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["container_exit_code"] == 3
    assert "error: the container ended with exit code 3" in done.stderr


def test_a_dockerfile_that_does_not_build_shows_the_end_of_its_log(
    member: User, tiny: Tiny, image: str
) -> None:
    tiny.edit("Dockerfile", "ENTRYPOINT", "RUN echo the-reason && exit 9\nENTRYPOINT")
    before = tiny.snapshot()

    done = member.pxl("deploy", "tiny")

    assert done.returncode == 1
    assert "  | " in done.stderr
    assert "the-reason" in done.stderr
    assert tiny.snapshot() == before


def test_a_build_that_fails_costs_no_earlier_result(
    member: User, tiny: Tiny, image: str, platform: Platform
) -> None:
    client = Client(host=platform.host, token=platform.token)
    source = tomllib.loads(tiny.run_config.read_text())["input"]["dataset_version"]["id"]
    dataset_id = client.get(f"/api/dataset/version/{source}")["origin_id"]
    request = urllib.request.Request(
        f"{platform.host}/api/dataset/{dataset_id}/versions",
        data=b'{"version": "kept", "type": "OBJECT_DETECTION"}',
        headers={"Authorization": f"Bearer {platform.token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        made = json.load(response)
    tiny.edit("runs/run_config.toml", 'name = "made"', 'name = "kept"')
    tiny.edit("Dockerfile", "ENTRYPOINT", "RUN exit 9\nENTRYPOINT")

    assert member.pxl("smoke-test", "tiny").returncode == 1

    assert client.get(f"/api/dataset/version/{made['id']}")["version"] == "kept"
    assert not (tiny.folder / "runs" / "run1").exists()


def test_an_interrupted_smoke_test_leaves_no_container(
    member: User, tiny: Tiny, image: str, docker: Docker, until: Until
) -> None:
    tiny.write("sleep", "")
    process = member.start("pxl-pipeline", "smoke-test", "tiny", "--quiet")
    until(lambda: left(docker, name_of(image)) == 1, 40, "the container")

    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=20)

    assert process.returncode == 130
    assert left(docker, name_of(image)) == 0


def test_a_kept_container_is_named_and_there(
    member: User, tiny: Tiny, image: str, docker: Docker, answered: Answered
) -> None:
    report = answered(member.pxl("smoke-test", "tiny", "--keep", "--json"))

    (container,) = docker.containers({"pxl.smoke-test": name_of(image)})
    assert container.name == report["container"]
    docker.remove(container.id, force=True)


# deploy


def test_a_deploy_pushes_registers_and_saves_the_version(
    member: User, tiny: Tiny, image: str, platform: Platform, answered: Answered
) -> None:
    report = answered(member.pxl("deploy", "tiny", "--json"))

    found = registered(platform, name_of(image))
    assert report["state"] == "deployed"
    assert registries.digest(f"{image}:1.0.1") == report["digest"]
    assert registries.digest(f"{image}:latest") == report["digest"]
    assert (found["docker_image"], found["docker_tag"]) == (image, "1.0.1")
    assert found["default_parameters"] == {"size": 3}
    config = (tiny.folder / "config.toml").read_text()
    assert 'version = "1.0.1"' in config
    assert "# the name on the platform" in config


def test_an_unchanged_pipeline_is_up_to_date(
    member: User, tiny: Tiny, image: str, answered: Answered
) -> None:
    answered(member.pxl("deploy", "tiny", "--json"))
    before = tiny.snapshot()

    report = answered(member.pxl("deploy", "tiny", "--json"))

    assert (report["state"], report["version"]) == ("up to date", "1.0.1")
    assert tiny.snapshot() == before


def test_a_changed_pipeline_gets_a_new_version_and_every_field_is_updated(
    member: User, tiny: Tiny, image: str, platform: Platform, answered: Answered
) -> None:
    answered(member.pxl("deploy", "tiny", "--json"))
    tiny.edit("config.toml", "gpu = 0", "gpu = 1")
    tiny.edit("parameters.py", "3", "5")

    report = answered(member.pxl("deploy", "tiny", "--json"))

    found = registered(platform, name_of(image))
    assert report["version"] == "1.0.2"
    assert found["default_gpu"] == 1
    assert found["docker_flags"] == ["--gpus=all", "--ipc=host"]
    assert found["default_parameters"] == {"size": 5}


def test_a_release_candidate_floats_as_test(
    member: User, tiny: Tiny, image: str, answered: Answered
) -> None:
    report = answered(member.pxl("deploy", "tiny", "--bump", "rc", "--json"))

    assert (report["version"], report["floating_tag"]) == ("1.0.1-rc", "test")
    assert registries.digest(f"{image}:latest") is None


def test_a_dry_run_tells_and_changes_nothing(
    member: User, tiny: Tiny, image: str, answered: Answered
) -> None:
    before = tiny.snapshot()

    report = answered(member.pxl("deploy", "tiny", "--dry-run", "--json"))

    assert (report["state"], report["version"]) == ("planned", "1.0.1")
    assert registries.digest(f"{image}:1.0.1") is None
    assert tiny.snapshot() == before
    again = answered(member.pxl("deploy", "tiny", "--bump", "minor", "--dry-run", "--json"))
    assert again["version"] == "1.1.0"


def test_a_parameter_changed_on_the_platform_is_set_right(
    member: User, tiny: Tiny, image: str, platform: Platform, answered: Answered
) -> None:
    answered(member.pxl("deploy", "tiny", "--json"))
    tiny.edit("parameters.py", "3", "4")
    assert member.pxl("sync", "tiny", "--check").returncode == 1

    changed = answered(member.pxl("sync", "tiny", "--json"))["changed"]

    assert [(row["field"], row["wanted"]) for row in changed] == [
        ("default_parameters", {"size": 4})
    ]
    assert registered(platform, name_of(image))["default_parameters"] == {"size": 4}
    assert member.pxl("sync", "tiny", "--check").returncode == 0


POINTS = [
    f"journal.{step}.{moment}"
    for step in ("version", "build", "push", "register", "save")
    for moment in ("begun", "worked", "done")
]


@pytest.mark.parametrize("point", POINTS)
def test_a_deploy_killed_at_any_point_is_gone_on_with(
    member: User, tiny: Tiny, image: str, platform: Platform, answered: Answered, point: str
) -> None:
    killed = member.pxl("deploy", "tiny", "--json", env={"PXL_FAULT": f"{point}=kill"})
    assert killed.returncode == -signal.SIGKILL
    assert "deployed" not in killed.stdout

    report = answered(member.pxl("deploy", "tiny", "--resume", "--json"))

    assert report["version"] == "1.0.1"
    assert registries.digest(f"{image}:1.0.1") == registries.digest(f"{image}:latest")
    assert registries.digest(f"{image}:1.0.2") is None
    assert registered(platform, name_of(image))["docker_tag"] == "1.0.1"
    assert answered(member.pxl("deploy", "tiny", "--json"))["state"] == "up to date"


def test_there_is_nothing_to_resume_after_a_whole_deploy(
    member: User, tiny: Tiny, image: str, answered: Answered
) -> None:
    answered(member.pxl("deploy", "tiny", "--json"))

    assert member.pxl("deploy", "tiny", "--resume").returncode == 4


def test_two_deploys_at_once_make_one_version(
    member: User, tiny: Tiny, image: str, platform: Platform
) -> None:
    processes = [member.start("pxl-pipeline", "deploy", "tiny", "--json") for _ in range(2)]

    reports = [json.loads(process.communicate(timeout=90)[0]) for process in processes]

    assert sorted(report["state"] for report in reports) == ["deployed", "up to date"]
    assert {report["version"] for report in reports} == {"1.0.1"}
    assert registries.digest(f"{image}:1.0.2") is None


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A registry that is there, and takes nothing."""

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        self._answer(404)

    def do_POST(self) -> None:
        self._answer(403, b'{"errors": [{"code": "DENIED", "message": "no room for you"}]}')

    def _answer(self, status: int, body: bytes = b"{}") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name upstream)
        pass


@pytest.fixture
def refusing_registry() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_registry_that_refuses_is_not_a_deploy(
    member: User, tiny: Tiny, image: str, refusing_registry: str, platform: Platform
) -> None:
    tiny.edit("config.toml", image, f"{refusing_registry}/tests/tiny")
    before = tiny.snapshot()

    done = member.pxl("deploy", "tiny")

    assert done.returncode in {5, 6}, done.stderr
    assert f"error: {refusing_registry}" in done.stderr or refusing_registry in done.stderr
    assert "deployed" not in done.stdout
    assert tiny.snapshot() == before
