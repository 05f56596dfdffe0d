"""Seed files and COCO imports: what they make, twice, and what they refuse."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.platform.conftest import Machine, Server

SEED = """\
[[organization]]
name = "acme"
token = "tok-good"
[[organization.datalake]]
name = "default"
id = "0189266d-6675-775a-985c-441b2820bdc9"
images = "photos"
tags = ["raw"]
[[organization.dataset]]
name = "tiles"
[[organization.dataset.version]]
id = "01892b87-55b0-7f6e-8ae7-f25694ecebc1"
name = "first"
type = "OBJECT_DETECTION"
images = "tiles/images"
annotations = "tiles/coco.json"
[[organization.model]]
name = "detector"
[[organization.model.version]]
id = "0196a0ec-e802-775f-818a-4d3482f31d31"
name = "v1"
framework = "ONNX"
type = "OBJECT_DETECTION"
parameters = { epochs = 3 }
files = { pretrained-weights = "weights.onnx" }
"""
CONFIG_WRONG = 3


def coco(names: list[str]) -> dict[str, Any]:
    return {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 3, 4]}
            for n, _ in enumerate(names)
        ],
    }


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    folder = tmp_path / "seed"
    for place, count in (("photos", 2), ("tiles/images", 3)):
        (folder / place).mkdir(parents=True)
        for number in range(count):
            picture = Image.new("RGB", (16, 12), (number, len(place), 0))
            picture.save(folder / place / f"{number}.png")
    (folder / "tiles" / "coco.json").write_text(json.dumps(coco(["0.png", "1.png", "2.png"])))
    (folder / "weights.onnx").write_bytes(b"weights")
    (folder / "seed.toml").write_text(SEED)
    return folder / "seed.toml"


def rows(machine: Machine) -> dict[str, int]:
    """How many rows each table holds."""
    with closing(sqlite3.connect(machine.data / "platform.sqlite3")) as database:
        names = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith(("sqlite_", "alembic"))
        ]
        return {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
            for name in names
        }


def objects(machine: Machine) -> list[Path]:
    return sorted(path for path in machine.data.rglob("objects/*/*/*") if path.is_file())


def test_a_seed_makes_what_it_lists_with_the_given_ids(machine: Machine, seed: Path) -> None:
    from picsellia import Client

    made = machine.answer("seed", seed)["made"]

    assert (made["organization"], made["data"], made["asset"], made["model_file"]) == (1, 5, 3, 1)
    served = machine.serve()
    try:
        client = Client(api_token="tok-good", organization_name="acme", host=served.host)
        lake = client.get_datalake(id="0189266d-6675-775a-985c-441b2820bdc9")
        assert len(lake.list_data(tags=["raw"])) == 2
        version = client.get_dataset_version_by_id("01892b87-55b0-7f6e-8ae7-f25694ecebc1")
        assert (version.name, version.version, len(version.list_assets())) == ("tiles", "first", 3)
        assert version.retrieve_stats().label_repartition == {"car": 3}
        box = version.list_assets()[0].get_annotation().list_rectangles()[0]
        assert (box.x, box.y, box.w, box.h) == (1, 2, 3, 4)
        model = client.get_model_version_by_id("0196a0ec-e802-775f-818a-4d3482f31d31")
        assert model.sync()["parameters"] == {"epochs": 3}
        model.get_file("pretrained-weights").download(str(machine.home / "down"))
        assert (machine.home / "down" / "weights.onnx").read_bytes() == b"weights"
    finally:
        served.stop()


def test_a_second_time_nothing_changes(machine: Machine, seed: Path) -> None:
    machine.answer("seed", seed)
    rows_before, objects_before = rows(machine), objects(machine)

    again = machine.run("seed", seed)

    assert again.stdout == "everything was there\n"
    assert (rows(machine), objects(machine)) == (rows_before, objects_before)


def test_a_seed_may_be_json(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "seed.json"
    file.write_text(json.dumps({"organization": [{"name": "acme", "token": "tok"}]}))

    assert machine.answer("seed", file)["made"]["organization"] == 1


def test_the_datalake_that_came_with_an_organization_takes_a_given_id(
    machine: Machine, tmp_path: Path
) -> None:
    machine.answer("org", "create", "acme")
    file = tmp_path / "seed.toml"
    wanted = "0189266d-6675-775a-985c-441b2820bdc9"
    file.write_text(
        f'[[organization]]\nname = "acme"\n[[organization.datalake]]\nname = "default"\n'
        f'id = "{wanted}"\n'
    )

    machine.answer("seed", file)

    with closing(sqlite3.connect(machine.data / "platform.sqlite3")) as database:
        assert database.execute("SELECT id FROM datalake").fetchall() == [(wanted,)]


def test_a_seed_goes_into_a_platform_that_is_serving(
    server: Server, seed: Path, client: Any, name: str
) -> None:
    text = SEED.replace('"acme"', '"local"').replace('token = "tok-good"\n', "")
    for given in ("0189266d-6675-775a-985c-441b2820bdc9", "01892b87-55b0-7f6e-8ae7-f25694ecebc1"):
        text = text.replace(f'id = "{given}"\n', "")
    text = text.replace('id = "0196a0ec-e802-775f-818a-4d3482f31d31"\n', "")
    seed.write_text(text.replace('"tiles"', f'"{name}"').replace('"detector"', f'"{name}"'))

    server.machine.answer("seed", seed)

    assert len(client.get_dataset(name).get_version("first").list_assets()) == 3
    assert client.get_model(name).get_version("v1").get_file("pretrained-weights").large is False


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "acme"', "name = 5", "`organization[0].name`"),
        ('name = "acme"', "", "`organization[0].name`"),
        ('name = "acme"', 'name = "acme"\nplan = "x"', "`organization[0].plan`"),
        ('"0189266d-6675-775a-985c-441b2820bdc9"', '"lake"', "'lake'"),
        ('images = "photos"', 'images = "none"', "none"),
        ('"OBJECT_DETECTION"', '"BOXES"', "'BOXES'"),
        ('annotations = "tiles/coco.json"', 'annotations = "tiles/no.json"', "no.json"),
        ('framework = "ONNX"', 'framework = "JAX"', "'JAX'"),
        ('"weights.onnx"', '"none.onnx"', "none.onnx"),
        ("{ epochs = 3 }", "3", "`organization[0].model[0].version[0].parameters`"),
        ('tags = ["raw"]', "tags = [1]", "`organization[0].datalake[0].tags[0]`"),
        ("[[organization]]", "[organization", "not TOML"),
        ("[[organization.datalake]]", "[organization.datalake]", "datalake"),
    ],
)
def test_a_seed_that_is_wrong_is_refused_in_one_line(
    machine: Machine, seed: Path, old: str, new: str, told: str
) -> None:
    seed.write_text(SEED.replace(old, new, 1))

    done = machine.run("seed", seed)

    assert done.returncode == CONFIG_WRONG, done.stderr
    error, hint = done.stderr.strip().splitlines()
    assert str(seed) in error
    assert told in error
    assert "try:" in hint
    assert done.stdout == ""
    assert objects(machine) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"annotations": [{"image_id": 9, "category_id": 1}]}, "annotations[0].image_id"),
        ({"annotations": [{"image_id": 0, "category_id": 9}]}, "annotations[0].category_id"),
        (
            {"annotations": [{"image_id": 0, "category_id": 1, "bbox": [1, 2]}]},
            "annotations[0].bbox",
        ),
        ({"images": [{"id": 0, "file_name": "none.png"}]}, "none.png"),
        ({"categories": [{"id": 1}]}, "categories[0].name"),
    ],
)
def test_a_coco_file_that_is_wrong_is_named_with_the_key(
    machine: Machine, seed: Path, change: dict[str, Any], told: str
) -> None:
    file = seed.parent / "tiles" / "coco.json"
    file.write_text(json.dumps({**coco(["0.png"]), **change}))

    done = machine.run("seed", seed)

    assert done.returncode == CONFIG_WRONG, done.stderr
    assert str(file) in done.stderr
    assert told in done.stderr
    assert objects(machine) == []


def boxes(machine: Machine) -> list[tuple[str, float]]:
    """Of each box: the end of its image's object name, and its x."""
    with closing(sqlite3.connect(machine.data / "platform.sqlite3")) as database:
        found = database.execute(
            "SELECT data.object_name, data.filename, shape.geometry FROM shape"
            " JOIN annotation ON annotation.id = shape.annotation_id"
            " JOIN asset ON asset.id = annotation.asset_id JOIN data ON data.id = asset.data_id"
        ).fetchall()
    assert {filename for _, filename, _ in found} == {"1.png"}
    return sorted((name.split("/", 2)[2], json.loads(drawn)["x"]) for name, _, drawn in found)


