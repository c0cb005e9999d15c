"""A backup by the command while the service trades, a death, a restore by the command, and both ledgers agree.

The simulators are served over real sockets; the commands are the installed ones, in processes of their own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from tests.crash.stage import ROOT, Stage

SEED = 20_261_121
GAP_S = 0.3
FORGOTTEN_S = 6.0

pytestmark = pytest.mark.crash


async def command(stage: Stage, *arguments: str) -> tuple[int, str]:
    """Run ``syncline`` beside the service, with the least configuration that it needs."""
    config = stage.folder / "syncline.toml"
    config.write_text('[store]\npath = "syncline.sqlite"\n', encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "syncline.cli",
        *arguments,
        "--config",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, said.decode()


@pytest.mark.timeout(480)
async def test_a_store_put_back_while_trade_goes_on(tmp_path, record_property):
    async with Stage.open(tmp_path, SEED) as stage:
        await stage.introduce()
        copy = str(tmp_path / "copy.sqlite")
        async with stage.trading(GAP_S):
            await asyncio.sleep(stage.rng.uniform(1.0, 3.0))
            status, said = await command(stage, "backup", "--to", copy)
            assert status == 0, said
            status, said = await command(stage, "restore", copy)
            assert status == 2 and "in use by process" in said
            known = set(stage.acknowledged.events)
            await asyncio.sleep(FORGOTTEN_S)
            stage.strike()
            assert await stage.ended(5) == -signal.SIGKILL
            forgotten = len(stage.acknowledged.events - known)
            assert forgotten > 0
            status, said = await command(stage, "restore", copy)
            assert status == 0, said
            assert "is kept as" in said
            stage.acknowledged.events.clear()
            stage._read_to = 0
            stage._logged.clear()
            await stage.start()
            await stage.answers()
            await asyncio.sleep(FORGOTTEN_S)
        settled_s = await stage.agree(90)
        effects = stage.world.erp.ledger.effects
        assert effects["salesOrder.put"] == len(stage.world.erp.sales_orders_by_external_id())
        assert effects["customerDeposit.put"] == len(stage.world.erp.deposits())
        await stage.rest(30)
        stage.strike(signal.SIGTERM)
        assert await stage.ended(10) == 0, stage.tail()
        record_property("total:restore:events forgotten by real processes", forgotten)
        record_property("total:restore:seconds until all agreed", round(settled_s))
