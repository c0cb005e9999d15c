"""Every hour, or every day where no rule follows the hour, every SKU: how fast it sells, what its ``auto`` buffers amount to, and what they give back.

A buffer follows the hour of the week, and a class is left only after a while: nothing that happens to a SKU
tells of either. So all of them are looked at once an hour, and those whose buffer changed are computed again.
What was found of a SKU is stored if it is not what most are, and what was found on the whole is kept as a
history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec
import structlog

from syncline.engine.catalog import Catalog
from syncline.engine.derive.buffers import AutoBuffers
from syncline.engine.derive.demand import DemandLearner, Known
from syncline.engine.derive.dirty import mark
from syncline.engine.figures import figure
from syncline.engine.routes import Route, Routes, split_key
from syncline.freshness.demand import HOUR_MS
from syncline.freshness.recovered import Recovered, Tally
from syncline.freshness.velocity import ORDER, Standing, Thresholds, Velocity, classify, peak_units_min
from syncline.inventory.availability import offered
from syncline.inventory.rules import BufferKind, QuantityRule, allow
from syncline.model.change import Flow
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.model.records import Item
from syncline.ports import Clock, Store, System, Write

PAGE = 200  # SKUs between two turns of everything else
DAY_MS = 24 * HOUR_MS
REST = (
    4.0  # for each second of work so many of rest: a million SKUs at a few channels still fit into the hour
)
RETRY_S = 60.0
HISTORY_MAX = 2_300  # a little more than a quarter of hours
CLASSES = "velocity"  # the subject of the report on classes; the others are named by their route

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a SKU sells over all channels, in units a minute of the peak hour, and its class.

    ``by_rule`` says that a rule names the class.
    """

    velocity: Velocity
    units_min: float
    by_rule: bool = False


