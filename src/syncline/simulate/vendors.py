"""The vendors' own connectors on the stage of a what-if, before the simulators that they are tested against.

A channel here is one shop's simulator, sold from by the same buyers as a light channel; the ERP is another's. What they hold,
what they tell and when, and what they allow are the simulators'; what they are asked is the connectors'. Nobody ships, invoices
or edits anything, for the light systems do not either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import TypeVar

from syncline.model.copying import replace
from syncline.model.payloads import PutOrder
from syncline.ports import Clock, Opening, System, Transport
from syncline.simulate.history import HistoryLine, StockCase
from syncline.simulate.lean import Outage, arrivals
from syncline.simulate.line import Doing, Inbound, Line
from syncline.simulate.sides import ERPS, SHOPS, ErpSide, Place, ShopSide
from syncline.simulate.sides.adobe_commerce import AdobeCommerceSide
from syncline.simulate.stage import Account, Placed
from syncline.simulate.trade import LOCATION_NAMES
from syncline.simulate.transport import AsgiTransport

HOOKS = "https://syncline.simulated"
TITLE_CHARS_MAX = 80
ORDER_TOPICS = frozenset({"orders/create", "com.adobe.commerce.observer.sales_order_save_commit_after"})

S = TypeVar("S", ShopSide, ErpSide)


def address_of(name: str) -> str:
    """Where a system's events arrive."""
    return f"{HOOKS}/hooks/{name}"


class Surroundings:
    """What every vendor of a play is given: time, chance and the way to our door."""

    def __init__(self, clock: Clock, rng: Random, doors: AsgiTransport, outage: Outage) -> None:
        self.clock = clock
        self.outage = outage
        self._rng = rng
        self.inbound = Inbound(doors, clock, outage)

    def chance(self) -> Random:
        """A source of chance of its own, from the seed."""
        return Random(self._rng.getrandbits(64))


class _Simulated:
    """What both kinds have in common. ``tells``: its events are heard, but for the ``lost`` share that never arrive."""

    def __init__(
        self,
        name: str,
        side: ShopSide | ErpSide,
        around: Surroundings,
        line: Line,
        *,
        lost: float,
        tells: bool,
    ) -> None:
        self.name = name
        self.wire = line
        self.tells = tells
        self._side = side
        self._around = around
        self._opened: System | None = None
        side.simulator.faults.webhook_lose_rate = lost
        side.simulator.faults.webhook_lost = self._lost

    def _lost(self, topic: str, skus: Sequence[str]) -> None:
        """The vendor lost an event."""

    def system(self) -> System:
        """The account as Syncline sees it; opened once, for two of them would not know of each other's calls."""
        if self._opened is None:
            around, side = self._around, self._side
            opening = Opening(self.name, side.settings(), around.clock, around.chance(), self.wire)
            self._opened = self.wire.watched(side.connector.open(opening))
        return self._opened

    async def run(self) -> None:
        """What the vendor does by itself: events and their retries."""
        await self._side.simulator.run()

    async def subscribe(self) -> None:
        """What is done once so that it tells of changes: inside of the product, or by a call.

        Raises:
            SynclineError: the call failed, and may be made again.
        """
        self._side.listen(address_of(self.name))
        prepare = self.system().prepare
        if self._side.subscribes and prepare is not None:
            await prepare(address_of(self.name))


def _line(
    side_of: Callable[[Transport], S], around: Surroundings, answered: Callable[[Doing], None]
) -> tuple[S, Line]:
    """A side, and the line to it: each on a network of its own, for all accounts of a vendor have one address here."""
    side = side_of(around.inbound)
    network = AsgiTransport(dict.fromkeys(side.origins(), side.simulator))
    return side, Line(network, around.clock, around.outage, answered)


