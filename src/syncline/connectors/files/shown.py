"""What a channel says that it shows: a file with all of its numbers, which makes them provable and is read back.

The file states what was shown at its stamp, less ``lead_s``: the time that the partner's export takes, and that it takes to load
ours. So a number counts only if nothing was written for its SKU and location since; else what we wrote stands for what is
there, as it does without such a file. Units that the channel has taken off for its own orders since it loaded our number
(``ordered``) are in what is compared: they are known by the orders.

Files are taken when a proof begins; nothing of them is an event.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader, Values
from syncline.connectors.files.intake import Ends, Intake, header_of, kept, lines
from syncline.connectors.files.kinds import SHOWN
from syncline.connectors.files.manifest import LOOK_UP_WINDOW_MS, FilesSettings
from syncline.connectors.files.mapping import Rows
from syncline.connectors.files.spool import Spool, Taken
from syncline.model.copying import replace
from syncline.model.delivery import Item as Sent
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Rejected, Retryable
from syncline.model.payloads import ReadStock, SetStock
from syncline.model.readings import Shown
from syncline.model.records import Item
from syncline.ports import Clock, Part, Sink

SKUS_PER_PART = 250
LOOK_ROWS = 20_000  # between two looks at what else is to be done
FAR_MS = 1 << 53

At = tuple[str, str]  # SKU and location


@dataclass(slots=True)
class Stated:
    """One file: numbers with the moment at which each was shown, by SKU and location.

    ``odd`` are SKUs with a line that cannot be understood; ``whole``: no line lacks its SKU.
    """

    seq: int
    at_ms: int
    numbers: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    odd: set[str] = field(default_factory=set)
    whole: bool = True


class ShownFiles:
    """The last file of what a partner shows."""

    def __init__(self, settings: FilesSettings, clock: Clock, spool: Spool, intake: Intake) -> None:
        read = settings.read(SHOWN.name)
        assert read is not None
        self._read: Read = read
        self._keep_days = settings.keep_days
        self._clock = clock
        self._spool = spool
        self._intake = intake
        self._stated: Stated | None = None
        self._refused = (0, "")  # a file that is not read again, and why

    # --- for a proof --------------------------------------------------------------------------------------

    async def shown(self, locations: Sequence[str], after: str) -> Part[Shown]:
        """Everything that is shown, or that we have written a number of; the first part looks for a new file.

        Raises:
            Retryable: there is none, or the last one was refused.
        """
        began_ms = self._clock.now_ms()
        if not after:
            await self._take()
        stated = await self._last()
        if stated is None:
            raise Retryable(
                f"no file says what is shown: none like {self._read.pattern} has been left in {self._read.path} yet"
            )
        self._spool.know_written(began_ms)
        skus = sorted({*stated.numbers, *(sku for sku, *_ in self._spool.every_number())})
        start = bisect_right(skus, after)
        some = skus[start : start + SKUS_PER_PART]
        last = some[-1] if start + SKUS_PER_PART < len(skus) else ""
        return Part(self._rows(stated, some, locations), began_ms, last)

    async def shown_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Shown]:
        """The same of some items."""
        began_ms = self._clock.now_ms()
        stated = await self._last()
        if stated is None:
            raise Retryable("no file says what is shown")
        return Part(self._rows(stated, [item.sku for item in items], locations), began_ms)

    def _rows(self, stated: Stated, skus: Iterable[str], locations: Sequence[str]) -> tuple[Shown, ...]:
        rows = []
        for sku in skus:
            there = stated.numbers.get(sku)
            if sku in stated.odd or (there is None and not stated.whole):
                continue  # what the file says of it cannot be understood
            since = self._spool.written(sku)
            if there is None and not since:
                continue
            numbers: dict[str, int | None] = {}
            for at in locations:
                number, at_ms = (there or {}).get(at, (None, stated.at_ms))
                fresh = at_ms > since.get(at, 0)
                numbers[at] = number if fresh else self._spool.held(sku, at)
            rows.append(Shown("", sku, numbers))
        return tuple(rows)

    # --- for a write --------------------------------------------------------------------------------------

    async def found(self, places: Sequence[At]) -> dict[At, int]:
        """What the file says that is shown, where it counts."""
        try:
            stated = await self._last()
        except Retryable:  # a proof says why; until then what we wrote stands
            return {}
        found: dict[At, int] = {}
        for sku, at in places if stated is not None else ():
            assert stated is not None
            number = stated.numbers.get(sku, {}).get(at)
            if number is not None and sku not in stated.odd and number[1] > self._written_ms(sku, at):
                found[sku, at] = number[0]
        return found

    def _written_ms(self, sku: str, at: str) -> int:
        return self._spool.written(sku).get(at, FAR_MS if self._spool.held(sku, at) else 0)

    # --- the file -----------------------------------------------------------------------------------------

    async def _take(self) -> None:
        failed = await self._intake.take(self._read)
        if failed is not None:
            raise failed
        last = self._spool.last(SHOWN.name)
        seq = last.seq if last is not None else 0
        refused = [entry for entry in self._spool.after(SHOWN.name, seq) if entry.state != "accepted"]
        if refused:
            raise Retryable(
                f"the last file of what is shown was refused: {refused[-1].name}: {refused[-1].reason}"
            )
        if last is not None:
            self._spool.collect(SHOWN.name, (seq,), seq, self._clock.now_ms(), self._keep_days)

    async def _last(self) -> Stated | None:
        """What the last file that was taken states; read once.

        Raises:
            Retryable: too much of it cannot be understood, or the spool lacks it.
        """
        entry = self._spool.last(SHOWN.name)
        if entry is None:
            return None
        if self._refused[0] == entry.seq:
            raise Retryable(self._refused[1])
        if self._stated is None or self._stated.seq != entry.seq:
            try:
                self._stated = await self._parse(entry)
            except OSError as error:
                raise Retryable(f"the spool lacks {entry.name}: {error.strerror}") from error
            except Rejected as error:
                self._refused = entry.seq, f"{entry.name}: {error}"
                raise Retryable(self._refused[1]) from error
        return self._stated

    async def _parse(self, entry: Taken) -> Stated:
        read = self._read
        if why := await self._intake.ready(read, entry):
            raise Rejected(why)
        reader = Reader(read, read.columns, header_of(read, kept(read, self._spool, entry)))
        rows = Rows(read, reader, entry, entry.stamp_ms)
        lead_ms, values_of = read.lead_s * 1000, Values(read)
        taken_off = reader.fields.index("ordered") if "ordered" in reader.fields else -1
        stated = Stated(entry.seq, entry.stamp_ms - lead_ms)
        wrong: list[str] = []
        for count, (number, raw) in enumerate(lines(read, kept(read, self._spool, entry), Ends())):
            if count % LOOK_ROWS == LOOK_ROWS - 1:
                await self._clock.sleep(0)
            sku = ""
            try:
                values = reader.values(raw)
                sku = rows.key(values)
                row = rows.stock(values)
                ordered = values[taken_off] if taken_off >= 0 else ""
                there = stated.numbers.setdefault(row.sku, {})
                if row.location in there:
                    raise Rejected(f"{row.sku} at {row.location!r} stands in the file a second time")
                number_there = Decimal(row.quantity) + (values_of.number(ordered) if ordered else 0)
                if number_there != number_there.to_integral_value():
                    raise Rejected(f"{number_there.normalize():f} is no whole number of units")
                there[row.location] = int(number_there), row.stamp_ms - lead_ms
            except Rejected as error:
                wrong.append(f"line {number}: {error}")
                stated.odd.add(sku)
                stated.whole = stated.whole and bool(sku)
        if len(wrong) > read.bad_rows_max:
            raise Rejected(
                f"{len(wrong)} lines are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, {wrong[0]}"
            )
        return stated


class ReadBack(Sink):
    """Writes as it would without such a file, and answers what is shown where the file tells."""

    def __init__(self, sink: Sink, files: ShownFiles, clock: Clock, spool: Spool) -> None:
        self._sink = sink
        self._files = files
        self._clock = clock
        self._spool = spool

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._sink.operations

    async def look_up(self, operation: str, item: Sent) -> Outcome | None:
        return await self._sink.look_up(operation, item)

    async def deliver(self, operation: str, items: Sequence[Sent], key: str) -> list[Outcome]:
        if operation == "set_stock":
            return await self._set(items, key)
        outcomes = await self._sink.deliver(operation, items, key)
        if operation != "read_stock":
            return outcomes
        asked: list[ReadStock] = [item.payload for item in items]
        found = await self._files.found([(one.sku, one.location) for one in asked])
        return [
            replace(outcome, facts={**outcome.facts, "held": found[one.sku, one.location]})
            if outcome.result is Result.DONE and (one.sku, one.location) in found
            else outcome
            for one, outcome in zip(asked, outcomes, strict=True)
        ]

    async def _set(self, items: Sequence[Sent], key: str) -> list[Outcome]:
        """A number may appear for a while after its answer was lost, so that is noted before it is written."""
        asked: list[SetStock] = [item.payload for item in items]
        places = [(one.sku, one.location) for one in asked]
        self._spool.note_written(places, self._clock.now_ms() + LOOK_UP_WINDOW_MS)
        outcomes = await self._sink.deliver("set_stock", items, key)
        there = [
            at for at, outcome in zip(places, outcomes, strict=True) if outcome.result is not Result.UNKNOWN
        ]
        self._spool.note_written(there, self._clock.now_ms())
        return outcomes
