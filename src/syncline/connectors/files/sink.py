"""The writing side: each fact a file of its own, stock numbers many to a file.

A fact's name carries its reference and revision, and what was written is noted in the spool: before it appears, and after.
So after a lost answer, or a death in between, it can be told whether the file appeared, even where the partner has
fetched and deleted it since: the file is staged first, and only its appearing takes the staged one away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from syncline.connectors.files import mapping
from syncline.connectors.files.answers import Answer, Received, Told, answer_of
from syncline.connectors.files.declared import Write
from syncline.connectors.files.dialect import Writer
from syncline.connectors.files.kinds import ANSWERS, OPERATION_OF
from syncline.connectors.files.manifest import LOOK_UP_WINDOW_MS, OPERATIONS, FilesSettings
from syncline.connectors.files.spool import Number, Sent, Spool
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Busy, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.model.payloads import (
    PutOrder,
    PutPayment,
    PutRefund,
    ReadStock,
    SetStock,
)
from syncline.ports import Clock, Folder

REVISIONS_MAX = 100  # of one fact that are looked for where the spool knows nothing of it
PAUSE_ROWS = 5_000  # between two looks at what else is to be done
NAME_CHARS_MAX = 120
DIGEST_CHARS = 16
MAY_APPEAR = "the answer to writing a file of it was lost, and the file may still appear"
_SAFE = re.compile(r"[A-Za-z0-9_-]+")

Fact = PutOrder | PutPayment | PutRefund | Told
KIND_OF = {operation: kind for kind, operation in OPERATION_OF.items()}
FACTS = frozenset(
    {"orders", "payments", "refunds"}
)  # what an ERP is told; what of it is not written is named in untold


class FilesSink:
    """One partner, written to."""

    def __init__(self, settings: FilesSettings, clock: Clock, spool: Spool, folder: Folder) -> None:
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._folder = folder
        self._writing: set[str] = set()  # files of numbers that are being written at this moment
        self._operations = {name: each for name, each in OPERATIONS.items() if self._asked(name)}

    def _asked(self, operation: str) -> bool:
        """Whether what is declared to be written makes an operation possible."""
        kinds = {write.kind for write in self._settings.writes}
        kind = KIND_OF.get(operation, "")
        if kind in ANSWERS:
            return kind in kinds
        if kind:
            return bool(kinds & FACTS)
        return "stock" in kinds

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        if operation in ("set_stock", "read_stock"):
            try:
                return await (self._set if operation == "set_stock" else self._read)(items)
            except (Throttled, OutcomeUnknown, Retryable, Busy, Conflict, Rejected) as error:
                return [_outcome(error)] * len(items)
        return [await self._deliver(operation, self._fact(item.payload)) for item in items]

    def _fact(self, payload: Any) -> Fact:
        """What a file is to tell; what a channel is told of its order names it as the channel does."""
        if isinstance(payload, Answer):
            known = self._spool.ordered((payload.order_key,)).get(payload.order_key)
            return answer_of(payload, known.name if known is not None else payload.order_key)
        fact: Fact = payload
        return fact

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        write = self._settings.write(KIND_OF[operation])
        if write is None:
            return _untold(operation)
        found = await self._fate(write, operation, self._fact(item.payload))
        if found is not None and operation == "put_order":
            # After a restore what was said of it may have been told before the order itself was known again.
            self._spool.say_again(item.payload.reference)
        return found

    # --- facts ------------------------------------------------------------------------------------------

    async def _deliver(self, operation: str, put: Fact) -> Outcome:
        write = self._settings.write(KIND_OF[operation])
        if write is None:
            return _untold(operation)
        try:
            return await self._put(write, operation, put)
        except (Throttled, OutcomeUnknown, Retryable, Busy, Conflict, Rejected) as error:
            return _outcome(error)

    async def _put(self, write: Write, operation: str, put: Fact) -> Outcome:
        sent = self._spool.sent(operation, put.reference)
        if sent is None:
            sent = await self._found(write, operation, put)
        if sent is not None:
            fate = await self._fate(write, operation, put)
            if fate is not None:
                return fate
            sent = self._spool.sent(operation, put.reference)
        elif isinstance(put, PutOrder) and put.external_id:
            raise Rejected(
                f"order {put.order.number} was written before, and neither the spool nor the folders know it any more: which "
                "revision this is cannot be told. Tell the partner by hand, then discard this"
            )
        # One that never appeared gives its place to what is true now.
        revision = 1 if sent is None else sent.revision + (sent.state == "published")
        rows = _rows(write, put, revision)
        body = Writer(write).file(rows)
        name = self.name(write, put.reference, revision)
        if isinstance(put, PutOrder) and self._settings.read("returns") is not None:
            numbers = [(str(row["line"]), row["sku"]) for row in rows if row["line"]]
            self._spool.number(put.reference, numbers, self._clock.now_ms())
        await self._folder.stage(write.path, name, body)
        self._note(operation, put, Sent(revision, _hash(body), "staged"))
        try:
            await self._folder.publish(write.path, name, body)
        except Conflict:
            # Nobody else gives such names: it appeared before, and the spool is an older one. What it says is not known.
            there = Sent(revision, "", "published")
            await self._seal(write, name)
            self._note(operation, put, there)
            if self._same(write, put, there):
                return _done(put, "it was there already")
            raise Retryable(
                f"{name} was there already: what is true now goes into the next revision"
            ) from None
        except (Throttled, Retryable, AuthExpired):
            self._note(operation, put, Sent(revision, _hash(body), "unsent"))  # it certainly did not appear
            raise
        try:
            await self._seal(write, name)
            self._note(operation, put, Sent(revision, _hash(body), "published"))
        except (Throttled, Retryable, AuthExpired) as error:
            raise OutcomeUnknown(f"{name} is there, and not yet noted: {error}") from error
        return _done(put)

    def _same(self, write: Write, put: Fact, sent: Sent) -> bool:
        """Whether what was published last says what is to be said now; where that is not known, a first one does."""
        if not sent.hash:
            return not (isinstance(put, PutOrder) and put.external_id)
        return sent.hash == _hash(Writer(write).file(_rows(write, put, sent.revision)))

    async def _seal(self, write: Write, name: str) -> None:
        """Say that a file is complete, to a partner who waits for that."""
        if write.sentinel:
            await self._folder.stage(write.path, name + write.sentinel, b"")
            try:
                await self._folder.publish(write.path, name + write.sentinel, b"")
            except Conflict:
                return

    def _note(self, operation: str, put: Fact, sent: Sent) -> None:
        self._spool.note(operation, put.reference, sent, self._clock.now_ms())

    async def _found(self, write: Write, operation: str, put: Fact) -> Sent | None:
        """The last revision that is there of a fact that the spool knows nothing of."""
        found = 0
        for revision in range(1, REVISIONS_MAX + 1):
            if not await self._there(write, self.name(write, put.reference, revision)):
                break
            found = revision
        if not found:
            return None
        sent = Sent(found, "", "published")
        self._note(operation, put, sent)
        return sent

    async def _there(self, write: Write, name: str) -> bool:
        if await self._folder.find(write.path, name) is not None:
            return True
        return bool(write.archive) and await self._folder.find(write.archive, name) is not None

    async def _fate(self, write: Write, operation: str, put: Fact) -> Outcome | None:
        """What became of the file that was being written; ``None`` if it never appeared."""
        sent = self._spool.sent(operation, put.reference) or await self._found(write, operation, put)
        if sent is None or sent.state == "unsent":
            return None
        name = self.name(write, put.reference, sent.revision)
        if sent.state != "published":
            if not await self._there(write, name):
                staged = await self._folder.staged(write.path, name)
                if staged:
                    return None
                if staged is None and write.taken == "archive":
                    return None  # the partner leaves what it takes where it can be found, and it is nowhere
                if staged is None:
                    return Outcome(
                        Result.REJECTED,
                        f"the answer to writing {name} was lost, and a partner who deletes what it fetches may have fetched it: "
                        "ask whether it has, then discard this, or release it to write it again",
                    )
            await self._seal(write, name)
            sent = Sent(sent.revision, sent.hash, "published")
            self._note(operation, put, sent)
        return _done(put) if self._same(write, put, sent) else None

    @staticmethod
    def name(write: Write, reference: str, revision: int) -> str:
        """The name of a fact's file: the same for the same revision, and no other's."""
        known = reference
        if not _SAFE.fullmatch(known) or len(known) > NAME_CHARS_MAX:
            digest = hashlib.sha256(reference.encode()).hexdigest()[:DIGEST_CHARS]
            known = re.sub(r"[^A-Za-z0-9_-]+", "_", reference)[:NAME_CHARS_MAX] + "-" + digest
        return f"{write.prefix}-{known}-r{revision}{write.suffix}"

    # --- stock ------------------------------------------------------------------------------------------

    def _stock(self) -> Write:
        write = self._settings.write("stock")
        assert write is not None
        return write

    async def _read(self, items: Sequence[Item]) -> list[Outcome]:
        """What we wrote last: a partner's file says nothing back. That the place can be reached is made sure of."""
        write = self._stock()
        last = self._spool.last_stock_file()
        await self._folder.find(write.path, last or f"{write.prefix}{write.suffix}")
        waiting = await self._doubtful(write)
        outcomes = []
        for item in items:
            wanted: ReadStock = item.payload
            wait_s = waiting.get((wanted.sku, wanted.location))
            if wait_s is not None:
                outcomes.append(Outcome(Result.NOT_SENT, MAY_APPEAR, wait_s))
            else:
                held = self._spool.held(wanted.sku, wanted.location)
                outcomes.append(Outcome(Result.DONE, facts={"held": held}))
        return outcomes

    async def _doubtful(self, write: Write) -> dict[tuple[str, str], float]:
        """SKUs and locations of which a file may still appear whose answer was lost, with the seconds to wait for that.

        One that appears later than the next would be loaded after it, and be older. So nothing is written, and nothing said
        of what is there, until it has appeared or cannot any more. What was written is noted as such.
        """
        waiting: dict[tuple[str, str], float] = {}
        for name, at_ms, numbers in self._spool.pending():
            if name in self._writing:
                continue
            left_ms = at_ms + LOOK_UP_WINDOW_MS - self._clock.now_ms()
            there = await self._there(write, name)
            staged = None if there else await self._folder.staged(write.path, name)
            gone = staged is False and not there  # only its appearing takes the staged one away
            if there or gone:
                self._spool.hold(numbers, name)
            elif left_ms > 0:
                waiting |= {(sku, at): left_ms / 1000 for sku, at, _, _ in numbers}
            elif staged is None and write.taken == "delete":
                # Nobody knows whether the partner had it: these numbers again, which then are there for certain.
                await self._publish(write, numbers)
                self._spool.unpend(name)
            else:
                self._spool.unpend(name)
        return waiting

    async def _set(self, items: Sequence[Item]) -> list[Outcome]:
        """One file with these numbers, or with all of them. They are absolute, so writing them again does no harm."""
        write, now_ms = self._stock(), self._clock.now_ms()
        waiting = await self._doubtful(write)
        writer = Writer(write)
        outcomes: list[Outcome] = []
        numbers: list[Number] = []
        for item in items:
            wanted: SetStock = item.payload
            wait_s = waiting.get((wanted.sku, wanted.location))
            if wait_s is not None:
                outcomes.append(Outcome(Result.NOT_SENT, MAY_APPEAR, wait_s))
                continue
            number = (wanted.sku, wanted.location, wanted.stock_id, wanted.quantity)
            try:
                writer.line(_number(number, now_ms))
            except Rejected as error:
                outcomes.append(Outcome(Result.REJECTED, str(error)))
            else:
                outcomes.append(Outcome(Result.DONE))
                numbers.append(number)
        if numbers:
            await self._publish(write, numbers)
        return outcomes

    async def _publish(self, write: Write, numbers: Sequence[Number]) -> None:
        """Write a file with some numbers, or with all that are known, these among them."""
        now_ms, writer = self._clock.now_ms(), Writer(write)
        told = list(numbers)
        if write.scope == "full":
            held = {(sku, at): (sku, at, id_, n) for sku, at, id_, n in self._spool.every_number()}
            for _, _, others in self._spool.pending():  # what is being written beside this
                held |= {(x[0], x[1]): x for x in others}
            told = list((held | {(x[0], x[1]): x for x in numbers}).values())
        name = f"{write.prefix}-{now_ms}-{self._spool.next_number():08d}{write.suffix}"
        lines: list[bytes] = []
        for number in told:
            lines.append(writer.line(_number(number, now_ms)))
            if len(lines) % PAUSE_ROWS == 0:
                await self._clock.sleep(0)
        body = writer.whole(lines)
        self._writing.add(name)
        try:
            await self._folder.stage(write.path, name, body)
            self._spool.pend(numbers, name, now_ms)
            try:
                await self._folder.publish(write.path, name, body)
            except (Throttled, Retryable, AuthExpired):
                self._spool.unpend(name)  # it certainly did not appear
                raise
            try:
                await self._seal(write, name)
                self._spool.hold(numbers, name)
            except (Throttled, Retryable, AuthExpired) as error:
                raise OutcomeUnknown(f"{name} is there, and not yet noted: {error}") from error
        finally:
            self._writing.discard(name)


