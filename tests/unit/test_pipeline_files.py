"""config.toml, run configs, versions, and what goes into an image."""

from pathlib import Path
from uuid import uuid4

import pytest

from pxl_pipeline.api import image
from pxl_pipeline.api.declarations import Declarations, InputDeclaration
from pxl_pipeline.api.pipeline import Pipeline, Target, find, load
from pxl_pipeline.api.run_config import RunConfig
from pxl_pipeline.api.runs import Runs
from pxl_pipeline.api.version import Bump, bumped, floating_tag
from pxl_toolbox.core.errors import ConfigError, ConflictError, NotFoundError, UsageError
from pxl_toolbox.store.credentials import Context, Environment

CONFIG = """\
[metadata]
name = "tiles"
version = "1.0"
description = "cuts tiles"
type = "DATASET_VERSION_CREATION"

[execution]
pipeline_script = "pipeline.py"
requirements_file = "pyproject.toml"
parameters_class = "parameters.py:ProcessingParameters"

[docker]
image_name = ""
image_tag = ""
"""
LOCAL = Context(
    organization="My Lab", env=Environment.LOCAL, host="http://localhost:8000", token="tok"
)


def make(folder: Path, config: str = CONFIG) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(config)
    for name in ("pipeline.py", "parameters.py", "pyproject.toml"):
        (folder / name).write_text(f"# {name}\n")
    (folder / "Dockerfile").write_text("ARG BASE=base:1\nFROM ${BASE}\nCOPY . .\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "tiles")


def edited(folder: Path, old: str, new: str) -> Path:
    config = folder / "config.toml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    return folder


# config.toml


def test_a_config_is_read_into_values(folder: Path) -> None:
    pipeline = load(folder)

    assert (pipeline.name, pipeline.version, pipeline.cpu, pipeline.gpu) == ("tiles", "1.0", 4, 0)
    assert pipeline.target is Target.DATASET_VERSION


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('type = "DATASET', 'type = "X', r"config\.toml:5: metadata\.type: there is no type"),
        ('name = "tiles"\n', "", r"config\.toml:1: metadata\.name: the key is missing"),
        ('name = "tiles"', "name = 7", r"config\.toml:2: metadata\.name: must be a string, not 7"),
        ("[execution]", "[exec]", r"execution: the section is missing"),
        ('"pipeline.py"', '"no.py"', r"config\.toml:8: execution\.pipeline_script: .*no\.py"),
        (":ProcessingParameters", "", r"config\.toml:10: .*is not FILE:CLASS"),
        ('image_tag = ""', "cpu = -1", r"config\.toml:14: docker\.cpu: -1 is below 0"),
        ("[docker]", "[docker", r"config\.toml:12: not TOML"),
    ],
)
def test_a_wrong_config_names_file_line_and_key(
    folder: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(edited(folder, old, new))


def test_a_version_may_be_left_out(folder: Path) -> None:
    assert load(edited(folder, 'version = "1.0"\n', "")).version == "0.1.0"


TRAINING = CONFIG.replace("DATASET_VERSION_CREATION", "TRAINING")
MODEL = '\n[model_version]\norigin_name = "m"\nname = "v1"\nframework = "onnx"\n'


def test_a_training_names_its_model_version(tmp_path: Path) -> None:
    (model,) = load(make(tmp_path / "t", TRAINING + MODEL)).models

    assert (model.origin_name, model.framework, model.inference_type) == (
        "m", "ONNX", "NOT_CONFIGURED",
    )  # fmt: skip


def test_both_forms_of_models_at_once_are_refused(tmp_path: Path) -> None:
    several = MODEL.replace("[model_version]", "[[model_versions]]")

    with pytest.raises(ConfigError, match="only one of them may"):
        load(make(tmp_path / "t", TRAINING + MODEL + several))


def test_of_equal_rows_the_last_wins(tmp_path: Path) -> None:
    row = MODEL.replace("[model_version]", "[[model_versions]]")

    (model,) = load(make(tmp_path / "t", TRAINING + row + row.replace("onnx", "PYTORCH"))).models

    assert model.framework == "PYTORCH"


# Finding a pipeline


def test_a_pipeline_is_found_by_name_below_the_folder(tmp_path: Path) -> None:
    made = make(tmp_path / "team" / "tiles")

    assert find("tiles", below=tmp_path) == made


def test_an_environment_or_repository_holds_no_pipelines(tmp_path: Path) -> None:
    make(tmp_path / ".venv" / "tiles")
    make(tmp_path / ".git" / "tiles")

    with pytest.raises(NotFoundError):
        find("tiles", below=tmp_path)


def test_two_of_a_name_are_listed(tmp_path: Path) -> None:
    make(tmp_path / "a" / "tiles")
    make(tmp_path / "b" / "tiles")

    with pytest.raises(ConflictError, match="a/tiles, b/tiles"):
        find("tiles", below=tmp_path)


def test_a_slip_of_the_pen_is_pointed_at(folder: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        find("tilse", below=folder.parent)

    assert caught.value.hint == "did you mean tiles?"


def test_inside_its_folder_the_name_may_be_left_out(folder: Path) -> None:
    (folder / "deep").mkdir()

    assert find(None, below=folder / "deep") == folder


def test_elsewhere_it_may_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pipeline was named"):
        find(None, below=tmp_path)


# Versions


@pytest.mark.parametrize(
    ("version", "bump", "expected"),
    [
        ("1.0", "patch", "1.0.1"),
        ("1.0.1", "rc", "1.0.2-rc"),
        ("1.0.2-rc", "rc", "1.0.3-rc"),
        ("1.0.3-rc", "final", "1.0.3"),
        ("1.0.3", "minor", "1.1.0"),
        ("1.1.0", "major", "2.0.0"),
    ],
)
def test_versions_rise_as_those_of_the_peer(version: str, bump: str, expected: str) -> None:
    assert bumped(version, Bump(bump)) == expected


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'latest' is not a version"):
        bumped("latest", Bump.PATCH)


def test_release_candidates_float_apart() -> None:
    assert (floating_tag("1.0.1"), floating_tag("1.0.1-rc")) == ("latest", "test")


# Run configs


RUN = """\
override_outputs = true
[job]
type = "DATASET_VERSION_CREATION"
[input.dataset_version]
id = "ID"
[output.dataset_version]
name = "out"
[parameters]
size = 3
"""


def run_config(folder: Path, text: str) -> RunConfig:
    path = folder / "run_config.toml"
    path.write_text(text.replace("ID", str(uuid4())))
    return RunConfig.read(path, load(folder))


def test_the_resolved_config_has_defaults_below_what_was_written(folder: Path) -> None:
    declared = Declarations(
        {"size": 1, "blur": 2.0},
        (InputDeclaration(name="note", input_type="TEXT", required=False),),
    )

    data = run_config(folder, RUN).resolved(context=LOCAL, declared=declared, working_dir="/w")

    assert data["parameters"] == {"size": 3, "blur": 2.0}
    assert data["inputs"] == {"note": ""}
    assert data["run"] == {"working_dir": "/w"}
    assert data["auth"]["organization_name"] == "My Lab"
    assert "tok" not in str(data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"ID"', '"not-an-id"', r"run_config\.toml:5: .*'not-an-id' is not an id"),
        ('"ID"', '""', r"names no dataset version to work on"),
        ('type = "DATASET_VERSION_CREATION"', 'type = "TRAINING"', r":3: job\.type: is 'TRAINING'"),
        ("[parameters]\nsize = 3", "", ""),
        ("= true", '= "yes"', r":1: override_outputs: must be true or false"),
    ],
)
def test_a_wrong_run_config_names_file_line_and_key(
    folder: Path, old: str, new: str, message: str
) -> None:
    if not message:
        assert run_config(folder, RUN.replace(old, new)).parameters == {}
        return
    with pytest.raises(ConfigError, match=message):
        _ = run_config(folder, RUN.replace(old, new)).target_id


def test_the_short_form_of_a_target_counts_too(folder: Path) -> None:
    id_ = str(uuid4())

    assert run_config(folder, f'target_id = "{id_}"\n').target_id == id_


# Runs


def test_runs_are_numbered_and_the_latest_config_is_used_again(folder: Path) -> None:
    runs = Runs(folder)
    for number in range(11):
        (runs.new() / "run_config.toml").write_text(f"n = {number}\n")

    latest = runs.latest()
    assert latest is not None
    assert latest.name == "run11"
    assert runs.config_to_use(None) == latest / "run_config.toml"
    assert runs.open(reuse=True) == latest


def test_a_run_config_that_is_missing_is_told(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="no run config"):
        Runs(folder).config_to_use(folder / "none.toml")


# Images


def key(folder: Path) -> str:
    return image.content_key(load(folder), {"base:1": "sha256:ab"}, "r/p/tiles")


def test_a_deploy_of_its_own_marks_does_not_change_the_key(folder: Path) -> None:
    before = key(folder)

    edited(folder, '"1.0"', '"1.0.1"')
    edited(folder, 'image_tag = ""', 'image_tag = "1.0.1"')

    assert key(folder) == before


@pytest.mark.parametrize("name", ["pipeline.py", "new.py", "Dockerfile", "pyproject.toml"])
def test_a_changed_source_changes_the_key(folder: Path, name: str) -> None:
    before = key(folder)

    (folder / name).write_text("FROM base:1\n")

    assert key(folder) != before


def test_what_no_image_holds_does_not_change_the_key(folder: Path) -> None:
    (folder / ".dockerignore").write_text("# not for the image\nREADME.md\n*.log\n")
    before = key(folder)

    for name in ("README.md", "a.log", ".venv/x", "logs/x", "runs/run1/x", ".git/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")

    assert key(folder) == before


def test_patterns_of_dockerignore_are_relative_to_the_root(folder: Path) -> None:
    (folder / ".dockerignore").write_text("data.txt\n**/*.tmp\n")
    (folder / "sub").mkdir()
    for name in ("data.txt", "sub/data.txt", "sub/a.tmp"):
        (folder / name).touch()

    names = {path.relative_to(folder).as_posix() for path in image.context_files(folder)}

    assert "data.txt" not in names
    assert "sub/a.tmp" not in names
    assert "sub/data.txt" in names


def test_the_base_is_read_with_its_default(folder: Path) -> None:
    assert image.bases(load(folder)) == ["base:1"]


def test_the_embedded_registry_is_the_default_of_the_embedded_platform(folder: Path) -> None:
    assert image.name_for(load(folder), LOCAL) == "localhost:5000/my-lab/tiles"


def test_elsewhere_an_image_needs_a_name(folder: Path) -> None:
    prod = Context(organization="o", env=Environment.PROD, host="https://h.test", token="tok")

    with pytest.raises(UsageError, match=r"docker\.image_name: is empty"):
        image.name_for(load(folder), prod)


@pytest.mark.parametrize("name", ["UPPER/case", "has a/space", "localhost:5000/a/b:1.0"])
def test_a_wrong_image_name_is_told(folder: Path, name: str) -> None:
    pipeline: Pipeline = load(edited(folder, 'image_name = ""', f'image_name = "{name}"'))

    with pytest.raises(ConfigError, match=r"docker\.image_name"):
        image.name_for(pipeline, LOCAL)
