"""Everything that `pxl-pipeline` does, as a Python API that never prints."""
