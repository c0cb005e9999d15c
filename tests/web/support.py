"""A small made-up ERP and shop, and an engine between them with a history to look at."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from random import Random
from types import SimpleNamespace

import msgspec

from syncline.engine.codec import encode
from syncline.engine.delivery.stops import Difference
from syncline.engine.engine import Engine
from syncline.engine.holds import Line
from syncline.engine.operations import Operations
from syncline.engine.routes import Route, Routes, stock_key
from syncline.engine.survey import Found, RecoveredAt
from syncline.inventory.rules import Layer, Level, Rules, fixed
from syncline.model.capabilities import Capabilities, LimitKind
from syncline.model.change import Change, Cursor, Event, Flow, Kind, Via
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Forged, Rejected
from syncline.model.records import Allocation, Item, Order, OrderLine, StockLevel
from syncline.ports import Page, PollStream, System, Verified, Write
from syncline.sdk.governor import ConcurrencySlots, CostBucket
from syncline.stores.sqlite import SqliteStore
from syncline.web.access import Access, Role
from syncline.web.app import build_app

NOW_MS = 1_795_000_000_000
HOOK_SECRET = b"a webhook secret of the made-up shop"
SERVER_SECRET = b"a server secret of thirty-two by"
MINUTE = 60_000


class StillClock:
    """Time that stands still until it is moved; sleeping yields once and moves it."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.at_ms = now_ms
        self.moves = True

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self.at_ms / 1000

    async def sleep(self, seconds: float) -> None:
        import asyncio

        if self.moves:
            self.at_ms += round(max(0.0, seconds) * 1000)
        await asyncio.sleep(0)  # noqa: TID251 (this is a clock)

    def after(self, seconds: float, call: Callable[[], None]) -> SimpleNamespace:
        """Never: nobody who waits for the time alone sees it move."""
        return SimpleNamespace(cancel=lambda: None)


class FakeSource:
    def __init__(self, name: str, streams: tuple[PollStream, ...]) -> None:
        self.name = name
        self.streams = streams

    def verify(self, request):
        offered = request.headers.get("x-signature", "")
        if not hmac.compare_digest(
            hmac.digest(HOOK_SECRET, request.body, "sha256").hex().encode(), offered.encode()
        ):
            raise Forged("signature refused")
        event_id = hashlib.sha256(request.body).hexdigest()
        return Verified(Event(self.name, "stock", event_id, Via.EVENT, request.received_at_ms, request.body))

    def decode(self, logged):
        try:
            told = json.loads(logged.event.body)
            level = StockLevel(
                told["sku"],
                told["location"],
                Decimal(told["available"]),
                Decimal(told["available"]),
                Decimal(0),
                logged.event.occurred_at_ms,
            )
        except (ValueError, KeyError, ArithmeticError) as error:
            raise Rejected(f"the message has no usable {error}") from error
        key = stock_key(level.sku, level.location)
        return [Change(Kind.STOCK, key, logged.offset, 0, logged.event.occurred_at_ms, level)]

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        yield Page((), Cursor(self.name, stream, "", NOW_MS), last=True)


class FakeSink:
    def __init__(self, operations: tuple[str, ...]) -> None:
        self.operations = {name: Operation(name, batch_items_max=100) for name in operations}
        self.delivered: list[tuple[str, str]] = []

    async def deliver(self, operation, items, key):
        self.delivered += [(operation, item.key) for item in items]
        return [Outcome(Result.DONE) for _ in items]

    async def look_up(self, operation, item):
        return None


def make_systems(clock: StillClock) -> list[System]:
    slots = ConcurrencySlots(clock, 5)
    slots._in_use, slots.calls = 1, 4_812
    bucket = CostBucket(clock, capacity=2_000, restore_per_s=100)
    bucket._level, bucket.calls = 1_340, 12_950
    erp = System(
        name="erp",
        connector="netsuite",
        governor=slots,
        capabilities=Capabilities(
            delta_poll=("stock",), external_reference=True, limit=LimitKind.CONCURRENCY
        ),
        source=FakeSource(
            "erp",
            (
                PollStream("transactions", (Flow.INVENTORY, Flow.ORDER_STATUS)),
                PollStream("stock", (Flow.INVENTORY,), snapshot=True),
            ),
        ),
        sink=FakeSink(("put_order", "put_payment", "put_refund")),
    )
    shop = System(
        name="shop",
        connector="shopify",
        governor=bucket,
        capabilities=Capabilities(webhooks=True, event_delay_ms=1_000, limit=LimitKind.QUERY_COST),
        source=FakeSource("shop", (PollStream("orders", (Flow.ORDERS, Flow.PAYMENTS)),)),
        sink=FakeSink(("set_stock", "read_stock", "read_order", "create_shipment", "cancel_order")),
    )
    return [erp, shop]


