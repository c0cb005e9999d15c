"""Adobe I/O Events for Commerce, delivered to a webhook: wrapped, signed twice, at least once, in no order.

Contract section 9. Only the registered fields are sent; an event above 64 KB is not made; a cron job sends batches within 59 s,
at once (within 1 s) where the event is registered with priority. How retries are spaced is an assumption.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from syncline.connectors.adobe_commerce.simulator.journal import Journal
from syncline.model.errors import SynclineError
from syncline.ports import Clock, Request, Transport
from syncline.sdk.simulator import Faults

ORDER_SAVED = "com.adobe.commerce.observer.sales_order_save_commit_after"
BYTES_MAX = 64 * 1024
CRON_MS, PRIORITY_MS = (1_000.0, 59_000.0), (100.0, 1_000.0)
ANSWER_S = 10.0
RETRY_WAITS_S = tuple(60.0 * 2**n for n in range(10))  # assumption: doubling, about 17 hours in all
UNDER_WAY_MAX = 32
_encode = msgspec.json.Encoder(decimal_format="number").encode


@cache
def make_keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """The two keys that sign. They are not seeded; nothing in a run depends on their bytes."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    )


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """The half that everybody may see."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def sign(key: rsa.RSAPrivateKey, body: bytes) -> str:
    """RSA-SHA256 over the raw body, in base64."""
    return base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


@dataclass(frozen=True, slots=True)
class Registration:
    """Where events go ("": to the journal only), for whom, which fields of them, and how soon."""

    url: str
    client_id: str
    fields: tuple[str, ...] = ()
    priority: bool = True


@dataclass(slots=True, eq=False)
class _Event:
    number: int
    body: bytes
    headers: dict[str, str]
    wait_s: float


class Events:
    """The outbox. ``emit`` never waits; ``run`` delivers."""

    def __init__(
        self, clock: Clock, rng: Random, transport: Transport | None, faults: Callable[[], Faults]
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._transport = transport
        self._faults = faults
        self._numbers = 0
        self._pending: dict[int, _Event] = {}
        self._arrivals: asyncio.Queue[_Event] = asyncio.Queue()
        self._under_way = asyncio.Semaphore(UNDER_WAY_MAX)
        self._lose_next = 0
        self.registration: Registration | None = None
        self.journal: Journal | None = None
        self.sent = 0
        self.lost = 0
        self.too_large = 0

    def in_flight(self) -> int:
        """Events that wait for their first attempt or for a retry."""
        return len(self._pending)

    def lose_next(self) -> None:
        """Lose the next event, once."""
        self._lose_next += 1

    def emit(self, code: str, value: dict[str, Any]) -> None:
        """Queue an event with the fields that are registered."""
        to = self.registration
        if to is None:
            return
        self._numbers += 1
        event_id = _uuid(self._numbers)
        chosen = select(value, to.fields) if to.fields else value
        body = _encode(
            {
                "event_id": event_id,
                "event": {
                    "data": {"key": event_id, "source": "simulated.prod", "value": chosen, "_metadata": {}}
                },
                "recipient_client_id": to.client_id,
            }
        )
        if len(body) > BYTES_MAX:
            self.too_large += 1
            return
        faults = self._faults()
        if self._lose_next or (
            faults.webhook_lose_rate > 0 and self._rng.random() < faults.webhook_lose_rate
        ):
            self._lose_next = max(0, self._lose_next - 1)
            self.lost += 1
            faults.webhook_lost(code, ())
            return
        headers = {
            "Content-Type": "application/json",
            "x-adobe-event-code": code,
            "x-adobe-event-id": event_id,
            "x-adobe-public-key1-path": "/prod/keys/pub-key-1.pem",
            "x-adobe-public-key2-path": "/prod/keys/pub-key-2.pem",
        }
        copies = self._rng.randint(1, faults.webhook_copies_max) if faults.webhook_copies_max > 1 else 1
        for number in range(copies):
            wait_s = self._rng.uniform(*(PRIORITY_MS if to.priority else CRON_MS)) / 1000
            if self.journal is not None and not number:
                self.journal.add(body, self._clock.now_ms() + round(wait_s * 1000))
            if not to.url:
                break
            if faults.webhook_delay_ms_max > 0:
                wait_s += self._rng.randint(0, faults.webhook_delay_ms_max) / 1000
            self._numbers += 1
            event = self._pending[self._numbers] = _Event(self._numbers, body, headers, wait_s)
            self._arrivals.put_nowait(event)

    async def challenge(self, url: str) -> bool:
        """Whether an address gives back what it is asked, before it is registered."""
        asked = f"{self._rng.getrandbits(128):032x}"
        if self._transport is None:
            return False
        answer = await self._transport.send(Request("GET", f"{url}?challenge={asked}", {}, b"", ANSWER_S))
        return answer.status == 200 and answer.body.decode("utf-8", "replace") == asked

    async def run(self) -> None:
        """Deliver until cancelled; what was under way then is taken up again by the next run."""
        self._arrivals = asyncio.Queue()
        for event in self._pending.values():
            self._arrivals.put_nowait(event)
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._deliver(await self._arrivals.get()))

    async def _deliver(self, event: _Event) -> None:
        await self._clock.sleep(event.wait_s)
        for wait_s in (*RETRY_WAITS_S, 0.0):
            if not self._faults().down and await self._attempt(event):
                self.sent += 1
                break
            await self._clock.sleep(wait_s)
        else:
            self.lost += 1
        self._pending.pop(event.number, None)

    async def _attempt(self, event: _Event) -> bool:
        to = self.registration
        if self._transport is None or to is None:
            return False
        first, second = make_keys()
        signed = {
            "x-adobe-digital-signature-1": sign(first, event.body),
            "x-adobe-digital-signature-2": sign(second, event.body),
        }
        request = Request("POST", to.url, {**event.headers, **signed}, event.body, ANSWER_S)
        async with self._under_way:
            sending = asyncio.ensure_future(self._transport.send(request))
            timer = asyncio.ensure_future(self._clock.sleep(ANSWER_S))
            try:
                await asyncio.wait((sending, timer), return_when=asyncio.FIRST_COMPLETED)
                return sending.done() and 200 <= sending.result().status < 300
            except (SynclineError, OSError):
                return False
            finally:
                sending.cancel()
                timer.cancel()


def select(value: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Only the fields that are named; ``items[].sku`` names one of every entry."""
    found: dict[str, Any] = {}
    for name in names:
        head, _, rest = name.partition(".")
        listed = head.endswith("[]")
        head = head.removesuffix("[]")
        if head not in value:
            continue
        if not rest:
            found[head] = value[head]
        elif listed:
            rows = found.setdefault(head, [{} for _ in value[head]])
            for place, entry in enumerate(value[head]):
                rows[place].update(select(entry, (rest,)))
        elif isinstance(value[head], dict):
            found.setdefault(head, {}).update(select(value[head], (rest,)))
    return found


def _uuid(number: int) -> str:
    text = hmac.digest(b"event", str(number).encode(), "sha256").hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
