"""Secrets never reach a log, an error or a terminal."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
_SHORTEST_SECRET = 8  # masking shorter fragments hides ordinary words


class Redactor:
    """Masks every known spelling of the secrets that it was given.

    Spellings: as it stands, URL-quoted, base64, JSON-escaped, and each line of a
    secret that has several. A secret under 8 characters is left alone.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spellings: set[str] = set()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        for part in {secret, *secret.splitlines()}:
            if len(part) >= _SHORTEST_SECRET:
                self._spellings |= {
                    part,
                    quote(part, safe=""),
                    json.dumps(part)[1:-1],
                    base64.b64encode(part.encode()).decode().rstrip("="),
                }

    def __call__(self, text: str) -> str:
        for spelling in sorted(self._spellings, key=len, reverse=True):
            text = text.replace(spelling, MASK)
        return text
