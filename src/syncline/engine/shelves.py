"""What can be promised of a SKU before holds, by pool: stored, stale once anything changes, computed on demand.

The order of reading is what makes a stored number true. A shelf's row exists before its inputs are
read; whatever changes them makes the row stale and gives it a new revision in the same transaction; and
the number is stored only under the revision that was there before the inputs were. Making a row marks
the SKU in ``dirty`` first, as every change does before it makes rows stale: so neither misses the other.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from syncline.engine.derive.dirty import mark
from syncline.engine.figures import figure
from syncline.engine.parts import read_parts
from syncline.engine.routes import SEP, Route, Routes, split_key
from syncline.inventory.availability import Demand, publish
from syncline.inventory.recipes import by_base
from syncline.inventory.rules import QuantityRule, Terms, allow
from syncline.model.change import Flow
from syncline.model.errors import Retryable
from syncline.model.records import StockLevel
from syncline.ports import Clock, Row, Store, System, Write

POOLS_MAX = 32  # sets of locations, before only the channels' own are counted
NAMES_MAX = 10_000
COMPUTE_MAX = 500  # pools in one go
TRIES_MAX = 20

# How the last part of a pool's name begins where a channel's rule leaves less than there is. No ERP id begins so.
OWN = "\x02"  # the channel's share or cap: only its own holds count in it
KEPT_BACK = "\x03"  # its buffer, and what other channels fenced off: every hold of the pool counts
NO_BUFFER = QuantityRule().buffer

Pool = tuple[str, str]  # SKU, pool


class Room(NamedTuple):
    """A pool as it is now."""

    left: int
    as_of_ms: int  # when the oldest figure behind it was received; 0: there is none


class Shelves:
    """Names pools, and knows what is left in them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        routes: Routes,
        systems: Mapping[str, System],
        wake: Callable[[], None],
        terms: Callable[[Route, Sequence[str]], Awaitable[dict[str, Terms]]],
    ) -> None:
        self._terms = terms
        self._store = store
        self._clock = clock
        self._routes = routes
        self._systems = systems
        self._wake = wake
        self._own_rules = {sku for route in routes.all for sku in route.rules.skus}
        self._names: dict[tuple[str, str, str], dict[str, bool]] = {}
        self._last: dict[Pool, Room] = {}
        self._wanted: set[str] = set()
        self._readers: list[asyncio.Future[tuple[dict[str, dict[str, Row]], int]]] = []
        self._reading: set[asyncio.Task[None]] = set()
        self._asked: set[Pool] = set()
        self._computing = asyncio.Lock()

    def pools(self, route: Route, sku: str, location: str) -> Mapping[str, bool]:
        """Every pool that a hold counts in, by name, and whether it binds; what was asked for comes first.

        A pool with what another channel keeps back does not: that is the other's rule.
        """
        at = route.name, sku if sku in self._own_rules else "", location
        found = self._names.get(at)
        if found is None:
            if len(self._names) >= NAMES_MAX:
                self._names.clear()
            found = self._names[at] = self._pools(route, sku, location)
        return found

    def _pools(self, route: Route, sku: str, location: str) -> dict[str, bool]:
        routes = self._routes.of(Flow.INVENTORY, source=route.source)
        places = {other.name: _places(other, sku) for other in routes}
        asked = places[route.name] & frozenset([location]) if location else places[route.name]
        pools = {_pool(route.source, asked, route.rule_for(sku)): True}
        sets, exact = unions(tuple(places.values()))
        for locations in sorted([asked, *sets], key=sorted):
            if asked <= locations if exact else asked & locations:
                rules = [other.rule_for(sku) for other in routes if locations & places[other.name]]
                least = {at: min(rule.safety_at(at) for rule in rules) for at in locations}
                pools[_pool(route.source, locations, QuantityRule(safety_by_location=least))] = True
        for other in routes:
            for locations in (asked, places[other.name]):
                if asked <= locations <= places[other.name]:
                    pools.setdefault(_pool(route.source, locations, other.rule_for(sku)), False)
        rules = [other.rule_for(sku) for other in routes]
        if limits(route.rule_for(sku)):
            pools[self._limit(OWN, route, sku, rules)] = True
        for other in routes:
            fenced = any(its is not other.rule_for(sku) and its.fence is not None for its in rules)
            if asked <= places[other.name] and (fenced or other.rule_for(sku).buffer != NO_BUFFER):
                pools[self._limit(KEPT_BACK, other, sku, rules)] = other is route
        return pools

    @staticmethod
    def _limit(kind: str, route: Route, sku: str, rules: Sequence[QuantityRule]) -> str:
        """The name of what a rule leaves of a pool; another rule of any channel makes another one."""
        rule = route.rule_for(sku)
        said = hashlib.sha256(repr(rules).encode()).hexdigest()[:16]
        locations = set(route.locations) - set(rule.excluded)
        return SEP.join([_pool(route.source, locations, rule), f"{kind}{said} {route.name}"])

    def remembered(self, pools: set[Pool]) -> tuple[dict[Pool, Room], list[str], int] | None:
        """What ``rooms`` last found, without a look at the store; ``None`` where it has not been asked for all of it.

        Too much or too little by now, so only for what compares again where it writes.
        """
        try:
            return {at: self._last[at] for at in pools}, [], self._clock.now_ms()
        except KeyError:
            return None

    async def rooms(self, pools: set[Pool]) -> tuple[dict[Pool, Room], list[str], int]:
        """What is left in some pools, the SKUs of which holds are over but not ended yet, and the moment.

        Raises:
            Retryable: the figures change faster than they can be added up.
        """
        skus = sorted({sku for sku, _ in pools})
        for _ in range(TRIES_MAX):
            known, now_ms = await self._read(skus)
            rooms, old = {}, set()
            for sku, pool in pools:
                row = known[sku].get(pool) if sku in known else None
                if row is None or row[3]:
                    old.add((sku, pool))
                else:
                    rooms[sku, pool] = Room(row[2] - row[6], row[5])
            if not old:
                if len(self._last) > NAMES_MAX:
                    self._last.clear()
                self._last.update(rooms)
                due = [sku for sku in skus if any(row[7] for row in known[sku].values())]
                return rooms, due, now_ms
            await self._refresh(old)
        raise Retryable("the figures change faster than they can be added up: try again")

    async def _read(self, skus: Iterable[str]) -> tuple[dict[str, dict[str, Row]], int]:
        """The shelves of some SKUs; whoever asks in the same turn of the loop shares one read."""
        loop = asyncio.get_running_loop()
        self._wanted.update(skus)
        if not self._readers:
            loop.call_soon(self._begin_to_read)
        reader: asyncio.Future[tuple[dict[str, dict[str, Row]], int]] = loop.create_future()
        self._readers.append(reader)
        return await reader

    def _begin_to_read(self) -> None:
        skus, readers = sorted(self._wanted), self._readers
        self._wanted, self._readers = set(), []
        task = asyncio.get_running_loop().create_task(self._read_together(skus, readers))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read_together(
        self, skus: list[str], readers: list[asyncio.Future[tuple[dict[str, dict[str, Row]], int]]]
    ) -> None:
        """Read for all of them; what goes wrong is each one's to know."""
        now_ms = self._clock.now_ms()
        found: dict[str, dict[str, Row]] = {}
        try:
            for row in await self._store.read("shelves", skus=skus, now_ms=now_ms):
                found.setdefault(row[0], {})[row[1]] = row
        except Exception as error:  # noqa: BLE001 (handed to those who asked)
            for reader in readers:
                if not reader.done():
                    reader.set_exception(error)
        else:
            for reader in readers:
                if not reader.done():
                    reader.set_result((found, now_ms))

    async def _refresh(self, pools: set[Pool]) -> None:
        """Compute pools anew: one round at a time, for everybody who waits."""
        self._asked |= pools
        async with self._computing:
            if not pools & self._asked:
                return  # somebody has done it for us
            asked = sorted(self._asked)[:COMPUTE_MAX]
            self._asked -= set(asked)
            skus = sorted({sku for sku, _ in asked})
            known, now_ms = await self._read(skus)
            new = [(sku, pool) for sku, pool in asked if pool not in known.get(sku, {})]
            if new:
                await self._store.write(
                    mark((sku for sku, _ in new), now_ms),
                    Write("shelf_open", [{"sku": sku, "pool": pool} for sku, pool in new]),
                )
                self._wake()
                known, now_ms = await self._read(skus)
            stale = {(sku, pool): known[sku][pool][4] for sku, pool in asked if known[sku][pool][3]}
            if stale:
                await self._store.write(Write("shelf_put", await self._compute(stale, now_ms)))

    async def _compute(self, revisions: Mapping[Pool, int], now_ms: int) -> list[dict[str, Any]]:
        """The rows that store what each pool has now. Its revision was read before anything is read here."""
        by_source: dict[str, list[Pool]] = {}
        for sku, pool in revisions:
            by_source.setdefault(pool.split(SEP, 1)[0], []).append((sku, pool))
        computed = []
        for source, of_source in by_source.items():
            skus = sorted({sku for sku, _ in of_source})
            levels: dict[str, dict[str, StockLevel]] = {}
            observed: dict[tuple[str, str], int] = {}
            held_back = self._routes.holds_vanished(source)
            for row in await self._store.read("stock_of_skus", system=source, skus=skus):
                sku, at = split_key(row[0])
                levels.setdefault(sku, {})[at] = figure(row, held_back=held_back)
                observed[sku, at] = row[2]
            sold: dict[str, list[Demand]] = {}
            users = self._routes.recipes.users(skus)
            for channel, order_key, line_id, location, sku, *rest in await self._store.read(
                "demand_open", skus=users
            ):
                sold.setdefault(sku, []).append(Demand(channel, order_key, line_id, location, sku, *rest))
            recipes = self._routes.recipes
            parted = await read_parts(self._store, recipes, source, sold) if recipes else {}
            demands = by_base(recipes, sold, parted)
            unseen = await self._unseen(source, skus)
            strays = await self._strays(source, skus, now_ms)
            terms: dict[str, dict[str, Terms]] = {}
            for limited in filter(None, (self._limited(pool) for _, pool in of_source)):
                if limited.name not in terms:
                    terms[limited.name] = await self._terms(limited, skus)
            erp = self._systems[source].capabilities
            for sku, pool in of_source:
                kept = _kept(pool)
                figures = {where: level for where, level in levels.get(sku, {}).items() if where in kept}
                numbers = publish(
                    figures,
                    [*demands.get(sku, []), *strays.get((sku, pool), [])],
                    unseen.get(sku, {}),
                    QuantityRule(safety_by_location=kept),
                    list(kept),
                    replica_lag_ms=erp.replica_lag_ms,
                    basis=erp.stock_read_basis,
                )
                computed.append(
                    {
                        "sku": sku,
                        "pool": pool,
                        "free": self._left_by_rule(sku, pool, numbers.pool, terms),
                        "as_of_ms": min((observed[sku, where] for where in figures), default=0),
                        "rev": revisions[sku, pool],
                    }
                )
        return computed

    def _limited(self, pool: str) -> Route | None:
        """The route whose rule limits a pool; ``None``: no rule does."""
        last = pool.rsplit(SEP, 1)[-1]
        return self._routes.named(last.partition(" ")[2]) if last[0] in (OWN, KEPT_BACK) else None

    def _left_by_rule(self, sku: str, pool: str, there: int, terms: Mapping[str, Mapping[str, Terms]]) -> int:
        """What may be promised of the units that are there."""
        route = self._limited(pool)
        if route is None:
            return there
        rule = route.rule_for(sku)
        allowed = allow(rule, there, terms[route.name][sku])
        if pool.rsplit(SEP, 1)[-1][0] == KEPT_BACK:
            return max(0, there - allowed.fenced - allowed.buffer)
        whole = min(allowed.capped, there) if allowed.shown else 0
        return min(whole, 1) if rule.unique else whole

    async def _unseen(self, source: str, skus: Sequence[str]) -> dict[str, dict[str, int]]:
        """Units that any channel lost to something nobody has told us of, by base SKU and ERP location."""
        recipes = self._routes.recipes
        users = recipes.users(skus)
        found: dict[str, dict[str, int]] = {}
        for route in self._routes.of(Flow.INVENTORY, source=source):
            for key, _, lost, _, _ in await self._store.read(
                "bindings_of_skus", system=route.sink, skus=users
            ):
                sku, location = split_key(key)
                at = self._routes.erp_location(route.sink, location)
                if lost > 0 and at:
                    for part, count in recipes.parts(sku).items():
                        by_location = found.setdefault(part, {})
                        by_location[at] = by_location.get(at, 0) + lost * count
        return found

    async def _strays(self, source: str, skus: Sequence[str], now_ms: int) -> dict[Pool, list[Demand]]:
        """Holds that may be taken from a pool but do not count in it: it was configured after they were made."""
        rows = await self._store.read("holds_of_skus", skus=skus, now_ms=now_ms)
        counted = {(reference, line, pool) for _, reference, line, pool, *_ in rows}
        strays: dict[Pool, list[Demand]] = {}
        for sku, reference, line, _, channel, location, quantity, main in rows:
            route = next(iter(self._routes.of(Flow.INVENTORY, source=source, sink=channel)), None)
            if not main or route is None:
                continue
            for pool in self.pools(route, sku, location):
                if (reference, line, pool) not in counted:
                    demand = Demand(channel, reference, str(line), location, sku, quantity)
                    strays.setdefault((sku, pool), []).append(demand)
        return strays


