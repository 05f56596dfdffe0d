"""Links that carry their own permission: a method on a path until a time."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from urllib.parse import quote, urlencode

from pxl_toolbox.adapters.files import write_atomically

LINK_LIFE_S = 3600 * 12  # a job may list its images at the start and fetch the last hours later


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs method, path, query and expiry with a key of this data folder.

    Not the host: a client may reach the same platform under several names, and every link is
    built on the one that it used.
    """

    key: bytes

    def link(
        self, base_url: str, method: str, path: str, query: Mapping[str, str] | None = None
    ) -> str:
        """A full URL on which `method` is allowed for `LINK_LIFE_S` seconds."""
        signed = {**(query or {}), "expires": str(int(time.time()) + LINK_LIFE_S)}
        signed["signature"] = self._signature(method, path, signed)
        return f"{base_url}{quote(path)}?{urlencode(signed)}"

    def allows(self, method: str, path: str, query: Mapping[str, str]) -> bool:
        """Whether the link is ours, for this method and path, and not too old."""
        signed = {name: value for name, value in query.items() if name != "signature"}
        given = query.get("signature", "")
        if not hmac.compare_digest(given.encode(), self._signature(method, path, signed).encode()):
            return False
        return int(signed.get("expires", "0")) >= time.time()

    def _signature(self, method: str, path: str, query: Mapping[str, str]) -> str:
        text = "\n".join([method, path, *(f"{name}={query[name]}" for name in sorted(query))])
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()


def load_signer(file: Path) -> Signer:
    """The signer of a data folder; its key is made at the first start, readable by us alone."""
    if not file.exists():
        write_atomically(file, token_bytes(32), mode=0o600)
    return Signer(file.read_bytes())