def make_routes() -> Routes:
    return Routes(
        [
            Route(
                Flow.INVENTORY,
                "erp",
                "shop",
                5 * MINUTE,
                locations={"1": "L1", "2": "L2"},
                rules=Rules([Layer(Level.CHANNEL, {"buffer": fixed(2), "safety_stock": 1}, "shop")]),
                poll_interval_ms=MINUTE,
                reconcile_interval_ms=60 * MINUTE,
            ),
            Route(Flow.ORDERS, "shop", "erp", 10_000, poll_interval_ms=4 * MINUTE),
            Route(Flow.ORDER_STATUS, "erp", "shop", 60 * MINUTE, poll_interval_ms=4 * MINUTE),
        ]
    )


def order(number: int, now_ms: int, **more) -> Order:
    line = OrderLine(
        f"{number}1",
        "TEE-RED-M",
        "Tee, red, M",
        Decimal(2),
        Decimal("19.00"),
        taken=Decimal(2),
        allocations=(Allocation("1", Decimal(2)),),
    )
    values = {
        "key": f"55{number}",
        "number": f"#{number}",
        "placed_at_ms": now_ms - 12 * MINUTE,
        "updated_at_ms": now_ms - 12 * MINUTE,
        "currency": "EUR",
        "lines": (line,),
        "shipping": Decimal("4.90"),
        "tax": Decimal(0),
        "total": Decimal("42.90"),
        "complete": True,
    }
    return Order(**(values | more))


async def make_engine(clock: StillClock, store=None) -> Engine:
    store = store or SqliteStore.open(":memory:", now_ms=clock.now_ms())
    return Engine(
        store=store,
        clock=clock,
        rng=Random(7),
        systems=make_systems(clock),
        routes=make_routes(),
        owner="test",
    )


def record(system: str, kind: Kind, key: str, value, now_ms: int) -> dict:
    return {
        "system": system,
        "kind": kind.value,
        "key": key,
        "version": 1,
        "tiebreak": 0,
        "changed_at_ms": now_ms,
        "observed_at_ms": now_ms,
        "offset": 0,
        "hash": "",
        "body": encode(value),
    }


