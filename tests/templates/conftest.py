"""A user's machine with our tools, and the template released into a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pxl_toolbox.adapters import uv
from pxl_toolbox.adapters.git import mapping_environment

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "templates" / "pipeline"
KINDS = (("processing", "dataset_version_creation"), ("training", "simple"))
ADDRESS = "pxl://templates/pipeline.git"


@dataclass(frozen=True)
class Machine:
    """Runs programs as a user would, without that user's own git, copier and login settings."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        *argv: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env={**os.environ, **self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def succeed(
        self,
        *argv: str | Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 120,
    ) -> str:
        done = self.run(*argv, cwd=cwd, env=env, timeout_s=timeout_s)
        assert done.returncode == 0, f"{argv} ended with {done.returncode}\n{done.stderr}"
        return done.stdout

    def pxl_pipeline(
        self, *argv: str | Path, cwd: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.run(program("pxl-pipeline"), *argv, cwd=cwd, env=env)

    def release(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> str:
        return self.succeed(
            sys.executable, ROOT / "templates" / "release.py", *argv, cwd=ROOT, env=env
        )


@dataclass(frozen=True)
class Released:
    """A folder with the template, as `release.py` fills it."""

    folder: Path

    @property
    def repository(self) -> Path:
        return self.folder / "pipeline.git"

    @property
    def mapping(self) -> dict[str, str]:
        """What lets a plain copier find the template."""
        return mapping_environment({ADDRESS: self.folder / "pipeline.bundle"})


def program(name: str) -> Path:
    """A program of the environment that runs the tests."""
    return Path(sys.executable).with_name(name)


def project_answers(kind: str, template: str, name: str = "resize-images") -> dict[str, str]:
    return {"type": kind, "template": template, "name": name}


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    home = tmp_path_factory.mktemp("home")
    # Downloads are shared with the machine's own cache: they are the same for everybody.
    packages = subprocess.run(
        [str(uv.find()), "cache", "dir"], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()
    return Machine(
        home,
        {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_DATA_HOME": str(home / "data"),
            "UV_CACHE_DIR": packages,
            "COPIER_CACHE_DIR": str(home / "copier"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Somebody",
            "GIT_AUTHOR_EMAIL": "somebody@example.org",
            "GIT_COMMITTER_NAME": "Somebody",
            "GIT_COMMITTER_EMAIL": "somebody@example.org",
        },
    )


@pytest.fixture(scope="session")
def released(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Released:
    folder = tmp_path_factory.mktemp("released")
    machine.release("--into", folder)
    return Released(folder)


@pytest.fixture(scope="session")
def edited(
    machine: Machine, released: Released, tmp_path_factory: pytest.TempPathFactory
) -> Released:
    """The same template with a release 1.1.0 after 1.0.0: a new comment, a new README line."""
    source = tmp_path_factory.mktemp("edited") / "pipeline"
    shutil.copytree(SOURCE, source)
    for kind, template in KINDS:
        steps = source / kind / template / "steps.py.jinja"
        steps.write_text(f"# Edited upstream.\n{steps.read_text()}")
        readme = source / kind / template / "README.md.jinja"
        readme.write_text(f"{readme.read_text().rstrip()}\nNew in 1.1.0.\n")
    folder = tmp_path_factory.mktemp("released-edited") / "templates"
    shutil.copytree(released.folder, folder)
    machine.release("--source", source, "--version", "1.1.0", "--into", folder)
    return Released(folder)


@pytest.fixture(scope="session")
def processing(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A processing pipeline with its environment; tests only read it."""
    folder = tmp_path_factory.mktemp("made")
    done = machine.pxl_pipeline("init", "resize-images", "--type", "processing", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "resize-images"


@pytest.fixture(scope="session")
def training(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training pipeline with its environment; tests only read it."""
    folder = tmp_path_factory.mktemp("made")
    done = machine.pxl_pipeline(
        "init", "tiles", "--type", "training", "--model-name", "tiles", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder / "tiles"
