"""Units held for a buyer between checkout and order: reserve, confirm, release, each exactly once.

::

    free(sku, pool) = what can be promised of the SKU from the pool's locations, before holds
    a hold is taken  if  free(sku, pool) - every hold in that pool that has not ended >= its quantity

Pools and their numbers are kept by ``shelves.py``. A **pool** is a set of ERP locations with what is kept back at each: a single one, those of a channel, or
those of several channels that overlap. A hold counts in every pool that contains all the locations it
may be taken from. If every pool has enough, each hold finds its units (Hall's theorem), so two channels
that share a location cannot promise the same one, and nothing is held back needlessly.

Nothing is sold twice to buyers who hold first, because

- ``free`` is a stored number, marked stale in the transaction that changes anything it was computed
  from (a figure, an order, an unseen fall). A hold is taken from no stale number: it is computed again
  before, and stored only if nothing changed since its inputs were read.
- ``hold_put`` compares and inserts in one statement, after the same transaction has marked the SKU in
  ``dirty``. That row is the lock: there, PostgreSQL puts transactions about one SKU in a row, in the
  order of the SKUs; SQLite has one writer anyway.
- All lines are guarded statements of one transaction: a hold is taken whole or not at all.
- A hold ends by the clock only in a transaction that says so (``hold_lapse``), before its units are
  given to somebody else. So a confirmation either comes before that or finds the hold expired,
  whatever two clocks say. There is one decision, and it is stored.
- Every statement names the reference and the state that it expects. The same request twice finds its
  work done: it takes nothing more and gives nothing back twice.
- The order replaces its hold in the transaction that makes it demand, so hold, order and the ERP's
  booking count as one.

Not covered: a sale that asks nobody first. Its order lowers ``free`` when it is applied, also below
what is held by then.

What is held in a pool is a number beside ``free``, kept by triggers in whatever takes or ends a hold, so a
reservation costs the same however many are open.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from syncline.engine.catalog import Catalog
from syncline.engine.derive.dirty import mark
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.refused import Refused
from syncline.engine.routes import Route, Routes
from syncline.engine.shelves import TRIES_MAX, Pool, Room, Shelves
from syncline.engine.taking import Taking
from syncline.model.change import Flow
from syncline.model.errors import Fenced, OutcomeUnknown, Retryable
from syncline.ports import Clock, Row, Store, System, Write

EXPIRES_MS_MIN = 10_000
EXPIRES_MS_MAX = 86_400_000
EXPIRES_MS = 900_000
FIRM_MS = 7 * 86_400_000  # how long a confirmed hold waits for its order
LINES_MAX = 100
QUANTITY_MAX = 1_000_000
SKUS_MAX = 100
SWEEP_EVERY_S = 5.0
SWEEP_MAX = 500

log = structlog.get_logger(__name__)


class HoldRefused(Refused):
    """A hold cannot be what was asked."""


@dataclass(frozen=True, slots=True)
class Line:
    """Units of a SKU, at one of the channel's locations or anywhere that it sells from ("")."""

    sku: str
    quantity: int
    location: str = ""


@dataclass(frozen=True, slots=True)
class HeldLine:
    """What was asked for, and what is held of it."""

    sku: str
    location: str
    asked: int
    held: int


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as it is now.

    ``state`` is ``open`` until ``expires_at_ms``, ``confirmed`` until its order comes, and then for good
    ``replaced`` (by its order), ``released`` or ``expired``; only the first two hold anything.
    ``complete`` says whether all was held that was asked for.
    """

    reference: str
    channel: str
    state: str
    expires_at_ms: int
    created_at_ms: int
    order: str
    complete: bool
    lines: tuple[HeldLine, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a hold could get at one of the channel's locations."""

    location: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Available:
    """What a hold could get of a SKU now, and since when the ERP's figures behind it have been known.

    The places need not add up to ``quantity``: what is held or ordered from anywhere counts at each.
    ``as_of_ms`` and ``age_ms`` are ``None`` where the ERP has given no figure.
    """

    sku: str
    channel: str
    quantity: int
    locations: tuple[Place, ...]
    as_of_ms: int | None
    age_ms: int | None


