"""The pages of prices, products, companies and credit: what they say, to whom, and what can be done there."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from urllib.parse import urlencode

import pytest
from tests.web import records
from tests.web.records import CUSTOMERS, PRICES, bound, gbp, held, make_records_site, park, price, tag
from tests.web.support import MINUTE, Client, FakeSink, FakeSource, make_site, record

from syncline.engine.derive.prices import price_key, tag_key
from syncline.engine.records import listing
from syncline.engine.records.listing import PAGE
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow, Kind
from syncline.model.customers import Company
from syncline.model.pricing import PriceKind
from syncline.model.products import Product, Variant
from syncline.model.records import Item
from syncline.ports import Write
from syncline.pricing.rules import OWN
from syncline.web.access import Person, Role
from syncline.web.live import parts_of


@pytest.fixture
async def site():
    return await make_records_site()


@pytest.fixture
def operator(site):
    return Client(site.app, site.tokens["operator"])


@pytest.fixture
def viewer(site):
    return Client(site.app, site.tokens["viewer"])


def one(name: str, key: str, **more: str) -> str:
    return f"/records/{name}/one?{urlencode({'system': 'erp', 'key': key, **more})}"


def words(html: str) -> str:
    """What a page says, without its form."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


async def read(client, path: str) -> str:
    answer = await client.get(path)
    assert answer.status == 200, words(answer.text)[:300]
    return words(answer.text)


async def rows_of(client, name: str) -> list[str]:
    """The first table of a list: what needs a look."""
    html = (await client.get(f"/records/{name}")).text
    table = html[html.index("<tbody>") : html.index("</tbody>")]
    return [words(row) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)]


async def session(site, role: str) -> Client:
    answer = await Client(site.app).get("/login", query=f"token={site.tokens[role]}")
    return Client(site.app, cookie=answer.cookies[0].split(";")[0].partition("=")[2])


# --- lists ---------------------------------------------------------------------------------------------


async def test_what_is_late_then_parked_then_differing_stands_first(operator):
    late, parked, differing, *more = await rows_of(operator, "prices")
    assert more == [], "what is only under way needs no look"
    assert "TEE-RED-M" in late and "late" in late and "It should have been at shop 4 min ago" in late
    assert "MUG-01" in parked and "waits for a person" in parked and "by more than 50 %" in parked
    assert "CAP-BLK" in differing and "disagrees" in differing and "The channel shows 9 GBP" in differing


async def test_every_record_stands_in_the_list_with_how_it_stands(viewer):
    text = await read(viewer, "/records/prices")
    assert "SOCK-42 Sock-42 in agreement shop shows 4.5 GBP, as erp says. 1 other value agrees, too." in text
    assert "TEE-RED-L Tee-Red-L left as it is The source has no price of it any more" in text
    text = await read(viewer, "/records/credit")
    assert (
        "Acme Tools Ltd (C-1042) 107 may buy Orders on credit at shop are approved up to 450 GBP of 1000 GBP."
        in text
    )
    assert (
        "Private customer 108 may not buy An order on credit at shop is denied: this account is on hold."
        in text
    )


async def test_the_hub_says_of_each_kind_what_there_is_to_do(viewer):
    text = await read(viewer, "/records")
    assert "Prices 1 late" in text and "Companies 1 wait for a person" in text


