"""What an ``auto`` buffer amounts to: units that others may sell before this channel's number is corrected.

Each channel that sells of the same stock is watched for its exposure: how long one of its sales is not
yet in the number shown here. The buffer is the smallest number of units that all of them together exceed
within their exposures with at most epsilon. In full: docs/explanation/urgency-from-risk.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from syncline.engine.catalog import Catalog
from syncline.engine.derive.demand import URGENT_MS, DemandLearner, Known
from syncline.engine.routes import Route, Routes
from syncline.freshness.demand import HOUR_MS, Demand, Season, demand_of, together
from syncline.freshness.risk import buffer_for, exposure_ms
from syncline.model.capabilities import OwnOrders
from syncline.model.change import Flow
from syncline.ports import Clock, System

CACHE_MAX = 50_000  # sizes of one (route, SKU); the oldest is forgotten


@dataclass(frozen=True, slots=True)
class Checkout:
    """How a channel's buyers come to an order, where that is not as its connector declares.

    ``duration_ms`` passes from the moment that a buyer has committed until the order exists. It is seen
    if somebody tells us in the meantime: the channel what it reserves, or its checkout by a hold.
    """

    duration_ms: int | None = None
    reported: bool | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long a sale at ``channel`` is not in the number that another channel shows: the sum of three times.

    ``checkout_ms`` passes unseen before the order exists, ``detection_ms`` until we know of it, and
    ``correction_ms`` until the corrected number is there; ``total_ms`` from the buyer's commitment to that. How long
    a route with a long tolerance waits on purpose is no part of it: that wait ends before it becomes dangerous, by
    the latest safe moment.
    """

    channel: str
    checkout_ms: int
    detection_ms: int
    correction_ms: int
    total_ms: int = field(init=False)

    def __post_init__(self) -> None:
        total_ms = exposure_ms(
            checkout_unseen_ms=self.checkout_ms,
            detection_ms=self.detection_ms,
            bound_ms=self.correction_ms,
        )
        object.__setattr__(self, "total_ms", total_ms)


@dataclass(frozen=True, slots=True)
class Covered:
    """One (channel, SKU) whose sales a buffer covers, in units of the buffer's SKU.

    ``units_h`` are sold on average in an hour such as this one, ``expected`` while exposed.
    """

    channel: str
    sku: str
    units_h: float
    expected: float
    exposure: Exposure


@dataclass(frozen=True, slots=True)
class Sized:
    """An ``auto`` buffer and what it was computed from."""

    units: int
    epsilon: float
    covered: tuple[Covered, ...]


