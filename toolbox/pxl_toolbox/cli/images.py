"""pxl-toolbox images: build, base, list."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from pxl_toolbox.adapters import docker
from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.box import images
from pxl_toolbox.cli.options import AsJson, Verbose, answer, talk

app = typer.Typer(no_args_is_help=True, help="The images of the toolbox.")


@app.command()
def build(
    *,
    source: Annotated[
        Path | None, typer.Option(help="The checkout to build from; else the one in use.")
    ] = None,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Build pxl-runner and pxl-toolbox; what has not changed is not built again.

    Example: pxl-toolbox images build
    """
    with docker.connect() as engine:
        built = images.build(engine, LocalRunner(), talk(verbose=verbose), source=source)
    _show(built, as_json=as_json)


@app.command()
def base(
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make it again, for Debian's security updates.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Make sure of the base image: fetched, or made of Debian's packages.

    Example: pxl-toolbox images base --rebuild
    """
    with docker.connect() as engine:
        typer.echo(images.make_base(engine, LocalRunner(), talk(verbose=verbose), rebuild=rebuild))


@app.command("list")
def list_images(*, as_json: AsJson = False) -> None:
    """Tell which images of this version the engine has.

    Example: pxl-toolbox images list --json
    """
    with docker.connect() as engine:
        _show(images.listed(engine), as_json=as_json)


def _show(found: tuple[images.BuiltImage, ...], *, as_json: bool) -> None:
    if as_json:
        answer({"images": [dataclasses.asdict(image) for image in found]})
        return
    for image in found:
        size = f"{image.size_bytes / 1e6:.0f} MB" if image.size_bytes else "not built"
        typer.echo(f"{image.name:24}{(image.id or '-')[:19]:22}{size}")
