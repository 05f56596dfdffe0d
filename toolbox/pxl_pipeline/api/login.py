"""Which login a command works with, and how one is made."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pxl_pipeline.api.platform import Identity, Platform
from pxl_toolbox.core.errors import ConfigError, DeniedError, NotFoundError, UsageError
from pxl_toolbox.store.credentials import Context, ContextStore, Environment
from pxl_toolbox.store.settings import local_platform_file

Variables = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user said of the login to use; None where nothing was said."""

    organization: str | None = None
    env: Environment | None = None
    host: str | None = None


def token_from(variables: Variables) -> str | None:
    """The token that the environment gives, if it does.

    `PXL_API_TOKEN` comes before `PXL_API_TOKEN_FILE`, the path of a file that holds it
    (a Docker or compose secret).

    Raises:
        ConfigError: the file cannot be read, or is empty.
    """
    if variables.get("PXL_API_TOKEN"):
        return variables["PXL_API_TOKEN"].strip()
    path = variables.get("PXL_API_TOKEN_FILE")
    if not path:
        return None
    try:
        token = Path(path).read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"PXL_API_TOKEN_FILE: {path}: {error.strerror}", hint="give a file that you may read"
        ) from None
    if not token:
        raise ConfigError(
            f"PXL_API_TOKEN_FILE: {path} is empty", hint="write the token into the file"
        )
    return token


def resolve(wanted: Wanted, *, store: ContextStore, variables: Variables) -> Context:
    """The login for a command: flags first, then the environment, then what is saved.

    Raises:
        DeniedError: there is no login that fits.
    """
    wanted = with_variables(wanted, variables)
    saved = store.read().find(wanted.organization, wanted.env)
    env = wanted.env or (saved.env if saved else None)
    organization = wanted.organization or (saved.organization if saved else None)
    host = wanted.host or (saved.host if saved else None) or (env.host if env else None)
    token = token_from(variables) or _peer_variable(organization, env, variables)
    local = local_login() if env is Environment.LOCAL else None
    # A token goes to the host that it was made for, and to no other.
    for known in (saved, local):
        if known is not None and token is None and organization in (None, known.organization):
            organization, host = known.organization, host or known.host
            token = known.token if known.host == host else None
    if not (organization and env and host and token):
        raise DeniedError(_not_logged_in(wanted), hint="pxl-pipeline login")
    return Context(organization=organization, env=env, host=host, token=token)


def with_variables(wanted: Wanted, variables: Variables) -> Wanted:
    """Fill what the flags left open from PXL_ORGANIZATION, PXL_ENV and PXL_HOST."""
    env_name = variables.get("PXL_ENV")
    return Wanted(
        organization=wanted.organization or variables.get("PXL_ORGANIZATION") or None,
        env=wanted.env or (Environment.parse(env_name) if env_name else None),
        host=wanted.host or variables.get("PXL_HOST") or None,
    )


def log_in(wanted: Wanted, token: str, *, store: ContextStore) -> tuple[Context, Identity]:
    """Verify a login with the platform, then save it as the current one.

    Raises:
        PlatformDown, TokenRefused, NotFoundError: nothing was saved.
        UsageError: the environment has no address of its own and none was given.
    """
    env = wanted.env or Environment.PROD
    host = wanted.host or env.host
    if host is None:
        raise UsageError(f"the environment {env} needs an address", hint="add --host URL")
    identity = Platform(host=host, token=token).identify(wanted.organization)
    context = Context(
        organization=identity.organization, env=env, host=host.rstrip("/"), token=token
    )
    store.save(context)
    return context, identity


def local_login() -> Context | None:
    """The login that the embedded platform left for this machine, if it did."""
    try:
        data = tomllib.loads(local_platform_file().read_text())
        return Context(
            organization=data["organization"],
            env=Environment.LOCAL,
            host=data["host"],
            token=data["token"],
        )
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return None


def switch(wanted: Wanted, *, store: ContextStore) -> Context:
    """Make a saved login the current one, after the platform accepted it.

    Raises:
        NotFoundError: no saved login fits.
        PlatformDown, TokenRefused: the login no longer works; nothing was changed.
    """
    context = next(
        (
            one
            for one in store.read().contexts
            if wanted.organization in (None, one.organization) and wanted.env in (None, one.env)
        ),
        None,
    )
    if context is None:
        raise NotFoundError(
            f"no saved login for {wanted.organization or 'any organization'}"
            f" on {wanted.env or 'any environment'}",
            hint="pxl-pipeline login",
        )
    Platform.of(context).identify(context.organization)
    store.select(context)
    return context


def _peer_variable(
    organization: str | None, env: Environment | None, variables: Variables
) -> str | None:
    return variables.get(f"PICSELLIA_{organization}_{env}_API_TOKEN") or None


def _not_logged_in(wanted: Wanted) -> str:
    asked = [str(part) for part in (wanted.organization, wanted.env) if part]
    return f"not logged in to {' on '.join(asked)}" if asked else "not logged in"
