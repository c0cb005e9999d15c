"""The planner: what it keeps it really keeps, nothing cheaper would, and a tighter promise never reads more seldom."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from random import Random
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from syncline.engine.engine import Engine
from syncline.engine.routes import Routes
from syncline.engine.words import duration
from syncline.freshness.bounds import Detection, bounds_of, waits_ms
from syncline.freshness.velocity import Velocity
from syncline.model.capabilities import Capabilities
from syncline.model.copying import replace
from syncline.planner import candidates as ways_module
from syncline.planner.calls import PROVED, Sending, Work, bunch_calls, calls_an_hour, distinct, usage
from syncline.planner.candidates import LADDER_MS, candidate, candidates, foretold, groups_of
from syncline.planner.choice import _limits, keeps_all, planned
from syncline.planner.designs import designs, mean_lag_ms
from syncline.planner.document import document
from syncline.planner.drawing import mermaid, svg
from syncline.planner.effort import efforts
from syncline.planner.harm import mean_chance, standstill
from syncline.planner.markdown import markdown
from syncline.planner.plan import Capture, Pattern, SegmentPlan
from syncline.planner.question import (
    AskedRoute,
    AskedSegment,
    AskedSystem,
    Drivers,
    Harm,
    Question,
)
from syncline.planner.vendors import Limit, Reads, Vendor, Writes, as_declared, vendors
from syncline.planner.words import why_refused
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.stores.sqlite import SqliteStore

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SHORT_LADDER = (MINUTE, 4 * MINUTE, 28 * MINUTE, 230 * MINUTE)
FLOWS = ("inventory", "prices", "orders")


def vendor(*, event_ms: int = 0, thin: bool = False, delta: bool = True, items: int = 100) -> Vendor:
    return Vendor(
        title="Product",
        part="erp",
        connector="product",
        reads={flow: Reads(delta=delta, event_ms=event_ms, thin=thin, items=items) for flow in FLOWS},
        writes={flow: Writes(items=items if flow != "orders" else 1) for flow in FLOWS},
    )


def system(name: str, kind: Vendor, *limits: Limit, **more) -> AskedSystem:
    return AskedSystem(name, kind, "", limits, **more)


def segment(
    tolerance_ms: int, *, name: str = "all", records: int = 2_000, changes: float = 600.0
) -> AskedSegment:
    return AskedSegment(name, tolerance_ms, records, changes, changes * 0.12)


def route(flow: str, *segments: AskedSegment, lost_ms: int = DAY, sink: str = "shop") -> AskedRoute:
    return AskedRoute(flow, "erp", sink, segments, lost_ms)


def ask(*routes: AskedRoute, erp: AskedSystem | None = None, shop: AskedSystem | None = None) -> Question:
    plenty = Limit(at_once=20)
    systems = {
        "erp": erp or system("erp", vendor(event_ms=2_000), plenty),
        "shop": shop or system("shop", vendor(), plenty),
    }
    return Question("a plan", "EUR", systems, routes)


limits = st.builds(
    lambda at_once, calls: (Limit(at_once=at_once), Limit(calls=calls, window_s=60)),
    st.integers(1, 6),
    st.integers(1, 60),
)
kinds = st.builds(
    vendor,
    event_ms=st.sampled_from([0, 0, 2_000, 60_000]),
    thin=st.booleans(),
    delta=st.booleans(),
    items=st.sampled_from([1, 20, 250]),
)
tolerances = st.sampled_from([5_000, 30_000, 5 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, DAY])


@st.composite
def questions(draw, most: int = 3):
    flows = draw(st.lists(st.sampled_from(FLOWS), min_size=1, max_size=most, unique=True))
    routes = []
    for flow in flows:
        parts = [
            segment(
                draw(tolerances),
                name=name,
                records=draw(st.integers(1, 20_000)),
                changes=draw(st.floats(1, 20_000)),
            )
            for name in draw(st.sampled_from([("all",), ("high", "rest")]))
        ]
        routes.append(
            route(flow, *parts, lost_ms=max(draw(tolerances), *(one.tolerance_ms for one in parts)))
        )
    erp = system("erp", draw(kinds), *draw(limits), events=draw(st.booleans()))
    return ask(*routes, erp=erp, shop=system("shop", draw(kinds), *draw(limits)))


def taken_of(question: Question, plan) -> dict:
    captures = plan.captures()
    return {
        (group.source, group.flow): candidate(
            group,
            question,
            events=captures[group.routes[0].name].events,
            poll_ms=captures[group.routes[0].name].poll_ms,
        )
        for group in groups_of(question)
    }


# --- properties of the choice ------------------------------------------------------------------------------


@given(questions())
@settings(max_examples=40, deadline=None)
def test_a_plan_never_exceeds_a_limit_that_it_says_it_keeps(question):
    plan = planned(question)
    work = [one for way in taken_of(question, plan).values() for one in way.work]
    uses = iter(plan.limits)
    for name, asked in question.systems.items():
        mine = [one for one in work if one.system == name]
        for limit in asked.limits:
            allowed, used = usage(limit, mine, asked.vendor.call_ms)
            assert next(uses).kept == (used <= allowed * asked.share)
    assert next(uses, None) is None


@given(questions())
@settings(max_examples=40, deadline=None)
def test_what_counts_as_kept_has_a_bound_within_its_tolerance(question):
    for one, asked in zip(planned(question).routes, question.routes, strict=True):
        for part, wanted in zip(one.segments, asked.segments, strict=True):
            assert part.kept == (part.normal_ms <= wanted.tolerance_ms)
            assert part.lost_kept == (part.lost_ms <= asked.lost_ms)


@given(questions(most=2))
@settings(max_examples=40, deadline=None)
def test_no_cheaper_mix_would_keep_it_all(question):
    """Every mix is tried by brute force over a short ladder."""
    whole, ways_module.LADDER_MS = ways_module.LADDER_MS, SHORT_LADDER
    try:
        plan = planned(question)
        groups = groups_of(question)
        every = [candidates(group, question) for group in groups]
        keeping = []
        for mix in itertools.product(*every):
            chosen = {(group.source, group.flow): one for group, one in zip(groups, mix, strict=True)}
            if keeps_all({(one.source, one.flow): one for one in groups}, chosen, question):
                keeping.append(sum(one.calls_per_day for one in mix))
        mine = sum(one.calls_per_day for one in taken_of(question, plan).values())
    finally:
        ways_module.LADDER_MS = whole
    assert plan.kept == bool(keeping)
    assert plan.proven == bool(keeping)
    if keeping:
        assert mine == pytest.approx(min(keeping))
        assert sum(plan.calls_per_day.values()) == pytest.approx(mine)


@given(
    tolerances,
    tolerances,
    st.sampled_from(FLOWS),
    st.booleans(),
    st.integers(1, 50_000),
    st.floats(1, 5_000),
)
@settings(max_examples=60, deadline=None)
def test_a_tighter_tolerance_never_gives_a_longer_interval(one, other, flow, delta, records, changes):
    tight, loose = sorted((one, other))

    def interval(tolerance_ms: int) -> int | None:
        part = segment(tolerance_ms, records=records, changes=changes)
        erp = system("erp", vendor(delta=delta, items=250), Limit(at_once=20))
        plan = planned(ask(route(flow, part), erp=erp))
        return plan.routes[0].capture.poll_ms if plan.kept else None

    quick, slow = interval(tight), interval(loose)
    if quick is not None:
        assert slow is not None
        assert quick <= slow


@given(
    st.sampled_from([500, 2_000, 30_000, 5 * MINUTE]),
    st.sampled_from([500, 30_000, 5 * MINUTE]),
    kinds,
    st.integers(1, 20_000),
    st.integers(2, 60),
)
@settings(max_examples=40, deadline=None)
def test_the_nearest_that_is_named_can_be_kept(tolerance_ms, lost_ms, kind, records, calls):
    asked = route("inventory", segment(tolerance_ms, records=records), lost_ms=max(tolerance_ms, lost_ms))
    limits = (Limit(at_once=2), Limit(calls=calls, window_s=60))
    question = ask(asked, erp=system("erp", kind, *limits), shop=system("shop", kind, *limits))
    plan = planned(question)
    part = plan.routes[0].segments[0]
    if part.kept and part.lost_kept:
        assert (part.nearest_ms, part.nearest_lost_ms) == (None, None)
        return
    assume(all(one.kept for one in plan.limits))
    eased = replace(
        asked,
        segments=(replace(asked.segments[0], tolerance_ms=part.nearest_ms or tolerance_ms),),
        lost_ms=max(asked.lost_ms, part.nearest_lost_ms or 0, part.nearest_ms or 0),
    )
    assert (part.nearest_ms is None) == part.kept
    assert part.nearest_ms is None or part.nearest_ms > tolerance_ms
    again = planned(replace(question, routes=(eased,))).routes[0].segments[0]
    assert again.kept
    assert again.lost_kept


# --- what is chosen, and why -------------------------------------------------------------------------------


def test_seconds_take_events_and_a_day_takes_a_daily_batch_where_there_are_none():
    plan = planned(
        ask(
            route("inventory", segment(20_000), lost_ms=HOUR),
            route("prices", segment(DAY), lost_ms=DAY),
            erp=system("erp", replace(vendor(), reads={"inventory": Reads(True, 2_000, False, 100), "prices": Reads(items=100)}), Limit(at_once=5)),
        )
    )  # fmt: skip
    stock, prices = plan.routes
    assert (stock.capture.pattern, stock.capture.poll_ms) == (Pattern.EVENT, 55 * MINUTE)
    assert (prices.capture.pattern, prices.capture.poll_ms) == (Pattern.DAILY, 23 * HOUR)
    assert "sends no event" in prices.why
    assert plan.kept
    assert plan.proven
    assert {one.capture.pattern for one in stock.refused} == {
        Pattern.POLL,
        Pattern.HOURLY,
        Pattern.DAILY,
        Pattern.EVENT,
    }
    assert any("a lost event would be known after" in one.why for one in stock.refused)


def test_events_that_cannot_reach_us_are_not_counted_on():
    erp = system("erp", vendor(event_ms=2_000), Limit(at_once=5), events=False)
    plan = planned(ask(route("inventory", segment(5 * MINUTE)), erp=erp))
    assert (plan.routes[0].capture.pattern, plan.routes[0].capture.poll_ms) == (Pattern.POLL, 4 * MINUTE)
    assert "cannot reach this installation" in plan.routes[0].why


def test_a_bound_is_the_one_that_the_engine_would_compute():
    question = ask(route("inventory", segment(5 * MINUTE)))
    part = planned(question).routes[0].segments[0]
    group = groups_of(question)[0]
    chosen = taken_of(question, planned(question))[group.source, group.flow]
    worst, lost_ms = bounds_of(
        5 * MINUTE,
        chosen.detections["inventory:erp->shop"],
        backlog_ms=part.backlog_ms,
        send_ms=part.send_ms,
    )
    assert (part.normal_ms, part.lost_ms, part.queue_ms) == (worst.normal_ms, lost_ms, worst.queue_ms)


def test_flows_share_the_limits_of_their_system():
    """Each fits alone; together they do not, and the one that suffers least gives way."""
    erp = system("erp", vendor(delta=False, items=10), Limit(calls=7, window_s=60))
    # Full reads of 200 calls: every 55 minutes 3.6 a minute, of 5.6 that may be used.
    asked = [route(flow, segment(HOUR, records=2_000), lost_ms=HOUR) for flow in ("prices", "inventory")]
    alone = [planned(ask(one, erp=erp)) for one in asked]
    assert all(one.kept for one in alone)
    both = planned(ask(*asked, erp=erp))
    assert not both.kept
    assert all(one.kept for one in both.limits)  # never a limit that could be kept
    missed = [one for one in both.routes if not one.kept]
    assert len(missed) == 1
    assert missed[0].segments[0].nearest_ms > HOUR


def test_a_rate_above_the_limit_is_said_with_the_licence_that_would_do():
    kind = replace(
        vendor(),
        licences={"small": (Limit(calls=1, window_s=60),), "large": (Limit(calls=1_000, window_s=60),)},
    )
    shop = AskedSystem("shop", kind, "small", kind.licences["small"])
    plan = planned(ask(route("orders", segment(20_000, changes=9_000.0)), shop=shop))
    use = next(one for one in plan.limits if one.system == "shop")
    assert not use.kept
    assert use.nearest == "the licence large would do"
    polled = system("erp", vendor(), Limit(at_once=20))
    asked = (route("orders", segment(20_000, changes=9_000.0)), route("prices", segment(HOUR)))
    both = ask(*asked, shop=shop, erp=polled)
    assert planned(both).route("prices:erp->shop").capture.poll_ms < HOUR  # it would not help to give that up
    own = replace(shop, vendor=replace(kind, licences={}))
    plan = planned(ask(route("orders", segment(20_000, changes=9_000.0)), shop=own))
    assert "times as much would do" in next(one for one in plan.limits if one.system == "shop").nearest


def test_what_a_vendor_cannot_do_at_all_is_said_and_costs_nothing():
    question = ask(route("prices", segment(HOUR)), route("credit", segment(HOUR)))
    plan = planned(question)
    credit = plan.route("credit:erp->shop")
    assert credit.capture is None
    assert "tells nothing of credit" in credit.why
    assert not plan.kept
    assert plan.route("prices:erp->shop").kept
    assert plan.captures().keys() == {"prices:erp->shop"}


def test_classes_of_velocity_become_the_segments_of_a_route():
    parts = (segment(10_000, name="high"), segment(5 * MINUTE, name="medium"), segment(DAY, name="low"))
    capture = planned(ask(route("inventory", *parts))).routes[0].capture
    assert capture.tolerance_ms == 5 * MINUTE
    assert capture.segments == {Velocity.HIGH: 10_000, Velocity.LOW: DAY}


def test_routes_of_one_flow_share_the_reads_of_their_source():
    one = planned(ask(route("inventory", segment(20_000))))
    other = system("b2b", vendor(), Limit(at_once=5))
    question = ask(route("inventory", segment(20_000)), route("inventory", segment(20_000), sink="b2b"))
    both = planned(replace(question, systems={**question.systems, "b2b": other}))
    assert both.calls_per_day["erp"] == one.calls_per_day["erp"]


# --- arithmetic --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gathered_h", "wait_h"), [(0.0, 0.5), (0.25, 0.0), (0.5, 0.2)])
def test_the_calls_of_an_hour_are_those_that_a_play_of_arrivals_counts(gathered_h, wait_h):
    rng, hours, rate, records = Random(7), 4_000, 6.0, 10_000
    arrivals = list(
        itertools.takewhile(
            lambda at: at < hours, itertools.accumulate(rng.expovariate(rate) for _ in range(10**6))
        )
    )
    calls, leaves = 0, -1.0
    for at in arrivals:
        if at > leaves:
            calls += 1
            seen = math.ceil(at / gathered_h) * gathered_h if gathered_h else at
            leaves = seen if gathered_h >= wait_h and gathered_h else at + wait_h
    part = AskedSegment("all", HOUR, records, rate * 24, rate)
    counted = calls_an_hour([Sending(part, wait_h, gathered_h)], Writes(items=1_000), [rate], facts=False)
    assert counted == pytest.approx(calls / hours, rel=0.05)


def test_slow_changes_ride_along_for_nothing_until_the_calls_are_full():
    quick = Sending(segment(10_000, name="high"), 0.0, 0.0)
    slow = Sending(segment(DAY, name="low", records=10**6), 12.0, 0.0)
    alone = calls_an_hour([quick], Writes(items=250), [60.0], facts=False)
    assert calls_an_hour([quick, slow], Writes(items=250), [60.0, 30.0], facts=False) == pytest.approx(alone)
    full = calls_an_hour([quick, slow], Writes(items=2), [60.0, 300.0], facts=False)
    assert full == pytest.approx((60 + distinct(301 + 60 * 0, 10**6, facts=False)) / 2, rel=0.5)
    assert full > 2 * alone


def test_what_one_read_finds_leaves_together_of_whatever_segment():
    parts = [Sending(segment(HOUR, name=name, records=10**6), 0.0, 0.5) for name in ("contract", "rest")]
    both = calls_an_hour(parts, Writes(items=1_000), [6.0, 3.0], facts=False)
    assert both == pytest.approx(calls_an_hour(parts[:1], Writes(items=1_000), [9.0], facts=False))
    later = Sending(segment(DAY, name="low", records=10**6), 12.0, 0.5)
    assert calls_an_hour([*parts, later], Writes(items=1_000), [6.0, 3.0, 1.0], facts=False) == pytest.approx(
        both
    )


@given(st.floats(0, 10**5), st.integers(1, 10**5))
def test_changes_of_states_are_of_fewer_records_and_facts_are_not(count, records):
    found = distinct(count, records, facts=False)
    assert 0 <= found <= min(count, records) * (1 + 1e-9) + 1e-12
    assert distinct(count, records, facts=True) == count


def test_what_waits_at_one_moment_needs_as_many_calls_as_it_fills():
    part = segment(HOUR, records=10**6, changes=24_000.0)
    one = route("prices", part)
    calls = bunch_calls(one, part, Writes(items=100), Capture(False, HOUR, HOUR, HOUR), waits_ms(HOUR), 1_000)
    assert calls == math.ceil(distinct(2_880 + 3 * math.sqrt(2_880) + 1, 10**6, facts=False) / 100)


@given(st.floats(0.0001, 0.9), st.floats(0.01, 48))
@settings(max_examples=40)
def test_the_chance_to_hurt_is_the_mean_over_ages(share, hours):
    steps = 2_000
    mean = sum(1 - (1 - share) ** (hours * (n + 0.5) / steps) for n in range(steps)) / steps
    assert mean_chance(share, hours) == pytest.approx(mean, rel=1e-3, abs=1e-9)


def test_a_standstill_costs_what_the_figures_say():
    part = replace(segment(HOUR, records=10**9, changes=2_400.0), harm=Harm("", 0.0, Decimal(10), Decimal(7)))
    assert standstill(part, "inventory", 4) == Decimal("28.00")
    sure = replace(part, harm=Harm("", 1.0, Decimal(10)))
    assert standstill(sure, "orders", 4) == Decimal("4000.00")  # 400 orders, each of them
    few = replace(sure, records=50)
    assert standstill(few, "inventory", 24) == Decimal("500.00")  # no more than there are records


def test_a_usual_lag_is_half_an_interval_where_reads_are_quicker_than_events():
    late = Detection(event_delay_ms=MINUTE, poll_interval_ms=15_000, read_ms=1_000)
    assert mean_lag_ms(late, 0, 500) == 8_500
    assert mean_lag_ms(replace(late, event_delay_ms=2_000), 0, 500) == 2_500
    assert mean_lag_ms(replace(late, event_delay_ms=0), MINUTE, 500) == 30_500


def test_a_lost_event_is_asked_for_no_sooner_than_the_tolerance():
    asked = route("prices", segment(HOUR, name="contract"), segment(DAY, name="rest"), lost_ms=HOUR)
    late = SegmentPlan("rest", DAY, HOUR, 2 * DAY, 0, 0, 0, 0, kept=True, lost_kept=False)
    assert why_refused(late, asked, 1, 1).endswith(f"asked for {duration(DAY)}")


def test_a_limit_that_is_used_to_the_brim_is_kept():
    question = ask(
        route("prices", segment(HOUR)), erp=system("erp", vendor(), Limit(calls=1, window_s=3_600), share=0.3)
    )
    work = [Work("erp", "prices", "read", 1.0, 0.1)] * 3
    assert sum(one.calls_peak_hour for one in work) > 0.3
    assert next(iter(_limits(question, work))).kept


def test_a_limit_of_one_way_says_so():
    assert Limit(calls=5, window_s=1, way="write").words() == "5 calls a second (write: all flows)"


def test_both_sides_are_compared_of_the_flows_that_the_engine_proves():
    loop = VirtualLoop(0)
    clock = VirtualClock(loop)
    store = SqliteStore.open(":memory:", now_ms=0)
    engine = Engine(store=store, clock=clock, rng=Random(1), systems=[], routes=Routes([]), owner="embedded")
    assert {flow.value for flow in engine.reconciler._declared} == PROVED
    loop.close()


# --- designs, effort, pages --------------------------------------------------------------------------------


def test_the_plan_takes_fewer_calls_than_all_at_once_and_keeps_more_than_all_batch():
    question = ask(
        route(
            "inventory", segment(20_000, name="high", changes=400.0), segment(DAY, name="low"), lost_ms=HOUR
        ),
        route("prices", segment(HOUR)),
    )
    batch, quick, mine = designs(planned(question))
    assert (batch.name, quick.name, mine.name) == ("all batch", "all real time", "plan")
    assert mine.calls < quick.calls
    assert mine.kept == mine.segments > batch.kept
    assert mine.calls == pytest.approx(sum(planned(question).calls_per_day.values()))


def test_what_lets_nothing_wait_is_not_foretold_as_if_it_waited():
    part = segment(HOUR)
    question = ask(route("inventory", part))
    (group,) = groups_of(question)
    quick = candidate(group, question, events=True, poll_ms=HOUR, at_once=True)
    assert foretold(group.routes[0], part, quick, quick.alone, question).normal_ms < MINUTE


def test_tolerances_of_what_cannot_be_carried_at_all_are_not_kept_by_any_design():
    question = ask(route("prices", segment(HOUR)), route("credit", segment(HOUR)))
    assert [(one.segments, one.kept) for one in designs(planned(question))[1:]] == [(2, 1), (2, 1)]


def test_effort_follows_from_its_drivers_and_sums_up():
    bare = route("inventory", segment(HOUR))
    rich = replace(bare, flow="prices", drivers=Drivers(10, 4, both_ways=True, gate=True))
    found = efforts(ask(bare, rich))
    assert [one.name for one in found] == ["inventory:erp->shop", "prices:erp->shop", "erp", "shop"]
    assert found[1].days > 3 * found[0].days
    assert sum(one.share for one in found) == pytest.approx(1)
    assert all(sum(days for _, days in one.parts) == one.days for one in found)
    missing = replace(vendor(), connector="")
    assert efforts(ask(bare, erp=system("erp", missing)))[1].days > 10


def test_the_drawing_names_every_system_and_flow_and_escapes_them():
    odd = replace(vendor(event_ms=2_000), title='<b>"R&D"</b>', connector="")
    plan = planned(
        ask(
            route("inventory", segment(20_000)),
            route("credit", segment(HOUR)),
            erp=system("erp", odd, Limit(at_once=2)),
        )
    )
    drawn = svg(plan)
    root = ET.fromstring(drawn)
    words = " ".join(root.itertext())
    for wanted in (
        "Syncline",
        'erp: <b>"R&D"</b>',
        "shop: Product",
        "Stock: events",
        "Credit: not possible",
        "no connector yet",
    ):
        assert wanted in words
    assert "a-bad" in drawn
    text = mermaid(plan)
    assert text.startswith("flowchart LR")
    assert 's_erp["erp: #lt;b#gt;' in text
    assert "-.->" in text  # what is not possible is dotted


def test_cards_of_the_drawing_do_not_overlap():
    systems = {name: system(name, vendor(), Limit(at_once=2)) for name in ("erp", "pim", "wms", "shop")}
    routes = tuple(
        AskedRoute(flow, source, "shop", (segment(HOUR),), DAY)
        for source in ("erp", "pim", "wms")
        for flow in FLOWS
    )
    root = ET.fromstring(svg(planned(Question("", "EUR", systems, routes))))
    cards = [one for one in root.iter("{http://www.w3.org/2000/svg}rect") if "a-card" in one.get("class", "")]
    spans = sorted((float(one.get("x")), float(one.get("y")), float(one.get("height"))) for one in cards)
    assert len(spans) == 4
    for (x, y, height), (other_x, other_y, _) in itertools.pairwise(spans):
        assert x != other_x or y + height < other_y
    bottom = float(root.get("viewBox").split()[3])
    assert all(y + height <= bottom for _, y, height in spans)


def test_the_document_has_its_five_parts_and_is_json():
    doc = document(
        planned(ask(route("inventory", segment(20_000)), route("credit", segment(HOUR)))),
        ["taken for granted"],
    )
    text = markdown(doc)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 1 What each flow has to keep, and what lateness costs",
        "## 2 The pattern of each flow",
        "## 3 The architecture",
        "## 4 What it costs to run",
        "## 5 Effort",
    ]
    for words in (
        "taken for granted",
        "not possible",
        "all real time",
        "20 calls at once",
        "events; a read every",
    ):
        assert words in text
    assert msgspec.json.decode(msgspec.json.encode(doc))["routes"][0]["capture"]["pattern"] == "event"


# --- vendors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(vendors()))
def test_what_is_known_of_a_vendor_is_whole(name):
    from syncline.runtime.plan import FLOWS as KNOWN
    from syncline.runtime.plan import PlanSystem
    from syncline.runtime.registry import connectors

    found = vendors()[name]
    assert found.sources
    assert set(found.reads) <= set(KNOWN)
    assert set(found.writes) <= set(KNOWN)
    assert (found.part == "broker") == (not found.reads and not found.writes)
    assert not found.connector or found.connector in connectors()
    assert set(found.needs) <= set(PlanSystem.__struct_fields__)
    assert found.licences or found.needs or found.part == "broker"
    for limit in itertools.chain(*found.licences.values()):
        assert sum(map(bool, (limit.at_once, limit.calls, limit.points_per_s))) == 1
        assert bool(limit.calls) == bool(limit.window_s)
    for one in (*found.reads.values(), *found.writes.values()):
        assert one.items >= 1
        assert one.points > 0


def test_every_connector_is_known_to_the_planner_and_its_declarations_win():
    from syncline.runtime.registry import connectors

    by_connector = {one.connector: one for one in vendors().values() if one.connector}
    ours = {name for name, one in connectors().items() if one.capabilities != Capabilities()}
    assert set(by_connector) <= ours
    declared = Capabilities(webhooks=True, event_delay_ms=9_000, batch_items_max=7, applies_after_ms=3_000)
    found = as_declared(vendors()["netsuite"], declared)
    assert found.reads["inventory"].event_ms == 9_000
    assert found.reads["prices"].event_ms == 0
    assert not any(one.delta for flow, one in found.reads.items() if flow in ("inventory", "customers"))
    assert found.reads["order_status"].delta  # facts are told as they come
    silent = replace(declared, without_events=("inventory",), delta_poll=("customers",))
    other = as_declared(vendors()["netsuite"], silent)
    assert (other.reads["inventory"].event_ms, other.reads["customers"].delta) == (0, True)
    assert {one.applies_ms for one in found.writes.values()} == {3_000}
    deaf = as_declared(vendors()["shopify"], Capabilities())
    assert not any(one.event_ms for one in deaf.reads.values())
    assert deaf.writes["inventory"].items == 1
    thin = as_declared(vendors()["shopify"], replace(declared, webhooks_announce=True))
    assert thin.reads["orders"].thin


def test_the_ladder_stays_under_the_round_figures():
    for round_ms in (5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY):
        below = max(one for one in LADDER_MS if one < round_ms)
        assert below >= 0.7 * round_ms
        assert round_ms not in LADDER_MS
