"""A whole world in one process: a shop, an ERP, a network, and Syncline between them.

``World`` is the same for the simulation (virtual clock, faults, kills) and for the demo (real clock,
real sockets). Only what is passed in differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.connectors.netsuite.simulator import NetSuiteSimulator, make_certificate
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.engine.engine import ITEMS_INTERVAL_MS, Engine
from syncline.engine.leases import TTL_MS
from syncline.engine.modes import INTERVAL_MS as MODES_INTERVAL_MS
from syncline.engine.routes import Route, Routes
from syncline.inventory.rules import Layer, Level, Rules
from syncline.model.change import Flow
from syncline.model.products import ProductRules
from syncline.ports import Clock, Opening, Store, System, Transport
from syncline.pricing.rules import PriceRules
from syncline.simulate.merchandise import COLUMNS
from syncline.simulate.trade import Trade

SHOP = "shop"
ERP = "erp"
SHOP_DOMAIN = "simulated.myshopify.com"
WEBHOOK_SECRET = "simulated-client-secret-0123456789"  # noqa: S105 (opens nothing but a simulator)
PUSH_SECRET = "simulated-push-secret-0123456789"  # noqa: S105 (the same)
ACCESS_TOKEN = "shpat_simulated"  # noqa: S105 (the same)
ERP_ZONE = "America/Los_Angeles"
TIER = "enterprise"
SUITECLOUD_PLUS = 4
SLOTS = 60  # enterprise 20 + four SuiteCloud Plus licences at 10: NetSuite help, concurrency governance
PLAN = "plus"  # 1,000 points a second: Shopify, API rate limits
ERP_CALLS_PER_ORDER = 4  # customer, order, its total read back, deposit
ERP_ANSWER_S = 1.75  # the middle of the assumed 0.5 to 3 s
BULK_FROM = 3  # products: far fewer than a shop would say, so that bulk operations are played as well
USABLE = 0.75  # of the slots: the rest is for reads, revisions and bad luck


def orders_per_s_max() -> float:
    """How many new orders a second the declared ERP licence can carry."""
    return USABLE * SLOTS / (ERP_CALLS_PER_ORDER * ERP_ANSWER_S)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fresh each flow is to be, how often is read, and how long a lease lasts; milliseconds.

    ``modes_ms``: how often is looked whether another process paused something.
    """

    inventory_ms: int = 15_000
    orders_ms: int = 20_000
    order_status_ms: int = 60_000
    prices_ms: int = 600_000
    products_ms: int = 600_000
    poll_ms: int = 240_000
    reconcile_ms: int = 6 * 3_600_000
    items_ms: int = ITEMS_INTERVAL_MS
    lease_ttl_ms: int = TTL_MS
    modes_ms: int = MODES_INTERVAL_MS


