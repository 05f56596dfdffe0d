"""The command `pxl-platform`."""

from __future__ import annotations


def main() -> None:
    """Run pxl-platform; what takes time to import comes after the boundary is there."""
    from pxl_toolbox.cli import boundary

    boundary.run("pxl_platform.cli.app:APP")
