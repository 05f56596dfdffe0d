"""Processings, launches, and the jobs that these make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.platform.conftest import Server


def made(client: Any, name: str, target: str, **more: Any) -> Any:
    return client.create_processing(
        name=name,
        target=target,
        default_cpu=2,
        default_gpu=0,
        default_parameters={"size": 3, "blur": True},
        docker_image="image",
        docker_tag="1",
        **more,
    )


def told(server: Server, job: Any) -> Any:
    return server.made("GET", f"/api/v2/job/{job.id}")["processing_job"]


def payload(server: Server, job: Any) -> Any:
    link = told(server, job)["payload_presigned_url"]
    return server.ask("GET", link.removeprefix(server.host), token="").json


def test_a_processing_is_made_once_found_changed_and_deleted(client: Any, name: str) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    processing = made(client, name, "DATASET_VERSION", type="PRE_ANNOTATION", docker_flags=["-x"])
    with pytest.raises(ResourceConflictError):
        made(client, name, "DATASET_VERSION")

    assert client.get_processing(name).docker == "image:1"
    assert name in [one.name for one in client.list_processings(limit=1000)]
    processing.update(docker_tag="2", default_parameters={"size": 4}, default_cpu=1, default_gpu=1)
    synced = processing.sync()
    assert (synced["docker_tag"], synced["default_parameters"]) == ("2", {"size": 4})
    assert (synced["default_cpu"], synced["default_gpu"]) == (1, 1)
    processing.delete()
    with pytest.raises(ResourceNotFoundError):
        client.get_processing(name)


def test_inputs_are_added_changed_and_deleted(client: Any, name: str) -> None:
    from picsellia.types.enums import Framework, InferenceType, ProcessingInputType

    processing = made(client, name, "DATASET_VERSION")

    processing.add_processing_input(
        "model_version_id",
        ProcessingInputType.MODEL_VERSION,
        True,
        InferenceType.OBJECT_DETECTION,
        Framework.PYTORCH,
    )
    processing.update_processing_input("model_version_id", False, None, None)

    [found] = processing.list_processing_inputs()
    assert (found["name"], found["required"]) == ("model_version_id", False)
    processing.delete_processing_input("model_version_id")
    assert processing.list_processing_inputs() == []


def test_a_launch_on_a_dataset_version_tells_the_job_what_to_do(
    server: Server, client: Any, version: Any, name: str
) -> None:
    processing = made(client, name, "DATASET_VERSION")
    assets = version.list_assets()[:2]

    job = version.launch_processing(
        processing, assets=assets, parameters={"size": 9}, inputs={"target_version_name": "made"}
    )

    found = told(server, job)
    assert job.status.value == "PENDING"
    assert found["target_id"] == str(version.id)
    assert found["parameters"] == {"size": 9, "blur": True}
    assert found["inputs"] == {"target_version_name": "made"}
    assert sorted(payload(server, job)["asset_ids"]) == sorted(str(one.id) for one in assets)


def test_the_peers_fields_become_inputs(
    server: Server, client: Any, version: Any, model_version: Any, name: str
) -> None:
    processing = made(client, name, "DATASET_VERSION")

    launched = server.made(
        "POST",
        f"/api/dataset/version/{version.id}/processing/launch",
        {
            "processing_id": str(processing.id),
            "parameters": {},
            "cpu": 4,
            "gpu": 0,
            "model_version_id": str(model_version.id),
            "target_version_name": "made",
        },
    )

    found = server.made("GET", f"/api/v2/job/{launched['job_id']}")["processing_job"]
    assert found["inputs"] == {
        "model_version_id": str(model_version.id),
        "target_version_name": "made",
    }
    assert launched["runs"][0]["updated_at"]


def test_a_launch_on_a_datalake_tells_the_data_by_ids_or_by_a_window(
    server: Server, client: Any, lake: Any, pictures: list[Path], name: str
) -> None:
    processing = made(client, name, "DATALAKE", type="AUTO_TAGGING")
    data = lake.upload_data(pictures)

    by_ids = lake.launch_processing(processing, data)
    by_window = server.made(
        "POST",
        f"/api/datalake/{lake.id}/processing/launch",
        {"processing_id": str(processing.id), "offset": 0, "limit": 2},
    )

    assert sorted(payload(server, by_ids)["data_ids"]) == sorted(str(one.id) for one in data)
    job = client.get_job_by_id(by_window["id"])
    assert len(payload(server, job)["data_ids"]) == 2


def test_a_launch_on_a_model_version_names_it(
    server: Server, client: Any, model_version: Any, name: str
) -> None:
    processing = made(client, name, "MODEL_VERSION", type="MODEL_CONVERSION")

    job = model_version.launch_processing(processing)

    assert told(server, job)["target_id"] == str(model_version.id)


def test_a_launch_that_cannot_be_is_refused(
    server: Server, client: Any, version: Any, lake: Any, name: str
) -> None:
    from picsellia.exceptions import BadRequestError, ResourceNotFoundError
    from picsellia.types.enums import ProcessingInputType

    processing = made(client, name, "DATASET_VERSION")
    processing.add_processing_input("text", ProcessingInputType.TEXT, True, None, None)

    with pytest.raises(BadRequestError, match="text"):
        version.launch_processing(processing)
    with pytest.raises(BadRequestError, match="DATALAKE"):
        lake.launch_processing(processing, lake.list_data(limit=1))
    processing.delete()
    with pytest.raises(ResourceNotFoundError):
        version.launch_processing(processing)


def test_a_job_is_told_by_its_own_client_how_it_goes(
    client: Any, version: Any, name: str, tmp_path: Path
) -> None:
    from picsellia.types.enums import JobRunStatus

    job = version.launch_processing(made(client, name, "DATASET_VERSION"))
    file = tmp_path / "job.log"
    file.write_text("done\n")

    job.update_job_run_with_status(JobRunStatus.RUNNING)
    assert job.status.value == "RUNNING"
    job.send_logging("one", "part")
    job.send_logging(["two", "three"], "part", final=True, special="exit_code")
    assert job.store_logging_file(file)
    job.update_job_run_with_status(JobRunStatus.SUCCEEDED)
    job.wait_for_done()
    assert client.get_job_by_id(job.id).status.value == "SUCCEEDED"
    failed = version.launch_processing(client.get_processing(name))
    failed.update_job_run_with_status(JobRunStatus.FAILED)
    assert failed.status.value == "FAILED"


def test_our_own_routes_show_a_job_its_log_and_end_it(
    server: Server, client: Any, version: Any, name: str
) -> None:
    job = version.launch_processing(made(client, name, "DATASET_VERSION"))
    job.send_logging(["one", "two"], "part")

    shown = server.made("GET", f"/api/pxl/job/{job.id}")
    posted = server.made("GET", f"/api/pxl/job/{job.id}/log?after=1&source=client")
    printed = server.made("GET", f"/api/pxl/job/{job.id}/log")
    ended = server.made("POST", f"/api/pxl/job/{job.id}/cancel")

    assert (shown["kind"], shown["status"], shown["image"]) == ("processing", "PENDING", "image:1")
    assert posted == {"lines": [{"n": 1, "text": "two"}], "next": 2, "done": False}
    assert printed == {"lines": [], "next": 0, "done": False}
    assert ended["status"] == "KILLED"
    assert str(job.id) in [
        one["id"] for one in server.made("GET", "/api/pxl/jobs?limit=1000")["items"]
    ]


def test_a_training_is_launched_with_the_image_of_its_base_model(
    server: Server, experiment: Any, model_version: Any
) -> None:
    from picsellia.exceptions import BadRequestError

    with pytest.raises(BadRequestError, match="model version"):
        experiment.launch()
    experiment.set_base_model_version(model_version)

    job = experiment.launch()

    shown = server.made("GET", f"/api/pxl/job/{job.id}")
    assert (shown["kind"], shown["image"]) == ("training", "trainer:1")
    assert experiment.sync()["status"] == "WAITING"
    experiment.send_logging("epoch 1", "part")
    log = server.made("GET", f"/api/pxl/job/{job.id}/log?source=client")
    assert [line["text"] for line in log["lines"]] == ["epoch 1"]
