"""What the figures of a what-if mean, in sentences that need no other page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.engine.words import duration, plural
from syncline.simulate.whatif import BATCH, REALTIME

UNLIKE = 1.5  # volumes that differ by more are said to
DESIGNS = {
    "daily": "everything once a day",
    "realtime": "an integration that sets whatever the ERP says on every channel, at once",
    "hybrid": "Syncline with its default tolerances: events, and reads that find what was lost",
}


def title(name: str, *, planned: bool = False) -> str:
    """What a design is; ``planned``: fed as a plan decided."""
    if planned:
        return "Syncline, each route fed as the plan decided"
    kind, _, interval = name.partition(":")
    if kind == "batch":
        return f"everything is read every {interval}, and what differs is written"
    if kind == "poll":
        return f"changes are asked for every {interval}"
    if kind == "hybrid" and interval:
        return f"Syncline with a tolerance of {interval} for all stock"
    return DESIGNS[name]


def share(part: float | None) -> str:
    """A ratio as a percentage; never rounded up to a whole."""
    if part is None:
        return "–"
    if 0.9995 <= part < 1:
        return "over 99.9 %"
    return f"{100 * part:.1f} %" if part < 10 else f"{part:,.0f} ×"


def sentences(found: Mapping[str, Any]) -> list[str]:
    """The result in words, the most important first."""
    designs: Mapping[str, Mapping[str, Any]] = found["designs"]
    said = [_oversold(name, one) for name, one in _worst_first(designs)]
    said += _beside(found)
    hidden = [(name, one) for name, one in designs.items() if one["units_hidden"]]
    said += [
        f"{name} turned buyers away from {one['units_hidden']:,} units that were there"
        + (
            f", because of its buffer ({one['buffer']})."
            if one["buffer"] != "0"
            else ", because the channel showed too few."
        )
        for name, one in hidden
    ]
    said += [_bounds(name, one) for name, one in designs.items() if one["bound_kept"] is not None]
    for name, one in designs.items():
        waited = sum(one["throttled_s"].values())
        if waited >= 1:
            limit = (
                f"the limit of {one['limit_per_s']:g} calls a second"
                if one["limit_per_s"]
                else "the vendors' limits"
            )
            said.append(f"{name}: calls waited {duration(1000 * waited)} in all for {limit}.")
        if "cost" in one:
            cost = one["cost"]
            said.append(
                f"{name} cost {cost['total']} ({cost['calls']} calls, {cost['oversold']} oversold units, "
                f"{cost['hidden']} hidden units)."
            )
        if one["parked"] or one["numbers_differ"]:
            said.append(
                f"{name} ended with {plural(one['parked'], 'piece')} of work for a person and "
                f"{plural(one['numbers_differ'], 'number')} that differed from the truth."
            )
    return said + all_flows_words(found.get("all_flows"))


def all_flows_words(found: Mapping[str, Any] | None) -> list[str]:
    """What all flows of a plan call, if there was one."""
    if found is None:
        return []
    said = []
    for name, one in found["designs"].items():
        if name == REALTIME:
            continue
        part, foretold = one["calls_per_day_of_realtime"], one["all_predicted_per_day_of_realtime"]
        beside = "" if part is None else f", {share(part)} of those of {REALTIME}"
        alone = "" if foretold is None else f" ({share(foretold)})"
        said.append(
            f"Over all flows of the plan {name} makes {one['calls_per_day']:,.0f} calls a day{beside}: orders and stock as "
            f"they were played, the others as the planner predicts them. With all of them predicted it is "
            f"{one['all_predicted_per_day']:,.0f}{alone}."
        )
    played, planned = (found["orders_per_day"][what] for what in ("played", "planned"))
    if not 1 / UNLIKE <= played / planned <= UNLIKE:
        said.append(
            f"What was played has {played:,.0f} orders a day, and the plan reckons with {planned:,.0f} changes of orders: "
            "the two are not of the same day."
        )
    return said


def _worst_first(
    designs: Mapping[str, Mapping[str, Any]],
) -> Sequence[tuple[str, Mapping[str, Any]]]:
    return sorted(designs.items(), key=lambda pair: -pair[1]["units_oversold"])


def _oversold(name: str, one: Mapping[str, Any]) -> str:
    if not one["units_oversold"]:
        return (
            f"{name} sold nothing that was not there, and {share(one['share_of_sellable'])} "
            "of what perfect knowledge would have sold."
        )
    return (
        f"{name} sold {plural(one['units_oversold'], 'unit')} that did not exist, in "
        f"{plural(one['orders_oversold'], 'order')}: so many buyers had to be disappointed."
    )


def _beside(found: Mapping[str, Any]) -> list[str]:
    said = []
    for name, beside in found["compared"].items():
        part = beside.get("oversold_of_batch")
        if name != BATCH and part is not None:
            change = f"{share(1 - part)} fewer" if part <= 1 else f"{share(part - 1)} more"
            said.append(f"{name} oversold {change} units than {BATCH}.")
        if name != REALTIME and beside.get("calls_of_realtime") is not None:
            said.append(
                f"{name} made {share(beside['calls_of_realtime'])} of the calls of {REALTIME} "
                f"({share(beside['writing_calls_of_realtime'])} of those that write) and wrote "
                f"{share(beside['writes_of_realtime'])} of its values."
            )
    return said


def _bounds(name: str, one: Mapping[str, Any]) -> str:
    flows = one["lag_ms"]
    what, where = ("stock changes", "the channels") if "inventory" in flows else ("orders", "the ERP")
    lags = flows.get("inventory", flows["orders"])
    said = f"{share(one['bound_kept'])} of all changes came within the bound that was predicted"
    if any(flow["event_lost"] for flow in flows.values()):  # a design without events has none to lose
        judged = sum(flow["changes"] - flow["apart"] for flow in flows.values())
        kept = sum(flow["kept_if_event_lost"] for flow in flows.values())
        said = (
            f"{share(one['bound_kept'])} of the changes whose event came kept the bound that was predicted, and "
            f"{share(kept / judged)} of all that of a lost event"
        )
    return (
        f"{name}: half of all {what} had reached {where} after {duration(lags['p50'])}, 99 of 100 after "
        f"{duration(lags['p99'])}, the last after {duration(lags['max'])}; {said}."
    )
