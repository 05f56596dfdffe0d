"""Predictions of an experiment on assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, delete, select

from pxl_platform import rle
from pxl_platform.body import Body
from pxl_platform.enums import EVALUATION_MODES
from pxl_platform.errors import BadRequest, NotFound
from pxl_platform.models import Asset, Data, Evaluation, Experiment, Label, new_id
from pxl_platform.paging import page
from pxl_platform.resources.assets import asset_views
from pxl_platform.resources.filters import asset_condition
from pxl_platform.resources.shapes import heights_by_asset, label_view
from pxl_platform.routing import Call, Route, reads
from pxl_platform.shapes import KINDS, read_geometry

View = dict[str, object]

_ORDERS = {"id": Evaluation.id, "created_at": Evaluation.created_at}
_MOST = 100  # in one request, as the SDK promises


def add_evaluations(call: Call) -> View:
    """Add predictions. REPLACE drops those that the assets have, KEEP adds to them."""
    experiment, body = call.at(Experiment), call.body
    mode = body.choice("import_type", EVALUATION_MODES, "REPLACE")
    sent = {part.uuid("asset_id"): part for part in body.parts("evaluations")}
    if not 1 <= len(sent) <= _MOST:
        raise BadRequest(f"`evaluations` has to hold 1 to {_MOST} evaluations")
    assets = {asset.id: asset for asset in call.owned(Asset, list(sent))}
    labels = _labels(call, {asset.dataset_version_id for asset in assets.values()})
    shapes = {asset_id: _shapes(part, labels, assets[asset_id]) for asset_id, part in sent.items()}
    there = _there(call, experiment, list(sent))
    if mode == "REPLACE":
        ids = [row.id for row in there.values()]
        call.session.execute(delete(Evaluation).where(Evaluation.id.in_(ids)))
        there = {}
    for asset_id, part in sent.items():
        _put(call, experiment, there.get(asset_id), asset_id, part, shapes[asset_id])
    return {}


def _there(call: Call, experiment: Experiment, asset_ids: Sequence[str]) -> dict[str, Evaluation]:
    rows = call.session.scalars(
        select(Evaluation).where(
            Evaluation.experiment_id == experiment.id, Evaluation.asset_id.in_(asset_ids)
        )
    )
    return {row.asset_id: row for row in rows}


def _put(
    call: Call,
    experiment: Experiment,
    there: Evaluation | None,
    asset_id: str,
    part: Body,
    shapes: Mapping[str, list[Any]],
) -> None:
    metrics = part.optional_object("custom_metrics")
    if there is not None:
        there.shapes = {kind: [*there.shapes.get(kind, []), *shapes[kind]] for kind in KINDS}
        there.custom_metrics = metrics or there.custom_metrics
        return
    call.session.add(
        Evaluation(
            organization_id=call.organization.id,
            experiment_id=experiment.id,
            asset_id=asset_id,
            shapes=dict(shapes),
            custom_metrics=metrics,
        )
    )


def _labels(call: Call, version_ids: set[str]) -> dict[str, Label]:
    rows = call.session.scalars(select(Label).where(Label.dataset_version_id.in_(version_ids)))
    return {row.id: row for row in rows}


def _shapes(part: Body, labels: Mapping[str, Label], asset: Asset) -> dict[str, list[Any]]:
    return {
        kind: [_shape(kind, shape, labels, asset) for shape in part.parts(kind)] for kind in KINDS
    }


def _shape(kind: str, shape: Body, labels: Mapping[str, Label], asset: Asset) -> View:
    label_id = shape.uuid("label_id")
    label = labels.get(label_id)
    if label is None or label.dataset_version_id != asset.dataset_version_id:
        raise NotFound(f"`{shape.where}.label_id`: the asset's version has no label {label_id}")
    return {
        "id": new_id(),
        "label_id": label_id,
        "score": shape.number("score", 1.0),
        "text": shape.optional_text("text"),
        **read_geometry(kind, shape),
    }


def _views(call: Call, rows: Sequence[Evaluation]) -> list[View]:
    assets = call.owned(Asset, list(dict.fromkeys(row.asset_id for row in rows)))
    shown = {str(view["id"]): view for view in asset_views(call, assets)}
    labels = _labels(call, {asset.dataset_version_id for asset in assets})
    heights = heights_by_asset(call, shown)
    return [
        {
            "id": row.id,
            "asset_id": row.asset_id,
            "asset": shown[row.asset_id],
            "experiment_id": row.experiment_id,
            "custom_metrics": row.custom_metrics,
            **{
                kind: [
                    _shown(kind, shape, labels, heights[row.asset_id])
                    for shape in row.shapes.get(kind, [])
                    if shape["label_id"] in labels
                ]
                for kind in KINDS
            },
            "created_at": row.created_at,
        }
        for row in rows
    ]


def _shown(kind: str, shape: View, labels: Mapping[str, Label], height: int) -> View:
    view = {**shape, "label": label_view(labels[str(shape["label_id"])])}
    if kind == "masks":
        runs = rle.decode(str(shape["mask"]))
        view |= {"area": float(rle.area(runs)), "bbox": rle.box(runs, height)}
    return view


def list_evaluations(call: Call) -> View:
    mine: Select[Evaluation] = (
        select(Evaluation)
        .join(Asset, Asset.id == Evaluation.asset_id)
        .join(Data, Data.id == Asset.data_id)
        .where(Evaluation.experiment_id == call.at(Experiment).id)
    )
    text = call.query.text("q")
    if text and text.strip():
        mine = mine.where(asset_condition(text.replace("asset.", "")))
    found = page(call, mine, Evaluation, _ORDERS)
    return found.of(_views(call, found.rows))


def get_evaluation(call: Call) -> View:
    return _views(call, [call.at(Evaluation)])[0]


def delete_evaluation(call: Call) -> None:
    call.session.delete(call.at(Evaluation))


_EXPERIMENT = "/api/experiment/{experiment}"

ROUTES: tuple[Route, ...] = (
    Route("POST", f"{_EXPERIMENT}/evaluations", add_evaluations),
    reads("GET", f"{_EXPERIMENT}/evaluations", list_evaluations),
    reads("GET", "/api/evaluation/{evaluation}", get_evaluation),
    Route("DELETE", "/api/evaluation/{evaluation}", delete_evaluation),
)
