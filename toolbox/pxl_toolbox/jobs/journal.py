"""The journal: which steps are done, so that none is done twice and a kill loses none.

Work is a list of idempotent steps. Each has a key (thing, step, input hash); a step that
is done with the same input is not done again, and its result is read back:

    with journal.step(thing="tiling", step="push", input_hash=key) as attempt:
        if not attempt.done:
            attempt.finish(docker.push(reference, emit))
    digest = attempt.result

A step that was running when its process was killed is taken over by the next process, with
the handle to what it may have left running outside.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from pxl_toolbox.adapters.files import locked
from pxl_toolbox.core.errors import ConfigError, ConflictError, ToolboxError, UnavailableError
from pxl_toolbox.core.faults import fault_point
from pxl_toolbox.jobs.owners import Owner, is_alive

_SCHEMA_VERSION = 1
_BUSY_LIMIT_S = 10.0
_SCHEMA = """
CREATE TABLE step (
    thing TEXT NOT NULL,
    step TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '',
    handle TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    changed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (thing, step, input_hash)
) STRICT
"""
_COLUMNS = "thing, step, input_hash, state, attempts, owner, handle, result, error, changed_at"
_NOW = "changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_KEY = "thing = ? AND step = ? AND input_hash = ?"


class StepState(StrEnum):
    """pending -> running -> done | failed; failed -> running is the next attempt."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step as the journal has it.

    `handle` and `result` are texts of the step's own; both are empty where there is none.
    `error` is why the last attempt failed. `changed_at` is UTC, ISO 8601.
    """

    thing: str
    step: str
    input_hash: str
    state: StepState
    attempts: int
    owner: str
    handle: str
    result: str
    error: str
    changed_at: str


class StepBusy(ConflictError):
    """A process that lives is doing this step."""

    def __init__(self, record: StepRecord) -> None:
        super().__init__(
            f"another process is at the step {record.step} of {record.thing}",
            hint="wait for it to end, then run the command again",
        )


class StepMoved(ConflictError):
    """A step changed its state in a way that its attempt did not expect."""

    def __init__(self, thing: str, step: str) -> None:
        super().__init__(
            f"the step {step} of {thing} is not this attempt's any more",
            hint="run the command again; a finished step is not repeated",
        )


class JournalUnusable(UnavailableError):
    """The journal's file cannot be read or written now."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the journal {path} cannot be used: {why}",
            hint="look at the disk's free space and the file's owner",
        )


