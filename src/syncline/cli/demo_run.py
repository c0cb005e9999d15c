"""What ``syncline demo`` starts, and what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from syncline.model.copying import replace
from syncline.model.errors import SynclineError
from syncline.runtime.clock import SystemClock
from syncline.runtime.logs import configure
from syncline.runtime.transport import AiohttpTransport
from syncline.simulate.contract import Contract
from syncline.simulate.history import HistoryOrder, StockCase, generate_history, read_history, stock_case
from syncline.simulate.network import FaultyTransport
from syncline.simulate.scenes import Scenes, storefront
from syncline.simulate.story import DRAIN_S, ORDERS_PER_S, Outcome, Story, orders_per_s
from syncline.simulate.world import ERP, SHOP, USUAL_ERP, USUAL_SHOP, Pace, World
from syncline.stores.sqlite import LiveSqliteStore
from syncline.web.access import Role, login_link
from syncline.web.serve import Listener, Service, open_port

GENERATED_ORDERS = 4_000
DEMO_PACE = Pace(
    inventory_ms=20_000,
    orders_ms=45_000,
    order_status_ms=60_000,
    prices_ms=60_000,
    products_ms=60_000,
    poll_ms=10_000,
)
# Business Central tells of a change after half a minute, so polls find it first; and five calls at once are few after an
# outage, in which a poll fails and the next one has more to read.
DEMO_PACES = {
    "netsuite": DEMO_PACE,
    "business-central": replace(DEMO_PACE, inventory_ms=40_000, orders_ms=60_000),
}


def choose(
    orders: Path | None,
    seed: int,
    seconds: float,
    speed: float | None,
    *,
    rate: float = ORDERS_PER_S,
    spelt: Callable[[str], str] = str,
    skus_max: int = 1_000_000,
) -> tuple[list[HistoryOrder], StockCase]:
    """The part of the history that will be played, and the stock case of the whole history.

    ``rate`` is how many orders a second are placed where no speed is given; ``spelt`` is how the ERP spells a SKU. Of more
    than ``skus_max`` SKUs those are left out that come last in the history.
    """
    history = generate_history(seed, orders=GENERATED_ORDERS) if orders is None else read_history(orders)
    placed = [_spelt(order, spelt) for order in history.orders]
    known = set(list(dict.fromkeys(line.sku for order in placed for line in order.lines))[:skus_max])
    cut = [_without(order, known) for order in placed]
    played = [order for order in cut if order.lines]
    if speed is None:
        return played[: int(seconds * rate * 1.5) + 20], stock_case(placed)
    until = placed[0].placed_at_ms + seconds * 1000 * speed
    return [order for order in played if order.placed_at_ms <= until], stock_case(placed)


def _without(order: HistoryOrder, known: set[str]) -> HistoryOrder:
    lines = tuple(line for line in order.lines if line.sku in known)
    return order if len(lines) == len(order.lines) else replace(order, lines=lines)


def _spelt(order: HistoryOrder, spelt: Callable[[str], str]) -> HistoryOrder:
    if all(spelt(line.sku) == line.sku for line in order.lines):
        return order
    return replace(order, lines=tuple(replace(line, sku=spelt(line.sku)) for line in order.lines))


async def run_demo(
    *,
    orders: Path | None,
    speed: float | None,
    seconds: float,
    seed: int,
    port: int,
    headless: bool,
    json: Path | None,
    keep: bool,
    erp: str = USUAL_ERP,
    channel: str = USUAL_SHOP,
) -> bool:
    """Play the demo; returns whether every promise was kept."""
    console = Console(highlight=False)
    configure(level=logging.ERROR, plain=True)
    rng = Random(seed)
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="syncline-demo-") as folder:
        async with contextlib.AsyncExitStack() as stack:
            transport = await stack.enter_async_context(AiohttpTransport())
            world = World(
                clock=clock,
                rng=Random(rng.getrandbits(64)),
                transport=transport,
                pace=DEMO_PACES.get(erp),
                sockets=True,
                channel=channel,
                erp=erp,
            )
            books = world.erp_side
            played, case = choose(
                orders,
                seed,
                seconds,
                speed,
                rate=orders_per_s(world),
                spelt=books.spelt,
                skus_max=world.shop_side.products_max,
            )
            skus = sorted({line.sku for order in played for line in order.lines})
            world.trade.stock(case, skus)
            contract = Contract(world, Random(rng.getrandbits(64)))
            contract.open(case.prices)
            scenes = Scenes(world, Random(rng.getrandbits(64)))
            scenes.open()
            listeners = []
            for side in world.sides():
                listener = Listener(side.simulator, "127.0.0.1", 0)
                side.serve_at(listener.url)
                listener.start()
                stack.push_async_callback(listener.stop)
                listeners.append(listener.url)
            shop_url, erp_url = listeners

            store = await LiveSqliteStore.open(str(Path(folder) / "demo.sqlite"), now_ms=clock.now_ms())
            stack.push_async_callback(store.close)
            line = FaultyTransport(transport, clock, Random(rng.getrandbits(64)))
            systems = world.open_systems(
                transport,
                Random(rng.getrandbits(64)),
                shop_url=shop_url,
                erp_url=erp_url,
                erp_transport=line,
            )
            engine = world.open_engine(store, systems, Random(rng.getrandbits(64)))
            opened = stack.enter_context(open_port("127.0.0.1", port))
            service = Service.build(
                engine,
                store,
                clock,
                secret=secrets.token_bytes(32),
                public_url=f"http://127.0.0.1:{opened.getsockname()[1]}",
            )
            front = Listener(service.app, "127.0.0.1", port, opened)
            token = await service.access.first_start(Path(folder) / "demo.token")
            till = await service.access.add("storefront", Role.CHECKOUT, by="demo")
            front.start()
            stack.push_async_callback(front.stop)
            stack.push_async_callback(service.stop)
            running = service.start()
            # A simulator that ends by an error ends the demo: without its webhooks it is another vendor.
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for side in world.sides():
                stack.callback(group.create_task(side.simulator.run()).cancel)
            await world.connect(engine, lambda system: service.access.hook_url(front.url, system))

            console.print(
                f"[bold]Syncline demo[/bold]: {world.shop_side.connector.title}, {books.connector.title}, and Syncline "
                "between them."
            )
            console.print(
                f"Both are strict local simulators: {world.shop_side.licence}, {books.licence}, answer times as assumed in "
                "the docs.",
            )
            places = len(world.trade.locations)
            console.print(
                f"{len(skus)} SKUs in {places} location{'' if places == 1 else 's'}; {len(played)} orders to choose from; "
                f"seed {seed}."
            )
            console.print(f"Simulators: shop {shop_url}  ERP {erp_url}")
            console.print(f"[bold]Dashboard: {login_link(front.url, token)}[/bold]", soft_wrap=True)

            with _progress(console, headless) as progress:
                task = progress.add_task("reading both sides", total=None)
                bar = {"task": task}
                began = clock.monotonic()

                def say(sentence: str) -> None:
                    progress.console.print(f"[dim]{clock.monotonic() - began:5.1f} s[/dim]  {sentence}")

                story = Story(
                    world=world,
                    engine=engine,
                    line=line,
                    contract=contract,
                    scenes=scenes,
                    ask=storefront(transport, front.url, till),
                    clock=clock,
                    rng=Random(rng.getrandbits(64)),
                    orders=played,
                    seconds=seconds,
                    speed=speed,
                    say=say,
                    on_progress=lambda share: progress.update(bar["task"], completed=share),
                )
                if not await story.until_ready():
                    say("Reading both sides takes longer than expected; going on all the same.")
                began = clock.monotonic()
                progress.remove_task(task)
                bar["task"] = progress.add_task("trading", total=1.0)
                await story.play()
                say(f"The shop is closed. Waiting until every ledger is quiet, at most {DRAIN_S:.0f} s.")
                progress.update(bar["task"], description="settling", total=None)
                await story.drain()
            if running.done() and (error := running.exception()) is not None:
                raise error
            outcome = await story.outcome(seed)
            _print(console, outcome, engine_usage(engine), {SHOP: world.shop_side.unit, ERP: books.unit})
            if json is not None:
                _write(json, {**outcome.as_json(), "channel": channel, "erp": erp})
            if keep:
                console.print("\nThe dashboard keeps running. Ctrl-C ends it.")
                with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
                    await asyncio.Event().wait()
            return not outcome.broken()


def _write(path: Path, counts: dict[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(counts), indent=2) + b"\n")


def engine_usage(engine: object) -> dict[str, dict[str, float]]:
    """What each lane's governor says of its limit."""
    lanes = getattr(engine, "lanes", {})
    return {name: dict(lane.system.governor.usage()) for name, lane in lanes.items()}


