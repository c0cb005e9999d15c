"""Orders as files: once each, wherever the process ends and whatever the partner does with what it finds."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace as with_
from tests.unit.files_place import START_MS

from syncline.connectors.files import local
from syncline.connectors.files.declared import Column, Read, Write
from syncline.connectors.files.manifest import FilesSettings, capabilities_of
from syncline.connectors.files.sink import FilesSink
from syncline.connectors.files.spool import Sent, Spool
from syncline.mapping.expressions import MappingError
from syncline.mapping.tables import read_tables
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.errors import Misconfigured
from syncline.model.payloads import OrderItem, PutOrder, PutPayment, ReadStock, SetStock
from syncline.model.records import Order, OrderLine, Payment
from syncline.ports import Folder

FIELDS = ("reference", "revision", "action", "sku", "quantity", "unit_price", "line_discount")
ORDERS = Write(
    kind="orders", path="out", archive="done", columns=tuple(Column(name, name=name) for name in FIELDS)
)
NUMBERS = Write(
    kind="stock", path="out", columns=tuple(Column(x, name=x) for x in ("sku", "location", "quantity"))
)
ITEMS = Read(kind="items", path="in", pattern="ITEMS_*", columns=(Column("sku", name="sku"),))
UNTOLD = ("payments", "refunds")


def order(quantity: int = 2, reference: str = "shop-1") -> PutOrder:
    line = OrderLine("1", "A", "A", Decimal(quantity), Decimal("9.50"), discount=Decimal("1.00"))
    total = 9 * Decimal(quantity)
    held = Order("1", "#1", START_MS, START_MS, "GBP", (line,), Decimal(0), Decimal(0), total)
    return PutOrder(reference, held, (OrderItem("1", "A", "A", "MAIN", quantity),))


class Death(BaseException):
    """The process ends here."""


class Dying(Folder):
    """A folder at which the process ends before or after its n-th call."""

    def __init__(self, inner: Folder, number: int, *, after: bool) -> None:
        self._inner, self._left, self._after = inner, number, after
        self.died = False

    async def _do(self, name: str, *args):
        self._left -= 1
        if self._left == 0 and not self._after:
            self.died = True
            raise Death
        found = await getattr(self._inner, name)(*args)
        if self._left == 0:
            self.died = True
            raise Death
        return found

    async def list(self, path):
        return await self._do("list", path)

    def read(self, path, name):
        return self._inner.read(path, name)

    async def find(self, path, name):
        return await self._do("find", path, name)

    async def stage(self, path, name, body):
        return await self._do("stage", path, name, body)

    async def staged(self, path, name):
        return await self._do("staged", path, name)

    async def publish(self, path, name, body):
        return await self._do("publish", path, name, body)

    async def move(self, path, name, to, new_name):
        return await self._do("move", path, name, to, new_name)


class Partner:
    """Fetches what it finds, as it likes, and counts."""

    def __init__(self, desk, habit: str) -> None:
        self._desk, self._habit = desk, habit
        self.booked: Counter[str] = Counter()

    def fetch(self) -> None:
        for name in self._desk.names("out"):
            if name.startswith("."):
                continue
            path = self._desk.root / "out" / name
            self.booked[path.read_text().splitlines()[1]] += 1
            if self._habit == "deletes":
                path.unlink()
            else:
                (self._desk.root / "done").mkdir(exist_ok=True)
                path.rename(self._desk.root / "done" / name)


async def deliver(sink: FilesSink, put: PutOrder) -> Result:
    (outcome,) = await sink.deliver("put_order", [Item("1", put)], "key")
    return outcome.result


def dies(desk, number: int, *, after: bool) -> Dying:
    """Start the process anew, to end at its n-th call."""
    made: list[Dying] = []

    def around(inner: Folder) -> Folder:
        made.append(Dying(inner, number, after=after))
        return made[-1]

    desk.around = around
    desk.start()
    return made[0]


@pytest.mark.parametrize("habit", ["deletes", "archives"])
@pytest.mark.parametrize("fetches", ["at once", "later"])
def test_a_death_at_any_step_leads_to_exactly_one_file_of_each_revision(desks, tmp_path, habit, fetches):
    deaths = 0
    for number in range(1, 40):
        for after in (False, True):
            folder = tmp_path / f"{number}{after}"
            folder.mkdir()
            desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD, at=folder)
            partner = Partner(desk, habit)
            dying = dies(desk, number, after=after)
            for put in (order(2), replace(order(3), external_id="shop-1")):
                try:
                    assert desk.run(deliver(desk.sink, put)) is Result.DONE
                except Death:
                    if fetches == "at once":
                        partner.fetch()
                    desk.spool.close()
                    desk.around = lambda inner: inner
                    desk.start()
                    # As the engine does: an intent without a result is looked up, and sent again if it is not there.
                    found = desk.run(desk.sink.look_up("put_order", Item("1", put)))
                    if found is None:
                        assert desk.run(deliver(desk.sink, put)) is Result.DONE
                    else:
                        assert found.result is Result.DONE
                partner.fetch()
            assert partner.booked == {"shop-1,1,new,A,2,9.50,1.00": 1, "shop-1,2,change,A,3,9.50,1.00": 1}
            deaths += dying.died
        if not dying.died:
            break
    assert deaths > 8, "nothing to check"


@pytest.mark.parametrize("note", [1, 2, 3, 4])
@pytest.mark.parametrize("habit", ["deletes", "archives"])
def test_a_death_at_any_note_leads_to_exactly_one_file(desks, monkeypatch, note, habit):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    partner = Partner(desk, habit)
    noted = Spool.note
    left = [note]

    def dying(self, *args):
        left[0] -= 1
        if left[0] == 0:
            raise Death
        noted(self, *args)

    monkeypatch.setattr(Spool, "note", dying)
    for put in (order(2), replace(order(3), external_id="shop-1")):
        try:
            assert desk.run(deliver(desk.sink, put)) is Result.DONE
        except Death:
            partner.fetch()
            desk.spool.close()
            desk.start()
            found = desk.run(desk.sink.look_up("put_order", Item("1", put)))
            if found is None:
                assert desk.run(deliver(desk.sink, put)) is Result.DONE
        partner.fetch()
    assert left[0] <= 0, "nothing to check"
    assert partner.booked == {"shop-1,1,new,A,2,9.50,1.00": 1, "shop-1,2,change,A,3,9.50,1.00": 1}


def test_a_spool_that_was_lost_finds_what_lies_there_or_in_the_archive(desks, tmp_path):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    partner = Partner(desk, "archives")
    assert desk.run(deliver(desk.sink, order(2))) is Result.DONE
    partner.fetch()
    desk.spool.close()
    desk.settings = FilesSettings(
        folder=desk.settings.folder,
        spool=str(tmp_path / "new"),
        reads=desk.settings.reads,
        writes=(ORDERS,),
        untold=UNTOLD,
    )
    desk.start()
    assert desk.run(deliver(desk.sink, order(2))) is Result.DONE
    assert desk.names("out") == []
    assert desk.run(deliver(desk.sink, replace(order(3), external_id="shop-1"))) is Result.DONE
    assert desk.names("out") == ["orders-shop-1-r2.csv"]


def test_a_revision_of_what_nobody_knows_any_more_is_not_guessed(desks, tmp_path):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    partner = Partner(desk, "deletes")
    assert desk.run(deliver(desk.sink, order(2))) is Result.DONE
    partner.fetch()
    desk.spool.close()
    desk.spool.content("x").parent.parent.rename(tmp_path / "lost")
    desk.start()
    assert desk.run(deliver(desk.sink, replace(order(3), external_id="shop-1"))) is Result.REJECTED
    assert desk.names("out") == []


def test_a_file_that_was_there_already_is_completed_and_what_is_true_now_follows_it(desks):
    """The spool says that nothing appeared, and it had: that file says what was true then."""
    desk = desks(ITEMS, writes=(replace(ORDERS, sentinel=".ok"),), untold=UNTOLD)
    desk.run(deliver(desk.sink, order(2)))
    (desk.root / "out" / "orders-shop-1-r1.csv.ok").unlink()
    for revision in (1, 2):  # also one that appeared once more
        desk.spool.note("put_order", "shop-1", Sent(revision, "", "unsent"), START_MS)
        change = replace(order(2 + revision), external_id="shop-1")
        while (result := desk.run(deliver(desk.sink, change))) is Result.NOT_SENT:
            continue
        assert result is Result.DONE
    names = [f"orders-shop-1-r{n}.csv{end}" for n in (1, 2, 3) for end in ("", ".ok")]
    assert [name for name in desk.names("out") if not name.startswith(".")] == sorted(names)
    told = [(desk.root / "out" / name).read_text().splitlines()[1] for name in names[::2]]
    assert [line.split(",")[4] for line in told] == ["2", "3", "4"]


def test_a_file_that_appeared_and_is_not_yet_on_disk_is_in_doubt(desks, monkeypatch):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    calls = []

    def fails(folder) -> None:
        calls.append(folder)
        if len(calls) == 2:  # the first is of staging
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(local, "_sync", fails)
        assert desk.run(deliver(desk.sink, order(2))) is Result.UNKNOWN
    assert desk.run(deliver(desk.sink, replace(order(3), external_id="shop-1"))) is Result.DONE
    assert desk.names("out") == ["orders-shop-1-r1.csv", "orders-shop-1-r2.csv"]


def test_a_spool_belongs_to_one_system(desks):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    assert desk.spool.id
    with pytest.raises(Misconfigured, match="belongs to system 'erp'"):
        assert Spool(desk.settings.spool, Random(2), "market").id


def test_the_same_again_is_no_revision_and_a_cancellation_is_one(desks):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    put = order(2)
    for _ in range(3):
        desk.run(deliver(desk.sink, put))
    assert desk.names("out") == ["orders-shop-1-r1.csv"]
    gone = replace(put, order=replace(put.order, cancelled_at_ms=START_MS), items=(), external_id="shop-1")
    desk.run(deliver(desk.sink, gone))
    assert (desk.root / "out" / "orders-shop-1-r2.csv").read_text().splitlines()[1] == "shop-1,2,cancel,,0,,"


@pytest.mark.parametrize(("columns", "amounts"), [(("tax",), "9.40"), (("tax", "charges"), "2.20,7.20")])
def test_charges_have_a_column_of_their_own_or_are_told_with_the_tax(desks, columns, amounts):
    write = replace(ORDERS, columns=tuple(Column(name, name=name) for name in (*FIELDS, *columns)))
    desk = desks(ITEMS, writes=(write,), untold=UNTOLD)
    put = order()
    charged = with_(put.order, tax=Decimal("2.20"), charges=Decimal("7.20"))
    assert desk.run(deliver(desk.sink, replace(put, order=charged))) is Result.DONE
    (name,) = desk.names("out")
    assert (desk.root / "out" / name).read_text().splitlines()[1].endswith(f",{amounts}")


def test_an_order_has_the_fields_of_the_mapping_in_its_head(desks):
    extra = tuple(Column(f"x_{name}", name=name) for name in ("gift", "net", "day", "note", "left_out"))
    write = with_(ORDERS, columns=(*ORDERS.columns[:2], *ORDERS.columns[3:5], ORDERS.columns[2], *extra))
    write = with_(write, decimal=",", delimiter=";")
    desk = desks(ITEMS, writes=(write,), untold=UNTOLD)
    desk.settings.validate()
    pattern = capabilities_of(desk.settings).order_fields
    assert [bool(re.fullmatch(pattern, name)) for name in ("x_gift", "x_left_out", "x_other", "sku")] == [
        True,
        True,
        False,
        False,
    ]
    text = """
    [erp.order]
    x_gift = "contains(order.note, 'gift')"
    x_net = "round(order.total / 4, 2)"
    x_day = "add_days(order.placed, 3)"
    x_note = "upper(order.note)"
    x_left_out = "order.customer.email"
    """
    put = order(2)
    held = replace(put.order, note="a gift; ribbon", total=Decimal("18.10"))
    fields = read_tables(text, {"erp": pattern}).fields("erp", held, "shop")
    desk.run(deliver(desk.sink, replace(put, order=held, fields=fields)))
    (line,) = (desk.root / "out" / "orders-shop-1-r1.csv").read_text().splitlines()[1:]
    assert line == 'shop-1;1;A;2;new;1;4,52;2026-09-24;"A GIFT; RIBBON";'
    with pytest.raises(MappingError, match="x_other"):
        read_tables('[erp.order]\nx_other = "channel"\n', {"erp": pattern})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": (*ORDERS.columns, Column("X_gift", name="g"))}, "'X_gift' is none of"),
        ({"columns": (*ORDERS.columns, Column("x_", name="g"))}, "'x_' is none of"),
        ({"kind": "stock", "columns": (*NUMBERS.columns, Column("x_a", name="g"))}, "'x_a' is none of"),
    ],
)
def test_mapped_fields_are_of_orders_and_named_so(change, words):
    settings = FilesSettings(
        folder="/x", spool="/y", reads=(ITEMS,), writes=(with_(ORDERS, **change),), untold=UNTOLD
    )
    with pytest.raises(Misconfigured, match=words):
        settings.validate()


@pytest.mark.parametrize("reference", ["../../etc/passwd", "a/b", "a\x00b", "x" * 300, "é", "a b"])
def test_a_reference_is_never_a_path(desks, reference):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    result = desk.run(deliver(desk.sink, order(2, reference)))
    names = [name for name in desk.names("out") if not name.startswith(".")]
    if reference.isprintable():
        assert result is Result.DONE
        (name,) = names
        assert name.isascii() and len(name) < 200 and "/" not in name
        other = desk.run(deliver(desk.sink, order(2, reference + "!")))
        assert other is Result.DONE and len(desk.names("out")) == 2, "two references, one name"
    else:
        assert result is Result.REJECTED and names == []


def test_what_nobody_is_told_of_is_said_to_be_untold(desks):
    desk = desks(ITEMS, writes=(ORDERS,), untold=UNTOLD)
    payment = PutPayment("shop-1-pay-1", "shop-1", "", Payment("1", Decimal(1), "GBP", START_MS))
    (outcome,) = desk.run(desk.sink.deliver("put_payment", [Item("1", payment)], "key"))
    assert outcome.result is Result.DONE and "files.untold" in outcome.message


@pytest.mark.parametrize("scope", ["delta", "full"])
def test_numbers_are_absolute_and_remembered(desks, scope):
    desk = desks(ITEMS, writes=(replace_scope(scope),))

    def write(**numbers: int) -> str:
        items = [Item(sku, SetStock(sku, sku, "MAIN", n, 0)) for sku, n in numbers.items()]
        outcomes = desk.run(desk.sink.deliver("set_stock", items, "key"))
        assert {outcome.result for outcome in outcomes} == {Result.DONE}
        return (desk.root / "out" / desk.names("out")[-1]).read_text()

    assert write(A=3, B=4) == "sku,location,quantity\nA,MAIN,3\nB,MAIN,4\n"
    desk.spool.close()
    desk.start()
    expected = "A,MAIN,3\nB,MAIN,9\n" if scope == "full" else "B,MAIN,9\n"
    assert write(B=9) == "sku,location,quantity\n" + expected
    reading = [Item(sku, ReadStock(sku, sku, "MAIN")) for sku in "ABC"]
    held = [x.facts["held"] for x in desk.run(desk.sink.deliver("read_stock", reading, "key"))]
    assert held == [3, 9, 0]


def replace_scope(scope: str) -> Write:
    return with_(NUMBERS, scope=scope)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reads": (), "writes": (ORDERS,)}, "orders bring payments with them"),
        ({"reads": (), "writes": (NUMBERS,)}, "declare reads of kind 'items'"),
        ({"reads": (), "writes": ()}, "declare at least one"),
        ({"reads": (ITEMS, ITEMS)}, "items with scope delta is declared twice"),
        ({"reads": (ITEMS,), "spool": "spool"}, "spool: 'spool' must be an absolute path"),
        ({"reads": (ITEMS,), "folder": "exchange"}, "is no absolute path"),
        ({"reads": (ITEMS,), "folder": "sftp://host/x", "user": "u"}, "host_key is empty"),
        (
            {"reads": (ITEMS,), "folder": "sftp://u:secret@host/x", "host_key": "k"},
            "must not contain a password",
        ),
        ({"reads": (ITEMS,), "folder": "s3://bucket/x"}, "access_key and secret_key are needed"),
        (
            {
                "reads": (ITEMS,),
                "folder": "s3://b/x",
                "access_key": "a",
                "secret_key": "s",
                "endpoint": "http://x",
            },
            "endpoint must be https",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_with_their_mend(settings, words):
    with pytest.raises(Misconfigured, match=words) as refused:
        FilesSettings(**{"folder": "/x", "spool": "/y", **settings}).validate()
    assert "secret@" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "xml", "record": "a/@b"}, "'@b' is no name of an element"),
        (
            {"columns": tuple(Column(x, value="1") for x in ("sku", "quantity"))},
            "each needs a name for the header",
        ),
        ({"kind": "orders"}, "'reference' is missing"),
        ({"scope": "full", "kind": "orders"}, "is for what has a state"),
        ({"thousands": " "}, "written without them"),
        ({"name": "../x"}, "letters, digits"),
    ],
)
def test_writes_that_cannot_work_are_refused_with_their_field(change, words):
    settings = FilesSettings(
        folder="/x", spool="/y", reads=(ITEMS,), writes=(with_(NUMBERS, **change),), untold=UNTOLD
    )
    with pytest.raises(Misconfigured, match=words):
        settings.validate()


@pytest.mark.parametrize(
    ("read", "write", "words"),
    [
        ({"path": "in/", "pattern": "I*"}, {}, r"reads\[0\]: a name in in may be of files.reads\[1\] too"),
        (
            {"path": "out", "pattern": "*.csv"},
            {},
            r"reads\[1\]: a name in out may be of files.writes\[0\] too",
        ),
        ({"path": "done"}, {"archive": "./done", "name": "STOCK_1"}, r"may be of files.writes\[0\] too"),
        (
            {"path": "archive", "archive": "old"},
            {},
            r"reads\[1\].path: 'archive' is where other files are put away",
        ),
        ({}, {"name": "payments"}, r"writes\[0\]: a name in out may be of files.writes\[1\] too"),
        ({"path": "out"}, {}, None),
        ({"path": "done"}, {"archive": "done"}, None),
    ],
)
def test_no_name_is_of_two_kinds_of_files(read, write, words):
    """Else whoever looks first takes the other's: our own orders were put away as a partner's wrong file."""
    stock = Read(kind="stock", path="in", pattern="STOCK_*", columns=NUMBERS.columns)
    paid = Write(
        kind="payments",
        path="out",
        columns=tuple(Column(x, name=x) for x in ("reference", "order", "amount")),
    )
    settings = FilesSettings(
        folder="/x", spool="/y", reads=(ITEMS, with_(stock, **read)), writes=(with_(NUMBERS, **write), paid)
    )
    if words is None:
        return settings.validate()
    with pytest.raises(Misconfigured, match=words):
        settings.validate()
    return None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pattern": "*"}, None),
        ({"pattern": "STOCK"}, "exactly one"),
        ({"pattern": "../*"}, "exactly one"),
        ({"path": "../in"}, "below files.folder"),
        ({"path": "/in"}, "below files.folder"),
        ({"archive": "in"}, "other folders than path"),
        ({"encoding": "utf-16"}, "is not read"),
        ({"decimal": ",", "thousands": ","}, "the same character"),
        ({"timezone": "Mars/Olympus"}, "is no zone"),
        ({"columns": ()}, "'sku' is missing"),
        ({"columns": (Column("sku"),)}, "give name, as the header has it"),
        ({"columns": (Column("sku", name="a"), Column("colour", name="b"))}, "'colour' is none of"),
        ({"format": "fixed"}, "give start"),
        ({"format": "xml"}, "name the elements that are records"),
        ({"complete": "trailer"}, "needs a trailer"),
        ({"checksum": "md5"}, "read from the sentinel"),
        ({"stamp": "row"}, "needs a column of the field stamp"),
        ({"rows_max": 0}, "at least 1"),
        ({"kind": "shipments", "scope": "full"}, 'scope = "delta" only'),
    ],
)
def test_reads_that_cannot_work_are_refused_with_their_field(change, words):
    settings = FilesSettings(folder="/x", spool="/y", reads=(with_(ITEMS, **change),))
    if words is None:
        settings.validate()
        return
    with pytest.raises(Misconfigured, match=words):
        settings.validate()
