"""Models, their versions and their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.platform.conftest import Server


def test_a_model_is_made_once_found_changed_and_deleted(client: Any, name: str) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    model = client.create_model(name, description="d")
    with pytest.raises(ResourceConflictError):
        client.create_model(name)

    assert client.get_model(name).id == model.id
    assert client.get_model_by_id(model.id).name == name
    assert name in [one.name for one in client.list_models(limit=1000)]
    assert model.sync()["private"] is True
    model.update(name=f"{name} b", description="e")
    assert client.get_model(f"{name} b").sync()["description"] == "e"
    model.delete()
    with pytest.raises(ResourceNotFoundError):
        client.get_model(f"{name} b")


def test_a_version_is_made_once_found_changed_and_deleted(client: Any, name: str) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    model = client.create_model(name)
    first = model.create_version(name="one", framework="ONNX", type="SEGMENTATION")
    second = model.create_version(labels={"0": "car"}, base_parameters={"epochs": 3})
    with pytest.raises(ResourceConflictError):
        model.create_version(name="one")

    assert (first.version, second.version) == (0, 1)
    assert model.get_version(0).id == model.get_version("one").id == first.id
    assert client.get_model_version_by_id(second.id).labels == {"0": "car"}
    assert [one.version for one in model.list_versions(order_by=["version"])] == [0, 1]
    assert second.sync()["parameters"] == {"epochs": 3}
    assert (first.origin_name, first.origin_id) == (name, model.id)
    first.update(
        name="uno",
        framework="PYTORCH",
        type="OBJECT_DETECTION",
        docker_image_name="image",
        docker_tag="2",
        docker_flags=["--ipc=host"],
        base_parameters={"lr": 0.1},
        docker_env_variables={"A": "b"},
        description="d",
        notebook_link="https://notebook.test",
    )
    synced = first.sync()
    assert (synced["name"], synced["framework"], synced["docker_image"]) == (
        "uno",
        "PYTORCH",
        "image",
    )
    assert (synced["docker_tag"], synced["docker_flags"]) == ("2", ["--ipc=host"])
    assert synced["parameters"] == {"lr": 0.1}
    assert synced["docker_env_variables"] == {"A": "b"}
    first.delete()
    with pytest.raises(ResourceNotFoundError):
        model.get_version("uno")


def test_the_numbers_of_deleted_versions_do_not_come_twice_in_a_row(client: Any, name: str) -> None:
    model = client.create_model(name)
    model.create_version(name="a")
    model.create_version(name="b")
    model.get_version("a").delete()

    assert model.create_version(name="c").version == 2


def test_files_are_stored_replaced_and_downloaded(model_version: Any, tmp_path: Path) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"one")

    model_version.store("pretrained-weights", weights)
    weights.write_bytes(b"two")
    model_version.store("pretrained-weights", weights, replace=True)

    file = model_version.get_file("pretrained-weights")
    assert [one.name for one in model_version.list_files()] == ["pretrained-weights"]
    assert (file.filename, file.large) == ("weights.pt", False)
    file.download(str(tmp_path / "down"))
    assert (tmp_path / "down" / "weights.pt").read_bytes() == b"two"
    assert file.sync()["name"] == "pretrained-weights"
    assert file.reset_url().startswith("http")
    file.delete()
    with pytest.raises(ResourceNotFoundError):
        model_version.get_file("pretrained-weights")


def test_a_folder_is_stored_as_a_zip(model_version: Any, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "model.txt").write_text("weights")

    stored = model_version.store("model-latest", str(folder), do_zip=True)

    assert stored.filename == "saved.zip"


def test_a_file_over_the_part_limit_comes_back_the_same(model_version: Any, tmp_path: Path) -> None:
    weights = tmp_path / "big.bin"
    weights.write_bytes(bytes(range(256)) * (26 << 12))

    model_version.store("big", weights)
    model_version.get_file("big").download(str(tmp_path / "down"))

    assert (tmp_path / "down" / "big.bin").read_bytes() == weights.read_bytes()


def test_a_version_that_was_made_by_hand_has_a_context_of_its_own(model_version: Any) -> None:
    from picsellia.exceptions import ContextSourceNotDefined

    context = model_version.get_context()

    assert context.parameters == {"epochs": 3}
    assert context.sync()["experiment_id"] is None
    with pytest.raises(ContextSourceNotDefined):
        context.get_experiment()


def test_a_thumbnail_is_kept(server: Server, model_version: Any) -> None:
    model_version.update(thumb_object_name="thumb/a.png")

    assert model_version.sync()["thumbnail_object_name"] == "thumb/a.png"
