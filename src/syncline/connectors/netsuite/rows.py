"""Rows of a poll as raw events, and back to canonical changes."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from syncline.connectors.netsuite import kits, queries
from syncline.connectors.netsuite.client import Row
from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Rejected
from syncline.model.records import (
    ErpLine,
    ErpOrder,
    ErpPart,
    Item,
    Record,
    Shipment,
    ShipmentLine,
    StockLevel,
)
from syncline.sdk.scan import events

CANCELLED = "C"  # of a sales order: nothing of it was sent, and nothing will be (contract sheet section 5)
CLOSED = "H"  # every line of it is; the product's way to end an order that is approved, and to reopen it
QUANTITY_MAX = Decimal(10) ** 15
QUANTITIES_KEPT = 10_000  # a million levels state a few thousand different quantities
STOCKED = ("InvtPart", "Assembly")  # the item types that have levels
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Units(msgspec.Struct, frozen=True, omit_defaults=True):
    """Units of one SKU at one location; ``ordered`` where more is asked for than is accounted for.

    ``parts`` of a kit: the SKU and the units of each member that are accounted for.
    """

    sku: str
    location: str
    quantity: str
    ordered: str = ""
    parts: tuple[tuple[str, str], ...] = ()


class StockRow(msgspec.Struct, frozen=True):
    """One of ``stock.rows``: a level as read, and when it changed as far as is known."""

    sku: str
    location: str
    on_hand: str
    available: str
    committed: str
    erp_ms: int
    read_began_ms: int
    changed_ms: int
    moments: tuple[int, ...] = ()


class OrderRow(msgspec.Struct, frozen=True):
    """``erp_order.row``: one sales order that carries an external id."""

    key: str
    id: str
    status: str
    lines: tuple[Units, ...]
    erp_ms: int
    account: str = ""
    called_off: bool = False


class ShipmentRow(msgspec.Struct, frozen=True):
    """``shipment.row``: one shipped fulfilment."""

    id: str
    order_key: str
    shipped_at_ms: int
    lines: tuple[Units, ...]
    tracking: tuple[str, ...]
    erp_ms: int


class ItemRow(msgspec.Struct, frozen=True):
    """``item``: one thing that can be sold."""

    sku: str
    id: str
    title: str
    erp_ms: int


_STOCK = msgspec.json.Decoder(list[StockRow])
_ORDER = msgspec.json.Decoder(OrderRow)
_SHIPMENT = msgspec.json.Decoder(ShipmentRow)
_ITEM = msgspec.json.Decoder(ItemRow)


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def digest(*parts: object) -> str:
    """A short name for a content."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=10).hexdigest()


# -- to events --------------------------------------------------------------------------------------


def stock_row(
    row: Row, *, erp_ms: int, began_ms: int, changed_ms: int, moments: tuple[int, ...] = ()
) -> StockRow:
    """One level as read. ``moments``: when it changed, if several times."""
    return StockRow(
        _text(row, "sku"),
        _text(row, "location"),
        _text(row, "onhand") or "0",  # NULL columns are absent: no stock was ever there
        _text(row, "available") or "0",
        _text(row, "committed") or "0",
        erp_ms,
        began_ms,
        changed_ms,
        moments,
    )


def stock_events(system: str, levels: Sequence[StockRow], via: Via) -> list[Event]:
    """Levels, a few dozen in an event; one that cannot be understood is alone in its own, and parked alone.

    Even an unchanged level carries newer stamps, which release demand, so no reading is a duplicate of
    another.
    """
    name = "snap" if via is Via.SNAPSHOT else "level"
    return list(events(system, "stock.rows", levels, _check_level, via=via, name=name))


def order_name(head: Mapping[str, object], settings: NetSuiteSettings) -> str:
    """How a sales order is called: its external id; without one "#" and its id, or "" where such are not told."""
    name = str(head.get("externalid") or "")
    if name or not settings.orders_without_external_id:
        return name
    return f"#{head.get('txn', head.get('id', ''))}"


