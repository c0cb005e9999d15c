"""The JSON API below ``/v1``: what the screen shows and does, for programs."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.audit import AuditCheck, AuditEntry
from syncline.engine.inquiry import Explanation, Life, explain, search
from syncline.engine.operations import Done, NotPossible, Parked
from syncline.engine.releasing import Released, release_many
from syncline.engine.status import LaneStatus, RouteStatus, Status
from syncline.engine.survey import RecoveredAt
from syncline.engine.switches import named
from syncline.model.errors import Misconfigured
from syncline.web import (
    alerts,
    checkout,
    credit,
    gates,
    mapping,
    modes,
    plan,
    prices,
    privacy,
    proofs,
    routing,
)
from syncline.web.access import Person, Role
from syncline.web.quotes import all_shown_to, shown_to
from syncline.web.site import Endpoint, ErrorBody, Refusal, Site, answer

Short = Annotated[str, msgspec.Meta(max_length=300)]
NUMBER_MAX = 2**62
DIGITS_MAX = 19  # reading more costs more than their number is worth


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The corrected text of a message."""

    payload: str


class ReleaseMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which parked work to let go on: of an operation, for a reason, or both; what was parked until a moment (``until_ms``, UTC)."""

    operation: Short = ""
    reason: Short = ""
    system: Short = ""
    until_ms: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] | None = None


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to compute again: exactly one of the three."""

    sku: Short = ""
    order: Short = ""
    route: Short = ""


class UnseenPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where units are kept back."""

    system: Short
    sku: Short
    location: Short


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person and what they may do."""

    name: Annotated[str, msgspec.Meta(max_length=64)]
    role: str


class Account(msgspec.Struct, frozen=True):
    """A person as listed."""

    name: str
    role: str
    created_at_ms: int


class AccountToken(msgspec.Struct, frozen=True):
    """The token of an account that was made or renewed. It is shown here once and kept nowhere."""

    name: str
    role: str
    token: str


class OldAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose account to renew or to delete."""

    name: Short


def whole(text: str, otherwise: int) -> int:
    """A number from an address, or what is meant without one.

    Raises:
        Refusal: it is no number.
    """
    if not text:
        return otherwise
    if not text.isascii() or not text.isdecimal() or len(text) > DIGITS_MAX or int(text) > NUMBER_MAX:
        raise Refusal(400, "bad_request", "This is no number.")
    return int(text)


async def replay(site: Site, asked: Replay, person: Person) -> Done:
    """Carry a replay out.

    Raises:
        Refusal: none or several things were named.
        NotPossible: it cannot be done.
    """
    if sum(bool(text) for text in (asked.sku, asked.order, asked.route)) != 1:
        raise Refusal(400, "bad_request", "Name a SKU, an order or a route.", "Exactly one of the three.")
    if asked.sku:
        done = await site.operations.replay_sku(asked.sku, by=person.name)
    elif asked.order:
        done = await site.operations.replay_order(asked.order, by=person.name)
    else:
        people = sum(role >= Role.OPERATOR for _, role, _ in await site.access.people())
        route = named(site.engine, asked.route, routes=True)
        done = await site.operations.replay_route(route, by=person.name, people=people)
    site.snapshots.forget()
    return done


async def _status(site: Site, request: Request, person: Person) -> Response:
    return answer(await site.snapshots.status())


async def _routes(site: Site, request: Request, person: Person) -> Response:
    return answer((await site.snapshots.status()).routes)


async def _lanes(site: Site, request: Request, person: Person) -> Response:
    return answer((await site.snapshots.status()).lanes)


async def _parked(site: Site, request: Request, person: Person) -> Response:
    entries = await site.operations.parked(after=whole(request.query_params.get("after", ""), 0))
    return answer(all_shown_to(person, entries))


async def _show(site: Site, request: Request, person: Person) -> Response:
    return answer(shown_to(person, await site.operations.show(request.path_params["id"])))


async def _release(site: Site, request: Request, person: Person) -> Response:
    done = await site.operations.release(request.path_params["id"], by=person.name)
    site.snapshots.forget()
    return answer(done)


async def _release_many(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, ReleaseMany)
    done = await release_many(
        site.operations,
        site.engine,
        by=person.name,
        system=asked.system,
        operation=asked.operation,
        reason=asked.reason,
        until_ms=asked.until_ms,
    )
    site.snapshots.forget()
    site.looks.forget()
    return answer(done)


async def _edit(site: Site, request: Request, person: Person) -> Response:
    edit = await site.json(request, Edit)
    return answer(await site.operations.edit(request.path_params["id"], edit.payload, by=person.name))


async def _discard(site: Site, request: Request, person: Person) -> Response:
    done = await site.operations.discard(request.path_params["id"], by=person.name)
    site.snapshots.forget()
    return answer(done)


async def _replay(site: Site, request: Request, person: Person) -> Response:
    return answer(await replay(site, await site.json(request, Replay), person))


async def _unseen(site: Site, request: Request, person: Person) -> Response:
    at = await site.json(request, UnseenPlace)
    done = await site.operations.release_unseen(at.system, at.sku, at.location, by=person.name)
    site.snapshots.forget()
    return answer(done)


async def _explain(site: Site, request: Request, person: Person) -> Response:
    sku, channel = request.query_params.get("sku", ""), request.query_params.get("channel", "")
    if not sku:
        raise Refusal(400, "bad_request", "Name a SKU.")
    return answer(await explain(site.engine, sku, named(site.engine, channel, systems=True)))


async def _recovered(site: Site, request: Request, person: Person) -> Response:
    since_ms = whole(request.query_params.get("since_ms", ""), 0)
    return answer(await site.engine.survey.history(request.query_params.get("route", ""), since_ms))


async def _search(site: Site, request: Request, person: Person) -> Response:
    return answer(all_shown_to(person, await search(site.engine, request.query_params.get("q", ""))))


async def _audit(site: Site, request: Request, person: Person) -> Response:
    before = whole(request.query_params.get("before", ""), NUMBER_MAX)
    limit = min(500, whole(request.query_params.get("limit", ""), 100))
    return answer(await site.operations.audit.newest(before=before, limit=limit))


async def _verify(site: Site, request: Request, person: Person) -> Response:
    return answer(await site.operations.audit.verify())


async def _accounts(site: Site, request: Request, person: Person) -> Response:
    return answer([Account(name, role.name.lower(), at) for name, role, at in await site.access.people()])


async def _account_add(site: Site, request: Request, person: Person) -> Response:
    new = await site.json(request, NewAccount)
    roles = {role.name.lower(): role for role in Role if role is not Role.NOBODY}
    if new.role not in roles:
        raise Refusal(
            422, "unknown_role", f"There is no role {new.role!r}.", f"Choose one of {', '.join(roles)}."
        )
    try:
        token = await site.access.add(new.name, roles[new.role], by=person.name)
    except Misconfigured as error:
        raise Refusal(422, "bad_name", str(error)) from error
    return answer(AccountToken(new.name, new.role, token))


async def _account_renew(site: Site, request: Request, person: Person) -> Response:
    old = await site.json(request, OldAccount)
    role, token = await site.access.renew(old.name, by=person.name)
    return answer(AccountToken(old.name, role.name.lower(), token))


async def _account_drop(site: Site, request: Request, person: Person) -> Response:
    old = await site.json(request, OldAccount)
    if old.name == person.name:
        raise Refusal(409, "own_account", "You cannot delete your own account.", "Let another admin do it.")
    if not await site.access.drop(old.name, by=person.name):
        raise NotPossible("not_found", f"There is no account {old.name!r}.")
    return answer(Done(f"The account {old.name} is deleted.", 1))


async def _openapi(site: Site, request: Request, person: Person) -> Response:
    return answer(openapi(site.version))


VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN

ENDPOINTS = (
    Endpoint("GET", "/v1/status", VIEWER, _status, "Everything at one moment, with a verdict", gives=Status),
    Endpoint("GET", "/v1/routes", VIEWER, _routes, "Routes", gives=tuple[RouteStatus, ...]),
    Endpoint("GET", "/v1/lanes", VIEWER, _lanes, "Lanes", gives=tuple[LaneStatus, ...]),
    Endpoint(
        "GET", "/v1/parked", VIEWER, _parked, "Work that needs a person", gives=list[Parked], query=("after",)
    ),
    Endpoint("GET", "/v1/parked/{id:int}", VIEWER, _show, "One parked entry", gives=Parked),
    Endpoint("POST", "/v1/parked/{id:int}/release", OPERATOR, _release, "Let it go on", gives=Done),
    Endpoint(
        "POST",
        "/v1/parked/release",
        OPERATOR,
        _release_many,
        "Let all of one kind or reason go on, at most 200 a call; says what came of each kind",
        takes=ReleaseMany,
        gives=Released,
    ),
    Endpoint(
        "POST", "/v1/parked/{id:int}/edit", OPERATOR, _edit, "Correct a message", takes=Edit, gives=Done
    ),
    Endpoint("POST", "/v1/parked/{id:int}/discard", OPERATOR, _discard, "Decide against it", gives=Done),
    Endpoint(
        "POST", "/v1/replay", OPERATOR, _replay, "Compute again from the truth", takes=Replay, gives=Done
    ),
    Endpoint(
        "POST",
        "/v1/unseen/release",
        OPERATOR,
        _unseen,
        "Sell units that fell without an order after all",
        takes=UnseenPlace,
        gives=Done,
    ),
    Endpoint(
        "GET",
        "/v1/explain",
        VIEWER,
        _explain,
        "Why a number is what it is",
        gives=list[Explanation],
        query=("sku", "channel"),
    ),
    Endpoint(
        "GET",
        "/v1/recovered",
        VIEWER,
        _recovered,
        "What auto buffers of a route give back, hour by hour for a quarter; by the route's name",
        gives=list[RecoveredAt],
        query=("route", "since_ms"),
    ),
    Endpoint(
        "GET", "/v1/search", VIEWER, _search, "The life of an order or a SKU", gives=list[Life], query=("q",)
    ),
    Endpoint(
        "GET",
        "/v1/audit",
        ADMIN,
        _audit,
        "Who did what, newest first",
        gives=list[AuditEntry],
        query=("before", "limit"),
    ),
    Endpoint("GET", "/v1/audit/verify", VIEWER, _verify, "Whether the audit log is whole", gives=AuditCheck),
    Endpoint("GET", "/v1/accounts", ADMIN, _accounts, "Who may log in", gives=list[Account]),
    Endpoint(
        "POST",
        "/v1/accounts",
        ADMIN,
        _account_add,
        "Add a person; 409 for a name that is taken",
        takes=NewAccount,
        gives=AccountToken,
    ),
    Endpoint(
        "POST",
        "/v1/accounts/renew",
        ADMIN,
        _account_renew,
        "Give an account a new token; the one it had and its sessions end at once",
        takes=OldAccount,
        gives=AccountToken,
    ),
    Endpoint(
        "POST", "/v1/accounts/delete", ADMIN, _account_drop, "Delete an account", takes=OldAccount, gives=Done
    ),
    *alerts.ENDPOINTS,
    *plan.ENDPOINTS,
    *checkout.ENDPOINTS,
    *credit.ENDPOINTS,
    *gates.ENDPOINTS,
    *modes.ENDPOINTS,
    *prices.ENDPOINTS,
    *proofs.ENDPOINTS,
    *routing.ENDPOINTS,
    *mapping.ENDPOINTS,
    *privacy.ENDPOINTS,
    Endpoint("GET", "/v1/openapi.json", VIEWER, _openapi, "This description", checkout=True),
)


def openapi(version: str) -> dict[str, Any]:
    """The API as OpenAPI 3.1, from the types that it really takes and gives."""
    types = [e.gives for e in ENDPOINTS if e.gives] + [e.takes for e in ENDPOINTS if e.takes] + [ErrorBody]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    of = {str(type_): schema for type_, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        error = {"description": "Refused", "content": {"application/json": {"schema": of[str(ErrorBody)]}}}
        good: dict[str, Any] = {"description": "Done"}
        if endpoint.gives:
            good["content"] = {"application/json": {"schema": of[str(endpoint.gives)]}}
        entry: dict[str, Any] = {
            "summary": endpoint.summary,
            "description": f"Needs the role {endpoint.needs or 'nobody'}.",
            "responses": {"200": good, "default": error},
            "parameters": [
                {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
                for name in endpoint.query
            ],
        }
        path = endpoint.path.replace(":int", "")
        entry["parameters"] += [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "integer" if whole_ else "string"},
            }
            for name, whole_ in re.findall(r"{(\w+)(:int)?}", endpoint.path)
        ]
        if endpoint.takes:
            entry["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": of[str(endpoint.takes)]}},
            }
        paths.setdefault(path, {})[endpoint.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": "Syncline", "version": version},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
