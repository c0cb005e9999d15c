"""What-if with a plan: what of it is played, how it is fed, its bounds, and what all of its flows call."""

from __future__ import annotations

import csv
import functools
import io
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from syncline.cli.whatif_run import split_of
from syncline.engine.routes import Route
from syncline.freshness.velocity import Velocity
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.planner.choice import planned
from syncline.planner.designs import ALL_BATCH, designs, fed_in
from syncline.planner.plan import Capture
from syncline.runtime.plan import question_of
from syncline.simulate.case import Case, Setting, cut
from syncline.simulate.designs import Fed, as_planned
from syncline.simulate.history import History, HistoryLine, HistoryOrder, StockCase
from syncline.simulate.planned import Staged, all_flows, staged
from syncline.simulate.play import Play
from syncline.simulate.predicted import predicted
from syncline.simulate.promises import Promises
from syncline.simulate.report.page import page
from syncline.simulate.report.words import all_flows_words, sentences
from syncline.simulate.trace import COLUMNS, Trace
from syncline.simulate.whatif import Prices, play_all, result

MONDAY_MS = 1_789_948_800_000  # 2026-09-21T00:00:00Z
MINUTE_MS = 60_000
HOUR_MS = 3_600_000

HEAD = """
[systems.ns]
vendor = "netsuite"
licence = "premium"
[systems.shop]
vendor = "shopify"
licence = "advanced"
[systems.trade]
vendor = "adobe_commerce"
events = false
[systems.crm]
vendor = "hubspot"
licence = "professional"
[volumes]
skus = 500
customers = 300
orders_per_day = 200
[compare]
batch = "15m"
"""
FLOWS = (
    """flow = "inventory"\nfrom = "ns"\nto = ["shop", "trade"]\ntolerance = "5m"
segments.low = { tolerance = "1d", records = "80%", changes = "10%" }""",
    'flow = "orders"\nfrom = "shop"\nto = "ns"\ntolerance = "20s"\nchanges_per_day = 300',
    'flow = "orders"\nfrom = "trade"\nto = "ns"\ntolerance = "10m"\nif_event_lost = "10m"\nchanges_per_day = 100',
    'flow = "customers"\nfrom = "ns"\nto = "crm"\ntolerance = "1d"',
)


def plan_of(*flows: str, head: str = HEAD):
    return planned(question_of(head + "".join(f"[[flows]]\n{one}\n" for one in flows)))


@functools.cache
def stage() -> Staged:
    return staged(plan_of(*FLOWS))


@functools.cache
def case() -> Case:
    """Sixty orders of one Monday of four SKUs, which are soon sold out, and a delivery on Wednesday."""
    orders = [
        HistoryOrder(
            f"{n}",
            MONDAY_MS + (300 + n) * MINUTE_MS,
            "",
            "",
            (HistoryLine(str(n % 4), "Mug", 1 + n % 3, Decimal(2)),),
        )
        for n in range(60)
    ]
    orders.append(
        HistoryOrder("late", MONDAY_MS + 59 * HOUR_MS, "", "", (HistoryLine("1", "Mug", 9, Decimal(2)),))
    )
    skus = [str(n) for n in range(4)]
    stock = StockCase(dict.fromkeys(skus, 20), dict.fromkeys(skus, "Mug"), dict.fromkeys(skus, Decimal(2)))
    on = stage()
    return cut(orders, stock, from_ms=0, to_ms=1 << 60, split=on.split, names=on.channels, erp=on.erp)


@functools.cache
def played() -> list:
    names = ("batch:15m", "realtime", "hybrid")
    return play_all(case(), [Setting(name, planned=stage().fed) for name in names], draw=True)


def of(name: str):
    return next(one for one in played() if one.setting.design == name)


# --- what is played --------------------------------------------------------------------------------------------


def test_the_channels_of_the_plan_are_played_and_share_the_orders_as_it_says():
    on = stage()
    assert (on.erp, on.channels, on.split, on.orders_per_day) == ("ns", ("shop", "trade"), (300, 100), 400)
    captures = on.plan.captures()
    assert on.fed["trade"] == Fed(captures["inventory:ns->trade"], captures["orders:trade->ns"])
    assert on.fed["shop"].orders.events and not on.fed["trade"].orders.events
    assert split_of(None, "", on) == on.split
    assert split_of(None, "1/1", on) == (1.0, 1.0)
    for channels, split in ((3, ""), (None, "60/25/15")):
        with pytest.raises(Misconfigured, match=r"contradicts the plan, in which 2 channels .* shop, trade"):
            split_of(channels, split, on)


