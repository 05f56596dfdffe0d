"""Whether a Docker engine listens on a socket, without its SDK."""

from __future__ import annotations

import socket
from pathlib import Path

_LIMIT_S = 2.0


def answers(path: Path) -> bool:
    """Ask the engine behind the socket `path` for a sign of life.

    Source:
        Docker Engine API 1.41, "Ping".
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_LIMIT_S)
        try:
            connection.connect(str(path))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return connection.recv(12).endswith(b" 200")
        except OSError:
            return False
