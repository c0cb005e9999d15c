"""The same designs against light systems and against the vendors' own connectors and simulators, side by side.

``python -m bench.against`` plays a morning of a made-up wholesaler both ways and prints, as Markdown, what each design sold and called.
Nothing is judged here: ``tests/simulation/test_against_simulators.py`` holds the two together. Two runs print the same figures.
``--orders`` plays more or fewer of them, ``--shop`` and ``--erp`` other vendors.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from syncline.model.copying import replace
from syncline.simulate.against import accounts_of, shapes_of
from syncline.simulate.case import Case, Setting, cut
from syncline.simulate.history import generate_history, stock_case
from syncline.simulate.play import Figures
from syncline.simulate.stage import LIGHT, SIMULATORS
from syncline.simulate.whatif import play_all, quiet

DESIGNS = ("batch:15m", "realtime", "hybrid")
ORDERS, SKUS = 60, 40
SCARCE = 12  # so much less stock than the case gives, or nothing would run out within a morning
SPLIT = (0.6, 0.4)


def case_of(orders: int = ORDERS, skus: int = SKUS, split: Sequence[float] = SPLIT, seed: int = 3) -> Case:
    """A morning of orders, and stock that does not last."""
    history = generate_history(seed, orders=orders, skus=skus)
    stock = stock_case(history.orders)
    scarce = {sku: max(1, units // SCARCE) for sku, units in stock.target.items()}
    return cut(history.orders, replace(stock, target=scarce), from_ms=0, to_ms=1 << 60, split=split)


def play_both(
    case: Case,
    designs: Sequence[str] = DESIGNS,
    *,
    shop: str = "",
    erp: str = "",
    processes: int = 1,
    **more: Any,
) -> dict[str, dict[str, Figures]]:
    """The figures of each design, against either; ``more`` is of all settings."""
    accounts = accounts_of(case.channels, case.erp, None, shop=shop, erp_vendor=erp)
    ways: dict[str, dict[str, Any]] = {
        LIGHT: {"shapes": shapes_of(accounts, case.erp)},
        SIMULATORS: {"accounts": accounts},
    }
    return {
        name: {
            one.setting.design: one
            for one in play_all(
                case, [Setting(design, **way, **more) for design in designs], processes=processes
            )
        }
        for name, way in ways.items()
    }


def calls(figures: Figures, erp: str) -> Counter[str]:
    """Calls of the ERP, and of all channels together, by what they were for."""
    found: Counter[str] = Counter()
    for system, counted in figures.operations.items():
        for what, count in counted.items():
            kind, _, operation = what.partition(" ")
            if kind == "calls":
                at_erp = system == erp
                if at_erp and operation.startswith(
                    "read "
                ):  # each vendor calls what tells of changes otherwise
                    operation = "reads of changes"
                found[f"{'ERP' if at_erp else 'channels'}: {operation}"] += count
    return found


def table(found: dict[str, dict[str, Figures]], erp: str) -> str:
    """All of it as Markdown: each design's two ways beside each other."""
    designs = list(found[LIGHT])
    heads = [f"{design}, {way}" for design in designs for way in (LIGHT, SIMULATORS)]
    lines = ["| | " + " | ".join(heads) + " |", "|---" + "|---:" * len(heads) + "|"]

    def row(name: str, cells: Sequence[int]) -> None:
        lines.append(f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")

    played = [found[way][design] for design in designs for way in (LIGHT, SIMULATORS)]
    row("units sold", [one.truth.sold for one in played])
    row("units oversold", [one.truth.oversold for one in played])
    row("units hidden", [one.truth.hidden for one in played])
    row("numbers written", [sum(n for at, n in one.writes.items() if at != erp) for one in played])
    counted = [calls(one, erp) for one in played]
    for name in sorted(set().union(*counted)):
        row(f"calls, {name}", [each[name] for each in counted])
    row("calls, all", [each.total() for each in counted])
    return "\n".join(lines)


def main() -> None:
    """Both ways, from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--shop", default="")
    parser.add_argument("--erp", default="")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    quiet()
    case = case_of(arguments.orders)
    found = play_both(case, shop=arguments.shop, erp=arguments.erp)
    print(table(found, case.erp))
    if arguments.json:
        figures = {way: {name: one.json() for name, one in each.items()} for way, each in found.items()}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
