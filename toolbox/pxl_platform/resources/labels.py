"""Labels and label groups of a dataset version."""

from __future__ import annotations

from sqlalchemy import delete, select

from pxl_platform.body import Body
from pxl_platform.errors import BadRequest, Conflict, NotFound
from pxl_platform.models import DatasetVersion, Label, LabelGroup
from pxl_platform.resources.datasets import unlocked
from pxl_platform.resources.shapes import label_view, labels_of
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]


def _named(call: Call, version: DatasetVersion, name: str | None) -> Label | None:
    return call.session.scalar(
        select(Label).where(Label.dataset_version_id == version.id, Label.name == name)
    )


def _new(version: DatasetVersion, name: str) -> Label:
    return Label(organization_id=version.organization_id, dataset_version_id=version.id, name=name)


def create_label(call: Call) -> View:
    version = unlocked(call.at(DatasetVersion))
    name = call.body.name()
    if _named(call, version, name) is not None:
        raise Conflict(f"there is a label {name!r} already")
    label = _new(version, name)
    call.session.add(label)
    call.session.flush()
    return label_view(label)


def find_label(call: Call) -> View:
    name = call.query.text("name")
    label = _named(call, call.at(DatasetVersion), name)
    if label is None:
        raise NotFound(f"there is no label {name!r}")
    return label_view(label)


def list_labels(call: Call) -> View:
    labels = labels_of(call, call.at(DatasetVersion).id).values()
    return {"items": [label_view(label) for label in labels], "count": len(labels)}


def get_or_create_labels(call: Call) -> object:
    """A bare list of the labels of these names, in their order; the missing ones are made."""
    version = unlocked(call.at(DatasetVersion))
    names = list(dict.fromkeys(call.body.texts("names")))
    known = {label.name: label for label in labels_of(call, version.id).values()}
    for name in names:
        if name not in known:
            known[name] = _new(version, Body({"name": name}, "names").name())
            call.session.add(known[name])
    call.session.flush()
    return [label_view(known[name]) for name in names]


def get_label(call: Call) -> View:
    return label_view(call.at(Label))


def update_label(call: Call) -> View:
    label, body = call.at(Label), call.body
    version = unlocked(call.own(DatasetVersion, label.dataset_version_id))
    if body.given("name"):
        name = body.name()
        if _named(call, version, name) not in {None, label}:
            raise Conflict(f"there is a label {name!r} already")
        label.name = name
    if body.has("group_id"):
        label.group_id = _group_id(call, version, body.optional_uuid("group_id"))
    return label_view(label)


def delete_label(call: Call) -> None:
    label = call.at(Label)
    unlocked(call.own(DatasetVersion, label.dataset_version_id))
    call.session.execute(delete(Label).where(Label.id == label.id))


def _group_id(call: Call, version: DatasetVersion, group_id: str | None) -> str | None:
    """The same id, once its group is found to be one of this version."""
    if group_id is None:
        return None
    if call.own(LabelGroup, group_id).dataset_version_id != version.id:
        raise BadRequest(f"the label group {group_id} is one of another dataset version")
    return group_id


def group_view(group: LabelGroup) -> View:
    return {"id": group.id, "name": group.name, "parent_id": group.parent_id}


def create_group(call: Call) -> View:
    version, body = unlocked(call.at(DatasetVersion)), call.body
    name = body.name()
    same = select(LabelGroup).where(
        LabelGroup.dataset_version_id == version.id, LabelGroup.name == name
    )
    if call.session.scalar(same) is not None:
        raise Conflict(f"there is a label group {name!r} already")
    group = LabelGroup(
        organization_id=version.organization_id,
        dataset_version_id=version.id,
        name=name,
        parent_id=_group_id(call, version, body.optional_uuid("parent_id")),
    )
    call.session.add(group)
    call.session.flush()
    return group_view(group)


def list_groups(call: Call) -> View:
    version = call.at(DatasetVersion)
    groups = call.session.scalars(
        select(LabelGroup)
        .where(LabelGroup.dataset_version_id == version.id)
        .order_by(LabelGroup.seq)
    ).all()
    return {"items": [group_view(group) for group in groups], "count": len(groups)}


def get_group(call: Call) -> View:
    return group_view(call.at(LabelGroup))


def update_group(call: Call) -> View:
    group, body = call.at(LabelGroup), call.body
    version = unlocked(call.own(DatasetVersion, group.dataset_version_id))
    if body.given("name"):
        group.name = body.name()
    if body.has("parent_id"):
        parent_id = _group_id(call, version, body.optional_uuid("parent_id"))
        if parent_id is not None and group.id in _ancestors(call, parent_id):
            raise BadRequest(f"the label group {group.name!r} cannot be below itself")
        group.parent_id = parent_id
    return group_view(group)


def _ancestors(call: Call, group_id: str) -> set[str]:
    found: set[str] = set()
    at: str | None = group_id
    while at is not None and at not in found:
        found.add(at)
        at = call.own(LabelGroup, at).parent_id
    return found


def delete_group(call: Call) -> None:
    group = call.at(LabelGroup)
    unlocked(call.own(DatasetVersion, group.dataset_version_id))
    call.session.execute(delete(LabelGroup).where(LabelGroup.id == group.id))


def list_skeletons(call: Call) -> View:
    labels = labels_of(call, call.at(DatasetVersion).id).values()
    return {"items": {label.id: label.skeleton for label in labels if label.skeleton}}


def get_skeleton(call: Call) -> View:
    label = call.at(Label)
    if label.skeleton is None:
        raise NotFound(f"the label {label.name!r} has no skeleton")
    return label.skeleton


def set_skeleton(call: Call) -> View:
    label, body = call.at(Label), call.body
    vertices = body.texts("vertices")
    edges = body.optional_list("edges") or []
    for edge in edges:
        if not isinstance(edge, list) or len(edge) != 2 or not all(type(n) is int for n in edge):
            raise BadRequest(f"`edges`: {edge!r} is not a pair of numbers of vertices")
    label.skeleton = {"vertices": vertices, "edges": edges}
    return label.skeleton


def get_attributes(call: Call) -> View:
    return {"attributes": call.at(Label).attributes}


def set_attributes(call: Call) -> View:
    label = call.at(Label)
    label.attributes = call.body.optional_object("attributes")
    return {"attributes": label.attributes}


_VERSION = "/api/dataset/version/{dataset_version}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_VERSION}/labels", create_label),
    reads("GET", f"{_VERSION}/labels", list_labels),
    reads("GET", f"{_VERSION}/labels/find", find_label),
    reads("GET", f"{_VERSION}/labels/skeleton", list_skeletons),
    Route("XGET", f"{_VERSION}/bulk-labels", get_or_create_labels),
    reads("GET", "/api/label/{label}", get_label),
    Route("PATCH", "/api/label/{label}", update_label),
    Route("DELETE", "/api/label/{label}", delete_label),
    reads("GET", "/api/label/{label}/skeleton", get_skeleton),
    Route("POST", "/api/label/{label}/skeleton", set_skeleton),
    reads("GET", "/api/label/{label}/attributes", get_attributes),
    Route("POST", "/api/label/{label}/attributes", set_attributes),
    Route("POST", f"{_VERSION}/labelgroups", create_group),
    reads("GET", f"{_VERSION}/labelgroups", list_groups),
    reads("GET", "/api/label/group/{label_group}", get_group),
    Route("PATCH", "/api/label/group/{label_group}", update_group),
    Route("DELETE", "/api/label/group/{label_group}", delete_group),
)
