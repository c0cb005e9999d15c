"""What does it cost? Answered for a cart: one indexed read of what is known, and the ERP itself for volatile lists.

The lists that may have a price for a buyer are those that the customer has agreed on, those that the caller says the
buyer was given, and the route's own. Which of them counts is the same order of precedence by which channels are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog
from msgspec import Struct

from syncline.engine.catalog import Catalog
from syncline.engine.codec import decode
from syncline.engine.derive.prices import price_key
from syncline.engine.refused import Refused
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow, Kind
from syncline.model.customers import Company
from syncline.model.errors import SynclineError
from syncline.model.pricing import Price
from syncline.ports import Clock, Late, Store, System, within
from syncline.pricing.rules import OWN, ChannelList
from syncline.pricing.tags import Chosen, choose

LINES_MAX = 100
LISTS_MAX = 20
CUSTOMER = "customer:"  # before a customer's id, or number: the list of what was agreed with them

log = structlog.get_logger(__name__)


class PriceRefused(Refused):
    """A question about prices that cannot be answered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """So many units of a SKU. ``unit`` is the unit of measure; "" is the route's."""

    sku: str
    quantity: Decimal
    unit: str = ""


class PriceAnswer(Struct, frozen=True):
    """What one unit costs if so many are bought; ``price`` of ``null``: see ``reason``.

    ``as_of_ms`` is when the source confirmed it last, ``bound_ms`` how long a change there may stay unknown. ``live``: the
    source was asked just now. The price holds from ``starts_ms`` and ends before ``ends_ms``; 0 leaves that side open.
    ``reason`` is ``unknown_sku``, ``no_price``, ``old`` or ``not_live``.
    """

    sku: str
    quantity: Decimal
    currency: str
    price: Decimal | None
    kind: str = ""
    price_list: str = ""
    rule: str = ""
    minimum: Decimal | None = None
    starts_ms: int = 0
    ends_ms: int = 0
    as_of_ms: int | None = None
    age_ms: int | None = None
    bound_ms: int | None = None
    live: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What lists say of SKUs, by record, and when each was confirmed; ``live``: by asking."""

    prices: Mapping[str, Price]
    as_of_ms: Mapping[str, int]
    live: frozenset[str] = frozenset()


class PriceQuery:
    """Answers for every route of prices. ``covers_ms`` tells when a source's prices were last confirmed whole."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        routes: Routes,
        systems: Mapping[str, System],
        covers_ms: Callable[[str], int],
        bound_ms: Callable[[Route], int | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._catalog = catalog
        self._routes = routes
        self._systems = systems
        self._covers_ms = covers_ms
        self._bound_ms = bound_ms

    async def ask(
        self,
        channel: str,
        lines: Sequence[Asked],
        *,
        customer: str = "",
        lists: Sequence[str] = (),
        currency: str = "",
        at_ms: int | None = None,
    ) -> list[PriceAnswer]:
        """What a buyer at a channel pays, line by line.

        Args:
            channel: whose route of prices is asked.
            lines: at most ``LINES_MAX``.
            customer: the buyer by the id that the source has for them, or as it names their list; "" is nobody in particular.
            lists: further lists of the source that the buyer was given, such as a price level.
            currency: ISO 4217; "" is the route's.
            at_ms: the moment; without one, now.

        Raises:
            PriceRefused: no prices go to that channel, or too much is asked.
        """
        route = next(iter(self._routes.of(Flow.PRICES, sink=channel)), None)
        if route is None:
            shown = ", ".join(route.sink for route in self._routes.of(Flow.PRICES))
            raise PriceRefused(
                "unknown_channel",
                f"No prices are configured for {channel!r}.",
                f"They go to {shown}." if shown else "Configure a route of prices.",
            )
        if not 0 < len(lines) <= LINES_MAX or len(lists) > LISTS_MAX:
            raise PriceRefused("too_many", f"Ask for 1 to {LINES_MAX} lines and {LISTS_MAX} lists at most.")
        now_ms = self._clock.now_ms()
        own = route.prices.named(OWN)
        agreed = (await self.named(route, customer) or customer) if customer else ""
        names = list(
            dict.fromkeys(
                [
                    *([CUSTOMER + agreed] if agreed else []),
                    *lists,
                    *(own.sources if own is not None else ()),
                ]
            )
        )
        at = ChannelList("", tuple(names), currency or _currency(route))
        skus = list(dict.fromkeys(line.sku for line in lines))
        known = await self._known(route, skus, names)
        volatile = [name for name in names if name in route.prices.volatile]
        asked_live = await self._live(route, skus, volatile) if volatile else None
        if asked_live is not None:
            known = _Known(
                {
                    **{k: v for k, v in known.prices.items() if v.price_list not in volatile},
                    **asked_live.prices,
                },
                {**known.as_of_ms, **asked_live.as_of_ms},
                frozenset(asked_live.prices),
            )
        missed = frozenset(volatile) if asked_live is None else frozenset()
        return [
            self._answer(route, at, line, known, missed, now_ms if at_ms is None else at_ms, now_ms)
            for line in lines
        ]

    async def named(self, route: Route, customer: str) -> str | None:
        """How the source names the list of what was agreed with a customer, by the customer's id; ``None``: nobody has told."""
        if not self._systems[route.source].capabilities.lists_by_number:
            return customer
        rows = await self._store.read(
            "states_get", system=route.source, kind=Kind.CUSTOMER.value, keys=[customer]
        )
        known: list[Company] = [decode(Kind.CUSTOMER, body) for _, body, gone, *_ in rows if not gone]
        return known[0].number or None if known else None

    async def _known(self, route: Route, skus: Sequence[str], names: Sequence[str]) -> _Known:
        keys = [price_key(sku, name) for sku in skus for name in names]
        rows = await self._store.read("states_get", system=route.source, kind=Kind.PRICE.value, keys=keys)
        covers_ms = self._covers_ms(route.source)
        return _Known(
            {key: decode(Kind.PRICE, body) for key, body, gone, *_ in rows if not gone},
            {key: max(covers_ms, observed_ms) for key, _, _, _, observed_ms in rows},
        )

    async def _live(self, route: Route, skus: Sequence[str], names: Sequence[str]) -> _Known | None:
        """What the source itself says of volatile lists; ``None`` if it does not answer within the deadline."""
        system = self._systems[route.source]
        items = [item for sku in skus if (item := self._catalog.get(route.source, sku)) is not None]
        if system.live_prices is None or not items:
            return None
        began_ms = self._clock.now_ms()
        try:
            told = await within(
                self._clock, route.prices.live_deadline_ms / 1000, system.live_prices(items, names)
            )
        except Late:
            return None
        except SynclineError as error:
            log.info(
                "a live price was not told", action="live_price_failed", system=route.source, error=str(error)
            )
            return None
        found = {price_key(price.sku, price.price_list): price for price in told}
        return _Known(found, dict.fromkeys(found, began_ms), frozenset(found))

    def _answer(
        self,
        route: Route,
        at: ChannelList,
        line: Asked,
        known: _Known,
        missed: frozenset[str],
        at_ms: int,
        now_ms: int,
    ) -> PriceAnswer:
        rules = route.prices
        own = rules.named(OWN)
        at = ChannelList(at.name, at.sources, at.currency, line.unit or (own.unit if own is not None else ""))
        nothing = PriceAnswer(line.sku, line.quantity, at.currency, None)
        prices = [
            known.prices[key] for name in at.sources if (key := price_key(line.sku, name)) in known.prices
        ]
        if not prices and self._catalog.get(route.source, line.sku) is None:
            return _without(nothing, "unknown_sku")
        if missed and rules.refuse_unless_live:
            return _without(nothing, "not_live")
        chosen = choose(at, rules, prices, line.quantity, at_ms)
        if chosen is None:
            return _without(nothing, "no_price")
        key = price_key(line.sku, chosen.price_list)
        as_of_ms = known.as_of_ms[key]
        age_ms = max(0, now_ms - as_of_ms)
        if 0 < rules.max_age_ms < age_ms:
            return _without(nothing, "old", as_of_ms, age_ms)
        return PriceAnswer(
            line.sku,
            line.quantity,
            at.currency,
            chosen.amount,
            chosen.kind.value,
            chosen.price_list,
            _rule(route, chosen, prices),
            chosen.entry.minimum,
            chosen.entry.starts_ms,
            chosen.entry.ends_ms,
            as_of_ms,
            age_ms,
            0 if key in known.live else self._bound_ms(route),
            key in known.live,
        )


def _currency(route: Route) -> str:
    lists = route.prices.lists
    return lists[0].currency if lists else ""


def _without(
    answer: PriceAnswer, reason: str, as_of_ms: int | None = None, age_ms: int | None = None
) -> PriceAnswer:
    return PriceAnswer(
        answer.sku, answer.quantity, answer.currency, None, as_of_ms=as_of_ms, age_ms=age_ms, reason=reason
    )


def _rule(route: Route, chosen: Chosen, prices: Sequence[Price]) -> str:
    """Why this price and no other, in words."""
    many = "" if chosen.entry.minimum <= 1 else f", from {chosen.entry.minimum.normalize():f} on"
    others = sorted({price.price_list for price in prices} - {chosen.price_list})
    how = "the lowest" if route.prices.order.lowest else f"{chosen.kind.value} counts first"
    beside = f"; beside {', '.join(others)}" if others else ""
    return f"{chosen.price_list}{many}: {how if others else 'the only one'}{beside}"
