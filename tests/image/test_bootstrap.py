"""The shell of the set-up, and the locks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Once = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def once(repository: Path, tmp_path: Path) -> Once:
    """`once` on a folder with one file, counting its runs in another."""
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "file").write_text("1")

    def run(command: str = "echo ran >> runs") -> subprocess.CompletedProcess[str]:
        program = str(repository / "image" / "bootstrap" / "once")
        return subprocess.run(
            [program, "stamps/it", "inputs", "--", "sh", "-c", command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    return run


def _runs(folder: Path) -> int:
    return len((folder / "runs").read_text().splitlines())


def test_a_step_runs_once_for_the_same_inputs(once: Once, tmp_path: Path) -> None:
    once()
    once()

    assert _runs(tmp_path) == 1


def test_a_step_runs_again_when_a_file_changed_or_was_added(once: Once, tmp_path: Path) -> None:
    once()
    (tmp_path / "inputs" / "file").write_text("2")
    once()
    (tmp_path / "inputs" / "another").write_text("")
    once()

    assert _runs(tmp_path) == 3


def test_a_step_that_failed_runs_again(once: Once, tmp_path: Path) -> None:
    failed = once("echo ran >> runs; exit 3")
    once()

    assert failed.returncode == 3
    assert _runs(tmp_path) == 2


def test_no_lock_names_an_index(repository: Path) -> None:
    locks = list((repository / "requirements").glob("*.txt"))

    assert len(locks) >= 4
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        assert "--index-url" not in text
        assert "--hash=sha256:" in text


def test_the_locks_are_as_new_as_what_they_lock(repository: Path) -> None:
    check = [sys.executable, str(repository / "requirements" / "lock.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 0, done.stderr


def test_make_lists_its_targets(repository: Path) -> None:
    done = subprocess.run(
        ["make"], cwd=repository, capture_output=True, text=True, timeout=20, check=True
    )

    targets = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"setup", "test", "lint", "demo", "demo-down", "images", "lock", "wheel"} <= targets
