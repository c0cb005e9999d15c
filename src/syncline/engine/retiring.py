"""Orders that are over are forgotten after a while: all of them but what proves that they are not new.

An order is over when nothing of it is to be sent any more: it was cancelled, nothing is left of it, its channel expects
no further parcel, or its ERP has sent all of it. It is retired when neither side has told anything new of it for as
long as orders are kept, and nothing refers to it. Then its records, its demand, what was decided about where it is sent
from, and what was bound for its payments, parcels and refunds go; these stay for ever:

- the binding of the order in each ERP, which proves that it is there and is never to be created again, with a person's
  decision to discard it and with how it was taken over from another connector;
- one row of ``retired`` with the version that was told last and what was known, by which late news is told from old
  (`syncline.engine.apply.retired`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import json

from syncline.engine.adoption import ADOPTED, Adopted, State
from syncline.engine.apply.retired import CANCELLED, FACTS_MAX, NOTE, digest_of, fact_of
from syncline.engine.codec import decode
from syncline.engine.delivery.answers import TOLD
from syncline.engine.delivery.discarded import DISCARDED
from syncline.engine.routes import OPERATIONS_OF, Route, Routes, reference_of, split_key
from syncline.engine.words import NOTES
from syncline.inventory.availability import needed, units
from syncline.model.capabilities import Capabilities, OwnOrders
from syncline.model.change import Flow, Kind
from syncline.model.records import ErpOrder, Order, Receipt, Return, Shipment
from syncline.ports import Clock, Row, Store, Write

DAY_MS = 86_400_000
ORDERS_KEPT_MS = 180 * DAY_MS  # longer than most return windows, and than a disputed payment may take
STEP = 100  # orders in one transaction
STEPS_MAX = 500
LOOKS = 25  # what was not over is looked at again after this part of the time for which orders are kept
FOLLOWERS_MAX = 5_000  # parcels and returns of so many orders
# Whatever is delivered, or kept for a person, by an order's key.
OPERATIONS = (
    *(name for flow in (Flow.ORDERS, Flow.ORDER_STATUS, Flow.PAYMENTS, Flow.RETURNS) for name in OPERATIONS_OF[flow]),
    "read_order",
    "move_order",
    *sorted(NOTES - {NOTE}),
)  # fmt: skip

Between = Callable[[Callable[[], Awaitable[Sequence[Write]]]], Awaitable[list[list[Row]]]]


@dataclass(slots=True)
class _Case:
    """An order that may be over, with all that is stored of it; ``follow`` are records by system, kind and key."""

    row: Row
    order: Order
    reference: str
    erp: dict[tuple[str, str], ErpOrder] = field(default_factory=dict)
    follow: dict[tuple[str, Kind, str], Shipment | Return | Receipt] = field(default_factory=dict)
    newest_ms: int = 0
    known: bool = False  # it is in the ERP, or is not to be

    @property
    def key(self) -> str:
        """The channel's key of it."""
        return self.order.key


