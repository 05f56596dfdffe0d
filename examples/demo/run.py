"""The main job, from an empty folder to launched jobs, by the commands that a user types.

    python examples/demo/run.py [--out DIR]     run it; the report is DIR/report.json
    python examples/demo/run.py --down          stop what the demo and the set-up started

Every step is a real command against the real engine, registry and platform, or a check of
what came out. The exit code is 1 if any step did not do what it says.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import data
from edits import resize_and_blur

from pxl_toolbox import __version__
from pxl_toolbox.adapters.docker import connect as connect_docker
from pxl_toolbox.adapters.files import write_atomically
from pxl_toolbox.adapters.process import Command, LocalRunner
from pxl_toolbox.core.errors import ToolboxError
from pxl_toolbox.store.settings import local_platform_file
from pxl_toolbox.store.toml_file import TomlValue, set_values

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PROCESSING = "resize-blur"
TRAINING = "texture-classifier"
_STEP_LIMIT_S = 900.0
_SHOWN_LINES = 12


class StepFailed(Exception):
    """A step did not do what it says; the report tells which."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    name: str
    command: str
    seconds: float
    ok: bool


@dataclass(slots=True)
class Demo:
    """Runs the steps, shows them, and keeps the report."""

    out: Path
    platform_port: int = 8000
    registry_port: int = 5000
    steps: list[StepRecord] = field(default_factory=list)
    jobs: list[dict[str, str]] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.out / "work"

    def command(
        self, name: str, *argv: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> str:
        """Run a command as a user would; returns its stdout."""
        shown = " ".join(argv)
        with self._step(name, shown) as outcome:
            done = LocalRunner().run(
                Command(
                    argv=argv,
                    cwd=cwd or self.work,
                    timeout_s=_STEP_LIMIT_S,
                    env={**self._environment(), **(env or {})},
                )
            )
            lines = (done.err + done.out).splitlines()
            for line in lines[-_SHOWN_LINES:]:
                print(f"    {line}")
            outcome.append(done.code == 0)
        if done.code != 0:
            raise StepFailed(name)
        return done.out

    def check(self, name: str, what: str, do: Callable[[], str]) -> None:
        """Check a result; `do` returns what it found, or raises."""
        with self._step(name, what) as outcome:
            print(f"    {do()}")
            outcome.append(True)

    def write_report(self) -> None:
        report = {
            "steps": [asdict(one) for one in self.steps],
            "jobs": self.jobs,
            "images": self.images,
        }
        write_atomically(self.out / "report.json", json.dumps(report, indent=2) + "\n")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            # The demo logs in; the login that the user has stays theirs.
            "XDG_CONFIG_HOME": str(self.out / "config"),
            "PXL_REGISTRY": self.registry,
        }

    @property
    def registry(self) -> str:
        return f"localhost:{self.registry_port}"

    @contextmanager
    def _step(self, name: str, command: str) -> Iterator[list[bool]]:
        print(f"\n$ {command}" if not name.startswith("check") else f"  check: {command}")
        began = time.monotonic()
        outcome: list[bool] = []
        try:
            yield outcome
        finally:
            took_s = round(time.monotonic() - began, 2)
            self.steps.append(StepRecord(name, command, took_s, ok=outcome == [True]))


def run(demo: Demo) -> None:
    shutil.rmtree(demo.work, ignore_errors=True)
    demo.work.mkdir(parents=True)
    _start(demo)
    client = _client()
    demo.command("login", "pxl-pipeline", "login", "--env", "LOCAL")
    _processing(demo, client)
    _training(demo, client)
    _from_the_image(demo, client)
    with connect_docker() as docker:
        for name in ("pxl-runner", "pxl-toolbox"):
            image = docker.image(f"{name}:{__version__}")
            demo.images[name] = image.id if image else ""


def _start(demo: Demo) -> None:
    ports = ("--platform-port", demo.platform_port, "--registry-port", demo.registry_port)
    demo.command("up", "pxl-toolbox", "up", *map(str, ports))
    seed = data.write(demo.out / "data")
    demo.command("dataset", "pxl-platform", "seed", str(seed))


