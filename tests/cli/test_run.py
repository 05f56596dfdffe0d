"""test, and the sync of parameters: real processes, a real platform."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from pxl_toolbox.adapters.process import process_started_at

if TYPE_CHECKING:
    from tests.cli.conftest import Platform, Tiny, User

Until = Callable[[Callable[[], bool], float, str], None]


def test_a_run_leaves_its_config_its_log_and_its_outcome(member: User, tiny: Tiny) -> None:
    done = member.pxl("test", "tiny", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    run = tiny.folder / "runs" / "run1"
    assert report["passed"] is True
    assert report["folder"] == str(run)
    assert f"--config-file {run / 'run_config.toml'} --mode local" in (run / "run.log").read_text()
    assert json.loads((run / "outcome.json").read_text())["exit_code"] == 0


def test_the_config_that_a_run_reads_has_what_it_needs(member: User, tiny: Tiny) -> None:
    member.pxl("test", "tiny")

    text = (tiny.folder / "runs" / "run1" / "run_config.toml").read_text()

    assert 'organization_name = "local"' in text
    assert "[parameters]\nsize = 3" in text
    assert 'origin_name = "tiles"' in text


def test_a_run_does_not_rewrite_the_run_config_of_the_user(member: User, tiny: Tiny) -> None:
    before = tiny.run_config.read_bytes()

    member.pxl("test", "tiny", "--run-config-file", tiny.run_config)

    assert tiny.run_config.read_bytes() == before


def test_the_token_reaches_the_pipeline_and_no_log(
    member: User, tiny: Tiny, platform: Platform
) -> None:
    done = member.pxl("test", "tiny")

    log = (tiny.folder / "runs" / "run1" / "run.log").read_text()
    assert "token ***" in log
    assert platform.token not in log + done.stdout + done.stderr


def test_a_pipeline_that_fails_is_told_with_its_code(member: User, tiny: Tiny) -> None:
    tiny.write("exit_code", "3")

    done = member.pxl("test", "tiny", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["exit_code"] == 3
    assert "error: the pipeline ended with exit code 3" in done.stderr


def test_the_latest_folder_is_used_again_on_demand(member: User, tiny: Tiny) -> None:
    member.pxl("test", "tiny")
    member.pxl("test", "tiny", "--reuse-dir")
    member.pxl("test", "tiny")

    runs = sorted(path.name for path in (tiny.folder / "runs").iterdir() if path.is_dir())
    assert runs == ["run1", "run2"]


def test_inside_the_folder_the_name_may_be_left_out(member: User, tiny: Tiny) -> None:
    done = member.run("sh", "-c", "cd tiny && pxl-pipeline test -q")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("passed in ")
    assert done.stderr == ""


def test_an_interruption_leaves_nothing_running(member: User, tiny: Tiny, until: Until) -> None:
    tiny.write("sleep", "")
    tiny.edit(
        "pipeline.py", "from pathlib", "open('pid', 'w').write(str(os.getpid()))\nfrom pathlib"
    )
    process = member.start("pxl-pipeline", "test", "tiny")
    pid_file = tiny.folder / "pid"
    until(lambda: pid_file.exists() and pid_file.read_text() != "", 20, "the pipeline")

    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=15)

    assert process.returncode == 130
    assert "error: interrupted" in err
    until(lambda: process_started_at(int(pid_file.read_text())) is None, 5, "the end")
    outcome = json.loads((tiny.folder / "runs" / "run1" / "outcome.json").read_text())
    assert (outcome["passed"], outcome["interrupted"]) == (False, "Stopped")


def test_progress_can_be_read_by_a_program(member: User, tiny: Tiny) -> None:
    done = member.pxl("test", "tiny", "--progress", "json", "--json")

    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"started", "log", "finished"} <= {event["event"] for event in events}
    assert json.loads(done.stdout)["passed"] is True