class JournalBroken(ConfigError):
    """The journal's file is not a journal, or that of a newer version."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} is not a journal that can be read: {why}",
            hint=f"move it away: mv {path} {path}.broken   (steps are then done again)",
        )


class Attempt:
    """One try at a step. Where `done` is true it was done before, and `result` is its result.

    `handle` is what an earlier attempt, whose process died, may have left running outside.
    """

    def __init__(self, journal: Journal, record: StepRecord) -> None:
        self._journal = journal
        self._record = record

    @property
    def done(self) -> bool:
        return self._record.state is StepState.DONE

    @property
    def number(self) -> int:
        return self._record.attempts

    @property
    def handle(self) -> str:
        return self._record.handle

    @property
    def result(self) -> str:
        return self._record.result

    def remember(self, handle: str) -> None:
        """Keep the handle to something that now runs outside."""
        self._record = self._journal.move(self._record, StepState.RUNNING, handle=handle)

    def finish(self, result: str = "") -> None:
        fault_point(f"journal.{self._record.step}.worked")
        self._record = self._journal.move(self._record, StepState.DONE, result=result)
        fault_point(f"journal.{self._record.step}.done")

    def fail(self, error: str) -> None:
        self._record = self._journal.move(self._record, StepState.FAILED, error=error)

    @property
    def running(self) -> bool:
        return self._record.state is StepState.RUNNING


class Journal:
    """The journal in one SQLite file; several processes and threads may use it at once.

    Raises:
        JournalUnusable: the file cannot be read or written.
        JournalBroken: it is not a journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owners = path.with_name(f"{path.name}.owners")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._prepare()
            self._owner = Owner(self._owners)
        except OSError as error:
            raise JournalUnusable(path, error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        """What this journal left running may be taken over from now on."""
        self._owner.close()

    @contextmanager
    def step(self, *, thing: str, step: str, input_hash: str) -> Iterator[Attempt]:
        """Try a step: done at the block's end, failed where an error leaves it.

        Raises:
            StepBusy: a living process is at it.
            JournalUnusable: the file cannot be read or written.
        """
        attempt = self.begin(thing=thing, step=step, input_hash=input_hash)
        try:
            yield attempt
        except BaseException as error:
            if attempt.running:
                attempt.fail(error.message if isinstance(error, ToolboxError) else repr(error))
            raise
        if attempt.running:
            attempt.finish()

    def begin(self, *, thing: str, step: str, input_hash: str) -> Attempt:
        """Start an attempt, or find the step done; for work that outlives a `with` block."""
        fault_point(f"journal.{step}.begin")
        with self._transaction() as database:
            _insert(database, thing, step, input_hash)
            record = _one(database, thing, step, input_hash)
            if record.state is StepState.RUNNING and is_alive(self._owners, record.owner):
                raise StepBusy(record)
            if record.state is not StepState.DONE:
                record = self._take(database, record)
        fault_point(f"journal.{step}.begun")
        return Attempt(self, record)

    def _take(self, database: sqlite3.Connection, record: StepRecord) -> StepRecord:
        # What a dead process left running may still run; what failed has ended.
        handle = record.handle if record.state is StepState.RUNNING else ""
        database.execute(
            f"UPDATE step SET state = 'running', attempts = attempts + 1, owner = ?,"  # noqa: S608
            f" handle = ?, error = '', {_NOW} WHERE {_KEY}",
            (self._owner.name, handle, *_key(record)),
        )
        return _one(database, *_key(record))

    def move(
        self,
        record: StepRecord,
        state: StepState,
        *,
        handle: str | None = None,
        result: str = "",
        error: str = "",
    ) -> StepRecord:
        """Change a step that this attempt holds; `Attempt` calls it.

        Raises:
            StepMoved: it is not running, or another attempt has taken it over.
        """
        with self._transaction() as database:
            changed = database.execute(
                f"UPDATE step SET state = ?, handle = ?, result = ?, error = ?, {_NOW}"  # noqa: S608
                f" WHERE {_KEY} AND state = 'running' AND owner = ? AND attempts = ?",
                (
                    state,
                    record.handle if handle is None else handle,
                    result,
                    error,
                    *_key(record),
                    self._owner.name,
                    record.attempts,
                ),
            )
            if changed.rowcount != 1:
                raise StepMoved(record.thing, record.step)
            return _one(database, *_key(record))

    def records(self, thing: str) -> tuple[StepRecord, ...]:
        """All steps of a thing, in the order in which they were noted."""
        with self._transaction() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM step WHERE thing = ? ORDER BY rowid",  # noqa: S608
                (thing,),
            )
            return tuple(_record(row) for row in rows)

    def forget(self, thing: str) -> None:
        """Drop all steps of a thing, so that they are done again."""
        with self._transaction() as database:
            database.execute("DELETE FROM step WHERE thing = ?", (thing,))

    def _prepare(self) -> None:
        # Under a lock: two processes that switch a new file to WAL at once disturb each other.
        lock = self._path.with_name(f"{self._path.name}.lock")
        with (
            locked(lock, wait_s=_BUSY_LIMIT_S),
            self._errors_told(),
            contextlib.closing(self._connected()) as database,
        ):
            database.execute("PRAGMA journal_mode = WAL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                database.execute("BEGIN IMMEDIATE")
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
                database.execute("COMMIT")
            elif version != _SCHEMA_VERSION:
                raise JournalBroken(self._path, f"it has version {version}")

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_BUSY_LIMIT_S, isolation_level=None)
        # A step that was told to be done stays done when the power goes.
        database.execute("PRAGMA synchronous = FULL")
        return database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors_told(), contextlib.closing(self._connected()) as database:
            database.execute("BEGIN IMMEDIATE")
            # Without a COMMIT, closing rolls back.
            yield database
            database.execute("COMMIT")

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise JournalUnusable(self._path, str(error)) from error
        except sqlite3.DatabaseError as error:
            raise JournalBroken(self._path, str(error)) from error


def _insert(database: sqlite3.Connection, thing: str, step: str, input_hash: str) -> None:
    database.execute(
        "INSERT OR IGNORE INTO step (thing, step, input_hash, state) VALUES (?, ?, ?, 'pending')",
        (thing, step, input_hash),
    )


def _one(database: sqlite3.Connection, thing: str, step: str, input_hash: str) -> StepRecord:
    row = database.execute(
        f"SELECT {_COLUMNS} FROM step WHERE {_KEY}",  # noqa: S608
        (thing, step, input_hash),
    ).fetchone()
    return _record(row)


def _record(row: tuple[str, str, str, str, int, str, str, str, str, str]) -> StepRecord:
    thing, step, input_hash, state, attempts, owner, handle, result, error, changed_at = row
    return StepRecord(
        thing=thing,
        step=step,
        input_hash=input_hash,
        state=StepState(state),
        attempts=attempts,
        owner=owner,
        handle=handle,
        result=result,
        error=error,
        changed_at=changed_at,
    )


def _key(record: StepRecord) -> tuple[str, str, str]:
    return (record.thing, record.step, record.input_hash)
