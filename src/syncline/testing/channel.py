"""A sales channel in memory that compares nothing, at once or later, and keeps strict books on whoever writes it.

Its rules are those that vendors document for absolute stock writes without an expectation: the number is
replaced whatever it was, an answer may be lost before or after that, and where writes are applied later the call
only says that it was accepted (a bulk status, a feed, a transaction id), some of them for nothing. Some tell later
what became of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, Capabilities
from syncline.model.change import Change, Cursor, LoggedEvent
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import Forged, OutcomeUnknown
from syncline.model.payloads import ReadStock, SetStock
from syncline.ports import Clock, Page, PollStream, System, Verified, WebhookRequest

LEDGER_MAX = 10_000


class Unlimited:
    """A governor of a vendor without a limit."""

    async def ready(self, *, urgent: bool = False) -> None:
        """Nothing to wait for."""

    def usage(self) -> Mapping[str, float]:
        """Nothing to show."""
        return {}


class Told:
    """A source whose events name the change that they carry; whoever plays the vendor registers them first."""

    streams: tuple[PollStream, ...] = ()

    def __init__(self) -> None:
        self.changes: dict[str, Change] = {}

    def verify(self, request: WebhookRequest) -> Verified:
        """There are no webhooks."""
        raise Forged("no webhooks here")

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """The registered change."""
        return [self.changes[logged.event.event_id]]

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Nothing is read."""
        nothing: tuple[Page, ...] = ()
        for page in nothing:
            yield page


@dataclass(frozen=True, slots=True)
class Write:
    """One write as it took effect: what was there, what replaced it, and what it undid."""

    at_ms: int
    key: str
    before: int
    quantity: int
    moved_since_read: int  # units sold less units returned since the writer last read the number: now undone


@dataclass(slots=True)
class StockChannel:
    """The channel: its numbers, its buyers, and what became of each write.

    ``applies_after_s`` of 0: a write takes effect in its call. ``ignored_rate``: accepted, and never applied.
    ``lost_rate``: the answer to a call is lost, half of the time before it had any effect. ``tells``: whoever
    asks is told what became of a write that was accepted.
    """

    name: str
    clock: Clock
    rng: Random
    applies_after_s: float = 0.0
    latency_s: float = 0.05
    ignored_rate: float = 0.0
    lost_rate: float = 0.0
    tells: bool = False
    numbers: dict[str, int] = field(default_factory=dict)
    ledger: list[Write] = field(default_factory=list)
    breaches: Counter[str] = field(default_factory=Counter)
    source: Told = field(default_factory=Told)
    reads: int = 0
    _since_read: dict[str, int] = field(default_factory=dict)  # what left a number that was read
    _pending: Counter[str] = field(default_factory=Counter)
    _ended: dict[str, Outcome] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        """What it declares."""
        return Capabilities(
            batch_items_max=8,
            stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED,
            applies_after_ms=round(self.applies_after_s * 1000),
        )

    @property
    def operations(self) -> Mapping[str, Operation]:
        """Its calls."""
        return {
            "set_stock": Operation("set_stock", batch_items_max=8, look_up=self.tells),
            "read_stock": Operation("read_stock", batch_items_max=8, reads_only=True),
        }

    def system(self) -> System:
        """The channel as a system to be opened by an engine."""
        return System(self.name, "stock_channel", self.capabilities, self.source, self, Unlimited())

    # --- buyers -----------------------------------------------------------------------------------

    def sell(self, key: str, units: int) -> bool:
        """A buyer takes units if they are offered; the number falls at once."""
        if self.numbers.get(key, 0) < units:
            return False
        self._move(key, -units)
        return True

    def put_back(self, key: str, units: int) -> None:
        """A cancelled order returns its units to the number."""
        self._move(key, units)

    def _move(self, key: str, by: int) -> None:
        self.numbers[key] += by
        if key in self._since_read:
            self._since_read[key] -= by

    # --- the sink ---------------------------------------------------------------------------------

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        """One call; its effect is somewhere within the time that it takes."""
        await self._on_the_way()
        lost = self.rng.random() < self.lost_rate
        if lost and self.rng.random() < 0.5:
            raise OutcomeUnknown("the request was lost")
        if operation == "read_stock":
            outcomes = [self._show(item.payload) for item in items]
        else:
            outcomes = [self._set(item.payload) for item in items]
        await self._on_the_way()
        if lost:
            raise OutcomeUnknown("the answer was lost")
        return outcomes

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        """What became of the last write of a number."""
        await self._on_the_way()
        key = key_of(item.payload)
        if self._pending[key]:
            return None
        return self._ended.get(key)

    async def _on_the_way(self) -> None:
        await self.clock.sleep(self.latency_s * (0.2 + self.rng.random()))

    def _show(self, payload: ReadStock) -> Outcome:
        key = key_of(payload)
        self.reads += 1
        self._since_read[key] = 0
        return Outcome(Result.DONE, facts={"held": self.numbers[key]})

    def _set(self, payload: SetStock) -> Outcome:
        key = key_of(payload)
        if key not in self._since_read:
            self.breaches["written unread"] += 1
        if self._pending[key]:
            self.breaches["two writes under way"] += 1
        if not self.applies_after_s:
            self._apply(key, payload.quantity)
            return Outcome(Result.DONE)
        self._pending[key] += 1
        self._ended.pop(key, None)
        ignored = self.rng.random() < self.ignored_rate
        wait_s = self.applies_after_s * self.rng.uniform(0.1, 1.0)
        self.clock.after(wait_s, lambda: self._end(key, None if ignored else payload.quantity))
        return Outcome(Result.ACCEPTED, "queued")

    def _end(self, key: str, quantity: int | None) -> None:
        self._pending[key] -= 1
        self._ended[key] = Outcome(Result.RETRY, "failed: could not be processed", 0.0)
        if quantity is not None:
            self._apply(key, quantity)
            self._ended[key] = Outcome(Result.DONE)

    def _apply(self, key: str, quantity: int) -> None:
        if len(self.ledger) >= LEDGER_MAX:
            raise RuntimeError(f"more than {LEDGER_MAX} writes: a loop")
        undone = self._since_read.pop(key, 0)
        self.ledger.append(Write(self.clock.now_ms(), key, self.numbers[key], quantity, undone))
        self.numbers[key] = quantity


def key_of(payload: SetStock | ReadStock) -> str:
    """Where a number stands."""
    return f"{payload.stock_id} {payload.location}"
