"""``syncline run``: the service."""

from __future__ import annotations

from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(run)


def run(
    config: Path = typer.Option(Path("syncline.toml"), "--config", "-c", help="The configuration file."),
) -> None:
    """Keep the configured systems in agreement until stopped."""
    import uvloop

    from syncline.runtime.config import load
    from syncline.runtime.logs import configure
    from syncline.web.serve import serve

    configure()
    uvloop.run(serve(load(config), say=typer.echo))
