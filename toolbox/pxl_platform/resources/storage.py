"""Object storage: names, links, and the bytes themselves."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import IO
from urllib.parse import parse_qsl
from uuid import uuid4

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from pxl_platform.body import Body
from pxl_platform.enums import OBJECT_TYPES
from pxl_platform.errors import BadRequest, Forbidden, NotFound
from pxl_platform.routing import AnyRoute, Call, Services, StreamRoute, reads
from pxl_platform.storage import UploadMissing

_OBJECTS = "/api/pxl/objects"
_WRITE_BYTES = 1 << 20
_MOST_PARTS = 10_000  # as S3


def presigned_url(call: Call, object_name: str) -> str:
    """A link to download an object of the caller's organization."""
    return _link(call, "GET", {"name": object_name})


def _link(call: Call, method: str, query: dict[str, str]) -> str:
    path = f"{_OBJECTS}/{call.organization.connector_id}"
    return call.services.signer.link(call.base_url, method, path, query)


def generate_object_name(call: Call) -> object:
    body = call.body
    kind = body.choice("type", OBJECT_TYPES)
    filename = PurePosixPath(body.name("filename").replace("\\", "/")).name or "file"
    context = body.optional_object("context") or {}
    folder = body.optional_text("upload_dir") or kind.lower()
    parts = [folder.strip("/"), *(str(value) for value in context.values()), uuid4().hex, filename]
    return {"object_name": "/".join(part for part in parts if part)}


def generate_presigned_url(call: Call) -> object:
    name = call.body.text("object_name")
    data = {"url": _link(call, "POST", {"name": name}), "fields": {"key": name}}
    return {"client_type": "minio", "presigned_url_data": data}


def init_multipart_upload(call: Call) -> object:
    call.body.text("object_name")
    return {"client_type": "minio", "upload_id": call.services.store.begin_upload()}


def generate_part_presigned_url(call: Call) -> object:
    upload_id = call.body.text("upload_id")
    number = _part_number(call.body, "part_no")
    if not call.services.store.has_upload(upload_id):
        raise NotFound(f"there is no multipart upload {upload_id}")
    return {"url": _link(call, "PUT", {"upload": upload_id, "part": str(number)})}


def complete_part_upload(call: Call) -> object:
    body = call.body
    name, upload_id = body.text("object_name"), body.text("upload_id")
    numbers = [_part_number(part, "PartNumber") for part in body.parts("parts")]
    if not numbers:
        raise BadRequest("`parts` is missing or empty")
    try:
        call.services.store.complete_upload(
            upload_id, numbers, call.organization.connector_id, name
        )
    except UploadMissing:
        raise NotFound(f"the multipart upload {upload_id}, or a part of it, is not here") from None
    return {"object_name": name}


def retrieve_presigned_url(call: Call) -> object:
    return {"presigned_url": presigned_url(call, call.body.text("object_name"))}


def _part_number(body: Body, field: str) -> int:
    number = body.integer(field)
    if not 1 <= number <= _MOST_PARTS:
        raise BadRequest(f"`{field}` has to be from 1 to {_MOST_PARTS}, not {number}")
    return number


async def download(request: Request, services: Services) -> Response:
    query = _signed(request, services, "GET")
    path = services.store.path(str(request.path_params["connector"]), query["name"])
    if not await run_in_threadpool(path.is_file):
        raise NotFound(f"there is no object {query['name']}")
    kind = mimetypes.guess_type(query["name"])[0] or "application/octet-stream"
    return FileResponse(path, media_type=kind)


async def upload_form(request: Request, services: Services) -> Response:
    """The form POST of S3: the object is the part `file`, the name is in the link."""
    query = _signed(request, services, "POST")
    connector = str(request.path_params["connector"])
    await _receive(_file_of_form(request), services.store.writing(connector, query["name"]))
    return Response(status_code=204)


async def upload_body(request: Request, services: Services) -> Response:
    """A part of a multipart upload, or a whole object, as the body of a PUT."""
    query = _signed(request, services, "PUT")
    store = services.store
    if "part" not in query:
        raise Forbidden("this link is not one to upload a part to")
    if not store.has_upload(query["upload"]):
        raise NotFound(f"there is no multipart upload {query['upload']}")
    tag = await _receive(request.stream(), store.writing_part(query["upload"], int(query["part"])))
    return JSONResponse({}, headers={"ETag": f'"{tag}"'})


def _signed(request: Request, services: Services, method: str) -> dict[str, str]:
    """The query of a link, once its signature is found right.

    Raises:
        Forbidden: it is not. The SDK then asks for a new link, once.
    """
    query = dict(parse_qsl(request.url.query, keep_blank_values=True))
    if not services.signer.allows(method, request.url.path, query):
        raise Forbidden("this link is too old, or is not one that this platform signed")
    return query


async def _receive(chunks: AsyncIterator[bytes], writing: AbstractContextManager[IO[bytes]]) -> str:
    """Write a stream as it comes; return a digest of it. The disk is used in threads."""
    digest = hashlib.blake2b(digest_size=16)
    file = await run_in_threadpool(writing.__enter__)
    try:
        held = bytearray()
        async for chunk in chunks:
            held += chunk
            if len(held) >= _WRITE_BYTES:
                digest.update(held)
                await run_in_threadpool(file.write, bytes(held))
                held.clear()
        digest.update(held)
        file.write(held)
    except BaseException as error:
        writing.__exit__(type(error), error, error.__traceback__)
        raise
    await run_in_threadpool(writing.__exit__, None, None, None)
    return digest.hexdigest()


async def _file_of_form(request: Request) -> AsyncIterator[bytes]:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise BadRequest("the body has to be multipart/form-data with a part `file`")
    form = _Form(options[b"boundary"])
    async for chunk in request.stream():
        form.feed(chunk)
        if form.taken:
            yield b"".join(form.taken)
            form.taken.clear()
    if not form.complete:
        raise BadRequest("the form ends early, or has no part `file`")


class _Form:
    """Takes the bytes of the part `file` out of a form, as they come."""

    def __init__(self, boundary: bytes) -> None:
        self.taken: list[bytes] = []
        self._header = b""
        self._value = b""
        self._in_file = False
        self._seen = False
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    @property
    def complete(self) -> bool:
        return self._seen and self._ended

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise BadRequest(f"the form cannot be read: {error}") from None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._in_file = options.get(b"name") == b"file"
            self._seen = self._seen or self._in_file
        self._header = self._value = b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.taken.append(data[start:end])

    def _on_part_end(self) -> None:
        self._in_file = False

    def _on_end(self) -> None:
        self._ended = True


_STORAGE = "/api/object-storage/{connector}"

ROUTES: tuple[AnyRoute, ...] = (
    reads(
        "POST",
        "/api/organization/{organization}/connector/{connector}/generate_object_name",
        generate_object_name,
    ),
    reads("POST", f"{_STORAGE}/generate_presigned_url", generate_presigned_url),
    reads("POST", f"{_STORAGE}/init_multipart_upload", init_multipart_upload),
    reads("POST", f"{_STORAGE}/generate_part_presigned_url", generate_part_presigned_url),
    reads("POST", f"{_STORAGE}/complete_part_upload", complete_part_upload),
    reads("POST", f"{_STORAGE}/retrieve_presigned_url", retrieve_presigned_url),
    StreamRoute("GET", f"{_OBJECTS}/{{connector}}", download),
    StreamRoute("POST", f"{_OBJECTS}/{{connector}}", upload_form),
    StreamRoute("PUT", f"{_OBJECTS}/{{connector}}", upload_body),
)
