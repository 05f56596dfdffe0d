"""Files that are either whole or not there, and locks that die with their holder."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pxl_toolbox.core.errors import ConflictError

_POLL_S = 0.05


def write_atomically(path: Path, data: bytes | str, *, mode: int | None = None) -> None:
    """Replace the file `path` by `data`, or leave it as it was.

    Written beside the target, flushed to the disk, then renamed over it: a reader
    sees the old bytes or the new ones (rename(2)). A symbolic link is followed.

    Args:
        path: the file; its folder exists.
        data: the new content; text is written as UTF-8.
        mode: permission bits; None keeps those of the file that is there, else 0644.
    """
    target = path.resolve()
    raw = data.encode() if isinstance(data, str) else data
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_mode(target) if mode is None else mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        return 0o644


@contextmanager
def locked(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path` for the block; the kernel frees it if we are killed.

    Args:
        path: the lock file, made if missing and never removed.
        wait_s: how long to wait for another holder, in seconds.

    Raises:
        ConflictError: another process held it for longer than `wait_s`.

    Source:
        flock(2).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, path, time.monotonic() + wait_s)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ConflictError(
                    f"another process is at work here and holds {path}",
                    hint="wait for it to end, then run the command again",
                ) from None
            time.sleep(_POLL_S)
        else:
            return
