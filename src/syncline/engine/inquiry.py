"""Questions: why is this number N, and what became of this order or SKU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.engine.codec import decode
from syncline.engine.engine import Engine
from syncline.engine.routes import SEP, Route, parse_reference, reference_of, split_key, stock_key
from syncline.engine.status import clean
from syncline.engine.words import NOTES, duration, flow_title, operation_title, plural
from syncline.inventory.availability import outstanding, units
from syncline.model.change import Flow, Kind
from syncline.model.delivery import DeliveryState, Result
from syncline.model.records import Order
from syncline.ports import Row

QUERY_MAX = 200
FOUND_MAX = 10
ROWS_MAX = 200

VERDICTS = {
    "applied": "Taken in",
    "duplicate": "Seen again, nothing changed",
    "older": "Older than what we hold, set aside",
    "to be read": "Noticed, to be read whole",
    "known already": "Known already",
}
VIA = {"event": "as an event", "poll": "by a read", "snapshot": "by a full read", "read": "by reading it"}
RESULTS = {
    Result.DONE: ("succeeded", "good"),
    Result.STALE: ("found another number there", "warn"),
    Result.THROTTLED: ("was asked to slow down", "warn"),
    Result.RETRY: ("did not work, to be tried again", "warn"),
    Result.UNKNOWN: ("got no answer; its effect is being looked up", "warn"),
    Result.REJECTED: ("was refused", "bad"),
    Result.WAIT: ("waits for something else", "plain"),
}


# --- why is this number N ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step from the ERP's figure to the shown number."""

    label: str
    value: str
    note: str = ""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One location of a channel: what it should show, what it holds, and the last write to it."""

    erp_location: str
    location: str
    supply: int
    demand: int
    unseen: int
    target: int
    held: int | None
    confirmed_at_ms: int | None
    last_write: str
    last_write_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that led to the numbers of one SKU on one channel."""

    sku: str
    channel: str
    route: str
    total: int | None
    pool: int | None
    rule: str
    sentence: str
    steps: tuple[Step, ...]
    locations: tuple[Shown, ...]


async def explain(engine: Engine, sku: str, channel: str) -> list[Explanation]:
    """Why a channel shows what it shows of one SKU; one answer for each route that brings stock there."""
    return [await _explain(engine, route, sku) for route in engine.routes.of(Flow.INVENTORY, sink=channel)]


async def _explain(engine: Engine, route: Route, sku: str) -> Explanation:
    computed = await engine.deriver.compute(route, [sku])
    own = sku in route.sku_rules
    rule = route.rule_for(sku)
    published = computed.published.get(sku)
    if published is None:
        if engine.catalog.get(route.sink, sku) is None:
            sentence = f"{route.sink} does not sell {sku}, so no number is written."
        else:
            sentence = (
                f"{route.source} has given no figure for {sku} yet, so nothing is written out of ignorance."
            )
        return Explanation(sku, route.sink, route.name, None, None, _rule_text(route, sku), sentence, (), ())
    rows = await engine.store.read("stock_of_skus", system=route.source, skus=[sku])
    observed = {split_key(key)[1]: observed_at for key, _, observed_at, _ in rows}
    levels = computed.levels[sku]
    lag_ms = engine.systems[route.source].capabilities.replica_lag_ms
    steps = [
        Step(
            f"{route.source} says, at {at}",
            f"{units(level.available)}",
            f"available; {units(level.on_hand)} on hand, {units(level.committed)} committed",
            observed.get(at),
        )
        for at, level in levels.items()
    ]
    if rule.safety_stock:
        steps.append(
            Step(
                "Safety stock",
                f"− {rule.safety_stock * len(levels)}",
                f"{rule.safety_stock} kept back at each location",
            ),
        )
    for line in computed.demands.get(sku, []):
        missing = outstanding(line, levels, lag_ms)
        if missing:
            where = f"at {line.location}" if line.location else "location not known yet"
            note = f"{line.channel}, {where}; {route.source}'s figure cannot contain it yet"
            steps.append(Step(f"Ordered: {line.order_key}", f"− {missing}", note, line.our_stamp_ms))
    for held in computed.held.get(sku, []):
        where = f"at {held.location}" if held.location else "anywhere"
        steps.append(
            Step(f"Held in a checkout: {held.order_key}", f"− {held.quantity}", f"{held.channel}, {where}")
        )
    steps += [
        Step(f"Fell without an order, at {at}", f"− {lost}", "kept back until an order explains it")
        for at, lost in published.unseen.items()
        if lost
    ]
    steps.append(Step("Left in the pool", f"{published.pool}"))
    steps += list(_rule_steps(route, sku, published.pool))
    steps.append(Step("Shown in total", f"{published.total}"))
    shown = [
        await _shown(
            engine,
            route,
            stock_key(sku, target.location),
            target.quantity,
            published.supply,
            published.demand,
            published.unseen,
        )
        for target in computed.targets
    ]
    differs = [at for at in shown if at.held is not None and at.held != at.target]
    sentence = f"{route.sink} should show {published.total}" + (
        f"; {plural(len(differs), 'location')} still {'holds' if len(differs) == 1 else 'hold'} another number."
        if differs
        else ", and does as far as we know."
        if all(at.held is not None for at in shown)
        else "; what it holds has not been read yet."
    )
    return Explanation(
        sku,
        route.sink,
        route.name,
        published.total,
        published.pool,
        ("Rule for this SKU: " if own else "Rule of the route: ") + _rule_text(route, sku),
        sentence,
        tuple(steps),
        tuple(shown),
    )


