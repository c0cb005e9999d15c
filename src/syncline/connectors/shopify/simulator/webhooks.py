"""Webhooks: signed, at least once, in no order, retried eight times over four hours.

Rules from shopify.dev "webhooks/delivery-structure", "verify-deliveries" and the changelog of
2024-09-10 (contract section 10). Delivery latency and the exact shape of the back-off are
assumptions: the vendor says "exponential", and that is all it says.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

import msgspec

from syncline.connectors.shopify.simulator.gates import chosen, parse
from syncline.connectors.shopify.simulator.records import Subscription, topic_path
from syncline.connectors.shopify.simulator.state import ShopState
from syncline.model.errors import SynclineError
from syncline.ports import Clock, Late, Request, Transport, within
from syncline.sdk.simulator import Faults

TIMEOUT_S = 5.0
RETRIES_MAX = 8
RETRY_HORIZON_S = 4 * 3600.0
# Doubling waits that add up to the horizon: w + 2w + ... + 128w = 255w.
RETRY_WAITS_S = tuple(RETRY_HORIZON_S / (2**RETRIES_MAX - 1) * 2**n for n in range(RETRIES_MAX))
LATENCY_MS = (200.0, 1000.0)  # assumption
CONCURRENT_MAX = 64  # assumption: how many deliveries are under way at once
DOWN_POLL_S = (15.0, 900.0)  # while the vendor is down its queue stands still

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Delivery:
    """One event on its way to one address; both never change, whatever becomes of the subscription."""

    number: int
    subscription_id: int
    uri: str
    body: bytes
    headers: dict[str, str]
    wait_s: float
    first_ms: int = -1


class Webhooks:
    """The outbox of the shop. ``emit`` never waits; ``run`` delivers."""

    def __init__(
        self,
        *,
        state: ShopState,
        clock: Clock,
        rng: Random,
        transport: Transport | None,
        faults: Callable[[], Faults],
        shop: str,
        secrets: list[str],
    ) -> None:
        self._state = state
        self._clock = clock
        self._rng = rng
        self._transport = transport
        self._faults = faults
        self._shop = shop
        self.secrets = secrets  # oldest first; the oldest one signs
        self._numbers = 0
        self._lose_next: dict[str, int] = {}
        self._pending: dict[int, Delivery] = {}
        self._arrivals: asyncio.Queue[Delivery] = asyncio.Queue()
        self._under_way = asyncio.Semaphore(CONCURRENT_MAX)
        self.of_the_app: dict[int, Subscription] = {}  # made in the app's configuration, and not by the API
        self.sent = 0
        self.lost = 0
        self.removed: list[int] = []  # subscriptions that the vendor gave up

    def in_flight(self) -> int:
        """Events waiting for their first attempt or for a retry."""
        return len(self._pending)

    def new_event(self) -> int:
        """A number for one thing that happened; every topic it causes shares it."""
        self._numbers += 1
        return self._numbers

    def lose_next(self, topic: str) -> None:
        """Lose the next event of a topic, written either way (``orders/create``, ``ORDERS_CREATE``)."""
        path = topic if "/" in topic else topic_path(topic)
        self._lose_next[path] = self._lose_next.get(path, 0) + 1

    def emit(
        self, topic: str, event: int, render: Callable[[], dict[str, Any]], at_ms: int | None = None
    ) -> None:
        """Queue an event for every subscription of its topic; the payload is rendered now, once."""
        made = (*self._state.subscriptions.values(), *self.of_the_app.values())
        subscriptions = [s for s in made if s.topic == topic]
        if not subscriptions:
            return
        faults, path = self._faults(), topic_path(topic)
        whole = _encode(render())
        # Lines are rendered already, and seldom does anybody look into them.
        payload = cache(lambda: msgspec.json.decode(whole))
        now = self._clock.now_ms() if at_ms is None else at_ms
        for subscription in subscriptions:
            passes = parse(subscription.filter)
            if passes is not None and not passes(payload()):
                continue
            webhook = self.new_event()
            if self._lose_next.get(path, 0):
                self._lose_next[path] -= 1
                self.lost += 1
                continue
            if faults.webhook_lose_rate > 0 and self._rng.random() < faults.webhook_lose_rate:
                self.lost += 1
                faults.webhook_lost(path, ())
                continue
            body = whole
            if subscription.include_fields or subscription.metafield_namespaces:
                body = _encode(self._told(payload(), subscription))
            headers = self._headers(subscription, path, webhook, event, now)
            copies = 1
            if faults.webhook_copies_max > 1:
                copies = self._rng.randint(1, faults.webhook_copies_max)
            for _ in range(copies):
                self._queue(subscription, body, headers, faults.webhook_delay_ms_max)

    def _told(self, payload: dict[str, Any], subscription: Subscription) -> dict[str, Any]:
        """What a subscription wants of a payload: its fields, and the metafields of the record in its namespaces."""
        told = chosen(payload, subscription.include_fields) if subscription.include_fields else dict(payload)
        owner = payload.get("admin_graphql_api_id", "")
        found = [
            {"namespace": namespace, "key": key, "value": value, "type": kind}
            for (gid, namespace, key), (kind, value) in self._state.metafields.items()
            if gid == owner and namespace in subscription.metafield_namespaces
        ]
        return {**told, "metafields": found} if subscription.metafield_namespaces else told

    def _subscription(self, number: int) -> Subscription | None:
        return self._state.subscriptions.get(number) or self.of_the_app.get(number)

    def _queue(self, subscription: Subscription, body: bytes, headers: dict[str, str], late_ms: int) -> None:
        wait_s = self._rng.uniform(*LATENCY_MS) / 1000
        if late_ms > 0:
            wait_s += self._rng.randint(0, late_ms) / 1000
        delivery = Delivery(self.new_event(), subscription.id, subscription.uri, body, headers, wait_s)
        self._pending[delivery.number] = delivery
        self._arrivals.put_nowait(delivery)

    def _headers(self, sub: Subscription, path: str, webhook: int, event: int, at_ms: int) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": path,
            "X-Shopify-Shop-Domain": self._shop,
            "X-Shopify-API-Version": sub.api_version,
            "X-Shopify-Webhook-Id": _uuid("webhook", webhook, sub.id),
            "X-Shopify-Event-Id": _uuid("event", event, 0),
            "X-Shopify-Triggered-At": datetime.fromtimestamp(at_ms / 1000, UTC).strftime(
                "%Y-%m-%dT%H:%M:%S.%f000Z",
            ),
        }
        if sub.name:
            headers["X-Shopify-Name"] = sub.name
        return headers

    async def run(self) -> None:
        """Deliver until cancelled. What was under way then is taken up again by the next ``run``."""
        self._arrivals = asyncio.Queue()
        for delivery in self._pending.values():
            self._arrivals.put_nowait(delivery)
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._deliver(await self._arrivals.get()))

    async def _deliver(self, delivery: Delivery) -> None:
        await self._clock.sleep(delivery.wait_s)
        for retry in range(RETRIES_MAX + 1):
            await self._wait_until_up()
            if self._subscription(delivery.subscription_id) is None:
                break  # deleted: nothing more leaves for it
            if delivery.first_ms < 0:
                delivery.first_ms = self._clock.now_ms()
            if await self._attempt(delivery):
                self.sent += 1
                subscription = self._subscription(delivery.subscription_id)
                if subscription is not None:
                    subscription.last_success_ms = self._clock.now_ms()
                break
            if retry < RETRIES_MAX:
                await self._clock.sleep(RETRY_WAITS_S[retry])
        else:
            self._give_up(delivery)
        self._pending.pop(delivery.number, None)

    async def _wait_until_up(self) -> None:
        wait_s = DOWN_POLL_S[0]
        while self._faults().down:
            await self._clock.sleep(wait_s)
            wait_s = min(wait_s * 2, DOWN_POLL_S[1])

    async def _attempt(self, delivery: Delivery) -> bool:
        if self._transport is None:
            return False
        # The oldest secret that is not revoked signs (contract section 1), at the time of sending.
        digest = hmac.digest(self.secrets[0].encode(), delivery.body, "sha256")
        headers = {**delivery.headers, "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode()}
        request = Request("POST", delivery.uri, headers, delivery.body, TIMEOUT_S)
        async with self._under_way:
            try:
                response = await within(self._clock, TIMEOUT_S, self._transport.send(request))
            except (Late, SynclineError, OSError):
                return False
        return 200 <= response.status < 300  # a redirect fails

    def _give_up(self, delivery: Delivery) -> None:
        """After eight failed retries without one success the subscription is removed."""
        self.lost += 1
        subscription = self._state.subscriptions.get(delivery.subscription_id)
        if subscription is not None and subscription.last_success_ms < delivery.first_ms:
            del self._state.subscriptions[subscription.id]
            self.removed.append(subscription.id)


def _uuid(kind: str, number: int, salt: int) -> str:
    """An id that looks like the vendor's and is the same in every replay."""
    text = hmac.digest(kind.encode(), f"{number}/{salt}".encode(), "sha256").hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
