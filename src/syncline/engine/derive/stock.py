"""From stock figures and demand to one number for each channel location."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from syncline.engine.catalog import Catalog
from syncline.engine.codec import decode
from syncline.engine.derive.demand import DemandLearner, Wrong
from syncline.engine.routes import Route, Routes, split_key, stock_key
from syncline.freshness.bounds import SEND_AT_ONCE_MS, start_at
from syncline.inventory.availability import Demand, Published, publish, settled
from syncline.model.change import Flow, Kind
from syncline.model.records import StockLevel
from syncline.ports import Clock, Row, Store, System, Write

DERIVE_MAX = 500  # SKUs in one round

PLACING_MS = 1_000  # an order's location is usually known after so long


@dataclass(frozen=True, slots=True)
class Target:
    """What one channel location should show, and what it holds as far as we know.

    ``held`` of ``None``: never read. ``rev`` is the binding's revision that this was computed from.
    ``unplaced`` units were ordered at this very channel, which has subtracted them at a location that
    it has not told yet: until then nobody knows what it holds where.

    While an order is on its way into the ERP, its figures may contain the order before we can know
    that they do. Then ``quantity`` subtracts it, perhaps for the second time, and ``at_most`` is the
    number if they do. What the channel holds between the two is not known to be wrong.
    """

    key: str
    sku: str
    location: str
    quantity: int
    held: int | None
    unseen: int
    rev: int
    unplaced: int = 0
    at_most: int = 0

    @property
    def undecided(self) -> bool:
        """Whether what the channel holds may be right, as far as anybody can know at the moment."""
        return self.held is not None and self.quantity < self.held <= self.at_most


@dataclass(frozen=True, slots=True)
class Computed:
    """The derivation of some SKUs for one route."""

    targets: list[Target]
    settled: list[Demand]
    published: dict[str, Published]
    levels: dict[str, dict[str, StockLevel]]
    demands: dict[str, list[Demand]]


class StockDeriver:
    """Computes shown numbers; the same for scheduling, for building a call and for explaining."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        routes: Routes,
        systems: dict[str, System],
        learner: DemandLearner,
    ) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._routes = routes
        self._systems = systems
        self._learner = learner
        self._under_way: Callable[[str, str], bool] = lambda _system, _order_key: False

    def watch(self, under_way: Callable[[str, str], bool]) -> None:
        """Be told whether a call about an order is under way to a system."""
        self._under_way = under_way

    async def compute(self, route: Route, skus: Sequence[str]) -> Computed:
        """Compute the numbers of some SKUs from what is stored now.

        A SKU that the ERP has never given a figure for, or that the channel does not have, gets no
        target: nothing is ever written out of ignorance.
        """
        wanted = [sku for sku in skus if self._catalog.get(route.sink, sku) is not None]
        if not wanted:
            return Computed([], [], {}, {}, {})
        stock_rows = await self._store.read("stock_of_skus", system=route.source, skus=wanted)
        demand_rows = await self._store.read("demand_open", skus=wanted)
        binding_rows = await self._store.read("bindings_of_skus", system=route.sink, skus=wanted)

        levels: dict[str, dict[str, StockLevel]] = {}
        for key, body, _, _ in stock_rows:
            sku, location = split_key(key)
            if location in route.locations:
                levels.setdefault(sku, {})[location] = decode(Kind.STOCK, body)
        demands: dict[str, list[Demand]] = {}
        for (
            channel,
            order_key,
            line_id,
            location,
            sku,
            quantity,
            before,
            known,
            erp_ms,
            our_ms,
        ) in demand_rows:
            demands.setdefault(sku, []).append(
                Demand(channel, order_key, line_id, location, sku, quantity, before, known, erp_ms, our_ms),
            )
        bindings: dict[str, Row] = {row[0]: row for row in binding_rows}
        unseen = await self._unseen(route, wanted, bindings)

        replica_lag_ms = self._systems[route.source].capabilities.replica_lag_ms
        subtracts_itself = self._systems[route.sink].capabilities.subtracts_own_orders
        locations = list(route.locations)
        targets: list[Target] = []
        done: list[Demand] = []
        published: dict[str, Published] = {}
        for sku in wanted:
            at = levels.get(sku)
            if not at:
                continue
            lines = demands.get(sku, [])
            numbers = publish(
                at,
                lines,
                unseen.get(sku, {}),
                route.rule_for(sku),
                locations,
                replica_lag_ms=replica_lag_ms,
            )
            published[sku] = numbers
            done += [line for line in lines if settled(line, at, replica_lag_ms)]
            unplaced = sum(
                line.quantity
                for line in lines
                if subtracts_itself and line.channel == route.sink and not line.location
            )
            open_ones = [line for line in lines if not self._perhaps_contained(route.source, line)]
            most = (
                numbers
                if len(open_ones) == len(lines)
                else publish(
                    at,
                    open_ones,
                    unseen.get(sku, {}),
                    route.rule_for(sku),
                    locations,
                    replica_lag_ms=replica_lag_ms,
                )
            )
            for erp_location, quantity in numbers.by_location.items():
                if erp_location not in at:
                    continue
                location = route.locations[erp_location]
                key = stock_key(sku, location)
                row = bindings.get(key)
                targets.append(
                    Target(
                        key=key,
                        sku=sku,
                        location=location,
                        quantity=quantity,
                        held=None if row is None else row[1],
                        unseen=0 if row is None else row[2],
                        rev=0 if row is None else row[3],
                        unplaced=unplaced,
                        at_most=most.by_location[erp_location],
                    ),
                )
        return Computed(targets, done, published, levels, demands)

    def _perhaps_contained(self, erp: str, line: Demand) -> bool:
        """Whether the ERP may account for a line although its figures cannot prove it yet."""
        return line.erp_quantity > 0 or self._under_way(erp, line.order_key)

    async def _unseen(
        self, route: Route, skus: Sequence[str], own: dict[str, Row]
    ) -> dict[str, dict[str, int]]:
        """Units that any channel lost to something nobody has told us of, by SKU and ERP location."""
        found: dict[str, dict[str, int]] = {}
        for other in self._routes.of(Flow.INVENTORY, source=route.source):
            if other.sink == route.sink:
                rows = list(own.values())
            else:
                rows = await self._store.read("bindings_of_skus", system=other.sink, skus=list(skus))
            for row in rows:
                if row[2] <= 0:  # below zero: units that came back before anybody told us
                    continue
                sku, location = split_key(row[0])
                erp_location = self._routes.erp_location(other.sink, location)
                if erp_location:
                    at = found.setdefault(sku, {})
                    at[erp_location] = at.get(erp_location, 0) + row[2]
        return found

    async def _sooner(
        self, rounds: Sequence[tuple[Route, Computed]], changed_at: dict[str, int], now_ms: int
    ) -> dict[tuple[str, str], int]:
        """Deadlines by route and target of what cannot wait for its tolerance; a promise of seconds needs none.

        Every channel that sells what a route's source has draws on its pool.
        """
        asked: dict[tuple[str, str], Wrong] = {}
        channels: dict[str, dict[str, None]] = {}
        for route, computed in rounds:
            for target in computed.targets:
                channels.setdefault(target.sku, {})[route.sink] = None
                held = target.held
                too_high = held is not None and held > target.quantity and not target.undecided
                if route.tolerance_ms > SEND_AT_ONCE_MS and (too_high or (held == 0 and target.quantity > 0)):
                    latest_ms = changed_at[target.sku] + route.tolerance_ms
                    pool = computed.published[target.sku].pool
                    asked[route.name, target.key] = Wrong(target.sku, pool, latest_ms, too_high)
        deadlines = await self._learner.deadlines(
            list(asked.values()), {sku: list(sinks) for sku, sinks in channels.items()}, now_ms
        )
        return dict(zip(asked, deadlines, strict=True))

    async def step(self, guard: Write) -> tuple[int, list[Row]]:
        """Derive some of the SKUs that were marked; returns how many, and the deliveries touched."""
        dirty = await self._store.read("dirty", limit=DERIVE_MAX)
        if not dirty:
            return 0, []
        changed_at = {sku: changed for sku, _, changed in dirty}
        now_ms = self._clock.now_ms()
        touches: list[dict[str, object]] = []
        settles: dict[tuple[str, str, str, str], Demand] = {}
        open_lines: list[Demand] = []
        rounds = [
            (route, await self.compute(route, list(changed_at))) for route in self._routes.of(Flow.INVENTORY)
        ]
        sooner = await self._sooner(rounds, changed_at, now_ms)
        for route, computed in rounds:
            for target in computed.targets:
                linger_ms = PLACING_MS if target.unplaced else 0
                wanted = target.held is None or target.held != target.quantity
                # What needs no change is not late: a delivery that waits anyway keeps its own age.
                changed_ms = changed_at[target.sku] if wanted else now_ms
                deliver_by_ms = sooner.get((route.name, target.key), changed_ms + route.tolerance_ms)
                touches.append(
                    {
                        "system": route.sink,
                        "operation": "set_stock",
                        "key": target.key,
                        "route": route.name,
                        "changed_at_ms": changed_ms,
                        "deliver_by_ms": deliver_by_ms,
                        "not_before_ms": start_at(changed_ms, deliver_by_ms - changed_ms, now_ms) + linger_ms,
                        "now_ms": now_ms,
                        "wanted": wanted,
                        "rev": target.rev,
                    }
                )
            for line in computed.settled:
                settles[line.channel, line.order_key, line.line_id, line.location] = line
            done = set(map(id, computed.settled))
            for lines in computed.demands.values():
                open_lines += [line for line in lines if id(line) not in done]
        for line in open_lines:  # a line is settled once the figures of every route contain it
            settles.pop((line.channel, line.order_key, line.line_id, line.location), None)
        results = await self._store.write(
            guard,
            Write("delivery_touch", touches),
            Write(
                "demand_settle",
                [
                    {
                        "channel": d.channel,
                        "order_key": d.order_key,
                        "line_id": d.line_id,
                        "location": d.location,
                        "quantity": d.quantity,
                        "erp_quantity": d.erp_quantity,
                    }
                    for d in settles.values()
                ],
            ),
            Write("dirty_done", [{"sku": sku, "seq": seq} for sku, seq, _ in dirty]),
        )
        return len(dirty), results[1]
