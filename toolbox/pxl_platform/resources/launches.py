"""Launching: what was asked for becomes a job that the runner picks up."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import select

from pxl_platform.body import Body
from pxl_platform.errors import BadRequest
from pxl_platform.models import (
    Asset,
    Data,
    Datalake,
    DatasetVersion,
    Experiment,
    Job,
    ModelVersion,
    Owned,
    Processing,
    ProcessingInput,
    new_id,
    now,
)
from pxl_platform.resources.jobs import job_view
from pxl_platform.routing import Call, Route

View = dict[str, object]

_DEFAULT_CPU = 1
# Inputs that the clients' launch command sends beside `inputs`, where cv-engine does not look.
_LEGACY_INPUTS = (
    ("model_version_id", "model_version_id"),
    ("target_version_name", "target_version_name"),
    ("target_datalake_name", "target_datalake_name"),
)


def launch_on_dataset(call: Call) -> View:
    version, body = call.at(DatasetVersion), call.body
    asset_ids = body.optional_uuids("asset_ids")
    data_ids = body.optional_uuids("data_ids")
    if asset_ids is not None:
        call.owned(Asset, asset_ids)
    elif data_ids is not None:
        call.owned(Data, data_ids)
        asset_ids = _assets_of(call, version, data_ids)
    elif _window_given(body):
        wanted = select(Asset.id).where(Asset.dataset_version_id == version.id)
        offset, limit = _window(body)
        wanted = wanted.order_by(Asset.seq).offset(offset).limit(limit)
        asset_ids = list(call.session.scalars(wanted))
    payload: View | None = None if asset_ids is None else {"asset_ids": asset_ids}
    return _launch(call, version, "DATASET_VERSION", payload)


def launch_on_datalake(call: Call) -> View:
    lake, body = call.at(Datalake), call.body
    data_ids = body.optional_uuids("data_ids")
    if data_ids is not None:
        if any(row.datalake_id != lake.id for row in call.owned(Data, data_ids)):
            raise BadRequest("`data_ids`: some of these data are not in this datalake")
    else:
        offset, limit = _window(body)
        wanted = select(Data.id).where(Data.datalake_id == lake.id).order_by(Data.seq)
        data_ids = list(call.session.scalars(wanted.offset(offset).limit(limit)))
    # Written even where it is empty: the clients' datalake context does not start without one.
    return _launch(call, lake, "DATALAKE", {"data_ids": data_ids})


def launch_on_model(call: Call) -> View:
    return _launch(call, call.at(ModelVersion), "MODEL_VERSION", None)


def _assets_of(call: Call, version: DatasetVersion, data_ids: Sequence[str]) -> list[str]:
    wanted = select(Asset.id).where(
        Asset.dataset_version_id == version.id, Asset.data_id.in_(data_ids)
    )
    return list(call.session.scalars(wanted.order_by(Asset.seq)))


def _window_given(body: Body) -> bool:
    return body.given("offset") or body.given("limit")


def _window(body: Body) -> tuple[int, int | None]:
    offset, limit = body.integer("offset", 0), body.optional_integer("limit")
    if offset < 0 or (limit is not None and limit < 0):
        raise BadRequest("`offset` and `limit` have to be 0 or more")
    return offset, limit


def _launch(call: Call, target: Owned, kind: str, payload: View | None) -> View:
    body = call.body
    processing = call.own(Processing, body.uuid("processing_id"))
    if processing.target != kind:
        raise BadRequest(
            f"the processing {processing.name!r} is one for a {processing.target}, not a {kind}"
        )
    inputs = _inputs(body)
    _check_required(call, processing, inputs)
    job = Job(
        id=new_id(),
        organization_id=call.organization.id,
        kind="processing",
        status="PENDING",
        updated_at=now(),
        image=f"{processing.docker_image}:{processing.docker_tag}",
        host=call.base_url,
        cpu=_amount(body, "cpu", processing.default_cpu),
        gpu=_amount(body, "gpu", processing.default_gpu),
        target_id=target.id,
        processing_id=processing.id,
        # The clients' launch command sends none of the defaults: they lie beneath what it sends.
        parameters={**processing.default_parameters, **(body.optional_object("parameters") or {})},
        inputs=inputs,
    )
    if payload is not None:
        job.payload_object_name = f"payload/{job.id}/payload.json"
        connector_id = call.organization.connector_id
        call.services.store.put(connector_id, job.payload_object_name, orjson.dumps(payload))
    call.session.add(job)
    call.session.flush()
    return job_view(call, job)


def _amount(body: Body, name: str, default: int) -> int:
    found = body.integer(name, default)
    if found < 0:
        raise BadRequest(f"`{name}` has to be 0 or more, not {found}")
    return found


def _inputs(body: Body) -> View:
    inputs: View = dict(body.optional_object("inputs") or {})
    for sent, wanted in _LEGACY_INPUTS:
        if body.given(sent):
            inputs.setdefault(wanted, body.fields[sent])
    return inputs


def _check_required(call: Call, processing: Processing, inputs: View) -> None:
    declared = call.session.scalars(
        select(ProcessingInput.name).where(
            ProcessingInput.processing_id == processing.id, ProcessingInput.required
        )
    )
    missing = [name for name in declared if inputs.get(name) is None]
    if missing:
        raise BadRequest(f"`inputs` lacks {', '.join(missing)}, which {processing.name!r} requires")


def launch_experiment(call: Call) -> View:
    experiment, body = call.at(Experiment), call.body
    if experiment.base_model_version_id is None:
        raise BadRequest(f"the experiment {experiment.name!r} has no model version attached")
    version = call.own(ModelVersion, experiment.base_model_version_id)
    if not version.docker_image:
        raise BadRequest(f"the model version {version.name!r} has no docker image to train with")
    job = Job(
        id=new_id(),
        organization_id=call.organization.id,
        kind="training",
        status="PENDING",
        updated_at=now(),
        image=f"{version.docker_image}:{version.docker_tag or 'latest'}",
        host=call.base_url,
        cpu=_DEFAULT_CPU,
        gpu=_amount(body, "gpus", 0),
        experiment_id=experiment.id,
        environment=version.docker_env_variables or {},
    )
    experiment.status = "WAITING"
    call.session.add(job)
    call.session.flush()
    return job_view(call, job)


ROUTES: tuple[Route, ...] = (
    Route("POST", "/api/dataset/version/{dataset_version}/processing/launch", launch_on_dataset),
    Route("POST", "/api/datalake/{datalake}/processing/launch", launch_on_datalake),
    Route("POST", "/api/model/version/{model_version}/processing/launch", launch_on_model),
    Route("POST", "/api/experiment/{experiment}/launch", launch_experiment),
)
