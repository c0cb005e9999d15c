"""Stopping in the middle of calls, and a disk that fills: real processes, real signals, a real file system."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest
from tests.crash.disk import full_for_a_while, mounted
from tests.crash.stage import Stage

SEED = 20_261_122
DRAIN_S_MAX = 10.0
LONG_MS = (60_000.0, 60_000.0)
GAP_S = 0.3
DISK_MB = 96

pytestmark = pytest.mark.crash


@contextlib.contextmanager
def slow_erp(stage: Stage):
    """The ERP takes a minute to answer whatever writes."""
    usual = stage.world.erp.record_ms
    stage.world.erp.record_ms = LONG_MS
    try:
        yield
    finally:
        stage.world.erp.record_ms = usual


async def call_under_way(stage: Stage) -> None:
    stage.world.trade.place(next(stage.orders))
    for _ in range(100):
        if stage.remains().unfinished:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"no call began:\n{stage.tail()}")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_waits_ten_seconds_at_most_and_loses_no_call(tmp_path, number):
    async with Stage.open(tmp_path, SEED) as stage:
        await stage.introduce()
        with slow_erp(stage):
            await call_under_way(stage)
            stage.strike(number)
            assert await stage.ended(DRAIN_S_MAX) == 0, stage.tail()
        assert stage.remains().unfinished == 1, "nobody knows what became of it: that is kept"
        await stage.start()
        await stage.agree(60)


@pytest.mark.timeout(120)
async def test_a_second_signal_ends_at_once(tmp_path):
    async with Stage.open(tmp_path, SEED) as stage:
        await stage.introduce()
        with slow_erp(stage):
            await call_under_way(stage)
            stage.strike(signal.SIGTERM)
            await asyncio.sleep(0.5)
            stage.strike(signal.SIGINT)
            assert await stage.ended(DRAIN_S_MAX) == 128 + signal.SIGINT, (
                "a clean stop would have ended with 0"
            )
        assert stage.remains().unfinished == 1
        await stage.start()
        await stage.agree(60)


@pytest.mark.timeout(180)
async def test_a_full_disk_refuses_and_resumes_by_itself(tmp_path):
    """Even the log is on the full disk."""
    with mounted(tmp_path / "disk", DISK_MB) as small_disk:
        async with Stage.open(small_disk, SEED) as stage:
            await stage.introduce()
            first = stage.pid
            async with stage.trading(GAP_S):
                await asyncio.sleep(1.0)
                await full_for_a_while(stage, small_disk)
            await stage.agree(90)
            assert stage.pid == first
            stage.strike(signal.SIGTERM)
            assert await stage.ended(DRAIN_S_MAX) == 0, stage.tail()
            stage.remains()
