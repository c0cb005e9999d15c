"""A warehouse with nothing but files, in a played world: orders and payments come as files, stock and parcels go as files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, NoReturn

from syncline.connectors.files.declared import Column, Read, Trailer, Write
from syncline.connectors.files.simulator import ORIGIN, ObjectStoreSimulator, Partner
from syncline.connectors.files.simulator.partner import ORDER_COLUMNS, PAYMENT_COLUMNS, Order
from syncline.model.errors import Misconfigured
from syncline.ports import Clock, Transport
from syncline.simulate.licence import USUAL_LICENCE, Licence
from syncline.simulate.sides.exchange import DIALECT, ROUND_S, STAMPED, Exchange, columns
from syncline.simulate.sides.ports import BookedLine, BookedOrder, ErpSide, Parcel, Place

LEAD_S = 30
CENT = Decimal("0.01")
FIELDS = "reference revision action line sku location quantity unit_price total customer_email line_discount".split()
PAID = ("reference", "order", "amount", "currency")
DATED: dict[str, Any] = {"lead_s": LEAD_S, **STAMPED}
READS = (
    Read(
        kind="stock",
        path="stock",
        pattern="STOCK_*.csv",
        scope="full",
        trailer=Trailer("TRAILER", (Column("rows", position=2),)),
        columns=columns(("sku", "location", "quantity"), ("ITEM", "WAREHOUSE", "QTY")),
        **DATED,
    ),
    Read(
        kind="items",
        path="items",
        pattern="ITEMS_*.csv",
        scope="full",
        columns=columns(("sku", "title"), ("ITEM", "TEXT")),
        **DATED,
    ),
    Read(
        kind="order_status",
        path="status",
        pattern="STATUS_*.csv",
        uncommitted=("cancelled",),
        columns=columns(
            ("reference", "status", "sku", "location", "quantity", "changed"),
            ("REF", "STATE", "ITEM", "WAREHOUSE", "QTY", "CHANGED"),
        ),
        **DATED,
    ),
    Read(
        kind="shipments",
        path="parcels",
        pattern="PARCELS_*.csv",
        columns=columns(
            ("shipment", "reference", "sku", "location", "quantity", "tracking"),
            ("PARCEL", "REF", "ITEM", "WAREHOUSE", "QTY", "TRACKING"),
        ),
        **DATED,
    ),
)
WRITES = (
    Write(
        kind="orders",
        path="orders",
        archive="orders-done",
        columns=columns(FIELDS, ORDER_COLUMNS),
        **DIALECT,
    ),
    Write(
        kind="payments",
        path="payments",
        archive="payments-done",
        columns=columns(PAID, PAYMENT_COLUMNS),
        **DIALECT,
    ),
)


class _Warehouse(ObjectStoreSimulator):
    """The object store, and the people who look into it every minute."""

    def __init__(self, *, clock: Clock, rng: Random, transport: Transport) -> None:
        super().__init__(clock=clock, rng=rng, transport=transport)
        self.partner = Partner(self, clock, self.ledger.breach)

    async def run(self) -> None:
        """Look what was left and leave what is new, until cancelled."""
        partner = self.partner
        while True:
            for job in (
                partner.book,
                partner.bank,
                partner.leave_status,
                partner.leave_parcels,
                partner.leave_items,
                partner.leave_stock,
            ):
                job()
                await self.clock.sleep(self.rng.uniform(0.05, 1.0))
            await self.clock.sleep(self.rng.uniform(0.5, 1.0) * ROUND_S)


class FilesSide(Exchange, ErpSide):
    """One warehouse that shares an object store with us. It keeps no customers, prices and credit: an office does.

    Safety stock is in no file: people know it, and the route's rules say it.
    """

    origin = ORIGIN
    reads = READS
    writes = WRITES
    untold = ("refunds",)
    # Nobody gives out tokens here, nothing pushes, and what was written is listed at once.
    spared = frozenset({"tokens revoked", "pushes lost", "pushes doubled", "pushes overtake"})
    orders_per_s = 1.0
    calls_refused = False
    own_list = ""

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport,
        sockets: bool,
        licence: Licence = USUAL_LICENCE,
    ) -> None:
        self.simulator: _Warehouse = _Warehouse(clock=clock, rng=rng, transport=transport)
        self.partner = self.simulator.partner
        self._safety: dict[tuple[str, str], int] = {}
        self._places: list[str] = []
        self.share(self.simulator)

    def revoke(self) -> None:
        """There are no tokens."""

    def digest(self) -> str:
        partner = self.partner
        state = [
            sorted((*at, units) for at, units in partner.on_hand.items()),
            sorted((x.reference, x.revision, x.cancelled, str(x.total)) for x in partner.orders.values()),
            sorted(partner.tracking.items()),
            sorted((name, str(paid)) for name, paid in partner.payments.items()),
        ]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()

    def check(self) -> list[str]:
        found = []
        for order in self.partner.orders.values():
            sent = sum(
                units.total()
                for reference, units in self.partner.parcels.values()
                if reference == order.reference
            )
            if sent != order.shipped.total():
                found.append(f"{order.reference}: {order.shipped.total()} units left in parcels of {sent}")
        return found

    # --- goods ------------------------------------------------------------------------------------

    def spelt(self, sku: str) -> str:
        return sku

    def add_place(self, name: str) -> str:
        code = name.partition(" ")[0].upper()
        self._places.append(code)
        return code

    def add_item(self, sku: str, title: str, price: Decimal) -> None:
        for at in self._places:
            self.partner.stock(sku, at, 0)

    def open_with(self, sku: str, at: Place, quantity: int) -> None:
        self.partner.stock(sku, at, quantity)

    def set_safety_stock(self, sku: str, at: Place, units: int) -> None:
        self._safety[sku, at] = units

    def safety_stock(self, sku: str, at: Place) -> int:
        return self._safety.get((sku, at), 0)

    def available(self, sku: str, at: Place) -> int:
        return max(0, self.partner.available(sku, at))

    def backordered(self, sku: str, at: Place) -> int:
        return max(0, -self.partner.available(sku, at))

    def receive(self, goods: Sequence[tuple[str, int]], at: Place) -> None:
        for sku, quantity in goods:
            self.partner.stock(sku, at, self.partner.on_hand.get((sku, at), 0) + quantity)

    def withdraw(self, sku: str, at: Place, units: int, by: str) -> int:
        took = max(0, min(units, self.partner.available(sku, at) - self.safety_stock(sku, at)))
        self.partner.stock(sku, at, self.partner.on_hand.get((sku, at), 0) - took)
        return took

    def transfer(self, sku: str, source: Place, target: Place, units: int) -> None:
        self.receive([(sku, units)], target)
        self.receive([(sku, -units)], source)

    # --- orders -----------------------------------------------------------------------------------

    def find(self, reference: str) -> str | None:
        return reference.lower() if reference.lower() in self.partner.orders else None

    def order(self, order_id: str) -> BookedOrder:
        return _booked(self.partner.orders[order_id])

    def orders(self) -> Mapping[str, Sequence[BookedOrder]]:
        return {reference: [_booked(order)] for reference, order in self.partner.orders.items()}

    def ready(self, order_id: str) -> bool:
        return True

    def ship(self, order_id: str, tracking: str, carrier: str) -> int:
        return self.partner.send(order_id, tracking)

    def paperwork(self) -> None:
        """Nobody writes invoices here."""

    def settle(self, order_id: str) -> Decimal | None:
        return None

    def take_back(self, order_id: str) -> int:
        return 0

    def shipments(self) -> list[Parcel]:
        return [
            Parcel(reference, self.partner.tracking.get(number), units.total(), len(units))
            for number, (reference, units) in self.partner.parcels.items()
        ]

    def payments(self) -> list[str]:
        return list(self.partner.payments)

    # --- what a warehouse does not keep --------------------------------------------------------------------

    def add_company(self, name: str, limit: Decimal) -> str:
        _not_here("companies")

    def owe(self, key: str, amount: Decimal) -> Decimal:
        _not_here("balances")

    def open_contract(self) -> str:
        _not_here("prices")

    def agree(self, sku: str, price: Decimal) -> None:
        _not_here("prices")

    def agreed(self, sku: str) -> Decimal:
        _not_here("prices")


def _not_here(what: str) -> NoReturn:
    raise Misconfigured(f"this warehouse keeps no {what}: play another ERP")


def _booked(order: Order) -> BookedOrder:
    """Lines of goods that have left stay, whatever the last revision says of them."""
    left = order.shipped.copy()
    lines = []
    for row in order.rows:
        at = row.item, row.warehouse
        shipped = min(left[at], row.units)
        left[at] -= shipped
        each = row.discount / row.units if row.units else Decimal(0)
        lines.append(BookedLine(*at, row.units, (row.price - each).quantize(CENT), shipped))
    lines += [BookedLine(*at, units, Decimal(0), units) for at, units in sorted((+left).items())]
    return BookedOrder(order.reference, tuple(lines), order.total)


__all__ = ["FilesSide"]
