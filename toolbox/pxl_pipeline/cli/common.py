"""What the commands of pxl-pipeline share: options, and the parts that they hand to the API."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from pxl_toolbox.cli.render import Style, renderer
from pxl_toolbox.core.errors import UsageError
from pxl_toolbox.store.credentials import Context, ContextStore, Environment
from pxl_toolbox.store.settings import contexts_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pxl_pipeline.api.pipeline import Pipeline
    from pxl_toolbox.core.events import Emit

T = TypeVar("T")


def _pipelines(incomplete: str) -> list[str]:
    from pxl_pipeline.api.pipeline import folders

    return [one.name for one in folders(Path.cwd()) if one.name.startswith(incomplete)]


Name = Annotated[
    str | None,
    typer.Argument(
        help="The pipeline's folder, by name or path; left out, the one that we are in.",
        autocompletion=_pipelines,
    ),
]
Organization = Annotated[
    str | None, typer.Option("--organization", "-o", help="Organization, by name.")
]
Env = Annotated[
    str | None,
    typer.Option("--env", "-e", help="PROD, STAGING, LOCAL, CUSTOM, BETA or DEV."),
]
Host = Annotated[
    str | None, typer.Option("--host", help="URL of the platform, for CUSTOM, BETA and DEV.")
]
RunConfigFile = Annotated[
    Path | None, typer.Option("--run-config-file", help="Run config; the latest run's if left out.")
]
ReuseDir = Annotated[
    bool, typer.Option("--reuse-dir/--no-reuse-dir", help="Use the latest run's folder again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Report as one JSON object on stdout.")]
Progress = Annotated[Style, typer.Option("--progress", help="How to tell of progress, on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the output of every step.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Tell nothing but the result.")]


def store() -> ContextStore:
    return ContextStore(contexts_folder())


def environment_named(text: str | None) -> Environment | None:
    return None if text is None else Environment.parse(text)


def context(
    organization: str | None = None, env: str | None = None, host: str | None = None
) -> Context:
    """The login to work with."""
    from pxl_pipeline.api.login import Wanted, resolve

    wanted = Wanted(organization=organization, env=environment_named(env), host=host)
    return resolve(wanted, store=store(), variables=os.environ)


def pipeline(name: str | None) -> Pipeline:
    from pxl_pipeline.api.pipeline import find, load

    return load(find(name, below=Path.cwd()))


def telling(style: Style, *, verbose: bool, quiet: bool) -> Emit:
    return renderer(Style.NONE if quiet else style, sys.stderr, verbose=verbose)


def interactive() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, *, flag: str, default: T | None = None, hidden: bool = False) -> Any:
    """Ask on the terminal; without one, the error names the flag that answers."""
    if not interactive():
        if default is not None:
            return default
        raise UsageError(f"{question}: nobody is at a terminal to answer", hint=f"add {flag}")
    return typer.prompt(question, default=default, hide_input=hidden, err=True)


def answer(report: Mapping[str, Any], *, as_json: bool, text: Callable[[], str]) -> None:
    """Print the command's answer on stdout: as JSON, or as text for people."""
    print(json.dumps(report, indent=2, default=str) if as_json else text())
