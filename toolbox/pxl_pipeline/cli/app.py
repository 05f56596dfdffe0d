"""The commands of pxl-pipeline, by name."""

from __future__ import annotations

from pxl_toolbox import __version__
from pxl_toolbox.cli.lazy import LazyApp, LazyCommand

_HERE = "pxl_pipeline.cli"

APP = LazyApp(
    program="pxl-pipeline",
    about="Vision pipelines for Picsellia: from a template to a job on the platform.",
    version=__version__,
    commands=(
        LazyCommand("login", f"{_HERE}.login:login", "Log in, and remember it."),
        LazyCommand("whoami", f"{_HERE}.login:whoami", "Show the login in use."),
        LazyCommand("switch", f"{_HERE}.login:switch", "Use another saved login."),
        LazyCommand("logout", f"{_HERE}.login:logout", "Leave the login in use."),
        LazyCommand("init", f"{_HERE}.init:init", "Make a new pipeline from a template."),
        LazyCommand("test", f"{_HERE}.run:test", "Run a pipeline in its environment."),
        LazyCommand("smoke-test", f"{_HERE}.run:smoke_test", "Run a pipeline in its image."),
        LazyCommand("deploy", f"{_HERE}.deploy:deploy", "Build, push and register a pipeline."),
        LazyCommand("launch", f"{_HERE}.launch:launch", "Start a job of a deployed pipeline."),
        LazyCommand("sync", f"{_HERE}.sync:sync", "Send the code's parameters to the platform."),
    ),
)
