"""pxl-platform reset."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer

from pxl_platform.cli.common import Data
from pxl_toolbox.core.errors import ConflictError, NotFoundError, UsageError


def reset(
    data: Data = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove everything that a data folder holds. It cannot be undone.

    Example: pxl-platform reset --yes
    """
    from pxl_platform.platform import default_folder

    folder = default_folder() if data is None else data
    database = folder / "platform.sqlite3"
    if not database.is_file():
        raise NotFoundError(f"{folder} holds no platform", hint="see --data")
    if not yes and not _confirmed(f"Remove everything in {folder}?"):
        raise ConflictError("nothing was removed", hint="answer y, or add --yes")
    shutil.rmtree(folder)
    typer.echo(f"removed {folder}")


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} nobody is at a terminal to answer", hint="add --yes")
    return typer.confirm(question, err=True)