async def seed(engine: Engine) -> None:
    """An hour of ordinary life: items, stock, orders, changes that landed, one thing parked."""
    now, store = engine.clock.now_ms(), engine.store
    items = [Item(sku, f"g{i}", f"s{i}", sku.title()) for i, sku in enumerate(SKUS)]
    rows = [record(system, Kind.ITEM, item.sku, item, now) for system in ("erp", "shop") for item in items]
    rows += [
        record(
            "erp",
            Kind.STOCK,
            stock_key(sku, at),
            StockLevel(sku, at, Decimal(n), Decimal(n), Decimal(0), now - MINUTE, now - MINUTE),
            now - MINUTE,
        )
        for sku, n in zip(SKUS, (24, 3, 140, 0, 61), strict=True)
        for at in ("1", "2")
    ]
    placed = order(1042, now)
    rows.append(record("shop", Kind.ORDER, placed.key, placed, now - 12 * MINUTE))
    await store.write(
        Write("record_put", rows),
        Write(
            "held_seen",
            [
                {
                    "system": "shop",
                    "key": stock_key(sku, at),
                    "held": held,
                    "rev": None,
                    "exact": True,
                    "now_ms": now - 5 * MINUTE,
                }
                for sku, held in (("TEE-RED-M", 20), ("MUG-01", 1))
                for at in ("L1", "L2")
            ],
        ),
        Write(
            "binding_put",
            [
                {
                    "system": "erp",
                    "kind": "order",
                    "key": "shop-551042",
                    "external_id": "88123",
                    "version": 1,
                    "hash": "",
                    "now_ms": now - 11 * MINUTE,
                }
            ],
        ),
        Write(
            "demand_want",
            [
                {
                    "channel": "shop",
                    "order_key": placed.key,
                    "line_id": "10421",
                    "location": "1",
                    "sku": "TEE-RED-M",
                    "quantity": 2,
                    "taken": 2,
                }
            ],
        ),
        Write(
            "trace_put",
            [
                {
                    "kind": "order",
                    "key": placed.key,
                    "offset": 0,
                    "system": "shop",
                    "via": via,
                    "verdict": verdict,
                    "now_ms": now - 12 * MINUTE + after,
                }
                | {"offset": i + 1}
                for i, (via, verdict, after) in enumerate(
                    [("event", "applied", 1_900), ("event", "duplicate", 2_600), ("read", "applied", 3_100)]
                )
            ],
        ),
    )
    await _deliver(
        engine, "erp", "put_order", f"{placed.key}\x1f1", "orders:shop->erp", now - 12 * MINUTE, 4_200
    )
    await _deliver(
        engine,
        "shop",
        "set_stock",
        stock_key("TEE-RED-M", "L1"),
        "inventory:erp->shop",
        now - 9 * MINUTE,
        41_000,
        payload={"sku": "TEE-RED-M", "stock_id": "s0", "location": "L1", "quantity": 20, "expected": 22},
    )
    rng = Random(3)
    lags = []
    for route, tolerance, count in (
        ("inventory:erp->shop", 5 * MINUTE, 150),
        ("orders:shop->erp", 10_000, 46),
        ("order_status:erp->shop", 60 * MINUTE, 22),
    ):
        for i in range(count):
            lag = round(tolerance * min(0.9, rng.lognormvariate(-2.2, 0.7)))
            if route.startswith("orders") and i in (20, 21):
                lag = tolerance * (2 + i - 20)
            at = now - round(rng.random() * 60 * MINUTE)
            lags.append(
                {
                    "route": route,
                    "key": f"{rng.choice(SKUS[2:])}\x1fL1" if "inv" in route else f"55{900 + i}\x1f1",
                    "lag_ms": lag,
                    "kept": int(lag <= tolerance),
                    "now_ms": at,
                }
            )
    await store.write(Write("lag_put", sorted(lags, key=lambda row: row["now_ms"])))
    for system, stream, age in (
        ("erp", "transactions", 37_000),
        ("erp", "stock", 22 * MINUTE),
        ("shop", "orders", 130_000),
    ):
        await store.append([], received_at_ms=now, cursor=Cursor(system, stream, "x", now - age))
        poller = next(p for p in engine.pollers if (p.system.name, p.stream.name) == (system, stream))
        poller.covers_ms, poller.reads, poller.read_ms, poller.events_found = now - age, 61, 1_840, 318
    engine.ingress.received["shop"].accepted = 812
    engine.ingress.received["shop"].duplicates = 9
    engine.ingress.received["shop"].last_at_ms = now - 14_000
    await engine.catalog.load(engine.systems)


SKUS = ("TEE-RED-M", "MUG-01", "CAP-BLK", "TEE-RED-L", "SOCK-42")


async def _deliver(engine, system, operation, key, route, changed_ms, lag_ms, payload=None):
    """One delivery that happened."""
    at = {"system": system, "operation": operation, "key": key}
    done = changed_ms + lag_ms
    intent = f"{done - 700:012x}"
    intent = f"{intent[:8]}-{intent[8:]}-7000-8000-{abs(hash(key)) % 10**12:012d}"
    await engine.store.write(
        Write(
            "delivery_fact",
            [
                {
                    **at,
                    "route": route,
                    "changed_at_ms": changed_ms,
                    "deliver_by_ms": changed_ms + 10_000,
                    "not_before_ms": changed_ms,
                    "now_ms": changed_ms,
                }
            ],
        ),
        Write(
            "intent_put",
            [
                {
                    "id": intent,
                    "system": system,
                    "operation": operation,
                    "items": json.dumps({key: payload or {}}),
                    "now_ms": done - 700,
                }
            ],
        ),
        Write(
            "attempt_put",
            [
                {
                    "intent": intent,
                    **at,
                    "generation": 1,
                    "result": "done",
                    "message": "",
                    "now_ms": done - 700,
                }
            ],
        ),
        Write("intent_finish", [{"id": intent, "result": "known", "now_ms": done}]),
        Write(
            "delivery_finish",
            [
                {
                    **at,
                    "state": "completed",
                    "generation": 1,
                    "not_before_ms": done,
                    "reason": "",
                    "uncounted": 0,
                    "now_ms": done,
                }
            ],
        ),
        Write("lag_put", [{"route": route, "key": key, "lag_ms": lag_ms, "kept": 1, "now_ms": done}]),
    )


async def park_message(
    engine, body: bytes = b'{"sku": "MUG-01", "location": "1", "available": "four"}'
) -> int:
    """A message that the ERP sent and nobody could read."""
    now = engine.clock.now_ms()
    event = Event("erp", "stock", "evt-" + hashlib.sha256(body).hexdigest()[:8], Via.EVENT, now - 3_000, body)
    await engine.store.append([event], received_at_ms=now - 2_000)
    rows = await engine.store.write(
        Write(
            "parked_put",
            [
                {
                    "system": "erp",
                    "operation": "apply",
                    "key": f"stock\x1f{event.event_id}",
                    "reason": "not_understood",
                    "detail": 'available: "four" is no number',
                    "payload": body.decode(),
                    "now_ms": now - 1_000,
                }
            ],
        )
    )
    return rows[0][0][0]


