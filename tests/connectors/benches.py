"""The test benches of the built-in connectors: what the conformance suites do with Shopify and NetSuite."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from decimal import Decimal
from functools import cache, partial
from random import Random
from typing import Any
from unittest import mock

from tests.connectors.answers_bench import ANSWERS, shopify_answer, shopify_effects

from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.connectors.netsuite import NetSuiteSettings, client, delta, scans
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, make_certificate
from syncline.connectors.netsuite.simulator.push import sign as sign_push
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify import ShopifySettings, documents
from syncline.connectors.shopify.simulator import Buyer, CartLine, ShopifySimulator
from syncline.model.change import Change, Kind
from syncline.model.copying import replace
from syncline.model.credit import CreditTag
from syncline.model.customers import Contact, CustomerCard, Site
from syncline.model.delivery import Item
from syncline.model.payloads import (
    CreateShipment,
    MoveOrder,
    OrderItem,
    PutCustomer,
    PutOrder,
    PutPayment,
    PutRefund,
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
from syncline.model.records import (
    Customer,
    Order,
    OrderLine,
    Payment,
    Refund,
    RefundLine,
    Shipment,
    ShipmentLine,
    StockLevel,
)
from syncline.ports import Opening, Request, Response, System, WebhookRequest
from syncline.testing.bench import START_MS, Example, Facts, Refusal, Send, Surroundings

HOOKS = "https://syncline.example"
PAGE = 4


def customer_item(key: str, role: str) -> Item:
    """A customer with one contact and one address, for a sink that has none yet."""
    site = Site(
        "1",
        "",
        billing=True,
        line1="1 High Street",
        city="Reading",
        postcode="RG1",
        country="GB",
        phone="+441180000000",
    )
    contact = Contact("1", "Anna", f"Number {key}", f"anna-{key}@example.com", role=role)
    first = CustomerCard(name=f"Company {key}", active=True, tax_id="", contacts=(contact,), sites=(site,))
    return Item(key, PutCustomer(key, "", replace(first, active=None, first=first)))


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


# --- Shopify -----------------------------------------------------------------------------------------------

SHOP = "bench.myshopify.com"
TOKEN = "shpat_bench_0123456789abcdef"
SHOP_SECRET = "shpss_bench_0123456789abcdef"
SIGNATURE = "x-shopify-hmac-sha256"


class ShopifyBench:
    """A standard shop; the records are orders."""

    facts = Facts(
        delta="orders",
        kind=Kind.ORDER,
        page_items=PAGE,
        overlap_s=60.0,
        credential_headers=("x-shopify-access-token",),
        secrets=(TOKEN, SHOP_SECRET),
        crowded="read_order",
        crowd=24,
        decimal_places=8,
    )
    connector = SHOPIFY

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.simulator = ShopifySimulator(
            clock=around.vendor_clock,
            rng=around.new_rng(),
            transport=around.mailbox,
            shop=SHOP,
            plan="standard",
            access_token=TOKEN,
            client_secrets=(SHOP_SECRET,),
        )
        around.apps.register(f"https://{SHOP}", self.simulator)
        self.place = self.simulator.add_location("London")
        self._made = 0
        self._people: list[int] = []
        self._undo = ExitStack()
        small = documents.ORDERS_CHANGED.text.replace("first: 250", f"first: {PAGE}")
        changed = replace(documents.ORDERS_CHANGED, text=small)
        self._undo.enter_context(mock.patch.object(documents, "ORDERS_CHANGED", changed))
        self.simulator.add_product("POOL", "Pool", Decimal("10.00"), {self.place: 100_000})

    def open(self) -> System:
        settings = ShopifySettings(
            shop=SHOP,
            access_token=TOKEN,
            webhook_secrets=("an-older-secret-of-24-bytes", SHOP_SECRET),
            orders_since="2026-09-01T00:00:00Z",
        )
        around = self.around
        return SHOPIFY.open(Opening("shop", settings, around.clock, around.new_rng(), around.wire))

    async def subscribe(self, system: System) -> None:
        assert system.prepare is not None
        await system.prepare(f"{HOOKS}/hooks/shop")

    def close(self) -> None:
        self._undo.close()

    def _sku(self, units: int = 10) -> str:
        self._made += 1
        sku = f"SKU-{self._made}"
        self.simulator.add_product(sku, sku, Decimal("12.50"), {self.place: units})
        return sku

    def add(self, count: int = 1) -> list[str]:
        orders = [self.simulator.checkout([CartLine("POOL", 1)]).order_id for _ in range(count)]
        return [str(order) for order in orders]

    def edit(self, key: str) -> None:
        order = self.simulator.orders[int(key)]
        self.simulator.edit_order(order.id, "POOL", order.lines[0].current_quantity + 1)

    def delete(self, key: str) -> None:
        state = self.simulator.state
        order = state.orders.pop(int(key))
        for part in order.fulfillment_orders:
            del state.fulfillment_orders[part.id]
        state.indexed(0).pop(order.id, None)

    def spoil(self, key: str) -> None:
        async def spoiled(request: Request, send: Send) -> Response:
            answer = await send(request)
            body = json.loads(answer.body)
            for node in (body.get("data") or {}).values():
                if (
                    isinstance(node, dict)
                    and str(node.get("id", "")).endswith(f"/{key}")
                    and "currencyCode" in node
                ):
                    node["currencyCode"] = "JPY"  # its amounts go on saying GBP
            return replace(answer, body=json.dumps(body).encode())

        self.around.wire.between = spoiled

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, Order)
        return [(line.sku, int(line.quantity)) for line in change.value.lines]

    def truth(self, key: str) -> object:
        return [(line.sku, line.current_quantity) for line in self.simulator.orders[int(key)].lines]

    def sign(self, post: WebhookRequest, body: bytes, *, secret: str | None = None) -> WebhookRequest:
        key = SHOP_SECRET if secret is None else secret
        digest = base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()
        return replace(post, headers={**post.headers, SIGNATURE: digest}, body=body)

    def unsigned(self, post: WebhookRequest) -> WebhookRequest:
        return replace(post, headers=without(dict(post.headers), SIGNATURE))

    def stating(self, post: WebhookRequest, number: Decimal) -> WebhookRequest:
        body = json.loads(post.body)
        line = body["line_items"][0]
        line["price"] = line["price_set"]["shop_money"]["amount"] = f"{number:f}"
        headers = {**post.headers, "x-shopify-topic": "orders/updated"}
        return self.sign(replace(post, headers=headers), json.dumps(body).encode())

    def stated(self, change: Change) -> Decimal:
        assert isinstance(change.value, Order)
        return change.value.lines[0].unit_price

    # --- what is written ------------------------------------------------------------------------------

    async def items(self, operation: str, count: int, system: System) -> list[Item]:
        if operation in ANSWERS:
            now_ms = self.around.clock.now_ms()
            return [shopify_answer(self.simulator, operation, self.place, now_ms) for _ in range(count)]
        make = {
            "set_stock": self._set_stock,
            "read_stock": self._read_stock,
            "read_order": self._read_order,
            "create_shipment": self._shipment,
            "move_order": self._move,
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

    def _stock_id(self, sku: str) -> str:
        return f"gid://shopify/InventoryItem/{self.simulator.state.skus[sku].inventory_item_id}"

    def _set_stock(self) -> Item:
        sku = self._sku(units=10)
        return Item(sku, SetStock(sku, self._stock_id(sku), str(self.place), 7, 10))

    def _read_stock(self) -> Item:
        sku = self._sku()
        return Item(sku, ReadStock(sku, self._stock_id(sku), str(self.place)))

    def _read_order(self) -> Item:
        (key,) = self.add(1)
        return Item(key, ReadOrder(key))

    def _shipment(self) -> Item:
        (key,) = self.add(1)
        parcel = Shipment(
            f"if-{key}",
            f"shop-{key}",
            self.around.clock.now_ms(),
            (ShipmentLine("POOL", "1", Decimal(1)),),
            tracking=(f"TRACK-{key}",),
        )
        return Item(key, CreateShipment(key, parcel, (("POOL", str(self.place), 1),)))

    def _move(self) -> Item:
        """Three units, of which one is to leave another place: moved twice, it would be two."""
        sku, elsewhere = self._sku(), self.simulator.add_location(f"Leeds {self._made}")
        self.simulator.set_available(sku, elsewhere, 5)
        key = self.simulator.checkout([CartLine(sku, 3)]).order_id
        line = str(self.simulator.orders[key].lines[0].id)
        return Item(str(key), MoveOrder(str(key), ((line, str(self.place), 2), (line, str(elsewhere), 1))))

    def _set_price(self, price_list: str = "") -> Item:
        variant = self.simulator.state.skus[self._sku()]
        product = f"gid://shopify/Product/{variant.product_id}"
        tag = PriceTag("GBP", (PriceBreak(Decimal(1), Decimal("7.25")),), Decimal(9))
        ids = f"gid://shopify/ProductVariant/{variant.variant_id}", product
        return Item(variant.sku, SetPrice(variant.sku, *ids, price_list, tag))

    def _set_list_price(self) -> Item:
        lists = self.simulator.state.price_lists
        name = str(next(iter(lists), 0) or self.simulator.add_price_list("Trade").id)
        item = self._set_price(name)
        if self._made % 2:
            return item
        breaks = (*item.payload.content.breaks, PriceBreak(Decimal(10), Decimal(7)))
        return replace(item, payload=replace(item.payload, content=PriceTag("GBP", breaks)))

    def _set_credit(self) -> Item:
        self._made += 1
        company = f"gid://shopify/Company/{self._made}"
        tag = CreditTag("GBP", Decimal(1000), Decimal("412.5"))
        return Item(company, SetCredit(str(self._made), company, tag))

    def _set_product(self) -> Item:
        sku = self._sku()
        variant = self.simulator.state.skus[sku]
        ids = f"gid://shopify/ProductVariant/{variant.variant_id}", self._product_id(sku)
        goods = Goods((Variant(sku),), (), ProductStatus.ACTIVE, f"{sku} anew", category="Things")
        # Every other one is surely known to be there, and is written without being read.
        had = replace(goods, title=sku) if self._made % 2 else None
        return Item(sku, SetProduct(sku, goods, {sku: ids}, (str(self.place),), had))

    def _product_id(self, sku: str) -> str:
        return f"gid://shopify/Product/{self.simulator.state.skus[sku].product_id}"

    def _set_wording(self) -> Item:
        sku = self._sku()
        self.simulator.locales.add("de")
        return Item(sku, SetWording(sku, "de", Wording({"title": "Ding"}), (), self._product_id(sku)))

    def _set_listing(self) -> Item:
        sku = self._sku()
        publications = self.simulator.state.publications
        at = next(iter(publications), 0) or self.simulator.add_publication("Trade")
        return Item(sku, SetListing(sku, str(at), Listing(shown=True), self._product_id(sku)))

    def _put_customer(self) -> Item:
        self._made += 1
        return customer_item(str(self._made), "Ordering only")

    def _bought_for(self, key: str) -> int:
        """How many people may buy for a customer's companies."""
        book = self.simulator.state.book.companies.values()
        return sum(bool(x.assignments) for one in book if one.external_id == key for x in one.contacts)

    def _shown(self, payload: SetPrice) -> list[Decimal]:
        variant = self.simulator.state.skus[payload.sku]
        if not payload.price_list:
            return [variant.price]
        prices = self.simulator.state.price_lists[int(payload.price_list)]
        if variant.variant_id not in prices.fixed:
            return []
        further = prices.breaks.get(variant.variant_id, {})
        return [Decimal(minor) / 100 for minor in (prices.fixed[variant.variant_id][0], *further.values())]

    def effects(self, operation: str, item: Item) -> int:
        if isinstance(item.payload, SetCredit):
            held = self.simulator.state.metafields.get((item.payload.external_id, "syncline", "credit"))
            return int(held is not None and json.loads(held[1])["available"] == "412.5")
        if isinstance(item.payload, MoveOrder):
            parts = self.simulator.orders[int(item.key)].fulfillment_orders
            return sum(line.remaining for one in parts if one.location.id != self.place for line in one.lines)
        if isinstance(item.payload, PutCustomer):
            return self._bought_for(item.payload.key)
        if operation in ANSWERS:
            return shopify_effects(self.simulator, operation, item)
        if isinstance(item.payload, SetPrice):
            return int(self._shown(item.payload) == [one.amount for one in item.payload.content.breaks])
        if operation == "set_stock":
            return int(self.simulator.available(item.payload.sku, self.place) == item.payload.quantity)
        if operation in ("set_product", "set_wording", "set_listing"):
            product = self.simulator.product_of(item.payload.key)
            if operation == "set_product":
                return int(product.title == item.payload.content.title)
            return int(bool(product.translations if operation == "set_wording" else product.publications))
        tracking = item.payload.shipment.tracking[0]
        return sum(
            entry.number == tracking for parcel in self.simulator.fulfillments for entry in parcel.tracking
        )

    async def refusal(self, system: System) -> Refusal:
        sku = self._sku()
        elsewhere = self.simulator.add_location(f"Elsewhere {self._made}")
        payload = SetStock(sku, self._stock_id(sku), str(elsewhere), 7, 10)
        return Refusal("set_stock", Item("bad", payload), "not stocked at the location")

    def outdate(self, item: Item) -> None:
        self.simulator.set_available(item.payload.sku, self.place, 4)

    def slow_down(self, seconds: float) -> Response | None:
        return Response(429, {"retry-after": f"{seconds:.1f}"}, b'{"errors":"Exceeded 2 calls per second"}')

    # --- the simulator alone --------------------------------------------------------------------------

    def people(self, rng: Random) -> None:
        shop = self.simulator
        if "P0" not in shop.state.skus:
            second = shop.add_location("Leeds")
            for n in range(4):
                shop.add_product(f"P{n}", f"P{n}", Decimal("3.99"), {self.place: 40, second: 15})
        sku = f"P{rng.randrange(4)}"
        acts: list[Callable[[], Any]] = [
            partial(self._buy, rng),
            partial(self._buy, rng),
            lambda: shop.set_available(sku, self.place, rng.randrange(60)),
        ]
        if self._people:
            order = shop.orders[rng.choice(self._people)]
            line = order.lines[0]
            if not order.cancelled:
                acts.append(
                    lambda: shop.edit_order(order.id, line.id, line.current_quantity + rng.randint(1, 3))
                )
                if line.current_quantity:
                    acts.append(lambda: shop.refund(order.id, {line.id: 1}, rng.random() < 0.5))
                if not order.fulfillments:
                    acts.append(lambda: shop.cancel_order(order.id, rng.random() < 0.5))
                left = [
                    (f, p, p.remaining) for f in order.fulfillment_orders[:1] for p in f.lines if p.remaining
                ]
                if left:
                    acts.append(lambda: shop.send_parcel(order, left, ()))
        rng.choice(acts)()

    def _buy(self, rng: Random) -> None:
        lines = [CartLine(f"P{n}", rng.randint(1, 6)) for n in rng.sample(range(4), rng.randint(1, 3))]
        done = self.simulator.checkout(
            lines, customer=Buyer(first_name="Ada", email=f"a{rng.randrange(5)}@b.example")
        )
        if done.order_id is not None:
            self._people.append(done.order_id)

    def laws(self) -> Sequence[str]:
        return self.simulator.check()

    def digest(self) -> str:
        return self.simulator.state_digest()

    def unknown_field(self, request: Request) -> Request:
        body = json.loads(request.body)
        body["variables"]["input"]["quantitys"] = []
        return replace(request, body=json.dumps(body).encode())

    def examples(self, write: Request) -> Sequence[Example]:
        headers = dict(write.headers)
        ask = partial(self._ask, write)
        docs = "shopify.dev/docs/api/admin-graphql, status and error codes"
        stale = json.loads(write.body)
        stale["variables"]["key"] = "another"
        return [
            Example(
                "no token",
                replace(write, headers=without(headers, "x-shopify-access-token")),
                401,
                ("[API] Invalid API key or access token",),
                docs,
            ),
            Example(
                "no query", replace(write, body=b"{}"), 400, ("Required parameter missing or invalid",), docs
            ),
            Example(
                "unknown field",
                ask("{ shop { nmae } }"),
                200,
                ("Field 'nmae' doesn't exist on type 'Shop'", "undefinedField"),
                docs,
            ),
            Example(
                "stale",
                replace(write, body=json.dumps(stale).encode()),
                200,
                ("CHANGE_FROM_QUANTITY_STALE", '"quantities","0"'),
                "2026-07 inventorySetQuantities",
            ),
        ]

    @staticmethod
    def _ask(write: Request, query: str) -> Request:
        return replace(write, body=json.dumps({"query": query}).encode())


