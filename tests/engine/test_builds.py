"""Builds run by BuildKit, tell what they do, keep secrets, and leave nothing when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pxl_toolbox.adapters.docker import (
    BuilderMissing,
    BuildFailed,
    BuildRequest,
    BuildTimeout,
    ContainerRequest,
    Docker,
)
from pxl_toolbox.adapters.docker_build import Builder, find_builder
from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.core.errors import ExitCode
from pxl_toolbox.core.events import Event, Finished, Log, Started, ignore

Until = Callable[[Callable[[], bool], float, str], None]


@pytest.fixture
def written(shell_root: Path, tmp_path: Path) -> Callable[[str], BuildRequest]:
    """A request to build a Dockerfile of these lines; the shell is in `root/`."""

    def write(text: str) -> BuildRequest:
        dockerfile = tmp_path / "Dockerfile"
        dockerfile.write_text(text)
        return BuildRequest(context=shell_root, dockerfile=dockerfile, tags=(), timeout_s=60)

    return write


@pytest.fixture
def tag(docker: Docker, name: str) -> Iterator[str]:
    reference = f"{name}-built:1"
    yield reference
    docker.remove_image(reference, force=True)


def lines_of(events: list[Event]) -> list[str]:
    return [event.line for event in events if isinstance(event, Log)]


def test_a_build_streams_its_log_and_gives_the_image(
    docker: Docker, shell_root: Path, tmp_path: Path, tag: str
) -> None:
    (tmp_path / "Dockerfile").write_text(
        'FROM scratch\nCOPY root/ /\nARG WORD=none\nRUN ["/bin/sh", "-c", "echo said $WORD"]\n'
    )
    events: list[Event] = []

    image = docker.build(
        BuildRequest(
            context=shell_root,
            dockerfile=tmp_path / "Dockerfile",
            tags=(tag, f"{tag}.0"),
            build_args={"WORD": tag},
            labels={"made.by": "a test"},
        ),
        events.append,
    )

    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert any(line.endswith(f"said {tag}") for line in lines_of(events))
    assert image.labels["made.by"] == "a test"
    assert {tag, f"{tag}.0"} <= set(image.tags)
    docker.remove_image(f"{tag}.0")


def test_a_dockerfile_that_does_not_build_shows_the_end_of_its_log(
    docker: Docker, written: Callable[[str], BuildRequest]
) -> None:
    request = written(
        'FROM scratch\nCOPY root/ /\nRUN ["/bin/sh", "-c", "echo no such package: foo; exit 9"]\n'
    )

    with pytest.raises(BuildFailed) as caught:
        docker.build(request, ignore)

    assert caught.value.exit_code is ExitCode.FAILED
    assert any("no such package: foo" in line for line in caught.value.log_tail)
    assert "no such package: foo" in caught.value.message
    assert str(request.dockerfile) in caught.value.hint
    assert len(caught.value.log_tail) <= 25


def test_a_secret_is_there_while_building_and_nowhere_afterwards(
    docker: Docker, shell_root: Path, tmp_path: Path, tag: str, name: str
) -> None:
    secret = tmp_path / "a, secret"
    secret.write_text("xyzzy-12345")
    (tmp_path / "Dockerfile").write_text(
        "FROM scratch\nCOPY root/ /\n"
        "RUN --mount=type=secret,id=word,required=true "
        '["/bin/sh", "-c", "cat /run/secrets/word | head -c 5 > /seen"]\n'
        'ENTRYPOINT ["/bin/sh", "-c", "cat /seen; cat /run/secrets/word"]\n'
    )
    events: list[Event] = []

    docker.build(
        BuildRequest(
            context=shell_root,
            dockerfile=tmp_path / "Dockerfile",
            tags=(tag,),
            secrets={"word": secret},
        ),
        events.append,
    )

    container = docker.start(ContainerRequest(image=tag, name=f"{name}-secret"))
    try:
        assert docker.wait(container.id) != 0
        shown = "".join(docker.logs(container.id))
    finally:
        docker.remove(container.id, force=True)
    assert "xyzzy" in shown
    assert "xyzzy-12345" not in shown
    assert "xyzzy-12345" not in "".join(lines_of(events))


def test_a_build_that_does_not_end_is_ended_at_its_limit(
    docker: Docker, shell_root: Path, tmp_path: Path, until: Until
) -> None:
    (tmp_path / "Dockerfile").write_text(
        'FROM scratch\nCOPY root/ /\nRUN ["/bin/sleep", "4447.25"]\n'
    )

    with pytest.raises(BuildTimeout, match="after 4 s"):
        docker.build(
            BuildRequest(
                context=shell_root, dockerfile=tmp_path / "Dockerfile", tags=(), timeout_s=4
            ),
            ignore,
        )

    until(lambda: not running("4447.25"), 10, "the end of what the build ran")


BUILD = """
import sys
from pathlib import Path
from pxl_toolbox.adapters.docker import BuildRequest, connect

