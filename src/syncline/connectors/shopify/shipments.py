"""Telling Shopify that goods left: fulfilments of at most 250 lines for each location, safe to repeat.

``fulfillmentCreate`` has no idempotency key
(https://shopify.dev/docs/api/admin-graphql/latest/mutations/fulfillmentCreate), so the shipment's
tracking number is what makes it findable: it is looked for before anything is created.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.orders import OrderReader
from syncline.connectors.shopify.wire import number
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, Retryable, SynclineError
from syncline.model.payloads import CreateShipment
from syncline.sdk.outcomes import outcome_of

FULFILLMENTS_MAX = 50
LINES_MAX = 250  # of any input array: https://shopify.dev/docs/api/usage/limits
_MOVED_ON = ("unfulfillable status", "Invalid fulfillment order line item quantity")
ANYWHERE = "*"  # in place of a location: wherever the order's goods are expected from
_OPEN = frozenset({"OPEN", "IN_PROGRESS"})
_VOID = frozenset({"CANCELLED", "ERROR", "FAILURE"})


class _Tracking(Struct, frozen=True):
    number: str | None = None


class _SentItem(Struct, frozen=True):
    sku: str | None = None


class _SentLine(Struct, frozen=True, rename="camel"):
    quantity: int
    line_item: _SentItem


class _SentLines(Struct, frozen=True):
    nodes: tuple[_SentLine, ...] = ()


class _Fulfillment(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    status: str
    total_quantity: int
    location: wire.Ref | None = None
    tracking_info: tuple[_Tracking, ...] = ()


class _Parcel(Struct, frozen=True, rename="camel"):
    fulfillment_line_items: _SentLines


class _ParcelLines(Struct, frozen=True):
    fulfillment: _Parcel | None = None


class _Shipped(Struct, frozen=True, rename="camel"):
    fulfillments: tuple[_Fulfillment, ...]
    fulfillment_orders: wire.Connection[wire.FulfillmentOrder]


class _Shipments(Struct, frozen=True):
    order: _Shipped | None = None


class _Created(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]
    fulfillment: wire.Ref | None = None


class _FulfillmentCreated(Struct, frozen=True, rename="camel"):
    fulfillment_create: _Created | None = None


@dataclass(slots=True)
class _Made:
    """What left one location: fulfilments and their units. ``units`` by SKU is read only if need be."""

    fulfillments: list[str] = field(default_factory=list)
    total: int = 0
    units: Counter[str] | None = None


class Shipper:
    """Creates fulfilments in one shop."""

    def __init__(self, client: Client, orders: OrderReader, *, notify_customer: bool) -> None:
        self._client = client
        self._orders = orders
        self._notify_customer = notify_customer

    async def create(self, payload: CreateShipment) -> Outcome:
        """Create what is not there yet.

        Raises:
            SynclineError: of the client, before anything was created.
        """
        shipped = await self._shipped(payload)
        made = await self._made(payload, shipped)
        missing = _missing(payload, made)
        if not missing:
            return _done(made)
        fulfillment_orders = await self._orders.fulfillment_orders(
            payload.order_key, shipped.fulfillment_orders, urgent=False
        )
        if payload.anywhere:  # where the ERP sent it from comes first
            own = {location for _, location, _ in payload.lines}
            fulfillment_orders.sort(key=lambda entry: _place(entry) not in own)
        place_of = {entry.id: _place(entry) for entry in fulfillment_orders}
        # All locations are checked before the first is shipped.
        plans = {
            loc: _plan(payload.order_key, loc, lines, fulfillment_orders) for loc, lines in missing.items()
        }
        for location, plan in plans.items():
            for part in _parts(plan, place_of):
                try:
                    fulfillment = await self._ship(payload, part)
                except AuthExpired:
                    raise
                except SynclineError as error:
                    return self._stopped(payload, made, location, error)
                made.setdefault(location, _Made()).fulfillments.append(fulfillment)
        return _done(made)

    async def look_up(self, payload: CreateShipment) -> Outcome | None:
        """Find the fulfilments of a shipment by its tracking number."""
        if not payload.shipment.tracking:
            return Outcome(
                Result.REJECTED,
                "the shipment has no tracking number, so it cannot be told from another in Shopify: "
                f"look at order {payload.order_key} there, then discard this delivery or release it",
            )
        made = await self._made(payload, await self._shipped(payload))
        return None if _missing(payload, made) else _done(made)

    async def _shipped(self, payload: CreateShipment) -> _Shipped:
        answer = await self._client.call(
            documents.ORDER_SHIPMENTS, {"id": f"gid://shopify/Order/{payload.order_key}"}, _Shipments
        )
        if answer.order is None:
            raise Rejected(f"Shopify knows no order {payload.order_key}")
        return answer.order

    async def _made(self, payload: CreateShipment, shipped: _Shipped) -> dict[str, _Made]:
        """What left each location already under this shipment's tracking number."""
        wanted = set(payload.shipment.tracking)
        if not wanted:
            return {}
        if len(shipped.fulfillments) >= FULFILLMENTS_MAX:
            raise Rejected(
                f"order {payload.order_key} has {FULFILLMENTS_MAX} or more fulfilments, too many to look through"
            )
        locations = list(_by_location(payload))
        made: dict[str, _Made] = {}
        for entry in shipped.fulfillments:
            if entry.status in _VOID or not wanted & {info.number for info in entry.tracking_info}:
                continue
            if payload.anywhere:
                at = ANYWHERE
            elif entry.location is not None:
                at = number(entry.location.id)
            elif len(locations) == 1:
                at = locations[0]
            else:
                continue
            here = made.setdefault(at, _Made())
            here.fulfillments.append(entry.id)
            here.total += entry.total_quantity
        for at, lines in _by_location(payload).items():
            if at in made and made[at].total < sum(units for _, units in lines):
                await self._look_into(made[at])  # only a part of a large shipment was told
        return made

    async def _look_into(self, made: _Made) -> None:
        made.units = Counter()
        for fulfillment in made.fulfillments:
            answer = await self._client.call(documents.FULFILLMENT_LINES, {"id": fulfillment}, _ParcelLines)
            if answer.fulfillment is None:
                raise Retryable(f"Shopify does not show {fulfillment} at the moment")
            for line in answer.fulfillment.fulfillment_line_items.nodes:
                made.units[line.line_item.sku or ""] += line.quantity

    async def _ship(self, payload: CreateShipment, plan: dict[str, list[dict[str, Any]]]) -> str:
        fulfillment: dict[str, Any] = {
            "lineItemsByFulfillmentOrder": [
                {"fulfillmentOrderId": gid, "fulfillmentOrderLineItems": lines} for gid, lines in plan.items()
            ],
            "notifyCustomer": self._notify_customer,
        }
        tracking = payload.shipment.tracking
        if tracking:
            info: dict[str, Any] = (
                {"number": tracking[0]} if len(tracking) == 1 else {"numbers": list(tracking)}
            )
            if payload.shipment.carrier:
                info["company"] = payload.shipment.carrier
            fulfillment["trackingInfo"] = info
        answer = await self._client.call(
            documents.CREATE_FULFILLMENT, {"fulfillment": fulfillment}, _FulfillmentCreated
        )
        created = answer.fulfillment_create
        if created is not None and any(
            words in error.message for error in created.user_errors for words in _MOVED_ON
        ):
            # Cancelled, edited or sent between our reading and our writing: look again, and say what is left.
            raise Retryable("Shopify: " + "; ".join(error.message for error in created.user_errors))
        if created is not None and created.user_errors:
            raise Rejected("Shopify: " + "; ".join(error.message for error in created.user_errors))
        if created is None or created.fulfillment is None:
            raise OutcomeUnknown("Shopify did not say which fulfilment it created")
        return created.fulfillment.id

    def _stopped(
        self, payload: CreateShipment, made: dict[str, _Made], location: str, error: SynclineError
    ) -> Outcome:
        """One location failed. What others shipped is found again by tracking number, if there is one."""
        if made and not payload.shipment.tracking:
            done = ", ".join(f"{loc}: {' '.join(here.fulfillments)}" for loc, here in made.items())
            return Outcome(
                Result.REJECTED,
                f"{_named(location)}: {error}. Shipped already, and without a tracking number it would be "
                f"shipped again: {done}",
            )
        return outcome_of(error)


