"""Questions, on a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Platform, Tiny, User


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, user: User, *argv: str) -> None:
        self.shown = ""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(user.work)
            os.execvpe(argv[0], argv, {**user.environment(), "TERM": "xterm"})

    def expect(self, pattern: str, limit_s: float = 15) -> None:
        """Read until the pattern was shown since the last answer."""
        deadline = time.monotonic() + limit_s
        while not re.search(pattern, self.shown):
            ready, _, _ = select.select([self._terminal], [], [], 0.1)
            if ready:
                self.shown += os.read(self._terminal, 65536).decode(errors="replace")
            assert time.monotonic() < deadline, f"{pattern!r} was not shown: {self.shown!r}"

    def answer(self, text: str) -> None:
        self.shown = ""
        os.write(self._terminal, f"{text}\n".encode())

    def end(self, limit_s: float = 15) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + limit_s
        try:
            while time.monotonic() < deadline:
                ready, _, _ = select.select([self._terminal], [], [], 0.1)
                if ready:
                    self.shown += os.read(self._terminal, 65536).decode(errors="replace")
        except OSError:
            pass  # Linux says so when the other end is closed
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._terminal)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


def test_login_asks_for_what_is_missing_and_hides_the_token(
    user: User, platform: Platform, terminals: list[Terminal]
) -> None:
    terminal = Terminal(user, "pxl-pipeline", "login")
    terminals.append(terminal)

    terminal.expect(r"Environment \[PROD\]: ")
    terminal.answer("custom")
    terminal.expect("URL of the platform: ")
    terminal.answer(platform.host)
    terminal.expect("Organization: ")
    terminal.answer(platform.organization)
    terminal.expect("API token: ")
    terminal.answer(platform.token)

    assert terminal.end() == 0
    assert "logged in to local on CUSTOM" in terminal.shown
    assert platform.token not in terminal.shown


def test_switch_picks_from_a_list(
    member: User, platform: Platform, terminals: list[Terminal]
) -> None:
    member.pxl(
        *("login", "-e", "CUSTOM", "--host", platform.host, "-o", "other team", "--token", "-"),
        stdin="tok-of-the-other-team",
    )
    terminal = Terminal(member, "pxl-pipeline", "switch")
    terminals.append(terminal)

    terminal.expect("1  local on CUSTOM")
    terminal.expect("Number: ")
    terminal.answer("1")

    assert terminal.end() == 0
    assert "now local on CUSTOM" in terminal.shown


def test_ctrl_c_at_a_question_is_an_interruption(user: User, terminals: list[Terminal]) -> None:
    terminal = Terminal(user, "pxl-pipeline", "login")
    terminals.append(terminal)
    terminal.expect("Environment")

    os.write(terminal._terminal, b"\x03")

    assert terminal.end() == 130
    assert "\r\nerror: interrupted" in re.sub(r"\x1b\[[\d;]*m", "", terminal.shown)


def test_deploy_asks_how_to_raise_the_version(
    member: User, tiny: Tiny, registry: str, terminals: list[Terminal]
) -> None:
    tiny.edit("config.toml", 'image_name = ""', f'image_name = "{registry}/tests/asked"')
    terminal = Terminal(member, "pxl-pipeline", "deploy", "tiny", "--dry-run")
    terminals.append(terminal)

    terminal.expect(r"raise it by patch, minor, major, rc, final \[patch\]: ")
    terminal.answer("minor")

    assert terminal.end() == 0
    assert "1.1.0" in terminal.shown
