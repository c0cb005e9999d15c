"""A shop and an ERP without HTTP in which differences are planted, with the list of what was planted.

What is planted changes a system behind everybody's back: no event tells of it, and no poll finds it. Only
reading both sides again can.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from syncline.engine.engine import Engine
from syncline.engine.reconcile.differences import DAY_MS, Cause, Limits, Settings
from syncline.engine.reconcile.reconciler import Proof
from syncline.engine.routes import Route, Routes, stock_key
from syncline.model.change import Cursor, Event, Flow, Via
from syncline.model.copying import replace
from syncline.model.delivery import Item as Sent
from syncline.model.delivery import Operation, Outcome, Result
from syncline.model.payloads import PutOrder, ReadOrder, ReadStock, SetStock
from syncline.model.readings import Booked, Placed, Shown
from syncline.model.records import Item, Order, StockLevel
from syncline.ports import Part, Rereads, System
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.history import HistoryLine
from syncline.simulate.lean import LOCATIONS, UNPAID, LeanChannel, LeanErp, Told, Wire, order_of
from syncline.stores.sqlite import SqliteStore

SHOP, ERP = "shop", "erp"
CHUNK = 250  # variants, or orders, that a walk reads at once
BOOKED_CHUNK = 1_000
START_MS = 1_790_000_000_000
STOCKED = 200  # units of each SKU at each location in the beginning
UNMAPPED_MAX = 100
LOST_SKUS = 10  # of which orders are lost
FIRST_READ_S = 3_600.0
CLOSING_S = 600.0

STOCK_CAUSES = (
    Cause.MISSED_EVENT,
    Cause.CHANGED_AT_CHANNEL,
    Cause.REJECTED_WRITE,
    Cause.ROUNDING,
    Cause.UNMAPPED,
    Cause.DUPLICATE,
)
ORDER_CAUSES = (
    Cause.MISSING_IN_ERP,
    Cause.UNKNOWN_TO_SHOP,
    Cause.WRONG_LINES,
    Cause.WRONG_TOTAL,
    Cause.ROUNDING,
    Cause.DUPLICATE,
    Cause.MISSED_EVENT,
)
ORDERS_OF_TEN = 3  # of ten planted differences so many are of orders


class PlantedChannel(LeanChannel):
    """A shop that lists what it shows and its orders, and may refuse, hide and double."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.orders: dict[str, Order] = {}
        self.doubles: dict[str, str] = {}  # variant to the SKU that it shares
        self.refused: set[str] = set()  # SKUs whose number cannot be written
        self.operations = {
            **self.operations,
            "read_order": Operation("read_order", batch_items_max=10, reads_only=True, urgent=True),
        }

    def system(self) -> System:
        """The shop as Syncline sees it."""
        rereads = Rereads(
            shown=self._shown, shown_of=self._shown_of, placed=self._placed, placed_of=self._placed_of
        )
        return replace(super().system(), rereads=rereads)

    def report(self, order: Order, *, after_s: float, event_s: float, lost: bool) -> None:
        """As always; and the shop can list the order from now on."""
        self.orders[order.key] = order
        super().report(order, after_s=after_s, event_s=event_s, lost=lost)

    async def deliver(self, operation: str, items: Sequence[Sent], key: str) -> list[Outcome]:
        """Also read orders whole; refuse numbers of some SKUs."""
        if operation != "read_order":
            return await super().deliver(operation, items, key)
        back_s = await self.wire.there(operation, len(items))
        outcomes = [self._read(item.payload) for item in items]
        await self.wire.clock.sleep(back_s)
        return outcomes

    def _one(self, payload: SetStock | ReadStock) -> Outcome:
        if isinstance(payload, SetStock) and payload.sku in self.refused:
            return Outcome(Result.REJECTED, "this variant is locked")
        return super()._one(payload)

    def _read(self, payload: ReadOrder) -> Outcome:
        order = self.orders[payload.key]
        event = self.source.event(Told(orders=[order]), order.updated_at_ms, Via.READ)
        self.source.visible.append(event)
        return Outcome(Result.DONE, facts={"event": event})

    # --- reading again ----------------------------------------------------------------------------

    async def _shown(self, locations: Sequence[str], after: str) -> Part[Shown]:
        began_ms = self.wire.clock.now_ms()
        back_s = await self.wire.there("list stock", 0)
        ids = sorted([*self.numbers, *self.doubles])
        chosen = [id_ for id_ in ids if id_ > after][:CHUNK]
        rows = tuple(self._row(id_, locations) for id_ in chosen)
        await self.wire.clock.sleep(back_s)
        last = len(chosen) < CHUNK
        return Part(rows, began_ms, "" if last else chosen[-1], 1.0)

    async def _shown_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Shown]:
        began_ms = self.wire.clock.now_ms()
        back_s = await self.wire.there("list stock", len(items))
        rows = tuple(self._row(item.external_id, locations) for item in items)
        await self.wire.clock.sleep(back_s)
        return Part(rows, began_ms, "", 1.0)

    def _row(self, id_: str, locations: Sequence[str]) -> Shown:
        sku = self.doubles.get(id_, id_)
        return Shown(id_, sku, {at: self.numbers[sku][LOCATIONS.index(at)] for at in locations})

    async def _placed(self, since_ms: int, cursor: Cursor | None, after: str) -> Part[Placed]:
        began_ms = self.wire.clock.now_ms()
        back_s = await self.wire.there("list orders", 0)
        keys = list(self.orders)
        start = int(after or 0)
        chosen = keys[start : start + CHUNK]
        rows = tuple(
            _placed(self.orders[key]) for key in chosen if self.orders[key].updated_at_ms >= since_ms
        )
        await self.wire.clock.sleep(back_s)
        return Part(rows, began_ms, str(start + CHUNK) if start + CHUNK < len(keys) else "", 1.0)

    async def _placed_of(self, keys: Sequence[str]) -> Part[Placed]:
        began_ms = self.wire.clock.now_ms()
        back_s = await self.wire.there("list orders", len(keys))
        rows = tuple(_placed(self.orders[key]) for key in keys if key in self.orders)
        await self.wire.clock.sleep(back_s)
        return Part(rows, began_ms, "", 1.0)


