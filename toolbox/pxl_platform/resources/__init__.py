"""The endpoints, by area."""

from __future__ import annotations

from pxl_platform.resources import (
    assets,
    copying,
    data,
    datasets,
    drawings,
    evaluations,
    experiments,
    exports,
    home,
    jobs,
    labels,
    launches,
    logs,
    models,
    own,
    processings,
    projects,
    shapes,
    storage,
    tags,
    tasks,
)
from pxl_platform.routing import AnyRoute

ROUTES: tuple[AnyRoute, ...] = (
    *home.ROUTES,
    *storage.ROUTES,
    *data.ROUTES,
    *tags.ROUTES,
    *datasets.ROUTES,
    *assets.ROUTES,
    *labels.ROUTES,
    *drawings.ROUTES,
    *exports.ROUTES,
    *shapes.ROUTES,
    *copying.ROUTES,
    *processings.ROUTES,
    *models.ROUTES,
    *projects.ROUTES,
    *experiments.ROUTES,
    *logs.ROUTES,
    *evaluations.ROUTES,
    *launches.ROUTES,
    *jobs.ROUTES,
    *tasks.ROUTES,
    *own.ROUTES,
)
