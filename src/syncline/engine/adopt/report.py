"""What an adoption found, in words and as data: what goes together, what does not and why, what is at stake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from syncline.engine.adopt.matching import Matches, Pair
from syncline.engine.adopt.orders import Fate, Verdict, money
from syncline.model.census import ListedCustomer, ListedItem

SHOWN_MAX = 20  # of each kind, in words; all of them are in the JSON
FATES = {
    Fate.ADOPT: "in the ERP and still to be sent: adopted as they are",
    Fate.CLOSE: "in the ERP and done with: known from now on",
    Fate.EXPORT: "not in the ERP, placed from the start moment on: exported once the service runs",
    Fate.LEAVE: "not in the ERP, placed before and STILL TO BE SENT: left alone, their units are kept back",
    Fate.FORGET: "not in the ERP, placed before, nothing to be sent: left alone",
    Fate.TWICE: "in the ERP more than once: left alone and parked, a person decides",
    Fate.UNFOLLOWED: "in the ERP without an external id: parked until the ERP's settings tell of such",
}


@dataclass(frozen=True, slots=True)
class Buyers:
    """The customers of both sides; empty where it is not declared how they were written."""

    ours: Mapping[str, ListedCustomer]
    theirs: Mapping[str, ListedCustomer]
    matches: Matches


@dataclass(slots=True)
class ChannelReport:
    """One channel: everything that was read, and what was made of it."""

    channel: str
    erp: str
    orders_from_ms: int
    buyers: Buyers
    ours: Mapping[str, ListedItem]
    theirs: Mapping[str, ListedItem]
    matches: Matches
    aliases: Mapping[str, str]
    places: tuple[list[Pair], list[Pair], list[str]]
    verdicts: Sequence[Verdict]

    def of(self, fate: Fate) -> list[Verdict]:
        """The orders of one fate."""
        return [verdict for verdict in self.verdicts if verdict.fate is fate]

    def changes(self) -> list[tuple[str, int, int]]:
        """SKU, what the channel shows, what the ERP has available; where they differ, the largest first.

        Before any rule, and before what open orders take, so it says how much, not which number exactly.
        """
        found = []
        for pair in self.matches.exact:
            item, there = self.ours[pair.ours], self.theirs[pair.theirs]
            shown, available = int(item.quantity), max(0, int(there.quantity))
            if shown != available:
                found.append((item.sku, shown, available))
        return sorted(found, key=lambda one: (-abs(one[1] - one[2]), one[0]))

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        known, near, wrong = self.places
        changes = self.changes()
        return {
            "channel": self.channel,
            "erp": self.erp,
            "orders_from": moment(self.orders_from_ms),
            "items": {
                "at_the_channel": len(self.ours),
                "in_the_erp": len(self.theirs),
                "matched": len(self.matches.exact),
                "matched_by": _count(pair.by.partition(":")[0] for pair in self.matches.exact),
                "aliases": dict(self.aliases),
                "suggested": [
                    {
                        "id": one.id,
                        "sku": self.ours[one.ours].sku,
                        "title": self.ours[one.ours].title,
                        "erp_sku": self.theirs[one.theirs].sku,
                        "erp_title": self.theirs[one.theirs].title,
                        "why": one.by,
                    }
                    for one in self.matches.suggested
                ],
                "without_sku": [self._said(id_) for id_ in self.matches.blank],
                "shared_at_the_channel": {key: len(ids) for key, ids in self.matches.doubled.items()},
                "shared_in_the_erp": {key: len(ids) for key, ids in self.matches.doubled_there.items()},
                "unmatched": [self._said(id_) for id_ in self._lost()],
                "only_in_the_erp": len(self.matches.unmatched_there),
                "units_unmatched": str(self._units()),
            },
            "customers": {
                "at_the_channel": len(self.buyers.ours),
                "in_the_erp": len(self.buyers.theirs),
                "matched": len(self.buyers.matches.exact),
                "suggested": [
                    {
                        "id": one.id,
                        "sku": self.buyers.ours[one.ours].email,
                        "title": self.buyers.ours[one.ours].name,
                        "erp_sku": one.theirs,
                        "erp_title": self.buyers.theirs[one.theirs].name,
                        "why": one.by,
                    }
                    for one in self.buyers.matches.suggested
                ],
                "shared_in_the_erp": {
                    key: len(ids) for key, ids in self.buyers.matches.doubled_there.items()
                },
            },
            "locations": {
                "mapped": {pair.theirs: pair.ours for pair in known},
                "same_name_not_mapped": {pair.theirs: pair.ours for pair in near},
                "wrong": wrong,
            },
            "orders": {
                fate.value: {
                    "count": len(some),
                    "money": {currency: str(total) for currency, total in money(some).items()},
                    "orders": [verdict.order.number for verdict in some]
                    if fate not in (Fate.CLOSE, Fate.FORGET)
                    else [],
                }
                for fate in Fate
                if (some := self.of(fate)) or fate in (Fate.ADOPT, Fate.EXPORT)
            },
            "orders_that_differ": {v.order.number: v.differs for v in self.verdicts if v.differs},
            "numbers_that_would_change": {
                "count": len(changes),
                "largest": [{"sku": sku, "shown": a, "erp": b} for sku, a, b in changes[:SHOWN_MAX]],
            },
        }

    def _lost(self) -> list[str]:
        """Variants for which there is not even a suggestion."""
        suggested = {one.ours for one in self.matches.suggested}
        return [id_ for id_ in self.matches.unmatched if id_ not in suggested]

    def _units(self) -> Decimal:
        left = [*self._lost(), *self.matches.blank]
        return sum((max(Decimal(0), self.ours[id_].quantity) for id_ in left), Decimal(0))

    def _said(self, id_: str) -> dict[str, str]:
        item = self.ours[id_]
        return {
            "id": id_,
            "sku": item.sku,
            "barcode": item.barcode,
            "title": item.title,
            "units": str(item.quantity),
        }

    def words(self) -> list[str]:
        """The same for people."""
        return [
            f"{self.channel} and {self.erp}",
            *self._item_words(),
            *self._place_words(),
            *self._buyer_words(),
            *self._order_words(),
            *self._change_words(),
        ]

    def _item_words(self) -> list[str]:
        matches = self.matches
        ways = _count(pair.by.partition(":")[0] for pair in matches.exact)
        by = ", ".join(f"{count} by {way}" for way, count in ways.items())
        lines = [
            f"  Items: {len(matches.exact)} of {len(self.ours)} variants matched"
            + (f" ({by})" if by else ""),
        ]
        if self.aliases:
            lines.append(
                f"    {len(self.aliases)} of them are written otherwise in the ERP: kept as other names"
            )
        lines += _some(
            f"    {len(matches.suggested)} suggestions wait for a person (`syncline adopt confirm ID`, or refuse)",
            [
                f"{one.id}  {self.ours[one.ours].sku or '(no SKU)'} = {self.theirs[one.theirs].sku}? {one.by}"
                for one in matches.suggested
            ],
        )
        lines += _some(
            f"    {len(matches.blank)} variants have no SKU: give them one, they cannot be kept in agreement",
            [self._line(id_) for id_ in matches.blank],
        )
        lines += _some(
            f"    {len(matches.doubled)} keys are shared by variants: only the first of each is kept in agreement",
            [f"{key}: {len(ids)} variants" for key, ids in matches.doubled.items()],
        )
        lines += _some(
            f"    {len(matches.doubled_there)} keys are shared by items of the ERP: not matched by them",
            [f"{key}: {len(ids)} items" for key, ids in matches.doubled_there.items()],
        )
        lines += _some(
            f"    {len(self._lost())} variants are like nothing in the ERP",
            [self._line(id_) for id_ in self._lost()],
        )
        suggested = {one.theirs for one in matches.suggested}
        unsold = [id_ for id_ in matches.unmatched_there if id_ not in suggested]
        if unsold:
            lines.append(f"    {len(unsold)} items of the ERP are not sold there")
        if self._units():
            lines.append(
                f"    {self._units()} units on sale are of variants without an item: nobody will watch them"
            )
        return lines

    def _line(self, id_: str) -> str:
        item = self.ours[id_]
        return f"{item.sku or '(no SKU)'}  {item.title}  ({item.quantity} on sale)"

    def _place_words(self) -> list[str]:
        known, near, wrong = self.places
        lines = [f"  Locations: {len(known)} mapped"]
        lines += [f"    of one name but not in the map: {pair.theirs} = {pair.ours}" for pair in near]
        return lines + [f"    WRONG: {what}" for what in wrong]

    def _buyer_words(self) -> list[str]:
        buyers, matches = self.buyers, self.buyers.matches
        if not buyers.ours and not buyers.theirs:
            return []
        lines = [f"  Customers: {len(matches.exact)} of {len(buyers.ours)} matched"]
        lines += _some(
            f"    {len(matches.suggested)} suggestions wait for a person, as those of items do",
            [
                f"{one.id}  {buyers.ours[one.ours].name} = {buyers.theirs[one.theirs].name}? {one.by}"
                for one in matches.suggested
            ],
        )
        return lines + _some(
            f"    {len(matches.doubled_there)} keys are shared by customers of the ERP: not matched by them",
            [f"{key}: {len(ids)} customers" for key, ids in matches.doubled_there.items()],
        )

    def _order_words(self) -> list[str]:
        lines = [f"  Orders, ours from {moment(self.orders_from_ms)} on:"]
        for fate, what in FATES.items():
            some = self.of(fate)
            if not some:
                continue
            sums = ", ".join(f"{total} {currency}" for currency, total in sorted(money(some).items()))
            head = f"    {len(some)} ({sums}) {what}"
            named = fate not in (Fate.CLOSE, Fate.FORGET, Fate.ADOPT)
            lines += _some(head, [verdict.order.number for verdict in some]) if named else [head]
        for fate, what in (
            (Fate.ADOPT, "say something else in the ERP: adopted as they are, and parked to be looked at"),
            (
                Fate.CLOSE,
                "are over at the channel, but not in the ERP, whose stock they hold: close them there",
            ),
        ):
            differing = [verdict for verdict in self.of(fate) if verdict.differs]
            lines += _some(
                f"    {len(differing)} {what}",
                [f"{v.order.number}: {'; '.join(v.differs)}" for v in differing],
            )
        return lines

    def _change_words(self) -> list[str]:
        changes = self.changes()
        return _some(
            f"  About {len(changes)} numbers of {self.channel} would change (before rules and open orders)",
            [f"{sku}: {shown} shown, {available} in the ERP" for sku, shown, available in changes],
        ) or [f"  No number of {self.channel} would change (before rules and open orders)"]


@dataclass(frozen=True, slots=True)
class Survey:
    """All channels of one run."""

    at_ms: int
    applied: bool
    channels: Sequence[ChannelReport]

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "at": moment(self.at_ms),
            "applied": self.applied,
            "channels": [channel.as_json() for channel in self.channels],
            "next": self.next_step(),
        }

    def words(self) -> list[str]:
        """The whole report for people, line by line."""
        lines = [line for channel in self.channels for line in channel.words()]
        return [*lines, "", self.next_step()]

    def next_step(self) -> str:
        """What to do now."""
        if not self.applied:
            return (
                "Nothing was written. Answer the suggestions and mend what is wrong. Then switch the other connector "
                "off and run `syncline adopt --apply`."
            )
        return (
            "Written. With the other connector off, rehearse: `syncline run --shadow` computes and compares, and "
            "writes nothing. `syncline live` with a route then lets it write; every new order is looked up in the ERP "
            "before it is created."
        )


def moment(at_ms: int) -> str:
    """An instant in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _count(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def _some(head: str, entries: Sequence[str]) -> list[str]:
    """A heading with its first entries; nothing where there is none."""
    if not entries:
        return []
    rest = len(entries) - SHOWN_MAX
    return [head, *(f"      {entry}" for entry in entries[:SHOWN_MAX])] + (
        [f"      and {rest} more: see --report"] if rest > 0 else []
    )
