"""Releasing everything that is parked for one reason, in one decision of one person.

Each entry is released as it would be alone, with its own line in the audit log. What has to be looked at one by one
stays: guard rails, full reads that are held back, and calls of which nobody can find out whether they took effect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from syncline.engine.engine import Engine
from syncline.engine.operations import COMPARED, SEE_PARKED, TITLES, VANISHED, NotPossible, Operations
from syncline.engine.words import NOTES, operation_title, plural
from syncline.model.errors import SynclineError

RELEASE_MAX = 200  # of one call
CALL_S_MAX = 15.0  # then it ends with what is done by then
LOOK_MAX = 5_000  # entries of one operation at one system that are looked through
# Of these a release says that somebody has looked: it writes what a guard holds back, or sends what may be there already.
GUARDED = frozenset({"price_jump", "price_zero", "ends_the_process", "restored"})
ALONE = "has to be decided one by one"


@dataclass(frozen=True, slots=True)
class Group:
    """What came of one kind: how many were released, why others were not, and how many are parked of it now."""

    system: str
    operation: str
    title: str
    reason: str
    released: int
    kept: dict[str, int]
    left: int


@dataclass(frozen=True, slots=True)
class Released:
    """What a release of many came to, in a sentence and by kind. ``left`` are parked of these kinds now."""

    message: str
    count: int
    left: int
    kinds: tuple[Group, ...]


def title_of(operation: str) -> str:
    """What all entries of an operation are called."""
    return TITLES.get(operation, f"Could not {operation_title(operation)}")


def alone(engine: Engine, system: str, operation: str, reason: str) -> bool:
    """Whether entries of a kind have to be decided one by one."""
    if operation in {"snapshot", *VANISHED, *NOTES} or reason in GUARDED:
        return True
    if operation == "apply" or operation in COMPARED or reason != "rejected":
        return False
    # A call whose answer was lost is parked as rejected where nothing can tell whether it took effect: sent again it
    # could take effect twice. The entries do not differ in anything else that a program could go by.
    known = engine.systems.get(system)
    rules = known.sink.operations.get(operation) if known is not None else None
    return rules is None or not (rules.look_up or rules.sets or rules.retry_same_key_ms)


async def release_many(
    operations: Operations,
    engine: Engine,
    *,
    by: str,
    system: str = "",
    operation: str = "",
    reason: str = "",
    until_ms: int | None = None,
) -> Released:
    """Release what is parked of the kinds that are named, the oldest first; at most ``RELEASE_MAX`` of them.

    Asked again it goes on with the rest. What is parked later than ``until_ms`` stays: nobody has seen it.

    Raises:
        NotPossible: neither an operation nor a reason is named, nothing of it is parked, or all of it has to be decided
            one by one.
    """
    if not operation and not reason:
        raise NotPossible("too_much", "Name a kind of work or a reason.", SEE_PARKED)
    asked = (system, operation, reason)
    found = [
        row
        for row in await engine.store.read("parked_groups")
        if all(wanted in ("", value) for wanted, value in zip(asked, row[:3], strict=True))
    ]
    named = ", ".join(part for part in asked if part)
    if not found:
        raise NotPossible("not_found", f"Nothing is parked of {named}.", SEE_PARKED)
    kinds = [row for row in found if not alone(engine, *row[:3])]
    if not kinds:
        raise NotPossible(
            "one_by_one",
            f"What is parked of {named} has to be decided one by one.",
            "Look at what each concerns, under Parked on the dashboard or by syncline parked show, and release or discard it.",
        )
    parked = sum(row[3] for row in kinds)
    await operations.audit.write(
        actor=by, action="release many", subject=f"parked: {named}", before=plural(parked, "entry", "entries")
    )
    ends_s = engine.clock.monotonic() + CALL_S_MAX
    began: list[tuple[tuple[str, str, str], int, Counter[str]]] = []
    room = RELEASE_MAX
    for of_system, of_operation, of_reason, *_ in kinds:
        released, kept = 0, Counter[str]()
        for number in await _numbers(engine, of_system, of_operation, of_reason, until_ms):
            if room == 0 or engine.clock.monotonic() >= ends_s:
                break
            room -= 1
            try:
                await operations.release(number, by=by)
            except SynclineError as error:
                kept[
                    str(error) if not isinstance(error, NotPossible) else KEPT.get(error.code, str(error))
                ] += 1
                if not isinstance(error, NotPossible):
                    room = 0  # the store, most likely: what is next would fail as well
            else:
                released += 1
        began.append(((of_system, of_operation, of_reason), released, kept))
    began += [(row[:3], 0, Counter({ALONE: row[3]})) for row in found if row not in kinds]
    return await _told(engine, began)


KEPT: Mapping[str, str] = {
    "resolved": "somebody else decided it meanwhile",
    "moved_on": "it moved on meanwhile",
    "erased": "its message was erased with the data of a person; discard it",
    "event_gone": "its message is not in the log any more; discard it",
}


async def _numbers(
    engine: Engine, system: str, operation: str, reason: str, until_ms: int | None
) -> list[int]:
    rows = await engine.store.read("parked_of", system=system, operations=[operation], limit=LOOK_MAX)
    return [
        number
        for number, _, _, why, _, at_ms in rows
        if why == reason and (until_ms is None or at_ms <= until_ms)
    ]


async def _told(engine: Engine, began: list[tuple[tuple[str, str, str], int, Counter[str]]]) -> Released:
    now = {tuple(row[:3]): row[3] for row in await engine.store.read("parked_groups")}
    kinds = tuple(
        Group(
            system,
            operation,
            title_of(operation),
            reason,
            released,
            dict(kept),
            now.get((system, operation, reason), 0),
        )
        for (system, operation, reason), released, kept in began
    )
    count, left = sum(one.released for one in kinds), sum(one.left for one in kinds)
    why = Counter[str]()
    for one in kinds:
        why.update(one.kept)
    goes = "it goes on by itself" if count == 1 else "they go on by themselves"
    told = [f"{plural(count, 'entry', 'entries')} released" + (f"; {goes}." if count else ".")]
    if left:
        of = "this kind" if len(kinds) == 1 else "these kinds"
        told.append(f"{left:,} of {of} {'is' if left == 1 else 'are'} still parked.")
    told += [f"{times:,}: {words}." for words, times in why.most_common()]
    return Released(" ".join(told), count, left, kinds)
