"""Hand-written floors: the least code that does the same durable work, with no retry, screen or second system.

``Writer`` is a group-commit thread on the same tables and settings; ``BareEndpoint`` the webhook route
on it; ``FloorPipeline`` an order pipeline of one process. They say what the machine can do this minute.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import queue
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import apsw
import msgspec
import zstandard

from syncline.stores.sqlite import SqliteStore
from syncline.stores.sqlite.store import connect

BUCKET_MS = 16 * 86_400_000


class Writer:
    """One thread commits what gathered while it committed; another moves the WAL into the file."""

    def __init__(self, path: str, now_ms: int) -> None:
        SqliteStore.open(path, now_ms=now_ms)._connection.close()  # noqa: SLF001 (for its tables)
        self._connection, self._checkpointer = connect(path), connect(path)
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stop = threading.Event()
        self.commits = 0
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._write, self._checkpoint)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[apsw.Connection], Any]) -> asyncio.Future[Any]:
        """Do this in the next transaction."""
        future = self._loop.create_future()
        self._queue.put((work, future))
        return future

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            while len(batch) < 512 and not self._queue.empty():
                if (more := self._queue.get()) is None:
                    self._queue.put(None)
                    break
                batch.append(more)
            self._connection.execute("BEGIN IMMEDIATE")
            answers = [(future, work(self._connection)) for work, future in batch]
            self._connection.execute("COMMIT")
            self.commits += 1
            self._loop.call_soon_threadsafe(self._answer, answers)

    def _answer(self, answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
        for future, result in answers:
            if not future.done():
                future.set_result(result)

    def _checkpoint(self) -> None:
        while not self._stop.wait(0.25):
            self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        """Stop the threads."""
        self._queue.put(None)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._checkpointer.close()
        self._connection.close()


class Log:
    """Deduplicated, compressed append: what every accepted webhook costs."""

    def __init__(self) -> None:
        self._compress = zstandard.ZstdCompressor(level=3).compress

    def append(self, execute: Any, topic: str, event_id: str, now_ms: int, body: bytes) -> bool:
        """Append unless it was seen in this bucket."""
        digest = hashlib.blake2b(event_id.encode(), digest_size=16).digest()
        bucket = now_ms // BUCKET_MS
        if execute(
            "SELECT 1 FROM event_seen WHERE bucket IN (?2, ?2 - 1, ?2 - 2) AND digest = ?1",
            (digest, bucket),
        ).fetchone():
            return False
        execute("INSERT INTO event_seen (bucket, digest) VALUES (?, ?)", (bucket, digest))
        execute(
            "INSERT INTO event (system, topic, event_id, via, occurred_at_ms, received_at_ms, body)"
            " VALUES ('shop', ?, ?, 'event', ?, ?, ?)",
            (topic, event_id, now_ms, now_ms, self._compress(body)),
        )
        return True


async def read_body(receive: Any) -> bytes:
    """The whole body of an ASGI request."""
    body = b""
    while True:
        message: dict[str, Any] = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def answer(send: Any, status: int) -> None:
    """An empty answer."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class BareEndpoint:
    """Raw ASGI: signature, append, group commit, answer."""

    def __init__(self, writer: Writer, secret: str, now_ms: Callable[[], int]) -> None:
        self._writer, self._secret, self._now_ms, self._log = writer, secret.encode(), now_ms, Log()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one webhook."""
        body = await read_body(receive)
        headers = dict(scope["headers"])
        expected = base64.b64encode(hmac.digest(self._secret, body, "sha256"))
        if not hmac.compare_digest(expected, headers.get(b"x-shopify-hmac-sha256", b"")):
            await answer(send, 401)
            return
        topic, event_id = headers[b"x-shopify-topic"].decode(), headers[b"x-shopify-webhook-id"].decode()
        now_ms = self._now_ms()
        await self._writer.submit(lambda c: self._log.append(c.execute, topic, event_id, now_ms, body))
        await answer(send, 200)


class _Line(msgspec.Struct):
    sku: str
    quantity: int


class _Order(msgspec.Struct):
    id: int
    line_items: list[_Line]


class FloorPipeline:
    """Order in: log, reserve, note what changed, one commit; then one coalesced bulk call after the other."""

    def __init__(
        self,
        writer: Writer,
        secret: str,
        stock: dict[str, int],
        channels: int,
        call: Callable[[int, list[tuple[str, int]]], Awaitable[None]],
        *,
        batch: int = 100,
        calls_max: int = 8,
    ) -> None:
        self._writer, self._secret, self._stock, self._call, self._log = (
            writer,
            secret.encode(),
            stock,
            call,
            Log(),
        )
        self._decode = msgspec.json.Decoder(_Order).decode
        self._reserved: dict[str, int] = {}
        self._due: list[OrderedDict[str, None]] = [OrderedDict() for _ in range(channels)]
        self._signals = [asyncio.Event() for _ in range(channels)]
        self._batch = batch
        self.updates = 0
        self._tasks = [asyncio.create_task(self._lane(n)) for n in range(channels) for _ in range(calls_max)]
        writer.submit(
            lambda c: c.execute(
                "CREATE TABLE IF NOT EXISTS reserved (sku TEXT PRIMARY KEY, quantity INTEGER) WITHOUT ROWID, STRICT"
            ).fetchall(),
        )

    async def accept(self, event_id: str, signature: bytes, body: bytes, now_ms: int) -> bool:
        """One webhook, whole: verified, decoded, durable, derived."""
        if not hmac.compare_digest(base64.b64encode(hmac.digest(self._secret, body, "sha256")), signature):
            return False
        order = self._decode(body)

        def work(connection: apsw.Connection) -> bool:
            if not self._log.append(connection.execute, "orders/create", event_id, now_ms, body):
                return False
            for line in order.line_items:
                connection.execute(
                    "INSERT INTO reserved VALUES (?, ?) ON CONFLICT DO UPDATE SET quantity = quantity + excluded.quantity",
                    (line.sku, line.quantity),
                )
            return True

        if await self._writer.submit(work):
            for line in order.line_items:
                self._reserved[line.sku] = self._reserved.get(line.sku, 0) + line.quantity
                for due, signal in zip(self._due, self._signals, strict=True):
                    due[line.sku] = None
                    signal.set()
        return True

    async def _lane(self, channel: int) -> None:
        due, signal = self._due[channel], self._signals[channel]
        while True:
            while not due:
                signal.clear()
                await signal.wait()
            keys = [due.popitem(last=False)[0] for _ in range(min(self._batch, len(due)))]
            values = [(sku, max(0, self._stock[sku] - self._reserved[sku])) for sku in keys]
            await self._call(channel, values)
            self.updates += len(values)

    def pending(self) -> int:
        """Keys that wait."""
        return sum(map(len, self._due))

    async def stop(self) -> None:
        """End the lanes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
