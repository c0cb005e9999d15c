"""The user-event script of ``../suitescript``, re-enacted.

NetSuite has no webhooks. Our script writes an outbox record in ``afterSubmit``, tries to post it at
once, and a scheduled script sends again what was not accepted. This module does exactly what
``sl_user_event.js`` and ``sl_outbox_drain.js`` do; the contract stands in their README.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from syncline.connectors.netsuite.simulator import kits
from syncline.connectors.netsuite.simulator.state import Account, Txn
from syncline.connectors.netsuite.simulator.stock import Key
from syncline.model.errors import SynclineError
from syncline.ports import Clock, Request, Transport
from syncline.sdk.simulator import Faults

POST_TIMEOUT_S = 5.0
DRAIN_EVERY_MS = 15 * 60_000  # the shortest schedule that a scheduled script can have
DRAIN_BATCH_MAX = 500  # 12 units each of the 10,000 that a scheduled script may use
ROWS_MAX = 2_000  # lines or levels in one outbox record
REFUSED = (400, 413, 422)  # for its content, and it would be again
SETTLE_MS = 60_000  # the drain leaves entries alone that the immediate post may still be sending


@dataclass(slots=True)
class Entry:
    """One outbox record."""

    seq: int
    event_id: str
    body: bytes
    created_ms: int
    lost: bool = False
    skus: tuple[str, ...] = ()  # whose levels it tells


@dataclass(slots=True)
class Push:
    """The outbox and its two senders."""

    account: Account
    account_id: str
    clock: Clock
    rng: Random
    faults: Faults
    delay_ms: tuple[float, float]
    drain_every_ms: int
    transport: Transport | None = None
    url: str | None = None
    secrets: tuple[bytes, ...] = ()
    enabled: bool = False
    next_seq: int = 1
    undone: dict[int, Entry] = field(default_factory=dict)
    sent: int = 0
    in_flight: int = 0
    _fresh: list[Entry] = field(default_factory=list)
    _lose_next: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def lose_next(self) -> None:
        """The next immediate post never leaves."""
        self._lose_next += 1

    def waiting(self) -> int:
        """Posts that are on their way or about to be."""
        return self.in_flight + len(self._fresh)

    # -- afterSubmit --------------------------------------------------------------------------

    def after_submit(self, txn: Txn, event: str, touched: Sequence[Key]) -> None:
        """Write the outbox record and hand it to the immediate post."""
        if not self.enabled or txn.record in ("customerDeposit", "creditMemo"):
            return
        lines = self._lines(txn)
        levels = self._levels(txn, event, touched)
        parts = max(1, -(-max(len(lines), len(levels)) // ROWS_MAX))
        for part in range(parts):
            span = slice(part * ROWS_MAX, (part + 1) * ROWS_MAX)
            self._enqueue(txn, event, lines[span], levels[span])

    def _enqueue(self, txn: Txn, event: str, lines: list[Any], levels: list[Any]) -> None:
        seq, self.next_seq = self.next_seq, self.next_seq + 1
        now = self.clock.now_ms()
        event_id = f"{self.account_id}-{seq}"
        source = self.account.txns.get(txn.created_from or 0)
        body = msgspec.json.encode(
            {
                "event_id": event_id,
                "seq": seq,
                "account": self.account_id,
                "as_of_ms": now,
                "record": {
                    "type": txn.record.lower(),
                    "id": str(txn.id),
                    "external_id": txn.external_id,
                    "event": event,
                    "status": None if txn.record == "itemFulfillment" else txn.status,
                    "created_from": None
                    if source is None
                    else {"id": str(source.id), "external_id": source.external_id},
                    "entity": str(txn.entity) if txn.record == "salesOrder" else None,
                    "lines": lines,
                    "tracking": [{"number": n, "carrier": c} for n, c in txn.tracking],
                    "ship_status": txn.status if txn.record == "itemFulfillment" else None,
                    # The field has whole seconds in the product.
                    "last_modified_ms": txn.modified_ms // 1000 * 1000,
                },
                "levels": levels,
            },
        )
        entry = Entry(seq, event_id, body, now, skus=tuple(level["sku"] for level in levels))
        if self._lose_next:
            self._lose_next -= 1
            entry.lost = True
        self.undone[seq] = entry
        self._fresh.append(entry)
        self._wake.set()

    def _lines(self, txn: Txn) -> list[dict[str, Any]]:
        items = self.account.items
        order = txn.record == "salesOrder"
        return [
            {
                "line": x.number,
                "item": str(x.item),
                "sku": items[x.item].sku,
                "location": None if x.location is None else str(x.location),
                "quantity": None if x.quantity is None else str(x.quantity),
                "committed": str(kits.told(self.account, x)[0]) if order else None,
                "backordered": str(kits.told(self.account, x)[1]) if order else None,
                "closed": x.closed,
            }
            for x in txn.lines
        ]

    def _levels(self, txn: Txn, event: str, touched: Sequence[Key]) -> list[dict[str, Any]]:
        # The script cannot know which levels moved: it reads the items and locations of its lines
        # that are stocked. Waiting lines that a receipt served have the same items and locations.
        # Members of kits stand on what was sent or came back; of an order the script asks for them, while it has any.
        members = [(x.item, x.location) for line in txn.lines for x in line.members]
        asked = txn.record == "salesOrder" and event != "delete"
        shown = asked or txn.record in ("itemFulfillment", "itemReceipt")
        keys = dict.fromkeys(
            (x.item, x.location)
            for x in (txn.all_lines if shown else txn.lines)
            if x.location is not None and self.account.items[x.item].stocked
        )
        unnamed = {*self.account.dropped, *([] if shown else members)}
        keys |= dict.fromkeys(key for key in touched if key not in unnamed)
        answer = []
        for item, location in keys:
            level = self.account.levels.get((item, location))
            if level is None:
                continue
            answer.append(
                {
                    "item": str(item),
                    "sku": self.account.items[item].sku,
                    "location": str(location),
                    "on_hand": str(level.on_hand),
                    "available": str(level.on_hand - level.committed),
                    "committed": str(level.committed),
                    "backordered": str(level.backordered),
                },
            )
        return answer

    # -- senders ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Post new entries at once and drain the rest on schedule, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._drain())
            while True:
                await self._wake.wait()
                self._wake.clear()
                for entry in self._fresh:
                    self.in_flight += 1
                    group.create_task(self._post_at_once(entry))
                self._fresh.clear()

    async def _post_at_once(self, entry: Entry) -> None:
        try:
            await self.clock.sleep(self.rng.uniform(*self.delay_ms) / 1000)
            faults = self.faults
            lost = entry.lost
            if faults.webhook_lose_rate > 0 and self.rng.random() < faults.webhook_lose_rate:
                lost = True
            copies = self.rng.randint(1, faults.webhook_copies_max) if faults.webhook_copies_max > 1 else 1
            if lost:
                faults.webhook_lost("outbox", entry.skus)
            if lost or faults.down:
                return
            for _ in range(copies):
                if faults.webhook_delay_ms_max:
                    await self.clock.sleep(self.rng.uniform(0, faults.webhook_delay_ms_max) / 1000)
                await self._post(entry)
        finally:
            self.in_flight -= 1

    async def _post(self, entry: Entry) -> int:
        """The status that was answered; 0 if nobody answered."""
        if self.transport is None or self.url is None:
            return 0
        stamp = str(self.clock.now_ms() // 1000)
        request = Request(
            "POST",
            self.url,
            {
                "Content-Type": "application/json",
                "X-Syncline-Event-Id": entry.event_id,
                "X-Syncline-Timestamp": stamp,
                "X-Syncline-Signature": sign(self.secrets, entry.event_id, stamp, entry.body),
            },
            entry.body,
            POST_TIMEOUT_S,
        )
        try:
            response = await self.transport.send(request)
        except (SynclineError, OSError):
            return 0
        if 200 <= response.status < 300:
            self.undone.pop(entry.seq, None)
            self.sent += 1
        return response.status

    async def _drain(self) -> None:
        while True:
            now = self.clock.now_ms()
            await self.clock.sleep((self.drain_every_ms - now % self.drain_every_ms) / 1000)
            if self.enabled and not self.faults.down:
                await self.drain_once()

    async def drain_once(self) -> int:
        """Send again what is undone, oldest first; stop where nobody lets it in, leave out what is refused for its content."""
        horizon = self.clock.now_ms() - SETTLE_MS
        batch = [e for e in self.undone.values() if e.created_ms <= horizon][:DRAIN_BATCH_MAX]
        done = 0
        for entry in batch:
            if entry.seq not in self.undone:
                continue
            status = await self._post(entry)
            if 200 <= status < 300:
                done += 1
            elif status not in REFUSED:
                break
        return done


def sign(secrets: Sequence[bytes], event_id: str, stamp: str, body: bytes) -> str:
    """``v1,<base64>`` for each secret, separated by spaces: two during a rotation."""
    signed = b".".join((event_id.encode(), stamp.encode(), body))
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets
    )
