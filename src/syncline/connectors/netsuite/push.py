"""What our user-event script posts: its shape, its signature, and what it says.

The product has no webhooks (NetSuite help, section_1512409310); the contract is ours and stands in
``suitescript/``. Content is checked strictly before anything is acknowledged, because what was
acknowledged is never sent again.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.connectors.netsuite.rows import CANCELLED, order_name
from syncline.model.change import Change, Event, Kind, LoggedEvent, Via
from syncline.model.errors import Forged, Rejected
from syncline.model.records import ErpLine, ErpOrder, Shipment, ShipmentLine, StockLevel
from syncline.ports import Verified, WebhookRequest

WINDOW_MS = 300_000
AHEAD_MS_MAX = 24 * 3600 * 1000  # a stamp further ahead would outrank everything that follows it
INSTANT_MS_MAX = 253_402_300_799_999  # 9999-12-31
PART_ROWS_MAX = 2_000  # the script splits a document with more lines over several events
SIGNATURES_MAX = 8
TEXT_CHARS_MAX = 300

_QUANTITY = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,8})?")
_STAMP = re.compile(r"[0-9]{1,12}")
_EVENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,120}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MEND = "Mend the record or the script; the outbox sends it again."


class Link(msgspec.Struct, frozen=True):
    """The document that another was made from."""

    id: str
    external_id: str | None = None


class Line(msgspec.Struct, frozen=True):
    """One line of a document. A discount has no quantity."""

    line: int
    item: str
    sku: str
    location: str | None = None
    quantity: str | None = None
    committed: str | None = None
    backordered: str | None = None
    closed: bool = False


class Package(msgspec.Struct, frozen=True):
    """One parcel."""

    number: str
    carrier: str | None = None


class Level(msgspec.Struct, frozen=True):
    """Stock of one item in one location."""

    item: str
    sku: str
    location: str
    on_hand: str
    available: str
    committed: str
    backordered: str = "0"


class Document(msgspec.Struct, frozen=True):
    """The record that was saved."""

    type: str
    id: str
    event: str
    external_id: str | None = None
    status: str | None = None
    created_from: Link | None = None
    entity: str | None = None  # of a sales order, its customer; earlier scripts do not tell it
    lines: tuple[Line, ...] = ()
    tracking: tuple[Package, ...] = ()
    ship_status: str | None = None
    last_modified_ms: int | None = None


class Body(msgspec.Struct, frozen=True):
    """The whole post."""

    event_id: str
    seq: int
    account: str
    as_of_ms: int
    record: Document
    levels: tuple[Level, ...] = ()


_DECODER = msgspec.json.Decoder(Body)
KEPT_BYTES_MAX = 65_536  # of a body that is kept parsed


def parse(data: bytes) -> Body:
    """Read and check a body. One that was just verified is usually decoded next, so the last few are kept.

    Raises:
        Rejected: names the field and the mend.
    """
    return _parsed(data) if len(data) <= KEPT_BYTES_MAX else _parse(data)


def _parse(data: bytes) -> Body:
    try:
        body = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Rejected(f"The body is not what our script sends: {error}. {MEND}") from error
    _check(body)
    return body


_parsed = lru_cache(maxsize=16)(_parse)


def _check(body: Body) -> None:
    if not 0 < body.as_of_ms <= INSTANT_MS_MAX:
        raise Rejected(f"as_of_ms must be milliseconds since 1970. {MEND}")
    if not 0 <= body.seq < 2**62:
        raise Rejected(f"seq must be a number from 0. {MEND}")
    stamp = body.record.last_modified_ms
    if stamp is not None and not 0 < stamp <= INSTANT_MS_MAX:
        raise Rejected(f"record.last_modified_ms must be milliseconds since 1970. {MEND}")
    _text(body.record.id, "record.id")
    if body.record.entity is not None:
        _text(body.record.entity, "record.entity")
    for n, line in enumerate(body.record.lines):
        path = f"record.lines[{n}]"
        _text(line.item, f"{path}.item")
        _text(line.sku, f"{path}.sku")
        for name in ("quantity", "committed", "backordered"):
            value = getattr(line, name)
            if value is None:
                continue
            amount = _quantity(value, f"{path}.{name}")
            # Only the lines of an order or a shipment promise units; an adjustment takes some away.
            if amount < 0 and (name != "quantity" or body.record.type in ("salesorder", "itemfulfillment")):
                raise Rejected(f"{path}.{name} must not be negative. {MEND}")
    for n, level in enumerate(body.levels):
        path = f"levels[{n}]"
        _text(level.sku, f"{path}.sku")
        _text(level.location, f"{path}.location")
        on_hand, available = (_quantity(getattr(level, x), f"{path}.{x}") for x in ("on_hand", "available"))
        for name in ("committed", "backordered"):
            if _quantity(getattr(level, name), f"{path}.{name}") < 0:
                raise Rejected(f"{path}.{name} must not be negative. {MEND}")
        # The product can sell below zero; then on_hand and available are negative together, and
        # refusing that would leave the old, higher number on sale.
        if available < 0 <= on_hand or on_hand < 0 < available:
            raise Rejected(f"{path}.available must not be negative, nor positive below zero on hand. {MEND}")


def _text(value: str, path: str) -> None:
    if not value.strip() or len(value) > TEXT_CHARS_MAX or _CONTROL.search(value):
        raise Rejected(
            f"{path} must be text of 1 to {TEXT_CHARS_MAX} characters without control signs. {MEND}"
        )


def _quantity(value: str, path: str) -> Decimal:
    if not _QUANTITY.fullmatch(value):
        raise Rejected(f"{path} must be a plain decimal such as 12 or 12.5. {MEND}")
    return Decimal(value)


def same_account(left: str, right: str) -> bool:
    """Whether two spellings name one account: a host has hyphens where the id has underscores."""
    return left.casefold().replace("-", "_") == right.casefold().replace("-", "_")


def verify(request: WebhookRequest, settings: NetSuiteSettings, system: str) -> Verified:
    """Check signature, age and content, in this order.

    Raises:
        Rejected: whatever is wrong; nothing else, whatever the bytes are.
    """
    event_id = request.headers.get("x-syncline-event-id", "")
    stamp = request.headers.get("x-syncline-timestamp", "")
    if not _EVENT_ID.fullmatch(event_id) or not _STAMP.fullmatch(stamp):
        raise Forged("The signature headers are missing or malformed.")
    _check_signature(request, event_id, stamp, settings.push_keys)
    # The outbox drain signs again with a fresh stamp, so an old body arrives with a young one.
    if abs(int(stamp) * 1000 - request.received_at_ms) > WINDOW_MS:
        raise Forged("The signature is more than five minutes old or ahead: check both clocks.")
    body = parse(request.body)
    if body.event_id != event_id:
        raise Rejected(f"event_id differs from the signed header. {MEND}")
    if not same_account(body.account, settings.account):
        raise Rejected(
            "account is not the configured one: this URL or secret is installed in another NetSuite account.",
        )
    if body.as_of_ms > request.received_at_ms + AHEAD_MS_MAX:
        raise Rejected("as_of_ms lies more than a day ahead: check the clocks.")
    occurred = body.record.last_modified_ms or body.as_of_ms
    return Verified(Event(system, "push", event_id, Via.EVENT, occurred, request.body))


def _check_signature(request: WebhookRequest, event_id: str, stamp: str, keys: Sequence[bytes]) -> None:
    signed = b".".join((event_id.encode(), stamp.encode(), request.body))
    given = []
    for part in request.headers.get("x-syncline-signature", "").split(" ")[:SIGNATURES_MAX]:
        version, _, text = part.partition(",")
        if version == "v1":
            given.append(text.encode("utf-8", "replace"))
    matched = False
    for key in keys:
        expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
        for signature in given:
            matched |= hmac.compare_digest(expected, signature)
    if not matched:
        raise Forged("The signature does not match.")


def decode(logged: LoggedEvent, settings: NetSuiteSettings) -> list[Change]:
    """What a post says: levels, and the state of an order or a shipment.

    Everything is ordered by when the script read it, so a later reading of the same second wins.

    Raises:
        Rejected: the content cannot be understood.
    """
    body = parse(logged.event.body)
    record = body.record
    changed = record.last_modified_ms or body.as_of_ms

    def change(kind: Kind, key: str, value: StockLevel | ErpOrder | Shipment) -> Change:
        return Change(kind, key, body.as_of_ms, body.seq, changed, value)

    changes = [
        change(
            Kind.STOCK,
            f"{x.sku}\x1f{x.location}",
            StockLevel(
                x.sku,
                x.location,
                Decimal(x.on_hand),
                Decimal(x.available),
                Decimal(x.committed),
                erp_stamp_ms=body.as_of_ms,
            ),
        )
        for x in body.levels
    ]
    if record.type == "salesorder" and (order := _order(body, settings)) is not None:
        changes.append(change(Kind.ERP_ORDER, order.key, order))
    elif record.type == "itemfulfillment" and (shipment := _shipment(body, changed, settings)) is not None:
        changes.append(change(Kind.SHIPMENT, shipment.key, shipment))
    return changes


def _partial(record: Document) -> bool:
    """Whether the lines may be one part of several; the poll reads such documents whole."""
    return len(record.lines) >= PART_ROWS_MAX or any(x.line > PART_ROWS_MAX for x in record.lines[:1])


def _order(body: Body, settings: NetSuiteSettings) -> ErpOrder | None:
    record = body.record
    key = _name(record.external_id, record.id, settings)
    if not key:
        return None
    if record.event == "delete":
        return ErpOrder(key, record.id, "deleted", commits_stock=False, lines=(), erp_stamp_ms=body.as_of_ms)
    if _partial(record) or not record.lines or not record.status:
        return None
    units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in record.lines:
        if line.quantity is None or line.item in settings.amount_items:
            continue
        # A closed line stands for what was shipped only, and a post does not say how much that was.
        gone = line.closed or record.status == "C"
        # What waits for stock is in no figure of what is available.
        told = Decimal(0) if gone else Decimal(line.quantity) - Decimal(line.backordered or 0)
        units[line.sku, line.location or ""] += told
    return ErpOrder(
        key,
        record.id,
        record.status,
        commits_stock=record.status != "A",
        lines=tuple(ErpLine(sku, location, n) for (sku, location), n in units.items()),
        erp_stamp_ms=body.as_of_ms,
        cancelled=record.status == CANCELLED,
        account=record.entity or "",
    )


def _name(external_id: str | None, number: str, settings: NetSuiteSettings) -> str:
    return order_name({"externalid": external_id, "id": number}, settings)


def _shipment(body: Body, shipped_at_ms: int, settings: NetSuiteSettings) -> Shipment | None:
    record = body.record
    source = record.created_from
    if record.event == "delete" or record.ship_status != "C" or _partial(record) or source is None:
        return None
    if not record.lines:  # the script could not say in base units what left; the poll can
        return None
    order = _name(source.external_id, source.id, settings)
    if not order:
        return None
    units: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in record.lines:
        if line.quantity is not None:
            units[line.sku, line.location or ""] += Decimal(line.quantity)
    return Shipment(
        record.id,
        order,
        shipped_at_ms,
        tuple(ShipmentLine(sku, location, n) for (sku, location), n in units.items() if n),
        tracking=tuple(dict.fromkeys(p.number for p in record.tracking if p.number)),
        carrier=next((p.carrier for p in record.tracking if p.carrier), ""),
    )
