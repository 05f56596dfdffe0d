"""Deploy: from sources to an image in a registry and a registration on the platform.

A journal of idempotent steps: a step that is done is not done twice, after a kill the
next run goes on where the last one was, and config.toml gets its version at the very end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pxl_pipeline.api import environment, image
from pxl_pipeline.api.declarations import Declarations
from pxl_pipeline.api.pipeline import Pipeline, load
from pxl_pipeline.api.platform import Identity, Platform
from pxl_pipeline.api.registration import (
    Difference,
    Image,
    Registration,
    differences,
    find,
    registrations,
)
from pxl_pipeline.api.version import Bump, bumped, floating_tag
from pxl_toolbox.adapters import registry
from pxl_toolbox.adapters.docker import image_id
from pxl_toolbox.adapters.files import locked
from pxl_toolbox.adapters.process import Runner
from pxl_toolbox.core.errors import ConflictError, NotFoundError, UnavailableError
from pxl_toolbox.core.events import Emit, step
from pxl_toolbox.store.credentials import Context
from pxl_toolbox.store.settings import state_folder
from pxl_toolbox.store.toml_file import TomlFile, set_values

if TYPE_CHECKING:
    from pxl_toolbox.adapters.docker import Docker
    from pxl_toolbox.jobs.journal import Attempt, Journal

_OTHER_DEPLOY_WAIT_S = 600.0

ChooseBump = Callable[[str], Bump]


class NotRegistered(UnavailableError):
    """The platform answered, and yet does not hold what was sent."""

    def __init__(self, host: str, label: str, found: tuple[Difference, ...]) -> None:
        fields = ", ".join(f"{one.field} is {one.there!r}, not {one.wanted!r}" for one in found)
        super().__init__(
            f"{host} does not hold what was sent for {label}: {fields}",
            hint="pxl-pipeline deploy --resume",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What a deploy would change, and where. `changes` is empty where all is up to date."""

    image: Image
    floating: str
    key: str
    registrations: tuple[Registration, ...]
    changes: tuple[tuple[str, tuple[Difference, ...]], ...]
    up_to_date: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployReport:
    """What a deploy did. `digest` is the manifest's in the registry, None for a plan."""

    state: Literal["deployed", "up to date", "planned"]
    plan: DeployPlan
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deploy of `pipeline` to the platform of `context`, and the parts that it uses."""

    pipeline: Pipeline
    context: Context
    connect: Callable[[], Docker]
    runner: Runner
    emit: Emit

    @property
    def thing(self) -> str:
        """The journal's name for what is deployed."""
        return f"{self.context.host} {self.context.organization} {self.pipeline.name}"

    def run(
        self, choose_bump: ChooseBump, *, resume: bool = False, dry_run: bool = False
    ) -> DeployReport:
        """Deploy, or find that everything is as it should be.

        Args:
            choose_bump: called with the current version, only where a new one is needed.
            resume: go on with a deploy that was interrupted, and do nothing else.
            dry_run: stop before anything changes.

        Raises:
            ConflictError: another deploy of the pipeline is at work for over ten minutes.
            NotFoundError: there is nothing to resume.
            BuildFailed, PushRefused, PlatformDown, TokenRefused, NotRegistered: as they say;
                what was done so far is kept for the next run.
        """
        from pxl_toolbox.jobs.journal import Journal

        name = hashlib.sha256(self.thing.encode()).hexdigest()[:16]
        lock = state_folder() / "deploys" / f"{name}.lock"
        with (
            locked(lock, wait_s=_OTHER_DEPLOY_WAIT_S),
            Journal(state_folder() / "deploys" / "journal.sqlite") as journal,
        ):
            # Another deploy may have written config.toml while we waited for it.
            fresh = replace(self, pipeline=load(self.pipeline.folder))
            return fresh._deploy(  # noqa: SLF001  (ourselves, with what stands there now)
                journal, choose_bump, resume=resume, dry_run=dry_run
            )

    def _deploy(
        self, journal: Journal, choose_bump: ChooseBump, *, resume: bool, dry_run: bool
    ) -> DeployReport:
        identity = Platform.of(self.context).identify(self.context.organization)
        declared = environment.declared(self.pipeline, runner=self.runner, emit=self.emit)
        key = self._key()
        if resume:
            self._require_unfinished(journal, key)
        plan = self._plan(journal, key, declared, identity, choose_bump)
        if plan.up_to_date:
            return DeployReport(state="up to date", plan=plan, digest=None)
        if dry_run:
            return DeployReport(state="planned", plan=plan, digest=None)
        with self.connect() as docker:
            digest = self._carry_out(journal, plan, identity, docker)
        return DeployReport(state="deployed", plan=plan, digest=digest)

    def _key(self) -> str:
        base_ids = {}
        for reference in image.bases(self.pipeline):
            base_ids[reference] = image_id(reference) or ""
        return image.content_key(self.pipeline, base_ids, self._image_name())

    def _image_name(self) -> str:
        return image.name_for(self.pipeline, self.context)

    def _plan(
        self,
        journal: Journal,
        key: str,
        declared: Declarations,
        identity: Identity,
        choose_bump: ChooseBump,
    ) -> DeployPlan:
        current = Image(name=self._image_name(), tag=self.pipeline.version)
        if not journal.records(self.thing) and self._holds(current, key):
            # The image is right; where the platform is not, it is registered again.
            return self._compare(current, key, declared, identity)
        version = self._version(journal, key, choose_bump)
        return self._compare(Image(name=current.name, tag=version), key, declared, identity)

    def _compare(
        self, wanted: Image, key: str, declared: Declarations, identity: Identity
    ) -> DeployPlan:
        platform = Platform.of(self.context)
        rows = registrations(self.pipeline, declared, wanted)
        compared = (
            (row.label, differences(row, find(platform, identity.organization_id, row)))
            for row in rows
        )
        changes = tuple((label, found) for label, found in compared if found)
        return DeployPlan(
            image=wanted,
            floating=floating_tag(wanted.tag),
            key=key,
            registrations=rows,
            changes=changes,
            up_to_date=not changes and wanted.tag == self.pipeline.version,
        )

    def _holds(self, wanted: Image, key: str) -> bool:
        labels = registry.labels(str(wanted), runner=self.runner)
        return labels is not None and labels.get(image.LABEL_KEY) == key

    def _version(self, journal: Journal, key: str, choose_bump: ChooseBump) -> str:
        """The version to deploy: that of the interrupted deploy of the same content, or a new one.

        A tag that holds other content is never written again.
        """
        for record in journal.records(self.thing):
            if record.step == "version" and record.input_hash == key and record.result:
                return record.result
        try:
            version = bumped(self.pipeline.version, choose_bump(self.pipeline.version))
        except ValueError as error:
            raise TomlFile.read(self.pipeline.config_path).error(
                "metadata", "version", problem=str(error), mend='write version = "1.0.0"'
            ) from None
        name = self._image_name()
        release_candidate = "-rc" in version
        while True:
            labels = registry.labels(f"{name}:{version}", runner=self.runner)
            if labels is None or labels.get(image.LABEL_KEY) == key:
                return version
            version = bumped(version, Bump.RC if release_candidate else Bump.PATCH)

    def _require_unfinished(self, journal: Journal, key: str) -> None:
        unfinished = journal.records(self.thing)
        if not unfinished:
            raise NotFoundError(
                f"no deploy of {self.pipeline.name} was interrupted", hint="pxl-pipeline deploy"
            )
        if all(record.input_hash != key for record in unfinished):
            raise ConflictError(
                f"the sources of {self.pipeline.name} changed since its deploy was interrupted",
                hint="deploy the new sources without --resume",
            )

    def _carry_out(
        self, journal: Journal, plan: DeployPlan, identity: Identity, docker: Docker
    ) -> str:
        def doing(name: str) -> AbstractContextManager[Attempt]:
            return journal.step(thing=self.thing, step=name, input_hash=plan.key)

        with doing("version") as attempt:
            if not attempt.done:
                attempt.finish(plan.image.tag)
        with doing("build") as attempt:
            if not attempt.done or docker.image(attempt.result) is None:
                built = self._build(plan, docker)
                if not attempt.done:
                    attempt.finish(built)
        with doing("push") as attempt:
            if not attempt.done or registry.digest(str(plan.image)) != attempt.result:
                digest = self._push(plan, docker)
                if not attempt.done:
                    attempt.finish(digest)
            digest = attempt.result
        with doing("register") as attempt:
            if not attempt.done:
                self._register(plan, identity)
        with doing("save"):
            self._save(plan)
        journal.forget(self.thing)
        return digest

    def _build(self, plan: DeployPlan, docker: Docker) -> str:
        floating = f"{plan.image.name}:{plan.floating}"
        return image.build(
            self.pipeline,
            tags=(str(plan.image), floating),
            labels={image.LABEL_KEY: plan.key},
            context=self.context,
            docker=docker,
            emit=self.emit,
        ).id

    def _push(self, plan: DeployPlan, docker: Docker) -> str:
        digest = docker.push(str(plan.image), self.emit)
        docker.push(f"{plan.image.name}:{plan.floating}", self.emit)
        return digest

    def _register(self, plan: DeployPlan, identity: Identity) -> None:
        """Send every registration, then read back that the platform holds it."""
        with step(self.emit, "register", self.context.host) as running:
            from pxl_pipeline.api.gateway import Gateway

            gateway = Gateway(self.context)
            platform = Platform.of(self.context)
            for wanted in plan.registrations:
                gateway.register(wanted)
                held = find(platform, identity.organization_id, wanted)
                left = differences(wanted, held)
                if left:
                    raise NotRegistered(self.context.host, wanted.label, left)
            running.outcome = ", ".join(row.label for row in plan.registrations)

    def _save(self, plan: DeployPlan) -> None:
        set_values(
            self.pipeline.config_path,
            {
                ("metadata", "version"): plan.image.tag,
                ("docker", "image_name"): plan.image.name,
                ("docker", "image_tag"): plan.image.tag,
            },
        )
