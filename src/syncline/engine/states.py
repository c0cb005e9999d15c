"""State records: what a source says absolutely, and what each channel should make of it.

Stock has a way of its own, because orders and holds change it as well. Everything else that is a state (prices, customers,
credit; catalog is alike) goes one way, and each flow only declares what is its own:

1. A source tells absolute records of a ``kind``. A newer version replaces the record.
2. A record that differs marks the *contents* that hang on it: one for each thing that a channel is told of.
3. Whatever is marked is computed from the records that are stored, by a pure function of them and the moment.
4. Its fingerprint is compared with that of what was last written there. Only what differs is delivered, by one pending
   delivery; it is computed again when its call is built.
5. Where time alone changes it, the mark stays, for the next moment at which it does.

A content is known by its key: what groups it at the channel first (a price list), then the SKU, so that deliveries of one
deadline that go together stand together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from syncline.engine.routes import Route, Routes
from syncline.engine.words import operation_title
from syncline.model.change import Change, Flow, Kind
from syncline.model.payloads import Payload
from syncline.model.records import Item
from syncline.ports import System

# What a Sink is asked to do with contents, and of which kind they are. Each payload has its ``content``.
STATE_OPERATIONS: Mapping[str, Kind] = {
    "set_price": Kind.PRICE,
    "set_list_price": Kind.PRICE,
    "set_product": Kind.PRODUCT,
    "set_wording": Kind.PRODUCT,
    "set_listing": Kind.PRODUCT,
    "put_customer": Kind.CUSTOMER,
    "set_credit": Kind.CREDIT,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a channel should hold of one content.

    ``content`` of ``None``: it is left as it is, and ``why`` says why. ``turned_ms`` is when time last changed it and
    ``next_ms`` when it will next; 0: never. ``doubt`` is why a person has to look first, as a reason and a sentence.
    ``details`` are fields of the payload that take no part in the comparison, such as the channel's ids.
    ``soon``: nothing is sold there without it, so it does not wait for company.
    """

    content: Struct | None
    why: str = ""
    turned_ms: int = 0
    next_ms: int = 0
    doubt: tuple[str, str] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    soon: bool = False


class StateFlow(Protocol):
    """What one flow of state records declares. Its functions are pure."""

    @property
    def flow(self) -> Flow:
        """The flow of the routes."""
        ...

    @property
    def kind(self) -> Kind:
        """The kind of the source's records, and of the channel's contents."""
        ...

    @property
    def bound(self) -> Kind | None:
        """The kind of binding by which a channel knows what a content is of; ``None``: it is an item of its catalog."""
        ...

    @property
    def content(self) -> Any:
        """The type of what is written of one key, as it is remembered."""
        ...

    def fingerprint(self, route: Route) -> str:
        """Changes when the route's contents may have to change although no record did."""
        ...

    def operation(self, key: str) -> str:
        """What the channel is asked to do for a content."""
        ...

    def operations(self, route: Route) -> set[str]:
        """Everything that the route's channel is asked to do."""
        ...

    def of_record(self, route: Route, record: str) -> Iterable[str]:
        """The contents that hang on a record."""
        ...

    def of_sku(self, route: Route, sku: str) -> Iterable[str]:
        """The contents of something that the channel sells."""
        ...

    def needs(self, route: Route, key: str) -> Sequence[str]:
        """The records that a content is computed from."""
        ...

    def sku_of(self, key: str) -> str:
        """The SKU that a content is of, or the key of the record that a binding stands for."""
        ...

    def group_of(self, key: str) -> str:
        """What groups a content at the channel; "": nothing."""
        ...

    def wanted(
        self, route: Route, key: str, records: Mapping[str, Any], item: Item, before: Any, now_ms: int
    ) -> Wanted:
        """What a content should be.

        Args:
            route: whose content it is.
            key: of the content.
            records: those of ``needs`` that there are.
            item: what the channel calls the SKU, or the record; without an id where it has none yet.
            before: what was last written, as far as is known; ``None``: nothing was.
            now_ms: the moment.
        """
        ...

    def nothing(self, route: Route, key: str) -> Struct | None:
        """What a channel shows that has no such content; ``None`` if it always has one."""
        ...

    def seen(self, shown: Any, ours: Any) -> Any:
        """What of a content that the channel shows can be compared with what we wrote, or would write."""
        ...

    def described(self, content: Any) -> str:
        """A content in a few words."""
        ...

    def contrasted(self, shown: Any, ours: Any) -> str:
        """How what a channel shows differs from ours, as a sentence that ends in "was written" or "is right"."""
        ...

    def payload(self, key: str, content: Any, item: Item, before: Any) -> Payload:
        """What the Sink is given to write a content; ``before`` is what is surely there, ``None`` if nobody knows."""
        ...


@dataclass(frozen=True, slots=True)
class States:
    """The flows that are declared, by the questions that the engine asks. Without a route there is nothing to do."""

    routes: Routes
    flows: Sequence[StateFlow] = ()
    _of_kind: dict[tuple[str, Kind], list[tuple[StateFlow, Route]]] = field(default_factory=dict)
    _of_sink: dict[str, list[tuple[StateFlow, Route]]] = field(default_factory=dict)
    _of_route: dict[str, StateFlow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find each route's flow."""
        for flow in self.flows:
            for route in self.routes.of(flow.flow):
                self._of_kind.setdefault((route.source, flow.kind), []).append((flow, route))
                self._of_sink.setdefault(route.sink, []).append((flow, route))
                self._of_route[route.name] = flow

    def __bool__(self) -> bool:
        """Whether any route carries state records."""
        return bool(self._of_route)

    def flow_of(self, route: str) -> StateFlow | None:
        """The flow of a route; ``None`` for one that carries something else, or is not configured any more."""
        return self._of_route.get(route)

    def all(self) -> list[tuple[StateFlow, Route]]:
        """Every route with its flow."""
        return [pair for pairs in self._of_sink.values() for pair in pairs]

    def impossible(self, systems: Mapping[str, System]) -> str:
        """Why a route cannot work between these systems; "" if all can."""
        for flow, route in self.all():
            source, sink = systems[route.source], systems[route.sink]
            if not any(stream.tells(flow.flow) for stream in source.source.streams):
                return f"route {route.name}: {source.connector} tells nothing of {flow.flow.value}"
            if route.prices.volatile and source.live_prices is None:
                return f"route {route.name}: {source.connector} cannot be asked for volatile lists"
            if missing := sorted(flow.operations(route) - set(sink.sink.operations)):
                return f"route {route.name}: {sink.connector} has no way to {operation_title(missing[0])}"
        return ""

    def of_record(self, system: str, kind: Kind, record: str) -> list[tuple[str, str]]:
        """The contents that hang on a record: route and key."""
        return [
            (route.name, key)
            for flow, route in self._of_kind.get((system, kind), ())
            for key in flow.of_record(route, record)
        ]

    def of_change(self, system: str, change: Change) -> list[tuple[str, str]]:
        """The contents that may be others after a change."""
        if isinstance(change.value, Item):
            sku = change.value.sku
            return [
                (route.name, key)
                for flow, route in self._of_sink.get(system, ())
                if flow.bound is None
                for key in flow.of_sku(route, sku)
            ]
        return self.of_record(system, change.kind, change.key)
