#!/usr/bin/env python3
"""Writes ``docs/reference`` from the code, so that it cannot say anything else than the code does.

make docs                    write the files
make docs ARGS=--check       only say whether they are as the code has them

It also copies files into pages: what stands between ``<!-- include: PATH -->`` and ``<!-- end -->``
is a fenced block with the file's content.

What a setting means is prose, so it is written by hand: for the sections of Syncline itself in
``MEANING`` below, for a connector in the table under "## Settings" of its README. A key without a
sentence, and a sentence without a key, stop the generator.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.resources
import inspect
import re
import runpy
import sys
import types
import typing
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import typer

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTICE = "<!-- Written by `make docs` from the code. Edit the code. -->\n"

_CREDIT_POLICY = {
    "max_age": "Figures that the source has not confirmed for so long are old. Default `15m`.",
    "old": "What is decided by old figures: `approve` (as if they were new), `hold`, `deny`. Default `hold`.",
    "missing": "What is decided of an account that the source tells nothing of. Default `hold`.",
    "without_limit": "What is decided of an account without a limit. Default `hold`.",
    "over_limit": "What is decided of an amount that the credit does not cover: `deny` or `hold`. Default `deny`.",
    "on_hold": "What is decided of an account that the source has on hold. Default `deny`.",
    "past_due": "What is decided of an account that is overdue for longer than `max_days_past_due`. Default `hold`.",
    "max_days_past_due": "Days after the due date of the oldest open invoice from which on that is so. Empty: never.",
}

MEANING: dict[str, dict[str, str]] = {
    "alerts": {
        "repeat": "How long after the first message an alert that lasts is told again. Each further pause is twice as long.",
        "repeat_max": "The longest of those pauses.",
        "parked_after": "From which age on parked work is critical.",
        "expires": "System = the day on which its credential ends, such as `{ erp = 2027-05-31 }`, where neither it nor the system's "
        "settings tell.",
        "expires_within": "How long before its end a credential is told of.",
        "log": "Every message is a line of the log, too.",
        "email": "See [alerts.email].",
        "webhook": "See [alerts.webhook].",
    },
    "email": {
        "host": "The SMTP server.",
        "port": "Its port: 587 for `starttls`, 465 for `tls`.",
        "security": "`none` only for a relay that wants no password.",
        "user": "Name to log in with; empty: no login.",
        "password": "Its password, as `env:NAME` or `file:PATH`.",
        "from": "The sender's address.",
        "to": "Who is told.",
    },
    "alert_webhook": {
        "url": "Where messages are POSTed; `https`, or `http` on this machine.",
        "secret": "Signs each message: at least 24 bytes chosen by chance, or `whsec_` and base64. As `env:NAME` or `file:PATH`.",
    },
    "store": {
        "path": "The SQLite file, beside the configuration. Local disks only; its folder is made if it is missing.",
        "url": "`postgresql://…` uses PostgreSQL instead of the file. Give it as `env:NAME`: it holds a password.",
    },
    "server": {
        "host": "Address that dashboard, API and webhooks listen on.",
        "port": "Their port; 0 takes any free one.",
        "public_url": "How vendors and browsers reach Syncline, for example `https://sync.example.com`. Empty: no webhook "
        "is subscribed and every flow is polled. With `https` the session cookie is marked secure.",
        "token_file": "Where the first start writes the admin's token, readable by its owner only.",
        "secret": "Signs sessions and webhook addresses. Empty: made at the first start, beside the token file. "
        "Changing it changes the webhook addresses.",
        "trusted_proxies": "Addresses of reverse proxies whose `X-Forwarded-For` is believed. Empty: nobody's.",
        "metrics_token": "A token of at least 24 characters that may read `/metrics` and nothing else. Empty: metrics need "
        "a login.",
    },
    "routes": {
        "flow": "`inventory`, `orders`, `order_status`, `prices`, `catalog`, `customers`, `credit`, `payments` or `returns`; what a channel "
        "tells of an order's payments and refunds travels with `orders`.",
        "from": "Name of the system that owns the data.",
        "to": "Name of the system that shows or receives it.",
        "tolerance": "How old the data may become: `250ms`, `5s`, `4m`, `1h`, `1d`. Empty: `5s` for inventory, `10s` for "
        "orders, `5m` for credit, `10m` for payments, `1h` for the rest.",
        "poll": "Time between two delta reads of the source, which find a lost event. Empty: `4m`. Prices, products, customers and credit of a source that "
        "tells no changes of them are read whole so often; empty: four times within the tolerance.",
        "reconcile": "Time between two full reads of the source. Empty: `1d`.",
        "capture": "`events`: the source's events tell of changes, and reads find those that are lost. `reads`: a change counts as "
        "found when it is read; a source of which every route says so is not asked for events.",
        "locations": "ERP location id = channel location id, most important first. Needed for inventory; a location that "
        "is not mapped is neither read nor written.",
        "rule": "What of the pool this channel may show: the keys of the table under [rules].",
        "sku_rules": "SKU = rule of that SKU on this channel. What it leaves out, a farther level decides.",
        "rounding_tolerance": "How far an order's parts may be from its total, and the ERP's total from the shop's, "
        "before a person is asked.",
        "guard_cut_share": "A full read of stock waits for a person if more than this part of the SKUs that had stock would be "
        "emptied, halved or missing; other changes go on. The same of prices and products that are missing. 1: never ask.",
        "vanished": "What counts of a stock figure that a full read no longer contains: `serve`, what it said last, shown as "
        "unconfirmed; `hold`, nothing until it is told again. The strictest of a system's routes holds for all of them.",
        "leave_out": "What the route does not carry, because it is taken care of otherwise: of orders `payments` and `refunds`, of "
        "order_status `cancellations`. A system that has no call for one of them is refused at the start without.",
        "restock": "For returns, and cancellations by the ERP: whether the channel puts the units on its own shelf. The ERP's figure "
        "follows anyway.",
        "money": "For returns, and cancellations by the ERP: whether what was paid for the units goes back to the buyer.",
        "segments": 'For inventory: a tolerance for each class of velocity, such as `{ high = "5s", low = "1d" }`; what is '
        "not named has the route's. See [velocity].",
        "prices": "For prices: see [routes.prices].",
        "credit": "For credit: see [routes.credit].",
        "catalog": "For the catalog: see [routes.catalog].",
        "customers": "For customers: see [routes.customers].",
        "owner": "For customers: field = the system that owns it, one of the route's two. What is left out belongs to the source. "
        "Fields: `name`, `active`, `tax_id`, `terms`, `group`, `phone`, `contacts`, `addresses`.",
        "when_changed_at_channel": "For prices, products and customers, when a proof finds that somebody changed at the channel what the "
        "source owns: `put_back` writes it again; `report` names it, and leaves it until the source changes it too.",
    },
    "catalog": {
        "fields": "What of a product the source owns: `title`, `description`, `category`, `attributes`, `images`, `status`. The "
        "rest stays as the channel has it.",
        "create": "Whether a product is made that the channel does not have.",
        "languages": "Language of the source = that of the channel.",
        "assortments": "Assortment of the channel, by its id = the source's assortments that it shows; `*` is every product.",
    },
    "customers": {
        "match": "By what a customer is found that the channel had before, in this order: `external_id`, `number`, `tax_id`. "
        "Default: `external_id`.",
        "roles": "Role of the source = what a contact with it may do at the channel; `*` stands for all others, and for none. Who "
        "may do nothing is not written there.",
        "terms": "Terms of payment of the source, by id = those of the channel. Empty: they are not carried.",
        "groups": "Group or price level of the source, by id = the channel's customer group. Empty: they are not carried.",
        "merged": "Customer of the source = the one that it was merged into.",
    },
    "credit": {
        **_CREDIT_POLICY,
        "currency": "Currency of figures for which the source names none, ISO 4217.",
        "expires": "How long an approval lasts without an order, unless the checkout says otherwise; from 10 s to 24 h.",
        "conflict": "Whose an order is in the ERP if its approval is of another account than its buyer's: `park` (nobody's until a "
        "person has looked), `approval` or `buyer`.",
        "mirror": "Whether the channel itself is told what is left. Without it only those are answered who ask.",
        "accounts": "Account, by its key at the source = see [routes.credit.accounts.KEY].",
    },
    "credit_account": _CREDIT_POLICY,
    "prices": {
        "currency": "Currency of the channel's own prices, ISO 4217. A price in another one is never written.",
        "own": "Price lists of the source that the price of the item itself is made from, as its connector calls them.",
        "compare_at": "List of the source whose price is shown struck through, where it is higher.",
        "unit": "Unit of measure, as the source calls it, in which the channel sells. Empty: the item's own.",
        "precedence": "Which kind of price counts before which: `contract`, `promotional`, `group`, `list`, each once. "
        "Empty: `price_order` of the source's [capabilities](connectors.md).",
        "lowest": "Whether the lowest of all prices counts instead. Left out: as the source has it.",
        "kinds": "List of the source = what kind it is, where its connector takes it for another.",
        "max_jump": "By how much a price may differ from what is shown before a person is asked.",
        "volatile": "Lists that the ERP itself is asked about whenever somebody asks for a price.",
        "live_deadline": "How long the ERP may take for that; 30s at most.",
        "without_live": "What is answered without it: `serve`, the last known price; `refuse`, none.",
        "max_age": "A price that the ERP has not confirmed for so long is not told. Empty: however old it is.",
        "lists": "Price list of the channel, by its id = see [routes.prices.lists.ID].",
    },
    "price_lists": {
        "from": "Price lists of the source that it is made from.",
        "currency": "Its currency. Empty: the route's.",
        "compare_at": "List of the source whose price is shown struck through, where it is higher.",
        "unit": "Unit of measure in which it prices. Empty: the route's.",
    },
    "rule": {
        "safety_stock": "Units kept back at each location before anything is pooled. Default 0.",
        "safety_by_location": "ERP location id = units kept back there, instead of `safety_stock`.",
        "buffer": 'Units taken off what is left, such as `3`; or a part of the pool, such as `"10 %"`, rounded up; or '
        '`"auto"`: what other channels may sell before this one is corrected. Default 0.',
        "share": "Part of the pool, from 0 to 1. Channels with a share that draw on the same locations split the pool whole, "
        "a unit that is left over going to the route that stands first. Default 1: all of it.",
        "cap": 'Never show more than this; `"none"` lifts the cap of a farther level.',
        "floor": "Show 0 when the result is below this. Default 0.",
        "excluded": "ERP locations whose goods are not offered; 0 is shown there.",
        "incoming_days": "Count what is expected to arrive within so many days, where the ERP tells. Default 0: only what "
        "is there.",
        "share_deficits": "What one location has promised beyond its stock, so that its figure is negative, is taken off what "
        "the other locations hold. Default false: it counts as nothing there.",
        "backorder": 'Units that may be sold below zero. `"unlimited"` shows the cap whatever there is, and needs one. '
        "Default 0.",
        "unique": "One of a kind: 1 is shown at one location, and 0 everywhere from the first order on; its number may "
        "be at most a second old. Default false.",
        "fence": "`{ units = 12, since = 2026-11-21T08:00:00Z }`: units that only this channel may sell, less what it sold "
        "since. Not in [rules].",
        "velocity": "Class of the SKU whatever it sells: `high`, `medium` or `low`. Left out: as learned from orders.",
    },
    "rules": {
        "groups": "Name = rule with `locations`, a list of ERP location ids. Only `safety_stock` and `incoming_days`.",
        "locations": "ERP location id = rule. Only `safety_stock` and `incoming_days`.",
        "skus": "SKU = rule of that SKU on every channel.",
    },
    "risk": {
        "epsilon": "How likely it may be, at each decision, that more is sold than there is: by it urgency and `auto` "
        "buffers are sized. Above 0, at most 0.5.",
    },
    "channels": {
        "checkout": "Time from a buyer's commitment until the order exists, such as `2m`. Empty: `checkout_ms` of the "
        "connector's [capabilities](connectors.md).",
        "reports_checkouts": "Whether we hear of that checkout at once: the channel exposes what it reserves, or its checkout "
        "asks for a hold. Then its time does not count. Left out: `exposes_reserved` of the capabilities.",
    },
    "adopt": {
        "items": "By what its variants are matched to items of the ERP, exactly, in this order: `sku`, `barcode`, or a field of "
        "the ERP's item that holds the shop's SKU. Left out: `sku`.",
        "orders": "Fields of the ERP's orders in which the connector before wrote something of the shop's, with how: `{id}`, "
        "`{name}` and `{number}` stand for the shop's id, the order's name, and the digits of the name.",
        "customers": "The same of the ERP's customers, by `{id}`. Left out: customers are not read.",
    },
    "velocity": {
        "high": "A SKU that sells faster than this is high.",
        "medium": "One that sells faster than this is medium, and any other low.",
        "leave_share": "A class is left only by a SKU that is slower than this part of its threshold,",
        "leave_after": "for so long without a break. It is entered at once.",
    },
    "retention": {
        "orders": "So long after the last that either side told of a finished order it is forgotten, all but its identity; 31 days at "
        'least, and longer than `orders_since` of `[reconcile]`. `"forever"`: never.',
    },
    "reconcile": {
        "every": 'Time between two proofs of a route, an hour at least; `"never"`: only when somebody asks.',
        "budget": "Part of each vendor's limit that a proof may use besides everything else. One that is asked for takes what "
        "urgent calls leave.",
        "orders_since": "Orders that changed within so long are compared. Shopify hides those of more than 60 days from most apps.",
        "repair": "Whether anything is mended unasked. Without it differences are only named.",
        "max_records": "Records that one proof mends unasked; the rest waits for a person.",
        "max_units": "Units by which it may change them, all together.",
        "max_share": "Part of the rows compared so far that it mends unasked; 500 rows count at least.",
    },
    "routing": {
        "channels": "Channels whose accepted orders are routed. Left out: all whose orders go to the ERP that their stock comes from. "
        "`[]`: quotes only.",
        "currency": "Of the costs; it is only shown.",
        "cost_per_parcel": "What each further parcel of an order costs besides: so much a split has to save.",
        "cost_per_order": "Handling of a parcel.",
        "cost_per_line": "Handling of each line in it.",
        "cost_per_km": "Of its way, as the crow flies.",
        "zones": "List of `{ km = 300, cost = 5 }`, nearest first: a parcel over at most so many kilometres costs so much, instead of "
        "`cost_per_km`. Beyond the last it costs what the last says.",
        "orders_per_day": "How many orders a location takes in 24 hours. Left out: as many as there are. A full location is asked only where "
        "nobody else has the goods.",
        "orders_per_hour": "The same in 60 minutes.",
        "parcels_max": "The most parcels of one order, from 1 to 6.",
        "ship_complete": "Nothing is sent unless all of it can be. An accepted order then stays where its channel expects it.",
        "split_lines": "Whether units of one line may come from several locations.",
        "refusals_max": "After more refusals of one order a person decides, from 0 to 20.",
        "moves": "Whether a channel that can (`moves_orders` of its [capabilities](connectors.md)) is made to expect an order from where "
        "it is sent: `park`, and what it refuses waits for a person; `tolerate`, and it is only noted; `off`.",
        "places": "A table of postcodes, CSV or CSV.gz beside the configuration, with the columns `postcode`, `latitude`, `longitude` and, "
        "if it is of several countries, `country`. Without it only quotes that give coordinates know distances.",
        "locations": "ERP location id = [routing.locations.ID].",
        "rules": "See [[routing.rules]].",
    },
    "routing_site": {
        "latitude": "Degrees north.",
        "longitude": "Degrees east.",
        "country": "With `postcode`, instead of degrees: looked up in `places`.",
        "postcode": "See `country`.",
        "cost_per_order": "Instead of that of [routing], as the keys below.",
        "cost_per_line": "",
        "cost_per_km": "",
        "zones": "",
        "orders_per_day": "",
        "orders_per_hour": "",
    },
    "routing_rule": {
        "name": "How reasons call it. Empty: its number.",
        "channels": "The rule holds for orders of these channels; as with the next four keys, left out: of all.",
        "countries": "Of the destination, ISO 3166-1 alpha-2.",
        "regions": "Of the destination, as the channel names them.",
        "postcodes": "Beginnings of the destination's postcode.",
        "skus": "It holds for these SKUs only, as the channel names them; `prefer` for orders that have one of them.",
        "exclude": "ERP locations that send nothing of it.",
        "prefer": "ERP locations of which a parcel counts as cheaper by `worth` when plans are compared.",
        "worth": "See `prefer`. The cost that is told is the real one.",
    },
    "routing_zone": {
        "km": "Up to this distance, in kilometres,",
        "cost": "a parcel costs this.",
    },
    "kits": {"components": "SKU = how many of it one kit takes. Whole numbers, 1 at least."},
    "units": {
        "of": "The SKU that is stocked.",
        "count": "How many of it one unit of this SKU is.",
    },
}


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "–"
    if isinstance(value, tuple | list | frozenset | set):
        return ", ".join(f"`{item}`" for item in value) or "–"
    text = str(value)
    return text.replace("|", "\\|") if text not in {"", "0"} else "–"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in lines)


def plain(text: str) -> str:
    """A docstring in Markdown: one backtick for code."""
    return text.replace("``", "`")


# --- errors ------------------------------------------------------------------------------------------------


def errors() -> str:
    """The error tree: its picture, and what each error means."""
    module = importlib.import_module("syncline.model.errors")
    parts = ["# Errors\n\n", inspect.getdoc(module) or "", "\n"]
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            parts.append(f"\n## {name}\n\n{plain(inspect.getdoc(value) or '')}\n")
    # The picture is a literal block in the docstring; in Markdown it is fenced.
    text = "".join(parts)
    intro, _, rest = text.partition("::\n\n")
    picture, _, rest = rest.partition("\n\n")
    picture = "\n".join(line.removeprefix("    ") for line in picture.splitlines())
    return f"{intro}```text\n{picture}\n```\n\n{rest.lstrip()}" if rest else text


# --- connectors --------------------------------------------------------------------------------------------


def registered() -> list[Any]:
    """The connectors that this project registers, by name."""
    entries = importlib.metadata.entry_points(group="syncline.connectors")
    ours = [entry.load() for entry in entries if entry.value.startswith("syncline.")]
    return sorted(ours, key=lambda connector: str(connector.name))


def capabilities() -> str:
    """What each registered connector can do, one column a connector; then its calls."""
    connectors = registered()
    if not connectors:
        return "# Connectors\n\nNone is registered.\n"
    fields = [field.name for field in dataclasses.fields(connectors[0].capabilities)]
    rows = [
        [f"`{field}`", *(cell(getattr(connector.capabilities, field)) for connector in connectors)]
        for field in fields
    ]
    parts = [
        (
            "# Connectors\n\nWhat each connector declares. The planner, the conformance tests and the dashboard read the "
            "same data.\n\n"
        ),
        table(["", *(connector.title for connector in connectors)], rows),
    ]
    for connector in connectors:
        manifest = importlib.import_module(connector.settings.__module__)
        calls = [
            [
                f"`{name}`",
                cell(call.batch_items_max),
                cell(call.reads_only),
                f"{call.retry_same_key_ms // 3_600_000} h" if call.retry_same_key_ms else "–",
                f"{call.look_up_window_ms // 1000} s" if call.look_up else "–",
                cell(call.urgent),
            ]
            for name, call in manifest.OPERATIONS.items()
        ]
        streams = [
            [
                f"`{stream.name}`",
                cell([flow.value for flow in (*stream.flows, *stream.records)]),
                "all" if stream.snapshot else "changes",
            ]
            for stream in manifest.STREAMS
        ]
        parts += [
            (
                f"\n## {connector.title}\n\nCalls. *Same key*: for how long an unanswered call is repeated under its "
                "idempotency key. *Look-up*: for how long a missing effect is looked for before it counts as absent.\n\n"
            ),
            table(["call", "items at most", "only reads", "same key", "look-up", "urgent"], calls),
            "\nStreams that are read.\n\n",
            table(["stream", "flows", "reads"], streams),
        ]
    return "".join(parts)


# --- command line ------------------------------------------------------------------------------------------


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and all below it, in the order in which help lists them."""
    if not command.hidden:
        yield path, command
        for name, child in getattr(command, "commands", {}).items():
            yield from commands(child, (*path, name))


