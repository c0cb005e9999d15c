"""Where orders are sent from: asked before they are placed, decided once they are, and again where a location refuses.

The stock is what can really be had now: each location's figure less its safety stock, less every order, hold and unseen
fall that the figure cannot contain. An order's own demand is left out, and so is the hold that it comes from.

A decision is made when the ERP's order is built, and stored in the transaction of the intent that carries it, together with
where the order's demand is from then on. What was decided stays: an edited order keeps its locations for the units
that it keeps, and only what is new is decided. A location that refuses is left out, and the rest of the order stays where
it was. For one state of the store the decision is always the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from syncline.engine.apply.wants import wanted_of
from syncline.engine.catalog import Catalog
from syncline.engine.derive.dirty import mark
from syncline.engine.derive.facts import Facts
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.refused import Refused
from syncline.engine.routes import Route, Routes
from syncline.inventory.availability import Demand, draw, units
from syncline.inventory.recipes import by_base
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.model.records import Order, OrderLine
from syncline.ports import Clock, Row, Store, System, Write
from syncline.routing.decision import Decision, Leaves, Refusal, expected_elsewhere, leaves, placed, shares
from syncline.routing.plan import Case, Plan, Sent, Stock, Wanted, plan, words
from syncline.routing.policy import Destination, Moves, Policy

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
LINES_MAX = 100

Said = Literal["decided", "refused", "allowed"]


class CannotRoute(Refused):
    """A question about routing that has no answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Units of a SKU that somebody wants to have sent."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Past:
    """What is stored of one order's routing: the decision that stands, and every refusal since a person allowed all again."""

    decision: Decision | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Routed:
    """Where one order is to be sent from.

    ``writes`` make it last, and belong into the transaction of the intent. ``stuck`` says why a person has to decide.
    """

    decision: Decision
    writes: tuple[Write, ...] = ()
    stuck: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was said about an order's routing, for its life."""

    at_ms: int
    said: Said
    decision: Decision | None = None
    refusal: Refusal | None = None


_decision = msgspec.json.Decoder(Decision)
_refusal = msgspec.json.Decoder(Refusal)
_encoder = msgspec.json.Encoder(decimal_format="string")


def routing_row(
    channel: str, order_key: str, ident: str, said: Said, body: Any, now_ms: int
) -> dict[str, Any]:
    """A row of what was said about an order's routing."""
    text = "" if body is None else _encoder.encode(body).decode()
    return {
        "channel": channel,
        "order_key": order_key,
        "id": ident,
        "said": said,
        "body": text,
        "now_ms": now_ms,
    }


def told_of(row: Row) -> Told:
    """What a row says."""
    _, at_ms, said, body = row
    return Told(
        at_ms,
        said,
        _decision.decode(body) if said == "decided" else None,
        _refusal.decode(body) if said == "refused" else None,
    )


def past_of(rows: Sequence[Row]) -> Past:
    """What stands of an order's rows, oldest first."""
    decision: Decision | None = None
    refusals: list[Refusal] = []
    for told in map(told_of, rows):
        decision = told.decision or decision
        if told.said == "allowed":
            refusals.clear()
        elif told.refusal is not None:
            refusals.append(told.refusal)
    return Past(decision, tuple(refusals))


async def decisions(store: Store, channel: str, orders: Sequence[str]) -> dict[str, Past]:
    """What stands of some orders of a channel, by order."""
    found: dict[str, list[Row]] = {}
    for row in await store.read("routings", channel=channel, orders=list(orders)):
        found.setdefault(row[0], []).append(row)
    return {key: past_of(rows) for key, rows in found.items()}


