"""The reading side: signed events, a delta poll over orders, a snapshot of products."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from msgspec import Struct

from syncline.connectors.adobe_commerce import mapping, wire
from syncline.connectors.adobe_commerce.client import Client, Search
from syncline.connectors.adobe_commerce.journal import Journal
from syncline.connectors.adobe_commerce.keys import load_keys
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings, streams_of
from syncline.connectors.adobe_commerce.messages import Messages
from syncline.connectors.adobe_commerce.told import ORDER_EVENT, REFUSED, is_other, order_event, why_refused
from syncline.connectors.adobe_commerce.wire import Found, to_ms, to_stamp
from syncline.model.change import Change, Cursor, Event, Kind, LoggedEvent, Via
from syncline.model.copying import replace
from syncline.model.errors import Forged, Rejected, Retryable
from syncline.model.records import Notice
from syncline.ports import Clock, Page, PollStream, Verified, WebhookRequest

BODY_BYTES_MAX = 2_250_000  # a batch has 2 MB at most
BATCH_MAX = 100  # events; Adobe sends 20 at most
HEADER_CHARS_MAX = 2048
PAGES_MAX = 100_000
SIGNATURES = ("x-adobe-digital-signature-1", "x-adobe-digital-signature-2")


class OrdersPosition(Struct, frozen=True):
    """Where the poll of orders stands, on the shop's clock. Nothing before ``floor_ms`` is ours."""

    updated_ms: int
    floor_ms: int


