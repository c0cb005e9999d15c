"""What the Adobe Commerce connector is configured with, and what it can do. Data only."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import msgspec

from syncline.model.capabilities import (
    SOURCE_QUANTITY_ADD_BACK_OPEN_LINES,
    Capabilities,
    LimitKind,
    StockBasis,
)
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.customers import CustomerField
from syncline.model.delivery import Operation
from syncline.model.errors import Misconfigured
from syncline.ports import PollStream, Sample

Auth = Literal["oauth", "bearer", "admin"]
StockWrites = Literal["direct", "bulk"]
SpecialPrices = Literal["keep", "write"]
Redeemed = Literal["park", "payment"]

OVERLAP_S_MAX = 86_400
DEFAULT_SOURCE = "default"  # of the stock that every shop has
PAGE_MAX = 300  # the most that a shop with input limits allows
ITEMS_MAX = 20  # the same, for the rows of one synchronous call
BULK_ITEMS_MAX = 500  # a shop with limits takes 5,000; more only make the window of each write longer
CONCURRENCY_MAX = 64
PREFETCH_MAX = 10_000
STATES = frozenset(
    {"new", "pending_payment", "payment_review", "processing", "holded"}
)  # of orders that go on
_STORE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_CARRIER = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EXCHANGE = re.compile(r"[A-Za-z0-9._-]{1,200}")
_QUEUE = re.compile(r"[A-Za-z0-9._-]{1,200}")
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_HOST = re.compile(
    r"(?=.{4,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.[a-z][a-z0-9-]*"
)
_TOPIC = re.compile(r"[A-Za-z0-9_-]+(\.([A-Za-z0-9_-]+|[*#]))*")
_SECRETS = (
    "amqp_password",
    "consumer_key",
    "consumer_secret",
    "access_token",
    "access_token_secret",
    "admin_password",
    "ims_client_secret",
)


SAMPLE = Sample(
    "channel",
    """\
