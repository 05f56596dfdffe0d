"""git: where templates come from, and the repositories they are released into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pxl_toolbox.adapters.process import Command, Completed, LocalRunner, Runner
from pxl_toolbox.core.errors import UnavailableError

_LIMIT_S = 60.0


class GitFailed(UnavailableError):
    """git ended with an error that nobody here expected."""

    def __init__(self, command: Command, done: Completed) -> None:
        super().__init__(
            f"`{command}` ended with code {done.code}\n{done.tail()}",
            hint=f"run it by hand in {command.cwd}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who made a commit, and when (RFC 3339). Data, so that the commit id can be repeated."""

    name: str
    email: str
    date: str

    def environment(self) -> dict[str, str]:
        return {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", self.name), ("EMAIL", self.email), ("DATE", self.date))
        }


def mapping_environment(addresses: Mapping[str, Path]) -> dict[str, str]:
    """Variables that make git read `addresses` from places on this machine.

    They last as long as the process that has them, and nothing is written to any git
    configuration. The places are declared safe: whoever packaged them may own them.

    Source:
        git-config(1): GIT_CONFIG_COUNT, `url.<base>.insteadOf`, `safe.directory`.
    """
    settings: list[tuple[str, str]] = []
    for address, place in addresses.items():
        settings.append((f"url.{place}.insteadOf", address))
        settings.append(("safe.directory", str(place)))
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


@dataclass(frozen=True, slots=True)
class Worktree:
    """A folder that may lie in a git repository with a work tree."""

    folder: Path
    runner: Runner = field(default_factory=LocalRunner)

    def changes(self) -> tuple[str, ...]:
        """What below the folder is not committed: lines of `git status --porcelain`."""
        done = _must(self.runner, self.folder, "status", "--porcelain", "--", ".")
        return tuple(done.out.splitlines())

    def unmerged(self) -> tuple[str, ...]:
        """Paths, relative to the folder, that hold conflicts."""
        done = _must(
            self.runner, self.folder, "diff", "--name-only", "--diff-filter=U", "--relative"
        )
        return tuple(done.out.splitlines())


@dataclass(frozen=True, slots=True)
class BareRepository:
    """A repository without a work tree, written by plumbing: no hooks, no user's settings."""

    folder: Path
    runner: Runner = field(default_factory=LocalRunner)

    def create(self) -> None:
        """Make the repository; one that is there is left as it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "HEAD").is_file():
            _must(self.runner, self.folder, "init", "--quiet", "--bare", "--initial-branch=main")

    def tags(self) -> tuple[str, ...]:
        """The names of all tags."""
        return tuple(_must(self.runner, self.folder, "tag", "--list").out.split())

    def tree_of(self, source: Path, index: Path) -> str:
        """Store every file below `source`; return the tree's id. `index` is a scratch file."""
        environment = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(source)}
        _must(self.runner, self.folder, "add", "--all", "--force", ".", env=environment)
        return _must(self.runner, self.folder, "write-tree", env=environment).out.strip()

    def commit(self, tree: str, *, message: str, parent: str | None, by: Signature) -> str:
        """Make a commit of `tree` after `parent`; return its id."""
        after = ("-p", parent) if parent else ()
        arguments = ("commit-tree", tree, *after, "-m", message)
        return _must(self.runner, self.folder, *arguments, env=by.environment()).out.strip()

    def point(self, ref: str, commit: str) -> None:
        """Make the full `ref` (`refs/tags/v1`) name `commit`."""
        _must(self.runner, self.folder, "update-ref", ref, commit)

    def bundle(self, target: Path) -> None:
        """Write every branch and tag into one file that git can clone from."""
        _must(
            self.runner,
            self.folder,
            *("-c", "pack.threads=1", "bundle", "create", "--quiet", str(target), "--all"),
        )


def _must(
    runner: Runner, folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Completed:
    command = _command(folder, arguments, env or {})
    done = runner.run(command)
    if done.code != 0:
        raise GitFailed(command, done)
    return done


def _command(folder: Path, arguments: tuple[str, ...], env: Mapping[str, str]) -> Command:
    # A hook that runs us hands its own repository down; ours is always `folder`.
    inherited = dict.fromkeys(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"))
    return Command(
        argv=("git", *arguments), cwd=folder, timeout_s=_LIMIT_S, env={**inherited, **env}
    )
