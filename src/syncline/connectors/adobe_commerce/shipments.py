"""Telling the shop that goods left: one shipment for each source, safe to repeat.

``POST /V1/order/{id}/ship`` remembers no key, so each shipment carries our reference in a comment that only people see,
besides its tracking numbers, and is looked for by either before one is created, if anything of the order has been shipped. The source has to be named: else the
default one is lowered, wherever the goods lay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Missing, Search
from syncline.connectors.adobe_commerce.manifest import PAGE_MAX, AdobeCommerceSettings
from syncline.connectors.adobe_commerce.mapping import sellable
from syncline.connectors.adobe_commerce.stock import outcome_of
from syncline.connectors.adobe_commerce.wire import Found, units
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import AuthExpired, Rejected, Retryable, SynclineError
from syncline.model.payloads import CreateShipment

SHIPMENTS_MAX = PAGE_MAX
# What is said where the source has too few units or none of the product, and where the shop failed otherwise: sources are lowered
# while the shipment is saved, and what goes wrong there is only in the shop's log (magento2: Sales/Model/ShipOrder).
_NOT_SAVED = "Could not save a shipment"
_MOVED_ON = "Shipment Document Validation Error"


class Shipper:
    """Creates shipments in one shop."""

    def __init__(self, settings: AdobeCommerceSettings, client: Client) -> None:
        self._settings = settings
        self._client = client

    async def create(self, payload: CreateShipment) -> Outcome:
        """Create what is not there yet.

        Raises:
            SynclineError: of the client, before anything was created.
        """
        if not _is_id(payload.order_key):
            raise Rejected(f"{payload.order_key[:40]!r} is no order id of Adobe Commerce")
        order = await self._order(payload.order_key)
        # An order of which nothing has left has no shipment that could be ours, so there is nothing to look through.
        made = await self._made(payload) if _begun(order) else {}
        missing = {source: lines for source, lines in _by_source(payload).items() if source not in made}
        if missing:
            left = _left(order)
            # All sources are checked before the first is shipped.
            plans = {source: _plan(payload, source, lines, left) for source, lines in missing.items()}
            for source, plan in plans.items():
                try:
                    made[source] = await self._ship(payload, source, plan)
                except AuthExpired:
                    raise
                except SynclineError as error:
                    return outcome_of(error)
        return _done(made)

    async def look_up(self, payload: CreateShipment) -> Outcome | None:
        """Find the shipments that were made for a parcel; ``None`` where one is missing."""
        made = await self._made(payload)
        return _done(made) if made.keys() >= _by_source(payload).keys() else None

    async def _order(self, key: str) -> wire.Order:
        try:
            return await self._client.get(f"orders/{key}", (), wire.Order)
        except Missing as error:
            raise Rejected(f"Adobe Commerce knows no order {key}: {error}") from None

    async def _made(self, payload: CreateShipment) -> dict[str, str]:
        """The shipment of each source that carries our reference, or one of the parcel's tracking numbers."""
        search = Search(size=SHIPMENTS_MAX).where(("order_id", "eq", payload.order_key)).order("entity_id")
        found = await self._client.get("shipments", search.pairs(), Found[wire.Shipment])
        if found.total_count > len(found.items):
            raise Rejected(
                f"order {payload.order_key} has more than {SHIPMENTS_MAX} shipments, too many to look through"
            )
        reference, wanted = _reference(payload), set(payload.shipment.tracking)
        sources = list(_by_source(payload))
        made: dict[str, str] = {}
        for entry in found.items:
            ours = any(comment.comment == reference for comment in entry.comments)
            if not ours and not wanted & {track.track_number for track in entry.tracks}:
                continue
            # A shop with a single source may leave it out.
            source = entry.source or (sources[0] if len(sources) == 1 else "")
            made.setdefault(source, str(entry.entity_id))
        return made

    async def _ship(self, payload: CreateShipment, source: str, plan: Counter[int]) -> str:
        shipment = payload.shipment
        carrier = shipment.carrier.strip()
        body: dict[str, Any] = {
            "items": [{"order_item_id": number, "qty": quantity} for number, quantity in plan.items()],
            "notify": self._settings.notify_customer,
            "appendComment": False,
            "comment": {"comment": _reference(payload), "is_visible_on_front": 0},
            "tracks": [
                {
                    "track_number": number,
                    "title": carrier or "Tracking number",
                    "carrier_code": self._settings.carrier_code,
                }
                for number in shipment.tracking
            ],
            "arguments": {"extension_attributes": {"source_code": source}},
        }
        try:
            made: Any = await self._client.post(f"order/{payload.order_key}/ship", body, Any)
        except Rejected as error:
            if _NOT_SAVED in str(error):
                raise Retryable(
                    f"order {payload.order_key}: {error}. As a rule source {source} has too few units, or none of the product: it "
                    "goes out once the source's number is written"
                ) from None
            if _MOVED_ON in str(error):
                raise Rejected(
                    f"order {payload.order_key}: {error} Somebody shipped, cancelled or holds it in the shop: compare both "
                    "sides, then discard or release this delivery"
                ) from None
            raise
        return str(made)


def _is_id(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= 18


def _reference(payload: CreateShipment) -> str:
    return f"Syncline {payload.shipment.key}"


def _done(made: dict[str, str]) -> Outcome:
    return Outcome(Result.DONE, facts={"external_id": ",".join(made.values())})


def _by_source(payload: CreateShipment) -> dict[str, list[tuple[str, int]]]:
    grouped: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for sku, source, quantity in payload.lines:
        grouped[source].append((sku, quantity))
    return dict(grouped)


def _begun(order: wire.Order) -> bool:
    """Whether any unit of an order was shipped, of lines that others stand for as well."""
    return any(item.qty_shipped for item in order.items)


def _left(order: wire.Order) -> list[list[Any]]:
    """Units that may still be shipped, line by line: [line, SKU, units]; taken from as parcels are planned."""
    rows: list[list[Any]] = []
    for item in sellable(order.items):
        gone = sum(units(n, "quantities") for n in (item.qty_canceled, item.qty_shipped, item.qty_refunded))
        rows.append([item.item_id, item.sku, max(0, units(item.qty_ordered, "qty_ordered") - gone)])
    return rows


def _plan(
    payload: CreateShipment, source: str, lines: list[tuple[str, int]], left: list[list[Any]]
) -> Counter[int]:
    """Which lines of the order the units of a source belong to.

    Raises:
        Rejected: fewer units are left to ship.
    """
    if not source:
        raise Rejected(
            f"order {payload.order_key}: the parcel left from a place that has no source; add it to the route's locations"
        )
    plan: Counter[int] = Counter()
    for sku, wanted in lines:
        missing = wanted
        for row in left:
            take = min(missing, row[2]) if row[1] == sku else 0
            if take > 0:
                plan[row[0]] += take
                row[2] -= take
                missing -= take
        if missing:
            raise Rejected(
                f"order {payload.order_key}: {wanted - missing} of {wanted} units of {sku} are left to ship. The rest was "
                "shipped, refunded or cancelled in the shop: compare both sides, then discard or correct"
            )
    return plan
