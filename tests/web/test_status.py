"""One look at everything, and the sentence that it amounts to."""

from __future__ import annotations

import pytest
from tests.web.support import MINUTE, NOW_MS, StillClock, make_engine, park_message, park_order, seed, trouble

from syncline.engine.rewind import Mark
from syncline.engine.status import GRACE_MS, status
from syncline.engine.verdict import judge
from syncline.engine.words import duration, plural
from syncline.model.copying import replace
from syncline.ports import Write
from syncline.web.strip import stale_windows, y_of


@pytest.fixture
async def engine():
    made = await make_engine(StillClock())
    await seed(made)
    return made


async def look(engine):
    return await status(engine, engine.clock.now_ms())


def route(seen, flow):
    return next(r for r in seen.routes if r.flow == flow)


async def test_before_the_first_read_nothing_is_claimed():
    engine = await make_engine(StillClock())
    seen = await look(engine)
    assert seen.verdict == "starting"
    assert [r.age_ms for r in seen.routes] == [None, None, None]
    assert seen.routes[0].lags.kept_share is None


async def test_a_restored_store_says_that_it_is_catching_up():
    engine = await make_engine(StillClock())
    engine.rewind.mark = Mark(NOW_MS)
    seen = await look(engine)
    assert seen.verdict == "starting"
    assert "was restored" in seen.reason
    engine.rewind.mark = Mark(NOW_MS, caught_up=True)
    assert "was restored" not in (await look(engine)).reason


async def test_age_is_since_the_newest_completed_read_of_a_stream_that_confirms_the_flow(engine):
    seen = await look(engine)
    assert route(seen, "inventory").age_ms == 37_000  # the delta read, not the full one of 22 minutes ago
    assert route(seen, "orders").age_ms == 130_000


async def test_both_bounds_follow_from_intervals_events_and_measured_times(engine):
    seen = await look(engine)
    orders = route(seen, "orders")
    # Events take 1 s as declared and the write 0.7 s as measured; lost, the 4-minute read of 1.84 s finds it.
    assert (orders.bound_ms, orders.send_measured) == (2_000, False)
    assert orders.bound_if_event_lost_ms == 4 * MINUTE + 1_840 + 1_000
    stock = route(seen, "inventory")
    assert (stock.send_ms, stock.send_measured) == (700, True)
    # A tolerance of minutes waits for half of itself on purpose, so that changes ride together.
    assert stock.bound_ms == 5 * MINUTE // 2 + 700


async def test_lags_are_counted_whole(engine):
    lags = route(await look(engine), "orders").lags
    assert (lags.delivered, lags.kept, lags.max_ms) == (47, 45, 30_000)
    assert lags.p50_ms <= lags.p99_ms <= lags.max_ms


async def test_late_work_is_the_verdict_and_names_its_cause_first(engine):
    await trouble(engine)
    await park_order(engine)
    seen = await look(engine)
    assert seen.verdict == "late"
    assert seen.reason == "erp has not accepted anything for 3 min 10 s."
    assert "14 changes for it wait" in seen.mend
    orders = route(seen, "orders")
    assert (orders.state, orders.late, orders.pending, orders.parked) == ("late", 14, 14, 1)
    assert orders.oldest_deadline_ms == NOW_MS - 140_000
    assert [p.severity for p in seen.problems][:2] == ["late", "late"]
    assert all(p.mend for p in seen.problems)


async def test_a_read_that_does_not_come_makes_the_route_late(engine):
    engine.clock.at_ms += 10 * MINUTE
    seen = await look(engine)
    assert route(seen, "orders").state == "late"
    assert route(seen, "order_status").state == "ok"  # an hour's tolerance bears it
    assert "was last read whole" in seen.reason


