"""The cheapest plan is the cheapest: by comparison with every plan there is, on random orders."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.routing.solver import (
    LINES_MAX,
    LOCATIONS_MAX,
    PARCELS_MAX,
    Problem,
    Solution,
    solve,
)

GAP_MEAN_MAX = 0.02
GAP_WORST_MAX = 0.35
SPARSE = 0.1  # share of the locations that have any of a line
SOME = 10


def of_line(problem: Problem, line: int, places: tuple[int, ...]) -> tuple[int, int]:
    """The most units of a line that some locations can send, and the least that their sending it costs."""
    best = (0, 0)
    for count in range(1, len(places) + 1):
        for some in combinations(places, count):
            if all(problem.available[line][at] for at in some):
                units = min(problem.wanted[line], sum(problem.available[line][at] for at in some))
                cost = sum(problem.line_cost[at] for at in some)
                best = min(best, (-units, cost))
    return -best[0], best[1]


def brute(problem: Problem) -> tuple[int, int]:
    """Units sent and cost of the best plan, by looking at every set of locations."""
    best = (0, 0)
    places = range(len(problem.parcel_cost))
    for count in range(1, min(problem.parcels_max, len(places)) + 1):
        for some in combinations(places, count):
            units, cost = 0, sum(problem.parcel_cost[at] for at in some) + problem.split_cost * (count - 1)
            for line in range(len(problem.wanted)):
                its_units, its_cost = of_line(problem, line, some)
                units += its_units
                cost += its_cost
            best = min(best, (-units, cost))
    return -best[0], best[1]


def cost_of(problem: Problem, solution: Solution) -> int:
    """What a plan costs, computed from nothing but what it sends."""
    places = solution.locations
    cost = sum(problem.parcel_cost[at] for at in places) + problem.split_cost * max(0, len(places) - 1)
    return cost + sum(problem.line_cost[at] for line in solution.sent for at, _ in line)


def check(problem: Problem, solution: Solution) -> int:
    """Whether a plan can be carried out and says what it costs; how many units it sends."""
    assert len(solution.locations) <= problem.parcels_max
    for line, parts in enumerate(solution.sent):
        assert len({at for at, _ in parts}) == len(parts)
        assert all(0 < units <= problem.available[line][at] for at, units in parts)
        assert sum(units for _, units in parts) + solution.missing[line] == problem.wanted[line]
    assert solution.cost == cost_of(problem, solution)
    assert 0 <= solution.bound <= solution.cost
    return sum(units for parts in solution.sent for _, units in parts)


@st.composite
def problems(draw, lines=3, locations=6, parcels=3):
    """Orders small enough to try everything, with every kind of tie and shortage."""
    line_count, place_count = draw(st.integers(1, lines)), draw(st.integers(1, locations))
    units, cost = st.integers(0, 4), st.integers(0, 6)
    row = st.lists(units, min_size=place_count, max_size=place_count)
    costs = st.lists(cost, min_size=place_count, max_size=place_count)
    return Problem(
        draw(st.lists(units, min_size=line_count, max_size=line_count)),
        draw(st.lists(row, min_size=line_count, max_size=line_count)),
        draw(costs),
        draw(costs),
        draw(cost),
        draw(st.integers(1, parcels)),
    )


@settings(max_examples=400)
@given(problems())
def test_no_plan_is_better(problem):
    solution = solve(problem, steps_max=1_000_000)
    assert solution.exact
    assert solution.bound == solution.cost
    assert (check(problem, solution), solution.cost) == brute(problem)


@settings(max_examples=200)
@given(problems(), st.integers(0, 30))
def test_a_plan_that_was_not_proved_can_be_carried_out_and_keeps_its_bound(problem, steps_max):
    solution = solve(problem, steps_max=steps_max)
    units, best_units = check(problem, solution), brute(problem)
    assert units <= best_units[0]
    if units == best_units[0]:
        assert solution.bound <= best_units[1] <= solution.cost
    if solution.exact:
        assert (units, solution.cost) == best_units


@given(problems(), st.integers(0, 1_000))
def test_the_same_order_gets_the_same_plan(problem, steps_max):
    assert solve(problem, steps_max=steps_max) == solve(problem, steps_max=steps_max)


def random_problem(rng: Random, lines: int, locations: int, parcels_max: int) -> Problem:
    """An order as they are: most locations have most things, few have all, and what is far is dear."""
    wanted = [rng.choice((1, 1, 1, 2, 3, 6)) for _ in range(lines)]
    available = [
        [rng.choice((0, 0, 1, units, units, 4 * units)) for _ in range(locations)] for units in wanted
    ]
    parcel = [rng.randint(20_000, 90_000) for _ in range(locations)]
    handling = [rng.choice((2_000, 2_500, 4_000)) for _ in range(locations)]
    return Problem(wanted, available, parcel, handling, 30_000, parcels_max)


def test_the_first_guess_is_near_the_best_plan():
    """Without any proof, on orders of which the best plan is known: how much dearer the search alone is."""
    rng, gaps = Random(5), []
    for _ in range(60):
        problem = random_problem(rng, rng.randint(3, 8), 25, 4)
        best = solve(problem, steps_max=1_000_000)
        guess = solve(problem, steps_max=700)
        assert best.exact
        assert check(problem, guess) == check(problem, best)
        gaps.append(guess.cost / best.cost - 1)
    assert sum(gaps) / len(gaps) <= GAP_MEAN_MAX
    assert max(gaps) <= GAP_WORST_MAX


def test_the_work_is_bounded_by_its_steps():
    problem = random_problem(Random(1), 40, 200, 6)
    solution = solve(problem, steps_max=3_000)
    greedy = 2 * PARCELS_MAX * 200
    assert solution.steps <= 3_000 + greedy + 1
    check(problem, solution)


def test_ten_lines_over_two_hundred_locations_are_proved():
    solution = solve(random_problem(Random(2), 10, 200, 3))
    assert solution.exact


def test_ten_lines_of_which_few_of_two_hundred_locations_have_any_are_proved():
    rng, short = Random(77), 0
    for _ in range(20):
        wanted = [rng.randint(1, 6) for _ in range(10)]
        available = [
            [min(units, rng.randint(1, 20)) if rng.random() < SPARSE else 0 for _ in range(200)]
            for units in wanted
        ]
        parcel = [rng.randint(11_000, 210_000) for _ in range(200)]
        handling = [rng.randint(2_000, 6_000) for _ in range(200)]
        solution = solve(Problem(wanted, available, parcel, handling, 40_000, 3))
        assert solution.exact
        short += any(solution.missing)
    assert short > SOME


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wanted": [1] * (LINES_MAX + 1)}, "lines"),
        ({"parcel_cost": [1] * (LOCATIONS_MAX + 1)}, "locations"),
        ({"parcels_max": 0}, "parcels_max"),
        ({"parcels_max": PARCELS_MAX + 1}, "parcels_max"),
        ({"split_cost": -1}, "negative"),
        ({"wanted": [-1]}, "negative"),
        ({"parcel_cost": [-1]}, "negative"),
        ({"line_cost": [-1]}, "negative"),
    ],
)
def test_what_cannot_be_solved_is_refused(changes, words):
    given_ = {"wanted": [1], "available": [[1]], "parcel_cost": [1], "line_cost": [1], **changes}
    with pytest.raises(ValueError, match=words):
        Problem(**given_)
