"""The values and errors of the Docker adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pxl_toolbox.core.errors import (
    ConflictError,
    DeniedError,
    NotFoundError,
    UnavailableError,
)
from pxl_toolbox.core.references import ImageReference

ENGINE_AWAY_LIMIT_S = 120.0  # an engine that is restarted is back by then, and its containers live


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What the engine's machine has. `gpus`: whether a container can be given its GPUs."""

    version: str
    cpus: int
    memory_bytes: int
    gpus: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that the engine has. `repo_digests` are `repository@sha256:…` of registries."""

    id: str
    tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    labels: Mapping[str, str]
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as it was when we looked.

    `state` is the engine's word: created, running, paused, restarting, removing, exited,
    dead. `exit_code` is None until it has ended; `out_of_memory` says that the kernel
    killed it for its memory.
    """

    id: str
    name: str
    image: str
    state: str
    exit_code: int | None
    out_of_memory: bool
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def running(self) -> bool:
        return self.state in {"running", "paused", "restarting"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRequest:
    """What to start.

    `command` None leaves the image's own. `network` is the engine's name of one ("host",
    "none"), None its default bridge. Limits of None are none. `files` maps absolute paths in
    the container to bytes, put there before the start and owned by the user `files_owner`.
    `volumes` maps names of the engine's volumes, made if missing, to absolute paths in the
    container.
    """

    image: str
    name: str
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    gpus: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    files_owner: int = 0
    volumes: Mapping[str, str] = field(default_factory=dict)


class EngineMissing(UnavailableError):
    """No Docker engine answered where we looked."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"no Docker engine answers at {where}: {why}",
            hint="start Docker, or on Debian as root: pxl-toolbox engine start",
        )


class EngineDenied(DeniedError):
    """There is an engine, and we may not speak to it."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"this user may not speak to the Docker engine at {where}",
            hint="add the user to the group that owns the socket (usermod -aG docker USER), "
            "then log in again",
        )


class EngineRefused(UnavailableError):
    """The engine answered a request with an error of its own."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"the Docker engine did not {what}: {why}", hint="docker info shows the engine's state"
        )
        self.why = why


class ImageMissing(NotFoundError):
    """The engine has no image of that name."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"the Docker engine has no image {reference}",
            hint=f"build it, or fetch it: docker pull {reference}",
        )


class ContainerMissing(NotFoundError):
    """The engine has no such container, any more or yet."""

    def __init__(self, container: str) -> None:
        super().__init__(
            f"the Docker engine has no container {container}", hint="docker ps --all lists them"
        )


class ContainerExists(ConflictError):
    """A container of that name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a container named {name} already", hint=f"remove it: docker rm {name}"
        )


class ContainerNotStarted(UnavailableError):
    """The engine made the container and could not start it; it was removed again."""

    def __init__(self, image: str, why: str) -> None:
        super().__init__(
            f"the Docker engine could not start a container of {image}: {why}",
            hint="look at the image's ENTRYPOINT and at what the container asks for",
        )


class PushRefused(UnavailableError):
    """The registry did not take the image, or has something else now than what was sent."""

    def __init__(self, reference: str, why: str) -> None:
        super().__init__(
            f"the registry did not take {reference}: {why}",
            hint="look whether the registry runs and its name is right, then push again",
        )


class PushDenied(DeniedError):
    """The registry takes no image from this user."""

    def __init__(self, reference: str, why: str) -> None:
        super().__init__(
            f"the registry does not let you push {reference}: {why}",
            hint=f"log in to it: docker login {ImageReference.parse(reference).registry}",
        )


class PullRefused(UnavailableError):
    """The engine could not fetch the image."""

    def __init__(self, reference: str, why: str) -> None:
        super().__init__(
            f"the Docker engine could not fetch {reference}: {why}",
            hint="look whether its registry runs and holds that image",
        )
        self.why = why
