"""Proofs on the vendors' simulators: nothing is named that is not there, what was planted is; events come back."""

from __future__ import annotations

import pytest

from syncline.connectors.shopify.manifest import TOPICS
from syncline.engine.routes import reference_of
from syncline.simulate import disagree
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.simulation import Plan, Simulation
from syncline.simulate.world import SHOP, World

pytestmark = pytest.mark.simulation

BACK_S = 600  # a removed subscription
FOUND_S = 300  # an order that nobody told of


@pytest.mark.parametrize("number", range(1, 9))
def test_after_faults_a_proof_names_what_was_planted_and_nothing_else(number, record_property):
    report = Simulation(number, Plan(reconciles=True, asides=0)).run()
    assert report.violations == [], report.text()
    record_property("total:reconcile:seeds", 1)


def test_what_is_hidden_from_the_proof_is_missed(monkeypatch):
    """The check above sees: a difference that the plan does not know of is a violation."""
    plant = disagree.Disagreement.plant

    def one_less(self):
        found = plant(self)
        return found - {min(found)}

    monkeypatch.setattr(disagree.Disagreement, "plant", one_less)
    report = Simulation(1, Plan(reconciles=True, asides=0)).run()
    assert any("were not planted" in violation for violation in report.violations)


def test_removed_subscriptions_are_back_and_what_was_not_told_is_found():
    simulation = Simulation(5, Plan(faults=False, kills=0))
    world = simulation.world

    async def story() -> tuple[float, float]:
        history = generate_history(7, orders=60, skus=20)
        case = stock_case(history.orders)
        world.trade.stock(case, sorted(case.target))
        simulation._apps.register(world.erp.origin, world.erp)
        simulation._apps.register(f"https://{world.shop.shop}", world.shop)
        world.run_people()
        simulation._start()
        await simulation._prepare()
        await simulation.clock.sleep(3_600)
        worst_back = worst_found = 0.0
        for order in history.orders[:40]:
            began_s = simulation.clock.monotonic()
            world.shop.state.subscriptions.clear()
            placed = world.trade.place(order)
            while len(world.shop.state.subscriptions) < len(TOPICS) or _missing(world, placed):
                await simulation.clock.sleep(1.0)
                took_s = simulation.clock.monotonic() - began_s
                if len(world.shop.state.subscriptions) < len(TOPICS):
                    worst_back = max(worst_back, took_s)
                if _missing(world, placed):
                    worst_found = max(worst_found, took_s)
                assert took_s < 10 * BACK_S
            await simulation.clock.sleep(37.0)
        assert simulation.engine is not None
        assert simulation.engine.notices.audits[SHOP].mended == len(TOPICS)
        return worst_back, worst_found

    try:
        back_s, found_s = simulation.loop.run_until_complete(story())
    finally:
        simulation.loop.run_until_complete(simulation._tidy())
        simulation.loop.close()
    assert back_s <= BACK_S
    assert found_s <= FOUND_S


def _missing(world: World, placed: int | None) -> bool:
    return placed is not None and world.erp.find_order(reference_of(SHOP, str(placed))) is None
