"""The strip of recent changes: light enough for many routes, and whole where it shows something."""

from __future__ import annotations

import re
from types import SimpleNamespace

from syncline.engine.status import LAGS_MAX
from syncline.web.strip import axis, span_of, strip

NOW_MS = 1_795_000_000_000
MINUTE = 60_000


def route(tolerance_ms: int = 10_000) -> SimpleNamespace:
    lags = SimpleNamespace(delivered=9, kept=9, apart=0)
    return SimpleNamespace(tolerance_ms=tolerance_ms, oldest_deadline_ms=None, late=0, lags=lags)


def rows(count: int, every_ms: int, lag_ms: int = 900, kept: int = 1) -> list[tuple[str, int, int, int]]:
    """Newest first, as the store tells them."""
    return [(f"K{n}", NOW_MS - n * every_ms, lag_ms + n % 7 * 900, kept) for n in range(count)]


def test_a_strip_of_two_thousand_changes_has_few_elements():
    drawn = strip(rows(LAGS_MAX, 1_700), route(), NOW_MS)
    assert drawn.count("<") < 30
    assert len(drawn) < 40_000
    assert drawn.count("M") > 600  # all the hour, not only the newest


def test_a_change_that_came_too_late_is_a_ring_that_says_which_it_was():
    late = [("<b>SKU\x1fL1", NOW_MS - MINUTE, 25_000, 0)]
    drawn = strip(late + rows(5, 60_000), route(), NOW_MS)
    assert "&lt;b&gt;SKU: 25 s after the change" in drawn and "<b>" not in drawn
    assert drawn.count('class="missed') == 2  # the ring, and what makes it hollow


def test_the_span_is_the_shortest_that_holds_every_dot():
    assert span_of(rows(3, 15_000), NOW_MS) == MINUTE
    assert span_of(rows(3, 60_000), NOW_MS) == 4 * MINUTE
    assert span_of(rows(3, 25 * MINUTE), NOW_MS) == 60 * MINUTE
    assert span_of([], NOW_MS) == 60 * MINUTE


def test_a_span_of_which_only_the_newest_changes_were_read_is_not_shown_half_empty():
    busy = rows(LAGS_MAX, 750)  # they reach back 25 minutes; the others of the hour were not read
    assert span_of(busy, NOW_MS) == 20 * MINUTE
    assert axis(busy, NOW_MS).startswith('<p class="axis" aria-hidden="true"><span>20 min ago')
    drawn = strip(busy, route(), NOW_MS)
    assert re.search(r"M0 ", drawn), "the dots reach the left end"


def test_what_was_too_old_before_the_span_leaves_no_mark():
    late = ("K", NOW_MS - 24 * MINUTE, 11_000, 0)
    assert 'class="stale"' in strip([late], route(), NOW_MS)
    assert 'class="stale"' not in strip([*rows(LAGS_MAX - 1, 600), late], route(), NOW_MS)