def same_names(folder: Path, *names: str) -> dict[str, Any]:
    """Images a/1.png and b/1.png, of one content; their COCO calls them by `names`."""
    for place in ("a", "b"):
        (folder / place).mkdir(parents=True)
        Image.new("RGB", (16, 12)).save(folder / place / "1.png")
    drawn = coco(list(names))
    for number, one in enumerate(drawn["annotations"]):
        one["bbox"][0] = number
    return drawn


@pytest.mark.parametrize("names", [("b/1.png", "a/1.png"), ("./b/1.png", "a\\1.png")])
def test_boxes_are_on_the_image_that_the_path_says(
    machine: Machine, tmp_path: Path, names: tuple[str, str]
) -> None:
    machine.answer("org", "create", "local")
    file = tmp_path / "coco.json"
    file.write_text(json.dumps(same_names(tmp_path / "im", *names)))

    made = machine.answer("import-coco", file, "--images", tmp_path / "im")

    assert made["images"] == 2
    assert boxes(machine) == [("a/1.png", 1), ("b/1.png", 0)]


def test_a_seed_takes_images_of_one_name_in_two_folders(machine: Machine, seed: Path) -> None:
    folder = seed.parent / "same"
    drawn = same_names(folder / "images", "a/1.png", "b/1.png")
    (folder / "coco.json").write_text(json.dumps(drawn))
    seed.write_text(SEED.replace('"tiles/', '"same/').replace('"photos"', '"same/images"'))

    made = machine.answer("seed", seed)["made"]
    again = machine.run("seed", seed)

    assert (made["data"], made["asset"]) == (2, 2)
    assert boxes(machine) == [("a/1.png", 0), ("b/1.png", 1)]
    assert again.stdout == "everything was there\n"


