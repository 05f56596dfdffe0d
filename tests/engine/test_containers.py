"""Containers start as asked, tell what they wrote and how they ended, and go when removed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pxl_toolbox.adapters.docker import (
    BuildRequest,
    Container,
    ContainerExists,
    ContainerMissing,
    ContainerNotStarted,
    ContainerRequest,
    Docker,
    EngineMissing,
    ImageMissing,
    connect,
)
from pxl_toolbox.core.errors import ConfigError, ExitCode
from pxl_toolbox.core.events import ignore

Make = Callable[..., str]
Start = Callable[..., Container]


@pytest.fixture
def start(docker: Docker, name: str) -> Iterator[Start]:
    """Starts a container of an image; all are removed at the end."""
    started: list[str] = []

    def run(image: str, **more: object) -> Container:
        request = ContainerRequest(image=image, name=f"{name}-c{len(started)}", **more)  # type: ignore[arg-type]
        started.append(request.name)
        return docker.start(request)

    yield run
    for container in started:
        docker.remove(container, force=True)


def test_the_exit_code_and_both_streams_are_the_containers(
    docker: Docker, shell_image: Make, start: Start
) -> None:
    container = start(shell_image("echo to out; echo to err >&2; exit 3"))

    assert docker.wait(container.id) == 3
    assert sorted(docker.logs(container.id)) == ["to err", "to out"]
    assert docker.container(container.id).exit_code == 3


def test_a_log_is_followed_while_it_is_written(
    docker: Docker, shell_image: Make, start: Start
) -> None:
    image = shell_image("trap 'echo second; exit' TERM; echo first; while :; do sleep 0.05; done")
    container = start(image)
    lines = docker.logs(container.id)

    assert next(lines) == "first"
    docker.stop(container.id, 10)
    assert list(lines) == ["second"]


def test_a_log_can_be_read_from_any_line_on(
    docker: Docker, shell_image: Make, start: Start
) -> None:
    container = start(shell_image("echo a; echo b; echo c; printf 'd without an end'"))
    docker.wait(container.id)

    assert list(docker.logs(container.id, skip=2)) == ["c", "d without an end"]
    assert list(docker.logs(container.id, skip=4)) == []


def test_long_lines_and_letters_of_several_bytes_arrive_whole(
    docker: Docker, shell_image: Make, start: Start
) -> None:
    # The engine cuts lines into pieces of 16 KiB, and its own log loses a letter that is cut.
    script = "head -c 40000 /dev/zero | tr '\\000' x; echo; while read l; do echo $l; done < /text"
    container = start(shell_image(script), files={"/text": ("€" * 5000 + "\nü\n").encode()})
    docker.wait(container.id)

    assert list(docker.logs(container.id)) == ["x" * 40_000, "€" * 5000, "ü"]


def test_a_reading_ends_when_it_is_closed_from_another_thread(
    docker: Docker, shell_image: Make, start: Start
) -> None:
    lines = docker.logs(start(shell_image("echo up; sleep 60")).id)
    assert next(lines) == "up"
    threading.Timer(0.2, lines.close).start()

    began = time.monotonic()

    assert list(lines) == []
    assert time.monotonic() - began < 5


def test_files_go_in_before_the_start(docker: Docker, shell_image: Make, start: Start) -> None:
    image = shell_image("cat /in/deep/a; cat /b; echo $WORD")
    files = {"/in/deep/a": "bytes ü\n".encode(), "/b": b"more\n"}
    container = start(image, files=files, environment={"WORD": "said"})
    docker.wait(container.id)

    assert list(docker.logs(container.id)) == ["bytes ü", "more", "said"]


def test_containers_are_found_by_all_their_labels(
    docker: Docker, shell_image: Make, start: Start, name: str
) -> None:
    image = shell_image("exit 0")
    one = start(image, labels={"of": name, "is": "one"})
    two = start(image, labels={"of": name, "is": "two"})

    assert {c.id for c in docker.containers({"of": name})} == {one.id, two.id}
    assert [c.id for c in docker.containers({"of": name, "is": "two"})] == [two.id]


def test_a_container_that_is_stopped_gets_its_grace_and_then_is_killed(
    docker: Docker, shell_image: Make, start: Start
) -> None:
    polite = start(shell_image("trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done"))
    deaf = start(shell_image("trap '' TERM; while :; do sleep 0.05; done"))
    time.sleep(0.3)  # for both to set their traps; a signal before that ends nothing

    docker.stop(polite.id, 10)
    docker.stop(deaf.id, 1)

    assert docker.wait(polite.id) == 5
    assert list(docker.logs(polite.id)) == ["bye"]
    assert docker.wait(deaf.id) == 137


def test_limits_are_the_engines(docker: Docker, shell_image: Make, start: Start) -> None:
    # 100 MB in a variable, where 30 MB are allowed; then a moment, for the engine to notice.
    hungry = "x=$(head -c 100000000 /dev/zero | tr '\\000' x); echo survived"
    container = start(shell_image(f"({hungry}); sleep 1; exit 3"), memory_bytes=30_000_000, cpus=1)

    assert docker.wait(container.id) == 3
    assert docker.container(container.id).out_of_memory
    assert "survived" not in list(docker.logs(container.id))


def test_what_is_not_there_is_told_by_name(docker: Docker, start: Start, name: str) -> None:
    with pytest.raises(ImageMissing, match=f"{name}-none"):
        start(f"{name}-none:1")
    with pytest.raises(ContainerMissing, match=f"{name}-none"):
        docker.container(f"{name}-none")
    with pytest.raises(ContainerMissing):
        docker.wait(f"{name}-none")
    assert docker.image(f"{name}-none") is None
    docker.stop(f"{name}-none", 1)
    docker.remove(f"{name}-none", force=True)


def test_a_container_that_cannot_start_is_not_left_behind(
    docker: Docker, tmp_path: Path, name: str
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text('FROM scratch\nCOPY Dockerfile /\nENTRYPOINT ["/no/such/program"]\n')
    image = f"{name}-no-program:1"
    docker.build(BuildRequest(context=tmp_path, dockerfile=dockerfile, tags=(image,)), ignore)
    labels = {"of": f"{name}-unstartable"}

    with pytest.raises(ContainerNotStarted, match="/no/such/program"):
        docker.start(ContainerRequest(image=image, name=f"{name}-unstartable", labels=labels))

    docker.remove_image(image, force=True)
    assert docker.containers(labels) == ()


START = """
import signal, sys
from pxl_toolbox.adapters.docker import ContainerRequest, connect

