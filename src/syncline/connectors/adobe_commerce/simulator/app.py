"""The HTTP side: a gateway in front, credentials, addresses, and the order in which they are checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import msgspec

from syncline.connectors.adobe_commerce.simulator.auth import Refused
from syncline.connectors.adobe_commerce.simulator.bulk import Work
from syncline.connectors.adobe_commerce.simulator.errors import (
    ApiError,
    internal,
    no_route,
    required,
    unauthorized,
)
from syncline.connectors.adobe_commerce.simulator.owners import OWNERS, SAID_TWICE, resource_of
from syncline.connectors.adobe_commerce.simulator.routes import Call, Route, Services, bulk_route_of, route_of

if TYPE_CHECKING:
    from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator

BODY_MAX = 8 * 1024 * 1024  # assumption: PHP's `post_max_size`, as most hosts set it
URI_MAX = 8_000  # nginx and Apache take about 8 KB of request line by default
_FIELDS = re.compile(r"[\w,\[\]]*")
_CONTENT_TYPE = re.compile(r"([A-Za-z\d/+.-]+?)(?:; *charset=(.+))?")
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(slots=True)
class _Request:
    method: str
    raw_path: str
    query_string: str
    headers: dict[str, str]
    url: str
    body: bytes


@dataclass(slots=True)
class _Answer:
    status: int
    body: bytes
    applied: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"


class HttpApp:
    """An ASGI app over a simulated shop.

    At most ``workers`` calls are worked on at once; the gateway refuses what is above with 429. The vendor documents
    no limit for integrations; shops are limited by their PHP workers and what stands in front of them (contract
    section 2), so the number is an assumption and the status is a common gateway's.
    """

    def __init__(self, shop: AdobeCommerceSimulator, answer_ms: tuple[float, float], workers: int) -> None:
        self._shop = shop
        self._services = Services(shop)
        self._answer_ms = answer_ms
        self._workers = workers
        self._busy = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request; lifespan events are acknowledged."""
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more and len(body) <= BODY_MAX:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        url = f"{scope.get('scheme', 'https')}://{headers.get('host', '')}{raw_path}"
        request = _Request(
            scope["method"], raw_path, scope["query_string"].decode("latin-1"), headers, url, body
        )
        name, answer = await self._serve(request)
        self._shop.ledger.call(self._shop.clock.now_ms(), name, answer.status, applied=answer.applied)
        given = {"content-type": answer.content_type, **answer.headers}
        raw = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in given.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    async def _serve(self, request: _Request) -> tuple[str, _Answer]:
        shop = self._shop
        name = f"{request.method} {request.raw_path}"
        if shop.faults.down:
            page = b"<html><body><h1>503 Backend fetch failed</h1></body></html>"  # as the cache in front says it
            return name, _Answer(503, page, content_type="text/html; charset=utf-8")
        if len(request.body) > BODY_MAX:
            return name, _Answer(413, b"<html>Request Entity Too Large</html>", content_type="text/html")
        if len(request.raw_path) + len(request.query_string) > URI_MAX:
            shop.ledger.breach("uri")
            return name, _Answer(414, b"<html>414 Request-URI Too Large</html>", content_type="text/html")
        if self._busy >= self._workers or shop.chance(shop.faults.throttle_rate):
            if self._busy >= self._workers:
                shop.ledger.breach("workers")
            page = b"<html><body><h1>429 Too Many Requests</h1></body></html>"
            return name, _Answer(429, page, headers={"retry-after": "1"}, content_type="text/html")
        self._busy += 1
        try:
            return await self._work(request, name)
        finally:
            self._busy -= 1

    async def _work(self, request: _Request, name: str) -> tuple[str, _Answer]:
        shop = self._shop
        whole_s = shop.rng.uniform(*self._answer_ms) / 1000
        share = shop.rng.uniform(0.3, 0.9)  # where inside the call the effect takes place: an assumption
        await shop.clock.sleep(whole_s * share)
        applied = False
        try:
            if shop.chance(shop.faults.error_before_rate):
                raise internal()
            name, value, status = self._dispatch(request)
            applied = request.method != "GET"
            if shop.chance(shop.faults.error_after_rate):
                raise internal()
            answer = _Answer(status, _encode(value), applied)
        except ApiError as error:
            answer = _Answer(error.status, _encode(error.body), applied, error.headers)
        await shop.clock.sleep(whole_s * (1 - share))
        return name, answer

    # --- addresses --------------------------------------------------------------------------------

    def _dispatch(self, request: _Request) -> tuple[str, Any, int]:
        shop = self._shop
        _check_accept(request.headers.get("accept", "*/*"))
        if "%2f" in request.raw_path.lower() and not shop.encoded_slashes:
            raise ApiError(404, "Not Found")  # the web server's own, unless it is told to allow them
        parts = [unquote(part) for part in request.raw_path.strip("/").split("/")]
        if not parts or parts[0] != "rest":
            raise no_route()
        del parts[0]
        store = "default"
        if parts and parts[0] not in {"V1", "async"}:
            if parts[0] not in shop.stores:
                raise no_route()
            store = parts.pop(0)
        if parts[:3] == ["async", "bulk", "V1"]:
            return self._schedule_bulk(request, parts[3:], store)
        if parts[:2] == ["async", "V1"]:
            return self._schedule_one(request, parts[2:], store)
        if parts[:1] != ["V1"]:
            raise no_route()
        found = route_of(request.method, parts[1:])
        if found is None:
            raise no_route()
        route, path = found
        if route.service == "admin_token":
            if shop.faults.reject_auth:
                raise _wrong_account(shop)
        else:
            self._authenticate(request, route)
        given = self._services.parameters(route, self._decoded(request), asynchronous=False)
        query = parse_qsl(request.query_string, keep_blank_values=True)
        try:
            value = route.handle(self._services, Call(path, query, given, store, route.parts[0]))
        except Refused:
            raise _wrong_account(shop) from None
        wanted = dict(query).get("fields")
        if wanted:
            value = _selected(value, wanted)
        return route.name, value, 200

    def _authenticate(self, request: _Request, route: Route) -> int:
        """Which kind of user calls."""
        shop, resource = self._shop, resource_of(route.method, route.template)
        try:
            if shop.faults.reject_auth:
                raise Refused("rejected by a fault")
            user = shop.credentials.check(
                request.headers.get("authorization", ""),
                request.method,
                request.url,
                request.query_string,
                shop.clock.now_ms(),
            )
        except Refused as reason:
            shop.refused.append(str(reason))
            shop.ledger.breach("auth")
            if reason.message:
                raise ApiError(reason.status, reason.message, reason.parameters) from None
            raise unauthorized(resource) from None
        if resource in shop.denied:
            shop.ledger.breach("auth")
            raise unauthorized(resource)
        return user

    def _decoded(self, request: _Request) -> Any:
        if request.method == "GET" or not request.body:
            return {}
        given = _CONTENT_TYPE.fullmatch(request.headers.get("content-type", ""))
        if given is None:
            missing = not request.headers.get("content-type")
            raise ApiError(400, f"Content-Type header is {'empty' if missing else 'invalid'}.")
        if (given[2] or "utf-8").lower() != "utf-8":
            raise ApiError(400, "UTF-8 is the only supported charset.")
        if given[1].lower() != "application/json":
            raise ApiError(400, "Server cannot understand Content-Type HTTP header media type %1", [given[1]])
        try:
            return msgspec.json.decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ApiError(400, "Decoding error.") from None  # more is told in developer mode only

    # --- asynchronous calls -----------------------------------------------------------------------

    def _schedule_bulk(self, request: _Request, parts: Sequence[str], store: str) -> tuple[str, Any, int]:
        route = bulk_route_of(request.method, parts)
        if route is None or (route.method, route.template) not in OWNERS:
            raise no_route()
        user = self._authenticate(request, route)
        bodies = self._decoded(request)
        if not isinstance(bodies, list) or not bodies:
            raise ApiError(400, "Body must be an array of request bodies")
        if self._shop.input_limits and len(bodies) > self._shop.async_items_max:
            raise ApiError(
                400,
                'Maximum items of type "%type" is %max',
                {"type": "bulk", "max": self._shop.async_items_max},
            )
        names = [part[1:-1] for part in route.parts if part.startswith("{")]
        entries = [(body, self._later(route, body, names, {}, store)) for body in bodies]
        told = self._shop.bulk.schedule(route.method, OWNERS[route.method, route.template], entries, user)
        return f"bulk {route.name}", told, 202

    def _schedule_one(self, request: _Request, parts: Sequence[str], store: str) -> tuple[str, Any, int]:
        found = route_of(request.method, parts)
        if found is None or request.method == "GET":
            raise no_route()
        route, path = found
        owner = OWNERS.get((route.method, route.template))
        if owner is None:
            raise no_route()
        user = self._authenticate(request, route)
        body = self._decoded(request)
        work = self._later(route, body, (), path, store)
        told = self._shop.bulk.schedule(route.method, owner, [(body, work)], user)
        return f"async {route.name}", told, 202

    def _later(self, route: Route, body: Any, names: Sequence[str], path: dict[str, str], store: str) -> Work:
        """The work of one entry. Its shape is checked at once, what it means when it is worked on."""
        inside = dict(body) if isinstance(body, dict) else body
        said, parameter, prop = SAID_TWICE.get((route.method, route.template), ("", "", ""))
        for name in names:
            if not isinstance(inside, dict):
                raise required(name)
            if name == said:
                inside.pop(name, None)
                continue
            if name not in inside:
                raise required(name)
            path = {**path, name: str(inside.pop(name))}
        given = self._services.parameters(route, inside, asynchronous=True)
        if said in names:
            path = {**path, said: str(given[parameter].get(prop, ""))}
        call = Call(path, (), given, store)
        return lambda: route.handle(self._services, call)


