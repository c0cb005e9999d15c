"""The whole life of a record: when its source changed it, what was sent where and what came back, what was parked."""

from __future__ import annotations

from syncline.engine.engine import Engine
from syncline.engine.inquiry import RESULTS, VIA
from syncline.engine.moments import Moment
from syncline.engine.reconcile.differences import Cause
from syncline.engine.records.kinds import Records
from syncline.engine.records.prices import list_title
from syncline.engine.records.standing import Standing
from syncline.engine.records.views import View
from syncline.engine.routes import SEP, Route, split_key
from syncline.engine.states import StateFlow
from syncline.engine.status import clean
from syncline.engine.words import duration, operation_title
from syncline.model.change import Kind
from syncline.model.delivery import Result

CALLS_MAX = 40  # of one content that are told, the newest
CONTENTS_MAX = 20  # of one record whose life is told


async def life(engine: Engine, records: Records, view: View) -> list[Moment]:
    """What happened to a record, oldest first. A few indexed reads for each content."""
    found = [moment for one in _standings(view) for moment in _differences(one)]
    for one in _standings(view):
        flow = engine.states.flow_of(one.route.name)
        if flow is not None:
            found += await _content(engine, records, flow, one.route, one.key)
    if records.kind is not Kind.PRICE:
        found += await _source(engine, records, view)
    return sorted(found, key=lambda moment: moment.at_ms)


def _standings(view: View) -> list[Standing]:
    return [one for channel in view.channels for one in channel.standings][:CONTENTS_MAX]


def _differences(one: Standing) -> list[Moment]:
    return [
        Moment(
            each.first_at_ms,
            f"Found: {each.cause}",
            each.detail,
            one.route.sink,
            "warn",
            brief="" if each.cause == Cause.REJECTED_WRITE else None,
        )
        for each in one.findings
    ]


async def _source(engine: Engine, records: Records, view: View) -> list[Moment]:
    rows = await engine.store.read(
        "record_origins", system=view.system, kind=records.kind.value, keys=[view.key]
    )
    return [
        Moment(at_ms, f"Changed, as we heard {VIA.get(via, 'by a read')}", "", view.system)
        for _, at_ms, via in rows
    ]


async def _content(engine: Engine, records: Records, flow: StateFlow, route: Route, key: str) -> list[Moment]:
    at = {"from": key, "to": f"{key}\x01"}  # this key, and none that only begins so
    what = part_title(records, key)
    operation = flow.operation(key)
    found: list[Moment] = []
    rows = await engine.store.read("attempts_like", limit=CALLS_MAX, **at)
    mine = [row for row in rows if (row[0], row[1], row[2]) == (route.sink, operation, key)]
    for _, _, _, started_ms, finished_ms, result, message, _, _ in mine:
        told, tone = RESULTS[Result(result)] if result else ("is under way", "plain")
        took = f" ({duration(finished_ms - started_ms)})" if finished_ms else ""
        title = f"{operation_title(operation).capitalize()}: {told}{took}"
        words = _both(what, clean(message))
        found.append(Moment(finished_ms or started_ms, title, words, route.sink, tone, brief=what))
    ended = sorted({row[4] for row in mine if row[4]})
    if ended:
        for _, _, at_ms, lag_ms, kept in await engine.store.read(
            "lags_at", route=route.name, moments=ended, **at
        ):
            title = f"Landed {duration(lag_ms)} after the change, tolerance {duration(route.tolerance_ms)}"
            found.append(Moment(at_ms, title, what, route.sink, "good" if kept else "bad"))
    for _, system, of, _, reason, detail, at_ms, resolved_at_ms, resolution, by in await engine.store.read(
        "parked_like", limit=CALLS_MAX, **at
    ):
        if (system, of) != (route.sink, operation):
            continue
        found.append(
            Moment(at_ms, "Parked: a person has to decide", clean(detail), system, "warn", brief=reason)
        )
        if resolved_at_ms is not None:
            title = f"Parked entry {resolution}" + (f" by {by}" if by else "")
            found.append(Moment(resolved_at_ms, title, what, system, "good"))
    return found


def _both(what: str, message: str) -> str:
    return "; ".join(filter(None, (what, message)))


def part_title(records: Records, key: str) -> str:
    """Which of the contents of a record a key is, in words; "" where there is one only."""
    if SEP not in key:
        return ""
    group = split_key(key)[0]
    if records.kind is Kind.PRICE:
        return list_title(group)
    name, _, of = group.partition(":")
    return f"{name} {of}" if of else ""