def tell(event):
    print(event, file=sys.stderr, flush=True)

with connect() as docker:
    docker.build(
        BuildRequest(context=Path(sys.argv[1]), dockerfile=Path(sys.argv[2]), tags=()), tell
    )
"""


def test_an_interrupted_build_leaves_nothing_running(
    shell_root: Path, tmp_path: Path, until: Until
) -> None:
    dockerfile = tmp_path / "Dockerfile-interrupted"
    nap = f"4{os.getpid()}.75"  # seconds, and a word that no other process has
    script = f"echo step-is-$((1+1)); exec /bin/sleep {nap}"
    dockerfile.write_text(f'FROM scratch\nCOPY root/ /\nRUN ["/bin/sh", "-c", "{script}"]\n')
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", BUILD, str(shell_root), str(dockerfile)], stderr=log
        )
    # Its output, and not its process: an engine 20.10 that is told to stop a step in the very
    # moment in which it starts it leaves it running.
    until(lambda: "step-is-2" in (tmp_path / "log").read_text(), 20, "the build's RUN step")
    assert running(nap)

    process.send_signal(signal.SIGINT)

    assert process.wait(15) in {1, -signal.SIGINT}
    assert not running(str(dockerfile))
    until(lambda: not running(nap), 10, "the end of what the build ran")


def running(word: str) -> bool:
    """Whether a process, of whatever container, has this word on its command line."""
    own = str(os.getpid())
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if folder.name != own and any(word in argument for argument in arguments):
            return True
    return False


def fake_docker(folder: Path, version: str, *, buildx: bool) -> str:
    folder.mkdir()
    program = folder / "docker"
    answer = "exit 0" if buildx else "exit 1"
    program.write_text(
        f'#!/bin/sh\n[ "$1" != buildx ] || {answer}\necho "Docker version {version}, build x"\n'
    )
    program.chmod(0o755)
    return str(folder)


def test_the_first_docker_that_can_build_is_taken(tmp_path: Path) -> None:
    path = os.pathsep.join(
        [
            str(tmp_path / "nothing"),
            fake_docker(tmp_path / "new", "28.2.2", buildx=False),
            fake_docker(tmp_path / "old", "20.10.24+dfsg1", buildx=False),
            fake_docker(tmp_path / "full", "28.2.2", buildx=True),
        ]
    )

    assert find_builder(LocalRunner(), path) == Builder(str(tmp_path / "old/docker"), False)


def test_a_docker_with_buildx_is_told_to_load_what_it_builds(tmp_path: Path) -> None:
    builder = find_builder(LocalRunner(), fake_docker(tmp_path / "full", "28.2.2", buildx=True))
    request = BuildRequest(context=tmp_path, dockerfile=tmp_path / "Dockerfile", tags=("a:1",))

    assert builder.argv(request, tmp_path / "iid")[1:4] == ("buildx", "build", "--load")


def test_where_no_docker_can_build_each_is_named_with_its_reason(tmp_path: Path) -> None:
    path = fake_docker(tmp_path / "new", "28.2.2", buildx=False)

    with pytest.raises(BuilderMissing, match=f"{path}/docker has no buildx plugin") as caught:
        find_builder(LocalRunner(), path)

    assert caught.value.exit_code is ExitCode.UNAVAILABLE
    assert "buildx" in caught.value.hint


def test_where_there_is_no_docker_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(BuilderMissing, match="no docker on PATH"):
        find_builder(LocalRunner(), str(tmp_path))
