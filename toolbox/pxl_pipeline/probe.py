"""Reads a pipeline's parameters and inputs, in the pipeline's own Python.

Run as a script by `pxl_pipeline.api.declarations`, never imported: the user's code
must not run in our process, nor need our packages. One JSON object goes to the file
that the last argument names; the user's own prints stay where they are.

    python probe.py PARAMETERS_CLASS INPUTS_CLASS|"" ANSWER_FILE     (classes as FILE:CLASS)
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def _load(path_and_class: str) -> Any:
    path, _, name = path_and_class.partition(":")
    spec = importlib.util.spec_from_file_location("declarations", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["declarations"] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


def _own_traceback(error: BaseException) -> str:
    """The traceback without our own frames: it is the user's to read."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    head = "Traceback (most recent call last):\n" if frames else ""
    return head + "".join(
        traceback.format_list(frames) + traceback.format_exception_only(type(error), error)
    )


def _line_in(error: BaseException, path: str) -> int | None:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == Path(path).resolve()
    ]
    return lines[-1] if lines else None


def _attribute_line(path: str, attribute: str) -> int | None:
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if f"self.{attribute}" in line:
            return number
    return None


def _parameters(path_and_class: str) -> dict[str, Any]:
    path, _, name = path_and_class.partition(":")
    parameters_class = _load(path_and_class)
    try:
        values = parameters_class(log_data={}).to_dict()
    except KeyError as error:
        # What cv-engine raises for a parameter that has neither value nor default.
        line = _line_in(error, path)
        return {"problem": "no default", "class": name, "line": line, "text": str(error.args[0])}
    for attribute, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            line = _attribute_line(path, attribute)
            return {
                "problem": "not serialisable",
                "class": name,
                "line": line,
                "attribute": attribute,
                "text": repr(value),
            }
    return {"parameters": values}


def main() -> int:
    parameters_class, inputs_class, answer_file = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    try:
        answer = _parameters(parameters_class)
        if inputs_class and "problem" not in answer:
            answer["inputs"] = _load(inputs_class)().to_list()
    except Exception as error:  # noqa: BLE001  (the user's code may raise anything)
        answer = {"problem": "raised", "text": _own_traceback(error)}
    Path(answer_file).write_text(json.dumps(answer, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
