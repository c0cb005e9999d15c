"""Keeping a lease while the store takes nothing for a while."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from tests.unit.support import play

from syncline.engine.leases import RENEWALS, TTL_MS, Lease
from syncline.model.errors import Fenced, OutcomeUnknown, Retryable, StoreBroken
from syncline.stores.sqlite import SqliteStore
from syncline.testing.store_tools import T0, put


class Clock:
    """Time that passes only where somebody sleeps, and ends the test at a moment."""

    def __init__(self, until_s):
        self.at_ms, self.until_ms = T0, T0 + until_s * 1000

    def now_ms(self):
        return self.at_ms

    def after(self, seconds, call):
        self.at_ms += round(seconds * 1000)
        if self.at_ms >= self.until_ms:
            raise asyncio.CancelledError
        call()
        return SimpleNamespace(cancel=lambda: None)


class Away:
    """A store that takes nothing between two moments."""

    def __init__(self, store, clock, since_s, until_s, error):
        self.store, self.clock, self.error = store, clock, error
        self.since_ms, self.until_ms = T0 + since_s * 1000, T0 + until_s * 1000
        self.asked = []

    async def write(self, *writes):
        self.asked.append(self.clock.now_ms())
        if self.since_ms <= self.clock.now_ms() < self.until_ms:
            raise self.error
        return await self.store.write(*writes)


@pytest.mark.parametrize(
    "error", [Retryable("it restarts"), OutcomeUnknown("it broke off")], ids=["away", "in doubt"]
)
async def test_a_lease_is_kept_over_a_store_that_takes_nothing_for_longer_than_it_lasts(error):
    clock = Clock(until_s=200)
    store = SqliteStore.open(":memory:", now_ms=T0)
    away = Away(store, clock, 15, 75, error)
    lease = Lease(away, clock, "apply", "me")
    await lease.take()
    with pytest.raises(asyncio.CancelledError):
        await lease.keep()
    tried = [at for at in away.asked if away.since_ms <= at < away.until_ms]
    assert 40 < len(tried) < 80, "about once a second, so that it is renewed as soon as that is possible"
    assert max(b - a for a, b in zip(away.asked, away.asked[1:], strict=False)) <= TTL_MS / RENEWALS
    rows = (await store.write(lease.guard))[0]
    assert rows == [(1,)], "ours as before: the fence is the first one"
    await store.close()


async def test_a_store_that_only_a_restart_can_mend_ends_whoever_keeps_a_lease():
    clock = Clock(until_s=200)
    store = SqliteStore.open(":memory:", now_ms=T0)
    lease = Lease(Away(store, clock, 15, 200, StoreBroken("disk I/O error")), clock, "apply", "me")
    await lease.take()
    with pytest.raises(StoreBroken):
        await lease.keep()
    await lease.drop()  # it runs out by itself
    await store.close()


async def test_a_lease_that_another_took_meanwhile_is_lost_all_the_same():
    clock = Clock(until_s=200)
    store = SqliteStore.open(":memory:", now_ms=T0)
    away = Away(store, clock, 5, 45, Retryable("it restarts"))
    lease = Lease(away, clock, "apply", "me")
    await lease.take()
    assert await put(store, "lease_take", name="apply", owner="you", now_ms=T0 + TTL_MS, ttl_ms=TTL_MS) == [
        (2,)
    ]
    with pytest.raises(Fenced):
        await lease.keep()
    assert clock.now_ms() == away.until_ms, "as soon as the store says so"
    await store.close()


async def test_letting_go_of_a_lease_needs_no_store():
    clock = Clock(until_s=200)
    store = SqliteStore.open(":memory:", now_ms=T0)
    lease = Lease(Away(store, clock, 1, 9, Retryable("it restarts")), clock, "apply", "me")
    await lease.take()
    clock.at_ms += 2_000
    await lease.drop()
    assert await put(store, "lease_take", name="apply", owner="you", now_ms=T0 + 2_000, ttl_ms=TTL_MS) == []
    assert await put(store, "lease_take", name="apply", owner="you", now_ms=T0 + TTL_MS, ttl_ms=TTL_MS) == [
        (2,)
    ]
    await store.close()


async def test_what_cannot_be_taken_back_is_done_only_while_the_lease_runs():
    """A process that stood still believes to have what another has taken meanwhile."""
    clock = Clock(until_s=2_000)
    store = SqliteStore.open(":memory:", now_ms=T0)
    away = Away(store, clock, 1_000, 1_000, None)
    lease = Lease(away, clock, "apply", "me")
    await lease.take()
    clock.at_ms += TTL_MS - 1
    await lease.sure()
    assert away.asked == [T0], "nothing is asked as long as it runs"
    clock.at_ms += 1
    await lease.sure()
    await lease.sure()
    assert away.asked == [T0, T0 + TTL_MS], "it was renewed, since nobody had taken it"
    clock.at_ms += TTL_MS
    away.error, away.since_ms, away.until_ms = OutcomeUnknown("it broke off"), clock.at_ms, clock.at_ms + 1
    with pytest.raises(Retryable):
        await lease.sure()
    clock.at_ms += 1
    await Lease(store, clock, "apply", "another").take()
    with pytest.raises(Fenced):
        await lease.sure()
    await store.close()


def test_whoever_is_refused_a_write_looks_at_once_whether_the_lease_is_lost():
    async def story(clock):
        store = SqliteStore.open(":memory:", now_ms=clock.now_ms())
        lease = Lease(store, clock, "apply", "me")
        await lease.take()
        keeping = asyncio.get_running_loop().create_task(lease.keep())
        await clock.sleep(1)
        await lease.drop()
        await Lease(store, clock, "apply", "another").take()
        await clock.sleep(1)
        assert not keeping.done()
        lease.look()
        await clock.sleep(0.001)
        assert isinstance(keeping.exception(), Fenced)

    play(story)
