"""A plan put into ``syncline.toml``: each route's capture, interval and tolerance, and what was foretold of it.

Only lines of these keys are changed or added; everything else, comments too, stays as it is. The result is read again
and has to say exactly what was meant, or nothing is written.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from syncline.model.change import Flow
from syncline.model.errors import Misconfigured
from syncline.planner.candidates import leading
from syncline.planner.plan import Plan, RoutePlan
from syncline.planner.question import AskedRoute
from syncline.runtime.registry import connectors

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))
_HEADER = re.compile(r"\s*\[")
_PLAN = re.compile(r"\s*\[+\s*plan\s*(\.|\])")
PART = "# What `syncline plan --write` foretold. `syncline plan --check` compares it with what is measured.\n"
HEAD = """\
# Written by `syncline plan --write`. Fill in the systems; `syncline check` says what is missing.
"""

PLAIN = (Flow.ORDERS, Flow.ORDER_STATUS)  # routes that need nothing which a plan does not know

Keys = dict[str, Any]


def span(ms: int) -> str:
    """A duration as configuration writes it."""
    size, unit = next((size, unit) for size, unit in _UNITS if ms % size == 0)
    return f"{ms // size}{unit}"


def keys_of(one: RoutePlan) -> Keys:
    """What a planned route's section says."""
    assert one.capture is not None
    capture = one.capture
    keys: Keys = {
        "tolerance": span(capture.tolerance_ms),
        "capture": "events" if capture.events else "reads",
        "poll": span(capture.poll_ms),
        "reconcile": span(capture.reconcile_ms),
    }
    if capture.segments:
        keys["segments"] = {name.value: span(ms) for name, ms in capture.segments.items()}
    return keys


def foretold_of(plan: Plan) -> dict[str, Any]:
    """What ``[plan]`` says."""
    routes = {}
    for one, asked in zip(plan.routes, plan.question.routes, strict=True):
        bounds = _leading_bounds(one, asked)
        if bounds is not None:
            routes[one.name] = {
                "worst_case": span(bounds[0]),
                "if_event_lost": span(bounds[1]),
                "changes_per_hour": round(asked.peak_per_hour),
            }
    systems = {
        name: {"calls_per_hour": round(calls)}
        for name, calls in plan.calls_peak_hour.items()
        if plan.question.systems[name].vendor.part != "broker"
    }
    return {"routes": routes, "systems": systems}


def _leading_bounds(one: RoutePlan, asked: AskedRoute) -> tuple[int, int] | None:
    if one.capture is None:
        return None
    plan = next(each for each in one.segments if each.name == leading(asked).name)
    return None if plan.normal_ms is None or plan.lost_ms is None else (plan.normal_ms, plan.lost_ms)


