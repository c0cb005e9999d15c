"""What a checkout asks about credit: whether an order may be placed, and what becomes of the approval."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.credit import EXPIRES_MS_MAX, EXPIRES_MS_MIN, CreditAnswer
from syncline.web.access import Person, Role
from syncline.web.checkout import Confirmation, Name, Optional, Reference
from syncline.web.questions import body_of, check_known, refusing
from syncline.web.site import Endpoint, Refusal, Site

BODY_BYTES_MAX = 16 * 1024
STATUS_OF = {
    "not_found": 404,
    "unknown_channel": 404,
    "reference_taken": 409,
    "released": 409,
    "other_order": 409,
    "expired": 409,
}
_encode = msgspec.json.Encoder(decimal_format="string").encode


class CreditQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """May this order be placed on credit? Asked again under the same reference, an approval takes nothing more.

    ``amount`` is the order's total, tax and shipping included. The customer is named by ``account``, the ERP's own key, or
    by ``customer``, the channel's. ``order`` is the key or number of the order that will follow, if it is known already.
    """

    reference: Reference
    channel: Name
    amount: Decimal
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    account: Optional = ""
    customer: Optional = ""
    order: Optional = ""
    expires_in_s: (
        Annotated[int, msgspec.Meta(ge=EXPIRES_MS_MIN // 1000, le=EXPIRES_MS_MAX // 1000)] | None
    ) = None


def answer(value: CreditAnswer) -> Response:
    """A decision as JSON; amounts as strings, so that no digit is lost."""
    return Response(_encode(value), media_type="application/json")


_refusing = refusing(STATUS_OF)


async def _body(site: Site, request: Request) -> bytes:
    return await body_of(site, request, BODY_BYTES_MAX, "Shorten it.")


async def _check(site: Site, request: Request, person: Person) -> Response:
    await _body(site, request)
    check_known(site)
    asked = await site.json(request, CreditQuestion)
    if not (asked.account or asked.customer):
        raise Refusal(422, "no_account", "Name the customer.", "Give account, or customer.")
    return answer(
        await site.engine.credit.check(
            asked.reference,
            asked.channel,
            asked.amount,
            asked.currency,
            account=asked.account,
            customer=asked.customer,
            order=asked.order,
            expires_in_ms=None if asked.expires_in_s is None else asked.expires_in_s * 1000,
            by=person.name,
        )
    )


async def _look(site: Site, request: Request, person: Person) -> Response:
    asked = request.query_params
    return answer(await site.engine.credit.look(asked.get("channel", ""), asked.get("account", "")))


async def _show(site: Site, request: Request, person: Person) -> Response:
    return answer(await site.engine.credit.show(request.path_params["reference"]))


async def _confirm(site: Site, request: Request, person: Person) -> Response:
    given = await site.json(request, Confirmation) if await _body(site, request) else Confirmation()
    return answer(await site.engine.credit.confirm(request.path_params["reference"], order=given.order))


async def _release(site: Site, request: Request, person: Person) -> Response:
    reference = request.path_params["reference"]
    given_back = await site.engine.credit.release(reference)
    if person.may(Role.OPERATOR):  # a person who steps in is named; a till gives back its own
        await site.operations.audit.write(
            actor=person.name, action="credit released", subject=reference, after=given_back.state
        )
    return answer(given_back)


VIEWER, CHECKOUT = Role.VIEWER, Role.CHECKOUT

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/credit/check",
        CHECKOUT,
        _refusing(_check),
        "Whether an order may be placed on credit; an approval holds its amount",
        takes=CreditQuestion,
        gives=CreditAnswer,
    ),
    Endpoint(
        "GET",
        "/v1/credit",
        VIEWER,
        _refusing(_look),
        "What is known of an account's credit, and what uses it; takes nothing",
        gives=CreditAnswer,
        query=("channel", "account"),
        checkout=True,
    ),
    Endpoint(
        "GET",
        "/v1/credit/{reference}",
        VIEWER,
        _refusing(_show),
        "An approval as it is now",
        gives=CreditAnswer,
        checkout=True,
    ),
    Endpoint(
        "POST",
        "/v1/credit/{reference}/confirm",
        CHECKOUT,
        _refusing(_confirm),
        "The buyer has ordered: keep the approval until the order arrives",
        takes=Confirmation,
        gives=CreditAnswer,
    ),
    Endpoint(
        "POST",
        "/v1/credit/{reference}/release",
        CHECKOUT,
        _refusing(_release),
        "Give the amount back",
        gives=CreditAnswer,
    ),
)
