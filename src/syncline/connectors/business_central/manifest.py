"""What this connector needs to know, can do, and may do at once: data only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syncline.model.capabilities import Capabilities, LimitKind, StockBasis
from syncline.model.change import Flow
from syncline.model.delivery import Operation
from syncline.model.errors import Misconfigured
from syncline.model.pricing import PriceOrder
from syncline.ports import PollStream, Sample

SECRET_BYTES_MIN = 24
SECRET_CHARS_MAX = 2048  # clientState; Microsoft, "Working with webhooks"
# Whatever was sent may take effect so long after: an operation is ended after eight minutes (Microsoft,
# "Operational limits for Business Central online"). Only then is an order that is not there sent again.
LOOK_UP_WINDOW_MS = 8 * 60 * 1000 + 30_000
WINDOW_S = 300.0

STANDARD = "v2.0"
EXTENSION = "syncline/connect/v1.0"
RUNTIME = "microsoft/runtime/v1.0"
LOGIN = "https://login.microsoftonline.com"
API = "https://api.businesscentral.dynamics.com"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_GUID = re.compile(r"[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")

# Properties of salesOrder (API v2.0) that nothing else here writes, and the type that a mapping has to give them.
MAPPED = {"partialShipping": "boolean", "requestedDeliveryDate": "date", "salesperson": "string"}

CAPABILITIES = Capabilities(
    webhooks=True,
    webhook_signature="none: a shared secret in the body (clientState)",
    webhook_handshake="validationToken",
    webhooks_announce=True,
    without_events=("prices", "catalog", "customers", "credit", "payments", "returns"),
    delta_poll=("inventory", "order_status"),
    deletes_seen=False,
    external_reference=True,  # found again by its external document number, which nothing makes unique
    batch_items_max=1,
    multi_location=True,
    # Inventory less what sales order lines still have to ship, as our extension's page states both.
    stock_read_basis=StockBasis.AVAILABLE,
    limit=LimitKind.CONCURRENCY,
    order_fields="|".join(MAPPED),
    # "The best price is the lowest permissible price" (Microsoft, "Record special sales prices and discounts", from memory);
    # the item card's counts where no line does.
    price_order=PriceOrder(lowest=True, last=("item",)),
    list_names=("item", "all", "group:", "customer:", "campaign:"),
    lists_by_number=True,
    event_delay_ms=30_000,  # changes are gathered for about 30 s before they are told (source of the codeunits)
)

OPERATIONS = {
    name: Operation(name, look_up=True, look_up_window_ms=LOOK_UP_WINDOW_MS, urgent=name == "put_order")
    for name in ("put_order", "put_payment", "put_refund")
}

LEVELS = PollStream("levels", (Flow.INVENTORY,))
ORDERS = PollStream("orders", (Flow.ORDER_STATUS,))
SHIPMENTS = PollStream("shipments", (Flow.ORDER_STATUS,))
STOCK = PollStream("stock", (Flow.INVENTORY,), snapshot=True)
ITEMS = PollStream("items", (Flow.CATALOG,), snapshot=True)
PRICES = PollStream("prices", (Flow.PRICES,), snapshot=True)
PRODUCTS = PollStream("products", (), snapshot=True, records=(Flow.CATALOG,))
CUSTOMERS = PollStream("customers", (Flow.CUSTOMERS,), snapshot=True)
PAYMENTS = PollStream("payments", (Flow.PAYMENTS,))
RETURNS = PollStream("returns", (Flow.RETURNS,))
DELETIONS = PollStream("deletions", (), snapshot=True, records=(Flow.ORDER_STATUS,))
CREDIT = PollStream("credit", (Flow.CREDIT,), snapshot=True)
STREAMS = (
    LEVELS,
    ORDERS,
    SHIPMENTS,
    STOCK,
    ITEMS,
    PRICES,
    PRODUCTS,
    CUSTOMERS,
    CREDIT,
    PAYMENTS,
    RETURNS,
    DELETIONS,
)

# What is subscribed to, by API and entity set, and the stream that a notification of it has read.
ANNOUNCED = {
    (EXTENSION, "stockLevels"): LEVELS.name,
    (STANDARD, "salesOrders"): ORDERS.name,
    (EXTENSION, "shipments"): SHIPMENTS.name,
}


SAMPLE = Sample(
    "erp",
    """\
tenant = "env:BC_TENANT"
environment = "production"
company_id = "66666666-2222-4333-8444-555555555555"   # as companies shows it
client_id = "env:BC_CLIENT_ID"
client_secret = "env:BC_CLIENT_SECRET"
# client_secret_expires = 2027-01-31   # as Entra shows it; then you are told in time
webhook_secrets = ["env:BC_WEBHOOK_SECRET"]
currency = "GBP"                    # the company's own
web_customer = "WEB"                # number of who buys when an order names nobody
shipping_account = "6710"
payment_journal = "WEB"
""",
    location="MAIN",
    adopt='{ externalDocumentNumber = "{name}" }',
    prices="item",
)


def event_key(name: str) -> str:
    """A business event's name without spaces and in small letters: "Sales shipment posted" is ``salesshipmentposted``."""
    return "".join(name.lower().split())


