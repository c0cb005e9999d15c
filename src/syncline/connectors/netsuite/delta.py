"""The ``transactions`` stream: what moved stock since last time, and what it left behind.

Pages by key over (lastmodifieddate, id), from the watermark less an overlap, because a document may
become visible after later ones (contract sheet section 4, watermark pitfalls). What the overlap
brings again unchanged is not read again; that memory is lost on a restart, which costs calls only.

Stock that comes in is promised to orders that wait for it, and stock that goes is taken from them, without a word in
the order's stamp: such orders are read again whenever stock of their items moves.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from syncline.connectors.netsuite import queries, rows, zones
from syncline.connectors.netsuite.client import PAGE_MAX, Client, Row
from syncline.connectors.netsuite.erpclock import ErpClock, Reading
from syncline.connectors.netsuite.kits import KitColumns
from syncline.connectors.netsuite.manifest import TRANSACTIONS, NetSuiteSettings
from syncline.model.change import Cursor, Event, Via
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Page

FIRST_LOOK_BACK_MS = 24 * 3600 * 1000  # without a cursor; older documents are in the snapshot's levels
PAGES_MAX = 10_000
ITEMS = SHIPMENTS = 100  # named in one query
DOCUMENTS = 40  # named in one query: of 25 lines each they fill a page, and chunks are read side by side, pages are not
ROUNDS_MAX = 4  # of one read, while orders of ours are put
MOMENTS_MAX = 16  # of one level in one read; of more, the first
REMEMBERED_MAX = 50_000
SETTLED_MS = 2_000  # a stamp's second must be over before a reading of it is final
KEY_START = -(2**31)  # some built-in records have negative ids

Pair = tuple[str, str]  # item, location; "" where a line names none


class Place(msgspec.Struct, frozen=True):
    """A cursor's position: the watermark, and where an unfinished read stands.

    ``watermark`` and ``next`` are the account's clock in UTC milliseconds; ``began`` is ours.
    """

    watermark: int
    stamp: str = ""
    id: int = 0
    next: int = 0
    began: int = 0


def begin(
    cursor: Cursor | None, reading: Reading, now_ms: int, zone: ZoneInfo | None, overlap_s: int
) -> Place:
    """Where a read of documents by their stamps begins: where it was broken off, or at the watermark less the overlap."""
    if cursor and cursor.position:
        place = msgspec.json.decode(cursor.position, type=Place)
        if place.stamp:
            return place
        since = min(place.watermark, reading.utc_ms)
    else:
        since = reading.utc_ms - FIRST_LOOK_BACK_MS
    stamp = zones.lower_bound(since, reading.utc_ms, zone if reading.proven else None, overlap_s)
    return Place(since, stamp, KEY_START, reading.utc_ms, now_ms)


def advance(at: Place, row: Row) -> Place:
    """The place after a page that ended with a document.

    Raises:
        Retryable: it does not lie behind where the page began.
    """
    after = Place(at.watermark, str(row["lm"]), int(row["id"]), at.next, at.began)
    if (after.stamp, after.id) <= (at.stamp, at.id):
        raise Retryable("NetSuite returned transactions out of order.")
    return after


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: str
    first_ms: int
    final: bool


@dataclass(slots=True)
class _Read:
    """One read of the stream, from its first page to its last."""

    reading: Reading
    began_ms: int
    since_ms: int  # ``changed_at`` where a stamp cannot be placed in time
    place: Place
    lines: dict[str, list[Row]] = field(default_factory=dict)
    orders: dict[str, list[Row]] = field(default_factory=dict)
    rounds: int = 1
    listed: set[tuple[str, str]] = field(default_factory=set)  # ids and stamps
    # What was saved while levels were read, with its lines, where an order of ours is among it: they may contain it or not.
    late: list[Row] = field(default_factory=list)
    late_lines: dict[str, list[Row]] = field(default_factory=dict)
    late_began_ms: int = 0  # when that was looked for


class Delta:
    """Reads the stream."""

    def __init__(
        self,
        system: str,
        settings: NetSuiteSettings,
        clock: Clock,
        client: Client,
        erp_clock: ErpClock,
    ) -> None:
        self._system = system
        self._settings = settings
        self._clock = clock
        self._client = client
        self._erp = erp_clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        # Where a document's lines were, so that a line taken off it still has its level read again.
        self._pairs: OrderedDict[str, frozenset[Pair]] = OrderedDict()
        self._tracking_table = True
        self._kits = KitColumns()
        # Orders with items that wait for stock; until the first read has ended, nobody knows which did before it began.
        self._waiting: OrderedDict[str, frozenset[int]] = OrderedDict()
        self._waiting_known = False

    async def read(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """Pages from the cursor to now."""
        now_ms = self._clock.now_ms()
        if cursor is None:  # no order was told of before
            self._waiting_known = True
        reading = await self._erp.read()
        if not self._waiting_known:
            # Before anything is listed: what is served from now on is found by this, what was before by the first read.
            self._waiting = await self._all_waiting()
        covers_ms = cursor.covers_ms if cursor else 0
        place = begin(cursor, reading, now_ms, self._erp.zone, self._settings.poll_overlap_s)
        read = _Read(reading, place.began, covers_ms or now_ms, place)
        covers_then_ms = place.began  # once all that is listed is told; a list of late ones reaches further
        for _ in range(PAGES_MAX):
            at = read.place
            if read.late:
                covers_then_ms = read.late_began_ms
            headers = read.late or await self._client.query(queries.HEADERS, [at.stamp, at.stamp, at.id])
            fresh = [h for h in headers if not self._known(h)]
            events = await self._events(fresh, read)
            last = len(headers) < PAGE_MAX
            if last:
                covers_ms = max(covers_ms, covers_then_ms)
            if last and read.late and read.rounds < ROUNDS_MAX:
                # Levels were read while an order was put. It is told now, with levels that contain it for certain; the next read
                # would be a period later, and until then its units were missing twice.
                read.rounds, last, after = read.rounds + 1, False, at
            elif last:
                after = Place(at.next)
            else:
                after = advance(at, headers[-1])
            position = msgspec.json.encode(after).decode()
            yield Page(tuple(events), Cursor(self._system, TRANSACTIONS.name, position, covers_ms), last)
            # Only now is the page stored; a page that was dropped must be read again.
            self._remember(fresh, read)
            if last:
                self._waiting_known = True
                return
            read.place = after
        raise Retryable(f"NetSuite has more than {PAGES_MAX} pages of changed transactions.")

    # -- memory -------------------------------------------------------------------------------

    def _known(self, header: Row) -> bool:
        seen = self._seen.get(str(header["id"]))
        return seen is not None and seen.final and seen.stamp == header.get("lm")

    def _remember(self, fresh: Iterable[Row], read: _Read) -> None:
        for header in fresh:
            key, stamp = str(header["id"]), str(header.get("lm"))
            before = self._seen.pop(key, None)
            first_ms = before.first_ms if before and before.stamp == stamp else self._clock.now_ms()
            # A second edit within the stamp's second would carry the same stamp; while that second
            # may still be running, what was read is not the last word.
            at_ms = self._instant(stamp, read)
            if at_ms is None:
                final = first_ms + SETTLED_MS <= read.began_ms
            else:
                final = at_ms + SETTLED_MS <= read.reading.utc_ms
            self._seen[key] = _Seen(stamp, first_ms, final)
        while len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)
        for key, lines in read.lines.items():
            self._pairs.pop(key, None)
            self._pairs[key] = self._pairs_of(lines)
        while len(self._pairs) > REMEMBERED_MAX:
            self._pairs.popitem(last=False)
        for key, lines in read.orders.items():
            self._waiting.pop(key, None)
            if waits := frozenset(int(x["item"]) for x in lines if float(x.get("backordered") or 0) > 0):
                self._waiting[key] = waits
        while len(self._waiting) > REMEMBERED_MAX:
            self._waiting.popitem(last=False)
        read.lines, read.orders = {}, {}

    def _instant(self, stamp: object, read: _Read) -> int | None:
        if self._erp.zone is None or not read.reading.proven:
            return None
        return zones.parse_local(stamp, self._erp.zone, read.reading.utc_ms)

    # -- one page -----------------------------------------------------------------------------

    async def _events(self, headers: Sequence[Row], read: _Read) -> list[Event]:
        known, read.late, read.late_lines = read.late_lines, [], {}
        if not headers:
            return []
        read.lines = known or await self._lines(str(h["id"]) for h in headers)
        shipped = self._shipped(read.lines)
        sources = {key: str(lines[0].get("createdfrom", "")) for key, lines in shipped.items()}
        changed = self._moments(headers, read)
        orders = {k: lines for k, lines in read.lines.items() if lines[0].get("type") == "SalesOrd"}
        moved = self._moved(changed)
        promised = self._waited(moved)
        # Whether a shipment moves its order's stamp is unsure, so the order is read with it.
        at_once = dict.fromkeys((*sources.values(), *promised))
        found, more = await asyncio.gather(
            self._waits(moved), self._lines(x for x in at_once if x and x not in orders)
        )
        for key, at_ms in found.items():
            promised[key] = max(promised.get(key, 0), at_ms)
        more |= await self._lines(x for x in found if x not in orders and x not in more)
        orders |= {key: lines for key, lines in more.items() if lines[0].get("type") == "SalesOrd"}
        read.orders = orders
        names = {key: rows.order_name(lines[0], self._settings) for key, lines in orders.items()}
        ours = {key: lines for key, lines in orders.items() if names[key]}
        events = [
            rows.order_event(
                self._system,
                lines,
                self._settings,
                erp_ms=self._stamp(lines),
                changed_ms=max(self._changed(lines[0], read), promised.get(key, 0)),
                moved_ms=promised.get(key, 0),
            )
            for key, lines in ours.items()
        ]
        mine = {key: lines for key, lines in shipped.items() if sources[key] in ours}
        # Levels are read after the orders, so that what an order says is promised is in them.
        tracking, levels = await asyncio.gather(
            self._tracking(list(mine)), self._levels(headers, changed, read)
        )
        events += [
            rows.shipment_event(
                self._system,
                lines,
                names[sources[key]],
                tracking.get(key, ()),
                erp_ms=self._stamp(lines),
                changed_ms=self._changed(lines[0], read),
            )
            for key, lines in mine.items()
        ]
        return events + levels

    async def shipments_of(self, orders: Mapping[str, str]) -> list[Event]:
        """What was shipped of some orders, by their ids, told under the references given for them."""
        began_ms = self._clock.now_ms()
        reading = await self._erp.read()
        wanted = [int(order) for order in orders]
        sources: dict[str, str] = {}
        for start in range(0, len(wanted), DOCUMENTS):
            chunk = wanted[start : start + DOCUMENTS]
            sql = queries.shipped_from(len(chunk), self._erp.expression)
            at = (KEY_START, KEY_START)
            for _ in range(PAGES_MAX):
                page = await self._client.query(sql, [*chunk, at[0], at[0], at[1]])
                sources |= {str(row["txn"]): str(row["createdfrom"]) for row in page}
                if len(page) < PAGE_MAX:
                    break
                at = (int(page[-1]["txn"]), int(page[-1]["line"]))
        shipped = self._shipped(await self._lines(sources))
        tracking = await self._tracking(list(shipped))
        read = _Read(reading, began_ms, began_ms, Place(reading.utc_ms))
        return [
            rows.shipment_event(
                self._system,
                lines,
                orders[sources[key]],
                tracking.get(key, ()),
                erp_ms=self._stamp(lines),
                changed_ms=self._changed(lines[0], read),
            )
            for key, lines in shipped.items()
        ]

    def _shipped(self, documents: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
        """The goods of the fulfilments among some documents that have left."""
        return {
            key: goods
            for key, lines in documents.items()
            if lines[0].get("type") == "ItemShip"
            and queries.letter(lines[0].get("status")) == "C"
            and (goods := [x for x in lines if str(x.get("item")) not in self._settings.amount_items])
        }

    def _stamp(self, lines: Sequence[Row]) -> int:
        return min(self._erp.stamp(line) for line in lines)

    def _changed(self, row: Row, read: _Read) -> int:
        at_ms = self._instant(row.get("lm"), read)
        return read.since_ms if at_ms is None else at_ms

    async def _at_once(self, pages: Sequence[Callable[[], Awaitable[list[Row]]]]) -> list[list[Row]]:
        """Run several reads side by side, in a quarter of our slots, answers in the order asked."""
        room = asyncio.Semaphore(max(1, self._settings.slots // 4))

        async def one(page: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
            async with room:
                return await page()

        return list(await asyncio.gather(*(one(page) for page in pages)))

    async def _lines(self, documents: Iterable[str]) -> dict[str, list[Row]]:
        wanted = [int(x) for x in documents]

        async def of(chunk: list[int]) -> list[Row]:
            return await self._kits.read(partial(pages, chunk))

        async def pages(chunk: list[int], kits: str) -> list[Row]:
            sql = queries.lines_of(len(chunk), self._erp.expression, kits=kits)
            found: list[Row] = []
            at = (KEY_START, KEY_START)
            for _ in range(PAGES_MAX):
                page = await self._client.query(sql, [*chunk, at[0], at[0], at[1]])
                found += page
                if len(page) < PAGE_MAX:
                    break
                at = (int(page[-1]["txn"]), int(page[-1]["line"]))
            return found

        chunks = [wanted[start : start + DOCUMENTS] for start in range(0, len(wanted), DOCUMENTS)]
        lines: defaultdict[str, list[Row]] = defaultdict(list)
        for rows_ in await self._at_once([partial(of, chunk) for chunk in chunks]):
            for row in rows_:
                lines[str(row["txn"])].append(row)
        return dict(lines)

    async def _tracking(self, shipments: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for start in range(0, len(shipments), SHIPMENTS):
            chunk = shipments[start : start + SHIPMENTS]
            if self._tracking_table:
                try:
                    for row in await self._numbers([int(x) for x in chunk]):
                        found[str(row["txn"])].append(str(row["number"]))
                    continue
                except Rejected:
                    # The table is known from public queries only; the record itself is documented.
                    self._tracking_table = False
            for key in chunk:
                record = await self._client.get("itemFulfillment", key, expand=True)
                for name in ("package", "packageUps", "packageFedEx", "packageUsps"):
                    for parcel in (record.get(name) or {}).get("items", ()):
                        suffix = name.removeprefix("package")
                        if number := parcel.get(f"packageTrackingNumber{suffix}"):
                            found[key].append(str(number))
        return found

    async def _numbers(self, shipments: Sequence[int]) -> list[Row]:
        sql = queries.tracking_of(len(shipments))
        found: list[Row] = []
        at = (KEY_START, KEY_START)
        for _ in range(PAGES_MAX):
            page = await self._client.query(sql, [*shipments, at[0], *at])
            found += page
            if len(page) < PAGE_MAX:
                break
            at = (int(page[-1]["txn"]), int(page[-1]["id"]))
        return found

    # -- levels -------------------------------------------------------------------------------

    def _pairs_of(self, lines: Iterable[Row]) -> frozenset[Pair]:
        amounts = self._settings.amount_items
        return frozenset(
            (str(x["item"]), str(x.get("location", ""))) for x in lines if str(x.get("item")) not in amounts
        )

    def _moments(self, headers: Sequence[Row], read: _Read) -> dict[Pair, set[int]]:
        """When documents touched levels."""
        changed: dict[Pair, set[int]] = {}
        for header in headers:
            key = str(header["id"])
            at_ms = self._changed(header, read)
            pairs = self._pairs_of(read.lines.get(key, ())) | self._pairs.get(key, frozenset())
            for pair in pairs:
                changed.setdefault(pair, set()).add(at_ms)
        return changed

    @staticmethod
    def _moved(changed: Mapping[Pair, set[int]]) -> dict[int, int]:
        """The items whose stock moved, and when last."""
        moved: dict[int, int] = {}
        for (item, _), moments in changed.items():
            moved[int(item)] = max(*moments, moved.get(int(item), 0))
        return moved

    def _waited(self, moved: Mapping[int, int]) -> dict[str, int]:
        """Orders that waited for what moved when they were read last, and since when they may wait no more."""
        return {
            key: max(moved[item] for item in waits & moved.keys())
            for key, waits in self._waiting.items()
            if waits & moved.keys()
        }

    async def _all_waiting(self) -> OrderedDict[str, frozenset[int]]:
        """Orders that wait for stock now, with the items that they wait for."""
        items: defaultdict[str, set[int]] = defaultdict(set)
        for row in await self._orders_of([], waiting=True):
            items[str(row["txn"])].add(int(row["item"]))
        return OrderedDict((key, frozenset(some)) for key, some in items.items())

    async def _orders_of(self, items: Sequence[int], *, waiting: bool) -> list[Row]:
        sql = queries.orders_of(len(items), waiting=waiting)
        found: list[Row] = []
        at = (KEY_START, KEY_START)
        for _ in range(PAGES_MAX):
            page = await self._client.query(sql, [*items, at[0], *at])
            found += page
            if len(page) < PAGE_MAX:
                break
            at = (int(page[-1]["txn"]), int(page[-1]["item"]))
        return found

    async def _waits(self, moved: Mapping[int, int]) -> dict[str, int]:
        """Orders that wait for what moved, and since when at the latest: when exactly, nobody tells.

        A process that starts does not know which waited when the last one ended, so it asks for all that have not left.
        """
        items = sorted(moved)
        chunks = [items[start : start + ITEMS] for start in range(0, len(items), ITEMS)]
        found: dict[str, int] = {}
        reads = [partial(self._orders_of, chunk, waiting=self._waiting_known) for chunk in chunks]
        for rows_ in await self._at_once(reads):
            for row in rows_:
                key = str(row["txn"])
                found[key] = max(found.get(key, 0), moved[int(row["item"])])
        return found

    async def _levels(
        self, headers: Sequence[Row], changed: dict[Pair, set[int]], read: _Read
    ) -> list[Event]:
        items = sorted({int(item) for item, _ in changed})

        async def of(chunk: list[int]) -> list[Row]:
            sql = queries.levels_of(len(chunk), self._erp.expression)
            found: list[Row] = []
            at = (KEY_START, KEY_START)
            for _ in range(PAGES_MAX):
                began_ms = self._clock.now_ms()
                page = await self._client.query(sql, [*chunk, at[0], at[0], at[1]])
                found += [{**row, "began_ms": began_ms} for row in page]
                if len(page) < PAGE_MAX:
                    break
                at = (int(page[-1]["item"]), int(page[-1]["location"]))
            return found

        chunks = [items[start : start + ITEMS] for start in range(0, len(items), ITEMS)]
        read_rows = await self._at_once([partial(of, chunk) for chunk in chunks])
        for pair, at_ms in await self._since(headers, read):
            if pair in changed:
                changed[pair].add(at_ms)
        levels = []
        for rows_ in read_rows:
            for row in rows_:
                item = str(row["item"])
                # A line without a location may have touched any of them.
                found = changed.get((item, str(row["location"])), changed.get((item, "")))
                if found is None:
                    continue
                moments = tuple(sorted(found)[:MOMENTS_MAX])
                levels.append(
                    rows.stock_row(
                        row,
                        erp_ms=self._erp.stamp(row),
                        began_ms=row["began_ms"],
                        changed_ms=moments[0],
                        moments=moments if len(moments) > 1 else (),
                    )
                )
        return rows.stock_events(self._system, levels, Via.POLL)

    async def _since(self, headers: Sequence[Row], read: _Read) -> list[tuple[Pair, int]]:
        """What else changed until the levels were read, and when.

        It is in the levels already, and would else seem to have changed when the documents did that were listed. The
        next read tells of the documents themselves.
        """
        at = read.place
        read.listed.update((str(h["id"]), str(h.get("lm"))) for h in headers)
        began_ms = self._clock.now_ms()
        now = await self._client.query(queries.HEADERS, [at.stamp, at.stamp, at.id])
        later = {
            str(h["id"]): h
            for h in now
            if not self._known(h) and (str(h["id"]), str(h.get("lm"))) not in read.listed
        }
        if not later:
            return []
        found = await self._lines(later)
        if len(now) < PAGE_MAX and any(
            lines[0].get("type") == "SalesOrd" and rows.order_name(lines[0], self._settings)
            for lines in found.values()
        ):
            read.late, read.late_lines, read.late_began_ms = list(later.values()), found, began_ms
        return [
            (pair, self._changed(later[key], read))
            for key, lines in found.items()
            for pair in self._pairs_of(lines)
        ]
