"""The import name that the documentation of Picsellia's pipelines uses.

It is put on the path of a pipeline by `pxl-pipeline test` and by the runner image; what it
hands on is the pipeline's own `picsellia_cv_engine`.
"""
