"""A template prepared when it was released: one file, rendered without copier and git.

Importing copier and cloning a template take as long as the rest of a scaffold together.
What is rendered here is byte for byte what copier renders; a test holds both against
each other. Updates need the template's history and go through copier.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from pxl_toolbox.core.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import Environment

Answer = str | bool

_ANSWERS_FILE = ".copier-answers.yml"
_SUFFIX = ".jinja"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a template; `default` and `when` are Jinja texts or plain values."""

    name: str
    default: Answer
    when: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A released template: its version (a tag), its questions in order, its files by path.

    `subfolder` is the Jinja text of the folder that is rendered.
    """

    version: str
    subfolder: str
    questions: tuple[Question, ...]
    files: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `text` wrote.

        Raises:
            ConfigError: the file is not one of ours.
        """
        try:
            data = json.loads(path.read_text())
            return cls(
                version=data["version"],
                subfolder=data["subfolder"],
                questions=tuple(Question(**question) for question in data["questions"]),
                files=data["files"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path} is not a prepared template: {error}", hint="make templates"
            ) from error

    def text(self) -> str:
        """The file to keep it in."""
        questions = [
            {"name": one.name, "default": one.default, "when": one.when} for one in self.questions
        ]
        return json.dumps(
            {
                "version": self.version,
                "subfolder": self.subfolder,
                "questions": questions,
                "files": dict(self.files),
            }
        )


def render(template: Prepared, target: Path, given: Mapping[str, Answer], *, address: str) -> None:
    """Render a template into the folder `target`, which is made.

    Args:
        template: what to render.
        target: a folder that is not there yet.
        given: answers, which the caller has checked; others take their defaults.
        address: what the project records as its template's source.
    """
    environment = _environment(template.files)
    answers, recorded = _answers(template, environment, given)
    values: dict[str, object] = {
        **answers,
        "_copier_answers": {"_commit": template.version, "_src_path": address, **recorded},
        "_copier_conf": {"answers_file": _ANSWERS_FILE},
    }
    root = PurePosixPath(_filled(environment, template.subfolder, values))
    for name, content in template.files.items():
        path = PurePosixPath(name)
        if path.is_relative_to(root):
            relative = str(path.relative_to(root))
            filled = _filled(environment, relative.removesuffix(_SUFFIX), values)
            if filled.rpartition("/")[2]:  # a name that comes to nothing leaves the file out
                is_template = relative.endswith(_SUFFIX)
                text = environment.get_template(name).render(values) if is_template else content
                _write(target / filled, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _answers(
    template: Prepared, environment: Environment, given: Mapping[str, Answer]
) -> tuple[dict[str, Answer], dict[str, Answer]]:
    """All answers, and those of them that a project records."""
    answers: dict[str, Answer] = {}
    recorded: dict[str, Answer] = {}
    for question in template.questions:
        asked = _is_true(environment, question.when, answers)
        if asked and question.name in given:
            value = given[question.name]
        elif isinstance(question.default, str):
            value = _filled(environment, question.default, answers)
        else:
            value = question.default
        answers[question.name] = value
        if asked:
            recorded[question.name] = value
    return answers, recorded


def _is_true(environment: Environment, when: Answer, answers: Mapping[str, Answer]) -> bool:
    if isinstance(when, bool):
        return when
    return _filled(environment, when, answers).strip().lower() in {"true", "yes", "1"}


def _filled(environment: Environment, text: str, values: Mapping[str, object]) -> str:
    return environment.from_string(text).render(values) if "{" in text else text


def _environment(files: Mapping[str, str]) -> Environment:
    from jinja2 import DictLoader, Environment

    # What it renders are files of code, not web pages: nothing is to be escaped.
    environment = Environment(  # noqa: S701
        loader=DictLoader(files), keep_trailing_newline=True
    )
    environment.filters["to_json"] = json.dumps
    environment.filters["to_nice_yaml"] = _nice_yaml
    return environment


def _nice_yaml(value: Mapping[str, Answer]) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(value), indent=4, allow_unicode=True)
    return text
