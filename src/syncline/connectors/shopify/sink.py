"""The writing side: absolute stock with compare-and-set, reads on demand, shipments, prices, products, credit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.bulk import BulkRunner
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.company_writer import CompanyWriter
from syncline.connectors.shopify.credit import CreditWriter
from syncline.connectors.shopify.listings import ListingWriter
from syncline.connectors.shopify.manifest import OPERATIONS, ORDER_STAMP_MS, ShopifySettings
from syncline.connectors.shopify.mapping import places_ms
from syncline.connectors.shopify.money import MoneyWriter
from syncline.connectors.shopify.moves import Mover
from syncline.connectors.shopify.orders import OrderReader
from syncline.connectors.shopify.prices import PriceWriter
from syncline.connectors.shopify.products import ProductWriter
from syncline.connectors.shopify.shipments import Shipper
from syncline.connectors.shopify.wire import number, to_ms
from syncline.model.change import Event, Via
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, SynclineError
from syncline.model.payloads import (
    CancelOrder,
    CreateRefund,
    CreateShipment,
    MoveOrder,
    PutCustomer,
    ReadOrder,
    ReadStock,
    RecordPayment,
    SetStock,
)
from syncline.ports import Clock, Transport
from syncline.sdk.outcomes import outcome_of

STAMP_MS = 1000  # `updatedAt` has whole seconds
# Codes that name no line and mean: this key is spent, send again under a new one.
_NEW_KEY = frozenset({"IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"})
_STALE = frozenset({"CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE"})


class _Group(Struct, frozen=True, rename="camel"):
    created_at: wire.Moment | None = None


class _Written(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]
    inventory_adjustment_group: _Group | None = None


class _StockSet(Struct, frozen=True, rename="camel"):
    inventory_set_quantities: _Written | None = None


class _Quantity(Struct, frozen=True, rename="camel"):
    name: str
    quantity: wire.Level
    updated_at: wire.Moment | None = None


class _Level(Struct, frozen=True):
    quantities: tuple[_Quantity, ...]


class _StockItem(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    inventory_level: _Level | None = None


class ShopifySink:
    """Writes one shop. Every operation may be repeated with the same key."""

    def __init__(
        self, name: str, settings: ShopifySettings, *, client: Client, clock: Clock, transport: Transport
    ) -> None:
        self._name = name
        self._settings = settings
        self._client = client
        self._clock = clock
        self._orders = OrderReader(client)
        self._prices = PriceWriter(client)
        self._credit = CreditWriter(client)
        bulk = BulkRunner(settings, client=client, clock=clock, transport=transport)
        self._products = ProductWriter(name, client, bulk, clock, bulk_from=settings.bulk_from)
        self._listings = ListingWriter(client)
        self._companies = CompanyWriter(client)
        self._money = MoneyWriter(settings, client, clock)
        self._shipper = Shipper(client, self._orders, notify_customer=settings.notify_customer)
        self._mover = Mover(client, self._orders)

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The calls it can make, by name."""
        return OPERATIONS

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        """Make one call; one outcome per item, in order."""
        limit = OPERATIONS[operation].batch_items_max
        assert 0 < len(items) <= limit, f"{operation} takes 1 to {limit} items"
        try:
            if operation == "set_stock":
                return await self._set_stock(items, key)
            if operation == "read_stock":
                return await self._read_stock(items)
            if operation == "read_order":
                return await self._read_orders(items)
            if operation == "set_price":
                return await self._prices.set_own(items)
            if operation == "set_list_price":
                return await self._prices.set_lists(items)
            if operation == "set_credit":
                return await self._credit.set(items)
            if operation == "set_product":
                return await self._products.set(items, key)
            if operation == "set_wording":
                return await self._listings.translate(items)
            if operation == "set_listing":
                return await self._listings.publish(items)
            payload = items[0].payload
            if isinstance(payload, PutCustomer):
                return [await self._companies.put(payload)]
            if isinstance(payload, RecordPayment | CreateRefund | CancelOrder):
                return [await self._money.write(payload, key)]
            if isinstance(payload, MoveOrder):
                return [await self._mover.move(payload)]
            assert isinstance(payload, CreateShipment)
            return [await self._shipper.create(payload)]
        except AuthExpired:
            raise
        except SynclineError as error:
            return [outcome_of(error)] * len(items)

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        """Find a shipment again by its tracking number, and an ERP's money and returns by what we wrote on them."""
        payload = item.payload
        if isinstance(payload, RecordPayment | CreateRefund | CancelOrder):
            return await self._money.look_up(payload)
        if operation != "create_shipment":
            return None
        assert isinstance(payload, CreateShipment)
        return await self._shipper.look_up(payload)

    # --- stock --------------------------------------------------------------------------------------------

    async def _set_stock(self, items: Sequence[Item], key: str) -> list[Outcome]:
        outcomes: list[Outcome | None] = [_unfit(item.payload) for item in items]
        sent = [index for index, outcome in enumerate(outcomes) if outcome is None]
        if sent:
            quantities = []
            for index in sent:
                payload: SetStock = items[index].payload
                quantities.append(
                    {
                        "inventoryItemId": payload.stock_id,
                        "locationId": _location(payload.location),
                        "quantity": payload.quantity,
                        "changeFromQuantity": payload.expected,
                    },
                )
            variables = {
                "key": key,
                "input": {
                    "name": "available",
                    "reason": "correction",
                    "referenceDocumentUri": f"gid://syncline/Delivery/{key}",
                    "quantities": quantities,
                },
            }
            try:
                answer = await self._client.call(documents.SET_STOCK, variables, _StockSet)
                written = answer.inventory_set_quantities
                if written is None:
                    raise OutcomeUnknown("Shopify said nothing about the stock that was set")
                results = _stock_outcomes(len(sent), written.user_errors, written.inventory_adjustment_group)
            except AuthExpired:
                raise
            except SynclineError as error:
                results = [outcome_of(error)] * len(sent)
            for index, outcome in zip(sent, results, strict=True):
                outcomes[index] = outcome
        return [outcome or Outcome(Result.RETRY) for outcome in outcomes]

    async def _read_stock(self, items: Sequence[Item]) -> list[Outcome]:
        outcomes: list[Outcome | None] = [_unfit(item.payload) for item in items]
        asked = [index for index, outcome in enumerate(outcomes) if outcome is None]
        if asked:
            variables: dict[str, str] = {}
            for place, index in enumerate(asked):
                payload: ReadStock = items[index].payload
                variables[f"i{place}"] = payload.stock_id
                variables[f"l{place}"] = _location(payload.location)
            answer = await self._client.call(
                documents.read_levels(len(asked)), variables, dict[str, _StockItem | None]
            )
            for place, index in enumerate(asked):
                outcomes[index] = _level_outcome(items[index].payload, answer.get(f"s{place}"))
        return [outcome or Outcome(Result.RETRY) for outcome in outcomes]

    # --- orders -------------------------------------------------------------------------------------------

    async def _read_orders(self, items: Sequence[Item]) -> list[Outcome]:
        keys = [item.payload.key for item in items if isinstance(item.payload, ReadOrder)]
        assert len(keys) == len(items)
        odd = [not key.isascii() or not key.isdigit() or len(key) > 20 for key in keys]
        asked = [key for key, refused in zip(keys, odd, strict=True) if not refused]
        began_ms = self._clock.now_ms()
        answers = await self._orders.read(asked, urgent=True) if asked else []
        found = dict(zip(asked, answers, strict=True))
        outcomes = []
        for key, refused in zip(keys, odd, strict=True):
            if refused:
                outcomes.append(Outcome(Result.REJECTED, f"{key[:40]!r} is no order id of Shopify"))
                continue
            try:
                outcomes.append(await self._order_outcome(key, found[key], began_ms))
            except AuthExpired:
                raise
            except SynclineError as error:
                outcomes.append(outcome_of(error))
        return outcomes

    async def _order_outcome(self, key: str, first: wire.GqlOrder | None, began_ms: int) -> Outcome:
        if first is None:
            return Outcome(
                Result.REJECTED,
                f"Shopify knows no order {key}: it was deleted, or is older than 60 days and the app lacks "
                "the scope read_all_orders",
            )
        if (wait := _too_fresh(first, began_ms)) is not None:
            return wait
        order = await self._orders.complete(first, urgent=True)
        if (wait := _too_fresh(order, began_ms)) is not None:
            return wait
        updated_ms = to_ms(order.updated_at, "updatedAt")
        body = msgspec.json.encode(order)
        digest = hashlib.sha256(body).hexdigest()[:16]
        event = Event(
            system=self._name,
            topic="order.read",
            event_id=f"read:{key}@{updated_ms}:{digest}",
            via=Via.READ,
            occurred_at_ms=updated_ms,
            body=body,
        )
        return Outcome(Result.DONE, facts={"event": event})


