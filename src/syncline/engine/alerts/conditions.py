"""What is wrong now, each with its cause: derived from the status and from what only time shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncline.engine.alerts.kinds import CRITICAL, KINDS
from syncline.engine.alerts.trends import Trends
from syncline.engine.endings import Ending
from syncline.engine.operations import MEANINGS
from syncline.engine.status import (
    SEND_ASSUMED_MS,
    LaneStatus,
    PollerStatus,
    RouteStatus,
    Status,
    missed_often,
)
from syncline.engine.words import DAY_MS, MINUTE_MS, duration, flow_title, operation_title, plural
from syncline.model.change import Flow
from syncline.model.copying import replace

PARKED_MANY = 25
MISSED_MIN = 5
PAUSE_SHOWS_S = 3_900.0  # in the figures of the last hour
SEND_SHOWS_MS = 11 * MINUTE_MS  # one slow call is in the worst case for ten minutes
PARKED_AFTER_MS = DAY_MS
EXPIRY_WARN_MS = 30 * DAY_MS
EXPIRY_CRITICAL_MS = 3 * DAY_MS
READ_LATE_MS = 2 * MINUTE_MS
LATE_AFTER_MS = 30_000
DATED = ("forged", "credential_refused")  # signatures and tokens carry a time
UNSEEN_AFTER_MAX_MS = 10 * MINUTE_MS
GUARDS = ("snapshot_",)  # reasons of what waits as a whole, not one record
RECORDS = {
    "put_order": "order",
    "put_payment": "payment",
    "put_refund": "refund",
    "create_shipment": "shipment",
    "move_order": "order",
    "record_payment": "payment",
    "create_refund": "refund",
    "cancel_order": "cancellation",
    "set_stock": "stock number",
    "set_price": "price",
    "set_list_price": "price of a price list",
    "set_credit": "credit",
    "put_customer": "customer",
    "apply": "message",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong at this moment.

    ``since_ms`` of 0: since it was first seen. While one of ``causes`` holds, or its alert has not closed yet,
    this is a part of that alert and keeps it open, unless it is only a ``tail``: a figure over past time that
    shows the cause for a while after it ended. A tail is not told at all while the book has, or had within the
    hour, an alert of one of its causes or of a system that it is ``around``.
    """

    key: str
    kind: str
    severity: str
    title: str
    stake: str
    mend: str
    since_ms: int = 0
    after_ms: int = 0
    causes: tuple[str, ...] = ()
    tail: bool = False
    around: tuple[str, ...] = ()


def condition(
    kind: str,
    place: str,
    title: str,
    stake: str = "",
    *,
    mend: str = "",
    severity: str = "",
    since_ms: int = 0,
    after_ms: int | None = None,
    causes: Sequence[str] = (),
    tail: bool = False,
    around: Sequence[str] = (),
) -> Condition:
    """A condition with what its kind says where nothing else is said."""
    known = KINDS[kind]
    return Condition(
        key=f"{kind}/{place}",
        kind=kind,
        severity=severity or known.severity,
        title=title,
        stake=stake,
        mend=mend or known.mend,
        since_ms=since_ms,
        after_ms=known.after_s * 1000 if after_ms is None else after_ms,
        causes=tuple(causes),
        tail=tail,
        around=tuple(around),
    )


def conditions(
    status: Status,
    trends: Trends,
    *,
    parked_after_ms: int = PARKED_AFTER_MS,
    expires_within_ms: int = EXPIRY_WARN_MS,
) -> list[Condition]:
    """Everything that is wrong."""
    found = [
        *_here(status, trends),
        *_systems(status, trends),
        *_credentials(status, expires_within_ms),
        *_events(status, trends),
        *_reads(status, trends),
        *_routes(status, trends),
        *_people(status, trends, parked_after_ms),
    ]
    found = [
        replace(each, causes=(*each.causes, "clock/machine")) if each.kind in DATED else each
        for each in found
    ]
    if trends.jumped_just_now:  # ages and deadlines are read from that clock
        found = [
            replace(each, causes=(*each.causes, "clock/machine"))
            if each.kind in ("behind", "stale", "read_overdue")
            else each
            for each in found
        ]
    return list({each.key: each for each in found}.values())


def _of(system: str) -> list[str]:
    """Alerts of a system that explain why its data is late."""
    return [
        f"{kind}/{system}"
        for kind in (
            "system_down",
            "credential_refused",
            "budget",
            "subscription",
            "events_lost",
            "feed_silent",
        )
    ]


