"""The commands of `pxl-pipeline`."""

from __future__ import annotations

from typing import NoReturn

from pxl_toolbox import __version__
from pxl_toolbox.cli import boundary
from pxl_toolbox.cli.lazy import LazyApp, LazyCommand

APP = LazyApp(
    program="pxl-pipeline",
    about="Make, test, deploy and launch vision pipelines.",
    version=__version__,
    commands=(
        LazyCommand("init", "pxl_pipeline.cli.init:init", "Make a new pipeline from a template."),
    ),
)


def main() -> NoReturn:
    boundary.run(APP)
