"""What a connector provides: a Source that is read, a Sink that is written, one Governor for both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol

from syncline.model.capabilities import Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.delivery import Item, Operation, Outcome
from syncline.model.pricing import Price
from syncline.model.records import Item as StockedItem
from syncline.ports.broker import Brokers
from syncline.ports.census import Census, OrderBook
from syncline.ports.clock import Clock
from syncline.ports.copies import Copies
from syncline.ports.expiry import Expiry
from syncline.ports.gates import Gate
from syncline.ports.requests import WebhookRequest
from syncline.ports.rereads import NOTHING, Rereads
from syncline.ports.transport import Transport


class Governor(Protocol):
    """Keeps one system's calls under its vendor's limit; shared by everything that calls it."""

    async def ready(self, *, urgent: bool = False) -> None:
        """Wait until a call would be let through, without taking anything.

        A share of the limit is reserved: calls that are not ``urgent`` see the limit as reached
        while only that share is left.
        """
        ...

    def usage(self) -> Mapping[str, float]:
        """For screens and metrics: ``limit``, ``in_use``, ``calls``, ``throttled``, ``waited_s``.

        ``per_s`` is what may be spent each second: points, or seconds of open calls. Without a limit it is left out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Verified:
    """A webhook whose signature holds, ready to be appended.

    ``reads`` are the streams that it only announces changes of: they are read at once. ``more`` are the other events of a
    post that carries several; all of them are on disk before it is answered, or none.
    """

    event: Event
    reads: tuple[str, ...] = ()
    more: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class PollStream:
    """Something that can be read for changes since a cursor.

    ``snapshot`` streams read everything each time: they prove the delta streams, at the reconcile
    interval. ``flows`` are those whose age a completed read renews. ``arrives``: a read looks whether something has come,
    which costs next to nothing while nothing has; so it is made at the poll interval whatever it reads, and one that
    finds nothing confirms nothing. ``records`` are flows whose records only this stream tells: it is read where a route
    carries one of them, and not otherwise.
    """

    name: str
    flows: tuple[Flow, ...]
    snapshot: bool = False
    arrives: bool = False
    records: tuple[Flow, ...] = ()

    def tells(self, flow: Flow) -> bool:
        """Whether it tells what a route of a flow carries. Which SKUs there are is everybody's, and no catalog."""
        return flow in self.records or (flow in self.flows and flow is not Flow.CATALOG)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a read: its events, and the cursor that is true once they are stored.

    The cursor moves only with the page's events, in one transaction, so a crash on any page costs
    nothing but reading it again. ``last`` ends the read; then everything in the stream's scope is
    confirmed as of ``cursor.covers_ms``.

    A page of a full read may leave out the events of records that it knows to be told already. It names
    them in ``present``, by kind and key, or they count as missing from the source.
    """

    events: tuple[Event, ...]
    cursor: Cursor
    last: bool
    present: tuple[tuple[Kind, str], ...] = ()


class Source(Protocol):
    """The reading side of a system."""

    @property
    def streams(self) -> tuple[PollStream, ...]:
        """What can be polled."""
        ...

    def verify(self, request: WebhookRequest) -> Verified:
        """Check the signature on the raw body and name the event. Never parses before verifying.

        Raises:
            Rejected: the signature is missing, wrong or expired, or the content is not acceptable;
                nothing else is ever raised, whatever the bytes are.
        """
        ...

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """Translate a raw event to canonical changes. A pure function of the event.

        Raises:
            Rejected: the content cannot be understood; the engine parks the event with the message.
        """
        ...

    def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Read a stream from its cursor to its end.

        Raises:
            Throttled, Retryable, OutcomeUnknown, AuthExpired: try again later from the last
                stored cursor; reading has no effect.
        """
        ...


class Sink(Protocol):
    """The writing side of a system."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The calls it can make, by name."""
        ...

    async def deliver(self, operation: str, items: Sequence[Item], key: str) -> list[Outcome]:
        """Make one call. Returns one outcome per item, in order; never raises for part of a batch.

        ``key`` is the idempotency key of this call: the same key is only ever given again with the
        same items, after an unknown outcome.

        Raises:
            AuthExpired: the credential is refused; nothing was applied.
        """
        ...

    async def look_up(self, operation: str, item: Item) -> Outcome | None:
        """Find the effect of an earlier call by our reference; ``None`` if it is not there (yet).

        Raises:
            Throttled, Retryable, OutcomeUnknown, AuthExpired: nothing was learned; ask again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What a connector is given when a configured system is opened. ``brokers``: how it hears a message broker.

    ``outside`` leads to addresses that a record names and nobody configured as a system: it reaches hosts of the public
    internet only, follows no redirect and takes small answers. ``None``: none are asked.
    """

    name: str
    settings: Any
    clock: Clock
    rng: Random
    transport: Transport
    brokers: Brokers | None = None
    outside: Transport | None = None


