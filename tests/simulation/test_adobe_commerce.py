"""The whole engine between a simulated Adobe Commerce shop and a simulated NetSuite account, while things go wrong.

Buyers order, cancel and are refunded; the warehouse receives, ships and counts; answers get lost, events get lost, doubled
and late, the shop is down, Syncline is killed and starts again. What is checked is what the simulators hold: every order is in the ERP once, every parcel is at
the shop once, and what buyers may still buy is what the ERP has left, exactly: reservations are neither counted twice nor
forgotten.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

import pytest

from syncline.connectors.adobe_commerce import CONNECTOR as ADOBE
from syncline.connectors.adobe_commerce import AdobeCommerceSettings, manifest, mapping, shipments
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import (
    AdobeCommerceSimulator,
    Buyer,
    CartLine,
    make_keys,
    public_pem,
)
from syncline.connectors.adobe_commerce.simulator.state import Order
from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.connectors.netsuite import NetSuiteSettings
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, OrderTruth, make_certificate
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.model.capabilities import AVAILABLE_OWN_ORDERS_SUBTRACTED, PLAIN
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
ORIGIN = "https://simulated-commerce.example"
PUSH_SECRET = "simulated-push-secret-0123456789"
CLIENT_ID = "simulated-client"
SOURCE = "reading"
SKUS = [f"SKU-{n}" for n in range(8)]
STOCK = 60
TRADE_S = 1_500.0
STEP_S = 60.0
ALWAYS = NetworkFaults(
    0.02, 0.08, 0.02, 0.02
)  # while there is trouble: refused, lost, cut, somebody else's page
AGREE_S_MAX = 2 * 3_600.0


@dataclass
class Play:
    """One seed: the two vendors, the people, and the engine between them."""

    seed: int
    faults: bool = True
    stock_writes: str = "direct"
    events: bool = True
    kills: int = 1
    depot: bool = False  # a second location, from which nothing is shipped: goods are moved from there
    shipped: int = 0
    refunds: int = 0
    cancelled: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        apps = AsgiTransport({})
        self.outbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.inbound = FaultyTransport(apps, self.clock, Random(self.rng.getrandbits(64)))
        private, public, kid = make_certificate()
        self.shop = AdobeCommerceSimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.inbound,
            origin=ORIGIN,
            workers=16,
        )
        self.erp = NetSuiteSimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.inbound,
            tier="enterprise",
            certificates={kid: public},
        )
        self.hooks = HooksApp()
        apps.register(ORIGIN, self.shop)
        apps.register(self.erp.origin, self.erp)
        apps.register(HOOKS, self.hooks)
        self.place = self.erp.add_location("Reading")
        self.at = {self.place: self.shop.add_source(SOURCE)}
        if self.depot:
            self.at[self.erp.add_location("Leeds")] = self.shop.add_source("leeds")
        for sku in SKUS:
            self.erp.add_item(sku, sku, "10.00")
            for place in self.at:
                self.erp.opening_balance(sku, place, STOCK // len(self.at))
            self.shop.add_product(sku, sku, Decimal("10.00"), dict.fromkeys(self.at.values(), 0))
        self.shop.add_product("FAMILY", "In sizes", Decimal(0), {}, kind="configurable")
        tax = self.erp.add_item("SHOP-TAX", "Tax from the shop", None, kind="OthCharge", role="tax")
        web = self.erp.add_customer("web-customer", companyname="Web customer")
        held = self.shop.integration
        self.adobe = AdobeCommerceSettings(
            base_url=ORIGIN,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            order_source=SOURCE,
            stock_writes=self.stock_writes,  # type: ignore[arg-type]
            bulk_applies_after_s=60,
            event_public_keys=tuple(public_pem(key) for key in make_keys()) if self.events else (),
            event_client_id=CLIENT_ID if self.events else "",
            orders_since="2026-01-01T00:00:00Z",
        )
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

    # --- the engine -------------------------------------------------------------------------------

    def open(self) -> None:
        """Syncline, as a process that has just started on what the last one left."""
        self.switch = Switch()
        network = SeverableTransport(self.outbound, self.switch)
        rng = Random(self.rng.getrandbits(64))
        shop = ADOBE.open(Opening("shop", self.adobe, self.clock, Random(rng.getrandbits(64)), network))
        erp = NETSUITE.open(Opening("erp", self.netsuite, self.clock, Random(rng.getrandbits(64)), network))
        at = {str(place): source for place, source in self.at.items()}
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
            systems=[shop, erp],
            routes=Routes(routes),
            owner="embedded",
        )
        self.hooks.engine = self.engine
        self.erp.configure_push(f"{HOOKS}/hooks/erp", [PUSH_SECRET])
        if self.events:
            self.shop.register_events(f"{HOOKS}/hooks/shop", CLIENT_ID, EVENT_FIELDS)
        self.running = self.loop.create_task(self.engine.run())

    async def kill(self) -> None:
        """As ``kill -9``: from now on nothing that the process does counts; then another one starts."""
        self.switch.cut = True
        self.hooks.engine = None
        tasks = [self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            only_death(result)
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))
        self.open()

    async def die(self) -> None:
        """The kills, at random moments of the trade."""
        for _ in range(self.kills):
            await self.clock.sleep(self.rng.uniform(0.1, 0.9) * TRADE_S / self.kills)
            await self.kill()

    # --- people -----------------------------------------------------------------------------------

    def buy(self) -> None:
        rng = self.rng
        cart = [
            CartLine(sku, rng.randint(1, 4), rng.choice((0, 0, 95)), rng.choice(("", "", "FAMILY")))
            for sku in rng.sample(SKUS, rng.randint(1, 3))
        ]
        buyer = Buyer(f"a{rng.randrange(6)}@b.example", "Ada", "Lovelace")
        self.shop.checkout(cart, buyer=buyer, registered=rng.random() < 0.5, paid=rng.random() < 0.7)

    def second_thoughts(self) -> None:
        """Somebody cancels, or gets money back for units that were not sent yet. What left is not cancelled: then
        both sides are right, and a person decides."""
        order = self.rng.choice(list(self.shop.orders.values()) or [None])
        booked = self.booked()
        if order is None or any(
            line.shipped for one in booked.get(order.entity_id, ()) for line in one.lines
        ):
            return
        if self.shop.sales.cancel(order):
            self.cancelled += 1
        elif order.lines[0].to_refund > 1:
            self.shop.sales.refund(order, {order.lines[0].item_id: 1})
            self.refunds += 1

    def booked(self) -> dict[int, list[OrderTruth]]:
        """The ERP's orders by the shop's."""
        found: dict[int, list[OrderTruth]] = {}
        for reference, orders in self.erp.sales_orders_by_external_id().items():
            found.setdefault(int(reference.rpartition("-")[2]), []).extend(orders)
        return found

    def warehouse(self) -> None:
        rng = self.rng
        if rng.random() < 0.3:
            self.erp.receive(rng.choice(SKUS), rng.choice(list(self.at)), rng.randint(1, 9))
            return
        self.move()
        waiting = [
            orders[0]
            for key, orders in self.booked().items()
            if any(line.committed for line in orders[0].lines)
            and units_of(orders[0])
            == wanted_of(self.shop.orders[key])  # nobody had second thoughts meanwhile
        ]
        if waiting:
            order = rng.choice(waiting)
            part = {n: 1 for n, line in enumerate(order.lines, 1) if line.committed}
            tracking = f"T{self.shipped}" if rng.random() < 0.7 else None
            lines = part if rng.random() < 0.3 else None
            self.shipped += len(self.erp.ship(order.id, tracking=tracking, carrier="UPS", lines=lines))

    def move(self) -> None:
        """Bring what orders wait for to where they are shipped."""
        for sku in SKUS:
            for place in self.at:
                missing = min(self.erp.backordered(sku, self.place), self.erp.available(sku, place))
                if place != self.place and missing > 0:
                    self.erp.transfer(sku, place, self.place, missing)

    async def trade(self) -> None:
        ends = self.clock.monotonic() + TRADE_S
        while self.clock.monotonic() < ends:
            await self.clock.sleep(self.rng.expovariate(1 / 12.0))
            draw = self.rng.random()
            if draw < 0.55:
                self.buy()
            elif draw < 0.65:
                self.second_thoughts()
            else:
                self.warehouse()

    async def trouble(self) -> None:
        while True:
            self.outbound.faults = ALWAYS
            await self.clock.sleep(self.rng.uniform(20, 120))
            faults, kind = self.shop.faults, self.rng.randrange(6)
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
            else:
                faults.down = True
            await self.clock.sleep(self.rng.uniform(20, 120))
            self.calm()

    def calm(self) -> None:
        self.outbound.faults = NetworkFaults()
        faults = self.shop.faults
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
        while problems and waited < AGREE_S_MAX and not self.running.done():
            await self.clock.sleep(STEP_S)
            waited += STEP_S
            self.move()
            problems = self.differences()
        # What agrees has to stay so.
        await self.clock.sleep(3_600.0)
        problems = [*self.differences(), *self.shop.check()]
        rows = await self.store.read("parked_open", after=0, limit=20)
        problems += [f"parked: {row}" for row in rows]
        if self.running.done():
            problems.append(f"the engine ended: {self.running.exception()!r}")
        problems += [f"breach: {kind}" for kind in (*self.shop.ledger.breaches, *self.erp.ledger.breaches)]
        return problems

    def differences(self) -> list[str]:
        found = []
        booked = self.booked()
        for key, order in self.shop.orders.items():
            there, wanted = booked.get(key, []), wanted_of(order)
            if not there and not wanted:
                continue  # gone before the ERP had to know
            if len(there) != 1:
                found.append(f"order {order.increment_id} is {len(there)} times in the ERP")
            elif units_of(there[0]) != wanted:
                found.append(f"order {order.increment_id} wants {wanted}, the ERP has {units_of(there[0])}")
        sent = sum(len(parcel.lines) for parcel in self.erp.shipments())
        told = sum(len(shipment.lines) for shipment in self.shop.state.shipments.values())
        if sent != told:
            found.append(f"{sent} lines left the warehouse, {told} were told to the shop")
        for sku in SKUS:
            left = sum(self.erp.available(sku, at) - self.erp.backordered(sku, at) for at in self.at)
            offered = self.shop.salable(sku)
            if offered != max(0, left):
                found.append(f"{sku}: {left} are left, {offered} are offered")
            # What waits at one place is offered again from the other until it is moved: see the README's gaps.
            if left < 0 and not self.depot:
                found.append(f"{sku}: {-left} were sold twice")
        return found


def wanted_of(order: Order) -> Counter[str]:
    """What a buyer still wants."""
    found: Counter[str] = Counter()
    for line in order.lines:
        found[line.sku] += line.ordered - line.canceled - line.refunded
    return +found


def units_of(order: OrderTruth) -> Counter[str]:
    """What the ERP's order takes or took."""
    found: Counter[str] = Counter()
    for line in order.lines:
        if line.sku in SKUS:
            found[line.sku] += line.shipped if line.closed else line.quantity
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


