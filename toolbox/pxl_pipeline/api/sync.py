"""Sync: make the parameters on the platform equal to those in the code, without a deploy."""

from __future__ import annotations

from dataclasses import dataclass

from pxl_pipeline.api import environment
from pxl_pipeline.api.pipeline import Pipeline
from pxl_pipeline.api.platform import Platform
from pxl_pipeline.api.registration import Difference, Image, differences, find, registrations
from pxl_toolbox.adapters.process import Runner
from pxl_toolbox.core.errors import NotFoundError
from pxl_toolbox.core.events import Emit, step
from pxl_toolbox.store.credentials import Context

_PARAMETERS = frozenset({"default_parameters", "parameters"})


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What differed, by processing or model version; empty where nothing did."""

    changes: tuple[tuple[str, Difference], ...]


def sync(
    pipeline: Pipeline, *, context: Context, runner: Runner, emit: Emit, check: bool
) -> SyncReport:
    """Send the parameters of the code to the platform where they differ.

    Args:
        pipeline: a deployed pipeline, processing or training.
        context: on which platform.
        runner: runs the pipeline's own Python.
        emit: told what is going on.
        check: only compare.

    Raises:
        NotFoundError: the pipeline is not deployed there.
    """
    identity = Platform.of(context).identify(context.organization)
    declared = environment.declared(pipeline, runner=runner, emit=emit)
    anywhere = Image(name="", tag="")  # the image is a deploy's affair
    changes = []
    for wanted in registrations(pipeline, declared, anywhere):
        held = find(Platform.of(context), identity.organization_id, wanted)
        if held is None:
            raise NotFoundError(
                f"{context.host} holds no {wanted.label!r}", hint="pxl-pipeline deploy"
            )
        found = [one for one in differences(wanted, held) if one.field in _PARAMETERS]
        if found and not check:
            with step(emit, "sync", wanted.label):
                from pxl_pipeline.api.gateway import Gateway

                Gateway(context).set_default_parameters(wanted)
        changes += [(wanted.label, one) for one in found]
    return SyncReport(tuple(changes))
