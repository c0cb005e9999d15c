"""``syncline simulator``: a vendor's behaviour on a local port, for people."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(simulator)


def simulator(
    system: str = typer.Argument(
        help="Which one: shopify, adobe-commerce, netsuite, business-central, or past for both with a history."
    ),
    port: int = typer.Option(
        9101, "--port", min=1, max=65_535, help="Loopback port to listen on; past takes the next one, too."
    ),
    erp: str = typer.Option(
        "netsuite", "--erp", help="Which ERP goes with past: netsuite or business-central."
    ),
    seed: int = typer.Option(1, "--seed", help="Seed of its answer times and its goods."),
) -> None:
    """Serve a strict simulator of a vendor's API on 127.0.0.1, with a few goods in it."""
    import asyncio

    from syncline.simulate.serve import serve_simulator

    asyncio.run(serve_simulator(system, port=port, seed=seed, say=typer.echo, erp=erp))
