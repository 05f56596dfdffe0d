"""Exports of annotations, read back by those who read them in earnest."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO


def draw(version: Any, kind: str, shape: dict[str, Any]) -> Any:
    """One shape on the first asset of a version; returns the asset."""
    label = version.get_or_create_label("car")
    asset = version.list_assets(order_by=["filename"])[0]
    asset.create_annotation().overwrite(**{kind: [(*shape.values(), label)]})
    return asset


def exported(version: Any, folder: Path, kind: str, **options: Any) -> Path:
    return Path(version.export_annotation_file(kind, folder, **options))


def test_a_coco_export_can_be_read_by_pycocotools(version: Any, tmp_path: Path) -> None:
    version.create_label("bus")
    asset = draw(version, "rectangles", {"x": 1, "y": 2, "w": 10, "h": 20})

    coco = COCO(exported(version, tmp_path / "export", "COCO"))

    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["bus", "car"]
    assert {one["file_name"] for one in coco.imgs.values()} == {
        one.filename for one in version.list_assets()
    }
    (drawn,) = coco.anns.values()
    image = coco.imgs[drawn["image_id"]]
    assert (image["file_name"], image["width"], image["height"]) == (asset.filename, 40, 30)
    assert (drawn["bbox"], drawn["area"], drawn["iscrowd"]) == ([1, 2, 10, 20], 200.0, 0)
    assert coco.cats[drawn["category_id"]]["name"] == "car"


def test_no_annotation_of_a_coco_export_has_the_number_that_an_evaluation_ignores(
    version: Any, tmp_path: Path
) -> None:
    draw(version, "rectangles", {"x": 1, "y": 2, "w": 10, "h": 20})

    coco = COCO(exported(version, tmp_path / "export", "COCO"))

    assert min(coco.anns) == 1


def test_polygons_and_masks_cover_the_same_pixels_in_an_export(
    version: Any, tmp_path: Path
) -> None:
    version.set_type("MULTI")
    square = [[4, 5], [14, 5], [14, 15], [4, 15]]
    mask = coco_mask.frPyObjects([[float(n) for point in square for n in point]], 30, 40)[0]
    label = version.get_or_create_label("car")
    annotation = version.list_assets(order_by=["filename"])[0].create_annotation()
    annotation.create_polygon(square, label)
    annotation.create_mask(mask["counts"].decode(), label)

    coco = COCO(exported(version, tmp_path / "export", "COCO"))

    polygon, drawn = (coco.anns[number] for number in sorted(coco.anns))
    assert (coco.annToMask(polygon) == coco.annToMask(drawn)).all()
    assert (polygon["bbox"], polygon["area"]) == ([4, 5, 10, 10], 100.0)
    assert drawn["bbox"] == coco_mask.toBbox(mask).tolist()
    assert drawn["area"] == int(coco_mask.area(mask))


@pytest.mark.parametrize("key", ["ASSET_ID", "DATA_ID", "FILENAME", "OBJECT_NAME"])
def test_an_export_is_imported_again_by_the_key_that_it_was_made_with(
    version: Any, tmp_path: Path, key: str
) -> None:
    asset = draw(version, "rectangles", {"x": 1, "y": 2, "w": 10, "h": 20})
    file = exported(version, tmp_path / "export", "COCO", export_key=key)
    version.delete_all_annotations()

    version.import_annotations_coco_file(file, export_key=key)

    (again,) = asset.get_annotation().list_rectangles()
    assert (again.x, again.y, again.w, again.h, again.label.name) == (1, 2, 10, 20, "car")


def test_the_sdk_builds_its_own_coco_file_of_polygons(version: Any) -> None:
    version.set_type("SEGMENTATION")
    label = version.create_label("car")
    annotation = version.list_assets()[0].create_annotation()
    annotation.create_polygon([[0, 0], [10, 0], [10, 10], [0, 10]], label)

    built = version.build_coco_file_locally()

    assert [(one.bbox, one.area) for one in built.annotations] == [([0, 0, 10, 10], 100.0)]


def test_an_export_of_a_status_holds_the_assets_of_that_status_alone(
    version: Any, tmp_path: Path
) -> None:
    asset = draw(version, "rectangles", {"x": 1, "y": 2, "w": 3, "h": 4})
    asset.get_annotation().update(status="ACCEPTED")

    accepted = json.loads(exported(version, tmp_path / "a", "COCO", status="ACCEPTED").read_bytes())
    refused = json.loads(exported(version, tmp_path / "r", "COCO", status="REFUSED").read_bytes())

    assert [one["file_name"] for one in accepted["images"]] == [asset.filename]
    assert (refused["images"], refused["annotations"]) == ([], [])


def test_a_yolo_export_is_a_zip_that_the_sdk_imports_again(version: Any, tmp_path: Path) -> None:
    asset = draw(version, "rectangles", {"x": 4, "y": 3, "w": 20, "h": 15})
    with zipfile.ZipFile(exported(version, tmp_path, "YOLO")) as archive:
        archive.extractall(tmp_path / "labels")
    text = (tmp_path / "labels" / asset.filename).with_suffix(".txt")
    version.delete_all_annotations()

    version.import_annotations_yolo_files(tmp_path / "labels" / "data.yaml", [text])

    assert text.read_text() == "0 0.350000 0.350000 0.500000 0.500000\n"
    (again,) = asset.get_annotation().list_rectangles()
    assert (again.x, again.y, again.w, again.h, again.label.name) == (4, 3, 20, 15, "car")


def test_a_pascal_voc_export_is_a_zip_that_the_sdk_imports_again(
    version: Any, tmp_path: Path
) -> None:
    asset = draw(version, "rectangles", {"x": 4, "y": 3, "w": 20, "h": 15})
    with zipfile.ZipFile(exported(version, tmp_path, "PASCAL_VOC")) as archive:
        archive.extractall(tmp_path / "voc")
    file = (tmp_path / "voc" / asset.filename).with_suffix(".xml")
    version.delete_all_annotations()

    version.import_annotation_voc_file(file)

    assert f"<filename>{asset.filename}</filename>" in file.read_text()
    (again,) = asset.get_annotation().list_rectangles()
    assert (again.x, again.y, again.w, again.h) == (4, 3, 20, 15)
