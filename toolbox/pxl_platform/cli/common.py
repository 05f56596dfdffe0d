"""Options and answers that the commands of pxl-platform share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pxl_platform.routing import Services

Data = Annotated[Path | None, typer.Option(help="Folder of the database and the objects.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@contextmanager
def opened(data: Path | None) -> Iterator[Services]:
    """The data folder, opened beside a server that may have it open too."""
    from pxl_platform.platform import default_folder, open_services

    services = open_services(default_folder() if data is None else data)
    try:
        yield services
    finally:
        services.database.close()


def answer(data: Mapping[str, object], *, as_json: bool, text: str) -> None:
    typer.echo(json.dumps(data, indent=2) if as_json else text)