base_url = "https://shop.example.com"
consumer_key = "env:ADOBE_CONSUMER_KEY"
consumer_secret = "env:ADOBE_CONSUMER_SECRET"
access_token = "env:ADOBE_ACCESS_TOKEN"
access_token_secret = "env:ADOBE_ACCESS_TOKEN_SECRET"
order_source = "default"            # the source that orders leave from as a rule; it has to be mapped
orders_since = "2026-11-01T00:00:00Z"   # orders that changed before are left alone
""",
    location="default",
    role="Default User",
)


class AdobeCommerceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shop of Adobe Commerce or Magento Open Source.

    ``auth`` says which credential is sent: an integration's four values (``oauth``), its access token alone
    (``bearer``, which the shop has to allow), or an administrator's name and password (``admin``). ``event_public_keys``
    are the keys, as PEM, by which Adobe I/O signs events. ``journal_url`` is where the same events are read instead, with a
    token from Adobe's IMS. ``amqp_url`` is the shop's RabbitMQ, where ``amqp_topics`` are heard. ``webhook_public_keys`` are those by which the shop signs the questions of
    its checkout. An order that a person has to review is stopped, or passed on to be held (``webhook_review``); orders paid by
    one of ``webhook_credit_methods`` are on account. ``order_source`` is where open units are taken to leave from. ``orders_since`` (RFC 3339) is where the first read of orders
    begins; without it, orders changed before the first read are left alone. So many SKUs or more of one call go through the
    shop's queue (``bulk_from``). ``special_prices`` says whether a price that is shown beside a higher one becomes a special price, ``redeemed`` what becomes of
    an order that was paid with gift cards, store credit or reward points. The ERP is not told of an order before it leaves
    ``wait_states``. ``attributes`` are the codes under which the shop has what the ERP calls otherwise.
    Categories are found below ``category_root`` (0: they are not written), images fetched from ``image_hosts`` only.
    """

    base_url: str
    auth: Auth = "oauth"
    consumer_key: str = ""
    consumer_secret: str = ""
    access_token: str = ""
    access_token_secret: str = ""
    admin_user: str = ""
    admin_password: str = ""
    store: str = "all"
    order_source: str = DEFAULT_SOURCE
    stock_writes: StockWrites = "direct"
    stock_items_max: int = ITEMS_MAX
    special_prices: SpecialPrices = "keep"
    bulk_applies_after_s: int = 120
    concurrency: int = 4
    page_size: int = 100
    order_overlap_s: int = 120
    orders_since: str = ""
    notify_customer: bool = False
    carrier_code: str = "custom"
    refunds_restock: bool = False
    redeemed: Redeemed = "park"
    wait_states: tuple[str, ...] = ("pending_payment", "payment_review", "holded")
    event_public_keys: tuple[str, ...] = ()
    event_client_id: str = ""
    journal_url: str = ""
    ims_org_id: str = ""
    ims_client_secret: str = ""
    ims_scopes: str = "openid,AdobeID,adobeio_api"
    ims_url: str = "https://ims-na1.adobelogin.com"
    amqp_url: str = ""
    amqp_user: str = ""
    amqp_password: str = ""
    amqp_exchange: str = "magento"
    amqp_queue: str = "syncline"
    amqp_topics: tuple[str, ...] = ()
    amqp_prefetch: int = 100
    webhook_public_keys: tuple[str, ...] = ()
    webhook_deadline_ms: int = 800
    webhook_review: Literal["stop", "pass"] = "stop"
    webhook_credit_methods: tuple[str, ...] = ("companycredit", "purchaseorder")
    bulk_from: int = 100
    attributes: dict[str, str] = {}
    attribute_set_id: int = 4
    create_options: bool = False
    category_root: int = 0
    category_separator: str = "/"
    create_categories: bool = False
    image_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the field and the mend."""
        parts = urlsplit(self.base_url)
        loopback = (parts.hostname or "") in _LOOPBACK and parts.scheme == "http"
        if not parts.hostname or not (parts.scheme == "https" or loopback) or parts.query or parts.fragment:
            raise Misconfigured(
                "base_url: must be the shop's own address, e.g. https://shop.example.com (http only on a loopback address)"
            )
        if parts.username or parts.password or "/rest" in parts.path:
            raise Misconfigured(
                "base_url: leave out credentials and /rest; only the shop's own address is wanted"
            )
        self._check_credentials()
        if not _STORE.fullmatch(self.store):
            raise Misconfigured(
                f"store: {self.store!r} is no store view code; use all, default or one of the shop's"
            )
        if not self.order_source or any(letter.isspace() for letter in self.order_source):
            raise Misconfigured(
                "order_source: must be the code of a source, as the shop's admin shows it under Sources"
            )
        for name, low, high in (
            ("stock_items_max", 1, BULK_ITEMS_MAX),
            ("bulk_from", 2, BULK_ITEMS_MAX),
            ("bulk_applies_after_s", 10, 3600),
            ("concurrency", 1, CONCURRENCY_MAX),
            ("page_size", 1, PAGE_MAX),
            ("order_overlap_s", 0, OVERLAP_S_MAX),
            ("amqp_prefetch", 1, PREFETCH_MAX),
            ("webhook_deadline_ms", 50, 10_000),
            ("attribute_set_id", 1, 2**31 - 1),
            ("category_root", 0, 2**31 - 1),
        ):
            if not low <= getattr(self, name) <= high:
                raise Misconfigured(f"{name}: must be between {low} and {high}")
        if self.orders_since and self.orders_since_ms is None:
            raise Misconfigured("orders_since: must be a moment with its offset, e.g. 2026-01-31T00:00:00Z")
        if strange := sorted(set(self.wait_states) - STATES):
            raise Misconfigured(
                f"wait_states: {strange[0]!r} is no state of an order that goes on; there are {', '.join(sorted(STATES))}"
            )
        if not _CARRIER.fullmatch(self.carrier_code):
            raise Misconfigured(
                f"carrier_code: {self.carrier_code!r} is no carrier of the shop; custom always is one"
            )
        if self.event_public_keys and not self.event_client_id:
            raise Misconfigured(
                "event_client_id: is needed besides event_public_keys; both are checked of every event"
            )
        self._check_journal()
        self._check_broker()
        self._check_catalog()

    def _check_catalog(self) -> None:
        for name, code in self.attributes.items():
            if not name or not _ATTRIBUTE.fullmatch(code):
                raise Misconfigured(
                    f"attributes.{name}: {code!r} is no code of an attribute, as the shop's admin shows it: small letters, "
                    "digits and _"
                )
        if len(set(self.attributes.values())) < len(self.attributes):
            raise Misconfigured("attributes: two names stand for the same attribute of the shop")
        if not self.category_separator:
            raise Misconfigured('category_separator: what stands between the names of a path, such as "/"')
        for host in self.image_hosts:
            if not _HOST.fullmatch(host):
                raise Misconfigured(
                    f"image_hosts: {host!r} is no host name; give the name alone, such as images.example.com"
                )

    def _check_journal(self) -> None:
        if not self.journal_url:
            return
        for name in ("journal_url", "ims_url"):
            parts = urlsplit(getattr(self, name))
            loopback = (parts.hostname or "") in _LOOPBACK and parts.scheme == "http"
            if (
                not parts.hostname
                or not (parts.scheme == "https" or loopback)
                or parts.query
                or parts.fragment
            ):
                raise Misconfigured(
                    f"{name}: must be an https address without a query, as Adobe's console shows it"
                )
        for name in ("event_client_id", "ims_org_id", "ims_client_secret"):
            value = getattr(self, name)
            if not value or not value.isascii() or not value.isprintable():
                raise Misconfigured(f"{name}: is needed besides journal_url, as Adobe's console shows it")

    def _check_broker(self) -> None:
        if not self.amqp_url:
            return
        parts = urlsplit(self.amqp_url)
        loopback = (parts.hostname or "") in _LOOPBACK and parts.scheme == "amqp"
        if (
            not parts.hostname
            or not (parts.scheme == "amqps" or loopback)
            or parts.username
            or parts.password
        ):
            raise Misconfigured(
                "amqp_url: must be amqps://host/vhost, without credentials (amqp only on a loopback address)"
            )
        for name in ("amqp_user", "amqp_password"):
            if not getattr(self, name):
                raise Misconfigured(f"{name}: is needed besides amqp_url; give Syncline a user of its own")
        if not _EXCHANGE.fullmatch(self.amqp_exchange):
            raise Misconfigured(
                "amqp_exchange: must be the name of the shop's exchange; it is magento as a rule"
            )
        if not _QUEUE.fullmatch(self.amqp_queue) or self.amqp_queue.startswith("async."):
            raise Misconfigured(
                "amqp_queue: must be a name for a queue of Syncline's own; what is taken from one of the shop's would be "
                "missing there"
            )
        if not self.amqp_topics:
            raise Misconfigured("amqp_topics: name the topics under which the shop publishes its orders")
        for topic in self.amqp_topics:
            if not _TOPIC.fullmatch(topic) or topic.partition(".")[0] == "async":
                raise Misconfigured(
                    f"amqp_topics: {topic!r} is no topic of orders; it begins with a word, and not with async: those are "
                    "calls of the bulk API"
                )

    def _check_credentials(self) -> None:
        needed = {
            "oauth": ("consumer_key", "consumer_secret", "access_token", "access_token_secret"),
            "bearer": ("access_token",),
            "admin": ("admin_user", "admin_password"),
        }[self.auth]
        for name in needed:
            value = getattr(self, name)
            if not value or not value.isascii() or not value.isprintable():
                raise Misconfigured(
                    f"{name}: is needed where auth is {self.auth!r}, as the shop's admin shows it"
                )

    @property
    def origin(self) -> str:
        """Where calls go, without a trailing slash."""
        return self.base_url.rstrip("/")

    @property
    def broker_url(self) -> str:
        """Where the broker is, with the credential in it; never to be shown."""
        scheme, _, rest = self.amqp_url.partition("://")
        return f"{scheme}://{quote(self.amqp_user, safe='')}:{quote(self.amqp_password, safe='')}@{rest}"

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
        return [
            (name, "***" if name in _SECRETS and getattr(self, name) else getattr(self, name))
            for name in self.__struct_fields__
        ]

    def __repr__(self) -> str:
        """Everything but the secrets."""
        return f"AdobeCommerceSettings({', '.join(f'{name}={value!r}' for name, value in self._shown())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same for rich, which would otherwise list the fields itself."""
        return self._shown()


