"""Serving: one process, one port, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from pxl_platform.app import build
from pxl_platform.probe import health
from pxl_platform.routing import Services
from pxl_toolbox.core.errors import UnavailableError

_ANSWER_WAIT_S = 15.0
_POLL_S = 0.01
_BACKLOG = 1024
_STOP_S = 2.0  # for requests that are being answered when we are told to stop
_HEADER_TIMEOUT_MS = 30_000


class PortTaken(UnavailableError):
    """Something else listens on the address already."""

    def __init__(self, host: str, port: int, *, by_a_platform: bool) -> None:
        why = ": a platform answers there already" if by_a_platform else " by another program"
        super().__init__(
            f"{host}:{port} is in use{why}",
            hint="stop that program, or choose another port with --port",
        )


class AddressNotOurs(UnavailableError):
    """The machine has no such address, or the port needs more rights."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {reason}", hint="see --host and --port")


def serve(services: Services, *, host: str, port: int, when_ready: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or SIGINT.

    Args:
        services: the opened data folder.
        host: address to listen on.
        port: 0 for a free one.
        when_ready: called once with the base URL, when the platform answers.

    Raises:
        PortTaken: another program listens there.
        AddressNotOurs: the address cannot be listened on.
    """
    port = _usable_port(host, port)
    # granian warns that embedding is experimental; its other lines say nothing to our users.
    logging.getLogger("_granian").setLevel(logging.CRITICAL)
    asyncio.run(_serve(services, host, port, when_ready))


async def _serve(
    services: Services, host: str, port: int, when_ready: Callable[[str], None]
) -> None:
    server = Server(
        build(services),
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        backlog=_BACKLOG,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_TIMEOUT_MS),
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def stop() -> None:
        loop.call_soon(server.stop)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    announcer = threading.Thread(
        target=_announce, args=(host, port, when_ready), name="announcer", daemon=True
    )
    announcer.start()
    serving = asyncio.ensure_future(server.serve())
    asking = asyncio.ensure_future(told.wait())
    await asyncio.wait({serving, asking}, return_when=asyncio.FIRST_COMPLETED)
    # granian itself would wait for a client that keeps a request half sent.
    await asyncio.wait({serving}, timeout=_STOP_S)
    asking.cancel()
    if serving.done():
        await serving  # a fault of the server is a fault of ours
    serving.cancel()


def _announce(host: str, port: int, when_ready: Callable[[str], None]) -> None:
    shown = _reachable(host)
    deadline = time.monotonic() + _ANSWER_WAIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((shown, port), timeout=1):
            when_ready(f"http://{_bracketed(shown)}:{port}")
            return
        time.sleep(_POLL_S)


def _reachable(host: str) -> str:
    """Where clients on this machine find what listens on `host`."""
    return "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104  (a comparison)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _usable_port(host: str, port: int) -> int:
    """The port, found free; granian itself would share a port that is in use (SO_REUSEPORT)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                ours = health(_reachable(host), port) is not None
                raise PortTaken(host, port, by_a_platform=ours) from None
            raise AddressNotOurs(host, port, error.strerror or str(error)) from None
        return int(probe.getsockname()[1])
