"""The test bench of files: what the conformance suites do with a partner who shares an object store with us."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from random import Random
from unittest import mock

from syncline.connectors.files import CONNECTOR, FilesSettings, intake, mapping, source
from syncline.connectors.files.declared import Column, Read, Write
from syncline.connectors.files.manifest import capabilities_of
from syncline.connectors.files.simulator import ACCESS_KEY, ORIGIN, SECRET_KEY, ObjectStoreSimulator
from syncline.model.change import Change, Kind
from syncline.model.copying import replace
from syncline.model.delivery import Item
from syncline.model.payloads import OrderItem, PutOrder, PutPayment, PutRefund, ReadStock, SetStock
from syncline.model.records import Customer, Order, OrderLine, Payment, Refund, RefundLine, StockLevel
from syncline.ports import Opening, Request, Response, System, WebhookRequest
from syncline.testing.bench import Example, Facts, Refusal, Surroundings

PAGE = 4
STOCK = Read(
    kind="stock",
    path="stock",
    pattern="STOCK_*.csv",
    scope="full",
    complete="rename",
    columns=(Column("sku", name="ITEM"), Column("location", name="AT"), Column("quantity", name="QTY")),
)
ITEMS = Read(kind="items", path="items", pattern="ITEMS_*.csv", columns=(Column("sku", name="ITEM"),))
STATUS = Read(
    kind="order_status",
    path="status",
    pattern="STATUS_*.csv",
    columns=tuple(Column(name, name=name) for name in ("reference", "sku", "quantity")),
)


def columns(*fields: str) -> tuple[Column, ...]:
    return tuple(Column(name, name=name.upper()) for name in fields)


ORDERS = Write(
    kind="orders",
    path="orders",
    archive="orders-done",
    columns=columns("reference", "revision", "action", "sku", "location", "quantity", "unit_price", "total"),
)
PAYMENTS = Write(
    kind="payments", path="payments", columns=columns("reference", "order", "amount", "currency")
)
REFUNDS = Write(
    kind="refunds", path="refunds", columns=columns("reference", "order", "amount", "sku", "quantity")
)
NUMBERS = Write(
    kind="stock", path="numbers", encoding="latin-1", columns=columns("sku", "location", "quantity")
)


class FilesBench:
    """A partner with a small warehouse; the records are the rows of its full file of stock."""

    facts = Facts(
        delta="stock",
        kind=Kind.STOCK,
        page_items=PAGE,
        overlap_s=60.0,
        credential_headers=("authorization",),
        secrets=(SECRET_KEY,),
        crowded="put_payment",
        crowd=24,
        decimal_places=6,
    )
    connector = replace(
        CONNECTOR,
        capabilities=capabilities_of(FilesSettings(folder="", spool="", reads=(STOCK, ITEMS, STATUS))),
    )

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.simulator = ObjectStoreSimulator(clock=around.vendor_clock, rng=around.new_rng())
        around.apps.register(ORIGIN, self.simulator)
        self.folder = tempfile.mkdtemp(prefix="files-bench-")
        self._made = 0
        self._files = 0
        self.rows: dict[str, str] = {}
        self._undo = ExitStack()
        self._undo.enter_context(mock.patch.object(source, "PAGE_ROWS", PAGE))
        # Another process is asked for its history on its standard output, where a log would have real moments.
        self._undo.enter_context(mock.patch.object(intake, "log"))

    def settings(self) -> FilesSettings:
        return FilesSettings(
            folder=f"s3://{self.simulator.bucket}/exchange",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self.folder}/spool",
            reads=(STOCK, ITEMS, STATUS),
            writes=(ORDERS, PAYMENTS, REFUNDS, NUMBERS),
        )

    def open(self) -> System:
        around = self.around
        return CONNECTOR.open(Opening("erp", self.settings(), around.clock, around.new_rng(), around.wire))

    async def subscribe(self, system: System) -> None:
        raise NotImplementedError  # files send no webhooks

    def close(self) -> None:
        self._undo.close()
        shutil.rmtree(self.folder)

    # --- records of the delta stream ------------------------------------------------------------------

    def _leave(self) -> None:
        self._files += 1
        lines = ["ITEM,AT,QTY", *(f"{key.replace(mapping.SEP, ',')},{n}" for key, n in self.rows.items())]
        body = "\r\n".join(lines).encode()
        self.simulator.put(f"exchange/stock/STOCK_{self._files:05d}.csv", body)

    def add(self, count: int = 1) -> list[str]:
        keys = []
        for _ in range(count):
            self._made += 1
            keys.append(f"SKU-{self._made}{mapping.SEP}MAIN")
            self.rows[keys[-1]] = "10"
        self._leave()
        return keys

    def edit(self, key: str) -> None:
        self.rows[key] = str(int(self.rows[key]) + 1)
        self._leave()

    def delete(self, key: str) -> None:
        del self.rows[key]
        self._leave()

    def spoil(self, key: str) -> None:
        self.rows[key] = "some"
        self._leave()

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, StockLevel)
        return int(change.value.available)

    def truth(self, key: str) -> object:
        return int(self.rows[key])

    # --- webhooks: there are none -----------------------------------------------------------------------

    def sign(self, post: WebhookRequest, body: bytes, *, secret: str | None = None) -> WebhookRequest:
        raise NotImplementedError

    def unsigned(self, post: WebhookRequest) -> WebhookRequest:
        raise NotImplementedError

    def stating(self, post: WebhookRequest, number: Decimal) -> WebhookRequest:
        raise NotImplementedError

    def stated(self, change: Change) -> Decimal:
        raise NotImplementedError

    # --- what is written ------------------------------------------------------------------------------

    async def items(self, operation: str, count: int, system: System) -> list[Item]:
        make = {
            "put_order": self._order,
            "put_payment": self._payment,
            "put_refund": self._refund,
            "set_stock": self._number,
            "read_stock": self._reading,
        }[operation]
        return [make() for _ in range(count)]

    def _order(self) -> Item:
        self._made += 1
        key = f"{self._made}"
        now = self.around.clock.now_ms()
        line = OrderLine("1", "POOL", "Pool", Decimal(2), Decimal("9.50"), discount=Decimal("1.00"))
        customer = Customer(f"shop-c-{key}", "A buyer", "buyer@shop.example")
        total = Decimal("22.00")
        order = Order(
            key, f"#{key}", now, now, "GBP", (line,), Decimal("4.00"), Decimal(0), total, customer=customer
        )
        return Item(key, PutOrder(f"shop-{key}", order, (OrderItem("1", "POOL", "POOL", "MAIN", 2),)))

    def _payment(self) -> Item:
        self._made += 1
        payment = Payment(f"{self._made}", Decimal("22.00"), "GBP", self.around.clock.now_ms())
        return Item(f"{self._made}", PutPayment(f"shop-1-pay-{self._made}", "shop-1", "", payment))

    def _refund(self) -> Item:
        self._made += 1
        line = RefundLine("1", Decimal(1), restocked=True)
        refund = Refund(f"{self._made}", Decimal("9.50"), self.around.clock.now_ms(), (line,))
        units = OrderItem("1", "POOL", "POOL", "MAIN", 1)
        return Item(
            f"{self._made}",
            PutRefund(f"shop-1-ref-{self._made}", "shop-1", refund, (units,), restocked=True),
        )

    def _number(self) -> Item:
        self._made += 1
        return Item(f"{self._made}", SetStock(f"SKU-{self._made}", "", "MAIN", 7, 0))

    def _reading(self) -> Item:
        self._made += 1
        return Item(f"{self._made}", ReadStock(f"SKU-{self._made}", "", "MAIN"))

    def shown(self) -> dict[str, str]:
        """What the partner shows, having loaded every file of numbers in the order of their names."""
        found = {}
        for key in self.simulator.keys("exchange/numbers/"):
            for line in self.simulator.objects[key].body.decode("latin-1").splitlines()[1:]:
                sku, _, number = line.split(",")
                found[sku] = number
        return found

    def effects(self, operation: str, item: Item) -> int:
        if operation == "set_stock":
            return int(self.shown().get(item.payload.sku) == str(item.payload.quantity))
        kind = {"put_order": "orders", "put_payment": "payments", "put_refund": "refunds"}[operation]
        return len(self.simulator.keys(f"exchange/{kind}/{kind}-{item.payload.reference}-r"))

    async def refusal(self, system: System) -> Refusal:
        good = self._number()
        bad = replace(good, payload=replace(good.payload, sku="SKU-\u4e00"))
        return Refusal("set_stock", bad, "cannot be written as latin-1")

    def outdate(self, item: Item) -> None:
        """Another process of ours has written this number meanwhile: nobody else can."""
        system = self.open()
        payload = replace(item.payload, quantity=item.payload.quantity + 90)
        work = system.sink.deliver("set_stock", [replace(item, payload=payload)], "another")
        self._now(work)

    def _now(self, work) -> None:
        """Run what waits for nothing but the store, whose answers take no time meanwhile."""
        low_high, self.simulator._answer_ms = self.simulator._answer_ms, (0.0, 0.0)
        with mock.patch.object(type(self.around.clock), "sleep", _at_once):
            try:
                while True:
                    work.send(None)
            except StopIteration:
                pass
        self.simulator._answer_ms = low_high

    def slow_down(self, seconds: float) -> Response | None:
        body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        return Response(503, {"retry-after": f"{seconds:g}"}, body)

    # --- the simulator alone --------------------------------------------------------------------------

    def people(self, rng: Random) -> None:
        draw = rng.random()
        if not self.rows or draw < 0.4:
            self.add(rng.randint(1, 3))
        elif draw < 0.9:
            self.edit(rng.choice(sorted(self.rows)))
        else:
            keys = self.simulator.keys("exchange/stock/")
            if keys:
                self.simulator.take(rng.choice(keys))
            self._leave()

    def laws(self) -> Sequence[str]:
        found = []
        for key, stored in self.simulator.objects.items():
            if stored.etag != '"' + hashlib.md5(stored.body).hexdigest() + '"':
                found.append(f"{key} has another tag than its content")
            if stored.modified_ms > self.around.clock.now_ms():
                found.append(f"{key} is of the future")
        return found

    def digest(self) -> str:
        state = [(k, x.etag, x.modified_ms) for k, x in sorted(self.simulator.objects.items())]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()

    def unknown_field(self, request: Request) -> Request:
        return replace(request, headers={**request.headers, "x-amz-made-up": "1"})

    def examples(self, write: Request) -> Sequence[Example]:
        def altered(**headers: str) -> Request:
            return replace(write, headers={**write.headers, **headers})

        source_ = "Amazon S3 API Reference, Error Responses, List of error codes"
        wrong = write.headers["authorization"].replace(ACCESS_KEY, "AKIDNOBODY")
        old = "20200101T000000Z"
        return [
            Example("another key", altered(authorization=wrong), 403, ("InvalidAccessKeyId",), source_),
            Example("an old date", altered(**{"x-amz-date": old}), 403, ("RequestTimeTooSkewed",), source_),
            Example(
                "another body",
                replace(write, body=write.body + b"x"),
                403,
                ("XAmzContentSHA256Mismatch",),
                source_,
            ),
            Example(
                "another address",
                replace(write, url=write.url + "x"),
                403,
                ("SignatureDoesNotMatch", "does not match the signature you provided"),
                source_,
            ),
            Example("twice", write, 412, ("PreconditionFailed",), "PutObject, If-None-Match"),
        ]


async def _at_once(self, seconds: float) -> None:
    return
