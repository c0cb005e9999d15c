"""The whole engine between a simulated Shopify shop and a partner who exchanges files, while things go wrong.

Buyers order, cancel and change; the partner books order files by its own rounds, ships, counts, and leaves full files of stock,
lists of items, order status and parcels, some of them twice. Answers of the object store are lost, cut and replaced by login
pages, it is down, throttles and fails; in a folder of this machine the partner writes slowly and deletes what it has fetched;
Syncline is killed. What is checked is what both sides hold: every order is booked once with what its buyer wants now, every
parcel is at the shop once, and what buyers may still buy is what the partner has left.
"""

from __future__ import annotations

import pytest
from tests.simulation.files_play import START_MS, STOCK, Play

from syncline.connectors.files.client import ObjectFolder
from syncline.connectors.files.declared import Read
from syncline.connectors.files.intake import Intake, Scan
from syncline.connectors.files.sink import FilesSink
from syncline.connectors.files.source import FilesSource
from syncline.connectors.files.spool import Incoming, Spool
from syncline.engine.codec import decode, encode
from syncline.engine.reconcile.differences import Cause
from syncline.model.change import Kind
from syncline.model.copying import replace
from syncline.simulate.disagree import prove
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize(("number", "local"), [(1, False), (2, False), (3, False), (4, True), (5, True)])
def test_shop_and_partner_agree_in_the_end(number, local):
    play = Play(number, local=local)
    assert play.play() == []
    assert len(play.shop.orders) > 15 and play.shipped > 5, "nothing to check"


@pytest.mark.parametrize(("number", "local"), [(1, False), (2, True), (3, True)])
def test_a_store_that_was_put_back_writes_no_order_twice(number, local):
    play = Play(number, local=local, restored=True)
    assert play.play() == []
    assert len(play.shop.orders) > 15 and play.shipped > 5, "nothing to check"


def test_a_full_file_that_empties_the_shop_waits_for_a_person_and_is_told_again():
    play = Play(1, goods=30)
    told: list[object] = []

    async def story() -> None:
        play.store = SqliteStore.open(":memory:", now_ms=START_MS)
        play.partner.leave_items()
        play.partner.leave_stock()
        play.open()
        play.loop.create_task(play.shop.run())
        await play.clock.sleep(600.0)
        told.append(play.differences())
        for sku in play.skus[:20]:
            for code, _ in play.places:
                play.partner.stock(sku, code, 0)
        play.partner.stock(play.skus[-1], "MAIN", 7)
        play.partner.leave_stock()
        await play.clock.sleep(600.0)
        told.append([play.shop.available(sku, play.places[0][1]) for sku in play.skus])
        await play.kill()
        play.partner.stock(play.skus[-2], "MAIN", 8)
        play.partner.leave_stock()  # says the same of them, and is doubted as well
        await play.clock.sleep(600.0)
        parked = await play.store.read("parked_open", after=0, limit=20)
        told.extend(
            [[row[4] for row in parked], [play.shop.available(sku, play.places[0][1]) for sku in play.skus]]
        )
        await play.engine.read_again("erp")
        await play.clock.sleep(900.0)
        told.extend([await play.store.read("parked_open", after=0, limit=20), play.differences()])

    play.tell(story())
    before, doubted, reasons, again, open_after, after = told
    assert before == []
    assert doubted == [80] * 29 + [7]
    assert reasons == ["snapshot_cut"]
    assert again == [80] * 28 + [8, 7]
    assert open_after == [] and after == []


def test_what_a_full_file_leaves_out_is_named_and_goes_on_counting():
    play = Play(1)
    told: list[object] = []

    async def story() -> None:
        play.store = SqliteStore.open(":memory:", now_ms=START_MS)
        play.partner.leave_items()
        play.partner.leave_stock()
        play.open()
        play.loop.create_task(play.shop.run())
        await play.clock.sleep(600.0)
        del play.partner.on_hand["SKU-3", "MAIN"]
        play.partner.leave_stock()
        await play.clock.sleep(600.0)
        parked = await play.store.read("parked_open", after=0, limit=20)
        told.extend(
            [
                [(row[4], "SKU-3 at MAIN" in row[5]) for row in parked],
                play.shop.available("SKU-3", play.places[0][1]),
            ]
        )
        play.partner.stock("SKU-3", "MAIN", STOCK)  # the very row that was there before
        play.partner.leave_stock()
        await play.clock.sleep(600.0)
        told.append(await play.store.read("parked_open", after=0, limit=20))

    play.tell(story())
    assert told == [[("sku_vanished", True)], STOCK, []]


def test_stock_is_proved_by_the_last_full_file():
    play = Play(1)
    told: list[object] = []

    async def story() -> None:
        play.store = SqliteStore.open(":memory:", now_ms=START_MS)
        play.partner.leave_items()
        play.partner.leave_stock()
        play.open()
        play.loop.create_task(play.shop.run())
        await play.clock.sleep(900.0)
        told.append(await prove(play.engine.reconciler, play.store, play.clock, dry_run=True))
        rows = play.store._connection.execute(
            "SELECT key, body FROM record WHERE kind = 'stock' ORDER BY key LIMIT 1"
        )
        ((key, body),) = list(rows)
        level = decode(Kind.STOCK, body)
        older = replace(level, available=level.available - 7, erp_stamp_ms=level.erp_stamp_ms - 1)
        lost = encode(older)  # as if what the file says of it had never been applied
        play.store._connection.execute(
            "UPDATE record SET body = ? WHERE kind = 'stock' AND key = ?", (lost, key)
        )
        told.append(await prove(play.engine.reconciler, play.store, play.clock, dry_run=True))
        told.append(key.partition("\x1f")[0])

    play.tell(story())
    (nothing, said), (found, after), sku = told
    assert (nothing, said, after) == (set(), "", "")
    assert [(key.partition("\x1f")[0], cause) for key, cause in found] == [(sku, Cause.MISSED_EVENT)]


# --- connectors with one mistake each -----------------------------------------------------------------


def looks_for_no_file(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: FilesSink, *_: object) -> None:
        return None

    patch.setattr(FilesSink, "_fate", nothing)
    patch.setattr(FilesSink, "_found", nothing)


def believes_whoever_answers(patch: pytest.MonkeyPatch) -> None:
    find = ObjectFolder.find

    async def found(self: ObjectFolder, path: str, name: str) -> object:
        return await find(self, path, name) or path.endswith("done")

    patch.setattr(ObjectFolder, "find", found)


def compares_with_what_was_never_believed(patch: pytest.MonkeyPatch) -> None:
    place = FilesSource._place

    def hasty(self: FilesSource, *args: object) -> object:
        found, covers_ms = place(self, *args)  # type: ignore[arg-type]
        return type(found)(
            found.spool, found.seq, found.full, found.seq, found.now, found.at, found.dialect
        ), covers_ms

    patch.setattr(FilesSource, "_place", hasty)
    patch.setattr(Spool, "touched", lambda self, stream: set())


def takes_half_of_a_file(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Intake, read: Read, incoming: Incoming, sha256: str, scan: Scan) -> None:
        scan.whole = True

    patch.setattr(Intake, "_scan", nothing)


MISTAKES = (
    (looks_for_no_file, False),
    (believes_whoever_answers, False),
    (compares_with_what_was_never_believed, False),
    (takes_half_of_a_file, True),
)


@pytest.mark.parametrize(("mistake", "local"), MISTAKES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_connector_with_a_mistake_is_caught(mistake, local, monkeypatch):
    mistake(monkeypatch)
    assert any(Play(number, local=local).play() for number in (1, 2, 3))
