"""What may quote a person, and stands there for operators only: messages, what was sent, and a vendor's words about one record.

A vendor's refusal repeats what it refuses ("a@b.example is no e-mail address"), and so do our own words about what does not add up.
Everybody else sees of such a text what sort of thing it is, and how often. Errors of whole calls name no record and are
shown to all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from syncline.engine.inquiry import Life
from syncline.engine.moments import Moment
from syncline.engine.operations import Parked
from syncline.engine.reconcile.differences import Cause
from syncline.engine.reconcile.history import DifferenceView
from syncline.engine.records.listing import Line
from syncline.engine.records.prices import PriceList
from syncline.engine.records.standing import Doubted, Finding, Standing
from syncline.engine.records.views import Channel, Part, View
from syncline.engine.shadow import Differs
from syncline.model.copying import replace
from syncline.web.access import Person, Role

T = TypeVar("T", Parked, Life, Moment, DifferenceView, Differs, Line, View)


def shown_to(person: Person, value: T) -> T:
    """Something as this person may see it."""
    return value if person.may(Role.OPERATOR) else _brief(value)


def all_shown_to(person: Person, values: Iterable[T]) -> list[T]:
    """Several of them."""
    return [shown_to(person, each) for each in values]


def _brief(value: T) -> T:
    if isinstance(value, Parked):
        return replace(value, detail="", payload="")
    if isinstance(value, Life):
        return replace(value, waits="", moments=tuple(_brief(each) for each in value.moments))
    if isinstance(value, Moment):
        return value if value.brief is None else replace(value, detail=value.brief, brief=None)
    if isinstance(value, DifferenceView):
        return replace(value, detail="") if value.cause == Cause.REJECTED_WRITE else value
    if isinstance(value, Differs):
        return value if value.brief is None else replace(value, note=value.brief, brief=None)
    if isinstance(value, Line):
        return value if value.brief is None else replace(value, sentence=value.brief, brief=None)
    return _view(value)


def _view(view: View) -> View:
    """A record without quotes. Its sentence and a channel's begin with that of one of its standings."""
    channels = tuple(_channel(each) for each in view.channels)
    quoting = {
        one.sentence: one.brief
        for channel in view.channels
        for one in channel.standings
        if one.brief is not None
    }

    def without(text: str) -> str:
        for quote, brief in quoting.items():
            text = text.replace(quote, brief)
        return text

    channels = tuple(replace(each, sentence=without(each.sentence)) for each in channels)
    return replace(view, sentence=without(view.sentence), channels=channels)


def _channel(channel: Channel) -> Channel:
    def part(one: Part) -> Part:
        return replace(one, standing=_standing(one.standing))

    def price_list(one: PriceList) -> PriceList:
        return replace(one, standing=_standing(one.standing))

    return replace(
        channel,
        standings=tuple(map(_standing, channel.standings)),
        lists=tuple(map(price_list, channel.lists)),
        languages=tuple(map(part, channel.languages)),
        assortments=tuple(map(part, channel.assortments)),
    )


def _standing(one: Standing) -> Standing:
    doubted = None if one.doubted is None else _doubted(one.doubted)
    findings = tuple(map(_finding, one.findings))
    sentence = one.sentence if one.brief is None else one.brief
    return replace(one, sentence=sentence, brief=None, doubted=doubted, findings=findings, trouble="")


def _doubted(one: Doubted) -> Doubted:
    return replace(one, detail=one.reason.replace("_", " ").capitalize())


def _finding(one: Finding) -> Finding:
    quotes = one.cause == Cause.REJECTED_WRITE
    return replace(one, detail=one.cause.replace("_", " ").capitalize()) if quotes else one
