"""New pipelines: names, templates, and folders that are there whole or not at all."""

from __future__ import annotations

import keyword
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from pxl_toolbox.adapters import copier, prepared, uv
from pxl_toolbox.adapters.copier import Template
from pxl_toolbox.adapters.files import write_atomically
from pxl_toolbox.adapters.process import LocalRunner, Runner
from pxl_toolbox.core.errors import (
    ConflictError,
    NotFoundError,
    ToolboxError,
    UnavailableError,
    UsageError,
)
from pxl_toolbox.core.events import Emit, ignore, step
from pxl_toolbox.store import settings

ADDRESS = "git+pxl://templates/pipeline.git"
FRAMEWORKS = ("NOT_CONFIGURED", "ONNX", "PYTORCH", "TENSORFLOW")
INFERENCE_TYPES = (
    *("CLASSIFICATION", "OBJECT_DETECTION", "SEGMENTATION", "POINT", "KEYPOINT"),
    *("LINE", "MASK", "MULTI", "NOT_CONFIGURED"),
)

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_LONGEST_NAME = 50  # with it, no generated line of code grows past what ruff allows
_IN_IMAGE = Path("/opt/pxl-toolbox/templates")
_IN_PACKAGE = Path(__file__).parents[1] / "templates"
_IN_CHECKOUT = Path(__file__).parents[3] / "build" / "templates"


class Kind(StrEnum):
    """What a pipeline is for."""

    PROCESSING = "processing"
    TRAINING = "training"


TEMPLATES: Mapping[Kind, tuple[str, ...]] = {
    Kind.PROCESSING: ("dataset_version_creation",),
    Kind.TRAINING: ("simple",),
}


@dataclass(frozen=True, slots=True)
class PipelineName:
    """The name of a pipeline, of its folder, and of its image's last part.

    Lower case letters and digits, with single `-` or `_` between them, so that it is a
    folder, an image and a Python distribution without any change; no word of Python's own,
    so that with `_` for `-` it is a module too. Build one with `parse`.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check a name that somebody typed.

        Raises:
            UsageError: with the mended name as its hint.
        """
        if _NAME.fullmatch(text) and len(text) <= _LONGEST_NAME and not keyword.iskeyword(text):
            return cls(text)
        mended = _mended(text)
        raise UsageError(
            f"{text!r} is not a pipeline's name: {_fault_of(text)}",
            hint=f"use {mended}" if mended else "use a name such as resize-images",
        )

    @property
    def distribution(self) -> str:
        """How pyproject.toml and uv.lock spell it."""
        return self.text.replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """The model version that a training pipeline trains; by names, or by its id."""

    name: str = ""
    version_name: str = ""
    version_id: str = ""
    framework: str = FRAMEWORKS[0]
    inference_type: str = INFERENCE_TYPES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPipeline:
    """What `create` makes: a folder called `name` in `parent`, from a template."""

    name: PipelineName
    kind: Kind
    template: str
    parent: Path
    model: TrainedModel | None = None
    use_pyproject: bool = True
    overwrite: bool = False
    install: bool = True

    @property
    def folder(self) -> Path:
        return self.parent / self.name.text


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePipeline:
    """What `create` made.

    `template_version` is a tag; `overwritten` are files that were there and are changed now,
    relative to the folder; `environment` is None where nothing was installed.
    """

    folder: Path
    template_version: str
    overwritten: tuple[str, ...]
    environment: Path | None
    took_s: float


def template() -> Template:
    """Where this machine has the template `pipeline`.

    A bundle is preferred to a repository: it is one file, and git does not ask who owns it.

    Raises:
        NotFoundError: nowhere.
    """
    given = settings.templates_folder()
    folders = (given,) if given else (_IN_IMAGE, _IN_PACKAGE, _IN_CHECKOUT)
    for folder in folders:
        for place in (folder / "pipeline.bundle", folder / "pipeline.git"):
            if place.exists():
                return Template(ADDRESS, place)
    raise NotFoundError(
        f"the template `pipeline` is in none of {', '.join(map(str, folders))}",
        hint="make templates   (or set PXL_TEMPLATES to the folder that holds pipeline.bundle)",
    )


def check(wanted: NewPipeline) -> None:
    """Refuse what cannot be made, before anything is written.

    Raises:
        UsageError: there is no such template for this kind.
        ConflictError: the folder is there, and is not to be overwritten.
        NotFoundError, UnavailableError: the system does not let us look.
        UvMissing: an environment is wanted and there is no uv.
    """
    known = TEMPLATES[wanted.kind]
    if wanted.template not in known:
        raise UsageError(
            f"there is no template {wanted.template!r} of type {wanted.kind}",
            hint=f"--template {known[0]}" if len(known) == 1 else f"one of {', '.join(known)}",
        )
    with _naming(wanted.folder):
        _refuse_what_is_there(wanted)
    if wanted.install:
        uv.find()


def _refuse_what_is_there(wanted: NewPipeline) -> None:
    folder = wanted.folder
    if folder.is_file() or (folder.exists() and not wanted.overwrite):
        raise ConflictError(
            f"{folder} is already there",
            hint="choose another name"
            if folder.is_file()
            else "choose another name, or --force to overwrite the template's files in it",
        )


