"""Orders that a channel leaves as files: taken apart, put together again line by line, and judged against what came before.

An order counts once, by its reference. Told again with the same content it changes nothing; told with another it has to
say which is newer, by a higher ``revision`` or, where no revision is declared, a later ``updated_at``. What cannot be
told apart from a mistake is refused with its file and line, and never guessed at.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from syncline.connectors.files.declared import Head, Read
from syncline.connectors.files.dialect import Reader, Values, shown
from syncline.connectors.files.intake import AHEAD_MS_MAX, Numbered
from syncline.connectors.files.kinds import ONCE, ORDER_HEAD
from syncline.connectors.files.mapping import KEY_CHARS_MAX, Refusal
from syncline.model.change import Change, Event, Kind, Via
from syncline.model.copying import replace
from syncline.model.errors import Rejected
from syncline.model.records import ZERO, Address, Allocation, Customer, Order, OrderLine, Payment

TOPIC = "order.placed"
LINES_MAX = 1_000  # of one order
NAME_CHARS_MAX = 40  # of a reference that is a key as it stands
CUT_CHARS = 24
DIGEST_CHARS = 12
REVISION_MAX = 10**12
PERSONAL = ("customer_", "ship_", "bill_")  # fields that tell who somebody is begin like this
_NAME = re.compile(r"[a-z0-9_-]+")
_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{NAME_CHARS_MAX}}}")  # of a buyer: whose case an ERP may keep
_MADE = re.compile(
    rf".{{0,{CUT_CHARS}}}-[0-9a-f]{{{DIGEST_CHARS}}}"
)  # what ``key_of`` makes of what is no plain id
_CURRENCY = re.compile(r"[A-Z]{3}")
_YES, _NO = frozenset({"1", "true", "yes", "y"}), frozenset({"", "0", "false", "no", "n"})

Row = Mapping[str, str]


def key_of(reference: str) -> str:
    """The key of an order: letters, digits, ``-`` and ``_``, as ERPs take them; two references never share one by chance.

    Case does not count there, so it does not here.
    """
    known = reference.lower()
    if _NAME.fullmatch(known) and len(known) <= NAME_CHARS_MAX:
        return known
    digest = hashlib.sha256(known.encode()).hexdigest()[:DIGEST_CHARS]
    return f"{re.sub(r'[^a-z0-9_-]+', '_', known)[:CUT_CHARS]}-{digest}"


def buyer_key(id_: str) -> str:
    """The key of a buyer whom a channel's orders call so."""
    return id_ if _ID.fullmatch(id_) else key_of(id_)


@dataclass(slots=True)
class Group:
    """The records of one order, payment, refund or return in one file: its first line there, and why it cannot be taken, if so.

    ``revision`` is what of an order comes once: its revision, or the id of its payment, refund or return.
    """

    reference: str
    revision: str
    line: int
    rows: list[tuple[int, Row]] = field(default_factory=list)
    wrong: str = ""
    wrong_line: int = 0

    def spoil(self, line: int, why: str) -> None:
        """One of its lines cannot be understood; an order of which a line is missing is another order."""
        if not self.wrong:
            self.wrong, self.wrong_line = why, line


class Placed(msgspec.Struct, frozen=True):
    """``order.placed``: one order, as it is from its version on, with the file and the line that say so."""

    order: Order
    changed_ms: int
    seq: int
    file: str
    line: int


_PLACED = msgspec.json.Decoder(Placed)


# --- taking a file apart ----------------------------------------------------------------------------


