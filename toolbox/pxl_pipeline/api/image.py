"""The image of a pipeline: what goes into it, how it is built, and what it was built from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pxl_pipeline.api.pipeline import CONFIG, Pipeline
from pxl_toolbox.core.errors import ConfigError, NotFoundError, UsageError
from pxl_toolbox.core.events import Emit
from pxl_toolbox.core.references import ImageReference
from pxl_toolbox.store.credentials import Context, Environment
from pxl_toolbox.store.settings import extra_ca_bundle, local_registry
from pxl_toolbox.store.toml_file import TomlFile

if TYPE_CHECKING:
    from pxl_toolbox.adapters.docker import Docker, Image

LABEL_KEY = "io.pxl-toolbox.deploy.key"

_BUILD_LIMIT_S = 3600.0
_NEVER_COPIED = (".git/", ".venv/", "venv/", "__pycache__/", "logs/", "runs/run[0-9]*/", "job_*/")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE | re.MULTILINE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE | re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def name_for(pipeline: Pipeline, context: Context) -> str:
    """The image's name without a tag: config.toml's, else one in the embedded registry.

    Raises:
        ConfigError: config.toml's is not an image name, or holds a tag.
        UsageError: there is none, and the platform is not the embedded one.
    """
    if pipeline.image_name:
        return _checked(pipeline)
    if context.env is not Environment.LOCAL:
        raise UsageError(
            f"{pipeline.config_path}: docker.image_name: is empty",
            hint='set it, for example image_name = "your-account/your-pipeline"',
        )
    organization = re.sub(r"[^a-z0-9]+", "-", context.organization.lower()).strip("-")
    return f"{local_registry()}/{organization}/{re.sub('[^a-z0-9_-]+', '-', pipeline.name.lower())}"


def build(
    pipeline: Pipeline,
    *,
    tags: tuple[str, ...],
    labels: Mapping[str, str],
    context: Context,
    docker: Docker,
    emit: Emit,
) -> Image:
    """Build the image; smoke-test and deploy both come through here.

    Raises:
        NotFoundError: the pipeline has no Dockerfile.
        BuildFailed: the Dockerfile is wrong; the error holds the log's tail.
    """
    from pxl_toolbox.adapters.docker import BuildRequest

    return docker.build(
        BuildRequest(
            context=pipeline.folder,
            dockerfile=_dockerfile(pipeline),
            tags=tags,
            labels=labels,
            secrets=_secrets(),
            network=network_for(context),
            timeout_s=_BUILD_LIMIT_S,
        ),
        emit,
    )


def network_for(context: Context) -> str | None:
    """The engine's own network where the platform is on this machine, so that it is reached."""
    host = urlsplit(context.host).hostname
    return "host" if host in {"localhost", "127.0.0.1", "::1"} else None


def bases(pipeline: Pipeline) -> list[str]:
    """The images that the Dockerfile builds FROM, with its ARG defaults filled in."""
    text = _dockerfile(pipeline).read_text()
    defaults = dict(_ARG.findall(text))
    filled = (_VARIABLE.sub(lambda m: defaults.get(m[1], m[0]), ref) for ref in _FROM.findall(text))
    return [reference for reference in filled if reference != "scratch"]


def content_key(pipeline: Pipeline, base_ids: Mapping[str, str], image_name: str) -> str:
    """What a deploy is made of, as one sha256 in hex.

    Covers every file that the build context holds, the base images, the image's name
    and config.toml without the version and tag, which a deploy itself writes.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps([image_name, base_ids, _config(pipeline)], sort_keys=True).encode())
    for path in context_files(pipeline.folder):
        relative = path.relative_to(pipeline.folder).as_posix()
        if relative == CONFIG:
            continue
        mode = "x" if os.access(path, os.X_OK) else "-"
        digest.update(f"\0{relative}\0{mode}\0".encode(errors="surrogateescape"))
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def context_files(folder: Path) -> Iterator[Path]:
    """The files of the build context, in a fixed order: all that .dockerignore does not exclude.

    Source: Docker docs, "Dockerfile overview", section ".dockerignore file": patterns are
    relative to the root of the context.
    """
    from pathspec import PathSpec

    ignore_file = folder / ".dockerignore"
    lines = ignore_file.read_text().splitlines() if ignore_file.is_file() else []
    patterns = [_anchored(line.strip()) for line in lines if line.strip()[:1] not in {"", "#"}]
    ignored = PathSpec.from_lines("gitignore", [*patterns, *_NEVER_COPIED])
    for root, directories, files in os.walk(folder):
        here = Path(root)
        prefix = here.relative_to(folder).as_posix()
        prefix = "" if prefix == "." else f"{prefix}/"
        directories[:] = sorted(d for d in directories if not ignored.match_file(f"{prefix}{d}/"))
        for name in sorted(files):
            if not ignored.match_file(prefix + name) and (here / name).is_file():
                yield here / name


def _anchored(pattern: str) -> str:
    negated, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    return f"{negated}/{body.lstrip('/')}"


def _config(pipeline: Pipeline) -> Mapping[str, object]:
    data = {
        section: dict(values) if isinstance(values, Mapping) else values
        for section, values in TomlFile.read(pipeline.config_path).data.items()
    }
    own_marks = (("metadata", "version"), ("docker", "image_tag"), ("docker", "image_name"))
    for section, key in own_marks:
        table = data.get(section)
        if isinstance(table, dict):
            table.pop(key, None)
    return data


def _dockerfile(pipeline: Pipeline) -> Path:
    path = pipeline.folder / "Dockerfile"
    if not path.is_file():
        raise NotFoundError(
            f"{pipeline.folder} holds no Dockerfile", hint="restore it, or `pxl-pipeline init` anew"
        )
    return path


def _secrets() -> dict[str, Path]:
    """The CA certificates of this machine, for builds behind a proxy that inspects TLS."""
    bundle = extra_ca_bundle()
    return {"extra_ca": bundle} if bundle else {}


def _checked(pipeline: Pipeline) -> str:
    name = pipeline.image_name
    config = TomlFile.read(pipeline.config_path)
    try:
        reference = ImageReference.parse(name)
    except ValueError as error:
        raise config.error(
            "docker", "image_name", problem=str(error), mend="write REGISTRY/PROJECT/NAME"
        ) from None
    if name.count(":") and name.rpartition(":")[2] == reference.tag:
        raise ConfigError(
            f"{pipeline.config_path}: docker.image_name: {name!r} holds a tag",
            hint="leave the tag out; the version is the tag",
        )
    return name
