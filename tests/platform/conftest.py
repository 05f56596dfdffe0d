"""The platform as a process of its own, driven by the unmodified SDK and by plain HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

BIN = Path(sys.executable).parent
# Nothing of the machine's own login may reach a test.
_NOT_INHERITED = ("PXL_", "PICSELLIA_", "api_token", "organization_")
_START_LIMIT_S = 20
_COUNTER = count()
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the SDK's own deprecated calls and hints pass: they are its business, not ours."""
    # `deprecation` marks SDK methods that users still call; beartype warns of typing's old names.
    for item in items:
        if _HERE in item.path.parents:
            for kind in (
                "ignore::DeprecationWarning",
                "ignore::PendingDeprecationWarning",
            ):
                item.add_marker(pytest.mark.filterwarnings(kind))


@dataclass(frozen=True)
class Answer:
    """What the platform said; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def ask(
    url: str,
    *,
    method: str = "GET",
    token: str | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request. `body` is sent as JSON, or as it is where it is bytes."""
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent_headers = dict(headers or {})
    if token is not None:
        sent_headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, sent, sent_headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as found:
            return Answer(found.status, _by_name(found.headers), found.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _by_name(error.headers), error.read())


def _by_name(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@dataclass(frozen=True)
class Machine:
    """Runs `pxl-platform` with folders of its own, as one user on one machine."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
        }
        own = {
            f"XDG_{name}_HOME": str(self.home / name.lower())
            for name in ("CONFIG", "STATE", "DATA", "CACHE")
        }
        return {**inherited, **own, "PATH": f"{BIN}:{os.environ['PATH']}"}

    @property
    def data(self) -> Path:
        return self.home / "data" / "pxl-toolbox" / "platform"

    @property
    def login_file(self) -> Path:
        return self.home / "state" / "pxl-toolbox" / "local-platform.toml"

    def said(self, port: int) -> Path:
        return self.home / f"{port}.out"

    def complained(self, port: int) -> Path:
        return self.home / f"{port}.err"

    def run(self, *argv: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pxl-platform", *(str(word) for word in argv)],
            cwd=self.home,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def answer(self, *argv: str | Path) -> Any:
        """The JSON that a command prints."""
        done = self.run(*argv, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def serve(self, *argv: str | Path) -> Served:
        """Start the server and wait until it answers."""
        port = free_port()
        # Into files: a pipe that nobody reads would stop the server once it is full.
        with self.said(port).open("w") as out, self.complained(port).open("w") as err:
            process = subprocess.Popen(
                [
                    *("pxl-platform", "serve", "--no-runner", "--port", str(port)),
                    *(str(word) for word in argv),
                ],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        served = Served(self, process, port)
        try:
            until(served.answers, _START_LIMIT_S, "the platform")
        except BaseException:
            served.stop()
            raise
        return served


@dataclass(frozen=True)
class Served:
    machine: Machine
    process: subprocess.Popen[bytes]
    port: int

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        assert self.process.poll() is None, self.machine.complained(self.port).read_text()
        try:
            healthy = ask(f"{self.host}/api/pxl/health").status == 200
        except OSError:
            return False
        return healthy and self.machine.login_file.is_file()

    @property
    def token(self) -> str:
        return str(tomllib.loads(self.machine.login_file.read_text())["token"])

    def stop(self) -> tuple[int, str, str]:
        """End it as a service manager does; returns the exit code and both outputs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        return (
            code,
            self.machine.said(self.port).read_text(),
            self.machine.complained(self.port).read_text(),
        )


@dataclass(frozen=True)
class Server:
    """The platform of this session, with two organizations."""

    host: str
    machine: Machine
    token: str
    organization_id: str
    connector_id: str
    other_token: str
    other_organization_id: str

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request of the first organization, or of the one whose token is given."""
        return ask(
            f"{self.host}{path}",
            method=method,
            token=self.token if token is None else token,
            body=body,
            headers=headers,
        )

    def made(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of a request that has to succeed."""
        answer = self.ask(method, path, body)
        assert answer.status < 300, answer.content
        return answer.json if answer.content else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(ready: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < deadline, f"waited {limit_s:g} s for {what}"
        time.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One platform for all tests: they work on things of their own names."""
    machine = Machine(tmp_path_factory.mktemp("platform"))
    served = machine.serve()
    try:
        other = machine.answer("org", "create", "other team")
        other_token = machine.answer("token", "create", "--organization", "other team")["token"]
        token = served.token
        mine = ask(f"{served.host}/api/home/ping", token=token).json["default_organization"]
        found = ask(f"{served.host}/api/organization/{mine}", token=token).json
        yield Server(
            host=served.host,
            machine=machine,
            token=token,
            organization_id=mine,
            connector_id=found["default_connector_id"],
            other_token=other_token,
            other_organization_id=other["id"],
        )
    finally:
        code, _, err = served.stop()
        assert (code, err.count("Traceback")) == (0, 0), err[-4000:]


@pytest.fixture(scope="session")
def client(server: Server) -> Any:
    """The SDK's client, connected as an organization's member."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        from picsellia import Client

        return Client(api_token=server.token, organization_name="local", host=server.host)


@pytest.fixture(scope="session")
def lake(client: Any) -> Any:
    """The SDK's default datalake."""
    return client.get_datalake()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"thing-{next(_COUNTER)}"


@pytest.fixture
def pictures(tmp_path: Path, name: str) -> list[Path]:
    """Four images of different sizes, named for this test alone."""
    found = [tmp_path / f"{name}-{number}.png" for number in range(4)]
    for number, path in enumerate(found):
        Image.new("RGB", (40 + number, 30), (number, 60, 0)).save(path)
    return found


@pytest.fixture
def dataset(client: Any, name: str) -> Any:
    return client.create_dataset(name)


@pytest.fixture
def version(dataset: Any, lake: Any, pictures: list[Path]) -> Any:
    """A dataset version with four assets."""
    made = dataset.create_version("first", type="OBJECT_DETECTION")
    made.add_data(lake.upload_data(pictures))
    return made


@pytest.fixture
def project(client: Any, name: str) -> Any:
    return client.create_project(name)


@pytest.fixture
def experiment(project: Any) -> Any:
    return project.create_experiment("first")


@pytest.fixture
def model_version(client: Any, name: str) -> Any:
    return client.create_model(name).create_version(
        name="one",
        framework="PYTORCH",
        type="OBJECT_DETECTION",
        docker_image_name="trainer",
        docker_tag="1",
        base_parameters={"epochs": 3},
    )
