"""``syncline demo``: a shop, an ERP and Syncline between them, for a minute, on this machine."""

from __future__ import annotations

from pathlib import Path

import typer

from syncline.cli import files


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(demo)


def demo(
    orders: Path | None = typer.Option(
        None, "--orders", help="An order history, CSV or CSV.gz; default: a made-up one."
    ),
    speed: str = typer.Option(
        "auto",
        "--speed",
        metavar="TIMES",
        help="How many times faster than the history; auto: up to 5 orders/s.",
    ),
    seconds: float = typer.Option(
        60.0,
        "--for",
        metavar="SECONDS",
        min=1.0,
        max=86_400.0,
        help="For how many seconds orders are placed.",
    ),
    seed: int = typer.Option(1, "--seed", help="Seed of everything that is drawn."),
    port: int = typer.Option(8080, "--port", min=0, max=65_535, help="Port of the dashboard; 0: any."),
    erp: str = typer.Option("netsuite", "--erp", help="Which ERP is played: netsuite or business-central."),
    channel: str = typer.Option(
        "shopify", "--channel", help="Which shop is played: shopify or adobe-commerce."
    ),
    headless: bool = typer.Option(
        False, "--headless", help="No dashboard link, no progress bar, exit when done."
    ),
    json: Path | None = typer.Option(None, "--json", help="Write the counts to this file."),
) -> None:
    """Play a minute of trade between simulated systems, with everything going wrong, and count what came of it.

    Exits with 0 only if every promise was kept.
    """
    import sys

    import uvloop

    from syncline.cli.demo_run import run_demo
    from syncline.model.errors import Misconfigured

    for option, name in (("erp", erp), ("channel", channel)):
        if name == "files":
            raise Misconfigured(
                f"--{option} files: a demo lasts a minute, in which nobody looks what files were left; "
                f"`make simulate {option.upper()}=files` plays them"
            )
    factor: float | None = None
    if speed != "auto":
        try:
            factor = float(speed)
        except ValueError as error:
            raise Misconfigured(f"--speed {speed}: give a number such as 60, or auto") from error
        if not 0 < factor < 1e9:
            raise Misconfigured(f"--speed {speed}: must be above 0")
    files.placed(json)
    keep = sys.stdout.isatty() and not headless
    kept = uvloop.run(
        run_demo(
            orders=orders,
            speed=factor,
            seconds=seconds,
            seed=seed,
            port=port,
            erp=erp,
            channel=channel,
            headless=headless,
            json=json,
            keep=keep,
        ),
    )
    if not kept:
        raise typer.Exit(1)
