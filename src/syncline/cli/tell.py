"""Answers of the service as a person reads them on a terminal; ``--json`` has all that they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from syncline.engine.words import duration, key_text, operation_title, percent, plural, utc

# What a terminal obeys: control signs but line breaks and tabs, signs that turn the direction of writing, and halves of signs.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
ROUTES = (
    "route",
    "state",
    "age",
    "tolerance",
    "worst case",
    "event lost",
    "kept",
    "waiting",
    "late",
    "parked",
)
LANES = ("system", "state", "of its limit", "calls", "waiting", "last error")


def plain(text: str) -> str:
    """A text that a terminal shows and does not obey: vendors, partners and buyers choose parts of what is told."""
    return _OBEYED.sub(lambda sign: ascii(sign[0])[1:-1], text)


def status(found: dict[str, Any]) -> Iterator[str]:
    """The verdict, what else is wrong, and a line for each route and system."""
    yield f"{found['verdict']}: {found['reason']}"
    if found["mend"]:
        yield f"  {found['mend']}"
    for problem in found["problems"][1:]:  # the first is the verdict
        yield f"{problem['severity']}: {problem['text']}"
        yield f"  {problem['mend']}"
    yield ""
    yield from table(ROUTES, [_route(one) for one in found["routes"]])
    yield ""
    yield from table(LANES, [_lane(one) for one in found["lanes"]])
    for end in found["endings"]:
        yield f"the {end['what']} of {end['system']} {end['when']}: {utc(end['at_ms'])}, says {end['known_by']}"
    for group in found["parked_groups"]:
        yield (
            f"parked: {group['count']} × {operation_title(group['operation'])} of {group['system']}, {group['reason']}, "
            f"since {utc(group['oldest_at_ms'])}"
        )
    if found["parked"]:
        yield "  See `syncline parked list`."


def _route(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["name"],
        one["state"],
        "not read yet" if one["age_ms"] is None else duration(one["age_ms"]),
        duration(one["tolerance_ms"]),
        duration(one["bound_ms"]),
        duration(one["bound_if_event_lost_ms"]),
        percent(one["lags"]["kept_share"]),
        *(f"{one[name]:,}" for name in ("pending", "late", "parked")),
    )


def _lane(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["system"],
        one["state"],
        percent(one["used_share"]),
        f"{one['calls']:,}",
        f"{one['pending']:,}",
        one["last_error"] if one["failing_since_ms"] or one["down_since_ms"] else "",
    )


def explained(found: list[dict[str, Any]]) -> Iterator[str]:
    """From the ERP's figures to the number, the rule, and what each location holds."""
    for one in found:
        yield one["sentence"]
        yield f"  {one['route']}: {one['rule']}; {one['velocity']}"
        width = max((len(step["label"]) for step in one["steps"]), default=0)
        for step in one["steps"]:
            moment = utc(step["at_ms"]) if step["at_ms"] else ""
            note = ", ".join(part for part in (step["note"], moment) if part)
            yield f"  {step['label']:{width}}{step['value']:>9}  {note}".rstrip()
        for at in one["locations"]:
            held = "not known" if at["held"] is None else at["held"]
            yield f"  at {at['location']} (ERP {at['erp_location']}): holds {held}, should {at['target']}"
            for what, moment_ms in (("last_write", "last_write_at_ms"), ("last_told", "last_told_at_ms")):
                if at[what]:
                    yield f"    {at[what]}" + (f", {utc(at[moment_ms])}" if at[moment_ms] else "")
    if not found:
        yield "No route brings stock to this channel."


def parked(found: list[dict[str, Any]]) -> Iterator[str]:
    """What waits for a person: what it is, since when, and why."""
    for one in found:
        yield f"{one['id']}  {one['title']} of {one['system']}: {key_text(one['key'])}, {one['reason']}, {utc(one['parked_at_ms'])}"
        for line in (one["meaning"], one["detail"]):
            if line:
                yield f"    {line}"
    if not found:
        yield "Nothing waits for a person."


def entry(found: dict[str, Any]) -> Iterator[str]:
    """One parked entry, what may be done with it, and its text."""
    yield from parked([found])
    if found["resolved_at_ms"]:
        yield f"    {found['resolution']} by {found['resolved_by']}, {utc(found['resolved_at_ms'])}"
    else:
        may = [word for word in ("release", "edit") if found[f"can_{word}"]] + ["discard"]
        yield f"    It may be: {', '.join(may)}."
    if found["payload"]:
        yield found["payload"]


def released(found: dict[str, Any]) -> Iterator[str]:
    """What a release of many came to, kind by kind."""
    for one in found["kinds"]:
        yield (
            f"{one['title']} of {one['system']}, {one['reason']}: {one['released']:,} released, "
            f"{one['left']:,} still parked"
        )
        yield from (f"    {times:,}: {why}" for why, times in one["kept"].items())
    yield found["message"]


def shadow(found: dict[str, Any]) -> Iterator[str]:
    """The routes that write nothing, and what they would write."""
    for route in found["routes"]:
        yield f"{route['name']}: in shadow since {utc(route['since_ms'])} by {route['by']}; {route['waiting']:,} waiting"
    for one in found["differences"]:
        yield f"  {one['route']}  {one['record']}: {one['there'] or 'nothing'} -> {one['computed'] or 'nothing'}"
        for line in (one["note"], one["cause"]):
            if line:
                yield f"    {line}"
    more = found["total"] - len(found["differences"])
    if more > 0:
        yield f"  and {plural(more, 'more difference')}"
    if not found["routes"]:
        yield "No route is in shadow."
    elif not found["total"]:
        yield "Nothing would be written."


def differences(found: list[dict[str, Any]]) -> Iterator[str]:
    """What is not the same on both sides, with its cause."""
    for one in found:
        yield f"{one['state']:9}  {one['cause']}: {one['where']}: {one['detail']}"
    if not found:
        yield "Nothing differs, as far as the last proof tells."


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what stands in them."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
