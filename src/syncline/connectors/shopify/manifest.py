"""What the Shopify connector is configured with, and what it can do. Data only."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from syncline.connectors.shopify.documents import MUTATIONS_MAX
from syncline.model.capabilities import (
    AVAILABLE_OWN_ORDERS_SUBTRACTED,
    BeforeOrder,
    Capabilities,
    LimitKind,
    StockBasis,
)
from syncline.model.change import Flow
from syncline.model.customers import CustomerField
from syncline.model.delivery import Operation
from syncline.model.errors import Misconfigured
from syncline.ports import PollStream, Sample

Plan = Literal["standard", "advanced", "plus", "enterprise"]

# https://shopify.dev/docs/apps/build/graphql/basics/rate-limits (points a second, per app and shop)
RESTORE_PER_S: dict[Plan, float] = {
    "standard": 100.0,
    "advanced": 200.0,
    "plus": 1000.0,
    "enterprise": 2000.0,
}

SECRET_BYTES_MIN = 24
OVERLAP_S_MAX = 86_400
BULK_MAX = 250  # products of one call
_SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
_VERSION = re.compile(r"20[0-9]{2}-(01|04|07|10)")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


SAMPLE = Sample(
    "channel",
    """\
shop = "your-shop.myshopify.com"
client_id = "env:SHOPIFY_CLIENT_ID"
client_secret = "env:SHOPIFY_CLIENT_SECRET"
plan = "standard"
""",
    location="70123456789",
    role="Ordering only",
)


class ShopifySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shop.

    ``client_id`` and ``client_secret`` are those of an app of the Dev Dashboard; an app that was made before has an
    ``access_token`` instead. ``webhook_secrets`` are all the client secrets that may sign at present: after a rotation Shopify
    goes on with the oldest unrevoked one for up to an hour. Empty: ``client_secret``. ``orders_since`` (RFC 3339) is where the
    first read of orders begins; without it, orders changed before the first read are left alone.
    ``level_events``: whether Shopify is asked to tell every change of a number. So many products or more of one call go as a
    bulk operation (``bulk_from``); more than ``BULK_MAX`` are never written at once.
    """

    shop: str
    access_token: str = ""
    client_id: str = ""
    client_secret: str = ""
    webhook_secrets: tuple[str, ...] = ()
    api_version: str = "2026-07"
    base_url: str = ""
    plan: Plan = "standard"
    order_overlap_s: int = 120
    orders_since: str = ""
    notify_customer: bool = False
    level_events: bool = True
    bulk_from: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the field and the mend."""
        if not _SHOP.fullmatch(self.shop.lower()):
            raise Misconfigured(
                f"shop: {self.shop!r} is not of the form name.myshopify.com (no https://, no path)"
            )
        self._check_credentials()
        for secret in self.signing_secrets:
            if len(secret.encode()) < SECRET_BYTES_MIN:
                name = "webhook_secrets: each" if self.webhook_secrets else "client_secret: it"
                raise Misconfigured(
                    f"{name} must have at least {SECRET_BYTES_MIN} bytes; "
                    "use the app's client secret as Shopify shows it",
                )
        if not _VERSION.fullmatch(self.api_version):
            raise Misconfigured(f"api_version: {self.api_version!r} is no version; use one such as 2026-07")
        if not 0 <= self.order_overlap_s <= OVERLAP_S_MAX:
            raise Misconfigured(f"order_overlap_s: must be between 0 and {OVERLAP_S_MAX}")
        if self.bulk_from < 2:
            raise Misconfigured(f"bulk_from: {self.bulk_from} must be at least 2")
        if self.orders_since and self.orders_since_ms is None:
            raise Misconfigured("orders_since: must be a moment with its offset, e.g. 2026-01-31T00:00:00Z")
        if self.base_url:
            parts = urlsplit(self.base_url)
            loopback = (parts.hostname or "") in _LOOPBACK and parts.scheme in {"http", "https"}
            own = parts.scheme == "https" and parts.netloc.lower() == self.shop.lower()
            if not (loopback or own) or parts.query or parts.fragment:
                # The token goes with every call, so it goes to this shop or stays on this machine.
                raise Misconfigured("base_url: leave it empty, or name a loopback address (a simulator)")

    def _check_credentials(self) -> None:
        if self.access_token:
            if self.client_id or self.client_secret:
                raise Misconfigured(
                    "access_token: leave it out where client_id and client_secret are set: tokens are asked for with them"
                )
            if not self.access_token.isascii() or not self.access_token.isprintable():
                raise Misconfigured("access_token: must be the Admin API token of the app, e.g. shpat_…")
            return
        if not self.client_id or not self.client_secret:
            raise Misconfigured(
                "client_id, client_secret: set both, as the Dev Dashboard shows them under the app's settings; or "
                "access_token, where the app was made in the shop's admin before 2026"
            )

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """The client secrets that may sign webhooks."""
        return self.webhook_secrets or ((self.client_secret,) if self.client_secret else ())

    @property
    def topics(self) -> tuple[str, ...]:
        """The webhooks that are subscribed."""
        return tuple(topic for topic in TOPICS if self.level_events or topic != LEVELS)

    @property
    def origin(self) -> str:
        """Where calls go, without a trailing slash."""
        return self.base_url.rstrip("/") or f"https://{self.shop.lower()}"

    @property
    def endpoint(self) -> str:
        """The GraphQL endpoint."""
        return f"{self.origin}/admin/api/{self.api_version}/graphql.json"

    @property
    def orders_since_ms(self) -> int | None:
        """``orders_since`` in milliseconds since the epoch; ``None`` where it is absent or unreadable."""
        try:
            moment = datetime.fromisoformat(self.orders_since)
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        try:
            return int(moment.timestamp() * 1000)
        except (OverflowError, ValueError):
            return None

    def _shown(self) -> list[tuple[str, Any]]:
        hidden = {"access_token", "client_secret", "webhook_secrets"}
        return [(name, "***" if name in hidden else getattr(self, name)) for name in self.__struct_fields__]

    def __repr__(self) -> str:
        """Everything but the secrets."""
        return f"ShopifySettings({', '.join(f'{name}={value!r}' for name, value in self._shown())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same for rich, which would otherwise list the fields itself."""
        return self._shown()


