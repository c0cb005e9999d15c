"""A plan on the stage of a what-if: which of its systems are played and how they are fed, and what all of its flows call.

Played are one ERP and the channels that sell its stock: those that get its numbers and give it their orders. What the other
flows of the plan call is foretold by the planner, for each design in the way in which the planner itself compares
designs (``syncline.planner.designs``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncline.model.errors import Misconfigured
from syncline.planner.calls import Work
from syncline.planner.candidates import Group
from syncline.planner.designs import ALL_BATCH, ALL_REAL_TIME, PLAN, fed_in
from syncline.planner.plan import Plan
from syncline.simulate.case import HOUR_MS, Case, Setting
from syncline.simulate.designs import DAY_MS, Fed
from syncline.simulate.play import Figures
from syncline.simulate.shape import Shape, shape_of

STOCK, ORDERS = "inventory", "orders"
ORDER_CALLS = frozenset(
    {"read orders", "read_order", "put_order", "read put_order"}
)  # all others of a play are for the numbers


@dataclass(frozen=True, slots=True)
class Staged:
    """What of a plan is played."""

    plan: Plan
    erp: str
    channels: tuple[str, ...]

    @property
    def fed(self) -> dict[str, Fed]:
        """How each channel is fed."""
        captures = self.plan.captures()
        return {
            name: Fed(captures[f"{STOCK}:{self.erp}->{name}"], captures[f"{ORDERS}:{name}->{self.erp}"])
            for name in self.channels
        }

    @property
    def shapes(self) -> dict[str, Shape]:
        """What each light system takes from the vendor that it stands for."""
        systems = self.plan.question.systems
        return {name: shape_of(systems[name].vendor) for name in (*self.channels, self.erp)}

    @property
    def split(self) -> tuple[float, ...]:
        """The share of each channel: as many as the plan says that its orders change."""
        return tuple(self._orders_per_day(name) for name in self.channels)

    @property
    def orders_per_day(self) -> float:
        """Changes of orders of all channels that are played, on a usual day."""
        return sum(self.split)

    def _orders_per_day(self, channel: str) -> float:
        return next(
            route.changes_per_day
            for route in self.plan.question.routes
            if (route.flow, route.source, route.sink) == (ORDERS, channel, self.erp)
        )


def staged(plan: Plan) -> Staged:
    """The part of a plan that is played.

    Raises:
        Misconfigured: there is no such part, or more than one, or its routes cannot be carried at all.
    """
    routes = plan.question.routes
    orders = {(route.sink, route.source) for route in routes if route.flow == ORDERS}
    pairs = [
        (route.source, route.sink)
        for route in routes
        if route.flow == STOCK and (route.source, route.sink) in orders
    ]
    if not pairs:
        raise Misconfigured(
            "--plan: played are a system and the channels that get its inventory and give it their orders; no two systems "
            "of the plan have both flows between them"
        )
    erps = list(dict.fromkeys(erp for erp, _ in pairs))
    if len(erps) > 1:
        raise Misconfigured(
            f"--plan: {erps[0]} and {erps[1]} both take orders for their stock, and one of them can be played; leave the "
            "flows of the other out"
        )
    found = Staged(plan, erps[0], tuple(channel for _, channel in pairs))
    for name in found.channels:
        for route in (f"{STOCK}:{found.erp}->{name}", f"{ORDERS}:{name}->{found.erp}"):
            one = plan.route(route)
            if one.capture is None:
                raise Misconfigured(f"--plan: {route} cannot be carried: {one.why}")
    return found


# --- what all flows call ---------------------------------------------------------------------------------------


def all_flows(on: Staged, case: Case, figures: Sequence[Figures]) -> dict[str, Any]:
    """Calls a day of each flow of a plan under each design: orders and stock as played, the others as foretold.

    A design that is neither a batch, real-time nor the plan has no figure for the others, so it is left out.
    """
    days = max(case.end_ms - case.begin_ms, HOUR_MS) / DAY_MS
    designs: dict[str, Any] = {}
    for one in figures:
        work = _foretold(on.plan, one.setting)
        if work is not None:
            designs[one.setting.design] = _design(on, one, work, days)
    real = next((one for name, one in designs.items() if name == "realtime"), None)
    for one in designs.values():
        for what in ("calls_per_day", "all_predicted_per_day"):
            one[f"{what}_of_realtime"] = round(one[what] / real[what], 4) if real and real[what] else None
    return {
        "plan": on.plan.question.title,
        "days": round(days, 3),
        "orders_per_day": {
            "played": round(len(case.placings) / days, 1),
            "planned": round(on.orders_per_day, 1),
        },
        "designs": designs,
    }


def _foretold(plan: Plan, setting: Setting) -> list[tuple[Group, Work]] | None:
    """All calls that the planner foretells for a design; ``None`` where it knows none like it."""
    design = setting.plan
    if design.plain:
        fed = fed_in(plan, ALL_REAL_TIME)
    elif design.fed:
        fed = fed_in(plan, PLAN)
    elif not design.events:
        fed = fed_in(plan, ALL_BATCH, batch_ms=design.interval_ms)
    else:
        return None
    return [(group, work) for group, one in fed for work in one.work]


def _design(on: Staged, one: Figures, work: Sequence[tuple[Group, Work]], days: float) -> dict[str, Any]:
    foretold: dict[tuple[str, bool], dict[str, float]] = {}
    for group, each in work:
        by_system = foretold.setdefault((each.flow, _is_played(on, group, each)), {})
        by_system[each.system] = by_system.get(each.system, 0.0) + each.calls_per_day
    rows = []
    total = all_predicted = 0.0
    for (flow, played), expected in sorted(foretold.items(), key=lambda pair: not pair[0][1]):
        calls = _played_calls(one.operations, flow, days) if played else expected
        count, as_predicted = sum(calls.values()), sum(expected.values())
        total += count
        all_predicted += as_predicted
        rows.append(
            {
                "flow": flow,
                "how": "played" if played else "predicted",
                "calls_per_day": round(count, 1),
                "by_system": {name: round(count, 1) for name, count in calls.items() if count},
                "predicted_per_day": round(as_predicted, 1),
            }
        )
    return {
        "calls_per_day": round(total, 1),
        "all_predicted_per_day": round(all_predicted, 1),
        "flows": rows,
    }


def _is_played(on: Staged, group: Group, work: Work) -> bool:
    """Whether calls that are foretold are also made in the play. Nobody compares both sides there once a day.

    The numbers that a channel refuses go with its orders: how these become known decides how many there are.
    """
    if work.flow == STOCK and group.flow == ORDERS:
        return work.way == "write" and group.source in on.channels
    if work.flow == STOCK and group.source == on.erp:
        return (work.way, work.system) == ("read", on.erp) or (
            work.way == "write" and work.system in on.channels
        )
    if work.flow == ORDERS and group.source in on.channels:
        return (work.way, work.system) in (("read", group.source), ("write", on.erp))
    return False


def _played_calls(operations: Mapping[str, Mapping[str, int]], flow: str, days: float) -> dict[str, float]:
    """Calls a day that a play made for its orders, or for its numbers, by system."""
    found: dict[str, float] = {}
    for system, counted in operations.items():
        for what, count in counted.items():
            kind, _, operation = what.partition(" ")
            if kind == "calls" and (operation in ORDER_CALLS) is (flow == ORDERS):
                found[system] = found.get(system, 0.0) + count / days
    return found
