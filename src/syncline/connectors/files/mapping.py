"""Rows of files as raw events, back to canonical changes, and canonical records as rows that we write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec

from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import TEXT_CHARS_MAX, Reader, Values, shown
from syncline.connectors.files.intake import AHEAD_MS_MAX
from syncline.connectors.files.spool import Taken
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected
from syncline.model.payloads import FieldValue, PutOrder, PutPayment, PutRefund
from syncline.model.records import (
    ZERO,
    Address,
    ErpLine,
    ErpOrder,
    Item,
    Shipment,
    ShipmentLine,
    StockLevel,
)

ROWS_PER_EVENT = 25  # an event costs as much as ten levels
AGAIN_MAX = 1_000  # times that what was said of an order is told again between two files
KEY_CHARS_MAX = 255
TOLD_CHARS_MAX = 500  # of a line that is kept with its refusal
CENT = Decimal("0.01")
UNIT_PRICE = Decimal("0.000001")
ORDERING = ("stamp", "changed")  # of two that are told, the one with the later moment counts
SEP = "\x1f"


class StockRow(msgspec.Struct, frozen=True, array_like=True):
    """One figure of ``stock.rows``."""

    sku: str
    location: str
    quantity: str
    committed: str
    stamp_ms: int
    seq: int
    changed_ms: int
    lead_ms: int
    physical: bool


class ItemRow(msgspec.Struct, frozen=True, array_like=True):
    """One thing of ``item.rows``."""

    sku: str
    id: str
    title: str
    category: str
    price: str
    currency: str
    stamp_ms: int
    seq: int


class Line(msgspec.Struct, frozen=True, array_like=True):
    """Units of one SKU at one location."""

    sku: str
    location: str
    quantity: str


class OrderRow(msgspec.Struct, frozen=True):
    """``order.row``: what the partner says of one order."""

    key: str
    id: str
    status: str
    commits: bool
    lines: tuple[Line, ...]
    stamp_ms: int
    seq: int
    again: int = 0
    cancelled: bool = False
    account: str = ""


class ShipmentRow(msgspec.Struct, frozen=True):
    """``shipment.row``: one parcel."""

    key: str
    order: str
    shipped_ms: int
    lines: tuple[Line, ...]
    tracking: tuple[str, ...]
    carrier: str
    stamp_ms: int
    seq: int


class Refusal(msgspec.Struct, frozen=True):
    """``refused``: a line or a file that cannot be taken, and why."""

    file: str
    why: str
    line: int = 0
    text: str = ""


_STOCK = msgspec.json.Decoder(list[StockRow])
_ITEMS = msgspec.json.Decoder(list[ItemRow])
_ORDER = msgspec.json.Decoder(OrderRow)
_SHIPMENT = msgspec.json.Decoder(ShipmentRow)
_REFUSAL = msgspec.json.Decoder(Refusal)


class Rows:
    """Makes records of the rows of one file."""

    def __init__(
        self, read: Read, reader: Reader, taken: Taken, changed_ms: int, *, physical: bool = False
    ) -> None:
        self._read = read
        self._physical = physical  # what the system's stock figures state
        self._reader = reader
        self._values = Values(read)
        self._taken = taken
        self._changed_ms = changed_ms
        self._at = {name: n for n, name in enumerate(reader.fields)}
        self._sku, self._location = self._at.get("sku", -1), self._at.get("location", -1)
        self._located = read.kind == "stock"

    def key(self, values: Sequence[str]) -> str:
        """The key of a row of stock or items.

        Raises:
            Rejected: it has none.
        """
        sku = values[self._sku]
        if not sku or len(sku) > KEY_CHARS_MAX:
            raise Rejected(f"field sku: {shown(sku)} is no key")
        if not self._located:
            return sku
        return f"{sku}{SEP}{values[self._location] if self._location >= 0 else ''}"

    def _get(self, field: str, values: Sequence[str]) -> str:
        at = self._at.get(field)
        return "" if at is None else values[at]

    def _key(self, field: str, values: Sequence[str]) -> str:
        text = self._get(field, values)
        if not text or len(text) > KEY_CHARS_MAX:
            raise Rejected(f"field {field}: {shown(text)} is no key")
        return text

    def _number(self, field: str, values: Sequence[str], absent: Decimal | None = None) -> Decimal:
        text = self._get(field, values)
        if not text and absent is not None:
            return absent
        try:
            return self._values.number(text)
        except Rejected as error:
            raise Rejected(f"field {field}: {error}") from error

    def _moment(self, field: str, values: Sequence[str], absent: int) -> int:
        text = self._get(field, values)
        if not text:
            return absent
        try:
            found = self._values.moment(text)
            if field in ORDERING and found - self._taken.listed_ms > AHEAD_MS_MAX:
                raise Rejected(f"{shown(text)} lies ahead of us, so nothing after it would be believed")
        except Rejected as error:
            raise Rejected(f"field {field}: {error}") from error
        return found

    def _same(self, field: str, lines: Sequence[Sequence[str]]) -> str:
        """What every line of a record says alike.

        Raises:
            Rejected: they differ, and nothing tells which of them is meant.
        """
        said = dict.fromkeys(self._get(field, values) for values in lines)
        if len(said) > 1:
            raise Rejected(f"field {field}: its lines say {' and '.join(shown(text) for text in said)}")
        return next(iter(said))

    def stamp(self, values: Sequence[str]) -> int:
        """When a row was true, by the partner's clock: its own stamp, or that of its file."""
        stamp_ms = self._taken.stamp_ms
        return self._moment("stamp", values, stamp_ms) if self._read.stamp == "row" else stamp_ms

    def row(self, values: Sequence[str]) -> StockRow | ItemRow:
        """What a row of stock or items states; raises as ``stock`` does."""
        return self.item(values) if self._read.kind == "items" else self.stock(values)

    def stock(self, values: Sequence[str]) -> StockRow:
        """A figure.

        Raises:
            Rejected: it cannot be understood; names the field.
        """
        return StockRow(
            self._key("sku", values),
            self._get("location", values),
            f"{self._number('quantity', values):f}",
            f"{self._number('committed', values, ZERO):f}",
            self.stamp(values),
            self._taken.seq,
            self._changed_ms,
            self._read.lead_s * 1000,
            self._physical,
        )

    def item(self, values: Sequence[str]) -> ItemRow:
        """An item; raises as ``stock`` does."""
        sku = self._key("sku", values)
        price = f"{self._number('price', values):f}" if self._get("price", values) else ""
        return ItemRow(
            sku,
            self._get("id", values) or sku,
            self._get("title", values)[:TEXT_CHARS_MAX],
            self._get("category", values)[:TEXT_CHARS_MAX],
            price,
            self._get("currency", values),
            self.stamp(values),
            self._taken.seq,
        )

    # --- several lines, one record --------------------------------------------------------------------

    def group_of(self, values: Sequence[str]) -> str:
        """Which order or parcel a line belongs to.

        Raises:
            Rejected: it names none.
        """
        return self._key("reference" if self._read.kind == "order_status" else "shipment", values)

    def check(self, values: Sequence[str]) -> None:
        """Whether a line of several can be understood by itself; raises as ``stock`` does."""
        self._key("sku", values)
        for field in ("quantity", "shipped"):
            if self._number(field, values, ZERO if field == "shipped" else None) < 0:
                raise Rejected(f"field {field}: {shown(self._get(field, values))} is below zero")
        for field in ("changed", "shipped_at", "stamp"):
            self._moment(field, values, 0)

    def order(self, lines: Sequence[Sequence[str]]) -> OrderRow:
        """An order of its lines; raises as ``stock`` does."""
        # A physical figure changes with the parcel only.
        units = self._units(lines, "shipped" if self._physical else "quantity")
        first = lines[0]
        stamp_ms = max(self.stamp(values) for values in lines)
        booked_ms = max(self._moment("changed", values, stamp_ms) for values in lines)
        status = self._same("status", lines)
        return OrderRow(
            self._key("reference", first),
            self._same("id", lines) or self._key("reference", first),
            status,
            status not in (*self._read.uncommitted, *self._read.cancelled),
            units,
            booked_ms,
            self._taken.seq,
            cancelled=status in self._read.cancelled,
            account=self._same("account", lines),
        )

    def shipment(self, lines: Sequence[Sequence[str]]) -> ShipmentRow:
        """A parcel of its lines; raises as ``stock`` does."""
        first = lines[0]
        stamp_ms = max(self.stamp(values) for values in lines)
        tracking = dict.fromkeys(text for values in lines if (text := self._get("tracking", values)))
        self._same("reference", lines)  # a parcel of goods of two orders cannot be told as one of either
        return ShipmentRow(
            self._key("shipment", first),
            self._key("reference", first),
            self._moment("shipped_at", first, stamp_ms),
            self._units(lines, "quantity"),
            tuple(tracking),
            self._get("carrier", first),
            max(self._moment("changed", values, stamp_ms) for values in lines),
            self._taken.seq,
        )

    def _units(self, lines: Sequence[Sequence[str]], field: str) -> tuple[Line, ...]:
        units: dict[tuple[str, str], Decimal] = {}
        for values in lines:
            at = self._key("sku", values), self._get("location", values)
            quantity = self._number(field, values, ZERO if field == "shipped" else None)
            units[at] = units.get(at, ZERO) + quantity
        return tuple(Line(sku, location, f"{n:f}") for (sku, location), n in units.items())