STOPS = ("stopped/syncline", "store/store", "disk/store", "log_stuck/store")


# --- this process -----------------------------------------------------------------------------------------


def _here(status: Status, trends: Trends) -> Iterator[Condition]:
    now_ms = status.now_ms
    disk = trends.disk
    if disk is not None and disk.severity:
        full = (
            f" At the pace of the last hour it is full in {duration(disk.full_in_ms)}."
            if disk.full_in_ms
            else ""
        )
        yield condition(
            "disk",
            "store",
            f"The disk of the store has {disk.free / 1e9:.1f} GB left",
            f"{100 * disk.free / disk.total:.0f} % of it.{full}",
            severity=disk.severity,
        )
    if trends.jump_ms:
        way = "forward" if trends.jump_ms > 0 else "back"
        yield condition(
            "clock",
            "machine",
            f"The clock of this machine jumped {way} by {duration(abs(trends.jump_ms))}",
            "Ages and deadlines shown around that moment are off by as much.",
            since_ms=trends.jumped_at_ms,
        )
    if status.store.backlog and trends.stuck_since_ms:
        waiting = plural(status.store.backlog, "event")
        yield condition(
            "log_stuck",
            "store",
            f"{waiting} {'waits' if status.store.backlog == 1 else 'wait'} and none is taken in",
            f"Every flow stands still since {duration(now_ms - trends.stuck_since_ms)}.",
            since_ms=trends.stuck_since_ms,
            causes=STOPS[:3],
        )


# --- systems ----------------------------------------------------------------------------------------------


def _stake(system: str, status: Status) -> str:
    """What waits for a system, and what is shown of it that gets old."""
    now_ms = status.now_ms
    parts = []
    for route in status.routes:
        if route.sink == system and route.pending:
            since = now_ms - (route.oldest_changed_at_ms or now_ms)
            late = f", {route.late:,} of them past the deadline" if route.late else ""
            what = plural(route.pending, "change")
            parts.append(
                f"{flow_title(route.flow)} from {route.source}: {what} for {system} "
                f"{'waits' if route.pending == 1 else 'wait'}, the oldest for {duration(since)}{late}."
            )
        if route.source == system and route.age_ms is not None:
            parts.append(
                f"{flow_title(route.flow)} at {route.sink}: as {system} had it {duration(route.age_ms)} ago."
            )
    return " ".join(parts) or "Nothing waits for it yet."


@dataclass(frozen=True, slots=True)
class Failing:
    """What of a system fails now: since when the newest of it, and whether anything has worked since."""

    since_ms: int
    whole: bool
    refused: bool
    error: str


def failing(lane: LaneStatus, reads: Sequence[PollerStatus]) -> Failing | None:
    """Whether a system as a whole fails, or a part of it, or nothing."""
    parts: list[tuple[int, bool, str]] = []
    by_lane = bool(lane.failing_since_ms and lane.pending and lane.state != "paused")
    if by_lane:
        parts.append((lane.failing_since_ms, lane.state == "refused", lane.last_error))
    parts += [
        (read.failing_since_ms, read.trouble == "refused", read.last_error)
        for read in reads
        if read.trouble in ("failing", "refused")
    ]
    if not parts:
        return None
    worked_ms = max([lane.last_ok_ms, *(read.last_ok_ms for read in reads)])
    newest_ms = max(part[0] for part in parts)
    return Failing(
        since_ms=min(part[0] for part in parts if part[0] > worked_ms)
        if worked_ms < newest_ms
        else newest_ms,
        whole=worked_ms < newest_ms and (by_lane or len(parts) > 1),  # one read alone may be a missing right
        refused=any(part[1] for part in parts),
        error=parts[-1][2] or parts[0][2],
    )


def _systems(status: Status, trends: Trends) -> Iterator[Condition]:
    for lane in status.lanes:
        name = lane.system
        reads = [read for read in status.pollers if read.system == name]
        wrong = failing(lane, reads)
        stake = _stake(name, status)
        if wrong is not None and wrong.whole:
            kind = "credential_refused" if wrong.refused else "system_down"
            says = f" It says: {wrong.error}" if wrong.error else ""
            yield condition(
                kind,
                name,
                f"{name} refuses our credential" if wrong.refused else f"{name} does not answer",
                stake,
                mend=KINDS[kind].mend + says,
                since_ms=wrong.since_ms,
                causes=STOPS[:2],
            )
        slow = trends.budget(name)
        if slow:
            late = any(route.late for route in status.routes if route.sink == name)
            yield condition(
                "budget",
                name,
                f"{name}: {slow}",
                stake,
                severity=CRITICAL if late else "",
                causes=(f"system_down/{name}", f"credential_refused/{name}"),
            )


