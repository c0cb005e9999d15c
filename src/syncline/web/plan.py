"""The running service beside its plan, in the API."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline.engine.alerts.planned import Compared, compare, unplanned
from syncline.web.access import Person, Role
from syncline.web.site import Endpoint, Site, answer


class PlanCompared(msgspec.Struct, frozen=True):
    """Every figure of the plan with what is measured, and where plan and configuration name different things."""

    compared: list[Compared]
    notes: list[str]


async def _plan(site: Site, request: Request, person: Person) -> Response:
    status, planned = await site.snapshots.status(), site.watch.planned
    if planned is None:
        found = PlanCompared([], ["No [plan] is configured; `syncline plan --write` puts one there."])
    else:
        found = PlanCompared(compare(planned, status, site.watch.rates), unplanned(planned, status))
    return answer(found)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/plan",
        Role.VIEWER,
        _plan,
        "The plan's figures beside what is measured",
        gives=PlanCompared,
    ),
)
