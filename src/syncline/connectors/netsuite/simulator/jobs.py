"""Asynchronous single requests (``Prefer: respond-async``) and their idempotency keys.

Rules: contract sheet sections 6 and 7 (NS:chapter_161251386312). Batches are not simulated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from syncline.connectors.netsuite.simulator.errors import ApiError, missing_record
from syncline.connectors.netsuite.simulator.records import Reply
from syncline.connectors.netsuite.simulator.render import instant

_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True)
class Job:
    """One accepted request."""

    id: str
    due_ms: int
    started_ms: int
    run: Callable[[], Reply]
    reply: Reply | None = None


@dataclass(slots=True)
class Jobs:
    """Accepts requests now and runs them a little later."""

    now_ms: Callable[[], int]
    jobs: dict[str, Job] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _next: int = 1

    def accept(self, key: str | None, due_ms: int, origin: str, run: Callable[[], Reply]) -> Reply:
        """Answer 202 with the job's address, or refuse a used key."""
        if key is not None and not _UUID.fullmatch(key):
            raise ApiError(
                400,
                "INVALID_REQUEST",
                "The idempotency key must be a UUID.",
                header="X-NetSuite-Idempotency-Key",
            )
        if key is not None and (known := self._keys.get(key.lower())) is not None:
            raise ApiError(
                400,
                "IDEMPOTENCY_ERROR",
                "The idempotency key was used before.",
                header="X-NetSuite-Idempotency-Key",
                title="Conflict",
                headers={"location": self._url(origin, known)},
            )
        job = Job(str(self._next), due_ms, self.now_ms(), run)
        self._next += 1
        self.jobs[job.id] = job
        if key is not None:
            self._keys[key.lower()] = job.id
        return Reply(
            202, headers={"location": self._url(origin, job.id), "preference-applied": "respond-async"}
        )

    @staticmethod
    def _url(origin: str, number: str) -> str:
        return f"{origin}/services/rest/async/v1/job/{number}"

    def settle(self) -> None:
        """Run what is due."""
        now = self.now_ms()
        for job in list(self.jobs.values()):
            if job.reply is None and job.due_ms <= now:
                try:
                    job.reply = job.run()
                except ApiError as error:
                    job.reply = Reply(error.status, error.body(), dict(error.headers))

    def read(self, parts: list[str], origin: str) -> Reply:
        """Answer ``/job/{id}``, ``/job/{id}/task``, ``/job/{id}/task/1`` and its result."""
        job = self.jobs.get(parts[0])
        if job is None:
            raise missing_record()
        url = self._url(origin, job.id)
        state = "pending" if job.reply is None else "succeeded" if job.reply.status < 400 else "failed"
        head = {"id": job.id, "completed": job.reply is not None, "progress": state}
        if len(parts) == 1:
            links, task_links = ([{"rel": "self", "href": at}] for at in (url, f"{url}/task"))
            return _json({"links": links, **head, "task": {"links": task_links}})
        task = {
            **head,
            "id": "1",
            "startTime": instant(job.started_ms),
            "links": [{"rel": "self", "href": f"{url}/task/1"}],
            "result": {"links": [{"rel": "self", "href": f"{url}/task/1/result"}]},
        }
        if parts[1:] == ["task"]:
            return _json({"items": [task], "count": 1, "hasMore": False, "offset": 0, "totalResults": 1})
        if parts[1:] == ["task", "1"]:
            return _json(task)
        if parts[1:] == ["task", "1", "result"] and job.reply is not None:
            return Reply(job.reply.status, job.reply.body, dict(job.reply.headers))
        raise missing_record()


def _json(answer: object) -> Reply:
    return Reply(200, msgspec.json.encode(answer))
