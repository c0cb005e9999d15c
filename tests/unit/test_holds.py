"""Holds: what can be had, taken once, confirmed or given back once, and counted once with order and booking."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.checkout import World
from tests.unit.support import START_MS

from syncline.engine.engine import Engine
from syncline.engine.holds import EXPIRES_MS, FIRM_MS, SWEEP_EVERY_S, HoldRefused, Line
from syncline.engine.routes import Routes
from syncline.engine.shelves import unions
from syncline.engine.taking import TOGETHER_MAX
from syncline.model.errors import Fenced, Retryable
from syncline.ports import Write
from syncline.testing.store_tools import breathe


@pytest.fixture
async def world():
    world = World()
    await world.figure("A", "1", 3)
    await world.figure("A", "2", 2)
    await world.figure("B", "1", 1)
    yield world
    await world.store.close()


async def refused(what) -> str:
    with pytest.raises(HoldRefused) as caught:
        await what
    assert str(caught.value)
    assert caught.value.mend
    return caught.value.code


# --- reserving ---------------------------------------------------------------------------------------------


async def test_a_hold_takes_from_every_channel_and_gives_back_once(world):
    held = await world.holds.reserve("r1", "shop", [Line("A", 2)], by="till")
    assert (held.state, held.complete, held.lines[0].held) == ("open", True, 2)
    assert held.expires_at_ms == START_MS + EXPIRES_MS
    assert [await world.left("A", channel) for channel in ("shop", "outlet")] == [3, 3]
    assert world.woken
    for _ in range(2):
        assert (await world.holds.release("r1")).state == "released"
        assert await world.left() == 5


async def test_a_cart_is_held_whole_or_not_at_all(world):
    lines = [Line("A", 5), Line("B", 2)]
    assert await refused(world.holds.reserve("r1", "shop", lines)) == "not_enough"
    assert await refused(world.holds.show("r1")) == "not_found"
    assert await world.left() == 5
    held = await world.holds.reserve("r1", "shop", lines, allow_partial=True)
    assert not held.complete
    assert [(one.sku, one.asked, one.held) for one in held.lines] == [("A", 5, 5), ("B", 2, 1)]
    assert await refused(world.holds.reserve("r2", "shop", lines, allow_partial=True)) == "not_enough"


async def test_two_lines_of_one_sku_are_added_up(world):
    lines = [Line("A", 3), Line("A", 3)]
    assert await refused(world.holds.reserve("r1", "shop", lines)) == "not_enough"
    held = await world.holds.reserve("r1", "shop", lines, allow_partial=True)
    assert [one.held for one in held.lines] == [3, 2]


async def test_a_reference_is_one_hold(world):
    first = await world.holds.reserve("r1", "shop", [Line("A", 2, "L1")])
    world.clock.at_ms += 5
    again = await world.holds.reserve("r1", "shop", [Line("A", 2, "L1")], expires_in_ms=60_000)
    assert again == first
    for channel, lines in (
        ("outlet", [Line("A", 2, "L1")]),
        ("shop", [Line("A", 1, "L1")]),
        ("shop", [Line("A", 2)]),
    ):
        assert await refused(world.holds.reserve("r1", channel, lines)) == "reference_taken"
    await world.holds.reserve("r2", "shop", [Line("A", 3)])
    assert await world.holds.reserve("r1", "shop", [Line("A", 2, "L1")]) == first, "also when nothing is left"
    await world.holds.release("r1")
    assert (await world.holds.reserve("r1", "shop", [Line("A", 2, "L1")])).state == "released"


async def test_a_location_gives_no_more_than_it_has(world):
    assert await refused(world.holds.reserve("r1", "shop", [Line("A", 3, "L2")])) == "not_enough"
    await world.holds.reserve("r1", "shop", [Line("A", 2, "L2")])
    (found,) = await world.holds.availability("shop", ["A"])
    assert [(place.location, place.quantity) for place in found.locations] == [("L1", 3), ("L2", 0)]
    assert (found.quantity, found.as_of_ms, found.age_ms) == (3, START_MS, 0)


async def test_channels_that_share_a_location_cannot_promise_the_same_unit():
    world = World(outlet={"2": "X2"})
    await world.figure("A", "1", 1)
    await world.figure("A", "2", 1)
    await world.holds.reserve("r1", "outlet", [Line("A", 1)])
    assert await world.left("A", "shop") == 1
    assert await refused(world.holds.reserve("r2", "shop", [Line("A", 1, "L2")])) == "not_enough"
    await world.holds.reserve("r3", "shop", [Line("A", 1)])
    assert [await world.left("A", channel) for channel in ("shop", "outlet")] == [0, 0]


async def test_what_another_channel_keeps_back_binds_only_that_channel():
    world = World(outlet_rule={"safety_stock": 2})
    await world.figure("A", "1", 5)
    assert [await world.left("A", channel) for channel in ("shop", "outlet")] == [5, 3]
    await world.holds.reserve("r1", "shop", [Line("A", 4)])
    assert [await world.left("A", channel) for channel in ("shop", "outlet")] == [1, 0]


@pytest.mark.parametrize("most", [32, 2])
def test_sets_of_locations_that_overlap_in_part_are_counted_together(most):
    one, two, three, four = frozenset("12"), frozenset("23"), frozenset("34"), frozenset("9")
    found, exact = unions((one, two, three, four, one), most)
    if most == 2:
        assert (found, exact) == ((one, two, three, four), False)
    else:
        assert exact
        assert set(found) == {one, two, three, four, one | two, two | three, one | two | three}


async def test_safety_stock_is_not_held_and_another_rule_is_another_pool():
    world = World(rule={"safety_stock": 1})
    await world.figure("A", "1", 3)
    assert await world.left() == 2
    await world.holds.reserve("r1", "shop", [Line("A", 1)])
    later = World(world.store, first=50)  # configured anew, on the same store: the hold still counts
    assert await later.left() == 2
    await later.holds.release("r1")
    await later.figure("A", "1", 3)
    assert await later.left() == 3


async def test_a_place_that_a_channel_does_not_sell_from_holds_nothing():
    world = World(outlet_rule={"excluded": ("2",)})
    await world.figure("A", "1", 1)
    await world.figure("A", "2", 5)
    assert [await world.left("A", channel) for channel in ("shop", "outlet")] == [6, 1]
    assert await refused(world.holds.reserve("r1", "outlet", [Line("A", 1, "L2")])) == "not_enough"
    await world.holds.reserve("r2", "outlet", [Line("A", 1)])
    assert [await world.left("A", channel) for channel in ("shop", "outlet")] == [5, 0]


async def test_what_cannot_be_understood_is_refused_with_a_mend(world):
    desk = world.holds
    for code, what in (
        ("unknown_channel", desk.reserve("r1", "erp", [Line("A", 1)])),
        ("unknown_sku", desk.reserve("r1", "shop", [Line("Z", 1)])),
        ("unknown_location", desk.reserve("r1", "shop", [Line("A", 1, "L9")])),
        ("bad_lines", desk.reserve("r1", "shop", [])),
        ("bad_lines", desk.reserve("r1", "shop", [Line("A", 1)] * 101)),
        ("bad_quantity", desk.reserve("r1", "shop", [Line("A", 0)])),
        ("bad_quantity", desk.reserve("r1", "shop", [Line("A", 1_000_001)])),
        ("bad_expiry", desk.reserve("r1", "shop", [Line("A", 1)], expires_in_ms=9_999)),
        ("bad_expiry", desk.reserve("r1", "shop", [Line("A", 1)], expires_in_ms=86_400_001)),
        ("bad_skus", desk.availability("shop", [])),
        ("unknown_channel", desk.availability("nowhere", ["A"])),
        ("not_found", desk.confirm("r9")),
        ("not_found", desk.release("r9")),
    ):
        assert await refused(what) == code


async def test_a_sku_without_a_figure_has_nothing_to_hold(world):
    (found,) = await world.holds.availability("shop", ["C"])
    assert (found.quantity, found.as_of_ms, found.age_ms) == (0, None, None)
    assert await refused(world.holds.reserve("r1", "shop", [Line("C", 1)])) == "not_enough"


async def test_a_change_between_looking_and_taking_is_seen(world):
    """What is read is never older than what is decided on: the figure falls in the worst moment."""
    await world.left()
    write, fell = world.store.write, []

    async def late(*writes):
        if not fell and any(one.statement == "hold_put" for one in writes):
            fell.append(True)
            await world.figure("A", "1", 0)
            await world.figure("A", "2", 0)
        return await write(*writes)

    world.store.write = late
    assert await refused(world.holds.reserve("r1", "shop", [Line("A", 1)])) == "not_enough"


def watch_puts(world) -> list[list[str]]:
    """The references of each transaction that takes holds."""
    write, seen = world.store.write, []

    async def watched(*writes):
        seen.extend([row["reference"] for row in one.rows] for one in writes if one.statement == "hold_put")
        return await write(*writes)

    world.store.write = watched
    return seen


async def test_holds_that_come_together_share_a_transaction_and_are_taken_each_by_itself(world):
    await world.left("A")
    await world.left("B")
    puts = watch_puts(world)
    asked = [("r1", "A", 3), ("r2", "B", 1), ("r3", "A", 2), ("r1", "A", 3), ("r4", "A", 1), ("r5", "B", 1)]
    made = await asyncio.gather(
        *(world.holds.reserve(reference, "shop", [Line(sku, units)]) for reference, sku, units in asked),
        return_exceptions=True,
    )
    assert [one.reference for one in made[:4]] == ["r1", "r2", "r3", "r1"]
    assert made[0] == made[3]  # the same request, sent twice
    assert [one.code for one in made[4:]] == ["not_enough", "not_enough"]
    assert puts[0] == ["r1", "r2", "r3"]
    assert await world.left("A") == await world.left("B") == 0


async def test_what_was_seen_last_is_tried_without_a_look_and_looked_at_where_it_is_not_so(world):
    await world.left("A")
    read, looks = world.store.read, []

    async def watched(statement, **parameters):
        looks.extend([statement] * (statement == "shelves"))
        return await read(statement, **parameters)

    world.store.read = watched
    await world.holds.reserve("r1", "shop", [Line("A", 1)])
    assert not looks
    await world.figure("A", "1", 0)  # fewer than was seen
    assert await refused(world.holds.reserve("r2", "shop", [Line("A", 4)])) == "not_enough"
    assert looks
    await world.figure("A", "1", 20)  # more than was seen
    assert (await world.holds.reserve("r3", "shop", [Line("A", 15)])).complete
    assert await refused(world.holds.reserve("r4", "shop", [Line("A", 15)])) == "not_enough"
    await world.holds.release("r3")
    held = await world.holds.reserve("r5", "shop", [Line("A", 15)], allow_partial=True)
    assert held.complete  # of what is there, not of what was seen


async def test_more_than_one_transaction_may_carry_go_on_in_the_next(world):
    await world.figure("C", "1", 3 * TOGETHER_MAX)
    await world.left("C")
    puts = watch_puts(world)
    count = TOGETHER_MAX + 3
    await asyncio.gather(*(world.holds.reserve(f"r{n}", "shop", [Line("C", 1)]) for n in range(count)))
    assert [len(references) for references in puts] == [TOGETHER_MAX, 3]
    assert await world.left("C") == 2 * TOGETHER_MAX - 3


async def test_what_goes_wrong_with_holds_that_come_together_is_told_to_each(world):
    await world.left("A")
    write = world.store.write

    async def full(*writes):
        if any(one.statement == "hold_put" for one in writes):
            raise Retryable("the disk is full")
        return await write(*writes)

    world.store.write = full
    asked = (world.holds.reserve(f"r{n}", "shop", [Line("A", 1)]) for n in range(3))
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in made] == [Retryable] * 3
    world.store.write = write
    assert (await world.holds.reserve("r1", "shop", [Line("A", 5)])).complete


async def test_endless_contention_ends(world):
    write = world.store.write

    async def never(*writes):
        if any(one.statement in ("hold_put", "hold_renew") and one.guard for one in writes):
            raise Fenced("somebody was faster")
        return await write(*(replace(one, rows=()) if one.statement == "hold_put" else one for one in writes))

    await world.holds.reserve("r0", "shop", [Line("A", 1)])
    world.clock.at_ms += EXPIRES_MS
    world.store.write = never
    with pytest.raises(Retryable):
        await world.holds.reserve("r1", "shop", [Line("A", 1)])
    with pytest.raises(Retryable):
        await world.holds.confirm("r0")


# --- expiry ------------------------------------------------------------------------------------------------


async def test_an_expired_hold_counts_no_more_from_that_moment(world):
    await world.holds.reserve("r1", "shop", [Line("A", 5)], expires_in_ms=10_000)
    world.clock.at_ms += 9_999
    assert await world.left() == 0
    assert await refused(world.holds.reserve("r2", "shop", [Line("A", 1)])) == "not_enough"
    world.clock.at_ms += 1
    assert await world.left() == 5
    assert (await world.holds.show("r1")).state == "expired"
    await world.holds.reserve("r2", "shop", [Line("A", 5)])
    world.clock.at_ms -= 5  # whatever a clock says now: the units were given away
    assert await refused(world.holds.confirm("r1")) == "expired"


async def test_the_sweep_gives_channels_their_units_back(world):
    await world.holds.reserve("r1", "shop", [Line("A", 2), Line("B", 1)])
    await world.derive()
    assert await world.store.read("dirty", now_ms=0, limit=9) == []
    assert await world.holds.sweep() == 0
    world.clock.at_ms += EXPIRES_MS
    assert await world.holds.sweep() == 2
    assert [row[0] for row in await world.store.read("dirty", now_ms=0, limit=9)] == ["A", "B"]
    assert await world.holds.sweep() == 0


async def test_a_confirmed_hold_without_an_order_ends_after_a_week_and_somebody_is_told(world):
    await world.holds.reserve("r1", "shop", [Line("A", 2)])
    held = await world.holds.confirm("r1")
    assert (held.state, held.expires_at_ms) == ("confirmed", START_MS + FIRM_MS)
    assert (await world.holds.confirm("r1")) == held
    world.clock.at_ms += FIRM_MS - 1
    await world.holds.sweep()
    assert await world.left() == 3
    world.clock.at_ms += 1
    await world.holds.sweep()
    assert await world.left() == 5
    ((_, system, operation, key, reason, *_),) = await world.store.read("parked_open", after=0, limit=9)
    assert (system, operation, key, reason) == ("shop", "await_order", "r1", "no_order")


async def test_a_late_confirmation_reserves_again_or_is_seen_by_somebody(world):
    await world.holds.reserve("r1", "shop", [Line("A", 4)])
    world.clock.at_ms += EXPIRES_MS
    await world.holds.reserve("r2", "shop", [Line("A", 2)])
    assert await refused(world.holds.confirm("r1", order="7001")) == "expired"
    ((_, system, operation, key, reason, detail, *_),) = await world.store.read(
        "parked_open", after=0, limit=9
    )
    assert (system, operation, key, reason) == ("shop", "confirm_hold", "r1", "late_capture")
    assert "4 of A" in detail and "7001" in detail
    await world.holds.release("r2")
    assert (await world.holds.confirm("r1", order="7001")).state == "confirmed"
    assert (await world.holds.confirm("r1", order="7001")).state == "confirmed"
    assert await world.left() == 1
    assert await world.store.read("parked_open", after=0, limit=9) == []


async def test_what_was_released_cannot_be_confirmed(world):
    await world.holds.reserve("r1", "shop", [Line("A", 1)])
    await world.holds.release("r1")
    assert await refused(world.holds.confirm("r1")) == "released"


async def test_the_sweeper_runs_while_anything_is_held(world):
    await world.holds.reserve("r1", "shop", [Line("A", 1)], expires_in_ms=10_000)
    slept, enough = [], asyncio.Event()
    sleep = world.clock.sleep

    async def counted(seconds):
        slept.append(seconds)
        await sleep(seconds)
        if len(slept) > 1:
            enough.set()
        await breathe()

    world.clock.sleep = counted
    running = asyncio.ensure_future(world.holds.run())
    await enough.wait()
    for _ in range(20):
        await breathe()
    assert slept == [SWEEP_EVERY_S] * 2
    assert (await world.store.read("holds_get", reference="r1"))[0][7] == "expired"
    running.cancel()


async def test_a_store_that_refuses_does_not_end_the_sweeper(world):
    await world.holds.reserve("r1", "shop", [Line("A", 1)])
    read, failed = world.store.read, asyncio.Event()

    async def refusing(statement, **parameters):
        if statement == "hold_next" and not failed.is_set():
            failed.set()
            raise Retryable("the disk is full")
        if statement == "hold_next":
            again.set()
        return await read(statement, **parameters)

    again = asyncio.Event()
    world.store.read = refusing
    running = asyncio.ensure_future(world.holds.run())
    await again.wait()
    running.cancel()


# --- the order ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["7001", "#7001"])
@pytest.mark.parametrize("when", ["at the hold", "at the confirmation", "after the order"])
async def test_an_order_replaces_its_hold(world, named, when):
    await world.holds.reserve(
        "r1", "shop", [Line("A", 2), Line("B", 1)], order=named if when == "at the hold" else ""
    )
    if when == "at the confirmation":
        await world.holds.confirm("r1", order=named)
    await world.orders("shop", "7001", "A", 2)
    if when == "after the order":
        assert (await world.holds.confirm("r1", order=named)).state == "replaced"
    assert (await world.holds.show("r1")).state == "replaced"
    assert [await world.left(sku) for sku in "AB"] == [3, 1]
    assert [row[0] for row in await world.store.read("dirty", now_ms=0, limit=9)] == ["A", "B"]
    assert (await world.holds.confirm("r1", order=named)).state == "replaced"
    await world.holds.release("r1")
    assert await world.left() == 3, "what was sold is not given back"


async def test_a_hold_belongs_to_one_order(world):
    await world.holds.reserve("r1", "shop", [Line("A", 2)], order="7001")
    assert await refused(world.holds.confirm("r1", order="7002")) == "other_order"
    assert (await world.holds.confirm("r1")).state == "confirmed"
    assert await refused(world.holds.confirm("r1", order="7002")) == "other_order"


async def test_the_sweep_heals_an_order_and_a_confirmation_that_missed_each_other(world):
    await world.holds.reserve("r1", "shop", [Line("A", 2)])
    await world.orders("shop", "7001", "A", 2)
    await world.store.write(
        Write(
            "hold_confirm",
            [{"reference": "r1", "order_key": "7001", "now_ms": START_MS, "expires_at_ms": START_MS + 9}],
        )
    )
    assert await world.left() == 1
    await world.holds.sweep()
    assert await world.left() == 3


async def test_a_hold_lowers_every_channel_but_one_that_checks_itself(world):
    await world.holds.reserve("r1", "shop", [Line("A", 1)])
    await world.holds.reserve("r2", "outlet", [Line("A", 2, "L1")])
    assert [await world.shown(channel) for channel in ("shop", "outlet")] == [3, 2]
    assert await world.left() == 2
    await world.holds.confirm("r1", order="7001")
    await world.orders("shop", "7001", "A", 1)
    assert [await world.shown(channel) for channel in ("shop", "outlet")] == [2, 2]


def test_an_engine_has_holds():
    engine = Engine(store=None, clock=World().clock, rng=None, systems=[], routes=Routes([]), owner="x")
    assert engine.holds is not None


# --- any history -------------------------------------------------------------------------------------------

ON_HAND = {"1": 3, "2": 2}
WEIGHTS = {
    "reserve": 5, "order": 4, "book": 4, "figure": 3, "confirm": 2, "release": 1, "partial": 1, "expire": 1, "sweep": 1,
    "derive": 1, "cancel": 1,
}  # fmt: skip
step = st.tuples(
    st.sampled_from([what for what, weight in WEIGHTS.items() for _ in range(weight)]),
    st.integers(0, 7),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["shop", "outlet"]),
    st.booleans(),
)


class Truth:
    """What really happened: who was promised what, and what the ERP has booked."""

    def __init__(self) -> None:
        self.sold: dict[str, list] = {}  # order key -> [channel, location of the hold, units, booked at]
        self.booked = dict.fromkeys(ON_HAND, 0)
        self.numbers = count(7001)
        self.told: dict[str, set[str]] = {}  # of which places there was a figure since an order was booked
        self.seen: set[str] = set()

    def blurred(self) -> bool:
        """Whether an order from anywhere was booked that not every place's figure can contain yet."""
        return any(
            booked and not at and key not in self.seen for key, (_, at, _, booked) in self.sold.items()
        )

    def figure(self, place: str) -> None:
        """The ERP told of a place."""
        for key, row in self.sold.items():
            if row[3]:
                self.told.setdefault(key, set()).add(place)
                if self.told[key] == ON_HAND.keys():
                    self.seen.add(key)

    def sold_units(self) -> int:
        return sum(row[2] for row in self.sold.values())


