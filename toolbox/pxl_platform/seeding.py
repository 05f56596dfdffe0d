"""Makes a data folder hold what a seed file lists; what is there already stays as it is."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from pxl_platform.auth import digest
from pxl_platform.coco import Coco, CocoAnnotation, kinds_of
from pxl_platform.models import (
    Annotation,
    Asset,
    Data,
    Datalake,
    Dataset,
    DatasetVersion,
    Label,
    Model,
    ModelFile,
    ModelVersion,
    Organization,
    Owned,
    Row,
    Shape,
    Tag,
    TagLink,
    Token,
    new_id,
    now,
)
from pxl_platform.platform import DEFAULT_DATALAKE
from pxl_platform.resources.data import image_size
from pxl_platform.routing import Services
from pxl_platform.seed_file import (
    DatalakeSeed,
    DatasetSeed,
    DatasetVersionSeed,
    ModelSeed,
    ModelVersionSeed,
    OrganizationSeed,
)
from pxl_platform.storage import ObjectStore
from pxl_toolbox.core.errors import ConfigError, ConflictError

R = TypeVar("R", bound=Row)
_LARGE_BYTES = 5 * 1024 * 1024  # above it the SDK calls a file large
_TOKEN_NAME = "seed"  # noqa: S105  (a name, not a token)


@dataclass(slots=True)
class Seeded:
    """What a seeding made, by kind; empty where everything was there."""

    made: dict[str, int] = field(default_factory=dict)

    def count(self, kind: str) -> None:
        self.made[kind] = self.made.get(kind, 0) + 1


def apply_seed(services: Services, organizations: Sequence[OrganizationSeed]) -> Seeded:
    """Make what is missing, in one transaction; a second time nothing changes.

    Raises:
        ConflictError: an id or a token belongs to something else already.
        ConfigError: an image cannot be read.
    """
    written: list[tuple[str, str]] = []
    try:
        with services.database.write() as session:
            seeding = _Seeding(session, services.store, Seeded(), written)
            for organization in organizations:
                seeding.organization(organization)
            return seeding.seeded
    except BaseException:
        for connector_id, name in written:
            services.store.remove(connector_id, name)
        raise


@dataclass(slots=True)
class _Seeding:
    session: Session
    store: ObjectStore
    seeded: Seeded
    written: list[tuple[str, str]]

    def organization(self, seed: OrganizationSeed) -> None:
        row = self._found(Organization, seed.id, seed.name, Organization.name == seed.name)
        if row is None:
            row = self._add(Organization(id=seed.id or new_id(), name=seed.name))
        self._token(row, seed.token)
        wanted = {one.name for one in seed.datalakes}
        if DEFAULT_DATALAKE not in wanted:
            empty = DatalakeSeed(id=None, name=DEFAULT_DATALAKE, images={}, tags=())
            self._datalake(row, empty)
        for lake in seed.datalakes:
            self._datalake(row, lake)
        for dataset in seed.datasets:
            self._dataset(row, dataset)
        for model in seed.models:
            self._model(row, model)

    def _token(self, owner: Organization, token: str | None) -> None:
        if token is None:
            return
        hashed = digest(token.strip())
        there = self.session.scalar(select(Token).where(Token.digest == hashed))
        if there is None:
            self._add(
                Token(organization_id=owner.id, name=_TOKEN_NAME, digest=hashed, expires_at=None)
            )
        elif there.organization_id != owner.id:
            raise ConflictError(
                f"the token of {owner.name!r} is that of another organization",
                hint="give each organization a token of its own",
            )

    def _datalake(self, owner: Organization, seed: DatalakeSeed) -> Datalake:
        mine = (Datalake.organization_id == owner.id) & (Datalake.name == seed.name)
        self._drop_untouched(owner, seed)
        row = self._found(Datalake, seed.id, seed.name, mine)
        if row is None:
            row = self._add(
                Datalake(id=seed.id or new_id(), organization_id=owner.id, name=seed.name)
            )
        data = [self._data(owner, row, *image) for image in seed.images.items()]
        self._tagged(owner, row.id, "DATA", seed.tags, [one.id for one in data])
        return row

    def _drop_untouched(self, owner: Organization, seed: DatalakeSeed) -> None:
        """Make room for a given id: the lake that came with the organization may be unused."""
        row = self.session.scalar(
            select(Datalake).where(Datalake.organization_id == owner.id, Datalake.name == seed.name)
        )
        if row is None or seed.id in {None, row.id}:
            return
        used = (
            select(Data.id).where(Data.datalake_id == row.id),
            select(Tag.id).where(Tag.scope_id == row.id),
        )
        if all(self.session.scalar(one.limit(1)) is None for one in used):
            self.session.delete(row)
            self.session.flush()

    def _data(self, owner: Organization, lake: Datalake, path: str, image: Path) -> Data:
        # The path tells images of the same name and content apart.
        name = f"seed/{hashlib.sha256(image.read_bytes()).hexdigest()[:32]}/{path}"
        there = self.session.scalar(
            select(Data).where(Data.datalake_id == lake.id, Data.object_name == name)
        )
        if there is not None:
            return there
        size = image_size(image)
        if size is None:
            raise ConfigError(f"{image} is not an image that can be read", hint="remove it")
        self._object(owner, name, image)
        return self._add(
            Data(
                organization_id=owner.id,
                datalake_id=lake.id,
                object_name=name,
                filename=image.name,
                type="IMAGE",
                content_type=mimetypes.guess_type(image.name)[0] or "application/octet-stream",
                upload_status="DONE",
                width=size[0],
                height=size[1],
            )
        )

    def _dataset(self, owner: Organization, seed: DatasetSeed) -> None:
        mine = (Dataset.organization_id == owner.id) & (Dataset.name == seed.name)
        row = self._found(Dataset, seed.id, seed.name, mine)
        if row is None:
            row = self._add(
                Dataset(
                    id=seed.id or new_id(),
                    organization_id=owner.id,
                    name=seed.name,
                    description=seed.description,
                )
            )
        for version in seed.versions:
            self._dataset_version(owner, row, version)

    def _dataset_version(
        self, owner: Organization, dataset: Dataset, seed: DatasetVersionSeed
    ) -> None:
        mine = (DatasetVersion.dataset_id == dataset.id) & (DatasetVersion.version == seed.name)
        if self._found(DatasetVersion, seed.id, seed.name, mine) is not None:
            return  # somebody may have worked on it since
        version = self._add(
            DatasetVersion(
                id=seed.id or new_id(),
                organization_id=owner.id,
                dataset_id=dataset.id,
                version=seed.name,
                description=seed.description,
                type=seed.type,
            )
        )
        lake = self._datalake(
            owner, DatalakeSeed(id=None, name=DEFAULT_DATALAKE, images={}, tags=())
        )
        assets = {
            path: self._asset(owner, version, self._data(owner, lake, path, image))
            for path, image in seed.images.items()
        }
        self._tagged(owner, version.id, "ASSET", seed.tags, [one.id for one in assets.values()])
        if seed.annotations is not None:
            self._annotations(version, assets, seed.annotations)

    def _asset(self, owner: Organization, version: DatasetVersion, data: Data) -> Asset:
        there = select(Asset).where(
            Asset.dataset_version_id == version.id, Asset.data_id == data.id
        )
        found = self.session.scalar(there)
        return found or self._add(
            Asset(organization_id=owner.id, dataset_version_id=version.id, data_id=data.id)
        )

    def _annotations(self, version: DatasetVersion, assets: dict[str, Asset], coco: Coco) -> None:
        labels = {
            name: self._add(
                Label(
                    organization_id=version.organization_id,
                    dataset_version_id=version.id,
                    name=name,
                )
            ).id
            for name in coco.categories
        }
        rows = []
        for image, drawn in coco.by_image.items():
            if not drawn:
                continue
            annotation = self._add(
                Annotation(
                    organization_id=version.organization_id,
                    dataset_version_id=version.id,
                    asset_id=assets[image].id,
                    duration=0.0,
                    status="ACCEPTED",
                )
            )
            for one in drawn:
                rows += _shape_rows(annotation, one, labels[one.category], version.type)
        if rows:
            self.session.execute(insert(Shape), rows)

    def _model(self, owner: Organization, seed: ModelSeed) -> None:
        mine = (Model.organization_id == owner.id) & (Model.name == seed.name)
        row = self._found(Model, seed.id, seed.name, mine)
        if row is None:
            row = self._add(
                Model(
                    id=seed.id or new_id(),
                    organization_id=owner.id,
                    name=seed.name,
                    description=seed.description,
                )
            )
        for version in seed.versions:
            self._model_version(owner, row, version)

    def _model_version(self, owner: Organization, model: Model, seed: ModelVersionSeed) -> None:
        mine = (ModelVersion.model_id == model.id) & (ModelVersion.name == seed.name)
        if self._found(ModelVersion, seed.id, seed.name, mine) is not None:
            return
        last = select(func.max(ModelVersion.version)).where(ModelVersion.model_id == model.id)
        number = self.session.scalar(last)
        row = self._add(
            ModelVersion(
                id=seed.id or new_id(),
                organization_id=owner.id,
                model_id=model.id,
                version=0 if number is None else number + 1,
                name=seed.name,
                description=seed.description,
                type=seed.type,
                framework=seed.framework,
                parameters=dict(seed.parameters),
                labels=None if seed.labels is None else dict(seed.labels),
                docker_image=seed.docker_image,
                docker_tag=seed.docker_tag,
                docker_flags=None if seed.docker_flags is None else list(seed.docker_flags),
            )
        )
        for name, file in seed.files.items():
            object_name = f"seed/{row.id}/{name}/{file.name}"
            self._object(owner, object_name, file)
            self._add(
                ModelFile(
                    organization_id=owner.id,
                    model_version_id=row.id,
                    name=name,
                    filename=file.name,
                    object_name=object_name,
                    large=file.stat().st_size > _LARGE_BYTES,
                )
            )

    def _tagged(
        self,
        owner: Organization,
        scope_id: str,
        target: str,
        names: Iterable[str],
        object_ids: Sequence[str],
    ) -> None:
        for name in names:
            mine = (Tag.scope_id == scope_id) & (Tag.target_type == target) & (Tag.name == name)
            tag = self.session.scalar(select(Tag).where(mine))
            if tag is None:
                tag = self._add(
                    Tag(
                        organization_id=owner.id,
                        scope_id=scope_id,
                        target_type=target,
                        name=name,
                    )
                )
            linked = select(TagLink.object_id).where(TagLink.tag_id == tag.id)
            there = set(self.session.scalars(linked))
            links = [
                {"tag_id": tag.id, "object_id": one}
                for one in dict.fromkeys(object_ids)
                if one not in there
            ]
            if links:
                self.session.execute(insert(TagLink), links)

    def _object(self, owner: Organization, name: str, source: Path) -> None:
        if not self.store.exists(owner.connector_id, name):
            self.written.append((owner.connector_id, name))
            self.store.copy_in(owner.connector_id, name, source)

    def _found(self, kind: type[R], id_: str | None, name: str, mine: object) -> R | None:
        """The row that is meant: by its own name; an id that another row has is a conflict."""
        row = self.session.scalar(select(kind).where(mine))  # type: ignore[arg-type]
        if id_ is None or (row is not None and row.id == id_):
            return row
        taken = self.session.scalar(select(kind).where(kind.id == id_))
        if row is not None or taken is not None:
            other = f"it has the id {row.id}" if row else "another one has that id"
            what = kind.__tablename__.replace("_", " ")
            raise ConflictError(
                f"{what} {name!r} should have the id {id_}, but {other}",
                hint="take the id out of the seed, or `pxl-platform reset` the data folder",
            )
        return None

    def _add(self, row: R) -> R:
        self.session.add(row)
        self.session.flush()
        if isinstance(row, (Owned, Organization)):
            self.seeded.count(row.__tablename__)
        return row


def _shape_rows(
    annotation: Annotation, drawn: CocoAnnotation, label_id: str, type_: str
) -> list[dict[str, object]]:
    for kind in kinds_of(type_):
        geometries = drawn.geometries.get(kind)
        if geometries:
            return [
                {
                    "id": new_id(),
                    "created_at": now(),
                    "organization_id": annotation.organization_id,
                    "annotation_id": annotation.id,
                    "kind": kind,
                    "label_id": label_id,
                    "geometry": geometry,
                    "text": None,
                    "attributes": None,
                }
                for geometry in geometries
            ]
    return []
