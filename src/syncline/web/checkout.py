"""What a checkout asks: how many there are, and to hold them until the buyer has paid."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.held import OpenHold, open_holds
from syncline.engine.holds import (
    EXPIRES_MS_MAX,
    EXPIRES_MS_MIN,
    LINES_MAX,
    QUANTITY_MAX,
    Held,
    HoldRefused,
    Line,
)
from syncline.engine.routes import Route
from syncline.model.change import Flow
from syncline.web.access import Person, Role
from syncline.web.questions import body_of, check_known, refusing
from syncline.web.site import Endpoint, Site, answer

BODY_BYTES_MAX = 64 * 1024  # a hundred lines with long names
STATUS_OF = {
    "not_found": 404,
    "not_enough": 409,
    "reference_taken": 409,
    "released": 409,
    "other_order": 409,
    "expired": 409,
}

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Reference = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._~-]{1,100}$")]
Optional = Annotated[str, msgspec.Meta(max_length=100)]


class HoldLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base units of a SKU, from one of the channel's locations or, left out, from any."""

    sku: Name
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]
    location: Optional = ""


class NewHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to hold, under a reference of your choice: a second request with it takes nothing more.

    ``order`` is the key or number of the order that will follow, if it is known already.
    """

    reference: Reference
    channel: Name
    lines: Annotated[tuple[HoldLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    expires_in_s: Annotated[int, msgspec.Meta(ge=EXPIRES_MS_MIN // 1000, le=EXPIRES_MS_MAX // 1000)] = 900
    allow_partial: bool = False
    order: Optional = ""


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order that the hold becomes, by its key or number at the channel."""

    order: Optional = ""


class Place(msgspec.Struct, frozen=True):
    """What can be held at one of the channel's locations."""

    location: str
    quantity: int


class Availability(msgspec.Struct, frozen=True):
    """What can be held of a SKU now.

    ``as_of_ms`` is when the oldest figure behind it was received, ``bound_ms`` the route's computed worst
    case until a change at the ERP has reached the channel; ``null`` where that is not known.
    """

    sku: str
    channel: str
    quantity: int
    locations: tuple[Place, ...]
    as_of_ms: int | None
    age_ms: int | None
    bound_ms: int | None


_refusing = refusing(STATUS_OF)


async def _body(site: Site, request: Request) -> bytes:
    return await body_of(site, request, BODY_BYTES_MAX, "Split the cart.")


async def _hold(site: Site, request: Request, person: Person) -> Response:
    await _body(site, request)
    check_known(site)
    new = await site.json(request, NewHold)
    try:
        held = await site.engine.holds.reserve(
            new.reference,
            new.channel,
            [Line(line.sku, line.quantity, line.location) for line in new.lines],
            expires_in_ms=new.expires_in_s * 1000,
            allow_partial=new.allow_partial,
            order=new.order,
            by=person.name,
        )
    except HoldRefused as error:
        if new.channel in site.engine.systems:  # what else a program may have called it is not kept
            site.engine.holds.refused[new.channel, error.code] += 1
        raise
    return answer(held)


async def _confirm(site: Site, request: Request, person: Person) -> Response:
    given = await site.json(request, Confirmation) if await _body(site, request) else Confirmation()
    return answer(await site.engine.holds.confirm(request.path_params["reference"], order=given.order))


async def _release(site: Site, request: Request, person: Person) -> Response:
    reference = request.path_params["reference"]
    if person.may(Role.OPERATOR):  # a person who steps in is named; a till gives back its own
        await site.operations.release_hold(reference, by=person.name)
        site.snapshots.forget()
        return answer(await site.engine.holds.show(reference))
    return answer(await site.engine.holds.release(reference))


async def _list(site: Site, request: Request, person: Person) -> Response:
    asked = request.query_params
    return answer(await open_holds(site.engine, channel=asked.get("channel", ""), sku=asked.get("sku", "")))


async def _show(site: Site, request: Request, person: Person) -> Response:
    return answer(await site.engine.holds.show(request.path_params["reference"]))


async def _availability(site: Site, request: Request, person: Person) -> Response:
    channel = request.query_params.get("channel", "")
    skus = list(dict.fromkeys(request.query_params.getlist("sku")))
    found = await site.engine.holds.availability(channel, skus)
    route: Route = site.engine.routes.of(Flow.INVENTORY, sink=channel)[0]
    shown = (await site.snapshots.status()).routes
    bound_ms = next((status.bound_ms for status in shown if status.name == route.name), None)
    return answer(
        [
            Availability(
                one.sku,
                one.channel,
                one.quantity,
                tuple(Place(place.location, place.quantity) for place in one.locations),
                one.as_of_ms,
                one.age_ms,
                bound_ms,
            )
            for one in found
        ]
    )


VIEWER, CHECKOUT = Role.VIEWER, Role.CHECKOUT

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/availability",
        VIEWER,
        _refusing(_availability),
        "How many can be held now; name several SKUs by repeating sku",
        gives=list[Availability],
        query=("sku", "channel"),
        checkout=True,
    ),
    Endpoint(
        "POST", "/v1/holds", CHECKOUT, _refusing(_hold), "Hold stock for a buyer", takes=NewHold, gives=Held
    ),
    Endpoint(
        "GET",
        "/v1/holds",
        VIEWER,
        _list,
        "Holds that have not ended, those that end first; of a channel or a SKU, or of all",
        gives=list[OpenHold],
        query=("channel", "sku"),
    ),
    Endpoint(
        "GET",
        "/v1/holds/{reference}",
        VIEWER,
        _refusing(_show),
        "A hold as it is now",
        gives=Held,
        checkout=True,
    ),
    Endpoint(
        "POST",
        "/v1/holds/{reference}/confirm",
        CHECKOUT,
        _refusing(_confirm),
        "The buyer has paid: keep it until the order arrives",
        takes=Confirmation,
        gives=Held,
    ),
    Endpoint(
        "POST",
        "/v1/holds/{reference}/release",
        CHECKOUT,
        _refusing(_release),
        "Give the units back",
        gives=Held,
    ),
)
