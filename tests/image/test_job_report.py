"""What the runner's entry tells the platform, as a process against one that listens."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    StubPlatform = Any

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(
    repository: Path, clean_environment: dict[str, str], stub_platform: StubPlatform
) -> Start:
    """Start a Python program as the job of the stub platform."""

    def started(program: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable,
                "-I",
                str(repository / "image" / "runner" / "lib"),
                sys.executable,
                "-uc",
                program,
            ],
            env={**clean_environment, **stub_platform.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def test_a_job_that_succeeds_is_reported_from_start_to_end(
    start: Start, stub_platform: StubPlatform
) -> None:
    job = start("import sys; print('one'); print('two', file=sys.stderr)")
    out, err = job.communicate(timeout=20)

    assert (job.returncode, out, err) == (0, "one\n", "two\n")
    assert stub_platform.paths() == [
        "POST /api/v2/job/job-1/running",
        "GET /api/organization/org-1",
        "POST /api/organization/org-1/connector/con-1/generate_object_name",
        "POST /api/object-storage/con-1/generate_presigned_url",
        "POST /api/v2/job/job-1/logging/save",
        "POST /api/v2/job/job-1/succeed",
    ]
    assert sorted(stub_platform.lines()) == sorted(
        ["--#--Start job", "one", "two", "--#--End job", "--ec-- 0"]
    )
    assert stub_platform.authorizations == {"Bearer tok-of-this-job"}


def test_a_job_that_fails_passes_its_exit_code_and_says_so(
    start: Start, stub_platform: StubPlatform
) -> None:
    job = start("import sys; sys.exit(7)")
    job.communicate(timeout=20)

    assert job.returncode == 7
    assert stub_platform.paths()[-1] == "POST /api/v2/job/job-1/fail"
    assert stub_platform.last_log_call()["special"] == "exit_code"
    assert stub_platform.last_log_call()["log"] == "7"


def test_a_training_sets_the_status_of_its_experiment(
    start: Start, stub_platform: StubPlatform
) -> None:
    start("print('epoch')", experiment_id="exp-1").communicate(timeout=20)

    assert stub_platform.lines()[0] == "--#--Set up training"
    assert stub_platform.calls[-1] == ("PATCH", "/api/experiment/exp-1", {"status": "SUCCESS"})


def test_a_line_that_opens_a_section_begins_a_new_part_of_the_log(
    start: Start, stub_platform: StubPlatform
) -> None:
    start("print('a'); print('--#--Chapter'); print('b')").communicate(timeout=20)

    parts = {
        line: body["part"]
        for _, path, body in stub_platform.calls
        if path.endswith("/logging") and body["special"] is False
        for line in body["log"]
    }
    assert parts["a"] == "--#--Start job"
    assert parts["b"] == "--#--Chapter"


def test_the_whole_log_is_stored(start: Start, stub_platform: StubPlatform) -> None:
    start("print('kept')").communicate(timeout=20)

    assert b"\r\n\r\n--#--Start job\nkept\n--#--End job\n--ec-- 0\n" in stub_platform.uploads[0]


def test_of_a_progress_bar_the_last_state_is_the_line(
    start: Start, stub_platform: StubPlatform
) -> None:
    out, _ = start(r"print('10 %\r50 %\r100 %')").communicate(timeout=20)

    assert "100 %" in stub_platform.lines()
    assert out == "10 %\n50 %\n100 %\n"  # text mode reads a carriage return as a line's end


def test_the_token_is_masked_in_what_is_posted(start: Start, stub_platform: StubPlatform) -> None:
    start("import os; print('with', os.environ['api_token'])").communicate(timeout=20)

    assert "with ***" in stub_platform.lines()
    assert b"tok-of-this-job" not in stub_platform.uploads[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_pipeline_and_the_job_is_reported_failed(
    start: Start,
    stub_platform: StubPlatform,
    number: signal.Signals,
    code: int,
) -> None:
    job = start(
        "import signal, time; signal.signal(2, signal.SIG_DFL); print('up'); time.sleep(60)"
    )
    assert job.stdout is not None
    assert job.stdout.readline() == "up\n"

    job.send_signal(number)
    job.communicate(timeout=20)

    assert job.returncode == code
    assert stub_platform.paths()[-1] == "POST /api/v2/job/job-1/fail"


def test_a_platform_that_does_not_answer_changes_nothing_for_the_pipeline(start: Start) -> None:
    job = start("import sys; print('done'); sys.exit(3)", host="http://127.0.0.1:9")
    out, err = job.communicate(timeout=28)

    assert (job.returncode, out) == (3, "done\n")
    assert "the platform was not told how the job ended" in err


def test_lines_that_were_refused_are_sent_again(start: Start, stub_platform: StubPlatform) -> None:
    stub_platform.broken.add("logging")
    job = start("import time; print('early', flush=True); time.sleep(2)")
    assert job.stdout is not None
    job.stdout.readline()
    stub_platform.broken.clear()
    job.communicate(timeout=20)

    assert stub_platform.lines().count("early") == 1


def test_a_program_that_is_not_there_is_127_and_a_failed_job(
    repository: Path, clean_environment: dict[str, str], stub_platform: StubPlatform
) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(repository / "image" / "runner" / "lib"), "/no/such/program"],
        env={**clean_environment, **stub_platform.environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 127
    assert done.stderr == "run: there is no program /no/such/program\n"
    assert stub_platform.paths()[-1] == "POST /api/v2/job/job-1/fail"


def test_a_talkative_pipeline_is_not_held_up(start: Start, stub_platform: StubPlatform) -> None:
    job = start("for n in range(200_000): print('line', n)")
    out, _ = job.communicate(timeout=25)

    assert job.returncode == 0
    assert out.count("\n") == 200_000
    assert stub_platform.lines()[-1] == "--ec-- 0"