def test_a_plan_without_one_stock_to_play_is_refused():
    with pytest.raises(Misconfigured, match="no two systems"):
        staged(plan_of(FLOWS[0], FLOWS[3]))
    other = '[systems.bc]\nvendor = "business_central"\n' + HEAD
    two = (
        'flow = "inventory"\nfrom = "bc"\nto = "shop"\ntolerance = "1h"',
        'flow = "orders"\nfrom = "shop"\nto = "bc"\ntolerance = "10m"',
    )
    with pytest.raises(Misconfigured, match="ns and bc both take orders"):
        staged(plan_of(*FLOWS, *two, head=other))
    plan = stage().plan
    routes = tuple(
        replace(one, capture=None, why="It tells nothing.") if one.name == "orders:trade->ns" else one
        for one in plan.routes
    )
    with pytest.raises(Misconfigured, match="orders:trade->ns cannot be carried: It tells nothing"):
        staged(replace(plan, routes=routes))


def test_each_route_of_the_play_is_fed_as_planned():
    play = Play(case(), Setting("hybrid", planned=stage().fed))
    captures = stage().plan.captures()
    for route in play.routes().all:
        wanted = captures[route.name]
        assert (route.events, route.poll_interval_ms, route.reconcile_interval_ms) == (
            wanted.events,
            wanted.poll_ms,
            wanted.reconcile_ms,
        )
        assert (route.tolerance_ms, route.segments) == (wanted.tolerance_ms, wanted.segments)
    tells = {name: channel.system().capabilities.webhooks for name, channel in play.channels.items()}
    assert tells == {"shop": True, "trade": False}
    play.loop.close()
    plain = Play(case(), Setting("poll:2m", planned=stage().fed))
    assert {one.poll_interval_ms for one in plain.routes().all} == {2 * MINUTE_MS}
    plain.loop.close()


# --- bounds ----------------------------------------------------------------------------------------------------


def test_bounds_of_a_plan_by_hand():
    stock = Capture(True, 55 * MINUTE_MS, 24 * HOUR_MS, 5 * MINUTE_MS)
    quick = Capture(True, 4 * MINUTE_MS, 24 * HOUR_MS, 20_000)
    read = Capture(False, 4 * MINUTE_MS, 4 * MINUTE_MS, 10 * MINUTE_MS)
    design = as_planned({"shop": Fed(stock, quick), "trade": Fed(stock, read)})
    bounds = {name: predicted(design, name, burst=300, orders_a_day=10) for name in ("shop", "trade")}
    # An event takes 0.8 s, a channel's call 0.6 s, an order put into the ERP 3 s.
    assert bounds["shop"][Flow.ORDERS] == (800 + 3_000, 240_600 + 3_000)
    # Half of ten minutes is waited on purpose, and a read every four has found it by then.
    assert bounds["trade"][Flow.ORDERS] == (300_000 + 3_000,) * 2
    # What trade sold is known once its orders are read; that is longer than what a number waits for company.
    lost = 55 * MINUTE_MS + 600
    assert bounds["shop"][Flow.INVENTORY] == (240_600 + 3 * 600, lost + 3 * 600)
    assert bounds["trade"][Flow.INVENTORY] == (150_000 + 3 * 600, lost + 3 * 600)


def test_the_bounds_of_a_play_are_those_that_were_predicted_and_they_hold():
    hybrid = of("hybrid")
    design = as_planned(stage().fed)
    for flow in (Flow.INVENTORY, Flow.ORDERS):
        lags = hybrid.lags[str(flow)]
        bounds = [predicted(design, name, burst=12, orders_a_day=60)[flow] for name in design.fed]
        assert lags["bound"] == max(one for one, _ in bounds)
        assert lags["bound_if_event_lost"] == max(one for _, one in bounds)
    assert hybrid.bound_kept == 1.0
    assert (hybrid.parked, hybrid.differ) == (0, 0)
    # An order of trade waits to be read, one of shop does not.
    assert hybrid.lags["orders"]["p50"] < 5_000 < hybrid.lags["orders"]["max"]
    assert hybrid.json()["fed"]["trade"]["orders"]["pattern"] == "poll"
    assert "fed" not in of("batch:15m").json()


