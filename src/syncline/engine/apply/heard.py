"""What a channel tells of its own number by itself, and what that can mean.

Most of it is an echo: of our own writes, or of orders that we know of. It ends here, with nothing written to any
system. A number that fell and that nobody explains is demand nobody has told us of, on every channel at once. Where
an event cannot be judged, because a write is under way or two numbers bear one stamp, it is looked at a little
later, when what was under way is known; only what is not explained then is read at the channel.

Stamps are the channel's, and are compared with each other only: with those of events, of our writes' answers and
of readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from syncline.engine.apply.clocks import CLOCKS_MS
from syncline.engine.catalog import Catalog
from syncline.engine.routes import Routes, split_key, stock_key
from syncline.freshness.bounds import start_at
from syncline.model.change import Change, Flow
from syncline.model.records import ChannelLevel
from syncline.ports import Clock, Row, Store, Timer, Write

CHECK_AFTER_MS = (
    5_000  # by then an order that an event ran ahead of has been read, and a write's answer is there
)
CHECKS_MAX = 200  # numbers looked at in one go
NEVER_MS = 1 << 62


class Verdict(StrEnum):
    """What a number that a channel told by itself turned out to be."""

    ECHO = "echo"  # what the channel is known to hold
    OLDER = "older"  # what it told or answered since is newer
    AWAITED = "awaited"  # fewer units, which an order that is being read explains
    FALL = "fall"  # fewer units than explained: unseen demand
    RISE = "rise"  # more units than explained
    FOREIGN = "foreign"  # what somebody else wrote while our route is in shadow
    UNSURE = "unsure"  # looked at a little later
    UNKNOWN = "unknown"  # of something that no route sells there, or that was never read


class Known(NamedTuple):
    """What is known of a channel's number. ``held`` of ``None``: it was refuted, and is being read."""

    held: int | None
    unseen: int
    rev: int
    number: int | None
    stamp_ms: int
    check_ms: int
    under_way: int


def judge(
    known: Known | None, number: int | None, stamp_ms: int, *, moved: bool = False, unplaced: int = 0
) -> Verdict:
    """What a told number is.

    Args:
        known: what the channel is known to hold; ``None`` where it was never read.
        number: what it told; ``None``: two numbers under one stamp.
        stamp_ms: when, by the channel's clock.
        moved: whether an order that is applied together with it moves what the channel holds.
        unplaced: units of the channel's own orders of which it has not told yet where they were taken. They are
            subtracted everywhere already.
    """
    if known is None:
        return Verdict.UNKNOWN
    if stamp_ms < known.stamp_ms:
        return Verdict.OLDER
    again = stamp_ms == known.stamp_ms
    if again and number is not None and number == known.number:
        return Verdict.ECHO
    if number is None or known.held is None or moved:
        return Verdict.UNSURE
    if number == known.held:
        return Verdict.ECHO
    if again or known.under_way:
        return Verdict.UNSURE
    if number > known.held:
        return Verdict.RISE
    return Verdict.AWAITED if known.held - number <= unplaced else Verdict.FALL


class Told(NamedTuple):
    """A number that a channel told, with its stamp; ``None``: it told two under the same."""

    sku: str
    number: int | None
    stamp_ms: int
    changed_at_ms: int

    def or_newer(self, other: Told) -> Told:
        """The newer of two."""
        if other.stamp_ms != self.stamp_ms:
            return other if other.stamp_ms > self.stamp_ms else self
        return self if other.number == self.number else self._replace(number=None)


