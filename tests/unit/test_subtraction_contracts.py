"""No unit is subtracted twice or never: histories of three channels, each with a contract of its own.

Every channel is played as its contract says, with its own number and its own way to take orders off it.
We hear of orders late, the ERP takes them late, its answers get lost, its figures are old; and a write
counts only if the channel's number is what we believe it to be, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from syncline.inventory.availability import Demand, publish
from syncline.inventory.contracts import number_to_write, open_by_location
from syncline.inventory.rules import QuantityRule
from syncline.model.capabilities import (
    AVAILABLE_OWN_ORDERS_SUBTRACTED,
    PLAIN,
    SOURCE_QUANTITY_ADD_BACK_OPEN_LINES,
    OwnOrders,
    StockBasis,
    StockContract,
)
from syncline.model.records import StockLevel

STOCK = 40
ERPS_OWN = 3  # units that orders take which no channel placed
SKEW_MS = 3_600_000  # the ERP's clock is an hour ahead
LAG_MS = 500
PLACE = "1"
CONTRACTS = (AVAILABLE_OWN_ORDERS_SUBTRACTED, SOURCE_QUANTITY_ADD_BACK_OPEN_LINES, PLAIN)
Writes = Callable[[StockContract, int, int], int]


@dataclass
class Line:
    """The truth about one order line, and what we have heard of it."""

    channel: Channel
    wanted: int
    shipped: int = 0
    heard: int | None = None
    heard_shipped: int = 0
    erp: list[tuple[int, int]] = field(default_factory=list)  # (our time, what the ERP holds since)
    posted: list[tuple[int, int]] = field(default_factory=list)  # (our time, what was shipped since)
    erp_before: int = 0
    erp_known: int = 0
    erp_stamp: int | None = None
    our_stamp: int | None = None

    def erp_at(self, now: int) -> int:
        return next((quantity for at, quantity in reversed(self.erp) if at <= now), 0)

    def posted_at(self, now: int) -> int:
        return next((quantity for at, quantity in reversed(self.posted) if at <= now), 0)

    def known(self, quantity: int, *, erp: int | None = None, ours: int | None = None) -> None:
        """As the store keeps it: the first stamps of a quantity, and the least quantity before."""
        if quantity == self.erp_known:
            self.erp_stamp = self.erp_stamp if self.erp_stamp is not None else erp
            self.our_stamp = self.our_stamp if self.our_stamp is not None else ours
        else:
            self.erp_before = min(self.erp_before, self.erp_known)
            self.erp_known, self.erp_stamp, self.our_stamp = quantity, erp, ours


@dataclass(eq=False)
class Channel:
    """A channel as its contract describes it."""

    contract: StockContract
    number: int = 0
    believed: int = 0
    lines: list[Line] = field(default_factory=list)

    @property
    def lowers(self) -> bool:
        return self.contract.own_orders is OwnOrders.LOWER_THE_NUMBER

    @property
    def subtracts(self) -> bool:
        return self.contract.own_orders is OwnOrders.SUBTRACTED_WHILE_OPEN

    def offers(self) -> int:
        """What buyers may still buy here, by the channel's own reckoning."""
        waiting = sum(line.wanted - line.shipped for line in self.lines)
        return self.number - (waiting if self.subtracts else 0)


