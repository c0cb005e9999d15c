"""Prices, customers, credit and products as files: all that a channel is to hold of each, in the columns that it asked for."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace as with_
from tests.unit.files_place import Desk
from tests.unit.test_files_numbers import Slow
from tests.unit.test_files_sink import ITEMS, Death, Dying

from syncline.connectors.files.copies import FileCopies
from syncline.connectors.files.declared import Column, Write
from syncline.connectors.files.manifest import LOOK_UP_WINDOW_MS, FilesSettings, capabilities_of
from syncline.engine.privacy.persons import Words
from syncline.model.credit import CreditTag
from syncline.model.customers import Contact, CustomerCard, CustomerField, Site
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import Misconfigured
from syncline.model.payloads import (
    PutCustomer,
    SetCredit,
    SetListing,
    SetPrice,
    SetProduct,
    SetWording,
    StatePayload,
)
from syncline.model.pricing import PriceBreak, PriceTag
from syncline.model.products import Goods, Listing, ProductStatus, Variant, Wording
from syncline.ports import Folder
from syncline.runtime.config import parse


def writes(kind: str, *fields: str, **more) -> Write:
    return Write(
        kind=kind, path="out", columns=tuple(Column(name, name=name.upper()) for name in fields), **more
    )


PRICES = writes("prices", "sku", "list", "currency", "minimum", "price", "compare_at")
CUSTOMERS = writes(
    "customers",
    *"company record name active tax_id terms contact contact_first_name contact_last_name contact_email".split(),
    *"contact_role site site_label site_billing site_name site_line1 site_city site_country".split(),
)
CREDIT = writes("credit", "account", "currency", "available", "limit", "blocked", "reason")
PRODUCTS = writes(
    "products",
    *"product sku title description category status barcode images option_name.1 option_value.1 attribute.Season".split(),
)
TEXTS = writes("translations", "product", "language", "title", "description")
LISTINGS = writes("listings", "product", "assortment", "shown")
OPERATION = {
    SetPrice: "set_list_price",
    PutCustomer: "put_customer",
    SetCredit: "set_credit",
    SetProduct: "set_product",
    SetWording: "set_wording",
    SetListing: "set_listing",
}
CARD = CustomerCard(
    name="Acme",
    active=True,
    tax_id="GB1",
    terms="NET30",
    contacts=(Contact("p1", "Ada", "Ash", "ada@acme.example", "+441", "Buyer", "orders"),),
    sites=(Site("s1", "HQ", billing=True, name="Acme", line1="1 Road", city="Leeds", country="GB"),),
    keys=(("external_id", "C1"), ("number", "10001")),
)
SHIRT = Goods(
    (Variant("S-R", ("red",), "123"), Variant("S-B", ("blue",))),
    ("Colour",),
    ProductStatus.ACTIVE,
    "Shirt",
    "Warm\nand soft",
    "Shirts",
    {"Season": "Winter", "Weight": "3"},
    ("https://a.example/1.png", "https://a.example/2.png"),
)


def price(*breaks: tuple[int, str], sku: str = "A", to: str = "trade", **more) -> SetPrice:
    found = tuple(PriceBreak(Decimal(n), Decimal(amount)) for n, amount in breaks)
    return SetPrice(sku, f"id-{sku}", "", to, PriceTag("GBP", found, more.pop("compare_at", None)), **more)


def told(desk: Desk, *payloads: StatePayload) -> list[Outcome]:
    items = [Item(f"{n}", payload) for n, payload in enumerate(payloads)]
    return desk.run(desk.sink.deliver(OPERATION[type(payloads[0])], items, "key"))


def rows(desk: Desk) -> list[dict[str, str]]:
    """The last file, as whoever loads CSV reads it."""
    text = (desk.root / "out" / desk.names("out")[-1]).read_text()
    return [
        {name.lower(): cell for name, cell in row.items() if cell}
        for row in csv.DictReader(io.StringIO(text))
    ]


# --- what stands in a file --------------------------------------------------------------------------


def test_a_list_says_all_of_its_prices_and_one_that_ended_has_none(desks):
    desk = desks(ITEMS, writes=(PRICES,))
    first = price((1, "10.5"), (12, "9"), compare_at=Decimal(12))
    assert [one.result for one in told(desk, first, price(sku="B"))] == [Result.DONE] * 2
    head = {"sku": "A", "list": "trade", "currency": "GBP", "compare_at": "12.00"}
    assert rows(desk) == [
        {**head, "minimum": "1", "price": "10.50"},
        {**head, "minimum": "12", "price": "9.00"},
        {"sku": "B", "list": "trade", "currency": "GBP"},
    ]


def test_a_price_is_never_rounded_here_and_one_bad_price_spoils_only_itself(desks):
    desk = desks(ITEMS, writes=(PRICES,))
    bad, good = told(desk, price((1, "10.505")), price((1, "7.5"), sku="B"))
    assert bad.result is Result.REJECTED and "more than 2 decimals" in bad.message
    assert good.result is Result.DONE
    assert [row["sku"] for row in rows(desk)] == ["B"]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (price((1, "10"), (12, "9")), "no column of the field minimum"),
        (price((1, "10"), compare_at=Decimal(11)), "no column is of the field compare_at"),
        (
            with_(price((1, "10")), content=PriceTag("EUR", (PriceBreak(Decimal(1), Decimal(10)),))),
            "always says GBP",
        ),
    ],
)
def test_what_no_column_can_say_is_refused(desks, payload, words):
    columns = (*writes("prices", "sku", "list", "price").columns, Column("currency", name="CUR", value="GBP"))
    desk = desks(ITEMS, writes=(with_(PRICES, columns=columns),))
    (outcome,) = told(desk, payload)
    assert outcome.result is Result.REJECTED and words in outcome.message
    assert not desk.names("out")


def test_a_customer_is_a_row_and_one_for_each_contact_and_address(desks):
    desk = desks(writes=(CUSTOMERS,))
    (outcome,) = told(desk, PutCustomer("C1", "", CARD))
    assert outcome == Outcome(Result.DONE, facts={"external_id": "C1", "buyers": ("C1",)})
    head = {"company": "C1", "name": "Acme"}
    assert rows(desk) == [
        {**head, "record": "company", "active": "1", "tax_id": "GB1", "terms": "NET30"},
        {
            **head,
            "record": "contact",
            "contact": "p1",
            "contact_first_name": "Ada",
            "contact_last_name": "Ash",
            "contact_email": "ada@acme.example",
            "contact_role": "orders",
        },
        {
            **head,
            "record": "site",
            "site": "s1",
            "site_label": "HQ",
            "site_billing": "1",
            "site_name": "Acme",
            "site_line1": "1 Road",
            "site_city": "Leeds",
            "site_country": "GB",
        },
    ]


def test_nothing_of_a_person_is_written_or_kept_that_no_column_asks_for(desks):
    desk = desks(writes=(writes("customers", "company", "name", "tax_id", scope="full"),))
    assert capabilities_of(desk.settings).customer_fields == (CustomerField.NAME, CustomerField.TAX_ID)
    assert told(desk, PutCustomer("C1", "", CARD))[0].result is Result.DONE
    kept = b"".join(path.read_bytes() for path in desk.spool._folder.rglob("*") if path.is_file())
    written = (desk.root / "out" / desk.names("out")[-1]).read_bytes()
    assert b"Acme" in kept and b"Acme" in written
    for word in (b"ada@acme.example", b"Ash", b"1 Road", b"+441"):
        assert word not in kept and word not in written


def test_a_customer_keeps_the_name_by_which_the_channel_knows_it(desks):
    desk = desks(
        writes=(
            with_(CUSTOMERS, known_by="number", columns=(*CUSTOMERS.columns, Column("number", name="NO"))),
        )
    )
    (first,) = told(desk, PutCustomer("C1", "", CARD))
    assert first.facts == {"external_id": "10001", "buyers": ("10001",)}
    renumbered = with_(CARD, keys=(("external_id", "C1"), ("number", "20002")))
    (again,) = told(desk, PutCustomer("C1", "10001", renumbered))
    assert again.facts["external_id"] == "10001"
    assert (rows(desk)[0]["company"], rows(desk)[0]["no"]) == ("10001", "20002")
    (nameless,) = told(desk, PutCustomer("C2", "", with_(CARD, keys=())))
    assert nameless.result is Result.REJECTED and "no number" in nameless.message


def test_two_customers_are_never_one_of_the_channels(desks):
    desk = desks(
        writes=(
            with_(CUSTOMERS, known_by="number", columns=(*CUSTOMERS.columns, Column("number", name="NO"))),
        )
    )
    first, same = PutCustomer("C1", "", CARD), PutCustomer("C2", "", with_(CARD, name="Other"))
    one, two = told(desk, first, same)
    assert (one.result, two.result) == (Result.DONE, Result.WAIT)
    (again,) = told(desk, same)
    assert again.result is Result.REJECTED and "customer C1 by the same number" in again.message
    assert told(desk, first)[0].result is Result.DONE, "its answer may have been lost"
    heir = with_(same, external_id="10001")
    assert told(desk, heir)[0].result is Result.DONE, "who took the place of another has its place there"


def test_a_description_may_be_long_and_nothing_else(desks):
    desk = desks(ITEMS, writes=(PRODUCTS,))
    long, longer = (
        SetProduct(key, with_(SHIRT, **{field: "x" * 20_000}), {})
        for key, field in (("A", "description"), ("B", "title"))
    )
    assert [one.result for one in told(desk, long, longer)] == [Result.DONE, Result.REJECTED]


def test_what_is_none_of_ours_is_not_emptied_at_the_channel(desks):
    desk = desks(ITEMS, writes=(CUSTOMERS, PRODUCTS))
    (outcome,) = told(desk, PutCustomer("C1", "", with_(CARD, terms=None)))
    assert outcome.result is Result.REJECTED and "a column asks for terms" in outcome.message
    (outcome,) = told(desk, SetProduct("SHIRT", with_(SHIRT, description=None), {}))
    assert outcome.result is Result.REJECTED and "a column asks for description" in outcome.message
    assert not desk.names("out")


def test_credit_is_what_may_be_bought_and_an_empty_cell_is_no_limit(desks):
    desk = desks(writes=(CREDIT,))
    tags = (
        CreditTag("GBP", Decimal(1000), Decimal("750.25")),
        CreditTag("GBP", Decimal(1000), Decimal(500), blocked=True, reason="on hold"),
        CreditTag("GBP", None, None),
    )
    told(desk, *(SetCredit(f"C{n}", f"x{n}", tag) for n, tag in enumerate(tags)))
    assert rows(desk) == [
        {"account": "x0", "currency": "GBP", "available": "750.25", "limit": "1000", "blocked": "0"},
        {
            "account": "x1",
            "currency": "GBP",
            "available": "0",
            "limit": "1000",
            "blocked": "1",
            "reason": "on hold",
        },
        {"account": "x2", "currency": "GBP", "blocked": "0"},
    ]


def test_a_product_is_a_row_for_each_sku_and_its_texts_and_shelves_are_files_of_their_own(desks):
    desk = desks(ITEMS, writes=(PRODUCTS, with_(TEXTS, name="t"), with_(LISTINGS, name="x")))
    (outcome,) = told(desk, SetProduct("SHIRT", SHIRT, {}))
    assert outcome.facts == {"external_id": "SHIRT"}
    head = {
        "product": "SHIRT",
        "title": "Shirt",
        "description": "Warm and soft",
        "category": "Shirts",
        "status": "active",
        "option_name.1": "Colour",
        "attribute.season": "Winter",
        "images": "https://a.example/1.png https://a.example/2.png",
    }
    assert rows(desk) == [
        {**head, "sku": "S-R", "option_value.1": "red", "barcode": "123"},
        {**head, "sku": "S-B", "option_value.1": "blue"},
    ]
    wording = SetWording("SHIRT", "de", Wording({"title": "Hemd"}))
    (early,) = told(desk, wording)
    assert early.result is Result.WAIT, "the channel has no such product yet"
    told(desk, with_(wording, product_id="SHIRT"))
    assert rows(desk) == [{"product": "SHIRT", "language": "de", "title": "Hemd"}]
    told(desk, SetListing("SHIRT", "trade", Listing(shown=False), "SHIRT"))
    assert rows(desk) == [{"product": "SHIRT", "assortment": "trade", "shown": "0"}]


def test_images_may_have_columns_of_their_own_and_options_need_as_many_as_there_are(desks):
    desk = desks(
        ITEMS, writes=(writes("products", "product", "sku", "image.1", "image.3", "option_value.1"),)
    )
    two = with_(SHIRT, options=("Colour", "Size"), variants=(Variant("S-R", ("red", "M")),))
    good, bad = told(desk, SetProduct("SHIRT", SHIRT, {}), SetProduct("COAT", two, {}))
    assert (good.result, bad.result) == (Result.DONE, Result.REJECTED)
    assert "it has 2 options" in bad.message
    head = {"product": "SHIRT", "image.1": "https://a.example/1.png"}
    assert rows(desk) == [
        {**head, "sku": "S-R", "option_value.1": "red"},
        {**head, "sku": "S-B", "option_value.1": "blue"},
    ]


def test_a_cell_that_a_spreadsheet_would_run_is_harmless(desks):
    desk = desks(ITEMS, writes=(PRODUCTS,))
    told(desk, SetProduct("SHIRT", with_(SHIRT, title="=1+1", category='@"x", y'), {}))
    assert (rows(desk)[0]["title"], rows(desk)[0]["category"]) == ("'=1+1", '\'@"x", y')


def test_the_same_in_xml_and_in_fixed_width(desks, tmp_path):
    xml = with_(PRICES, format="xml", record="prices/price_row", decimal=",", name="xml", columns=tuple(
        Column(each.field, name=each.name) for each in PRICES.columns
    ))  # fmt: skip
    desk = desks(ITEMS, writes=(xml,))
    told(desk, price((1, "10.5"), (12, "9"), sku="<A&B>"))
    root = ET.fromstring((desk.root / "out" / desk.names("out")[-1]).read_text())
    assert [[part.text for part in row] for row in root] == [
        ["<A&B>", "trade", "GBP", "1", "10,50", None],
        ["<A&B>", "trade", "GBP", "12", "9,00", None],
    ]
    wide = {"sku": 4, "currency": 3, "price": 8}
    at, columns = 1, []
    for field, width in wide.items():
        columns.append(Column(field, start=at, width=width))
        at += width
    fixed = with_(PRICES, format="fixed", columns=tuple(columns))
    other = desks(ITEMS, at=tmp_path / "other", writes=(fixed,))
    other.run(other.sink.deliver("set_price", [Item("1", price((1, "10.5"), to=""))], "key"))
    assert (other.root / "out" / other.names("out")[-1]).read_text() == "A   GBP10.50   \n"


# --- whole files, and answers that were lost --------------------------------------------------------


def test_a_whole_file_has_all_that_was_said_and_nothing_of_what_ended(desks):
    desk = desks(ITEMS, writes=(with_(PRICES, scope="full"),))
    told(desk, price((1, "10")), price((1, "5"), sku="B"))
    told(desk, price((1, "11")))
    assert [(row["sku"], row["price"]) for row in rows(desk)] == [("A", "11.00"), ("B", "5.00")]
    told(desk, price(sku="B"))
    assert [row["sku"] for row in rows(desk)] == ["A"]


def test_a_whole_file_is_not_written_by_a_spool_that_has_forgotten(desks):
    """The channel would take whatever it leaves out for gone."""
    desk = desks(ITEMS, writes=(with_(PRICES, scope="full"),))
    (outcome,) = told(desk, price((1, "10"), had=(Decimal(1),)))
    assert outcome.result is Result.REJECTED and "the spool" in outcome.message
    assert not desk.names("out")
    assert told(desk, price((1, "10"), had=()))[0].result is Result.DONE


def test_a_whole_file_that_cannot_be_written_says_for_which_thing(desks):
    desk = desks(ITEMS, writes=(PRICES,))
    told(desk, price((1, "10"), sku="K\u00e4se"))
    desk.settings = with_(desk.settings, writes=(with_(PRICES, scope="full", encoding="ascii"),))
    desk.start()
    (outcome,) = told(desk, price((1, "11")))
    assert outcome.result is Result.REJECTED and outcome.message.startswith(
        "trade K\u00e4se, which every whole file has"
    )


def test_changes_that_were_written_are_in_the_whole_files_that_are_declared_later(desks):
    desk = desks(ITEMS, writes=(PRICES,))
    told(desk, price((1, "10")), price((1, "5"), sku="B"))
    desk.settings = with_(desk.settings, writes=(with_(PRICES, scope="full"),))
    desk.start()
    told(desk, price((1, "11"), had=(Decimal(1),)))
    assert [(row["sku"], row["price"]) for row in rows(desk)] == [("A", "11.00"), ("B", "5.00")]


@pytest.mark.parametrize("scope", ["delta", "full"])
def test_nothing_is_written_while_an_older_file_may_still_appear(desks, scope):
    desk = desks(ITEMS, writes=(with_(PRICES, scope=scope),))
    places: list[Slow] = []

    def around(folder: Folder) -> Folder:
        places[:] = [Slow(folder)]
        return places[0]

    desk.around = around
    desk.start()
    places[0].lose = "before"
    assert told(desk, price((1, "10")))[0].result is Result.UNKNOWN
    again, other = told(desk, price((1, "11")), price((1, "5"), sku="B"))
    assert (again.result, again.retry_after_s) == (Result.NOT_SENT, LOOK_UP_WINDOW_MS / 1000)
    assert other.result is (Result.DONE if scope == "delta" else Result.NOT_SENT)
    desk.run(places[0].arrive())
    assert told(desk, price((1, "11")))[0].result is Result.DONE
    assert rows(desk)[0]["price"] == "11.00"


@pytest.mark.parametrize("scope", ["delta", "full"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 4))
def test_wherever_the_process_ends_the_last_file_is_right(desks, scope, after, number):
    desk = desks(ITEMS, writes=(with_(PRICES, scope=scope, sentinel=".done"),))
    told(desk, price((1, "5"), sku="B"))
    desk.spool.close()
    made: list[Dying] = []

    def around(inner: Folder) -> Folder:
        made.append(Dying(inner, number, after=after))
        return made[-1]

    desk.around = around
    desk.start()
    with pytest.raises(Death):
        told(desk, price((1, "10")))
    desk.spool.close()
    desk.around = lambda folder: folder
    desk.start()
    desk.run(desk.clock.sleep(LOOK_UP_WINDOW_MS / 1000))
    assert told(desk, price((1, "11")))[0].result is Result.DONE
    names = [name for name in desk.names("out") if name.endswith(".csv") and not name.startswith(".")]
    loaded: dict[str, str] = {}
    for name in names:
        loaded = {} if scope == "full" else loaded
        text = (desk.root / "out" / name).read_text()
        loaded |= {row["SKU"]: row["PRICE"] for row in csv.DictReader(io.StringIO(text))}
        assert (desk.root / "out" / f"{name}.done").exists(), "the partner would wait for it for ever"
    assert loaded == {"A": "11.00", "B": "5.00"}
    assert desk.spool.pending_contents("prices") == []


# --- a person who asks to be forgotten --------------------------------------------------------------


def search(desk: Desk, *words: str, erase: bool):
    async def nobodys(keys):
        return ()

    told_ = Words()
    told_.add(words)
    copies = FileCopies(desk.settings, desk.clock, desk.spool, desk.intake)
    return desk.run(copies.search(nobodys, told_.in_text, erase=erase))


@pytest.mark.parametrize("scope", ["delta", "full"])
def test_a_contact_is_found_in_the_spool_and_no_whole_file_names_them_again(desks, scope):
    desk = desks(writes=(with_(CUSTOMERS, scope=scope),))
    told(desk, PutCustomer("C1", "", CARD), PutCustomer("C2", "", with_(CARD, name="Other", contacts=())))
    (file,) = desk.names("out")
    where = f"customer C1, as written in {file}"
    found = search(desk, "ADA@acme.example", erase=False)
    assert (found.files, found.left) == ((where,), ())
    assert any(row.get("contact_email") for row in desk.spool.contents("customers")[0][0].rows), (
        "only looked for"
    )
    assert search(desk, "ADA@acme.example", erase=True) == found
    assert search(desk, "ADA@acme.example", erase=True).files == ()
    spooled = b"".join(path.read_bytes() for path in desk.spool._folder.rglob("*") if path.is_file())
    assert b"ada@acme" not in spooled
    told(desk, PutCustomer("C3", "", with_(CARD, name="Third", contacts=())))
    if scope == "full":
        assert [row["name"] for row in rows(desk) if row["record"] == "company"] == [
            "Acme",
            "Other",
            "Third",
        ]
        assert [row for row in rows(desk) if row["record"] == "contact"] == []


def test_a_customer_that_is_the_person_is_named_and_stays_its_sources_to_say(desks):
    desk = desks(writes=(CUSTOMERS,))
    alone = with_(
        CARD, name="Kanari Quellwasser", contacts=(), sites=(with_(CARD.sites[0], line1="Vogelsang 17"),)
    )
    told(desk, PutCustomer("C1", "", alone))
    found = search(desk, "Kanari Quellwasser", "Vogelsang 17", erase=True)
    assert len(found.left) == 1 and found.left == found.files
    assert search(desk, "somebody@example.com", "Somebody Else", erase=True).files == ()


def test_what_is_just_being_written_is_searched_too(desks):
    desk = desks(writes=(CUSTOMERS,))
    desk.around = Slow
    desk.start()
    desk.sink._folder.lose = "before"
    assert told(desk, PutCustomer("C1", "", CARD))[0].result is Result.UNKNOWN
    assert len(search(desk, "ada@acme.example", erase=True).files) == 1
    assert search(desk, "ada@acme.example", erase=False).files == ()
    desk.run(desk.sink._folder.arrive())
    assert told(desk, PutCustomer("C2", "", with_(CARD, contacts=())))[0].result is Result.DONE
    assert [row["record"] for row in desk.spool.contents("customers")[0][0].rows] == ["company", "site"]


# --- what is declared -------------------------------------------------------------------------------


def test_a_channel_can_do_what_its_columns_hold(desks, tmp_path):
    desk = desks(ITEMS, writes=(writes("prices", "sku", "price", decimals=4), CREDIT))
    found = capabilities_of(desk.settings)
    assert (found.price_lists, found.compares_prices, found.price_decimals) == (False, False, 4)
    assert found.customer_fields == ()
    assert set(desk.sink.operations) == {"set_price", "set_credit"}
    desk = desks(ITEMS, at=tmp_path / "other", writes=(PRICES, with_(CUSTOMERS, name="c")))
    found = capabilities_of(desk.settings)
    assert (found.price_lists, found.compares_prices, found.price_decimals) == (True, True, 2)
    assert {CustomerField.CONTACTS, CustomerField.ADDRESSES} < set(found.customer_fields)
    assert not {CustomerField.GROUP, CustomerField.PHONE} & set(found.customer_fields)
    assert set(desk.sink.operations) == {"set_price", "set_list_price", "put_customer"}


@pytest.mark.parametrize(
    ("reads", "writes_", "words"),
    [
        ((), (PRICES,), "to write prices, declare reads of kind 'items'"),
        ((ITEMS,), (TEXTS,), "declare a write of kind 'products'"),
        ((ITEMS,), (writes("prices", "sku", "list", "price"),), "'list' needs a column 'currency'"),
        ((ITEMS,), (with_(PRICES, decimals=7),), "decimals must be 0 to 6"),
        (
            (),
            (writes("customers", "company", "name", "contact_email"),),
            "'record' has to say which a row is",
        ),
        (
            (),
            (writes("customers", "company", "name", known_by="number"),),
            "needs a column of the field number",
        ),
        ((), (with_(CREDIT, known_by="number"),), "known_by is for customers only"),
        ((), (writes("credit", "account", "available"),), "'currency' is missing"),
        ((ITEMS,), (writes("products", "product", "sku", "attribute."),), "is none of"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_with_its_field(reads, writes_, words):
    with pytest.raises(Misconfigured, match=words):
        FilesSettings(folder="/x", spool="/y", reads=reads, writes=writes_).validate()


CONFIGURATION = """
[systems.erp]
connector = "files"
folder = "/srv/erp"
spool = "/var/lib/erp"
[[systems.erp.reads]]
kind = "items"
path = "items"
pattern = "*.csv"
columns = [{ field = "sku", name = "SKU" }]

