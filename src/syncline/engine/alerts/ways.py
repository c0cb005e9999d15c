"""Ways out: the log, and a signed webhook. E-mail is one more, in the runtime, because it needs sockets.

A webhook is signed as Standard Webhooks has it (https://www.standardwebhooks.com), so that ready libraries
verify it: HMAC-SHA256 with the secret over ``id.timestamp.body``, in base64.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Protocol

import msgspec
import structlog

from syncline.engine.alerts.messages import Message
from syncline.model.errors import Misconfigured, OutcomeUnknown, Rejected, Retryable
from syncline.ports import Clock, Request, Transport

SECRET_BYTES_MIN = 24
TIMEOUT_S = 15.0
ANSWER_MAX = 200

log = structlog.get_logger(__name__)


class Way(Protocol):
    """One way out. Each message is given until it was taken; the same one may come again after a lost receipt."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        ...

    async def send(self, message: Message) -> str:
        """Hand one message over; returns what came back, in a few words.

        Raises:
            Retryable: it was not taken now.
            OutcomeUnknown: it may have been.
            Rejected: this message is refused and would be again.
        """
        ...


class LogWay:
    """Every message as a line of the log, for whoever collects logs."""

    name = "log"

    async def send(self, message: Message) -> str:
        """Write it."""
        log.warning(
            message.title,
            action="alert",
            event_kind=message.event,
            key=message.key,
            severity=message.severity,
            stake=message.stake,
            mend=message.mend,
            id=message.id,
        )
        return "written"


def secret_bytes(secret: str) -> bytes:
    """The key behind a configured secret: ``whsec_`` and base64, or plain text.

    Raises:
        Misconfigured: it is too short to protect anything.
    """
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise Misconfigured("alerts.webhook.secret: what follows whsec_ is no base64") from error
    else:
        key = secret.encode()
    if len(key) < SECRET_BYTES_MIN:
        raise Misconfigured(
            f"alerts.webhook.secret: give at least {SECRET_BYTES_MIN} bytes, chosen by chance"
        )
    return key


def signature(key: bytes, id_: str, timestamp: str, body: bytes) -> str:
    """What the header ``webhook-signature`` says."""
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


class WebhookWay:
    """POSTs each message to one address."""

    name = "webhook"

    def __init__(self, transport: Transport, clock: Clock, *, url: str, key: bytes) -> None:
        self._transport = transport
        self._clock = clock
        self._url = url
        self._key = key

    async def send(self, message: Message) -> str:
        """POST it; any 2xx is a receipt."""
        body = msgspec.json.encode(message)
        timestamp = str(self._clock.now_ms() // 1000)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._key, message.id, timestamp, body),
        }
        answer = await self._transport.send(Request("POST", self._url, headers, body, TIMEOUT_S))
        said = answer.body[:ANSWER_MAX].decode("utf-8", "replace").strip()
        words = f"HTTP {answer.status}" + (f": {said}" if said else "")
        if 200 <= answer.status < 300:
            return f"HTTP {answer.status}"
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise Retryable(words)
        raise Rejected(words)


__all__ = ["LogWay", "Misconfigured", "OutcomeUnknown", "Way", "WebhookWay", "secret_bytes", "signature"]
