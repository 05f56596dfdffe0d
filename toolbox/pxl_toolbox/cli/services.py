"""pxl-toolbox up, down, status."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from pxl_toolbox.adapters import docker
from pxl_toolbox.box import services
from pxl_toolbox.box.services import Service
from pxl_toolbox.cli.options import AsJson, Verbose, answer, talk


def up(
    *,
    platform_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where the platform listens.")
    ] = services.PLATFORM_PORT,
    registry_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where the registry listens.")
    ] = services.REGISTRY_PORT,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Start the platform and the registry of this machine, and wait until both answer.

    What runs already is left as it is.

    Example: pxl-toolbox up
    """
    before = services.status(platform_port=platform_port, registry_port=registry_port)
    running = services.up(
        docker.connect,
        talk(verbose=verbose),
        platform_port=platform_port,
        registry_port=registry_port,
    )
    for service in before:
        if service.answers:
            typer.echo(f"{service.name}: was running already on {service.url}", err=True)
    _show(running, as_json=as_json)


def down(*, verbose: Verbose = False, as_json: AsJson = False) -> None:
    """Stop the platform and the registry that `up` started; their data stays.

    Example: pxl-toolbox down
    """
    stopped = services.down(docker.connect, talk(verbose=verbose))
    if as_json:
        answer({"stopped": list(stopped)})
    elif not stopped:
        typer.echo("nothing that `up` started is running", err=True)


def status(*, as_json: AsJson = False) -> None:
    """Tell whether the platform and the registry answer, and whether `down` would stop them.

    Example: pxl-toolbox status --json
    """
    _show(services.status(), as_json=as_json)


def _show(found: tuple[Service, ...], *, as_json: bool) -> None:
    if as_json:
        answer({service.name: dataclasses.asdict(service) for service in found})
        return
    for service in found:
        state = "answers" if service.answers else "down"
        owner = "" if not service.answers or service.ours else "   (not ours)"
        typer.echo(f"{service.name:10}{state:9}{service.url}{owner}")
