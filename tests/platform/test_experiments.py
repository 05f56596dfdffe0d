"""Projects, experiments, their logs, artifacts and evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.platform.conftest import Server


def test_a_project_is_made_once_found_changed_and_deleted(client: Any, name: str) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    project = client.create_project(name, description="d")
    with pytest.raises(ResourceConflictError):
        client.create_project(name)

    assert client.get_project(name).id == project.id
    assert client.get_project_by_id(project.id).name == name
    assert name in [one.name for one in client.list_projects(limit=1000)]
    project.update(name=f"{name} b", description="e")
    assert project.sync()["description"] == "e"
    project.delete()
    with pytest.raises(ResourceNotFoundError):
        client.get_project(f"{name} b")


def test_dataset_versions_are_attached_to_a_project_once(project: Any, version: Any) -> None:
    from picsellia.exceptions import ResourceConflictError

    project.attach_dataset(version)
    with pytest.raises(ResourceConflictError):
        project.attach_dataset(version)

    assert [one.id for one in project.list_dataset_versions()] == [version.id]
    project.detach_dataset(version)
    assert project.list_dataset_versions() == []


def test_an_experiment_is_made_once_found_changed_and_deleted(client: Any, project: Any) -> None:
    from picsellia.exceptions import (
        NoBaseExperimentError,
        NoBaseModelVersionError,
        ResourceConflictError,
        ResourceNotFoundError,
    )

    experiment = project.create_experiment("first", description="d")
    with pytest.raises(ResourceConflictError):
        project.create_experiment("first")

    assert project.get_experiment("first").id == experiment.id
    assert project.get_experiment_by_id(experiment.id).name == "first"
    assert client.get_experiment_by_id(experiment.id).project_id == project.id
    experiment.update(name="second", description="e", status="SUCCESS")
    assert experiment.sync()["status"] == "SUCCESS"
    with pytest.raises(NoBaseModelVersionError):
        experiment.get_base_model_version()
    with pytest.raises(NoBaseExperimentError):
        experiment.get_base_experiment()
    experiment.delete()
    with pytest.raises(ResourceNotFoundError):
        project.get_experiment("second")


def test_experiments_are_listed_in_order_and_deleted_together(project: Any) -> None:
    for name in ("a", "b", "c"):
        project.create_experiment(name)

    listed = project.list_experiments(limit=2, offset=1, order_by=["-name"])
    assert [one.name for one in listed] == ["b", "a"]
    project.delete_all_experiments()
    assert project.list_experiments() == []


def test_every_type_of_log_is_kept_as_it_was_sent(experiment: Any) -> None:
    sent = {
        "accuracy": ("VALUE", 0.5),
        "loss": ("LINE", [1.0, 0.5, 0.25]),
        "table": ("TABLE", {"epochs": 3, "name": "x"}),
        "matrix": ("TABLE", {"data": [[1, 2]], "rows": ["a"], "columns": ["b", "c"]}),
        "bar": ("BAR", {"x": ["a", "b"], "y": [1, 2]}),
        "heat": ("HEATMAP", {"categories": ["a"], "values": [[1]]}),
        "labelmap": ("LABELMAP", {"0": "car"}),
        "scores": ("EVALUATION", {"mAP": 0.5}),
    }

    for name, (kind, data) in sent.items():
        experiment.log(name, data, kind)

    assert {log.name: (log.type.value, log.data) for log in experiment.list_logs()} == sent
    ordered = experiment.list_logs(order_by=["name"], limit=2)
    assert [log.name for log in ordered] == ["accuracy", "bar"]


def test_logs_are_listed_by_plain_http_too(server: Server, experiment: Any) -> None:
    experiment.log("accuracy", 0.5, "VALUE")

    listed = server.made("GET", f"/api/experiment/{experiment.id}/logs")

    assert [(one["name"], one["data"]) for one in listed["items"]] == [("accuracy", 0.5)]


def test_a_line_grows_and_other_logs_are_replaced(experiment: Any) -> None:
    from picsellia.exceptions import ResourceConflictError

    experiment.log("loss", [1.0], "LINE")
    experiment.log("loss", 0.5, "LINE")
    experiment.log("loss", [0.25, 0.1], "LINE")
    experiment.log("accuracy", 0.1, "VALUE")
    experiment.log("accuracy", 0.9, "VALUE")

    assert experiment.get_log("loss").data == [1.0, 0.5, 0.25, 0.1]
    assert experiment.get_log("accuracy").data == 0.9
    with pytest.raises(ResourceConflictError):
        experiment.log("accuracy", 1.0, "VALUE", replace=False)


def test_a_line_of_steps_and_values_grows_in_both(experiment: Any) -> None:
    experiment.log("loss", {"x": [0], "y": [1.0]}, "LINE")
    experiment.log("loss", {"x": [1], "y": [0.5]}, "LINE")

    assert experiment.get_log("loss").data == {"x": [0, 1], "y": [1.0, 0.5]}


def test_a_log_is_changed_appended_to_and_deleted(experiment: Any) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    log = experiment.log("loss", [1.0], "LINE")
    log.append([0.5])
    assert log.sync()["data"] == [1.0, 0.5]
    log.update(name="cost", data=[3.0])
    assert experiment.get_log("cost").data == [3.0]
    log.delete()
    with pytest.raises(ResourceNotFoundError):
        experiment.get_log("cost")
    experiment.log("a", 1, "VALUE")
    experiment.delete_all_logs()
    assert experiment.list_logs() == []


def test_parameters_are_a_log_that_is_replaced(experiment: Any) -> None:
    experiment.log_parameters({"epochs": 3, "lr": 0.1})
    experiment.log_parameters({"epochs": 5})

    assert experiment.get_log("parameters").data == {"epochs": 5}


def test_an_image_log_leads_to_the_image(
    server: Server, experiment: Any, pictures: list[Path]
) -> None:
    log = experiment.log("sample", str(pictures[0]), "IMAGE")

    link = server.made(
        "POST",
        f"/api/object-storage/{server.connector_id}/retrieve_presigned_url",
        {"object_name": log.data["object_name"]},
    )["presigned_url"]
    path = link.removeprefix(server.host)
    assert server.ask("GET", path, token="").content == pictures[0].read_bytes()
    assert log.data["filename"] == pictures[0].name


def test_artifacts_are_stored_replaced_listed_and_downloaded(
    experiment: Any, tmp_path: Path
) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    file = tmp_path / "model.pt"
    file.write_bytes(b"one")
    experiment.store("model-latest", str(file))
    file.write_bytes(b"two")
    experiment.store("model-latest", file)

    artifact = experiment.get_artifact("model-latest")
    artifact.download(str(tmp_path / "down"))
    assert (tmp_path / "down" / "model.pt").read_bytes() == b"two"
    assert [one.name for one in experiment.list_artifacts(order_by=["name"])] == ["model-latest"]
    artifact.update(name="renamed")
    assert artifact.sync()["name"] == "renamed"
    assert artifact.reset_url().startswith("http")
    artifact.delete()
    with pytest.raises(ResourceNotFoundError):
        experiment.get_artifact("renamed")
    experiment.create_artifact("a", "a.bin", artifact.object_name)
    experiment.delete_all_artifacts()
    assert experiment.list_artifacts() == []


def test_all_artifacts_of_an_experiment_are_downloaded(
    experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.bin").write_bytes(b"w")
    experiment.store("weights", "weights.bin")

    experiment.download_artifacts(with_tree=False)
    experiment.download_artifacts(with_tree=True)

    assert Path("first/weights.bin").read_bytes() == b"w"


def test_datasets_are_attached_by_alias(experiment: Any, version: Any) -> None:
    from picsellia.exceptions import ResourceConflictError, ResourceNotFoundError

    experiment.attach_dataset("train", version)
    with pytest.raises(ResourceConflictError):
        experiment.attach_dataset("train", version)

    assert experiment.get_dataset("train").id == version.id
    assert list(experiment.get_attached_dataset_versions()) == ["train"]
    assert [one.id for one in experiment.list_attached_dataset_versions()] == [version.id]
    with pytest.raises(ResourceNotFoundError):
        experiment.get_dataset("test")
    experiment.detach_dataset(version)
    assert experiment.get_attached_dataset_versions() == {}


def test_a_base_model_gives_parameters_labels_and_files(
    experiment: Any, model_version: Any, tmp_path: Path
) -> None:
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    model_version.store("pretrained-weights", weights)
    model_version.update(labels={"0": "car"})

    experiment.set_base_model_version(model_version)

    assert experiment.get_base_model_version().id == model_version.id
    assert experiment.get_log("parameters").data == {"epochs": 3}
    assert experiment.get_log("labelmap").data == {"0": "car"}
    experiment.get_artifact("pretrained-weights").download(str(tmp_path / "down"))
    assert (tmp_path / "down" / "w.pt").read_bytes() == b"weights"


def test_a_base_model_leaves_what_is_there_unless_it_is_told_to_replace(
    experiment: Any, model_version: Any
) -> None:
    experiment.log_parameters({"epochs": 9})

    experiment.set_base_model_version(model_version)
    assert experiment.get_log("parameters").data == {"epochs": 9}
    experiment.set_base_model_version(model_version, attach_parameters=False)
    assert experiment.get_log("parameters").data == {"epochs": 9}
    experiment.set_base_model_version(model_version, attach_parameters=True)
    assert experiment.get_log("parameters").data == {"epochs": 3}


def test_an_experiment_goes_on_from_another(
    project: Any, experiment: Any, model_version: Any, tmp_path: Path
) -> None:
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    experiment.store("model-latest", weights)
    experiment.set_base_model_version(model_version)

    second = project.create_experiment("second", base_experiment=experiment)
    third = project.create_experiment("third", parameters={"epochs": 1})
    third.set_base_experiment(experiment)
    fourth = project.create_experiment("fourth", base_model_version=model_version)

    assert second.get_base_experiment().id == experiment.id
    assert second.get_base_model_version().id == model_version.id
    assert [one.name for one in second.list_artifacts()] == ["model-latest"]
    assert second.get_log("parameters").data == {"epochs": 3}
    assert third.get_log("parameters").data == {"epochs": 1}
    assert fourth.get_log("parameters").data == {"epochs": 3}


def test_an_experiment_becomes_a_model(
    client: Any, experiment: Any, model_version: Any, version: Any, tmp_path: Path, name: str
) -> None:
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    experiment.set_base_model_version(model_version)
    experiment.attach_dataset("train", version)
    experiment.store("model-latest", weights)
    experiment.log("labelmap", {"0": "car"}, "LABELMAP")

    made = experiment.export_as_model(f"{name} trained")
    again = experiment.export_in_existing_model(client.get_model(f"{name} trained"))

    assert (made.origin_name, made.version, again.version) == (f"{name} trained", 0, 1)
    assert (made.type.value, made.framework.value) == ("OBJECT_DETECTION", "PYTORCH")
    assert made.labels == {"0": "car"}
    made.get_file("model-latest").download(str(tmp_path / "down"))
    assert (tmp_path / "down" / "w.pt").read_bytes() == b"weights"
    context = made.get_context()
    assert context.get_experiment().id == experiment.id
    assert context.get_dataset_version("train").id == version.id
    assert list(context.retrieve_datasets()) == ["train"]


def test_evaluations_of_every_shape_are_added_listed_and_deleted(
    experiment: Any, version: Any
) -> None:
    from picsellia.exceptions import NoDataError

    label = version.create_label("car")
    first, second = version.list_assets(limit=2)
    with pytest.raises(NoDataError):
        experiment.list_evaluations()

    experiment.add_evaluation(
        first,
        rectangles=[(1, 2, 3, 4, label, 0.5)],
        polygons=[([[0, 0], [4, 0], [4, 4]], label, 0.6)],
        classifications=[(label, 0.7)],
        keypoints=[([[1, 2, 2]], label, 0.8)],
        custom_metrics={"iou": 0.5},
    )
    experiment.add_evaluations(
        {
            second.id: {
                "rectangles": [{"x": 1, "y": 1, "w": 2, "h": 2, "label_id": label.id, "score": 1}]
            }
        }
    )

    listed = experiment.list_evaluations()
    assert [one.asset_id for one in listed] == [first.id, second.id]
    shown = listed[0].sync()
    assert shown["rectangles"][0]["score"] == 0.5
    assert shown["rectangles"][0]["label"]["name"] == "car"
    assert [len(shown[kind]) for kind in ("polygons", "classifications", "keypoints")] == [1] * 3
    assert shown["custom_metrics"] == {"iou": 0.5}
    assert len(experiment.list_evaluations(limit=1, offset=1)) == 1
    listed[0].delete()
    assert len(experiment.list_evaluations()) == 1


def test_a_second_evaluation_replaces_or_adds(experiment: Any, version: Any) -> None:
    label = version.create_label("car")
    asset = version.list_assets()[0]

    for mode in ("REPLACE", "REPLACE", "KEEP"):
        experiment.add_evaluation(asset, mode, rectangles=[(1, 2, 3, 4, label, 0.5)])

    shown = [one.sync() for one in experiment.list_evaluations()]
    assert sum(len(one["rectangles"]) for one in shown) == 2


def test_metrics_are_a_job_that_is_done(experiment: Any, version: Any) -> None:
    from picsellia.types.enums import InferenceType

    label = version.create_label("car")
    experiment.add_evaluation(version.list_assets()[0], classifications=[(label, 0.7)])

    job = experiment.compute_evaluations_metrics(InferenceType.CLASSIFICATION)

    job.wait_for_done()
    assert job.status.value == "SUCCESS"


def test_a_training_writes_its_log_and_its_status(
    server: Server, experiment: Any, tmp_path: Path
) -> None:
    from picsellia.exceptions import ResourceNotFoundError

    file = tmp_path / "training.log"
    file.write_text("epoch 1\n")
    with pytest.raises(ResourceNotFoundError):
        experiment.get_logging_file()

    experiment.send_logging("epoch 1", "Training")
    experiment.send_logging(["a", "b"], "Training", final=True)
    stored = experiment.store_logging_file(file)
    experiment.update_job_status("FAILED")

    experiment.get_logging_file().download(str(tmp_path / "down"))
    assert (tmp_path / "down" / "training.log").read_text() == "epoch 1\n"
    assert experiment.sync()["status"] == "FAILED"
    stored.update(object_name="logs/other.log")
    assert stored.sync()["object_name"] == "logs/other.log"
    assert stored.reset_url().startswith("http")
    stored.delete()


def test_an_attached_dataset_is_split_for_training(experiment: Any, version: Any) -> None:
    label = version.create_label("car")
    for asset in version.list_assets():
        asset.create_annotation().create_rectangle(1, 2, 3, 4, label)
    experiment.attach_dataset("train", version)

    train, test, *_ = experiment.run_train_test_split_on_dataset("train", 0.5, random_seed=1)

    assert (len(train), len(test)) == (2, 2)
