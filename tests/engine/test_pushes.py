"""A push is done when the registry confirms it; any refusal is an error."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pxl_toolbox.adapters import registry as registries
from pxl_toolbox.adapters.docker import (
    BuildRequest,
    Docker,
    ImageMissing,
    PullRefused,
    PushDenied,
    PushRefused,
)
from pxl_toolbox.adapters.registry import RegistryDenied, RegistryMissing
from pxl_toolbox.core.errors import ExitCode, ToolboxError
from pxl_toolbox.core.events import Event, Finished, Progress, ignore

Make = Callable[..., str]


@pytest.fixture(autouse=True)
def no_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's config of the user who runs the tests must not matter."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def answering(status: int, body: bytes = b"{}", **headers: str) -> ThreadingHTTPServer:
    """A server that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.seen.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815  (the base class asks so)

        def log_message(self, *_details: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    return server


def guarded(manifest: bytes, blobs: str) -> ThreadingHTTPServer:
    """A registry that wants a login, and sends who asks for a blob to another place."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.seen.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
            if "Authorization" not in self.headers:
                self.answer(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
            elif "/blobs/" in self.path:
                self.answer(307, {"Location": blobs}, b"")
            else:
                self.answer(200, {"Docker-Content-Digest": "sha256:" + "0" * 64}, manifest)

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_details: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    return server


@pytest.fixture
def serve() -> Iterator[Callable[[ThreadingHTTPServer], str]]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(server: ThreadingHTTPServer) -> str:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        servers.append((server, thread))
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_a_push_gives_the_digest_that_the_registry_has(
    docker: Docker, registry: str, tmp_path: Path, name: str
) -> None:
    reference = f"{registry}/{name}/pushed:1"
    (tmp_path / "new").write_bytes(secrets.token_bytes(100_000))  # a layer that nobody has
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY new /\n")
    request = BuildRequest(context=tmp_path, dockerfile=tmp_path / "Dockerfile", tags=(reference,))
    docker.build(request, ignore)
    events: list[Event] = []

    digest = docker.push(reference, events.append)
    docker.remove_image(reference, force=True)

    assert digest == registries.digest(reference)
    assert digest == registries.digest(f"{registry}/{name}/pushed@{digest}")
    moved = [event for event in events if isinstance(event, Progress)]
    assert moved
    assert all(event.unit == "bytes" for event in moved)
    assert isinstance(events[-1], Finished)
    assert events[-1].outcome == digest


def test_what_was_pushed_can_be_pulled(
    docker: Docker, registry: str, shell_image: Make, name: str
) -> None:
    reference = shell_image("exit 0", f"{registry}/{name}/pulled:1")
    digest = docker.push(reference, ignore)
    before = docker.image(reference)
    docker.remove_image(reference, force=True)

    image = docker.pull(reference)

    assert before is not None
    assert image.id == before.id
    assert f"{registry}/{name}/pulled@{digest}" in image.repo_digests


def test_an_image_that_is_not_there_cannot_be_pushed(docker: Docker, registry: str) -> None:
    with pytest.raises(ImageMissing):
        docker.push(f"{registry}/nobody/nothing:1", ignore)


def test_an_image_that_no_registry_has_cannot_be_pulled(docker: Docker, registry: str) -> None:
    with pytest.raises(PullRefused, match=f"{registry}/nobody/nothing:1"):
        docker.pull(f"{registry}/nobody/nothing:1")


@pytest.mark.parametrize(
    "refusal",
    [
        (405, {}, PushRefused, ExitCode.UNAVAILABLE),
        (403, {}, PushDenied, ExitCode.DENIED),
        (401, {"WWW_Authenticate": 'Basic realm="here"'}, PushDenied, ExitCode.DENIED),
    ],
)
def test_a_registry_that_refuses_is_an_error(
    docker: Docker,
    shell_image: Make,
    serve: Callable[[ThreadingHTTPServer], str],
    name: str,
    refusal: tuple[int, dict[str, str], type[ToolboxError], ExitCode],
) -> None:
    status, headers, error, code = refusal
    body = json.dumps({"errors": [{"code": "DENIED", "message": "requested access is denied"}]})
    host = serve(answering(status, body.encode() if status == 403 else b"{}", **headers))
    reference = shell_image("exit 0", f"{host}/{name}/refused:{status}")

    with pytest.raises(error) as caught:
        docker.push(reference, ignore)

    assert caught.value.exit_code is code
    assert host in caught.value.message + caught.value.hint


def test_a_registry_that_is_not_there_is_an_error(
    docker: Docker, shell_image: Make, name: str
) -> None:
    reference = shell_image("exit 0", f"127.0.0.1:1/{name}/lost:1")

    with pytest.raises(PushRefused, match=r"127\.0\.0\.1:1"):
        docker.push(reference, ignore)


def test_a_registry_that_answers_is_reachable_even_if_it_wants_a_login(
    registry: str, serve: Callable[[ThreadingHTTPServer], str]
) -> None:
    assert registries.reachable(registry)
    assert registries.reachable(serve(answering(401)))
    assert not registries.reachable(serve(answering(500)))
    assert not registries.reachable("127.0.0.1:1")


def test_a_name_that_the_registry_has_not_has_no_digest(registry: str) -> None:
    assert registries.digest(f"{registry}/nobody/nothing:1") is None


def test_a_registry_that_is_not_there_is_named() -> None:
    with pytest.raises(RegistryMissing, match=r"127\.0\.0\.1:1"):
        registries.digest("127.0.0.1:1/a/b:1")


def test_the_labels_of_a_pushed_image_are_read_without_fetching_it(
    docker: Docker, registry: str, shell_root: Path, tmp_path: Path, name: str
) -> None:
    reference = f"{registry}/{name}/labelled:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY root/bin/cat /\n")
    docker.build(
        BuildRequest(
            context=shell_root,
            dockerfile=tmp_path / "Dockerfile",
            tags=(reference,),
            labels={"made.by": "a test", "with": 'a "quote", ü'},
        ),
        ignore,
    )
    docker.push(reference, ignore)
    docker.remove_image(reference, force=True)

    found = registries.labels(reference)

    assert found == {"made.by": "a test", "with": 'a "quote", ü'}
    assert docker.image(reference) is None


def test_an_image_without_labels_has_none_of_them(
    docker: Docker, registry: str, shell_image: Make, name: str
) -> None:
    reference = shell_image("exit 0", f"{registry}/{name}/bare:1")
    docker.push(reference, ignore)

    assert registries.labels(reference) == {}
    assert registries.labels(f"{registry}/{name}/bare:2") is None


def test_an_index_of_several_platforms_has_no_labels_of_its_own(
    serve: Callable[[ThreadingHTTPServer], str],
) -> None:
    index = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    host = serve(answering(200, index, Docker_Content_Digest="sha256:" + "0" * 64))

    assert registries.labels(f"{host}/a/b:1") == {}


def test_a_login_is_not_sent_on_to_the_place_where_a_registry_keeps_its_blobs(
    serve: Callable[[ThreadingHTTPServer], str], no_logins: Path
) -> None:
    storage = answering(200, json.dumps({"config": {"Labels": {"a": "b"}}}).encode())
    at_storage = serve(storage)
    manifest = json.dumps({"config": {"digest": "sha256:" + "1" * 64}}).encode()
    front = guarded(manifest, f"http://{at_storage}/blob")
    host = serve(front)
    pair = base64.b64encode(b"me:secret").decode()
    no_logins.write_text(json.dumps({"auths": {host: {"auth": pair}}}))

    assert registries.labels(f"{host}/a/b:1") == {"a": "b"}

    given = [headers.get("Authorization") for _, headers in front.seen]  # type: ignore[attr-defined]
    assert given == [None, f"Basic {pair}"] * 2
    assert [headers.get("Authorization") for _, headers in storage.seen] == [None]  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"config": {}}', b'{"config": 3}'])
def test_a_manifest_that_is_none_is_an_error(
    serve: Callable[[ThreadingHTTPServer], str], body: bytes
) -> None:
    host = serve(answering(200, body, Docker_Content_Digest="sha256:" + "0" * 64))

    with pytest.raises(RegistryMissing, match="its manifest is not one"):
        registries.labels(f"{host}/a/b:1")


def test_a_server_that_is_no_registry_is_an_error(
    serve: Callable[[ThreadingHTTPServer], str],
) -> None:
    host = serve(answering(200, b"hello"))

    with pytest.raises(RegistryMissing, match="without a digest"):
        registries.digest(f"{host}/a/b:1")


def test_without_a_login_a_registry_that_wants_one_denies(
    serve: Callable[[ThreadingHTTPServer], str],
) -> None:
    host = serve(answering(401, WWW_Authenticate='Basic realm="x"'))

    with pytest.raises(RegistryDenied) as caught:
        registries.digest(f"{host}/a/b:1")

    assert caught.value.hint.endswith(f"docker login {host}")


def test_the_login_of_dockers_config_is_used(
    serve: Callable[[ThreadingHTTPServer], str], no_logins: Path
) -> None:
    server = answering(401, WWW_Authenticate='Basic realm="x"')
    host = serve(server)
    pair = base64.b64encode(b"me:it:self").decode()
    no_logins.write_text(json.dumps({"auths": {host: {"auth": pair}}}))

    with pytest.raises(RegistryDenied):
        registries.digest(f"{host}/a/b:1")

    given = [headers.get("Authorization") for _, headers in server.seen]  # type: ignore[attr-defined]
    assert given == [None, f"Basic {pair}"]


def test_a_credential_helper_is_asked_and_a_token_fetched(
    serve: Callable[[ThreadingHTTPServer], str],
    no_logins: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = answering(200, json.dumps({"token": "t0k3n"}).encode())
    realm = f"http://{serve(tokens)}/token"
    server = answering(401, WWW_Authenticate=f'Bearer realm="{realm}",service="reg"')
    host = serve(server)
    helper = tmp_path / "docker-credential-mine"
    helper.write_text('#!/bin/sh\ncat > "$0.asked"\necho \'{"Username": "u", "Secret": "p"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    no_logins.write_text(json.dumps({"credHelpers": {host: "mine"}}))

    with pytest.raises(RegistryDenied):
        registries.digest(f"{host}/a/b:1")

    (asked, headers) = tokens.seen[0]  # type: ignore[attr-defined]
    assert asked == "/token?service=reg&scope=repository%3Aa%2Fb%3Apull"
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert (tmp_path / "docker-credential-mine.asked").read_text() == host
    given = [headers.get("Authorization") for _, headers in server.seen]  # type: ignore[attr-defined]
    assert given == [None, "Bearer t0k3n"]