class SimulatedChannel(_Simulated):
    """A vendor's shop that sells."""

    def __init__(
        self,
        name: str,
        account: Account,
        around: Surroundings,
        *,
        lost: float,
        tells: bool,
        written: Callable[[Sequence[str]], None],
    ) -> None:
        def wrote(doing: Doing) -> None:
            if doing.operation == "set_stock":
                written(list(dict.fromkeys(item.payload.sku for item in doing.items)))

        def opened(transport: Transport) -> ShopSide:
            return SHOPS[account.vendor](
                clock=around.clock,
                rng=around.chance(),
                transport=transport,
                sockets=False,
                licence=account.licence,
            )

        side, line = _line(opened, around, wrote)
        if isinstance(side, AdobeCommerceSide):  # of the others, what is subscribed to decides
            side.events = tells
            side.orders_since = _moment(around.clock.now_ms())
        super().__init__(name, side, around, line, lost=lost, tells=tells)
        self.side = side
        self.places: list[Place] = []
        self.orders_lost = 0

    def _lost(self, topic: str, skus: Sequence[str]) -> None:
        self.orders_lost += topic in ORDER_TOPICS

    def open(self, stock: StockCase, skus: Sequence[str], count: int) -> None:
        """Set the shop up with so many locations, showing the opening stock."""
        self.places = [self.side.add_place(place) for place in LOCATION_NAMES[:count]]
        for sku in skus:
            title, price, split = _goods(stock, sku, count)
            self.side.add_product(sku, title, price, dict(zip(self.places, split, strict=True)))

    def shows(self, sku: str) -> int:
        """What a buyer can have."""
        return sum(self.side.shown(sku, at) for at in self.places)

    def sell(self, one: Placed, lines: Sequence[HistoryLine], *, after_s: float, lost_share: float) -> str:
        """Check the lines out. The shop knows the order at once, and draws itself which events are lost."""
        done = self.side.sell(replace(one.order, lines=tuple(lines)))
        assert done.order_id is not None
        assert not done.refused, "the shop refused what it shows"
        return str(done.order_id)


class SimulatedErp(_Simulated):
    """A vendor's ERP that takes orders."""

    def __init__(
        self,
        name: str,
        account: Account,
        around: Surroundings,
        *,
        lost: float,
        tells: bool,
        booked: Callable[[str], None],
        untold: Callable[[Sequence[str] | None], None],
    ) -> None:
        self._untold = untold

        def put(doing: Doing) -> None:
            for item in doing.items if doing.operation == "put_order" else ():
                payload: PutOrder = item.payload
                if self.side.find(payload.reference) is not None:
                    booked(payload.reference)

        def opened(transport: Transport) -> ErpSide:
            return ERPS[account.vendor](
                clock=around.clock,
                rng=around.chance(),
                transport=transport,
                sockets=False,
                licence=account.licence,
            )

        side, line = _line(opened, around, put)
        super().__init__(name, side, around, line, lost=lost, tells=tells)
        self.side = side
        self.places: list[Place] = []
        self._target: dict[str, list[int]] = {}

    def _lost(self, topic: str, skus: Sequence[str]) -> None:
        self._untold(skus or None)

    def open(self, stock: StockCase, skus: Sequence[str], count: int) -> None:
        """Set the account up with so many locations, holding the opening stock."""
        self.places = [self.side.add_place(place) for place in LOCATION_NAMES[:count]]
        for sku in skus:
            title, price, split = _goods(stock, sku, count)
            self.side.add_item(sku, title, price)
            self._target[sku] = split
            for at, units in zip(self.places, split, strict=True):
                if units:
                    self.side.open_with(sku, at, units)

    def _there(self, sku: str) -> list[int]:
        return [self.side.available(sku, at) - self.side.backordered(sku, at) for at in self.places]

    def holds(self, sku: str) -> int:
        """Units that nobody was promised, of all locations."""
        return sum(self._there(sku))

    def receive(self, goods: Mapping[str, int]) -> None:
        """Goods arrive as at a light ERP, one document for each location."""
        by_place: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
        for sku, units in goods.items():
            for index, part in enumerate(arrivals(units, self._there(sku), self._target[sku])):
                if part:
                    by_place[index].append((sku, part))
        for index, lines in sorted(by_place.items()):
            self.side.receive(lines, self.places[index])


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _goods(stock: StockCase, sku: str, count: int) -> tuple[str, Decimal, list[int]]:
    """Title, price, and the opening stock at each location."""
    return stock.titles[sku][:TITLE_CHARS_MAX] or sku, stock.prices[sku], stock.at(sku, count)
