"""``syncline privacy``: erase who a customer is, tell what is held of them, and see how far requests are."""

from __future__ import annotations

import json as json_module
import os
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from syncline.cli.operate import CONFIG, JSON, call, show
from syncline.cli.tell import plain

SYSTEM = typer.Option("", "--system", help="The name of the shop or ERP that the customer belongs to.")
CUSTOMER = typer.Option("", "--customer", help="The customer's id there.")
EMAIL = typer.Option("", "--email", help="An e-mail address; orders are found by it, and customers of ERPs.")
ORDERS = typer.Option([], "--order", help="The id of an order there; may be given several times.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    group = typer.Typer(help="Personal data of customers.", no_args_is_help=True, rich_markup_mode=None)
    group.command("erase")(erase)
    group.command("export")(export)
    group.command("requests")(requests)
    group.command("address")(address)
    app.add_typer(group, name="privacy")


def erase(
    system: str = SYSTEM,
    customer: str = CUSTOMER,
    email: str = EMAIL,
    order: list[str] = ORDERS,
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Erase who a customer is, as soon as nothing of theirs is under way; amounts, SKUs and ids stay."""
    body = {"system": system, "customer": customer, "email": email, "orders": order}
    made = call(config, "POST", "/v1/privacy/erase", body)
    if json:
        show(made, json=True)
        return
    typer.echo(f"Request {made['id']}: {_moment(made['deadline_ms'])} at the latest.")
    typer.echo("`syncline privacy requests` tells how far it is.")


def export(
    to: Path = typer.Option(..., "--to", help="A file that does not exist yet; only its owner can read it."),
    system: str = SYSTEM,
    customer: str = CUSTOMER,
    email: str = EMAIL,
    order: list[str] = ORDERS,
    request: str = typer.Option("", "--request", help="The id of a request, which is answered by this."),
    config: Path = CONFIG,
) -> None:
    """Write everything that is held of a customer to a file, as JSON."""
    from syncline.model.errors import Misconfigured

    try:
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Misconfigured(f"{to} cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        try:
            if request:
                held = call(config, "POST", "/v1/privacy/answer", {"request": request})
            else:
                body = {"system": system, "customer": customer, "email": email, "orders": order}
                held = call(config, "POST", "/v1/privacy/export", body)
        except BaseException:
            to.unlink()
            raise
        file.write(json_module.dumps(held, indent=2, ensure_ascii=False) + "\n")
    counts = ", ".join(f"{len(held[name])} {name}" for name in ("orders", "customers", "messages", "calls"))
    typer.echo(f"{to}: {counts}" + (", and there are more messages" if held["more"] else ""))
    for where, name in held["files"]:
        typer.echo(plain(f"  {where} keeps a file that tells of them, which is not in it: {name}"))


def requests(config: Path = CONFIG, json: bool = JSON) -> None:
    """List requests about personal data: what is asked, by when, and what they wait for."""
    found = call(config, "GET", "/v1/privacy/requests")
    if json:
        show(found, json=True)
        return
    for one in found:
        typer.echo(plain(_line(one)))
        for why in one["waits"]:
            typer.echo(plain(f"  {why}"))
    if not found:
        typer.echo("Nobody has asked for anything.")


def address(
    system: str = typer.Option(..., "--system", help="The shop's name."),
    config: Path = CONFIG,
    json: bool = JSON,
) -> None:
    """Show where a shop's app sends requests about personal data: for the app's configuration."""
    found = call(config, "GET", f"/v1/privacy/address?{urllib.parse.urlencode({'system': system})}")
    show(found, json, lambda found: [found["address"]])


def _line(one: dict[str, Any]) -> str:
    whom = "everybody" if one["ask"] == "erase_all" else one["customer"] or f"{len(one['orders'])} orders"
    ask = "export" if one["ask"] == "export" else "erase"
    until = (
        f"done {_moment(one['done_at_ms'])}"
        if one["state"] == "done"
        else f"{one['state']}, until {_moment(one['deadline_ms'])}"
    )
    return f"{one['id']}  {ask}  {one['system']} {whom}  {until}"


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
