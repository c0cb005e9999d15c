"""``syncline backup`` and ``syncline restore``: a copy of the store, and back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

from syncline.cli.operate import CONFIG, JSON


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    to: str = typer.Option(
        None,
        "--to",
        metavar="PATH",
        help="A file that does not exist yet, or a folder; with a slash at its end one that is made. By default `backups/` beside the configuration.",
    ),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Copy the store while the service runs, check the copy, and write its manifest beside it."""
    import msgspec

    from syncline.runtime.backup import back_up
    from syncline.runtime.clock import SystemClock
    from syncline.runtime.config import store_of

    store, folder = store_of(config)
    file, manifest = asyncio.run(back_up(store, folder, SystemClock(), to))
    if json:
        typer.echo(msgspec.json.encode({"file": str(file), "manifest": manifest}).decode())
        return
    typer.echo(
        f"{file}: {manifest.size_bytes / 1e6:.1f} MB, checked; the log up to {manifest.log_offset}, as of {manifest.taken}"
    )


def restore(
    file: Path = typer.Argument(None, help="The backup."),
    into: Path = typer.Option(None, "--into", help="Another SQLite file than that of [store]."),
    in_place: bool = typer.Option(
        False,
        "--in-place",
        help="The store was put back by other means, such as a snapshot: only prepare it.",
    ),
    unverified: bool = typer.Option(False, "--unverified", help="There is no manifest: trust the file."),
    config: Path = CONFIG,
) -> None:
    """Put a backup back, so that what was sent after it is looked up before anything is sent again."""
    from syncline.model.errors import Misconfigured
    from syncline.runtime.backup import mark_restored, put_back
    from syncline.runtime.clock import SystemClock
    from syncline.runtime.config import store_of

    if in_place == (file is not None):
        raise Misconfigured("name a backup, or give --in-place for a store that was put back already")
    store, folder = store_of(config)
    clock = SystemClock()
    if in_place:
        done = asyncio.run(mark_restored(store, folder, clock))
    else:
        done = asyncio.run(put_back(store, folder, clock, file, into=into, unverified=unverified))
    since = f", as of {done.manifest.taken}" if done.manifest else ""
    typer.echo(f"Restored: the log up to {done.held.log_offset}{since}.")
    if done.aside is not None:
        typer.echo(f"What was there before is kept as {done.aside}.")
    typer.echo(
        "The next `syncline run` reads what came since, looks it up before it sends anything, and only then sends stock. "
        "Roles, tokens and decisions about parked work are those of the backup: look at both."
    )