class History:
    """Plays acts, and checks every write against the truth."""

    def __init__(self, writes: Writes, backorder: int, basis: StockBasis) -> None:
        self.writes = writes
        self.basis = basis
        self.rule = QuantityRule(backorder=backorder)
        self.now = 1_000_000
        self.stock: list[tuple[int, int]] = [(0, STOCK)]  # (our time, all that was ever received since)
        self.channels = [Channel(contract) for contract in CONTRACTS]
        self.lines: list[Line] = []
        self.level = self.figure(self.now, None)

    # --- what happens -----------------------------------------------------------------------------

    def order(self, a: int, b: int) -> None:
        channel = self.channels[a % 3]
        quantity = min(1 + b % 9, channel.offers())
        if quantity > 0:
            line = Line(channel, quantity)
            channel.lines.append(line)
            self.lines.append(line)
            channel.number -= quantity if channel.lowers else 0

    def hear(self, a: int, b: int) -> None:
        for line in self.some(a):
            taken = (line.wanted if line.channel.lowers else 0) - (
                (line.heard or 0) if line.channel.lowers else 0
            )
            taken += line.shipped - line.heard_shipped if line.channel.subtracts else 0
            line.channel.believed -= taken
            line.heard, line.heard_shipped = line.wanted, line.shipped

    def cancel(self, a: int, b: int) -> None:
        for line in self.some(a):
            units = min(1 + b % 9, line.wanted - line.shipped)
            line.wanted -= units
            line.channel.number += units if line.channel.lowers else 0

    def ship(self, a: int, b: int) -> None:
        """The warehouse ships what the ERP holds; the channel hears of it at once, we do later."""
        for line in self.some(a):
            units = min(1 + b % 5, line.wanted - line.shipped, line.erp_at(self.now) - line.shipped)
            if units > 0:
                line.shipped += units
                line.posted.append((self.now, line.shipped))
                line.channel.number -= units if line.channel.subtracts else 0

    def goods_come_back(self, a: int, b: int) -> None:
        for line in self.some(a):
            if line.shipped:
                self.received(0, b % line.shipped)

    def received(self, a: int, b: int) -> None:
        self.stock.append((self.now, self.stock[-1][1] + 1 + b % 9))

    def erp_takes(self, a: int, b: int) -> None:
        """Our call takes effect; its answer comes, or is lost."""
        for line in self.some(a):
            if line.heard is None or line.heard == line.erp_at(self.now) or line.heard < line.shipped:
                continue
            self.now += 40
            line.erp.append((self.now, line.heard))
            self.now += 40
            if b % 2 and self.basis is StockBasis.AVAILABLE:  # a physical figure moves with the parcel
                line.known(line.heard, ours=self.now)

    def erp_tells(self, a: int, b: int) -> None:
        for line in self.some(a):
            at = self.now - b % 60
            if self.in_figures(line, at) == self.in_figures(line, self.now) and line.erp_at(at):
                line.known(self.in_figures(line, at), erp=at + SKEW_MS)

    def pushed(self, a: int, b: int) -> None:
        self.arrives(self.figure(self.now - b % 1000, None))

    def read(self, a: int, b: int) -> None:
        began = self.now
        self.now += 30
        self.arrives(self.figure(began - b % (LAG_MS + 1), began))

    def some(self, a: int) -> list[Line]:
        return [self.lines[a % len(self.lines)]] if self.lines else []

    def in_figures(self, line: Line, at: int) -> int:
        """Units of a line that the ERP's figures accounted for at a moment."""
        return line.erp_at(at) if self.basis is StockBasis.AVAILABLE else line.posted_at(at)

    def figure(self, at: int, began: int | None) -> StockLevel:
        received = next(units for since, units in reversed(self.stock) if since <= at)
        left = Decimal(received - sum(self.in_figures(line, at) for line in self.lines))
        own = Decimal(ERPS_OWN)
        if self.basis is StockBasis.AVAILABLE:
            return StockLevel("A", PLACE, Decimal(-7), left - own, own, at + SKEW_MS, began)
        return StockLevel("A", PLACE, left, Decimal(-7), own, at + SKEW_MS, began)

    def arrives(self, level: StockLevel) -> None:
        if level.erp_stamp_ms > self.level.erp_stamp_ms:
            self.level = level

    # --- what is written --------------------------------------------------------------------------

    def write(self, a: int, b: int) -> None:
        channel = self.channels[a % 3]
        demands = [
            Demand(
                "c", str(n), "l", PLACE, "A", line.heard, line.erp_before, line.erp_known, line.erp_stamp,
                line.our_stamp,
            )
            for n, line in enumerate(self.lines)
            if line.heard is not None
        ]  # fmt: skip
        published = publish(
            {PLACE: self.level}, demands, {}, self.rule, (PLACE,), replica_lag_ms=LAG_MS, basis=self.basis
        ).total
        waiting = sum((line.heard or 0) - line.heard_shipped for line in channel.lines)
        number = self.writes(channel.contract, published, waiting)
        if channel.number != channel.believed:
            return  # stale: somebody bought, or a parcel left, and nobody has told us yet
        channel.number = channel.believed = number
        assert channel.offers() <= self.exists(channel), "units are offered that are sold already"

    def exists(self, channel: Channel) -> int:
        """What may truly be sold: all that there is, less what is sold as far as anybody could know here."""
        sold = sum(
            line.wanted
            for line in self.lines
            if line.heard is not None or (line.channel is channel and channel.contract != PLAIN)
        )
        return max(0, self.stock[-1][1] - ERPS_OWN - sold + self.rule.backorder)

    def settle(self) -> None:
        """In the end everything is heard, told and read, and every channel is written once more."""
        for number in range(len(self.lines)):
            self.hear(number, 0)
            self.erp_takes(number, 1)
            self.erp_tells(number, 0)
        self.now += LAG_MS + 1
        self.read(0, 0)
        for number, channel in enumerate(self.channels):
            assert channel.number == channel.believed
            self.write(number, 0)
            sold = ERPS_OWN + sum(line.wanted for line in self.lines)
            right = max(0, self.stock[-1][1] - sold + self.rule.backorder)
            assert channel.offers() == right, "units are still subtracted twice"


