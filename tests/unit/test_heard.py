"""What a channel tells of its own number by itself, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.checkout import World
from tests.unit.support import START_MS, line, order

from syncline.engine.apply.heard import CHECK_AFTER_MS, CHECKS_MAX, Checks, Known, Told, Verdict, judge
from syncline.engine.catalog import Catalog
from syncline.engine.delivery.results import Results
from syncline.engine.modes import FOREIGN_MS
from syncline.engine.routes import Routes
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, Capabilities
from syncline.model.change import Change, Event, Kind, Via
from syncline.model.delivery import Item as Sent
from syncline.model.delivery import Outcome, Result
from syncline.model.payloads import ReadStock, SetStock
from syncline.model.records import ChannelLevel, Item
from syncline.ports import Write

KEY = "A\x1fL1"
S = 1000


def known(held=8, unseen=0, number=8, stamp_ms=5 * S, under_way=0) -> Known:
    return Known(held, unseen, 3, number, stamp_ms, 0, under_way)


@pytest.mark.parametrize(
    ("what", "number", "stamp_ms", "more", "verdict"),
    [
        (None, 8, 6 * S, {}, Verdict.UNKNOWN),
        (known(), 8, 6 * S, {}, Verdict.ECHO),
        (known(), 8, 5 * S, {}, Verdict.ECHO),
        (known(held=6), 8, 5 * S, {}, Verdict.ECHO),  # told again; an order that came since explains the rest
        (known(held=6), 6, 5 * S, {}, Verdict.ECHO),
        (known(number=None, stamp_ms=0), 8, S, {}, Verdict.ECHO),
        (known(), 3, 4 * S, {}, Verdict.OLDER),
        (known(), 13, 4 * S, {}, Verdict.OLDER),
        (known(), 7, 6 * S, {}, Verdict.FALL),
        (known(), 7, 6 * S, {"unplaced": 1}, Verdict.AWAITED),
        (known(), 6, 6 * S, {"unplaced": 1}, Verdict.FALL),
        (known(), 9, 6 * S, {"unplaced": 1}, Verdict.RISE),
        (known(), 9, 6 * S, {}, Verdict.RISE),
        (known(), 7, 5 * S, {}, Verdict.UNSURE),  # two numbers under one stamp: which came first?
        (known(number=None), 7, 5 * S, {}, Verdict.UNSURE),
        (known(), None, 6 * S, {}, Verdict.UNSURE),
        (known(under_way=1), 7, 6 * S, {}, Verdict.UNSURE),
        (known(under_way=1), 12, 6 * S, {}, Verdict.UNSURE),
        (known(under_way=1), 8, 6 * S, {}, Verdict.ECHO),
        (known(), 8, 6 * S, {"moved": True}, Verdict.UNSURE),
        (known(held=None), 7, 6 * S, {}, Verdict.UNSURE),
    ],
)
def test_what_a_told_number_is(what, number, stamp_ms, more, verdict):
    assert judge(what, number, stamp_ms, **more) is verdict


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=6))
def test_of_numbers_told_together_the_newest_counts_in_any_order(told):
    """Two under the newest stamp are none."""
    newest = Told("A", *told[0], 0)
    for number, stamp_ms in told[1:]:
        newest = newest.or_newer(Told("A", number, stamp_ms, 0))
    last = max(stamp_ms for _, stamp_ms in told)
    numbers = {number for number, stamp_ms in told if stamp_ms == last}
    assert newest[1:3] == (numbers.pop() if len(numbers) == 1 else None, last)


def test_the_sku_behind_a_stock_id_follows_the_catalog():
    catalog = Catalog(None)
    catalog.put("shop", Item("A", "i1", "s1"))
    assert [catalog.sku_of("shop", at) for at in ("s1", "s2")] == ["A", ""]
    assert catalog.sku_of("erp", "s1") == ""
    catalog.put("shop", Item("B", "i2", "s2"))
    catalog.put("shop", Item("A2", "i1", "s1"))
    assert [catalog.sku_of("shop", at) for at in ("s1", "s2")] == ["A2", "B"]


# --- stories --------------------------------------------------------------------------------------------------


class Shop(World):
    """The shop holds 10 of A at L1, as it should; the outlet sells the same."""

    @classmethod
    async def open(cls) -> Shop:
        world = cls()
        await world.figure("A", "1", 10)
        for system in ("shop", "outlet"):
            await world.read(system, 10)
        await world.derive()
        return world

    async def read(self, system: str, number: int, stamp_ms: int = START_MS - 60 * S) -> None:
        """A reading of the number."""
        now_ms = self.clock.at_ms - 60_000  # long enough ago that no order can be in it unheard
        row = {"system": system, "key": KEY}
        await self.store.write(
            Write("held_seen", [{**row, "held": number, "rev": None, "exact": True, "now_ms": now_ms}]),
            Write("heard_put", [{**row, "number": number, "stamp_ms": stamp_ms, "check_ms": 0}]),
        )

    async def level(self, *told: tuple[int, int]) -> None:
        """The shop tells numbers, each with the second of its stamp, in one batch."""
        if not self._taken:
            await self.lease.take()
            self._taken = True
        events = []
        for number, second in told:
            name = f"e{next(self._numbers)}"
            stamp_ms = START_MS + second * S
            level = ChannelLevel("sA", "L1", number)
            self.told.changes[name] = Change(Kind.LEVEL, "sA\x1fL1", stamp_ms, 0, stamp_ms, level)
            events.append(Event("shop", "t", name, Via.EVENT, stamp_ms, b"{}"))
        await self.store.append(events, received_at_ms=self.clock.at_ms)
        await self.applier._apply(await self.store.events(self.applier.offset, 100))

    async def buys(self, quantity: int, *, read: bool, second: int = 1) -> None:
        """An order at the shop: as its event tells it, or as it is read."""
        at = (("L1", quantity),) if read else ()
        placed_ms = START_MS + second * S
        told = order(
            line("l1", "A", quantity, "10.00", *at),
            key=f"70{second}",
            complete=read,
            placed_at_ms=placed_ms,
            updated_at_ms=placed_ms,
        )
        await self.tell("shop", Kind.ORDER, told.key, told)

    async def holds_now(self) -> tuple[int | None, int]:
        """(held, unseen) of the shop's number."""
        ((_, held, unseen, *_),) = await self.store.read("bindings_of_skus", system="shop", skus=["A"])
        return held, unseen

    async def reads(self) -> int:
        """How many readings are due, after whatever waited has been looked at."""
        self.clock.at_ms += CHECK_AFTER_MS
        await self.applier._checks.step(self.lease.guard)
        rows = await self.store.read("deliveries_pending", system="shop")
        return len([row for row in rows if row[1] == "read_stock"])

    async def marked(self) -> list[str]:
        """SKUs whose numbers are to be computed now."""
        return [row[0] for row in await self.store.read("dirty", now_ms=self.clock.at_ms, limit=9)]


