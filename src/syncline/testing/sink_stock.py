"""What a Sink has to do that writes stock numbers without an expectation, or that is only told "accepted".

The engine reads such a number directly before it writes, and reads it back later; see
``syncline.engine.delivery.blind``. Both rest on what is tested here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from syncline.model.copying import replace
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import OutcomeUnknown, Retryable, Throttled
from syncline.model.payloads import ReadStock, SetStock
from syncline.ports import System
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.testing.bench import ConnectorBench
from syncline.testing.suite import Suite, conformance

NO_EXPECTATION = "it compares what it expects, or writes no stock"
AT_ONCE = "what it writes takes effect at once"
TELLS_NOTHING = "it cannot tell later what became of a write"


async def deliver_once(system: System, operation: str, items: list[Item], key: str) -> list[Outcome]:
    """One call, with what a Sink may raise for the whole of it sorted as the engine's lane does."""
    try:
        outcomes = await system.sink.deliver(operation, items, key)
    except Throttled as error:
        return [Outcome(Result.THROTTLED, str(error), error.retry_after_s)] * len(items)
    except Retryable as error:
        return [Outcome(Result.NOT_SENT, str(error))] * len(items)
    except OutcomeUnknown as error:
        return [Outcome(Result.UNKNOWN, str(error))] * len(items)
    assert len(outcomes) == len(items), f"{len(outcomes)} outcomes for {len(items)} items"
    return outcomes


async def deliver(system: System, operation: str, items: list[Item], key: str) -> list[Outcome]:
    """One call, and the time that what it accepted takes to be there: from then on it counts as done."""
    outcomes = await deliver_once(system, operation, items, key)
    if any(outcome.result is Result.ACCEPTED for outcome in outcomes):
        await settle(system)
    return [
        replace(outcome, result=Result.DONE) if outcome.result is Result.ACCEPTED else outcome
        for outcome in outcomes
    ]


async def settle(system: System) -> None:
    """Wait as long as the system declares that a write may take."""
    after_ms = system.capabilities.applies_after_ms
    assert after_ms, "it accepts writes for later, and declares no applies_after_ms"
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    await VirtualClock(loop).sleep(after_ms / 1000)


def writes_stock(operations: Mapping[str, Operation]) -> bool:
    """Whether a Sink writes stock numbers."""
    return "set_stock" in operations


def tells(operations: Mapping[str, Operation]) -> bool:
    """Whether a Sink can be asked later what became of a number that it wrote."""
    return writes_stock(operations) and operations["set_stock"].look_up


async def shown(system: System, item: Item) -> object:
    """What the channel shows where an item is to be written."""
    assert "read_stock" in system.sink.operations, "a number that is written over cannot be read"
    payload = ReadStock(item.payload.sku, item.payload.stock_id, item.payload.location)
    (outcome,) = await deliver_once(system, "read_stock", [Item(item.key, payload)], "reading")
    assert outcome.result is Result.DONE, f"{outcome}"
    return outcome.facts["held"]


class StockWrites(Suite):
    """The tests; each applies by what the connector declares."""

    @conformance(needs=lambda c: not c.compare_and_set, operations=writes_stock, because=NO_EXPECTATION)
    async def test_what_is_written_over_is_read_as_it_is_now(self, bench: ConnectorBench) -> None:
        system = bench.open()
        (item,) = await bench.items("set_stock", 1, system)
        assert isinstance(item.payload, SetStock)
        before = await shown(system, item)
        assert before == item.payload.expected
        bench.outdate(item)
        assert await shown(system, item) != before, "the reading is old: a sale would be undone"

    @conformance(needs=lambda c: not c.compare_and_set, operations=writes_stock, because=NO_EXPECTATION)
    async def test_a_number_is_set_whatever_was_there(self, bench: ConnectorBench) -> None:
        system = bench.open()
        (item,) = await bench.items("set_stock", 1, system)
        bench.outdate(item)
        (outcome,) = await deliver(system, "set_stock", [item], "key")
        assert outcome.result is Result.DONE, f"{outcome}"
        assert bench.effects("set_stock", item) == 1, "something else than the number is there now"

    @conformance(needs=lambda c: c.applies_after_ms > 0, operations=writes_stock, because=AT_ONCE)
    async def test_what_is_applied_later_is_not_called_done(self, bench: ConnectorBench) -> None:
        system = bench.open()
        accepted = 0
        for item in await bench.items("set_stock", 3, system):
            (outcome,) = await deliver_once(system, "set_stock", [item], f"key-{item.key}")
            there = bench.effects("set_stock", item)
            assert outcome.result in (Result.DONE, Result.ACCEPTED), f"{outcome}"
            assert there or outcome.result is Result.ACCEPTED, f"it is not there, and it is said: {outcome}"
            accepted += outcome.result is Result.ACCEPTED
        assert accepted, "nothing to check: everything was applied at once"

    @conformance(needs=lambda c: c.applies_after_ms > 0, operations=writes_stock, because=AT_ONCE)
    async def test_what_was_accepted_is_there_in_the_declared_time(self, bench: ConnectorBench) -> None:
        system = bench.open()
        items = await bench.items("set_stock", 3, system)
        for item in items:
            (outcome,) = await deliver_once(system, "set_stock", [item], f"key-{item.key}")
            assert outcome.result in (Result.DONE, Result.ACCEPTED), f"{outcome}"
        await settle(system)
        for item in items:
            assert bench.effects("set_stock", item) == 1, f"{item.key} is not there after the declared time"
            assert await shown(system, item) == item.payload.quantity

    @conformance(needs=lambda c: c.applies_after_ms > 0, operations=tells, because=TELLS_NOTHING)
    async def test_what_became_of_a_write_is_told_and_not_compared(self, bench: ConnectorBench) -> None:
        """A sale may leave the very number that a write is to bring."""
        system = bench.open()
        (item,) = await bench.items("set_stock", 1, system)
        bench.outdate(item)
        there = await shown(system, item)
        same = replace(item, payload=replace(item.payload, quantity=there))
        (outcome,) = await deliver_once(system, "set_stock", [same], "key")
        assert outcome.result is Result.ACCEPTED, f"{outcome}"
        assert await system.sink.look_up("set_stock", same) is None, "it is called done before it was applied"
        await settle(system)
        found = await system.sink.look_up("set_stock", same)
        assert found is not None, "nothing is told after the declared time"
        assert found.result is Result.DONE, f"{found}"
