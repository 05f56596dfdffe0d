"""Builds by the Docker CLI, because BuildKit has no other door: the SDK cannot speak to it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pxl_toolbox.adapters.process import Command, CommandTimeout, OnLine, Runner
from pxl_toolbox.core.errors import TimeLimitError, UnavailableError, UserCodeFailed
from pxl_toolbox.core.events import Emit, step

_ASK_LIMIT_S = 10.0
_TAIL_LINES = 25
_LAST_WITH_BUILDKIT_INSIDE = 22  # from 23 on, the client needs the buildx plugin for BuildKit


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What to build.

    `tags` are whole references. `secrets` maps an id to the file that holds it: the
    bytes are there for a `RUN --mount=type=secret,id=…` and in no layer. `network` is
    what RUN steps see ("host", or None for the engine's default). `timeout_s` is the limit
    of the whole build.
    """

    context: Path
    dockerfile: Path
    tags: tuple[str, ...]
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)
    network: str | None = None
    target: str | None = None
    timeout_s: float = 3600.0


class BuilderMissing(UnavailableError):
    """No Docker command on PATH can build with BuildKit."""

    def __init__(self, looked_at: Sequence[str]) -> None:
        seen = ", ".join(looked_at) or "there is no docker on PATH"
        super().__init__(
            f"no Docker command here can build with BuildKit: {seen}",
            hint="install the buildx plugin (Docker's docs: docker-buildx-plugin), "
            "or Debian 12's docker.io",
        )


class BuildFailed(UserCodeFailed):
    """The Dockerfile did not build. `log_tail` holds the last lines of the build's log."""

    def __init__(self, request: BuildRequest, log_tail: tuple[str, ...]) -> None:
        shown = "\n".join(f"    {line}" for line in log_tail)
        super().__init__(
            f"{request.dockerfile} did not build; the end of its log:\n{shown}",
            hint=f"correct {request.dockerfile}, then run the command again",
        )
        self.log_tail = log_tail


class BuildTimeout(TimeLimitError):
    """A build was still running at its limit, and was ended."""

    def __init__(self, request: BuildRequest) -> None:
        super().__init__(
            f"{request.dockerfile} was still building after {request.timeout_s:g} s",
            hint="give it a longer limit, or see in its log which step does not end",
        )


@dataclass(frozen=True, slots=True)
class Builder:
    """A Docker command that can build with BuildKit, and how it is told to."""

    program: str
    has_buildx: bool

    def argv(self, request: BuildRequest, iid_file: Path) -> tuple[str, ...]:
        verb = ("buildx", "build", "--load") if self.has_buildx else ("build",)
        return (
            self.program,
            *verb,
            "--progress=plain",
            f"--file={request.dockerfile}",
            f"--iidfile={iid_file}",
            *(f"--tag={tag}" for tag in request.tags),
            *(f"--build-arg={name}={value}" for name, value in request.build_args.items()),
            *(f"--label={name}={value}" for name, value in request.labels.items()),
            *(f"--secret={_secret(name, path)}" for name, path in request.secrets.items()),
            *((f"--network={request.network}",) if request.network else ()),
            *((f"--target={request.target}",) if request.target else ()),
            str(request.context),
        )


def find_builder(runner: Runner, search_path: str | None = None) -> Builder:
    """The first Docker command that can build with BuildKit; `search_path` is like PATH.

    Raises:
        BuilderMissing: there is none; it names each command that was looked at.
    """
    refused = []
    for program in _programs(os.environ.get("PATH", "") if search_path is None else search_path):
        if _ask(runner, program, "buildx", "version") is not None:
            return Builder(program, has_buildx=True)
        version = _ask(runner, program, "--version") or ""
        major = re.search(r"version (\d+)\.", version)
        if major and int(major[1]) <= _LAST_WITH_BUILDKIT_INSIDE:
            return Builder(program, has_buildx=False)
        refused.append(f"{program} has no buildx plugin")
    raise BuilderMissing(refused)


def build(runner: Runner, builder: Builder, request: BuildRequest, emit: Emit) -> str:
    """Build, and return the image's id. Each line of the build's log is a `Log` event.

    A build that is interrupted or out of time is ended with all that it started.

    Raises:
        BuildFailed: the Dockerfile, or what it runs, is wrong.
        BuildTimeout: it was still running after `request.timeout_s`.
    """
    with tempfile.TemporaryDirectory(prefix="pxl-build-") as folder, step(emit, "build") as running:
        iid_file = Path(folder) / "iid"
        command = Command(
            argv=builder.argv(request, iid_file),
            cwd=request.context,
            timeout_s=request.timeout_s,
            # Without attestations the same sources give the same manifest.
            env={"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        )
        _run(runner, command, request, running.log)
        image_id = iid_file.read_text().strip()
        running.outcome = image_id
    return image_id


def _run(runner: Runner, command: Command, request: BuildRequest, log: OnLine) -> None:
    try:
        done = runner.run(command, log)
    except CommandTimeout:
        raise BuildTimeout(request) from None
    if done.code != 0:
        lines = [line for line in (done.err + done.out).splitlines() if line.strip()]
        raise BuildFailed(request, tuple(lines[-_TAIL_LINES:]))


def _ask(runner: Runner, program: str, *words: str) -> str | None:
    command = Command(argv=(program, *words), cwd=Path("/"), timeout_s=_ASK_LIMIT_S)
    done = runner.run(command)
    return done.out if done.code == 0 else None


def _programs(search_path: str) -> list[str]:
    """Each docker on the path once, although /bin may be /usr/bin."""
    found: dict[Path, str] = {}
    for folder in filter(None, search_path.split(os.pathsep)):
        program = Path(folder) / "docker"
        if os.access(program, os.X_OK) and program.is_file():
            found.setdefault(program.resolve(), str(program))
    return list(found.values())


def _secret(name: str, path: Path) -> str:
    # The option is a line of CSV, so that a comma in a path has to be quoted.
    source = f"src={path}".replace('"', '""')
    return f'id={name},"{source}"'
