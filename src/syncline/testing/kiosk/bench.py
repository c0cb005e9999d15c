"""The test bench: what the people of the shop can do, and what the shop documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random

from syncline.model.change import Change, Kind
from syncline.model.copying import replace
from syncline.model.delivery import Item
from syncline.model.payloads import ReadStock, SetStock
from syncline.model.records import Order
from syncline.ports import Opening, Request, Response, System, WebhookRequest
from syncline.testing.bench import Example, Facts, Refusal, Send, Surroundings
from syncline.testing.kiosk.connector import CONNECTOR, COUNTER, OVERLAP_MS, KioskSettings
from syncline.testing.kiosk.simulator import PAGE, TOKEN, KioskSimulator

URL = "https://kiosk.example"
POOL = "POOL"  # what the records are sales of
DOCS = "the shop's page on errors"  # name the page and its date here


class KioskBench:
    """A shop with enough of one thing; the records are its sales."""

    facts = Facts(
        delta="sales",
        kind=Kind.ORDER,
        page_items=PAGE,
        overlap_s=OVERLAP_MS / 1000,
        credential_headers=("authorization",),
        secrets=(TOKEN,),
        crowded="read_stock",
        crowd=24,
    )
    connector = CONNECTOR

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.simulator = KioskSimulator(
            clock=around.vendor_clock, rng=around.new_rng(), stock={POOL: 100_000}
        )
        around.apps.register(URL, self.simulator)
        self._made = 0
        self._people: list[str] = []

    def open(self) -> System:
        around = self.around
        settings = KioskSettings(url=URL, token=TOKEN)
        return CONNECTOR.open(Opening("kiosk", settings, around.clock, around.new_rng(), around.wire))

    def close(self) -> None:
        """Nothing was changed outside of the bench."""

    # --- records of the delta stream --------------------------------------------------------------

    def add(self, count: int = 1) -> list[str]:
        return [self.simulator.sell(POOL, 1, "2.50") for _ in range(count)]

    def edit(self, key: str) -> None:
        self.simulator.change(key, self.simulator.sales[int(key)]["quantity"] + 1)

    def delete(self, key: str) -> None:
        self.simulator.erase(key)

    def spoil(self, key: str) -> None:
        async def spoiled(request: Request, send: Send) -> Response:
            answer = await send(request)
            told = json.loads(answer.body)
            for row in told.get("rows", ()):
                if str(row.get("n")) == key:
                    row["quantity"] = "a few"
            return replace(answer, body=json.dumps(told).encode())

        self.around.wire.between = spoiled

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, Order)
        return int(change.value.lines[0].quantity)

    def truth(self, key: str) -> object:
        return self.simulator.sales[int(key)]["quantity"]

    # --- webhooks: it declares none, so nobody asks for these -------------------------------------

    async def subscribe(self, system: System) -> None:
        raise NotImplementedError

    def sign(self, post: WebhookRequest, body: bytes, *, secret: str | None = None) -> WebhookRequest:
        raise NotImplementedError

    def unsigned(self, post: WebhookRequest) -> WebhookRequest:
        raise NotImplementedError

    def stating(self, post: WebhookRequest, number: Decimal) -> WebhookRequest:
        raise NotImplementedError

    def stated(self, change: Change) -> Decimal:
        raise NotImplementedError

    # --- what our side writes ---------------------------------------------------------------------

    async def items(self, operation: str, count: int, system: System) -> list[Item]:
        return [self._item(operation) for _ in range(count)]

    def _item(self, operation: str) -> Item:
        self._made += 1
        sku = f"SKU {self._made}/a"  # no sign of a path may be taken for one
        self.simulator.count(sku, 10)
        if operation == "read_stock":
            return Item(sku, ReadStock(sku, sku, COUNTER))
        return Item(sku, SetStock(sku, sku, COUNTER, quantity=7, expected=10))

    def effects(self, operation: str, item: Item) -> int:
        return int(self.simulator.stock[item.payload.sku] == item.payload.quantity)

    async def refusal(self, system: System) -> Refusal:
        return Refusal("set_stock", Item("bad", SetStock("GONE", "GONE", COUNTER, 7, 10)), "no item GONE")

    def outdate(self, item: Item) -> None:
        self.simulator.count(item.payload.sku, 4)

    def slow_down(self, seconds: float) -> Response | None:
        return Response(429, {"retry-after": f"{seconds:.0f}"}, b'{"error": "slower"}')

    # --- the simulator alone ----------------------------------------------------------------------

    def people(self, rng: Random) -> None:
        shop, sku = self.simulator, f"P{rng.randrange(4)}"
        if sku not in shop.stock:
            shop.count(sku, 40)
        acts: list[Callable[[], None]] = [lambda: shop.count(sku, rng.randrange(1, 60))]
        if shop.stock[sku]:
            acts += [lambda: self._buy(sku, rng)] * 2
        if self._people:
            acts.append(lambda: self._come_back(rng))
        rng.choice(acts)()

    def _buy(self, sku: str, rng: Random) -> None:
        units = rng.randint(1, min(3, self.simulator.stock[sku]))
        self._people.append(self.simulator.sell(sku, units, f"{rng.randint(1, 900) / 100:.2f}"))

    def _come_back(self, rng: Random) -> None:
        number = rng.choice(self._people)
        sale = self.simulator.sales[int(number)]
        self.simulator.change(
            number, rng.randint(1, sale["quantity"] + min(2, self.simulator.stock[sale["sku"]]))
        )

    def laws(self) -> Sequence[str]:
        return self.simulator.laws()

    def digest(self) -> str:
        return self.simulator.digest()

    def unknown_field(self, request: Request) -> Request:
        return replace(request, body=json.dumps({**json.loads(request.body), "stok": 1}).encode())

    def examples(self, write: Request) -> Sequence[Example]:
        unsigned = {name: value for name, value in write.headers.items() if name != "Authorization"}
        another = {**write.headers, "Idempotency-Key": "another"}
        return [
            Example("no token", replace(write, headers=unsigned), 401, ("who are you?",), DOCS),
            Example("no JSON", replace(write, body=b"{"), 400, ("this is not JSON",), DOCS),
            Example("no item", replace(write, url=f"{URL}/items/GONE"), 404, ("no item GONE",), DOCS),
            Example(
                "stale", replace(write, headers=another), 409, ("not what you expect", '"stock": 7'), DOCS
            ),
            Example("no key", replace(write, headers=without_key(write)), 422, ("Idempotency-Key",), DOCS),
        ]


def without_key(write: Request) -> dict[str, str]:
    """The headers of a request, without its key."""
    return {name: value for name, value in write.headers.items() if name != "Idempotency-Key"}
