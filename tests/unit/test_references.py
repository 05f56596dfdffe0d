"""Image references have one spelling, with Docker's defaults filled in."""

from __future__ import annotations

import pytest

from pxl_toolbox.core.references import ImageReference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("alpine", "docker.io", "library/alpine", "latest", None),
        ("alpine:3.19", "docker.io", "library/alpine", "3.19", None),
        ("me/tool", "docker.io", "me/tool", "latest", None),
        ("docker.io/me/tool:1", "docker.io", "me/tool", "1", None),
        ("index.docker.io/alpine", "docker.io", "library/alpine", "latest", None),
        ("localhost/tool", "localhost", "tool", "latest", None),
        ("localhost:5000/org/tool:1.0", "localhost:5000", "org/tool", "1.0", None),
        ("127.0.0.1:5000/tool", "127.0.0.1:5000", "tool", "latest", None),
        ("[::1]:5000/tool:x", "[::1]:5000", "tool", "x", None),
        ("ghcr.io/a/b/c:1-gpu", "ghcr.io", "a/b/c", "1-gpu", None),
        (f"ghcr.io/a/b@{DIGEST}", "ghcr.io", "a/b", None, DIGEST),
        (f"ghcr.io/a/b:1@{DIGEST}", "ghcr.io", "a/b", "1", DIGEST),
    ],
)
def test_a_reference_is_taken_apart(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    parsed = ImageReference.parse(text)

    assert parsed == ImageReference(
        registry=registry, repository=repository, tag=tag, digest=digest
    )
    assert ImageReference.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        *("", ":1", "UPPER/case", "a//b", "a:", "a:b:c", "-a", "a/-b", "a b", "a@sha256:12"),
        *("a:" + "x" * 129, "ho st:5000/a", "localhost:5000/" + "a/" * 130 + "a"),
    ],
)
def test_what_is_no_reference_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|at most"):
        ImageReference.parse(text)


def test_docker_hub_answers_under_another_name_than_it_is_called() -> None:
    assert ImageReference.parse("alpine").api_host == "registry-1.docker.io"
    assert ImageReference.parse("localhost:5000/a").api_host == "localhost:5000"
