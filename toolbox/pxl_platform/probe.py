"""Asking an address whether a platform of ours answers there."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing

_LIMIT_S = 2.5


def health(host: str, port: int) -> Mapping[str, object] | None:
    """What the platform there says of itself; None where none answers within seconds."""
    with closing(http.client.HTTPConnection(host, port, timeout=_LIMIT_S)) as connection:
        try:
            connection.request("GET", "/api/pxl/health")
            found = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
    return found if isinstance(found, dict) and {"version", "runner"} <= found.keys() else None
