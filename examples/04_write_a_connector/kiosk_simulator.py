"""The kiosk as its makers describe it: a made-up shop with one counter, a token, and a limit of two calls a second.

It knows nothing of the connector. A simulator that shares the client's code agrees with the client's mistakes.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from syncline.ports import Clock
from syncline.sdk.simulator import Simulator

TOKEN = "kiosk-token"
PAGE = 2
CALLS_PER_S = 2
BURST = 10


class KioskSimulator(Simulator):
    """``GET /items``, ``GET /sales?after=n``, ``PUT /items/<sku>`` with the stock that the caller expects."""

    def __init__(self, *, clock: Clock, rng: Random, stock: dict[str, int]) -> None:
        super().__init__(clock=clock, rng=rng)
        self.stock = dict(stock)
        self.sales: list[dict[str, Any]] = []
        self._calls: list[float] = []
        self.app = self._serve

    def sell(self, sku: str, quantity: int, price: str) -> str:
        """Somebody buys at the counter: the kiosk takes it off its own stock."""
        assert self.stock[sku] >= quantity
        self.stock[sku] -= quantity
        number = len(self.sales) + 1
        self.sales.append(
            {"n": number, "sku": sku, "quantity": quantity, "price": price, "sold_at": self.clock.now_ms()},
        )
        return str(number)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        await self.answer_time(20, 80)
        headers = dict(scope["headers"])
        status, answer = self._answer(
            scope["method"], scope["path"], scope["query_string"].decode(), headers, body
        )
        self.ledger.call(
            self.clock.now_ms(),
            f"{scope['method']} {scope['path'].split('/')[1]}",
            status,
            applied=scope["method"] == "PUT" and status == 200,
        )
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def _answer(
        self, method: str, path: str, query: str, headers: dict[bytes, bytes], body: bytes
    ) -> tuple[int, Any]:
        if headers.get(b"authorization") != f"Bearer {TOKEN}".encode() or self.faults.reject_auth:
            self.ledger.breach("auth")
            return 401, {"error": "who are you?"}
        now = self.clock.monotonic()
        self._calls = [at for at in self._calls if now - at < BURST / CALLS_PER_S] + [now]
        if len(self._calls) > BURST:
            self.ledger.breach("rate")
            return 429, {"error": "slower"}
        if self.faults.down:
            return 503, {"error": "closed"}
        if method == "GET" and path == "/items":
            return 200, [{"sku": sku, "stock": stock} for sku, stock in self.stock.items()]
        if method == "GET" and path == "/sales":
            after = int(query.removeprefix("after="))
            return 200, self.sales[after : after + PAGE]
        sku = path.removeprefix("/items/")
        if sku not in self.stock:
            return 404, {"error": f"no item {sku}"}
        if method == "GET":
            return 200, {"sku": sku, "stock": self.stock[sku]}
        wanted = json.loads(body)
        if set(wanted) != {"stock", "expected"}:
            return 422, {"error": "stock and expected, nothing else"}
        if wanted["expected"] != self.stock[sku]:
            return 409, {"stock": self.stock[sku]}
        self.stock[sku] = wanted["stock"]
        return 200, {"stock": self.stock[sku]}
