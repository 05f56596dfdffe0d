"""`from picsellia_pipeline.core import step, pipeline`."""

from picsellia_cv_engine import Pipeline, pipeline, step

__all__ = ["Pipeline", "pipeline", "step"]
