"""The simulator itself: one ASGI app in front of one account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.types import Receive, Scope, Send

from syncline.connectors.netsuite.simulator.auth import TOKEN_PATH, OAuth1, OAuth2, Refused, load_public_key
from syncline.connectors.netsuite.simulator.documents import Documents
from syncline.connectors.netsuite.simulator.errors import ApiError, invalid_login, over_limit
from syncline.connectors.netsuite.simulator.jobs import Jobs
from syncline.connectors.netsuite.simulator.paging import Paging
from syncline.connectors.netsuite.simulator.people import People
from syncline.connectors.netsuite.simulator.push import DRAIN_EVERY_MS, Push
from syncline.connectors.netsuite.simulator.records import Records, Reply
from syncline.connectors.netsuite.simulator.state import Account, Txn
from syncline.connectors.netsuite.simulator.stock import Key, Stock
from syncline.connectors.netsuite.simulator.suiteql import SuiteQL
from syncline.connectors.netsuite.simulator.truth import Truth
from syncline.ports import Clock, Transport
from syncline.sdk.simulator import Simulator

# NS:bridgehead_1500275603. Partner and developer accounts have 5.
SLOTS = {"standard": 5, "premium": 15, "enterprise": 20, "ultimate": 20}
SLOTS_PER_LICENCE = 10
BACKLOG_MAX = 20_000
REST = "/services/rest/"
_SHAPE = "application/vnd.oracle.resource+json; type="


class OAuth1Secrets(NamedTuple):
    """The four values of a Token-Based Authentication integration."""

    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


class _Request(NamedTuple):
    method: str
    path: str
    raw_path: str
    query_string: str
    query: dict[str, str]
    headers: dict[str, str]
    origin: str
    body: bytes


class NetSuiteSimulator(People, Truth, Simulator):
    """An Oracle NetSuite account, written from the contract sheet, blind to our client.

    Answer times are assumptions: drawn uniformly from ``record_ms`` and ``suiteql_ms``, with the
    effect somewhere inside. Everything else that is not documented is marked where it stands.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport | None = None,
        account: str = "1234567_SB1",
        tier: str = "premium",
        suitecloud_plus: int = 0,
        client_id: str = "syncline-demo-client",
        certificates: Mapping[str, str] | None = None,
        timezone: str = "America/Los_Angeles",
        record_ms: tuple[float, float] = (500.0, 3000.0),
        suiteql_ms: tuple[float, float] = (300.0, 2000.0),
        currency: str = "GBP",
        computes_tax_rate: Decimal | None = None,
        units_of_measure: bool = False,
        kits_tell: bool = True,
        oauth1: OAuth1Secrets | None = None,
        push_delay_ms: tuple[float, float] = (100.0, 800.0),
        drain_every_ms: int = DRAIN_EVERY_MS,
    ) -> None:
        super().__init__(clock=clock, rng=rng, transport=transport)
        self.account_id = account
        self.slots = SLOTS[tier] + SLOTS_PER_LICENCE * suitecloud_plus
        self.record_ms = record_ms
        self.suiteql_ms = suiteql_ms
        self.account = Account(
            clock, timezone, currency, computes_tax_rate, units_on=units_of_measure, kits_tell=kits_tell
        )
        self.stock = Stock(self.account)
        self.documents = Documents(self.account, self.stock)
        self.documents.submitted = self._submitted
        self.login_audit: list[tuple[int, str]] = []
        keys = {kid: load_public_key(pem) for kid, pem in (certificates or {}).items()}
        self._oauth2 = OAuth2(rng, client_id, keys)
        self._oauth1 = None if oauth1 is None else OAuth1(account, *oauth1)
        self._records = Records(self.account, self.documents, self.ledger.breach)
        self._suiteql = SuiteQL(self.account)
        self._jobs = Jobs(clock.now_ms)
        self._busy = 0
        self._push = Push(self.account, account, clock, rng, self.faults, push_delay_ms, drain_every_ms)
        self.app = self._serve

    # -- the outside --------------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """``https://{account}.suitetalk.api.netsuite.com``: lower case, ``-`` for ``_``."""
        host = self.account_id.lower().replace("_", "-")
        return f"https://{host}.suitetalk.api.netsuite.com"

    @property
    def token_url(self) -> str:
        """Where assertions are sent, and their ``aud``."""
        return self.origin + TOKEN_PATH

    @property
    def push(self) -> Push:
        """The outbox of the user-event script."""
        return self._push

    def configure_push(
        self, url: str | None, secrets: Sequence[str | bytes], *, enabled: bool = True
    ) -> None:
        """Deploy the user-event script: where it posts and what it signs with (two in a rotation)."""
        if len(secrets) > 2 or (enabled and not secrets):
            raise ValueError("The script signs with one secret, or two during a rotation.")
        self._push.url = url
        self._push.secrets = tuple(s.encode() if isinstance(s, str) else s for s in secrets)
        self._push.enabled = enabled
        self._push.transport = self.transport

    def lose_next_push(self) -> None:
        """The next event's immediate post never leaves; the drain finds it later."""
        self._push.lose_next()

    def pushes_in_flight(self) -> int:
        """Immediate posts that have not ended."""
        return self._push.waiting()

    def pushes_undone(self) -> int:
        """Outbox records that nobody has accepted yet."""
        return len(self._push.undone)

    def revoke_tokens(self) -> None:
        """End every access token now."""
        self._oauth2.forget()

    async def run(self) -> None:
        """Post and drain the outbox until cancelled."""
        self._push.transport = self.transport
        await self._push.run()

    def _submitted(self, txn: Txn, event: str, touched: list[Key]) -> None:
        self._push.after_submit(txn, event, touched)
        # Where nobody queries, the mirror's backlog must not grow without end.
        if len(self.account.dirty.writes) > BACKLOG_MAX:
            self._suiteql.flush()

    # -- requests -----------------------------------------------------------------------------

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served")
        chunks = []
        while True:
            message = await receive()
            chunks.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query_string = scope["query_string"].decode("latin-1")
        request = _Request(
            scope["method"],
            scope["path"],
            (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0],
            query_string,
            dict(parse_qsl(query_string, keep_blank_values=True)),
            headers,
            f"{scope.get('scheme', 'https')}://{headers.get('host', '')}",
            b"".join(chunks),
        )
        operation = _operation(request)
        try:
            reply = await self._answer(request)
        except ApiError as error:
            reply = Reply(error.status, error.body(), {**error.headers, "content-type": f"{_SHAPE}error"})
            reply.detail = error.code
        self.ledger.call(
            self.clock.now_ms(),
            operation,
            reply.status,
            applied=reply.applied,
            detail=reply.detail,
        )
        out = dict(reply.headers)
        if reply.body:
            out.setdefault("content-type", f"{_SHAPE}singular")
        out["content-length"] = str(len(reply.body))
        raw = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in out.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, request: _Request) -> Reply:
        if self.faults.down:
            raise ApiError(503, "UNEXPECTED_ERROR", "The service is unavailable.")
        self._jobs.settle()
        if not request.path.startswith(REST):
            raise ApiError(404, "INVALID_REQUEST", "Not found.")
        if request.path == TOKEN_PATH:
            return await self._token(request)
        self._authenticate(request)
        if self._busy >= self.slots:
            self.ledger.breach("concurrency")
            raise over_limit()
        if self.chance(self.faults.throttle_rate):
            raise over_limit()
        self._busy += 1
        try:
            return await self._work(request)
        finally:
            self._busy -= 1

    async def _work(self, request: _Request) -> Reply:
        low, high = self.suiteql_ms if request.path.endswith("/suiteql") else self.record_ms
        whole = self.rng.uniform(low, high) / 1000
        share = self.rng.uniform(0.3, 0.9)  # where inside the call the effect takes place: assumption
        await self.clock.sleep(whole * share)
        if self.chance(self.faults.error_before_rate):
            await self.clock.sleep(whole * (1 - share))
            raise _unexpected()
        try:
            reply = self._dispatch(request)
        except ApiError:
            await self.clock.sleep(whole * (1 - share))
            raise
        await self.clock.sleep(whole * (1 - share))
        if self.chance(self.faults.error_after_rate):
            error = _unexpected()
            return Reply(500, error.body(), applied=reply.applied, detail="lost answer")
        return reply

    async def _token(self, request: _Request) -> Reply:
        await self.answer_time(*self.record_ms)
        audiences = (self.token_url, request.origin + TOKEN_PATH)
        try:
            if self.faults.reject_auth:
                raise Refused("rejected by a fault")
            if request.method != "POST":
                raise Refused("the token endpoint takes POST")
            if "x-www-form-urlencoded" not in request.headers.get("content-type", ""):
                raise Refused("the token endpoint takes a form")
            answer = self._oauth2.issue(request.body, audiences, self.clock.now_ms())
        except Refused as reason:
            self._audit(str(reason))
            # The status is unsure; the body is RFC 6749's.
            return Reply(400, b'{"error":"invalid_grant"}', {"content-type": "application/json"})
        return Reply(200, msgspec.json.encode(answer), {"content-type": "application/json"})

    def _audit(self, reason: str) -> None:
        self.ledger.breach("auth")
        if len(self.login_audit) < 10_000:
            self.login_audit.append((self.clock.now_ms(), reason))

    def _authenticate(self, request: _Request) -> None:
        header = request.headers.get("authorization", "")
        now = self.clock.now_ms()
        try:
            if self.faults.reject_auth:
                raise Refused("rejected by a fault")
            if header.startswith("Bearer "):
                if not self._oauth2.holds(header[7:], now):
                    raise Refused("token_rejected")
            elif header.startswith("OAuth ") and self._oauth1 is not None:
                url = request.origin + request.raw_path
                self._oauth1.check(header, request.method, url, request.query_string, now)
            else:
                raise Refused("no credential")
        except Refused as reason:
            self._audit(str(reason))
            raise invalid_login() from reason

    def _dispatch(self, request: _Request) -> Reply:
        parts = [unquote(p) for p in request.raw_path[len(REST) :].strip("/").split("/")]
        service = parts[:2]
        if service == ["query", "v1"] and parts[2:] == ["suiteql"]:
            return self._query(request)
        if service == ["record", "v1"] and len(parts) > 2:
            return self._record(request, parts[2:])
        if service == ["async", "v1"] and len(parts) > 3 and parts[2] == "job" and request.method == "GET":
            return self._jobs.read(parts[3:], request.origin)
        if parts == ["system", "v1", "governanceLimits"] and request.method == "GET":
            return Reply(
                200,
                msgspec.json.encode(
                    {
                        "accountConcurrencyLimit": self.slots,
                        "accountUnallocatedConcurrencyLimit": self.slots,
                        "integrationConcurrencyLimit": self.slots,
                        "integrationLimitType": "accountLimit",
                    },
                ),
            )
        raise ApiError(404, "INVALID_REQUEST", "The requested resource does not exist.")

    def _query(self, request: _Request) -> Reply:
        if request.method != "POST":
            raise ApiError(405, "INVALID_REQUEST", "SuiteQL takes POST.")
        preferences = [p.strip() for p in request.headers.get("prefer", "").lower().split(",")]
        if "transient" not in preferences:
            raise ApiError(
                400,
                "INVALID_HEADER",
                "The required request header 'Prefer' is missing or invalid: it must be 'transient'.",
                header="Prefer",
            )
        body = self._suiteql.query(request.body, Paging.of(request.query), request.origin + request.path)
        return Reply(200, body, {"content-type": f"{_SHAPE}collection"})

    def _record(self, request: _Request, parts: list[str]) -> Reply:
        def run() -> Reply:
            return self._records.handle(
                request.method,
                parts,
                request.query,
                request.headers,
                request.body,
                request.origin,
            )

        if "type=collection" in request.headers.get("content-type", ""):
            raise ApiError(400, "INVALID_REQUEST", "Batch operations are not simulated.")
        if request.headers.get("prefer", "").strip().lower() != "respond-async":
            # The idempotency key is ignored on synchronous calls (RB26.1): relying on it is a fault
            # of the client that the ledger shows.
            if "x-netsuite-idempotency-key" in request.headers:
                self.ledger.breach("idempotency")
            return run()
        due = self.clock.now_ms() + int(self.rng.uniform(*self.record_ms))
        return self._jobs.accept(
            request.headers.get("x-netsuite-idempotency-key"),
            due,
            request.origin,
            run,
        )


def _unexpected() -> ApiError:
    return ApiError(500, "UNEXPECTED_ERROR", "An unexpected error occurred. Error ID: simulated")


def _operation(request: _Request) -> str:
    """A short name for the ledger, such as ``salesOrder.put``, ``suiteql`` or ``token``."""
    path = request.path
    if path == TOKEN_PATH:
        return "token"
    parts = path.removeprefix(REST).strip("/").split("/")
    if parts[:2] == ["record", "v1"] and len(parts) > 2:
        if len(parts) == 6 and parts[4] == "!transform":
            return f"{parts[2]}.transform.{parts[5]}"
        suffix = "list" if request.method == "GET" and len(parts) == 3 else request.method.lower()
        return f"{parts[2]}.{suffix}"
    if parts[:1] == ["async"]:
        return "job.get"
    return parts[-1]
