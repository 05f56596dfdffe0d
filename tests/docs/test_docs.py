"""What the documents say is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PROGRAMS = ("pxl-pipeline", "pxl-platform", "pxl-toolbox")
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


@cache
def help_of(*words: str) -> str:
    return subprocess.run(
        [str(BIN / words[0]), *words[1:], "--help"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env={"TERM": "dumb", "COLUMNS": "100", "PATH": "/usr/bin:/bin"},
    ).stdout


def commands_of(*words: str) -> list[str]:
    """The commands that a program's, or a group's, help lists."""
    _, _, listed = help_of(*words).partition("\nCommands:\n")
    return re.findall(r"^  ([a-z][a-z-]*)", listed, re.MULTILINE)


ALL_COMMANDS = [(program, command) for program in PROGRAMS for command in commands_of(program)]


def shown_commands() -> list[list[str]]:
    """Every command of ours in a code block of a document."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```bash\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] in PROGRAMS:
                    found.append(words)
    return found


def test_the_readme_shows_the_whole_way() -> None:
    shown = {words[1] for words in shown_commands() if words[0] == "pxl-pipeline"}

    assert {"login", "init", "test", "smoke-test", "deploy", "launch"} <= shown


@pytest.mark.parametrize("words", shown_commands(), ids=" ".join)
def test_a_command_in_a_document_exists_with_its_options(words: list[str]) -> None:
    program, command, *rest = words
    options = [word.partition("=")[0] for word in rest if word.startswith("-")]

    assert command in commands_of(program)
    text = help_of(program, command)
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize(("program", "command"), ALL_COMMANDS)
def test_every_command_has_a_help_with_an_example(program: str, command: str) -> None:
    inner = commands_of(program, command)
    pages = [help_of(program, command, one) for one in inner] or [help_of(program, command)]

    for page in pages:
        assert f"Example: {program} {command}" in " ".join(page.split())


def test_every_make_target_in_a_document_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {
        target
        for document in DOCUMENTS
        for target in re.findall(
            r"`make ([a-z-]+)`|^make ([a-z-]+)", document.read_text(), re.MULTILINE
        )
        for target in target
        if target
    }

    assert shown
    assert shown <= targets


def test_every_link_to_a_file_leads_somewhere() -> None:
    missing = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]

    assert missing == []


def test_no_tracked_file_names_a_package_registry() -> None:
    names = ("py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    ).stdout.split("\0")

    found = [
        name
        for name in listed
        if name
        and (ROOT / name).is_file()
        and any(host in (ROOT / name).read_text(errors="replace") for host in names)
    ]

    assert found == []


def test_the_table_of_measurements_is_filled() -> None:
    rows = re.findall(
        r"^\| `.*\| 1/[\d.]+ \| 1/\d \|$", (ROOT / "README.md").read_text(), re.MULTILINE
    )

    assert len(rows) == 4
