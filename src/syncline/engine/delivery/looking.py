"""Looking a fact up before it is sent, where the store cannot know whether it was sent already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from syncline.engine.delivery.build import Built, Found, Refuse, Send, Skip, Wait
from syncline.engine.rewind import STATE_OPERATIONS, Rewind
from syncline.model.copying import replace
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import SynclineError
from syncline.model.payloads import PutOrder
from syncline.ports import Clock, Row, System

AGAIN_S = 5.0  # until a look-up that failed, or that may be too early, is made again
UNTELLABLE = (
    "the store was restored from a backup, and the vendor offers no way to find out whether this was sent after it: "
    "check there, then discard this entry, or release it to send it"
)

log = structlog.get_logger(__name__)


class Looking:
    """Asks one system for facts by their reference, before they are sent to it."""

    def __init__(self, system: System, clock: Clock, rewind: Rewind) -> None:
        self._system = system
        self._clock = clock
        self._rewind = rewind

    async def before(
        self, operation: str, built: Mapping[str, Built], known: Mapping[str, Row]
    ) -> dict[str, Built]:
        """What is to be done with each key, now that it was looked for. Makes no call where nothing was restored."""
        rules = self._system.sink.operations[operation]
        # What sets a record whole looks at it anyway.
        if operation in STATE_OPERATIONS or rules.reads_only or rules.sets:
            return dict(built)
        looked: dict[str, Built] = {}
        for key, what in built.items():
            if isinstance(what, Send) and self._rewind.looks_up(_since(what, known[key][4])):
                # A fact is made once; it is of a later generation when a person released it.
                looked[key] = await self._look(operation, key, what, released=known[key][3] > 1)
            else:
                looked[key] = what
        return looked

    async def later(self, operation: str, item: Item, age_ms: int) -> Outcome:
        """What became of a call of this age whose answer was lost, as far as the vendor tells."""
        try:
            found = await self._system.sink.look_up(operation, item)
        except SynclineError as error:
            return Outcome(Result.UNKNOWN, str(error))
        if found is not None:
            return found
        if age_ms < self._system.sink.operations[operation].look_up_window_ms:
            return Outcome(Result.UNKNOWN, "not there yet")
        return Outcome(Result.RETRY, "looked up: it never took effect", 0.0)

    async def refused(
        self, operation: str, answered: Sequence[tuple[Item, Outcome]], known: Mapping[str, Row]
    ) -> list[tuple[Item, Outcome]]:
        """The same outcomes; what was refused because an attempt before this one has taken effect after all is done.

        That one was looked for in vain: it was late, by a vendor or by a process of ours that stood still. Where the
        vendor cannot say just now, the outcome is not known.
        """
        rules = self._system.sink.operations[operation]
        if not rules.look_up:
            return list(answered)
        told = []
        for item, outcome in answered:
            again = item.key in known and known[item.key][7] > 0
            if outcome.result is Result.REJECTED and again and not getattr(item.payload, "external_id", ""):
                found = await self.later(operation, item, rules.look_up_window_ms)
                told.append((item, found if found.result in (Result.DONE, Result.UNKNOWN) else outcome))
            else:
                told.append((item, outcome))
        return told

    async def _look(self, operation: str, key: str, send: Send, *, released: bool) -> Built:
        rules = self._system.sink.operations[operation]
        if not rules.look_up:
            return send if released else Refuse("restored", UNTELLABLE)
        found = await self._find(operation, Item(key, send.payload))
        if isinstance(found, Wait):
            return found
        payload = send.payload
        theirs = found is not None and "adopted" in found.facts  # another connector's: taken as it is
        if (
            found is not None
            and isinstance(payload, PutOrder)
            and not payload.external_id
            and _there(found)
            and not theirs
        ):
            # It is there; whether as it is now is another question.
            payload = replace(payload, external_id=str(found.facts["external_id"]))
            found = await self._find(operation, Item(key, payload))
            if isinstance(found, Wait):
                return found
            if found is None:
                return Send(payload, send.note)
        if found is None:
            return self._absent(send, rules.look_up_window_ms)
        if not _there(found):
            return send if released else Refuse("restored", found.message)
        log.info("found", action="rewind_found", system=self._system.name, operation=operation, key=key)
        return Found(payload, found, send.note)

    def _absent(self, send: Send, window_ms: int) -> Built:
        """It is not there: that counts once everything sent before the restore must show."""
        assert self._rewind.mark is not None
        if self._clock.now_ms() < self._rewind.mark.restored_at_ms + window_ms:
            return Wait("not there yet, and perhaps on its way from before the restore", AGAIN_S)
        payload = send.payload
        if isinstance(payload, PutOrder) and not payload.external_id and _cancelled(payload):
            return Skip("cancelled before the ERP heard of it")
        return send

    async def _find(self, operation: str, item: Item) -> Outcome | Wait | None:
        try:
            return await self._system.sink.look_up(operation, item)
        except SynclineError as error:
            return Wait(f"cannot be looked up: {error}", AGAIN_S)


def _there(found: Outcome) -> bool:
    return found.result is Result.DONE


def _cancelled(payload: PutOrder) -> bool:
    return payload.order.cancelled_at_ms is not None


def _since(send: Send, first_changed_at_ms: int) -> int:
    """When the fact came to be. An order that changed later may have been sent as it was before."""
    payload = send.payload
    if isinstance(payload, PutOrder):
        return min(payload.order.placed_at_ms, first_changed_at_ms)
    return first_changed_at_ms
