"""Datalakes, data, their tags and their sources."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.platform.conftest import Server


def names(items: Any) -> list[str]:
    return sorted(item.filename for item in items)


def test_datalakes_are_found_by_name_by_id_and_by_default(client: Any, lake: Any) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    assert client.get_datalake(name="default").id == lake.id
    assert client.get_datalake(id=lake.id).name == "default"
    assert lake.id in [one.id for one in client.list_datalakes()]
    assert lake.sync()["connector_id"] == str(lake.connector_id)
    with pytest.raises(ResourceNotFoundError):
        client.get_datalake(name="none")


def test_uploaded_images_come_back_byte_by_byte(
    lake: Any, pictures: list[Path], tmp_path: Path
) -> None:
    uploaded = lake.upload_data(pictures)

    uploaded.download(str(tmp_path / "down"))

    for picture in pictures:
        assert (tmp_path / "down" / picture.name).read_bytes() == picture.read_bytes()
    assert {(one.width, one.height) for one in uploaded} == {(40 + n, 30) for n in range(4)}


def test_one_file_uploads_with_tags_a_source_and_metadata(
    client: Any, lake: Any, pictures: list[Path], name: str
) -> None:
    source = client.create_datasource(f"camera {name}")
    tag = lake.get_or_create_data_tag(name)

    data = lake.upload_data(
        pictures[0],
        tags=[tag, "day"],
        source=source,
        metadata={"latitude": 1.5, "longitude": 2.5},
        custom_metadata={"run": 7},
    )

    assert data.upload_status.value == "DONE"
    assert sorted(one.name for one in data.get_tags()) == ["day", name]
    assert data.get_datasource().name == f"camera {name}"
    assert (data.metadata["latitude"], data.custom_metadata) == (1.5, {"run": 7})
    data.update_metadata({"latitude": 3.0})
    data.update_custom_metadata({"run": 8})
    synced = data.sync()
    assert (synced["metadata"], synced["custom_metadata"]) == ({"latitude": 3.0}, {"run": 8})


def test_the_server_measures_an_image_that_the_client_cannot(server: Server, lake: Any) -> None:
    raw = io.BytesIO()
    picture = Image.new("RGB", (20, 10))
    exif = picture.getexif()
    exif[0x0112] = 6  # shown on its side
    picture.save(raw, "JPEG", exif=exif)
    object_name = _put(server, raw.getvalue())

    made = server.made(
        "POST",
        f"/api/datalake/{lake.id}/datas",
        {"type": "IMAGE", "filename": "side.jpg", "object_name": object_name},
    )

    assert made["meta"] == {"width": 10, "height": 20}
    assert made["upload_status"] == "DONE"


def _put(server: Server, content: bytes) -> str:
    connector = server.connector_id
    named = server.made(
        "POST",
        f"/api/organization/{server.organization_id}/connector/{connector}/generate_object_name",
        {"filename": "side.jpg", "type": "DATA"},
    )
    signed = server.made(
        "POST",
        f"/api/object-storage/{connector}/generate_presigned_url",
        {"object_name": named["object_name"], "content_type": "image/jpeg"},
    )["presigned_url_data"]
    import requests

    with requests.Session() as session:
        done = session.post(
            signed["url"], data=signed["fields"], files={"file": content}, timeout=10
        )
    assert done.status_code < 300, done.text
    return str(named["object_name"])


def test_data_that_was_never_uploaded_is_refused(server: Server, lake: Any) -> None:
    answer = server.ask(
        "POST",
        f"/api/datalake/{lake.id}/datas",
        {"type": "IMAGE", "filename": "a.png", "object_name": "none/a.png"},
    )

    assert answer.status == 400
    assert "object_name" in answer.json["message"]


def test_data_are_found_one_by_one(lake: Any, pictures: list[Path]) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    data = lake.upload_data(pictures[0])

    assert lake.find_data(filename=pictures[0].name).id == data.id
    assert lake.find_data(object_name=data.object_name).id == data.id
    assert lake.find_data(id=data.id).filename == pictures[0].name
    assert data.sync()["id"] == str(data.id)
    with pytest.raises(ResourceNotFoundError):
        lake.find_data(filename="none.png")


def test_data_are_listed_by_names_ids_tags_and_query(
    lake: Any, pictures: list[Path], name: str
) -> None:
    uploaded = lake.upload_data(pictures, tags=[name])
    wanted = sorted(path.name for path in pictures)
    first = uploaded[0]

    assert names(lake.list_data(filenames=wanted)) == wanted
    assert names(lake.list_data(ids=[one.id for one in uploaded])) == wanted
    assert names(lake.list_data(object_names=[first.object_name])) == [first.filename]
    assert names(lake.list_data(tags=[name])) == wanted
    assert names(lake.list_data(q=f'tags.name = "{name}"')) == wanted
    assert names(lake.list_data(q=f'filename startswith "{name}-"')) == wanted
    assert names(lake.list_data(q=f'tags.name in ("{name}", "x") and width > 41')) == wanted[2:]


def test_a_list_goes_by_order_limit_and_offset(lake: Any, pictures: list[Path], name: str) -> None:
    lake.upload_data(pictures, tags=[name])
    wanted = sorted(path.name for path in pictures)

    def listed(**how: Any) -> list[str]:
        return [one.filename for one in lake.list_data(tags=[name], **how)]

    assert listed(order_by=["-filename"]) == wanted[::-1]
    assert listed(order_by=["filename"], limit=2, offset=1) == wanted[1:3]
    assert len(listed(limit=3)) == 3
    assert len(listed(limit=3, offset=2)) == 2


def test_a_cursor_goes_through_all_pages(server: Server, lake: Any, pictures: list[Path]) -> None:
    lake.upload_data(pictures)
    path = f"/api/datalake/{lake.id}/datas"
    seen: list[str] = []
    cursor = None
    while True:
        query = f"?limit=3{f'&cursor={cursor}' if cursor else ''}"
        page = server.made("GET", path + query)
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break

    assert len(seen) == len(set(seen)) == page["count"]
    listed = server.made("GET", f"{path}/ids/paginated?limit=1000")["items"]
    assert seen == listed


def test_an_xget_answers_the_whole_chunk(server: Server, lake: Any, pictures: list[Path]) -> None:
    uploaded = lake.upload_data(pictures)
    ids = [str(one.id) for one in uploaded]

    answer = server.made("XGET", f"/api/datalake/{lake.id}/datas", {"ids": ids, "types": ["IMAGE"]})

    assert sorted(item["id"] for item in answer["items"]) == sorted(ids)
    assert (answer["count"], answer["next_cursor"]) == (4, None)


def test_an_empty_list_is_no_data_for_the_sdk(lake: Any) -> None:
    from picsellia.exceptions import NoDataError

    with pytest.raises(NoDataError):
        lake.list_data(tags=["nobody has this"])


def test_a_query_that_makes_no_sense_is_a_bad_request(lake: Any) -> None:
    from picsellia.exceptions import BadRequestError

    with pytest.raises(BadRequestError, match="q"):
        lake.list_data(q="filename ==== 3 (")


def test_data_are_listed_by_custom_metadata(lake: Any, pictures: list[Path], name: str) -> None:
    lake.upload_data(pictures[:2], custom_metadata=[{"lot": name}, {"lot": "other"}])

    found = lake.list_data(custom_metadata={"lot": name})

    assert names(found) == [pictures[0].name]


def test_tags_are_made_found_renamed_attached_and_removed(
    lake: Any, pictures: list[Path], name: str
) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    data = lake.upload_data(pictures)
    tag = lake.create_data_tag(name)
    with pytest.raises(ResourceConflictError):
        lake.create_data_tag(name)

    data.add_tags(tag)
    assert names(lake.list_data(tags=[tag])) == names(data)
    data[0].remove_tags(tag)
    assert len(lake.list_data(tags=[tag])) == 3
    tag.attach_on(data[0])
    tag.detach_from(data)
    tag.update(f"{name} b")
    assert lake.get_data_tag(f"{name} b").id == tag.id
    assert tag.sync()["target_type"] == "DATA"
    assert f"{name} b" in [one.name for one in lake.list_data_tags()]
    tag.delete()
    with pytest.raises(ResourceNotFoundError):
        lake.get_data_tag(f"{name} b")


def test_data_are_deleted_one_by_one_and_together(lake: Any, pictures: list[Path]) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    data = lake.upload_data(pictures)

    data[0].delete()
    with pytest.raises(ResourceNotFoundError):
        data[0].sync()
    rest = data[1:]
    rest.delete()
    with pytest.raises(ResourceNotFoundError):
        lake.find_data(filename=pictures[3].name)


def test_a_link_is_asked_for_again(lake: Any, pictures: list[Path]) -> None:
    data = lake.upload_data(pictures[0])

    assert data.reset_url().startswith("http")


def test_a_projection_is_stored_beside_its_datum(
    lake: Any, pictures: list[Path], tmp_path: Path
) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    data = lake.upload_data(pictures[0])
    assert data.list_projections() == []

    made = lake.create_projection(data, "heat", str(pictures[1]), {"scale": 2})

    (listed,) = data.list_projections()
    assert (listed.name, listed.filename, listed.infos) == ("heat", pictures[1].name, {"scale": 2})
    made.reset_url()
    made.download(tmp_path / "copy")
    assert (tmp_path / "copy" / made.filename).read_bytes() == pictures[1].read_bytes()
    with pytest.raises(ResourceConflictError):
        lake.create_projection(data, "heat", str(pictures[1]))
    made.delete()
    with pytest.raises(ResourceNotFoundError):
        made.sync()


def test_a_datalake_says_which_custom_metadata_its_data_have(
    lake: Any, pictures: list[Path]
) -> None:
    from picsellia.exceptions import BadRequestError, ResourceNotFoundError

    data = lake.upload_data(pictures[0], custom_metadata={"depth": 3})
    lake.upsert_custom_metadata_schema_key("camera/1", {"input_type": "STRING", "required": False})

    report = lake.update_custom_metadata_schema(
        {"depth": {"input_type": "INTEGER", "required": True}}, delete_missing_keys=True
    )
    lake.set_allow_extra_custom_metadata(False)

    try:
        assert (report["created"], report["deleted"]) == (["depth"], ["camera/1"])
        for wrong in ({"depth": "three"}, {}, {"depth": 3, "colour": "red"}):
            with pytest.raises(BadRequestError):
                data.update_custom_metadata(wrong)
        data.update_custom_metadata({"depth": 4})
        assert data.sync()["custom_metadata"] == {"depth": 4}
    finally:
        lake.set_allow_extra_custom_metadata(True)
        lake.delete_custom_metadata_schema_key("depth")
    assert lake.get_custom_metadata_schema()["custom_metadata_schema"] == {}
    with pytest.raises(ResourceNotFoundError):
        lake.delete_custom_metadata_schema_key("depth")


def test_many_data_change_at_once(lake: Any, pictures: list[Path], name: str) -> None:
    data = lake.upload_data(pictures[:2])

    lake.update_multiple_data(
        {
            data[0].id: {"metadata": {"a": 1}, "tags": [name], "data_source": f"s {name}"},
            data[1].id: {"custom_metadata": {"b": 2}},
        }
    )

    first, second = (one.sync() for one in data)
    assert first["metadata"] == {"a": 1}
    assert [tag["name"] for tag in first["tags"]] == [name]
    assert first["data_source"]["name"] == f"s {name}"
    assert second["custom_metadata"] == {"b": 2}


def test_sources_are_made_once_and_listed(client: Any, name: str) -> None:
    from picsellia.exceptions import ResourceConflictError

    made = client.create_datasource(name)

    with pytest.raises(ResourceConflictError):
        client.create_datasource(name)
    assert client.get_or_create_datasource(name).id == made.id
    assert client.get_datasource(name).id == made.id
    assert name in [one.name for one in client.list_datasources()]
    made.update(f"{name} b")
    assert made.sync()["name"] == f"{name} b"
    made.delete()


def test_twenty_threads_upload_at_once(lake: Any, tmp_path: Path, name: str) -> None:
    paths = [tmp_path / f"{name}-{number}.png" for number in range(60)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8, 8), (number, number, number)).save(path)

    uploaded = lake.upload_data(paths, tags=[name], max_workers=20)

    assert len(uploaded) == 60
    assert len(lake.list_data(tags=[name])) == 60
    with ThreadPoolExecutor(20) as pool:
        shown = list(pool.map(lambda one: one.sync()["upload_status"], uploaded))
    assert set(shown) == {"DONE"}


def test_a_file_of_30_mib_goes_up_in_parts_and_comes_back_the_same(
    lake: Any, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"{name}.bmp"
    width, height = 3500, 3000
    Image.effect_noise((width, height), 80).convert("RGB").save(file)
    assert file.stat().st_size > 30 << 20

    data = lake.upload_data(file)
    data.download(str(tmp_path / "down"))

    assert (tmp_path / "down" / file.name).read_bytes() == file.read_bytes()
    assert (data.width, data.height) == (width, height)


def test_a_video_is_kept_as_one(lake: Any, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.mp4"
    file.write_bytes(b"\0" * 2000)

    data = lake.upload_data(file)

    assert data.type.value == "VIDEO"
    assert names(lake.list_data(filenames=[file.name])) == [file.name]
