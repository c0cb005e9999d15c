"""The architecture as a drawing: systems, ways in and out, lanes, brokers, files, who owns what.

The SVG has no colours of its own: classes take them from the page, and a style of its own serves where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from syncline.engine.words import duration
from syncline.planner.plan import Pattern, Plan, RoutePlan
from syncline.planner.words import title_of

WIDTH = 1120
CARD_W = 340
CORE_X = 460
CORE_W = 200
HEAD_H = 62
ROW_H = 30
GAP = 22
TOP = 16
ANY = "any"  # the name of a licence where there is only one
LINE_CHARS = 52  # of a card, in the widest of the usual fonts
RIGHT = frozenset({"channel", "crm", "warehouse"})
KINDS = {
    "erp": "ERP",
    "channel": "sales channel",
    "wms": "warehouse management",
    "pim": "product information",
    "crm": "customer relations",
    "warehouse": "data warehouse",
    "file": "files",
    "broker": "broker",
}

STYLE = """\
.a-card{fill:var(--a-card,#fff);stroke:var(--a-line,#8a94a6)}.a-core{fill:var(--a-core,#eef4ff);stroke:var(--a-accent,#2456c9)}
.a-new{stroke-dasharray:5 4}.a-text{fill:var(--a-text,#1b2330)}.a-soft{fill:var(--a-soft,#566173)}
.a-way{stroke:var(--a-accent,#2456c9);stroke-width:1.6;fill:none}.a-tip{fill:var(--a-accent,#2456c9)}
.a-bad{stroke:var(--a-bad,#b3261e);stroke-dasharray:3 3}.a-pill{fill:var(--a-card,#fff);stroke:var(--a-accent,#2456c9)}
text{font-family:system-ui,sans-serif;font-size:13px}.a-title{font-weight:650;font-size:15px}.a-small{font-size:11.5px}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One way of one system: in to Syncline, or out of it."""

    inward: bool
    text: str
    via: str
    possible: bool


def rows_of(plan: Plan, system: str) -> list[Row]:
    """What comes from a system and what goes to it."""
    found: dict[tuple[bool, str, str, bool], list[str]] = {}
    for one, asked in zip(plan.routes, plan.question.routes, strict=True):
        possible = one.capture is not None
        if one.source == system:
            at = (True, _way(one), asked.via, possible)
        elif one.sink == system:
            at = (False, "lane", asked.via, possible)
        else:
            continue
        titles = found.setdefault(at, [])
        if title_of(one.flow) not in titles:
            titles.append(title_of(one.flow))
    return [
        Row(inward, f"{', '.join(titles)}{f': {way}' if inward else ''}", via, possible)
        for (inward, way, via, possible), titles in found.items()
    ]


def _way(one: RoutePlan) -> str:
    if one.capture is None:
        return "not possible"
    if one.capture.pattern is Pattern.EVENT:
        return "events"
    return f"{one.capture.pattern.value} {duration(one.capture.poll_ms)}"


def _sides(plan: Plan) -> tuple[list[str], list[str]]:
    systems = [name for name, one in plan.question.systems.items() if one.vendor.part != "broker"]
    right = [name for name in systems if plan.question.systems[name].vendor.part in RIGHT]
    return [name for name in systems if name not in right], right


def svg(plan: Plan) -> str:
    """The drawing, to stand in a page or in a file of its own."""
    left, right = _sides(plan)
    rows = {name: rows_of(plan, name) for name in (*left, *right)}
    height = 2 * TOP + max(_column_h(left, rows), _column_h(right, rows), 180)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{escape(_spoken(plan), quote=True)}">'
        ),
        f"<style>{STYLE}</style>",
        (
            f'<rect class="a-core" x="{CORE_X}" y="{TOP}" width="{CORE_W}" height="{height - 2 * TOP}" rx="10"/>'
            + _text(CORE_X + CORE_W / 2, TOP + 26, "Syncline", "a-title a-text", anchor="middle")
        ),
    ]
    steps = ("capture", "log", "apply", "derive", "schedule", "deliver", "confirm")
    parts += [
        _text(CORE_X + CORE_W / 2, TOP + 52 + 17 * n, step, "a-small a-soft", anchor="middle")
        for n, step in enumerate(steps)
    ]
    for side, names in (("left", left), ("right", right)):
        y = float(TOP)
        for name in names:
            parts.append(_card(plan, name, rows[name], y, left=side == "left"))
            y += _card_h(rows[name]) + GAP
    return "\n".join([*parts, "</svg>"])


def _card_h(rows: Sequence[Row]) -> int:
    return HEAD_H + max(1, len(rows)) * ROW_H


def _column_h(names: Sequence[str], rows: dict[str, list[Row]]) -> int:
    return sum(_card_h(rows[name]) + GAP for name in names)


def _card(plan: Plan, name: str, rows: Sequence[Row], y: float, *, left: bool) -> str:
    asked = plan.question.systems[name]
    x = 10 if left else WIDTH - CARD_W - 10
    new = "" if asked.vendor.connector else " a-new"
    parts = [
        f'<rect class="a-card{new}" x="{x}" y="{y:.0f}" width="{CARD_W}" height="{_card_h(rows)}" rx="8"/>',
        _text(x + 12, y + 22, _short(f"{name}: {asked.vendor.title}", 32), "a-title a-text"),
        _text(x + 12, y + 39, _short(_under(plan, name), LINE_CHARS), "a-small a-soft"),
        _text(x + 12, y + 54, _short(_owns(plan, name), LINE_CHARS), "a-small a-soft"),
    ]
    for n, row in enumerate(rows):
        at = y + HEAD_H + n * ROW_H + 10
        near, far = (x + CARD_W, CORE_X) if left else (x, CORE_X + CORE_W)
        begin, end = (near, far) if row.inward else (far, near)
        parts.append(_text(x + 12, at + 4, _short(row.text, LINE_CHARS), "a-small a-text"))
        parts.append(_arrow(begin, end, at, possible=row.possible))
        inner = far + 8 if left else far - 8
        side = "start" if left else "end"
        parts.append(_text(inner, at + 4, "in" if row.inward else "lane", "a-small a-soft", anchor=side))
        if row.via:
            middle = (near + far) / 2
            parts.append(
                f'<rect class="a-pill" x="{middle - 42:.0f}" y="{at - 9:.0f}" width="84" height="18" rx="9"/>'
                + _text(middle, at + 4, _short(row.via, 12), "a-small a-text", anchor="middle")
            )
    return "\n".join(parts)


def _under(plan: Plan, name: str) -> str:
    asked = plan.question.systems[name]
    words = [KINDS[asked.vendor.part]]
    if not asked.vendor.connector:
        words.append("no connector yet")
    if asked.licence and asked.licence != ANY:
        words.append(asked.licence)
    uses = [one.share for one in plan.limits if one.system == name]
    if uses:
        words.append(f"{max(uses):.0%} of its limit")
    return " · ".join(words)


def _owns(plan: Plan, name: str) -> str:
    owned = dict.fromkeys(title_of(one.flow) for one in plan.routes if one.source == name)
    return f"owns {', '.join(owned)}" if owned else "owns nothing"


def _arrow(begin: float, end: float, y: float, *, possible: bool) -> str:
    step = 8 if end > begin else -8
    bad = "" if possible else " a-bad"
    return (
        f'<path class="a-way{bad}" d="M{begin:.0f} {y:.0f}H{end - step:.0f}"/>'
        f'<path class="a-tip" d="M{end:.0f} {y:.0f}l{-step} -5v10z"/>'
    )


def _text(x: float, y: float, text: str, css: str, *, anchor: str = "start") -> str:
    return f'<text class="{css}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _spoken(plan: Plan) -> str:
    return "; ".join(
        f"{title_of(one.flow)} from {one.source} to {one.sink} by {_way(one)}" for one in plan.routes
    )


# --- Mermaid -----------------------------------------------------------------------------------------------


def mermaid(plan: Plan) -> str:
    """The same as a flowchart in Mermaid's language."""
    lines = ["flowchart LR", '  core{{"Syncline"}}']
    for name, asked in plan.question.systems.items():
        shape = ("[(", ")]") if asked.vendor.part in ("warehouse", "file") else ("[", "]")
        note = "" if asked.vendor.connector or asked.vendor.part == "broker" else "<br/>no connector yet"
        lines.append(f'  {_id(name)}{shape[0]}"{_plain(f"{name}: {asked.vendor.title}")}{note}"{shape[1]}')
    for name in plan.question.systems:
        for row in rows_of(plan, name):
            style = "-->" if row.possible else "-.->"
            label = f'|"{_plain(row.text)}"|'
            inner = _id(row.via) if row.via else "core"
            if row.inward:
                lines.append(f"  {_id(name)} {style}{label} {inner}")
            else:
                lines.append(f"  {inner} {style}{label} {_id(name)}")
            if row.via:
                lines.append(f"  {inner} --- core")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _id(name: str) -> str:
    return f"s_{name}"  # a bare `end` would close a block of Mermaid


def _plain(text: str) -> str:
    return text.replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
