"""What is wrong, most urgent first, in words that say what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncline.engine.modes import Mode, Stop
from syncline.engine.status import (
    GRACE_MS,
    IngressStatus,
    LaneStatus,
    PollerStatus,
    Problem,
    RouteStatus,
    StoreStatus,
    Unseen,
    clean,
    missed_often,
)
from syncline.engine.words import MINUTE_MS, duration, flow_title, plural

BACKLOG_MAX = 5_000  # events that may wait to be applied before it is worth a sentence
SINKS_NAMED_MAX = 3
NOTHING = "nothing waits yet"
LATEST_ONLY = "and only the latest values go out, in order of deadline"


def judge(
    routes: Sequence[RouteStatus],
    lanes: Sequence[LaneStatus],
    pollers: Sequence[PollerStatus],
    ingress: Sequence[IngressStatus],
    store: StoreStatus,
    parked: int,
    unseen: Sequence[Unseen],
    now_ms: int,
) -> list[Problem]:
    """Everything that a person should know of; what is late comes first, causes before effects."""
    found = [
        *_lanes(lanes, routes, now_ms),
        *_routes(routes, lanes, pollers, now_ms),
        *_reads(pollers),
        *_rest(ingress, store, parked, unseen),
        *_promises(routes),
    ]
    return sorted(found, key=lambda problem: problem.severity != "late")


def _lanes(lanes: Sequence[LaneStatus], routes: Sequence[RouteStatus], now_ms: int) -> Iterator[Problem]:
    for lane in lanes:
        late = any(route.late for route in routes if route.sink == lane.system)
        severity = "late" if late else "attention"
        waits = f"{plural(lane.pending, 'change')} for it {'waits' if lane.pending == 1 else 'wait'}"
        if lane.state == "refused":
            yield Problem(
                "late" if lane.pending else "attention",
                f"{lane.system} refuses our credential.",
                f"Renew the credential of {lane.system} in the configuration and restart. Nothing is lost: {waits}.",
                lane.system,
            )
        elif lane.state == "outage":
            since = f" for {duration(now_ms - lane.down_since_ms)}" if lane.down_since_ms else ""
            yield Problem(
                severity,
                f"{lane.system} has not accepted anything{since}.",
                f"Nothing to do here: {waits}, and they go out by themselves once it answers. "
                "If it lasts, look at the vendor's status page.",
                lane.system,
            )
        if lane.paused is not None:
            yield Problem(
                "attention",
                f"{lane.system} was paused {declared(lane.paused, now_ms)}: nothing is sent to it.",
                f"Resume it when you are ready. Reading goes on and nothing is lost: {waits if lane.pending else NOTHING}, "
                f"{LATEST_ONLY}.",
                lane.system,
                declared=True,
            )


def _routes(
    routes: Sequence[RouteStatus],
    lanes: Sequence[LaneStatus],
    pollers: Sequence[PollerStatus],
    now_ms: int,
) -> Iterator[Problem]:
    down = {lane.system for lane in lanes if lane.state != "ok"}
    for route in routes:
        title = f"{flow_title(route.flow)} from {route.source} to {route.sink}"
        if route.late:
            oldest = now_ms - (route.oldest_deadline_ms or now_ms)
            mend = (
                f"They wait for {route.sink}, see above."
                if route.sink in down
                else "They are being sent in order of deadline. If this grows, look at the lane's budget below."
            )
            yield Problem(
                "late",
                f"{title}: {plural(route.late, 'change')} past the deadline, the oldest by {duration(oldest)}.",
                mend,
                route.name,
            )
        for mode in route.modes:
            if mode.subject == route.name:
                yield _declared(route, title, mode, now_ms)
        yield from _unread(route, routes, pollers)


def _unread(
    route: RouteStatus, routes: Sequence[RouteStatus], pollers: Sequence[PollerStatus]
) -> Iterator[Problem]:
    """That a source was not read for too long: one problem for all routes of a flow that wait for it, told with the first."""
    behind = [
        each
        for each in routes
        if (each.source, each.flow) == (route.source, route.flow)
        and each.age_ms is not None
        and each.age_ms > each.age_limit_ms
    ]
    if not behind or behind[0] is not route:
        return
    sinks = [each.sink for each in behind]
    named = ", ".join(sinks[:SINKS_NAMED_MAX])
    if len(sinks) > SINKS_NAMED_MAX:
        named += f" and {len(sinks) - SINKS_NAMED_MAX} more"
    limit_ms = min(each.age_limit_ms for each in behind) - GRACE_MS
    mine = [p for p in pollers if p.system == route.source and p.last_error]
    errors = [p.last_error for p in sorted(mine, key=lambda p: route.flow not in p.flows)]
    yield Problem(
        "late",
        f"{flow_title(route.flow)} from {route.source} to {named}: {route.source} was last read whole "
        f"{duration(route.age_ms)} ago, which should be at most {duration(limit_ms)}.",
        f"Reading fails with: {errors[0]}" if errors else "See the reads on the System page.",
        route.name,
    )


def _declared(route: RouteStatus, title: str, mode: Mode, now_ms: int) -> Problem:
    """A route that a person paused, or put in shadow."""
    waits = f"{plural(route.pending, 'change')} {'waits' if route.pending == 1 else 'wait'}"
    if route.late_apart:
        waits += f", {route.late_apart:,} past the deadline"
    waits = waits if route.pending else NOTHING
    if mode.mode == Stop.SHADOW:
        text = f"{title}: in shadow, {declared(mode, now_ms)}; nothing is written to {route.sink}."
        would = f"{plural(route.pending, 'change')} would be sent"
        mend = f"See under Shadow what differs, and let it go live when that is right; {would}."
    else:
        text = f"{title}: paused {declared(mode, now_ms)}."
        mend = f"Resume it when you are ready. Reading goes on and nothing is lost: {waits}, {LATEST_ONLY}."
    return Problem("attention", text, mend, route.name, declared=True)


def declared(mode: Mode, now_ms: int) -> str:
    """By whom, since when and why, to go on a sentence with."""
    why = f" ({clean(mode.reason)})" if mode.reason else ""
    return f"by {mode.by} {duration(now_ms - mode.since_ms)} ago{why}"


def _reads(pollers: Sequence[PollerStatus]) -> Iterator[Problem]:
    for poller in pollers:
        if poller.last_error:
            yield Problem(
                "attention",
                f"Reading {poller.stream} from {poller.system} fails.",
                f"It is tried again by itself. {poller.system} says: {poller.last_error}",
                poller.system,
            )


def _rest(
    ingress: Sequence[IngressStatus],
    store: StoreStatus,
    parked: int,
    unseen: Sequence[Unseen],
) -> Iterator[Problem]:
    for address in ingress:
        if address.forged > max(3, address.accepted + address.duplicates):
            yield Problem(
                "attention",
                f"Most webhooks for {address.system} carry a wrong signature ({address.forged} so far).",
                f"Compare the webhook secret in the configuration with the one that {address.system} shows.",
                address.system,
            )
    if store.backlog > BACKLOG_MAX:
        yield Problem(
            "attention",
            f"{plural(store.backlog, 'event')} wait to be taken in.",
            "Nothing to do: they are safe, and this shrinks by itself after a burst.",
            "store",
        )
    if parked:
        yield Problem(
            "attention",
            f"{plural(parked, 'entry', 'entries')} {'is' if parked == 1 else 'are'} parked and need a person."
            if parked != 1
            else "1 entry is parked and needs a person.",
            "Open Parked, read the reason, then release, edit or discard.",
            "parked",
        )
    if unseen:
        units = sum(row.units for row in unseen)
        yield Problem(
            "attention",
            f"{plural(units, 'unit')} fell at a channel without an order that we know of.",
            "They are kept back on every channel until an order explains them. If they are free, release them "
            "under Parked.",
            "parked",
        )


def _promises(routes: Sequence[RouteStatus]) -> Iterator[Problem]:
    for route in routes:
        title = f"{flow_title(route.flow)} from {route.source} to {route.sink}"
        lags = route.lags
        if route.bound_ms is not None and route.bound_ms > route.tolerance_ms:
            least = (
                -(-route.bound_ms // MINUTE_MS) * MINUTE_MS if route.bound_ms > MINUTE_MS else route.bound_ms
            )
            yield Problem(
                "attention",
                f"{title}: the worst case is {duration(route.bound_ms)}, the tolerance {duration(route.tolerance_ms)}.",
                f"Let {route.source} send events, read it more often, or set the tolerance to {duration(least)}.",
                route.name,
            )
        elif missed_often(lags):
            yield Problem(
                "attention",
                f"{title}: {plural(lags.delivered - lags.apart - lags.kept, 'change')} of "
                f"{lags.delivered - lags.apart:,} came too late in the last hour.",
                "The strip shows when. If it goes on, look at the lane's budget.",
                route.name,
            )