class World:
    """Simulators, people and a transport between everybody.

    ``level_events``: whether the shop tells every change of its numbers.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport,
        pace: Pace | None = None,
        sockets: bool = False,
        level_events: bool = True,
    ) -> None:
        self.clock = clock
        self.level_events = level_events
        self.price_rules: PriceRules | None = None  # with them, prices travel too
        self.product_rules: ProductRules | None = None  # with them, products do
        self.rng = rng
        self.pace = pace or Pace()
        self._private_key, public_key, self._kid = make_certificate()
        self.shop = ShopifySimulator(
            clock=clock,
            rng=Random(rng.getrandbits(64)),
            transport=transport,
            shop=SHOP_DOMAIN,
            plan=PLAN,
            access_token=ACCESS_TOKEN,
            client_secrets=(WEBHOOK_SECRET,),
            allow_http=sockets,
        )
        self.erp = NetSuiteSimulator(
            clock=clock,
            rng=Random(rng.getrandbits(64)),
            transport=transport,
            tier=TIER,
            suitecloud_plus=SUITECLOUD_PLUS,
            certificates={self._kid: public_key},
            timezone=ERP_ZONE,
        )
        self.tax_item = self.erp.add_item(
            "SHOP-TAX", "Sales tax from the shop", None, kind="OthCharge", role="tax"
        )
        self.web_customer = self.erp.add_customer("web-customer", companyname="Web customer")
        self.trade = Trade.found(
            clock=clock,
            rng=Random(rng.getrandbits(64)),
            shop=self.shop,
            erp=self.erp,
            channel=SHOP,
        )

    def routes(self) -> Routes:
        """The flows between the two systems."""
        locations = {str(erp_at): str(shop_at) for erp_at, shop_at in self.trade.locations}
        # The ERP's own safety stocks, location by location, are rules of the route.
        per_sku = [
            Layer(
                Level.SKU,
                {
                    "safety_by_location": {
                        str(at): self.erp.safety_stock(sku, at)
                        for at, _ in self.trade.locations
                        if self.erp.safety_stock(sku, at)
                    },
                },
                sku,
            )
            for sku in self.trade.skus
            if any(self.erp.safety_stock(sku, at) for at, _ in self.trade.locations)
        ]
        pace = self.pace
        return Routes(
            [
                Route(
                    Flow.INVENTORY,
                    ERP,
                    SHOP,
                    pace.inventory_ms,
                    locations=locations,
                    rules=Rules(per_sku),
                    poll_interval_ms=pace.poll_ms,
                    reconcile_interval_ms=pace.reconcile_ms,
                ),
                Route(Flow.ORDERS, SHOP, ERP, pace.orders_ms, poll_interval_ms=pace.poll_ms),
                Route(Flow.ORDER_STATUS, ERP, SHOP, pace.order_status_ms, poll_interval_ms=pace.poll_ms),
                *self._prices(),
                *self._products(),
            ]
        )

    def _prices(self) -> list[Route]:
        if self.price_rules is None:
            return []
        route = Route(
            Flow.PRICES,
            ERP,
            SHOP,
            self.pace.prices_ms,
            poll_interval_ms=self.pace.poll_ms,
            prices=self.price_rules,
        )
        return [route]

    def _products(self) -> list[Route]:
        if self.product_rules is None:
            return []
        rules, pace = self.product_rules, self.pace
        return [
            Route(Flow.CATALOG, ERP, SHOP, pace.products_ms, poll_interval_ms=pace.poll_ms, products=rules)
        ]

    def settings(self, *, shop_url: str = "", erp_url: str = "") -> tuple[Any, Any]:
        """The configuration of both systems; URLs only where they differ from the vendors' own."""
        shop = SHOPIFY.settings(
            shop=SHOP_DOMAIN,
            access_token=ACCESS_TOKEN,
            webhook_secrets=(WEBHOOK_SECRET,),
            plan=PLAN,
            base_url=shop_url,
            level_events=self.level_events,
            bulk_from=BULK_FROM,
        )
        erp = NETSUITE.settings(
            account=self.erp.account_id,
            client_id="syncline-demo-client",
            certificate_id=self._kid,
            private_key=self._private_key,
            base_url=erp_url,
            push_secrets=(PUSH_SECRET,),
            timezone=ERP_ZONE,
            slots=SLOTS,
            tax="keep",
            tax_item=str(self.tax_item),
            web_customer=str(self.web_customer),
            catalog_fields=COLUMNS if self.product_rules is not None else {},
        )
        return shop, erp

    def open_systems(
        self,
        transport: Transport,
        rng: Random,
        *,
        shop_url: str = "",
        erp_url: str = "",
    ) -> list[System]:
        """Both systems as Syncline sees them."""
        shop, erp = self.settings(shop_url=shop_url, erp_url=erp_url)
        return [
            SHOPIFY.open(Opening(SHOP, shop, self.clock, rng, transport)),
            NETSUITE.open(Opening(ERP, erp, self.clock, rng, transport)),
        ]

    def open_engine(self, store: Store, systems: Sequence[System], rng: Random) -> Engine:
        """Syncline itself, not yet running."""
        return Engine(
            store=store,
            clock=self.clock,
            rng=rng,
            systems=systems,
            routes=self.routes(),
            calls_max={SHOP: 16, ERP: SLOTS},
            items_interval_ms=self.pace.items_ms,
            lease_ttl_ms=self.pace.lease_ttl_ms,
            modes_interval_ms=self.pace.modes_ms,
            owner="embedded",  # one process owns the store, so a restart need not wait for its own leases
        )

    async def connect(self, engine: Engine, hooks_url: Callable[[str], str]) -> None:
        """What an operator does once: webhook subscriptions there, the push script here."""
        self.erp.configure_push(hooks_url(ERP), [PUSH_SECRET])
        prepare = engine.systems[SHOP].prepare
        assert prepare is not None
        await prepare(hooks_url(SHOP))

    def quiet(self) -> bool:
        """Neither simulator has anything to tell any more."""
        return self.shop.webhooks_in_flight() == 0 and self.erp.pushes_in_flight() == 0

    def run_people(self) -> list[asyncio.Task[None]]:
        """Start what the vendors do by themselves: webhooks, pushes and their retries."""
        loop = asyncio.get_running_loop()
        return [loop.create_task(self.shop.run()), loop.create_task(self.erp.run())]
