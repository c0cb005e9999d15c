"""The snapshot streams: everything, page by page, by key."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from syncline.connectors.netsuite import queries, rows
from syncline.connectors.netsuite.client import PAGE_MAX, Client
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import ITEMS, STOCK
from syncline.model.change import Cursor, Kind, Via
from syncline.model.errors import Retryable
from syncline.ports import Clock, Page
from syncline.sdk import scan
from syncline.sdk.scan import resume

PAGES_MAX = 10_000  # ten million rows
KEY_START = -(2**31)
REMEMBERED_MAX = 1_000_000


class Place(scan.Place, frozen=True):
    """Where an unfinished scan stands."""

    item: int = KEY_START
    location: int = KEY_START


class Scans:
    """Reads all levels, and all items."""

    def __init__(self, system: str, clock: Clock, client: Client, erp_clock: ErpClock) -> None:
        self._system = system
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._sent: dict[str, str] = {}

    def _cursor(self, stream: str, place: Place, covers_ms: int) -> Cursor:
        return Cursor(self._system, stream, msgspec.json.encode(place).decode(), covers_ms)

    async def stock(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Every level of every active item."""
        place = resume(cursor, Place(self._clock.now_ms()))
        covers_ms = cursor.covers_ms if cursor else 0
        # Levels have no stamp: they changed at some time since the previous read began.
        since_ms = covers_ms or place.began
        await self._erp.read()  # learns which expression for its clock the account accepts
        sql = queries.all_levels(self._erp.expression)
        for _ in range(PAGES_MAX):
            began_ms = self._clock.now_ms()
            page = await self._client.query(sql, [place.item, place.item, place.location])
            levels = [
                rows.stock_row(row, erp_ms=self._erp.stamp(row), began_ms=began_ms, changed_ms=since_ms)
                for row in page
            ]
            events = tuple(rows.stock_events(self._system, levels, Via.SNAPSHOT))
            last = len(page) < PAGE_MAX
            if last:
                yield Page(events, self._cursor(STOCK.name, Place(), place.began), last=True)
                return
            place = Place(place.began, int(page[-1]["item"]), int(page[-1]["location"]))
            yield Page(events, self._cursor(STOCK.name, place, covers_ms), last=False)
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of stock levels.")

    async def items(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Everything that can be sold, as far as it differs from what this process has read before."""
        place = resume(cursor, Place(self._clock.now_ms()))
        covers_ms = cursor.covers_ms if cursor else 0
        since_ms = covers_ms or place.began
        await self._erp.read()
        sql = queries.all_items(self._erp.expression)
        for _ in range(PAGES_MAX):
            page = await self._client.query(sql, [place.item])
            events = []
            present = []
            for row in page:
                event = rows.item_event(self._system, row, erp_ms=self._erp.stamp(row), changed_ms=since_ms)
                if self._sent.get(str(row["id"])) != event.event_id:
                    events.append((str(row["id"]), event))
                else:
                    present.append((Kind.ITEM, rows.sku_of(row)))
            last = len(page) < PAGE_MAX
            after = Place() if last else Place(place.began, int(page[-1]["id"]))
            moved = self._cursor(ITEMS.name, after, place.began if last else covers_ms)
            yield Page(tuple(event for _, event in events), moved, last, tuple(present))
            if len(self._sent) > REMEMBERED_MAX:
                self._sent.clear()
            self._sent.update((key, event.event_id) for key, event in events)
            if last:
                return
            place = after
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of items.")
