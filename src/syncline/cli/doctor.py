"""``syncline doctor``: what is wrong with this installation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from syncline.cli.operate import CONFIG, JSON
from syncline.cli.tell import plain

if TYPE_CHECKING:
    from syncline.runtime.doctor import Diagnosis


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(doctor)


async def _examine(config: Path) -> list[Diagnosis]:
    import secrets
    from random import Random

    from syncline.runtime.clock import SystemClock
    from syncline.runtime.doctor import examine
    from syncline.runtime.transport import AiohttpTransport

    async with AiohttpTransport() as transport:
        return await examine(config, SystemClock(), Random(secrets.randbits(64)), transport)


def doctor(
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Name what is wrong with an installation, why it matters, and how to mend it; its service may run or not."""
    import msgspec

    found = asyncio.run(_examine(config))
    if json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        for one in found:
            typer.echo(plain(f"{'ok  ' if one.ok else 'FAIL'}  {one.area}: {one.what}"))
            if not one.ok:
                typer.echo(plain(f"      why:  {one.why}\n      mend: {one.mend}"))
    if not all(one.ok for one in found):
        raise typer.Exit(1)
