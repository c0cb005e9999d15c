from __future__ import annotations

import asyncio
import gc
import selectors

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.support import START_MS, play

from syncline.simulate.clock import SWEEP_MIN, VirtualClock, VirtualLoop


@given(st.lists(st.integers(0, 10**7), max_size=40))
def test_sleepers_wake_in_order_of_time_the_same_way_each_run(delays):
    async def story(clock):
        woken = []

        async def one(number: int, delay_ms: int) -> None:
            await clock.sleep(delay_ms / 1000)
            woken.append((number, clock.now_ms() - START_MS))

        await asyncio.gather(*(one(number, delay) for number, delay in enumerate(delays)))
        return woken

    woken = play(story)
    assert woken == play(story)
    assert sorted(number for number, _ in woken) == list(range(len(delays)))
    assert [delays[number] for number, _ in woken] == sorted(delays)
    assert all(at == delays[number] for number, at in woken)


def test_a_year_passes_at_once_and_exactly():
    async def story(clock):
        for _ in range(365):
            await clock.sleep(86_400)
        return clock.now_ms(), clock.monotonic()

    now_ms, monotonic = play(story)
    assert now_ms == START_MS + 365 * 86_400_000
    assert monotonic == pytest.approx(365 * 86_400)


def test_time_does_not_pass_while_there_is_something_to_do():
    async def story(clock):
        before = clock.now_ms()
        for _ in range(1_000):
            await clock.sleep(0)
        await clock.sleep(-5)
        return clock.now_ms() - before

    assert play(story) == 0


def test_what_nobody_will_ever_wake_is_an_error_and_not_a_hang():
    async def story(clock):
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="stand still for ever"):
        play(story)


def test_an_event_that_is_set_in_time_is_no_deadlock():
    async def story(clock):
        event = asyncio.Event()

        async def later() -> None:
            await clock.sleep(3)
            event.set()

        task = asyncio.ensure_future(later())
        await event.wait()
        await task
        return clock.monotonic()

    assert play(story) == pytest.approx(3)


def test_two_loops_have_clocks_of_their_own():
    loops = [VirtualLoop(1_000), VirtualLoop(5_000)]
    clocks = [VirtualClock(loop) for loop in loops]
    loops[0].run_until_complete(clocks[0].sleep(2))
    assert [clock.now_ms() for clock in clocks] == [3_000, 5_000]
    for loop in loops:
        loop.close()


def test_a_timer_calls_back_in_its_time_unless_it_was_cancelled():
    async def story(clock):
        began_ms, called = clock.now_ms(), []
        for seconds in (2.0, 1.0, -1.0):
            clock.after(seconds, lambda: called.append(clock.now_ms() - began_ms))
        clock.after(1.5, lambda: called.append("cancelled")).cancel()
        await clock.sleep(3.0)
        return called

    assert play(story) == [0, 1_000, 2_000]


class Jumps(selectors.SelectSelector):
    """Lets the loop of asyncio itself jump to its next timer."""

    def select(self, timeout=None):
        self.loop.at_s += max(0.0, timeout or 0.0)
        return []


class Asyncio(asyncio.SelectorEventLoop):
    def __init__(self):
        selector = Jumps()
        super().__init__(selector)
        selector.loop = self
        self.at_s = 0.0

    def time(self):
        return self.at_s


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=1, max_size=300))
def test_what_is_due_at_once_comes_in_the_order_of_asyncio(timers):
    """Timers of one moment, cancelled ones between them, and what those that came ask for next."""

    def told(loop):
        said = []

        def due(number, again):
            said.append(number)
            if again:
                loop.call_later(again, due, number + 1_000, again - 1)
                loop.call_soon(said.append, -number)

        handles = [loop.call_later(at, due, number, again) for number, (at, _, again) in enumerate(timers)]
        for handle, (_, cancelled, _) in zip(handles, timers, strict=True):
            if cancelled:
                handle.cancel()
        loop.call_later(20, loop.stop)
        try:
            loop.run_forever()
        finally:
            loop.close()
        return said

    assert told(VirtualLoop(0)) == told(Asyncio())


def test_an_asynchronous_generator_that_nobody_ends_is_closed_on_the_loop():
    async def story(clock):
        closed = []

        async def numbers():
            try:
                yield 1
                yield 2
            finally:
                await clock.sleep(1)
                closed.append(clock.monotonic())

        async for _ in numbers():
            break
        gc.collect()
        await clock.sleep(5)
        return closed

    assert play(story) == [1]


def test_a_closed_loop_takes_nothing():
    loop = VirtualLoop(0)
    loop.close()
    for call in (lambda: loop.call_soon(print), lambda: loop.call_later(1, print)):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_a_callback_that_fails_is_told_and_the_loop_goes_on():
    async def story(clock):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, said: told.append(said["exception"]))
        clock.after(1, lambda: 1 // 0)
        await clock.sleep(2)
        return told

    (error,) = play(story)
    assert isinstance(error, ZeroDivisionError)


def test_a_timer_that_was_cancelled_moves_no_clock():
    loop = VirtualLoop(START_MS)
    try:
        loop.call_later(50, print).cancel()
        with pytest.raises(RuntimeError, match="stand still"):
            loop.run_until_complete(loop.create_future())
        assert loop.time() == 0
    finally:
        loop.close()


def test_timers_that_were_cancelled_do_not_pile_up():
    """Every call has a deadline that is hardly ever reached: of a year's millions few may be kept at a time."""

    async def story(clock):
        loop = asyncio.get_running_loop()
        loop.call_later(1_800, print)  # with nothing before them they would go by themselves
        most = 0
        for _ in range(20 * SWEEP_MIN):
            loop.call_later(3_600, print).cancel()
            await clock.sleep(0.001)
            most = max(most, len(loop._timers))
        return most

    assert play(story) <= SWEEP_MIN + 2


@given(st.randoms(use_true_random=False))
def test_timers_that_stay_keep_their_order_when_most_are_cancelled(rng):
    async def story(clock):
        loop = asyncio.get_running_loop()
        fired: list[int] = []
        due = [rng.randrange(1, 1_000) for _ in range(4 * SWEEP_MIN)]
        timers = [loop.call_later(at_s, fired.append, at_s) for at_s in due]
        cancelled = set(rng.sample(range(len(due)), 3 * SWEEP_MIN))
        for place in cancelled:
            timers[place].cancel()
        await clock.sleep(1_000)
        return fired, sorted(at_s for place, at_s in enumerate(due) if place not in cancelled)

    fired, expected = play(story)
    assert fired == expected
