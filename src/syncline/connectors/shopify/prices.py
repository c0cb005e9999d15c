"""Writing prices, and reading them again: variants' own, and those of price lists with their quantity breaks.

Each mutation sets whole what it names, so it may be made again. A request carries several mutations, because a
variant's price is set product by product, and a list's list by list.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from syncline.connectors.shopify import documents, wire
from syncline.connectors.shopify.client import Client, UserError
from syncline.connectors.shopify.documents import MUTATIONS_MAX, Document
from syncline.connectors.shopify.wire import number
from syncline.model.delivery import Item, Outcome, Result
from syncline.model.errors import OutcomeUnknown, Rejected, Retryable
from syncline.model.payloads import SetPrice
from syncline.model.pricing import PriceBreak, PriceTag
from syncline.model.readings import Told
from syncline.model.records import Item as StockedItem
from syncline.ports import Clock, Part

PAGES_MAX = 1_000
OWN = "own"  # the group of a variant's own price, as contents are called
BREAKS_MAX = 250  # of one mutation: input arrays have at most so many items
DONE = Outcome(Result.DONE)
GONE = "PRICE_NOT_FIXED"  # what is to be deleted is not there


class _Written(Struct, frozen=True, rename="camel"):
    user_errors: tuple[UserError, ...]


class _Amount(Struct, frozen=True):
    amount: wire.Amount


class _OwnPrice(Struct, frozen=True, rename="camel"):
    id: wire.Gid
    price: wire.Amount
    compare_at_price: wire.Amount | None = None


class _Break(Struct, frozen=True, rename="camel"):
    minimum_quantity: int
    price: _Amount


class _Fixed(Struct, frozen=True, rename="camel"):
    variant: wire.Ref
    price: _Amount
    quantity_price_breaks: wire.Connection[_Break]
    compare_at_price: _Amount | None = None


class _List(Struct, frozen=True):
    currency: str
    prices: wire.Connection[_Fixed]


class _Lists(Struct, frozen=True, rename="camel"):
    price_list: _List | None = None


class PriceReader:
    """Reads again what a shop shows of some variants, for comparison."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def read(self, groups: Sequence[str], items: Sequence[StockedItem]) -> Part[Told]:
        """Their own prices, and those of some lists; ``cost`` in points as we bound them."""
        began_ms = self._clock.now_ms()
        rows: list[Told] = []
        cost = 0.0
        try:
            for group in groups:
                found, points = await (self._own(items) if group == OWN else self._list(group, items))
                rows += [Told(group, external_id, tag) for external_id, tag in found]
                cost += points
        except Rejected as error:  # what refuses a reading can be mended while we wait
            raise Retryable(str(error)) from error
        return Part(tuple(rows), began_ms, "", cost)

    async def _own(self, items: Sequence[StockedItem]) -> tuple[list[tuple[str, PriceTag]], float]:
        document = documents.own_prices(len(items))
        variables = {f"v{n}": item.external_id for n, item in enumerate(items)}
        answer = await self._client.call(document, variables, dict[str, Any])
        currency = msgspec.convert(answer.pop("shop"), wire.Shop).currency_code
        found = [msgspec.convert(node, _OwnPrice) for node in answer.values() if node is not None]
        return [
            (one.id, _tag(currency, [(1, one.price)], one.compare_at_price)) for one in found
        ], documents.requested_cost(document.text)

    async def _list(
        self, name: str, items: Sequence[StockedItem]
    ) -> tuple[list[tuple[str, PriceTag]], float]:
        query = " OR ".join(f"variant_id:{number(item.external_id)}" for item in items)
        found: list[tuple[str, PriceTag]] = []
        after: str | None = None
        cost = 0.0
        for _ in range(PAGES_MAX):
            variables = {"list": _list_id(name), "query": query, "after": after}
            answer = await self._client.call(documents.LIST_PRICES, variables, _Lists)
            cost += documents.requested_cost(documents.LIST_PRICES.text)
            if answer.price_list is None:
                raise Retryable(f"Shopify has no price list {name}")
            page = answer.price_list.prices
            found += [(row.variant.id, _fixed_tag(answer.price_list.currency, row)) for row in page.nodes]
            after = page.page_info.end_cursor
            if not page.page_info.has_next_page:
                return found, cost
        raise Retryable(f"reading price list {name} did not end after {PAGES_MAX} pages")


def _fixed_tag(currency: str, row: _Fixed) -> PriceTag:
    if row.quantity_price_breaks.page_info.has_next_page:
        raise Retryable(
            f"{row.variant.id} has more than {documents.BREAKS_READ_MAX} quantity breaks: more are not read"
        )
    breaks = [(one.minimum_quantity, one.price.amount) for one in row.quantity_price_breaks.nodes]
    compare_at = None if row.compare_at_price is None else row.compare_at_price.amount
    return _tag(currency, [(1, row.price.amount), *breaks], compare_at)


