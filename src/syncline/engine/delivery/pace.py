"""How long a call to a system waits for its limit at present.

Counters since the start of the process would hide a lane that became slow today behind a week of quick calls, and
hold one slow morning against a lane that has recovered.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 300.0
EVERY_S = 10.0  # looks kept are at least so far apart, so there are never more than the window has room for


class Pace:
    """Fed with a governor's counters at each look; by the steady clock, in memory."""

    def __init__(self, at_s: float) -> None:
        self._looks: deque[tuple[float, float, float]] = deque([(at_s, 0.0, 0.0)])
        self.wait_s = 0.0  # of one call, on the average of the window

    def look(self, at_s: float, calls: float, waited_s: float) -> None:
        """Take in how many calls were let through so far, and how long all of them waited.

        What is compared with is the latest look that is at least ``WINDOW_S`` old. Where nobody looked for so long, it
        is an older one; and before there is any, the start.
        """
        while len(self._looks) > 1 and at_s - self._looks[1][0] >= WINDOW_S:
            self._looks.popleft()
        _, calls_before, waited_before_s = self._looks[0]
        self.wait_s = max(0.0, waited_s - waited_before_s) / max(1.0, calls - calls_before)
        if at_s - self._looks[-1][0] >= EVERY_S:
            self._looks.append((at_s, calls, waited_s))