@dataclass(frozen=True, slots=True)
class BusinessCentralSettings:
    """One company of one environment, and the decisions that are its owner's to make."""

    tenant: str
    company_id: str
    client_id: str
    client_secret: str = field(repr=False)
    client_secret_expires: date | None = None  # as Entra shows it: the secret itself does not tell
    environment: str = "production"
    base_url: str = ""  # for simulators; the service's own address by default
    login_url: str = ""  # likewise, of Entra's token endpoint
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)  # newest first; two during a rotation
    slots: int = 5  # calls at once; Microsoft's limit for one caller
    calls_per_5_minutes: int = 6000  # likewise
    poll_overlap_s: int = 600  # stamps are set when a row is written, and seen when its transaction ends
    currency: str = ""  # the company's own; payments are taken in it only
    timezone: str = "UTC"  # IANA name of the zone in which the dates of prices begin and end
    web_customer: str = ""  # number of who buys when an order names nobody, or customers may not be created
    create_customers: bool = True
    customer_prefix: str = "W"  # of the numbers of customers that we create
    tax: str = "erp"  # "erp": the company computes it; "keep": the shop's tax as a line of ``tax_account``
    tax_account: str = ""
    zero_tax_code: str = ""  # of lines where the shop's tax is kept
    shipping_account: str = ""
    charge_account: str = ""  # without one, charges are kept with the shop's tax
    payment_journal: str = ""
    post_returns: bool = False  # post the credit memo of goods that all went back on the shelf
    variant_option: str = "Variant"  # what the variants of an item differ in, as a shop names it
    variant_separator: str = "/"  # between an item's number and its variant's code, in a SKU
    item_texts: bool = (
        False  # read item translations and extended texts, by our extension from version 1.1 on
    )
    item_attributes: bool = False  # likewise item attributes
    image_attribute: str = ""  # the item attribute that names addresses of images
    assortment_attribute: str = ""  # the item attribute that names assortments, with commas between them
    rounding_tolerance: Decimal = Decimal("0.02")
    business_events: dict[str, str] = field(
        default_factory=dict
    )  # an event's name, and the stream that it has read

    def validate(self) -> None:
        """Check what can be checked without a call.

        Raises:
            Misconfigured: names the field and the mend; never shows a secret.
        """
        for name in ("tenant", "company_id", "client_id", "client_secret", "environment"):
            if not getattr(self, name):
                raise Misconfigured(
                    f"business_central.{name} is empty: see the connector's README, section Setting up."
                )
        if not _GUID.fullmatch(self.company_id):
            raise Misconfigured("business_central.company_id must be a GUID, as companies(...) shows it.")
        for name in ("tenant", "environment"):
            if not _NAME.fullmatch(getattr(self, name)):
                raise Misconfigured(
                    f"business_central.{name} may have letters, digits, '.', '_' and '-' only."
                )
        for name in ("base_url", "login_url"):
            self._check_url(name, getattr(self, name))
        for n, secret in enumerate(self.webhook_secrets):
            if not SECRET_BYTES_MIN <= len(secret.encode()) <= SECRET_CHARS_MAX:
                raise Misconfigured(
                    f"business_central.webhook_secrets[{n}] must have {SECRET_BYTES_MIN} random bytes or more, and "
                    f"{SECRET_CHARS_MAX} at most."
                )
        if self.slots < 1 or self.calls_per_5_minutes < 100:
            raise Misconfigured(
                "business_central.slots must be at least 1, calls_per_5_minutes at least 100."
            )
        if self.poll_overlap_s < 0 or self.rounding_tolerance < 0:
            raise Misconfigured(
                "business_central.poll_overlap_s and rounding_tolerance must not be negative."
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Misconfigured(
                f"business_central.timezone {self.timezone!r} is unknown: give an IANA name such as Europe/Copenhagen."
            ) from error
        if self.tax not in ("keep", "erp"):
            raise Misconfigured('business_central.tax must be "keep" or "erp".')
        if self.tax == "keep" and not (self.tax_account and self.zero_tax_code):
            raise Misconfigured(
                'business_central.tax = "keep" needs tax_account and zero_tax_code, or tax is charged twice.'
            )
        streams = [stream.name for stream in STREAMS]
        for name, stream in self.business_events.items():
            if not event_key(name) or stream not in streams:
                raise Misconfigured(
                    f"business_central.business_events: {name!r} has to name one of the streams {', '.join(streams)}."
                )
        if self.business_events and not self.webhook_secrets:
            raise Misconfigured(
                "business_central.business_events needs webhook_secrets: events carry no other proof."
            )
        for name in ("image_attribute", "assortment_attribute"):
            if getattr(self, name) and not self.item_attributes:
                raise Misconfigured(f"business_central.{name} needs item_attributes = true.")
        if not self.create_customers and not self.web_customer:
            raise Misconfigured("business_central.web_customer is needed where create_customers is off.")

    @staticmethod
    def _check_url(name: str, url: str) -> None:
        parts = urlsplit(url)
        plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if url and (not parts.hostname or (parts.scheme != "https" and not plain)):
            raise Misconfigured(
                f"business_central.{name} must be https (http is accepted for this machine only)."
            )

    @property
    def token_url(self) -> str:
        """Entra's token endpoint of the tenant."""
        return f"{(self.login_url or LOGIN).rstrip('/')}/{self.tenant}/oauth2/v2.0/token"

    def root(self, api: str = STANDARD) -> str:
        """The address of an API of the environment, without a slash at the end."""
        return f"{(self.base_url or API).rstrip('/')}/v2.0/{self.tenant}/{self.environment}/api/{api}"

    def company(self, api: str = STANDARD) -> str:
        """The address of the company in an API, without a slash at the end."""
        return f"{self.root(api)}/companies({self.company_id})"

    def resource(self, api: str, entity: str) -> str:
        """What a subscription names."""
        return f"/api/{api}/companies({self.company_id})/{entity}"
