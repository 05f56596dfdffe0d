"""The endpoints, by area."""

from __future__ import annotations

from pxl_platform.resources import (
    assets,
    data,
    datasets,
    drawings,
    home,
    jobs,
    labels,
    launches,
    own,
    processings,
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
    *shapes.ROUTES,
    *processings.ROUTES,
    *launches.ROUTES,
    *jobs.ROUTES,
    *tasks.ROUTES,
    *own.ROUTES,
)
