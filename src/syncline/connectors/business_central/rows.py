"""Records of a poll as raw events, and back to canonical changes."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from syncline.connectors.business_central.client import Row
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected
from syncline.model.records import ErpLine, ErpOrder, Item, Shipment, ShipmentLine, StockLevel
from syncline.sdk.money import Units
from syncline.sdk.scan import events

QUANTITY_MAX = Decimal(10) ** 15
NO_GUID = "00000000-0000-0000-0000-000000000000"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class StockRow(msgspec.Struct, frozen=True):
    """One of ``stock.rows``: a level as read, and when it changed."""

    sku: str
    location: str
    on_hand: str
    on_orders: str
    erp_ms: int
    read_began_ms: int
    changed_ms: int


class OrderRow(msgspec.Struct, frozen=True):
    """``erp_order.row``: one sales order that carries an external document number."""

    key: str
    id: str
    number: str
    status: str
    lines: tuple[Units, ...]
    version_ms: int
    erp_ms: int
    account: str = ""


class ShipmentRow(msgspec.Struct, frozen=True):
    """``shipment.row``: one posted shipment."""

    id: str
    order_key: str
    shipped_at_ms: int
    lines: tuple[Units, ...]
    tracking: str
    carrier: str
    version_ms: int


class ItemRow(msgspec.Struct, frozen=True):
    """``item``: one thing that can be sold."""

    sku: str
    id: str
    title: str
    version_ms: int


_STOCK = msgspec.json.Decoder(list[StockRow])
_ORDER = msgspec.json.Decoder(OrderRow)
_SHIPMENT = msgspec.json.Decoder(ShipmentRow)
_ITEM = msgspec.json.Decoder(ItemRow)


def instant(value: object) -> int:
    """Milliseconds of an instant as the API writes it.

    Raises:
        Rejected: it is none.
    """
    try:
        moment = datetime.fromisoformat(str(value))
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Rejected(f"Business Central states {str(value)[:40]!r} where an instant belongs.") from error


def iso(at_ms: int) -> str:
    """An instant as a filter takes it."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def sku_of(number: object, variant: object, separator: str) -> str:
    """The SKU of an item, or of its variant."""
    return f"{number}{separator}{variant}" if variant else str(number)


def in_base_units(line: Row, base: Mapping[str, str]) -> bool:
    """Whether a line of a document counts what the stock figures count. ``base``: base units by item."""
    return text(line, "unitOfMeasureCode") in ("", base.get(text(line, "itemId"), ""))


def text(row: Row, name: str) -> str:
    """A field as text; "" where it is not there."""
    value = row.get(name)
    return "" if value is None else str(value)


def payer_of(order: Row) -> str:
    """The id of the customer who is to pay for an order: in whose balance its invoice will be."""
    bill_to = text(order, "billToCustomerId")
    return bill_to if bill_to not in ("", NO_GUID) else text(order, "customerId").replace(NO_GUID, "")


