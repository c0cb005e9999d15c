"""Renders the what-if report: everything in one file, packed data and the chart library included.

The charts are drawn by uPlot (https://github.com/leeoniya/uPlot, MIT), whose file and licence lie beside this one.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from syncline import __version__
from syncline.engine.words import duration, flow_title
from syncline.planner.vendors import vendors as known_vendors
from syncline.planner.words import title_of
from syncline.simulate.case import Case
from syncline.simulate.history import History
from syncline.simulate.ledger import EDGES_MS, REFUSED, TRUTH, Timeline
from syncline.simulate.play import Figures
from syncline.simulate.report.words import sentences, share, title
from syncline.simulate.whatif import BATCH, REALTIME

TRIPLES_MAX = 1_200_000  # of all timelines on one page, which then has some five megabytes
HEADS = (
    "units sold",
    "of perfect",
    "oversold",
    "orders with one",
    "hidden",
    "calls",
    "values",
    "lag p50",
    "lag p99",
)
BOUND_HEADS = (
    "changes",
    "p50",
    "p99",
    "p99.9",
    "longest",
    "struck by an outage",
    "event lost",
    "bound",
    "kept",
    "if an event is lost",
    "kept by all",
)


def page(found: Mapping[str, Any], case: Case, history: History, figures: Sequence[Figures]) -> str:
    """The report as HTML. ``figures`` must have been drawn."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    here = files("syncline.simulate.report")

    def inline(name: str) -> Markup:
        return Markup((here / name).read_text(encoding="utf-8"))  # noqa: S704 (files of this package)

    designs = found["designs"]
    kept, of = _kept(figures)
    wanted = (
        f"All {of:,} SKUs that were sold are on this page."
        if len(kept) == of
        else f"This page holds {len(kept):,} of {of:,} SKUs: those with the most units oversold, then hidden, then the "
        "busiest. A shorter part of the history (--from, --to) holds all."
    )
    return environment.from_string((here / "page.html").read_text(encoding="utf-8")).render(
        css=inline("uPlot.min.css") + inline("page.css"),
        uplot=inline("uPlot.iife.min.js"),
        licence=inline("uPlot.LICENSE"),
        js=inline("page.js"),
        data=Markup(_packed(found, case, figures, kept)),  # noqa: S704 (base64)
        version=__version__,
        headline=_headline(designs),
        history=found["history"],
        stage=found["stage"],
        channels=found["stage"]["channels"],
        setting=next(iter(designs.values())),
        sentences=sentences(found),
        heads=HEADS,
        rows=[_row(name, one, found["compared"][name]) for name, one in designs.items()],
        batch=BATCH,
        realtime=REALTIME,
        kept=wanted,
        bound_heads=BOUND_HEADS,
        bounds=[
            _bound(name, flow, lags) for name, one in designs.items() for flow, lags in one["lag_ms"].items()
        ],
        flows=_flows(found.get("all_flows")),
        method=_method(found),
        findings=history.findings(),
    )


def _headline(designs: Mapping[str, Mapping[str, Any]]) -> str:
    """The finding in one line."""
    worst = max(designs, key=lambda name: designs[name]["units_oversold"])
    best = min(
        designs, key=lambda name: (designs[name]["units_oversold"], sum(designs[name]["calls"].values()))
    )
    most, least = designs[worst]["units_oversold"], designs[best]["units_oversold"]
    if not most:
        return "No design sold anything that was not there"
    if worst == best or most == least:
        return f"{most:,} units were sold that did not exist"
    return f"{worst} sold {most:,} units that did not exist, {best} {least:,}"


def _row(name: str, one: Mapping[str, Any], beside: Mapping[str, float | None]) -> dict[str, Any]:
    stock = one["lag_ms"].get("inventory")

    def of(what: str) -> str:
        return share(beside[what]) if beside.get(what) is not None else ""

    cells = [
        (f"{one['units_sold']:,}", ""),
        (share(one["share_of_sellable"]), ""),
        (f"{one['units_oversold']:,}", of("oversold_of_batch")),
        (f"{one['orders_oversold']:,}", ""),
        (f"{one['units_hidden']:,}", ""),
        (f"{sum(one['calls'].values()):,}", of("calls_of_realtime")),
        (f"{sum(one['writes'].values()):,}", of("writes_of_realtime")),
        (duration(stock["p50"]) if stock else "–", ""),
        (duration(stock["p99"]) if stock else "–", ""),
    ]
    return {
        "name": name,
        "title": title(name, planned="fed" in one),
        "cells": cells,
        "oversold": one["units_oversold"] > 0,
    }


def _bound(name: str, flow: str, lags: Mapping[str, Any]) -> dict[str, Any]:
    judged = lags["changes"] - lags["apart"]
    told = judged - lags["event_lost"]
    cells = [
        f"{lags['changes']:,}",
        *(duration(lags[what]) for what in ("p50", "p99", "p999", "max")),
        f"{lags['apart']:,}",
        f"{lags['event_lost']:,}",
        duration(lags["bound"]),
        share(lags["kept"] / told) if told else "–",
        duration(lags["bound_if_event_lost"]),
        share(lags["kept_if_event_lost"] / judged) if judged else "–",
    ]
    return {"name": name, "flow": flow_title(flow), "cells": cells}


