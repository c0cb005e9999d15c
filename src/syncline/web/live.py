"""The live stream: once a second, the parts of a page that look different now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from syncline.engine.releasing import title_of
from syncline.engine.status import RouteStatus, Status
from syncline.web.access import Person, Role
from syncline.web.alerts import alerts_of
from syncline.web.parked import parts as parked_parts
from syncline.web.privacy import parts as privacy_parts
from syncline.web.proofs import parts as proof_parts
from syncline.web.records import record_parts
from syncline.web.site import NOBODY, Refusal, Site

WATCHERS_MAX = 64
ALERTS_MAX = 5  # more than that nobody reads in five seconds; the rest is a page away
OPEN_MAX = 6  # cards of routes that are open unless somebody asks for others
URGENCY = ("late", "attention", "starting", "paused", "shadow", "ok")
EVERY_S = 1.0
LIFE_S = 900.0  # then the browser connects anew: no connection is for ever
QUIET_S = 15.0  # proxies close what is silent for longer


async def parts_of(
    site: Site, page: str, person: Person, asked: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The live parts of a page as HTML, by name; the same templates that the page itself is made of.

    ``asked`` is what the page was asked for, where that is more than its name.
    """
    status = await site.snapshots.status()
    drawn = site.snapshots.parts
    open_count = len(site.watch.book.open())
    parts = {
        "parked-count": str(status.parked) if status.parked else "",
        "alerts-count": str(open_count) if open_count else "",
    }
    values: Mapping[str, Any] = {"status": status}

    def part(name: str, template: str, **more: Any) -> None:
        parts[name] = site.pages.render(f"part_{template}.html", person=person, **values, **more)

    def same(name: str, template: str, **more: Any) -> None:
        """A part that looks the same to everybody: drawn once for each status."""
        if name not in drawn:
            drawn[name] = site.pages.render(f"part_{template}.html", person=NOBODY, **values, **more)
        parts[name] = drawn[name]

    if page == "overview":
        same("verdict", "verdict", place=partial(place, status))
        part("alerts", "alerts", alerts=alerts_of(site), most=ALERTS_MAX)
        for index, route in enumerate(status.routes):
            same(f"head-{index}", "head", route=route)
        for index in opened(asked or {}, status.routes):
            route = status.routes[index]
            same(f"route-{index}", "route", route=route)
            declared = {mode.mode for mode in route.modes if mode.subject == route.name}
            part(f"switch-{index}", "switch", route=route, index=index, own=declared.__contains__)
            parts[f"strip-{index}"] = await site.snapshots.strip(route)
        same("lanes", "lanes")
        part("systems", "systems")
        part("recovered", "recovered", history=await site.snapshots.recovered())
    elif page == "alerts":
        part("alert-cards", "alert_cards", alerts=alerts_of(site))
    elif page == "system":
        part("reads", "reads")
        part("webhooks", "webhooks")
        part("credentials", "credentials", within_ms=site.watch.expires_within_ms)
        part("store", "store")
    elif page == "holds":
        part("holds", "holds")
    elif page == "reconcile":
        part("proofs", "proofs", **await proof_parts(site))
    elif page == "privacy" and person.may(Role.ADMIN):
        part("privacy", "privacy", **await privacy_parts(site))
    elif page == "parked":
        part("parked", "parked", title_of=title_of, **await parked_parts(site, person, asked or {}))
    elif page.startswith("records"):
        parts |= await record_parts(site, page, person, asked or {})
    return parts


def place(status: Status, where: str) -> str:
    """Where on the pages a problem can be looked at."""
    for index, route in enumerate(status.routes):
        if route.name == where:
            return f"#route-{index}"
    if any(lane.system == where for lane in status.lanes):
        return f"#lane-{where}"
    return f"/{where}" if where in ("parked", "reconcile") else "/system"


def opened(asked: Mapping[str, str], routes: Sequence[RouteStatus]) -> list[int]:
    """Which routes' cards are open: those named, or all of a few, else the most urgent of those in trouble."""
    named = asked.get("open", "all" if len(routes) <= OPEN_MAX else None)
    if named is None:
        troubled = [index for index, route in urgent_first(routes) if route.state in ("late", "attention")]
        return sorted(troubled[:OPEN_MAX])
    numbers = named.split(",")
    return [index for index in range(len(routes)) if named == "all" or str(index) in numbers]


def urgent_first(routes: Sequence[RouteStatus]) -> list[tuple[int, RouteStatus]]:
    """Routes with their numbers, those that are late first."""
    return sorted(enumerate(routes), key=lambda each: URGENCY.index(each[1].state))


async def events(site: Site, request: Request, person: Person) -> Response:
    """Stream changed parts until the browser goes, the server stops, or the connection is old.

    Before each look it is asked whether the person may still see it: a stream of somebody who has logged out, was
    removed, or has another role now ends there.
    """
    if site.watching >= WATCHERS_MAX or site.closing.is_set():
        raise Refusal(503, "too_many_watchers", "Too many screens watch at once.", retry_after_s=30)
    page = request.query_params.get("page", "")
    return StreamingResponse(
        _stream(site, page, person, request),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(site: Site, page: str, person: Person, request: Request) -> AsyncIterator[bytes]:
    site.watching += 1
    clock, asked = site.clock, dict(request.query_params)
    began = said = clock.monotonic()
    shown: dict[str, str] = {}
    try:
        yield b"retry: 2000\n\n"
        while not site.closing.is_set() and clock.monotonic() - began < LIFE_S:
            if await site.known(request) != person:
                return
            parts = await parts_of(site, page, person, asked)
            changed = {name: html for name, html in parts.items() if shown.get(name) != html}
            if changed:
                shown = parts
                yield b"event: parts\ndata: " + msgspec.json.encode(changed) + b"\n\n"
                said = clock.monotonic()
            elif clock.monotonic() - said > QUIET_S:
                yield b"event: here\ndata:\n\n"  # a comment would not reach the page, which tells silence from calm
                said = clock.monotonic()
            await _rest(site)
    finally:
        site.watching -= 1


async def _rest(site: Site) -> None:
    """Wait for the next moment, or for the server to stop."""
    closing = asyncio.ensure_future(site.closing.wait())
    sleeping = asyncio.ensure_future(site.clock.sleep(EVERY_S))
    try:
        await asyncio.wait((closing, sleeping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        closing.cancel()
        sleeping.cancel()
