"""The pages of prices, products, companies and credit: what needs a look, all of them, and one with its whole life."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from syncline.engine.credit import CreditRefused
from syncline.engine.operations import NotPossible
from syncline.engine.price_query import Asked, PriceAnswer, PriceRefused
from syncline.engine.reconcile.differences import MEANINGS, Cause
from syncline.engine.records.again import again
from syncline.engine.records.checkout import asked_for
from syncline.engine.records.kinds import KINDS, Records, routes_of, sources_of
from syncline.engine.records.life import life, part_title
from syncline.engine.records.listing import LOOK_MAX, TROUBLES_MAX, Line, Listed, page, troubles
from syncline.engine.records.prices import list_title
from syncline.engine.records.standing import Word, tone
from syncline.engine.records.views import View, view
from syncline.engine.status import RouteStatus, Status
from syncline.model.copying import replace
from syncline.web.access import Person, Role
from syncline.web.quotes import all_shown_to, shown_to
from syncline.web.site import Endpoint, Refusal, Site

KEY_MAX = 300
ASKED_MAX = 100
_ROW = re.compile(r"[0-9]{1,18}")
QUANTITY_MAX = Decimal(1_000_000)
AMOUNT_MAX = Decimal(1_000_000_000)
SHOWN_TROUBLES = 100
TOLD = {
    "released": "Released. Exactly what stood here is written, and the rest goes on by itself.",
    "discarded": "Discarded. It is not written, and stays in the history under your name.",
    "again": "It is being compared with its source again; only a difference is sent.",
}
LEADS = {
    "prices": "What each channel charges for a SKU, which list of the source made it so, and what was held back.",
    "products": "What each channel shows of a product, who owns each field of it, and what somebody else changed there.",
    "companies": "The customers that the source keeps, what each channel holds of them, and what somebody else changed there.",
    "credit": "How much each account may still buy for, what a checkout would be told now, and how old the figures are.",
}


# --- what is asked for ---------------------------------------------------------------------------------


def _records(name: str) -> Records:
    found = KINDS.get(name)
    if found is None:
        raise NotPossible("not_found", "There is no such page.", "Choose one under Records.")
    return found


def _text(asked: Mapping[str, str], name: str, most: int = KEY_MAX) -> str:
    return asked.get(name, "").strip()[:most]


def _system(site: Site, records: Records, asked: Mapping[str, str]) -> str:
    """The source that is meant: the first, unless another is named."""
    known = sources_of(site.engine, records)
    system = _text(asked, "system")
    return system if system in known else (known[0] if known else "")


def link(name: str, system: str, key: str, **more: str) -> str:
    """The page of one record."""
    return f"/records/{name}/one?{urlencode({'system': system, 'key': key, **more})}"


async def _listed(site: Site, records: Records, system: str, text: str, after: str) -> Listed:
    """A page of a list; computed once for everybody who looks at it."""
    return await site.looks.at(
        ("list", records.name, system, text, after), lambda: page(site.engine, records, system, text, after)
    )


async def _troubles(site: Site, records: Records) -> list[Line]:
    return await site.looks.at(("troubles", records.name), lambda: troubles(site.engine, records))


async def _view(site: Site, records: Records, system: str, key: str) -> View | None:
    return await site.looks.at(
        ("one", records.name, system, key), lambda: view(site.engine, records.name, system, key)
    )


# --- live parts ----------------------------------------------------------------------------------------


def _by_name(status: Status) -> dict[str, RouteStatus]:
    return {route.name: route for route in status.routes}


def _differing(status: Status) -> dict[str, int]:
    """By flow, how many differences the last proofs found that are not there by themselves."""
    found: dict[str, int] = {}
    for one in status.proofs:
        drift = sum(times for cause, times in one.open.items() if MEANINGS[Cause(cause)].drift)
        found[one.flow] = found.get(one.flow, 0) + drift
    return found


def _common(site: Site, status: Status) -> dict[str, Any]:
    return {
        "status": status,
        "kinds": {name: one for name, one in KINDS.items() if routes_of(site.engine, one)},
        "routes": _by_name(status),
        "differing": _differing(status),
        "link": link,
        "tone": tone,
        "Word": Word,
        "part_title": part_title,
        "list_title": list_title,
    }


async def record_parts(site: Site, page: str, person: Person, asked: Mapping[str, str]) -> dict[str, str]:
    """The live parts of the hub, of a list, or of one record."""
    status = await site.snapshots.status()
    values = _common(site, status)
    found: dict[str, str] = {}

    def part(name: str, template: str, **more: Any) -> None:
        found[name] = site.pages.render(f"part_{template}.html", person=person, **values, **more)

    if page == "records":
        part("records-hub", "records_hub", leads=LEADS)
        return found
    records = KINDS.get(asked.get("name", ""))
    if records is None:
        return found
    system = _system(site, records, asked)
    if page == "records-list":
        lines = all_shown_to(person, await _troubles(site, records))
        part(
            "records-troubles", "records_troubles", records=records, lines=lines[:SHOWN_TROUBLES],
            more=len(lines) - SHOWN_TROUBLES, most=TROUBLES_MAX,
        )  # fmt: skip
        text, after = _text(asked, "q", ASKED_MAX), _text(asked, "after")
        listed = await _listed(site, records, system, text, after)
        listed = replace(listed, lines=tuple(all_shown_to(person, listed.lines)))
        part(
            "records-all", "records_all", records=records, listed=listed, system=system, text=text, after=after,
            look_max=LOOK_MAX,
        )  # fmt: skip
    elif page == "records-one":
        one = await _view(site, records, system, _text(asked, "key"))
        if one is not None:
            one = shown_to(person, one)
            part("record-state", "record_state", view=one)
            part("record-actions", "record_actions", view=one)
            part("record", f"record_{records.name}", view=one)
    return found


# --- pages ---------------------------------------------------------------------------------------------


async def _parts(site: Site, page: str, person: Person, asked: Mapping[str, str]) -> dict[str, str]:
    open_count = len(site.watch.book.open())
    parts = await record_parts(site, page, person, asked)
    return parts | {"alerts-count": str(open_count) if open_count else ""}


async def _hub(site: Site, request: Request, person: Person) -> Response:
    status = await site.snapshots.status()
    parts = await _parts(site, "records", person, {})
    return site.render("records.html", person, parts=parts, **_common(site, status))


async def _list(site: Site, request: Request, person: Person) -> Response:
    records = _records(request.path_params["name"])
    asked = {**request.query_params, "name": records.name}
    system = _system(site, records, asked)
    of = {"name": records.name, "system": system}
    of |= {name: text for name in ("q", "after") if (text := _text(asked, name))}
    return site.render(
        "records_list.html",
        person,
        parts=await _parts(site, "records-list", person, asked),
        records=records,
        lead=LEADS[records.name],
        system=system,
        systems=sources_of(site.engine, records),
        text=_text(asked, "q", ASKED_MAX),
        of=urlencode(of),
        **_common(site, await site.snapshots.status()),
    )


async def _one(site: Site, request: Request, person: Person) -> Response:
    records = _records(request.path_params["name"])
    asked = {**request.query_params, "name": records.name}
    system, key = _system(site, records, asked), _text(asked, "key")
    found = await _view(site, records, system, key)
    if found is None:
        raise NotPossible(
            "not_found",
            f"Nobody knows of the {records.noun} {key!r}.",
            "It is found by its exact key; look for it in the list.",
        )
    moments = await site.looks.at(
        ("life", records.name, system, key), lambda: life(site.engine, records, found)
    )
    seen = shown_to(person, found)
    return site.render(
        "record.html",
        person,
        parts=await _parts(site, "records-one", person, asked),
        records=records,
        view=seen,
        moments=all_shown_to(person, moments),
        asked=asked,
        question=await _question(site, records, found, asked),
        told=TOLD.get(asked.get("done", ""), ""),
        of=urlencode({"name": records.name, "system": system, "key": key}),
        **_common(site, await site.snapshots.status()),
    )


# --- questions that a page answers at once -------------------------------------------------------------


def _number(asked: Mapping[str, str], name: str, most: Decimal) -> Decimal | None:
    """A number above nothing that somebody typed; ``None``: it is none."""
    try:
        value = Decimal(asked.get(name, "").strip()[:40])
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 < value <= most else None


async def _question(
    site: Site, records: Records, found: View, asked: Mapping[str, str]
) -> dict[str, Any] | None:
    """What a buyer pays, or whether an order would be approved; ``None`` where nothing is asked."""
    channel = _text(asked, "channel")
    if not channel:
        return None
    if records.name == "prices":
        quantity = _number(asked, "quantity", QUANTITY_MAX)
        if quantity is None:
            return {"fault": f"The quantity has to be a number above 0, and {QUANTITY_MAX:,} at most."}
        try:
            lines = [Asked(found.key, quantity)]
            (answer,) = await site.engine.price_query.ask(channel, lines, customer=_text(asked, "customer"))
        except PriceRefused as error:
            return {"fault": f"{error} {error.mend}"}
        return {"price": answer, "says": _priced(answer)}
    if records.name == "credit":
        amount = _number(asked, "amount", AMOUNT_MAX)
        if amount is None:
            return {"fault": f"The amount has to be a number above 0, and {AMOUNT_MAX:,} at most."}
        try:
            credit = await site.engine.credit.look(channel, found.key, amount=amount)
        except CreditRefused as error:
            return {"fault": f"{error} {error.mend}"}
        word, says = asked_for(credit)
        return {"word": word, "says": says}
    return None


WITHOUT = {
    "unknown_sku": "The source does not sell it.",
    "no_price": "No list has a price of it for this buyer.",
    "old": "The last known price is older than the route lets be told.",
    "not_live": "The source did not answer in time, and the route tells no older price.",
}


def _priced(answer: PriceAnswer) -> str:
    """The answer in a sentence."""
    if answer.price is None:
        return WITHOUT.get(answer.reason, answer.reason)
    unit = f"{answer.price:f} {answer.currency}"
    return f"{unit} for one, {answer.price * answer.quantity:f} {answer.currency} for {answer.quantity:f}."


# --- actions -------------------------------------------------------------------------------------------


async def _act(site: Site, request: Request, person: Person) -> Response:
    records, action = _records(request.path_params["name"]), request.path_params["action"]
    form = await site.form(request)
    system, key = _text(form, "system"), _text(form, "key")
    number = form.get("id", "")
    if action == "again":
        await again(site.engine, site.operations.audit, records.name, system, key, by=person.name)
    elif action in ("release", "discard") and _ROW.fullmatch(number):
        act = site.operations.release if action == "release" else site.operations.discard
        await act(int(number), by=person.name)
    else:
        raise Refusal(400, "bad_request", "This form names nothing to do.", "Reload the page and try again.")
    site.snapshots.forget()
    site.looks.forget()
    done = {"release": "released", "discard": "discarded", "again": "again"}[action]
    return RedirectResponse(link(records.name, system, key, done=done), 303)


VIEWER, OPERATOR = Role.VIEWER, Role.OPERATOR

PAGES = (
    Endpoint("GET", "/records", VIEWER, _hub, page=True),
    Endpoint("GET", "/records/{name}", VIEWER, _list, page=True),
    Endpoint("GET", "/records/{name}/one", VIEWER, _one, page=True),
    Endpoint("POST", "/records/{name}/{action}", OPERATOR, _act, page=True),
)
