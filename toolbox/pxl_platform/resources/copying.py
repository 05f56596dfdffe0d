"""From one dataset version into another: forks, copies, and tags that become labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from pxl_platform.body import Body
from pxl_platform.errors import BadRequest
from pxl_platform.models import (
    Annotation,
    Asset,
    Dataset,
    DatasetVersion,
    Label,
    LabelGroup,
    Shape,
    Tag,
    TagLink,
    new_id,
)
from pxl_platform.resources.assets import insert_assets
from pxl_platform.resources.datasets import new_version, unlocked, version_view
from pxl_platform.resources.drawings import new_annotation
from pxl_platform.resources.shapes import (
    ShapeRow,
    insert_shapes,
    labels_of,
    shape_rows,
    shapes_by_annotation,
)
from pxl_platform.resources.tags import link_tags
from pxl_platform.resources.tasks import done_task
from pxl_platform.routing import Call, Route, reads

View = dict[str, object]

_TAG_TYPES = ("ASSET", "DATA")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A copy of assets within a dataset; `assets` maps those of the source to the target's."""

    source: DatasetVersion
    target: DatasetVersion
    assets: Mapping[str, str]


def fork(call: Call) -> View:
    """Make a version of some or all assets of another one of the same dataset."""
    dataset, body = call.at(Dataset), call.body
    source = call.own(DatasetVersion, body.uuid("parent_id"))
    if source.dataset_id != dataset.id:
        raise BadRequest("`parent_id` is a version of another dataset")
    target = new_version(call, dataset)
    if body.flag("with_labels", default=False):
        _labels(call, source, target)
    _copy(call, source, target, body.optional_uuids("asset_ids"))
    return {"dataset_version": version_view(call, target), "job": done_task(call)}


def copy_assets(call: Call) -> View:
    source, body = call.at(DatasetVersion), call.body
    target = unlocked(call.own(DatasetVersion, body.uuid("destination_id")))
    if source.dataset_id != target.dataset_id or source is target:
        raise BadRequest("`destination_id` has to be another version of the same dataset")
    _copy(call, source, target, body.uuids("asset_ids"))
    return {"job": done_task(call)}


def _copy(
    call: Call, source: DatasetVersion, target: DatasetVersion, asset_ids: list[str] | None
) -> None:
    wanted = _data_by_asset(call, source)
    if asset_ids is not None:
        call.owned(Asset, asset_ids)
        if not all(asset_id in wanted for asset_id in asset_ids):
            raise BadRequest("`asset_ids`: some of these assets are not in this dataset version")
        wanted = {asset_id: wanted[asset_id] for asset_id in asset_ids}
    insert_assets(call, target, list(wanted.values()))
    there = {data_id: asset_id for asset_id, data_id in _data_by_asset(call, target).items()}
    copy = _Copy(
        source=source,
        target=target,
        assets={asset_id: there[data_id] for asset_id, data_id in wanted.items()},
    )
    if call.body.flag("with_tags", default=False):
        _copy_tags(call, copy)
    if call.body.flag("with_annotations", default=False):
        _copy_annotations(call, copy)


def _data_by_asset(call: Call, version: DatasetVersion) -> dict[str, str]:
    rows = call.session.execute(
        select(Asset.id, Asset.data_id)
        .where(Asset.dataset_version_id == version.id)
        .order_by(Asset.seq)
    )
    return dict(rows.all())


def _copy_tags(call: Call, copy: _Copy) -> None:
    tagged = call.session.execute(
        select(Tag, TagLink.object_id)
        .join(TagLink, TagLink.tag_id == Tag.id)
        .join(Asset, Asset.id == TagLink.object_id)
        .where(Asset.dataset_version_id == copy.source.id)
    )
    by_name: dict[str, list[str]] = {}
    for tag, asset_id in tagged:
        if asset_id in copy.assets:
            by_name.setdefault(tag.name, []).append(copy.assets[asset_id])
    for name, asset_ids in by_name.items():
        link_tags(call, [_asset_tag(call, copy.target, name).id], asset_ids)


def _asset_tag(call: Call, version: DatasetVersion, name: str) -> Tag:
    found = call.session.scalar(
        select(Tag).where(Tag.scope_id == version.id, Tag.target_type == "ASSET", Tag.name == name)
    )
    if found is None:
        found = Tag(
            id=new_id(),
            organization_id=version.organization_id,
            scope_id=version.id,
            target_type="ASSET",
            name=name,
        )
        call.session.add(found)
        call.session.flush()
    return found


def _copy_annotations(call: Call, copy: _Copy) -> None:
    """Draw on the copies what is drawn on the originals; what is drawn on already stays."""
    label_ids = _labels(call, copy.source, copy.target)
    drawn = {row.asset_id for row in _annotations(call, copy.target)}
    copied: dict[str, Annotation] = {}
    for row in _annotations(call, copy.source):
        asset_id = copy.assets.get(row.asset_id)
        if asset_id is None or asset_id in drawn:
            continue
        copied[row.id] = Annotation(
            id=new_id(),
            organization_id=row.organization_id,
            dataset_version_id=copy.target.id,
            asset_id=asset_id,
            duration=row.duration,
            status=row.status,
            attributes=row.attributes,
        )
    call.session.add_all(copied.values())
    call.session.flush()
    shapes = shapes_by_annotation(call, list(copied))
    insert_shapes(
        call,
        [
            _shape_row(shape, copied[annotation_id], label_ids)
            for annotation_id, rows in shapes.items()
            for shape in rows
        ],
    )


def _annotations(call: Call, version: DatasetVersion) -> Sequence[Annotation]:
    wanted = select(Annotation).where(Annotation.dataset_version_id == version.id)
    return call.session.scalars(wanted.order_by(Annotation.seq)).all()


