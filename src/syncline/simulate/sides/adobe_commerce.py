"""A simulated Adobe Commerce shop in a played world."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Literal

from syncline.connectors.adobe_commerce import CONNECTOR, AdobeCommerceSettings
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import (
    AdobeCommerceSimulator,
    Buyer,
    CartLine,
    make_keys,
    public_pem,
)
from syncline.connectors.adobe_commerce.simulator.companies import Company
from syncline.connectors.adobe_commerce.simulator.state import Order, OrderItem, money, to_int
from syncline.ports import Clock, Transport
from syncline.simulate.history import HistoryLine, HistoryOrder
from syncline.simulate.licence import USUAL_LICENCE, Licence
from syncline.simulate.sides.ports import SHIPPING, TAX_RATE, Place, Sale, ShopSide, Wanted

ORIGIN = "https://simulated-commerce.example"
CLIENT_ID = "simulated-client"
WORKERS = 16  # calls that the shop's web server takes at once; the vendor states no limit
PAID_AT_ONCE = 0.8  # of the orders; the rest pays by invoice, and can be cancelled
CENT = Decimal("0.01")
BULK_APPLIES_S = 60
ENABLED = 1  # status of a product
TAKEN_BACK = "Syncline: erp return"  # how the comment of a credit memo begins
FAMILY = "FAMILY"  # a product that others are chosen through
GROUP = "Wholesale"  # customer groups hold what is not everybody's price; this one every shop has
DISCOUNTS = (0, 0, 95)  # in minor units, of a line
THROUGH_FAMILY = 0.3  # of the lines
FIXED_TAX = Decimal("0.35")  # of one unit of every third product
ORDERS_SINCE = "2026-01-01T00:00:00Z"


class AdobeCommerceSide(ShopSide):
    """One shop that tells of its orders by Adobe I/O Events.

    Attributes:
        stock_writes: ``direct``, or ``bulk`` through the shop's queue.
        events: whether it tells of its orders; otherwise they are polled.
        orders_since: orders from before that moment are nobody's business.
    """

    connector = CONNECTOR
    licence = f"Adobe Commerce with {WORKERS} workers"
    unit = "at once"
    calls_max = WORKERS
    subscribes = False
    strict = True
    # Its token has no end, its events no subscription; reads from a replica are not what the connector is declared for.
    spared = frozenset({"subscriptions removed", "search lags"})
    names_place = False
    locations = 1  # more, and units are offered twice while goods are moved: see the connector's README
    stock_writes: Literal["direct", "bulk"] = "direct"
    events = True
    orders_since = ORDERS_SINCE
    products_max = 120  # a queue works them off one by one
    role = "Default User"

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport,
        sockets: bool,
        licence: Licence = USUAL_LICENCE,
    ) -> None:
        self._ours = licence.ours or WORKERS
        self.simulator: AdobeCommerceSimulator = AdobeCommerceSimulator(
            clock=clock, rng=rng, transport=transport, origin=ORIGIN, workers=licence.at_once or WORKERS
        )
        self._rng = Random(rng.getrandbits(64))
        self._source = ""
        self.simulator.add_product(FAMILY, "In sizes", Decimal(0), {}, kind="configurable")
        # Counted into the subtotal, those of variants are in the last invoice, so that what was paid can be told.
        self.simulator.state.fixed_taxes_taxed = self.simulator.state.fixed_taxes_in_subtotal = True

    def origins(self) -> list[str]:
        return [ORIGIN]

    def serve_at(self, url: str) -> None:
        self.simulator.origin = url

    def settings(self, url: str = "") -> AdobeCommerceSettings:
        held = self.simulator.integration
        return AdobeCommerceSettings(
            base_url=url or ORIGIN,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            order_source=self._source,
            concurrency=self._ours,
            stock_writes=self.stock_writes,
            bulk_applies_after_s=BULK_APPLIES_S,
            event_public_keys=tuple(public_pem(key) for key in make_keys()) if self.events else (),
            event_client_id=CLIENT_ID if self.events else "",
            orders_since=self.orders_since,
        )

    def listen(self, url: str) -> None:
        if self.events:
            self.simulator.register_events(url, CLIENT_ID, EVENT_FIELDS)

    def quiet(self) -> bool:
        return self.simulator.events.in_flight() == 0

    def lose_next(self) -> None:
        self.simulator.events.lose_next()

    def forget_subscriptions(self) -> None:
        """Events are registered in Adobe's console; nothing is dropped there."""

    def digest(self) -> str:
        return self.simulator.state_digest()

    def check(self) -> list[str]:
        return self.simulator.check()

    def add_place(self, name: str) -> str:
        code = self.simulator.add_source(name.lower().replace(" ", "-"), name)
        self._source = self._source or code
        return code

    def add_product(self, sku: str, title: str, price: Decimal, shown: Mapping[Place, int]) -> None:
        self.simulator.add_product(sku, title, price, shown)
        if len(self.simulator.state.products) % 3 == 0:
            self.simulator.add_fixed_tax(sku, FIXED_TAX)

    def price(self, sku: str) -> Decimal | None:
        found = self.simulator.state.products.get(sku)
        return money(found.price_minor) if found is not None and found.status == ENABLED else None

    def title(self, sku: str) -> str:
        found = self.simulator.state.products.get(sku)
        return "" if found is None else found.name

    def company(self, key: str) -> str:
        found = self._company(key)
        people = self.simulator.state.customers.values()
        if found is None or not any(one.company_id == found.id and one.company_status == 1 for one in people):
            return ""
        return str(found.properties["company_name"])

    def credit(self, key: str) -> Decimal | None:
        found = self._company(key)
        held = self.simulator.state.company_credits.values()
        return next((x.available for x in held if found is not None and x.company_id == found.id), None)

    def _company(self, key: str) -> Company | None:
        companies = self.simulator.state.companies.values()
        return next((one for one in companies if one.properties.get("reseller_id") == key), None)

    def open_contract(self) -> str:
        return GROUP

    def listed(self, sku: str) -> Decimal | None:
        price = self.simulator.state.tier_prices.get((sku, GROUP, 1))
        return None if price is None else Decimal(str(price))

    # --- buyers -----------------------------------------------------------------------------------

    def sell(self, order: HistoryOrder) -> Sale:
        """A cart takes a line only if all of it is salable, and what it took is ordered together."""
        left: dict[str, int] = {}
        accepted: list[HistoryLine] = []
        refused: list[HistoryLine] = []
        for line in order.lines:
            there = left.get(line.sku)
            if there is None:
                there = self.simulator.salable(line.sku)
            fits = there >= line.quantity
            left[line.sku] = there - line.quantity if fits else there
            (accepted if fits else refused).append(line)
        if not accepted:
            return Sale(None, accepted, refused)
        name = order.customer
        done = self.simulator.checkout(
            [self._line(line) for line in accepted],
            buyer=Buyer(f"{name}@example.com", "Customer", name) if name else None,
            registered=bool(name),
            shipping_minor=to_int(SHIPPING.scaleb(2)),
            tax_rate=TAX_RATE,
            paid=self._rng.random() < PAID_AT_ONCE,
        )
        return Sale(done.order_id, accepted, refused)

    def sell_on_terms(self, sku: str) -> int | None:
        if self.simulator.salable(sku) < 1:
            return None
        done = self.simulator.checkout(
            [CartLine(sku, 1, 0, "")],
            buyer=Buyer("on-terms@example.com", "Customer", "on-terms"),
            registered=True,
            shipping_minor=to_int(SHIPPING.scaleb(2)),
            tax_rate=TAX_RATE,
            paid=False,
        )
        return done.order_id

    def _line(self, line: HistoryLine) -> CartLine:
        """Some lines are cheaper, and some were chosen through a family."""
        row = self.simulator.state.products[line.sku].price_minor * line.quantity
        discount = self._rng.choice(DISCOUNTS)
        family = FAMILY if self._rng.random() < THROUGH_FAMILY else ""
        return CartLine(line.sku, line.quantity, discount if discount < row else 0, family)

    def cancel(self, order_id: int, *, restock: bool) -> bool:
        """The shop cancels what nobody has paid yet."""
        return self.simulator.sales.cancel(self._order(order_id))

    def cut(self, order_id: int) -> bool:
        """An order is never edited here: money goes back for a unit that was not sent."""
        order = self._order(order_id)
        line = order.lines[0]
        if line.to_refund <= 1 or line.to_ship <= 1 or line.shipped:
            return False
        self.simulator.sales.refund(order, {line.item_id: 1})
        return True

    # --- truth ------------------------------------------------------------------------------------

    def _order(self, order_id: int) -> Order:
        return self.simulator.orders[order_id]

    def wanted(self, order_id: int) -> list[Wanted]:
        return [
            Wanted(line.sku, self._source, _units(line), _price(line)) for line in self._order(order_id).lines
        ]

    def cancelled(self, order_id: int) -> bool:
        order = self._order(order_id)
        return order.state == "canceled" and not order.shipments

    def sent(self, order_id: int) -> bool:
        return bool(self._order(order_id).shipments)

    def total(self, order_id: int) -> Decimal:
        order = self._order(order_id)
        goods = sum(line.net_of(_units(line)) + line.tax_of(_units(line)) for line in order.lines)
        goods += sum(item.fixed_of(_units(item.parent or item)) for item in order.items)
        returned = sum(memo.shipping_minor for memo in order.creditmemos)
        return money(goods + order.shipping_minor - returned)

    def payments(self, order_id: int) -> int:
        return sum(invoice.paid and not invoice.comment for invoice in self._order(order_id).invoices)

    def told_paid(self, order_id: int) -> Decimal:
        told = [one for one in self._order(order_id).invoices if one.paid and one.comment]
        return money(sum(one.total_minor for one in told))

    def told_back(self, order_id: int) -> list[tuple[int, Decimal]]:
        return [
            (sum(units for _, units in memo.lines), money(memo.total_minor))
            for memo in self._order(order_id).creditmemos
            if memo.comment.startswith(TAKEN_BACK)
        ]

    def facts(self, order_id: int) -> int:
        order = self._order(order_id)
        return len(order.lines) + len(order.invoices)

    def parcels(self) -> list[tuple[str, int]]:
        return [
            (
                shipment.tracks[0].track_number if shipment.tracks else "",
                sum(units for _, units in shipment.lines),
            )
            for shipment in self.simulator.state.shipments.values()
        ]

    def shown(self, sku: str, at: Place) -> int:
        return self.simulator.salable(sku)


def _price(line: OrderItem) -> Decimal:
    units = _units(line)
    return (money(line.net_of(units)) / units).quantize(CENT) if units else Decimal(0)


def _units(line: OrderItem) -> int:
    """What a buyer still wants of a line, or has had."""
    return line.ordered - line.canceled - line.refunded


__all__ = ["AdobeCommerceSide"]
