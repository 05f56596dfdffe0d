"""`templates/release.py`: repeatable, quick when nothing changed, one tag after the other."""

from __future__ import annotations

import functools
import json
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pxl_toolbox import __version__
from pxl_toolbox.adapters.git import BareRepository

if TYPE_CHECKING:
    from tests.templates.conftest import Machine, Released

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "templates" / "pipeline"

pytestmark = pytest.mark.timeout(120)


def _commit(machine: Machine, repository: Path, ref: str) -> str:
    return machine.succeed("git", "rev-parse", "--verify", f"{ref}^{{commit}}", cwd=repository)


def test_the_same_sources_give_the_same_commit_in_another_folder(
    machine: Machine, released: Released, tmp_path: Path
) -> None:
    machine.release("--into", tmp_path)

    again = _commit(machine, tmp_path / "pipeline.git", "v1.0.0")
    assert again == _commit(machine, released.repository, "v1.0.0")


def test_a_release_of_what_is_released_takes_less_than_half_a_second(
    machine: Machine, released: Released
) -> None:
    began = time.monotonic()
    said = machine.release("--into", released.folder)

    assert "up to date" in said
    assert time.monotonic() - began < 0.5


def test_an_edited_source_is_released_after_the_version_before_it(
    machine: Machine, released: Released, edited: Released
) -> None:
    first = _commit(machine, released.repository, "v1.0.0")

    assert BareRepository(edited.repository).tags() == ("v1.0.0", "v1.1.0")
    assert _commit(machine, edited.repository, "v1.0.0") == first
    assert _commit(machine, edited.repository, "v1.1.0^") == first
    listed = machine.succeed("git", "bundle", "list-heads", "pipeline.bundle", cwd=edited.folder)
    assert {"refs/tags/v1.0.0", "refs/tags/v1.1.0"} <= set(listed.split())


def test_a_release_that_is_made_again_after_an_edit_moves_its_tag(
    machine: Machine, released: Released, tmp_path: Path
) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(released.folder, folder)
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    (source / "_common" / "gitignore").write_text("nothing\n")

    machine.release("--source", source, "--into", folder)
    moved = _commit(machine, folder / "pipeline.git", "v1.0.0")
    machine.release("--into", folder)
    back = _commit(machine, folder / "pipeline.git", "v1.0.0")

    original = _commit(machine, released.repository, "v1.0.0")
    assert moved != original
    assert back == original


def test_the_cutoff_stands_in_the_lock_and_in_the_project(released: Released) -> None:
    recorded = re.search(r'cutoff = "([^"]+)"', (SOURCE / "release.toml").read_text())
    files = json.loads((released.folder / "pipeline.json").read_text())["files"]
    locks = [text for name, text in files.items() if name.endswith("uv.lock{% endif %}.jinja")]

    assert recorded is not None
    assert len(locks) == 2
    assert all(f'exclude-newer = "{recorded[1]}"' in lock for lock in locks)
    assert recorded[1] in files["_common/uv_options.toml"]


def test_an_index_without_upload_times_gives_a_lock_without_a_cutoff(
    machine: Machine, tmp_path: Path, old_index: str
) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    pyproject = source / "_common" / "pyproject.toml"
    pyproject.write_text(re.sub(r'"picsellia-cv-engine[^"]*"', '"foo"', pyproject.read_text()))

    machine.release(
        "--source", source, "--into", tmp_path / "into", env={"UV_DEFAULT_INDEX": old_index}
    )

    files = json.loads((tmp_path / "into" / "pipeline.json").read_text())["files"]
    locks = [text for name, text in files.items() if name.endswith("uv.lock{% endif %}.jinja")]
    assert "_common/uv_options.toml" not in files
    assert all('name = "foo"' in lock and "exclude-newer" not in lock for lock in locks)


@pytest.fixture
def old_index(tmp_path: Path) -> Iterator[str]:
    """An index of one package that does not say when it was uploaded."""
    folder = tmp_path / "index" / "foo"
    folder.mkdir(parents=True)
    wheel = "foo-1.0-py3-none-any.whl"
    (folder / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')
    info = "foo-1.0.dist-info"
    with zipfile.ZipFile(folder / wheel, "w") as archive:
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    handler = functools.partial(_Quiet, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_no_source_of_a_template_names_a_registry() -> None:
    for path in SOURCE.rglob("*"):
        if path.is_file() and "_cache" not in str(path) and path.suffix != ".pyc":
            text = path.read_text()
            assert not re.search(r"https?://|py" r"pi|python" r"hosted", text), path


def test_images_are_named_with_the_version_that_is_released_with_them() -> None:
    dockerfile = (SOURCE / "_common" / "Dockerfile").read_text()
    devcontainer = (SOURCE / "_common" / "devcontainer.json").read_text()

    assert f"ARG RUNNER_IMAGE=pxl-runner:{__version__}\n" in dockerfile
    assert f'"image": "pxl-toolbox:{__version__}"' in devcontainer
