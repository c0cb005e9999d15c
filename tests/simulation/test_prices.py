"""Prices from NetSuite to Shopify beside all other trade, under faults and kills; and engines that must be caught."""

from __future__ import annotations

import pytest

from syncline.engine.apply import full_states
from syncline.engine.capture.poller import Poller
from syncline.engine.delivery.lane import Lane
from syncline.engine.derive import prices
from syncline.engine.derive.states import StateDeriver
from syncline.engine.states import STATE_OPERATIONS
from syncline.model.copying import replace
from syncline.model.delivery import Outcome, Result
from syncline.simulate import simulation
from syncline.simulate.simulation import Plan, Report, Simulation

STORY = Plan(prices=True, orders=20, skus=20, minutes=60, kills=4, asides=2)
SEEDS = range(1, 6)

pytestmark = pytest.mark.simulation


def told(report: Report) -> str:
    return f"Simulation({report.seed}, {STORY}).run()\n{report.text()}"


@pytest.mark.parametrize("number", SEEDS)
def test_prices_agree_after_faults_and_kills(number, record_property):
    played = Simulation(number, STORY)
    report = played.run()
    assert report.violations == [], told(report)
    assert played.pricing is not None
    assert played.pricing.changes > 80
    assert played.pricing.slips
    assert len(played.world.shop.state.price_log) > 40
    record_property("total:simulation:prices changed", played.pricing.changes)


def test_trade_without_faults_writes_each_price_once_and_raises_no_alarm_but_for_slips():
    played = Simulation(3, replace(STORY, faults=False, kills=0, second_thoughts=False, asides=0))
    report = played.run()
    assert report.violations == [], told(report)
    log = [one[1:] for one in played.world.shop.state.price_log]
    again = sum(before == after for n, after in enumerate(log) if (before := _before(log, n)) is not None)
    assert again == 0
    assert not report.breaches, told(report)


def _before(log, n):
    """What was last written in the same list of the same variant."""
    return next((one for one in reversed(log[:n]) if one[:2] == log[n][:2]), None)


# --- engines with one mistake each -----------------------------------------------------------------------


def takes_an_unknown_outcome_for_success(patch):
    ask = Lane._ask

    async def believes(self, operation, items, key):
        outcomes = await ask(self, operation, items, key)
        if operation not in STATE_OPERATIONS:
            return outcomes
        return [Outcome(Result.DONE) if one.result is Result.UNKNOWN else one for one in outcomes]

    patch.setattr(Lane, "_ask", believes)


def believes_every_price(patch):
    patch.setattr(prices, "doubt", lambda *args, **more: None)


def never_sees_that_a_price_was_deleted(patch):
    async def nothing(self, system):
        return None

    patch.setattr(full_states.FullStateReads, "judge", nothing)


def takes_the_wrong_list_first(patch):
    reckon = prices.reckon

    def backwards(at, rules, found, now_ms):
        return reckon(replace(at, sources=tuple(reversed(at.sources))), replace(rules, kinds=dict.fromkeys(at.sources, "list")), found, now_ms)  # fmt: skip

    patch.setattr(prices, "reckon", backwards)


def skips_what_a_read_found(patch):
    read_once = Poller.read_once

    async def forgetful(self):
        if self.stream.name != "prices":
            return await read_once(self)
        store, third = self._store, self.reads % 3 == 2

        class Forgets:
            def __getattr__(self, name):
                return getattr(store, name)

            async def append(self, events, **rest):
                kept = events[:-1] if third else events
                return [*await store.append(kept, **rest), *[None] * (len(events) - len(kept))]

        self._store = Forgets()
        try:
            return await read_once(self)
        finally:
            self._store = store

    patch.setattr(Poller, "read_once", forgetful)


def never_compares(patch):
    """Writes the content of the moment at which it was scheduled: an older one may land last."""
    one = StateDeriver._one
    kept = {}

    async def stale(self, route, flow, operation, key, wanted, held):
        return await one(self, route, flow, operation, key, kept.setdefault(key, wanted), held)

    patch.setattr(StateDeriver, "_one", stale)


MUTANTS = {
    takes_an_unknown_outcome_for_success: replace(
        STORY, kills=0, troubles=("login pages", "answers cut", "shop fails before")
    ),
    believes_every_price: replace(STORY, kills=0, faults=False),
    never_sees_that_a_price_was_deleted: replace(STORY, kills=0, faults=False),
    takes_the_wrong_list_first: replace(STORY, kills=0, faults=False),
    skips_what_a_read_found: replace(STORY, kills=0, faults=False),
    never_compares: replace(STORY, kills=0, faults=False),
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr(simulation, "CONVERGE_MS_MAX", 40 * 60_000)  # a mutant never agrees; no need to wait
    assert any(Simulation(number, MUTANTS[mutant]).run().violations for number in (1, 2, 3))