# --- events ----------------------------------------------------------------------------------------


def rows_event(system: str, read: Read, rows: Sequence[StockRow | ItemRow], at_ms: int) -> Event:
    """A few rows of stock or items. They carry their file's number, so no other telling is a duplicate of this one."""
    topic = "stock.rows" if read.kind == "stock" else "item.rows"
    via = Via.SNAPSHOT if read.scope == "full" else Via.POLL
    return _event(system, topic, via, at_ms, msgspec.json.encode(rows))


def stated_event(system: str, read: Read, topic: str, records: Sequence[bytes], at_ms: int) -> Event:
    """A few records that are encoded already."""
    via = Via.SNAPSHOT if read.scope == "full" else Via.POLL
    return _event(system, topic, via, at_ms, b"[%s]" % b",".join(records))


def order_event(system: str, row: OrderRow) -> Event:
    """What is said of one order."""
    return _event(system, "order.row", Via.POLL, row.stamp_ms, msgspec.json.encode(row))


def reference_of(event: Event) -> str:
    """Which order an event of ``order_event`` is of."""
    return _ORDER.decode(event.body).key


def again(body: bytes, after: int, times: int) -> OrderRow:
    """What was said of an order, as news: after all files up to a number, and before the next."""
    row = _ORDER.decode(body)
    return msgspec.structs.replace(row, seq=after, again=row.again + times)


