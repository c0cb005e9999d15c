"""Products with variants at Adobe Commerce: what is made in which order, what is added, and what is never taken away."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.adobe_opened import opened
from tests.connectors.adobe_world import World, run

from syncline.model.change import Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.errors import OutcomeUnknown
from syncline.model.payloads import SetListing, SetProduct
from syncline.model.products import Goods, Listing, ProductStatus, Variant
from syncline.model.records import Item as StockedItem

ACTIVE = ProductStatus.ACTIVE
RED, BLUE, GREEN = Variant("S/R", ("red",)), Variant("S/B", ("blue",)), Variant("S/G", ("green",))


def shirt(*variants: Variant, ids=None, status=ACTIVE, **more) -> SetProduct:
    content = Goods(variants or (RED, BLUE), ("Colour",), status, more.pop("title", "Shirt"), **more)
    return SetProduct("S", content, ids or {}, ("default",))


async def do(system, payload, key: str = "key"):
    (outcome,) = await system.sink.deliver("set_product", [Item(payload.key, payload)], key)
    return outcome


async def made(w: World, payload: SetProduct, **settings):
    """A product that is made and sold."""
    system, _ = opened(w, **settings)
    for _ in range(3):
        outcome = await do(system, payload)
    assert outcome.result is Result.WAIT, outcome
    for one in payload.content.variants:
        w.shop.state.products[one.sku].price_minor = 900
    done = await do(system, payload)
    assert done.result is Result.DONE, done
    return system


def held(w: World) -> list[str]:
    """The SKUs of the shirt's variants, as the shop holds them."""
    links = w.shop.state.products["S"].links
    return [one.sku for one in w.shop.state.products.values() if one.entity_id in links]


def test_variants_come_first_then_what_holds_them_and_it_is_sold_once_all_have_a_price():
    async def story(w: World) -> None:
        system, _ = opened(w)
        colour = w.shop.add_select("colour", "red", "blue")
        first = await do(system, shirt())
        assert (first.result, first.retry_after_s) == (Result.WAIT, 0.0)
        products = w.shop.state.products
        assert [(products[sku].name, products[sku].visibility) for sku in ("S/R", "S/B")] == [
            ("Shirt-red", 1),
            ("Shirt-blue", 1),
        ]
        assert "S" not in products
        second = await do(system, shirt())
        changes = system.source.decode(LoggedEvent(1, 0, second.facts["event"]))
        ids = {change.key: (change.value.external_id, "") for change in changes}
        assert set(ids) == {"S/R", "S/B"}
        assert w.shop.state.source_items["S/B", "default"].quantity == 0
        there = products["S"]
        assert (there.type_id, there.visibility, held(w)) == ("configurable", 4, ["S/R", "S/B"])
        assert there.choices[0]["attribute_id"] == colour.attribute_id
        third = await do(system, shirt(ids=ids))
        assert third.facts == {"external_id": str(there.entity_id)}
        assert third.retry_after_s
        products["S/R"].price_minor = 900
        await do(system, shirt(ids=ids))
        assert (products["S/R"].status, products["S/B"].status, there.status) == (1, 2, 2)
        products["S/B"].price_minor = 900
        assert (await do(system, shirt(ids=ids))).result is Result.DONE
        assert (products["S/B"].status, there.status) == (1, 1)
        assert not w.shop.ledger.breaches

        before = w.shop.ledger.calls_by_operation.copy()
        assert (await do(system, shirt(ids=ids))).result is Result.DONE
        assert w.shop.ledger.calls_by_operation - before == {"GET products": 1}  # it is as it should be

    run(story)


def test_a_variant_is_added_beside_those_that_are_there_and_the_product_stays_on_sale():
    async def story(w: World) -> None:
        w.shop.add_select("colour", "red", "blue", "green")
        system = await made(w, shirt())
        products = w.shop.state.products
        theirs = w.shop.add_product("THEIRS", "Theirs", Decimal(3), {})
        theirs.attributes["colour"] = "99"
        products["S"].links.append(theirs.entity_id)
        grown = shirt(RED, BLUE, GREEN, title="Shirt, new")
        await do(system, grown)
        await do(system, grown)
        assert (products["S"].status, products["S/G"].status, products["S"].name) == (1, 2, "Shirt, new")
        assert held(w) == ["S/R", "S/B", "THEIRS", "S/G"]
        products["S/G"].price_minor = 900
        assert (await do(system, grown)).result is Result.DONE
        assert products["S/G"].status == 1
        # A variant that the ERP does not name any more stays what it is; one that ended altogether is not sold.
        assert (await do(system, shirt(RED))).result is Result.DONE
        assert (len(held(w)), products["S/B"].status) == (4, 1)
        assert (
            await do(system, shirt(RED, BLUE, GREEN, status=ProductStatus.ARCHIVED))
        ).result is Result.DONE
        assert [products[sku].status for sku in ("S", "S/R", "S/B", "S/G", "THEIRS")] == [2, 2, 2, 2, 1]
        assert not w.shop.ledger.effects["variant_unlinked"]
        assert not w.shop.ledger.breaches

    run(story)


def test_what_was_lost_on_the_way_is_looked_for_and_not_made_twice():
    async def story(w: World) -> None:
        w.shop.add_select("colour", "red", "blue")
        system, wire = opened(w)
        posts = 0

        async def lose_every_second(request, send):
            nonlocal posts
            answer = await send(request)
            posts += request.method == "POST"
            if request.method == "POST" and posts % 2:
                raise OutcomeUnknown("the answer was lost")
            return answer

        wire.between = lose_every_second
        results = {(await do(system, shirt())).result for _ in range(6)}
        assert results == {Result.UNKNOWN, Result.WAIT}
        assert held(w) == ["S/R", "S/B"]
        assert len(w.shop.state.products["S"].choices) == 1

    run(story)


