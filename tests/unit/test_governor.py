"""Rate governors under random use, on virtual time, against the vendor's own bookkeeping."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.support import play

from syncline.sdk import governor as governors
from syncline.sdk.governor import ConcurrencySlots, CostBucket, RatedSlots


class VendorBucket:
    """A vendor's bucket: it refuses what is not there."""

    def __init__(self, clock, capacity: float, restore: float) -> None:
        self.clock, self.capacity, self.restore = clock, capacity, restore
        self.level, self.at = capacity, clock.monotonic()
        self.refused = 0

    def _refill(self) -> None:
        now = self.clock.monotonic()
        self.level = min(self.capacity, self.level + (now - self.at) * self.restore)
        self.at = now

    def take(self, cost: float) -> bool:
        self._refill()
        if cost > self.level + 1e-6:
            self.refused += 1
            return False
        self.level -= cost
        return True

    def give_back(self, cost: float) -> None:
        self._refill()
        self.level = min(self.capacity, self.level + cost)


async def together(*work) -> None:
    await asyncio.gather(*work)


# --- slots ---------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(1, 9), st.sampled_from([0.0, 0.2, 0.5]), st.integers(0, 2**32))
def test_slots_are_never_exceeded_and_everybody_gets_one(slots, reserve, seed):
    async def story(clock):
        rng = Random(seed)
        gate = ConcurrencySlots(clock, slots, reserve=reserve)
        running = {True: 0, False: 0}
        most = {"all": 0, "ordinary": 0}
        done = []

        async def call(number: int) -> None:
            await clock.sleep(rng.uniform(0, 5))
            urgent = rng.random() < 0.3
            if rng.random() < 0.2:
                await gate.ready(urgent=urgent)
            await gate.acquire(urgent=urgent)
            running[urgent] += 1
            most["all"] = max(most["all"], sum(running.values()))
            most["ordinary"] = max(most["ordinary"], running[False])
            await clock.sleep(rng.uniform(0, 2))
            running[urgent] -= 1
            gate.release(urgent=urgent)
            if rng.random() < 0.05:
                gate.pause(rng.uniform(0, 3))
            done.append(number)

        await together(*(call(number) for number in range(60)))
        assert len(done) == 60
        assert most["all"] <= slots
        kept = min(slots - 1, max(1, round(slots * reserve))) if reserve else 0
        assert most["ordinary"] <= slots - kept
        assert gate.usage()["calls"] == 60
        assert gate.usage()["in_use"] == 0

    play(story)


def test_a_share_of_the_slots_is_kept_for_urgent_calls():
    async def story(clock):
        gate = ConcurrencySlots(clock, 5, reserve=0.2)
        for _ in range(4):
            await gate.acquire()
        waiting = asyncio.ensure_future(gate.acquire())
        await clock.sleep(10)
        assert not waiting.done()
        await gate.acquire(urgent=True)
        assert gate.usage()["in_use"] == 5
        gate.release(urgent=True)
        await clock.sleep(1)
        assert not waiting.done()
        gate.release()
        await waiting

    play(story)


def test_a_stream_of_urgent_calls_leaves_every_fourth_to_the_others():
    """Orders queue up while a system is down; a read of it must not wait until all of them are through."""

    async def story(clock):
        gate = ConcurrencySlots(clock, 2, reserve=0.5)
        order: list[str] = []

        async def call(name: str) -> None:
            urgent = name == "order"
            await gate.acquire(urgent=urgent)
            order.append(name)
            await clock.sleep(1)
            gate.release(urgent=urgent)

        await together(*(call(name) for name in ["order"] * 12 + ["read"] * 3))
        assert order.count("read") == 3
        assert [at for at, name in enumerate(order) if name == "read"] == [5, 9, 13]

    play(story)


def test_an_ordinary_turn_that_nobody_can_take_holds_no_urgent_call_up():
    """The ordinary calls hold all that they may, and one more waits: the urgent share is there for every urgent call."""

    async def story(clock):
        gate = ConcurrencySlots(clock, 5, reserve=0.2)
        for _ in range(4):
            await gate.acquire()
        waiting = asyncio.ensure_future(gate.acquire())
        await clock.sleep(1)
        for _ in range(9):
            order = asyncio.ensure_future(gate.acquire(urgent=True))
            await clock.sleep(1)
            assert order.done()
            gate.release(urgent=True)
        assert not waiting.done()
        gate.release()
        await waiting

    play(story)


def test_urgent_waiters_go_first_then_first_come():
    async def story(clock):
        gate = ConcurrencySlots(clock, 1, reserve=0)
        await gate.acquire()
        order: list[str] = []

        async def call(name: str, *, urgent: bool = False) -> None:
            await gate.acquire(urgent=urgent)
            order.append(name)
            await clock.sleep(1)
            gate.release(urgent=urgent)

        calls = [asyncio.ensure_future(call(name)) for name in ("a", "b")]
        calls.append(asyncio.ensure_future(call("urgent", urgent=True)))
        await clock.sleep(1)
        gate.release()
        await together(*calls)
        assert order == ["urgent", "a", "b"]

    play(story)