class Levels:
    """The numbers that the events of one batch tell, judged once everything else in the batch is known."""

    def __init__(
        self,
        routes: Routes,
        catalog: Catalog,
        now_ms: int,
        stamp_ms: Mapping[str, int],
        ours_since: Callable[[str], int] = lambda _route: 0,
    ) -> None:
        """``stamp_ms``: for how long a channel may give one stamp again. ``ours_since``: as ``Modes`` tells it."""
        self._routes = routes
        self._catalog = catalog
        self._now_ms = now_ms
        self._stamp_ms = stamp_ms
        self._ours_since = ours_since
        self._known: dict[tuple[str, str], Known] = {}
        self._unplaced: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], Told] = {}
        self.verdicts: Counter[tuple[str, Verdict]] = Counter()
        self.to_check = False  # whether any has to be looked at again

    def key_of(self, system: str, value: ChannelLevel) -> str:
        """The key of a number's binding; "" where the channel sells nothing of ours under that id."""
        sku = self._catalog.sku_of(system, value.stock_id)
        sold = sku and self._routes.erp_location(system, value.location)
        return stock_key(sku, value.location) if sold else ""

    async def load(self, store: Store, changes: Sequence[tuple[str, Change]]) -> None:
        """Read what is known of the numbers that some changes tell, and what will explain those that fell."""
        lowest: dict[str, dict[str, int]] = {}
        for system, change in changes:
            value = change.value
            if isinstance(value, ChannelLevel) and (key := self.key_of(system, value)):
                at = lowest.setdefault(system, {})
                at[key] = min(value.number, at.get(key, value.number))
        for system, numbers in lowest.items():
            falling: set[str] = set()
            for row in await store.read("heard_get", system=system, keys=list(numbers)):
                known = self._known[system, row[0]] = Known(*row[1:])
                if known.held is not None and numbers[row[0]] < known.held:
                    falling.add(split_key(row[0])[0])
            rows = await store.read("demand_open", skus=sorted(falling)) if falling else []
            for channel, _, _, location, sku, quantity, *_ in rows:
                if channel == system and not location:
                    self.unplaced(system, sku, quantity)

    def unplaced(self, system: str, sku: str, units: int) -> None:
        """The channel's own orders want so many units of which nobody has told yet where they were taken."""
        self._unplaced[system, sku] = self._unplaced.get((system, sku), 0) + units

    def tell(self, system: str, change: Change, value: ChannelLevel) -> None:
        """A channel told a number."""
        key = self.key_of(system, value)
        if not key:
            self.verdicts[system, Verdict.UNKNOWN] += 1
            return
        told = Told(split_key(key)[0], value.number, change.version, change.changed_at_ms)
        before = self._told.get((system, key))
        if before is not None:  # one of the two is older, or they are the same
            same = before.stamp_ms == told.stamp_ms and before.number == told.number
            self.verdicts[system, Verdict.ECHO if same else Verdict.OLDER] += 1
            told = before.or_newer(told)
        self._told[system, key] = told

    def writes(
        self,
        moved: Mapping[tuple[str, str], int],
        mark: Callable[[str, str, int], None],
    ) -> list[Write]:
        """What they amount to.

        Args:
            moved: by how much orders of the same batch lowered numbers, by system and key.
            mark: told of each channel and SKU of which units are gone, and since when.
        """
        fallen: list[dict[str, Any]] = []
        learned: list[dict[str, Any]] = []
        heard: list[dict[str, Any]] = []
        for (system, key), told in self._told.items():
            known = self._known.get((system, key))
            verdict = judge(
                known,
                told.number,
                told.stamp_ms,
                moved=(system, key) in moved,
                unplaced=self._unplaced.get((system, told.sku), 0),
            )
            differs = verdict in (Verdict.FALL, Verdict.RISE, Verdict.AWAITED)
            ours_ms = self._ours_ms(system) if differs else 0
            if ours_ms > self._now_ms and verdict is not Verdict.AWAITED:
                verdict = Verdict.FOREIGN
            elif ours_ms and told.changed_at_ms < ours_ms + CLOCKS_MS:
                # Written by somebody else before we went live, or not: the channel says.
                verdict = Verdict.UNSURE
            self.verdicts[system, verdict] += 1
            if verdict is Verdict.OLDER:
                continue
            if known is not None and verdict is Verdict.FOREIGN:
                row = {
                    "system": system,
                    "key": key,
                    "held": told.number,
                    "rev": known.rev,
                    "exact": True,
                    "now_ms": self._now_ms,
                }
                learned.append({**row, "ours_ms": ours_ms})
                fallen.append(row)
                mark(system, told.sku, told.changed_at_ms)
                check_ms = 0
            elif known is not None and verdict is Verdict.ECHO:
                if (told.number, told.stamp_ms) == (known.number, known.stamp_ms):
                    continue
                check_ms = known.check_ms if known.unseen > 0 else 0
            else:  # that of which nothing is known may be being read for the first time
                check_ms = self._now_ms + CHECK_AFTER_MS
                self.to_check = True
            heard.append(
                {
                    "system": system,
                    "key": key,
                    "number": told.number,
                    "stamp_ms": told.stamp_ms,
                    "check_ms": check_ms,
                }
            )
            if known is not None and verdict is Verdict.FALL:
                # If the number was written or read meanwhile, this changes nothing, and it is read again.
                row = {"system": system, "key": key, "held": told.number, "exact": True}
                fallen.append({**row, "rev": known.rev, "now_ms": self._now_ms})
                mark(system, told.sku, told.changed_at_ms)
        # Whatever was ordered before a number was told is in it, stamps of whole seconds or not. What is ordered in the
        # moment after changes the number again, which is told as well.
        learnt = {row["key"] for row in learned}
        asked = [
            {
                **{name: row[name] for name in ("system", "key", "now_ms")},
                "asked_ms": row["now_ms"] + self._stamp_ms[row["system"]],
            }
            for row in fallen
            if row["key"] not in learnt
        ]
        # An order may have been a draft before, whose units are gone already: then the number does not fall again.
        again = [
            {"system": system, "key": key, "check_ms": self._now_ms + CHECK_AFTER_MS}
            for (system, key), by in moved.items()
            if by > 0
        ]
        self.to_check = self.to_check or bool(again)
        return [
            Write("heard_again", again, told=False),
            Write("held_learned", learned, told=False),
            Write("held_seen", fallen, told=False),
            Write("held_asked", asked, told=False),
            Write("heard_put", heard, told=False),
        ]

    def _ours_ms(self, system: str) -> int:
        """Since when we alone write a channel's numbers; later than now: we do not."""
        return max(
            (self._ours_since(route.name) for route in self._routes.of(Flow.INVENTORY, sink=system)),
            default=0,
        )


