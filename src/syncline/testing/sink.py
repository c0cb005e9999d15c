"""The conformance suite of a Sink: name a bench, done.

::

    class TestAcmeSink(SinkConformance):
        bench = AcmeBench

It needs pytest. ``tests/conformance/test_connector_mutants.py`` holds a broken connector for each test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from syncline.model.copying import replace
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, SynclineError
from syncline.model.payloads import SetStock
from syncline.ports import Request, Response, System, WebhookRequest
from syncline.testing.bench import ConnectorBench, LoseAnswer, Send, unreachable
from syncline.testing.sink_stock import StockWrites, deliver, shown
from syncline.testing.suite import (
    batch_of,
    conformance,
    edited,
    failure_of,
    results,
    some,
    writes_of,
)

TRIES_MAX = 25
EFFECTS_MAX = 6  # calls that one item may need there
DELAY_S = 7.0

# What an operation's outcome must teach us, as the table in syncline.model.payloads says.
FACTS = {
    "read_stock": "held",
    "read_order": "event",
    "put_order": "external_id",
    "put_payment": "external_id",
    "put_refund": "external_id",
    "create_shipment": "external_id",
    "record_payment": "told",
    "create_refund": "external_id",
    "cancel_order": "external_id",
}
NOTHING_DONE = (Result.NOT_SENT, Result.RETRY, Result.THROTTLED, Result.WAIT, Result.STALE, Result.REJECTED)


async def resolve(
    bench: ConnectorBench, system: System, operation: str, item: Item, key: str, last: Outcome
) -> None:
    """Bring an item to its end by the rules that the operation declares; whatever the first answer was."""
    rules = system.sink.operations[operation]
    clock = bench.around.clock
    began = clock.now_ms()
    outcome: Outcome | None = last
    for number in range(TRIES_MAX):
        if outcome is not None and outcome.result is Result.DONE:
            return
        await clock.sleep(1.0)
        if outcome is not None and outcome.result in (
            Result.RETRY,
            Result.NOT_SENT,
            Result.THROTTLED,
            Result.WAIT,
        ):
            await clock.sleep(outcome.retry_after_s or 0.0)
            (outcome,) = await deliver(system, operation, [item], f"{key}-{number}")
        elif rules.sets:
            outcome = Outcome(Result.RETRY, "set again")
        elif rules.retry_same_key_ms:
            (outcome,) = await deliver(system, operation, [item], key)
        elif rules.look_up:
            try:
                found = await system.sink.look_up(operation, item)
            except SynclineError:
                continue
            gone = found is None and clock.now_ms() - began >= rules.look_up_window_ms
            outcome = Outcome(Result.RETRY) if gone else found or Outcome(Result.UNKNOWN)
        elif operation == "set_stock" and not system.capabilities.compare_and_set:
            # As the engine does: what the channel shows when the write must have taken effect decides.
            there = await shown(system, item) == item.payload.quantity
            outcome = Outcome(Result.DONE if there else Result.RETRY)
        else:
            raise AssertionError(
                f"{operation} sets nothing whole, and has neither a key nor a look-up: a lost answer can only be parked"
            )
        assert outcome.result not in (Result.REJECTED, Result.STALE), f"{operation}: {outcome}"
    raise AssertionError(f"{operation} came to no end in {TRIES_MAX} tries: {outcome}")


class SinkConformance(StockWrites):
    """What every Sink has to do."""

    @conformance()
    async def test_what_is_delivered_is_there_and_told(self, bench: ConnectorBench) -> None:
        system = bench.open()
        for operation in some(system.sink.operations, "operation"):
            (item,) = await bench.items(operation, 1, system)
            (outcome,) = await deliver(system, operation, [item], f"key-{operation}")
            assert outcome.result is Result.DONE, f"{operation}: {outcome}"
            fact = FACTS.get(operation)
            assert fact is None or outcome.facts.get(fact) not in (None, ""), f"{operation} tells no {fact}"
            if not system.sink.operations[operation].reads_only:
                assert bench.effects(operation, item) == 1, operation

    @conformance()
    async def test_a_lost_answer_never_leads_to_a_second_effect(self, bench: ConnectorBench) -> None:
        system = bench.open()
        lost_once = 0
        for operation in writes_of(system):
            for number in range(1, EFFECTS_MAX):
                (item,) = await bench.items(operation, 1, system)
                key = f"key-{operation}-{number}"
                lose = LoseAnswer(bench.simulator, number)
                bench.around.wire.between = lose
                (outcome,) = await deliver(system, operation, [item], key)
                bench.around.wire.between = None
                if not lose.lost:
                    break
                lost_once += 1
                if outcome.result in NOTHING_DONE:
                    assert not bench.effects(operation, item), f"{operation} denies what it did: {outcome}"
                await resolve(bench, system, operation, item, key, outcome)
                assert bench.effects(operation, item) == 1, f"{operation}, answer {number} lost"
        assert lost_once, "nothing to check: no answer was lost"

    @conformance()
    async def test_a_server_error_after_the_effect_is_no_denial(self, bench: ConnectorBench) -> None:
        system = bench.open()
        for operation in writes_of(system):
            (item,) = await bench.items(operation, 1, system)
            bench.simulator.faults.error_after_rate = 1.0
            (outcome,) = await deliver(system, operation, [item], f"key-{operation}")
            bench.simulator.faults.error_after_rate = 0.0
            assert outcome.result is not Result.DONE, f"{operation}: an error was taken for success"
            if outcome.result in NOTHING_DONE:
                assert not bench.effects(operation, item), f"{operation} denies what it did: {outcome}"

    @conformance()
    async def test_a_call_that_never_left_is_known_to_have_done_nothing(self, bench: ConnectorBench) -> None:
        system = bench.open()
        for operation in writes_of(system):
            (item,) = await bench.items(operation, 1, system)
            bench.around.wire.between = unreachable
            (outcome,) = await deliver(system, operation, [item], f"key-{operation}")
            bench.around.wire.between = None
            assert outcome.result is Result.NOT_SENT, f"{operation}: {outcome}"

    @conformance()
    async def test_a_throttle_says_how_long_to_wait_and_is_counted(self, bench: ConnectorBench) -> None:
        for operation in writes_of(bench.open()):
            system = bench.open()
            (item,) = await bench.items(operation, 1, system)
            before = system.governor.usage()["throttled"]
            bench.simulator.faults.throttle_rate = 1.0
            (outcome,) = await deliver(system, operation, [item], f"key-{operation}")
            bench.simulator.faults.throttle_rate = 0.0
            assert outcome.result is Result.THROTTLED, f"{operation}: {outcome}"
            assert outcome.retry_after_s, f"{operation} names no delay: {outcome}"
            assert not bench.effects(operation, item)
            assert system.governor.usage()["throttled"] > before, "the throttle is not counted"

    @conformance()
    async def test_a_delay_that_the_vendor_names_is_kept(self, bench: ConnectorBench) -> None:
        answer = bench.slow_down(DELAY_S)
        system = bench.open()
        (operation, *_) = writes_of(system)
        (item,) = await bench.items(operation, 1, system)
        if answer is None:
            # It never names one; then a pause of our own has to hold the next call back.
            bench.simulator.faults.throttle_rate = 1.0
            await deliver(system, operation, [item], "key")
            bench.simulator.faults.throttle_rate = 0.0
            assert await self._held_back(bench, system) > 0
            return

        async def slower(_: Request, __: Send) -> Response:
            return answer

        bench.around.wire.between = slower
        (outcome,) = await deliver(system, operation, [item], "key")
        bench.around.wire.between = None
        assert (outcome.result, outcome.retry_after_s) == (Result.THROTTLED, DELAY_S)
        assert await self._held_back(bench, system) >= DELAY_S

    @staticmethod
    async def _held_back(bench: ConnectorBench, system: System) -> float:
        began = bench.around.clock.monotonic()
        await system.governor.ready(urgent=True)
        return bench.around.clock.monotonic() - began

    @conformance(needs=lambda c: c.batch_items_max > 1, because="every call takes one item")
    async def test_one_bad_item_spoils_only_itself(self, bench: ConnectorBench) -> None:
        system = bench.open()
        bad = await bench.refusal(system)
        assert bad.operation in batch_of(system), f"{bad.operation} takes one item at a time"
        good = await bench.items(bad.operation, 3, system)
        batch = [good[0], bad.item, *good[1:]]
        outcomes = await deliver(system, bad.operation, batch, "key-all")
        assert outcomes[1].result is Result.REJECTED
        left = []
        for item, outcome in zip(batch, outcomes, strict=True):
            if item is bad.item:
                continue
            assert outcome.result in (Result.DONE, Result.RETRY, Result.WAIT), f"{item.key}: {outcome}"
            done = outcome.result is Result.DONE
            assert bench.effects(bad.operation, item) == int(done), f"{item.key}: {outcome}"
            left += [] if done else [item]
        if left:
            assert results(await deliver(system, bad.operation, left, "key-rest")) == [Result.DONE] * len(
                left
            )
        assert [bench.effects(bad.operation, item) for item in good] == [1] * len(good)

    @conformance(needs=lambda c: c.compare_and_set, because="it has no compare-and-set")
    async def test_a_stale_expectation_never_overwrites(self, bench: ConnectorBench) -> None:
        system = bench.open()
        (item,) = await bench.items("set_stock", 1, system)
        assert isinstance(item.payload, SetStock)
        bench.outdate(item)
        (outcome,) = await deliver(system, "set_stock", [item], "key")
        assert outcome.result is Result.STALE, f"{outcome}"
        assert not bench.effects("set_stock", item), "somebody's newer number was overwritten"

    @conformance()
    async def test_a_full_batch_is_taken(self, bench: ConnectorBench) -> None:
        system = bench.open()
        for operation, rules in some(system.sink.operations.items(), "operation"):
            items = await bench.items(operation, rules.batch_items_max, system)
            assert len(items) == rules.batch_items_max
            outcomes = await deliver(system, operation, items, f"key-{operation}")
            assert results(outcomes) == [Result.DONE] * len(items), f"{operation}: {outcomes[-1]}"
        assert not bench.simulator.ledger.breaches

    @conformance()
    async def test_a_refused_credential_pauses_and_fails_nothing(self, bench: ConnectorBench) -> None:
        system = bench.open()
        for operation in some(system.sink.operations, "operation"):
            (item,) = await bench.items(operation, 1, system)
            bench.simulator.faults.reject_auth = True
            failure = await failure_of(system.sink.deliver(operation, [item], f"key-{operation}"))
            bench.simulator.faults.reject_auth = False
            assert isinstance(failure, AuthExpired), f"{operation}: {failure!r}"
            assert results(await deliver(system, operation, [item], f"again-{operation}")) == [Result.DONE]

    @conformance()
    async def test_a_refusal_keeps_the_vendors_words(self, bench: ConnectorBench) -> None:
        system = bench.open()
        bad = await bench.refusal(system)
        (outcome,) = await deliver(system, bad.operation, [bad.item], "key")
        assert outcome.result is Result.REJECTED
        assert some(bad.words, "words of the vendor")
        assert bad.words in outcome.message

    @conformance()
    async def test_a_crowd_never_breaks_the_vendors_limit(self, bench: ConnectorBench) -> None:
        system = bench.open()
        operation, crowd = bench.facts.crowded, bench.facts.crowd
        items = await bench.items(operation, crowd, system)
        began = bench.around.clock.monotonic()
        done = await asyncio.gather(
            *(deliver(system, operation, [item], f"key-{n}") for n, item in enumerate(items)),
        )
        assert [outcome.result for (outcome,) in done] == [Result.DONE] * crowd
        assert not bench.simulator.ledger.breaches, f"{dict(bench.simulator.ledger.breaches)}"
        assert bench.around.clock.monotonic() > began
        assert system.governor.usage()["waited_s"] > 0, "nothing to check: nobody had to wait"

    @conformance()
    async def test_every_call_is_counted(self, bench: ConnectorBench) -> None:
        system = bench.open()
        for operation in some(system.sink.operations, "operation"):
            (item,) = await bench.items(operation, 1, system)
            counted, made = system.governor.usage()["calls"], self._governed(bench)
            await deliver(system, operation, [item], f"key-{operation}")
            calls = self._governed(bench) - made
            assert calls > 0, f"nothing to check: {operation} made no call"
            assert system.governor.usage()["calls"] - counted == calls, operation

    @staticmethod
    def _governed(bench: ConnectorBench) -> int:
        calls = bench.simulator.ledger.calls_by_operation
        return sum(n for name, n in calls.items() if name not in bench.facts.ungoverned)

    @conformance()
    async def test_no_secret_is_ever_shown(self, bench: ConnectorBench) -> None:
        shown: list[str] = []
        system = bench.open()
        shown += [repr(system), repr(system.source), repr(system.sink), repr(system.governor)]
        for number, trouble in zip(count(), self._troubles(bench), strict=False):
            operation = writes_of(system)[number % len(writes_of(system))]
            (item,) = await bench.items(operation, 1, system)
            trouble("on")
            try:
                shown += [
                    outcome.message for outcome in await deliver(system, operation, [item], f"key-{number}")
                ]
            except AuthExpired as error:
                shown += [str(error), repr(error), repr(error.__cause__)]
            trouble("off")
        bad = await bench.refusal(system)
        shown += [o.message for o in await deliver(system, bad.operation, [bad.item], "key-bad")]
        if system.capabilities.webhooks:
            await bench.subscribe(system)
            (key,) = bench.add(1)
            post = await edited(bench, system, key)
            for forged in (bench.unsigned(post), replace(post, body=b"{}"), bench.sign(post, b"{}")):
                shown += [str(await failure_of(_verify(system, forged)))]
        for secret in some(bench.facts.secrets, "secret of the bench"):
            assert not [text for text in shown if secret in text], "a secret was shown"

    @staticmethod
    def _troubles(bench: ConnectorBench) -> list[Callable[[str], None]]:
        """Switches for everything that makes a Sink speak."""
        faults, wire = bench.simulator.faults, bench.around.wire

        def switch(name: str, on: object, off: object) -> Callable[[str], None]:
            return lambda now: setattr(faults, name, on if now == "on" else off)

        def no_line(now: str) -> None:
            wire.between = unreachable if now == "on" else None

        return [
            switch("reject_auth", on=True, off=False),
            switch("down", on=True, off=False),
            switch("throttle_rate", 1.0, 0.0),
            switch("error_before_rate", 1.0, 0.0),
            switch("error_after_rate", 1.0, 0.0),
            no_line,
        ]


async def _verify(system: System, post: WebhookRequest) -> None:
    system.source.verify(post)
