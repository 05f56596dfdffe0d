"""The demo's data: real photographs that scikit-image ships, with boxes made here by hand.

`photos` is for detection: five photographs, a box around what each shows. `tiles` is for
classification: three photographs of textures, cut into tiles, each labelled by its texture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

PHOTOS_ID = "0190d3e0-0000-7000-8000-000000000001"
TILES_IDS = {
    "train": "0190d3e0-0000-7000-8000-000000000011",
    "val": "0190d3e0-0000-7000-8000-000000000012",
    "test": "0190d3e0-0000-7000-8000-000000000013",
}

# x, y, width, height in pixels; drawn by eye.
_BOXES = {
    "astronaut.png": ("person", [(20, 0, 480, 512), (172, 58, 110, 150)]),
    "chelsea.png": ("cat", [(60, 10, 340, 285)]),
    "coffee.png": ("cup", [(128, 66, 346, 284)]),
    "rocket.jpg": ("rocket", [(318, 70, 22, 250)]),
    "motorcycle_left.png": ("motorcycle", [(70, 60, 600, 420)]),
}
_TEXTURES = {"brick.png": 64, "grass.png": 48, "gravel.png": 40}  # tiles to take of each
_TILE = 64  # pixels a side


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the data, with its boxes; a box of None covers it whole."""

    name: str
    image: Image.Image
    category: str
    boxes: tuple[tuple[float, float, float, float], ...]


def write(folder: Path) -> Path:
    """Write the data and a file for `pxl-platform seed`; returns that file."""
    _write_version(folder / "photos", list(_photos()))
    splits: dict[str, list[Picture]] = {name: [] for name in TILES_IDS}
    for number, tile in enumerate(_tiles()):
        splits[("test", "val", "train", "train", "train")[number % 5]].append(tile)
    for name, tiles in splits.items():
        _write_version(folder / "tiles" / name, tiles)
    seed = folder / "seed.toml"
    seed.write_text(_seed())
    return seed


def _photos() -> Iterator[Picture]:
    for name, (category, boxes) in _BOXES.items():
        yield Picture(name, _shipped(name).convert("RGB"), category, tuple(boxes))


def _tiles() -> Iterator[Picture]:
    for name, count in _TEXTURES.items():
        photo = _shipped(name).convert("RGB")
        per_row = photo.width // _TILE
        for number in range(count):
            x, y = number % per_row * _TILE, number // per_row * _TILE
            tile = photo.crop((x, y, x + _TILE, y + _TILE))
            stem = Path(name).stem
            whole = (0.0, 0.0, float(_TILE), float(_TILE))
            yield Picture(f"{stem}-{number:02}.png", tile, stem, (whole,))


def _shipped(name: str) -> Image.Image:
    with files("skimage.data").joinpath(name).open("rb") as file:
        image = Image.open(file)
        image.load()
    return image


def _write_version(folder: Path, pictures: list[Picture]) -> None:
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    categories = sorted({picture.category for picture in pictures})
    coco: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": n, "name": name} for n, name in enumerate(categories)],
    }
    for number, picture in enumerate(pictures):
        picture.image.save(images / picture.name)
        width, height = picture.image.size
        coco["images"].append(
            {"id": number, "file_name": picture.name, "width": width, "height": height}
        )
        for x, y, w, h in picture.boxes:
            coco["annotations"].append(
                {
                    "id": len(coco["annotations"]),
                    "image_id": number,
                    "category_id": categories.index(picture.category),
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
    (folder / "coco.json").write_text(json.dumps(coco, indent=1))


def _seed() -> str:
    versions = "".join(
        f"""
[[organization.dataset.version]]
id = "{id_}"
name = "{name}"
type = "OBJECT_DETECTION"
images = "tiles/{name}/images"
annotations = "tiles/{name}/coco.json"
"""
        for name, id_ in TILES_IDS.items()
    )
    return f"""[[organization]]
name = "local"

[[organization.datalake]]
name = "default"

[[organization.dataset]]
name = "demo-photos"

[[organization.dataset.version]]
id = "{PHOTOS_ID}"
name = "original"
type = "OBJECT_DETECTION"
images = "photos/images"
annotations = "photos/coco.json"

[[organization.dataset]]
name = "demo-tiles"
{versions}"""