class AutoBuffers:
    """Sizes buffers from learned demand, the same within an hour of the clock until another sale is learned.

    A size follows from what is stored and from the hour, so a restart loses none. Keeps up to ``CACHE_MAX``
    sizes, which are used while the SKU's own sales and the hour are the same: what the sales of other goods
    teach about the whole category takes effect with the next hour.
    """

    def __init__(
        self,
        clock: Clock,
        catalog: Catalog,
        routes: Routes,
        systems: Mapping[str, System],
        learner: DemandLearner,
        *,
        detection_ms: Callable[[str], int],
        checkouts: Mapping[str, Checkout],
    ) -> None:
        """Take what sizes depend on.

        Args:
            clock: whose hour counts.
            catalog: who sells what.
            routes: which channels draw on the same stock.
            systems: their capabilities.
            learner: what is known of demand; its epsilon is the buffers' as well.
            detection_ms: how long an order of a channel usually takes to be known.
            checkouts: by channel, what is configured instead of the connector's own.
        """
        self._clock = clock
        self._catalog = catalog
        self._routes = routes
        self._systems = systems
        self._learner = learner
        self._detection_ms = detection_ms
        self._checkouts = checkouts
        self._exposures: dict[str, tuple[Exposure, ...]] = {}
        self._cache: dict[tuple[str, str], tuple[object, int]] = {}
        self._season: Season | None = None
        self._exposed: dict[tuple[int, int], float] = {}

    def exposures(self, route: Route) -> tuple[Exposure, ...]:
        """The channels whose sales a route's buffers cover.

        They are those that draw on its locations. The channel itself is among them: its own sales lower
        its number at once only for the SKU that was sold, and in some systems not even for that.
        """
        found = self._exposures.get(route.name)
        if found is None:
            found = self._exposures[route.name] = tuple(
                self._exposure(other.sink, route)
                for other in self._routes.of(Flow.INVENTORY, source=route.source)
                if not other.locations.keys().isdisjoint(route.locations)
            )
        return found

    def _exposure(self, channel: str, route: Route) -> Exposure:
        capabilities = self._systems[channel].capabilities
        own = self._checkouts.get(channel, Checkout())
        reported = capabilities.exposes_reserved if own.reported is None else own.reported
        duration_ms = capabilities.checkout_ms if own.duration_ms is None else own.duration_ms
        return Exposure(
            channel,
            checkout_ms=0 if reported else duration_ms,
            detection_ms=self._detection_ms(channel),
            correction_ms=min(route.tolerance_ms, URGENT_MS),
        )

    async def units(self, route: Route, skus: Sequence[str]) -> dict[str, int]:
        """What a buffer of each of some SKUs amounts to on a route."""
        pairs = {sku: self._pairs(route, sku) for sku in skus}
        known = await self.known(skus)
        hour = self._clock.now_ms() // HOUR_MS
        found: dict[str, int] = {}
        for sku, mine in pairs.items():
            state = (hour, [(exposure.channel, used, known.state(used)) for exposure, used, _ in mine])
            cached = self._cache.get((route.name, sku))
            if cached is not None and cached[0] == state:
                found[sku] = cached[1]
                continue
            found[sku] = self._units(sku, mine, known, hour)[0]
            self._cache.pop((route.name, sku), None)  # so that it is young again
            self._cache[route.name, sku] = state, found[sku]
            if len(self._cache) > CACHE_MAX:
                del self._cache[next(iter(self._cache))]
        return found

    async def known(self, skus: Sequence[str]) -> Known:
        """What is learned about some SKUs, and about all that are sold out of the same stock."""
        recipes = self._routes.recipes
        return await self._learner.known(recipes.users(recipes.bases(skus)) if recipes else skus)

    def size(self, route: Route, sku: str, known: Known, hour: int) -> tuple[int, float]:
        """What a buffer amounts to in an hour since the epoch, and how many sales it stands against on average."""
        return self._units(sku, self._pairs(route, sku), known, hour)

    async def explain(self, route: Route, sku: str) -> Sized:
        """A buffer, and what it follows from."""
        units = (await self.units(route, [sku]))[sku]
        pairs = self._pairs(route, sku)
        known = await self.known([sku])
        season = known.season(sku)
        hour = self._clock.now_ms() // HOUR_MS
        demands = self._demands(sku, pairs, known, hour)
        covered = [
            Covered(
                channel=exposure.channel,
                sku=used,
                units_h=expected / exposed_h(season, exposure.total_ms, hour) * _weight(season, hour),
                expected=expected,
                exposure=exposure,
            )
            for (exposure, used, _), demand in zip(pairs, demands, strict=True)
            if demand is not None and (expected := demand.rate * _mean(demand)) > 0
        ]
        return Sized(units, self._learner.epsilon, tuple(covered))

    def _pairs(self, route: Route, sku: str) -> list[tuple[Exposure, str, int]]:
        """Who sells of a SKU's stock, under which SKU, and how many units of this SKU each of those takes."""
        contract = self._systems[route.sink].capabilities.stock_contract
        lowered = contract.own_orders is not OwnOrders.NOT_SUBTRACTED
        exposures = self.exposures(route)
        found: list[tuple[Exposure, str, int]] = []
        for used, times in self._takers(sku).items():
            for exposure in exposures:
                if exposure.channel == route.sink and used == sku and lowered:
                    continue  # its own sale is in its number as soon as it is made
                if self._catalog.get(exposure.channel, used) is not None:
                    found.append((exposure, used, times))
        return found

    def _takers(self, sku: str) -> dict[str, int]:
        """Every SKU that is sold out of a SKU's stock, itself included, with the units of this one that it takes."""
        recipes = self._routes.recipes
        if not recipes:
            return {sku: 1}
        parts = recipes.parts(sku)
        return {
            used: max(-(-n // parts[part]) for part, n in recipes.parts(used).items() if part in parts)
            for used in recipes.users(parts)
        }

    def _units(
        self, sku: str, pairs: Sequence[tuple[Exposure, str, int]], known: Known, hour: int
    ) -> tuple[int, float]:
        """The buffer, and how many sales are expected while exposed."""
        season = known.season(sku)
        at_ms = _looked_at_ms(pairs, known, hour)
        expected = 0.0
        for exposure, used, _ in pairs:
            pace = known.pace(used, exposure.channel, season, at_ms)
            expected += pace.rate * self._exposed_h(season, exposure.total_ms, hour)
        if expected <= self._learner.epsilon:  # that even one is sold is unlikely enough
            return 0, expected
        whole = together([one for one in self._demands(sku, pairs, known, hour) if one is not None])
        return (0 if whole is None else buffer_for(whole, 1.0, self._learner.epsilon)), expected

    def _demands(
        self, sku: str, pairs: Sequence[tuple[Exposure, str, int]], known: Known, hour: int
    ) -> list[Demand | None]:
        """The demand of each pair while exposed: ``rate`` is for all of that time."""
        season = known.season(sku)
        at_ms = _looked_at_ms(pairs, known, hour)
        found: list[Demand | None] = []
        for exposure, used, times in pairs:
            demand = demand_of(known.at(used, exposure.channel), season, at_ms)
            if demand is not None:
                demand = replace(
                    demand,
                    rate=demand.rate * self._exposed_h(season, exposure.total_ms, hour),
                    lines=tuple((units * times, share) for units, share in demand.lines),
                )
            found.append(demand)
        return found

    def _exposed_h(self, season: Season, exposed_ms: int, hour: int) -> float:
        """``exposed_h``, computed once for all SKUs that have the season in common."""
        if self._season is not season:
            self._season, self._exposed = season, {}
        found = self._exposed.get((exposed_ms, hour))
        if found is None:
            found = self._exposed[exposed_ms, hour] = exposed_h(season, exposed_ms, hour)
        return found


def _looked_at_ms(pairs: Sequence[tuple[Exposure, str, int]], known: Known, hour: int) -> int:
    """From when sales are looked at: the full hour, or the latest sale of the pairs if that is later.

    Just after a sale the next one is likelier, so the buffer is largest then and falls with the hours that
    follow.
    """
    at_ms = hour * HOUR_MS
    for exposure, used, _ in pairs:
        sales = known.at(used, exposure.channel)
        if sales is not None and sales.at_ms > at_ms and sales.sold:
            at_ms = sales.at_ms
    return at_ms


def exposed_h(season: Season, exposed_ms: int, hour: int) -> float:
    """Trade hours of an exposure that begins in an hour of the clock: at its start or at its end, what is more."""
    start_ms, end_ms = hour * HOUR_MS, (hour + 1) * HOUR_MS
    return max(
        season.trade_h(start_ms, start_ms + exposed_ms),
        season.trade_h(end_ms, end_ms + exposed_ms),
    )


def _weight(season: Season, hour: int) -> float:
    return season.trade_h(hour * HOUR_MS, (hour + 1) * HOUR_MS)


def _mean(demand: Demand) -> float:
    return sum(units * share for units, share in demand.lines)
