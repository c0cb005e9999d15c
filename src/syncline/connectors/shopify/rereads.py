"""What can be read again for comparison: every variant with what it shows, and orders as they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client
from syncline.connectors.shopify.companies import CompanyReader
from syncline.connectors.shopify.documents import Document
from syncline.connectors.shopify.manifest import ShopifySettings
from syncline.connectors.shopify.prices import PriceReader
from syncline.connectors.shopify.productreads import ShelfReader
from syncline.connectors.shopify.source import orders_floor_ms, search_stamp
from syncline.connectors.shopify.wire import number, to_ms
from syncline.model.change import Cursor, Kind
from syncline.model.errors import Rejected, Retryable
from syncline.model.readings import Placed, Shown
from syncline.model.records import Item
from syncline.ports import Clock, Part, Rereads

# Shopify refuses to page deeper than 25,000 objects (https://shopify.dev/docs/api/usage/limits).
OBJECTS_PER_QUERY = 22_500
ORDERS_MAX = 100  # in one call
POINTS_MAX = 900

T = TypeVar("T")


class _Quantity(Struct, frozen=True):
    name: str
    quantity: wire.Level


class _Level(Struct, frozen=True):
    quantities: tuple[_Quantity, ...]


class _Variants(Struct, frozen=True, rename="camel"):
    product_variants: wire.Connection[dict[str, Any]]


class _Placed(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    name: str
    created_at: wire.Moment
    updated_at: wire.Moment
    current_total_price_set: wire.MoneyBag
    cancelled_at: wire.Moment | None = None


class _Orders(Struct, frozen=True):
    orders: wire.Connection[_Placed]


class _Place(Struct, frozen=True):
    """Where a walk stands: the page's cursor within a query that begins after an id, and how deep in it."""

    after: str | None = None
    since: str = ""
    deep: int = 0