async def park_order(engine, key: str = "551043\x1f1") -> int:
    """An order that the ERP refused."""
    now = engine.clock.now_ms()
    at = {"system": "erp", "operation": "put_order", "key": key}
    rows = await engine.store.write(
        Write(
            "delivery_fact",
            [
                {
                    **at,
                    "route": "orders:shop->erp",
                    "changed_at_ms": now - 40_000,
                    "deliver_by_ms": now - 30_000,
                    "not_before_ms": now,
                    "now_ms": now,
                }
            ],
        ),
        Write(
            "delivery_finish",
            [
                {
                    **at,
                    "state": "parked",
                    "generation": 1,
                    "not_before_ms": now,
                    "reason": "rejected",
                    "uncounted": 0,
                    "now_ms": now,
                }
            ],
        ),
        Write(
            "parked_put",
            [
                {
                    **at,
                    "reason": "unknown_sku",
                    "payload": "",
                    "now_ms": now - 26 * MINUTE,
                    "detail": "order #1043: no item in erp has the SKU 'TEE-GREEN-S'; create it there "
                    "(or correct the SKU in the shop) and the order goes on by itself",
                }
            ],
        ),
    )
    return rows[2][0][0]


async def park_many(engine, count: int) -> None:
    """As many orders that the ERP refuses for the same reason."""
    now = engine.clock.now_ms()
    due, ended, parked = [], [], []
    for n in range(1, count + 1):
        at = {
            "system": "erp",
            "operation": "put_order",
            "key": f"{n}\x1f1",
            "now_ms": now - (count - n) * MINUTE,
        }
        late = {"changed_at_ms": at["now_ms"], "deliver_by_ms": at["now_ms"], "not_before_ms": now}
        due.append({**at, **late, "route": "orders:shop->erp"})
        ended.append(
            {
                **at,
                "state": "parked",
                "generation": 1,
                "not_before_ms": now,
                "reason": "rejected",
                "uncounted": 0,
            }
        )
        detail = f"order #{n}: no item in erp has the SKU 'TEE-GREEN-S'"
        parked.append({**at, "reason": "unknown_sku", "detail": detail, "payload": ""})
    await engine.store.write(
        Write("delivery_fact", due), Write("delivery_finish", ended), Write("parked_put", parked)
    )


async def trouble(engine) -> None:
    """The ERP is down: changes wait past their deadlines, and reading it fails too."""
    now = engine.clock.now_ms()
    lane = engine.lanes["erp"]
    lane._failing = {"a": None, "b": None, "c": None}
    lane.down_since_ms, lane.last_error = now - 190_000, "HTTP 503 Service Unavailable"
    poller = next(p for p in engine.pollers if p.stream.name == "transactions")
    poller.last_error, poller.failures = "HTTP 503 Service Unavailable", 7
    await engine.store.write(
        Write(
            "delivery_fact",
            [
                {
                    "system": "erp",
                    "operation": "put_order",
                    "key": f"56{i}\x1f1",
                    "route": "orders:shop->erp",
                    "changed_at_ms": now - 150_000 + i * 9_000,
                    "deliver_by_ms": now - 140_000 + i * 9_000,
                    "not_before_ms": now,
                    "now_ms": now,
                }
                for i in range(14)
            ],
        )
    )


async def hold_some(engine) -> None:
    """Checkouts at work: holds not paid, paid, on several lines, and one request that was refused."""
    lines = {
        "cart-81f3": [Line("CAP-BLK", 2), Line("TEE-RED-M", 1, "L1")],
        "cart-2c07": [Line("CAP-BLK", 3)],
        "till-0042": [Line("SOCK-42", 12, "L2")],
    }
    for reference, wanted in lines.items():
        await engine.holds.reserve(
            reference,
            "shop",
            wanted,
            by="checkout-app",
        )
    await engine.holds.confirm("cart-2c07", order="#1043")
    engine.holds.refused["shop", "not_enough"] += 3


