"""From one partner's files to another's, through the whole engine, with a death in between: stock, and orders with their money."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
from msgspec import structs
from tests.simulation.files_play import START_MS, only_death

from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.declared import Column, Read, Write
from syncline.engine.engine import Engine
from syncline.engine.reconcile.differences import Cause
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.copying import replace as copied
from syncline.model.errors import Misconfigured
from syncline.model.products import ProductRules
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.disagree import prove
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

    folders: tuple[str, ...] = ("erp/stock", "erp/items", "market/items", "market/out")

    def __init__(self, root: Path, scope: str = "delta") -> None:
        self.root, self.scope = root, scope
        self.rng = Random(5)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.files = 0
        for path in self.folders:
            (root / path).mkdir(parents=True)

    def leave(self, path: str, *lines: str) -> None:
        self.files += 1
        kind = path.rpartition("/")[2]
        (self.root / path / f"{kind}_202603020800{self.files:02d}.csv").write_text("\n".join(lines) + "\n")

    def settings(self) -> dict[str, FilesSettings]:
        numbers = Write(
            kind="stock",
            path="out",
            scope=self.scope,
            columns=tuple(Column(x, name=x) for x in ("sku", "location", "quantity")),
        )
        items = read("items", "sku", scope="full")
        return {
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

    def routes(self) -> list[Route]:
        stock = Route(
            Flow.INVENTORY,
            "erp",
            "market",
            60_000,
            locations={"MAIN": "M"},
            poll_interval_ms=60_000,
            guard_cut_share=Decimal("0.3"),
        )
        return [stock]

    def open(self) -> None:
        self.switch = Switch()
        systems = [
            CONNECTOR.open(
                Opening(name, each, self.clock, Random(self.rng.getrandbits(64)), AsgiTransport({}))
            )
            for name, each in self.settings().items()
        ]
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            systems=systems,
            routes=Routes(self.routes()),
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


class Showing(Two):
    """A market that leaves a file of what it shows, too."""

    folders = (*Two.folders, "market/shown")

    def settings(self) -> dict[str, FilesSettings]:
        found = super().settings()
        said = read("shown", "sku", "location", "quantity", scope="full", lead_s=60)
        market = found["market"]
        return {**found, "market": structs.replace(market, reads=(*market.reads, said))}

    def show(self, **other: str) -> None:
        """What it shows at this moment: what it has loaded of ours, but for some."""
        numbers = self.shown() | {f"SKU-{name[3:]}": number for name, number in other.items()}
        rows = [f"{sku},M,{number}" for sku, number in numbers.items() if number]
        now = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC)
        path = self.root / "market" / "shown" / f"shown_{now:%Y%m%d%H%M%S}.csv"
        path.write_text("\n".join(["sku,location,quantity", *rows, ""]))


def test_what_a_channel_shows_is_proved_by_its_file_and_mended(tmp_path):
    """Named is what was planted and nothing else; and a file from before a number was written says nothing of it."""
    two = Showing(tmp_path)
    route = "inventory:erp->market"

    async def proved(*, dry_run: bool = True) -> set[tuple[str, str]]:
        found, why = await prove(two.engine.reconciler, two.store, two.clock, dry_run=dry_run)
        assert why == ""
        return {(key.partition("\x1f")[0], cause) for key, cause in found}

    async def story() -> None:
        two.leave("erp/items", "sku", *SKUS)
        two.leave("market/items", "sku", *SKUS[:30])
        two.leave("erp/stock", "sku,location,quantity", *(f"{sku},MAIN,10" for sku in SKUS))
        two.open()
        await two.clock.sleep(900.0)
        assert two.engine.reconciler.impossible(two.engine.routes.named(route)) == ""
        two.show()
        assert await proved() == set()
        assert two.engine.reconciler.latest[route].rows == 30
        await two.clock.sleep(900.0)
        two.show(SKU3="14", SKU5="")
        planted = {("SKU-3", Cause.CHANGED_AT_CHANNEL), ("SKU-5", Cause.UNMAPPED)}
        assert await proved() == planted
        files = len(list((two.root / "market" / "out").iterdir()))
        assert await proved(dry_run=False) == planted
        await two.clock.sleep(900.0)
        written = sorted((two.root / "market" / "out").iterdir())[files:]
        assert [path.read_text().splitlines()[1:] for path in written] == [["SKU-3,M,10"]]
        # The file is older than what was written: of SKU-3 it says nothing any more.
        assert await proved() == {("SKU-5", Cause.UNMAPPED)}
        two.show()
        assert await proved() == set()
        await two.kill()

    try:
        two.loop.run_until_complete(story())
    finally:
        two.loop.close()


def test_without_such_a_file_a_proof_says_that_nothing_tells(tmp_path):
    two = Two(tmp_path)

    async def story() -> None:
        two.open()
        (route,) = two.engine.routes.all
        assert two.engine.reconciler.impossible(route) == "market does not offer to list what it shows"
        await two.kill()

    try:
        two.loop.run_until_complete(story())
    finally:
        two.loop.close()


# --- orders, and money in files of its own --------------------------------------------------------


def write(kind: str, *fields: str) -> Write:
    return Write(kind=kind, path=kind, columns=tuple(Column(name, name=name) for name in fields))


class Paid(Two):
    """A market that leaves its orders, and what was paid and given back for them, each in files of its own."""

    folders = (
        *(f"erp/{name}" for name in ("items", "orders", "payments", "refunds")),
        *(f"market/{name}" for name in ("items", "orders", "payments", "refunds")),
    )
    headers: ClassVar[dict[str, str]] = {
        "orders": "reference,revision,currency,line,sku,quantity,unit_price",
        "payments": "reference,payment,amount",
        "refunds": "reference,refund,amount,sku,quantity,restocked",
    }

    def settings(self) -> dict[str, FilesSettings]:
        items = read("items", "sku", scope="full")
        told = tuple(read(kind, *fields.split(",")) for kind, fields in self.headers.items())
        booked = (
            write("orders", "reference", "action", "revision", "sku", "quantity"),
            write("payments", "reference", "order", "amount", "payment"),
            write("refunds", "reference", "order", "amount", "refund", "sku", "quantity", "restocked"),
        )
        return {
            name: FilesSettings(
                folder=str(self.root / name),
                spool=str(self.root / f"{name}-spool"),
                reads=reads,
                writes=writes,
            )
            for name, reads, writes in (("erp", (items,), booked), ("market", (items, *told), ()))
        }

    def routes(self) -> list[Route]:
        return [Route(Flow.ORDERS, "market", "erp", 60_000, poll_interval_ms=60_000)]

    def tell(self, kind: str, *rows: str) -> None:
        self.leave(f"market/{kind}", self.headers[kind], *rows)

    def booked(self, kind: str) -> list[list[str]]:
        """What the ERP was left, a row for each."""
        files = sorted((self.root / "erp" / kind).glob("*.csv"))
        return [row.split(",") for path in files for row in path.read_text().splitlines()[1:]]


def test_money_that_comes_in_files_of_its_own_reaches_the_erp_once(tmp_path):
    """Money before its order and after it, told twice, and the process ends between its being taken and its being told."""
    play = Paid(tmp_path)

    async def story() -> None:
        play.leave("erp/items", "sku", *SKUS)
        play.leave("market/items", "sku", *SKUS)
        play.tell("payments", "M-1,P1,20.00", "M-2,P1,7.50")
        play.open()
        await play.clock.sleep(200.0)
        assert not play.booked("payments"), "their orders have not come"
        play.tell("orders", *(f"M-{n},1,GBP,1,SKU-{n},2,10.00" for n in (1, 2)))
        await play.clock.sleep(30.0)
        await play.kill()
        play.open()
        await play.clock.sleep(300.0)
        play.tell("refunds", "M-1,R1,10.00,SKU-1,1,yes", "M-2,R1,2.50,,,")
        play.tell("payments", "M-2,P2,12.50", "M-1,P1,20.00")
        await play.clock.sleep(61.0)
        await play.kill()
        play.open()
        play.tell("payments", "M-2,P2,12.50")
        await play.clock.sleep(900.0)
        assert sorted(row[1:] for row in play.booked("payments")) == [
            ["market-m-1", "20.00", "p1"],
            ["market-m-2", "12.50", "p2"],
            ["market-m-2", "7.50", "p1"],
        ]
        assert [row[1:] for row in play.booked("refunds")] == [
            ["market-m-1", "10.00", "r1", "SKU-1", "1", "1"]
        ], "money alone is no return of goods"
        assert [row[1:] for row in play.booked("orders")] == [["new", "1", f"SKU-{n}", "2"] for n in (1, 2)]
        assert await play.store.read("parked_open", after=0, limit=5) == []
        play.tell("payments", "M-1,P1,21.00", "M-1,P3,x")
        await play.clock.sleep(300.0)
        parked = await play.store.read("parked_open", after=0, limit=5)
        assert len(parked) == 2, "another content of a payment, and a line that is none"
        assert len(play.booked("payments")) == 3
        await play.kill()

    try:
        play.loop.run_until_complete(story())
    finally:
        play.loop.close()


# --- products -------------------------------------------------------------------------------------


class Shelf(Two):
    """A warehouse that leaves its products, and a market that is left them in its own columns."""

    folders = ("erp/products", "market/items", "market/products")

    def leave(self, path: str, *lines: str) -> None:
        """What a file lacks is not there at its moment: that has to be a true one."""
        at = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC)
        kind = path.rpartition("/")[2]
        (self.root / path / f"{kind}_{at:%Y%m%d%H%M%S}.csv").write_text("\n".join(lines) + "\n")

    def settings(self) -> dict[str, FilesSettings]:
        told = read("products", "product", "sku", "option.Size", "title", "status", scope="full", lead_s=1)
        columns = ("product", "sku", "title", "status", "option_name.1", "option_value.1")
        return {
            "erp": FilesSettings(
                folder=str(self.root / "erp"), spool=str(self.root / "erp-spool"), reads=(told,)
            ),
            "market": FilesSettings(
                folder=str(self.root / "market"),
                spool=str(self.root / "market-spool"),
                reads=(read("items", "sku", scope="full"),),
                writes=(write("products", *columns),),
            ),
        }

    def routes(self) -> list[Route]:
        rules = ProductRules(fields=frozenset({"title", "status"}))
        often = {"poll_interval_ms": 60_000, "guard_cut_share": Decimal(1)}
        return [Route(Flow.CATALOG, "erp", "market", 60_000, products=rules, **often)]

    def listed(self) -> dict[str, list[list[str]]]:
        """What the market has, having loaded every file in the order of their names: rows by product."""
        found: dict[str, list[list[str]]] = {}
        for path in sorted((self.root / "market" / "products").glob("*.csv")):
            rows = [row.split(",") for row in path.read_text().splitlines()[1:]]
            found |= {name: [row[1:] for row in rows if row[0] == name] for name, *_ in rows}
        return found


def test_products_of_one_partner_reach_the_other(tmp_path):
    play = Shelf(tmp_path)
    header = "product,sku,option.Size,title,status"
    mug = ",MUG,,Mug,active"

    async def story() -> None:
        play.leave("market/items", "sku")
        play.leave("erp/products", header, "SHIRT,S-M,M,Shirt,active", "SHIRT,S-L,L,,", mug)
        play.open()
        await play.clock.sleep(400.0)
        shirt = [[f"S-{size}", "Shirt", "active", "Size", size] for size in ("M", "L")]
        assert play.listed() == {"SHIRT": shirt, "MUG": [["MUG", "Mug", "active", "", ""]]}
        await play.kill()
        play.open()
        play.leave("erp/products", header, "SHIRT,S-M,M,Skirt,active", "SHIRT,S-L,L,,", mug)
        await play.clock.sleep(400.0)
        assert [row[1] for row in play.listed()["SHIRT"]] == ["Skirt", "Skirt"]
        play.leave("erp/products", header, mug)
        await play.clock.sleep(400.0)
        assert {row[2] for row in play.listed()["SHIRT"]} == {"archived"}, (
            "what is struck from the list has ended"
        )
        assert play.listed()["MUG"] == [["MUG", "Mug", "active", "", ""]]
        assert await play.store.read("parked_open", after=0, limit=5) == []
        await play.kill()

    try:
        play.loop.run_until_complete(story())
    finally:
        play.loop.close()


def test_a_channel_needs_files_of_languages_only_where_the_route_has_some(tmp_path):
    class Spoken(Shelf):
        def routes(self) -> list[Route]:
            return [copied(route, products=ProductRules(locales={"de": "de"})) for route in super().routes()]

    play = Spoken(tmp_path)
    with pytest.raises(Misconfigured, match=r"files has no way to show a product in another language$"):
        play.open()
    play.loop.close()
