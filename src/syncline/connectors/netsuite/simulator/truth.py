"""What is really true in the account: the oracle of every test. No request can see it this way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from syncline.connectors.netsuite.simulator import kits
from syncline.connectors.netsuite.simulator.state import ZERO, Account, Level, Txn


@dataclass(frozen=True, slots=True)
class OrderLineTruth:
    """One line of a sales order."""

    line: int
    sku: str
    quantity: int | None
    rate: Decimal | None
    amount: Decimal
    location: int | None
    closed: bool
    committed: int
    backordered: int
    shipped: int
    role: str
    unit: str = ""  # of its quantity in the record; the quantities here are in base units


@dataclass(frozen=True, slots=True)
class OrderTruth:
    """One sales order, with its money added up by the role of each line."""

    id: int
    external_id: str | None
    customer_external_id: str | None
    customer_id: int | None
    status: str
    lines: tuple[OrderLineTruth, ...]
    subtotal: Decimal
    shipping: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal
    created_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class ShipmentTruth:
    """One fulfillment."""

    id: int
    order_id: int
    order_external_id: str | None
    lines: tuple[tuple[str, int, int | None, int | None], ...]  # sku, quantity, location, order line
    tracking: tuple[tuple[str, str | None], ...]
    status: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class DepositTruth:
    """One customer deposit."""

    id: int
    external_id: str | None
    order_external_id: str | None
    customer_id: int | None
    amount: Decimal
    currency: int  # its id; 1 is the account's own


@dataclass(frozen=True, slots=True)
class ReturnTruth:
    """One return authorisation; ``lines`` are sku, expected, received."""

    id: int
    external_id: str | None
    order_external_id: str | None
    status: str
    lines: tuple[tuple[str, int, int], ...]
    total: Decimal


class Truth:
    """Read-only accessors; mixed into the simulator."""

    account: Account

    def _level(self, sku: str, location_id: int) -> Level:
        return self.account.levels.get((self.account.item_by_sku[sku].id, int(location_id))) or Level()

    def on_hand(self, sku: str, location_id: int) -> int:
        """Units in the building."""
        return self._level(sku, location_id).on_hand

    def committed(self, sku: str, location_id: int) -> int:
        """Units promised to orders."""
        return self._level(sku, location_id).committed

    def available(self, sku: str, location_id: int) -> int:
        """On hand less committed."""
        level = self._level(sku, location_id)
        return level.on_hand - level.committed

    def backordered(self, sku: str, location_id: int) -> int:
        """Units that orders wait for."""
        return self._level(sku, location_id).backordered

    def safety_stock(self, sku: str, location_id: int) -> int:
        """The configured safety stock."""
        return self._level(sku, location_id).safety

    @property
    def locations(self) -> dict[int, str]:
        """Names by id."""
        return {p.id: p.name for p in self.account.places.values()}

    @property
    def skus(self) -> list[str]:
        """Every stocked SKU, in the order of creation."""
        return [i.sku for i in self.account.items.values() if i.stocked]

    def order(self, order_id: int) -> OrderTruth:
        """One sales order."""
        return self._order_truth(self.account.txns[int(order_id)])

    def find_order(self, external_id: str) -> int | None:
        """The internal id of a sales order, by its external id."""
        return self.account.find_external("salesOrder", external_id)

    def sales_orders_by_external_id(self) -> Mapping[str, list[OrderTruth]]:
        """Every sales order that has an external id; more than one entry would be a duplicate.

        An external id is unique in the product, so an order posted twice under two ids shows by
        ``otherRefNum``: such orders are listed under that number too when they have no external id.
        """
        answer: dict[str, list[OrderTruth]] = {}
        for txn in self.account.txns.values():
            if txn.record != "salesOrder":
                continue
            key = txn.external_id or txn.fields.get("otherRefNum")
            if key:
                answer.setdefault(str(key), []).append(self._order_truth(txn))
        return answer

    def shipments(self) -> list[ShipmentTruth]:
        """Every fulfillment, oldest first."""
        answer = []
        for txn in self.account.txns.values():
            if txn.record != "itemFulfillment":
                continue
            assert txn.created_from is not None
            order = self.account.txns[txn.created_from]
            answer.append(
                ShipmentTruth(
                    txn.id,
                    order.id,
                    order.external_id,
                    tuple((self._sku(x.item), x.quantity or 0, x.location, x.order_line) for x in txn.lines),
                    tuple(txn.tracking),
                    txn.status or "",
                    txn.created_ms,
                ),
            )
        return answer

    def deposits(self) -> list[DepositTruth]:
        """Every customer deposit, oldest first."""
        return [
            DepositTruth(t.id, t.external_id, self._origin(t), t.entity, t.total, t.currency)
            for t in self.account.txns.values()
            if t.record == "customerDeposit"
        ]

    def returns(self) -> list[ReturnTruth]:
        """Every return authorisation, oldest first."""
        return [
            ReturnTruth(
                t.id,
                t.external_id,
                self._origin(t),
                t.status or "",
                tuple((self._sku(x.item), x.quantity or 0, x.done) for x in t.lines),
                t.total,
            )
            for t in self.account.txns.values()
            if t.record == "returnAuthorization"
        ]

    def check_identities(self) -> None:
        """Check that the levels are what the documents say.

        Raises:
            AssertionError: naming the level or line that is wrong.
        """
        committed: dict[tuple[int, int], int] = {}
        waiting: dict[tuple[int, int], int] = {}
        for txn in self.account.txns.values():
            if txn.record != "salesOrder":
                continue
            for line in txn.all_lines:
                if line.member_of is None:
                    for member in line.members:
                        assert member.done == line.done * member.each, f"line {line.number} of {txn.tranid}"
                        assert member.quantity == (line.quantity or 0) * member.each, f"kit in {txn.tranid}"
                if line.location is None or not self.account.items[line.item].stocked:
                    continue
                key = (line.item, line.location)
                committed[key] = committed.get(key, 0) + line.committed
                waiting[key] = waiting.get(key, 0) + line.backordered
                promised = 0 if txn.status in ("A", "C") else line.open
                assert line.committed + line.backordered == promised, f"line {line.number} of {txn.tranid}"
                assert 0 <= line.done <= (line.quantity or 0), (
                    f"line {line.number} of {txn.tranid} overshipped"
                )
        for key, level in self.account.levels.items():
            name = f"item {key[0]} at {key[1]}"
            assert 0 <= level.committed <= max(0, level.on_hand), f"{name}: committed {level.committed}"
            assert level.committed == committed.get(key, 0), f"{name}: committed differs from the orders"
            assert level.backordered == waiting.get(key, 0), f"{name}: backordered differs from the orders"
            free = level.on_hand - level.committed
            assert not (free > 0 and level.backordered), f"{name}: free stock beside waiting orders"

    def state_digest(self) -> str:
        """A hash of every record and level; equal for equal seeds."""
        hasher = hashlib.sha256()

        def add(*values: object) -> None:
            hasher.update(repr(values).encode())

        for key, level in sorted(self.account.levels.items()):
            add(key, level.on_hand, level.committed, level.backordered, level.safety)
        for party in self.account.customers.values():
            add(party.id, party.external_id, sorted((k, str(v)) for k, v in party.fields.items()))
        for txn in self.account.txns.values():
            add(txn.id, txn.record, txn.external_id, txn.status, txn.entity, txn.created_ms, txn.modified_ms)
            add(
                txn.created_from,
                str(txn.total),
                txn.tracking,
                [
                    (x.number, x.item, x.location, x.quantity, str(x.amount), x.closed, x.committed, x.done)
                    for x in txn.all_lines
                ],
            )
        add("P", sorted(self.account.prices.items()), sorted(self.account.customer_prices.items()))
        people = (self.account.contacts, self.account.addresses)
        add("B", [repr(one) for book in people for _, one in sorted(book.items())])
        return hasher.hexdigest()

    # -- helpers ------------------------------------------------------------------------------

    def _sku(self, item: int) -> str:
        return self.account.items[item].sku

    def _origin(self, txn: Txn) -> str | None:
        source = self.account.txns.get(txn.created_from or 0)
        return None if source is None else source.external_id

    def _order_truth(self, t: Txn) -> OrderTruth:
        sums = {"goods": ZERO, "tax": t.tax, "shipping": t.shipping, "discount": t.discount}
        for line in t.lines:
            sums[self.account.items[line.item].role] += line.amount
        customer = self.account.customers.get(t.entity or 0)
        return OrderTruth(
            id=t.id,
            external_id=t.external_id,
            customer_external_id=None if customer is None else customer.external_id,
            customer_id=t.entity,
            status=t.status or "",
            lines=tuple(
                OrderLineTruth(
                    x.number,
                    self._sku(x.item),
                    x.quantity,
                    x.rate,
                    x.amount,
                    x.location,
                    x.closed,
                    *kits.told(self.account, x),
                    x.done,
                    self.account.items[x.item].role,
                    "" if x.unit is None else self.account.units[x.unit].name,
                )
                for x in t.lines
            ),
            subtotal=sums["goods"],
            shipping=sums["shipping"],
            discount=sums["discount"],
            tax=sums["tax"],
            total=t.total,
            created_ms=t.created_ms,
            by=t.by,
        )
