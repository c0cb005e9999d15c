"""Writing prices, and reading them again: products' base and special prices, and the tier prices of customer groups.

Every row of a call is judged by itself: 200 with an empty list says that all were taken, and each entry names one that was
not (contract section 6). A call adds rows and changes those that are there; ``PUT`` would wipe all groups of a product,
so what has to go is read and deleted by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

import msgspec

from syncline.connectors.adobe_commerce import wire
from syncline.connectors.adobe_commerce.client import Client, Problem, Search, words_of
from syncline.connectors.adobe_commerce.manifest import AdobeCommerceSettings
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.payloads import SetPrice
from syncline.model.pricing import ONE, PriceBreak, PriceTag
from syncline.model.readings import Told
from syncline.model.records import Item as StockedItem
from syncline.ports import Clock, Part

BASE, TIERS = "products/base-prices", "products/tier-prices"
SPECIAL, READ_SPECIAL = "products/special-price", "products/special-price-information"
DELETE_SPECIAL = "products/special-price-delete"
READ_TIERS, DELETE_TIERS = "products/tier-prices-information", "products/tier-prices-delete"
WEBSITES = 0  # all of them; `store_id` 0 is all store views
FIXED = "fixed"  # the type of a price; the other is a percentage
OWN = "own"  # the group of a product's own price, as contents are called
CENT = Decimal("0.01")
DONE = Outcome(Result.DONE)
NO_SPECIALS = (
    'a price beside a higher one is a special price: set special_prices = "write", or leave compare_at out'
)
NO_COMPARED = "the price of a customer group is shown beside no other: leave compare_at of the list out"
Row = dict[str, Any]
At = tuple[str, str]  # a SKU and a customer group


class PriceWriter:
    """Writes one shop's prices. Calls of one batch follow one another, each with as many rows as the shop takes."""

    def __init__(self, settings: AdobeCommerceSettings, client: Client) -> None:
        self._client = client
        self._rows_max = settings.stock_items_max
        self._specials = settings.special_prices == "write"

    async def set_own(self, items: Sequence[Item]) -> list[Outcome]:
        """Base prices; of one that is shown beside a higher price, that is the base price, and it is the special one.

        A save keeps the dates of the special price that was there, so one with dates is deleted first.
        """
        payloads: list[SetPrice] = [item.payload for item in items]
        if not self._specials:
            refused = {_at(one): NO_SPECIALS for one in payloads if one.content.compare_at is not None}
        else:
            refused = await self._clear_specials(payloads)
        rows = [(_at(one), _base(one)) for one in payloads if _at(one) not in refused]
        refused |= await self._send(BASE, rows)
        compared = [one for one in payloads if one.content.compare_at is not None and _at(one) not in refused]
        refused |= await self._send(SPECIAL, [(_at(one), _special(one)) for one in compared])
        return [_outcome(payload, refused) for payload in payloads]

    async def _clear_specials(self, payloads: Sequence[SetPrice]) -> dict[At, str]:
        """Delete the special prices that are not wanted; returns what was refused."""
        wanted = {_folded(*_at(payload)): payload for payload in payloads}
        rows = await _all(
            self._client, READ_SPECIAL, [one.sku for one in payloads], self._rows_max, wire.SpecialPrice
        )
        gone = [
            (
                _at(payload),
                {name: value for name, value in msgspec.to_builtins(row).items() if value is not None},
            )
            for row in rows
            if row.store_id == WEBSITES
            and (payload := wanted.get(_folded(row.sku, ""))) is not None
            and (row.dated or payload.content.compare_at is None)
        ]
        return await self._send(DELETE_SPECIAL, gone)

    async def set_lists(self, items: Sequence[Item]) -> list[Outcome]:
        """Tier prices of customer groups; one from a single unit on is the group's price."""
        payloads: list[SetPrice] = [item.payload for item in items]
        refused = {_at(one): NO_COMPARED for one in payloads if one.content.compare_at is not None}
        refused |= await self._clear([one for one in payloads if _at(one) not in refused and _leaves(one)])
        rows = [
            (_at(payload), _tier(payload.sku, payload.price_list, one.minimum, one.amount))
            for payload in payloads
            if _at(payload) not in refused
            for one in payload.content.breaks
        ]
        refused |= await self._send(TIERS, rows)
        return [_outcome(payload, refused) for payload in payloads]

    async def _clear(self, payloads: Sequence[SetPrice]) -> dict[At, str]:
        """Delete the rows of groups that are not wanted any more; returns what was refused."""
        if not payloads:
            return {}
        wanted = {
            _folded(*_at(payload)): (_at(payload), {one.minimum for one in payload.content.breaks})
            for payload in payloads
        }
        skus = list(dict.fromkeys(payload.sku for payload in payloads))
        there = await _all(self._client, READ_TIERS, skus, self._rows_max, wire.TierPrice)
        gone = [
            (held[0], msgspec.to_builtins(row))
            for row in there
            if (held := wanted.get(_folded(row.sku, row.customer_group))) is not None
            and row.quantity not in held[1]
        ]
        return await self._send(DELETE_TIERS, gone)

    async def _send(self, path: str, rows: Sequence[tuple[At, Row]]) -> dict[At, str]:
        """Send rows; returns the shop's words for those that it refused."""
        refused: dict[At, str] = {}
        for start in range(0, len(rows), self._rows_max):
            some = rows[start : start + self._rows_max]
            problems = await self._client.post(path, {"prices": [row for _, row in some]}, list[Problem])
            for problem in problems:
                refused |= dict.fromkeys(
                    _named(problem, [at for at, _ in some]), f"Adobe Commerce: {words_of(problem)}"
                )
        return refused


