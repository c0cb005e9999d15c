"""A queue of a RabbitMQ broker (AMQP 0-9-1), by aio-pika. It needs the extra ``rabbitmq``.

The exchange is the other side's and is only looked at. The queue is ours: durable, replicated where the broker has several
nodes (``quorum``), with a limit of deliveries and a place for what exceeds it. rabbitmq.com/docs/quorum-queues,
/docs/dlx, /docs/confirms.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import aiormq.exceptions
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)

from syncline.model.errors import AuthExpired, Retryable, SynclineError
from syncline.ports import Feed, Inlet, Message

STEP_S = 10.0  # to connect, and for each declaration
HEARTBEAT_S = 20
_DENIED = (AuthenticationError, ProbableAuthenticationError, aiormq.exceptions.ChannelAccessRefused)


class RabbitInlet(Inlet):
    """One connection, made when it is needed and again when it was lost: whoever reads tries again with its own pauses."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        parts = urlsplit(feed.url)
        self._place = f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._arrived: Callable[[], None] | None = None
        self._waiting: deque[Message] = deque()
        self._taken: dict[int, Message] = {}
        self._held: dict[int, AbstractIncomingMessage] = {}
        self._tags = 0

    async def open(self, arrived: Callable[[], None]) -> None:
        if self._channel is not None and not self._channel.is_closed:
            self._arrived = arrived
            return
        await self.close()
        try:
            await self._begin()
        except (AMQPError, OSError, TimeoutError) as error:
            await self.close()
            raise self._trouble(error) from error
        self._arrived = arrived

    async def _begin(self) -> None:
        feed = self._feed
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._connection = await aio_pika.connect(
            feed.url,
            ssl_context=context if feed.url.startswith("amqps:") else None,
            timeout=STEP_S,
            client_properties={"connection_name": f"syncline {feed.queue}"},
            heartbeat=HEARTBEAT_S,
        )
        channel = self._channel = await self._connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=feed.prefetch, timeout=STEP_S)
        # Passive: where it is missing that is said, and nothing is made in its place.
        exchange = await channel.declare_exchange(feed.exchange, "topic", passive=True, timeout=STEP_S)
        dead = f"{feed.queue}.dead"
        await channel.declare_queue(dead, durable=True, arguments={"x-queue-type": "quorum"}, timeout=STEP_S)
        arguments: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": feed.deliveries_max,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        }
        queue = await channel.declare_queue(feed.queue, durable=True, arguments=arguments, timeout=STEP_S)
        for topic in feed.topics:
            await queue.bind(exchange, topic, timeout=STEP_S)
        channel.close_callbacks.add(self._lost)
        await queue.consume(self._came, timeout=STEP_S)

    async def _came(self, held: AbstractIncomingMessage) -> None:
        if held.channel.is_closed:
            return
        self._tags += 1
        told = Message(
            self._tags,
            held.routing_key or "",
            held.body,
            held.message_id or "",
            redelivered=bool(held.redelivered),
        )
        self._held[told.tag] = held
        self._waiting.append(told)
        self._say()

    def _lost(self, channel: AbstractChannel | None, error: BaseException | None) -> None:
        """What is here goes back to the broker by itself."""
        if channel is self._channel:
            self._forget()
            self._say()

    def _forget(self) -> None:
        self._waiting.clear()
        self._taken.clear()
        self._held.clear()

    def _say(self) -> None:
        if self._arrived is not None:
            self._arrived()

    def take(self, most: int) -> list[Message]:
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._taken.update((message.tag, message) for message in taken)
        return taken

    def give_back(self) -> None:
        self._waiting.extendleft(reversed(self._taken.values()))
        self._taken.clear()

    async def accept(self, messages: Sequence[Message]) -> None:
        for held in self._settled(messages):
            await self._tell(held.ack())

    async def refuse(self, messages: Sequence[Message]) -> None:
        for held in self._settled(messages):
            await self._tell(held.nack(requeue=False))

    def _settled(self, messages: Sequence[Message]) -> list[AbstractIncomingMessage]:
        for message in messages:
            self._taken.pop(message.tag, None)
        found = [self._held.pop(message.tag, None) for message in messages]
        if None in found:
            raise Retryable(
                f"the connection to the broker at {self._place} was lost; what came is told again"
            )
        return [held for held in found if held is not None]

    async def _tell(self, telling: Any) -> None:
        try:
            await telling
        except (AMQPError, OSError, RuntimeError) as error:
            raise self._trouble(error) from error

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        self._arrived = None
        self._forget()
        if connection is not None:
            await asyncio.shield(connection.close())

    def _trouble(self, error: Exception) -> SynclineError:
        """What to do about it. The address is never quoted: the credential stands in it."""
        feed = self._feed
        if isinstance(error, _DENIED):
            return AuthExpired(
                f"the broker at {self._place} refuses the user or what it wants to do ({type(error).__name__}): check "
                f"its name and password, and that it may configure, write and read {feed.queue}* and read {feed.exchange}"
            )
        if isinstance(error, ChannelNotFoundEntity):
            return Retryable(
                f"the broker at {self._place} has no exchange {feed.exchange!r}: check amqp_exchange and the virtual "
                "host; the shop makes it when it is set up with RabbitMQ"
            )
        if isinstance(error, ChannelPreconditionFailed):
            return Retryable(
                f"the broker at {self._place} has {feed.exchange!r}, {feed.queue!r} or {feed.queue}.dead of another "
                "kind: delete the queue once it is empty, or choose another amqp_queue"
            )
        return Retryable(f"the broker at {self._place} is not reached ({type(error).__name__})")
