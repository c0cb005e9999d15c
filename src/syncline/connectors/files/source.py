"""The reading side: the journal of taken files, told page by page.

A full file is compared, line by line, with the last one that was believed, and only what differs is told; of the rest it
is said that it is there. A file that Syncline doubted is no base of a comparison: what differs from the one before is told
again with the next.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from syncline.connectors.files import mapping, orders, returned
from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader
from syncline.connectors.files.intake import Ends, Intake, Numbered, header_of, kept, lines
from syncline.connectors.files.judging import Acknowledgements, Judge
from syncline.connectors.files.kinds import MONEY, ONCE
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.mapping import Refusal, Rows
from syncline.connectors.files.paying import MoneyJudge
from syncline.connectors.files.spool import DAY_MS, Spool, Taken
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent
from syncline.model.errors import Forged, Rejected, Retryable
from syncline.ports import Clock, Page, PollStream, Verified, WebhookRequest

PAGE_ROWS = 5_000
LOOK_ROWS = 20_000  # between two looks at what else is to be done
ORDERS_PER_PAGE = 200

log = structlog.get_logger(__name__)

Telling = AsyncGenerator[tuple[tuple[Event, ...], tuple[tuple[Kind, str], ...], "Place"], None]


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cursor's position. Journal entries up to ``seq`` are told, the last full one of them is ``full``.

    ``base`` is the last full one that was believed, in the dialect ``dialect``. Within a read, ``now`` is the entry that is
    being told and ``at`` how many of its lines are. ``covers`` is what all that was told confirms. ``spool`` is the journal that
    all of this is about.
    """

    spool: str = ""
    seq: int = 0
    full: int = 0
    base: int = 0
    now: int = 0
    at: int = 0
    dialect: str = ""
    covers: int = 0


class Told(NamedTuple):
    """What one line amounts to: news, something known that is there, or a refusal; ``odd``: it was not taken."""

    number: int
    key: str
    row: mapping.StockRow | mapping.ItemRow | None
    refused: Refusal | None
    odd: bool = False


@dataclass(slots=True)
class Compared:
    """What a full file differs from, and what has to be told of again although it is the same."""

    before: set[bytes] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)  # SKUs of which the file before had lines that were not taken
    again: set[str] = field(default_factory=set)


def dialect_of(read: Read) -> str:
    """A short name for everything by which lines get their meaning: the same line may mean another thing later."""
    return blake2b(msgspec.json.encode(read), digest_size=6).hexdigest()