def _client() -> Any:
    from checks import connect

    local = tomllib.loads(local_platform_file().read_text())
    return connect(local["host"], local["organization"], local["token"])


def _processing(demo: Demo, client: Any) -> None:
    from checks import processed_version

    name, folder = PROCESSING, demo.work / PROCESSING
    demo.command(
        f"init {name}",
        *("pxl-pipeline", "init", name, "--type", "processing"),
        *("--template", "dataset_version_creation"),
    )
    demo.check(f"edit {name}", "steps: resize to a half, blur, scale the boxes",
               lambda: resize_and_blur(folder))  # fmt: skip
    _take_the_way(
        demo,
        name,
        lambda verb: {
            ("input", "dataset_version", "id"): data.PHOTOS_ID,
            ("output", "dataset_version", "name"): f"demo-{verb}",
        },
        lambda verb: processed_version(client, f"demo-{verb}", demo.out / "checks"),
    )


def _training(demo: Demo, client: Any) -> None:
    from checks import save_model_and_confusion, trained_experiment

    name, folder = TRAINING, demo.work / TRAINING
    project = "demo-textures"
    demo.command(
        f"init {name}",
        *("pxl-pipeline", "init", name, "--type", "training", "--template", "simple"),
        *("--model-name", "demo-textures", "--model-version-name", "v1"),
    )
    _take_the_way(
        demo,
        name,
        lambda verb: {
            ("input", "train_dataset_version", "id"): data.TILES_IDS["train"],
            ("input", "validation_dataset_version", "id"): data.TILES_IDS["val"],
            ("input", "test_dataset_version", "id"): data.TILES_IDS["test"],
            ("output", "experiment", "name"): f"demo-{verb}",
            ("output", "experiment", "project_name"): project,
            ("hyperparameters", "epochs"): 4,
        },
        lambda verb: trained_experiment(client, project, f"demo-{verb}"),
    )
    results = demo.out / "checks" / "model"
    save_model_and_confusion(client, project, "demo-launch", results)
    demo.command(
        f"check model {name}",
        *(".venv/bin/python", str(Path(__file__).with_name("check_model.py"))),
        *(str(results), "640"),
        cwd=folder,
    )


def _take_the_way(
    demo: Demo,
    name: str,
    settings: Callable[[str], dict[tuple[str, ...], TomlValue]],
    check: Callable[[str], str],
) -> None:
    """test, smoke-test, then deploy and launch; what each of them made is checked."""
    config = demo.work / name / "runs" / "run_config.toml"
    for verb in ("test", "smoke-test", "launch"):
        set_values(config, settings(verb))
        if verb == "launch":
            _deploy(demo, name)
            _launch(demo, name, config)
        else:
            arguments = (name, "--run-config-file", str(config))
            demo.command(f"{verb} {name}", "pxl-pipeline", verb, *arguments)
        demo.check(f"check {verb} {name}", f"what {verb} made", partial(check, verb))


