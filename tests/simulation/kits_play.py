"""A shop that sells a set and its parts, and an ERP whose people take orders of all of them by telephone.

In the ERP the set is a kit: nothing is kept of it, an order of it promises the parts. What is checked after each step, and in
the end, is that every unit is missing from what the shop offers once: not twice, as demand and as what the ERP promised,
and not never.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.simulation.money_play import Play, Shopify

from syncline.engine.routes import Routes
from syncline.inventory.recipes import Recipes
from syncline.model.copying import replace
from syncline.ports import System
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

SET = "SET"
PARTS = {"MUG": 2, "TRAY": 1}
FEW = {"MUG": 60, "TRAY": 25}  # what there is of them, so that sets and parts compete
SETTLED_S = 150.0
STEPS = 60


class Shop(Shopify):
    """It sells the set as a product like any other, and knows nothing of what is in it."""

    def __init__(self, play: Play, apps: AsgiTransport) -> None:
        super().__init__(play, apps)
        self.sim.add_product(SET, "Gift set", Decimal("25.00"), {int(self.place): 0})

    def sent(self) -> Counter[tuple[str, str]]:
        """Units that the shop shows as sent, by order and SKU."""
        found: Counter[tuple[str, str]] = Counter()
        for order in self.sim.orders.values():
            for line in order.lines:
                found[str(order.id), line.variant.sku] += line.fulfilled_quantity
        return +found


@dataclass
class KitsPlay(Play):
    """``pending``: orders wait for approval in the ERP, and commit nothing until then."""

    kind: type = Shop
    pending: bool = False
    kits_tell: bool = True  # whether a kit's own line says what is promised of it
    shrinks: bool = False  # counts find less than was promised, so that orders wait for parts
    pushed: bool = True  # else the ERP is heard by polls alone
    step_by_step: bool = False  # each step is over before the next; everything is told three times over

    def make_erp(self, apps: AsgiTransport) -> None:
        super().make_erp(apps)
        self.erp.account.kits_tell = self.kits_tell
        self.erp.add_kit(SET, "Gift set", "25.00", PARTS)
        for sku, few in FEW.items():
            self.erp.opening_balance(sku, self.place, few - self.erp.on_hand(sku, self.place))

    def open_erp(self, opening: Any) -> System:
        self.netsuite = replace(self.netsuite, approve_orders=not self.pending)
        opened = super().open_erp(opening)
        if not self.pushed:
            self.erp.configure_push(None, [], enabled=False)
        return opened

    def routes(self) -> Routes:
        return Routes(super().routes().all, Recipes({SET: PARTS}))

    # --- people -----------------------------------------------------------------------------------

    def buy(self) -> None:
        skus = self.rng.sample((SET, *PARTS), self.rng.randint(1, 2))
        cart = {
            sku: units for sku in skus if (units := min(self.shop.offered(sku), self.rng.randint(1, 3))) > 0
        }
        if SET in cart and len(cart) > 1:  # the shop would sell both out of the same shelf
            cart = {SET: 1, **{sku: 1 for sku in cart if self.shop.offered(sku) > PARTS.get(sku, 0)}}
        if cart:
            self.shop.buy(cart, paid=self.rng.random() < 0.5)
            self.counts["orders"] += 1
            self.counts["sets"] += SET in cart

    def telephone(self) -> None:
        """Somebody orders in the ERP, of what is there."""
        sku = self.rng.choice((SET, *PARTS))
        there = self.free()[sku]
        if there > 0:
            units = min(there, self.rng.randint(1, 2))
            self.erp.enter_order([(sku, self.place, units, Decimal(9))])
            self.counts["by telephone"] += 1

    def phoned(self) -> list[int]:
        txns = self.erp.account.txns.values()
        return [t.id for t in txns if t.record == "salesOrder" and not t.external_id and t.status in "BDE"]

    def work_off(self) -> None:
        """An order by telephone is sent, or called off."""
        for number in self.phoned()[:1]:
            if self.rng.random() < 0.5:
                self.erp.ship(number, tracking=None)
            elif self.erp.order(number).status == "B":
                self.erp.cancel(number)

    def part_of(self) -> None:
        """One unit of one line leaves and more stays, or one waiting order is approved."""
        for key, order in self.booked().items():
            if self.shop.cancelled(key):
                continue
            if order.status == "A":
                self.erp.approve(order.id)
                return
            lines = [line for line in order.lines if line.role == "goods" and line.committed]
            if order.status == "B" and sum(line.committed for line in lines) > 1:
                line = next((line for line in lines if line.sku == SET), lines[0])
                self.erp.ship(order.id, tracking=f"P{order.id}", lines={line.line: 1})
                self.counts["parts"] += 1
                return

    def take_off(self) -> None:
        """The shop's people take a unit off a line of which nothing has left.

        Only step by step: who sends a parcel meanwhile leaves two people to talk to each other.
        """
        if not self.step_by_step:
            return
        for key, order in self.booked().items():
            lines = {x.id: x for x in self.shop.sim.orders[int(key)].lines}
            some = [n for n, x in lines.items() if x.current_quantity > 1 and not x.fulfilled_quantity]
            if order.status in "AB" and some and not self.shop.cancelled(key):
                self.shop.refund(key, some[0], 1)
                self.counts["taken off"] += 1
                return

    def shrink(self) -> None:
        """Less of a part is found than was promised."""
        sku = self.rng.choice(list(PARTS))
        lost = self.erp.available(sku, self.place) + self.rng.randint(1, 3)
        if self.shrinks and lost <= self.erp.on_hand(sku, self.place):
            self.erp.adjust(sku, self.place, -lost)
            self.counts["shrinks"] += 1

    def act(self) -> None:
        draw = self.rng.random()
        if draw < 0.1:
            self.telephone()
        elif draw < 0.16:
            self.work_off()
        elif draw < 0.28:
            self.part_of()
        elif draw < 0.32:
            come = self.rng.sample(list(PARTS), self.rng.randint(1, len(PARTS)))
            self.erp.receive([(sku, self.rng.randint(1, 4)) for sku in come], self.place)
        elif draw < 0.36:
            self.take_off()
        elif draw < 0.42:
            self.shrink()
        else:
            super().act()

    # --- what is true -----------------------------------------------------------------------------

    def free(self) -> dict[str, int]:
        """What nobody has ordered of each, by what the ERP holds alone: a set that waits for one part holds the other."""
        waits = Counter[str]()
        for order in self.booked().values():
            pending = order.status == "A"
            for line in self.erp.account.txns[order.id].lines:
                for each in line.members or [line]:
                    sku = self.erp.account.items[each.item].sku
                    waits[sku] += line.open * each.each if pending else each.backordered
        found = {sku: self.erp.available(sku, self.place) - waits[sku] for sku in PARTS}
        found[SET] = min(found[sku] // each for sku, each in PARTS.items())
        return {sku: max(0, units) for sku, units in found.items()}

    def stock(self) -> list[str]:
        found = [
            f"{sku}: {there} are free, {self.shop.offered(sku)} are offered"
            for sku, there in self.free().items()
            if self.shop.offered(sku) != there
        ]
        return found + self.parcels()

    def parcels(self) -> list[str]:
        """What was sent of a set is told as the set."""
        left: Counter[tuple[str, str]] = Counter()
        for parcel in self.erp.shipments():
            if parcel.order_external_id and parcel.status == "C":
                key = parcel.order_external_id.removeprefix("shop-")
                left.update({(key, sku): units for sku, units, _, _ in parcel.lines})
        shown = self.shop.sent()
        return [
            f"{at}: {left[at]} left, {shown[at]} are shown" for at in left | shown if left[at] != shown[at]
        ]

    def oversold(self) -> list[str]:
        """Where every step is over before the next begins, nothing is ever ordered that is not there."""
        if self.counts["shrinks"]:
            return []
        waits = {sku: self.erp.backordered(sku, self.place) for sku in PARTS}
        return [f"{sku}: {units} are promised and not there" for sku, units in waits.items() if units]

    async def problems(self) -> list[str]:
        self.erp.check_identities()
        return await super().problems()

    # --- step by step -----------------------------------------------------------------------------

    async def _play(self) -> list[str]:
        if not self.step_by_step:
            return await super()._play()
        self.store = SqliteStore.open(":memory:", now_ms=self.clock.now_ms())
        self.shop.sim.faults.webhook_copies_max = self.erp.faults.webhook_copies_max = 3
        self.open()
        await self.shop.connect(self.shop_system)
        self.loop.create_task(self.shop.sim.run())
        self.loop.create_task(self.erp.run())
        await self.clock.sleep(SETTLED_S)
        for step in range(STEPS):
            self.act()
            if self.rng.random() < 0.1:
                await self.clock.sleep(self.rng.uniform(0, 3))
                await self.kill()
                self.counts["kills"] += 1
            await self.clock.sleep(SETTLED_S)
            self.erp.check_identities()
            if found := self.stock() + self.oversold():
                return [f"step {step}: {one}" for one in found]
        if self.running.done():
            return [f"the engine ended: {self.running.exception()!r}"]
        rows = await self.store.read("parked_open", after=0, limit=50)
        return [f"parked: {row}" for row in rows if row[2] != "compare_total"]
