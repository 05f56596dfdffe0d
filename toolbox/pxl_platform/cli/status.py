"""pxl-platform status."""

from __future__ import annotations

from typing import Annotated

import typer

from pxl_platform.cli.common import AsJson, answer
from pxl_platform.probe import health
from pxl_toolbox.core.errors import UnavailableError


def status(
    host: Annotated[str, typer.Option(help="Address of the platform.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port.")] = 8000,
    as_json: AsJson = False,
) -> None:
    """Say whether a platform answers; exit 5 where none does.

    Example: pxl-platform status --port 8000
    """
    url = f"http://{host}:{port}"
    found = health(host, port)
    if found is None:
        raise UnavailableError(
            f"no platform answers at {url}", hint="start one with `pxl-platform serve`"
        )
    text = f"{url} answers: version {found['version']}, runner {found['runner']}"
    answer({"url": url, **found}, as_json=as_json, text=text)
