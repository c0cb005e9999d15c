"""What the engine knows of a take-over: since when orders are ours, and what others had written before.

``syncline adopt`` writes it, while no engine runs; an order of others that is found later, in the
moment in which it would have been created, is added by the engine itself.

In the store: a ``start`` row of the adoption for each channel, and bindings of four kinds.
``adopted`` (key: our reference of an order) says when and how it came to us; ``alias`` (key: what
the ERP calls it) leads to our reference; ``sku`` (key: a channel's SKU) to the ERP's,
and ``customer`` (key: our reference of a buyer) to the ERP's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from syncline.engine.routes import Route, Routes, reference_of
from syncline.inventory.recipes import Recipes
from syncline.model.change import Change, Flow, Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.model.records import Customer, ErpOrder, Order, Receipt, Return, Shipment
from syncline.ports import Store

PAGE = 5_000
ADOPTED, ALIAS, SKU, CUSTOMER = "adopted", "alias", "sku", "customer"
START = "start"
DIGITS = "0123456789"


class State(StrEnum):
    """How an order came to us."""

    OPEN = "open"  # somebody wrote it to the ERP, and some of it was still to be sent
    CLOSED = "closed"  # the same, with nothing to be sent
    LEFT = "left"  # placed before the start moment and not in the ERP: known, not exported
    EXPORT = "export"  # not in the ERP and ours to be exported: nobody else has told anything of it


@dataclass(frozen=True, slots=True)
class Adopted:
    """One order of before.

    ``at_ms`` is its own stamp, on the channel's clock, when it became ours: what it showed until then
    was told by others. ``erp_ms`` is the ERP's clock when its order was read; 0 if it was not. ``external_id`` is the id of
    the ERP's order that stood for it then; "" if none did.
    """

    state: State
    at_ms: int
    erp_ms: int = 0
    external_id: str = ""

    @property
    def text(self) -> str:
        """State and stamp of the ERP, as a binding keeps them."""
        return f"{self.state.value}@{self.erp_ms}"

    @classmethod
    def of(cls, at_ms: int, text: str, external_id: str = "") -> Adopted:
        """What a binding says."""
        state, _, erp_ms = text.partition("@")
        return cls(State(state), at_ms, int(erp_ms), external_id)


class Start(msgspec.Struct, frozen=True):
    """Since when a channel's orders are ours. ``applying``: the adoption has not come to its end."""

    orders_from_ms: int
    applying: bool = False


@dataclass(frozen=True, slots=True)
class AdoptRules:
    """By what a channel's goods and orders are found in the ERP.

    ``items`` are tried in order: ``sku``, ``barcode``, or a field of the ERP's item that holds the
    channel's SKU. ``orders`` are fields of the ERP's order with the template of what stands there,
    ``customers`` the same of its customers; without any, customers are not read.
    """

    items: tuple[str, ...] = ("sku",)
    orders: tuple[tuple[str, str], ...] = ()
    customers: tuple[tuple[str, str], ...] = ()


def fill(template: str, key: str, number: str) -> str:
    """A reference by its template: ``{id}`` is the channel's id, ``{name}`` the order's name, ``{number}`` its digits."""
    digits = "".join(sign for sign in number if sign in DIGITS)
    return template.replace("{id}", key).replace("{name}", number).replace("{number}", digits)


