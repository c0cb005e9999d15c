"""The reading side: the journal of taken files, told page by page.

A full file is compared, record by record, with the last one that was believed, and only what differs is told; of the rest it
is said that it is there. A file that Syncline doubted is no base of a comparison: what differs from the one before is told
again with the next.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from typing import cast

import msgspec
import structlog
from msgspec.structs import replace

from syncline.connectors.files import mapping, orders, returned
from syncline.connectors.files.builders import BUILDERS, TOPICS, decode, events_of
from syncline.connectors.files.comparing import ComparedLines, ComparedRecords, Comparison, Told
from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader
from syncline.connectors.files.intake import Ends, Intake, Numbered, header_of, kept, lines
from syncline.connectors.files.judging import Acknowledgements, Judge
from syncline.connectors.files.kinds import MONEY, ONCE, SHOWN
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.mapping import Refusal, Rows
from syncline.connectors.files.paying import MoneyJudge
from syncline.connectors.files.records import Grouped, digests, grouped, made, refusal_of, refusals
from syncline.connectors.files.spool import DAY_MS, Spool, Taken
from syncline.connectors.files.stated import AtLine, Stated, StatedRows
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent
from syncline.model.errors import Forged, Rejected, Retryable
from syncline.ports import Clock, Page, PollStream, Verified, WebhookRequest

PAGE_ROWS = 5_000
KIND_OF = {"stock": Kind.STOCK, "items": Kind.ITEM} | {name: one.kind for name, one in BUILDERS.items()}
LOOK_ROWS = 20_000  # between two looks at what else is to be done
LOOK_RECORDS = 1_000  # of several rows, each of which is put together
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


def dialect_of(read: Read) -> str:
    """A short name for everything by which lines get their meaning: the same line may mean another thing later."""
    return blake2b(msgspec.json.encode(read), digest_size=6).hexdigest()


def _as_of(read: Read, entry: Taken) -> int:
    """Up to when a file confirms what it says, by our clock.

    A record that it lacks is taken for gone if nobody told of it since, so the time that its export took counts as well.
    """
    lead_ms = read.lead_s * 1000 if read.kind in BUILDERS else 0
    return min(entry.listed_ms, entry.stamp_ms) - lead_ms


def _what(refused: Refusal, read: Read) -> str:
    """What tells a refusal of one night's file from another."""
    return f"{refused.text}:{refused.why}" if read.kind in BUILDERS else refused.text


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
        return tuple(read.stream for read in self._settings.reads if read.stream is not SHOWN)

    def verify(self, request: WebhookRequest) -> Verified:
        raise Forged("files send no webhooks")

    def decode(self, logged: LoggedEvent) -> list[Change]:
        if logged.event.topic == orders.TOPIC:
            return [orders.decode(logged.event.body)]
        if logged.event.topic == returned.TOPIC:
            return [returned.decode(logged.event.body)]
        if logged.event.topic in TOPICS:
            return decode(logged)
        return mapping.decode(logged)

    def believed(self, stream: str, covers_ms: int) -> None:
        """A full read of a stream was believed: from now on it is what the next is compared with."""
        self._spool.believe(stream, covers_ms)

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
            reached_ms = max(covers_ms, place.covers, _as_of(read, entry))
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
            self._spool.touch("stock", {x.sku: row.stamp_ms for row in rows for x in row.lines})
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
        make = BUILDERS[read.kind].rows if read.kind in BUILDERS else Rows
        rows = make(read, reader, entry, changed_ms, physical=self._physical)
        return lines(read, path, Ends()), rows, reader

    # --- full files -------------------------------------------------------------------------------------

    async def _full(self, read: Read, entry: Taken, place: Place, done: Place, covers_ms: int) -> Telling:
        before = self._spool.at(place.full) if place.full else None
        if before is not None and entry.stamp_ms < before.stamp_ms:  # it came late, and says nothing any more
            log.info("a file came late", action="file_late", file=entry.name, after=before.name)
            yield (), (), replace(done, covers=place.covers)
            return
        # A figure without a stamp of its own may have changed as soon as the file before was read.
        changed_ms = min(covers_ms or entry.stamp_ms, entry.stamp_ms)
        compared = await self._compared(read, entry, place, changed_ms)
        why = await self._bad(read, compared, had=before is not None and before.rows > 0)
        if why:
            yield (self._refused(entry, why),), (), replace(done, covers=place.covers)
            return
        done = replace(done, full=entry.seq, covers=done.covers if compared.whole else place.covers)
        at, look = 0, LOOK_RECORDS if read.kind in BUILDERS else LOOK_ROWS
        page: list[Told] = []
        doubted: set[str] = set()
        for told in compared.told():
            at += 1
            if told.odd:
                doubted.add(told.odd)
            if at % look == 0:
                await self._clock.sleep(0)
            if place.now and at <= place.at:
                continue
            page.append(told)
            if len(page) == PAGE_ROWS:
                events, present = self._page(read, page, changed_ms)
                page = []
                yield events, present, replace(place, now=entry.seq, at=at)
        events, present = self._page(read, page, changed_ms)
        self._spool.doubt(read.stream.name, entry.seq, doubted, place.base)
        yield events, present, done
        if compared.whole:  # else what it lacks was not told
            self._spool.untouch(read.stream.name, entry.stamp_ms - read.lead_s * 1000)

    async def _compared(self, read: Read, entry: Taken, place: Place, changed_ms: int) -> Comparison:
        """A full file beside the last one that was believed."""
        found, rows, reader = self._file(read, entry, changed_ms)
        before = self._base(read, entry, place)
        odd = self._spool.doubted(read.stream.name, place.base) if before else set[str]()
        again = odd | self._spool.touched(read.stream.name) if before else odd
        if isinstance(rows, StatedRows):
            said = await digests(before, self._clock, reader, rows)
            groups = await grouped(found, self._clock, Grouped(reader, rows.key_of, rows.check))
            return ComparedRecords(entry.name, rows, groups, said, again)
        lines_before = set[bytes]()
        for number, line in enumerate(before):
            lines_before.add(line[1])
            if number % LOOK_ROWS == LOOK_ROWS - 1:
                await self._clock.sleep(0)
        every = partial(lines, read, kept(read, self._spool, entry))
        return ComparedLines(entry.name, rows, reader, lambda: every(Ends()), lines_before, odd, again)

    def _base(self, read: Read, entry: Taken, place: Place) -> Iterable[Numbered]:
        """The lines of the last file that was believed, if they mean the same as those of this one."""
        base = self._spool.at(place.base) if place.base else None
        if base is None or not kept(read, self._spool, base).exists():
            return ()
        path = kept(read, self._spool, base)
        if header_of(read, path) != header_of(read, kept(read, self._spool, entry)):
            return ()
        return lines(read, path, Ends())

    async def _bad(self, read: Read, compared: Comparison, *, had: bool) -> str:
        """Why a file is refused because too many of its lines are wrong, or none is there; "" if few are.

        What a full file of records lacks is taken away, so one without any would take everything that the one before ``had``.
        """
        bad, first, number = 0, "", -1
        look = LOOK_RECORDS if read.kind in BUILDERS else LOOK_ROWS
        for number, told in enumerate(compared.told()):
            if told.refused is not None:
                bad += 1
                first = first or f"line {told.number}: {told.refused.why}"
            if number % look == look - 1:
                await self._clock.sleep(0)
        if bad > read.bad_rows_max:
            return f"{bad} lines are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, {first}"
        if number < 0 and had and read.kind in BUILDERS:
            return "it has no rows: a full file without any is taken for an export that failed"
        return ""

    def _page(
        self, read: Read, page: list[Told], changed_ms: int
    ) -> tuple[tuple[Event, ...], tuple[tuple[Kind, str], ...]]:
        kind = KIND_OF[read.kind]
        news = [told.row for told in page if told.row is not None]
        events = list(self._tell(read, news, changed_ms))
        events += [
            mapping.refusal_event(
                self._name, told.refused, changed_ms, same=f"{read.stream.name}:{_what(told.refused, read)}"
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
        touched: dict[str, int] = {}
        if read.kind in ("stock", "items"):
            told, refused = await self._rows(read, entry, rows, reader, found, touched)
        elif isinstance(rows, StatedRows):
            told, refused = await self._records(read, entry, rows, reader, found, touched)
        else:
            told, refused = await self._of_orders(read, entry, rows, reader, found, touched)
        if len(refused) > read.bad_rows_max:
            why = (
                f"{len(refused)} lines are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, line "
                f"{refused[0].line}: {refused[0].why}"
            )
            return [self._refused(entry, why)]
        stream = "stock" if read.kind == "order_status" else read.kind
        if touched and self._settings.read(stream) is not None:
            self._spool.touch(stream, touched)
        said = [(mapping.reference_of(event), event.body) for event in told if event.topic == "order.row"]
        if said:
            self._spool.said(said, self._clock.now_ms(), self._settings.keep_days)
        return told + [
            mapping.refusal_event(
                self._name, each, entry.at_ms, same=f"{self._spool.id}:{entry.seq}:{each.line}"
            )
            for each in refused
        ]

    async def _rows(
        self,
        read: Read,
        entry: Taken,
        rows: Rows,
        reader: Reader,
        found: Iterator[Numbered],
        touched: dict[str, int],
    ) -> tuple[list[Event], list[Refusal]]:
        """Rows of stock or items, each for itself; of two of one moment the later counts."""
        last: dict[tuple[str, str, int], mapping.StockRow | mapping.ItemRow] = {}
        refused: list[Refusal] = []
        for count, (number, raw) in enumerate(found, 1):
            try:
                row = rows.row(reader.values(raw))
                last[row.sku, row.location if isinstance(row, mapping.StockRow) else "", row.stamp_ms] = row
            except Rejected as error:
                refused.append(Refusal(entry.name, str(error), number, mapping.shown_line(raw)))
            if count % LOOK_ROWS == 0:
                await self._clock.sleep(0)
        good = list(last.values())
        touched |= {row.sku: row.stamp_ms - read.lead_s * 1000 for row in good}
        return list(self._tell(read, good, entry.stamp_ms)), refused

    async def _records(
        self,
        read: Read,
        entry: Taken,
        rows: StatedRows,
        reader: Reader,
        found: Iterator[Numbered],
        touched: dict[str, int],
    ) -> tuple[list[Event], list[Refusal]]:
        """Records, each with all rows that the file has of it."""
        groups = await grouped(found, self._clock, Grouped(reader, rows.key_of, rows.check))
        refused = list(refusals(entry.name, groups, rows))
        good: list[Stated[object]] = []
        for count, group in enumerate(groups.groups.values(), 1):
            record = made(entry.name, groups, group, rows)
            if isinstance(record, Refusal):
                refused.append(record)
            else:
                good.append(record)
                touched[record.key] = record.version_ms
            if count % LOOK_RECORDS == 0:
                await self._clock.sleep(0)
        return list(self._tell(read, good, entry.stamp_ms)), refused

    async def _of_orders(
        self,
        read: Read,
        entry: Taken,
        rows: Rows,
        reader: Reader,
        found: Iterator[Numbered],
        touched: dict[str, int],
    ) -> tuple[list[Event], list[Refusal]]:
        """What is said of orders, or parcels: each with all of its lines, as an event of its own."""
        groups = await grouped(found, self._clock, Grouped(reader, rows.group_of, rows.check))
        refused = list(refusals(entry.name, groups, rows))
        events: list[Event] = []
        for group in groups.groups.values():
            try:
                if group.wrong:
                    raise AtLine(group.wrong_line, group.wrong)
                values = [line.values for line in groups.lines(group)]
                if read.kind == "order_status":
                    order = rows.order(values)
                    events.append(mapping.order_event(self._name, order))
                    touched |= {x.sku: max(order.stamp_ms, touched.get(x.sku, 0)) for x in order.lines}
                else:
                    events.append(mapping.shipment_event(self._name, rows.shipment(values)))
            except AtLine as error:
                refused.append(refusal_of(entry.name, group, rows, str(error), error.line))
            except Rejected as error:
                refused.append(Refusal(entry.name, str(error), group.line, group.key))
        return events, refused

    def _tell(
        self, read: Read, records: Sequence[mapping.StockRow | mapping.ItemRow | Stated[object]], at_ms: int
    ) -> Iterator[Event]:
        """Events of some records."""
        if read.kind in BUILDERS:
            return events_of(self._name, read, cast("Sequence[Stated[object]]", records), at_ms)
        plain = cast("Sequence[mapping.StockRow | mapping.ItemRow]", records)
        most = mapping.ROWS_PER_EVENT
        return (
            mapping.rows_event(self._name, read, plain[n : n + most], at_ms)
            for n in range(0, len(plain), most)
        )