ACTS = (
    "order",
    "hear",
    "cancel",
    "ship",
    "goods_come_back",
    "received",
    "erp_takes",
    "erp_tells",
    "pushed",
    "read",
    "write",
)
histories = st.lists(
    st.tuples(st.sampled_from((*ACTS, "write", "write", "order")), st.integers(0, 8), st.integers(0, 2000)),
    max_size=40,
)


def play(
    writes: Writes,
    acts: list[tuple[str, int, int]],
    backorder: int,
    basis: StockBasis = StockBasis.AVAILABLE,
) -> None:
    history = History(writes, backorder, basis)
    for number in range(3):
        history.write(number, 0)
    for act, a, b in acts:
        getattr(history, act)(a, b)
        history.now += 1
    history.settle()


@settings(max_examples=400)
@given(histories, st.sampled_from((0, 0, 5)), st.sampled_from(StockBasis))
@example(
    [("order", 1, 4), ("hear", 0, 0), ("erp_takes", 0, 1), ("ship", 0, 1), ("write", 1, 0)],
    0,
    StockBasis.AVAILABLE,
)
@example(
    [("order", 0, 4), ("hear", 0, 0), ("write", 0, 0), ("cancel", 0, 1), ("write", 0, 0)],
    0,
    StockBasis.ON_HAND,
)
def test_no_unit_is_subtracted_twice_or_never(acts, backorder, basis):
    play(number_to_write, acts, backorder, basis)


def gives_everybody_their_orders_back(contract, published, open_units):
    return published + open_units


def gives_nobody_their_orders_back(contract, published, open_units):
    return published


def takes_own_orders_off_again(contract, published, open_units):
    again = open_units if contract is AVAILABLE_OWN_ORDERS_SUBTRACTED else 0
    return max(0, number_to_write(contract, published, open_units) - again)


def gives_back_half(contract, published, open_units):
    return number_to_write(contract, published, open_units // 2)


@pytest.mark.parametrize(
    "mutant",
    [
        gives_everybody_their_orders_back,
        gives_nobody_their_orders_back,
        takes_own_orders_off_again,
        gives_back_half,
    ],
)
def test_a_wrong_contract_is_caught(mutant):
    @settings(
        max_examples=400, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(histories)
    def attempt(acts):
        play(mutant, acts, 0)

    with pytest.raises(AssertionError, match=r"sold already|subtracted twice"):
        attempt()


def test_what_waits_without_a_place_is_given_back_once():
    assert open_by_location({"": 3, "2": 4, "~9": 8}, ("1", "2")) == {"1": 3, "2": 4}
    assert open_by_location({"": 3}, ()) == {}