def cli() -> str:
    """The help of every command."""
    command = typer.main.get_command(importlib.import_module("syncline.cli").app)
    parts = ["# Command line\n"]
    for path, found in commands(command, ("syncline",)):
        arguments = [p for p in found.params if p.param_type_name == "argument"]
        usage = " ".join([*path, *(f"<{p.name}>" if p.required else f"[<{p.name}>]" for p in arguments)])
        parts.append(f"\n## {' '.join(path)}\n\n```text\n{usage}\n```\n\n{(found.help or '').strip()}\n")
        rows = [
            [
                f"`<{parameter.name}>`"
                if parameter.param_type_name == "argument"
                else ", ".join(f"`{name}`" for name in parameter.opts),
                cell(getattr(parameter, "help", "") or ""),
                cell(parameter.default if isinstance(parameter.default, str | int | float | Path) else ""),
            ]
            for parameter in found.params
            if not getattr(parameter, "hidden", False)
        ]
        if rows:
            parts.append("\n" + table(["option", "meaning", "default"], rows))
    return "".join(parts)


# --- configuration -----------------------------------------------------------------------------------------


def kind(type_: Any) -> str:
    """A type in a word."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        return kind(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind(part) for part in arguments if part not in (type(None), msgspec.UnsetType))
    if origin in (tuple, list):
        return f"list of {kind(arguments[0])}"
    if origin is dict:
        return f"table of {kind(arguments[1])}"
    words = {
        str: "text",
        int: "whole number",
        bool: "true or false",
        Decimal: "number",
        float: "number",
        datetime: "moment",
        date: "day",
    }
    return words.get(type_, "table" if inspect.isclass(type_) else str(type_))


def keys(type_: Any) -> list[tuple[str, str, str]]:
    """Key, kind and default of every field of a settings type; "needed" where there is no default."""
    hints = typing.get_type_hints(type_, include_extras=True)
    found = []
    if dataclasses.is_dataclass(type_):
        for part in dataclasses.fields(type_):
            if part.default is not dataclasses.MISSING:
                found.append((part.name, kind(hints[part.name]), default(part.default)))
            else:
                empty = part.default_factory is not dataclasses.MISSING
                found.append((part.name, kind(hints[part.name]), "–" if empty else "needed"))
        return found
    for entry in msgspec.structs.fields(type_):
        if entry.default is not msgspec.NODEFAULT:
            shown = default(entry.default)
        else:
            shown = "–" if entry.default_factory is not msgspec.NODEFAULT else "needed"
        found.append((entry.encode_name, kind(hints[entry.name]), shown))
    return found


def default(value: Any) -> str:
    """A default as it would be written."""
    if value is None or value is msgspec.UNSET or value in ("", (), {}) or isinstance(value, msgspec.Struct):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def settings(type_: Any, meaning: dict[str, str], where: str) -> str:
    """The table of a settings type, with the sentences that go with it."""
    found = keys(type_)
    names = [name for name, _, _ in found]
    if set(names) != set(meaning):
        lacking = sorted(set(names) ^ set(meaning))
        raise SystemExit(f"{where}: keys and sentences differ in {', '.join(lacking)}")
    rows = [[f"`{name}`", meaning[name], of_kind, shown] for name, of_kind, shown in found]
    return table(["key", "meaning", "kind", "default"], rows)


def readme_settings(connector: Any) -> dict[str, str]:
    """The sentences under "## Settings" of a connector's README."""
    package = connector.settings.__module__.rpartition(".")[0]
    text = (importlib.resources.files(package) / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Settings\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|$", section[1] if section else "", re.MULTILINE)
    return dict(rows)


def configuration() -> str:
    """Every key of ``syncline.toml``."""
    config = importlib.import_module("syncline.runtime.config")
    alerts = importlib.import_module("syncline.runtime.alerts")
    routing = importlib.import_module("syncline.runtime.routing")
    prices = importlib.import_module("syncline.runtime.prices")
    credit = importlib.import_module("syncline.runtime.credit")
    catalog = importlib.import_module("syncline.runtime.catalog")
    planned = importlib.import_module("syncline.runtime.planned")
    customers = importlib.import_module("syncline.runtime.customers")
    parts = [
        (
            "# Configuration\n\n"
            "One TOML file, `syncline.toml`, read once at the start. `syncline init` writes a commented one and "
            "`syncline check` says what is wrong with it. An unknown key is an error.\n\n"
            'Secrets are not written in the file: `"env:NAME"` takes a text from the environment, `"file:PATH"` from a file '
            "beside the configuration.\n"
        ),
        "\n## [store]\n\n" + settings(config.StoreConfig, MEANING["store"], "store"),
        "\n## [server]\n\n" + settings(config.ServerConfig, MEANING["server"], "server"),
        "\n## [[routes]]\n\n" + settings(config.RouteConfig, MEANING["routes"], "routes"),
        "\n### [routes.prices]\n\nWhich price lists a route of prices carries. See [show prices](../howto/show-prices.md).\n\n"
        + settings(prices.PricesConfig, MEANING["prices"], "prices"),
        "\n### [routes.prices.lists.ID]\n\n"
        + settings(prices.PriceListConfig, MEANING["price_lists"], "prices.lists"),
        "\n### [routes.credit]\n\nWhat is decided where the figures alone do not say it. See "
        "[gate checkouts on credit](../howto/gate-checkouts-on-credit.md).\n\n"
        + settings(credit.CreditConfig, MEANING["credit"], "credit"),
        "\n### [routes.credit.accounts.KEY]\n\nOne account; what is left out is as for all others.\n\n"
        + settings(credit.CreditPolicyConfig, MEANING["credit_account"], "credit.accounts"),
        "\n### [routes.catalog]\n\nWhat a route of the catalog carries. See [publish the catalog](../howto/publish-the-catalog.md).\n\n"
        + settings(catalog.CatalogConfig, MEANING["catalog"], "catalog"),
        "\n### [routes.customers]\n\nHow a route of customers finds them, and what the source's words mean at the channel. See "
        "[keep customers in step](../howto/keep-customers-in-step.md).\n\n"
        + settings(customers.CustomersConfig, MEANING["customers"], "customers"),
        "\n## [risk]\n\n" + settings(config.RiskConfig, MEANING["risk"], "risk"),
        "\n## [velocity]\n\nWhere the classes of SKUs begin, in units a minute of the peak hour, over all channels. See `segments` of a "
        "route.\n\n" + settings(config.VelocityConfig, MEANING["velocity"], "velocity"),
        "\n## [reconcile]\n\nHow both sides are proved to agree. See [how to reconcile](../howto/reconcile.md).\n\n"
        + settings(config.ReconcileConfig, MEANING["reconcile"], "reconcile"),
        "\n## [retention]\n\nHow long what is over is kept. See [what is kept how long](../explanation/what-is-kept.md).\n\n"
        + settings(config.RetentionConfig, MEANING["retention"], "retention"),
        "\n## [channels.NAME]\n\nWhat no connector can know of one channel's buyers; NAME is that of its system.\n\n"
        + settings(config.ChannelConfig, MEANING["channels"], "channels"),
        "\n## [alerts]\n\nWithout it alerts are on the dashboard and in the log. See "
        "[get alerted](../howto/get-alerted.md).\n\n"
        + settings(alerts.AlertsConfig, MEANING["alerts"], "alerts"),
        "\n### [alerts.email]\n\n" + settings(alerts.EmailConfig, MEANING["email"], "alerts.email"),
        "\n### [alerts.webhook]\n\n"
        + settings(alerts.WebhookConfig, MEANING["alert_webhook"], "alerts.webhook"),
        "\n## [routing]\n\nWhere orders are sent from. Without this section they are sent from where their channel says. See "
        "[route orders](../howto/route-orders.md).\n\n"
        + settings(routing.RoutingConfig, MEANING["routing"], "routing"),
        "\n### [routing.locations.ID]\n\n"
        + settings(routing.SiteConfig, MEANING["routing_site"], "routing.locations"),
        "\n### [[routing.rules]]\n\n"
        + settings(routing.RoutingRuleConfig, MEANING["routing_rule"], "routing.rules"),
        "\n### zones\n\n" + settings(routing.ZoneConfig, MEANING["routing_zone"], "routing.zones"),
        "\n## [plan]\n\nWhat `syncline plan --write` foretold, with which the running service is compared. See "
        "[plan before you build](../howto/plan-before-you-build.md). By route, `[plan.routes]`:\n\n"
        + settings(planned.PlannedRouteConfig, PLAN_MEANING["planned_route"], "plan.routes")
        + "\nBy system, `[plan.systems]`:\n\n"
        + settings(planned.PlannedSystemConfig, PLAN_MEANING["planned_system"], "plan.systems"),
        "\n## [adopt.NAME]\n\nA channel that was [taken over](../howto/take-over-from-another-connector.md) from another "
        "connector; NAME is that of its system.\n\n"
        + settings(config.AdoptConfig, MEANING["adopt"], "adopt"),
        (
            "\n## [rules]\n\n"
            "Rules hold from far to near: the network, that is `[rules]` itself; the channel, `rule` of its route; "
            "`[rules.groups.NAME]`; `[rules.locations.ID]`; a SKU, `[rules.skus.SKU]` and then `sku_rules` of the route. Field by "
            "field the nearest that sets it wins. They are applied in this order: excluded, incoming, safety stock, "
            "deficits, backorder, fences of other channels, share, cap, buffer, floor, unique.\n\n"
        ),
        settings(config.RulesConfig, {**MEANING["rule"], **MEANING["rules"]}, "rules"),
        (
            "\n## [kits.SKU], [units.SKU] and [aliases]\n\n"
            "SKUs that a channel sells and nobody stocks. Their number follows from the stock of what they are made of, in "
            "whole units, and their orders are demand on it. `[kits.SKU]`:\n\n"
        ),
        settings(config.KitConfig, MEANING["kits"], "kits"),
        "\n`[units.SKU]`, for a pack:\n\n",
        settings(config.UnitConfig, MEANING["units"], "units"),
        '\n`[aliases]` has lines of `OLD-SKU = "NEW-SKU"`, for a SKU that was renamed or merged into another.\n',
        (
            "\n## [systems.NAME]\n\n`connector` names the kind of system; the other keys are the connector's. The name is a "
            "lower-case letter and up to 15 letters or digits. It becomes part of the external ids in the ERP, so choose it "
            "once.\n"
        ),
    ]
    for connector in registered():
        parts += [
            f'\n### connector = "{connector.name}"\n\n',
            settings(connector.settings, readme_settings(connector), f"{connector.name}'s README"),
        ]
    return "".join(parts)


# --- plan ---------------------------------------------------------------------------------------------------

PLAN_MEANING: dict[str, dict[str, str]] = {
    "file": {
        "title": "Title of the document.",
        "currency": "Of every price in the file.",
        "systems": "See [systems.NAME].",
        "flows": "See [[flows]].",
        "volumes": "See [volumes].",
        "compare": "See [compare].",
        "effort": "See [effort].",
    },
    "systems": {
        "vendor": "Which product it is: one of the vendors below.",
        "licence": "Its plan or licence, by which its limits are known. Empty: the smallest that is known.",
        "limit_share": "Part of each limit that may be used. Empty: `80%`, for a fifth is kept for urgent calls.",
        "events": "Whether its events can reach this installation.",
        "calls_at_once": "How many calls the account allows at once, instead of the licence's figure; as the next three keys.",
        "calls_per_minute": "Calls a minute.",
        "calls_per_day": "Calls in 24 hours.",
        "points_per_s": "Points a second, of vendors that count the cost of calls.",
        "price_per_1000_calls": "What a thousand calls cost.",
        "price_per_month": "What it costs besides, a month: a licence, a subscription.",
    },
    "volumes": {
        "skus": "How many items are sold.",
        "locations": "In how many places stock is kept.",
        "prices": "Prices in all lists together. 0: one an item.",
        "customers": "Companies, or consumers that the ERP knows.",
        "orders_per_day": "Orders on a usual day.",
        "lines_per_order": "Lines of an order, on average.",
        "stock_moves_per_day": "Movements of stock that no order causes: receipts, transfers, counts.",
        "peak_hour": "Part of a day's changes that fall into its busiest hour.",
    },
    "flows": {
        "flow": "`customers`, `prices`, `inventory`, `catalog`, `orders`, `credit`, `order_status`, `payments`, `returns` or `reports`.",
        "from": "Name of the system that owns the data.",
        "to": "Name of the system that receives it, or a list of several.",
        "tolerance": "How old the data may become. Empty: `10s` for orders and payments, `5m` for inventory and credit, `1d` for "
        "reports, else `1h`.",
        "if_event_lost": "How late a change may be whose event was lost. Empty: `5m` for orders, payments and credit, `1h` for "
        "inventory, else `1d`; never less than the tolerance.",
        "records": "How many records there are. 0: from [volumes].",
        "changes_per_day": "How many change on a usual day. 0: from [volumes].",
        "peak_hour": "As in [volumes], for this flow.",
        "consequence": "Who is hurt by late data, in words.",
        "hurt_share": "Which part of the values that are an hour old leads to it.",
        "cost_each": "What each such case costs.",
        "cost_per_hour": "What is lost besides for every hour in which the whole flow stands.",
        "segments": "Name = [flows.segments.NAME]. For inventory `high`, `medium` and `low` are the classes of velocity.",
        "via": "Name of a broker between the two.",
        "mapping_fields": "How many fields are mapped.",
        "custom_fields": "How many of the account's own are, besides.",
        "both_ways": "Whether the flow goes back as well: counted as work. For its calls, ask for the way back as a flow of its own.",
        "gate": "Whether somebody waits for its answer, such as a checkout for credit.",
    },
    "segments": {
        "tolerance": "How old these records may become.",
        "records": "Which part of the flow's records they are.",
        "changes": "Which part of its changes they have.",
        "hurt_share": "Instead of the flow's, as the next key.",
        "cost_each": "",
    },
    "compare": {
        "batch": "Interval of the design in which everything is a batch.",
        "reconcile": "Time between two full reads.",
        "host_per_month": "What the machine costs that runs Syncline.",
    },
    "effort": {
        "per_flow": "Days of a flow before anything is mapped.",
        "per_field": "Days of a field.",
        "per_custom_field": "Days of a custom field.",
        "second_way": "What the way back takes, as a part of the first.",
        "gate": "Days of a gate.",
        "tests_share": "Tests and acceptance, as a part of what is built.",
        "per_system": "Days of a system: credentials, access, a sandbox.",
        "missing_connector": "Days more of a system for which there is no connector.",
    },
    "planned_route": {
        "worst_case": "The worst case that was foretold.",
        "if_event_lost": "The same if an event is lost.",
        "changes_per_hour": "Changes in the busiest hour.",
    },
    "planned_system": {"calls_per_hour": "Calls in the busiest hour."},
}


def plan() -> str:
    """Every key of ``plan.toml``, and every vendor that a plan can name."""
    file = importlib.import_module("syncline.runtime.plan")
    known = importlib.import_module("syncline.planner.vendors").vendors()
    rows = []
    for name, vendor in known.items():
        limits = [
            f"{licence}: {', '.join(limit.words() for limit in found)}"
            for licence, found in vendor.licences.items()
        ]
        limits += [f"`{need}` is needed" for need in vendor.needs]
        events = [flow for flow, reads in vendor.reads.items() if reads.event_ms]
        connector = "yes" if vendor.connector else "–"
        rows.append(
            [
                f"`{name}`", vendor.title, "–" if vendor.part == "broker" else connector, cell("; ".join(limits) or "–"),
                cell(events), cell(list(vendor.writes)),
            ]
        )  # fmt: skip
    return "".join(
        [
            (
                "# plan.toml\n\nWhat `syncline plan` is asked; see [plan before you build](../howto/plan-before-you-build.md). "
                "`syncline plan --ask` writes one. An unknown key is an error.\n\n"
            ),
            settings(file.PlanFile, PLAN_MEANING["file"], "plan"),
            "\n## [systems.NAME]\n\n" + settings(file.PlanSystem, PLAN_MEANING["systems"], "plan.systems"),
            "\n## [volumes]\n\n" + settings(file.PlanVolumes, PLAN_MEANING["volumes"], "plan.volumes"),
            "\n## [[flows]]\n\n" + settings(file.PlanFlow, PLAN_MEANING["flows"], "plan.flows"),
            "\n### [flows.segments.NAME]\n\nParts of a flow with a tolerance of their own. What none of them names keeps the "
            "flow's.\n\n" + settings(file.PlanSegment, PLAN_MEANING["segments"], "plan.segments"),
            "\n## [compare]\n\n" + settings(file.PlanCompare, PLAN_MEANING["compare"], "plan.compare"),
            "\n## [effort]\n\nEvery figure is an assumption.\n\n"
            + settings(file.PlanEffort, PLAN_MEANING["effort"], "plan.effort"),
            (
                "\n## Vendors\n\nFigures with their sources are in `src/syncline/planner/vendors.toml`. Where there is a connector, "
                "what it [declares](connectors.md) is taken instead.\n\n"
            ),
            table(["vendor", "product", "connector", "limits", "tells by events", "takes"], rows),
        ]
    )


# --- states ------------------------------------------------------------------------------------------------


def remarks(type_: type[Enum]) -> dict[str, str]:
    """The remark behind each member, as the source has it."""
    found = {}
    for line in inspect.getsource(type_).splitlines():
        match = re.match(r'    (\w+) = "\w+"(?:  # (.*))?$', line)
        if match:
            found[match[1]] = match[2] or ""
    return found


def states() -> str:
    """Where a delivery may stand, and what may become of an item of a call."""
    delivery = importlib.import_module("syncline.model.delivery")
    said = {"COMPLETED": "done, or nothing had to be sent"}
    rows = [
        [f"`{state.value}`", remarks(delivery.DeliveryState)[state.name] or said[state.name]]
        for state in delivery.DeliveryState
    ]
    results = {"DONE": "applied, or found to be applied already"}
    outcomes = [
        [f"`{result.value}`", remarks(delivery.Result)[result.name] or results[result.name]]
        for result in delivery.Result
    ]
    return (
        "# States\n\n## Delivery\n\nOne intended effect on one system stands in one of these. Nothing that is unresolved "
        "expires: it ends as completed, cancelled or superseded, or it is parked.\n\n"
        + table(["state", "meaning"], rows)
        + "\n## Result\n\nWhat a connector answers for each item of a call.\n\n"
        + table(["result", "meaning"], outcomes)
    )


# --- metrics and API ---------------------------------------------------------------------------------------


def sample(type_: Any) -> Any:
    """A value of a type, with one entry in every list."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if dataclasses.is_dataclass(type_) and isinstance(type_, type):
        hints = typing.get_type_hints(type_)
        return type_(**{part.name: sample(hints[part.name]) for part in dataclasses.fields(type_)})
    if origin is tuple:
        return (sample(arguments[0]),)
    if origin is dict:
        return {sample(arguments[0]): sample(arguments[1])}
    if origin in (typing.Union, types.UnionType):
        return sample(arguments[0])
    return {int: 1, float: 1.0, str: "x", bool: True, Decimal: Decimal(1)}[type_]


def watched() -> Any:
    """As much of a watch as its metrics need: one open alert, one way out, a disk."""
    way = importlib.import_module("syncline.engine.alerts.watch").WayStatus("email", 1, 0, 0, "")
    book = types.SimpleNamespace(open=list)
    return types.SimpleNamespace(book=book, ways=lambda: [way], disk=(1, 2), looks=1)


def metrics() -> str:
    """Every metric of ``/metrics``."""
    status = importlib.import_module("syncline.engine.status").Status
    exposition = importlib.import_module("syncline.web.metrics").exposition
    text = exposition(sample(status), watched()).decode()
    rows = []
    for name, meaning in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        type_ = re.search(rf"^# TYPE {name} (\w+)$", text, re.MULTILINE)
        labels = re.search(rf"^{name}\{{(.*?)\}} ", text, re.MULTILINE)
        names = re.findall(r'(\w+)="', labels[1]) if labels else []
        rows.append([f"`{name}`", meaning, type_[1] if type_ else "", cell(sorted(names))])
    return (
        "# Metrics\n\n`GET /metrics`, in the text format of Prometheus; see "
        "[how to read them](../howto/read-the-dashboard.md). Labels are configured names: nothing personal is among "
        "them.\n\n" + table(["metric", "meaning", "type", "labels"], rows)
    )


def alerts() -> str:
    """Every kind of alert."""
    kinds = importlib.import_module("syncline.engine.alerts.kinds").KINDS
    rows = [
        [f"[`{kind.name}`](#{kind.name})", kind.title, kind.severity, kind.parts] for kind in kinds.values()
    ]
    head = (
        "# Alerts\n\nAn alert is one cause. Its key is its kind, a slash, and what it is about, such as "
        "`system_down/erp`. `critical`: data is wrong, late or not moving now. `warning`: it will be, or a person has to look "
        "within the day. Each message says besides what is at stake: which flows, how many changes, since when. How they "
        "are told is in [get alerted](../howto/get-alerted.md).\n\n"
    )
    each = [
        f"\n## {kind.name}\n\n**{kind.title}.** {kind.meaning}\n\n- Opens {kind.opens}.\n- What to do: {kind.mend}\n"
        for kind in kinds.values()
    ]
    return "".join([head, table(["kind", "what", "at first", "about"], rows), *each])


def api() -> str:
    """Every endpoint of the API."""
    module = importlib.import_module("syncline.web.api")
    rows = [
        [
            f"`{endpoint.method} {endpoint.path.replace(':int', '')}`",
            endpoint.summary,
            endpoint.least.name.lower() if endpoint.least is not None else "a signature",
            cell(endpoint.query),
        ]
        for endpoint in module.ENDPOINTS
    ]
    return (
        "# HTTP API\n\nJSON, with `Authorization: Bearer TOKEN`. `GET /v1/openapi.json` describes every type. Each role may "
        "do all that the ones before it may: viewer, checkout, operator, admin. `GET /healthz` needs no login.\n\n"
        + table(["endpoint", "what it does", "least role", "query"], rows)
    )


PAGES: dict[str, Callable[[], str]] = {
    "alerts.md": alerts,
    "api.md": api,
    "cli.md": cli,
    "configuration.md": configuration,
    "connectors.md": capabilities,
    "errors.md": errors,
    "flows.md": lambda: str(runpy.run_path(str(ROOT / "scripts" / "flow_table.py"))["flows"](registered())),
    "metrics.md": metrics,
    "plan.md": plan,
    "states.md": states,
}


INCLUDE = re.compile(
    r"^<!-- include: (?P<path>\S+) -->\n```(?P<kind>\w+)\n.*?^```\n<!-- end -->$", re.MULTILINE | re.DOTALL
)


def included(text: str) -> str:
    """A page with the files that it includes, as they are now."""

    def block(match: re.Match[str]) -> str:
        content = (ROOT / match["path"]).read_text().rstrip("\n")
        return f"<!-- include: {match['path']} -->\n```{match['kind']}\n{content}\n```\n<!-- end -->"

    return INCLUDE.sub(block, text)


def pages() -> Iterator[tuple[Path, str]]:
    """Every page that is written, whole or in parts, with its text."""
    for name, make in PAGES.items():
        yield REFERENCE / name, f"{NOTICE}\n{make().rstrip()}\n"
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        if path.parent != REFERENCE:
            yield path, included(path.read_text())


def main(words: list[str]) -> int:
    """Write the pages, or say which of them are stale."""
    check = "--check" in words
    REFERENCE.mkdir(parents=True, exist_ok=True)
    stale = []
    for path, text in pages():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.write_text(text)
    if stale:
        print(f"{'out of date' if check else 'written'}: {', '.join(stale)}")
    else:
        print("docs: up to date")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
