"""Past orders played through the routing rules, beside what was done. Nothing is decided or written.

It is a comparison by the same costs, not a forecast: each order is looked at by itself, against the stock of today or
against plenty, because nobody knows what lay where on the day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec import Struct

from syncline.engine.codec import decode
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, reference_of
from syncline.engine.routing import Asked, CannotRoute, Past, Router, decisions
from syncline.inventory.availability import units
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.records import ErpOrder, Order
from syncline.routing.plan import Case, Plan, Sent, Stock, plan, priced, words
from syncline.routing.policy import ZERO, Destination, Policy

DAY_MS = 86_400_000
DAYS_MAX = 730
ORDERS_MAX = 1_000
LINES_MAX = 100
STEPS_MAX = 4_000  # of one order: there are many
SHOWN_MAX = 20


class Placed(Struct, frozen=True):
    """Units of a line, by its number, that a location sent; "": nobody knows which."""

    line: int
    location: str
    units: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One order to be tried: what was wanted where, and from where it was sent."""

    order: str
    lines: tuple[Asked, ...]
    to: Destination
    done: tuple[Placed, ...] = ()


class Totals(Struct, frozen=True):
    """What some orders come to. ``km`` is summed over the parcels of which it is known how far they went."""

    parcels: int
    split_orders: int
    cost: Decimal
    km: float


class Changed(Struct, frozen=True):
    """One order that would be sent otherwise than it was."""

    order: str
    was: str
    would_be: str
    saved: Decimal
    reasons: tuple[str, ...]


class DryRun(Struct, frozen=True):
    """What the rules would have made of some orders.

    ``was`` and ``would_be`` are of the orders ``compared``: those of which it is known from where they were sent, and of
    which the rules would send every unit. ``incomplete`` are the others that the rules would not send whole. ``biggest`` are the
    changes that save or cost most.
    """

    orders: int
    compared: int
    same: int
    incomplete: int
    was: Totals
    would_be: Totals
    currency: str
    skipped: dict[str, int]
    biggest: tuple[Changed, ...]


async def past_orders(engine: Engine, channel: str, *, days: int, limit: int, policy: Policy) -> list[Trial]:
    """The newest orders of a channel, with where they were sent from as far as the store knows.

    That is what was decided here; else what the ERP's order says; else where the channel expected it.
    """
    since_ms = engine.clock.now_ms() - days * DAY_MS
    rows = await engine.store.read(
        "orders_recent", system=channel, since_ms=since_ms, limit=min(limit, ORDERS_MAX)
    )
    orders: dict[str, Order] = {key: decode(Kind.ORDER, body) for key, body in rows}
    decided = await decisions(engine.store, channel, list(orders))
    route = next(iter(engine.routes.of(Flow.ORDERS, source=channel)), None)
    booked = await _booked(engine, route, list(orders)) if route is not None else {}
    trials = []
    for key, order in orders.items():
        lines = [line for line in order.lines if line.sku and units(line.quantity) > 0][:LINES_MAX]
        if order.cancelled_at_ms is not None or not lines:
            continue
        asked = tuple(Asked(line.sku, units(line.quantity)) for line in lines)
        done = _done(
            engine, channel, order, decided.get(key, Past()), booked.get(key), [line.id for line in lines]
        )
        trials.append(Trial(order.number or key, asked, policy.destination(order), done))
    return trials


async def _booked(engine: Engine, route: Route, keys: Sequence[str]) -> dict[str, ErpOrder]:
    references = {reference_of(route.source, key): key for key in keys}
    rows = await engine.store.read(
        "records_get", system=route.sink, kind=Kind.ERP_ORDER.value, keys=list(references)
    )
    return {references[row[0]]: decode(Kind.ERP_ORDER, row[4]) for row in rows}


def _done(
    engine: Engine, channel: str, order: Order, past: Past, booked: ErpOrder | None, ids: Sequence[str]
) -> tuple[Placed, ...]:
    """From where an order was sent, line by line; empty where nobody knows of any line."""
    if past.decision is not None:
        sent = [one for one in past.decision.sent if one.line in ids]
        return tuple(Placed(ids.index(one.line), one.location, one.units) for one in sent)
    held: dict[str, list[tuple[str, int]]] = {}
    for row in booked.lines if booked is not None else ():
        held.setdefault(row.sku, []).append((row.location, units(row.quantity)))
    found = []
    for number, line in enumerate(line for line in order.lines if line.id in ids):
        places = held.get(line.sku) or [
            (engine.routes.erp_location(channel, at.location), units(at.quantity)) for at in line.allocations
        ]
        found += [Placed(number, at, count) for at, count in places if at and count > 0]
    return tuple(found)


