"""The command `pxl-toolbox`: the machine, the images and the services."""

from __future__ import annotations


def main() -> None:
    """Run pxl-toolbox; what takes time to import comes after the boundary is there."""
    from pxl_toolbox.cli import boundary

    boundary.run("pxl_toolbox.cli.commands:APP")
