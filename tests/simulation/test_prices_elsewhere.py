"""Prices from Business Central to Adobe Commerce, under faults and kills: price groups, customers, breaks, and dates.

Business Central takes the lowest price that holds on a day, and Adobe Commerce shows a group's prices as tier prices. What
is right is reckoned here from the simulators' books.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from syncline.connectors.adobe_commerce import CONNECTOR as ADOBE
from syncline.connectors.adobe_commerce import AdobeCommerceSettings
from syncline.connectors.adobe_commerce.prices import PriceWriter
from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator
from syncline.connectors.business_central import CONNECTOR as CENTRAL
from syncline.connectors.business_central import BusinessCentralSettings
from syncline.connectors.business_central.prices import PriceScan
from syncline.connectors.business_central.simulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    BusinessCentralSimulator,
)
from syncline.engine.derive.states import StateDeriver
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.ports import Opening
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import SeverableStore, SeverableTransport, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

pytestmark = pytest.mark.simulation

START_MS = 1_772_438_400_000  # 2026-03-02T08:00:00Z
ORIGIN = "https://simulated-commerce.example"
SKUS = [f"SKU-{n}" for n in range(12)]
GROUP = "Wholesale"
CURRENCY = "GBP"
HOURS = 26  # so that a midnight lies in it
STEP_S = 600.0
AGREE_S_MAX = 6 * 3_600.0
ALWAYS = NetworkFaults(0.03, 0.1, 0.03, 0.03)
CUSTOMER = {"sourceType": "Customer", "sourceNumber": "10000"}
TRADE = {"sourceType": "Customer_x0020_Price_x0020_Group", "sourceNumber": "TRADE"}
RULES = PriceRules(
    (
        ChannelList(OWN, ("all", "item"), CURRENCY),
        ChannelList(GROUP, ("customer:10000", "group:TRADE", "all", "item"), CURRENCY),
    ),
    order=CENTRAL.capabilities.price_order,
    decimals=2,
)


class Play:
    """One seed."""

    def __init__(self, seed: int, *, faults: bool = True, kills: int = 4) -> None:
        self.rng = Random(seed)
        self.faults, self.kills = faults, kills
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.apps = AsgiTransport({})
        self.wire = FaultyTransport(self.apps, self.clock, Random(self.rng.getrandbits(64)))
        self.shop = AdobeCommerceSimulator(
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            transport=self.apps,
            origin=ORIGIN,
            input_limits=True,
        )
        self.erp = BusinessCentralSimulator(
            clock=self.clock, rng=Random(self.rng.getrandbits(64)), transport=self.apps
        )
        for origin in self.erp.origins:
            self.apps.register(origin, self.erp)
        self.apps.register(ORIGIN, self.shop)
        place = self.shop.add_source("here")
        for sku in SKUS:
            self.erp.add_item(sku, sku, "10.00")
            self.shop.add_product(sku, sku, Decimal("10.00"), {place: 1})
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.lines: dict[str, list[str]] = {sku: [] for sku in SKUS}
        self.late: list[str] = []

    def run(self) -> list[str]:
        try:
            return self.loop.run_until_complete(self.play())
        finally:
            self.loop.close()

    # --- Syncline ---------------------------------------------------------------------------------

    def start(self) -> None:
        self.switch = Switch()
        transport = SeverableTransport(self.wire, self.switch)
        held = self.shop.integration
        shop = AdobeCommerceSettings(
            base_url=ORIGIN,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            bulk_from=2,
        )
        erp = BusinessCentralSettings(
            tenant=self.erp.tenant,
            company_id=self.erp.company_id,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            web_customer="10000",
            currency=CURRENCY,
        )
        rng = Random(self.rng.getrandbits(64))
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=rng,
            systems=[
                ADOBE.open(Opening("shop", shop, self.clock, rng, transport)),
                CENTRAL.open(Opening("erp", erp, self.clock, rng, transport)),
            ],
            routes=Routes(self.routes()),
            owner="embedded",
        )
        self.running = self.loop.create_task(self.engine.run())

    def routes(self) -> list[Route]:
        often = {"poll_interval_ms": 900_000, "guard_cut_share": Decimal(1)}
        return [Route(Flow.PRICES, "erp", "shop", 3_600_000, prices=RULES, **often)]

    async def kill(self) -> None:
        self.switch.cut = True
        tasks = [self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert not isinstance(result, AssertionError), result
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))

    # --- people -----------------------------------------------------------------------------------

    def act(self) -> None:
        """Somebody changes a price: a card, a line for whomever, from when and for how many."""
        rng = self.rng
        sku = rng.choice(SKUS)
        cents = Decimal(rng.randrange(700, 1_000)) / 100
        draw = rng.random()
        if draw < 0.2:
            self.erp.edit_item(sku, unitPrice=cents)
        elif draw < 0.4 and self.lines[sku]:
            self.erp.delete_price(self.lines[sku].pop(rng.randrange(len(self.lines[sku]))))
        elif draw < 0.6 and self.lines[sku]:
            self.erp.edit_price(rng.choice(self.lines[sku]), unitPrice=cents)
        else:
            fields = dict(rng.choice(({}, CUSTOMER, TRADE)))
            if rng.random() < 0.4:
                fields["minimumQuantity"] = rng.choice((5, 10, 20))
            today = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC).date()
            if rng.random() < 0.5:
                fields["startingDate"] = (today + timedelta(days=rng.randrange(3))).isoformat()
            if rng.random() < 0.5:
                fields["endingDate"] = (today + timedelta(days=rng.randrange(3))).isoformat()
            self.lines[sku].append(self.erp.add_price("S", sku, cents, **fields))

    # --- what is right ----------------------------------------------------------------------------

    def right(self, sku: str, sources: tuple[tuple[str, str], ...]) -> dict[int, Decimal]:
        """The lowest price for each quantity at which it changes; the card's where no line holds."""
        today = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC).date().isoformat()
        company = self.erp.company
        lines: list[tuple[int, Decimal]] = []
        for line_id in self.lines[sku]:
            line = company.tables["priceListLines"][line_id].values
            if (line["sourceType"], line["sourceNumber"]) not in sources:
                continue
            starts, ends = str(line["startingDate"] or ""), str(line["endingDate"] or "")
            if (starts in ("", "0001-01-01") or starts <= today) and (
                ends in ("", "0001-01-01") or today <= ends
            ):
                lines.append((max(1, int(line["minimumQuantity"])), Decimal(line["unitPrice"])))
        card = Decimal(company.find("items", "number", sku).values["unitPrice"])
        found: dict[int, Decimal] = {}
        for minimum in sorted({1, *(least for least, _ in lines)}):
            amount = min((price for least, price in lines if least <= minimum), default=card)
            if not found or list(found.values())[-1] != amount:
                found[minimum] = amount
        return found

    def problems(self) -> list[str]:
        everybody = ("All_x0020_Customers", "")
        members = (everybody, ("Customer", "10000"), (TRADE["sourceType"], "TRADE"))
        found = []
        for sku in SKUS:
            own = self.right(sku, (everybody,))[1]
            shown = Decimal(self.shop.state.products[sku].price_minor) / 100
            if shown != own:
                found.append(f"{sku}: {shown} instead of {own}")
            tiers = {
                int(n): Decimal(str(price))
                for (one, group, n), price in self.shop.state.tier_prices.items()
                if (one, group) == (sku, GROUP)
            }
            if tiers != self.right(sku, members):
                found.append(f"{sku} for {GROUP}: {tiers} instead of {self.right(sku, members)}")
        return found

    async def break_things(self) -> None:
        names = ("down", "error_before_rate", "error_after_rate", "throttle_rate", "reject_auth")
        while True:
            await self.clock.sleep(self.rng.expovariate(1 / 1_200))
            target, name = self.rng.choice((self.shop, self.erp)), self.rng.choice(names)
            calm = getattr(target.faults, name)
            setattr(target.faults, name, True if isinstance(calm, bool) else 0.5)
            await self.clock.sleep(self.rng.uniform(20, 400))
            setattr(target.faults, name, calm)

    async def play(self) -> list[str]:
        if self.faults:
            self.wire.faults = replace(ALWAYS)
        self.start()
        breaking = self.loop.create_task(self.break_things()) if self.faults else None
        killed = sorted(self.rng.uniform(0, HOURS * 3_600) for _ in range(self.kills))
        end_s = self.clock.monotonic() + HOURS * 3_600
        began_s = self.clock.monotonic()
        while self.clock.monotonic() < end_s:
            await self.clock.sleep(self.rng.expovariate(1 / 500))
            self.act()
            if killed and self.clock.monotonic() - began_s > killed[0]:
                killed.pop(0)
                await self.kill()
                self.start()
        if breaking is not None:
            breaking.cancel()
            self.wire.faults = NetworkFaults()
            for simulator in (self.shop, self.erp):
                simulator.faults = type(simulator.faults)()
        # Everything agrees, and then goes on to do so over the midnights that are still to come, by the clock alone.
        found = await self.agree(AGREE_S_MAX)
        for poller in self.engine.pollers:
            poller.interval_ms = 1 << 40
        for _ in range(3):
            now_s = self.clock.now_ms() / 1000
            await self.clock.sleep(86_400 - now_s % 86_400 + 120)
            found += [f"after midnight: {one}" for one in self.problems()]
        rows = await self.store.read("parked_open", after=0, limit=9)
        await self.kill()
        breaches = {name: n for name, n in self.shop.ledger.breaches.items() if n and name != "auth"}
        return [*found, *(f"parked: {row[3:6]}" for row in rows), *(f"breach {name}" for name in breaches)]

    async def agree(self, within_s: float) -> list[str]:
        until_s = self.clock.monotonic() + within_s
        while (found := self.problems()) and self.clock.monotonic() < until_s:
            await self.clock.sleep(STEP_S)
        return found