class Orders:
    """Groups the lines of a file by the order that they are of.

    The lines of an order stand together. So a line that cannot be taken apart belongs to the order before it or to the one
    after, and neither is taken. Refunds and returns are grouped likewise. A line of a payment is all of it, wherever it stands.
    """

    def __init__(self, read: Read, header: bytes | None) -> None:
        self._alone = read.kind == "payments"
        self._once = ONCE[read.kind]
        self._head = read.head
        self._reader = Reader(read, read.columns, header)
        self._heads: Reader | None = None
        if read.head is not None:
            self._heads = Reader(read, read.head.columns)
            self._marks = _marks(read, read.head)
        self.groups: list[Group] = []
        self.refused: list[tuple[int, str, bytes]] = []  # lines that are of no order: number, why, the line
        self._ended: dict[
            tuple[str, str], Group | None
        ] = {}  # None: it came again, and its groups are spoilt
        self._open: Group | None = None
        self._torn = ""  # why a line before this one may be of the order that comes

    def add(self, line: Numbered) -> None:
        """The next line."""
        number, raw = line
        if self._heads is None:
            self._row(number, raw)
        else:
            self._record(number, raw, self._heads)

    def impersonal(self, raw: bytes) -> bytes:
        """A line that was taken apart, with nothing in it that tells who bought."""
        if self._heads is not None and raw.startswith(self._marks[0]):
            return self._heads.only(raw, _counts, begins=self._marks[0])
        return self._reader.only(raw, _counts, begins=b"" if self._heads is None else self._marks[1])

    def _row(self, number: int, raw: bytes) -> None:
        """A line with everything of its order in it."""
        try:
            row = dict(zip(self._reader.fields, self._reader.values(raw), strict=True))
            reference = name_of(row, "reference")
            once = row.get("revision", "") if self._once == "revision" else name_of(row, self._once)
        except Rejected as error:
            self._tear(number, str(error), raw)
            return
        if self._alone:
            self.groups.append(Group(reference, once, number, [(number, row)]))
            return
        group = self._group(number, reference, once)
        if len(group.rows) < LINES_MAX:
            group.rows.append((number, row))
        else:
            group.spoil(number, f"the order has more than {LINES_MAX} lines")

    def _record(self, number: int, raw: bytes, heads: Reader) -> None:
        """A line that is an order's head, or one of its lines."""
        first, line = self._marks
        try:
            if raw.startswith(first):
                row = dict(zip(heads.fields, heads.values(raw), strict=True))
                group = self._group(number, name_of(row, "reference"), row.get("revision", ""), begins=True)
                group.rows.append((number, row))
                return
            if not raw.startswith(line):
                raise Rejected("the line is neither the head of an order nor a line of one")
            row = dict(zip(self._reader.fields, self._reader.values(raw), strict=True))
        except Rejected as error:
            self._tear(number, str(error), raw)
            if raw.startswith(first):
                self._open = None  # the lines that follow are of nobody that is known
            return
        if self._open is None:
            self.refused.append((number, "no order stands before this line", raw))
        elif len(self._open.rows) <= LINES_MAX:
            self._open.rows.append((number, row))
        else:
            self._open.spoil(number, f"the order has more than {LINES_MAX} lines")

    def _group(self, number: int, reference: str, revision: str, *, begins: bool = False) -> Group:
        group = self._open
        if group is not None and (group.reference, group.revision) == (reference, revision) and not begins:
            self._torn = ""  # it was one of this order's
            return group
        if group is not None:
            self._ended.setdefault((group.reference, group.revision), group)
        fresh = Group(reference, revision, number)
        if (reference, revision) in self._ended:
            for each in (self._ended[reference, revision], fresh):
                if each is not None:
                    what = "order" if self._once == "revision" else self._once
                    each.spoil(number, f"the {what} stands in the file in two places")
            self._ended[reference, revision] = None
        if self._torn and self._heads is None:
            fresh.spoil(number, self._torn)
        self._torn = ""
        self.groups.append(fresh)
        self._open = fresh
        return fresh

    def _tear(self, number: int, why: str, raw: bytes) -> None:
        self.refused.append((number, why, raw))
        self._torn = f"line {number} beside it cannot be understood, and may be of this order"
        if self._open is not None:
            self._open.spoil(number, self._torn)


def _counts(field: str, text: str) -> bool:
    """Whether a field is kept of somebody who is forgotten; an id that is no plain one may be an address."""
    if field == "customer_id":
        return bool(_ID.fullmatch(text))
    return field != "note" and not field.startswith(PERSONAL)


def _marks(read: Read, head: Head) -> tuple[bytes, bytes]:
    end = read.delimiter if read.format == "csv" else ""
    first, line = ((each + end).encode(read.encoding) for each in (head.starts, head.line_starts))
    return first, line


def name_of(row: Row, name: str) -> str:
    """A field that a record is known by.

    Raises:
        Rejected: it is empty, or too long.
    """
    text = row.get(name, "")
    if not text or len(text) > KEY_CHARS_MAX:
        raise Rejected(f"field {name}: {shown(text)} is no key")
    return text


# --- one order ----------------------------------------------------------------------------------------