async def play(steps) -> None:
    world, truth = World(), Truth()
    used: list[str] = []
    for location, quantity in ON_HAND.items():
        await world.figure("A", location, quantity)
    for number, (what, which, location, channel, flag) in enumerate(steps):
        world.clock.at_ms += 1_000
        states = {name: (await world.holds.show(name)).state for name in used}
        alive = [name for name in used if states[name] in ("open", "confirmed")]
        choice = alive if alive and what == "order" else used
        reference = choice[which % len(choice)] if choice else ""
        rows = await world.store.read("holds_get", reference=reference)
        try:
            if what in ("reserve", "partial"):
                partial = what == "partial"
                quantity = 1 if not location else 1 + which % 2
                at = {"1": "L1", "2": "L2"}.get(location, "")
                new = reference if flag and used else f"r{number}"
                used += [new] if new not in used else []
                await world.holds.reserve(new, channel, [Line("A", quantity, at)], allow_partial=partial)
            elif what == "confirm" and rows:
                await world.holds.confirm(reference)
            elif what == "release" and rows:
                await world.holds.release(reference)
                if flag:
                    await world.holds.release(reference)
            elif what == "expire":
                world.clock.at_ms += EXPIRES_MS
            elif what == "order" and states.get(reference) in ("open", "confirmed"):
                key = str(next(truth.numbers))
                held = await world.holds.confirm(reference, order=key)
                at, units = rows[0][4], held.lines[0].held
                if flag:  # told before it was confirmed by name
                    await world.holds.confirm(reference, order=key)
                await world.orders(held.channel, key, "A", units, at)
                truth.sold[key] = [held.channel, at, units, ""]
            elif what == "cancel" and truth.sold:
                key = sorted(truth.sold)[which % len(truth.sold)]
                sold_by, at, units, booked = truth.sold[key]
                if not booked:
                    await world.orders(sold_by, key, "A", units, at, cancelled_at_ms=world.clock.at_ms)
                    del truth.sold[key]
            elif what == "book":
                await book(world, truth, which)
            elif what == "figure":
                for place in ON_HAND if not location else [location]:
                    await world.figure("A", place, ON_HAND[place] - truth.booked[place])
                    truth.figure(place)
            elif what == "sweep":
                await world.holds.sweep()
            elif what == "derive":
                await world.derive()
        except HoldRefused:
            used = [name for name in used if await world.store.read("holds_get", reference=name)]
        await check(world, truth)
    await world.store.close()


