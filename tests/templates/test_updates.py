"""`copier copy` and `copier update` by the plain program, as somebody without us types them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pxl_pipeline.api.scaffold import ADDRESS
from pxl_toolbox.adapters import copier
from pxl_toolbox.adapters.git import Worktree

if TYPE_CHECKING:
    from tests.templates.conftest import Machine, Released

COPIER = Path(sys.executable).with_name("copier")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=[("processing", "dataset_version_creation"), ("training", "simple")])
def project(
    request: pytest.FixtureRequest, machine: Machine, released: Released, tmp_path: Path
) -> Path:
    """A project of version 1.0.0, committed."""
    kind, template = request.param
    folder = tmp_path / "resize-images"
    data = ("type", kind), ("template", template), ("name", "resize-images")
    machine.succeed(
        COPIER, "copy", "--defaults", *(f"--data={key}={value}" for key, value in data),
        ADDRESS, folder,
        cwd=tmp_path, env=released.mapping,
    )  # fmt: skip
    machine.succeed("git", "init", "-q", cwd=folder)
    _commit(machine, folder)
    return folder


def _commit(machine: Machine, folder: Path) -> None:
    machine.succeed("git", "add", "--all", cwd=folder)
    machine.succeed("git", "commit", "-qm", "As it is", cwd=folder)


def _update(machine: Machine, folder: Path, released: Released) -> None:
    machine.succeed(COPIER, "update", "--defaults", cwd=folder, env=released.mapping)


def test_an_untouched_project_becomes_the_new_version(
    machine: Machine, project: Path, edited: Released
) -> None:
    _update(machine, project, edited)

    answers = (project / ".copier-answers.yml").read_text()
    assert "_commit: v1.1.0\n" in answers
    assert f"_src_path: {ADDRESS}\n" in answers
    assert (project / "steps.py").read_text().startswith("# Edited upstream.\n")
    assert (project / "README.md").read_text().endswith("New in 1.1.0.\n")
    assert Worktree(project).unmerged() == ()


def test_edits_elsewhere_in_the_same_files_are_kept(
    machine: Machine, project: Path, edited: Released
) -> None:
    steps = project / "steps.py"
    steps.write_text(f"{steps.read_text()}\n# Mine.\n")
    config = project / "config.toml"
    config.write_text(config.read_text().replace('image_name = ""', 'image_name = "mine"'))
    (project / "notes.txt").write_text("mine\n")
    _commit(machine, project)

    _update(machine, project, edited)

    merged = steps.read_text()
    assert merged.startswith("# Edited upstream.\n")
    assert merged.endswith("# Mine.\n")
    assert 'image_name = "mine"' in config.read_text()
    assert (project / "notes.txt").read_text() == "mine\n"
    assert Worktree(project).unmerged() == ()


def test_an_edit_of_the_same_line_is_a_conflict_that_can_be_listed(
    machine: Machine, project: Path, edited: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in machine.environment.items():
        monkeypatch.setenv(variable, value)
    steps = project / "steps.py"
    steps.write_text(f"# Mine comes first.\n{steps.read_text()}")
    _commit(machine, project)

    version = copier.update(copier.Template(ADDRESS, edited.folder / "pipeline.bundle"), project)

    assert version == "v1.1.0"
    assert Worktree(project).unmerged() == ("steps.py",)
    assert "# Mine comes first." in steps.read_text()
    assert "# Edited upstream." in steps.read_text()


def test_a_project_with_uncommitted_edits_is_refused_and_left_alone(
    machine: Machine, project: Path, edited: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in machine.environment.items():
        monkeypatch.setenv(variable, value)
    steps = project / "steps.py"
    steps.write_text("mine = 1\n")

    with pytest.raises(copier.TemplateFailed, match="dirty"):
        copier.update(copier.Template(ADDRESS, edited.folder / "pipeline.bundle"), project)

    assert Worktree(project).changes() == (" M steps.py",)
    assert steps.read_text() == "mine = 1\n"
