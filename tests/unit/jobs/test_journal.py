"""The journal keeps what was done, whatever happens to the process that did it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pxl_toolbox.core.errors import ConflictError
from pxl_toolbox.jobs.journal import (
    Journal,
    JournalBroken,
    JournalUnusable,
    StepBusy,
    StepMoved,
    StepState,
)
from pxl_toolbox.jobs.owners import instance_id

STEPS = ("build", "push", "register")

# A deploy in small: each step leaves a line in a file, as the trace of its work.
DEPLOY = """
import sys
from pathlib import Path
from pxl_toolbox.jobs.journal import Journal

folder = Path(sys.argv[1])
with Journal(folder / "journal.sqlite") as journal:
    results = []
    for name in ("build", "push", "register"):
        with journal.step(thing="tiling", step=name, input_hash="one") as attempt:
            if not attempt.done:
                with (folder / "work").open("a") as work:
                    work.write(name + "\\n")
                attempt.finish("result of " + name)
        results.append(attempt.result)
print(results)
"""


def deploy(folder: Path, fault: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DEPLOY, str(folder)],
        env={**os.environ, "PXL_FAULT": fault},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def worked(folder: Path) -> list[str]:
    path = folder / "work"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("point", ["begin", "begun", "worked", "done"])
def test_a_kill_at_any_point_loses_nothing_and_repeats_only_the_open_step(
    tmp_path: Path, step: str, point: str
) -> None:
    killed = deploy(tmp_path, f"journal.{step}.{point}=kill")
    assert killed.returncode == -9

    again = deploy(tmp_path)

    assert again.stdout == "['result of build', 'result of push', 'result of register']\n"
    repeated = [step] if point == "worked" else []
    assert sorted(worked(tmp_path)) == sorted([*STEPS, *repeated])


def test_a_step_that_is_done_is_not_done_again_and_its_result_is_read_back(tmp_path: Path) -> None:
    deploy(tmp_path)

    assert deploy(tmp_path).returncode == 0
    assert worked(tmp_path) == list(STEPS)


def test_another_input_is_another_step(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        with journal.step(thing="t", step="build", input_hash="one") as first:
            first.finish("image one")
        with journal.step(thing="t", step="build", input_hash="two") as second:
            assert not second.done


def test_a_block_that_says_nothing_is_done_at_its_end(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        with journal.step(thing="t", step="save", input_hash="x"):
            pass

        (record,) = journal.records("t")

    assert (record.state, record.result, record.attempts) == (StepState.DONE, "", 1)


def test_a_failed_step_keeps_its_reason_and_is_tried_again(tmp_path: Path) -> None:
    def broken_push(journal: Journal) -> None:
        with journal.step(thing="t", step="push", input_hash="x") as attempt:
            attempt.remember("remote 7")
            raise ConflictError("the registry is full", hint="empty it")

    with Journal(tmp_path / "j") as journal:
        with pytest.raises(ConflictError):
            broken_push(journal)
        (failed,) = journal.records("t")

        retried = journal.begin(thing="t", step="push", input_hash="x")

    assert (failed.state, failed.error) == (StepState.FAILED, "the registry is full")
    assert (retried.number, retried.handle, retried.running) == (2, "", True)


def test_a_step_of_a_living_process_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as mine, Journal(tmp_path / "j") as other:
        mine.begin(thing="t", step="push", input_hash="x")

        with pytest.raises(StepBusy):
            other.begin(thing="t", step="push", input_hash="x")


def test_what_a_dead_process_left_running_is_taken_over_with_its_handle(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as dead:
        dead.begin(thing="t", step="run", input_hash="x").remember("container 12")

    with Journal(tmp_path / "j") as heir:
        attempt = heir.begin(thing="t", step="run", input_hash="x")

    assert (attempt.handle, attempt.number, attempt.done) == ("container 12", 2, False)


def test_an_attempt_that_was_taken_over_can_tell_nothing_any_more(tmp_path: Path) -> None:
    dead = Journal(tmp_path / "j")
    late = dead.begin(thing="t", step="run", input_hash="x")
    dead.close()
    with Journal(tmp_path / "j") as heir:
        heir.begin(thing="t", step="run", input_hash="x")

        with pytest.raises(StepMoved):
            late.finish("too late")


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_an_ended_attempt_cannot_end_a_second_time(tmp_path: Path, end: str) -> None:
    with Journal(tmp_path / "j") as journal:
        attempt = journal.begin(thing="t", step="run", input_hash="x")
        getattr(attempt, end)("once")

        with pytest.raises(StepMoved):
            attempt.finish("twice")


def test_forgotten_steps_are_done_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        with journal.step(thing="t", step="run", input_hash="x"):
            pass

        journal.forget("t")

        assert not journal.begin(thing="t", step="run", input_hash="x").done


def test_of_many_at_once_one_does_the_step(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pxl_toolbox.jobs.journal import Journal, StepBusy\n"
        "with Journal(Path(sys.argv[1])) as journal:\n"
        "    for number in range(20):\n"
        "        try:\n"
        "            with journal.step(thing='t', step=f's{number}', input_hash='x') as attempt:\n"
        "                if not attempt.done:\n"
        "                    print(number, flush=True)\n"
        "        except StepBusy:\n"
        "            pass\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "j")], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]

    told = [process.communicate(timeout=25)[0].split() for process in processes]

    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(int(number) for lines in told for number in lines) == list(range(20))


def test_threads_share_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:

        def work(name: str) -> None:
            with journal.step(thing="t", step=name, input_hash="x") as attempt:
                attempt.finish(name)

        threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        states = {record.state for record in journal.records("t")}

    assert states == {StepState.DONE}


def test_a_file_that_is_no_journal_is_left_alone_and_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b"these are not the bytes of a database " * 40)

    with pytest.raises(JournalBroken, match=str(path)) as caught:
        Journal(path)

    assert "mv" in caught.value.hint
    assert path.read_bytes().startswith(b"these are not")


@pytest.mark.parametrize("kept", [50, 4096, 20_000])
def test_a_journal_that_was_cut_off_is_named_and_not_taken_for_an_empty_one(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "j"
    with Journal(path) as journal:
        for number in range(100):
            with journal.step(thing="t", step=f"s{number}", input_hash="x" * 400):
                pass
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(JournalBroken, match=str(path)) as caught:
        Journal(path)

    assert "steps are then done again" in caught.value.hint
    assert path.stat().st_size == kept


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j").close()
    database = sqlite3.connect(tmp_path / "j")
    database.execute("PRAGMA user_version = 99")
    database.close()

    with pytest.raises(JournalBroken, match="99"):
        Journal(tmp_path / "j")


def test_a_journal_whose_folder_is_a_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()

    with pytest.raises(JournalUnusable, match=str(tmp_path / "j")):
        Journal(tmp_path / "j")


def test_a_journal_that_has_no_folder_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(JournalUnusable, match=str(tmp_path / "file" / "j")):
        Journal(tmp_path / "file" / "j")


def test_an_owner_that_was_killed_leaves_no_sign_for_long(tmp_path: Path) -> None:
    deploy(tmp_path, "journal.push.begun=kill")
    owners = tmp_path / "journal.sqlite.owners"
    assert len(list(owners.iterdir())) == 1

    deploy(tmp_path)

    assert list(owners.iterdir()) == []


def test_a_folder_has_one_lasting_name(tmp_path: Path) -> None:
    first = instance_id(tmp_path)

    assert instance_id(tmp_path) == first
    assert json.dumps(first).isascii()
