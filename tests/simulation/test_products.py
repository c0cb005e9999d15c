"""Products from NetSuite to Shopify beside all other trade, under faults and kills; and engines that must be caught."""

from __future__ import annotations

import pytest

from syncline.connectors.shopify import products as writer
from syncline.engine.apply import full_states
from syncline.engine.delivery.lane import Lane
from syncline.engine.derive.products import ProductFlow
from syncline.engine.reconcile.differences import Cause
from syncline.engine.states import STATE_OPERATIONS, Wanted
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.model.delivery import Outcome, Result
from syncline.simulate import simulation
from syncline.simulate.disagree import Disagreement
from syncline.simulate.simulation import Plan, Report, Simulation

STORY = Plan(products=True, orders=10, skus=8, minutes=40, kills=3, asides=1)
SEEDS = range(1, 4)
QUIET = replace(STORY, kills=0, faults=False)

pytestmark = pytest.mark.simulation


def told(report: Report) -> str:
    return f"Simulation({report.seed}, {STORY}).run()\n{report.text()}"


@pytest.mark.parametrize("number", SEEDS)
def test_products_agree_after_faults_and_kills(number, record_property):
    played = Simulation(number, STORY)
    report = played.run()
    assert report.violations == [], told(report)
    assert played.merchandise is not None
    assert played.merchandise.changes > 30
    assert played.merchandise.made
    shop = played.world.shop
    assert {"ACTIVE", "DRAFT"} <= {status for _, _, _, status, _ in shop.state.product_log}
    # What is new is stocked and can be sold: the ERP's units of it are shown.
    assert any(shop.available(sku) for sku in played.merchandise.made if sku in shop.state.skus)
    record_property("total:simulation:products changed", played.merchandise.changes)


def test_trade_without_faults_raises_no_alarm():
    played = Simulation(2, replace(STORY, faults=False, kills=0, second_thoughts=False, asides=0))
    report = played.run()
    assert report.violations == [], told(report)
    assert not report.breaches, told(report)
    assert not report.alarms, told(report)


def test_what_somebody_changes_in_the_shop_is_named_and_mended(monkeypatch):
    played = Simulation(3, replace(QUIET, minutes=12, reconciles=True))
    plant = Disagreement.plant

    def more(self):
        assert played.merchandise is not None
        sku, shop = played.world.trade.skus[0], played.world.shop
        shop.retitle(sku, "By hand")
        shop.product_of(sku).publications.discard(played.merchandise.online)
        changed = Cause.CHANGED_AT_CHANNEL
        listing = f"assortment:{played.merchandise.online}\x1f{sku}"
        return plant(self) | {(f"goods\x1f{sku}", changed), (listing, changed)}

    monkeypatch.setattr(Disagreement, "plant", more)
    report = played.run()
    assert report.violations == [], told(report)


# --- engines with one mistake each -----------------------------------------------------------------------


def takes_an_unknown_outcome_for_success(patch):
    ask = Lane._ask

    async def believes(self, operation, items, key):
        outcomes = await ask(self, operation, items, key)
        if STATE_OPERATIONS.get(operation) is not Kind.PRODUCT:
            return outcomes
        return [Outcome(Result.DONE) if one.result is Result.UNKNOWN else one for one in outcomes]

    patch.setattr(Lane, "_ask", believes)


def never_sees_that_a_product_ended(patch):
    async def nothing(self, system):
        return None

    patch.setattr(full_states.FullStateReads, "judge", nothing)


def shows_what_has_no_price(patch):
    patch.setattr(writer, "_priced", lambda node: True)


def replaces_the_variants_of_a_product(patch):
    """`productSet` with the variants that are new and no others, which is the obvious thing to write."""
    planned = writer.ProductWriter._planned

    def replaced(self, payload, seen, currency):
        plan = planned(self, payload, seen, currency)
        if seen is not None and any(call[0] == writer.ADD for call in plan.calls):
            there = {node.sku for node in seen.variants.nodes}
            new = tuple(one for one in payload.content.variants if one.sku not in there)
            plan.calls = writer._created(
                replace(payload, content=replace(payload.content, variants=new))
            ).calls
        return plan

    patch.setattr(writer.ProductWriter, "_planned", replaced)


def never_unpublishes(patch):
    wanted = ProductFlow.wanted

    def shown_once(self, route, key, records, item, before, now_ms):
        found = wanted(self, route, key, records, item, before, now_ms)
        hides = key.startswith("assortment:") and found.content is not None and not found.content.shown
        return Wanted(None, "left") if hides else found

    patch.setattr(ProductFlow, "wanted", shown_once)


MUTANTS = {
    takes_an_unknown_outcome_for_success: replace(
        STORY, kills=0, troubles=("login pages", "answers cut", "shop fails before")
    ),
    never_sees_that_a_product_ended: QUIET,
    shows_what_has_no_price: QUIET,
    replaces_the_variants_of_a_product: replace(QUIET, minutes=15),
    never_unpublishes: QUIET,
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", 15 * 60_000)  # a mutant never agrees; no need to wait
    assert any(Simulation(number, MUTANTS[mutant]).run().violations for number in (1, 2, 3))
