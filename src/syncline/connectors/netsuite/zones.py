"""Instants and the account's local time.

``lastmodifieddate`` has whole seconds and renders in the account's zone, so a lower bound has to be
written in local time, and local time runs backward once a year (contract sheet section 4).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from syncline.connectors.netsuite.manifest import OVERLAP_UNPROVEN_S
from syncline.model.errors import Retryable

FOLD_SEARCH_MS = 24 * 3600 * 1000  # no zone repeats more than a few hours
_STEP_MS = 15 * 60 * 1000  # every zone's transitions fall on a quarter of an hour of UTC
_SECONDS = "%Y-%m-%d %H:%M:%S"


def local_text(at_ms: int, zone: ZoneInfo | None) -> str:
    """``YYYY-MM-DD HH:MM:SS`` in the zone, or in UTC where none is known."""
    return datetime.fromtimestamp(at_ms // 1000, zone or UTC).strftime(_SECONDS)


def date_text(at_ms: int, zone: ZoneInfo | None) -> str:
    """The calendar day in the zone."""
    return local_text(at_ms, zone)[:10]


def parse_utc(text: object) -> int:
    """Milliseconds of a ``YYYY-MM-DD HH24:MI:SS[.FF3]`` in UTC.

    Raises:
        Retryable: the account answered something else.
    """
    return _parse_utc(str(text))


@lru_cache(maxsize=16)  # all rows of a page carry one text
def _parse_utc(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise Retryable(f"NetSuite's clock reads {text[:40]!r}.") from error
    return round(moment.timestamp() * 1000)


def parse_local(text: object, zone: ZoneInfo, near_ms: int) -> int:
    """Milliseconds of a local time; of an hour that came twice, the reading nearest to ``near_ms``."""
    try:
        moment = datetime.fromisoformat(str(text)).replace(tzinfo=zone)
    except ValueError as error:
        raise Retryable(f"NetSuite's clock reads {str(text)[:40]!r}.") from error
    readings = {round(moment.replace(fold=fold).timestamp() * 1000) for fold in (0, 1)}
    return min(readings, key=lambda at: abs(at - near_ms))


def lower_bound(since_ms: int, now_ms: int, zone: ZoneInfo | None, overlap_s: int) -> str:
    """The least local time that anything modified in ``[since - overlap, now]`` can carry.

    In the hour that repeats, something modified now may be stamped earlier than something read an
    hour ago; so the bound is the least over the whole span, not the start of it. Where the zone is
    unknown the overlap is a day, which covers every offset there is.
    """
    if zone is None:
        return local_text(since_ms - max(overlap_s, OVERLAP_UNPROVEN_S) * 1000, None)
    start = since_ms - overlap_s * 1000
    least = local_text(start, zone)
    at = start - start % _STEP_MS + _STEP_MS
    end = min(now_ms, start + FOLD_SEARCH_MS)
    while at <= end:
        least = min(least, local_text(at, zone))
        at += _STEP_MS
    return least


def agrees(local: str, utc_ms: int, zone: ZoneInfo) -> bool:
    """Whether a local reading of the account's clock fits the zone at that instant."""
    try:
        shown = datetime.fromisoformat(local)
    except ValueError:
        return False
    expected = datetime.fromisoformat(local_text(utc_ms, zone))
    return abs(shown - expected) <= timedelta(seconds=90)
