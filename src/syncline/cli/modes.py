"""``syncline pause | resume | shadow | live``: what may be sent, by the running service."""

from __future__ import annotations

from pathlib import Path

import typer

from syncline.cli.operate import CONFIG, JSON, call, show

ROUTE = "A route's name such as 'inventory:erp->shop' (in quotes), or its flow where only one route has it."


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(pause)
    app.command()(resume)
    app.command()(shadow)
    app.command()(live)


def pause(
    subject: str = typer.Argument(help=f"A system's name: nothing is sent to it. {ROUTE}"),
    reason: str = typer.Option("", "--reason", help="Why, for whoever looks later."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Stop sending; reading goes on and nothing is lost. It lasts, over restarts too, until `syncline resume`."""
    show(call(config, "POST", "/v1/pause", {"subject": subject, "reason": reason}), json)


def resume(
    subject: str = typer.Argument(help="What was paused."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Send again: what waits goes out as it is now, in order of deadline."""
    show(call(config, "POST", "/v1/resume", {"subject": subject}), json)


def shadow(
    route: str = typer.Argument("", help=f"{ROUTE} Without it: list what routes in shadow would write."),
    reason: str = typer.Option("", "--reason", help="Why, for whoever looks later."),
    largest: bool = typer.Option(
        False, "--largest", help="List the largest differences first, not the newest."
    ),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Let a route compare and write nothing; or list the differences found."""
    if route:
        show(call(config, "POST", "/v1/shadow", {"route": route, "reason": reason}), json)
    else:
        from syncline.cli import tell

        order = "largest" if largest else "newest"
        show(call(config, "GET", f"/v1/shadow?order={order}"), json, tell.shadow)


def live(
    route: str = typer.Argument(help=ROUTE),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Let a route in shadow write: what differs goes out in order of deadline."""
    show(call(config, "POST", "/v1/live", {"route": route}), json)
