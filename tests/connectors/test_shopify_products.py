"""Products at Shopify: what is made and changed, in which calls, and what is left alone."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from syncline.connectors.shopify import CONNECTOR, ShopifySettings
from syncline.connectors.shopify import productdocs as documents
from syncline.connectors.shopify.bulk import name_of
from syncline.connectors.shopify.documents import COST_MAX, requested_cost
from syncline.connectors.shopify.productreads import ATTRIBUTES_FIRST, read_shelves
from syncline.connectors.shopify.products import handle_of
from syncline.connectors.shopify.simulator import ShopifySimulator
from syncline.model.change import Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.delivery import Item, Result
from syncline.model.payloads import SetListing, SetProduct, SetWording
from syncline.model.products import ELSE_NONE, Goods, Listing, ProductStatus, Variant, Wording, image_mark
from syncline.model.records import Item as StockedItem
from syncline.ports import Opening
from syncline.simulate.clock import VirtualClock, VirtualLoop
from syncline.simulate.transport import AsgiTransport

TOKEN = "shpat_0123456789"
ACTIVE = ProductStatus.ACTIVE


class World:
    def __init__(self, loop, *, bulk_from: int = 100) -> None:
        self.clock = VirtualClock(loop)
        transport = AsgiTransport({})
        self.shop = ShopifySimulator(clock=self.clock, rng=Random(1), transport=transport, access_token=TOKEN)
        transport.register(f"https://{self.shop.shop}", self.shop)
        settings = ShopifySettings(shop=self.shop.shop, access_token=TOKEN, plan="plus", bulk_from=bulk_from)
        self.system = CONNECTOR.open(Opening("shop", settings, self.clock, Random(2), transport))
        self.place = self.shop.add_location("Here")

    def ids(self, *skus: str) -> dict[str, tuple[str, str]]:
        found = (self.shop.state.skus[sku] for sku in skus)
        return {
            v.sku: (f"gid://shopify/ProductVariant/{v.variant_id}", f"gid://shopify/Product/{v.product_id}")
            for v in found
        }

    def simple(self, sku: str, title: str = "", **more) -> SetProduct:
        known = self.ids(sku) if sku in self.shop.state.skus else {}
        content = Goods((Variant(sku),), (), ACTIVE, title or sku, **more)
        return SetProduct(sku, content, known, (str(self.place),))

    def coloured(self, *colours: str, **more) -> SetProduct:
        variants = tuple(Variant(f"T-{colour}", (colour,)) for colour in colours)
        known = self.ids(*(one.sku for one in variants if one.sku in self.shop.state.skus))
        return SetProduct(
            "T", Goods(variants, ("Colour",), ACTIVE, "Shirt", **more), known, (str(self.place),)
        )

    async def do(self, *payloads, key: str = "key", operation: str = "set_product"):
        items = [Item(payload.key, payload) for payload in payloads]
        return await self.system.sink.deliver(operation, items, key)

    async def settle(self, payload, rounds: int = 4):
        """Deliver again for as long as it has to wait, but not for a price."""
        for _ in range(rounds):
            (outcome,) = await self.do(payload)
            if outcome.result is not Result.WAIT or outcome.retry_after_s:
                return outcome
        raise AssertionError(outcome)

    def price(self, *skus: str) -> None:
        for sku in skus:
            self.shop.set_price(sku, "9.50")


def run(story, **more) -> None:
    loop = VirtualLoop(1_790_000_000_000)
    try:
        loop.run_until_complete(story(World(loop, **more)))
    finally:
        loop.close()


def test_a_new_product_is_a_draft_until_it_has_a_price_and_tells_of_its_variants_at_once():
    async def story(w: World) -> None:
        payload = w.coloured(
            "red",
            "blue",
            description="<p>Warm</p>",
            category="Shirts",
            attributes={"Material": "wool", "Care": ""},
            images=("https://images.example/1.jpg",),
        )
        outcome = await w.settle(payload)
        assert outcome.result is Result.WAIT
        assert outcome.retry_after_s
        product = w.shop.product_of("T-red")
        assert (product.status, product.title, product.handle) == ("DRAFT", "Shirt", handle_of("T"))
        assert (product.description, product.product_type) == ("<p>Warm</p>", "Shirts")
        assert product.options == ("Colour",)
        assert product.metafields["custom", "material"][1] == "wool"
        assert ("custom", "care") not in product.metafields
        assert product.images == ["https://images.example/1.jpg"]
        event = outcome.facts["event"]
        changes = w.system.source.decode(LoggedEvent(1, 0, event))
        assert [(one.value.sku, one.value.parent_id) for one in changes] == [
            ("T-red", f"gid://shopify/Product/{product.id}"),
            ("T-blue", f"gid://shopify/Product/{product.id}"),
        ]
        variant = w.shop.state.skus["T-red"]
        assert variant.tracked
        assert list(variant.levels) == [w.place]
        w.price("T-red")
        assert (await w.settle(w.coloured("red", "blue"))).result is Result.WAIT  # one still costs nothing
        w.price("T-blue")
        done = await w.settle(w.coloured("red", "blue"))
        assert (done.result, product.status) == (Result.DONE, "ACTIVE")
        assert "event" not in done.facts  # they are known by now
        assert product.images == ["https://images.example/1.jpg"]
        assert not w.shop.ledger.breaches

    run(story)


def test_what_the_shop_added_to_a_product_stays_when_a_variant_is_added():
    async def story(w: World) -> None:
        await w.settle(w.coloured("red"))
        w.price("T-red")
        await w.settle(w.coloured("red"))
        product = w.shop.product_of("T-red")
        product.metafields["theme", "badge"] = ("single_line_text_field", "new")
        product.images.append("https://images.example/theirs.jpg")
        own = w.shop.state.skus["T-red"]
        theirs = replace(own, variant_id=77, inventory_item_id=78, sku="THEIRS", values=("gold",), levels={})
        w.shop.state.put_variant(theirs)
        outcome = await w.settle(w.coloured("red", "blue", images=("https://images.example/2.jpg",)))
        assert outcome.result is Result.WAIT
        assert product.status == "DRAFT"  # rather than sold for nothing
        skus = [variant.sku for variant in w.shop.variants_of(product.id)]
        assert skus == ["T-red", "THEIRS", "T-blue"]
        assert product.metafields["theme", "badge"][1] == "new"
        assert product.images == ["https://images.example/theirs.jpg", "https://images.example/2.jpg"]
        assert w.shop.ledger.effects["variant_deleted"] == 0
        # The blue one is deleted in the ERP: the shop keeps it, for there is no variant that is not for sale.
        w.price("T-blue")
        assert (await w.settle(w.coloured("red"))).result is Result.DONE
        assert len(w.shop.variants_of(product.id)) == 3

    run(story)


def test_a_product_that_ended_is_archived_and_one_that_never_was_is_not_made():
    async def story(w: World) -> None:
        w.shop.add_product("A", "Thing", Decimal(3), {w.place: 1})
        gone = w.simple("A")
        gone = replace(gone, content=replace(gone.content, status=ProductStatus.ARCHIVED))
        never = replace(gone, key="B", content=replace(gone.content, variants=(Variant("B"),)), ids={})
        first, second = await w.do(gone, never)
        assert (first.result, second.result) == (Result.DONE, Result.DONE)
        assert w.shop.product_of("A").status == "ARCHIVED"
        assert "B" not in w.shop.state.skus

    run(story)


def test_an_existing_product_is_found_by_its_sku_and_another_one_under_its_address_is_left_alone():
    async def story(w: World) -> None:
        w.shop.add_product("A", "Old title", Decimal(3), {w.place: 1})
        known = replace(w.simple("A", "New title"), ids={})
        assert (await w.settle(known)).result is Result.DONE
        assert w.shop.product_of("A").title == "New title"
        w.shop.add_product("OTHER", "Other", Decimal(3), {w.place: 1})
        other = w.shop.product_of("OTHER")
        other.handle = handle_of("C")
        w.shop.state.put_product(other)
        (outcome,) = await w.do(w.simple("C"))
        assert outcome.result is Result.REJECTED
        assert "another product under the address" in outcome.message
        assert other.title == "Other"

    run(story)


def test_what_only_changes_its_texts_is_written_without_being_read():
    async def story(w: World) -> None:
        for sku in ("A", "B"):
            w.shop.add_product(sku, sku, Decimal(3), {w.place: 1})
        had = [w.simple(sku).content for sku in ("A", "B")]
        payloads = [replace(w.simple(sku, f"{sku} again"), had=had[n]) for n, sku in enumerate(("A", "B"))]
        outcomes = await w.do(*payloads)
        assert [one.result for one in outcomes] == [Result.DONE] * 2
        assert w.shop.ledger.calls_by_operation == {"productUpdate+productUpdate": 1}
        assert w.shop.product_of("B").title == "B again"

    run(story)


def test_many_products_go_as_one_bulk_operation_and_each_line_has_its_own_outcome():
    async def story(w: World) -> None:
        skus = [f"S{n}" for n in range(5)]
        payloads = [w.simple(sku) for sku in skus]
        odd = replace(payloads[2], content=replace(payloads[2].content, title=" "))
        outcomes = await w.do(*payloads[:2], odd, *payloads[3:])
        assert [one.result for one in outcomes] == [Result.WAIT] * 2 + [Result.REJECTED] + [Result.WAIT] * 2
        assert w.shop.ledger.calls_by_operation["bulkOperationRunMutation"] == 1
        assert "productSet" not in w.shop.ledger.calls_by_operation
        made = [sku for sku in skus if sku in w.shop.state.skus]
        assert made == ["S0", "S1", "S3", "S4"]
        # Texts of what is known go the same way, by another operation.
        had = [replace(w.simple(sku).content, status=ProductStatus.DRAFT) for sku in made]
        again = [
            replace(w.simple(sku), had=had[n], content=replace(had[n], title=f"{sku}!"))
            for n, sku in enumerate(made)
        ]
        outcomes = await w.do(*again, key="second")
        assert [one.result for one in outcomes] == [Result.DONE] * 4
        assert [w.shop.product_of(sku).title for sku in made] == [f"{sku}!" for sku in made]
        assert not w.shop.ledger.breaches

    run(story, bulk_from=4)


def test_the_same_key_again_finds_the_bulk_operation_and_starts_no_other():
    async def story(w: World) -> None:
        skus = [f"S{n}" for n in range(4)]
        for sku in skus:
            w.shop.add_product(sku, sku, Decimal(3), {w.place: 1})
        had = [w.simple(sku).content for sku in skus]
        payloads = [replace(w.simple(sku, f"{sku}!"), had=had[n]) for n, sku in enumerate(skus)]
        w.shop.bulk.hangs = True
        outcomes = await w.do(*payloads)  # longer than anybody waits
        assert {one.result for one in outcomes} == {Result.UNKNOWN}
        assert w.shop.product_of("S0").title == "S0"
        w.shop.bulk.hangs = False
        w.shop.bulk.loses = 1
        outcomes = await w.do(*payloads)
        assert [one.result for one in outcomes] == [Result.RETRY] + [Result.DONE] * 3
        assert [w.shop.product_of(sku).title for sku in skus] == [f"{sku}!" for sku in skus]
        assert w.shop.ledger.calls_by_operation["bulkOperationRunMutation"] == 1

    run(story, bulk_from=3)


def test_a_bulk_operation_that_is_refused_because_of_others_is_tried_again():
    async def story(w: World) -> None:
        for sku in ("A", "B"):
            w.shop.add_product(sku, sku, Decimal(3), {w.place: 1})
        had = [w.simple(sku).content for sku in ("A", "B")]
        payloads = [replace(w.simple(sku, f"{sku}!"), had=had[n]) for n, sku in enumerate(("A", "B"))]
        w.shop.bulk.hangs = True
        for number in range(5):
            path = w.shop.bulk.stage(f"{number}.jsonl")["parameters"][0]["value"]
            w.shop.bulk._uploads[path] = b"{}"
            text = documents.bulk_mutation(documents.UPDATE, name_of(documents.UPDATE, f"other{number}"))
            w.shop.bulk.start(w.shop.http.engine, text, path)
        outcomes = await w.do(*payloads)
        assert {one.result for one in outcomes} == {Result.NOT_SENT}
        assert "already in progress" in outcomes[0].message

    run(story, bulk_from=2)


def test_translations_are_registered_with_what_they_translate_and_taken_away_again():
    async def story(w: World) -> None:
        w.shop.locales.add("de")
        w.shop.add_product("A", "Thing", Decimal(3), {w.place: 1})
        product = w.shop.product_of("A")
        ours = f"gid://shopify/Product/{product.id}"
        wording = SetWording("A", "de", Wording({"title": "Ding", "description": "Text"}), (), ours)
        (outcome,) = await w.do(wording, operation="set_wording")
        assert outcome.result is Result.DONE
        # There is no description to translate.
        assert {key: text for (_, key), (text, _) in product.translations.items()} == {"title": "Ding"}
        less = replace(wording, content=Wording({}), had=("title",))
        (outcome,) = await w.do(less, operation="set_wording")
        assert (outcome.result, product.translations) == (Result.DONE, {})
        unknown, foreign = await w.do(
            replace(wording, product_id=""), replace(wording, locale="fr"), operation="set_wording"
        )
        assert (unknown.result, foreign.result) == (Result.WAIT, Result.REJECTED)
        assert "not enabled" in foreign.message

    run(story)


def test_products_are_shown_in_publications_and_taken_out_of_them():
    async def story(w: World) -> None:
        w.shop.add_product("A", "Thing", Decimal(3), {w.place: 1})
        at = w.shop.add_publication("Trade")
        product = w.shop.product_of("A")
        listing = SetListing("A", str(at), Listing(shown=True), f"gid://shopify/Product/{product.id}")
        odd, shown, nowhere = await w.do(
            replace(listing, assortment="Trade"),
            listing,
            replace(listing, assortment="1"),
            operation="set_listing",
        )
        assert (odd.result, shown.result, nowhere.result) == (Result.REJECTED, Result.DONE, Result.REJECTED)
        assert product.publications == {at}
        (hidden,) = await w.do(replace(listing, content=Listing(shown=False)), operation="set_listing")
        assert (hidden.result, product.publications) == (Result.DONE, set())

    run(story)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            Goods((Variant("A", ("1", "2", "3", "4")),), ("a", "b", "c", "d"), ACTIVE, "A"),
            "3 options at most",
        ),
        (Goods((Variant("A", ("",)),), ("Colour",), ACTIVE, "A"), "lacks an option"),
        (Goods((Variant("A"),), (), ACTIVE, "A" * 256), "longer than 255"),
    ],
)
def test_what_cannot_be_one_product_is_refused(content, words):
    async def story(w: World) -> None:
        (outcome,) = await w.do(SetProduct("A", content, {}))
        assert outcome.result is Result.REJECTED
        assert words in outcome.message
        assert not w.shop.ledger.calls

    run(story)


def test_every_document_fits_into_a_single_query():
    ways = (documents.BY_HANDLE,) * documents.READS_MAX
    kinds = (documents.ADD,) * documents.WRITES_MAX
    texts = [
        documents.read_products(ways),
        documents.write_products(kinds),
        documents.MORE_VARIANTS,
        documents.BULKS,
        documents.publish((True,) * 25),
        read_shelves(documents.READS_MAX, 3, 5),
    ]
    assert all(requested_cost(one.text) <= COST_MAX for one in texts)


def test_an_address_is_made_of_the_name_and_two_names_have_two():
    assert handle_of("red-shirt") == "red-shirt"
    assert handle_of("Red Shirt") != handle_of("red/shirt")
    assert handle_of("///").startswith("product-")


def test_many_products_without_a_price_are_looked_at_less_often():
    async def story(w: World) -> None:
        skus = [f"S{n}" for n in range(6)]
        await w.do(*(w.simple(sku) for sku in skus))
        (alone,) = await w.do(w.simple("S0"))
        together = await w.do(*(w.simple(sku) for sku in skus[1:]))
        assert {one.retry_after_s for one in together} == {alone.retry_after_s + 4 * 4}
        (again,) = await w.do(w.simple("S0"))
        assert again.retry_after_s == 2 * alone.retry_after_s, (
            "a price is mostly on its way, or long in coming"
        )

    run(story)


def test_attributes_are_read_again_as_far_as_they_were_asked_for():
    async def story(w: World) -> None:
        await w.settle(w.coloured("red", attributes={"Care label": "30", "Material": "wool"}))
        product = w.shop.product_of("T-red")
        product.metafields["theirs", "x"] = ("single_line_text_field", "y")
        items = [StockedItem("T", f"gid://shopify/Product/{product.id}")]
        read = w.system.rereads.contents[Kind.PRODUCT]
        (row,) = (await read(["goods"], items)).rows
        assert row.content.attributes == {"care_label": "30", "material": "wool", ELSE_NONE: ""}
        for n in range(ATTRIBUTES_FIRST):
            product.metafields["custom", f"a{n:02}"] = ("single_line_text_field", "y")
        (row,) = (await read(["goods"], items)).rows
        assert len(row.content.attributes) == ATTRIBUTES_FIRST  # there are more: what is missing says nothing

    run(story)


def test_images_that_are_gone_are_seen_and_added_again_once_none_is_left():
    async def story(w: World) -> None:
        ours = ("https://images.example/1.jpg", "https://images.example/2.jpg")
        await w.settle(w.coloured("red", images=ours))
        w.price("T-red")
        await w.settle(w.coloured("red", images=ours))
        product = w.shop.product_of("T-red")
        items = [StockedItem("T", f"gid://shopify/Product/{product.id}")]
        read = w.system.rereads.contents[Kind.PRODUCT]

        async def shown():
            (row,) = (await read(["goods"], items)).rows
            return row.content.images

        assert await shown() == tuple(map(image_mark, ours))
        product.images.append("https://images.example/theirs.jpg")
        assert await shown() == tuple(map(image_mark, ours))
        del product.images[1:]
        assert await shown() is None  # which of them is left, nobody can tell
        await w.settle(w.coloured("red", images=ours))
        assert product.images == ["https://images.example/1.jpg"]
        product.images.clear()
        assert await shown() is None  # perhaps they are still being fetched
        await w.settle(w.coloured("red", images=ours))
        assert product.images == []
        await w.clock.sleep(3700)
        assert await shown() == ()
        await w.settle(w.coloured("red", images=ours))
        assert product.images == list(ours)
        assert await shown() == tuple(map(image_mark, ours))

    run(story)
