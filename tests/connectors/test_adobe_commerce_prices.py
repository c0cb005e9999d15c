"""Prices at Adobe Commerce: rows that are judged one by one, and groups' tier prices that come and go."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from syncline.connectors.adobe_commerce import CONNECTOR, AdobeCommerceSettings
from syncline.connectors.adobe_commerce.simulator import AdobeCommerceSimulator, CartLine
from syncline.connectors.adobe_commerce.simulator.specialprices import Special
from syncline.engine.codec import fingerprint
from syncline.model.change import Kind
from syncline.model.delivery import Item, Result
from syncline.model.payloads import SetPrice
from syncline.model.pricing import PriceBreak, PriceTag
from syncline.model.records import Item as StockedItem
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport


class World:
    def __init__(self, loop, more: dict[str, str] | None = None, **options) -> None:
        clock = VirtualClock(loop)
        transport = AsgiTransport({})
        self.shop = AdobeCommerceSimulator(clock=clock, rng=Random(1), transport=transport, **options)
        transport.register(self.shop.origin, self.shop)
        held = self.shop.integration
        settings = AdobeCommerceSettings(
            base_url=self.shop.origin,
            consumer_key=held.consumer_key,
            consumer_secret=held.consumer_secret,
            access_token=held.access_token,
            access_token_secret=held.access_token_secret,
            **(more or {}),
        )
        self.system = CONNECTOR.open(Opening("shop", settings, clock, Random(2), transport))
        place = self.shop.add_source("here")
        for sku in ("A", "B,/&", "C"):
            self.shop.add_product(sku, sku, Decimal(10), {place: 1})

    async def do(self, operation: str, *items: SetPrice) -> list[tuple[Result, str]]:
        delivered = [Item(f"{payload.price_list}/{payload.sku}", payload) for payload in items]
        found = await self.system.sink.deliver(operation, delivered, "key")
        return [(one.result, one.message) for one in found]

    def calls(self) -> dict[str, int]:
        found = dict(self.shop.ledger.calls_by_operation)
        self.shop.ledger.calls_by_operation.clear()
        return {name.rpartition("/")[2]: count for name, count in found.items()}

    def tiers(self) -> dict[tuple[str, str, int], float]:
        return {(sku, group, int(n)): price for (sku, group, n), price in self.shop.state.tier_prices.items()}


def price(
    sku: str,
    *amounts: str,
    group: str = "",
    had: tuple[int, ...] | None = (1,),
    instead_of: str = "",
) -> SetPrice:
    breaks = tuple(
        PriceBreak(Decimal(10 * n) if n else Decimal(1), Decimal(amount)) for n, amount in enumerate(amounts)
    )
    known = None if had is None else tuple(map(Decimal, had))
    compared = Decimal(instead_of) if instead_of else None
    return SetPrice(sku, "1", "", group, PriceTag("GBP", breaks, compared), known)


def run(story, **options) -> None:
    loop = VirtualLoop(1_790_000_000_000)
    try:
        loop.run_until_complete(story(World(loop, **options)))
    finally:
        loop.close()


def test_base_prices_go_in_one_call_and_a_row_that_is_refused_spoils_no_other():
    async def story(w: World) -> None:
        answers = await w.do("set_price", price("A", "12.5"), price("none", "5"), price("B,/&", "7"))
        assert [result for result, _ in answers] == [Result.DONE, Result.REJECTED, Result.DONE]
        words = "Invalid attribute %fieldName = %fieldValue. (SKU, none)"
        assert answers[1][1] == f"none: Adobe Commerce: {words}"
        assert [w.shop.state.products[sku].price_minor for sku in ("A", "B,/&", "C")] == [1250, 700, 1000]
        assert w.calls() == {"base-prices": 1}
        assert not w.shop.ledger.breaches

    run(story)


def test_prices_that_were_locked_are_not_refused_for_good():
    async def story(w: World) -> None:
        w.shop.lock_waits = 1
        answers = await w.do("set_price", price("A", "12.5"), price("C", "5"))
        assert [result for result, _ in answers] == [Result.NOT_SENT] * 2
        answers = await w.do("set_price", price("A", "12.5"), price("C", "5"))
        assert [result for result, _ in answers] == [Result.DONE] * 2

    run(story)


def test_what_a_group_pays_is_its_rows_and_those_that_are_not_wanted_go():
    async def story(w: World) -> None:
        first = [
            price("A", "9", "8", group="Wholesale"),
            price("A", "9.5", group="Retailer"),
            price("C", "4", group="Wholesale"),
        ]
        assert {result for result, _ in await w.do("set_list_price", *first)} == {Result.DONE}
        assert w.calls() == {"tier-prices": 1}
        assert w.tiers() == {
            ("A", "Wholesale", 1): 9, ("A", "Wholesale", 10): 8, ("A", "Retailer", 1): 9.5, ("C", "Wholesale", 1): 4,
        }  # fmt: skip
        # Only where a row has to go, or nobody knows, it is read what there is; other groups keep theirs.
        await w.do(
            "set_list_price",
            price("A", "9", group="Wholesale", had=(1, 10)),
            price("C", "5", group="Wholesale"),
        )
        assert w.calls() == {"tier-prices-information": 1, "tier-prices-delete": 1, "tier-prices": 1}
        assert w.tiers() == {("A", "Wholesale", 1): 9, ("A", "Retailer", 1): 9.5, ("C", "Wholesale", 1): 5}
        w.shop.state.tier_prices["A", "Wholesale", 50.0] = 3
        await w.do("set_list_price", price("A", "9", group="Wholesale", had=None))
        await w.do("set_list_price", price("C", group="Wholesale"))
        assert w.tiers() == {("A", "Wholesale", 1): 9, ("A", "Retailer", 1): 9.5}
        assert not w.shop.ledger.breaches

    run(story)


def test_a_refused_row_is_that_of_its_sku_and_group():
    async def story(w: World) -> None:
        answers = await w.do(
            "set_list_price",
            price("A", "9", group="Wholesale"), price("A", "9", group="Nobody"), price("none", "9", group="Wholesale"),
        )  # fmt: skip
        assert [result for result, _ in answers] == [Result.DONE, Result.REJECTED, Result.REJECTED]
        assert answers[1][1].startswith(
            "A: Adobe Commerce: No such entity with Customer Group = %customerGroup."
        )
        assert answers[1][1].endswith("(A, 0, Nobody, 1)")
        assert answers[2][1].endswith("(none, 0, Wholesale, 1)")

    run(story)


def test_a_sku_that_looks_like_a_quantity_is_not_refused_for_another():
    async def story(w: World) -> None:
        w.shop.add_product("1", "1", Decimal(10), {"here": 1})
        answers = await w.do(
            "set_list_price", price("1", "9", group="Wholesale"), price("none", "9", group="Wholesale")
        )
        assert [result for result, _ in answers] == [Result.DONE, Result.REJECTED]

    run(story)


def test_the_prices_of_all_groups_are_found_however_they_are_written():
    async def story(w: World) -> None:
        await w.do("set_list_price", price("A", "9", "8", group="ALL GROUPS"))
        await w.do("set_list_price", price("A", "9", group="ALL GROUPS", had=(1, 10)))
        assert w.tiers() == {("A", "ALL GROUPS", 1): 9}
        await w.do("set_list_price", price("C", "7", "6", group="wholesale"))
        await w.do("set_list_price", price("C", "7", group="wholesale", had=None))
        assert w.tiers() == {("A", "ALL GROUPS", 1): 9, ("C", "Wholesale", 1): 7}
        number = str(w.shop.state.products["A"].entity_id)
        part = await w.system.rereads.contents[Kind.PRICE](
            ["ALL GROUPS"], [StockedItem("A", number, currency="GBP")]
        )
        assert [(row.group, row.content) for row in part.rows] == [("ALL GROUPS", price("A", "9").content)]

    run(story)


def test_a_percentage_is_not_taken_for_the_price_of_the_same_number():
    async def story(w: World) -> None:
        await w.do("set_list_price", price("A", "9", group="Wholesale"))
        w.shop.state.tier_discounts.add(("A", "Wholesale", 1.0))
        number = str(w.shop.state.products["A"].entity_id)
        stocked = [StockedItem("A", number, currency="GBP")]
        (row,) = (await w.system.rereads.contents[Kind.PRICE](["Wholesale"], stocked)).rows
        assert row.content != price("A", "9").content
        await w.do("set_list_price", price("A", "9", group="Wholesale", had=None))
        (row,) = (await w.system.rereads.contents[Kind.PRICE](["Wholesale"], stocked)).rows
        assert row.content == price("A", "9").content

    run(story)


def test_a_shop_with_input_limits_is_given_no_more_rows_than_it_takes():
    async def story(w: World) -> None:
        items = [price("A", "9", "8", "7", group=group) for group in ("Wholesale", "Retailer", "General")]
        items += [price("C", "9", "8", "7", group=group) for group in ("Wholesale", "Retailer", "General")]
        items += [price("B,/&", "9", "8", "7", group="Wholesale")]
        assert {result for result, _ in await w.do("set_list_price", *items)} == {Result.DONE}
        assert w.calls() == {"tier-prices": 2}
        assert len(w.tiers()) == 21

    run(story, input_limits=True)


def test_prices_are_read_again_as_they_would_have_been_written():
    async def story(w: World) -> None:
        told = [price("A", "9", "8.05", group="Wholesale"), price("B,/&", "4", group="Retailer")]
        await w.do("set_price", price("A", "12.5"))
        await w.do("set_list_price", *told, price("C", "3", group="Wholesale"))
        w.calls()
        ids = {sku: str(w.shop.state.products[sku].entity_id) for sku in ("A", "B,/&")}
        stocked = [StockedItem(sku, external_id, currency="GBP") for sku, external_id in ids.items()]
        part = await w.system.rereads.contents[Kind.PRICE](["own", "Wholesale"], stocked)
        assert w.calls() == {"GET products": 1, "tier-prices-information": 1}
        found = {(row.group, row.external_id): row.content for row in part.rows}
        assert found == {
            ("own", ids["A"]): price("A", "12.5").content,
            ("own", ids["B,/&"]): price("B,/&", "10").content,
            ("Wholesale", ids["A"]): told[0].content,
        }
        assert {fingerprint(one) for one in found.values()} == {
            fingerprint(one.content) for one in (price("A", "12.5"), price("B,/&", "10"), told[0])
        }
        assert not w.shop.ledger.breaches

    run(story)


# --- special prices ----------------------------------------------------------------------------------------

WRITES = {"special_prices": "write"}


async def own(w: World, *skus: str) -> dict[str, PriceTag]:
    ids = {sku: str(w.shop.state.products[sku].entity_id) for sku in skus}
    stocked = [StockedItem(sku, external_id, currency="GBP") for sku, external_id in ids.items()]
    part = await w.system.rereads.contents[Kind.PRICE](["own"], stocked)
    by_id = {row.external_id: row.content for row in part.rows}
    return {sku: by_id[external_id] for sku, external_id in ids.items()}


def sold(w: World, sku: str) -> int:
    key = w.shop.checkout([CartLine(sku, 1)]).order_id
    w.shop.set_quantity(sku, "here", 1_000)
    return w.shop.orders[key].lines[0].price_minor


def test_a_price_beside_a_higher_one_is_a_special_price_and_goes_when_it_does():
    async def story(w: World) -> None:
        promoted = price("A", "8", instead_of="12"), price("B,/&", "7", instead_of="9.5")
        assert {result for result, _ in await w.do("set_price", *promoted, price("C", "5"))} == {Result.DONE}
        assert w.calls() == {"special-price-information": 1, "base-prices": 1, "special-price": 1}
        assert [sold(w, sku) for sku in ("A", "B,/&", "C")] == [800, 700, 500]
        assert w.shop.state.products["A"].price_minor == 1200
        shown = await own(w, "A", "B,/&", "C")
        assert shown == {"A": promoted[0].content, "B,/&": promoted[1].content, "C": price("C", "5").content}
        await w.do("set_price", price("A", "9", instead_of="12"), price("B,/&", "9.5"))
        assert [sold(w, sku) for sku in ("A", "B,/&")] == [900, 950]
        assert [one.sku for one in w.shop.state.specials] == ["A"]
        assert (await own(w, "B,/&"))["B,/&"] == price("B,/&", "9.5").content
        assert not w.shop.ledger.breaches

    run(story, more=WRITES)


@pytest.mark.parametrize("dates", [("", "2026-01-01 00:00:00"), ("2030-01-01 00:00:00", "")])
def test_dates_that_somebody_left_do_not_keep_a_price_from_holding(dates):
    async def story(w: World) -> None:
        w.shop.state.specials.append(Special("A", 8.0, *dates))
        w.shop.state.products["A"].price_minor = 1200
        wanted = price("A", "8", instead_of="12")
        assert (await own(w, "A"))["A"] != wanted.content, "it does not hold"
        await w.do("set_price", wanted)
        assert (sold(w, "A"), (await own(w, "A"))["A"]) == (800, wanted.content)

    run(story, more=WRITES)


def test_a_special_price_of_somebody_else_s_is_found_and_taken_away():
    async def story(w: World) -> None:
        await w.do("set_price", price("A", "12"))
        w.shop.state.specials.append(Special("A", 3.0))
        assert (await own(w, "A"))["A"] != price("A", "12").content
        await w.do("set_price", price("A", "12"))
        assert (sold(w, "A"), w.shop.state.specials) == (1200, [])

    run(story, more=WRITES)


def test_special_prices_are_left_alone_unless_they_are_written():
    async def story(w: World) -> None:
        w.shop.state.specials.append(Special("A", 3.0))
        answers = await w.do("set_price", price("A", "12"), price("C", "5", instead_of="6"))
        assert [result for result, _ in answers] == [Result.DONE, Result.REJECTED]
        assert "special_prices" in answers[1][1]
        assert w.calls() == {"base-prices": 1} and len(w.shop.state.specials) == 1
        assert (await own(w, "A"))["A"] == price("A", "12").content

    run(story)


def test_a_group_s_price_is_shown_beside_no_other():
    async def story(w: World) -> None:
        answers = await w.do(
            "set_list_price",
            price("A", "9", group="Wholesale", instead_of="10"),
            price("C", "5", group="Wholesale"),
        )
        assert [result for result, _ in answers] == [Result.REJECTED, Result.DONE]
        assert w.tiers() == {("C", "Wholesale", 1): 5}

    run(story, more=WRITES)


def test_a_special_price_that_is_refused_spoils_no_other_and_a_shop_that_schedules_them_says_so():
    async def story(w: World) -> None:
        answers = await w.do(
            "set_price", price("none", "8", instead_of="12"), price("C", "5", instead_of="6")
        )
        assert [result for result, _ in answers] == [Result.REJECTED, Result.DONE]
        assert sold(w, "C") == 500
        w.shop.state.staging = True
        ((result, words),) = await w.do("set_price", price("A", "8", instead_of="12"))
        assert result is Result.REJECTED and "Start Time for Future Update" in words

    run(story, more=WRITES)
