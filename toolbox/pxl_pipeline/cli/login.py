"""`pxl-pipeline login`, `whoami`, `switch` and `logout`."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import Annotated, Any

import typer

from pxl_pipeline.cli import common
from pxl_toolbox.core.errors import UsageError
from pxl_toolbox.store.credentials import Context, Environment


def login(
    organization: common.Organization = None,
    env: common.Env = None,
    host: common.Host = None,
    token: Annotated[
        str | None,
        typer.Option(help="API token; `-` reads it from stdin, which keeps it out of the history."),
    ] = None,
    as_json: common.AsJson = False,
) -> None:
    """Log in to a platform. The login is tried first, and saved only if it works.

    The token comes from --token, PXL_API_TOKEN, PXL_API_TOKEN_FILE, or a question.
    On the machine of the embedded platform, --env LOCAL asks nothing.

    Example: pxl-pipeline login --env LOCAL
    """
    from pxl_pipeline.api.login import Wanted, local_login, log_in, with_variables

    wanted = with_variables(
        Wanted(organization=organization, env=common.environment_named(env), host=host), os.environ
    )
    chosen = wanted.env or Environment.parse(
        common.ask("Environment", flag="--env", default=str(Environment.PROD))
    )
    address = wanted.host or chosen.host or common.ask("URL of the platform", flag="--host")
    known = local_login() if chosen is Environment.LOCAL else None
    if known is not None and (wanted.host or known.host) == known.host:
        address = known.host
    given = _token(token) or (known.token if known and address == known.host else None)
    name = wanted.organization or (known.organization if known and given == known.token else None)
    if name is None and common.interactive():
        name = common.ask("Organization", flag="--organization")
    given = given or common.ask("API token", flag="--token - or PXL_API_TOKEN", hidden=True)
    context, identity = log_in(
        Wanted(organization=name, env=chosen, host=address), given, store=common.store()
    )
    common.answer(
        _shown(context) | {"username": identity.username},
        as_json=as_json,
        text=lambda: (
            f"logged in to {context.organization} on {context.env} ({context.host})"
            f" as {identity.username}"
        ),
    )


def whoami(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the platform.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Show the login in use, after asking the platform whether it still holds.

    Example: pxl-pipeline whoami --json
    """
    context = common.context()
    report = _shown(context)
    if not offline:
        from pxl_pipeline.api.platform import Platform

        report |= {"username": Platform.of(context).identify(context.organization).username}
    common.answer(
        report,
        as_json=as_json,
        text=lambda: "\n".join(f"{key:13} {value}" for key, value in report.items()),
    )


def switch(
    organization: common.Organization = None,
    env: common.Env = None,
    as_json: common.AsJson = False,
) -> None:
    """Use another saved login.

    Example: pxl-pipeline switch --organization acme --env PROD
    """
    from pxl_pipeline.api.login import Wanted
    from pxl_pipeline.api.login import switch as switch_to

    wanted = Wanted(organization=organization, env=common.environment_named(env))
    if organization is None and env is None:
        chosen = _choose(common.store().read().contexts)
        wanted = Wanted(organization=chosen.organization, env=chosen.env)
    context = switch_to(wanted, store=common.store())
    common.answer(
        _shown(context),
        as_json=as_json,
        text=lambda: f"now {context.organization} on {context.env} ({context.host})",
    )


def logout(
    everywhere: Annotated[
        bool, typer.Option("--all", help="Forget every saved login and its token.")
    ] = False,
) -> None:
    """Leave the login in use; its token stays saved unless --all is given.

    Example: pxl-pipeline logout
    """
    common.store().log_out(forget=everywhere)
    print("logged out; all saved logins are forgotten" if everywhere else "logged out")


def _token(flag: str | None) -> str | None:
    from pxl_pipeline.api.login import token_from

    if flag == "-":
        read = sys.stdin.read().strip()
        if not read:
            raise UsageError(
                "stdin held no token", hint="echo TOKEN | pxl-pipeline login --token -"
            )
        return read
    if flag is not None:
        print(
            "warning: a token on the command line is seen by everybody on this machine;"
            " --token - reads it from stdin",
            file=sys.stderr,
        )
        return flag
    return token_from(os.environ)


def _choose(contexts: tuple[Context, ...]) -> Context:
    if not contexts:
        raise UsageError("there is no saved login", hint="pxl-pipeline login")
    for number, one in enumerate(contexts, 1):
        print(f"{number}  {one.organization} on {one.env} ({one.host})", file=sys.stderr)
    text = str(common.ask("Number", flag="--organization or --env"))
    if not text.isdigit() or not 1 <= int(text) <= len(contexts):
        raise UsageError(f"{text!r} is not a number of the list", hint=f"1 to {len(contexts)}")
    return contexts[int(text) - 1]


def _shown(context: Context) -> dict[str, Any]:
    """A login without its token; the fingerprint tells two tokens apart."""
    return {
        "organization": context.organization,
        "env": str(context.env),
        "host": context.host,
        "token": f"sha256:{hashlib.sha256(context.token.encode()).hexdigest()[:12]}",
    }
