"""How far places are from one another, and where postcodes are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.routing.places import EARTH_KM, Places, Point, distance_km, place_key

points = st.builds(Point, st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (Point(36.12, -86.67), Point(33.94, -118.40), 2886.45),  # two airports, the usual worked example
        (Point(0, 0), Point(0, 180), EARTH_KM * 3.14159265),  # half around
        (Point(90, 0), Point(-90, 77), EARTH_KM * 3.14159265),  # pole to pole
        (Point(0, 179.5), Point(0, -179.5), 111.195),  # across the date line
        (Point(51.5, -0.1), Point(51.5, -0.1), 0.0),
    ],
)
def test_known_distances(one, other, km):
    assert distance_km(one, other) == pytest.approx(km, rel=1e-4, abs=1e-9)


@given(points, points, points)
def test_a_distance_is_a_distance(one, other, third):
    there = distance_km(one, other)
    assert 0 <= there <= EARTH_KM * 3.1415927
    assert distance_km(other, one) == pytest.approx(there, abs=1e-6)
    assert there <= distance_km(one, third) + distance_km(third, other) + 1e-6


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(91, 0), (-91, 0), (0, 181), (0, -181), (float("nan"), 0)]
)
def test_what_is_nowhere_is_refused(latitude, longitude):
    with pytest.raises(ValueError, match="latitude"):
        Point(latitude, longitude)


@pytest.mark.parametrize(
    ("country", "postcode", "found"),
    [
        ("US", "55425", 1),
        ("us", " 55425-1234", 1),
        ("GB", "sw1a 1aa", 2),
        ("GB", "SW1A2BB", None),
        ("GB", "SW1A 2BB", 3),
        ("FR", "75001", 4),
        ("", "55425", None),
        ("US", "", None),
        ("US", "99999", None),
    ],
)
def test_a_postcode_is_found_whole_or_by_its_area(country, postcode, found):
    table = {("US", "55425"): 1, ("GB", "SW1A 1AA"): 2, ("GB", "SW1A"): 3, ("", "75001"): 4}
    places = Places({place_key(*at): Point(n, n) for at, n in table.items()})
    assert places.find(country, postcode) == (None if found is None else Point(found, found))
