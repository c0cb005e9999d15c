"""``syncline run``: the service."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from syncline.cli.operate import CONFIG


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(run)


def run(
    config: Path = CONFIG,
    shadow: bool = typer.Option(
        False, "--shadow", help="Compare and write nothing, for the routes named, or for all."
    ),
    routes: list[str] | None = typer.Argument(
        None, metavar="ROUTE", help="With --shadow: which routes, such as 'inventory:erp->shop'."
    ),
) -> None:
    """Keep the configured systems in agreement until stopped."""
    import uvloop

    from syncline.model.errors import Misconfigured
    from syncline.runtime.config import load
    from syncline.runtime.logs import configure
    from syncline.web.serve import serve

    if routes and not shadow:
        raise Misconfigured("routes are named with --shadow only; every configured route runs")
    configure()
    uvloop.run(
        serve(
            load(config),
            say=typer.echo,
            shadow=tuple(routes or ()) if shadow else None,
            terminal=sys.stdout.isatty(),
        )
    )
