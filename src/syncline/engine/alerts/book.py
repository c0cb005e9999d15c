"""The book of alerts: one entry for one cause, from its first message to its last.

What follows from a cause is a part of its entry. An entry opens once its cause has lasted, is told again in
growing intervals while it lasts, and closes when nothing of it has been seen for a while; if it comes back
soon, it is the same entry, and has to be quiet for longer before it closes. The book says what is to be told;
who tells it, and by which way it has been told already, is written beside it. All of it is one small document
in the store, so that a restart neither forgets nor repeats anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from syncline.engine.alerts.conditions import Condition, many
from syncline.engine.alerts.kinds import CRITICAL
from syncline.engine.words import DAY_MS, HOUR_MS, MINUTE_MS
from syncline.model.copying import replace

OPEN_MAX = 100
CLOSED_MAX = 100
CLOSED_KEPT_MS = 7 * DAY_MS
SYMPTOMS_MAX = 8
CALM_S = 60.0  # nothing seen for so long: it has ended
CALM_MAX_S = 1800.0  # for what comes back again and again
CALM_RESTART_S = 300.0  # after a restart it takes a while until everything has been tried again
AGAIN_MS = 15 * MINUTE_MS  # what comes back within is the same alert
LINGER_S = 900.0  # so long what follows from a cause is still its part after the cause itself has ended
TAIL_MS = 65 * MINUTE_MS  # figures of the last hour show a cause for so long
TEXT_MAX = 600


class Entry(msgspec.Struct):
    """One alert. ``n`` counts its messages, ``told`` says how many of them each way has taken.

    ``event`` is what its newest message says: opened, changed (the cause is known by now), worse, repeated,
    again or closed. ``causes`` are the keys that it may turn out to follow from.
    """

    id: str
    key: str
    kind: str
    severity: str
    title: str
    stake: str
    mend: str
    since_ms: int
    opened_at_ms: int
    event: str = "opened"
    n: int = 1
    said_at_ms: int = 0
    repeats: int = 0
    times: int = 1
    closed_at_ms: int = 0
    acked_by: str = ""
    acked_at_ms: int = 0
    symptoms: list[str] = []
    causes: list[str] = []
    told: dict[str, int] = {}

    @property
    def open(self) -> bool:
        """Whether it lasts."""
        return not self.closed_at_ms


class Kept(msgspec.Struct):
    """What is in the store: the book, and what trends have learned."""

    entries: list[Entry] = []
    learned: dict[str, dict[str, int]] = {}


@dataclass(slots=True)
class _Seen:
    """When an open entry was last seen, by the steady clock: anything of it, and the cause itself."""

    at_s: float
    cause_at_s: float
    calm_s: float


class Book:
    """Takes what is wrong at each look; knows what has been said."""

    def __init__(
        self, new_id: Callable[[], str], *, repeat_ms: int = HOUR_MS, repeat_max_ms: int = DAY_MS
    ) -> None:
        self._new_id = new_id
        self._repeat_ms = repeat_ms
        self._repeat_max_ms = repeat_max_ms
        self.entries: list[Entry] = []
        self._seen: dict[str, _Seen] = {}
        self._first_s: dict[str, float] = {}
        self.changed = False

    # --- reading --------------------------------------------------------------------------------------

    def open(self) -> list[Entry]:
        """What lasts, critical first, then the oldest."""
        lasting = [entry for entry in self.entries if entry.open]
        return sorted(lasting, key=lambda entry: (entry.severity != CRITICAL, entry.opened_at_ms))

    def closed(self) -> list[Entry]:
        """What has ended, newest first."""
        return sorted((e for e in self.entries if not e.open), key=lambda entry: -entry.closed_at_ms)

    def find(self, key: str) -> Entry | None:
        """The open entry of a cause."""
        return next((entry for entry in self.entries if entry.open and entry.key == key), None)

    def untold(self, way: str) -> list[Entry]:
        """What a way has still to tell, in the order in which it was said."""
        return sorted(
            (entry for entry in self.entries if entry.told.get(way, 0) < entry.n), key=lambda e: e.said_at_ms
        )

    # --- one look -------------------------------------------------------------------------------------

    def look(self, found: Sequence[Condition], now_ms: int, at_s: float) -> None:
        """Take in what is wrong now."""
        found = [each for each in found if not (each.tail and self._explained(each, now_ms))]
        found = [_placed(each, found) if each.tail else each for each in found]
        self._first_s = {each.key: self._first_s.get(each.key, at_s) for each in found}
        present = {each.key: each for each in found}
        parts: dict[str, list[Condition]] = {}
        for each in found:
            parts.setdefault(self._root(each, present, at_s), []).append(each)
        untold = 0
        for key, group in sorted(parts.items(), key=lambda part: _rank(part[0], part[1])):
            head = present.get(key)
            entry = self.find(key)
            if entry is None and head is not None:
                lasts = at_s - self._first_s[key] >= head.after_ms / 1000
                entry = self._before(head, group)
                if entry is not None and not lasts:  # not sure yet that this is the cause of what was told
                    own = present.get(entry.key)
                    self._update(entry, own, [own] if own else group, now_ms, at_s)
                    continue
                if not lasts:
                    continue
                if entry is not None:
                    self._adopt(entry, head)
                elif len(self.open()) < OPEN_MAX:
                    entry = self._begin(head, now_ms)
                    self._seen[entry.id] = _Seen(at_s, at_s, _calm_s(entry.times))
                else:
                    untold += 1
            if entry is not None:
                self._update(entry, head, group, now_ms, at_s)
        if untold:
            rest = many(untold)
            entry = self.find(rest.key) or self._begin(rest, now_ms)
            self._update(entry, rest, [rest], now_ms, at_s)
        self._end(now_ms, at_s)

    def _before(self, head: Condition, group: Sequence[Condition]) -> Entry | None:
        """The open entry that turns out to be this: of something that follows from it, or of a cause that is over.

        What follows from it need not be seen at this very moment.
        """
        keys = [*(each.key for each in group), *head.causes]
        known = next((entry for key in keys if (entry := self.find(key))), None)
        return known or next((entry for entry in self.open() if head.key in entry.causes), None)

    def _root(self, each: Condition, present: Mapping[str, Condition], at_s: float) -> str:
        """The key of the alert that this belongs to: its cause's, or that of the cause's cause.

        Should causes ever name each other in a circle, it is the same one for all of them.
        """
        path = [each.key]
        while path[-1] in present:
            causes = present[path[-1]].causes
            cause = next((key for key in causes if key in present or self._lingers(key, at_s)), path[-1])
            if cause in path:
                return min(path[path.index(cause) :])
            path.append(cause)
        return path[-1]

    def _lingers(self, key: str, at_s: float) -> bool:
        """Whether a cause that is over is still told as one, because what followed from it may take a while."""
        entry = self.find(key)
        seen = self._seen.get(entry.id) if entry is not None else None
        return entry is not None and (seen is None or at_s - seen.cause_at_s < LINGER_S)

    def _explained(self, each: Condition, now_ms: int) -> bool:
        """Whether a figure over past time shows what an alert has told already."""
        return any(
            (entry.key in each.causes or _system(entry.key) in each.around)
            and (entry.open or now_ms - entry.closed_at_ms < TAIL_MS)
            for entry in self.entries
        )

    def _adopt(self, entry: Entry, head: Condition) -> None:
        entry.key, entry.kind = head.key, head.kind
        self._fill(entry, head)
        entry.severity = CRITICAL if CRITICAL in (entry.severity, head.severity) else head.severity
        self._say(entry, "changed", entry.said_at_ms)

    def _begin(self, head: Condition, now_ms: int) -> Entry:
        for before in self.closed():
            same = before.key in (head.key, *head.causes) or head.key in before.causes
            if same and now_ms - before.closed_at_ms < AGAIN_MS:
                before.key, before.kind = head.key, head.kind
                before.closed_at_ms = before.repeats = 0
                before.times += 1
                before.severity = head.severity
                self._fill(before, head)
                self._say(before, "again", now_ms)
                return before
        entry = Entry(
            id=self._new_id(),
            key=head.key,
            kind=head.kind,
            severity=head.severity,
            title="",
            stake="",
            mend="",
            since_ms=head.since_ms or now_ms,
            opened_at_ms=now_ms,
            said_at_ms=now_ms,
            symptoms=[],
            told={},
        )
        self._fill(entry, head)
        self.entries.append(entry)
        self.changed = True
        return entry

    def _fill(self, entry: Entry, head: Condition) -> None:
        entry.title, entry.stake, entry.mend = (
            text[:TEXT_MAX] for text in (head.title, head.stake, head.mend)
        )
        entry.causes = list(head.causes)

    def _update(
        self, entry: Entry, head: Condition | None, group: Sequence[Condition], now_ms: int, at_s: float
    ) -> None:
        seen = self._seen.setdefault(entry.id, _Seen(at_s, at_s, CALM_RESTART_S))
        if head is not None:
            seen.cause_at_s = at_s
            self._fill(entry, head)
        if head is not None or any(not each.tail for each in group):
            seen.at_s = at_s
        entry.symptoms = [each.title for each in group if each.key != entry.key][:SYMPTOMS_MAX]
        worst = CRITICAL if head is not None and head.severity == CRITICAL else entry.severity
        if worst != entry.severity:
            entry.severity, entry.acked_by, entry.acked_at_ms = worst, "", 0
            self._say(entry, "worse", now_ms)
        interval_ms = min(self._repeat_max_ms, self._repeat_ms << min(entry.repeats, 20))
        if not entry.acked_by and now_ms - entry.said_at_ms >= interval_ms:
            entry.repeats += 1
            self._say(entry, "repeated", now_ms)

    def _say(self, entry: Entry, event: str, now_ms: int) -> None:
        entry.event = event
        entry.n += 1
        entry.said_at_ms = now_ms
        self.changed = True

    def _end(self, now_ms: int, at_s: float) -> None:
        for entry in self.entries:
            if not entry.open:
                continue
            seen = self._seen.setdefault(entry.id, _Seen(at_s, at_s, CALM_RESTART_S))
            if at_s - seen.at_s >= seen.calm_s:
                entry.closed_at_ms = now_ms
                del self._seen[entry.id]
                self._say(entry, "closed", now_ms)
        kept = {
            entry.id for entry in self.closed()[:CLOSED_MAX] if now_ms - entry.closed_at_ms < CLOSED_KEPT_MS
        }
        if any(not entry.open and entry.id not in kept for entry in self.entries):
            self.entries = [entry for entry in self.entries if entry.open or entry.id in kept]
            self.changed = True

    # --- what people and ways say -----------------------------------------------------------------------

    def acknowledge(self, key: str, by: str, now_ms: int) -> Entry | None:
        """Somebody looks after it: no repeats until it gets worse, or ends and comes back."""
        entry = self.find(key)
        if entry is not None:
            entry.acked_by, entry.acked_at_ms = by, now_ms
            self.changed = True
        return entry

    def taken(self, entry: Entry, way: str, n: int) -> None:
        """A way has told an entry's message."""
        entry.told[way] = max(n, entry.told.get(way, 0))
        self.changed = True

    def keep_ways(self, names: Iterable[str]) -> None:
        """Nobody waits for a way that is not configured any more; a new one begins with what is open."""
        known = set(names)
        for entry in self.entries:
            entry.told = {name: n for name, n in entry.told.items() if name in known}
            if not entry.open:
                entry.told |= dict.fromkeys(known - set(entry.told), entry.n)


def _placed(tail: Condition, found: Sequence[Condition]) -> Condition:
    """A figure over past time, as a part of what is wrong with its systems now, told before it or not yet."""
    around = [each.key for each in found if not each.tail and _system(each.key) in tail.around]
    return replace(tail, causes=(*tail.causes, *around))


def _system(key: str) -> str:
    return key.partition("/")[2].partition(".")[0]


def _calm_s(times: int) -> float:
    return min(CALM_MAX_S, CALM_S * 2.0 ** min(times - 1, 10))


def _rank(key: str, group: Sequence[Condition]) -> tuple[bool, str]:
    return (not any(each.severity == CRITICAL for each in group), key)