# Stamps have whole seconds (contract section 3); the rest is for clocks that differ a little.
ORDER_STAMP_MS = 1_000 + 200

# Source items are written, and are what is physically there; an order reserves beside them, and its parcel lowers them
# (magento/inventory, InventoryReservationsApi). Nothing of that is compared, and no key is remembered. An order exists, and
# reserves, as soon as its buyer has confirmed it: the seconds are those of the call, an assumption.
CAPABILITIES = Capabilities(
    webhooks=True,
    webhook_signature="RSA-SHA256 over the raw body, X-Adobe-Digital-Signature-1 or -2",
    webhook_handshake="challenge",
    delta_poll=("orders",),
    deletes_seen=False,
    compare_and_set=False,
    idempotency_keys=False,
    external_reference=False,
    batch_items_max=ITEMS_MAX,
    partial_batch=False,
    multi_location=True,
    stock_read_basis=StockBasis.ON_HAND,
    stock_contract=SOURCE_QUANTITY_ADD_BACK_OPEN_LINES,
    open_units_at=DEFAULT_SOURCE,
    checkout_ms=5_000,
    limit=LimitKind.CONCURRENCY,
    price_lists=True,  # a customer group's tier prices
    price_decimals=2,  # as shops show them; what has more is rounded when it is written (an assumption)
    event_delay_ms=60_000,  # sent by a cron job every minute; within a second where they have priority
    order_stamp_ms=ORDER_STAMP_MS,
    # Of a company (B2B for Adobe Commerce; Open Source has none). Its one address is given when it is made.
    customer_fields=(
        CustomerField.NAME,
        CustomerField.ACTIVE,
        CustomerField.TAX_ID,
        CustomerField.GROUP,
        CustomerField.CONTACTS,
    ),
)

