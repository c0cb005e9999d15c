"""From stock figures and demand to one number for each channel location."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from msgspec import Struct

from syncline.engine.catalog import Catalog
from syncline.engine.derive.demand import DemandLearner, Wrong
from syncline.engine.derive.facts import Alike, Facts, read_facts
from syncline.engine.routes import Route, Routes, stock_key
from syncline.freshness.bounds import SEND_AT_ONCE_MS, start_at
from syncline.inventory.availability import Demand, Drawn, Published, draw, settled, show
from syncline.inventory.contracts import number_to_write, open_by_location
from syncline.inventory.recipes import Recipes, assemble, by_base, demand_on
from syncline.inventory.rules import ALONE, BufferKind, QuantityRule, Terms, fence_left
from syncline.model.capabilities import OwnOrders, StockBasis, StockContract
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.records import StockLevel
from syncline.ports import Clock, Row, Store, System, Timer, Write

# Nothing else runs while numbers are computed: a hundredth of a second at a time is what others may have to wait.
DERIVE_MAX = 200  # SKUs in one round
DECIDE_MAX = 20  # decisions about urgency at once

Tolerances = Callable[[Route, Sequence[str]], Awaitable[Mapping[str, int]]]
AutoUnits = Callable[[Route, Sequence[str]], Awaitable[Mapping[str, int]]]

# How long a number waits to be told where the channel's own order takes its units from; then it is written all the same.
UNPLACED_WAIT_MS = 10_000
UNIQUE_MS = 1_000  # how old the number of a one-of-a-kind SKU may become, whatever the route tolerates
NO_BINDING: Row = ("", None, 0, 0, 0)  # of a number that was never read


class Target(Struct, frozen=True):
    """What one channel location should show, and what it holds as far as we know.

    ``held`` of ``None``: never read. ``rev`` is the binding's revision that this was computed from.
    ``unplaced`` units were ordered at this very channel, which has subtracted them at a location that
    it has not told yet: until then nobody knows what it holds where.

    While an order is on its way into the ERP, its figures may contain the order before we can know
    that they do. Then ``quantity`` subtracts it, perhaps for the second time, and ``at_most`` is the
    number if they do. What the channel holds between the two is not known to be wrong.

    ``added_back`` units of ``quantity`` are in the number only because the channel takes them off itself.
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
    added_back: int = 0

    @property
    def undecided(self) -> bool:
        """Whether what the channel holds may be right, as far as anybody can know at the moment."""
        return self.held is not None and self.quantity < self.held <= self.at_most


@dataclass(frozen=True, slots=True)
class Computed:
    """The derivation of some SKUs for one route.

    ``levels`` and ``demands`` are by base SKU: an order of a kit is among the demands of each part.
    Order lines are ``settled`` or ``unsettled`` as they were sold.
    """

    targets: list[Target]
    settled: list[Demand]
    unsettled: list[Demand]
    published: dict[str, Published]
    levels: dict[str, dict[str, StockLevel]]
    demands: dict[str, list[Demand]]
    held: dict[str, list[Demand]] = field(default_factory=dict)


async def _unknown_units(_route: Route, skus: Sequence[str]) -> Mapping[str, int]:
    """Nothing is kept back while nothing is known of demand."""
    return dict.fromkeys(skus, 0)


