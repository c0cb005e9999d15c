"""The reading side: signed webhooks, a delta poll over orders, a snapshot of variants."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import compliance, documents, mapping, wire
from syncline.connectors.shopify.client import Client
from syncline.connectors.shopify.manifest import STREAMS, ShopifySettings
from syncline.connectors.shopify.wire import number, to_ms
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.errors import Forged, Rejected, Retryable
from syncline.model.records import ChannelLevel, Notice
from syncline.ports import Clock, Page, PollStream, Verified, WebhookRequest

BODY_BYTES_MAX = 8 * 1024 * 1024  # an order of 1,112 lines has about 3 MB
HEADER_CHARS_MAX = 255
# Shopify refuses to page deeper than 25,000 objects (https://shopify.dev/docs/api/usage/limits).
PAGES_PER_QUERY = 90
PAGES_MAX = 20_000
# Retries end after four hours; anything else in this header is not the moment of the event.
TRIGGERED_BEHIND_MS = 24 * 3600 * 1000
TRIGGERED_AHEAD_MS = 5 * 60 * 1000

ORDER_TOPICS = frozenset(
    {"orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/fulfilled"}
)
PART_TOPICS = frozenset({"refunds/create", "fulfillments/create", "fulfillments/update"})


class OrdersPosition(Struct, frozen=True):
    """Where the poll of orders stands, on Shopify's clock. Nothing before ``floor_ms`` is ours."""

    updated_ms: int
    floor_ms: int


class _Orders(Struct, frozen=True):
    orders: wire.Connection[wire.OrderStamp]


class _Variants(Struct, frozen=True, rename="camel"):
    product_variants: wire.Connection[wire.Variant]
    shop: wire.Shop


