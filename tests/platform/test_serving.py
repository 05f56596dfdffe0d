"""The server as a process, and the commands beside it."""

from __future__ import annotations

import socket
import sqlite3
import stat
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect

from pxl_platform.database import HEAD, Database
from pxl_platform.models import Row

if TYPE_CHECKING:
    from tests.platform.conftest import Machine, Server


def test_a_port_in_use_is_exit_5_and_named(server: Server, machine: Machine) -> None:
    port = server.host.rpartition(":")[2]

    done = machine.run("serve", "--no-runner", "--port", port)

    assert done.returncode == 5
    assert port in done.stderr
    assert "a platform answers there already" in done.stderr
    assert "--port" in done.stderr


def test_a_port_of_another_program_is_told_as_that(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = machine.run("serve", "--no-runner", "--port", str(other.getsockname()[1]))

    assert done.returncode == 5
    assert "in use by another program" in done.stderr
    assert "--port" in done.stderr


def test_sigterm_ends_it_cleanly_and_soon(machine: Machine) -> None:
    served = machine.serve()
    started = time.monotonic()

    code, out, err = served.stop()

    assert (code, err) == (0, "")
    assert served.host in out
    assert time.monotonic() - started < 5


def test_sigterm_is_not_held_up_by_a_client_that_waits(machine: Machine) -> None:
    served = machine.serve()
    with closing(socket.create_connection(("127.0.0.1", served.port), timeout=5)) as held:
        held.sendall(b"GET /api/home/ping HTTP/1.1\r\nHost: x\r\n")
        started = time.monotonic()
        code, _, _ = served.stop()

    assert code == 0
    assert time.monotonic() - started < 5


def test_the_login_of_the_first_start_is_private_and_lasts(machine: Machine) -> None:
    first = machine.serve()
    token = first.token
    mode = stat.S_IMODE(machine.login_file.stat().st_mode)
    first.stop()

    second = machine.serve()
    try:
        assert mode == 0o600
        assert second.token == token
        assert token not in machine.data.joinpath("platform.sqlite3").read_bytes().decode("latin1")
    finally:
        second.stop()


def test_what_was_made_outlives_the_server(machine: Machine, tmp_path: Path) -> None:
    from picsellia import Client
    from PIL import Image

    picture = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(picture)
    first = machine.serve()
    client = Client(api_token=first.token, organization_name="local", host=first.host)
    client.get_datalake().upload_data(picture)
    first.stop()

    second = machine.serve()
    try:
        client = Client(api_token=second.token, organization_name="local", host=second.host)
        client.get_datalake().find_data(filename="a.png").download(str(tmp_path / "down"))
        assert (tmp_path / "down" / "a.png").read_bytes() == picture.read_bytes()
    finally:
        second.stop()


def test_migrations_from_an_empty_folder_make_the_tables_of_the_models(tmp_path: Path) -> None:
    database = Database(tmp_path / "platform.sqlite3")
    try:
        database.migrate()
        database.migrate()
        inspector = inspect(database.engine)
        made = {
            table: {column["name"] for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }
    finally:
        database.close()

    wanted = {table.name: set(table.columns.keys()) for table in Row.metadata.sorted_tables}
    assert made.pop("alembic_version") == {"version_num"}
    assert made == wanted
    with closing(sqlite3.connect(tmp_path / "platform.sqlite3")) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)


def test_two_processes_write_to_one_folder_at_once(server: Server, name: str) -> None:
    done: list[int] = []

    def make(number: int) -> None:
        done.append(server.machine.run("org", "create", f"{name} {number}").returncode)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    path = f"/api/organization/{server.organization_id}/datasets"
    answers = [server.ask("POST", path, {"name": f"{name} {n}"}).status for n in range(100)]
    for thread in threads:
        thread.join(timeout=30)

    assert set(answers) == {200}
    assert done == [0] * 4


def test_twenty_clients_make_the_same_thing_and_one_succeeds(server: Server, name: str) -> None:
    path = f"/api/organization/{server.organization_id}/models"
    statuses: list[int] = []

    def make() -> None:
        statuses.append(server.ask("POST", path, {"name": name}).status)

    threads = [threading.Thread(target=make) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert sorted(statuses) == [200] + [409] * 19


def test_reset_needs_a_yes_and_removes_everything(machine: Machine) -> None:
    machine.answer("org", "create", "acme")

    unasked = machine.run("reset")
    assert unasked.returncode == 2
    assert "--yes" in unasked.stderr
    assert machine.data.is_dir()
    assert machine.run("reset", "--yes").returncode == 0
    assert not machine.data.exists()
    assert machine.run("reset", "--yes").returncode == 4


def test_status_says_whether_a_platform_answers(server: Server, machine: Machine) -> None:
    port = server.host.rpartition(":")[2]

    found = machine.answer("status", "--port", port)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # held, and nobody listens on it
        nobody = machine.run("status", "--port", str(silent.getsockname()[1]))

    assert (found["status"], found["runner"]) == ("ok", "off")
    assert nobody.returncode == 5
    assert "no platform answers" in nobody.stderr


def test_a_token_is_shown_once_and_refused_for_an_unknown_organization(
    machine: Machine,
) -> None:
    machine.answer("org", "create", "acme")

    made = machine.answer("token", "create", "--organization", "acme", "--expires", "1h")
    unknown = machine.run("token", "create", "--organization", "none")
    wrong = machine.run("token", "create", "--organization", "acme", "--expires", "soon")
    again = machine.run("org", "create", "acme")

    assert len(made["token"]) >= 40
    assert made["token"].encode() not in (machine.data / "platform.sqlite3").read_bytes()
    assert unknown.returncode == 4
    assert (wrong.returncode, "soon" in wrong.stderr) == (2, True)
    assert again.returncode == 7


def test_an_upload_that_breaks_off_leaves_no_object(server: Server, lake: Any, name: str) -> None:
    connector = server.connector_id
    upload = server.made(
        "POST",
        f"/api/object-storage/{connector}/init_multipart_upload",
        {"object_name": name, "content_type": "image/png"},
    )["upload_id"]
    url = server.made(
        "POST",
        f"/api/object-storage/{connector}/generate_part_presigned_url",
        {"object_name": name, "upload_id": upload, "part_no": 1},
    )["url"]
    path = url.removeprefix(server.host)
    port = int(server.host.rpartition(":")[2])
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as broken:
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        broken.sendall(head.encode() + b"x" * 1000)

    answer = server.ask(
        "POST",
        f"/api/object-storage/{connector}/complete_part_upload",
        {"object_name": name, "upload_id": upload, "parts": [{"ETag": "a", "PartNumber": 1}]},
    )

    assert answer.status == 404, answer.content


def test_a_part_of_no_bytes_is_taken(server: Server, name: str) -> None:
    connector = server.connector_id
    storage = f"/api/object-storage/{connector}"
    sent = {"object_name": name, "content_type": "image/png"}
    upload = server.made("POST", f"{storage}/init_multipart_upload", sent)["upload_id"]
    parts = []
    for number, content in ((1, b"abc"), (2, b"")):
        url = server.made(
            "POST",
            f"{storage}/generate_part_presigned_url",
            {"object_name": name, "upload_id": upload, "part_no": number},
        )["url"]
        answer = server.ask("PUT", url.removeprefix(server.host), content, token="")
        parts.append({"ETag": answer.headers["etag"], "PartNumber": number})

    server.made(
        "POST",
        f"{storage}/complete_part_upload",
        {"object_name": name, "upload_id": upload, "parts": parts},
    )

    link = server.made("POST", f"{storage}/retrieve_presigned_url", {"object_name": name})
    path = link["presigned_url"].removeprefix(server.host)
    assert server.ask("GET", path, token="").content == b"abc"


@pytest.mark.parametrize("folder", ["file", "file/below", "wrong"])
def test_a_data_folder_that_cannot_be_used_is_told_in_one_line(
    machine: Machine, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "platform.sqlite3").write_text("this is no database" * 100)

    done = machine.run("org", "create", "acme", "--data", tmp_path / folder)

    assert done.returncode == 5, done.stderr
    error, hint = done.stderr.strip().splitlines()
    assert str(tmp_path / folder) in error
    assert "--data" in hint
