"""Killing a part of a simulation the way ``kill -9`` would: from one moment on, nothing it does counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from syncline.model.change import Cursor, Event, LoggedEvent
from syncline.ports import Request, Response, Row, Store, Transport, Write


class Killed(BaseException):
    """Raised inside a killed process by everything that would reach the outside."""


class Switch:
    """On until it is cut."""

    def __init__(self) -> None:
        self.cut = False

    def check(self) -> None:
        """Raise if it was cut."""
        if self.cut:
            raise Killed


class SeverableStore(Store):
    """A store whose process can die. What was committed before stays; nothing else happens."""

    def __init__(self, inner: Store, switch: Switch) -> None:
        self._inner = inner
        self._switch = switch
        self.writes = 0

    async def append(
        self,
        events: Sequence[Event],
        *,
        received_at_ms: int,
        cursor: Cursor | None = None,
    ) -> list[int | None]:
        self._switch.check()
        self.writes += 1
        return await self._inner.append(events, received_at_ms=received_at_ms, cursor=cursor)

    async def events(self, after: int, limit: int) -> list[LoggedEvent]:
        self._switch.check()
        return await self._inner.events(after, limit)

    async def write(self, *writes: Write) -> list[list[Row]]:
        self._switch.check()
        self.writes += 1
        return await self._inner.write(*writes)

    async def wipe(self) -> None:
        self._switch.check()
        await self._inner.wipe()

    async def read(self, statement: str, **parameters: Any) -> list[Row]:
        self._switch.check()
        return await self._inner.read(statement, **parameters)

    async def close(self) -> None:
        """The inner store outlives the process."""


class SeverableTransport(Transport):
    """A network card that dies with its process: a request already sent takes effect all the same."""

    def __init__(self, inner: Transport, switch: Switch) -> None:
        self._inner = inner
        self._switch = switch
        self._abroad: set[asyncio.Task[Response]] = set()

    async def send(self, request: Request) -> Response:
        self._switch.check()
        task = asyncio.get_running_loop().create_task(self._inner.send(request))
        self._abroad.add(task)
        task.add_done_callback(self._arrived)
        answer = await asyncio.shield(task)
        self._switch.check()
        return answer

    @property
    def abroad(self) -> bool:
        """Whether requests are on their way, whoever sent them."""
        return bool(self._abroad)

    def _arrived(self, task: asyncio.Task[Response]) -> None:
        self._abroad.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not complain about a dead caller
