"""Alerts on the screen and in the API: what is open, what has ended, how the ways out are doing."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.alerts.messages import Message, message_of
from syncline.engine.alerts.watch import WayStatus
from syncline.web.access import Person, Role
from syncline.web.site import Endpoint, Site, answer

KEY_MAX = 200


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alert somebody looks after."""

    key: Annotated[str, msgspec.Meta(max_length=KEY_MAX)]


class Alerts(msgspec.Struct, frozen=True):
    """Open alerts, critical first; those that ended in the last week, newest first; the ways out."""

    open: list[Message]
    closed: list[Message]
    ways: list[WayStatus]


def alerts_of(site: Site) -> Alerts:
    """All of them as they are now."""
    watch = site.watch
    return Alerts(
        open=[message_of(entry) for entry in watch.book.open()],
        closed=[message_of(entry) for entry in watch.book.closed()],
        ways=watch.ways(),
    )


async def _list(site: Site, request: Request, person: Person) -> Response:
    return answer(alerts_of(site))


async def _acknowledge(site: Site, request: Request, person: Person) -> Response:
    asked = await site.json(request, Acknowledge)
    entry = await site.watch.acknowledge(asked.key, by=person.name, audit=site.operations.audit)
    return answer(message_of(entry))


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/alerts", Role.VIEWER, _list, "Open alerts, ended ones, and the ways out", gives=Alerts
    ),
    Endpoint(
        "POST",
        "/v1/alerts/ack",
        Role.OPERATOR,
        _acknowledge,
        "Look after an alert: it is not repeated until it gets worse or comes back",
        takes=Acknowledge,
        gives=Message,
    ),
)