def _rule_text(route: Route, sku: str) -> str:
    rule = route.rule_for(sku)
    parts = []
    if rule.safety_stock:
        parts.append(f"safety stock {rule.safety_stock}")
    if rule.share != 1:
        parts.append(f"share {rule.share * 100:.0f} %")
    if rule.cap is not None:
        parts.append(f"at most {rule.cap}")
    if rule.buffer:
        parts.append(f"buffer {rule.buffer}")
    if rule.floor:
        parts.append(f"0 below {rule.floor}")
    return ", ".join(parts) or "show the whole pool"


def _rule_steps(route: Route, sku: str, pool: int) -> Iterator[Step]:
    rule = route.rule_for(sku)
    number = pool
    if rule.share != 1:
        number = int(pool * rule.share)
        yield Step(f"Share of {rule.share * 100:.0f} %", f"{number}")
    if rule.cap is not None and number > rule.cap:
        number = rule.cap
        yield Step("Cap", f"{number}")
    if rule.buffer:
        number = max(0, number - rule.buffer)
        yield Step("Buffer", f"− {rule.buffer}")
    if number < rule.floor:
        yield Step(f"Below the floor of {rule.floor}", "0")


async def _shown(
    engine: Engine,
    route: Route,
    key: str,
    quantity: int,
    supply: Mapping[str, int],
    demand: Mapping[str, int],
    unseen: Mapping[str, int],
) -> Shown:
    location = split_key(key)[1]
    erp = engine.routes.erp_location(route.sink, location)
    bindings = await engine.store.read("bindings_get", system=route.sink, kind=Kind.STOCK.value, keys=[key])
    rows = await engine.store.read("attempts_like", limit=ROWS_MAX, **_range(key))
    mine = [row for row in rows if row[0] == route.sink and row[1] == "set_stock" and row[2] == key]
    last, at_ms = "never written", None
    if mine:
        _, _, _, started_ms, finished_ms, result, message, _, items = mine[0]
        at_ms = finished_ms or started_ms
        told = RESULTS[Result(result)][0] if result else "is under way"
        last = f"writing {_quantity(items, key)} {told}" + (f": {clean(message)}" if message else "")
    return Shown(
        erp_location=erp,
        location=location,
        supply=supply.get(erp, 0),
        demand=demand.get(erp, 0),
        unseen=unseen.get(erp, 0),
        target=quantity,
        held=bindings[0][4] if bindings else None,
        confirmed_at_ms=bindings[0][7] if bindings else None,
        last_write=last,
        last_write_at_ms=at_ms,
    )


def _quantity(items: str, key: str) -> str:
    try:
        return str(json.loads(items)[key]["quantity"])
    except (ValueError, KeyError, TypeError):
        return "a number"


# --- the life of an order or a SKU ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened. ``tone``: plain, good, warn or bad."""

    at_ms: int
    what: str
    detail: str = ""
    system: str = ""
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is so now."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Life:
    """Everything we know of one order or one SKU, oldest first."""

    kind: str  # order or sku
    key: str
    title: str
    system: str
    summary: str
    facts: tuple[Fact, ...]
    moments: tuple[Moment, ...]
    channels: tuple[str, ...] = ()


