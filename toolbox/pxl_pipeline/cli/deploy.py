"""`pxl-pipeline deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pxl_pipeline.api.version import Bump
from pxl_pipeline.cli import common
from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.cli.render import Style
from pxl_toolbox.core.errors import UsageError

if TYPE_CHECKING:
    from pxl_pipeline.api.deploy import DeployReport


def deploy(
    name: common.Name = None,
    organization: common.Organization = None,
    env: common.Env = None,
    bump: Annotated[
        Bump | None, typer.Option(help="How to raise the version. Default: patch.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a deploy that was interrupted.")
    ] = False,
    progress: common.Progress = Style.AUTO,
    verbose: common.Verbose = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Build the image, push it, register it on the platform, and save the new version.

    Nothing is done where nothing changed since the last deploy.

    Example: pxl-pipeline deploy resize-images --bump minor
    """
    from pxl_pipeline.api.deploy import Deployment
    from pxl_toolbox.adapters.docker import connect

    pipeline = common.pipeline(name)
    context = common.context(organization, env)
    deployment = Deployment(
        pipeline=pipeline,
        context=context,
        connect=connect,
        runner=LocalRunner(),
        emit=common.telling(progress, verbose=verbose, quiet=quiet),
    )
    report = deployment.run(
        lambda version: bump or _ask_bump(version), resume=resume, dry_run=dry_run
    )
    common.answer(
        _row(report) | {"pipeline": pipeline.name, "host": context.host},
        as_json=as_json,
        text=lambda: _text(report, context.host),
    )


def _ask_bump(version: str) -> Bump:
    choices = ", ".join(Bump)
    text = common.ask(f"Version {version}; raise it by {choices}", flag="--bump", default="patch")
    try:
        return Bump(str(text).strip().lower())
    except ValueError:
        raise UsageError(f"there is no bump {text!r}", hint=f"choose one of {choices}") from None


def _row(report: DeployReport) -> dict[str, Any]:
    plan = report.plan
    return {
        "state": report.state,
        "version": plan.image.tag,
        "image": str(plan.image),
        "floating_tag": plan.floating,
        "digest": report.digest,
        "key": plan.key,
        "registered": [row.label for row in plan.registrations],
        "changes": {
            label: {one.field: {"there": one.there, "wanted": one.wanted} for one in found}
            for label, found in plan.changes
        },
    }


def _text(report: DeployReport, host: str) -> str:
    plan = report.plan
    if report.state == "up to date":
        return f"up to date: {plan.image} is deployed to {host}"
    if report.state == "deployed":
        return f"deployed {plan.image} to {host}\n{report.digest}"
    lines = [f"would push {plan.image} and the tag {plan.floating}"]
    for label, found in plan.changes:
        lines.append(f"would change {label} on {host}:")
        lines += [f"  {one.field}: {one.there!r} -> {one.wanted!r}" for one in found]
    lines.append(f"would set metadata.version = {plan.image.tag!r} in config.toml")
    return "\n".join(lines)
