"""copier: the one module that imports it, and only when a template is rendered.

Importing copier takes half a second and no other command needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxl_toolbox.adapters.git import mapping_environment
from pxl_toolbox.core.errors import ConfigError, UnavailableError

Answer = str | bool


class TemplateUnreadable(UnavailableError):
    """git could not read the template's repository, or is not there."""

    def __init__(self, template: Template, reason: str) -> None:
        super().__init__(
            f"git could not read the template {template.address} from {template.place}\n{reason}",
            hint=f"git ls-remote {template.place}   (it needs git 2.27 or later)",
        )


class TemplateFailed(ConfigError):
    """copier refused: an answer, the template, or the state of the project."""

    def __init__(self, template: Template, reason: str) -> None:
        super().__init__(
            f"the template {template.address} could not be applied\n{reason}",
            hint="change what the lines above name, then run the command again",
        )


@dataclass(frozen=True, slots=True)
class Template:
    """A template by the address that projects record, and where this machine has it.

    `address` is `git+pxl://templates/NAME.git`; `place` is a bare repository or a bundle.
    """

    address: str
    place: Path

    @property
    def url(self) -> str:
        return self.address.removeprefix("git+")


def copy(
    template: Template, target: Path, answers: Mapping[str, Answer], *, version: str | None = None
) -> str:
    """Render a template into the folder `target`, which is made if it is missing.

    Args:
        template: what to render.
        target: the folder; a file of the same name in it is replaced.
        answers: to the template's questions; a question left out takes its default.
        version: a tag of the template; None takes the newest.

    Returns:
        The version that was rendered.

    Raises:
        TemplateUnreadable: the repository is not there or not readable.
        TemplateFailed: an answer is not valid, or the template is wrong.
    """
    with _speaking_for(template):
        from copier import run_copy

        worker = run_copy(
            template.address,
            target,
            dict(answers),
            vcs_ref=version,
            defaults=True,
            overwrite=True,
            quiet=True,
        )
        return _version(worker)


def render_folder(source: Path, target: Path, answers: Mapping[str, Answer]) -> None:
    """Render a template that is not released yet: a plain folder, without a version."""
    with _speaking_for(Template(str(source), source)):
        from copier import run_copy

        run_copy(str(source), target, dict(answers), defaults=True, overwrite=True, quiet=True)


def update(template: Template, project: Path, *, version: str | None = None) -> str:
    """Merge a newer version of its template into a project that lies in git.

    Conflicts are left in the files as git leaves them, and copier calls that a success:
    the caller looks for them (`Worktree.unmerged`).

    Args:
        template: what the project was made from.
        project: the folder with `.copier-answers.yml`, everything committed.
        version: a tag of the template; None takes the newest.

    Returns:
        The version that the project has now.

    Raises:
        TemplateUnreadable: the repository is not there or not readable.
        TemplateFailed: the project is not in git, has uncommitted edits, or is newer.
    """
    with _speaking_for(template):
        from copier import run_update

        worker = run_update(
            project,
            vcs_ref=version,
            defaults=True,
            overwrite=True,
            quiet=True,
            conflict="inline",
        )
        return _version(worker)


def _version(worker: Any) -> str:
    return str(worker.template.commit or "")


@contextmanager
def _speaking_for(template: Template) -> Iterator[None]:
    """Let copier's git find the template, and turn what copier raises into our errors."""
    from copier.errors import CopierError
    from plumbum import local
    from plumbum.commands.processes import (
        CommandNotFound,
        ProcessExecutionError,
    )

    try:
        # plumbum, by which copier runs git, keeps an environment of its own.
        with local.env(**mapping_environment({template.url: template.place})):
            yield
    except ProcessExecutionError as error:
        raise TemplateUnreadable(template, str(error.stderr).strip()) from error
    except CommandNotFound as error:
        raise TemplateUnreadable(template, "the program git is not on PATH") from error
    except (CopierError, ValueError) as error:
        raise TemplateFailed(template, str(error)) from error
