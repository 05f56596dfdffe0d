"""How a base image is made where none can be pulled."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pxl_toolbox.adapters.docker import BuildRequest, PullRefused
from pxl_toolbox.adapters.process import Command, Completed, OnLine
from pxl_toolbox.box import base_image, debian
from pxl_toolbox.box.base_image import BASE_IMAGE, BaseNotMade
from pxl_toolbox.box.debian import PackagesMissing, PackagesRefused
from pxl_toolbox.core.events import ignore

_APT = """http://mirror.test/debian/ bookworm main
http://mirror.test/debian/ bookworm-updates main
http://mirror.test/debian/ bookworm contrib
http://tools.test/apt tools-bookworm main
http://mirror.test/security/ bookworm-security main
"""


@dataclass
class ScriptedRunner:
    """Answers by a command's program; mmdebstrap leaves its tree behind."""

    apt: str = _APT
    code: int = 0
    seen: list[Command] = field(default_factory=list)

    def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        del on_line
        self.seen.append(command)
        if command.argv[0] == "mmdebstrap":
            (command.cwd / "rootfs.tar").write_bytes(b"tree")
        out = self.apt if "indextargets" in command.argv else ""
        return Completed(self.code, out, "E: refused", 0.1)


@dataclass
class ScriptedEngine:
    """An engine with or without the base image, and with or without a registry to pull from."""

    has: bool = False
    reaches_registry: bool = False
    built: list[BuildRequest] = field(default_factory=list)
    tagged: list[tuple[str, str]] = field(default_factory=list)

    def image(self, _reference: str) -> object | None:
        return object() if self.has else None

    def pull(self, reference: str, _emit: object) -> None:
        if not self.reaches_registry:
            raise PullRefused(reference, "no such host")

    def tag(self, reference: str, new: str) -> None:
        self.tagged.append((reference, new))

    def build(self, request: BuildRequest, _emit: object) -> None:
        self.built.append(request)


def _ensure(engine: Any, runner: ScriptedRunner, **options: bool) -> str:
    return base_image.ensure(engine, runner, ignore, sources=Path("/image/base"), **options)


@pytest.fixture
def mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mmdebstrap").write_text("#!/bin/sh\n")
    (tmp_path / "mmdebstrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_a_base_image_that_is_there_is_left_alone() -> None:
    runner = ScriptedRunner()

    assert _ensure(ScriptedEngine(has=True), runner) == BASE_IMAGE
    assert runner.seen == []


def test_where_a_registry_answers_the_official_image_gets_our_name() -> None:
    engine, runner = ScriptedEngine(reaches_registry=True), ScriptedRunner()

    _ensure(engine, runner)

    assert engine.tagged == [("debian:bookworm-slim", BASE_IMAGE)]
    assert runner.seen == []


@pytest.mark.usefixtures("mmdebstrap")
def test_without_a_registry_it_is_made_of_the_packages_that_this_machine_knows() -> None:
    engine, runner = ScriptedEngine(), ScriptedRunner()

    _ensure(engine, runner)

    made = next(command for command in runner.seen if command.argv[0] == "mmdebstrap")
    assert made.stdin.decode().splitlines() == [
        "deb http://mirror.test/debian/ bookworm main",
        "deb http://mirror.test/debian/ bookworm-updates main",
        "deb http://mirror.test/security/ bookworm-security main",
    ]
    assert [request.tags for request in engine.built] == [(BASE_IMAGE,)]


@pytest.mark.usefixtures("mmdebstrap")
def test_it_can_be_made_again_for_security_updates() -> None:
    engine = ScriptedEngine(has=True)

    _ensure(engine, ScriptedRunner(), rebuild=True)

    assert len(engine.built) == 1


@pytest.mark.usefixtures("mmdebstrap")
def test_an_apt_that_does_not_know_this_debian_is_told_so() -> None:
    runner = ScriptedRunner(apt="http://mirror.test/ubuntu/ noble main\n")

    with pytest.raises(BaseNotMade) as caught:
        _ensure(ScriptedEngine(), runner)

    assert "does not know Debian bookworm" in caught.value.message
    assert caught.value.exit_code == 5


def test_packages_are_named_where_we_may_not_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(PackagesMissing) as caught:
        debian.install(ScriptedRunner(), ignore, ("mmdebstrap",), what_for="a base image")

    assert "apt-get install --no-install-recommends mmdebstrap" in caught.value.hint


def test_an_apt_get_that_refuses_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    with pytest.raises(PackagesRefused) as caught:
        debian.install(ScriptedRunner(code=100), ignore, ("x",), what_for="a test")

    assert "E: refused" in caught.value.message


def test_package_lists_are_fetched_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    runner = ScriptedRunner()

    debian.install(runner, ignore, ("x",), what_for="a test")

    assert [command.argv[-1] for command in runner.seen] == ["update", "x"]