class Retirement:
    """Finds orders that are over, and forgets them a hundred at a time, between two batches of the applier."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        routes: Routes,
        systems: Mapping[str, Capabilities],
        between: Between,
        *,
        kept_ms: int = ORDERS_KEPT_MS,
    ) -> None:
        """``kept_ms``: so long after the last news of it an order is kept; 0: for ever."""
        self._store = store
        self._clock = clock
        self._routes = routes
        self._systems = systems
        self._between = between
        self._kept_ms = kept_ms
        self._after: dict[str, tuple[int, str]] = {}  # by channel: up to where it has been looked
        self._began_ms: dict[str, int] = {}  # and since when
        self._more = False

    async def round(self) -> int:
        """Look at orders that have told nothing for long enough; returns how many went.

        Each is looked at when its time is over, and then every so often: what an old order still waits for, such as a
        parcel that nobody tells of, may never come.

        Raises:
            Fenced: another worker applies the log.
        """
        if not self._kept_ms:
            return 0
        retired = 0
        for channel in self._systems:
            began_ms = self._began_ms.setdefault(channel, self._clock.now_ms())
            for _ in range(STEPS_MAX):
                results = await self._between(partial(self._step, channel))
                retired += len(results[1]) if results else 0
                if not self._more:
                    break
            if not self._more and self._clock.now_ms() - began_ms >= self._kept_ms // LOOKS:
                del self._after[channel], self._began_ms[channel]  # the next round begins with the oldest
        return retired

    async def _step(self, channel: str) -> list[Write]:
        """The next hundred orders of a channel: what retires those of them that are over."""
        now_ms = self._clock.now_ms()
        before_ms = now_ms - self._kept_ms
        after_ms, after = self._after.get(channel, (0, ""))
        rows = await self._store.read(
            "orders_quiet", system=channel, before=before_ms, after_ms=after_ms, after=after, limit=STEP
        )
        self._more = len(rows) == STEP
        self._after[channel] = (rows[-1][4], rows[-1][0]) if rows else (after_ms, after)
        cases = [
            _Case((channel, *row), order, reference_of(channel, order.key), newest_ms=row[4])
            for row in rows
            if (order := decode(Kind.ORDER, row[3])).complete
        ]
        if not cases or not await self._gather(channel, cases):
            return []
        demand: defaultdict[str, list[Row]] = defaultdict(list)
        keys = [case.key for case in cases]
        for line in await self._store.read("demand_of_orders", channel=channel, orders=keys):
            demand[line[1]].append(line)
        over = [
            case
            for case in cases
            if case.known
            and case.newest_ms < before_ms
            and self._sent(case)
            and not self._counts(channel, case, demand[case.key])
        ]
        if not over:
            return []
        rest = await self._of_nothing([line for case in over for line in demand[case.key]])
        return [rest, *self._writes(channel, over, now_ms)]

    async def _of_nothing(self, lines: Sequence[Row]) -> Write:
        """Settles demand for what no source keeps any figure of: one that comes later is from after the order.

        Nothing is shown of such a SKU, so nobody waits for a figure that contains what was sold of it.
        """
        recipes = self._routes.recipes
        parts = recipes.bases(dict.fromkeys(line[4] for line in lines))
        kept: set[str] = set()
        for source in {route.source for route in self._routes.of(Flow.INVENTORY)}:
            rows = await self._store.read("stock_of_skus", system=source, skus=parts)
            kept |= {split_key(row[0])[0] for row in rows}
        names = ("channel", "order_key", "line_id", "location")
        return Write(
            "demand_settle",
            [
                {**dict(zip(names, line, strict=False)), "quantity": line[5], "erp_quantity": line[7]}
                for line in lines
                if kept.isdisjoint(recipes.parts(line[4]))
            ],
            told=False,
        )

    async def _gather(self, channel: str, cases: Sequence[_Case]) -> bool:
        """Read what is stored beside the orders; whether that could be read whole."""
        by_name = {name: case for case in cases for name in (case.reference, case.reference.upper())}
        sinks = self._routes.of(Flow.ORDERS, source=channel)
        places: defaultdict[str, set[str]] = defaultdict(set)
        for route in sinks:
            for kind in (Kind.ORDER.value, DISCARDED, ADOPTED):
                rows = await self._store.read(
                    "bindings_get", system=route.sink, kind=kind, keys=[case.reference for case in cases]
                )
                for row in rows:
                    if _settles(kind, row):
                        places[row[0]].add(route.sink)
        for case in cases:
            case.known = case.order.cancelled_at_ms is not None or len(places[case.reference]) == len(sinks)
        for erp in self._systems:
            if erp == channel:
                continue
            for kind in (Kind.ERP_ORDER, Kind.RECEIPT):
                rows = await self._store.read("records_get", system=erp, kind=kind.value, keys=list(by_name))
                for key, _, _, _, body, _, observed_at_ms in rows:
                    self._told(by_name[key], erp, kind, key, body, observed_at_ms)
            rows = await self._store.read(
                "records_of_orders",
                system=erp,
                references=[case.reference for case in cases],
                limit=FOLLOWERS_MAX,
            )
            if len(rows) == FOLLOWERS_MAX:
                return False
            for name, key, body, observed_at_ms in rows:
                kind = Kind(name)
                reference = decode(kind, body).order_key.lower()
                self._told(by_name[reference], erp, kind, key, body, observed_at_ms)
        return True

    def _told(self, case: _Case, erp: str, kind: Kind, key: str, body: str, observed_at_ms: int) -> None:
        value = decode(kind, body)
        case.newest_ms = max(case.newest_ms, observed_at_ms)
        if isinstance(value, ErpOrder):
            case.erp[erp, key] = value
        else:
            case.follow[erp, kind, key] = value

    def _sent(self, case: _Case) -> bool:
        """Whether nothing of an order is to be sent any more, as far as either side knows."""
        order = case.order
        if order.cancelled_at_ms is not None or any(erp.cancelled for erp in case.erp.values()):
            return True
        if not any(line.quantity > 0 for line in order.lines):
            return True
        allocated = [at for line in order.lines if line.quantity > 0 for at in line.allocations]
        whole = all(line.allocations or line.quantity <= 0 for line in order.lines)
        if allocated and whole and not any(at.remaining > 0 for at in allocated):
            return True
        recipes = self._routes.recipes
        left: Counter[str] = Counter()
        for line in order.lines:
            for part, count in recipes.parts(line.sku).items() if line.sku else ():
                left[part] += count * needed(line.quantity)
        for value in case.follow.values():
            for line_sent in value.lines if isinstance(value, Shipment) else ():
                for part, count in recipes.parts(line_sent.sku).items():
                    left[part] -= count * units(line_sent.quantity)
        nameless = any(not line.sku and line.quantity > 0 for line in order.lines)
        return not nameless and all(quantity <= 0 for quantity in left.values())

    def _counts(self, channel: str, case: _Case, lines: Sequence[Row]) -> bool:
        """Whether a number that is shown still hangs on the order although its demand is settled."""
        for route in self._routes.of(Flow.INVENTORY, sink=channel):
            if any(self._fenced(route, line[4], case.order.placed_at_ms) for line in lines):
                return True
        contract = self._systems[channel].stock_contract
        waits = contract.own_orders is OwnOrders.SUBTRACTED_WHILE_OPEN
        return waits and any(line[5] > line[6] for line in lines)

    def _fenced(self, route: Route, sku: str, placed_at_ms: int) -> bool:
        """Whether what was sold of a SKU counts against units that were set apart for the channel."""
        fence = route.rule_for(sku).fence if route.rules.fenced else None
        return fence is not None and placed_at_ms >= fence.since_ms

    def _writes(self, channel: str, over: Sequence[_Case], now_ms: int) -> list[Write]:
        orders: list[dict[str, Any]] = []
        records: list[dict[str, Any]] = []
        bindings: list[dict[str, Any]] = []
        for case in over:
            facts = sorted(fact_of(erp, value) for (erp, _, _), value in case.follow.items())
            if any(erp.cancelled for erp in case.erp.values()):
                facts.append(CANCELLED)
            if len(facts) > FACTS_MAX:
                continue
            of = {"reference": case.reference, "now_ms": now_ms}
            _, _, version, tiebreak, _, _ = case.row
            orders.append(
                {
                    **of,
                    "channel": channel,
                    "order_key": case.key,
                    "number": case.order.number,
                    "version": version,
                    "tiebreak": tiebreak,
                    "digest": digest_of(case.order),
                    "facts": json.encode(facts).decode(),
                    "systems": list(self._systems),
                    "operations": list(OPERATIONS),
                }
            )
            names = [
                (channel, Kind.ORDER.value, case.key),
                *((erp, kind.value, key) for erp, kind, key in case.follow),
            ]
            names += [(erp, Kind.ERP_ORDER.value, key) for erp, key in case.erp]
            records += [{**of, "system": system, "kind": kind, "key": key} for system, kind, key in names]
            bindings += [
                {**of, "system": system, "kind": kind, "key": key}
                for system, kind, key in self._bound(channel, case)
            ]
        mine = [
            {name: row[name] for name in ("reference", "now_ms", "channel", "order_key")} for row in orders
        ]
        return [
            Write("order_retire", orders),
            Write("demand_retire", mine, told=False),
            Write("routing_retire", mine, told=False),
            Write("binding_retire", bindings, told=False),
            Write("record_retire", records, told=False),
        ]

    def _bound(self, channel: str, case: _Case) -> list[tuple[str, str, str]]:
        """What was bound for an order's money and goods: needed only to tell of them once, which is done."""
        order = case.order
        found = [(channel, TOLD, case.key)]
        for route in self._routes.of(Flow.ORDERS, source=channel):
            found += [
                (route.sink, "payment", f"{case.reference}-pay-{one.id}".lower()) for one in order.payments
            ]
            found += [
                (route.sink, "refund", f"{case.reference}-ref-{one.id}".lower()) for one in order.refunds
            ]
        for erp, kind, key in case.follow:
            if kind is Kind.SHIPMENT:
                found.append((channel, Kind.SHIPMENT.value, key))
            elif kind is Kind.RETURN:
                found.append((channel, "refund", f"{erp} return {key}"))
        return found


def _settles(kind: str, row: Row) -> bool:
    """Whether a binding says that an order is in its ERP, or is never to be."""
    _, external_id, version, hash_, *_ = row
    if kind == ADOPTED:
        return Adopted.of(version, hash_).state is not State.EXPORT
    return bool(hash_ if kind == DISCARDED else external_id)