def _shape_row(shape: Shape, annotation: Annotation, label_ids: Mapping[str, str]) -> ShapeRow:
    return {
        "id": new_id(),
        "created_at": shape.created_at,
        "organization_id": shape.organization_id,
        "annotation_id": annotation.id,
        "kind": shape.kind,
        "label_id": label_ids[shape.label_id],
        "geometry": shape.geometry,
        "text": shape.text,
        "attributes": shape.attributes,
    }


def _labels(call: Call, source: DatasetVersion, target: DatasetVersion) -> dict[str, str]:
    """The target's labels by the id of the source's of the same name; missing ones are made."""
    there = {label.name: label for label in labels_of(call, target.id).values()}
    groups = _groups(call, source, target)
    found: dict[str, str] = {}
    for label in labels_of(call, source.id).values():
        if label.name not in there:
            there[label.name] = Label(
                id=new_id(),
                organization_id=target.organization_id,
                dataset_version_id=target.id,
                name=label.name,
                group_id=groups.get(label.group_id or ""),
                skeleton=label.skeleton,
                attributes=label.attributes,
            )
            call.session.add(there[label.name])
        found[label.id] = there[label.name].id
    call.session.flush()
    return found


def _groups(call: Call, source: DatasetVersion, target: DatasetVersion) -> dict[str, str]:
    """The target's label groups, likewise."""
    there = {group.name: group for group in _groups_of(call, target)}
    originals = _groups_of(call, source)
    found: dict[str, str] = {}
    for group in originals:
        if group.name not in there:
            there[group.name] = LabelGroup(
                id=new_id(),
                organization_id=target.organization_id,
                dataset_version_id=target.id,
                name=group.name,
            )
            call.session.add(there[group.name])
        found[group.id] = there[group.name].id
    call.session.flush()
    for group in originals:
        if group.parent_id is not None and there[group.name].parent_id is None:
            there[group.name].parent_id = found.get(group.parent_id)
    return found


def _groups_of(call: Call, version: DatasetVersion) -> Sequence[LabelGroup]:
    wanted = select(LabelGroup).where(LabelGroup.dataset_version_id == version.id)
    return call.session.scalars(wanted.order_by(LabelGroup.seq)).all()


def convert_tags(call: Call) -> View:
    """Classify each asset by the names of those of the tags that it, or its datum, carries."""
    version, body = unlocked(call.at(DatasetVersion)), call.body
    kind = body.choice("tag_type", _TAG_TYPES)
    tags = call.owned(Tag, body.uuids("tag_ids"))
    if any(tag.target_type != kind for tag in tags):
        raise BadRequest(f"`tag_ids`: some of these tags are not of the type {kind}")
    labels = {tag.id: _label(call, version, tag.name) for tag in tags}
    drawn = {row.asset_id: row for row in _annotations(call, version)}
    rows: list[ShapeRow] = []
    for asset_id, tag_ids in _tagged(call, version, kind, labels).items():
        annotation = drawn.get(asset_id)
        if annotation is None:
            annotation = new_annotation(version, asset_id, Body({}), "PENDING")
            call.session.add(annotation)
        sent = {"classifications": [{"label_id": labels[tag_id].id} for tag_id in tag_ids]}
        rows += shape_rows(annotation, Body(sent), {one.id: one for one in labels.values()})
    call.session.flush()
    insert_shapes(call, rows)
    return done_task(call)


def _label(call: Call, version: DatasetVersion, name: str) -> Label:
    wanted = select(Label).where(Label.dataset_version_id == version.id, Label.name == name)
    found = call.session.scalar(wanted)
    if found is None:
        found = Label(
            id=new_id(),
            organization_id=version.organization_id,
            dataset_version_id=version.id,
            name=name,
        )
        call.session.add(found)
        call.session.flush()
    return found


def _tagged(
    call: Call, version: DatasetVersion, kind: str, tag_ids: Iterable[str]
) -> dict[str, list[str]]:
    """The ids of these tags on each asset of a version, or on its datum."""
    carrier = Asset.id if kind == "ASSET" else Asset.data_id
    rows = call.session.execute(
        select(Asset.id, TagLink.tag_id)
        .join(TagLink, TagLink.object_id == carrier)
        .where(Asset.dataset_version_id == version.id, TagLink.tag_id.in_(list(tag_ids)))
        .order_by(Asset.seq)
    )
    found: dict[str, list[str]] = {}
    for asset_id, tag_id in rows:
        found.setdefault(asset_id, []).append(tag_id)
    return found


def count_tags(call: Call) -> View:
    """How many assets carry each tag, by the tag's name."""
    version = call.at(DatasetVersion)
    kind = call.query.text("tag_type") or "ASSET"
    if kind not in _TAG_TYPES:
        raise BadRequest(f"`tag_type` is {kind!r}; one of {', '.join(_TAG_TYPES)}")
    carrier = Asset.id if kind == "ASSET" else Asset.data_id
    rows = call.session.execute(
        select(Tag.name, func.count())
        .join(TagLink, TagLink.tag_id == Tag.id)
        .join(Asset, TagLink.object_id == carrier)
        .where(Asset.dataset_version_id == version.id)
        .group_by(Tag.id)
        .order_by(Tag.seq)
    )
    return dict(rows.all())


_VERSION = "/api/dataset/version/{dataset_version}"

ROUTES: tuple[Route, ...] = (
    Route("POST", "/api/dataset/{dataset}/fork", fork),
    Route("POST", f"{_VERSION}/assets/copy", copy_assets),
    Route("POST", f"{_VERSION}/tags/convert", convert_tags),
    reads("GET", f"{_VERSION}/analytics/tags", count_tags),
)
