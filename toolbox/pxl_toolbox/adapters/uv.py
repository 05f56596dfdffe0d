"""uv: environments, locks and installs of a user's project."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pxl_toolbox.adapters.process import Command, Completed, LocalRunner, OnLine, Runner
from pxl_toolbox.core.errors import UnavailableError, UserCodeFailed

_INSTALL_LIMIT_S = 1800.0  # a first install may fetch gigabytes (torch)
_LOCK_LIMIT_S = 600.0
_LOCAL_LIMIT_S = 60.0

# An environment that is active around us is ours, not that of the project we work on.
_NOT_INHERITED: dict[str, str | None] = {"VIRTUAL_ENV": None, "UV_PROJECT_ENVIRONMENT": None}


class UvMissing(UnavailableError):
    """There is no uv on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "uv is not installed, and a pipeline's environment is made by it",
            hint="pip install uv   (or leave the environment out with --no-install)",
        )


class UvFailed(UserCodeFailed):
    """uv did not do what it was asked: a dependency, an index or a disk is in its way."""

    def __init__(self, what: str, folder: Path, done: Completed) -> None:
        super().__init__(
            f"uv could not {what} (code {done.code})\n{done.tail()}",
            hint=f"see what uv says above; {folder / 'pyproject.toml'} names the dependencies",
        )


def find() -> Path:
    """The uv to use: beside our Python or its base, of the package `uv`, or on PATH.

    Raises:
        UvMissing: there is none.
    """
    # First those beside a Python: on PATH it may be a version manager's script, which
    # takes a tenth of a second each time to find the same file.
    for beside in (Path(sys.executable).parent, Path(sys.base_prefix, "bin")):
        if (beside / "uv").is_file():
            return beside / "uv"
    if importlib.util.find_spec("uv") is not None:
        uv = importlib.import_module("uv")
        try:
            return Path(uv.find_uv_bin())
        except FileNotFoundError:
            pass  # the package is there without its program; one on PATH will do
    on_path = shutil.which("uv")
    if on_path is None:
        raise UvMissing
    return Path(on_path)


@dataclass(frozen=True, slots=True)
class Uv:
    """The program uv. Each method raises `UvFailed` where uv ends with an error."""

    program: Path
    runner: Runner = field(default_factory=LocalRunner)

    def sync_frozen(
        self, folder: Path, on_line: OnLine | None = None, *, environment: Path | None = None
    ) -> None:
        """Install exactly what `uv.lock` in `folder` says into `environment`, else its `.venv`."""
        self._run(
            "install the locked dependencies",
            folder,
            ("sync", "--frozen"),
            on_line=on_line,
            environment=environment,
        )

    def sync(
        self, folder: Path, on_line: OnLine | None = None, *, environment: Path | None = None
    ) -> None:
        """As `sync_frozen`, after bringing `uv.lock` up to date where pyproject.toml has changed.

        An index is asked only for what the lock does not settle.
        """
        self._run(
            "install the dependencies", folder, ("sync",), on_line=on_line, environment=environment
        )

    def lock(self, folder: Path, *, cutoff: str | None = None) -> None:
        """Resolve `pyproject.toml` of `folder` into `uv.lock`.

        Args:
            folder: the project.
            cutoff: RFC 3339 moment; later uploads are not considered. The index has to
                tell upload times, or uv finds nothing.
        """
        limit = ("--exclude-newer", cutoff) if cutoff else ()
        self._run("lock the dependencies", folder, ("lock", *limit), timeout_s=_LOCK_LIMIT_S)

    def export(self, folder: Path) -> str:
        """The lock of `folder` as the text of a requirements.txt, every version fixed."""
        arguments = ("export", "--frozen", "--no-emit-project", "--no-hashes")
        quiet = ("--no-annotate", "--no-header")
        done = self._run("export the lock", folder, (*arguments, *quiet), timeout_s=_LOCAL_LIMIT_S)
        return done.out

    def venv(self, folder: Path, *, environment: Path | None = None) -> None:
        """Make an empty `environment`, else `.venv` in `folder`, or leave the one that is there."""
        place = environment or folder / ".venv"
        if not (place / "pyvenv.cfg").is_file():
            arguments = ("venv", "--no-project", str(place))
            self._run(f"make {place.name}", folder, arguments, timeout_s=_LOCAL_LIMIT_S)

    def install_requirements(
        self,
        folder: Path,
        on_line: OnLine | None = None,
        *,
        file: str = "requirements.txt",
        environment: Path | None = None,
    ) -> None:
        """Install a requirements file of `folder` into `environment`, else its `.venv`."""
        place = str(environment or ".venv")
        arguments = ("pip", "install", "--python", place, "--requirement", file)
        self._run(f"install {file}", folder, arguments, on_line=on_line)

    def _run(
        self,
        what: str,
        folder: Path,
        arguments: tuple[str, ...],
        *,
        timeout_s: float = _INSTALL_LIMIT_S,
        on_line: OnLine | None = None,
        environment: Path | None = None,
    ) -> Completed:
        place = {"UV_PROJECT_ENVIRONMENT": str(environment)} if environment else {}
        command = Command(
            argv=(str(self.program), *arguments),
            cwd=folder,
            timeout_s=timeout_s,
            env={**_NOT_INHERITED, **place},
        )
        done = self.runner.run(command, on_line)
        if done.code != 0:
            raise UvFailed(what, folder, done)
        return done
