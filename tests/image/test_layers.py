"""What no layer of our images may hold."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    DockerCommand = Any


def _layers(image: str) -> Iterator[tarfile.TarFile]:
    """The saved image's layers: its members that are archives, whatever the engine calls them."""
    with (
        subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving,
        tarfile.open(fileobj=saving.stdout, mode="r|") as saved,
    ):
        for member in saved:
            content = saved.extractfile(member) if member.isreg() else None
            if content is None:  # a layer that is there twice is a link the second time
                continue
            with (
                contextlib.suppress(tarfile.ReadError),  # a manifest
                tarfile.open(fileobj=io.BytesIO(content.read())) as layer,
            ):
                yield layer


@pytest.mark.timeout(120)
def test_no_layer_holds_the_build_secret_or_a_leftover(toolbox_image: str) -> None:
    names = [name for layer in _layers(toolbox_image) for name in layer.getnames()]

    assert len(names) > 5000
    for left in ("run/secrets/extra_ca", ".cache/uv/", "var/lib/apt/lists/deb", ".cache/pip/"):
        assert not [name for name in names if left in name]


def test_no_certificate_of_this_machine_is_trusted_inside(
    docker: DockerCommand, toolbox_image: str
) -> None:
    given = os.environ.get("PXL_EXTRA_CA") or os.environ.get("SSL_CERT_FILE")
    bundle = Path(given or "/etc/ssl/certs/ca-certificates.crt").read_text()
    inside = docker.run(toolbox_image, "cat", "/etc/ssl/certs/ca-certificates.crt").out
    debian = docker.run(
        toolbox_image, "sh", "-c", "cat /usr/share/ca-certificates/mozilla/*.crt"
    ).out

    ours_alone = _certificates(bundle) - _certificates(debian)

    assert _certificates(inside)
    assert not _certificates(inside) & ours_alone


def _certificates(bundle: str) -> set[str]:
    parts = bundle.split("-----BEGIN CERTIFICATE-----")[1:]
    return {"".join(part.partition("-----END")[0].split()) for part in parts}


@pytest.mark.parametrize("which", ["runner_image", "toolbox_image"])
def test_neither_history_nor_environment_names_a_secret(
    docker: DockerCommand, which: str, request: pytest.FixtureRequest
) -> None:
    image = request.getfixturevalue(which)
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).out
    environment = json.loads(
        docker("image", "inspect", "--format", "{{json .Config.Env}}", image).out
    )

    assert "BEGIN CERTIFICATE" not in history
    names = [entry.partition("=")[0] for entry in environment]
    assert not [name for name in names if "CERT" in name or "TOKEN" in name or "PROXY" in name]


@pytest.mark.parametrize(("which", "limit_mb"), [("runner_image", 230), ("toolbox_image", 480)])
def test_an_image_stays_within_its_budget(
    docker: DockerCommand, which: str, limit_mb: int, request: pytest.FixtureRequest
) -> None:
    image = request.getfixturevalue(which)
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image).out)

    assert size / 1e6 < limit_mb
