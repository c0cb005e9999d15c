"""The shop's RabbitMQ as a way in: orders that a publisher of the shop's own puts on the exchange ``magento``.

Contract section 9: Open Source has no events, but any shop can publish topics of its own. The body is the order as the REST
API has it; less will do, down to ``entity_id`` and ``updated_at``. Only our own queue is read, never one of the shop's: what is
taken from ``async.operations.all`` would be missing there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence

from syncline.connectors.adobe_commerce.told import order_event, refused_event
from syncline.model.change import Cursor, Event
from syncline.model.errors import AuthExpired, Retryable
from syncline.ports import Clock, Inlet, Message, Page

STREAM = "messages"
PAGE_MESSAGES = 100
PAGES_MAX = 10_000  # of one read; what comes after them is the next read's
BODY_BYTES_MAX = 8 * 1024 * 1024  # the limit of the ingress: an order of 2,000 lines is 3 MB


class Messages:
    """Takes what waits in our queue, and lets the broker forget it once it is on disk."""

    def __init__(self, name: str, inlet: Inlet, clock: Clock) -> None:
        self._name = name
        self._inlet = inlet
        self._clock = clock
        self._announce: Callable[[Sequence[str]], None] | None = None

    async def listen(self, announce: Callable[[Sequence[str]], None]) -> None:
        """Have the stream read as soon as something comes, until cancelled."""
        self._announce = announce
        try:
            await asyncio.Event().wait()
        finally:
            self._announce = None
            await self._inlet.close()

    async def check(self) -> tuple[str, bool, str]:
        """Whether it can be heard, for an installer."""
        try:
            await self._inlet.open(self._arrived)
        except (AuthExpired, Retryable) as error:
            return ("messages of RabbitMQ", False, str(error))
        await self._inlet.close()
        return ("messages of RabbitMQ", True, "")

    def _arrived(self) -> None:
        if self._announce is not None:
            self._announce((STREAM,))

    async def poll(self, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        """What has come. A queue that is empty confirms nothing: a message may have been lost on its way into it.

        Whoever reads stores a page before asking for the next, so the messages of one are accepted when the next is asked
        for, and not before. Those of a page that could not be stored are given again.
        """
        covered_ms = cursor.covers_ms if cursor else 0
        place = Cursor(self._name, STREAM, "", covered_ms)
        await self._inlet.open(self._arrived)
        self._inlet.give_back()
        for _ in range(PAGES_MAX):
            messages = self._inlet.take(PAGE_MESSAGES)
            if not messages:
                break
            small = [message for message in messages if len(message.body) <= BODY_BYTES_MAX]
            yield Page(tuple(map(self._event, messages)), place, last=False)
            await self._inlet.accept(small)
            await self._inlet.refuse([message for message in messages if len(message.body) > BODY_BYTES_MAX])
        yield Page((), place, last=True)

    def _event(self, message: Message) -> Event:
        """Told again it has the same id; so has the same content that somebody publishes twice without an id."""
        now_ms = self._clock.now_ms()
        digest = hashlib.blake2b(message.body, digest_size=16).hexdigest()
        event_id = f"amqp:{message.message_id[:200]}:{digest}"
        if len(message.body) > BODY_BYTES_MAX:
            why = (
                f"a message of {message.topic[:100]!r} has {len(message.body)} bytes, more than {BODY_BYTES_MAX}; it is in "
                "the broker's queue of refused messages. The next poll of orders finds the order"
            )
            return refused_event(self._name, event_id, why, now_ms)
        return order_event(self._name, event_id, message.body, now_ms)
