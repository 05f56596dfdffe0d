"""The commands of pxl-platform, by name."""

from __future__ import annotations

from pxl_toolbox import __version__
from pxl_toolbox.cli.lazy import LazyApp, LazyCommand

APP = LazyApp(
    program="pxl-platform",
    about="The embedded platform: a local server that speaks the API of Picsellia.",
    version=__version__,
    commands=(
        LazyCommand("serve", "pxl_platform.cli.serve:serve", "Run the platform here."),
        LazyCommand("status", "pxl_platform.cli.status:status", "Say whether a platform answers."),
        LazyCommand("reset", "pxl_platform.cli.reset:reset", "Remove a data folder's content."),
        LazyCommand("org", "pxl_platform.cli.org:app", "Organizations."),
        LazyCommand("token", "pxl_platform.cli.token:app", "API tokens."),
        LazyCommand(
            "import-coco",
            "pxl_platform.cli.import_coco:import_coco",
            "Make a dataset version of images and a COCO file.",
        ),
        LazyCommand("seed", "pxl_platform.cli.seed:seed", "Create what a TOML or JSON file lists."),
    ),
)
