"""The streams: what changed by the database's row version or by stamp, and everything by key.

Stock levels and shipments come from our extension, whose rows carry the row version. Every version below the lowest
active one is committed (AL, ``Database.MinimumActiveRowVersion``), so these reads need no overlap. Orders come from
the standard page, which has a stamp only: it is set when a row is written and seen when the transaction ends, so each
read goes back by the longest time that one may take.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import NamedTuple

import msgspec

from syncline.connectors.business_central import rows
from syncline.connectors.business_central.client import PAGE, Client, Missing, Row, quoted
from syncline.connectors.business_central.credit import CreditScan
from syncline.connectors.business_central.customers import CustomerScan
from syncline.connectors.business_central.gone import Deletions
from syncline.connectors.business_central.manifest import (
    CREDIT,
    CUSTOMERS,
    DELETIONS,
    EXTENSION,
    ITEMS,
    LEVELS,
    LOOK_UP_WINDOW_MS,
    ORDERS,
    PAYMENTS,
    PRICES,
    PRODUCTS,
    RETURNS,
    SHIPMENTS,
    STOCK,
    BusinessCentralSettings,
)
from syncline.connectors.business_central.money import Money
from syncline.connectors.business_central.owed import OwedLevels
from syncline.connectors.business_central.places import Places
from syncline.connectors.business_central.prices import PriceScan
from syncline.connectors.business_central.products import ProductScan
from syncline.connectors.business_central.reading import Reading
from syncline.model.change import Cursor, Event, Kind, Via
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Page

PAGES_MAX = 10_000
FIRST_LOOK_BACK_MS = 24 * 3600 * 1000  # of the orders; older ones are in the levels that are read whole
REMEMBERED_MAX = 100_000


class Place(msgspec.Struct, frozen=True):
    """A cursor's position between reads and within one.

    ``mark`` is what the last whole read reached: a row version, or the product's clock in milliseconds. Within a read,
    ``next`` is what it will have reached, ``at`` the last row version or number read, ``follow`` the next page's
    address; ``began`` is our clock, 0 between reads.
    """

    mark: int = 0
    next: int = 0
    at: str = ""
    follow: str = ""
    began: int = 0


class Mark(NamedTuple):
    """Where the product stands: its lowest active row version, and its clock, when we asked at ``asked_ms``."""

    version: int
    clock_ms: int
    asked_ms: int


def _place(cursor: Cursor | None) -> Place:
    return msgspec.json.decode(cursor.position, type=Place) if cursor and cursor.position else Place()


class Reads:
    """Reads one company."""

    def __init__(
        self,
        system: str,
        settings: BusinessCentralSettings,
        clock: Clock,
        client: Client,
        places: Places,
        owed: OwedLevels,
    ) -> None:
        self._owed = owed
        self._began = False  # whether this process has read levels to the end
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._places = places
        self._orders: OrderedDict[str, str] = OrderedDict()  # versions that were told, by id
        self._items: OrderedDict[str, str] = OrderedDict()  # events that were told, by SKU
        reading = Reading(system, settings, clock, client, self._erp_now)
        self._credit = CreditScan(reading)
        self._prices = PriceScan(reading)
        self._products = ProductScan(reading)
        self._customers = CustomerScan(reading)
        self._deletions = Deletions(reading)
        self._money = Money(reading, places)

    def readers(self) -> dict[str, Callable[[Cursor | None], AsyncGenerator[Page, None]]]:
        """What reads each stream."""
        return {
            LEVELS.name: self.levels,
            ORDERS.name: self.orders,
            SHIPMENTS.name: self.shipments,
            STOCK.name: self.stock,
            ITEMS.name: self.items,
            PRICES.name: self._prices.read,
            PRODUCTS.name: self._products.read,
            CUSTOMERS.name: self._customers.read,
            PAYMENTS.name: self._money.payments,
            RETURNS.name: self._money.returns,
            CREDIT.name: self._credit.read,
            DELETIONS.name: self._deletions.read,
        }

    async def mark(self) -> Mark:
        """Where the product stands now.

        Raises:
            Retryable: the extension does not tell.
        """
        asked_ms = self._clock.now_ms()
        try:
            found = await self._client.rows("changeMarks", api=EXTENSION)
        except Missing as error:
            raise Retryable(f"Our extension does not answer; is it installed? {error}") from error
        try:
            return Mark(
                int(found[0]["minimumActiveRowVersion"]), rows.instant(found[0].get("asOf")), asked_ms
            )
        except (IndexError, KeyError, TypeError, ValueError, Rejected) as error:
            raise Retryable("Our extension does not tell where its changes stand.") from error

    async def _erp_now(self) -> int:
        """The product's clock."""
        return (await self.mark()).clock_ms

    def _cursor(self, stream: str, place: Place, covers_ms: int) -> Cursor:
        return Cursor(self._system, stream, msgspec.json.encode(place).decode(), covers_ms)

    # -- by row version -----------------------------------------------------------------------

    async def levels(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Levels that changed, from everything on where there is no cursor."""
        reached = cursor
        async for page in self._by_version(LEVELS.name, "stockLevels", {}, cursor, self._levels):
            if page.last and reached is not None:  # before it ends: what it confirms has to have been told
                async for events in self._again(cursor):
                    if events:
                        yield Page(events, reached, last=False)
            self._began = self._began or page.last
            yield page
            reached = page.cursor

    def _levels(self, found: Sequence[Row], began_ms: int) -> list[Event]:
        for row in found:
            self._owed.read(rows.text(row, "itemId"), rows.text(row, "locationCode"), began_ms)
        levels = [rows.stock_row(x, self._settings.variant_separator, began_ms=began_ms) for x in found]
        return rows.stock_events(self._system, levels, Via.POLL)

    async def _again(self, cursor: Cursor | None) -> AsyncGenerator[tuple[Event, ...], None]:
        """Levels that have not changed since they were told, and were told too early; see ``owed``."""
        if cursor is not None and not self._began:
            yield await self._before_the_start(cursor)
        while items := self._owed.due():
            began_ms = self._clock.now_ms()
            wanted = " or ".join(f"itemId eq {item}" for item in items)
            found = await self._client.rows("stockLevels", {"filter": wanted}, api=EXTENSION)
            yield tuple(self._levels(found, began_ms))
            self._owed.done(items, began_ms)

    async def _before_the_start(self, cursor: Cursor) -> tuple[Event, ...]:
        """What another process may have owed: levels that changed shortly before its last read, and not since."""
        mark = await self.mark()
        ahead_ms = mark.clock_ms - mark.asked_ms
        since_ms = cursor.covers_ms + ahead_ms - LOOK_UP_WINDOW_MS - self._settings.poll_overlap_s * 1000
        query = {
            "filter": f"lastModifiedDateTime gt {rows.iso(since_ms)} and rowVersion le {_place(cursor).mark}"
        }
        began_ms = self._clock.now_ms()
        return tuple(self._levels(await self._client.rows("stockLevels", query, api=EXTENSION), began_ms))

    async def shipments(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Shipments of orders with an external document number that were posted or changed."""

        def events(found: Sequence[Row], _: int) -> list[Event]:
            return [
                self._sound("shipment.row", x, rows.shipment_event, self._settings.variant_separator)
                for x in found
            ]

        options = {"expand": "shipmentLines"}
        reading = self._by_version(SHIPMENTS.name, "shipments", options, cursor, events)
        async for page in reading:
            yield page

    async def _by_version(
        self,
        stream: str,
        entity: str,
        options: dict[str, str],
        cursor: Cursor | None,
        events: Callable[[Sequence[Row], int], list[Event]],
    ) -> AsyncGenerator[Page, None]:
        place = _place(cursor)
        covers_ms = cursor.covers_ms if cursor else 0
        if not place.began:
            mark = await self.mark()
            # Versions from the lowest active one on are read again: some of them cannot be seen yet.
            place = Place(place.mark, mark.version - 1, str(place.mark), "", mark.asked_ms)
        for _ in range(PAGES_MAX):
            query = {
                "filter": f"rowVersion gt {place.at}" + _OURS.get(entity, ""),
                "orderby": "rowVersion",
                "top": str(PAGE),
                **options,
            }
            began_ms = self._clock.now_ms()
            found, _follow = await self._client.page(self._client.url(entity, query, EXTENSION))
            told = tuple(events(found, began_ms))
            if len(found) < PAGE:
                done = Place(max(place.next, place.mark))
                yield Page(told, self._cursor(stream, done, place.began), last=True)
                return
            place = msgspec.structs.replace(place, at=self._version(found[-1], place))
            yield Page(told, self._cursor(stream, place, covers_ms), last=False)
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of changed {entity}.")

    @staticmethod
    def _version(row: Row, place: Place) -> str:
        try:
            version = int(row["rowVersion"])
        except (KeyError, TypeError, ValueError) as error:
            raise Retryable("Business Central returned a row without its version.") from error
        if version <= int(place.at):
            raise Retryable("Business Central returned rows out of order.")
        return str(version)

    def _sound(self, topic: str, row: Row, make: Callable[[str, Row, str], Event], separator: str) -> Event:
        """The event of a record; one that cannot be understood is handed on as it is, to be parked alone."""
        try:
            return make(self._system, row, separator)
        except Rejected:
            return self._odd(topic, row)

    def _odd(self, topic: str, row: Row) -> Event:
        body = msgspec.json.encode({"not_understood": row})
        event_id = f"odd:{rows.digest(topic, body.decode())}"
        return Event(self._system, topic, event_id, Via.POLL, self._clock.now_ms(), body)

    # -- by stamp -----------------------------------------------------------------------------

    async def orders(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Orders with an external document number that changed, page by page as the server cuts them."""
        place = _place(cursor)
        covers_ms = cursor.covers_ms if cursor else 0
        mark = await self.mark()
        resumed = bool(place.began)
        if not resumed:
            place = self._begin(place.mark, mark)
        for _ in range(PAGES_MAX):
            try:
                found, follow = await self._client.page(place.follow)
            except Rejected:
                if not resumed:
                    raise
                # An address of a page from before a restart, which the product takes no more: read from the mark.
                place, resumed = self._begin(place.mark, mark), False
                continue
            # The product's clock is at most as far ahead as our own has gone since we asked.
            erp_ms = mark.clock_ms + self._clock.now_ms() - mark.asked_ms
            fresh = [x for x in found if self._orders.get(rows.text(x, "id")) != x.get("@odata.etag")]
            events = tuple([await self._order(x, erp_ms) for x in fresh])
            done = not follow
            after = Place(place.next) if done else msgspec.structs.replace(place, follow=follow)
            moved = self._cursor(ORDERS.name, after, place.began if done else covers_ms)
            yield Page(events, moved, last=done)
            # Only now is the page stored; a page that was dropped must be told again.
            for row in fresh:
                self._orders[rows.text(row, "id")] = rows.text(row, "@odata.etag")
            while len(self._orders) > REMEMBERED_MAX:
                self._orders.popitem(last=False)
            if done:
                return
            place = after
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of changed orders.")

    def _begin(self, reached_ms: int, mark: Mark) -> Place:
        since_ms = min(reached_ms or mark.clock_ms - FIRST_LOOK_BACK_MS, mark.clock_ms)
        query = {
            "filter": f"lastModifiedDateTime gt {rows.iso(since_ms - self._settings.poll_overlap_s * 1000)}"
            " and externalDocumentNumber ne ''",
            "orderby": "lastModifiedDateTime",
            "expand": "salesOrderLines",
        }
        follow = self._client.url("salesOrders", query)
        return Place(reached_ms, mark.clock_ms, "", follow, mark.asked_ms)

    async def _order(self, row: Row, erp_ms: int) -> Event:
        lines = row.get("salesOrderLines") or ()
        places, variants = await self._places.known(lines)
        units = await self._places.units(rows.text(line, "itemId") for line in lines)
        try:
            return rows.order_event(
                self._system, row, places, variants, units, self._settings.variant_separator, erp_ms=erp_ms
            )
        except Rejected:
            return self._odd("erp_order.row", row)

    # -- everything ---------------------------------------------------------------------------

    async def stock(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Every level."""
        place = _place(cursor)
        covers_ms = cursor.covers_ms if cursor else 0
        if not place.began:
            place = Place(0, 0, "0", "", self._clock.now_ms())
        for _ in range(PAGES_MAX):
            began_ms = self._clock.now_ms()
            query = {"filter": f"entryNumber gt {place.at}", "orderby": "entryNumber", "top": str(PAGE)}
            found, _follow = await self._client.page(self._client.url("stockLevels", query, EXTENSION))
            levels = [rows.stock_row(x, self._settings.variant_separator, began_ms=began_ms) for x in found]
            events = tuple(rows.stock_events(self._system, levels, Via.SNAPSHOT))
            if len(found) < PAGE:
                yield Page(events, self._cursor(STOCK.name, Place(), place.began), last=True)
                return
            place = msgspec.structs.replace(place, at=str(found[-1].get("entryNumber", "")))
            yield Page(events, self._cursor(STOCK.name, place, covers_ms), last=False)
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of stock levels.")

    async def items(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Everything that can be sold, as far as it differs from what this process has read before."""
        place = _place(cursor)
        covers_ms = cursor.covers_ms if cursor else 0
        if not place.began:
            place = Place(0, 0, "", "", self._clock.now_ms())
        for _ in range(PAGES_MAX):
            query = {
                "filter": f"number gt {quoted(place.at)} and blocked eq false",
                "orderby": "number",
                "top": str(PAGE),
                "expand": "itemVariants",
            }
            found, _follow = await self._client.page(self._client.url("items", query))
            self._places.learn(found)
            told, present = self._told(found)
            last = len(found) < PAGE
            after = Place() if last else msgspec.structs.replace(place, at=rows.text(found[-1], "number"))
            moved = self._cursor(ITEMS.name, after, place.began if last else covers_ms)
            yield Page(tuple(event for _, event in told), moved, last, tuple(present))
            self._items.update((sku, event.event_id) for sku, event in told)
            while len(self._items) > REMEMBERED_MAX:
                self._items.popitem(last=False)
            if last:
                return
            place = after
        raise Retryable(f"Business Central has more than {PAGES_MAX} pages of items.")

    def _told(self, found: Sequence[Row]) -> tuple[list[tuple[str, Event]], list[tuple[Kind, str]]]:
        told: list[tuple[str, Event]] = []
        present: list[tuple[Kind, str]] = []
        for row in found:
            try:
                events = rows.item_events(self._system, row, self._settings.variant_separator)
            except Rejected:
                told.append((rows.text(row, "number"), self._odd("item", row)))
                continue
            for sku, event in events:
                if self._items.get(sku) == event.event_id:
                    present.append((Kind.ITEM, sku))
                else:
                    told.append((sku, event))
        return told, present


# Shipments of orders that no channel placed are nobody's news.
_OURS = {"shipments": " and externalDocumentNumber ne ''"}
