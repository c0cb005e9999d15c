"""Channels and an ERP without HTTP: the connector ports over plain dictionaries, for runs over years of orders.

They do what the vendors' simulators do to stock, orders and time, at a fraction of the cost, and nothing
else: no signatures, no wire formats, and a limit of calls a second only where one is given. What a system holds
here is its own; Syncline learns of it by events, reads and answers only, each after a declared delay.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import msgspec

from syncline.engine.routes import stock_key
from syncline.inventory.availability import largest_remainder
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, BeforeOrder, Capabilities
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.delivery import Item as Sent
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.errors import Rejected, Retryable
from syncline.model.payloads import PutOrder, ReadOrder, ReadStock, SetStock
from syncline.model.records import (
    Allocation,
    ChannelLevel,
    ErpLine,
    ErpOrder,
    Item,
    Order,
    OrderLine,
    StockLevel,
)
from syncline.ports import Clock, Governor, Page, PollStream, System, Verified, WebhookRequest
from syncline.sdk.governor import CostBucket
from syncline.simulate.history import LOCATION_WEIGHTS, HistoryLine
from syncline.simulate.shape import NOBODYS, VALUES_MAX, Shape
from syncline.simulate.stage import Calls, Placed

LOCATIONS = ("main", "north", "overflow")
UNPAID = frozenset(
    {"put_payment", "put_refund"}
)  # orders without money of their own: its routes leave it out
BATCH_MAX = VALUES_MAX
PAGE_MAX = 250  # events in a page of a delta read, items in an event
LEVELS_MAX = 500  # stock figures in an event of a full read

# How long things take, in seconds; each is drawn evenly from its range, from the seed.
EVENT_S = (0.1, 0.8)  # an event, from the act to our door: what webhooks take on a good day
CALL_S = (0.2, 0.6)  # a channel's API call; it takes effect half-way
ERP_CALL_S = (0.5, 3.0)  # an order put into an ERP: the range that the NetSuite simulator assumes as well
BURST_S = 20  # a bucket holds what is restored in so many seconds, as Shopify's does
RETRY_EVENT_S = 5.0  # after an outage, a sender tries an event again within so long


@dataclass(frozen=True, slots=True)
class Outage:
    """Daily windows in which nothing passes between Syncline and any system, UTC."""

    at_ms: int = 0  # after midnight
    minutes: int = 0

    def ends_in_s(self, now_ms: int) -> float:
        """Seconds until it is over; 0 when there is none."""
        into_ms = now_ms % 86_400_000 - self.at_ms
        length_ms = self.minutes * 60_000
        return (length_ms - into_ms) / 1000 if 0 <= into_ms < length_ms else 0.0


NO_OUTAGE = Outage()


class Wire:
    """The way between Syncline and one system: delays, outages and what was sent."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        *,
        takes_s: tuple[float, float] = CALL_S,
        outage: Outage = NO_OUTAGE,
        calls_per_s: float = 0.0,
    ) -> None:
        self.clock = clock
        self._rng = rng
        self._takes_s = takes_s
        self._outage = outage
        self.counted = Calls()
        self.traced: Callable[[str, int, float], None] | None = None  # operation, values, seconds waited
        self._bucket = (
            CostBucket(clock, capacity=max(1.0, BURST_S * calls_per_s), restore_per_s=calls_per_s)
            if calls_per_s
            else None
        )

    @property
    def governor(self) -> Governor:
        """What keeps the system's limit."""
        return self._bucket or FreeGovernor()

    @property
    def throttled_s(self) -> float:
        """How long calls have waited for the limit, added up."""
        return self._bucket.waited_s if self._bucket else 0.0

    async def there(self, operation: str, values: int) -> float:
        """Reach the system; returns the seconds that its answer takes.

        Raises:
            Retryable: nothing passes at the moment.
        """
        waited_s = 0.0
        if self._bucket:
            began_s = self.clock.monotonic()
            await self._bucket.acquire(1, urgent=operation == "put_order")
            self._bucket.settle(1, None)
            waited_s = self.clock.monotonic() - began_s
        self.counted.count(operation, values, self.clock.now_ms())
        if self.traced is not None:
            self.traced(operation, values, waited_s)
        if self._outage.ends_in_s(self.clock.now_ms()):
            raise Retryable("no route to the system (declared outage)")
        half_s = self._rng.uniform(*self._takes_s) / 2
        await self.clock.sleep(half_s)
        return half_s

    def event_s(self) -> float:
        """How long an event takes from the act to our door."""
        return self._rng.uniform(*EVENT_S)

    def lost(self, share: float) -> bool:
        """Whether an event gets lost."""
        return share > 0 and self._rng.random() < share

    async def again(self, operation: str, times: int) -> None:
        """So many calls more, one after the other, that something needs besides.

        Raises:
            Retryable: nothing passes at the moment.
        """
        for _ in range(times):
            await self.clock.sleep(await self.there(operation, 0))

    def tell(self, after_s: float, call: Callable[[], None]) -> None:
        """Bring an event to our door; one that finds it closed is sent again when the outage is over."""

        def arrive() -> None:
            wait_s = self._outage.ends_in_s(self.clock.now_ms())
            if wait_s:
                self.clock.after(wait_s + self._rng.uniform(0, RETRY_EVENT_S), call)
            else:
                call()

        self.clock.after(after_s, arrive)