# Runs beside the engine until it is cancelled, and says which streams something has come for: they are read at once.
Listen = Callable[[Callable[[Sequence[str]], None]], Coroutine[Any, Any, None]]

# Items as this system knows them, and lists by the names that its changes give them. Raises what ``Source.poll`` raises.
LivePrices = Callable[[Sequence[StockedItem], Sequence[str]], Awaitable[Sequence[Price]]]


@dataclass(frozen=True, slots=True)
class System:
    """One configured account of an external product, open for use.

    ``believed`` is told which full reads of a stream were judged and believed, by the moment that they cover: a source may
    leave out of the next what has not changed since. It may be told of one again, or never, if the process ends first.
    ``expiries`` says what it is reached with and when that ends, as far as is known; it makes no call and never raises.
    """

    name: str
    connector: str
    capabilities: Capabilities
    source: Source
    sink: Sink
    governor: Governor
    prepare: Callable[[str], Any] | None = None  # async: subscribe webhooks to a public URL
    check: Callable[[], Any] | None = None  # async: list of (what, ok, how to mend)
    census: Census | None = None  # lists everything, for `syncline adopt`
    order_book: OrderBook | None = None  # finds orders under the references of others
    rereads: Rereads = NOTHING
    believed: Callable[[str, int], None] | None = None
    live_prices: LivePrices | None = None  # what some lists say of some items at this moment
    listen: Listen | None = None  # hears what comes without being asked for, such as messages of a broker
    gate: Gate | None = None  # answers what its checkouts ask
    copies: Copies | None = None  # what is kept outside of the store of what was taken
    expiries: Callable[[], Sequence[Expiry]] = tuple


@dataclass(frozen=True, slots=True)
class Sample:
    """What ``syncline init`` writes for a system of this kind, for its owner to fill in.

    ``settings`` is TOML, to stand below the line that names the connector; ``{name}`` in it is the system's. ``location`` is how one of its locations is
    called. ``more`` is what some flows need besides, to stand behind the settings: by the flow's name, or the names of all that need it with spaces
    between them. ``adopt`` says, for an ERP, in what fields a former connector may have left the ids of orders, ``prices`` which list
    holds everybody's prices. ``role`` is, for a channel, what somebody who buys for a company may do there.
    """

    part: Literal["erp", "channel"]
    settings: str
    location: str
    adopt: str = ""
    prices: str = ""
    role: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    def named(self, name: str, flows: Collection[str] = ()) -> str:
        """The settings of a system that is called so, and carries these flows."""
        told = [text for needed_by, text in self.more.items() if not set(flows).isdisjoint(needed_by.split())]
        return "\n".join([self.settings, *told]).replace("{name}", name)


@dataclass(frozen=True, slots=True)
class Connector:
    """The code for one kind of system, as registered under ``syncline.connectors``.

    ``also`` is the sample of the other part, where one kind of system can be the ERP or the channel.
    ``operations`` are what its Sink can be asked for, ``tells`` the flows that its Source's streams carry; without any, nobody
    knows before a system is opened. ``offers`` tells the capabilities of a system with some settings, where these say what it
    can do; it raises nothing, whatever the settings are.
    """

    name: str
    title: str
    settings: type[Any]
    capabilities: Capabilities
    open: Callable[[Opening], System]
    sample: Sample | None = None
    operations: Collection[str] = ()
    tells: Collection[Flow] = ()
    also: Sample | None = None
    offers: Callable[[Any], Capabilities] | None = None

    def capabilities_with(self, settings: Any) -> Capabilities:
        """What a system with these settings can do."""
        return self.capabilities if self.offers is None else self.offers(settings)

    def sample_as(self, part: Literal["erp", "channel"]) -> Sample | None:
        """What ``syncline init`` writes where it is the one or the other."""
        return next((one for one in (self.sample, self.also) if one is not None and one.part == part), None)


__all__ = [
    "Connector",
    "Governor",
    "Opening",
    "Page",
    "PollStream",
    "Sample",
    "Sink",
    "Source",
    "System",
    "Verified",
    "Via",
    "WebhookRequest",
]
