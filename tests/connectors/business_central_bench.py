"""The test bench of Business Central: what the conformance suites do with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

from syncline.connectors.business_central import CONNECTOR, BusinessCentralSettings, client, mapping, reads
from syncline.connectors.business_central.simulator import CLIENT_ID, CLIENT_SECRET, BusinessCentralSimulator
from syncline.model.change import Change, Kind
from syncline.model.copying import replace
from syncline.model.delivery import Item
from syncline.model.payloads import OrderItem, PutOrder, PutPayment, PutRefund
from syncline.model.records import Customer, Order, OrderLine, Payment, Refund, RefundLine, StockLevel
from syncline.ports import Opening, Request, Response, System, Transport, WebhookRequest
from syncline.testing.bench import Example, Facts, Refusal, Send, Surroundings

HOOKS = "https://syncline.example"
SECRET = "the-client-state-of-the-bench-0123456789"
PAGE = 4


class Doorstep(Transport):
    """Where notifications arrive: it shakes hands, as our ingress does, and hands the rest on."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: Request) -> Response:
        token = parse_qs(urlsplit(request.url).query).get("validationToken")
        return Response(200, {}, token[0].encode()) if token else await self._inner.send(request)


class BusinessCentralBench:
    """A small company with our extension; the records are stock levels."""

    facts = Facts(
        delta="levels",
        kind=Kind.STOCK,
        page_items=PAGE,
        overlap_s=60.0,
        credential_headers=("authorization",),
        secrets=(CLIENT_SECRET, SECRET),
        crowded="put_payment",
        crowd=24,
        ungoverned=("token",),
        decimal_places=5,
    )
    connector = CONNECTOR

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.simulator = BusinessCentralSimulator(
            clock=around.vendor_clock, rng=around.new_rng(), transport=Doorstep(around.mailbox)
        )
        for origin in self.simulator.origins:
            around.apps.register(origin, self.simulator)
        self.place = self.simulator.add_location("MAIN", "Main")
        self._made = 0
        self._orders: list[str] = []
        self._undo = ExitStack()
        for module in (client, reads):
            self._undo.enter_context(mock.patch.object(module, "PAGE", PAGE))
        self.pool = self.simulator.add_item("POOL", "Pool", "10.00")

    def open(self) -> System:
        around = self.around
        settings = BusinessCentralSettings(
            tenant=self.simulator.tenant,
            company_id=self.simulator.company_id,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            webhook_secrets=(SECRET, "an-older-secret-of-24-bytes"),
            shipping_account="6710",
            payment_journal="WEB",
            post_returns=True,
        )
        return CONNECTOR.open(Opening("erp", settings, around.clock, around.new_rng(), around.wire))

    async def subscribe(self, system: System) -> None:
        assert system.prepare is not None
        await system.prepare(f"{HOOKS}/hooks/erp")

    def close(self) -> None:
        self._undo.close()

    # --- records of the delta stream ------------------------------------------------------------------

    def add(self, count: int = 1) -> list[str]:
        keys = []
        for _ in range(count):
            self._made += 1
            number = f"SKU-{self._made}"
            self.simulator.add_item(number, number, "12.50")
            self.simulator.receive(number, self.place, 10)
            keys.append(f"{number}\x1f{self.place}")
        return keys

    def edit(self, key: str) -> None:
        number, _, place = key.partition("\x1f")
        self.simulator.receive(number, place, 1)

    def delete(self, key: str) -> None:
        self.simulator.delete_item(key.partition("\x1f")[0])

    def spoil(self, key: str) -> None:
        number = key.partition("\x1f")[0]

        async def spoiled(request: Request, send: Send) -> Response:
            answer = await send(request)
            body = json.loads(answer.body)
            for row in body.get("value", ()):
                if row.get("itemNumber") == number:
                    row["inventory"] = "some"
            return replace(answer, body=json.dumps(body).encode())

        self.around.wire.between = spoiled

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, StockLevel)
        return int(change.value.on_hand), int(change.value.available)

    def truth(self, key: str) -> object:
        number, _, place = key.partition("\x1f")
        return self.simulator.on_hand(number, place), self.simulator.available(number, place)

    # --- webhooks -------------------------------------------------------------------------------------

    def sign(self, post: WebhookRequest, body: bytes, *, secret: str | None = None) -> WebhookRequest:
        if secret is not None:
            body = body.replace(json.dumps(SECRET).encode(), json.dumps(secret).encode())
        return replace(post, body=body)

    def unsigned(self, post: WebhookRequest) -> WebhookRequest:
        body = json.loads(post.body)
        for entry in body["value"]:
            del entry["clientState"]
        return replace(post, body=json.dumps(body).encode())

    def stating(self, post: WebhookRequest, number: Decimal) -> WebhookRequest:
        raise NotImplementedError  # its notifications state nothing

    def stated(self, change: Change) -> Decimal:
        raise NotImplementedError

    # --- what is written ------------------------------------------------------------------------------

    async def items(self, operation: str, count: int, system: System) -> list[Item]:
        make = {"put_order": self._order, "put_payment": self._payment, "put_refund": self._refund}[operation]
        return [make() for _ in range(count)]

    def _order(self, item_id: str = "") -> Item:
        self._made += 1
        key = f"{self._made}"
        now = self.around.clock.now_ms()
        line = OrderLine("1", "POOL", "Pool", Decimal(2), Decimal("9.50"), discount=Decimal("1.00"))
        order = Order(
            key,
            f"#{key}",
            now,
            now,
            "GBP",
            (line,),
            Decimal("4.00"),
            Decimal(0),
            Decimal("22.00"),
            customer=Customer(f"shop-c-{key}", "A buyer", "buyer@shop.example"),
        )
        units = OrderItem("1", item_id or self.pool, "POOL", self.place, 2)
        return Item(key, PutOrder(f"shop-{key}", order, (units,)))

    def _sold(self) -> str:
        return self.simulator.sell([("POOL", self.place, 2)])

    def _payment(self) -> Item:
        self._made += 1
        payment = Payment(f"{self._made}", Decimal("22.00"), "GBP", self.around.clock.now_ms())
        reference = f"shop-5555555555555-pay-{self._made:013d}"  # too long for the field, as real ones are
        return Item(f"{self._made}", PutPayment(reference, self._sold(), "", payment))

    def _refund(self) -> Item:
        self._made += 1
        sold = self._sold()
        self.simulator.ship(sold)
        line = RefundLine("1", Decimal(1), restocked=True)
        refund = Refund(f"{self._made}", Decimal("9.50"), self.around.clock.now_ms(), (line,))
        units = OrderItem("1", self.pool, "POOL", self.place, 1)
        put = PutRefund(f"shop-1-refund-{self._made}", sold, refund, (units,), restocked=True)
        return Item(f"{self._made}", put)

    def effects(self, operation: str, item: Item) -> int:
        reference = item.payload.reference
        if operation == "put_order":
            return len(self.simulator.orders_by_reference().get(reference.upper(), ()))
        short = mapping.short_reference(reference)
        if operation == "put_payment":
            return sum(x.reference == short for x in self.simulator.payments())
        memos = [x for x in self.simulator.memos() if x.reference == short]
        # A memo that is not posted is half of the effect, and only the whole counts.
        return len(memos) if len(memos) > 1 else sum(x.posted for x in memos)

    async def refusal(self, system: System) -> Refusal:
        nobody = "00000000-1111-4222-8333-444444444444"
        return Refusal("put_order", self._order(nobody), "Item does not exist.")

    def outdate(self, item: Item) -> None:
        raise NotImplementedError  # it declares no compare-and-set

    def slow_down(self, seconds: float) -> Response | None:
        return None  # no Retry-After is documented for a 429

    # --- the simulator alone --------------------------------------------------------------------------

    def people(self, rng: Random) -> None:
        erp = self.simulator
        if "NORTH" not in erp.locations:
            erp.add_location("NORTH", "North")
            for n in range(4):
                erp.add_item(f"P{n}", f"P{n}", "3.99")
                erp.receive(f"P{n}", self.place, 40)
        number, place = f"P{rng.randrange(4)}", rng.choice([self.place, "NORTH"])
        acts: list[Callable[[], Any]] = [
            lambda: erp.receive(number, place, rng.randint(1, 9)),
            lambda: erp.withdraw(number, place, rng.randint(1, 6)),
            lambda: erp.transfer(number, self.place, "NORTH", rng.randint(1, 5)),
            partial(self._sell, rng),
            partial(self._sell, rng),
        ]
        if self._orders:
            order = rng.choice(self._orders)
            acts.append(lambda: erp.ship(order, lines={10_000: rng.randint(1, 3)}))
            acts.append(partial(self._finish, order))
            if not any(line.shipped for line in erp.order(order).lines):
                acts.append(lambda: erp.change_line(order, 10_000, quantity=rng.randint(1, 9)))
        rng.choice(acts)()

    def _sell(self, rng: Random) -> None:
        lines = [(f"P{n}", self.place, rng.randint(1, 6)) for n in rng.sample(range(4), rng.randint(1, 3))]
        self._orders.append(self.simulator.sell(lines, discountAmount=rng.randint(0, 3)))

    def _finish(self, order: str) -> None:
        self.simulator.ship(order)
        self.simulator.invoice(order)
        self._orders.remove(order)

    def laws(self) -> Sequence[str]:
        return self.simulator.check()

    def digest(self) -> str:
        return self.simulator.state_digest()

    def unknown_field(self, request: Request) -> Request:
        return replace(request, body=json.dumps({**json.loads(request.body), "documentLines": []}).encode())

    def examples(self, write: Request) -> Sequence[Example]:
        headers = {name: value for name, value in write.headers.items() if name != "Authorization"}
        root = f"{self.simulator.root()}/companies({self.simulator.company_id})"
        codes = "Microsoft, Error codes for ODataV4"
        return [
            Example(
                "no token",
                replace(write, headers=headers),
                401,
                ("Authentication_InvalidCredentials", "CorrelationId"),
                codes,
            ),
            Example(
                "no segment",
                Request("GET", f"{root}/salesorder", write.headers),
                404,
                ("BadRequest_ResourceNotFound",),
                codes,
            ),
            Example("no JSON", replace(write, body=b"{"), 400, ("BadRequest",), codes),
            Example(
                "no customer",
                Request("POST", f"{root}/salesOrders", write.headers, b"{}"),
                400,
                ("Application_DialogException", "must be provided."),
                "APIV2 - Sales Orders",
            ),
        ]
