"""The simulator itself: one ASGI app for Entra's token endpoint and for one environment with one company."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec
from starlette.types import Receive, Scope, Send

from syncline.connectors.business_central.simulator.access import Limits, Refused, Tokens
from syncline.connectors.business_central.simulator.business_events import RUNTIME, BusinessEvents
from syncline.connectors.business_central.simulator.documents import Documents
from syncline.connectors.business_central.simulator.errors import (
    ApiError,
    bad_request,
    encoded,
    entity_changed,
    no_method,
    no_record,
    no_segment,
    no_version,
    too_many,
    unsupported,
    wrong_credentials,
)
from syncline.connectors.business_central.simulator.metadata import edmx, service
from syncline.connectors.business_central.simulator.odata import PAGE_ITEMS_MAX, Query, cut, parse
from syncline.connectors.business_central.simulator.people import People
from syncline.connectors.business_central.simulator.schema import (
    BUFFERED,
    ENTITIES,
    EXTENSION,
    STANDARD,
    Entity,
)
from syncline.connectors.business_central.simulator.state import Company, Event, Record
from syncline.connectors.business_central.simulator.truth import Truth
from syncline.connectors.business_central.simulator.views import TABLES, Views
from syncline.connectors.business_central.simulator.webhooks import Subscription, Webhooks
from syncline.connectors.business_central.simulator.writes import Writes
from syncline.ports import Clock, Transport
from syncline.sdk.simulator import Simulator

LOGIN = "https://login.microsoftonline.com"
API = "https://api.businesscentral.dynamics.com"
CLIENT_ID = "99999999-2222-4333-8444-555555555555"
CLIENT_SECRET = "syncline-demo-secret"  # noqa: S105 (of a simulator)
BODY_BYTES_MAX = 350 * 1024 * 1024
BATCH_MAX = 100
JSON = {"content-type": "application/json; odata.metadata=minimal"}
VERSION = {"odata-version": "4.0"}

_SEGMENT = re.compile(r"([A-Za-z.$]+)(?:\(([^()]*)\))?")
_GUID = re.compile(r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_ETAG = re.compile(r'W/"[^"]+"|\*')
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(slots=True)
class Reply:
    """An answer, and whether it changed anything."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    applied: bool = False
    detail: str = ""


