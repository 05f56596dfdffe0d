"""pxl-platform import-coco."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pxl_platform.cli.common import AsJson, Data, answer, opened


def import_coco(
    annotations: Annotated[Path, typer.Argument(help="COCO file, or a folder that holds one.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images; beside the file if left out.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Name of the dataset; the folder's if left out.")
    ] = None,
    version: Annotated[str, typer.Option(help="Name of the new version.")] = "first",
    kind: Annotated[str, typer.Option("--type", help="What it is annotated for.")] = (
        "OBJECT_DETECTION"
    ),
    organization: Annotated[str, typer.Option(help="Organization, by name.")] = "local",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a dataset version of images and their COCO annotations.

    Example: pxl-platform import-coco coco.json --images photos --dataset photos --version first
    """
    from pxl_platform.importing import import_coco as run

    with opened(data) as services:
        made = run(
            services,
            annotations,
            images=images,
            dataset=dataset,
            version=version,
            kind=kind,
            organization=organization,
        )
    text = f"{made.dataset}/{made.version}: {made.images} images, id {made.id}"
    report = {
        "id": made.id,
        "dataset": made.dataset,
        "version": made.version,
        "images": made.images,
    }
    answer(report, as_json=as_json, text=text)
