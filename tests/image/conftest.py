"""The images under test, containers that are gone afterwards, and a platform that listens."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import pxl_toolbox

_REPOSITORY = Path(__file__).parents[2]
_LIMIT_S = 60


def _image(name: str) -> str:
    reference = f"{name}:{pxl_toolbox.__version__}"
    found = subprocess.run(
        ["docker", "image", "inspect", reference], capture_output=True, timeout=20, check=False
    )
    if found.returncode != 0:
        pytest.fail(f"{reference} is not built: make images", pytrace=False)
    return reference


@pytest.fixture(scope="session")
def repository() -> Path:
    return _REPOSITORY


@pytest.fixture(scope="session")
def runner_image() -> str:
    return _image("pxl-runner")


@pytest.fixture(scope="session")
def toolbox_image() -> str:
    return _image("pxl-toolbox")


@dataclass
class Ended:
    """How a container ended."""

    code: int
    out: str
    err: str


@dataclass
class DockerCommand:
    """The docker command, as a user types it; what it made is removed at the test's end."""

    containers: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def __call__(self, *words: str) -> Ended:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def run(self, *words: str) -> Ended:
        return self("run", "--rm", *words)

    def start(self, *words: str) -> str:
        """Start a container in the background and return its name."""
        name = f"pxl-test-{secrets.token_hex(4)}"
        self.containers.append(name)
        done = self("run", "--detach", "--name", name, *words)
        assert done.code == 0, done.err
        return name

    def volume(self) -> str:
        name = f"pxl-test-{secrets.token_hex(4)}"
        self.volumes.append(name)
        return name

    def exit_code(self, container: str) -> int:
        return int(self("inspect", "--format", "{{.State.ExitCode}}", container).out)

    def remove_all(self) -> None:
        if self.containers:
            self("rm", "--force", "--volumes", *self.containers)
        if self.volumes:
            self("volume", "rm", "--force", *self.volumes)


@pytest.fixture
def docker() -> Iterator[DockerCommand]:
    command = DockerCommand()
    yield command
    command.remove_all()


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], bool]], None]:
    def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < deadline, "waited 20 s in vain"
            time.sleep(0.05)

    return wait


@dataclass
class StubPlatform:
    """A platform that takes everything and remembers it."""

    url: str
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def paths(self) -> list[str]:
        """The calls, without the log's lines, which come in batches of any size."""
        return [f"{verb} {path}" for verb, path, _ in self.calls if not path.endswith("/logging")]

    def lines(self) -> list[str]:
        return [
            line
            for _, path, body in self.calls
            if path.endswith("/logging") and body["special"] is False
            for line in body["log"]
        ]

    def last_log_call(self) -> Any:
        return [body for _, path, body in self.calls if path.endswith("/logging")][-1]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "host": self.url,
            "api_token": "tok-of-this-job",
            "organization_id": "org-1",
            "job_id": "job-1",
        }


def _handler(stub: StubPlatform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/upload":
                stub.uploads.append(body)
                self.reply({})
                return
            stub.authorizations.add(self.headers.get("Authorization", ""))
            if self.path.rpartition("/")[2] in stub.broken:
                self.reply({"message": "broken on purpose"}, status=500)
                return
            stub.calls.append((self.command, self.path, json.loads(body) if body else None))
            self.reply(self.content())

        def content(self) -> dict[str, object]:
            last = self.path.rpartition("/")[2]
            upload = {"url": f"{stub.url}/upload", "fields": {"key": "signed"}}
            answers: dict[str, dict[str, object]] = {
                "org-1": {"default_connector_id": "con-1"},
                "generate_object_name": {"object_name": "logs/job.log"},
                "generate_presigned_url": {"presigned_url_data": upload},
            }
            return answers.get(last, {})

        def reply(self, content: dict[str, object], status: int = 200) -> None:
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815  (the names that http.server calls)

        def log_message(self, *_details: object) -> None:
            pass

    return Handler


@pytest.fixture
def stub_platform() -> Iterator[StubPlatform]:
    stub = StubPlatform(url="")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub))
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield stub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """Our environment without what names a job."""
    names = {"host", "api_token", "organization_id", "job_id", "experiment_id"}
    return {name: value for name, value in os.environ.items() if name not in names}
