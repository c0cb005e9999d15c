"""What of one lane may not be sent at the moment: put aside in memory until its route may send again.

The store keeps these deliveries open as they are, so that nothing is lost with the process, a newer value meets the
older one there, and what goes out later is built from what is true then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from heapq import nsmallest

from syncline.engine.modes import Modes, Stop
from syncline.model.delivery import DeliveryState
from syncline.model.payloads import Payload
from syncline.ports import Row

DIFFERENCES_MAX = 20_000  # of which is remembered what they are; all are put aside and counted


@dataclass(frozen=True, slots=True)
class Difference:
    """What a route in shadow would have written, and what is there instead.

    ``size`` is by how many units or by what amount they differ. ``waits``: it would not be sent yet, so that it has
    to be looked at again. ``brief`` is what stands in place of a ``note`` that may quote a person; ``None``: it quotes nobody.
    """

    there: str
    computed: str
    size: Decimal
    note: str = ""
    looked_at_ms: int = 0
    waits: bool = False
    brief: str | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """A delivery that waits for its route: its times, and what is known to differ."""

    route: str
    deliver_by_ms: int
    not_before_ms: int
    may_ride: bool
    since_ms: int
    generation: int
    difference: Difference | None = None


class Stops:
    """The deliveries of one lane that its routes' modes hold back. ``sending`` counts calls under way by route."""

    def __init__(self, modes: Modes | None = None) -> None:
        self.modes = modes or Modes()
        self.sending: Counter[str] = Counter()
        self._aside: dict[tuple[str, str], Aside] = {}
        self._told = 0

    def __len__(self) -> int:
        return len(self._aside)

    def __contains__(self, at: tuple[str, str]) -> bool:
        return at in self._aside

    def stop_of(self, row: Row) -> Stop:
        """What holds a delivery back, as ``deliveries_get`` reads it."""
        return self.modes.stop_of(row[1])

    def any(self, known: Mapping[str, Row]) -> bool:
        """Whether one of several deliveries is held back."""
        return any(self.stop_of(row) for row in known.values())

    def put(self, operation: str, row: Row, difference: Difference | None = None) -> None:
        """Hold a delivery back."""
        key, route, state, generation, since_ms, deliver_by_ms, not_before_ms, *_ = row
        self.forget(operation, key)
        if difference is not None and self._told >= DIFFERENCES_MAX:
            difference = None
        self._told += difference is not None
        self._aside[operation, key] = Aside(
            route,
            deliver_by_ms,
            not_before_ms,
            state != DeliveryState.RETRYABLE,
            since_ms,
            generation,
            difference,
        )

    def touched(self, operation: str, key: str, generation: int) -> bool:
        """A delivery was touched, and whether it is held back is asked anew; false where it is, and was touched later."""
        if not self._aside:
            return True
        entry = self._aside.get((operation, key))
        if entry is not None and generation < entry.generation:
            return False
        self.forget(operation, key)
        return True

    def forget(self, operation: str, key: str) -> None:
        """A delivery was touched or has ended; whether it is held back is asked anew."""
        before = self._aside.pop((operation, key), None)
        self._told -= before is not None and before.difference is not None

    def hold(self, operation: str, known: dict[str, Row], stop: Stop) -> None:
        """Put aside, and take out of ``known``, what is stopped in one way."""
        for key, row in list(known.items()):
            if self.stop_of(row) is stop:
                self.put(operation, known.pop(key))

    def hold_back(self, operation: str, payloads: dict[str, Payload], known: Mapping[str, Row]) -> None:
        """Take out of a call that is built what was stopped meanwhile."""
        for key in list(payloads):
            if key in known and self.stop_of(known[key]):
                self.put(operation, known[key])
                del payloads[key]

    def release(self, routes: Collection[str]) -> list[tuple[str, str, Aside]]:
        """Hand back what some routes held: they may do something else with it now."""
        found = [(*at, entry) for at, entry in self._aside.items() if entry.route in routes]
        for operation, key, _ in found:
            self.forget(operation, key)
        return found

    def waiting(self, limit: int) -> list[tuple[str, str]]:
        """What waits for something else, longest not looked at first."""
        found = nsmallest(
            limit,
            (
                (entry.difference.looked_at_ms, at)
                for at, entry in self._aside.items()
                if entry.difference is not None and entry.difference.waits
            ),
        )
        return [at for _, at in found]

    def take(self, operation: str, key: str) -> Aside | None:
        """Hand one delivery back, to be looked at again."""
        entry = self._aside.get((operation, key))
        self.forget(operation, key)
        return entry

    def all(self) -> Iterator[tuple[str, str, Aside]]:
        """Everything that is held back: operation, key, and what it waits with."""
        for (operation, key), entry in self._aside.items():
            yield operation, key, entry
