"""The wheel alone, in an empty environment: what `uv pip install pxl-toolbox` gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pxl_toolbox.adapters import uv

ROOT = Path(__file__).parents[2]


def run(*argv: str | Path, cwd: Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    place = folder / "environment"
    uv.Uv(uv.find()).venv(folder, environment=place)
    argv = (
        uv.find(),
        "pip",
        "install",
        "--quiet",
        "--python",
        place,
        "-c",
        "constraints.txt",
        wheel,
    )
    locked = (ROOT / "requirements" / "toolbox.txt").read_text().splitlines()
    pins = [line.split(" \\")[0] for line in locked if "==" in line and not line.startswith(" ")]
    (folder / "constraints.txt").write_text("\n".join(pins))
    done = run(*argv, cwd=folder)
    assert done.returncode == 0, done.stderr
    return place / "bin"


@pytest.mark.timeout(180)
def test_the_wheel_makes_a_pipeline_by_itself(installed: Path, tmp_path: Path) -> None:
    done = run(
        *(installed / "pxl-pipeline", "init", "tiles", "--type", "processing"),
        *("--template", "dataset_version_creation", "--no-install"),
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tiles" / "uv.lock").is_file()


@pytest.mark.timeout(180)
def test_the_wheel_brings_no_server(installed: Path) -> None:
    done = run(uv.find(), "pip", "list", "--python", installed.parent, cwd=installed)

    names = {line.split()[0] for line in done.stdout.splitlines()[2:]}
    assert "picsellia" in names
    assert not names & {"devpi-server", "devpi-web", "supervisor", "starlette", "granian"}


@pytest.mark.timeout(180)
def test_a_command_that_needs_an_extra_says_which(installed: Path) -> None:
    done = run(installed / "pxl-platform", "serve", cwd=installed)

    assert done.returncode == 5
    assert "is not installed" in done.stderr
    assert "pxl-toolbox[all]" in done.stderr