@dataclass(slots=True)
class _Planned:
    """A line with the pools that it counts in, and whether each binds it; the first is what it asks for."""

    line: Line
    location: str  # the ERP's
    pools: Mapping[str, bool]

    def binding(self) -> list[Pool]:
        """The pools that have to have enough."""
        sku = self.line.sku
        return [(sku, pool) for pool, binds in self.pools.items() if binds]


class Holds:
    """Reserves, confirms and releases; and gives back what nobody came for."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        routes: Routes,
        systems: Mapping[str, System],
        wake: Callable[[], None],
        deriver: StockDeriver,
    ) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._routes = routes
        self._wake = wake
        self._shelves = Shelves(store, clock, routes, systems, wake, deriver.terms)
        self.refused: Counter[tuple[str, str]] = Counter()  # by channel and code, since the start
        self._stock_routes = {route.sink: route for route in reversed(routes.of(Flow.INVENTORY))}
        self._taking = Taking(store)
        self._made = asyncio.Event()
        self._made.set()  # there may be holds from before the start

    # --- reserve ------------------------------------------------------------------------------------

    async def reserve(
        self,
        reference: str,
        channel: str,
        lines: Sequence[Line],
        *,
        expires_in_ms: int = EXPIRES_MS,
        allow_partial: bool = False,
        order: str = "",
        by: str = "",
    ) -> Held:
        """Hold all lines or none; with ``allow_partial``, of each what there is.

        The same reference with the same lines gives the same hold, whatever became of it. ``order``
        names the order that will follow, by its key or its number at the channel.

        Raises:
            HoldRefused: there is not enough, the reference is taken, or something is unknown.
            Retryable: too many buyers want the same at once.
        """
        self._check(lines, expires_in_ms)
        plan = self._plan(channel, lines)
        pools = _pools(plan)
        for attempt in range(TRIES_MAX):
            # What was left when somebody last looked is good enough to try for all of it: hold_put compares for itself.
            guess = None if attempt else self._shelves.remembered(pools)
            rooms, due, now_ms = guess or await self._shelves.rooms(pools)
            quantities = _quantities(plan, rooms, allow_partial=allow_partial and not guess)
            if quantities is None:
                if guess:
                    continue
                known = await self._rows(reference)
                if known:
                    return self._same(reference, known, channel, plan)
                raise self._short(plan, rooms)
            if await self._taking.others_first(_needed(plan, quantities), rooms):
                continue
            rows = [
                {
                    "reference": reference,
                    "line": number,
                    "pool": pool,
                    "channel": channel,
                    "sku": planned.line.sku,
                    "location": planned.location,
                    "asked": planned.line.quantity,
                    "quantity": quantity,
                    "main": int(index == 0),
                    "binds": int(binds),
                    "order_key": order,
                    "made_by": by,
                    "now_ms": now_ms,
                    "expires_at_ms": now_ms + expires_in_ms,
                }
                for number, (planned, quantity) in enumerate(zip(plan, quantities, strict=True))
                for index, (pool, binds) in enumerate(planned.pools.items())
            ]
            if not await self._taking.put(due, rows, now_ms):
                known = await self._rows(reference)
                if known:
                    return self._same(reference, known, channel, plan)
                continue  # somebody was faster, or a number changed: look again
            self._changed()
            return self._held(reference, [_stored(row) for row in rows], now_ms)
        raise Retryable("too many buyers want the same units at once: try again")

    def _check(self, lines: Sequence[Line], expires_in_ms: int) -> None:
        if not 1 <= len(lines) <= LINES_MAX:
            raise HoldRefused("bad_lines", f"lines: a hold has 1 to {LINES_MAX} lines.", "Split the cart.")
        for number, line in enumerate(lines):
            if not 1 <= line.quantity <= QUANTITY_MAX:
                raise HoldRefused(
                    "bad_quantity",
                    f"lines[{number}].quantity: {line.quantity} is not from 1 to {QUANTITY_MAX}.",
                    "Ask for a whole number of base units.",
                )
        if not EXPIRES_MS_MIN <= expires_in_ms <= EXPIRES_MS_MAX:
            raise HoldRefused(
                "bad_expiry",
                "expires_in_s: a hold lasts from 10 seconds to 24 hours.",
                "Confirm it once the buyer has paid; until then 15 minutes are usual.",
            )

    def _plan(self, channel: str, lines: Sequence[Line]) -> list[_Planned]:
        """Each line with the pools that it may be taken from.

        Raises:
            HoldRefused: the channel, a SKU or a location is unknown.
        """
        route = self._route(channel)
        plan = []
        for number, line in enumerate(lines):
            if self._catalog.get(channel, line.sku) is None:
                raise HoldRefused(
                    "unknown_sku",
                    f"lines[{number}].sku: {channel} does not sell {line.sku!r}.",
                    "Use the SKU as the channel's catalog has it.",
                )
            if line.sku in self._routes.recipes:
                parts = " and ".join(
                    f"{n} × {part}" for part, n in self._routes.recipes.parts(line.sku).items()
                )
                raise HoldRefused(
                    "not_stocked",
                    f"lines[{number}].sku: {line.sku!r} is made of other SKUs.",
                    f"Hold what it is made of: {parts} for each.",
                )
            location = ""
            if line.location:
                location = self._routes.erp_location(channel, line.location)
                if location not in route.locations:
                    raise HoldRefused(
                        "unknown_location",
                        f"lines[{number}].location: {channel} sells from no location {line.location!r}.",
                        f"Leave it out, or use one of {', '.join(sorted(route.locations.values()))}.",
                    )
            plan.append(_Planned(line, location, self._shelves.pools(route, line.sku, location)))
        return plan

    def _route(self, channel: str) -> Route:
        route = self._stock_routes.get(channel)
        if route is None:
            known = sorted({route.sink for route in self._routes.of(Flow.INVENTORY)})
            raise HoldRefused(
                "unknown_channel",
                f"channel: no stock is kept for {channel!r}.",
                f"Use one of {', '.join(known)}." if known else "Configure an inventory route.",
            )
        return route

    def _changed(self) -> None:
        self._made.set()
        self._wake()

    def _short(self, plan: Sequence[_Planned], rooms: Mapping[Pool, Room]) -> HoldRefused:
        """Which line cannot be had."""
        asked: dict[Pool, int] = {}
        for number, planned in enumerate(plan):
            for pool in planned.pools:
                at = planned.line.sku, pool
                asked[at] = asked.get(at, 0) + planned.line.quantity
            if any(asked[at] > rooms[at].left for at in planned.binding()):
                left = max(0, min(rooms[at].left for at in planned.binding()))
                return HoldRefused(
                    "not_enough",
                    f"lines[{number}]: {asked[planned.binding()[0]]} of {planned.line.sku!r} were asked for, "
                    f"{left} can be had. Nothing is held.",
                    "Ask for less, or with allow_partial for what there is.",
                )
        return HoldRefused(
            "not_enough", "Nothing of this can be had. Nothing is held.", "Offer something else."
        )

    # --- what there is ------------------------------------------------------------------------------

    async def availability(self, channel: str, skus: Sequence[str]) -> list[Available]:
        """What a hold could get of some SKUs now.

        Raises:
            HoldRefused: the channel or a SKU is unknown, or there are too many.
            Retryable: the figures change faster than they can be added up.
        """
        if not 1 <= len(skus) <= SKUS_MAX:
            raise HoldRefused("bad_skus", f"sku: name 1 to {SKUS_MAX} SKUs.", "Ask several times.")
        route = self._route(channel)
        plan = self._plan(channel, [Line(sku, 1) for sku in skus])
        places = [
            (shown, self._plan(channel, [Line(sku, 1, shown) for sku in skus]))
            for shown in route.locations.values()
        ]
        everywhere = [*plan, *(planned for _, of_place in places for planned in of_place)]
        rooms, _, now_ms = await self._shelves.rooms(_pools(everywhere))
        found = []
        for number, planned in enumerate(plan):
            left = {
                shown: max(0, min(rooms[at].left for at in of_place[number].binding()))
                for shown, of_place in places
            }
            as_of_ms = rooms[planned.binding()[0]].as_of_ms or None
            found.append(
                Available(
                    sku=planned.line.sku,
                    channel=channel,
                    quantity=max(0, min(rooms[at].left for at in planned.binding())),
                    locations=tuple(Place(shown, quantity) for shown, quantity in left.items()),
                    as_of_ms=as_of_ms,
                    age_ms=None if as_of_ms is None else max(0, now_ms - as_of_ms),
                )
            )
        return found

    # --- confirm, release, show ---------------------------------------------------------------------

    async def show(self, reference: str) -> Held:
        """A hold as it is now.

        Raises:
            HoldRefused: there is none of that reference.
        """
        return self._held(reference, await self._known(reference), self._clock.now_ms())

    async def confirm(self, reference: str, *, order: str = "") -> Held:
        """Make a hold firm, for a week at most, until its order arrives; ``order`` names that order.

        After its expiry the units are reserved again if they are still there. If not, somebody has to
        decide about an order that was paid for: it is parked, and refused here.

        Raises:
            HoldRefused: it was released, belongs to another order, or expired and the units are gone.
            Retryable: too many buyers want the same at once.
        """
        rows = await self._known(reference)
        channel = rows[0][2]
        order = await self._order_key(channel, order)
        now_ms = self._clock.now_ms()
        row = {
            "reference": reference,
            "order_key": order,
            "now_ms": now_ms,
            "expires_at_ms": now_ms + FIRM_MS,
        }
        done, met = await self._store.write(
            Write("hold_confirm", [row]),
            Write("hold_meet", [{"reference": reference, "order_key": order or rows[0][9]}]),
        )
        if met:
            await self._mark(rows)
        rows = await self._known(reference)
        held = self._held(reference, rows, now_ms)
        if done or held.state == "replaced":
            self._made.set()
            return held
        if held.state == "released":
            raise HoldRefused(
                "released", "This hold was released; its units are for sale again.", "Make a new hold."
            )
        if held.state in ("open", "confirmed"):
            raise HoldRefused(
                "other_order", f"This hold is for the order {held.order!r}.", "Confirm it without an order."
            )
        return await self._again(reference, rows, order)

    async def _order_key(self, channel: str, order: str) -> str:
        """An order's key, where its number was given and it is known already."""
        if not order:
            return ""
        found = await self._store.read("orders_numbered", numbers=[order], limit=LINES_MAX)
        return next((key for system, key in found if system == channel), order)

    async def _again(self, reference: str, rows: Sequence[Row], order: str) -> Held:
        """Reserve the units of an expired hold once more, and confirm it at once."""
        channel = rows[0][2]
        main = [row for row in rows if row[8]]
        pools = {row[0]: {other[1]: bool(other[14]) for other in rows if other[0] == row[0]} for row in main}
        plan = [_Planned(Line(row[3], row[6]), row[4], pools[row[0]]) for row in main]
        for _ in range(TRIES_MAX):
            rooms, due, now_ms = await self._shelves.rooms(_pools(plan))
            quantities = _quantities(plan, rooms, allow_partial=False)
            if quantities is None:
                break
            if await self._taking.others_first(_needed(plan, quantities), rooms):
                continue
            again = [
                {
                    "reference": reference,
                    "line": line,
                    "pool": pool,
                    "sku": sku,
                    "quantity": quantity,
                    "order_key": order,
                    "now_ms": now_ms,
                    "expires_at_ms": now_ms + FIRM_MS,
                }
                for line, pool, _, sku, _, _, quantity, *_ in rows
            ]
            note = {"system": channel, "operation": "confirm_hold", "key": reference, "now_ms": now_ms}
            try:
                await self._taking.take(
                    sorted({*due, *(row[3] for row in rows)}),
                    again,
                    now_ms,
                    Write("hold_renew", again, guard=True),
                    Write(
                        "parked_resolve", [{**note, "resolution": "confirmed after all", "by": "syncline"}]
                    ),
                )
            except Fenced:
                known = await self._known(reference)
                held = self._held(reference, known, now_ms)
                if held.state in ("confirmed", "replaced"):  # by the same request, sent twice
                    return held
                continue
            self._changed()
            return await self.show(reference)
        else:
            raise Retryable("too many buyers want the same units at once: try again")
        what = ", ".join(f"{planned.line.quantity} of {planned.line.sku}" for planned in plan)
        await self._store.write(
            Write(
                "parked_put",
                [
                    {
                        "system": channel,
                        "operation": "confirm_hold",
                        "key": reference,
                        "reason": "late_capture",
                        "detail": f"{what}; order {order or 'not named'}",
                        "payload": "",
                        "now_ms": self._clock.now_ms(),
                    }
                ],
            )
        )
        raise HoldRefused(
            "expired",
            "This hold had expired, and its units were given to others.",
            "Refund the buyer or find other stock; it is noted under parked work.",
        )

    async def release(self, reference: str) -> Held:
        """Give the units back. Of a hold that has ended, nothing is given back again.

        Raises:
            HoldRefused: there is none of that reference.
        """
        rows = await self._known(reference)
        now_ms = self._clock.now_ms()
        await self._store.write(
            mark((row[3] for row in rows), now_ms),
            Write("hold_release", [{"reference": reference}]),
        )
        self._wake()
        return self._held(reference, await self._known(reference), now_ms)

    async def _mark(self, rows: Sequence[Row]) -> None:
        """What a hold lowers, or does no more, is to be shown."""
        await self._store.write(mark((row[3] for row in rows), self._clock.now_ms()))
        self._wake()

    async def _rows(self, reference: str) -> list[Row]:
        return await self._store.read("holds_get", reference=reference)

    async def _known(self, reference: str) -> list[Row]:
        rows = await self._rows(reference)
        if not rows:
            raise HoldRefused(
                "not_found",
                f"There is no hold {reference!r}.",
                "Holds that ended are forgotten after 30 days.",
            )
        return rows

    def _held(self, reference: str, rows: Sequence[Row], now_ms: int) -> Held:
        _, _, channel, _, _, _, _, state, _, order, _, created_at_ms, expires_at_ms, *_ = rows[0]
        if state == "open" and expires_at_ms <= now_ms:
            state = "expired"
        lines = tuple(
            HeldLine(sku, self._routes.channel_location(channel, location), asked, quantity)
            for _, _, _, sku, location, asked, quantity, _, main, *_ in rows
            if main
        )
        complete = all(line.asked == line.held for line in lines)
        return Held(reference, channel, state, expires_at_ms, created_at_ms, order, complete, lines)

    def _same(self, reference: str, rows: Sequence[Row], channel: str, plan: Sequence[_Planned]) -> Held:
        """The hold of a reference that is used again.

        Raises:
            HoldRefused: it holds something else.
        """
        before = [(row[2], row[3], row[4], row[5]) for row in rows if row[8]]
        if before != [(channel, p.line.sku, p.location, p.line.quantity) for p in plan]:
            raise HoldRefused(
                "reference_taken",
                f"reference: {reference!r} is another hold, with other lines.",
                "Use a new reference for a changed cart, and release the old one.",
            )
        return self._held(reference, rows, self._clock.now_ms())

    # --- what nobody came for -----------------------------------------------------------------------

    async def sweep(self) -> int:
        """End what is over, so that channels get the units back; returns how many lines that were."""
        now_ms = self._clock.now_ms()
        due = await self._store.read("holds_due", now_ms=now_ms, limit=SWEEP_MAX)
        if due:
            # A longer list is taken as far as it was read, so that no confirmed hold ends without its note.
            until_ms = due[-1][5] if len(due) == SWEEP_MAX else now_ms
            skus = sorted({row[0] for row in due})
            notes = {
                reference: channel for _, reference, channel, _, confirmed_at_ms, _ in due if confirmed_at_ms
            }
            await self._store.write(
                mark(skus, now_ms),
                Write("hold_lapse", [{"sku": sku, "firm": True, "now_ms": until_ms} for sku in skus]),
                Write(
                    "parked_put",
                    [
                        {
                            "system": channel,
                            "operation": "await_order",
                            "key": reference,
                            "reason": "no_order",
                            "detail": "confirmed, and no order came within seven days",
                            "payload": "",
                            "now_ms": now_ms,
                        }
                        for reference, channel in sorted(notes.items())
                    ],
                ),
            )
            self._wake()
        met = await self._store.read("holds_met", limit=SWEEP_MAX)
        if met:  # an order that was applied in the very moment in which its hold learned its name
            orders = {reference: order for _, reference, order in met}
            await self._store.write(
                mark((row[0] for row in met), now_ms),
                Write("hold_meet", [{"reference": key, "order_key": order} for key, order in orders.items()]),
            )
            self._wake()
        return len(due)

    async def run(self) -> None:
        """Sweep while anything is held, until cancelled."""
        while True:
            await self._made.wait()
            self._made.clear()
            try:
                while await self._store.read("hold_next", limit=1):
                    await self._clock.sleep(SWEEP_EVERY_S)
                    while await self.sweep() == SWEEP_MAX:
                        pass
            except (Retryable, OutcomeUnknown) as error:  # a full disk, a database that restarts
                log.warning("the store does not take it", action="store_refused", error=str(error))
                self._made.set()
                await self._clock.sleep(SWEEP_EVERY_S)