def _from_the_image(demo: Demo, client: Any) -> None:
    """The same from the toolbox image, as CI does it; an edit makes a new version necessary."""
    from checks import processed_version

    folder = demo.work / PROCESSING
    config = folder / "runs" / "run_config.toml"
    steps = folder / "utils" / "processing.py"
    steps.write_text(steps.read_text() + "\n# Deployed from the toolbox image.\n")
    set_values(config, {("output", "dataset_version", "name"): "demo-image"})
    local = tomllib.loads(local_platform_file().read_text())
    # Secrets by name: the value is in the environment and on no command line.
    env = {
        "PXL_API_TOKEN": local["token"],
        "PXL_ORGANIZATION": local["organization"],
        "PXL_ENV": "LOCAL",
        "PXL_HOST": local["host"],
        "PXL_REGISTRY": demo.registry,
    }
    certificates = os.environ.get("SSL_CERT_FILE", "")
    extra_ca = ("-v", f"{certificates}:/run/extra-ca/host.crt:ro") if certificates else ()
    box = (
        *("docker", "run", "--rm", "--network", "host"),
        *("-v", "/var/run/docker.sock:/var/run/docker.sock"),
        *("-v", f"{folder}:/workspace", "-v", "pxl-toolbox-cache:/home/pxl/.cache"),
        *extra_ca,
        *(word for name in env for word in ("-e", name)),
        "pxl-toolbox",
    )
    output = demo.command(f"image deploy {PROCESSING}", *box, "deploy", "--json", env=env)
    _note_deploy(demo, output, "image")
    output = demo.command(
        f"image launch {PROCESSING}",
        *box,
        *("launch", "--run-config-file", "runs/run_config.toml", "--wait", "--json"),
        env=env,
    )
    _note_job(demo, output, "processing from the image")
    demo.check(
        "check image launch", "the dataset version demo-image",
        lambda: processed_version(client, "demo-image", demo.out / "checks"),
    )  # fmt: skip


def _deploy(demo: Demo, name: str) -> None:
    output = demo.command(
        f"deploy {name}", "pxl-pipeline", "deploy", name, "--bump", "patch", "--json"
    )
    _note_deploy(demo, output, name)


def _launch(demo: Demo, name: str, config: Path) -> None:
    output = demo.command(
        f"launch {name}",
        *("pxl-pipeline", "launch", name, "--run-config-file", str(config)),
        *("--follow", "--json"),
    )
    _note_job(demo, output, "training" if name == TRAINING else "processing")


def _note_deploy(demo: Demo, output: str, name: str) -> None:
    report = json.loads(output)
    if report["state"] != "deployed":
        raise StepFailed(f"deploy {name}: {report['state']}")
    demo.images[report["image"]] = report["digest"]


def _note_job(demo: Demo, output: str, kind: str) -> None:
    job = json.loads(output)
    demo.jobs.append({"id": job["id"], "kind": kind, "state": job["state"]})
    if job["state"] != "SUCCEEDED":
        raise StepFailed(f"job {job['id']} is {job['state']}")


def _summary(demo: Demo, took_s: float) -> None:
    done = sum(step.ok for step in demo.steps)
    print(f"\n{done} of {len(demo.steps)} steps did what they say, in {took_s:.0f} s")
    for job in demo.jobs:
        print(f"  job {job['id']}  {job['kind']:26} {job['state']}")
    for step in demo.steps:
        if not step.ok:
            print(f"  NOT DONE: {step.name}: {step.command}")
    print(f"  report: {demo.out / 'report.json'}")


def _down(out: Path) -> int:
    demo = Demo(out)
    out.mkdir(parents=True, exist_ok=True)
    demo.command("down", "pxl-toolbox", "down", cwd=out)
    demo.command("engine", "pxl-toolbox", "engine", "stop", cwd=out)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "demo")
    parser.add_argument("--platform-port", type=int, default=8000)
    parser.add_argument("--registry-port", type=int, default=5000)
    parser.add_argument("--down", action="store_true", help="stop what was started")
    arguments = parser.parse_args()
    out: Path = arguments.out.absolute()
    if arguments.down:
        return _down(out)
    demo = Demo(out, arguments.platform_port, arguments.registry_port)
    began = time.monotonic()
    try:
        run(demo)
    except (StepFailed, ToolboxError, Exception) as error:  # noqa: BLE001  (told, and in the report)
        print(f"\nerror: {type(error).__name__}: {error}", file=sys.stderr)
        if all(step.ok for step in demo.steps):
            demo.steps.append(StepRecord(str(error), "", 0.0, ok=False))
    out.mkdir(parents=True, exist_ok=True)
    demo.write_report()
    _summary(demo, time.monotonic() - began)
    return 0 if all(step.ok for step in demo.steps) else 1


if __name__ == "__main__":
    sys.exit(main())
