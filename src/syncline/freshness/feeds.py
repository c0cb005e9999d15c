"""When silence is news: how many busy minutes an hour usually has, and how unlikely a pause is.

What arrives is counted in busy minutes, minutes in which anything came, because events come in bunches. An
hour is compared with the quietest of its like that is remembered: the same hour of the week in the last two
weeks with the hours beside it, or, until two weeks are known, the same hour of every day. With at least that
rate, a silence of expected count Λ happens by chance with probability e^−Λ (Poisson). Hours in which the
system was down, paused or not watched whole are not learned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

DAY_H = 24
WEEK_H = 7 * DAY_H
REMEMBERED_H = 2 * WEEK_H + 2
DAYS_MIN = 3  # before so many days are known, no silence is news
CHANCE = 1e-7  # of a pause that is called news; the quietest hour of a fortnight makes it rarer still
SILENCE = -math.log(CHANCE)


def rate_per_min(busy: Mapping[int, int], hour: int) -> float:
    """Busy minutes a minute that are to be expected at least.

    Args:
        busy: busy minutes by hour since the epoch, of hours that were watched whole.
        hour: the hour that is asked about, since the epoch.
    """
    weeks = [busy.get(hour - WEEK_H), busy.get(hour - 2 * WEEK_H)]
    if None not in weeks:
        near = [busy.get(hour - back + side) for back in (WEEK_H, 2 * WEEK_H) for side in (-1, 0, 1)]
        return min(count for count in near if count is not None) / 60
    days = [busy[at] for at in range(hour - 14 * DAY_H, hour, DAY_H) if at in busy]
    return min(days) / 60 if len(days) >= DAYS_MIN else 0.0


def remember(busy: Mapping[int, int], hour: int, count: int) -> dict[int, int]:
    """What is known with one more hour, without what is too old."""
    return {at: n for at, n in {**busy, hour: count}.items() if at > hour - REMEMBERED_H}
