"""`pxl-pipeline init`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pxl_pipeline.cli import common
from pxl_toolbox.cli.render import Style
from pxl_toolbox.core.errors import ConfigError, NotFoundError, UsageError

if TYPE_CHECKING:
    from pxl_pipeline.api.scaffold import Kind, MadePipeline, NewPipeline, TrainedModel

_RUN_CONFIG = "runs/run_config.toml"


def init(
    name: Annotated[
        str,
        typer.Argument(help="Name of the pipeline and of its folder: resize-images."),
    ],
    kind: Annotated[
        str | None, typer.Option("--type", help="What it is for: training or processing.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(help="processing: dataset_version_creation; training: simple."),
    ] = None,
    output_dir: Annotated[Path, typer.Option(help="Folder in which to make it.")] = Path(),
    use_pyproject: Annotated[
        bool,
        typer.Option(
            "--use-pyproject/--no-use-pyproject",
            help="Dependencies in pyproject.toml with uv.lock, or in requirements.txt.",
        ),
    ] = True,
    run_config_file: Annotated[
        Path | None,
        typer.Option(help="training: take the model version's id from this run config."),
    ] = None,
    model_name: Annotated[
        str | None, typer.Option(help="training: the model that it trains.")
    ] = None,
    model_version_name: Annotated[
        str | None, typer.Option(help="training: that model's version. Default: v1.")
    ] = None,
    model_version_id: Annotated[
        str | None, typer.Option(help="training: a model version that is there already, by id.")
    ] = None,
    framework: Annotated[
        str | None,
        typer.Option(help="training: ONNX, PYTORCH, TENSORFLOW or NOT_CONFIGURED (default)."),
    ] = None,
    inference_type: Annotated[
        str | None,
        typer.Option(help="training: what the model predicts. Default: CLASSIFICATION."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Overwrite the template's files in a folder that is there."),
    ] = False,
    install: Annotated[
        bool, typer.Option("--install/--no-install", help="Make .venv from the template's lock.")
    ] = True,
    progress: common.Progress = Style.AUTO,
    verbose: common.Verbose = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Make a new pipeline from a template.

    The folder NAME is there whole or not at all. What is missing is asked for on a terminal;
    without one, the flag that gives it is named.

    Example: pxl-pipeline init resize-images --type processing --template dataset_version_creation
    """
    from pxl_pipeline.api import scaffold

    parsed = scaffold.PipelineName.parse(name)
    wanted_kind = _kind(kind)
    flags = _ModelFlags(
        run_config=run_config_file,
        name=model_name,
        version_name=model_version_name,
        version_id=model_version_id,
        framework=framework,
        inference_type=inference_type,
    )
    wanted = scaffold.NewPipeline(
        name=parsed,
        kind=wanted_kind,
        template=template or _only_template(wanted_kind),
        parent=_absolute(output_dir),
        use_pyproject=use_pyproject,
        overwrite=force,
        install=install,
    )
    # Refused before any question: nobody likes to answer for nothing.
    scaffold.check(wanted)
    wanted = replace(wanted, model=_model(wanted_kind, flags, parsed.text))
    emit = common.telling(progress, verbose=verbose, quiet=quiet)
    made = scaffold.create(wanted, emit=emit)
    common.answer(_report(made, wanted), as_json=as_json, text=lambda: _as_text(made, wanted_kind))


