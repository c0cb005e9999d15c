"""The way between Syncline and one vendor's simulator: what is called, and what for.

A connector makes several calls for one thing that it is asked for, such as an order with its customer, and some that nobody
asked for, such as a token's. So each call is counted under what was being done when it was made: a delivery, or the
read of a stream. The names are those of the light systems, so that both can be held together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from syncline.model.change import Change, Cursor, LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Item, Operation, Outcome
from syncline.model.errors import Retryable
from syncline.ports import (
    Clock,
    Page,
    PollStream,
    Request,
    Response,
    System,
    Transport,
    Verified,
    WebhookRequest,
)
from syncline.simulate.lean import FreeGovernor, Outage
from syncline.simulate.stage import Calls

T = TypeVar("T")
BESIDE = "read besides"  # tokens, subscriptions: calls in no delivery and no read of a stream


@dataclass(slots=True, eq=False)
class Doing:
    """What calls are made for. ``values`` are counted with the first of them, whatever it takes to write them."""

    operation: str
    items: Sequence[Item] = ()
    values: int = 0


_doing: ContextVar[Doing | None] = ContextVar("doing", default=None)


class Line(Transport):
    """The way there: counts calls, is cut during a declared outage, and tells of every answer.

    ``answered`` is told what an answer was for, before whoever asked gets it.
    """

    def __init__(
        self,
        inner: Transport,
        clock: Clock,
        outage: Outage,
        answered: Callable[[Doing], None] = lambda _doing: None,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._outage = outage
        self._answered = answered
        self._waited_s = 0.0
        self._usage: Callable[[], Mapping[str, float]] = FreeGovernor().usage
        self.counted = Calls()
        self.traced: Callable[[str, int, float], None] | None = None

    @property
    def throttled_s(self) -> float:
        """How long calls have waited for the vendor's limit, added up."""
        return self._usage().get("waited_s", 0.0)

    async def send(self, request: Request) -> Response:
        """Make one call.

        Raises:
            Retryable: nothing passes at the moment; or what the transport raises.
        """
        doing = _doing.get() or Doing(BESIDE)
        values, doing.values = doing.values, 0
        now_ms, waited_s = self._clock.now_ms(), self.throttled_s
        self.counted.count(doing.operation, values, now_ms)
        if self.traced is not None:
            self.traced(doing.operation, values, waited_s - self._waited_s)
        self._waited_s = waited_s
        if self._outage.ends_in_s(now_ms):
            raise Retryable("no route to the system (declared outage)")
        answer = await self._inner.send(request)
        self._answered(doing)
        return answer

    def watched(self, system: System) -> System:
        """The system whose calls go this way, with each of them counted under what it is made for."""
        self._usage = system.governor.usage
        return replace(system, source=_Reading(system), sink=_Writing(system))


class Inbound(Transport):
    """The way back, for what a vendor tells; cut by the same outage."""

    def __init__(self, inner: Transport, clock: Clock, outage: Outage) -> None:
        self._inner = inner
        self._clock = clock
        self._outage = outage

    async def send(self, request: Request) -> Response:
        """Bring an event to our door.

        Raises:
            Retryable: nothing passes at the moment; or what the transport raises.
        """
        if self._outage.ends_in_s(self._clock.now_ms()):
            raise Retryable("no route to Syncline (declared outage)")
        return await self._inner.send(request)


class _Reading:
    """A Source whose reads are named."""

    def __init__(self, system: System) -> None:
        self._inner = system.source

    @property
    def streams(self) -> tuple[PollStream, ...]:
        return self._inner.streams

    def verify(self, request: WebhookRequest) -> Verified:
        return self._inner.verify(request)

    def decode(self, logged: LoggedEvent) -> list[Change]:
        return self._inner.decode(logged)

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        pages = self._inner.poll(stream, cursor)
        doing = Doing(f"read {stream}")
        while True:
            # Set for this page only: between two of them whoever reads does something else.
            token = _doing.set(doing)
            try:
                page = await anext(pages)
            except StopAsyncIteration:
                return
            finally:
                _doing.reset(token)
            yield page


class _Writing:
    """A Sink whose deliveries are named; looking one up only reads."""

    def __init__(self, system: System) -> None:
        self._inner = system.sink

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._inner.operations

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        return await self._named(
            Doing(operation, items, len(items)), self._inner.deliver(operation, items, key)
        )

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        return await self._named(Doing(f"read {operation}"), self._inner.look_up(operation, item))

    async def _named(self, doing: Doing, work: Awaitable[T]) -> T:
        token = _doing.set(doing)
        try:
            return await work
        finally:
            _doing.reset(token)
