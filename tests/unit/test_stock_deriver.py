"""From what is stored to one number for each channel location: several channels on one stock."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest
from tests.unit.support import START_MS

from syncline.engine.catalog import Catalog
from syncline.engine.codec import encode
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.routes import Route, Routes, stock_key
from syncline.inventory.rules import AUTO_BUFFER, Fence, Layer, Level, Rules
from syncline.model.capabilities import (
    AVAILABLE_OWN_ORDERS_SUBTRACTED,
    PLAIN,
    SOURCE_QUANTITY_ADD_BACK_OPEN_LINES,
    Capabilities,
)
from syncline.model.change import Flow, Kind
from syncline.model.records import Item, StockLevel
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

CHANNELS = ("shop", "market", "tills")


class Fixed:
    """A clock that stands still."""

    def now_ms(self) -> int:
        return START_MS


class Bench:
    """A store with figures and orders, and the deriver that reads it."""

    def __init__(self, store: SqliteStore, routes: Routes, **capabilities: Capabilities) -> None:
        self.store = store
        self.routes = routes
        self.catalog = Catalog(store)
        systems = {
            name: SimpleNamespace(capabilities=capabilities.get(name, Capabilities()))
            for name in ("erp", *CHANNELS)
        }
        self.deriver = StockDeriver(store, Fixed(), self.catalog, routes, systems)

    def sells(self, channel: str, *skus: str) -> None:
        for sku in skus:
            self.catalog.put(channel, Item(sku, f"id-{sku}"))

    async def put(self, statement: str, **row) -> None:
        await self.store.write(Write(statement, [row]))

    async def record(self, system: str, kind: Kind, key: str, body: str) -> None:
        await self.put(
            "record_put", system=system, kind=kind.value, key=key, version=1, tiebreak=0, changed_at_ms=START_MS,
            observed_at_ms=START_MS, offset=1, hash="h", body=body,
        )  # fmt: skip

    async def figure(self, sku: str, available: int, at: str = "1") -> None:
        level = StockLevel(sku, at, Decimal(available), Decimal(available), Decimal(0), 100, None)
        await self.record("erp", Kind.STOCK, stock_key(sku, at), encode(level))

    async def order(
        self,
        channel: str,
        key: str,
        sku: str,
        quantity: int,
        *,
        at: str = "1",
        taken: int = 0,
        ago_ms: int = 0,
    ) -> None:
        body = f'{{"number": "#{key}", "placed_at_ms": {START_MS - ago_ms}}}'
        await self.record(channel, Kind.ORDER, key, body)
        await self.put(
            "demand_want", channel=channel, order_key=key, line_id="l", location=at, sku=sku, quantity=quantity,
            taken=taken,
        )  # fmt: skip

    async def shown(self, channel: str, sku: str = "A") -> int:
        route = self.routes.of(Flow.INVENTORY, sink=channel)[0]
        return (await self.deriver.compute(route, [sku])).published[sku].total

    async def written(self, channel: str, sku: str = "A") -> list[int]:
        route = self.routes.of(Flow.INVENTORY, sink=channel)[0]
        return [target.quantity for target in (await self.deriver.compute(route, [sku])).targets]


def route(channel: str, *layers: Layer, locations: dict[str, str] | None = None) -> Route:
    return Route(
        Flow.INVENTORY,
        "erp",
        channel,
        5_000,
        locations=locations or {"1": f"{channel}-1"},
        rules=Rules(layers),
    )


def own(channel: str, **fields) -> Layer:
    return Layer(Level.CHANNEL, fields, channel)


@asynccontextmanager
async def bench(*routes: Route, **capabilities: Capabilities):
    store = SqliteStore.open(":memory:", now_ms=START_MS)
    found = Bench(store, Routes(routes), **capabilities)
    for channel in CHANNELS:
        found.sells(channel, "A")
    yield found
    await store.close()


@pytest.mark.parametrize(
    ("stock", "parts"), [(10, (5, 3, 2)), (11, (6, 3, 2)), (5, (3, 1, 1)), (1, (1, 0, 0))]
)
async def test_shares_of_one_pool_add_up_to_it(stock, parts):
    shares = (Decimal("0.5"), Decimal("0.3"), Decimal("0.2"))
    routes = [route(c, own(c, share=share)) for c, share in zip(CHANNELS, shares, strict=True)]
    async with bench(*routes) as b:
        await b.figure("A", stock)
        assert tuple([await b.shown(channel) for channel in CHANNELS]) == parts
        assert sum(parts) == stock


async def test_who_does_not_sell_it_or_draws_on_other_places_takes_no_part_in_a_split():
    half = Decimal("0.5")
    routes = [
        route("shop", own("shop", share=half)),
        route("market", own("market", share=half)),
        route("tills", own("tills", share=half), locations={"1": "t1", "2": "t2"}),
    ]
    async with bench(*routes) as b:
        await b.figure("A", 5)
        assert [await b.shown(channel) for channel in CHANNELS] == [3, 2, 2]
        b.sells("shop", "B")
        await b.figure("B", 5)
        assert await b.shown("shop", "B") == 2


async def test_what_a_channel_has_for_itself_is_kept_from_the_others_until_it_is_sold():
    since = START_MS - 60_000
    async with bench(route("shop"), route("market", own("market", fence=Fence(8, since)))) as b:
        await b.figure("A", 20)
        assert [await b.shown("shop"), await b.shown("market")] == [12, 20]
        await b.order("market", "1", "A", 3, ago_ms=30_000)
        await b.order("market", "2", "A", 2, ago_ms=90_000)  # before there was a fence
        # 15 left, of which 5 are still the market's own.
        assert [await b.shown("shop"), await b.shown("market")] == [10, 15]


async def test_a_fence_on_other_shelves_keeps_nothing_from_here():
    there = route("market", own("market", fence=Fence(8)), locations={"2": "m2"})
    async with bench(route("shop"), there) as b:
        await b.figure("A", 20)
        assert await b.shown("shop") == 20


async def test_an_auto_buffer_is_asked_for():
    async with bench(route("shop", own("shop", buffer=AUTO_BUFFER)), route("market")) as b:
        b.deriver.buffers(lambda route, sku: len(route.sink) if sku == "A" else 0)
        await b.figure("A", 20)
        assert [await b.shown("shop"), await b.shown("market")] == [16, 20]


async def test_a_channel_that_subtracts_its_open_orders_is_given_them_back():
    magento = Capabilities(stock_contract=SOURCE_QUANTITY_ADD_BACK_OPEN_LINES)
    async with bench(route("shop", locations={"1": "s1", "2": "s2"}), market=magento, shop=magento) as b:
        await b.figure("A", 10, "1")
        await b.figure("A", 5, "2")
        await b.order("shop", "1", "A", 4, at="2", taken=1)
        await b.order("shop", "2", "A", 2, at="")
        await b.order("market", "3", "A", 1)
        route_ = b.routes.of(Flow.INVENTORY, sink="shop")[0]
        computed = await b.deriver.compute(route_, ["A"])
        assert sum(computed.published["A"].by_location.values()) == 15 - 4 - 2 - 1
        assert [target.added_back for target in computed.targets] == [2, 3]
        assert sum(await b.written("shop")) == 8 + 5


@pytest.mark.parametrize("contract", [PLAIN, AVAILABLE_OWN_ORDERS_SUBTRACTED])
async def test_other_channels_are_written_what_they_may_show(contract):
    async with bench(route("shop"), shop=Capabilities(stock_contract=contract)) as b:
        await b.figure("A", 10)
        await b.order("shop", "1", "A", 4)
        assert await b.written("shop") == [6]
