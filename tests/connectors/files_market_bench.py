"""The test bench of files that a channel leaves: what the conformance suites do with a marketplace that shares an object store."""

from __future__ import annotations

from decimal import Decimal
from unittest import mock

from msgspec.structs import replace
from tests.connectors.files_bench import ITEMS, NUMBERS, PAGE, FilesBench, columns

from syncline.connectors.files import CONNECTOR, FilesSettings, source
from syncline.connectors.files.declared import Column, Read, Write
from syncline.model.change import Change, Kind
from syncline.model.copying import replace as changed
from syncline.model.delivery import Item
from syncline.model.payloads import CancelOrder, CreateRefund, CreateShipment, Payload, RecordPayment
from syncline.model.records import Order, Receipt, Return, Shipment

FIELDS = ("reference", "revision", "currency", "line", "sku", "quantity", "unit_price")
PLACED = Read(
    kind="orders",
    path="placed",
    pattern="ORDERS_*.csv",
    complete="rename",
    columns=tuple(Column(name, name=name.upper()) for name in FIELDS),
)
TOLD = (
    Write(kind="shipments", path="shipments", columns=columns("reference", "shipment", "sku", "quantity")),
    Write(kind="cancellations", path="cancellations", columns=columns("reference")),
    Write(kind="receipts", path="receipts", columns=columns("reference", "received", "of_channel")),
    Write(kind="returns", path="returns", columns=columns("reference", "return", "sku", "quantity", "money")),
    Write(kind="acknowledgements", path="answers", columns=columns("reference", "result", "reason")),
)
KIND_OF = {
    "create_shipment": "shipments",
    "cancel_order": "cancellations",
    "record_payment": "receipts",
    "create_refund": "returns",
}


class MarketBench(FilesBench):
    """A marketplace; the records are the orders that it leaves."""

    connector = CONNECTOR
    facts = changed(FilesBench.facts, delta="orders", kind=Kind.ORDER, crowded="create_shipment")

    def __init__(self, around) -> None:
        super().__init__(around)
        self.units: dict[str, int] = {}
        self.revisions: dict[str, int] = {}
        self._undo.enter_context(mock.patch.object(source, "ORDERS_PER_PAGE", PAGE))

    def settings(self) -> FilesSettings:
        return replace(super().settings(), reads=(PLACED, ITEMS), writes=(NUMBERS, *TOLD))

    def _left(self, keys: list[str], units: str = "") -> None:
        self._files += 1
        lines = [",".join(name.upper() for name in FIELDS)]
        for key in keys:
            self.revisions[key] = self.revisions.get(key, 0) + 1
            lines.append(f"{key},{self.revisions[key]},GBP,1,SKU-1,{units or self.units[key]},9.50")
        self.simulator.put(f"exchange/placed/ORDERS_{self._files:05d}.csv", "\r\n".join(lines).encode())

    def add(self, count: int = 1) -> list[str]:
        keys = [f"m-{self._made + n}" for n in range(1, count + 1)]
        self._made += count
        self.units |= dict.fromkeys(keys, 10)
        self._left(keys)
        return keys

    def edit(self, key: str) -> None:
        self.units[key] += 1
        self._left([key])

    def delete(self, key: str) -> None:
        """Nobody leaves a file because an order is gone."""
        del self.units[key]

    def spoil(self, key: str) -> None:
        """In the files that still lie there; in one of its own, if none does."""
        lying = [x for x in self.simulator.keys("exchange/placed/") if self._names(x, key)]
        for name in lying:
            body = self.simulator.take(name).replace(b",10,9.50", b",some,9.50")
            self.simulator.put(name, body)
        if not lying:
            self._left([key], "some")

    def _names(self, name: str, key: str) -> bool:
        return f"\r\n{key},".encode() in self.simulator.objects[name].body

    def visible(self, change: Change) -> object:
        assert isinstance(change.value, Order)
        return int(change.value.lines[0].quantity)

    def truth(self, key: str) -> object:
        return self.units[key]

    # --- what is written ------------------------------------------------------------------------------

    async def items(self, operation: str, count: int, system) -> list[Item]:
        if operation not in KIND_OF:
            return await super().items(operation, count, system)
        found = []
        for _ in range(count):
            self._made += 1
            key = f"m-{self._made}"
            found.append(Item(key, self._told(operation, key, self.around.clock.now_ms())))
        return found

    def _told(self, operation: str, key: str, now_ms: int) -> Payload:
        goods = (("SKU-1", "", 2),)
        if operation == "create_shipment":
            return CreateShipment(key, Shipment(f"p-{self._made}", key, now_ms, ()), goods)
        if operation == "create_refund":
            back = Return(f"r-{self._made}", f"market-{key}", now_ms, ())
            return CreateRefund(key, f"erp return {back.key}", back, goods, restock=False, money=True)
        if operation == "record_payment":
            return RecordPayment(key, Receipt(f"market-{key}", Decimal("9.50"), "GBP", now_ms))
        return CancelOrder(key, restock=False, money=False)

    def effects(self, operation: str, item: Item) -> int:
        if operation not in KIND_OF:
            return super().effects(operation, item)
        kind, put = KIND_OF[operation], item.payload
        named = put.order_key
        if operation in ("create_shipment", "create_refund"):
            named += f"-{(put.shipment if operation == 'create_shipment' else put.returned).key}"
        return len(self.simulator.keys(f"exchange/{kind}/{kind}-{named}-r"))
