"""The asynchronous and bulk API: what is accepted is queued, and a consumer works it off later, one by one.

Contract section 4; Magento/AsynchronousOperations/Model/MassSchedule and OperationProcessor. What is accepted is scheduled
even where the call as a whole fails, nothing is deduplicated, and nobody works while no consumer runs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from syncline.connectors.adobe_commerce.simulator.errors import ApiError, no_such_entity
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

    number: int
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
        self._free_s = 0.0  # when the consumer has worked off what it holds
        self._waiting: list[Operation] = []
        self._restarting = False
        self._consumer = True
        self.worked = 0
        self.deadlock_rate = 0.0  # share of operations that end in a lock wait

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

    def schedule(self, entries: Sequence[tuple[Any, Work | ApiError]]) -> dict[str, Any]:
        """Take a batch: what can be taken is queued, whatever becomes of the rest.

        Raises:
            ApiError: something was rejected. The rest is queued all the same.
        """
        number = len(self._bulks) + 1
        uuid = _uuid(number)
        operations: list[Operation] = []
        told: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for key, (data, work) in enumerate(entries):
            text = _encode(data).decode()
            entry: dict[str, Any] = {"id": key, "data_hash": hashlib.sha256(text.encode()).hexdigest()}
            if isinstance(work, ApiError):
                words = str(work.body["message"])
                told.append({**entry, "status": "rejected", "error_message": words, "error_code": 0})
                errors.append(
                    {"message": "Error processing %key element of input data", "parameters": {"key": key}}
                )
                continue
            operations.append(Operation(key, work, text))
            told.append({**entry, "status": "accepted"})
        self._bulks[uuid] = operations
        for operation in operations:
            self._queue(operation)
        if errors:
            # What was accepted is not told with it.
            raise ApiError(400, str(errors[0]["message"]), errors[0]["parameters"], errors=errors)
        return {"bulk_uuid": uuid, "request_items": told, "errors": False}

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
            operation.message = "Service execution success"
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
                row |= {"serialized_data": one.data, "result_serialized_data": one.result or None}
            rows.append(row)
        return {"bulk_id": uuid, "operations_list": rows, "operation_count": len(rows)}

    def count(self, uuid: str, status: int) -> int:
        """How many operations of a batch are in a status."""
        return sum(one.status == status for one in self._of(uuid))

    def _of(self, uuid: str) -> list[Operation]:
        if uuid not in self._bulks:
            raise no_such_entity("bulkUuid", uuid)
        return self._bulks[uuid]

    def told(self) -> str:
        """For the digest."""
        return repr([(u, [(o.number, o.status, o.data) for o in ops]) for u, ops in self._bulks.items()])


def _uuid(number: int) -> str:
    text = hmac.digest(b"bulk", str(number).encode(), "sha256").hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
