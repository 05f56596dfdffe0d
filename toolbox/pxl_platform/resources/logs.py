"""What an experiment measured (logs), stored (artifacts) and wrote (logging files)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, delete, select

from pxl_platform.body import Body
from pxl_platform.enums import LOG_TYPES
from pxl_platform.errors import BadRequest, Conflict, NotFound
from pxl_platform.models import Artifact, Experiment, Log, LoggingFile
from pxl_platform.paging import page
from pxl_platform.resources.storage import presigned_url
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_LOG_ORDERS = {"name": Log.name, "created_at": Log.created_at, "type": Log.type, "id": Log.id}
_ARTIFACT_ORDERS = {
    "name": Artifact.name,
    "created_at": Artifact.created_at,
    "filename": Artifact.filename,
    "id": Artifact.id,
}


def _view(log: Log) -> View:
    return {
        "id": log.id,
        "name": log.name,
        "type": log.type,
        "data": log.data["value"],
        "experiment_id": log.experiment_id,
        "created_at": log.created_at,
    }


def log_named(call: Call, experiment: Experiment, name: str | None) -> Log | None:
    return call.session.scalar(
        select(Log).where(Log.experiment_id == experiment.id, Log.name == name)
    )


def put_log(call: Call, experiment: Experiment, body: Body) -> Log:
    """Make a log, or change the one of that name: a line grows, anything else is replaced."""
    name, kind, data = body.name(), body.choice("type", LOG_TYPES), body.value("data")
    log = log_named(call, experiment, name)
    if log is None:
        log = Log(organization_id=experiment.organization_id, experiment_id=experiment.id)
        log.name, log.type = name, kind
        log.data = {"value": _points(data) if kind == "LINE" else data}
        call.session.add(log)
    elif kind == log.type == "LINE":
        log.data = {"value": _longer(log.data["value"], data)}
    else:
        log.type = kind
        log.data = {"value": _points(data) if kind == "LINE" else data}
    call.session.flush()
    return log


def _points(data: Any) -> Any:
    """A line's data: a list of points, or lists by name (`{"steps": […], "values": […]}`)."""
    return data if isinstance(data, list) or _is_columns(data) else [data]


def _is_columns(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and bool(data)
        and all(isinstance(value, list) for value in data.values())
    )


def _longer(line: Any, data: Any) -> Any:
    """The line with the data at its end; new objects, so that the change is seen as one."""
    if _is_columns(line) and isinstance(data, dict):
        grown = {name: list(values) for name, values in line.items()}
        for name, value in data.items():
            grown.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        return grown
    return [*_points(line), *(data if isinstance(data, list) else [data])]


def create_log(call: Call) -> View:
    experiment, body = call.at(Experiment), call.body
    there = log_named(call, experiment, body.name())
    if there is not None and call.query.flag("raise_on_conflict"):
        raise Conflict(f"the experiment has a log {there.name!r} already")
    return _view(put_log(call, experiment, body))


def find_log(call: Call) -> View:
    name = call.query.text("name")
    log = log_named(call, call.at(Experiment), name)
    if log is None:
        raise NotFound(f"the experiment has no log {name!r}")
    return _view(log)


def list_logs(call: Call) -> View:
    mine = select(Log).where(Log.experiment_id == call.at(Experiment).id)
    found = page(call, mine, Log, _LOG_ORDERS)
    return found.of([_view(log) for log in found.rows])


def list_log_ids(call: Call) -> object:
    mine = select(Log.id).where(Log.experiment_id == call.at(Experiment).id)
    return list(call.session.scalars(mine.order_by(Log.seq)))


def delete_logs(call: Call) -> None:
    experiment = call.at(Experiment)
    call.session.execute(
        delete(Log).where(Log.experiment_id == experiment.id, Log.id.in_(call.body.uuids("ids")))
    )


def get_log(call: Call) -> View:
    return _view(call.at(Log))


def update_log(call: Call) -> View:
    log, body = call.at(Log), call.body
    if body.given("name"):
        name = body.name()
        if log_named(call, call.own(Experiment, log.experiment_id), name) not in {None, log}:
            raise Conflict(f"the experiment has a log {name!r} already")
        log.name = name
    if body.given("data"):
        log.data = {"value": body.value("data")}
    return _view(log)


def append_log(call: Call) -> View:
    log = call.at(Log)
    if log.type != "LINE":
        raise BadRequest(f"the log {log.name!r} is a {log.type}; only a LINE grows")
    log.data = {"value": _longer(log.data["value"], call.body.value("data"))}
    return _view(log)


def delete_log(call: Call) -> None:
    call.session.delete(call.at(Log))


def _artifact_view(call: Call, artifact: Artifact) -> View:
    return {
        "id": artifact.id,
        "name": artifact.name,
        "filename": artifact.filename,
        "object_name": artifact.object_name,
        "large": artifact.large,
        "presigned_url": presigned_url(call, artifact.object_name),
        "created_at": artifact.created_at,
    }


def _artifact_named(experiment_id: str, name: str | None) -> Select[Artifact]:
    return select(Artifact).where(Artifact.experiment_id == experiment_id, Artifact.name == name)


