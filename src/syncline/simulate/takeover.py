"""A shop and an ERP with a past: another connector kept them before, and not everything is in order.

From a seed: goods that are written otherwise on one side, without a SKU or with one twice; orders
exported under the other connector's references, some twice, some never, some with other lines. The
truth is counted in the simulators' own ledgers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify.simulator import CartLine, OrderRecord
from syncline.engine.adopt.adopter import Adopter
from syncline.engine.engine import Engine
from syncline.model.copying import replace
from syncline.ports import Opening, Store, System, Transport
from syncline.simulate.former import FormerNetSuite, Line, former_of
from syncline.simulate.world import ERP, SHOP, World

RULES = {SHOP: FormerNetSuite.rules}
STOCK = 500  # of each SKU, at the first location
GAP_S = 60.0  # between two orders of the past
COLOURS = ("Red", "Blue", "Green", "White", "Black", "Amber")
THINGS = ("lantern", "mug", "kettle", "basket", "cushion", "frame", "candle")


@dataclass(frozen=True, slots=True)
class Past:
    """How much there was, and how much of it is odd. Counts; ``skus`` and ``orders`` include the odd ones."""

    skus: int = 200
    orders: int = 120
    open: int = 12  # the newest orders, not sent yet
    respelled: int = 3  # SKUs that the ERP writes otherwise
    by_barcode: int = 3  # SKUs that have nothing but the barcode in common
    blank: int = 2  # variants without a SKU
    doubled: int = 2  # SKUs of two variants
    unnamed: int = 5  # open orders that were exported without an external id
    missing: int = 2  # open orders that were never exported
    twice: int = 1  # open orders that were exported twice
    different: int = 1  # open orders that were exported with one unit less


@dataclass(slots=True)
class Left:
    """What the other connector left behind, by the shop's ids of orders."""

    skus: list[str] = field(default_factory=list)  # the shop's, those in order
    odd_skus: dict[str, str] = field(default_factory=dict)  # the shop's to the ERP's, where they differ
    done: list[int] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    unnamed: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    different: list[int] = field(default_factory=list)


