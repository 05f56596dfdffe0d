"""The toolbox image: what its entry runs, as whom, and how it ends."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

import pxl_pipeline.cli.app
import pxl_toolbox

if TYPE_CHECKING:
    DockerCommand = Any


def test_an_option_alone_is_for_pxl_toolbox(docker: DockerCommand, toolbox_image: str) -> None:
    done = docker.run(toolbox_image, "--version")

    assert (done.code, done.out) == (0, f"pxl-toolbox {pxl_toolbox.__version__}\n")


@pytest.mark.parametrize("program", ["pxl-pipeline", "pxl-platform", "pxl-toolbox"])
def test_our_programs_are_there(docker: DockerCommand, toolbox_image: str, program: str) -> None:
    done = docker.run(toolbox_image, program, "--version")

    assert (done.code, done.out) == (0, f"{program} {pxl_toolbox.__version__}\n")


def test_every_command_of_pxl_pipeline_is_taken_as_a_first_word(
    docker: DockerCommand, toolbox_image: str
) -> None:
    done = docker.run(toolbox_image, "cat", "/opt/pxl-toolbox/commands")

    assert done.out.split() == [command.name for command in pxl_pipeline.cli.app.APP.commands]


@pytest.mark.parametrize("command", ["init", "test"])  # `test` is a program of the shell, too
def test_a_first_word_that_is_a_command_runs_pxl_pipeline(
    docker: DockerCommand, toolbox_image: str, command: str
) -> None:
    done = docker.run(toolbox_image, command, "--help")

    assert done.code == 0
    assert done.out.startswith(f"Usage: pxl-pipeline {command} ")


def test_any_other_program_runs_and_its_exit_code_passes(
    docker: DockerCommand, toolbox_image: str
) -> None:
    assert docker.run(toolbox_image, "sh", "-c", "exit 7").code == 7


def test_an_unknown_command_is_127(docker: DockerCommand, toolbox_image: str) -> None:
    done = docker.run(toolbox_image, "no-such-command")

    assert done.code == 127
    assert done.err.startswith("error: there is no command no-such-command\n")


def test_docker_stop_is_quick(docker: DockerCommand, toolbox_image: str) -> None:
    name = docker.start(toolbox_image, "sleep", "60")

    began = time.monotonic()
    docker("stop", name)

    assert time.monotonic() - began < 2
    assert docker.exit_code(name) == 143


def test_without_a_mount_the_user_is_pxl(docker: DockerCommand, toolbox_image: str) -> None:
    done = docker.run(toolbox_image, "sh", "-c", "id -un; pwd; touch made && echo ok")

    assert done.out.split() == ["pxl", "/workspace", "ok"]


def test_files_in_a_mounted_folder_belong_to_its_owner(
    docker: DockerCommand, toolbox_image: str
) -> None:
    volume = docker.volume()
    mount = ("--volume", f"{volume}:/workspace")
    # A file, because the engine gives an empty volume the owner that the image's folder has.
    script = "touch file && chown -R 1500:1600 ."
    docker.run(*mount, "--entrypoint", "sh", toolbox_image, "-c", script)

    done = docker.run(*mount, toolbox_image, "sh", "-c", "touch made $HOME/.config/kept; ls -ln")

    assert done.code == 0, done.err
    assert [line.split()[2:4] for line in done.out.splitlines()[1:]] == [["1500", "1600"]] * 2


def test_a_new_volume_for_the_cache_belongs_to_the_caller(
    docker: DockerCommand, toolbox_image: str
) -> None:
    work, cache = docker.volume(), docker.volume()
    script = "touch file && chown -R 1500:1600 ."
    docker.run("-v", f"{work}:/workspace", "--entrypoint", "sh", toolbox_image, "-c", script)
    mounts = ("-v", f"{work}:/workspace", "-v", f"{cache}:/home/pxl/.cache")

    first = docker.run(*mounts, toolbox_image, "touch", "/home/pxl/.cache/one")
    second = docker.run(*mounts, toolbox_image, "touch", "/home/pxl/.cache/two")

    assert (first.code, second.code) == (0, 0), first.err + second.err


def test_a_user_that_the_image_does_not_know_has_a_home_to_write(
    docker: DockerCommand, toolbox_image: str
) -> None:
    done = docker.run("--user", "1234:1234", toolbox_image, "sh", "-c", "touch $HOME/x; echo $HOME")

    assert (done.code, done.out) == (0, "/tmp/home-1234\n"), done.err  # noqa: S108


def test_a_folder_of_another_owner_is_safe_for_git(
    docker: DockerCommand, toolbox_image: str
) -> None:
    script = "git init -q . && chown -R 1500 . && setpriv --reuid 1600 --clear-groups git status"
    done = docker.run("--entrypoint", "sh", toolbox_image, "-c", script)

    assert done.code == 0, done.err


def test_the_templates_are_found_by_their_logical_address(
    docker: DockerCommand, toolbox_image: str
) -> None:
    done = docker.run(toolbox_image, "git", "ls-remote", "--tags", "pxl://templates/pipeline.git")

    assert done.code == 0, done.err
    assert "refs/tags/" in done.out


def test_the_docker_client_speaks_to_a_mounted_engine_and_can_build(
    docker: DockerCommand, toolbox_image: str
) -> None:
    volume = docker.volume()
    words = ("--volume", "/var/run/docker.sock:/var/run/docker.sock", "--volume", f"{volume}:/b")
    script = (
        "printf 'FROM scratch\\nCOPY f /' > Dockerfile && touch f && docker build -q --output o ."
    )
    done = docker.run(*words, "--workdir", "/b", toolbox_image, "sh", "-c", script)

    assert done.code == 0, done.err


def test_certificates_of_the_callers_network_are_trusted(
    docker: DockerCommand, toolbox_image: str
) -> None:
    volume = docker.volume()
    mount = ("--volume", f"{volume}:/run/extra-ca")
    docker.run(*mount, "--entrypoint", "sh", toolbox_image, "-c", "echo MARK > /run/extra-ca/x.crt")

    done = docker.run(*mount, toolbox_image, "sh", "-c", "cat $SSL_CERT_FILE $PIP_CERT")

    assert done.out.count("MARK\n") == 2, done.err


def test_the_label_makes_the_image_a_dev_container(
    docker: DockerCommand, toolbox_image: str
) -> None:
    label = '{{ index .Config.Labels "devcontainer.metadata" }}'
    found = json.loads(docker("image", "inspect", "--format", label, toolbox_image).out)

    assert found == [{"remoteUser": "pxl", "updateRemoteUserUID": True}]


def test_our_programs_start_from_bytecode(docker: DockerCommand, toolbox_image: str) -> None:
    script = (
        "find /opt/toolbox/lib -name '*.py' -path '*pxl_*' | wc -l;"
        "find /opt/toolbox/lib -name '*.pyc' -path '*pxl_*' | wc -l"
    )
    sources, compiled = docker.run(toolbox_image, "sh", "-c", script).out.split()

    assert sources == compiled