def _flows(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The table of all flows of a plan: a row a flow, a column a design; ``None`` without a plan."""
    if found is None or not found["designs"]:
        return None
    designs = found["designs"]
    rows: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    for name, one in designs.items():
        for row in one["flows"]:
            small = f"predicted {row['predicted_per_day']:,.0f}" if row["how"] == "played" else ""
            cell = f"{row['calls_per_day']:,.0f}", small
            rows.setdefault((row["flow"], row["how"]), {})[name] = cell
    totals = []
    for what in ("calls_per_day", "all_predicted_per_day"):
        parts = [one[f"{what}_of_realtime"] for one in designs.values()]
        counts = [f"{one[what]:,.0f}" for one in designs.values()]
        totals.append(
            [(count, "" if part is None else share(part)) for count, part in zip(counts, parts, strict=True)]
        )
    return {
        "plan": found["plan"],
        "orders_per_day": found["orders_per_day"],
        "heads": list(designs),
        "rows": [
            {
                "flow": _flow(flow, how, rows),
                "how": how,
                "cells": [cells.get(name, ("–", "")) for name in designs],
            }
            for (flow, how), cells in rows.items()
        ],
        "all": totals[0],
        "predicted": totals[1],
    }


def _flow(flow: str, how: str, rows: Collection[tuple[str, str]]) -> str:
    """What a row is of: of a flow that was played, the rest was not."""
    left = how == "predicted" and (flow, "played") in rows
    return f"{title_of(flow)}, what was not played" if left else title_of(flow)


def _method(found: Mapping[str, Any]) -> list[str]:
    stage, (one, *_) = found["stage"], found["designs"].values()
    event, call, erp = (stage["delays_s"][what] for what in ("event", "call", "erp_call"))
    said = [
        (
            "Every order is placed at its moment, whatever the design; a channel accepts a line if the number that it shows "
            "covers the quantity, and lowers its own number at once."
        ),
        (
            "Oversold are the units that the stock cannot give; hidden are units refused although the stock could give "
            "them. Both are counted where every line passes, never in Syncline's books."
        ),
        (
            "The history has no stock. Each SKU opens with seven days' mean sales, at "
            + ("one location" if stage["locations"] == 1 else "three locations 60/30/10")
            + "; what is missing on Monday morning arrives on Wednesday."
        ),
        (
            _vendors(stage["vendors"])
            if "vendors" in stage
            else f"Events take {event[0]} to {event[1]} s, a channel's call {call[0]} to {call[1]} s, the ERP's {erp[0]} "
            f"to {erp[1]} s; a call carries up to {stage['values_per_call']} values, for every design."
        ),
        (
            "The engine is the one that runs in production, on a virtual clock; the systems at either end are made up "
            f"and keep their own ledgers. Seed {one['seed']}."
        ),
    ]
    if stage["limit_per_s"]:
        said.append(f"Each channel allows {stage['limit_per_s']:g} calls a second.")
    return said


def _vendors(vendors: Mapping[str, Mapping[str, str]]) -> str:
    """Whose connectors and simulators were played."""
    sheets = known_vendors()
    each = [
        f"{name} is {sheets[one['vendor']].title}" + (f" ({one['licence']})" if one["licence"] else "")
        for name, one in vendors.items()
    ]
    return (
        f"Played were the vendors' own connectors against their simulators: {', '.join(each)}. How long a call takes, "
        "what it carries, how many are allowed and when events come is the vendor's, as its simulator has it."
    )


# --- the data of the charts ------------------------------------------------------------------------------


def _kept(figures: Sequence[Figures]) -> tuple[list[str], int]:
    """The SKUs whose courses fit on the page, the worst first; and of how many."""
    oversold: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for one in figures:
        assert one.timeline is not None
        for sku, line in one.timeline.of.items():
            size[sku] += len(line) // 3
            for code, value in zip(line[1::3], line[2::3], strict=True):
                if code < -REFUSED:
                    refused[sku] += value
                elif code < TRUTH:
                    oversold[sku] += value
    ranked = sorted(size, key=lambda sku: (-oversold[sku], -refused[sku], -size[sku], sku))
    kept: list[str] = []
    room = TRIPLES_MAX
    for sku in ranked:
        room -= size[sku]
        if room < 0 and kept:
            break
        kept.append(sku)
    return kept, len(ranked)


def _triples(timeline: Timeline, sku: str) -> list[int]:
    """The course of a SKU, its moments as seconds since the one before."""
    line = list(timeline.of.get(sku, ()))
    before = 0
    for place in range(0, len(line), 3):
        line[place], before = line[place] - before, line[place]
    return line


def _packed(found: Mapping[str, Any], case: Case, figures: Sequence[Figures], kept: Sequence[str]) -> str:
    worst = max(figures, key=lambda one: one.truth.oversold).setting.design
    data = {
        "begin": case.begin_ms // 1000,
        "end": case.end_ms // 1000,
        "channels": list(case.channels),
        "erp": case.erp,
        "systems": [*case.channels, case.erp],
        "designs": [one.setting.design for one in figures],
        "refused": REFUSED,
        "worst": [worst, kept[0] if kept else ""],
        "opening": {sku: case.target[sku] for sku in kept},
        "titles": {sku: case.stock.titles[sku] for sku in kept},
        "lines": {
            one.setting.design: {sku: _triples(one.timeline, sku) for sku in kept}
            for one in figures
            if one.timeline is not None
        },
        "edges": list(EDGES_MS),
        "spread": {one.setting.design: one.spread for one in figures},
        "hours": {one.setting.design: one.hours for one in figures},
        "limit": found["stage"]["limit_per_s"],
    }
    packed = gzip.compress(json.dumps(data, separators=(",", ":")).encode(), mtime=0)
    return base64.b64encode(packed).decode()
