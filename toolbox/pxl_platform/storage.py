"""Objects on disk: one file each, complete or absent."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

_COPY_BYTES = 1 << 20


class UploadMissing(Exception):
    """There is no multipart upload of that id, or a part that was named did not arrive."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Files by connector and object name.

    The file's name is the SHA-256 of the object's, so any object name is safe on any disk.
    A writer works on a temporary name and renames: a reader sees whole objects only.
    """

    folder: Path

    def path(self, connector_id: str, object_name: str) -> Path:
        digest = hashlib.sha256(object_name.encode()).hexdigest()
        return self.folder / "objects" / connector_id / digest[:2] / digest

    def exists(self, connector_id: str, object_name: str) -> bool:
        return self.path(connector_id, object_name).is_file()

    @contextmanager
    def writing(self, connector_id: str, object_name: str) -> Iterator[IO[bytes]]:
        """A file to write the object to; it becomes the object when the block ends well."""
        with _replacing(self.path(connector_id, object_name)) as file:
            yield file

    def put(self, connector_id: str, object_name: str, content: bytes) -> None:
        with self.writing(connector_id, object_name) as file:
            file.write(content)

    def copy_in(self, connector_id: str, object_name: str, source: Path) -> None:
        with source.open("rb") as read, self.writing(connector_id, object_name) as file:
            shutil.copyfileobj(read, file, _COPY_BYTES)

    def remove(self, connector_id: str, object_name: str) -> None:
        self.path(connector_id, object_name).unlink(missing_ok=True)

    def begin_upload(self) -> str:
        """Open a multipart upload and return its id."""
        upload_id = uuid4().hex
        self._upload(upload_id).mkdir(parents=True)
        return upload_id

    def has_upload(self, upload_id: str) -> bool:
        return upload_id.isalnum() and self._upload(upload_id).is_dir()

    @contextmanager
    def writing_part(self, upload_id: str, number: int) -> Iterator[IO[bytes]]:
        """A file to write one part to; parts may come in any order and more than once."""
        if not self.has_upload(upload_id):
            raise UploadMissing(upload_id)
        with _replacing(self._upload(upload_id) / str(number)) as file:
            yield file

    def complete_upload(
        self, upload_id: str, numbers: Iterable[int], connector_id: str, object_name: str
    ) -> None:
        """Join the parts in the order of their numbers into the object, and drop them.

        Raises:
            UploadMissing: no such upload, or a part of it is not there.
        """
        parts = [self._upload(upload_id) / str(number) for number in sorted(numbers)]
        if not self.has_upload(upload_id) or not all(part.is_file() for part in parts):
            raise UploadMissing(upload_id)
        with self.writing(connector_id, object_name) as file:
            for part in parts:
                with part.open("rb") as read:
                    shutil.copyfileobj(read, file, _COPY_BYTES)
        shutil.rmtree(self._upload(upload_id), ignore_errors=True)

    def _upload(self, upload_id: str) -> Path:
        return self.folder / "uploads" / upload_id


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