async def test_lists_have_pages_and_are_narrowed_by_a_text(site, viewer):
    now = site.clock.now_ms()
    many = [Company(f"c{n:03}", f"Company number {n}", f"N-{n}") for n in range(2 * PAGE)]
    await site.store.write(Write("record_put", [record("erp", Kind.CUSTOMER, c.key, c, now) for c in many]))
    first = (await viewer.get("/records/companies")).text
    after = re.search(r'href="([^"]+after=[^"]+)"', first)[1]
    second = (await viewer.get(unescape(after))).text
    third = (await viewer.get(unescape(re.search(r'href="([^"]+after=[^"&]+)"', second)[1]))).text
    keys = [re.findall(r"key=(\w+)\"", html[html.index("all-title") :]) for html in (first, second, third)]
    assert [len(page) for page in keys] == [PAGE, PAGE, 2]
    assert [key for page in keys for key in page] == ["107", "108", *(c.key for c in many)]
    assert "Next companies" not in third
    for text, found in (("NUMBER 7", "c007"), ("N-41", "c041"), ("GB1234", "107"), ("c-1042", "107")):
        page = (await viewer.get(f"/records/companies?{urlencode({'q': text})}")).text
        assert re.findall(r"key=(\w+)\"", page[page.index("all-title") :]) == [found], text
    assert "Nothing goes by “quill”." in await read(viewer, "/records/companies?q=quill"), (
        "a person's name finds nobody"
    )


async def test_looking_for_a_text_goes_on_where_it_ended(site, viewer, monkeypatch):
    monkeypatch.setattr(listing, "LOOK_MAX", 2)
    monkeypatch.setattr(listing, "LOOK_PAGE", 2)
    many = [Company(f"c{n}", f"Number {n}") for n in range(3)]
    await site.store.write(Write("record_put", [record("erp", Kind.CUSTOMER, c.key, c, 0) for c in many]))
    html = (await viewer.get("/records/companies?q=number+2")).text
    assert "None of the 2 that were looked through goes by “number 2”." in words(html)
    html = (await viewer.get(unescape(re.search(r'href="([^"]+after=108)"', html)[1]))).text
    assert "None of the 2" in words(html)
    html = (await viewer.get(unescape(re.search(r'href="([^"]+after=c1)"', html)[1]))).text
    assert re.findall(r"key=(\w+)\"", html[html.index("all-title") :]) == ["c2"]


async def test_skus_are_found_by_how_they_begin(site, viewer):
    items = [record("shop", Kind.ITEM, sku, Item(sku, "g"), 0) for sku in ("TEE-RED", "TEE-REDDER", "TEF")]
    await site.store.write(Write("record_put", items))
    for text in ("TEE-RED", "tee-red"):
        page = (await viewer.get(f"/records/prices?q={text}")).text
        found = re.findall(r"key=([\w-]+)\"", page[page.index("all-title") :])
        assert found == ["TEE-RED", "TEE-RED-L", "TEE-RED-M", "TEE-REDDER"], text


async def test_a_full_read_that_is_held_back_stands_above_all(site, operator):
    row = {
        "system": "erp", "operation": "vanished_states", "key": "price", "reason": "states_vanished", "payload": "",
        "detail": "The last full read lacks 90 records", "now_ms": site.clock.now_ms(),
    }  # fmt: skip
    ((number,),) = (await site.store.write(Write("parked_put", [row, {**row, "key": "product"}][:1])))[0]
    listed = await rows_of(operator, "prices")
    assert any("lacks 90 records" in row for row in listed)
    assert f'href="/parked/{number}"' in (await operator.get("/records/prices")).text
    assert "lacks 90 records" not in await read(operator, "/records/products")


async def test_without_routes_the_pages_say_what_to_configure():
    site = await make_site()
    viewer = Client(site.app, site.tokens["viewer"])
    assert "No route carries prices, products, companies or credit yet." in await read(viewer, "/records")
    assert 'flow = "prices"' in await read(viewer, "/records/prices")
    assert (await viewer.get("/records/nothing")).status == 404
    assert (await viewer.get("/records/prices/one?key=TEE-RED-M")).status == 404


# --- one record ----------------------------------------------------------------------------------------


async def test_a_price_says_what_is_shown_what_should_be_and_why(viewer):
    text = await read(viewer, one("prices", "TEE-RED-M"))
    assert "Late 15 GBP should have been there 4 min ago; shop shows 19 GBP." in text
    assert "the item's own price late 19 GBP 15 GBP" in text
    assert "level:5 counts first: promotional prices come before those of level:1." in text
    assert "level:1 list 19 GBP 1 always level:5 counts instead" in text
    assert "list 24601 in agreement 16.5 GBP, 15.25 from 10 on" in text
    assert "customer:107 counts first: contract prices come before those of level:1." in text
    assert "customer:107 contract 15.25 GBP 10 always counts" in text
    assert "Landed 1 min 35 s after the change, tolerance 1 h" in text


