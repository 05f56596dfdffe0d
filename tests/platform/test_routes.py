"""All routes at once: the table of conformance, who may call them, and bodies that are wrong."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from PIL import Image

from pxl_platform.resources import ROUTES
from pxl_platform.routing import AnyRoute, Route, StreamRoute

if TYPE_CHECKING:
    from tests.platform.conftest import Answer, Server

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "toolbox" / "pxl_platform" / "conformance.toml"
KEYS = {"method", "path", "caller", "status", "check"}
CALLERS = {"sdk", "cv-engine", "cli", "ours"}

Rows = list[dict[str, str]]
Things = Mapping[str, str]


def rows() -> Rows:
    found: Rows = tomllib.loads(TABLE.read_text())["endpoint"]
    return found


@functools.cache
def names_in(file: str) -> frozenset[str]:
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def key(route: AnyRoute) -> tuple[str, str]:
    return route.method, route.path


def test_every_route_has_one_row_and_every_row_a_route() -> None:
    listed = [(row["method"], row["path"]) for row in rows()]

    assert len(listed) == len(set(listed))
    assert set(listed) == {key(route) for route in ROUTES}


def test_every_row_says_who_calls_it_and_which_test_proves_it() -> None:
    for row in rows():
        assert row.keys() == KEYS, row
        assert row["caller"] in CALLERS, row
        assert row["status"] in {"V", "R"}, row


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['method']} {row['path']}")
def test_the_check_of_a_row_is_a_test(row: dict[str, str]) -> None:
    file, _, test = row["check"].partition("::")

    assert test in names_in(file), f"{row['check']} is not a test"


@pytest.fixture(scope="session")
def things(
    server: Server, client: Any, lake: Any, tmp_path_factory: pytest.TempPathFactory
) -> Things:
    """One thing of each kind, by the name that paths call it by."""
    file = tmp_path_factory.mktemp("things") / f"{uuid4()}.png"
    Image.new("RGB", (20, 10)).save(file)
    data = lake.upload_data(file, tags=["things"])
    dataset = client.create_dataset(file.stem)
    version = dataset.create_version("one", type="OBJECT_DETECTION")
    task = version.add_data(data)
    label = version.create_label("car")
    asset = version.list_assets()[0]
    annotation = asset.create_annotation()
    model = client.create_model(file.stem)
    model_version = model.create_version(
        name="one", docker_image_name="image", docker_tag="1", base_parameters={"a": 1}
    )
    project = client.create_project(file.stem)
    experiment = project.create_experiment("one", base_model_version=model_version)
    experiment.add_evaluation(asset, classifications=[(label, 0.5)])
    processing = client.create_processing(
        file.stem, "DATASET_VERSION", 1, 0, {}, docker_image="image", docker_tag="1"
    )
    found = {
        "organization": server.organization_id,
        "connector": server.connector_id,
        "datalake": lake.id,
        "data": data.id,
        "data_source": client.create_datasource(file.stem).id,
        "tag": lake.get_data_tag("things").id,
        "dataset": dataset.id,
        "dataset_version": version.id,
        "asset": asset.id,
        "label": label.id,
        "label_group": version.create_label_group("group").id,
        "annotation": annotation.id,
        "model": model.id,
        "model_version": model_version.id,
        "model_file": model_version.store("file", file).id,
        "project": project.id,
        "experiment": experiment.id,
        "log": experiment.log("loss", [1.0], "LINE").id,
        "projection": lake.create_projection(data, "heat", str(file)).id,
        "artifact": experiment.store("file", file).id,
        "logging_file": experiment.store_logging_file(file).id,
        "evaluation": experiment.list_evaluations()[0].id,
        "processing": processing.id,
        "task": task.id,
        "job": version.launch_processing(processing).id,
        "rectangle": annotation.create_rectangle(1, 2, 3, 4, label).id,
        "polygon": annotation.create_polygon([[0, 0], [1, 0], [1, 1]], label).id,
        "line": annotation.create_line([[0, 0], [1, 0]], label).id,
        "point": annotation.create_point([1, 2], label).id,
        "classification": annotation.create_classification(label).id,
        "mask": annotation.create_multiple_masks([("<2d0", label)])[0].id,
        "keypoint": server.made(
            "POST",
            f"/api/annotation/{annotation.id}/bulk-keypoints",
            {"keypoints": [{"keypoints": [[1, 2, 2]], "label_id": str(label.id)}]},
        )["keypoints"][0]["id"],
    }
    return {name: str(value) for name, value in found.items()}


def address(route: AnyRoute, things: Things) -> str:
    """The route's path, about these things."""

    def thing(match: re.Match[str]) -> str:
        name = match[1]
        if name == "shape":
            return things[route.path.split("/")[2]]
        if name == "job" and route.path == "/api/job/{job}":
            return things["task"]
        return "some input" if name == "name" else things[name]

    return re.sub(r"\{(\w+)(?::\w+)?\}", thing, route.path).replace(" ", "%20")