def shipment_event(system: str, row: ShipmentRow) -> Event:
    """One parcel."""
    return _event(system, "shipment.row", Via.POLL, row.shipped_ms, msgspec.json.encode(row))


def refusal_event(system: str, refusal: Refusal, at_ms: int, *, same: str = "") -> Event:
    """A line or file that is parked. Those with the same ``same`` are one: a bad line of every night's file is told once."""
    event = _event(system, "refused", Via.POLL, at_ms, msgspec.json.encode(refusal))
    return msgspec.structs.replace(event, event_id=f"refused:{_digest(same.encode())}") if same else event


def shown_line(raw: bytes) -> str:
    """A line as it is kept with its refusal."""
    text = ""
    with suppress(UnicodeDecodeError):
        text = raw[:TEXT_CHARS_MAX].decode("utf-8", "backslashreplace")
    return text[:TOLD_CHARS_MAX]


def _event(system: str, topic: str, via: Via, at_ms: int, body: bytes) -> Event:
    return Event(system, topic, f"{topic}:{_digest(body)}", via, at_ms, body)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def decode(logged: LoggedEvent) -> list[Change]:
    """The changes that an event states.

    Raises:
        Rejected: what stands in the file cannot be understood; names file, line and field.
    """
    event = logged.event
    try:
        if event.topic == "stock.rows":
            return [_level(row) for row in _STOCK.decode(event.body)]
        if event.topic == "item.rows":
            return [_item(row, event.occurred_at_ms) for row in _ITEMS.decode(event.body)]
        if event.topic == "order.row":
            return [_order(_ORDER.decode(event.body))]
        if event.topic == "shipment.row":
            return [_shipment(_SHIPMENT.decode(event.body))]
        if event.topic == "refused":
            refusal = _REFUSAL.decode(event.body)
            where = f"line {refusal.line} of {refusal.file}" if refusal.line else f"file {refusal.file}"
            raise Rejected(f"{where}: {refusal.why}")
    except (msgspec.MsgspecError, ArithmeticError) as error:
        raise Rejected(f"what was kept of a file cannot be read: {error}") from error
    raise Rejected(f"there is no topic {event.topic!r}")


