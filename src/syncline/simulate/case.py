"""The published stock case: an order history sold through channels, and the settings under which it is played.

Orders are placed at their moments, whatever the design; a channel accepts a line if the number that it shows covers the
quantity. ``perfect`` is what one would sell who knew everything at once; ``play.py`` plays a setting.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from syncline.engine.words import duration
from syncline.freshness.risk import EPSILON
from syncline.inventory.rules import NO_BUFFER, Buffer
from syncline.model.errors import Misconfigured
from syncline.simulate.designs import Design, Fed, as_planned, design
from syncline.simulate.history import DAY_MS, HistoryOrder, StockCase, weekly_moments
from syncline.simulate.lean import (
    EVENT_S,
    NO_OUTAGE,
    Outage,
)
from syncline.simulate.ledger import Truth
from syncline.simulate.shape import Shape, places_of
from syncline.simulate.stage import Accounts

SPLIT = (0.60, 0.25, 0.15)  # of the orders, among the channels of the published case
CHANNELS = ("a", "b", "c")
CHANNELS_MAX = 8
ERP = "erp"
HOUR_MS = 3_600_000
LEARN_DAYS = 28  # what the engine had seen of orders when the play begins, if the history goes back so far
CALLS_PER_READ = 2  # a channel's orders are read, and its numbers written


@dataclass(frozen=True, slots=True)
class Setting:
    """One run: which design, what its channels tell, what goes wrong, and the rule of all channels.

    ``checkouts`` is ``seen``, or ``unseen``: committed ``checkout_minutes`` before any system but the channel
    knows. ``lost`` is the share of all events that never arrive; ``epsilon`` is that of ``auto`` buffers and of urgency;
    ``calls_per_s`` is what each channel allows, 0 without a limit. ``planned`` is how a plan feeds each channel; it is
    what ``hybrid`` plays then. ``accounts`` are whose connectors and simulators are played; ``None``: light systems, with
    the ``shapes`` of those that stand for a vendor.

    Raises:
        Misconfigured: there is no such design, or a figure makes no sense.
    """

    design: str
    checkouts: str = "seen"
    checkout_minutes: float = 2.0
    buffer: Buffer = NO_BUFFER
    lost: float = 0.0
    outage: Outage = NO_OUTAGE
    epsilon: float = EPSILON
    calls_per_s: float = 0.0
    seed: int = 1
    planned: Mapping[str, Fed] = field(default_factory=dict, hash=False)
    accounts: Accounts | None = field(default=None, hash=False)
    shapes: Mapping[str, Shape] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        design(self.design)
        if self.checkouts not in ("seen", "unseen"):
            raise Misconfigured(f"--checkouts {self.checkouts}: it is seen or unseen")
        if self.accounts is not None and self.checkouts == "unseen":
            raise Misconfigured(
                "--checkouts unseen: a vendor's simulator tells of an order from the moment it is placed; play unseen "
                "checkouts against the light systems, without --against simulators"
            )
        if not 0 <= self.lost <= 1:
            raise Misconfigured(f"--lost {self.lost:g}: it is a share of events, 0 to 1")
        if self.checkout_minutes < 0:
            raise Misconfigured(f"--checkout-minutes {self.checkout_minutes:g}: they are not negative")
        if not 0 < self.epsilon < 1:
            raise Misconfigured(f"--epsilon {self.epsilon:g}: it is a probability, above 0 and below 1")
        if self.calls_per_s < 0:
            raise Misconfigured(f"--limit {self.calls_per_s:g}: calls a second; 0 is no limit")
        needed = CALLS_PER_READ * 1000 / self.plan.interval_ms
        if 0 < self.calls_per_s < needed:
            step = 10.0 ** (math.floor(math.log10(needed)) - 1)
            enough = math.ceil(needed / step - 1e-9) * step
            raise Misconfigured(
                f"--design {self.design} reads a channel every {duration(self.plan.interval_ms)}, and what it reads it "
                f"has to write: that takes {needed:.2g} calls a second at least, and --limit {self.calls_per_s:g} allows "
                f"fewer. The nearest that works is --limit {enough:.2g}, or "
                f"poll:{math.ceil(CALLS_PER_READ / self.calls_per_s)}s"
            )

    def json(self) -> dict[str, Any]:
        """As it stands in a report; keys in a fixed order."""
        fed = self.plan.fed
        return {
            "design": self.design,
            **({"fed": {name: one.json() for name, one in fed.items()}} if fed else {}),
            "checkouts": self.checkouts,
            "checkout_minutes": self.checkout_minutes,
            "buffer": str(self.buffer),
            "epsilon": self.epsilon,
            "lost": self.lost,
            "outage_minutes": self.outage.minutes,
            "limit_per_s": self.calls_per_s,
            "seed": self.seed,
        }

    @property
    def plan(self) -> Design:
        """The design behind its name."""
        return as_planned(self.planned) if self.planned and self.design == "hybrid" else design(self.design)

    @property
    def places(self) -> int:
        """How many locations are played."""
        accounts = self.accounts.channels.values() if self.accounts is not None else ()
        return places_of((one.sheet for one in accounts), self.shapes.values())

    @property
    def batch_ms(self) -> int:
        """The period of a design without events; 0 for those with events."""
        return 0 if self.plan.events else self.plan.interval_ms

    @property
    def settles_ms(self) -> int:
        """How long the last change may be under way on purpose: until it is read, and sent."""
        plan = self.plan
        reads_ms = max(
            (one.poll_ms for fed in plan.fed.values() for one in (fed.stock, fed.orders)), default=0
        )
        return max(self.batch_ms, reads_ms) + plan.patience_ms

    @property
    def unseen_s(self) -> float:
        """How long only the channel knows of an order."""
        return self.checkout_minutes * 60 if self.checkouts == "unseen" else 0.0


@dataclass(frozen=True, slots=True)
class Placing:
    """An order of the history at the channel and second that its id gives it, and the luck of its event."""

    at_ms: int
    channel: str
    order: HistoryOrder
    event_s: float
    luck: float  # even in 0..1; below the lost share, its event is lost


@dataclass(frozen=True, slots=True)
class Case:
    """A slice of a history and the stock that goes with it."""

    placings: tuple[Placing, ...]
    before: tuple[Placing, ...]  # so many orders were known when it begins
    target: dict[str, int]
    stock: StockCase = field(repr=False)
    channels: tuple[str, ...] = CHANNELS
    erp: str = ERP

    @property
    def begin_ms(self) -> int:
        """Midnight before the first order."""
        return self.placings[0].at_ms // DAY_MS * DAY_MS

    @property
    def end_ms(self) -> int:
        """The moment of the last order."""
        return self.placings[-1].at_ms

    def deliveries(self) -> list[tuple[int, bool]]:
        """When goods are ordered (``False``) and arrive (``True``), in turn."""
        moments = [(at, False) for at in weekly_moments(self.begin_ms, self.end_ms, 0, 6)]
        moments += [(at, True) for at in weekly_moments(self.begin_ms, self.end_ms, 2, 10)]
        return sorted(moments)


def names_of(split: Sequence[float]) -> tuple[str, ...]:
    """The channels that share the orders so: a, b, c and so on.

    Raises:
        Misconfigured: too many, or shares that are none.
    """
    if not 1 <= len(split) <= CHANNELS_MAX:
        raise Misconfigured(f"--split names {len(split)} channels; 1 to {CHANNELS_MAX} can be played")
    if min(split) <= 0:
        raise Misconfigured("--split: each channel gets a share above 0")
    return tuple("abcdefgh"[: len(split)])


def placings(
    orders: Sequence[HistoryOrder],
    *,
    seconds_known: bool = False,
    split: Sequence[float] = SPLIT,
    names: Sequence[str] = (),
) -> list[Placing]:
    """Orders by the moment they are placed: the published case's channel and second, from the order id."""
    found = []
    names, whole = names or names_of(split), sum(split)
    edges = [sum(split[:n]) / whole * 2**32 for n in range(1, len(split))]
    for order in orders:
        digest = hashlib.sha256(order.id.encode()).digest()
        part, second, event, luck = (int.from_bytes(digest[n : n + 4], "big") for n in (0, 4, 8, 12))
        channel = names[sum(part >= edge for edge in edges)]
        at_ms = order.placed_at_ms + (0 if seconds_known else second % 60 * 1000)
        event_s = EVENT_S[0] + (EVENT_S[1] - EVENT_S[0]) * event / 2**32
        found.append(Placing(at_ms, channel, order, event_s, luck / 2**32))
    found.sort(key=lambda one: one.at_ms)
    return found