def test_many_are_made_through_the_queue_as_well():
    async def story(w: World) -> None:
        w.shop.input_limits = True
        labels = [f"c{n}" for n in range(30)]
        w.shop.add_select("colour", *labels)
        many = shirt(*(Variant(f"S/{label}", (label,)) for label in labels))
        system, _ = opened(w, bulk_from=5)
        for _ in range(3):
            outcome = await do(system, many)
        assert outcome.result is Result.WAIT, outcome
        assert len(held(w)) == 30
        assert w.shop.ledger.calls_by_operation["bulk POST products"] == 2
        for one in w.shop.state.products.values():
            one.price_minor = one.price_minor or 100
        assert (await do(system, many, "then")).result is Result.DONE
        assert w.shop.state.products["S"].status == 1
        assert not w.shop.ledger.breaches

    run(story)


def test_what_is_too_much_for_one_call_waits_for_the_next():
    async def story(w: World) -> None:
        system, _ = opened(w)
        variants = tuple(Variant(f"{n}", (f"{n}",)) for n in range(450))
        wide = Goods(variants, ("Colour",), ACTIVE, "Wide")
        items = [Item(key, SetProduct(key, wide, {})) for key in ("W1", "W2", "W3")]
        outcomes = await system.sink.deliver("set_product", items, "k")
        # The shop lacks the attribute, which is said of those that were looked at.
        assert [one.result for one in outcomes] == [Result.REJECTED] * 2 + [Result.WAIT]
        assert outcomes[2].retry_after_s == 0.0

    run(story)


ALL = ("red", "blue")


@pytest.mark.parametrize(
    ("colours", "payload", "words"),
    [
        (None, shirt(), "no attribute colour"),
        ((), shirt(), "no list of values in colour"),
        (("red",), shirt(), "does not offer 'blue'"),
        (("red", "Blue"), shirt(), "writes 'blue' as 'Blue'"),
        (ALL, replace(shirt(), key="SIMPLE"), "a simple product of that SKU"),
        (ALL, shirt(RED, Variant("FAMILY", ("blue",))), "a configurable product of that SKU"),
        (ALL, SetProduct("FAMILY", Goods((Variant("FAMILY"),), (), ACTIVE), {}), "a configurable product"),
        (ALL, shirt(RED, Variant("S", ("blue",))), "has its own SKU"),
        (ALL, shirt(RED, Variant("S/B", (" ",))), "lacks an option"),
        (ALL, shirt(*(Variant(f"S/{n}", (f"{n}",)) for n in range(501))), "501 variants"),
        (ALL, SetProduct("OTHER", Goods((RED,), (), ACTIVE), {}), "another SKU"),
    ],
)
def test_what_cannot_become_that_product_is_refused_and_nothing_is_written(colours, payload, words):
    async def story(w: World) -> None:
        if colours:
            w.shop.add_select("colour", *colours)
        elif colours is not None:
            w.shop.attributes.add("colour")
        w.shop.add_product("SIMPLE", "Simple", Decimal(1), {})
        w.shop.add_product("FAMILY", "Family", Decimal(0), {}, kind="configurable")
        system, _ = opened(w)
        before = w.shop.state.digest([])
        outcome = await do(system, payload)
        assert outcome.result is Result.REJECTED
        assert words in outcome.message
        assert w.shop.state.digest([]) == before

    run(story)


def test_variants_that_differ_in_other_attributes_there_are_left_alone():
    async def story(w: World) -> None:
        w.shop.add_select("colour", "red", "blue")
        w.shop.add_select("size", "red", "blue")
        await made(w, shirt())
        system, _ = opened(w, attributes={"Colour": "size"})
        outcome = await do(system, shirt())
        assert outcome.result is Result.REJECTED
        assert "differ in other attributes" in outcome.message
        assert held(w) == ["S/R", "S/B"]

    run(story)


def test_a_shared_catalog_gets_the_variants_as_well_and_a_later_one_is_found_missing():
    async def story(w: World) -> None:
        w.shop.add_select("colour", "red", "blue")
        system = await made(w, shirt())
        at = w.shop.add_shared_catalog()
        listing = SetListing("S", str(at), Listing(shown=True), "1")
        (done,) = await system.sink.deliver("set_listing", [Item("S", listing)], "k")
        assert (done.result, w.shop.state.shared_catalogs[at]) == (Result.DONE, {"S", "S/R", "S/B"})

        items = [StockedItem("S", str(w.shop.state.products["S"].entity_id))]
        read = system.rereads.contents[Kind.PRODUCT]
        group = f"assortment:{at}"
        assert [row.content.shown for row in (await read([group], items)).rows] == [True]
        w.shop.state.shared_catalogs[at].discard("S/B")
        assert [row.content.shown for row in (await read([group], items)).rows] == [False]
        (goods,) = (await read(["goods"], items)).rows
        assert goods.content.variants == (RED, BLUE)
        assert goods.content.options == ("colour",)

        gone = replace(listing, content=Listing(shown=False))
        await system.sink.deliver("set_listing", [Item("S", gone)], "k")
        assert w.shop.state.shared_catalogs[at] == set()

    run(story)
