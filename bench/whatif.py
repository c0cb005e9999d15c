"""The published stock case: what each design oversells, hides, calls and writes, and the goals that are held to it.

The plays are those of ``syncline whatif``; here are its rows for the published history, and what must come out.

Three channels sell one stock (``syncline.simulate.case``). With checkouts *seen*, a channel reports an order
at once; *unseen*, the buyer commits two minutes before any system but the channel knows, which is where buffers
are compared: what they still let be sold twice, against what they hide from buyers. Some rows lose events,
or lose everybody for ten minutes a day. ``FULL=1`` plays the whole history instead of its two busiest months.

``python -m bench.whatif "unseen, hybrid"`` plays only the rows whose names begin so, and judges nothing.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.harness import Meter, Report, orders_file
from syncline.freshness.risk import EPSILON
from syncline.inventory.rules import AUTO_BUFFER, NO_BUFFER, Buffer, fixed, percent
from syncline.simulate.case import CHANNELS, ERP, Case, Setting, cut
from syncline.simulate.history import DAY_MS, History, generate_history, read_history, stock_case
from syncline.simulate.lean import BATCH_MAX, CALL_S, ERP_CALL_S, EVENT_S, Outage
from syncline.simulate.play import Play
from syncline.simulate.whatif import quiet

NAME = "whatif"
BATCH = "batch:15m"
FIXED = (1, 3, 10)
PERCENT = (1, 5, 10)
EPSILONS = (EPSILON, 0.005)  # of auto buffers: the default, and one more point of its curve
LOST = 0.01
# Noon is the busiest hour of the history; every day, or the row would be one draw.
OUTAGE = Outage(at_ms=12 * 3_600_000, minutes=10)
FEWER_LEAST = 99.0  # per cent fewer oversold units than the batch, checkouts seen
SOLD_LEAST = 99.5  # per cent of what instant perfect knowledge sells
QUICK_DAYS = 4


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a history that is played; sent to the processes instead of the orders."""

    path: Path | None
    from_ms: int
    to_ms: int


def settings() -> list[Setting]:
    """Every row of the table; the last point of each curve only where time is no matter."""
    epsilons = EPSILONS if full() else EPSILONS[:1]
    rows = [Setting(design) for design in (BATCH, "realtime", "hybrid")]
    rows += [Setting(design, "unseen") for design in (BATCH, "realtime", "hybrid")]
    rows += [Setting("hybrid", "unseen", buffer=buffer) for curve in curves() for buffer in curve]
    rows += [Setting("hybrid", "unseen", buffer=AUTO_BUFFER, epsilon=epsilon) for epsilon in epsilons]
    rows += [Setting(design, lost=LOST) for design in ("realtime", "hybrid")]
    rows += [Setting(design, outage=OUTAGE) for design in (BATCH, "realtime", "hybrid")]
    return rows


def curves() -> tuple[list[Buffer], list[Buffer]]:
    """Fixed and per-cent buffers, smallest first; the largest of each only where time is no matter."""
    points = None if full() else -1
    return [fixed(units) for units in FIXED[:points]], [percent(share) for share in PERCENT[:points]]


def full() -> bool:
    """Whether the whole history is asked for."""
    return os.environ.get("FULL") == "1"


def load(path: Path | None) -> History:
    """The history at a path, or one made from a seed."""
    return read_history(path) if path is not None else generate_history(1, orders=6_000, skus=1_500)


def busiest(history: History) -> tuple[int, int]:
    """The two consecutive months with the most order lines, as a span of milliseconds."""
    lines: Counter[int] = Counter()
    for order in history.orders:
        at = datetime.fromtimestamp(order.placed_at_ms / 1000, UTC)
        lines[at.year * 12 + at.month - 1] += len(order.lines)
    first = max(sorted(lines), key=lambda month: lines[month] + lines[month + 1])
    return _month_ms(first), _month_ms(first + 2)


def _month_ms(month: int) -> int:
    return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000)


_case: Case | None = None  # of this process


def _open(part: Slice) -> None:
    global _case  # noqa: PLW0603 (one case a process; sending it with every setting would cost more than reading)
    history = load(part.path)
    _case = cut(history.orders, stock_case(history.orders), from_ms=part.from_ms, to_ms=part.to_ms)
    quiet()


