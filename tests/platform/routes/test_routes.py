"""All routes at once: the table of conformance, who may call them, and bodies that are wrong."""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pxl_platform.resources import ROUTES
from pxl_platform.routing import AnyRoute, Route, StreamRoute

if TYPE_CHECKING:
    from tests.platform.conftest import Answer, Server

TESTS = Path(__file__).parents[2]
TABLE = TESTS.parent / "toolbox" / "pxl_platform" / "conformance.toml"
KEYS = {"method", "path", "caller", "status", "check"}
CALLERS = {"sdk", "cv-engine", "cli", "ours"}

Rows = list[dict[str, str]]
Things = Mapping[str, str]
Address = Callable[[AnyRoute], str]


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


def guarded() -> Iterator[Route]:
    return (route for route in ROUTES if isinstance(route, Route))


def told(route: AnyRoute, answer: Answer) -> str:
    return f"{route.method} {route.path}: {answer.status} {answer.content[:200]!r}"


def test_no_route_answers_without_a_token_or_with_a_wrong_one(
    server: Server, things: Things, address: Address
) -> None:
    wrong: list[str] = []
    for route in guarded():
        for token in ("", "wrong"):
            answer = server.ask(route.method, address(route), token=token)
            if answer.status != 401 or not answer.json["message"]:
                wrong.append(told(route, answer))

    assert wrong == []


def test_things_of_another_organization_do_not_exist(
    server: Server, things: Things, address: Address
) -> None:
    wrong: list[str] = []
    for route in guarded():
        if "{" not in route.path:
            continue
        answer = server.ask(route.method, address(route), {}, token=server.other_token)
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


def test_every_link_that_is_tampered_with_is_forbidden(
    server: Server, things: Things, address: Address
) -> None:
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
            answer = server.ask(route.method, address(route), b"", token="")
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
