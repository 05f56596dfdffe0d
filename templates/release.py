"""Release the template `pipeline`: lock its projects and commit it, tagged, into a bare repository.

The same sources, version and cutoff give the same commit id on every machine whose index
answers alike. A run in which nothing changed does nothing.

    python templates/release.py
    python templates/release.py --source EDITED --version 1.1.0 --into build/templates
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "templates" / "pipeline"
INTO = ROOT / "build" / "templates"
CACHE = ROOT / "build" / "template-locks"
PACKAGED = ROOT / "toolbox" / "pxl_pipeline" / "templates"

# A name that no package has: it is replaced by the project's own when a project is made.
_STAND_IN = "pxl-stand-in-for-the-name"
_UV_OPTIONS = """
[tool.uv]
# Packages released after this moment are not considered, so that a new lock changes nothing
# that you did not ask for. Move it on, or remove it, to get newer ones.
exclude-newer = "{cutoff}"
"""
_OWN_BEFORE = (
    "{{% if not placed.yet and distribution < '{name}' %}}"
    "{{{{ own() }}}}{{% set placed.yet = true %}}{{% endif %}}"
)
# What tools leave in the folder of the source.
_LITTER = ("__pycache__", "*.pyc", ".*_cache", ".DS_Store")
_PACKAGE = re.compile(r"^\[\[package\]\]\nname = \"([^\"]+)\"\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What to release, from `release.toml` or from the command line."""

    source: Path
    version: str
    cutoff: str
    date: str
    into: Path
    packaged: Path | None

    @property
    def repository(self) -> Path:
        return self.into / "pipeline.git"

    @property
    def bundle(self) -> Path:
        return self.into / "pipeline.bundle"

    @property
    def prepared(self) -> Path:
        return self.into / "pipeline.json"

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """`type/template` of each kind of project in the source."""
        return tuple(
            sorted(
                f"{path.parent.parent.name}/{path.parent.name}"
                for path in self.source.glob("*/*/pipeline.py.jinja")
            )
        )


def main() -> int:
    release = _parse(sys.argv[1:])
    fingerprint = _fingerprint(release)
    stamp = release.into / "pipeline.stamp.json"
    if _is_up_to_date(release, stamp, fingerprint):
        print(f"template pipeline {release.tag} is up to date")
        return 0
    release.into.mkdir(parents=True, exist_ok=True)
    commit = _release(release)
    _write(stamp, json.dumps({release.tag: fingerprint}))
    print(f"template pipeline {release.tag} released as {commit[:12]} into {release.into}")
    return 0


def _parse(arguments: list[str]) -> Release:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, default=SOURCE, help="folder of the template")
    parser.add_argument("--version", help="version to release; default: that of release.toml")
    parser.add_argument("--into", type=Path, default=INTO, help="folder of the repository")
    given = parser.parse_args(arguments)
    recorded = tomllib.loads((given.source / "release.toml").read_text())
    return Release(
        source=given.source.resolve(),
        version=given.version or recorded["version"],
        cutoff=recorded["cutoff"],
        date=recorded["date"],
        into=given.into.resolve(),
        packaged=PACKAGED if given.into.resolve() == INTO else None,
    )


def _fingerprint(release: Release) -> str:
    """A hash of all that the released commit depends on, and of this file."""
    digest = hashlib.sha256(f"{release.version}\0".encode())
    digest.update(Path(__file__).read_bytes())
    for path in _files(release.source):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(release.source)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(
            fnmatch(part, mark) for part in path.parts for mark in _LITTER
        ):
            yield path


def _is_up_to_date(release: Release, stamp: Path, fingerprint: str) -> bool:
    if not (
        stamp.is_file()
        and release.bundle.is_file()
        and release.prepared.is_file()
        and release.repository.is_dir()
    ):
        return False
    if json.loads(stamp.read_text()) != {release.tag: fingerprint}:
        return False
    packaged = release.packaged
    if packaged is not None and not all(
        (packaged / path.name).is_file() for path in (release.bundle, release.prepared)
    ):
        _package(release)
    return True


def _release(release: Release) -> str:
    # Imported here: a run that has nothing to do does not pay for them.
    from pxl_toolbox.adapters.git import BareRepository, Signature

    repository = BareRepository(release.repository)
    repository.create()
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch) / "stage"
        shutil.copytree(release.source, stage, ignore=shutil.ignore_patterns(*_LITTER))
        _lock_kinds(release, stage, Path(scratch))
        prepared = _prepare(release, stage)
        tree = repository.tree_of(stage, Path(scratch) / "index")
    commit = repository.commit(
        tree,
        message=f"Template pipeline {release.version}",
        parent=_parent(release, repository.tags()),
        by=Signature(name="pxl-toolbox", email="pxl-toolbox@localhost", date=release.date),
    )
    repository.point("refs/heads/main", commit)
    repository.point(f"refs/tags/{release.tag}", commit)
    repository.bundle(release.bundle)
    _write(release.prepared, prepared)
    _package(release)
    return commit