def _absolute(folder: Path) -> Path:
    try:
        return folder.absolute()
    except FileNotFoundError:
        raise NotFoundError(
            f"{folder} is in the folder that we are in, which was removed",
            hint="cd to a folder that is there, or give --output-dir as an absolute path",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelFlags:
    """What was typed about the model; None is: not typed."""

    run_config: Path | None
    name: str | None
    version_name: str | None
    version_id: str | None
    framework: str | None
    inference_type: str | None


def _kind(given: str | None) -> Kind:
    from pxl_pipeline.api.scaffold import Kind

    choices = tuple(str(kind) for kind in Kind)
    if given is None:
        given = _ask("Type", flag="--type", choices=choices, default=choices[0])
    return Kind(_one_of(given, choices, flag="--type"))


def _only_template(kind: Kind) -> str:
    from pxl_pipeline.api.scaffold import TEMPLATES

    known = TEMPLATES[kind]
    if len(known) == 1:
        return known[0]
    return _ask("Template", flag="--template", choices=known, default=known[0])


def _model(kind: Kind, flags: _ModelFlags, default_name: str) -> TrainedModel | None:
    from pxl_pipeline.api.scaffold import Kind, TrainedModel

    if kind is not Kind.TRAINING:
        if any(value is not None for value in astuple(flags)):
            raise UsageError(
                "a processing pipeline trains no model",
                hint="leave out the flags about a model, or use --type training",
            )
        return None
    version_id = flags.version_id or _id_in(flags.run_config)
    if version_id and flags.name is None:
        return TrainedModel(version_id=version_id, **_described(flags))
    name = flags.name or _ask("Model", flag="--model-name", default=default_name)
    return TrainedModel(
        name=name,
        version_name=flags.version_name or "v1",
        version_id=version_id or "",
        **_described(flags),
    )


def _described(flags: _ModelFlags) -> dict[str, str]:
    """Framework and inference type, where they were typed."""
    from pxl_pipeline.api.scaffold import FRAMEWORKS, INFERENCE_TYPES

    described = {}
    if flags.framework is not None:
        described["framework"] = _one_of(flags.framework.upper(), FRAMEWORKS, flag="--framework")
    if flags.inference_type is not None:
        described["inference_type"] = _one_of(
            flags.inference_type.upper(), INFERENCE_TYPES, flag="--inference-type"
        )
    return described


def _id_in(run_config: Path | None) -> str | None:
    if run_config is None:
        return None
    from pxl_toolbox.store.toml_file import TomlFile

    found = TomlFile.read(run_config).optional(str, "input", "model_version", "id")
    if not found:
        raise ConfigError(
            f"{run_config}: input.model_version.id is missing or empty",
            hint="set it, or name the model with --model-name",
        )
    return found


def _one_of(given: str, choices: Sequence[str], *, flag: str) -> str:
    if given in choices:
        return given
    raise UsageError(f"{flag} cannot be {given!r}", hint=f"one of {', '.join(choices)}")


def _ask(what: str, *, flag: str, default: str, choices: Sequence[str] = ()) -> str:
    """Ask on a terminal; elsewhere say which flag gives the answer."""
    if not common.interactive():
        raise UsageError(
            f"{what.lower()} is not given, and nobody is at a terminal to answer",
            hint=f"{flag} {' | '.join(choices) or what.upper()}",
        )
    question = f"{what} ({', '.join(choices)})" if choices else what
    return str(common.ask(question, flag=flag, default=default)).strip()


def _report(made: MadePipeline, wanted: NewPipeline) -> dict[str, object]:
    return {
        "name": wanted.name.text,
        "folder": str(made.folder),
        "type": str(wanted.kind),
        "template": wanted.template,
        "template_version": made.template_version,
        "overwritten": list(made.overwritten),
        "environment": str(made.environment) if made.environment else None,
        "took_s": round(made.took_s, 3),
    }


def _as_text(made: MadePipeline, kind: Kind) -> str:
    shown = _from_here(made.folder)
    folder, run_config = (shlex.quote(str(path)) for path in (shown, shown / _RUN_CONFIG))
    edit = "utils/model.py" if kind == "training" else "utils/processing.py"
    environment = made.environment or "none; `pxl-pipeline test` makes it"
    lines = [
        f"{made.folder}   (template {made.template_version}, {made.took_s:.1f} s)",
        f"environment: {environment}",
        *(f"overwritten: {file}" for file in made.overwritten),
        "",
        f"1. edit   {shown / edit} and the ids in {shown / _RUN_CONFIG}",
        f"2. test   pxl-pipeline test {folder} --run-config-file {run_config}",
        f"3. deploy pxl-pipeline deploy {folder}",
    ]
    return "\n".join(lines)


def _from_here(folder: Path) -> Path:
    """The folder as it is typed here: relative where it is below us."""
    try:
        return folder.relative_to(Path.cwd())
    except (ValueError, FileNotFoundError):  # elsewhere; or where we are was removed
        return folder