class FreeGovernor:
    """A system without a limit."""

    async def ready(self, *, urgent: bool = False) -> None:
        """Every call is let through."""

    def usage(self) -> Mapping[str, float]:
        """Nothing is limited."""
        return {}


class Told(msgspec.Struct, frozen=True):
    """The body of an event: records of one kind or several, as they were."""

    items: list[Item] = []
    levels: list[StockLevel] = []
    orders: list[Order] = []
    held: list[ErpOrder] = []
    shown: list[ChannelLevel] = []


_encode = msgspec.json.Encoder(decimal_format="string").encode
_decode = msgspec.json.Decoder(Told).decode


class LeanSource:
    """The reading side: events in the order in which they became visible, each with an id of its own."""

    def __init__(
        self,
        name: str,
        wire: Wire,
        streams: Sequence[PollStream],
        everything: Any,
        shape: Shape = NOBODYS,
    ) -> None:
        self._name = name
        self._shape = shape
        self._wire = wire
        self._everything = everything
        self.streams = tuple(streams)
        self.visible: list[Event] = []

    def event(self, told: Told, at_ms: int, via: Via = Via.EVENT) -> Event:
        """A new fact, not yet visible to anybody."""
        return Event(self._name, "told", f"{self._name} {len(self.visible)}", via, at_ms, _encode(told))

    def read(self, order: Order) -> Event:
        """An order as it is read whole."""
        body = _encode(Told(orders=[order]))
        return Event(self._name, "told", f"{self._name} {order.key} 0", Via.READ, order.placed_at_ms, body)

    def verify(self, request: WebhookRequest) -> Verified:
        """The body is the place of an event among the visible ones: no signature is modelled."""
        try:
            return Verified(self.visible[int(request.body)])
        except (ValueError, IndexError) as error:
            raise Rejected(f"no event of {self._name}") from error

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """The records of an event; versions are the source's own moments, ties are broken by its counting."""
        try:
            told = _decode(logged.event.body)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise Rejected(f"not an event of {self._name}: {error}") from error
        at_ms, tie = logged.event.occurred_at_ms, int(logged.event.event_id.rpartition(" ")[2])
        changes = [Change(Kind.ITEM, one.sku, 1, 0, at_ms, one) for one in told.items]
        whole = int(logged.event.via is Via.READ)  # newer than what its event told of the same moment
        changes += [Change(Kind.ORDER, one.key, one.updated_at_ms, whole, at_ms, one) for one in told.orders]
        changes += [Change(Kind.ERP_ORDER, one.key, at_ms, tie, at_ms, one) for one in told.held]
        changes += [
            Change(Kind.LEVEL, stock_key(one.stock_id, one.location), at_ms, 0, at_ms, one)
            for one in told.shown
        ]
        for one in told.levels:
            changes.append(Change(Kind.STOCK, stock_key(one.sku, one.location), at_ms, tie, at_ms, one))
        return changes

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Deltas from their place on; ``items`` and ``stock`` whole."""
        began_ms = self._wire.clock.now_ms()
        back_s = await self._wire.there(f"read {stream}", 0)
        if stream in ("items", "stock"):
            events = tuple(self._everything(stream, began_ms))
            await self._wire.clock.sleep(back_s)
            yield Page(events, Cursor(self._name, stream, "", began_ms), last=True)
            return
        place = int(cursor.position) if cursor else 0
        while True:
            events = tuple(replace(one, via=Via.POLL) for one in self.visible[place : place + PAGE_MAX])
            place += len(events)
            last = place == len(self.visible)
            await self._wire.clock.sleep(back_s)
            more = self._shape.news_calls if events else 0
            await self._wire.again(f"read {stream}", self._shape.read_calls - 1 + more)
            yield Page(events, Cursor(self._name, stream, str(place), began_ms), last)
            if last:
                return
            back_s = await self._wire.there(f"read {stream}", 0)


class LeanChannel:
    """A shop that shows a number at each location, sells what they cover together, and lowers them at once."""

    def __init__(
        self,
        name: str,
        wire: Wire,
        numbers: Mapping[str, Sequence[int]],
        *,
        tell: Callable[[str, int], None],
        tells: bool,
        written: Callable[[Iterable[str]], None] = lambda _skus: None,
        shape: Shape = NOBODYS,
    ) -> None:
        self.name = name
        self.wire = wire
        self.shape = shape
        self.orders_lost = 0
        self._orders: dict[str, Order] = {}  # as they are read whole, where that is needed
        self._on_written = written
        self.numbers = {sku: list(at) for sku, at in numbers.items()}
        self._tell = tell
        self._tells = tells
        self.source = LeanSource(
            name,
            wire,
            (PollStream("orders", (Flow.ORDERS,)), PollStream("items", (Flow.CATALOG,), snapshot=True)),
            lambda _stream, began_ms: _item_events(name, self.numbers, began_ms),
        )
        self.operations: Mapping[str, Operation] = {
            "set_stock": Operation("set_stock", batch_items_max=shape.values_per_call, look_up=True),
            "read_stock": Operation("read_stock", batch_items_max=shape.values_per_call, reads_only=True),
        }
        if shape.orders_whole:
            self.operations = {
                **self.operations,
                "read_order": Operation(
                    "read_order", batch_items_max=shape.orders_whole, reads_only=True, urgent=True
                ),
            }

    def system(self) -> System:
        """The channel as Syncline sees it."""
        capabilities = Capabilities(
            webhooks=self._tells,
            delta_poll=("orders",),
            compare_and_set=True,
            batch_items_max=self.shape.values_per_call,
            partial_batch=True,
            multi_location=True,
            stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED,
            before_order=(BeforeOrder.EVENTS,) if self.shape.tells_numbers else (),
            event_delay_ms=round(EVENT_S[1] * 1000),
        )
        return System(self.name, "lean", capabilities, self.source, self, self.wire.governor)

    # --- buyers -----------------------------------------------------------------------------------

    def shows(self, sku: str) -> int:
        """What a buyer can have."""
        return sum(self.numbers[sku])

    def take(self, sku: str, quantity: int) -> tuple[Allocation, ...]:
        """Sell units that are shown, from the first locations that have them."""
        at = self.numbers[sku]
        found = []
        for index, location in enumerate(LOCATIONS):
            units = min(quantity, at[index])
            if units > 0:
                at[index] -= units
                quantity -= units
                found.append(Allocation(location, Decimal(units), Decimal(units)))
        return tuple(found)

    def sell(self, one: Placed, lines: Sequence[HistoryLine], *, after_s: float, lost_share: float) -> str:
        """Sell lines that are shown, and report the order; returns its key."""
        taken = [(line, self.take(line.sku, line.quantity)) for line in lines]
        order = order_of(one.order.id, one.at_ms, taken)
        if self.shape.tells_numbers and self._tells:
            self._tell_numbers(taken, lost_share)
        self.report(order, after_s=after_s, event_s=one.event_s, lost=one.luck < lost_share)
        return order.key

    def _tell_numbers(
        self, taken: Sequence[tuple[HistoryLine, tuple[Allocation, ...]]], lost_share: float
    ) -> None:
        """Each number that a sale has lowered is told by an event of its own."""
        now_ms = self.wire.clock.now_ms()
        for sku, location in dict.fromkeys((line.sku, at.location) for line, parts in taken for at in parts):
            number = self.numbers[sku][LOCATIONS.index(location)]
            place = len(self.source.visible)
            told = Told(shown=[ChannelLevel(sku, location, number)])
            self.source.visible.append(self.source.event(told, now_ms))
            if not self.wire.lost(lost_share):
                self.wire.tell(self.wire.event_s(), partial(self._tell, self.name, place))

    def report(self, order: Order, *, after_s: float, event_s: float, lost: bool) -> None:
        """Let the world know of an order after so long; a lost event is found by whoever reads."""
        self.orders_lost += self._tells and lost
        told = order
        if self.shape.orders_whole:
            self._orders[order.key] = order
            lines = tuple(replace(line, allocations=()) for line in order.lines)
            told = replace(order, complete=False, lines=lines)

        def known() -> None:
            place = len(self.source.visible)
            self.source.visible.append(self.source.event(Told(orders=[told]), order.placed_at_ms))
            if self._tells and not lost:
                self.wire.tell(event_s, partial(self._tell, self.name, place))

        if after_s:
            self.wire.clock.after(after_s, known)
        else:
            known()

    # --- Syncline ---------------------------------------------------------------------------------

    async def deliver(self, operation: str, items: Sequence[Sent], key: str) -> list[Outcome]:
        """Set numbers that are expected to be others, each by itself; or read them, or orders."""
        if operation == "set_stock":
            await self.wire.again("read_stock", self.shape.write_calls - 1)
        back_s = await self.wire.there(operation, len(items))
        if operation == "read_order":
            outcomes = [self._whole(item.payload) for item in items]
        else:
            outcomes = [self._one(item.payload) for item in items]
        if operation == "set_stock":
            self._on_written({item.payload.sku: None for item in items})
        await self.wire.clock.sleep(back_s)
        return outcomes

    def _whole(self, payload: ReadOrder) -> Outcome:
        return Outcome(Result.DONE, facts={"event": self.source.read(self._orders[payload.key])})

    def _one(self, payload: SetStock | ReadStock) -> Outcome:
        at, index = self.numbers[payload.sku], LOCATIONS.index(payload.location)
        if isinstance(payload, SetStock):
            if at[index] != payload.expected:
                return Outcome(Result.STALE, f"shows {at[index]}, expected was {payload.expected}")
            at[index] = payload.quantity
        stamp = {"stamp_ms": self.wire.clock.now_ms()} if self.shape.tells_numbers else {}
        return Outcome(Result.DONE, facts={"held": at[index], **stamp})

    async def overwrite(self, values: Mapping[tuple[str, str], int]) -> None:
        """Set numbers whatever they are: what an integration without expectations does.

        Raises:
            Retryable: nothing passes at the moment.
        """
        back_s = await self.wire.there("set_stock", len(values))
        for (sku, location), quantity in values.items():
            self.numbers[sku][LOCATIONS.index(location)] = max(0, quantity)
        self._on_written({sku: None for sku, _ in values})
        await self.wire.clock.sleep(back_s)

    async def look_up(self, operation: str, item: Sent) -> Outcome | None:
        """Never needed: no answer is lost here."""
        return None


class LeanErp:
    """An ERP that takes orders from where there is stock, and tells what it has after each."""

    def __init__(
        self,
        name: str,
        wire: Wire,
        opening: Mapping[str, Sequence[int]],
        *,
        rng: Random,
        tell: Callable[[str, int], None],
        tells: bool,
        lost: float = 0.0,
        booked: Callable[[str], None] = lambda _reference: None,
        untold: Callable[[Iterable[str]], None] = lambda _skus: None,
        shape: Shape = NOBODYS,
    ) -> None:
        self.name = name
        self.wire = wire
        self.shape = shape
        self._on_booked = booked
        self._on_untold = untold
        self.target = {sku: list(at) for sku, at in opening.items()}
        self.available = {sku: list(at) for sku, at in opening.items()}
        self.held: dict[str, str] = {}
        self._rng = rng
        self._tell = tell
        self._tells = tells
        self._lost = lost
        self.source = LeanSource(
            name,
            wire,
            (
                PollStream("movements", (Flow.INVENTORY,)),
                PollStream("stock", (Flow.INVENTORY,), snapshot=True),
                PollStream("items", (Flow.CATALOG,), snapshot=True),
            ),
            self._everything,
            shape,
        )
        self.operations: Mapping[str, Operation] = {
            "put_order": Operation("put_order", look_up=True, urgent=True),
        }

    def system(self) -> System:
        """The ERP as Syncline sees it."""
        capabilities = Capabilities(
            webhooks=self._tells,
            delta_poll=("movements",),
            external_reference=True,
            multi_location=True,
            event_delay_ms=round(EVENT_S[1] * 1000),
        )
        return System(self.name, "lean", capabilities, self.source, self, self.wire.governor)

    def _everything(self, stream: str, began_ms: int) -> Iterable[Event]:
        if stream == "items":
            yield from _item_events(self.name, self.available, began_ms)
            return
        now_ms, last = self.wire.clock.now_ms(), len(self.source.visible) - 1
        skus = list(self.available)
        step = LEVELS_MAX // len(LOCATIONS)
        for begin in range(0, len(skus), step):
            levels = [
                self._level(sku, index, now_ms, began_ms)
                for sku in skus[begin : begin + step]
                for index in range(len(LOCATIONS))
            ]
            event_id = f"{self.name} stock {began_ms} {begin} {last}"
            yield Event(self.name, "told", event_id, Via.SNAPSHOT, now_ms, _encode(Told(levels=levels)))

    def _level(self, sku: str, index: int, stamp_ms: int, began_ms: int | None = None) -> StockLevel:
        units = Decimal(self.available[sku][index])
        return StockLevel(sku, LOCATIONS[index], units, units, Decimal(0), stamp_ms, began_ms)

    # --- Syncline ---------------------------------------------------------------------------------

    async def deliver(self, operation: str, items: Sequence[Sent], key: str) -> list[Outcome]:
        """Take orders; one that is known already changes nothing.

        Of the calls that an order needs the last reads back what became of it, those before prepare it.
        """
        more = self.shape.order_calls - 1
        await self.wire.again(operation, more - 1)
        back_s = await self.wire.there(operation, len(items))
        outcomes = [self.book(item.payload) for item in items]
        await self.wire.clock.sleep(back_s)
        await self.wire.again(operation, min(1, more))
        return outcomes

    async def look_up(self, operation: str, item: Sent) -> Outcome | None:
        """Never needed: no answer is lost here."""
        return None

    def book(self, order: PutOrder) -> Outcome:
        """Commit the lines of an order, each where it is wanted as far as there is any, then anywhere."""
        if order.reference in self.held:
            return Outcome(Result.DONE, facts={"external_id": self.held[order.reference]})
        external_id = self.held[order.reference] = str(len(self.held) + 1)
        self._on_booked(order.reference)
        touched: dict[tuple[str, int], None] = {}
        lines = []
        for item in order.items:
            at = self.available[item.sku]
            wanted, left = LOCATIONS.index(item.location), item.quantity
            touched[item.sku, wanted] = None
            for index in (wanted, *(n for n in range(len(LOCATIONS)) if n != wanted)):
                units = min(left, max(0, at[index]))
                if units:
                    at[index] -= units
                    left -= units
                    touched[item.sku, index] = None
                    lines.append(ErpLine(item.sku, LOCATIONS[index], Decimal(units)))
            if left:  # sold more than there is: owed where it was wanted
                at[wanted] -= left
                lines.append(ErpLine(item.sku, LOCATIONS[wanted], Decimal(left)))
        now_ms = self.wire.clock.now_ms()
        held = ErpOrder(
            order.reference, external_id, "open", commits_stock=True, lines=tuple(lines), erp_stamp_ms=now_ms
        )
        self._say(touched, [held])
        return Outcome(Result.DONE, facts={"external_id": external_id})

    # --- staff ------------------------------------------------------------------------------------

    def holds(self, sku: str) -> int:
        """Units that nobody was promised, of all locations; below 0 where more was promised than there is."""
        return sum(self.available[sku])

    def receive(self, goods: Mapping[str, int]) -> None:
        """Goods arrive."""
        touched: dict[tuple[str, int], None] = {}
        for sku, units in goods.items():
            at = self.available[sku]
            for index, part in enumerate(arrivals(units, at, self.target[sku])):
                at[index] += part
                touched[sku, index] = None
        self._say(touched, [])

    def _say(self, touched: Iterable[tuple[str, int]], held: list[ErpOrder]) -> None:
        now_ms = self.wire.clock.now_ms()
        where = list(touched)
        for begin in range(0, len(where), LEVELS_MAX):
            levels = [self._level(sku, index, now_ms) for sku, index in where[begin : begin + LEVELS_MAX]]
            place = len(self.source.visible)
            self.source.visible.append(self.source.event(Told(levels=levels, held=held), now_ms))
            held = []
            event_s, lost = self._rng.uniform(*EVENT_S), self._rng.random() < self._lost
            if self._tells and lost:
                self._on_untold({level.sku for level in levels})
            elif self._tells:
                self.wire.tell(event_s, partial(self._tell, self.name, place))


def arrivals(units: int, there: Sequence[int], target: Sequence[int]) -> list[int]:
    """Where goods that arrive are put: first where units are owed, then where most is missing."""
    owed = []
    left = units
    for held in there:
        owed.append(min(left, max(0, -held)))
        left -= owed[-1]
    missing = [max(0, want - held - part) for want, held, part in zip(target, there, owed, strict=True)]
    parts = largest_remainder(left, missing if any(missing) else LOCATION_WEIGHTS[: len(owed)])
    return [first + then for first, then in zip(owed, parts, strict=True)]


def _item_events(name: str, skus: Iterable[str], at_ms: int) -> Iterable[Event]:
    wanted = list(skus)
    for begin in range(0, len(wanted), PAGE_MAX):
        items = [Item(sku, sku, sku) for sku in wanted[begin : begin + PAGE_MAX]]
        yield Event(name, "told", f"{name} items {begin}", Via.SNAPSHOT, at_ms, _encode(Told(items=items)))


def order_of(
    id: str, placed_at_ms: int, lines: Sequence[tuple[HistoryLine, tuple[Allocation, ...]]]
) -> Order:
    """What a channel tells of an order: the lines that it accepted, and where it took them from."""
    ordered = tuple(
        OrderLine(
            str(number),
            line.sku,
            "",
            Decimal(line.quantity),
            line.unit_price,
            taken=Decimal(line.quantity),
            allocations=allocations,
        )
        for number, (line, allocations) in enumerate(lines, 1)
    )
    total = sum((line.unit_price * line.quantity for line, _ in lines), Decimal(0))
    return Order(
        key=id,
        number=id,
        placed_at_ms=placed_at_ms,
        updated_at_ms=placed_at_ms,
        currency="GBP",
        lines=ordered,
        shipping=Decimal(0),
        tax=Decimal(0),
        total=total,
        complete=True,
    )