QUEUED_MS = 24 * 3_600_000  # an assumption: no queue is further behind

OPERATIONS: dict[str, Operation] = {
    "set_stock": Operation("set_stock", batch_items_max=ITEMS_MAX),
    "read_stock": Operation("read_stock", batch_items_max=ITEMS_MAX, reads_only=True),
    "read_order": Operation("read_order", batch_items_max=10, reads_only=True, urgent=True),
    "create_shipment": Operation("create_shipment", look_up=True, look_up_window_ms=15_000),
    "record_payment": Operation("record_payment", look_up=True, look_up_window_ms=15_000),
    "create_refund": Operation("create_refund", look_up=True, look_up_window_ms=15_000),
    "cancel_order": Operation("cancel_order", look_up=True, look_up_window_ms=15_000),
    "set_price": Operation("set_price", batch_items_max=ITEMS_MAX, sets=True),
    "set_list_price": Operation("set_list_price", batch_items_max=ITEMS_MAX, sets=True),
    "set_credit": Operation("set_credit", sets=True),
    # What was queued may still wait in the queue when its call is forgotten: the same content follows it first.
    "set_product": Operation("set_product", batch_items_max=200, sets=True, retry_same_key_ms=QUEUED_MS),
    "set_wording": Operation("set_wording", batch_items_max=10, sets=True),
    "set_listing": Operation("set_listing", batch_items_max=100, sets=True),
    "put_customer": Operation("put_customer", sets=True),
}

STREAMS = (
    PollStream("orders", (Flow.ORDERS, Flow.PAYMENTS)),
    PollStream("items", (Flow.CATALOG,), snapshot=True),
    PollStream("messages", (Flow.ORDERS,), arrives=True),  # where amqp_url is set
    PollStream("journal", (Flow.ORDERS,), arrives=True),  # where journal_url is set
)

# What an event has to carry for its order to be understood without reading it; with less, the order is read.
EVENT_FIELDS = (
    "entity_id",
    "increment_id",
    "state",
    "created_at",
    "updated_at",
    "base_currency_code",
    "base_grand_total",
    "base_shipping_amount",
    "base_shipping_discount_amount",
    "base_shipping_discount_tax_compensation_amnt",
    "base_shipping_tax_amount",
    "base_shipping_refunded",
    "base_tax_amount",
    "base_gift_cards_amount",
    "base_customer_balance_amount",
    "base_reward_currency_amount",
    "items[].item_id",
    "items[].parent_item_id",
    "items[].product_type",
    "items[].sku",
    "items[].name",
    "items[].qty_ordered",
    "items[].qty_canceled",
    "items[].qty_refunded",
    "items[].qty_shipped",
    "items[].base_price",
    "items[].base_row_total",
    "items[].base_discount_amount",
    "items[].base_discount_tax_compensation_amount",
    "items[].base_tax_amount",
    "items[].base_weee_tax_applied_row_amnt",
    "items[].weee_tax_applied",
)


def capabilities_of(settings: AdobeCommerceSettings) -> Capabilities:
    """What one shop can do, by how its stock is written, from where its orders leave, and whether it tells events."""
    bulk = settings.stock_writes == "bulk"
    # None are promised where none were asked for, or where they are read from the journal instead.
    events = bool(settings.event_public_keys) or bool(settings.event_client_id and not settings.journal_url)
    return replace(
        CAPABILITIES,
        webhooks=events,
        event_delay_ms=CAPABILITIES.event_delay_ms if events else 0,
        batch_items_max=settings.stock_items_max,
        partial_batch=bulk,
        applies_after_ms=settings.bulk_applies_after_s * 1000 if bulk else 0,
        open_units_at=settings.order_source,
    )


def streams_of(settings: AdobeCommerceSettings) -> tuple[PollStream, ...]:
    """What is read of one shop, by the ways in that it has."""
    absent = {"messages"} if not settings.amqp_url else set()
    absent |= {"journal"} if not settings.journal_url else set()
    return tuple(stream for stream in STREAMS if stream.name not in absent)


def operations_of(settings: AdobeCommerceSettings) -> dict[str, Operation]:
    """The calls of one shop."""
    several = settings.stock_items_max
    return {
        **OPERATIONS,
        "set_stock": replace(
            OPERATIONS["set_stock"], batch_items_max=several, look_up=settings.stock_writes == "bulk"
        ),
        "read_stock": replace(OPERATIONS["read_stock"], batch_items_max=several),
        "set_price": replace(OPERATIONS["set_price"], batch_items_max=several),
        "set_list_price": replace(OPERATIONS["set_list_price"], batch_items_max=several),
    }