def _package(release: Release) -> None:
    """Put what the wheel carries into the package."""
    if release.packaged is not None:
        for path in (release.bundle, release.prepared):
            _write(release.packaged / path.name, path.read_bytes())


def _prepare(release: Release, stage: Path) -> str:
    """The whole template as one file, from which a project is made without copier."""
    import yaml

    from pxl_toolbox.adapters.prepared import Prepared, Question

    settings = yaml.safe_load((stage / "copier.yml").read_text())
    questions = tuple(
        Question(name=name, default=asked.get("default", ""), when=asked.get("when", True))
        for name, asked in settings.items()
        if not name.startswith("_")
    )
    files = {str(path.relative_to(stage)): path.read_text() for path in _files(stage)}
    return Prepared(
        version=release.tag, subfolder=settings["_subdirectory"], questions=questions, files=files
    ).text()


def _parent(release: Release, tags: tuple[str, ...]) -> str | None:
    """The newest release before this one, so that releasing it again gives the same commit."""
    older = [tag for tag in tags if _order(tag) < _order(release.tag)]
    return max(older, key=_order, default=None)


def _order(tag: str) -> tuple[int, ...]:
    return tuple(int(part) for part in tag.removeprefix("v").split("."))


def _lock_kinds(release: Release, stage: Path, scratch: Path) -> None:
    """Add to the staged template what pins the packages of each kind of project."""
    options = stage / "_common" / "uv_options.toml"
    options.write_text(_UV_OPTIONS.format(cutoff=release.cutoff))
    try:
        locks = {kind: _lock(stage, kind, scratch / "limited") for kind in release.kinds}
    except _NoUploadTimes as error:
        print(
            f"the index tells no upload times, so the cutoff {release.cutoff} is left out and"
            f" this commit is not repeatable elsewhere:\n{error}",
            file=sys.stderr,
        )
        options.unlink()
        locks = {kind: _lock(stage, kind, scratch / "free") for kind in release.kinds}
    for kind, lock in locks.items():
        folder = stage / kind
        (folder / "{% if use_pyproject %}uv.lock{% endif %}.jinja").write_text(lock.template())
        (folder / "{% if not use_pyproject %}requirements.txt{% endif %}").write_text(
            lock.requirements
        )


@dataclass(frozen=True, slots=True)
class Lock:
    """What a project of one kind installs, in both spellings."""

    text: str
    requirements: str

    def template(self) -> str:
        """The lock with the project's own package as a variable, at the place uv gives it.

        uv sorts packages by name, and the project is one of them: wherever its name falls,
        the rendered lock is byte for byte what `uv lock` writes.
        """
        if any(mark in self.text for mark in ("{{", "{%", "{#")):
            raise ValueError("the lock holds what Jinja would read as its own")
        head, *rest = re.split(r"^(?=\[\[package\]\]\n)", self.text, flags=re.MULTILINE)
        blocks = {_name(block): block.strip() for block in rest}
        own = blocks.pop(_STAND_IN).replace(_STAND_IN, "{{ distribution }}")
        parts = [
            "{% set placed = namespace(yet=false) -%}",
            f"{{% macro own() %}}\n{own}\n{{% endmacro -%}}",
            head.strip() + "\n",
        ]
        for name, block in blocks.items():
            parts.append(_OWN_BEFORE.format(name=name))
            parts.append(f"\n{block}\n")
        parts.append("{% if not placed.yet %}{{ own() }}{% endif %}")
        return "".join(parts)


def _name(block: str) -> str:
    found = _PACKAGE.match(block)
    if found is None:
        raise ValueError(f"not a package of a lock: {block[:80]}")
    return found[1]


class _NoUploadTimes(Exception):
    """The index does not say when a file was uploaded, so a cutoff excludes everything."""


def _lock(stage: Path, kind: str, scratch: Path) -> Lock:
    from pxl_toolbox.adapters.copier import render_folder

    pipeline_type, template = kind.split("/")
    project = scratch / template
    render_folder(stage, project, {"type": pipeline_type, "template": template, "name": _STAND_IN})
    pyproject = (project / "pyproject.toml").read_bytes()
    kept = CACHE / hashlib.sha256(pyproject).hexdigest()[:32]
    if not kept.is_dir():
        _resolve(project, kept)
    return Lock((kept / "uv.lock").read_text(), (kept / "requirements.txt").read_text())


def _resolve(project: Path, kept: Path) -> None:
    from pxl_toolbox.adapters.uv import Uv, UvFailed, find

    uv = Uv(find())
    try:
        uv.lock(project)
    except UvFailed as error:
        if "missing an upload date" in error.message:
            raise _NoUploadTimes(error.message) from error
        raise
    requirements = uv.export(project)
    unfinished = kept.with_name(f"{kept.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    shutil.copyfile(project / "uv.lock", unfinished / "uv.lock")
    (unfinished / "requirements.txt").write_text(requirements)
    unfinished.rename(kept)


def _write(path: Path, data: bytes | str) -> None:
    from pxl_toolbox.adapters.files import write_atomically

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)


if __name__ == "__main__":
    sys.exit(main())