class PriceReader:
    """Reads again what a shop shows of some products, for comparison."""

    def __init__(self, settings: AdobeCommerceSettings, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._rows_max = settings.stock_items_max
        self._specials = settings.special_prices == "write"

    async def read(self, groups: Sequence[str], items: Sequence[StockedItem]) -> Part[Told]:
        """Base prices, and the tier prices of some customer groups; ``cost`` is how long calls were open, in seconds."""
        began_ms, began_s = self._clock.now_ms(), self._clock.monotonic()
        rows: list[Told] = []
        try:
            for start in range(0, len(items), self._rows_max):
                some = items[start : start + self._rows_max]
                rows += await self._own(some) if OWN in groups else []
                rows += await self._tiers(some, [group for group in groups if group != OWN])
        except (Rejected, OutcomeUnknown) as error:  # a reading has no effect
            raise Retryable(str(error)) from error
        return Part(tuple(rows), began_ms, "", self._clock.monotonic() - began_s)

    async def _own(self, items: Sequence[StockedItem]) -> list[Told]:
        search = Search(size=len(items), fields="id,sku,type_id,price,updated_at")
        search.where(("entity_id", "in", ",".join(item.external_id for item in items)))
        answer = await self._client.get("products", search.pairs(), wire.Found[wire.Product])
        currencies = {item.external_id: item.currency for item in items}
        specials: dict[str, wire.SpecialPrice] = {}
        if self._specials:
            skus = [row.sku for row in answer.items]
            found = await _all(self._client, READ_SPECIAL, skus, self._rows_max, wire.SpecialPrice)
            specials = {row.sku.casefold(): row for row in found if row.store_id == WEBSITES}
        return [
            Told(
                OWN,
                str(row.id),
                _own_tag(currencies[str(row.id)], row.price, specials.get(row.sku.casefold())),
            )
            for row in answer.items
            if row.price is not None and str(row.id) in currencies
        ]

    async def _tiers(self, items: Sequence[StockedItem], groups: Sequence[str]) -> list[Told]:
        if not groups:
            return []
        known = {item.sku: item for item in items}
        asked = {_folded(sku, group): (sku, group) for sku in known for group in groups}
        rows = await self._client.post(READ_TIERS, {"skus": list(known)}, list[wire.TierPrice])
        found: dict[At, list[PriceBreak]] = {}
        for row in rows:
            at = asked.get(_folded(row.sku, row.customer_group))
            if at is not None:
                # A percentage is told as what it takes away, so that it is never taken for a price that was written.
                amount = row.price if row.price_type == FIXED else -row.price
                found.setdefault(at, []).append(PriceBreak(_plain(row.quantity), _plain(amount)))
        return [
            Told(
                group,
                known[sku].external_id,
                PriceTag(known[sku].currency, tuple(sorted(breaks, key=lambda one: one.minimum))),
            )
            for (sku, group), breaks in found.items()
        ]


R = TypeVar("R")


async def _all(client: Client, path: str, skus: Sequence[str], size: int, kind: type[R]) -> list[R]:
    """What a service tells of some products."""
    rows: list[R] = []
    for start in range(0, len(skus), size):
        rows += await client.post(path, {"skus": list(skus[start : start + size])}, list[kind])  # type: ignore[valid-type]
    return rows


def _own_tag(currency: str, base: Decimal, special: wire.SpecialPrice | None) -> PriceTag:
    """What a product is sold for. A special price with dates is none of ours: it is told below zero, so that it is never taken for one."""
    price, compared = _plain(base), None
    if special is not None and special.dated:
        price = -_plain(special.price)
    elif special is not None and _plain(special.price) < price:
        price, compared = _plain(special.price), price
    return PriceTag(currency, (PriceBreak(ONE, price),), compared)


def _plain(number: Decimal) -> Decimal:
    """As it would have been written: the shop's floats may echo as 29.949999 (contract section 6)."""
    return number.quantize(CENT, ROUND_HALF_UP).normalize() + 0


def _at(payload: SetPrice) -> At:
    return payload.sku, payload.price_list


def _folded(sku: str, group: str) -> At:
    """The shop's names know no case: it takes ``ALL GROUPS`` and tells ``all groups``."""
    return sku.casefold(), group.casefold()


def _leaves(payload: SetPrice) -> bool:
    """Whether rows may be there that are not wanted."""
    return payload.had is None or not set(payload.had) <= {one.minimum for one in payload.content.breaks}


def _base(payload: SetPrice) -> Row:
    content = payload.content
    amount = content.breaks[0].amount if content.compare_at is None else content.compare_at
    return {"sku": payload.sku, "price": amount, "store_id": WEBSITES}


def _special(payload: SetPrice) -> Row:
    return {"sku": payload.sku, "price": payload.content.breaks[0].amount, "store_id": WEBSITES}


def _tier(sku: str, group: str, minimum: Decimal, amount: Decimal) -> Row:
    return {
        "sku": sku,
        "price": amount,
        "price_type": FIXED,
        "website_id": WEBSITES,
        "customer_group": group,
        "quantity": minimum,
    }


def _named(problem: Problem, rows: Sequence[At]) -> list[At]:
    """The rows that an error is about, by the SKU and the group that it names; one that names none may mean any of them."""
    sku, group = _row_named(problem.parameters)
    by_sku = [at for at in rows if at[0].casefold() == sku] or list(rows)
    return [at for at in by_sku if at[1].casefold() == group] or by_sku


def _row_named(values: Any) -> At:
    """SKU and group among an error's values.

    They are listed without names: of a tier price SKU, website, group and quantity come last, of a base price the field's name
    comes before what it says, or the SKU before the store (magento2: TierPriceValidator, BasePriceStorage).
    """
    listed = [str(value) for value in values] if isinstance(values, list) else []
    if len(listed) >= 4:
        return _folded(listed[-4], listed[-2])
    if len(listed) == 2:
        return _folded(listed[listed[0].casefold() == "sku"], "")
    return "", ""


def _outcome(payload: SetPrice, refused: dict[At, str]) -> Outcome:
    words = refused.get(_at(payload))
    return DONE if words is None else Outcome(Result.REJECTED, f"{payload.sku}: {words}")
