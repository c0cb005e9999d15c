"""What is written to orders that are there: revisions, cancellations and returns, all by the lines that are held.

The quantities of held lines are in base units here, whatever unit each line is in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any

from syncline.connectors.netsuite.manifest import NetSuiteSettings
from syncline.connectors.netsuite.mapping import (
    LINES_MAX,
    MEMO_CHARS_MAX,
    NO_UNITS,
    ErpRow,
    gone,
    header,
    row_body,
    wanted_rows,
)
from syncline.connectors.netsuite.units import MEND, ItemUnits
from syncline.connectors.netsuite.zones import date_text
from syncline.model.copying import replace
from syncline.model.errors import Rejected
from syncline.model.payloads import PutOrder, PutRefund
from syncline.model.records import ZERO

ONE = Decimal(1)
BASE_PLACES = Decimal("0.001")  # a record rounds what is no whole number of its units
SHOWN_PLACES = Decimal("0.00001")


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A line as the ERP holds it. ``unit`` names the unit that it is in, ``rate`` is how many base units one of those is."""

    number: int
    item: str
    location: str
    quantity: Decimal | None
    shipped: Decimal
    closed: bool
    unit: str = ""
    rate: Decimal = ONE
    price: Decimal = ZERO  # of a base unit

    def shown(self, units: Decimal | int) -> int | Decimal:
        """So many base units as the line states them.

        Raises:
            Rejected: that is no number that the line could hold.
        """
        if self.rate == ONE:
            return int(units)
        shown = (units / self.rate).quantize(SHOWN_PLACES)
        if shown * self.rate != units:
            raise Rejected(
                f"NetSuite's line {self.number} is in {self.unit} of {self.rate:f}, in which {units} units of the item cannot be "
                "said: change what is to be changed there by hand, then discard this."
            )
        return int(shown) if shown == int(shown) else shown


def items_in_units(record: Mapping[str, Any]) -> set[str]:
    """The items of a record's lines that are in a unit of measure."""
    return {str((row.get("item") or {}).get("id", "")) for row in _rows(record) if row.get("units")}


