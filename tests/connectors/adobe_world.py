"""A simulated Adobe Commerce shop in virtual time, and a foreign client that signs with oauthlib."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import urlencode

import oauthlib.oauth1

from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator, CartLine
from syncline.ports import Request, Response
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_782_896_400_000  # 2026-07-01T09:00:00Z
ORIGIN = "https://simulated-commerce.example"
HOOK = "https://hooks.example.com"


def signed(
    shop: AdobeCommerceSimulator, method: str, url: str, now_ms: int, nonce: str, **changed: Any
) -> str:
    """An ``Authorization`` header by oauthlib, which knows nothing of us."""
    held = shop.integration
    options: dict[str, Any] = {
        "client_secret": held.consumer_secret,
        "resource_owner_key": held.access_token,
        "resource_owner_secret": held.access_token_secret,
        "signature_method": oauthlib.oauth1.SIGNATURE_HMAC_SHA256,
        "timestamp": str(now_ms // 1000),
        "nonce": nonce,
    }
    client = oauthlib.oauth1.Client(held.consumer_key, **(options | changed))
    return client.sign(url, http_method=method)[1]["Authorization"]


@dataclass
class Answer:
    """An answer with its body decoded."""

    status: int
    body: Any
    headers: dict[str, str]


class Receiver:
    """An endpoint that keeps what it gets, and answers what it is told to."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.status = 200
        self.says: Any = None
        self.slow_s = 0.0
        self.got: list[tuple[int, dict[str, str], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.got.append((self.clock.now_ms(), headers, body))
        if self.slow_s:
            await self.clock.sleep(self.slow_s)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(self.says).encode()})


class World:
    """A shop with two sources and three products."""

    def __init__(self, loop: VirtualLoop, seed: int = 1, **options: Any) -> None:
        self.clock = VirtualClock(loop)
        self.transport = AsgiTransport({})
        self.shop = AdobeCommerceSimulator(
            clock=self.clock, rng=Random(seed), transport=self.transport, origin=ORIGIN, **options
        )
        self.transport.register(ORIGIN, self.shop)
        self.receiver = Receiver(self.clock)
        self.transport.register(HOOK, self.receiver)
        self.shop.add_source("leeds")
        for sku, price, here, there in (("A", "10.00", 5, 20), ("B", "3.33", 50, 0), ("C", "7.00", 4, 3)):
            self.shop.add_product(sku, f"Product {sku}", Decimal(price), {"default": here, "leeds": there})
        self._nonces = 0

    async def http(
        self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None, **headers: str
    ) -> Answer:
        url = f"{ORIGIN}/rest/{path}" + (f"?{urlencode(query)}" if query else "")
        self._nonces += 1
        given = {"Authorization": signed(self.shop, method, url, self.clock.now_ms(), f"n{self._nonces}")}
        raw = b""
        if body is not None:
            given["Content-Type"] = "application/json"
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given.update({name.title(): value for name, value in headers.items()})
        return opened(await self.transport.send(Request(method, url, given, raw)))

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http("GET", f"all/V1/{path}", query=query or None)
        assert answer.status == 200, answer
        return answer.body

    async def search(self, path: str, **filters: Any) -> Any:
        """Equalities, each in a group of its own."""
        query: dict[str, Any] = {"searchCriteria[pageSize]": 100}
        for n, (field, value) in enumerate(filters.items()):
            query[f"searchCriteria[filter_groups][{n}][filters][0][field]"] = field
            query[f"searchCriteria[filter_groups][{n}][filters][0][value]"] = value
        return (await self.get(path, **query))["items"]

    async def post(self, path: str, body: Any) -> Answer:
        return await self.http("POST", f"all/V1/{path}", body)

    def buy(self, *cart: tuple[str, int], **more: Any) -> int:
        done = self.shop.checkout([CartLine(sku, units) for sku, units in cart], **more)
        assert done.order_id is not None, done.refusal
        return done.order_id


def opened(answer: Response) -> Answer:
    """Decoded, where it is JSON."""
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    body = json.loads(answer.body) if is_json else answer.body
    return Answer(answer.status, body, dict(answer.headers))


def run(story: Callable[[World], Coroutine[Any, Any, None]], seed: int = 1, **options: Any) -> World:
    """Tell a story in virtual time; the books have to balance in the end."""
    loop = VirtualLoop(START_MS)
    try:
        world = World(loop, seed, **options)
        loop.run_until_complete(story(world))
        assert world.shop.check() == []
    finally:
        loop.run_until_complete(_tidy())
        loop.close()
    return world


async def _tidy() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
