"""What a checkout asks about prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.price_query import LINES_MAX, LISTS_MAX, Asked, PriceAnswer
from syncline.web.access import Person, Role
from syncline.web.checkout import Name, Optional
from syncline.web.questions import body_of, refusing
from syncline.web.site import Endpoint, Refusal, Site

BODY_BYTES_MAX = 64 * 1024  # a hundred lines with long names
QUANTITY_MAX = 1_000_000
STATUS_OF = {"unknown_channel": 404}
_encode = msgspec.json.Encoder(decimal_format="string").encode


class PriceLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many units of a SKU, in a unit of measure as the ERP calls it, or in the route's."""

    sku: Name
    quantity: Decimal = Decimal(1)
    unit: Annotated[str, msgspec.Meta(max_length=20)] = ""


class PriceQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a buyer at a channel would pay.

    ``customer`` is the buyer by the ERP's id, ``lists`` are further lists of the ERP that the buyer was given. ``at`` is a
    moment with its offset; left out, now.
    """

    channel: Name
    lines: Annotated[tuple[PriceLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    customer: Optional = ""
    lists: Annotated[tuple[Name, ...], msgspec.Meta(max_length=LISTS_MAX)] = ()
    currency: Annotated[str, msgspec.Meta(pattern="^([A-Z]{3})?$")] = ""
    at: datetime | None = None


async def _query(site: Site, request: Request, person: Person) -> Response:
    await body_of(site, request, BODY_BYTES_MAX, "Split the cart.")
    asked = await site.json(request, PriceQuestion)
    if asked.at is not None and asked.at.tzinfo is None:
        raise Refusal(
            422, "no_offset", "at: the moment has no offset.", "Write for example 2026-11-27T08:00:00Z."
        )
    for number, line in enumerate(asked.lines):
        if not line.quantity.is_finite() or not 0 < line.quantity <= QUANTITY_MAX:
            what = (
                f"lines[{number}].quantity: {line.quantity} must lie above 0 and be at most {QUANTITY_MAX}."
            )
            raise Refusal(422, "bad_quantity", what)
    at_ms = None if asked.at is None else round(asked.at.astimezone(UTC).timestamp() * 1000)
    answers = await site.engine.price_query.ask(
        asked.channel,
        [Asked(line.sku, line.quantity, line.unit) for line in asked.lines],
        customer=asked.customer,
        lists=asked.lists,
        currency=asked.currency,
        at_ms=at_ms,
    )
    return Response(_encode(answers), media_type="application/json")


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/prices/query",
        Role.CHECKOUT,
        refusing(STATUS_OF)(_query),
        "What each line of a cart costs a buyer, by which rule, and how old that is",
        takes=PriceQuestion,
        gives=list[PriceAnswer],
    ),
)