@pytest.mark.parametrize("given", ["1.png", "c/1.png"])
def test_a_name_that_may_be_another_image_is_refused(
    machine: Machine, tmp_path: Path, given: str
) -> None:
    machine.answer("org", "create", "local")
    file = tmp_path / "coco.json"
    file.write_text(json.dumps(same_names(tmp_path / "im", "a/1.png", given)))

    done = machine.run("import-coco", file, "--images", tmp_path / "im")

    assert done.returncode == CONFIG_WRONG, done.stderr
    error = done.stderr.splitlines()[0]
    assert all(told in error for told in (str(file), "`images[1].file_name`", f"'{given}'"))
    assert objects(machine) == []


def test_the_folder_of_the_images_may_stand_in_front(machine: Machine, tmp_path: Path) -> None:
    machine.answer("org", "create", "local")
    file = tmp_path / "coco.json"
    file.write_text(json.dumps(same_names(tmp_path / "im", "im/b/1.png", "data/im/a/1.png")))

    machine.answer("import-coco", file, "--images", tmp_path / "im")

    assert boxes(machine) == [("a/1.png", 1), ("b/1.png", 0)]


def test_a_bare_name_that_one_image_has_is_that_image(machine: Machine, tmp_path: Path) -> None:
    machine.answer("org", "create", "local")
    file = tmp_path / "coco.json"
    file.write_text(json.dumps(same_names(tmp_path / "im", "1.png")))
    (tmp_path / "im" / "b" / "1.png").unlink()

    machine.answer("import-coco", file, "--images", tmp_path / "im")

    assert boxes(machine) == [("a/1.png", 0)]


def test_an_image_that_cannot_be_read_leaves_nothing_behind(machine: Machine, seed: Path) -> None:
    machine.answer("org", "create", "before")
    rows_before = rows(machine)
    broken = seed.parent / "tiles" / "images" / "2.png"
    broken.write_bytes(b"no image")

    done = machine.run("seed", seed)

    assert done.returncode == CONFIG_WRONG
    assert str(broken) in done.stderr
    assert rows(machine) == rows_before
    assert objects(machine) == []


def test_an_id_that_something_else_has_is_a_conflict(machine: Machine, seed: Path) -> None:
    machine.answer("seed", seed)
    seed.write_text(SEED.replace('name = "tiles"', 'name = "other"', 1))
    rows_before = rows(machine)

    done = machine.run("seed", seed)

    assert done.returncode == 7, done.stderr
    assert "01892b87-55b0-7f6e-8ae7-f25694ecebc1" in done.stderr
    assert rows(machine) == rows_before


def test_a_seed_that_is_not_there_is_missing(machine: Machine) -> None:
    done = machine.run("seed", "none.toml")

    assert done.returncode == 4
    assert "none.toml" in done.stderr


def test_a_coco_file_becomes_a_dataset_version_once(machine: Machine, seed: Path) -> None:
    machine.answer("org", "create", "local")
    tiles = seed.parent / "tiles"
    argv = ("import-coco", tiles / "coco.json", "--images", tiles / "images", "--dataset", "tiles")

    made = machine.answer(*argv)
    again = machine.run(*argv)

    assert (made["dataset"], made["version"], made["images"]) == ("tiles", "first", 3)
    assert again.returncode == 7
    assert "first" in again.stderr
    assert machine.answer(*argv, "--version", "second")["images"] == 3
