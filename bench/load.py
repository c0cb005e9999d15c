"""An HTTP client that costs little: asyncio protocols, httptools, requests built beforehand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import httptools


@dataclass(slots=True)
class Measured:
    """What a run of requests met."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / max(1e-9, self.seconds)


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, answered: Callable[[Connection, int], None]) -> None:
        self._answered = answered
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of the protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Part of the protocol."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """An answer is there."""
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        self._answered(self, status)

    def send(self, request: bytes, at: float) -> None:
        """Send one request; its latency counts from ``at``."""
        assert self._transport is not None
        self.sent_at = at
        self._transport.write(request)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def closed_loop(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Measured:
    """Every connection sends its next request as soon as it has an answer."""
    measured = Measured()
    loop = asyncio.get_running_loop()
    end = time.perf_counter() + seconds
    open_ = connections
    done = asyncio.Event()

    def answered(connection: Connection, status: int) -> None:
        nonlocal open_
        now = time.perf_counter()
        measured.latencies_s.append(now - connection.sent_at)
        measured.statuses[status] += 1
        if now < end:
            connection.send(next(requests), now)
        else:
            open_ -= 1
            if not open_:
                done.set()

    all_ = [
        (await loop.create_connection(lambda: Connection(answered), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    began = time.perf_counter()
    end = began + seconds
    for connection in all_:
        connection.send(next(requests), time.perf_counter())
    await done.wait()
    measured.seconds = time.perf_counter() - began
    for connection in all_:
        connection.close()
    return measured


async def open_loop(
    port: int,
    requests: Iterator[bytes],
    *,
    per_s: float,
    seconds: float,
    connections: int = 64,
) -> Measured:
    """Requests leave on a schedule, whether or not the server keeps up; latency counts from the schedule."""
    measured = Measured()
    loop = asyncio.get_running_loop()
    free: list[Connection] = []
    waiting: list[float] = []
    total = round(per_s * seconds)
    done = asyncio.Event()

    def answered(connection: Connection, status: int) -> None:
        measured.latencies_s.append(time.perf_counter() - connection.sent_at)
        measured.statuses[status] += 1
        if waiting:
            connection.send(next(requests), waiting.pop(0))
        else:
            free.append(connection)
        if len(measured.latencies_s) == total:
            done.set()

    for _ in range(connections):
        _, opened = await loop.create_connection(lambda: Connection(answered), "127.0.0.1", port)
        free.append(opened)
    all_ = list(free)
    began = time.perf_counter()
    for number in range(total):
        at = began + number / per_s
        delay = at - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        if free:
            free.pop().send(next(requests), at)
        else:
            waiting.append(at)
    async with asyncio.timeout(30):
        await done.wait()
    measured.seconds = time.perf_counter() - began
    for connection in all_:
        connection.close()
    return measured


def post(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
