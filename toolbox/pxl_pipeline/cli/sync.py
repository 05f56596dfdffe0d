"""`pxl-pipeline sync`."""

from __future__ import annotations

from typing import Annotated

import typer

from pxl_pipeline.cli import common
from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.cli.render import Style
from pxl_toolbox.core.errors import ExitCode


def sync(
    name: common.Name = None,
    organization: common.Organization = None,
    env: common.Env = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only compare; exit 1 where they differ.")
    ] = False,
    progress: common.Progress = Style.AUTO,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Send the parameters of the code to the platform, without a deploy.

    Example: pxl-pipeline sync resize-images --check
    """
    from pxl_pipeline.api.sync import sync as run

    report = run(
        common.pipeline(name),
        context=common.context(organization, env),
        runner=LocalRunner(),
        emit=common.telling(progress, verbose=False, quiet=quiet),
        check=check,
    )
    rows = [
        {"of": label, "field": one.field, "there": one.there, "wanted": one.wanted}
        for label, one in report.changes
    ]
    verb = "differ" if check else "were sent"
    common.answer(
        {"changed": rows, "sent": bool(rows) and not check},
        as_json=as_json,
        text=lambda: (
            "\n".join(f"the parameters of {row['of']} {verb}" for row in rows) or "up to date"
        ),
    )
    if check and rows:
        raise typer.Exit(ExitCode.FAILED)
