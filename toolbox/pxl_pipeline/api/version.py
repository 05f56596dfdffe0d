"""Version numbers of pipelines, by the rules of `picsellia-pipelines-cli` 0.7.6."""

from __future__ import annotations

import re
from enum import StrEnum

_NUMBERS = re.compile(r"\d+(?:\.\d+){0,2}")


class Bump(StrEnum):
    """How a deploy raises the version."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"
    RC = "rc"
    FINAL = "final"


def bumped(version: str, bump: Bump) -> str:
    """The next version: what follows a dash is dropped, missing numbers are 0.

    `1.0` gives 1.0.1 (patch), 1.1.0 (minor), 2.0.0 (major), 1.0.1-rc (rc), 1.0.0 (final).
    A ValueError says that `version` is not up to three numbers.
    """
    base = version.partition("-")[0]
    if not _NUMBERS.fullmatch(base):
        raise ValueError(f"{version!r} is not a version such as 1.2.3")
    major, minor, patch = [*map(int, base.split(".")), 0, 0][:3]
    if bump is Bump.MAJOR:
        return f"{major + 1}.0.0"
    if bump is Bump.MINOR:
        return f"{major}.{minor + 1}.0"
    if bump is Bump.FINAL:
        return f"{major}.{minor}.{patch}"
    return f"{major}.{minor}.{patch + 1}" + ("-rc" if bump is Bump.RC else "")


def floating_tag(version: str) -> str:
    """The tag that moves along: `test` for release candidates, else `latest`."""
    return "test" if "-rc" in version else "latest"
