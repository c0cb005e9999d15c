"""What an adoption reads of an ERP that exchanges files: what its last files list, and the orders that its statuses name.

Nothing is told and no place of a stream moves: files are taken when items are read, so before anything else is asked, and read as they lie in the spool. An
order's total stands in none of them, and what was fetched by somebody else before is not there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from syncline.connectors.files import mapping
from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import Reader, Values
from syncline.connectors.files.intake import Ends, Intake, header_of, kept, lines
from syncline.connectors.files.kinds import ITEMS, ORDER_STATUS, SHIPMENTS, STOCK
from syncline.connectors.files.manifest import FilesSettings
from syncline.connectors.files.mapping import OrderRow, Rows, ShipmentRow
from syncline.connectors.files.spool import Spool, Taken
from syncline.model.census import FoundOrder, ListedItem, ListedPlace
from syncline.model.change import Cursor, Event
from syncline.model.delivery import Item as Sent
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Misconfigured, Rejected, Retryable
from syncline.model.payloads import PutOrder
from syncline.ports import REFERENCE, CensusPage, Clock, Sink

ORDERS_MAX = 1_000
PAGE_ITEMS = 5_000
LOOK_ROWS = 20_000  # between two looks at what else is to be done
FIELDS = (REFERENCE, "reference", "id")


@dataclass(frozen=True, slots=True)
class Status:
    """The last that a partner said of an order. ``open``: goods of it are still to leave, as far as a column tells."""

    row: OrderRow
    open: bool


class FileCensus:
    """One partner's files, listed. Census and OrderBook."""

    def __init__(
        self, name: str, settings: FilesSettings, clock: Clock, spool: Spool, intake: Intake
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._intake = intake
        self._physical = any(read.kind == "stock" and read.basis == "on_hand" for read in settings.reads)
        self.orders_max = ORDERS_MAX
        self._said: dict[str, Status] = {}  # by reference in lower case
        self._said_to = 0  # the last file of statuses that was read

    # --- lists --------------------------------------------------------------------------------------------

    async def read(
        self, what: str, position: str, *, fields: Sequence[str] = (), places: Sequence[str] = ()
    ) -> AsyncGenerator[CensusPage, None]:
        if fields:
            raise Misconfigured(f"files list no field {fields[0]!r}: match items by sku")
        if what not in ("items", "places"):
            raise Misconfigured(f"files list no {what}")
        if what == "items":
            for read in self._settings.reads:
                failed = await self._intake.take(read)
                if failed is not None:
                    raise failed
        figures = await self._figures()
        if what == "places":
            known = dict.fromkeys(at for there in figures.values() for at in there)
            yield CensusPage(tuple(ListedPlace(at, at) for at in sorted(known)), "", last=True)
            return
        found = [
            ListedItem(
                item.id, item.sku, item.title, quantity=_over(figures.get(item.sku, {}), frozenset(places))
            )
            for item in await self._items()
        ]
        start = int(position or 0)
        while True:
            some = tuple(found[start : start + PAGE_ITEMS])
            start += len(some)
            yield CensusPage(some, str(start), last=start >= len(found))
            if start >= len(found):
                return

    async def begin(self) -> tuple[Cursor, ...]:
        """Statuses and parcels are told from the first file that lies in the spool: each says all of its order."""
        return ()

    async def _items(self) -> list[mapping.ItemRow]:
        read = self._settings.read(ITEMS.name)
        if read is None:
            raise Misconfigured("to list what there is, declare reads of kind 'items' with scope = \"full\"")
        found: dict[str, mapping.ItemRow] = {}
        entry = self._spool.last(read.stream.name)
        if entry is None:
            raise Misconfigured(
                f"no file lists what there is: none like {read.pattern} has been left in {read.path} yet"
            )
        async for rows, values in self._rows(read, entry):
            with suppress(Rejected):
                item = rows.item(values)
                found.setdefault(item.sku, item)
        return list(found.values())

    async def _figures(self) -> dict[str, dict[str, Decimal]]:
        """What the last full file of stock offers, by SKU and location; nothing where there is none."""
        read = self._settings.read(STOCK.name)
        entry = self._spool.last(read.stream.name) if read is not None else None
        found: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
        if read is None or entry is None:
            return found
        async for rows, values in self._rows(read, entry):
            with suppress(Rejected):
                row = rows.stock(values)
                taken = Decimal(row.committed) if self._physical else Decimal(0)
                found[row.sku].setdefault(row.location, Decimal(row.quantity) - taken)
        return found

    # --- orders -------------------------------------------------------------------------------------------

    def check_fields(self, fields: Sequence[str]) -> None:
        for field in fields:
            if field not in FIELDS[1:]:
                raise Misconfigured(
                    f"{field!r} is no field by which orders are found in files: use reference or id, as order_status has them"
                )

    async def find_orders(self, wanted: Mapping[str, Sequence[str]]) -> list[FoundOrder]:
        found: dict[str, FoundOrder] = {}
        statuses = await self._statuses()
        for field, values in wanted.items():
            asked = {value.lower() for value in values}
            for key, status in statuses.items():
                held = status.row.id if field == "id" else status.row.key
                if held.lower() in asked:
                    told = {**(found[key].values if key in found else {}), field: held}
                    found[key] = _found(status, told)
        return list(found.values())

    async def order_events(self, orders: Mapping[str, str]) -> list[Event]:
        statuses = await self._statuses()
        ours = {id_.lower(): reference for id_, reference in orders.items() if id_.lower() in statuses}
        told = [
            mapping.order_event(self._name, replace(statuses[key].row, key=reference))
            for key, reference in ours.items()
        ]
        return told + [
            mapping.shipment_event(self._name, replace(row, order=ours[row.order.lower()]))
            for row in await self._parcels()
            if row.order.lower() in ours
        ]

    async def _statuses(self) -> dict[str, Status]:
        """The last that was said of each order, by its reference in lower case."""
        read = self._settings.read(ORDER_STATUS.name)
        found = self._said
        for entry in await self._all(read, self._said_to) if read is not None else ():
            assert read is not None
            reader = self._reader(read, entry)
            at = [
                reader.fields.index(name) if name in reader.fields else -1 for name in ("quantity", "shipped")
            ]
            numbers = Values(read)
            groups: dict[str, list[list[str]]] = {}
            spoilt: set[str] = set()
            async for rows, values in self._rows(read, entry):
                group = ""
                try:
                    group = rows.group_of(values)
                    groups.setdefault(group, []).append(values)
                    rows.check(values)
                except Rejected:
                    spoilt.add(group)  # an order of which a line is missing is another order
            rows = Rows(read, reader, entry, entry.stamp_ms, physical=self._physical)
            for group, of in groups.items():
                if group in spoilt:
                    continue
                with suppress(Rejected):
                    row = rows.order(of)
                    waits = at[1] >= 0 and any(
                        numbers.number(values[at[0]])
                        > (numbers.number(values[at[1]]) if values[at[1]] else 0)
                        for values in of
                    )
                    before = found.get(row.key.lower())
                    if before is None or row.stamp_ms >= before.row.stamp_ms:
                        found[row.key.lower()] = Status(row, waits and row.commits)
            self._said_to = entry.seq
        return found

    async def _parcels(self) -> list[ShipmentRow]:
        read = self._settings.read(SHIPMENTS.name)
        found: list[ShipmentRow] = []
        for entry in await self._all(read, 0) if read is not None else ():
            assert read is not None
            groups: dict[str, list[list[str]]] = {}
            spoilt: set[str] = set()
            async for rows, values in self._rows(read, entry):
                group = ""
                try:
                    group = rows.group_of(values)
                    groups.setdefault(group, []).append(values)
                    rows.check(values)
                except Rejected:
                    spoilt.add(group)
            made = Rows(read, self._reader(read, entry), entry, entry.stamp_ms)
            for group, of in groups.items():
                if group not in spoilt:
                    with suppress(Rejected):
                        found.append(made.shipment(of))
        return found

    # --- files --------------------------------------------------------------------------------------------

    async def _all(self, read: Read, seq: int) -> list[Taken]:
        """Every file of a stream after a place that is still in the spool, in order."""
        found: list[Taken] = []
        while some := self._spool.after(read.stream.name, seq):
            seq = some[-1].seq
            found += [
                entry
                for entry in some
                if entry.state == "accepted"
                and not await self._intake.ready(read, entry)
                and kept(read, self._spool, entry).exists()
            ]
        return found

    def _reader(self, read: Read, entry: Taken) -> Reader:
        return Reader(read, read.columns, header_of(read, kept(read, self._spool, entry)))

    async def _rows(self, read: Read, entry: Taken) -> AsyncGenerator[tuple[Rows, list[str]], None]:
        """The lines of a file that can be taken apart."""
        if why := await self._intake.ready(read, entry):
            raise Retryable(f"{entry.name}: {why}")
        try:
            reader = self._reader(read, entry)
            rows = Rows(read, reader, entry, entry.stamp_ms, physical=self._physical)
            for count, values in enumerate(_values(read, reader, kept(read, self._spool, entry))):
                if count % LOOK_ROWS == LOOK_ROWS - 1:
                    await self._clock.sleep(0)
                yield rows, values
        except OSError as error:
            raise Retryable(f"the spool lacks {entry.name}: {error.strerror}") from error


class Adopting(Sink):
    """Writes an order only if the partner has not booked it already for somebody else."""

    def __init__(self, sink: Sink, census: FileCensus, spool: Spool) -> None:
        self._sink = sink
        self._census = census
        self._spool = spool

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._sink.operations

    async def deliver(self, operation: str, items: Sequence[Sent], key: str) -> list[Outcome]:
        if operation != "put_order":
            return await self._sink.deliver(operation, items, key)
        outcomes = []
        for item in items:
            try:
                found = await self._adopted(item.payload)
            except Rejected as error:
                found = Outcome(Result.REJECTED, str(error))
            except Retryable as error:
                found = Outcome(Result.NOT_SENT, str(error))
            outcomes += [found] if found is not None else await self._sink.deliver(operation, [item], key)
        return outcomes

    async def look_up(self, operation: str, item: Sent) -> Outcome | None:
        found = await self._sink.look_up(operation, item)
        if found is not None or operation != "put_order":
            return found
        try:
            return await self._adopted(item.payload)
        except Rejected as error:
            return Outcome(Result.REJECTED, str(error))

    async def _adopted(self, put: PutOrder) -> Outcome | None:
        """The order as somebody else wrote it, if so; then nothing is written."""
        if not put.foreign or put.external_id or self._spool.sent("put_order", put.reference) is not None:
            return None
        wanted: dict[str, list[str]] = {}
        for field, value in put.foreign:
            wanted.setdefault(field, []).append(value)
        found = {one.id: one for one in await self._census.find_orders(wanted)}
        alive = {id_: one for id_, one in found.items() if not one.gone}
        found = alive if len(alive) == 1 else found
        if not found:
            return None
        if len(found) > 1:
            raise Rejected(
                f"the partner names order {put.order.number} more than once, as {', '.join(found)}: have all but one "
                "called off there, then release this"
            )
        (order,) = found.values()
        facts = {"external_id": order.id, "adopted": order.name, "commits_stock": False}
        events = await self._census.order_events({order.id: put.reference})
        return Outcome(Result.DONE, facts={**facts, **({"event": events[0]} if events else {})})


def _found(status: Status, values: dict[str, str]) -> FoundOrder:
    row = status.row
    return FoundOrder(
        row.key, row.key, None, row.status, followed=True, values=values, gone=row.cancelled, open=status.open,
        number=row.id,
    )  # fmt: skip


def _over(there: Mapping[str, Decimal], places: frozenset[str]) -> Decimal:
    return sum((number for at, number in there.items() if not places or at in places), Decimal(0))


def _values(read: Read, reader: Reader, path: Path) -> Iterator[list[str]]:
    for _, raw in lines(read, path, Ends()):
        with suppress(Rejected):
            yield reader.values(raw)