def _places(route: Route, sku: str) -> frozenset[str]:
    """The ERP locations that a channel sells a SKU from."""
    return frozenset(route.locations) - frozenset(route.rule_for(sku).excluded)


@lru_cache(maxsize=POOLS_MAX)
def unions(
    sets: tuple[frozenset[str], ...], most: int = POOLS_MAX
) -> tuple[tuple[frozenset[str], ...], bool]:
    """Every union of sets that overlap, and whether those are all.

    Where there would be more than ``most``, only the sets themselves are given. A hold then has to
    count in each that it touches, which promises no unit twice but may keep some back.
    """
    family = set(sets)
    new = list(family)
    while new:
        one = new.pop()
        for other in list(family):
            if one & other and one | other not in family:
                family.add(one | other)
                new.append(one | other)
                if len(family) > most:
                    return tuple(sorted(set(sets), key=sorted)), False
    return tuple(sorted(family, key=sorted)), True


def limits(rule: QuantityRule) -> bool:
    """Whether a rule limits how many units of what is left its channel may promise."""
    return rule.share != 1 or rule.cap is not None or rule.floor > 0 or rule.unique


def _pool(source: str, locations: Iterable[str], rule: QuantityRule) -> str:
    """A pool's name: where it is and what is kept back there, so that another rule makes another pool."""
    return SEP.join([source, *(f"{at}={rule.safety_at(at)}" for at in sorted(locations))])


def _kept(pool: str) -> dict[str, int]:
    """What a pool keeps back at each of its locations."""
    parts = (part.rpartition("=") for part in pool.split(SEP)[1:] if part[0] not in (OWN, KEPT_BACK))
    return {location: int(kept) for location, _, kept in parts}
