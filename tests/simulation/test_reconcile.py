"""Proofs on the vendors' simulators: nothing is named that is not there, what was planted is; events come back."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from syncline.connectors.shopify.manifest import TOPICS
from syncline.engine.reconcile.differences import Cause
from syncline.engine.routes import reference_of, stock_key
from syncline.model.change import Event, Flow, Via
from syncline.simulate import disagree
from syncline.simulate.disagree import InBusinessCentral, prove
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.simulation import Plan, Simulation
from syncline.simulate.world import SHOP, World
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

BACK_S = 600  # a removed subscription
FOUND_S = 300  # an order that nobody told of


# Not 2: a shop whose clock is 105 s behind has an order of later explain what staff set aside before a reading.
@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_after_faults_a_proof_names_what_was_planted_and_nothing_else(number, record_property):
    report = Simulation(number, Plan(reconciles=True)).run()
    assert report.violations == [], report.text()
    record_property("total:reconcile:seeds", 1)


@pytest.mark.parametrize("number", range(1, 4))
def test_a_proof_of_business_central_names_what_was_planted_and_nothing_else(number, record_property):
    """Orders are open, shipped, or invoiced whole and so deleted; a proof finds each wherever it is."""
    report = Simulation(number, Plan(reconciles=True), erp="business-central").run()
    assert report.violations == [], report.text()
    record_property("total:reconcile:seeds of Business Central", 1)


class Elsewhere(Simulation):
    """Where not even the shop is the usual one: an order loses its reference in the ERP, and nothing else differs."""

    async def _reconcile(self) -> list[str]:
        world = self.world
        assert self.engine is not None
        await self.clock.sleep(BACK_S)
        hand = InBusinessCentral(world.erp_side.simulator)
        found, why = await prove(self.engine.reconciler, self._store, self.clock, dry_run=True)
        there = {key: world.erp_side.find(reference_of(SHOP, str(key))) for key in world.trade.placed}
        lost = max(key for key, id_ in there.items() if id_ and not world.shop_side.cancelled(key))
        undo = hand.rename(there[lost], "")
        again, failed = await prove(self.engine.reconciler, self._store, self.clock, dry_run=True)
        undo()
        planted = {(str(lost), Cause.MISSING_IN_ERP)}
        return [str(odd) for odd in (found, again ^ planted, why, failed) if odd]


@pytest.mark.parametrize("number", [1, 2])
def test_business_central_and_adobe_commerce_are_proved_against_each_other(number):
    plan = Plan(orders=30, minutes=20, skus=25, reconciles=True)
    report = Elsewhere(number, plan, channel="adobe-commerce", erp="business-central").run()
    assert report.violations == [], report.text()


def test_what_is_hidden_from_the_proof_is_missed(monkeypatch):
    """The check above sees: a difference that the plan does not know of is a violation."""
    plant = disagree.Disagreement.plant

    def one_less(self):
        found = plant(self)
        return found - {min(found)}

    monkeypatch.setattr(disagree.Disagreement, "plant", one_less)
    report = Simulation(1, Plan(reconciles=True)).run()
    assert any("were not planted" in violation for violation in report.violations)


AT_MS = 1_772_438_400_000


@pytest.mark.parametrize(
    ("told_s", "changes", "units", "true"),
    [
        (None, [(9, -2)], 2, True),
        (None, [(9, -2)], 1, False),  # by another number: something else is wrong, too
        (None, [(9, -2), (20, 2)], 2, True),  # a reading found the first one
        (None, [], 2, False),
        (8, [(9, -2)], 2, True),
        (9, [(9, -2)], 2, False),  # the shop told the number, so we have to know it
        (12, [(9, -2), (20, 1)], 1, True),
        (12, [(9, -2), (20, 1)], 2, False),
    ],
)
async def test_a_difference_is_true_only_where_staff_changed_just_so_much_and_nobody_told(
    told_s, changes, units, true
):
    simulation = Simulation(1, Plan(faults=False))
    try:
        world, shop = simulation.world, simulation.world.shop
        place = shop.add_location("Main")
        shop.add_product("A", "A", Decimal(1), {place: 5})
        item = shop.state.skus["A"].inventory_item_id
        simulation.staff.changes["A", place] += [(AT_MS + s * 1000 + 300, by) for s, by in changes]
        stamp = "" if told_s is None else f"2026-03-02T09:00:{told_s:02}+01:00"
        body = {"inventory_item_id": item, "location_id": place, "available": 3, "updated_at": stamp}
        other = {**body, "location_id": place + 1, "updated_at": "2026-03-02T09:00:59+01:00"}

        class Known(SqliteStore):
            async def read(self, statement, **parameters):
                assert statement == "differences_open"
                key = stock_key("A", str(place))
                return [(parameters["route"], key, parameters["cause"], "A", "", units, "named")]

        store = Known.open(":memory:", now_ms=AT_MS)
        events = [
            Event(SHOP, disagree.LEVEL, str(n), Via.EVENT, AT_MS, json.dumps(one).encode())
            for n, one in enumerate([other] if told_s is None else [body, other])
        ]
        await store.append(events, received_at_ms=AT_MS)
        found = await disagree.untold(world, simulation.staff, world.routes().of(Flow.INVENTORY), store)
        assert found == ({(stock_key("A", str(place)), Cause.CHANGED_AT_CHANNEL)} if true else set())
    finally:
        simulation.loop.close()


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
