"""The test bench of a connector: its simulator, its system, and a person who makes things happen there.

A connector joins the conformance suites by writing one small class with the methods of
``ConnectorBench``. Everything runs in one process on virtual time, so a day passes in a moment and a
failure repeats exactly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Protocol

from syncline.model.change import Change, Kind
from syncline.model.delivery import Item
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Clock, Connector, Request, Response, System, Timer, Transport, WebhookRequest
from syncline.sdk.simulator import Simulator
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

START_MS = 1_790_000_000_000  # a moment in 2026; nothing depends on when

Send = Callable[[Request], Awaitable[Response]]
Between = Callable[[Request, Send], Awaitable[Response]]


class VendorClock(Clock):
    """The vendor's clock. It can be set back for a moment, to stamp a change earlier than it is seen."""

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self.behind_ms = 0

    def now_ms(self) -> int:
        return self._inner.now_ms() - self.behind_ms

    def monotonic(self) -> float:
        return self._inner.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        return self._inner.after(seconds, call)


class Wire(Transport):
    """What lies between our system and the vendor: it remembers requests and can hurt them.

    ``between`` sees every request and the way on; it may alter, answer, delay or lose.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.sent: list[Request] = []
        self.between: Between | None = None

    async def send(self, request: Request) -> Response:
        self.sent.append(request)
        if self.between is not None:
            return await self.between(request, self._inner.send)
        return await self._inner.send(request)


async def unreachable(request: Request, _: Send) -> Response:
    """A ``between``: the connection is refused."""
    raise Retryable(f"connection refused: {request.url}")


async def cut(request: Request, send: Send) -> Response:
    """A ``between``: every answer arrives as its first half."""
    answer = await send(request)
    return Response(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


class LoseAnswer:
    """A ``between``: loses the answer to the n-th request that took effect at the vendor."""

    def __init__(self, simulator: Simulator, number: int) -> None:
        self._simulator = simulator
        self._left = number
        self.lost = False

    async def __call__(self, request: Request, send: Send) -> Response:
        """Send one request."""
        before = sum(self._simulator.ledger.effects.values())
        answer = await send(request)
        if not self.lost and sum(self._simulator.ledger.effects.values()) > before:
            self._left -= 1
            if not self._left:
                self.lost = True
                raise OutcomeUnknown("the answer was lost")
        return answer


class Mailbox(Transport):
    """Where the vendor sends its webhooks to: it keeps them, and can refuse some first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.posts: list[WebhookRequest] = []
        self.refuse = 0

    async def send(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.posts.append(WebhookRequest(headers, request.body, self._clock.now_ms()))
        if self.refuse:
            self.refuse -= 1
            return Response(503)
        return Response(200)


class Surroundings:
    """What every bench is given: time, chance and the ways between both sides."""

    def __init__(self, loop: VirtualLoop, seed: int = 0) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop)
        self.vendor_clock = VendorClock(self.clock)
        self.apps = AsgiTransport({})
        self.wire = Wire(self.apps)
        self.mailbox = Mailbox(self.clock)
        self.rng = Random(seed)

    def new_rng(self) -> Random:
        """A source of chance of its own, from the seed."""
        return Random(self.rng.getrandbits(64))


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that the vendor refuses for good, and words of its reason."""

    operation: str
    item: Item
    words: str


@dataclass(frozen=True, slots=True)
class Example:
    """A request that the vendor's documents show the answer to: its status and parts of its body."""

    name: str
    request: Request
    status: int
    says: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """A test that is known to fail: why, and until when that is accepted (``YYYY-MM-DD``).

    The test still runs. It fails the run once it passes, or once the date is over.
    """

    reason: str
    expires: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a bench can say of its connector once and for all.

    ``delta`` is the stream under test and ``kind`` the records that the suite makes there.
    ``page_items`` is how many of them one page holds on this bench; a few are enough.
    ``overlap_s``: a change stamped so long before it becomes visible must still be found.
    ``credential_headers`` carry the credential. ``ungoverned`` are ledger operations outside the limit.
    ``crowd`` items of ``crowded`` at once are more than the limit lets through at once.
    """

    delta: str
    kind: Kind
    page_items: int
    overlap_s: float
    credential_headers: tuple[str, ...]
    secrets: tuple[str, ...]
    crowded: str
    crowd: int
    ungoverned: tuple[str, ...] = ()
    decimal_places: int = 2
    extra: Mapping[str, str] = field(default_factory=dict)


class ConnectorBench(Protocol):
    """What a suite has to be able to do with a connector. Acts at the vendor take effect at once."""

    def __init__(self, around: Surroundings) -> None:
        """Make the simulator with its clock, chance and mailbox from ``around``; serve it in ``apps``."""
        ...

    @property
    def facts(self) -> Facts:
        """What can be said once and for all."""
        ...

    @property
    def around(self) -> Surroundings:
        """What ``__init__`` was given."""
        ...

    @property
    def simulator(self) -> Simulator:
        """The vendor."""
        ...

    @property
    def connector(self) -> Connector:
        """The connector under test."""
        ...

    def open(self) -> System:
        """Our side, as a process that has just started: it remembers nothing."""
        ...

    async def subscribe(self, system: System) -> None:
        """Have the vendor send its webhooks from now on."""
        ...

    def close(self) -> None:
        """Undo what this bench changed outside of itself."""
        ...

    # --- records of the delta stream --------------------------------------------------------------

    def add(self, count: int = 1) -> list[str]:
        """Make records at this very moment; returns their canonical keys."""
        ...

    def edit(self, key: str) -> None:
        """Change a record visibly."""
        ...

    def delete(self, key: str) -> None:
        """Delete a record, as far as people can do that there."""
        ...

    def spoil(self, key: str) -> None:
        """From now on, reads state this record in a way that nobody can understand."""
        ...

    def visible(self, change: Change) -> object:
        """What of a change can be compared with ``truth``."""
        ...

    def truth(self, key: str) -> object:
        """What the vendor holds of a record, as its people see it."""
        ...

    # --- webhooks ---------------------------------------------------------------------------------

    def sign(self, post: WebhookRequest, body: bytes, *, secret: str | None = None) -> WebhookRequest:
        """The same webhook with another body and a signature that fits it, by ``secret`` or the right one."""
        ...

    def unsigned(self, post: WebhookRequest) -> WebhookRequest:
        """The same webhook without a signature."""
        ...

    def stating(self, post: WebhookRequest, number: Decimal) -> WebhookRequest:
        """The same webhook, rightly signed, stating ``number`` where a decimal belongs."""
        ...

    def stated(self, change: Change) -> Decimal:
        """The number that a change of such a webhook carries."""
        ...

    # --- what our side writes ---------------------------------------------------------------------

    async def items(self, operation: str, count: int, system: System) -> list[Item]:
        """Items that can be delivered, none made before; whatever they need is there."""
        ...

    def effects(self, operation: str, item: Item) -> int:
        """How often the vendor holds the effect of an item."""
        ...

    async def refusal(self, system: System) -> Refusal:
        """An item that the vendor refuses."""
        ...

    def outdate(self, item: Item) -> None:
        """Somebody there changes what a compare-and-set item expects; only asked where it is declared."""
        ...

    def slow_down(self, seconds: float) -> Response | None:
        """An answer by which this vendor asks for a delay of ``seconds``; ``None`` if it never names one."""
        ...

    # --- the simulator alone ----------------------------------------------------------------------

    def people(self, rng: Random) -> None:
        """One random act of the people there, drawn from ``rng``."""
        ...

    def laws(self) -> Sequence[str]:
        """The identity laws of the vendor's books that do not hold, in words."""
        ...

    def digest(self) -> str:
        """A hash of everything that the simulator holds."""
        ...

    def unknown_field(self, request: Request) -> Request:
        """A request that writes, with a field added that the vendor does not have."""
        ...

    def examples(self, write: Request) -> Sequence[Example]:
        """Documented errors, made from a request that our side sent with its credential."""
        ...
