"""Experiments: what they start from, what they are trained on, what they become."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, select

from pxl_platform.body import Body
from pxl_platform.enums import EXPERIMENT_STATUSES, INFERENCE_TYPES, JOB_STATUSES
from pxl_platform.errors import BadRequest, Conflict, NotFound
from pxl_platform.models import (
    Artifact,
    DatasetVersion,
    Experiment,
    ExperimentDataset,
    Job,
    Model,
    ModelFile,
    ModelVersion,
    Project,
)
from pxl_platform.paging import page
from pxl_platform.resources.bases import (
    LABELMAP,
    PARAMETERS,
    go_on_from,
    put_table,
    start_from,
)
from pxl_platform.resources.datasets import version_view as dataset_version_view
from pxl_platform.resources.datasets import version_views as dataset_version_views
from pxl_platform.resources.jobs import append_client_lines
from pxl_platform.resources.logs import log_named
from pxl_platform.resources.models import new_model, new_version, version_view
from pxl_platform.resources.tasks import done_task
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_ORDERS = {
    "name": Experiment.name,
    "created_at": Experiment.created_at,
    "status": Experiment.status,
    "id": Experiment.id,
}


def experiment_view(experiment: Experiment) -> View:
    return {
        "id": experiment.id,
        "name": experiment.name,
        "description": experiment.description,
        "project_id": experiment.project_id,
        "status": experiment.status,
        "base_model_version_id": experiment.base_model_version_id,
        "base_experiment_id": experiment.base_experiment_id,
        "created_at": experiment.created_at,
    }


def _named(project_id: str, name: str | None) -> Select[Experiment]:
    return select(Experiment).where(Experiment.project_id == project_id, Experiment.name == name)


def create_experiment(call: Call) -> View:
    project, body = call.at(Project), call.body
    name = body.name()
    if call.session.scalar(_named(project.id, name)) is not None:
        raise Conflict(f"the project {project.name!r} has an experiment {name!r} already")
    experiment = Experiment(
        organization_id=call.organization.id,
        project_id=project.id,
        name=name,
        description=body.optional_text("description") or "",
        status="WAITING",
    )
    call.session.add(experiment)
    call.session.flush()
    # In this order: what is given goes before the base experiment, and that before the model.
    if (parameters := body.optional_object(PARAMETERS)) is not None:
        put_table(call, experiment, PARAMETERS, parameters)
    if (base := body.optional_uuid("base_experiment_id")) is not None:
        go_on_from(call, experiment, call.own(Experiment, base))
    if (version_id := body.optional_uuid("base_model_version_id")) is not None:
        start_from(call, experiment, call.own(ModelVersion, version_id), Body({}))
    return experiment_view(experiment)


def list_experiments(call: Call) -> View:
    mine = select(Experiment).where(Experiment.project_id == call.at(Project).id)
    found = page(call, mine, Experiment, _ORDERS)
    return found.of([experiment_view(row) for row in found.rows])


def list_experiment_ids(call: Call) -> object:
    mine = select(Experiment.id).where(Experiment.project_id == call.at(Project).id)
    return list(call.session.scalars(mine.order_by(Experiment.seq)))


def delete_experiments(call: Call) -> None:
    project = call.at(Project)
    call.session.execute(
        delete(Experiment).where(
            Experiment.project_id == project.id, Experiment.id.in_(call.body.uuids("ids"))
        )
    )


def find_experiment(call: Call) -> View:
    project = call.at(Project)
    wanted, name = call.query.uuid("id"), call.query.text("name")
    mine: Select[Any] = select(Experiment).where(Experiment.project_id == project.id)
    mine = mine.where(Experiment.id == wanted) if wanted else mine.where(Experiment.name == name)
    found = call.session.scalar(mine)
    if found is None:
        raise NotFound(f"the project {project.name!r} has no experiment {wanted or name!r}")
    return experiment_view(found)


def find_any_experiment(call: Call) -> View:
    wanted = call.query.uuid("id")
    if wanted is None:
        raise BadRequest("the query has to hold `id`")
    return experiment_view(call.own(Experiment, wanted))


def get_experiment(call: Call) -> View:
    return experiment_view(call.at(Experiment))


def update_experiment(call: Call) -> View:
    experiment, body = call.at(Experiment), call.body
    if body.given("name"):
        name = body.name()
        if call.session.scalar(_named(experiment.project_id, name)) not in {None, experiment}:
            raise Conflict(f"the project has an experiment {name!r} already")
        experiment.name = name
    if body.given("description"):
        experiment.description = body.optional_text("description") or ""
    experiment.status = body.choice("status", EXPERIMENT_STATUSES, experiment.status)
    return experiment_view(experiment)


def delete_experiment(call: Call) -> None:
    call.session.execute(delete(Experiment).where(Experiment.id == call.at(Experiment).id))


def set_base_experiment(call: Call) -> View:
    experiment = call.at(Experiment)
    go_on_from(call, experiment, call.own(Experiment, call.body.uuid("base_experiment_id")))
    return {}


def set_base_model(call: Call) -> View:
    experiment = call.at(Experiment)
    version = call.own(ModelVersion, call.body.uuid("model_version_id"))
    start_from(call, experiment, version, call.body)
    return {}


def attach_dataset(call: Call) -> View:
    experiment, body = call.at(Experiment), call.body
    name = body.name()
    version = call.own(DatasetVersion, body.uuid("dataset_version_id"))
    there = call.session.scalar(
        select(ExperimentDataset).where(
            ExperimentDataset.experiment_id == experiment.id, ExperimentDataset.name == name
        )
    )
    if there is not None:
        raise Conflict(f"the experiment has a dataset {name!r} already")
    call.session.add(
        ExperimentDataset(
            organization_id=call.organization.id,
            experiment_id=experiment.id,
            dataset_version_id=version.id,
            name=name,
        )
    )
    return {"name": name, "dataset_version": dataset_version_view(call, version)}


def _attached(experiment: Experiment) -> Select[ExperimentDataset, DatasetVersion]:
    return (
        select(ExperimentDataset, DatasetVersion)
        .join(DatasetVersion, DatasetVersion.id == ExperimentDataset.dataset_version_id)
        .where(ExperimentDataset.experiment_id == experiment.id)
        .order_by(ExperimentDataset.seq)
    )


def list_datasets(call: Call) -> View:
    rows = call.session.execute(_attached(call.at(Experiment))).all()
    views = dataset_version_views(call, [version for _, version in rows])
    items = [
        {"name": attached.name, "dataset_version": view}
        for (attached, _), view in zip(rows, views, strict=True)
    ]
    return {"items": items, "count": len(items)}


def find_dataset(call: Call) -> View:
    name = call.query.text("name")
    wanted = _attached(call.at(Experiment)).where(ExperimentDataset.name == name)
    found = call.session.execute(wanted).first()
    if found is None:
        raise NotFound(f"the experiment has no dataset {name!r}")
    return {"name": name, "dataset_version": dataset_version_view(call, found[1])}


def detach_datasets(call: Call) -> None:
    experiment = call.at(Experiment)
    call.session.execute(
        delete(ExperimentDataset).where(
            ExperimentDataset.experiment_id == experiment.id,
            ExperimentDataset.dataset_version_id.in_(call.body.uuids("ids")),
        )
    )


def post_logging(call: Call) -> View:
    """Log lines of a training; they go to its job, where it has one."""
    job = _job(call, call.at(Experiment))
    if job is not None:
        append_client_lines(call, job, call.body)
    return {}


def _job(call: Call, experiment: Experiment) -> Job | None:
    return call.session.scalar(
        select(Job).where(Job.experiment_id == experiment.id).order_by(Job.seq.desc()).limit(1)
    )


def update_job_status(call: Call) -> View:
    """The older way for a training to say how it goes; the experiment's status shows it."""
    experiment = call.at(Experiment)
    experiment.status = call.body.choice("status", JOB_STATUSES)
    return experiment_view(experiment)


