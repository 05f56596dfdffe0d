"""The foundation of pxl-toolbox and of the box that it runs in."""

__version__ = "0.1.0"