class _Request(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    origin: str
    body: bytes


class BusinessCentralSimulator(People, Truth, Simulator):
    """Dynamics 365 Business Central online, written from the contract sheet, blind to our client.

    Answer times are assumptions: drawn uniformly from ``read_ms`` and ``write_ms``, with the effect somewhere inside.
    ``extension`` says whether our own extension is installed; without it its addresses do not exist.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport | None = None,
        tenant: str = "11111111-2222-4333-8444-555555555555",
        environment: str = "production",
        company: str = "Main",
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        currency: str = "GBP",
        extension: bool = True,
        read_ms: tuple[float, float] = (100.0, 900.0),
        write_ms: tuple[float, float] = (400.0, 2500.0),
    ) -> None:
        super().__init__(clock=clock, rng=rng, transport=transport)
        self.tenant = tenant
        self.environment = environment
        self.read_ms = read_ms
        self.write_ms = write_ms
        self.extension = extension
        self.registered = True  # whether the application is set up inside the product
        self.company = Company(clock, rng, company, currency)
        self.documents = Documents(self.company)
        self.writes = Writes(self.company, self.documents, self.ledger.breach)
        self.views = Views(self.company)
        self.tokens = Tokens(rng, client_id, client_secret)
        self.limits = Limits(clock, self.ledger.breach)
        self._refused: dict[tuple[str, str], None] = {}  # stale versions that were refused once
        self.company_id = self.company.insert("companies", {"name": company, "displayName": company}).id
        self.set_up_company()
        self.company.commit()
        self.webhooks = Webhooks(
            self.company, lambda: self.company_id, clock, rng, lambda: self.transport, lambda: self.faults
        )
        self.business_events = BusinessEvents(
            self.company, lambda: self.company_id, rng, lambda: self.transport, lambda: self.faults
        )
        self.company.on_commit = self._committed
        self.app = self._serve

    # -- the outside --------------------------------------------------------------------------

    @property
    def origins(self) -> tuple[str, str]:
        """The hosts that this app stands for: Entra's and the product's."""
        return LOGIN, API

    @property
    def token_url(self) -> str:
        """Where tokens are had."""
        return f"{LOGIN}/{self.tenant}/oauth2/v2.0/token"

    def root(self, api: str = STANDARD) -> str:
        """The address of an API, without a slash at the end."""
        return f"{API}/v2.0/{self.tenant}/{self.environment}/api/{api}"

    async def run(self) -> None:
        """Post notifications until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.webhooks.run())
            tasks.create_task(self.business_events.run())

    def _committed(self, changes: list[tuple[str, str, Event, int]]) -> None:
        self.webhooks.tell(changes)
        self.business_events.tell(changes)

    # -- requests -----------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served")
        chunks = []
        while True:
            message = await receive()
            chunks.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        request = _Request(
            scope["method"],
            (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0],
            dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            headers,
            f"{scope.get('scheme', 'https')}://{headers.get('host', '')}",
            b"".join(chunks),
        )
        token = request.path.endswith("/oauth2/v2.0/token")
        try:
            reply = await (self._token(request) if token else self._answer(request))
        except ApiError as error:
            reply = self._refusal(error)
        operation = "token" if token else f"{request.method} {_set_of(request.path)}"
        self.ledger.call(
            self.clock.now_ms(), operation, reply.status, applied=reply.applied, detail=reply.detail
        )
        body = (
            reply.body
            if isinstance(reply.body, bytes)
            else encoded(reply.body)
            if reply.body is not None
            else b""
        )
        out = {
            **({} if token else VERSION),
            **(JSON if body else {}),
            **reply.headers,
            "content-length": str(len(body)),
        }
        raw = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in out.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, error: ApiError) -> Reply:
        body = error.body(self.company.new_id())
        return Reply(error.status, body, dict(error.headers), detail=error.code)

    async def _token(self, request: _Request) -> Reply:
        if self.faults.down:
            raise ApiError(503, "Internal_ServerError", "The service is unavailable.")
        await self.answer_time(50, 300)
        now = self.clock.now_ms()
        try:
            if request.method != "POST" or request.path != f"/{self.tenant}/oauth2/v2.0/token":
                raise Refused(
                    400, "invalid_request", 90002, "AADSTS90002: Tenant not found. Check the address."
                )
            if self.faults.reject_auth:
                raise Refused(
                    401,
                    "invalid_client",
                    7000222,
                    "AADSTS7000222: The provided client secret keys are expired.",
                )
            return Reply(200, self.tokens.issue(request.body, now), {"content-type": "application/json"})
        except Refused as error:
            self.ledger.breach("auth")
            words = {
                "error": error.error,
                "error_description": f"{error.words} Trace ID: {self.company.new_id()}",
                "error_codes": [error.code],
                "timestamp": self.company.iso(now).replace("T", " ")[:19] + "Z",
                "trace_id": self.company.new_id(),
                "correlation_id": self.company.new_id(),
            }
            return Reply(error.status, words, {"content-type": "application/json"})

    async def _answer(self, request: _Request) -> Reply:
        if self.faults.down:
            raise ApiError(
                503, "Internal_ServerError", "The service is unavailable.", headers={"retry-after": "15"}
            )
        held = request.headers.get("authorization", "")
        known = held.startswith("Bearer ") and self.tokens.holds(held[7:], self.clock.now_ms())
        if not known or self.faults.reject_auth or not self.registered:
            self.ledger.breach("auth")
            raise wrong_credentials()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.body and kind != "application/json":
            self.ledger.breach("content_type")
            raise unsupported(kind)
        if len(request.body) > BODY_BYTES_MAX:
            raise ApiError(413, "RequestEntityTooLarge", "The request is too large.")
        self.limits.count(_calls(request))
        if self.chance(self.faults.throttle_rate):
            raise too_many(self.limits.window_calls_max + 1, self.limits.window_calls_max)
        await self.limits.enter()
        try:
            return await self._work(request)
        finally:
            self.limits.leave()

    async def _work(self, request: _Request) -> Reply:
        low, high = self.read_ms if request.method == "GET" else self.write_ms
        whole = self.rng.uniform(low, high) / 1000
        share = self.rng.uniform(0.3, 0.9)  # where inside the call the effect takes place: assumption
        await self.clock.sleep(whole * share)
        if self.chance(self.faults.error_before_rate):
            await self.clock.sleep(whole * (1 - share))
            raise _unexpected()
        try:
            reply = await self._routed(request)
        except ApiError:
            await self.clock.sleep(whole * (1 - share))
            raise
        await self.clock.sleep(whole * (1 - share))
        if self.chance(self.faults.error_after_rate):
            refusal = self._refusal(_unexpected())
            refusal.applied, refusal.detail = reply.applied, "lost answer"
            return refusal
        return reply

    # -- routes -------------------------------------------------------------------------------

    async def _routed(self, request: _Request) -> Reply:
        prefix = f"/v2.0/{self.tenant}/{self.environment}/api/"
        if not request.path.startswith(prefix):
            raise ApiError(404, "BadRequest_ResourceNotFound", "The tenant or environment does not exist.")
        path = request.path[len(prefix) :]
        if path.startswith(f"{RUNTIME}/"):
            return self._runtime(request, path.removeprefix(f"{RUNTIME}/"))
        for api in (STANDARD, EXTENSION):
            if path == api or path.startswith(f"{api}/"):
                if api == EXTENSION and not self.extension:
                    break
                rest = unquote(path[len(api) :].strip("/"))
                if rest == "$batch" and request.method == "POST":
                    return self._batch(request, api)
                if request.method == "GET" and rest == "$metadata":
                    return Reply(200, edmx(api), {"content-type": "application/xml"})
                if request.method == "GET" and not rest:
                    return Reply(200, service(self.root(api), api))
                if rest.startswith("subscriptions"):
                    return await self._subscriptions(request, api, rest)
                return self._transaction(partial(self._dispatch, request, api, rest))
        raise no_segment(path.partition("/")[0])

    def _transaction(self, work: Callable[[], Reply]) -> Reply:
        """Run one request as a transaction of its own: what it writes is checked first, or taken back."""
        reply = work()
        self.company.commit()
        return reply

    def _batch(self, request: _Request, api: str) -> Reply:
        parts = (_json(request.body) or {}).get("requests")
        if not isinstance(parts, list) or not all(isinstance(x, dict) for x in parts):
            raise bad_request("A batch needs an array of requests.")
        ids = [
            str(part["id"]) for part in parts if part.get("id") is not None
        ]  # Microsoft's own example has none
        wrong = next((x for x in ("method", "url") if any(not part.get(x) for part in parts)), "")
        if wrong or len(set(ids)) < len(ids):
            # OData JSON Format 4.01, section 19.1; the words are an assumption.
            raise bad_request(
                f"Each request of a batch needs '{wrong}'."
                if wrong
                else "Two requests of a batch have one id."
            )
        if len(parts) > BATCH_MAX:
            raise bad_request(f"A batch may have {BATCH_MAX} operations.")
        isolated = request.headers.get("isolation", "").lower() == "snapshot"
        go_on = "odata.continue-on-error" in request.headers.get("prefer", "").lower()
        answers: list[dict[str, Any]] = []
        applied = 0
        undo = self.company.savepoint() if isolated else None
        for part in parts:
            inner = self._inner(request, part, api)
            try:
                reply = self._transaction_of(inner, api, isolated=isolated)
            except ApiError as error:
                reply = self._refusal(error)
            applied += reply.applied
            answers.append(
                {
                    "id": None if part.get("id") is None else str(part["id"]),
                    "status": reply.status,
                    "headers": {**(JSON | VERSION if reply.body is not None else {}), **reply.headers},
                    **({} if reply.body is None else {"body": reply.body}),
                }
            )
            if reply.status >= 400 and not go_on:
                break
        if undo is not None:
            if any(a["status"] >= 400 for a in answers):
                undo()
                applied = 0
            else:
                self.company.commit()
        return Reply(200, {"responses": answers}, applied=bool(applied), detail="$batch")

    def _inner(self, request: _Request, part: Mapping[str, Any], api: str) -> _Request:
        url = urlsplit(str(part.get("url", "")))
        # Relative to the API, to the host, or whole; and without a company where a header names it.
        path = url.path.removeprefix(urlsplit(self.root(api)).path).lstrip("/")
        headers = {str(k).lower(): str(v) for k, v in (part.get("headers") or {}).items()}
        body = b"" if part.get("body") is None else encoded(part["body"])
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if headers.get("company") in (self.company.name, self.company_id) and not path.startswith(
            "companies"
        ):
            path = f"companies({self.company_id})/{path}"
        return _Request(str(part.get("method", "")).upper(), path, query, headers, request.origin, body)

    def _transaction_of(self, inner: _Request, api: str, *, isolated: bool) -> Reply:
        rest = unquote(inner.path.strip("/"))
        if not isolated:
            return self._transaction(partial(self._dispatch, inner, api, rest))
        return self._dispatch(inner, api, rest)

    # -- subscriptions ------------------------------------------------------------------------

    async def _subscriptions(self, request: _Request, api: str, rest: str) -> Reply:
        hooks = self.webhooks
        named = re.fullmatch(r"subscriptions\('([0-9a-f]+)'\)", rest)
        if rest == "subscriptions" and request.method == "GET":
            shown = [hooks.body(x) for x in hooks.alive().values() if ENTITIES[x.entity].api == api]
            return Reply(200, {"@odata.context": f"{self.root(api)}/$metadata#subscriptions", "value": shown})
        if rest == "subscriptions" and request.method == "POST":
            made = await hooks.create(_object(request.body), api)
            return Reply(201, hooks.body(made), applied=True, detail=made.id)
        found: Subscription | None = hooks.alive().get(named[1]) if named else None
        if found is None:
            raise no_record("subscription")
        if request.method == "GET":
            return Reply(200, hooks.body(found))
        self._check_version(request, found.etag, found.id)
        if request.method == "PATCH":
            await hooks.renew(found, _object(request.body))
            return Reply(200, hooks.body(found), applied=True, detail=found.id)
        if request.method == "DELETE":
            hooks.delete(found)
            return Reply(204, applied=True, detail=found.id)
        raise no_method(request.method, "subscriptions")

    def _runtime(self, request: _Request, rest: str) -> Reply:
        told = self.business_events
        if (request.method, rest) == ("GET", "externalbusinesseventdefinitions"):
            return Reply(200, {"value": told.definitions()})
        if (request.method, rest) == ("GET", "externaleventsubscriptions"):
            return Reply(200, {"value": told.listed()})
        if (request.method, rest) == ("POST", "externaleventsubscriptions"):
            told.subscribe(_object(request.body))
            return Reply(201, applied=True)
        raise no_segment(rest)

    # -- entities -----------------------------------------------------------------------------

    def _dispatch(self, request: _Request, api: str, rest: str) -> Reply:
        segments = [_segment(x) for x in rest.split("/")] if rest else []
        if not segments:
            raise no_segment("")
        first, key = segments[0]
        if first != "companies":
            raise no_segment(first)
        if len(segments) == 1:
            return self._companies(request, key)
        self._of_company(key)
        return self._entity(request, api, segments[1:])

    def _companies(self, request: _Request, key: str) -> Reply:
        if request.method != "GET":
            raise no_method(request.method, "companies")
        entity = ENTITIES["companies"]
        if not key:
            return self._page(request, entity, parse(request.query, entity), None)
        self._of_company(key)
        return self._single(request, entity, self.company.tables["companies"][self.company_id])

    def _of_company(self, key: str) -> None:
        if key.lower() != self.company_id:
            raise ApiError(404, "Internal_CompanyNotFound", f'The company "{key}" does not exist.')

    def _entity(self, request: _Request, api: str, segments: list[tuple[str, str]]) -> Reply:
        name, key = segments[0]
        entity = ENTITIES.get(name)
        if entity is None or entity.api != api or name == "companies":
            raise no_segment(name)
        parent: tuple[str, str] | None = None
        above: Record | None = None
        holder: Record | None = None
        for depth, (name, key) in enumerate(segments):
            if depth:
                assert entity is not None
                if name.startswith("Microsoft.NAV."):
                    if above is None or depth != len(segments) - 1:
                        raise no_segment(name)
                    return self._action(request, entity, above, name)
                if name == "$count" and above is None and depth == len(segments) - 1:
                    return self._count(request, entity, parent, holder)
                if above is None or name not in entity.many:
                    raise no_segment(name)
                parent = (entity.many[name], above.id)
                entity = ENTITIES[name]
            holder = above
            above = self._find(entity, key, holder if depth else None) if key else None
            if not key and depth != len(segments) - 1 and segments[depth + 1][0] != "$count":
                raise no_segment(segments[depth + 1][0])
        if above is not None:
            return self._single(request, entity, above)
        return self._collection(request, entity, parent, holder)

    def _find(self, entity: Entity, key: str, holder: Record | None) -> Record:
        if not _GUID.fullmatch(key):
            raise bad_request(f"The key '{key}' is no GUID. GUIDs are written without quotes.")
        rows = self.views.rows(entity) if holder is None else self.views.children(entity.name, holder)
        wanted = key.lower()
        table = TABLES.get(entity.name, entity.name)
        found = self.company.tables[table].get(wanted) if table in self.company.tables else None
        if found is not None and (holder is None or any(x.id == wanted for x in rows)):
            return found
        if holder is None:
            found = next((x for x in rows if x.id == wanted), None)
            if found is not None:
                return found
        raise no_record(entity.title)

    def _single(self, request: _Request, entity: Entity, record: Record) -> Reply:
        if request.method == "GET":
            query = parse(request.query, entity)
            return Reply(
                200, {"@odata.context": self._context(entity), **self.views.render(entity, record, query)}
            )
        if request.method == "PATCH":
            self._allowed(entity, "u", request.method)
            self._check_version(request, record.etag, record.id)
            content = _object(request.body)
            self.writes.change(entity, record, content)
            return Reply(
                200,
                self.views.render(entity, record, Query()),
                applied=True,
                detail=f"{entity.name}/{record.id}",
            )
        if request.method == "DELETE":
            self._allowed(entity, "d", request.method)
            self._check_version(request, record.etag, record.id)
            self.writes.delete(entity, record)
            return Reply(204, applied=True, detail=f"{entity.name}/{record.id}")
        raise no_method(request.method, entity.name)

    def _action(self, request: _Request, entity: Entity, record: Record, name: str) -> Reply:
        if request.method != "POST" or name not in entity.actions:
            raise no_segment(name)
        if entity.name == "salesCreditMemos":
            self.documents.post_memo(record)
        else:
            picks = self.open_lines(record)
            if picks:
                self.documents.ship(record, picks)
            self.documents.invoice(record)
        return Reply(204, applied=True, detail=f"{name}/{record.id}")

    def _collection(
        self, request: _Request, entity: Entity, parent: tuple[str, str] | None, holder: Record | None
    ) -> Reply:
        if request.method == "POST":
            self._allowed(entity, "c", request.method)
            content = _object(request.body)
            made = self.writes.create(entity, content, parent)
            body = self.views.render(entity, made, parse(_only_shape(request.query), entity))
            location = f"{request.origin}{request.path}({made.id})"
            return Reply(201, {"@odata.context": self._context(entity), **body}, {"location": location}, applied=True, detail=f"{entity.name}/{made.id}")  # fmt: skip
        if request.method != "GET":
            raise no_method(request.method, entity.name)
        query = parse(request.query, entity)
        self._check_filters(entity, query, parent)
        return self._page(request, entity, query, holder)

    def _count(
        self, request: _Request, entity: Entity, parent: tuple[str, str] | None, holder: Record | None
    ) -> Reply:
        """How many rows fit a filter, as plain text."""
        query = parse({k: v for k, v in request.query.items() if k == "$filter"}, entity)
        self._check_filters(entity, query, parent)
        source = self.views.rows(entity) if holder is None else self.views.children(entity.name, holder)
        total = cut([self.views.values(entity, x) for x in source], query, entity, 1)[2]
        return Reply(200, str(total).encode(), {"content-type": "text/plain"})

    @staticmethod
    def _check_filters(entity: Entity, query: Query, parent: tuple[str, str] | None) -> None:
        if entity.name in BUFFERED and parent is None and not query.names & {"documentId", "id"}:
            raise ApiError(
                400,
                "Application_DialogException",
                "You must specify an Id or a Document Id to get the lines.",
            )
        if entity.name == "customerPayments" and parent is None and not query.names & {"journalId", "id"}:
            raise ApiError(
                400,
                "Application_DialogException",
                "You must specify a journal batch ID or a journal ID to get a journal line.",
            )

    def _page(self, request: _Request, entity: Entity, query: Query, holder: Record | None) -> Reply:
        page = _page_size(request.headers.get("prefer", ""))
        source = self.views.rows(entity) if holder is None else self.views.children(entity.name, holder)
        held = {record.id: record for record in source}
        values = [self.views.values(entity, record) for record in held.values()]
        rows, token, total = cut(values, query, entity, page)
        body: dict[str, Any] = {"@odata.context": self._context(entity)}
        if query.count:
            body["@odata.count"] = total
        body["value"] = [self.views.render(entity, held[row["id"]], query, row) for row in rows]
        if token:
            options = {k: v for k, v in request.query.items() if k not in ("$skiptoken", "$skip")}
            if query.top is not None:
                options["$top"] = str(query.top - len(rows))
            options["$skiptoken"] = token
            body["@odata.nextLink"] = f"{request.origin}{request.path}?{urlencode(options, quote_via=quote)}"
        return Reply(200, body)

    # -- conditions ---------------------------------------------------------------------------

    def _allowed(self, entity: Entity, verb: str, method: str) -> None:
        if verb not in entity.verbs:
            raise no_method(method, entity.name)

    def _check_version(self, request: _Request, etag: str, number: str) -> None:
        given = request.headers.get("if-match", "").strip()
        if not _ETAG.fullmatch(given):
            self.ledger.breach("no_version")
            raise no_version()
        if given not in ("*", etag):
            if (number, given) in self._refused:
                self.ledger.breach("stale_again")
            self._refused[number, given] = None
            while len(self._refused) > 10_000:
                del self._refused[next(iter(self._refused))]
            raise entity_changed()

    def _context(self, entity: Entity) -> str:
        if entity.name == "companies":
            return f"{self.root()}/$metadata#companies"
        return f"{self.root(entity.api)}/$metadata#companies({self.company_id})/{entity.name}"