def order_event(
    system: str,
    lines: Sequence[Row],
    settings: NetSuiteSettings,
    *,
    erp_ms: int,
    changed_ms: int,
    key: str = "",
    moved_ms: int = 0,
) -> Event:
    """One sales order. Its id names its content: read again unchanged, it is a duplicate.

    ``key`` is the reference under which it is told, where that is not its own name. ``moved_ms``: when stock moved that
    may be promised to it. What is promised can become what it was before, and that is news.
    """
    head = lines[0]
    status = queries.letter(head.get("status"))
    units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    ordered: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    sent = any(_decimal(line.get("done") or "0") for line in lines)
    called_off = status == CANCELLED or (settings.closed_cancels and status == CLOSED and not sent)
    parts: defaultdict[tuple[str, str], defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    of_kits, of_parts = kits.accounted(lines, _decimal), kits.of_parts(lines, _decimal)
    for line in lines:
        if not queries.counts_for_stock(line, settings):
            continue
        at = _text(line, "sku"), _text(line, "location")
        accounted, asked = _accounted(line, status, of_kits.get(_text(line, "line")))
        units[at] += accounted
        ordered[at] += asked
        if line.get("isclosed") != "T" and status != CANCELLED:
            for sku, there in of_parts.get(_text(line, "line"), {}).items():
                parts[at][sku] += there
    name = key or order_name(head, settings)
    told = tuple(
        Units(
            *at,
            f"{n:f}",
            f"{ordered[at]:f}" if ordered[at] != n else "",
            tuple((sku, f"{there:f}") for sku, there in parts[at].items()),
        )
        for at, n in units.items()
    )
    body = OrderRow(name, _text(head, "txn"), status, told, erp_ms, _text(head, "entity"), called_off)
    said = [head.get("lm"), body.key, status, body.lines, moved_ms, body.account]
    if called_off and status == CLOSED:  # which it was not before the setting said so
        said.append(called_off)
    event_id = f"order:{body.id}:{digest(*said)}"
    return Event(system, "erp_order.row", event_id, Via.POLL, changed_ms, msgspec.json.encode(body))


def _accounted(line: Row, status: str, of_kits: Decimal | None) -> tuple[Decimal, Decimal]:
    """Units of a sales line that what is available accounts for, and those that it asks for.

    What is available is what is on hand less what is committed. What left is not on hand any more. What is backordered
    is in no figure: it waits until something comes in. ``of_kits``: of a kit's line, what its parts say of that.
    """
    done = abs(_decimal(line.get("done") or "0"))
    if line.get("isclosed") == "T" or status == "C":
        return done, done
    asked = abs(_decimal(line["quantity"]))  # which SuiteQL states as a negative number
    if of_kits is not None:
        return min(of_kits, asked), asked
    if line.get("committed") is None:  # nothing that is stocked, so nothing is promised of it
        return asked, asked
    return abs(_decimal(line["committed"])) + done, asked


def moved(line: Row, *, leaves: bool) -> bool:
    """Whether a line of a fulfilment or receipt says what was sent or came back.

    There are accounting lines for the same goods, with the opposite sign. Of what is stocked, the line that moves stock
    counts; of what is not, and of a kit, which the parts that moved are of, the one whose sign is that of goods.
    """
    if line.get("quantity") is None or kits.is_member(line):
        return False
    if str(line.get("itemtype", STOCKED[0])) in STOCKED:
        return line.get("moves") == "T"
    quantity = _decimal(line["quantity"])
    return quantity < 0 if leaves else quantity > 0


def shipment_event(
    system: str,
    lines: Sequence[Row],
    order_key: str,
    tracking: Sequence[str],
    *,
    erp_ms: int,
    changed_ms: int,
) -> Event:
    """One shipped fulfilment. Its id names its content."""
    head = lines[0]
    units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        if moved(line, leaves=True):
            units[_text(line, "sku"), _text(line, "location")] += abs(_decimal(line["quantity"]))
    body = ShipmentRow(
        _text(head, "txn"),
        order_key,
        changed_ms,
        _units(units),
        tuple(dict.fromkeys(tracking)),
        erp_ms,
    )
    event_id = f"shipment:{body.id}:{digest(head.get('lm'), order_key, body.lines, body.tracking)}"
    return Event(system, "shipment.row", event_id, Via.POLL, changed_ms, msgspec.json.encode(body))


def sku_of(row: Row) -> str:
    """The SKU of an item."""
    return _text(row, "sku")


def item_event(system: str, row: Row, *, erp_ms: int, changed_ms: int) -> Event:
    """One item. Its id names its content and the moment of its last edit, so a change back is seen."""
    body = ItemRow(_text(row, "sku"), _text(row, "id"), _text(row, "title"), erp_ms)
    event_id = f"item:{body.id}:{digest(body.sku, body.title, row.get('lm'))}"
    return Event(system, "item", event_id, Via.SNAPSHOT, changed_ms, msgspec.json.encode(body))


def _units(units: dict[tuple[str, str], Decimal]) -> tuple[Units, ...]:
    return tuple(Units(sku, location, f"{n:f}") for (sku, location), n in units.items())


# -- and back ---------------------------------------------------------------------------------------


def decode(logged: LoggedEvent) -> list[Change]:
    """The changes that an event of a poll states.

    Raises:
        Rejected: the content cannot be understood.
    """
    event = logged.event
    try:
        if event.topic == "stock.rows":
            return [
                Change(
                    Kind.STOCK, f"{x.sku}\x1f{x.location}", x.erp_ms, 0, x.changed_ms, _level(x), x.moments
                )
                for x in _STOCK.decode(event.body)
            ]
        if event.topic == "erp_order.row":
            kind, key, version, value = _order(event.body)
        elif event.topic == "shipment.row":
            kind, key, version, value = _shipment(event.body)
        elif event.topic == "item":
            kind, key, version, value = _item(event.body)
        else:
            raise Rejected(f"NetSuite has no topic {event.topic!r}.")
    except (msgspec.MsgspecError, ValueError) as error:
        raise Rejected(f"A row of NetSuite cannot be read: {error}") from error
    return [Change(kind, key, version, 0, event.occurred_at_ms, value)]


def _check_level(row: StockRow) -> None:
    _check_sku(row.sku)
    for quantity in (row.on_hand, row.available, row.committed):
        _decimal(quantity)


def _level(row: StockRow) -> StockLevel:
    _check_sku(row.sku)
    return StockLevel(
        row.sku,
        row.location,
        _decimal(row.on_hand),
        _decimal(row.available),
        _decimal(row.committed),
        erp_stamp_ms=row.erp_ms,
        read_began_ms=row.read_began_ms,
    )


def _order(body: bytes) -> tuple[Kind, str, int, Record]:
    row = _ORDER.decode(body)
    lines = tuple(
        ErpLine(
            x.sku,
            x.location,
            _decimal(x.quantity),
            _decimal(x.ordered) if x.ordered else None,
            tuple(ErpPart(sku, _decimal(there)) for sku, there in x.parts),
        )
        for x in row.lines
    )
    order = ErpOrder(
        row.key,
        row.id,
        row.status,
        row.status != "A",
        lines,
        row.erp_ms,
        cancelled=row.called_off or row.status == CANCELLED,
        account=row.account,
    )
    return Kind.ERP_ORDER, row.key, row.erp_ms, order


def _shipment(body: bytes) -> tuple[Kind, str, int, Record]:
    row = _SHIPMENT.decode(body)
    lines = tuple(ShipmentLine(x.sku, x.location, _decimal(x.quantity)) for x in row.lines)
    return (
        Kind.SHIPMENT,
        row.id,
        row.erp_ms,
        Shipment(row.id, row.order_key, row.shipped_at_ms, lines, row.tracking),
    )


def _item(body: bytes) -> tuple[Kind, str, int, Record]:
    row = _ITEM.decode(body)
    _check_sku(row.sku)
    return Kind.ITEM, row.sku, row.erp_ms, Item(row.sku, row.id, title=row.title)


def _check_sku(sku: str) -> None:
    if sku.isprintable() and not sku.isspace() and sku:
        return  # nearly always
    if not sku.strip() or _CONTROL.search(sku):
        raise Rejected("An item without a usable name (itemid) has stock: give it one in NetSuite.")


def _decimal(value: object) -> Decimal:
    return _quantity(str(value))


@lru_cache(maxsize=QUANTITIES_KEPT)
def _quantity(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise Rejected(f"NetSuite states a quantity of {value[:40]!r}.") from error
    if not number.is_finite() or abs(number) > QUANTITY_MAX:
        raise Rejected(f"NetSuite states a quantity of {value[:40]!r}.")
    return number
