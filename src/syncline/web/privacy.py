"""Personal data over the API: asking for it to be erased, what is held of somebody, and how far requests are."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.privacy.cases import Case
from syncline.engine.privacy.desk import ORDERS_MAX, Desk
from syncline.engine.privacy.export import Held
from syncline.web.access import Person, Role
from syncline.web.site import Endpoint, Refusal, Site

Short = Annotated[str, msgspec.Meta(max_length=300)]


class Somebody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer, by the system's own id, an e-mail address, the ids of orders, or several of these."""

    system: Short
    customer: Short = ""
    email: Short = ""
    orders: Annotated[tuple[Short, ...], msgspec.Meta(max_length=ORDERS_MAX)] = ()


class Answering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request to be told what is held, by its id."""

    request: Short


class Address(msgspec.Struct, frozen=True):
    """Where a system sends its requests; whoever knows it still needs the signature."""

    address: str


def answer(value: object) -> Response:
    """A value as JSON that nothing on the way keeps."""
    return Response(
        msgspec.json.encode(value), media_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _desk(site: Site) -> Desk:
    return Desk(site.engine, site.operations.audit)


async def _erase(site: Site, request: Request, person: Person) -> Response:
    who = await site.json(request, Somebody)
    done = await _desk(site).erase(
        who.system, customer=who.customer, email=who.email, orders=who.orders, by=person.name
    )
    return answer(done)


async def _requests(site: Site, request: Request, person: Person) -> Response:
    return answer(await _desk(site).requests())


async def _export(site: Site, request: Request, person: Person) -> Response:
    who = await site.json(request, Somebody)
    held = await _desk(site).export(
        who.system, customer=who.customer, email=who.email, orders=who.orders, by=person.name
    )
    return answer(held)


async def _answer(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, Answering)
    return answer(await _desk(site).answer(asked.request, by=person.name))


async def _address(site: Site, request: Request, person: Person) -> Response:
    system = request.query_params.get("system", "")
    if system not in site.engine.systems:
        raise Refusal(404, "not_found", f"No system is called {system!r}.", "See /v1/lanes for the names.")
    if not site.public_url:
        raise Refusal(409, "no_address", "Nobody can reach this service.", "Set public_url in [server].")
    return answer(Address(site.access.hook_url(site.public_url, system)))


ADMIN = Role.ADMIN

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/privacy/erase",
        ADMIN,
        _erase,
        "Erase who a customer is, as soon as nothing of theirs is under way",
        takes=Somebody,
        gives=Case,
    ),
    Endpoint(
        "GET",
        "/v1/privacy/requests",
        ADMIN,
        _requests,
        "Requests about personal data, with their deadlines and what they wait for",
        gives=list[Case],
    ),
    Endpoint(
        "POST",
        "/v1/privacy/export",
        ADMIN,
        _export,
        "Everything that is held of a customer",
        takes=Somebody,
        gives=Held,
    ),
    Endpoint(
        "POST",
        "/v1/privacy/answer",
        ADMIN,
        _answer,
        "The same for a request that a system made, which counts as answered then",
        takes=Answering,
        gives=Held,
    ),
    Endpoint(
        "GET",
        "/v1/privacy/address",
        ADMIN,
        _address,
        "The address that a shop's app is configured with for requests about personal data",
        gives=Address,
        query=("system",),
    ),
)