def check_names(policy: Policy, routes: Routes) -> None:
    """Every location and channel that is named has to be there, or a rule would silently do nothing.

    Raises:
        Misconfigured: one is not, or orders of a channel cannot be routed.
    """
    known = {at for route in routes.of(Flow.INVENTORY) for at in route.locations}
    named = [(f"routing.locations.{at}", at) for at in policy.sites]
    named += [
        (f"routing.rules: {rule.name}", at) for rule in policy.rules for at in (*rule.exclude, *rule.prefer)
    ]
    for field, at in named:
        if at not in known:
            raise Misconfigured(
                f"{field}: no inventory route maps an ERP location {at!r}; mapped are {', '.join(sorted(known)) or 'none'}"
            )
    selling = {route.source for route in routes.of(Flow.ORDERS)}
    for rule in policy.rules:
        for channel in rule.channels:
            if channel not in selling:
                raise Misconfigured(
                    f"routing.rules: {rule.name}: {channel!r} has no orders route; {', '.join(sorted(selling)) or 'none'} would do"
                )
    for channel in sorted(policy.channels):
        if not any(_served_by(routes, route) for route in routes.of(Flow.ORDERS, source=channel)):
            raise Misconfigured(
                f"routing.channels: {channel!r} needs an orders route, and an inventory route back from the same system"
            )


def _served_by(routes: Routes, route: Route) -> Route | None:
    found = routes.of(Flow.INVENTORY, source=route.sink, sink=route.source)
    return found[0] if found else None


