"""The Docker engine: images, builds, pushes and containers. The only importer of its SDK.

Importing this module imports no SDK, which takes a quarter of a second. No container gets
a bind mount: files go in by the engine's archive API, so that an engine on another machine,
or one without root, serves as well.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from pxl_toolbox.adapters import docker_build, registry
from pxl_toolbox.adapters.docker_build import (
    Builder,
    BuilderMissing,
    BuildFailed,
    BuildRequest,
    BuildTimeout,
)
from pxl_toolbox.adapters.docker_containers import (
    Making,
    host_config,
    packed,
    wait_for_end,
)
from pxl_toolbox.adapters.docker_engine import (
    EngineLog,
    ask_socket,
    open_engine,
    open_log,
    speaking,
)
from pxl_toolbox.adapters.docker_model import (
    Container,
    ContainerExists,
    ContainerMissing,
    ContainerNotStarted,
    ContainerRequest,
    EngineDenied,
    EngineInfo,
    EngineMissing,
    EngineRefused,
    Image,
    ImageMissing,
    PullRefused,
    PushDenied,
    PushRefused,
)
from pxl_toolbox.adapters.docker_streams import LogLines, Transfer, follow
from pxl_toolbox.adapters.process import LocalRunner, Runner
from pxl_toolbox.core.events import Emit, Step, ignore, step
from pxl_toolbox.core.references import ImageReference

if TYPE_CHECKING:
    from docker import APIClient

__all__ = [
    "BuildFailed",
    "BuildRequest",
    "BuildTimeout",
    "BuilderMissing",
    "Container",
    "ContainerExists",
    "ContainerMissing",
    "ContainerNotStarted",
    "ContainerRequest",
    "Docker",
    "EngineDenied",
    "EngineInfo",
    "EngineMissing",
    "EngineRefused",
    "Image",
    "ImageMissing",
    "PullRefused",
    "PushDenied",
    "PushRefused",
    "connect",
    "image_id",
]

_DENIALS = ("unauthorized", "denied", "authentication required", "no basic auth credentials")


def connect() -> Docker:
    """Connect to the engine that the `docker` command would use.

    Raises:
        EngineMissing: nothing answered within 2.5 s.
        EngineDenied: there is one, and this user may not use it.
    """
    return Docker(open_engine(), LocalRunner())


def image_id(reference: str) -> str | None:
    """The id of an image that the engine has, or None; in milliseconds, without the SDK.

    Raises as `connect` does.
    """
    answer = ask_socket(f"/images/{quote(reference, safe='')}/json")
    if answer is None:
        with connect() as engine:
            image = engine.image(reference)
            return image.id if image else None
    status, body = answer
    if status not in {200, 404}:
        raise EngineRefused(f"look up {reference}", body[:200].decode(errors="replace"))
    return str(json.loads(body)["Id"]) if status == 200 else None


class Docker:
    """A Docker engine. Use it in a `with` block, or `close` it; several threads may share it."""

    def __init__(self, api: APIClient, runner: Runner) -> None:
        self._api = api
        self._runner = runner
        self._builder: Builder | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        self._api.close()

    def info(self) -> EngineInfo:
        with speaking("tell what it has"):
            raw = self._api.info()
        return EngineInfo(
            version=str(raw["ServerVersion"]),
            cpus=int(raw["NCPU"]),
            memory_bytes=int(raw["MemTotal"]),
            gpus="nvidia" in (raw.get("Runtimes") or {}),
        )

    # Images

    def image(self, reference: str) -> Image | None:
        """The image of that name or id, or None where the engine has none."""
        try:
            with speaking(f"look up {reference}", missing=ImageMissing(reference)):
                raw = self._api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except ImageMissing:
            return None
        return Image(
            id=raw["Id"],
            tags=tuple(raw.get("RepoTags") or ()),
            repo_digests=tuple(raw.get("RepoDigests") or ()),
            labels=(raw.get("Config") or {}).get("Labels") or {},
            size_bytes=raw["Size"],
        )

    def build(self, request: BuildRequest, emit: Emit) -> Image:
        """Build with BuildKit, its log as events of the step "build".

        Raises:
            BuilderMissing: no docker command here can.
            BuildFailed: the Dockerfile is wrong; the error holds the log's last lines.
            BuildTimeout: it was still running at its limit.
        """
        if self._builder is None:
            self._builder = docker_build.find_builder(self._runner)
        image_id = docker_build.build(self._runner, self._builder, request, emit)
        image = self.image(image_id)
        if image is None:
            raise ImageMissing(image_id)
        return image

    def tag(self, reference: str, new_reference: str) -> None:
        new = ImageReference.parse(new_reference)
        with speaking(f"tag {reference}", missing=ImageMissing(reference)):
            self._api.tag(reference, new.name, new.tag)

    def remove_image(self, reference: str, *, force: bool = False) -> None:
        """Remove an image or one of its names; one that is not there is fine."""
        with (
            contextlib.suppress(ImageMissing),
            speaking(f"remove {reference}", missing=ImageMissing(reference)),
        ):
            self._api.remove_image(reference, force=force)

    def push(self, reference: str, emit: Emit) -> str:
        """Push, and return the manifest's digest, which the registry was asked to confirm.

        Credentials are those that `docker login` stored.

        Raises:
            ImageMissing: the engine has no such image.
            PushDenied: the registry wants a login, or forbids it.
            PushRefused: any other error that the stream told, or the registry has another
                manifest under that name than the one that was sent.
        """
        wanted = ImageReference.parse(reference)
        if self.image(reference) is None:
            raise ImageMissing(reference)
        with step(emit, "push", reference) as running:
            with speaking(f"push {reference}", missing=ImageMissing(reference)):
                lines = self._api.push(wanted.name, tag=wanted.tag, stream=True, decode=True)
                transfer = _transferred(lines, running)
            digest = _pushed_digest(reference, transfer)
            found = registry.digest(reference, runner=self._runner)
            if found != digest:
                raise PushRefused(
                    reference, f"it was sent {digest}, and the registry has {found or 'nothing'}"
                )
            running.outcome = digest
        return digest

    def pull(self, reference: str, emit: Emit = ignore) -> Image:
        """Fetch an image from its registry, through the engine.

        Raises:
            PullRefused: the registry did not answer, has no such image or wants a login.
        """
        wanted = ImageReference.parse(reference)
        with step(emit, "pull", reference) as running:
            try:
                with speaking(f"fetch {reference}", missing=ImageMissing(reference)):
                    lines = self._api.pull(
                        wanted.name, tag=wanted.selector, stream=True, decode=True
                    )
                    transfer = _transferred(lines, running)
            except (ImageMissing, EngineRefused) as error:
                raise PullRefused(reference, error.message) from error
            if transfer.error:
                raise PullRefused(reference, transfer.error)
        image = self.image(reference)
        if image is None:
            raise PullRefused(reference, "it is not there after the pull")
        return image

    # Containers

    def start(self, request: ContainerRequest) -> Container:
        """Make a container, put its files in, start it.

        One that cannot start is removed, and so is one whose start is interrupted.

        Raises:
            ImageMissing: the engine has no such image; it is not fetched.
            ContainerExists: the name is taken.
            ContainerNotStarted: for one, the image's ENTRYPOINT is not there.
        """
        making = Making(
            lambda: self._create(request),
            lambda container_id: self.remove(container_id, force=True),
        )
        try:
            container_id = making.result()
            self._put(container_id, request.files, request.files_owner)
            with speaking("start the container"):
                self._api.start(container_id)
            return self.container(container_id)
        except BaseException as error:
            was_made = making.undo()
            if isinstance(error, EngineRefused) and was_made:
                raise ContainerNotStarted(request.image, error.why) from error
            raise

    def _create(self, request: ContainerRequest) -> str:
        with speaking(
            f"make the container {request.name}",
            missing=ImageMissing(request.image),
            conflict=ContainerExists(request.name),
        ):
            made = self._api.create_container(
                request.image,
                command=list(request.command) if request.command is not None else None,
                environment=dict(request.environment),
                labels=dict(request.labels),
                name=request.name,
                host_config=host_config(self._api, request),
            )
        return str(made["Id"])

    def container(self, container_id: str) -> Container:
        """How a container is now. Raises ContainerMissing."""
        with speaking(
            f"look up the container {container_id}", missing=ContainerMissing(container_id)
        ):
            raw = self._api.inspect_container(container_id)
        state = raw["State"]
        ended = state["Status"] in {"exited", "dead"}
        return Container(
            id=raw["Id"],
            name=raw["Name"].removeprefix("/"),
            image=raw["Config"]["Image"],
            state=state["Status"],
            exit_code=int(state["ExitCode"]) if ended else None,
            out_of_memory=bool(state.get("OOMKilled")),
            labels=raw["Config"].get("Labels") or {},
            environment=dict(
                pair.split("=", 1) for pair in raw["Config"].get("Env") or () if "=" in pair
            ),
        )

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """All containers, ended ones too, that carry every one of the labels."""
        wanted = [f"{name}={value}" for name, value in labels.items()]
        with speaking("list its containers"):
            rows = self._api.containers(all=True, filters={"label": wanted})
        found = []
        for row in rows:
            with contextlib.suppress(ContainerMissing):  # removed since the list was made
                found.append(self.container(row["Id"]))
        return tuple(found)

    def logs(self, container_id: str, *, skip: int = 0) -> LogLines:
        """The container's lines, both streams, from line `skip` on, until it has ended.

        Raises (while it is read):
            ContainerMissing: it was removed.
        """

        def opened() -> EngineLog:
            with speaking(
                f"show the log of {container_id}", missing=ContainerMissing(container_id)
            ):
                return open_log(self._api, container_id)

        return LogLines(opened, lambda: self.container(container_id).running, skip)

    def wait(self, container_id: str) -> int:
        """Wait for the container's end and return its exit code.

        An engine that restarts meanwhile is waited for, at most two minutes.

        Raises:
            ContainerMissing: it was removed.
            EngineMissing: the engine stayed away.
        """
        return wait_for_end(self._api, container_id)

    def stop(self, container_id: str, grace_s: float) -> None:
        """Send TERM, and KILL after `grace_s` seconds. One that has ended or gone is fine."""
        with (
            contextlib.suppress(ContainerMissing),
            speaking(f"stop the container {container_id}", missing=ContainerMissing(container_id)),
        ):
            self._api.stop(container_id, timeout=int(grace_s))

    def remove(self, container_id: str, *, force: bool = False) -> None:
        """Remove a container with its anonymous volumes; one that is gone is fine."""
        with (
            contextlib.suppress(ContainerMissing),
            speaking(
                f"remove the container {container_id}", missing=ContainerMissing(container_id)
            ),
        ):
            self._api.remove_container(container_id, v=True, force=force)

    def _put(self, container_id: str, files: Mapping[str, bytes], owner: int) -> None:
        if not files:
            return
        with speaking(
            f"put files into the container {container_id}", missing=ContainerMissing(container_id)
        ):
            self._api.put_archive(container_id, "/", packed(files, owner))


def _pushed_digest(reference: str, transfer: Transfer) -> str:
    if transfer.error is not None:
        denied = any(word in transfer.error.lower() for word in _DENIALS)
        raise (PushDenied if denied else PushRefused)(reference, transfer.error)
    if transfer.digest is None:
        raise PushRefused(reference, "the engine's account of the push ended without a digest")
    return transfer.digest


def _transferred(lines: Iterable[Mapping[str, object]], running: Step) -> Transfer:
    return follow(lines, lambda done, total: running.progress(done, total, "bytes"))
