"""Business Central and a marketplace with nothing but files: prices, customers, credit and products, from one seed.

Faults are those of the network and of both sides, and one more: a file whose answer is lost may appear up to fifty seconds later.
What is right is said here from the books of both.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from decimal import Decimal
from random import Random

from msgspec.structs import replace as with_
from tests.simulation.alone import ALONE
from tests.simulation.files_market_play import Archived
from tests.simulation.files_play import START_MS, _tidy, only_death

from syncline.connectors.business_central import CONNECTOR as CENTRAL
from syncline.connectors.business_central import BusinessCentralSettings
from syncline.connectors.business_central.simulator import (
    CLIENT_ID,
    CLIENT_SECRET,
    BusinessCentralSimulator,
)
from syncline.connectors.files import CONNECTOR, FilesSettings
from syncline.connectors.files.declared import Write
from syncline.connectors.files.simulator import (
    ACCESS_KEY,
    ORIGIN,
    SECRET_KEY,
    Market,
    ObjectStoreSimulator,
)
from syncline.credit.rules import CreditPolicy, CreditRules, Decision
from syncline.engine.engine import Engine
from syncline.engine.routes import Route, Routes, customer_reference
from syncline.mapping.customers import ANY, CustomerRules
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.customers import MatchKey
from syncline.model.errors import OutcomeUnknown
from syncline.model.products import EVERYTHING, ProductRules
from syncline.ports import Clock, Opening, Request, Response, Transport
from syncline.pricing.rules import OWN, ChannelList, PriceRules
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.network import FaultyTransport, NetworkFaults
from syncline.simulate.severable import SeverableStore, SeverableTransport, Switch
from syncline.simulate.sides.market import READS, TOLD
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

SKUS = [f"SKU-{n}" for n in range(8)]
FAMILY = "SHIRT"
GROUP, TRADE = "trade", {"sourceType": "Customer_x0020_Price_x0020_Group", "sourceNumber": "TRADE"}
SHELF, LANGUAGE = "web", {"de": "DEU"}
FREE = "_x0020_"
CREDIT = CreditRules(CreditPolicy(unlimited=Decision.APPROVE), currency="GBP")
ROUND_S = 120.0
STEP_S = 300.0
AGREE_S_MAX = 4 * 3_600.0
ALWAYS = NetworkFaults(0.03, 0.08, 0.03, 0.03)
LATE_S_MAX = 45.0


def writes(whole: frozenset[str]) -> tuple[Write, ...]:
    """What the marketplace wants to be told of; in ``whole`` folders, all of it in each file."""
    return tuple(with_(each, scope="full") if f"{each.path}/" in whole else each for each in TOLD)


class Late(Transport):
    """A network in which a file may arrive long after everybody has given up on it."""

    def __init__(self, inner: Transport, clock: Clock, rng: Random) -> None:
        self._inner, self._clock, self._rng = inner, clock, rng
        self.rate = 0.0
        self.late = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, request: Request) -> Response:
        if request.method != "PUT" or self._rng.random() >= self.rate:
            return await self._inner.send(request)
        self.late += 1
        task = asyncio.get_running_loop().create_task(self._arrive(request))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await self._clock.sleep(3.0)
        raise OutcomeUnknown("no answer (injected)")

    async def _arrive(self, request: Request) -> None:
        await self._clock.sleep(self._rng.uniform(5.0, LATE_S_MAX))
        await self._inner.send(request)


class ToldPlay:
    """One seed."""

    hours = 5
    act_every_s = 150.0
    agree_s_max = AGREE_S_MAX

    def __init__(
        self, seed: int, *, faults: bool = True, kills: int = 3, whole: tuple[str, ...] = ("credit/",)
    ) -> None:
        self.rng = Random(seed)
        self.faults, self.kills, self.whole = faults, kills, frozenset(whole)
        self.loop = VirtualLoop(START_MS)
        self.clock = VirtualClock(self.loop)
        self.folder = tempfile.mkdtemp(prefix="files-told-play-")
        apps = AsgiTransport({})
        self.late = Late(apps, self.clock, Random(self.rng.getrandbits(64)))
        self.wire = FaultyTransport(self.late, self.clock, Random(self.rng.getrandbits(64)))
        self.place = ObjectStoreSimulator(clock=self.clock, rng=Random(self.rng.getrandbits(64)))
        self.erp = BusinessCentralSimulator(
            clock=self.clock, rng=Random(self.rng.getrandbits(64)), transport=apps
        )
        apps.register(ORIGIN, self.place)
        for origin in self.erp.origins:
            apps.register(origin, self.erp)
        breach = self.place.ledger.breach
        self.market = Market(Archived(self.place, "market"), self.clock, breach, whole=whole)
        self.books = self.market.books
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.lines: dict[str, list[str]] = {sku: [] for sku in SKUS}
        self.numbers: list[str] = []
        self.items = list(SKUS)
        self.acts = 0
        for sku in SKUS:
            self.erp.add_item(sku, f"Item {sku}", "10.00")
            self.erp.add_translation(sku, "DEU", f"Ware {sku}")
        self.erp.add_item(FAMILY, "Shirt", "8.00")
        for colour in ("red", "blue"):
            self.erp.add_variant(FAMILY, colour.upper(), colour)

    # --- Syncline ---------------------------------------------------------------------------------

    def routes(self) -> list[Route]:
        often = {"poll_interval_ms": 600_000, "guard_cut_share": Decimal(1)}
        prices = PriceRules(
            (
                ChannelList(OWN, ("all", "item"), "GBP"),
                ChannelList(GROUP, ("group:TRADE", "all", "item"), "GBP"),
            ),
            order=CENTRAL.capabilities.price_order,
            decimals=2,
            jump_share=Decimal(100),
        )
        fields = self.system.capabilities.customer_fields
        customers = CustomerRules(ours=fields, roles={ANY: "buyer"}, match=(MatchKey.EXTERNAL_ID,))
        own = frozenset(("title", "status"))
        products = ProductRules(own, LANGUAGE, {SHELF: (EVERYTHING,)})
        return [
            Route(Flow.PRICES, "erp", "market", 1_800_000, prices=prices, **often),
            Route(Flow.CUSTOMERS, "erp", "market", 1_800_000, customers=customers, **often),
            Route(Flow.CREDIT, "erp", "market", 1_800_000, credit=CREDIT, **often),
            Route(Flow.CATALOG, "erp", "market", 1_800_000, products=products, **often),
        ]

    def open(self) -> None:
        self.switch = Switch()
        network = SeverableTransport(self.wire, self.switch)
        rng = Random(self.rng.getrandbits(64))
        files = FilesSettings(
            folder="s3://exchange/market",
            endpoint=ORIGIN,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            spool=f"{self.folder}/market",
            reads=tuple(read for read in READS if read.kind == "items"),
            writes=writes(self.whole),
        )
        erp = BusinessCentralSettings(
            tenant=self.erp.tenant,
            company_id=self.erp.company_id,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            web_customer="10000",
            currency="GBP",
            item_texts=True,
        )
        self.system = CONNECTOR.open(Opening("market", files, self.clock, rng, network))
        self.engine = Engine(
            store=SeverableStore(self.store, self.switch),
            clock=self.clock,
            rng=rng,
            systems=[self.system, CENTRAL.open(Opening("erp", erp, self.clock, rng, network))],
            routes=Routes(self.routes()),
            owner="embedded",
            **ALONE,
        )
        self.running = self.loop.create_task(self.engine.run())

    async def kill(self) -> None:
        self.switch.cut = True
        tasks = [self.running, *(task for lane in self.engine.lanes.values() for task in lane._tasks)]
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            only_death(result)
        await self.clock.sleep(self.rng.uniform(0.5, 8.0))

    # --- people -----------------------------------------------------------------------------------

    def act(self) -> None:
        """Somebody changes something in the ERP."""
        self.acts += 1
        self.rng.choice((self.price, self.price, self.person, self.person, self.limit, self.item))()

    def price(self) -> None:
        rng, sku = self.rng, self.rng.choice(SKUS)
        amount = Decimal(rng.randrange(700, 1_000)) / 100
        draw = rng.random()
        if draw < 0.4:
            self.erp.edit_item(sku, unitPrice=amount)
        elif draw < 0.6 and self.lines[sku]:
            self.erp.delete_price(self.lines[sku].pop(rng.randrange(len(self.lines[sku]))))
        else:
            more = {"minimumQuantity": rng.choice((5, 10))} if rng.random() < 0.6 else {}
            self.lines[sku].append(self.erp.add_price("S", sku, amount, **TRADE, **more))

    def person(self) -> None:
        n = self.acts
        if len(self.numbers) < 4 or self.rng.random() < 0.1:
            self.numbers.append(f"C{n:04d}")
            self.erp.add_customer(
                self.numbers[-1], f"Company; {n}", addressLine1=f"{n} High Street", city="Reading", country="GB",
                email=f"buying-{n}@example.com", taxRegistrationNumber=f"GB{n}", creditLimit=Decimal(100 * n),
            )  # fmt: skip
            return
        fields = self.rng.choice(
            (
                {"displayName": f'Other "{n}"'},
                {"email": f"other-{n}@example.com"},
                {"taxRegistrationNumber": f"GB{n}"},
                {"addressLine1": f"{n} Low Road"},
                {"blocked": self.rng.choice(("All", FREE, FREE, "Ship"))},
            )
        )
        self.erp.edit_customer(self.rng.choice(self.numbers), **fields)

    def limit(self) -> None:
        if self.numbers:
            limit = Decimal(self.rng.choice((0, 1, 2, 5)) * 50)
            self.erp.edit_customer(self.rng.choice(self.numbers), creditLimit=limit)

    def item(self) -> None:
        n, draw, sku = self.acts, self.rng.random(), self.rng.choice(self.items)
        if draw < 0.2:
            self.items.append(f"NEW-{n}")
            self.erp.add_item(self.items[-1], f"New {n}", "5.00")
        elif draw < 0.5:
            # What ends before anybody was told of it is not known to have been there.
            if sku in self.books.goods:
                self.erp.edit_item(sku, blocked=not self.record(sku)["blocked"])
        else:
            self.erp.edit_item(sku, displayName=f"Item no. {n}")

    async def rounds(self) -> None:
        """What the marketplace does every few minutes: it loads what it was left, and says now and then what it lists."""
        while True:
            self.market.load()
            await self.clock.sleep(self.rng.uniform(0.2, 1.0) * ROUND_S)
            if self.rng.random() < 0.2:
                told = {sku for goods in self.books.goods.values() for sku in goods.articles}
                self.market.leave_articles(sorted({*SKUS, *told}))

    async def trouble(self) -> None:
        while True:
            self.wire.faults, self.late.rate = replace(ALWAYS), 0.3
            await self.clock.sleep(self.rng.uniform(60, 900))
            faults = self.rng.choice((self.place.faults, self.erp.faults))
            faults.down = True
            await self.clock.sleep(self.rng.uniform(20, 300))
            faults.down = False

    # --- the play ---------------------------------------------------------------------------------

    def run(self) -> list[str]:
        """What was wrong."""
        try:
            return self.loop.run_until_complete(self._run())
        finally:
            self.loop.run_until_complete(_tidy())
            self.loop.close()
            shutil.rmtree(self.folder)

    async def _run(self) -> list[str]:
        self.market.leave_articles(SKUS)
        self.open()
        rounds = self.loop.create_task(self.rounds())
        trouble = self.loop.create_task(self.trouble()) if self.faults else None
        killed = sorted(self.rng.uniform(0, self.hours * 3_600) for _ in range(self.kills))
        began_s = self.clock.monotonic()
        while self.clock.monotonic() < began_s + self.hours * 3_600:
            await self.clock.sleep(self.rng.expovariate(1 / self.act_every_s))
            self.act()
            if killed and self.clock.monotonic() - began_s > killed[0]:
                killed.pop(0)
                await self.kill()
                self.open()
        if trouble is not None:
            trouble.cancel()
            self.wire.faults, self.late.rate = NetworkFaults(), 0.0
            self.place.faults.down = self.erp.faults.down = False
        until_s = self.clock.monotonic() + self.agree_s_max
        while (found := self.problems()) and self.clock.monotonic() < until_s and not self.running.done():
            await self.clock.sleep(STEP_S)
        await self.clock.sleep(900.0)  # what agrees has to stay so
        found = self.problems()
        found += [f"parked: {row[3:6]}" for row in await self.store.read("parked_open", after=0, limit=9)]
        found += await self.strangers()
        if self.running.done():
            found.append(f"the engine ended: {self.running.exception()!r}")
        rounds.cancel()
        await self.kill()
        return found + [
            f"breach: {kind}" for kind, n in self.place.ledger.breaches.items() if n and kind != "auth"
        ]

    async def strangers(self) -> list[str]:
        """Accounts whose orders would not be booked for the customer of the ERP that they stand for."""
        keys = {customer_reference("market", id_): id_ for id_ in self.books.accounts}
        rows = await self.store.read("bindings_get", system="erp", kind=Kind.CUSTOMER.value, keys=list(keys))
        bound = {keys[row[0]]: row[1] for row in rows}
        return [f"nobody knows who {id_} is" for id_ in self.books.accounts if bound.get(id_) != id_]

    # --- what is right ----------------------------------------------------------------------------

    def record(self, number: str) -> dict:
        return self.erp.company.find("items", "number", number).values

    def trade(self, sku: str) -> dict[int, Decimal]:
        """The lowest price for each quantity at which it changes; the card's where no line holds."""
        lines = []
        for line_id in self.lines[sku]:
            line = self.erp.company.tables["priceListLines"][line_id].values
            lines.append((max(1, int(line.get("minimumQuantity") or 0)), Decimal(line["unitPrice"])))
        card = Decimal(self.record(sku)["unitPrice"])
        found: dict[int, Decimal] = {}
        for minimum in sorted({1, *(least for least, _ in lines)}):
            amount = min((price for least, price in lines if least <= minimum), default=card)
            if not found or list(found.values())[-1] != amount:
                found[minimum] = amount
        return found

    def problems(self) -> list[str]:
        return [*self.wrong_prices(), *self.wrong_accounts(), *self.wrong_goods()]

    def wrong_prices(self) -> list[str]:
        found = []
        for sku in SKUS:
            if self.record(sku)["blocked"]:
                continue  # nobody buys it, and the ERP says no more of it
            own = {1: Decimal(self.record(sku)["unitPrice"])}
            for price_list, right in (("", own), (GROUP, self.trade(sku))):
                if (shown := self.books.prices.get((sku, price_list), {})) != right:
                    found.append(f"{sku} in {price_list!r}: {shown} instead of {right}")
        return found

    def wrong_accounts(self) -> list[str]:
        found = []
        if len(self.books.accounts) > len(self.numbers):
            found.append("somebody is there twice")
        for number in self.numbers:
            card = self.erp.company.find("customers", "number", number)
            values, there = card.values, self.books.accounts.get(card.id)
            able = values["blocked"] != "All"
            if there is None:
                found += [f"{number} is missing"] if able else []
                continue
            right = (values["displayName"], able, values["taxRegistrationNumber"], [values["addressLine1"]])
            if (shown := (there.name, there.active, there.vat, there.streets)) != right:
                found.append(f"{number}: {shown} instead of {right}")
            if there.people != ({values["email"].lower(): "buyer"} if able else {}):
                found.append(f"{number}: {there.people} may buy instead of {values['email']}")
            limit = Decimal(values["creditLimit"] or 0)
            free = Decimal(0) if values["blocked"] not in (FREE, "", " ") else limit or None
            if card.id not in self.books.credit or self.books.credit[card.id] != free:
                found.append(
                    f"{number}: {self.books.credit.get(card.id, 'nothing')} is left instead of {free}"
                )
        return found

    def wrong_goods(self) -> list[str]:
        found = []
        for number in (*self.items, FAMILY):
            values, there = self.record(number), self.books.goods.get(number)
            if values["blocked"]:
                found += [f"{number} is still sold"] if there is None or there.state != "archived" else []
            elif there is None or (there.title, there.state) != (values["displayName"], "active"):
                found.append(f"{number}: {there} instead of {values['displayName']}")
            elif not self.books.shelves.get((number, SHELF)):
                found.append(f"{number} is on no shelf")
            elif number in SKUS and self.books.texts.get((number, "de")) != f"Ware {number}":
                found.append(f"{number} has no German name")
        family = self.books.goods.get(FAMILY)
        if family is None or family.articles != {"SHIRT/RED": "red", "SHIRT/BLUE": "blue"}:
            found.append(f"{FAMILY}: {family}")
        return found
