"""What Syncline is compared with against the vendors' simulators: the integration of ``plain``, through their connectors.

It hears the same events, reads an order whole where an event does not tell all of it, puts it into the ERP once, and writes what the
ERP says it has to every channel, over whatever is there. As there, it is kept fair in everything but what it
lacks: calls within the vendors' limits, as many values in one as it takes, and another try after a failure.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from syncline.engine.capture.ingress import STORED, Answer
from syncline.engine.routes import customer_reference, reference_of
from syncline.inventory.contracts import number_to_write
from syncline.model.capabilities import StockBasis
from syncline.model.change import Change, Cursor, Event, Flow, Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import AuthExpired, Rejected, SynclineError
from syncline.model.payloads import OrderItem, PutOrder, ReadOrder, SetStock
from syncline.model.records import Item as Goods
from syncline.model.records import Notice, Order, StockLevel
from syncline.ports import Clock, PollStream, System, WebhookRequest
from syncline.simulate.plain import RETRY_S

TRIES_MAX = 2_000  # of one call: at least as long as the longest outage that can be played
DONE = (Result.DONE, Result.ACCEPTED)


class SetThroughConnectors:
    """One flow for orders and one for stock, as an integration platform would have them, over real connectors."""

    def __init__(
        self,
        clock: Clock,
        channels: Mapping[str, System],
        erp: System,
        *,
        places: Mapping[str, Mapping[str, str]],
        poll_ms: int,
    ) -> None:
        self._clock = clock
        self._channels = channels
        self._erp = erp
        self._systems = {**channels, erp.name: erp}
        self._places = places
        self._erp_place = {name: {theirs: ours for ours, theirs in at.items()} for name, at in places.items()}
        self._poll_s = poll_ms / 1000
        self._seen: set[tuple[str, str]] = set()
        self._taken: set[tuple[str, str]] = set()  # orders that were read, or are in the ERP
        self._goods: dict[str, dict[str, Goods]] = {name: {} for name in self._systems}
        self._figures: dict[tuple[str, str], tuple[int, int, int]] = {}  # version, tie, units
        self._open: Counter[tuple[str, str, str]] = Counter()  # units of orders that nobody has sent yet
        self._waiting: dict[str, dict[tuple[str, str], None]] = {name: {} for name in channels}
        self._signals = {name: asyncio.Event() for name in channels}
        self._announced: dict[tuple[str, str], asyncio.Event] = {}
        self._group: asyncio.TaskGroup | None = None

    # --- what is heard ----------------------------------------------------------------------------

    @property
    def ingress(self) -> SetThroughConnectors:
        """Where webhooks arrive."""
        return self

    def handshake(self, system: str) -> str:
        """The query parameter by which a system makes sure of an address."""
        return self._systems[system].capabilities.webhook_handshake

    async def accept(self, system: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take one webhook."""
        try:
            verified = self._systems[system].source.verify(
                WebhookRequest(headers, body, self._clock.now_ms())
            )
        except Rejected as error:
            return Answer(422, str(error))
        for stream in verified.reads:
            if (system, stream) in self._announced:
                self._announced[system, stream].set()
        self._act(system, verified.event)
        return STORED

    def _act(self, system: str, event: Event) -> None:
        if (system, event.event_id) in self._seen:
            return
        self._seen.add((system, event.event_id))
        for change in self._systems[system].source.decode(LoggedEvent(0, self._clock.now_ms(), event)):
            self._take(system, change)

    def _take(self, system: str, change: Change) -> None:
        value = change.value
        if isinstance(value, Goods):
            self._goods[system][value.sku.casefold()] = value
        elif isinstance(value, StockLevel) and system == self._erp.name:
            self._set(value, (change.version, change.tiebreak))
        elif isinstance(value, Order | Notice) and system in self._channels and change.kind is Kind.ORDER:
            self._hear_of(system, change.key, value)

    def _hear_of(self, channel: str, key: str, told: Order | Notice) -> None:
        if (channel, key) not in self._taken:
            self._taken.add((channel, key))
            assert self._group is not None
            self._group.create_task(self._order(channel, key, told))

    # --- orders -----------------------------------------------------------------------------------

    async def _order(self, channel: str, key: str, told: Order | Notice) -> None:
        """Read an order whole if it is not known so, and put it into the ERP."""
        order = told if isinstance(told, Order) and told.complete else await self._read_order(channel, key)
        if order is None:
            return
        reference = reference_of(channel, key)
        items = []
        for line in order.lines:
            goods = self._goods[self._erp.name].get(line.sku.casefold())
            if goods is None:
                continue
            for at in line.allocations:
                place, units = self._erp_place[channel].get(at.location, ""), int(at.quantity)
                items.append(OrderItem(line.id, goods.external_id, goods.sku, place, units))
                self._promise(channel, (goods.sku.casefold(), place), units)
        if order.customer is not None:
            buyer = replace(order.customer, key=customer_reference(channel, order.customer.key))
            order = replace(order, customer=buyer)
        put = PutOrder(reference, order, tuple(items))
        await self._until_done(self._erp, "put_order", [Item(reference, put)], reference)

    async def _read_order(self, channel: str, key: str) -> Order | None:
        # Its stamp has to be over, or the connector would have it asked again.
        await self._clock.sleep(self._channels[channel].capabilities.order_stamp_ms / 1000)
        outcome = await self._until_done(
            self._channels[channel], "read_order", [Item(key, ReadOrder(key))], key
        )
        if outcome is None or outcome.result is not Result.DONE:
            return None
        event: Event = outcome.facts["event"]
        logged = LoggedEvent(0, self._clock.now_ms(), event)
        found = [one.value for one in self._channels[channel].source.decode(logged)]
        return next((one for one in found if isinstance(one, Order)), None)

    async def _until_done(
        self, system: System, operation: str, items: Sequence[Item], key: str
    ) -> Outcome | None:
        """Ask for one thing until it is done or refused for good; ``None``: it was not to be had in time."""
        for _ in range(TRIES_MAX):
            try:
                (outcome,) = await system.sink.deliver(operation, items, key)
            except AuthExpired:
                outcome = Outcome(Result.RETRY)
            if outcome.result in (*DONE, Result.REJECTED):
                return outcome
            await self._clock.sleep(
                RETRY_S if outcome.retry_after_s is None else max(0.1, outcome.retry_after_s)
            )
        return None

    # --- numbers ----------------------------------------------------------------------------------

    def _set(self, level: StockLevel, version: tuple[int, int]) -> None:
        key = level.sku.casefold(), level.location
        if self._figures.get(key, (-1, -1, 0))[:2] >= version:  # an event that was overtaken
            return
        news = int(level.available) != self._figures.get(key, (0, 0, None))[2]
        self._figures[key] = *version, int(level.available)
        if news:  # a read tells what a push has told already
            self._tell(key)

    def _promise(self, channel: str, key: tuple[str, str], units: int) -> None:
        """An order takes units of one location. An ERP that states what is there does not say so until they are sent."""
        self._open[channel, *key] += units
        if self._erp.capabilities.stock_read_basis is StockBasis.ON_HAND and key in self._figures:
            self._tell(key)

    def _tell(self, key: tuple[str, str]) -> None:
        for name, waiting in self._waiting.items():
            if key[1] in self._places[name]:
                waiting[key] = None
                self._signals[name].set()

    def _number(self, name: str, key: tuple[str, str]) -> int:
        """What the ERP says, less what it cannot know of, as the channel wants it written."""
        *_, units = self._figures[key]
        if self._erp.capabilities.stock_read_basis is StockBasis.ON_HAND:
            units -= sum(self._open[one, *key] for one in self._channels)
        contract = self._channels[name].capabilities.stock_contract
        return number_to_write(contract, max(0, units), self._open[name, *key])

    async def run(self) -> None:
        """Write and read until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name, channel in self._channels.items():
                group.create_task(self._write(name, channel))
            for system in self._systems.values():
                flow = Flow.INVENTORY if system is self._erp else Flow.ORDERS
                for stream in system.source.streams:
                    if Flow.CATALOG in stream.flows or (stream.snapshot and stream.tells(flow)):
                        group.create_task(self._read_once(system, stream))
                    elif stream.tells(flow):
                        self._announced[system.name, stream.name] = asyncio.Event()
                        group.create_task(self._read(system, stream))

    async def _write(self, name: str, channel: System) -> None:
        waiting, signal = self._waiting[name], self._signals[name]
        most = channel.sink.operations["set_stock"].batch_items_max
        number = 0
        while True:
            await signal.wait()
            keys = list(waiting)[:most]
            for key in keys:
                del waiting[key]
            if not waiting:
                signal.clear()
            number += 1
            again = await self._overwrite(name, channel, keys, f"{name}-{number}")
            for key in again:
                waiting.setdefault(key)
            if again:
                signal.set()
                await self._clock.sleep(RETRY_S)

    async def _overwrite(
        self, name: str, channel: System, keys: Sequence[tuple[str, str]], call: str
    ) -> list[tuple[str, str]]:
        """Set numbers whatever they are; returns those that have to go again."""
        known = {key: self._goods[name][key[0]] for key in keys if key[0] in self._goods[name]}
        # No expectation, which is what vendors that compare take for: do not.
        blind = cast("int", None)
        items = []
        for key, goods in known.items():
            at = self._places[name][key[1]]
            payload = SetStock(goods.sku, goods.stock_id, at, self._number(name, key), blind)
            items.append(Item(f"{goods.sku} {at}", payload))
        unknown = [key for key in keys if key not in known]  # the items are still being read
        if not items:
            return unknown
        try:
            outcomes = await channel.sink.deliver("set_stock", items, call)
        except AuthExpired:
            outcomes = [Outcome(Result.RETRY)] * len(items)
        ended = (*DONE, Result.REJECTED)
        return unknown + [key for key, one in zip(known, outcomes, strict=True) if one.result not in ended]

    # --- reads ------------------------------------------------------------------------------------

    async def _read_once(self, system: System, stream: PollStream) -> None:
        """All items, and what there is of them: nobody adds goods here, and changes are told or read."""
        for _ in range(TRIES_MAX):
            try:
                await self._pages(system, stream, None)
            except SynclineError:
                await self._clock.sleep(RETRY_S)
            else:
                return

    async def _read(self, system: System, stream: PollStream) -> None:
        cursor: Cursor | None = None
        announced = self._announced[system.name, stream.name]
        while True:
            announced.clear()
            try:
                cursor = await self._pages(system, stream, cursor)
            except SynclineError:
                await self._clock.sleep(RETRY_S)
                continue
            timer = self._clock.after(self._poll_s, announced.set)
            try:
                await announced.wait()
            finally:
                timer.cancel()

    async def _pages(self, system: System, stream: PollStream, cursor: Cursor | None) -> Cursor | None:
        async for page in system.source.poll(stream.name, cursor):
            cursor = page.cursor
            for event in page.events:
                self._act(system.name, event)
        return cursor
