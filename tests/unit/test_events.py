"""One run of events, told by all three renderers."""

import io
import json
from collections.abc import Callable

import pytest

from pxl_toolbox.cli.render import Style, renderer
from pxl_toolbox.core.errors import UserCodeFailed
from pxl_toolbox.core.events import Emit, Event, Finished, step


def work(emit: Emit) -> None:
    with step(emit, "build", "demo:1") as running:
        running.log("layer one")
        running.progress(5_000_000, 10_000_000, "bytes")
        running.outcome = "sha256:ab"
    with step(emit, "run") as running:
        running.log("epoch 1")
        running.ok = False


def told(style: Style, *, verbose: bool = False) -> str:
    stream = io.StringIO()
    work(renderer(style, stream, verbose=verbose))
    return stream.getvalue()


def without_times(text: str) -> list[str]:
    return [line.replace("0.0 s", "T") for line in text.splitlines()]


def test_plain_lines_hold_what_matters_and_no_control_codes() -> None:
    text = told(Style.PLAIN)

    assert without_times(text) == [
        "build: demo:1",
        "build done in T: sha256:ab",
        "run …",
        "run | epoch 1",
        "run not done in T",
    ]
    assert "\033" not in text


def test_plain_lines_hold_every_log_line_when_verbose() -> None:
    assert "build | layer one" in told(Style.PLAIN, verbose=True)


def test_the_terminal_gets_a_bar_that_the_next_line_clears() -> None:
    text = told(Style.TERMINAL)

    assert "\r\033[K  build 5.0 of 10.0 MB" in text
    assert "\r\033[K\033[32m✓\033[0m build done" in text
    assert "\033[31m✗\033[0m run not done" in text


def test_a_terminal_without_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\033[3" not in told(Style.TERMINAL)


def test_json_lines_hold_every_event() -> None:
    rows = [json.loads(line) for line in told(Style.JSON).splitlines()]

    assert [row["event"] for row in rows] == [
        "started", "log", "progress", "finished", "started", "log", "finished",
    ]  # fmt: skip
    assert rows[2] == {
        "event": "progress", "step": "build", "done": 5_000_000, "total": 10_000_000,
        "unit": "bytes",
    }  # fmt: skip


def test_without_a_terminal_auto_is_plain() -> None:
    assert without_times(told(Style.AUTO)) == without_times(told(Style.PLAIN))


def test_a_step_that_raises_is_not_done_and_its_error_tells_why() -> None:
    events: list[Event] = []

    def fails() -> None:
        with step(events.append, "push"):
            raise UserCodeFailed("no", hint="yes")

    raises(fails)

    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.ok, last.outcome) == (False, "")


def raises(function: Callable[[], None]) -> None:
    with pytest.raises(UserCodeFailed):
        function()
