"""Ours beside picsellia-pipelines-cli 0.7.6, in one run on one machine.

    python benchmarks/run.py [--runs 7] [--out build/benchmarks]

Needs what `make setup templates images` makes. Both tools speak to one embedded platform
and push to one registry, both started here on ports of their own where they allow it (the
peer's LOCAL is port 8000, so that one has to be free or the embedded platform's). The cases
of one table are interleaved; the figure is the median, in milliseconds, and the ratio ours
over the peer's. Results go to results.json and, as a table, to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pxl_toolbox.adapters import docker_build, uv
from pxl_toolbox.adapters.docker_build import BuildRequest
from pxl_toolbox.adapters.files import write_atomically
from pxl_toolbox.adapters.process import Command, LocalRunner, checked
from pxl_toolbox.core.events import ignore
from pxl_toolbox.store.settings import local_platform_file

REPOSITORY = Path(__file__).parents[1]
OURS = Path(sys.executable).parent
RUNNER = LocalRunner()
_LIMIT_S = 900.0
_INIT = ("--type", "processing", "--template", "dataset_version_creation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Medians of one case in milliseconds, and the goal for ours over the peer's."""

    case: str
    ours_ms: float
    peer_ms: float
    goal: float

    @property
    def ratio(self) -> float:
        return self.ours_ms / self.peer_ms


@dataclass(frozen=True, slots=True)
class Bench:
    """The two tools, each with a home of its own."""

    folder: Path
    peer_bin: Path
    docker_folder: Path
    runs: int

    def ours(self, *argv: str, cwd: Path) -> None:
        self._run((str(OURS / "pxl-pipeline"), *argv), cwd, "ours")

    def peer(self, *argv: str, cwd: Path) -> None:
        self._run((str(self.peer_bin / "pxl-pipeline"), *argv), cwd, "peer")

    def _run(self, argv: tuple[str, ...], cwd: Path, who: str) -> None:
        home = self.folder / who
        path = f"{self.docker_folder}:{uv.find().parent}:{os.environ['PATH']}"
        # Both write bytecode, and both find the packages that uv has fetched before.
        cache = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
        checked(
            RUNNER,
            Command(
                argv=argv,
                cwd=cwd,
                timeout_s=_LIMIT_S,
                env={
                    "HOME": str(home),
                    "XDG_CONFIG_HOME": str(home / ".config"),
                    "PATH": path,
                    "UV_CACHE_DIR": cache,
                    "DOCKER_BUILDKIT": "1",
                    "PYTHONDONTWRITEBYTECODE": None,
                },
            ),
        )

    def compare(
        self, case: str, goal: float, ours: Callable[[int], None], peer: Callable[[int], None]
    ) -> Row:
        """Time both in turn; the first round warms up and does not count."""
        times: dict[str, list[float]] = {"ours": [], "peer": []}
        for number in range(self.runs + 1):
            for who, do in (("ours", ours), ("peer", peer)):
                began = time.perf_counter()
                do(number)
                if number:
                    times[who].append((time.perf_counter() - began) * 1000)
        row = Row(
            case=case,
            ours_ms=statistics.median(times["ours"]),
            peer_ms=statistics.median(times["peer"]),
            goal=goal,
        )
        print(_line(row), flush=True)
        return row


def measure(bench: Bench) -> list[Row]:
    here = bench.folder
    rows = [
        bench.compare(
            "--help", 1 / 5,
            lambda _: bench.ours("--help", cwd=here), lambda _: bench.peer("--help", cwd=here),
        ),
    ]  # fmt: skip
    _log_in(bench)
    rows.append(
        bench.compare(
            "whoami (ours with --offline; the peer never asks)", 1 / 5,
            lambda _: bench.ours("whoami", "--offline", cwd=here),
            lambda _: bench.peer("whoami", cwd=here),
        )
    )  # fmt: skip
    folders = {who: _fresh(here / f"init-{who}") for who in ("ours", "peer")}
    rows.append(
        bench.compare(
            "init, warm cache", 1 / 6,
            lambda n: bench.ours("init", f"tiles_{n}", *_INIT, cwd=folders["ours"]),
            lambda n: bench.peer("init", f"tiles_{n}", *_INIT, cwd=folders["peer"]),
        )
    )  # fmt: skip
    deploys = _deployed_twice(bench, folders["ours"] / "tiles_0")
    rows.append(
        bench.compare(
            "deploy, unchanged pipeline", 1 / 5,
            lambda _: bench.ours("deploy", "tiles", cwd=deploys["ours"]),
            lambda _: bench.peer("deploy", "tiles", "--bump", "patch", cwd=deploys["peer"]),
        )
    )  # fmt: skip
    return rows


