"""The designs that are compared: what keeps the channels' numbers, and how soon.

============== =================================================================================
``batch:15m``  the engine without events: everything is read and written every 15 minutes
``daily``      the same once a day, half an hour before midnight UTC
``poll:2m``    the same, as integrations that ask for changes do it: every two minutes
``realtime``   ``plain.SetOnEvent``: whatever the ERP says, set at once on every channel
``hybrid``     Syncline with its default tolerances: events, and reads that find what was lost
``hybrid:1h``  the same with another tolerance for stock: a number that is dangerously too high as soon
               as the risk asks for, the others together and later
============== =================================================================================

With a plan (``syncline.simulate.planned``) ``hybrid`` feeds each route as the planner decided.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncline.engine.engine import POLL_INTERVAL_MS
from syncline.freshness.bounds import waits_ms
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.planner.plan import Capture
from syncline.runtime.config import DEFAULT_TOLERANCE_MS, duration_ms

DAY_MS = 86_400_000
RECONCILE_MS = 7 * DAY_MS  # events and delta reads carry the week; a full read proves it
ALL = ("batch:15m", "batch:60m", "daily", "poll:2m", "realtime", "hybrid")
INTERVAL_MS_MIN = 5_000  # a read takes up to three seconds; a shorter interval would read without a pause
INTERVAL_MS_MAX = 7 * DAY_MS
TIMED = re.compile(r"(batch|poll|hybrid):(\w+)")


@dataclass(frozen=True, slots=True)
class Fed:
    """How the routes of one channel are fed: its numbers from the ERP, its orders into the ERP."""

    stock: Capture
    orders: Capture

    def json(self) -> dict[str, Any]:
        """As it stands in a report, by flow."""
        return {
            flow: {
                "pattern": one.pattern.value,
                "events": one.events,
                "poll_ms": one.poll_ms,
                "reconcile_ms": one.reconcile_ms,
                "tolerance_ms": one.tolerance_ms,
                "segments": {str(velocity): ms for velocity, ms in one.segments.items()},
            }
            for flow, one in (("inventory", self.stock), ("orders", self.orders))
        }


@dataclass(frozen=True, slots=True)
class Design:
    """How a design learns of changes and how long it may keep them.

    ``tolerance_ms`` is that of the routes for stock. ``fed`` says it for each channel, where a plan decided; every
    channel has to be in it, or none.
    """

    name: str
    interval_ms: int
    events: bool = False
    tolerance_ms: int = DEFAULT_TOLERANCE_MS[Flow.INVENTORY]
    fed: Mapping[str, Fed] = field(default_factory=dict, hash=False)

    def of(self, channel: str) -> Fed:
        """How a channel's routes are fed."""
        if self.fed:
            return self.fed[channel]
        return Fed(
            Capture(self.events, self.interval_ms, RECONCILE_MS, self.tolerance_ms),
            Capture(self.events, self.interval_ms, 0, DEFAULT_TOLERANCE_MS[Flow.ORDERS]),
        )

    @property
    def patience_ms(self) -> int:
        """How long a number or an order may wait on purpose; 0 where each is sent at once."""
        if not self.fed:
            return waits_ms(self.tolerance_ms)
        return max(patience_ms(one) for fed in self.fed.values() for one in (fed.stock, fed.orders))

    @property
    def plain(self) -> bool:
        """Whether it is not the engine but the integration that it is compared with."""
        return self.name == "realtime"


def patience_ms(capture: Capture) -> int:
    """How long a delivery of a route may wait on purpose, in its most patient segment."""
    return waits_ms(max(capture.tolerance_ms, *capture.segments.values(), 0))


def as_planned(fed: Mapping[str, Fed]) -> Design:
    """``hybrid`` with every channel fed as a plan decided."""
    ways = [one for each in fed.values() for one in (each.stock, each.orders)]
    return Design(
        "hybrid",
        # Of a channel only its orders are read, and its numbers are read where they are not as expected.
        min(each.orders.poll_ms for each in fed.values()),
        events=any(one.events for one in ways),
        tolerance_ms=max(each.stock.tolerance_ms for each in fed.values()),
        fed=fed,
    )


def design(name: str) -> Design:
    """The design of that name.

    Raises:
        Misconfigured: there is none, or its interval makes no sense.
    """
    if name in ("realtime", "hybrid"):
        return Design(name, POLL_INTERVAL_MS, events=True)
    if name == "daily":
        return Design(name, DAY_MS)
    match = TIMED.fullmatch(name)
    if match is None:
        raise Misconfigured(
            f"--design {name}: there are batch:15m and poll:2m (with any duration), daily, realtime and hybrid"
        )
    interval_ms = duration_ms(match[2], "--design")
    if match[1] == "hybrid":
        return Design(name, POLL_INTERVAL_MS, events=True, tolerance_ms=interval_ms)
    if interval_ms < INTERVAL_MS_MIN:
        raise Misconfigured(
            f"--design {name}: a read takes up to three seconds, so nothing is read more often than every "
            f"{INTERVAL_MS_MIN // 1000} seconds; the nearest that works is {match[1]}:{INTERVAL_MS_MIN // 1000}s"
        )
    if interval_ms > INTERVAL_MS_MAX:
        raise Misconfigured(f"--design {name}: the longest interval that is played is a week, {match[1]}:7d")
    return Design(name, interval_ms)
