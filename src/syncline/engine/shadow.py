"""Routes in shadow: reading on what their channels hold, and telling what would have been written, and why.

Somebody else writes those numbers meanwhile, so what was read gets old without a word. A few keys are therefore read
again every half minute, those that differ in turn with all others; and once more after going live, whatever was last
read before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from syncline.engine.delivery.stops import Aside
from syncline.engine.modes import Stop
from syncline.engine.routes import SEP, Route, reference_of, split_key
from syncline.engine.words import key_text, operation_title
from syncline.model.change import Flow, Kind
from syncline.model.delivery import Operation
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.ports import Row, Write

if TYPE_CHECKING:
    from syncline.engine.engine import Engine

READ_EVERY_S = 30.0
READ_CALLS = 2  # in that time, for each route: a small part of any vendor's limit
READ_KEYS_MIN = 10  # where a call reads one number
PAGE = 1_000  # bindings looked at in one round, where few of them have to be read
ROUNDS_MAX = (
    3  # over a channel's numbers after going live; what cannot be read by then is not sold there any more
)
LOOK_AGAIN_MAX = 500  # of what would not be sent yet, each time
LIST_MAX = 200
VIA = {
    "event": "told by an event",
    "poll": "found by a read for changes",
    "snapshot": "found by a full read",
    "read": "read whole",
}
RECORD_OF = {
    "put_order": (Kind.ORDER, "the order"),
    "put_payment": (Kind.ORDER, "its order"),
    "put_refund": (Kind.ORDER, "its order"),
    "create_shipment": (Kind.SHIPMENT, "the shipment"),
    "move_order": (Kind.ORDER, "the order"),
    "create_refund": (Kind.RETURN, "the return"),
    "record_payment": (Kind.RECEIPT, "the payment"),
    "cancel_order": (Kind.ERP_ORDER, "the ERP's order"),
}
OF_ORDER = (Kind.RECEIPT, Kind.ERP_ORDER)  # called by the order's reference

log = structlog.get_logger(__name__)


class ShadowReader:
    """Reads again what the channels of routes in shadow hold, and of those that went live."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._after: dict[str, str] = {}
        self._differing: dict[str, Iterator[str]] = {}
        self._proved: dict[
            str, int
        ] = {}  # routes that went live, and since when they do not need us any more
        self._rounds: dict[str, int] = {}
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """What is stopped has changed."""
        self._wanted.set()

    async def run(self) -> None:
        """Read until cancelled, whenever a route is in shadow or was so of late."""
        while True:
            self._wanted.clear()
            if not self._needed():
                await self._wanted.wait()
            await self._engine.clock.sleep(READ_EVERY_S)
            try:
                await self.step()
            except (Retryable, OutcomeUnknown) as error:
                log.warning("the store does not take it", action="store_refused", error=str(error))

    def _needed(self) -> bool:
        modes = self._engine.modes
        return any(
            modes.stop_of(route.name) is Stop.SHADOW
            or (self._reading(route) and self._proved.get(route.name, 0) != modes.ours_since(route.name))
            for route in self._engine.routes.all
        )

    def _reading(self, route: Route) -> Operation | None:
        """How the numbers that a route writes are read at its channel, if it writes any."""
        sink = self._engine.lanes[route.sink].system.sink
        return sink.operations.get("read_stock") if route.flow is Flow.INVENTORY else None

    async def step(self) -> int:
        """Ask for the next numbers of every route in shadow, or live since a while; returns for how many."""
        modes = self._engine.modes
        asked = 0
        for route in self._engine.routes.all:
            stop = modes.stop_of(route.name)
            if stop is Stop.SHADOW:
                self._engine.lanes[route.sink].look_again(LOOK_AGAIN_MAX)
            reading = self._reading(route)
            if reading is None or stop is Stop.PAUSED:
                continue
            count = max(READ_KEYS_MIN, READ_CALLS * reading.batch_items_max)
            since_ms = modes.ours_since(route.name)
            if stop is Stop.SHADOW:
                self._rounds.pop(route.name, None)
                asked += await self._ask(route, await self._next(route, count))
            elif since_ms and self._proved.get(route.name) != since_ms:
                asked += await self._ask(route, await self._before_live(route, since_ms, count))
        return asked

    async def _ask(self, route: Route, keys: Sequence[str]) -> int:
        now_ms = self._engine.clock.now_ms()
        rows = [
            {
                "system": route.sink,
                "operation": "read_stock",
                "key": key,
                "route": route.name,
                "changed_at_ms": now_ms,
                "deliver_by_ms": now_ms + round(READ_EVERY_S * 1000),
                "not_before_ms": now_ms,
                "now_ms": now_ms,
                "wanted": 1,
                "rev": 0,
            }
            for key in keys
        ]
        self._engine.offer((await self._engine.store.write(Write("delivery_touch", rows)))[0])
        return len(rows)

    async def _before_live(self, route: Route, since_ms: int, count: int) -> list[str]:
        """What was last read before a route went live: somebody else may have written it since."""
        if route.name not in self._rounds:
            self._rounds[route.name] = 0
            self._after[route.name] = ""
        rows = await self._page(route, PAGE)
        places = set(route.locations.values())
        keys: list[str] = []
        for key, *_, confirmed_at_ms in rows:
            if len(keys) == count:
                return keys
            self._after[route.name] = key
            if confirmed_at_ms < since_ms and split_key(key)[1] in places:
                keys.append(key)
        if len(rows) < PAGE:  # once round; what was asked for in it is looked at again in the next
            self._after[route.name] = ""
            self._rounds[route.name] += 1
            if self._rounds[route.name] >= ROUNDS_MAX:
                self._proved[route.name] = since_ms
                del self._rounds[route.name]
        return keys

    async def _page(self, route: Route, limit: int) -> list[Row]:
        return await self._engine.store.read(
            "bindings_after",
            system=route.sink,
            kind=Kind.STOCK.value,
            after=self._after.get(route.name, ""),
            limit=limit,
        )

    async def _next(self, route: Route, count: int) -> list[str]:
        """Half of the keys among those that differ, the rest in the order of all that were ever read."""
        keys = list(islice(self._differing.get(route.name, iter(())), count // 2))
        if not keys:
            lane = self._engine.lanes[route.sink]
            differing = [
                key
                for operation, key, entry in lane.stops.all()
                if operation == "set_stock" and entry.route == route.name
            ]
            self._differing[route.name] = iter(differing)
            keys = list(islice(self._differing[route.name], count // 2))
        places = set(route.locations.values())
        rows = await self._page(route, count - len(keys))
        self._after[route.name] = rows[-1][0] if len(rows) == count - len(keys) and rows else ""
        return list(dict.fromkeys([*keys, *(row[0] for row in rows if split_key(row[0])[1] in places)]))


@dataclass(frozen=True, slots=True)
class ShadowRoute:
    """A route in shadow. ``waiting``: deliveries that going live would compare and send."""

    name: str
    flow: str
    source: str
    sink: str
    since_ms: int
    by: str
    reason: str
    paused: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class Differs:
    """What would have been written: what is there, what was computed, since when and why.

    ``key`` is the delivery's, ``record`` the same for people. ``brief`` is what stands in place of a ``note`` that may quote a
    person; ``None``: it quotes nobody.
    """

    route: str
    operation: str
    title: str
    key: str
    record: str
    there: str
    computed: str
    size: Decimal
    note: str
    cause: str
    since_ms: int
    looked_at_ms: int
    brief: str | None = None


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """The routes in shadow and their differences; ``total`` counts those that are not listed as well."""

    now_ms: int
    routes: tuple[ShadowRoute, ...]
    total: int
    differences: tuple[Differs, ...]


async def shadow_report(
    engine: Engine, *, route: str = "", largest: bool = False, limit: int = LIST_MAX
) -> ShadowReport:
    """What routes in shadow would have written, newest first or largest first."""
    names = [name for name in engine.modes.in_shadow() if route in ("", name)]
    waiting = dict.fromkeys(names, 0)
    found: list[tuple[str, str, Aside]] = []
    for lane in engine.lanes.values():
        for operation, key, entry in lane.stops.all():
            if entry.route in waiting:
                waiting[entry.route] += 1
                if entry.difference is not None:
                    found.append((operation, key, entry))

    def rank(one: tuple[str, str, Aside]) -> tuple[Decimal | int, Decimal | int, str]:
        size = one[2].difference.size if one[2].difference is not None else Decimal(0)
        since_ms = one[2].since_ms
        return (size, since_ms, one[1]) if largest else (since_ms, size, one[1])

    listed = nlargest(max(1, min(limit, LIST_MAX)), found, key=rank)
    causes = await _causes(engine, listed)
    return ShadowReport(
        now_ms=engine.clock.now_ms(),
        routes=tuple(_route(engine, name, waiting[name]) for name in names),
        total=len(found),
        differences=tuple(_differs(*one, causes.get(one[:2], "")) for one in listed),
    )


def _route(engine: Engine, name: str, waiting: int) -> ShadowRoute:
    route = engine.routes.named(name)
    assert route is not None, "modes are kept of configured routes only"
    mode = next(mode for mode in engine.modes.of_route(name) if mode.mode == Stop.SHADOW)
    return ShadowRoute(
        name=name,
        flow=route.flow.value,
        source=route.source,
        sink=route.sink,
        since_ms=mode.since_ms,
        by=mode.by,
        reason=mode.reason,
        paused=engine.modes.stop_of(name) is Stop.PAUSED,
        waiting=waiting,
    )


def _differs(operation: str, key: str, entry: Aside, cause: str) -> Differs:
    difference = entry.difference
    assert difference is not None
    return Differs(
        route=entry.route,
        operation=operation,
        title=operation_title(operation),
        key=key,
        record=key_text(key),
        there=difference.there,
        computed=difference.computed,
        size=difference.size,
        note=difference.note,
        cause=cause,
        since_ms=entry.since_ms,
        looked_at_ms=difference.looked_at_ms,
        brief=difference.brief,
    )


# --- why -----------------------------------------------------------------------------------------------


async def _causes(engine: Engine, listed: Sequence[tuple[str, str, Aside]]) -> dict[tuple[str, str], str]:
    """Why each would be written, in words: what changed since it is wanted."""
    causes: dict[tuple[str, str], str] = {}
    by_route: dict[tuple[str, str], list[tuple[str, Aside]]] = {}
    for operation, key, entry in listed:
        by_route.setdefault((entry.route, operation), []).append((key, entry))
    for (name, operation), entries in by_route.items():
        route = engine.routes.named(name)
        if route is None:
            continue
        if operation == "set_stock":
            found = await _stock_causes(engine, route, entries)
        else:
            found = await _fact_causes(engine, route, operation, [key for key, _ in entries])
        causes |= {(operation, key): cause for key, cause in found.items()}
    return causes


async def _fact_causes(engine: Engine, route: Route, operation: str, keys: Sequence[str]) -> dict[str, str]:
    kind, what = RECORD_OF[operation]
    part = 1 if kind in (Kind.SHIPMENT, Kind.RETURN) else 0
    of = {key: split_key(key)[part] for key in keys}
    if kind in OF_ORDER:
        of = {key: reference_of(route.sink, order) for key, order in of.items()}
    rows = await engine.store.read(
        "record_origins", system=route.source, kind=kind.value, keys=sorted(set(of.values()))
    )
    via = {row[0]: row[2] for row in rows}
    return {key: f"{what} was {VIA.get(via.get(record, ''), 'taken in')}" for key, record in of.items()}


async def _stock_causes(engine: Engine, route: Route, entries: Sequence[tuple[str, Aside]]) -> dict[str, str]:
    recipes = engine.routes.recipes
    skus = sorted({split_key(key)[0] for key, _ in entries})
    bases = recipes.bases(skus) if recipes else skus
    users = recipes.users(bases) if recipes else skus
    figures = await engine.store.read("stock_of_skus", system=route.source, skus=bases)
    origins = await engine.store.read(
        "record_origins", system=route.source, kind=Kind.STOCK.value, keys=[row[0] for row in figures]
    )
    lines = await engine.store.read("demand_open", skus=users)
    orders: dict[str, list[str]] = {}
    for channel, order_key, *_ in lines:
        orders.setdefault(channel, []).append(order_key)
    placed: dict[tuple[str, str], tuple[int, str]] = {}
    for channel, keys in orders.items():
        rows = await engine.store.read(
            "record_origins", system=channel, kind=Kind.ORDER.value, keys=sorted(set(keys))
        )
        placed |= {(channel, key): (at_ms, via) for key, at_ms, via in rows}
    changed: dict[str, list[tuple[int, str]]] = {}
    for key, at_ms, via in origins:
        base, place = split_key(key)
        if place in route.locations:
            words = f"{route.source}'s figure at {place}, {VIA.get(via, 'taken in')}"
            changed.setdefault(base, []).append((at_ms, words))
    for channel, order_key, _, _, sold, *_ in lines:
        if (channel, order_key) in placed:
            at_ms, via = placed[channel, order_key]
            words = f"order {order_key} at {channel}, {VIA.get(via, 'taken in')}"
            for base in recipes.parts(sold) if recipes else (sold,):
                changed.setdefault(base, []).append((at_ms, words))
    return {key: await _stock_cause(engine, route, key, entry.since_ms, changed) for key, entry in entries}


async def _stock_cause(
    engine: Engine, route: Route, key: str, since_ms: int, changed: Mapping[str, list[tuple[int, str]]]
) -> str:
    sku = split_key(key)[0]
    recipes = engine.routes.recipes
    parts = recipes.parts(sku) if recipes else (sku,)
    # The delivery is wanted since the oldest change that it brings, so whatever changed since then is in it.
    causes = [(at_ms, words) for part in parts for at_ms, words in changed.get(part, ()) if at_ms >= since_ms]
    if causes:
        more = f", and {len(causes) - 1} more" if len(causes) > 1 else ""
        return f"{min(causes)[1]}{more}"
    # A write of ours, if there ever was one.
    written = await engine.store.read("attempts_like", **{"from": key, "to": f"{key}{SEP}"}, limit=1)
    if not any(row[0] == route.sink and row[1] == "set_stock" for row in written):
        return "first write: this number was never written by Syncline"
    return f"a rule, a hold, or the number at {route.sink} changed"