[systems.agency]
connector = "files"
folder = "/srv/agency"
spool = "/var/lib/agency"
[[systems.agency.reads]]
kind = "items"
path = "items"
pattern = "*.csv"
columns = [{ field = "sku", name = "SKU" }]
[[systems.agency.writes]]
kind = "prices"
path = "prices"
decimals = 3
columns = [{ field = "sku", name = "SKU" }, { field = "price", name = "EACH" }]
[[systems.agency.writes]]
kind = "customers"
path = "customers"
columns = [{ field = "company", name = "ID" }, { field = "name", name = "NAME" }, { field = "tax_id", name = "VAT" }]

[[routes]]
flow = "customers"
from = "erp"
to = "agency"
tolerance = "1h"
[routes.customers]
match = ["external_id"]

[[routes]]
flow = "prices"
from = "erp"
to = "agency"
tolerance = "1h"
[routes.prices]
currency = "GBP"
own = ["base"]
"""


def test_a_route_knows_what_the_columns_of_its_channel_hold():
    """Where nobody of a customer is written, nobody has to say what they may do."""
    customers, prices = parse(CONFIGURATION).routes.all
    assert customers.customers.ours == (CustomerField.NAME, CustomerField.TAX_ID)
    assert prices.prices.decimals == 3
    for more, words in (
        ('compare_at = "list:MSRP"', "no price is shown struck through"),
        ('[routes.prices.lists.trade]\nfrom = ["list:R"]', "one price for each item"),
    ):
        with pytest.raises(Misconfigured, match=words):
            parse(f"{CONFIGURATION}\n{more}")
    with pytest.raises(Misconfigured, match="keeps no terms"):
        parse(CONFIGURATION.replace('match = ["external_id"]', 'terms = { "1" = "NET30" }'))


def test_what_a_channel_can_do_is_told_whatever_its_settings_are():
    wrong = with_(ITEMS, kind="shipments", scope="full")
    assert capabilities_of(FilesSettings(folder="", spool="", reads=(wrong,))).delta_poll == ()