def publish(call: Call) -> View:
    """Make a new model of the experiment's artifacts, parameters and labels."""
    experiment = call.at(Experiment)
    model = new_model(call, call.body.name(), f"From the experiment {experiment.name}")
    return version_view(call, _version_of(call, experiment, model))


def publish_version(call: Call) -> View:
    experiment = call.at(Experiment)
    model = call.own(Model, call.body.uuid("model_id"))
    return version_view(call, _version_of(call, experiment, model))


def _version_of(call: Call, experiment: Experiment, model: Model) -> ModelVersion:
    described: View = {"description": f"From the experiment {experiment.name}"}
    if experiment.base_model_version_id is not None:
        base = call.own(ModelVersion, experiment.base_model_version_id)
        described |= {
            "type": base.type,
            "framework": base.framework,
            "docker_image": base.docker_image,
            "docker_tag": base.docker_tag,
        }
    for log_name, field in ((PARAMETERS, "parameters"), (LABELMAP, "labels")):
        log = log_named(call, experiment, log_name)
        if log is not None and isinstance(log.data["value"], dict):
            described[field] = log.data["value"]
    version = new_version(call, model, Body(described))
    version.experiment_id = experiment.id
    _copy_artifacts(call, experiment, version)
    return version


def _copy_artifacts(call: Call, experiment: Experiment, version: ModelVersion) -> None:
    artifacts = select(Artifact).where(Artifact.experiment_id == experiment.id)
    for artifact in call.session.scalars(artifacts.order_by(Artifact.seq)):
        call.session.add(
            ModelFile(
                organization_id=version.organization_id,
                model_version_id=version.id,
                name=artifact.name,
                filename=artifact.filename,
                object_name=artifact.object_name,
                large=artifact.large,
            )
        )