async def test_an_echo_ends_where_it_is_heard():
    world = await Shop.open()
    await world.level((10, 1), (10, 1))
    await world.level((10, 2))
    assert world.applier.levels == {("shop", Verdict.ECHO): 3}
    assert await world.marked() == []
    assert await world.reads() == 0
    assert await world.holds_now() == (10, 0)
    changed = await world.store.read("heard_get", system="shop", keys=[KEY])
    assert [row[3:7] for row in changed] == [(1, 10, START_MS + 2 * S, 0)], "the binding was not touched"


async def test_a_fall_that_nobody_explains_is_demand_on_every_channel_at_once():
    world = await Shop.open()
    assert [await world.shown(at) for at in ("shop", "outlet")] == [10, 10]
    await world.level((7, 1))
    assert await world.marked() == ["A"]
    assert await world.holds_now() == (7, 3)
    assert [await world.shown(at) for at in ("shop", "outlet")] == [7, 7]
    assert await world.reads() == 1, "nobody has explained it: it is read, once"
    assert world.applier.levels == {("shop", Verdict.FALL): 1}


async def test_an_order_that_comes_after_its_fall_explains_it_and_nothing_is_read():
    world = await Shop.open()
    await world.level((7, 1))
    await world.buys(3, read=True)
    assert await world.holds_now() == (7, 0)
    assert await world.shown("outlet") == 7
    assert await world.reads() == 0


