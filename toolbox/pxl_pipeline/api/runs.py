"""The folders `runs/runN` of a pipeline: one for each local run, with its config and outcome."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pxl_toolbox.core.errors import NotFoundError

RUN_CONFIG = "run_config.toml"
_RUN = re.compile(r"run(\d+)")


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of the pipeline in `folder`."""

    folder: Path

    def numbered(self) -> list[Path]:
        """The run folders, oldest first."""
        root = self.folder / "runs"
        if not root.is_dir():
            return []
        found = [(match, path) for path in root.iterdir() if (match := _RUN.fullmatch(path.name))]
        return [path for match, path in sorted(found, key=lambda pair: int(pair[0][1]))]

    def latest(self) -> Path | None:
        return next(reversed(self.numbered()), None)

    def new(self) -> Path:
        """Make the next run folder; two processes never get the same one."""
        latest = self.latest()
        number = int(latest.name[3:]) + 1 if latest else 1
        while True:
            path = self.folder / "runs" / f"run{number}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
            else:
                return path

    def open(self, *, reuse: bool) -> Path:
        """The folder for a run: the latest where it is to be used again, else a new one."""
        latest = self.latest() if reuse else None
        return latest or self.new()

    def config_to_use(self, given: Path | None) -> Path:
        """The run config for a run: the one given, else the latest run's, else the template's.

        Raises:
            NotFoundError: there is none.
        """
        if given is not None:
            if not given.is_file():
                raise NotFoundError(
                    f"there is no run config {given}", hint="give the path of a TOML file"
                )
            return given
        latest = [run / RUN_CONFIG for run in self.numbered() if (run / RUN_CONFIG).is_file()]
        candidates = (*latest[-1:], self.folder / "runs" / RUN_CONFIG)
        for candidate in candidates:
            if candidate.is_file():
                return candidate
        raise NotFoundError(
            f"{self.folder}/runs holds no {RUN_CONFIG}", hint="give one with --run-config-file"
        )