@pytest.mark.parametrize("number", range(1, 7))
def test_shop_and_erp_agree_in_the_end(number):
    play = Play(
        number,
        stock_writes="bulk" if number % 3 == 0 else "direct",
        events=number % 5 != 0,
        depot=number % 2 == 0,
    )
    assert play.play() == []
    assert len(play.shop.orders) > 30 and play.shipped > 10, "nothing to check"


# --- connectors with one mistake each -----------------------------------------------------------------


def looks_for_no_parcel(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self, payload):
        return {}

    patch.setattr(shipments.Shipper, "_made", nothing)


def overlooks_what_parcels_took(patch: pytest.MonkeyPatch) -> None:
    line = mapping._line
    patch.setattr(mapping, "_line", lambda *a, **k: replace(line(*a, **k), taken=Decimal(0)))


def counts_children_too(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mapping, "sellable", list)


def writes_what_may_be_shown(patch: pytest.MonkeyPatch) -> None:
    """The most common mistake with this vendor: its own open orders are then subtracted twice."""
    known = manifest.capabilities_of
    patch.setattr(
        "syncline.connectors.adobe_commerce.capabilities_of",
        lambda settings: replace(known(settings), stock_contract=PLAIN),
    )


def believes_that_orders_lower_the_number(patch: pytest.MonkeyPatch) -> None:
    known = manifest.capabilities_of
    patch.setattr(
        "syncline.connectors.adobe_commerce.capabilities_of",
        lambda settings: replace(known(settings), stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED),
    )


MUTANTS = (
    looks_for_no_parcel,
    overlooks_what_parcels_took,
    counts_children_too,
    writes_what_may_be_shown,
    believes_that_orders_lower_the_number,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_books_catch(mutant, monkeypatch):
    mutant(monkeypatch)
    assert any(Play(seed).play() for seed in (1, 2))
