"""The whole pipeline over seeds with routing on: orders leave from elsewhere than the shop expects, and all still agrees."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import partialmethod

import pytest

from syncline.engine.engine import Engine
from syncline.routing.policy import Policy, Rule, Site
from syncline.simulate import trade, world
from syncline.simulate.simulation import Plan, Simulation
from syncline.simulate.world import ERP, SHOP

pytestmark = pytest.mark.simulation

RUNS = (*((seed, Plan()) for seed in (1, 2, 3)), *((seed, Plan(switches=True, asides=0)) for seed in (1, 11)))


def routed_engine(self, store, systems, rng, moves="park"):
    """The engine of the simulation; its second location is the dearest, and its last one is preferred."""
    locations = [str(at) for at, _ in self.trade.locations]
    policy = Policy(
        sites={locations[1]: Site(cost_per_order=Decimal(50))},
        otherwise=Site(cost_per_order=Decimal(5), cost_per_line=Decimal(1)),
        rules=(Rule("the last", prefer=(locations[-1],), worth=Decimal(3)),),
        channels=frozenset({SHOP}),
        cost_per_parcel=Decimal(4),
        moves=moves,
    )
    return Engine(
        store=store,
        clock=self.clock,
        rng=rng,
        systems=systems,
        routes=self.routes(),
        calls_max={SHOP: 16, ERP: world.SLOTS},
        items_interval_ms=self.pace.items_ms,
        lease_ttl_ms=self.pace.lease_ttl_ms,
        modes_interval_ms=self.pace.modes_ms,
        owner="embedded",
        routing=policy,
    )


def without_places(lines: Counter) -> Counter:
    """Order lines by SKU and price: from where they are sent is the engine's to decide."""
    found: Counter = Counter()
    for (sku, _, price), units in lines.items():
        found[sku, 0, price] += units
    return found


def overlook_places(monkeypatch) -> Counter:
    """Compare orders without locations; counts those that are sent from where the shop says, and the others."""
    seen: Counter = Counter()
    shops, erps = trade.Trade._lines, trade._erp_lines

    def of_shop(self, order_id):
        lines = shops(self, order_id)
        erp = self.erp.find(f"{SHOP}-{order_id}")
        if erp is not None:
            seen[erps(self.erp.order(erp)) == lines] += 1
        return without_places(lines)

    monkeypatch.setattr(trade.Trade, "_lines", of_shop)
    monkeypatch.setattr(trade, "_erp_lines", lambda order: without_places(erps(order)))
    return seen


@pytest.mark.parametrize(("number", "plan"), RUNS)
def test_every_order_is_written_once_and_every_number_is_right(number, plan, monkeypatch):
    """The shop follows: in the end it expects every unit from where the ERP sends it.

    Parcels do not wait while somebody has stopped the numbers: then the shop may have expected them from elsewhere.
    """
    monkeypatch.setattr(world.World, "open_engine", routed_engine)
    if plan.switches:
        overlook_places(monkeypatch)
    simulation = Simulation(number, plan)
    report = simulation.run()
    assert report.violations == []
    moved = simulation.world.shop.ledger.effects["fulfillmentOrderMove"]
    assert moved > report.truth.orders_placed // 5, "hardly any order was sent from elsewhere"


def test_a_shop_that_stamps_and_tells_what_it_moved_agrees_as_well(monkeypatch):
    monkeypatch.setattr(world.World, "open_engine", routed_engine)
    simulation = Simulation(2, Plan())
    simulation.world.shop.moves_touch_orders = True
    report = simulation.run()
    assert report.violations == []


@pytest.mark.parametrize(("number", "plan"), [RUNS[0], RUNS[-1]])
def test_a_shop_that_is_not_told_still_shows_the_right_numbers_and_every_parcel(number, plan, monkeypatch):
    monkeypatch.setattr(world.World, "open_engine", partialmethod(routed_engine, moves="off"))
    seen = overlook_places(monkeypatch)
    simulation = Simulation(number, plan)
    report = simulation.run()
    assert report.violations == []
    assert seen[False] > seen[True] // 4, "hardly any order was sent from elsewhere"
    assert not simulation.world.shop.ledger.effects["fulfillmentOrderMove"]