async def _route_tolerances(route: Route, skus: Sequence[str]) -> Mapping[str, int]:
    """What a route promises where nobody tells fast SKUs from slow ones."""
    return dict.fromkeys(skus, route.tolerance_ms)


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
        self._under_way: Callable[[str, str], int | None] = lambda _system, _order_key: None
        self._at_rest: Callable[[str, Iterable[str]], set[str]] = lambda _system, _keys: set()
        self._auto_units: AutoUnits = _unknown_units
        self._tolerances: Tolerances = _route_tolerances
        self._wake: Callable[[], None] = lambda: None
        self._unplaced_until: dict[tuple[str, str], int] = {}  # by route and target
        self._deferred = True  # a former process may have left some
        self._timer: Timer | None = None

    def watch(
        self,
        under_way: Callable[[str, str], int | None],
        at_rest: Callable[[str, Iterable[str]], set[str]],
        wake: Callable[[], None],
    ) -> None:
        """Be told since when a call about an order is under way to a system, and whether a number is at rest.

        ``wake`` is called when something that was deferred may be due.
        """
        self._under_way = under_way
        self._at_rest = at_rest
        self._wake = wake

    def deferred(self) -> None:
        """Be told that something was marked which is not due at once."""
        self._deferred = True

    def buffers(self, auto_units: AutoUnits) -> None:
        """Be told what ``auto`` buffers of some SKUs amount to on a route, in units."""
        self._auto_units = auto_units

    def tolerances(self, tolerances: Tolerances) -> None:
        """Be told what some SKUs are promised on a route, in milliseconds."""
        self._tolerances = tolerances

    async def facts(self, source: str, skus: Sequence[str], only: str = "") -> Facts:
        """What numbers of SKUs are computed from, for every route that sells the source's stock, or one sink's."""
        now_ms = self._clock.now_ms()
        return await read_facts(self._store, self._routes, source, skus, now_ms=now_ms, only=only)

    async def compute(self, route: Route, skus: Sequence[str], facts: Facts | None = None) -> Computed:
        """Compute the numbers of some SKUs from what is stored now, or from ``facts`` that were read of them.

        A SKU that the ERP has never given a figure for, or that the channel does not have, gets no
        target: nothing is ever written out of ignorance.
        """
        wanted = [sku for sku in skus if self._catalog.get(route.sink, sku) is not None]
        if not wanted:
            return Computed([], [], [], {}, {}, {})
        facts = facts or await self.facts(route.source, wanted, only=route.sink)
        recipes = self._routes.recipes
        levels, sold, bindings = facts.levels_of(route), facts.sold, facts.bindings[route.sink]
        demands = by_base(recipes, sold, facts.parted)
        terms = await self.terms(route, [*wanted, *recipes.bases(wanted)] if recipes else wanted)
        held = by_base(recipes, self._held(route, facts.holds))

        erp = self._systems[route.source].capabilities
        replica_lag_ms = erp.replica_lag_ms
        scene = _Scene(
            route,
            recipes,
            levels,
            {sku: [*demands.get(sku, ()), *held.get(sku, ())] for sku in demands | held} if held else demands,
            facts.unseen,
            terms,
            replica_lag_ms,
            erp.stock_read_basis,
            self._clock.now_ms(),
            tuple(route.locations),
        )
        doubt = partial(self._perhaps_contained, route, facts)
        contract = self._systems[route.sink].capabilities.stock_contract
        lowers = contract.own_orders is OwnOrders.LOWER_THE_NUMBER
        untaken = await self._untaken(contract, route, wanted)
        places = list(route.locations.items())
        numbers_before = facts.numbers_of(route)
        targets: list[Target] = []
        done: list[Demand] = []
        published: dict[str, Published] = {}
        for sku in wanted:
            own = sold.get(sku, [])
            if sku in recipes:
                parts = recipes.parts(sku)
                if not all(levels.get(part) for part in parts):
                    continue
                lines = [line for part in parts for line in demands.get(part, ())]
                known = [at for at in places if all(at[0] in levels[part] for part in parts)]
                done += [line for line in own if _settled(line, parts, levels, replica_lag_ms)]
            else:
                at = levels.get(sku)
                if not at:
                    continue
                lines = demands.get(sku, [])
                known = places if len(at) == len(places) else [one for one in places if one[0] in at]
                done += [line for line in own if settled(line, at, replica_lag_ms)]
            # Without holds, which count for some channels only, channels with one rule have one number.
            if sku in held or sku in recipes:
                numbers = scene.number(sku)
            else:
                numbers = scene.number_alike(sku, numbers_before.setdefault(sku, []))
            published[sku] = numbers
            unplaced = 0
            if lowers and own:
                unplaced = sum(
                    line.quantity for line in own if line.channel == route.sink and not line.location
                )
            waiting = open_by_location(untaken[sku], [place for place, _ in known]) if sku in untaken else {}
            first = len(targets)
            too_high = False
            for place, location in known:
                key = stock_key(sku, location)
                shown = numbers.by_location[place]
                quantity = number_to_write(contract, shown, waiting.get(place, 0))
                _, there, lost, rev, _ = bindings.get(key, NO_BINDING)
                too_high = too_high or (there is not None and there > quantity)
                targets.append(
                    Target(
                        key, sku, location, quantity, there, lost, rev, unplaced, quantity, quantity - shown
                    )
                )
            # Where the channel holds no more than that, it does not matter how many may be right.
            if too_high and any(map(doubt, lines)):
                most = scene.number(sku, leave_out=doubt).by_location
                targets[first:] = [
                    replace(one, at_most=number_to_write(contract, most[place], waiting.get(place, 0)))
                    for one, (place, _) in zip(targets[first:], known, strict=True)
                ]
        ended = set(map(id, done))
        # A line that is taken from where this route sells nothing waits for no figure of this route.
        here = {"", *route.locations}
        unsettled = [
            line
            for sku in wanted
            for line in sold.get(sku, [])
            if id(line) not in ended and line.location in here
        ]
        return Computed(targets, done, unsettled, published, levels, demands, held)

    def _perhaps_contained(self, route: Route, facts: Facts, line: Demand) -> bool:
        """Whether the ERP may account for a line although its figures cannot prove it yet.

        What was received before an order was first sent cannot contain it.
        """
        if line.erp_quantity > 0:
            return True
        since_ms = self._under_way(route.source, line.order_key)
        if since_ms is None:
            return False
        received = facts.received.get(line.sku, {})
        return any(at_ms >= since_ms for place, at_ms in received.items() if place in route.locations)

    def _held(self, route: Route, holds: Sequence[Row]) -> dict[str, list[Demand]]:
        """What checkouts hold, as demand. A channel that subtracts its own orders will subtract its holds'."""
        contract = self._systems[route.sink].capabilities.stock_contract
        own = "" if contract.own_orders is OwnOrders.NOT_SUBTRACTED else route.sink
        held: dict[str, list[Demand]] = {}
        for sku, reference, line, _, channel, location, quantity, main in holds:
            if main and quantity and channel != own:
                demand = Demand(channel, reference, str(line), location, sku, quantity)
                held.setdefault(sku, []).append(demand)
        return held

    async def _untaken(
        self, contract: StockContract, route: Route, skus: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """What the channel's own orders wait for, by SKU and ERP location, where its contract asks for it."""
        if contract.own_orders is not OwnOrders.SUBTRACTED_WHILE_OPEN:
            return {}
        found: dict[str, dict[str, int]] = {}
        for sku, location, units in await self._store.read("demand_untaken", channel=route.sink, skus=skus):
            found.setdefault(sku, {})[location] = units
        return found

    async def terms(self, route: Route, skus: Sequence[str]) -> dict[str, Terms]:
        """How each SKU's pool is divided with the other channels that draw on it."""
        beside = [
            other
            for other in self._routes.of(Flow.INVENTORY, source=route.source)
            if other is route or not other.locations.keys().isdisjoint(route.locations)
        ]
        found: dict[str, Terms] = {}
        sized = [sku for sku in skus if route.rule_for(sku).buffer.kind is BufferKind.AUTO]
        auto = await self._auto_units(route, sized) if sized else {}
        if len(beside) == 1 or not any(other.rules.divides for other in beside):  # nobody to divide with
            return {sku: Terms(auto_units=auto[sku]) if sku in auto else ALONE for sku in skus}
        sold = await self._sold(beside, route, skus)
        for sku in skus:
            rule = route.rule_for(sku)
            fenced = 0
            splits: list[Route] = []
            for other in beside:
                if other is not route and self._catalog.get(other.sink, sku) is None:
                    continue
                its = other.rule_for(sku)
                if other is not route and its.fence is not None:
                    fenced += fence_left(its.fence, sold.get((other.sink, sku), 0))
                # Only who draws on the same locations splits the same pool.
                if its.share != 1 and _places(other, its) == _places(route, rule):
                    splits.append(other)
            found[sku] = Terms(
                fenced=fenced,
                shares=tuple(other.rule_for(sku).share for other in splits),
                mine=splits.index(route) if route in splits else 0,
                auto_units=auto.get(sku, 0),
            )
        return found

    async def _sold(
        self, beside: Sequence[Route], route: Route, skus: Sequence[str]
    ) -> dict[tuple[str, str], int]:
        """Units that other channels sold since their fence was put up, by channel and SKU."""
        asked: dict[tuple[str, int], list[str]] = {}
        for other in beside:
            if other is route or not other.rules.fenced:
                continue
            for sku in skus:
                fence = other.rule_for(sku).fence
                if fence is not None:
                    asked.setdefault((other.sink, fence.since_ms), []).append(sku)
        found: dict[tuple[str, str], int] = {}
        for (channel, since_ms), wanted in asked.items():
            rows = await self._store.read("demand_sold", channel=channel, skus=wanted, since_ms=since_ms)
            found |= {(channel, sku): units for sku, units in rows}
        return found

    async def _sooner(
        self,
        rounds: Sequence[tuple[Route, Computed, Mapping[str, int]]],
        changed_at: dict[str, int],
        now_ms: int,
    ) -> dict[tuple[str, str], int]:
        """Deadlines by route and target of what cannot wait for its tolerance; a promise of seconds needs none.

        Every channel that sells what a route's source has draws on its pool.
        """
        asked: dict[tuple[str, str], Wrong] = {}
        channels: dict[str, dict[str, None]] = {}
        for route, computed, tolerances in rounds:
            name = route.name
            for sku in tolerances:
                channels.setdefault(sku, {})[route.sink] = None
            for target in computed.targets:
                held = target.held
                if held is None or held == target.quantity:
                    continue
                tolerance_ms = tolerances[target.sku]
                if tolerance_ms <= SEND_AT_ONCE_MS:
                    continue
                too_high = held > target.quantity and not target.undecided
                if too_high or (held == 0 and target.quantity > 0):
                    latest_ms = changed_at[target.sku] + tolerance_ms
                    pool = computed.published[target.sku].pool
                    asked[name, target.key] = Wrong(target.sku, pool, latest_ms, too_high)
        found: dict[tuple[str, str], int] = {}
        for start in range(0, len(asked), DECIDE_MAX):
            some = list(islice(asked.items(), start, start + DECIDE_MAX))
            wrong = [one for _, one in some]
            sinks = {one.sku: list(channels[one.sku]) for one in wrong}
            deadlines = await self._learner.deadlines(wrong, sinks, now_ms)
            found |= zip((at for at, _ in some), deadlines, strict=True)
            await self._clock.sleep(0)
        return found

    async def step(self, guard: Write) -> tuple[int, list[Row]]:
        """Derive some of the SKUs that were marked; returns how many, and the deliveries touched."""
        now_ms = self._clock.now_ms()
        dirty = await self._store.read("dirty", now_ms=now_ms, limit=DERIVE_MAX)
        if not dirty:
            await self._wake_later()
            return 0, []
        changed_at: dict[str, int] = {}
        for marked, _, changed in dirty:
            for sku in self._routes.recipes.related(marked):
                changed_at[sku] = min(changed, changed_at.get(sku, changed))
        later: dict[str, int] = {}
        touches: list[dict[str, object]] = []
        settles: dict[tuple[str, str, str, str], Demand] = {}
        open_lines: list[Demand] = []
        rounds: list[tuple[Route, set[str], Computed, Mapping[str, int]]] = []
        routes = self._routes.of(Flow.INVENTORY)
        # Asked before anything is read. A delivery that is not open now can only begin later, and is
        # then built from what we are about to read, or newer; so where the channel holds what it
        # should, no delivery has to be told. One that is open may carry a number from before.
        at_rest_of = {route.name: self._resting(route, changed_at) for route in routes}
        facts = {
            source: await self.facts(source, list(changed_at))
            for source in dict.fromkeys(route.source for route in routes)
        }
        for route in routes:
            computed = await self.compute(route, list(changed_at), facts[route.source])
            skus = list(dict.fromkeys(target.sku for target in computed.targets))
            promised = await self._tolerances(route, skus) if skus else {}
            rounds.append((route, at_rest_of[route.name], computed, promised))
            await self._clock.sleep(0)
        sooner = await self._sooner(
            [(route, computed, promised) for route, _, computed, promised in rounds], changed_at, now_ms
        )
        for route, at_rest, computed, promised in rounds:
            name = route.name
            for target in computed.targets:
                if target.unplaced or self._unplaced_until:
                    until_ms = self._waits_for_a_place(name, target, now_ms)
                    if until_ms is not None:
                        # Only this very channel's own number; when the order was read, the SKU is marked again.
                        later[target.sku] = min(until_ms, later.get(target.sku, until_ms))
                        continue
                wanted = target.held is None or target.held != target.quantity
                if not wanted and target.key in at_rest:
                    continue
                # What needs no change is not late: a delivery that waits anyway keeps its own age.
                changed_ms = changed_at[target.sku] if wanted else now_ms
                unique = route.rule_for(target.sku).unique
                tolerance_ms = min(UNIQUE_MS, promised[target.sku]) if unique else promised[target.sku]
                latest_ms = changed_ms + tolerance_ms
                deliver_by_ms = min(latest_ms, sooner.get((name, target.key), latest_ms))
                touches.append(
                    {
                        "system": route.sink,
                        "operation": "set_stock",
                        "key": target.key,
                        "route": name,
                        "changed_at_ms": changed_ms,
                        "deliver_by_ms": deliver_by_ms,
                        "not_before_ms": start_at(changed_ms, deliver_by_ms - changed_ms, now_ms),
                        "now_ms": now_ms,
                        "wanted": wanted,
                        "rev": target.rev,
                    }
                )
            for line in computed.settled:
                settles[line.channel, line.order_key, line.line_id, line.location] = line
            open_lines += computed.unsettled
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
                told=False,
            ),
            *self._marks_done(dirty, later),
        )
        await self._wake_later()
        return len(dirty), results[1]

    def _resting(self, route: Route, skus: Iterable[str]) -> set[str]:
        """The numbers of SKUs that no open delivery of a route carries."""
        keys = (stock_key(sku, location) for sku in skus for location in route.locations.values())
        return self._at_rest(route.sink, keys)

    def _waits_for_a_place(self, name: str, target: Target, now_ms: int) -> int | None:
        """Until when a number is left alone because nobody knows yet where the channel's own order takes from."""
        at = name, target.key
        if not target.unplaced:
            self._unplaced_until.pop(at, None)
            return None
        until_ms = self._unplaced_until.setdefault(at, now_ms + UNPLACED_WAIT_MS)
        return until_ms if now_ms < until_ms else None

    def _marks_done(self, dirty: Sequence[Row], later: Mapping[str, int]) -> list[Write]:
        """What was derived is done, but for what waits: that keeps its mark, and with it since when it is wanted."""
        done, deferred = [], []
        for marked, seq, _ in dirty:
            moments = (
                [later[sku] for sku in self._routes.recipes.related(marked) if sku in later] if later else []
            )
            if moments:
                deferred.append({"sku": marked, "seq": seq, "not_before_ms": min(moments)})
            else:
                done.append({"sku": marked, "seq": seq})
        self._deferred = self._deferred or bool(deferred)
        return [Write("dirty_done", done, told=False), Write("dirty_defer", deferred, told=False)]

    async def _wake_later(self) -> None:
        """Be woken when the first of what was deferred is due."""
        if self._timer is not None or not self._deferred:
            return
        ((next_ms,),) = await self._store.read("dirty_next")
        self._deferred = next_ms is not None
        if next_ms is not None:
            delay_s = max(0.001, (next_ms - self._clock.now_ms()) / 1000)
            self._timer = self._clock.after(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self._wake()


def _places(route: Route, rule: QuantityRule) -> set[str]:
    """The ERP locations that a channel draws on."""
    return set(route.locations) - set(rule.excluded)


def _settled(
    line: Demand, parts: Mapping[str, int], levels: Mapping[str, Mapping[str, StockLevel]], lag_ms: int
) -> bool:
    """Whether the figures of every part of what was sold account for an order line."""
    return all(settled(demand_on(part, count, line), levels[part], lag_ms) for part, count in parts.items())


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything that the numbers of one route are computed from."""

    route: Route
    recipes: Recipes
    levels: Mapping[str, Mapping[str, StockLevel]]
    demands: Mapping[str, Sequence[Demand]]
    unseen: Mapping[str, Mapping[str, int]]
    terms: Mapping[str, Terms]
    replica_lag_ms: int
    basis: StockBasis
    now_ms: int
    places: tuple[str, ...]

    def number(self, sku: str, leave_out: Callable[[Demand], bool] | None = None) -> Published:
        """What may be shown of a SKU, from its own stock or from that of its parts."""
        rule = self.route.rule_for(sku)
        if sku not in self.recipes:
            return show(self.draw(sku, rule, leave_out), rule, self.terms[sku])
        counts = self.recipes.parts(sku)
        drawn: dict[str, Drawn] = {}
        for part in counts:
            its = self.route.rule_for(part)
            if rule.excluded:  # where the kit is not sold from, its parts are not either
                its = replace(its, excluded=its.excluded + rule.excluded)
            drawn[part] = self.draw(part, its, leave_out)
        whole = assemble([(count, drawn[part], self.terms[part].fenced) for part, count in counts.items()])
        return replace(show(whole, rule, self.terms[sku]), parts=drawn)

    def number_alike(self, sku: str, before: list[Alike]) -> Published:
        """The same as ``number``; taken from ``before`` if a route whose rule is the same has it there already."""
        rule, terms = self.route.rule_for(sku), self.terms[sku]
        for its, its_terms, numbers in before:
            if (its is rule or its == rule) and (its_terms is terms or its_terms == terms):
                return numbers
        numbers = self.number(sku)
        before.append((rule, terms, numbers))
        return numbers

    def draw(self, part: str, rule: QuantityRule, leave_out: Callable[[Demand], bool] | None) -> Drawn:
        """What can be drawn of a base SKU, without some of the demand on it."""
        lines = self.demands.get(part, ())
        return draw(
            self.levels[part],
            [line for line in lines if not leave_out(line)] if leave_out is not None else lines,
            self.unseen.get(part, {}),
            rule,
            self.places,
            replica_lag_ms=self.replica_lag_ms,
            basis=self.basis,
            now_ms=self.now_ms,
        )