async def test_what_else_decides_between_lists_is_told(site, viewer):
    now = site.clock.now_ms()
    entries = (gbp("9", ends_ms=now - 1), gbp("8", starts_ms=now + MINUTE))
    put = [
        price("SOCK-42", "customer:107", PriceKind.CONTRACT, *entries),
        price("SOCK-42", "level:5", PriceKind.LIST, gbp("5")),
        price("SOCK-42", "customer:200", PriceKind.CONTRACT, gbp("3.75")),
        price("SOCK-42X", "customer:200", PriceKind.CONTRACT, gbp("9.75")),
    ]
    rows = [record("erp", Kind.PRICE, price_key(p.sku, p.price_list), p, now) for p in put]
    await site.store.write(Write("record_put", rows))
    text = await read(viewer, one("prices", "SOCK-42"))
    assert "level:5 counts first: of the list lists the route names it before level:1." in text
    assert "is over" in text and "begins later" in text
    assert "level:1 is the only list that has a price now." in text
    assert "1 other list of erp has a price of it" in text
    assert "customer:200 contract 3.75 GBP 1 is told to checkouts that ask" in text and "9.75" not in text


async def test_what_a_buyer_pays_is_asked_on_the_page(viewer):
    asked = {"channel": "shop", "customer": "107", "quantity": "10"}
    text = await read(viewer, one("prices", "TEE-RED-M", **asked))
    assert "15.25 GBP for one, 152.50 GBP for 10." in text
    assert "customer:107, from 10 on: contract counts first; beside level:1, level:5." in text
    for quantity in ("0", "-1", "nan", "1e400", "x"):
        text = await read(viewer, one("prices", "TEE-RED-M", **{**asked, "quantity": quantity}))
        assert "The quantity has to be a number above 0" in text, quantity
    text = await read(viewer, one("prices", "TEE-RED-M", **{**asked, "channel": "till"}))
    assert "No prices are configured for 'till'." in text


async def test_a_product_says_who_owns_each_field_and_what_somebody_else_changed(viewer):
    text = await read(viewer, one("products", "TEE"))
    assert "Disagrees The channel shows another title, ours was written." in text
    assert "Title erp Tee Tea differs" in text
    assert "Description shop A tee. its own" in text
    assert (
        "Images erp https://pictures.example.com/tee.jpg https://pictures.example.com/tee.jpg agrees" in text
    )
    assert "77 on its way Its listing is being prepared" in text
    assert "fr on its way 1 text is being prepared" in text
    assert "Known there as p-77" in text and "What others change there is reported" in text


async def test_people_behind_a_company_are_shown_to_operators_only(operator, viewer):
    personal = ("Robin Vale", "robin.vale@example.com", "1 Mill Lane", "+442071234567")
    seen, shown = await read(operator, one("companies", "107")), await read(viewer, one("companies", "107"))
    assert [text for text in personal if text not in seen] == []
    assert [text for text in personal if text in shown] == []
    assert "Acme Tools Ltd (C-1042)" in shown and "1 contact and 1 address." in shown
    assert "Phone shop for operators its own" in shown
    assert "Known there as gid://shopify/Company/9" in shown and "Buyers bound to it 9" in shown
    assert "Took the place of 105" in shown
    assert "Robin Quill" in await read(operator, one("companies", "108"))
    for page in (one("companies", "108"), "/records/companies", "/search?q=108", one("credit", "108")):
        text = await read(viewer, page)
        assert "Quill" not in text and "Private customer" in text, page


