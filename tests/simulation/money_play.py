"""A shop and an ERP in which money and goods go both ways, played under faults and kills, with a ledger of what is true.

Buyers pay at once or on terms; the ERP's people ship, bill, take in deposits and bank transfers, receive goods back and
call orders off; the shop's people refund and cancel. What is checked is what both simulators hold in the end: each payment
and each refund once on both sides, and none that came back as an echo.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from tests.simulation.alone import ALONE
from tests.simulation.files_play import _tidy, only_death

from syncline.connectors.adobe_commerce import CONNECTOR as ADOBE
from syncline.connectors.adobe_commerce import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator, make_keys, public_pem
from syncline.connectors.adobe_commerce.simulator import Buyer as AdobeBuyer
from syncline.connectors.adobe_commerce.simulator import CartLine as AdobeLine
from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.connectors.netsuite import NetSuiteSettings
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, OrderTruth, make_certificate
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify import ShopifySettings
from syncline.connectors.shopify.simulator import Buyer, CartLine, ShopifySimulator
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.ports import Opening, System
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.hooks import HooksApp
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import SeverableStore, SeverableTransport, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

HOOKS = "https://syncline.simulated"
PUSH_SECRET = "simulated-push-secret-0123456789"
CLIENT_ID = "simulated-client"
START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
SKUS = ("MUG", "LAMP", "TRAY")
STOCK = 400
TRADE_S = 400.0
STEP_S = 120.0
SETTLE_S_MAX = 2_400.0
FAULTS = NetworkFaults(0.02, 0.10, 0.02, 0.02)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Seen:
    """A payment or a refund as a shop's books show it. ``mark`` is what we write on our own; "" on others."""

    order: str
    ident: str
    amount: Decimal
    mark: str
    units: int = 0


class Shopify:
    """A Shopify shop and its people."""

    def __init__(self, play: Play, apps: AsgiTransport) -> None:
        self.sim = ShopifySimulator(
            clock=play.clock,
            rng=Random(play.rng.getrandbits(64)),
            transport=play.inbound,
            access_token="shpat_0123456789",
            client_secrets=("shpss_0123456789_0123456789",),
        )
        apps.register(f"https://{self.sim.shop}", self.sim.app)
        self.place = str(self.sim.add_location("Reading"))
        for sku in SKUS:
            self.sim.add_product(sku, sku, Decimal("10.00"), {int(self.place): STOCK})
        self.hooks = self.sim.hooks

    def open(self, opening: Any) -> System:
        settings = ShopifySettings(
            shop=self.sim.shop,
            access_token="shpat_0123456789",
            webhook_secrets=("shpss_0123456789_0123456789",),
            plan="plus",
            orders_since="2026-01-01T00:00:00Z",
        )
        return SHOPIFY.open(opening(settings))

    async def connect(self, system: System) -> None:
        assert system.prepare is not None
        await system.prepare(f"{HOOKS}/hooks/shop")

    def buy(self, cart: dict[str, int], *, paid: bool) -> str:
        lines = [CartLine(sku, units) for sku, units in cart.items()]
        placed = self.sim.checkout(lines, customer=Buyer("Ada", "Lovelace", "ada@b.example"), paid=paid)
        assert placed.order_id is not None
        return str(placed.order_id)

    def keys(self) -> list[str]:
        return [str(key) for key in self.sim.orders]

    def cancelled(self, key: str) -> bool:
        return self.sim.orders[int(key)].cancelled

    def cancel(self, key: str) -> bool:
        if self.sim.orders[int(key)].fulfillments:
            return False
        self.sim.cancel_order(int(key), restock=True)
        return True

    def shipped(self, key: str) -> dict[int, int]:
        """Lines of which everything has left and is still the buyer's."""
        return {
            line.id: line.current_quantity
            for line in self.sim.orders[int(key)].lines
            if line.current_quantity and not line.open_quantity
        }

    def refund(self, key: str, line: int, units: int) -> None:
        self.sim.refund(int(key), {line: units}, restock=line % 2 == 0)

    def payments(self) -> list[Seen]:
        return [
            Seen(str(order.id), str(t.id), t.amount, t.gateway if "ERP" in t.gateway else "")
            for order in self.sim.orders.values()
            for t in order.transactions
            if t.kind == "SALE"
        ]

    def refunds(self) -> list[Seen]:
        return [
            Seen(
                str(order.id),
                str(r.id),
                sum((t.amount for t in r.transactions), ZERO),
                (r.note or "").removeprefix("Syncline: "),
                sum(x.quantity for x in r.lines if x.line.fulfilled_quantity),
            )
            for order in self.sim.orders.values()
            for r in order.refunds
        ]

    def total(self, key: str) -> Decimal:
        return self.sim.orders[int(key)].current_total

    def offered(self, sku: str) -> int:
        return self.sim.available(sku)