async def dry_run(
    router: Router, channel: str, trials: Sequence[Trial], policy: Policy, *, plenty: bool
) -> DryRun:
    """Play orders through a policy, one by one.

    Raises:
        CannotRoute: the channel is unknown.
    """
    skipped: Counter[str] = Counter()
    was, would_be = _Sum(), _Sum()
    changed: list[Changed] = []
    compared = same = incomplete = 0
    for trial in trials[:ORDERS_MAX]:
        try:
            case = await router.case(channel, trial.lines, trial.to, policy=policy)
        except CannotRoute as error:
            if error.code == "unknown_channel":
                raise
            skipped[error.code] += 1
            continue
        done = _sent(trial, case)
        case = replace(case, stock=_plenty(case) if plenty else _with_its_own(case, done), load={})
        found = plan(case, policy, steps_max=STEPS_MAX)
        if found.missing:
            incomplete += 1
            continue
        if sum(one.units for one in done) < sum(one.units for one in case.wanted):
            skipped["not known from where it was sent"] += 1
            continue
        compared += 1
        before = priced(case, policy, done)
        after = priced(case, policy, found.sent)
        was.add(*before)
        would_be.add(*after)
        if _where(done) == _where(found.sent):
            same += 1
        else:
            changed.append(_changed(trial, found, done, before[1], after[1]))
    changed.sort(key=lambda one: (-abs(one.saved), one.order))
    return DryRun(
        min(len(trials), ORDERS_MAX),
        compared,
        same,
        incomplete,
        was.totals(),
        would_be.totals(),
        policy.currency,
        dict(skipped),
        tuple(changed[:SHOWN_MAX]),
    )


class _Sum:
    """Totals while they grow."""

    def __init__(self) -> None:
        self._parcels = self._split = 0
        self._cost, self._km = ZERO, 0.0

    def add(self, parcels: int, cost: Decimal, km: float) -> None:
        self._parcels += parcels
        self._split += parcels > 1
        self._cost += cost
        self._km += km

    def totals(self) -> Totals:
        return Totals(self._parcels, self._split, self._cost, round(self._km, 1))


def _sent(trial: Trial, case: Case) -> tuple[Sent, ...]:
    """What was done, as far as a location is named that serves the channel."""
    return tuple(
        Sent(str(one.line), trial.lines[one.line].sku, one.location, one.units)
        for one in trial.done
        if one.location in case.locations
    )


def _where(sent: Sequence[Sent]) -> set[tuple[str, str, int]]:
    return {(one.line, one.location, one.units) for one in sent}


def _plenty(case: Case) -> Stock:
    wanted: dict[str, int] = {}
    for one in case.wanted:
        for base, count in one.needs.items():
            wanted[base] = wanted.get(base, 0) + one.units * count
    return Stock({base: dict.fromkeys(case.locations, n) for base, n in wanted.items()}, wanted)


def _with_its_own(case: Case, done: Sequence[Sent]) -> Stock:
    """The stock of now, and what the order took: so what was done is always possible."""
    rooms: dict[str, dict[str, int]] = {base: dict(at) for base, at in case.stock.rooms.items()}
    pools: dict[str, int] = dict(case.stock.pools)
    needs: Mapping[str, Mapping[str, int]] = {one.line: one.needs for one in case.wanted}
    for one in done:
        for base, count in needs[one.line].items():
            at = rooms.setdefault(base, {})
            at[one.location] = at.get(one.location, 0) + one.units * count
            pools[base] = pools.get(base, 0) + one.units * count
    return Stock(rooms, pools)


def _changed(trial: Trial, found: Plan, done: Sequence[Sent], was: Decimal, would_be: Decimal) -> Changed:
    def told(sent: Sequence[Sent], cost: Decimal) -> str:
        places = sorted({one.location for one in sent})
        return f"{words(len(places), 'parcel')} from {', '.join(places)} for {cost:.2f}"

    return Changed(trial.order, told(done, was), told(found.sent, would_be), was - would_be, found.reasons)
