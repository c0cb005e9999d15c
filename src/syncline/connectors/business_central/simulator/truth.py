"""What is really true in the company: the oracle of every test. No request can see it this way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from syncline.connectors.business_central.simulator.state import ZERO, Company, Key, Level, Record


@dataclass(frozen=True, slots=True)
class OrderLineTruth:
    """One line of a sales order."""

    sequence: int
    kind: str  # "Item" or "Account"
    number: str  # of the item or the account
    variant: str
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    amount: Decimal  # without tax
    tax: Decimal
    location: str
    shipped: Decimal


@dataclass(frozen=True, slots=True)
class OrderTruth:
    """One sales order, as it is, or as it was when it was invoiced whole and deleted."""

    id: str
    number: str
    reference: str
    customer: str
    status: str
    lines: tuple[OrderLineTruth, ...]
    total: Decimal
    gone: bool


@dataclass(frozen=True, slots=True)
class ShipmentTruth:
    """One posted shipment; ``lines`` are item, variant, units and location."""

    number: str
    order_id: str
    reference: str
    lines: tuple[tuple[str, str, Decimal, str], ...]
    tracking: str


@dataclass(frozen=True, slots=True)
class PaymentTruth:
    """One payment, in a journal or posted, with the number of the customer and the currency that the product took."""

    reference: str
    amount: Decimal
    posted: bool
    customer: str
    currency: str


@dataclass(frozen=True, slots=True)
class MemoTruth:
    """One credit memo; ``lines`` are item and units."""

    id: str
    reference: str
    posted: bool
    lines: tuple[tuple[str, Decimal], ...]


class Truth:
    """Read-only accessors; mixed into the simulator."""

    company: Company

    def on_hand(self, number: str, location: str, variant: str = "") -> int:
        """Units in the building."""
        return int(self._level(number, location, variant).inventory)

    def available(self, number: str, location: str, variant: str = "") -> int:
        """On hand less what orders still have to ship."""
        level = self._level(number, location, variant)
        return int(level.inventory - level.on_orders)

    def _level(self, number: str, location: str, variant: str) -> Level:
        return self.company.levels.get((number.upper(), variant.upper(), location.upper())) or Level()

    @property
    def locations(self) -> Mapping[str, str]:
        """Names by code."""
        return {x.values["code"]: x.values["displayName"] for x in self.company.tables["locations"].values()}

    def orders(self) -> Iterator[OrderTruth]:
        """Every sales order, the deleted ones too."""
        company = self.company
        for order in company.tables["salesOrders"].values():
            yield self._order(order, list(company.children("salesOrderLines", order.id)), gone=False)
        for order, lines in company.archive.values():
            yield self._order(order, lines, gone=True)

    def order(self, order_id: str) -> OrderTruth:
        """One sales order."""
        return next(order for order in self.orders() if order.id == order_id)

    def orders_by_reference(self) -> Mapping[str, list[OrderTruth]]:
        """Sales orders by external document number; more than one entry would be a duplicate."""
        answer: dict[str, list[OrderTruth]] = {}
        for order in self.orders():
            if order.reference:
                answer.setdefault(order.reference, []).append(order)
        return answer

    def _order(self, order: Record, lines: list[Record], *, gone: bool) -> OrderTruth:
        company = self.company
        held = order.values

        def code(table: str, row: str) -> str:
            found = company.tables[table].get(row)
            return "" if found is None else str(found.values["code"])

        return OrderTruth(
            order.id,
            held["number"],
            held["externalDocumentNumber"],
            held["customerNumber"],
            held["status"],
            tuple(
                OrderLineTruth(
                    x.values["sequence"],
                    x.values["lineType"],
                    x.values["lineObjectNumber"],
                    code("itemVariants", x.values["itemVariantId"]),
                    x.values["quantity"],
                    x.values["unitPrice"],
                    x.values["discountAmount"],
                    x.values["netAmount"],
                    x.values["netTaxAmount"],
                    code("locations", x.values["locationId"]),
                    x.values["shippedQuantity"],
                )
                for x in lines
            ),
            held["totalAmountIncludingTax"],
            gone,
        )

    def shipments(self) -> list[ShipmentTruth]:
        """Every posted shipment, oldest first."""
        company = self.company
        return [
            ShipmentTruth(
                x.values["number"],
                x.values["_order"],
                x.values["externalDocumentNumber"],
                tuple(
                    (
                        y.values["itemNumber"],
                        y.values["variantCode"],
                        y.values["quantityBase"],
                        y.values["locationCode"],
                    )
                    for y in company.children("salesShipmentLines", x.id)
                ),
                x.values["packageTrackingNumber"],
            )
            for x in company.tables["salesShipments"].values()
        ]

    def payments(self) -> list[PaymentTruth]:
        """Every payment: journal lines, and the entries of those that were posted."""
        tables = self.company.tables
        waiting = [
            PaymentTruth(
                x.values["externalDocumentNumber"],
                -x.values["amount"],
                posted=False,
                customer=x.values["customerNumber"],
                currency=x.values["_currency"],
            )
            for x in tables["customerPayments"].values()
        ]
        posted = [
            PaymentTruth(
                x.values["_payment"],
                x.values["debitAmount"],
                posted=True,
                customer=x.values["_customer"],
                currency=x.values["_currency"],
            )
            for x in tables["generalLedgerEntries"].values()
            if x.values["debitAmount"]
        ]
        return posted + waiting

    def memos(self) -> list[MemoTruth]:
        """Every credit memo."""
        company = self.company
        return [
            MemoTruth(
                x.id,
                x.values["externalDocumentNumber"],
                x.values["status"] != "Draft",
                tuple(
                    (y.values["lineObjectNumber"], y.values["quantity"])
                    for y in company.children("salesCreditMemoLines", x.id)
                ),
            )
            for x in company.tables["salesCreditMemos"].values()
        ]

    def check(self) -> list[str]:
        """The laws of the books that do not hold, in words."""
        company, wrong = self.company, []
        entered: dict[Key, Decimal] = {}
        for entry in company.tables["itemLedgerEntries"].values():
            key = entry.values["_key"]
            entered[key] = entered.get(key, ZERO) + entry.values["quantity"]
        waiting: dict[Key, Decimal] = {}
        for held, units in company.waiting.values():
            waiting[held] = waiting.get(held, ZERO) + units
        for key in {**company.levels, **entered, **waiting}:
            level = company.levels.get(key) or Level()
            if level.inventory != entered.get(key, ZERO):
                wrong.append(f"{key}: {level.inventory} on hand, entries say {entered.get(key, ZERO)}")
            if level.on_orders != waiting.get(key, ZERO):
                wrong.append(f"{key}: {level.on_orders} on orders, lines say {waiting.get(key, ZERO)}")
            if key not in company.level_rows:
                wrong.append(f"{key}: no row tells of it")
        shipped: dict[str, Decimal] = {}
        for line in company.tables["salesShipmentLines"].values():
            number = line.values["_line"]
            shipped[number] = shipped.get(number, ZERO) + line.values["quantity"]
        for order in company.tables["salesOrders"].values():
            wrong += self._wrong_lines(order, shipped)
        return wrong

    def _wrong_lines(self, order: Record, shipped: Mapping[str, Decimal]) -> Iterator[str]:
        total = ZERO
        for line in self.company.children("salesOrderLines", order.id):
            held = line.values
            name = f"line {held['sequence']} of order {order.values['number']}"
            total += held["netAmountIncludingTax"]
            if held["lineType"] == "Item" and held["shippedQuantity"] != shipped.get(line.id, ZERO):
                yield f"{name}: {held['shippedQuantity']} shipped, shipments say {shipped.get(line.id, ZERO)}"
            if not ZERO <= held["invoicedQuantity"] <= held["shippedQuantity"] <= max(ZERO, held["quantity"]):
                yield f"{name}: more invoiced than shipped, or shipped than ordered"
            owing = self.company.waiting.get(line.id)
            left = (held["quantity"] - held["shippedQuantity"]) * held["_per"]
            if owing is not None and owing[1] != max(ZERO, left):
                yield f"{name}: {owing[1]} held of the stock"
        if total != order.values["totalAmountIncludingTax"]:
            yield f"order {order.values['number']}: {order.values['totalAmountIncludingTax']} in all, lines say {total}"

    def state_digest(self) -> str:
        """A hash of every record and level; equal for equal seeds."""
        hasher = hashlib.sha256()
        for name, rows in self.company.tables.items():
            for row in rows.values():
                values = sorted((k, str(v)) for k, v in row.values.items())
                hasher.update(repr((name, row.id, row.modified_ms, row.version, values)).encode())
        for key, level in sorted(self.company.levels.items()):
            hasher.update(repr((key, str(level.inventory), str(level.on_orders))).encode())
        return hasher.hexdigest()