def _play(setting: Setting) -> tuple[dict[str, Any], float]:
    assert _case is not None
    began = time.process_time()
    return Play(_case, setting).play().json(), time.process_time() - began


def _longest_first(row: Setting) -> tuple[bool, bool, bool]:
    """What takes long begins first, so that no process is left with it alone at the end."""
    return row.buffer != AUTO_BUFFER, row.buffer == NO_BUFFER, row.design == BATCH


def play(part: Slice, rows: Sequence[Setting], *, processes: int) -> tuple[list[dict[str, Any]], float]:
    """Every setting, side by side; the results stand as the settings do. And the processor seconds of all."""
    found: dict[int, dict[str, Any]] = {}
    began = time.perf_counter()
    used_s = 0.0
    with ProcessPoolExecutor(processes, initializer=_open, initargs=(part,)) as pool:
        order = sorted(range(len(rows)), key=lambda n: _longest_first(rows[n]))
        futures = {pool.submit(_play, rows[n]): n for n in order}
        for done in as_completed(futures):
            one, cpu_s = done.result()
            found[futures[done]] = one
            used_s += cpu_s
            took = time.perf_counter() - began
            figures = f"{one['units_oversold']:,} oversold, {one['units_hidden']:,} hidden"
            print(
                f"  {len(found):>2} of {len(rows)} after {took:4.0f} s: {_name(one)}: {figures}", flush=True
            )
    return [found[n] for n in range(len(rows))], used_s


