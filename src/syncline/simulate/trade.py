"""The people of a made-up world: buyers in the shop, staff in the ERP; and the truth about both.

Every figure here comes from the simulators' own state, never from Syncline's books.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from syncline.engine.routes import reference_of
from syncline.ports import Clock
from syncline.simulate.history import HistoryOrder, StockCase
from syncline.simulate.sides import ErpSide, Place, ShopSide
from syncline.simulate.sides.ports import BookedOrder

LOCATION_NAMES = ("Main warehouse", "North depot", "Returns and overflow")
SAFETY_FROM_STOCK = 20  # locations with at least so many units keep one back
WITHDRAWAL_GAP_MS = 60_000  # the same shelf is not taken from twice within this time
CARRIERS = ("Royal Mail", "DPD", "UPS")


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened, counted from the simulators' ledgers once everything is quiet."""

    orders_placed: int
    orders_in_erp: int
    orders_duplicated: int
    orders_lost: int
    order_lines_wrong: int
    order_totals_wrong: int
    orders_refused: int
    units_asked: int
    units_hidden: int
    units_oversold: int
    stock_mismatches: int
    fulfilments_shipped: int
    fulfilments_at_shop: int
    fulfilments_doubled: int
    payments_taken: int
    payments_in_erp: int
    outside_withdrawals: int
    outside_units: int


