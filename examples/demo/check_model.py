"""Loads the trained artifact again and compares its predictions with those of the training.

Run with the Python of the generated pipeline, in its folder, whose scikit-learn and feature
code belong to the model: python check_model.py FOLDER IMAGE_SIZE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

import joblib
from sklearn.metrics import confusion_matrix
from utils.data import read_examples  # type: ignore[import-not-found]


def main() -> int:
    folder, image_size = Path(sys.argv[1]), int(sys.argv[2])
    model = joblib.load(next(folder.glob("*.joblib")))
    coco = json.loads((folder / "test" / "coco.json").read_text())
    test = read_examples(folder / "test" / "images", coco, image_size)
    found = confusion_matrix(test.classes, model.predict(test.features), labels=model.classes_)
    logged = json.loads((folder / "confusion.json").read_text())["values"]
    if found.tolist() != logged:
        print(f"predictions differ: {found.tolist()}, in the training {logged}", file=sys.stderr)
        return 1
    print(f"{len(test)} predictions, the same as in the training")
    return 0


if __name__ == "__main__":
    sys.exit(main())