@pytest.mark.parametrize("number", range(101, 105))
def test_prices_agree_after_faults_and_kills_and_over_midnights(number):
    played = Play(number)
    assert played.run() == []
    assert len(played.shop.state.price_log) > 40


def test_without_faults_nothing_is_written_twice():
    played = Play(7, faults=False, kills=0)
    assert played.run() == []
    last: dict[tuple[str, str, float], float] = {}
    again = 0
    for sku, group, minimum, price in played.shop.state.price_log:
        again += not group and last.get((sku, group, minimum)) == price
        last[sku, group, minimum] = price
    assert again == 0


def forgets_moments(patch):
    wanted = StateDeriver._wanted

    async def timeless(self, *args):
        found = await wanted(self, *args)
        return {key: replace(one, next_ms=0) for key, one in found.items()}

    patch.setattr(StateDeriver, "_wanted", timeless)


def leaves_old_breaks(patch):
    async def nothing(self, payloads):
        return {}

    patch.setattr(PriceWriter, "_clear", nothing)


def ends_a_day_early(patch):
    midnight = PriceScan._midnight
    patch.setattr(PriceScan, "_midnight", lambda self, value, days: midnight(self, value, 0))


def takes_the_first_price(patch):
    patch.setattr(
        "tests.simulation.test_prices_elsewhere.RULES",
        replace(RULES, order=replace(RULES.order, lowest=False)),
    )


@pytest.mark.parametrize(
    "mutant", [forgets_moments, leaves_old_breaks, ends_a_day_early, takes_the_first_price]
)
def test_a_checker_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    monkeypatch.setattr("tests.simulation.test_prices_elsewhere.AGREE_S_MAX", 3_600.0)
    assert Play(101, kills=0).run()
