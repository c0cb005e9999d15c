"""Questions: why is this number N, and what became of this order or SKU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.engine.codec import decode
from syncline.engine.delivery.discarded import WHY, discarded
from syncline.engine.derive.buffers import Sized
from syncline.engine.derive.stock import Computed
from syncline.engine.engine import Engine
from syncline.engine.modes import WORDS
from syncline.engine.moments import Moment, routing_moments
from syncline.engine.routes import SEP, Route, parse_reference, reference_of, split_key, stock_key
from syncline.engine.status import clean
from syncline.engine.told import Told, quantity, told
from syncline.engine.words import NOTES, duration, flow_title, operation_title, plural
from syncline.inventory.availability import Demand, Published, arriving, offered, outstanding, units
from syncline.inventory.rules import BufferKind, QuantityRule, Resolved
from syncline.model.capabilities import StockBasis
from syncline.model.change import Flow, Kind
from syncline.model.delivery import DeliveryState, Result
from syncline.model.records import Order, StockLevel
from syncline.ports import Row

QUERY_MAX = 200
FOUND_MAX = 10
ROWS_MAX = 200
NO_RULE = QuantityRule()
OPEN_STATES = ("available", "scheduled", "running", "retryable")

VERDICTS = {
    "applied": "Taken in",
    "duplicate": "Seen again, nothing changed",
    "older": "Older than what we hold, set aside",
    "to be read": "Noticed, to be read whole",
    "known already": "Known already",
    "set aside": "Parked: its quantities cannot be true",
    "of a finished order: known": "Its order was finished long ago; nothing new",
    "of a finished order: set aside": "Parked: its order was finished long ago",
}
VIA = {"event": "as an event", "poll": "by a read", "snapshot": "by a full read", "read": "by reading it"}
RESULTS = {
    Result.DONE: ("succeeded", "good"),
    Result.STALE: ("found another number there", "warn"),
    Result.THROTTLED: ("was asked to slow down", "warn"),
    Result.RETRY: ("did not work, to be tried again", "warn"),
    Result.NOT_SENT: ("did not reach the vendor", "warn"),
    Result.ACCEPTED: ("was accepted and is being read back", "plain"),
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
    last_told: str = ""  # by the channel itself, as far as the newest events reach
    last_told_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that led to the numbers of one SKU on one channel."""

    sku: str
    channel: str
    route: str
    total: int | None
    pool: int | None
    rule: str
    velocity: str
    sentence: str
    steps: tuple[Step, ...]
    locations: tuple[Shown, ...]


async def explain(engine: Engine, sku: str, channel: str) -> list[Explanation]:
    """Why a channel shows what it shows of one SKU; one answer for each route that brings stock there."""
    return [await _explain(engine, route, sku) for route in engine.routes.of(Flow.INVENTORY, sink=channel)]


