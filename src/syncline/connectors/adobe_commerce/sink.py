"""The writing side: source items, orders read on demand, shipments, prices, products."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client
from syncline.connectors.adobe_commerce.companies import CompanyWriter
from syncline.connectors.adobe_commerce.credit import CreditWriter
from syncline.connectors.adobe_commerce.manifest import ORDER_STAMP_MS, AdobeCommerceSettings, operations_of
from syncline.connectors.adobe_commerce.money import MoneyWriter
from syncline.connectors.adobe_commerce.orders import OrderReader
from syncline.connectors.adobe_commerce.prices import PriceWriter
from syncline.connectors.adobe_commerce.products import ProductWriter
from syncline.connectors.adobe_commerce.shipments import Shipper
from syncline.connectors.adobe_commerce.stock import Stock, outcome_of
from syncline.connectors.adobe_commerce.wire import to_ms
from syncline.model.change import Event, Via
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Rejected, SynclineError
from syncline.model.payloads import (
    CancelOrder,
    CreateRefund,
    CreateShipment,
    PutCustomer,
    ReadOrder,
    RecordPayment,
    SetStock,
)
from syncline.ports import Clock, Transport

STAMP_MS = 1000  # `updated_at` has whole seconds


class AdobeCommerceSink:
    """Writes one shop. Numbers are set whatever was there; shipments are looked for before they are made."""

    def __init__(
        self,
        name: str,
        settings: AdobeCommerceSettings,
        *,
        client: Client,
        clock: Clock,
        outside: Transport | None = None,
    ) -> None:
        self._name = name
        self._clock = clock
        self._operations = operations_of(settings)
        self._stock = Stock(settings, client)
        self._orders = OrderReader(client, page_size=settings.page_size)
        self._shipper = Shipper(settings, client)
        self._prices = PriceWriter(settings, client)
        self._credit = CreditWriter(client)
        self._products = ProductWriter(name, settings, client, clock, self._stock, outside)
        self._companies = CompanyWriter(client)
        self._money = MoneyWriter(client)

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The calls it can make, by name."""
        return self._operations

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        """Make one call; one outcome per item, in order."""
        limit = self._operations[operation].batch_items_max
        assert 0 < len(items) <= limit, f"{operation} takes 1 to {limit} items"
        try:
            if operation == "set_stock":
                return await self._stock.write(items)
            if operation == "read_stock":
                return await self._stock.read(items)
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
                return await self._products.translate(items)
            if operation == "set_listing":
                return await self._products.publish(items)
            payload = items[0].payload
            if isinstance(payload, PutCustomer):
                return [await self._companies.put(payload)]
            if isinstance(payload, RecordPayment | CreateRefund | CancelOrder):
                return [await self._money.write(payload)]
            assert isinstance(payload, CreateShipment)
            return [await self._shipper.create(payload)]
        except AuthExpired:
            raise
        except SynclineError as error:
            return [outcome_of(error)] * len(items)

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        """What became of a queued number, or what was made for a parcel, a payment, a return or a cancellation."""
        payload = item.payload
        if isinstance(payload, SetStock):
            return await self._stock.ended(payload)
        if isinstance(payload, CreateShipment):
            return await self._shipper.look_up(payload)
        if isinstance(payload, RecordPayment | CreateRefund | CancelOrder):
            return await self._money.look_up(payload)
        return None

    async def _read_orders(self, items: Sequence[Item]) -> list[Outcome]:
        keys = [item.payload.key for item in items if isinstance(item.payload, ReadOrder)]
        assert len(keys) == len(items)
        asked = [key for key in dict.fromkeys(keys) if key.isascii() and key.isdigit() and len(key) <= 18]
        began_ms = self._clock.now_ms()
        found = await self._orders.read(asked) if asked else {}
        return [self._order_outcome(key, found.get(key), began_ms) for key in keys]

    def _order_outcome(self, key: str, found: wire.WholeOrder | Rejected | None, began_ms: int) -> Outcome:
        if found is None:
            return Outcome(
                Result.REJECTED, f"Adobe Commerce knows no order {key[:40]!r}; it was deleted there"
            )
        try:
            if isinstance(found, Rejected):
                raise found
            updated_ms = to_ms(found.order.updated_at, "updated_at")
        except Rejected as error:
            return Outcome(Result.REJECTED, str(error))
        if 0 <= began_ms - updated_ms < STAMP_MS:
            # The order may change again under the same stamp, and that change would then look like what we hold
            # already; so it is read when its second is over.
            wait_s = (updated_ms + ORDER_STAMP_MS - began_ms) / 1000
            told = f"order {found.order.increment_id} changed in this very second"
            return Outcome(Result.WAIT, told, retry_after_s=wait_s)
        body = msgspec.json.encode(found)
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
