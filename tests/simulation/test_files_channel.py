"""Stock from one partner's files to another's, through the whole engine, with a death in between."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from tests.simulation.files_play import START_MS, only_death

from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.manifest import Column, Read, Write
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.severable import SeverableStore, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

SKUS = [f"SKU-{n}" for n in range(40)]


def read(kind: str, *fields: str, **more) -> Read:
    columns = tuple(Column(name, name=name) for name in fields)
    stamp = {"stamp": "name", "stamp_format": "%Y%m%d%H%M%S"}
    return Read(
        kind=kind, path=kind, pattern=f"{kind}_*.csv", complete="rename", columns=columns, **stamp, **more
    )


class Two:
    """A warehouse that leaves files, and a market that loads ours."""

    def __init__(self, root: Path, scope: str) -> None:
        self.root, self.scope = root, scope
        self.rng = Random(5)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.files = 0
        for path in ("erp/stock", "erp/items", "market/items", "market/out"):
            (root / path).mkdir(parents=True)

    def leave(self, path: str, *lines: str) -> None:
        self.files += 1
        kind = path.rpartition("/")[2]
        (self.root / path / f"{kind}_202603020800{self.files:02d}.csv").write_text("\n".join(lines) + "\n")

    def open(self) -> None:
        self.switch = Switch()
        numbers = Write(
            kind="stock",
            path="out",
            scope=self.scope,
            columns=tuple(Column(x, name=x) for x in ("sku", "location", "quantity")),
        )
        items = read("items", "sku", scope="full")
        settings = {
            "erp": FilesSettings(
                folder=str(self.root / "erp"),
                spool=str(self.root / "erp-spool"),
                reads=(read("stock", "sku", "location", "quantity", scope="full"), items),
            ),
            "market": FilesSettings(
                folder=str(self.root / "market"),
                spool=str(self.root / "market-spool"),
                reads=(items,),
                writes=(numbers,),
            ),
        }
        systems = [
            CONNECTOR.open(
                Opening(name, each, self.clock, Random(self.rng.getrandbits(64)), AsgiTransport({}))
            )
            for name, each in settings.items()
        ]
        route = Route(
            Flow.INVENTORY,
            "erp",
            "market",
            60_000,
            locations={"MAIN": "M"},
            poll_interval_ms=60_000,
            guard_cut_share=Decimal("0.3"),
        )
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            systems=systems,
            routes=Routes([route]),
            owner="embedded",
        )
        self.running = self.loop.create_task(self.engine.run())

    async def kill(self) -> None:
        self.switch.cut = True
        tasks = [self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            only_death(result)

    def shown(self) -> dict[str, str]:
        """What the market shows, having loaded every file in the order of their names."""
        found = {}
        for path in sorted((self.root / "market" / "out").glob("stock-*.csv")):
            for line in path.read_text().splitlines()[1:]:
                sku, _, number = line.split(",")
                found[sku] = number
        return found


@pytest.mark.parametrize("scope", ["delta", "full"])
def test_numbers_of_one_partner_reach_the_other(tmp_path, scope):
    two = Two(tmp_path, scope)

    def stock(**other: int) -> None:
        rows = [f"{sku},MAIN,{other.get(sku.replace('-', ''), 10)}" for sku in SKUS]
        two.leave("erp/stock", "sku,location,quantity", *rows)

    async def story() -> None:
        two.leave("erp/items", "sku", *SKUS)
        two.leave("market/items", "sku", *SKUS[:30])
        stock()
        two.open()
        await two.clock.sleep(900.0)
        assert two.shown() == dict.fromkeys(SKUS[:30], "10")
        stock(SKU3=2, SKU4=0, SKU35=1)
        await two.clock.sleep(20.0)
        await two.kill()
        two.open()
        await two.clock.sleep(900.0)
        assert two.shown() == {**dict.fromkeys(SKUS[:30], "10"), "SKU-3": "2", "SKU-4": "0"}
        files = len(list((two.root / "market" / "out").iterdir()))
        await two.clock.sleep(3_600.0)
        assert len(list((two.root / "market" / "out").iterdir())) == files, (
            "nothing changed, so nothing is written"
        )
        assert files < 8, "numbers travel together"
        assert await two.store.read("parked_open", after=0, limit=5) == []
        await two.kill()

    try:
        two.loop.run_until_complete(story())
    finally:
        two.loop.close()
