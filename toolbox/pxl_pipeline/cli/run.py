"""`pxl-pipeline test` and `smoke-test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pxl_pipeline.cli import common
from pxl_toolbox.adapters.process import LocalRunner
from pxl_toolbox.cli.render import Style
from pxl_toolbox.core.errors import UserCodeFailed

if TYPE_CHECKING:
    from pxl_pipeline.api.local_run import LocalRun, RunReport
    from pxl_toolbox.core.events import Emit


def test(
    name: common.Name = None,
    run_config_file: common.RunConfigFile = None,
    reuse_dir: common.ReuseDir = False,
    organization: common.Organization = None,
    env: common.Env = None,
    progress: common.Progress = Style.AUTO,
    verbose: common.Verbose = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Run a pipeline in its own environment, on real objects of the platform.

    Each run gets a folder runs/runN with its config, log and outcome.

    Example: pxl-pipeline test resize-images --run-config-file resize-images/runs/run_config.toml
    """
    run = _local_run(
        name, run_config_file, reuse=reuse_dir, organization=organization, env=env,
        telling=common.telling(progress, verbose=verbose, quiet=quiet),
    )  # fmt: skip
    _finish(run.in_environment(), as_json=as_json, shown=not quiet)


def smoke_test(
    name: common.Name = None,
    run_config_file: common.RunConfigFile = None,
    reuse_dir: common.ReuseDir = False,
    python_version: Annotated[
        str | None,
        typer.Option(help="Accepted for scripts of 0.7.6; the image says which Python it has."),
    ] = None,
    use_gpu: Annotated[
        bool, typer.Option("--use-gpu/--no-use-gpu", help="Give the container the GPUs.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the ended container there, to look inside.")
    ] = False,
    organization: common.Organization = None,
    env: common.Env = None,
    progress: common.Progress = Style.AUTO,
    verbose: common.Verbose = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Build the pipeline's image and run its own entry point once, on real objects.

    Example: pxl-pipeline smoke-test resize-images
    """
    from pxl_toolbox.adapters.docker import connect

    del python_version
    run = _local_run(
        name, run_config_file, reuse=reuse_dir, organization=organization, env=env,
        telling=common.telling(progress, verbose=verbose, quiet=quiet),
    )  # fmt: skip
    with connect() as docker:
        report = run.in_image(docker, gpus=use_gpu, keep=keep)
    _finish(report, as_json=as_json, shown=not quiet)


def _local_run(
    name: str | None,
    run_config: Path | None,
    *,
    reuse: bool,
    organization: str | None,
    env: str | None,
    telling: Emit,
) -> LocalRun:
    from pxl_pipeline.api.local_run import LocalRun

    return LocalRun(
        pipeline=common.pipeline(name),
        context=common.context(organization, env),
        run_config=run_config,
        reuse_folder=reuse,
        runner=LocalRunner(),
        emit=telling,
    )


def _finish(report: RunReport, *, as_json: bool, shown: bool) -> None:
    row = {
        "passed": report.passed,
        "container_exit_code" if report.image else "exit_code": report.exit_code,
        "took_s": round(report.took_s, 3),
        "folder": str(report.folder),
        "image": report.image,
        "container": report.container,
    }
    result = "passed" if report.passed else "failed"
    kept = f"; the container {report.container} is kept" if report.container else ""
    if as_json or report.passed:
        common.answer(
            row,
            as_json=as_json,
            text=lambda: f"{result} in {report.took_s:.1f} s; see {report.folder}{kept}",
        )
    if not report.passed:
        what = "the container" if report.image else "the pipeline"
        tail = "" if shown else "".join(f"\n{line}" for line in report.tail)
        raise UserCodeFailed(
            f"{what} ended with exit code {report.exit_code}{tail}",
            hint=f"see {report.folder / 'run.log'}{kept}",
        )
