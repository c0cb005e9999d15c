"""The page of ``syncline.toml``."""

from __future__ import annotations

import importlib
import importlib.resources
import re
from typing import Any

from scripts.reference.connectors import registered
from scripts.reference.meaning import MEANING, PLAN_MEANING
from scripts.reference.settings import settings


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
