"""What a person may declare: a pause of a route or a system, its end, and which routes only rehearse.

Each is one guarded transaction with its entry in the audit log, so that two people who do the same do it once, and it
holds from the moment that the call returns: what is under way then ends, nothing else begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncline.engine.audit import Audit
from syncline.engine.engine import Engine
from syncline.engine.modes import WORDS, Stop
from syncline.engine.operations import Done, NotPossible
from syncline.engine.words import duration, plural
from syncline.model.errors import Fenced
from syncline.ports import Write

REASON_MAX = 300


def named(engine: Engine, subject: str, *, systems: bool = False, routes: bool = False) -> str:
    """The one system or route that a person means: by its name, or by a flow that only one route has.

    Raises:
        NotPossible: there is none, or there are several; says which there are.
    """
    every = engine.routes.all if routes else ()
    known = [*(engine.systems if systems else ()), *(route.name for route in every)]
    if subject in known:
        return subject
    found = [route.name for route in every if route.flow.value == subject]
    if len(found) == 1:
        return found[0]
    what = " or ".join(["system"] * systems + ["route"] * routes)
    said = f"There is no {what} {subject!r}." if subject else f"Name a {what}."
    raise NotPossible("not_found", said, f"There are {', '.join(found or known)}.")


class Switches:
    """The switches of one engine. ``subject`` is a system, a route's name, or a flow that only one route has."""

    def __init__(self, engine: Engine, audit: Audit) -> None:
        self._engine = engine
        self._audit = audit

    async def pause(self, subject: str, *, reason: str = "", by: str) -> Done:
        """Send nothing more to a system, or of a route. Reading goes on.

        Raises:
            NotPossible: there is no such thing, or it is paused already.
        """
        subject = named(self._engine, subject, systems=True, routes=True)
        await self._begin(subject, Stop.PAUSED, "pause", reason, by)
        told = f"{subject} is paused. {self._under_way(subject)}".strip()
        return Done(told, await self._waiting(subject))

    async def resume(self, subject: str, *, by: str) -> Done:
        """Send again what waits, as it is now, in order of deadline.

        Raises:
            NotPossible: there is no such thing, or it is not paused.
        """
        subject = named(self._engine, subject, systems=True, routes=True)
        count = await self._waiting(subject)
        await self._end(subject, Stop.PAUSED, "resume", by)
        stop = self._engine.modes.stop_of(subject)
        if stop is Stop.PAUSED:
            return Done(f"{subject} is resumed, but nothing is sent while the system is paused.", count)
        if stop is Stop.SHADOW:
            return Done(
                f"{subject} is resumed, and stays in shadow: it is compared, nothing is written.", count
            )
        return Done(f"{subject} is resumed. What waits goes out as it is now, in order of deadline.", count)

    async def shadow(self, routes: Sequence[str], *, reason: str = "", by: str) -> Done:
        """Let routes compute and compare what they would write, and write nothing. No route: all.

        Raises:
            NotPossible: there is no such route, or every one of them is in shadow already.
        """
        names = [named(self._engine, route, routes=True) for route in routes]
        names = names or [route.name for route in self._engine.routes.all]
        begun = []
        for name in dict.fromkeys(names):
            try:
                await self._begin(name, Stop.SHADOW, "shadow", reason, by)
            except NotPossible:
                if len(names) == 1:
                    raise
            else:
                begun.append(name)
        told = ", ".join(begun) or "Nothing more"
        under_way = " ".join(filter(None, map(self._under_way, begun)))
        is_are = "is" if len(begun) < 2 else "are"
        return Done(f"{told} {is_are} in shadow: nothing is written. {under_way}".strip(), len(begun))

    async def live(self, route: str, *, by: str) -> Done:
        """Let a route write again: what is right there is left alone, the rest goes out in order of deadline.

        Raises:
            NotPossible: there is no such route, or it is not in shadow.
        """
        name = named(self._engine, route, routes=True)
        count = await self._waiting(name)
        await self._end(name, Stop.SHADOW, "live", by)
        paused = ", as soon as its pause ends" if self._engine.modes.stop_of(name) is Stop.PAUSED else ""
        return Done(f"{name} is live: what differs goes out{paused}, in order of deadline.", count)

    async def _begin(self, subject: str, mode: Stop, action: str, reason: str, by: str) -> None:
        reason = reason.strip()[:REASON_MAX]
        row = {
            "subject": subject,
            "mode": mode.value,
            "now_ms": self._engine.clock.now_ms(),
            "actor": by,
            "reason": reason,
        }
        try:
            await self._audit.write(
                Write("mode_begin", [row], guard=True),
                actor=by,
                action=action,
                subject=subject,
                before=self._engine.modes.stop_of(subject).value or "sends",
                after=f"{mode.value}: {reason}" if reason else mode.value,
            )
        except Fenced as error:
            await self._engine.mode_watch.refresh()
            raise NotPossible(
                "already", f"{subject} is {WORDS[mode]} already.", "Nothing is left to do."
            ) from error
        await self._engine.mode_watch.refresh()

    async def _end(self, subject: str, mode: Stop, action: str, by: str) -> None:
        now_ms = self._engine.clock.now_ms()
        before = next(
            (
                one
                for one in self._engine.modes.all
                if (one.subject, one.mode, one.until_ms) == (subject, mode, None)
            ),
            None,
        )
        was = (
            f"{mode.value} by {before.by} for {duration(now_ms - before.since_ms)}" if before else mode.value
        )
        row = {"subject": subject, "mode": mode.value, "now_ms": now_ms}
        try:
            await self._audit.write(
                Write("mode_end", [row], guard=True), actor=by, action=action, subject=subject, before=was
            )
        except Fenced as error:
            await self._engine.mode_watch.refresh()
            raise NotPossible(
                "not_so", f"{subject} is not {WORDS[mode]}.", "Nothing is left to do."
            ) from error
        await self._engine.mode_watch.refresh()

    def _concerned(self, subject: str) -> list[str]:
        return [route.name for route in self._engine.routes.all if subject in (route.name, route.sink)]

    def _under_way(self, subject: str) -> str:
        """How many calls still end by themselves."""
        names = self._concerned(subject)
        count = sum(lane.stops.sending[name] for lane in self._engine.lanes.values() for name in names)
        return f"{plural(count, 'write')} under way still {'ends' if count == 1 else 'end'}." if count else ""

    async def _waiting(self, subject: str) -> int:
        """How many deliveries wait for a subject."""
        names = self._concerned(subject)
        rows = await self._engine.store.read("delivery_summary", now_ms=self._engine.clock.now_ms())
        return sum(row[4] for row in rows if row[2] in names and row[3] != "parked")
