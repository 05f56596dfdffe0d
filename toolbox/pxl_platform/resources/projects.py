"""Projects and the dataset versions attached to them."""

from __future__ import annotations

from sqlalchemy import delete, select

from pxl_platform.errors import Conflict, NotFound
from pxl_platform.models import DatasetVersion, Project, ProjectDataset
from pxl_platform.paging import page
from pxl_platform.resources.datasets import version_views
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_ORDERS = {"name": Project.name, "created_at": Project.created_at, "id": Project.id}


def _view(project: Project) -> View:
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "private": True,
        "created_at": project.created_at,
    }


def _named(call: Call, name: str | None) -> Project | None:
    return call.session.scalar(
        select(Project).where(Project.organization_id == call.organization.id, Project.name == name)
    )


def create_project(call: Call) -> View:
    name = call.body.name()
    if _named(call, name) is not None:
        raise Conflict(f"there is a project {name!r} already")
    project = Project(
        organization_id=call.organization.id,
        name=name,
        description=call.body.optional_text("description"),
    )
    call.session.add(project)
    call.session.flush()
    return _view(project)


def list_projects(call: Call) -> View:
    mine = select(Project).where(Project.organization_id == call.organization.id)
    found = page(call, mine, Project, _ORDERS)
    return found.of([_view(project) for project in found.rows])


def find_project(call: Call) -> View:
    wanted, name = call.query.uuid("id"), call.query.text("name")
    found = call.own(Project, wanted) if wanted else _named(call, name)
    if found is None:
        raise NotFound(f"there is no project {name!r}")
    return _view(found)


def get_project(call: Call) -> View:
    return _view(call.at(Project))


def update_project(call: Call) -> View:
    project, body = call.at(Project), call.body
    if body.given("name"):
        name = body.name()
        if _named(call, name) not in {None, project}:
            raise Conflict(f"there is a project {name!r} already")
        project.name = name
    if body.has("description"):
        project.description = body.optional_text("description")
    return _view(project)


def delete_project(call: Call) -> None:
    call.session.execute(delete(Project).where(Project.id == call.at(Project).id))


def attach_dataset(call: Call) -> View:
    project = call.at(Project)
    version = call.own(DatasetVersion, call.body.uuid("dataset_version_id"))
    there = select(ProjectDataset).where(
        ProjectDataset.project_id == project.id,
        ProjectDataset.dataset_version_id == version.id,
    )
    if call.session.scalar(there) is not None:
        raise Conflict(f"the dataset version is attached to the project {project.name!r} already")
    call.session.add(
        ProjectDataset(
            organization_id=call.organization.id,
            project_id=project.id,
            dataset_version_id=version.id,
        )
    )
    return {}


def list_datasets(call: Call) -> View:
    project = call.at(Project)
    versions = call.session.scalars(
        select(DatasetVersion)
        .join(ProjectDataset, ProjectDataset.dataset_version_id == DatasetVersion.id)
        .where(ProjectDataset.project_id == project.id)
        .order_by(ProjectDataset.seq)
    ).all()
    return {"items": version_views(call, versions), "count": len(versions)}


def detach_datasets(call: Call) -> None:
    project = call.at(Project)
    call.session.execute(
        delete(ProjectDataset).where(
            ProjectDataset.project_id == project.id,
            ProjectDataset.dataset_version_id.in_(call.body.uuids("ids")),
        )
    )


_ORGANIZATION = "/api/organization/{organization}"
_PROJECT = "/api/project/{project}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_ORGANIZATION}/projects", create_project),
    reads("GET", f"{_ORGANIZATION}/projects", list_projects),
    reads("GET", f"{_ORGANIZATION}/projects/find", find_project),
    reads("GET", _PROJECT, get_project),
    Route("PATCH", _PROJECT, update_project),
    Route("DELETE", _PROJECT, delete_project),
    Route("POST", f"{_PROJECT}/datasets", attach_dataset),
    reads("GET", f"{_PROJECT}/datasets", list_datasets),
    Route("DELETE", f"{_PROJECT}/datasets", detach_datasets),
)
