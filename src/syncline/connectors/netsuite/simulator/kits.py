"""Kits: items that are sold as one and kept as several.

"Kit/Package item inventory isn't tracked by the kit, it is tracked by individual component members", the kit's record "can't
display an available quantity", and kits cannot be set not to commit (NS:section_N2225190); so a kit has no row in
``aggregateitemlocation`` either. An order has a line for the kit, which is what its record shows, and in ``transactionline`` a line
for each member behind it: ``kitcomponent`` is T, ``kitmemberof`` the id of the kit's line, the location that of the kit's line, the
quantity as many times the kit's (public clients that match the two by just that). A fulfillment names both in its record as well, so
does a receipt (public scripts tell them apart by ``kitmemberof``). Kits leave whole (RB26.1 has no field for less).

[unsure]: that each member is promised by itself, whatever there is of the others; what the kit's own line says of it.
"""

from __future__ import annotations

from syncline.connectors.netsuite.simulator.state import Account, Line, Txn


def promised(account: Account, line: Line) -> int:
    """Kits of a line, not sent yet, of which everything stocked is promised."""
    stocked = [x.committed // x.each for x in line.members if account.items[x.item].stocked]
    return min([line.open, *stocked])


def told(account: Account, line: Line) -> tuple[int, int]:
    """What a line says is committed, and backordered: a kit's as many as can be made of its members, the rest is not there."""
    if not line.members:
        return line.committed, line.backordered
    waiting = max((-(-x.backordered // x.each) for x in line.members), default=0)
    return promised(account, line), waiting


def follow(account: Account, order: Txn) -> None:
    """Have the members of an order's kits be what their lines are now."""
    for line in order.lines:
        if [x.item for x in line.members] != list(account.items[line.item].members):
            drop(account, line)
            account.explode(order, line)
        for member in line.members:
            member.location, member.closed = line.location, line.closed
            member.quantity = (line.quantity or 0) * member.each


def drop(account: Account, line: Line) -> None:
    """Take a kit's members off its order; nothing is promised to them any more."""
    for member in line.members:
        if member.location is not None:
            account.dropped.add((member.item, member.location))
        account.later(
            'DELETE FROM transactionline WHERE "transaction" = ? AND id = ?', member.txn, member.number
        )
    line.members.clear()


def answer(source: Line, made: Line) -> None:
    """Have a line that was made from an order's line say so, and its members of the members."""
    made.order_line, made.unit = source.number, source.unit
    of = {x.item: x.number for x in source.members}
    for member in made.members:
        member.order_line = of.get(member.item)
