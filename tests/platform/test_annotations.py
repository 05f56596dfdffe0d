"""Labels and annotations: one by one, in bulk, from COCO files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.platform.conftest import Server


def test_labels_are_made_once_found_renamed_and_deleted(version: Any) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    label = version.create_label("car")
    with pytest.raises(ResourceConflictError):
        version.create_label("car")

    assert version.get_label("car").id == label.id
    assert version.get_or_create_label("car").id == label.id
    assert [one.name for one in version.list_labels()] == ["car"]
    label.update(name="truck")
    assert label.sync()["name"] == "truck"
    label.delete()
    with pytest.raises(ResourceNotFoundError):
        version.get_label("truck")


def test_labels_stand_in_groups_in_groups(version: Any) -> None:
    top = version.create_label_group("vehicles")
    below = version.create_label_group("wheeled", parent=top)
    label = version.create_label("car")

    label.set_group(below)

    assert label.get_group().name == "wheeled"
    assert below.get_parent().id == top.id
    assert sorted(one.name for one in version.list_label_groups()) == ["vehicles", "wheeled"]
    below.update(name="on wheels")
    assert below.sync()["name"] == "on wheels"
    other = version.create_label_group("other")
    below.set_parent(other)
    assert below.get_parent().id == other.id
    below.delete()


def test_a_label_has_a_skeleton_and_attributes(version: Any) -> None:
    label = version.create_label("person")

    label.set_skeleton(["head", "foot"], [[1, 2]])
    label.set_attributes({"age": {"required": False, "input_type": "INTEGER"}})

    assert label.get_skeleton() == {"vertices": ["head", "foot"], "edges": [[1, 2]]}
    assert version.get_skeletons() == {str(label.id): label.get_skeleton()}
    assert label.get_attributes()["age"]["input_type"] == "INTEGER"


def test_every_kind_of_shape_is_drawn_listed_changed_and_deleted(version: Any) -> None:
    label, other = version.create_label("car"), version.create_label("bus")
    annotation = version.list_assets()[0].create_annotation(1.5)

    annotation.create_multiple_rectangles([(1, 2, 3, 4, label), (5, 6, 7, 8, label)])
    annotation.create_multiple_polygons([([[0, 0], [4, 0], [4, 4]], label)])
    annotation.create_multiple_lines([([[0, 0], [4, 4]], label)])
    annotation.create_multiple_points([([3, 4], label)])
    annotation.create_multiple_classifications([label])
    annotation.create_multiple_masks([("<2d0", label)])

    drawn = {
        "rectangles": annotation.list_rectangles(),
        "polygons": annotation.list_polygons(),
        "lines": annotation.list_lines(),
        "points": annotation.list_points(),
        "classifications": annotation.list_classifications(),
        "masks": annotation.list_masks(),
    }
    assert {kind: len(shapes) for kind, shapes in drawn.items()} == {
        **dict.fromkeys(drawn, 1),
        "rectangles": 2,
    }
    rectangle = drawn["rectangles"][0]
    rectangle.update(x=9, label=other)
    assert (rectangle.sync()["x"], rectangle.sync()["w"], rectangle.label.name) == (9, 3, "bus")
    drawn["polygons"][0].update(coords=[[1, 1], [2, 2], [3, 1]])
    drawn["lines"][0].update(coords=[[1, 1], [2, 2]])
    drawn["points"][0].update(coords=[7, 8])
    drawn["classifications"][0].update(label=other)
    assert drawn["polygons"][0].sync()["polygon"] == [[1, 1], [2, 2], [3, 1]]
    assert drawn["points"][0].sync()["point"] == [7, 8]
    assert drawn["lines"][0].sync()["line"] == [[1, 1], [2, 2]]
    assert drawn["classifications"][0].sync()["label"]["name"] == "bus"
    assert drawn["masks"][0].sync()["mask"] == "<2d0"
    for shapes in drawn.values():
        shapes[0].delete()
    assert len(annotation.list_rectangles()) == 1
    assert annotation.list_polygons() == []


def test_a_mask_is_changed_by_plain_http(server: Server, version: Any) -> None:
    label = version.create_label("car")
    annotation = version.list_assets()[0].create_annotation()
    [mask] = annotation.create_multiple_masks([("<2d0", label)])

    server.made("PATCH", f"/api/mask/{mask.id}", {"text": "a car"})

    assert mask.sync()["text"] == "a car"


def test_single_shapes_are_drawn(version: Any) -> None:
    label = version.create_label("car")
    annotation = version.list_assets()[0].create_annotation()

    annotation.create_rectangle(1, 2, 3, 4, label)
    annotation.create_polygon([[0, 0], [4, 0], [4, 4]], label)
    annotation.create_line([[0, 0], [4, 4]], label)
    annotation.create_point([3, 4], label)
    annotation.create_classification(label)

    assert version.retrieve_stats().label_repartition == {"car": 5}


def test_an_annotation_is_found_changed_overwritten_and_deleted(version: Any) -> None:
    from picsellia.exceptions import NoDataError, ResourceNotFoundError

    label = version.create_label("car")
    asset = version.list_assets()[0]
    with pytest.raises(ResourceNotFoundError):
        asset.get_annotation()
    with pytest.raises(NoDataError):
        version.list_annotations()

    first = asset.create_annotation(1.0)
    annotation = asset.create_annotation(2.0)
    annotation.update(duration=3.0, status="ACCEPTED")

    assert asset.get_annotation().id == annotation.id, "the last one counts"
    assert len(asset.list_annotations()) == 2
    assert annotation.sync()["status"] == "ACCEPTED"
    assert [one.id for one in version.list_annotations(status="ACCEPTED")] == [annotation.id]
    annotation.overwrite(rectangles=[(1, 1, 2, 2, label)], classifications=[label], duration=4.0)
    annotation.overwrite(rectangles=[(2, 2, 2, 2, label)])
    assert [one.x for one in annotation.list_rectangles()] == [2]
    assert annotation.list_classifications() == []
    first.delete()
    asset.delete_annotations()
    assert asset.list_annotations() == []


def test_all_annotations_are_loaded_with_their_shapes(version: Any) -> None:
    label = version.create_label("car")
    for asset in version.list_assets():
        asset.create_annotation().create_rectangle(1, 2, 3, 4, label)

    loaded = version.load_annotations()
    some = version.load_annotations(assets=version.list_assets(limit=2))
    coco = version.build_coco_file_locally()

    assert (len(loaded), len(some)) == (4, 2)
    first = loaded[str(version.list_assets()[0].id)][0]
    assert first["rectangles"][0]["label"] == "car"
    assert len(version.list_annotations()) == 4
    assert len(coco.annotations) == 4
    version.delete_all_annotations()
    assert version.retrieve_stats().nb_annotations == 0


def test_stats_count_objects_by_label(version: Any) -> None:
    car, bus = version.create_label("car"), version.create_label("bus")
    annotation = version.list_assets()[0].create_annotation()
    annotation.create_multiple_rectangles([(1, 2, 3, 4, car), (1, 2, 3, 4, car), (1, 1, 1, 1, bus)])

    stats = version.retrieve_stats()

    assert stats.label_repartition == {"car": 2, "bus": 1}
    assert (stats.nb_objects, stats.nb_annotations) == (3, 1)


def coco_file(path: Path, pictures: list[Path], **annotation: Any) -> Path:
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": n, "file_name": one.name, "width": 40 + n, "height": 30}
                    for n, one in enumerate(pictures)
                ],
                "categories": [
                    {"id": 1, "name": "car", "supercategory": "vehicle"},
                    {"id": 2, "name": "bus"},
                ],
                "annotations": [
                    {
                        "id": n,
                        "image_id": n,
                        "category_id": 1 + n % 2,
                        "bbox": [1, 2, 10, 5],
                        "area": 50,
                        "iscrowd": 0,
                        "segmentation": [],
                        **annotation,
                    }
                    for n in range(len(pictures))
                ],
            }
        )
    )
    return path


def test_a_coco_file_is_imported(version: Any, pictures: list[Path], tmp_path: Path) -> None:
    file = coco_file(tmp_path / "coco.json", pictures)

    version.import_annotations_coco_file(file)

    assert version.retrieve_stats().label_repartition == {"car": 2, "bus": 2}
    rectangle = version.list_assets()[0].get_annotation().list_rectangles()[0]
    assert (rectangle.x, rectangle.y, rectangle.w, rectangle.h) == (1, 2, 10, 5)


def test_a_second_import_replaces_and_one_that_keeps_leaves(
    version: Any, pictures: list[Path], tmp_path: Path
) -> None:
    file = coco_file(tmp_path / "coco.json", pictures)
    version.import_annotations_coco_file(file)

    version.import_annotations_coco_file(file)
    assert version.retrieve_stats().nb_objects == 4
    version.import_annotations_coco_file(file, mode="KEEP")
    assert version.retrieve_stats().nb_objects == 4
    version.import_annotations_coco_file(file, mode="CONCATENATE")
    assert version.retrieve_stats().nb_objects == 8


def test_polygons_of_a_coco_file_are_imported(
    dataset: Any, lake: Any, pictures: list[Path], tmp_path: Path
) -> None:
    version = dataset.create_version("polygons", type="SEGMENTATION")
    version.add_data(lake.upload_data(pictures))
    file = coco_file(tmp_path / "c.json", pictures, segmentation=[[0, 0, 9, 0, 9, 9, 0, 9]])

    version.import_annotations_coco_file(file, use_id=False)

    polygon = version.list_assets()[0].get_annotation().list_polygons()[0]
    assert polygon.coords == [[0, 0], [9, 0], [9, 9], [0, 9]]


def test_yolo_and_voc_files_are_imported(
    version: Any, pictures: list[Path], tmp_path: Path
) -> None:
    label_file = tmp_path / f"{pictures[0].stem}.txt"
    label_file.write_text("0 0.5 0.5 0.5 0.5\n")
    voc = tmp_path / f"{pictures[1].stem}.xml"
    voc.write_text(
        f"<annotation><filename>{pictures[1].name}</filename>"
        "<size><width>41</width><height>30</height><depth>3</depth></size>"
        "<object><name>van</name><bndbox><xmin>1</xmin><ymin>2</ymin>"
        "<xmax>11</xmax><ymax>12</ymax></bndbox></object></annotation>"
    )
    names = tmp_path / "data.yaml"
    names.write_text("names: [car]\nnc: 1\ntrain: images\nval: images\n")

    version.import_annotations_yolo_files(names, [label_file])
    version.import_annotation_voc_file(voc)

    assert version.retrieve_stats().label_repartition == {"car": 1, "van": 1}
    first = version.find_asset(filename=pictures[0].name).get_annotation().list_rectangles()[0]
    assert (first.w, first.h) == (20, 15)


def test_a_version_is_split_for_training_with_its_labels_counted(version: Any) -> None:
    label = version.create_label("car")
    for asset in version.list_assets():
        asset.create_annotation().create_rectangle(1, 2, 3, 4, label)

    train, test, count_train, count_test, labels = version.train_test_split(0.5, random_seed=1)
    three = version.train_test_val_split([0.5, 0.25, 0.25], random_seed=1)
    multi, counts, _ = version.split_into_multi_assets([0.5, 0.5], random_seed=1)

    assert (len(train), len(test), count_train["y"], count_test["y"]) == (2, 2, [2], [2])
    assert [one.name for one in labels] == ["car"]
    assert [len(part) for part in three[:3]] == [2, 1, 1]
    assert [len(part) for part in multi] == [2, 2]
    assert counts == [{"car": 2}, {"car": 2}]


def test_a_shape_with_a_label_of_another_version_is_refused(
    server: Server, version: Any, dataset: Any
) -> None:
    foreign = dataset.create_version("other").create_label("car")
    asset = version.list_assets()[0]
    shape = {"x": 1, "y": 1, "w": 2, "h": 2, "label_id": str(foreign.id)}

    answer = server.ask(
        "POST",
        f"/api/dataset/version/{version.id}/bulk-annotations",
        {
            "import_type": "REPLACE",
            "annotations": [{"asset_id": str(asset.id), "rectangles": [shape]}],
        },
    )

    assert answer.status == 404
    assert "annotations[0].rectangles[0].label_id" in answer.json["message"]


def test_keypoints_are_kept_with_their_visibility(server: Server, version: Any) -> None:
    label = version.create_label("person")
    asset = version.list_assets()[0]
    points = [[1, 2, 2], [3, 4, 1]]
    sent = {
        "asset_id": str(asset.id),
        "keypoints": [{"keypoints": points, "label_id": str(label.id)}],
    }

    counts = server.made(
        "POST",
        f"/api/dataset/version/{version.id}/bulk-annotations",
        {"import_type": "REPLACE", "annotations": [sent]},
    )
    annotation = asset.get_annotation()
    listed = server.made("GET", f"/api/annotation/{annotation.id}/keypoints")["items"]
    shape = server.made("GET", f"/api/keypoint/{listed[0]['id']}")
    server.made(
        "POST", f"/api/annotation/{annotation.id}/bulk-keypoints", {"keypoints": sent["keypoints"]}
    )

    assert counts == {str(asset.id): 1}
    assert shape["keypoints"] == points
    server.made("PATCH", f"/api/keypoint/{shape['id']}", {"keypoints": [[5, 6, 2]]})
    assert server.made("GET", f"/api/keypoint/{shape['id']}")["keypoints"] == [[5, 6, 2]]
    server.made("DELETE", f"/api/keypoint/{shape['id']}")
    assert len(server.made("GET", f"/api/annotation/{annotation.id}/keypoints")["items"]) == 1