# `updatedAt` has whole seconds; the rest is for clocks that differ a little.
ORDER_STAMP_MS = 1_000 + 200

CAPABILITIES = Capabilities(
    webhooks=True,
    webhook_signature="HMAC-SHA256 (base64) over the raw body, X-Shopify-Hmac-Sha256",
    delta_poll=("orders",),
    deletes_seen=False,
    compare_and_set=True,
    idempotency_keys=True,
    external_reference=False,
    batch_items_max=250,
    partial_batch=False,
    multi_location=True,
    ships_where_allocated=True,
    moves_orders=True,
    stock_read_basis=StockBasis.AVAILABLE,
    stock_contract=AVAILABLE_OWN_ORDERS_SUBTRACTED,
    before_order=(BeforeOrder.EVENTS, BeforeOrder.READINGS, BeforeOrder.RESERVED),
    # For a checkout nothing is reserved before the order exists. That takes as long as the payment: an assumption, for Shopify
    # states no figure; two minutes are enough for a redirect to a bank.
    checkout_ms=120_000,
    limit=LimitKind.QUERY_COST,
    event_delay_ms=5_000,
    price_lists=True,
    # As Shopify shows the prices of most currencies; what has more is rounded when it is written (an assumption).
    price_decimals=2,
    order_stamp_ms=ORDER_STAMP_MS,
    # A company has no state, no group and no phone number there: whoever may do nothing has no contact with a role.
    customer_fields=(
        CustomerField.NAME,
        CustomerField.TAX_ID,
        CustomerField.TERMS,
        CustomerField.CONTACTS,
        CustomerField.ADDRESSES,
    ),
)

# Idempotency keys are kept for 24 h (https://shopify.dev/docs/api/usage/implementing-idempotency);
# an hour less leaves room for clocks and queues.
KEY_KEPT_MS = 23 * 3600 * 1000

# Costs are what full batches are charged by the measured formula; the governor debits document by document.
OPERATIONS: dict[str, Operation] = {
    "set_stock": Operation("set_stock", batch_items_max=250, cost=10.0, retry_same_key_ms=KEY_KEPT_MS),
    "read_stock": Operation("read_stock", batch_items_max=40, cost=120.0, reads_only=True),
    "read_order": Operation("read_order", batch_items_max=3, cost=183.0, reads_only=True, urgent=True),
    # A mutation takes all variants of one product, so a call carries one for each of so many products.
    "set_price": Operation("set_price", batch_items_max=MUTATIONS_MAX, cost=10.0 * MUTATIONS_MAX, sets=True),
    "set_list_price": Operation("set_list_price", batch_items_max=250, cost=10.0, sets=True),
    # One metafield for each account; a call takes 25 of them, all or none.
    "set_credit": Operation("set_credit", batch_items_max=25, cost=10.0, sets=True),
    # A bulk operation may still run when its call is forgotten: the same key finds it. It runs 24 hours at most.
    "set_product": Operation(
        "set_product", batch_items_max=BULK_MAX, cost=200.0, sets=True, retry_same_key_ms=KEY_KEPT_MS
    ),
    "set_wording": Operation("set_wording", batch_items_max=10, cost=10.0, sets=True),
    "set_listing": Operation("set_listing", batch_items_max=25, cost=10.0 * 25, sets=True),
    # One reading of the company and a few mutations; each of these is debited by itself.
    "put_customer": Operation("put_customer", cost=400.0, sets=True),
    # One reading before the moves and one after them; each is debited by itself.
    "move_order": Operation("move_order", cost=100.0, sets=True),
    "create_shipment": Operation("create_shipment", cost=85.0, look_up=True, look_up_window_ms=60_000),
    "record_payment": Operation("record_payment", cost=120.0, look_up=True, look_up_window_ms=60_000),
    "create_refund": Operation("create_refund", cost=300.0, look_up=True, look_up_window_ms=60_000),
    "cancel_order": Operation("cancel_order", cost=12.0, look_up=True, look_up_window_ms=60_000),
}

STREAMS = (
    PollStream("orders", (Flow.ORDERS, Flow.PAYMENTS)),
    PollStream("items", (Flow.CATALOG,), snapshot=True),
)

# The webhooks that we subscribe to: GraphQL name -> what X-Shopify-Topic says.
TOPICS: dict[str, str] = {
    "ORDERS_CREATE": "orders/create",
    "ORDERS_UPDATED": "orders/updated",
    "ORDERS_PAID": "orders/paid",
    "ORDERS_CANCELLED": "orders/cancelled",
    "ORDERS_EDITED": "orders/edited",
    "REFUNDS_CREATE": "refunds/create",
    "FULFILLMENTS_CREATE": "fulfillments/create",
    "FULFILLMENTS_UPDATE": "fulfillments/update",
    "INVENTORY_LEVELS_UPDATE": "inventory_levels/update",
}
LEVELS = "INVENTORY_LEVELS_UPDATE"

PRICE_SCOPES = ("write_products",)  # where prices are written
SCOPES = (
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_orders",
    "read_customers",
    "read_merchant_managed_fulfillment_orders",
    "write_merchant_managed_fulfillment_orders",
)
