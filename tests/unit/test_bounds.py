from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.freshness.bounds import SEND_AT_ONCE_MS, Detection, bound, bounds_of, percentile, start_at

durations = st.integers(0, 10**9)


@given(durations, durations, durations, durations, durations, durations)
def test_a_bound_is_detection_and_queue_and_send(event, poll, reconcile, read, queue, send):
    found = bound(Detection(event, poll, reconcile, read), queue_ms=queue, send_ms=send)
    assert (found.queue_ms, found.send_ms) == (queue, send)
    reads = [interval + read for interval in (poll, reconcile) if interval]
    assert found.if_event_lost_ms == (min(reads) + queue + send if reads else None)
    ways = [event, *reads] if event else reads  # whichever is first
    assert found.normal_ms == (min(ways) + queue + send if ways else None)
    assert found.detect_ms == ((found.normal_ms or 0) - queue - send if found.normal_ms is not None else 0)


@given(durations, durations, durations, durations, durations)
def test_reading_more_often_never_makes_a_bound_worse(poll, more, reconcile, read, queue):
    def lost(interval: int) -> float:
        found = bound(Detection(0, interval, reconcile, read), queue_ms=queue, send_ms=0).if_event_lost_ms
        return math.inf if found is None else found

    if poll:
        assert lost(poll) <= lost(poll + more)
        assert lost(poll) <= lost(0)


def test_without_events_or_reads_there_is_no_bound():
    found = bound(Detection(), queue_ms=1, send_ms=2)
    assert (found.normal_ms, found.if_event_lost_ms, found.detect_ms) == (None, None, 0)


def test_an_event_without_any_read_has_no_bound_once_it_is_lost():
    found = bound(Detection(event_delay_ms=5_000), queue_ms=100, send_ms=400)
    assert (found.normal_ms, found.if_event_lost_ms) == (5_500, None)


@given(st.integers(0, 2**42), durations, st.integers(0, 2**42))
def test_a_start_leaves_half_the_tolerance_for_queue_and_retries(changed, tolerance, now):
    at = start_at(changed, tolerance, now)
    assert at >= now
    if tolerance <= SEND_AT_ONCE_MS:
        assert at == now
    else:
        assert at == max(now, changed + tolerance // 2)
        assert at <= max(now, changed + tolerance)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=60), st.integers(1, 100))
def test_a_percentile_is_the_nearest_rank(values, per_cent):
    values.sort()
    rank = -(-per_cent * len(values) // 100)
    assert percentile(values, per_cent / 100) == values[rank - 1]


@pytest.mark.parametrize(("share", "found"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.95, 4), (1.0, 4)])
def test_percentiles_of_four(share, found):
    assert percentile([1, 2, 3, 4], share) == found


def test_the_percentile_of_nothing_is_nothing():
    assert percentile([], 0.5) == 0


@given(durations, durations, durations, durations, durations)
def test_a_route_waits_for_half_of_a_long_promise_and_not_twice(tolerance, event, poll, backlog, send):
    detection = Detection(event_delay_ms=event, poll_interval_ms=poll)
    worst, lost_ms = bounds_of(tolerance, detection, backlog_ms=backlog, send_ms=send)
    waits = tolerance // 2 if tolerance > SEND_AT_ONCE_MS else 0
    found = min(way for way in (event, poll) if way) if event or poll else 0
    assert worst.normal_ms == (max(found, waits) + backlog + send if found else None)
    assert lost_ms == (max(poll, waits) + backlog + send if poll else None)
