"""Credit over HTTP, and what the checkout of a channel is answered behind its signature."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from tests.web import support
from tests.web.support import NOW_MS, Client, FakeSink, FakeSource, make_site, record

from syncline.connectors.adobe_commerce.gates import AdobeCommerceGate
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
from syncline.connectors.adobe_commerce.simulator.events import make_keys, public_pem
from syncline.connectors.adobe_commerce.simulator.hooks import Hook
from syncline.connectors.adobe_commerce.simulator.sales import Buyer, CartLine
from syncline.credit.rules import CreditRules
from syncline.engine.derive.prices import price_key
from syncline.engine.routes import Route, Routes, customer_reference
from syncline.model.change import Flow, Kind
from syncline.model.credit import Credit
from syncline.model.customers import Company
from syncline.model.pricing import Price, PriceEntry, PriceKind
from syncline.ports import PollStream, Timer, Write
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.simulate.transport import AsgiTransport
from syncline.web.access import Role

D = Decimal
PRICES = PriceRules((ChannelList(OWN, ("level:1",), "GBP"),), decimals=2)
SETTINGS = AdobeCommerceSettings(
    base_url="https://shop.example.com",
    auth="bearer",
    access_token="t",
    webhook_public_keys=(public_pem(make_keys()[0]),),
)
QUESTION = {
    "reference": "cart-1",
    "channel": "shop",
    "account": "107",
    "amount": "400",
    "currency": "GBP",
}
ORDER = {
    "increment_id": "000000012",
    "customer_id": 9,
    "base_grand_total": 400.5,
    "base_currency_code": "GBP",
    "payment": {"method": "purchaseorder"},
    "items": [
        {"sku": "CAP-BLK", "qty_ordered": 2},
        {"sku": "CAP-BLK", "qty_ordered": 2, "parent_item_id": 1},
    ],
}


class Patient(support.StillClock):
    """Time that stands still: no deadline passes before a test is in a hurry."""

    hurries = False

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        if not self.hurries:
            return super().after(seconds, call)
        self.at_ms += round(seconds * 1000)
        return asyncio.get_running_loop().call_soon(call)


@pytest.fixture
async def site(monkeypatch):
    routes, systems = support.make_routes, support.make_systems

    def with_credit() -> Routes:
        credit = Route(Flow.CREDIT, "erp", "shop", 300_000, credit=CreditRules(mirror=False))
        return Routes([*routes().all, credit, Route(Flow.PRICES, "erp", "shop", 3_600_000, prices=PRICES)])

    def that_tell(clock):
        erp, shop = systems(clock)
        streams = (
            *erp.source.streams,
            PollStream("credit", (Flow.CREDIT,), snapshot=True),
            PollStream("prices", (Flow.PRICES,), snapshot=True),
        )
        sink = FakeSink((*shop.sink.operations, "set_price"))
        gate = AdobeCommerceGate("shop", SETTINGS)
        return [replace(erp, source=FakeSource("erp", streams)), replace(shop, sink=sink, gate=gate)]

    monkeypatch.setattr(support, "make_routes", with_credit)
    monkeypatch.setattr(support, "make_systems", that_tell)
    made = await make_site(Patient())
    credit = Credit("107", "GBP", D(1000), D(300), read_began_ms=NOW_MS)
    price = Price("CAP-BLK", "customer:107", PriceKind.CONTRACT, (PriceEntry(D("8.125"), "GBP"),))
    known = record("erp", Kind.CREDIT, "107", credit, NOW_MS - 60_000)
    bound = {
        "system": "erp", "kind": "customer", "key": customer_reference("shop", "9"), "external_id": "107", "version": 0,
        "hash": "", "now_ms": NOW_MS,
    }  # fmt: skip
    await made.store.write(
        Write("record_put", [{**known, "version": NOW_MS - 60_000}]),
        Write("record_put", [record("erp", Kind.PRICE, price_key("CAP-BLK", "customer:107"), price, NOW_MS)]),
        Write("binding_put", [bound]),
    )
    return made


@pytest.fixture
async def till(site):
    return Client(site.app, await site.access.add("till", Role.CHECKOUT, by="test"))


async def test_an_approval_tells_every_figure_and_is_confirmed_and_given_back(till):
    answer = await till.post("/v1/credit/check", QUESTION)
    assert answer.status == 200
    assert answer.json() == {
        "reference": "cart-1",
        "channel": "shop",
        "account": "107",
        "decision": "approve",
        "reason": "within_limit",
        "message": "The amount is within the credit limit.",
        "amount": "400",
        "currency": "GBP",
        "order": "",
        "state": "open",
        "expires_at_ms": NOW_MS + 900_000,
        "limit": "1000",
        "exposure": "700",
        "available": "700",
        "parts": [
            {"name": "balance", "amount": "300"},
            {"name": "unbilled_orders", "amount": "0"},
            {"name": "approvals", "amount": "0"},
            {"name": "orders_not_in_erp", "amount": "0"},
            {"name": "this_order", "amount": "400"},
        ],
        "days_past_due": None,
        "overdue": None,
        "open_invoices": None,
        "as_of_ms": NOW_MS - 60_000,
        "age_ms": 60_000,
        "bound_ms": 240_000,
    }
    over = await till.post("/v1/credit/check", {**QUESTION, "reference": "cart-2"})
    assert (over.json()["decision"], over.json()["reason"]) == ("deny", "over_limit")
    confirmed = await till.post("/v1/credit/cart-1/confirm", {"order": "1002"})
    assert confirmed.json()["state"] == "confirmed"
    assert (await till.get("/v1/credit/cart-1")).json()["order"] == "1002"
    left = await till.get("/v1/credit?channel=shop&account=107")
    assert left.json()["available"] == "300"
    given_back = await till.post("/v1/credit/cart-1/release", {})
    assert given_back.json()["state"] == "released"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"channel": "outlet"}, 404, "unknown_channel"),
        ({"account": ""}, 422, "no_account"),
        ({"amount": "-1"}, 422, "bad_amount"),
        ({"amount": "x"}, 400, "bad_request"),
        ({"currency": "pounds"}, 400, "bad_request"),
        ({"reference": "a b"}, 400, "bad_request"),
        ({"expires_in_s": 5}, 400, "bad_request"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(till, asked, status, code):
    answer = await till.post("/v1/credit/check", {**QUESTION, **asked})
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)


async def test_a_reference_in_use_and_one_that_is_none_are_told_apart(till):
    await till.post("/v1/credit/check", QUESTION)
    taken = await till.post("/v1/credit/check", {**QUESTION, "amount": "401"})
    assert (taken.status, taken.json()["error"]["code"]) == (409, "reference_taken")
    assert (await till.get("/v1/credit/none")).status == 404


async def test_a_route_of_credit_is_shown_and_its_decisions_are_counted(site, till):
    await till.post("/v1/credit/check", QUESTION)
    await till.post("/v1/credit/check", {**QUESTION, "reference": "cart-2", "amount": "900"})
    viewer = Client(site.app, await site.access.add("eye", Role.VIEWER, by="test"))
    shown = {one["name"]: one for one in (await viewer.get("/v1/routes")).json()}
    assert shown["credit:erp->shop"]["tolerance_ms"] == 300_000
    text = (await viewer.get("/metrics")).body.decode()
    counted = [line for line in text.splitlines() if line.startswith("syncline_credit_decisions_total{")]
    assert counted == [
        'syncline_credit_decisions_total{channel="shop",decision="approve",reason="within_limit"} 1.0',
        'syncline_credit_decisions_total{channel="shop",decision="deny",reason="over_limit"} 1.0',
    ]
    page = await viewer.get("/")
    assert page.status == 200
    assert "Credit" in page.body.decode()


async def test_a_viewer_sees_credit_and_may_not_take_it(site):
    viewer = Client(site.app, await site.access.add("eye", Role.VIEWER, by="test"))
    assert (await viewer.get("/v1/credit?channel=shop&account=107")).status == 200
    assert (await viewer.post("/v1/credit/check", QUESTION)).status == 403


# --- behind the vendor's signature -----------------------------------------------------------------


async def ask(
    site, gate: str, told: dict, *, key=None, token: str = "", system: str = "shop", body: bytes = b""
):
    body = body or json.dumps(told).encode()
    signed = (key or make_keys()[0]).sign(base64.b64encode(body), padding.PKCS1v15(), hashes.SHA256())
    path = f"{site.access.gate_url('', system)}/{gate}"
    if token:
        path = path.replace(site.access.hook_token(system), token)
    headers = {"x-adobe-commerce-webhook-signature": base64.b64encode(signed).decode()}
    return await Client(site.app).ask("POST", path, body=body, headers=headers)


async def test_a_checkout_on_account_asks_for_credit(site, till):
    passed = await ask(site, "credit", {"order": ORDER})
    assert (passed.status, passed.json()) == (200, {"op": "success"})
    assert (await ask(site, "credit", {"order": ORDER})).json() == {"op": "success"}
    left = (await till.get("/v1/credit?channel=shop&account=107")).json()
    assert left["available"] == "299.5"
    more = await ask(site, "credit", {"order": {**ORDER, "base_grand_total": 700}})
    assert more.json() == {"op": "success"}, "its former approval gives way"
    over = await ask(site, "credit", {"order": {**ORDER, "increment_id": "13"}})
    assert over.json() == {
        "op": "exception",
        "type": "Magento\\Framework\\Exception\\LocalizedException",
        "message": "The amount exceeds the credit that is left.",
    }
    card = {**ORDER, "increment_id": "14", "payment": {"method": "card"}}
    assert (await ask(site, "credit", {"order": card})).json() == {"op": "success"}
    stranger = await ask(site, "credit", {"order": {**ORDER, "increment_id": "15", "customer_id": 8}})
    assert stranger.json()["op"] == "exception"
    # Cut off, both would be the order that has an approval already.
    for last in "12":
        long = await ask(site, "credit", {"order": {**ORDER, "increment_id": "9" * 64 + last}})
        assert "shorten it" in long.text
        assert "success" not in long.text


async def test_a_cart_is_priced_for_its_buyer(site):
    found = await ask(site, "prices", {"quote": {**ORDER, "increment_id": None, "quote_id": 5}})
    assert found.json() == [{"op": "replace", "path": "quote/items/0/custom_price", "value": 8.125}]
    nothing = {**ORDER, "items": [{"sku": "NONE", "qty": 1}]}
    assert (await ask(site, "prices", {"cart": nothing})).json() == {"op": "success"}


async def test_a_cart_is_left_as_it_is_until_it_is_known_by_which_number_its_buyers_prices_go(site):
    erp = site.engine.systems["erp"]
    by_number = replace(erp, capabilities=replace(erp.capabilities, lists_by_number=True))
    site.engine.systems["erp"] = by_number
    cart = {"quote": {**ORDER, "increment_id": None, "quote_id": 5}}
    assert (await ask(site, "prices", cart)).json() == {"op": "success"}
    company = Company("107", "One", "C00107")
    price = Price("CAP-BLK", "customer:C00107", PriceKind.CONTRACT, (PriceEntry(D("7.5"), "GBP"),))
    await site.store.write(
        Write("record_put", [record("erp", Kind.CUSTOMER, "107", company, NOW_MS)]),
        Write(
            "record_put", [record("erp", Kind.PRICE, price_key("CAP-BLK", price.price_list), price, NOW_MS)]
        ),
    )
    found = await ask(site, "prices", cart)
    assert found.json() == [{"op": "replace", "path": "quote/items/0/custom_price", "value": 7.5}]


async def test_units_are_held_for_an_order(site):
    assert (await ask(site, "holds", {"order": ORDER})).json() == {"op": "success"}
    held = (await Client(site.app, site.tokens["viewer"]).get("/v1/holds?channel=shop")).json()
    assert [(one["sku"], one["order"]) for one in held] == [("CAP-BLK", "000000012")]
    many = {**ORDER, "increment_id": "13", "items": [{"sku": "CAP-BLK", "qty_ordered": 99_999}]}
    assert (await ask(site, "holds", {"order": many})).json()["op"] == "exception"
    other = {**ORDER, "increment_id": "14", "items": [{"sku": "GIFT-CARD", "qty_ordered": 1}]}
    assert (await ask(site, "holds", {"order": other})).json() == {"op": "success"}


async def test_who_does_not_sign_is_told_nothing(site):
    for refused in (
        await ask(site, "credit", {"order": ORDER}, key=make_keys()[1]),
        await ask(site, "credit", {"order": ORDER}, token="wrong"),
        await ask(site, "credit", {"order": ORDER}, system="erp"),
        await ask(site, "credit", {"order": ORDER}, system="nobody"),
        await ask(site, "everything", {"order": ORDER}),
        await Client(site.app).ask(
            "POST", f"/v1/adobe-commerce/webhooks/shop/{site.access.hook_token('shop')}/credit", body=b"{}"
        ),
    ):
        assert (refused.status, refused.json()["error"]["code"]) == (401, "refused")


async def test_one_source_cannot_ask_without_end(site):
    asked = [(await ask(site, "credit", {"order": ORDER}, token="wrong")).status for _ in range(601)]
    assert asked == [401] * 600 + [429]


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"order": {}},
        {"order": {**ORDER, "base_grand_total": None}},
        {"order": {**ORDER, "base_currency_code": None}},
        {"order": {**ORDER, "base_grand_total": 1e15}},
        {"order": {**ORDER, "items": [{"sku": "A"}] * 101}},
        {"order": [1]},
    ],
)
async def test_what_is_not_understood_is_left_to_the_vendors_own_setting(site, told):
    answer = await ask(site, "credit", told)
    assert (answer.status, answer.json()["error"]["code"]) == (503, "unanswered")


async def test_an_answer_that_takes_too_long_is_none(site, monkeypatch):
    async def never(*_, **__):
        await asyncio.Event().wait()

    monkeypatch.setattr(site.engine.credit, "check", never)
    site.clock.hurries = True
    answer = await ask(site, "credit", {"order": ORDER})
    assert answer.status == 503
    assert "800 ms" in answer.json()["error"]["message"]


async def test_an_order_to_be_reviewed_goes_on_where_the_shop_wants_that(site, monkeypatch):
    stranger = {**ORDER, "customer_id": 8}
    assert (await ask(site, "credit", {"order": stranger})).json()["op"] == "exception"
    monkeypatch.setattr(AdobeCommerceGate, "passes_review", True)
    assert (await ask(site, "credit", {"order": stranger})).json() == {"op": "success"}


async def test_a_shops_own_checkout_is_gated(site, till):
    transport = AsgiTransport({"http://syncline.test": site.app})
    shop = AdobeCommerceSimulator(clock=site.clock, rng=Random(1), transport=transport)
    place = shop.add_source("here")
    shop.add_product("MUG", "Mug", D(300), {place: 9})
    row = {
        "system": "erp", "kind": "customer", "key": customer_reference("shop", "1"), "external_id": "107", "version": 0,
        "hash": "", "now_ms": NOW_MS,
    }  # fmt: skip
    await site.store.write(Write("binding_put", [row]))
    shop.hook = Hook(
        f"{site.access.gate_url('http://syncline.test', 'shop')}/credit", signing_key=make_keys()[0]
    )
    how = {"buyer": Buyer("buyer@shop.example"), "registered": True}
    first = await shop.place([CartLine("MUG", 1)], **how, payment="purchaseorder")
    second = await shop.place([CartLine("MUG", 1)], **how, payment="purchaseorder")
    card = await shop.place([CartLine("MUG", 1)], **how, payment="card")
    assert (first.refusal, card.refusal) == ("", "")
    assert second.refusal == "The amount exceeds the credit that is left."
    assert len(shop.orders) == 2
    left = (await till.get("/v1/credit?channel=shop&account=107")).json()
    assert left["available"] == "335", "300, tax and shipping are held until the order is known"
    shop.hook = replace(shop.hook, signing_key=make_keys()[1])
    forged = await shop.place([CartLine("MUG", 1)], **how, payment="card")
    assert forged.refusal == shop.hook.fallback