async def test_of_the_last_two_tolerances_of_a_sku_the_longer_one_counts():
    given = [{"A": 60, "B": 5}, {"A": 5}, {"A": 5}, {"A": 7}]

    async def tolerances(_route, _skus):
        return given.pop(0)

    promises = Promises(("shop", "trade"))
    ask = promises.heard(tolerances)
    route = Route(Flow.INVENTORY, "ns", "trade", 60)
    counted = []
    for wanted in ({"A": 60, "B": 5}, {"A": 5}, {"A": 5}, {"A": 7}):
        assert await ask(route, list(wanted)) == wanted
        counted.append((promises.of(1, "A"), promises.of(1, "B")))
    assert counted == [(60, 5), (60, 5), (60, 5), (7, 5)]
    assert promises.of(0, "A") == promises.of(1, "C") == 0


def test_a_segment_of_its_own_has_bounds_of_its_own():
    stock = Capture(True, 55 * MINUTE_MS, 24 * HOUR_MS, 5 * MINUTE_MS, {Velocity.LOW: 24 * HOUR_MS})
    design = as_planned({"shop": Fed(stock, Capture(True, 4 * MINUTE_MS, 0, 20_000))})
    low = predicted(design, "shop", burst=300, orders_a_day=10)[Flow.INVENTORY]
    medium = predicted(design, "shop", burst=300, orders_a_day=10, promised_ms=5 * MINUTE_MS)[Flow.INVENTORY]
    assert low == (12 * HOUR_MS + 3 * 600,) * 2
    assert medium == (150_000 + 3 * 600, 55 * MINUTE_MS + 600 + 3 * 600)


# --- all flows -------------------------------------------------------------------------------------------------


def test_all_flows_are_counted_orders_and_stock_as_played_and_the_others_as_the_planner_predicts():
    on = stage()
    found = all_flows(on, case(), played())
    assert list(found["designs"]) == ["batch:15m", "realtime", "hybrid"]
    batch, quick, mine = designs(on.plan)
    for name, foretold in (("batch:15m", batch), ("realtime", quick), ("hybrid", mine)):
        one = found["designs"][name]
        assert one["all_predicted_per_day"] == pytest.approx(foretold.calls, abs=0.06)
        rows = {(row["flow"], row["how"]): row for row in one["flows"]}
        calls = [rows[flow, "played"]["calls_per_day"] for flow in ("inventory", "orders")]
        assert sum(calls) * found["days"] == pytest.approx(sum(of(name).calls.values()), rel=0.002)
        assert {"erp", "a"}.isdisjoint(rows["orders", "played"]["by_system"])
        customers = rows["customers", "predicted"]
        assert customers["calls_per_day"] == customers["predicted_per_day"] > 0
        assert one["calls_per_day"] == pytest.approx(
            sum(row["calls_per_day"] for row in one["flows"]), abs=0.6
        )
    assert found["designs"]["realtime"]["calls_per_day_of_realtime"] == 1
    assert found["designs"]["hybrid"]["all_predicted_per_day_of_realtime"] == pytest.approx(
        mine.calls / quick.calls, abs=1e-3
    )


def test_a_batch_is_compared_at_its_own_interval_and_a_design_that_the_planner_has_not_is_left_out():
    plan = stage().plan
    seldom, often = (
        sum(one.calls_per_day for _, one in fed_in(plan, ALL_BATCH, batch_ms=minutes * MINUTE_MS))
        for minutes in (60, 5)
    )
    assert seldom < designs(plan)[0].calls < often
    hourly = replace(of("hybrid"), setting=Setting("hybrid:1h"))
    sixty = replace(of("batch:15m"), setting=Setting("batch:60m"))
    found = all_flows(stage(), case(), [hourly, sixty])
    assert list(found["designs"]) == ["batch:60m"]
    assert found["designs"]["batch:60m"]["all_predicted_per_day"] == pytest.approx(seldom, abs=0.06)
    assert found["designs"]["batch:60m"]["calls_per_day_of_realtime"] is None


