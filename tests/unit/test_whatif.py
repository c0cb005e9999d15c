"""What-if: small cases worked out by hand, options that contradict, ratios, costs and words."""

from __future__ import annotations

import functools
import gzip
import json
from base64 import b64decode
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.asked import ASK

from syncline.cli.whatif_run import settings_of, split_of
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.simulate.case import Case, Setting, cut, names_of
from syncline.simulate.designs import ALL, Design, design
from syncline.simulate.history import DAY_MS, History, HistoryLine, HistoryOrder, StockCase
from syncline.simulate.lean import Outage
from syncline.simulate.ledger import EDGES_MS
from syncline.simulate.predicted import predicted
from syncline.simulate.report.page import page
from syncline.simulate.report.words import sentences, share, title
from syncline.simulate.whatif import Prices, compared, play_all, result

MONDAY_MS = 1_789_948_800_000  # 2026-09-21T00:00:00Z
MINUTE_MS = 60_000
# The published case gives these orders to channels a, b and b, at seconds 4, 43 and 57.
FIRST, SECOND, THIRD = "536365", "536366", "536367"


def placed(id: str, at_ms: int, units: int) -> HistoryOrder:
    return HistoryOrder(id, MONDAY_MS + at_ms, "", "", (HistoryLine("1", "Mug", units, Decimal(2)),))


@functools.cache
def case() -> Case:
    """Five units. Monday 05:00 a sells all; two minutes later b is asked for three.

    On Wednesday at 10:00 arrives what was missing on Monday at 06:00, and at 10:20 b is asked for five.
    """
    orders = [
        placed(FIRST, 300 * MINUTE_MS, 5),
        placed(SECOND, 302 * MINUTE_MS, 3),
        placed(THIRD, 2 * DAY_MS + 620 * MINUTE_MS, 5),
    ]
    stock = StockCase({"1": 5}, {"1": "Mug"}, {"1": Decimal(2)})
    return cut(orders, stock, from_ms=0, to_ms=1 << 60)


@functools.cache
def played() -> list:
    designs = ("daily", "batch:15m", "poll:2m", "realtime", "hybrid")
    return play_all(case(), [Setting(name) for name in designs], draw=True)


def of(name: str) -> dict:
    return next(one.json() for one in played() if one.setting.design == name)


@pytest.mark.parametrize(
    ("name", "sold", "oversold", "orders", "hidden"),
    [
        # b shows five until the night: three units are sold twice. Then it shows none, and turns the third buyer
        # away although five are there.
        ("daily", 5, 3, 1, 5),
        ("batch:15m", 10, 3, 1, 0),
        ("realtime", 10, 0, 0, 0),
        ("hybrid", 10, 0, 0, 0),
    ],
)
def test_what_each_design_sells_oversells_and_hides(name, sold, oversold, orders, hidden):
    one = of(name)
    assert (one["units_sold"], one["units_oversold"], one["orders_oversold"], one["units_hidden"]) == (
        sold,
        oversold,
        orders,
        hidden,
    )
    assert one["units_sellable"] == 10


def test_every_change_is_measured_and_lands_within_the_bound():
    for name in ("batch:15m", "poll:2m", "realtime", "hybrid"):
        one = of(name)
        stock, orders = one["lag_ms"]["inventory"], one["lag_ms"]["orders"]
        assert 0 < stock["p50"] <= stock["p99"] <= stock["max"] <= stock["bound"], name
        assert 0 < orders["p50"] <= orders["max"] <= orders["bound"], name
        assert one["bound_kept"] == 1.0, name
        assert (one["parked"], one["numbers_differ"]) == (0, 0), name
    # Two sales are told to two channels each, goods to three.
    assert of("hybrid")["lag_ms"]["inventory"]["changes"] == 2 + 3 + 2
    assert of("hybrid")["lag_ms"]["orders"]["changes"] == 2
    assert of("batch:15m")["lag_ms"]["inventory"]["p50"] > of("hybrid")["lag_ms"]["inventory"]["p50"]


def test_calls_are_by_system_and_reads_are_among_them():
    one = of("hybrid")
    assert set(one["calls"]) == set(one["writes"]) == {"a", "b", "c", "erp"}
    assert all(one["calls"][name] > one["reads"][name] > 0 for name in one["calls"])
    assert one["writes"]["erp"] == 1  # counted until the last order, which is not yet in the ERP then
    (figures,) = (each for each in played() if each.setting.design == "hybrid")
    assert {name: sum(hours.values()) for name, hours in figures.hours.items()} == one["calls"]


def test_the_same_seed_gives_the_same_bytes_in_one_process_and_in_two():
    settings = [Setting(name, "unseen", lost=0.3, seed=4) for name in ("hybrid", "batch:15m")]
    heard: list[tuple[int, float]] = []
    alone = play_all(case(), settings, draw=True)
    beside = play_all(case(), settings, draw=True, processes=2, say=lambda n, part: heard.append((n, part)))

    def text(figures) -> str:
        found = result(case(), History([]), "x.csv", figures, Prices())
        return json.dumps(found) + page(found, case(), History([]), figures)

    assert text(alone) == text(beside)
    assert {which for which, part in heard if part == 1.0} == {0, 1}


