"""The shop as its makers describe it: one counter, a token, idempotency keys, and two calls a second.

It knows nothing of the connector. A simulator that shares the client's code agrees with the client's mistakes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from syncline.ports import Clock
from syncline.sdk.simulator import Simulator

TOKEN = "kiosk-token-0123456789"  # noqa: S105 (a made-up one)
PAGE = 4
CALLS_PER_S = 2
BURST = 10
RETRY_AFTER_S = 2
KEY_KEPT_S = 86_400
BODY_BYTES_MAX = 10_000

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shop answers, and whether it did something."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    applied: bool = False


class KioskSimulator(Simulator):
    """``GET /items``, ``GET /sales?from=ms``, ``GET /items/<sku>``, ``PUT /items/<sku>`` with what the caller expects.

    ``put`` is what was ever put on the shelf of a SKU, less what was taken off it other than by a sale.
    """

    def __init__(self, *, clock: Clock, rng: Random, stock: Mapping[str, int]) -> None:
        super().__init__(clock=clock, rng=rng)
        self.stock: dict[str, int] = {}
        self.put: Counter[str] = Counter()
        self.sales: dict[int, dict[str, Any]] = {}
        self._sold = 0
        self._left, self._left_at = float(BURST), clock.monotonic()
        self._done: dict[str, tuple[float, tuple[str, bytes], Answer]] = {}
        self.app = self._serve
        for sku, units in stock.items():
            self.count(sku, units)

    # --- what people do there ---------------------------------------------------------------------

    def count(self, sku: str, units: int) -> None:
        """Somebody counts the shelf: from now on there is what was counted."""
        assert units >= 0
        self.put[sku] += units - self.stock.get(sku, 0)
        self.stock[sku] = units

    def sell(self, sku: str, quantity: int, price: str) -> str:
        """Somebody buys at the counter: the shop takes it off its own stock."""
        assert self.stock[sku] >= quantity > 0
        self.stock[sku] -= quantity
        self._sold += 1
        now_ms = self.clock.now_ms()
        self.sales[self._sold] = {
            "n": self._sold,
            "revision": 1,
            "sku": sku,
            "quantity": quantity,
            "price": price,
            "sold_at": now_ms,
            "changed_at": now_ms,
        }
        return str(self._sold)

    def change(self, number: str, quantity: int) -> None:
        """The buyer comes back: takes some more, or returns some."""
        sale = self.sales[int(number)]
        assert quantity > 0
        assert self.stock[sale["sku"]] >= quantity - sale["quantity"]
        self.stock[sale["sku"]] -= quantity - sale["quantity"]
        sale |= {"quantity": quantity, "revision": sale["revision"] + 1, "changed_at": self.clock.now_ms()}

    def erase(self, number: str) -> None:
        """Somebody deletes a sale, which no list tells; the goods stay gone."""
        sale = self.sales.pop(int(number))
        self.put[sale["sku"]] -= sale["quantity"]

    def laws(self) -> Sequence[str]:
        """What of the books does not balance, in words."""
        sold: Counter[str] = Counter()
        for sale in self.sales.values():
            sold[sale["sku"]] += sale["quantity"]
        return [
            f"{sku}: {self.put[sku]} put there, {sold[sku]} sold, and {stock} left"
            for sku, stock in self.stock.items()
            if stock < 0 or stock != self.put[sku] - sold[sku]
        ]

    def digest(self) -> str:
        """SHA-256 of the whole state and the ledger's counters."""
        ledger = (self.ledger.calls_by_operation, self.ledger.effects, self.ledger.breaches)
        state = [self.stock, self.put, self.sales, *(sorted(counter.items()) for counter in ledger)]
        return sha256(repr(state).encode()).hexdigest()

    # --- what the shop answers --------------------------------------------------------------------

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more and len(body) <= BODY_BYTES_MAX:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        method, path, headers = scope["method"], scope["path"], dict(scope["headers"])
        refused = self._refusal(headers)
        await self.answer_time(20, 80)
        answer = refused or self._answer(method, path, scope["query_string"].decode("latin-1"), headers, body)
        if answer.applied and self.chance(self.faults.error_after_rate):
            answer = Answer(500, {"error": "something broke"}, applied=True)
        operation = f"{method} {path.split('/')[1]}"
        self.ledger.call(self.clock.now_ms(), operation, answer.status, applied=answer.applied)
        self._refill()
        told = {"content-type": "application/json", "x-calls-left": str(int(self._left)), **answer.headers}
        pairs = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await send({"type": "http.response.body", "body": json.dumps(answer.body).encode()})

    def _refusal(self, headers: Headers) -> Answer | None:
        """What is refused whatever was asked for, judged when the call arrives."""
        known = headers.get(b"authorization") == f"Bearer {TOKEN}".encode()
        if not known or self.faults.reject_auth:
            if not known:
                self.ledger.breach("auth")
            return Answer(401, {"error": "who are you?"})
        self._refill()
        slower = Answer(429, {"error": "slower"}, {"retry-after": str(RETRY_AFTER_S)})
        if self._left < 1:
            self.ledger.breach("rate")
            return slower
        if self.chance(self.faults.throttle_rate):
            return slower
        self._left -= 1
        if self.faults.down:
            return Answer(503, {"error": "closed"})
        if self.chance(self.faults.error_before_rate):
            return Answer(500, {"error": "something broke"})
        return None

    def _refill(self) -> None:
        now = self.clock.monotonic()
        self._left = min(BURST, self._left + (now - self._left_at) * CALLS_PER_S)
        self._left_at = now

    def _answer(self, method: str, path: str, query: str, headers: Headers, body: bytes) -> Answer:
        if method == "GET" and path in ("/items", "/sales"):
            try:
                return self._list(path, dict(parse_qsl(query, strict_parsing=bool(query))))
            except ValueError:
                return self._breach("field", f"{path} does not know {query}")
        sku = path.removeprefix("/items/")
        if not path.startswith("/items/") or sku not in self.stock:
            return Answer(404, {"error": f"no item {sku}"})
        if method == "GET":
            return Answer(200, {"sku": sku, "stock": self.stock[sku]})
        if method == "PUT":
            return self._set(sku, headers.get(b"idempotency-key", b"").decode("latin-1"), body)
        return Answer(405, {"error": "GET or PUT"})

    def _list(self, path: str, asked: dict[str, str]) -> Answer:
        """One page; sales stand in the order of their last change. ValueError: a parameter that is not known."""
        after = asked.pop("after", "")
        start: tuple[Any, ...] = (after,)
        rows: dict[tuple[Any, ...], dict[str, Any]] = {
            (sku,): {"sku": sku, "stock": stock} for sku, stock in self.stock.items()
        }
        if path == "/sales":
            changed_at, number = after.split("-") if after else (asked.pop("from", "0"), "0")
            start = (int(changed_at), int(number))
            rows = {(sale["changed_at"], sale["n"]): sale for sale in self.sales.values()}
        if asked:
            raise ValueError
        left = sorted(place for place in rows if place > start)
        more = "-".join(map(str, left[PAGE - 1])) if len(left) > PAGE else None
        return Answer(200, {"rows": [rows[place] for place in left[:PAGE]], "more": more})

    def _set(self, sku: str, key: str, body: bytes) -> Answer:
        try:
            wanted = json.loads(body)
        except ValueError:
            return Answer(400, {"error": "this is not JSON"})
        if not key or not isinstance(wanted, dict) or set(wanted) != {"stock", "expected"}:
            return self._breach("field", "an Idempotency-Key, stock and expected, nothing else")
        if any(type(number) is not int or number < 0 for number in wanted.values()):
            return self._breach("field", "stock and expected are whole numbers of 0 or more")
        now = self.clock.monotonic()
        self._done = {old: done for old, done in self._done.items() if now - done[0] < KEY_KEPT_S}
        if key in self._done:
            _, call, answer = self._done[key]
            return answer if call == (sku, body) else self._breach("key", "this key was for another call")
        if wanted["expected"] != self.stock[sku]:
            return Answer(409, {"error": "it is not what you expect", "stock": self.stock[sku]})
        self.count(sku, wanted["stock"])
        said = {"sku": sku, "stock": wanted["stock"]}
        self._done[key] = (now, (sku, body), Answer(200, said))
        return Answer(200, said, applied=True)

    def _breach(self, kind: str, words: str) -> Answer:
        self.ledger.breach(kind)
        return Answer(422, {"error": words})
