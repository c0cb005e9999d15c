"""An ERP, a shop that subtracts its own orders, an outlet that does not, and what their checkouts hold."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from types import SimpleNamespace

from tests.unit.support import START_MS, line, order

from syncline.engine.apply.applier import Applier
from syncline.engine.catalog import Catalog
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.holds import Holds
from syncline.engine.leases import Lease
from syncline.engine.routes import Route, Routes, reference_of, stock_key
from syncline.inventory.rules import Layer, Level, Rules
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, PLAIN, Capabilities
from syncline.model.change import Change, Event, Flow, Kind, Via
from syncline.model.records import ErpLine, ErpOrder, Item, StockLevel
from syncline.ports import System
from syncline.stores.sqlite import SqliteStore

PLACES = {"1": "L1", "2": "L2"}


class Never:
    """A timer that does not fire."""

    def cancel(self) -> None: ...


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at_ms = START_MS

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self.at_ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.at_ms += round(seconds * 1000)

    def after(self, seconds: float, call: Callable[[], None]) -> SimpleNamespace:
        """Never: a test derives when it says so."""
        return SimpleNamespace(cancel=lambda: None)


class Told:
    """A source whose events say by their id which change they carry."""

    streams = ()

    def __init__(self) -> None:
        self.changes: dict[str, Change] = {}

    def decode(self, logged):
        return [self.changes[logged.event.event_id]]


def rules_of(fields) -> Rules:
    """The rules of a channel for which only this is set."""
    return Rules([Layer(Level.CHANNEL, fields, "channel")] if fields else [])


class World:
    """Everything between a message and a hold, on a store in memory."""

    def __init__(self, store=None, *, rule=None, outlet_rule=None, outlet=PLACES, first=1) -> None:
        self.clock = Clock()
        self.store = store or SqliteStore.open(":memory:", now_ms=START_MS)
        self.told = Told()
        self.systems = {
            name: System(
                name=name,
                connector="",
                governor=None,
                capabilities=Capabilities(
                    stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED if name == "shop" else PLAIN
                ),
                source=self.told,
                sink=None,
            )
            for name in ("erp", "shop", "outlet")
        }
        self.routes = Routes(
            [
                Route(Flow.INVENTORY, "erp", "shop", 5_000, locations=PLACES, rules=rules_of(rule)),
                Route(
                    Flow.INVENTORY,
                    "erp",
                    "outlet",
                    5_000,
                    locations=outlet,
                    rules=rules_of(outlet_rule or rule),
                ),
                Route(Flow.ORDERS, "shop", "erp", 10_000, left_out=frozenset({"put_payment", "put_refund"})),
            ]
        )
        self.catalog = Catalog(self.store)
        for system in self.systems:
            for sku in ("A", "B", "C"):
                self.catalog.put(system, Item(sku, f"i{sku}", f"s{sku}"))
        learner = DemandLearner(self.store)
        self.deriver = StockDeriver(self.store, self.clock, self.catalog, self.routes, self.systems, learner)
        self.lease = Lease(self.store, self.clock, "apply", "test")
        self.applier = Applier(
            store=self.store,
            clock=self.clock,
            systems=self.systems,
            routes=self.routes,
            catalog=self.catalog,
            deriver=self.deriver,
            learner=learner,
            lease=self.lease,
            offer=lambda _rows: None,
        )
        self.woken = 0
        self.holds = Holds(
            self.store, self.clock, self.catalog, self.routes, self.systems, self._wake, self.deriver
        )
        self._numbers = count(first)
        self._taken = False

    def _wake(self) -> None:
        self.woken += 1

    async def tell(self, system: str, kind: Kind, key: str, value) -> None:
        """Let a system say something, and apply it; nothing is derived."""
        if not self._taken:
            await self.lease.take()
            self._taken = True
        number = next(self._numbers)
        self.told.changes[f"e{number}"] = Change(kind, key, START_MS + number, 1, self.clock.at_ms, value)
        event = Event(system, "t", f"e{number}", Via.EVENT, self.clock.at_ms, b"{}")
        await self.store.append([event], received_at_ms=self.clock.at_ms)
        self.applier._offset = max(self.applier._offset, 0)
        await self.applier._apply(await self.store.events(self.applier.offset, 10))

    async def figure(self, sku: str, location: str, available: int) -> None:
        """The ERP's figure, true now."""
        n = Decimal(available)
        level = StockLevel(sku, location, n, n, Decimal(0), self.clock.at_ms, self.clock.at_ms)
        await self.tell("erp", Kind.STOCK, stock_key(sku, location), level)

    async def orders(
        self, channel: str, key: str, sku: str, quantity: int, location: str = "", **more
    ) -> None:
        """An order as the channel tells of it."""
        at = ((PLACES[location], quantity),) if location else ()
        told = order(line(f"{key}.1", sku, quantity, "10.00", *at, taken=Decimal(0)), key=key, **more)
        await self.tell(channel, Kind.ORDER, key, told)

    async def books(self, channel: str, key: str, sku: str, quantity: int, location: str) -> None:
        """The ERP commits an order."""
        erp = ErpOrder(
            key=reference_of(channel, key),
            external_id=f"x{key}",
            status="open",
            lines=(ErpLine(sku, location, Decimal(quantity)),),
            commits_stock=True,
            erp_stamp_ms=self.clock.at_ms,
        )
        await self.tell("erp", Kind.ERP_ORDER, erp.key, erp)

    async def derive(self) -> None:
        """One round of derivation."""
        await self.deriver.step(self.lease.guard)

    async def left(self, sku: str = "A", channel: str = "shop") -> int:
        """What another hold could get."""
        (found,) = await self.holds.availability(channel, [sku])
        return found.quantity

    async def shown(self, channel: str, sku: str = "A") -> int:
        """What a channel is to show."""
        (route,) = self.routes.of(Flow.INVENTORY, sink=channel)
        return (await self.deriver.compute(route, [sku])).published[sku].total
