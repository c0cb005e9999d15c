"""``syncline init`` and ``syncline check``: from nothing to a configuration that works."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from syncline.cli import files
from syncline.cli.operate import CONFIG, JSON

if TYPE_CHECKING:
    from syncline.ports import Connector

Part = Literal["erp", "channel"]
ERP, CHANNEL = "netsuite", "shopify"
CHANNELS_MAX = 20
NAME_CHARS = 14  # of a system's 16; a number may follow

HEAD = """\
# Syncline: what is kept in agreement with what, and how old it may become.
# Secrets are never written here: "env:NAME" takes them from the environment, "file:PATH" from a file.
# `syncline check` says what is missing and how to mend it.

[store]
path = "syncline.sqlite"            # or: url = "env:SYNCLINE_POSTGRES_URL"  (pip install "syncline[postgres]")

[server]
host = "127.0.0.1"                  # where the dashboard and the webhooks listen
port = 8080
public_url = ""                     # how vendors reach it, e.g. "https://sync.example.com"; empty: polling only
"""

ROUTES = {
    "inventory": """\
[[routes]]
flow = "inventory"
from = "{erp}"
to = "{channel}"
tolerance = {stock_age}                    # how old a shown number may become
poll = {stock_poll}                         # how soon {found} is found
reconcile = "1d"                    # how often everything is read again
locations = {{ "{place}" = "{shelf}" }}   # ERP location = the channel's location, most important first
rule = {{ safety_stock = 0, buffer = 0 }}   # also: share, cap, floor, fence ...; buffer = "5 %" of the pool
# sku_rules = {{ LANTERN = {{ cap = 10 }} }}   # one SKU on this channel
""",
    "orders": """\
[[routes]]
flow = "orders"
from = "{channel}"
to = "{erp}"
tolerance = {order_age}
""",
    "order_status": """\
[[routes]]
flow = "order_status"
from = "{erp}"
to = "{channel}"
tolerance = "1h"
# restock = true                    # units of an order that the ERP calls off: back on the channel's own shelf
# money = false                     # what was paid for it stays with you
""",
    "prices": """\
[[routes]]
flow = "prices"
from = "{erp}"
to = "{channel}"
tolerance = "1h"

[routes.prices]
currency = "GBP"                    # of the channel
own = ["{prices}"]                  # the ERP's lists that an item's own price is made from, the first that has one
# max_jump = "50%"                  # a larger change waits for a person

# [routes.prices.lists.PRICE-LIST]  # one price list of the channel, where it has such
# from = ["customer:107", "{prices}"]
""",
    "catalog": """\
[[routes]]
flow = "catalog"
from = "{erp}"
to = "{channel}"
tolerance = "1h"

[routes.catalog]
fields = ["title", "description", "category", "attributes", "images", "status"]   # what the ERP owns of a product
create = true                       # false: only those are kept that the channel has already
# languages = {{ de = "de" }}         # the ERP's language = the channel's
""",
    "customers": """\
[[routes]]
flow = "customers"
from = "{erp}"
to = "{channel}"
tolerance = "1h"
when_changed_at_channel = "put_back"   # or "report"

[routes.customers]
match = ["external_id", "number"]   # by what a company is found that the channel has already, in this order
roles = {{ "*" = "{role}" }}   # the ERP's role of a contact = what it may do at the channel
""",
    "credit": """\
[[routes]]
flow = "credit"                     # limit, balance and hold: asked by POST /v1/credit/check
from = "{erp}"
to = "{channel}"
tolerance = "5m"

[routes.credit]
currency = "GBP"                    # of figures for which the ERP names none
old = "hold"                        # what is decided by figures that nobody confirmed for max_age; or "approve", "deny"
max_age = "15m"
over_limit = "deny"                 # or "hold": take the order, and have a person look at it
mirror = {mirror}                       # the channel itself is told what is left, too
# [routes.credit.accounts.107]      # one account, by the ERP's own key
# missing = "approve"
""",
    "payments": """\
[[routes]]
flow = "payments"                   # what the ERP received: invoices paid on terms, deposits
from = "{erp}"
to = "{channel}"
tolerance = "10m"
""",
    "returns": """\
[[routes]]
flow = "returns"                    # goods that came back to the ERP without the channel knowing
from = "{erp}"
to = "{channel}"
tolerance = "1h"
restock = false                     # whether the channel puts them on its own shelf; the ERP's figure follows anyway
money = true                        # whether what they cost goes back to the buyer
""",
}
USUAL = ("inventory", "orders", "order_status")  # unless others are asked for: nobody's money moves unasked

TAIL = """\
# [reconcile]                       # both sides are read again and compared
# every = "24h"
# budget = "5%"                     # of each vendor's limit