async def test_credit_says_what_a_checkout_would_hear_and_what_uses_the_limit(site, viewer):
    text = await read(viewer, one("credit", "107"))
    assert "May buy Orders on credit at shop are approved up to 450 GBP of 1000 GBP." in text
    assert (
        "Credit limit 1000 GBP Balance: owed by what was posted 300 GBP Orders that are not invoiced yet 50 GBP"
        in text
    )
    assert "Approvals of checkouts 200 GBP" in text and "Left to buy for 450 GBP" in text
    assert "cart-1 approved 200 GBP" in text
    assert "650 of 1000 GBP left" in text, "what the shop was told"
    asked = {"channel": "shop", "amount": "450.01"}
    text = await read(viewer, one("credit", "107", **asked))
    assert "An order of 450.01 GBP would be denied. The amount exceeds the credit that is left." in text
    text = await read(viewer, one("credit", "107", **{**asked, "amount": "450"}))
    assert "An order of 450 GBP would be approved." in text
    assert "The amount has to be a number" in await read(
        viewer, one("credit", "107", channel="shop", amount="-1")
    )
    rows = await site.store.read("credit_claims", system="erp", accounts=["107"])
    assert [row[1] for row in rows] == ["cart-1"], "asking on the page takes nothing"


async def test_old_figures_are_held_for_review(site, viewer):
    site.clock.at_ms += 20 * MINUTE
    text = await read(viewer, one("credit", "107"))
    assert (
        "Held for review An order on credit at shop is held for review: the figures of this account's credit are too old."
        in text
    )


async def test_what_a_route_does_not_send_is_held_back(site, viewer):
    await site.switches.pause(PRICES, reason="stocktaking", by="Otto")
    text = await read(viewer, one("prices", "TEE-RED-M"))
    assert "Held back The route is paused, so 15 GBP waits; shop shows 19 GBP." in text
    assert "held back" in (await rows_of(viewer, "prices"))[-1]


async def test_whatever_a_record_is_called_is_text_and_its_link_leads_there(site, viewer):
    now, nasty = site.clock.now_ms(), "<script>alert(1)</script>\"'{{ 7*7 }}"
    put = [
        record("erp", Kind.CUSTOMER, 'a&b="<x>/?#', Company('a&b="<x>/?#', nasty, nasty), now),
        record("erp", Kind.PRODUCT, nasty, Product(nasty, nasty, (Variant(nasty),), description=nasty), now),
    ]
    await site.store.write(Write("record_put", put))
    for name, key in (("companies", 'a&b="<x>/?#'), ("products", nasty)):
        html = (await viewer.get(f"/records/{name}?{urlencode({'q': 'alert(1)'})}")).text
        assert "<script>alert" not in html and "49" not in words(html)
        path = unescape(re.findall(rf'href="(/records/{name}/one[^"]+)"', html)[-1])
        html = (await viewer.get(path)).text
        assert "<script>alert" not in html and nasty in unescape(html), name
        assert key in unescape(html)


async def test_what_nobody_knows_of_is_said(viewer):
    for name in ("prices", "products", "companies", "credit"):
        answer = await viewer.get(one(name, "none"))
        assert answer.status == 404 and "Nobody knows of the" in answer.text


# --- search --------------------------------------------------------------------------------------------


FOUND = {
    "TEE-RED-M": ["prices"],
    "cap-blk": ["prices", "products"],
    "TEE": ["products"],
    "107": ["companies", "credit"],
    "gid://shopify/Company/9": ["companies", "credit"],
    "acme": ["companies", "credit"],
    "C-1042": ["companies", "credit"],
    "quill": [],
    "robin": [],
    "a": [],
    "none": [],
}


async def test_search_finds_records_by_what_people_type(viewer):
    for query, found in FOUND.items():
        html = (await viewer.get(f"/search?{urlencode({'q': query})}")).text
        assert list(dict.fromkeys(re.findall(r'href="/records/(\w+)/one', html))) == found, query
        assert ("Nothing is known as" in html) is (not found), query