def test_a_cancelled_waiter_hands_its_turn_on():
    async def story(clock):
        gate = ConcurrencySlots(clock, 1, reserve=0)
        await gate.acquire()
        first, second = (asyncio.ensure_future(gate.acquire()) for _ in range(2))
        await clock.sleep(1)
        gate.release()  # wakes the first
        first.cancel()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first

    play(story)


def test_a_queue_of_waiters_has_an_end(monkeypatch):
    monkeypatch.setattr(governors, "WAITERS_MAX", 3)

    async def story(clock):
        gate = ConcurrencySlots(clock, 1)
        await gate.acquire()
        waiting = [asyncio.ensure_future(gate.acquire()) for _ in range(3)]
        await clock.sleep(1)
        with pytest.raises(RuntimeError, match="more than 3 calls wait"):
            await gate.acquire()
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    play(story)


# --- points --------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(st.sampled_from([(100, 10), (2000, 100), (40, 2)]), st.sampled_from([0.0, 0.2]), st.integers(0, 2**32))
def test_a_bucket_is_never_overdrawn_at_the_vendor(size, reserve, seed):
    capacity, restore = size

    async def story(clock):
        rng = Random(seed)
        gate = CostBucket(clock, capacity=capacity, restore_per_s=restore, reserve=reserve)
        vendor = VendorBucket(clock, capacity, restore)

        async def call() -> None:
            await clock.sleep(rng.uniform(0, 20))
            cost = rng.randint(1, capacity // 2)
            await gate.acquire(cost, urgent=rng.random() < 0.3)
            assert vendor.take(cost)
            await clock.sleep(rng.uniform(0, 1))
            spent = rng.choice([None, rng.uniform(0, cost)])
            if spent is not None:
                vendor.give_back(cost - spent)
            gate.settle(cost, spent, vendor.level if rng.random() < 0.5 else None)

        await together(*(call() for _ in range(30)))
        assert not vendor.refused
        assert gate.usage()["calls"] == 30

    play(story)


def test_what_was_not_used_is_given_back():
    async def story(clock):
        gate = CostBucket(clock, capacity=100, restore_per_s=1)
        await gate.acquire(80, urgent=True)
        gate.settle(80, 10)
        assert gate.usage()["in_use"] == pytest.approx(10)
        began = clock.monotonic()
        await gate.acquire(70)
        assert clock.monotonic() == began

    play(story)


def test_the_vendors_own_statement_counts_where_it_is_lower():
    async def story(clock):
        gate = CostBucket(clock, capacity=100, restore_per_s=1, reserve=0)
        await gate.acquire(10)
        gate.settle(10, 10, available=30)  # somebody else uses the same budget
        assert gate.usage()["in_use"] == pytest.approx(70)
        began = clock.monotonic()
        await gate.acquire(40)
        assert clock.monotonic() - began == pytest.approx(10, abs=0.1)

    play(story)


def test_calls_in_flight_are_taken_off_the_vendors_statement():
    async def story(clock):
        gate = CostBucket(clock, capacity=100, restore_per_s=1, reserve=0)
        await gate.acquire(10)
        await gate.acquire(20)  # not at the vendor yet
        gate.settle(10, 10, available=50)
        assert gate.usage()["in_use"] == pytest.approx(100 - (50 - 20))

    play(story)


def test_who_starts_does_not_know_what_is_left_and_asks_with_one_call():
    """The process before may have spent everything a moment ago."""

    async def story(clock):
        gate = CostBucket(clock, capacity=100, restore_per_s=1, reserve=0, answers_tell=True)
        await gate.acquire(10)
        others = [asyncio.ensure_future(gate.acquire(10)) for _ in range(3)]
        await clock.sleep(5)
        assert [one.done() for one in others] == [False, False, False]
        gate.settle(10, None)  # no answer: the next one asks, alone again
        await clock.sleep(1)
        assert sum(one.done() for one in others) == 1
        gate.settle(10, 10, available=15)
        await clock.sleep(1)
        assert sum(one.done() for one in others) == 2
        gate.settle(10, 10, available=5)
        await clock.sleep(2)
        assert sum(one.done() for one in others) == 2
        await clock.sleep(5)
        assert all(one.done() for one in others)

    play(story)


def test_a_share_of_the_points_is_kept_for_urgent_calls():
    async def story(clock):
        gate = CostBucket(clock, capacity=100, restore_per_s=10, reserve=0.2)
        await gate.acquire(80)
        began = clock.monotonic()
        ordinary = asyncio.ensure_future(gate.acquire(10))
        await gate.acquire(15, urgent=True)
        assert clock.monotonic() == began
        await ordinary
        assert clock.monotonic() - began == pytest.approx(2.5, abs=0.05)

    play(story)


def test_a_call_dearer_than_the_unreserved_share_is_let_through_when_the_bucket_is_full():
    async def story(clock):
        gate = CostBucket(clock, capacity=100, restore_per_s=10, reserve=0.2)
        await gate.acquire(100)
        with pytest.raises(ValueError, match="never fits"):
            await gate.acquire(101)

    play(story)


def test_a_plan_change_is_adopted():
    async def story(clock):
        gate = CostBucket(clock, capacity=100, restore_per_s=10)
        gate.observe(capacity=2000, restore_per_s=100)
        await clock.sleep(60)
        await gate.acquire(1500)
        gate.observe(capacity=0, restore_per_s=0)  # no statement
        assert gate.usage()["limit"] == 2000

    play(story)


@pytest.mark.parametrize(
    "make", [lambda c: ConcurrencySlots(c, 4), lambda c: CostBucket(c, capacity=9, restore_per_s=9)]
)
def test_a_pause_holds_everybody_back(make):
    async def story(clock):
        gate = make(clock)
        began, now = clock.monotonic(), clock.now_ms()
        gate.pause(7.5)
        gate.pause(2.0)  # a shorter one does not end the longer one
        assert gate.throttled_until_ms >= now + 2000
        await gate.ready(urgent=True)
        assert clock.monotonic() - began == pytest.approx(7.5)
        assert gate.usage()["throttled"] == 2
        assert gate.usage()["waited_s"] == pytest.approx(7.5)

    play(story)


@pytest.mark.parametrize("reserve", [-0.1, 1.0, 2.0])
def test_a_reserve_that_leaves_nothing_is_refused(reserve):
    async def story(clock):
        with pytest.raises(ValueError, match="reserve"):
            ConcurrencySlots(clock, 4, reserve=reserve)
        with pytest.raises(ValueError, match="reserve"):
            CostBucket(clock, capacity=4, restore_per_s=1, reserve=reserve)

    play(story)


def test_limits_of_nothing_are_refused():
    async def story(clock):
        with pytest.raises(ValueError, match="slots"):
            ConcurrencySlots(clock, 0)
        for capacity, restore in ((0, 1), (1, 0)):
            with pytest.raises(ValueError, match="above 0"):
                CostBucket(clock, capacity=capacity, restore_per_s=restore)

    play(story)


# --- slots and a window --------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(20, 200), st.integers(0, 2**32))
def test_a_window_of_calls_is_kept_wherever_it_begins(slots, calls, seed):
    async def story(clock):
        rng = Random(seed)
        gate = RatedSlots(clock, slots=slots, calls=calls, window_s=60.0)
        made: list[tuple[float, int]] = []
        running, most = 0, 0

        async def call() -> None:
            nonlocal running, most
            await clock.sleep(rng.uniform(0, 20))
            cost = rng.randint(1, max(1, calls // 20))
            urgent = rng.random() < 0.3
            await gate.acquire(cost, urgent=urgent)
            made.append((clock.monotonic(), cost))
            running += 1
            most = max(most, running)
            await clock.sleep(rng.uniform(0, 0.2))
            running -= 1
            gate.release(urgent=urgent)

        await together(*(call() for _ in range(calls)))
        assert gate.usage()["calls"] == calls == len(made)
        assert most <= slots
        for begin, _ in made:
            assert sum(cost for at, cost in made if begin <= at < begin + 60.0) <= calls

    play(story)


def test_what_can_never_be_paid_and_limits_that_are_none_are_refused():
    async def story(clock):
        gate = RatedSlots(clock, slots=1, calls=100, window_s=60.0)
        with pytest.raises(ValueError, match="never fits"):
            await gate.acquire(11)
        for wrong in ({"slots": 0}, {"calls": 9}, {"window_s": 0}):
            with pytest.raises(ValueError, match="at least"):
                RatedSlots(clock, **{"slots": 1, "calls": 100, "window_s": 60.0, **wrong})

    play(story)


def test_an_urgent_call_finds_a_slot_that_others_may_not_take():
    async def story(clock):
        gate = RatedSlots(clock, slots=2, calls=600, window_s=60.0)
        await gate.acquire()
        waiting = asyncio.create_task(gate.acquire())
        await clock.sleep(1)
        assert not waiting.done()
        await gate.ready(urgent=True)
        await gate.acquire(urgent=True)
        assert gate.usage()["in_use"] == 2
        gate.release(urgent=True)
        gate.release()
        await waiting
        assert gate.usage()["waited_s"] > 0

    play(story)
