"""Source items: read as they are now, and set to a number, at once or through the shop's queue.

``POST /V1/inventory/source-items`` sets numbers whatever was there (magento/inventory, SourceItemsSave). All rows of a call
stand or fall together, and a refusal does not say which row it is about; so a refused batch is halved until the one is
alone. In the queue every row is an operation of its own, and what became of it can be asked for later.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.manifest import PAGE_MAX, AdobeCommerceSettings
from syncline.connectors.adobe_commerce.wire import Found
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, Retryable, SynclineError, Throttled
from syncline.model.payloads import ReadStock, SetStock
from syncline.sdk.oauth1 import escape

PATH = "inventory/source-items"
REMEMBERED_MAX = 20_000  # queued writes whose end may still be asked for
SKU_CHARS_MAX = 4_000  # of SKUs in one address: web servers take 8 KB of it by default
CONDITION_CHARS = 260  # what a condition of its own adds
COMPLETE, RETRIABLE, FAILED, OPEN, REJECTED = 1, 2, 3, 4, 5  # of a queued operation
# What is said where a source is unknown, and where another save held the row for a moment (Inventory, SourceItemsSaveHandler).
NOT_SAVED = "Could not save Source Item"
LIMIT = re.compile(r'Maximum items of type ".*?" is ([0-9]{1,6})')


def outcome_of(error: SynclineError) -> Outcome:
    """What an error means for an item of the call."""
    if isinstance(error, Throttled):
        return Outcome(Result.THROTTLED, str(error), retry_after_s=error.retry_after_s)
    if isinstance(error, OutcomeUnknown):
        return Outcome(Result.UNKNOWN, str(error))
    if isinstance(error, Retryable):
        return Outcome(Result.NOT_SENT, str(error))
    return Outcome(Result.REJECTED, str(error))


@dataclass(frozen=True, slots=True)
class _Queued:
    """A write in the shop's queue: its place in the request, and among the entries that were accepted."""

    uuid: str
    place: int
    rank: int
    entries: int

    def among(self, rows: Sequence[wire.Operation]) -> wire.Operation | None:
        """Its operation. Ids are places in the request in one version, in another the database's own, in the same order."""
        if all(row.id < self.entries for row in rows):
            return next((row for row in rows if row.id == self.place), None)
        found = sorted(rows, key=lambda row: row.id)
        return found[self.rank] if self.rank < len(found) else None


