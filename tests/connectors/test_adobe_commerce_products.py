"""Products at Adobe Commerce: what is made and saved, at once and through the queue, and what is left alone."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest
from tests.connectors.adobe_opened import opened
from tests.connectors.adobe_world import World, run

from syncline.model.change import Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.errors import OutcomeUnknown, Retryable
from syncline.model.payloads import SetListing, SetProduct, SetWording
from syncline.model.products import Goods, Listing, ProductStatus, Variant, Wording
from syncline.model.records import Item as StockedItem
from syncline.ports import Response

ACTIVE = ProductStatus.ACTIVE


def product(sku: str, title: str = "", ids=None, **more) -> SetProduct:
    content = Goods((Variant(sku),), (), ACTIVE, title or sku, **more)
    return SetProduct(sku, content, ids or {}, ("default",))


async def do(system, *payloads, operation: str = "set_product", key: str = "key"):
    return await system.sink.deliver(operation, [Item(one.key, one) for one in payloads], key)


def test_a_new_product_is_disabled_until_it_has_a_price_and_is_told_at_once():
    async def story(w: World) -> None:
        system, _ = opened(w)
        w.shop.encoded_slashes = True
        w.shop.attributes.add("material")
        payload = product(
            "N/1", "Shirt", description="<p>Warm</p>", attributes={"Material": "wool", "Odd": "x"}
        )
        (made,) = await do(system, payload)
        assert (made.result, made.retry_after_s) == (Result.WAIT, 0.0)
        (waits,) = await do(system, payload)
        assert waits.result is Result.WAIT
        assert waits.retry_after_s
        there = w.shop.state.products["N/1"]
        assert (there.name, there.status) == ("Shirt", 2)
        assert there.attributes == {"description": "<p>Warm</p>", "material": "wool"}
        assert w.shop.state.source_items["N/1", "default"].quantity == 0
        (change,) = system.source.decode(LoggedEvent(1, 0, waits.facts["event"]))
        assert (change.key, change.value.external_id) == ("N/1", str(there.entity_id))

        there.price_minor = 950
        (done,) = await do(system, replace(payload, ids={"N/1": (str(there.entity_id), "")}))
        assert (done.result, there.status) == (Result.DONE, 1)
        assert done.facts == {"external_id": str(there.entity_id)}
        assert not w.shop.ledger.breaches

    run(story)


def test_what_is_there_keeps_its_stock_its_price_and_what_is_not_ours():
    async def story(w: World) -> None:
        system, _ = opened(w)
        w.shop.add_product("A", "Old", Decimal("3.50"), {"default": 7})
        there = w.shop.state.products["A"]
        there.attributes["short_description"] = "theirs"
        (done,) = await do(system, product("A", "New"))
        assert done.result is Result.DONE
        assert (there.name, there.price_minor, there.status) == ("New", 350, 1)
        assert there.attributes == {"short_description": "theirs"}
        assert w.shop.state.source_items["A", "default"].quantity == 7
        gone = product("A")
        gone = replace(gone, content=replace(gone.content, status=ProductStatus.ARCHIVED))
        never = replace(gone, key="X", content=replace(gone.content, variants=(Variant("X"),)))
        assert [one.result for one in await do(system, gone, never)] == [Result.DONE] * 2
        assert there.status == 2
        assert "X" not in w.shop.state.products

    run(story)


def test_many_go_through_the_queue_and_each_has_its_own_outcome():
    async def story(w: World) -> None:
        system, _ = opened(w, bulk_from=3)
        new = [product(f"N{n}") for n in range(3)]
        odd = replace(new[1], content=replace(new[1].content, title=""))
        outcomes = await do(system, new[0], odd, new[2], product("N3"))
        # Without a title the SKU is the name; the shop takes it.
        assert {one.result for one in outcomes} == {Result.WAIT}
        assert w.shop.ledger.calls_by_operation["bulk POST products"] == 1
        for sku in ("N0", "N1", "N2"):
            w.shop.state.products[sku].price_minor = 100
        again = [product(f"N{n}", f"again {n}") for n in range(3)]
        w.shop.bulk.deadlock_rate = 1.0
        outcomes = await do(system, *again, key="second")
        assert {one.result for one in outcomes} == {Result.RETRY}
        w.shop.bulk.deadlock_rate = 0.0
        outcomes = await do(system, *again, key="third")
        assert {one.result for one in outcomes} == {Result.DONE}
        assert [w.shop.state.products[f"N{n}"].name for n in range(3)] == ["again 0", "again 1", "again 2"]

    run(story)


def test_a_queue_that_nobody_works_off_is_asked_after_again_and_filled_once():
    async def story(w: World) -> None:
        system, _ = opened(w, bulk_from=2)
        for sku in ("A", "B"):
            w.shop.add_product(sku, sku, Decimal(3), {"default": 1})
        payloads = [product("A", "A anew"), product("B", "B anew")]
        w.shop.bulk.consumer = False
        outcomes = await do(system, *payloads)
        assert {one.result for one in outcomes} == {Result.UNKNOWN}
        assert "does a consumer of the queue run" in outcomes[0].message
        w.shop.bulk.consumer = True
        outcomes = await do(system, *payloads)
        assert {one.result for one in outcomes} == {Result.DONE}
        assert w.shop.ledger.calls_by_operation["bulk PUT products/{sku}"] == 1

    run(story)


@pytest.mark.parametrize("reject", [False, True])
def test_what_may_be_in_the_queue_is_followed_through_the_queue_however_little_is_left(reject):
    async def story(w: World) -> None:
        system, wire = opened(w, bulk_from=2)

        async def lose(request, send):
            answer = await send(request)
            if "/async/" in request.url:
                wire.between = None
                if reject:
                    return Response(400, answer.headers, b'{"message": "Error processing 1 element"}')
                raise OutcomeUnknown("the answer was lost")
            return answer

        wire.between = lose
        outcomes = await do(system, product("N0"), product("N1"))
        assert {one.result for one in outcomes} == {Result.UNKNOWN}
        (again,) = await do(system, product("N0"))  # the other is wanted no more
        assert again.result is Result.WAIT
        assert w.shop.ledger.calls_by_operation["bulk POST products"] == 2
        assert w.shop.bulk.undone() == 0  # or a price that is written now would be 0 again soon
        await do(system, product("N0"), key="next")
        assert w.shop.ledger.calls_by_operation["bulk POST products"] == 2

    run(story)


def test_after_a_restart_little_does_not_overtake_what_is_still_in_the_queue():
    async def story(w: World) -> None:
        for sku in ("A", "B"):
            w.shop.add_product(sku, sku, Decimal(3), {"default": 1})
        w.shop.bulk.consumer = False
        before, _ = opened(w, bulk_from=2)
        outcomes = await do(before, product("A", "old"), product("B", "old"), key="before")
        assert {one.result for one in outcomes} == {Result.UNKNOWN}

        system, _ = opened(w, bulk_from=2)
        waiting = asyncio.ensure_future(do(system, product("A", "new"), key="after"))
        await w.clock.sleep(10)
        assert w.shop.state.products["A"].name == "A", "written at once, the old name would follow"
        w.shop.bulk.consumer = True
        (done,) = await waiting
        assert (done.result, w.shop.state.products["A"].name) == (Result.DONE, "new")
        assert w.shop.bulk.undone() == 0
        calls = w.shop.ledger.calls_by_operation
        (done,) = await do(system, product("A", "newest"), key="third")
        assert (done.result, w.shop.state.products["A"].name) == (Result.DONE, "newest")
        assert (calls["PUT products/{sku}"], calls["GET bulk"]) == (1, 2)
        await do(system, product("A", "last"), key="fourth")
        assert calls["GET bulk"] == 2, "nothing was left there"

    run(story)


@pytest.mark.parametrize("answer", [(401, "%resources"), (404, "Request does not match any route.")])
def test_who_may_not_see_the_queue_writes_at_once(answer):
    async def story(w: World) -> None:
        system, wire = opened(w)
        w.shop.add_product("A", "A", Decimal(3), {"default": 1})

        async def refuse(request, send):
            if "/V1/bulk?" in request.url:
                return Response(answer[0], {}, json.dumps({"message": answer[1]}).encode())
            return await send(request)

        wire.between = refuse
        (done,) = await do(system, product("A", "new"))
        assert (done.result, w.shop.state.products["A"].name) == (Result.DONE, "new")

    run(story)


def test_what_is_open_in_the_queue_for_more_than_a_day_is_taken_to_be_lost():
    async def story(w: World) -> None:
        w.shop.add_product("A", "A", Decimal(3), {"default": 1})
        w.shop.bulk.consumer = False
        await w.http("PUT", "all/async/bulk/V1/products/bySku", [{"sku": "A", "product": {"sku": "A"}}])
        await w.clock.sleep(24 * 3600 + 60)
        system, _ = opened(w)
        (done,) = await do(system, product("A", "new"))
        assert (done.result, w.shop.state.products["A"].name) == (Result.DONE, "new")

    run(story)


def test_a_save_that_waited_too_long_for_a_lock_is_tried_again():
    async def story(w: World) -> None:
        system, _ = opened(w)
        w.shop.add_product("A", "Old", Decimal(3), {"default": 1})
        w.shop.lock_waits = 1
        (locked,) = await do(system, product("A", "New"))
        assert locked.result is Result.NOT_SENT
        (done,) = await do(system, product("A", "New"))
        assert (done.result, w.shop.state.products["A"].name) == (Result.DONE, "New")

    run(story)


def test_texts_of_a_store_view_stand_beside_the_others():
    async def story(w: World) -> None:
        system, _ = opened(w)
        w.shop.stores.add("german")
        w.shop.add_product("A", "Thing", Decimal(3), {"default": 1})
        wording = SetWording("A", "german", Wording({"title": "Ding", "description": "Text"}))
        nowhere = replace(wording, key="X")
        unknown = replace(wording, locale="french")
        outcomes = await do(system, wording, nowhere, unknown, operation="set_wording")
        assert [one.result for one in outcomes] == [Result.DONE, Result.WAIT, Result.NOT_SENT]
        there = w.shop.state.products["A"]
        assert (there.name, there.texts) == ("Thing", {"german": {"name": "Ding", "description": "Text"}})

    run(story)


def test_products_enter_shared_catalogs_and_leave_them():
    async def story(w: World) -> None:
        system, _ = opened(w)
        at = w.shop.add_shared_catalog()
        for sku in ("A", "B"):
            w.shop.add_product(sku, sku, Decimal(3), {"default": 1})
        listed = [SetListing(sku, str(at), Listing(shown=True), "1") for sku in ("A", "B")]
        odd = replace(listed[0], assortment="99")
        early = replace(listed[0], product_id="")
        outcomes = await do(system, *listed, odd, early, operation="set_listing")
        assert [one.result for one in outcomes] == [Result.DONE] * 2 + [Result.REJECTED, Result.WAIT]
        assert w.shop.state.shared_catalogs[at] == {"A", "B"}
        # One that the shop does not have spoils no other, and a shop with input limits says how many it takes.
        w.shop.input_limits = True
        skus = [f"M{n}" for n in range(30)]
        for sku in skus:
            w.shop.add_product(sku, sku, Decimal(3), {"default": 1})
        many = [SetListing(sku, str(at), Listing(shown=True), "1") for sku in (*skus[:7], "NONE", *skus[7:])]
        outcomes = await do(system, *many, operation="set_listing")
        assert [n for n, one in enumerate(outcomes) if one.result is not Result.DONE] == [7]
        assert w.shop.state.shared_catalogs[at] == {"A", "B", *skus}
        w.shop.state.shared_catalogs[at] = {"A", "B"}
        (hidden,) = await do(
            system, replace(listed[0], content=Listing(shown=False)), operation="set_listing"
        )
        assert (hidden.result, w.shop.state.shared_catalogs[at]) == (Result.DONE, {"B"})

    run(story)


def test_what_is_shown_is_read_again_as_it_would_be_written():
    async def story(w: World) -> None:
        system, _ = opened(w)
        w.shop.stores.add("german")
        at = w.shop.add_shared_catalog()
        w.shop.state.shared_catalogs[at] = {"A"}
        there = w.shop.state.products["A"]
        there.attributes["description"] = "Warm"
        there.texts["german"] = {"name": "Ding"}
        w.shop.state.products["B"].status = 2
        items = [StockedItem(sku, str(w.shop.state.products[sku].entity_id)) for sku in ("A", "B")]
        groups = ["goods", "locale:german", f"assortment:{at}"]
        part = await system.rereads.contents[Kind.PRODUCT](groups, items)
        ids = {item.external_id: item.sku for item in items}
        found = {(row.group, ids[row.external_id]): row.content for row in part.rows}
        texts = {"description": "Warm", "short_description": ""}
        assert found["goods", "A"] == Goods((Variant("A"),), (), ACTIVE, there.name, "Warm", None, texts)
        assert found["goods", "B"].status is ProductStatus.ARCHIVED
        assert found["locale:german", "A"] == Wording({"title": "Ding", "description": "Warm"})
        assert [found[groups[2], sku].shown for sku in ("A", "B")] == [True, False]
        with pytest.raises(Retryable):
            await system.rereads.contents[Kind.PRODUCT](["assortment:99"], items)
        assert not w.shop.ledger.breaches

    run(story)
