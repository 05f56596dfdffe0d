"""What an experiment takes over from the model version or the experiment that it starts from.

The rules are those of the SDK's `set_base_model_version` and `set_base_experiment`
(picsellia 6.37.0, sdk/experiment.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from pxl_platform.body import Body
from pxl_platform.errors import BadRequest
from pxl_platform.models import Artifact, Experiment, ModelFile, ModelVersion
from pxl_platform.resources.logs import log_named, put_log
from pxl_platform.resources.models import files_of
from pxl_platform.routing import Call

PARAMETERS = "parameters"  # the name of the log in which a training finds its parameters
LABELMAP = "labelmap"


def start_from(call: Call, experiment: Experiment, version: ModelVersion, wishes: Body) -> None:
    """Make a model version the base: a training then finds its parameters and files here.

    Args:
        call: the request.
        experiment: what starts.
        version: what it starts from.
        wishes: `attach_base_parameters` and `attach_model_files`; where one is true the
            version's replace those of the same name, where it is false nothing is taken, and
            where it is missing or null only what the experiment has none of.
    """
    experiment.base_model_version_id = version.id
    if _wished(wishes, "attach_base_parameters", empty=not _has(call, experiment, PARAMETERS)):
        put_table(call, experiment, PARAMETERS, version.parameters)
    if version.labels and not _has(call, experiment, LABELMAP):
        put_table(call, experiment, LABELMAP, version.labels)
    if _wished(wishes, "attach_model_files", empty=not _artifacts(call, experiment)):
        for file in files_of(call, version):
            _put_artifact(call, experiment, file)


def go_on_from(call: Call, experiment: Experiment, base: Experiment) -> None:
    """Make another experiment the base: what this one lacks is taken over from it."""
    if base is experiment:
        raise BadRequest("`base_experiment_id` is the experiment itself")
    experiment.base_experiment_id = base.id
    for name in (PARAMETERS, LABELMAP):
        log = log_named(call, base, name)
        if log is not None and not _has(call, experiment, name):
            put_table(call, experiment, name, log.data["value"])
    if not _artifacts(call, experiment):
        for artifact in _artifacts(call, base):
            _put_artifact(call, experiment, artifact)
    if experiment.base_model_version_id is None:
        experiment.base_model_version_id = base.base_model_version_id


def put_table(call: Call, experiment: Experiment, name: str, data: Any) -> None:
    put_log(call, experiment, Body({"name": name, "type": "TABLE", "data": data}))


def _wished(wishes: Body, name: str, *, empty: bool) -> bool:
    return wishes.flag(name, default=empty)


def _has(call: Call, experiment: Experiment, name: str) -> bool:
    return log_named(call, experiment, name) is not None


def _artifacts(call: Call, experiment: Experiment) -> Sequence[Artifact]:
    mine = select(Artifact).where(Artifact.experiment_id == experiment.id)
    return call.session.scalars(mine.order_by(Artifact.seq)).all()


def _put_artifact(call: Call, experiment: Experiment, file: ModelFile | Artifact) -> None:
    """The file as an artifact: the same object under the same name."""
    there = call.session.scalar(
        select(Artifact).where(Artifact.experiment_id == experiment.id, Artifact.name == file.name)
    )
    artifact = there or Artifact(
        organization_id=experiment.organization_id, experiment_id=experiment.id, name=file.name
    )
    artifact.filename, artifact.object_name = file.filename, file.object_name
    artifact.large = file.large
    call.session.add(artifact)
