"""What waits is judged by how quick a lane is now, not by how it was since the process began."""

from __future__ import annotations

import asyncio

from tests.unit.support import START_MS, play
from tests.web.support import make_engine

from syncline.engine.delivery.pace import EVERY_S, WINDOW_S, Pace
from syncline.engine.status import status
from syncline.model.copying import replace
from syncline.ports import Write
from syncline.sdk.governor import ConcurrencySlots

ROUTE = "orders:shop->erp"
LOOK_S = 10.0


async def lane_through(clock, *phases: tuple[float, float]) -> list[int]:
    """Queue times at the end of each phase (how long it lasts, how long each call holds the only slot)."""
    engine = await make_engine(clock)
    slots = ConcurrencySlots(clock, 1, reserve=0)
    engine.systems["erp"] = replace(engine.systems["erp"], governor=slots)
    engine.lanes["erp"].system = engine.systems["erp"]
    row = {"system": "erp", "operation": "put_order", "route": ROUTE, "changed_at_ms": START_MS}
    row |= {"deliver_by_ms": START_MS, "not_before_ms": START_MS, "now_ms": START_MS}
    await engine.store.write(Write("delivery_fact", [{**row, "key": f"{n}\x1f1"} for n in range(1_001)]))
    queued = []

    async def call(held_s: float) -> None:
        await slots.acquire()
        await clock.sleep(held_s)
        slots.release()

    for lasts_s, held_s in phases:
        until_s, calls = clock.monotonic() + lasts_s, set()
        while clock.monotonic() < until_s:
            for _ in range(2):
                task = asyncio.get_running_loop().create_task(call(held_s))
                calls.add(task)
            await clock.sleep(LOOK_S)
            (now,) = [
                one.queue_ms for one in (await status(engine, clock.now_ms())).routes if one.name == ROUTE
            ]
        queued.append(now)
        await asyncio.gather(*calls)
    await engine.store.close()
    return queued


QUICK, SLOW = 0.01, 4.0


def test_a_lane_that_recovered_reads_as_recovered_and_one_that_became_slow_as_slow():
    quick, slow, again = play(
        lambda clock: lane_through(clock, (7_200, QUICK), (WINDOW_S + 60, SLOW), (WINDOW_S + 60, QUICK))
    )
    # Ten calls of a hundred each come before the last: by the assumed second a call, or by what calls wait for the slot.
    assert (quick, again) == (10_000, 10_000)
    assert slow == 10 * 1_000 * SLOW / 2


def test_a_limit_that_lets_nothing_through_shows_while_it_lasts():
    async def story(clock):
        slots = ConcurrencySlots(clock, 1, reserve=0)
        await slots.acquire()
        waiting = [asyncio.get_running_loop().create_task(slots.acquire()) for _ in range(2)]
        await clock.sleep(30)
        seen = slots.usage()["waited_s"]
        waiting[1].cancel()
        await asyncio.gather(waiting[1], return_exceptions=True)
        await clock.sleep(30)
        slots.release()
        await waiting[0]
        await clock.sleep(60)
        return seen, slots.usage()["waited_s"]

    assert play(story) == (60, 90)


def test_the_pace_is_that_of_the_window():
    pace = Pace(0.0)
    pace.look(10.0, 10, 100.0)
    assert pace.wait_s == 10.0
    for n in range(1, 101):
        pace.look(10.0 + n * EVERY_S, 10 + n, 100.0)
    assert pace.wait_s == 0.0
    assert len(pace._looks) <= WINDOW_S / EVERY_S + 2


def test_looks_that_come_close_together_take_no_more_room():
    pace = Pace(0.0)
    for n in range(10_000):
        pace.look(n / 10, n, n / 10)
    assert len(pace._looks) <= WINDOW_S / EVERY_S + 2
    assert round(pace.wait_s, 3) == 0.1