async def test_a_variant_leads_to_its_product(site, viewer):
    now = site.clock.now_ms()
    item = Item("TEE-RED-M", "g0", "s0", "Tee, red, M", parent_id="p-77")
    await site.store.write(Write("binding_put", [bound("shop", "TEE", "p-77", now, Kind.PRODUCT)]))
    site.engine.catalog.put("shop", item)
    html = (await viewer.get("/search?q=tee-red-m")).text
    assert list(dict.fromkeys(re.findall(r'href="/records/(\w+)/one', html))) == ["prices", "products"]


# --- what can be done ----------------------------------------------------------------------------------


async def test_a_price_that_is_held_back_is_released_where_it_stands(site):
    otto, vera = await session(site, "operator"), await session(site, "viewer")
    path = one("prices", "MUG-01")
    page = (await otto.get(path)).text
    assert "exactly this is written to shop: 0.8 GBP." in words(page)
    assert "Release…" not in (await vera.get(path)).text
    mark, number = (re.search(rf'name="{name}" value="([^"]+)"', page)[1] for name in ("csrf", "id"))
    form = {"csrf": mark, "id": number, "system": "erp", "key": "MUG-01"}
    answer = await otto.post("/records/prices/release", urlencode({**form, "csrf": "x"}).encode())
    assert answer.status == 403
    answer = await vera.post("/records/prices/release", urlencode(form).encode())
    assert answer.status == 403
    answer = await otto.post("/records/prices/release", urlencode(form).encode())
    assert answer.status == 303 and answer.headers["location"] == one("prices", "MUG-01", done="released")
    entry = (await site.operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action) == ("Otto", "release")
    text = await read(otto, answer.headers["location"])
    assert "Released. Exactly what stood here is written" in text and "on its way" in text
    assert "Parked entry released by Otto" in text


async def test_what_is_discarded_is_left_as_it_is(site, operator):
    number = await park(
        site.engine, "set_price", tag_key(OWN, "SOCK-42"), PRICES, "price_zero", "SOCK-42: 0 GBP", MINUTE
    )
    cheap = price("SOCK-42", "level:1", PriceKind.LIST, gbp("4.40"))
    put = {
        **record("erp", Kind.PRICE, price_key("SOCK-42", "level:1"), cheap, site.clock.now_ms()),
        "version": 2,
    }
    await site.store.write(Write("record_put", [put]))
    form = {"id": str(number), "system": "erp", "key": "SOCK-42"}
    answer = await operator.post("/records/prices/discard", urlencode(form).encode())
    assert answer.status == 303
    text = await read(operator, answer.headers["location"])
    assert "A person decided not to write 4.4 GBP; shop shows 4.5 GBP." in text


async def test_comparing_again_marks_everything_of_a_record_under_a_name(site, operator):
    form = urlencode({"system": "erp", "key": "107"}).encode()
    assert (await operator.post("/records/companies/again", form)).status == 303
    now_ms = site.clock.now_ms()
    rows = await site.store.read("state_marks", now_ms=now_ms, limit=9)
    assert [row[:2] for row in rows if row[0] == CUSTOMERS] == [(CUSTOMERS, "107")]
    form = urlencode({"system": "erp", "key": "TEE"}).encode()
    assert (await operator.post("/records/products/again", form)).status == 303
    rows = await site.store.read("state_marks", now_ms=now_ms, limit=9)
    assert {"goods\x1fTEE", "locale:fr\x1fTEE", "assortment:77\x1fTEE"} <= {row[1] for row in rows}
    entry = (await site.operations.audit.newest(limit=1))[0]
    assert (entry.actor, entry.action, entry.subject) == ("Otto", "replay", "product TEE of erp")


async def test_a_form_that_asks_for_nothing_is_refused(operator):
    nothing = [("release", {"id": number}) for number in ("x", "\uff11", "9" * 30)]
    for action, form in (("release", {}), *nothing, ("burn", {"id": "1"}), ("again", {})):
        answer = await operator.post(f"/records/prices/{action}", urlencode(form).encode())
        assert answer.status in (400, 404), action


