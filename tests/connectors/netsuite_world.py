"""One simulated NetSuite account with our connector opened on it, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from syncline.connectors.netsuite import CONNECTOR, NetSuiteSettings
from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.model.change import Change, Cursor, Event, LoggedEvent
from syncline.model.delivery import Item, Outcome
from syncline.model.errors import OutcomeUnknown
from syncline.model.records import Address, Customer, Order, OrderLine
from syncline.ports import Opening, Request, Response, System
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_767_600_000_000  # 2026-01-05T08:00:00Z
SECRET = "a-secret-of-at-least-24-bytes"


@cache
def key_pair() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class Wire:
    """A transport that can lose answers, and remembers what was sent."""

    def __init__(self, inner: AsgiTransport) -> None:
        self.inner = inner
        self.sent: list[Request] = []
        self.lose: Callable[[Request], bool] = lambda _: False
        self.replace: Callable[[Request], Response | None] = lambda _: None

    async def send(self, request: Request) -> Response:
        self.sent.append(request)
        if (canned := self.replace(request)) is not None:
            return canned
        response = await self.inner.send(request)
        if self.lose(request):
            raise OutcomeUnknown("the answer was lost")
        return response

    def count(self, method: str, part: str) -> int:
        return sum(1 for r in self.sent if r.method == method and part in r.url)


class World:
    def __init__(self, loop: VirtualLoop, *, sim: dict[str, Any], settings: dict[str, Any]) -> None:
        self.clock = VirtualClock(loop)
        private, public = key_pair()
        self.transport = AsgiTransport({})
        self.sim = NetSuiteSimulator(
            clock=self.clock,
            rng=Random(1),
            transport=self.transport,
            certificates={"kid-1": public},
            **sim,
        )
        self.transport.register(self.sim.origin, self.sim.app)
        self.wire = Wire(self.transport)
        self.place = self.sim.add_location("Reading")
        self.other = self.sim.add_location("Leeds")
        self.item = self.sim.add_item("21730", "Lantern", "10.00")
        self.item2 = self.sim.add_item("84406B", "Hanger", "2.50")
        self.tax = self.sim.add_item("TAX", "Tax", None, kind="OthCharge", role="tax")
        self.discount = self.sim.add_item("DISC", "Discount", None, kind="Discount")
        self.web = self.sim.add_customer("web-guest", companyName="Web guests")
        base: dict[str, Any] = {
            "account": self.sim.account_id,
            "client_id": "syncline-demo-client",
            "certificate_id": "kid-1",
            "private_key": private,
            "push_secrets": (SECRET,),
            "timezone": "America/Los_Angeles",
            "web_customer": str(self.web),
            "tax_item": str(self.tax),
            "discount_item": str(self.discount),
        }
        self.settings = NetSuiteSettings(**{**base, **settings})
        self.system = self.open()

    def open(self) -> System:
        return CONNECTOR.open(Opening("erp", self.settings, self.clock, Random(2), self.wire))

    async def pull(
        self, stream: str, cursor: Cursor | None = None, system: System | None = None
    ) -> tuple[list[Event], Cursor]:
        events: list[Event] = []
        async for page in (system or self.system).source.poll(stream, cursor):
            events += page.events
            cursor = page.cursor
        assert cursor is not None
        return events, cursor

    def changes(self, events: list[Event]) -> list[Change]:
        source = self.system.source
        return [c for e in events for c in source.decode(LoggedEvent(1, self.clock.now_ms(), e))]

    async def do(self, operation: str, payload: Any) -> Outcome:
        (outcome,) = await self.system.sink.deliver(operation, [Item("k", payload)], "key")
        return outcome

    async def find(self, operation: str, payload: Any) -> Outcome | None:
        return await self.system.sink.look_up(operation, Item("k", payload))


def run(
    story: Callable[[World], Coroutine[Any, Any, None]],
    *,
    start_ms: int = START_MS,
    sim: dict[str, Any] | None = None,
    **settings: Any,
) -> World:
    loop = VirtualLoop(start_ms)
    try:
        world = World(loop, sim=sim or {}, settings=settings)
        loop.run_until_complete(story(world))
        world.sim.check_identities()
        return world
    finally:
        loop.close()


def line(id: str, sku: str, quantity: int, price: str, **more: Any) -> OrderLine:
    return OrderLine(id, sku, sku, Decimal(quantity), Decimal(price), **more)


def order(*lines: OrderLine, shipping: str = "0", tax: str = "0", **more: Any) -> Order:
    goods = sum((x.unit_price * x.quantity - x.discount for x in lines), Decimal(0))
    total = goods + Decimal(shipping) + (0 if more.get("taxes_included") else Decimal(tax))
    total += more.get("charges", 0)
    base: dict[str, Any] = {
        "key": "gid-1001",
        "number": "#1001",
        "placed_at_ms": START_MS,
        "updated_at_ms": START_MS,
        "currency": "GBP",
        "shipping": Decimal(shipping),
        "tax": Decimal(tax),
        "total": total,
        "customer": Customer("c-77", "Ada King Lovelace", "ada@example.com", "+44 1"),
        "shipping_to": Address("Ada Lovelace", "", "1 High St", "", "Reading", "", "RG1 1AA", "GB"),
    }
    return Order(lines=lines, **{**base, **more})
