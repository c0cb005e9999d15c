"""The live stream: once a second, the parts of a page that look different now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from syncline.web.access import Person, Role
from syncline.web.alerts import alerts_of
from syncline.web.privacy import parts as privacy_parts
from syncline.web.proofs import parts as proof_parts
from syncline.web.records import record_parts
from syncline.web.site import Refusal, Site

WATCHERS_MAX = 64
ALERTS_MAX = 5  # more than that nobody reads in five seconds; the rest is a page away
EVERY_S = 1.0
LIFE_S = 900.0  # then the browser connects anew, and rights are checked again
QUIET_S = 15.0  # proxies close what is silent for longer


async def parts_of(
    site: Site, page: str, person: Person, asked: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The live parts of a page as HTML, by name; the same templates that the page itself is made of.

    ``asked`` is what the page was asked for, where that is more than its name.
    """
    status = await site.snapshots.status()
    open_count = len(site.watch.book.open())
    parts = {
        "parked-count": str(status.parked) if status.parked else "",
        "alerts-count": str(open_count) if open_count else "",
    }
    values: Mapping[str, Any] = {"status": status}

    def part(name: str, template: str, **more: Any) -> None:
        parts[name] = site.pages.render(f"part_{template}.html", person=person, **values, **more)

    if page == "overview":
        part("verdict", "verdict")
        part("alerts", "alerts", alerts=alerts_of(site), most=ALERTS_MAX)
        lags = await site.snapshots.lags()
        for index, route in enumerate(status.routes):
            part(f"route-{index}", "route", route=route)
            declared = {mode.mode for mode in route.modes if mode.subject == route.name}
            part(f"switch-{index}", "switch", route=route, index=index, own=declared.__contains__)
            part(f"strip-{index}", "strip", route=route, rows=lags.get(route.name, []))
        part("lanes", "lanes")
        part("systems", "systems")
        part("recovered", "recovered", history=await site.snapshots.recovered())
    elif page == "alerts":
        part("alert-cards", "alert_cards", alerts=alerts_of(site))
    elif page == "system":
        part("reads", "reads")
        part("webhooks", "webhooks")
        part("store", "store")
    elif page == "holds":
        part("holds", "holds")
    elif page == "reconcile":
        part("proofs", "proofs", **await proof_parts(site))
    elif page == "privacy" and person.may(Role.ADMIN):
        part("privacy", "privacy", **await privacy_parts(site))
    elif page == "parked":
        part("parked", "parked", entries=await site.operations.parked())
    elif page.startswith("records"):
        parts |= await record_parts(site, page, person, asked or {})
    return parts


async def events(site: Site, request: Request, person: Person) -> Response:
    """Stream changed parts until the browser goes, the server stops, or the connection is old."""
    if site.watching >= WATCHERS_MAX or site.closing.is_set():
        raise Refusal(503, "too_many_watchers", "Too many screens watch at once.", retry_after_s=30)
    page = request.query_params.get("page", "")
    return StreamingResponse(
        _stream(site, page, person, dict(request.query_params)),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(site: Site, page: str, person: Person, asked: Mapping[str, str]) -> AsyncIterator[bytes]:
    site.watching += 1
    clock = site.clock
    began = said = clock.monotonic()
    shown: dict[str, str] = {}
    try:
        yield b"retry: 2000\n\n"
        while not site.closing.is_set() and clock.monotonic() - began < LIFE_S:
            parts = await parts_of(site, page, person, asked)
            changed = {name: html for name, html in parts.items() if shown.get(name) != html}
            if changed:
                shown = parts
                yield b"event: parts\ndata: " + msgspec.json.encode(changed) + b"\n\n"
                said = clock.monotonic()
            elif clock.monotonic() - said > QUIET_S:
                yield b": still here\n\n"
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
