"""What the demo checks of the jobs' results, through the SDK and pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import picsellia
from data import PHOTOS_ID, TILES_IDS
from numpy.typing import NDArray
from picsellia.types.enums import AnnotationFileType
from PIL import Image
from pycocotools.coco import COCO
from skimage.filters import laplace

Box = tuple[float, float, float, float]


class CheckFailed(Exception):
    """A result is not what it should be."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A dataset version on disk: images by name, and boxes by image name."""

    images: dict[str, Path]
    boxes: dict[str, list[Box]]


def connect(host: str, organization: str, token: str) -> picsellia.Client:
    logging.getLogger("picsellia").setLevel(logging.ERROR)
    return picsellia.Client(api_token=token, organization_name=organization, host=host)


def processed_version(client: picsellia.Client, name: str, folder: Path) -> str:
    """Check that the version `name` of the photographs is half as large, blurred, and boxed."""
    source = client.get_dataset_version_by_id(PHOTOS_ID)
    made = client.get_dataset_by_id(source.origin_id).get_version(version=name)
    # cv-engine names what it downloads by the asset's id, and the new images keep that name.
    before = _download(source, folder / "before", by_id=True)
    after = _download(made, folder / name)
    _require(set(before.images) == set(after.images), f"images {sorted(after.images)}")
    ratios = []
    for image_name, path in before.images.items():
        with Image.open(path) as old, Image.open(after.images[image_name]) as new:
            expected = (old.width // 2, old.height // 2)
            _require(new.size == expected, f"{image_name} is {new.size}, not {expected}")
            only_resized = old.convert("RGB").resize(expected)
            ratios.append(_sharpness(new.convert("RGB")) / _sharpness(only_resized))
            scale = (new.width / old.width, new.height / old.height)
        _require(ratios[-1] < 0.5, f"{image_name} is not blurred: {ratios[-1]:.2f}")
        _compare_boxes(image_name, before.boxes[image_name], after.boxes[image_name], scale)
    boxes = sum(len(rows) for rows in after.boxes.values())
    return (
        f"{len(after.images)} images half as large, {boxes} boxes within 1 px,"
        f" sharpness down to {max(ratios):.0%} at most"
    )


def trained_experiment(client: picsellia.Client, project: str, experiment: str) -> str:
    """Check the accuracy and the loss curve of a training."""
    found = client.get_project(project).get_experiment(name=experiment)
    accuracy = float(found.get_log("test/accuracy").data)
    majority = float(found.get_log("test/majority").data)
    _require(accuracy >= majority + 0.2, f"accuracy {accuracy:.2f}, majority {majority:.2f}")
    losses = found.get_log("train/loss").data
    _require(len(losses) >= 3, f"{len(losses)} points of loss")
    _require(losses[-1] < losses[0], f"the loss does not fall: {losses}")
    return f"accuracy {accuracy:.2f}, majority {majority:.2f}, loss {losses}"


def save_model_and_confusion(
    client: picsellia.Client, project: str, experiment: str, folder: Path
) -> None:
    """Put the artifact, the test tiles and the logged confusion matrix where a check finds them."""
    shutil.rmtree(folder, ignore_errors=True)
    found = client.get_project(project).get_experiment(name=experiment)
    found.get_artifact("model-latest").download(str(folder))
    _download(client.get_dataset_version_by_id(TILES_IDS["test"]), folder / "test")
    (folder / "confusion.json").write_text(json.dumps(found.get_log("test/confusion").data))


def _download(
    version: picsellia.DatasetVersion, folder: Path, *, by_id: bool = False
) -> Downloaded:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        version.list_assets().download(str(folder / "images"), use_id=by_id)
        key = "ASSET_ID" if by_id else "FILENAME"
        path = version.export_annotation_file(AnnotationFileType.COCO, str(folder), export_key=key)
        coco = COCO(path)
    shutil.move(path, folder / "coco.json")
    rows: dict[str, list[Box]] = {}
    for image in coco.loadImgs(coco.getImgIds()):
        found = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        rows[image["file_name"]] = sorted(tuple(one["bbox"]) for one in found)
    return Downloaded({path.name: path for path in (folder / "images").iterdir()}, rows)


def _compare_boxes(
    name: str, before: list[Box], after: list[Box], scale: tuple[float, float]
) -> None:
    wanted = sorted(
        (x * scale[0], y * scale[1], w * scale[0], h * scale[1]) for x, y, w, h in before
    )
    _require(len(wanted) == len(after), f"{name} has {len(after)} boxes, not {len(wanted)}")
    for expected, found in zip(wanted, after, strict=True):
        off = max(abs(a - b) for a, b in zip(expected, found, strict=True))
        _require(off <= 1.0, f"{name}: box {found} is {off:.1f} px off {expected}")


def _sharpness(image: Image.Image) -> float:
    """The variance of the Laplacian: it falls where an image is blurred."""
    grey: NDArray[Any] = np.asarray(image.convert("L"), dtype=float)
    return float(laplace(grey).var())  # type: ignore[no-untyped-call]


def _require(holds: bool, problem: str) -> None:  # noqa: FBT001
    if not holds:
        raise CheckFailed(problem)
