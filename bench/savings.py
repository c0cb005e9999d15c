"""What a plan's calls would come to, beside all-real-time's, if its vendors needed fewer of them.

``python -m bench.savings`` asks the planner again and again with one figure of the vendors' sheets changed, and prints Markdown.
Nothing is played; ``--plan`` names another plan.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from syncline.model.copying import replace
from syncline.planner.choice import planned
from syncline.planner.designs import designs
from syncline.planner.question import Question
from syncline.planner.vendors import Vendor
from syncline.runtime.plan import load_plan

PLAN = Path(__file__).parent.parent / "examples" / "06_plan" / "plan.toml"
SHIPMENTS = 10
NEXT_TO_NOTHING = 0.01

Change = Callable[[Vendor], Vendor]


def shipments_together(vendor: Vendor) -> Vendor:
    """A call to a channel carries several shipments."""
    status = vendor.writes.get("order_status")
    if vendor.part != "channel" or status is None:
        return vendor
    return replace(vendor, writes={**vendor.writes, "order_status": replace(status, items=SHIPMENTS)})


def orders_in(calls: float) -> Change:
    """An order takes the ERP so many calls."""

    def change(vendor: Vendor) -> Vendor:
        orders = vendor.writes.get("orders")
        if vendor.part != "erp" or orders is None:
            return vendor
        fewer = replace(orders, calls=calls, chain=min(orders.chain, max(1, round(calls))))
        return replace(vendor, writes={**vendor.writes, "orders": fewer})

    return change


def prices_told(vendor: Vendor) -> Vendor:
    """The ERP tells which prices have changed."""
    prices = vendor.reads.get("prices")
    if vendor.part != "erp" or prices is None:
        return vendor
    return replace(vendor, reads={**vendor.reads, "prices": replace(prices, delta=True)})


ROWS: tuple[tuple[str, tuple[Change, ...]], ...] = (
    ("as it is", ()),
    ("a call carried ten shipments, to either channel", (shipments_together,)),
    ("an order took two calls instead of three", (orders_in(2),)),
    ("both", (shipments_together, orders_in(2))),
    ("an order took NetSuite no call at all, and ten shipments one", (shipments_together, orders_in(NEXT_TO_NOTHING))),
    ("NetSuite told which prices have changed", (prices_told,)),
)  # fmt: skip


def calls(question: Question, changes: tuple[Change, ...]) -> tuple[float, float]:
    """Calls a day of the plan and of all-real-time, with all vendors changed so."""
    systems = {}
    for name, system in question.systems.items():
        vendor = system.vendor
        for change in changes:
            vendor = change(vendor)
        systems[name] = replace(system, vendor=vendor)
    _, quick, mine = designs(planned(replace(question, systems=systems)))
    return mine.calls, quick.calls


def main() -> None:
    """Every row, from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plan", type=Path, default=PLAN)
    question = load_plan(parser.parse_args().plan)
    print("| if | the plan | of all-real-time |\n|---|---:|---:|")
    for name, changes in ROWS:
        mine, quick = calls(question, changes)
        print(f"| {name} | {mine:,.0f} | {mine / quick:.0%} |".replace("%", " %"))


if __name__ == "__main__":
    main()
