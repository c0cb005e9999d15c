"""Prices, customers and credit as rows of files: what each field means, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.files_place import STOCK, Desk
from tests.unit.test_files_records import changes

from syncline.connectors.files.declared import Column, Read, Write
from syncline.connectors.files.manifest import FilesSettings
from syncline.model.change import Kind
from syncline.model.credit import Credit
from syncline.model.customers import Company, Contact, Site
from syncline.model.errors import Misconfigured
from syncline.model.pricing import Price, PriceEntry, PriceKind

NAMED: dict[str, Any] = {"stamp": "name", "stamp_format": "%Y%m%d%H%M", "lead_s": 60, "pattern": "F_*.csv"}


def reading(kind: str, fields: str, **more: Any) -> Read:
    constants = {"per": "100"} if "per100" in fields.split() else {}
    names = [name.removesuffix("100") for name in fields.split()]
    columns = tuple(Column(name, name=name, value=constants.get(name, "")) for name in names)
    return replace(STOCK, kind=kind, columns=columns, **(NAMED | more))


def said(desks: Any, read: Read, *rows: str) -> tuple[list[Any], list[str]]:
    """The values that a file states, and what is refused of it."""
    desk: Desk = desks(read)
    desk.settings.validate()
    header = ",".join(column.name for column in read.columns if not column.value)
    desk.leave("F_202601010000.csv", *rows, header=header)
    pages = desk.pages(stream=read.stream.name)
    news, refused = changes(desk, [event for page in pages for event in page.events])
    assert all(change.kind is Kind(read.kind.rstrip("s")) for change in news)
    return [change.value for change in news], [text.partition(": ")[2] for text in refused]


def ms(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)


# --- prices ------------------------------------------------------------------------------------------

WHOM = "sku list group customer promotion currency minimum unit own_unit starts ends price"


def test_a_list_is_called_by_whom_it_is_for(desks):
    rows = [
        "A,,,,,GBP,,,,,,1",
        "A,R,,,,GBP,,,,,,2",
        "A,,G,,,GBP,,,,,,3",
        "A,,,C,,GBP,,,,,,4",
        "A,,,,P,GBP,,,,,,5",
    ]
    found, refused = said(desks, reading("prices", WHOM), *rows)
    assert refused == []
    assert [(x.sku, x.price_list, x.kind, int(x.entries[0].amount)) for x in found] == [
        ("A", "base", PriceKind.LIST, 1),
        ("A", "list:R", PriceKind.LIST, 2),
        ("A", "group:G", PriceKind.GROUP, 3),
        ("A", "customer:C", PriceKind.CONTRACT, 4),
        ("A", "promotion:P", PriceKind.PROMOTIONAL, 5),
    ]


def test_words_may_say_for_whom_a_price_is(desks):
    whom = {"All": "base", "Cust": "customer", "Grp": "group"}
    read = reading("prices", "sku for code price", whom=whom)
    found, refused = said(
        desks, read, "A,All,,1", "A,Cust,107,2", "B,All,,9", "A,Else,9,4", "C,All,,9", "A,Grp,7,3", "B,,,6"
    )
    assert [(x.sku, x.price_list) for x in found] == [("A", "base"), ("A", "customer:107"), ("A", "group:7")]
    assert (
        refused
        == [
            "field for: 'Else' is none of those that whom names",
            "line 5 beside it cannot be understood, and may be of this record",  # B, which has another row elsewhere
            "line 5 beside it cannot be understood, and may be of this record",
        ]
    )


def test_days_are_whole_ones_of_the_files_zone_and_the_last_counts(desks):
    read = reading("prices", WHOM, timezone="Europe/Berlin", day_format="%d.%m.%Y")
    found, refused = said(
        desks,
        read,
        "A,,,,,EUR,5,BOX,EA,29.03.2026,29.03.2026,9",
        "B,,,,,EUR,0,EA,EA,00.00.0000,31.12.9999,9",
        "C,,,,,EUR,,,EA,30.03.2026,29.03.2026,9",
        "D,,,,,EUR,,,EA,30.02.2026,,9",
    )
    begins = ms(2026, 3, 28, 23)  # midnight in Berlin; the day has 23 hours
    assert found == [
        Price("A", "base", PriceKind.LIST, (PriceEntry(Decimal(9), "EUR", Decimal(5), "BOX", begins, begins + 23 * 3_600_000),)),
        Price("B", "base", PriceKind.LIST, (PriceEntry(Decimal(9), "EUR"),)),
    ]  # fmt: skip
    assert refused == [
        "field ends: '29.03.2026' lies before its beginning",
        "field starts: '30.02.2026' is no day written as %d.%m.%Y",
    ]


def test_a_price_without_a_currency_is_in_the_erps_own_and_else_in_none(desks):
    read = reading("prices", "sku currency own_currency price")
    found, refused = said(desks, read, "A,EUR,GBP,1", "B,,GBP,2", "C,,,3")
    assert [(x.sku, x.entries[0].currency) for x in found] == [("A", "EUR"), ("B", "GBP")]
    assert refused == ["field currency: none is said, and no own_currency says which is meant then"]


def test_an_amount_is_that_of_one_unit(desks):
    found, refused = said(desks, reading("prices", "sku per100 price"), "A,250.00", "B,0.01", "C,-1")
    assert [x.entries[0].amount for x in found] == [Decimal("2.5"), Decimal("0.0001")]
    assert refused == ["field price: '-1' is no price"]


def test_a_price_for_next_to_nothing_is_refused(desks):
    found, refused = said(desks, reading("prices", "sku per price"), f"A,0.{'0' * 30}1,9", "B,0,9", "C,10,9")
    assert [x.entries[0].amount for x in found] == [Decimal("0.9")]
    assert refused == [
        f"field per: '0.{'0' * 30}1' is no number of units for such a price",
        "field per: '0' is no number of units",
    ]


def test_what_ended_before_1970_has_ended(desks):
    found, refused = said(
        desks, reading("prices", "sku starts ends price"), "A,1960-01-01,1969-12-31,9", "B,1960-01-01,,9"
    )
    assert refused == []
    assert [(x.entries[0].starts_ms, x.entries[0].ends_ms) for x in found] == [(0, 1), (0, 0)]


CELLS = st.one_of(
    st.sampled_from(
        "0 1 -1 1- 0.00000000000000000000000000000000001 999999999999999 1000000000000 2026-02-30 0001-01-01 9999-12-31 "
        "9998-12-31 1969-12-31 GBP gbp yes GB 107 107 107 A A base customer".split()
    ),
    st.text(st.characters(codec="utf-8", exclude_characters=',"\n\r'), max_size=12),
)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("prices", "sku price list customer currency minimum per unit own_unit starts ends"),
        ("customers", "company name contact_email contact_role site site_line1 site_country site_billing person currency"),
        ("credit", "account balance open_orders limit days_past_due overdue open_invoices currency"),
    ],
)  # fmt: skip
@given(data=st.data(), scope=st.sampled_from(["full", "delta"]))
@settings(max_examples=60, deadline=None)
def test_whatever_stands_in_a_file_is_told_or_refused_and_never_breaks_a_read(
    tmp_path_factory, kind, fields, data, scope
):
    width = len(fields.split())
    rows = data.draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=4))
    desk = Desk(tmp_path_factory.mktemp("desk"), reading(kind, fields, scope=scope))
    try:
        desk.leave("F_202601010000.csv", *(",".join(row) for row in rows), header=",".join(fields.split()))
        pages = desk.pages(stream=desk.settings.reads[0].stream.name)
        news, refused = changes(desk, [event for page in pages for event in page.events])
        assert news or refused
        assert len({change.key for change in news}) == len(news), "each record once"
    finally:
        desk.spool.close()
        desk.loop.close()


def test_a_row_without_an_amount_says_that_there_is_no_price(desks):
    read = reading("prices", "sku list minimum price", scope="delta")
    found, refused = said(desks, read, "A,R,1,", "B,R,1,10", "B,R,5,")
    assert found == [
        Price("A", "list:R", PriceKind.LIST, ()),
        Price("B", "list:R", PriceKind.LIST, (PriceEntry(Decimal(10)),)),
    ]
    assert refused == []


def test_what_contradicts_itself_is_refused_and_what_is_said_twice_is_said_once(desks):
    rows = [
        "A,R,,,,GBP,1,,,,,10",
        "A,R,,,,GBP,1,,,,,10.00",
        "A,R,,,,EUR,1,,,,,11",
        "B,R,,,,GBP,1,,,,,10",
        "B,R,,,,GBP,0,,,,,11",
        "C,R,G,,,GBP,1,,,,,10",
        "D,R,,,,gbp,1,,,,,10",
    ]
    found, refused = said(desks, reading("prices", WHOM), *rows)
    assert [(x.sku, [(y.currency, y.amount) for y in x.entries]) for x in found] == [
        ("A", [("EUR", Decimal(11)), ("GBP", Decimal(10))])
    ]
    assert "the row is for list 'R' and for group 'G'" in refused
    assert len(refused) == 3


# --- customers ----------------------------------------------------------------------------------------

CARD = "company name number status tax_id terms group currency email phone person"


def test_one_wide_row_is_a_company_with_a_person_and_both_addresses(desks):
    bill = "bill_line1 bill_city bill_postcode bill_country"
    ship = "ship_line1 ship_city ship_postcode ship_country"
    read = reading("customers", f"{CARD} contact_email contact_last_name {bill} {ship}", inactive=("X",))
    found, refused = said(
        desks,
        read,
        "107,Acme,,,GB1,N30,TRADE,GBP,,+44 1,,Ada@Acme.example,Lovelace,1 High St,Reading,RG1,GB,2 Low Rd,Bath,BA1,GB",
        "108,Beta,B-8,X,,,,,,,1,,,1 High St,Reading,RG1,GB,1 High St,Reading,RG1,GB",
    )
    acme, beta = found
    assert refused == []
    assert acme == Company(
        "107", "Acme", "107", tax_id="GB1", terms="N30", group="TRADE", currency="GBP", phone="+44 1",
        contacts=(Contact(acme.contacts[0].key, last_name="Lovelace", email="Ada@Acme.example"),),
        sites=(
            Site("bill", billing=True, line1="1 High St", city="Reading", postcode="RG1", country="GB"),
            Site("ship", shipping=True, line1="2 Low Rd", city="Bath", postcode="BA1", country="GB"),
        ),
    )  # fmt: skip
    assert "ada" not in acme.contacts[0].key.lower(), "keys stand where nobody's e-mail may"
    assert (beta.number, beta.active, beta.person) == ("B-8", False, True)
    assert [(x.key, x.billing, x.shipping) for x in beta.sites] == [("bill", True, True)]


MANY = "company name terms contact contact_email contact_role site site_line1 site_country site_billing"


def test_rows_of_a_company_are_one_record_wherever_they_stand(desks):
    found, refused = said(
        desks,
        reading("customers", MANY),
        "107,Acme,N30,,,,,,,",
        "108,Beta,,7,g@beta.example,,,,,",
        "107,,,2,bob@acme.example,buyer,S2,2 Low Rd,GB,0",
        "107,Acme,,1,ada@acme.example,admin,S1,1 High St,GB,1",
        "107,Acme,,1,ada@acme.example,admin,S2,2 Low Rd,GB,0",
    )
    assert refused == []
    acme = next(x for x in found if x.key == "107")
    assert acme.terms == "N30"
    assert [(x.key, x.email, x.role) for x in acme.contacts] == [
        ("1", "ada@acme.example", "admin"),
        ("2", "bob@acme.example", "buyer"),
    ]
    assert [(x.key, x.line1, x.billing) for x in acme.sites] == [
        ("S1", "1 High St", True),
        ("S2", "2 Low Rd", False),
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("107,Acme Ltd,,,,,,,,", "field name: another here than in line 2"),
        ("107,,N60,,,,,,,", "field terms: another here than in line 2"),
        ("107,,,1,eve@acme.example,,,,,", "'1' is said to be another in line 2"),
        ("107,,,,eve@acme.example,,,,,", "field contact: '' is no key"),
        ("107,,,,,,S1,9 Low Rd,GB,1", "'S1' is said to be another in line 2"),
        ("107,,,,,,S2,9 Low Rd,United Kingdom,1", "field site_country: 'United Kingdom' is no country (ISO 3166-1 alpha-2)"),
        ("107,,,,,,S2,9 Low Rd,GB,perhaps", "field site_billing: 'perhaps' is neither yes nor no (1, 0, true, false)"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_parks_the_company_whole_and_keeps_no_row_of_it(desks, row, why):
    first = "107,Acme,N30,1,ada@acme.example,admin,S1,1 High St,GB,1"
    found, refused = said(desks, reading("customers", MANY), first, row, "108,Beta,,,,,,,,")
    assert [x.key for x in found] == ["108"]
    assert refused == [why]


def test_the_body_of_a_refused_company_names_nobody(desks):
    desk = desks(reading("customers", MANY))
    row = "107,Acme,N30,1,ada@acme.example,admin,S1,1 High St,"
    desk.leave("F_202601010000.csv", f"{row}Great Britain,1", f"{row}torn", header=",".join(MANY.split()))
    bodies = [event.body for page in desk.pages(stream="customers") for event in page.events]
    assert len(bodies) == 2
    assert not any(b"ada@" in body or b"High St" in body for body in bodies)


def test_people_in_xml_name_the_company_around_them_wherever_that_says_what_it_is(desks):
    paths = {
        "company": "../@no", "name": "../name", "tax_id": "../vat", "contact": "@id", "contact_email": "mail",
        "contact_role": "role",
    }  # fmt: skip
    columns = tuple(Column(field, name=path) for field, path in paths.items())
    desk = desks(reading("customers", "company", format="xml", record="firms/firm/person", pattern="F_*.xml"))
    desk.settings = replace(desk.settings, reads=(replace(desk.settings.reads[0], columns=columns),))
    desk.spool.close()
    desk.start()
    body = """<?xml version="1.0"?><firms>
      <firm no="107"><person id="1"><mail>ada@acme.example</mail><role>admin</role></person>
        <person id="2"><mail>bob@acme.example</mail></person><name>Acme</name><vat>GB1</vat></firm>
      <firm no="108"><name>Beta</name><person id="1"><mail>eve@beta.example</mail></person></firm></firms>"""
    (desk.root / "in" / "F_202601010000.xml").write_text(body)
    pages = desk.pages(stream="customers")
    news, refused = changes(desk, [event for page in pages for event in page.events])
    assert refused == []
    assert [(x.value.name, x.value.tax_id, [(y.key, y.role) for y in x.value.contacts]) for x in news] == [
        ("Acme", "GB1", [("1", "admin"), ("2", "")]),
        ("Beta", "", [("1", "")]),
    ]


# --- credit -------------------------------------------------------------------------------------------

OWED = "account limit balance open_orders status days_past_due overdue open_invoices currency"


def test_a_row_is_the_credit_of_an_account_as_old_as_it_may_be(desks):
    read = reading("credit", OWED, held=("H",), unlimited=("0.00",))
    found, refused = said(
        desks,
        read,
        "107,500.00,120.50,80,,3,20.50,2,GBP",
        "108,0.00,0,0,H,-4,,,",
        "109,,10,0,,,,,",
        "110,100,much,0,,,,,",
        "111,100,0,0,,1.5,,,",
    )
    began = ms(2026, 1, 1) - 60_000
    assert found == [
        Credit(
            "107", "GBP", Decimal(500), Decimal("120.5"), Decimal(80), False, 3, Decimal("20.5"), 2, "", began
        ),
        Credit("108", "", None, Decimal(0), Decimal(0), True, 0, read_began_ms=began),
        Credit("109", "", None, Decimal(10), read_began_ms=began),
    ]
    assert refused == [
        "field balance: 'much' is no number here",
        "field days_past_due: '1.5' is no whole number that can be meant",
    ]


def test_fixed_lines_have_signs_behind_and_no_header(desks):
    columns = tuple(
        Column(name, start=start, width=width)
        for name, start, width in (
            ("account", 1, 6),
            ("balance", 7, 10),
            ("open_orders", 17, 10),
            ("status", 27, 1),
        )
    )
    read = replace(reading("credit", "account"), format="fixed", decimal=",", columns=columns, held=("H",))
    desk = desks(read)
    rows = [f"{'107':6}{'12,50-':>10}{'0,00':>10}H", f"{'108':6}{'1':>10}{'2':>10} "]
    desk.leave("F_202601010000.csv", *rows[1:], header=rows[0])
    pages = desk.pages(stream="credit")
    news, refused = changes(desk, [event for page in pages for event in page.events])
    assert refused == []
    assert [(x.key, x.value.balance, x.value.on_hold) for x in news] == [
        ("107", Decimal("-12.5"), True),
        ("108", Decimal(1), False),
    ]


def test_figures_are_never_newer_than_their_file_was_listed(desks):
    read = reading("credit", "account balance open_orders")
    desk = desks(read)
    begun_ms = desk.clock.now_ms()
    ahead = datetime.fromtimestamp(begun_ms / 1000 + 1_800, UTC)  # the partner's clock is half an hour ahead
    desk.leave(f"F_{ahead:%Y%m%d%H%M}.csv", "107,10,0", header="account,balance,open_orders")
    pages = desk.pages(stream="credit")
    (change,) = [c for page in pages for event in page.events for c in desk.changes(event)]
    assert change.version == change.value.read_began_ms == pages[-1].cursor.covers_ms == begun_ms - 60_000


def test_of_several_rows_of_an_account_the_latest_counts(desks):
    read = reading("credit", "account balance open_orders stamp", stamp="row", scope="delta")
    rows = ("107,10,0,2026-01-01T08:00:00", "107,20,0,2026-01-01T09:00:00", "107,15,0,2026-01-01T08:30:00")
    found, refused = said(desks, read, *rows)
    assert [x.balance for x in found] == [Decimal(20)] and refused == []


def test_of_two_rows_of_an_account_that_differ_neither_counts(desks):
    found, refused = said(desks, reading("credit", "account balance open_orders"), "107,10,0", "107,20,0")
    assert (found, refused) == ([], ["account '107' stands in line 2 as well"])


# --- what is declared -----------------------------------------------------------------------------------

OUT = tuple(Column(name, name=name) for name in ("reference", "action", "sku", "quantity"))
ORDERS = Write(kind="orders", path="out", columns=OUT)
STATUS = reading("order_status", "reference sku quantity", scope="delta", pattern="S_*.csv")
CREDIT = reading("credit", "account balance open_orders")


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (reading("prices", "sku for code price"), "'whom'"),
        (reading("prices", "sku for price", whom={"A": "base"}), "need each other"),
        (reading("prices", "sku price", day_format="%Y-%m"), "day_format"),
        (reading("prices", "sku price unit"), "own_unit"),
        (reading("prices", "sku price", day_format="%Y-%m-%d %H"), "day_format"),
        (reading("credit", "account balance"), "'open_orders' is missing"),
        (reading("credit", "account balance open_orders", held=("H",)), "field status"),
        (reading("customers", "company name", unlimited=("0",)), "is for credit"),
        (reading("customers", "company name contact_role"), "people need"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(read, words):
    with pytest.raises(Misconfigured, match=words):
        FilesSettings(folder="/in", spool="/spool", reads=(read,)).validate()


@pytest.mark.parametrize(
    ("reads", "columns", "words"),
    [
        ((CREDIT,), (*OUT, Column("customer_id", name="c")), "reads of kind 'order_status' are needed"),
        ((CREDIT, STATUS), OUT, "on whose account"),
    ],
)
def test_orders_beside_credit_have_to_say_whose_they_are_and_come_back(reads, columns, words):
    write = replace(ORDERS, columns=columns)
    of: dict[str, Any] = {"folder": "/in", "spool": "/spool", "untold": ("payments", "refunds")}
    with pytest.raises(Misconfigured, match=words):
        FilesSettings(reads=reads, writes=(write,), **of).validate()
    whole = replace(ORDERS, columns=(*OUT, Column("customer_id", name="c")))
    FilesSettings(reads=(CREDIT, STATUS), writes=(whole,), **of).validate()


def test_the_status_of_an_order_says_for_whom_it_is_booked(desks):
    desk = desks(
        replace(STATUS, columns=tuple(Column(x, name=x) for x in "reference account sku quantity".split()))
    )
    desk.leave(
        "S_202601010000.csv",
        "shop-1,107,A,1",
        "shop-2,107,A,1",
        "shop-2,108,B,1",
        header="reference,account,sku,quantity",
    )
    pages = desk.pages(stream="order_status")
    news, refused = changes(desk, [event for page in pages for event in page.events])
    assert [(x.key, x.value.account) for x in news] == [("shop-1", "107")]
    assert len(refused) == 1, "of two accounts nobody knows which"
