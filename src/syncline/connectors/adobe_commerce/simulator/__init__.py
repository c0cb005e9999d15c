"""A simulated Adobe Commerce shop: REST and bulk API of 2.4.x with multi-source inventory, events, buyers and people.

Written from the contract sheet and the vendor's sources, blind to our own client. What is an assumption says so where it
stands: answer times, how soon consumers work, how many calls a shop takes at once, and the spacing of retries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from syncline.connectors.adobe_commerce.simulator import hooks, render, sharedcatalogs
from syncline.connectors.adobe_commerce.simulator.app import HttpApp
from syncline.connectors.adobe_commerce.simulator.auth import Credentials, Integration
from syncline.connectors.adobe_commerce.simulator.bulk import Bulk
from syncline.connectors.adobe_commerce.simulator.catalogstate import DEFAULT, Category, Select
from syncline.connectors.adobe_commerce.simulator.companycredits import CompanyCredit
from syncline.connectors.adobe_commerce.simulator.events import (
    ORDER_SAVED,
    Events,
    Registration,
    make_keys,
    public_pem,
    sign,
)
from syncline.connectors.adobe_commerce.simulator.hooks import Hook
from syncline.connectors.adobe_commerce.simulator.journal import Journal
from syncline.connectors.adobe_commerce.simulator.publisher import Publisher
from syncline.connectors.adobe_commerce.simulator.sales import CartLine, Checkout, Sales
from syncline.connectors.adobe_commerce.simulator.state import (
    Buyer,
    Order,
    Product,
    ShopState,
    Source,
    SourceItem,
    Stock,
)
from syncline.ports import Clock, Transport
from syncline.sdk.simulator import Simulator

__all__ = [
    "ADMIN",
    "AdobeCommerceSimulator",
    "Buyer",
    "CartLine",
    "Checkout",
    "Hook",
    "Integration",
    "Journal",
    "Publisher",
    "Registration",
    "make_keys",
    "public_pem",
    "sign",
]

ADMIN = {"simulated": "simulated-Password-1"}


class AdobeCommerceSimulator(Simulator):
    """One shop with its sources, orders, queue, limits, events and faults.

    Deterministic in its clock and random source: ``state_digest`` of two equal runs is equal. ``input_limits``: whether
    the shop has switched the Web API's input limits on, which are off by default.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: Random,
        transport: Transport | None = None,
        origin: str = "https://simulated-commerce.example",
        integration: Integration | None = None,
        admins: Mapping[str, str] | None = None,
        bearer: bool = False,
        currency: str = "GBP",
        stores: Sequence[str] = ("default", "all"),
        input_limits: bool = False,
        workers: int = 8,
        answer_ms: tuple[float, float] = (80.0, 600.0),
    ) -> None:
        super().__init__(clock=clock, rng=rng, transport=transport)
        self.origin = origin
        self.currency = currency
        self.stores = set(stores)
        self.attributes = {"description", "short_description"}  # of products, that have a definition
        self.input_limits = input_limits
        self.items_max, self.async_items_max = 20, 5_000
        self.encoded_slashes = True
        self.state = ShopState(clock)
        self.sales = Sales(self.state, self._order_saved)
        self.bulk = Bulk(clock, rng, lambda: self.faults)
        self.events = Events(clock, rng, transport, lambda: self.faults)
        self.integration = integration or Integration()
        self.publisher: Publisher | None = None
        self.credentials = Credentials(
            rng, self.integration, dict(ADMIN if admins is None else admins), bearer
        )
        self.lock_waits = 0  # so many of the next saves wait too long for a lock in the database
        self.refused: list[str] = []
        self.denied: set[str] = set()  # resources that the caller's role does not include
        self.hook: Hook | None = None
        self.source_items_written = 0
        self.app = HttpApp(self, answer_ms, workers)

    async def run(self) -> None:
        """Deliver events until cancelled."""
        await self.events.run()

    # --- what is set up ---------------------------------------------------------------------------

    def add_source(self, code: str, name: str = "", *, stock_id: int = 1) -> str:
        """A new source, last in the order of a stock."""
        self.state.sources[code] = Source(code, name or code)
        self.state.stocks[stock_id].sources.append(code)
        return code

    def add_stock(self, name: str, website: str, sources: Sequence[str]) -> int:
        """A new stock for a website."""
        number = max(self.state.stocks) + 1
        self.state.stocks[number] = Stock(number, name, website, list(sources))
        return number

    def add_product(
        self, sku: str, name: str, price: Decimal, at: Mapping[str, int], *, kind: str = "simple"
    ) -> Product:
        """A new product, assigned to sources with what lies there."""
        return self.sales.add_product(sku, name, round(price * 100), at, kind)

    def add_fixed_tax(self, sku: str, amount: Decimal) -> None:
        """A fixed product tax (WEEE) on each unit of a product."""
        self.state.fixed_taxes[sku] = round(amount * 100)

    def rendered(self, order: Order) -> dict[str, Any]:
        """An order as the REST API has it."""
        in_subtotal = self.state.fixed_taxes_in_subtotal
        return render.order(order, self.currency, fixed_in_subtotal=in_subtotal)

    def add_company_credit(self, company_id: int, *, currency: str = "") -> CompanyCredit:
        """The credit that every company has, with nothing in it."""
        made = CompanyCredit(self.state.new_id("company_credit"), company_id, currency or self.currency)
        self.state.company_credits[made.id] = made
        return made

    def add_shared_catalog(self, name: str = "") -> int:
        """A shared catalog without products; returns its id."""
        return sharedcatalogs.add(self.state, name)

    def add_select(self, code: str, *labels: str) -> Select:
        """An attribute from whose values one is chosen."""
        number = 500 + self.state.new_id("select")
        made = Select(number, code, code.title(), {self.state.new_id("option_value"): one for one in labels})
        self.state.selects[code] = made
        return made

    def add_category(self, name: str, parent_id: int = DEFAULT) -> int:
        """A category; returns its id."""
        number = max(self.state.categories) + 1
        self.state.categories[number] = Category(number, parent_id, name)
        return number

    def register_events(
        self,
        url: str,
        client_id: str,
        fields: Sequence[str] = (),
        *,
        priority: bool = True,
        batch: bool = False,
        former: bool = False,
    ) -> None:
        """Have every saved order told to a webhook."""
        self.events.registration = Registration(url, client_id, tuple(fields), priority, batch, former)

    def keep_journal(self, client_id: str, fields: Sequence[str] = (), *, priority: bool = True) -> Journal:
        """Have every saved order told to a journal, beside the webhook if there is one. An app of its own serves it."""
        if self.events.registration is None:
            self.register_events("", client_id, fields, priority=priority)
        self.events.journal = Journal(self.clock, self.rng, client_id=client_id)
        return self.events.journal

    def publish_orders(self, publish: Callable[[str, bytes, str], None], topic: str) -> Publisher:
        """Install a module that publishes every saved order on the shop's exchange: topic, body, message id."""
        self.publisher = Publisher(publish, topic, self.rng, lambda: self.faults)
        return self.publisher

    def issue_admin_token(self, username: object, password: object) -> str:
        """What the token service does."""
        return self.credentials.admin_token(username, password, self.clock.now_ms())

    # --- people -----------------------------------------------------------------------------------

    def set_quantity(self, sku: str, source: str, quantity: int) -> None:
        """Somebody counts, and types what is there."""
        self.state.source_items[sku, source] = SourceItem(sku, source, quantity, int(quantity > 0))

    def checkout(self, cart: Sequence[CartLine], *, buyer: Buyer | None = None, **more: object) -> Checkout:
        """A buyer places an order, without being asked anything."""
        return self.sales.checkout(cart, buyer=buyer or Buyer("guest@shop.example"), **more)  # type: ignore[arg-type]

    async def place(
        self, cart: Sequence[CartLine], *, buyer: Buyer | None = None, **more: object
    ) -> Checkout:
        """The same, with the configured hook asked first."""
        if self.hook is not None and self.transport is not None:
            asked = self.sales.about_to_be(cart, buyer=buyer or Buyer("guest@shop.example"), **more)  # type: ignore[arg-type]
            words = await hooks.ask(
                self.hook,
                {"order": {**asked, "base_currency_code": self.currency}},
                self.clock,
                self.transport,
            )
            if words:
                return Checkout(None, words)
        return self.checkout(cart, buyer=buyer, **more)

    # --- truth ------------------------------------------------------------------------------------

    @property
    def orders(self) -> dict[int, Order]:
        """Every order by id, in the order of creation."""
        return self.state.orders

    def quantity(self, sku: str, source: str) -> int:
        """What a source item states."""
        item = self.state.item_at(sku, source)
        return 0 if item is None else item.quantity

    def salable(self, sku: str, stock_id: int = 1) -> int:
        """What buyers may still buy."""
        return self.state.salable(sku, stock_id)

    def check(self) -> list[str]:
        """Broken laws of the books, in words."""
        return self.state.check()

    def state_digest(self) -> str:
        """SHA-256 over the complete state and the ledger's counters."""
        counters = [
            repr(sorted(counter.items()))
            for counter in (self.ledger.calls_by_operation, self.ledger.effects, self.ledger.breaches)
        ]
        events = repr((self.events.sent, self.events.lost, self.events.in_flight()))
        return self.state.digest([*counters, events, self.bulk.told()])

    # --- what the services report back ------------------------------------------------------------

    def write_source_item(self, item: SourceItem) -> None:
        """A number from outside takes the place of what was there."""
        self.source_items_written += 1
        self.state.source_items[item.sku, item.source] = item

    def visible(self, order: Order) -> bool:
        """Whether a search shows an order yet: a replica, where reads go to one, lags behind."""
        return (
            not self.faults.read_lag_ms or order.updated_ms <= self.clock.now_ms() - self.faults.read_lag_ms
        )

    def _order_saved(self, order: Order) -> None:
        body = self.rendered(order)
        self.events.emit(ORDER_SAVED, render.as_saved(body))
        if self.publisher is not None:
            self.publisher.saved(body)