class Adobe:
    """An Adobe Commerce shop and its people. It takes whole payments only."""

    def __init__(self, play: Play, apps: AsgiTransport) -> None:
        origin = "https://simulated-commerce.example"
        self.sim = AdobeCommerceSimulator(
            clock=play.clock,
            rng=Random(play.rng.getrandbits(64)),
            transport=play.inbound,
            origin=origin,
            workers=16,
        )
        apps.register(origin, self.sim)
        self.place = self.sim.add_source("reading")
        for sku in SKUS:
            self.sim.add_product(sku, sku, Decimal("10.00"), {self.place: STOCK})
        self.origin = origin

    def open(self, opening: Any) -> System:
        held = self.sim.integration
        settings = AdobeCommerceSettings(
            base_url=self.origin,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            order_source="reading",
            event_public_keys=tuple(public_pem(key) for key in make_keys()),
            event_client_id=CLIENT_ID,
            orders_since="2026-01-01T00:00:00Z",
        )
        return ADOBE.open(opening(settings))

    async def connect(self, system: System) -> None:
        self.sim.register_events(f"{HOOKS}/hooks/shop", CLIENT_ID, EVENT_FIELDS)

    def buy(self, cart: dict[str, int], *, paid: bool) -> str:
        lines = [AdobeLine(sku, units, 0, "") for sku, units in cart.items()]
        self.sim.checkout(
            lines, buyer=AdobeBuyer("ada@b.example", "Ada", "Lovelace"), registered=True, paid=paid
        )
        return str(max(self.sim.orders))

    def keys(self) -> list[str]:
        return [str(key) for key in self.sim.orders]

    def cancelled(self, key: str) -> bool:
        return self.sim.orders[int(key)].state in ("canceled", "closed")

    def cancel(self, key: str) -> bool:
        return self.sim.sales.cancel(self.sim.orders[int(key)])

    def shipped(self, key: str) -> dict[int, int]:
        lines = self.sim.orders[int(key)].lines
        return {x.item_id: x.ordered - x.canceled - x.refunded for x in lines if not x.to_ship and x.shipped}

    def refund(self, key: str, line: int, units: int) -> None:
        self.sim.sales.refund(self.sim.orders[int(key)], {line: units}, shipping_minor=0)

    def payments(self) -> list[Seen]:
        return [
            Seen(str(order.entity_id), str(x.entity_id), Decimal(x.total_minor) / 100, x.comment)
            for order in self.sim.orders.values()
            for x in order.invoices
            if x.paid
        ]

    def refunds(self) -> list[Seen]:
        return [
            Seen(
                str(order.entity_id),
                str(x.entity_id),
                Decimal(x.total_minor) / 100,
                x.comment.removeprefix("Syncline: "),
                sum(units for line, units in x.lines if line.shipped),
            )
            for order in self.sim.orders.values()
            for x in order.creditmemos
        ]

    def total(self, key: str) -> Decimal:
        order = self.sim.orders[int(key)]
        return Decimal(order.grand_minor - order.refunded_minor) / 100

    def offered(self, sku: str) -> int:
        return self.sim.salable(sku)


