"""What the first start of a data folder makes, so that a client on this machine needs nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sqlalchemy import delete, select

from pxl_platform.auth import create_token, digest
from pxl_platform.database import Database
from pxl_platform.models import Token
from pxl_platform.platform import (
    DEFAULT_ORGANIZATION,
    create_organization,
    find_organization,
)
from pxl_toolbox.adapters.files import write_atomically

_TOKEN_NAME = "local"  # noqa: S105  (a name, not a token; clients show it as the user)


def ensure_default_organization(database: Database) -> None:
    """Make the organization `local` where the folder has no organization yet."""
    with database.write() as session:
        if find_organization(session, DEFAULT_ORGANIZATION) is None:
            create_organization(session, DEFAULT_ORGANIZATION)


def write_login(database: Database, file: Path, *, host: str) -> None:
    """Keep `file` true: host, organization and a token that works, readable by us alone.

    The token that stands in it is kept while this platform knows it; else a new one
    takes the place of the one that an earlier start made.
    """
    token = _token_of(file)
    with database.write() as session:
        known = select(Token.id).where(Token.digest == digest(token or ""))
        if token is None or session.scalar(known) is None:
            organization = find_organization(session, DEFAULT_ORGANIZATION)
            if organization is None:
                return
            session.execute(
                delete(Token).where(
                    Token.organization_id == organization.id, Token.name == _TOKEN_NAME
                )
            )
            token = create_token(session, organization, name=_TOKEN_NAME)
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (("host", host), ("organization", DEFAULT_ORGANIZATION), ("token", token))
    text = "".join(f'{name} = "{value}"\n' for name, value in lines)
    write_atomically(file, text, mode=0o600)


def _token_of(file: Path) -> str | None:
    try:
        found = tomllib.loads(file.read_text()).get("token")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    return found if isinstance(found, str) else None
