"""Stock numbers for a channel that compares nothing: read, judge, write; and read back what was only accepted.

Between the reading and the write somebody may buy. The write then undoes what the channel took off, and no answer
tells. So the window is kept short and measured, and whatever moved at the channel before a write landed, and is
heard of later, makes us read the number again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from msgspec import structs

from syncline.engine.delivery.patience import kept
from syncline.model.capabilities import Capabilities, OwnOrders
from syncline.model.change import Kind
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import SynclineError
from syncline.model.payloads import ReadStock, SetStock
from syncline.ports import Clock, Store, System

FAR_MS = 1 << 53  # until a write is known to have ended: everything that is heard of is in doubt
SETTLES_MS = 10_000  # a request whose answer was lost may take effect for so long
ASKED = 4  # how often the vendor is asked, where it can tell, over the time in which a write may take effect
NEVER_APPLIED_MAX = 3  # writes that were accepted and never showed; then a person is asked

Ask = Callable[[str, Sequence[Item], str], Awaitable[list[Outcome]]]


@dataclass(slots=True)
class Exposure:
    """The windows between reading and writing since the start.

    ``unit_seconds`` is how many units were offered in them, for how long: the most that could have been
    bought unnoticed, times the time there was for it. Nothing where the channel takes no orders off.
    """

    writes: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0
    unit_seconds: float = 0.0

    def add(self, seconds: float, units: int) -> None:
        """One write."""
        self.writes += 1
        self.seconds += seconds
        self.longest_s = max(self.longest_s, seconds)
        self.unit_seconds += seconds * max(0, units)


def judged(payload: SetStock, found: int) -> SetStock | None:
    """What may be written where ``found`` was read just before; ``None``: nothing, it has to be computed again.

    A number is raised only where the channel shows what it is expected to: else somebody may have bought, and to
    raise would offer the goods again. To lower is right whatever is found, and at once; units that fell without
    an order are taken off as well.
    """
    if found == payload.expected:
        return payload
    quantity = max(0, payload.quantity - max(0, payload.expected - found))
    if payload.quantity > payload.expected or quantity >= found:
        return None
    return structs.replace(payload, quantity=quantity, expected=found)


class BlindWrites:
    """Makes one system's calls that carry no expectation."""

    def __init__(self, capabilities: Capabilities, clock: Clock, ask: Ask) -> None:
        self._clock = clock
        self._ask = ask
        self._blind = not capabilities.compare_and_set
        self._lowers = capabilities.stock_contract.own_orders is not OwnOrders.NOT_SUBTRACTED
        self.settles_ms = max(SETTLES_MS, capabilities.applies_after_ms)
        self.exposure = Exposure()

    def concerns(self, operation: str) -> bool:
        """Whether an operation writes over what it has not compared."""
        return self._blind and operation == "set_stock"

    async def write(self, items: Sequence[Item], key: str) -> list[tuple[Item, Outcome]]:
        """Read, judge, and write what may be written; every item with what was written of it, and its outcome."""
        began = self._clock.monotonic()
        done: dict[str, tuple[Item, Outcome]] = {}
        sent: list[Item] = []
        for item, reading in zip(items, await self.read(items, key), strict=True):
            if reading.result is not Result.DONE:
                done[item.key] = item, _not_read(reading)
                continue
            found = int(reading.facts["held"])
            payload = judged(item.payload, found)
            if payload is None:
                told = f"the channel shows {found}, not {item.payload.expected}: nothing is raised on that"
                done[item.key] = item, Outcome(Result.STALE, told)
            else:
                sent.append(Item(item.key, payload))
        if sent:
            expected = {item.key: item.payload.expected for item in items}
            outcomes = await self._ask("set_stock", sent, key)
            window_s = self._clock.monotonic() - began
            for item, outcome in zip(sent, outcomes, strict=True):
                landed = outcome
                if outcome.result is Result.DONE:
                    landed = self._landed(item.payload, outcome, window_s)
                    if item.payload.expected != expected[item.key]:  # what fell is still to be read
                        landed = structs.replace(landed, facts={**landed.facts, "doubtful": True})
                done[item.key] = item, landed
        return [done[item.key] for item in items]

    async def read(self, items: Sequence[Item], key: str) -> list[Outcome]:
        """What the channel shows of each item now."""
        asked = [Item(item.key, _reading_of(item.payload)) for item in items]
        return await self._ask("read_stock", asked, key)

    def pause_s(self, age_ms: int, *, told: bool) -> float:
        """Seconds to wait before a write of this age is looked at; 0 once it must have taken effect or never will.

        What a channel shows earlier proves nothing: a sale of as many units looks like a write that lowers. Only
        where the vendor tells (``told``) is it worth asking sooner.
        """
        return (
            min(self.settles_ms / ASKED if told else self.settles_ms, max(0, self.settles_ms - age_ms)) / 1000
        )

    def resolve(self, payload: SetStock, reading: Outcome, held: int, age_ms: int, in_vain: int) -> Outcome:
        """What became of a write that took effect or never will, by what the channel shows ``age_ms`` after it.

        ``held`` is what it would show had nothing been written; ``in_vain`` counts the writes before this one
        that the vendor accepted and that never showed.
        """
        if reading.result is Result.REJECTED:
            return reading
        if reading.result is not Result.DONE:
            return Outcome(Result.UNKNOWN, reading.message)
        found = int(reading.facts["held"])
        by = payload.quantity - payload.expected
        if found == held + by:
            return self._landed(payload, Outcome(Result.DONE), age_ms / 1000)
        if found != held:
            # Neither what was there nor what was written: it is read again, with the write itself in doubt.
            told = f"the channel shows {found}, neither what was there nor what was written"
            return Outcome(Result.STALE, told, facts={"refuted": False, "by": by})
        if in_vain + 1 >= NEVER_APPLIED_MAX:
            return Outcome(
                Result.REJECTED,
                f"the vendor accepted {in_vain + 1} writes in a row, the last of {payload.quantity}, and still shows "
                f"{found}; look there at what it says of its queue, then release this entry: the number of then is sent",
            )
        return Outcome(Result.RETRY, f"not there after {age_ms // 1000} s: it never took effect", 0.0)

    def _landed(self, payload: SetStock, outcome: Outcome, window_s: float) -> Outcome:
        """A write that took effect, with its exposure told and counted."""
        units = payload.expected if self._lowers else 0
        self.exposure.add(window_s, units)
        told = f"written {window_s * 1000:.0f} ms after {payload.expected} was read there"
        return structs.replace(outcome, message=told)


