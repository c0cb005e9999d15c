"""``syncline reconcile`` and ``syncline differences``: prove both sides, and decide about what differs.

As with all commands that act, the running service does the work and records who asked for it.
"""

from __future__ import annotations

import threading
import urllib.parse
from pathlib import Path
from typing import Any

import typer

from syncline.cli.operate import CONFIG, JSON, call, show
from syncline.cli.tell import plain

EVERY_S = 1.0


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(reconcile)
    group = typer.Typer(
        help="What is not the same on both sides.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command("list")(differences_list)
    group.command("approve")(differences_approve)
    group.command("decline")(differences_decline)
    app.add_typer(group, name="differences")


def reconcile(
    flow: str = typer.Option(
        "", "--flow", help="Only this flow: inventory, orders, prices, catalog, customers or credit."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only name what differs; repair nothing."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Read both sides again now, name each difference, repair within limits. Exits with 1 if anything differs."""
    proofs = call(config, "POST", "/v1/reconcile", {"flow": flow, "dry_run": dry_run})
    done = [_followed(config, proof, quiet=json) for proof in proofs]
    if json:
        show(done, json=True)
    else:
        for proof in done:
            _tell(config, proof)
    if any(proof["found"] for proof in done):
        raise typer.Exit(1)


def _followed(config: Path, proof: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Wait for the end of a proof, and tell on the way how far it is."""
    told = -1
    rest = threading.Event()
    while proof["ended_at_ms"] is None:
        if proof["rows"] != told and not quiet:
            told = proof["rows"]
            of = f" of about {max(told, proof['expected'])}" if proof["expected"] else ""
            typer.echo(f"{proof['route']}: {told}{of} rows, {proof['found']} differ", err=True)
        rest.wait(EVERY_S)
        proof = call(config, "GET", f"/v1/reconcile/proofs/{proof['id']}")
    return proof


def _tell(config: Path, proof: dict[str, Any]) -> None:
    counts = ", ".join(f"{n} {cause}" for cause, n in proof["counts"].items()) or "nothing differs"
    seconds = (proof["ended_at_ms"] - proof["started_at_ms"]) // 1000
    typer.echo(f"{proof['route']}: {proof['rows']} rows in {seconds} s; {counts}")
    if proof["repaired"]:
        typer.echo(f"  {proof['repaired']} given to the ordinary way, {proof['units']} units")
    if proof["waiting"]:
        typer.echo(f"  {proof['waiting']} wait for a decision: syncline differences list {proof['route']!r}")
    if proof["found"]:
        from syncline.cli import tell

        query = urllib.parse.urlencode({"route": proof["route"]})
        for line in tell.differences(call(config, "GET", f"/v1/reconcile/differences?{query}")):
            typer.echo(plain(f"  {line}"))


ROUTE = typer.Argument(help="The route's name, as `syncline status` shows it.")


def differences_list(
    route: str = ROUTE,
    state: str = typer.Option(
        "", "--state", metavar="STATE", help="Only those: named, repairing, waiting or declined."
    ),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """List what differs on a route, as far as the last proof tells."""
    from syncline.cli import tell

    query = urllib.parse.urlencode({"route": route, "state": state})
    show(call(config, "GET", f"/v1/reconcile/differences?{query}"), json, tell.differences)


KEY = typer.Option("", "--key", help="Only this record; without it all that wait on the route.")
CAUSE = typer.Option("", "--cause", metavar="CAUSE", help="Only those of this cause.")


def differences_approve(
    route: str = ROUTE, key: str = KEY, cause: str = CAUSE, config: Path = CONFIG, json: bool = JSON
) -> None:
    """Have what waits repaired after all."""
    body = {"route": route, "key": key, "cause": cause, "approve": True}
    show(call(config, "POST", "/v1/reconcile/decide", body), json=json)


def differences_decline(
    route: str = ROUTE, key: str = KEY, cause: str = CAUSE, config: Path = CONFIG, json: bool = JSON
) -> None:
    """Leave what waits as it is."""
    body = {"route": route, "key": key, "cause": cause, "approve": False}
    show(call(config, "POST", "/v1/reconcile/decide", body), json=json)
