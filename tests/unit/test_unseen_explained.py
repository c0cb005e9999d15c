"""Units that are missed at a channel are explained by orders from before the reading, and by none after it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.unit.support import START_MS, change, clocks_of, line, logged, order

from syncline.engine.apply.batch import Batch
from syncline.engine.apply.clocks import CLOCKS_MS, Clocks
from syncline.engine.catalog import Catalog
from syncline.engine.delivery.results import Results
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow, Kind, Via
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
    first = {
        "system": "shop",
        "key": KEY,
        "held": 10,
        "rev": None,
        "exact": True,
        "now_ms": START_MS - 600_000,
    }
    await store.write(Write("held_seen", [first]))
    await read(store, 10 - units)


async def read(
    store: SqliteStore, number: int, *, reserved: int = 0, asked_ms: int = READ_MS, ours_ms: int = 0
) -> int:
    """The shop answers a reading with a number, and with what it has set aside; returns what is unseen then.

    ``ours_ms``: since when nobody else writes the number.
    """
    known = {KEY: ("read_stock", "", "running", 1, START_MS, START_MS, 0, 0, 0)}
    shop = Capabilities(compare_and_set=True)
    results = Results(
        "shop",
        "read_stock",
        ROUTES,
        known,
        asked_ms + 300,
        shop,
        asked_ms=asked_ms,
        ours_since=lambda _: ours_ms,
    )
    outcome = Outcome(Result.DONE, facts={"held": number, "reserved": reserved})
    results._done(Item(KEY, ReadStock("A", "s", "70")), outcome, "")
    await store.write(*results.writes())
    ((*_, unseen, _, _),) = await store.read("bindings_of_skus", system="shop", skus=["A"])
    return unseen


async def heard(
    store: SqliteStore,
    *orders,
    at_ms: int = READ_MS + 5_000,
    ahead_ms: int = 0,
    unsure: bool = False,
    clocks: Clocks | None = None,
    demand: Sequence[tuple] = (),
) -> tuple[int | None, int]:
    """What the channel is known to hold, and what is missed, once these orders are heard of.

    ``ahead_ms``: by how much the channel's clock is known to be ahead of ours, negative if behind; ``unsure``: perhaps
    by more.
    """
    clocks = clocks_of("shop", ahead_ms) if clocks is None else clocks
    clocks.unsure = unsure
    batch = Batch(
        ROUTES,
        {"shop": Capabilities(order_stamp_ms=1_000), "erp": Capabilities()},
        Catalog(None),
        at_ms,
        clocks,
    )
    for row in demand:
        batch.demand_known(row)
    for number, one in enumerate(orders, 1):
        event = replace(logged(number), received_at_ms=at_ms)
        batch.apply(event, change(Kind.ORDER, one.key, one))
    await store.write(*batch.writes("apply", 1))
    ((_, held, unseen, _, _),) = await store.read("bindings_of_skus", system="shop", skus=["A"])
    return held, unseen


def placed(at_ms: int, units: int = 3, *, key: str = "7001", updated_ms: int | None = None):
    return order(
        line("l", "A", units, "10.00", ("70", units)),
        key=key, placed_at_ms=at_ms, updated_at_ms=at_ms if updated_ms is None else updated_ms,
    )  # fmt: skip


def cancelled(at_ms: int):
    return order(
        line("l", "A", 0, "10.00", ("70", 0)),
        placed_at_ms=READ_MS - 90_000,
        updated_at_ms=at_ms,
        cancelled_at_ms=at_ms,
    )


def test_a_process_that_has_just_begun_does_not_know_how_far_a_clock_is_ahead():
    """What would be another order by what it has heard so far may have been in that reading: it is read again."""

    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await missing(store, 3)
        return await heard(store, placed(READ_MS + 3_000), unsure=True)

    assert asyncio.run(story()) == (None, 3)


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


@pytest.mark.parametrize("second", [2, 3, 5, 9])
def test_a_second_order_heard_of_after_a_late_one_leaves_the_number_as_it_is(second):
    """The first is in the first reading. The second is in the next one already, which has to decide about the first."""

    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await read(store, 20, asked_ms=READ_MS - 60_000)
        assert await heard(store, placed(READ_MS - 90_000, 3)) == (None, 0)
        await read(store, 20 - second)
        assert await heard(store, placed(READ_MS - 20_000, second, key="7002")) == (None, 0)
        unseen = await read(store, 20 - second, asked_ms=READ_MS + 6_000)
        later = placed(READ_MS + 60_000, 1, key="7003")
        return unseen, await heard(store, later, at_ms=READ_MS + 62_000)

    assert asyncio.run(story()) == (0, (20 - second - 1, 0))


@pytest.mark.parametrize(
    ("reserved", "orders", "unseen"),
    [
        (3, [placed(READ_MS - 30_000, 2)], 3),  # the draft's units are still its own
        (3, [placed(READ_MS - 30_000, 5)], 3),
        (1, [placed(READ_MS - 30_000, 2)], 1),  # another draft was completed: it is this order
        (0, [placed(READ_MS - 30_000, 3)], 0),
        (9, [placed(READ_MS - 30_000, 2)], 3),  # what an app set aside since lowers no number
    ],
)
def test_what_a_shop_has_set_aside_is_not_explained_by_an_order_from_before_the_first_reading(
    reserved, orders, unseen
):
    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        assert await read(store, 10, reserved=3) == 3
        held, _ = await heard(store, *orders)
        assert held is None
        return await read(store, 10, reserved=reserved, asked_ms=READ_MS + 6_000)

    assert asyncio.run(story()) == unseen


@pytest.mark.parametrize(
    ("ahead_ms", "expected"),
    [
        (0, None),  # how far ahead that clock is is learned from this very order, which may be heard of late
        (24_999, None),
        (25_000, (7, 3)),
        (30_000, (7, 3)),  # known: it is heard of at once, so it was placed after the reading
        (33_999, (7, 3)),
        (34_000, None),  # what told it took a moment: it is ahead by up to a second more
        (60_000, (10, 0)),  # known, and it was placed before
    ],
)
def test_an_order_by_which_a_clock_is_learned_may_be_older_than_it_seems(ahead_ms, expected):
    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await missing(store, 3)
        stamped = placed(READ_MS + 35_000, 3)
        held, unseen = await heard(store, stamped, at_ms=READ_MS + 5_000, ahead_ms=ahead_ms)
        return None if held is None else (held + 3, unseen)

    assert asyncio.run(story()) == expected


@pytest.mark.parametrize(
    ("behind_ms", "placed_ms", "expected"),
    [
        (10_000, READ_MS - 1_400, (7, 0)),  # an event may take so long: no clock need be behind
        (10_001, READ_MS - 1_400, (None, 3)),  # perhaps ten seconds younger: in that reading or not
        (87_000, READ_MS - 87_000, (None, 3)),
        (87_000, READ_MS - 88_000, (7, 0)),  # even so before it
        (87_000, READ_MS + 1, (4, 3)),
        (120_000, READ_MS - 120_000, (None, 3)),
        (120_001, READ_MS - 120_000, (7, 0)),  # no clock is so far behind: its events are late
    ],
)
def test_an_order_of_a_channel_whose_clock_is_behind_may_be_younger_than_it_seems(
    behind_ms, placed_ms, expected
):
    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await missing(store, 3)
        at_ms = placed_ms + behind_ms + 100
        return await heard(store, placed(placed_ms), at_ms=at_ms, ahead_ms=-behind_ms)

    assert asyncio.run(story()) == expected


def test_a_clock_is_as_far_behind_as_the_order_says_that_was_told_soonest():
    clocks = Clocks()
    behind = []
    for age_ms, via in (
        (60_000, Via.POLL),
        (300_000, Via.EVENT),
        (100_000, Via.EVENT),
        (90_000, Via.EVENT),
        (95_000, Via.EVENT),
    ):
        assert not clocks.learn("shop", placed(START_MS), START_MS + age_ms, via)
        behind.append(clocks.most_behind_ms("shop"))
    clocks.learn("till", placed(START_MS + 3_000), START_MS, Via.EVENT)
    assert behind == [0, 0, 100_000, 90_000, 90_000]  # a poll is late by itself, and so was the first event
    assert (clocks.most_behind_ms("till"), clocks.most_behind_ms("market")) == (-3_000, 0)
    clocks.unsure = True
    assert (clocks.most_behind_ms("shop"), clocks.most_behind_ms("till")) == (90_000, -3_000)
    assert clocks.most_behind_ms("market") == CLOCKS_MS  # nothing was heard of it yet


@pytest.mark.parametrize(
    ("stamped_ms", "expected"),
    [
        (
            READ_MS + 5_000 + CLOCKS_MS,
            (7, 0),
        ),  # so far ahead is that clock, so the next one was in the reading
        (READ_MS + 5_001 + CLOCKS_MS, (4, 3)),  # so far is none, so the next one is another
        (READ_MS + 365 * 86_400_000, (4, 3)),
    ],
)
def test_a_stamp_from_further_ahead_than_any_clock_makes_no_later_order_an_old_one(stamped_ms, expected):
    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await missing(store, 3)
        clocks = Clocks()
        clocks.learn("shop", placed(stamped_ms), READ_MS + 5_000, Via.EVENT)
        return await heard(store, placed(READ_MS + 100), at_ms=READ_MS + 6_000, clocks=clocks)

    assert asyncio.run(story()) == expected


@pytest.mark.parametrize("wrong", ["placed", "updated"])
def test_an_order_from_further_ahead_than_any_clock_may_be_from_before_a_reading_or_after_it(wrong):
    """Its stamp tells nothing: it is read again, neither taken for what was missing nor for another one."""

    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await missing(store, 3)
        year_ms = READ_MS + 365 * 86_400_000
        stamped = placed(year_ms) if wrong == "placed" else placed(READ_MS - 1_400, updated_ms=year_ms)
        return await heard(store, stamped)

    assert asyncio.run(story()) == (None, 3)


@pytest.mark.parametrize(
    ("stamped_ms", "expected"),
    [
        (READ_MS + 5_299, (None, 0)),  # that first reading may contain the order or not: it is read again
        (READ_MS + 5_300, (13, 0)),
        (READ_MS + 365 * 86_400_000, (None, 0)),
    ],
)
def test_a_cancellation_from_further_ahead_than_any_clock_may_be_from_before_a_reading(stamped_ms, expected):
    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        await read(store, 10)
        taken = ("shop", "7001", "l", "1", "A", 3, 3, 0, None)
        return await heard(store, cancelled(stamped_ms), at_ms=READ_MS + 8_000, demand=[taken])

    assert asyncio.run(story()) == expected


@pytest.mark.parametrize("live_ms", [1 << 53, READ_MS + 20_000])
def test_what_a_draft_reserves_while_a_route_is_in_shadow_is_kept_back_until_it_is_free(live_ms):
    """In shadow a fall is taken for what somebody else wrote. What is reserved, no order will ever tell."""

    async def story():
        store = SqliteStore.open(":memory:", now_ms=START_MS)
        shadow_ms = 1 << 53
        seen = [await read(store, 10, ours_ms=shadow_ms, asked_ms=READ_MS)]
        seen.append(await read(store, 8, ours_ms=shadow_ms, reserved=2, asked_ms=READ_MS + 10_000))
        seen.append(await read(store, 5, ours_ms=live_ms, reserved=2, asked_ms=READ_MS + 30_000))
        seen.append(await read(store, 7, ours_ms=live_ms, reserved=0, asked_ms=READ_MS + 60_000))
        return seen

    assert asyncio.run(story()) == [0, 2, 2, 0]
