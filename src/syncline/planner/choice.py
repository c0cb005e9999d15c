"""The cheapest mix that keeps every tolerance within every limit; or the nearest, saying what it does not keep.

Mixes are tried in order of their calls a day, so the first that keeps everything is the cheapest there is. Where none
keeps everything, tolerances give way where the relation of worst case and tolerance stays smallest, never a limit that
could be kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

from syncline.model.copying import replace
from syncline.planner.calls import Work, usage
from syncline.planner.candidates import (
    Candidate,
    Group,
    Queued,
    candidates,
    foretold,
    groups_of,
    impossible,
    leading,
    nearest,
    segments_of,
)
from syncline.planner.plan import LimitUse, Pattern, Plan, Refused, RoutePlan
from syncline.planner.question import AskedRoute, AskedSystem, Question
from syncline.planner.vendors import Limit
from syncline.planner.words import why_refused, why_taken

MIXES_MAX = 5_000
STEPS_MAX = 500  # of giving way
REFUSED_MAX = 4  # ways that are shown beside the one taken

Mix = Mapping[tuple[str, str], Candidate]


def planned(question: Question) -> Plan:
    """The answer to a question. A pure function: the same question, the same plan."""
    open_groups: list[Group] = []
    refusals: dict[str, str] = {}
    for group in groups_of(question):
        found = impossible(group, question)
        refusals |= found
        left = tuple(route for route in group.routes if route.name not in found)
        if left:
            open_groups.append(replace(group, routes=left))
    ways = {(one.source, one.flow): candidates(one, question) for one in open_groups}
    mix, proven = _choose(open_groups, ways, question)
    return _answer(question, open_groups, ways, mix, refusals, proven=proven)


# --- whether a mix keeps what was asked for ---------------------------------------------------------------


def work_of(mix: Mix) -> list[Work]:
    """All calls of a mix."""
    return [work for one in mix.values() for work in one.work]


def lane_of(mix: Mix) -> list[Queued]:
    """All that may wait at one moment."""
    return [queued for one in mix.values() for queued in one.queued]


def over_limits(mix: Mix, question: Question) -> list[tuple[AskedSystem, Limit, float]]:
    """The limits that a mix exceeds, with the relation of use and what may be used."""
    work = work_of(mix)
    found = []
    for system in question.systems.values():
        mine = [one for one in work if one.system == system.name]
        for limit in system.limits:
            allowed, used = usage(limit, mine, system.vendor.call_ms)
            if used > allowed * system.share:
                found.append((system, limit, used / (allowed * system.share)))
    return found


def kept(group: Group, one: Candidate, lane: Sequence[Queued], question: Question) -> bool:
    """Whether every tolerance of a group is kept, in a lane that it shares with what stands there."""
    return all(
        plan.kept and plan.lost_kept
        for route in group.routes
        for segment in route.segments
        for plan in [foretold(route, segment, one, lane, question)]
    )


def keeps_all(groups: Sequence[Group], mix: Mix, question: Question) -> bool:
    """Whether a mix keeps every tolerance and every limit."""
    lane = lane_of(mix)
    return not over_limits(mix, question) and all(
        kept(group, mix[group.source, group.flow], lane, question) for group in groups
    )


# --- the choice --------------------------------------------------------------------------------------------


def _choose(
    groups: Sequence[Group], ways: Mapping[tuple[str, str], list[Candidate]], question: Question
) -> tuple[dict[tuple[str, str], Candidate], bool]:
    """The mix, and whether it is proven to be the cheapest of those that keep as much."""
    keeping: dict[tuple[str, str], list[Candidate]] = {}
    for group in groups:
        at = (group.source, group.flow)
        keeping[at] = [one for one in ways[at] if kept(group, one, one.queued, question)]
    if all(keeping.values()):
        for tried, mix in enumerate(_by_calls(keeping)):
            if keeps_all(groups, mix, question):
                return mix, True
            if tried >= MIXES_MAX:
                break
    # A tolerance that no way keeps by itself gives way first; then whatever the limits demand.
    mix = {
        at: found[0] if found else _least_late(groups, at, ways[at], question)
        for at, found in keeping.items()
    }
    return _give_way(groups, ways, mix, question), False


def _by_calls(ways: Mapping[tuple[str, str], list[Candidate]]) -> Iterator[dict[tuple[str, str], Candidate]]:
    """Every mix, those with the fewest calls first."""
    names = list(ways)
    lists = [ways[at] for at in names]
    if not names:
        yield {}
        return

    def calls(picks: tuple[int, ...]) -> float:
        return sum(one[pick].calls_per_day for one, pick in zip(lists, picks, strict=True))

    first = (0,) * len(names)
    heap = [(calls(first), first)]
    seen = {first}
    while heap:
        _, picks = heapq.heappop(heap)
        yield {at: one[pick] for at, one, pick in zip(names, lists, picks, strict=True)}
        for n, pick in enumerate(picks):
            following = (*picks[:n], pick + 1, *picks[n + 1 :])
            if pick + 1 < len(lists[n]) and following not in seen:
                seen.add(following)
                heapq.heappush(heap, (calls(following), following))


def _least_late(
    groups: Sequence[Group], at: tuple[str, str], ways: Sequence[Candidate], question: Question
) -> Candidate:
    """The way that exceeds its tolerance least; of equals the cheapest."""
    return min(ways, key=lambda one: (_excess(groups, at, one, question), one.calls_per_day))


def _excess(groups: Sequence[Group], at: tuple[str, str], one: Candidate, question: Question) -> float:
    """By how much the worst of a group's bounds exceeds what was asked; 1 at most: it is kept."""
    group = next(group for group in groups if (group.source, group.flow) == at)
    worst = 1.0
    for route in group.routes:
        for segment in route.segments:
            plan = foretold(route, segment, one, one.queued, question)
            if plan.normal_ms is None or plan.lost_ms is None:
                return float("inf")
            lost_max = max(route.lost_ms, segment.tolerance_ms)
            worst = max(worst, plan.normal_ms / segment.tolerance_ms, plan.lost_ms / lost_max)
    return worst


