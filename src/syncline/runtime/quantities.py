"""The sections of ``syncline.toml`` that decide a shown number: rules, kits, packs and other names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from syncline.inventory.recipes import Recipes
from syncline.inventory.rules import AUTO_BUFFER, Buffer, Fence, Layer, Level, Rules, fixed, percent
from syncline.model.errors import Misconfigured

Units = Annotated[int, msgspec.Meta(ge=0)]
Days = Annotated[int, msgspec.Meta(ge=0, le=365)]

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")


class FenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Units that only one channel may sell, less what it sold since a moment."""

    units: Units
    since: datetime


# What the engine takes as it stands.
_PLAIN = (
    "safety_stock",
    "safety_by_location",
    "floor",
    "incoming_days",
    "share_deficits",
    "unique",
    "velocity",
)


class RuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """What of a pool a channel may show. A key that is left out is decided farther away."""

    safety_stock: Units | UnsetType = UNSET
    safety_by_location: dict[str, Units] | UnsetType = UNSET
    buffer: int | str | UnsetType = UNSET
    share: Decimal | UnsetType = UNSET
    cap: int | Literal["none"] | UnsetType = UNSET
    floor: Units | UnsetType = UNSET
    excluded: list[str] | UnsetType = UNSET
    incoming_days: Days | UnsetType = UNSET
    share_deficits: bool | UnsetType = UNSET
    backorder: int | Literal["unlimited"] | UnsetType = UNSET
    unique: bool | UnsetType = UNSET
    fence: FenceConfig | UnsetType = UNSET
    velocity: Literal["high", "medium", "low"] | UnsetType = UNSET

    def fields(self, at: str) -> dict[str, Any]:
        """The fields that are set, as the engine takes them; ``at`` names the rule in errors.

        Raises:
            Misconfigured: a value makes no sense.
        """
        values: dict[str, Any] = {}
        for name in _PLAIN:
            if (value := getattr(self, name)) is not UNSET:
                values[name] = value
        if self.buffer is not UNSET:
            values["buffer"] = _buffer(self.buffer, f"{at}.buffer")
        if self.share is not UNSET:
            if not self.share.is_finite() or not 0 <= self.share <= 1:
                raise Misconfigured(f"{at}.share: {self.share} must lie between 0 and 1")
            values["share"] = self.share
        if self.cap is not UNSET:
            values["cap"] = None if self.cap == "none" else _whole(self.cap, f"{at}.cap", '"none"')
        if self.excluded is not UNSET:
            values["excluded"] = tuple(self.excluded)
        if self.backorder == "unlimited":
            values["backorder_unlimited"] = True
        elif self.backorder is not UNSET:
            values["backorder"] = _whole(self.backorder, f"{at}.backorder", '"unlimited"')
            values["backorder_unlimited"] = False
        if self.fence is not UNSET:
            if self.fence.since.tzinfo is None:
                raise Misconfigured(
                    f"{at}.fence.since: say in which zone, for example 2026-11-21T08:00:00Z; a fence counts what "
                    "was sold since"
                )
            values["fence"] = Fence(self.fence.units, int(self.fence.since.timestamp() * 1000))
        return values


class GroupConfig(RuleConfig, frozen=True, forbid_unknown_fields=True, rename=None, kw_only=True):
    """``[rules.groups.NAME]``: a rule for some ERP locations."""

    locations: list[str]


