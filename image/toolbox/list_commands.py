"""Prints the commands of pxl-pipeline, one a line, for the entry of the image."""

import pxl_pipeline.cli.app
from pxl_toolbox.cli.lazy import LazyApp

for app in vars(pxl_pipeline.cli.app).values():
    if isinstance(app, LazyApp):
        for command in app.commands:
            print(command.name)
