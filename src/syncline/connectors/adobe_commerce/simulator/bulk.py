"""The asynchronous and bulk API: what is accepted is queued, and a consumer works it off later, one by one.

Contract section 4; Magento/WebapiAsync/Controller/Rest (AsynchronousRequestProcessor, Asynchronous/InputParamsResolver),
AsynchronousOperations/Model/MassSchedule and OperationProcessor. An entry that is no call of the service has the whole request
refused before anything is queued. One that cannot be queued is told as rejected with 202, and the others are queued. Nothing is
deduplicated, and nobody works while no consumer runs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from syncline.connectors.adobe_commerce.simulator.errors import ApiError
from syncline.connectors.adobe_commerce.simulator.owners import topic_of
from syncline.connectors.adobe_commerce.simulator.state import stamp
from syncline.ports import Clock
from syncline.sdk.simulator import Faults

COMPLETE, RETRIABLE, FAILED, OPEN, REJECTED = 1, 2, 3, 4, 5
PICK_UP_S = (0.5, 15.0)  # assumption: how soon a running consumer takes the first message
EACH_S = (0.02, 0.3)  # assumption: how long one operation takes
RESTART_S = 60.0  # until a cron job looks whether a consumer runs, after an outage
_encode = msgspec.json.Encoder(decimal_format="number").encode
Work = Callable[[], Any]


@dataclass(slots=True, eq=False)
class Operation:
    """One queued call."""

    id: int
    bulk: str
    number: int
    owner: str
    topic: str
    started_ms: int
    user: int
    work: Work | None
    data: str
    status: int = OPEN
    message: str = ""
    code: int | None = None
    result: str = ""


class Bulk:
    """The queue of one shop and its consumer.

    ``consumer`` of False: messages stay open, as where the cron job that starts consumers does not run.
    """

    def __init__(self, clock: Clock, rng: Random, faults: Callable[[], Faults]) -> None:
        self._clock = clock
        self._rng = rng
        self._faults = faults
        self._bulks: dict[str, list[Operation]] = {}
        self._ids = 0
        self._free_s = 0.0  # when the consumer has worked off what it holds
        self._waiting: list[Operation] = []
        self._restarting = False
        self._consumer = True
        self.worked = 0
        self.deadlock_rate = 0.0  # share of operations that end in a lock wait
        self.reject_rate = 0.0  # share of entries that cannot be queued

    @property
    def consumer(self) -> bool:
        """Whether a consumer runs."""
        return self._consumer

    @consumer.setter
    def consumer(self, runs: bool) -> None:
        self._consumer = runs
        if runs:
            waiting, self._waiting = self._waiting, []
            for operation in waiting:
                self._queue(operation)

    def undone(self) -> int:
        """Operations that are open."""
        return sum(one.status == OPEN for bulk in self._bulks.values() for one in bulk)

    def schedule(
        self, method: str, owner: str, entries: Sequence[tuple[Any, Work]], user: int
    ) -> dict[str, Any]:
        """Take a batch: what can be queued is, whatever becomes of the rest.

        ``owner``: the service, as the vendor names it; ``user``: which kind of user asked for it.
        """
        uuid = _uuid(len(self._bulks) + 1)
        operations: list[Operation] = []
        told: list[dict[str, Any]] = []
        for key, (data, work) in enumerate(entries):
            if self.reject_rate > 0 and self._rng.random() < self.reject_rate:
                words = "Message could not be encoded."
                told.append({"id": key, "status": "rejected", "error_message": words, "error_code": 0})
                continue
            text = _encode(data).decode()
            self._ids += 1
            topic, now_ms = topic_of(method, owner), self._clock.now_ms()
            operations.append(Operation(self._ids, uuid, key, owner, topic, now_ms, user, work, text))
            digest = hashlib.sha256(text.encode()).hexdigest()
            told.append({"id": key, "data_hash": digest, "status": "accepted"})
        self._bulks[uuid] = operations
        for operation in operations:
            self._queue(operation)
        return {"bulk_uuid": uuid, "request_items": told, "errors": len(operations) < len(entries)}

    def _queue(self, operation: Operation) -> None:
        if not self._consumer or self._waiting:
            self._waiting.append(operation)
            return
        now_s = self._clock.monotonic()
        if self._free_s <= now_s:
            self._free_s = now_s + self._rng.uniform(*PICK_UP_S)
        self._free_s += self._rng.uniform(*EACH_S)
        self._clock.after(self._free_s - now_s, lambda: self._work(operation))

    def _work(self, operation: Operation) -> None:
        if self._faults().down or not self._consumer or self._waiting:
            self._waiting.append(operation)
            if not self._restarting:
                self._restarting = True
                self._clock.after(RESTART_S, self._restart)
            return
        self.worked += 1
        if self.deadlock_rate > 0 and self._rng.random() < self.deadlock_rate:
            operation.status, operation.code = RETRIABLE, 1213
            operation.message = "SQLSTATE[40001]: Serialization failure: 1213 Deadlock found"
            return
        assert operation.work is not None
        try:
            operation.result = _encode(operation.work()).decode()
        except ApiError as error:
            operation.status, operation.code = FAILED, 0
            operation.message = str(error.body["message"])
        else:
            operation.status = COMPLETE
            operation.message = f"Service execution success {operation.owner}"
        operation.work = None

    def _restart(self) -> None:
        """A cron job starts the consumer again once the shop is up; what waited is worked off in its order."""
        if self._faults().down:
            self._clock.after(RESTART_S, self._restart)
            return
        self._restarting = False
        if self._consumer:
            waiting, self._waiting = self._waiting, []
            for operation in waiting:
                self._queue(operation)

    # --- status -----------------------------------------------------------------------------------

    def status(self, uuid: str, *, detailed: bool) -> dict[str, Any]:
        """What became of a batch."""
        rows = []
        for one in self._of(uuid):
            row: dict[str, Any] = {
                "id": one.number,
                "status": one.status,
                "result_message": one.message or None,
                "error_code": one.code,
            }
            if detailed:
                row |= {"bulk_uuid": uuid, "topic_name": one.topic, **_serialized(one)}
            rows.append(row)
        told: dict[str, Any] = {"bulk_id": uuid, "operations_list": rows, "operation_count": len(rows)}
        for one in self._of(uuid)[:1]:
            told |= {"description": f"Topic {one.topic}", "start_time": stamp(one.started_ms)}
            told |= {"user_type": one.user, "user_id": 1}
        return told

    def count(self, uuid: str, status: int) -> int:
        """How many operations of a batch are in a status; none of one that is not there."""
        return sum(one.status == status for one in self._bulks.get(uuid, ()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every operation, for a search; when its batch began is an extension attribute that can be searched for."""
        for one in (operation for bulk in self._bulks.values() for operation in bulk):
            yield {
                "id": one.id,
                "bulk_uuid": one.bulk,
                "topic_name": one.topic,
                **_serialized(one),
                "status": one.status,
                "result_message": one.message or None,
                "error_code": one.code,
                "start_time": stamp(one.started_ms),
            }

    def _of(self, uuid: str) -> list[Operation]:
        if uuid not in self._bulks:
            raise ApiError(404, "Bulk uuid %bulkUuid not exist", {"bulkUuid": uuid})
        return self._bulks[uuid]

    def told(self) -> str:
        """For the digest."""
        return repr([(u, [(o.number, o.status, o.data) for o in ops]) for u, ops in self._bulks.items()])


def _serialized(one: Operation) -> dict[str, str | None]:
    """The request and its answer as the table holds them (developer.adobe.com, operation-status-endpoints)."""
    wrapped = {"entity_id": None, "entity_link": "", "meta_information": one.data}
    return {"serialized_data": _encode(wrapped).decode(), "result_serialized_data": one.result or None}


def _uuid(number: int) -> str:
    text = hmac.digest(b"bulk", str(number).encode(), "sha256").hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
