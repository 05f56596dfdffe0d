"""Reads a pipeline's parameters and inputs, in the pipeline's own Python.

Run as a script by `pxl_pipeline.api.declarations`, never imported: the user's code
must not run in our process, nor need our packages. One JSON object goes to the file
that the last argument names; the user's own prints stay where they are.

    python probe.py PARAMETERS_CLASS INPUTS_CLASS|"" ANSWER_FILE     (classes as FILE:CLASS)
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import traceback
from pathlib import Path
from typing import Any


class _NoDefault(KeyError):
    """The parameters asked for a value that a deploy has not: it needs a default."""


class _NoValues(dict[str, Any]):
    """What parameters are built from at a deploy: nothing."""

    def __missing__(self, key: str) -> Any:
        raise _NoDefault(key)


def _load(path_and_class: str) -> Any:
    """The class, or None where the file has none of that name."""
    path, _, name = path_and_class.partition(":")
    spec = importlib.util.spec_from_file_location("declarations", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["declarations"] = module
    spec.loader.exec_module(module)
    return getattr(module, name, None)


def _own_traceback(error: BaseException) -> str:
    """The traceback without our own frames: it is the user's to read."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    head = "Traceback (most recent call last):\n" if frames else ""
    return head + "".join(
        traceback.format_list(frames) + traceback.format_exception_only(type(error), error)
    )


def _lacks_a_default(error: KeyError) -> bool:
    """Whether cv-engine, or a class of the user's own, missed a value; not some other lookup."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return isinstance(error, _NoDefault) or "picsellia_cv_engine" in Path(last.filename).parts


def _raised_at(error: BaseException, path: str) -> int | None:
    """The line of the user's file that was last on the way to the error."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == Path(path).resolve()
    ]
    return lines[-1] if lines else None


def _attribute_at(path: str, line: int | None) -> str:
    """The attribute that is assigned at a line, or a few lines above where a call spans several."""
    source = Path(path).read_text().splitlines()
    for number in range(line or 0, max(0, (line or 0) - 6), -1):
        found = re.search(r"self\.(\w+)\s*(?::[^=]+)?=", source[number - 1])
        if found:
            return found[1]
    return ""


def _line_of(path: str, attribute: str) -> int | None:
    assigned = re.compile(rf"self\.{re.escape(attribute)}\s*(?::[^=]+)?=")
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if assigned.search(line):
            return number
    return None


def _parameters(path_and_class: str) -> dict[str, Any]:
    path, _, name = path_and_class.partition(":")
    parameters_class = _load(path_and_class)
    if parameters_class is None:
        return {"problem": "no class", "key": "parameters_class", "class": name, "file": path}
    try:
        values = parameters_class(log_data=_NoValues()).to_dict()
    except KeyError as error:
        if not _lacks_a_default(error):
            raise
        line = _raised_at(error, path)
        return {
            "problem": "no default",
            "class": name,
            "line": line,
            "attribute": _attribute_at(path, line),
            "text": str(error.args[0]),
        }
    for attribute, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            return {
                "problem": "not serialisable",
                "class": name,
                "line": _line_of(path, attribute),
                "attribute": attribute,
                "text": repr(value),
            }
    return {"parameters": values}


def _with_inputs(answer: dict[str, Any], path_and_class: str) -> dict[str, Any]:
    path, _, name = path_and_class.partition(":")
    inputs_class = _load(path_and_class)
    if inputs_class is None:
        return {"problem": "no class", "key": "inputs_class", "class": name, "file": path}
    return {**answer, "inputs": inputs_class().to_list()}


def main() -> int:
    parameters_class, inputs_class, answer_file = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    try:
        answer = _parameters(parameters_class)
        if inputs_class and "problem" not in answer:
            answer = _with_inputs(answer, inputs_class)
    except Exception as error:  # noqa: BLE001  (the user's code may raise anything)
        answer = {"problem": "raised", "text": _own_traceback(error)}
    Path(answer_file).write_text(json.dumps(answer, allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
