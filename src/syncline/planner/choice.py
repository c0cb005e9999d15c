"""The cheapest mix that keeps every tolerance within every limit; or the nearest, saying what it does not keep.

Mixes are tried in order of their calls a day, so the first that keeps everything is the cheapest there is. Where none
keeps everything, tolerances give way where the relation of worst case and tolerance stays smallest, never a limit that
could be kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence

from syncline.model.copying import replace
from syncline.planner.calls import Work, usage
from syncline.planner.candidates import (
    Candidate,
    Group,
    Lanes,
    LimitKey,
    Queued,
    candidates,
    foretold,
    groups_of,
    impossible,
    leading,
    may_use,
    nearest,
    segments_of,
)
from syncline.planner.plan import LimitUse, Pattern, Plan, Refused, RoutePlan
from syncline.planner.question import AskedRoute, AskedSystem, Question
from syncline.planner.vendors import Limit
from syncline.planner.words import why_refused, why_taken

MIXES_MAX = 2_000
STEPS_MAX = 500  # of giving way
REFUSED_MAX = 4  # ways that are shown beside the one taken
ROUNDING = 1e-9

At = tuple[str, str]
Mix = Mapping[At, Candidate]


def planned(question: Question) -> Plan:
    """The answer to a question. A pure function: the same question, the same plan."""
    groups: dict[At, Group] = {}
    refusals: dict[str, str] = {}
    for group in groups_of(question):
        found = impossible(group, question)
        refusals |= found
        left = tuple(route for route in group.routes if route.name not in found)
        if left:
            groups[group.source, group.flow] = replace(group, routes=left)
    ways = {at: candidates(group, question) for at, group in groups.items()}
    keeping = {
        at: [one for one in ways[at] if kept(group, one, one.alone, question)] for at, group in groups.items()
    }
    mix = _cheapest(groups, keeping, question)
    if mix is not None:
        return _answer(question, groups, ways, keeping, mix, refusals, proven=True)
    mix = _nearest_mix(groups, ways, keeping, question)
    return _answer(question, groups, ways, keeping, mix, refusals, proven=False)


# --- whether a mix keeps what was asked for ---------------------------------------------------------------


def over_limits(mix: Iterable[Candidate], allowed: Mapping[LimitKey, float]) -> dict[LimitKey, float]:
    """The limits that a mix exceeds, with the relation of use and what may be used."""
    used: dict[LimitKey, float] = {}
    for one in mix:
        for key, amount in one.uses.items():
            if key in allowed:
                used[key] = used.get(key, 0.0) + amount
    return {key: used[key] / allowed[key] for key in used if used[key] > allowed[key] * (1 + ROUNDING)}


def kept(group: Group, one: Candidate, lanes: Lanes, question: Question) -> bool:
    """Whether every tolerance of a group is kept, in lanes that it shares with what stands there."""
    for route in group.routes:
        for segment in route.segments:
            plan = foretold(route, segment, one, lanes, question)
            if not (plan.kept and plan.lost_kept):
                return False
    return True


def keeps_all(groups: Mapping[At, Group], mix: Mix, question: Question) -> bool:
    """Whether a mix keeps every tolerance and every limit."""
    if over_limits(mix.values(), may_use(question)):
        return False
    lanes = lanes_of(mix)
    return all(kept(group, mix[at], lanes, question) for at, group in groups.items())


def lanes_of(mix: Mix) -> Lanes:
    """All that may wait at one moment."""
    return Lanes(queued for one in mix.values() for queued in one.queued)


# --- the choice --------------------------------------------------------------------------------------------


def _cheapest(
    groups: Mapping[At, Group], keeping: Mapping[At, list[Candidate]], question: Question
) -> dict[At, Candidate] | None:
    """The mix with the fewest calls that keeps everything; ``None`` if there is none, or none was found in time."""
    if not all(keeping.values()) or _beyond(keeping, may_use(question)):
        return None
    for tried, mix in enumerate(_by_calls(keeping)):
        if keeps_all(groups, mix, question):
            return mix
        if tried >= MIXES_MAX:
            break
    return None


def _beyond(ways: Mapping[At, list[Candidate]], allowed: Mapping[LimitKey, float]) -> set[LimitKey]:
    """The limits that would be exceeded even if every flow used as little of them as it can."""
    return {
        key
        for key, most in allowed.items()
        if sum(min(one.uses.get(key, 0.0) for one in found) for found in ways.values())
        > most * (1 + ROUNDING)
    }


def _by_calls(ways: Mapping[At, list[Candidate]]) -> Iterator[dict[At, Candidate]]:
    """Every mix, those with the fewest calls first."""
    names = list(ways)
    lists = [ways[at] for at in names]

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


def _excess(group: Group, one: Candidate, question: Question) -> float:
    """By how much the worst of a group's bounds exceeds what was asked; 1 at most: it is kept."""
    worst = 1.0
    lanes = one.alone
    for route in group.routes:
        for segment in route.segments:
            plan = foretold(route, segment, one, lanes, question)
            if plan.normal_ms is None or plan.lost_ms is None:
                return float("inf")
            lost_max = max(route.lost_ms, segment.tolerance_ms)
            worst = max(worst, plan.normal_ms / segment.tolerance_ms, plan.lost_ms / lost_max)
    return worst


