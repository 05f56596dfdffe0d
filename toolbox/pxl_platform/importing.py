"""A COCO file and its images, made into a dataset version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from pxl_platform.coco import read_coco
from pxl_platform.enums import INFERENCE_TYPES
from pxl_platform.models import Dataset, DatasetVersion, new_id
from pxl_platform.platform import find_organization
from pxl_platform.routing import Services
from pxl_platform.seed_file import (
    DatasetSeed,
    DatasetVersionSeed,
    OrganizationSeed,
    image_files,
)
from pxl_platform.seeding import apply_seed
from pxl_toolbox.core.errors import ConflictError, NotFoundError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    id: str
    dataset: str
    version: str
    images: int


def import_coco(
    services: Services,
    annotations: Path,
    *,
    images: Path | None,
    dataset: str | None,
    version: str,
    kind: str,
    organization: str,
) -> Imported:
    """Make a new dataset version.

    Args:
        services: the opened data folder.
        annotations: a COCO file, or a folder with one JSON file.
        images: the folder of the images; None for the one that the COCO file is in.
        dataset: its name, made if missing; None for that of the images' folder.
        version: the new version's name.
        kind: the inference type that the version is annotated for.
        organization: whose it is, by name.

    Raises:
        NotFoundError, ConfigError: a file or the organization is missing, or a file is wrong.
        ConflictError: the dataset has a version of that name.
    """
    if kind not in INFERENCE_TYPES:
        raise UsageError(
            f"there is no type {kind!r}", hint=f"--type one of {', '.join(INFERENCE_TYPES)}"
        )
    file = _coco_file(annotations)
    folder = images or file.parent
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", hint="give --images")
    name, found = dataset or folder.resolve().name, image_files(folder)
    _refuse_existing(services, organization, name, version)
    made = DatasetVersionSeed(
        id=new_id(),
        name=version,
        description="",
        type=kind,
        images=found,
        annotations=read_coco(file, found),
        tags=(),
    )
    owner = OrganizationSeed(
        id=None,
        name=organization,
        token=None,
        datalakes=(),
        datasets=(DatasetSeed(id=None, name=name, description="", versions=(made,)),),
        models=(),
    )
    apply_seed(services, [owner])
    return Imported(id=made.id or "", dataset=name, version=version, images=len(found))


def _coco_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.json"))
    if len(found) != 1:
        raise NotFoundError(
            f"{path} holds {len(found)} JSON files, not one", hint="give the COCO file itself"
        )
    return found[0]


def _refuse_existing(services: Services, organization: str, dataset: str, version: str) -> None:
    with services.database.read() as session:
        owner = find_organization(session, organization)
        if owner is None:
            raise NotFoundError(
                f"there is no organization {organization!r}",
                hint=f"pxl-platform org create {organization!r}",
            )
        there = session.scalar(
            select(DatasetVersion.id)
            .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
            .where(
                Dataset.organization_id == owner.id,
                Dataset.name == dataset,
                DatasetVersion.version == version,
            )
        )
    if there is not None:
        raise ConflictError(
            f"{dataset!r} has a version {version!r} already", hint="give another --version"
        )
