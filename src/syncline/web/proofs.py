"""Proofs over the API and on their page: where each route stands, what differs and why, what waits for a decision."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from syncline.engine.operations import Done, NotPossible
from syncline.engine.reconcile.decisions import decide
from syncline.engine.reconcile.differences import Cause
from syncline.engine.reconcile.history import (
    LIST_MAX,
    DifferenceView,
    ProofView,
    RouteProof,
    differences,
    proof,
    route_proofs,
    trend,
)
from syncline.engine.switches import named
from syncline.engine.words import sentence
from syncline.model.errors import Misconfigured
from syncline.web.access import Person, Role
from syncline.web.quotes import all_shown_to
from syncline.web.site import Endpoint, Refusal, Site, answer

Short = Annotated[str, msgspec.Meta(max_length=300)]
STATES = ("named", "repairing", "waiting", "declined")
TOLD = {
    "begun": "The proof has begun. This page follows it.",
    "approved": "Approved under your name. The next proof shows what became of it.",
    "declined": "Left as it is under your name, until it goes by itself.",
}


class NewProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to prove now: a flow, or a route by its name; without either everything."""

    flow: Short = ""
    route: Short = ""
    dry_run: bool = False


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What waits on a route: one difference by its key, those of one cause, or all of them."""

    route: Short
    approve: bool
    key: Short = ""
    cause: Short = ""


def _route(site: Site, request: Request) -> str:
    return named(site.engine, request.query_params.get("route", ""), routes=True)


async def begin(site: Site, asked: NewProof, person: Person) -> list[ProofView]:
    """Have something proved.

    Raises:
        Refusal: nothing of that kind can be.
    """
    try:
        begun = await site.engine.reconciler.ask(
            flow=asked.flow, route=asked.route, dry_run=asked.dry_run, by=person.name
        )
    except Misconfigured as error:
        reconciler = site.engine.reconciler
        able = any(not reconciler.impossible(route) for route in reconciler.routes())
        mend = "Leave flow and route out to prove all that can be." if able else ""
        raise Refusal(422, "not_reconciled", sentence(str(error)), mend) from error
    subject = asked.route or asked.flow or "everything"
    await site.operations.audit.write(
        actor=person.name, action="reconcile", subject=subject, after="dry run" if asked.dry_run else ""
    )
    site.snapshots.forget()
    return [view for one in begun if (view := await proof(site.engine, one.id)) is not None]


async def _stand(site: Site, request: Request, person: Person) -> Response:
    return answer(await route_proofs(site.engine))


async def _begin(site: Site, request: Request, person: Person) -> Response:
    return answer(await begin(site, await site.json(request, NewProof), person))


async def _proof(site: Site, request: Request, person: Person) -> Response:
    found = await proof(site.engine, request.path_params["id"])
    if found is None:
        raise NotPossible("not_found", "There is no such proof.", "See /v1/reconcile for those there are.")
    return answer(found)


async def _trend(site: Site, request: Request, person: Person) -> Response:
    return answer(await trend(site.engine, _route(site, request)))


async def _differences(site: Site, request: Request, person: Person) -> Response:
    state, cause = (request.query_params.get(name, "") for name in ("state", "cause"))
    for asked, known in ((state, STATES), (cause, list(Cause))):
        if asked and asked not in known:
            there = ", ".join(known)
            raise Refusal(400, "bad_request", f"Nothing is called {asked!r} here.", f"There are {there}.")
    found = await differences(site.engine, route=_route(site, request), state=state, cause=cause)
    return answer(all_shown_to(person, found))


async def _decide(site: Site, request: Request, person: Person) -> Response:
    return answer(await _decided(site, await site.json(request, Decision), person))


async def _decided(site: Site, asked: Decision, person: Person) -> Done:
    done = await decide(
        site.engine,
        site.operations,
        route=asked.route,
        key=asked.key,
        cause=asked.cause,
        approve=asked.approve,
        by=person.name,
    )
    site.snapshots.forget()
    return done


# --- the page ------------------------------------------------------------------------------------------


async def parts(site: Site) -> dict[str, Any]:
    """What the live part of the page shows: each route, and its proofs in the last quarter."""
    routes = await route_proofs(site.engine)
    return {
        "routes": routes,
        "trends": {route.route: await trend(site.engine, route.route) for route in routes},
    }


async def _page(site: Site, request: Request, person: Person) -> Response:
    values = await parts(site)
    name = request.query_params.get("route", "")
    if name not in {route.route for route in values["routes"]}:
        worst = max(values["routes"], key=lambda one: (one.waiting, sum(one.open.values())), default=None)
        name = worst.route if worst is not None else ""
    asked = {key: request.query_params.get(key, "") for key in ("state", "cause")}
    status = await site.snapshots.status()
    live = site.pages.render("part_proofs.html", person=person, status=status, **values)
    return site.render(
        "reconcile.html",
        person,
        status=status,
        live=live,
        routes=values["routes"],
        chosen=name,
        asked=asked,
        found=all_shown_to(
            person, await differences(site.engine, route=name, state=asked["state"], cause=asked["cause"])
        )
        if name
        else [],
        most=LIST_MAX,
        settings=site.engine.reconciler.settings,
        told=TOLD.get(request.query_params.get("done", ""), ""),
    )


def _back(done: str, route: str) -> Response:
    return RedirectResponse(f"/reconcile?{urlencode({'done': done, 'route': route})}", 303)


async def _begin_form(site: Site, request: Request, person: Person) -> Response:
    form = await site.form(request)
    name = form.get("route", "")
    await begin(site, NewProof(route=name, dry_run=form.get("dry_run", "") == "yes"), person)
    return _back("begun", name)


async def _decide_form(site: Site, request: Request, person: Person) -> Response:
    form = await site.form(request)
    approve = form.get("approve", "") == "yes"
    asked = Decision(form.get("route", ""), approve, form.get("key", ""), form.get("cause", ""))
    await _decided(site, asked, person)
    return _back("approved" if approve else "declined", asked.route)


VIEWER, OPERATOR = Role.VIEWER, Role.OPERATOR

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/reconcile",
        VIEWER,
        _stand,
        "Where each route stands: its last whole proof, and what differs",
        gives=tuple[RouteProof, ...],
    ),
    Endpoint(
        "POST",
        "/v1/reconcile",
        OPERATOR,
        _begin,
        "Read both sides again now, and repair within limits",
        takes=NewProof,
        gives=list[ProofView],
    ),
    Endpoint(
        "GET", "/v1/reconcile/proofs/{id}", VIEWER, _proof, "One proof and how far it is", gives=ProofView
    ),
    Endpoint(
        "GET",
        "/v1/reconcile/trend",
        VIEWER,
        _trend,
        "The whole proofs of a route in a quarter, newest first",
        gives=list[ProofView],
        query=("route",),
    ),
    Endpoint(
        "GET",
        "/v1/reconcile/differences",
        VIEWER,
        _differences,
        "What is not the same on both sides of a route, with its cause",
        gives=list[DifferenceView],
        query=("route", "state", "cause"),
    ),
    Endpoint(
        "POST",
        "/v1/reconcile/decide",
        OPERATOR,
        _decide,
        "Approve or decline repairs that wait",
        takes=Decision,
        gives=Done,
    ),
)
PAGES = (
    Endpoint("GET", "/reconcile", VIEWER, _page, page=True),
    Endpoint("POST", "/reconcile/begin", OPERATOR, _begin_form, page=True),
    Endpoint("POST", "/reconcile/decide", OPERATOR, _decide_form, page=True),
)
