"""The kinds of record that have pages of their own, and which contents of a route belong to a record.

Of prices a record is a SKU: everything that a route's lists say of it. Of the others it is what the source tells of one key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.engine.codec import decode
from syncline.engine.engine import Engine
from syncline.engine.routes import Route
from syncline.engine.states import StateFlow
from syncline.model.change import Flow, Kind
from syncline.model.customers import Company
from syncline.model.products import Product

CONTENTS_MAX = 40  # of one record at one channel that are looked at


@dataclass(frozen=True, slots=True)
class Records:
    """One kind. ``name`` is its page, ``noun`` what one record of it is called."""

    name: str
    title: str
    noun: str
    flow: Flow
    kind: Kind
    asks: str  # by what its list is narrowed


KINDS: Mapping[str, Records] = {
    one.name: one
    for one in (
        Records("prices", "Prices", "SKU", Flow.PRICES, Kind.PRICE, "SKU, or how it begins"),
        Records(
            "products", "Products", "product", Flow.CATALOG, Kind.PRODUCT, "Part of a SKU, a key or a title"
        ),
        Records(
            "companies",
            "Companies",
            "company",
            Flow.CUSTOMERS,
            Kind.CUSTOMER,
            "Part of a name, an account number or an id",
        ),
        Records(
            "credit",
            "Credit",
            "account",
            Flow.CREDIT,
            Kind.CREDIT,
            "Part of an account, its number or its name",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Source:
    """What a source says of a record. ``value`` of ``None``: nothing, or not any more."""

    value: Any
    changed_at_ms: int
    observed_at_ms: int


def routes_of(engine: Engine, records: Records, system: str = "") -> list[tuple[StateFlow, Route]]:
    """The routes of a kind with their flow; with ``system`` those from there only."""
    found = []
    for route in engine.routes.of(records.flow):
        flow = engine.states.flow_of(route.name)
        if flow is not None and system in ("", route.source):
            found.append((flow, route))
    return found


def sources_of(engine: Engine, records: Records) -> list[str]:
    """The systems that tell records of a kind, in the order of the routes."""
    return list(dict.fromkeys(route.source for _, route in routes_of(engine, records)))


def contents_of(records: Records, flow: StateFlow, route: Route, key: str) -> list[str]:
    """The contents of a record at a route's channel; at most ``CONTENTS_MAX``."""
    contents: Iterable[str]
    contents = flow.of_sku(route, key) if records.kind is Kind.PRICE else flow.of_record(route, key)
    return list(contents)[:CONTENTS_MAX]


async def told(engine: Engine, system: str, kind: Kind, keys: Sequence[str]) -> dict[str, Source]:
    """What a source tells of some records; those that it never told are left out."""
    rows = await engine.store.read("states_get", system=system, kind=kind.value, keys=list(keys))
    return {
        key: Source(None if gone else decode(kind, body), changed_at_ms, observed_at_ms)
        for key, body, gone, changed_at_ms, observed_at_ms in rows
    }


async def titles(engine: Engine, records: Records, system: str, keys: Sequence[str]) -> dict[str, str]:
    """How people call some records; a private customer by no name. Left out is what has none."""
    if not keys:
        return {}
    if records.kind is Kind.PRICE:
        return {key: title for key in keys if (title := sku_title(engine, key))}
    kind = Kind.CUSTOMER if records.kind is Kind.CREDIT else records.kind
    found = await told(engine, system, kind, keys)
    return {key: title_of(one.value) for key, one in found.items() if one.value is not None}


def sku_title(engine: Engine, sku: str) -> str:
    """What the first system that has a title for a SKU calls it; "" if none does."""
    for name in engine.systems:
        item = engine.catalog.get(name, sku)
        if item is not None and item.title:
            return item.title
    return ""


def title_of(value: Any) -> str:
    """How people call a record."""
    if isinstance(value, Product):
        return value.title
    if isinstance(value, Company):
        if value.person:
            return "Private customer"
        return f"{value.name} ({value.number})" if value.number else value.name
    return ""
