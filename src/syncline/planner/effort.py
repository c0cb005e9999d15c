"""How many days of work each flow is, from what was said of it. The rates are assumptions and are listed as such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from syncline.planner.question import AskedRoute, Drivers, EffortRates, Question

TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Effort:
    """Days of one piece of work, what they are made of, and their share of all."""

    name: str
    days: Decimal
    parts: tuple[tuple[str, Decimal], ...]
    share: float = 0.0


def efforts(question: Question) -> list[Effort]:
    """Each route and each system, in the order in which they were asked for."""
    rates = question.effort
    found = [_of_route(route, rates) for route in question.routes]
    for system in question.systems.values():
        parts = [("set up and credentials", rates.per_system)]
        if not system.vendor.connector and system.vendor.part != "broker":
            parts.append(("write a connector", rates.missing_connector))
        found.append(_effort(system.name, parts))
    total = sum((one.days for one in found), Decimal(0))
    return [Effort(one.name, one.days, one.parts, float(one.days / total) if total else 0.0) for one in found]


def _of_route(route: AskedRoute, rates: EffortRates) -> Effort:
    drivers: Drivers = route.drivers
    parts = [("the flow itself", rates.per_flow)]
    if drivers.mapping_fields:
        parts.append((f"{drivers.mapping_fields} fields to map", rates.per_field * drivers.mapping_fields))
    if drivers.custom_fields:
        parts.append(
            (f"{drivers.custom_fields} custom fields", rates.per_custom_field * drivers.custom_fields)
        )
    if drivers.both_ways:
        one_way = sum((days for _, days in parts), Decimal(0))
        parts.append(("the way back", one_way * rates.second_way))
    if drivers.gate:
        parts.append(("a gate that is asked while somebody waits", rates.gate))
    built = sum((days for _, days in parts), Decimal(0))
    parts.append(("tests and acceptance", built * rates.tests_share))
    return _effort(route.name, parts)


def _effort(name: str, parts: Sequence[tuple[str, Decimal]]) -> Effort:
    rounded = tuple((what, days.quantize(TENTH)) for what, days in parts)
    return Effort(name, sum((days for _, days in rounded), Decimal(0)), rounded)


def assumptions(rates: EffortRates) -> list[str]:
    """What the days rest on."""
    return [
        (
            f"A flow takes {rates.per_flow} days before anything is mapped, a field {rates.per_field}, "
            f"a custom field {rates.per_custom_field}."
        ),
        f"The second way of a flow takes {rates.second_way:.0%} of the first.",
        f"A gate that is asked while a buyer waits takes {rates.gate} days more.",
        f"Tests and acceptance take {rates.tests_share:.0%} of what is built.",
        f"Days of a system: {rates.per_system}, and {rates.missing_connector} more where Syncline has no connector for it.",
    ]
