"""The web application: webhooks in front, then pages and API behind one gate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.resources import files
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from syncline import __version__
from syncline.engine.alerts.watch import Watch
from syncline.engine.capture.ingress import BODY_BYTES_MAX
from syncline.engine.engine import Engine
from syncline.engine.operations import Operations
from syncline.model.errors import SynclineError
from syncline.web import api, views
from syncline.web.access import Access, Person, Role
from syncline.web.hooks import BODY_SECONDS, BURST, PER_S, PREFIX, Hooks
from syncline.web.metrics import exposition
from syncline.web.site import (
    HEADERS,
    METRICS_PATH,
    NOBODY,
    Endpoint,
    ErrorBody,
    ErrorText,
    Refusal,
    Site,
    guard,
)

STATIC = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class _RowNumber(IntegerConvertor):
    """The number of a row. Any other is of nothing, and is not read: that is done before anybody is asked who they are."""

    regex = "[0-9]{1,18}"


register_url_convertor("int", _RowNumber())


async def _health(site: Site, request: Request, person: Person) -> Response:
    try:
        await site.engine.store.read("log_end")
    except SynclineError:
        return JSONResponse({"status": "store unavailable"}, 503)
    return JSONResponse({"status": "ok"})


async def _metrics(site: Site, request: Request, person: Person) -> Response:
    body = exposition(await site.snapshots.status(), site.watch)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _static(site: Site, request: Request, person: Person) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise Refusal(404, "not_found", "There is no such file.")
    body = (files("syncline.web") / "static" / name).read_bytes()
    return Response(body, media_type=STATIC[name], headers={"Cache-Control": "public, max-age=3600"})


ENDPOINTS: tuple[Endpoint, ...] = (
    *views.ENDPOINTS,
    *api.ENDPOINTS,
    Endpoint("GET", "/healthz", None, _health),
    Endpoint("GET", METRICS_PATH, Role.VIEWER, _metrics),
    Endpoint("GET", "/static/{name}", None, _static),
)


class WebApp:
    """The ASGI application. Call ``stop`` when shutting down, so that live streams end at once."""

    def __init__(self, site: Site, hooks: Hooks, hook_urls: Mapping[str, str]) -> None:
        self.site = site
        self.hooks = hooks
        self.hook_urls = hook_urls
        routes = [Route(e.path, guard(site, e), methods=[e.method]) for e in ENDPOINTS]
        self._pages = Starlette(routes=routes, exception_handlers={404: self._unknown, 405: self._unknown})
        # An address with a slash too many is not mended: the other one would be made of what the request calls this host, and
        # over http behind a proxy with TLS, the token of a login link included.
        self._pages.router.redirect_slashes = False

    async def _unknown(self, request: Request, error: Any) -> Response:
        message = "There is nothing here." if error.status_code == 404 else "This cannot be asked that way."
        told = ErrorText("not_found", message, "Start at /.")
        if "text/html" in request.headers.get("accept", ""):  # a person with a mistyped address
            return self.site.render("error.html", NOBODY, status_code=error.status_code, error=told)
        return JSONResponse(msgspec.to_builtins(ErrorBody(told)), error.status_code)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self.hooks(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self.site.is_secure(Request(scope)):
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._pages(scope, receive, send_with_headers)

    def stop(self) -> None:
        """End the live streams, and refuse new ones. To be called before the server waits for its clients."""
        self.site.closing.set()


def build_app(
    engine: Engine,
    access: Access,
    operations: Operations,
    *,
    public_url: str = "",
    trusted_proxies: Collection[str] = (),
    body_bytes_max: int = BODY_BYTES_MAX,
    body_seconds: float = BODY_SECONDS,
    hooks_per_s: float = PER_S,
    hooks_burst: int = BURST,
    watch: Watch | None = None,
) -> WebApp:
    """Put the web application together.

    Args:
        engine: what it shows; running or not.
        access: accounts and secrets; built on ``operations.audit``.
        operations: the actions; one instance for each engine.
        public_url: where browsers and vendors reach this server, such as ``https://sync.example.com``.
        trusted_proxies: addresses whose ``X-Forwarded-For`` is believed; nobody's by default.
        body_bytes_max: how large a webhook may be.
        body_seconds: how long a webhook's body may take to arrive.
        hooks_per_s: webhooks that one source may send in a second, on average.
        hooks_burst: webhooks that one source may send at once.
        watch: the alerts; one that tells nobody if it is left out.
    """
    site = Site(
        engine,
        access,
        operations,
        public_url=public_url,
        trusted_proxies=trusted_proxies,
        version=__version__,
        watch=watch or Watch(engine),
    )
    hooks = Hooks(
        engine.ingress,
        engine.clock,
        {name: access.hook_token(name) for name in engine.systems},
        trusted_proxies=trusted_proxies,
        body_bytes_max=body_bytes_max,
        body_seconds=body_seconds,
        per_s=hooks_per_s,
        burst=hooks_burst,
    )
    return WebApp(site, hooks, {name: access.hook_url(public_url, name) for name in engine.systems})