def test_a_limit_makes_calls_wait_and_a_buffer_hides():
    (slow,) = play_all(case(), [Setting("hybrid", calls_per_s=0.02)])
    assert slow.json()["throttled_s"]["b"] > 0
    assert of("hybrid")["throttled_s"] == {"a": 0.0, "b": 0.0, "c": 0.0, "erp": 0.0}


# --- designs, and what is refused ------------------------------------------------------------------


def test_every_design_of_the_list_exists():
    assert [design(name).name for name in ALL] == list(ALL)
    assert design("daily").interval_ms == design("batch:24h").interval_ms == DAY_MS
    assert [design(name).events for name in ALL] == [False] * 4 + [True] * 2
    assert (design("hybrid").tolerance_ms, design("hybrid:1h").tolerance_ms) == (5_000, 3_600_000)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("batch", "there are batch:15m"),
        ("batch:soon", "soon"),
        ("weekly", "there are batch:15m"),
        ("poll:1s", "nearest that works is poll:5s"),
        ("batch:30d", "batch:7d"),
    ],
)
def test_a_design_that_cannot_be_played_is_refused_with_the_nearest_that_can(name, says):
    with pytest.raises(Misconfigured, match=says):
        Setting(name)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"lost": 1.5}, "--lost"),
        ({"checkouts": "maybe"}, "seen or unseen"),
        ({"checkout_minutes": -1.0}, "not negative"),
        ({"epsilon": 0.0}, "probability"),
        ({"calls_per_s": -1.0}, "--limit"),
    ],
)
def test_a_setting_says_what_is_wrong_with_it(more, says):
    with pytest.raises(Misconfigured, match=says):
        Setting("hybrid", **more)


def test_a_limit_below_what_reading_takes_names_the_nearest_that_works():
    with pytest.raises(Misconfigured, match=r"takes 0.4 calls .* --limit 0.4, or poll:20s"):
        Setting("poll:5s", calls_per_s=0.1)
    with pytest.raises(Misconfigured, match=r"every 4 min, .* --limit 0.0084, or poll:2000s"):
        Setting("hybrid", calls_per_s=0.001)
    assert Setting("poll:20s", calls_per_s=0.1).plan.interval_ms == 20_000


def test_designs_are_named_once_and_not_too_many():
    with pytest.raises(Misconfigured, match="named twice"):
        play_all(case(), [Setting("daily"), Setting("daily")])
    with pytest.raises(Misconfigured, match="1 to"):
        play_all(case(), [])


def test_channels_and_their_split():
    assert split_of(None, "") == (0.60, 0.25, 0.15)
    assert split_of(2, "") == (1.0, 1.0)
    assert split_of(None, "70,30") == (70.0, 30.0)
    with pytest.raises(Misconfigured, match="contradict"):
        split_of(4, "60/25/15")
    with pytest.raises(Misconfigured, match="shares such as"):
        split_of(None, "much/little")
    with pytest.raises(Misconfigured, match="above 0"):
        split_of(None, "1/0")
    with pytest.raises(Misconfigured, match="1 to 8"):
        names_of([1.0] * 9)


def test_options_become_a_setting():
    (setting,) = settings_of(replace(ASK, buffer="5 %"), None)
    assert (setting.outage, str(setting.buffer)) == (Outage(750 * MINUTE_MS, 10), "5 %")
    assert str(settings_of(replace(ASK, buffer="auto"), None)[0].buffer) == "auto"
    with pytest.raises(Misconfigured, match="--buffer"):
        settings_of(replace(ASK, buffer="some"), None)
    with pytest.raises(Misconfigured, match="--outage-at"):
        settings_of(replace(ASK, outage_at="25:00"), None)


# --- bounds ------------------------------------------------------------------------------------------


def test_bounds_by_hand():
    # An event takes 0.8 s, an order 3 s, a channel's call 0.6 s; 300 values are two calls, which go side by side.
    at_once = predicted(Design("x", 240_000, events=True), burst=300, orders_a_day=10)
    assert at_once[Flow.ORDERS] == (3_800, 243_600)
    assert at_once[Flow.INVENTORY] == (800 + (1 + 1) * 600 + 600, 240_600 + (1 + 1) * 600 + 600)
    # A number that is not what was expected costs three calls more: the refused one, the orders, the reading.
    unseen = predicted(Design("x", 240_000, events=True), burst=300, orders_a_day=10, unseen=True)
    assert unseen[Flow.INVENTORY][0] == at_once[Flow.INVENTORY][0] + 3 * 600
    # A tolerance above a minute waits for its half on purpose, counted from the change.
    patient = Design("x", 240_000, events=True, tolerance_ms=3_600_000)
    waits = predicted(patient, burst=300, orders_a_day=10)[Flow.INVENTORY]
    assert waits == (1_800_000 + (1 + 1) * 600 + 600,) * 2
    # Without events a change waits for the next read, and 32 orders go side by side.
    timed = predicted(Design("x", 900_000), burst=300, orders_a_day=64)
    assert timed[Flow.ORDERS] == (900_600 + 2 * 3_000 + 3_000,) * 2
    # What the ERP says comes after it has the order; calls to a channel go one after the other.
    plain = predicted(design("realtime"), burst=300, orders_a_day=10)[Flow.INVENTORY]
    assert plain[0] == 800 + (800 + 3_000 + 2 * 600) + 600


