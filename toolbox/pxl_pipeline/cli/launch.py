"""`pxl-pipeline launch`."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pxl_pipeline.cli import common
from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.cli import boundary
from pxl_toolbox.cli.render import Style
from pxl_toolbox.core.errors import UserCodeFailed
from pxl_toolbox.core.events import Event, Log

_TAIL_LINES = 20


def launch(
    name: common.Name = None,
    run_config_file: Annotated[
        Path, typer.Option("--run-config-file", help="Run config; it is only read.")
    ] = ...,  # type: ignore[assignment]  # typer's way to say: required
    organization: common.Organization = None,
    env: common.Env = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the job's end; a failed job exits 1.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the job's log, and wait for its end.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for the job's end.")
    ] = 86400.0,
    progress: common.Progress = Style.AUTO,
    verbose: common.Verbose = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Start a job of a deployed pipeline on the platform.

    Example: pxl-pipeline launch resize-images --run-config-file runs/run_config.toml --follow
    """
    from pxl_pipeline.api import launch as api
    from pxl_pipeline.api.platform import Platform

    pipeline = common.pipeline(name)
    context = common.context(organization, env)
    tell = common.telling(progress, verbose=verbose, quiet=quiet)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def emit(event: Event) -> None:
        if isinstance(event, Log) and event.step == "job":
            tail.append(event.line)
            if not follow:
                return
        tell(event)

    job = api.Launch(pipeline=pipeline, context=context, runner=LocalRunner(), emit=emit).run(
        run_config_file
    )
    if wait or follow:
        try:
            job = api.follow(Platform.of(context), job, emit, limit_s=timeout)
        except boundary.Stopped:
            print(f"job {job.id} goes on; see {job.url}", file=sys.stderr)
            raise
    failed = job.state in {"FAILED", "KILLED"}
    if as_json or not failed:
        common.answer(
            asdict(job), as_json=as_json, text=lambda: f"job {job.id} is {job.state}\n{job.url}"
        )
    if failed:
        code = "" if job.exit_code is None else f" with exit code {job.exit_code}"
        reason = f" ({job.reason})" if job.reason else ""
        lines = "" if follow and not quiet else "".join(f"\n{line}" for line in tail)
        raise UserCodeFailed(f"job {job.id} is {job.state}{code}{reason}{lines}", hint=job.url)
