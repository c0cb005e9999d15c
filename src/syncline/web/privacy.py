"""Personal data over the API and on its page: asking for it to be erased, what is held of somebody, how far requests are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from syncline.engine.operations import NotPossible
from syncline.engine.privacy.cases import Case, CaseState
from syncline.engine.privacy.desk import ORDERS_MAX, Desk, Preview
from syncline.engine.privacy.export import Held
from syncline.engine.switches import named
from syncline.model.privacy import Ask
from syncline.web.access import Person, Role
from syncline.web.site import Endpoint, Refusal, Site

ENDED_SHOWN = 100
TOLD = {
    "asked": "Asked under your name. It is done by itself as soon as nothing of theirs is under way; this page follows it."
}
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


async def _look(site: Site, request: Request, person: Person) -> Response:
    who = await site.json(request, Somebody)
    found = await _desk(site).look(
        who.system, customer=who.customer, email=who.email, orders=who.orders, by=person.name
    )
    return answer(found)


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
    system = named(site.engine, request.query_params.get("system", ""), systems=True)
    if not site.public_url:
        raise Refusal(409, "no_address", "Nobody can reach this service.", "Set public_url in [server].")
    return answer(Address(site.access.hook_url(site.public_url, system)))


# --- the page ------------------------------------------------------------------------------------------


async def parts(site: Site) -> dict[str, Any]:
    """What the live part of the page shows: requests that are not done, the first to end first; then those that are."""
    cases = await site.looks.at(("privacy",), lambda: _desk(site).requests())
    ended = sorted(
        (case for case in cases if case.state is CaseState.DONE), key=lambda case: -case.done_at_ms
    )
    return {
        "going": sorted(
            (case for case in cases if case.state is not CaseState.DONE), key=lambda case: case.deadline_ms
        ),
        "ended": ended[:ENDED_SHOWN],
        "more": max(0, len(ended) - ENDED_SHOWN),
        "Ask": Ask,
        "CaseState": CaseState,
    }


def _somebody(form: Mapping[str, str]) -> Somebody:
    """Who a form names; orders stand in one field, apart by blanks or commas."""
    texts = {name: form.get(name, "").strip() for name in ("system", "customer", "email")}
    orders = tuple(re.split(r"[\s,;]+", form.get("orders", "").strip(" \t\r\n,;")))
    try:
        return msgspec.convert({**texts, "orders": orders if orders != ("",) else ()}, Somebody)
    except msgspec.ValidationError as error:
        why = f"An id has at most 300 characters, and {ORDERS_MAX:,} orders are taken at once."
        raise NotPossible("too_much", "This names too much.", why) from error


async def _show(
    site: Site, person: Person, *, who: Somebody | None = None, fault: str = "", told: str = ""
) -> Response:
    status = await site.snapshots.status()
    values = await parts(site)
    live = site.pages.render("part_privacy.html", person=person, status=status, **values)
    return site.render(
        "privacy.html",
        person,
        status_code=422 if fault else 200,
        status=status,
        live=live,
        systems=sorted(site.engine.systems),
        who=who or Somebody(""),
        fault=fault,
        told=told,
    )


async def _page(site: Site, request: Request, person: Person) -> Response:
    return await _show(site, person, told=TOLD.get(request.query_params.get("done", ""), ""))


async def _look_form(site: Site, request: Request, person: Person) -> Response:
    """Sent by POST, so that no address is in a history or in the log of a proxy."""
    form = await site.form(request)
    who = None
    try:
        who = _somebody(form)
        found = await _desk(site).look(
            who.system, customer=who.customer, email=who.email, orders=who.orders, by=person.name
        )
    except NotPossible as error:  # what was typed is not lost
        return await _show(site, person, who=who, fault=f"{error} {error.mend}")
    status = await site.snapshots.status()
    return site.render("privacy_look.html", person, status=status, who=who, found=found)


async def _ask_form(site: Site, request: Request, person: Person) -> Response:
    who = _somebody(await site.form(request))
    await _desk(site).erase(
        who.system, customer=who.customer, email=who.email, orders=who.orders, by=person.name
    )
    site.looks.forget()
    return RedirectResponse("/privacy?done=asked", 303)


ADMIN = Role.ADMIN
PAGES = (
    Endpoint("GET", "/privacy", ADMIN, _page, page=True),
    Endpoint("POST", "/privacy/look", ADMIN, _look_form, page=True),
    Endpoint("POST", "/privacy/ask", ADMIN, _ask_form, page=True),
)

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
        "POST",
        "/v1/privacy/look",
        ADMIN,
        _look,
        "What would be erased of a customer, by ids and counts, and for what it would wait",
        takes=Somebody,
        gives=Preview,
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
