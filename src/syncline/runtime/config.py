"""``syncline.toml``: one typed model, read once.

Secrets are never written in the file: a value of ``"env:NAME"`` is taken from the environment and
``"file:PATH"`` from a file, wherever a text is expected. Nothing else in the code reads the
environment.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from syncline.credit.rules import NO_CREDIT
from syncline.engine.adoption import AdoptRules
from syncline.engine.alerts.watch import Settings as Watch
from syncline.engine.derive.buffers import Checkout
from syncline.engine.reconcile.differences import Limits, Settings
from syncline.engine.retiring import ORDERS_KEPT_MS
from syncline.engine.routes import LEFT_OUT, OPERATIONS_OF, Route, Routes
from syncline.engine.routing import check_names
from syncline.freshness.risk import EPSILON
from syncline.freshness.velocity import Thresholds, Velocity
from syncline.inventory.rules import Layer
from syncline.mapping.customers import NO_CUSTOMERS
from syncline.model.capabilities import Capabilities
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.model.products import NO_PRODUCTS
from syncline.pricing.rules import NO_PRICES
from syncline.routing.policy import Policy
from syncline.runtime.alerts import AlertsConfig, EmailConfig, WebhookConfig
from syncline.runtime.catalog import CatalogConfig
from syncline.runtime.credit import CreditConfig, CreditPolicyConfig
from syncline.runtime.customers import CustomersConfig
from syncline.runtime.explaining import explain
from syncline.runtime.planned import PlannedConfig, PlannedRouteConfig, PlannedSystemConfig
from syncline.runtime.prices import PriceListConfig, PricesConfig
from syncline.runtime.quantities import (
    FenceConfig,
    GroupConfig,
    KitConfig,
    RuleConfig,
    RulesConfig,
    UnitConfig,
    recipes_of,
    rules_of,
)
from syncline.runtime.registry import connectors
from syncline.runtime.routing import RoutingConfig, RoutingRuleConfig, SiteConfig, ZoneConfig

NAME = re.compile(r"[a-z][a-z0-9]{0,15}")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)\s*%")
_DURATION = re.compile(r"(\d{1,6})\s*(ms|s|m|h|d)")

DEFAULT_TOLERANCE_MS: dict[Flow, int] = {
    Flow.INVENTORY: 5_000,
    Flow.ORDERS: 10_000,
    Flow.ORDER_STATUS: 3_600_000,
    Flow.PRICES: 3_600_000,
    Flow.CATALOG: 3_600_000,
    Flow.CUSTOMERS: 3_600_000,
    Flow.PAYMENTS: 600_000,  # of an ERP, which tells of them when it is read
    Flow.RETURNS: 3_600_000,
    Flow.CREDIT: 300_000,
}

DEFAULT_THRESHOLDS = Thresholds()
DEFAULT_LIMITS = Limits()
EVERY_MS_MIN = 3_600_000
ORDERS_KEPT_MS_MIN = (
    31 * 86_400_000
)  # what is delivered of them, and the events that told of them, are kept 30 days
EPSILON_MAX = 0.5  # beyond this a coin would decide better

STATE_FLOWS = (Flow.PRICES, Flow.CATALOG, Flow.CUSTOMERS)  # what somebody may change at the channel


def duration_ms(text: str, field: str) -> int:
    """A duration such as ``"5s"``, ``"4m"``, ``"1h"`` or ``"250ms"``, in milliseconds.

    Raises:
        Misconfigured: the text is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise Misconfigured(f'{field}: {text!r} is no duration; write for example "5s", "4m", "1h" or "1d"')
    return int(match[1]) * _UNITS[match[2]]


def share(text: str, field: str) -> Decimal:
    """A share such as ``"5%"`` or ``"2.5 %"``, between nothing and all.

    Raises:
        Misconfigured: the text is none.
    """
    match = _SHARE.fullmatch(text.strip())
    value = Decimal(match[1]) / 100 if match else Decimal(-1)
    if not 0 <= value <= 1:
        raise Misconfigured(f'{field}: {text!r} is no share; write for example "5%", at most "100%"')
    return value


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``: where everything lasts. ``url`` of ``postgresql://…`` replaces the SQLite file."""

    path: str = "syncline.sqlite"
    url: str = ""

    def __repr__(self) -> str:
        """Without the URL, which may hold a password."""
        return f"StoreConfig(path={self.path!r}, url={'***' if self.url else ''!r})"


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[server]``: where Syncline listens, and the address under which vendors reach it."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    public_url: str = ""
    token_file: str = "syncline.token"  # noqa: S105 (a file's name)
    secret: str = ""  # signs sessions and webhook addresses; made at the first start if it is not given
    metrics_token: str = ""
    trusted_proxies: list[str] = []

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"ServerConfig(host={self.host!r}, port={self.port!r}, public_url={self.public_url!r})"


class RouteConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from", "sink": "to"}
):
    """``[[routes]]``: one flow from one system to another, and how old it may become."""

    flow: str
    source: str
    sink: str
    tolerance: str = ""
    poll: str = ""
    reconcile: str = ""
    capture: Literal["events", "reads"] = "events"
    locations: dict[str, str] = {}
    rule: RuleConfig = RuleConfig()
    sku_rules: dict[str, RuleConfig] = {}
    rounding_tolerance: Decimal = Decimal("0.02")
    guard_cut_share: Decimal = Decimal("0.3")
    vanished: Literal["serve", "hold"] = "serve"
    segments: dict[Literal["high", "medium", "low"], str] = {}
    prices: PricesConfig | None = None
    catalog: CatalogConfig | None = None
    customers: CustomersConfig | None = None
    owner: dict[str, str] = {}
    when_changed_at_channel: Literal["put_back", "report"] = "put_back"
    leave_out: list[Literal["payments", "refunds", "cancellations"]] = []
    restock: bool = False
    money: bool = True
    credit: CreditConfig | None = None


class RiskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[risk]``: how unlikely it has to be that more is sold than there is."""

    epsilon: float = EPSILON


class VelocityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[velocity]``: where the classes of SKUs begin, in units a minute of the peak hour, and when one is left."""

    high: float = DEFAULT_THRESHOLDS.high
    medium: float = DEFAULT_THRESHOLDS.medium
    leave_share: float = DEFAULT_THRESHOLDS.leave_share
    leave_after: str = "1d"

    def thresholds(self) -> Thresholds:
        """The same for the engine.

        Raises:
            Misconfigured: they make no sense together.
        """
        if not 0 < self.medium <= self.high < math.inf:
            raise Misconfigured(
                f"velocity: medium ({self.medium}) must lie above 0 and not above high ({self.high})"
            )
        if not 0 < self.leave_share <= 1:
            raise Misconfigured(f"velocity.leave_share: {self.leave_share} must lie above 0 and be at most 1")
        leave_after_ms = duration_ms(self.leave_after, "velocity.leave_after")
        return Thresholds(self.high, self.medium, self.leave_share, leave_after_ms)


class ReconcileConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[reconcile]``: how often both sides are proved, what that may cost, and how much is repaired unasked."""

    every: str = "24h"
    budget: str = "5%"
    orders_since: str = "30d"
    repair: bool = True
    max_records: Annotated[int, msgspec.Meta(ge=0)] = DEFAULT_LIMITS.records
    max_units: Annotated[int, msgspec.Meta(ge=0)] = DEFAULT_LIMITS.units
    max_share: str = "2%"

    def settings(self) -> Settings:
        """The same for the engine.

        Raises:
            Misconfigured: a value makes no sense.
        """
        budget = share(self.budget, "reconcile.budget")
        if not budget:
            raise Misconfigured(
                'reconcile.budget: nothing can be read at 0 %; write every = "never" to prove on demand'
            )
        orders_ms = duration_ms(self.orders_since, "reconcile.orders_since")
        never = self.every == "never"
        every_ms = 0 if never else duration_ms(self.every, "reconcile.every")
        if not never and every_ms < EVERY_MS_MIN:
            raise Misconfigured(f"reconcile.every: {self.every!r} is too often; once an hour is the most")
        limits = Limits(self.max_records, self.max_units, share(self.max_share, "reconcile.max_share"))
        return Settings(every_ms, budget, orders_ms, self.repair, limits)


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[retention]``: how long a finished order is kept after the last that either side told of it."""

    orders: str = "180d"

    def orders_ms(self, compared_ms: int) -> int:
        """The same in milliseconds; 0: for ever. ``compared_ms``: orders that changed within so long are proved.

        Raises:
            Misconfigured: it makes no sense, or what is still read again would be forgotten.
        """
        if self.orders == "forever":
            return 0
        orders_ms = duration_ms(self.orders, "retention.orders")
        if orders_ms < ORDERS_KEPT_MS_MIN:
            raise Misconfigured(f"retention.orders: {self.orders!r} is too short; 31d is the least")
        if orders_ms <= compared_ms:
            raise Misconfigured(
                f"retention.orders: {self.orders!r} must be longer than reconcile.orders_since, within which orders are read again"
            )
        return orders_ms


class ChannelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[channels.NAME]``: what a system cannot say of its own buyers. Left out: as its connector declares."""

    checkout: str = ""
    reports_checkouts: bool | None = None


class AdoptConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[adopt.NAME]``: how the connector before a channel's wrote goods and orders to the ERP."""

    items: list[str] = msgspec.field(default_factory=lambda: ["sku"])
    orders: dict[str, str] = {}
    customers: dict[str, str] = {}

    def rules(self, field: str) -> AdoptRules:
        """The same for the engine.

        Raises:
            Misconfigured: a template would be the same for every order.
        """
        for name, template in self.orders.items():
            if not any(mark in template for mark in ("{id}", "{name}", "{number}")):
                raise Misconfigured(
                    f"{field}.orders.{name}: {template!r} names no order; use {{id}}, {{name}} or {{number}} in it"
                )
        for name, template in self.customers.items():
            if "{id}" not in template:
                raise Misconfigured(
                    f"{field}.customers.{name}: {template!r} names no customer; use {{id}} in it"
                )
        if not self.items:
            raise Misconfigured(f'{field}.items: name at least one key, such as "sku"')
        return AdoptRules(tuple(self.items), tuple(self.orders.items()), tuple(self.customers.items()))


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    systems: dict[str, dict[str, Any]]
    routes: list[RouteConfig]
    store: StoreConfig = StoreConfig()
    server: ServerConfig = ServerConfig()
    rules: RulesConfig = RulesConfig()
    kits: dict[str, KitConfig] = {}
    units: dict[str, UnitConfig] = {}
    aliases: dict[str, str] = {}
    risk: RiskConfig = RiskConfig()
    channels: dict[str, ChannelConfig] = {}
    velocity: VelocityConfig = VelocityConfig()
    adopt: dict[str, AdoptConfig] = {}
    reconcile: ReconcileConfig = ReconcileConfig()
    retention: RetentionConfig = RetentionConfig()
    alerts: AlertsConfig = AlertsConfig()
    routing: RoutingConfig | None = None
    plan: PlannedConfig | None = None


class SystemConfig(msgspec.Struct, frozen=True):
    """One configured system: its connector's name and its own typed settings."""

    name: str
    connector: str
    settings: Any


class Config(msgspec.Struct, frozen=True):
    """Everything that a run needs, checked."""

    store: StoreConfig
    server: ServerConfig
    systems: tuple[SystemConfig, ...]
    routes: Routes
    folder: Path
    epsilon: float
    checkouts: Mapping[str, Checkout]
    thresholds: Thresholds
    adopt: Mapping[str, AdoptRules] = {}
    alerts: AlertsConfig = AlertsConfig()
    watch: Watch = Watch()
    reconcile: Settings = Settings()
    orders_kept_ms: int = ORDERS_KEPT_MS
    routing: Policy | None = None


def _resolve(value: Any, variables: Mapping[str, str], folder: Path, field: str) -> Any:
    """A value with what ``env:`` and ``file:`` name in it; whatever of that is not there is named at once."""
    lacking: list[str] = []
    filled = _fill(value, variables, folder, field, lacking)
    if lacking:
        raise Misconfigured("; ".join(lacking))
    return filled


def _fill(value: Any, variables: Mapping[str, str], folder: Path, field: str, lacking: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _fill(item, variables, folder, f"{field}.{key}".lstrip("."), lacking)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_fill(item, variables, folder, f"{field}[{i}]", lacking) for i, item in enumerate(value)]
    if isinstance(value, str) and value.startswith("env:"):
        name = value[4:]
        if not variables.get(name):
            lacking.append(f"{field}: the environment variable {name} is not set")
        return variables.get(name, "")
    if isinstance(value, str) and value.startswith("file:"):
        path = folder / value[5:]
        try:
            said = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", "it is no text in UTF-8")
            lacking.append(f"{field}: {path} cannot be read: {why}")
            return ""
        if not said:
            lacking.append(f"{field}: {path} is empty")
        return said
    return value