def _placed(order: Order) -> Placed:
    return Placed(
        order.key,
        order.number,
        order.placed_at_ms,
        order.updated_at_ms,
        order.cancelled_at_ms is not None,
        order.total,
    )


class PlantedErp(LeanErp):
    """An ERP that can be asked for some figures and orders, and that is changed behind everybody's back."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.booked: list[Booked] = []
        self.fractions: dict[tuple[str, int], Decimal] = {}

    def system(self) -> System:
        """The ERP as Syncline sees it."""
        rereads = Rereads(levels_of=self._levels_of, booked=self._booked, booked_of=self._booked_of)
        return replace(super().system(), rereads=rereads)

    def book(self, order: PutOrder) -> Outcome:
        """As always; and the order can be found by its reference."""
        known = order.reference in self.held
        outcome = super().book(order)
        if not known:
            units: Counter[str] = Counter()
            for item in order.items:
                units[item.sku] += item.quantity
            told = {sku: Decimal(n) for sku, n in units.items()}
            number = outcome.facts["external_id"]
            self.booked.append(Booked(order.reference, number, "open", order.order.total, told))
        return outcome

    def _level(self, sku: str, index: int, stamp_ms: int, began_ms: int | None = None) -> StockLevel:
        level = super()._level(sku, index, stamp_ms, began_ms)
        more = self.fractions.get((sku, index))
        return level if more is None else replace(level, available=level.available + more)

    async def _levels_of(self, items: Sequence[Item], locations: Sequence[str]) -> Part[Event]:
        began_ms = self.wire.clock.now_ms()
        back_s = await self.wire.there("read some stock", len(items))
        now_ms = self.wire.clock.now_ms()
        levels = [
            self._level(item.sku, LOCATIONS.index(at), now_ms, began_ms) for item in items for at in locations
        ]
        body = msgspec.json.Encoder(decimal_format="string").encode(Told(levels=levels))
        event_id = f"{self.name} some {began_ms} {len(self.source.visible)}"
        await self.wire.clock.sleep(back_s)
        return Part((Event(self.name, "told", event_id, Via.READ, now_ms, body),), began_ms, "", 1.0)

    async def _booked(self, channel: str, since_ms: int, after: str) -> Part[Booked]:
        began_ms = self.wire.clock.now_ms()
        back_s = await self.wire.there("list orders", 0)
        start = int(after or 0)
        rows = tuple(self.booked[start : start + BOOKED_CHUNK])
        await self.wire.clock.sleep(back_s)
        more = start + BOOKED_CHUNK < len(self.booked)
        return Part(rows, began_ms, str(start + BOOKED_CHUNK) if more else "", 1.0)

    async def _booked_of(self, numbers: Mapping[str, str]) -> Part[Booked]:
        began_ms = self.wire.clock.now_ms()
        back_s = await self.wire.there("list orders", len(numbers))
        rows = tuple(row for row in self.booked if row.reference in numbers)
        await self.wire.clock.sleep(back_s)
        return Part(rows, began_ms, "", 1.0)


@dataclass(slots=True)
class Verdict:
    """What a proof made of what was planted: by route, key and cause."""

    planted: int
    missed: list[tuple[str, str, str]]
    wrong: list[tuple[str, str, str]]
    rows: dict[str, int]
    in_flight: int
    orders: int  # that flowed meanwhile
    took_s: float
    counts: dict[str, int] = field(default_factory=dict)


class PlantedWorld:
    """Both systems with Syncline between them, in virtual time."""

    def __init__(
        self, *, seed: int, skus: int, settings: Settings | None = None, per_minute: float = 50.0
    ) -> None:
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self._rng = Random(seed)
        self._per_minute = per_minute
        names = [f"SKU-{n:06}" for n in range(skus)]
        self.quiet, self.sold = names[: skus // 4], names[skus // 4 :]
        opening = {sku: (STOCKED,) * len(LOCATIONS) for sku in names}
        self.channel = PlantedChannel(SHOP, self._wire(), opening, tell=self._tell, tells=True)
        for sku in self.quiet[
            : min(skus // 50, UNMAPPED_MAX)
        ]:  # sold in the shop, and nowhere to be found in the ERP
            del opening[sku]
        self.unmapped = list(set(self.channel.numbers) - set(opening))
        self.quiet = [sku for sku in self.quiet if sku in opening]
        self.erp = PlantedErp(
            ERP, self._wire(), opening, rng=Random(self._rng.getrandbits(64)), tell=self._tell, tells=True
        )
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        places = {at: at for at in LOCATIONS}
        self.stock = Route(Flow.INVENTORY, ERP, SHOP, 5_000, locations=places)
        self.sales = Route(Flow.ORDERS, SHOP, ERP, 10_000, left_out=UNPAID)
        self.engine = Engine(
            store=self.store,
            clock=self.clock,
            rng=Random(self._rng.getrandbits(64)),
            systems=[self.channel.system(), self.erp.system()],
            routes=Routes([self.stock, self.sales]),
            owner="planted",
            lease_ttl_ms=DAY_MS,
            reconcile=settings or Settings(limits=Limits(100_000, 10_000_000, Decimal(1)), every_ms=0),
        )
        self.expected: dict[tuple[str, str, str], None] = {}
        self.placed = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._broken: BaseException | None = None

    def _wire(self) -> Wire:
        return Wire(self.clock, Random(self._rng.getrandbits(64)))

    def _tell(self, system: str, place: int) -> None:
        self._spawn(self.engine.ingress.accept(system, {}, str(place).encode()))

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = self._broken or task.exception()

    def run(self, story: Callable[[PlantedWorld], Any]) -> Any:
        """Play a story on both systems, read whole before it begins.

        Raises whatever the story raises; else the first error of what went on beside it.
        """
        try:
            told = self.loop.run_until_complete(self._play(story))
        finally:
            self.loop.run_until_complete(self._end())
            self.loop.close()
        if self._broken is not None:
            raise self._broken
        return told

    async def _play(self, story: Callable[[PlantedWorld], Any]) -> Any:
        running = self._spawn(self.engine.run())
        await self.clock.sleep(FIRST_READ_S)
        if running.done():
            await running
        return await story(self)

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.store.close()

    # --- what happens -----------------------------------------------------------------------------

    def buy(self, skus: Sequence[str], *, lost: bool = False) -> Order | None:
        """An order of one to three SKUs, a unit or two each; told unless it is lost for good."""
        self.placed += 1
        lines = []
        for sku in self._rng.sample(list(skus), min(len(skus), self._rng.randint(1, 3))):
            units = self._rng.randint(1, 2)
            if self.channel.shows(sku) >= units:
                line = HistoryLine(sku, sku, units, Decimal("9.95"))
                lines.append((line, self.channel.take(sku, units)))
        if not lines:
            return None
        order = order_of(f"{self.placed:07}", self.clock.now_ms(), lines)
        if lost:
            self.channel.orders[order.key] = order
        else:
            self.channel.report(
                order, after_s=0.0, event_s=self._rng.uniform(0.1, 0.8), lost=self._rng.random() < 0.02
            )
        return order

    async def trade(self) -> None:
        """Buyers, and goods that arrive, until cancelled."""
        while True:
            await self.clock.sleep(self._rng.expovariate(self._per_minute / 60))
            self.buy(self.sold)
            if self._rng.random() < 0.1:
                self.erp.receive({self._rng.choice(self.sold): self._rng.randint(1, 9)})

    async def plant(self, count: int) -> None:
        """Plant differences of all kinds; each is of a SKU or an order of its own."""
        rng, quiet = self._rng, self.quiet[:-LOST_SKUS]
        rng.shuffle(quiet)
        of_orders = count * ORDERS_OF_TEN // 10
        # Orders that are in both systems, to be hurt later.
        sound = [order for _ in range(of_orders) if (order := self.buy(self.sold)) is not None]
        self.channel.refused = set(quiet[: count // 10])
        for sku in self.channel.refused:  # a movement that the shop will refuse to take
            self.erp.receive({sku: 5})
        await self.clock.sleep(CLOSING_S)
        for sku in self.channel.refused:
            for index, at in enumerate(LOCATIONS):
                if self.erp.available[sku][index] != self.channel.numbers[sku][index]:
                    self._expect(self.stock, stock_key(sku, at), Cause.REJECTED_WRITE)
        for sku in self.unmapped:
            self._expect(self.stock, sku, Cause.UNMAPPED)
        rest = [sku for sku in quiet if sku not in self.channel.refused]
        for n in range(count - of_orders - len(self.expected)):
            self._plant_stock(rest[n], n)
        for n, order in enumerate(sound):
            self._plant_order(order, n)

    def _expect(self, route: Route, key: str, cause: Cause) -> None:
        self.expected[route.name, key, cause] = None

    def _plant_stock(self, sku: str, n: int) -> None:
        kinds: Sequence[Callable[[str, int], None]] = (
            self._missed_level,
            self._edited_number,
            self._fraction,
            self._second_variant,
        )
        kinds[n % len(kinds)](sku, n % len(LOCATIONS))

    def _missed_level(self, sku: str, index: int) -> None:
        self.erp.available[sku][index] -= 7
        self._expect(self.stock, stock_key(sku, LOCATIONS[index]), Cause.MISSED_EVENT)

    def _edited_number(self, sku: str, index: int) -> None:
        self.channel.numbers[sku][index] += 3 if self._rng.random() < 0.5 else -3
        self._expect(self.stock, stock_key(sku, LOCATIONS[index]), Cause.CHANGED_AT_CHANNEL)

    def _fraction(self, sku: str, index: int) -> None:
        self.erp.fractions[sku, index] = Decimal("0.5")
        self.erp._say([(sku, index)], [])  # noqa: SLF001 - told: the two sides differ by what is rounded only
        self._expect(self.stock, stock_key(sku, LOCATIONS[index]), Cause.ROUNDING)

    def _second_variant(self, sku: str, index: int) -> None:
        self.channel.doubles[f"{sku} again"] = sku
        self._expect(self.stock, f"{sku}\x1f#{sku} again", Cause.DUPLICATE)

    def _plant_order(self, order: Order, n: int) -> None:
        reference = f"{SHOP}-{order.key}"
        at = next(i for i, row in enumerate(self.erp.booked) if row.reference == reference)
        row = self.erp.booked[at]
        cause = ORDER_CAUSES[n % len(ORDER_CAUSES)]
        key = order.key
        if cause is Cause.MISSING_IN_ERP:
            lost = self.buy(self.quiet[-LOST_SKUS:], lost=True)
            if lost is None:
                return
            # Its units fell at the shop without a word as well; both are found.
            key = lost.key
            for line in lost.lines:
                for allocation in line.allocations:
                    self._expect(
                        self.stock, stock_key(line.sku, allocation.location), Cause.CHANGED_AT_CHANNEL
                    )
        elif cause is Cause.UNKNOWN_TO_SHOP:
            key = f"9{order.key}"
            self.erp.booked.append(replace(row, reference=f"{SHOP}-{key}", external_id=f"x{at}"))
        elif cause is Cause.WRONG_LINES:
            sku = next(iter(row.units))
            self.erp.booked[at] = replace(row, units={**row.units, sku: row.units[sku] + 1})
        elif cause is Cause.WRONG_TOTAL:
            self.erp.booked[at] = replace(row, total=row.total + 5)
        elif cause is Cause.ROUNDING:
            self.erp.booked[at] = replace(row, total=row.total + Decimal("0.01"))
        elif cause is Cause.DUPLICATE:
            self.erp.booked.append(replace(row, external_id=f"twice {at}"))
        else:
            self.channel.orders[key] = replace(order, updated_at_ms=self.clock.now_ms(), note="changed")
        self._expect(self.sales, key, cause)

    # --- the proof --------------------------------------------------------------------------------

    async def prove(self, *, dry_run: bool) -> list[Proof]:
        """Have both routes proved while buyers go on, and wait for the end."""
        trading = self._spawn(self.trade())
        proofs = await self.engine.reconciler.ask(flow="", route="", dry_run=dry_run, by="test")
        while not all(proof.over for proof in proofs):
            await self.clock.sleep(5.0)
        trading.cancel()
        return proofs

    async def judged(self, *, dry_run: bool = True) -> Verdict:
        """A proof, held against what was planted."""
        began_s, before = self.clock.monotonic(), self.placed
        proofs = await self.prove(dry_run=dry_run)
        found: dict[tuple[str, str, str], None] = {}
        for route in (self.stock, self.sales):
            rows = await self.store.read(
                "differences_open", route=route.name, state="", cause="", limit=1_000_000
            )
            found |= {(row[0], row[1], row[2]): None for row in rows}
        counts: Counter[str] = Counter(cause for _, _, cause in found)
        return Verdict(
            planted=len(self.expected),
            missed=[one for one in self.expected if one not in found],
            wrong=[one for one in found if one not in self.expected],
            rows={proof.route: proof.rows for proof in proofs},
            in_flight=sum(proof.counts.get(Cause.IN_FLIGHT, 0) for proof in proofs),
            orders=self.placed - before,
            took_s=self.clock.monotonic() - began_s,
            counts=dict(counts),
        )