def guarded() -> Iterator[Route]:
    return (route for route in ROUTES if isinstance(route, Route))


def told(route: AnyRoute, answer: Answer) -> str:
    return f"{route.method} {route.path}: {answer.status} {answer.content[:200]!r}"


def test_no_route_answers_without_a_token_or_with_a_wrong_one(
    server: Server, things: Things
) -> None:
    wrong: list[str] = []
    for route in guarded():
        for token in ("", "wrong"):
            answer = server.ask(route.method, address(route, things), token=token)
            if answer.status != 401 or not answer.json["message"]:
                wrong.append(told(route, answer))

    assert wrong == []


def test_things_of_another_organization_do_not_exist(server: Server, things: Things) -> None:
    wrong: list[str] = []
    for route in guarded():
        if "{" not in route.path:
            continue
        answer = server.ask(route.method, address(route, things), {}, token=server.other_token)
        if answer.status != 404:
            wrong.append(told(route, answer))

    assert wrong == []


def test_lists_without_an_id_in_their_path_show_ones_own_things_alone(
    server: Server, things: Things
) -> None:
    jobs = server.ask("GET", "/api/pxl/jobs", token=server.other_token)
    named = server.ask("GET", "/api/organizations/find?name=local", token=server.other_token)

    assert jobs.json["items"] == []
    assert named.status == 404


def test_an_organizations_header_of_another_one_is_refused(server: Server) -> None:
    answer = server.ask(
        "GET",
        "/api/home/ping",
        headers={"X-Picsellia-Organization": server.other_organization_id},
    )

    assert answer.status == 404


def test_an_id_of_another_organization_in_a_query_is_not_found(
    server: Server, things: Things
) -> None:
    base = f"/api/organization/{server.other_organization_id}"
    kinds = {
        "datasets": "dataset",
        "datasetversions": "dataset_version",
        "models": "model",
        "modelversions": "model_version",
        "projects": "project",
        "experiments": "experiment",
        "jobv2s": "job",
    }
    answers = [
        server.ask("GET", f"{base}/{kind}/find?id={things[thing]}", token=server.other_token)
        for kind, thing in kinds.items()
    ]
    lake = server.ask("GET", f"{base}/datalake?id={things['datalake']}", token=server.other_token)

    assert [answer.status for answer in (*answers, lake)] == [404] * 8


def test_an_id_of_another_organization_in_a_body_is_not_found(
    server: Server, things: Things
) -> None:
    def others(method: str, path: str, body: object) -> Answer:
        return server.ask(method, path, body, token=server.other_token)

    def made(path: str, **body: object) -> str:
        return str(others("POST", path, body).json["id"])

    base, name = f"/api/organization/{server.other_organization_id}", str(uuid4())
    dataset = made(f"{base}/datasets", name=name)
    version = made(f"/api/dataset/{dataset}/versions", version="one")
    project = made(f"{base}/projects", name=name)
    experiment = made(f"/api/project/{project}/experiments", name="one")
    tag = made(f"{base}/tags", name=name, target_type="MODEL")
    lake = others("GET", f"{base}/datalake", None).json["id"]
    tries = [
        (f"/api/dataset/version/{version}/assets", {"data_ids": [things["data"]]}),
        (
            f"/api/dataset/version/{version}/processing/launch",
            {"processing_id": things["processing"]},
        ),
        (f"/api/project/{project}/datasets", {"dataset_version_id": things["dataset_version"]}),
        (
            f"/api/experiment/{experiment}/datasets",
            {"name": "train", "dataset_version_id": things["dataset_version"]},
        ),
        (f"/api/experiment/{experiment}/model", {"model_version_id": things["model_version"]}),
        (f"/api/experiment/{experiment}/experiment", {"base_experiment_id": things["experiment"]}),
        (f"/api/experiment/{experiment}/publish/version", {"model_id": things["model"]}),
        (
            f"/api/experiment/{experiment}/evaluations",
            {"evaluations": [{"asset_id": things["asset"]}]},
        ),
        (
            f"/api/dataset/{dataset}/fork",
            {"parent_id": things["dataset_version"], "version": "stolen"},
        ),
        (f"/api/tag/{tag}/attach", [things["model"]]),
        (
            f"/api/datalake/{lake}/datas",
            {
                "filename": "a.png",
                "object_name": "a.png",
                "data_source_id": things["data_source"],
            },
        ),
    ]

    answers = [others("POST", path, body) for path, body in tries]

    assert [(path, answer.status) for (path, _), answer in zip(tries, answers, strict=True)] == [
        (path, 404) for path, _ in tries
    ]


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