def _fields(type_: Any) -> list[str]:
    names = getattr(type_, "__struct_encode_fields__", None)
    if names is not None:
        return list(names)
    return list(getattr(type_, "__dataclass_fields__", {}))


def _known_fields() -> list[str]:
    return [
        name
        for type_ in (
            File,
            StoreConfig,
            ServerConfig,
            RiskConfig,
            ChannelConfig,
            VelocityConfig,
            AdoptConfig,
            ReconcileConfig,
            AlertsConfig,
            EmailConfig,
            WebhookConfig,
            RouteConfig,
            PricesConfig,
            PriceListConfig,
            CustomersConfig,
            CreditConfig,
            CreditPolicyConfig,
            RulesConfig,
            GroupConfig,
            FenceConfig,
            KitConfig,
            UnitConfig,
            RoutingConfig,
            SiteConfig,
            RoutingRuleConfig,
            ZoneConfig,
            PlannedConfig,
            PlannedRouteConfig,
            PlannedSystemConfig,
        )
        for name in _fields(type_)
    ]


def environment(name: str) -> str:
    """A variable of the environment; "" if it is not set."""
    return os.environ.get(name, "")


def whole_environment() -> dict[str, str]:
    """All of the environment, for a program that is started."""
    return dict(os.environ)


def parse(text: str, *, variables: Mapping[str, str] | None = None, folder: Path | None = None) -> Config:
    """Read a configuration.

    Raises:
        Misconfigured: names the field and how to mend it.
    """
    variables = os.environ if variables is None else variables
    folder = folder or Path.cwd()
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"not valid TOML: {error}") from error
    raw = _resolve(raw, variables, folder, "")
    try:
        file = msgspec.convert(raw, File, strict=False)
    except msgspec.ValidationError as error:
        if str(error) in [f"Object missing required field `{name}`" for name in ("systems", "routes")]:
            raise Misconfigured(f"{error}; `syncline init` writes a commented example") from error
        raise Misconfigured(explain(error, _known_fields(), File)) from error
    systems = tuple(_system(name, section) for name, section in file.systems.items())
    if not systems:
        raise Misconfigured("[systems]: configure at least one; `syncline init` writes a commented example")
    network = file.rules.layers(at for route in file.routes for at in route.locations)
    try:
        offered = {s.name: connectors()[s.connector].capabilities_with(s.settings) for s in systems}
        routes = Routes(
            [_route(index, route, offered, network) for index, route in enumerate(file.routes)],
            recipes_of(file.kits, file.units, file.aliases),
        )
    except ValueError as error:
        raise Misconfigured(f"routes: {error}") from error
    if not 0 < file.risk.epsilon <= EPSILON_MAX:
        raise Misconfigured(
            f"risk.epsilon: {file.risk.epsilon} must lie above 0 and be at most {EPSILON_MAX}"
        )
    checkouts = {
        name: _checkout(name, channel, {route.sink for route in routes.of(Flow.INVENTORY)})
        for name, channel in file.channels.items()
    }
    thresholds = file.velocity.thresholds()
    watched = file.alerts.check({s.name for s in systems}, duration_ms)
    adopt = {}
    for name, section in file.adopt.items():
        if name not in {system.name for system in systems}:
            raise Misconfigured(f"adopt.{name}: no [systems.{name}] is configured")
        adopt[name] = section.rules(f"adopt.{name}")
    reconcile = file.reconcile.settings()
    return Config(
        file.store,
        file.server,
        systems,
        routes,
        folder,
        file.risk.epsilon,
        checkouts,
        thresholds,
        adopt,
        alerts=file.alerts,
        watch=replace(
            watched,
            public_url=file.server.public_url,
            planned=file.plan.planned(duration_ms) if file.plan is not None else None,
        ),
        reconcile=reconcile,
        orders_kept_ms=file.retention.orders_ms(reconcile.orders_ms),
        routing=_routing(file.routing, routes, folder),
    )


