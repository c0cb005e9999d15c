"""What Syncline is compared with: an integration that sets a number whenever it hears of one.

It forwards every order to the ERP, and whenever the ERP says what it has available, writes that to every
channel. It knows no demand that the ERP's figure cannot contain, expects nothing of what it overwrites, and
makes no difference between urgent and not. It is kept fair in everything else: it hears events as soon as
Syncline does, sends as many values in a call as the vendor takes, the newest of each, one call to a channel
at a time, tries again after a failure, and reads what it may have missed as often as Syncline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from syncline.model.change import Cursor, Event, Kind, LoggedEvent
from syncline.model.delivery import Item
from syncline.model.errors import Retryable
from syncline.model.payloads import OrderItem, PutOrder, ReadOrder
from syncline.model.records import Order, StockLevel
from syncline.ports import Clock
from syncline.simulate.lean import LeanChannel, LeanErp

RETRY_S = 5.0  # as often as Syncline probes a vendor that is down


class SetOnEvent:
    """One flow for orders and one for stock, as an integration platform would have them."""

    def __init__(
        self, clock: Clock, channels: Mapping[str, LeanChannel], erp: LeanErp, *, poll_ms: int
    ) -> None:
        self._clock = clock
        self._channels = channels
        self._erp = erp
        self._poll_s = poll_ms / 1000
        self._seen: set[str] = set()
        self._figures: dict[tuple[str, str], tuple[int, int]] = {}
        self._waiting: dict[str, dict[tuple[str, str], int]] = {name: {} for name in channels}
        self._signals = {name: asyncio.Event() for name in channels}
        self._group: asyncio.TaskGroup | None = None

    def hear(self, system: str, place: int) -> None:
        """An event arrived."""
        source = self._erp.source if system == self._erp.name else self._channels[system].source
        self._act(source.visible[place])

    def _act(self, event: Event) -> None:
        if event.event_id in self._seen:
            return
        self._seen.add(event.event_id)
        system = self._channels.get(event.system, self._erp)
        logged = LoggedEvent(0, self._clock.now_ms(), event)
        for change in system.source.decode(logged):
            if isinstance(change.value, Order):
                self._start(change.value, event.system)
            elif isinstance(change.value, StockLevel) and change.kind is Kind.STOCK:
                self._set(change.value, (change.version, change.tiebreak))

    def _start(self, order: Order, channel: str) -> None:
        assert self._group is not None
        self._group.create_task(self._forward(order, channel))

    async def _forward(self, told: Order, channel: str) -> None:
        order = told if told.complete else await self._whole(told.key, channel)
        items = tuple(
            OrderItem(line.id, line.sku, line.sku, at.location, int(at.quantity))
            for line in order.lines
            for at in line.allocations
        )
        put = PutOrder(f"{channel}-{order.key}".lower(), order, items)
        while True:
            try:
                await self._erp.deliver("put_order", [Item(order.key, put)], order.key)
            except Retryable:
                await self._clock.sleep(RETRY_S)
            else:
                return

    async def _whole(self, key: str, channel: str) -> Order:
        """An order as it is read, where its event does not tell all of it."""
        while True:
            try:
                (outcome,) = await self._channels[channel].deliver(
                    "read_order", [Item(key, ReadOrder(key))], key
                )
            except Retryable:
                await self._clock.sleep(RETRY_S)
                continue
            logged = LoggedEvent(0, self._clock.now_ms(), outcome.facts["event"])
            (change,) = self._channels[channel].source.decode(logged)
            assert isinstance(change.value, Order)
            return change.value

    def _set(self, level: StockLevel, version: tuple[int, int]) -> None:
        key = level.sku, level.location
        if self._figures.get(key, (-1, -1)) >= version:  # an event that was overtaken
            return
        self._figures[key] = version
        for name, waiting in self._waiting.items():
            waiting[key] = int(level.available)
            self._signals[name].set()

    async def run(self) -> None:
        """Write and read until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for channel in self._channels.values():
                group.create_task(self._write(channel))
                group.create_task(self._read(channel, "orders"))
            group.create_task(self._read(self._erp, "movements"))

    async def _write(self, channel: LeanChannel) -> None:
        waiting, signal = self._waiting[channel.name], self._signals[channel.name]
        while True:
            await signal.wait()
            values = dict(list(waiting.items())[: channel.shape.values_per_call])
            for key in values:
                del waiting[key]
            if not waiting:
                signal.clear()
            try:
                await channel.overwrite(values)
            except Retryable:
                for key, quantity in values.items():
                    waiting.setdefault(key, quantity)
                signal.set()
                await self._clock.sleep(RETRY_S)

    async def _read(self, system: LeanChannel | LeanErp, stream: str) -> None:
        cursor: Cursor | None = None
        while True:
            try:
                async for page in system.source.poll(stream, cursor):
                    cursor = page.cursor
                    for event in page.events:
                        self._act(event)
            except Retryable:
                await self._clock.sleep(RETRY_S)
                continue
            await self._clock.sleep(self._poll_s)