# --- live ----------------------------------------------------------------------------------------------


async def test_parts_come_for_the_page_that_is_looked_at_and_are_shared(site):
    vera = Person("Vera", Role.VIEWER)
    assert "records-hub" in await parts_of(site.app.site, "records", vera)
    parts = await parts_of(site.app.site, "records-list", vera, {"name": "prices", "q": "tee"})
    assert "TEE-RED-M" in parts["records-all"] and "MUG-01" not in parts["records-all"]
    asked = {"name": "prices", "system": "erp", "key": "MUG-01"}
    parts = await parts_of(site.app.site, "records-one", vera, asked)
    assert "Waits for a person" in parts["record-state"] and parts["record-actions"].strip() == ""
    assert "record" not in await parts_of(site.app.site, "records-one", vera, {**asked, "key": "none"})
    assert "record" not in await parts_of(site.app.site, "records-one", vera, {"name": "none"})


async def test_what_somebody_looks_at_is_computed_once_for_a_while(site):
    looks, asked = site.app.site.looks, []

    async def compute():
        asked.append(1)
        return len(asked)

    assert [await looks.at("x", compute) for _ in range(3)] == [1, 1, 1]
    assert await looks.at("y", compute) == 2
    site.clock.at_ms += 1_800
    assert await looks.at("x", compute) == 3
    looks.forget()
    assert await looks.at("x", compute) == 4
    for n in range(300):
        await looks.at(n, compute)
    assert len(looks._kept) == 200


async def test_what_is_left_alone_takes_nothing_from_what_agrees(site, viewer):
    now = site.clock.now_ms()
    price_list = price("TEE-RED-L", "level:5", PriceKind.PROMOTIONAL, gbp("15"))
    shown = held(Kind.PRICE, tag_key(OWN, "TEE-RED-L"), tag(("1", "15")), now)
    row = record("erp", Kind.PRICE, price_key("TEE-RED-L", "level:5"), price_list, now)
    await site.store.write(Write("record_put", [row]), Write("content_put", [shown]))
    text = await read(viewer, one("prices", "TEE-RED-L"))
    assert "In agreement shop shows 15 GBP, as erp says. 1 value is left as it is." in text


async def test_each_channel_stands_by_itself(monkeypatch):
    routes, systems = records.make_routes, records.make_systems

    def with_a_till(clock):
        erp, shop = systems(clock)
        sink, source = FakeSink(tuple(shop.sink.operations)), FakeSource("till", ())
        return [erp, shop, replace(shop, name="till", sink=sink, source=source)]

    to_the_till = Route(Flow.PRICES, "erp", "till", 3_600_000, prices=records.PRICE_RULES)
    monkeypatch.setattr(records, "make_routes", lambda: Routes([*routes().all, to_the_till]))
    monkeypatch.setattr(records, "make_systems", with_a_till)
    site = await make_records_site()
    viewer = Client(site.app, site.tokens["viewer"])
    assert "shop shows 4.5 GBP, as erp says." in await read(viewer, "/records/prices?q=SOCK"), (
        "the till has no socks"
    )
    site.engine.catalog.put("till", Item("SOCK-42", "g", "s"))
    site.app.site.looks.forget()
    text = await read(viewer, one("prices", "SOCK-42"))
    assert "On its way 4.5 GBP is being prepared; till shows nothing of ours yet." in text
    assert "shop from erp in agreement" in text and "till from erp on its way" in text
    told = [
        held(Kind.PRICE, tag_key(name, "SOCK-42"), tag(("1", "4.5")), site.clock.now_ms())
        for name in (OWN, "24601")
    ]
    await site.store.write(Write("content_put", [{**row, "system": "till"} for row in told]))
    site.app.site.looks.forget()
    assert "In agreement shop and till show what erp says." in await read(viewer, one("prices", "SOCK-42"))
