"""Runs the platform's jobs: one container for each, its log and its true end in the store."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pxl_toolbox.adapters.files import locked
from pxl_toolbox.core.errors import ConflictError, NotFoundError, ToolboxError, UnavailableError
from pxl_toolbox.core.faults import fault_point
from pxl_toolbox.jobs.executor import (
    Executor,
    Handle,
    JobPhase,
    JobRequest,
    JobState,
)
from pxl_toolbox.jobs.journal import Attempt, Journal
from pxl_toolbox.jobs.log_pump import LogPump

_STEP = "run"
_ENGINE_AWAY_LIMIT_S = 3600.0  # an engine that is being upgraded comes back; jobs outlive it
_ENGINE_AWAY_PAUSE_S = 1.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

FinalState = Literal["SUCCEEDED", "FAILED", "KILLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """A job to run, as the store hands it out.

    `image` is the whole reference. `environment` is what the image is started with;
    `secrets` are masked in the log. `cpu` and `gpu` are what the job asks for;
    `gpu_optional` lets it run on the CPU where there is no GPU.
    """

    job_id: str
    image: str
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    cpu: int
    gpu: int
    gpu_optional: bool = False


class JobStore(Protocol):
    """The platform's jobs, as the runner sees them. Called from several threads."""

    def claim(self) -> JobOrder | None:
        """Take the oldest PENDING job, now QUEUED, with a fresh token of its own."""
        ...

    def open_jobs(self) -> Sequence[str]:
        """The jobs that are QUEUED or RUNNING: what a restarted runner looks for."""
        ...

    def cancel_requested(self, job_id: str) -> bool:
        """Whether somebody asked for the job's end."""
        ...

    def started(self, job_id: str) -> None:
        """The container runs: the job is RUNNING. Harmless when said twice."""
        ...

    def append_log(self, job_id: str, lines: Sequence[str]) -> None:
        """Add lines to the container's log, all or none."""
        ...

    def log_length(self, job_id: str) -> int:
        """How many lines `append_log` has added so far.

        A restarted runner reads the container's log from its beginning and skips so
        many: no line is lost and none is there twice.
        """
        ...

    def finished(
        self, job_id: str, *, state: FinalState, exit_code: int | None, reason: str
    ) -> None:
        """The job's end. `exit_code` is None where no container told one."""
        ...


