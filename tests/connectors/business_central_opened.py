"""One simulated Business Central with our connector opened on it, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from random import Random
from typing import Any

from tests.connectors.business_central_bench import Doorstep

from syncline.connectors.business_central import CONNECTOR, BusinessCentralSettings
from syncline.connectors.business_central.simulator import CLIENT_ID, CLIENT_SECRET, BusinessCentralSimulator
from syncline.model.change import Change, Cursor, Event, LoggedEvent
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import OrderItem, PutOrder
from syncline.model.records import Address, Customer, Order, OrderLine
from syncline.ports import Opening, System
from syncline.simulate.clock import VirtualLoop
from syncline.testing.bench import Surroundings

START_MS = 1_767_606_000_000  # 2026-01-05 09:40 UTC
SECRET = "a-secret-of-at-least-24-bytes"
HOOK = "https://syncline.example/hooks/erp/token"


class World:
    """``around.wire`` lies between our side and the simulator, ``around.mailbox`` takes notifications."""

    def __init__(self, loop: VirtualLoop, settings: dict[str, Any], sim: dict[str, Any]) -> None:
        self.around = Surroundings(loop, 1)
        self.clock = self.around.clock
        self.sim = BusinessCentralSimulator(
            clock=self.clock, rng=Random(1), transport=Doorstep(self.around.mailbox), **sim
        )
        for origin in self.sim.origins:
            self.around.apps.register(origin, self.sim)
        self.sim.add_location("MAIN", "Main")
        self.sim.add_location("NORTH", "North")
        self.ids = {
            number: self.sim.add_item(number, f"Item {number}", price)
            for number, price in (("A", "10.00"), ("B", "2.50"))
        }
        self.sim.receive("A", "MAIN", 20)
        self.sim.receive("B", "NORTH", 7)
        self.sim.add_customer("GUEST", "Web guests")
        base = {
            "tenant": self.sim.tenant,
            "company_id": self.sim.company_id,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "webhook_secrets": (SECRET,),
            "web_customer": "guest",
            "shipping_account": "6710",
            "payment_journal": "web",
            "currency": "GBP",
        }
        self.settings = BusinessCentralSettings(**{**base, **settings})
        self.system = self.open()

    def open(self) -> System:
        opening = Opening("erp", self.settings, self.clock, Random(2), self.around.wire)
        return CONNECTOR.open(opening)

    async def pull(self, stream: str, cursor: Cursor | None = None) -> tuple[list[Event], Cursor]:
        events: list[Event] = []
        async for page in self.system.source.poll(stream, cursor):
            events += page.events
            cursor = page.cursor
        assert cursor is not None
        return events, cursor

    def changes(self, events: list[Event]) -> list[Change]:
        return [c for e in events for c in self.system.source.decode(LoggedEvent(1, e.occurred_at_ms, e))]

    async def read(self, stream: str, cursor: Cursor | None = None) -> list[Change]:
        return self.changes((await self.pull(stream, cursor))[0])

    async def do(self, operation: str, payload: Any) -> Outcome:
        (outcome,) = await self.system.sink.deliver(operation, [Item("k", payload)], "key")
        return outcome

    async def find(self, operation: str, payload: Any) -> Outcome | None:
        return await self.system.sink.look_up(operation, Item("k", payload))

    def put(self, placed: Order, *parts: tuple[str, str, str, int], **more: Any) -> PutOrder:
        """Line, item, location and units."""
        items = tuple(OrderItem(at, self.ids[number], number, place, n) for at, number, place, n in parts)
        return PutOrder("shop-1001", placed, items, **more)

    def sent(self, method: str, part: str) -> int:
        return sum(x.method == method and part in x.url for x in self.around.wire.sent)


def run(
    story: Callable[[World], Coroutine[Any, Any, None]], *, sim: dict[str, Any] | None = None, **settings: Any
) -> World:
    loop = VirtualLoop(START_MS)
    try:
        world = World(loop, settings, sim or {})
        loop.run_until_complete(story(world))
        assert not world.sim.check()
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
        "key": "1001",
        "number": "#1001",
        "placed_at_ms": START_MS,
        "updated_at_ms": START_MS,
        "currency": "GBP",
        "shipping": Decimal(shipping),
        "tax": Decimal(tax),
        "total": total,
        "customer": Customer("shop-c-77", "A buyer", "buyer@shop.example", "+44 1"),
        "shipping_to": Address("A buyer", "", "1 High St", "", "Reading", "", "RG1 1AA", "GB"),
    }
    return Order(lines=lines, **{**base, **more})


def done(outcome: Outcome) -> str:
    assert outcome.result is Result.DONE, outcome
    return str(outcome.facts["external_id"])


async def placed_order(world: World) -> tuple[str, OrderItem]:
    put = world.put(
        order(line("1", "A", 4, "10.00"), line("2", "B", 2, "2.50")),
        ("1", "A", "MAIN", 4),
        ("2", "B", "NORTH", 2),
    )
    return done(await world.do("put_order", put)), put.items[0]