def _too_fresh(order: wire.GqlOrder, began_ms: int) -> Outcome | None:
    """Stamps have whole seconds: an order is read when its second is over.

    It may change again under the same one, and that change would then look like what we hold already.
    """
    for stamp_ms in (to_ms(order.updated_at, "updatedAt"), places_ms(order)):
        if 0 <= began_ms - stamp_ms < STAMP_MS:
            wait_s = (stamp_ms + ORDER_STAMP_MS - began_ms) / 1000
            words = f"order {order.name} changed in this very second"
            return Outcome(Result.WAIT, words, retry_after_s=wait_s)
    return None


def _location(text: str) -> str:
    return f"gid://shopify/Location/{text}"


def _unfit(payload: Any) -> Outcome | None:
    """Refuse an address that cannot be one, instead of letting it spoil a whole batch."""
    assert isinstance(payload, SetStock | ReadStock)
    if (
        not payload.stock_id.startswith("gid://shopify/InventoryItem/")
        or not number(payload.stock_id).isdigit()
    ):
        return Outcome(
            Result.REJECTED,
            f"{payload.sku}: {payload.stock_id!r} is no inventory item of Shopify; read the catalog again",
        )
    if not payload.location.isascii() or not payload.location.isdigit():
        return Outcome(
            Result.REJECTED,
            f"{payload.sku}: {payload.location!r} is no location of Shopify; use the number at the end of the "
            "location's address in the admin",
        )
    return None


