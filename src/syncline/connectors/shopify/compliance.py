"""The webhooks that Shopify sends about the personal data of customers, and what each asks for.

They are subscribed in the app's configuration, never by the Admin API, and come with the headers of all others
(https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance, read 2026-11-22).

The topic stands in a header, which is not signed. So it does not decide alone: a body counts only for the topic whose
fields it has, or an order's body that somebody recorded could be sent again as a request to erase everything.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

from syncline.connectors.shopify import wire
from syncline.connectors.shopify.wire import Id
from syncline.model.change import Change, Event, Kind
from syncline.model.errors import Rejected
from syncline.model.privacy import Ask, PrivacyRequest

DATA_REQUEST, REDACT, SHOP_REDACT = "customers/data_request", "customers/redact", "shop/redact"
TOPICS = frozenset({DATA_REQUEST, REDACT, SHOP_REDACT})


class Person(Struct, frozen=True):
    """Whom a request is about; Shopify leaves out what it does not have."""

    id: Id | None = None
    email: str | None = None
    phone: str | None = None


class Numbered(Struct, frozen=True):
    """The id of a data request."""

    id: Id


class Compliance(Struct, frozen=True):
    """The fields of all three bodies; which of them are there tells them apart."""

    shop_domain: str
    customer: Person | None = None
    orders_requested: tuple[Id, ...] | None = None
    orders_to_redact: tuple[Id, ...] | None = None
    data_request: Numbered | None = None

    @property
    def topic(self) -> str:
        """The topic that such a body belongs to."""
        if self.data_request is not None or self.orders_requested is not None:
            return DATA_REQUEST
        return SHOP_REDACT if self.customer is None and self.orders_to_redact is None else REDACT


def request_of(event: Event, shop: str) -> Change:
    """What a compliance webhook asks for.

    The same request sent again has the same id. A shop may be left, come back and be left again, so that request is
    another one on another day.

    Raises:
        Rejected: it is of another shop, or its body does not belong to its topic.
    """
    body = wire.decode(event.body, Compliance, event.topic)
    if body.shop_domain.lower() != shop.lower():
        raise Rejected(f"{event.topic}: shop_domain is {body.shop_domain[:80]!r}, and not {shop}")
    if body.topic != event.topic:
        raise Rejected(f"{event.topic}: the body is one of {body.topic}")
    if event.topic == SHOP_REDACT:
        day = event.occurred_at_ms // 86_400_000
        return _change(event, PrivacyRequest(_id(event, f"{day}".encode()), Ask.ERASE_ALL))
    person = body.customer or Person()
    orders = body.orders_requested if event.topic == DATA_REQUEST else body.orders_to_redact
    return _change(
        event,
        PrivacyRequest(
            id=_id(event, event.body),
            ask=Ask.EXPORT if event.topic == DATA_REQUEST else Ask.ERASE,
            customer="" if person.id is None else str(person.id),
            email=person.email or "",
            orders=tuple(str(one) for one in orders or ()),
        ),
    )


def _id(event: Event, what: bytes) -> str:
    return hashlib.blake2b(f"{event.system} {event.topic} ".encode() + what, digest_size=10).hexdigest()


def _change(event: Event, request: PrivacyRequest) -> Change:
    return Change(Kind.PRIVACY, request.id, event.occurred_at_ms, 0, event.occurred_at_ms, request)
