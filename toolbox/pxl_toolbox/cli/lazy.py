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

from pxl_toolbox.core.errors import ExitCode, UsageError

# Typer keeps click to itself: its errors are found as what a known one of them is.
_CLICK_ERROR: type[Any] = typer.BadParameter.__mro__[2]


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
            UsageError: it does not exist, or its arguments are wrong.
            SystemExit: with the exit code that the command chose.
        """
        try:
            code = self._build(_first_word())(prog_name=self.program, standalone_mode=False)
        except typer.Abort:
            raise UsageError("no answer was given", hint="answer, or give the flag") from None
        except _CLICK_ERROR as error:
            raise self._usage_error(error) from None
        if isinstance(code, int):
            sys.exit(code)

    def _usage_error(self, error: Any) -> UsageError:
        """What click found wrong, told as all our errors are."""
        context: Any = getattr(error, "ctx", None)
        command = context.command_path if context is not None else self.program
        if context is not None and type(error).__name__ == "NoArgsIsHelpError":
            print(context.get_help(), file=sys.stderr)
            return UsageError("no command was given", hint=f"{command} COMMAND --help")
        message = error.format_message().strip().rstrip(".")
        return UsageError(message[:1].lower() + message[1:], hint=f"{command} --help")

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
