"""A message broker inside this process: topic exchanges, queues, bindings, acknowledgements, and connections that break.

It does what RabbitMQ does for one who hears a topic exchange, and passes the same tests. Nothing of it takes time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from syncline.model.errors import Retryable
from syncline.ports import Feed, Inlet, Message


@dataclass(slots=True, eq=False)
class _Kept:
    """A message in a queue. ``deliveries`` is how often it was given out to a connection that was lost."""

    topic: str
    body: bytes
    message_id: str
    deliveries: int = 0


@dataclass(slots=True)
class _Queue:
    deliveries_max: int
    bindings: set[tuple[str, str]] = field(default_factory=set)
    messages: deque[_Kept] = field(default_factory=deque)
    inlets: list[_Inlet] = field(default_factory=list)


class InProcessBroker:
    """Exchanges and queues. ``down``: it is not reached, until that is over."""

    def __init__(self, *exchanges: str) -> None:
        self.exchanges = set(exchanges)
        self._queues: dict[str, _Queue] = {}
        self._dead: dict[str, list[bytes]] = {}
        self.down = False
        self.unroutable = 0

    def inlet(self, feed: Feed) -> Inlet:
        """As ``Opening.brokers``: a way to hear one feed."""
        return _Inlet(self, feed)

    def publish(self, exchange: str, topic: str, body: bytes, message_id: str = "") -> None:
        """Put a message into every queue that is bound to it."""
        bound = [
            queue
            for queue in self._queues.values()
            if any(name == exchange and matches(key, topic) for name, key in queue.bindings)
        ]
        self.unroutable += not bound
        for queue in bound:
            queue.messages.append(_Kept(topic, body, message_id))
            self._push(queue)

    def waiting(self, queue: str) -> int:
        """Messages of a queue that are not settled yet."""
        held = self._queues.get(queue)
        if held is None:
            return 0
        return len(held.messages) + sum(len(inlet.unsettled) for inlet in held.inlets)

    def dead(self, queue: str) -> list[bytes]:
        """What was put aside, in the order in which that was done."""
        return list(self._dead.get(queue, ()))

    def drop(self) -> None:
        """Break every connection: what was not settled is given out again."""
        for queue in self._queues.values():
            for inlet in list(queue.inlets):
                inlet.lost()

    # --- what inlets do -------------------------------------------------------------------------------

    def connect(self, inlet: _Inlet) -> None:
        """Make sure of the queue and its bindings, and begin to give out.

        Raises:
            Retryable: nobody answers, or there is no such exchange.
        """
        feed = inlet.feed
        if self.down:
            raise Retryable("the broker is not reached")
        if feed.exchange not in self.exchanges:
            raise Retryable(f"the broker has no exchange {feed.exchange!r}")
        queue = self._queues.setdefault(feed.queue, _Queue(feed.deliveries_max))
        queue.bindings |= {(feed.exchange, topic) for topic in feed.topics}
        queue.inlets.append(inlet)
        self._push(queue)

    def returned(self, inlet: _Inlet, messages: Sequence[_Kept]) -> None:
        """A connection is gone. What it held comes first again, unless it has come too often."""
        queue = self._queues[inlet.feed.queue]
        queue.inlets.remove(inlet)
        for message in messages:
            message.deliveries += 1
        for message in messages:
            if message.deliveries > queue.deliveries_max:
                self.put_aside(inlet.feed.queue, message)
        queue.messages.extendleft(
            message for message in reversed(messages) if message.deliveries <= queue.deliveries_max
        )
        self._push(queue)

    def put_aside(self, queue: str, message: _Kept) -> None:
        """Keep a message where nobody is given it."""
        self._dead.setdefault(queue, []).append(message.body)

    def settled(self, inlet: _Inlet) -> None:
        """There is room at an inlet."""
        self._push(self._queues[inlet.feed.queue])

    @staticmethod
    def _push(queue: _Queue) -> None:
        while queue.messages:
            free = [one for one in queue.inlets if len(one.unsettled) < one.feed.prefetch]
            if not free:
                return
            min(free, key=lambda one: len(one.unsettled)).came(queue.messages.popleft())


class _Inlet(Inlet):
    """One connection with one consumer."""

    def __init__(self, broker: InProcessBroker, feed: Feed) -> None:
        self._broker = broker
        self.feed = feed
        self.unsettled: dict[int, _Kept] = {}
        self._waiting: deque[Message] = deque()
        self._taken: dict[int, Message] = {}
        self._arrived: Callable[[], None] | None = None
        self._tags = 0

    async def open(self, arrived: Callable[[], None]) -> None:
        if self._arrived is None:
            self._arrived = arrived
            try:
                self._broker.connect(self)
            except Retryable:
                self._arrived = None
                raise
        self._arrived = arrived

    def came(self, message: _Kept) -> None:
        """A message is given out to us."""
        self._tags += 1
        self.unsettled[self._tags] = message
        told = Message(
            self._tags, message.topic, message.body, message.message_id, redelivered=message.deliveries > 0
        )
        self._waiting.append(told)
        if self._arrived is not None:
            self._arrived()

    def lost(self) -> None:
        """The connection is gone."""
        arrived, self._arrived = self._arrived, None
        if arrived is None:
            return
        held = list(self.unsettled.values())
        self.unsettled.clear()
        self._waiting.clear()
        self._taken.clear()
        self._broker.returned(self, held)
        arrived()

    def take(self, most: int) -> list[Message]:
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._taken.update((message.tag, message) for message in taken)
        return taken

    def give_back(self) -> None:
        self._waiting.extendleft(reversed(self._taken.values()))
        self._taken.clear()

    async def accept(self, messages: Sequence[Message]) -> None:
        self._settle(messages)

    async def refuse(self, messages: Sequence[Message]) -> None:
        for message in self._settle(messages):
            self._broker.put_aside(self.feed.queue, message)

    def _settle(self, messages: Sequence[Message]) -> list[_Kept]:
        if any(message.tag not in self.unsettled for message in messages):
            raise Retryable("the connection to the broker was lost; what came is told again")
        for message in messages:
            self._taken.pop(message.tag, None)
        settled = [self.unsettled.pop(message.tag) for message in messages]
        if self._arrived is not None:
            self._broker.settled(self)
        return settled

    async def close(self) -> None:
        self.lost()


def matches(key: str, topic: str) -> bool:
    """Whether a binding key of a topic exchange covers a topic: ``*`` is one word, ``#`` any number of them."""
    return _matches(tuple(key.split(".")), tuple(topic.split(".")))


def _matches(key: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if not key:
        return not words
    if key[0] == "#":
        return any(_matches(key[1:], words[n:]) for n in range(len(words) + 1))
    return bool(words) and key[0] in ("*", words[0]) and _matches(key[1:], words[1:])
