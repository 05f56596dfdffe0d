"""Options and answers that several commands of pxl-toolbox share."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from pxl_toolbox.cli.render import Style, renderer
from pxl_toolbox.core.events import Emit

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what the programs behind it write.")
]


def answer(data: Mapping[str, object]) -> None:
    """Print the answer of a command as one JSON object."""
    typer.echo(json.dumps(data, indent=2))


def talk(*, verbose: bool) -> Emit:
    """An `Emit` that tells of each step on standard error."""
    return renderer(Style.AUTO, sys.stderr, verbose=verbose)
