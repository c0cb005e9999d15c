"""How often one source may ask, and how long it may take to say what it wants."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Collection, Iterable
from functools import lru_cache
from types import TracebackType
from typing import Self

from syncline.ports import Clock

SOURCES_MAX = 10_000


class RateLimit:
    """A bucket for each source (GCRA): ``per_s`` on average, ``burst`` at once."""

    def __init__(self, clock: Clock, *, per_s: float, burst: int) -> None:
        self._clock = clock
        self._interval = 1.0 / per_s
        self._slack = (burst - 1) / per_s
        self._due: OrderedDict[str, float] = OrderedDict()

    def take(self, source: str) -> float:
        """0 if the source may go on, else the seconds after which it may come back."""
        now = self._clock.monotonic()
        due = max(now, self._due.get(source, now))
        if due - now > self._slack:
            return due - now - self._slack
        self._due[source] = due + self._interval
        self._due.move_to_end(source)
        if len(self._due) > SOURCES_MAX:
            self._due.popitem(last=False)
        return 0.0


def forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """All that the headers of this name say, as one: a proxy may append a line of its own below the one it was sent."""
    return ", ".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")


def source_of(peer: str, forwarded: str, trusted: Collection[str]) -> str:
    """Who is asking: the peer, or what a trusted proxy says. An IPv6 customer is a /64 network."""
    address = peer
    if forwarded and peer in trusted:
        for hop in reversed([part.strip() for part in forwarded.split(",")]):
            address = hop
            if hop not in trusted:
                break
    return _customer_of(address) or peer


@lru_cache(maxsize=SOURCES_MAX)
def _customer_of(address: str) -> str:
    """The network that one customer is given; "" if this is no address."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is None:
        return str(ipaddress.ip_network((known, 64), strict=False).network_address)
    return str(known)


class Overdue(Exception):
    """A body did not arrive in time."""


class Deadlines:
    """Ends slow readers. One watcher for all of them costs a request nothing but a set entry."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._running: dict[Deadline, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watcher: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._running)

    def start(self) -> Deadline:
        """A deadline for the current task; use it as ``with``."""
        return Deadline(self)

    def enter(self, deadline: Deadline) -> asyncio.Task[object] | None:
        """Watch a deadline of the current task, which is returned."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # asked once: each time costs a system call
        self._running[deadline] = self._clock.monotonic() + self._seconds
        if self._watcher is None or self._watcher.done():
            self._watcher = self._loop.create_task(self._watch())
        return asyncio.current_task(self._loop)

    def leave(self, deadline: Deadline) -> None:
        """Stop watching it."""
        self._running.pop(deadline, None)

    async def _watch(self) -> None:
        while self._running:
            await self._clock.sleep(min(1.0, self._seconds / 2))
            now = self._clock.monotonic()
            for deadline in self._over(now):
                self.leave(deadline)
                deadline.end()

    def _over(self, now: float) -> Iterable[Deadline]:
        return [deadline for deadline, at in self._running.items() if at <= now]


class Deadline:
    """Cancels the task that entered it, and turns that into ``Overdue``."""

    __slots__ = ("_all", "_ended", "_task")

    def __init__(self, all_: Deadlines) -> None:
        self._all = all_
        self._task: asyncio.Task[object] | None = None
        self._ended = False

    def __enter__(self) -> Self:
        self._task = self._all.enter(self)
        return self

    def end(self) -> None:
        """Interrupt whoever is inside."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._all.leave(self)
        if self._ended and self._task is not None:
            self._task.uncancel()
            if kind is asyncio.CancelledError:
                raise Overdue from error
