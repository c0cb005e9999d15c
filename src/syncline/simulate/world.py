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

from syncline.connectors.netsuite.simulator import NetSuiteSimulator
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.engine.engine import ITEMS_INTERVAL_MS, Engine
from syncline.engine.leases import TTL_MS
from syncline.engine.modes import INTERVAL_MS as MODES_INTERVAL_MS
from syncline.engine.retiring import ORDERS_KEPT_MS
from syncline.engine.routes import Route, Routes
from syncline.inventory.rules import Layer, Level, Rules
from syncline.model.change import Flow
from syncline.model.products import ProductRules
from syncline.ports import Clock, Opening, Store, System, Transport
from syncline.pricing.rules import PriceRules
from syncline.simulate.sides import ERPS, SHOPS, ErpSide, ShopSide, chosen
from syncline.simulate.sides.netsuite import PUSH_SECRET, SLOTS, NetSuiteSide
from syncline.simulate.sides.shopify import ACCESS_TOKEN, SHOP_DOMAIN, WEBHOOK_SECRET, ShopifySide
from syncline.simulate.trade import Trade

SHOP = "shop"
ERP = "erp"
USUAL_SHOP, USUAL_ERP = "shopify", "netsuite"


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

    ``channel`` and ``erp``: whose simulators, by their names in ``SHOPS`` and ``ERPS``. ``level_events``: whether the
    shop tells every change of its numbers, where it can.
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
        channel: str = USUAL_SHOP,
        erp: str = USUAL_ERP,
    ) -> None:
        """Set both accounts up.

        Raises:
            Misconfigured: there is no simulator of a name.
        """
        open_shop, open_erp = chosen(SHOPS, channel, "--channel"), chosen(ERPS, erp, "--erp")
        self.clock = clock
        self.level_events = level_events
        self.price_rules: PriceRules | None = None  # with them, prices travel too
        self.product_rules: ProductRules | None = None  # with them, products do
        self.more_routes: list[Route] = []
        self.orders_kept_ms = ORDERS_KEPT_MS
        self.rng = rng
        self.pace = pace or Pace()
        self.shop_side: ShopSide = open_shop(
            clock=clock, rng=Random(rng.getrandbits(64)), transport=transport, sockets=sockets
        )
        self.erp_side: ErpSide = open_erp(
            clock=clock, rng=Random(rng.getrandbits(64)), transport=transport, sockets=sockets
        )
        self.trade = Trade.found(
            clock=clock,
            rng=Random(rng.getrandbits(64)),
            shop=self.shop_side,
            erp=self.erp_side,
            channel=SHOP,
        )

    @property
    def shop(self) -> ShopifySimulator:
        """The Shopify shop itself, for plays of what only such a shop has."""
        assert isinstance(self.shop_side, ShopifySide)
        return self.shop_side.simulator

    @property
    def erp(self) -> NetSuiteSimulator:
        """The NetSuite account itself, for plays of what only such an account has."""
        assert isinstance(self.erp_side, NetSuiteSide)
        return self.erp_side.simulator

    def routes(self) -> Routes:
        """The flows between the two systems."""
        locations = {str(erp_at): str(shop_at) for erp_at, shop_at in self.trade.locations}
        # The ERP's own safety stocks, location by location, are rules of the route.
        per_sku = [
            Layer(
                Level.SKU,
                {
                    "safety_by_location": {
                        str(at): self.erp_side.safety_stock(sku, at)
                        for at, _ in self.trade.locations
                        if self.erp_side.safety_stock(sku, at)
                    },
                },
                sku,
            )
            for sku in self.trade.skus
            if any(self.erp_side.safety_stock(sku, at) for at, _ in self.trade.locations)
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
                *self.more_routes,
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
        if isinstance(self.shop_side, ShopifySide):
            self.shop_side.level_events = self.level_events
        return self.shop_side.settings(shop_url), self.erp_side.settings(erp_url)

    def open_systems(
        self,
        transport: Transport,
        rng: Random,
        *,
        shop_url: str = "",
        erp_url: str = "",
        erp_transport: Transport | None = None,
    ) -> list[System]:
        """Both systems as Syncline sees them; ``erp_transport`` is the line to the ERP, where it has one of its own."""
        shop, erp = self.settings(shop_url=shop_url, erp_url=erp_url)
        return [
            self.shop_side.connector.open(Opening(SHOP, shop, self.clock, rng, transport)),
            self.erp_side.connector.open(Opening(ERP, erp, self.clock, rng, erp_transport or transport)),
        ]

    def open_engine(self, store: Store, systems: Sequence[System], rng: Random) -> Engine:
        """Syncline itself, not yet running."""
        return Engine(
            store=store,
            clock=self.clock,
            rng=rng,
            systems=systems,
            routes=self.routes(),
            calls_max={SHOP: self.shop_side.calls_max, ERP: self.erp_side.calls_max},
            items_interval_ms=self.pace.items_ms,
            lease_ttl_ms=self.pace.lease_ttl_ms,
            modes_interval_ms=self.pace.modes_ms,
            orders_kept_ms=self.orders_kept_ms,
            owner="embedded",  # one process owns the store, so a restart need not wait for its own leases
        )

    async def connect(self, engine: Engine, hooks_url: Callable[[str], str]) -> None:
        """What an operator does once: webhook subscriptions there, the push script here."""
        for name, side in ((ERP, self.erp_side), (SHOP, self.shop_side)):
            side.listen(hooks_url(name))
            if side.subscribes:
                prepare = engine.systems[name].prepare
                assert prepare is not None
                await prepare(hooks_url(name))

    def sides(self) -> tuple[ShopSide, ErpSide]:
        """The shop and the ERP."""
        return self.shop_side, self.erp_side

    def quiet(self) -> bool:
        """Neither simulator has anything to tell any more."""
        return all(side.quiet() for side in self.sides())

    def run_people(self) -> list[asyncio.Task[None]]:
        """Start what the vendors do by themselves: webhooks, pushes and their retries."""
        loop = asyncio.get_running_loop()
        return [loop.create_task(side.simulator.run()) for side in self.sides()]


__all__ = [
    "ACCESS_TOKEN",
    "ERP",
    "PUSH_SECRET",
    "SHOP",
    "SHOP_DOMAIN",
    "SLOTS",
    "USUAL_ERP",
    "USUAL_SHOP",
    "WEBHOOK_SECRET",
    "Pace",
    "World",
]