def _deployed_twice(bench: Bench, source: Path) -> dict[str, Path]:
    """One pipeline, a copy for each tool, under names of their own, deployed once."""
    places = {}
    for who in ("ours", "peer"):
        folder = _fresh(bench.folder / f"deploy-{who}") / "tiles"
        shutil.copytree(source, folder, symlinks=True)
        config = folder / "config.toml"
        text = config.read_text().replace('name = "tiles_0"', f'name = "bench-{who}"')
        image = f'image_name = "localhost:5000/local/bench-{who}"'
        config.write_text(text.replace('image_name = ""', image))
        places[who] = folder.parent
    bench.ours("deploy", "tiles", "--bump", "patch", cwd=places["ours"])
    _warm_layers(places["peer"] / "tiles")
    # The peer refuses a registry for which Docker's config holds no login.
    docker_config = bench.folder / "peer" / ".docker" / "config.json"
    docker_config.parent.mkdir(parents=True, exist_ok=True)
    docker_config.write_text('{"auths": {"localhost:5000": {}}}')
    return places


def _warm_layers(pipeline: Path) -> None:
    """Build once what the peer will build: it cannot pass the certificates that we pass."""
    bundle = os.environ.get("SSL_CERT_FILE", "")
    request = BuildRequest(
        context=pipeline,
        dockerfile=pipeline / "Dockerfile",
        tags=(),
        secrets={"extra_ca": Path(bundle)} if bundle else {},
        timeout_s=_LIMIT_S,
    )
    docker_build.build(RUNNER, docker_build.find_builder(RUNNER), request, ignore)


def _log_in(bench: Bench) -> None:
    local = tomllib.loads(local_platform_file().read_text())
    login = ("login", "--organization", local["organization"], "--env", "LOCAL")
    # A made-up token of this machine's own platform; the peer takes it in no other way.
    bench.peer(*login, "--token", local["token"], cwd=bench.folder)
    bench.ours(*login, "--token", local["token"], cwd=bench.folder)


def _peer_environment(folder: Path) -> Path:
    """The peer in an environment of its own, compiled as pip would have it."""
    place = folder / "environment"
    program = uv.Uv(uv.find())
    program.venv(folder, environment=place)
    wanted = REPOSITORY / "requirements" / "peer.txt"
    argv = (str(program.program), "pip", "sync", "--quiet", "--compile-bytecode")
    arguments = ("--require-hashes", "--python", str(place), str(wanted))
    checked(RUNNER, Command(argv=(*argv, *arguments), cwd=folder, timeout_s=_LIMIT_S))
    return place / "bin"


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _line(row: Row) -> str:
    met = "met" if row.ratio <= row.goal else "NOT met"
    return (
        f"| {row.case} | {row.ours_ms:.0f} | {row.peer_ms:.0f} | 1/{1 / row.ratio:.1f} |"
        f" 1/{1 / row.goal:.0f}, {met} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "benchmarks")
    arguments = parser.parse_args()
    out: Path = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    checked(
        RUNNER,
        Command(argv=(str(OURS / "pxl-toolbox"), "up"), cwd=out, timeout_s=_LIMIT_S),
    )
    peer_bin = _peer_environment(out)
    print("| case | ours, ms | peer, ms | ratio | goal |\n| --- | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory(prefix="pxl-bench-") as folder:
        docker_folder = Path(docker_build.find_builder(RUNNER).program).parent
        bench = Bench(Path(folder), peer_bin, docker_folder, arguments.runs)
        rows = measure(bench)
    results = [asdict(row) | {"ratio": row.ratio} for row in rows]
    write_atomically(out / "results.json", json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
