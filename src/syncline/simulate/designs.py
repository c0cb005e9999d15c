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
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from syncline.engine.engine import POLL_INTERVAL_MS
from syncline.freshness.bounds import waits_ms
from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.runtime.config import DEFAULT_TOLERANCE_MS, duration_ms

DAY_MS = 86_400_000
ALL = ("batch:15m", "batch:60m", "daily", "poll:2m", "realtime", "hybrid")
INTERVAL_MS_MIN = 5_000  # a read takes up to three seconds; a shorter interval would read without a pause
INTERVAL_MS_MAX = 7 * DAY_MS
TIMED = re.compile(r"(batch|poll|hybrid):(\w+)")


@dataclass(frozen=True, slots=True)
class Design:
    """How a design learns of changes and how long it may keep them.

    ``tolerance_ms`` is that of the routes for stock.
    """

    name: str
    interval_ms: int
    events: bool = False
    tolerance_ms: int = DEFAULT_TOLERANCE_MS[Flow.INVENTORY]

    @property
    def patience_ms(self) -> int:
        """How long a number may wait on purpose; 0 where each is sent at once."""
        return waits_ms(self.tolerance_ms)

    @property
    def plain(self) -> bool:
        """Whether it is not the engine but the integration that it is compared with."""
        return self.name == "realtime"


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
