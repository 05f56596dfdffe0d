"""Where things live and which settings the environment gives: the one reader of both.

Folders follow the XDG Base Directory Specification 0.8.
"""

from __future__ import annotations

import os
from pathlib import Path

APP = "pxl-toolbox"


def state_folder() -> Path:
    """Logs, process ids, fault reports, the journal: what a user may delete."""
    return _xdg("XDG_STATE_HOME", ".local/state") / APP


def data_folder() -> Path:
    """The data of the embedded platform and registry: what a user must not delete."""
    return _xdg("XDG_DATA_HOME", ".local/share") / APP


def cache_folder() -> Path:
    """What can be made again."""
    return _xdg("XDG_CACHE_HOME", ".cache") / APP


def contexts_folder() -> Path:
    """Saved logins, in the folder of `picsellia-pipelines-cli`, whose users switch to us."""
    return _xdg("XDG_CONFIG_HOME", ".config") / "picsellia"


def local_platform_file() -> Path:
    """How a client on this machine logs in to the embedded platform without being asked.

    Written 0600 by the platform at its first start, read by `pxl-pipeline login --env LOCAL`:
    TOML with the strings `host`, `organization` and `token`.
    """
    return state_folder() / "local-platform.toml"


def local_registry() -> str:
    """The registry beside the embedded platform: `PXL_REGISTRY`, as host:port, moves it."""
    return os.environ.get("PXL_REGISTRY") or "localhost:5000"


def templates_folder() -> Path | None:
    """The folder of templates that the user gave by `PXL_TEMPLATES`, instead of ours."""
    given = os.environ.get("PXL_TEMPLATES", "")
    return Path(given).absolute() if given else None


def extra_ca_bundle() -> Path | None:
    """Certificates that containers and builds have to trust besides their own, as one PEM file.

    PXL_EXTRA_CA names it, else SSL_CERT_FILE, which a machine behind a proxy that looks into
    TLS has set anyway.
    """
    given = os.environ.get("PXL_EXTRA_CA") or os.environ.get("SSL_CERT_FILE")
    return Path(given) if given and Path(given).is_file() else None


def _xdg(variable: str, below_home: str) -> Path:
    given = os.environ.get(variable, "")
    # The specification: a relative path in these variables is to be ignored.
    return Path(given) if given.startswith("/") else Path.home() / below_home
