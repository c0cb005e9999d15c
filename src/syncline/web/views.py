"""The pages: overview, holds, shadow, search, system, login."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from syncline.engine.held import LIST_MAX, open_holds
from syncline.engine.inquiry import Explanation, Life, explain, search
from syncline.engine.records.finding import find
from syncline.engine.records.kinds import KINDS
from syncline.web import parked, privacy, proofs, records
from syncline.web.access import SESSION_MS, Person, Role
from syncline.web.alerts import KEY_MAX, alerts_of
from syncline.web.api import Replay, replay
from syncline.web.live import events, opened, parts_of, urgent_first
from syncline.web.modes import act, report
from syncline.web.quotes import all_shown_to
from syncline.web.site import NOBODY, Endpoint, Refusal, Site

LOGIN_BYTES_MAX = 4_096
TOLD = {
    "hold": "These units may be sold again; the numbers are being computed.",
    "hold_over": "This hold had ended already; nothing was given back.",
    "alert": "Noted. It is not repeated until it gets worse, or ends and comes back.",
    "pause": "Paused. Reading goes on; nothing more is sent, and what waits is kept.",
    "resume": "Resumed. What waits goes out as it is now, in order of deadline.",
    "shadow": "In shadow. What would be written is compared and listed; nothing is written.",
    "live": "Live. What differs goes out in order of deadline; what is right already is left alone.",
    "replayed": "It is being compared with the truth again; only a difference is sent.",
}


async def _overview(site: Site, request: Request, person: Person) -> Response:
    status = await site.snapshots.status()
    asked = dict(request.query_params)
    return site.render(
        "overview.html",
        person,
        status=status,
        parts=await parts_of(site, "overview", person, asked),
        routes=urgent_first(status.routes),
        open=opened(asked, status.routes),
        told=TOLD.get(asked.get("done", ""), ""),
    )


async def _alerts(site: Site, request: Request, person: Person) -> Response:
    parts = await parts_of(site, "alerts", person)
    told = TOLD.get(request.query_params.get("done", ""), "")
    status = await site.snapshots.status()
    return site.render("alerts.html", person, status=status, alerts=alerts_of(site), parts=parts, told=told)


async def _look_after(site: Site, request: Request, person: Person) -> Response:
    key = (await site.form(request)).get("key", "")[:KEY_MAX]
    await site.watch.acknowledge(key, by=person.name, audit=site.operations.audit)
    return RedirectResponse("/alerts?done=alert", 303)


async def _holds(site: Site, request: Request, person: Person) -> Response:
    asked = {name: request.query_params.get(name, "").strip() for name in ("channel", "sku")}
    parts = await parts_of(site, "holds", person)
    found = await open_holds(site.engine, **asked)
    found.sort(key=lambda hold: (hold.channel, hold.sku, hold.expires_at_ms, hold.reference, hold.line))
    return site.render(
        "holds.html",
        person,
        status=await site.snapshots.status(),
        parts=parts,
        asked=asked,
        holds=found,
        most=LIST_MAX,
        told=TOLD.get(request.query_params.get("done", ""), ""),
    )


async def _release_hold(site: Site, request: Request, person: Person) -> Response:
    done = await site.operations.release_hold((await site.form(request)).get("reference", ""), by=person.name)
    site.snapshots.forget()
    return RedirectResponse(f"/holds?done={'hold' if done.count else 'hold_over'}", 303)


async def _shadow(site: Site, request: Request, person: Person) -> Response:
    return site.render(
        "shadow.html",
        person,
        status=await site.snapshots.status(),
        report=await report(site, request, person),
        asked=request.query_params.get("route", "").strip(),
        order=request.query_params.get("order", "") or "newest",
        told=TOLD.get(request.query_params.get("done", ""), ""),
    )


async def _switch(site: Site, request: Request, person: Person) -> Response:
    form = await site.form(request)
    action = request.path_params["action"]
    await act(site, action, form.get("subject", ""), form.get("reason", ""), person)
    page = "/shadow" if form.get("page") == "shadow" else "/"
    return RedirectResponse(f"{page}?done={action}", 303)


async def _search(site: Site, request: Request, person: Person) -> Response:
    query = request.query_params.get("q", "").strip()
    lives: list[Life] = all_shown_to(person, await search(site.engine, query)) if query else []
    named = await find(site.engine, query, names=not lives) if query else {}
    found = {name: all_shown_to(person, lines) for name, lines in named.items()}
    explained: list[Explanation] = []
    for life in lives:
        for channel in life.channels:
            explained += await explain(site.engine, life.key, channel)
    return site.render(
        "search.html",
        person,
        status=await site.snapshots.status(),
        query=query,
        lives=lives,
        explained=explained,
        found=found,
        kinds=KINDS,
        link=records.link,
        told=TOLD.get(request.query_params.get("done", ""), ""),
    )


async def _replay(site: Site, request: Request, person: Person) -> Response:
    form = await site.form(request)
    asked = Replay(sku=form.get("sku", ""), order=form.get("order", ""))
    await replay(site, asked, person)
    return RedirectResponse(f"/search?q={quote(asked.sku or asked.order, safe='')}&done=replayed", 303)


async def _system(site: Site, request: Request, person: Person) -> Response:
    status = await site.snapshots.status()
    parts = await parts_of(site, "system", person)
    check = await site.operations.audit.verify() if request.query_params.get("verify") else None
    return site.render(
        "system.html",
        person,
        status=status,
        parts=parts,
        check=check,
        entries=await site.operations.audit.newest(limit=50),
        people=await site.access.people() if person.may(Role.ADMIN) else [],
    )


# --- login ---------------------------------------------------------------------------------------------


def _is_foreign(request: Request) -> bool:
    """Whether another site led here: it could log somebody in as somebody else."""
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


async def _login(site: Site, request: Request, person: Person) -> Response:
    token = request.query_params.get("token", "")
    if token and _is_foreign(request):
        fault = "Another site led here, so its link was not followed. Paste your token, or open the link by itself."
        return site.render("login.html", NOBODY, status_code=403, fault=fault)
    if token:
        return await _exchange(site, request, token)
    return site.render("login.html", person, fault="")


async def _login_form(site: Site, request: Request, person: Person) -> Response:
    if _is_foreign(request):
        raise Refusal(403, "foreign_origin", "This was sent by another site.", "Use the login page itself.")
    form = await site.form(request, LOGIN_BYTES_MAX)  # anybody may send one
    return await _exchange(site, request, form.get("token", "").strip())


async def _exchange(site: Site, request: Request, token: str) -> Response:
    person = await site.access.by_token(token)
    if person is None:
        site.wrong(request)
        fault = "This token is not known. It may have been replaced by a newer one."
        return site.render("login.html", NOBODY, status_code=401, fault=fault)
    if not person.may(Role.VIEWER):
        fault = "This token is for a shop's checkout: it asks over the API and opens no page."
        return site.render("login.html", NOBODY, status_code=403, fault=fault)
    response = RedirectResponse("/", 303)
    response.set_cookie(
        site.cookie(request),
        await site.access.log_in(person, token),
        max_age=SESSION_MS // 1000,
        httponly=True,
        samesite="strict",
        secure=site.is_secure(request),
        path="/",
    )
    return response


async def _logout(site: Site, request: Request, person: Person) -> Response:
    await site.access.log_out(person)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(
        site.cookie(request), path="/", httponly=True, samesite="strict", secure=site.is_secure(request)
    )
    return response


ENDPOINTS = (
    Endpoint("GET", "/", Role.VIEWER, _overview, page=True),
    Endpoint("GET", "/alerts", Role.VIEWER, _alerts, page=True),
    Endpoint("POST", "/alerts/ack", Role.OPERATOR, _look_after, page=True),
    Endpoint("GET", "/holds", Role.VIEWER, _holds, page=True),
    Endpoint("POST", "/holds/release", Role.OPERATOR, _release_hold, page=True),
    Endpoint("GET", "/shadow", Role.VIEWER, _shadow, page=True),
    Endpoint("POST", "/switch/{action}", Role.OPERATOR, _switch, page=True),
    *parked.PAGES,
    *proofs.PAGES,
    *privacy.PAGES,
    *records.PAGES,
    Endpoint("GET", "/search", Role.VIEWER, _search, page=True),
    Endpoint("POST", "/replay", Role.OPERATOR, _replay, page=True),
    Endpoint("GET", "/system", Role.VIEWER, _system, page=True),
    Endpoint("GET", "/events", Role.VIEWER, events),
    Endpoint("GET", "/login", None, _login, page=True),
    Endpoint("POST", "/login", None, _login_form, page=True),
    Endpoint("POST", "/logout", Role.VIEWER, _logout, page=True, checkout=True),
)