class Trade:
    """Opens the stock, places orders, ships them, and counts what came of it."""

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        shop: ShopSide,
        erp: ErpSide,
        channel: str,
        locations: Sequence[tuple[Place, Place]],
    ) -> None:
        self._clock = clock
        self._rng = rng
        self.shop = shop
        self.erp = erp
        self._channel = channel
        self.locations = list(locations)
        self._shop_of = dict(locations)
        self._erp_of = {shop_at: erp_at for erp_at, shop_at in locations}
        self.skus: list[str] = []
        self._safe: list[tuple[str, Place]] = []
        self._withdrawn_at: dict[tuple[str, Place], int] = {}
        self._promised: Counter[tuple[str, Place]] = Counter()
        self._aside: Counter[tuple[str, Place]] = Counter()
        self._not_in_erp: dict[int, list[tuple[str, Place, int]]] = {}
        self._to_ship: dict[int, None] = {}
        self._deficit: dict[tuple[str, Place], int] = {}
        self.placed: list[int] = []
        self.given_back: set[int] = (
            set()
        )  # orders whose goods came back; the ERP writes a document of its own
        self.refused_orders = 0
        self.units_asked = 0
        self.units_hidden = 0
        self.withdrawals = 0
        self.units_withdrawn = 0

    # --- opening ----------------------------------------------------------------------------------

    @classmethod
    def found(
        cls,
        *,
        clock: Clock,
        rng: Random,
        shop: ShopSide,
        erp: ErpSide,
        channel: str,
    ) -> Trade:
        """Create the same locations on both sides."""
        pairs = [(erp.add_place(name), shop.add_place(name)) for name in LOCATION_NAMES[: shop.locations]]
        return cls(clock=clock, rng=rng, shop=shop, erp=erp, channel=channel, locations=pairs)

    def stock(self, case: StockCase, skus: Iterable[str]) -> None:
        """Create the goods on both sides, with the opening stock of the case in agreement.

        Locations with 20 units and more keep a safety stock of one, in the ERP's configuration; the
        shop opens with what the rule shows of it.
        """
        for sku in skus:
            title, price = case.titles[sku][:80] or sku, case.prices[sku]
            self.erp.add_item(sku, title, price)
            shown: dict[Place, int] = {}
            for (erp_at, shop_at), quantity in zip(self.locations, self._split(case, sku), strict=True):
                if quantity:
                    self.erp.open_with(sku, erp_at, quantity)
                safety = 1 if quantity >= SAFETY_FROM_STOCK else 0
                if safety:
                    self.erp.set_safety_stock(sku, erp_at, safety)
                    self._safe.append((sku, erp_at))
                shown[shop_at] = max(0, quantity - safety)
            self.shop.add_product(sku, title, price, shown)
            self.skus.append(sku)

    def _split(self, case: StockCase, sku: str) -> list[int]:
        """The opening stock of a SKU at each location; what a location that is not played would hold lies at the last."""
        quantities, played = case.split(sku), len(self.locations)
        return [*quantities[: played - 1], sum(quantities[played - 1 :])]

    # --- buyers -----------------------------------------------------------------------------------

    def place(self, order: HistoryOrder) -> int | None:
        """A buyer checks out what history says; returns the shop's order id, or ``None`` if refused."""
        self.units_asked += sum(line.quantity for line in order.lines)
        self.settle()
        before = {line.sku: self._free(line.sku) for line in order.lines}
        done = self.shop.sell(order)
        for line in done.accepted:
            before[line.sku] -= line.quantity
        for line in done.refused:
            if line.sku in before and before[line.sku] >= line.quantity:
                self.units_hidden += line.quantity
                before[line.sku] -= line.quantity
        if done.order_id is None:
            self.refused_orders += 1
            return None
        self.placed.append(done.order_id)
        self._promise(done.order_id)
        return done.order_id

    def _free(self, sku: str) -> int:
        """Units that the ERP could still give: above its safety stock, less promises unknown to it."""
        return sum(
            max(0, self.erp.available(sku, at) - self.erp.safety_stock(sku, at)) - self._promised[sku, at]
            for at in self._shop_of
        )

    def _promise(self, order_id: int) -> None:
        taken = [(line.sku, self._erp_of[line.at], line.quantity) for line in self.shop.wanted(order_id)]
        for sku, at, quantity in taken:
            self._promised[sku, at] += quantity
            self._judge(sku, at)
        self._not_in_erp[order_id] = taken

    def _judge(self, sku: str, at: Place) -> None:
        """Oversold: units promised, here or waiting in the ERP, that this shelf cannot give.

        Where goods are brought to the one location that orders leave from, all shelves are asked together.
        """
        lacking = sum(
            self._promised[sku, place] + self.erp.backordered(sku, place) - self.erp.available(sku, place)
            for place in ((at,) if self.shop.names_place else self._shop_of)
        )
        if lacking > self._deficit.get((sku, at), 0):
            self._deficit[sku, at] = lacking

    def settle(self) -> None:
        """Notice which orders have reached the ERP: they are its own promise from now on."""
        for order_id in list(self._not_in_erp):
            if self.erp.find(reference_of(self._channel, str(order_id))) is None:
                continue
            for sku, at, quantity in self._not_in_erp.pop(order_id):
                self._promised[sku, at] -= quantity
                if self.erp.backordered(sku, at):
                    self._judge(sku, at)
            self._to_ship[order_id] = None

    def aside(self, sku: str, at: Place) -> int:
        """Units of one ERP location that the shop set aside itself."""
        return self._aside[sku, at]

    def set_aside(self, sku: str, at: Place, units: int) -> None:
        """Units that the shop keeps back without an order, of which the ERP is not told; negative: no more."""
        self.settle()
        self._aside[sku, at] += units
        self._promised[sku, at] += units
        self._judge(sku, at)

    def adopt(self, order_id: int) -> None:
        """An order that staff made."""
        self.units_asked += sum(line.quantity for line in self.shop.wanted(order_id))
        self.placed.append(order_id)
        self._promise(order_id)

    def shop_location(self, erp_at: Place) -> Place:
        """The shop's id of a location."""
        return self._shop_of[erp_at]

    # --- staff ------------------------------------------------------------------------------------

    def withdraw(self) -> int:
        """Another warehouse ships, or a sales representative sells: from the seed, blind to the shop.

        It takes at most a location's safety stock at once, so what the shop may show stays covered
        while it is told; and it never goes below the safety stock itself.
        """
        if not self._safe:
            return 0
        self.settle()
        sku, at = self._safe[self._rng.randrange(len(self._safe))]
        now_ms = self._clock.now_ms()
        if now_ms - self._withdrawn_at.get((sku, at), -WITHDRAWAL_GAP_MS) < WITHDRAWAL_GAP_MS:
            return 0
        by = "warehouse" if self._rng.random() < 0.5 else "sales rep"
        if self._aside[sku, at]:  # nobody could know in the ERP that these are promised
            return 0
        took = self.erp.withdraw(sku, at, self.erp.safety_stock(sku, at), by)
        if took:
            self._withdrawn_at[sku, at] = now_ms
            self.withdrawals += 1
            self.units_withdrawn += took
            self._judge(sku, at)
        return took

    def receive(self, lines: int = 5) -> int:
        """Goods arrive at the main warehouse for SKUs drawn from the seed; returns the units."""
        at = self.locations[0][0]
        picks = dict.fromkeys(self._rng.choice(self.skus) for _ in range(lines))
        goods = [(sku, 10 + self._rng.randrange(40)) for sku in picks]
        self.erp.receive(goods, at)
        return sum(quantity for _, quantity in goods)

    def ship(self, limit: int) -> int:
        """Ship up to ``limit`` orders that the ERP holds, oldest first; returns the parcels."""
        self.settle()
        self._gather()
        parcels = 0
        for order_id in list(self._to_ship)[:limit]:
            erp_id = self.erp.find(reference_of(self._channel, str(order_id)))
            if erp_id is None or not self.erp.ready(erp_id):
                continue
            parcels += self.erp.ship(erp_id, f"SL{order_id}", CARRIERS[order_id % len(CARRIERS)])
            del self._to_ship[order_id]
        self.erp.paperwork()
        return parcels

    def _gather(self) -> None:
        """Bring what orders wait for to where they leave from, in a shop that names no location."""
        if self.shop.names_place:
            return
        target = self.locations[0][0]
        for sku in self.skus:
            for source, _ in self.locations[1:]:
                units = min(self.erp.backordered(sku, target), self.erp.available(sku, source))
                if units > 0:
                    self.erp.transfer(sku, source, target, units)

    def to_ship(self) -> int:
        """Orders in the ERP that nobody has shipped yet."""
        return len(self._to_ship)

    # --- truth ------------------------------------------------------------------------------------

    def should_show(self, sku: str, erp_at: Place) -> int:
        """What the rule shows of the ERP's ledger at one location, less what the shop set aside there itself."""
        there = self.erp.available(sku, erp_at) - self.erp.safety_stock(sku, erp_at)
        return max(0, there - self.aside(sku, erp_at))

    def mismatches(self) -> list[tuple[str, Place, int, int]]:
        """SKU, ERP location, what the shop shows, what the rule says; only where they differ."""
        self.settle()
        found = []
        for sku in self.skus:
            for erp_at, shop_at in self.locations if self.shop.names_place else self.locations[:1]:
                shown, right = self.shop.shown(sku, shop_at), self._right(sku, erp_at)
                if shown != right:
                    found.append((sku, erp_at, shown, right))
        return found

    def lost(self) -> list[int]:
        """The shop's orders that the ERP does not have, in the order in which they were placed."""
        found = self.erp.orders()
        return [
            order_id
            for order_id in self.placed
            if reference_of(self._channel, str(order_id)) not in found and not self.shop.cancelled(order_id)
        ]

    def _right(self, sku: str, erp_at: Place) -> int:
        if self.shop.names_place:
            return self.should_show(sku, erp_at)
        return sum(self.should_show(sku, at) for at in self._shop_of)

    def agrees(self) -> bool:
        """Whether both ledgers say the same now."""
        truth = self.truth()
        return (
            not truth.orders_lost
            and not truth.stock_mismatches
            and truth.fulfilments_shipped == truth.fulfilments_at_shop
            and truth.payments_taken == truth.payments_in_erp
        )

    def truth(self) -> Truth:
        """Count everything from both ledgers."""
        self.settle()
        found = self.erp.orders()
        present = doubled = lost = lines_wrong = totals_wrong = 0
        for order_id in self.placed:
            orders = found.get(reference_of(self._channel, str(order_id)), [])
            cancelled = self.shop.cancelled(order_id)
            if cancelled and not orders:
                continue
            present += bool(orders)
            lost += not orders
            doubled += max(0, len(orders) - 1)
            if orders and not self.overtaken(order_id, orders[0]):
                lines_wrong += self._lines(order_id) != _erp_lines(orders[0])
                same = cancelled or order_id in self.given_back
                totals_wrong += not same and self.shop.total(order_id) != orders[0].total
        shipments = [
            parcel for parcel in self.erp.shipments() if parcel.reference.startswith(f"{self._channel}-")
        ]
        told: Counter[str] = Counter()
        for number, units in self.shop.parcels():
            told[number] += units
        left: Counter[str] = Counter()
        for parcel in shipments:
            if parcel.number is not None:
                left[parcel.number] += parcel.units
        return Truth(
            orders_placed=len(self.placed),
            orders_in_erp=present,
            orders_duplicated=doubled,
            orders_lost=lost,
            order_lines_wrong=lines_wrong,
            order_totals_wrong=totals_wrong,
            orders_refused=self.refused_orders,
            units_asked=self.units_asked,
            units_hidden=self.units_hidden,
            units_oversold=sum(self._deficit.values()),
            stock_mismatches=len(self.mismatches()),
            fulfilments_shipped=len(shipments),
            fulfilments_at_shop=sum(told[number] >= units for number, units in left.items()),
            fulfilments_doubled=sum(units > left[number] for number, units in told.items()),
            payments_taken=sum(
                self.shop.payments(order_id)
                for order_id in self.placed
                if reference_of(self._channel, str(order_id)) in found
            ),
            payments_in_erp=len(set(self.erp.payments())),
            outside_withdrawals=self.withdrawals,
            outside_units=self.units_withdrawn,
        )

    def _lines(self, order_id: int) -> Counter[tuple[str, Place, Decimal]]:
        """SKU, ERP location and price, with the units that the shop's order still wants."""
        lines: Counter[tuple[str, Place, Decimal]] = Counter()
        if self.shop.cancelled(order_id):
            return lines
        for line in self.shop.wanted(order_id):
            if line.quantity:
                lines[line.sku, self._erp_of[line.at], line.price] += line.quantity
        return lines

    def overtaken(self, order_id: int, erp: BookedOrder) -> bool:
        """Whether more has left the ERP than the shop's order still wants: the buyer was too late."""
        wanted: Counter[str] = Counter()
        for (sku, _, _), quantity in self._lines(order_id).items():
            wanted[sku] += quantity
        left: Counter[str] = Counter()
        for line in erp.lines:
            left[line.sku] += line.shipped
        return any(quantity > wanted[sku] for sku, quantity in left.items())


def _erp_lines(order: BookedOrder) -> Counter[tuple[str, Place, Decimal]]:
    lines: Counter[tuple[str, Place, Decimal]] = Counter()
    for line in order.lines:
        if line.quantity:
            lines[line.sku, line.at, line.price] += line.quantity
    return lines
