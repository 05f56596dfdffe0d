"""The image that ours are built on: Debian's own, or one made of Debian's packages."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from pxl_toolbox.adapters.docker import BuildRequest, Docker, PullRefused
from pxl_toolbox.adapters.process import Command, CommandFailed, Runner, checked
from pxl_toolbox.box import debian
from pxl_toolbox.core.errors import UnavailableError
from pxl_toolbox.core.events import Emit, ignore, step

BASE_IMAGE = "pxl-base:bookworm"
_OFFICIAL = "debian:bookworm-slim"
_RELEASE = "bookworm"
_SUITES = frozenset({_RELEASE, f"{_RELEASE}-updates", f"{_RELEASE}-security"})
_MAKE_LIMIT_S = 900.0
_LEFT_OUT = ("doc", "man", "locale", "info")  # 40 MB that nobody reads in a container
_FORMAT = "$(REPO_URI) $(RELEASE) $(COMPONENT)"


class BaseNotMade(UnavailableError):
    """No base image could be fetched, nor made."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"no base image: {why}",
            hint=f"where a registry answers: docker pull {_OFFICIAL} "
            f"&& docker tag {_OFFICIAL} {BASE_IMAGE}",
        )


def ensure(
    engine: Docker, runner: Runner, emit: Emit, *, sources: Path, rebuild: bool = False
) -> str:
    """Make sure that the engine has the base image, and return its name.

    Debian's official image is fetched where its registry answers. Where it does not, the
    same is made by mmdebstrap from the packages that this machine's apt is set up with.

    Args:
        engine: where the image is to be.
        runner: runs apt-get and mmdebstrap.
        emit: told about each step.
        sources: the folder `image/base` with its Dockerfile.
        rebuild: make it again, for Debian's security updates.

    Raises:
        PackagesMissing: mmdebstrap is missing, and we may not install it.
        BaseNotMade: it ended with an error, or this machine's apt knows no such Debian.
    """
    if rebuild or engine.image(BASE_IMAGE) is None:
        try:
            engine.pull(_OFFICIAL, ignore)
        except PullRefused:
            _make(engine, runner, emit, sources)
        else:
            engine.tag(_OFFICIAL, BASE_IMAGE)
    return BASE_IMAGE


def _make(engine: Docker, runner: Runner, emit: Emit, sources: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        debian.install(runner, emit, ("mmdebstrap",), what_for="a base image without a registry")
    with tempfile.TemporaryDirectory(prefix="pxl-base-") as folder:
        tree = Path(folder) / "rootfs.tar"
        with step(emit, "base", f"no registry answers: make {BASE_IMAGE} by mmdebstrap") as running:
            try:
                checked(runner, _mmdebstrap(tree, _apt_lines(runner)), running.log)
            except CommandFailed as error:
                raise BaseNotMade(error.message) from error
            running.outcome = f"{tree.stat().st_size // 1_000_000} MB"
        request = BuildRequest(
            context=Path(folder), dockerfile=sources / "Dockerfile", tags=(BASE_IMAGE,)
        )
        engine.build(request, emit)


def _apt_lines(runner: Runner) -> str:
    """Where this machine's apt finds Debian's own packages, as lines of a sources.list."""
    argv = ("apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages")
    listed = runner.run(Command(argv=argv, cwd=Path("/"), timeout_s=60)).out
    places = {tuple(line.split()) for line in listed.splitlines()}
    lines = [
        f"deb {uri} {suite} {component}"
        for uri, suite, component in sorted(place for place in places if len(place) == 3)
        if suite in _SUITES and component == "main"
    ]
    if not lines:
        raise BaseNotMade(f"the apt of this machine does not know Debian {_RELEASE}")
    return "\n".join(lines) + "\n"


def _mmdebstrap(tree: Path, sources: str) -> Command:
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    return Command(
        argv=(
            "mmdebstrap",
            "--variant=minbase",
            "--include=ca-certificates",
            *excluded,
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            # This machine's, copied in for apt; a container gets its own from the engine.
            '--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"',
            _RELEASE,
            str(tree),
            "-",
        ),
        cwd=tree.parent,
        timeout_s=_MAKE_LIMIT_S,
        stdin=sources.encode(),
    )