def _done(made: dict[str, _Made]) -> Outcome:
    ids = [gid for here in made.values() for gid in here.fulfillments]
    return Outcome(Result.DONE, facts={"external_id": ",".join(ids)})


def _missing(payload: CreateShipment, made: dict[str, _Made]) -> dict[str, list[tuple[str, int]]]:
    """What has still to be told, by location."""
    missing: dict[str, list[tuple[str, int]]] = {}
    for location, lines in _by_location(payload).items():
        here = made.get(location)
        if here is None:
            missing[location] = lines
        elif here.units is not None:
            rest = [(sku, units - here.units[sku]) for sku, units in lines if units > here.units[sku]]
            if rest:
                missing[location] = rest
    return missing


def _parts(
    plan: dict[str, list[dict[str, Any]]], place_of: Mapping[str, str]
) -> list[dict[str, list[dict[str, Any]]]]:
    """The plan in pieces that one call may carry: all of a call leaves one location."""
    parts: list[dict[str, list[dict[str, Any]]]] = []
    room, place = 0, ""
    for gid, lines in sorted(plan.items(), key=lambda one: place_of[one[0]]):
        for line in lines:
            if not room or place_of[gid] != place:
                parts.append({})
                room, place = LINES_MAX, place_of[gid]
            parts[-1].setdefault(gid, []).append(line)
            room -= 1
    return parts


