"""A plan with its costs and reasons: rules, capacity, shortage, and what it says of the locations that it passed over."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.model.copying import replace
from syncline.routing.places import Point
from syncline.routing.plan import Case, Sent, Stock, Wanted, plan, priced
from syncline.routing.policy import Destination, Policy, Rule, Site

HOME = Destination("US", "MN", "55425", Point(44.85, -93.25))
NEAR, FAR = Point(44.98, -93.27), Point(33.43, -111.90)  # 15 km and about 2,060 km
COSTS = {"cost_per_order": Decimal("1.50"), "cost_per_line": Decimal("0.25"), "cost_per_km": Decimal("0.01")}
POLICY = Policy(
    sites={"near": Site(NEAR, **COSTS), "far": Site(FAR, **COSTS), "lost": Site(None, **COSTS)},
    currency="USD",
    cost_per_parcel=Decimal(4),
)


def case(rooms, *lines, **more):
    """Lines as (SKU, units), over rooms as {SKU: {location: units}}."""
    wanted = [Wanted(str(number), sku, units, {sku: 1}) for number, (sku, units) in enumerate(lines)]
    pools = {sku: sum(at.values()) for sku, at in rooms.items()}
    values = {
        "channel": "shop",
        "to": HOME,
        "locations": ["near", "far", "lost"],
        "stock": Stock(rooms, pools),
    }
    return Case(wanted=wanted, **{**values, **more})


def sent(found):
    return {(one.line, one.location): one.units for one in found.sent}


def test_one_parcel_from_near_says_what_it_costs_and_why():
    found = plan(case({"A": {"near": 5, "far": 5}, "B": {"near": 1, "far": 9}}, ("A", 2), ("B", 1)), POLICY)
    assert sent(found) == {("0", "near"): 2, ("1", "near"): 1}
    (parcel,) = found.parcels
    assert (parcel.km, parcel.handling, parcel.distance) == (14.5, Decimal("2.00"), Decimal("0.1450"))
    assert (found.cost, found.currency, found.exact, found.dearer_max) == (Decimal("2.1450"), "USD", True, 0)
    first, chosen, *rest = found.reasons
    assert first == "1 parcel for 2.14 USD: no plan that sends as much costs less."
    assert chosen == "From near: it has all 2 lines; 15 km away; 2.00 handling, 0.14 distance."
    assert "Not from lost: it has 0 of 2 lines in full." in rest
    assert rest[-1].startswith("Without near it would be sent from far, for 20.")


def test_two_parcels_cost_what_a_further_one_costs():
    found = plan(case({"A": {"near": 1}, "B": {"far": 1}}, ("A", 1), ("B", 1)), POLICY)
    assert {parcel.location for parcel in found.parcels} == {"near", "far"}
    assert found.cost == sum(p.handling + p.distance for p in found.parcels) + 4
    assert found.reasons[-1] == "Without far, 1 unit more could not be sent."


def test_a_dear_way_is_worth_it_if_it_saves_a_parcel():
    rooms = {"A": {"near": 1, "far": 1}, "B": {"far": 1, "lost": 1}}
    asked = case(rooms, ("A", 1), ("B", 1))
    assert {p.location for p in plan(asked, POLICY).parcels} == {
        "near",
        "lost",
    }  # 4 is less than 20 for the way
    dear = replace(POLICY, cost_per_parcel=Decimal(40))
    assert {p.location for p in plan(asked, dear).parcels} == {"far"}


def test_zones_are_taken_as_they_are_and_the_last_goes_on():
    zones = Site(FAR, zones=((Decimal(100), Decimal(3)), (Decimal(1000), Decimal(7))))
    assert [zones.distance_cost(km) for km in (0.0, 100.0, 100.1, 999.0, 5000.0, None)] == [3, 3, 7, 7, 7, 0]


def test_where_nobody_knows_the_way_it_costs_nothing_and_that_is_said():
    found = plan(case({"A": {"near": 1, "far": 1}}, ("A", 1), to=Destination("US", "", "00000")), POLICY)
    assert found.parcels[0].km is None
    assert "Nobody knows where 00000 US is, so distance does not count." in found.reasons


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (Rule("r", exclude=("near",)), True),
        (Rule("r", channels=("shop",), exclude=("near",)), True),
        (Rule("r", channels=("other",), exclude=("near",)), False),
        (Rule("r", countries=("US",), regions=("MN", "WI"), exclude=("near",)), True),
        (Rule("r", countries=("CA",), exclude=("near",)), False),
        (Rule("r", regions=("WI",), exclude=("near",)), False),
        (Rule("r", postcodes=("554", "999"), exclude=("near",)), True),
        (Rule("r", postcodes=("999",), exclude=("near",)), False),
        (Rule("r", skus=("A",), exclude=("near",)), True),
        (Rule("r", skus=("B",), exclude=("near",)), False),
    ],
)
def test_what_a_rule_excludes_sends_nothing(rule, holds):
    found = plan(case({"A": {"near": 9, "far": 9}}, ("A", 1)), replace(POLICY, rules=(rule,)))
    assert [p.location for p in found.parcels] == (["far"] if holds else ["near"])
    if holds:
        assert any(reason.startswith("Not from near") and "r" in reason for reason in found.reasons)


def test_a_preferred_location_counts_as_cheaper_and_costs_what_it_costs():
    asked = case({"A": {"near": 9, "far": 9}}, ("A", 1))
    for worth, taken in ((Decimal(10), "near"), (Decimal(30), "far")):
        rules = (Rule("r", prefer=("far",), worth=worth),)
        found = plan(asked, replace(POLICY, rules=rules))
        assert [p.location for p in found.parcels] == [taken]
    assert found.cost > 20
    assert "preferred, which counts 30.00" in found.reasons[1]


@pytest.mark.parametrize(
    ("limits", "load", "full"),
    [
        ({"orders_per_day": 10}, (10, 0), "full: 10 of 10 orders in the last 24 hours"),
        ({"orders_per_day": 10}, (9, 9), ""),
        ({"orders_per_hour": 2}, (9, 2), "full: 2 of 2 orders in the last hour"),
        ({"orders_per_hour": 2}, (9, 1), ""),
        ({"orders_per_day": 0}, (0, 0), "full: 0 of 0 orders in the last 24 hours"),
    ],
)
def test_a_full_location_is_asked_only_where_nobody_else_has_it(limits, load, full):
    policy = replace(POLICY, sites={**POLICY.sites, "near": Site(NEAR, **COSTS, **limits)})
    both = plan(case({"A": {"near": 9, "far": 9}}, ("A", 1), load={"near": load}), policy)
    assert [p.location for p in both.parcels] == (["far"] if full else ["near"])
    alone = plan(case({"A": {"near": 9}}, ("A", 1), load={"near": load}), policy)
    assert [p.location for p in alone.parcels] == ["near"]
    if full:
        assert f"Not from near (15 km): {full}." in both.reasons
        assert f"{full}, but nobody else has them" in alone.reasons[1]


def test_what_nobody_has_is_missing_or_all_of_it_where_orders_go_complete():
    asked = case({"A": {"near": 1, "far": 1}, "B": {"near": 5}}, ("A", 3), ("B", 2))
    found = plan(asked, POLICY)
    assert [(one.line, one.units) for one in found.missing] == [("0", 1)]
    assert "Not sent: nobody has 1 of A." in found.reasons
    whole = plan(asked, replace(POLICY, ship_complete=True))
    assert whole.sent == ()
    assert [(one.line, one.units) for one in whole.missing] == [("0", 3), ("1", 2)]
    assert whole.reasons == ("Nothing is sent, because orders go complete and nobody has 1 of A.",)


def test_lines_stay_whole_where_they_are_not_to_be_split():
    asked = case({"A": {"near": 2, "far": 2, "lost": 1}}, ("A", 3))
    assert sum(sent(plan(asked, POLICY)).values()) == 3
    assert plan(asked, replace(POLICY, split_lines=False)).sent == ()


def test_no_more_is_sent_than_can_be_had_altogether():
    """Somebody may take two units from anywhere: then only three of the five that lie there can be promised."""
    rooms = {"A": {"near": 2, "far": 3}}
    found = plan(replace(case(rooms, ("A", 5)), stock=Stock(rooms, {"A": 3})), POLICY)
    assert sum(one.units for one in found.sent) == 3
    assert [one.units for one in found.missing] == [2]


def test_lines_of_one_sku_share_what_there_is():
    found = plan(case({"A": {"near": 3, "far": 2}}, ("A", 2), ("A", 2), ("A", 2)), POLICY)
    assert sent(found) == {("0", "near"): 2, ("1", "near"): 1, ("1", "far"): 1, ("2", "far"): 1}
    assert [(one.line, one.units) for one in found.missing] == [("2", 1)]
    assert found.exact


def test_a_kit_is_sent_whole_from_one_place_and_its_part_is_not_sent_twice():
    wanted = [Wanted("0", "SET", 2, {"A": 1, "B": 2}), Wanted("1", "A", 2, {"A": 1})]
    rooms = {"A": {"near": 3, "far": 2}, "B": {"near": 4, "far": 1}}
    stock = Stock(rooms, {"A": 5, "B": 5})
    found = plan(Case("shop", HOME, wanted, ["near", "far"], stock), POLICY)
    assert sent(found) == {("0", "near"): 2, ("1", "far"): 2}  # near has one of A left
    assert not found.exact
    assert "the best of those looked at" in found.reasons[0]


def test_a_parcel_that_goes_anyway_costs_nothing_more():
    asked = case({"A": {"near": 1, "far": 1}}, ("A", 1))
    found = plan(replace(asked, begun=frozenset({"far"})), POLICY)
    assert [p.location for p in found.parcels] == ["far"]
    assert found.cost == Decimal("0.25")
    assert "sends a parcel of this order anyway" in found.reasons[1]


def test_a_closed_location_says_why():
    asked = replace(case({"A": {"near": 1, "far": 1}}, ("A", 1)), closed={"near": "refused by erp (shut)"})
    assert "Not from near (15 km): refused by erp (shut)." in plan(asked, POLICY).reasons


def test_what_was_done_is_priced_as_plans_are():
    asked = case({"A": {"near": 9, "far": 9}, "B": {"near": 9}}, ("A", 2), ("B", 1))
    found = plan(asked, POLICY)
    parcels, cost, km = priced(asked, POLICY, found.sent)
    assert (parcels, cost) == (1, found.cost)
    assert km == pytest.approx(14.5, abs=0.1)
    done = (Sent("0", "A", "near", 1), Sent("0", "A", "far", 1), Sent("1", "B", "near", 1))
    parcels, dearer, _ = priced(asked, POLICY, done)
    assert parcels == 2
    assert dearer > cost + 20


rooms_of = st.dictionaries(
    st.sampled_from(["A", "B"]), st.dictionaries(st.sampled_from(["near", "far", "lost"]), st.integers(0, 4))
)
asks = st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(1, 4)), min_size=1, max_size=4)


@given(rooms_of, asks, st.booleans(), st.booleans(), st.integers(1, 3))
def test_every_plan_adds_up(rooms, lines, complete, split, parcels_max):
    policy = replace(POLICY, ship_complete=complete, split_lines=split, parcels_max=parcels_max)
    found = plan(case(rooms, *lines), policy)
    assert len(found.parcels) <= parcels_max
    for number, (_, units) in enumerate(lines):
        gone = sum(one.units for one in found.sent if one.line == str(number))
        assert gone + sum(one.units for one in found.missing if one.line == str(number)) == units
    taken: dict[tuple[str, str], int] = {}
    for one in found.sent:
        taken[one.sku, one.location] = taken.get((one.sku, one.location), 0) + one.units
    assert all(units <= rooms[sku][at] for (sku, at), units in taken.items())
    assert not (complete and found.sent and found.missing)
    assert priced(case(rooms, *lines), policy, found.sent)[0] == len(found.parcels)
