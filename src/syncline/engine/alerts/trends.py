"""What one look cannot tell: paces, pauses and jumps, from one look to the next.

Durations are taken from the steady clock, so that a jump of the wall clock neither hides nor makes anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from syncline.engine.alerts.kinds import CRITICAL, WARNING
from syncline.engine.status import Status
from syncline.engine.words import HOUR_MS, MINUTE_MS
from syncline.freshness.feeds import SILENCE, rate_per_min, remember

WINDOW_S = 600.0
MINUTE_S = 60.0
CATCH_UP_S = 300.0
RESUME_S = 600.0
THROTTLED_MIN = 3
THROTTLED_SHARE = 0.25
FULL_SHARE = 0.9
FULL_S = 290.0
LOST_MIN = 3
LOST_SHARE = 0.2
FORGED_MIN = 5
JUMP_MS = 5_000
JUMP_TOLD_S = 900.0
STUCK_MS = 30_000
JUMP_EXPLAINS_S = 300.0
LOOKS_MAX = 400
DISK_EVERY_S = 60.0
DISK_LOOKS_MAX = 62
DISK_LOW, DISK_LOW_SHARE = 5e9, 0.1
DISK_LEAST, DISK_LEAST_SHARE = 1e9, 0.03
DISK_SOON_MS, DISK_AT_ONCE_MS = 24 * HOUR_MS, 2 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Disk:
    """The store's disk, in bytes. ``full_in_ms`` of 0: not in sight."""

    free: int
    total: int
    full_in_ms: int
    severity: str


@dataclass(slots=True)
class _Feed:
    """What arrives from one system."""

    busy: dict[int, int] = field(default_factory=dict)
    seen: int = -1
    hour: int = -1
    minutes: set[int] = field(default_factory=set)
    whole: bool = False  # the present hour was watched from its beginning, and nothing was wrong
    expected: float = 0.0  # busy minutes that should have been since the last sign of life
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    calls: int
    throttled: int
    used_share: float
    pending: int


@dataclass(frozen=True, slots=True)
class _Heard:
    at_s: float
    told: int
    missed: int
    accepted: int
    forged: int