def _rows(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sublist = record.get("item")
    rows = sublist.get("items") if isinstance(sublist, dict) else None
    if not isinstance(rows, list) or any("line" not in row for row in rows):
        raise Rejected("NetSuite returned the order without its lines.")
    return rows


def held_lines(record: Mapping[str, Any], units: Mapping[str, ItemUnits] = NO_UNITS) -> list[HeldLine]:
    """The lines of a record that was read with its sublists, whole.

    Raises:
        Rejected: the record came without them, without some of them, or in units that nobody tells.
    """
    rows, sublist = _rows(record), record["item"]
    if sublist.get("hasMore") or len(rows) < int(sublist.get("totalResults") or 0):
        raise Rejected(
            f"NetSuite returned {len(rows)} of the order's {sublist.get('totalResults')} lines: what is to be changed has to be "
            "changed there by hand."
        )
    return [_held(row, units) for row in rows]


def _held(row: Mapping[str, Any], units: Mapping[str, ItemUnits]) -> HeldLine:
    item, ident = str((row.get("item") or {}).get("id", "")), str(row.get("units") or "")
    name, rate = "", ONE
    if ident:
        known = units.get(item)
        if known is None or ident not in known.units:
            raise Rejected(
                f"NetSuite does not tell what unit {ident} of item {item} is: {MEND}, then release this."
            )
        name, rate = known.units[ident].name, known.units[ident].rate
    quantity = row.get("quantity")
    return HeldLine(
        int(row["line"]),
        item,
        str((row.get("location") or {}).get("id", "")),
        None if quantity is None else _base(quantity, rate),
        _base(row.get("quantityFulfilled") or 0, rate),
        row.get("isClosed") is True,
        name,
        rate,
        _price(row.get("rate")) / rate,
    )


def _price(value: object) -> Decimal:
    """What a line's rate says; nothing where that is no number, such as a discount's per cent."""
    try:
        return Decimal(str(value or 0))
    except DecimalException:
        return ZERO


def _base(value: object, rate: Decimal) -> Decimal:
    try:
        number = Decimal(str(value))
        return number if rate == ONE else (number * rate).quantize(BASE_PLACES).normalize()
    except DecimalException as error:
        raise Rejected(f"NetSuite states a quantity of {str(value)[:40]!r}.") from error


# -- revisions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of an order: each wanted row with the line that it becomes, and lines that only keep what left.

    ``explained`` is what units cost that are kept though the channel does not charge them any more: they came back.
    """

    rows: Sequence[tuple[ErpRow, HeldLine | None]]
    rest: Sequence[HeldLine]
    explained: Decimal


def plan(
    put: PutOrder,
    held: Sequence[HeldLine],
    settings: NetSuiteSettings,
    units: Mapping[str, ItemUnits] = NO_UNITS,
) -> Plan:
    """Which wanted row becomes which held line.

    What left cannot be taken off again. So lines of which something left are taken first, and a line that asks for fewer
    units than left keeps those; then as many fewer of the item are asked for elsewhere, unless they came back: a return
    says so, and the line goes on standing for what it sent.
    """
    explained, back = ZERO, _came_back(put)
    wanted = []
    for row in wanted_rows(put, settings, units):
        if (again := back.again.pop(row.line_id, ZERO)) and row.quantity is not None:
            explained += again * Decimal(row.fields["rate"])
            row = replace(row, quantity=row.quantity + int(again))  # noqa: PLW2901
        wanted.append(row)
    rest, free = [], list(held)
    for item, units_back in back.whole:
        # The line that sent what came back whole is none of those that are wanted.
        sent = [line for line in free if line.item == item and line.shipped]
        if sent:
            rest.append(min(sent, key=lambda line: abs(line.shipped - units_back)))
            free.remove(rest[-1])
    pool: defaultdict[tuple[str, str], list[HeldLine]] = defaultdict(list)
    for line in free:
        # Some accounts put their default location on lines that carry no goods.
        pool[line.item, line.location if line.quantity is not None else ""].append(line)
    pairs = _pairs(wanted, pool, back.of_line)
    rest += [line for same in pool.values() for line in same]
    over: defaultdict[str, Decimal] = defaultdict(Decimal)
    price: dict[str, Decimal] = {}
    for row, held_as in pairs:
        if held_as is not None and row.quantity is not None and held_as.shipped > row.quantity:
            over[row.item] += held_as.shipped - row.quantity
            price[row.item] = Decimal(row.fields["rate"])
    for left in rest:
        if left.shipped and left.item not in settings.amount_items:
            over[left.item] += left.shipped
            price.setdefault(left.item, left.price)
    asked = {row.item for row in wanted}
    for item, units_over in over.items():
        known = item if item in asked else ""
        returned = min(units_over, back.of_item[known])
        back.of_item[known] -= returned
        explained += returned * price[item]
        pairs = _fewer(pairs, item, units_over - returned)
    return Plan(pairs, rest, explained)


@dataclass(frozen=True, slots=True)
class _Back:
    """Units that had left and came back, which a channel takes off what the buyer wants.

    ``again`` are those of an order's lines that are known to stand for more than is wanted: where the channel expects a line to
    be sent from counts everything that was or will be sent. The others explain why a line holds more than is wanted, by the
    order's lines and by item; "" is any of which nothing is wanted any more.
    """

    again: dict[str, Decimal]
    of_line: dict[str, Decimal]
    of_item: defaultdict[str, Decimal]
    whole: list[tuple[str, Decimal]]  # item and units of lines of which nothing is wanted any more


def _came_back(put: PutOrder) -> _Back:
    of_line = {item.line_id: item for item in put.items}
    of_sku = {line.sku: of_line[line.id] for line in put.order.lines if line.id in of_line}
    back: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry in (entry for refund in put.order.refunds for entry in refund.lines if entry.shipped):
        back[entry.line_id] += entry.quantity
    found = _Back({}, {}, defaultdict(Decimal), [])
    for line in put.order.lines:
        sent = sum((at.quantity for at in line.allocations), ZERO)
        waits = min(back[line.id], max(ZERO, sent - line.quantity)) if line.quantity else ZERO
        item = of_sku.get(line.sku)
        in_pack = item.in_pack if item else 1
        found.again[line.id] = waits * in_pack
        found.of_line[line.id] = (back[line.id] - waits) * in_pack
        found.of_item[item.item_id if item else ""] += found.of_line[line.id]
        if item and not line.quantity and back[line.id]:
            found.whole.append((item.item_id, found.of_line[line.id]))
    return found


def _pairs(
    wanted: Sequence[ErpRow],
    pool: Mapping[tuple[str, str], list[HeldLine]],
    back: Mapping[str, Decimal],
) -> list[tuple[ErpRow, HeldLine | None]]:
    """Takes from the pool a line for each row that has one: first those of which something left, by what fits best."""

    def size(n: int) -> Decimal:
        return (wanted[n].quantity or 0) + back.get(wanted[n].line_id, ZERO)

    taken: dict[int, HeldLine] = {}
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for n, row in enumerate(wanted):
        groups[row.item, row.location].append(n)
    for key, free in groups.items():
        same = pool.get(key, [])
        for line in sorted((x for x in same if x.shipped), key=lambda x: -x.shipped):
            if not free:
                break
            fits = [n for n in free if size(n) >= line.shipped]
            best = min(fits, key=size) if fits else max(free, key=size)
            free.remove(best)
            taken[best] = line
            same.remove(line)
        for n in free:
            if untouched := next((x for x in same if not x.shipped), None):
                taken[n] = untouched
                same.remove(untouched)
    return [(row, taken.get(n)) for n, row in enumerate(wanted)]


def _fewer(
    pairs: Sequence[tuple[ErpRow, HeldLine | None]], item: str, surplus: Decimal
) -> list[tuple[ErpRow, HeldLine | None]]:
    """The rows with so many fewer units of an item that have not left, the last rows first."""
    kept: list[tuple[ErpRow, HeldLine | None]] = []
    for row, line in reversed(pairs):
        left = line.shipped if line is not None else ZERO
        room = (row.quantity or ZERO) - left if row.item == item else ZERO
        if surplus <= 0 or room <= 0 or row.quantity is None:
            kept.append((row, line))
            continue
        less = min(surplus, room)
        surplus -= less
        if quantity := int(row.quantity - less):
            kept.append((replace(row, quantity=quantity), line))
    return kept[::-1]


def revision_body(put: PutOrder, made: Plan, settings: NetSuiteSettings) -> dict[str, Any]:
    """What replaces the lines of an order: lines that stay keep their number, the others go.

    Raises:
        Rejected: a line of which something left is in a unit in which it cannot be said.
    """
    lines = []
    for row, line in made.rows:
        body = row_body(row)
        if line is not None:
            body["line"] = line.number
            if row.quantity is not None:
                quantity = max(Decimal(row.quantity), line.shipped)
                body["quantity"] = int(quantity)
                if line.shipped and line.rate != ONE:  # it stays in its unit
                    body["quantity"] = line.shown(quantity)
                    body["rate"] *= line.rate
                    body.pop("units", None)
        lines.append(body)
    lines += [
        {"line": line.number, "quantity": line.shown(line.shipped)} for line in made.rest if line.shipped
    ]
    if len(lines) > LINES_MAX:
        raise Rejected(
            f"Order {put.order.number} would have {len(lines)} lines, and NetSuite takes {LINES_MAX} in a transaction: change it "
            "there by hand, then discard this."
        )
    return {**header(put, settings), "item": {"items": lines}}


def cancel_body(held: Sequence[HeldLine], settings: NetSuiteSettings) -> dict[str, Any]:
    """Take everything off that has not left: lines are closed, or end at what was shipped of them.

    A line of which something was shipped stays open, for a closed one is not billed any more; and where there is such a line, what
    is charged besides the goods is left to the accounts.
    """
    left = any(line.shipped for line in held)
    rows: list[dict[str, Any]] = []
    for line in held:
        if line.quantity is None or line.closed or (left and line.item in settings.amount_items):
            continue
        if not line.shipped:
            rows.append({"line": line.number, "isClosed": True})
        elif line.quantity != line.shipped:
            rows.append({"line": line.number, "quantity": line.shown(line.shipped)})
    return {"item": {"items": rows}}


def holds(put: PutOrder, made: Plan, held: Sequence[HeldLine], settings: NetSuiteSettings) -> bool:
    """Whether the ERP's lines are what the revision asks for, so that it need not be sent again."""
    if gone(put):
        return not cancel_body(held, settings)["item"]["items"]
    return all(
        line is not None
        and (row.quantity is None or line.quantity == max(Decimal(row.quantity), line.shipped))
        for row, line in made.rows
    ) and all(line.quantity == line.shipped for line in made.rest)


# -- returns ----------------------------------------------------------------------------------------


def return_body(put: PutRefund, held: Sequence[HeldLine], settings: NetSuiteSettings) -> dict[str, Any]:
    """What a sales order is transformed with: the refunded units only, by the order's line numbers.

    Raises:
        Rejected: the order has no shipped line for the units, or none in which they can be said.
    """
    left = {line.number: line.shipped for line in held}
    taken: dict[int, Decimal] = {}  # one for each line, though a refund may name it several times
    places: dict[int, str] = {}
    for item in put.items:
        need = Decimal(item.quantity)
        same = [line for line in held if line.item == item.item_id]
        # The location that shipped it first; a shop may take goods back elsewhere.
        for line in sorted(same, key=lambda x: x.location != item.location):
            take = min(need, left[line.number])
            if take > 0:
                taken[line.number] = taken.get(line.number, ZERO) + take
                if item.location:
                    places.setdefault(line.number, item.location)
                left[line.number] -= take
                need -= take
        if need > 0:
            raise Rejected(
                f"{need} of {item.sku} are to come back, but NetSuite's order {put.order_external_id} has not "
                "shipped them: fulfil the order there first, or book the return by hand.",
            )
    lines = {line.number: line for line in held}
    rows = [
        {"orderLine": number, "quantity": lines[number].shown(count)}
        | ({"location": {"id": places[number]}} if number in places else {})
        for number, count in taken.items()
    ]
    return {
        "externalId": put.reference,
        "tranDate": date_text(put.refund.created_at_ms, settings.zone),
        "memo": f"refund {put.refund.id}: {put.refund.amount}"[:MEMO_CHARS_MAX],
        # Goods can only be received against an approved return.
        "orderStatus": {"id": "B" if put.restocked or settings.approve_orders else "A"},
        "item": {"items": rows},
    }


def received_lines(put: PutRefund, held: Sequence[HeldLine]) -> dict[str, Any]:
    """What is received of a return, by its line numbers: the units that went back on the shelf, and none that did not.

    Nothing where all of them did: then a receipt takes all of the return.
    """
    left = _restocked(put)
    if sum(left.values()) == sum(item.quantity for item in put.items):
        return {}
    taken: defaultdict[int, int] = defaultdict(int)
    for anywhere in (False, True):  # where they were to come back to, then wherever the item comes back
        for item, location in left:
            for line in held:
                if line.item == item and (anywhere or line.location == location):
                    more = min(left[item, location], int(line.quantity or 0) - taken[line.number])
                    taken[line.number] += more
                    left[item, location] -= more
    rows = [
        {"orderLine": line.number, "quantity": line.shown(taken[line.number])}
        if taken[line.number]
        else {"orderLine": line.number, "itemReceive": False}
        for line in held
    ]
    return {"item": {"items": rows}}


def _restocked(put: PutRefund) -> dict[tuple[str, str], int]:
    """Units that went back on the shelf, by item and location; all of them where the refund does not tell line by line."""
    back: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in put.refund.lines:
        back[line.line_id] += line.quantity if line.restocked and line.shipped else ZERO
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for item in put.items:
        sold = item.quantity // item.in_pack
        some = min(sold, int(back[item.line_id])) if put.refund.lines else sold
        back[item.line_id] -= some
        found[item.item_id, item.location] += some * item.in_pack
    return dict(found)
