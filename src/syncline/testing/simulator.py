"""The conformance suite of a Simulator: name a bench, done.

::

    class TestAcmeSimulator(SimulatorConformance):
        bench = AcmeBench

A simulator is what every other test believes, so it has to be as strict as the vendor and the same
in every run. It needs pytest.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.ports import Request, Response
from syncline.simulate.clock import VirtualLoop
from syncline.testing.bench import START_MS, ConnectorBench, Send, Surroundings
from syncline.testing.sink_stock import deliver
from syncline.testing.source import pull
from syncline.testing.suite import Suite, conformance, some, writes_of

ACTS = 60
BURST = 120
PROCESS_S_MAX = 60
Maker = Callable[[Surroundings], ConnectorBench]


def life(maker: Maker, seed: int) -> str:
    """Live through some acts and calls from a seed; returns the digest of what came of it."""
    loop = VirtualLoop(START_MS)
    bench: ConnectorBench | None = None
    try:
        bench = maker(Surroundings(loop, seed))
        return loop.run_until_complete(_live(bench, Random(seed)))
    finally:
        if bench is not None:
            bench.close()
        loop.close()


async def _live(bench: ConnectorBench, rng: Random) -> str:
    system = bench.open()
    for _ in range(ACTS // 3):
        bench.people(rng)
        await bench.around.clock.sleep(rng.uniform(0.5, 30.0))
    for operation in writes_of(system):
        (item,) = await bench.items(operation, 1, system)
        await deliver(system, operation, [item], f"key-{operation}")
    await pull(bench, system)
    return bench.digest()


def life_of(name: str, seed: int) -> str:
    """The same for a bench named ``module:Class``, so that another process can be asked."""
    module, _, maker = name.partition(":")
    return life(getattr(importlib.import_module(module), maker), seed)


async def good_write(bench: ConnectorBench) -> Request:
    """A request of ours that took effect, with its credential."""
    system = bench.open()
    (operation, *_) = writes_of(system)
    (item,) = await bench.items(operation, 1, system)
    applied: list[Request] = []

    async def watch(request: Request, send: Send) -> Response:
        before = effects(bench)
        answer = await send(request)
        if effects(bench) > before:
            applied.append(request)
        return answer

    bench.around.wire.between = watch
    (outcome,) = await deliver(system, operation, [item], "good")
    bench.around.wire.between = None
    assert outcome.result is Result.DONE, f"{outcome}"
    return some(applied, "request that took effect")[-1]


def effects(bench: ConnectorBench) -> int:
    """How many calls took effect at the vendor."""
    return sum(bench.simulator.ledger.effects.values())


class SimulatorConformance(Suite):
    """What every Simulator has to do."""

    @conformance()
    async def test_one_seed_gives_one_history(self, bench: ConnectorBench) -> None:
        maker = type(self).bench
        # A loop cannot run inside another one, so these lives have a thread of their own.
        with ThreadPoolExecutor(1) as threads:
            first, second, other = threads.map(partial(life, maker), (7, 7, 8))
        assert first == second, "the same seed gave two histories"
        assert first != other, "nothing to check: the seed changes nothing"

    @conformance()
    async def test_the_history_is_the_same_in_any_process(self, bench: ConnectorBench) -> None:
        maker = type(self).bench
        name = f"{maker.__module__}:{maker.__qualname__}"
        script = f"from syncline.testing.simulator import life_of; print(life_of({name!r}, 7))"
        path = os.pathsep.join(filter(None, sys.path))
        started = [
            subprocess.Popen(  # noqa: ASYNC220, S603 (a program of ours; virtual time stands still meanwhile)
                [sys.executable, "-W", "ignore", "-c", script],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
            )
            for hash_seed in ("1", "4242")
        ]
        found = set()
        for process in started:
            said, complained = process.communicate(timeout=PROCESS_S_MAX)
            assert not process.returncode, complained[-2000:]
            found.add(said.strip())
        assert len(some(found, "history")) == 1, "the order of hashes decides something"

    @conformance()
    async def test_a_wrong_credential_gets_nothing(self, bench: ConnectorBench) -> None:
        write = await good_write(bench)
        for name in some(bench.facts.credential_headers, "header with a credential"):
            held = {key: value for key, value in write.headers.items() if key.lower() == name}
            assert held, f"nothing to check: our requests carry no {name}"
            for wrong in ({}, {name: "wrong"}, {name: next(iter(held.values()))[:-1] + "~"}):
                rest = {key: value for key, value in write.headers.items() if key.lower() != name}
                before, noted = effects(bench), bench.simulator.ledger.breaches["auth"]
                answer = await bench.around.apps.send(replace(write, headers={**rest, **wrong}))
                assert answer.status in (401, 403), f"{name} {wrong}: {answer.status}"
                assert effects(bench) == before
                assert bench.simulator.ledger.breaches["auth"] > noted, "the ledger does not show it"

    @conformance()
    async def test_who_calls_too_fast_is_refused_and_noted(self, bench: ConnectorBench) -> None:
        write = await good_write(bench)
        before = bench.simulator.ledger.breaches.copy()
        answers = await asyncio.gather(*(bench.around.apps.send(write) for _ in range(BURST * 4)))
        refused = [answer for answer in answers if answer.status == 429 or b"hrottled" in answer.body]
        assert some(refused, "refusal of a call above the limit")
        assert sum((bench.simulator.ledger.breaches - before).values()) >= len(refused), (
            "the ledger does not show it"
        )

    @conformance()
    async def test_a_field_that_the_vendor_does_not_have_is_refused(self, bench: ConnectorBench) -> None:
        write = await good_write(bench)
        before = effects(bench)
        answer = await bench.around.apps.send(bench.unknown_field(write))
        assert answer.status >= 400 or b'"errors"' in answer.body, f"{answer.status}: {answer.body[:200]!r}"
        assert effects(bench) == before

    @conformance()
    async def test_a_field_that_was_refused_is_noted(self, bench: ConnectorBench) -> None:
        """A client that guesses at fields is broken, even where it is told so each time."""
        write = await good_write(bench)
        before = sum(bench.simulator.ledger.breaches.values())
        await bench.around.apps.send(bench.unknown_field(write))
        assert sum(bench.simulator.ledger.breaches.values()) > before

    @conformance()
    async def test_errors_are_the_documented_ones(self, bench: ConnectorBench) -> None:
        write = await good_write(bench)
        for example in some(bench.examples(write), "documented error"):
            answer = await bench.around.apps.send(example.request)
            assert answer.status == example.status, f"{example.name}: {answer.status} {answer.body[:300]!r}"
            for words in some(example.says, f"words for {example.name}"):
                assert words in answer.body.decode(), (
                    f"{example.name}: {answer.body[:500]!r} ({example.source})"
                )

    @conformance()
    async def test_a_vendor_that_is_down_does_nothing(self, bench: ConnectorBench) -> None:
        write = await good_write(bench)
        bench.simulator.faults.down = True
        before = effects(bench)
        assert (await bench.around.apps.send(write)).status >= 500
        assert effects(bench) == before

    @conformance()
    async def test_the_books_balance_whatever_people_do(self, bench: ConnectorBench) -> None:
        rng = Random(self.seed)
        seen = {bench.digest()}
        for number in range(ACTS):
            bench.people(rng)
            seen.add(bench.digest())
            assert not bench.laws(), f"after act {number + 1}: {list(bench.laws())}"
            await bench.around.clock.sleep(rng.uniform(0.1, 60.0))
        assert len(seen) > ACTS // 2, f"nothing to check: {len(seen)} states"