class OrderMaker:
    """Makes orders of their lines, by one dialect."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._values = Values(read)
        self._first = 1 if read.head is not None else 0  # where the lines of a group begin

    def rank(self, group: Group) -> int | None:
        """What says which of two contents is newer; ``None``: nothing does.

        Raises:
            Rejected: it cannot be understood.
        """
        row = group.rows[0][1]
        if "revision" in row:
            number = self._number(row, "revision")
            if number % 1 or not 0 <= number <= REVISION_MAX:
                raise Rejected(f"field revision: {shown(row['revision'])} is no number of a revision")
            return int(number)
        return self._moment(row, "updated_at", 0) if row.get("updated_at") else None

    def hash(self, group: Group) -> str:
        """A short name for everything that is said of an order."""
        said = [sorted(row.items()) for _, row in self._distinct(group)]
        return hashlib.blake2b(msgspec.json.encode([group.reference, said]), digest_size=16).hexdigest()

    def order(self, group: Group, stamp_ms: int, *, placed_ms: int, after_ms: int) -> tuple[Order, int]:
        """The order, and when it became what it is.

        ``placed_ms`` counts where no line says when it was placed, ``after_ms`` is a version that this one is to be above.

        Raises:
            Rejected: it cannot be understood; names line and field.
        """
        rows = self._distinct(group)
        line, head = rows[0]
        self._same_heads(rows)
        try:
            changed_ms = self._moment(head, "updated_at", stamp_ms)
            if changed_ms - stamp_ms > AHEAD_MS_MAX:
                raise Rejected(f"field updated_at: {shown(head['updated_at'])} lies after its file")
            cancelled = bool(self._read.cancelled) and head.get("status", "") in self._read.cancelled
            currency = head["currency"]
            if not _CURRENCY.fullmatch(currency):
                raise Rejected(f"field currency: {shown(currency)} is no currency (ISO 4217)")
            shipping = self._amount(head, "shipping")
        except Rejected as error:
            raise _at(line, error) from error
        lines = self._lines(rows[self._first :], cancelled=cancelled)
        if cancelled:  # nothing is wanted any more, whatever the lines say
            lines = tuple(
                replace(each, quantity=ZERO, discount=ZERO, tax=ZERO, allocations=()) for each in lines
            )
        taxes = sum((each.tax for each in lines), ZERO)
        goods = sum((each.unit_price * each.quantity - each.discount for each in lines), ZERO)
        try:
            tax = self._amount(head, "tax") if head.get("tax") else taxes
            included = self._yes(head, "taxes_included")
            reckoned = goods + shipping + (ZERO if included else tax)
            total = self._amount(head, "total") if head.get("total") else reckoned
            if cancelled:
                shipping = tax = total = ZERO
            version_ms = max(changed_ms, after_ms + 1)
            order = Order(
                key_of(group.reference),
                head.get("number") or group.reference,
                self._moment(head, "placed_at", placed_ms),
                version_ms,
                currency,
                lines,
                shipping,
                tax,
                total,
                taxes_included=included,
                customer=_customer(head),
                billing=_address("bill", head),
                shipping_to=_address("ship", head),
                po_number=head.get("po_number", ""),
                note=head.get("note", ""),
                cancelled_at_ms=version_ms if cancelled else None,
                payments=self._payments(head, currency, changed_ms),
                complete=True,
            )
        except Rejected as error:
            raise _at(line, error) from error
        return order, changed_ms

    def _distinct(self, group: Group) -> list[tuple[int, Row]]:
        """The records of an order; a line of a number that comes again, the same in every field, is one line.

        Raises:
            Rejected: two lines have one number and differ, or are the same and have none.
        """
        seen: dict[str, tuple[int, Row]] = {}
        kept: list[tuple[int, Row]] = list(group.rows[: self._first])
        unnamed: set[tuple[str, ...]] = set()
        for number, row in group.rows[self._first :]:
            name = row.get("line", "")
            known = seen.get(name) if name else None
            if known is not None:
                if known[1] != row:
                    raise Rejected(f"line {number}: field line: {shown(name)} is in line {known[0]} as well")
                continue
            said = tuple(row.values())  # of one reader, so its fields are in one order
            if not name and said in unnamed:
                raise Rejected(
                    f"line {number} is the same as another of its order, and no field 'line' says whether it is one more"
                )
            unnamed.add(said)
            seen[name] = number, row
            kept.append((number, row))
        return kept

    def _same_heads(self, rows: Sequence[tuple[int, Row]]) -> None:
        if self._first:
            return
        line, head = rows[0]
        for number, row in rows[1:]:
            for name in ORDER_HEAD:
                if row.get(name) != head.get(name):
                    raise Rejected(
                        f"line {number}: field {name}: {shown(row.get(name, ''))} here, and {shown(head.get(name, ''))} in "
                        f"line {line} of the same order"
                    )

    def _lines(self, rows: Sequence[tuple[int, Row]], *, cancelled: bool) -> tuple[OrderLine, ...]:
        found: list[OrderLine] = []
        for ordinal, (number, row) in enumerate(rows, 1):
            if cancelled and not row.get("sku"):
                continue
            try:
                found.append(self._line(row, row.get("line") or str(ordinal)))
            except Rejected as error:
                raise _at(number, error) from error
        if not found and not cancelled:
            raise Rejected(f"line {rows[0][0] if rows else 0}: the order has no lines")
        return tuple(found)

    def _line(self, row: Row, name: str) -> OrderLine:
        sku = name_of(row, "sku")
        quantity = self._number(row, "quantity")
        if quantity < 0 or quantity % 1:
            raise Rejected(f"field quantity: {shown(row['quantity'])} is no whole number of units")
        at = row.get("location", "")
        return OrderLine(
            name,
            sku,
            row.get("title") or sku,
            quantity,
            self._amount(row, "unit_price"),
            discount=self._amount(row, "line_discount"),
            tax=self._amount(row, "line_tax"),
            allocations=(Allocation(at, quantity, quantity),) if at else (),
        )

    def _payments(self, head: Row, currency: str, changed_ms: int) -> tuple[Payment, ...]:
        if not head.get("paid"):
            return ()
        amount = self._amount(head, "paid")
        if not amount:
            return ()
        name = key_of(name_of(head, "payment"))
        at_ms = self._moment(head, "paid_at", changed_ms)
        return (Payment(name, amount, currency, at_ms, head.get("gateway", "")),)

    # --- values -------------------------------------------------------------------------------------------

    def _number(self, row: Row, name: str) -> Decimal:
        try:
            return self._values.number(row.get(name, ""))
        except Rejected as error:
            raise Rejected(f"field {name}: {error}") from error

    def _amount(self, row: Row, name: str) -> Decimal:
        """An amount that may be left out, where the field is none that every line needs."""
        if not row.get(name) and name != "unit_price":
            return ZERO
        amount = self._number(row, name)
        if amount < 0:
            raise Rejected(f"field {name}: {shown(row[name])} is below zero")
        return amount

    def _moment(self, row: Row, name: str, absent: int) -> int:
        if not row.get(name):
            return absent
        try:
            return self._values.moment(row[name])
        except Rejected as error:
            raise Rejected(f"field {name}: {error}") from error

    @staticmethod
    def _yes(row: Row, name: str) -> bool:
        text = row.get(name, "").lower()
        if text not in _YES | _NO:
            raise Rejected(f"field {name}: {shown(row[name])} is neither yes nor no (1, 0, true, false)")
        return text in _YES


def _at(line: int, error: Rejected) -> Rejected:
    return Rejected(f"line {line}: {error}")


def _customer(head: Row) -> Customer | None:
    id_ = head.get("customer_id", "")
    if not id_:
        return None
    name = head.get("customer_name") or id_
    return Customer(buyer_key(id_), name, head.get("customer_email", ""), head.get("customer_phone", ""))


def _address(prefix: str, head: Row) -> Address | None:
    parts = {name: head.get(f"{prefix}_{name}", "") for name in Address.__struct_fields__}
    return Address(**parts) if any(parts.values()) else None


# --- events -------------------------------------------------------------------------------------------


def event_of(system: str, placed: Placed) -> Event:
    """What is told of one order."""
    body = msgspec.json.encode(placed)
    name = hashlib.blake2b(body, digest_size=16).hexdigest()
    return Event(system, TOPIC, f"{TOPIC}:{name}", Via.POLL, placed.changed_ms, body)


def decode(body: bytes) -> Change:
    """The order that an event tells.

    Raises:
        Rejected: it cannot be read.
    """
    try:
        placed = _PLACED.decode(body)
    except msgspec.MsgspecError as error:
        raise Rejected(f"what was kept of an order cannot be read: {error}") from error
    order = placed.order
    return Change(Kind.ORDER, order.key, order.updated_at_ms, 0, placed.changed_ms, order)


def without_person(body: bytes) -> bytes:
    """The content of an order that is kept, with nothing in it that tells who bought.

    As in the lines of its file a plain id stays; one that was made of something else may have an address in it.
    """
    placed = _PLACED.decode(body)
    buyer = placed.order.customer
    plain = buyer is not None and not _MADE.fullmatch(buyer.key)
    order = replace(
        placed.order,
        customer=Customer(buyer.key, buyer.key) if buyer is not None and plain else None,
        billing=None,
        shipping_to=None,
        note="",
    )
    return msgspec.json.encode(msgspec.structs.replace(placed, order=order))


def refusal_of(group: Group, file: str, why: str, what: str = "") -> Refusal:
    """An order that is parked, or ``what`` of it: the line that is named in the reason, or its first."""
    named = re.match(r"line (\d+): (.*)", why, re.DOTALL)
    line, rest = (int(named[1]), named[2]) if named else (group.wrong_line or group.line, why)
    of = f"{what} {shown(group.revision)} of " if what else ""
    return Refusal(file, f"{of}order {shown(group.reference)}: {rest}", line, group.reference)
