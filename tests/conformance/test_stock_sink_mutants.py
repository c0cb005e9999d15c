"""A broken Sink for each conformance test of stock written without an expectation, or applied later.

They are made of Shopify's: one that expects nothing, and one whose numbers a queue at the vendor applies. Both are
good connectors of their kind, and pass everything that applies to them.
"""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import pytest
from tests.conformance.test_connector_mutants import Mutant, OddSink, changed, failing, ids
from tests.connectors.benches import ShopifyBench
from tests.connectors.test_shopify import TestShopifySink as ShopifySink

from syncline.model.copying import replace
from syncline.model.delivery import Outcome, Result
from syncline.ports import Connector, System
from syncline.testing.sink import SinkConformance
from syncline.testing.sink_stock import StockWrites

APPLIES_S = 20.0


class Blind(OddSink):
    """A good one: Shopify's numbers written whatever is there, which it allows by expecting nothing."""

    capabilities: ClassVar[dict[str, Any]] = {"compare_and_set": False, "batch_items_max": 40}

    @property
    def operations(self):
        known = self.inner.operations
        return {**known, "set_stock": replace(known["set_stock"], batch_items_max=40)}

    async def deliver(self, operation, items, key):
        if operation == "set_stock":
            items = [self.written(item) for item in items]
        return await self.inner.deliver(operation, items, key)

    def written(self, item):
        return replace(item, payload=replace(item.payload, expected=None))


class Later(Blind):
    """A good one: the vendor takes the numbers, and applies them after a while."""

    capabilities: ClassVar[dict[str, Any]] = {
        **Blind.capabilities,
        "applies_after_ms": round(APPLIES_S * 1000),
    }

    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        self.pending: set[str] = set()
        self.calls = 0

    @property
    def operations(self):
        known = super().operations
        return {**known, "set_stock": replace(known["set_stock"], look_up=True)}

    async def deliver(self, operation, items, key):
        if operation != "set_stock":
            return await super().deliver(operation, items, key)
        self.calls += 1
        shop = self.bench.simulator
        before = {item.key: shop.available(item.payload.sku) for item in items}
        outcomes = await super().deliver(operation, items, key)
        return [self.queued(item, outcome, before) for item, outcome in zip(items, outcomes, strict=True)]

    def queued(self, item, outcome, before):
        if outcome.result is not Result.DONE:
            return outcome
        shop, payload = self.bench.simulator, item.payload
        shop.set_available(payload.sku, self.bench.place, before[item.key])
        self.pending.add(item.key)

        def apply():
            self.pending.discard(item.key)
            shop.set_available(payload.sku, self.bench.place, payload.quantity)

        self.bench.around.clock.after(self.waits_s(), apply)
        return replace(outcome, result=self.said())

    def waits_s(self):
        return APPLIES_S * 0.9

    def said(self):
        return Result.ACCEPTED

    async def look_up(self, operation, item):
        if operation != "set_stock":
            return await super().look_up(operation, item)
        return None if item.key in self.pending else Outcome(Result.DONE)


class Remembers(Blind):
    """Answers a reading from what it read before."""

    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        self.read: dict[str, Outcome] = {}

    async def deliver(self, operation, items, key):
        if operation != "read_stock":
            return await super().deliver(operation, items, key)
        if any(item.key not in self.read for item in items):
            outcomes = await super().deliver(operation, items, key)
            self.read |= {item.key: outcome for item, outcome in zip(items, outcomes, strict=True)}
        return [self.read[item.key] for item in items]


class Adds(Blind):
    """Moves what is there by the difference to what was expected; once, however often it is sent."""

    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        self.sent: dict[str, int] = {}

    def written(self, item):
        payload = item.payload
        there = self.bench.simulator.available(payload.sku)
        quantity = self.sent.setdefault(item.key, there + payload.quantity - payload.expected)
        return super().written(replace(item, payload=replace(payload, quantity=quantity)))


class CallsItDone(Later):
    """Loses patience: every third call."""

    def said(self):
        return Result.ACCEPTED if self.calls % 3 else Result.DONE


class TakesLonger(Later):
    """Declares what most writes take: the third in a row takes longer."""

    def waits_s(self):
        return APPLIES_S * (0.9 if self.calls % 3 else 1.5)


class Compares(Later):
    """Takes the number that is there for the one that was written."""

    async def look_up(self, operation, item):
        if operation != "set_stock":
            return await super().look_up(operation, item)
        there = self.bench.simulator.available(item.payload.sku)
        return Outcome(Result.DONE) if there == item.payload.quantity else None


# Each stands beside a good connector of its kind, on which the other tests pass.
STOCK_SINKS = [
    Mutant("test_what_is_written_over_is_read_as_it_is_now", Remembers),
    Mutant("test_a_number_is_set_whatever_was_there", Adds),
    Mutant("test_what_is_applied_later_is_not_called_done", CallsItDone),
    Mutant("test_what_was_accepted_is_there_in_the_declared_time", TakesLonger),
    Mutant("test_what_became_of_a_write_is_told_and_not_compared", Compares),
]


def bench_for(what: type[Blind]) -> type[ShopifyBench]:
    """The Shopify bench with such a Sink, and with what it declares."""

    class Odd(ShopifyBench):
        def open(self) -> System:
            system = changed(**what.capabilities)(super().open())
            return replace(system, sink=what(system.sink, self))

        @property
        def connector(self) -> Connector:
            known = super().connector
            return replace(known, capabilities=replace(known.capabilities, **what.capabilities))

    return Odd


def run(what: type[Blind]) -> set[str]:
    """The tests of the whole suite that fail, or are waived."""
    broken = type("Broken", (SinkConformance,), {"bench": bench_for(what), "waivers": {}})
    return set(failing(broken, SinkConformance.conformance_tests()))


@pytest.mark.parametrize("mutant", STOCK_SINKS, ids=ids)
def test_a_sink_that_breaks_what_blind_writes_rest_on_fails_exactly_its_test(mutant):
    waived = ShopifySink.waivers.keys()
    assert run(mutant.what) - (waived - {mutant.test}) == {mutant.test}


@pytest.mark.parametrize("good", [Blind, Later], ids=lambda good: good.__name__)
def test_a_sink_without_expectations_and_one_that_applies_later_pass(good):
    assert run(good) == set(ShopifySink.waivers)
    applied = {test for test in StockWrites.conformance_tests() if applies(good, test)}
    assert len(applied) == (2 if good is Blind else 5)


def applies(good: type[Blind], test: str) -> bool:
    suite = type("Good", (SinkConformance,), {"bench": bench_for(good), "waivers": {}})
    with contextlib.suppress(pytest.skip.Exception):
        getattr(suite(), test)()
        return True
    return False


def test_each_of_these_tests_has_a_mutant():
    assert sorted(mutant.test for mutant in STOCK_SINKS) == sorted(StockWrites.conformance_tests())
