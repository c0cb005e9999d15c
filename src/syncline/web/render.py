"""Templates, and how durations, moments and quantities are written on pages."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from syncline.engine.words import (
    MINUTE_MS,
    SECOND_MS,
    duration,
    flow_title,
    key_text,
    operation_title,
    percent,
    plural,
    utc,
)
from syncline.ports import Clock
from syncline.web.access import Access, Person, Role
from syncline.web.strip import course, drift


def fixed(ms: float | None) -> str:
    """A duration whose numbers stay with their units when a line breaks."""
    return duration(ms).replace(" ", "\N{NO-BREAK SPACE}")


def whole(ms: int) -> str:
    """A duration for what moves on while one looks: whole seconds at least."""
    return duration(ms // SECOND_MS * SECOND_MS)


def about(ms: int) -> str:
    """A duration for one line among many: whole minutes at least."""
    return "under 1\N{NO-BREAK SPACE}min" if ms < MINUTE_MS else fixed(ms // MINUTE_MS * MINUTE_MS)


def number(value: float) -> str:
    """A count or a share of a limit: no decimals above ten, none that say nothing."""
    if abs(value) >= 10 or value == int(value):
        return f"{round(value):,}"
    return f"{value:.1f}"


def money(amounts: Mapping[str, Decimal]) -> str:
    """Amounts in whole units of their currencies; a price that names none is told without."""
    return " and ".join(
        f"{round(amount):,} {currency}".rstrip() for currency, amount in sorted(amounts.items())
    )


def pretty(text: str) -> str:
    """JSON with line breaks, and otherwise as it is: it is read to be decided upon, and saved again. Any other text as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return text


class Pages:
    """Renders templates with the moment's words."""

    def __init__(self, clock: Clock, access: Access, version: str) -> None:
        self._clock = clock
        self._access = access
        self._environment = Environment(
            loader=FileSystemLoader(str(files("syncline.web") / "templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            duration=fixed,
            about=about,
            flow=flow_title,
            operation=operation_title,
            key=key_text,
            number=number,
            money=money,
            percent=percent,
            pretty=pretty,
            utc=utc,
            ago=self.ago,
            until=self.until,
        )
        self._environment.globals.update(
            plural=plural,
            Role=Role,
            version=version,
            max=max,
            min=min,
            course=course,
            drift=drift,
            now=self._now,
        )

    def _now(self) -> int:
        return self._clock.now_ms()

    def ago(self, ms: int | None) -> Markup:
        """A past moment relative to now, with the absolute one on hover."""
        if not ms:
            return Markup("never")
        passed = self._clock.now_ms() - ms
        words = "just now" if abs(passed) < SECOND_MS else f"{whole(passed)} ago"
        if passed <= -SECOND_MS:
            words = f"in {whole(-passed)}"
        return self._time(ms, words)

    def until(self, ms: int | None) -> Markup:
        """A deadline relative to now."""
        if ms is None:
            return Markup("–")
        left = ms - self._clock.now_ms()
        return self._time(ms, f"in {whole(left)}" if left >= 0 else f"{whole(-left)} overdue", "until")

    def _time(self, ms: int, words: str, how: str = "ago") -> Markup:
        absolute = utc(ms)
        machine = absolute.replace(" UTC", "Z").replace(" ", "T")
        return Markup('<time datetime="{}" title="{}" data-as="{}">{}</time>').format(
            machine, absolute, how, words
        )

    def render(self, template: str, *, person: Person, **values: Any) -> str:
        """A template as text."""
        csrf = partial(self._access.csrf, person) if person.session else str
        return self._environment.get_template(template).render(person=person, csrf=csrf, **values)
