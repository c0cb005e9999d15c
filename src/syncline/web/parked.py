"""The pages of parked work: its kinds, the entries of one of them, and a decision about each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from syncline.engine.operations import LIST_MAX, NotPossible, Parked
from syncline.engine.releasing import RELEASE_MAX, Released, alone, release_many
from syncline.web.access import Person, Role
from syncline.web.api import whole
from syncline.web.quotes import all_shown_to, shown_to
from syncline.web.site import Endpoint, Site

SHOWN_MAX = 50
LOOKED_MAX = 5_000  # entries that are looked through for those of one kind
KIND = ("system", "operation", "reason")
TOLD = {
    "released": "Released. It goes on by itself.",
    "saved": "Saved. The original text is kept in the audit log. Release the entry to take the message in.",
    "discarded": "Discarded. It stays in the history.",
    "discarded_with": "Discarded. It stays in the history. What waited for this order is settled with it.",
    "unseen": "These units may be sold again; the numbers are being computed.",
}


def kind_of(asked: Mapping[str, str]) -> dict[str, str]:
    """The kind of entries that is asked for; empty for all of them."""
    return {name: asked[name] for name in KIND if asked.get(name)}


async def parts(site: Site, person: Person, asked: Mapping[str, str]) -> dict[str, Any]:
    """What the list is made of, as this person may see it."""
    kind, after = kind_of(asked), whole(asked.get("after", ""), 0)

    async def look() -> tuple[list[Parked], int]:
        return await _entries(site, kind, after)

    entries, behind = await site.looks.at(("parked", *kind.items(), after), look)
    entries = all_shown_to(person, entries)
    return {"entries": entries, "behind": behind, "kind": kind, "after": after, "of": urlencode(kind)}


async def _entries(site: Site, kind: Mapping[str, str], after: int) -> tuple[list[Parked], int]:
    """The next entries of a kind, oldest first, and the number behind which there may be more; 0 if there are none."""
    found: list[Parked] = []
    for _ in range(LOOKED_MAX // LIST_MAX):
        page = await site.operations.parked(after=after)
        for entry in page:
            if all(getattr(entry, name) == value for name, value in kind.items()):
                if len(found) == SHOWN_MAX:
                    return found, found[-1].id
                found.append(entry)
        if len(page) < LIST_MAX:
            return found, 0
        after = page[-1].id
    return found, after


def _decided(site: Site, request: Request, done: str) -> Response:
    """Back to the list of the kind that was looked at."""
    site.snapshots.forget()
    site.looks.forget()
    return RedirectResponse(f"/parked?{urlencode({**kind_of(request.query_params), 'done': done})}", 303)


async def _list(site: Site, request: Request, person: Person) -> Response:
    return await _listed(site, person, dict(request.query_params))


async def _listed(
    site: Site, person: Person, asked: Mapping[str, str], done: Released | None = None
) -> Response:
    """The list of a kind or of all; ``done`` is what a release of many came to."""
    from syncline.web.live import parts_of  # it draws this page's part too

    kept = {name: value for name, value in asked.items() if name in (*KIND, "after")}
    kind, status = kind_of(asked), await site.snapshots.status()
    many = [
        group
        for group in status.parked_groups
        if len(kind) == len(KIND)
        and all(getattr(group, name) == value for name, value in kind.items())
        and not alone(site.engine, group.system, group.operation, group.reason)
    ]
    return site.render(
        "parked.html",
        person,
        parts=await parts_of(site, "parked", person, asked),
        status=status,
        told=done.message if done is not None else TOLD.get(asked.get("done", ""), ""),
        of=urlencode(kept),
        many=many[0] if many and many[0].count > 1 else None,
        most=RELEASE_MAX,
    )


async def _entry(site: Site, request: Request, person: Person) -> Response:
    entry = shown_to(person, await site.operations.show(request.path_params["id"]))
    told = TOLD.get(request.query_params.get("done", ""), "")
    return await _shown(site, request, person, entry, told=told, fault="", text=entry.payload)


async def _shown(site: Site, request: Request, person: Person, entry: Parked, **values: Any) -> Response:
    of = urlencode(kind_of(request.query_params))
    status = await site.snapshots.status()
    return site.render("entry.html", person, status=status, entry=entry, of=of, **values)


async def _release(site: Site, request: Request, person: Person) -> Response:
    await site.operations.release(request.path_params["id"], by=person.name)
    return _decided(site, request, "released")


async def _release_many(site: Site, request: Request, person: Person) -> Response:
    """All of one kind that somebody has seen; then the list again, with what came of it."""
    form = await site.form(request)
    kind = kind_of(form)
    done = await release_many(
        site.operations, site.engine, by=person.name, until_ms=whole(form.get("until_ms", ""), 0), **kind
    )
    site.snapshots.forget()
    site.looks.forget()
    return await _listed(site, person, kind, done)


async def _discard(site: Site, request: Request, person: Person) -> Response:
    done = await site.operations.discard(request.path_params["id"], by=person.name)
    return _decided(site, request, "discarded_with" if done.count > 1 else "discarded")


async def _edit(site: Site, request: Request, person: Person) -> Response:
    number = request.path_params["id"]
    text = (await site.form(request)).get("payload", "")
    try:
        await site.operations.edit(number, text, by=person.name)
    except NotPossible as error:
        if error.code != "not_json":
            raise
        entry = await site.operations.show(number)  # what was typed is not lost
        return await _shown(
            site, request, person, entry, status_code=422, told="", fault=str(error), text=text
        )
    of = urlencode({**kind_of(request.query_params), "done": "saved"})
    return RedirectResponse(f"/parked/{number}?{of}", 303)


async def _unseen(site: Site, request: Request, person: Person) -> Response:
    form = await site.form(request)
    await site.operations.release_unseen(
        form.get("system", ""),
        form.get("sku", ""),
        form.get("location", ""),
        by=person.name,
    )
    return _decided(site, request, "unseen")


PAGES = (
    Endpoint("GET", "/parked", Role.VIEWER, _list, page=True),
    Endpoint("GET", "/parked/{id:int}", Role.VIEWER, _entry, page=True),
    Endpoint("POST", "/parked/release", Role.OPERATOR, _release_many, page=True),
    Endpoint("POST", "/parked/{id:int}/release", Role.OPERATOR, _release, page=True),
    Endpoint("POST", "/parked/{id:int}/edit", Role.OPERATOR, _edit, page=True),
    Endpoint("POST", "/parked/{id:int}/discard", Role.OPERATOR, _discard, page=True),
    Endpoint("POST", "/unseen/release", Role.OPERATOR, _unseen, page=True),
)
