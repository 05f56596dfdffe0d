"""The command `pxl-pipeline`."""

from __future__ import annotations


def main() -> None:
    """Run pxl-pipeline; what takes time to import comes after the boundary is there."""
    from pxl_toolbox.cli import boundary

    boundary.run("pxl_pipeline.cli.app:APP")
