"""What is stored of some SKUs, read once for all routes that sell a source's stock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from syncline.engine.figures import figure
from syncline.engine.parts import read_parts
from syncline.engine.routes import Route, Routes, split_key
from syncline.inventory.availability import Demand, Published
from syncline.inventory.recipes import Parted
from syncline.inventory.rules import QuantityRule, Terms
from syncline.model.change import Flow
from syncline.model.records import StockLevel
from syncline.ports import Row, Store

Levels = dict[str, dict[str, StockLevel]]
Alike = tuple[
    QuantityRule, Terms, Published
]  # a number, and all that channels at the same locations differ in


@dataclass(frozen=True, slots=True)
class Facts:
    """What the numbers of some SKUs hang on, as it was read together.

    ``levels`` and ``received``, a figure's arrival by our clock in milliseconds, are by base SKU and ERP location;
    ``sold`` by SKU as it was sold, ``parted`` what of kits the ERP holds in single parts; ``bindings`` by sink and key, of every sink or of the one that they were read for; ``unseen`` counts units by base SKU and ERP
    location that any channel lost to something nobody has told us of.
    """

    levels: Levels
    received: dict[str, dict[str, int]]
    sold: dict[str, list[Demand]]
    parted: Parted
    holds: list[Row]
    bindings: dict[str, dict[str, Row]]
    unseen: dict[str, dict[str, int]]
    _at: dict[tuple[str, ...], Levels] = field(default_factory=dict)
    _numbers: dict[tuple[str, ...], dict[str, list[Alike]]] = field(default_factory=dict)

    def levels_of(self, route: Route) -> Levels:
        """The figures at the locations that a route sells from."""
        places = tuple(route.locations)
        found = self._at.get(places)
        if found is None:
            found = self._at[places] = {
                sku: here
                for sku, at in self.levels.items()
                if (here := {place: level for place, level in at.items() if place in route.locations})
            }
        return found

    def numbers_of(self, route: Route) -> dict[str, list[Alike]]:
        """The numbers that were computed from these facts for routes from the same locations, by SKU."""
        return self._numbers.setdefault(tuple(route.locations), {})


async def read_facts(
    store: Store, routes: Routes, source: str, skus: Sequence[str], *, now_ms: int, only: str = ""
) -> Facts:
    """Read what is stored of SKUs, of their parts, and of whatever else is made of those; for the numbers of all sinks or of one."""
    recipes = routes.recipes
    bases = recipes.bases(skus) if recipes else skus
    users = list(recipes.users(bases) if recipes else skus)
    levels: Levels = {}
    received: dict[str, dict[str, int]] = {}
    held_back = routes.holds_vanished(source)
    for row in await store.read("stock_of_skus", system=source, skus=list(bases)):
        sku, location = split_key(row[0])
        levels.setdefault(sku, {})[location] = figure(row, held_back=held_back)
        received.setdefault(sku, {})[location] = row[2]
    sold: dict[str, list[Demand]] = {}
    for row in await store.read("demand_open", skus=users):
        line = Demand(*row)
        sold.setdefault(line.sku, []).append(line)
    parted = await read_parts(store, recipes, source, sold) if recipes else {}
    sinks = dict.fromkeys(route.sink for route in routes.of(Flow.INVENTORY, source=source))
    bindings: dict[str, dict[str, Row]] = {}
    unseen: dict[str, dict[str, int]] = {}
    for sink in sinks:
        if only and sink != only:
            lost = await store.read("unseen_of_skus", system=sink, skus=users)
        else:
            rows = await store.read("bindings_of_skus", system=sink, skus=users)
            bindings[sink] = {row[0]: row for row in rows}
            # Below zero: units that came back before anybody told us.
            lost = [(row[0], row[2]) for row in rows if row[2] > 0]
        _add_unseen(unseen, routes, sink, lost)
    holds = await store.read("holds_of_skus", skus=users, now_ms=now_ms)
    return Facts(levels, received, sold, parted, holds, bindings, unseen)


def _add_unseen(
    found: dict[str, dict[str, int]], routes: Routes, sink: str, lost: Sequence[tuple[str, int]]
) -> None:
    for key, units in lost:
        sku, location = split_key(key)
        erp_location = routes.erp_location(sink, location)
        if erp_location:
            for part, count in routes.recipes.parts(sku).items():
                at = found.setdefault(part, {})
                at[erp_location] = at.get(erp_location, 0) + units * count