# --- what is told -------------------------------------------------------------------------------------


def test_costs_by_cause():
    one = {"calls": {"a": 90, "erp": 10}, "units_oversold": 3, "units_hidden": 7}
    assert Prices(Decimal("0.01"), Decimal(20), Decimal("1.5")).of(one) == {
        "calls": "1.00",
        "oversold": "60.00",
        "hidden": "10.50",
        "total": "71.50",
    }


def test_ratios_to_batch_and_realtime():
    def one(oversold: int, count: int) -> dict:
        return {
            "units_oversold": oversold,
            "calls": {"a": 2 * count},
            "reads": {"a": count},
            "writes": {"a": 3 * count},
        }

    found = compared({"batch:15m": one(200, 50), "realtime": one(0, 100), "hybrid": one(1, 40)})
    assert found["hybrid"] == {
        "oversold_of_batch": 0.005,
        "calls_of_realtime": 0.4,
        "reads_of_realtime": 0.4,
        "writes_of_realtime": 0.4,
        "writing_calls_of_realtime": 0.4,
    }
    assert compared({"hybrid": one(1, 40)}) == {"hybrid": {}}
    assert compared({"batch:15m": one(0, 1)})["batch:15m"]["oversold_of_batch"] is None


@pytest.mark.parametrize(
    ("part", "text"),
    [(None, "–"), (1.0, "100.0 %"), (0.99999, "over 99.9 %"), (0.5, "50.0 %"), (27.4, "27 ×")],
)
def test_a_share_is_never_rounded_up_to_a_whole(part, text):
    assert share(part) == text


def test_the_result_in_words():
    found = result(case(), History([]), "x.csv", played(), Prices(oversold=Decimal(3)))
    said = sentences(found)
    assert said[0].startswith("daily sold 3 units that did not exist, in 1 order:")
    assert any(line.startswith("hybrid sold nothing that was not there, and 100.0 %") for line in said)
    assert any(line.startswith("hybrid oversold 100.0 % fewer units than batch:15m") for line in said)
    assert any("batch:15m cost 9.00" in line for line in said)
    assert not any("of a lost event" in line for line in said)
    stock = {"changes": 4, "apart": 1, "p50": 9, "p99": 9, "max": 9, "event_lost": 1, "kept_if_event_lost": 3}
    lossy = {**found["designs"]["hybrid"], "lost": 0.1, "bound_kept": 0.5, "lag_ms": {"orders": stock}}
    (last,) = [
        line for line in sentences({"designs": {"hybrid": lossy}, "compared": {}}) if "half of" in line
    ]
    assert last.startswith("hybrid: half of all orders had reached the ERP after 9 ms")
    assert last.endswith(
        "50.0 % of the changes whose event came kept the bound that was predicted, and 100.0 % of all that of a lost event."
    )
    told = {**stock, "event_lost": 0}
    eventless = {**lossy, "lag_ms": {"orders": told}}  # events were lost, and this design has none
    (last,) = [
        line for line in sentences({"designs": {"daily": eventless}, "compared": {}}) if "half of" in line
    ]
    assert last.endswith("50.0 % of all changes came within the bound that was predicted.")
    assert title("hybrid:5s") == "Syncline with a tolerance of 5s for all stock"
    assert found["history"] == {
        "source": "x.csv",
        "from": "2026-09-21",
        "to": "2026-09-23",
        "orders": 3,
        "lines": 3,
        "skus": 1,
        "skipped": {},
        "noticed": {},
    }


def test_the_page_holds_everything_and_names_nothing_elsewhere():
    figures = played()
    found = result(case(), History([]), "<b>.csv", figures, Prices())
    text = page(found, case(), History([]), figures)
    assert "&lt;b&gt;.csv" in text and "<b>.csv" not in text
    assert 'src="' not in text and "@import" not in text and "url(" not in text
    packed = text.partition('<script id="data" type="application/octet-stream">')[2].partition("<")[0]
    data = json.loads(gzip.decompress(b64decode(packed)))
    assert data["opening"] == {"1": 5} and data["worst"] == ["daily", "1"]
    assert len(data["edges"]) == len(EDGES_MS)
    moments = data["lines"]["hybrid"]["1"][0::3]
    assert all(gap >= 0 for gap in moments[1:])
    codes, values = (data["lines"]["batch:15m"]["1"][place::3] for place in (1, 2))
    assert [value for code, value in zip(codes, values, strict=True) if -100 < code < 0] == [3]
