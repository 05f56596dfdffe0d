"""The code that a made project starts with, run in its own environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

pytestmark = pytest.mark.timeout(120)

TRAIN = """
import json, pathlib, sys
import joblib, numpy
from utils.data import Examples, features, read_examples
from utils.model import majority_share, train_epochs

folder, target = map(pathlib.Path, sys.argv[1:])
examples = read_examples(folder, json.loads((folder / "coco.json").read_text()), 640)
order = numpy.random.default_rng(0).permutation(len(examples))
cut = len(order) * 7 // 10
train, test = (
    Examples(examples.features[rows], examples.classes[rows])
    for rows in (order[:cut], order[cut:])
)
epochs = list(train_epochs(train, test, epochs=5, batch_size=8, seed=0))
model = epochs[-1].model
joblib.dump(model, target)
loaded = joblib.load(target)
print(json.dumps({
    "losses": [epoch.train_loss for epoch in epochs],
    "accuracy": float(model.score(test.features, test.classes)),
    "majority": majority_share(train.classes, test.classes),
    "same": bool((loaded.predict(test.features) == model.predict(test.features)).all()),
    "weights": model[-1].coef_.tolist(),
}))
"""

PROCESS = """
import json, pathlib, sys
from utils.processing import process_images

source, target = map(pathlib.Path, sys.argv[1:])
coco = json.loads((source.parent / "coco.json").read_text())
print(json.dumps(process_images(source, coco, {}, target)))
"""


def _python(project: Path, script: str, *arguments: Path) -> str:
    done = subprocess.run(
        [str(project / ".venv" / "bin" / "python"), "-c", script, *map(str, arguments)],
        cwd=project, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def _photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)())


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of three photographs; a tile's class is the photograph that it was cut from."""
    folder = tmp_path_factory.mktemp("tiles")
    kinds, side = ("astronaut", "chelsea", "coffee"), 64
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for category, kind in enumerate(kinds):
        photo = _photograph(kind)
        for top in range(0, photo.height - side + 1, side):
            for left in range(0, photo.width - side + 1, side):
                number = len(images)
                name = f"{number}.png"
                photo.crop((left, top, left + side, top + side)).save(folder / name)
                images.append({"id": number, "file_name": name})
                annotations.append({"image_id": number, "category_id": category, "bbox": []})
    categories = [{"id": number, "name": kind} for number, kind in enumerate(kinds)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "coco.json").write_text(json.dumps(coco))
    return folder


def test_the_training_learns_real_tiles_and_can_be_repeated(
    training: Path, tiles: Path, tmp_path: Path
) -> None:
    first = json.loads(_python(training, TRAIN, tiles, tmp_path / "first.joblib"))
    second = json.loads(_python(training, TRAIN, tiles, tmp_path / "second.joblib"))

    assert first["accuracy"] >= first["majority"] + 0.2
    assert first["losses"][-1] < first["losses"][0]
    assert first["same"]
    assert second == first


def test_the_processing_passes_images_and_boxes_through_unchanged(
    processing: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    photo = _photograph("astronaut")
    photo.save(source / "a.jpg", quality=80)
    photo.save(source / "b.png")
    box = {"id": 7, "image_id": 4, "category_id": 0, "bbox": [150, 0, 180, 220]}
    given = {
        "images": [{"id": 4, "file_name": "a.jpg"}, {"id": 5, "file_name": "b.png"}],
        "annotations": [box],
        "categories": [{"id": 0, "name": "face"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(given))

    made = json.loads(_python(processing, PROCESS, source, target))

    for name in ("a.jpg", "b.png"):
        assert (target / name).read_bytes() == (source / name).read_bytes()
    assert made["images"][0] == {"id": 0, "file_name": "a.jpg", "width": 512, "height": 512}
    assert made["annotations"] == [{**box, "id": 0, "image_id": 0}]
    assert made["categories"] == given["categories"]