class Stock:
    """The source items of one shop."""

    def __init__(self, settings: AdobeCommerceSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._rows_max = settings.stock_items_max
        self._queued: OrderedDict[tuple[str, str], _Queued] = OrderedDict()

    # --- reading ----------------------------------------------------------------------------------

    async def read(self, items: Sequence[Item]) -> list[Outcome]:
        """What each source item states."""
        payloads: list[ReadStock] = [item.payload for item in items]
        outcomes = [_unfit(payload) for payload in payloads]
        asked = [payload for payload, refused in zip(payloads, outcomes, strict=True) if refused is None]
        found = await self._found(asked) if asked else {}
        return [
            refused or _told(payload, found.get((payload.stock_id, payload.location)))
            for payload, refused in zip(payloads, outcomes, strict=True)
        ]

    async def _found(self, asked: Sequence[ReadStock]) -> dict[tuple[str, str], wire.SourceItem]:
        rows = await self.rows(
            sorted({payload.stock_id for payload in asked}), sorted({payload.location for payload in asked})
        )
        return {(row.sku, row.source_code): row for row in rows}

    async def rows(self, skus: Sequence[str], sources: Sequence[str]) -> list[wire.SourceItem]:
        """The source items of some products in some sources; those that are not assigned are left out."""
        found: list[wire.SourceItem] = []
        for some in parts(skus, max(1, PAGE_MAX // max(1, len(sources)))):
            # A list is split at commas, and a SKU may contain one: then it is a condition of its own.
            listed = ",".join(sku for sku in some if "," not in sku)
            alone = [("sku", "eq", sku) for sku in some if "," in sku]
            search = Search(size=PAGE_MAX, fields="sku,source_code,quantity")
            search.where(*([("sku", "in", listed)] if listed else []), *alone)
            search.where(("source_code", "in", ",".join(sources)))
            answer = await self._client.get(PATH, search.pairs(), Found[wire.SourceItem])
            if answer.total_count > len(answer.items):
                raise Retryable(f"the shop shows {len(answer.items)} of {answer.total_count} source items")
            found += answer.items
        return found

    # --- writing ----------------------------------------------------------------------------------

    async def write(self, items: Sequence[Item]) -> list[Outcome]:
        """Set each source item to its number."""
        outcomes = [_unfit(item.payload) for item in items]
        sent = [item for item, refused in zip(items, outcomes, strict=True) if refused is None]
        through = self._enqueue if self._settings.stock_writes == "bulk" else self._set
        done = iter(await through(sent) if sent else [])
        return [refused or next(done) for refused in outcomes]

    async def _set(self, items: Sequence[Item]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while len(outcomes) < len(items):
            some = items[len(outcomes) : len(outcomes) + self._rows_max]
            outcomes += await self._set_some(some)
        return outcomes

    async def _set_some(self, items: Sequence[Item], *, again: bool = False) -> list[Outcome]:
        try:
            await self._client.post(PATH, {"sourceItems": [_row(item.payload) for item in items]}, Any)
        except AuthExpired:
            raise
        except Rejected as error:
            if len(items) == 1 and NOT_SAVED in str(error) and not again:
                return await self._set_some(items, again=True)
            if len(items) == 1:
                return [Outcome(Result.REJECTED, f"{items[0].payload.sku}: {error}")]
            self._learn(str(error))
            middle = len(items) // 2
            return [*await self._set_some(items[:middle]), *await self._set_some(items[middle:])]
        except SynclineError as error:
            return [outcome_of(error)] * len(items)
        return [Outcome(Result.DONE)] * len(items)

    def _learn(self, words: str) -> None:
        """A shop with input limits says how many rows it takes; the next call has no more."""
        limit = LIMIT.search(words)
        if limit:
            self._rows_max = max(1, min(self._rows_max, int(limit[1])))

    async def _enqueue(self, items: Sequence[Item]) -> list[Outcome]:
        body = [{"sourceItems": [_row(item.payload)]} for item in items]
        for item in items:
            self._queued.pop(_at(item.payload), None)
        try:
            answer = await self._client.post(PATH, body, wire.Accepted, asynchronous=True)
        except AuthExpired:
            raise
        except Rejected as error:
            # Whatever could be scheduled is scheduled all the same, and the answer does not say what
            # (Magento/AsynchronousOperations/Model/MassSchedule); so nothing is sent again before it was read.
            return [Outcome(Result.UNKNOWN, str(error))] * len(items)
        except SynclineError as error:
            return [outcome_of(error)] * len(items)
        told = {entry.id: entry for entry in answer.request_items}
        outcomes: list[Outcome] = []
        rank = 0  # among those that were accepted: only they become operations
        for place, item in enumerate(items):
            entry = told.get(place)
            if entry is None:
                words = f"the shop did not say what became of entry {place} of bulk {answer.bulk_uuid}"
                outcomes.append(Outcome(Result.UNKNOWN, words))
            elif entry.status != "accepted":
                outcomes.append(
                    Outcome(Result.REJECTED, f"Adobe Commerce: {entry.error_message or entry.status}")
                )
            else:
                self._remember(item, _Queued(answer.bulk_uuid, place, rank, len(items)))
                rank += 1
                outcomes.append(Outcome(Result.ACCEPTED, f"entry {place} of bulk {answer.bulk_uuid}"))
        return outcomes

    def _remember(self, item: Item, queued: _Queued) -> None:
        self._queued[_at(item.payload)] = queued
        while len(self._queued) > REMEMBERED_MAX:
            self._queued.popitem(last=False)

    async def ended(self, payload: SetStock) -> Outcome | None:
        """What became of a queued write; ``None`` while it waits, and for one that we do not know of."""
        queued = self._queued.get(_at(payload))
        if queued is None:
            return None
        status = await self._client.get(f"bulk/{queued.uuid}/status", (), wire.BulkStatus)
        row = queued.among(status.operations_list)
        if row is None or row.status == OPEN:
            return None
        words = f"bulk {queued.uuid}: {row.result_message or 'no reason given'}"
        if row.status == COMPLETE:
            return Outcome(Result.DONE, words)
        if row.status == RETRIABLE:
            return Outcome(Result.RETRY, words, 0.0)
        return Outcome(Result.REJECTED, f"Adobe Commerce: {words}")


def parts(skus: Sequence[str], most: int) -> Iterator[list[str]]:
    """SKUs in parts that one address can carry."""
    part: list[str] = []
    chars = 0
    for sku in skus:
        length = len(escape(sku)) + (CONDITION_CHARS if "," in sku else 3)
        if part and (len(part) >= most or chars + length > SKU_CHARS_MAX):
            yield part
            part, chars = [], 0
        part.append(sku)
        chars += length
    if part:
        yield part


def _at(payload: SetStock) -> tuple[str, str]:
    return payload.stock_id, payload.location


def _row(payload: SetStock) -> dict[str, Any]:
    # The flag has to be sent with the number: left out, goods that came in again would stay out of stock.
    return {
        "sku": payload.stock_id,
        "source_code": payload.location,
        "quantity": payload.quantity,
        "status": int(payload.quantity > 0),
    }


def _unfit(payload: Any) -> Outcome | None:
    """Refuse an address that cannot be one, instead of letting it spoil a whole batch."""
    assert isinstance(payload, SetStock | ReadStock)
    if not payload.stock_id.strip():
        return Outcome(Result.REJECTED, f'{payload.sku}: "sku" can not be empty; read the catalog again')
    if not payload.location or any(letter.isspace() for letter in payload.location):
        return Outcome(
            Result.REJECTED,
            f'{payload.sku}: {payload.location!r} is no source: "source_code" can not be empty and can not contain '
            "whitespaces; use the code that the shop's admin shows under Sources",
        )
    return None


def _told(payload: ReadStock, row: wire.SourceItem | None) -> Outcome:
    if row is None:
        return Outcome(
            Result.REJECTED,
            f"{payload.sku}: not assigned to source {payload.location}; in the shop's admin open the product, Sources, "
            "Assign Sources",
        )
    try:
        return Outcome(Result.DONE, facts={"held": wire.units(row.quantity, f"{payload.sku}, quantity")})
    except Rejected as error:
        return Outcome(Result.REJECTED, str(error))