def _check_accept(header: str) -> None:
    """JSON is told to who takes it; XML, which the vendor tells as well, is not simulated (Framework/Webapi/Rest/Response/RendererFactory)."""
    kinds = [part.partition(";")[0].strip().lower() for part in header.split(",")]
    if not {"*/*", "application/*", "application/json"}.intersection(kinds):
        words = (
            'Server cannot match any of the given Accept HTTP header media type(s) from the request: "%1" '
            "with media types from the config of response renderer."
        )
        raise ApiError(406, words, kinds)


def _wrong_account(shop: AdobeCommerceSimulator) -> ApiError:
    shop.ledger.breach("auth")
    return ApiError(
        401,
        "The account sign-in was incorrect or your account is disabled temporarily. "
        "Please wait and try again later.",
    )


def _selected(value: Any, wanted: str) -> Any:
    """``fields=items[entity_id,updated_at],total_count``: only those; nothing, where it cannot be understood.

    Magento/Framework/Webapi/Rest/Response/FieldsFilter.
    """
    try:
        tree, rest = _tree(wanted) if _FIELDS.fullmatch(wanted) else ({}, wanted)
    except ValueError:
        return []
    return [] if rest else _chosen(value, tree)


def _tree(text: str) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = {}
    while text and text[0] != "]":
        name = re.match(r"\w+", text)
        if name is None:
            raise ValueError(text)
        text = text[name.end() :]
        found[name[0]] = {}
        if text.startswith("["):
            found[name[0]], text = _tree(text[1:])
            if not text.startswith("]"):
                raise ValueError(text)
            text = text[1:]
        text = text.removeprefix(",")
    return found, text


def _chosen(value: Any, tree: dict[str, Any]) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_chosen(one, tree) for one in value]
    if isinstance(value, dict):
        # An empty array of PHP is a list, whatever it would have held.
        return {name: _chosen(value[name], inner) for name, inner in tree.items() if name in value} or []
    return value
