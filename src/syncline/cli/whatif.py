"""``syncline whatif``: what batch, real-time and hybrid would have cost, over one's own orders."""

from __future__ import annotations

from pathlib import Path

import typer

DESIGNS = ["batch:15m", "realtime", "hybrid"]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(whatif)


def whatif(
    orders: Path | None = typer.Option(
        None,
        "--orders",
        help="An order history, CSV or CSV.gz, one row an order line; default: a made-up one.",
    ),
    design: list[str] = typer.Option(
        DESIGNS,
        "--design",
        metavar="DESIGN",
        help="What keeps the channels' numbers: batch:15m or poll:2m (any duration), daily, realtime, hybrid. Several are compared.",
    ),
    plan: Path | None = typer.Option(
        None,
        "--plan",
        help="A plan.toml: `hybrid` is fed as planned, on the plan's channels, and the calls of all its flows are told.",
    ),
    against: str = typer.Option(
        "light",
        "--against",
        help="`light`: quick systems made up for this; `simulators`: the vendors' own connectors and strict simulators, at a hundred times the cost.",
    ),
    shop: str = typer.Option(
        "",
        "--shop",
        help="Without --plan: the vendor of all shops, such as shopify. Simulators: shopify if not said; light: nobody's.",
    ),
    erp: str = typer.Option(
        "",
        "--erp",
        help="Without --plan: the vendor of the ERP, such as netsuite. Simulators: netsuite if not said; light: nobody's.",
    ),
    seed: int = typer.Option(1, "--seed", help="Seed of everything that is drawn."),
    checkouts: str = typer.Option(
        "seen",
        "--checkouts",
        metavar="seen|unseen",
        help="`seen`: a channel reports an order at once; `unseen`: only when the buyer has paid.",
    ),
    checkout_minutes: float = typer.Option(
        2.0,
        "--checkout-minutes",
        metavar="MINUTES",
        help="How long a buyer is committed before the order is known, if unseen.",
    ),
    buffer: str = typer.Option(
        "0", "--buffer", metavar="UNITS", help="Units kept back on every channel: 2, 5% or auto."
    ),
    lost: float = typer.Option(
        0.0, "--lost", metavar="SHARE", help="Share of all events that never arrive, such as 0.01."
    ),
    outage_minutes: int = typer.Option(
        0,
        "--outage-minutes",
        metavar="MINUTES",
        min=0,
        max=720,
        help="Minutes each day in which no system can be reached.",
    ),
    outage_at: str = typer.Option("12:00", "--outage-at", metavar="HH:MM", help="When they begin, UTC."),
    channels: int | None = typer.Option(
        None, "--channels", help="How many channels sell the stock; default 3, or as many as --split has."
    ),
    split: str = typer.Option(
        "",
        "--split",
        metavar="A/B/C",
        help="Their shares of the orders, such as 60/25/15. Default 60/25/15; else equal.",
    ),
    limit: float = typer.Option(
        10.0, "--limit", help="Calls a second that each light channel allows; 0: any number."
    ),
    from_: str = typer.Option(
        "", "--from", metavar="DATE", help="First day that is played, such as 2026-03-01; default: all."
    ),
    to: str = typer.Option("", "--to", metavar="DATE", help="First day that is played no more."),
    lines: int = typer.Option(0, "--lines", min=0, help="End with the order that has line number N; 0: all."),
    column: list[str] = typer.Option(
        [],
        "--column",
        metavar="OURS=THEIRS",
        help="A column that the file calls otherwise, as ours=theirs: sku='Lineitem sku'.",
    ),
    goods: str = typer.Option(
        "auto",
        "--goods",
        metavar="auto|digits|all",
        help="`digits`: only SKUs that begin with a digit are goods, order ids with C or A are none; `all`: everything; `auto`: as the file looks.",
    ),
    drop_repeats: bool = typer.Option(
        False, "--drop-repeats", help="Leave out a line that is in its order already."
    ),
    generate_orders: int = typer.Option(
        2_000, "--generate-orders", min=1, max=1_000_000, help="Without --orders: how many are made up."
    ),
    generate_skus: int = typer.Option(
        1_500, "--generate-skus", min=1, max=100_000, help="Without --orders: of how many SKUs."
    ),
    orders_per_hour: float | None = typer.Option(
        None,
        "--orders-per-hour",
        min=0.01,
        max=100_000,
        help="Without --orders: how many in an open hour; default 15, or as many as --plan has.",
    ),
    cost_call: str = typer.Option(
        "0", "--cost-call", metavar="AMOUNT", help="What a call costs, in your currency."
    ),
    cost_oversold: str = typer.Option(
        "0", "--cost-oversold", metavar="AMOUNT", help="What a unit costs that was sold and not there."
    ),
    cost_hidden: str = typer.Option(
        "0", "--cost-hidden", metavar="AMOUNT", help="What a unit costs that was there and not sold."
    ),
    processes: int = typer.Option(
        2, "--processes", min=1, max=64, help="How many designs are played side by side."
    ),
    html: Path | None = typer.Option(None, "--html", help="Write the report to this file."),
    json: Path | None = typer.Option(None, "--json", help="Write the figures to this file."),
    ledger: Path | None = typer.Option(
        None, "--ledger", help="Write what the figures were counted from to this file, CSV, one row an event."
    ),
) -> None:
    """Play past orders under several designs: what each oversells, hides, calls and writes, and how late it is.

    The real engine on a virtual clock, between systems that are made up, or the vendors' simulators. The same history, options and seed give the same files.
    """
    from syncline.cli.whatif_run import Ask, run

    run(
        Ask(
            orders=orders,
            designs=tuple(design),
            plan=plan,
            against=against,
            shop=shop,
            erp=erp,
            seed=seed,
            checkouts=checkouts,
            checkout_minutes=checkout_minutes,
            buffer=buffer,
            lost=lost,
            outage_minutes=outage_minutes,
            outage_at=outage_at,
            channels=channels,
            split=split,
            limit=limit,
            from_=from_,
            to=to,
            lines=lines,
            columns=tuple(column),
            goods=goods,
            drop_repeats=drop_repeats,
            generate_orders=generate_orders,
            generate_skus=generate_skus,
            orders_per_hour=orders_per_hour,
            cost_call=cost_call,
            cost_oversold=cost_oversold,
            cost_hidden=cost_hidden,
            processes=processes,
            html=html,
            json=json,
            ledger=ledger,
        )
    )