def test_no_body_makes_the_server_stumble(server: Server, things: Things) -> None:
    wrong: list[str] = []
    bodies = [b"{", b"\xff", b"[1, 2", b"5", b'"x"', b"[]", b"[5]", b'{"a": NaN}']
    for route in guarded():
        if route.method not in CHANGING:
            continue
        path = address(route, things)
        for body in (*bodies, *(dict.fromkeys(FIELDS, value) for value in WRONG)):
            answer = server.ask(route.method, path, body)
            if answer.status >= 500:
                wrong.append(f"{told(route, answer)} for {str(body)[:60]}")

    assert wrong == []


def test_a_body_that_is_no_json_or_no_object_is_a_bad_request(
    server: Server, things: Things
) -> None:
    wrong: list[str] = []
    for route in guarded():
        if route.method not in CHANGING:
            continue
        answer = server.ask(route.method, address(route, things), b'{"name": ')
        if answer.status != 400 or "JSON" not in answer.json["message"]:
            wrong.append(told(route, answer))

    assert wrong == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/organization/{organization}/datasets", {}, "name"),
        ("/api/organization/{organization}/datasets", {"name": 5}, "name"),
        ("/api/organization/{organization}/datasets", {"name": "x" * 600}, "name"),
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
    "q=width%20%3E%20%22x%22",
    "q=filename%20~%20%22%5B%22",
    "q=width%20in%20(99999999999999999999999)",
    "q=width%20%3E%2099999999999999999999999",
    "filename=%F0%9F%98%80",
)


def test_no_query_makes_the_server_stumble(server: Server, things: Things) -> None:
    wrong: list[str] = []
    for route in guarded():
        if route.method != "GET":
            continue
        for query in QUERIES:
            answer = server.ask("GET", f"{address(route, things)}?{query}")
            if answer.status >= 500:
                wrong.append(f"{told(route, answer)} for {query}")

    assert wrong == []


def test_every_link_that_is_tampered_with_is_forbidden(server: Server, things: Things) -> None:
    link = server.made("GET", f"/api/data/{things['data']}/presigned-url")["presigned_url"]
    path = link.removeprefix(server.host)
    signature = re.search(r"signature=(\w+)", path)
    assert signature is not None
    tampered = [
        path.replace(signature[1], "0" * len(signature[1])),
        re.sub(r"expires=\d+", "expires=99999999999", path),
        re.sub(r"expires=\d+", "expires=x", path),
        re.sub(r"&?signature=\w+", "", path),
        path + "&name=other",
        path.split("?")[0],
    ]

    assert server.ask("GET", path, token="").status == 200
    assert [server.ask("GET", one, token="").status for one in tampered] == [403] * 6
    for route in ROUTES:
        if isinstance(route, StreamRoute):
            answer = server.ask(route.method, address(route, things), b"", token="")
            assert answer.status == 403, told(route, answer)


def test_a_link_for_reading_does_not_write(server: Server, things: Things) -> None:
    link = server.made("GET", f"/api/data/{things['data']}/presigned-url")["presigned_url"]
    path = link.removeprefix(server.host)

    assert server.ask("PUT", path, b"other", token="").status == 403
    assert server.ask("POST", path, b"other", token="").status == 403


def test_downloads_tell_their_length(server: Server, things: Things) -> None:
    link = server.made("GET", f"/api/data/{things['data']}/presigned-url")["presigned_url"]

    answer = server.ask("GET", link.removeprefix(server.host), token="")

    assert int(answer.headers["content-length"]) == len(answer.content) > 0


def test_an_object_that_was_never_uploaded_has_no_link(server: Server) -> None:
    answer = server.ask(
        "POST",
        f"/api/object-storage/{server.connector_id}/retrieve_presigned_url",
        {"object_name": "never/uploaded"},
    )

    link = answer.json.get("presigned_url")
    status = (
        answer.status
        if link is None
        else server.ask("GET", link.removeprefix(server.host), token="").status
    )
    assert status == 404
