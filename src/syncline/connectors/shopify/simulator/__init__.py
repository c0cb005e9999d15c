"""A simulated Shopify shop: Admin GraphQL API of 2026-07, webhooks, merchants and buyers.

Written from the vendor's pages and live answers, blind to our own client. Every rule names its
source where it stands; answer times, delivery times and a few wordings are assumptions and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from random import Random
from typing import ClassVar

from syncline.connectors.shopify.simulator import payloads
from syncline.connectors.shopify.simulator.app import VERSIONS, HttpApp
from syncline.connectors.shopify.simulator.bulk import Bulk
from syncline.connectors.shopify.simulator.companies import Companies, Company
from syncline.connectors.shopify.simulator.compliance import Complying
from syncline.connectors.shopify.simulator.drafts import Draft, Drafting
from syncline.connectors.shopify.simulator.idempotency import Keys
from syncline.connectors.shopify.simulator.limits import RESTORE_RATE, Bucket
from syncline.connectors.shopify.simulator.prices import Pricing
from syncline.connectors.shopify.simulator.products import Products
from syncline.connectors.shopify.simulator.records import (
    QUANTITY_NAMES,
    Buyer,
    CartLine,
    Checkout,
    Fulfillment,
    Level,
    Location,
    OrderLine,
    OrderRecord,
    Tracking,
    Variant,
)
from syncline.connectors.shopify.simulator.state import ShopState
from syncline.connectors.shopify.simulator.webhooks import Webhooks
from syncline.ports import Clock, Transport
from syncline.sdk.simulator import Simulator

__all__ = [
    "VERSIONS",
    "Buyer",
    "CartLine",
    "Checkout",
    "Company",
    "OrderLine",
    "OrderRecord",
    "ShopifySimulator",
    "Variant",
]

ALL_SCOPES = (
    "read_all_orders",
    "read_locations",
    "write_customers",
    "write_inventory",
    "write_merchant_managed_fulfillment_orders",
    "write_orders",
    "write_products",
    "write_publications",
    "write_translations",
)


class ShopifySimulator(Drafting, Complying, Pricing, Products, Companies, Simulator):
    """One shop with its stock, orders, limits, webhooks and faults.

    Deterministic in its clock and random source: ``state_digest`` of two equal runs is equal.
    """

    gid_type: ClassVar[str] = "Shop"

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport | None = None,
        shop: str = "simulated.myshopify.com",
        plan: str = "plus",
        access_token: str = "shpat_simulated",  # noqa: S107 - a made-up one
        client_id: str = "0123456789abcdef0123456789abcdef",
        client_secrets: Sequence[str] = ("shpss_simulated",),
        currency: str = "GBP",
        answer_ms: tuple[float, float] = (50.0, 400.0),
        allow_http: bool = False,
    ) -> None:
        super().__init__(clock=clock, rng=rng, transport=transport)
        self.shop = shop
        self.plan = plan
        self.access_token = access_token
        self.client_id = client_id
        self.currency = self.presentment_currency = currency
        self.presentment_rate = Decimal(1)
        self.allow_http = allow_http
        self.moves_touch_orders = (
            False  # whether an order that is moved bears a new stamp, and is told: nobody says
        )
        self.scopes: set[str] = set(ALL_SCOPES)
        self.state = ShopState(clock)
        self.drafts: dict[int, Draft] = {}
        self.keys = Keys()
        self.origin = f"https://{shop}"  # where uploaded files go, and results come from
        self.locales = {"en"}
        self.bulk = Bulk(self)
        self.bucket = Bucket(clock, RESTORE_RATE[plan])
        self.hooks = Webhooks(
            state=self.state,
            clock=clock,
            rng=rng,
            transport=transport,
            faults=lambda: self.faults,
            shop=shop,
            secrets=list(client_secrets),
        )
        self.effects = 0
        self.warned: list[tuple[str, str]] = []  # queries and fields that the running root field ignored
        self._stale: dict[tuple[int, int], tuple[int, int, str]] = {}
        self.http = HttpApp(self, answer_ms)
        self.app = self.http

    async def run(self) -> None:
        """Deliver webhooks until cancelled."""
        await self.hooks.run()

    # -- webhooks

    def webhooks_in_flight(self) -> int:
        """Events that wait for their first delivery or for a retry."""
        return self.hooks.in_flight()

    def lose_next_webhook(self, topic: str) -> None:
        """Lose the next event of a topic (``orders/create`` or ``ORDERS_CREATE``), once."""
        self.hooks.lose_next(topic)

    @property
    def client_secrets(self) -> list[str]:
        """The secrets that are not revoked, oldest first; the first one signs. Rotate by editing it."""
        return self.hooks.secrets

    # -- truth

    @property
    def orders(self) -> dict[int, OrderRecord]:
        """Every order by id, in the order of creation."""
        return self.state.orders

    @property
    def fulfillments(self) -> list[Fulfillment]:
        """Every parcel, in the order of creation."""
        return list(self.state.fulfillments.values())

    @property
    def locations(self) -> dict[int, Location]:
        """Every location by id."""
        return self.state.locations

    def available(self, sku: str, location_id: int | None = None) -> int:
        """``available`` at one location, or the number that the shop shows: the sum over all."""
        levels = self.state.skus[sku].levels
        if location_id is None:
            return sum(level.available for level in levels.values())
        return levels[location_id].available if location_id in levels else 0

    def quantities(self, sku: str, location_id: int) -> dict[str, int]:
        """Every state of an item's stock at a location."""
        level = self.state.skus[sku].levels[location_id]
        return {name: getattr(level, name) for name in QUANTITY_NAMES}

    def sku_of(self, inventory_item_id: int) -> str:
        """The SKU of an inventory item."""
        return self.state.items[inventory_item_id].sku

    def check(self) -> list[str]:
        """Broken invariants in words; empty when stock and orders agree."""
        return self.state.check()

    def state_digest(self) -> str:
        """SHA-256 over the complete state and the ledger's counters."""
        counters: Iterable[str] = (
            repr(sorted(counter.items()))
            for counter in (self.ledger.calls_by_operation, self.ledger.effects, self.ledger.breaches)
        )
        drafts = repr([(draft.id, draft.until_ms) for draft in self.drafts.values()])
        return self.state.digest([*counters, drafts, repr((self.effects, self.hooks.sent, self.hooks.lost))])

    # -- what the API's mutations report back

    def applied(self, effects: int) -> None:
        """Note that a mutation changed something."""
        self.effects += effects

    def levels_changed(self, levels: Iterable[Level]) -> None:
        """Tell subscribers about new ``available`` numbers, our own writes included."""
        self._levels_changed(levels, self.hooks.new_event())

    def levels_connected(self, level: Level) -> None:
        """Tell subscribers that an item is stocked at one more location."""
        self.hooks.emit(
            "INVENTORY_LEVELS_CONNECT", self.hooks.new_event(), lambda: payloads.level(self, level)
        )

    def order_updated(self, order: OrderRecord) -> None:
        """Tell subscribers that an order changed."""
        self._order_changed(order, self.hooks.new_event(), "ORDERS_UPDATED")

    def track(self, fulfillment: Fulfillment, tracking: tuple[Tracking, ...]) -> None:
        """Replace a parcel's tracking."""
        fulfillment.tracking = tracking
        fulfillment.updated_ms = self.clock.now_ms()
        event = self.hooks.new_event()
        self.hooks.emit("FULFILLMENTS_UPDATE", event, lambda: payloads.fulfillment(self, fulfillment))
        self._order_changed(fulfillment.order, event, "ORDERS_UPDATED")

    def note_stale(self, level: Level, quantity: int, expected: int, key: str) -> None:
        """Count a stale write that comes again unchanged under another key: nobody re-read."""
        at = level.variant.variant_id, level.location.id
        last = self._stale.get(at)
        if last is not None and last[:2] == (quantity, expected) and last[2] != key:
            self.ledger.breach("stale_write_repeated")
        self._stale[at] = (quantity, expected, key)

    def forget_stale(self, level: Level) -> None:
        """A write to the level succeeded."""
        if self._stale:
            self._stale.pop((level.variant.variant_id, level.location.id), None)
