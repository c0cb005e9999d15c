"""The scoping document in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from syncline.engine.words import duration
from syncline.planner.document import Document

LABELS = {"1h": "1 hour", "4h": "4 hours", "24h": "1 day"}


def markdown(doc: Document) -> str:
    """The whole document."""
    return "\n".join(_lines(doc)).rstrip() + "\n"


def money(value: Any, currency: str) -> str:
    """An amount in its currency; a dash where no figure was given."""
    return "–" if value is None else f"{value:,.2f} {currency}"


def count(value: float) -> str:
    """A count with thousands."""
    return f"{value:,.0f}" if value >= 10 else f"{value:,.1f}".removesuffix(".0")


def verdict(doc: Document) -> str:
    """Whether everything is kept, in a sentence."""
    missed = sum(not one["kept"] for one in doc["routes"])
    over = sum(not one["kept"] for one in doc["limits"])
    if not missed and not over:
        return (
            "Every tolerance is kept within every limit, with the fewest calls that do."
            if doc["proven"]
            else "Every tolerance is kept within every limit."
        )
    words = []
    if missed:
        words.append(f"{missed} of {len(doc['routes'])} routes cannot keep what was asked for")
    if over:
        words.append(f"{over} of {len(doc['limits'])} limits would be exceeded")
    return f"{' and '.join(words)}; the nearest that can is named with each."


def _cell(value: str) -> str:
    return re.sub(r"\s+", " ", value.replace("\\", "\\\\").replace("|", "\\|")).strip()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(_cell(one) for one in row) + " |"
    yield ""


def _lines(doc: Document) -> Iterator[str]:
    yield f"# {_cell(doc['title'])}"
    yield ""
    yield verdict(doc)
    yield ""
    yield from _tolerances(doc)
    yield from _patterns(doc)
    yield from _architecture(doc)
    yield from _cost(doc)
    yield from _effort(doc)


def _tolerances(doc: Document) -> Iterator[str]:
    currency = doc["currency"]
    yield "## 1 What each flow has to keep, and what lateness costs"
    yield ""
    yield "The costs are those of one standstill of that length, from the figures that were given."
    yield ""
    yield from _table(
        ["flow", "from → to", "part", "tolerance", "changes a day", *LABELS.values(), "who is hurt"],
        [
            [
                route["title"],
                f"{route['from']} → {route['to']}",
                part["name"],
                duration(part["tolerance_ms"]),
                count(part["changes_per_day"]),
                *(money(part["standstill"][label], currency) for label in LABELS),
                route["consequence"],
            ]
            for route in doc["routes"]
            for part in route["segments"]
        ],
    )


def _patterns(doc: Document) -> Iterator[str]:
    yield "## 2 The pattern of each flow"
    yield ""
    yield from _table(
        ["flow", "from → to", "part", "pattern", "worst case", "if an event is lost", "kept"],
        [
            [
                route["title"],
                f"{route['from']} → {route['to']}",
                part["name"],
                route["capture"]["words"] if route["possible"] else "not possible",
                duration(part.get("normal_ms")) if route["possible"] else "–",
                duration(part.get("if_event_lost_ms")) if route["possible"] else "–",
                kept_words(route, part),
            ]
            for route in doc["routes"]
            for part in route["segments"]
        ],
    )
    for route in doc["routes"]:
        yield f"**{route['title']}, {route['from']} → {route['to']}.** {_cell(route['why'])}"
        yield ""
        for refused in route["refused"]:
            yield f"- not {refused['pattern']}: {refused['why']}"
        for note in route["notes"]:
            yield f"- note: {_cell(note)}"
        if route["refused"] or route["notes"]:
            yield ""
    yield "Calls against each vendor's limit, in the busiest hour or in the limit's own window if that is longer:"
    yield ""
    yield from _table(
        ["system", "calls a day", "in the busiest hour", "limit", "used", "may use", ""],
        [
            [
                limit["system"],
                count(_of(doc, limit["system"])["calls_per_day"]),
                count(_of(doc, limit["system"])["calls_peak_hour"]),
                limit["limit"],
                f"{limit['used_share']:.1%}",
                f"{limit['may_use_share']:.0%}",
                "kept" if limit["kept"] else f"exceeded: {limit['nearest']}",
            ]
            for limit in doc["limits"]
        ],
    )


def kept_words(route: Document, part: Document) -> str:
    """Whether a part of a route keeps what was asked for; else the nearest."""
    if not route["possible"]:
        return f"no: {route['why']}"
    if part["kept"]:
        return "yes"
    near = []
    if part["nearest_ms"] is not None:
        near.append(f"a tolerance of {duration(part['nearest_ms'])} could be kept")
    if part["nearest_if_event_lost_ms"] is not None:
        near.append(f"a lost event could be known after {duration(part['nearest_if_event_lost_ms'])}")
    return f"no: {', '.join(near) or 'only with a larger limit'}"


def _of(doc: Document, name: str) -> Document:
    found: Document = next(one for one in doc["systems"] if one["name"] == name)
    return found


def _architecture(doc: Document) -> Iterator[str]:
    yield "## 3 The architecture"
    yield ""
    yield "```mermaid"
    yield doc["mermaid"].rstrip()
    yield "```"
    yield ""
    yield from _table(
        ["system", "product", "licence", "connector", "limits"],
        [
            [
                one["name"],
                one["vendor"],
                one["licence"] or "–",
                one["connector"] or ("–" if one["part"] == "broker" else "none yet"),
                ", ".join(one["limits"]) or "–",
            ]
            for one in doc["systems"]
        ],
    )


def _cost(doc: Document) -> Iterator[str]:
    currency = doc["currency"]
    yield "## 4 What it costs to run"
    yield ""
    yield "Costs are of a month. Lateness: what usual lags cost, from the figures that were given."
    yield ""
    yield from _table(
        [
            "design", "calls a day", "of all real time", "in the busiest hour", "tolerances kept", "limits", "calls", "fixed",
            "lateness", "together",
        ],
        [
            [
                one["name"],
                count(one["calls"]),
                f"{one['share_of_real_time']:.0%}" if one["share_of_real_time"] is not None else "–",
                count(sum(one["calls_peak_hour"].values())),
                f"{one['tolerances_kept']} of {one['tolerances']}",
                "kept" if one["limits_kept"] else "exceeded",
                *(
                    money(one[part], currency)
                    for part in ("call_cost", "fixed_cost", "lateness_cost", "cost")
                ),
            ]
            for one in doc["designs"]
        ],
    )  # fmt: skip


def _effort(doc: Document) -> Iterator[str]:
    yield "## 5 Effort"
    yield ""
    yield from _table(
        ["work", "days", "share", "of which"],
        [
            [
                one["name"],
                f"{one['days']}",
                f"{one['share']:.0%}",
                ", ".join(f"{part['what']} {part['days']}" for part in one["parts"]),
            ]
            for one in doc["effort"]
        ],
    )
    yield f"Together {doc['effort_days']} days."
    yield ""
    yield "Assumptions:"
    yield ""
    yield from (f"- {_cell(one)}" for one in doc["assumptions"])
    yield ""
    yield "Limits and batch sizes are from:"
    yield ""
    yield from (f"- {_cell(one)}" for one in dict.fromkeys(doc["sources"]))