class ShopifySource:
    """Reads one shop. ``verify`` and ``decode`` make no call."""

    def __init__(self, name: str, settings: ShopifySettings, *, client: Client, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._client = client
        self._clock = clock
        self._secrets = tuple(secret.encode() for secret in settings.signing_secrets)

    @property
    def streams(self) -> tuple[PollStream, ...]:
        """What can be polled."""
        return STREAMS

    # --- webhooks -----------------------------------------------------------------------------------------

    def verify(self, request: WebhookRequest) -> Verified:
        """Check signature, shop and content; never parses before the signature holds.

        The headers are not signed (https://shopify.dev/docs/apps/build/webhooks/verify-deliveries), so
        nothing that decides what an order is comes from them.
        """
        try:
            return self._verify(request)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the bytes are, the ingress answers 4xx and lives on
            raise Rejected(f"the webhook cannot be understood ({type(error).__name__})") from None

    def _verify(self, request: WebhookRequest) -> Verified:
        headers = request.headers
        if not self._secrets:
            raise Forged(
                "webhook_secrets: none is configured, so no webhook can be believed; add the client secret"
            )
        if len(request.body) > BODY_BYTES_MAX:
            raise Rejected(
                f"body: {len(request.body)} bytes are more than the {BODY_BYTES_MAX} that an order can have"
            )
        # A missing or absurd signature is a wrong one.
        signature = headers.get("x-shopify-hmac-sha256", "")[:HEADER_CHARS_MAX].encode(errors="replace")
        if not self._signed(request.body, signature):
            raise Forged(
                "X-Shopify-Hmac-Sha256: the signature does not hold; compare webhook_secrets with the app's client "
                "secrets, and make sure that no proxy alters the body",
            )
        shop = _header(headers, "x-shopify-shop-domain")
        if shop.lower() != self._settings.shop.lower():
            raise Rejected(
                f"X-Shopify-Shop-Domain: {shop[:80]!r} is not {self._settings.shop}; check the address"
            )
        topic = _header(headers, "x-shopify-topic")
        if "/" not in topic:  # ours ("order.read", "item") never come from outside
            raise Rejected(
                f"X-Shopify-Topic: {topic[:80]!r} is no topic of Shopify, which are like orders/create"
            )
        event_id = _header(headers, "x-shopify-webhook-id")
        event = Event(
            system=self._name,
            topic=topic,
            event_id=event_id,
            via=Via.EVENT,
            occurred_at_ms=_triggered_ms(headers.get("x-shopify-triggered-at", ""), request.received_at_ms),
            body=bytes(request.body),
        )
        # What was cut or altered is refused, and Shopify sends it again. What is whole but not as we know it would be
        # sent again the same, until Shopify ends the subscription: that is accepted, and parked when it is applied.
        if topic in ORDER_TOPICS:
            to_ms(wire.decode(event.body, wire.RestStamp, topic).updated_at, "updated_at")
        else:
            self._changes(event)
        return Verified(event)

    def _signed(self, body: bytes, signature: bytes) -> bool:
        held = False
        for secret in self._secrets:
            expected = base64.b64encode(hmac.digest(secret, body, "sha256"))
            held |= hmac.compare_digest(expected, signature)
        return held

    # --- decoding -----------------------------------------------------------------------------------------

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """Translate a raw event; topics that we do not know give nothing."""
        return self._changes(logged.event)

    def _changes(self, event: Event) -> list[Change]:
        topic, body = event.topic, event.body
        if topic in ORDER_TOPICS:
            order = mapping.order_from_webhook(body, topic)
            # Stamps have whole seconds; the header may say where within this one.
            within = order.updated_at_ms <= event.occurred_at_ms < order.updated_at_ms + 1000
            changed = event.occurred_at_ms if within else order.updated_at_ms
            return [Change(Kind.ORDER, order.key, order.updated_at_ms, 0, changed, order)]
        if topic == "order.read":
            read = wire.decode(body, wire.GqlOrder, topic)
            order, knows = mapping.order_from_read(read), 1 + mapping.places_ms(read)
            return [Change(Kind.ORDER, order.key, order.updated_at_ms, knows, order.updated_at_ms, order)]
        if topic == "order.notice":
            stamp = wire.decode(body, wire.OrderStamp, topic)
            return [_notice(number(stamp.id), to_ms(stamp.updated_at, "updatedAt"))]
        if topic == "orders/edited":
            return [_edited(wire.decode(body, wire.RestEdited, topic))]
        if topic in PART_TOPICS or topic.startswith("fulfillments/"):
            part = wire.decode(body, wire.RestPart, topic)
            return [_notice(str(part.order_id), to_ms(part.updated_at or part.created_at, "updated_at"))]
        if topic in compliance.TOPICS:
            return [compliance.request_of(event, self._settings.shop)]
        if topic == "inventory_levels/update":
            return _level(wire.decode(body, wire.RestLevel, topic))
        if topic in {"item", "items"}:
            bodies = [body] if topic == "item" else wire.decode(body, list[msgspec.Raw], topic)
            changes = []
            for one in bodies:
                item, stamp_ms = mapping.item_from_read(bytes(one))
                # Before prices were written nobody asked for the product; who knows it knows more.
                knows = int(bool(item.parent_id))
                # What we made is news since we looked; until then its being there is the product's own promise.
                changed_ms = max(stamp_ms, event.occurred_at_ms) if topic == "items" else stamp_ms
                if item.sku:
                    changes.append(Change(Kind.ITEM, item.sku, stamp_ms, knows, changed_ms, item))
            return changes
        wire.decode(body, wire.AnyObject, topic)
        return []

    # --- polling ------------------------------------------------------------------------------------------

    def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Read a stream from its cursor to its end."""
        if stream == "orders":
            return self._poll_orders(cursor)
        if stream == "items":
            return self._poll_items(cursor)
        raise ValueError(f"Shopify has no stream {stream!r}")

    async def _poll_orders(self, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Which orders changed, as notices; what they are now is read for each that is news.

        The watermark is the newest ``updatedAt`` seen, so only Shopify's clock counts. The search index
        lags behind the truth, so each read begins ``order_overlap_s`` before it; repeats have the same
        event id. Within one read, Relay cursors keep orders of the same second apart.
        """
        began_ms = self._clock.now_ms()
        covered_ms = cursor.covers_ms if cursor else 0
        position = await self._orders_position(cursor)
        start_ms = max(position.updated_ms - self._settings.order_overlap_s * 1000, position.floor_ms)
        seen_ms = position.updated_ms
        after: str | None = None
        used: set[str] = set()
        for page_number in range(1, PAGES_MAX + 1):
            answer = await self._client.call(
                documents.ORDERS_CHANGED,
                {"query": f"updated_at:>='{search_stamp(start_ms)}'", "after": after},
                _Orders,
                urgent=True,
            )
            events = []
            for node in answer.orders.nodes:
                updated_ms = _ms(node)
                seen_ms = max(seen_ms, updated_ms)
                if updated_ms >= position.floor_ms:
                    events.append(self._notice_event(node, updated_ms))
            info = answer.orders.page_info
            last = not info.has_next_page
            yield Page(
                tuple(events),
                Cursor(
                    self._name,
                    "orders",
                    msgspec.json.encode(OrdersPosition(seen_ms, position.floor_ms)).decode(),
                    began_ms if last else covered_ms,
                ),
                last,
            )
            if last:
                return
            after = _next(info, used)
            if page_number % PAGES_PER_QUERY == 0:
                if search_stamp(seen_ms) == search_stamp(start_ms):
                    raise Retryable(
                        f"more than {PAGES_PER_QUERY * 250} orders were changed in one second ({search_stamp(start_ms)}); "
                        "Shopify cannot page past that: set orders_since to a later moment and read them in bulk",
                    )
                start_ms, after = seen_ms, None
                used.clear()
        raise Retryable(f"reading orders did not end after {PAGES_MAX} pages")

    async def _orders_position(self, cursor: Cursor | None) -> OrdersPosition:
        if cursor is not None:
            try:
                return msgspec.json.decode(cursor.position, type=OrdersPosition)
            except msgspec.MsgspecError as error:
                raise Retryable(
                    f"the stored cursor of orders is unreadable ({error}); delete it to begin anew"
                ) from None
        if self._settings.orders_since_ms is not None:
            return OrdersPosition(self._settings.orders_since_ms, self._settings.orders_since_ms)
        # From now on: but "now" on Shopify's clock, so after its newest change.
        newest = await self._client.call(documents.ORDERS_NEWEST, {}, _Orders, urgent=True)
        floor_ms = max((_ms(node) + 1000 for node in newest.orders.nodes), default=0)
        return OrdersPosition(floor_ms, floor_ms)

    def _notice_event(self, node: wire.OrderStamp, updated_ms: int) -> Event:
        return Event(
            system=self._name,
            topic="order.notice",
            event_id=f"{number(node.id)}@{search_stamp(updated_ms)}",
            via=Via.POLL,
            occurred_at_ms=updated_ms,
            body=msgspec.json.encode(node),
        )

    async def _poll_items(self, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Every variant that has a SKU. Where several share one, the variant with the lowest id counts."""
        began_ms = self._clock.now_ms()
        covered_ms = cursor.covers_ms if cursor else 0
        query: str | None = None
        after: str | None = None
        used: set[str] = set()
        skus: set[str] = set()
        for page_number in range(1, PAGES_MAX + 1):
            answer = await self._client.call(documents.ITEMS, {"query": query, "after": after}, _Variants)
            nodes = answer.product_variants.nodes
            events = []
            for node in nodes:
                if not node.sku or node.sku in skus:
                    continue
                skus.add(node.sku)
                events.append(self._item_event(replace(node, currency_code=answer.shop.currency_code)))
            info = answer.product_variants.page_info
            last = not info.has_next_page
            yield Page(tuple(events), Cursor(self._name, "items", "", began_ms if last else covered_ms), last)
            if last:
                return
            after = _next(info, used)
            if page_number % PAGES_PER_QUERY == 0 and nodes:
                query, after = f"id:>{number(nodes[-1].id)}", None
                used.clear()
        raise Retryable(f"reading variants did not end after {PAGES_MAX} pages")

    def _item_event(self, node: wire.Variant) -> Event:
        body = msgspec.json.encode(node)
        return Event(
            system=self._name,
            topic="item",
            event_id=f"item:{hashlib.sha256(body).hexdigest()}",
            via=Via.SNAPSHOT,
            occurred_at_ms=_ms(node),
            body=body,
        )


def _edited(body: wire.RestEdited) -> Change:
    """https://shopify.dev/changelog/new-committed_at-timestamp-added-to-orders-edited-webhook-payload."""
    edit = body.order_edit
    if edit is not None:
        return _notice(
            str(edit.order_id), to_ms(edit.committed_at or edit.created_at, "order_edit.committed_at")
        )
    if body.id is None or body.updated_at is None:
        raise Rejected("orders/edited: order_edit is missing, so it is not known which order was edited")
    return _notice(str(body.id), to_ms(body.updated_at, "updated_at"))


def _level(body: wire.RestLevel) -> list[Change]:
    """Whoever changed the number: a buyer, a draft, a person, another app, or we."""
    if body.available is None:
        return []
    stamp_ms = to_ms(body.updated_at, "updated_at")
    location = str(body.location_id)
    level = ChannelLevel(f"gid://shopify/InventoryItem/{body.inventory_item_id}", location, body.available)
    return [Change(Kind.LEVEL, f"{body.inventory_item_id}\x1f{location}", stamp_ms, 0, stamp_ms, level)]


def _notice(key: str, version: int) -> Change:
    return Change(Kind.ORDER, key, version, 0, version, Notice(key))


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value or len(value) > HEADER_CHARS_MAX or not value.isprintable():
        state = "is missing" if not value else "is not acceptable"
        raise Rejected(
            f"{name}: the header {state}; Shopify sends it with every webhook, so check proxies on the way"
        )
    return value


def _triggered_ms(text: str, received_ms: int) -> int:
    """When the event took place, by an unsigned header: believed only where it is plausible."""
    try:
        triggered_ms = to_ms(datetime.fromisoformat(text), "x-shopify-triggered-at")
    except (ValueError, TypeError, Rejected):  # TypeError: a moment without an offset
        return received_ms
    plausible = received_ms - TRIGGERED_BEHIND_MS <= triggered_ms <= received_ms + TRIGGERED_AHEAD_MS
    return triggered_ms if plausible else received_ms


def search_stamp(ms: int) -> str:
    """RFC 3339 in UTC, whole seconds, as Shopify's search and stamps have it."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def orders_floor_ms(cursor: Cursor | None, settings: ShopifySettings) -> int | None:
    """Before which moment no order is ours; ``None`` where nothing was read yet."""
    if cursor is None:
        return settings.orders_since_ms
    try:
        return msgspec.json.decode(cursor.position, type=OrdersPosition).floor_ms
    except msgspec.MsgspecError as error:
        raise Retryable(
            f"the stored cursor of orders is unreadable ({error}); delete it to begin anew"
        ) from None


def _ms(node: Any) -> int:
    """The node's stamp; a read that cannot be understood is tried again, not parked."""
    try:
        return to_ms(node.updated_at, "updatedAt")
    except Rejected as error:
        raise Retryable(str(error)) from None


def _next(info: wire.PageInfo, used: set[str]) -> str:
    """The next page's cursor; a vendor that leads in circles is stopped at once."""
    if not info.end_cursor or info.end_cursor in used:
        raise Retryable("Shopify's paging leads in circles (the end cursor is empty or came before)")
    used.add(info.end_cursor)
    return info.end_cursor