def _number(number: Number, now_ms: int) -> dict[str, Any]:
    sku, location, stock_id, quantity = number
    return {"sku": sku, "location": location, "stock_id": stock_id, "quantity": quantity, "stamp": now_ms}


def _rows(write: Write, put: Fact, revision: int) -> list[dict[str, Any]]:
    if isinstance(put, PutOrder):
        charged = any(column.field == "charges" for column in write.columns)
        return mapping.order_rows(put, revision, charged=charged)
    if isinstance(put, Told):
        return [{"revision": revision, **row} for row in put.rows()]
    return mapping.payment_rows(put) if isinstance(put, PutPayment) else mapping.refund_rows(put)


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _done(put: Fact, message: str = "") -> Outcome:
    # A file is no order yet: only what the partner says of it tells that its stock figures contain it.
    facts: dict[str, Any] = {"external_id": put.reference, "commits_stock": False}
    if isinstance(put, Received) and not put.put.receipt.of_channel:
        # Of a figure with the channel's own payments in it, nobody here knows what is left: it is simply told again.
        facts["told"] = f"{put.put.receipt.received:f}"
    return Outcome(Result.DONE, message, facts=facts)


def _untold(operation: str) -> Outcome:
    what = KIND_OF[operation]
    return Outcome(Result.DONE, f"not written: {what} are named in files.untold", facts={"external_id": ""})


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, Throttled):
        return Outcome(Result.THROTTLED, str(error), error.retry_after_s)
    if isinstance(error, OutcomeUnknown):
        return Outcome(Result.UNKNOWN, str(error))
    if isinstance(error, Rejected):
        return Outcome(Result.REJECTED, str(error))
    return Outcome(Result.NOT_SENT, str(error))