def _segment(text: str) -> tuple[str, str]:
    match = _SEGMENT.fullmatch(text)
    if match is None:
        raise no_segment(text)
    return match[1], match[2] or ""


def _json(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request("The request body is not valid JSON.") from error


def _object(body: bytes) -> dict[str, Any]:
    found = _json(body) if body.strip() else {}
    if not isinstance(found, dict):
        raise bad_request("The request body has to be an object.")
    return found


def _only_shape(options: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in options.items() if k in ("$expand", "$select")}


def _page_size(prefer: str) -> int:
    found = re.search(r"odata\.maxpagesize=(\d+)", prefer)
    if found is None:
        return PAGE_ITEMS_MAX
    if not 0 < int(found[1]) <= PAGE_ITEMS_MAX:
        raise ApiError(413, "RequestEntityTooLarge", f"A page may have {PAGE_ITEMS_MAX} records.")
    return int(found[1])


def _calls(request: _Request) -> int:
    """How many calls a request is: each operation of a batch is one."""
    if not request.path.endswith("/$batch"):
        return 1
    try:
        return max(1, len(_json(request.body)["requests"]))
    except (ApiError, KeyError, TypeError):
        return 1


def _set_of(path: str) -> str:
    """The entity set at the end of an address, for the ledger."""
    for part in reversed(unquote(path).strip("/").split("/")):
        name = part.partition("(")[0]
        if name and not name.startswith("Microsoft.NAV."):
            return name
    return ""


def _unexpected() -> ApiError:
    return ApiError(500, "Internal_ServerError", "An unexpected error occurred.")
