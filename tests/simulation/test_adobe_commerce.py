"""Between a simulated Adobe Commerce shop and a simulated NetSuite account, as shops differ; and connectors with one mistake.

Seeds of a shop that tells of its orders and takes numbers at once are in ``test_pairs``. Here others take them by their
queue, tell nothing, or sell from two sources, so that staff brings goods to the one that orders leave from. Nothing
of what is checked knows of that: what buyers may still buy is what the ERP has left, exactly, so reservations are
neither counted twice nor forgotten.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncline.connectors.adobe_commerce import manifest, mapping, shipments
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, PLAIN
from syncline.model.copying import replace
from syncline.simulate import simulation
from syncline.simulate.sides.adobe_commerce import AdobeCommerceSide
from syncline.simulate.simulation import Plan, Simulation

pytestmark = pytest.mark.simulation

# Nobody is too late, so nothing has to wait for a person; and in the end some orders are still to be sent.
STORY = Plan(orders=25, minutes=20, skus=12, second_thoughts=False, leaves_open=True)
# What connectors with a mistake are played with, and one without as well.
LOSSY = replace(STORY, troubles=("answers lost", "shop fails after"))
SEEDS = (1, 2)
MUTANT_MS_MAX = 10 * 60_000  # a mutant never agrees; no need to wait


def play(seed: int, plan: Plan = STORY) -> Simulation:
    return Simulation(seed, plan, channel="adobe-commerce")


@pytest.mark.parametrize(
    ("number", "stock_writes", "events", "locations"),
    [
        (2, "direct", True, 2),
        (3, "bulk", True, 1),
        (5, "direct", False, 1),
        (6, "bulk", True, 2),
    ],
)
def test_shop_and_erp_agree_in_the_end(number, stock_writes, events, locations, monkeypatch):
    monkeypatch.setattr(AdobeCommerceSide, "stock_writes", stock_writes)
    monkeypatch.setattr(AdobeCommerceSide, "events", events)
    monkeypatch.setattr(AdobeCommerceSide, "locations", locations)
    report = play(number).run()
    assert report.violations == [] and report.parked == [], report.text()
    assert report.truth.fulfilments_shipped < report.truth.orders_placed, "nothing is open"
    assert report.truth.orders_placed > 15 and report.truth.fulfilments_shipped > 10, "nothing to check"


@pytest.mark.parametrize("number", SEEDS)
def test_nothing_is_doubled_where_answers_get_lost(number):
    report = play(number, LOSSY).run()
    assert report.violations == [] and report.parked == [], report.text()


# --- connectors with one mistake each -----------------------------------------------------------------


def looks_for_no_parcel(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self, payload):
        return {}

    patch.setattr(shipments.Shipper, "_made", nothing)


def overlooks_what_parcels_took(patch: pytest.MonkeyPatch) -> None:
    line = mapping._line
    patch.setattr(mapping, "_line", lambda *a, **k: replace(line(*a, **k), taken=Decimal(0)))


def counts_children_too(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mapping, "sellable", list)


def writes_what_may_be_shown(patch: pytest.MonkeyPatch) -> None:
    """The most common mistake with this vendor: its own open orders are then subtracted twice."""
    known = manifest.capabilities_of
    patch.setattr(
        "syncline.connectors.adobe_commerce.capabilities_of",
        lambda settings: replace(known(settings), stock_contract=PLAIN),
    )


def believes_that_orders_lower_the_number(patch: pytest.MonkeyPatch) -> None:
    known = manifest.capabilities_of
    patch.setattr(
        "syncline.connectors.adobe_commerce.capabilities_of",
        lambda settings: replace(known(settings), stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED),
    )


MUTANTS = (
    looks_for_no_parcel,
    overlooks_what_parcels_took,
    counts_children_too,
    writes_what_may_be_shown,
    believes_that_orders_lower_the_number,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_books_catch(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", MUTANT_MS_MAX)
    reports = (play(seed, LOSSY).run() for seed in SEEDS)
    assert any(report.violations or report.parked for report in reports)
