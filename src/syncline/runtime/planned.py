"""``[plan]``: what was foretold of the routes and systems of this configuration; written by ``syncline plan --write``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from syncline.engine.alerts.planned import Planned, PlannedRoute

Count = Annotated[int, msgspec.Meta(ge=0)]


class PlannedRouteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[plan.routes.NAME]``: the two worst cases of a route, and its changes in the busiest hour."""

    worst_case: str
    if_event_lost: str
    changes_per_hour: Count


class PlannedSystemConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[plan.systems.NAME]``: the calls of a system in the busiest hour."""

    calls_per_hour: Count


class PlannedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[plan]``: the figures that the running service is compared with."""

    routes: dict[str, PlannedRouteConfig] = {}
    systems: dict[str, PlannedSystemConfig] = {}

    def planned(self, duration_ms: Callable[[str, str], int]) -> Planned:
        """The same for the engine.

        Raises:
            Misconfigured: a duration is none.
        """
        return Planned(
            {
                name: PlannedRoute(
                    duration_ms(one.worst_case, f"plan.routes.{name}.worst_case"),
                    duration_ms(one.if_event_lost, f"plan.routes.{name}.if_event_lost"),
                    one.changes_per_hour,
                )
                for name, one in self.routes.items()
            },
            {name: one.calls_per_hour for name, one in self.systems.items()},
        )