class TakeOver:
    """A world with a past, and Syncline coming into it."""

    def __init__(self, world: World, past: Past, rng: Random) -> None:
        self.world = world
        self.former = former_of(world.erp_side)
        self.past = replace(past, **dict.fromkeys(self.former.never, 0))
        self.left = Left()
        self.rules = {SHOP: self.former.rules}
        self._rng = rng
        self._erp_at, self._shop_at = world.trade.locations[0]

    # --- the past -------------------------------------------------------------------------------------

    async def live(self, pass_time: Callable[[float], Awaitable[None]] | None = None) -> Left:
        """Let the past happen, ``GAP_S`` from order to order; on a virtual clock that takes no time."""
        wait = pass_time or self.world.clock.sleep
        self._goods()
        past, left = self.past, self.left
        first_open = past.orders - past.open
        for n in range(past.orders):
            await wait(GAP_S)
            order = self.order()
            if n < first_open:
                self._export(order)
                self.ship(order)
                left.done.append(order.id)
            else:
                self._export_oddly(order, n - first_open)
                left.open.append(order.id)
        self.former.leave()
        return left

    def _goods(self) -> None:
        past, world = self.past, self.world
        price = Decimal("10.00")
        names = [f"GOOD-{n:05}" for n in range(past.skus)]
        for n, sku in enumerate(names):
            title = f"{self._rng.choice(COLOURS)} {self._rng.choice(THINGS)} {n}"
            barcode, erp_sku = f"50{n:011}", sku
            if n < past.respelled:
                erp_sku = world.erp_side.spelt(f"good {n}")
            elif n < past.respelled + past.by_barcode:
                erp_sku = f"ITEM{n * 7919}"
            self.former.add_item(erp_sku, title, price, barcode)
            world.erp_side.open_with(erp_sku, self._erp_at, STOCK)
            careful = n >= past.respelled  # the respelled ones have no barcode at the shop either
            world.shop.add_product(
                sku, title, price, {self._shop_at: STOCK}, barcode=barcode if careful else ""
            )
            if erp_sku == sku:
                self.left.skus.append(sku)
            else:
                self.left.odd_skus[sku] = erp_sku
        for _ in range(past.blank):
            world.shop.add_product("", "Sample without a number", price, {self._shop_at: 1}, careless=True)
        for sku in names[-past.doubled :] if past.doubled else ():
            world.shop.add_product(sku, "The same again", price, {self._shop_at: 1}, careless=True)

    def order(self, skus: Sequence[str] = ()) -> OrderRecord:
        """A buyer orders one to three goods."""
        some = skus or self._rng.sample(self.left.skus, self._rng.randint(1, 3))
        lines = [CartLine(sku, self._rng.randint(1, 3), None) for sku in some]
        done = self.world.shop.checkout(lines)
        assert done.order_id is not None
        return self.world.shop.orders[done.order_id]

    def lines_of(self, order: OrderRecord) -> list[Line]:
        """Its goods as the ERP has them."""
        return [
            (
                self.left.odd_skus.get(line.variant.sku, line.variant.sku),
                self._erp_at,
                line.quantity,
                line.unit_price,
            )
            for line in order.lines
        ]

    def _export(self, order: OrderRecord, *, named: bool = True, less: int = 0) -> Any:
        """What the other connector wrote: its own external id and the order's name, or the name only, where that can be."""
        lines = self.lines_of(order)
        if less:
            sku, at, quantity, rate = lines[0]
            lines[0] = (sku, at, quantity + less, rate)
        return self.former.export(order, lines, named=named)

    def _export_oddly(self, order: OrderRecord, n: int) -> None:
        past, left = self.past, self.left
        for count, odd in (
            (past.unnamed, left.unnamed),
            (past.missing, left.missing),
            (past.twice, left.twice),
            (past.different, left.different),
        ):
            if n < count:
                odd.append(order.id)
                break
            n -= count
        if order.id in left.missing:
            return
        self._export(order, named=order.id not in left.unnamed, less=int(order.id in left.different))
        if order.id in left.twice:
            self._export(order, named=False)

    def export_late(self, order: OrderRecord) -> Any:
        """The other connector is still on and exports one more."""
        return self._export(order)

    def ship(self, order: OrderRecord) -> None:
        """The warehouse ships it whole, and the other connector tells the shop."""
        for erp_id in self.in_erp(order):
            self.former.ship(erp_id, f"OLD{order.id}")
        for fulfillment_order in order.fulfillment_orders:
            parts = [
                (fulfillment_order, part, part.remaining)
                for part in fulfillment_order.lines
                if part.remaining
            ]
            if parts:
                self.world.shop.send_parcel(order, parts, ())

    # --- Syncline ---------------------------------------------------------------------------------------

    def systems(self, transport: Transport, rng: Random) -> list[System]:
        """Both systems; an ERP that can be is set to tell of orders without an external id."""
        shop, erp = self.world.settings()
        erp = self.former.settings(erp)
        return [
            SHOPIFY.open(Opening(SHOP, shop, self.world.clock, rng, transport)),
            self.world.erp_side.connector.open(Opening(ERP, erp, self.world.clock, rng, transport)),
        ]

    def adopter(
        self, store: Store, systems: Sequence[System], rng: Random, owner: str = "embedded"
    ) -> Adopter:
        """One take-over of the shop."""
        return Adopter(
            store=store,
            clock=self.world.clock,
            rng=rng,
            systems=systems,
            routes=self.world.routes(),
            rules=self.rules,
            owner=owner,
            progress=lambda _what, _count: None,
        )

    def engine(self, store: Store, systems: Sequence[System], rng: Random) -> Engine:
        """Syncline itself, not yet running."""
        return Engine(
            store=store,
            clock=self.world.clock,
            rng=rng,
            systems=systems,
            routes=self.world.routes(),
            calls_max={SHOP: 16, ERP: self.world.erp_side.calls_max},
            owner="embedded",
            adopt=self.rules,
        )

    # --- truth ------------------------------------------------------------------------------------------

    def in_erp(self, order: OrderRecord) -> list[Any]:
        """Every sales order of the ERP that stands for an order of the shop, whoever wrote it."""
        return self.former.held(order, SHOP)

    def held(self) -> dict[int, int]:
        """How many of the shop's orders the ERP holds how often."""
        counts: dict[int, int] = {}
        for order in self.world.shop.orders.values():
            times = len(self.in_erp(order))
            counts[times] = counts.get(times, 0) + 1
        return counts

    def wrong_numbers(self) -> list[tuple[str, int, int]]:
        """SKUs of which the shop shows something else than the ERP has available, less what is only in the shop."""
        kept: dict[str, int] = {}
        for order_id in self.left.missing:
            for line in self.world.shop.orders[order_id].lines:
                kept[line.variant.sku] = kept.get(line.variant.sku, 0) + line.open_quantity
        found = []
        for sku in [*self.left.skus, *self.left.odd_skus]:
            erp_sku = self.left.odd_skus.get(sku, sku)
            right = max(0, self.world.erp_side.available(erp_sku, self._erp_at) - kept.get(sku, 0))
            shown = self.world.shop.available(sku, self._shop_at)
            if shown != right:
                found.append((sku, shown, right))
        return found
