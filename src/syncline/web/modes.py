"""Pausing and shadow over the API: who may, what they name, what they are told."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.modes import Mode
from syncline.engine.operations import Done
from syncline.engine.shadow import ShadowReport, shadow_report
from syncline.model.copying import replace
from syncline.web.access import Person, Role
from syncline.web.quotes import all_shown_to
from syncline.web.site import Endpoint, Refusal, Site, answer

Short = Annotated[str, msgspec.Meta(max_length=300)]


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to pause, a system or a route, and why."""

    subject: Short
    reason: Short = ""


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to resume: a system or a route."""

    subject: Short


class IntoShadow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which route only compares from now on, and why."""

    route: Short
    reason: Short = ""


class GoLive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which route writes again."""

    route: Short


async def act(site: Site, action: str, subject: str, reason: str, person: Person) -> Done:
    """Carry out one of the four switches.

    Raises:
        Refusal: there is no such action.
        NotPossible: it is so already, or nothing is called that.
    """
    by = person.name
    if action == "pause":
        done = await site.switches.pause(subject, reason=reason, by=by)
    elif action == "resume":
        done = await site.switches.resume(subject, by=by)
    elif action == "shadow":
        done = await site.switches.shadow([subject], reason=reason, by=by)
    elif action == "live":
        done = await site.switches.live(subject, by=by)
    else:
        raise Refusal(404, "not_found", "There is no such switch.")
    site.snapshots.forget()
    return done


async def report(site: Site, request: Request, person: Person) -> ShadowReport:
    """What a page or a program asked of the differences, as this person may see them.

    Raises:
        Refusal: they are asked for in an order that there is not.
    """
    order = request.query_params.get("order", "") or "newest"
    if order not in ("newest", "largest"):
        raise Refusal(400, "bad_request", "The order is newest or largest.")
    route = request.query_params.get("route", "").strip()
    found = await shadow_report(site.engine, route=route, largest=order == "largest")
    return replace(found, differences=tuple(all_shown_to(person, found.differences)))


async def _modes(site: Site, request: Request, person: Person) -> Response:
    return answer([mode for mode in site.engine.modes.all if mode.until_ms is None])


async def _pause(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, Pause)
    return answer(await act(site, "pause", asked.subject, asked.reason, person))


async def _resume(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, Resume)
    return answer(await act(site, "resume", asked.subject, "", person))


async def _into_shadow(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, IntoShadow)
    return answer(await act(site, "shadow", asked.route, asked.reason, person))


async def _live(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, GoLive)
    return answer(await act(site, "live", asked.route, "", person))


async def _shadow(site: Site, request: Request, person: Person) -> Response:
    return answer(await report(site, request, person))


ENDPOINTS = (
    Endpoint("GET", "/v1/modes", Role.VIEWER, _modes, "What is paused or in shadow", gives=list[Mode]),
    Endpoint(
        "POST",
        "/v1/pause",
        Role.OPERATOR,
        _pause,
        "Send nothing more to a system or of a route",
        takes=Pause,
        gives=Done,
    ),
    Endpoint("POST", "/v1/resume", Role.OPERATOR, _resume, "End a pause", takes=Resume, gives=Done),
    Endpoint(
        "GET",
        "/v1/shadow",
        Role.VIEWER,
        _shadow,
        "What routes in shadow would write, newest or largest first",
        gives=ShadowReport,
        query=("route", "order"),
    ),
    Endpoint(
        "POST",
        "/v1/shadow",
        Role.OPERATOR,
        _into_shadow,
        "Let a route only compare",
        takes=IntoShadow,
        gives=Done,
    ),
    Endpoint("POST", "/v1/live", Role.OPERATOR, _live, "Let a route write", takes=GoLive, gives=Done),
)
