"""The test bench of Adobe Commerce: what the conformance suites do with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from tests.connectors.adobe_world import signed
from tests.connectors.answers_bench import ANSWERS, adobe_answer, adobe_effects
from tests.connectors.benches import HOOKS, PAGE, customer_item, without

from syncline.connectors.adobe_commerce import CONNECTOR, AdobeCommerceSettings
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import (
    AdobeCommerceSimulator,
    Buyer,
    CartLine,
    make_keys,
    public_pem,
    sign,
)
from syncline.model.change import Change, Kind
from syncline.model.copying import replace
from syncline.model.credit import CreditTag
from syncline.model.delivery import Item
from syncline.model.payloads import (
    CreateShipment,
    ReadOrder,
    ReadStock,
    SetCredit,
    SetListing,
    SetPrice,
    SetProduct,
    SetStock,
    SetWording,
)
from syncline.model.pricing import PriceBreak, PriceTag
from syncline.model.products import Goods, Listing, ProductStatus, Variant, Wording
from syncline.model.records import Order, Shipment, ShipmentLine
from syncline.ports import Opening, Request, Response, System, WebhookRequest
from syncline.testing.bench import Example, Facts, Refusal, Send, Surroundings

ORIGIN = "https://bench.example"
CLIENT_ID = "bench-client"
FIRST = "x-adobe-digital-signature-1"
SECOND = "x-adobe-digital-signature-2"
UNITS = 60  # of every order of the stream under test, so that each can be edited often


@cache
def stranger() -> rsa.RSAPrivateKey:
    """A key that nobody trusts."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class AdobeCommerceBench:
    """A shop with multi-source inventory and an integration; the records are orders."""

    connector = CONNECTOR
    more: dict[str, Any] = {}  # noqa: RUF012 - settings of a kind of bench, never changed

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.simulator = AdobeCommerceSimulator(
            clock=around.vendor_clock, rng=around.new_rng(), transport=around.mailbox, origin=ORIGIN
        )
        around.apps.register(ORIGIN, self.simulator)
        held = self.simulator.integration
        self.facts = Facts(
            delta="orders",
            kind=Kind.ORDER,
            page_items=PAGE,
            overlap_s=60.0,
            credential_headers=("authorization",),
            secrets=(held.consumer_secret, held.access_token_secret, held.access_token),
            crowded="read_order",
            crowd=24,
            decimal_places=4,
        )
        self.place = self.simulator.add_source("reading")
        self._made = 0
        self._nonces = 0
        self._people: list[int] = []
        self.simulator.add_product("POOL", "Pool", Decimal("10.00"), {self.place: 1_000_000})

    def open(self) -> System:
        held, around = self.simulator.integration, self.around
        settings = AdobeCommerceSettings(
            base_url=ORIGIN,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            page_size=PAGE,
            order_source=self.place,
            orders_since="2026-09-01T00:00:00Z",
            event_public_keys=tuple(public_pem(key) for key in make_keys()),
            event_client_id=CLIENT_ID,
            **self.more,
        )
        return CONNECTOR.open(Opening("shop", settings, around.clock, around.new_rng(), around.wire))

    async def subscribe(self, system: System) -> None:
        self.simulator.register_events(f"{HOOKS}/hooks/shop", CLIENT_ID, EVENT_FIELDS)

    def close(self) -> None:
        pass

    def _sku(self, units: int = 10) -> str:
        self._made += 1
        sku = f"SKU, {self._made}/a&b"  # a comma, a slash and an ampersand: all of them are found in shops
        self.simulator.add_product(sku, sku, Decimal("12.50"), {self.place: units})
        return sku

    def _order(self) -> int:
        done = self.simulator.checkout([CartLine("POOL", UNITS)], paid=True)
        assert done.order_id is not None
        return done.order_id

    def add(self, count: int = 1) -> list[str]:
        return [str(self._order()) for _ in range(count)]

    def edit(self, key: str) -> None:
        order = self.simulator.orders[int(key)]
        self.simulator.sales.refund(order, {order.lines[0].item_id: 1})

    def delete(self, key: str) -> None:
        del self.simulator.orders[int(key)]

    def spoil(self, key: str) -> None:
        async def spoiled(request: Request, send: Send) -> Response:
            answer = await send(request)
            body = json.loads(answer.body)
            for row in body.get("items", ()) if isinstance(body, dict) else ():
                if str(row.get("entity_id")) == key and "base_grand_total" in row:
                    row["base_grand_total"] = "a lot"
            return replace(answer, body=json.dumps(body).encode())

        self.around.wire.between = spoiled

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, Order)
        return [(line.sku, int(line.quantity)) for line in change.value.lines]

    def truth(self, key: str) -> object:
        lines = self.simulator.orders[int(key)].lines
        return [(line.sku, line.ordered - line.canceled - line.refunded) for line in lines]

    # --- events ---------------------------------------------------------------------------------------

    def sign(self, post: WebhookRequest, body: bytes, *, secret: str | None = None) -> WebhookRequest:
        keys = make_keys() if secret is None else (stranger(), stranger())
        headers = {**post.headers, FIRST: sign(keys[0], body), SECOND: sign(keys[1], body)}
        return replace(post, headers=headers, body=body)

    def unsigned(self, post: WebhookRequest) -> WebhookRequest:
        return replace(post, headers=without(without(dict(post.headers), FIRST), SECOND))

    def stating(self, post: WebhookRequest, number: Decimal) -> WebhookRequest:
        body = json.loads(post.body)
        body["data"]["value"]["items"][0]["base_price"] = 123454321
        return self.sign(post, json.dumps(body).replace("123454321", f"{number:f}").encode())

    def stated(self, change: Change) -> Decimal:
        assert isinstance(change.value, Order)
        return change.value.lines[0].unit_price

    # --- what is written ------------------------------------------------------------------------------

    async def items(self, operation: str, count: int, system: System) -> list[Item]:
        if operation in ANSWERS:
            now_ms = self.around.clock.now_ms()
            return [adobe_answer(self.simulator, operation, self.place, now_ms) for _ in range(count)]
        make = {
            "set_stock": self._set_stock,
            "read_stock": self._read_stock,
            "read_order": self._read_order,
            "create_shipment": self._shipment,
            "set_price": self._set_price,
            "set_list_price": self._set_list_price,
            "set_credit": self._set_credit,
            "set_product": self._set_product,
            "set_wording": self._set_wording,
            "set_listing": self._set_listing,
            "put_customer": self._put_customer,
        }[operation]
        made = [make() for _ in range(count)]
        if operation == "read_order":
            await self.around.clock.sleep(5.0)  # an order is read when the second of its stamp is over
        return made

    def _set_stock(self) -> Item:
        sku = self._sku()
        return Item(sku, SetStock(sku, sku, self.place, 7, 10))

    def _read_stock(self) -> Item:
        sku = self._sku()
        return Item(sku, ReadStock(sku, sku, self.place))

    def _read_order(self) -> Item:
        (key,) = self.add(1)
        return Item(key, ReadOrder(key))

    def _shipment(self) -> Item:
        (key,) = self.add(1)
        line = ShipmentLine("POOL", "1", Decimal(1))
        # Every other parcel has no tracking number; our reference finds it all the same.
        tracking = (f"TRACK-{key}",) if int(key) % 2 else ()
        parcel = Shipment(f"if-{key}", f"shop-{key}", self.around.clock.now_ms(), (line,), tracking)
        return Item(key, CreateShipment(key, parcel, (("POOL", self.place, 1),)))

    def _put_customer(self) -> Item:
        self._made += 1
        return customer_item(str(self._made), "Default User")

    def _bought_for(self, key: str) -> int:
        """How many people may buy for a customer's companies."""
        state = self.simulator.state
        ours = {one.id for one in state.companies.values() if one.properties["reseller_id"] == key}
        return sum(one.company_id in ours for one in state.customers.values())

    def _set_price(self) -> Item:
        sku = self._sku()
        return Item(
            sku, SetPrice(sku, sku, "", "", PriceTag("GBP", (PriceBreak(Decimal(1), Decimal("7.25")),)))
        )

    def _set_list_price(self) -> Item:
        sku = self._sku()
        breaks = (PriceBreak(Decimal(1), Decimal(7)), PriceBreak(Decimal(10), Decimal("6.5")))
        return Item(sku, SetPrice(sku, sku, "", "Wholesale", PriceTag("GBP", breaks)))

    def _set_credit(self) -> Item:
        self._made += 1
        self.simulator.add_company_credit(self._made)
        company, tag = str(self._made), CreditTag("GBP", Decimal(1000), Decimal("412.5"))
        return Item(company, SetCredit(company, company, tag))

    def _set_product(self) -> Item:
        sku = self._sku()
        goods = Goods((Variant(sku),), (), ProductStatus.ACTIVE, f"{sku} anew", "<p>Warm</p>")
        return Item(sku, SetProduct(sku, goods, {sku: (self._id(sku), "")}))

    def _id(self, sku: str) -> str:
        return str(self.simulator.state.products[sku].entity_id)

    def _set_wording(self) -> Item:
        sku = self._sku()
        self.simulator.stores.add("de")
        return Item(sku, SetWording(sku, "de", Wording({"title": "Ding"}), (), self._id(sku)))

    def _set_listing(self) -> Item:
        sku = self._sku()
        at = next(iter(self.simulator.state.shared_catalogs), 0) or self.simulator.add_shared_catalog()
        return Item(sku, SetListing(sku, str(at), Listing(shown=True), self._id(sku)))

    def effects(self, operation: str, item: Item) -> int:
        if operation in ANSWERS:
            return adobe_effects(self.simulator, operation, item)
        state = self.simulator.state
        if operation == "set_credit":
            company = int(item.payload.external_id)
            return sum(
                one.available == Decimal("412.5")
                for one in state.company_credits.values()
                if one.company_id == company
            )
        if operation == "set_product":
            return int(state.products[item.payload.key].name == item.payload.content.title)
        if operation == "set_wording":
            return int(bool(state.products[item.payload.key].texts))
        if operation == "set_listing":
            return int(item.payload.key in state.shared_catalogs[int(item.payload.assortment)])
        if operation == "put_customer":
            return self._bought_for(item.payload.key)
        if operation == "set_price":
            return int(state.products[item.payload.sku].price_minor == 725)
        if operation == "set_list_price":
            sku = item.payload.sku
            return int([state.tier_prices.get((sku, "Wholesale", n)) for n in (1, 10)] == [7, 6.5])
        if operation == "set_stock":
            return int(self.simulator.quantity(item.payload.sku, self.place) == item.payload.quantity)
        return len(self.simulator.orders[int(item.payload.order_key)].shipments)

    async def refusal(self, system: System) -> Refusal:
        sku = self._sku()
        return Refusal(
            "set_stock", Item("bad", SetStock(sku, sku, "mars", 7, 10)), "Could not save Source Item"
        )

    def outdate(self, item: Item) -> None:
        self.simulator.set_quantity(item.payload.sku, self.place, 4)

    def slow_down(self, seconds: float) -> Response | None:
        return Response(429, {"retry-after": f"{seconds:.0f}"}, b"<h1>429 Too Many Requests</h1>")

    # --- the simulator alone --------------------------------------------------------------------------

    def people(self, rng: Random) -> None:
        shop = self.simulator
        if "P0" not in shop.state.products:
            second = shop.add_source("leeds")
            for n in range(4):
                shop.add_product(f"P{n}", f"P{n}", Decimal("3.99"), {self.place: 40, second: 15})
        sku, place = f"P{rng.randrange(4)}", rng.choice([self.place, "leeds"])
        acts: list[Callable[[], Any]] = [
            lambda: self._buy(rng),
            lambda: self._buy(rng),
            lambda: shop.set_quantity(sku, place, rng.randrange(60)),
        ]
        if self._people:
            order = shop.orders[rng.choice(self._people)]
            line = order.lines[0]
            if order.state not in {"complete", "closed", "canceled"}:
                acts.append(lambda: shop.sales.cancel(order))
                if line.to_invoice:
                    acts.append(lambda: shop.sales.invoice(order, {line.item_id: 1}, capture=True))
                if line.to_ship and shop.quantity(line.sku, place):
                    acts.append(lambda: shop.sales.ship(order, {line.item_id: 1}, (), place))
            if line.to_refund:
                back = (line.item_id,) if rng.random() < 0.5 else ()
                acts.append(lambda: shop.sales.refund(order, {line.item_id: 1}, back_to_stock=back))
        rng.choice(acts)()

    def _buy(self, rng: Random) -> None:
        lines = [CartLine(f"P{n}", rng.randint(1, 6)) for n in rng.sample(range(4), rng.randint(1, 3))]
        buyer = Buyer(f"a{rng.randrange(5)}@b.example", "Ada")
        done = self.simulator.checkout(lines, buyer=buyer, registered=rng.random() < 0.5)
        if done.order_id is not None:
            self._people.append(done.order_id)

    def laws(self) -> Sequence[str]:
        return self.simulator.check()

    def digest(self) -> str:
        return self.simulator.state_digest()

    def _again(self, request: Request, body: bytes | None = None, url: str = "") -> Request:
        """The same request with a signature of its own, by a foreign implementation."""
        self._nonces += 1
        url = url or request.url
        now_ms = self.around.clock.now_ms()
        header = signed(self.simulator, request.method, url, now_ms, f"bench-{self._nonces}")
        headers = {**request.headers, "authorization": header}
        return replace(request, url=url, headers=headers, body=request.body if body is None else body)

    def unknown_field(self, request: Request) -> Request:
        body = json.loads(request.body)
        rows = body[0] if isinstance(body, list) else body
        rows["sourceItems"][0]["qty"] = 3
        return self._again(request, json.dumps(body).encode())

    def examples(self, write: Request) -> Sequence[Example]:
        root = f"{urlsplit(write.url).scheme}://{urlsplit(write.url).netloc}/rest/all/V1/"
        read = Request("GET", f"{root}orders/99999999", dict(write.headers))
        bad = json.loads(write.body)
        bad["sourceItems"][0]["sku"] = ""
        webapi = "developer.adobe.com/commerce/webapi/get-started/gs-web-api-response"
        return [
            Example(
                "no credential",
                replace(write, headers=without(dict(write.headers), "authorization")),
                401,
                ("The consumer isn't authorized to access %resources.", '"resources"'),
                webapi,
            ),
            Example("no such order", self._again(read), 404, ("doesn't exist",), webapi),
            Example(
                "no such route",
                self._again(read, url=f"{root}nothing"),
                404,
                ("Request does not match any route.",),
                webapi,
            ),
            Example(
                "nothing",
                self._again(write, b"{}"),
                400,
                ("is required. Enter and try again.", "sourceItems"),
                webapi,
            ),
            Example(
                "no SKU",
                self._again(write, json.dumps(bad).encode()),
                400,
                ("Validation Failed", "can not be empty"),
                "magento/inventory, SourceItem/Validator",
            ),
        ]


class AdobeCommerceBulkBench(AdobeCommerceBench):
    """The same shop, whose numbers are written through its queue."""

    more = {"stock_writes": "bulk", "bulk_applies_after_s": 60}  # noqa: RUF012 - as above

    async def refusal(self, system: System) -> Refusal:
        sku = self._sku()
        return Refusal(
            "set_stock", Item("bad", SetStock(sku, sku, "no such", 7, 10)), "can not contain whitespaces"
        )
