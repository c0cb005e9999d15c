"""Between decoding and applying: requests are taken out of the log, and whoever was erased stays so.

A message may tell of an order again after its buyer was erased: one that was late, one that a poll repeats, a restored
store that reads everything anew. It is applied without the person, and its body is dropped in the same transaction.
Nothing is asked of a store in which nobody was ever erased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from syncline.engine.privacy.cases import asked, case_of, noted
from syncline.engine.privacy.persons import company_without, order_without
from syncline.model.change import Change, Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.customers import Company
from syncline.model.privacy import Ask, PrivacyRequest
from syncline.model.records import Order
from syncline.ports import Store, Write

Decoded = tuple[LoggedEvent, list[Change]]
KINDS = frozenset({Kind.ORDER, Kind.CUSTOMER})  # the records that tell who somebody is


class Intake:
    """What the applier asks about everything that it decoded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: Callable[[], None] = lambda: None
        self.active = False

    def watch(self, asked: Callable[[], None]) -> None:
        """``asked`` is called once requests are stored."""
        self._asked = asked

    async def load(self) -> None:
        """See whether anything was ever asked; called before anything is applied."""
        self.active = bool(await self._store.read("privacies", state="", after="", limit=1))

    def stored(self) -> None:
        """A transaction with ``taken``'s writes is on disk."""
        self._asked()

    async def taken(self, decoded: Sequence[Decoded]) -> tuple[list[Decoded], list[Write]]:
        """The same changes without requests and without who was erased, and what has to be written with them."""
        requests = [
            (logged, change.value)
            for logged, changes in decoded
            for change in changes
            if isinstance(change.value, PrivacyRequest)
        ]
        self.active = self.active or bool(requests)
        if not self.active:
            return list(decoded), []
        erased = await self._erased(decoded)
        kept: list[Decoded] = []
        dropped: list[dict[str, int]] = []
        for logged, changes in decoded:
            told = [_without(logged, change, erased) for change in changes]
            if len(changes) != sum(same for _, same in told):
                dropped.append({"offset": logged.offset})
                logged = replace(logged, event=replace(logged.event, body=b""))  # noqa: PLW2901
            kept.append(
                (logged, [one for one, _ in told if one is not None]),
            )
        cases = {
            request.id: case_of(logged.event.system, request, by="", now_ms=logged.received_at_ms)
            for logged, request in requests
        }
        writes: list[Write] = []
        for case in cases.values():
            if not await self._store.read("privacy_get", id=case.id):
                writes += [asked(case), *([noted(case)] if case.ask is Ask.EXPORT else [])]
        return kept, [*writes, Write("event_erase", dropped, told=False)] if dropped else writes

    async def _erased(self, decoded: Sequence[Decoded]) -> set[tuple[str, Kind, str]]:
        """Which of the records that are told of belong to somebody who was erased."""
        keys: dict[tuple[str, Kind], dict[str, None]] = {}
        for logged, changes in decoded:
            for change in changes:
                if change.kind in KINDS:
                    keys.setdefault((logged.event.system, change.kind), {})[change.key] = None
        return {
            (system, kind, key)
            for (system, kind), wanted in keys.items()
            for (key,) in await self._store.read(
                "erased_among", system=system, kind=kind.value, keys=list(wanted)
            )
        }


def _without(
    logged: LoggedEvent, change: Change, erased: set[tuple[str, Kind, str]]
) -> tuple[Change | None, bool]:
    """A change as it may be applied (``None``: not at all), and whether its message may be kept."""
    value = change.value
    if isinstance(value, PrivacyRequest):
        return None, False
    if (logged.event.system, change.kind, change.key) not in erased:
        return change, True
    if isinstance(value, Order):
        return replace(change, value=order_without(value)), False
    if isinstance(value, Company):
        return replace(change, value=company_without(value)), False
    return change, False