def create_artifact(call: Call) -> View:
    experiment, body = call.at(Experiment), call.body
    name = body.name()
    if call.session.scalar(_artifact_named(experiment.id, name)) is not None:
        raise Conflict(f"the experiment has an artifact {name!r} already")
    artifact = Artifact(
        organization_id=call.organization.id,
        experiment_id=experiment.id,
        name=name,
        filename=body.name("filename"),
        object_name=body.text("object_name"),
        large=body.flag("large", default=False),
    )
    call.session.add(artifact)
    call.session.flush()
    return _artifact_view(call, artifact)


def list_artifacts(call: Call) -> View:
    mine = select(Artifact).where(Artifact.experiment_id == call.at(Experiment).id)
    found = page(call, mine, Artifact, _ARTIFACT_ORDERS)
    return found.of([_artifact_view(call, row) for row in found.rows])


def list_artifact_ids(call: Call) -> object:
    mine = select(Artifact.id).where(Artifact.experiment_id == call.at(Experiment).id)
    return list(call.session.scalars(mine.order_by(Artifact.seq)))


def delete_artifacts(call: Call) -> None:
    experiment = call.at(Experiment)
    call.session.execute(
        delete(Artifact).where(
            Artifact.experiment_id == experiment.id, Artifact.id.in_(call.body.uuids("ids"))
        )
    )


def find_artifact(call: Call) -> View:
    name = call.query.text("name")
    found = call.session.scalar(_artifact_named(call.at(Experiment).id, name))
    if found is None:
        raise NotFound(f"the experiment has no artifact {name!r}")
    return _artifact_view(call, found)


def get_artifact(call: Call) -> View:
    return _artifact_view(call, call.at(Artifact))


def update_artifact(call: Call) -> View:
    artifact, body = call.at(Artifact), call.body
    if body.given("name"):
        name = body.name()
        same = call.session.scalar(_artifact_named(artifact.experiment_id, name))
        if same not in {None, artifact}:
            raise Conflict(f"the experiment has an artifact {name!r} already")
        artifact.name = name
    if body.given("filename"):
        artifact.filename = body.name("filename")
    if body.given("object_name"):
        artifact.object_name = body.text("object_name")
    artifact.large = body.flag("large", default=artifact.large)
    return _artifact_view(call, artifact)


def delete_artifact(call: Call) -> None:
    call.session.delete(call.at(Artifact))


def _logging_view(call: Call, file: LoggingFile) -> View:
    return {
        "id": file.id,
        "object_name": file.object_name,
        "presigned_url": presigned_url(call, file.object_name),
    }


def _logging_file(call: Call, experiment: Experiment) -> LoggingFile | None:
    mine = select(LoggingFile).where(LoggingFile.experiment_id == experiment.id)
    return call.session.scalar(mine.limit(1))


def save_logging(call: Call) -> View:
    """The whole log of a training as a file; a later one takes the place of an earlier."""
    experiment = call.at(Experiment)
    file = _logging_file(call, experiment) or LoggingFile(
        organization_id=call.organization.id, experiment_id=experiment.id
    )
    file.object_name = call.body.text("object_name")
    call.session.add(file)
    call.session.flush()
    return _logging_view(call, file)


def find_logging(call: Call) -> View:
    file = _logging_file(call, call.at(Experiment))
    if file is None:
        raise NotFound("the experiment has no logging file")
    return _logging_view(call, file)


def get_logging_file(call: Call) -> View:
    return _logging_view(call, call.at(LoggingFile))


def update_logging_file(call: Call) -> View:
    file = call.at(LoggingFile)
    if call.body.given("object_name"):
        file.object_name = call.body.text("object_name")
    return _logging_view(call, file)


def delete_logging_file(call: Call) -> None:
    call.session.delete(call.at(LoggingFile))


_EXPERIMENT = "/api/experiment/{experiment}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_EXPERIMENT}/logs", create_log),
    reads("GET", f"{_EXPERIMENT}/logs", list_logs),
    Route("DELETE", f"{_EXPERIMENT}/logs", delete_logs),
    reads("GET", f"{_EXPERIMENT}/logs/find", find_log),
    reads("GET", f"{_EXPERIMENT}/logs/extended", list_logs),
    reads("GET", f"{_EXPERIMENT}/logs/ids", list_log_ids),
    reads("GET", "/api/log/{log}", get_log),
    Route("PATCH", "/api/log/{log}", update_log),
    Route("DELETE", "/api/log/{log}", delete_log),
    Route("POST", "/api/log/{log}/append", append_log),
    Route("POST", f"{_EXPERIMENT}/artifacts", create_artifact),
    reads("GET", f"{_EXPERIMENT}/artifacts", list_artifacts),
    Route("DELETE", f"{_EXPERIMENT}/artifacts", delete_artifacts),
    reads("GET", f"{_EXPERIMENT}/artifacts/find", find_artifact),
    reads("GET", f"{_EXPERIMENT}/artifacts/ids", list_artifact_ids),
    reads("GET", "/api/artifact/{artifact}", get_artifact),
    Route("PATCH", "/api/artifact/{artifact}", update_artifact),
    Route("DELETE", "/api/artifact/{artifact}", delete_artifact),
    reads("GET", f"{_EXPERIMENT}/logging", find_logging),
    Route("POST", f"{_EXPERIMENT}/logging/save", save_logging),
    reads("GET", "/api/logging/file/{logging_file}", get_logging_file),
    Route("PATCH", "/api/logging/file/{logging_file}", update_logging_file),
    Route("DELETE", "/api/logging/file/{logging_file}", delete_logging_file),
)
