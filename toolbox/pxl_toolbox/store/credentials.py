"""Logins: who we are on which platform, kept in files that only their owner can read.

Ours is `contexts.toml`. The two files of `picsellia-pipelines-cli` (`.env` and
`context.json`) are read as well and never written, so that its users stay logged in.
"""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pxl_toolbox.adapters.files import locked, write_atomically
from pxl_toolbox.core.errors import ConfigError, UsageError
from pxl_toolbox.store.toml_file import dumps

_LOCK_WAIT_S = 10.0
_PEER_TOKEN = re.compile(r"PICSELLIA_(?P<organization>.+)_(?P<env>[A-Z]+)_API_TOKEN")


class Environment(StrEnum):
    """Where a platform runs. CUSTOM, BETA and DEV have no address of their own."""

    PROD = "PROD"
    STAGING = "STAGING"
    LOCAL = "LOCAL"
    BETA = "BETA"
    DEV = "DEV"
    CUSTOM = "CUSTOM"

    @property
    def host(self) -> str | None:
        """The base URL, or None where the user has to give it."""
        return _HOSTS.get(self)

    @classmethod
    def parse(cls, text: str) -> Environment:
        """One of ours by name, in any case.

        Raises:
            UsageError: there is none of that name.
        """
        try:
            return cls(text.strip().upper())
        except ValueError:
            raise UsageError(
                f"there is no environment {text!r}", hint=f"choose one of {', '.join(cls)}"
            ) from None


_HOSTS = {
    Environment.PROD: "https://app.picsellia.com",
    Environment.STAGING: "https://staging.picsellia.com",
    Environment.LOCAL: "http://localhost:8000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A login: an organization on a platform, with the token that opens it."""

    organization: str
    env: Environment
    host: str
    token: str = field(repr=False)

    @property
    def key(self) -> tuple[str, Environment]:
        return (self.organization, self.env)


@dataclass(frozen=True, slots=True)
class Saved:
    """All saved logins, and the one in use, if any."""

    contexts: tuple[Context, ...] = ()
    current: Context | None = None

    def find(self, organization: str | None, env: Environment | None) -> Context | None:
        """The login that fits what is given; the current one first where several do.

        With nothing given it is the current one or none: who logged out wants no other.
        """
        if organization is None and env is None:
            return self.current
        current: tuple[Context, ...] = (self.current,) if self.current else ()
        for context in (*current, *self.contexts):
            if organization in (None, context.organization) and env in (None, context.env):
                return context
        return None


@dataclass(frozen=True, slots=True)
class ContextStore:
    """The saved logins in a folder, 0700, its file 0600."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "contexts.toml"

    def read(self) -> Saved:
        """All saved logins, ours and those of the peer's files.

        Raises:
            ConfigError: our file is not readable as such, or others may read it.
        """
        ours = self._read_ours() if self.path.exists() else Saved()
        peers = _read_peer(self.folder)
        known = {context.key for context in ours.contexts}
        contexts = (*ours.contexts, *(one for one in peers.contexts if one.key not in known))
        logged_out_here = self.path.exists() and ours.current is None
        return Saved(contexts, ours.current or (None if logged_out_here else peers.current))

    def save(self, context: Context) -> None:
        """Add or replace a login and make it the current one."""
        with self._lock():
            others = (one for one in self.read().contexts if one.key != context.key)
            self._write(Saved((*others, context), context))

    def select(self, context: Context) -> None:
        """Make a saved login the current one."""
        with self._lock():
            self._write(replace(self.read(), current=context))

    def log_out(self, *, forget: bool) -> None:
        """Leave no login current; with `forget`, delete the tokens of ours too."""
        with self._lock():
            self._write(Saved() if forget else replace(self.read(), current=None))

    def _lock(self) -> AbstractContextManager[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return locked(self.folder / ".contexts.lock", wait_s=_LOCK_WAIT_S)

    def _read_ours(self) -> Saved:
        if self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(
                f"{self.path} holds tokens, and others may read it", hint=f"chmod 600 {self.path}"
            )
        try:
            data = tomllib.loads(self.path.read_text())
            contexts = tuple(_context(row) for row in data.get("context", ()))
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{self.path} is damaged: {error}",
                hint=f"mend it, or remove it and log in again: rm {self.path}",
            ) from None
        current = data.get("current", {})
        key = (current.get("organization"), current.get("env"))
        return Saved(contexts, next((one for one in contexts if one.key == key), None))

    def _write(self, saved: Saved) -> None:
        rows = [
            {"organization": c.organization, "env": str(c.env), "host": c.host, "token": c.token}
            for c in saved.contexts
        ]
        current = saved.current.key if saved.current else None
        selected = {"organization": current[0], "env": str(current[1])} if current else {}
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.path, dumps({"current": selected, "context": rows}), mode=0o600)


def _context(row: Mapping[str, Any]) -> Context:
    return Context(
        organization=str(row["organization"]),
        env=Environment(row["env"]),
        host=str(row["host"]),
        token=str(row["token"]),
    )


def _read_peer(folder: Path) -> Saved:
    """The logins of `picsellia-pipelines-cli` 0.7.6; what cannot be read counts as absent."""
    try:
        variables = _dotenv((folder / ".env").read_text(errors="replace").splitlines())
    except OSError:
        return Saved()
    contexts = tuple(_peer_contexts(variables))
    try:
        chosen = json.loads((folder / "context.json").read_text())
        key = (chosen["organization"], chosen["env"])
    except (OSError, ValueError, KeyError, TypeError):
        return Saved(contexts)
    return Saved(contexts, next((one for one in contexts if one.key == key), None))


def _peer_contexts(variables: Mapping[str, str]) -> Sequence[Context]:
    found = []
    for name, token in variables.items():
        match = _PEER_TOKEN.fullmatch(name)
        if match is None or match["env"] not in set(Environment) or not token:
            continue
        env = Environment(match["env"])
        host = env.host or variables.get("PICSELLIA_CUSTOM_ENV")
        if host:
            found.append(
                Context(organization=match["organization"], env=env, host=host, token=token)
            )
    return found


def _dotenv(lines: Sequence[str]) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}