def routed_channels(routes: Routes) -> list[str]:
    """The channels of which orders could be routed: their stock and their orders are between the same two systems."""
    return [
        route.source
        for route in routes.of(Flow.ORDERS)
        if routes.of(Flow.INVENTORY, source=route.sink, sink=route.source)
    ]


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        Misconfigured: the file is missing, unreadable or wrong.
    """
    return parse(_text(path), folder=path.resolve().parent)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Misconfigured(f"{path} does not exist; `syncline init` writes one, or give --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}") from error


def _system(name: str, section: dict[str, Any]) -> SystemConfig:
    field = f"systems.{name}"
    if not NAME.fullmatch(name):
        raise Misconfigured(
            f"{field}: a system's name is a lower-case letter and up to 15 letters or digits; it becomes part of "
            "the external ids in the ERP, so choose it once and keep it",
        )
    rest = dict(section)
    kind = rest.pop("connector", None)
    known = connectors()
    if kind not in known:
        near = difflib.get_close_matches(str(kind), list(known), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"installed are {', '.join(known)}"
        raise Misconfigured(f"{field}.connector: {kind!r} is not installed; {hint}")
    type_ = known[kind].settings
    unknown = sorted(set(rest) - set(_fields(type_)))
    if unknown:
        near = difflib.get_close_matches(unknown[0], _fields(type_), n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(_fields(type_))}"
        raise Misconfigured(f"{field}: unknown field `{unknown[0]}`; {hint}")
    try:
        settings = msgspec.convert(rest, type_, strict=False)
        validate = getattr(settings, "validate", None)
        if validate is not None:
            validate()
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{field}: {explain(error, _fields(type_), type_)}") from error
    except Misconfigured as error:
        raise Misconfigured(f"{field}: {error}") from error
    return SystemConfig(name, kind, settings)


def _routing(section: RoutingConfig | None, routes: Routes, folder: Path) -> Policy | None:
    policy = section.policy(folder, routed_channels(routes)) if section is not None else None
    if policy is not None:
        check_names(policy, routes)
    return policy


def _checkout(name: str, channel: ChannelConfig, known: set[str]) -> Checkout:
    field = f"channels.{name}"
    if name not in known:
        raise Misconfigured(
            f"{field}: no inventory route goes to it; {', '.join(sorted(known)) or 'none'} would do"
        )
    duration = duration_ms(channel.checkout, f"{field}.checkout") if channel.checkout else None
    return Checkout(duration, channel.reports_checkouts)


def _route(
    index: int, route: RouteConfig, systems: Mapping[str, Capabilities], network: list[Layer]
) -> Route:
    field = f"routes[{index}]"
    if route.flow not in (flows := [flow.value for flow in Flow]):
        near = difflib.get_close_matches(route.flow, flows, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(flows)}"
        raise Misconfigured(f"{field}.flow: {route.flow!r} is no flow; {hint}")
    flow = Flow(route.flow)
    for name, value in (("from", route.source), ("to", route.sink)):
        if value not in systems:
            raise Misconfigured(f"{field}.{name}: no [systems.{value}] is configured")
    if flow is Flow.INVENTORY and not route.locations:
        raise Misconfigured(
            f'{field}.locations: map at least one location, ERP id to channel id, such as {{ "1" = "70123" }}',
        )
    leaves_from = systems[route.sink].open_units_at if flow is Flow.INVENTORY else ""
    if leaves_from and leaves_from not in route.locations.values():
        raise Misconfigured(
            f"{field}.locations: open orders of {route.sink} are taken to leave from {leaves_from!r}, and no ERP location is "
            f"mapped to it: map one, or name another in [systems.{route.sink}]"
        )
    if not route.rounding_tolerance.is_finite() or route.rounding_tolerance < 0:
        raise Misconfigured(f"{field}.rounding_tolerance: {route.rounding_tolerance} must not be negative")
    if not route.guard_cut_share.is_finite() or not 0 <= route.guard_cut_share <= 1:
        raise Misconfigured(
            f"{field}.guard_cut_share: {route.guard_cut_share} must lie between 0 and 1 (1: never ask)"
        )
    if route.segments and flow is not Flow.INVENTORY:
        raise Misconfigured(f"{field}.segments: only inventory has fast SKUs and slow ones")
    if (flow is Flow.PRICES) != (route.prices is not None):
        raise Misconfigured(
            f"{field}.prices: only a route of prices has price lists"
            if route.prices is not None
            else f"{field}.prices: say which price lists of {route.source} the prices of {route.sink} are made from"
        )
    if route.catalog is not None and flow is not Flow.CATALOG:
        raise Misconfigured(f"{field}.catalog: only a route of the catalog has products")
    if route.customers is not None and flow is not Flow.CUSTOMERS:
        raise Misconfigured(f"{field}.customers: only a route of customers says how they travel")
    if route.owner and flow is not Flow.CUSTOMERS:
        raise Misconfigured(f"{field}.owner: only the fields of customers have owners of their own")
    if route.when_changed_at_channel != "put_back" and flow not in STATE_FLOWS:
        raise Misconfigured(
            f"{field}.when_changed_at_channel: only {', '.join(STATE_FLOWS)} are put back or reported"
        )
    left_out = frozenset(LEFT_OUT[name] for name in route.leave_out)
    if strange := sorted(left_out - set(OPERATIONS_OF.get(flow, ()))):
        words = next(name for name in route.leave_out if LEFT_OUT[name] == strange[0])
        raise Misconfigured(f"{field}.leave_out: a route of {flow.value} carries no {words}")
    if route.credit is not None and flow is not Flow.CREDIT:
        raise Misconfigured(f"{field}.credit: only a route of credit has this")
    if len(set(route.locations.values())) != len(route.locations):
        raise Misconfigured(f"{field}.locations: two ERP locations are mapped to one channel location")
    return Route(
        flow=flow,
        source=route.source,
        sink=route.sink,
        tolerance_ms=duration_ms(route.tolerance, f"{field}.tolerance")
        if route.tolerance
        else DEFAULT_TOLERANCE_MS[flow],
        locations=dict(route.locations),
        rules=rules_of(field, route.sink, route.rule, route.sku_rules, network, route.locations),
        rounding_tolerance=route.rounding_tolerance,
        guard_cut_share=route.guard_cut_share,
        hold_vanished=route.vanished == "hold",
        segments={
            Velocity(name): duration_ms(text, f"{field}.segments.{name}")
            for name, text in route.segments.items()
        },
        prices=route.prices.rules(f"{field}.prices", systems[route.source], systems[route.sink])
        if route.prices is not None
        else NO_PRICES,
        products=route.catalog.rules(f"{field}.catalog") if route.catalog is not None else NO_PRODUCTS,
        events=route.capture == "events",
        customers=(route.customers or CustomersConfig()).rules(
            field, route.owner, (route.source, route.sink), systems[route.sink]
        )
        if flow is Flow.CUSTOMERS
        else NO_CUSTOMERS,
        put_back=route.when_changed_at_channel == "put_back",
        left_out=left_out,
        restock=route.restock,
        money=route.money,
        credit=route.credit.rules(f"{field}.credit") if route.credit is not None else NO_CREDIT,
        poll_interval_ms=duration_ms(route.poll, f"{field}.poll") if route.poll else 0,
        reconcile_interval_ms=duration_ms(route.reconcile, f"{field}.reconcile") if route.reconcile else 0,
    )


def _section(path: Path, name: str) -> dict[str, Any]:
    try:
        section = tomllib.loads(_text(path)).get(name, {})
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not valid TOML: {error}") from error
    if not isinstance(section, dict):
        raise Misconfigured(f"{path}: {name} must be a table, [{name}]")
    return section


def server_of(path: Path) -> ServerConfig:
    """Only ``[server]``, for commands that talk to a running service and need no other secret.

    Raises:
        Misconfigured: the file is missing or the section is wrong.
    """
    said = _section(path, "server")
    section = {key: value for key, value in said.items() if key not in ("secret", "metrics_token")}
    try:
        return msgspec.convert(section, ServerConfig, strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(explain(error, _fields(ServerConfig), ServerConfig)) from error


def store_of(path: Path) -> tuple[StoreConfig, Path]:
    """Only ``[store]`` and the configuration's folder, for commands that need no vendor's secret.

    Raises:
        Misconfigured: the file is missing or the section is wrong.
    """
    folder = path.resolve().parent
    section = _resolve(_section(path, "store"), os.environ, folder, "store")
    try:
        return msgspec.convert(section, StoreConfig, strict=False), folder
    except msgspec.ValidationError as error:
        raise Misconfigured(explain(error, _fields(StoreConfig), StoreConfig)) from error