@pytest.mark.parametrize("live_since_ms", [0, START_MS - 86_400_000])
async def test_an_order_of_the_very_second_explains_its_fall_too(live_since_ms):
    """Its stamp may be given for a while after the number was told; whether we were in shadow once changes nothing."""
    world = await Shop.open()
    world.applier._ours_since = lambda _route: live_since_ms
    world.applier._capabilities["shop"] = replace(world.applier._capabilities["shop"], order_stamp_ms=1_200)
    second = (world.clock.at_ms - START_MS) // S
    await world.level((7, second))
    await world.buys(3, read=True, second=second)
    assert await world.holds_now() == (7, 0)
    assert await world.reads() == 0


async def test_what_somebody_else_writes_beside_a_route_in_shadow_is_no_fall():
    world = await Shop.open()
    world.applier._ours_since = lambda _route: FOREIGN_MS
    await world.level((7, 1))
    await world.level((12, 2))
    assert await world.holds_now() == (12, 0)
    assert [await world.shown(at) for at in ("shop", "outlet")] == [10, 10]
    assert world.applier.levels == {("shop", Verdict.FOREIGN): 2}
    assert await world.reads() == 0


async def test_what_is_told_late_of_the_time_in_shadow_is_read():
    world = await Shop.open()
    world.applier._ours_since = lambda _route: START_MS - 3 * S
    await world.level((7, 1))
    assert await world.holds_now() == (10, 0)
    assert world.applier.levels == {("shop", Verdict.UNSURE): 1}
    assert await world.reads() == 1


async def test_an_order_that_is_still_being_read_explains_a_fall_and_counts_once():
    world = await Shop.open()
    await world.buys(3, read=False)
    await world.level((7, 1))
    assert world.applier.levels == {("shop", Verdict.AWAITED): 1}
    assert await world.shown("outlet") == 7, "once, not twice"
    await world.buys(3, read=True)
    assert await world.holds_now() == (7, 0)
    assert await world.reads() == 0


async def test_an_order_that_never_explains_what_it_should_has_the_number_read():
    world = await Shop.open()
    await world.buys(3, read=False)
    await world.level((7, 1))
    assert await world.reads() == 1


async def test_more_units_gone_than_an_order_wants_are_unseen():
    world = await Shop.open()
    await world.buys(3, read=False)
    await world.level((5, 1))
    assert await world.holds_now() == (5, 5)
    await world.buys(3, read=True)
    assert await world.holds_now() == (5, 2), "the order explains its own; the rest stays"
    assert await world.shown("outlet") == 5


@pytest.mark.parametrize(("gone", "reads"), [(2, 1), (0, 0)])
async def test_a_draft_that_becomes_an_order_is_found_out_by_a_number_that_does_not_fall(gone, reads):
    """Its units are gone since the draft, which a reading has found. The order that it became takes no others."""
    world = await Shop.open()
    await world.read("shop", 10 - gone)
    await world.buys(2, read=True)
    assert await world.holds_now() == (8 - gone, gone)
    assert await world.reads() == reads
    await world.read("shop", 10 - 2)
    assert await world.holds_now() == (8, 0)
    assert await world.shown("outlet") == 8


async def test_other_channels_are_not_told_twice_of_an_order_whose_fall_was_heard_before_it():
    world = await Shop.open()
    await world.level((7, 1))
    await world.derive()
    assert await world.marked() == []
    await world.buys(3, read=False)
    assert await world.marked() == [], "the outlet has been told: the rest waits until the order is read"
    await world.buys(3, read=True)
    assert await world.marked() == ["A"]
    assert await world.shown("outlet") == 7
    other = await Shop.open()
    await other.level((9, 1))
    await other.derive()
    await other.buys(3, read=False)
    assert await other.marked() == ["A"], "more than what was seen"


async def test_what_is_told_late_undoes_nothing():
    world = await Shop.open()
    await world.level((6, 5))
    await world.level((10, 1), (9, 4), (12, 2))
    assert await world.holds_now() == (6, 4)
    assert world.applier.levels[("shop", Verdict.OLDER)] == 3
    await world.read("shop", 10, START_MS + 7 * S)
    await world.level((6, 6))
    assert await world.holds_now() == (10, 0), "the reading is newer"


