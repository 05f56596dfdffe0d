"""Connecting: who am I, which organization."""

from __future__ import annotations

from pxl_platform.errors import NotFound
from pxl_platform.models import Dataset, Organization
from pxl_platform.routing import Call, Route, reads

SDK_VERSION = "6.37.0"  # the SDK warns its user when this is newer than itself


def ping(call: Call) -> object:
    return {
        "username": call.caller.name,
        "sdk_version": SDK_VERSION,
        "default_organization": call.organization.id,
    }


def find_organization(call: Call) -> object:
    name = call.query.text("name")
    if name != call.organization.name:
        raise NotFound(f"there is no organization {name!r} for this API token")
    return _view(call.organization)


def get_organization(call: Call) -> object:
    return _view(call.organization)


def list_users(call: Call) -> object:
    """A local platform has no people; the token's name stands for its owner."""
    wanted = call.query.text("username")
    users = [{"id": call.organization.id, "username": call.caller.name}]
    return {"users": [user for user in users if wanted in {None, user["username"]}]}


def list_dataset_users(call: Call) -> object:
    call.at(Dataset)
    return list_users(call)


def _view(organization: Organization) -> dict[str, object]:
    return {
        "id": organization.id,
        "name": organization.name,
        "default_connector_id": organization.connector_id,
        "created_at": organization.created_at,
    }


ROUTES: tuple[Route, ...] = (
    reads("GET", "/api/home/ping", ping),
    reads("GET", "/api/organizations/find", find_organization),
    reads("GET", "/api/organization/{organization}", get_organization),
    reads("GET", "/api/access/organization/{organization}/users", list_users),
    reads("GET", "/api/access/dataset/{dataset}/users", list_dataset_users),
)
