"""``syncline token``: a way in when no administrator's token is known any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

from syncline.cli.operate import CONFIG, JSON


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(token)


def token(
    account: str = typer.Option(
        "",
        "--account",
        metavar="NAME",
        help="Whose, where several are administrators. By default `admin`, or the only one.",
    ),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Give an administrator a new token, on the server itself, while the service is stopped."""
    import msgspec

    from syncline.runtime.clock import SystemClock
    from syncline.runtime.config import server_of, store_of
    from syncline.web.anew import token_anew

    store, folder = store_of(config)
    file = folder / server_of(config).token_file
    made = asyncio.run(token_anew(store, folder, file, SystemClock(), account))
    if json:
        typer.echo(msgspec.json.encode(made).decode())
        return
    typer.echo(
        f"{made.name} has a new token, which is in {made.file}. The one before and its sessions have ended. Start the service."
    )