async def test_two_numbers_of_one_second_are_read():
    for told in (((7, 1), (9, 1)), ((9, 1), (7, 1))):
        world = await Shop.open()
        await world.level(*told)
        assert await world.holds_now() == (10, 0)
        assert await world.reads() == 1
    world = await Shop.open()
    await world.level((7, 1))
    await world.level((9, 1))
    assert await world.holds_now() == (7, 3), "what is unseen stays so until it is read"
    assert await world.reads() == 1


async def test_more_units_than_known_are_read_and_taken_for_nothing_before():
    world = await Shop.open()
    await world.level((12, 1))
    assert await world.holds_now() == (10, 0)
    assert await world.shown("outlet") == 10
    assert await world.marked() == []
    assert await world.reads() == 1
    world = await Shop.open()
    await world.level((12, 1))
    await world.read("shop", 12, START_MS + 1 * S)  # somebody read it meanwhile
    assert await world.reads() == 0


async def test_while_a_write_is_under_way_nothing_is_judged():
    world = await Shop.open()
    at = {"system": "shop", "operation": "set_stock", "key": KEY}
    now = {
        "changed_at_ms": START_MS,
        "deliver_by_ms": START_MS,
        "not_before_ms": START_MS,
        "now_ms": START_MS,
    }
    await world.store.write(
        Write("delivery_touch", [{**at, **now, "route": "r", "wanted": 1, "rev": 0}]),
        Write("delivery_run", [{**at, "now_ms": START_MS}]),
    )
    await world.level((4, 1))
    assert world.applier.levels == {("shop", Verdict.UNSURE): 1}
    assert await world.holds_now() == (10, 0)
    assert await world.marked() == []
    finish = {"state": "completed", "generation": 1, "not_before_ms": START_MS, "reason": "", "uncounted": 0}
    await world.store.write(
        Write("held_written", [{"system": "shop", "key": KEY, "by": -6, "now_ms": START_MS}]),
        Write(
            "heard_put",
            [{"system": "shop", "key": KEY, "number": 4, "stamp_ms": START_MS + S, "check_ms": 0}],
        ),
        Write("delivery_finish", [{**at, **finish, "now_ms": START_MS}]),
    )
    assert await world.holds_now() == (4, 0)
    assert await world.reads() == 0, "it was our own write"


async def test_a_fall_that_was_judged_on_what_is_known_no_more_is_read_instead():
    world = await Shop.open()
    store, write = world.store, world.store.write

    async def overtaken(*writes):
        if any(w.statement == "held_seen" and w.rows for w in writes):
            store.write = write
            await write(Write("held_written", [{"system": "shop", "key": KEY, "by": 2, "now_ms": START_MS}]))
        return await write(*writes)

    store.write = overtaken
    await world.level((7, 1))
    assert await world.holds_now() == (12, 0)
    assert await world.reads() == 1


async def test_an_order_and_a_number_of_one_batch_are_compared_when_both_are_known():
    world = await Shop.open()
    order_of = order(
        line("l1", "A", 3, "10.00", ("L1", 3)),
        key="701",
        placed_at_ms=START_MS + S,
        updated_at_ms=START_MS + S,
    )
    await world.lease.take()
    world._taken = True
    for number, kind, key, value in (
        ("x", Kind.ORDER, "701", order_of),
        ("y", Kind.LEVEL, "sA\x1fL1", ChannelLevel("sA", "L1", 7)),
    ):
        world.told.changes[number] = Change(kind, key, START_MS + S, 1, START_MS + S, value)
        await world.store.append(
            [Event("shop", "t", number, Via.EVENT, START_MS, b"{}")], received_at_ms=world.clock.at_ms
        )
    await world.applier._apply(await world.store.events(world.applier.offset, 100))
    assert world.applier.levels == {("shop", Verdict.UNSURE): 1}
    assert await world.holds_now() == (7, 0)
    assert await world.reads() == 0