def planned_config(plan: Plan, before: str) -> tuple[str, list[str]]:
    """The text of a configuration with the plan in it, and what could not be put there.

    Raises:
        Misconfigured: the text is no TOML, or cannot be changed without changing something else.
    """
    text = before or _skeleton(plan)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"the configuration is not valid TOML: {error}") from error
    sections = raw.get("routes", [])
    left_out: list[str] = []
    added: list[str] = []
    wanted = {**raw, "routes": [dict(one) for one in sections]}
    for one in plan.routes:
        if one.capture is None:
            left_out.append(f"{one.name} is left out: {one.why}")
            continue
        at = next((n for n, section in enumerate(sections) if _names(section) == one.name), None)
        if at is not None:
            text = _set(text, at, keys_of(one), raw_section=sections[at])
            wanted["routes"][at] |= keys_of(one)
            continue
        why = _missing(one, raw)
        if why:
            values = ", ".join(f"{key} = {_value(value)}" for key, value in keys_of(one).items())
            left_out.append(f"{one.name} is left out: {why}. It is planned with {values}.")
            continue
        section = {"flow": one.flow, "from": one.source, "to": one.sink, **keys_of(one)}
        wanted["routes"].append(section)
        added.append("[[routes]]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in section.items()))
    wanted["plan"] = foretold_of(plan)
    text = _joined([_without_plan(text), *added, _plan_text(wanted["plan"])])
    if not wanted["routes"]:
        wanted.pop("routes")
    try:
        meant = tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        meant = False
    if not meant:
        raise Misconfigured(
            "the configuration is written in a way that cannot be changed safely (a route's keys stand in sections of "
            "their own); put `tolerance`, `capture`, `poll` and `segments` into it by hand"
        )
    return text, left_out


def difference(before: str, after: str, name: str) -> str:
    """What would be changed, as a unified difference."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), name, f"{name}, planned"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _names(section: Mapping[str, Any]) -> str:
    return f"{section.get('flow')}:{section.get('from')}->{section.get('to')}"


def _missing(one: RoutePlan, raw: Mapping[str, Any]) -> str:
    """Why a route cannot be added to a configuration; "" if it can."""
    if one.flow not in {flow.value for flow in Flow}:
        return f"Syncline does not carry {one.flow} yet"
    for name in (one.source, one.sink):
        if name not in raw.get("systems", {}):
            return f"no [systems.{name}] is configured"
    if one.flow == Flow.INVENTORY:
        return "its locations have to be named: copy a route of `syncline init`"
    if one.flow == Flow.PRICES:
        return "its price lists have to be named, see [routes.prices]"
    return "" if one.flow in PLAIN else "a route of it says more than a plan knows: write it first"


# --- text --------------------------------------------------------------------------------------------------


def _skeleton(plan: Plan) -> str:
    """The systems of a plan that have a connector, and their routes of stock, for their owner to fill in."""
    parts = [HEAD]
    known = connectors()
    samples = {}
    for name, asked in plan.question.systems.items():
        found = known.get(asked.vendor.connector)
        sample = None
        if found is not None:
            sells = any(one.sink == name and one.flow == Flow.INVENTORY for one in plan.routes)
            sample = found.sample_as("channel" if sells else "erp") or found.sample
        if found is not None and sample is not None:
            samples[name] = sample
            flows = {one.flow for one in plan.routes if name in (one.source, one.sink)}
            parts.append(f'[systems.{name}]\nconnector = "{found.name}"\n{sample.named(name, flows)}')
    for one in plan.routes:
        ends = (one.source, one.sink)
        if one.flow == Flow.INVENTORY and one.capture is not None and all(end in samples for end in ends):
            place, shelf = (samples[end].location for end in ends)
            parts.append(
                f'[[routes]]\nflow = "inventory"\nfrom = "{one.source}"\nto = "{one.sink}"\n'
                f'locations = {{ "{place}" = "{shelf}" }}   # ERP location = the channel\'s location\n'
            )
    return "\n".join(parts)


def _set(text: str, at: int, keys: Keys, *, raw_section: Mapping[str, Any]) -> str:
    """Change or add keys of the ``at``-th ``[[routes]]``."""
    lines = text.splitlines(keepends=True)
    starts = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*routes\s*\]\]", line)]
    if at >= len(starts):
        raise Misconfigured(
            "the routes of the configuration are not written as [[routes]]; change them by hand"
        )
    begin = starts[at] + 1
    end = next((n for n in range(begin, len(lines)) if _HEADER.match(lines[n])), len(lines))
    body = lines[begin:end]
    for key, value in keys.items():
        if raw_section.get(key) == value:
            continue
        new = f"{key} = {_value(value)}"
        found = [n for n, line in enumerate(body) if re.match(rf"\s*{key}\s*=", line)]
        if found:
            comment = re.search(r"\s+#[^\"'}]*$", body[found[0]].rstrip("\n"))
            body[found[0]] = f"{new}{comment.group() if comment else ''}\n"
        else:
            last = max(
                (n for n, line in enumerate(body) if line.strip() and not line.lstrip().startswith("#")),
                default=-1,
            )
            if last >= 0 and not body[last].endswith("\n"):
                body[last] += "\n"
            body.insert(last + 1, f"{new}\n")
    return "".join([*lines[:begin], *body, *lines[end:]])


def _without_plan(text: str) -> str:
    """The text without its ``[plan]`` sections."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            inside = bool(_PLAN.match(line))
        if not inside and line != PART:
            kept.append(line)
    return "".join(kept)


def _plan_text(foretold: Mapping[str, Any]) -> str:
    parts = [PART + "[plan.routes]\n"]
    parts += [f'"{name}" = {_value(values)}\n' for name, values in foretold["routes"].items()]
    parts += ["\n[plan.systems]\n"]
    parts += [f"{name} = {_value(values)}\n" for name, values in foretold["systems"].items()]
    return "".join(parts)


def _joined(parts: list[str]) -> str:
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part.strip())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)