class Rereader:
    """Reads one shop again. Costs are points as we bound them; the governor is told the real ones."""

    def __init__(self, settings: ShopifySettings, *, client: Client, clock: Clock) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock

    def rereads(self) -> Rereads:
        """What a shop offers."""
        return Rereads(
            shown=self.shown,
            shown_of=self.shown_of,
            placed=self.placed,
            placed_of=self.placed_of,
            contents={
                Kind.PRICE: PriceReader(self._client, self._clock).read,
                Kind.PRODUCT: ShelfReader(self._client, self._clock).read,
                Kind.CUSTOMER: CompanyReader(self._client, self._clock).read,
            },
        )

    # --- stock ------------------------------------------------------------------------------------

    async def shown(self, locations: Sequence[str], after: str) -> Part[Shown]:
        """One page of variants, in the order of their ids."""
        place = _place(after)
        began_ms = self._clock.now_ms()
        document = documents.shown(len(locations))
        answer = await self._call(
            document,
            {
                "query": f"id:>{place.since}" if place.since else None,
                "after": place.after,
                **_locations(locations),
            },
            _Variants,
        )
        nodes = answer.product_variants.nodes
        rows = [_shown(node, locations) for node in nodes]
        info = answer.product_variants.page_info
        moved = self._moved(place, info, [row.external_id for row in rows])
        # A search by id may count a variant's stock id as well, and then repeats the one that it begins after.
        fresh = tuple(row for row in rows if int(number(row.external_id)) > int(place.since or 0))
        return Part(fresh, began_ms, moved, documents.requested_cost(document.text))

    async def shown_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Shown]:
        """Some variants; those that are gone are left out."""
        began_ms = self._clock.now_ms()
        step = max(1, POINTS_MAX // (2 + 2 * len(locations)))
        rows: list[Shown] = []
        cost = 0
        for start in range(0, len(items), step):
            some = items[start : start + step]
            document = documents.shown_of(len(some), len(locations))
            variables = {f"v{i}": item.external_id for i, item in enumerate(some)}
            answer = await self._call(
                document, {**variables, **_locations(locations)}, dict[str, dict[str, Any] | None]
            )
            rows += [_shown(node, locations) for node in answer.values() if node is not None]
            cost += documents.requested_cost(document.text)
        return Part(tuple(rows), began_ms, "", cost)

    # --- orders -----------------------------------------------------------------------------------

    async def placed(self, since_ms: int, cursor: Cursor | None, after: str) -> Part[Placed]:
        """One page of orders that changed since a moment, in the order of their ids; never what was before us."""
        place = _place(after)
        began_ms = self._clock.now_ms()
        floor_ms = max(since_ms, orders_floor_ms(cursor, self._settings) or 0)
        query = f"updated_at:>='{search_stamp(floor_ms)}'" + (f" id:>{place.since}" if place.since else "")
        answer = await self._call(documents.PLACED, {"query": query, "after": place.after}, _Orders)
        nodes = answer.orders.nodes
        rows = tuple(row for row in map(_placed, nodes) if row.updated_at_ms >= floor_ms)
        moved = self._moved(place, answer.orders.page_info, [node.id for node in nodes])
        return Part(rows, began_ms, moved, documents.requested_cost(documents.PLACED.text))

    async def placed_of(self, keys: Sequence[str]) -> Part[Placed]:
        """Some orders as they are listed; the shop shows none that are unknown, or too old for our scopes."""
        began_ms = self._clock.now_ms()
        numbers = [key for key in keys if key.isascii() and key.isdigit()]  # no other key is an order's
        rows: list[Placed] = []
        cost = 0
        for start in range(0, len(numbers), ORDERS_MAX):
            some = numbers[start : start + ORDERS_MAX]
            document = documents.placed_of(len(some))
            variables = {f"o{i}": f"gid://shopify/Order/{key}" for i, key in enumerate(some)}
            answer = await self._call(document, variables, dict[str, _Placed | None])
            rows += [_placed(node) for node in answer.values() if node is not None]
            cost += documents.requested_cost(document.text)
        return Part(tuple(rows), began_ms, "", cost)

    # --- one call ---------------------------------------------------------------------------------

    async def _call(self, document: Document, variables: dict[str, Any], answer: type[T]) -> T:
        try:
            return await self._client.call(document, variables, answer)
        except Rejected as error:  # what refuses a reading can be mended while we wait
            raise Retryable(str(error)) from error

    @staticmethod
    def _moved(place: _Place, info: wire.PageInfo, ids: Sequence[str]) -> str:
        """Where the next page begins; "" after the last."""
        if not info.has_next_page or not ids:
            return ""
        if not info.end_cursor or info.end_cursor == place.after:
            raise Retryable("Shopify's paging leads in circles (the end cursor is empty or came before)")
        deep = place.deep + len(ids)
        if deep >= OBJECTS_PER_QUERY:
            if int(number(ids[-1])) <= int(place.since or 0):
                raise Retryable("Shopify's paging leads in circles (a page ends where it began)")
            return msgspec.json.encode(_Place(since=number(ids[-1]))).decode()
        return msgspec.json.encode(_Place(info.end_cursor, place.since, deep)).decode()


def _place(after: str) -> _Place:
    return msgspec.json.decode(after, type=_Place) if after else _Place()


def _locations(locations: Sequence[str]) -> dict[str, str]:
    return {f"l{i}": f"gid://shopify/Location/{number(at)}" for i, at in enumerate(locations)}


def _shown(node: dict[str, Any], locations: Sequence[str]) -> Shown:
    try:
        item = node["inventoryItem"]
        numbers: dict[str, int | None] = {}
        for i, at in enumerate(locations):
            level = item[f"l{i}"]
            if level is None:
                numbers[at] = None
                continue
            read = msgspec.convert(level, type=_Level)
            numbers[at] = next(one.quantity for one in read.quantities if one.name == "available")
        return Shown(str(node["id"]), node["sku"] or "", numbers, bool(item["tracked"]))
    except (KeyError, TypeError, StopIteration, msgspec.ValidationError) as error:
        raise Retryable(f"a variant has another shape than the schema: {error!r}") from None


def _placed(node: _Placed) -> Placed:
    try:
        return Placed(
            number(node.id),
            node.name,
            to_ms(node.created_at, "createdAt"),
            to_ms(node.updated_at, "updatedAt"),
            node.cancelled_at is not None,
            Decimal(node.current_total_price_set.shop_money.amount),
        )
    except Rejected as error:
        raise Retryable(str(error)) from None
