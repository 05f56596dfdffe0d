"""What happens to each image and its annotations. Edit `process_image`."""

import shutil
from collections import defaultdict
from copy import deepcopy
from pathlib import Path
from typing import Any

from PIL import Image

# COCO: `bbox` is [x, y, width, height] in pixels from the upper left corner.
Annotation = dict[str, Any]
Coco = dict[str, Any]


def process_image(
    image: Image.Image, annotations: list[Annotation], parameters: dict[str, Any]
) -> tuple[Image.Image, list[Annotation]]:
    """Return the image and the annotations that the new dataset version gets.

    This one passes both through. An example that halves the size:

        image = image.resize((image.width // 2, image.height // 2))
        for annotation in annotations:
            annotation["bbox"] = [value / 2 for value in annotation["bbox"]]

    Args:
        image: the image as it was downloaded.
        annotations: copies of its COCO annotations, yours to change.
        parameters: the values of `ProcessingParameters`, by name.
    """
    return image, annotations


def process_images(
    input_images_dir: Path,
    input_coco: Coco,
    parameters: dict[str, Any],
    output_images_dir: Path,
) -> Coco:
    """Process every image of a folder into another one; return the new COCO data."""
    ids = {image["file_name"]: image["id"] for image in input_coco.get("images", [])}
    annotations_by_id: dict[int, list[Annotation]] = defaultdict(list)
    for annotation in input_coco.get("annotations", []):
        annotations_by_id[annotation["image_id"]].append(annotation)

    output: Coco = {
        "images": [],
        "annotations": [],
        "categories": deepcopy(input_coco.get("categories", [])),
    }
    paths = sorted(path for path in input_images_dir.iterdir() if path.is_file())
    for path in paths:
        annotations = deepcopy(annotations_by_id.get(ids.get(path.name, -1), []))
        target = output_images_dir / path.name
        with Image.open(path) as image:
            processed, kept = process_image(image, annotations, parameters)
            _save(processed, target, unchanged=path if processed is image else None)
            _add(output, target.name, processed.size, kept)
    print(f"processed {len(paths)} images, {len(output['annotations'])} annotations")
    return output


def _save(image: Image.Image, target: Path, unchanged: Path | None) -> None:
    if unchanged is not None:
        # Encoding a JPEG anew would lose quality for nothing.
        shutil.copyfile(unchanged, target)
    else:
        image.save(target, quality=95)


def _add(
    coco: Coco, file_name: str, size: tuple[int, int], annotations: list[Annotation]
) -> None:
    image_id = len(coco["images"])
    width, height = size
    coco["images"].append(
        {"id": image_id, "file_name": file_name, "width": width, "height": height}
    )
    for annotation in annotations:
        number = len(coco["annotations"])
        coco["annotations"].append({**annotation, "id": number, "image_id": image_id})
