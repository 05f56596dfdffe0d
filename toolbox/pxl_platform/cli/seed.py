"""pxl-platform seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pxl_platform.cli.common import AsJson, Data, answer, opened


def seed(
    file: Annotated[Path, typer.Argument(help="TOML or JSON; its paths are relative to it.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Create the organizations, tokens, datalakes, datasets and models that a file lists.

    What is there already stays as it is; a second time nothing changes. The server may run.

    Example: pxl-platform seed studio.toml
    """
    from pxl_platform.seed_file import read_seed
    from pxl_platform.seeding import apply_seed

    wanted = read_seed(file)
    with opened(data) as services:
        seeded = apply_seed(services, wanted)
    made = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in seeded.made.items())
    text = f"made {made}" if made else "everything was there"
    answer({"made": seeded.made}, as_json=as_json, text=text)
