"""A simulated Shopify shop in a played world."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Final, cast

from syncline.connectors.shopify import CONNECTOR, ShopifySettings
from syncline.connectors.shopify.manifest import Plan
from syncline.connectors.shopify.simulator import Buyer, CartLine, ShopifySimulator
from syncline.ports import Clock, Transport
from syncline.simulate.history import HistoryOrder
from syncline.simulate.licence import USUAL_LICENCE, Licence
from syncline.simulate.sides.ports import SHIPPING, TAX_RATE, Place, Sale, ShopSide, Wanted

SHOP_DOMAIN = "simulated.myshopify.com"
WEBHOOK_SECRET = "simulated-client-secret-0123456789"  # noqa: S105 (opens nothing but a simulator)
ACCESS_TOKEN = "shpat_simulated"  # noqa: S105 (the same)
BULK_FROM = 3  # products: far fewer than a shop would say, so that bulk operations are played as well
BANKED = "ERP"  # in the gateway of a payment that the shop was only told of
TAKEN_BACK = "Syncline: erp return"  # how the note of a refund begins
BULK_FROM_LIVE = (
    5_000  # where real time passes: what the simulator takes for each line would last longer than the play
)
PLAN: Final = "plus"  # 1,000 points a second: Shopify, API rate limits


class ShopifySide(ShopSide):
    """One shop. ``level_events``: whether it tells every change of its numbers."""

    connector = CONNECTOR
    licence = f"Shopify {PLAN} (1,000 points a second)"
    unit = "points"
    calls_max = 16
    subscribes = True
    strict = False  # the checkers name what counts
    spared: frozenset[str] = frozenset()
    names_place = True
    locations = 3
    products_max = 500
    role = "Ordering only"

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport,
        sockets: bool,
        licence: Licence = USUAL_LICENCE,
    ) -> None:
        self.level_events = True
        self._plan = cast("Plan", licence.name or PLAN)
        self._bulk_from = BULK_FROM_LIVE if sockets else BULK_FROM
        self.simulator: ShopifySimulator = ShopifySimulator(
            clock=clock,
            rng=rng,
            transport=transport,
            shop=SHOP_DOMAIN,
            plan=self._plan,
            access_token=ACCESS_TOKEN,
            client_secrets=(WEBHOOK_SECRET,),
            allow_http=sockets,
        )

    def origins(self) -> list[str]:
        return [f"https://{self.simulator.shop}"]

    def serve_at(self, url: str) -> None:
        """Nothing in its answers names its own address."""

    def settings(self, url: str = "") -> ShopifySettings:
        return ShopifySettings(
            shop=SHOP_DOMAIN,
            access_token=ACCESS_TOKEN,
            webhook_secrets=(WEBHOOK_SECRET,),
            plan=self._plan,
            base_url=url,
            level_events=self.level_events,
            bulk_from=self._bulk_from,
        )

    def listen(self, url: str) -> None:
        """Syncline subscribes."""

    def quiet(self) -> bool:
        return self.simulator.webhooks_in_flight() == 0

    def lose_next(self) -> None:
        self.simulator.lose_next_webhook("orders/create")

    def forget_subscriptions(self) -> None:
        self.simulator.state.subscriptions.clear()

    def digest(self) -> str:
        return self.simulator.state_digest()

    def check(self) -> list[str]:
        return self.simulator.check()

    def add_place(self, name: str) -> int:
        return self.simulator.add_location(name)

    def add_product(self, sku: str, title: str, price: Decimal, shown: Mapping[Place, int]) -> None:
        self.simulator.add_product(sku, title, price, shown)

    def price(self, sku: str) -> Decimal | None:
        variant = self.simulator.state.skus.get(sku)
        if variant is None or self.simulator.product_of(sku).status != "ACTIVE":
            return None
        return variant.price

    def title(self, sku: str) -> str:
        return self.simulator.product_of(sku).title if sku in self.simulator.state.skus else ""

    def company(self, key: str) -> str:
        found = self.simulator.company_of(key)
        able = found is not None and any(
            one.role.name == self.role for contact in found.contacts for one in contact.assignments
        )
        return found.name if found is not None and able else ""

    def credit(self, key: str) -> Decimal | None:
        company = self.simulator.company_of(key)
        at = ("" if company is None else f"gid://shopify/Company/{company.id}", "syncline", "credit")
        held = self.simulator.state.metafields.get(at)
        left = None if held is None else json.loads(held[1])["available"]
        return None if left is None else Decimal(left)

    def open_contract(self) -> str:
        self._list = self.simulator.add_price_list("Contract")
        return str(self._list.id)

    def listed(self, sku: str) -> Decimal | None:
        fixed = self._list.fixed.get(self.simulator.state.skus[sku].variant_id)
        return None if fixed is None else Decimal(fixed[0]).scaleb(-2)

    # --- buyers -----------------------------------------------------------------------------------

    def sell(self, order: HistoryOrder) -> Sale:
        done = self.simulator.checkout(
            [CartLine(line.sku, line.quantity, line.unit_price) for line in order.lines],
            customer=_buyer(order.customer) if order.customer else None,
            shipping=SHIPPING,
            tax_rate=TAX_RATE,
            source_reference=order.id,
        )
        return Sale(done.order_id, done.accepted, done.refused)

    def sell_on_terms(self, sku: str) -> int | None:
        done = self.simulator.checkout(
            [CartLine(sku, 1)], customer=_buyer("on-terms"), shipping=SHIPPING, tax_rate=TAX_RATE, paid=False
        )
        return done.order_id

    def cancel(self, order_id: int, *, restock: bool) -> bool:
        self.simulator.cancel_order(order_id, restock=restock)
        return True

    def cut(self, order_id: int) -> bool:
        line = self.simulator.orders[order_id].lines[0]
        if line.current_quantity <= 1 or line.fulfilled_quantity:
            return False
        self.simulator.edit_order(order_id, line.id, line.current_quantity - 1)
        return True

    # --- truth ------------------------------------------------------------------------------------

    def wanted(self, order_id: int) -> list[Wanted]:
        return [
            Wanted(part.line.sku, fulfillment_order.location.id, part.total, part.line.unit_price)
            for fulfillment_order in self.simulator.orders[order_id].fulfillment_orders
            for part in fulfillment_order.lines
        ]

    def cancelled(self, order_id: int) -> bool:
        return self.simulator.orders[order_id].cancelled_ms is not None

    def sent(self, order_id: int) -> bool:
        return bool(self.simulator.orders[order_id].fulfillments)

    def total(self, order_id: int) -> Decimal:
        return Decimal(self.simulator.orders[order_id].current_total_minor()).scaleb(-2)

    def payments(self, order_id: int) -> int:
        return sum(
            transaction.kind in ("SALE", "CAPTURE")
            and transaction.status == "SUCCESS"
            and BANKED not in transaction.gateway
            for transaction in self.simulator.orders[order_id].transactions
        )

    def told_paid(self, order_id: int) -> Decimal:
        transactions = self.simulator.orders[order_id].transactions
        return sum((one.amount for one in transactions if BANKED in one.gateway), Decimal(0))

    def told_back(self, order_id: int) -> list[tuple[int, Decimal]]:
        return [
            (
                sum(line.quantity for line in refund.lines),
                sum((one.amount for one in refund.transactions), Decimal(0)),
            )
            for refund in self.simulator.orders[order_id].refunds
            if (refund.note or "").startswith(TAKEN_BACK)
        ]

    def facts(self, order_id: int) -> int:
        order = self.simulator.orders[order_id]
        return len(order.lines) + len(order.transactions)

    def parcels(self) -> list[tuple[str, int]]:
        return [
            (
                next((tracking.number or "" for tracking in fulfillment.tracking), ""),
                sum(line.quantity for line in fulfillment.lines),
            )
            for fulfillment in self.simulator.fulfillments
        ]

    def shown(self, sku: str, at: Place) -> int:
        return self.simulator.available(sku, at)


def _buyer(name: str) -> Buyer:
    return Buyer(
        first_name="Customer",
        last_name=name,
        email=f"{name}@example.com",
        address1="1 High Street",
        city="Reading",
        zip="RG1 1AA",
    )


__all__ = ["ACCESS_TOKEN", "PLAN", "SHOP_DOMAIN", "WEBHOOK_SECRET", "ShopifySide"]
