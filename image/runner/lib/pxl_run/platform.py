"""The few calls with which a job tells the platform how it goes."""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_ANSWER_S = 10.0
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_UPLOAD_BYTES = 25 * 1024 * 1024  # the platform's limit for an upload in one piece


class PlatformError(Exception):
    """The platform did not answer, or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job that this container runs, as its environment names it."""

    host: str
    token: str
    organization_id: str
    job_id: str
    experiment_id: str | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the job's variables.

        Raises:
            PlatformError: one of them is missing.
        """
        missing = [name for name in ("host", "api_token", "job_id") if not environment.get(name)]
        if missing:
            raise PlatformError(f"not set: {', '.join(missing)}")
        return cls(
            host=environment["host"].rstrip("/"),
            token=environment["api_token"],
            organization_id=environment.get("organization_id", ""),
            job_id=environment["job_id"],
            experiment_id=environment.get("experiment_id") or None,
        )


class Platform:
    """The platform, for one job."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def running(self) -> None:
        self._call("POST", f"/api/v2/job/{self.job.job_id}/running", {})

    def lines(self, first: int, lines: list[str], *, part: str) -> None:
        """Append `lines` to the log's section `part`; `first` is the number of the first."""
        self._log({"line_nb": first, "log": lines, "part": part, "final": False, "special": False})

    def last_line(self, number: int, exit_code: int, *, part: str) -> None:
        """Close the log with the exit code."""
        log = str(exit_code)
        self._log(
            {"line_nb": number, "log": log, "part": part, "final": True, "special": "exit_code"}
        )

    def save_log(self, content: bytes) -> None:
        """Store the whole log; of one that is too long, its end."""
        connector = self._connector()
        named = self._call(
            "POST",
            f"/api/organization/{self.job.organization_id}/connector/{connector}"
            "/generate_object_name",
            {
                "filename": "job.log",
                "type": "LOGGING",
                "context": {"job_id": self.job.job_id},
            },
        )
        object_name = str(named["object_name"])
        self._upload(connector, object_name, content[-_UPLOAD_BYTES:])
        path = f"/api/v2/job/{self.job.job_id}/logging/save"
        self._call("POST", path, {"logging_object_name": object_name})

    def finished(self, exit_code: int, *, patient: bool) -> None:
        """Say how the job ended; with `patient`, try for some seconds where nobody answers."""
        verdict = "succeed" if exit_code == 0 else "fail"
        pauses = _PAUSES_S if patient else ()
        self._insist("POST", f"/api/v2/job/{self.job.job_id}/{verdict}", {}, pauses)
        if self.job.experiment_id is not None:
            status = {"status": "SUCCESS" if exit_code == 0 else "FAILED"}
            self._insist("PATCH", f"/api/experiment/{self.job.experiment_id}", status, pauses)

    def _log(self, body: Mapping[str, object]) -> None:
        self._call("POST", f"/api/v2/job/{self.job.job_id}/logging", body)

    def _connector(self) -> str:
        organization = self._call("GET", f"/api/organization/{self.job.organization_id}", None)
        connector = organization.get("default_connector_id")
        if not connector:
            raise PlatformError("the organization has no object storage")
        return str(connector)

    def _upload(self, connector: str, object_name: str, content: bytes) -> None:
        granted = self._call(
            "POST",
            f"/api/object-storage/{connector}/generate_presigned_url",
            {"object_name": object_name, "content_type": "text/plain"},
        )
        target = granted["presigned_url_data"]
        if not isinstance(target, dict):
            raise PlatformError("the object storage gave no address to upload to")
        boundary = secrets.token_hex(16)
        _send(
            urllib.request.Request(
                target["url"],
                data=_form(boundary, target["fields"], content),
                headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
                method="POST",
            )
        )

    def _insist(
        self, method: str, path: str, body: Mapping[str, object], pauses: tuple[float, ...]
    ) -> None:
        for pause_s in pauses:
            try:
                self._call(method, path, body)
            except PlatformError:
                time.sleep(pause_s)
            else:
                return
        self._call(method, path, body)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, object]:
        request = urllib.request.Request(
            self.job.host + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.job.token}",
                "Content-Type": "application/json",
            },
            method=method,
        )
        answer = _send(request)
        try:
            decoded = json.loads(answer or b"{}")
        except ValueError:
            raise PlatformError(f"{method} {path}: the answer is not JSON") from None
        return decoded if isinstance(decoded, dict) else {}


def _send(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        with error:
            raise PlatformError(f"{request.full_url} answered {error.code}") from None
    except (OSError, ValueError) as error:
        raise PlatformError(f"{request.full_url}: {error}") from None


def _form(boundary: str, fields: Mapping[str, str], content: bytes) -> bytes:
    """A multipart/form-data body (RFC 7578) with the storage's fields and the file, last."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**fields, "Content-Type": "text/plain"}.items()
    ]
    head = "".join(parts) + (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="job.log"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
