"""How sensitive each design is to demand, channels, lost events and checkout time: one row a question, a column a design.

``python -m bench.sensitivity`` plays the beginning of the two busiest months of the published history, or of a made-up one,
again and again, and changes one thing at a time. Nothing is judged. ``--orders`` plays another file, ``--lines`` more or less of it; what comes
out is worth reading from some ten thousand lines on.

*Demand* of 0.5 leaves out every second order, 2 places each order again 17 minutes later; the stock stays what was bought
for the history as it is.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import orders_file
from bench.whatif import busiest
from syncline.model.copying import replace
from syncline.simulate.case import SPLIT, Setting, cut
from syncline.simulate.history import HistoryOrder, generate_history, read_history, stock_case
from syncline.simulate.whatif import play_all, quiet

DESIGNS = ("batch:15m", "realtime", "hybrid")
LINES = 4_000
AGAIN_MS = 17 * 60_000
DEMAND = (0.5, 1.0, 2.0)
CHANNELS = (1, 3, 5)
LOST = (0.0, 0.01, 0.05)
CHECKOUT_MINUTES = (0.0, 2.0, 10.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One question: everything but one thing is as in the published case."""

    name: str
    demand: float = 1.0
    channels: int = 3
    lost: float = 0.0
    checkout_minutes: float = 0.0

    def setting(self, design: str) -> Setting:
        """What a design is asked."""
        checkouts = "unseen" if self.checkout_minutes else "seen"
        return Setting(design, checkouts, self.checkout_minutes, lost=self.lost)

    @property
    def split(self) -> tuple[float, ...]:
        """The shares of the channels."""
        return SPLIT if self.channels == len(SPLIT) else (1.0,) * self.channels


def rows() -> list[Row]:
    """Every question, those of one kind together."""
    return [
        *(Row(f"demand x {factor:g}", demand=factor) for factor in DEMAND),
        *(Row(f"channels: {count}", channels=count) for count in CHANNELS),
        *(Row(f"events lost: {lost:.0%}", lost=lost) for lost in LOST),
        *(
            Row(
                f"checkout: {minutes:g} min unseen" if minutes else "checkout: seen", checkout_minutes=minutes
            )
            for minutes in CHECKOUT_MINUTES
        ),
    ]


def demanded(orders: Sequence[HistoryOrder], factor: float) -> list[HistoryOrder]:
    """The orders of another demand: half of it, as it is, or twice of it."""
    if factor == 0.5:
        return list(orders[::2])
    again = [
        replace(one, id=f"{one.id}+", placed_at_ms=one.placed_at_ms + AGAIN_MS)
        for one in (orders if factor == 2 else ())
    ]
    return sorted([*orders, *again], key=lambda one: one.placed_at_ms)


def play(
    orders: Sequence[HistoryOrder],
    asked: Sequence[Row],
    *,
    lines: int,
    from_ms: int = 0,
    processes: int = 1,
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """The figures of every row and design."""
    stock = stock_case(orders)
    whole = cut(orders, stock, from_ms=from_ms, to_ms=1 << 60, lines_max=lines)
    inside = {one.order.id for one in whole.placings}
    slice_ = [one for one in orders if one.id in inside]
    seconds_known = any(one.placed_at_ms % 60_000 for one in orders)
    found = []
    for row in asked:
        case = cut(
            demanded(slice_, row.demand), stock, from_ms=0, to_ms=1 << 60, split=row.split,
            seconds_known=seconds_known,
        )  # fmt: skip
        figures = play_all(case, [row.setting(name) for name in DESIGNS], processes=processes)
        found.append({"row": row.name, "designs": {one.setting.design: one.json() for one in figures}})
        say(line(found[-1]))
    return found


def line(one: dict[str, Any]) -> str:
    """A row as printed: of each design the units oversold, all calls and the share of stock changes within the bound."""
    parts = [f"{one['row']:<24}"]
    for each in one["designs"].values():
        kept = each["bound_kept"]
        parts.append(
            f"{each['units_oversold']:>9,} {sum(each['calls'].values()):>8,} {'–' if kept is None else f'{kept:.2%}':>8}"
        )
    return " |".join(parts)


def heading() -> str:
    """The two lines above them."""
    above = " |".join([" " * 24, *(f"{name:>27}" for name in DESIGNS)])
    return (
        above
        + "\n"
        + " |".join([" " * 24, *[f"{'oversold':>9} {'calls':>8} {'in bound':>8}"] * len(DESIGNS)])
    )


def main() -> None:
    """All rows, from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=Path, default=orders_file())
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    quiet()
    history = read_history(arguments.orders) if arguments.orders else generate_history(1)
    print(heading())
    found = play(
        history.orders, rows(), lines=arguments.lines, from_ms=busiest(history)[0], processes=min(2, os.cpu_count() or 1),
        say=lambda text: print(text, flush=True),
    )  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
