"""Processes: they stream, they end in time, and nothing of them is left."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from pxl_toolbox.adapters.process import (
    Command,
    CommandFailed,
    CommandTimeout,
    LocalRunner,
    ProgramMissing,
    checked,
    process_started_at,
    start_detached,
    terminate,
)


def python(source: str, cwd: Path, *, timeout_s: float = 20, **more: object) -> Command:
    return Command(argv=(sys.executable, "-c", source), cwd=cwd, timeout_s=timeout_s, **more)  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    """Whether the process is gone; the kernel takes a moment after a kill."""
    deadline = time.monotonic() + 2
    while process_started_at(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    return process_started_at(pid) is None


def test_output_comes_line_by_line_while_the_program_runs(tmp_path: Path) -> None:
    source = "import time; print('one', flush=True); time.sleep(0.6); print('two')"
    seen: list[tuple[float, str]] = []

    LocalRunner().run(python(source, tmp_path), lambda line: seen.append((time.monotonic(), line)))

    assert [line for _, line in seen] == ["one", "two"]
    assert seen[1][0] - seen[0][0] > 0.4


def test_of_a_bar_that_is_redrawn_only_its_last_state_is_a_line(tmp_path: Path) -> None:
    seen: list[str] = []

    LocalRunner().run(python(r"print('10%\r50%\r100%')", tmp_path), seen.append)

    assert seen == ["100%"]


def test_both_streams_and_the_code_are_kept(tmp_path: Path) -> None:
    source = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"

    done = LocalRunner().run(python(source, tmp_path))

    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")


def test_a_time_limit_kills_the_program_and_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    source = f"sleep 60 & echo $! > {pid_file}; sleep 60"

    with pytest.raises(CommandTimeout):
        LocalRunner().run(Command(argv=("sh", "-c", source), cwd=tmp_path, timeout_s=2))

    assert gone(int(pid_file.read_text()))


def test_a_child_that_outlives_its_parent_is_ended_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    command = Command(
        argv=("sh", "-c", f"sleep 60 & echo $! > {pid_file}"), cwd=tmp_path, timeout_s=20
    )

    began = time.monotonic()
    done = LocalRunner().run(command)

    assert done.code == 0
    assert time.monotonic() - began < 5
    assert gone(int(pid_file.read_text()))


def test_an_interruption_ends_the_program(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    source = (
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        LocalRunner().run(python(source, tmp_path))

    assert gone(int(pid_file.read_text()))


def test_secrets_are_masked_in_output_and_in_the_command(tmp_path: Path) -> None:
    command = python("print('token is hunter2-hunter2')", tmp_path, secrets=("hunter2-hunter2",))

    done = LocalRunner().run(command)

    assert done.out == "token is ***\n"
    assert "hunter2" not in str(command)


def test_a_missing_program_is_told_from_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing):
        LocalRunner().run(Command(argv=("no-such-program",), cwd=tmp_path, timeout_s=5))
    with pytest.raises(FileNotFoundError):
        LocalRunner().run(Command(argv=("true",), cwd=tmp_path / "no", timeout_s=5))


def test_a_variable_of_none_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PXL_PROBE", "there")

    done = LocalRunner().run(
        Command(
            argv=("sh", "-c", 'echo "${PXL_PROBE-gone}"'),
            cwd=tmp_path,
            timeout_s=5,
            env={"PXL_PROBE": None},
        )
    )

    assert done.out == "gone\n"


def test_a_failure_shows_the_end_of_what_was_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="the reason"):
        checked(LocalRunner(), python("raise SystemExit('the reason')", tmp_path))


def test_a_detached_program_lives_until_it_is_terminated(tmp_path: Path) -> None:
    pid = start_detached(
        Command(argv=("sh", "-c", "echo up; exec sleep 60"), cwd=tmp_path, timeout_s=0),
        tmp_path / "log",
    )
    log = tmp_path / "log"
    while log.read_text() != "up\n":  # the time limit of the test is the limit of this wait
        time.sleep(0.01)

    terminate(pid)

    assert gone(pid)
