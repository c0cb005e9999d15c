"""The whole engine between a simulated Shopify shop and a simulated Business Central, while things go wrong.

Buyers order, cancel, change and give back; staff receives, ships, invoices (which deletes the order) and sells by itself;
answers are lost, notifications are lost, doubled and late, the ERP is down, throttles or refuses tokens, Syncline is killed. What
is checked is what the simulators hold: every order is in the ERP once, with its payment and its returns, every parcel
is at the shop once, and what buyers may still buy is what the ERP has left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from random import Random

import pytest

from syncline.connectors.business_central import CONNECTOR as BUSINESS_CENTRAL
from syncline.connectors.business_central import BusinessCentralSettings, rows
from syncline.connectors.business_central.client import Client
from syncline.connectors.business_central.reads import Reads
from syncline.connectors.business_central.simulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    BusinessCentralSimulator,
    OrderTruth,
)
from syncline.connectors.business_central.sink import BusinessCentralSink
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify import ShopifySettings
from syncline.connectors.shopify.simulator import Buyer, CartLine, ShopifySimulator
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.engine.subscriptions import keep
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.hooks import HooksApp
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import Killed, SeverableStore, SeverableTransport, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
HOOKS = "https://syncline.simulated"
SHOP = "simulated.myshopify.com"
TOKEN = "shpat_simulated"
SHOP_SECRET = "simulated-client-secret-0123456789"
ERP_SECRET = "simulated-client-state-0123456789"
SKUS = [f"SKU-{n}" for n in range(8)]
STOCK = 80
TRADE_S = 1_800.0
STEP_S = 60.0
AGREE_S_MAX = 2 * 3_600.0
TAX = Decimal("0.2")
ALWAYS = NetworkFaults(0.02, 0.06, 0.02, 0.02)


@dataclass
class Play:
    """One seed: the two vendors, the people, and the engine between them."""

    seed: int
    faults: bool = True
    kills: int = 1
    shipped: int = 0
    finished: int = 0
    returns: int = 0
    cancelled: int = 0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        apps = AsgiTransport({})
        self.outbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.inbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.shop = ShopifySimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.inbound,
            shop=SHOP,
            plan="plus",
            access_token=TOKEN,
            client_secrets=(SHOP_SECRET,),
        )
        self.erp = BusinessCentralSimulator(
            clock=self.clock, rng=Random(self.rng.getrandbits(64)), transport=self.inbound
        )
        self.hooks = HooksApp()
        apps.register(f"https://{SHOP}", self.shop)
        for origin in self.erp.origins:
            apps.register(origin, self.erp)
        apps.register(HOOKS, self.hooks)
        self.erp.set_tax("STANDARD", "20")
        self.places = [(self.erp.add_location(x), self.shop.add_location(x)) for x in ("MAIN", "NORTH")]
        for sku in SKUS:
            self.erp.add_item(sku, sku, "10.00")
            for code, _ in self.places:
                self.erp.receive(sku, code, STOCK)
            self.shop.add_product(sku, sku, Decimal("10.00"), {at: 0 for _, at in self.places})
        self.erp.add_customer("WEB", "Web guests")
        self.settings = BusinessCentralSettings(
            tenant=self.erp.tenant,
            company_id=self.erp.company_id,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            webhook_secrets=(ERP_SECRET,),
            currency="GBP",
            web_customer="WEB",
            tax="keep",
            tax_account="5610",
            zero_tax_code="ZERO",
            shipping_account="6710",
            payment_journal="WEB",
            post_returns=True,
        )

    # --- the engine -------------------------------------------------------------------------------

    def open(self) -> None:
        """Syncline, as a process that has just started on what the last one left."""
        self.switch = Switch()
        network = SeverableTransport(self.outbound, self.switch)
        rng = Random(self.rng.getrandbits(64))
        shopify = ShopifySettings(shop=SHOP, access_token=TOKEN, webhook_secrets=(SHOP_SECRET,), plan="plus")
        systems = [
            SHOPIFY.open(Opening("shop", shopify, self.clock, Random(rng.getrandbits(64)), network)),
            BUSINESS_CENTRAL.open(
                Opening("erp", self.settings, self.clock, Random(rng.getrandbits(64)), network)
            ),
        ]
        at = {code: str(location) for code, location in self.places}
        routes = [
            Route(
                Flow.INVENTORY,
                "erp",
                "shop",
                15_000,
                locations=at,
                poll_interval_ms=120_000,
                reconcile_interval_ms=1_800_000,
            ),
            Route(Flow.ORDERS, "shop", "erp", 20_000, poll_interval_ms=120_000),
            Route(Flow.ORDER_STATUS, "erp", "shop", 60_000, poll_interval_ms=120_000),
        ]
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=rng,
            systems=systems,
            routes=Routes(routes),
            owner="embedded",
        )
        self.hooks.engine = self.engine
        self.running = [self.loop.create_task(self.engine.run())]
        self.running += [
            self.loop.create_task(keep(self.engine, name, f"{HOOKS}/hooks/{name}", lambda _: None))
            for name in ("shop", "erp")
        ]

    async def kill(self) -> None:
        """As ``kill -9``: from now on nothing that the process does counts; then another one starts."""
        self.switch.cut = True
        self.hooks.engine = None
        tasks = [*self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            only_death(result)
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))
        self.open()

    async def die(self) -> None:
        for _ in range(self.kills):
            await self.clock.sleep(self.rng.uniform(0.1, 0.9) * TRADE_S / self.kills)
            await self.kill()

    # --- people -----------------------------------------------------------------------------------

    def buy(self) -> None:
        rng = self.rng
        cart = [CartLine(sku, rng.randint(1, 4)) for sku in rng.sample(SKUS, rng.randint(1, 3))]
        cart = [replace(line, discount=Decimal(rng.choice(("0", "0", "1.37")))) for line in cart]
        buyer = Buyer(first_name="A", last_name="buyer", email=f"a{rng.randrange(6)}@shop.example")
        self.shop.checkout(
            cart,
            customer=rng.choice((buyer, None)),
            shipping=Decimal("4.95"),
            tax_rate=TAX,
            paid=rng.random() < 0.7,
        )

    def booked(self) -> dict[int, list[OrderTruth]]:
        """The ERP's orders by the shop's."""
        found: dict[int, list[OrderTruth]] = {}
        for reference, orders in self.erp.orders_by_reference().items():
            found.setdefault(int(reference.rpartition("-")[2]), []).extend(orders)
        return found

    def second_thoughts(self) -> None:
        """Somebody cancels or changes what has not left, or gives back what has."""
        rng = self.rng
        key = rng.choice(list(self.shop.orders) or [0])
        order = self.shop.orders.get(key)
        if order is None or order.cancelled:
            return
        there = self.booked().get(key, ())
        line = order.lines[0]
        if not any(x.shipped for one in there for x in one.lines):
            if rng.random() < 0.5:
                self.shop.cancel_order(key, restock=True)
                self.cancelled += 1
            elif line.current_quantity > 1:
                self.shop.edit_order(key, line.id, line.current_quantity - 1)
        elif line.fulfilled_quantity == line.current_quantity > 1 and order.received_minor():
            self.shop.refund(key, {line.id: 1}, restock=True)
            self.returns += 1

    def staff(self) -> None:
        rng = self.rng
        draw = rng.random()
        code = rng.choice(self.places)[0]
        if draw < 0.15:
            self.erp.receive(rng.choice(SKUS), code, rng.randint(1, 9))
            return
        if draw < 0.3:
            sku = rng.choice(SKUS)
            if self.erp.available(sku, code) > 40:
                self.erp.sell([(sku, code, rng.randint(1, 5))])
            return
        settled = [
            orders[0]
            for key, orders in self.booked().items()
            if not orders[0].gone and units_of(orders[0]) == self.wanted_of(key) and self.wanted_of(key)
        ]
        if not settled:
            return
        order = rng.choice(settled)
        if any(x.kind == "Item" and x.quantity > x.shipped for x in order.lines):
            some = {x.sequence: 1 for x in order.lines} if rng.random() < 0.3 else None
            sent = self.erp.ship(order.id, lines=some, tracking=f"T{self.shipped}", agent="DHL")
            self.shipped += len(sent)
        elif rng.random() < 0.5:
            self.erp.invoice(order.id)  # everything left: the product deletes the order
            self.finished += 1
        elif rng.random() < 0.3:
            self.erp.post_payments()

    async def trade(self) -> None:
        ends = self.clock.monotonic() + TRADE_S
        while self.clock.monotonic() < ends:
            await self.clock.sleep(self.rng.expovariate(1 / 12.0))
            draw = self.rng.random()
            if draw < 0.45:
                self.buy()
            elif draw < 0.58:
                self.second_thoughts()
            else:
                self.staff()

    async def trouble(self) -> None:
        while True:
            self.outbound.faults = ALWAYS
            await self.clock.sleep(self.rng.uniform(20, 120))
            faults, kind = self.erp.faults, self.rng.randrange(7)
            if kind == 0:
                self.outbound.faults = NetworkFaults(0.1, 0.3, 0.1, 0.1, 500)
            elif kind == 1:
                faults.webhook_lose_rate, faults.webhook_copies_max = 0.5, 3
            elif kind == 2:
                faults.webhook_delay_ms_max = 60_000
            elif kind == 3:
                faults.error_after_rate = faults.error_before_rate = 0.2
            elif kind == 4:
                faults.throttle_rate = 0.3
            elif kind == 5:
                self.erp.tokens.forget()
            else:
                faults.down = True
            await self.clock.sleep(self.rng.uniform(20, 120))
            self.calm()

    def calm(self) -> None:
        self.outbound.faults = NetworkFaults()
        faults = self.erp.faults
        faults.webhook_lose_rate, faults.webhook_copies_max, faults.webhook_delay_ms_max = 0.0, 1, 0
        faults.error_after_rate = faults.error_before_rate = faults.throttle_rate = 0.0
        faults.down = False

    # --- the play ---------------------------------------------------------------------------------

    def play(self) -> list[str]:
        try:
            return self.loop.run_until_complete(self._play())
        finally:
            self.loop.run_until_complete(_tidy())
            self.loop.close()

    async def _play(self) -> list[str]:
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.open()
        spawn = self.loop.create_task
        spawn(self.shop.run())
        spawn(self.erp.run())
        await self.clock.sleep(120.0)
        troubles = [spawn(self.trouble()), spawn(self.die())] if self.faults else []
        await self.trade()
        for trouble in troubles[1:]:
            await trouble
        for trouble in troubles[:1]:
            trouble.cancel()
        self.calm()
        waited, problems = 0.0, ["it did not begin"]
        while problems and waited < AGREE_S_MAX and not self.running[0].done():
            await self.clock.sleep(STEP_S)
            waited += STEP_S
            problems = self.differences()
        await self.clock.sleep(3_600.0)  # what agrees has to stay so
        problems = [*self.differences(), *self.shop.check(), *self.erp.check()]
        parked = await self.store.read("parked_open", after=0, limit=20)
        problems += [f"parked: {row}" for row in parked]
        if self.running[0].done():
            problems.append(f"the engine ended: {self.running[0].exception()!r}")
        # A token that was ended at the vendor's is refused once each; nobody can know before.
        breaches = {**self.shop.ledger.breaches, **self.erp.ledger.breaches}
        return problems + [f"breach: {kind}" for kind in breaches if kind != "auth"]

    def wanted_of(self, key: int) -> Counter[str]:
        """What a buyer wants, or has had and given back."""
        found: Counter[str] = Counter()
        order = self.shop.orders[key]
        for line in order.lines:
            returned = max(0, line.fulfilled_quantity - line.current_quantity)
            found[line.sku] += line.current_quantity + returned
        return +found

    def differences(self) -> list[str]:
        found = []
        booked = self.booked()
        for key in self.shop.orders:
            there, wanted = booked.get(key, []), self.wanted_of(key)
            if not there and not wanted:
                continue  # gone before the ERP had to know
            if len(there) != 1:
                found.append(f"order {key} is {len(there)} times in the ERP")
            elif units_of(there[0]) != wanted:
                found.append(f"order {key} wants {dict(wanted)}, the ERP has {dict(units_of(there[0]))}")
        sent = sum(len(parcel.lines) for parcel in self.erp.shipments() if parcel.reference)
        told = sum(len(parcel.lines) for parcel in self.shop.fulfillments)
        if sent != told:
            found.append(f"{sent} lines left the warehouse, {told} were told to the shop")
        paid = sum(bool(order.received_minor()) for key, order in self.shop.orders.items() if key in booked)
        entered = Counter(payment.reference for payment in self.erp.payments())
        if len(entered) != paid or any(n > 1 for n in entered.values()):
            found.append(f"{paid} orders were paid, {entered.total()} payments are in the ERP")
        memos = [memo for memo in self.erp.memos() if memo.posted]
        if len(memos) != self.returns:
            found.append(f"{self.returns} returns, {len(memos)} credit memos")
        for sku in SKUS:
            for code, at in self.places:
                left, offered = self.erp.available(sku, code), self.shop.available(sku, at)
                if offered != max(0, left):
                    found.append(f"{sku} at {code}: {left} are left, {offered} are offered")
        return found


def units_of(order: OrderTruth) -> Counter[str]:
    """What the ERP's order takes or took."""
    found: Counter[str] = Counter()
    for line in order.lines:
        if line.kind == "Item":
            found[line.number] += int(line.quantity)
    return +found


