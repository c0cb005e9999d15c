"""Goods that an ERP took back, as its files tell: each return once, by the ERP's own number of it.

A return is a fact: told again with the same content it changes nothing, and with another it is refused, whatever it says,
because its buyer may have the money already. One that was made for a refund which its channel told us of names that refund,
and goes back to nobody. Which returns of a file are taken is noted in the spool before any is told, so a read that begins
again tells the same at the same places.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import msgspec

from syncline.connectors.files import mapping, orders
from syncline.connectors.files.declared import Read
from syncline.connectors.files.dialect import shown
from syncline.connectors.files.intake import AHEAD_MS_MAX
from syncline.connectors.files.judging import LOOK_ORDERS, apart
from syncline.connectors.files.mapping import Line, Refusal
from syncline.connectors.files.orders import Group, OrderMaker, Row
from syncline.connectors.files.sold import Noted
from syncline.connectors.files.spool import Spool, Taken
from syncline.model.change import Change, Event, Kind, Via
from syncline.model.errors import Rejected
from syncline.model.records import ZERO, Return, ShipmentLine
from syncline.ports import Clock

TOPIC = "return.row"
OUR_REFUND = "-ref-"  # in the reference of a refund that we wrote, behind that of its order
HEAD = ("returned_at", "restocked", "money", "refund")  # fields that concern all of a return


class ReturnRow(msgspec.Struct, frozen=True):
    """``return.row``: one return, with the file that says so."""

    key: str
    order: str
    returned_ms: int
    lines: tuple[Line, ...]
    restocked: bool
    credited: bool
    stamp_ms: int
    seq: int


_ROW = msgspec.json.Decoder(ReturnRow)


class ReturnMaker(OrderMaker):
    """Makes returns of their lines, by one dialect. ``numbered`` are the SKUs that a line of an order ever was."""

    def __init__(self, read: Read, numbered: Callable[[str, str], set[str]]) -> None:
        super().__init__(read)
        self._numbered = numbered

    def row(self, group: Group, entry: Taken) -> ReturnRow:
        """A return.

        Raises:
            Rejected: it cannot be understood; names line and field.
        """
        line, head = group.rows[0]
        self._alike(group)
        try:
            returned_ms = self._moment(head, "returned_at", entry.stamp_ms)
            if returned_ms - entry.stamp_ms > AHEAD_MS_MAX:
                raise Rejected(f"field returned_at: {shown(head['returned_at'])} lies after its file")
            restocked = self._yes(head, "restocked") if "restocked" in head else True
            credited = self._yes(head, "money") if "money" in head else True
        except Rejected as error:
            raise Rejected(f"line {line}: {error}") from error
        lines = self._goods(group)
        return ReturnRow(
            group.revision,
            group.reference,
            returned_ms,
            lines,
            restocked,
            credited,
            entry.stamp_ms,
            entry.seq,
        )

    def ours(self, group: Group) -> bool:
        """Whether it was made for a refund that we wrote.

        Raises:
            Rejected: it names one, and no refund of its order that we wrote is called like that.
        """
        line, head = group.rows[0]
        refund = head.get("refund", "")
        if refund and not refund.lower().startswith(f"{group.reference}{OUR_REFUND}".lower()):
            raise Rejected(
                f"line {line}: field refund: {shown(refund)} is no refund of its order that we wrote: leave it empty"
            )
        return bool(refund)

    @staticmethod
    def _alike(group: Group) -> None:
        line, head = group.rows[0]
        for number, row in group.rows[1:]:
            for name in HEAD:
                if row.get(name) != head.get(name):
                    raise Rejected(
                        f"line {number}: field {name}: {shown(row.get(name, ''))} here, and {shown(head.get(name, ''))} in "
                        f"line {line} of the same return"
                    )

    def _goods(self, group: Group) -> tuple[Line, ...]:
        """The units of a return. A row of a line that comes again, the same in every field, is one row."""
        units: dict[tuple[str, str], Decimal] = {}
        numbered: dict[tuple[str, str], tuple[int, Row]] = {}
        unnamed: set[tuple[str, ...]] = set()
        for number, row in group.rows:
            name = row.get("line", "")
            place = name, row.get("location", "")
            first, known = numbered.setdefault(place, (number, row)) if name else (number, row)
            if first != number:
                if known != row:
                    raise Rejected(f"line {number}: field line: {shown(name)} is in line {first} as well")
                continue
            said = tuple(row.values())  # of one reader, so its fields are in one order
            if not name and said in unnamed:
                raise Rejected(
                    f"line {number}: it is the same as another of its return, and no field 'line' says whether it is one more"
                )
            unnamed.add(said)
            try:
                at = self._sku(group.reference, row), row.get("location", "")
                quantity = self._number(row, "quantity")
                if quantity < 0:
                    raise Rejected(f"field quantity: {shown(row['quantity'])} is below zero")
            except Rejected as error:
                raise Rejected(f"line {number}: {error}") from error
            units[at] = units.get(at, ZERO) + quantity
        goods = tuple(Line(sku, location, f"{n:f}") for (sku, location), n in units.items() if n)
        if not goods:
            raise Rejected(f"line {group.line}: nothing came back with it")
        return goods

    def _sku(self, reference: str, row: Row) -> str:
        """What came back, by its SKU or by the line of its order, which must not have been another in any revision."""
        line = row.get("line", "")
        if not line:
            return orders.name_of(row, "sku")
        known = self._numbered(reference, line)
        if row.get("sku"):
            sku = orders.name_of(row, "sku")
            if known and sku not in known:
                raise Rejected(
                    f"field line: {shown(line)} of its order is {shown(min(known))}, not {shown(sku)}"
                )
            return sku
        if len(known) != 1:
            why = "is not known here" if not known else "was another in another revision"
            raise Rejected(f"field line: {shown(line)} of its order {why}: name the SKU")
        return next(iter(known))


class ReturnJudge:
    """Judges the files of returns of one system."""

    def __init__(self, system: str, clock: Clock, spool: Spool) -> None:
        self._system = system
        self._clock = clock
        self._spool = spool

    async def told(self, read: Read, entry: Taken) -> list[Event | None]:
        """What is told of each return of a file, ``None`` where nothing is; its places are the same whenever it is asked.

        Raises:
            Retryable: the spool lacks the file, or does not take what is noted.
        """
        found = await apart(read, entry, self._spool, self._clock)
        refused = [
            Refusal(entry.name, why, number, mapping.shown_line(raw)) for number, why, raw in found.refused
        ]
        told: list[Event | None] = []
        taken: list[Noted] = []
        maker, named = ReturnMaker(read, self._spool.numbered), Counter(_key(group) for group in found.groups)
        for start in range(0, len(found.groups), LOOK_ORDERS):
            groups = found.groups[start : start + LOOK_ORDERS]
            before = self._spool.returned(_key(group) for group in groups)
            for group in groups:
                try:
                    if named[_key(group)] > 1 and not group.wrong:
                        raise Rejected("its number stands in the file for another one as well")
                    told.append(self._judge(maker, entry, group, before.get(_key(group)), taken))
                except Rejected as error:
                    refused.append(orders.refusal_of(group, entry.name, str(error), "return"))
            await self._clock.sleep(0)
        if len(refused) > read.bad_rows_max:
            why = (
                f"{len(refused)} lines or returns are wrong, more than {read.bad_rows_max} (bad_rows_max); the first, line "
                f"{refused[0].line}: {refused[0].why}"
            )
            told, taken, refused = [], [], [Refusal(entry.name, why)]
        self._spool.note_returns(taken)
        return told + [
            mapping.refusal_event(
                self._system, each, entry.at_ms, same=f"{self._spool.id}:{entry.seq}:{each.line}:{each.text}"
            )
            for each in refused
        ]

    def _judge(
        self, maker: ReturnMaker, entry: Taken, group: Group, before: Noted | None, taken: list[Noted]
    ) -> Event | None:
        if group.wrong:
            raise Rejected(group.wrong)
        row, ours = maker.row(group, entry), maker.ours(group)
        said = _said(row, ours=ours)
        if before is not None and before.hash != said:
            raise Rejected(
                f"it came before in {before.file} with another content: what was told of it stands, and the next return has a "
                "number of its own"
            )
        first = before is None or (before.seq, before.line) == (entry.seq, group.line)
        if before is None:
            at_ms = self._clock.now_ms()
            taken.append(Noted(_key(group), said, entry.seq, entry.name, group.line, at_ms))
        return _event(self._system, row) if first and not ours else None


def _key(group: Group) -> str:
    return group.revision.lower()


def _said(row: ReturnRow, *, ours: bool) -> str:
    """A short name for what came back, of which order, and what becomes of it; not for how its file is written down."""
    lines = sorted((x.sku, x.location, str(Decimal(x.quantity).normalize())) for x in row.lines)
    said = [row.order.lower(), lines, row.restocked, row.credited, ours]
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=16).hexdigest()


def _event(system: str, row: ReturnRow) -> Event:
    body = msgspec.json.encode(row)
    name = hashlib.blake2b(body, digest_size=16).hexdigest()
    return Event(system, TOPIC, f"{TOPIC}:{name}", Via.POLL, row.returned_ms, body)


def decode(body: bytes) -> Change:
    """The return that an event tells.

    Raises:
        Rejected: it cannot be read.
    """
    try:
        row = _ROW.decode(body)
        lines = tuple(ShipmentLine(x.sku, x.location, Decimal(x.quantity)) for x in row.lines)
    except (msgspec.MsgspecError, ArithmeticError) as error:
        raise Rejected(f"what was kept of a return cannot be read: {error}") from error
    back = Return(row.key, row.order, row.returned_ms, lines, restocked=row.restocked, credited=row.credited)
    return Change(Kind.RETURN, row.key, row.stamp_ms, row.seq, row.returned_ms, back)