class FilesSource:
    """One partner, read."""

    def __init__(
        self,
        name: str,
        settings: FilesSettings,
        clock: Clock,
        spool: Spool,
        intake: Intake,
        answers: Acknowledgements,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._intake = intake
        self._answers = answers
        self._physical = any(read.kind == "stock" and read.basis == "on_hand" for read in settings.reads)
        self._paid = any(read.kind in MONEY for read in settings.reads)
        answered = settings.write("acknowledgements") is not None
        self._returns = returned.ReturnJudge(name, clock, spool)
        self._money = MoneyJudge(name, clock, spool, answers=answered)

    @property
    def streams(self) -> tuple[PollStream, ...]:
        return tuple(read.stream for read in self._settings.reads)

    def verify(self, request: WebhookRequest) -> Verified:
        raise Forged("files send no webhooks")

    def decode(self, logged: LoggedEvent) -> list[Change]:
        if logged.event.topic == orders.TOPIC:
            return [orders.decode(logged.event.body)]
        if logged.event.topic == returned.TOPIC:
            return [returned.decode(logged.event.body)]
        return mapping.decode(logged)

    def believed(self, flow: Flow, covers_ms: int) -> None:
        """A full read of a flow was believed: from now on it is what the next is compared with."""
        for read in self._settings.reads:
            if read.scope == "full" and flow in read.stream.flows:
                self._spool.believe(read.stream.name, covers_ms)

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        read = self._settings.read(stream)
        if read is None:
            raise ValueError(f"files: no stream {stream!r} is declared")
        failed = await self._intake.take(read)
        place, covers_ms = self._place(read, cursor)
        sold = read.kind in ("orders", *MONEY)  # what a channel tells of its sales, which is answered
        if sold:
            self._answers.begin(stream, place.seq)
        while (entry := self._next(read, place)) is not None:
            if entry.state != "accepted":
                place = replace(place, seq=entry.seq)
                yield Page(
                    (self._refused(entry, entry.reason),), self._cursor(stream, place, covers_ms), last=False
                )
                continue
            if why := await self._intake.ready(read, entry):
                place = replace(place, seq=entry.seq, now=0, at=0)
                yield Page((self._refused(entry, why),), self._cursor(stream, place, covers_ms), last=False)
                continue
            reached_ms = max(covers_ms, place.covers, min(entry.listed_ms, entry.stamp_ms))
            done = replace(place, seq=entry.seq, now=0, at=0, covers=reached_ms)
            pages = self._full if read.scope == "full" else self._delta
            if read.kind in ONCE:
                pages = self._one_by_one
            async for events, present, reached in pages(read, entry, place, done, covers_ms):
                yield Page(events, self._cursor(stream, reached, covers_ms), last=False, present=present)
                place = reached
        if read.kind == "order_status" and (told := self._spool.to_say_again()):
            last = self._spool.last_number()
            rows = [mapping.again(body, last, times) for _, body, times in told]
            events = tuple(mapping.order_event(self._name, row) for row in rows)
            yield Page(events, self._cursor(stream, place, covers_ms), last=False)
            self._spool.said_again([(reference, times) for reference, _, times in told])
            self._spool.touch({x.sku: row.stamp_ms for row in rows for x in row.lines})
        if read.kind in MONEY:
            for look in (self._money.found, self._money.late):
                events_, money = look(read)
                if events_:
                    yield Page(tuple(events_), self._cursor(stream, place, covers_ms), last=False)
                    self._spool.pay(money)
        if sold:
            await self._answers.answer(stream, place.seq)
        if failed is not None:
            raise failed  # what else has come is told; nothing is confirmed while one cannot be read
        # What has arrived is told; only now does it count as confirmed.
        yield Page((), self._cursor(stream, place, max(covers_ms, place.covers)), last=True)
        if read.kind == "orders":
            self._spool.forget_placed(self._clock.now_ms() - self._settings.order_days * DAY_MS)
        if read.kind == "returns":
            self._spool.forget_returns(self._clock.now_ms() - self._settings.order_days * DAY_MS)
        self._spool.collect(
            stream, (place.full, place.base), place.seq, self._clock.now_ms(), self._settings.keep_days
        )

    def _cursor(self, stream: str, place: Place, covers_ms: int) -> Cursor:
        return Cursor(self._name, stream, msgspec.json.encode(place).decode(), covers_ms)

    def _place(self, read: Read, cursor: Cursor | None) -> tuple[Place, int]:
        fresh = Place(self._spool.id, dialect=dialect_of(read))
        if cursor is None:
            return fresh, 0
        if not cursor.position:  # a person wants all of it told once more, and so confirms it
            last = self._spool.last(read.stream.name)
            if last is None:
                return fresh, cursor.covers_ms
            return replace(fresh, seq=last.seq - 1, covers=self._clock.now_ms()), cursor.covers_ms
        place = msgspec.json.decode(cursor.position, type=Place)
        if place.spool != self._spool.id:
            return fresh, cursor.covers_ms
        if place.full and self._spool.believed(read.stream.name) == cursor.covers_ms and not place.now:
            place = replace(place, base=place.full)
            self._spool.found_base(read.stream.name, place.base)
        if place.dialect != fresh.dialect:  # lines mean something else now: a file begun is begun again
            place = Place(place.spool, place.seq, dialect=fresh.dialect, covers=place.covers)
        return place, cursor.covers_ms

    def _next(self, read: Read, place: Place) -> Taken | None:
        """What is to be told next. Of several full files only the last counts."""
        if place.now and (entry := self._spool.at(place.now)) is not None:
            return entry
        waiting = self._spool.after(read.stream.name, place.seq)
        accepted = [entry for entry in waiting if entry.state == "accepted"]
        if read.scope == "full" and len(accepted) > 1:
            newest = max(accepted, key=lambda entry: (entry.stamp_ms, entry.seq))
            waiting = [entry for entry in waiting if entry.state != "accepted" or entry is newest]
        return waiting[0] if waiting else None

    def _refused(self, entry: Taken, why: str) -> Event:
        return mapping.refusal_event(
            self._name, Refusal(entry.name, why), entry.at_ms, same=f"{self._spool.id}:{entry.seq}"
        )

    def _file(self, read: Read, entry: Taken, changed_ms: int) -> tuple[Iterator[Numbered], Rows, Reader]:
        path = kept(read, self._spool, entry)
        try:
            reader = Reader(read, read.columns, header_of(read, path))
        except OSError as error:
            raise Retryable(f"the spool lacks {entry.name}: {error.strerror}") from error
        rows = Rows(read, reader, entry, changed_ms, physical=self._physical)
        return lines(read, path, Ends()), rows, reader

    # --- full files -------------------------------------------------------------------------------------

    async def _full(self, read: Read, entry: Taken, place: Place, done: Place, covers_ms: int) -> Telling:
        newer = self._spool.at(place.full) if place.full else None
        if newer is not None and entry.stamp_ms < newer.stamp_ms:  # it came late, and says nothing any more
            log.info("a file came late", action="file_late", file=entry.name, after=newer.name)
            yield (), (), replace(done, covers=place.covers)
            return
        against = await self._against(read, entry, place)
        # A figure without a stamp of its own may have changed as soon as the file before was read.
        changed_ms = min(covers_ms or entry.stamp_ms, entry.stamp_ms)
        why = await self._bad(read, entry, against, changed_ms)
        if why:
            yield (self._refused(entry, why),), (), replace(done, covers=place.covers)
            return
        done = replace(done, full=entry.seq)
        kind = Kind.STOCK if read.kind == "stock" else Kind.ITEM
        at = 0
        page: list[Told] = []
        doubted: set[str] = set()
        for told in self._compare(read, entry, against, changed_ms):
            at += 1
            if told.odd and told.key:
                # The next file may have this very line and no other of its SKU, and would seem to say nothing new.
                doubted.add(told.key.partition(mapping.SEP)[0])
            if at % LOOK_ROWS == 0:
                await self._clock.sleep(0)
            if place.now and at <= place.at:
                continue
            page.append(told)
            if len(page) == PAGE_ROWS:
                events, present = self._page(read, kind, page, changed_ms)
                page = []
                yield events, present, replace(place, now=entry.seq, at=at)
        events, present = self._page(read, kind, page, changed_ms)
        self._spool.doubt(read.stream.name, entry.seq, doubted, place.base)
        yield events, present, done
        if read.kind == "stock":
            self._spool.untouch(entry.stamp_ms - read.lead_s * 1000)

    async def _against(self, read: Read, entry: Taken, place: Place) -> Compared:
        """The lines of the last file that was believed, if they mean the same as those of this one."""
        base = self._spool.at(place.base) if place.base else None
        if base is None or not kept(read, self._spool, base).exists():
            return Compared()
        path = kept(read, self._spool, base)
        if header_of(read, path) != header_of(read, kept(read, self._spool, entry)):
            return Compared()
        odd = self._spool.doubted(read.stream.name, base.seq)
        against = Compared(odd=odd, again=odd | (self._spool.touched() if read.kind == "stock" else set()))
        for number, line in enumerate(lines(read, path, Ends())):
            against.before.add(line[1])
            if number % LOOK_ROWS == LOOK_ROWS - 1:
                await self._clock.sleep(0)
        return against

    async def _bad(self, read: Read, entry: Taken, against: Compared, changed_ms: int) -> str:
        """Why a file is refused because too many of its lines are wrong; "" if few are."""
        bad, first = 0, ""
        for number, told in enumerate(self._compare(read, entry, against, changed_ms)):
            if told.refused is not None:
                bad += 1
                first = first or f"line {told.number}: {told.refused.why}"
            if number % LOOK_ROWS == LOOK_ROWS - 1:
                await self._clock.sleep(0)
        if bad > read.bad_rows_max:
            return f"{bad} lines are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, {first}"
        return ""

    def _compare(self, read: Read, entry: Taken, against: Compared, changed_ms: int) -> Iterator[Told]:
        """Every line of a full file, with what it amounts to."""
        found, rows, reader = self._file(read, entry, changed_ms)
        make = rows.stock if read.kind == "stock" else rows.item
        before, again = against.before, against.again
        seen: set[str] = set()
        for number, raw in found:
            key = ""
            try:
                values = reader.values(raw)
                key = rows.key(values)
                if key in seen:
                    raise Rejected(f"{key.replace(mapping.SEP, ' at ')} stands in the file a second time")
                seen.add(key)
                same = raw in before and not (again and key.partition(mapping.SEP)[0] in again)
                yield Told(number, key, None if same else make(values), None)
            except Rejected as error:
                # Where it can be told whose line it is, the record is there, whatever is said of it.
                old = raw in before and (not key or key.partition(mapping.SEP)[0] in against.odd)
                refused = None if old else Refusal(entry.name, str(error), number, mapping.shown_line(raw))
                yield Told(number, key, None, refused, odd=True)

    def _page(
        self, read: Read, kind: Kind, page: list[Told], changed_ms: int
    ) -> tuple[tuple[Event, ...], tuple[tuple[Kind, str], ...]]:
        news = [told.row for told in page if told.row is not None]
        events = [
            mapping.rows_event(self._name, read, news[n : n + mapping.ROWS_PER_EVENT], changed_ms)
            for n in range(0, len(news), mapping.ROWS_PER_EVENT)
        ]
        events += [
            mapping.refusal_event(
                self._name, told.refused, changed_ms, same=f"{read.stream.name}:{told.refused.text}"
            )
            for told in page
            if told.refused is not None
        ]
        return tuple(events), tuple((kind, told.key) for told in page if told.key and told.row is None)

    # --- files of changes -------------------------------------------------------------------------------

    async def _one_by_one(
        self, read: Read, entry: Taken, place: Place, done: Place, covers_ms: int
    ) -> Telling:
        """Orders that a channel left, or money or returns of orders. ``at`` counts those that nothing is told of too."""
        if read.kind == "returns":
            told = await self._returns.told(read, entry)
        elif read.kind in MONEY:
            told = await self._money.told(read, entry)
        else:
            answers = self._settings.write("acknowledgements") is not None
            judge = Judge(
                self._name, self._clock, self._spool, dialect_of(read), answers=answers, paid=self._paid
            )
            told = await judge.told(read, entry)
        at = place.at if place.now else 0
        while len(told) - at > ORDERS_PER_PAGE:
            some = told[at : at + ORDERS_PER_PAGE]
            at += ORDERS_PER_PAGE
            yield tuple(x for x in some if x is not None), (), replace(place, now=entry.seq, at=at)
        yield tuple(x for x in told[at:] if x is not None), (), done

    async def _delta(self, read: Read, entry: Taken, place: Place, done: Place, covers_ms: int) -> Telling:
        events = await self._events(read, entry)
        at = place.at if place.now else 0
        most = max(1, PAGE_ROWS // mapping.ROWS_PER_EVENT)
        while len(events) - at > most:
            at += most
            yield tuple(events[at - most : at]), (), replace(place, now=entry.seq, at=at)
        yield tuple(events[at:]), (), done

    async def _events(self, read: Read, entry: Taken) -> list[Event]:
        """Everything that a file of changes tells, in the order of its lines."""
        found, rows, reader = self._file(read, entry, entry.stamp_ms)
        last: dict[tuple[str, str, int], mapping.StockRow | mapping.ItemRow] = {}
        groups: dict[str, list[list[str]]] = {}
        first: dict[str, int] = {}
        spoilt: set[str] = set()
        refused: list[Refusal] = []
        grouped = read.kind in ("order_status", "shipments")
        make = rows.item if read.kind == "items" else rows.stock
        for count, (number, raw) in enumerate(found):
            group = ""
            try:
                values = reader.values(raw)
                if grouped:
                    group = rows.group_of(values)
                    groups.setdefault(group, []).append(values)
                    first.setdefault(group, number)
                    rows.check(values)
                else:
                    row = make(values)
                    at = (row.sku, row.location if isinstance(row, mapping.StockRow) else "", row.stamp_ms)
                    last[at] = row  # of two lines of one moment the later counts
            except Rejected as error:
                spoilt.add(group)
                refused.append(Refusal(entry.name, str(error), number, mapping.shown_line(raw)))
            if count % LOOK_ROWS == LOOK_ROWS - 1:
                await self._clock.sleep(0)
        if len(refused) > read.bad_rows_max:
            why = (
                f"{len(refused)} lines are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, line "
                f"{refused[0].line}: {refused[0].why}"
            )
            return [self._refused(entry, why)]
        good = list(last.values())
        events = [
            mapping.rows_event(self._name, read, good[n : n + mapping.ROWS_PER_EVENT], entry.stamp_ms)
            for n in range(0, len(good), mapping.ROWS_PER_EVENT)
        ]
        touched: dict[str, int] = {}
        said: list[tuple[str, bytes]] = []
        for group, values_of in groups.items():
            if group in spoilt:
                continue  # an order of which a line is missing is another order
            try:
                if read.kind == "order_status":
                    order = rows.order(values_of)
                    events.append(mapping.order_event(self._name, order))
                    said.append((order.key, events[-1].body))
                    touched |= {x.sku: max(order.stamp_ms, touched.get(x.sku, 0)) for x in order.lines}
                else:
                    events.append(mapping.shipment_event(self._name, rows.shipment(values_of)))
            except Rejected as error:
                refused.append(Refusal(entry.name, str(error), first[group], group))
        if read.kind == "stock":
            touched |= {row.sku: row.stamp_ms - read.lead_s * 1000 for row in good}
        if said:
            self._spool.said(said, self._clock.now_ms(), self._settings.keep_days)
        if touched and self._settings.read("stock") is not None:
            self._spool.touch(touched)
        events += [
            mapping.refusal_event(
                self._name, each, entry.at_ms, same=f"{self._spool.id}:{entry.seq}:{each.line}"
            )
            for each in refused
        ]
        return events
