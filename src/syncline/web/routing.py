"""Where orders are sent from, over the API: asked, tried on past orders, refused by a location."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.operations import Done
from syncline.engine.rerouting import Rerouting
from syncline.engine.routing import LINES_MAX, Asked, Router
from syncline.engine.routing_past import (
    DAYS_MAX,
    ORDERS_MAX,
    DryRun,
    Placed,
    Trial,
    dry_run,
    past_orders,
)
from syncline.engine.words import sentence
from syncline.model.errors import Misconfigured
from syncline.routing.places import Point
from syncline.routing.plan import Plan
from syncline.routing.policy import Destination, Policy
from syncline.runtime.config import routed_channels
from syncline.runtime.routing import RoutingConfig
from syncline.web.access import Person, Role
from syncline.web.questions import body_of, refusing
from syncline.web.site import Endpoint, Refusal, Site, answer

QUANTITY_MAX = 1_000_000
BODY_BYTES_MAX = 64 * 1024  # a hundred lines with long names

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(max_length=100)]
Short = Annotated[str, msgspec.Meta(max_length=300)]
Degrees = Annotated[float, msgspec.Meta(ge=-180, le=180)]


class QuoteLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units of a SKU, as the channel's catalog has it."""

    sku: Name
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]


class To(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it goes: coordinates in degrees, or a postcode that the table of places has.

    ``country`` is ISO 3166-1 alpha-2. With neither, distance does not count.
    """

    country: Text = ""
    region: Text = ""
    postcode: Text = ""
    latitude: Degrees | None = None
    longitude: Degrees | None = None


class NewQuote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be sent where. ``hold`` names the hold of this very checkout: its units count as available to it."""

    channel: Name
    lines: Annotated[tuple[QuoteLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    to: To = To()
    hold: Text = ""


class NewRefusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order by its number, id or reference, and the ERP location that does not send it; one SKU of it, or all."""

    order: Name
    location: Name
    sku: Text = ""
    reason: Short = ""


class NewAllowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order of which every location may send anything again."""

    order: Name


class TrialLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units of a SKU; ``location`` is the ERP location that sent them, if that is known."""

    sku: Name
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]
    location: Text = ""


class TrialOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order to be tried."""

    order: Name
    lines: Annotated[tuple[TrialLine, ...], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    to: To = To()


class NewDryRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Orders to be played through the rules: these, or without any the newest of the channel in the store.

    ``stock``: ``now``, with what the order itself took where it was sent from, or ``plenty`` everywhere. ``rules`` is a
    [routing] section to be tried instead of the one in force; its table of places has to be the same.
    """

    channel: Name
    orders: Annotated[tuple[TrialOrder, ...], msgspec.Meta(max_length=ORDERS_MAX)] = ()
    days: Annotated[int, msgspec.Meta(ge=1, le=DAYS_MAX)] = 30
    limit: Annotated[int, msgspec.Meta(ge=1, le=ORDERS_MAX)] = 500
    stock: Literal["now", "plenty"] = "now"
    rules: dict[str, Any] = {}


def _router(site: Site) -> Router:
    if site.engine.router is None:
        raise Refusal(
            409, "not_configured", "Routing is not configured.", "Write a [routing] section and start again."
        )
    return site.engine.router


_refusing = refusing({})


def _destination(to: To, policy: Policy) -> Destination:
    if (to.latitude is None) != (to.longitude is None):
        raise Refusal(422, "bad_place", "to: give both latitude and longitude.", "Or a postcode.")
    if to.latitude is not None and to.longitude is not None:
        try:
            point: Point | None = Point(to.latitude, to.longitude)
        except ValueError as error:
            raise Refusal(422, "bad_place", sentence(f"to: {error}"), "Degrees north and east.") from error
    else:
        point = policy.places.find(to.country, to.postcode)
    return Destination(to.country, to.region, to.postcode, point)


async def _quote(site: Site, request: Request, person: Person) -> Response:
    await body_of(site, request, BODY_BYTES_MAX, "Split the order.")
    asked = await site.json(request, NewQuote)
    router = _router(site)
    lines = [Asked(line.sku, line.quantity) for line in asked.lines]
    to = _destination(asked.to, router.policy)
    return answer(await router.quote(asked.channel, lines, to, hold=asked.hold))


async def _refuse(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, NewRefusal)
    rerouting = Rerouting(site.engine, site.operations)
    done = await rerouting.refuse(
        asked.order, asked.location, sku=asked.sku, why=asked.reason, by=person.name
    )
    return answer(done)


async def _allow(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, NewAllowance)
    return answer(await Rerouting(site.engine, site.operations).allow(asked.order, by=person.name))


def _policy(site: Site, rules: dict[str, Any]) -> Policy:
    """The rules to be tried. Places are those that are loaded: a request names no file."""
    current = _router(site).policy
    if not rules:
        return current
    try:
        section = msgspec.convert({**rules, "places": ""}, RoutingConfig, strict=False)
        return section.policy(Path(), routed_channels(site.engine.routes), places=current.places)
    except (msgspec.ValidationError, Misconfigured) as error:
        raise Refusal(
            422, "bad_rules", sentence(f"rules: {error}"), "See [routing] in the configuration."
        ) from error


async def _dry_run(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, NewDryRun)
    router, policy = _router(site), _policy(site, asked.rules)
    if asked.orders:
        trials = [
            Trial(
                one.order,
                tuple(Asked(line.sku, line.quantity) for line in one.lines),
                _destination(one.to, policy),
                tuple(Placed(number, line.location, line.quantity) for number, line in enumerate(one.lines)),
            )
            for one in asked.orders
        ]
    else:
        trials = await past_orders(
            site.engine, asked.channel, days=asked.days, limit=asked.limit, policy=policy
        )
    return answer(await dry_run(router, asked.channel, trials, policy, plenty=asked.stock == "plenty"))


VIEWER, OPERATOR = Role.VIEWER, Role.OPERATOR

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/routing/quote",
        VIEWER,
        _refusing(_quote),
        "Where these lines would be sent from, at what cost, and why",
        takes=NewQuote,
        gives=Plan,
        checkout=True,
    ),
    Endpoint(
        "POST",
        "/v1/routing/refuse",
        OPERATOR,
        _refuse,
        "A location will not send an order: send it from elsewhere",
        takes=NewRefusal,
        gives=Done,
    ),
    Endpoint(
        "POST",
        "/v1/routing/allow",
        OPERATOR,
        _allow,
        "Forget every refusal of an order",
        takes=NewAllowance,
        gives=Done,
    ),
    Endpoint(
        "POST",
        "/v1/routing/dry-run",
        OPERATOR,
        _refusing(_dry_run),
        "Play past orders through the rules, beside what was done",
        takes=NewDryRun,
        gives=DryRun,
    ),
)
