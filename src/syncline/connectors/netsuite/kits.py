"""Kits: a document has a line for the kit, which was sold, and behind it one for each member, which is what moves.

What says so are columns that are known from public queries only: ``kitcomponent`` is T of a member's line, ``kitmemberof`` names
the kit's. An account that refuses them is asked for less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from syncline.model.errors import Rejected, Retryable

T = TypeVar("T")
COLUMNS = ("tl.kitcomponent AS member, tl.kitmemberof AS kit, ", "tl.kitcomponent AS member, ", "")
KIT = "Kit"
MEMBERS_MAX = 10_000  # kits looked into for one


class KitColumns:
    """The columns about kits that this account knows, as far as it has been asked."""

    def __init__(self) -> None:
        self._known = 0

    async def read(self, query: Callable[[str], Awaitable[T]]) -> T:
        """Ask with as many columns as are known; ``query`` is given their text.

        Raises:
            Rejected: the query is refused without any of them as well.
        """
        for known in range(self._known, len(COLUMNS)):
            try:
                found = await query(COLUMNS[known])
            except Rejected:
                if known == len(COLUMNS) - 1:
                    raise
                continue
            self._known = max(self._known, known)  # refused in whatever words: without it the query is taken
            return found
        raise AssertionError("the last query answers or raises")


def is_member(line: Mapping[str, Any]) -> bool:
    """Whether a line is part of a kit that another line stands for."""
    return line.get("member") == "T"


def accounted(lines: Sequence[Mapping[str, Any]], number: Callable[[object], Decimal]) -> dict[str, Decimal]:
    """Of a sales order's kits, by their lines' ids, how many are accounted for in the figures of all their parts.

    A kit is not stocked; that something of it is committed says a part's line. One that waits for a part is not accounted for,
    though the other parts may be promised, which ``of_parts`` tells. Kits of which neither their own line nor any of their
    members says anything are left out.
    """
    parts = _members(lines)
    found: dict[str, Decimal] = {}
    for line in lines:
        ident, kits = str(line.get("line")), abs(number(line.get("quantity") or 0))
        if line.get("itemtype") != KIT or is_member(line) or not kits:
            continue
        sent = abs(number(line.get("done") or 0))
        if parts[ident]:
            found[ident] = min(_made(part, kits, sent, number) for part in parts[ident])
        elif line.get("committed") is None and any(
            number(part.get("backordered") or 0) for part in parts[""]
        ):
            found[ident] = sent  # nobody says whose members those are
    return found


def of_parts(
    lines: Sequence[Mapping[str, Any]], number: Callable[[object], Decimal]
) -> dict[str, dict[str, Decimal]]:
    """Of a sales order's kits, by their lines' ids, units of each stocked member that the figures account for.

    Each member is promised by itself (an assumption to check); of one there may be more than the kits need that are accounted for.
    Without the column that names the kit's line nobody knows whose members they are, and nothing is told.
    """
    kits = {str(x.get("line")): x for x in lines if x.get("itemtype") == KIT and not is_member(x)}
    found: dict[str, dict[str, Decimal]] = {}
    for ident, members in _members(lines).items():
        if ident not in kits:
            continue
        ordered, sent = (abs(number(kits[ident].get(name) or 0)) for name in ("quantity", "done"))
        of = found.setdefault(ident, {})
        for part in members:
            each = abs(number(part.get("quantity") or 0)) / ordered if ordered else Decimal(0)
            left = max(sent * each, abs(number(part.get("done") or 0)))
            sku = str(part.get("sku") or "")
            of[sku] = of.get(sku, Decimal(0)) + left + abs(number(part["committed"]))
    return found


def flattened(members: Mapping[str, Mapping[str, Decimal]], kit: str) -> dict[str, Decimal]:
    """Units of each stocked item that one kit takes; ``members`` has every kit that it leads to.

    Raises:
        Retryable: a kit leads to itself, which NetSuite does not allow.
    """
    found: dict[str, Decimal] = {}
    open_: list[tuple[str, Decimal, tuple[str, ...]]] = [(kit, Decimal(1), (kit,))]
    for _ in range(MEMBERS_MAX):
        if not open_:
            return found
        at, each, above = open_.pop()
        for sku, units in members[at].items():
            if sku in above:
                raise Retryable(f"NetSuite's kit {sku} is a member of itself: {' of '.join((*above, sku))}.")
            if sku in members:
                open_.append((sku, each * units, (*above, sku)))
            else:
                found[sku] = found.get(sku, Decimal(0)) + each * units
    raise Retryable(f"NetSuite's kit {kit} leads to more than {MEMBERS_MAX} kits.")


def _members(lines: Sequence[Mapping[str, Any]]) -> defaultdict[str, list[Mapping[str, Any]]]:
    """The stocked members of kits by the id of the line that was sold; "": nobody says of which.

    A member that is a kit itself has members in turn, and those may name its line or the one that was sold.
    """
    of = {str(line.get("line")): str(line.get("kit") or "") for line in lines if is_member(line)}
    parts: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        if is_member(line) and line.get("itemtype") != KIT and line.get("committed") is not None:
            kit = str(line.get("kit") or "")
            for _ in range(len(of)):
                kit = of.get(kit, kit)
            parts[kit].append(line)
    return parts


def _made(
    part: Mapping[str, Any], kits: Decimal, sent: Decimal, number: Callable[[object], Decimal]
) -> Decimal:
    """The kits that were sent, or that a part's committed units make."""
    each = abs(number(part.get("quantity") or 0)) / kits
    if not each:
        return kits
    return max(sent, abs(number(part.get("done") or 0)) // each) + abs(number(part["committed"])) // each
