"""Records by what a person types: a SKU's price and product, a company, an account."""

from __future__ import annotations

from syncline.engine.engine import Engine
from syncline.engine.records.kinds import KINDS, routes_of, sources_of
from syncline.engine.records.listing import Line, lines_of, page
from syncline.engine.routes import SEP
from syncline.model.change import Kind
from syncline.ports import Row

FOUND_MAX = 10  # of one kind
QUERY_MAX = 200
NAME_MIN = 2  # shorter texts are found by keys only


async def find(engine: Engine, query: str, *, names: bool) -> dict[str, list[Line]]:
    """What goes by a text, by kind of record; at most ``FOUND_MAX`` of each.

    Args:
        engine: whose records.
        query: a SKU, the key of a record at its source, the id of a company at a channel, or, if nothing goes by that and
            ``names`` are looked through, part of what a company is called or its account number.
        names: whether to look through names, which takes longer.
    """
    query = query.strip()[:QUERY_MAX]
    if not query or SEP in query:
        return {}
    found: dict[str, dict[tuple[str, str], Line]] = {}

    async def add(name: str, system: str, keys: list[str]) -> None:
        for line in await lines_of(engine, KINDS[name], system, keys[:FOUND_MAX]):
            found.setdefault(name, {})[system, line.key] = line

    for system in sources_of(engine, KINDS["prices"]):
        sinks = [route.sink for _, route in routes_of(engine, KINDS["prices"], system)]
        for sku in dict.fromkeys((query, query.upper())):
            if any(engine.catalog.get(name, sku) is not None for name in (system, *sinks)):
                await add("prices", system, [sku])
                break
    for system in sources_of(engine, KINDS["products"]):
        await add("products", system, await _products(engine, system, query))
    for system in sources_of(engine, KINDS["companies"]):
        keys = await _companies(engine, system, query)
        if not keys and names and not found and len(query) >= NAME_MIN:
            keys = [line.key for line in (await page(engine, KINDS["companies"], system, query, "")).lines]
        await add("companies", system, keys)
    for system in sources_of(engine, KINDS["credit"]):
        known = [key for at, key in found.get("companies", {}) if at == system]
        await add("credit", system, await _there(engine, system, Kind.CREDIT, [query, *known]))
    return {name: list(lines.values())[:FOUND_MAX] for name, lines in found.items()}


async def _there(engine: Engine, system: str, kind: Kind, keys: list[str]) -> list[str]:
    """Those of some keys under which a source has told a record."""
    rows = await engine.store.read(
        "records_get", system=system, kind=kind.value, keys=list(dict.fromkeys(keys))
    )
    return sorted(row[0] for row in rows)


async def _products(engine: Engine, system: str, query: str) -> list[str]:
    """By key, or by the SKU of one of its variants, which a channel has under the product's id."""
    keys = await _there(engine, system, Kind.PRODUCT, [query, query.upper()])
    for sku in () if keys else dict.fromkeys((query, query.upper())):
        for _, route in routes_of(engine, KINDS["products"], system):
            item = engine.catalog.get(route.sink, sku)
            if item is not None and item.parent_id:
                rows = await _bound(engine, item.parent_id)
                keys += [key for at, kind, key in rows if (at, kind) == (route.sink, Kind.PRODUCT.value)]
    return list(dict.fromkeys(keys))


async def _companies(engine: Engine, system: str, query: str) -> list[str]:
    """By the source's key, or by a channel's id."""
    sinks = [route.sink for _, route in routes_of(engine, KINDS["companies"], system)]
    bound = [
        key for at, kind, key in await _bound(engine, query) if kind == Kind.CUSTOMER.value and at in sinks
    ]
    return await _there(engine, system, Kind.CUSTOMER, [query, *bound])


async def _bound(engine: Engine, external_id: str) -> list[Row]:
    return await engine.store.read("bindings_external", ids=[external_id], limit=FOUND_MAX)
