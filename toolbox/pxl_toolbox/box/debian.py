"""Debian packages, installed where we may and named where we may not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pxl_toolbox.adapters.process import Command, CommandFailed, Runner, checked
from pxl_toolbox.core.errors import UnavailableError
from pxl_toolbox.core.events import Emit, step

_INSTALL_LIMIT_S = 900.0
_APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120")
_QUIET: dict[str, str | None] = {"DEBIAN_FRONTEND": "noninteractive"}


class PackagesMissing(UnavailableError):
    """Packages are needed that we may not install here."""

    def __init__(self, what_for: str, packages: tuple[str, ...]) -> None:
        super().__init__(
            f"{what_for} needs {', '.join(packages)}, which is not installed here",
            hint=f"on Debian, as root: apt-get install --no-install-recommends "
            f"{' '.join(packages)}",
        )


class PackagesRefused(UnavailableError):
    """apt-get did not install what it was asked for."""

    def __init__(self, why: str) -> None:
        super().__init__(why, hint="run the command by hand, and look at /etc/apt/sources.list")


def install(runner: Runner, emit: Emit, packages: tuple[str, ...], *, what_for: str) -> None:
    """Install Debian packages, with fresh lists of what there is.

    Raises:
        PackagesMissing: we are not root, or this is not Debian.
        PackagesRefused: apt-get ended with an error.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PackagesMissing(what_for, packages)
    with step(emit, "install", " ".join(packages)) as running:
        for arguments in (("update",), ("install", "-y", "--no-install-recommends", *packages)):
            command = Command(
                argv=(*_APT, *arguments), cwd=Path("/"), timeout_s=_INSTALL_LIMIT_S, env=_QUIET
            )
            try:
                checked(runner, command, running.log)
            except CommandFailed as error:
                raise PackagesRefused(error.message) from error