def _tag(currency: str, breaks: Sequence[tuple[int, str]], compare_at: str | None) -> PriceTag:
    """As it would have been written: amounts without trailing zeros."""
    return PriceTag(
        currency,
        tuple(PriceBreak(Decimal(minimum), _amount(amount)) for minimum, amount in sorted(breaks)),
        None if compare_at is None else _amount(compare_at),
    )


def _amount(text: str) -> Decimal:
    return Decimal(text).normalize() + 0


class PriceWriter:
    """Writes one shop's prices."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def set_own(self, items: Sequence[Item]) -> list[Outcome]:
        """Variants' own prices. Where one is refused, the others of its product are written all the same."""
        outcomes = [_unfit(item.payload) for item in items]
        products: dict[str, list[int]] = {}
        for at, outcome in enumerate(outcomes):
            if outcome is None:
                products.setdefault(items[at].payload.parent_id, []).append(at)
        variables: dict[str, Any] = {}
        for n, (product, members) in enumerate(products.items()):
            variables[f"p{n}"] = product
            variables[f"v{n}"] = [_variant(items[at].payload) for at in members]
        if products:
            answers = await self._call(documents.set_prices(len(products)), variables)
            for n, members in enumerate(products.values()):
                errors = answers[n]
                for place, at in enumerate(members):
                    outcomes[at] = _of(errors, "variants", place, len(members), partial=True)
        return [outcome or DONE for outcome in outcomes]

    async def set_lists(self, items: Sequence[Item]) -> list[Outcome]:
        """Price lists' prices. A mutation is taken to be all or nothing: the rest goes again without what is refused."""
        outcomes = [_unfit(item.payload) or _unbroken(item.payload) for item in items]
        plain: dict[str, list[int]] = {}
        broken: dict[str, list[int]] = {}
        for at, outcome in enumerate(outcomes):
            if outcome is None:
                payload: SetPrice = items[at].payload
                breaks = _had_breaks(payload) or len(payload.content.breaks) > 1
                (broken if breaks else plain).setdefault(payload.price_list, []).append(at)
        groups = [(documents.SET_FIXED, name, members) for name, members in plain.items()]
        groups += [
            (documents.SET_BREAKS, name, some)
            for name, members in broken.items()
            for some in _fitting(items, members)
        ]
        for start in range(0, len(groups), MUTATIONS_MAX):
            await self._set_some(items, groups[start : start + MUTATIONS_MAX], outcomes)
        return [outcome or DONE for outcome in outcomes]

    async def _set_some(
        self,
        items: Sequence[Item],
        groups: Sequence[tuple[str, str, list[int]]],
        outcomes: list[Outcome | None],
    ) -> None:
        variables: dict[str, Any] = {}
        for n, (kind, name, members) in enumerate(groups):
            payloads = [items[at].payload for at in members]
            variables[f"l{n}"] = _list_id(name)
            variables |= _fixed(n, payloads) if kind == documents.SET_FIXED else _broken(n, payloads)
        answers = await self._call(documents.set_lists(tuple(kind for kind, _, _ in groups)), variables)
        for n, (_, _, members) in enumerate(groups):
            added = [at for at in members if items[at].payload.content.breaks]
            deleted = [at for at in members if not items[at].payload.content.breaks]
            named: dict[int, UserError] = {}
            for error in answers[n]:
                at = _named(error, added, deleted, items)
                if at is None:
                    named = dict.fromkeys(members, error)
                    break
                named[at] = error
            for at in members:
                refusal = named.get(at)
                if refusal is not None and not (refusal.code or "").endswith(GONE):
                    outcomes[at] = Outcome(Result.REJECTED, f"Shopify: {refusal.message}")
                elif refusal is None and answers[n]:
                    # Nothing is wrong with this one: it goes again at once, and that does not count.
                    outcomes[at] = Outcome(Result.WAIT, "batch refused because of others", retry_after_s=0.0)
                else:
                    outcomes[at] = DONE

    async def _call(self, document: Document, variables: dict[str, Any]) -> list[tuple[UserError, ...]]:
        """The errors of each mutation of a request, in their order."""
        answer = await self._client.call(document, variables, dict[str, _Written | None])
        written = [answer.get(f"m{n}") for n in range(len(answer))]
        if any(one is None for one in written):
            raise OutcomeUnknown("Shopify said nothing about some of the prices that were set")
        return [one.user_errors for one in written if one is not None]


def _variant(payload: SetPrice) -> dict[str, Any]:
    tag = payload.content
    compare_at = None if tag.compare_at is None else f"{tag.compare_at:f}"
    return {"id": payload.item_id, "price": f"{tag.breaks[0].amount:f}", "compareAtPrice": compare_at}


def _money(tag: PriceTag, amount: Decimal) -> dict[str, str]:
    return {"amount": f"{amount:f}", "currencyCode": tag.currency}