# [rules]                           # for every channel; nearer rules win, field by field
# safety_stock = 1
# [rules.locations.{place}]         # one ERP location
# safety_stock = 3
# [rules.skus.KAYAK]                # one SKU: one of a kind
# unique = true

# [kits.GIFT-SET]                   # sold, but not stocked: made of others
# components = {{ MUG = 2, TRAY = 1 }}
# [units.MUG-12]                    # a pack
# of = "MUG"
# count = 12
# [aliases]                         # a SKU that was renamed
# MUG-OLD = "MUG"
"""

ADOPT = """\

# [adopt.{channel}]                 # taken over from another connector: see `syncline adopt`
# items = ["sku", "barcode"]        # by what variants are matched to items, exact, in this order
# orders = {where}   # where it wrote orders' ids or names
"""


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(init)
    app.command()(check)


def init(
    path: Path = typer.Argument(Path("syncline.toml"), help="Where to write it."),
    erp: str = typer.Option(
        "", "--erp", metavar="CONNECTOR", help="The ERP's connector; asked for on a terminal."
    ),
    channel: list[str] = typer.Option(
        [], "--channel", metavar="CONNECTOR", help="A sales channel's connector; several may be given."
    ),
    flow: list[str] = typer.Option(
        [], "--flow", help=f"One of {', '.join(ROUTES)}; several may be given, default {', '.join(USUAL)}."
    ),
    force: bool = typer.Option(False, "--force", help="Overwrite an existing file."),
) -> None:
    """Write a commented syncline.toml for the systems and flows that are to be kept in agreement."""
    from syncline.model.errors import Misconfigured
    from syncline.runtime.registry import connectors

    if path.exists() and not force:
        raise Misconfigured(f"{path} exists already; give another path, or --force to overwrite it")
    installed = connectors()
    if not erp and not channel and not flow and sys.stdin.isatty():
        erp, channel, flow = asked(installed, typer.prompt)
    text = configuration(installed, erp or ERP, channel or [CHANNEL], flow or list(USUAL))
    files.write(path, text)
    said = "\n".join(line.partition("#")[0] for line in text.splitlines())
    names = sorted(set(re.findall(r'"env:(\w+)"', said)))
    paths = sorted(set(re.findall(r'"file:([^"]+)"', said)))
    typer.echo(f"Wrote {path}. Fill it in; secrets go into the environment: {', '.join(names) or 'none'}.")
    if paths:
        typer.echo(f"It names these files: {', '.join(paths)}.")
    typer.echo(f"Then run `syncline check --config {path}`.")


def asked(installed: Mapping[str, Connector], ask: Callable[..., Any]) -> tuple[str, list[str], list[str]]:
    """Ask for the ERP, the channels and the flows; channels and flows are lists with commas."""

    def several(question: str, default: str) -> list[str]:
        answer = str(ask(question, default=default))
        return [part for one in answer.split(",") if (part := one.strip())]

    erps, channels = ", ".join(_of(installed, "erp")), ", ".join(_of(installed, "channel"))
    return (
        str(ask(f"Which ERP? ({erps})", default=ERP)).strip(),
        several(f"Which sales channels, with commas between them? ({channels})", CHANNEL),
        several(f"Which flows? ({', '.join(ROUTES)})", ", ".join(USUAL)),
    )


def configuration(
    installed: Mapping[str, Connector], erp: str, channels: Sequence[str], flows: Sequence[str]
) -> str:
    """The text of a configuration of one ERP and some channels, for its owner to fill in.

    Raises:
        Misconfigured: a connector or a flow is unknown; says which there are. Or none of the flows can be carried.
    """
    from syncline.model.errors import Misconfigured

    if len(channels) > CHANNELS_MAX:
        raise Misconfigured(
            f"{len(channels)} channels: name {CHANNELS_MAX} at most, and copy a section for more"
        )
    unknown = [one for one in flows if one not in ROUTES]
    if unknown:
        raise Misconfigured(f"flow {unknown[0]!r}: there are {', '.join(ROUTES)}")
    source = _sampled(installed, erp, "erp")
    sinks = dict(
        zip(_names(channels), [_sampled(installed, one, "channel") for one in channels], strict=True)
    )
    ways = {
        (name, flow): _route(flow, *((sink, source) if flow == "orders" else (source, sink)))
        for name, sink in sinks.items()
        for flow in ROUTES
        if flow in flows
    }
    # What no route carries needs no settings either.
    carried = {at for at, text in ways.items() if not text.startswith("#")}
    if not carried:
        why = [text.strip("# \n").format(channel=to) for (to, _), text in ways.items()]
        raise Misconfigured(f"nothing was written: {'; '.join(why)}")
    note = "  # the name becomes part of external ids: choose it once"
    sections = [HEAD, _system("erp", source, {flow for _, flow in carried}, note)]
    sections += [
        _system(name, sink, told)
        for name, sink in sinks.items()
        if (told := {flow for to, flow in carried if to == name})
    ]
    place = source.sample.location if source.sample else ""
    for name, sink in sinks.items():
        shelf = sink.sample.location if sink.sample else ""
        sections += [
            text.format(
                erp="erp",
                channel=name,
                place=place,
                shelf=shelf,
                prices=source.sample.prices if source.sample else "",
                role=sink.sample.role if sink.sample else "",
                **_pace(source, sink),
                mirror=str(not sink.operations or "set_credit" in sink.operations).lower(),
            )
            for (to, _), text in ways.items()
            if to == name
        ]
    tail = TAIL.format(place=place)
    if source.sample and source.sample.adopt:
        tail += ADOPT.format(channel=next(iter(sinks)), where=source.sample.adopt)
    return _aligned("\n".join([*sections, tail]))


def _route(flow: str, source: Connector, sink: Connector) -> str:
    """A route's text; where it could not work, only why there is none."""
    from syncline.engine.routes import LEFT_OUT, OPERATIONS_OF
    from syncline.model.change import Flow

    needed = OPERATIONS_OF.get(Flow(flow), ())  # credit can be asked for wherever somebody sells
    asked = [one for one in needed if sink.operations and one not in sink.operations]
    if needed and needed[0] in asked:
        return f"# no route of {flow} to {{channel}}: {sink.title} has no way to take it\n"
    if source.tells and Flow(flow) not in source.tells:
        return f"# no route of {flow} to {{channel}}: {source.title} tells nothing of it\n"
    left_out = ", ".join(f'"{word}"' for word, one in LEFT_OUT.items() if one in asked)
    return ROUTES[flow] + (f"leave_out = [{left_out}]   # the system cannot take them\n" if left_out else "")


