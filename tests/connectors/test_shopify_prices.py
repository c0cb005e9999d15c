"""Prices at Shopify: what is sent, in how many calls, and what becomes of each item."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from syncline.connectors.shopify import CONNECTOR, ShopifySettings
from syncline.connectors.shopify.documents import COST_MAX, SET_BREAKS, requested_cost, set_lists, set_prices
from syncline.connectors.shopify.manifest import OPERATIONS
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.engine.codec import fingerprint
from syncline.model.change import Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.errors import Retryable
from syncline.model.payloads import SetPrice
from syncline.model.pricing import PriceBreak, PriceTag
from syncline.model.records import Item as StockedItem
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

TOKEN = "shpat_0123456789"


class World:
    def __init__(self, loop) -> None:
        self.clock = VirtualClock(loop)
        transport = AsgiTransport({})
        self.shop = ShopifySimulator(clock=self.clock, rng=Random(1), transport=transport, access_token=TOKEN)
        transport.register(f"https://{self.shop.shop}", self.shop)
        settings = ShopifySettings(shop=self.shop.shop, access_token=TOKEN, plan="plus")
        self.system = CONNECTOR.open(Opening("shop", settings, self.clock, Random(2), transport))
        self.place = self.shop.add_location("Here")

    def sell(self, *skus: str, price: str = "10") -> None:
        for sku in skus:
            self.shop.add_product(sku, sku, Decimal(price), {self.place: 1})

    def item(self, sku: str, *amounts: str, at: str = "", had: int | None = 1, compare_at: str = "") -> Item:
        variant = self.shop.state.skus[sku]
        breaks = tuple(
            PriceBreak(Decimal(10 * n) if n else Decimal(1), Decimal(amount))
            for n, amount in enumerate(amounts)
        )
        tag = PriceTag("GBP", breaks, Decimal(compare_at) if compare_at else None)
        ids = (
            f"gid://shopify/ProductVariant/{variant.variant_id}",
            f"gid://shopify/Product/{variant.product_id}",
        )
        return Item(f"{at}/{sku}", SetPrice(sku, *ids, at, tag, None if had is None else (Decimal(1),) * had))

    async def do(self, operation: str, *items: Item):
        return await self.system.sink.deliver(operation, items, "key")

    def requests(self) -> int:
        return self.shop.ledger.calls_by_operation.total()


def run(story) -> None:
    loop = VirtualLoop(1_790_000_000_000)
    try:
        loop.run_until_complete(story(World(loop)))
    finally:
        loop.close()


def test_variants_prices_are_set_in_one_request_and_one_refusal_spoils_no_other():
    async def story(w: World) -> None:
        w.sell("A", "B", "C")
        bad = w.item("B", "5")
        bad = replace(bad, payload=replace(bad.payload, item_id="gid://shopify/ProductVariant/1"))
        outcomes = await w.do("set_price", w.item("A", "12.5", compare_at="15"), bad, w.item("C", "7"))
        assert [one.result for one in outcomes] == [Result.DONE, Result.REJECTED, Result.DONE]
        assert "Product variant does not exist" in outcomes[1].message
        assert w.requests() == 1
        prices = {sku: w.shop.state.skus[sku] for sku in "ABC"}
        assert [prices[sku].price_minor for sku in "ABC"] == [1250, 1000, 700]
        assert prices["A"].compare_at_minor == 1500
        await w.do("set_price", w.item("A", "12.5"))
        assert prices["A"].compare_at_minor is None

    run(story)


def test_variants_of_one_product_share_a_mutation():
    async def story(w: World) -> None:
        w.sell("A", "B")
        first, second = w.shop.state.skus["A"], w.shop.state.skus["B"]
        second.product_id = first.product_id
        w.shop.state.products[first.product_id].append(second)
        assert [one.result for one in await w.do("set_price", w.item("A", "1"), w.item("B", "2"))] == [
            Result.DONE
        ] * 2
        assert w.shop.ledger.effects == {"productVariantsBulkUpdate": 1}
        assert [first.price_minor, second.price_minor] == [100, 200]

    run(story)


def test_lists_are_set_with_their_breaks_and_taken_back():
    async def story(w: World) -> None:
        w.sell("A", "B", "C")
        one, two = w.shop.add_price_list("One"), w.shop.add_price_list("Two")
        ids = {sku: w.shop.state.skus[sku].variant_id for sku in "ABC"}
        items = [
            w.item("A", "9", at=str(one.id)),
            w.item("B", "8", "7", "6", at=str(one.id)),
            w.item("A", "5", at=str(two.id), compare_at="6"),
        ]
        assert [x.result for x in await w.do("set_list_price", *items)] == [Result.DONE] * 3
        assert w.requests() == 1
        assert one.fixed == {ids["A"]: (900, None), ids["B"]: (800, None)}
        assert one.breaks == {ids["B"]: {10: 700, 20: 600}}
        assert two.fixed == {ids["A"]: (500, 600)}
        # Other breaks replace the first ones; a tag without any takes the price off, with what hangs on it.
        await w.do("set_list_price", w.item("B", "8", "7.5", at=str(one.id), had=2))
        assert one.breaks == {ids["B"]: {10: 750}}
        gone = [
            w.item("B", at=str(one.id), had=2),
            w.item("A", at=str(one.id)),
            w.item("C", at=str(one.id)),
        ]
        outcomes = await w.do("set_list_price", *gone)
        assert one.breaks == {}
        assert ids["B"] not in one.fixed
        # What was not there is as it should be; the rest of its mutation, refused with it, goes again at once.
        assert [x.result for x in outcomes] == [Result.DONE, Result.WAIT, Result.DONE]
        assert outcomes[1].retry_after_s == 0.0
        assert [x.result for x in await w.do("set_list_price", gone[1])] == [Result.DONE]
        assert one.fixed == {}
        # Where nobody knows what is there, breaks that may be there go, too; a price that is not there is no matter.
        one.breaks[ids["A"]] = {5: 100}
        unknown = [w.item("A", "9", at=str(one.id), had=None), w.item("C", at=str(one.id), had=None)]
        assert [x.result for x in await w.do("set_list_price", *unknown)] == [Result.WAIT, Result.DONE]
        assert [x.result for x in await w.do("set_list_price", unknown[0])] == [Result.DONE]
        assert (one.fixed, one.breaks) == ({ids["A"]: (900, None)}, {})

    run(story)


def test_in_a_refused_list_the_others_go_again_and_a_wrong_list_refuses_all():
    async def story(w: World) -> None:
        w.sell("A", "B")
        euro = w.shop.add_price_list("Euro", "EUR")
        trade = w.shop.add_price_list("Trade")
        bad = w.item("B", "5", "4", at=str(trade.id))
        bad = replace(bad, payload=replace(bad.payload, item_id="gid://shopify/ProductVariant/1"))
        outcomes = await w.do("set_list_price", w.item("A", "9", "8", at=str(trade.id)), bad)
        assert [x.result for x in outcomes] == [Result.WAIT, Result.REJECTED]
        assert trade.fixed == {}
        for item, words in (
            (w.item("A", "9", at=str(euro.id)), "currency"),
            (w.item("A", "9", at="1"), "Price list does not exist"),
            (w.item("A", "9", at="gid://x"), "no price list"),
        ):
            (outcome,) = await w.do("set_list_price", item)
            assert (outcome.result, words in outcome.message) == (Result.REJECTED, True)
        half = w.item("A", "9", "8", at=str(trade.id))
        broken = PriceTag("GBP", (half.payload.content.breaks[0], PriceBreak(Decimal("2.5"), Decimal(8))))
        (outcome,) = await w.do(
            "set_list_price", replace(half, payload=replace(half.payload, content=broken))
        )
        assert (outcome.result, "whole numbers" in outcome.message) == (Result.REJECTED, True)

    run(story)


def test_an_item_whose_product_is_not_known_waits_for_the_next_reading():
    async def story(w: World) -> None:
        w.sell("A")
        item = w.item("A", "9")
        (outcome,) = await w.do("set_price", replace(item, payload=replace(item.payload, parent_id="")))
        assert outcome.result is Result.WAIT
        assert w.requests() == 0
        async for page in w.system.source.poll("items", None):
            (event,) = page.events
            (change,) = w.system.source.decode(LoggedEvent(1, 1, event))
            assert change.kind is Kind.ITEM
            assert change.value.parent_id == item.payload.parent_id
            assert change.tiebreak == 1

    run(story)


def test_no_more_calls_than_the_arrays_force():
    async def story(w: World) -> None:
        skus = [f"S{n}" for n in range(500)]
        w.sell(*skus)
        trade = w.shop.add_price_list("Trade")
        limit = OPERATIONS["set_list_price"].batch_items_max
        for start in range(0, 500, limit):
            items = [w.item(sku, "9", at=str(trade.id)) for sku in skus[start : start + limit]]
            assert {x.result for x in await w.do("set_list_price", *items)} == {Result.DONE}
        assert w.shop.ledger.calls_by_operation == {"priceListFixedPricesUpdate": 2}
        assert len(trade.fixed) == 500
        assert not w.shop.ledger.breaches

    run(story)


def test_the_largest_requests_cost_no_more_than_one_may():
    assert requested_cost(set_prices(OPERATIONS["set_price"].batch_items_max).text) <= COST_MAX
    assert requested_cost(set_lists((SET_BREAKS,) * 50).text) <= COST_MAX


def test_prices_are_read_again_as_they_would_have_been_written():
    async def story(w: World) -> None:
        w.sell("A", "B", "C", "D", price="10")
        one = w.shop.add_price_list("One")
        assert {
            x.result for x in await w.do("set_price", w.item("A", "12.5", compare_at="15"), w.item("D", "3"))
        } == {Result.DONE}
        items = [
            w.item("A", "9", at=str(one.id), compare_at="9.5"),
            w.item("B", "8", "7", "6", at=str(one.id)),
            w.item("D", "5", at=str(one.id)),
        ]
        assert {x.result for x in await w.do("set_list_price", *items)} == {Result.DONE}
        stocked = [StockedItem(sku, w.item(sku).payload.item_id, currency="GBP") for sku in "ABC"]
        before = w.requests()
        part = await w.system.rereads.contents[Kind.PRICE](["own", str(one.id)], stocked)
        assert w.requests() == before + 2
        assert part.cost <= 2 * COST_MAX
        names = {item.external_id: item.sku for item in stocked}
        found = {(row.group, names[row.external_id]): row.content for row in part.rows}
        ten = PriceTag("GBP", (PriceBreak(Decimal(1), Decimal(10)),))
        assert found == {  # D was not asked for; C has no price in the list
            ("own", "A"): w.item("A", "12.5", compare_at="15").payload.content,
            ("own", "B"): ten,
            ("own", "C"): ten,
            (str(one.id), "A"): items[0].payload.content,
            (str(one.id), "B"): items[1].payload.content,
        }
        assert fingerprint(found["own", "C"]) == fingerprint(ten)
        with pytest.raises(Retryable, match="no price list 999"):
            await w.system.rereads.contents[Kind.PRICE](["999"], stocked)

    run(story)
