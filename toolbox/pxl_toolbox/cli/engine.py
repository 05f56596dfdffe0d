"""pxl-toolbox engine: start, stop, status."""

from __future__ import annotations

import dataclasses

import typer

from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.box import engine
from pxl_toolbox.cli.options import AsJson, Verbose, answer, talk

app = typer.Typer(no_args_is_help=True, help="The Docker engine of this machine.")


@app.command()
def start(*, verbose: Verbose = False) -> None:
    """Make sure that a Docker engine answers.

    One that is there is used as it is. Where there is none, and you are root on Debian, one is
    installed and started, with its own data folder.

    Example: pxl-toolbox engine start
    """
    started = engine.ensure(LocalRunner(), talk(verbose=verbose))
    if started:
        typer.echo("started a Docker engine; `pxl-toolbox engine stop` stops it", err=True)


@app.command()
def stop(*, verbose: Verbose = False) -> None:
    """Stop the Docker engine that `start` started, and no other.

    Example: pxl-toolbox engine stop
    """
    if not engine.stop(talk(verbose=verbose)):
        typer.echo("no Docker engine runs that pxl-toolbox started; left all as it is", err=True)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Tell whether a Docker engine answers, and whether it is ours to stop.

    Example: pxl-toolbox engine status --json
    """
    found = engine.status()
    if as_json:
        answer(dataclasses.asdict(found))
    elif found.answers and found.memory_bytes is not None:
        owner = "started by pxl-toolbox" if found.ours else "not ours"
        memory = f"{found.memory_bytes / 1e9:.1f} GB"
        typer.echo(f"Docker {found.version} answers, {found.cpus} cores, {memory}, {owner}")
    else:
        typer.echo("no Docker engine answers")
