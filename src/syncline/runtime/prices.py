"""The part of a route that says which price lists it carries: ``[routes.prices]``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from syncline.model.capabilities import Capabilities
from syncline.model.errors import Misconfigured
from syncline.model.pricing import PriceKind, PriceOrder
from syncline.pricing.rules import OWN, ChannelList, PriceRules

Kind = Literal["list", "group", "contract", "promotional"]
Code = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?\Z")]
LIVE_MS_MAX = 30_000
AGE_MS_MAX = 400 * 86_400_000
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d{1,6})\s*(ms|s|m|h|d)")
_PERCENT = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)\s*%")


class PriceListConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sources": "from"}):
    """``[routes.prices.lists.ID]``: one price list of the channel. What is left out is as for the items' own price."""

    sources: list[str]
    currency: Code = ""
    compare_at: str = ""
    unit: str = ""


class PricesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=None):
    """``[routes.prices]``: from which lists of the source each price of the channel is made."""

    currency: Code
    own: list[str] = []
    compare_at: str = ""
    unit: str = ""
    precedence: list[Kind] = []
    lowest: bool | None = None
    kinds: dict[str, Kind] = {}
    max_jump: str = "50%"
    volatile: list[str] = []
    live_deadline: str = "1s"
    without_live: Literal["serve", "refuse"] = "serve"
    max_age: str = ""
    lists: dict[str, PriceListConfig] = {}

    def rules(self, field: str, source: Capabilities, sink: Capabilities) -> PriceRules:
        """The same for the engine.

        Raises:
            Misconfigured: a value makes no sense, or the channel cannot hold it.
        """
        if not self.currency:
            raise Misconfigured(f'{field}.currency: name the currency of the channel, such as "GBP"')
        if not self.own and not self.lists:
            raise Misconfigured(
                f'{field}.own: name the source\'s lists that prices are made from, such as ["level:1"]'
            )
        if self.lists and not sink.price_lists:
            raise Misconfigured(f"{field}.lists: this channel has one price for each item; use own")
        if not sink.compares_prices and (self.compare_at or any(x.compare_at for x in self.lists.values())):
            raise Misconfigured(
                f"{field}.compare_at: no price is shown struck through in this channel; leave it out"
            )
        self._named(field, source)
        if OWN in self.lists:
            raise Misconfigured(f'{field}.lists.{OWN}: the items\' own prices are made from "own" itself')
        lists = []
        if self.own:
            lists.append(_list(OWN, self.own, self.currency, self.unit, self.compare_at, f"{field}.own"))
        for name, one in self.lists.items():
            currency = one.currency or self.currency
            lists.append(
                _list(
                    name,
                    one.sources,
                    currency,
                    one.unit or self.unit,
                    one.compare_at,
                    f"{field}.lists.{name}.from",
                )
            )
        return PriceRules(
            tuple(lists),
            self._order(field, source.price_order),
            {name: PriceKind(kind) for name, kind in self.kinds.items()},
            sink.price_decimals,
            self._jump(f"{field}.max_jump"),
            tuple(self.volatile),
            _ms(self.live_deadline, f"{field}.live_deadline", LIVE_MS_MAX),
            self.without_live == "refuse",
            _ms(self.max_age, f"{field}.max_age", AGE_MS_MAX) if self.max_age else 0,
        )

    def _named(self, field: str, source: Capabilities) -> None:
        """Refuse a list that the source cannot have: nothing would ever be told of it, and no price be written."""
        named = {
            "own": self.own,
            "compare_at": [self.compare_at],
            "volatile": self.volatile,
            "kinds": list(self.kinds),
            **{f"lists.{name}.from": one.sources for name, one in self.lists.items()},
            **{f"lists.{name}.compare_at": [one.compare_at] for name, one in self.lists.items()},
        }
        for key, lists in named.items():
            for name in filter(None, lists):
                if not source.has_list(name):
                    raise Misconfigured(
                        f"{field}.{key}: the source has no list called {name!r}; its lists are called "
                        f"{source.list_names_told}"
                    )

    def _order(self, field: str, usual: PriceOrder) -> PriceOrder:
        """As configured; what is left out as the source itself has it."""
        if len(set(self.precedence)) != len(self.precedence):
            raise Misconfigured(f"{field}.precedence: a kind is named twice")
        kinds = tuple(PriceKind(kind) for kind in self.precedence) or usual.kinds
        if missing := [kind.value for kind in PriceKind if kind not in kinds]:
            raise Misconfigured(f"{field}.precedence: say where {', '.join(missing)} prices stand, too")
        return PriceOrder(kinds, usual.lowest if self.lowest is None else self.lowest, usual.last)

    def _jump(self, field: str) -> Decimal:
        match = _PERCENT.fullmatch(self.max_jump.strip())
        if match is None or not Decimal(match[1]):
            raise Misconfigured(f'{field}: {self.max_jump!r} is no limit; write for example "50%"')
        return Decimal(match[1]) / 100


def _ms(text: str, field: str, most: int) -> int:
    match = _DURATION.fullmatch(text.strip())
    value = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < value <= most:
        raise Misconfigured(f'{field}: {text!r} makes no sense; write for example "800ms" or "2h"')
    return value


def _list(
    name: str, sources: list[str], currency: str, unit: str, compare_at: str, field: str
) -> ChannelList:
    if not sources or len(set(sources)) != len(sources) or not all(sources):
        raise Misconfigured(f"{field}: name at least one list of the source, each once")
    return ChannelList(name, tuple(sources), currency, unit, compare_at)
