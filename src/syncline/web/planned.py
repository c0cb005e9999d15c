"""The scoping document as one page that needs nothing else: no address, no script, no font."""

from __future__ import annotations

import math
from importlib.resources import files

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from syncline.engine.words import duration
from syncline.planner.document import Document
from syncline.planner.drawing import svg
from syncline.planner.markdown import LABELS, count, kept_words, money, verdict
from syncline.planner.plan import Plan

SCALE_MIN_MS = 1_000
SCALE_MAX_MS = 2 * 86_400_000
MARKS = (1_000, 10_000, 60_000, 600_000, 3_600_000, 21_600_000, 86_400_000)


def place(ms: float | None) -> float:
    """Where a duration stands on the scale from a second to two days, in per cent; the scale is logarithmic."""
    if ms is None:
        return 100.0
    inside = min(max(ms, SCALE_MIN_MS), SCALE_MAX_MS)
    return round(100 * math.log(inside / SCALE_MIN_MS) / math.log(SCALE_MAX_MS / SCALE_MIN_MS), 2)


def page(plan: Plan, doc: Document) -> str:
    """The page. ``doc`` is what ``document`` made of the plan."""
    environment = Environment(
        loader=FileSystemLoader(str(files("syncline.web") / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(duration=duration, money=money, count=count, place=place)
    most = max((one["calls"] for one in doc["designs"]), default=0)
    return environment.get_template("plan.html").render(
        doc=doc,
        verdict=verdict(doc),
        labels=LABELS,
        marks=MARKS,
        kept_words=kept_words,
        systems={one["name"]: one for one in doc["systems"]},
        most=most or 1,
        drawing=Markup(svg(plan)),  # noqa: S704 (our own, with every text escaped)
    )