def digest(*parts: object) -> str:
    """A short name for a content."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=10).hexdigest()


# -- to events --------------------------------------------------------------------------------------


def stock_row(row: Row, separator: str, *, began_ms: int) -> StockRow:
    """One level as read. A stamp that cannot be read is 0, and the row is parked when it is decoded."""
    return StockRow(
        sku_of(text(row, "itemNumber"), text(row, "variantCode"), separator),
        text(row, "locationCode"),
        text(row, "inventory"),
        text(row, "quantityOnSalesOrder"),
        _instant_or_0(row.get("asOf")),
        began_ms,
        _instant_or_0(row.get("lastModifiedDateTime")) or began_ms,
    )


def _instant_or_0(value: object) -> int:
    try:
        return instant(value)
    except Rejected:
        return 0


def stock_events(system: str, levels: Sequence[StockRow], via: Via) -> list[Event]:
    """Levels, a few dozen in an event; one that cannot be understood is alone in its own, and parked alone.

    Even an unchanged level carries newer stamps, which release demand, so no reading is a duplicate of another.
    """
    name = "snap" if via is Via.SNAPSHOT else "level"
    return list(events(system, "stock.rows", levels, _level, via=via, name=name))


def order_event(
    system: str,
    row: Row,
    places: Mapping[str, str],
    variants: Mapping[str, str],
    base: Mapping[str, str],
    separator: str,
    *,
    erp_ms: int,
) -> Event:
    """One sales order. Its id names its content: read again unchanged, it is a duplicate.

    All units of a line count, those that were shipped too: the stock figures have lost them either way. A line in another
    unit than its item's base unit counts for nothing: the API does not tell how many of them it has. ``base``: by item.
    """
    units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in row.get("salesOrderLines") or ():
        if line.get("lineType") != "Item" or not in_base_units(line, base):
            continue
        variant = variants.get(text(line, "itemVariantId"), "")
        sku = sku_of(text(line, "lineObjectNumber"), variant, separator)
        place = places.get(text(line, "locationId"), "")
        # A line below zero brings goods back, and takes nothing.
        units[sku, place] += max(Decimal(0), _decimal(line.get("quantity", "0")))
    changed_ms = instant(row.get("lastModifiedDateTime"))
    body = OrderRow(
        text(row, "externalDocumentNumber"),
        text(row, "id"),
        text(row, "number"),
        text(row, "status"),
        _units(units),
        changed_ms,
        erp_ms,
        account=payer_of(row),
    )
    event_id = f"order:{body.id}:{digest(changed_ms, body.key, body.status, body.lines, body.account)}"
    return Event(system, "erp_order.row", event_id, Via.POLL, changed_ms, msgspec.json.encode(body))


def shipment_event(system: str, row: Row, separator: str) -> Event:
    """One posted shipment. Its id names its content."""
    units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in row.get("shipmentLines") or ():
        if line.get("itemNumber"):
            sku = sku_of(text(line, "itemNumber"), text(line, "variantCode"), separator)
            units[sku, text(line, "locationCode")] += _decimal(line.get("quantityBase", "0"))
    changed_ms = instant(row.get("lastModifiedDateTime"))
    body = ShipmentRow(
        text(row, "number"),
        text(row, "externalDocumentNumber"),
        instant(row.get("createdAt")),
        _units({at: n for at, n in units.items() if n}),
        text(row, "packageTrackingNumber"),
        text(row, "shippingAgentCode"),
        changed_ms,
    )
    event_id = f"shipment:{body.id}:{digest(changed_ms, body.order_key, body.lines, body.tracking)}"
    return Event(system, "shipment.row", event_id, Via.POLL, changed_ms, msgspec.json.encode(body))


def item_events(system: str, row: Row, separator: str) -> list[tuple[str, Event]]:
    """An item, or each of its variants, by SKU. Ids name their content and the moment of the last edit."""
    changed_ms = instant(row.get("lastModifiedDateTime"))
    title = text(row, "displayName")
    found = [
        ItemRow(
            sku_of(text(row, "number"), text(each, "code"), separator),
            f"{text(row, 'id')}:{text(each, 'id')}",
            f"{title} {text(each, 'description')}".strip(),
            changed_ms,
        )
        for each in row.get("itemVariants") or ()
    ] or [ItemRow(text(row, "number"), text(row, "id"), title, changed_ms)]
    return [
        (
            body.sku,
            Event(
                system,
                "item",
                f"item:{body.id}:{digest(body.sku, body.title, changed_ms)}",
                Via.SNAPSHOT,
                changed_ms,
                msgspec.json.encode(body),
            ),
        )
        for body in found
    ]


def _units(units: Mapping[tuple[str, str], Decimal]) -> tuple[Units, ...]:
    return tuple(Units(sku, location, f"{n:f}") for (sku, location), n in units.items())


# -- and back ---------------------------------------------------------------------------------------


def decode(logged: LoggedEvent) -> list[Change]:
    """The changes that an event states; a notification states none.

    Raises:
        Rejected: the content cannot be understood.
    """
    event = logged.event
    try:
        if event.topic == "notification":
            return []
        if event.topic == "stock.rows":
            return [
                Change(Kind.STOCK, f"{x.sku}\x1f{x.location}", x.erp_ms, 0, x.changed_ms, _level(x))
                for x in _STOCK.decode(event.body)
            ]
        if event.topic == "erp_order.row":
            return [_order(event)]
        if event.topic == "shipment.row":
            return [_shipment(event)]
        if event.topic == "item":
            return [_item(event)]
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A record of Business Central cannot be read: {error}") from error
    raise Rejected(f"Business Central has no topic {event.topic!r}.")


def _level(row: StockRow) -> StockLevel:
    _check_sku(row.sku)
    if not row.erp_ms:
        raise Rejected(f"The level of {row.sku} at {row.location!r} says not when it was true.")
    on_hand, on_orders = _decimal(row.on_hand), _decimal(row.on_orders)
    return StockLevel(
        row.sku,
        row.location,
        on_hand,
        on_hand - on_orders,
        on_orders,
        erp_stamp_ms=row.erp_ms,
        read_began_ms=row.read_began_ms,
    )


def _order(event: Event) -> Change:
    row = _ORDER.decode(event.body)
    lines = tuple(ErpLine(x.sku, x.location, _decimal(x.quantity)) for x in row.lines)
    # A line holds its units as soon as it is there, whether the order is released or not.
    order = ErpOrder(
        row.key,
        row.id,
        row.status,
        commits_stock=True,
        lines=lines,
        erp_stamp_ms=row.erp_ms,
        account=row.account,
    )
    return Change(Kind.ERP_ORDER, row.key, row.version_ms, 0, event.occurred_at_ms, order)


def _shipment(event: Event) -> Change:
    row = _SHIPMENT.decode(event.body)
    lines = tuple(ShipmentLine(x.sku, x.location, _decimal(x.quantity)) for x in row.lines)
    tracking = (row.tracking,) if row.tracking else ()
    shipment = Shipment(row.id, row.order_key, row.shipped_at_ms, lines, tracking, row.carrier)
    return Change(Kind.SHIPMENT, row.id, row.version_ms, 0, event.occurred_at_ms, shipment)


def _item(event: Event) -> Change:
    row = _ITEM.decode(event.body)
    _check_sku(row.sku)
    item = Item(row.sku, row.id, title=row.title)
    return Change(Kind.ITEM, row.sku, row.version_ms, 0, event.occurred_at_ms, item)


def _check_sku(sku: str) -> None:
    if not sku.strip() or _CONTROL.search(sku):
        raise Rejected("An item without a usable number has stock: give it one in Business Central.")


def _decimal(value: object) -> Decimal:
    return _quantity(str(value))


@lru_cache(maxsize=10_000)
def _quantity(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Rejected(f"Business Central states a quantity of {value[:40]!r}.") from error
    if not number.is_finite() or abs(number) > QUANTITY_MAX:
        raise Rejected(f"Business Central states a quantity of {value[:40]!r}.")
    return number
