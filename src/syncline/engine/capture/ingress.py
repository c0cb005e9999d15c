"""Webhooks: verify on the raw body, append durably, answer. Nothing else happens here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from syncline.engine.failpoints import failpoint
from syncline.model.change import LoggedEvent
from syncline.model.errors import Busy, Forged, OutcomeUnknown, Rejected, Retryable, StoreBroken
from syncline.ports import Clock, Store, System, WebhookRequest

BODY_BYTES_MAX = 8 * 1024 * 1024  # an order of 2,000 lines is 3 MB; larger bodies are nobody's webhook


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and a sentence."""

    status: int
    message: str
    retry_after_s: int = 0
    text: bool = False  # the sentence is the answer itself, not a message


STORED = Answer(200, "stored")


@dataclass(slots=True)
class Received:
    """What arrived at one system's address, for screens and alarms."""

    accepted: int = 0
    duplicates: int = 0
    forged: int = 0
    refused: int = 0
    last_at_ms: int = 0


class Ingress:
    """Accepts webhooks for the configured systems."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        systems: Mapping[str, System],
        on_stored: Callable[[LoggedEvent], None],
        on_announced: Callable[[str, Sequence[str]], None] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._systems = systems
        self._on_stored = on_stored
        self._on_announced = on_announced
        self.received: dict[str, Received] = {name: Received() for name in systems}

    async def accept(self, system: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take one webhook. A 2xx answer means that it is on disk.

        An unknown system and a wrong signature get the same answer, so that addresses cannot be
        guessed. A full disk or a store that cannot keep up is said before anything is accepted.
        """
        if len(body) > BODY_BYTES_MAX:
            return Answer(413, f"the body has {len(body)} bytes, the limit is {BODY_BYTES_MAX}")
        known = self._systems.get(system)
        if known is None:
            return Answer(401, "signature refused")
        counts = self.received[system]
        now_ms = self._clock.now_ms()
        try:
            verified = known.source.verify(WebhookRequest(headers, body, now_ms))
        except Forged:
            counts.forged += 1
            return Answer(401, "signature refused")
        except Rejected as error:
            counts.refused += 1
            return Answer(422, str(error))
        events = [verified.event, *verified.more]
        try:
            offsets = await self._store.append(events, received_at_ms=now_ms)
        except (Retryable, Busy, OutcomeUnknown, StoreBroken) as error:
            return Answer(503, str(error), retry_after_s=5)
        except Rejected as error:
            counts.refused += 1
            return Answer(422, str(error))
        failpoint("ingress.after_append")
        counts.last_at_ms = now_ms
        for offset, event in zip(offsets, events, strict=True):
            if offset is None:
                counts.duplicates += 1
            else:
                counts.accepted += 1
                self._on_stored(LoggedEvent(offset, now_ms, event))
        if verified.reads and self._on_announced is not None:
            # A crash before the read costs its interval: a process that starts reads every stream.
            self._on_announced(system, verified.reads)
        return STORED

    def handshake(self, system: str) -> str:
        """The query parameter by which a system makes sure of an address; "" if it does not."""
        known = self._systems.get(system)
        return "" if known is None else known.capabilities.webhook_handshake
