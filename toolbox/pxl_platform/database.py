"""The database: where it is, how transactions begin, and its migrations."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

HEAD = "0001"  # the newest revision in migrations/versions; a test holds the two together

_MIGRATIONS = Path(__file__).parent / "migrations"
_CONNECTIONS = 48  # above the 40 threads in which anyio runs handlers
_BUSY_TIMEOUT_S = 30  # another process (`seed`) may hold the write lock for its whole transaction


class Database:
    """Sessions on one SQLite file.

    Readers never wait (write-ahead log). Writers take turns: within the process by a lock,
    which is fair and cheap, between processes by `BEGIN IMMEDIATE`, which unlike a plain
    `BEGIN` waits for its turn instead of failing when it first writes.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.engine = _engine(file)
        self._writing = self.engine.execution_options(writes=True)
        self._turn = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session whose changes are thrown away."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end of the block, or rolled back if it raises."""
        with self._turn, Session(self._writing, expire_on_commit=False) as session:
            yield session
            session.commit()

    def migrate(self) -> None:
        """Bring the tables to the newest form; alembic is imported only where there is work."""
        if self._revision() == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self._turn, self._writing.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def close(self) -> None:
        self.engine.dispose()

    def _revision(self) -> str | None:
        with self.engine.connect() as connection:
            try:
                found = connection.execute(text("SELECT version_num FROM alembic_version"))
            except OperationalError:
                return None
            return found.scalar()


def _engine(file: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{file}",
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
        pool_size=_CONNECTIONS,
        max_overflow=0,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # We begin transactions ourselves: the driver would begin them late, at the first write.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