async def rehearse_some(site, routes=("inventory:erp->shop", "orders:shop->erp")) -> None:
    """Stock in shadow with differences of several kinds, and the shop paused besides."""
    stock, orders = "inventory:erp->shop", "orders:shop->erp"
    await site.switches.shadow(routes, reason="first week beside the old connector", by="Ada")
    await site.switches.pause("erp", reason="its books are being closed", by="Otto")
    now = site.clock.now_ms()
    for n, (sku, there, computed) in enumerate((("MUG-01", 9, 4), ("TEE-RED-M", 20, 21), ("SOCK-42", 0, 58))):
        row = (stock_key(sku, "L1"), stock, "available", 1, now - n * MINUTE, now, now, 0, "")
        difference = Difference(str(there), str(computed), Decimal(abs(there - computed)), "", now - 3_000)
        site.engine.lanes["shop"].stops.put("set_stock", row, difference)
    for key, there, computed, note in (
        ("551042\x1f1", "not there", "order #1042: 1 line, 39.80 EUR", ""),
        ("551043\x1f1", "", "", "it would be parked: order #1043: no item in erp has the SKU 'TEE-GREEN-S'"),
    ):
        row = (key, orders, "available", 1, now - 20 * MINUTE, now, now, 0, "")
        difference = Difference(there, computed, Decimal(40), note, now - 9_000)
        site.engine.lanes["erp"].stops.put("put_order", row, difference)


async def recover_some(engine) -> None:
    """A week of hourly figures of what ``auto`` buffers give back."""
    route = engine.routes.of(Flow.INVENTORY)[0].name
    now_ms = engine.clock.now_ms() // 3_600_000 * 3_600_000
    history = [
        RecoveredAt(now_ms - n * 3_600_000, 5, 9, 14, 180 + (n * n) % 47, {"EUR": Decimal("2410.50")}, 12)
        for n in range(168)
    ]
    rows = [
        {
            "subject": route,
            "at_ms": one.at_ms,
            "body": msgspec.json.encode({k: v for k, v in asdict(one).items() if k != "at_ms"}).decode(),
        }
        for one in history
    ]
    await engine.store.write(Write("survey_put", rows))
    engine.survey.latest = Found(now_ms, {"high": 1, "medium": 1, "low": 3}, {route: history[0]})


async def make_site(clock=None, *, secure=False, store=None, seeded=True, accounts=True, **options):
    """An engine with its web application, one token for each role, and everything around it."""
    clock = clock or StillClock()
    engine = await make_engine(clock, store)
    if seeded:
        await seed(engine)
    operations = Operations(engine)
    rng = Random(11)
    access = Access(
        engine.store,
        clock,
        operations.audit,
        secret=SERVER_SECRET,
        token_bytes=rng.randbytes,
        secure=secure,
        metrics_token="a metrics token that is long enough",
    )
    tokens = {
        role.name.lower(): await access.add(name, role, by="test")
        for name, role in (("Vera", Role.VIEWER), ("Otto", Role.OPERATOR), ("Ada", Role.ADMIN))
        if accounts
    }
    app = build_app(engine, access, operations, public_url="http://syncline.test", **options)
    return SimpleNamespace(
        engine=engine,
        operations=operations,
        switches=app.site.switches,
        access=access,
        tokens=tokens,
        app=app,
        clock=clock,
        store=engine.store,
    )


class Client:
    """Calls the ASGI application in this process, as one browser or program would."""

    def __init__(self, app, token: str = "", cookie: str = "", peer: str = "198.51.100.7") -> None:
        self.app, self.token, self.cookie, self.peer = app, token, cookie, peer

    async def ask(self, method, path, *, body=b"", headers=None, chunks=None, query=""):
        given = {"host": "syncline.test", **(headers or {})}
        if self.token:
            given["authorization"] = f"Bearer {self.token}"
        if self.cookie:
            given["cookie"] = f"syncline={self.cookie}"
        path, _, asked = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": (query or asked).encode(),
            "root_path": "",
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in given.items()],
            "client": (self.peer, 1),
            "server": ("syncline.test", 80),
            "state": {},
        }
        parts = list(chunks) if chunks is not None else [body]
        answer = SimpleNamespace(status=0, headers={}, body=b"", cookies=[])

        async def receive():
            if not parts:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            if callable(part):
                part = await part()
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message):
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                for name, value in message["headers"]:
                    if name == b"set-cookie":
                        answer.cookies.append(value.decode())
                    answer.headers[name.decode()] = value.decode()
            elif message["type"] == "http.response.body":
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        answer.text = answer.body.decode()
        answer.json = lambda: json.loads(answer.body)
        return answer

    async def get(self, path, **more):
        return await self.ask("GET", path, **more)

    async def post(self, path, body=b"", **more):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        return await self.ask("POST", path, body=body, **more)


def token_file(folder: Path) -> Path:
    return folder / "syncline.token"
