"""What can be read again for comparison: every product with what its sources state, and orders as they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from syncline.connectors.adobe_commerce import mapping, wire
from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.companies import CompanyReader
from syncline.connectors.adobe_commerce.credit import CreditReader
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.prices import PriceReader
from syncline.connectors.adobe_commerce.productreads import ShelfReader
from syncline.connectors.adobe_commerce.source import position_of
from syncline.connectors.adobe_commerce.stock import Stock
from syncline.connectors.adobe_commerce.wire import Found, to_ms, to_stamp
from syncline.model.change import Cursor, Kind
from syncline.model.errors import Rejected, Retryable
from syncline.model.readings import Placed, Shown
from syncline.model.records import Item
from syncline.ports import Clock, Part, Rereads, Transport

ORDERS_MAX = 50  # in one call

T = TypeVar("T")


class Rereader:
    """Reads of one shop; each has no effect and may be repeated."""

    def __init__(
        self,
        settings: AdobeCommerceSettings,
        *,
        client: Client,
        clock: Clock,
        outside: Transport | None = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._stock = Stock(settings, client)
        self._outside = outside

    def rereads(self) -> Rereads:
        """As the engine asks for them."""
        return Rereads(
            shown=self.shown,
            shown_of=self.shown_of,
            placed=self.placed,
            placed_of=self.placed_of,
            contents={
                Kind.PRICE: PriceReader(self._settings, self._client, self._clock).read,
                Kind.PRODUCT: ShelfReader(self._settings, self._client, self._clock, self._outside).read,
                Kind.CUSTOMER: CompanyReader(self._client, self._clock).read,
                Kind.CREDIT: CreditReader(self._client, self._clock).read,
            },
        )

    # --- stock ------------------------------------------------------------------------------------

    async def shown(self, locations: Sequence[str], after: str) -> Part[Shown]:
        """One page of products, in the order of their ids."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        search = Search(size=self._settings.page_size, fields="id,sku,type_id,updated_at")
        search.where(("entity_id", "gt", after or "0")).order("entity_id")
        found = await self._read("products", search, Found[wire.Product])
        items = [(str(row.id), row.sku) for row in found.items if row.type_id in mapping.SOLD_KINDS]
        rows = await self._numbers(items, locations)
        more = found.total_count > len(found.items) and bool(found.items)
        return Part(
            rows, began_ms, str(found.items[-1].id) if more else "", self._clock.monotonic() - began_s
        )

    async def shown_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Shown]:
        """Some products; those that are gone are left out."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        ids = {
            item.external_id for item in items if item.external_id.isascii() and item.external_id.isdigit()
        }
        rows: list[Shown] = []
        for start in range(0, len(ids), self._settings.page_size):
            some = sorted(ids, key=int)[start : start + self._settings.page_size]
            search = Search(size=self._settings.page_size, fields="id,sku,type_id,updated_at")
            search.where(("entity_id", "in", ",".join(some)))
            found = await self._read("products", search, Found[wire.Product])
            rows += await self._numbers([(str(row.id), row.sku) for row in found.items], locations)
        return Part(tuple(rows), began_ms, "", self._clock.monotonic() - began_s)

    async def _numbers(self, items: Sequence[tuple[str, str]], locations: Sequence[str]) -> tuple[Shown, ...]:
        if not items or not locations:
            return tuple(Shown(number, sku, {}) for number, sku in items)
        rows = await self._stock.rows([sku for _, sku in items], locations)
        try:
            held = {(row.sku, row.source_code): wire.units(row.quantity, row.sku) for row in rows}
        except Rejected as error:
            raise Retryable(str(error)) from None
        return tuple(
            Shown(number, sku, {at: held.get((sku, at)) for at in locations}) for number, sku in items
        )

    # --- orders -----------------------------------------------------------------------------------

    async def placed(self, since_ms: int, cursor: Cursor | None, after: str) -> Part[Placed]:
        """One page of orders that changed since a moment, in the order of their ids; never what was before us."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        ours_ms = position_of(cursor).floor_ms if cursor else self._settings.orders_since_ms
        floor_ms = max(since_ms, ours_ms or 0)
        search = Search(size=self._settings.page_size).where(("updated_at", "gteq", to_stamp(floor_ms)))
        search.where(("entity_id", "gt", after or "0")).order("entity_id")
        found = await self._read("orders", search, Found[msgspec.Raw])
        rows = tuple(map(self._placed, found.items))
        more = found.total_count > len(found.items) and bool(rows)
        kept = tuple(row for row in rows if row.updated_at_ms >= floor_ms)
        return Part(kept, began_ms, rows[-1].key if more else "", self._clock.monotonic() - began_s)

    async def placed_of(self, keys: Sequence[str]) -> Part[Placed]:
        """Some orders as they are listed; unknown ones are left out."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        numbers = [key for key in keys if key.isascii() and key.isdigit()]  # no other key is an order's
        rows: list[Placed] = []
        for start in range(0, len(numbers), ORDERS_MAX):
            search = Search(size=ORDERS_MAX)
            search.where(("entity_id", "in", ",".join(numbers[start : start + ORDERS_MAX])))
            found = await self._read("orders", search, Found[msgspec.Raw])
            rows += map(self._placed, found.items)
        return Part(tuple(rows), began_ms, "", self._clock.monotonic() - began_s)

    def _placed(self, raw: msgspec.Raw) -> Placed:
        return _placed(raw, redeemed=self._settings.redeemed == "payment")

    async def _read(self, path: str, search: Search, answer: type[T]) -> T:
        try:
            return await self._client.get(path, search.pairs(), answer)
        except Rejected as error:  # what refuses a reading can be mended while we wait
            raise Retryable(str(error)) from error


def _placed(raw: msgspec.Raw, *, redeemed: bool) -> Placed:
    """An order's head; its total is what is left of it, where that can be reckoned."""
    try:
        head = wire.decode(raw, wire.OrderHead, "order")
        try:
            order = mapping.order_from_event(wire.decode(raw, wire.Order, "order"), redeemed=redeemed)
            total, cancelled = order.total, order.cancelled_at_ms is not None
        except Rejected:
            total, cancelled = (
                wire.amount(head.base_grand_total, "base_grand_total"),
                head.state == "canceled",
            )
        return Placed(
            str(head.entity_id),
            head.increment_id,
            to_ms(head.created_at, "created_at"),
            to_ms(head.updated_at, "updated_at"),
            cancelled,
            total,
        )
    except Rejected as error:
        raise Retryable(str(error)) from None
