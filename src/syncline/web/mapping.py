"""The mapping over the API: what it is, what another one would change, and its versions."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.mappings import NOTE_MAX, ORDERS_MAX, MappingTrial, Version
from syncline.engine.words import sentence
from syncline.mapping.expressions import MappingError
from syncline.mapping.tables import TEXT_BYTES_MAX
from syncline.web.access import Person, Role
from syncline.web.site import Endpoint, Refusal, Site, answer

Tables = Annotated[str, msgspec.Meta(max_length=TEXT_BYTES_MAX)]


class NewTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Field tables in TOML, and how many of each channel's newest orders to try them on."""

    text: Tables
    limit: Annotated[int, msgspec.Meta(ge=1, le=ORDERS_MAX)] = 100


class NewMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Field tables in TOML, and why, for whoever looks later."""

    text: Tables
    note: Annotated[str, msgspec.Meta(max_length=NOTE_MAX)] = ""


async def _try(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, NewTrial)
    try:
        return answer(await site.engine.mappings.trial(asked.text, limit=asked.limit))
    except MappingError as error:
        raise _wrong(error) from error


async def _apply(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, NewMapping)
    try:
        made = await site.engine.mappings.apply(
            asked.text, note=asked.note, by=person.name, audit=site.operations.audit
        )
    except MappingError as error:
        raise _wrong(error) from error
    return answer(made)


async def _rollback(site: Site, request: Request, person: Person) -> Response:
    try:
        return answer(await site.engine.mappings.rollback(by=person.name, audit=site.operations.audit))
    except MappingError as error:
        raise Refusal(409, "no_rollback", sentence(str(error)), "See the history.") from error


async def _history(site: Site, request: Request, person: Person) -> Response:
    return answer(await site.engine.mappings.history())


def _wrong(error: MappingError) -> Refusal:
    said = sentence(str(error))  # the mend follows it on the command line
    return Refusal(422, "bad_mapping", said, "Nothing was changed. See docs/howto/map-fields.md.")


VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/mapping/try",
        OPERATOR,
        _try,
        "What another mapping would write into the newest orders, beside the one in force",
        takes=NewTrial,
        gives=MappingTrial,
    ),
    Endpoint(
        "POST", "/v1/mapping/apply", ADMIN, _apply, "Put a mapping in force", takes=NewMapping, gives=Version
    ),
    Endpoint(
        "POST",
        "/v1/mapping/rollback",
        ADMIN,
        _rollback,
        "Bring back the mapping from before the one in force",
        gives=Version,
    ),
    Endpoint(
        "GET",
        "/v1/mapping",
        VIEWER,
        _history,
        "Versions of the mapping, the one in force first",
        gives=list[Version],
    ),
)
