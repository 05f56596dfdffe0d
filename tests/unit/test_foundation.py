"""Errors, redaction, files, and start-up."""

import base64
import importlib
import json
import os
import pkgutil
import stat
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

import pxl_pipeline
import pxl_platform
import pxl_toolbox
from pxl_toolbox.adapters.files import locked, write_atomically
from pxl_toolbox.core.errors import ConflictError, ExitCode, ToolboxError
from pxl_toolbox.core.redaction import Redactor

ROOT = Path(__file__).parents[2]


def subclasses(kind: type[ToolboxError]) -> list[type[ToolboxError]]:
    found = list(kind.__subclasses__())
    return found + [deep for one in found for deep in subclasses(one)]


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()

    missing = [code.name for code in ExitCode if f"| {code.value} |" not in text]

    assert missing == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the SDK's own libraries
def test_every_error_has_an_exit_code_below_those_of_docker_and_shells() -> None:
    for package in (pxl_toolbox, pxl_pipeline, pxl_platform):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".runtime" not in module.name and "migrations" not in module.name:
                importlib.import_module(module.name)

    codes = {kind.__name__: kind.exit_code for kind in subclasses(ToolboxError)}

    wrong = {
        name: code
        for name, code in codes.items()
        if not (0 < code < 125 or code is ExitCode.INTERRUPTED)
    }
    assert wrong == {}
    assert len(codes) > 20


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("pxl_pipeline.cli", "copier picsellia docker rich pydantic tomlkit"),
        ("pxl_toolbox.cli.app", "copier picsellia docker rich pydantic tomlkit"),
        ("pxl_platform.cli", "copier picsellia docker sqlalchemy starlette granian rich pydantic"),
    ],
)
def test_help_loads_nothing_heavy(program: str, heavy: str) -> None:
    source = f"""
import sys
sys.argv = ["program", "--help"]
import {program} as cli
try:
    cli.main()
except SystemExit as done:
    assert done.code == 0, done.code
loaded = [name for name in {heavy.split()!r} if name in sys.modules]
print("LOADED", loaded)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=20
    )

    assert "LOADED []" in done.stdout


SECRET = 'pässword-"with"/all\nsecond-line-of-it'


@pytest.mark.parametrize(
    "spelling",
    [
        "second-line-of-it",
        quote(SECRET, safe=""),
        json.dumps(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_spelling_of_a_secret_is_masked(spelling: str) -> None:
    masked = Redactor([SECRET])(f"before {spelling} after")

    assert "second-line-of-it" not in masked
    assert spelling.rstrip("=") not in masked
    assert masked.startswith("before ")


def test_short_words_are_not_masked() -> None:
    assert Redactor(["a"])("a banana") == "a banana"


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)

    write_atomically(path, "new")

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")

    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)

    write_atomically(link, "new")

    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_lock_is_refused_while_another_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(ConflictError, match="another process"), locked(path):
        pass


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    release = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with locked(path):
            held.set()
            release.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    threading.Timer(0.3, release.set).start()

    with locked(path, wait_s=5):
        assert release.is_set()
    holder.join()
