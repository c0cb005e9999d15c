"""The reading side: posts of our script, and polls of SuiteQL.

The ``transactions`` stream follows the documents that move stock, because levels have no change
stamp of their own (contract sheet section 5), and re-reads the levels that they touch. The ``stock``
stream reads every level and proves the other. Prices and balances have no stamp either, and no document moves the former: the
``prices`` and ``credit`` streams read all of them each time, and so does ``customers``, whose contacts and addresses are records
of their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from syncline.connectors.netsuite import credit, customers, money, prices, products, push, rows
from syncline.connectors.netsuite.client import Client
from syncline.connectors.netsuite.credit import CreditScan
from syncline.connectors.netsuite.customers import CustomerScan
from syncline.connectors.netsuite.delta import Delta
from syncline.connectors.netsuite.erpclock import ErpClock
from syncline.connectors.netsuite.manifest import (
    CREDIT,
    CUSTOMERS,
    ITEMS,
    PAYMENTS,
    PRICES,
    PRODUCTS,
    RETURNS,
    STOCK,
    STREAMS,
    TRANSACTIONS,
    NetSuiteSettings,
)
from syncline.connectors.netsuite.prices import PriceScan
from syncline.connectors.netsuite.products import ProductScan
from syncline.connectors.netsuite.scans import Scans
from syncline.model.change import Change, Cursor, LoggedEvent
from syncline.model.errors import Rejected, Retryable
from syncline.ports import Clock, Page, PollStream, Verified, WebhookRequest


class NetSuiteSource:
    """One account, read."""

    def __init__(self, name: str, settings: NetSuiteSettings, clock: Clock, client: Client) -> None:
        self._name = name
        self._settings = settings
        erp_clock = ErpClock(settings, clock, client)
        scans = Scans(name, clock, client, erp_clock)
        self.prices = PriceScan(name, settings, clock, client, erp_clock)
        both = money.Money(name, settings, clock, client, erp_clock)
        self._readers: dict[str, Callable[[Cursor | None], AsyncGenerator[Page, None]]] = {
            TRANSACTIONS.name: Delta(name, settings, clock, client, erp_clock).read,
            STOCK.name: scans.stock,
            ITEMS.name: scans.items,
            PRICES.name: self.prices.read,
            PRODUCTS.name: ProductScan(name, settings, clock, client, erp_clock).read,
            CUSTOMERS.name: CustomerScan(name, settings, clock, client, erp_clock).read,
            PAYMENTS.name: both.payments,
            RETURNS.name: both.returns,
            CREDIT.name: CreditScan(name, settings, clock, client).read,
        }

    @property
    def streams(self) -> tuple[PollStream, ...]:
        return STREAMS

    def verify(self, request: WebhookRequest) -> Verified:
        return push.verify(request, self._settings, self._name)

    def decode(self, logged: LoggedEvent) -> list[Change]:
        if logged.event.topic == "push":
            return push.decode(logged, self._settings)
        if logged.event.topic == prices.TOPIC:
            return prices.decode(logged)
        if logged.event.topic == products.TOPIC:
            return products.decode(logged)
        if logged.event.topic == customers.TOPIC:
            return customers.decode(logged)
        if logged.event.topic in money.TOPICS:
            return money.decode(logged)
        if logged.event.topic == credit.TOPIC:
            return credit.decode(logged)
        return rows.decode(logged)

    async def poll(self, stream: str, cursor: Cursor | None) -> AsyncGenerator[Page, None]:
        reader = self._readers.get(stream)
        if reader is None:
            raise ValueError(f"NetSuite has no stream {stream!r}.")
        async with aclosing(reader(cursor)) as pages:
            try:
                async for page in pages:
                    yield page
            except Rejected as error:
                # A refused read changed nothing, and what refuses it (a role, a feature) can be mended
                # while we wait.
                raise Retryable(f"NetSuite refuses to be read: {error}") from error