class AdobeCommerceSource:
    """Reads one shop. ``verify`` and ``decode`` make no call."""

    def __init__(
        self,
        name: str,
        settings: AdobeCommerceSettings,
        *,
        client: Client,
        clock: Clock,
        messages: Messages | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._name = name
        self._messages = messages
        self._journal = journal
        self._settings = settings
        self._client = client
        self._clock = clock
        self._keys = load_keys(settings.event_public_keys)

    @property
    def streams(self) -> tuple[PollStream, ...]:
        """What can be polled."""
        return streams_of(self._settings)

    # --- events -----------------------------------------------------------------------------------

    def verify(self, request: WebhookRequest) -> Verified:
        """Check a signature, the recipient and the content; never parses before a signature holds.

        Either of the two signatures is enough: they are by two keys so that one can be changed. Headers are not signed,
        so nothing is taken from them. (developer.adobe.com/events/docs/guides/sdk/sdk-signature-verification)
        """
        try:
            return self._verify(request)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the bytes are, the ingress answers 4xx and lives on
            raise Rejected(f"the event cannot be understood ({type(error).__name__})") from None

    def _verify(self, request: WebhookRequest) -> Verified:
        if not self._keys:
            raise Forged(
                "event_public_keys: none is configured, so no event can be believed; add Adobe I/O's public keys"
            )
        if len(request.body) > BODY_BYTES_MAX:
            raise Rejected(
                f"body: {len(request.body)} bytes are more than the {BODY_BYTES_MAX} that an event can have"
            )
        if not any(self._holds(request.headers, name, request.body) for name in SIGNATURES):
            raise Forged(
                "X-Adobe-Digital-Signature-1, -2: no signature holds; compare event_public_keys with the keys that the "
                "event's X-Adobe-Public-Key1-Path and -2-Path name, and make sure that no proxy alters the body"
            )
        events = [wire.decode(raw, wire.IoEvent, "event") for raw in _posted(request.body)]
        if any(event.recipient != self._settings.event_client_id for event in events):
            raise Rejected("recipientclientid: the event is for somebody else; compare event_client_id")
        if not all(event.name for event in events):
            raise Rejected("eventid: the event has none, so it could not be told from others")
        ours = [event for event in events if not is_other(event)]
        if not ours:
            raise Rejected(f"type: {events[0].type[:100]!r} is of no order; take it out of the registration")
        # What an order says is understood when the log is applied: what is refused here, Adobe never sends again.
        kept = [order_event(self._name, one.name, one.value, request.received_at_ms) for one in ours]
        return Verified(kept[0], more=tuple(kept[1:]))

    def _holds(self, headers: Mapping[str, str], name: str, body: bytes) -> bool:
        try:
            signature = base64.b64decode(
                headers.get(name, "")[:HEADER_CHARS_MAX].encode("ascii"), validate=True
            )
        except (ValueError, binascii.Error):
            return False
        held = False
        for key in self._keys:
            try:
                key.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                continue
            held = True
        return held

    # --- decoding ---------------------------------------------------------------------------------

    def decode(self, logged: LoggedEvent) -> list[Change]:
        """Translate a raw event; topics that we do not know give nothing."""
        return self._changes(logged.event)

    def _changes(self, event: Event) -> list[Change]:
        topic, body = event.topic, event.body
        if topic == ORDER_EVENT:
            return [_from_event(body, self._settings)]
        if topic == REFUSED:
            raise why_refused(body)
        if topic == "order.notice":
            stamp = wire.decode(body, wire.OrderStamp, topic)
            return [_notice(stamp)]
        if topic == "order.read":
            whole = wire.decode(body, wire.WholeOrder, topic)
            held = self._settings
            order = mapping.order_from_read(
                whole,
                source=held.order_source,
                restocked=held.refunds_restock,
                redeemed=held.redeemed == "payment",
                waiting=held.wait_states,
            )
            return [Change(Kind.ORDER, order.key, order.updated_at_ms, 1, order.updated_at_ms, order)]
        if topic == "item":
            found = mapping.item_from_read(body)
            if found is None:
                return []
            item, changed = found
            return [Change(Kind.ITEM, item.sku, changed, 0, changed, item)]
        if topic == "items":  # the variants of one product, told together
            told = [
                mapping.item_from_read(bytes(raw))
                for raw in wire.decode(body, tuple[msgspec.Raw, ...], topic)
            ]
            return [Change(Kind.ITEM, item.sku, at, 0, at, item) for item, at in filter(None, told)]
        return []

    # --- polling ----------------------------------------------------------------------------------

    def poll(self, stream: str, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Read a stream from its cursor to its end."""
        if stream == "orders":
            return self._poll_orders(cursor)
        if stream == "items":
            return self._poll_items(cursor)
        if stream == "messages" and self._messages is not None:
            return self._messages.poll(cursor)
        if stream == "journal" and self._journal is not None:
            return self._journal.poll(cursor)
        raise ValueError(f"Adobe Commerce has no stream {stream!r}")

    async def _poll_orders(self, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Which orders changed, as notices; what they are now is read for each that is news.

        Pages go by (stamp, id) and never by number: an order that changes meanwhile moves to the end, and would push one
        over the edge of a page that was read. Asking past the last page gives the last page again, so a read ends where
        nothing is left to come. The watermark is the newest stamp seen, so only the shop's clock counts.
        """
        began_ms = self._clock.now_ms()
        covered_ms = cursor.covers_ms if cursor else 0
        position = await self._orders_position(cursor)
        since_ms = max(position.updated_ms - self._settings.order_overlap_s * 1000, position.floor_ms)
        at, after, seen_ms = to_stamp(since_ms), 0, position.updated_ms
        for _ in range(PAGES_MAX):
            search = Search(size=self._settings.page_size, fields="entity_id,updated_at")
            search.where(("updated_at", "gteq", at))
            search.where(("updated_at", "gt", at), ("entity_id", "gt", str(after)))
            search.order("updated_at").order("entity_id")
            found = await self._client.get("orders", search.pairs(), Found[wire.OrderStamp], urgent=True)
            events = []
            for row in found.items:
                updated_ms = _ms(row)
                seen_ms = max(seen_ms, updated_ms)
                events.append(self._notice_event(row, updated_ms))
            last = found.total_count <= len(found.items)
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
            if not found.items:
                raise Retryable("the shop says that there are more orders, and shows none")
            edge = found.items[-1]
            if (edge.updated_at, edge.entity_id) <= (at, after):
                raise Retryable("the shop's pages lead in circles (a page ends where it began)")
            at, after = edge.updated_at, edge.entity_id
        raise Retryable(f"reading orders did not end after {PAGES_MAX} pages")

    async def _orders_position(self, cursor: Cursor | None) -> OrdersPosition:
        if cursor is not None:
            return position_of(cursor)
        if self._settings.orders_since_ms is not None:
            return OrdersPosition(self._settings.orders_since_ms, self._settings.orders_since_ms)
        # From now on: but "now" on the shop's clock, so after its newest change.
        search = Search(size=1, fields="entity_id,updated_at").order("updated_at", "DESC")
        newest = await self._client.get("orders", search.pairs(), Found[wire.OrderStamp], urgent=True)
        floor_ms = max((_ms(row) + 1000 for row in newest.items), default=0)
        return OrdersPosition(floor_ms, floor_ms)

    def _notice_event(self, row: wire.OrderStamp, updated_ms: int) -> Event:
        return Event(
            system=self._name,
            topic="order.notice",
            event_id=f"{row.entity_id}@{row.updated_at}",
            via=Via.POLL,
            occurred_at_ms=updated_ms,
            body=msgspec.json.encode(row),
        )

    async def _poll_items(self, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Every product, in the order of their ids; those without stock of their own decode to nothing."""
        began_ms = self._clock.now_ms()
        covered_ms = cursor.covers_ms if cursor else 0
        stores = await self._client.get("store/storeConfigs", (), tuple[wire.StoreConfig, ...])
        currencies = {store.base_currency_code for store in stores}
        # Several base currencies: a price is then in one of them, and nobody says in which.
        currency = currencies.pop() if len(currencies) == 1 else ""
        after = 0
        for _ in range(PAGES_MAX):
            search = Search(size=self._settings.page_size, fields="id,sku,name,price,type_id,updated_at")
            search.where(("entity_id", "gt", str(after))).order("entity_id")
            found = await self._client.get("products", search.pairs(), Found[wire.Product])
            last = found.total_count <= len(found.items)
            events = tuple(map(partial(self._item_event, currency), found.items))
            yield Page(events, Cursor(self._name, "items", "", began_ms if last else covered_ms), last)
            if last:
                return
            if not found.items or found.items[-1].id <= after:
                raise Retryable("the shop's pages of products lead in circles")
            after = found.items[-1].id
        raise Retryable(f"reading products did not end after {PAGES_MAX} pages")

    def _item_event(self, currency: str, row: wire.Product) -> Event:
        priced = replace(row, currency=currency if row.price is not None else "")
        body = msgspec.json.encode(priced)
        return Event(
            system=self._name,
            topic="item",
            event_id=f"item:{hashlib.sha256(body).hexdigest()}",
            via=Via.SNAPSHOT,
            occurred_at_ms=_stamp_ms(row.updated_at),
            body=body,
        )


def _posted(body: bytes) -> Sequence[bytes]:
    """The events of a post: one, or a batch of them.

    Raises:
        Rejected: it is neither.
    """
    if body.lstrip()[:1] != b"[":
        return (body,)
    batch = wire.decode(body, list[msgspec.Raw], "batch of events")
    if not 1 <= len(batch) <= BATCH_MAX:
        raise Rejected(f"batch of events: {len(batch)} are not between 1 and {BATCH_MAX}")
    return [bytes(raw) for raw in batch]


def _from_event(value: bytes, held: AdobeCommerceSettings) -> Change:
    """An order if the event carries all that makes one; else that it changed, and it is read."""
    stamp = wire.decode(value, wire.OrderStamp, "event, order")
    try:
        told = wire.decode(value, wire.Order, "event, order")
    except Rejected:
        return _notice(stamp)
    kinds = {item.product_type for item in told.items}
    if kinds & {"configurable", "bundle"} and not any(item.parent_item_id for item in told.items):
        return _notice(stamp)  # whose child a line is was not registered, so goods would count twice
    if not mapping.tells_fixed_taxes(told.items):
        return _notice(stamp)  # how they are taxed was not registered, so a refund would be reckoned wrong
    redeemed = held.redeemed == "payment"
    order = mapping.order_from_event(told, redeemed=redeemed, waiting=held.wait_states)
    if not mapping.adds_up(order):
        return _notice(stamp)  # an amount that belongs to it was not registered
    return Change(Kind.ORDER, order.key, order.updated_at_ms, 0, order.updated_at_ms, order)


def _notice(stamp: wire.OrderStamp) -> Change:
    key, version = str(stamp.entity_id), to_ms(stamp.updated_at, "updated_at")
    return Change(Kind.ORDER, key, version, 0, version, Notice(key))


def position_of(cursor: Cursor) -> OrdersPosition:
    """Where a stored cursor stands.

    Raises:
        Retryable: it cannot be read.
    """
    try:
        return msgspec.json.decode(cursor.position, type=OrdersPosition)
    except msgspec.MsgspecError as error:
        raise Retryable(
            f"the stored cursor of orders is unreadable ({error}); delete it to begin anew"
        ) from None


def _ms(row: wire.OrderStamp) -> int:
    return _stamp_ms(row.updated_at)


def _stamp_ms(stamp: str) -> int:
    """A read that cannot be understood is tried again, not parked."""
    try:
        return to_ms(stamp, "updated_at")
    except Rejected as error:
        raise Retryable(str(error)) from None