def _name(one: dict[str, Any]) -> str:
    trouble = f", {one['lost']:.0%} of events lost" if one["lost"] else ""
    trouble += f", {one['outage_minutes']} min outage a day" if one["outage_minutes"] else ""
    buffer = f", buffer {one['buffer']}" if one["buffer"] != str(NO_BUFFER) else ""
    buffer += f" at {one['epsilon']:g}" if one["epsilon"] != EPSILON else ""
    return f"{one['checkouts']}, {one['design']}{buffer}{trouble}"


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table as printed, a line a run."""
    heads = (("sold", 10), ("of perfect", 10), ("oversold", 9), ("orders", 7), ("hidden", 8), ("calls", 7),
             ("values", 9), ("reads", 7))  # fmt: skip
    lines = [f"{'checkouts, design':<46}" + " ".join(f"{head:>{width}}" for head, width in heads)]
    for one in rows:
        every, values, reads = (sum(one[what].values()) for what in ("calls", "writes", "reads"))
        calls = every - reads
        lines.append(
            f"{_name(one):<46}{one['units_sold']:>10,} {one['share_of_sellable']:>10.3%} {one['units_oversold']:>9,} "
            f"{one['orders_oversold']:>7,} {one['units_hidden']:>8,} {calls:>7,} {values:>9,} {reads:>7,}"
        )
    return lines


def oversold_at(points: Sequence[tuple[int, int]], hidden: int) -> float:
    """What a kind of buffer oversells where it hides so many units, from its (hidden, oversold) points.

    Between two points it may do what a mix of both does; beyond the last, what the last does.
    """
    ordered = sorted(points)
    for (at, over), (next_at, next_over) in pairwise(ordered):
        if at <= hidden <= next_at:
            part = (hidden - at) / max(1, next_at - at)
            return over + part * (next_over - over)
    return ordered[0][1] if hidden < ordered[0][0] else ordered[-1][1]


def judge(report: Report, rows: Sequence[dict[str, Any]], *, gated: bool = True) -> None:
    """Hold the goals to the rows."""

    def of(checkouts: str, design: str, buffer: str = str(NO_BUFFER)) -> dict[str, Any]:
        return next(
            one
            for one in rows
            if (one["checkouts"], one["design"], one["buffer"]) == (checkouts, design, buffer)
            and not one["lost"]
            and not one["outage_minutes"]
            and one["epsilon"] == EPSILON
        )

    batch, hybrid = of("seen", BATCH), of("seen", "hybrid")
    fewer = 100 * (1 - hybrid["units_oversold"] / max(1, batch["units_oversold"]))
    report.add("seen: fewer oversold units than 15-minute batch", fewer, "%", least=FEWER_LEAST, gated=gated)
    share = hybrid["share_of_sellable"] * 100
    report.add("seen: sold of what perfect knowledge sells", share, "%", least=SOLD_LEAST, gated=gated)
    for checkouts in ("seen", "unseen"):
        ours, theirs = of(checkouts, "hybrid"), of(checkouts, "realtime")
        report.add(
            f"{checkouts}: oversold units",
            ours["units_oversold"],
            most=theirs["units_oversold"],
            gated=gated,
        )
        for what, more, less in (
            ("calls", "calls", None),
            ("calls that write", "calls", "reads"),
            ("values", "writes", None),
        ):
            here, there = (
                sum(one[more][name] - (one[less][name] if less else 0) for name in CHANNELS)
                for one in (ours, theirs)
            )
            report.add(
                f"{checkouts}: {what} to channels, of real-time's",
                here / there * 100,
                "%",
                most=99.99,
                gated=gated,
            )
    auto = of("unseen", "hybrid", str(AUTO_BUFFER))
    none = of("unseen", "hybrid")
    for kind, buffers in zip(("fixed", "per cent"), curves(), strict=True):
        curve = [of("unseen", "hybrid", str(buffer)) for buffer in buffers]
        points = [(one["units_hidden"], one["units_oversold"]) for one in (none, *curve)]
        there = oversold_at(points, auto["units_hidden"])
        report.add(
            f"unseen: auto oversells, of a {kind} buffer that hides as many",
            auto["units_oversold"] / max(there, 1e-9) * 100,
            "%",
            most=99.99,
            gated=gated,
        )
    report.add(
        "parked, or different from the truth at the end",
        sum(o["parked"] + o["numbers_differ"] for o in rows),
        most=0,
        gated=gated,
    )


def span(history: History, *, quick: bool = False) -> tuple[int, int]:
    """What is played: the two busiest months, or with ``FULL=1`` everything; with ``quick`` four days."""
    from_ms, to_ms = busiest(history)
    if full():
        return 0, history.orders[-1].placed_at_ms + DAY_MS
    return (to_ms - QUICK_DAYS * DAY_MS if quick else from_ms), to_ms


def run(*, quick: bool = False) -> Report:
    """All rows of the table, and the goals; with ``quick`` nothing is gated."""
    report = Report(NAME)
    path = orders_file()
    history = load(path)
    from_ms, to_ms = span(history, quick=quick)
    inside = [order for order in history.orders if from_ms <= order.placed_at_ms < to_ms]
    meter = Meter()
    rows, used_s = play(Slice(path, from_ms, to_ms), settings(), processes=min(2, os.cpu_count() or 1))
    for line in table(rows):
        report.notes.append(line)
    judge(report, rows, gated=not quick)
    first, last = (datetime.fromtimestamp(inside[n].placed_at_ms / 1000, UTC).date() for n in (0, -1))
    lines = sum(len(order.lines) for order in inside)
    source = path.name if path else "generated"
    report.notes.append(
        f"{source} history, {first} to {last}: {len(inside):,} orders, {lines:,} lines; perfect knowledge sells "
        f"{rows[0]['units_sellable']:,} units"
    )
    report.notes.append(
        f"delays: events {EVENT_S[0]}-{EVENT_S[1]} s, a channel's calls {CALL_S[0]}-{CALL_S[1]} s, the ERP's "
        f"{ERP_CALL_S[0]}-{ERP_CALL_S[1]} s; up to {BATCH_MAX} values in a call; polls every 4 minutes (batch: 15)"
    )
    report.notes.append("calls write, reads do not; values are numbers written, the ERP's orders among both")
    report.data = {
        "history": source,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "delays_s": {"event": EVENT_S, "call": CALL_S, "erp_call": ERP_CALL_S},
        "systems": [*CHANNELS, ERP],
        "runs": rows,
    }
    report.add("took", meter.wall_s(), "s")
    report.add("processor time of all runs", used_s, "s")
    return report


def main() -> None:
    """Some rows from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="+", metavar="row", help="how the rows to play begin, as in the table")
    arguments = parser.parse_args()
    path = orders_file()
    wanted = [one for one in settings() if _name(one.json()).startswith(tuple(arguments.rows))]
    if not wanted:
        parser.error("no row begins so; there are " + "; ".join(_name(one.json()) for one in settings()))
    rows, _ = play(Slice(path, *span(load(path))), wanted, processes=min(2, os.cpu_count() or 1))
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
