"""What an adoption reads of a shop: every product, source, customer and order, whatever is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import msgspec

from syncline.connectors.adobe_commerce import mapping, wire
from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.source import OrdersPosition
from syncline.connectors.adobe_commerce.stock import Stock
from syncline.connectors.adobe_commerce.wire import Found, to_ms, to_stamp
from syncline.model.census import ListedCustomer, ListedItem, ListedOrder, ListedPlace
from syncline.model.change import Cursor
from syncline.model.errors import Misconfigured, Rejected, Retryable
from syncline.ports import CensusPage, Clock

PAGES_MAX = 100_000
SOURCES_MAX = 200
DONE = frozenset({"complete", "closed", "canceled"})  # nothing is to be sent any more
SINCE = "1970-01-01 00:00:00"


class AdobeCommerceCensus:
    """One shop, listed. Reading has no effect."""

    def __init__(self, name: str, settings: AdobeCommerceSettings, *, client: Client, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._client = client
        self._clock = clock
        self._stock = Stock(settings, client)

    async def read(
        self, what: str, position: str, *, fields: Sequence[str] = (), places: Sequence[str] = ()
    ) -> AsyncIterator[CensusPage]:
        """List from a position; products and customers by id, orders by their last change."""
        if fields:
            raise Misconfigured(f"Adobe Commerce lists no field {fields[0]!r} of a product; sku it does")
        if what == "places":
            yield CensusPage(tuple(await self._sources()), "", last=True)
            return
        if what == "orders" and position:
            # A change of the same second, or one that became visible late, stands before it.
            seen_ms = _ms(position.partition("/")[0])
            position = f"{to_stamp(seen_ms - self._settings.order_overlap_s * 1000)}/0"
        if what == "items":
            places = places or [place.id for place in await self._sources()]
        for _ in range(PAGES_MAX):
            if what == "items":
                page = await self._items(position, places)
            elif what == "customers":
                page = await self._customers(position)
            else:
                page = await self._orders(position)
            yield page
            if page.last:
                return
            if page.position == position:
                raise Retryable(f"the shop's pages of {what} lead in circles")
            position = page.position
        raise Retryable(f"reading {what} did not end after {PAGES_MAX} pages")

    async def begin(self) -> tuple[Cursor, ...]:
        """The stream of orders goes on from the newest change, less its overlap."""
        began_ms = self._clock.now_ms()
        search = Search(size=1, fields="entity_id,updated_at").order("updated_at", "DESC")
        newest = await self._client.get("orders", search.pairs(), Found[wire.OrderStamp], urgent=True)
        seen_ms = max((_ms(row.updated_at) for row in newest.items), default=0)
        floor_ms = max(0, seen_ms - self._settings.order_overlap_s * 1000)
        position = msgspec.json.encode(OrdersPosition(floor_ms, floor_ms)).decode()
        return (Cursor(self._name, "orders", position, began_ms),)

    async def _sources(self) -> list[ListedPlace]:
        search = Search(size=SOURCES_MAX)
        found = await self._client.get("inventory/sources", search.pairs(), Found[wire.Source])
        return [ListedPlace(row.source_code, row.name) for row in found.items if row.enabled]

    async def _items(self, position: str, places: Sequence[str]) -> CensusPage:
        search = Search(size=self._settings.page_size, fields="id,sku,name,type_id,updated_at")
        search.where(("entity_id", "gt", position or "0")).order("entity_id")
        found = await self._client.get("products", search.pairs(), Found[wire.Product])
        kept = [row for row in found.items if row.type_id in mapping.SOLD_KINDS]
        held: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in await self._stock.rows([row.sku for row in kept], places) if kept and places else ():
            held[row.sku] += row.quantity
        rows = tuple(ListedItem(str(row.id), row.sku, row.name, quantity=held[row.sku]) for row in kept)
        last = found.total_count <= len(found.items) or not found.items
        return CensusPage(rows, str(found.items[-1].id) if found.items else position, last)

    async def _customers(self, position: str) -> CensusPage:
        search = Search(size=self._settings.page_size, fields="id,email,firstname,lastname")
        search.where(("entity_id", "gt", position or "0")).order("entity_id")
        found = await self._client.get("customers/search", search.pairs(), Found[wire.Customer])
        rows = tuple(
            ListedCustomer(
                str(row.id), " ".join(x for x in (row.firstname, row.lastname) if x), row.email or ""
            )
            for row in found.items
        )
        last = found.total_count <= len(found.items) or not found.items
        return CensusPage(rows, rows[-1].id if rows else position, last)

    async def _orders(self, position: str) -> CensusPage:
        """A position is a stamp and an id; the next page begins after both."""
        at, _, after = position.partition("/")
        search = Search(size=self._settings.page_size).where(("updated_at", "gteq", at or SINCE))
        search.where(("updated_at", "gt", at or SINCE), ("entity_id", "gt", after or "0"))
        search.order("updated_at").order("entity_id")
        found = await self._client.get("orders", search.pairs(), Found[wire.OrderHead])
        rows = tuple(map(_listed, found.items))
        if rows:
            position = f"{to_stamp(rows[-1].updated_at_ms)}/{rows[-1].key}"
        return CensusPage(rows, position, found.total_count <= len(found.items) or not rows)


def _listed(row: wire.OrderHead) -> ListedOrder:
    try:
        total = wire.amount(row.base_grand_total, "base_grand_total")
    except Rejected as error:
        raise Retryable(str(error)) from None
    return ListedOrder(
        key=str(row.entity_id),
        number=row.increment_id,
        placed_at_ms=_ms(row.created_at),
        updated_at_ms=_ms(row.updated_at),
        total=total,
        currency=row.base_currency_code,
        open=row.state not in DONE,
        cancelled=row.state == "canceled",
    )


def _ms(stamp: str) -> int:
    try:
        return to_ms(stamp, "a stamp")
    except Rejected as error:
        raise Retryable(str(error)) from None
