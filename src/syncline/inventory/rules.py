"""Rules for a shown number, and which of several rules for the same SKU holds.

Rules are given at five levels, from far to near: the network, the channel, a group of locations, a
location, a SKU. Field by field the nearest level that sets a field wins, and what won is remembered,
so that a number can be explained. Pure functions of what is configured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Any

from msgspec import Struct


class BufferKind(StrEnum):
    """How a buffer is stated."""

    FIXED = "fixed"  # units
    PERCENT = "percent"  # of the pool
    AUTO = "auto"  # what the other channels may sell before a correction arrives


@dataclass(frozen=True, slots=True)
class Buffer:
    """Units that are kept from sight. ``amount`` is in units, or per cent of the pool; unused for auto."""

    kind: BufferKind = BufferKind.FIXED
    amount: Decimal = Decimal(0)

    def __str__(self) -> str:
        """As a person would say it."""
        if self.kind is BufferKind.AUTO:
            return "auto"
        return f"{self.amount} %" if self.kind is BufferKind.PERCENT else f"{self.amount}"


NO_BUFFER = Buffer()
AUTO_BUFFER = Buffer(BufferKind.AUTO)


def fixed(units: int) -> Buffer:
    """A buffer of so many units."""
    return Buffer(BufferKind.FIXED, Decimal(units))


def percent(amount: Decimal | int) -> Buffer:
    """A buffer of so many per cent of the pool."""
    return Buffer(BufferKind.PERCENT, Decimal(amount))


def buffer_units(buffer: Buffer, pool: int, auto_units: int) -> int:
    """Whole units of a buffer; a part of a unit counts as one, since too little would not cover.

    ``auto_units`` is what an ``auto`` buffer amounts to for this SKU and channel at the moment.
    """
    if buffer.kind is BufferKind.AUTO:
        return max(0, auto_units)
    if buffer.kind is BufferKind.PERCENT:
        return int((max(0, pool) * buffer.amount / 100).to_integral_value(rounding=ROUND_CEILING))
    return int(buffer.amount)


@dataclass(frozen=True, slots=True)
class Fence:
    """``units`` of a SKU that only one channel may sell, less what it sold of orders placed since ``since_ms``."""

    units: int
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class QuantityRule:
    """What of a pool a channel may show. All quantities are units of the SKU.

    ``safety_stock`` is kept back at each location before anything is pooled; ``safety_by_location``
    replaces it at the ERP locations that it names. Goods at ``excluded`` locations are not offered, and
    what is expected to arrive within ``incoming_days`` counts as if it were there. With ``share_deficits``,
    what one location has promised beyond its stock is taken off what the others hold.

    ``share`` is a part of the pool, 0..1. ``cap`` of ``None`` means no cap. A result below ``floor``
    shows as 0. ``backorder`` units may be sold below zero; with ``backorder_unlimited`` the ``cap`` is
    shown whatever there is. A ``unique`` SKU is one of a kind: 1 at one location, or 0 everywhere.
    ``fence`` keeps units of the pool for this channel, from all the others. ``velocity`` names the class of
    the SKU, whatever it sells; empty: as learned.
    """

    safety_stock: int = 0
    safety_by_location: Mapping[str, int] = field(default_factory=dict)
    buffer: Buffer = NO_BUFFER
    share: Decimal = Decimal(1)
    cap: int | None = None
    floor: int = 0
    excluded: tuple[str, ...] = ()
    incoming_days: int = 0
    incoming_by_location: Mapping[str, int] = field(default_factory=dict)
    share_deficits: bool = False
    backorder: int = 0
    backorder_unlimited: bool = False
    unique: bool = False
    fence: Fence | None = None
    velocity: str = ""

    def safety_at(self, location: str) -> int:
        """The units kept back at one ERP location."""
        return self.safety_by_location.get(location, self.safety_stock)

    def incoming_days_at(self, location: str) -> int:
        """How many days ahead an arrival at one ERP location counts."""
        return self.incoming_by_location.get(location, self.incoming_days)


FIELDS = frozenset(each.name for each in fields(QuantityRule))
PLACED = {"safety_stock": "safety_by_location", "incoming_days": "incoming_by_location"}


class Level(StrEnum):
    """Where a rule is given, from far to near."""

    NETWORK = "network"
    CHANNEL = "channel"
    LOCATION_GROUP = "location group"
    LOCATION = "location"
    SKU = "SKU"


LEVELS = tuple(Level)


@dataclass(frozen=True, slots=True)
class Layer:
    """The fields that one rule sets; what it leaves out, a farther level decides.

    ``name`` says which channel, group, location or SKU it is for. ``locations`` are the ERP locations
    of a group; a rule of one location is named by its id.
    """

    level: Level
    fields: Mapping[str, Any]
    name: str = ""
    locations: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """As it is called in explanations."""
        return f"{self.level} {self.name}".rstrip()

    @property
    def places(self) -> tuple[str, ...]:
        """The ERP locations that it is for; empty for all."""
        return (self.name,) if self.level is Level.LOCATION else self.locations


@dataclass(frozen=True, slots=True)
class Resolved:
    """The rule that holds for a SKU, and which layer set each field; a default is set by none.

    For what may differ from place to place the key is ``field at location``.
    """

    rule: QuantityRule
    won: Mapping[str, str]


class Rules:
    """The layers that are configured for one channel.

    Raises:
        ValueError: a field does not exist, makes no sense at its level, or lacks one that it needs.
    """

    def __init__(self, layers: Sequence[Layer] = ()) -> None:
        self._layers: dict[str, list[Layer]] = {}
        self._resolved: dict[str, Resolved] = {}
        for layer in sorted(layers, key=lambda each: LEVELS.index(each.level)):  # stable within a level
            _check(layer)
            sku = layer.name if layer.level is Level.SKU else ""
            self._layers.setdefault(sku, []).append(layer)
        for sku in ("", *self._layers):
            rule = self.of(sku).rule
            if rule.backorder_unlimited and rule.cap is None:
                raise ValueError(
                    f"{sku or 'any SKU'}: unlimited backorders need a cap, which is the number to show"
                )

    def of(self, sku: str) -> Resolved:
        """The rule for a SKU."""
        at = sku if sku in self._layers else ""
        found = self._resolved.get(at)
        if found is None:
            own = self._layers.get(at, []) if at else []
            found = self._resolved[at] = resolve([*self._layers.get("", []), *own])
        return found

    @property
    def layers(self) -> list[Layer]:
        """All that was given, from far to near."""
        return [layer for layers in self._layers.values() for layer in layers]

    @property
    def skus(self) -> set[str]:
        """The SKUs that have something of their own."""
        return self._layers.keys() - {""}

    @cached_property
    def auto(self) -> bool:
        """Whether any SKU has a buffer that follows the demand."""
        buffers = (layer.fields.get("buffer") for layer in self.layers)
        return any(buffer is not None and buffer.kind is BufferKind.AUTO for buffer in buffers)

    @cached_property
    def fenced(self) -> bool:
        """Whether any SKU has units kept for this channel."""
        return any("fence" in layer.fields for layer in self.layers)

    @cached_property
    def divides(self) -> bool:
        """Whether of any SKU the channel gets a part only, or keeps one from others."""
        return self.fenced or any("share" in layer.fields for layer in self.layers)


def _check(layer: Layer) -> None:
    unknown = sorted(set(layer.fields) - FIELDS)
    if unknown:
        raise ValueError(f"{layer.label}: a rule has no field {unknown[0]!r}")
    if layer.level in (Level.LOCATION_GROUP, Level.LOCATION):
        misplaced = sorted(set(layer.fields) - set(PLACED))
        if misplaced:
            raise ValueError(
                f"{layer.label}: {misplaced[0]} is about the whole pool; set it for the network, a channel "
                f"or a SKU (a location may set {', '.join(PLACED)})"
            )


def resolve(layers: Sequence[Layer]) -> Resolved:
    """The rule that layers amount to, given from far to near."""
    values: dict[str, Any] = {}
    won: dict[str, str] = {}
    placed: dict[str, dict[str, int]] = {name: {} for name in PLACED}
    for layer in layers:
        for name, value in layer.fields.items():
            if name in PLACED:
                if not layer.places:
                    # Nearer than every place that was named before, so it is the rule there as well.
                    values[name] = value
                    won[name] = layer.label
                    for at in placed[name]:
                        won.pop(f"{name} at {at}", None)
                    placed[name] = {}
                for at in layer.places:
                    placed[name][at] = value
                    won[f"{name} at {at}"] = layer.label
            elif name not in PLACED.values():
                values[name] = value
                won[name] = layer.label
        for name, by_location in PLACED.items():  # after the general one of the same layer
            for at, value in layer.fields.get(by_location, {}).items():
                placed[name][at] = value
                won[f"{name} at {at}"] = layer.label
    for name, by_location in PLACED.items():
        if placed[name]:
            values[by_location] = placed[name]
    return Resolved(QuantityRule(**values), won)


def split_by_share(pool: int, shares: Sequence[Decimal]) -> list[int]:
    """Split a pool between channels by their shares, in whole units, by largest remainder.

    The parts add up to the whole units of ``pool x sum(shares)``: nothing stays unshown that the
    shares do not leave over. Ties go to the earlier share. Shares that add up to more than 1 overlap
    on purpose; then each part is rounded down by itself.
    """
    exact = [max(0, pool) * Fraction(share) for share in shares]
    parts = [int(part) for part in exact]
    if sum(map(Fraction, shares)) <= 1:
        rest = int(sum(exact)) - sum(parts)
        by_remainder = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
        for i in by_remainder[:rest]:
            parts[i] += 1
    return parts


@dataclass(frozen=True, slots=True)
class Terms:
    """What a channel's part depends on besides its own rule and pool.

    ``fenced`` units of the pool are kept for other channels. ``shares`` are those of all channels that
    split this very pool, by priority, and ``mine`` is the asking channel's place among them; empty if it
    is alone. ``auto_units`` is what an ``auto`` buffer amounts to.
    """

    fenced: int = 0
    shares: tuple[Decimal, ...] = ()
    mine: int = 0
    auto_units: int = 0


ALONE = Terms()


class Allowed(Struct, frozen=True):
    """What a rule leaves of a pool, step by step; each is a number of units.

    ``fenced`` units are kept for other channels. ``shared`` is the share of the rest, ``capped`` the
    same after the cap, ``buffer`` what is taken off, ``shown`` the result.
    """

    fenced: int
    shared: int
    capped: int
    buffer: int
    shown: int


def allow(rule: QuantityRule, pool: int, terms: Terms = ALONE) -> Allowed:
    """What of a pool the channel may show to which the rule and the terms belong."""
    left = max(0, pool - terms.fenced)
    if rule.share == 1:
        shared = left
    else:
        shared = split_by_share(left, terms.shares or (rule.share,))[terms.mine]
    if rule.backorder_unlimited:
        shared = max(shared, rule.cap or 0)
    capped = shared if rule.cap is None else min(shared, rule.cap)
    buffer = buffer_units(rule.buffer, left, terms.auto_units)
    shown = max(0, capped - buffer)
    if shown < rule.floor:
        shown = 0
    if rule.unique:
        shown = min(shown, 1)
    return Allowed(terms.fenced, shared, capped, buffer, shown)


def fence_left(fence: Fence, sold: int) -> int:
    """Units that a fence still keeps, after its channel ``sold`` some since it was put up."""
    return max(0, fence.units - max(0, sold))
