"""What of a record tells who somebody is, where it is looked for, and what is kept of it being erased."""

from __future__ import annotations

import os
from decimal import Decimal

import apsw
import pytest

from syncline.engine.audit import Audit
from syncline.engine.codec import encode, order_fingerprint
from syncline.engine.privacy.intake import Intake
from syncline.engine.privacy.persons import (
    Words,
    company_without,
    order_without,
    payload_without,
    words_of_company,
    words_of_order,
)
from syncline.engine.privacy.traces import adopted_without, parked_without
from syncline.model.census import ListedCustomer
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.customers import Company, Contact, CustomerCard, Site
from syncline.model.errors import Misconfigured, Retryable
from syncline.model.payloads import FieldValue, PutCustomer, PutOrder, ReadOrder
from syncline.model.records import Address, Customer, Order, OrderLine
from syncline.ports import Write
from syncline.runtime.ledger import FileLedger
from syncline.stores.bodies import unpack
from syncline.stores.sqlite import LiveSqliteStore, SqliteStore
from syncline.testing.store_tools import T0

HOME = Address(
    name="Kanari Quellwasser", line1="Vogelsang 17", city="Reading", phone="+49 30 5550142", country="GB"
)
ORDER = Order(
    key="7",
    number="#1007",
    placed_at_ms=T0,
    updated_at_ms=T0,
    currency="GBP",
    lines=(OrderLine("1", "TEE", "Tee", Decimal(2), Decimal("10.00")),),
    shipping=Decimal(0),
    tax=Decimal(0),
    total=Decimal("20.00"),
    customer=Customer("9", "Kanari Quellwasser", "Zwitscherling@example.com", "+49 30 5550142"),
    billing=HOME,
    shipping_to=HOME,
    po_number="PO-1",
    note="leave it with the neighbour",
    complete=True,
)
CANARIES = ("quellwasser", "zwitscherling", "vogelsang", "5550142", "neighbour")
COMPANY = Company(
    key="42",
    name="Quellwasser Ltd",
    number="C-42",
    terms="2",
    email="office@example.com",
    contacts=(Contact("1", "Kanari", "Quellwasser", "zwitscherling@example.com", "+49 30 5550142"),),
    sites=(Site("1", line1="Vogelsang 17"),),
)


class StillClock:
    def now_ms(self) -> int:
        return T0


def tells(what) -> list[str]:
    text = encode(what).lower()
    return [canary for canary in CANARIES if canary in text]


def words(*more: str) -> Words:
    found = Words()
    found.add([*words_of_order(ORDER), *more])
    return found


def test_an_order_loses_its_buyer_and_keeps_what_counts():
    assert tells(ORDER) == list(CANARIES)
    without = order_without(ORDER)
    assert tells(without) == []
    assert without.customer == Customer("9")
    kept = ("key", "number", "lines", "total", "currency", "po_number", "placed_at_ms", "updated_at_ms")
    assert [getattr(without, name) for name in kept] == [getattr(ORDER, name) for name in kept]
    assert order_without(without) == without
    assert order_without(replace(ORDER, customer=None)).customer is None
    assert order_fingerprint(without) != order_fingerprint(ORDER)


def test_a_customer_loses_names_places_and_people_and_counts_as_a_private_one():
    assert tells(COMPANY) == ["quellwasser", "zwitscherling", "vogelsang", "5550142"]
    without = company_without(COMPANY)
    assert tells(without) == []
    assert (without.key, without.number, without.terms, without.person) == ("42", "C-42", "2", True)
    assert "Quellwasser Ltd" not in words_of_company(COMPANY)
    assert "Kanari Quellwasser" in words_of_company(COMPANY)
    assert "Quellwasser Ltd" in words_of_company(replace(COMPANY, person=True))


def test_a_call_loses_what_it_carried_of_a_person_and_nothing_else():
    put = PutOrder("shop-7", ORDER, (), "88", fields=(FieldValue("custbody_to", "string", "Quellwasser"),))
    without = payload_without(put)
    assert tells(without) == []
    assert isinstance(without, PutOrder)
    assert (without.reference, without.external_id, without.order.total) == ("shop-7", "88", ORDER.total)
    card = PutCustomer("42", "5", CustomerCard(name="Quellwasser"), before=CustomerCard(name="Quellwasser"))
    assert tells(payload_without(card)) == []
    assert payload_without(ReadOrder("7")) == ReadOrder("7")


