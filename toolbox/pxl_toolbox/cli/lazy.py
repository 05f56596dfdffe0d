"""Typer apps whose commands are imported when they are run.

Importing every command costs what the slowest of them imports; a table of names
and one-line helps is enough for `--help` and for completion.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import Any

import typer

from pxl_toolbox.core.errors import ExitCode


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command by name; `target` is `module:function`."""

    name: str
    target: str
    help: str


@dataclass(frozen=True, slots=True)
class LazyApp:
    """A program with commands.

    `about` is the first paragraph of its help, `version` what `--version` prints.
    """

    program: str
    about: str
    version: str
    commands: tuple[LazyCommand, ...]

    def __call__(self) -> None:
        """Run the command that the process was started with.

        Raises:
            SystemExit: with the exit code, where typer ends the program itself.
        """
        self._build(_first_word())(prog_name=self.program)

    def _build(self, wanted: str | None) -> typer.Typer:
        app = typer.Typer(
            help=self.about,
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        app.callback()(self._top_level())
        for command in self.commands:
            if command.name == wanted:
                loaded = _load(command.target)
                if isinstance(loaded, typer.Typer):
                    app.add_typer(loaded, name=command.name, short_help=command.help)
                else:
                    app.command(command.name, short_help=command.help)(loaded)
            else:
                app.command(command.name, help=command.help)(_not_run)
        return app

    def _top_level(self) -> Any:
        def show_version(value: bool) -> None:  # noqa: FBT001  (typer's callback)
            if value:
                typer.echo(f"{self.program} {self.version}")
                raise typer.Exit(ExitCode.OK)

        def top_level(
            version: bool = typer.Option(  # noqa: FBT001
                False, "--version", help="Print the version.", callback=show_version, is_eager=True
            ),
        ) -> None:
            del version

        top_level.__doc__ = self.about
        return top_level


def _first_word() -> str | None:
    """The command that was typed; a shell that asks for completions gives it by variable."""
    typed = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS")
    words = typed.split()[1:] if typed else sys.argv[1:]
    return next((word for word in words[:1] if not word.startswith("-")), None)


def _not_run() -> None:
    raise AssertionError("a command that was not asked for was run")


def _load(target: str) -> Any:
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)
