"""Tolerances, deadlines and worst cases.

All durations are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

SEND_AT_ONCE_MS = 60_000  # a tolerance up to this is a promise of seconds: nothing waits to ride along


@dataclass(frozen=True, slots=True)
class Detection:
    """How a route learns of a change.

    ``event_delay_ms`` is the vendor's own declared or measured delay of its events (0: it has
    none and polling is the only way). ``poll_interval_ms`` is the time between two delta reads,
    ``reconcile_interval_ms`` between two full ones (0: never). ``read_ms`` is how long a read takes.
    """

    event_delay_ms: int = 0
    poll_interval_ms: int = 0
    reconcile_interval_ms: int = 0
    read_ms: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """The computed worst-case lag of a route, in its parts. ``None``: no bound can be given."""

    normal_ms: int | None
    if_event_lost_ms: int | None
    detect_ms: int
    queue_ms: int
    send_ms: int


def bound(detection: Detection, *, queue_ms: int, send_ms: int) -> Bound:
    """Detect + queue + send, once as things normally go and once if an event is lost.

    A read that began just before the change misses it, so a poll detects within its interval plus
    its own duration. An event that takes longer than that is told by the poll.
    """
    by_poll: int | None = None
    for interval in (detection.poll_interval_ms, detection.reconcile_interval_ms):
        if interval:
            by_poll = (
                interval + detection.read_ms
                if by_poll is None
                else min(by_poll, interval + detection.read_ms)
            )
    by_event = detection.event_delay_ms or None
    detect = min((way for way in (by_event, by_poll) if way is not None), default=None)
    rest = queue_ms + send_ms
    return Bound(
        normal_ms=None if detect is None else detect + rest,
        if_event_lost_ms=None if by_poll is None else by_poll + rest,
        detect_ms=detect or 0,
        queue_ms=queue_ms,
        send_ms=send_ms,
    )


def waits_ms(tolerance_ms: int) -> int:
    """How long a delivery of a route waits on purpose, counted from the change: half of a promise of more than seconds."""
    return tolerance_ms // 2 if tolerance_ms > SEND_AT_ONCE_MS else 0


def bounds_of(
    tolerance_ms: int, detection: Detection, *, backlog_ms: int, send_ms: int
) -> tuple[Bound, int | None]:
    """Both bounds of a route with what its deliveries wait on purpose: as things go, and if an event is lost.

    The running service and the planner both ask here, the one with what it measured, the other with what it foretells.

    Args:
        tolerance_ms: the promise, from which the wait follows.
        detection: how the source's changes are learned of.
        backlog_ms: how long what stands before a new delivery takes to be sent.
        send_ms: how long a call takes, and until it shows.
    """
    waits = waits_ms(tolerance_ms)
    plain = bound(detection, queue_ms=0, send_ms=0)
    normal = bound(detection, queue_ms=backlog_ms + max(0, waits - (plain.normal_ms or 0)), send_ms=send_ms)
    if plain.if_event_lost_ms is None:
        return normal, None
    return normal, max(plain.if_event_lost_ms, waits) + backlog_ms + send_ms


def start_at(changed_at_ms: int, tolerance_ms: int, now_ms: int) -> int:
    """When a delivery should be sent if nothing urgent takes it along before.

    A promise of seconds starts now. A longer one waits for half of its tolerance, so that values
    written meanwhile replace it and urgent calls of the same kind carry it for free; the other half
    is left for the queue and for retries.
    """
    if tolerance_ms <= SEND_AT_ONCE_MS:
        return now_ms
    return max(now_ms, changed_at_ms + tolerance_ms // 2)


def percentile(sorted_values: list[int], share: float) -> int:
    """The value below which a share of the sample lies (nearest rank); 0 for an empty sample."""
    if not sorted_values:
        return 0
    rank = max(0, min(len(sorted_values) - 1, -(-int(share * len(sorted_values) * 1000) // 1000) - 1))
    return sorted_values[rank]
