"""The Python environment of a pipeline: made by uv from its lock, kept while that is unchanged."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pxl_pipeline.api import declarations
from pxl_pipeline.api.declarations import Declarations, InputDeclaration
from pxl_pipeline.api.image import context_files
from pxl_pipeline.api.pipeline import Pipeline
from pxl_toolbox.adapters.files import locked, write_atomically
from pxl_toolbox.adapters.process import Command, OnLine, Runner
from pxl_toolbox.core.errors import UsageError
from pxl_toolbox.core.events import Emit, step
from pxl_toolbox.store.settings import cache_folder

_STAMP = ".pxl-toolbox-synced"
_ASK_LIMIT_S = 20.0
_LOCK_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that holds what the lock says."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


def ensure(pipeline: Pipeline, *, runner: Runner, emit: Emit) -> Environment:
    """The pipeline's environment, installed if it is missing or its inputs have changed.

    It is `.venv` in the pipeline's folder; where that one was made on another machine (a
    mounted folder) or cannot be written, one in our cache serves instead.

    Raises:
        UvMissing, UvFailed: uv is missing, or could not install.
        UsageError: the requirements are in no format that uv reads.
    """
    inputs = _inputs(pipeline)
    place = _place(pipeline, runner)
    stamp = place / _STAMP
    if stamp.is_file() and stamp.read_text() == inputs and (place / "bin" / "python").exists():
        return Environment(place)
    with locked(cache_folder() / "environments" / f"{_id(pipeline)}.lock", wait_s=_LOCK_WAIT_S):
        with step(emit, "environment", pipeline.requirements.name) as running:
            _install(pipeline, place, running.log)
        # Written after the install, and after a lock that it may have changed: an
        # interrupted install is not taken for a finished one.
        write_atomically(stamp, _inputs(pipeline))
    return Environment(place)


def declared(pipeline: Pipeline, *, runner: Runner, emit: Emit) -> Declarations:
    """The pipeline's declarations; remembered while none of its files changes.

    Raises as `ensure` and `declarations.read` do.
    """
    remembered = cache_folder() / "declarations" / f"{_sources(pipeline)}.json"
    if remembered.is_file():
        return _from_json(remembered.read_text())
    environment = ensure(pipeline, runner=runner, emit=emit)
    found = declarations.read(pipeline, python=environment.python, runner=runner)
    remembered.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(remembered, _to_json(found))
    return found


def _install(pipeline: Pipeline, place: Path, log: OnLine) -> None:
    from pxl_toolbox.adapters import uv

    program = uv.Uv(uv.find())
    if pipeline.requirements.name == "pyproject.toml":
        program.sync(pipeline.folder, log, environment=place)
    elif pipeline.requirements.suffix == ".txt":
        program.venv(pipeline.folder, environment=place)
        program.install_requirements(
            pipeline.folder, log, file=pipeline.requirements.name, environment=place
        )
    else:
        raise UsageError(
            f"{pipeline.config_path}: execution.requirements_file:"
            f" {pipeline.requirements.name} is neither pyproject.toml nor a .txt file",
            hint="name pyproject.toml or requirements.txt",
        )


def _place(pipeline: Pipeline, runner: Runner) -> Path:
    own = pipeline.folder / ".venv"
    if not own.exists():
        writable = os.access(pipeline.folder, os.W_OK)
        return own if writable else _cached_place(pipeline)
    python = own / "bin" / "python"
    # A stamp of ours says that this machine made it; else its Python has to answer here.
    if not python.exists():
        return _cached_place(pipeline)
    ask = Command(argv=(str(python), "-c", ""), cwd=pipeline.folder, timeout_s=_ASK_LIMIT_S)
    works = (own / _STAMP).is_file() or runner.run(ask).code == 0
    return own if works and os.access(own, os.W_OK) else _cached_place(pipeline)


def _cached_place(pipeline: Pipeline) -> Path:
    return cache_folder() / "environments" / _id(pipeline)


def _id(pipeline: Pipeline) -> str:
    return hashlib.sha256(os.fsencode(pipeline.folder)).hexdigest()[:16]


def _inputs(pipeline: Pipeline) -> str:
    """What an environment was made from: the requirements, the lock, and the place."""
    digest = hashlib.sha256(os.fsencode(pipeline.folder))
    for path in (pipeline.requirements, pipeline.folder / "uv.lock"):
        digest.update(path.read_bytes() if path.is_file() else b"\0")
    return digest.hexdigest()


def _sources(pipeline: Pipeline) -> str:
    """Everything that the declarations could depend on."""
    digest = hashlib.sha256(_inputs(pipeline).encode())
    digest.update(f"{pipeline.parameters_class} {pipeline.inputs_class}".encode())
    for path in (declarations.PROBE, *context_files(pipeline.folder)):
        if path.suffix == ".py":
            digest.update(os.fsencode(path) + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _to_json(declared: Declarations) -> str:
    inputs = None if declared.inputs is None else [asdict(one) for one in declared.inputs]
    return json.dumps({"parameters": dict(declared.parameters), "inputs": inputs})


def _from_json(text: str) -> Declarations:
    data = json.loads(text)
    inputs = data["inputs"]
    return Declarations(
        data["parameters"],
        None if inputs is None else tuple(InputDeclaration(**one) for one in inputs),
    )
