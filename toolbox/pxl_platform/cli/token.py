"""pxl-platform token."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from pxl_platform.cli.common import AsJson, Data, answer, opened
from pxl_toolbox.core.errors import NotFoundError, UsageError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@app.callback()
def tokens() -> None:
    """API tokens."""


@app.command()
def create(
    organization: Annotated[str, typer.Option(help="Organization that it opens, by name.")],
    expires: Annotated[
        str | None,
        typer.Option(help="How long it works: 30s, 15m, 12h, 7d, 4w. For ever if left out."),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "token",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, once: only its hash is kept.

    Example: pxl-platform token create --organization local --expires 7d
    """
    from pxl_platform.auth import create_token
    from pxl_platform.platform import find_organization

    until = None if expires is None else _until(expires)
    with opened(data) as services, services.database.write() as session:
        owner = find_organization(session, organization)
        if owner is None:
            raise NotFoundError(
                f"there is no organization {organization!r}",
                hint=f"pxl-platform org create {organization!r}",
            )
        token = create_token(session, owner, name=name, expires_at=until)
    answer({"token": token, "expires_at": until}, as_json=as_json, text=token)


def _until(text: str) -> str:
    found = re.fullmatch(r"(\d+)([smhdw])", text.strip())
    if found is None:
        raise UsageError(f"--expires: {text!r} is not a time such as 7d", hint="30s, 15m, 12h, 7d")
    try:
        moment = datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise UsageError(f"--expires: {text!r} is too long", hint="leave it out") from None
    return moment.isoformat()