def _stock_outcomes(count: int, errors: Sequence[UserError], group: _Group | None = None) -> list[Outcome]:
    """One outcome per line. A call is all or nothing: any error means that nothing was applied."""
    if not errors:
        # Without a group nothing had to be changed, and there is no moment at which it was.
        return [Outcome(Result.DONE, facts=_stamp(group.created_at if group else None))] * count
    named: dict[int, UserError] = {}
    for error in errors:
        index = _index(error.field, count)
        if index is not None:
            # A line that is refused for good stays refused, whatever else is said of it.
            if index not in named or named[index].code in _STALE:
                named[index] = error
            continue
        words = f"Shopify: {error.message}"
        if error.code == "IDEMPOTENCY_CONCURRENT_REQUEST":
            return [Outcome(Result.UNKNOWN, words, retry_after_s=1.0)] * count
        if error.code in _NEW_KEY or error.code in _STALE:
            # An earlier call under this key failed and its answer was lost: perhaps it was stale. So
            # the numbers are read again; the same numbers are never sent twice.
            return [Outcome(Result.STALE, words, facts={"refuted": error.code in _STALE})] * count
        return [Outcome(Result.REJECTED, words)] * count
    outcomes = []
    for index in range(count):
        refusal = named.get(index)
        if refusal is None:
            # Nothing is wrong with this line: it goes again at once, under a new key, and does not count.
            outcomes.append(Outcome(Result.WAIT, "batch refused because of others", retry_after_s=0.0))
        elif refusal.code in _STALE:
            outcomes.append(Outcome(Result.STALE, f"Shopify: {refusal.message}"))
        else:
            outcomes.append(Outcome(Result.REJECTED, f"Shopify: {refusal.message}"))
    return outcomes


def _index(field: tuple[str, ...] | None, count: int) -> int | None:
    """Which line an error names: ``["input", "quantities", "7", "quantity"]`` -> 7."""
    if field and "quantities" in field:
        rest = field[field.index("quantities") + 1 :]
        if rest and rest[0].isascii() and rest[0].isdigit() and int(rest[0]) < count:
            return int(rest[0])
    return None


def _level_outcome(payload: ReadStock, found: _StockItem | None) -> Outcome:
    if found is None:
        return Outcome(
            Result.REJECTED,
            f"{payload.sku}: Shopify no longer knows {payload.stock_id}; its variant was deleted or replaced, "
            "so read the catalog again",
        )
    if found.inventory_level is None:
        return Outcome(
            Result.REJECTED,
            f"{payload.sku}: not stocked at this location ({payload.location}); in Shopify open the product, "
            "Inventory, Edit locations, and tick it",
        )
    told = {entry.name: entry for entry in found.inventory_level.quantities}
    available, reserved = told.get("available"), told.get("reserved")
    if available is None:
        return Outcome(Result.RETRY, f"{payload.sku}: Shopify did not say what is available")
    facts = {"held": available.quantity, "reserved": reserved.quantity if reserved is not None else 0}
    return Outcome(Result.DONE, facts=facts | _stamp(available.updated_at))


def _stamp(moment: datetime | None) -> dict[str, int]:
    """When the number became what it is, by Shopify's clock; nothing where that cannot be understood.

    What the call did is known without it, so it spoils nothing.
    """
    try:
        return {} if moment is None else {"stamp_ms": to_ms(moment, "a stamp")}
    except Rejected:
        return {}
