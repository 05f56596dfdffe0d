"""What a pipeline declares in Python: its parameters with their defaults, and its inputs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxl_pipeline.api.pipeline import Pipeline
from pxl_toolbox.adapters.process import Command, Runner
from pxl_toolbox.core.errors import ConfigError, UserCodeFailed
from pxl_toolbox.store.toml_file import TomlFile

PROBE = Path(__file__).parents[1] / "probe.py"
_LIMIT_S = 120.0

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDeclaration:
    """An input that a processing asks for at launch."""

    name: str
    input_type: str
    required: bool
    inference_type_constraint: str | None = None
    framework_constraint: str | None = None


@dataclass(frozen=True, slots=True)
class Declarations:
    """Parameter defaults by name, and inputs; `inputs` is None where no class declares any."""

    parameters: Mapping[str, Json]
    inputs: tuple[InputDeclaration, ...] | None = None


def read(pipeline: Pipeline, *, python: Path, runner: Runner) -> Declarations:
    """Ask the pipeline's own Python for its declarations.

    Args:
        pipeline: whose classes to read.
        python: the interpreter of the pipeline's environment.
        runner: runs it.

    Raises:
        UserCodeFailed: the user's code does not import or raised; their traceback is shown.
        ConfigError: a parameter has no default or cannot be sent; class, attribute and line told.
    """
    with tempfile.TemporaryDirectory(prefix="pxl-probe-") as folder:
        answer_file = Path(folder) / "answer.json"
        done = runner.run(
            Command(
                argv=(
                    str(python), str(PROBE),
                    pipeline.parameters_class, pipeline.inputs_class or "", str(answer_file),
                ),
                cwd=pipeline.folder,
                timeout_s=_LIMIT_S,
                env={"PYTHONDONTWRITEBYTECODE": None, "VIRTUAL_ENV": None, "PYTHONPATH": None},
            )
        )  # fmt: skip
        if done.code != 0 or not answer_file.exists():
            raise UserCodeFailed(
                f"{pipeline.parameters_class} ended Python with code {done.code}\n{done.tail()}",
                hint=f"mend {pipeline.folder / pipeline.parameters_class.partition(':')[0]}",
            )
        answer = json.loads(answer_file.read_text())
    _refuse_problem(pipeline, answer)
    return Declarations(answer["parameters"], _inputs(answer.get("inputs")))


def _refuse_problem(pipeline: Pipeline, answer: Mapping[str, Any]) -> None:
    problem = answer.get("problem")
    if problem is None:
        return
    if problem == "no class":
        raise TomlFile.read(pipeline.config_path).error(
            *("execution", answer["key"]),
            problem=f"{answer['file']} has no class {answer['class']}",
            mend="name a class of that file",
        )
    file = pipeline.folder / pipeline.parameters_class.partition(":")[0]
    where = f"{file}:{answer['line']}" if answer.get("line") else str(file)
    if problem == "no default":
        raise ConfigError(
            f"{where}: {answer['class']}.{answer['attribute']}: has no default ({answer['text']})",
            hint="give default=… to extract_parameter",
        )
    if problem == "not serialisable":
        raise ConfigError(
            f"{where}: {answer['class']}.{answer['attribute']}: {answer['text']}"
            " cannot be sent to the platform",
            hint="make it text, a number, true, false, a list or a table",
        )
    raise UserCodeFailed(
        f"your code in {file} raised an exception; its traceback:\n{answer['text']}",
        hint=f"mend it; try it with {pipeline.folder / '.venv/bin/python'} {file}",
    )


def _inputs(rows: list[Mapping[str, Any]] | None) -> tuple[InputDeclaration, ...] | None:
    if rows is None:
        return None
    return tuple(
        InputDeclaration(
            name=row["name"],
            input_type=row["input_type"],
            required=bool(row["required"]),
            inference_type_constraint=row.get("inference_type_constraint"),
            framework_constraint=row.get("framework_constraint"),
        )
        for row in rows
    )