class RulesConfig(RuleConfig, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[rules]``: the rule of the network, and the rules of its locations and SKUs."""

    groups: dict[str, GroupConfig] = {}
    locations: dict[str, RuleConfig] = {}
    skus: dict[str, RuleConfig] = {}

    def layers(self, known: Iterable[str]) -> list[Layer]:
        """The layers that hold for every channel. ``known`` are the ERP locations of all routes.

        Raises:
            Misconfigured: a rule names a location that no route maps, or keeps a fence for nobody.
        """
        known = set(known)
        for name, group in self.groups.items():
            _check_mapped(group.locations, f"rules.groups.{name}.locations", known)
        for at in self.locations:
            _check_mapped([at], f"rules.locations.{at}", known)
        _check_places(self, "rules", known)
        for name, rule in self.skus.items():
            _check_places(rule, f"rules.skus.{name}", known)
        layers = [Layer(Level.NETWORK, _for_all(self, "rules"))]
        for name, group in self.groups.items():
            at = f"rules.groups.{name}"
            layers.append(Layer(Level.LOCATION_GROUP, _for_all(group, at), name, tuple(group.locations)))
        for name, rule in self.locations.items():
            layers.append(Layer(Level.LOCATION, _for_all(rule, f"rules.locations.{name}"), name))
        for name, rule in self.skus.items():
            layers.append(Layer(Level.SKU, _for_all(rule, f"rules.skus.{name}"), name))
        return layers


def _check_places(rule: RuleConfig, at: str, known: Collection[str]) -> None:
    """Every location that a rule names has to exist, or the rule would silently do nothing."""
    for field in ("excluded", "safety_by_location"):
        named = getattr(rule, field)
        _check_mapped([] if named is UNSET else named, f"{at}.{field}", known)


def _check_mapped(locations: Iterable[str], field: str, known: Collection[str]) -> None:
    for at in locations:
        if at not in known:
            raise Misconfigured(
                f"{field}: no route maps an ERP location {at!r}; mapped are {', '.join(sorted(known)) or 'none'}"
            )


class KitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[kits.SKU]``: what one unit of a kit is made of."""

    components: dict[str, int]


class UnitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[units.SKU]``: a SKU that is so many units of another one."""

    of: str
    count: int = 1


def recipes_of(
    kits: Mapping[str, KitConfig], packs: Mapping[str, UnitConfig], aliases: Mapping[str, str]
) -> Recipes:
    """What the sold SKUs are made of.

    Raises:
        Misconfigured: a SKU is given twice, is made of itself, or takes less than a unit of something.
    """
    made_of: dict[str, Mapping[str, int]] = {}
    given: dict[str, str] = {}
    for section, parts_by_sku in (
        ("kits", {sku: kit.components for sku, kit in kits.items()}),
        ("units", {sku: {pack.of: pack.count} for sku, pack in packs.items()}),
        ("aliases", {sku: {now: 1} for sku, now in aliases.items()}),
    ):
        for sku, parts in parts_by_sku.items():
            if sku in given:
                raise Misconfigured(
                    f"{section}.{sku}: it stands under {given[sku]} already; keep one of the two"
                )
            given[sku] = section
            made_of[sku] = parts
    try:
        return Recipes(made_of)
    except ValueError as error:
        raise Misconfigured(
            f"kits, units or aliases: {error}; correct the counts, or break the circle"
        ) from error


def _for_all(rule: RuleConfig, at: str) -> dict[str, Any]:
    if rule.fence is not UNSET:
        raise Misconfigured(
            f"{at}.fence: units are kept for one channel; set it under rule or sku_rules of its route"
        )
    return rule.fields(at)


def _buffer(value: int | str, field: str) -> Buffer:
    if isinstance(value, int) or value.isdecimal():
        return fixed(_whole(value, field, '"10 %"'))
    if value.strip() == "auto":
        return AUTO_BUFFER
    match = _PERCENT.fullmatch(value.strip())
    if match is not None and Decimal(match[1]) <= 100:
        return percent(Decimal(match[1]))
    raise Misconfigured(
        f'{field}: {value!r} is no buffer; write units such as 3, a part such as "10 %", or "auto"'
    )


def _whole(value: int | str, field: str, other: str) -> int:
    if int(value) < 0:
        raise Misconfigured(f"{field}: {value} must not be negative (a whole number >= 0, or {other})")
    return int(value)


def rules_of(
    field: str,
    channel: str,
    rule: RuleConfig,
    sku_rules: Mapping[str, RuleConfig],
    network: Iterable[Layer],
    known: Collection[str],
) -> Rules:
    """The rules of one channel, under those of the network. ``known`` are the ERP locations of its route.

    Raises:
        Misconfigured: the fields of some SKU do not go together, or a location is not mapped.
    """
    _check_places(rule, f"{field}.rule", known)
    for sku, of in sku_rules.items():
        _check_places(of, f"{field}.sku_rules.{sku}", known)
    own = rule.fields(f"{field}.rule")
    by_location = own.pop("safety_by_location", {})
    layers = [*network, Layer(Level.CHANNEL, own, channel)]
    layers += [Layer(Level.LOCATION, {"safety_stock": kept}, at) for at, kept in by_location.items()]
    layers += [Layer(Level.SKU, of.fields(f"{field}.sku_rules.{sku}"), sku) for sku, of in sku_rules.items()]
    try:
        return Rules(layers)
    except ValueError as error:
        raise Misconfigured(f"{field}: {error}") from error
