"""A message broker as a way in: a queue of our own that is bound to what another system publishes.

A broker is transport. It tells at least once and in no order that counts; what was told is safe once it is in our log,
and only then is the broker told so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Feed:
    """What is heard: an exchange of the other side, and the queue of ours that its messages are kept in.

    ``url`` carries the credential and is never shown. ``topics`` are binding keys of a topic exchange (``*`` is one word,
    ``#`` any number). ``prefetch`` is how many messages may be here and not yet settled. A message that was given out
    ``deliveries_max`` times, each time to a connection that was lost, is put aside in ``<queue>.dead``.
    """

    url: str
    exchange: str
    queue: str
    topics: tuple[str, ...]
    prefetch: int
    deliveries_max: int = 20


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``tag`` names it while the connection lasts; ``message_id`` is the publisher's, "" where it has none."""

    tag: int
    topic: str
    body: bytes
    message_id: str = ""
    redelivered: bool = False


class Inlet(Protocol):
    """Where the messages of one feed come in. Used by one task at a time.

    A message is in one of three places: at the broker, waiting here, or taken. What is here when the connection is lost goes
    back to the broker, which tells it again.
    """

    async def open(self, arrived: Callable[[], None]) -> None:
        """Connect, make sure of queue and bindings, and begin to receive; nothing if that is so already.

        ``arrived`` is called when a message has come, and when the connection was lost.

        Raises:
            Retryable: the broker is not reached, or it lacks what is bound to.
            AuthExpired: credential or permission refused.
        """
        ...

    def take(self, most: int) -> list[Message]:
        """What waits here, oldest first; at once."""
        ...

    def give_back(self) -> None:
        """What was taken and not settled waits here again, in its former order."""
        ...

    async def accept(self, messages: Sequence[Message]) -> None:
        """They are kept: the broker may forget them.

        Raises:
            Retryable: the connection was lost; they are told again.
        """
        ...

    async def refuse(self, messages: Sequence[Message]) -> None:
        """They cannot be kept: the broker puts them aside in ``<queue>.dead``.

        Raises:
            Retryable: the connection was lost; they are told again.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection. It can be opened again."""
        ...


Brokers = Callable[[Feed], Inlet]
