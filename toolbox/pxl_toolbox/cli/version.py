"""pxl-toolbox version."""

from __future__ import annotations

import platform

import typer

from pxl_toolbox import __version__
from pxl_toolbox.cli.options import AsJson, answer


def version(*, as_json: AsJson = False) -> None:
    """Tell which version this is.

    Example: pxl-toolbox version --json
    """
    if as_json:
        answer({"pxl-toolbox": __version__, "python": platform.python_version()})
    else:
        typer.echo(f"pxl-toolbox {__version__}")
