"""Options and answers that several commands of pxl-toolbox share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

import typer

from pxl_toolbox.core.events import Emit, Event, Finished, Log, Started

AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show what the programs behind it write.")
]


def answer(data: Mapping[str, object]) -> None:
    """Print the answer of a command as one JSON object."""
    typer.echo(json.dumps(data, indent=2))


def talk(*, verbose: bool) -> Emit:
    """An `Emit` that writes the beginning and the end of each step to standard error."""

    def emit(event: Event) -> None:
        match event:
            case Started():
                line = f"{event.step}: {event.detail or 'begins'}"
            case Finished():
                # Of a step that failed, the error that follows says why.
                end = f"done   {event.outcome}" if event.ok else "stopped"
                line = f"{event.step}: {event.took_s:.1f} s, {end}".rstrip()
            case Log() if verbose:
                line = f"  {event.line}"
            case _:
                return
        typer.echo(line, err=True)

    return emit
