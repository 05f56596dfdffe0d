"""TOML files: errors name file, line and key; edits keep comments and order."""

from pathlib import Path

import pytest

from pxl_toolbox.core.errors import ConfigError, NotFoundError
from pxl_toolbox.store.toml_file import TomlFile, set_values

TEXT = """\
# of the pipeline
[metadata]
name = "tiles"   # shown on the platform
version = "1.0"

[docker]
cpu = "four"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    return path


def test_a_syntax_error_names_its_line(path: Path) -> None:
    path.write_text('[metadata]\nname = "tiles\n')

    with pytest.raises(ConfigError, match=r"config\.toml:2: not TOML") as caught:
        TomlFile.read(path)

    assert "edit line 2" in caught.value.hint


def test_a_wrong_type_names_line_key_and_value(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml:7: docker\.cpu: .*whole number.*'four'"):
        TomlFile.read(path).optional(int, "docker", "cpu")


def test_true_is_not_a_number(path: Path) -> None:
    path.write_text("[docker]\ncpu = true\n")

    with pytest.raises(ConfigError, match="whole number, not True"):
        TomlFile.read(path).optional(int, "docker", "cpu")


def test_a_missing_key_points_at_its_section(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml:2: metadata\.type: the key is missing"):
        TomlFile.read(path).required(str, "metadata", "type")


def test_a_missing_section_is_told_with_the_way_to_add_it(path: Path) -> None:
    with pytest.raises(ConfigError, match="the section is missing") as caught:
        TomlFile.read(path).required(str, "execution", "pipeline_script")

    assert "[execution]" in caught.value.hint


def test_a_section_that_is_a_value_is_not_walked_into(path: Path) -> None:
    path.write_text('metadata = "tiles"\n')

    with pytest.raises(ConfigError):
        TomlFile.read(path).required(str, "metadata", "name")


def test_a_file_that_is_not_there_is_not_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        TomlFile.read(tmp_path / "none.toml")


def test_bytes_that_are_not_utf8_are_told(path: Path) -> None:
    path.write_bytes(b'name = "\xff"')

    with pytest.raises(ConfigError, match="not UTF-8"):
        TomlFile.read(path)


def test_a_byte_order_mark_and_crlf_are_read(path: Path) -> None:
    path.write_bytes(b'\xef\xbb\xbf[metadata]\r\nname = "tiles"\r\n')

    assert TomlFile.read(path).required(str, "metadata", "name") == "tiles"


def test_an_edit_changes_its_value_alone(path: Path) -> None:
    set_values(path, {("metadata", "version"): "1.0.1"})

    assert path.read_text() == TEXT.replace('"1.0"', '"1.0.1"')


def test_an_edit_adds_what_is_missing_at_the_end(path: Path) -> None:
    set_values(path, {("docker", "gpu"): 1, ("extra", "note"): "x"})

    assert path.read_text() == TEXT + 'gpu = 1\n\n[extra]\nnote = "x"\n'


def test_an_edit_of_a_broken_file_leaves_it_as_it_is(path: Path) -> None:
    path.write_text("[metadata\n")

    with pytest.raises(ConfigError):
        set_values(path, {("metadata", "version"): "2"})

    assert path.read_text() == "[metadata\n"
