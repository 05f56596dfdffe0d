"""Images built FROM the runner, as a pipeline's Dockerfile does, and ours built again."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pxl_toolbox.adapters.docker import BuildFailed, BuildRequest, Docker, connect
from pxl_toolbox.core.events import Event, Log, ignore

if TYPE_CHECKING:
    DockerCommand = Any

pytestmark = pytest.mark.timeout(180)

_DOCKERFILE = """
ARG RUNNER_IMAGE
FROM ${{RUNNER_IMAGE}}
COPY --chown=pxl:pxl {inputs} ./
RUN --mount=type=secret,id=extra_ca,mode=0444 install-environment {options}
COPY --chown=pxl:pxl pipeline.py ./
ENTRYPOINT ["run", "pipeline.py"]
"""
_PROJECT = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\n'
_LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "p"
version = "1"
source = { virtual = "." }
"""


@pytest.fixture
def engine() -> Iterator[Docker]:
    with connect() as connected:
        yield connected


@pytest.fixture
def tag(engine: Docker) -> Iterator[str]:
    name = f"pxl-test-{secrets.token_hex(4)}:1"
    yield name
    engine.remove_image(name, force=True)


def _request(folder: Path, tag: str, runner: str, inputs: str, options: str = "") -> BuildRequest:
    (folder / "pipeline.py").write_text("import sys; print(sys.prefix, sys.argv[1:])\n")
    (folder / "Dockerfile").write_text(_DOCKERFILE.format(inputs=inputs, options=options))
    return BuildRequest(
        context=folder,
        dockerfile=folder / "Dockerfile",
        tags=(tag,),
        build_args={"RUNNER_IMAGE": runner},
        timeout_s=120,
    )


def test_a_locked_project_builds_and_runs(
    engine: Docker, docker: DockerCommand, runner_image: str, tag: str, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(_PROJECT)
    (tmp_path / "uv.lock").write_text(_LOCK)

    engine.build(_request(tmp_path, tag, runner_image, "pyproject.toml uv.lock"), ignore)
    done = docker.run(tag, "--mode", "picsellia")

    assert done.out == "/experiment/.venv ['--mode', 'picsellia']\n", done.err


def test_a_project_with_requirements_builds_and_runs(
    engine: Docker, docker: DockerCommand, runner_image: str, tag: str, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("# nothing\n")

    engine.build(_request(tmp_path, tag, runner_image, "requirements.txt", "--offline"), ignore)

    assert docker.run(tag).out == "/experiment/.venv []\n"


def test_a_project_without_dependencies_is_refused_with_the_reason(
    engine: Docker, runner_image: str, tag: str, tmp_path: Path
) -> None:
    request = _request(tmp_path, tag, runner_image, "Dockerfile")

    with pytest.raises(BuildFailed) as caught:
        engine.build(request, ignore)

    assert "neither pyproject.toml nor requirements.txt" in caught.value.message


def test_a_changed_source_line_installs_no_dependency_again(
    engine: Docker, toolbox_image: str, tag: str, repository: Path, tmp_path: Path
) -> None:
    del toolbox_image  # its layers are the cache
    _copy_context(repository, tmp_path)
    source = tmp_path / "toolbox" / "pxl_toolbox" / "__init__.py"
    source.write_text(source.read_text() + f"# {secrets.token_hex(4)}\n")
    told: list[Event] = []

    engine.build(
        BuildRequest(
            context=tmp_path,
            dockerfile=tmp_path / "image" / "Dockerfile",
            tags=(tag,),
            target="toolbox",
            build_args={"BASE_IMAGE": "pxl-base:bookworm"},
            timeout_s=150,
        ),
        told.append,
    )

    log = [event.line for event in told if isinstance(event, Log)]
    installs = [_number(line) for line in log if "pip sync" in line or "apt-get install" in line]
    cached = {_number(line) for line in log if line.endswith(" CACHED")}
    assert len(installs) >= 3
    assert set(installs) <= cached


def _number(line: str) -> str:
    return line.partition(" ")[0]


def _copy_context(repository: Path, target: Path) -> None:
    """What .dockerignore lets through, as make images sees it."""
    listed = subprocess.run(
        ["git", "ls-files", "pyproject.toml", "README.md", "LICENSE", ".dockerignore",
         "requirements", "image", "toolbox"],
        cwd=repository, capture_output=True, text=True, timeout=20, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repository / name, target / name)
    shutil.copytree(repository / "build" / "templates", target / "build" / "templates")