def _give_way(
    groups: Sequence[Group],
    ways: Mapping[tuple[str, str], list[Candidate]],
    mix: dict[tuple[str, str], Candidate],
    question: Question,
) -> dict[tuple[str, str], Candidate]:
    """Take slower ways until the limits are kept, each time the one that exceeds its tolerance least."""
    for _ in range(STEPS_MAX):
        over = over_limits(mix, question)
        if not over:
            break
        total = sum(relation for _, _, relation in over)
        best: tuple[float, float, tuple[str, str], Candidate] | None = None
        for at, options in ways.items():
            for one in options:
                after = {**mix, at: one}
                left = sum(relation for _, _, relation in over_limits(after, question))
                if left >= total * (1 - 1e-9):
                    continue
                ranked = (_excess(groups, at, one, question), one.calls_per_day, at, one)
                if best is None or ranked[:2] < best[:2]:
                    best = ranked
        if best is None:
            break
        mix[best[2]] = best[3]
    return mix


# --- the answer --------------------------------------------------------------------------------------------


def _answer(
    question: Question,
    groups: Sequence[Group],
    ways: Mapping[tuple[str, str], list[Candidate]],
    mix: Mix,
    refusals: Mapping[str, str],
    *,
    proven: bool,
) -> Plan:
    lane = lane_of(mix)
    routes = {}
    for group in groups:
        at = (group.source, group.flow)
        for route in group.routes:
            routes[route.name] = _route(group, route, ways[at], mix[at], lane, question)
    for route in question.routes:
        if route.name in refusals:
            routes[route.name] = RoutePlan(
                route.name, route.flow, route.source, route.sink, None, refusals[route.name], (), (), 0.0, 0.0
            )
    work = work_of(mix)
    return Plan(
        question=question,
        routes=tuple(routes[route.name] for route in question.routes),
        limits=tuple(_limits(question, work)),
        calls_per_day={
            name: sum(one.calls_per_day for one in work if one.system == name) for name in question.systems
        },
        calls_peak_hour={
            name: sum(one.calls_peak_hour for one in work if one.system == name) for name in question.systems
        },
        proven=proven,
    )


