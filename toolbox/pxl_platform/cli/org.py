"""pxl-platform org."""

from __future__ import annotations

from typing import Annotated

import typer

from pxl_platform.cli.common import AsJson, Data, answer, opened
from pxl_toolbox.core.errors import ConflictError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def organizations() -> None:
    """Organizations."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the new organization.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make an organization with an empty default datalake.

    Example: pxl-platform org create acme
    """
    from pxl_platform.platform import create_organization, find_organization

    with opened(data) as services, services.database.write() as session:
        if find_organization(session, name) is not None:
            raise ConflictError(
                f"there is an organization {name!r} already", hint="choose another name"
            )
        made = create_organization(session, name)
    answer({"id": made.id, "name": made.name}, as_json=as_json, text=made.id)


@app.command("list")
def list_organizations(data: Data = None, as_json: AsJson = False) -> None:
    """List the organizations.

    Example: pxl-platform org list --json
    """
    from sqlalchemy import select

    from pxl_platform.models import Organization

    with opened(data) as services, services.database.read() as session:
        rows = session.scalars(select(Organization).order_by(Organization.seq)).all()
    items = [{"id": row.id, "name": row.name} for row in rows]
    text = "\n".join(f"{row.id}  {row.name}" for row in rows)
    answer({"items": items}, as_json=as_json, text=text)
