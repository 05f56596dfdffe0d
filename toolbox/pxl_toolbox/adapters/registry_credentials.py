"""The logins that `docker login` stored: in Docker's config, or with a credential helper.

Source:
    Docker's docs, "docker login", sections "Credential stores" and "Credential helpers".
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pxl_toolbox.adapters.process import Command, ProgramMissing, Runner
from pxl_toolbox.core.errors import ConfigError
from pxl_toolbox.core.references import DOCKER_HUB

_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """A login of a registry."""

    user: str
    password: str = field(repr=False)


def credentials_for(registry: str, runner: Runner) -> Credentials | None:
    """The stored login of `registry` (as in an image reference), or None.

    Raises:
        ConfigError: Docker's config file cannot be read, or is not JSON.
    """
    config = docker_config()
    key = _DOCKER_HUB_KEY if registry == DOCKER_HUB else registry
    helpers = config.get("credHelpers")
    helper = helpers.get(registry) if isinstance(helpers, dict) else None
    helper = helper or config.get("credsStore")
    if isinstance(helper, str) and helper:
        found = _from_helper(helper, key, runner)
        if found is not None:
            return found
    return _from_auths(config.get("auths"), key)


def docker_config() -> Mapping[str, object]:
    """What Docker's config file of this user says; nothing where there is none.

    Raises:
        ConfigError: it cannot be read, or is not JSON.
    """
    folder = os.environ.get("DOCKER_CONFIG")
    path = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            hint="correct its owner, or name another folder in DOCKER_CONFIG",
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}", hint=f"correct {path}") from error
    return config if isinstance(config, dict) else {}


def _from_auths(auths: object, key: str) -> Credentials | None:
    if not isinstance(auths, dict):
        return None
    entry = auths.get(key) or auths.get(f"https://{key}") or auths.get(f"http://{key}")
    encoded = entry.get("auth") if isinstance(entry, dict) else None
    if not isinstance(encoded, str):
        return None
    try:
        user, colon, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Credentials(user, password.rstrip("\0")) if colon else None


def _from_helper(helper: str, key: str, runner: Runner) -> Credentials | None:
    command = Command(
        argv=(f"docker-credential-{helper}", "get"),
        cwd=Path("/"),
        timeout_s=_HELPER_LIMIT_S,
        stdin=key.encode(),
    )
    try:
        done = runner.run(command)
    except ProgramMissing:
        return None
    if done.code != 0:  # how a helper says that it knows no such server
        return None
    try:
        answer = json.loads(done.out)
    except ValueError:
        return None
    user, password = answer.get("Username"), answer.get("Secret")
    return Credentials(user, password) if user and password else None
