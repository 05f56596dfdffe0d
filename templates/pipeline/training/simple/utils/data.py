"""From images and COCO annotations to examples that a classifier can learn from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Features = NDArray[np.float64]
Classes = NDArray[np.str_]

_GRID = 4  # cells a side
_COLOUR_BINS = (8, 3, 3)  # of hue, saturation and value, counted together
_EDGE_BINS = 8  # directions of the gradient
_SIDE = 64  # pixels; detail that is finer does not count


@dataclass(frozen=True)
class Examples:
    """Rows of features, and the class of each row."""

    features: Features
    classes: Classes

    def __len__(self) -> int:
        return len(self.classes)


def read_examples(images_dir: Path, coco: dict[str, Any], image_size: int) -> Examples:
    """Read one example for each annotation.

    The class is the annotation's category. What is looked at is the image inside the
    annotation's box, or the whole image where it has none (as in a classification).
    """
    names = {category["id"]: category["name"] for category in coco["categories"]}
    rows: list[Features] = []
    classes: list[str] = []
    for path, annotations in _by_image(images_dir, coco):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for annotation in annotations:
            rows.append(features(_crop(image, annotation.get("bbox")), image_size))
            classes.append(names[annotation["category_id"]])
    if not rows:
        raise ValueError(f"there is no annotated image in {images_dir}")
    return Examples(np.stack(rows), np.array(classes, dtype=np.str_))


def features(image: Image.Image, image_size: int) -> Features:
    """Describe an image by its colours, its edges and a very small copy of itself."""
    small = image.copy()
    small.thumbnail((image_size, image_size))
    small = small.resize((_SIDE, _SIDE))
    pixels = np.asarray(small, dtype=np.float64) / 255
    return np.concatenate(
        [_colours(small), _edges(pixels.mean(axis=2)), _cells(pixels)]
    )


def _by_image(
    images_dir: Path, coco: dict[str, Any]
) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    # Sorted by name: the order in which a platform lists images is not ours to rely on.
    for image in sorted(coco["images"], key=lambda image: str(image["file_name"])):
        yield (
            images_dir / image["file_name"],
            [a for a in coco["annotations"] if a["image_id"] == image["id"]],
        )


def _crop(image: Image.Image, bbox: list[float] | None) -> Image.Image:
    if not bbox:
        return image
    x, y, width, height = bbox
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = (
        min(image.width, round(x + width)),
        min(image.height, round(y + height)),
    )
    return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def _colours(image: Image.Image) -> Features:
    pixels = np.asarray(image.convert("HSV"), dtype=np.float64).reshape(-1, 3)
    counts, _ = np.histogramdd(pixels, bins=_COLOUR_BINS, range=[(0, 256)] * 3)
    # The root keeps a few frequent colours from outweighing all others.
    return np.sqrt(counts.ravel() / len(pixels))


def _edges(grey: Features) -> Features:
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    direction = np.mod(np.arctan2(down, right), np.pi)
    counts, _ = np.histogram(
        direction, bins=_EDGE_BINS, range=(0, np.pi), weights=strength
    )
    return np.concatenate([counts / grey.size, [strength.mean(), strength.std()]])


def _cells(pixels: Features) -> Features:
    side = pixels.shape[0] // _GRID
    cells = pixels.reshape(_GRID, side, _GRID, side, 3)
    return cells.mean(axis=(1, 3)).ravel()