async def search(engine: Engine, query: str) -> list[Life]:
    """Orders and SKUs that go by this name: an order's number, channel id or ERP reference, or a SKU."""
    query = query.strip()[:QUERY_MAX]
    if not query or SEP in query:
        return []
    lives = [await _order_life(engine, channel, key) for channel, key in await order_keys(engine, query)]
    for sku in dict.fromkeys((query, query.upper())):
        systems = [name for name in engine.systems if engine.catalog.get(name, sku) is not None]
        if systems:
            lives.append(await _sku_life(engine, sku, systems))
            break
    return [life for life in lives if life is not None]


async def order_keys(engine: Engine, query: str) -> list[tuple[str, str]]:
    """Channel and key of the orders that go by a number, a channel id or a reference."""
    query = query.strip()[:QUERY_MAX]
    found: dict[tuple[str, str], None] = {}
    parsed = parse_reference(query, list(engine.systems))
    candidates = [(name, query) for name in engine.systems] + ([parsed] if parsed else [])
    for system, key in candidates:
        rows = await engine.store.read("records_get", system=system, kind=Kind.ORDER.value, keys=[key])
        if rows:
            found[system, key] = None
    bare = query.removeprefix("#")
    rows = await engine.store.read("orders_numbered", numbers=[bare, f"#{bare}"], limit=FOUND_MAX)
    found.update({(system, key): None for system, key in rows if system in engine.systems})
    for _, kind, reference in await engine.store.read("bindings_external", ids=[query], limit=FOUND_MAX):
        parsed = parse_reference(reference, list(engine.systems)) if kind == Kind.ORDER.value else None
        if parsed:
            found[parsed] = None
    return list(found)[:FOUND_MAX]


async def _order_life(engine: Engine, channel: str, key: str) -> Life | None:
    rows = await engine.store.read("records_get", system=channel, kind=Kind.ORDER.value, keys=[key])
    if not rows:
        return None
    order: Order = decode(Kind.ORDER, rows[0][4])
    moments = [Moment(order.placed_at_ms, "Placed by the buyer", system=channel)]
    for kind, title in ((Kind.ORDER, "Order"), (Kind.ERP_ORDER, "The ERP's order")):
        for _, _, _, system, via, verdict, at_ms in await engine.store.read(
            "traces",
            kind=kind.value,
            key=key,
            limit=ROWS_MAX,
        ):
            what = f"{title} received {VIA.get(via, via)}"
            moments.append(Moment(at_ms, what, VERDICTS.get(str(verdict), str(verdict)), system))
    deliveries, work = await _work(engine, key, channel)
    facts = [
        Fact("Channel", channel),
        Fact("Total", f"{order.total} {order.currency}"),
        Fact("Lines", plural(len(order.lines), "line")),
    ]
    reference = ""
    for route in engine.routes.of(Flow.ORDERS, source=channel):
        reference = reference_of(channel, key)
        bound = await engine.store.read(
            "bindings_get",
            system=route.sink,
            kind=Kind.ORDER.value,
            keys=[reference],
        )
        facts.append(Fact(f"In {route.sink}", bound[0][1] if bound and bound[0][1] else "not yet"))
    if reference:
        facts.append(Fact("Reference", reference))
    if order.cancelled_at_ms is not None:
        moments.append(Moment(order.cancelled_at_ms, "Cancelled in the shop", system=channel, tone="warn"))
    return Life(
        kind="order",
        key=key,
        title=f"Order {order.number}",
        system=channel,
        summary=_summary(deliveries),
        facts=tuple(facts),
        moments=_in_order([*moments, *work]),
    )


async def _sku_life(engine: Engine, sku: str, systems: Sequence[str]) -> Life:
    channels = tuple(dict.fromkeys(r.sink for r in engine.routes.of(Flow.INVENTORY) if r.sink in systems))
    deliveries, moments = await _work(engine, sku, "")
    title = next(
        (
            item.title
            for name in systems
            if (item := engine.catalog.get(name, sku)) is not None and item.title
        ),
        sku,
    )
    facts = [Fact("Sold by", ", ".join(systems)), Fact("Title", title)]
    return Life(
        kind="sku",
        key=sku,
        title=f"SKU {sku}",
        system="",
        summary=_summary(deliveries),
        facts=tuple(facts),
        moments=_in_order(moments),
        channels=channels,
    )


