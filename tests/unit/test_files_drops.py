"""What partners do to files: written again while they are read, glued together, told twice, or mixed up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.files_place import START_MS, STOCK, Desk
from tests.unit.test_files_orders import HEADER, PLACED, UNNUMBERED, Told, leave, one

from syncline.connectors.files.declared import Column, Read
from syncline.connectors.files.local import LocalFolder
from syncline.connectors.files.orders import Group, OrderMaker, Orders
from syncline.connectors.files.spool import Incoming
from syncline.ports import Folder

DAY_MS = 86_400_000
AT_ONCE = replace(STOCK, pattern="STOCK*.csv", scope="delta")
STATED = Read(
    kind="order_status",
    path="in",
    pattern="STATUS_*.csv",
    complete="rename",
    uncommitted=("gone",),
    columns=tuple(Column(name, name=name) for name in ("reference", "sku", "quantity", "status", "changed")),
)
SENT = Read(
    kind="shipments",
    path="in",
    pattern="PARCELS_*.csv",
    complete="rename",
    columns=tuple(Column(name, name=name) for name in ("shipment", "reference", "sku", "quantity")),
)


class Meddling(LocalFolder):
    """A folder in which the partner does something just before a step of ours."""

    before_find: tuple = ()
    before_move: tuple = ()

    async def find(self, path, name):
        if self.before_find and path == "in":
            meddle, *self.before_find = self.before_find
            meddle()
        return await super().find(path, name)

    async def move(self, path, name, to, new_name):
        if self.before_move:
            meddle, *self.before_move = self.before_move
            meddle(name)
        return await super().move(path, name, to, new_name)


@pytest.fixture
def meddled(desks):
    """A desk, and how the partner meddles."""

    def make(*reads: Read, find: tuple = (), move: tuple = ()) -> Desk:
        desk = desks(*reads)

        def around(folder: Folder) -> Folder:
            folder.__class__ = Meddling
            folder.before_find, folder.before_move = find, move
            return folder

        desk.around = around
        desk.start()
        return desk

    return make


def nothing(*_: object) -> None:
    """The partner lets us be."""


# --- the same name, another content ----------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1], ids=["while it was read", "after it was read"])
def test_a_file_written_anew_under_its_name_is_taken_as_well(meddled, tmp_path, step):
    new = "A,MAIN,7"

    def anew() -> None:
        path = tmp_path / "exchange" / "in" / "STOCK.csv"
        path.write_bytes(f"SKU,AT,QTY\n{new}\n".encode())
        os.utime(path, ns=(1, (START_MS + 60_000) * 1_000_000))

    desk = meddled(AT_ONCE, find=(*(nothing,) * step, anew))
    old = desk.leave("STOCK.csv", "A,MAIN,3")
    os.utime(old, ns=(1, START_MS * 1_000_000))
    figures, _, cursor = desk.told(stream="stock_changes")
    for _ in range(2):
        more, _, cursor = desk.told(cursor, stream="stock_changes")
        figures |= more
    assert figures == {"A@MAIN": 7}, "the second content was put away unread"
    assert desk.names("in") == []


def test_a_sentinel_never_outlives_the_file_that_it_speaks_of(meddled, tmp_path):
    """Else it stands beside the beginning of the next file of that name, which is then taken for a whole one."""

    class Died(BaseException):
        pass

    def die(_: str) -> None:
        raise Died

    desk = meddled(replace(AT_ONCE, complete="sentinel"), move=(nothing, die))
    path = desk.leave("STOCK.csv", "A,MAIN,3")
    (path.parent / "STOCK.csv.done").write_bytes(b"")
    with pytest.raises(Died):
        desk.told(stream="stock_changes")
    assert desk.names("in") == ["STOCK.csv"]
    desk.around = lambda folder: folder
    desk.start()
    assert desk.told(stream="stock_changes")[0] == {"A@MAIN": 3}
    assert desk.names("in") == [], "it was taken, so it is put away although its sentinel is gone"
    desk.leave("STOCK.csv", "A,MAIN,30")  # half a file
    assert desk.told(stream="stock_changes")[0] == {"A@MAIN": 3}


def test_two_files_glued_together_are_refused(desks):
    desk = desks(STOCK)
    desk.leave("STOCK_1.csv", "A,MAIN,3", "SKU,AT,QTY", "A,MAIN,9", "B,MAIN,1")
    figures, refused, _ = desk.told()
    assert figures == {}
    assert refused == ["file STOCK_1.csv: line 3 is the header again: two files are glued together"]


def test_files_that_are_refused_unread_do_not_replace_one_another(desks):
    desk = desks(replace(STOCK, file_bytes_max=20))
    for name in ("STOCK_ä.csv", "STOCK_ö.csv"):
        path = desk.leave(name, "A,MAIN,3", "B,MAIN,3", name)
        os.utime(path, ns=(1, START_MS * 1_000_000))
    desk.told()
    assert len([name for name in desk.names("rejected") if name.endswith(".csv")]) == 2


# --- moments ------------------------------------------------------------------------------------------------


def version(desk: Desk, stream: str = "stock_changes", cursor=None) -> tuple[list, object]:
    pages = desk.pages(cursor, stream)
    events = [event for page in pages for event in page.events if event.topic != "refused"]
    return [change for event in events for change in desk.changes(event)], pages[-1].cursor


def test_a_file_with_a_date_of_another_age_does_not_freeze_its_skus(desks):
    desk = desks(AT_ONCE)
    path = desk.leave("STOCK_1.csv", "A,MAIN,3")
    os.utime(path, ns=(1, (START_MS + 9_000 * DAY_MS) * 1_000_000))
    (first,), cursor = version(desk)
    path = desk.leave("STOCK_2.csv", "A,MAIN,4")
    os.utime(path, ns=(1, (START_MS + 60_000) * 1_000_000))
    (second,), _ = version(desk, cursor=cursor)
    assert (second.version, second.tiebreak) > (first.version, first.tiebreak)


def test_a_line_of_another_age_is_parked_alone(desks):
    stamped = (*STOCK.columns, Column("stamp", name="WHEN"))
    desk = desks(replace(AT_ONCE, stamp="row", columns=stamped))
    now, then = "2026-09-21T12:00:00", "2099-01-01T00:00:00"
    desk.leave("STOCK_1.csv", f"A,MAIN,3,{now}", f"B,MAIN,4,{then}", header="SKU,AT,QTY,WHEN")
    figures, refused, _ = desk.told(stream="stock_changes")
    assert figures == {"A@MAIN": 3}
    assert refused == [
        f"line 3 of STOCK_1.csv: field stamp: '{then}' lies ahead of us, so nothing after it would be believed"
    ]


# --- lines that contradict one another ----------------------------------------------------------------------


def test_of_two_changes_of_one_sku_in_one_file_the_later_counts(desks):
    desk = desks(AT_ONCE)
    desk.leave("STOCK_1.csv", "A,MAIN,3", "B,MAIN,1", "A,MAIN,0", "A,OTHER,8")
    told, _ = version(desk)
    # An engine takes the first that it is told of one version.
    first: dict[str, int] = {}
    for change in told:
        first.setdefault(change.key.replace("\x1f", "@"), int(change.value.available))
    assert first == {"A@MAIN": 0, "B@MAIN": 1, "A@OTHER": 8}


def test_the_line_that_was_refused_beside_another_is_told_once_it_stands_alone(desks):
    named = replace(STOCK, stamp="name", stamp_format="%Y%m%d%H%M.csv", pattern="STOCK_*")
    desk = desks(named)
    desk.leave("STOCK_202601010000.csv", "A,MAIN,5", "A,MAIN,7", "B,MAIN,1")
    figures, refused, cursor = desk.told()
    assert figures["A@MAIN"] == 5 and len(refused) == 1
    desk.spool.believe("stock", cursor.covers_ms)
    desk.leave("STOCK_202601010100.csv", "A,MAIN,7", "B,MAIN,1")
    figures, refused, cursor = desk.told(cursor)
    assert (figures, refused) == ({"A@MAIN": 7}, [])
    desk.spool.believe("stock", cursor.covers_ms)
    desk.leave("STOCK_202601010200.csv", "A,MAIN,7", "B,MAIN,1")
    assert desk.told(cursor)[0] == {}


def test_an_order_with_two_statuses_in_one_file_is_parked(desks):
    desk = desks(STATED)
    desk.leave(
        "STATUS_1.csv",
        "shop-1,A,2,gone,",
        "shop-2,A,1,open,",
        "shop-1,A,2,open,",
        header="reference,sku,quantity,status,changed",
    )
    pages = desk.pages(stream="order_status")
    events = [event for page in pages for event in page.events]
    good = [change.key for event in events if event.topic != "refused" for change in desk.changes(event)]
    assert good == ["shop-2"]
    refused = desk.decoded([event for event in events if event.topic == "refused"])[1]
    assert refused == ["line 2 of STATUS_1.csv: field status: its lines say 'gone' and 'open'"]


def test_a_parcel_with_goods_of_two_orders_is_parked(desks):
    desk = desks(SENT)
    desk.leave(
        "PARCELS_1.csv",
        "P1,shop-1,A,2",
        "P1,shop-2,B,1",
        "P2,shop-2,A,1",
        header="shipment,reference,sku,quantity",
    )
    events = [event for page in desk.pages(stream="shipments") for event in page.events]
    good = [change.key for event in events if event.topic != "refused" for change in desk.changes(event)]
    assert good == ["P2"], "what is of shop-2 was told as sent for shop-1"
    refused = desk.decoded([event for event in events if event.topic == "refused"])[1]
    assert refused == ["line 2 of PARCELS_1.csv: field reference: its lines say 'shop-1' and 'shop-2'"]


# --- other columns than when a file was taken -----------------------------------------------------------------


def test_xml_that_was_taken_is_read_by_the_columns_that_are_declared_now(desks):
    columns = (Column("sku", name="a"), Column("quantity", name="b"), Column("location", name="c"))
    read = replace(STOCK, pattern="STOCK_*.xml", format="xml", record="s/r", columns=columns)
    desk = desks(read)
    (desk.root / "in" / "STOCK_1.xml").write_text("<s><r><a>A</a><b>3</b><c>MAIN</c><d>8</d></r></s>")
    assert desk.told()[0] == {"A@MAIN": 3}
    other = (columns[0], columns[2], Column("quantity", name="d"))
    desk.settings = replace(desk.settings, reads=(replace(read, columns=other),))
    desk.start()
    assert desk.told()[0] == {"A@MAIN": 8}
    desk.settings = replace(
        desk.settings, reads=(replace(read, record="s/x", columns=other[:2] + columns[1:2]),)
    )
    desk.start()
    assert desk.told()[0] == {}


# --- much of it -----------------------------------------------------------------------------------------------


def test_lines_of_orders_in_any_order_take_no_longer_than_their_number(desks, monkeypatch):
    spoilt = []
    spoil = Group.spoil
    monkeypatch.setattr(Group, "spoil", lambda self, *a: (spoilt.append(1), spoil(self, *a)))
    found = Orders(PLACED, HEADER.encode())
    for number in range(400):
        found.add((number, one(f"A-{number % 2}", line=str(number)).encode()))
    assert len(found.groups) == 400 and all(group.wrong for group in found.groups)
    assert len(spoilt) <= 2 * 400


def test_lines_without_a_number_are_told_apart_without_comparing_each_with_each():
    compared = []

    class Text(str):
        __slots__ = ()

        def __eq__(self, other):
            compared.append(1)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    group = Group("A-1", "", 1)
    rows = [{"reference": "A-1", "sku": Text(f"S{n}")} for n in range(400)]
    group.rows = [(n, row) for n, row in enumerate(rows)]
    assert len(OrderMaker(UNNUMBERED)._distinct(group)) == 400
    assert len(compared) <= 400


# --- the spool ------------------------------------------------------------------------------------------------


def test_a_content_is_gone_before_nothing_names_it_any_more(desks, monkeypatch):
    """Orders have names and addresses in them: what outlived its row would never be deleted."""
    desk = desks(replace(PLACED, stamp="modified", pattern="*.csv"), keep_days=1)
    leave(desk, 1, one("A-1"))
    told = Told(desk).read()
    content = Path(desk.settings.spool) / "content"
    assert len(list(content.iterdir())) == 1
    desk.run(desk.clock.sleep(3 * 86_400.0))

    def full(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", full)
        with pytest.raises(OSError, match="Read-only"):
            told.read()
    told.read()
    assert list(content.iterdir()) == []


def test_a_full_disk_is_named_as_such_although_the_end_of_the_file_does_not_fit_either(tmp_path):
    incoming = Incoming(tmp_path, 1)
    incoming._file.close()
    incoming._file = Path("/dev/full").open("wb")  # noqa: SIM115 (dropping it closes it)
    incoming.write(b"x")
    with pytest.raises(OSError, match="No space"):
        incoming.end()
    incoming.drop()  # raised another one, which nobody expected there