def only_death(result: object) -> None:
    """A killed task may only end by having been killed."""
    if isinstance(result, BaseExceptionGroup):
        for inner in result.exceptions:
            only_death(inner)
    elif isinstance(result, BaseException) and not isinstance(result, Killed | asyncio.CancelledError):
        raise result


async def _tidy() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# 10: killed between an order and the answer, whose buyer then cancels.
@pytest.mark.parametrize("number", [*range(1, 6), 10])
def test_shop_and_erp_agree_in_the_end(number):
    play = Play(number)
    assert play.play() == []
    assert len(play.shop.orders) > 30 and play.shipped > 10 and play.finished, "nothing to check"


# --- connectors with one mistake each -----------------------------------------------------------------


def looks_for_no_order(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: BusinessCentralSink, put: object) -> None:
        return None

    patch.setattr(BusinessCentralSink, "_held", nothing)


def overlooks_payments_that_were_posted(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: BusinessCentralSink, put: object) -> None:
        return None

    patch.setattr(BusinessCentralSink, "_find_payment", nothing)


def forgets_what_orders_will_take(patch: pytest.MonkeyPatch) -> None:
    level = rows._level
    patch.setattr(rows, "_level", lambda row: replace(level(row), available=level(row).on_hand))


def doubts_no_batch(patch: pytest.MonkeyPatch) -> None:
    async def together(self: Client, parts: list[dict[str, object]], **_: object) -> list[dict[str, object]]:
        return [{"status": 200} for _ in parts]

    patch.setattr(Client, "together", together)


def reads_shipments_once(patch: pytest.MonkeyPatch) -> None:
    shipments = Reads.shipments

    async def nothing(self: Reads, cursor: object):
        async for page in shipments(self, cursor):  # type: ignore[arg-type]
            yield page if cursor is None else replace(page, events=())

    patch.setattr(Reads, "shipments", nothing)


MISTAKES = (
    looks_for_no_order,
    overlooks_payments_that_were_posted,
    forgets_what_orders_will_take,
    doubts_no_batch,
    reads_shipments_once,
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_connector_with_a_mistake_is_caught(mistake, monkeypatch):
    mistake(monkeypatch)
    assert any(Play(number).play() for number in (1, 2))
