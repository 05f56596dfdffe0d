"""The commands of pxl-toolbox, by name."""

from __future__ import annotations

from pxl_toolbox import __version__
from pxl_toolbox.cli.lazy import LazyApp, LazyCommand

APP = LazyApp(
    program="pxl-toolbox",
    about="The box that vision pipelines are made and run in: engine, images, services.",
    version=__version__,
    commands=(
        LazyCommand("up", "pxl_toolbox.cli.services:up", "Start the platform and the registry."),
        LazyCommand("down", "pxl_toolbox.cli.services:down", "Stop what `up` started."),
        LazyCommand("status", "pxl_toolbox.cli.services:status", "Tell what runs."),
        LazyCommand("engine", "pxl_toolbox.cli.engine:app", "The Docker engine of this machine."),
        LazyCommand("images", "pxl_toolbox.cli.images:app", "The images of the toolbox."),
        LazyCommand("version", "pxl_toolbox.cli.version:version", "Tell which version this is."),
    ),
)