def _level(row: StockRow) -> Change:
    quantity, committed = Decimal(row.quantity), Decimal(row.committed)
    available = quantity - committed if row.physical else quantity
    level = StockLevel(
        row.sku,
        row.location,
        quantity,
        available,
        committed,
        # What stands in a file was true some time before the file was: only what is older than that is in it for sure.
        erp_stamp_ms=row.stamp_ms - row.lead_ms,
    )
    return Change(Kind.STOCK, f"{row.sku}{SEP}{row.location}", row.stamp_ms, row.seq, row.changed_ms, level)


def _item(row: ItemRow, at_ms: int) -> Change:
    price = Decimal(row.price) if row.price else None
    item = Item(
        row.sku,
        row.id,
        stock_id=row.id,
        title=row.title,
        category=row.category,
        price=price,
        currency=row.currency,
    )
    return Change(Kind.ITEM, row.sku, row.stamp_ms, row.seq, at_ms, item)


def _order(row: OrderRow) -> Change:
    lines = tuple(ErpLine(x.sku, x.location, Decimal(x.quantity)) for x in row.lines)
    order = ErpOrder(
        row.key, row.id, row.status, row.commits, lines, row.stamp_ms, row.cancelled, row.account
    )
    tiebreak = row.seq * AGAIN_MAX + row.again % AGAIN_MAX
    return Change(Kind.ERP_ORDER, row.key, row.stamp_ms, tiebreak, row.stamp_ms, order)


def _shipment(row: ShipmentRow) -> Change:
    lines = tuple(ShipmentLine(x.sku, x.location, Decimal(x.quantity)) for x in row.lines)
    parcel = Shipment(row.key, row.order, row.shipped_ms, lines, row.tracking, row.carrier)
    return Change(Kind.SHIPMENT, row.key, row.stamp_ms, row.seq, row.shipped_ms, parcel)


# --- what we write ---------------------------------------------------------------------------------


