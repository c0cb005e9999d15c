"""One broker with a shop's exchange, and what tests do with it: the real one behind a wire that can be cut, and ours."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

from syncline.ports import Feed, Inlet, Message
from syncline.simulate.broker import InProcessBroker

EXCHANGE = "magento"


class Heard:
    """Somebody who hears a feed."""

    def __init__(self, inlet: Inlet) -> None:
        self.inlet = inlet
        self.called = asyncio.Event()
        self.calls = 0

    def arrived(self) -> None:
        self.calls += 1
        self.called.set()

    async def open(self) -> None:
        await self.inlet.open(self.arrived)

    async def take(self, count: int) -> list[Message]:
        """Wait until so many have come, and take them."""
        found = self.inlet.take(count)
        while len(found) < count:
            await self.called.wait()
            self.called.clear()
            found += self.inlet.take(count - len(found))
        return found

    async def lost(self, cut: Any) -> None:
        """Wait until a cut is noticed."""
        self.called.clear()
        await cut
        await self.called.wait()
        self.called.clear()


class InProcessStage:
    """The broker of the simulations."""

    def __init__(self) -> None:
        self.broker = InProcessBroker(EXCHANGE)
        self._heard: list[Heard] = []

    def feed(self, **changed: Any) -> Feed:
        said = {"exchange": EXCHANGE, "queue": "syncline", "topics": ("sales.order.*",), "prefetch": 100}
        return Feed("", **(said | changed))

    def hear(self, **changed: Any) -> Heard:
        self._heard.append(Heard(self.broker.inlet(self.feed(**changed))))
        return self._heard[-1]

    async def publish(self, topic: str, body: bytes, message_id: str = "") -> None:
        self.broker.publish(EXCHANGE, topic, body, message_id)

    async def add_exchange(self, name: str) -> None:
        self.broker.exchanges.add(name)

    async def cut(self) -> None:
        self.broker.drop()

    async def dead(self, queue: str, count: int) -> list[bytes]:
        found = self.broker.dead(queue)
        assert len(found) == count
        return found

    async def down(self) -> None:
        self.broker.down = True
        self.broker.drop()

    async def up(self) -> None:
        self.broker.down = False

    async def close(self) -> None:
        for heard in self._heard:
            await heard.inlet.close()


class Wire:
    """A TCP relay that can be cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._ends += [writer, back]
        for task in (self._relay(reader, back), self._relay(there, writer)):
            held = asyncio.ensure_future(task)
            self._tasks.add(held)
            held.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """As if somebody pulled the plug."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def stop(self) -> None:
        """Nobody can connect either."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class RabbitStage:
    """A real node. Queues have names of their own, so that tests do not meet."""

    def __init__(self, url: str, name: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self._url = url
        self._name = name
        self._wire = Wire(parts.port)
        self._heard: list[Heard] = []
        self._connection: Any = None
        self._channel: Any = None

    async def start(self) -> None:
        import aio_pika

        await self._wire.start()
        self._connection = await aio_pika.connect(self._url)
        self._channel = await self._connection.channel()
        await self.add_exchange(EXCHANGE)

    def named(self, name: str) -> str:
        return name if name == EXCHANGE else f"{name}-{self._name}"

    def feed(self, **changed: Any) -> Feed:
        url = changed.pop("url", f"amqp://guest:guest@127.0.0.1:{self._wire.port}/")
        said = {"exchange": EXCHANGE, "queue": "syncline", "topics": ("sales.order.*",), "prefetch": 100}
        said |= changed
        said |= {"exchange": self.named(said["exchange"]), "queue": self.named(said["queue"])}
        said["topics"] = tuple(f"{self._name}.{topic}" for topic in said["topics"])
        return Feed(url, **said)

    def hear(self, **changed: Any) -> Heard:
        from syncline.buses.rabbitmq import RabbitInlet

        self._heard.append(Heard(RabbitInlet(self.feed(**changed))))
        return self._heard[-1]

    async def publish(self, topic: str, body: bytes, message_id: str = "") -> None:
        import aio_pika

        message = aio_pika.Message(body, message_id=message_id or None, delivery_mode=2)
        exchange = await self._channel.get_exchange(EXCHANGE)
        await exchange.publish(message, f"{self._name}.{topic}", mandatory=False)

    async def add_exchange(self, name: str) -> None:
        await self._channel.declare_exchange(self.named(name), "topic", durable=True)

    async def add_queue(self, name: str) -> None:
        """One of another kind than ours."""
        await self._channel.declare_queue(self.named(name), durable=True)

    async def cut(self) -> None:
        self._wire.cut()

    async def dead(self, queue: str, count: int) -> list[bytes]:
        name = f"{queue}-{self._name}.dead"
        held = await self._channel.get_queue(name)
        found: asyncio.Queue[bytes] = asyncio.Queue()

        async def take(message: Any) -> None:
            await message.ack()
            found.put_nowait(message.body)

        tag = await held.consume(take)
        bodies = [await found.get() for _ in range(count)]
        await held.cancel(tag)
        return bodies

    async def down(self) -> None:
        await self._wire.stop()

    async def up(self) -> None:
        await self._wire.start()

    async def close(self) -> None:
        for heard in self._heard:
            await heard.inlet.close()
        await self._wire.stop()
        await self._connection.close()
