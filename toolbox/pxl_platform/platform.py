"""A data folder, opened: its database, its objects, its organizations."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from pxl_platform.database import Database
from pxl_platform.models import Datalake, Organization
from pxl_platform.routing import Services
from pxl_platform.signing import load_signer
from pxl_platform.storage import ObjectStore
from pxl_toolbox.adapters.files import locked
from pxl_toolbox.core.errors import UnavailableError
from pxl_toolbox.store.settings import data_folder

DEFAULT_ORGANIZATION = "local"
DEFAULT_DATALAKE = "default"

_MIGRATION_WAIT_S = 60


class FolderUnusable(UnavailableError):
    """The data folder cannot be made or written to, or what is in it is not ours."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"the data folder {folder} cannot be used: {reason}",
            hint="give another folder with --data",
        )


def default_folder() -> Path:
    return data_folder() / "platform"


def open_services(folder: Path, *, runner_on: bool = False) -> Services:
    """Open a data folder, made and brought to the newest form where that is needed.

    Any number of processes may have the same folder open at once.

    Raises:
        FolderUnusable: it cannot be made or written to, or its database is none.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(folder / ".migrating", wait_s=_MIGRATION_WAIT_S):
            database = Database(folder / "platform.sqlite3")
            database.migrate()
            signer = load_signer(folder / "signing.key")
    except OSError as error:
        raise FolderUnusable(folder, error.strerror or str(error)) from None
    except DatabaseError as error:
        raise FolderUnusable(folder, str(error.orig)) from None
    return Services(
        database=database, store=ObjectStore(folder), signer=signer, runner_on=runner_on
    )


def find_organization(session: Session, name: str) -> Organization | None:
    return session.scalar(select(Organization).where(Organization.name == name))


def create_organization(session: Session, name: str) -> Organization:
    """Make an organization with an empty default datalake."""
    organization = Organization(name=name)
    session.add(organization)
    session.flush()
    session.add(Datalake(organization_id=organization.id, name=DEFAULT_DATALAKE))
    session.flush()
    return organization