def evaluate(call: Call) -> View:
    """Metrics are drawn by the SaaS; here the evaluations themselves are all there is."""
    call.at(Experiment)
    call.body.choice("inference_type", INFERENCE_TYPES)
    return done_task(call)


_PROJECT = "/api/project/{project}"
_EXPERIMENT = "/api/experiment/{experiment}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_PROJECT}/experiments", create_experiment),
    reads("GET", f"{_PROJECT}/experiments", list_experiments),
    Route("DELETE", f"{_PROJECT}/experiments", delete_experiments),
    reads("GET", f"{_PROJECT}/experiments/ids", list_experiment_ids),
    reads("GET", f"{_PROJECT}/experiments/find", find_experiment),
    reads("GET", "/api/organization/{organization}/experiments/find", find_any_experiment),
    reads("GET", _EXPERIMENT, get_experiment),
    Route("PATCH", _EXPERIMENT, update_experiment),
    Route("DELETE", _EXPERIMENT, delete_experiment),
    Route("POST", f"{_EXPERIMENT}/experiment", set_base_experiment),
    Route("POST", f"{_EXPERIMENT}/model", set_base_model),
    Route("POST", f"{_EXPERIMENT}/datasets", attach_dataset),
    reads("GET", f"{_EXPERIMENT}/datasets", list_datasets),
    reads("GET", f"{_EXPERIMENT}/datasets/find", find_dataset),
    Route("DELETE", f"{_EXPERIMENT}/datasets", detach_datasets),
    Route("POST", f"{_EXPERIMENT}/logging", post_logging),
    Route("PATCH", f"{_EXPERIMENT}/job/status", update_job_status),
    Route("POST", f"{_EXPERIMENT}/publish", publish),
    Route("POST", f"{_EXPERIMENT}/publish/version", publish_version),
    Route("POST", f"{_EXPERIMENT}/evaluate", evaluate),
)
