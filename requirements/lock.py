"""Locks what pyproject.toml and the .in files ask for into hashed requirements/*.txt.

    python requirements/lock.py            lock again; what need not change keeps its version
    python requirements/lock.py --upgrade  take the newest versions
    python requirements/lock.py --check    say whether the locks are older than what they lock

The check reads no index: it compares a checksum of the inputs with the one kept at locking.
No lock names an index: each machine takes the one that it is set up with.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pxl_toolbox.adapters import uv
from pxl_toolbox.adapters.process import Command, LocalRunner, checked

_HERE = Path(__file__).parent
_INPUTS = _HERE / "inputs.sha256"
_PYTHON = "3.11"
_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class _Lock:
    """One locked file: its inputs and options as `uv pip compile` takes them."""

    output: str
    arguments: tuple[str, ...]


# dev first: it holds all the others ask for, and they keep to its versions, so that what is
# tested is what the images run.
_LOCKS = (
    _Lock("dev.txt", ("pyproject.toml", "--all-extras", "--group", "dev")),
    _Lock("toolbox.txt", ("pyproject.toml", "--extra", "platform", "-c", "requirements/dev.txt")),
    _Lock("build.txt", ("requirements/build.in", "-c", "requirements/dev.txt")),
    _Lock("uv.txt", ("requirements/uv.in",)),
    _Lock("peer.txt", ("requirements/peer.in",)),
)


def _inputs() -> str:
    project = tomllib.loads((_HERE.parent / "pyproject.toml").read_text())
    asked = [
        project["build-system"]["requires"],
        project["project"]["requires-python"],
        project["project"]["dependencies"],
        project["project"]["optional-dependencies"],
        project["dependency-groups"],
        [(_HERE / name).read_text() for name in ("build.in", "uv.in", "peer.in")],
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _compile(lock: _Lock, *, upgrade: bool) -> None:
    options = ["--universal", "--python-version", _PYTHON, "--generate-hashes"]
    options += ["--no-emit-index-url", "--no-header", "--quiet"]
    options += ["--upgrade"] if upgrade else []
    argv = (
        str(uv.find()),
        "pip",
        "compile",
        *lock.arguments,
        *options,
        "-o",
        f"requirements/{lock.output}",
    )
    checked(LocalRunner(), Command(argv=argv, cwd=_HERE.parent, timeout_s=_LIMIT_S))


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        if _INPUTS.read_text().strip() == _inputs():
            return 0
        sys.stderr.write("error: the locks are older than what they lock\n  try: make lock\n")
        return 1
    for lock in _LOCKS:
        _compile(lock, upgrade="--upgrade" in arguments)
    _INPUTS.write_text(_inputs() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
