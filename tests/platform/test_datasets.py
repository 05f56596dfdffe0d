"""Datasets, their versions, and the assets in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.platform.conftest import Server


def names(items: Any) -> list[str]:
    return sorted(item.filename for item in items)


def test_a_dataset_is_made_once_found_renamed_and_deleted(client: Any, name: str) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    dataset = client.create_dataset(name, description="tiles")
    with pytest.raises(ResourceConflictError):
        client.create_dataset(name)

    assert client.get_dataset(name).id == dataset.id
    assert client.get_dataset_by_id(dataset.id).name == name
    assert name in [one.name for one in client.list_datasets()]
    assert dataset.sync()["description"] == "tiles"
    dataset.update(name=f"{name} b", description="more")
    assert client.get_dataset(f"{name} b").sync()["description"] == "more"
    dataset.delete()
    with pytest.raises(ResourceNotFoundError):
        client.get_dataset(f"{name} b")


def test_lists_go_by_order_limit_and_offset(client: Any, name: str) -> None:
    for number in range(3):
        client.create_dataset(f"zz {name} {number}")

    listed = client.list_datasets(limit=2, offset=1, order_by=["-name"])

    assert len(listed) == 2
    assert [one.name for one in listed] == sorted((one.name for one in listed), reverse=True)


def test_a_version_is_made_once_found_changed_and_deleted(client: Any, dataset: Any) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    version = dataset.create_version("first", description="d", type="SEGMENTATION")
    with pytest.raises(ResourceConflictError):
        dataset.create_version("first")

    assert dataset.get_version("first").id == version.id
    assert dataset.get_version_by_id(version.id).version == "first"
    assert client.get_dataset_version_by_id(version.id).origin_id == dataset.id
    assert [one.version for one in dataset.list_versions()] == ["first"]
    version.update(version="second", description="e", type="OBJECT_DETECTION")
    version.set_type("CLASSIFICATION")
    assert version.sync()["type"] == "CLASSIFICATION"
    assert dataset.get_version("second").sync()["description"] == "e"
    version.delete()
    with pytest.raises(ResourceNotFoundError):
        dataset.get_version("second")


def test_data_become_assets_with_tags_and_only_once(
    dataset: Any, lake: Any, pictures: list[Path]
) -> None:
    data = lake.upload_data(pictures)
    version = dataset.create_version("first")

    job = version.add_data(data, tags=["train"])
    version.add_data(data[0])

    assert job.status.value == "SUCCESS"
    assert job.sync()["status"] == "SUCCESS"
    assert names(version.list_assets()) == names(data)
    assert names(version.list_assets(q='tags.name = "train"')) == names(data)
    assert [tag.name for tag in version.list_asset_tags()] == ["train"]


def test_assets_are_found_one_by_one(version: Any, pictures: list[Path]) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    asset = version.find_asset(filename=pictures[1].name)

    assert version.find_asset(id=asset.id).data_id == asset.data_id
    assert version.find_asset(data=asset.get_data()).id == asset.id
    assert version.find_asset(object_name=asset.object_name).id == asset.id
    assert (asset.width, asset.height) == (41, 30)
    assert asset.sync()["data"]["filename"] == pictures[1].name
    assert asset.get_data().id == asset.data_id
    assert asset.reset_url().startswith("http")
    with pytest.raises(ResourceNotFoundError):
        version.find_asset(filename="none.png")


def test_assets_are_listed_by_every_filter(version: Any, pictures: list[Path], name: str) -> None:
    wanted = sorted(path.name for path in pictures)
    assets = version.list_assets()

    assert names(version.list_assets(ids=[one.id for one in assets[:2]])) == names(assets[:2])
    assert names(version.list_assets(filenames=wanted[:2])) == wanted[:2]
    assert names(version.list_assets(data_ids=[one.data_id for one in assets])) == wanted
    assert names(version.list_assets(object_names=[assets[0].object_name])) == names(assets[:1])
    assert names(version.list_assets(filenames_startswith=[f"{name}-0", f"{name}-1"])) == wanted[:2]
    assert names(version.list_assets(q=f'data.filename = "{wanted[3]}"')) == wanted[3:]
    ordered = [one.filename for one in version.list_assets(order_by=["-data.filename"], limit=2)]
    assert ordered == wanted[:1:-1]
    assert len(version.list_assets(limit=3)) == 3
    assert len(version.list_assets(limit=10, offset=3)) == 1


def test_ids_of_assets_are_listed_in_pages(server: Server, version: Any) -> None:
    page = server.made("GET", f"/api/dataset/version/{version.id}/assets/ids/paginated?limit=3")
    rest = server.made(
        "GET",
        f"/api/dataset/version/{version.id}/assets/ids/paginated?cursor={page['next_cursor']}",
    )

    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (3, 1, None)


def test_asset_tags_are_attached_listed_and_detached(version: Any) -> None:
    assets = version.list_assets()
    tag = version.create_asset_tag("good")

    assets.add_tags(tag)
    assets[0].remove_tags(tag)

    assert version.get_asset_tag("good").id == tag.id
    assert version.get_or_create_asset_tag("good").id == tag.id
    assert len(version.list_assets(q='tags.name = "good"')) == 3
    assert [one.name for one in assets[1].get_tags()] == ["good"]
    assert assets[1].get_data_tags() == []
    assert version.get_asset_tag_analytics() == {"good": 3}
    assert version.get_data_tag_analytics() == {}


def test_an_assets_image_is_downloaded(version: Any, pictures: list[Path], tmp_path: Path) -> None:
    version.download(str(tmp_path / "all"))
    version.list_assets(limit=1)[0].download(str(tmp_path / "one"))

    for picture in pictures:
        assert (tmp_path / "all" / picture.name).read_bytes() == picture.read_bytes()
    assert len(list((tmp_path / "one").iterdir())) == 1
    assert version.synchronize(str(tmp_path / "all")) is None


def test_assets_are_deleted_without_their_data(version: Any, lake: Any) -> None:
    assets = version.list_assets()

    assets[0].delete()
    assets[1:3].delete()

    assert names(version.list_assets()) == [assets[3].filename]
    assert lake.find_data(id=assets[0].data_id).id == assets[0].data_id


def test_assets_lead_back_to_their_data(version: Any) -> None:
    assets = version.list_assets()

    assert len(assets.as_multidata()) == 4
    assert {one.id for one in assets.as_list_of_data()} == {one.data_id for one in assets}


def test_tags_of_everything_are_made_and_attached(
    client: Any, dataset: Any, version: Any, model_version: Any, name: str
) -> None:
    model = client.get_model(name)
    made = {
        "dataset": (client.create_dataset_tag(name), dataset),
        "dataset_version": (client.create_dataset_version_tag(name), version),
        "model": (client.create_model_tag(name), model),
        "model_version": (client.create_model_version_tag(name), model_version),
    }

    for kind, (tag, thing) in made.items():
        thing.add_tags(tag)
        assert [one.name for one in thing.get_tags()] == [name]
        assert getattr(client, f"find_{kind}_tag")(name).id == tag.id
        assert name in [one.name for one in getattr(client, f"list_{kind}_tags")()]
        thing.remove_tags([tag])
        assert thing.get_tags() == []


def test_a_locked_version_is_not_changed(version: Any) -> None:
    from picsellia.exceptions import ResourceLockedError

    version.lock()
    with pytest.raises(ResourceLockedError):
        version.create_label("a")
    with pytest.raises(ResourceLockedError):
        version.delete()

    version.unlock()
    assert version.create_label("a").name == "a"


def test_attributes_of_a_version_are_kept(version: Any) -> None:
    wanted = {"colour": {"required": False, "input_type": "STRING"}}

    version.set_attributes(wanted)

    assert version.get_attributes() == wanted


def test_a_fork_takes_assets_tags_labels_and_annotations(version: Any) -> None:
    label = version.create_label("car")
    assets = version.list_assets()
    assets[0].add_tags(version.create_asset_tag("good"))
    assets[0].create_annotation().create_rectangle(1, 2, 3, 4, label)

    fork, job = version.fork(
        "fork", type="OBJECT_DETECTION", with_tags=True, with_labels=True, with_annotations=True
    )

    assert job.status.value == "SUCCESS"
    assert names(fork.list_assets()) == names(assets)
    assert [one.name for one in fork.list_labels()] == ["car"]
    found = fork.find_asset(object_name=assets[0].object_name)
    assert [one.name for one in found.get_tags()] == ["good"]
    rectangle = found.get_annotation().list_rectangles()[0]
    assert (rectangle.x, rectangle.y, rectangle.w, rectangle.h) == (1, 2, 3, 4)
    assert rectangle.label.id != label.id
    assert fork.origin_id == version.origin_id


def test_a_fork_of_some_assets_has_these_alone(version: Any) -> None:
    assets = version.list_assets()[:2]

    fork, _ = version.fork("fork", assets=assets)

    assert names(fork.list_assets()) == names(assets)
    assert fork.list_labels() == []


def test_assets_are_copied_to_another_version_of_the_dataset(dataset: Any, version: Any) -> None:
    assets = version.list_assets()
    label = version.create_label("car")
    assets[0].create_annotation().create_classification(label)
    target = dataset.create_version("target")

    version.copy_assets_to(target, assets[:2], with_annotations=True)

    assert names(target.list_assets()) == names(assets[:2])
    found = target.find_asset(object_name=assets[0].object_name)
    assert found.get_annotation().list_classifications()[0].label.name == "car"


def test_tags_become_classifications(dataset: Any, lake: Any, pictures: list[Path]) -> None:
    from picsellia.types.enums import TagTarget

    version = dataset.create_version("first", type="CLASSIFICATION")
    version.add_data(lake.upload_data(pictures))
    assets = version.list_assets()
    tag = version.create_asset_tag("cat")
    assets[:3].add_tags(tag)

    job = version.convert_tags_to_classification(TagTarget.ASSET, [tag])

    job.wait_for_done()
    assert version.retrieve_stats().label_repartition == {"cat": 3}
    assert assets[0].get_annotation().list_classifications()[0].label.name == "cat"


def test_users_of_a_dataset_are_those_of_the_organization(dataset: Any) -> None:
    assert [user.username for user in dataset.list_users()] == ["local"]
