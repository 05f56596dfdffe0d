"""Bodies and queries that make no sense: the server says so, and never stumbles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pxl_platform.resources import ROUTES
from pxl_platform.routing import AnyRoute, Route

if TYPE_CHECKING:
    from tests.platform.conftest import Answer, Server

Things = Mapping[str, str]
Address = Callable[[AnyRoute], str]


def guarded() -> Iterator[Route]:
    return (route for route in ROUTES if isinstance(route, Route))


def told(route: AnyRoute, answer: Answer) -> str:
    return f"{route.method} {route.path}: {answer.status} {answer.content[:200]!r}"


FIELDS = (
    *("name", "description", "version", "type", "filename", "object_name", "content_type"),
    *("tags", "ids", "names", "data_ids", "asset_ids", "annotation_ids", "asset_tag_ids"),
    *("meta", "metadata", "custom_metadata", "data_source_id", "parent_id", "group_id"),
    *("target", "default_cpu", "default_gpu", "default_parameters", "docker_image"),
    *("docker_tag", "docker_flags", "docker_env_variables", "labels", "parameters"),
    *("framework", "input_type", "required", "inference_type_constraint", "large"),
    *("processing_id", "inputs", "cpu", "gpu", "gpus", "offset", "limit", "status", "data"),
    *("duration", "attributes", "annotations", "import_type", "evaluations", "custom_metrics"),
    *("rectangles", "polygons", "classifications", "points", "lines", "keypoints", "masks"),
    *("label_id", "x", "y", "w", "h", "polygon", "point", "line", "mask", "text", "score"),
    *("dataset_version_id", "model_version_id", "base_experiment_id", "model_id", "objects"),
    *("attach_base_parameters", "attach_model_files", "inference_type", "log", "part"),
    *("logging_object_name", "line_nb", "upload_id", "part_no", "parts", "vertices", "edges"),
    *("target_type", "tag_ids", "tag_type", "destination_id", "export_key", "q", "types"),
    *("upload_statuses", "filenames", "object_names", "thumbnail_object_name"),
)
WRONG: tuple[object, ...] = (
    *(5, -1, 2**63, 1.5, True, "", "x", "\x00", "é" * 600, [], ["x"], [[1]], [{}]),
    *({}, {"a": {"b": None}}, [None]),
)
CHANGING = ("POST", "PUT", "PATCH", "XGET")


def test_no_body_makes_the_server_stumble(server: Server, things: Things, address: Address) -> None:
    wrong: list[str] = []
    bodies = [b"{", b"\xff", b"[1, 2", b"5", b'"x"', b"[]", b"[5]", b'{"a": NaN}']
    for route in guarded():
        if route.method not in CHANGING:
            continue
        path = address(route)
        for body in (*bodies, *(dict.fromkeys(FIELDS, value) for value in WRONG)):
            answer = server.ask(route.method, path, body)
            if answer.status >= 500:
                wrong.append(f"{told(route, answer)} for {str(body)[:60]}")

    assert wrong == []


def test_a_body_that_is_no_json_or_no_object_is_a_bad_request(
    server: Server, things: Things, address: Address
) -> None:
    wrong: list[str] = []
    for route in guarded():
        if route.method not in CHANGING:
            continue
        answer = server.ask(route.method, address(route), b'{"name": ')
        if answer.status != 400 or "JSON" not in answer.json["message"]:
            wrong.append(told(route, answer))

    assert wrong == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/organization/{organization}/datasets", {}, "name"),
        ("/api/organization/{organization}/datasets", {"name": 5}, "name"),
        ("/api/organization/{organization}/datasets", {"name": "x" * 600}, "name"),
        ("/api/organization/{organization}/datasets", {"name": "a\x00b"}, "name"),
        ("/api/model/{model}/versions", {"name": "a\x00b"}, "name"),
        ("/api/label/{label}/skeleton", {"vertices": ["\x00"], "edges": []}, "vertices[0]"),
        ("/api/dataset/{dataset}/versions", {"version": "v", "type": "BOXES"}, "type"),
        ("/api/dataset/version/{dataset_version}/assets", {"data_ids": "x"}, "data_ids"),
        ("/api/dataset/version/{dataset_version}/assets", {"data_ids": ["x"]}, "data_ids[0]"),
        (
            "/api/dataset/version/{dataset_version}/bulk-annotations",
            {"annotations": [{"asset_id": 1}]},
            "annotations[0].asset_id",
        ),
        (
            "/api/annotation/{annotation}/bulk-rectangles",
            {"rectangles": [{"x": "1", "y": 2, "w": 3, "h": 4, "label_id": "{label}"}]},
            "rectangles[0].x",
        ),
        (
            "/api/annotation/{annotation}/bulk-masks",
            {"masks": [{"mask": "\x01", "label_id": "{label}"}]},
            "masks[0].mask",
        ),
        ("/api/model/{model}/versions", {"name": "n", "framework": "JAX"}, "framework"),
        ("/api/experiment/{experiment}/logs", {"name": "n", "type": "LINE"}, "data"),
        ("/api/experiment/{experiment}/logs", {"name": "n", "type": "X", "data": 1}, "type"),
        ("/api/organization/{organization}/processings", {"name": "n"}, "target"),
        ("/api/datalake/{datalake}/processing/launch", {"processing_id": 1}, "processing_id"),
        ("/api/tag/{tag}/attach", ["x"], "body[0]"),
        ("/api/object-storage/{connector}/generate_presigned_url", {}, "object_name"),
    ],
)
def test_a_bad_request_names_its_field(
    server: Server, things: Things, path: str, body: Any, field: str
) -> None:
    sent = _filled(body, things)

    answer = server.ask("POST", re.sub(r"\{(\w+)\}", lambda found: things[found[1]], path), sent)

    assert answer.status == 400, answer.content
    assert f"`{field}`" in answer.json["message"]


def _filled(body: Any, things: Things) -> Any:
    if isinstance(body, str):
        return things["label"] if body == "{label}" else body
    if isinstance(body, list):
        return [_filled(one, things) for one in body]
    if isinstance(body, dict):
        return {name: _filled(one, things) for name, one in body.items()}
    return body


QUERIES = (
    "limit=x",
    "limit=-1",
    "limit=0",
    "limit=99999999999999999999999",
    "offset=-1",
    "offset=99999999999999999999999",
    "cursor=x",
    "cursor=99999999999999999999999",
    "order_by=nothing",
    "order_by=--name",
    "id=x",
    "name=",
    "name=%00",
    "name=" + "x" * 5000,
    "version=99999999999999999999999",
    "after=99999999999999999999999",
    "status=X",
    "asset_ids=x",
    "target_type=X",
    "custom_metadata=[",
    "custom_metadata=%7B%22a%22%3A%5B%5D%7D",
    "q=)(",
    "q=" + "(" * 500,
    "q=a%20b%20c",
    "q=width%20%3D%20" + "9" * 5000,
    "cursor=" + "9" * 5000,
    "q=width%20%3E%20%22x%22",
    "q=filename%20~%20%22%5B%22",
    "q=width%20in%20(99999999999999999999999)",
    "q=width%20%3E%2099999999999999999999999",
    "filename=%F0%9F%98%80",
)


def test_no_query_makes_the_server_stumble(
    server: Server, things: Things, address: Address
) -> None:
    wrong: list[str] = []
    for route in guarded():
        if route.method != "GET":
            continue
        for query in QUERIES:
            answer = server.ask("GET", f"{address(route)}?{query}")
            if answer.status >= 500:
                wrong.append(f"{told(route, answer)} for {query}")

    assert wrong == []


@pytest.mark.parametrize(
    "query",
    ["offset=999999999999999999999", "offset=" + "9" * 5000, "cursor=" + "9" * 5000, "offset=-1"],
)
def test_a_number_that_no_list_reaches_is_a_bad_request(server: Server, query: str) -> None:
    path = f"/api/organization/{server.organization_id}/datasets"

    answer = server.ask("GET", f"{path}?{query}")

    assert answer.status == 400, answer.content
    assert f"`{query.partition('=')[0]}`" in answer.json["message"]
