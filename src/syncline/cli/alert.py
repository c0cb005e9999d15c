"""``syncline alert``: what is open, who looks after it, and whether messages get out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from syncline.cli.operate import CONFIG, JSON, call, show
from syncline.cli.tell import plain

if TYPE_CHECKING:
    from syncline.runtime.alerts import Tried


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    alert = typer.Typer(help="What Syncline tells people about.", no_args_is_help=True, rich_markup_mode=None)
    alert.command("list")(alert_list)
    alert.command("ack")(alert_ack)
    alert.command("test")(alert_test)
    alert.command("rules")(alert_rules)
    app.add_typer(alert, name="alert")


def alert_list(config: Path = CONFIG, json: bool = JSON) -> None:
    """List open alerts, those that ended in the last week, and how the ways out are doing."""
    found = call(config, "GET", "/v1/alerts")
    if json:
        show(found, json)
        return
    for alert in found["open"]:
        noted = f"  [{alert['acknowledged_by']} looks after it]" if alert["acknowledged_by"] else ""
        typer.echo(plain(f"{alert['severity']:<8}  {alert['title']}  ({alert['key']}){noted}"))
        for line in (alert["stake"], alert["mend"]):
            typer.echo(plain(f"          {line}"))
    if not found["open"]:
        typer.echo("No alert is open.")
    for way in found["ways"]:
        if way["failing_since_ms"]:
            typer.echo(plain(f"{way['name']} fails: {way['last_error']}"))


def alert_ack(
    key: str = typer.Argument(help="The alert's key, as listed."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Look after an alert: it is not repeated until it gets worse, or ends and comes back."""
    done = call(config, "POST", "/v1/alerts/ack", {"key": key})
    show(done, json, lambda done: [f"{done['acknowledged_by']} looks after it: {done['title']}"])


async def _tried(config: Path) -> list[Tried]:
    from syncline.runtime.alerts import try_ways
    from syncline.runtime.clock import SystemClock
    from syncline.runtime.config import load
    from syncline.runtime.transport import AiohttpTransport

    alerts = load(config).alerts
    async with AiohttpTransport() as transport:
        return await try_ways(alerts, SystemClock(), transport)


def alert_test(config: Path = CONFIG, json: bool = JSON) -> None:
    """Send a marked test message by every configured way, and say what came back."""
    import asyncio

    import msgspec

    from syncline.runtime.logs import configure

    configure()
    tried = asyncio.run(_tried(config))
    if json:
        typer.echo(msgspec.json.encode(tried).decode())
    else:
        for each in tried:
            typer.echo(plain(f"{'ok  ' if each.ok else 'FAIL'}  {each.way}: {each.said}"))
        if len(tried) < 2:
            typer.echo("Nobody is told outside of the log: add [alerts.email] or [alerts.webhook].")
    if not all(each.ok for each in tried):
        raise typer.Exit(1)


def alert_rules() -> None:
    """Print the rule file for Prometheus."""
    from importlib.resources import files

    typer.echo((files("syncline.web") / "syncline.rules.yml").read_text(encoding="utf-8"), nl=False)