def _route(
    group: Group,
    route: AskedRoute,
    ways: Sequence[Candidate],
    taken: Candidate,
    lane: Sequence[Queued],
    question: Question,
) -> RoutePlan:
    source, sink = question.systems[route.source], question.systems[route.sink]
    segments = tuple(
        nearest(group, route, foretold(route, segment, taken, lane, question), taken, lane, question)
        for segment in route.segments
    )
    capture = replace(taken.capture, tolerance_ms=leading(route).tolerance_ms, segments=segments_of(route))
    reads = sum(one.calls_per_day for one in taken.work if one.way == "read" and one.system == route.source)
    writes = sum(
        one.calls_per_day
        for one in taken.work
        if one.way == "write" and one.system == route.sink and one.flow == route.flow
    )
    notes = [f"{one.vendor.title}: {note}" for one in (source, sink) for note in one.vendor.notes]
    notes += [
        f"{one.vendor.title}: Syncline has no connector for it yet."
        for one in (source, sink)
        if not one.vendor.connector
    ]
    return RoutePlan(
        name=route.name,
        flow=route.flow,
        source=route.source,
        sink=route.sink,
        capture=capture,
        why=why_taken(route, source, capture, segments),
        segments=segments,
        refused=tuple(_refused(group, route, ways, taken, question)),
        reads_per_day=reads,
        writes_per_day=writes,
        notes=tuple(notes),
    )


def _refused(
    group: Group, route: AskedRoute, ways: Sequence[Candidate], taken: Candidate, question: Question
) -> Iterator[Refused]:
    """The next cheaper way, which keeps less, and the best of each other pattern: the cheapest that keeps, or the quickest."""
    shown: list[Candidate] = []
    cheaper = [one for one in ways if one.calls_per_day < taken.calls_per_day]
    if cheaper:
        shown.append(max(cheaper, key=lambda one: one.calls_per_day))
    for pattern in Pattern:
        mine = [one for one in ways if one.capture.pattern is pattern]
        if pattern is taken.capture.pattern or not mine:
            continue
        keeping = (one for one in mine if kept(group, one, one.queued, question))
        best = next(keeping, None) or min(mine, key=lambda one: one.capture.poll_ms)
        if best not in shown:
            shown.append(best)
    for one in shown[:REFUSED_MAX]:
        plans = [foretold(route, segment, one, one.queued, question) for segment in route.segments]
        worst = min(plans, key=lambda plan: (plan.kept, plan.lost_kept))
        yield Refused(
            one.capture,
            worst.normal_ms,
            one.calls_per_day,
            why_refused(worst, route, one.calls_per_day, taken.calls_per_day),
        )


def _limits(question: Question, work: Sequence[Work]) -> Iterator[LimitUse]:
    for system in question.systems.values():
        mine = [one for one in work if one.system == system.name]
        for limit in system.limits:
            allowed, used = usage(limit, mine, system.vendor.call_ms)
            fits = used <= allowed * system.share
            yield LimitUse(
                system=system.name,
                limit=limit.words(),
                allowed=allowed,
                used=used,
                share=used / allowed,
                may_use=system.share,
                kept=fits,
                nearest="" if fits else _larger(system, mine, limit, used),
                source="; ".join(system.vendor.sources),
            )


def _larger(system: AskedSystem, work: Sequence[Work], limit: Limit, used: float) -> str:
    """The smallest licence of the vendor that would do, or how much larger the limit has to be."""
    for name, limits in system.vendor.licences.items():
        if name != system.licence and all(
            one_used <= allowed * system.share
            for one in limits
            for allowed, one_used in [usage(one, work, system.vendor.call_ms)]
        ):
            return f"the licence {name} would do"
    allowed, _ = usage(limit, work, system.vendor.call_ms)
    return f"{used / (allowed * system.share):.1f} times as much would do"
