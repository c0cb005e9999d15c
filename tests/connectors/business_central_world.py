"""A simulated Business Central on virtual time, with a caller that sends what it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlencode

from syncline.connectors.business_central.simulator import CLIENT_ID, CLIENT_SECRET, BusinessCentralSimulator
from syncline.ports import Request, Response
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_767_606_000_000  # 2026-01-05 09:40 UTC
STANDARD = "v2.0"
EXTENSION = "syncline/connect/v1.0"
HOOK = "https://hook.test/in"
ANY = {"If-Match": "*"}


class World:
    """A simulator on virtual time, an application with a token, and a listener for notifications."""

    def __init__(self, seed: int = 7, **options: Any) -> None:
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.net = AsgiTransport({})
        self.sim = BusinessCentralSimulator(clock=self.clock, rng=Random(seed), transport=self.net, **options)
        for origin in self.sim.origins:
            self.net.register(origin, self.sim)
        self.net.register("https://hook.test", self._hook)
        self.posts: list[dict[str, Any]] = []
        self.handshakes = 0
        self.hook_status = 200
        self.shakes_hands = True
        self.token = ""
        self.sim.add_location("MAIN", "Main")
        self.sim.add_location("NORTH", "North")
        for number, price in (("A", "10.00"), ("B", "2.50"), ("C", "7.25")):
            self.sim.add_item(number, f"Item {number}", price)
        self.sim.receive("A", "MAIN", 20)
        self.customer = self.sim.add_customer("10000", "A company")

    async def _hook(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        token = parse_qs(scope["query_string"].decode()).get("validationToken")
        status, answer = self.hook_status, b""
        if token:
            self.handshakes += 1
            status, answer = 200, token[0].encode() if self.shakes_hands else b"hello"
        elif status == 200:
            self.posts += json.loads(body)["value"]
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    def run(self, story: Callable[[], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            background = asyncio.create_task(self.sim.run())
            try:
                self.token = json.loads((await self.login()).body)["access_token"]
                return await story()
            finally:
                background.cancel()
                await asyncio.gather(background, return_exceptions=True)

        try:
            return self.loop.run_until_complete(whole())
        finally:
            assert not self.sim.check()
            self.loop.close()

    async def login(self, **changed: str) -> Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": "https://api.businesscentral.dynamics.com/.default",
            **changed,
        }
        return await self.net.send(Request("POST", self.sim.token_url, {}, urlencode(form).encode()))

    def url(self, path: str, api: str = STANDARD) -> str:
        return f"{self.sim.root(api)}/companies({self.sim.company_id})/{path}"

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        api: str = STANDARD,
        **options: str,
    ) -> Response:
        url = path if path.startswith("https://") else self.url(path, api)
        if options:
            url += "?" + urlencode({f"${k}": v for k, v in options.items()})
        content = b"" if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if content else {}
        sent = {"Authorization": f"Bearer {self.token}", **kind, **(headers or {})}
        return await self.net.send(Request(method, url, sent, content))

    async def get(self, path: str, api: str = STANDARD, **options: str) -> Any:
        answer = await self.send("GET", path, api=api, **options)
        assert answer.status == 200, answer.body
        return json.loads(answer.body, parse_float=Decimal)

    async def rows(self, path: str, api: str = STANDARD, **options: str) -> list[Any]:
        return (await self.get(path, api, **options))["value"]

    def order(self, **fields: Any) -> dict[str, Any]:
        line = {
            "lineType": "Item",
            "lineObjectNumber": "A",
            "quantity": 2,
            "unitPrice": 9.5,
            "locationId": self.sim.location_id("MAIN"),
        }
        return {
            "customerNumber": "10000",
            "externalDocumentNumber": "web-1001",
            "salesOrderLines": [line],
            **fields,
        }

    async def create(self, **fields: Any) -> dict[str, Any]:
        answer = await self.send("POST", "salesOrders", self.order(**fields))
        assert answer.status == 201, answer.body
        return json.loads(answer.body, parse_float=Decimal)


def refused(answer: Response, status: int, code: str, words: str = "") -> None:
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"]) == (status, code), error
    assert words in error["message"]
    assert "  CorrelationId:  " in error["message"]