async def book(world, truth, which) -> None:
    """The ERP commits an order that it has not yet, where there is room for it."""
    waiting = [key for key, row in sorted(truth.sold.items()) if not row[3]]
    if not waiting:
        return
    key = waiting[which % len(waiting)]
    channel, at, units, _ = truth.sold[key]
    claimed = dict.fromkeys(ON_HAND, 0)
    for other, (_, place, quantity, booked) in truth.sold.items():
        if other != key and place and not booked:
            claimed[place] += quantity
    for _, _, _, _, _, place, quantity, main in await world.store.read(
        "holds_of_skus", skus=["A"], now_ms=world.clock.at_ms
    ):
        if main and place:
            claimed[place] += quantity
    free = {place: ON_HAND[place] - truth.booked[place] - claimed[place] for place in ON_HAND}
    place = at or max(sorted(free), key=lambda name: free[name])
    assert at or free[place] >= units, "a promise from anywhere found no place"
    await world.books(channel, key, "A", units, place)
    truth.sold[key][3] = place
    truth.booked[place] += units


async def check(world, truth) -> None:
    """I10: what counts as held is the sum of the holds. I11: nothing is promised twice. All counts once."""
    now_ms = world.clock.now_ms()
    rows = await world.store.read("holds_of_skus", skus=["A"], now_ms=now_ms)
    for _, pool, free, stale, _, _, held, _ in await world.store.read("shelves", skus=["A"], now_ms=now_ms):
        assert held == sum(row[6] for row in rows if row[3] == pool) >= 0
        # An order from anywhere counts at every single place, also where something is held already.
        assert stale or held <= free or pool.count("=") < len(ON_HAND) or truth.blurred()
    kept = sum(row[6] for row in rows if row[7])
    on_hand = sum(ON_HAND.values())
    assert truth.sold_units() + kept <= on_hand
    for place, quantity in ON_HAND.items():
        there = sum(row[6] for row in rows if row[7] and row[5] == place)
        sold = sum(units for _, at, units, booked in truth.sold.values() if place == (booked or at))
        assert there + sold <= quantity
    for channel in ("shop", "outlet"):
        left, truly = await world.left("A", channel), on_hand - truth.sold_units() - kept
        assert left == truly or (left < truly and truth.blurred())


@given(st.lists(step, min_size=12, max_size=40))
def test_in_any_history_hold_order_and_booking_count_once_and_nothing_is_promised_twice(steps):
    asyncio.run(play(steps))