def test_words_are_found_in_any_case_and_escaped_and_short_ones_are_none():
    looked = words("Müller Straße", "Ann")
    assert looked.in_body(b'{"email": "ZWITSCHERLING@EXAMPLE.COM"}')
    assert looked.in_body('{"to": "Müller Straße"}'.encode())
    assert looked.in_body(b'{"to": "m\\u00fcller stra\\u00dfe"}')
    assert not looked.in_body(b'{"sku": "Ann"}')
    plus = words("kanari+shop@example.com", "Weg 5/7, \U0001d4af hinten", 'Hof "Zur Linde"')
    for body in (
        b'{"email": "kanari\\u002Bshop@example.com"}',
        b'{"email": "Kanari\\u002bShop@example.com"}',
        b'{"street": "Weg 5\\/7, \\ud835\\udcaf hinten"}',
        '{"street": "Weg 5/7, \U0001d4af hinten"}'.encode(),
        b'{"street": "Hof \\"Zur Linde\\""}',
    ):
        assert plus.in_body(body)
        assert not looked.in_body(body)
    assert not plus.in_body(rb'{"path": "C:\\ud835", "half": "\ud835", "quote": "\u0022"}')
    assert plus.in_text("no mail to kanari\\u002bshop@example.com")
    assert not Words().in_body(b"anything")


def test_somebody_elses_text_is_not_taken_for_theirs_by_one_name_alone():
    looked = words()
    assert not looked.in_text("Kanari Quellwasser has called")
    assert looked.in_text("Kanari Quellwasser, Vogelsang 17")
    assert looked.in_text("no mail to zwitscherling@example.com")
    assert looked.in_text("no call to +49 30 5550142")


def test_parked_work_is_emptied_by_its_key_by_its_words_or_with_its_whole_system():
    looked, keys = words(), {"7"}
    mine = (1, "erp", "put_order", "7\x1f3", "why", "{}")
    assert parked_without(mine, keys, looked, everything=False) == {
        "id": 1, "detail": "[erased]", "payload": "[erased]",
    }  # fmt: skip
    others = (2, "erp", "put_order", "77\x1f3", "why", "{}")
    assert parked_without(others, keys, looked, everything=False) is None
    assert parked_without(others, keys, looked, everything=True) is not None
    message = (3, "shop", "apply", "orders\x1fw", "", '{"email": "zwitscherling@example.com"}')
    assert parked_without(message, keys, looked, everything=False) == {
        "id": 3, "detail": "", "payload": "[erased]",
    }  # fmt: skip
    for done in ((3, "shop", "put_order", "7\x1f3", "", "[erased]"), (4, "shop", "put_order", "7", "", "")):
        assert parked_without(done, keys, looked, everything=False) is None
    reason = (5, "shop", "apply", "orders\x1fw", "refused zwitscherling@example.com", "")
    assert parked_without(reason, keys, looked, everything=False) == {
        "id": 5, "detail": "[erased]", "payload": "",
    }  # fmt: skip


def test_what_an_adoption_listed_keeps_its_id_and_loses_the_rest():
    listed = ListedCustomer(
        "5", "Kanari Quellwasser", "zwitscherling@example.com", "shop-c-9", {"entityid": "K"}
    )
    left = encode(ListedCustomer("5", reference="shop-c-9"))
    assert adopted_without("customers", encode(listed), words(), mine=False) == left
    assert adopted_without("customers", encode(listed), Words(), mine=True) == left
    assert adopted_without("customers", encode(listed), Words(), mine=False) is None
    assert adopted_without("customers", left, words(), mine=True) is None


# --- what comes later ----------------------------------------------------------------------------------


async def test_a_store_in_which_nobody_was_erased_is_asked_nothing():
    class Silent:
        async def read(self, statement, **parameters):
            assert statement == "privacies"
            return []

    intake = Intake(Silent())
    await intake.load()
    event = Event("shop", "orders/create", "e", Via.EVENT, T0, b"{}")
    decoded = [(LoggedEvent(1, T0, event), [Change(Kind.ORDER, "7", 1, 0, T0, ORDER)])]
    assert await intake.taken(decoded) == (decoded, [])


# --- the audit -----------------------------------------------------------------------------------------


@pytest.fixture
async def store():
    store = SqliteStore.open(":memory:", now_ms=T0)
    yield store
    await store.close()


async def audited(store) -> Audit:
    audit = Audit(store, StillClock())
    for n in range(4):
        await audit.write(actor="Ada", action="edit", subject=f"parked {n}", before=f"was {n}", after="is")
    return audit