# --- NetSuite ----------------------------------------------------------------------------------------------

PUSH_SECRET = "push-secret-of-the-bench-0123456789"
PUSH_SIGNATURE = "x-syncline-signature"


@cache
def certificate() -> tuple[str, str, str]:
    return make_certificate()


class NetSuiteBench:
    """A small account; the records are stock levels."""

    facts = Facts(
        delta="transactions",
        kind=Kind.STOCK,
        page_items=PAGE,
        overlap_s=60.0,
        credential_headers=("authorization",),
        secrets=(PUSH_SECRET,),
        crowded="put_payment",
        crowd=24,
        ungoverned=("token",),
        decimal_places=8,
    )
    connector = NETSUITE

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._private, public, self._kid = certificate()
        self.simulator = NetSuiteSimulator(
            clock=around.vendor_clock,
            rng=around.new_rng(),
            transport=around.mailbox,
            tier="standard",
            certificates={self._kid: public},
        )
        around.apps.register(self.simulator.origin, self.simulator)
        # The key is made anew in every run, so a secret of the settings stands for it.
        self.facts = replace(self.facts, secrets=(PUSH_SECRET, self._private.splitlines()[1]))
        self.place = self.simulator.add_location("Reading")
        self._made = 0
        self._orders: list[int] = []
        self._undo = ExitStack()
        for module in (client, delta, scans):
            self._undo.enter_context(mock.patch.object(module, "PAGE_MAX", PAGE))
        self.simulator.add_item("POOL", "Pool", "10.00")
        self.simulator.opening_balance("POOL", self.place, 100_000)

    def open(self) -> System:
        around = self.around
        settings = NetSuiteSettings(
            account=self.simulator.account_id,
            client_id="syncline-demo-client",
            certificate_id=self._kid,
            private_key=self._private,
            push_secrets=(PUSH_SECRET,),
            timezone="America/Los_Angeles",
        )
        return NETSUITE.open(Opening("erp", settings, around.clock, around.new_rng(), around.wire))

    async def subscribe(self, system: System) -> None:
        self.simulator.configure_push(f"{HOOKS}/hooks/erp", [PUSH_SECRET])

    def close(self) -> None:
        self._undo.close()

    def _sku(self) -> str:
        self._made += 1
        sku = f"SKU-{self._made:04}"
        self.simulator.add_item(sku, sku, "10.00")
        return sku

    def add(self, count: int = 1) -> list[str]:
        keys = []
        for _ in range(count):
            sku = self._sku()
            self.simulator.receive(sku, self.place, 10)
            keys.append(f"{sku}\x1f{self.place}")
        return keys

    def edit(self, key: str) -> None:
        self.simulator.adjust(key.partition("\x1f")[0], self.place, 1)

    def delete(self, key: str) -> None:
        # An item with transactions cannot be deleted there, only made inactive.
        self.simulator.edit_item(key.partition("\x1f")[0], isInactive=True)

    def spoil(self, key: str) -> None:
        sku = key.partition("\x1f")[0]

        async def spoiled(request: Request, send: Send) -> Response:
            answer = await send(request)
            if not request.url.partition("?")[0].endswith("/suiteql"):
                return answer
            body = json.loads(answer.body)
            for row in body["items"]:
                if row.get("sku") == sku and "available" in row:
                    row["available"] = "a few"
            return replace(answer, body=json.dumps(body).encode())

        self.around.wire.between = spoiled

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, StockLevel)
        return int(change.value.available)

    def truth(self, key: str) -> object:
        return self.simulator.available(key.partition("\x1f")[0], self.place)

    def sign(self, post: WebhookRequest, body: bytes, *, secret: str | None = None) -> WebhookRequest:
        key = PUSH_SECRET if secret is None else secret
        event_id, stamp = post.headers["x-syncline-event-id"], post.headers["x-syncline-timestamp"]
        signature = sign_push([key.encode()], event_id, stamp, body)
        return replace(post, headers={**post.headers, PUSH_SIGNATURE: signature}, body=body)

    def unsigned(self, post: WebhookRequest) -> WebhookRequest:
        return replace(post, headers=without(dict(post.headers), PUSH_SIGNATURE))

    def stating(self, post: WebhookRequest, number: Decimal) -> WebhookRequest:
        body = json.loads(post.body)
        body["levels"][0] |= {"on_hand": f"{number:f}", "available": f"{number:f}"}
        return self.sign(post, json.dumps(body).encode())

    def stated(self, change: Change) -> Decimal:
        assert isinstance(change.value, StockLevel)
        return change.value.available

    # --- what is written ------------------------------------------------------------------------------

    async def items(self, operation: str, count: int, system: System) -> list[Item]:
        if operation == "put_order":
            return [self._order() for _ in range(count)]
        orders = [self._order() for _ in range(count)]
        made = []
        between, self.around.wire.between = self.around.wire.between, None
        for item in orders:
            (outcome,) = await system.sink.deliver("put_order", [item], "prepared")
            number = outcome.facts["external_id"]
            make = self._payment if operation == "put_payment" else self._refund
            made.append(make(item.payload, number))
        self.around.wire.between = between
        return made

    def _order(self) -> Item:
        self._made += 1
        key, now = f"{1000 + self._made}", self.around.clock.now_ms()
        line = OrderLine("l1", "POOL", "Pool", Decimal(3), Decimal("9.99"))
        order = Order(
            key,
            f"#{key}",
            now,
            now,
            "GBP",
            (line,),
            Decimal(0),
            Decimal(0),
            Decimal("29.97"),
            customer=Customer(f"c-{key}", "Ada Lovelace", f"{key}@b.example"),
            complete=True,
        )
        pool = self.simulator.account.item_by_sku["POOL"].id
        return Item(
            key, PutOrder(f"shop-{key}", order, (OrderItem("l1", str(pool), "POOL", str(self.place), 3),))
        )

    def _payment(self, put: PutOrder, number: str) -> Item:
        payment = Payment(f"p-{put.order.key}", Decimal("29.97"), "GBP", self.around.clock.now_ms())
        return Item(payment.id, PutPayment(f"{put.reference}-pay", number, f"c-{put.order.key}", payment))

    def _refund(self, put: PutOrder, number: str) -> Item:
        self.simulator.ship(int(number), tracking="T")
        lines = (RefundLine("l1", Decimal(2), restocked=True),)
        refund = Refund(f"r-{put.order.key}", Decimal("19.98"), self.around.clock.now_ms(), lines)
        items = (replace(put.items[0], quantity=2),)
        return Item(refund.id, PutRefund(f"{put.reference}-ref", number, refund, items, restocked=True))

    def effects(self, operation: str, item: Item) -> int:
        reference = item.payload.reference
        if operation == "put_order":
            return len(self.simulator.sales_orders_by_external_id().get(reference, []))
        if operation == "put_payment":
            return sum(deposit.external_id == reference for deposit in self.simulator.deposits())
        found = [entry for entry in self.simulator.returns() if entry.external_id == reference]
        # The units have to be back on the shelf as well, once.
        assert all(received <= expected for entry in found for _, expected, received in entry.lines)
        return len(found) if all(received for entry in found for _, _, received in entry.lines) else 0

    async def refusal(self, system: System) -> Refusal:
        item = self._order()
        lines = (replace(item.payload.items[0], item_id="999999"),)
        return Refusal("put_order", replace(item, payload=replace(item.payload, items=lines)), "999999")

    def outdate(self, item: Item) -> None:
        raise NotImplementedError  # it declares no compare-and-set

    def slow_down(self, seconds: float) -> Response | None:
        return None  # a refusal for concurrency names no delay (NetSuite help, section_156570709583)

    # --- the simulator alone --------------------------------------------------------------------------

    def people(self, rng: Random) -> None:
        erp = self.simulator
        if "P0" not in erp.account.item_by_sku:
            self._second = erp.add_location("Leeds")
            for n in range(4):
                erp.add_item(f"P{n}", f"P{n}", "3.99")
                erp.receive(f"P{n}", self.place, 40)
        sku, place = f"P{rng.randrange(4)}", rng.choice([self.place, self._second])
        free = erp.available(sku, self.place)
        acts: list[Callable[[], Any]] = [
            lambda: erp.receive(sku, place, rng.randint(1, 9)),
            lambda: erp.withdraw(sku, place, rng.randint(1, 6)),
            lambda: self._sell(rng),
            lambda: self._sell(rng),
        ]
        if free > 0:
            acts.append(lambda: erp.transfer(sku, self.place, self._second, rng.randint(1, free)))
            acts.append(lambda: erp.adjust(sku, self.place, -rng.randint(1, free)))
        if self._orders:
            number = rng.choice(self._orders)
            acts.append(lambda: erp.ship(number, tracking=None, lines={1: rng.randint(1, 3)}))
            if not any(line.shipped for line in erp.order(number).lines) and erp.order(number).status == "B":
                acts.append(lambda: erp.cancel(number))
        rng.choice(acts)()

    def _sell(self, rng: Random) -> None:
        """A sales order that somebody types in; more than is there waits."""
        erp = self.simulator
        order = erp.account.new_txn("salesOrder", entity=erp._walk_in(), status="B", by="sales")
        for n in rng.sample(range(4), rng.randint(1, 3)):
            item = erp.account.item_by_sku[f"P{n}"].id
            line = erp.account.new_line(order, item, self.place, rng.randint(1, 12))
            erp.documents.price(line, None, None, custom=False)
        erp.documents.settle_order(order, "create")
        self._orders.append(order.id)

    def laws(self) -> Sequence[str]:
        try:
            self.simulator.check_identities()
        except AssertionError as error:
            return [str(error)]
        return []

    def digest(self) -> str:
        return self.simulator.state_digest()

    def unknown_field(self, request: Request) -> Request:
        body = json.loads(request.body)
        body["mmemo"] = "x"
        return replace(request, body=json.dumps(body).encode())

    def examples(self, write: Request) -> Sequence[Example]:
        headers = dict(write.headers)
        root = self.simulator.origin + "/services/rest/"
        missing = Request("GET", f"{root}record/v1/salesOrder/99999999", headers)
        query = Request(
            "POST",
            f"{root}query/v1/suiteql",
            {**headers, "Prefer": "transient"},
            b'{"q": "SELECT id FROM nowhere"}',
        )
        rfc = "REST API Browser 2026.1, nsError"
        return [
            Example(
                "no token",
                replace(write, headers=without(headers, "Authorization")),
                401,
                ("INVALID_LOGIN", "Login Audit Trail", "o:errorDetails"),
                rfc,
            ),
            Example(
                "no record", missing, 404, ("NONEXISTENT_ID", "The record instance does not exist."), rfc
            ),
            Example("no table", query, 400, ("INVALID_PARAMETER", "Invalid search query."), rfc),
            Example(
                "no JSON",
                replace(write, body=b"{"),
                400,
                ("o:errorDetails", "INVALID_CONTENT"),
                rfc,
            ),
        ]


__all__ = ["START_MS", "NetSuiteBench", "ShopifyBench"]
