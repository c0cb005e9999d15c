"""Products through the shop's queue.

The queue forgets nothing and knows no keys, so a call whose answer was lost is made again with the same content; only when that
was worked off, which is after the first, does anything newer follow. What this process queued is remembered by its call's key:
then the batch is asked after, and nothing is queued twice. What a process before this one queued is not known by its key, so while
the shop has open operations of products, everything follows through the queue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, NoRoute, Search
from syncline.connectors.adobe_commerce.manifest import QUEUED_MS
from syncline.connectors.adobe_commerce.shelves import PRODUCTS
from syncline.connectors.adobe_commerce.stock import COMPLETE, OPEN, RETRIABLE, outcome_of
from syncline.connectors.adobe_commerce.wire import Found, to_stamp
from syncline.model.delivery import Outcome, Result
from syncline.model.errors import AuthExpired, OutcomeUnknown, Rejected, SynclineError
from syncline.ports import Clock

POLL_S = (2.0, 30.0)  # between two looks at a queued batch: first, and at most
WAIT_S_MAX = 1_800.0  # of one call; after that its outcome counts as unknown, and it is asked after again
KEPT_MAX = 1_000  # batches that are remembered by the key of their call
BULK = "bulk"  # the search for queued operations
TOPICS = "async.magento.catalog.api.productrepositoryinterface.save.%"
OPEN_MS = QUEUED_MS  # an operation that is older and open is taken to be lost
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was queued, and what the shop took of it."""

    accepted: wire.Accepted
    bodies: Sequence[Body]


class ProductQueue:
    """Saves products of one shop by its bulk API."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._queued: OrderedDict[tuple[str, str], _Batch] = OrderedDict()  # by key and way
        self._unsure: OrderedDict[str, None] = (
            OrderedDict()
        )  # keys under which something may have been queued
        self._left = True  # whether a process before this one may have left something there

    async def holds(self, key: str) -> bool:
        """Whether something may be in the queue, under a key or from a process before this one.

        Then what follows has to go there too, however little it is: written at once, it would be overtaken by what is older.

        Raises:
            Throttled, Retryable, Rejected: the shop did not say.
        """
        if key in self._unsure or any((key, way) in self._queued for way in ("POST", "PUT")):
            return True
        if self._left:
            self._left = await self._open()
        return self._left

    async def _open(self) -> bool:
        search = Search(size=1, fields="id").where(("topic_name", "like", TOPICS))
        search.where(("status", "eq", str(OPEN)))
        search.where(("start_time", "gteq", to_stamp(self._clock.now_ms() - OPEN_MS)))
        try:
            found = await self._client.get(BULK, search.pairs(), Found[wire.OperationId])
        except (AuthExpired, NoRoute):
            return False  # who may not ask, or has no queue, never got to the end of a queued call
        return bool(found.items)

    async def earlier(self, key: str) -> Mapping[str, tuple[Body, Outcome]] | Outcome:
        """What became of what was queued under a key before, by SKU; or why that is not known yet."""
        found: dict[str, tuple[Body, Outcome]] = {}
        for way in ("POST", "PUT"):
            batch = self._queued.get((key, way))
            if batch is None:
                continue
            ended = await self._ended((key, way), batch)
            if isinstance(ended, Outcome):
                return ended
            found |= {body["sku"]: (body, outcome) for body, outcome in zip(batch.bodies, ended, strict=True)}
        return found

    async def save(self, way: str, key: str, bodies: Sequence[Body]) -> list[Outcome]:
        """Queue products, and wait until the shop has worked them off. ``way``: ``POST`` for new ones, else ``PUT``."""
        try:
            if way == "POST":
                entries = [{"product": body} for body in bodies]
                accepted = await self._client.post(PRODUCTS, entries, wire.Accepted, asynchronous=True)
            else:
                named = [{"sku": body["sku"], "product": body} for body in bodies]
                accepted = await self._client.put(
                    f"{PRODUCTS}/bySku", named, wire.Accepted, asynchronous=True
                )
        except AuthExpired:
            raise
        except (OutcomeUnknown, Rejected) as error:
            # Of what is rejected, all that could be queued is queued all the same, and nobody says what.
            self._unsure[key] = None
            while len(self._unsure) > KEPT_MAX:
                self._unsure.popitem(last=False)
            return [Outcome(Result.UNKNOWN, str(error))] * len(bodies)
        except SynclineError as error:
            return [outcome_of(error)] * len(bodies)
        batch = self._queued[key, way] = _Batch(accepted, bodies)
        while len(self._queued) > KEPT_MAX:
            self._queued.popitem(last=False)
        ended = await self._ended((key, way), batch)
        return [ended] * len(bodies) if isinstance(ended, Outcome) else ended

    async def _ended(self, at: tuple[str, str], batch: _Batch) -> list[Outcome] | Outcome:
        accepted = batch.accepted
        rows = await self._worked_off(accepted.bulk_uuid)
        if rows is None:
            words = f"bulk {accepted.bulk_uuid} is not worked off yet: does a consumer of the queue run?"
            return Outcome(Result.UNKNOWN, words)
        self._queued.pop(at, None)
        self._unsure.pop(at[0], None)
        taken = [one for one in accepted.request_items if one.status == "accepted"]
        ranked = sorted(rows, key=lambda row: row.id)
        told = dict(zip((one.id for one in taken), ranked, strict=False))
        return [_outcome(accepted, place, told.get(place)) for place in range(len(batch.bodies))]

    async def _worked_off(self, uuid: str) -> list[wire.Operation] | None:
        """The operations of a batch once none is open; ``None`` if that takes too long."""
        pause_s, until = POLL_S[0], self._clock.monotonic() + WAIT_S_MAX
        while self._clock.monotonic() < until:
            await self._clock.sleep(pause_s)
            pause_s = min(POLL_S[1], pause_s * 1.5)
            try:
                status = await self._client.get(f"bulk/{uuid}/status", (), wire.BulkStatus)
            except AuthExpired:
                raise
            except SynclineError:
                continue  # the batch goes on whether or not we can ask
            if all(row.status != OPEN for row in status.operations_list):
                return list(status.operations_list)
        return None


def _outcome(accepted: wire.Accepted, place: int, row: wire.Operation | None) -> Outcome:
    """What became of one entry of a batch."""
    entry = next((one for one in accepted.request_items if one.id == place), None)
    if entry is not None and entry.status != "accepted":
        return Outcome(Result.REJECTED, f"Adobe Commerce: {entry.error_message or entry.status}")
    words = f"bulk {accepted.bulk_uuid}: {row.result_message or 'no reason given' if row else 'it says nothing of it'}"
    if row is None or row.status == RETRIABLE:
        return Outcome(Result.RETRY, words, 0.0)
    if row.status == COMPLETE:
        return Outcome(Result.DONE, words)
    return Outcome(Result.REJECTED, f"Adobe Commerce: {words}")
