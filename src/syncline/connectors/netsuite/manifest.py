"""What this connector needs to know, can do, and may do at once: data only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncline.model.capabilities import Capabilities, LimitKind, StockBasis
from syncline.model.change import Flow
from syncline.model.delivery import Operation
from syncline.model.errors import Misconfigured
from syncline.model.pricing import PriceKind, PriceOrder
from syncline.ports import PollStream, Sample

PUSH_SECRET_BYTES_MIN = 24
OVERLAP_UNPROVEN_S = 24 * 3600  # contract sheet section 4: 24 h while the zone is unproven
LOOK_UP_WINDOW_MS = 5_000

CREDENTIALS = {
    "oauth2": ("client_id", "certificate_id", "private_key"),
    "tba": ("consumer_key", "consumer_secret", "token_id", "token_secret"),
}

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,79}")
_CATALOG_FIELD = re.compile(
    r"title|description|category|status|assortments|(option|attribute|image)\.[^.\x00-\x1f]{1,80}"
    r"|translation\.[A-Za-z-]{2,20}\.(title|description)"
)
_ACCOUNT = re.compile(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+)*")

CAPABILITIES = Capabilities(
    webhooks=True,  # by our own user-event script: the product has none (NS:section_1512409310)
    webhook_signature="HMAC-SHA256, X-Syncline-Signature v1",
    delta_poll=("inventory", "order_status", "payments", "returns"),
    without_events=("prices", "catalog", "customers", "credit", "payments", "returns"),
    deletes_seen=False,
    external_reference=True,  # upsert and look-up by external id
    batch_items_max=1,
    multi_location=True,
    order_fields="custbody[a-z0-9_]{1,80}",
    stock_read_basis=StockBasis.AVAILABLE,
    limit=LimitKind.CONCURRENCY,
    # "item-specific customer price > group price > customer's priceLevel > base": contract sheet section 5, from a forum.
    # The product has no promotional price lists; whoever calls one so in a route wants it before the ordinary ones.
    price_order=PriceOrder(
        (PriceKind.CONTRACT, PriceKind.GROUP, PriceKind.PROMOTIONAL, PriceKind.LIST), lowest=False
    ),
    list_names=("level:", "customer:"),
    event_delay_ms=2_000,  # our script posts from afterSubmit; an assumption, not a vendor's figure
)

OPERATIONS = {
    name: Operation(name, look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS, urgent=name == "put_order")
    for name in ("put_order", "put_payment", "put_refund")
}

TRANSACTIONS = PollStream("transactions", (Flow.INVENTORY, Flow.ORDER_STATUS))
STOCK = PollStream("stock", (Flow.INVENTORY,), snapshot=True)
ITEMS = PollStream("items", (Flow.CATALOG,), snapshot=True)
# Price rows have no change stamp and leave the item's as it is (contract sheet sections 4 and 5): all are read each time.
PRICES = PollStream("prices", (Flow.PRICES,), snapshot=True)
# Items have a stamp, but variants, deletions and fields of the account's own are told by a whole read only.
PRODUCTS = PollStream("products", (), snapshot=True, records=(Flow.CATALOG,))
# A customer's stamp does not move with contacts and addresses, which are records of their own.
CUSTOMERS = PollStream("customers", (Flow.CUSTOMERS,), snapshot=True)
PAYMENTS = PollStream("payments", (Flow.PAYMENTS,))
RETURNS = PollStream("returns", (Flow.RETURNS,))
# Balances have none either (section 5).
CREDIT = PollStream("credit", (Flow.CREDIT,), snapshot=True)
STREAMS = (TRANSACTIONS, STOCK, ITEMS, PRICES, PRODUCTS, CUSTOMERS, CREDIT, PAYMENTS, RETURNS)


SAMPLE = Sample(
    "erp",
    """\
