"""Who is calling: tokens and the organization that each of them opens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex

from sqlalchemy import select
from sqlalchemy.orm import Session

from pxl_platform.errors import NotFound, Unauthorized
from pxl_platform.models import Organization, Token, now

TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Caller:
    """The organization and the name that a token stands for."""

    organization: Organization
    name: str


def digest(token: str) -> str:
    """What is stored of a token. A plain hash is enough: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_token(
    session: Session,
    organization: Organization,
    *,
    name: str,
    expires_at: str | None = None,
    job_id: str | None = None,
) -> str:
    """Make a token and return it; it can never be read again."""
    token = token_hex(TOKEN_BYTES)
    session.add(
        Token(
            organization_id=organization.id,
            name=name,
            digest=digest(token),
            expires_at=expires_at,
            job_id=job_id,
        )
    )
    return token


def caller(session: Session, headers: Mapping[str, str]) -> Caller:
    """The caller of a request.

    Raises:
        Unauthorized: there is no token, or it is unknown or expired.
        NotFound: the organization header names another organization than the token's.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("no API token was sent", ["send the header `Authorization: Bearer …`"])
    found = session.execute(
        select(Organization, Token.name, Token.expires_at)
        .join(Token, Token.organization_id == Organization.id)
        .where(Token.digest == digest(token.strip()))
    ).first()
    if found is None:
        raise Unauthorized("this API token is not known here")
    organization, name, expires_at = found
    if expires_at is not None and expires_at <= now():
        raise Unauthorized(f"this API token expired at {expires_at}")
    named = headers.get("x-picsellia-organization")
    if named is not None and named.lower() != organization.id:
        raise NotFound(f"there is no organization {named} for this API token")
    return Caller(organization, name)