def _progress(console: Console, headless: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=headless or not console.is_terminal,
        transient=True,
    )


def _print(
    console: Console, outcome: Outcome, usage: dict[str, dict[str, float]], units: dict[str, str]
) -> None:
    truth, scened = outcome.truth, outcome.scened
    console.print("\n[bold]What happened[/bold] (counted in the simulators' own ledgers)")
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in (
        ("orders placed", truth.orders_placed),
        ("  in the ERP", truth.orders_in_erp),
        ("  duplicated / lost", f"{truth.orders_duplicated} / {truth.orders_lost}"),
        ("  with wrong lines / totals", f"{truth.order_lines_wrong} / {truth.order_totals_wrong}"),
        ("  refused whole (nothing in stock)", truth.orders_refused),
        ("payments taken / in the ERP", f"{truth.payments_taken} / {truth.payments_in_erp}"),
        ("shipments / known to the shop", f"{truth.fulfilments_shipped} / {truth.fulfilments_at_shop}"),
        ("outside withdrawals", f"{truth.outside_withdrawals} ({truth.outside_units} units)"),
        ("units oversold", truth.units_oversold),
        (
            "units hidden (refused, though the ERP could give them)",
            f"{truth.units_hidden} of {truth.units_asked} asked",
        ),
        ("numbers that differ (SKU × location)", truth.stock_mismatches),
        (
            "contract prices / changed / shown otherwise",
            f"{outcome.contract_prices} / {outcome.contract_prices_changed} / {outcome.contract_prices_wrong}",
        ),
        ("companies / otherwise in the shop", f"{scened.companies} / {scened.companies_wrong}"),
        ("new products / otherwise in the shop", f"{scened.products_made} / {scened.products_wrong}"),
        (
            "credit approved / refused / wrongly",
            f"{scened.credit_approved} / {scened.credit_refused} / {scened.credit_wrong}",
        ),
        (
            "paid in the ERP / shown otherwise",
            f"{scened.invoices_paid} / {scened.invoices_wrong}",
        ),
        ("came back to the ERP / not refunded once", f"{scened.returns} / {scened.returns_wrong}"),
    ):
        table.add_row(name, str(value))
    console.print(table)
    lags = Table(title="Lag by flow, seconds", box=None, padding=(0, 2), title_justify="left")
    for heading in ("flow", "changes", "p50", "p99", "max", "tolerance"):
        lags.add_column(heading, justify="left" if heading == "flow" else "right")
    for flow, lag in outcome.lag_ms.items():
        lags.add_row(
            flow,
            str(lag.changes),
            *(f"{value / 1000:.1f}" for value in (lag.p50, lag.p99, lag.max, lag.tolerance)),
        )
    console.print(lags)
    for name in (SHOP, ERP):
        used = usage.get(name, {})
        console.print(
            f"{name}: {outcome.calls[name]} calls, {used.get('throttled', 0):.0f} throttled, "
            f"limit {used.get('limit', 0):.0f} {units[name]}",
        )
    console.print(f"limits breached: {outcome.limit_breaches}")
    broken = outcome.broken()
    if broken:
        console.print("\n[bold red]Not every promise was kept:[/bold red]")
        for sentence in (*broken, *outcome.unsettled):
            console.print(f"  {sentence}")
    else:
        console.print("\n[bold green]Every promise was kept.[/bold green]")


__all__ = ["SynclineError", "choose", "run_demo"]
