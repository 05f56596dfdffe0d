"""The two images of the toolbox, built from a checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pxl_toolbox
from pxl_toolbox.adapters.docker import BuildRequest, Docker, Image
from pxl_toolbox.adapters.process import Runner
from pxl_toolbox.box import base_image
from pxl_toolbox.core.errors import NotFoundError
from pxl_toolbox.core.events import Emit, Event, Log, Step, step
from pxl_toolbox.store import settings

NAMES = ("pxl-runner", "pxl-toolbox")
_BUILD_LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image of ours as the engine has it; `id` is None where it has none."""

    name: str
    id: str | None
    size_bytes: int | None


class NoCheckout(NotFoundError):
    """The images are built from sources that are not here."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is no checkout of pxl-toolbox: it has no image/Dockerfile",
            hint="run it in a checkout, or name one with --source",
        )


def reference(name: str) -> str:
    """The name under which this version of ours is built and run."""
    return f"{name}:{pxl_toolbox.__version__}"


def build(
    engine: Docker, runner: Runner, emit: Emit, *, source: Path | None = None
) -> tuple[BuiltImage, ...]:
    """Build both images and what they stand on; what has not changed is not built again.

    Args:
        engine: where they are to be.
        runner: runs what makes a base image, where none can be fetched.
        emit: told about each step.
        source: the checkout; None for the one that we run from.

    Raises:
        NoCheckout: there are no sources there.
        BuildFailed: a step of the Dockerfile ended with an error.
    """
    folder = _checkout(source)
    base = base_image.ensure(engine, runner, emit, sources=folder / "image" / "base")
    bundle = settings.extra_ca_bundle()
    for name in NAMES:
        request = BuildRequest(
            context=folder,
            dockerfile=folder / "image" / "Dockerfile",
            tags=(reference(name), f"{name}:latest"),
            target=name.removeprefix("pxl-"),
            build_args={"BASE_IMAGE": base},
            secrets={"extra_ca": bundle} if bundle else {},
            timeout_s=_BUILD_LIMIT_S,
        )
        with step(emit, name) as running:
            running.outcome = _short(engine.build(request, _lines_of(running)))
    return listed(engine)


def make_base(engine: Docker, runner: Runner, emit: Emit, *, rebuild: bool) -> str:
    """Make sure of the base image alone; see `base_image.ensure`."""
    sources = _checkout(None) / "image" / "base"
    return base_image.ensure(engine, runner, emit, sources=sources, rebuild=rebuild)


def listed(engine: Docker) -> tuple[BuiltImage, ...]:
    """The images of this version, also those that are not built yet."""
    return tuple(_described(name, engine.image(name)) for name in map(reference, NAMES))


def _lines_of(running: Step) -> Emit:
    """The log of a build as that of the step that it is a part of."""

    def emit(event: Event) -> None:
        if isinstance(event, Log):
            running.log(event.line)

    return emit


def _short(image: Image) -> str:
    return f"{image.id[:19]}, {image.size_bytes / 1e6:.0f} MB"


def _described(name: str, image: Image | None) -> BuiltImage:
    if image is None:
        return BuiltImage(name=name, id=None, size_bytes=None)
    return BuiltImage(name=name, id=image.id, size_bytes=image.size_bytes)


def _checkout(source: Path | None) -> Path:
    folder = source or Path(pxl_toolbox.__file__).parents[2]
    if not (folder / "image" / "Dockerfile").is_file():
        raise NoCheckout(folder)
    return folder.resolve()