class JobRunner:
    """Runs the store's jobs on an executor, in threads of its own.

    Jobs outlive it: `stop` leaves their containers running, and the next runner of the same
    store and executor goes on where this one was, without a line lost or doubled. The store
    says which jobs are open and how many lines of their log it has; the executor says what
    became of them. Of several runners of one journal, one works and the others wait.

    Args:
        store: the jobs.
        executor: where they run.
        journal: the file of the journal that keeps their handles.
        poll_s: how often the store is asked for work and for cancellations, in seconds.
    """

    def __init__(
        self, store: JobStore, executor: Executor, *, journal: Path, poll_s: float = 0.3
    ) -> None:
        self._store = store
        self._executor = executor
        self._journal_path = journal
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._active: dict[str, threading.Thread] = {}
        self._thread: threading.Thread | None = None
        self._cpus: int | None = None

    def start(self) -> None:
        """Take up the open jobs, then new ones.

        Raises:
            JournalUnusable, JournalBroken: the journal's file is not to be had.
        """
        self._stopping.clear()
        journal = Journal(self._journal_path)
        self._thread = threading.Thread(
            target=self._run, args=(journal,), name="job-runner", daemon=True
        )
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the runner's threads within `timeout_s` seconds; containers run on."""
        deadline = time.monotonic() + timeout_s
        self._stopping.set()
        self._woken.set()
        # Its last act is to wait for the threads of the jobs.
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, journal: Journal) -> None:
        with journal, contextlib.ExitStack() as held:
            while not self._is_the_only_one(held):
                if self._stopping.wait(self._poll_s):
                    return
            self._work(journal)

    def _is_the_only_one(self, held: contextlib.ExitStack) -> bool:
        """Whether no other runner of this store lives; one that is stopping has a moment yet."""
        lock = self._journal_path.with_name(f"{self._journal_path.name}.runner")
        try:
            held.enter_context(locked(lock))
        except ConflictError:
            return False
        return True

    def _work(self, journal: Journal) -> None:
        self._sweep(journal)
        for job_id in self._store.open_jobs():
            self._spawn(job_id, journal, None)
        while not self._stopping.is_set():
            self._woken.clear()
            if not self._take_one(journal):
                self._woken.wait(self._poll_s)
        for thread in tuple(self._active.values()):
            thread.join()

    def _sweep(self, journal: Journal) -> None:
        """Drop what is left of jobs that are over: we died between their end and this."""
        try:
            # In this order: what is claimed meanwhile is open before it has a container.
            leftovers = self._executor.leftovers()
            still_open = set(self._store.open_jobs())
            for handle in leftovers:
                if handle.job_id not in still_open:
                    self._executor.remove(handle)
                    journal.forget(handle.job_id)
        except ToolboxError as error:
            _log.warning("ended jobs were not cleared away: %s", error.message)

    def _take_one(self, journal: Journal) -> bool:
        """Claim a job and start it, where there is one and room for it."""
        if self._active and len(self._active) >= self._room():
            return False
        try:
            order = self._store.claim()
        except Exception:  # noqa: BLE001
            # The boundary of a thread: a store that is busy now must not end all work.
            _log.exception("the store did not say whether there is work")
            return False
        if order is None:
            return False
        self._spawn(order.job_id, journal, order)
        return True

    def _room(self) -> int:
        """How many jobs may run at once: as many as the executor has cpus."""
        if self._cpus is None:
            try:
                self._cpus = self._executor.offers().cpus
            except ToolboxError:
                return 1  # it will be told to the job that finds no engine
        return max(1, self._cpus)

    def _spawn(self, job_id: str, journal: Journal, order: JobOrder | None) -> None:
        run = _JobRun(
            job_id, self._store, self._executor, stopping=self._stopping, poll_s=self._poll_s
        )
        thread = threading.Thread(
            target=self._see_to, args=(run, journal, order), name=f"job-{job_id}", daemon=True
        )
        self._active[job_id] = thread
        thread.start()

    def _see_to(self, run: _JobRun, journal: Journal, order: JobOrder | None) -> None:
        try:
            run.whole(journal, order)
        except _Stopped:
            pass  # the next runner goes on with it
        except Exception as error:  # noqa: BLE001
            # The boundary of a thread: without this the job would be open for ever.
            _log.exception("job %s", run.job_id)
            reason = error.message if isinstance(error, ToolboxError) else repr(error)
            run.abandoned(f"the runner could not go on: {reason}")
        finally:
            self._active.pop(run.job_id, None)
            self._woken.set()


class _Stopped(Exception):
    """The runner stops; the job runs on."""


