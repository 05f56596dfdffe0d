"""Processings: registered images with their default parameters and declared inputs."""

from __future__ import annotations

from sqlalchemy import select

from pxl_platform.body import Body
from pxl_platform.enums import (
    FRAMEWORKS,
    INFERENCE_TYPES,
    PROCESSING_INPUT_TYPES,
    PROCESSING_TARGETS,
    PROCESSING_TYPES,
)
from pxl_platform.errors import Conflict, NotFound
from pxl_platform.models import Processing, ProcessingInput
from pxl_platform.paging import page
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_ORDERS = {
    "name": Processing.name,
    "created_at": Processing.created_at,
    "id": Processing.id,
    "type": Processing.type,
    "target": Processing.target,
}


def processing_view(processing: Processing) -> View:
    return {
        "id": processing.id,
        "name": processing.name,
        "target": processing.target,
        "type": processing.type,
        "description": processing.description,
        "default_cpu": processing.default_cpu,
        "default_gpu": processing.default_gpu,
        "default_parameters": processing.default_parameters,
        "docker_image": processing.docker_image,
        "docker_tag": processing.docker_tag,
        "docker_flags": processing.docker_flags,
        "private": True,
        "created_at": processing.created_at,
    }


def _named(call: Call, name: str | None) -> Processing | None:
    return call.session.scalar(
        select(Processing).where(
            Processing.organization_id == call.organization.id, Processing.name == name
        )
    )


def create_processing(call: Call) -> View:
    body = call.body
    name = body.name()
    if _named(call, name) is not None:
        raise Conflict(f"there is a processing {name!r} already")
    processing = Processing(
        organization_id=call.organization.id,
        name=name,
        target=body.choice("target", PROCESSING_TARGETS),
        type=body.optional_choice("type", PROCESSING_TYPES),
        description=body.optional_text("description"),
        default_cpu=body.integer("default_cpu", 1),
        default_gpu=body.integer("default_gpu", 0),
        default_parameters=body.optional_object("default_parameters") or {},
        docker_image=body.text("docker_image"),
        docker_tag=body.text("docker_tag"),
        docker_flags=body.optional_list("docker_flags"),
    )
    call.session.add(processing)
    call.session.flush()
    return processing_view(processing)


def list_processings(call: Call) -> View:
    mine = select(Processing).where(Processing.organization_id == call.organization.id)
    found = page(call, mine, Processing, _ORDERS)
    return found.of([processing_view(row) for row in found.rows])


def find_processing(call: Call) -> View:
    wanted, name = call.query.uuid("id"), call.query.text("name")
    found = call.own(Processing, wanted) if wanted else _named(call, name)
    if found is None:
        raise NotFound(f"there is no processing {name!r}")
    return processing_view(found)


def find_public_processing(call: Call) -> View:
    raise NotFound(f"a local platform has no public processings, so no {call.query.text('name')!r}")


def get_processing(call: Call) -> View:
    return processing_view(call.at(Processing))


def update_processing(call: Call) -> View:
    processing, body = call.at(Processing), call.body
    if body.given("docker_image"):
        processing.docker_image = body.text("docker_image")
    if body.given("docker_tag"):
        processing.docker_tag = body.text("docker_tag")
    if body.has("description"):
        processing.description = body.optional_text("description")
    if body.given("default_parameters"):
        processing.default_parameters = body.optional_object("default_parameters") or {}
    if body.given("default_cpu"):
        processing.default_cpu = body.integer("default_cpu")
    if body.given("default_gpu"):
        processing.default_gpu = body.integer("default_gpu")
    # The SDK sends none of these; a deploy that makes a processing what it should be does.
    if body.has("docker_flags"):
        processing.docker_flags = body.optional_list("docker_flags")
    if body.given("type"):
        processing.type = body.choice("type", PROCESSING_TYPES)
    if body.given("target"):
        processing.target = body.choice("target", PROCESSING_TARGETS)
    return processing_view(processing)


def delete_processing(call: Call) -> None:
    call.session.delete(call.at(Processing))


def _input_view(declared: ProcessingInput) -> View:
    return {
        "id": declared.id,
        "name": declared.name,
        "input_type": declared.input_type,
        "required": declared.required,
        "inference_type_constraint": declared.inference_type_constraint,
        "framework_constraint": declared.framework_constraint,
    }


def _input(call: Call, name: str) -> ProcessingInput | None:
    processing = call.at(Processing)
    return call.session.scalar(
        select(ProcessingInput).where(
            ProcessingInput.processing_id == processing.id, ProcessingInput.name == name
        )
    )


def list_inputs(call: Call) -> View:
    processing = call.at(Processing)
    rows = call.session.scalars(
        select(ProcessingInput)
        .where(ProcessingInput.processing_id == processing.id)
        .order_by(ProcessingInput.seq)
    ).all()
    return {"items": [_input_view(row) for row in rows], "count": len(rows)}


def add_input(call: Call) -> View:
    processing, body = call.at(Processing), call.body
    name = body.name()
    if _input(call, name) is not None:
        raise Conflict(f"the processing has an input {name!r} already")
    declared = ProcessingInput(
        organization_id=call.organization.id,
        processing_id=processing.id,
        name=name,
        input_type=body.choice("input_type", PROCESSING_INPUT_TYPES),
        required=body.flag("required", default=False),
    )
    _constrain(declared, body)
    call.session.add(declared)
    call.session.flush()
    return _input_view(declared)


def _constrain(declared: ProcessingInput, body: Body) -> None:
    declared.inference_type_constraint = body.optional_choice(
        "inference_type_constraint", INFERENCE_TYPES
    )
    declared.framework_constraint = body.optional_choice("framework_constraint", FRAMEWORKS)


def _existing_input(call: Call) -> ProcessingInput:
    name = call.path["name"]
    declared = _input(call, name)
    if declared is None:
        raise NotFound(f"the processing has no input {name!r}")
    return declared


def update_input(call: Call) -> View:
    declared = _existing_input(call)
    declared.required = call.body.flag("required", default=declared.required)
    _constrain(declared, call.body)
    return _input_view(declared)


def delete_input(call: Call) -> None:
    call.session.delete(_existing_input(call))


_ORGANIZATION = "/api/organization/{organization}"
_PROCESSING = "/api/processing/{processing}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_ORGANIZATION}/processings", create_processing),
    reads("GET", f"{_ORGANIZATION}/processings", list_processings),
    reads("GET", f"{_ORGANIZATION}/processings/find", find_processing),
    reads("GET", "/api/processings/public/find", find_public_processing),
    reads("GET", _PROCESSING, get_processing),
    Route("PATCH", _PROCESSING, update_processing),
    Route("DELETE", _PROCESSING, delete_processing),
    reads("GET", f"{_PROCESSING}/inputs", list_inputs),
    Route("POST", f"{_PROCESSING}/inputs", add_input),
    Route("PUT", f"{_PROCESSING}/inputs/{{name:path}}", update_input),
    Route("DELETE", f"{_PROCESSING}/inputs/{{name:path}}", delete_input),
)
