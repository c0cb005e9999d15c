"""Units that are missed at a channel are explained by orders from before the reading, and by none after it."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.support import START_MS, change, line, logged, order

from syncline.engine.apply.batch import Batch
from syncline.engine.catalog import Catalog
from syncline.engine.delivery.results import Results
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.payloads import ReadStock
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

KEY = stock_key("A", "70")
ROUTES = Routes(
    [
        Route(Flow.INVENTORY, "erp", "shop", 5_000, locations={"1": "70"}),
        Route(Flow.ORDERS, "shop", "erp", 10_000),
    ]
)
READ_MS = START_MS + 60_400


async def missing(store: SqliteStore, units: int) -> None:
    """A reading finds so many units missing of ten; it was asked for at ``READ_MS`` and answered later."""
    first = {"system": "shop", "key": KEY, "held": 10, "rev": None, "now_ms": START_MS - 600_000}
    await store.write(Write("held_seen", [first]))
    known = {KEY: ("read_stock", "", "running", 1, START_MS, START_MS, 0, 0, 0)}
    results = Results(
        "shop",
        "read_stock",
        ROUTES,
        known,
        READ_MS + 300,
        Capabilities(compare_and_set=True),
        asked_ms=READ_MS,
    )
    outcome = Outcome(Result.DONE, facts={"held": 10 - units})
    results._done(Item(KEY, ReadStock("A", "s", "70")), outcome, "")
    await store.write(*results.writes())


async def heard(store: SqliteStore, *orders) -> tuple[int | None, int]:
    """What the channel is known to hold, and what is missed, once these orders are heard of."""
    batch = Batch(
        ROUTES,
        {"shop": Capabilities(order_stamp_ms=1_000), "erp": Capabilities()},
        Catalog(None),
        READ_MS + 5_000,
    )
    for number, one in enumerate(orders, 1):
        event = replace(logged(number), received_at_ms=READ_MS + 5_000)
        batch.apply(event, change(Kind.ORDER, one.key, one))
    await store.write(*batch.writes("apply", 1))
    ((_, held, unseen, _, _),) = await store.read("bindings_of_skus", system="shop", skus=["A"])
    return held, unseen


def placed(at_ms: int, units: int = 3, *, key: str = "7001", updated_ms: int | None = None):
    return order(
        line("l", "A", units, "10.00", ("70", units)),
        key=key, placed_at_ms=at_ms, updated_at_ms=at_ms if updated_ms is None else updated_ms,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([placed(READ_MS - 1_400)], (7, 0)),  # it was in that reading
        ([placed(READ_MS - 1_000)], (7, 0)),
        ([placed(READ_MS - 999)], (None, 3)),  # in that second: nobody knows, so it is read again
        ([placed(READ_MS + 1)], (4, 3)),  # it is another one; somebody else's units are still missed
        ([placed(READ_MS + 200)], (4, 3)),  # after the question, before the answer
        ([placed(READ_MS - 1_400, updated_ms=READ_MS + 600)], (None, 3)),  # placed before, changed after
        ([placed(READ_MS - 1_400, 2), placed(READ_MS + 600, 1, key="7002")], (None, 3)),  # heard of together
    ],
)
def test_an_order_explains_what_the_reading_could_have_contained(orders, expected):
    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await missing(store, 3)
        return await heard(store, *orders)

    assert asyncio.run(story()) == expected


def test_the_other_orders_units_are_kept_back_until_it_is_heard_of():
    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await missing(store, 3)
        yet = await heard(store, placed(READ_MS + 1_500, 2))
        return yet, await heard(store, placed(READ_MS - 1_500, 3, key="7000"))

    assert asyncio.run(story()) == ((5, 3), (5, 0))