def _pools(plan: Sequence[_Planned]) -> set[Pool]:
    """Every pool that a plan counts in."""
    return {(planned.line.sku, pool) for planned in plan for pool in planned.pools}


def _needed(plan: Sequence[_Planned], quantities: Sequence[int]) -> dict[Pool, int]:
    """What a plan takes from each pool that binds it."""
    needed: dict[Pool, int] = {}
    for planned, quantity in zip(plan, quantities, strict=True):
        for at in planned.binding():
            needed[at] = needed.get(at, 0) + quantity
    return needed


def _quantities(
    plan: Sequence[_Planned], rooms: Mapping[Pool, Room], *, allow_partial: bool
) -> list[int] | None:
    """What each line can get; ``None`` if that is not what is wanted, or nothing at all."""
    left = {at: room.left for at, room in rooms.items()}
    quantities = []
    for planned in plan:
        line = planned.line
        quantity = max(0, min([line.quantity, *(left[at] for at in planned.binding())]))
        if quantity < line.quantity and not allow_partial:
            return None
        for pool in planned.pools:
            left[line.sku, pool] -= quantity
        quantities.append(quantity)
    return quantities if any(quantities) or not allow_partial else None


def _stored(row: Mapping[str, Any]) -> Row:
    """A row that was just written, as ``holds_get`` would give it."""
    return (
        row["line"],
        row["pool"],
        row["channel"],
        row["sku"],
        row["location"],
        row["asked"],
        row["quantity"],
        "open",
        row["main"],
        row["order_key"],
        row["made_by"],
        row["now_ms"],
        row["expires_at_ms"],
        0,
        row["binds"],
    )