class Adoption:
    """What is to be asked before an order is created, and under which name the ERP tells of one."""

    def __init__(self, store: Store, routes: Routes, rules: Mapping[str, AdoptRules]) -> None:
        self._store = store
        self._routes = routes
        self._rules = dict(rules)
        self._starts: dict[str, Start] = {}

    @property
    def active(self) -> bool:
        """Whether there is anything to be asked; a store that began empty pays nothing."""
        return bool(self._starts) or any(rules.orders for rules in self._rules.values())

    async def load(self) -> None:
        """Read what was adopted; called once before anything is applied.

        Raises:
            Misconfigured: an adoption was broken off in the middle of its writing.
        """
        names: dict[str, dict[str, int]] = {}
        for channel in {route.source for route in self._routes.of(Flow.ORDERS)} | {
            route.sink for route in self._routes.of(Flow.INVENTORY)
        }:
            for _, body in await self._store.read(
                "adoption_after", system=channel, kind=START, after="", limit=1
            ):
                start = msgspec.json.decode(body, type=Start)
                if start.applying:
                    raise Misconfigured(
                        f"an adoption of {channel} was broken off while it wrote: run `syncline adopt --apply` again, "
                        "it goes on where it was"
                    )
                self._starts[channel] = start
            after = ""
            while True:
                rows = await self._store.read(
                    "bindings_after", system=channel, kind=SKU, after=after, limit=PAGE
                )
                names |= {row[0]: {row[1]: 1} for row in rows}
                if len(rows) < PAGE:
                    break
                after = rows[-1][0]
        made = self._routes.recipes.all
        new = {sku: parts for sku, parts in names.items() if sku not in made}
        if new:
            try:
                self._routes.recipes = Recipes({**made, **new})
            except ValueError as error:
                raise Misconfigured(
                    f"what was adopted does not go with [kits], [units] or [aliases]: {error}"
                ) from error

    def start_ms(self, channel: str) -> int:
        """Orders of a channel placed before are not ours; 0 where all are."""
        start = self._starts.get(channel)
        return start.orders_from_ms if start is not None else 0

    def foreign(self, channel: str, order: Order) -> tuple[tuple[str, str], ...]:
        """Fields and values under which others may have written an order to the ERP."""
        rules = self._rules.get(channel)
        if rules is None:
            return ()
        return tuple((field, fill(template, order.key, order.number)) for field, template in rules.orders)

    async def customer(self, erp: str, customer: Customer | None) -> str:
        """The ERP's id of a buyer whom it knew before the channel did; "" if it did not. ``key`` is our reference."""
        told = self._routes.of(Flow.CUSTOMERS, source=erp) or self._routes.of(Flow.CREDIT, source=erp)
        if not (self.active or told) or customer is None or not customer.key:
            return ""
        rows = await self._store.read("bindings_get", system=erp, kind=CUSTOMER, keys=[customer.key])
        return self._routes.heir(erp, str(rows[0][1])) if rows else ""

    async def adopted(self, erp: str, references: Sequence[str]) -> dict[str, Adopted]:
        """Which of some orders came to us from others, by our reference."""
        if not self.active or not references:
            return {}
        rows = await self._store.read("bindings_get", system=erp, kind=ADOPTED, keys=list(references))
        return {row[0]: Adopted.of(row[2], row[3], row[1]) for row in rows}

    async def shipped_elsewhere(self, channel: str, keys: Sequence[str]) -> set[str]:
        """Orders of which only what is still to be sent is demand: nobody will ever tell of the rest."""
        found: set[str] = set()
        for route in self._routes.of(Flow.ORDERS, source=channel) if self.active else ():
            names = {reference_of(channel, key): key for key in keys}
            for reference, was in (await self.adopted(route.sink, list(names))).items():
                if was.state in (State.CLOSED, State.LEFT):
                    found.add(names[reference])
        return found

    async def renamed(
        self, decoded: list[tuple[LoggedEvent, list[Change]]]
    ) -> list[tuple[LoggedEvent, list[Change]]]:
        """The same changes, with the ERP's orders called by our references."""
        names: dict[str, set[str]] = {}
        for logged, changes in decoded if self.active else ():
            for change in changes:
                name = _name(change)
                if name:
                    names.setdefault(logged.event.system, set()).add(name.lower())
        ours: dict[tuple[str, str], str] = {}
        for system, wanted in names.items():
            rows = await self._store.read("bindings_get", system=system, kind=ALIAS, keys=sorted(wanted))
            ours |= {(system, row[0]): row[1] for row in rows}
        if not ours:
            return decoded
        return [
            (
                logged,
                [
                    _called(change, ours.get((logged.event.system, _name(change).lower()), ""))
                    for change in changes
                ],
            )
            for logged, changes in decoded
        ]


def _name(change: Change) -> str:
    """What the ERP calls the order that a change is about; "" for anything else."""
    if isinstance(change.value, Shipment | Return):
        return change.value.order_key
    return change.key if change.kind in (Kind.ERP_ORDER, Kind.RECEIPT) else ""


def _called(change: Change, reference: str) -> Change:
    if not reference:
        return change
    value: Any = change.value
    if isinstance(value, Shipment | Return):
        return msgspec.structs.replace(change, value=replace(value, order_key=reference))
    assert isinstance(value, ErpOrder | Receipt)
    return msgspec.structs.replace(change, key=reference, value=replace(value, key=reference))


def adopted_rows(
    erp: str, reference: str, *, external_id: str, name: str, was: Adopted, now_ms: int
) -> list[dict[str, Any]]:
    """The rows of ``binding_put`` that make an order of others ours; its own binding not included."""
    row = {"system": erp, "now_ms": now_ms}
    adopted = {"kind": ADOPTED, "key": reference, "external_id": external_id}
    rows = [{**row, **adopted, "version": was.at_ms, "hash": was.text}]
    if name and name.lower() != reference:
        alias = {"kind": ALIAS, "key": name.lower(), "external_id": reference}
        rows.append({**row, **alias, "version": 0, "hash": ""})
    return rows


def is_before(order: Order, route: Route, adoption: Adoption) -> bool:
    """Whether an order was placed before its channel's orders became ours."""
    return order.placed_at_ms < adoption.start_ms(route.source)
