"""The application: finds the route, checks the caller, runs the handler in its transaction."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable, Mapping

import orjson
from sqlalchemy.exc import IntegrityError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from pxl_platform.auth import caller
from pxl_platform.body import parse_json
from pxl_platform.errors import ApiError, MethodNotAllowed, NotFound, TooLarge
from pxl_platform.resources import ROUTES
from pxl_platform.routing import AnyRoute, Call, PublicRoute, Query, Route, Services, StreamRoute

LONGEST_BODY_BYTES = 64 << 20  # of a JSON body; the SDK sends what is refused by 413 in parts

_BARE = re.compile(r"\{(\w+)\}")


def build(services: Services, routes: Iterable[AnyRoute] = ROUTES) -> Starlette:
    """The ASGI application over these services."""
    by_path: dict[str, dict[str, AnyRoute]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    return Starlette(
        routes=[_starlette_route(path, methods, services) for path, methods in by_path.items()],
        exception_handlers={HTTPException: _unlisted},
    )


def _starlette_route(
    path: str, methods: Mapping[str, AnyRoute], services: Services
) -> StarletteRoute:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        route = methods.get(method)
        if route is None:
            message = f"{request.method} is not a method of {request.url.path}"
            return _refusal(MethodNotAllowed(message))
        try:
            return await _answer(route, request, services)
        except ApiError as error:
            return _refusal(error)
        except IntegrityError as error:
            # Two requests made the same thing at once: the second is told what it would have been.
            return _json({"message": "there is one already", "detail": [str(error.orig)]}, 409)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # noqa: BLE001  (the edge of the server: say it and go on)
            traceback.print_exception(error, file=sys.stderr)
            message = f"a fault of this server: {type(error).__name__}"
            return _json({"message": message, "detail": None}, 500)

    route = StarletteRoute(_BARE.sub(r"{\1:uuid}", path), endpoint, name=path)
    # None lets every verb through to the table above, among them the SDK's own XGET.
    route.methods = None
    return route


async def _answer(route: AnyRoute, request: Request, services: Services) -> Response:
    match route:
        case StreamRoute():
            return await route.handler(request, services)
        case PublicRoute():
            return _json(await run_in_threadpool(route.handler, services))
        case Route():
            content = await _content(request)
            return await run_in_threadpool(_run, route, request, content, services)


async def _content(request: Request) -> bytes:
    """The body, of which no more than the limit is ever held."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LONGEST_BODY_BYTES:
            raise TooLarge(f"the body is longer than {LONGEST_BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _run(route: Route, request: Request, content: bytes, services: Services) -> Response:
    database = services.database
    with database.write() if route.writes else database.read() as session:
        who = caller(session, request.headers)
        path = {name: str(value) for name, value in request.path_params.items()}
        _check_owner(
            path, organization=who.organization.id, connector=who.organization.connector_id
        )
        found = route.handler(
            Call(
                session=session,
                caller=who,
                path=path,
                query=Query(request.query_params),
                content=parse_json(content),
                base_url=f"{request.url.scheme}://{request.url.netloc}",
                services=services,
            )
        )
        # Encoded inside the transaction: a value that is no JSON must not be committed either.
        return Response(status_code=204) if found is None else _json(found)


def _check_owner(path: Mapping[str, str], **mine: str) -> None:
    for name, own_id in mine.items():
        if path.get(name, own_id) != own_id:
            raise NotFound(f"there is no {name} {path[name]}")


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _refusal(error: ApiError) -> Response:
    return _json({"message": error.message, "detail": error.detail}, error.status)


async def _unlisted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"{request.method} {request.url.path} is not an endpoint of this platform"
    return _json({"message": message, "detail": None}, status)