def _price(payload: SetPrice) -> dict[str, Any]:
    tag = payload.content
    found: dict[str, Any] = {
        "variantId": payload.item_id,
        "price": _money(tag, tag.breaks[0].amount),
    }
    if tag.compare_at is not None:
        found["compareAtPrice"] = _money(tag, tag.compare_at)
    return found


def _fixed(n: int, payloads: Sequence[SetPrice]) -> dict[str, Any]:
    return {
        f"a{n}": [_price(payload) for payload in payloads if payload.content.breaks],
        f"d{n}": [payload.item_id for payload in payloads if not payload.content.breaks],
    }


def _broken(n: int, payloads: Sequence[SetPrice]) -> dict[str, Any]:
    """Prices with breaks: what there was of them goes, and all that there should be is added."""
    return {
        f"i{n}": {
            "pricesToAdd": [_price(payload) for payload in payloads if payload.content.breaks],
            "pricesToDeleteByVariantId": [p.item_id for p in payloads if not p.content.breaks],
            "quantityPriceBreaksToAdd": [
                {
                    "variantId": payload.item_id,
                    "minimumQuantity": int(one.minimum),
                    "price": _money(payload.content, one.amount),
                }
                for payload in payloads
                for one in payload.content.breaks[1:]
            ],
            "quantityPriceBreaksToDelete": [],
            "quantityPriceBreaksToDeleteByVariantId": [p.item_id for p in payloads if _had_breaks(p)],
            "quantityRulesToAdd": [],
            "quantityRulesToDeleteByVariantId": [],
        }
    }


def _had_breaks(payload: SetPrice) -> bool:
    """Whether there may be breaks that have to go."""
    return payload.had is None or len(payload.had) > 1


def _fitting(items: Sequence[Item], members: Sequence[int]) -> list[list[int]]:
    """Members in groups whose breaks fit into one mutation."""
    groups: list[list[int]] = []
    room = 0
    for at in members:
        breaks = max(0, len(items[at].payload.content.breaks) - 1)
        if not groups or breaks > room:
            groups.append([])
            room = BREAKS_MAX
        groups[-1].append(at)
        room -= breaks
    return groups


def _list_id(name: str) -> str:
    return f"gid://shopify/PriceList/{name}"


def _unfit(payload: Any) -> Outcome | None:
    """Refuse what cannot be meant, instead of letting it spoil a whole call."""
    assert isinstance(payload, SetPrice)
    for what, gid, kind in (
        ("variant", payload.item_id, "ProductVariant"),
        ("product", payload.parent_id, "Product"),
    ):
        if not gid.startswith(f"gid://shopify/{kind}/") or not number(gid).isdigit():
            return Outcome(
                Result.WAIT,
                f"{payload.sku}: its {what} is not known ({gid!r}); the catalog is read again within the hour",
                retry_after_s=300.0,
            )
    if payload.price_list and not (payload.price_list.isascii() and payload.price_list.isdigit()):
        return Outcome(
            Result.REJECTED,
            f"{payload.sku}: {payload.price_list!r} is no price list of Shopify; use the number at the end of its id",
        )
    return None


def _unbroken(payload: SetPrice) -> Outcome | None:
    tag = payload.content
    if len(tag.breaks) > BREAKS_MAX or any(one.minimum % 1 for one in tag.breaks):
        return Outcome(
            Result.REJECTED,
            f"{payload.sku}: Shopify has quantity breaks at whole numbers only, {BREAKS_MAX} at most",
        )
    return None


def _of(errors: Sequence[UserError], array: str, place: int, count: int, *, partial: bool) -> Outcome:
    """What became of one of several: its own error, or one that names none of them."""
    for error in errors:
        index = _index(error, array)
        if index == place or index is None or index >= count:
            return Outcome(Result.REJECTED, f"Shopify: {error.message}")
    assert partial
    return DONE


def _index(error: UserError, array: str) -> int | None:
    """Which item of an array an error names: ``["variants", "7", "price"]`` -> 7."""
    field = error.field or ()
    if array in field:
        rest = field[field.index(array) + 1 :]
        if rest and rest[0].isascii() and rest[0].isdigit():
            return int(rest[0])
    return None


def _named(
    error: UserError, added: Sequence[int], deleted: Sequence[int], items: Sequence[Item]
) -> int | None:
    """Which of the items of a list's mutation an error names; ``None``: none, so all of them."""
    of_breaks = [at for at in added for _ in items[at].payload.content.breaks[1:]]
    gone = [at for at in (*added, *deleted) if _had_breaks(items[at].payload)]
    for array, members in (
        ("pricesToAdd", added),
        ("variantIdsToDelete", deleted),
        ("pricesToDeleteByVariantId", deleted),
        ("quantityPriceBreaksToAdd", of_breaks),
        ("quantityPriceBreaksToDeleteByVariantId", gone),
    ):
        index = _index(error, array)
        if index is not None and index < len(members):
            return members[index]
    return None