image, name = sys.argv[1:]
signal.signal(signal.SIGALRM, signal.default_int_handler)
with connect() as docker:
    for number in range(12):
        labels = {"of": f"{name}-{number}"}
        request = ContainerRequest(image=image, name=f"{name}-{number}", labels=labels)
        signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.017 * number)
        try:
            started = docker.start(request).id
            signal.setitimer(signal.ITIMER_REAL, 0)
            docker.remove(started, force=True)
            print("started")
        except KeyboardInterrupt:
            print("interrupted")
"""


def test_a_start_that_is_interrupted_at_any_moment_leaves_no_container(
    docker: Docker, shell_image: Make, name: str
) -> None:
    argv = [sys.executable, "-c", START, shell_image("sleep 20"), f"{name}-interrupted"]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=28, check=True)

    ends = done.stdout.split()
    assert len(ends) == 12
    assert "interrupted" in ends
    for number in range(12):
        assert docker.containers({"of": f"{name}-interrupted-{number}"}) == ()


def test_a_name_that_is_taken_is_a_conflict(
    docker: Docker, shell_image: Make, start: Start
) -> None:
    image = shell_image("exit 0")
    first = start(image)

    with pytest.raises(ContainerExists, match=first.name):
        docker.start(ContainerRequest(image=image, name=first.name))


@pytest.mark.parametrize(
    "address", ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1", "tcp://192.0.2.1:2375"]
)
def test_where_no_engine_answers_it_is_said_within_three_seconds(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    began = time.monotonic()

    with pytest.raises(EngineMissing, match=address) as caught:
        connect()

    assert time.monotonic() - began < 3
    assert caught.value.exit_code is ExitCode.UNAVAILABLE
    assert "pxl-toolbox engine start" in caught.value.hint


def choose_context(folder: Path, name: str, host: str | None) -> None:
    """Write Docker's config with that context chosen, and there if it has a host."""
    (folder / "config.json").write_text(json.dumps({"currentContext": name}))
    if host is not None:
        meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
        meta.mkdir(parents=True)
        content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}
        (meta / "meta.json").write_text(json.dumps(content))


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    return tmp_path


def test_the_chosen_context_says_where_the_engine_is(docker_config: Path) -> None:
    choose_context(docker_config, "far", "tcp://127.0.0.1:1")

    with pytest.raises(EngineMissing, match="at the Docker context far: Connection refused"):
        connect()


def test_a_context_that_is_not_there_is_not_taken_for_the_default_one(docker_config: Path) -> None:
    choose_context(docker_config, "gone", None)

    with pytest.raises(EngineMissing, match="context gone: there is no context of that name"):
        connect()


def test_a_docker_config_that_is_no_file_or_no_json_is_named(docker_config: Path) -> None:
    path = docker_config / "config.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match=f"{path} is not JSON"):
        connect()
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match=f"{path} cannot be read: Is a directory"):
        connect()


def test_the_engine_tells_what_it_has(docker: Docker) -> None:
    info = docker.info()

    assert info.cpus == os.cpu_count()
    assert info.memory_bytes > 100_000_000


def test_importing_the_adapter_does_not_import_the_sdk() -> None:
    script = (
        "import pxl_toolbox.adapters.docker, pxl_toolbox.jobs.docker_executor, sys; "
        "sys.exit(bool({'docker', 'requests', 'urllib3'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", script], timeout=20, check=False).returncode == 0
