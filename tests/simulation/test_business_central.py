"""Between a simulated Shopify shop and a simulated Business Central: goods that come back, and connectors with one mistake.

Seeds of both together are in ``test_pairs``. Staff invoices what has left (which deletes the order) and posts payments.
"""

from __future__ import annotations

from random import Random

import pytest

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import Client
from syncline.connectors.business_central.reads import Reads
from syncline.connectors.business_central.sink import BusinessCentralSink
from syncline.model.copying import replace
from syncline.simulate import simulation
from syncline.simulate.simulation import Plan, Report, Simulation

pytestmark = pytest.mark.simulation

STORY = Plan(orders=25, minutes=20, skus=12, asides=0)
MISTAKEN = Plan(orders=25, minutes=20, skus=12, asides=0, leaves_open=True)
SEEDS = (1, 3, 4)
RETURN_S = 60.0  # between two, on the average
MUTANT_MS_MAX = (
    20 * 60_000
)  # a mutant never agrees; no need to wait longer than an unknown order is looked for


def play(seed: int, plan: Plan = STORY) -> Simulation:
    return Simulation(seed, plan, erp="business-central")


def wrong(report: Report) -> list[str]:
    """What is not as it should be; only goods that left for a buyer who was too late may wait for a person."""
    return [*report.violations, *(row for row in report.parked if "left to ship" not in row)]


async def give_back(played: Simulation, rng: Random, back: list[int]) -> None:
    """Buyers send back one unit of what has arrived, and get their money for it."""
    shop = played.world.shop
    until_s = STORY.minutes * 60
    while played.clock.monotonic() < until_s:
        await played.clock.sleep(rng.expovariate(1 / RETURN_S))
        ready = [
            (order.id, line.id)
            for order in shop.orders.values()
            if order.received_minor() and order.id not in back
            for line in order.lines
            if line.fulfilled_quantity == line.current_quantity > 1
        ]
        if ready:
            order_id, line_id = rng.choice(ready)
            shop.refund(order_id, {line_id: 1}, restock=True)
            back.append(order_id)
            played.world.trade.given_back.add(order_id)


def test_what_comes_back_is_credited_once_and_is_in_stock_again():
    played, back = play(1), []
    played.loop.create_task(give_back(played, Random(1), back))
    report = played.run()
    assert report.violations == [], report.text()
    erp = played.world.erp_side
    assert erp.invoiced, "nothing to check"
    memos = [memo.reference for memo in erp.simulator.memos() if memo.posted]
    assert len(memos) == len(set(memos)) == len(back) > 3


# --- connectors with one mistake each -----------------------------------------------------------------


def looks_for_no_order(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: BusinessCentralSink, put: object) -> None:
        return None

    patch.setattr(BusinessCentralSink, "_held", nothing)


def overlooks_payments_that_were_posted(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: BusinessCentralSink, put: object) -> None:
        return None

    patch.setattr(BusinessCentralSink, "_find_payment", nothing)


def forgets_what_orders_will_take(patch: pytest.MonkeyPatch) -> None:
    level = rows._level
    patch.setattr(rows, "_level", lambda row: replace(level(row), available=level(row).on_hand))


def doubts_no_batch(patch: pytest.MonkeyPatch) -> None:
    async def together(self: Client, parts: list[dict[str, object]], **_: object) -> list[dict[str, object]]:
        return [{"status": 200} for _ in parts]

    patch.setattr(Client, "together", together)


def reads_shipments_once(patch: pytest.MonkeyPatch) -> None:
    shipments = Reads.shipments

    async def nothing(self: Reads, cursor: object):
        async for page in shipments(self, cursor):  # type: ignore[arg-type]
            yield page if cursor is None else replace(page, events=())

    patch.setattr(Reads, "shipments", nothing)


MISTAKES = (
    looks_for_no_order,
    overlooks_payments_that_were_posted,
    forgets_what_orders_will_take,
    doubts_no_batch,
    reads_shipments_once,
)


@pytest.mark.parametrize("number", SEEDS)
def test_both_agree_while_orders_are_open(number):
    """The seeds by which connectors with a mistake are caught."""
    played = play(number, MISTAKEN)
    report = played.run()
    assert wrong(report) == [], report.text()
    assert played.world.trade.to_ship(), "nothing to check"


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_connector_with_a_mistake_is_caught(mistake, monkeypatch):
    mistake(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", MUTANT_MS_MAX)
    assert any(wrong(play(number, MISTAKEN).run()) for number in SEEDS)
