"""Other rules have every number computed again at the next start; the same rules have nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.support import START_MS

from syncline.engine.codec import encode
from syncline.engine.derive.anew import PAGE, Anew, rules_fingerprint
from syncline.engine.routes import Route, Routes
from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import AUTO_BUFFER, Fence, Layer, Level, Rules, fixed, percent
from syncline.model.change import Flow, Kind
from syncline.model.errors import Retryable
from syncline.model.records import Item
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

ROUTE = Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70", "2": "71"})


class Clock:
    """Stands still, and lets somebody derive whenever it is waited on."""

    def __init__(self, store) -> None:
        self.store = store
        self.slept = 0

    def now_ms(self) -> int:
        return START_MS

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        rows = await self.store.read("dirty", limit=2 * PAGE, now_ms=START_MS)
        assert len(rows) <= PAGE  # never more than a page waits
        await self.store.write(Write("dirty_done", [{"sku": sku, "seq": seq} for sku, seq, _ in rows]))


def ruled(**fields) -> Routes:
    return Routes([replace(ROUTE, rules=Rules([Layer(Level.CHANNEL, fields, "shop")]))])


@pytest.fixture
def store():
    return SqliteStore.open(":memory:", now_ms=START_MS)


async def sell(store, system: str, count: int) -> None:
    rows = [
        {
            "system": system, "kind": Kind.ITEM.value, "key": f"{n:05}", "version": 1, "tiebreak": 0, "hash": "",
            "changed_at_ms": 0, "observed_at_ms": 0, "offset": 1, "body": encode(Item(f"{n:05}", "1")),
        }
        for n in range(count)
    ]  # fmt: skip
    await store.write(Write("record_put", rows))


async def started(store, routes: Routes, clock=None) -> int:
    woken = []
    marked = await Anew(store, clock or Clock(store), routes, lambda: woken.append(1)).mark()
    assert bool(woken) is bool(marked)
    return marked


def test_only_other_rules_have_numbers_computed_again(store):
    async def story():
        await sell(store, "shop", 3)
        assert await started(store, ruled(buffer=fixed(2))) == 3  # at the first start nobody knows
        assert [row[0] for row in await store.read("dirty", limit=9, now_ms=START_MS)] == [
            "00000",
            "00001",
            "00002",
        ]
        assert await started(store, ruled(buffer=fixed(2))) == 0
        assert await started(store, ruled(buffer=fixed(3))) == 3
        assert await started(store, ruled(buffer=fixed(2))) == 3

    asyncio.run(story())


def test_many_are_marked_a_page_at_a_time(store):
    async def story():
        await sell(store, "shop", 3 * PAGE + 1)
        clock = Clock(store)
        assert await started(store, ruled(), clock) == 3 * PAGE + 1
        assert clock.slept == 3

    asyncio.run(story())


def test_a_start_that_was_cut_short_begins_again(store):
    class Dies(Clock):
        async def sleep(self, seconds: float) -> None:
            raise Retryable("the disk is full")

    async def story():
        await sell(store, "shop", PAGE + 1)
        with pytest.raises(Retryable):
            await started(store, ruled(), Dies(store))
        assert await started(store, ruled()) == PAGE + 1

    asyncio.run(story())


def test_a_store_that_refuses_is_asked_again(store):
    class Refuses:
        def __init__(self) -> None:
            self.times = 2

        async def read(self, statement, **parameters):
            self.times -= 1
            if self.times >= 0:
                raise Retryable("the disk is full")
            return await store.read(statement, **parameters)

        async def write(self, *writes):
            return await store.write(*writes)

    async def story():
        await sell(store, "shop", 1)
        await Anew(Refuses(), Clock(store), ruled(), lambda: None).run()
        assert await started(store, ruled()) == 0

    asyncio.run(story())


def test_everything_that_a_number_is_made_by_counts():
    base = Routes([ROUTE])
    others = [
        Routes([replace(ROUTE, locations={"1": "70"})]),
        Routes([replace(ROUTE, locations={"2": "71", "1": "70"})]),  # the order is the priority
        Routes([replace(ROUTE, sink="outlet")]),
        Routes([ROUTE, replace(ROUTE, sink="outlet")]),
        Routes([ROUTE], Recipes({"KIT": {"A": 2}})),
        Routes([ROUTE], Recipes({"KIT": {"A": 3}})),
        *(
            ruled(**fields)
            for fields in (
                {"buffer": fixed(1)},
                {"buffer": percent(1)},
                {"buffer": AUTO_BUFFER},
                {"safety_stock": 1},
                {"share": Decimal("0.5")},
                {"fence": Fence(3, 1)},
                {"fence": Fence(3, 2)},
                {"excluded": ("1",)},
            )
        ),
    ]
    assert len({rules_fingerprint(routes) for routes in (base, *others)}) == len(others) + 1
    same = [Routes([replace(ROUTE, tolerance_ms=1)]), Routes([ROUTE, Route(Flow.ORDERS, "shop", "erp", 1)])]
    assert {rules_fingerprint(routes) for routes in same} == {rules_fingerprint(base)}
