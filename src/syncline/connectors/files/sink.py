"""The writing side: each fact a file of its own, stock numbers and whatever else has a state many to a file.

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
from syncline.connectors.files.batches import is_there, seal
from syncline.connectors.files.contents import ContentFiles
from syncline.connectors.files.declared import Write
from syncline.connectors.files.dialect import Writer
from syncline.connectors.files.kinds import CONTENT_OF, CONTENTS, OPERATION_OF
from syncline.connectors.files.manifest import OPERATIONS, FilesSettings
from syncline.connectors.files.spool import Sent, Spool
from syncline.connectors.files.stock import StockFiles
from syncline.model.delivery import Item, Operation, Outcome, Result
from syncline.model.errors import AuthExpired, Busy, Conflict, OutcomeUnknown, Rejected, Retryable, Throttled
from syncline.model.payloads import (
    PutOrder,
    PutPayment,
    PutRefund,
)
from syncline.ports import Clock, Folder

REVISIONS_MAX = 100  # of one fact that are looked for where the spool knows nothing of it
NAME_CHARS_MAX = 120
DIGEST_CHARS = 16
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
        stock = settings.write("stock")
        self._stock = None if stock is None else StockFiles(stock, spool, folder, clock)
        self._told: dict[str, ContentFiles] = {
            write.kind: ContentFiles(write, spool, folder, clock)
            for write in settings.writes
            if write.kind in CONTENTS
        }
        self._operations = {name: each for name, each in OPERATIONS.items() if self._asked(name)}

    def _asked(self, operation: str) -> bool:
        """Whether what is declared to be written makes an operation possible."""
        kinds = {write.kind for write in self._settings.writes}
        if operation == "set_list_price":
            return any(write.kind == "prices" and write.has("list") for write in self._settings.writes)
        kind = KIND_OF.get(operation) or CONTENT_OF.get(operation, "stock")
        return bool(kinds & FACTS) if kind in FACTS else kind in kinds

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        try:
            if self._stock is not None and operation in ("set_stock", "read_stock"):
                return await (self._stock.set if operation == "set_stock" else self._stock.read)(items)
            if operation in CONTENT_OF:
                return await self._told[CONTENT_OF[operation]].put(items)
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
            await seal(self._folder, write, name)
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
            await seal(self._folder, write, name)
            self._note(operation, put, Sent(revision, _hash(body), "published"))
        except (Throttled, Retryable, AuthExpired) as error:
            raise OutcomeUnknown(f"{name} is there, and not yet noted: {error}") from error
        return _done(put)

    def _same(self, write: Write, put: Fact, sent: Sent) -> bool:
        """Whether what was published last says what is to be said now; where that is not known, a first one does."""
        if not sent.hash:
            return not (isinstance(put, PutOrder) and put.external_id)
        return sent.hash == _hash(Writer(write).file(_rows(write, put, sent.revision)))

    def _note(self, operation: str, put: Fact, sent: Sent) -> None:
        self._spool.note(operation, put.reference, sent, self._clock.now_ms())

    async def _found(self, write: Write, operation: str, put: Fact) -> Sent | None:
        """The last revision that is there of a fact that the spool knows nothing of."""
        found = 0
        for revision in range(1, REVISIONS_MAX + 1):
            if not await is_there(self._folder, write, self.name(write, put.reference, revision)):
                break
            found = revision
        if not found:
            return None
        sent = Sent(found, "", "published")
        self._note(operation, put, sent)
        return sent

    async def _fate(self, write: Write, operation: str, put: Fact) -> Outcome | None:
        """What became of the file that was being written; ``None`` if it never appeared."""
        sent = self._spool.sent(operation, put.reference) or await self._found(write, operation, put)
        if sent is None or sent.state == "unsent":
            return None
        name = self.name(write, put.reference, sent.revision)
        if sent.state != "published":
            if not await is_there(self._folder, write, name):
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
            await seal(self._folder, write, name)
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