@dataclass
class Play:
    """One seed of one shop. ``partly``: money comes in parts, where the shop can show a part."""

    seed: int
    kind: type = Shopify
    kills: int = 1
    restock: bool = False
    banked: dict[str, Decimal] = field(default_factory=dict)  # what the ERP alone received, by order
    returned: list[tuple[str, int, int]] = field(default_factory=list)  # order, receipt, units
    called_off: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        apps = AsgiTransport({})
        self.outbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.inbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.shop = self.kind(self, apps)
        self.hooks = HooksApp()
        self.make_erp(apps)
        apps.register(HOOKS, self.hooks)

    # --- the ERP ----------------------------------------------------------------------------------

    def make_erp(self, apps: AsgiTransport) -> None:
        private, public, kid = make_certificate()
        self.erp = NetSuiteSimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.inbound,
            tier="enterprise",
            certificates={kid: public},
        )
        apps.register(self.erp.origin, self.erp)
        self.place = self.erp.add_location("Reading")
        for sku in SKUS:
            self.erp.add_item(sku, sku, "10.00")
            self.erp.opening_balance(sku, self.place, STOCK)
        tax = self.erp.add_item("SHOP-TAX", "Tax from the shop", None, kind="OthCharge", role="tax")
        web = self.erp.add_customer("web-customer", companyname="Web customer")
        self.netsuite = NetSuiteSettings(
            account=self.erp.account_id,
            client_id="syncline-demo-client",
            certificate_id=kid,
            private_key=private,
            push_secrets=(PUSH_SECRET,),
            timezone="America/Los_Angeles",
            tax="keep",
            tax_item=str(tax),
            web_customer=str(web),
        )

    def open_erp(self, opening: Any) -> System:
        self.erp.configure_push(f"{HOOKS}/hooks/erp", [PUSH_SECRET])
        return NETSUITE.open(opening(self.netsuite))

    # --- the engine -------------------------------------------------------------------------------

    def routes(self) -> Routes:
        poll: Any = {"poll_interval_ms": 60_000}
        back: Any = {**poll, "restock": self.restock}
        at = {str(self.place): self.shop.place}
        return Routes(
            [
                Route(
                    Flow.INVENTORY,
                    "erp",
                    "shop",
                    15_000,
                    locations=at,
                    reconcile_interval_ms=1_800_000,
                    **poll,
                ),
                Route(Flow.ORDERS, "shop", "erp", 20_000, **poll),
                Route(Flow.ORDER_STATUS, "erp", "shop", 30_000, **back),
                Route(Flow.PAYMENTS, "erp", "shop", 60_000, **poll),
                Route(Flow.RETURNS, "erp", "shop", 60_000, **back),
            ]
        )

    def open(self) -> None:
        self.switch = Switch()
        network = SeverableTransport(self.outbound, self.switch)
        rng = Random(self.rng.getrandbits(64))

        def opening(name: str) -> Any:
            return lambda settings: Opening(name, settings, self.clock, Random(rng.getrandbits(64)), network)

        self.shop_system = self.shop.open(opening("shop"))
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=rng,
            systems=[self.shop_system, self.open_erp(opening("erp"))],
            routes=self.routes(),
            owner="embedded",
            **ALONE,
        )
        self.hooks.engine = self.engine
        self.running = self.loop.create_task(self.engine.run())

    async def kill(self) -> None:
        self.switch.cut = True
        self.hooks.engine = None
        tasks = [self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            only_death(result)
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))
        self.open()

    # --- people -----------------------------------------------------------------------------------

    def booked(self) -> dict[str, OrderTruth]:
        return {
            reference.removeprefix("shop-"): orders[0]
            for reference, orders in self.erp.sales_orders_by_external_id().items()
        }

    def buy(self) -> None:
        cart = {sku: self.rng.randint(1, 3) for sku in self.rng.sample(SKUS, self.rng.randint(1, 2))}
        self.shop.buy(cart, paid=self.rng.random() < 0.5)
        self.counts["orders"] += 1

    def paid_there(self, key: str) -> bool:
        return any(payment.order == key and not payment.mark for payment in self.shop.payments())

    def ship(self, key: str, order: OrderTruth) -> bool:
        ready = order.status in ("B", "D", "E")
        if ready:
            self.counts["parcels"] += len(
                self.erp.ship(order.id, tracking=f"T{key}-{self.counts['parcels']}")
            )
        return ready

    def account(self, key: str, order: OrderTruth) -> bool:
        """Bills what has left; money that the shop took was deposited, other money comes by the bank."""
        if order.status != "F":
            return False
        if self.paid_there(key):
            deposited = any(d.order_external_id == order.external_id for d in self.erp.deposits())
            if deposited:
                self.erp.settle(self.erp.bill(order.id))
            return deposited
        before = self.banked.get(key, ZERO)
        invoice = self.erp.bill(order.id)
        total = self.erp.account.txns[invoice].total
        if before:  # a deposit is applied
            self.erp.settle(invoice, before)
        self.bank(key, invoice, total - before)
        return True

    def bank(self, key: str, invoice: int, due: Decimal) -> None:
        parts = [due] if self.rng.random() < 0.5 or due < 2 else [due - 1, Decimal(1)]
        delay = 0.0
        for part in parts:
            self.clock.after(delay, lambda part=part: self.transfer(key, invoice, part))
            delay += self.rng.uniform(30, 400)

    def transfer(self, key: str, invoice: int, part: Decimal) -> None:
        self.erp.settle(invoice, part)
        self.banked[key] = self.banked.get(key, ZERO) + part
        self.counts["transfers"] += 1

    def deposit(self, key: str, order: OrderTruth) -> bool:
        fit = order.status == "B" and not self.paid_there(key) and key not in self.banked
        if fit:
            self.erp.deposit(order.id, "1.00")
            self.banked[key] = Decimal("1.00")
            self.counts["deposits"] += 1
        return fit

    def take_back(self, key: str, order: OrderTruth) -> bool:
        """Goods that the shop sold for money come back to the warehouse without a word."""
        if order.status != "G" or not self.paid_there(key):
            return False
        shipped = {line.line: line.shipped for line in order.lines if line.role == "goods" and line.shipped}
        known = {line for line, units in self.shop.shipped(key).items() if units}
        if len(known) < len(shipped) or any(r.order == key for r in self.shop.refunds()):
            return False  # refunded by the shop's people: nobody sends goods back twice
        if any(back == key for back, _, _ in self.returned):
            return False
        number, units = next(iter(shipped.items()))
        made = self.erp.take_back(order.id, {number: min(units, self.rng.randint(1, 2))})
        receipt = next(
            txn
            for txn in self.erp.account.txns.values()
            if txn.record == "itemReceipt" and txn.created_from == made
        )
        self.returned.append((key, receipt.id, sum(line.quantity or 0 for line in receipt.lines)))
        return True

    def give_back(self, key: str) -> bool:
        """The shop's people refund goods that left."""
        left = {line: units for line, units in self.shop.shipped(key).items() if units}
        fit = bool(left) and self.paid_there(key) and not any(back == key for back, _, _ in self.returned)
        if fit:
            line, _ = next(iter(left.items()))
            self.shop.refund(key, line, 1)
            self.counts["refunds"] += 1
        return fit

    def call_off(self, key: str, order: OrderTruth) -> bool:
        fit = order.status == "B" and key not in self.banked
        if fit:
            self.erp.cancel(order.id)
            self.called_off.add(key)
        return fit

    def act(self) -> None:
        draw = self.rng.random()
        booked = self.booked()
        live = [key for key in booked if not self.shop.cancelled(key) and key not in self.called_off]
        if draw < 0.3 or not live:
            self.buy()
            return
        # Whoever does something looks for an order that it can be done to.
        for key in self.rng.sample(live, len(live)):
            if self.did(draw, key, booked[key]):
                return

    def did(self, draw: float, key: str, order: OrderTruth) -> bool:
        if draw < 0.5:
            return self.ship(key, order)
        if draw < 0.7:
            return self.account(key, order)
        if draw < 0.75:
            return self.deposit(key, order)
        if draw < 0.84:
            return self.take_back(key, order)
        if draw < 0.91:
            return self.give_back(key)
        if draw < 0.96:
            return self.call_off(key, order)
        return order.status == "B" and key not in self.banked and self.shop.cancel(key)

    async def trade(self) -> None:
        ends = self.clock.monotonic() + TRADE_S
        while self.clock.monotonic() < ends:
            await self.clock.sleep(self.rng.expovariate(1 / 5.0))
            self.act()

    async def trouble(self) -> None:
        while True:
            self.outbound.faults = FAULTS
            await self.clock.sleep(self.rng.uniform(20, 90))
            self.outbound.faults = NetworkFaults(0.1, 0.3, 0.1, 0.1, 500)
            await self.clock.sleep(self.rng.uniform(10, 40))

    async def die(self) -> None:
        for _ in range(self.kills):
            await self.clock.sleep(self.rng.uniform(0.2, 0.9) * TRADE_S / self.kills)
            await self.kill()

    # --- the play ---------------------------------------------------------------------------------

    def play(self) -> list[str]:
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(_tidy())
            self.loop.close()

    async def _play(self) -> list[str]:
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        await self.before()
        self.open()
        await self.shop.connect(self.shop_system)
        spawn = self.loop.create_task
        spawn(self.shop.sim.run())
        spawn(self.erp.run())
        await self.clock.sleep(60.0)
        trouble, death = spawn(self.trouble()), spawn(self.die())
        await self.trade()
        await death
        trouble.cancel()
        self.outbound.faults = NetworkFaults()
        waited, problems = 0.0, ["it did not begin"]
        while problems and waited < SETTLE_S_MAX and not self.running.done():
            self.finish()
            await self.clock.sleep(STEP_S)
            waited += STEP_S
            problems = await self.problems()
        await self.clock.sleep(1_200.0)  # what agrees has to stay so
        problems = await self.problems()
        if self.running.done():
            problems.append(f"the engine ended: {self.running.exception()!r}")
        ledgers = (self.shop.sim.ledger, self.erp.ledger)
        return problems + [
            f"breach: {kind}" for ledger in ledgers for kind, n in ledger.breaches.items() if n
        ]

    def finish(self) -> None:
        """The ERP's people work off what there is."""
        for key, order in self.booked().items():
            if not self.shop.cancelled(key) and key not in self.called_off:
                self.ship(key, order)
                self.account(key, order)

    async def before(self) -> None:
        """What is in the store before anything runs."""

    async def problems(self) -> list[str]:
        rows = await self.store.read("parked_open", after=0, limit=50)
        found = [f"parked: {row}" for row in rows if row[2] != "compare_total"]
        return found + self.money() + self.goods() + self.stock()

    def money(self) -> list[str]:
        """Each payment once on both sides."""
        found = []
        told: dict[str, Decimal] = {}
        theirs: Counter[str] = Counter()
        for payment in self.shop.payments():
            if payment.mark:
                told[payment.order] = told.get(payment.order, ZERO) + payment.amount
            else:
                theirs[f"shop-{payment.order}-pay-{payment.ident}"] += 1
        for key in told.keys() | self.banked.keys():
            there, here = self.banked.get(key, ZERO), told.get(key, ZERO)
            if there != here:
                found.append(f"order {key}: the ERP received {there}, the shop shows {here} of it")
        deposits = Counter(deposit.external_id for deposit in self.erp.deposits() if deposit.external_id)
        booked = self.booked()
        for reference, count in theirs.items():
            key = reference.split("-")[1]
            if deposits[reference] != count and not (self.shop.cancelled(key) and key not in booked):
                found.append(f"{reference}: {deposits[reference]} deposits")
        found += [f"{reference}: an echo" for reference in deposits if reference not in theirs]
        return found

    def goods(self) -> list[str]:
        """Each return once on both sides, and what the ERP called off is called off."""
        found = []
        ours = {refund.mark: refund for refund in self.shop.refunds() if refund.mark}
        made = Counter(refund.mark for refund in self.shop.refunds() if refund.mark)
        for key, receipt, units in self.returned:
            mark = f"erp return {receipt}"
            if made[mark] != 1:
                found.append(f"{mark} of order {key}: {made[mark]} refunds")
            elif ours[mark].units != units or ours[mark].amount <= 0:
                found.append(f"{mark} of order {key}: {units} units came back, {ours[mark]}")
        known = {f"erp return {receipt}" for _, receipt, _ in self.returned} | {"called off by the ERP"}
        found += [f"{mark}: nothing came back" for mark in made if mark not in known]
        returns = Counter(r.external_id for r in self.erp.returns() if r.external_id)
        theirs = [r for r in self.shop.refunds() if not r.mark and r.units]
        for refund in theirs:
            reference = f"shop-{refund.order}-ref-{refund.ident}"
            if returns[reference] != 1:
                found.append(f"{reference}: {returns[reference]} returns")
        if len(returns) != len(theirs):
            found.append(f"{len(theirs)} refunds of the shop, {len(returns)} returns with their names")
        found += [f"order {key} is not cancelled" for key in self.called_off if not self.shop.cancelled(key)]
        return found

    def stock(self) -> list[str]:
        return [
            f"{sku}: {left} are left, {self.shop.offered(sku)} are offered"
            for sku in SKUS
            if (left := self.erp.available(sku, self.place)) != self.shop.offered(sku)
        ]
