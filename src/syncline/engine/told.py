"""What a channel's events told of a SKU's number, found in the log when somebody asks.

Most of it is the echo of our own writes, which ends where it is heard. To note each would be a write for each, so nothing
is kept of it but the event itself, which is in the log anyway; as far back as is looked there, it can be shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from syncline.engine.engine import Engine
from syncline.engine.routes import stock_key
from syncline.model.change import LoggedEvent, Via
from syncline.model.delivery import Result
from syncline.model.errors import SynclineError
from syncline.model.records import ChannelLevel
from syncline.ports import Row

PAGE = 500
BACK_MAX = 10_000  # of the newest events, whatever they tell
TOLD_MAX = 20


@dataclass(frozen=True, slots=True)
class Told:
    """A number that a channel told by itself. ``echo``: it is what we had written there last."""

    key: str
    system: str
    number: int
    at_ms: int
    echo: bool

    @property
    def meaning(self) -> str:
        """Why it did."""
        return "the echo of our own write" if self.echo else "not what we had written last"

    @property
    def text(self) -> str:
        """In words."""
        return f"told {self.number} by itself: {self.meaning}"


async def told(engine: Engine, sku: str, channels: Sequence[str], attempts: Sequence[Row]) -> list[Told]:
    """What some channels told of one SKU, newest first, as far as it is among the newest events.

    Args:
        engine: whose log is looked through.
        sku: as the channels sell it.
        channels: whose events are looked for.
        attempts: writes of the SKU's numbers, as ``attempts_like`` tells them.
    """
    # Bodies are decoded only where they name the item at all: most of a log is about something else.
    names = {
        channel: item.stock_id.rpartition("/")[2].encode()
        for channel in channels
        if (item := engine.catalog.get(channel, sku)) is not None and item.stock_id
    }
    found: list[Told] = []
    end = (await engine.store.read("log_end"))[0][0] if names else 0
    for after in range(end - PAGE, end - BACK_MAX - 1, -PAGE):
        if after + PAGE <= 0 or len(found) >= TOLD_MAX:
            break
        page = await engine.store.events(max(0, after), PAGE + min(0, after))
        for logged in reversed(page):
            name = names.get(logged.event.system)
            if name is not None and logged.event.via is Via.EVENT and name in logged.event.body:
                found += _levels(engine, sku, logged, attempts)
    return found[:TOLD_MAX]


def _levels(engine: Engine, sku: str, logged: LoggedEvent, attempts: Sequence[Row]) -> list[Told]:
    system = logged.event.system
    try:
        changes = engine.systems[system].source.decode(logged)
    except SynclineError:  # it is parked, and told of there
        return []
    found = []
    for change in changes:
        value = change.value
        if isinstance(value, ChannelLevel) and engine.catalog.sku_of(system, value.stock_id) == sku:
            key, at_ms = stock_key(sku, value.location), logged.received_at_ms
            echo = _written(attempts, system, key, at_ms) == str(value.number)
            found.append(Told(key, system, value.number, at_ms, echo))
    return found


def _written(attempts: Sequence[Row], system: str, key: str, at_ms: int) -> str:
    """The number of the last write that had begun by then and took effect; "" if there was none."""
    mine = [
        row
        for row in attempts
        if row[:3] == (system, "set_stock", key) and row[3] <= at_ms and row[5] == Result.DONE
    ]
    return quantity(max(mine, key=lambda row: row[3])[8], key) if mine else ""


def quantity(items: str, key: str) -> str:
    """Which number a write carried."""
    try:
        return str(json.loads(items)[key]["quantity"])
    except (ValueError, KeyError, TypeError):
        return "a number"