def _in_order(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    return tuple(sorted(moments, key=lambda moment: moment.at_ms))


def _summary(deliveries: Sequence[Row]) -> str:
    open_ = [row for row in deliveries if row[4] in ("available", "scheduled", "running", "retryable")]
    parked = [row for row in deliveries if row[4] == DeliveryState.PARKED]
    if parked:
        return f"{plural(len(parked), 'step')} parked: a person has to decide."
    if open_:
        return (
            f"{plural(len(open_), 'step')} still to be done: {operation_title(open_[0][1])} ({clean(open_[0][10])})."
            if open_[0][10]
            else f"{plural(len(open_), 'step')} still to be done: {operation_title(open_[0][1])}."
        )
    return "Nothing is outstanding."


def _range(key: str) -> dict[str, Any]:
    """All facts of one order, or all locations of one SKU: keys whose first part is this one."""
    return {"from": key, "to": f"{key} "}  # a blank is what follows the separator


async def deliveries_of(engine: Engine, key: str) -> list[Row]:
    """Every delivery of one record, whatever it does and wherever it goes."""
    found: list[Row] = []
    for name, system in engine.systems.items():
        for operation in system.sink.operations:
            found += await engine.store.read(
                "deliveries_range", system=name, operation=operation, limit=ROWS_MAX, **_range(key)
            )
    return found


async def _work(engine: Engine, key: str, channel: str) -> tuple[list[Row], list[Moment]]:
    """Deliveries of a record, and what happened to them. ``channel`` tells equal keys of two shops apart."""

    def ours(system: str, route_name: str) -> bool:
        route = engine.routes.named(route_name)
        return (
            not channel or system == channel or (route is not None and channel in (route.source, route.sink))
        )

    deliveries = [row for row in await deliveries_of(engine, key) if ours(row[0], row[3])]
    known = {(row[0], row[1], row[2]) for row in deliveries}
    attempts = [
        row
        for row in await engine.store.read("attempts_like", limit=ROWS_MAX, **_range(key))
        if not channel or (row[0], row[1], row[2]) in known
    ]
    moments = [_attempt(row) for row in attempts]
    # A lag is stored with the result of the call that ended it, so that moment finds it by the index.
    ended = sorted({row[4] for row in attempts if row[4]})
    lags = [
        row
        for name in sorted({row[3] for row in deliveries if row[3]})
        for row in await engine.store.read("lags_at", route=name, moments=ended, **_range(key))
    ]
    for route_name, of, at_ms, lag_ms, kept in lags:
        route = engine.routes.named(route_name)
        title = flow_title(route_name.partition(":")[0])
        limit = f", tolerance {duration(route.tolerance_ms)}" if route else ""
        moments.append(
            Moment(
                at_ms,
                f"{title} landed {duration(lag_ms)} after the change{limit}",
                split_key(of)[1] if route and route.flow is Flow.INVENTORY else "",
                route.sink if route else "",
                "good" if kept else "bad",
            )
        )
    for (
        _,
        system,
        operation,
        of,
        reason,
        detail,
        at_ms,
        resolved_at_ms,
        resolution,
        by,
    ) in await engine.store.read("parked_like", limit=ROWS_MAX, **_range(key)):
        if channel and (system, operation, of) not in known and operation not in NOTES:
            continue
        moments.append(
            Moment(
                at_ms,
                f"Parked: {operation_title(operation)}",
                f"{reason}: {clean(detail)}",
                system,
                "warn",
            )
        )
        if resolved_at_ms is not None:
            moments.append(Moment(resolved_at_ms, f"Parked entry {resolution} by {by}", "", system, "good"))
    return deliveries, moments


def _attempt(row: Row) -> Moment:
    system, operation, key, started_ms, finished_ms, result, message, _, items = row
    what = operation_title(operation).capitalize()
    if operation == "set_stock":
        what = f"Show {_quantity(items, key)} at {split_key(key)[1]}"
    told, tone = RESULTS[Result(result)] if result else ("is under way", "plain")
    took = f" ({duration(finished_ms - started_ms)})" if finished_ms else ""
    return Moment(finished_ms or started_ms, f"{what}: {told}{took}", clean(message), system, tone)
