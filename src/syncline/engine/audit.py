"""Who did what: append-only, each row chained to the one before by its hash.

Texts of a row are erased where they tell of a person who asked for that. Its hash cannot be computed again then, so a later
entry vouches for it: it names the row, its hash, and the hash of the row as it was left. An altered row is thereby told from
an erased one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from syncline.ports import Clock, Row, Store, Write

PAGE = 1_000
ERASED = "[erased]"
VOUCH = "erase audit text"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of one named person, or one that was refused."""

    id: int
    at_ms: int
    actor: str
    action: str
    subject: str
    before: str
    after: str
    chain: str


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """Whether the chain holds. ``head`` can be noted elsewhere: it proves that the end is still there."""

    holds: bool
    entries: int
    head: str
    broken_at: int
    message: str


def link(previous: str, at_ms: int, actor: str, action: str, subject: str, before: str, after: str) -> str:
    """The hash of a row and, through ``previous``, of every row before it."""
    row = msgspec.json.encode([at_ms, actor, action, subject, before, after])
    return hashlib.sha256(previous.encode() + row).hexdigest()


class Audit:
    """Writes entries together with what they tell of, and proves that none is missing."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._alone = asyncio.Lock()  # the next link needs the one before, so one action at a time

    async def write(
        self,
        *writes: Write,
        actor: str,
        action: str,
        subject: str,
        before: str = "",
        after: str = "",
    ) -> list[list[Row]]:
        """Run ``writes`` and record them, in one transaction. Returns what ``writes`` returned.

        Raises:
            Fenced: a guarded write did not find its row; nothing happened and nothing is recorded.
        """
        async with self._alone:
            last = await self._store.read("audit_last")
            now_ms = self._clock.now_ms()
            chain = link(last[0][0] if last else "", now_ms, actor, action, subject, before, after)
            row = {
                "now_ms": now_ms,
                "actor": actor,
                "action": action,
                "subject": subject,
                "before": before,
                "after": after,
                "chain": chain,
            }
            return (await self._store.write(*writes, Write("audit_put", [row])))[:-1]

    async def erase(self, row: Row, previous: str, *, actor: str, why: str) -> int:
        """Erase the texts of an entry, a row of ``audits``, and vouch for the rest; how many were erased.

        ``previous`` is the hash of the entry before it.
        """
        number, at_ms, by, action, subject, was, became, chain = row
        before, after = ERASED if was else "", ERASED if became else ""
        if (before, after) == (was, became) or action == VOUCH:
            return 0
        await self.write(
            Write("audit_erase", [{"id": number, "before": before, "after": after}], told=False),
            actor=actor,
            action=VOUCH,
            subject=f"entry {number}: {why}",
            before=chain,
            after=link(previous, at_ms, by, action, subject, before, after),
        )
        return 1

    async def newest(self, *, before: int = 2**62, limit: int = 100) -> list[AuditEntry]:
        """Entries, newest first."""
        return [AuditEntry(*row) for row in await self._store.read("audit_tail", before=before, limit=limit)]

    async def verify(self) -> AuditCheck:
        """Follow the chain from the first entry to the last."""
        previous, after, entries = "", 0, 0
        unvouched: dict[int, tuple[str, str]] = {}  # erased entries, until a later one vouches for them
        while True:
            rows: Sequence[Row] = await self._store.read("audits", after=after, limit=PAGE)
            for number, at_ms, actor, action, subject, was, became, chain in rows:
                if chain != link(previous, at_ms, actor, action, subject, was, became):
                    if ERASED not in (was, became):
                        return _broken(number, entries, previous)
                    unvouched[number] = chain, link(previous, at_ms, actor, action, subject, was, became)
                elif action == VOUCH:
                    named = subject.removeprefix("entry ").partition(":")[0]
                    if named.isdecimal() and unvouched.get(int(named)) == (was, became):
                        del unvouched[int(named)]
                previous, after = chain, number
                entries += 1
            if len(rows) < PAGE:
                if unvouched:
                    return _broken(min(unvouched), entries, previous)
                message = (
                    f"All {entries:,} entries are there and unaltered." if entries else "No entries yet."
                )
                return AuditCheck(holds=True, entries=entries, head=previous, broken_at=0, message=message)


def _broken(number: int, entries: int, head: str) -> AuditCheck:
    message = f"Entry {number} was altered, or one before it was removed."
    return AuditCheck(holds=False, entries=entries, head=head, broken_at=number, message=message)
