"""What a made project looks like: its files, its lock, its style."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pxl_pipeline.api import scaffold
from pxl_toolbox.adapters import copier, prepared

if TYPE_CHECKING:
    from tests.templates.conftest import Machine, Released

KINDS = (("processing", "dataset_version_creation"), ("training", "simple"))
SHARED = {
    *(".copier-answers.yml", ".devcontainer/devcontainer.json", ".dockerignore", ".gitignore"),
    *("Dockerfile", "README.md", "config.toml", "pipeline.py", "runs/run_config.toml"),
    *("steps.py", "utils/__init__.py", "utils/parameters.py"),
}
OWN = {"processing": {"utils/processing.py"}, "training": {"utils/data.py", "utils/model.py"}}
AWKWARD = {
    "model_name": 'a "model": é',
    "model_version_name": "1.0",
    "model_version_id": "0196a0ec-e802-775f-818a-4d3482f31d31",
    "framework": "ONNX",
}

IMPORTS = """
from picsellia_pipeline.core import pipeline, step
import picsellia_cv_engine as engine
assert (pipeline, step) == (engine.pipeline, engine.step)
"""

pytestmark = pytest.mark.timeout(120)


def _render(released: Released, target: Path, answers: dict[str, str | bool]) -> Path:
    found = prepared.Prepared.read(released.folder / "pipeline.json")
    prepared.render(found, target, answers, address=scaffold.ADDRESS)
    return target


def _files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(("kind", "template"), KINDS)
@pytest.mark.parametrize("needed", ["pyproject.toml", "requirements.txt"])
def test_a_project_has_the_documented_files(
    released: Released, tmp_path: Path, kind: str, template: str, needed: str
) -> None:
    use_pyproject = needed == "pyproject.toml"

    project = _render(
        released,
        tmp_path / "resize-images",
        {
            "type": kind,
            "template": template,
            "name": "resize-images",
            "use_pyproject": use_pyproject,
        },
    )

    packages = {"pyproject.toml", "uv.lock"} if use_pyproject else {"requirements.txt"}
    assert set(_files(project)) == SHARED | OWN[kind] | packages
    config = tomllib.loads((project / "config.toml").read_text())
    assert config["execution"]["requirements_file"] == needed
    assert f" {needed} " in (project / "Dockerfile").read_text()


@pytest.mark.parametrize(("kind", "template"), KINDS)
@pytest.mark.parametrize("name", ["a", "resize-images", "snake_case", "a" * 50])
def test_a_project_passes_ruff_as_it_is_made(
    machine: Machine, released: Released, tmp_path: Path, kind: str, template: str, name: str
) -> None:
    project = _render(released, tmp_path / name, {"type": kind, "template": template, "name": name})

    ruff = Path(sys.executable).with_name("ruff")
    machine.succeed(ruff, "check", "--no-cache", ".", cwd=project)
    machine.succeed(ruff, "format", "--no-cache", "--check", ".", cwd=project)


def test_a_prepared_template_renders_what_copier_renders(
    released: Released, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in machine.environment.items():
        monkeypatch.setenv(variable, value)
    template = copier.Template(scaffold.ADDRESS, released.folder / "pipeline.bundle")
    names, styles = ("mm-3", "snake_case"), (True, False)
    for number, ((kind, folder), name, use_pyproject) in enumerate(
        itertools.product(KINDS, names, styles)
    ):
        answers: dict[str, str | bool] = {
            "type": kind, "template": folder, "name": name, "use_pyproject": use_pyproject
        }  # fmt: skip
        if kind == "training" and use_pyproject:
            answers |= AWKWARD
        by_copier = tmp_path / f"copier-{number}"
        assert copier.copy(template, by_copier, answers) == "v1.0.0"

        ours = _render(released, tmp_path / f"ours-{number}", answers)

        assert _files(ours) == _files(by_copier)


@pytest.mark.parametrize("name", ["aaa", "nnn", "zzz"])
def test_the_lock_is_what_uv_would_write_wherever_the_name_falls(
    machine: Machine, released: Released, tmp_path: Path, name: str
) -> None:
    from pxl_toolbox.adapters import uv

    project = _render(
        released, tmp_path / name, {"type": "training", "template": "simple", "name": name}
    )
    before = (project / "uv.lock").read_text()

    machine.succeed(uv.find(), "lock", "--offline", cwd=project)

    assert (project / "uv.lock").read_text() == before


def test_a_project_is_clean_for_mypy_in_its_own_environment(
    machine: Machine, training: Path
) -> None:
    mypy = Path(sys.executable).with_name("mypy")
    python = training / ".venv" / "bin" / "python"

    machine.succeed(
        mypy, "--no-incremental", "--cache-dir", os.devnull, "--python-executable", python, ".",
        cwd=training,
    )  # fmt: skip


@pytest.mark.parametrize("project", ["processing", "training"])
def test_the_documented_imports_work_in_a_project(
    request: pytest.FixtureRequest, project: str
) -> None:
    folder: Path = request.getfixturevalue(project)
    runtime = Path(scaffold.__file__).parents[1] / "runtime"

    done = subprocess.run(
        [
            str(folder / ".venv" / "bin" / "python"),
            "-c",
            IMPORTS,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(runtime)},
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
