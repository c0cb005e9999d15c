"""The strip of recent changes: each dot one delivered change, by the time it landed and its age then.

The picture is stretched to any width; its dots are ends of strokes, which are not. All dots of one kind are one
element: forty routes with hundreds of dots each are drawn again every few seconds. The scale of ages is the square
root of lag by tolerance: what is far below the tolerance stays visible, and the tolerance has the same height on
every strip.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from markupsafe import Markup

from syncline.engine.reconcile.history import ProofView
from syncline.engine.routes import split_key
from syncline.engine.status import LAGS_MAX, WINDOW_MS, RouteStatus
from syncline.engine.survey import RecoveredAt
from syncline.engine.words import duration, plural
from syncline.ports import Row

HEIGHT = 72
TOP = 6
BASE = 66
LINE_Y = 26  # where the tolerance lies
TITLED_MAX = 60  # late ones that say which record they were
SPANS_MS = (60_000, 4 * 60_000, 20 * 60_000, WINDOW_MS)
STEP = 4  # dots closer than a quarter of a per cent fall together


def y_of(lag_ms: int, tolerance_ms: int) -> float:
    """Where a lag lies; the tolerance is always at the same height."""
    scale = sqrt(max(0, lag_ms) / max(1, tolerance_ms))
    return max(TOP, BASE - scale * (BASE - LINE_Y))


def stale_windows(rows: Sequence[Row], route: RouteStatus, now_ms: int) -> list[tuple[int, int]]:
    """When some value was older at its sink than its tolerance allows, as merged intervals."""
    windows = [
        (delivered_ms - lag_ms + route.tolerance_ms, delivered_ms)
        for _, delivered_ms, lag_ms, kept in rows
        if not kept
    ]
    if route.oldest_deadline_ms is not None and route.oldest_deadline_ms < now_ms:
        windows.append((route.oldest_deadline_ms, now_ms))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(windows):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def span_of(rows: Sequence[Row], now_ms: int) -> int:
    """How much time a strip shows: the shortest span that holds every dot, so that a minute of trade is not lost at the edge of an hour.

    Where only the newest changes were read, it is the longest that they fill: what is shown is whole.
    """
    oldest = min((row[1] for row in rows if row[1] >= now_ms - WINDOW_MS), default=now_ms - WINDOW_MS)
    if len(rows) >= LAGS_MAX:
        return max((span for span in SPANS_MS if span <= now_ms - oldest), default=SPANS_MS[0])
    return next((span for span in SPANS_MS if now_ms - oldest <= span), WINDOW_MS)


def axis(rows: Sequence[Row], now_ms: int) -> Markup:
    """The labels under a strip."""
    span = span_of(rows, now_ms)
    labels = [f"{duration(span)} ago", *(duration(span * part // 4) for part in (3, 2, 1)), "now"]
    spans = Markup("").join(Markup("<span>{}</span>").format(label) for label in labels)
    return Markup('<p class="axis" aria-hidden="true">{}</p>').format(spans)


def strip(rows: Sequence[Row], route: RouteStatus, now_ms: int) -> Markup:
    """The recent past of a route as SVG. ``rows``: (key, delivered_at_ms, lag_ms, kept), newest first."""
    span = span_of(rows, now_ms)
    since = now_ms - span

    def x_of(at_ms: int) -> float:
        return round(100 * STEP * max(0, min(span, at_ms - since)) / span) / STEP

    parts = []
    for start, end in stale_windows(rows, route, now_ms):
        if end <= since:
            continue
        left, right = x_of(max(start, since)), x_of(end)
        parts.append(
            Markup('<rect class="stale" x="{}%" y="0" width="{}%" height="{}"/>').format(
                left,
                max(0.25, right - left),
                BASE,
            ),
        )
    tick = Markup('<line class="tick" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>')
    parts += [tick.format(quarter, TOP, BASE) for quarter in (25, 50, 75)]
    parts.append(Markup('<line class="limit" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(LINE_Y))
    parts.append(Markup('<line class="base" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(BASE + 0.5))
    taken: set[tuple[float, int, int]] = set()
    dots: list[str] = []
    rings: list[str] = []
    titles: list[Markup] = []
    for key, delivered_ms, lag_ms, kept in rows:
        x, y = x_of(delivered_ms), y_of(lag_ms, route.tolerance_ms)
        spot = (x, round(y / 2), kept)
        if spot in taken or delivered_ms < since:
            continue
        taken.add(spot)
        (dots if kept else rings).append(f"M{x:g} {y:.1f}h0")
        if not kept and len(titles) < TITLED_MAX:
            title = f"{split_key(key)[0]}: {duration(lag_ms)} after the change"
            titles.append(
                Markup('<circle cx="{}%" cy="{:.1f}" r="6"><title>{}</title></circle>').format(x, y, title)
            )
    # A ring is a wide dot with a narrower one of the card's colour on it.
    ends = "".join(rings)
    path = Markup('<path class="{}" d="{}"/>')
    drawn = [("kept", "".join(dots)), ("missed", ends), ("missed inner", ends)]
    parts.append(
        Markup(
            '<svg viewBox="0 0 100 {0}" height="{0}" width="100%" preserveAspectRatio="none">{1}</svg>'
        ).format(HEIGHT, Markup("").join(path.format(kind, where) for kind, where in drawn if where))
    )
    parts += titles
    lags = route.lags
    if not lags.delivered and not route.late:
        parts.append(Markup('<text x="50%" y="{}">Nothing landed in the last hour.</text>').format(BASE - 12))
    missed = lags.delivered - lags.apart - lags.kept
    label = (
        "No change landed in the last hour."
        if not lags.delivered
        else (
            f"{plural(lags.delivered, 'change')} landed in the last hour, "
            + (
                f"{missed} later than {duration(route.tolerance_ms)}."
                if missed
                else f"all within {duration(route.tolerance_ms)}."
            )
            + (f" {plural(lags.apart, 'more', 'more')} had waited for a pause." if lags.apart else "")
        )
    )
    return Markup('<svg class="strip" role="img" aria-label="{}" height="{}" width="100%">{}</svg>').format(
        label,
        HEIGHT,
        Markup("").join(parts),
    )


def course(found: Sequence[RecoveredAt]) -> Markup:
    """Units given back over time, from the first survey to the last; zero is always in sight.

    Coordinates are stretched to the picture, the stroke is not.
    """
    return _line([(one.at_ms, one.units) for one in found])


def drift(past: Sequence[ProofView]) -> Markup:
    """Records that differed, proof by proof, from the first to the last."""
    return _line([(one.started_at_ms, one.found) for one in reversed(past)])


def _line(values: Sequence[tuple[int, int]]) -> Markup:
    first, last = values[0][0], values[-1][0]
    low, high = min(0, *(n for _, n in values)), max(0, *(n for _, n in values))
    span, height = max(1, last - first), max(1, high - low)
    points = " ".join(
        f"{1000 * (at - first) / span:.1f},{BASE - (n - low) / height * (BASE - TOP):.1f}" for at, n in values
    )
    zero = f"{BASE + low / height * (BASE - TOP):.1f}"
    return Markup(
        '<svg class="course" viewBox="0 0 1000 {}" width="100%" height="{}" preserveAspectRatio="none" '
        'aria-hidden="true"><line class="base" x1="0" x2="1000" y1="{}" y2="{}"/><polyline points="{}"/></svg>'
    ).format(HEIGHT, HEIGHT, zero, zero, points)