def _credentials(status: Status, expires_within_ms: int) -> Iterator[Condition]:
    """Of each system the credential that ends first; the others of it are told then, too."""
    soon: dict[str, list[Ending]] = {}
    for each in status.endings:
        if each.left_ms < expires_within_ms:
            soon.setdefault(each.system, []).append(each)
    for name, endings in soon.items():
        first = endings[0]
        more = "".join(f" The {each.what} {each.when}." for each in endings[1:])
        routes = ", ".join(route.name for route in status.routes if name in (route.source, route.sink))
        yield condition(
            "credential_expiring",
            name,
            f"The {first.what} of {name} {first.when}",
            f"Then everything to and from it stands still: {routes or 'no route yet'}.{more}",
            mend=" ".join(part for part in (first.mend, KINDS["credential_expiring"].mend) if part),
            severity=CRITICAL if first.left_ms < EXPIRY_CRITICAL_MS else "",
            causes=(f"credential_refused/{name}",),
        )


def _events(status: Status, trends: Trends) -> Iterator[Condition]:
    for audit in status.subscriptions:
        name = audit.system
        if audit.fault:
            title, mend = f"{name} does not send us its events", f"Mending it failed: {audit.fault}"
        elif audit.mended:
            title = f"{plural(audit.mended, 'webhook subscription')} of {name} {'was' if audit.mended == 1 else 'were'} missing"
            mend = (
                "Nothing to do: put in order, and the changes of the gap are being read. "
                + KINDS["subscription"].mend
            )
        else:
            continue
        yield condition(
            "subscription",
            name,
            title,
            _flows_of(name, status) + " found by reads until then.",
            mend=mend,
            after_ms=MINUTE_MS if audit.fault else 0,
            causes=(f"system_down/{name}", f"credential_refused/{name}", f"budget/{name}", *STOPS[:1]),
        )
    for address in status.ingress:
        name = address.system
        down = (f"system_down/{name}", f"credential_refused/{name}", f"budget/{name}", *STOPS)
        lost = trends.lost(name)
        if lost:
            yield condition(
                "events_lost",
                name,
                f"Events of {name} do not arrive: reads had to find {plural(lost, 'change')}",
                _flows_of(name, status) + " as late as the interval of reads.",
                causes=(f"subscription/{name}", f"forged/{name}", *down),
            )
        forged = trends.forged(name)
        if forged:
            yield condition(
                "forged",
                name,
                f"{plural(forged, 'webhook')} for {name} with a wrong signature in ten minutes",
                _flows_of(name, status) + " only found by reads.",
            )
        silent_ms = trends.silent(name)
        if silent_ms:
            yield condition(
                "feed_silent",
                name,
                f"Nothing has come from {name} for {duration(silent_ms)}",
                _flows_of(name, status) + " perhaps not heard of.",
                since_ms=status.now_ms - silent_ms,
                causes=(f"subscription/{name}", f"events_lost/{name}", *down),
            )


def _flows_of(system: str, status: Status) -> str:
    titles = [flow_title(route.flow) for route in status.routes if route.source == system]
    return f"{', '.join(dict.fromkeys(titles)) or 'Changes'} of {system}:"


# --- reads and routes -------------------------------------------------------------------------------------


def _reads(status: Status, trends: Trends) -> Iterator[Condition]:
    for read in status.pollers:
        name = read.system
        place = f"{name}.{read.stream}"
        causes = (f"system_down/{name}", f"credential_refused/{name}", f"budget/{name}", *STOPS)
        age = (
            f"Last read whole {duration(read.age_ms)} ago."
            if read.age_ms is not None
            else "Never read whole yet."
        )
        if read.trouble in ("failing", "refused"):
            yield condition(
                "read_failing",
                place,
                f"Reading {read.stream} from {name} fails",
                age,
                mend=f"{KINDS['read_failing'].mend} It says: {read.last_error}",
                since_ms=read.failing_since_ms,
                causes=causes,
            )
        limit_ms = read.interval_ms * 3 // 2 + READ_LATE_MS + 2 * read.read_ms
        if read.age_ms is not None and min(read.age_ms, trends.up_ms) > limit_ms:
            yield condition(
                "read_overdue",
                place,
                f"Reading {read.stream} from {name} does not end",
                age,
                causes=(*causes, f"read_failing/{place}"),
            )


