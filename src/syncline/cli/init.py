"""``syncline init`` and ``syncline check``: from nothing to a configuration that works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typer

TEMPLATE = """\
# Syncline: what is kept in agreement with what, and how old it may become.
# Secrets are never written here: "env:NAME" takes them from the environment, "file:PATH" from a file.
# `syncline check` says what is missing and how to mend it.

[store]
path = "syncline.sqlite"            # or: url = "env:SYNCLINE_POSTGRES_URL"  (pip install "syncline[postgres]")

[server]
host = "127.0.0.1"                  # where the dashboard and the webhooks listen
port = 8080
public_url = ""                     # how vendors reach it, e.g. "https://sync.example.com"; empty: polling only

[systems.erp]                       # the name becomes part of external ids: choose it once
connector = "netsuite"
account = "1234567"
client_id = "env:NETSUITE_CLIENT_ID"
certificate_id = "env:NETSUITE_CERTIFICATE_ID"
private_key = "file:netsuite.pem"
push_secrets = ["env:NETSUITE_PUSH_SECRET"]
timezone = "America/Los_Angeles"    # of the account; without it every poll re-reads 24 hours
slots = 5                           # concurrent calls that this integration may use
web_customer = "1001"               # internal id: buys when an order names nobody

[systems.shop]
connector = "shopify"
shop = "your-shop.myshopify.com"
access_token = "env:SHOPIFY_ACCESS_TOKEN"
webhook_secrets = ["env:SHOPIFY_CLIENT_SECRET"]
plan = "standard"

[[routes]]
flow = "inventory"
from = "erp"
to = "shop"
tolerance = "5s"                    # how old a shown number may become
poll = "4m"                         # how soon a lost event is found
reconcile = "1d"                    # how often everything is read again
locations = { "1" = "70123456789" } # ERP location id = shop location id, most important first
rule = { safety_stock = 0, buffer = 0 }   # also: share, cap, floor, fence ...; buffer = "5 %" of the pool
# sku_rules = { LANTERN = { cap = 10 } }   # one SKU on this channel

[[routes]]
flow = "orders"
from = "shop"
to = "erp"
tolerance = "10s"

[[routes]]
flow = "order_status"
from = "erp"
to = "shop"
tolerance = "1h"

# [reconcile]                       # both sides are read again and compared
# every = "24h"
# budget = "5%"                     # of each vendor's limit

# [rules]                           # for every channel; nearer rules win, field by field
# safety_stock = 1
# [rules.locations.1]               # one ERP location
# safety_stock = 3
# [rules.skus.KAYAK]                # one SKU: one of a kind
# unique = true

# [kits.GIFT-SET]                   # sold, but not stocked: made of others
# components = { MUG = 2, TRAY = 1 }
# [units.MUG-12]                    # a pack
# of = "MUG"
# count = 12
# [aliases]                         # a SKU that was renamed
# MUG-OLD = "MUG"

# [adopt.shop]                      # taken over from another connector: see `syncline adopt`
# items = ["sku", "barcode"]        # by what variants are matched to items, exact, in this order
# orders = { externalid = "SHOPIFY-{id}", otherrefnum = "{name}" }   # where it wrote orders' ids or names
"""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(init)
    app.command()(check)


def init(
    path: Path = typer.Argument(Path("syncline.toml"), help="Where to write it."),
    force: bool = typer.Option(False, "--force", help="Overwrite an existing file."),
) -> None:
    """Write a commented syncline.toml."""
    from syncline.model.errors import Misconfigured

    if path.exists() and not force:
        raise Misconfigured(f"{path} exists already; give another path, or --force to overwrite it")
    path.write_text(TEMPLATE, encoding="utf-8")
    typer.echo(f"Wrote {path}. Fill it in, then run `syncline check --config {path}`.")


def check(
    config: Path = typer.Option(Path("syncline.toml"), "--config", "-c", help="The configuration file."),
    json: bool = typer.Option(False, "--json", help="For machines."),
) -> None:
    """Check configuration, store, credentials, scopes and webhook subscriptions, and say how to mend each."""
    from syncline.runtime.check import check_everything

    findings = asyncio.run(check_everything(config))
    if json:
        import msgspec

        typer.echo(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}")
            if not finding.ok:
                typer.echo(f"      mend: {finding.mend}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
