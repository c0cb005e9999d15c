"""``syncline routing``: ask where an order would be sent from, try the rules on past orders, and say what a location refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from syncline.cli.operate import CONFIG, JSON, call, show

ORDERS_MAX = 1_000
ORDER = typer.Argument(help="An order's number, id or reference.")
CHANNEL = typer.Option(..., "--channel", help="The channel's system name.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    group = typer.Typer(help="Where orders are sent from.", no_args_is_help=True, rich_markup_mode=None)
    group.command("quote")(quote)
    group.command("dry-run")(dry_run)
    group.command("refuse")(refuse)
    group.command("allow")(allow)
    app.add_typer(group, name="routing")


def quote(
    lines: list[str] = typer.Argument(
        metavar="SKU=QUANTITY", help="What is wanted, as SKU=QUANTITY; several are one order."
    ),
    channel: str = CHANNEL,
    country: str = typer.Option("", "--country", metavar="CODE", help="Of the destination, such as US."),
    region: str = typer.Option("", "--region", metavar="CODE", help="Of the destination, such as CA."),
    postcode: str = typer.Option("", "--postcode", metavar="CODE", help="Of the destination."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Where these lines would be sent from now, at what cost, and why."""
    from syncline.model.errors import Rejected

    asked = []
    for line in lines:
        sku, _, quantity = line.rpartition("=")
        if not sku or not quantity.isdecimal():
            raise Rejected(f"{line!r}: write SKU=QUANTITY, such as TEE-RED-M=2")
        asked.append({"sku": sku, "quantity": int(quantity)})
    to = {"country": country, "region": region, "postcode": postcode}
    found = call(config, "POST", "/v1/routing/quote", {"channel": channel, "lines": asked, "to": to})
    if json:
        show(found, json=True)
        return
    for reason in found["reasons"]:
        typer.echo(reason)
    for one in found["sent"]:
        typer.echo(f"  {one['units']} × {one['sku']} from {one['location']}")


def dry_run(
    orders: str = typer.Option(
        "past",
        "--orders",
        metavar="past|FILE",
        help="`past`: the newest orders in the store; else a CSV file, one row an order line.",
    ),
    channel: str = CHANNEL,
    days: int = typer.Option(30, "--days", min=1, help="How old past orders may be."),
    limit: int = typer.Option(500, "--limit", min=1, max=ORDERS_MAX, help="How many orders at most."),
    stock: str = typer.Option("now", "--stock", metavar="now|plenty", help="`now`, or `plenty` everywhere."),
    rules: Path | None = typer.Option(
        None, "--rules", help="A file whose [routing] is tried instead of the one in force."
    ),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Play past orders through the rules: parcels, cost and distance beside what was done. Nothing is changed."""
    body: dict[str, Any] = {"channel": channel, "days": days, "limit": limit, "stock": stock}
    if orders != "past":
        from syncline.runtime.routing_orders import counted, read_orders

        body["orders"], skipped = read_orders(Path(orders), limit)
        if skipped:
            typer.echo(f"skipped: {counted(skipped.items())}", err=True)
    if rules is not None:
        body["rules"] = _section(rules)
    found = call(config, "POST", "/v1/routing/dry-run", body)
    if json:
        show(found, json=True)
    else:
        _tell(found)


def _section(path: Path) -> dict[str, Any]:
    """The [routing] of a file, as it stands there."""
    import tomllib

    from syncline.model.errors import Misconfigured

    try:
        section = tomllib.loads(path.read_text(encoding="utf-8")).get("routing")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"--rules {path}: cannot be read: {error}") from error
    if not isinstance(section, dict):
        raise Misconfigured(f"--rules {path}: there is no [routing] in it")
    return section


def _tell(found: dict[str, Any]) -> None:
    typer.echo(
        f"{found['orders']} orders: {found['compared']} compared, {found['same']} of them sent from the same places; "
        f"{found['incomplete']} not whole"
    )
    for why, count in found["skipped"].items():
        typer.echo(f"  left out: {count} × {why}")
    typer.echo(f"  {'':10}{'parcels':>10}{'split':>8}{'cost':>14}{'km':>12}")
    for name, totals in (("was", found["was"]), ("would be", found["would_be"])):
        cost = f"{float(totals['cost']):.2f} {found['currency']}".strip()
        typer.echo(
            f"  {name:10}{totals['parcels']:>10}{totals['split_orders']:>8}{cost:>14}{totals['km']:>12.0f}"
        )
    for one in found["biggest"]:
        typer.echo(f"  {one['order']}: {one['was']}; would be {one['would_be']}")


def refuse(
    order: str = ORDER,
    location: str = typer.Argument(help="The ERP location that does not send it."),
    sku: str = typer.Option("", "--sku", help="Only this SKU; without it nothing of the order."),
    reason: str = typer.Option("", "--reason", help="Why, for whoever looks later."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Send an order from elsewhere than from this location."""
    body = {"order": order, "location": location, "sku": sku, "reason": reason}
    show(call(config, "POST", "/v1/routing/refuse", body), json)


def allow(order: str = ORDER, config: Path = CONFIG, json: bool = JSON) -> None:
    """Forget what locations refused of an order: each may send it again."""
    show(call(config, "POST", "/v1/routing/allow", {"order": order}), json)
