"""Bad input: one error, one hint, the right exit code, and everything as it was."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.cli.conftest import Tiny, User

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


def refused(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    """One error line, lines of a log or a traceback of the user's at most, and one hint."""
    lines = [line for line in done.stderr.splitlines() if not re.match(r"\w+( …|: | done)", line)]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == code, done.stderr
    assert len(errors) == 1, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert lines[-1].startswith("  try: "), done.stderr
    assert "pxl_pipeline/" not in done.stderr, "a traceback of ours"


@pytest.mark.parametrize("command", ["test", "smoke-test", "deploy", "sync"])
def test_an_unknown_pipeline_is_told(member: User, tiny: Tiny, command: str) -> None:
    refused(member.pxl(command, "tinny"), 4, "there is no pipeline 'tinny'")


def test_no_pipeline_at_all_asks_for_a_name(member: User) -> None:
    refused(member.pxl("deploy"), 2, "no pipeline was named")


@pytest.mark.parametrize("command", ["test", "deploy"])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[metadata]", "[metadata", r"tiny/config\.toml:1: not TOML"),
        ("[execution]", "[other]", r"config\.toml: execution: the section is missing"),
        ('name = "tiny"', 'title = "tiny"', r"config\.toml:1: metadata\.name: the key is missing"),
        ("cpu = 1", 'cpu = "one"', r"config\.toml:15: docker\.cpu: must be a whole number"),
    ],
)
def test_a_wrong_config_is_told_with_its_line(
    member: User, tiny: Tiny, command: str, old: str, new: str, message: str
) -> None:
    tiny.edit("config.toml", old, new)
    before = tiny.snapshot()

    refused(member.pxl(command, "tiny"), 3, message)

    assert tiny.snapshot() == before


def test_an_id_that_the_platform_does_not_have_is_told(member: User, tiny: Tiny) -> None:
    tiny.edit("runs/run_config.toml", "01892b87", "ffffffff")
    before = tiny.snapshot()

    done = member.pxl("test", "tiny")

    refused(done, 3, r"run_config\.toml:8: .* the platform has no dataset version 'ffffffff")
    assert tiny.snapshot() == before


def test_parameters_that_do_not_import_show_their_own_traceback(member: User, tiny: Tiny) -> None:
    tiny.write("parameters.py", "import no_such_module\n")
    before = tiny.snapshot()

    done = member.pxl("test", "tiny")

    refused(done, 1, "your code in .*parameters.py raised an exception")
    assert "  | ModuleNotFoundError: No module named 'no_such_module'" in done.stderr
    assert "probe.py" not in done.stderr
    assert tiny.snapshot() == before


def test_a_parameter_without_a_default_is_told_with_its_line(member: User, tiny: Tiny) -> None:
    tiny.edit("parameters.py", 'log_data.get("size", 3)', 'log_data["size"]')

    done = member.pxl("test", "tiny")

    refused(done, 3, r"parameters\.py:3: ProcessingParameters\.size: has no default \(size\)")


def test_another_missing_key_is_the_users_own_error(member: User, tiny: Tiny) -> None:
    tiny.edit("parameters.py", 'log_data.get("size", 3)', "{}['mine']")

    done = member.pxl("test", "tiny")

    refused(done, 1, "your code in .*parameters.py raised an exception")
    assert "  | KeyError: 'mine'" in done.stderr


def test_a_class_that_is_not_there_is_an_error_of_the_config(member: User, tiny: Tiny) -> None:
    tiny.edit("config.toml", ":ProcessingParameters", ":Nope")

    done = member.pxl("test", "tiny")

    refused(done, 3, r"config\.toml:10: execution\.parameters_class: .* has no class Nope")


def test_a_parameter_that_cannot_be_sent_is_told_with_its_line(member: User, tiny: Tiny) -> None:
    tiny.edit("parameters.py", 'log_data.get("size", 3)', "{1, 2}")
    tiny.edit("parameters.py", "        self.size", "        self.sizes = 1\n        self.size")

    done = member.pxl("deploy", "tiny")

    refused(done, 3, r"parameters\.py:4: ProcessingParameters\.size: \{1, 2\} cannot be sent")


def test_parameters_that_end_python_do_not_end_us(member: User, tiny: Tiny) -> None:
    tiny.write("parameters.py", "import os\nos._exit(7)\n")

    refused(member.pxl("test", "tiny"), 1, "ended Python with code 7")


@pytest.mark.parametrize("command", ["smoke-test", "deploy"])
def test_no_engine_is_told(member: User, tiny: Tiny, command: str) -> None:
    before = tiny.snapshot()

    refused(member.pxl(command, "tiny", env=NO_ENGINE), 5, "no Docker engine answers")

    assert tiny.snapshot() == before


def test_a_missing_run_config_is_told(member: User, tiny: Tiny) -> None:
    done = member.pxl("launch", "tiny", "--run-config-file", "nowhere.toml")

    refused(done, 4, "there is no run config nowhere.toml")


def test_a_launch_of_what_was_never_deployed_says_how_to_deploy(member: User, tiny: Tiny) -> None:
    tiny.edit("config.toml", 'name = "tiny"', 'name = "never-deployed"')

    done = member.pxl("launch", "tiny", "--run-config-file", tiny.run_config)

    refused(done, 4, "has no processing 'never-deployed'")
    assert "try: pxl-pipeline deploy" in done.stderr


def test_a_launch_never_rewrites_the_run_config(member: User, tiny: Tiny) -> None:
    before = tiny.run_config.read_bytes()

    member.pxl("launch", "tiny", "--run-config-file", tiny.run_config)

    assert tiny.run_config.read_bytes() == before


def test_whoever_is_not_logged_in_is_told(user: User, tiny: Tiny) -> None:
    for command in ("test", "deploy", "sync"):
        refused(user.pxl(command, "tiny"), 6, "not logged in")


def test_a_wrong_option_is_a_usage_error(member: User, tiny: Tiny) -> None:
    done = member.pxl("deploy", "tiny", "--bump", "huge")

    assert done.returncode == 2
    assert "--bump" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("nope",),
        ("deploy", "tiny", "--bogus"),
        ("deploy", "--bump", "huge"),
        ("launch", "tiny"),
        ("switch", "local"),
        ("init",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_as_every_error_is(user: User, words: tuple[str, ...]) -> None:
    done = user.pxl(*words)

    assert done.returncode == 2
    assert re.fullmatch(r"error: [^\n]+\n  try: [^\n]+--help\n", done.stderr), done.stderr


def test_an_answer_that_cannot_be_written_is_told(user: User) -> None:
    done = user.run("sh", "-c", "pxl-pipeline --version > /dev/full")

    assert done.returncode == 5
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("after_s", [0.05, 0.1, 0.2, 0.3])
def test_an_interruption_at_any_time_is_told_as_one(
    member: User, tiny: Tiny, after_s: float
) -> None:
    process = member.start("pxl-pipeline", "test", "tiny")
    time.sleep(after_s)

    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=15)

    # Until Python has read our first line it ends by the signal itself, as any program.
    assert process.returncode in {130, -signal.SIGINT}
    assert "pxl_pipeline/" not in err