async def erase(store, audit, number: int) -> int:
    rows = await store.read("audits", after=0, limit=99)
    at = next(n for n, row in enumerate(rows) if row[0] == number)
    return await audit.erase(rows[at], rows[at - 1][7] if at else "", actor="syncline", why="request r")


@pytest.mark.parametrize("number", [1, 2, 4])
async def test_an_erased_entry_is_told_from_an_altered_one(store, number):
    audit = await audited(store)
    assert await erase(store, audit, number) == 1
    assert await erase(store, audit, number) == 0
    rows = await store.read("audits", after=0, limit=99)
    assert [row[5:7] for row in rows if row[0] == number] == [("[erased]", "[erased]")]
    check = await audit.verify()
    assert (check.holds, check.entries) == (True, 5)


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE audit SET actor = 'Otto' WHERE id = 2",
        "UPDATE audit SET at_ms = at_ms + 1 WHERE id = 2",
        "UPDATE audit SET subject = 'parked 9' WHERE id = 2",
        "UPDATE audit SET chain = 'x' WHERE id = 2",
        "DELETE FROM audit WHERE id = 1",
        "DELETE FROM audit WHERE id = 2",
        "DELETE FROM audit WHERE action = 'erase audit text'",
        "UPDATE audit SET before = '[erased]' WHERE id = 3",
        "UPDATE audit SET before = 'something else' WHERE id = 2",
    ],
)
async def test_nothing_else_can_be_altered_under_the_cover_of_erasing(store, forgery):
    audit = await audited(store)
    await erase(store, audit, 2)
    store._connection.execute(forgery)
    assert not (await audit.verify()).holds


async def test_several_erased_entries_hold_beside_each_other(store):
    audit = await audited(store)
    for number in (2, 3, 1):
        await erase(store, audit, number)
    assert (await audit.verify()).holds


# --- what lasts ----------------------------------------------------------------------------------------


def test_the_ledger_keeps_whole_lines_for_its_owner_alone(tmp_path):
    path = tmp_path / "syncline.erased"
    ledger = FileLedger(path)
    assert ledger.lines() == ()
    ledger.add('{"id":"a"}')
    with path.open("a") as file:
        file.write('{"id":"cut')
    ledger.add('{"id":"b"}')
    assert FileLedger(path).lines() == ('{"id":"a"}', '{"id":"b"}')
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Retryable, match="cannot be written"):
        FileLedger(tmp_path / "none" / "syncline.erased").add("{}")
    with pytest.raises(Misconfigured, match="cannot be read"):
        FileLedger(tmp_path).lines()


def test_a_line_that_the_disk_took_in_part_is_not_acted_upon(tmp_path, monkeypatch):
    ledger = FileLedger(tmp_path / "syncline.erased")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, text: write(handle, text[:5]))
        with pytest.raises(Retryable, match="No space left"):
            ledger.add('{"id":"a"}')
    ledger.add('{"id":"a"}')
    assert ledger.lines() == ('{"id":"a"}',)


def bytes_of(path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


async def test_nothing_of_what_was_erased_is_left_in_the_files_of_sqlite(tmp_path):
    """Pages that are free, and the log of changes, hold what was there before unless somebody sees to it."""
    path = tmp_path / "s.sqlite"
    store = await LiveSqliteStore.open(str(path), now_ms=T0)
    canary = b"zwitscherling-canary-of-this-test"
    event = Event("shop", "orders/create", "e", Via.EVENT, T0, canary + bytes(range(256)) * 90)
    await store.append([event], received_at_ms=T0)
    at = {"system": "shop", "kind": "order", "key": "7", "version": 1, "tiebreak": 0, "hash": ""}
    stamps = {"changed_at_ms": T0, "observed_at_ms": T0, "offset": 1}
    long = '{"note":"' + canary.decode() * 600 + '"}'
    await store.write(Write("record_put", [{**at, **stamps, "body": long}]))
    reader = apsw.Connection(str(path))
    ((frame,),) = reader.execute("SELECT body FROM event").fetchall()
    reader.close()
    assert unpack(frame) == event.body
    assert canary in bytes_of(path)
    await store.write(
        Write("event_erase", [{"offset": 1}]), Write("record_erase", [{**at, "body": '{"note":""}'}])
    )
    await store.wipe()
    await store.close()
    assert canary not in bytes_of(path)
    assert frame[20:60] not in bytes_of(path)