class Trends:
    """Fed with every look; asked by the conditions."""

    def __init__(self) -> None:
        self.up_ms = 0
        self.jump_ms = 0
        self.jumped_at_ms = 0
        self.stuck_since_ms = 0
        self.disk: Disk | None = None
        self._began_s: float | None = None
        self._jumped_s = 0.0
        self._last: tuple[int, float] | None = None
        self._stuck: tuple[int, float] | None = None
        self._lanes: dict[str, deque[_Look]] = {}
        self._heard: dict[str, deque[_Heard]] = {}
        self._heard_from_s: dict[str, float] = {}
        self._paused_s: dict[str, float] = {}
        self._feeds: dict[str, _Feed] = {}
        self._disks: deque[tuple[float, int]] = deque(maxlen=DISK_LOOKS_MAX)
        self._now_s = 0.0
        self._passed_s = 0.0
        self._starting = True

    def look(self, status: Status, at_s: float, disk: tuple[int, int] | None) -> None:
        """Take one look in.

        Args:
            status: everything at this moment.
            at_s: the steady clock.
            disk: free and all bytes of the store's disk, where they can be known.
        """
        if self._began_s is None:
            self._began_s = at_s
        self.up_ms = round((at_s - self._began_s) * 1000)
        self._passed_s = at_s - self._now_s if self._last is not None else 0.0
        self._now_s = at_s
        self._clock(status.now_ms, at_s)
        self._log(status, at_s)
        self._space(disk, at_s)
        self._starting = any(route.age_ms is None for route in status.routes)
        for lane in status.lanes:
            looks = self._lanes.setdefault(lane.system, deque(maxlen=LOOKS_MAX))
            looks.append(_Look(at_s, lane.calls, lane.throttled, lane.used_share, lane.pending))
        for address in status.ingress:
            heard = self._heard.setdefault(address.system, deque(maxlen=LOOKS_MAX))
            accepted = address.accepted + address.duplicates
            heard.append(_Heard(at_s, address.told, address.missed, accepted, address.forged))
        wrong = {lane.system for lane in status.lanes if lane.state in ("refused", "outage", "paused")}
        wrong |= {read.system for read in status.pollers if read.trouble}
        for name in [lane.system for lane in status.lanes if lane.state == "paused"]:
            self._paused_s[name] = at_s
        for name in [route.name for route in status.routes if route.modes]:
            self._paused_s[name] = at_s
        for address in status.ingress:
            # What happened while nobody listened or nobody told, reads find.
            if self._starting or self.up_ms < WINDOW_S * 1000:
                self._heard_from_s[address.system] = at_s
            elif address.system in wrong:
                self._heard_from_s[address.system] = at_s + CATCH_UP_S
        self._listen(status, wrong)

    # --- this machine ---------------------------------------------------------------------------------

    def _clock(self, now_ms: int, at_s: float) -> None:
        if self._last is not None:
            by_ms = now_ms - self._last[0] - round((at_s - self._last[1]) * 1000)
            if abs(by_ms) > JUMP_MS:
                self.jump_ms, self.jumped_at_ms, self._jumped_s = by_ms, now_ms, at_s
        if self.jump_ms and at_s - self._jumped_s > JUMP_TOLD_S:
            self.jump_ms = 0
        self._last = now_ms, at_s

    @property
    def jumped_just_now(self) -> bool:
        """Whether ages and deadlines may be off because the clock jumped."""
        return bool(self.jump_ms) and self._now_s - self._jumped_s < JUMP_EXPLAINS_S

    def _log(self, status: Status, at_s: float) -> None:
        if not status.store.backlog or self._stuck is None or self._stuck[0] != status.store.applied_to:
            self._stuck = (status.store.applied_to, at_s)
        stuck_ms = round((at_s - self._stuck[1]) * 1000)
        self.stuck_since_ms = status.now_ms - stuck_ms if stuck_ms >= STUCK_MS else 0

    def _space(self, disk: tuple[int, int] | None, at_s: float) -> None:
        if disk is None:
            return
        free, total = disk
        if not self._disks or at_s - self._disks[-1][0] >= DISK_EVERY_S:
            self._disks.append((at_s, free))
        full_in_ms = self._full_in_ms(free, at_s)
        severity = ""
        if (free < DISK_LOW and free < DISK_LOW_SHARE * total) or 0 < full_in_ms < DISK_SOON_MS:
            severity = WARNING
        if (free < DISK_LEAST and free < DISK_LEAST_SHARE * total) or 0 < full_in_ms < DISK_AT_ONCE_MS:
            severity = CRITICAL
        self.disk = Disk(free, total, full_in_ms, severity)

    def _full_in_ms(self, free: int, at_s: float) -> int:
        """At the pace of the last hour, and of its last quarter if that is slower: a copy that ended is no trend."""
        paces = []
        for back_s in (3600.0, 900.0):
            before = [each for each in self._disks if at_s - each[0] >= back_s]
            if not before:
                return 0
            at, was = before[-1]
            paces.append((was - free) / (at_s - at))
        pace = min(paces)
        return round(1000 * free / pace) if pace > 0 else 0

    def paused(self, *names: str, within_s: float = RESUME_S) -> bool:
        """Whether a person stopped one of these systems or routes, or had a while ago: what waited is late then."""
        return any(self._now_s - self._paused_s.get(name, -1e18) < within_s for name in names)

    # --- systems --------------------------------------------------------------------------------------

    def budget(self, system: str) -> str:
        """What is wrong with a system's budget, in words; "" if nothing is."""
        looks = self._lanes.get(system)
        if not looks or self._starting:
            return ""
        now = looks[-1]
        before = next(each for each in looks if now.at_s - each.at_s <= MINUTE_S)
        calls, throttled = now.calls - before.calls, now.throttled - before.throttled
        if throttled >= THROTTLED_MIN and throttled >= THROTTLED_SHARE * calls:
            return f"asked us to slow down {throttled} times in a minute, at {max(calls, throttled)} calls"
        recent = [each for each in looks if now.at_s - each.at_s <= FULL_S + 10]
        if now.at_s - recent[0].at_s >= FULL_S and all(
            each.used_share >= FULL_SHARE and each.pending for each in recent
        ):
            return "its limit has been in use nearly whole for five minutes while work waited"
        return ""

    def _grown(self, system: str, *names: str, since_s: float = 0.0) -> tuple[int, ...]:
        """By how much counters have grown in the last ten minutes."""
        heard = self._heard.get(system, ())
        window = [each for each in heard if self._now_s - each.at_s <= WINDOW_S and each.at_s >= since_s]
        if not window:
            return (0,) * len(names)
        return tuple(getattr(window[-1], name) - getattr(window[0], name) for name in names)

    def lost(self, system: str) -> int:
        """How many changes of the last ten minutes no event told, if they are too many."""
        missed, told = self._grown(system, "missed", "told", since_s=self._heard_from_s.get(system, 0.0))
        return missed if missed >= LOST_MIN and missed >= LOST_SHARE * (missed + told) else 0

    def forged(self, system: str) -> int:
        """How many webhooks of the last ten minutes had a wrong signature, if they are most."""
        forged, accepted = self._grown(system, "forged", "accepted")
        return forged if forged >= FORGED_MIN and forged > accepted else 0

    def silent(self, system: str) -> int:
        """For how many milliseconds a feed has been silent, if that is news."""
        feed = self._feeds.get(system)
        return round(1000 * feed.silent_s) if feed is not None and feed.expected >= SILENCE else 0

    def _listen(self, status: Status, wrong: Collection[str]) -> None:
        sources = {route.source for route in status.routes}
        for address in status.ingress:
            if address.system in sources:
                feed = self._feeds.setdefault(address.system, _Feed())
                count = address.news + address.accepted + address.duplicates
                self._hear(feed, count, status.now_ms, quiet=address.system in wrong)

    def _hear(self, feed: _Feed, count: int, now_ms: int, *, quiet: bool) -> None:
        hour, minute = now_ms // HOUR_MS, now_ms // MINUTE_MS
        if hour != feed.hour:
            if feed.whole and hour == feed.hour + 1:
                feed.busy = remember(feed.busy, feed.hour, len(feed.minutes))
            feed.whole = feed.hour >= 0 and hour == feed.hour + 1
            feed.hour, feed.minutes = hour, set()
        if quiet or count != feed.seen:
            feed.expected = feed.silent_s = 0.0
            if count > feed.seen >= 0:
                feed.minutes.add(minute)
        else:
            feed.expected += rate_per_min(feed.busy, hour) * self._passed_s / MINUTE_S
            feed.silent_s += self._passed_s
        if quiet or feed.expected >= SILENCE:
            feed.whole = False
        feed.seen = count

    # --- what survives a restart ------------------------------------------------------------------------

    def learned(self) -> dict[str, dict[str, int]]:
        """How busy each system's feed was, hour by hour, to be kept."""
        return {
            name: {str(hour): n for hour, n in feed.busy.items()}
            for name, feed in self._feeds.items()
            if feed.busy
        }

    def recall(self, learned: Mapping[str, Mapping[str, int]]) -> None:
        """Take up what was kept."""
        for name, busy in learned.items():
            self._feeds.setdefault(name, _Feed()).busy = {int(hour): n for hour, n in busy.items()}
