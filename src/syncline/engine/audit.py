"""Who did what: append-only, each row chained to the one before by its hash."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from syncline.ports import Clock, Row, Store, Write

PAGE = 1_000


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

    async def newest(self, *, before: int = 2**62, limit: int = 100) -> list[AuditEntry]:
        """Entries, newest first."""
        return [AuditEntry(*row) for row in await self._store.read("audit_tail", before=before, limit=limit)]

    async def verify(self) -> AuditCheck:
        """Follow the chain from the first entry to the last."""
        previous, after, entries = "", 0, 0
        while True:
            rows: Sequence[Row] = await self._store.read("audits", after=after, limit=PAGE)
            for number, at_ms, actor, action, subject, was, became, chain in rows:
                if chain != link(previous, at_ms, actor, action, subject, was, became):
                    message = f"Entry {number} was altered, or one before it was removed."
                    return AuditCheck(
                        holds=False, entries=entries, head=previous, broken_at=number, message=message
                    )
                previous, after = chain, number
                entries += 1
            if len(rows) < PAGE:
                message = (
                    f"All {entries:,} entries are there and unaltered." if entries else "No entries yet."
                )
                return AuditCheck(holds=True, entries=entries, head=previous, broken_at=0, message=message)
