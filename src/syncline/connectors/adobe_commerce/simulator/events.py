"""Adobe I/O Events for Commerce, delivered to a webhook: CloudEvents, signed twice, at least once, in no order.

Contract section 9; developer.adobe.com/events/docs/guides and /support/faq. Only the registered fields are sent; an event above
64 KB is not made; a cron job sends batches within 59 s, at once (within 1 s) where the event is registered with priority. A
registration has its events posted one by one, or up to 20 and 2 MB at once. What is answered with 429, with 5xx but 505, or
not at all is sent again for 24 hours; anything else that is no success is never sent again. Assumed: that a batch is a JSON array,
how long one is gathered, and what its headers name. A registration that fails for long is not switched off here.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from syncline.connectors.adobe_commerce.simulator.journal import Journal
from syncline.model.errors import SynclineError
from syncline.ports import Clock, Late, Request, Transport, within
from syncline.sdk.simulator import Faults

ORDER_SAVED = "com.adobe.commerce.observer.sales_order_save_commit_after"
PROVIDER = "urn:uuid:5d1f6e1c-0000-4000-8000-000000000001"
METADATA = {"commerceEdition": "Adobe Commerce", "commerceVersion": "2.4.8", "eventsClientVersion": "1.12.0"}
BYTES_MAX = 64 * 1024
CRON_MS, PRIORITY_MS = (1_000.0, 59_000.0), (100.0, 1_000.0)
ANSWER_S = 10.0
RETRY_WAITS_S = (60.0, 120.0, 240.0, 480.0, *(900.0,) * 95)  # 24 hours in all
BATCH_EVENTS_MAX, BATCH_BYTES_MAX, BATCH_S = 20, 2 * 1024 * 1024, 1.0
NO_ANSWER = 0
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
    """Where events go ("": to the journal only), for whom, which fields of them, how soon, and whether several at once.

    ``former``: in Adobe's own envelope, as before Commerce's events were CloudEvents.
    """

    url: str
    client_id: str
    fields: tuple[str, ...] = ()
    priority: bool = True
    batch: bool = False
    former: bool = False


@dataclass(slots=True, eq=False)
class _Event:
    number: int
    code: str
    event_id: str
    body: bytes
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
        self._ripe: list[_Event] = []  # of a registration that has them in batches
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
        data = {"key": event_id, "source": "simulated.prod", "value": chosen, "_metadata": METADATA}
        body = _encode(
            _former(event_id, data, to) if to.former else self._cloud_event(code, event_id, data, to)
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
            event = self._pending[self._numbers] = _Event(self._numbers, code, event_id, body, wait_s)
            self._arrivals.put_nowait(event)

    def _cloud_event(
        self, code: str, event_id: str, data: dict[str, Any], to: Registration
    ) -> dict[str, Any]:
        """CloudEvents 1.0 with Adobe's two extensions. The id of the CloudEvent is another one than the event's."""
        self._numbers += 1
        return {
            "specversion": "1.0",
            "id": _uuid(self._numbers),
            "source": PROVIDER,
            "type": code,
            "datacontenttype": "application/json",
            "time": _moment(self._clock.now_ms()),
            "data": data,
            "eventid": event_id,
            "recipientclientid": to.client_id,
        }

    async def challenge(self, url: str) -> bool:
        """Whether an address gives back what it is asked, as text or as JSON, before it is registered."""
        asked = f"{self._rng.getrandbits(128):032x}"
        if self._transport is None:
            return False
        answer = await self._transport.send(Request("GET", f"{url}?challenge={asked}", {}, b"", ANSWER_S))
        if answer.status != 200:
            return False
        kind = answer.headers.get("content-type", "").partition(";")[0]
        said = answer.body.decode("utf-8", "replace")
        if kind != "application/json":
            return said.strip().strip('"') == asked
        try:
            return bool(msgspec.json.decode(answer.body) == {"challenge": asked})
        except msgspec.DecodeError:
            return False

    async def run(self) -> None:
        """Deliver until cancelled; what was under way then is taken up again by the next run."""
        self._arrivals, self._ripe = asyncio.Queue(), []
        for event in self._pending.values():
            self._arrivals.put_nowait(event)
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._deliver(await self._arrivals.get()))

    async def _deliver(self, event: _Event) -> None:
        await self._clock.sleep(event.wait_s)
        if self.registration is None or not self.registration.batch:
            return await self._hand_over([event], event.body)
        self._ripe.append(event)
        if len(self._ripe) > 1:
            return None  # the first of them waits for the others
        await self._clock.sleep(BATCH_S)
        ripe, self._ripe = self._ripe, []
        while ripe:
            some = ripe[:BATCH_EVENTS_MAX]
            while len(some) > 1 and sum(len(one.body) + 1 for one in some) > BATCH_BYTES_MAX:
                some.pop()
            ripe = ripe[len(some) :]
            await self._hand_over(some, b"[%b]" % b",".join(one.body for one in some))
        return None

    async def _hand_over(self, events: Sequence[_Event], body: bytes) -> None:
        """Post one event, or a batch, until it is taken, refused for good, or too old."""
        status = NO_ANSWER
        for tried, wait_s in enumerate((*RETRY_WAITS_S, 0.0)):
            status = NO_ANSWER if self._faults().down else await self._attempt(events, body, tried)
            if not _comes_again(status):
                break
            await self._clock.sleep(wait_s)
        taken = 200 <= status < 300
        self.sent += len(events) if taken else 0
        self.lost += 0 if taken else len(events)
        for event in events:
            self._pending.pop(event.number, None)

    async def _attempt(self, events: Sequence[_Event], body: bytes, tried: int) -> int:
        """The status that a post is answered with; none where nobody answers."""
        to = self.registration
        if self._transport is None or to is None:
            return NO_ANSWER
        self._numbers += 1
        first, second = make_keys()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Adobe/1.0",
            "x-adobe-delivery-id": _uuid(self._numbers),
            "x-adobe-provider": "dx_commerce_events",
            "x-adobe-event-code": events[0].code,
            **({} if to.batch else {"x-adobe-event-id": events[0].event_id}),
            **({"x-adobe-retry-count": str(tried)} if tried else {}),
            "x-adobe-digital-signature-1": sign(first, body),
            "x-adobe-digital-signature-2": sign(second, body),
            "x-adobe-public-key1-path": f"/prod/keys/pub-key-{_uuid(-1)}.pem",
            "x-adobe-public-key2-path": f"/prod/keys/pub-key-{_uuid(-2)}.pem",
        }
        request = Request("POST", to.url, headers, body, ANSWER_S)
        async with self._under_way:
            try:
                return (await within(self._clock, ANSWER_S, self._transport.send(request))).status
            except (Late, SynclineError, OSError):
                return NO_ANSWER


def _comes_again(status: int) -> bool:
    """Whether a delivery that was answered so is tried again."""
    return status in {NO_ANSWER, 429} or (500 <= status < 600 and status != 505)


def _former(event_id: str, data: dict[str, Any], to: Registration) -> dict[str, Any]:
    """Adobe's own envelope."""
    return {"event_id": event_id, "event": {"data": data}, "recipient_client_id": to.client_id}


def _moment(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