def create(
    wanted: NewPipeline, *, runner: Runner | None = None, emit: Emit = ignore
) -> MadePipeline:
    """Make a pipeline's folder from its template, and its environment from the template's lock.

    A new folder is there whole or not at all: it is written beside its place and renamed,
    and removed again where the installation does not succeed. In a folder that is to be
    overwritten, only files of the template are written; all others stay as they are.

    Raises:
        UsageError, ConflictError, UvMissing: as `check` does.
        ConflictError, NotFoundError, UnavailableError: the system does not let us write there.
        NotFoundError, TemplateUnreadable, TemplateFailed: the template is at fault.
        UvFailed: the locked dependencies could not be installed.
    """
    began = time.monotonic()
    check(wanted)
    with _scratch(wanted) as scratch:
        is_new = not wanted.folder.exists()
        with step(emit, "template", f"{wanted.kind}/{wanted.template}") as running:
            rendered = scratch / wanted.name.text
            with _naming(wanted.folder):
                version = running.outcome = _render(wanted, rendered)
        with _removed_on_failure(wanted) if is_new else _nothing_to_undo():
            with _naming(wanted.folder):
                overwritten = _move_in(rendered, wanted.folder)
            environment = _install(wanted.folder, runner, emit) if wanted.install else None
    return MadePipeline(
        folder=wanted.folder,
        template_version=version,
        overwritten=overwritten,
        environment=environment,
        took_s=time.monotonic() - began,
    )


@contextmanager
def _scratch(wanted: NewPipeline) -> Iterator[Path]:
    """A folder to write in that lies where a rename into the pipeline's place is possible."""
    with _naming(wanted.folder):
        made = tempfile.TemporaryDirectory(
            prefix=f".{wanted.name.text}.", dir=_nearest_folder(wanted.parent)
        )
    with made as name:
        yield Path(name)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Make the system's refusals into errors that name the folder that was to be made."""
    try:
        yield
    except OSError as error:
        raise _refused(folder, error) from error


def _refused(folder: Path, error: OSError) -> ToolboxError:
    message = f"{folder} cannot be made: {error.strerror or error}"
    if error.filename:
        message += f" ({error.filename})"
    match error:
        case FileExistsError() | IsADirectoryError() | NotADirectoryError():
            return ConflictError(message, hint="move that away, or choose another name")
        case FileNotFoundError():
            return NotFoundError(message, hint="--output-dir names a folder that can be made")
        case PermissionError():
            hint = "--output-dir names a folder that you may write to"
        case _:
            hint = "check --output-dir and the free space of its disk"
    return UnavailableError(message, hint=hint)


def _render(wanted: NewPipeline, target: Path) -> str:
    answers: dict[str, str | bool] = {
        "type": str(wanted.kind),
        "template": wanted.template,
        "name": wanted.name.text,
        "use_pyproject": wanted.use_pyproject,
    }
    if wanted.model is not None:
        answers |= {
            "model_name": wanted.model.name,
            "model_version_name": wanted.model.version_name,
            "model_version_id": wanted.model.version_id,
            "framework": wanted.model.framework,
            "inference_type": wanted.model.inference_type,
        }
    version = _fill(target, answers)
    _refuse_a_dependency_s_name(wanted.name, target / "uv.lock")
    return version


def _fill(target: Path, answers: Mapping[str, str | bool]) -> str:
    """Render the template into `target`; return the version."""
    place = template()
    prepared_file = place.place.with_suffix(".json")
    if prepared_file.is_file():
        found = prepared.Prepared.read(prepared_file)
        prepared.render(found, target, answers, address=ADDRESS)
        return found.version
    return copier.copy(place, target, answers)


def _refuse_a_dependency_s_name(name: PipelineName, lock: Path) -> None:
    if not lock.is_file():
        return
    if lock.read_text().count(f'\nname = "{name.distribution}"\n') > 1:
        raise UsageError(
            f"{name.text!r} is the name of a package that the pipeline needs",
            hint=f"use {name.text}-pipeline",
        )


def _install(folder: Path, runner: Runner | None, emit: Emit) -> Path:
    from pxl_pipeline.api import environment, pipeline

    made = environment.ensure(pipeline.load(folder), runner=runner or LocalRunner(), emit=emit)
    return made.folder


def _move_in(rendered: Path, folder: Path) -> tuple[str, ...]:
    """Put the rendered files in their place; return those that were there and differed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        rendered.rename(folder)
        return ()
    overwritten = []
    for source in sorted(path for path in rendered.rglob("*") if path.is_file()):
        name = source.relative_to(rendered)
        target = folder / name
        if target.is_file():
            if target.read_bytes() == source.read_bytes():
                continue
            overwritten.append(str(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, source.read_bytes())
    return tuple(overwritten)


@contextmanager
def _removed_on_failure(wanted: NewPipeline) -> Iterator[None]:
    """Leave nothing of a new folder, nor of the folders made for it, unless the block succeeds."""
    made = wanted.folder
    while not made.parent.exists():
        made = made.parent
    try:
        yield
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


@contextmanager
def _nothing_to_undo() -> Iterator[None]:
    yield


def _nearest_folder(folder: Path) -> Path:
    """The folder, or the first one above it that is there: the same file system, most likely."""
    while not folder.is_dir():
        if folder.exists():
            raise UsageError(
                f"{folder} is a file, so no pipeline can be made in it",
                hint="--output-dir names a folder",
            )
        folder = folder.parent
    return folder


def _mended(text: str) -> str:
    last = text.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    words = re.sub(r"[^a-z0-9_]+", "-", last.lower())
    words = re.sub(r"[-_]*-[-_]*|__+", "-", words).strip("-_0123456789")
    words = words[:_LONGEST_NAME].strip("-_")
    return f"{words}-pipeline" if keyword.iskeyword(words) else words


def _fault_of(text: str) -> str:
    if keyword.iskeyword(text):
        return "it is a word of Python's own"
    if "/" in text or "\\" in text:
        return "it is a path; --output-dir says where the folder goes"
    if re.search(r"\s", text):
        return "it has a space in it"
    if text != text.lower():
        return "it has upper case letters"
    if len(text) > _LONGEST_NAME:
        return f"it is longer than {_LONGEST_NAME} characters"
    return "lower case letters and digits, with single - or _ between them, make a name"
