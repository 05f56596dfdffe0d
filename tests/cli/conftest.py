"""A user with a home of their own, a platform, a registry, and pipelines as small as can be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pxl_toolbox.adapters.docker import Docker, connect

BIN = Path(sys.executable).parent
DATASET_VERSION = "01892b87-55b0-7f6e-8ae7-f25694ecebc1"
# Nothing of the machine's own login may reach a test.
_NOT_INHERITED = ("PXL_", "PICSELLIA_", "api_token", "organization_")


@dataclass(frozen=True)
class User:
    """Runs our programs as a user does, with a home of their own."""

    home: Path
    work: Path

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
        }
        own = {
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        return {**inherited, **own, **(more or {})}

    def run(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in argv],
            cwd=self.work,
            env=self.environment(env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def pxl(
        self, *argv: str | Path, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run pxl-pipeline."""
        return self.run("pxl-pipeline", *argv, env=env, stdin=stdin)

    def start(
        self, *argv: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(word) for word in argv],
            cwd=self.work,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@dataclass(frozen=True)
class Platform:
    """The embedded platform as this session started it."""

    host: str
    organization: str
    token: str
    home: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with its runner, on a port of its own, with one small dataset version."""
    home = tmp_path_factory.mktemp("platform")
    owner = User(home, home)
    port = free_port()
    process = owner.start("pxl-platform", "serve", "--port", str(port))
    try:
        login = home / "state" / "pxl-toolbox" / "local-platform.toml"
        _wait(lambda: login.is_file() and _answers(port), 20, "the platform")
        local = tomllib.loads(login.read_text())
        _seed(owner)
        yield Platform(local["host"], local["organization"], local["token"], home)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@pytest.fixture
def user(tmp_path: Path) -> User:
    work = tmp_path / "work"
    work.mkdir()
    return User(tmp_path / "home", work)


@pytest.fixture
def member(user: User, platform: Platform) -> User:
    """A user who is logged in to the platform."""
    done = user.pxl(
        *("login", "--env", "CUSTOM", "--host", platform.host, "--token", "-"),
        *("--organization", platform.organization),
        stdin=platform.token,
    )
    assert done.returncode == 0, done.stderr
    return user


TINY = {
    "config.toml": """\
[metadata]
name = "tiny"   # the name on the platform
version = "1.0"
description = "prints and ends"
type = "DATASET_VERSION_CREATION"

[execution]
pipeline_script = "pipeline.py"
requirements_file = "pyproject.toml"
parameters_class = "parameters.py:ProcessingParameters"

[docker]
image_name = ""
image_tag = ""
cpu = 1
gpu = 0
""",
    "pipeline.py": """\
import os, sys, time
from pathlib import Path
print("arguments", *sys.argv[1:], flush=True)
print("token", os.environ.get("api_token"), flush=True)
if Path("sleep").exists():
    print("sleeping", flush=True)
    time.sleep(120)
sys.exit(int(Path("exit_code").read_text()) if Path("exit_code").exists() else 0)
""",
    "parameters.py": """\
class ProcessingParameters:
    def __init__(self, log_data):
        self.size = log_data.get("size", 3)

    def to_dict(self):
        return dict(self.__dict__)
""",
    "pyproject.toml": """\
[project]
name = "tiny"
version = "0"
requires-python = ">=3.11"
dependencies = []
""",
    "uv.lock": """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "tiny"
version = "0"
source = { virtual = "." }
""",
    "Dockerfile": """\
ARG RUNNER_IMAGE=pxl-runner:latest
FROM ${RUNNER_IMAGE}
COPY --chown=pxl:pxl pyproject.toml uv.lock ./
RUN install-environment
COPY --chown=pxl:pxl . .
ENTRYPOINT ["run", "pipeline.py"]
""",
    ".dockerignore": ".venv/\nruns/\n__pycache__/\n",
    "runs/run_config.toml": f"""\
# What the run works on.
override_outputs = true

[job]
type = "DATASET_VERSION_CREATION"

[input.dataset_version]
id = "{DATASET_VERSION}"   # the tiles

[output.dataset_version]
name = "made"
""",
}


@dataclass(frozen=True)
class Tiny:
    """A pipeline without dependencies: it prints, and ends as its files say."""

    folder: Path

    @property
    def run_config(self) -> Path:
        return self.folder / "runs" / "run_config.toml"

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def snapshot(self) -> dict[str, bytes]:
        """The user's files, without what a run makes."""
        made = {".venv", "__pycache__", "logs"}
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not made & set(path.relative_to(self.folder).parts)
        }


@pytest.fixture
def tiny(user: User) -> Tiny:
    folder = user.work / "tiny"
    for name, text in TINY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Tiny(folder)


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """Host and port of a registry, served by the toolbox image on the engine's network."""
    host = f"127.0.0.1:{free_port()}"
    name = f"pxl-test-registry-{os.getpid()}"
    start = ["run", "--rm", "--detach", "--name", name, "--network", "host"]
    variables = ["--env", f"REGISTRY_HTTP_ADDR={host}"]
    _docker(*start, *variables, "pxl-toolbox:latest", "registry")
    try:
        _wait(lambda: _answers(int(host.rpartition(":")[2])), 20, "the registry")
        yield host
    finally:
        _docker("stop", "--time", "1", name)


@pytest.fixture
def docker() -> Iterator[Docker]:
    with connect() as engine:
        yield engine


@pytest.fixture
def image(tiny: Tiny, registry: str, docker: Docker) -> Iterator[str]:
    """Gives the pipeline a name of its own, on the platform and in the registry."""
    name = f"tiny-{uuid.uuid4().hex[:8]}"
    image = f"{registry}/tests/{name}"
    tiny.edit("config.toml", 'name = "tiny"', f'name = "{name}"')
    tiny.edit("config.toml", 'image_name = ""', f'image_name = "{image}"')
    yield image
    for tag in ("1.0.1", "1.0.2", "latest", "test", "smoke-test"):
        docker.remove_image(f"{image}:{tag}", force=True)


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool], float, str], None]:
    """Waits for something, with a limit in seconds and a name for the error."""
    return _wait


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def answered() -> Callable[[subprocess.CompletedProcess[str]], Any]:
    return answer


def _docker(*arguments: str) -> None:
    program = shutil.which("docker")
    assert program is not None
    subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60)


def _seed(owner: User) -> None:
    from PIL import Image

    images = owner.home / "tiles"
    images.mkdir()
    for number in range(3):
        Image.new("RGB", (32, 24), (80 * number, 0, 0)).save(images / f"tile-{number}.png")
    seed = owner.home / "seed.toml"
    seed.write_text(f"""\
[[organization]]
name = "local"
[[organization.dataset]]
name = "tiles"
[[organization.dataset.version]]
id = "{DATASET_VERSION}"
name = "first"
type = "OBJECT_DETECTION"
images = "tiles"

[[organization]]
name = "other team"
token = "tok-of-the-other-team"
""")
    done = owner.run("pxl-platform", "seed", seed)
    assert done.returncode == 0, done.stderr


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait(ready: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}"
        time.sleep(0.05)