class Router:
    """Answers and decides. Without it (``[routing]`` is not configured) every order goes from where its channel says."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        routes: Routes,
        systems: Mapping[str, System],
        deriver: StockDeriver,
        policy: Policy,
    ) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._routes = routes
        self._systems = systems
        self._deriver = deriver
        self.policy = policy
        check_names(policy, routes)

    def _inventory(self, route: Route) -> Route | None:
        """The route that says which locations serve the channel of an orders route."""
        return _served_by(self._routes, route)

    # --- asked before -------------------------------------------------------------------------------

    async def quote(self, channel: str, lines: Sequence[Asked], to: Destination, *, hold: str = "") -> Plan:
        """Where these lines would be sent from now. ``hold`` is left out: it is what they will be taken from.

        Raises:
            CannotRoute: the channel or a SKU is unknown, or there are too many lines.
        """
        return plan(await self.case(channel, lines, to, hold=hold, policy=self.policy), self.policy)

    async def case(
        self, channel: str, lines: Sequence[Asked], to: Destination, *, hold: str = "", policy: Policy
    ) -> Case:
        """The same as it is given to the planner.

        Raises:
            CannotRoute: the channel or a SKU is unknown, or there are too many lines.
        """
        routes = self._routes.of(Flow.INVENTORY, sink=channel)
        if not routes:
            known = sorted({route.sink for route in self._routes.of(Flow.INVENTORY)})
            raise CannotRoute(
                "unknown_channel",
                f"channel: no stock is kept for {channel!r}.",
                f"Use one of {', '.join(known)}." if known else "Configure an inventory route.",
            )
        if not 1 <= len(lines) <= LINES_MAX:
            raise CannotRoute("bad_lines", f"lines: name 1 to {LINES_MAX} lines.", "Split the order.")
        for number, line in enumerate(lines):
            if self._catalog.get(channel, line.sku) is None:
                raise CannotRoute(
                    "unknown_sku",
                    f"lines[{number}].sku: {channel} does not sell {line.sku!r}.",
                    "Use the SKU as the channel's catalog has it.",
                )
        wanted = [self._wanted(str(number), line.sku, line.quantity) for number, line in enumerate(lines)]
        facts = await self._facts(routes[0], wanted)
        stock = self._stock(routes[0], facts, hold=hold)
        load = await self._load(routes[0].source, policy)
        return Case(channel, to, wanted, list(routes[0].locations), stock, load)

    def _wanted(self, line: str, sku: str, quantity: int) -> Wanted:
        return Wanted(line, sku, quantity, dict(self._routes.recipes.parts(sku)))

    # --- decided ------------------------------------------------------------------------------------

    def concerns(self, route: Route) -> bool:
        """Whether accepted orders of a route are routed here."""
        return route.flow is Flow.ORDERS and route.source in self.policy.channels

    async def past(self, channel: str, order_key: str) -> Past:
        """What stands of one order."""
        return (await decisions(self._store, channel, [order_key])).get(order_key, Past())

    async def decide(
        self, route: Route, order: Order, version: tuple[int, int], *, known: bool
    ) -> Routed | None:
        """Where an order is sent from; ``None``: from where its channel says.

        Args:
            route: the orders route.
            order: the order, read whole.
            version: version and tiebreak of the record that it was read from.
            known: whether the ERP has the order already. One that was exported before routing was configured stays as
                it is.
        """
        inventory = self._inventory(route)
        if inventory is None or not self.concerns(route):
            return None
        past = await self.past(route.source, order.key)
        if past.decision is None and (known or order.cancelled_at_ms is not None):
            return None
        kept, open_lines = self._kept(order, past)
        decision = past.decision
        stuck = ""
        if open_lines and order.cancelled_at_ms is None:
            decision, stuck = await self._decided(inventory, order, past, kept, open_lines)
        if decision is None:
            return None
        new = past.decision is None or decision.mark != past.decision.mark
        writes = await self._writes(inventory, order, version, decision, new=new)
        return Routed(decision, writes, stuck)

    def _kept(self, order: Order, past: Past) -> tuple[list[Sent], list[tuple[OrderLine, int]]]:
        """What stays as it was decided, and the units of lines that are still to be decided about."""
        before = past.decision.sent if past.decision is not None else ()
        kept: list[Sent] = []
        open_lines: list[tuple[OrderLine, int]] = []
        for line in order.lines:
            wanted = units(line.quantity)
            stays = [
                Sent(line.id, line.sku, at, take)
                for at, take in shares(before, line.id, wanted)
                if not _refused(past.refusals, at, line.sku)
            ]
            kept += stays
            left = wanted - sum(one.units for one in stays)
            # Without allocations nothing is to be sent, or it has been sent already.
            untouched = bool(line.allocations) and all(
                at.remaining == at.quantity and not at.fixed for at in line.allocations
            )
            if left > 0 and line.sku and (untouched or any(one.line == line.id for one in before)):
                open_lines.append((line, left))
        return kept, open_lines

    async def _decided(
        self,
        inventory: Route,
        order: Order,
        past: Past,
        kept: Sequence[Sent],
        open_lines: Sequence[tuple[OrderLine, int]],
    ) -> tuple[Decision | None, str]:
        """The new decision, and why a person has to look at it; ``None``: nobody has any of it, so nothing is decided."""
        wanted = [self._wanted(line.id, line.sku, left) for line, left in open_lines[:LINES_MAX]]
        facts = await self._facts(inventory, wanted)
        case = Case(
            inventory.sink,
            self.policy.destination(order),
            wanted,
            list(inventory.locations),
            self._without(self._stock(inventory, facts, order_key=order.key, kept=kept), past.refusals),
            await self._load(inventory.source, self.policy),
            {one.location: _because(one) for one in past.refusals if not one.sku},
            frozenset(one.location for one in kept),
        )
        found = plan(case, self.policy)
        sent, reasons, stuck = list(found.sent), list(found.reasons), ""
        for lack in found.missing:
            line = next(line for line, _ in open_lines if line.id == lack.line)
            expected = self._expected(inventory, line)
            if expected is None or _refused(past.refusals, expected, line.sku):
                stuck = f"nobody else has {lack.units} of {line.sku}"
            else:
                sent.append(Sent(line.id, line.sku, expected, lack.units))
                reasons.append(
                    f"{lack.units} of {lack.sku} stay at {expected}, where {inventory.sink} expects them."
                )
        if len(past.refusals) > self.policy.refusals_max:
            stuck = f"more than {words(self.policy.refusals_max, 'refusal')}"
        if past.refusals:
            said = "; ".join(f"{one.location}: {_because(one)}" for one in past.refusals)
            reasons.append(f"Left out: {said}.")
            stuck = f"{stuck}; {said}" if stuck else ""
        if past.decision is None and not found.sent:
            return None, stuck
        cause = "refused" if past.refusals else "accepted" if past.decision is None else "edited"
        whole = _in_order(order, [*kept, *sent])
        return Decision(cause, whole, found.cost, found.currency, found.exact, tuple(reasons)), stuck

    def _expected(self, inventory: Route, line: OrderLine) -> str | None:
        """The ERP location from which the channel expects a line."""
        places = [self._routes.erp_location(inventory.sink, at.location) for at in line.allocations]
        return next((at for at in places if at), None)

    async def _writes(
        self, inventory: Route, order: Order, version: tuple[int, int], decision: Decision, *, new: bool
    ) -> tuple[Write, ...]:
        """What makes a decision last, and moves the order's demand to where it is sent from.

        Nothing is moved if the order has changed since it was read: its newer revision is built next.
        """
        channel, now_ms = inventory.sink, self._clock.now_ms()
        rows = await self._store.read("demand_of_orders", channel=channel, orders=[order.key])
        stored = {(row[2], row[3]): {"sku": row[4], "quantity": row[5], "taken": row[6]} for row in rows}
        wanted = wanted_of(order, stored, self._routes, channel, elsewhere=False)
        moves = [
            {
                "channel": channel,
                "order_key": order.key,
                "line_id": line_id,
                "location": location,
                "sku": sku,
                "quantity": quantity,
                "version": version[0],
                "tiebreak": version[1],
            }
            for (line_id, location), (sku, quantity, _, _) in sorted(placed(wanted, decision.sent).items())
            if quantity != stored.get((line_id, location), {"quantity": 0})["quantity"]
        ]
        writes = []
        if new:
            ident = f"{now_ms}-{decision.mark}"
            writes.append(
                Write(
                    "routing_put",
                    [routing_row(channel, order.key, ident, "decided", decision, now_ms)],
                    told=False,
                )
            )
            given = [
                {
                    "system": inventory.source,
                    "location": at,
                    "channel": channel,
                    "order_key": order.key,
                    "now_ms": now_ms,
                }
                for at in decision.locations
            ]
            writes.append(Write("routing_give", given, told=False))
        if self.moves(channel) != "off" and expected_elsewhere(order, self.leaves(channel, order, decision)):
            writes.append(Write("delivery_touch", [self._move(inventory, order.key, now_ms)]))
        if moves:
            skus = sorted({str(row["sku"]) for row in moves})
            writes += [
                Write("demand_place", moves, told=False),
                mark(skus, now_ms),
                Write("shelf_stale", [{"sku": sku} for sku in self._routes.recipes.bases(skus)], told=False),
            ]
        return tuple(writes)

    # --- told to the channel ------------------------------------------------------------------------

    def moves(self, channel: str) -> Moves:
        """Whether a channel is made to expect orders from where they are sent, and what its refusals mean."""
        can = self._systems[channel].capabilities.moves_orders
        return self.policy.moves if can and channel in self.policy.channels else "off"

    def leaves(self, channel: str, order: Order, decision: Decision) -> tuple[Leaves, ...]:
        """From where the lines of an order are sent, as its channel names lines and locations."""
        return leaves(order, decision.sent, lambda at: self._routes.channel_location(channel, at))

    def _move(self, inventory: Route, order_key: str, now_ms: int) -> dict[str, Any]:
        """The delivery that has the channel follow: it belongs to what the channel is told of orders, if it is told anything."""
        erp, channel = inventory.source, inventory.sink
        told = self._routes.of(Flow.ORDER_STATUS, source=erp, sink=channel)
        route = told[0] if told else inventory
        return {
            "system": channel,
            "operation": "move_order",
            "key": order_key,
            "route": route.name,
            "changed_at_ms": now_ms,
            "deliver_by_ms": now_ms + route.tolerance_ms,
            "not_before_ms": now_ms,
            "now_ms": now_ms,
            "wanted": 1,
            "rev": 0,
        }

    # --- the stock ----------------------------------------------------------------------------------

    async def _facts(self, inventory: Route, wanted: Sequence[Wanted]) -> Facts:
        skus = list(dict.fromkeys(base for one in wanted for base in one.needs))
        return await self._deriver.facts(inventory.source, skus)

    def _stock(
        self,
        inventory: Route,
        facts: Facts,
        *,
        order_key: str = "",
        kept: Sequence[Sent] = (),
        hold: str = "",
    ) -> Stock:
        """What each location has, less what is promised to others. Arrivals are not there yet, so they do not count."""
        erp = self._systems[inventory.source].capabilities
        levels = facts.levels_of(inventory)
        sold = {
            sku: [
                _kept_of(line, kept)
                if (line.channel, line.order_key) == (inventory.sink, order_key)
                else line
                for line in lines
            ]
            for sku, lines in facts.sold.items()
        }
        for sku, reference, number, _, channel, location, quantity, main in facts.holds:
            if main and quantity and reference != hold:
                demand = Demand(channel, reference, str(number), location, sku, quantity)
                sold.setdefault(sku, []).append(demand)
        others = {at: of for at, of in facts.parted.items() if (at[0], at[1]) != (inventory.sink, order_key)}
        asked = by_base(self._routes.recipes, sold, others)
        rooms, pools = {}, {}
        for base in levels:
            drawn = draw(
                levels[base],
                asked.get(base, []),
                facts.unseen.get(base, {}),
                replace(inventory.rule_for(base), incoming_days=0, incoming_by_location={}),
                list(inventory.locations),
                replica_lag_ms=erp.replica_lag_ms,
                basis=erp.stock_read_basis,
            )
            rooms[base] = dict(zip(drawn.supply, drawn.room, strict=True))
            pools[base] = max(0, drawn.pool - drawn.backorder)
        return Stock(rooms, pools)

    def _without(self, stock: Stock, refusals: Sequence[Refusal]) -> Stock:
        """The stock without what locations refused to send of single SKUs."""
        rooms = {base: dict(at) for base, at in stock.rooms.items()}
        for one in refusals:
            for base in self._routes.recipes.parts(one.sku) if one.sku else ():
                rooms.get(base, {}).pop(one.location, None)
        return Stock(rooms, stock.pools)

    async def _load(self, source: str, policy: Policy) -> dict[str, tuple[int, int]]:
        """How many orders each location was given in the last day and hour, where that matters."""
        if not policy.limited:
            return {}
        now_ms = self._clock.now_ms()
        rows = await self._store.read(
            "routing_load", system=source, day_ms=now_ms - DAY_MS, hour_ms=now_ms - HOUR_MS
        )
        return {at: (day, hour) for at, day, hour in rows}


def _refused(refusals: Sequence[Refusal], location: str, sku: str) -> bool:
    return any(one.location == location and one.sku in ("", sku) for one in refusals)


def _because(refusal: Refusal) -> str:
    what = f"refused {refusal.sku}" if refusal.sku else "refused"
    return what + (f" by {refusal.by}" if refusal.by else "") + (f" ({refusal.why})" if refusal.why else "")


def _kept_of(line: Demand, kept: Sequence[Sent]) -> Demand:
    """An order's own demand, as far as it is not to be decided about."""
    units_kept = sum(one.units for one in kept if (one.line, one.location) == (line.line_id, line.location))
    return replace(line, quantity=min(line.quantity, units_kept))


def _in_order(order: Order, sent: Sequence[Sent]) -> tuple[Sent, ...]:
    """What is sent, line by line as the order has them; one entry for a line and location."""
    found: dict[tuple[str, str], Sent] = {}
    for line in order.lines:
        for one in sent:
            if one.line == line.id:
                before = found.get((one.line, one.location))
                found[one.line, one.location] = replace(
                    one, units=one.units + (before.units if before else 0)
                )
    return tuple(found.values())