def _routes(status: Status, trends: Trends) -> Iterator[Condition]:
    old: dict[str, list[RouteStatus]] = {}
    slow: dict[str, list[RouteStatus]] = {}
    for route in status.routes:
        age_ms = min(route.age_ms or 0, trends.up_ms)
        if age_ms > route.age_limit_ms:
            old.setdefault(route.source, []).append(route)
        if route.age_ms is None or trends.paused(route.name, route.sink):
            continue  # it begins, or a person has stopped it
        if _misfits(route):
            yield _promise(route)
        elif route.late > route.late_behind_parked or (route.bound_ms or 0) > route.tolerance_ms:
            slow.setdefault(route.sink, []).append(route)
        too_late = route.lags.delivered - route.lags.kept - route.lags.apart
        rested = not trends.paused(route.name, route.sink, within_s=PAUSE_SHOWS_S)
        if missed_often(route.lags) and too_late >= MISSED_MIN and not route.late and rested:
            yield condition(
                "missed",
                route.name,
                f"{_title(route)}: {plural(too_late, 'change')} of "
                f"{route.lags.delivered:,} came too late in the last hour",
                f"The longest took {duration(route.lags.max_ms)}; {duration(route.tolerance_ms)} are promised.",
                causes=STOPS,
                tail=True,
                around=(route.source, route.sink),
            )
    for source, routes in old.items():
        reads = [
            f"read_failing/{read.system}.{read.stream}" for read in status.pollers if read.system == source
        ]
        reads += [
            f"read_overdue/{read.system}.{read.stream}" for read in status.pollers if read.system == source
        ]
        oldest = max(routes, key=lambda route: route.age_ms or 0)
        yield condition(
            "stale",
            source,
            f"{source} was last confirmed {duration(oldest.age_ms)} ago",
            " ".join(
                f"{_title(route)}: {duration(route.age_ms)} old, at most {duration(route.age_limit_ms)} are allowed."
                for route in routes
            ),
            since_ms=status.now_ms - min((route.age_ms or 0) - route.age_limit_ms for route in routes),
            causes=[*_of(source), *reads, *STOPS],
        )
    for sink, routes in slow.items():
        yield _behind(sink, routes, status)


def _title(route: RouteStatus) -> str:
    return f"{flow_title(route.flow)} from {route.source} to {route.sink}"


def _misfits(route: RouteStatus) -> bool:
    """Whether the promise could not be kept even with nothing waiting and quick calls."""
    return route.detect_ms + SEND_ASSUMED_MS > route.tolerance_ms and not route.late


def _crowded(route: RouteStatus) -> bool:
    """Whether the promise does not fit even if every call takes no longer than usual."""
    return route.detect_ms + route.queue_ms + route.send_typical_ms > route.tolerance_ms