def cut(
    orders: Sequence[HistoryOrder],
    stock: StockCase,
    *,
    from_ms: int,
    to_ms: int,
    lines_max: int = 0,
    seconds_known: bool = False,
    split: Sequence[float] = SPLIT,
    names: Sequence[str] = (),
    erp: str = ERP,
) -> Case:
    """The part of a history in ``[from_ms, to_ms)``, with the SKUs that are sold in it.

    It ends with the order that has line number ``lines_max``; 0 plays all. ``names`` are those of the channels, a, b, c
    and so on without any.

    Raises:
        Misconfigured: nothing was ordered then.
    """
    every = placings(orders, seconds_known=seconds_known, split=split, names=names)
    inside = tuple(one for one in every if from_ms <= one.at_ms < to_ms)
    if lines_max:
        lines = accumulate(len(one.order.lines) for one in inside)
        inside = inside[: sum(count < lines_max for count in lines) + 1]
    if not inside:
        raise Misconfigured("no order was placed in that time")
    before = tuple(one for one in every if from_ms - LEARN_DAYS * DAY_MS <= one.at_ms < from_ms)
    skus = sorted({line.sku for one in inside for line in one.order.lines})
    channels = tuple(names) or names_of(split)
    return Case(inside, before, {sku: stock.target[sku] for sku in skus}, stock, channels, erp)


def perfect(case: Case) -> Truth:
    """What instant perfect knowledge sells: every channel shows what there is, always."""
    truth = Truth(dict(case.target))
    deliveries = case.deliveries()
    ordered: dict[str, int] = {}
    for one in case.placings:
        while deliveries and deliveries[0][0] <= one.at_ms:
            _, arrives = deliveries.pop(0)
            if arrives:
                truth.receive(ordered)
                ordered = {}
            else:
                ordered = truth.short(case.target)
        accepted = [truth.ask(line.sku, line.quantity, truth.stock[line.sku]) for line in one.order.lines]
        truth.orders += any(beyond is not None for beyond in accepted)
    return truth