@dataclass(frozen=True, slots=True)
class RecoveredAt:
    """What one route's ``auto`` buffers gave back at one moment."""

    at_ms: int
    skus: int
    fixed: int
    kept: int
    units: int
    money: dict[str, Decimal]
    units_without_price: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the latest survey found: SKUs by class, and stock given back by route. Empty before the first."""

    at_ms: int
    classes: dict[str, int]
    recovered: dict[str, RecoveredAt]


# After sizes that are smaller than they were: nothing was marked for it. What is shown is too little by that, which
# costs no promise; whatever else has the number computed takes it along, or the next survey, if it did not grow back.
SHRUNK = "-"
NOTHING = Found(0, {}, {})


class Survey:
    """Looks at every SKU from time to time. Reads and writes the store; what is kept in memory is the latest report."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        routes: Routes,
        systems: Mapping[str, System],
        learner: DemandLearner,
        buffers: AutoBuffers,
        *,
        thresholds: Thresholds,
        guard: Callable[[], Write],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._routes = routes
        self._sinks = tuple(dict.fromkeys(route.sink for route in routes.of(Flow.INVENTORY)))
        self._systems = systems
        self._learner = learner
        self._buffers = buffers
        self._thresholds = thresholds
        self._guard = guard
        self._wake = wake
        # Without a rule that follows the hour, only the counts of classes are made: they change in weeks.
        hourly = any(route.rules.auto or route.segments for route in routes.of(Flow.INVENTORY))
        self._interval_ms = HOUR_MS if hourly else DAY_MS
        self.latest = NOTHING

    async def run(self) -> None:
        """Survey at the start and at each full hour, or day, until cancelled.

        Raises:
            Fenced: another worker took over.
        """
        while True:
            try:
                await self.once()
            except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
                await self._clock.sleep(RETRY_S)
                continue
            now_ms = self._clock.now_ms()
            await self._clock.sleep(((now_ms // self._interval_ms + 1) * self._interval_ms - now_ms) / 1000)

    async def once(self) -> int:
        """Look at every SKU; returns how many there were."""
        began_ms = self._clock.now_ms()
        hour = began_ms // HOUR_MS
        routes = self._routes.of(Flow.INVENTORY)
        tallies = {route.name: Tally() for route in routes}
        classes = dict.fromkeys(ORDER, 0)
        for page in self._pages(routes):
            began_s = self._clock.monotonic()
            await self._look_at(page, routes, hour, tallies, classes)
            spent_s = self._clock.monotonic() - began_s
            if spent_s > 0:  # nobody waits for it, so it leaves most of the time to everything else
                await self._clock.sleep(spent_s * REST)
        reports = {CLASSES: msgspec.json.encode({name.value: n for name, n in classes.items()})}
        recovered: dict[str, RecoveredAt] = {}
        for name, tally in tallies.items():
            result = tally.result(self._learner.epsilon)
            if result.skus:
                reports[name] = msgspec.json.encode(_body(result))
                recovered[name] = _report(hour * HOUR_MS, reports[name])
        await self._store.write(
            self._guard(),
            Write(
                "survey_put",
                [
                    {"subject": subject, "at_ms": hour * HOUR_MS, "body": body.decode()}
                    for subject, body in reports.items()
                ],
            ),
        )
        self.latest = Found(began_ms, {name.value: n for name, n in classes.items()}, recovered)
        return sum(classes.values())

    def _pages(self, routes: Sequence[Route]) -> Iterator[list[str]]:
        """Every SKU that some channel sells, once, a few at a time."""
        sinks = list(dict.fromkeys(route.sink for route in routes))
        for place, sink in enumerate(sinks):
            skus = self._catalog.skus(sink)
            before = sinks[:place]
            for start in range(0, len(skus), PAGE):
                page = [
                    sku
                    for sku in skus[start : start + PAGE]
                    if not any(self._catalog.get(other, sku) is not None for other in before)
                ]
                if page:
                    yield page

    async def _look_at(
        self,
        page: Sequence[str],
        routes: Sequence[Route],
        hour: int,
        tallies: Mapping[str, Tally],
        classes: dict[Velocity, int],
    ) -> None:
        now_ms = self._clock.now_ms()
        known = await self._buffers.known(page)
        stored = {row[0]: row[1:] for row in await self._store.read("standing_get", skus=list(page))}
        offers = [self._offers(route, page) for route in routes]
        there = await self._there(routes, offers)
        puts, drops, marks = [], [], []
        for sku in page:
            row = stored.get(sku)
            learned = classify(_standing(row), self._units_min(sku, known, now_ms), now_ms, self._thresholds)
            holds = [learned.velocity]
            sizes = [0] * len(routes)
            before = "" if row is None else row[2]
            sizes_before = _sizes(before, len(routes))
            urgent = False
            for place, route in enumerate(routes):
                offer = offers[place].get(sku)
                if offer is None:
                    continue
                item, rule = offer
                if rule.velocity:
                    holds.append(Velocity(rule.velocity))
                if rule.buffer.kind is not BufferKind.AUTO:
                    continue
                units, expected = self._buffers.size(route, sku, known, hour)
                sizes[place] = units
                urgent = urgent or units > sizes_before[place]
                if sku in there[place]:
                    shown = allow(rule, there[place][sku]).capped
                    urgent = urgent or units < shown <= sizes_before[place]  # from nothing to something
                    tallies[route.name].add(units, expected, shown, item.price, item.currency)
            classes[max(holds[1:] or holds, key=ORDER.index)] += 1
            buffers = _sizes_text(sizes)
            if before.endswith(SHRUNK) or (before != buffers and urgent):
                marks.append(sku)
            elif before != buffers:
                buffers += SHRUNK
            if learned == Standing() and not buffers:
                if row is not None:
                    drops.append({"sku": sku})
            elif row is None or _standing(row) != learned or before != buffers:
                puts.append(
                    {
                        "sku": sku,
                        "velocity": learned.velocity.value,
                        "slow_since_ms": learned.slow_since_ms,
                        "buffers": buffers,
                    }
                )
        if puts or drops:
            await self._store.write(
                self._guard(),
                mark(marks, now_ms),
                # What holds may take is less what a buffer keeps back.
                Write("shelf_stale", [{"sku": sku} for sku in self._routes.recipes.bases(marks)]),
                Write("standing_put", puts),
                Write("standing_drop", drops),
            )
        if marks:
            self._wake()

    def _offers(self, route: Route, page: Sequence[str]) -> dict[str, tuple[Item, QuantityRule]]:
        """What a route's channel sells of some SKUs, with the rule for each."""
        found: dict[str, tuple[Item, QuantityRule]] = {}
        for sku in page:
            item = self._catalog.get(route.sink, sku)
            if item is not None:
                found[sku] = item, route.rule_for(sku)
        return found

    async def _there(
        self, routes: Sequence[Route], offers: Sequence[Mapping[str, tuple[Item, QuantityRule]]]
    ) -> list[dict[str, int]]:
        """What the sources say is there to be sold of each SKU with an ``auto`` buffer, by route.

        The figures as they are, less safety stock: what is open or held for the moment makes no difference
        to how much a buffer keeps back over time. Of a kit there are as many as its parts make at one location.
        """
        recipes = self._routes.recipes
        wanted = [
            [sku for sku, (_, rule) in offered_here.items() if rule.buffer.kind is BufferKind.AUTO]
            for offered_here in offers
        ]
        found: list[dict[str, int]] = [{} for _ in routes]
        for source in dict.fromkeys(route.source for route in routes):
            mine = [place for place, route in enumerate(routes) if route.source == source]
            asked = sorted({sku for place in mine for sku in wanted[place]})
            if not asked:
                continue
            there: dict[str, dict[str, int]] = {}
            basis = self._systems[source].capabilities.stock_read_basis
            held_back = self._routes.holds_vanished(source)
            for row in await self._store.read("stock_of_skus", system=source, skus=recipes.bases(asked)):
                sku, location = split_key(row[0])
                there.setdefault(sku, {})[location] = offered(figure(row, held_back=held_back), basis)
            for place in mine:
                for sku in wanted[place]:
                    parts = recipes.parts(sku)
                    if all(part in there for part in parts):
                        found[place][sku] = _left(routes[place], offers[place][sku][1], parts, there)
        return found

    def _units_min(self, sku: str, known: Known, now_ms: int) -> float:
        """Units a minute in the peak hour, over all channels that sell a SKU."""
        season = known.season(sku)
        speeds = (
            peak_units_min(known.pace(sku, sink, season, now_ms), known.at(sku, sink), season)
            for sink in self._sinks
            if self._catalog.get(sink, sku) is not None
        )
        return sum(speeds, start=0.0)

    # --- for others ---------------------------------------------------------------------------------

    async def speeds(self, route: Route, skus: Sequence[str]) -> dict[str, Speed]:
        """The class of some SKUs on a route: entered at once, whenever the last survey was."""
        known = await self._learner.known(skus)
        stored = {row[0]: row[1:] for row in await self._store.read("standing_get", skus=list(skus))}
        now_ms = self._clock.now_ms()
        found: dict[str, Speed] = {}
        for sku in skus:
            speed = self._units_min(sku, known, now_ms)
            named = route.rule_for(sku).velocity
            standing = classify(
                _standing(stored.get(sku)),
                speed,
                now_ms,
                self._thresholds,
                override=Velocity(named) if named else None,
            )
            found[sku] = Speed(standing.velocity, speed, bool(named))
        return found

    async def tolerances(self, route: Route, skus: Sequence[str]) -> dict[str, int]:
        """What some SKUs are promised on a route, in milliseconds: what its segment says, or the route."""
        if not route.segments:
            return dict.fromkeys(skus, route.tolerance_ms)
        speeds = await self.speeds(route, skus)
        return {sku: route.segments.get(speed.velocity, route.tolerance_ms) for sku, speed in speeds.items()}

    async def history(self, route: str, since_ms: int) -> list[RecoveredAt]:
        """What a route's buffers gave back, hour by hour, oldest first; at most ``HISTORY_MAX`` of them."""
        rows = await self._store.read("surveys", subject=route, since=since_ms, limit=HISTORY_MAX)
        return [_report(at_ms, body.encode()) for at_ms, body in reversed(rows)]


def _left(
    route: Route, rule: QuantityRule, parts: Mapping[str, int], there: Mapping[str, Mapping[str, int]]
) -> int:
    """Units of a SKU with this rule over the locations of a route: whole ones, of the scarcest part at each."""
    each = [(there[part], route.rule_for(part), count) for part, count in parts.items()]
    whole = 0
    for location in route.locations:
        if location not in rule.excluded:
            whole += min([_of_part(at, own, location) // count for at, own, count in each])
    return whole


def _of_part(there: Mapping[str, int], rule: QuantityRule, location: str) -> int:
    """Units of a part at a location, less its safety stock."""
    if location not in there or location in rule.excluded:
        return 0
    return max(0, there[location] - rule.safety_at(location))


def _sizes(text: str, count: int) -> list[int]:
    """The buffers that ``_sizes_text`` wrote."""
    sizes = [int(units or 0) for units in text.removesuffix(SHRUNK).split(",")]
    return sizes + [0] * (count - len(sizes))


def _sizes_text(sizes: Sequence[int]) -> str:
    """Buffers by route in their order, short, for there may be a million: ``3,,12``; empty for none."""
    return ",".join(str(units or "") for units in sizes).rstrip(",")


def _standing(row: Sequence[object] | None) -> Standing:
    if row is None:
        return Standing()
    velocity, slow_since_ms, _ = row
    return Standing(Velocity(str(velocity)), None if slow_since_ms is None else int(str(slow_since_ms)))


def _body(result: Recovered) -> dict[str, object]:
    return {
        "skus": result.skus,
        "fixed": result.fixed,
        "kept": result.kept,
        "units": result.units,
        "money": result.money,
        "units_without_price": result.units_without_price,
    }


def _report(at_ms: int, body: bytes) -> RecoveredAt:
    return msgspec.convert({**msgspec.json.decode(body), "at_ms": at_ms}, RecoveredAt, strict=False)
