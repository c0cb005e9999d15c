"""Copies of a partner's files: a person is taken out of their orders, whatever the layout, and the rest can be told again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from msgspec import structs
from msgspec.structs import replace
from tests.unit.files_place import START_MS, Desk
from tests.unit.test_files_orders import HEADED, NESTED, PLACED, Told, columns, leave

from syncline.connectors.files import intake
from syncline.connectors.files.copies import FileCopies
from syncline.connectors.files.declared import Column, Read
from syncline.connectors.files.spool import DAY_MS, Spool
from syncline.engine.privacy.persons import Words

NAME, EMAIL, STREET = "Kanari Quellwasser", "zwitscherling@example.com", "Vogelsang 17; yard"
FIELDS = (
    "reference revision currency customer_id customer_name customer_email ship_name ship_line1 ship_country note "
    "line sku quantity unit_price"
).split()
ORDERS = replace(PLACED, cancelled=(), delimiter=";", columns=columns(*FIELDS))
HEADER = ";".join([*FIELDS, "BIRTHDAY"])  # which no column declares
NOBODY = Words()


def row(order: str, *, name: str = NAME, email: str = EMAIL, id_: str = "c9", line: str = "1") -> str:
    street = STREET if name == NAME else "Elsewhere 1"
    return f'{order};1;GBP;{id_};{name};{email};{name};"{street}";GB;"say ""hello"" to {name}";{line};SKU-{line};2;9.50;1.4.1970'


def others(order: str) -> str:
    return row(order, name="Somebody Else", email="somebody@example.com", id_="c3")


def words(*more: str) -> Words:
    found = Words()
    found.add(more or (NAME, EMAIL, STREET))
    return found


def search(desk: Desk, *keys: str, told: Words = NOBODY, erase: bool = True):
    async def whose(given):
        return [key for key in given if key in keys]

    return desk.run(
        FileCopies(desk.settings, desk.clock, desk.spool, desk.intake).search(
            whose, told.in_text, erase=erase
        )
    )


def spooled(desk: Desk) -> str:
    """Everything that the spool has on disk."""
    folder = desk.spool._folder
    return "".join(
        path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file()
    )


def tells(desk: Desk) -> list[str]:
    return [word for word in (NAME, EMAIL, STREET, "1.4.1970") if word in spooled(desk)]


def test_an_order_keeps_what_counts_and_nobody_in_it(desks):
    desk = desks(ORDERS)
    told = Told(desk)
    leave(desk, 0, row("A-1"), row("A-1", line="2"), others("A-2"), header=HEADER)
    told.read()
    before = others("A-2")
    found = search(desk, "a-1", told=words(), erase=False)
    name = "ORDERS_202609010000.csv, taken 2026-09-21 14:13 UTC"
    assert (found.orders, found.files, found.left) == (1, (name,), ())
    assert tells(desk) == [NAME, EMAIL, STREET, "1.4.1970"]
    assert search(desk, "a-1", told=words()) == found
    left = spooled(desk)
    assert "A-1;1;GBP;c9;;;;;;;1;SKU-1;2;9.50;\n" in left
    assert [word for word in (NAME, EMAIL, STREET) if word in left] == []
    assert before in left
    assert search(desk, "a-1", told=words()) == found  # once more is once


def test_a_file_of_customers_that_tells_of_a_person_is_named(desks):
    fields = ("company", "name", "contact", "contact_email")
    people = replace(ORDERS, kind="customers", pattern="PEOPLE_*", scope="full", columns=columns(*fields))
    desk = desks(ORDERS, people)
    desk.leave(
        "PEOPLE_202609010000.csv",
        f"107;Acme;1;{EMAIL}",
        header=";".join(each.name for each in people.columns),
    )
    desk.pages(stream="customers")
    (name,) = search(desk, told=words()).left
    assert name.startswith("PEOPLE_202609010000.csv")
    assert search(desk, told=words("somebody@example.com")).left == ()


def test_it_is_told_again_without_the_person_and_with_everybody_else(desks):
    """A store that was put back from a backup has forgotten the file."""
    desk = desks(ORDERS)
    leave(desk, 0, row("A-1"), row("A-1", line="2"), others("A-2"), header=HEADER)
    first = Told(desk).read()
    search(desk, "a-1")
    again = Told(desk).read()
    assert again.refused == [] and again.units == first.units == [("a-1", 4), ("a-2", 2)]
    mine, theirs = again.orders
    assert mine.customer is not None and (mine.customer.key, mine.customer.email) == ("c9", "")
    assert (mine.shipping_to, mine.note) == (None, "")
    assert mine.total == first.orders[0].total
    assert theirs.customer == first.orders[1].customer


def test_the_same_file_that_comes_again_changes_nothing(desks):
    desk = desks(ORDERS)
    told = Told(desk)
    leave(desk, 0, row("A-1"), others("A-2"), header=HEADER)
    told.read()
    search(desk, "a-1")
    leave(desk, 0, row("A-1"), others("A-2"), header=HEADER)
    assert (told.read().orders, told.refused) == ([], [])


def test_an_id_that_may_be_an_address_goes_too(desks):
    desk = desks(ORDERS)
    leave(desk, 0, row("A-1", id_=EMAIL), header=HEADER)
    (order,) = Told(desk).read().orders
    assert order.customer is not None and "@" not in order.customer.key
    search(desk, "a-1")
    assert tells(desk) == []


def test_heads_and_lines_of_fixed_width_keep_their_places(desks):
    head = replace(HEADED, columns=(*HEADED.columns, Column("ship_name", start=20, width=20)))
    lines = tuple(
        Column(name, start=at, width=width)
        for name, at, width in (("sku", 2, 6), ("quantity", 8, 4), ("unit_price", 12, 6))
    )
    desk = desks(replace(PLACED, cancelled=(), format="fixed", head=head, columns=lines))
    mine, theirs = f"HA-1    1GBP       {NAME:20}EXTRA", f"HA-2    1GBP       {'Somebody Else':20}EXTRA"
    leave(desk, 0, "LSKU-1    2  9.50  for Kanari", theirs, "LSKU-1    5  9.50", header=mine)
    first = Told(desk).read()
    assert search(desk, "a-1").orders == 1
    assert tells(desk) == [] and "Kanari" not in spooled(desk)
    assert f"HA-1    1GBP{' ' * 32}\nLSKU-1    2  9.50{' ' * 12}\n{theirs}\n" in spooled(desk)
    again = Told(desk).read()
    assert (again.units, again.refused) == (first.units, [])


def test_heads_of_csv_keep_what_they_begin_with_and_the_mark_of_the_file(desks):
    head = replace(
        HEADED, starts="ORD", line_starts="POS",
        columns=tuple(Column(x, position=n) for n, x in ((2, "reference"), (3, "currency"), (4, "ship_name"))),
    )  # fmt: skip
    lines = tuple(Column(name, position=n) for n, name in ((2, "sku"), (3, "quantity"), (4, "unit_price")))
    desk = desks(replace(PLACED, cancelled=(), header=False, head=head, columns=lines))
    leave(desk, 0, "POS,SKU-1,2,9.50,for Kanari", header=f"\ufeffORD,A-1,GBP,{NAME}")
    first = Told(desk).read()
    assert first.units == [("a-1", 2)]
    search(desk, "a-1")
    assert "Kanari" not in spooled(desk)
    assert Told(desk).read().units == first.units


@pytest.mark.parametrize("declared", [True, False])
def test_of_xml_the_file_goes_and_its_records_stay(desks, declared):
    more = (Column("ship_name", name="../../who"),) if declared else ()
    desk = desks(replace(NESTED, columns=(*NESTED.columns, *more)))
    orders = [
        f"<order><lines><line><sku>SKU-1</sku><qty>{n}</qty><each>1.00</each></line></lines><ref>A-{n}</ref>"
        f"<total>{n}.00</total><who>{who}</who></order>"
        for n, who in ((2, NAME), (5, "Somebody Else"))
    ]
    leave(desk, 0, *orders, "</orders>", header='<orders currency="GBP">')
    first = Told(desk).read()
    assert first.units == [("a-2", 2), ("a-5", 5)]
    assert search(desk, "a-2").orders == 1
    assert NAME not in spooled(desk)
    assert ("Somebody Else" in spooled(desk)) is declared
    again = Told(desk).read()
    assert (again.units, again.refused) == (first.units, [])


def test_a_file_that_was_taken_with_other_columns_is_searched_with_these_or_named(
    desks,
):
    desk = desks(NESTED)
    order = (
        "<order><lines><line><sku>SKU-1</sku><qty>2</qty><each>1.00</each></line></lines><ref>A-2</ref>"
        f"<total>2.00</total><who>{NAME}, {EMAIL}</who></order>"
    )
    leave(desk, 0, order, "</orders>", header='<orders currency="GBP">')
    Told(desk).read()
    wider = replace(NESTED, columns=(*NESTED.columns, Column("ship_name", name="../../who")))

    def declare(read):
        desk.spool.close()
        desk.settings = structs.replace(desk.settings, reads=(read,))
        desk.start()

    declare(replace(wider, row_bytes_max=10))
    assert len(search(desk, told=words()).left) == 1  # not an order of these columns, so it is named
    assert NAME in spooled(desk)
    declare(wider)
    assert search(desk, "a-2").orders == 1  # whatever columns saw it
    assert NAME not in spooled(desk)
    declare(NESTED)
    assert "somebody was erased from it" in Told(desk).read().refused[0]


def test_a_file_that_tells_of_the_person_elsewhere_is_named(desks):
    status = Read(
        kind="order_status", path="in", pattern="STATUS_*", complete="rename",
        columns=columns("reference", "sku", "quantity"),
    )  # fmt: skip
    desk = desks(ORDERS, status)
    leave(desk, 0, row("A-1"), others("A-2"), header=HEADER)
    leave(desk, 1, others("A-3").replace("hello", f"hello, for {EMAIL}"), header=HEADER)
    desk.leave("STATUS_1.csv", f"A-1,SKU-1,2,{EMAIL}", header="reference,sku,quantity,who")
    Told(desk).read()
    desk.pages(None, "order_status")
    found = search(desk, "a-1", told=words())
    assert [name.partition(",")[0] for name in found.left] == ["ORDERS_202609010001.csv", "STATUS_1.csv"]
    assert len(found.files) == 3
    assert EMAIL in spooled(desk)


def test_columns_that_are_others_now_leave_the_words(desks):
    """What a file means is not known any more; that it tells of the person is."""
    desk = desks(ORDERS)
    leave(desk, 0, row("A-1"), header=HEADER)
    Told(desk).read()
    desk.settings = replace(desk.settings, reads=(replace(ORDERS, columns=columns("reference", "nothing")),))
    found = search(desk, "a-1", told=words())
    assert found.orders == 0
    assert [name.partition(",")[0] for name in found.left] == ["ORDERS_202609010000.csv"]


def test_a_file_without_its_header_puts_nobody_into_the_log(desks, monkeypatch):
    desk = desks(ORDERS)
    leave(desk, 0, others("A-2"), header=f"{NAME};{EMAIL}")
    said = []

    def say(*words, **more):
        said.append((words, more))

    monkeypatch.setattr(intake, "log", SimpleNamespace(info=say, warning=say))
    told = Told(desk).read()
    assert "is not in the header" in told.refused[0] and "Kanari" in told.refused[0]
    assert "file_rejected" in [more["action"] for _, more in said]
    assert "Kanari" not in str(said)
    assert "Kanari" in spooled(desk)  # in the journal, until somebody is to be forgotten
    search(desk, told=words(f"{NAME};{EMAIL}", EMAIL))
    desk.spool.close()
    assert "Kanari" not in spooled(desk)


def test_a_process_that_ends_in_between_leaves_nothing_behind(desks, monkeypatch):
    desk = desks(ORDERS)
    leave(desk, 0, row("A-1"), others("A-2"), header=HEADER)
    Told(desk).read()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "drop_replaced", lambda self: None)
        search(desk, "a-1")
    assert NAME in spooled(desk)
    desk.start()
    search(desk, "a-1")
    assert tells(desk) == ["1.4.1970"]  # of somebody else
    assert Told(desk).read().units == [("a-1", 2), ("a-2", 2)]


def test_what_is_kept_goes_in_its_time_as_before(desks):
    desk = desks(ORDERS)
    told = Told(desk)
    leave(desk, 0, row("A-1"), others("A-2"), header=HEADER)
    told.read()
    search(desk, "a-1")
    desk.loop.run_until_complete(desk.clock.sleep(31 * DAY_MS / 1000))
    told.read()
    assert "Somebody Else" not in spooled(desk)
    assert search(desk, "a-1", "a-2").orders == 0
    assert desk.clock.now_ms() > START_MS
