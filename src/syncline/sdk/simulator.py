"""The base of every Simulator: a vendor's behaviour as an ASGI app with a truth ledger.

A simulator reads the injected clock and random source and nothing else, so the same seed gives the
same bytes. It is written from the vendor's contract and never imports the connector's client or
mapping: a simulator that shares the client's code agrees with the client's mistakes.

Vendor rules (auth, limits, validation, error bodies) live in the app. Faults of the *network*, such
as an answer lost after the effect, live in a transport wrapped around it
(``syncline.simulate.network``), because an app cannot lose its own reply.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from starlette.types import ASGIApp

from syncline.ports import Clock, Transport


def _unheard(_topic: str, _skus: Sequence[str]) -> None:
    """Nobody asked which events are lost."""


@dataclass(slots=True)
class Faults:
    """What goes wrong on the vendor's side, switched by tests, demos and the simulation.

    Rates are shares of 0..1 drawn from the simulator's own random source.
    """

    down: bool = False  # every call answers 503 and does nothing; no webhook leaves
    error_before_rate: float = 0.0  # answers 500 and did nothing
    error_after_rate: float = 0.0  # answers 500 although the effect took place
    throttle_rate: float = 0.0  # answers as if the limit were reached
    reject_auth: bool = False  # every token is refused until it is False again
    webhook_lose_rate: float = 0.0  # an event is never sent,
    # and whoever listens here is told its topic, and of which SKUs it would have told, where that is known
    webhook_lost: Callable[[str, Sequence[str]], None] = _unheard
    webhook_copies_max: int = 1  # an event is sent 1..n times, with the same event id
    webhook_delay_ms_max: int = 0  # an event waits 0..n ms, so later events overtake it
    read_lag_ms: int = 0  # how far behind the truth the search index or replica is


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the vendor saw it."""

    at_ms: int
    operation: str
    status: int
    applied: bool  # whether it changed the vendor's state
    detail: str = ""


@dataclass(slots=True)
class Ledger:
    """The truth about what reached the vendor and what it did; the oracle of every test.

    ``calls`` keeps the newest entries only; the counters are complete. ``breaches`` counts what a
    well-behaved client never does (calls over a limit, unknown fields, stale writes repeated
    unchanged), by kind.
    """

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=20_000))
    calls_by_operation: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    breaches: Counter[str] = field(default_factory=Counter)

    def call(self, at_ms: int, operation: str, status: int, *, applied: bool, detail: str = "") -> None:
        """Record one request and its answer."""
        self.calls.append(Call(at_ms, operation, status, applied, detail))
        self.calls_by_operation[operation] += 1
        if applied:
            self.effects[operation] += 1

    def breach(self, kind: str) -> None:
        """Record something that a well-behaved client never does."""
        self.breaches[kind] += 1


class Simulator:
    """State, faults and a ledger behind an ASGI app.

    Subclasses build ``self.app`` (a Starlette application is fine), answer after
    ``await self.answer_time(...)``, and record every request in ``self.ledger``. Whatever they send
    by themselves (webhooks, pushes) goes through ``self.transport`` from tasks that ``run()`` owns.
    """

    app: ASGIApp

    def __init__(self, *, clock: Clock, rng: Random, transport: Transport | None = None) -> None:
        self.clock = clock
        self.rng = rng
        self.transport = transport
        self.faults = Faults()
        self.ledger = Ledger()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI request."""
        await self.app(scope, receive, send)

    async def run(self) -> None:
        """Send what the vendor sends by itself (webhooks, retries) until cancelled."""

    async def answer_time(self, low_ms: float, high_ms: float) -> None:
        """Wait as long as the vendor takes to answer: uniform, seeded; an assumption, not a fact."""
        await self.clock.sleep(self.rng.uniform(low_ms, high_ms) / 1000.0)

    def chance(self, rate: float) -> bool:
        """Draw once; a rate of 0 draws nothing, so that switching a fault off keeps the seed's path."""
        return rate > 0 and self.rng.random() < rate