def _promise(route: RouteStatus) -> Condition:
    least = -(-(route.detect_ms + route.send_ms) // MINUTE_MS) * MINUTE_MS
    return condition(
        "promise",
        route.name,
        f"{_title(route)}: a change is found after up to {duration(route.detect_ms)}, and may take "
        f"{duration(route.tolerance_ms)} in all",
        "Every change of this route may be late.",
        mend=f"Let {route.source} send events, read it more often, or set the tolerance to {duration(least)}.",
    )


def _behind(sink: str, routes: Sequence[RouteStatus], status: Status) -> Condition:
    late = sum(route.late - route.late_behind_parked for route in routes)
    causes = [*_of(sink), *STOPS]
    for route in routes:
        causes += [cause for cause in _of(route.source) if cause not in causes]
        causes += [f"read_failing/{r.system}.{r.stream}" for r in status.pollers if r.system == route.source]
    if late:
        since_ms = min(route.oldest_deadline_ms or status.now_ms for route in routes if route.late)
        lane = next(lane for lane in status.lanes if lane.system == sink)
        says = f" {sink} says: {lane.last_error}" if lane.last_error else ""
        return condition(
            "behind",
            sink,
            f"{plural(late, 'change')} for {sink} {'is' if late == 1 else 'are'} past the deadline",
            _stake(sink, status),
            mend=KINDS["behind"].mend + says,
            severity=CRITICAL,
            since_ms=since_ms,
            after_ms=LATE_AFTER_MS,
            causes=causes,
        )
    worst = max(routes, key=lambda route: (route.bound_ms or 0) / max(1, route.tolerance_ms))
    return condition(
        "behind",
        sink,
        f"{_title(worst)}: the worst case is {duration(worst.bound_ms)}, the tolerance {duration(worst.tolerance_ms)}",
        f"Nothing is late yet. Waiting takes {duration(worst.queue_ms)} of it, a call {duration(worst.send_ms)}.",
        after_ms=None if any(_crowded(route) for route in routes) else SEND_SHOWS_MS,
        causes=causes,
        tail=True,
    )


# --- what a person has to decide --------------------------------------------------------------------------


def _people(status: Status, trends: Trends, parked_after_ms: int) -> Iterator[Condition]:
    for group in status.parked_groups:
        age_ms = status.now_ms - group.oldest_at_ms
        if group.reason.startswith(GUARDS):
            yield condition(
                "guard",
                group.system,
                f"A full read of {group.system} waits for a person",
                f"The numbers that it would cut stay as they were {duration(age_ms)} ago.",
                since_ms=group.oldest_at_ms,
            )
            continue
        what = RECORDS.get(group.operation, "entry")
        count = plural(group.count, what, "entries" if what == "entry" else "")
        yield condition(
            "parked",
            f"{group.system}.{group.reason}",
            f"{count} for {group.system} {'needs' if group.count == 1 else 'need'} a person: {group.reason.replace('_', ' ')}",
            f"Could not {operation_title(group.operation)}; the oldest waits for {duration(age_ms)}.",
            mend=MEANINGS.get(group.reason, "") or KINDS["parked"].mend,
            severity=CRITICAL if age_ms >= parked_after_ms or group.count >= PARKED_MANY else "",
            since_ms=group.oldest_at_ms,
        )
    fell: dict[str, int] = {}
    for row in status.unseen:
        fell[row.system] = fell.get(row.system, 0) + row.units
    # Where a person holds back what is written, it is not read again either, which is how most of it is explained.
    stopped = {
        route.sink
        for route in status.routes
        if route.flow == Flow.INVENTORY and trends.paused(route.name, route.sink)
    }
    for system, units in fell.items():
        if system in stopped:
            continue
        skus = len({row.sku for row in status.unseen if row.system == system})
        found_ms = min(
            (
                read.interval_ms
                for read in status.pollers
                if read.system == system and Flow.ORDERS in read.flows and not read.snapshot
            ),
            default=UNSEEN_AFTER_MAX_MS,
        )
        yield condition(
            "unseen",
            system,
            f"{plural(units, 'unit')} fell at {system} without an order",
            f"{plural(units, 'unit')} of {plural(skus, 'SKU')} are kept back on every channel.",
            after_ms=min(UNSEEN_AFTER_MAX_MS, found_ms + MINUTE_MS),
            causes=_of(system),
        )
    for drift in status.drift:
        if drift.left:
            yield condition(
                "drift",
                f"{drift.system}.{drift.flow}",
                f"{flow_title(drift.flow)} at {drift.system}: {plural(drift.left, 'difference')} left",
                f"{plural(drift.found, 'difference')} found, {drift.repaired:,} repaired.",
                since_ms=drift.at_ms,
            )


def many(count: int) -> Condition:
    """What stands for the causes that are not told one by one."""
    return condition("many", "alerts", f"{plural(count, 'more cause')} not told one by one")


def store_silent(error: str) -> Condition:
    """The store cannot be read, so nothing else is known."""
    return condition(
        "store",
        "store",
        "The store does not answer",
        "Every flow stands still.",
        mend=f"{KINDS['store'].mend} {error}",
    )


def stopped(why: str, at_ms: int) -> Condition:
    """The service has ended by an error."""
    return condition(
        "stopped",
        "syncline",
        "Syncline stopped",
        "Nothing is collected or sent until it runs again.",
        mend=f"{KINDS['stopped'].mend} {why}",
        since_ms=at_ms,
    )


def way_failing(name: str, since_ms: int, error: str) -> Condition:
    """A way out does not take messages."""
    return condition(
        "way_failing",
        name,
        f"Alerts do not get out by {name}",
        "Who relies on it hears of nothing.",
        mend=f"{KINDS['way_failing'].mend} It says: {error}",
        since_ms=since_ms,
    )