def order_rows(put: PutOrder, revision: int, *, charged: bool = True) -> list[dict[str, Any]]:
    """An order, a row for each line of it; one without lines says that nothing is wanted any more.

    ``charged``: whether charges have a column of their own; else they are told with the tax.

    Raises:
        Rejected: a line names none of the order's.
    """
    order = put.order
    gone = order.cancelled_at_ms is not None or not put.items
    head: dict[str, Any] = {
        "reference": put.reference,
        "revision": revision,
        "action": "cancel" if gone else "new" if revision == 1 else "change",
        "number": order.number,
        "placed_at": order.placed_at_ms,
        "updated_at": order.updated_at_ms,
        "currency": order.currency,
        "shipping": order.shipping,
        "charges": order.charges,
        "tax": order.tax if charged else order.tax + order.charges,
        "discount": order.discount,
        "total": order.total,
        "taxes_included": order.taxes_included,
        "po_number": order.po_number,
        "note": order.note,
        **_address("ship", order.shipping_to),
        **_address("bill", order.billing),
        **{field.name: _mapped(field) for field in put.fields},
    }
    if order.customer is not None:
        customer = order.customer
        head |= {
            "customer_id": put.customer_external_id or customer.key,
            "customer_name": customer.name,
            "customer_email": customer.email,
            "customer_phone": customer.phone,
        }
    if gone:
        return [{**head, "line": 0, "quantity": 0}]
    lines = {line.id: line for line in order.lines}
    left = {line.id: line.quantity for line in order.lines}
    discount = {line.id: line.discount for line in order.lines}
    tax = {line.id: line.tax for line in order.lines}
    rows = []
    for n, item in enumerate(put.items, 1):
        line = lines.get(item.line_id)
        if line is None or line.quantity <= 0:
            raise Rejected(f"line {item.line_id} of order {order.number} is not part of the order")
        sold = Decimal(item.quantity) / item.in_pack
        left[line.id] -= sold
        # A line that several locations share has its amounts shared too, to the cent; the last takes the rest.
        last = left[line.id] <= 0
        shares = []
        for rest, whole in ((discount, line.discount), (tax, line.tax)):
            share = rest[line.id] if last else (whole * sold / line.quantity).quantize(CENT)
            rest[line.id] -= share
            shares.append(share)
        rows.append(
            {
                **head,
                "line": n,
                "sku": item.sku,
                "item_id": item.item_id,
                "title": line.title,
                "location": item.location,
                "quantity": item.quantity,
                "unit_price": _price(line.unit_price / item.in_pack),
                "line_discount": shares[0],
                "line_tax": shares[1],
            }
        )
    return rows


def _mapped(field: FieldValue) -> object:
    """A value that a mapping gave; a day is written as ISO 8601 has it, unless the mapping makes it a text."""
    if field.type == "decimal":
        return Decimal(field.text)
    return field.text == "true" if field.type == "boolean" else field.text


def _price(amount: Decimal) -> Decimal:
    return amount if -int(amount.as_tuple().exponent) <= 6 else amount.quantize(UNIT_PRICE)


def _address(prefix: str, address: Address | None) -> dict[str, str]:
    if address is None:
        return {}
    return {f"{prefix}_{name}": getattr(address, name) for name in Address.__struct_fields__}


def payment_rows(put: PutPayment) -> list[dict[str, Any]]:
    """A payment."""
    payment = put.payment
    return [
        {
            "reference": put.reference,
            "order": put.order_external_id,
            "payment": payment.id,
            "amount": payment.amount,
            "currency": payment.currency,
            "received_at": payment.received_at_ms,
            "gateway": payment.gateway,
            "customer_id": put.customer_key,
        }
    ]


def refund_rows(put: PutRefund) -> list[dict[str, Any]]:
    """A refund, a row for each of the goods that come back."""
    refund = put.refund
    head: Mapping[str, Any] = {
        "reference": put.reference,
        "order": put.order_external_id,
        "refund": refund.id,
        "amount": refund.amount,
        "created_at": refund.created_at_ms,
        "restocked": put.restocked,
    }
    goods = [
        {
            **head,
            "line": n,
            "sku": x.sku,
            "item_id": x.item_id,
            "location": x.location,
            "quantity": x.quantity,
        }
        for n, x in enumerate(put.items, 1)
    ]
    return goods or [{**head, "line": 0, "quantity": 0}]