def test_the_report_says_what_was_played_and_what_was_predicted():
    found = result(case(), History([]), "x.csv", played(), Prices())
    assert all_flows_words(None) == []
    without = page(found, case(), History([]), played())
    assert "All flows of the plan" not in without and "fed as the plan" in without
    found["all_flows"] = all_flows(stage(), case(), played())
    said = "\n".join(sentences(found))
    assert "Over all flows of the plan hybrid makes" in said and "of those of realtime" in said
    assert "has 25 orders a day, and the plan reckons with 400 changes" in said
    text = page(found, case(), History([]), played())
    section = text.partition('id="flows"')[2].partition("</section>")[0]
    assert section.count("<td>played</td>") == 2 and '<th scope="row">Customers</th><td>predicted' in section
    like = {**found["all_flows"], "orders_per_day": {"played": 380.0, "planned": 400.0}}
    assert "not of the same day" not in "\n".join(all_flows_words(like))


# --- the ledgers -----------------------------------------------------------------------------------------------


def test_every_figure_can_be_counted_from_the_ledger(tmp_path: Path):
    settings = [Setting(name, planned=stage().fed, calls_per_s=1.0) for name in ("daily", "hybrid")]
    path = tmp_path / "ledger.csv"
    figures = play_all(case(), settings, ledger=path, processes=2)
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.csv"]
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    for one in figures:
        name, found = one.setting.design, one.json()
        mine = [row for row in rows if row["design"] == name]
        sold = [row for row in mine if row["event"] == "sold"]
        beyond = sum(int(row["oversold"]) for row in sold)
        assert found["units_oversold"] == beyond
        assert found["units_sold"] == sum(int(row["units"]) for row in sold) - beyond
        assert found["orders_oversold"] == len({row["order"] for row in sold if row["oversold"] != "0"})
        assert found["units_hidden"] == sum(int(row["hidden"]) for row in mine if row["event"] == "refused")
        calls = [row for row in mine if row["event"] == "call"]
        reads = [row for row in calls if row["operation"].startswith("read")]
        assert found["calls"] == Counter(row["system"] for row in calls)
        assert found["reads"] == Counter(row["system"] for row in reads)
        for system, values in found["writes"].items():
            writing = (row for row in calls if row["system"] == system and row not in reads)
            assert values == sum(int(row["values"]) for row in writing)
        for flow, lags in found["lag_ms"].items():
            landed = [int(row["lag_ms"]) for row in mine if (row["event"], row["flow"]) == ("landed", flow)]
            assert (lags["changes"], lags["max"]) == (len(landed), max(landed))
            assert sum(lag <= lags["bound"] for lag in landed) >= lags["kept"] > 0
        waited_s = sum(float(row["waited_s"] or 0) for row in mine)
        assert waited_s == pytest.approx(sum(found["throttled_s"].values()), abs=0.01)
    assert beyond == 0 < figures[0].truth.oversold and figures[0].truth.hidden


def test_a_ledger_that_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(Misconfigured, match="cannot be written"):
        play_all(case(), [Setting("daily")], ledger=tmp_path / "none" / "ledger.csv")


def test_what_a_spreadsheet_would_run_is_shown_by_it_and_numbers_stay_numbers():
    to = io.StringIO()
    trace = Trace(to, "hybrid", lambda: MONDAY_MS)
    for sku in ("=1+1", "+A1", "-2", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n\x00 =1", "'kept", "5-A", "#7"):
        trace.sold("shop", "=HYPERLINK(1)", sku, 3, -1)
    trace.landed(Flow.INVENTORY, "shop", "=1", MONDAY_MS, -5, apart=False, untold=True)
    rows = list(csv.reader(io.StringIO(to.getvalue())))
    assert [row[5] for row in rows] == [
        "'=1+1", "'+A1", "'-2", "'@SUM(A1)", "'=1+1", "'=1+1", "'=1", "'kept", "5-A", "#7", "'=1",
    ]  # fmt: skip
    assert {row[4] for row in rows[:-1]} == {"'=HYPERLINK(1)"}
    assert {tuple(row[6:8]) for row in rows[:-1]} == {("3", "-1")}
    assert rows[-1][14] == "-5"