def _by_location(payload: CreateShipment) -> dict[str, list[tuple[str, int]]]:
    """What was sent, by the location that tells it; where any may, under ``ANYWHERE``."""
    if payload.anywhere:
        total: Counter[str] = Counter()
        for sku, _, units in payload.lines:
            total[sku] += units
        return {ANYWHERE: list(total.items())}
    grouped: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for sku, location, units in payload.lines:
        grouped[location].append((sku, units))
    return dict(grouped)


def _place(entry: wire.FulfillmentOrder) -> str:
    location = entry.assigned_location.location
    return number(location.id) if location is not None else ""


def _named(location: str) -> str:
    return "any location" if location == ANYWHERE else f"location {location}"


def _plan(
    order_key: str,
    location: str,
    lines: Sequence[tuple[str, int]],
    fulfillment_orders: Sequence[wire.FulfillmentOrder],
) -> dict[str, list[dict[str, Any]]]:
    """Which fulfilment order lines of this location the units belong to.

    Raises:
        Rejected: fewer units are left to ship there; says where they are instead.
    """
    left: list[tuple[str, str, str, int]] = []  # fulfilment order, line, sku, units
    for entry in fulfillment_orders:
        if location not in (ANYWHERE, _place(entry)) or not _place(entry) or entry.status not in _OPEN:
            continue
        left.extend(
            (entry.id, line.id, line.sku or "", line.remaining_quantity)
            for line in entry.line_items.nodes
            if line.remaining_quantity > 0
        )
    taken: dict[str, int] = {}
    for sku, units in lines:
        missing = units
        for _, line_id, line_sku, remaining in left:
            take = min(missing, remaining - taken.get(line_id, 0)) if line_sku == sku else 0
            if take > 0:
                taken[line_id] = taken.get(line_id, 0) + take
                missing -= take
        if missing:
            raise Rejected(
                f"order {order_key}: {units - missing} of {units} units of {sku} are left to ship at "
                f"{_named(location)}. {_elsewhere(sku, location, fulfillment_orders)}",
            )
    plan: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for order_id, line_id, _, _ in left:
        if line_id in taken:
            plan[order_id].append({"id": line_id, "quantity": taken[line_id]})
    return dict(plan)


def _elsewhere(sku: str, location: str, fulfillment_orders: Sequence[wire.FulfillmentOrder]) -> str:
    places = []
    for entry in fulfillment_orders:
        units = sum(line.remaining_quantity for line in entry.line_items.nodes if line.sku == sku)
        place = _place(entry) or "no location"
        if units and (location not in (ANYWHERE, place) or entry.status not in _OPEN):
            places.append(f"{units} at {place} ({entry.status.lower().replace('_', ' ')})")
    if not places:
        return "The rest was fulfilled, refunded or cancelled in Shopify: compare both sides, then discard or correct."
    return (
        f"Shopify has {', '.join(places)}: move the fulfilment order to the right location or release its hold, "
        "then release this delivery."
    )
