"""Who is at work: a sign that its process holds, and that the kernel takes down at its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

from pxl_toolbox.adapters.files import locked, write_atomically


class Owner:
    """One process, or one part of it, that works on steps.

    Its sign is a locked file: readable across containers that share the folder, where a
    process id means nothing.

    Source:
        flock(2): the lock ends with the last descriptor of the process that holds it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = secrets.token_hex(8)
        self._path = folder / self.name
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_alive(folder: Path, name: str) -> bool:
    """Whether the owner of that name still lives; the sign of a dead one is removed."""
    path = folder / name
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def instance_id(folder: Path) -> str:
    """The lasting name of whoever owns a data folder; made at the first call."""
    path = folder / "instance"
    with locked(folder / "instance.lock", wait_s=10.0):
        if not path.exists():
            write_atomically(path, secrets.token_hex(8) + "\n")
        return path.read_text().strip()
