"""Starting and stopping an engine of our own, beside the one that is there."""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pxl_toolbox.adapters import engine_socket
from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.box import engine
from pxl_toolbox.box.engine import CannotStart, Place
from pxl_toolbox.box.processes import NotStarted
from pxl_toolbox.core.events import Event, ignore


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An engine that disturbs no other one.

    It has a network namespace of its own: with `--bridge=none`, an engine removes the bridge
    docker0 of its namespace, also that of another engine.
    """
    real = shutil.which("dockerd")
    assert real is not None, "this test starts an engine, which takes dockerd"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dockerd").write_text(f'#!/bin/sh\nexec unshare --net {real} "$@"\n')
    (programs / "dockerd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    # A path of a socket has at most 107 characters, and containerd's lie deep.
    with tempfile.TemporaryDirectory(prefix="pxl-") as short:
        folder = Path(short)
        made = Place(
            data=folder / "data",
            run=folder / "run",
            log=tmp_path / "dockerd.log",
            socket=folder / "docker.sock",
            options=("--bridge=none", "--iptables=false", "--ip-forward=false"),
        )
        yield made
        engine.stop(ignore, made)


def test_an_engine_that_we_start_answers_and_stops_again(place: Place) -> None:
    engine.start(place, ignore)
    answered = engine_socket.answers(place.socket)

    stopped = engine.stop(ignore, place)

    assert answered
    assert stopped
    assert not engine_socket.answers(place.socket)
    assert place.daemon().pid() is None


def test_an_engine_that_cannot_start_is_told_with_the_end_of_its_log(place: Place) -> None:
    broken = Place(
        data=place.data, run=place.run, log=place.log, socket=place.socket, options=("--no-such",)
    )

    with pytest.raises(NotStarted) as caught:
        engine.start(broken, ignore)

    assert "unknown flag: --no-such" in caught.value.message
    assert str(place.log) in caught.value.hint


def test_an_engine_that_answers_is_used_as_it_is(tmp_path: Path) -> None:
    told: list[Event] = []

    started = engine.ensure(LocalRunner(), told.append, Place(run=tmp_path))

    assert not started
    assert told == []


def test_an_engine_of_somebody_else_is_not_stopped(tmp_path: Path) -> None:
    stopped = engine.stop(ignore, Place(run=tmp_path))

    assert not stopped
    assert engine.status().answers


# The SDK leaves a socket that could not connect to the garbage collector, which complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_is_named_elsewhere_is_not_ours_to_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'nobody.sock'}")

    with pytest.raises(CannotStart) as caught:
        engine.ensure(LocalRunner(), ignore, Place(run=tmp_path))

    assert caught.value.exit_code == 5
    assert "apt-get install" in caught.value.hint
    del caught
    gc.collect()


def test_a_user_who_is_not_root_is_told_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(engine, "_answers", lambda: False)

    with pytest.raises(CannotStart) as caught:
        engine.ensure(LocalRunner(), ignore, Place(run=tmp_path))

    assert "takes root" in caught.value.message


def test_the_record_names_the_process_and_its_start(place: Place) -> None:
    engine.start(place, ignore)

    kept = json.loads((place.run / "engine.json").read_text())

    assert kept["pid"] == place.daemon().pid()
    assert kept["started_at"] > 0