account = "1234567"
client_id = "env:NETSUITE_CLIENT_ID"
certificate_id = "env:NETSUITE_CERTIFICATE_ID"
private_key = "file:netsuite.pem"
# certificate = "file:netsuite-public.pem"   # what was uploaded; then you are told before it ends
push_secrets = ["env:NETSUITE_PUSH_SECRET"]
timezone = "America/Los_Angeles"    # of the account; without it every poll re-reads 24 hours
slots = 5                           # concurrent calls that this integration may use
web_customer = "1001"               # internal id: buys when an order names nobody
""",
    location="1",
    prices="level:1",
    adopt='{ externalid = "SHOP-{id}", otherrefnum = "{name}" }',
)


@dataclass(frozen=True, slots=True)
class NetSuiteSettings:
    """One NetSuite account and the decisions that are its owner's to make.

    References to records are internal ids. ``web_customer`` may also be an external id.
    """

    account: str  # as the product shows it: "123456" or "123456_SB1"
    client_id: str = ""
    certificate_id: str = ""  # the ``kid`` shown after the certificate was uploaded
    private_key: str = field(default="", repr=False)  # PEM text
    # Likewise what was uploaded: its end is told in time. The file may hold the key as well.
    certificate: str = field(default="", repr=False)
    certificate_expires: date | None = (
        None  # "Valid until" as NetSuite shows it; goes before what it says itself
    )
    auth: str = "oauth2"  # or "tba": Token-Based Authentication, for integrations made before 2027.1
    consumer_key: str = ""  # of TBA, as the next three
    consumer_secret: str = field(default="", repr=False)
    token_id: str = ""
    token_secret: str = field(default="", repr=False)
    base_url: str = ""  # for simulators; the account's own address by default
    push_secrets: tuple[str, ...] = field(default=(), repr=False)  # newest first; two during a rotation
    timezone: str = ""  # IANA name of the zone in which the account renders dates
    slots: int = 5  # calls at once; the product's smallest allowance (NS:bridgehead_1500275603)
    poll_overlap_s: int = 900
    web_customer: str = ""  # who buys when an order names nobody, or customers may not be created
    create_customers: bool = True
    tax: str = "keep"  # "keep": the shop's tax as a line of ``tax_item``; "erp": the account computes it
    tax_item: str = ""
    discount_item: str = ""  # without one, discounts lower the unit prices
    shipping_item: str = ""  # without one, ``shippingCost`` on the order
    charge_item: str = ""  # without one, charges are kept with the shop's tax
    ship_method: str = ""
    rounding_tolerance: Decimal = Decimal("0.02")
    approve_orders: bool = True  # orders arrive as Pending Fulfillment rather than Pending Approval
    closed_cancels: bool = False  # an order that was closed before anything was sent is told as called off
    subsidiary: str = ""
    price_level: str = "-1"  # the custom level: without it a given rate does not stick
    priced_by: str = ""  # the unit of the table of prices: "sale_unit" or "base_unit"; "": nobody has said
    # Tell of sales orders that carry no external id too: an adopted one may have been written so.
    orders_without_external_id: bool = False
    currencies: dict[str, str] = field(default_factory=dict)  # ISO code -> internal id; empty: one currency
    catalog_fields: dict[str, str] = field(default_factory=dict)  # of a product -> column of ``item``

    def validate(self) -> None:
        """Check what can be checked without a call.

        Raises:
            Misconfigured: names the field and the mend; never shows a secret.
        """
        if self.auth not in CREDENTIALS:
            raise Misconfigured(f"netsuite.auth must be one of {', '.join(CREDENTIALS)}.")
        for name in ("account", *CREDENTIALS[self.auth]):
            if not getattr(self, name):
                raise Misconfigured(
                    f"netsuite.{name} is empty: see the connector's README, section Setting up."
                )
        if not _ACCOUNT.fullmatch(self.account):
            raise Misconfigured("netsuite.account must look like 123456 or 123456_SB1.")
        if self.base_url:
            parts = urlsplit(self.base_url)
            plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
            if not parts.hostname or (parts.scheme != "https" and not plain):
                raise Misconfigured(
                    "netsuite.base_url must be https (http is accepted for this machine only)."
                )
        for n, secret in enumerate(self.push_keys):
            if len(secret) < PUSH_SECRET_BYTES_MIN:
                raise Misconfigured(
                    f"netsuite.push_secrets[{n}] is too short: use at least {PUSH_SECRET_BYTES_MIN} random bytes.",
                )
        if self.slots < 1:
            raise Misconfigured("netsuite.slots must be at least 1.")
        if self.poll_overlap_s < 0:
            raise Misconfigured("netsuite.poll_overlap_s must not be negative.")
        if self.tax not in ("keep", "erp"):
            raise Misconfigured('netsuite.tax must be "keep" or "erp".')
        if self.priced_by not in ("", "sale_unit", "base_unit"):
            raise Misconfigured('netsuite.priced_by must be "sale_unit" or "base_unit", or left out.')
        if self.rounding_tolerance < 0:
            raise Misconfigured("netsuite.rounding_tolerance must not be negative.")
        for name, column in self.catalog_fields.items():
            if not _CATALOG_FIELD.fullmatch(name):
                raise Misconfigured(
                    f"netsuite.catalog_fields: {name!r} is no field of a product; there are title, description, category, "
                    "status, assortments, option.NAME, attribute.NAME, image.1 and translation.de.title."
                )
            if not _COLUMN.fullmatch(column):
                raise Misconfigured(
                    f"netsuite.catalog_fields.{name}: {column!r} is no column of item, such as custitem_size."
                )
        if not self.create_customers and not self.web_customer:
            raise Misconfigured("netsuite.web_customer is needed where create_customers is off.")
        if self.timezone:
            try:
                ZoneInfo(self.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise Misconfigured(
                    f"netsuite.timezone {self.timezone!r} is unknown: give an IANA name such as Europe/London.",
                ) from error

    @property
    def push_keys(self) -> tuple[bytes, ...]:
        """The push secrets as bytes; text is taken as it is, in UTF-8."""
        secrets: tuple[Any, ...] = self.push_secrets
        return tuple(s if isinstance(s, bytes) else str(s).encode() for s in secrets)

    @property
    def zone(self) -> ZoneInfo | None:
        """The account's time zone, where it is known."""
        return ZoneInfo(self.timezone) if self.timezone else None

    @property
    def root(self) -> str:
        """Scheme and host of the account's web services, without a slash at the end."""
        if self.base_url:
            return self.base_url.rstrip("/")
        # A sandbox's host label is lower-case with a hyphen; the account id has an underscore.
        label = self.account.lower().replace("_", "-")
        return f"https://{label}.suitetalk.api.netsuite.com"

    @property
    def amount_items(self) -> frozenset[str]:
        """Items that carry money and no goods."""
        return frozenset(
            x for x in (self.tax_item, self.discount_item, self.shipping_item, self.charge_item) if x
        )
