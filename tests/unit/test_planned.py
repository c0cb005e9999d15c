"""The running service beside its plan: what counts as drift, and what an outage explains."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from syncline.engine.alerts.book import Book
from syncline.engine.alerts.kinds import KINDS
from syncline.engine.alerts.planned import Planned, PlannedRoute, Rates, compare, drifts, unplanned
from syncline.model.errors import Misconfigured
from syncline.runtime.config import duration_ms, parse
from syncline.runtime.planned import PlannedConfig, PlannedRouteConfig, PlannedSystemConfig

ROUTE = "inventory:erp->shop"
PLANNED = Planned({ROUTE: PlannedRoute(worst_ms=8_000, lost_ms=300_000, changes_per_hour=100)}, {"shop": 400})
HOUR = 3_600


def status(bound_ms=7_000, lost_ms=290_000, delivered=90):
    """As much of a status as the comparison reads."""
    route = SimpleNamespace(
        name=ROUTE,
        source="erp",
        sink="shop",
        bound_ms=bound_ms,
        bound_if_event_lost_ms=lost_ms,
        lags=SimpleNamespace(delivered=delivered),
    )
    return SimpleNamespace(routes=(route,))


def lanes(calls: int, system: str = "shop"):
    return [SimpleNamespace(system=system, calls=calls)]


def watched(per_minute: int, minutes: int = 61) -> Rates:
    rates = Rates()
    for minute in range(minutes):
        rates.look(lanes(per_minute * minute), 60.0 * minute)
    return rates


def test_what_is_as_foretold_is_no_drift():
    found = compare(PLANNED, status(), watched(6))
    assert [(one.figure, one.drift) for one in found] == [
        ("worst case", False),
        ("if an event is lost", False),
        ("changes an hour", False),
        ("calls an hour", False),
    ]
    assert found[-1].measured == 360
    assert list(drifts(PLANNED, status(), watched(6))) == []


@pytest.mark.parametrize(
    ("seen", "per_minute", "figure"),
    [
        (status(bound_ms=11_001), 6, "worst case"),
        (status(lost_ms=376_001), 6, "if an event is lost"),
        (status(delivered=136), 6, "changes an hour"),
        (status(), 9, "calls an hour"),
    ],
)
def test_more_than_a_quarter_beyond_the_plan_is_drift(seen, per_minute, figure):
    rates = watched(per_minute)
    assert [one.figure for one in compare(PLANNED, seen, rates) if one.drift] == [figure]
    (found,) = drifts(PLANNED, seen, rates)
    assert found.key == f"plan_drift/{'shop' if per_minute > 6 else ROUTE}"
    assert figure.capitalize() in found.stake
    assert found.after_ms == 1000 * KINDS["plan_drift"].after_s == 600_000


def test_calls_are_known_once_an_hour_was_watched():
    assert Rates().last_hour("shop") is None
    assert watched(6, minutes=40).last_hour("shop") is None
    assert watched(6).last_hour("shop") == 360
    assert watched(6, minutes=300).last_hour("shop") == 360


def test_a_count_that_begins_anew_is_watched_anew():
    rates = watched(6)
    rates.look(lanes(5), 61 * 60.0)
    assert rates.last_hour("shop") is None


def test_what_is_looked_at_more_often_is_kept_once_a_minute():
    rates = Rates()
    for second in range(0, HOUR + 60, 10):
        rates.look(lanes(second), float(second))
    assert rates.last_hour("shop") == HOUR


def test_an_outage_explains_a_drift_and_nothing_is_told_of_it():
    (found,) = drifts(PLANNED, status(bound_ms=60_000), watched(6))
    for cause in ("system_down/erp", "system_down/shop", "behind/shop", "budget/shop", f"promise/{ROUTE}"):
        assert cause in found.causes


def test_the_book_tells_a_drift_that_lasts_and_closes_it():
    book = Book(lambda: "id", repeat_ms=HOUR * 1000, repeat_max_ms=HOUR * 1000)
    for second in range(0, 700, 10):
        book.look(list(drifts(PLANNED, status(bound_ms=60_000), watched(6))), second * 1000, float(second))
    assert [entry.key for entry in book.open()] == [f"plan_drift/{ROUTE}"]
    for second in range(700, 1_500, 10):
        book.look(list(drifts(PLANNED, status(), watched(6))), second * 1000, float(second))
    assert book.open() == []


def test_what_only_one_of_both_names_is_said():
    other = Planned({"orders:shop->erp": PlannedRoute(1, 1, 1)}, {"erp": 1})
    assert unplanned(other, status()) == [
        "orders:shop->erp is planned and not configured.",
        f"{ROUTE} is configured and not planned.",
    ]
    unknown = compare(other, status(), Rates())
    assert [one.measured for one in unknown] == [None] * 4
    assert not any(one.drift for one in unknown)
    assert {one.measured_text for one in unknown} == {"unknown"}


def test_the_configuration_says_what_was_foretold():
    section = PlannedConfig({ROUTE: PlannedRouteConfig("8s", "5m", 100)}, {"shop": PlannedSystemConfig(400)})
    assert section.planned(duration_ms) == PLANNED
    with pytest.raises(Misconfigured, match="worst_case"):
        PlannedConfig({ROUTE: PlannedRouteConfig("soon", "5m", 1)}).planned(duration_ms)


CONFIG = """\
[systems.erp]
connector = "netsuite"
account = "1"
client_id = "c"
certificate_id = "k"
private_key = "p"
web_customer = "1"
[[routes]]
flow = "orders"
from = "shop"
to = "erp"
capture = "%s"
[systems.shop]
connector = "shopify"
shop = "a.myshopify.com"
access_token = "shpat_token"
"""


@pytest.mark.parametrize(("word", "events"), [("events", True), ("reads", False)])
def test_a_route_may_do_without_events(word, events, tmp_path):
    config = parse(CONFIG % word, folder=tmp_path)
    assert config.routes.all[0].events is events
