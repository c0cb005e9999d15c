"""What ``syncline whatif`` plays, and what it prints and writes."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from syncline.cli import files
from syncline.engine.words import duration
from syncline.inventory.rules import AUTO_BUFFER, Buffer, fixed, percent
from syncline.model.errors import Misconfigured
from syncline.planner.choice import planned
from syncline.planner.vendors import Vendor, vendors
from syncline.runtime.plan import load_plan
from syncline.simulate.case import ERP, SPLIT, Case, Setting, cut, names_of
from syncline.simulate.history import (
    DAY_MS,
    OPEN_HOURS,
    ORDERS_PER_HOUR,
    History,
    generate_history,
    read_history,
    stock_case,
)
from syncline.simulate.lean import NO_OUTAGE, Outage
from syncline.simulate.planned import Staged, all_flows, staged
from syncline.simulate.play import Figures
from syncline.simulate.report.words import sentences, share
from syncline.simulate.shape import Shape, shape_of
from syncline.simulate.stage import AGAINST, LIGHT, Accounts
from syncline.simulate.whatif import Prices, play_all, quiet, result

FINDINGS_MAX = 20
DAYS_MAX = 1_100  # three years; each is read every few minutes of, whether anything was ordered or not
WIDTH = 140
MINUTES_MAX = 1_440  # of a checkout


@dataclass(frozen=True, slots=True)
class Ask:
    """The options of the command, as they were given."""

    orders: Path | None
    designs: tuple[str, ...]
    plan: Path | None
    against: str
    shop: str
    erp: str
    seed: int
    checkouts: str
    checkout_minutes: float
    buffer: str
    lost: float
    outage_minutes: int
    outage_at: str
    channels: int | None
    split: str
    limit: float
    from_: str
    to: str
    lines: int
    columns: tuple[str, ...]
    goods: str
    drop_repeats: bool
    generate_orders: int
    generate_skus: int
    orders_per_hour: float | None
    cost_call: str
    cost_oversold: str
    cost_hidden: str
    processes: int
    html: Path | None
    json: Path | None
    ledger: Path | None


def run(ask: Ask) -> None:
    """Read, play, print, write.

    Raises:
        Misconfigured: an option or the history makes no sense; nothing was played.
    """
    said = Console(stderr=True, highlight=False)
    for option, figure in (
        ("--checkout-minutes", ask.checkout_minutes),
        ("--limit", ask.limit),
        ("--lost", ask.lost),
        ("--orders-per-hour", ask.orders_per_hour or 0.0),
    ):
        if not math.isfinite(figure):
            raise Misconfigured(f"{option} {figure}: write a number")
    if ask.checkout_minutes > MINUTES_MAX:
        raise Misconfigured(
            f"--checkout-minutes {ask.checkout_minutes:g}: at most {MINUTES_MAX:,}, which is a day"
        )
    on = staged(planned(load_plan(ask.plan))) if ask.plan is not None else None
    settings = settings_of(ask, on, accounts_of(ask, on))
    prices = Prices(
        _amount(ask.cost_call, "--cost-call"),
        _amount(ask.cost_oversold, "--cost-oversold"),
        _amount(ask.cost_hidden, "--cost-hidden"),
    )
    files.placed(ask.html, ask.json, ask.ledger)
    quiet()  # before there are a million lines
    history, source = _history(ask, on, said)
    case = _case(ask, on, history)
    quiet()  # and now that they stay
    figures = _play(ask, case, settings, said)
    found = result(case, history, source, figures, prices)
    if on is not None:
        found["all_flows"] = all_flows(on, case, figures)
    if ask.json is not None:
        _write(ask.json, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if ask.html is not None:
        from syncline.simulate.report.page import page

        _write(ask.html, page(found, case, history, figures))
    _show(found)
    for path in (ask.json, ask.html, ask.ledger):
        if path is not None:
            said.print(f"written: {path}", soft_wrap=True)


def shapes_of(ask: Ask, on: Staged | None) -> dict[str, Shape]:
    """What light systems take from vendors: those of a plan, or those that are named; nothing without either.

    Raises:
        Misconfigured: a vendor is not known, or a plan says already whose the systems are.
    """
    if on is not None and (ask.shop or ask.erp):
        raise Misconfigured(
            "--shop and --erp: the plan names the vendor of each of its systems; leave them out"
        )
    if on is not None:
        return on.shapes
    names = names_of(split_of(ask.channels, ask.split))
    wanted = {**dict.fromkeys(names, ask.shop), ERP: ask.erp}
    return {name: shape_of(_sheet(vendor)) for name, vendor in wanted.items() if vendor}


def _sheet(vendor: str) -> Vendor:
    known = vendors()
    found = known.get(vendor.replace("-", "_"))
    if found is None:
        raise Misconfigured(f"{vendor}: there is no such vendor; there are {', '.join(known)}")
    return found


def accounts_of(ask: Ask, on: Staged | None) -> Accounts | None:
    """Whose simulators are played; ``None``: light systems.

    Raises:
        Misconfigured: there is none such, or options contradict each other.
    """
    if ask.against not in AGAINST:
        raise Misconfigured(f"--against {ask.against}: it is light or simulators")
    if ask.against == LIGHT:
        return None
    from syncline.simulate import against  # with the simulators of all vendors

    split = split_of(ask.channels, ask.split, on)
    names = on.channels if on is not None else names_of(split)
    return against.accounts_of(
        names, on.erp if on is not None else ERP, on, shop=ask.shop, erp_vendor=ask.erp
    )


def settings_of(ask: Ask, on: Staged | None, accounts: Accounts | None = None) -> list[Setting]:
    """One setting a design; ``on`` is what of a plan is played.

    ``accounts`` are those whose simulators are played, with the vendors' own limits.

    Raises:
        Misconfigured: a value makes no sense.
    """
    outage = (
        Outage(_minute_of_day(ask.outage_at) * 60_000, ask.outage_minutes)
        if ask.outage_minutes
        else NO_OUTAGE
    )
    return [
        Setting(
            design,
            ask.checkouts,
            ask.checkout_minutes,
            buffer=_buffer(ask.buffer),
            lost=ask.lost,
            outage=outage,
            calls_per_s=ask.limit if accounts is None else 0.0,
            seed=ask.seed,
            planned=on.fed if on is not None else {},
            accounts=accounts,
            shapes=shapes_of(ask, on) if accounts is None else {},
        )
        for design in ask.designs
    ]


def split_of(channels: int | None, split: str, on: Staged | None = None) -> tuple[float, ...]:
    """The share of each channel.

    Raises:
        Misconfigured: the two contradict each other or the plan, or are no shares.
    """
    if not split and on is not None and channels is None:
        found = on.split
    elif not split:
        count = len(SPLIT) if channels is None else channels
        found = SPLIT if count == len(SPLIT) else tuple([1.0] * count)
    else:
        parts = re.split(r"[/,]", split)
        if not all(re.fullmatch(r"\s*-?\d{1,9}(\.\d{1,9})?\s*", part) for part in parts):
            raise Misconfigured(f"--split {split}: write shares such as 60/25/15")
        found = tuple(float(part) for part in parts)
        if channels is not None and channels != len(found):
            raise Misconfigured(
                f"--channels {channels} and --split {split} contradict each other: {len(found)} shares. Leave "
                "--channels out, or name as many shares"
            )
    if on is not None and len(found) != len(on.channels):
        option = f"--split {split}" if split else f"--channels {channels}"
        raise Misconfigured(
            f"{option} contradicts the plan, in which {len(on.channels)} channels sell the stock of {on.erp}: "
            f"{', '.join(on.channels)}"
        )
    names_of(found)
    return found


def _history(ask: Ask, on: Staged | None, said: Console) -> tuple[History, str]:
    if ask.orders is None:
        usual = on.orders_per_day / OPEN_HOURS if on is not None else ORDERS_PER_HOUR
        history = generate_history(
            ask.seed,
            orders=ask.generate_orders,
            skus=ask.generate_skus,
            orders_per_hour=usual if ask.orders_per_hour is None else ask.orders_per_hour,
        )
        return history, f"a made-up history (seed {ask.seed})"
    columns = {}
    for one in ask.columns:
        ours, equals, theirs = one.partition("=")
        if not equals or not theirs:
            raise Misconfigured(f"--column {one}: write ours=theirs, such as sku='Lineitem sku'")
        columns[ours] = theirs
    history = read_history(ask.orders, goods=ask.goods, columns=columns, repeats=not ask.drop_repeats)
    findings = history.findings()
    for line in findings[:FINDINGS_MAX]:
        said.print(line, soft_wrap=True, markup=False)
    if len(findings) > FINDINGS_MAX:
        said.print(f"… and {len(findings) - FINDINGS_MAX} more kinds")
    return history, ask.orders.name


def _case(ask: Ask, on: Staged | None, history: History) -> Case:
    from_ms = _day_ms(ask.from_, "--from") if ask.from_ else 0
    to_ms = _day_ms(ask.to, "--to") if ask.to else history.orders[-1].placed_at_ms + DAY_MS
    first, last = (_day(history.orders[place].placed_at_ms) for place in (0, -1))
    try:
        case = cut(
            history.orders,
            stock_case(history.orders),
            from_ms=from_ms,
            to_ms=to_ms,
            lines_max=ask.lines,
            seconds_known=any(order.placed_at_ms % 60_000 for order in history.orders),
            split=split_of(ask.channels, ask.split, on),
            names=on.channels if on is not None else (),
            erp=on.erp if on is not None else ERP,
        )
    except Misconfigured as error:
        raise Misconfigured(f"{error}; the history has orders from {first} to {last}") from error
    days = (case.end_ms - case.begin_ms) // DAY_MS + 1
    if days > DAYS_MAX:
        raise Misconfigured(
            f"the orders to be played are of {days:,} days, from {_day(case.begin_ms)} to {_day(case.end_ms)}; {DAYS_MAX:,} can be "
            "played at once. Name a part with --from and --to, or mend the file: a moment that is a mistake stands beside a gap"
        )
    return case


def _play(ask: Ask, case: Case, settings: list[Setting], said: Console) -> list[Figures]:
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=said,
        auto_refresh=False,  # a thread of its own would be copied into the processes that play
        disable=not said.is_terminal,
    ) as progress:
        tasks = [progress.add_task(one.design, total=1.0) for one in settings]

        def say(which: int, part: float) -> None:
            progress.update(tasks[which], completed=part)
            progress.refresh()

        return play_all(
            case, settings, processes=ask.processes, draw=ask.html is not None, ledger=ask.ledger, say=say
        )


def _show(found: dict[str, Any]) -> None:
    """The table and the sentences, on standard output."""
    out = Console(highlight=False)
    if not out.is_terminal:  # a file, or another program: lines are not to be folded
        out = Console(highlight=False, width=WIDTH)
    table = Table(box=None, pad_edge=False)
    heads = (
        "design",
        "sold",
        "of perfect",
        "oversold",
        "orders",
        "hidden",
        "calls",
        "values",
        "lag p99",
        "in bound",
    )
    for head in heads:
        table.add_column(head, justify="left" if head == "design" else "right")
    for name, one in found["designs"].items():
        stock = one["lag_ms"].get("inventory")
        table.add_row(
            name,
            f"{one['units_sold']:,}",
            share(one["share_of_sellable"]),
            f"{one['units_oversold']:,}",
            f"{one['orders_oversold']:,}",
            f"{one['units_hidden']:,}",
            f"{sum(one['calls'].values()):,}",
            f"{sum(one['writes'].values()):,}",
            duration(stock["p99"]) if stock else "–",
            share(one["bound_kept"]),
        )
    out.print(table)
    for sentence in sentences(found):
        out.print(sentence, soft_wrap=True, markup=False)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be written: {error.strerror}") from error


def _buffer(text: str) -> Buffer:
    if text == "auto":
        return AUTO_BUFFER
    match = re.fullmatch(r"(\d{1,6})( ?%)?", text)
    if match is None:
        raise Misconfigured(f"--buffer {text}: write units such as 2, a part such as 5%, or auto")
    return percent(int(match[1])) if match[2] else fixed(int(match[1]))


def _amount(text: str, option: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise Misconfigured(f"{option} {text}: write an amount such as 0.002") from error
    if not amount.is_finite() or amount < 0:
        raise Misconfigured(f"{option} {text}: an amount of 0 or more")
    return amount


def _minute_of_day(text: str) -> int:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
    if match is None:
        raise Misconfigured(f"--outage-at {text}: write a time of day such as 12:00")
    return int(match[1]) * 60 + int(match[2])


def _day_ms(text: str, option: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(f"{option} {text}: write a day such as 2026-03-01") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
