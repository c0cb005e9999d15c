"""Which number may be shown? A pure function of the ERP's figures, the demand they cannot contain, and a rule."""

from __future__ import annotations

from decimal import Decimal

from syncline.inventory.availability import Demand, outstanding, publish
from syncline.inventory.rules import QuantityRule, fixed
from syncline.model.records import StockLevel

NINE = 9 * 3_600_000  # nine o'clock, on the ERP's clock


def figure(location: str, available: int, *, stamp_ms: int) -> StockLevel:
    """What the ERP says of the SKU at one location, true at a moment of its own clock."""
    return StockLevel(
        "MUG-BLUE", location, Decimal(available), Decimal(available), Decimal(0), erp_stamp_ms=stamp_ms
    )


levels = {"1": figure("1", 10, stamp_ms=NINE), "2": figure("2", 4, stamp_ms=NINE)}

demands = [
    # The ERP has held this order since a minute before nine: the figure of nine contains it already.
    Demand("shop", "1001", "a", "1", "MUG-BLUE", 3, erp_quantity=3, erp_stamp_ms=NINE - 60_000),
    # The ERP took this one a minute after nine: the figure of nine cannot contain it.
    Demand("shop", "1002", "a", "1", "MUG-BLUE", 2, erp_quantity=2, erp_stamp_ms=NINE + 60_000),
    # Nobody has told the ERP of this one, and the shop has not said where it will be taken from.
    Demand("shop", "1003", "a", "", "MUG-BLUE", 1),
]
unseen = {"2": 1}  # the shop's own number fell by one, and no order explains it
rule = QuantityRule(safety_stock=1, buffer=fixed(2), cap=50)

shown = publish(levels, demands, unseen, rule, ["1", "2"])

for at, level in levels.items():
    print(
        f"location {at}: the ERP says {level.available}, safety stock {rule.safety_at(at)}, supply {shown.supply[at]}"
    )
for demand in demands:
    print(
        f"order {demand.order_key}: wants {demand.quantity}, still to subtract {outstanding(demand, levels, 0)}"
    )
print(f"fell without an order: {shown.unseen}")
print(f"pool {shown.pool}, buffer {rule.buffer}, shown {shown.total}: {shown.by_location}")

# 10 - 1 and 4 - 1 are 12; less 2 and 1 of demand and 1 unseen leaves 8; less the buffer, 6.
assert (shown.pool, shown.total, shown.by_location) == (8, 6, {"1": 5, "2": 1})
