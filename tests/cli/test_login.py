"""login, whoami, switch and logout, against a real platform."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.cli.conftest import Platform, User


def log_in(user: User, platform: Platform, token: str) -> subprocess.CompletedProcess[str]:
    return user.pxl(
        *("login", "--env", "CUSTOM", "--host", platform.host, "--token", "-"),
        *("--organization", platform.organization),
        stdin=token,
    )


def test_on_the_machine_of_the_platform_nothing_is_asked(user: User, platform: Platform) -> None:
    # The platform's owner has its login in their state folder.
    env = {"XDG_STATE_HOME": str(platform.home / "state")}

    done = user.pxl("login", "--env", "LOCAL", env=env)

    assert done.returncode == 0, done.stderr
    assert f"logged in to local on LOCAL ({platform.host})" in done.stdout
    assert user.pxl("whoami", env=env).returncode == 0


def test_a_token_from_stdin_is_enough(user: User, platform: Platform) -> None:
    assert log_in(user, platform, platform.token).returncode == 0

    shown = json.loads(user.pxl("whoami", "--json").stdout)

    assert (shown["organization"], shown["host"]) == (platform.organization, platform.host)
    assert platform.token not in json.dumps(shown)


def test_the_environment_is_enough_without_a_login(user: User, platform: Platform) -> None:
    env = {
        "PXL_API_TOKEN": platform.token,
        "PXL_ORGANIZATION": platform.organization,
        "PXL_ENV": "CUSTOM",
        "PXL_HOST": platform.host,
    }

    assert user.pxl("whoami", env=env).returncode == 0


def test_an_organization_may_have_a_space(user: User, platform: Platform) -> None:
    done = user.pxl(
        *("login", "-e", "CUSTOM", "--host", platform.host, "-o", "other team", "--token", "-"),
        stdin="tok-of-the-other-team",
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(user.pxl("whoami", "--json").stdout)["organization"] == "other team"


def test_a_wrong_token_is_refused_and_the_login_in_use_stays(
    member: User, platform: Platform
) -> None:
    done = log_in(member, platform, "tok-wrong-tok-wrong")

    assert done.returncode == 6
    assert done.stderr.startswith(f"error: {platform.host} refused the API token")
    assert "tok-wrong" not in done.stderr
    assert member.pxl("whoami").returncode == 0


def test_after_a_wrong_token_the_right_one_works(user: User, platform: Platform) -> None:
    log_in(user, platform, "tok-wrong-tok-wrong")

    assert log_in(user, platform, platform.token).returncode == 0


def test_an_expired_token_is_refused(user: User, platform: Platform) -> None:
    made = user.run(
        *("pxl-platform", "token", "create", "--organization", "local", "--expires", "1s"),
        env={"XDG_DATA_HOME": str(platform.home / "data")},
    )
    assert made.returncode == 0, made.stderr
    time.sleep(1.2)

    done = log_in(user, platform, made.stdout.strip())

    assert done.returncode == 6
    assert "wrong or has expired" in done.stderr


def test_an_unknown_organization_is_told(user: User, platform: Platform) -> None:
    done = user.pxl(
        *("login", "-e", "CUSTOM", "--host", platform.host, "-o", "nobody", "--token", "-"),
        stdin=platform.token,
    )

    assert done.returncode == 4
    assert "has no organization 'nobody'" in done.stderr


def test_without_a_terminal_the_missing_flag_is_named(user: User, platform: Platform) -> None:
    done = user.pxl("login", "--env", "CUSTOM", "--host", platform.host)

    assert done.returncode == 2
    assert "--token - or PXL_API_TOKEN" in done.stderr
    assert user.pxl("login", "--env", "CUSTOM", "--token", "-", stdin="t").returncode == 2


def test_a_token_on_the_command_line_is_warned_of(user: User, platform: Platform) -> None:
    done = user.pxl(
        *("login", "-e", "CUSTOM", "--host", platform.host, "-o", platform.organization),
        *("--token", platform.token),
    )

    assert done.returncode == 0
    assert "seen by everybody" in done.stderr


@pytest.fixture
def silent_host() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(server.accept()[0])
            except OSError:
                return  # closed

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def test_a_platform_that_never_answers_is_told_in_three_seconds(
    user: User, silent_host: str
) -> None:
    env = {"PXL_API_TOKEN": "tok-some-token", "PXL_ORGANIZATION": "o", "PXL_ENV": "CUSTOM"}
    began = time.monotonic()

    done = user.pxl("whoami", env={**env, "PXL_HOST": silent_host})

    assert done.returncode == 5
    assert silent_host in done.stderr
    assert time.monotonic() - began < 3


def test_a_platform_that_is_not_there_is_told_with_the_way_to_start_one(user: User) -> None:
    env = {"PXL_API_TOKEN": "tok-some-token", "PXL_ORGANIZATION": "o", "PXL_ENV": "CUSTOM"}

    done = user.pxl("whoami", env={**env, "PXL_HOST": "http://127.0.0.1:9"})

    assert done.returncode == 5
    assert "no platform answers at http://127.0.0.1:9 (connection refused)" in done.stderr
    assert "pxl-toolbox up" in done.stderr


def test_switch_goes_back_to_a_saved_login(member: User, platform: Platform) -> None:
    member.pxl(
        *("login", "-e", "CUSTOM", "--host", platform.host, "-o", "other team", "--token", "-"),
        stdin="tok-of-the-other-team",
    )

    done = member.pxl("switch", "--organization", platform.organization)

    assert done.returncode == 0, done.stderr
    assert json.loads(member.pxl("whoami", "--json").stdout)["organization"] == "local"


def test_switch_to_what_was_never_saved_is_refused(member: User) -> None:
    done = member.pxl("switch", "--organization", "nobody")

    assert done.returncode == 4
    assert "no saved login for nobody" in done.stderr


def test_after_logout_a_command_says_how_to_log_in(member: User) -> None:
    assert member.pxl("logout").returncode == 0

    done = member.pxl("whoami")

    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == "error: not logged in\n  try: pxl-pipeline login\n"


def test_offline_whoami_needs_no_platform(user: User, member: User) -> None:
    shown = json.loads(member.pxl("whoami", "--offline", "--json").stdout)

    assert "username" not in shown
    assert shown["token"].startswith("sha256:")


def test_a_host_that_is_no_platform_is_told(user: User, registry: str) -> None:
    done = user.pxl(
        *("login", "-e", "CUSTOM", "--host", f"http://{registry}", "-o", "o", "--token", "-"),
        stdin="tok-some-token",
    )

    assert done.returncode == 5
    assert "what answers there is no platform" in done.stderr
