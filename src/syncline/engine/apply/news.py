"""How news of each system comes: by its events, or only because a read found what no event told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from syncline.model.change import Kind

Name = tuple[str, Kind, str]  # system, kind and key of a record

EVENT_LATE_MS = 60_000  # what is older when a read finds it, no event will tell any more
AWAITED_MAX = 10_000  # found by reads, and perhaps still to be told by an event


class Heard(StrEnum):
    """How a piece of news came: an event told it, a read found it long after one should have, or soon."""

    TOLD = "told"
    MISSED = "missed"
    READ = "read"


class News:
    """Counts of news by system, since the start, kept in memory.

    A read that finds something before its event could be late proves nothing yet. It counts as missed when no event
    has told of that record a minute later; without that, a system whose reads are frequent would never be seen to
    have lost its events.
    """

    def __init__(self) -> None:
        self.all: Counter[str] = Counter()  # however it came
        self.told: Counter[str] = Counter()  # by events
        self._missed: Counter[str] = Counter()
        self._told_kinds: set[tuple[str, Kind]] = set()
        self._awaited: dict[Name, int] = {}  # oldest first

    def count(
        self,
        heard: Mapping[tuple[str, Kind, Heard], int],
        told: Iterable[Name],
        found: Iterable[Name],
        now_ms: int,
    ) -> None:
        """Take in what one batch applied.

        Args:
            heard: news by how it came.
            told: every record that an event told of, news or not.
            found: records that a read found before an event could be late.
            now_ms: the moment.
        """
        for (system, kind, how), count in heard.items():
            self.all[system] += count
            if how is Heard.TOLD:
                self.told[system] += count
                self._told_kinds.add((system, kind))
            elif how is Heard.MISSED and (system, kind) in self._told_kinds:
                self._missed[system] += count
        for name in found:
            if name[:2] in self._told_kinds and len(self._awaited) < AWAITED_MAX:
                self._awaited.setdefault(name, now_ms)
        for name in told:
            self._awaited.pop(name, None)

    def missed(self, system: str, now_ms: int) -> int:
        """News of a system that a read had to find although events tell of such."""
        for name, at_ms in list(self._awaited.items()):
            if now_ms - at_ms <= EVENT_LATE_MS:
                break
            del self._awaited[name]
            self._missed[name[0]] += 1
        return self._missed[system]