def _aligned(text: str) -> str:
    """Remarks behind what they are about, one below the other where the line leaves room."""
    return re.sub(r"^(.*?\S) {2,}# ", lambda line: f"{line[1]:34}  # ", text, flags=re.MULTILINE)


def _pace(source: Connector, sink: Connector) -> dict[str, str]:
    """Tolerances that can be kept: what tells no events is as old as its last file, or read."""
    told = source.capabilities.webhooks
    return {
        "stock_age": '"5s"' if told else '"1h"',
        "stock_poll": '"4m"' if told else '"1m"',
        "found": "a lost event" if told else "a change",
        "order_age": '"10s"' if sink.capabilities.webhooks else '"10m"',
    }


def _system(name: str, connector: Connector, flows: Collection[str], note: str = "") -> str:
    head = f"[systems.{name}]"
    settings = connector.sample.named(name, flows) if connector.sample else ""
    return f"{head:34}{note}".rstrip() + f'\nconnector = "{connector.name}"\n{settings}'


def _of(installed: Mapping[str, Connector], part: Part) -> list[str]:
    return [name for name, one in installed.items() if one.sample_as(part) is not None]


def _sampled(installed: Mapping[str, Connector], name: str, part: Part) -> Connector:
    """A connector with the sample of this part."""
    from syncline.model.errors import Misconfigured

    found = installed.get(name.strip().lower().replace("-", "_"))
    sample = found.sample_as(part) if found is not None else None
    if found is None or sample is None:
        what = "an ERP" if part == "erp" else "a sales channel"
        raise Misconfigured(
            f"{name!r} is not {what} that is installed; there are {', '.join(_of(installed, part))}"
        )
    return replace(found, sample=sample)


def _names(channels: Sequence[str]) -> list[str]:
    """What to call the channels: one is the shop; several are called by their connectors."""
    if len(channels) == 1:
        return ["shop"]
    names: list[str] = []
    for one in channels:
        base = re.split(r"[_-]", one.strip().lower())[0][:NAME_CHARS]
        names.append(next(name for n in count(1) if (name := f"{base}{n if n > 1 else ''}") not in names))
    return names


def check(
    config: Path = CONFIG,
    json: bool = JSON,
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
