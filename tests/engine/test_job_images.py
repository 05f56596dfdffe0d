"""A job runs the image that its registry has, and says what it did where that cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pxl_platform.runner import FinalState
from pxl_toolbox.adapters.docker import BuildRequest, Docker
from pxl_toolbox.core.events import ignore
from pxl_toolbox.jobs.docker_executor import JOB_LABEL

if TYPE_CHECKING:
    from tests.engine.conftest import MemoryStore

Make = Callable[..., str]
Ended = Callable[[str], tuple[FinalState, int | None, str]]


def test_an_image_that_is_nowhere_fails_the_job_by_its_name(
    store: MemoryStore, name: str, ended: Ended
) -> None:
    image = f"127.0.0.1:1/{name}/none:1"

    state, code, reason = ended(store.add(image))

    assert (state, code) == ("FAILED", None)
    assert reason.startswith(f"the image {image} is not on the engine and could not be fetched: ")


@pytest.mark.parametrize("image", ["Not/An Image:1", ":latest"])
def test_a_name_that_no_image_can_have_fails_the_job(
    store: MemoryStore, ended: Ended, image: str
) -> None:
    state, code, reason = ended(store.add(image))

    assert (state, code) == ("FAILED", None)
    assert image in reason


def test_an_image_that_cannot_start_fails_the_job_with_the_engines_reason(
    docker: Docker, store: MemoryStore, tmp_path: Path, name: str, ended: Ended
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text('FROM scratch\nCOPY Dockerfile /\nENTRYPOINT ["/no/such/program"]\n')
    image = f"{name}-unstartable:1"
    docker.build(BuildRequest(context=tmp_path, dockerfile=dockerfile, tags=(image,)), ignore)
    job_id = store.add(image)

    state, code, reason = ended(job_id)

    docker.remove_image(image, force=True)
    assert (state, code) == ("FAILED", None)
    assert "/no/such/program" in reason
    assert docker.containers({JOB_LABEL: job_id}) == ()


def test_the_image_that_the_registry_has_is_run_and_not_an_older_one_of_that_name(
    docker: Docker, store: MemoryStore, shell_image: Make, registry: str, name: str, ended: Ended
) -> None:
    reference = f"{registry}/{name}/moved:1"
    docker.tag(shell_image("echo from the registry"), reference)
    docker.push(reference, ignore)
    docker.tag(shell_image("echo from the engine"), reference)
    job_id = store.add(reference)

    end = ended(job_id)

    docker.remove_image(reference, force=True)
    assert end == ("SUCCEEDED", 0, "")
    assert store.logs[job_id] == ["from the registry"]


def test_where_the_registry_is_away_the_engines_image_is_run_and_the_log_says_so(
    store: MemoryStore, shell_image: Make, name: str, ended: Ended
) -> None:
    reference = shell_image("echo ran", f"127.0.0.1:1/{name}/kept:1")
    job_id = store.add(reference)

    assert ended(job_id)[0] == "SUCCEEDED"

    note, line = store.logs[job_id]
    assert note.startswith(f"runner: the Docker engine could not fetch {reference}: ")
    assert note.endswith("; the image that the engine has is used")
    assert line == "ran"
