"""pxl-platform serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pxl_platform.first_start import ensure_default_organization, write_login
from pxl_platform.platform import default_folder, open_services
from pxl_platform.running_jobs import running_jobs
from pxl_platform.server import serve as serve_requests
from pxl_toolbox.store.settings import local_platform_file

LOCAL_PORT = 8000  # of the SDK's environment LOCAL


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the database and the objects.")
    ] = None,
    no_runner: Annotated[
        bool, typer.Option("--no-runner", help="Do not run launched jobs: no Docker is needed.")
    ] = False,
) -> None:
    """Run the platform here until it is told to stop.

    Example: pxl-platform serve --port 8000
    """
    folder = default_folder() if data is None else data
    services = open_services(folder, runner_on=not no_runner)
    ensure_default_organization(services.database)

    def ready(url: str) -> None:
        # Clients on this machine find what LOCAL means to them: the platform of the default
        # folder, or whichever has the port that LOCAL stands for.
        if folder.resolve() == default_folder().resolve() or url.endswith(f":{LOCAL_PORT}"):
            write_login(services.database, local_platform_file(), host=_named(url))
        typer.echo(url)

    try:
        with running_jobs(services, folder):
            serve_requests(services, host=host, port=port, when_ready=ready)
    finally:
        services.database.close()


def _named(url: str) -> str:
    return url.replace("//127.0.0.1:", "//localhost:")
