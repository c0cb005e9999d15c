"""Demand is never counted twice for good, and never not at all: histories against an oracle that knows all.

Orders are placed, the ERP takes them, we hear of that by our own call or by its message, and its stock
figures arrive by push (the ERP's clock) or by read (ours and its own), late and out of order.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncline.inventory.availability import Demand, publish, settled
from syncline.inventory.rules import QuantityRule
from syncline.model.records import StockLevel
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore

ON_HAND = 200
SKEW_MS = 3_600_000  # the ERP's clock is an hour ahead: comparing it with ours would prove anything
LAG_MS = 500
PLACE = "1"


@dataclass
class Line:
    """The truth about one order line."""

    key: str
    wanted: int
    held: list[tuple[int, int]] = field(default_factory=list)  # (our time, what the ERP holds since)

    def held_at(self, now: int) -> int:
        return next((quantity for at, quantity in reversed(self.held) if at <= now), 0)


class Histories:
    """Plays a history on the real statements of the store."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.store = SqliteStore.open(":memory:", now_ms=0)
        self.lines: list[Line] = []
        self.level = self._figure(self.now, began=None)

    async def put(self, statement: str, **row) -> None:
        await self.store.write(Write(statement, [row]))

    # --- what happens -----------------------------------------------------------------------------

    def tick(self, ms: int) -> None:
        self.now += ms

    async def order(self, quantity: int) -> None:
        line = Line(f"o{len(self.lines)}", quantity)
        self.lines.append(line)
        await self._want(line)

    async def edit(self, which: int, quantity: int) -> None:
        if self.lines:
            line = self.lines[which % len(self.lines)]
            line.wanted = quantity
            await self._want(line)

    async def _want(self, line: Line) -> None:
        await self.put(
            "demand_want",
            channel="shop",
            order_key=line.key,
            line_id="l",
            location=PLACE,
            sku="A",
            quantity=line.wanted,
            taken=line.wanted,
        )

    async def erp_takes(self, which: int, *, tell: bool) -> None:
        """Our call takes effect; then its answer comes, or is lost."""
        if not self.lines:
            return
        line = self.lines[which % len(self.lines)]
        if line.held_at(self.now) == line.wanted:
            return
        self.tick(40)
        line.held.append((self.now, line.wanted))
        self.tick(40)
        if tell:
            await self._known(line, line.wanted, ours=self.now)

    async def erp_tells(self, which: int, ago: int) -> None:
        """The ERP's own message about the order, as it stood a moment ago."""
        if self.lines:
            line = self.lines[which % len(self.lines)]
            at = self.now - ago
            if line.held_at(at) == line.held_at(self.now) and line.held_at(at):
                await self._known(line, line.held_at(at), erp=at + SKEW_MS)

    async def _known(
        self, line: Line, quantity: int, *, ours: int | None = None, erp: int | None = None
    ) -> None:
        await self.put(
            "demand_known",
            channel="shop",
            order_key=line.key,
            line_id="l",
            location=PLACE,
            quantity=quantity,
            erp_stamp_ms=erp,
            our_stamp_ms=ours,
        )

    def push(self, ago: int) -> None:
        self._arrive(self._figure(self.now - ago, began=None))

    def read(self, behind: int) -> None:
        """A read that begins now; its replica is behind by at most the declared lag."""
        began = self.now
        self.tick(30)
        self._arrive(self._figure(began - behind, began=began))

    def _figure(self, at: int, *, began: int | None) -> StockLevel:
        number = Decimal(ON_HAND - sum(line.held_at(at) for line in self.lines))
        return StockLevel("A", PLACE, number, number, Decimal(0), at + SKEW_MS, began)

    def _arrive(self, level: StockLevel) -> None:
        if level.erp_stamp_ms > self.level.erp_stamp_ms:  # the record's version: an older one changes nothing
            self.level = level

    # --- what is shown ----------------------------------------------------------------------------

    async def shown(self) -> int:
        rows = await self.store.read("demand_open", skus=["A"])
        lines = [Demand(*row) for row in rows]
        for line in lines:  # what the deriver does with lines that every figure contains
            if settled(line, {PLACE: self.level}, LAG_MS):
                await self.put(
                    "demand_settle",
                    channel="shop",
                    order_key=line.order_key,
                    line_id="l",
                    location=PLACE,
                    quantity=line.quantity,
                    erp_quantity=line.erp_quantity,
                )
        return publish({PLACE: self.level}, lines, {}, QuantityRule(), (PLACE,), replica_lag_ms=LAG_MS).total

    def right(self) -> int:
        return ON_HAND - sum(line.wanted for line in self.lines)


ACTS = {
    "order": lambda h, a, b: h.order(1 + a % 6),
    "edit": lambda h, a, b: h.edit(a, 1 + b % 9),
    "takes": lambda h, a, b: h.erp_takes(a, tell=True),
    "takes, unheard": lambda h, a, b: h.erp_takes(a, tell=False),
    "tells": lambda h, a, b: h.erp_tells(a, b % 60),
    "push": lambda h, a, b: h.push(b % 1000),
    "read": lambda h, a, b: h.read(b % (LAG_MS + 1)),
    "tick": lambda h, a, b: h.tick(1 + b % 2000),
}


async def play(history: Histories, acts) -> None:
    for name, a, b in acts:
        done = ACTS[name](history, a, b)
        if done is not None:
            await done
        history.tick(1)
        assert await history.shown() <= history.right(), f"units that are sold are shown again, after {name}"
    for number in range(len(history.lines)):
        await history.erp_takes(number, tell=True)
        await history.erp_tells(number, 0)
    history.tick(LAG_MS + 1)
    history.read(0)
    assert await history.shown() == history.right(), "some demand is still counted twice"


def acts(*names: str):
    return st.lists(st.tuples(st.sampled_from(names), st.integers(0, 9), st.integers(0, 5000)), max_size=25)


def tell(history_acts) -> None:
    history = Histories()
    asyncio.run(play(history, history_acts))
    asyncio.run(history.store.close())


@settings(max_examples=250)
@given(acts("order", "takes", "takes, unheard", "tells", "push", "read", "tick"))
@example([("order", 3, 0), ("takes", 0, 0), ("push", 0, 60), ("push", 0, 0), ("read", 0, 500)])
def test_demand_is_counted_exactly_once_in_the_end_and_never_too_little(history_acts):
    tell(history_acts)


@pytest.mark.parametrize("revised", [3, 8])
def test_an_order_revised_before_any_new_figure_still_counts(revised):
    """Placed for 5, taken by the ERP, edited, taken again; the stock figure is from before all of it."""
    tell([("order", 4, 0), ("takes", 0, 0), ("edit", 0, revised - 1), ("takes", 0, 0)])


def test_an_order_revised_after_a_figure_counts_once():
    async def story() -> None:
        history = Histories()
        await history.order(5)
        await history.erp_takes(0, tell=True)
        history.tick(LAG_MS + 1)
        history.read(0)
        assert await history.shown() == ON_HAND - 5
        await history.edit(0, 8)
        assert await history.shown() == ON_HAND - 8
        await history.erp_takes(0, tell=True)
        assert await history.shown() == ON_HAND - 8
        history.tick(LAG_MS + 1)
        history.read(0)
        assert await history.shown() == ON_HAND - 8

    asyncio.run(story())