async def test_what_is_refuted_is_being_read_anyway():
    world = await Shop.open()
    await world.store.write(Write("held_refuted", [{"system": "shop", "key": KEY}]))
    await world.level((7, 1))
    assert await world.holds_now() == (None, 0)
    assert await world.reads() == 0


async def test_numbers_that_nobody_sells_or_has_read_mean_nothing():
    world = await Shop.open()
    for stock_id, location in (("sZ", "L1"), ("sA", "L9"), ("sA", "L2")):
        level = ChannelLevel(stock_id, location, 3)
        await world.tell("shop", Kind.LEVEL, f"{stock_id}\x1f{location}", level)
    assert world.applier.levels == {("shop", Verdict.UNKNOWN): 3}
    assert await world.reads() == 0


async def test_a_restart_looks_at_what_was_left():
    world = await Shop.open()
    await world.level((7, 1))
    world.clock.at_ms += CHECK_AFTER_MS
    woken: list[int] = []
    checks = Checks(world.store, world.clock, world.routes, lambda: woken.append(1))
    touched = await checks.step(world.lease.guard)
    assert [row[1:3] for row in touched] == [("read_stock", KEY)]
    assert await checks.step(world.lease.guard) == [], "once"


async def test_many_are_looked_at_a_few_at_a_time():
    world = await Shop.open()
    await world.lease.take()
    row = {"system": "shop", "stamp_ms": START_MS, "check_ms": START_MS}
    keys = [f"{n:04}\x1fL1" for n in range(CHECKS_MAX + 7)]
    now = {"system": "shop", "rev": None, "exact": True, "now_ms": START_MS}
    await world.store.write(
        Write("held_seen", [{**now, "key": key, "held": 5} for key in keys]),
        Write("heard_put", [{**row, "key": key, "number": 4} for key in keys]),
    )
    checks = Checks(world.store, world.clock, world.routes, lambda: None)
    assert [len(await checks.step(world.lease.guard)) for _ in range(3)] == [CHECKS_MAX, 7, 0]


@given(
    st.permutations([(10 - sum(units), 2 + n) for n, units in enumerate([(1,), (1, 2), (1, 2, 3)])]),
    st.lists(st.integers(0, 2), max_size=4),
)
async def test_in_any_order_and_however_often_the_newest_number_is_what_is_missing(told, again):
    world = await Shop.open()
    for number, second in [*told, *(told[n] for n in again)]:
        await world.level((number, second))
    assert await world.holds_now() == (4, 6)
    assert await world.shown("outlet") == 4
    assert world.applier.unchanged == len(told) + len(again)


# --- what calls teach -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "payload", "facts", "number"),
    [
        ("set_stock", SetStock("A", "sA", "L1", 4, 10), {}, 4),
        ("read_stock", ReadStock("A", "sA", "L1"), {"held": 6}, 6),
    ],
)
@pytest.mark.parametrize("stamp_ms", [0, START_MS])
def test_what_a_channel_answers_with_a_stamp_is_as_good_as_told(operation, payload, facts, number, stamp_ms):
    capabilities = Capabilities(compare_and_set=True, stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED)
    results = Results("shop", operation, Routes([]), {}, START_MS, capabilities)
    stamp = {"stamp_ms": stamp_ms} if stamp_ms else {}
    results._done(Sent(KEY, payload), Outcome(Result.DONE, facts={**facts, **stamp}), "")
    rows = [row for write in results.writes("i") if write.statement == "heard_put" for row in write.rows]
    told = {"system": "shop", "key": KEY, "number": number, "stamp_ms": stamp_ms, "check_ms": 0}
    assert rows == ([told] if stamp_ms else [])


@pytest.mark.parametrize("reserved", [0, 2])
def test_what_a_channel_has_set_aside_counts_as_gone_when_it_is_first_read(reserved):
    results = Results("shop", "read_stock", Routes([]), {}, START_MS, Capabilities(compare_and_set=True))
    facts = {"held": 6, "reserved": reserved}
    results._done(Sent(KEY, ReadStock("A", "sA", "L1")), Outcome(Result.DONE, facts=facts), "")
    told = [(w.statement, row["held"]) for w in results.writes() for row in w.rows if "held" in row]
    assert told == ([("held_first", 8)] if reserved else []) + [("held_seen", 6)]