@pytest.mark.parametrize(
    ("spoil", "says", "mend"),
    [
        (lambda e: setattr(e.lanes["shop"], "auth_failed", True), "shop refuses our credential.", "Renew"),
        (lambda e: setattr(e.pollers[0], "last_error", "no\r\n\x1b[31mroute"), "Reading transactions", "no"),
        (lambda e: setattr(e.ingress.received["shop"], "forged", 5_000), "wrong signature", "secret"),
    ],
)
async def test_every_kind_of_trouble_is_said_with_its_mend(engine, spoil, says, mend):
    spoil(engine)
    problems = [p for p in (await look(engine)).problems if says in p.text]
    assert len(problems) == 1 and mend in problems[0].mend
    assert problems[0].mend.isprintable()


async def test_parked_and_unseen_are_counted(engine):
    await park_message(engine)
    at = {"system": "shop", "key": "TEE-RED-M\x1fL1", "now_ms": NOW_MS - 61_000}
    await engine.store.write(Write("held_seen", [{**at, "held": 17, "rev": None, "exact": True}]))
    seen = await look(engine)
    assert seen.parked == 1
    assert [(u.sku, u.location, u.units) for u in seen.unseen] == [("TEE-RED-M", "L1", 3)]
    assert any("3 units fell" in p.text for p in seen.problems)


def test_strips_keep_the_tolerance_at_one_height_and_merge_stale_windows():
    assert y_of(5_000, 5_000) == y_of(3_600_000, 3_600_000)
    assert y_of(0, 5_000) > y_of(100, 5_000) > y_of(5_000, 5_000) > y_of(20_000, 5_000)

    class Late:
        tolerance_ms = 1_000
        oldest_deadline_ms = 99_500

    rows = [("k", 50_000, 11_000, 0), ("k", 45_000, 8_000, 0), ("k", 40_000, 500, 1)]
    assert stale_windows(rows, Late, 100_000) == [(38_000, 50_000), (99_500, 100_000)]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (1_450, "1.4 s"),
        (59_999, "59 s"),
        (250_000, "4 min 10 s"),
        (3_600_000, "1 h"),
        (90_000_000, "1 d 1 h"),
        (-1_500, "−1.5 s"),
        (None, "unknown"),
    ],
)
def test_durations_in_words(ms, text):
    assert duration(ms) == text


def test_plurals():
    assert (plural(1, "entry", "entries"), plural(2_000, "unit")) == ("1 entry", "2,000 units")


async def test_a_source_that_is_not_read_is_one_problem_however_many_channels_wait_for_it():
    engine = await make_engine(StillClock())
    await seed(engine)
    seen = await look(engine)
    stock, *others = seen.routes
    behind = replace(stock, age_ms=10 * MINUTE)
    sinks = ["shop", "shop2", "shop3", "shop4", "shop5"]
    routes = [replace(behind, sink=sink, name=f"inventory:erp->{sink}") for sink in sinks]
    routes[3] = replace(routes[3], age_limit_ms=2 * MINUTE + GRACE_MS)
    fresh = replace(stock, sink="shop6", name="inventory:erp->shop6")
    pollers = [replace(poller, last_error="") for poller in seen.pollers]
    found = judge([*routes, fresh, *others], seen.lanes, pollers, (), seen.store, 0, (), NOW_MS)
    (late,) = [p for p in found if p.severity == "late"]
    assert late.text == (
        "Stock from erp to shop, shop2, shop3 and 2 more: erp was last read whole 10 min ago, "
        "which should be at most 2 min."
    )
    assert late.where == "inventory:erp->shop"


async def test_why_a_source_is_not_read_is_said_in_the_words_of_the_read_that_is_missing(engine):
    seen = await look(engine)
    pollers = [
        replace(seen.pollers[0], last_error="of another flow", flows=("customers",)),
        replace(seen.pollers[1], last_error="of this flow"),
    ]
    stock = replace(seen.routes[0], age_ms=10 * MINUTE)
    found = judge([stock], seen.lanes, pollers, (), seen.store, 0, (), NOW_MS)
    assert found[0].mend == "Reading fails with: of this flow"
