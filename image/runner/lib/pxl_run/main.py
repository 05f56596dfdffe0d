"""A job from its start to its end: run the pipeline, tell the platform, pass on the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from tempfile import TemporaryFile
from threading import Lock

from pxl_run.child import Child
from pxl_run.platform import Job, Platform, PlatformError
from pxl_run.report import Report

_START, _TRAINING, _END = "--#--Start job", "--#--Set up training", "--#--End job"
_LAST_LINES_S = 15.0
_LAST_LINES_STOPPED_S = 3.0  # `docker stop` kills after 10 s
_LOG_BYTES = 100 * 1024 * 1024
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as shells do


def main(argv: Sequence[str]) -> int:
    """Run `argv` as the job that the environment names; its exit code is ours.

    The platform is told what can be told: where it does not answer, the pipeline
    runs on, and only our standard error says so.
    """
    try:
        job = Job.of(os.environ)
    except PlatformError as error:
        _say(f"job_id is set, but a job cannot be reported: {error}")
        return 2
    return _Run(Platform(job)).run(argv)


class _Run:
    """One run, with what its steps share."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        training = platform.job.experiment_id is not None
        self._report = Report(platform, _TRAINING if training else _START)
        self._log = TemporaryFile()  # noqa: SIM115  (open for the whole run)
        self._log_lock = Lock()  # both streams of the pipeline write

    def run(self, argv: Sequence[str]) -> int:
        self._tell_running()
        self._line(self._report.part)
        self._report.start()
        code, stopped = self._run_child(argv)
        self._line(_END)
        self._line(f"--ec-- {code}")
        self._report.close(_LAST_LINES_STOPPED_S if stopped else _LAST_LINES_S)
        if self._report.lost is not None:
            _say(f"a part of the log did not reach the platform: {self._report.lost}")
        elif not stopped:
            self._save_log(code)
        self._tell_finished(code, patient=not stopped)
        return code

    def _run_child(self, argv: Sequence[str]) -> tuple[int, bool]:
        try:
            child = Child(argv, self._line)
        except FileNotFoundError:
            self._complain(f"there is no program {argv[0]}")
            return _NOT_FOUND, False
        except PermissionError:
            self._complain(f"{argv[0]} is not executable")
            return _NOT_EXECUTABLE, False
        return child.wait(), child.signalled

    def _complain(self, message: str) -> None:
        _say(message)
        self._line(f"error: {message}")

    def _line(self, text: str) -> None:
        shown = text.replace(self._platform.job.token, "***")
        with self._log_lock:
            if self._log.tell() < _LOG_BYTES:
                self._log.write(shown.encode(errors="replace") + b"\n")
            self._report.line(shown)

    def _tell_running(self) -> None:
        try:
            self._platform.running()
        except PlatformError as error:
            _say(f"the platform was not told that the job runs: {error}")

    def _save_log(self, code: int) -> None:
        self._log.seek(0)
        try:
            self._platform.save_log(self._log.read())
            self._platform.last_line(self._report.number, code, part=_END)
        except PlatformError as error:
            _say(f"the log was not stored: {error}")

    def _tell_finished(self, code: int, *, patient: bool) -> None:
        try:
            self._platform.finished(code, patient=patient)
        except PlatformError as error:
            _say(f"the platform was not told how the job ended: {error}")


def _say(message: str) -> None:
    print(f"run: {message}", file=sys.stderr, flush=True)
