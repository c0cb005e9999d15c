"""What a light system takes from the vendor that it stands for: how many calls a thing needs, and how much one carries.

A light system without a vendor makes one call for everything and tells all of an order in its event. With a plan, each has the
figures of the vendor's sheet (``planner/vendors.toml``), so that what is played and what is predicted are of the same
vendor; a play against the vendors' own simulators shows how true both are (``syncline.simulate.against``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from syncline.planner.vendors import Vendor

PLACES = 3
ONE_PLACE = frozenset(
    {"adobe_commerce"}
)  # goods of several would have to be moved: see its connector's README, gaps
VALUES_MAX = 250  # in a call, where nobody's figures are taken: what Shopify's inventorySetQuantities takes


@dataclass(frozen=True, slots=True)
class Shape:
    """Counts of one system.

    Of a channel: locations that it shows numbers for, values in a call, calls that write them, orders in a call that reads them whole (0: events and reads of
    changes tell all of them), and whether it tells each number that a sale has lowered by an event of its own. Of an ERP: calls of an order, one after the other; of a read of changes that finds nothing, and those
    besides where it finds something.
    """

    places: int = PLACES
    values_per_call: int = VALUES_MAX
    write_calls: int = 1
    orders_whole: int = 0
    tells_numbers: bool = False
    order_calls: int = 1
    read_calls: int = 1
    news_calls: int = 0


NOBODYS = Shape()


def places_of(vendors: Iterable[str], shapes: Iterable[Shape]) -> int:
    """How many locations are played with channels of these vendors, and of these figures: as many as each of them shows."""
    one = any(vendor in ONE_PLACE for vendor in vendors) or any(shape.places == 1 for shape in shapes)
    return 1 if one else PLACES


def shape_of(vendor: Vendor) -> Shape:
    """The figures of a vendor's sheet."""
    stock, orders = vendor.writes.get("inventory"), vendor.writes.get("orders")
    told, tells = vendor.reads.get("orders"), vendor.reads.get("inventory")
    return Shape(
        places=1 if vendor.connector in ONE_PLACE else PLACES,
        values_per_call=stock.items if stock else VALUES_MAX,
        write_calls=math.ceil(stock.calls) if stock else 1,
        orders_whole=told.whole if told else 0,
        tells_numbers=bool(vendor.part == "channel" and tells and tells.event_ms),
        order_calls=orders.chain or math.ceil(orders.calls) if orders else 1,
        read_calls=tells.calls if tells else 1,
        news_calls=tells.more if tells else 0,
    )
