"""Image references: which registry, which repository, which tag or digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

DOCKER_HUB = "docker.io"
_DOCKER_HUB_REGISTRY = "registry-1.docker.io"

_DOMAIN = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?|\[[0-9A-Fa-f:]+\](?::[0-9]+)?"
)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_LONGEST_REPOSITORY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """A reference with one spelling: `parse` fills in what Docker would.

    `registry` is the host as users write it (`docker.io` where they wrote none), with
    its port. `tag` is None only beside a digest.

    Source:
        github.com/distribution/reference, grammar and Docker Hub's defaults.
    """

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; a ValueError says what is wrong with it."""
        rest, _, digest = text.partition("@")
        if digest and not _DIGEST.fullmatch(digest):
            raise ValueError(f"not a digest: {digest!r} in {text!r}")
        name, tag = _split_tag(rest)
        if tag is not None and not _TAG.fullmatch(tag):
            raise ValueError(f"not a tag: {tag!r} in {text!r}")
        registry, repository = _split_registry(name)
        _check_name(registry, repository, text)
        if tag is None and not digest:
            tag = "latest"
        return cls(registry=registry, repository=repository, tag=tag, digest=digest or None)

    def __str__(self) -> str:
        text = self.name
        if self.tag is not None:
            text += f":{self.tag}"
        return f"{text}@{self.digest}" if self.digest else text

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def selector(self) -> str:
        """What picks the manifest in its repository: the digest, else the tag."""
        return self.digest or self.tag or "latest"

    @property
    def names_a_registry(self) -> bool:
        """Whether somebody chose a registry: the default one often means a local image."""
        return self.registry != DOCKER_HUB

    @property
    def api_host(self) -> str:
        """The host and port that speak the registry's API."""
        return _DOCKER_HUB_REGISTRY if self.registry == DOCKER_HUB else self.registry


def _split_tag(text: str) -> tuple[str, str | None]:
    before, colon, after = text.rpartition(":")
    # A colon before the last slash belongs to a port.
    if not colon or "/" in after:
        return text, None
    return before, after


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    if not is_host:
        return DOCKER_HUB, name if slash else f"library/{name}"
    if first in {"index.docker.io", _DOCKER_HUB_REGISTRY, DOCKER_HUB}:
        return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest


def _check_name(registry: str, repository: str, text: str) -> None:
    if not _DOMAIN.fullmatch(registry):
        raise ValueError(f"not a registry: {registry!r} in {text!r}")
    if not all(_COMPONENT.fullmatch(part) for part in repository.split("/")):
        raise ValueError(f"not a repository name: {repository!r} in {text!r}")
    if len(repository) > _LONGEST_REPOSITORY:
        raise ValueError(
            f"a repository name has at most {_LONGEST_REPOSITORY} characters: {text!r}"
        )