async def _explain(engine: Engine, route: Route, sku: str) -> Explanation:
    computed = await engine.deriver.compute(route, [sku])
    resolved = route.rules.of(sku)
    rule = resolved.rule
    published = computed.published.get(sku)
    velocity = await _velocity(engine, route, sku)
    if published is None:
        if engine.catalog.get(route.sink, sku) is None:
            sentence = f"{route.sink} does not sell {sku}, so no number is written."
        else:
            lacking = [part for part in engine.routes.recipes.parts(sku) if part not in computed.levels]
            sentence = (
                f"{route.source} has given no figure for {' and '.join(lacking)} yet, so nothing is written out "
                "of ignorance."
            )
        return Explanation(
            sku, route.sink, route.name, None, None, _rule_text(route, sku), velocity, sentence, (), ()
        )
    recipes = engine.routes.recipes
    made = sku in recipes
    steps: list[Step] = []
    for part in recipes.parts(sku):
        steps += await _part_steps(engine, route, computed, sku, part)
        if made:
            steps.append(Step(f"Left of {part}", f"{published.parts[part].pool}"))
    if published.backorder and not made:
        note = f"of {rule.backorder}; {_won(resolved, 'backorder')}"
        steps.append(Step("May be sold below zero", f"+ {published.backorder}", note))
    if made:
        each = " and ".join(f"{count} × {part}" for part, count in recipes.parts(sku).items())
        note = f"whole ones of {each}, at one location; the scarcest decides"
        steps.append(Step(f"Enough for {sku}", f"{published.pool}", note))
    else:
        steps.append(Step("Left in the pool", f"{published.pool}"))
    sized = await engine.buffers.explain(route, sku) if rule.buffer.kind is BufferKind.AUTO else None
    steps += list(_rule_steps(route, sku, published, sized))
    steps.append(Step("Shown in total", f"{published.total}"))
    if added := sum(target.added_back for target in computed.targets if target.sku == sku):
        note = f"{route.sink} takes them off the number by itself until they are shipped"
        steps.append(Step("Added back: its own open orders", f"+ {added}", note))
        steps.append(Step("Written in total", f"{published.total + added}"))
    heard = await _told(engine, sku, [route.sink])
    shown = [
        await _shown(
            engine,
            route,
            stock_key(sku, target.location),
            target.quantity,
            published.supply,
            published.demand,
            published.unseen,
            heard,
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
    if stop := engine.modes.stop_of(route.name):
        sentence += f" Nothing is written there: the route is {WORDS[stop]}."
    return Explanation(
        sku,
        route.sink,
        route.name,
        published.total,
        published.pool,
        _rule_text(route, sku),
        velocity,
        sentence,
        tuple(steps),
        tuple(shown),
    )


async def _velocity(engine: Engine, route: Route, sku: str) -> str:
    """How fast a SKU sells, which class that makes it, and what is promised for it."""
    speed = (await engine.survey.speeds(route, [sku]))[sku]
    promised = (await engine.survey.tolerances(route, [sku]))[sku]
    why = ", as the rule says," if speed.by_rule else ","
    return (
        f"velocity {speed.velocity}{why} {speed.units_min:.3g} units a minute in the peak hour; "
        f"tolerance {duration(promised)}"
    )


async def _part_steps(engine: Engine, route: Route, computed: Computed, sku: str, part: str) -> list[Step]:
    """From the ERP's figures for a base SKU to what can be drawn of it."""
    recipes = engine.routes.recipes
    made = sku in recipes
    of = f" of {part}" if made else ""
    published = computed.published[sku]
    drawn = published.parts[part] if made else published
    resolved = route.rules.of(part)
    levels = computed.levels[part]
    erp = engine.systems[route.source].capabilities
    rows = await engine.store.read("stock_of_skus", system=route.source, skus=[part])
    observed = {split_key(row[0])[1]: row[2] for row in rows}
    lacking = {split_key(row[0])[1]: _missing(row, engine.clock.now_ms()) for row in rows}
    basis = erp.stock_read_basis
    steps = [
        Step(
            f"{route.source} says{of}, at {at}",
            f"{offered(level, basis)}",
            f"{'available' if basis is StockBasis.AVAILABLE else 'on hand less committed'}; "
            f"{units(level.on_hand)} on hand, {units(level.committed)} committed{lacking.get(at, '')}",
            observed.get(at),
        )
        for at, level in levels.items()
    ]
    steps += list(_supply_steps(route, resolved, levels, basis, engine.clock.now_ms()))
    if drawn.owed:
        note = _won(resolved, "share_deficits")
        steps.append(Step("Promised at a location beyond its stock", f"− {drawn.owed}", note))
    excluded = {*resolved.rule.excluded, *route.rule_for(sku).excluded}
    waiting = [
        (line, missing)
        for line in computed.demands.get(part, [])
        if line.location not in excluded and (missing := outstanding(line, levels, erp.replica_lag_ms))
    ]
    placed = await _placed(engine, [line for line, _ in waiting])
    sold_as: dict[tuple[str, str, str, str], str] = {}
    if recipes and waiting:
        open_rows = await engine.store.read("demand_open", skus=recipes.users([part]))
        sold_as = {row[:4]: row[4] for row in open_rows}
    for line, missing in waiting:
        where = f"at {line.location}" if line.location else "location not known yet"
        name = sold_as.get((line.channel, line.order_key, line.line_id, line.location), line.sku)
        as_sold = f"sold as {name}; " if name != part else ""
        note = f"{line.channel}, {where}; {as_sold}{route.source}'s figure cannot contain it yet"
        at_ms = placed.get((line.channel, line.order_key))
        steps.append(Step(f"Ordered: {line.order_key}", f"− {missing}", note, at_ms))
    for held in computed.held.get(part, []):
        where = f"at {held.location}" if held.location else "anywhere"
        note = f"{held.channel}, {where}"
        steps.append(Step(f"Held in a checkout: {held.order_key}", f"− {held.quantity}", note))
    fallen = await engine.store.read("unseen", limit=ROWS_MAX) if any(drawn.unseen.values()) else []
    noticed = {
        engine.routes.erp_location(system, split_key(key)[1]): at_ms
        for system, key, _, at_ms in fallen
        if part in recipes.parts(split_key(key)[0])
    }
    steps += [
        Step(
            f"Fell without an order, at {at}",
            f"− {lost}",
            "kept back until an order explains it",
            noticed.get(at),
        )
        for at, lost in drawn.unseen.items()
        if lost
    ]
    return steps


def _missing(row: Row, now_ms: int) -> str:
    """Why a figure is to be doubted; "" where the last full read contained it."""
    _, _, _, _, vanished_ms, gone = row
    if not vanished_ms:
        return ""
    told = "a person said that nothing is there" if gone else "unconfirmed"
    return f"; in no full read for {duration(now_ms - vanished_ms)}: {told}"


async def _placed(engine: Engine, lines: Sequence[Demand]) -> dict[tuple[str, str], int]:
    """When the orders of some lines were placed, by channel and order."""
    found: dict[tuple[str, str], int] = {}
    for channel in dict.fromkeys(line.channel for line in lines):
        keys = list(dict.fromkeys(line.order_key for line in lines if line.channel == channel))
        rows = await engine.store.read("records_get", system=channel, kind=Kind.ORDER.value, keys=keys)
        found |= {(channel, row[0]): decode(Kind.ORDER, row[4]).placed_at_ms for row in rows}
    return found


_SAID: dict[str, Callable[[Any], str]] = {
    "safety_stock": lambda kept: f"safety stock {kept}",
    "incoming_days": lambda days: f"arrivals within {plural(days, 'day')}",
    "excluded": lambda at: f"without location {', '.join(at)}",
    "share_deficits": lambda _: "what one location owes is taken off the others",
    "backorder": lambda allowed: f"{allowed} below zero",
    "backorder_unlimited": lambda _: "backorders without limit",
    "fence": lambda fence: f"{fence.units} kept from other channels",
    "share": lambda share: f"share {share * 100:.0f} %",
    "cap": lambda cap: f"at most {cap}",
    "buffer": lambda buffer: f"buffer {buffer}",
    "floor": lambda floor: f"0 below {floor}",
    "unique": lambda _: "one of a kind",
    "velocity": lambda velocity: f"velocity {velocity}",
}


def _rule_text(route: Route, sku: str) -> str:
    """What the rule says, and at which level each of it is set."""
    resolved = route.rules.of(sku)
    rule, won = resolved.rule, resolved.won
    parts = []
    for name, say in _SAID.items():
        value = getattr(rule, name)
        if name in won and value != getattr(NO_RULE, name):
            parts.append(f"{say(value)} ({won[name]})")
        for at in (place for place in route.locations if f"{name} at {place}" in won):
            value = rule.safety_at(at) if name == "safety_stock" else rule.incoming_days_at(at)
            parts.append(f"{say(value)} at {at} ({won[f'{name} at {at}']})")
    return ", ".join(parts) or "show the whole pool"


def _rule_steps(route: Route, sku: str, published: Published, sized: Sized | None) -> Iterator[Step]:
    resolved = route.rules.of(sku)
    rule, allowed = resolved.rule, published.allowed
    left = max(0, published.pool - allowed.fenced)
    if allowed.fenced:
        yield Step("Kept for other channels", f"− {allowed.fenced}", "less what they sold of it")
    if allowed.shared != left:
        label = f"Share of {rule.share * 100:.0f} %" if rule.share != 1 else "Backorders without limit"
        name = "share" if rule.share != 1 else "backorder_unlimited"
        yield Step(label, f"{allowed.shared}", _won(resolved, name))
    if allowed.capped != allowed.shared:
        yield Step("Cap", f"{allowed.capped}", _won(resolved, "cap"))
    if sized is not None:
        yield from _auto_steps(sized, _won(resolved, "buffer"))
    elif allowed.buffer:
        yield Step("Buffer", f"− {allowed.buffer}", f"{rule.buffer}; {_won(resolved, 'buffer')}")
    if max(0, allowed.capped - allowed.buffer) < rule.floor:
        yield Step(f"Below the floor of {rule.floor}", "0", _won(resolved, "floor"))
    elif rule.unique:
        yield Step("One of a kind", f"{published.total}", _won(resolved, "unique"))


def _auto_steps(sized: Sized, won: str) -> Iterator[Step]:
    """What an ``auto`` buffer follows from, and what it amounts to."""
    for one in sized.covered:
        exposure = one.exposure
        checkout = (
            f"{duration(exposure.checkout_ms)} in its checkout"
            if exposure.checkout_ms
            else "no time in its checkout, which is seen"
        )
        note = (
            f"{one.units_h:.3g} an hour at present; a sale there is in the number here after "
            f"{duration(exposure.total_ms)}: {checkout}, {duration(exposure.detection_ms)} until it is known, "
            f"{duration(exposure.correction_ms)} until it is corrected"
        )
        yield Step(
            f"May be sold meanwhile: {one.sku} at {one.channel}", f"{one.expected:.3g} on average", note
        )
    why = (
        f"more than that is sold meanwhile in {sized.epsilon * 100:.3g} of 100 cases at most"
        if sized.covered
        else "nothing is known of sales that this number does not follow at once"
    )
    yield Step("Buffer", f"− {sized.units}", f"auto: {why}; {won}")


def _supply_steps(
    route: Route, resolved: Resolved, levels: Mapping[str, StockLevel], basis: StockBasis, now_ms: int
) -> Iterator[Step]:
    """What is added to the ERP's figures and kept back of them, before anything is pooled."""
    rule = resolved.rule
    for at in route.locations:
        if at not in levels:
            continue
        if at in rule.excluded:
            yield Step(f"Not sold from {at}", f"− {offered(levels[at], basis)}", _won(resolved, "excluded"))
            continue
        for name, sign, kept, label in (
            (
                "incoming_days",
                "+",
                arriving(levels[at], rule.incoming_days_at(at), now_ms),
                f"Arriving within {plural(rule.incoming_days_at(at), 'day')}, at {at}",
            ),
            ("safety_stock", "−", rule.safety_at(at), f"Safety stock, at {at}"),
        ):
            if kept:
                own = f"{name} at {at}"
                yield Step(label, f"{sign} {kept}", _won(resolved, own if own in resolved.won else name))


def _won(resolved: Resolved, name: str) -> str:
    """Which level set a field."""
    return f"set for {resolved.won[name]}" if name in resolved.won else ""


async def _shown(
    engine: Engine,
    route: Route,
    key: str,
    target: int,
    supply: Mapping[str, int],
    demand: Mapping[str, int],
    unseen: Mapping[str, int],
    heard: Sequence[Told],
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
        became = RESULTS[Result(result)][0] if result else "is under way"
        last = f"writing {quantity(items, key)} {became}" + (f": {clean(message)}" if message else "")
    said = next((one for one in heard if one.key == key), None)
    return Shown(
        erp_location=erp,
        location=location,
        supply=supply.get(erp, 0),
        demand=demand.get(erp, 0),
        unseen=unseen.get(erp, 0),
        target=target,
        held=bindings[0][4] if bindings else None,
        confirmed_at_ms=bindings[0][7] if bindings else None,
        last_write=last,
        last_write_at_ms=at_ms,
        last_told=said.text if said else "",
        last_told_at_ms=said.at_ms if said else None,
    )


# --- the life of an order or a SKU ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is so now."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Life:
    """Everything we know of one order or one SKU, oldest first.

    ``waits`` is why the next step is still to be done, in the other side's words where those are known.
    """

    kind: str  # order or sku
    key: str
    title: str
    system: str
    summary: str
    facts: tuple[Fact, ...]
    moments: tuple[Moment, ...]
    channels: tuple[str, ...] = ()
    discarded: bool = False  # an order that a person decided not to have in the ERP
    waits: str = ""


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
    moments += await routing_moments(engine.store, channel, key)
    deliveries, work = await _work(engine, key, channel)
    facts = [
        Fact("Channel", channel),
        Fact("Total", f"{order.total} {order.currency}"),
        Fact("Lines", plural(len(order.lines), "line")),
    ]
    reference, given_up = "", False
    for route in engine.routes.of(Flow.ORDERS, source=channel):
        reference = reference_of(channel, key)
        bound = await engine.store.read(
            "bindings_get",
            system=route.sink,
            kind=Kind.ORDER.value,
            keys=[reference],
        )
        there = bound[0][1] if bound else ""
        given_up = not there and bool(await discarded(engine.store, route.sink, [reference]))
        facts.append(Fact(f"In {route.sink}", there or ("discarded" if given_up else "not yet")))
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
        discarded=given_up,
        waits=_waits(deliveries),
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
    moments += [
        Moment(one.at_ms, f"Told {one.number} at {split_key(one.key)[1]}", one.meaning, one.system)
        for one in await _told(engine, sku, channels)
    ]
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
        waits=_waits(deliveries),
    )


async def _told(engine: Engine, sku: str, channels: Sequence[str]) -> list[Told]:
    attempts = await engine.store.read("attempts_like", limit=ROWS_MAX, **_range(sku))
    return await told(engine, sku, channels, attempts)


def _in_order(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    return tuple(sorted(moments, key=lambda moment: moment.at_ms))


def _summary(deliveries: Sequence[Row]) -> str:
    open_ = [row for row in deliveries if row[4] in OPEN_STATES]
    parked = [row for row in deliveries if row[4] == DeliveryState.PARKED]
    if parked:
        return f"{plural(len(parked), 'step')} parked: a person has to decide."
    if open_:
        return f"{plural(len(open_), 'step')} still to be done: {operation_title(open_[0][1])}."
    return "Nothing is outstanding."


def _waits(deliveries: Sequence[Row]) -> str:
    """Why the next step is still to be done, in the words that came back."""
    open_ = [row for row in deliveries if row[4] in OPEN_STATES]
    if not open_ or any(row[4] == DeliveryState.PARKED for row in deliveries):
        return ""
    return clean(open_[0][10])


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
    moments += [
        Moment(
            row[11], f"{operation_title(row[1]).capitalize()}: not to be done", clean(row[10]), row[0], "warn"
        )
        for row in deliveries
        if row[10] == WHY
    ]
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
        what, words = f"Parked: {operation_title(operation)}", f"{reason}: {clean(detail)}"
        moments.append(Moment(at_ms, what, words, system, "warn", brief=reason))
        if resolved_at_ms is not None:
            moments.append(Moment(resolved_at_ms, f"Parked entry {resolution} by {by}", "", system, "good"))
    return deliveries, moments


def _attempt(row: Row) -> Moment:
    system, operation, key, started_ms, finished_ms, result, message, _, items = row
    what = operation_title(operation).capitalize()
    if operation == "set_stock":
        what = f"Show {quantity(items, key)} at {split_key(key)[1]}"
    told, tone = RESULTS[Result(result)] if result else ("is under way", "plain")
    took = f" ({duration(finished_ms - started_ms)})" if finished_ms else ""
    return Moment(finished_ms or started_ms, f"{what}: {told}{took}", clean(message), system, tone, brief="")
