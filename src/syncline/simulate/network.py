"""Faults of the network: what a vendor's app cannot do to itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Clock, Request, Response, Transport


@dataclass(slots=True)
class NetworkFaults:
    """Shares of requests, 0..1, that meet each fate."""

    refuse_rate: float = 0.0  # never reaches the other side
    lose_answer_rate: float = 0.0  # takes effect there, and the answer is lost
    cut_answer_rate: float = 0.0  # the answer arrives truncated
    login_page_rate: float = 0.0  # somebody between answers 200 with HTML
    delay_ms_max: int = 0


@dataclass(slots=True)
class FaultyTransport(Transport):
    """Wraps a transport and hurts what passes, from a seed."""

    inner: Transport
    clock: Clock
    rng: Random
    faults: NetworkFaults = field(default_factory=NetworkFaults)
    met: Counter[str] = field(default_factory=Counter)

    def _chance(self, rate: float, what: str) -> bool:
        hit = rate > 0 and self.rng.random() < rate
        if hit:
            self.met[what] += 1
        return hit

    async def send(self, request: Request) -> Response:
        if self.faults.delay_ms_max:
            await self.clock.sleep(self.rng.uniform(0, self.faults.delay_ms_max) / 1000)
        if self._chance(self.faults.refuse_rate, "request refused"):
            raise Retryable("connection refused (injected)")
        answer = await self.inner.send(request)
        if self._chance(self.faults.lose_answer_rate, "answer lost"):
            await self.clock.sleep(min(request.timeout_s, 5.0))
            raise OutcomeUnknown("the answer was lost (injected)")
        if self._chance(self.faults.cut_answer_rate, "answer cut"):
            return Response(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
        if self._chance(self.faults.login_page_rate, "login page"):
            return Response(200, {"content-type": "text/html"}, b"<html><body>Please log in</body></html>")
        return answer