def _nearest_mix(
    groups: Mapping[At, Group],
    ways: Mapping[At, list[Candidate]],
    keeping: Mapping[At, list[Candidate]],
    question: Question,
) -> dict[At, Candidate]:
    """Begin with what comes nearest to each tolerance alone, then take slower ways until the limits are kept.

    Each step takes the way that exceeds its tolerance least, of those that help. For a limit that even the slowest ways
    exceed nothing is given up: how much larger it has to be is then told for what was asked for.
    """
    excess = {
        (at, n): _excess(groups[at], one, question)
        for at, found in ways.items()
        for n, one in enumerate(found)
    }
    mix = {}
    for at, found in ways.items():
        ranked = min(range(len(found)), key=lambda n, at=at: (excess[at, n], found[n].calls_per_day))  # type: ignore[misc]
        mix[at] = keeping[at][0] if keeping[at] else found[ranked]
    allowed = may_use(question)
    for key in _beyond(ways, allowed):
        del allowed[key]
    for _ in range(STEPS_MAX):
        over = over_limits(mix.values(), allowed)
        if not over:
            break
        best: tuple[float, float] | None = None
        step: tuple[At, Candidate] | None = None
        for at, found in ways.items():
            for n, one in enumerate(found):
                rank = (excess[at, n], one.calls_per_day)
                if (best is None or rank < best) and _helps(mix[at], one, over, allowed):
                    best, step = rank, (at, one)
        if step is None:
            break
        mix[step[0]] = step[1]
    return mix


def _helps(
    now: Candidate, other: Candidate, over: Mapping[LimitKey, float], allowed: Mapping[LimitKey, float]
) -> bool:
    """Whether another way uses less of the limits that are exceeded, all in all."""
    change = sum((other.uses.get(key, 0.0) - now.uses.get(key, 0.0)) / allowed[key] for key in over)
    return change < -ROUNDING


# --- the answer --------------------------------------------------------------------------------------------


def _answer(
    question: Question,
    groups: Mapping[At, Group],
    ways: Mapping[At, list[Candidate]],
    keeping: Mapping[At, list[Candidate]],
    mix: Mix,
    refusals: Mapping[str, str],
    *,
    proven: bool,
) -> Plan:
    queued = [queued for one in mix.values() for queued in one.queued]
    lanes = lanes_of(mix)
    routes = {}
    for at, group in groups.items():
        for route in group.routes:
            refused = _refused(route, ways[at], keeping[at], mix[at], question)
            routes[route.name] = _route(group, route, mix[at], queued, lanes, tuple(refused), question)
    for route in question.routes:
        if route.name in refusals:
            routes[route.name] = RoutePlan(
                route.name, route.flow, route.source, route.sink, None, refusals[route.name], (), (), 0.0, 0.0
            )
    work = [work for one in mix.values() for work in one.work]
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
    taken: Candidate,
    queued: Sequence[Queued],
    lanes: Lanes,
    refused: tuple[Refused, ...],
    question: Question,
) -> RoutePlan:
    source, sink = question.systems[route.source], question.systems[route.sink]
    segments = tuple(
        nearest(group, route, foretold(route, segment, taken, lanes, question), taken, queued, question)
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
        refused=refused,
        reads_per_day=reads,
        writes_per_day=writes,
        notes=tuple(notes),
    )


def _refused(
    route: AskedRoute,
    ways: Sequence[Candidate],
    keeping: Sequence[Candidate],
    taken: Candidate,
    question: Question,
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
        best = next((one for one in keeping if one.capture.pattern is pattern), None) or min(
            mine, key=lambda one: one.capture.poll_ms
        )
        if best not in shown:
            shown.append(best)
    for one in shown[:REFUSED_MAX]:
        plans = [foretold(route, segment, one, one.alone, question) for segment in route.segments]
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
            fits = used <= allowed * system.share * (1 + ROUNDING)
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
            one_used <= allowed * system.share * (1 + ROUNDING)
            for one in limits
            for allowed, one_used in [usage(one, work, system.vendor.call_ms)]
        ):
            return f"the licence {name} would do"
    allowed, _ = usage(limit, work, system.vendor.call_ms)
    return f"{used / (allowed * system.share):.1f} times as much would do"