class ReadBack:
    """Finds out what became of numbers that were written over nobody knows what, and of which no answer came."""

    def __init__(self, system: System, store: Store, clock: Clock, blind: BlindWrites) -> None:
        self._system = system
        self._store = store
        self._clock = clock
        self._blind = blind
        self._in_vain: dict[str, int] = {}  # writes in a row that were accepted and never took effect

    async def outcomes(
        self, items: Sequence[Item], key: str, age_ms: int, accepted: Collection[str]
    ) -> list[Outcome]:
        """What the vendor tells of each, as far as it can, then what the channel shows."""
        if self._blind.pause_s(age_ms, told=False):
            told = [await self._asked_for(item) for item in items]
            landed = [
                item for item, outcome in zip(items, told, strict=True) if outcome.result is Result.DONE
            ]
            if not landed:
                return told
            read = await self.outcomes(landed, key, self._blind.settles_ms, accepted)
            shown = dict(zip((item.key for item in landed), read, strict=True))
            return [shown.get(item.key, outcome) for item, outcome in zip(items, told, strict=True)]
        readings = await self._blind.read(items, key)
        of = {"system": self._system.name, "kind": Kind.STOCK.value, "keys": [item.key for item in items]}
        rows = await kept(self._clock, lambda: self._store.read("bindings_get", **of))
        held = {row[0]: row[4] for row in rows}
        outcomes = []
        for item, reading in zip(items, readings, strict=True):
            expected = held.get(item.key, item.payload.expected)
            outcome = self._blind.resolve(
                item.payload, reading, expected, age_ms, self._in_vain.get(item.key, 0)
            )
            if outcome.result is Result.RETRY and item.key in accepted:
                self._in_vain[item.key] = self._in_vain.get(item.key, 0) + 1
            elif outcome.result in (Result.DONE, Result.REJECTED):
                self._in_vain.pop(item.key, None)
            outcomes.append(outcome)
        return outcomes

    async def _asked_for(self, item: Item) -> Outcome:
        """What the vendor says of a write that it has taken: done, refused, or nothing yet."""
        try:
            found = await self._system.sink.look_up("set_stock", item)
        except SynclineError as error:
            return Outcome(Result.UNKNOWN, str(error))
        return found or Outcome(Result.UNKNOWN, "not applied yet")


def _reading_of(payload: SetStock) -> ReadStock:
    return ReadStock(payload.sku, payload.stock_id, payload.location)


def _not_read(reading: Outcome) -> Outcome:
    """A write that was not made, because nobody could say what it would overwrite."""
    if reading.result in (Result.REJECTED, Result.THROTTLED, Result.WAIT):
        return reading
    return Outcome(Result.NOT_SENT, f"what it would overwrite could not be read: {reading.message}")
