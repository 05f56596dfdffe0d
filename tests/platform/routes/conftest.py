"""Tests that go through every route: one thing of each kind, and the address of each route."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from PIL import Image

from pxl_platform.routing import AnyRoute

if TYPE_CHECKING:
    from tests.platform.conftest import Server


@pytest.fixture(scope="session")
def things(
    server: Server, client: Any, lake: Any, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
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


@pytest.fixture(scope="session")
def address(things: Mapping[str, str]) -> Callable[[AnyRoute], str]:
    """The path of a route, about the things of this session."""

    def of(route: AnyRoute) -> str:
        def thing(match: re.Match[str]) -> str:
            name = match[1]
            if name == "shape":
                return things[route.path.split("/")[2]]
            if name == "job" and route.path == "/api/job/{job}":
                return things["task"]
            return "some input" if name == "name" else things[name]

        return re.sub(r"\{(\w+)(?::\w+)?\}", thing, route.path).replace(" ", "%20")

    return of