class Checks:
    """Looks again at numbers that could not be judged at once, and has those read that nothing explained."""

    def __init__(self, store: Store, clock: Clock, routes: Routes, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._routes = routes
        self._wake = wake
        self._next_ms = 0  # a former process may have left some
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Look at the store again, as after a restart."""
        self._next_ms = 0

    def expect(self) -> None:
        """Be told that something is to be looked at."""
        self._next_ms = min(self._next_ms, self._clock.now_ms() + CHECK_AFTER_MS)

    async def step(self, guard: Write) -> list[Row]:
        """Look at what is due; returns the deliveries touched."""
        now_ms = self._clock.now_ms()
        touched: list[Row] = []
        if now_ms >= self._next_ms:
            rows = await self._store.read("heard_checks", limit=CHECKS_MAX)
            due = [row for row in rows if row[4] <= now_ms]
            if due:
                touched = await self._look(guard, due, now_ms)
            left = next((row[4] for row in rows if row[4] > now_ms), NEVER_MS)
            self._next_ms = now_ms if len(due) == CHECKS_MAX else left
        if self._timer is None and self._next_ms < NEVER_MS:
            delay_s = max(0.001, (self._next_ms - now_ms) / 1000)
            self._timer = self._clock.after(delay_s, self._due)
        return touched

    def _due(self) -> None:
        self._timer = None
        self._wake()

    async def _look(self, guard: Write, due: Sequence[Row], now_ms: int) -> list[Row]:
        """Read those that are still not explained; what was refuted, or never read, is read anyway or by nobody."""
        reads = [
            self._reading(system, key, now_ms)
            for system, key, number, _, _, held, unseen in due
            if held is not None and (number != held or unseen > 0)
        ]
        looked = [
            {"system": system, "key": key, "stamp_ms": stamp_ms, "check_ms": check_ms}
            for system, key, _, stamp_ms, check_ms, _, _ in due
        ]
        results = await self._store.write(
            guard, Write("heard_checked", looked), Write("delivery_touch", reads)
        )
        return results[2]

    def _reading(self, system: str, key: str, now_ms: int) -> dict[str, object]:
        """A reading as urgent as the route's numbers are: many may be edited at the channel at once."""
        route = next(iter(self._routes.of(Flow.INVENTORY, sink=system)), None)
        tolerance_ms = route.tolerance_ms if route is not None else 0
        return {
            "system": system,
            "operation": "read_stock",
            "key": key,
            "route": route.name if route is not None else "",
            "changed_at_ms": now_ms,
            "deliver_by_ms": now_ms + tolerance_ms,
            "not_before_ms": start_at(now_ms, tolerance_ms, now_ms),
            "now_ms": now_ms,
            "wanted": 1,
            "rev": 0,
        }
