"""Where places are, and how far they are from one another over the ground."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import asin, cos, radians, sin, sqrt

EARTH_KM = 6371.0088  # mean radius R1 of the ellipsoid of GRS 80 (H. Moritz, Geodetic Reference System 1980)
_BREAK = re.compile(r"[\s-]")


@dataclass(frozen=True, slots=True)
class Point:
    """Degrees north and east."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        """Refuse what is nowhere.

        Raises:
            ValueError: it is not on Earth.
        """
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError(f"{self.latitude}, {self.longitude} is no latitude and longitude in degrees")


def distance_km(one: Point, other: Point) -> float:
    """The great-circle distance, by the haversine formula (R. W. Sinnott, Sky and Telescope 68, 1984, p. 159).

    It takes the Earth for a sphere, which is wrong by half a per cent at most; roads are longer by more than that.
    """
    north, other_north = radians(one.latitude), radians(other.latitude)
    by_north = sin((other_north - north) / 2) ** 2
    by_east = sin(radians(other.longitude - one.longitude) / 2) ** 2
    half = by_north + cos(north) * cos(other_north) * by_east
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))


@dataclass(frozen=True, slots=True)
class Places:
    """Where postcodes are, as the user's table has them: country ("" for every one) and postcode to a point."""

    known: Mapping[tuple[str, str], Point] = field(default_factory=dict)

    def find(self, country: str, postcode: str) -> Point | None:
        """The point of a postcode, or of the area that it names first: ``12345-6789``, ``SW1A 1AA``.

        A table of whole postcodes and one of areas both do. ``None``: the table has neither.
        """
        text = postcode.strip().upper()
        area = _BREAK.split(text, maxsplit=1)[0]
        for code in (_BREAK.sub("", text), area):
            for of in (country.upper(), ""):
                found = self.known.get((of, code)) if code else None
                if found is not None:
                    return found
        return None


def place_key(country: str, postcode: str) -> tuple[str, str]:
    """How a table's row is kept."""
    return country.strip().upper(), _BREAK.sub("", postcode.strip().upper())
