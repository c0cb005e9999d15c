"""What is measured of a play, from the ledgers of the systems at either end: lags, and each number through time.

Nothing here asks Syncline, so every design is measured alike.

A **change of stock** is whatever makes a channel's number differ from what there is: a sale elsewhere, goods that
arrive. It has *landed* at a channel once a write left the number short of later changes only, or once a later change
made it right again; its lag runs from the moment at which somebody could tell of it until then. An **order** has landed once the ERP has it. A change that
never landed counts from its moment to the end. Changes that were under way during a declared outage are
kept apart; those whose event was lost, and those that a number got while it lacked such a one, are held to the bound of a lost event only.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from syncline.freshness.bounds import percentile
from syncline.model.change import Flow
from syncline.simulate.lean import Outage
from syncline.simulate.trace import Trace

DAY_MS = 86_400_000
EDGES_MS = tuple(round(10 * 2 ** (n / 4)) for n in range(104))  # of a distribution: 10 ms to a week
# What happened to a number, as it is kept in a timeline; channels are counted from 0.
TRUTH = 0
REFUSED = (
    100  # above it the negative codes are units refused although they were there, below it units oversold
)


@dataclass(slots=True)
class Truth:
    """What there is of each SKU, which may be below zero, and what became of the lines."""

    stock: dict[str, int]
    lines: int = 0
    sold: int = 0
    oversold: int = 0
    hidden: int = 0
    orders: int = 0
    orders_oversold: int = 0

    def ask(self, sku: str, quantity: int, shown: int) -> int | None:
        """A buyer wants a line; returns the units oversold if the channel accepts it, else ``None``."""
        there = max(0, self.stock[sku])
        self.lines += 1
        if shown < quantity:
            if there >= quantity:
                self.hidden += quantity
            return None
        beyond = max(0, quantity - there)
        self.stock[sku] -= quantity
        self.sold += quantity - beyond
        self.oversold += beyond
        return beyond

    def short(self, target: Mapping[str, int]) -> dict[str, int]:
        """What to order of each SKU, to have its target again."""
        return {sku: units - self.stock[sku] for sku, units in target.items() if units > self.stock[sku]}

    def receive(self, goods: Mapping[str, int]) -> None:
        """Goods arrive."""
        for sku, units in goods.items():
            self.stock[sku] += units


@dataclass(slots=True)
class Lags:
    """The lags of one flow, in milliseconds.

    ``apart`` are those that an outage struck, ``untold`` those whose event was lost, ``all`` the others. ``at`` and ``untold_at`` say of each
    which of the ``kinds`` it is: the channel, and the tolerance that it was promised (0: that of the route). Each kind has bounds of its own.
    """

    all: array[int] = field(default_factory=lambda: array("q"))
    apart: array[int] = field(default_factory=lambda: array("q"))
    at: array[int] = field(default_factory=lambda: array("b"))
    untold: array[int] = field(default_factory=lambda: array("q"))
    untold_at: array[int] = field(default_factory=lambda: array("b"))
    kinds: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, lag_ms: int, channel: int, promised_ms: int, *, untold: bool = False) -> None:
        """One that is not apart."""
        lags, at = (self.untold, self.untold_at) if untold else (self.all, self.at)
        lags.append(lag_ms)
        at.append(self.kinds.setdefault((channel, promised_ms), len(self.kinds)))

    def figures(self, bounds: Sequence[tuple[int, int]]) -> dict[str, float | int]:
        """Percentiles of all, and how many kept the bounds of their kind.

        ``p999_normal`` is of those to which the normal bound applies: so far is a bound from exaggerating.
        ``bounds`` are those of each kind, normal and of a lost event; the widest of them is named. The normal one is for those whose event came,
        the other for all that are not apart.
        """
        bound_ms, lost_ms = (max(one) for one in zip(*bounds, strict=True))
        every = sorted([*self.all, *self.untold, *self.apart])
        normal, lost = ([one[which] for one in bounds] for which in (0, 1))
        return {
            "changes": len(every),
            "apart": len(self.apart),
            "event_lost": len(self.untold),
            "p50": percentile(every, 0.5),
            "p99": percentile(every, 0.99),
            "p999": percentile(every, 0.999),
            "p999_normal": percentile(sorted(self.all), 0.999),
            "max": every[-1] if every else 0,
            "bound": bound_ms,
            "kept": _kept(self.all, self.at, normal),
            "bound_if_event_lost": lost_ms,
            "kept_if_event_lost": _kept(self.all, self.at, lost) + _kept(self.untold, self.untold_at, lost),
        }

    def histogram(self) -> list[int]:
        """How many took no longer than each of ``EDGES_MS`` and longer than the one before; at last the rest."""
        every = sorted([*self.all, *self.untold, *self.apart])
        reached = [bisect_right(every, edge) for edge in EDGES_MS]
        return [after - before for before, after in pairwise([0, *reached, len(every)])]


def _kept(lags: Iterable[int], at: Iterable[int], bounds_ms: Sequence[int]) -> int:
    most = max(bounds_ms)
    if min(bounds_ms) == most:  # where all are of one kind nothing says which
        return sum(lag_ms <= most for lag_ms in lags)
    return sum(lag_ms <= bounds_ms[kind] for lag_ms, kind in zip(lags, at, strict=True))


@dataclass(slots=True, eq=False)
class _Lacking:
    """A change that a number still lacks. Without a moment it is what a write brought that nobody ever had."""

    since_ms: int | None
    units: int
    untold: bool = False


class Timeline:
    """Each number of each SKU whenever it changed: triples of seconds since the beginning, code and value.

    What came before the beginning counts as having happened then.

    Codes: ``TRUTH`` what there is; 2 c + 1 what channel c shows after a sale of its own, 2 c + 2 after a write;
    −(c + 1) units that channel c sold beyond what there was, −(c + 1) − ``REFUSED`` units that it refused.
    """

    def __init__(self, begin_ms: int) -> None:
        self._begin_ms = begin_ms
        self.of: dict[str, array[int]] = {}

    def put(self, sku: str, at_ms: int, code: int, value: int) -> None:
        """One more triple."""
        line = self.of.get(sku)
        if line is None:
            line = self.of[sku] = array("i")
        line.extend((max(0, at_ms - self._begin_ms) // 1000, code, value))


class Ledger:
    """Listens to the systems of a play.

    ``shows`` are the channels' numbers, by SKU, in the order of the channels, which ``names`` calls by their names;
    ``erp`` is that of the ERP. What lands is told to ``trace``, too. ``promised`` says which tolerance a number of a
    channel's SKU has, where not all have the same. ``felt_ms`` is how long the loss of an event may be felt: until a read has told all.
    """

    def __init__(
        self,
        shows: Sequence[Callable[[str], int]],
        stock: Mapping[str, int],
        *,
        now_ms: Callable[[], int],
        outage: Outage,
        lags: bool,
        timeline: Timeline | None,
        names: Sequence[str] = (),
        erp: str = "",
        trace: Trace | None = None,
        promised: Callable[[int, str], int] = lambda _channel, _sku: 0,
        felt_ms: int = 0,
    ) -> None:
        self._shows = shows
        self._stock = stock
        self._now_ms = now_ms
        self._outage = outage
        self._measures = lags
        self._names = names
        self._erp = erp
        self._trace = trace
        self._promised = promised
        self._felt_ms = felt_ms
        self._silent: dict[
            str | None, int
        ] = {}  # until when the loss of an event may be felt, by SKU; of any
        self.timeline = timeline
        self.lags = {Flow.INVENTORY: Lags(), Flow.ORDERS: Lags()}
        self._lacks: list[dict[str, list[_Lacking]]] = [{} for _ in shows]  # by channel and SKU
        # Orders by reference: channel, known since when, and whether their event was lost.
        self._reported: dict[str, tuple[int, int, bool]] = {}

    # --- what happens -----------------------------------------------------------------------------

    def sold(
        self,
        channel: int,
        sku: str,
        quantity: int,
        before: int,
        beyond: int,
        known_ms: int,
        *,
        untold: bool = False,
    ) -> None:
        """A channel sold units and lowered its number; ``before`` is what there was, ``beyond`` what was not, ``untold`` that the event was lost."""
        fell = max(0, before) - max(0, before - quantity)
        for other, lacks in enumerate(self._lacks):
            units = fell - quantity if other == channel else fell
            if units and self._measures:
                self._lack(other, lacks, sku, _Lacking(known_ms, units, untold))
        if self.timeline is not None:
            at_ms = self._now_ms()
            self.timeline.put(sku, at_ms, TRUTH, before - quantity)
            self.timeline.put(sku, at_ms, 2 * channel + 1, self._shows[channel](sku))
            if beyond:
                self.timeline.put(sku, at_ms, -(channel + 1), beyond)

    def refused(self, channel: int, sku: str, quantity: int) -> None:
        """A channel refused units that were there."""
        if self.timeline is not None:
            self.timeline.put(sku, self._now_ms(), -(channel + 1) - REFUSED, quantity)

    def received(self, goods: Mapping[str, int]) -> None:
        """Goods arrived; the stock holds them already."""
        now_ms = self._now_ms()
        for sku, units in goods.items():
            after = self._stock[sku]
            rose = max(0, after) - max(0, after - units)
            if rose and self._measures:
                for channel, lacks in enumerate(self._lacks):
                    self._lack(channel, lacks, sku, _Lacking(now_ms, -rose))
            if self.timeline is not None:
                self.timeline.put(sku, now_ms, TRUTH, after)
            if self._trace is not None:
                self._trace.received(self._erp, sku, units)

    def _lack(
        self,
        channel: int,
        lacks: dict[str, list[_Lacking]],
        sku: str,
        change: _Lacking,
    ) -> None:
        """One more change that a channel's number lacks, unless with it the number is right again."""
        waiting = lacks.setdefault(sku, [])
        # A number that cannot yet contain an untold change contains no later one either, as landing is counted.
        change.untold |= any(one.untold for one in waiting)
        waiting.append(change)
        if len(waiting) > 1 and self._shows[channel](sku) == max(0, self._stock[sku]):
            self._landed(channel, sku, waiting)
            del lacks[sku]

    def _landed(self, channel: int, sku: str, changes: Iterable[_Lacking]) -> None:
        now_ms = self._now_ms()
        for one in changes:
            if one.since_ms is not None:
                self._land(Flow.INVENTORY, channel, sku, one.since_ms, now_ms, untold=one.untold)

    def untold(self, skus: Iterable[str] | None = None, *, sales: bool = True) -> None:
        """An event was lost that would have told of the changes which numbers of these SKUs lack; ``None``: of any.

        Without ``sales`` it would have told of goods that arrived, and of nothing else.
        """
        wanted = None if skus is None else tuple(skus)
        self._silent.update(dict.fromkeys(wanted or [None], self._now_ms() + self._felt_ms))
        for lacks in self._lacks:
            for sku in tuple(lacks) if wanted is None else wanted:
                for one in lacks.get(sku, ()):
                    one.untold |= sales or one.units < 0

    def wrote(self, channel: int, skus: Iterable[str]) -> None:
        """Numbers were written at a channel."""
        now_ms, lacks = self._now_ms(), self._lacks[channel]
        for sku in skus:
            shown = self._shows[channel](sku)
            if self.timeline is not None:
                self.timeline.put(sku, now_ms, 2 * channel + 2, shown)
            if self._trace is not None:
                self._trace.wrote(self._names[channel], sku, shown)
            if not self._measures:
                continue
            waiting = lacks.get(sku)
            left = shown - max(0, self._stock[sku])
            if waiting is None:
                if left:
                    lacks[sku] = [_Lacking(None, left, self._in_doubt(sku))]
                continue
            # Of all ways in which the number lacks only the latest changes, that which lacks the fewest.
            begin, units = len(waiting), 0
            while units != left and begin:
                begin -= 1
                units += waiting[begin].units
            if units != left:
                # What stands before a wrong number has landed no sooner than that is mended.
                in_doubt = self._in_doubt(sku)
                for one in waiting:
                    one.untold |= in_doubt
                waiting.append(_Lacking(None, left - units, in_doubt))
                continue
            self._landed(channel, sku, waiting[:begin])
            if begin < len(waiting):
                lacks[sku] = waiting[begin:]
            else:
                del lacks[sku]

    def _in_doubt(self, sku: str) -> bool:
        """Whether a wrong number may come of a lost event: a figure was read while an order was put, and nothing says if it is in it."""
        return self._now_ms() <= max(self._silent.get(sku, -1), self._silent.get(None, -1))

    def reported(self, channel: int, reference: str, known_ms: int, *, untold: bool = False) -> None:
        """A channel tells of an order from that moment on; ``untold``: its event was lost."""
        self._reported[reference] = channel, known_ms, untold

    def booked(self, reference: str) -> None:
        """The ERP has an order."""
        known = self._reported.pop(reference, None)
        if known is not None:
            channel, known_ms, untold = known
            self._land(Flow.ORDERS, channel, reference, known_ms, self._now_ms(), untold=untold)

    # --- what it came to --------------------------------------------------------------------------

    def close(self) -> None:
        """The play is over: what has not landed has waited until now."""
        now_ms = self._now_ms()
        for channel, lacks in enumerate(self._lacks):
            for sku, waiting in lacks.items():
                self._landed(channel, sku, waiting)
            lacks.clear()
        for reference, (channel, known_ms, untold) in self._reported.items():
            self._land(Flow.ORDERS, channel, reference, known_ms, now_ms, untold=untold)
        self._reported.clear()

    def _land(
        self, flow: Flow, channel: int, record: str, changed_ms: int, now_ms: int, *, untold: bool
    ) -> None:
        lags = self.lags[flow]
        # A write may land before anybody could tell: the channel's own number gave the sale away.
        lag_ms = max(0, now_ms - changed_ms)
        apart = self._struck(changed_ms, now_ms)
        if apart:
            lags.apart.append(lag_ms)
        else:
            promised_ms = self._promised(channel, record) if flow is Flow.INVENTORY else 0
            lags.add(lag_ms, channel, promised_ms, untold=untold)
        if self._trace is not None:
            name = self._names[channel]
            self._trace.landed(flow, name, record, changed_ms, lag_ms, apart=apart, untold=untold)

    def _struck(self, from_ms: int, to_ms: int) -> bool:
        """Whether the daily outage fell into a span of time."""
        outage = self._outage
        if not outage.minutes:
            return False
        if outage.ends_in_s(from_ms):
            return True
        until_ms = (outage.at_ms - from_ms) % DAY_MS
        return from_ms + until_ms <= to_ms
