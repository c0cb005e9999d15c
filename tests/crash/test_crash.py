"""``kill -9`` at hundreds of moments and at every failpoint: nothing lost, nothing doubled, numbers agree.

The simulators live in this process and Syncline in another one, over real sockets and a real file.
What happened is counted from the simulators' ledgers; what was left is read from a copy of the file.
"""

from __future__ import annotations

import asyncio
import signal

import pytest
from tests.crash.stage import Stage, failpoints

from syncline.simulate import simulation

KILLS = 300
BETWEEN_MIN = 100
PASSAGES = (1, 2, 5)
DRAIN_S_MAX = 10.0
GAP_S = 0.3
SEED = 20_260_302

pytestmark = pytest.mark.crash


async def die_within_a_call(stage: Stage) -> None:
    """Kill at one of the next calls with an effect, before or after the effect, never answered."""
    left = stage.rng.randrange(1, 7)
    struck = asyncio.Event()

    def trigger(moment: str) -> None:
        nonlocal left
        left -= 1
        if not left and not struck.is_set():
            stage.strike()
            stage.deaths[f"in a call, {moment}"] += 1
            struck.set()

    with stage.aiming(trigger):
        try:
            await asyncio.wait_for(struck.wait(), 3.0)
        except TimeoutError:
            stage.strike()


async def die_anywhere(stage: Stage) -> None:
    """Kill at a moment that has nothing to do with anything, starting up included."""
    await asyncio.sleep(stage.rng.uniform(0.0, 0.7))
    stage.strike()
    stage.deaths["at a random moment"] += 1


@pytest.mark.timeout(600)
async def test_three_hundred_kills(tmp_path, record_property):
    async with Stage.open(tmp_path, SEED) as stage:
        kills = between = idle = 0
        await stage.introduce()
        async with stage.trading(GAP_S):
            while kills < KILLS:
                await (die_within_a_call if stage.rng.random() < 0.6 else die_anywhere)(stage)
                assert await stage.ended(5) == -signal.SIGKILL, stage.tail()
                remains = stage.remains()
                if remains.busy:
                    kills += 1
                else:
                    idle += 1
                between += remains.fresh > 0
                await stage.start()
            up_s = await stage.answers()
        settled_s = await stage.agree(60)
        await stage.rest(30)
        stage.strike(signal.SIGTERM)
        assert await stage.ended(DRAIN_S_MAX) == 0, stage.tail()
        stage.remains()
        assert between >= BETWEEN_MIN
        for moment, count in stage.deaths.items():
            record_property(f"total:crash:kills {moment}", count)
        truth = stage.world.trade.truth()
        record_property("total:crash:kills", kills)
        record_property("total:crash:kills between intent and result", between)
        record_property("total:crash:kills while idle, not counted", idle)
        record_property("total:crash:orders", truth.orders_placed)
        record_property("total:crash:shipments", truth.fulfilments_shipped)
        record_property("total:crash:calls", stage.shop.calls + stage.erp.calls)
        record_property("total:crash:events acknowledged", len(stage.acknowledged.events))
        record_property("total:crash:milliseconds from start to accepting", round(up_s * 1000))
        record_property("total:crash:seconds until all agreed", round(settled_s))


@pytest.mark.timeout(480)
async def test_a_kill_at_every_failpoint(tmp_path, record_property):
    async with Stage.open(tmp_path, SEED + 1) as stage:
        struck = 0
        await stage.introduce()
        stage.strike()
        await stage.ended(5)
        async with stage.trading(GAP_S):
            for name in failpoints():
                for passage in PASSAGES:
                    await stage.start(f"{name}:{passage}")
                    assert await stage.ended(15) == 137, (
                        f"{name} was not passed {passage} times\n{stage.tail()}"
                    )
                    stage.remains()
                    struck += 1
            await stage.start()
        await stage.agree(60)
        record_property("total:crash:kills at failpoints", struck)


async def test_sigterm_drains_and_a_second_process_is_refused(tmp_path):
    async with Stage.open(tmp_path, SEED + 2) as stage:
        await stage.introduce()
        stage.strike(signal.SIGTERM)
        assert await stage.ended(DRAIN_S_MAX) == 0
        async with stage.trading(GAP_S):
            for _ in range(5):
                first = await stage.start()
                await stage.answers()
                await asyncio.sleep(stage.rng.uniform(0.1, 0.8))

                await stage.start()
                assert await stage.ended(10) == 2
                assert f"in use by process {first}" in stage.tail()

                stage.pid = first
                stage.strike(signal.SIGTERM)
                began = stage.clock.monotonic()
                assert await stage.ended(DRAIN_S_MAX) == 0, stage.tail()
                assert stage.clock.monotonic() - began < DRAIN_S_MAX
                assert stage.remains().unfinished == 0, "a clean stop leaves no call without its result"
            await stage.start()
        await stage.agree(60)


def test_the_simulation_kills_at_every_failpoint_too():
    assert sorted(simulation.FAILPOINTS) == sorted(failpoints())
