"""`pxl-pipeline init`: what it makes, what it refuses, and that a refusal leaves no trace."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.templates.conftest import Machine, Released

PROGRAM = Path(sys.executable).with_name("pxl-pipeline")

pytestmark = pytest.mark.timeout(120)


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _hint(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [lines[-2]], stderr
    return lines[-1].removeprefix("  try: ")


def test_a_pipeline_is_made_with_its_environment_and_reported_as_json(
    machine: Machine, tmp_path: Path
) -> None:
    done = machine.pxl_pipeline(
        *("init", "resize-images", "--type", "processing"),
        *("--template", "dataset_version_creation", "--json"),
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    folder = tmp_path / "resize-images"
    assert report["folder"] == str(folder)
    assert report["template_version"] == "v1.0.0"
    assert report["overwritten"] == []
    assert Path(report["environment"]) == folder / ".venv"
    assert [path.name for path in tmp_path.iterdir()] == ["resize-images"]
    machine.succeed(
        folder / ".venv" / "bin" / "python", "-c", "import picsellia_cv_engine", cwd=folder
    )


def test_the_seeds_examples_of_names_are_kept_as_typed(machine: Machine, tmp_path: Path) -> None:
    for name in ("resize-images", "my-pipeline", "my_pipeline"):
        arguments = ("--type", "processing", "--no-install", "--quiet")
        done = machine.pxl_pipeline("init", name, *arguments, cwd=tmp_path)

        assert done.returncode == 0, done.stderr
        config = tomllib.loads((tmp_path / name / "config.toml").read_text())
        assert config["metadata"]["name"] == name
        run_config = tomllib.loads((tmp_path / name / "runs" / "run_config.toml").read_text())
        output = run_config["output"]["dataset_version"]["name"]
        assert output == f"test_{name.replace('-', '_')}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("my pipeline", "use my-pipeline"),
        ("MyPipeline", "use mypipeline"),
        ("work/my-pipeline", "use my-pipeline"),
        ("../up", "use up"),
        ("/somewhere/My Pipe/", "use my-pipe"),
        ("a--b", "use a-b"),
        ("-_-", None),
        ("3d", "use d"),
        ("été", None),
        ("x" * 51, f"use {'x' * 50}"),
        ("", "use a name such as resize-images"),
        ("numpy", "use numpy-pipeline"),
        ("class", "use class-pipeline"),
        ("Class", "use class-pipeline"),
        ("None", "use none"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_one_that_can(
    machine: Machine, tmp_path: Path, name: str, hint: str | None
) -> None:
    done = machine.pxl_pipeline(
        "init", "--type", "processing", "--no-install", "--quiet", "--", name, cwd=tmp_path
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert _hint(done.stderr) == hint or hint is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output_dir", [".", "deep/er", "with space", "..", "absolute"])
def test_the_printed_next_steps_can_be_typed_where_they_are_printed(
    machine: Machine, tmp_path: Path, output_dir: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    place = str(tmp_path / "away") if output_dir == "absolute" else output_dir
    arguments = ("--type", "processing", "--no-install", "--quiet", "--output-dir", place)
    made = machine.pxl_pipeline("init", "zz", *arguments, cwd=here)
    steps = dict(line.split(maxsplit=2)[1:] for line in made.stdout.splitlines()[-3:])
    login = {"PXL_API_TOKEN": "t", "PXL_ENV": "CUSTOM", "PXL_ORGANIZATION": "o"}
    nobody = {"PXL_HOST": "http://127.0.0.1:9"}
    words = shlex.split(steps["test"])

    done = machine.run(PROGRAM, *words[1:], cwd=here, env={**login, **nobody})

    # It has read the run config that was printed, whose ids are still to be set.
    assert done.returncode == 3, done.stderr
    assert f"{words[-1]}:9: input.dataset_version.id" in done.stderr
    assert shlex.split(steps["deploy"]) == ["pxl-pipeline", "deploy", words[2]]
    if output_dir == "deep/er":
        run_config = "deep/er/zz/runs/run_config.toml"
        assert steps["test"] == f"pxl-pipeline test deep/er/zz --run-config-file {run_config}"
        assert steps["edit"].startswith("deep/er/zz/utils/processing.py ")


@pytest.mark.parametrize(
    ("output_dir", "code"),
    [("/proc/x", 4), ("/proc", 4), ("/dev/null/x", 2), ("x" * 300, 5)],
)
def test_a_place_that_cannot_be_written_is_named(
    machine: Machine, tmp_path: Path, output_dir: str, code: int
) -> None:
    arguments = ("--type", "processing", "--no-install", "--output-dir", output_dir)

    done = machine.pxl_pipeline("init", "zz", *arguments, cwd=tmp_path)

    assert done.returncode == code, done.stderr
    assert "--output-dir" in _hint(done.stderr)
    assert output_dir.removesuffix("/x") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_where_the_template_has_a_file_is_a_conflict(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "zz" / "steps.py").mkdir(parents=True)

    done = machine.pxl_pipeline(
        "init", "zz", "--type", "processing", "--no-install", "--force", cwd=tmp_path
    )

    assert done.returncode == 7, done.stderr
    assert "steps.py" in done.stderr


def test_in_a_folder_that_was_removed_an_absolute_place_is_asked_for(
    machine: Machine, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    command = shlex.join([str(PROGRAM), "init", "zz", "--type", "processing"])
    script = f'mkdir gone && cd gone && rmdir "{gone}" && {command} --no-install "$@"'

    lost = machine.run("bash", "-c", script, "bash", cwd=tmp_path)
    found = machine.run("bash", "-c", script, "bash", "--output-dir", tmp_path, cwd=tmp_path)

    assert lost.returncode == 4, lost.stderr
    assert "an absolute path" in _hint(lost.stderr)
    assert found.returncode == 0, found.stderr
    assert f"pxl-pipeline test {tmp_path / 'zz'} " in found.stdout


def test_a_folder_that_is_there_is_refused_and_left_as_it_was(
    machine: Machine, tmp_path: Path
) -> None:
    mine = tmp_path / "resize-images"
    mine.mkdir()
    (mine / "steps.py").write_text("mine = 1\n")
    before = _snapshot(tmp_path)

    done = machine.pxl_pipeline("init", "resize-images", "--type", "processing", cwd=tmp_path)

    assert done.returncode == 7
    assert "--force" in _hint(done.stderr)
    assert _snapshot(tmp_path) == before


def test_force_overwrites_the_templates_files_alone_and_tells_which(
    machine: Machine, tmp_path: Path
) -> None:
    arguments = ("init", "mine", "--type", "processing", "--no-install")
    assert machine.pxl_pipeline(*arguments, cwd=tmp_path).returncode == 0
    pristine = _snapshot(tmp_path / "mine")
    (tmp_path / "mine" / "steps.py").write_text("mine = 1\n")
    (tmp_path / "mine" / "notes.txt").write_text("mine\n")

    done = machine.pxl_pipeline(*arguments, "--force", "--json", cwd=tmp_path)

    assert json.loads(done.stdout)["overwritten"] == ["steps.py"]
    assert _snapshot(tmp_path / "mine") == {**pristine, "notes.txt": b"mine\n"}


def test_without_uv_nothing_is_written(machine: Machine, tmp_path: Path) -> None:
    # An environment of its own, so that no uv lies beside the Python that runs us.
    bare = tmp_path / "bare"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, timeout=60
    )
    work = tmp_path / "work"
    work.mkdir()
    blinds = "sys.base_prefix = sys.prefix\nsys.modules['uv'] = None"
    script = f"import sys\n{blinds}\nfrom pxl_pipeline.cli import main\nmain()\n"
    paths = os.pathsep.join(path for path in sys.path if path)

    done = machine.run(
        bare / "bin" / "python", "-c", script,
        *("init", "resize-images", "--type", "processing"),
        cwd=work,
        env={"PYTHONPATH": paths, "PATH": str(tmp_path / "nothing")},
    )  # fmt: skip

    assert done.returncode == 5, done.stderr
    assert "pip install uv" in _hint(done.stderr)
    assert list(work.iterdir()) == []


def test_an_installation_that_does_not_succeed_leaves_nothing(
    machine: Machine, tmp_path: Path
) -> None:
    # An empty cache and an address where nobody answers.
    done = machine.pxl_pipeline(
        *("init", "resize-images", "--type", "processing", "--output-dir", "deep/down"),
        cwd=tmp_path,
        env={
            "UV_CACHE_DIR": str(tmp_path / ".uv"),
            "UV_OFFLINE": "1",
        },
    )

    assert done.returncode == 1, done.stderr
    assert "uv could not install" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".uv"]


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        ((), "--type"),
        (("--type", "training"), "--model-name"),
    ],
)
def test_without_a_terminal_a_missing_answer_names_its_flag(
    machine: Machine, tmp_path: Path, arguments: tuple[str, ...], flag: str
) -> None:
    done = machine.pxl_pipeline("init", "tiles", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert _hint(done.stderr).startswith(flag)
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_what_is_missing_is_asked_for(machine: Machine, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(PROGRAM), "init", "tiles", "--no-install"],
        cwd=tmp_path,
        env={**os.environ, **machine.environment, "TERM": "dumb"},
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        os.write(ours, b"training\nmodel of mine\n")
        code = process.wait(60)
    os.close(ours)

    assert code == 0
    config = tomllib.loads((tmp_path / "tiles" / "config.toml").read_text())
    assert config["metadata"]["type"] == "TRAINING"
    assert config["model_version"]["origin_name"] == "model of mine"


def test_the_answers_about_a_model_stand_in_its_config(machine: Machine, tmp_path: Path) -> None:
    arguments = (
        *("init", "tiles", "--type", "training", "--no-install"),
        *("--model-name", "tiles", "--model-version-name", "v2"),
        *("--framework", "onnx", "--inference-type", "object_detection"),
    )

    assert machine.pxl_pipeline(*arguments, cwd=tmp_path).returncode == 0

    assert tomllib.loads((tmp_path / "tiles" / "config.toml").read_text())["model_version"] == {
        "name": "v2",
        "origin_name": "tiles",
        "framework": "ONNX",
        "inference_type": "OBJECT_DETECTION",
    }


def test_a_run_config_gives_the_id_of_the_model_version(machine: Machine, tmp_path: Path) -> None:
    run_config = tmp_path / "given.toml"
    run_config.write_text('[input.model_version]\nid = "0196a0ec-e802-775f-818a-4d3482f31d31"\n')
    arguments = ("--type", "training", "--no-install", "--run-config-file", run_config)

    assert machine.pxl_pipeline("init", "tiles", *arguments, cwd=tmp_path).returncode == 0

    config = tomllib.loads((tmp_path / "tiles" / "config.toml").read_text())
    assert config["model_version"]["id"] == "0196a0ec-e802-775f-818a-4d3482f31d31"
    run = tomllib.loads((tmp_path / "tiles" / "runs" / "run_config.toml").read_text())
    assert run["input"]["model_version"]["id"] == "0196a0ec-e802-775f-818a-4d3482f31d31"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--type", "nothing"), "one of processing, training"),
        (("--type", "training", "--template", "yolo"), "--template simple"),
        (("--type", "processing", "--model-name", "x"), "leave out the flags about a model"),
        (
            ("--type", "training", "--model-name", "x", "--framework", "caffe"),
            "one of NOT_CONFIGURED, ONNX, PYTORCH, TENSORFLOW",
        ),
    ],
)
def test_an_answer_that_cannot_be_is_refused_with_those_that_can(
    machine: Machine, tmp_path: Path, arguments: tuple[str, ...], hint: str
) -> None:
    done = machine.pxl_pipeline("init", "tiles", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert _hint(done.stderr).startswith(hint)
    assert list(tmp_path.iterdir()) == []


def test_the_place_of_the_templates_can_be_given_and_is_then_the_only_one(
    machine: Machine, edited: Released, tmp_path: Path
) -> None:
    arguments = ("init", "resize-images", "--type", "processing", "--no-install", "--json")

    found = machine.pxl_pipeline(
        *arguments, cwd=tmp_path, env={"PXL_TEMPLATES": str(edited.folder)}
    )
    nowhere = machine.pxl_pipeline(
        *arguments, "--force", cwd=tmp_path, env={"PXL_TEMPLATES": str(tmp_path)}
    )

    assert json.loads(found.stdout)["template_version"] == "v1.1.0"
    assert nowhere.returncode == 4


def test_requirements_txt_takes_the_place_of_the_lock(machine: Machine, tmp_path: Path) -> None:
    done = machine.pxl_pipeline(
        "init", "resize-images", "--type", "processing", "--no-use-pyproject", cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    folder = tmp_path / "resize-images"
    pins = (folder / "requirements.txt").read_text().splitlines()
    assert any(pin.startswith("picsellia-cv-engine==") for pin in pins)
    assert not (folder / "uv.lock").exists()
    machine.succeed(
        folder / ".venv" / "bin" / "python", "-c", "import picsellia_cv_engine", cwd=folder
    )


def test_an_interruption_while_installing_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    # A proxy that takes connections and never answers keeps uv busy until we interrupt.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        proxies = dict.fromkeys(("ALL_PROXY", "HTTPS_PROXY", "https_proxy"), proxy)
        empty = {"UV_CACHE_DIR": str(tmp_path / ".uv"), "NO_PROXY": "", "no_proxy": ""}
        with subprocess.Popen(
            [str(PROGRAM), "init", "mine",
             "--type", "processing"],
            cwd=tmp_path,
            env={**os.environ, **machine.environment, **empty, **proxies},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            connection, _ = silent.accept()
            assert (tmp_path / "mine" / "pipeline.py").is_file()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
            connection.close()

    assert process.returncode == 130, said
    assert [path.name for path in tmp_path.iterdir()] == [".uv"]