class _JobRun:
    """One job, from its container's start, or from where an earlier runner was, to its end."""

    def __init__(
        self,
        job_id: str,
        store: JobStore,
        executor: Executor,
        *,
        stopping: threading.Event,
        poll_s: float,
    ) -> None:
        self.job_id = job_id
        self._store = store
        self._executor = executor
        self._stopping = stopping
        self._poll_s = poll_s
        self._ended_by_us = threading.Event()

    def whole(self, journal: Journal, order: JobOrder | None) -> None:
        attempt = journal.begin(thing=self.job_id, step=_STEP, input_hash=self.job_id)
        handle = self._found(attempt) if order is None else self._submitted(order, attempt)
        if handle is not None:
            self._to_its_end(handle)
        journal.forget(self.job_id)

    def finished(self, state: FinalState, exit_code: int | None, reason: str) -> None:
        self._store.finished(self.job_id, state=state, exit_code=exit_code, reason=reason)

    def abandoned(self, reason: str) -> None:
        """Fail the job, with nothing of it left running that nobody looks after."""
        self.finished("FAILED", None, reason)
        with contextlib.suppress(ToolboxError):
            handle = self._executor.find(self.job_id)
            if handle is not None:
                self._executor.remove(handle)

    def _submitted(self, order: JobOrder, attempt: Attempt) -> Handle | None:
        if self._store.cancel_requested(self.job_id):
            self.finished("KILLED", None, "cancelled before it was started")
            return None
        request = JobRequest(
            job_id=order.job_id,
            image=order.image,
            environment=order.environment,
            secrets=order.secrets,
            cpus=order.cpu,
            gpus=order.gpu,
            gpu_optional=order.gpu_optional,
        )
        try:
            handle = self._executor.submit(request)
        except ToolboxError as error:
            self.finished("FAILED", None, error.message)
            return None
        fault_point("runner.submitted")
        attempt.remember(handle.to_text())
        return handle

    def _found(self, attempt: Attempt) -> Handle | None:
        if attempt.handle:
            return Handle.parse(attempt.handle)
        handle = self._patiently(lambda: self._executor.find(self.job_id))
        if handle is None:
            self.finished("FAILED", None, "runner lost: it ended before the container was there")
        return handle

    def _to_its_end(self, handle: Handle) -> None:
        state = self._patiently(lambda: self._executor.poll(handle))
        if state.phase is not JobPhase.LOST:
            self._store.started(self.job_id)
            fault_point("runner.started")
            state = self._followed(handle)
        self._conclude(state)
        fault_point("runner.finished")
        self._patiently(lambda: self._executor.remove(handle))

    def _followed(self, handle: Handle) -> JobState:
        while True:
            self._follow_log(handle)
            if self._stopping.is_set():
                raise _Stopped
            state = self._patiently(lambda: self._executor.poll(handle))
            if state.phase is not JobPhase.RUNNING:
                fault_point("runner.logged")
                return state

    def _conclude(self, state: JobState) -> None:
        if state.phase is JobPhase.LOST:
            self.finished("FAILED", None, "runner lost: the job's container is gone")
        elif self._was_cancelled(state):
            self.finished("KILLED", state.exit_code, "cancelled")
        elif state.exit_code == 0:
            self.finished("SUCCEEDED", 0, "")
        else:
            reason = f"the container ended with code {state.exit_code}"
            if state.out_of_memory:
                reason += ": it was out of memory"
            self.finished("FAILED", state.exit_code, reason)

    def _was_cancelled(self, state: JobState) -> bool:
        # After a restart nobody remembers who ended it; a job that came to its own good end
        # before the wish reached it has succeeded.
        by_request = state.exit_code != 0 and self._store.cancel_requested(self.job_id)
        return self._ended_by_us.is_set() or by_request

    def _follow_log(self, handle: Handle) -> None:
        """Store the lines that are not yet there, and end the job where that is wished."""
        skip = self._store.log_length(self.job_id)
        try:
            lines = self._patiently(lambda: self._executor.logs(handle, skip=skip))
        except NotFoundError:
            return  # it is gone, which `poll` will tell
        pump = LogPump(lines)
        try:
            while (batch := pump.batch(self._poll_s)) is not None:
                if self._stopping.is_set():
                    return
                if batch:
                    self._store.append_log(self.job_id, batch)
                self._cancel_where_wished(handle)
        finally:
            pump.close()

    def _cancel_where_wished(self, handle: Handle) -> None:
        if self._ended_by_us.is_set() or not self._store.cancel_requested(self.job_id):
            return
        self._ended_by_us.set()
        # In a thread: a job may use its grace to write its last lines, which we read here.
        threading.Thread(target=self._cancel, args=(handle,), daemon=True).start()

    def _cancel(self, handle: Handle) -> None:
        try:
            self._executor.cancel(handle)
        except UnavailableError as error:
            _log.warning("job %s was not ended, and is asked again: %s", handle.job_id, error)
            self._ended_by_us.clear()

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask the executor; an engine that is away is waited for, since jobs outlive it."""
        deadline = time.monotonic() + _ENGINE_AWAY_LIMIT_S
        while True:
            try:
                return ask()
            except UnavailableError:
                if time.monotonic() > deadline:
                    raise
            if self._stopping.wait(_ENGINE_AWAY_PAUSE_S):
                raise _Stopped
