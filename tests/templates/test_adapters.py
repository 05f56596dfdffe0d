"""The adapters for uv, git and copier, by what they run and by what they say when it goes wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pxl_toolbox.adapters import copier, prepared, uv
from pxl_toolbox.adapters.git import BareRepository, GitFailed, Signature, Worktree
from pxl_toolbox.adapters.process import Command, Completed, OnLine
from pxl_toolbox.core.errors import ConfigError

BY = Signature(name="Somebody", email="somebody@example.org", date="2026-01-02T03:04:05Z")


@dataclass
class ScriptedRunner:
    """Answers every command alike and keeps it."""

    answer: Completed = field(default_factory=lambda: Completed(0, "", "", 0.1))
    seen: list[Command] = field(default_factory=list)

    def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        del on_line
        self.seen.append(command)
        return self.answer


def test_an_install_is_from_the_lock_alone_and_not_into_our_own_environment(
    tmp_path: Path,
) -> None:
    runner = ScriptedRunner()

    uv.Uv(Path("uv"), runner).sync_frozen(tmp_path)

    (command,) = runner.seen
    assert command.argv == ("uv", "sync", "--frozen")
    assert command.cwd == tmp_path
    assert command.env["VIRTUAL_ENV"] is None


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda tool, folder: tool.sync_frozen(folder), "install the locked dependencies"),
        (lambda tool, folder: tool.lock(folder, cutoff="2026-01-01"), "lock the dependencies"),
        (lambda tool, folder: tool.install_requirements(folder), "install requirements.txt"),
    ],
)
def test_what_uv_could_not_do_is_told_with_its_own_last_words(
    tmp_path: Path, act: Callable[[uv.Uv, Path], None], words: str
) -> None:
    tool = uv.Uv(Path("uv"), ScriptedRunner(Completed(2, "", "no such version\n", 0.1)))

    with pytest.raises(uv.UvFailed) as caught:
        act(tool, tmp_path)

    assert words in caught.value.message
    assert caught.value.message.endswith("no such version")


def test_a_commit_of_the_same_files_by_the_same_signature_has_the_same_id(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("text\n")
    commits = []
    for name in ("one.git", "two.git"):
        repository = BareRepository(tmp_path / name)
        repository.create()
        tree = repository.tree_of(source, tmp_path / f"{name}.index")
        commits.append(repository.commit(tree, message="First", parent=None, by=BY))

    assert commits[0] == commits[1]


def test_a_bundle_holds_what_was_tagged(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("text\n")
    repository = BareRepository(tmp_path / "one.git")
    repository.create()
    tree = repository.tree_of(source, tmp_path / "index")
    commit = repository.commit(tree, message="First", parent=None, by=BY)
    repository.point("refs/tags/v1.0.0", commit)

    repository.bundle(tmp_path / "one.bundle")

    heads = subprocess.run(
        ["git", "bundle", "list-heads", "one.bundle"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=20,
    ).stdout  # fmt: skip
    assert heads == f"{commit} refs/tags/v1.0.0\n"


def test_a_folder_outside_of_git_is_told_in_gits_own_words(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="not a git repository"):
        Worktree(tmp_path).changes()


def test_a_template_that_is_not_there_names_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path / "cache"))
    missing = copier.Template("git+pxl://templates/none.git", tmp_path / "none.bundle")

    with pytest.raises(copier.TemplateUnreadable) as caught:
        copier.copy(missing, tmp_path / "project", {})

    assert str(tmp_path / "none.bundle") in caught.value.message
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize("text", ["not json", "{}", '{"version": 1}', "[]"])
def test_a_file_that_is_no_prepared_template_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pipeline.json"
    file.write_text(text)

    with pytest.raises(ConfigError, match=r"pipeline\.json is not a prepared template"):
        prepared.Prepared.read(file)


def test_importing_what_makes_a_project_imports_neither_copier_nor_jinja() -> None:
    script = (
        "import sys, pxl_pipeline.api.scaffold, pxl_pipeline.cli.init\n"
        "print({'copier', 'jinja2', 'yaml', 'picsellia', 'docker'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )

    assert done.stdout == "set()\n"
