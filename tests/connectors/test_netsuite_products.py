"""What NetSuite's items become as products."""

from __future__ import annotations

import pytest
from tests.connectors.netsuite_world import World, run

from syncline.connectors.netsuite import client, products
from syncline.model.change import Kind, LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured, Rejected, Retryable
from syncline.model.products import Product, ProductStatus, Variant, Wording

FIELDS = {
    "option.Colour": "custitem_colour",
    "option.Size": "custitem_size",
    "category": "custitem_category",
    "attribute.Material": "custitem_material",
    "image.1": "custitem_image",
    "translation.de.title": "custitem_title_de",
    "assortments": "custitem_groups",
    "status": "custitem_status",
}


def prepared(w: World) -> None:
    for column in FIELDS.values():
        w.sim.define_item_column(column)
    for sku in ("21730", "84406B"):
        w.sim.fill_item(sku, custitem_status="T")


def told(w: World, events) -> dict[str, Product]:
    return {change.key: change.value for change in w.changes(events) if change.kind is Kind.PRODUCT}


async def pages(w: World, cursor=None):
    return [page async for page in w.system.source.poll("products", cursor)]


def test_a_matrix_item_is_one_product_and_its_children_are_the_variants():
    async def story(w: World) -> None:
        prepared(w)
        red = {"custitem_colour": "red", "custitem_size": "S"}
        blue = {"custitem_colour": "blue", "custitem_size": "S"}
        w.sim.make_matrix("SHIRT", {"SHIRT-R": red, "SHIRT-B": blue})
        w.sim.edit_item("SHIRT", title="Shirt", salesDescription="<p>Warm</p>")
        w.sim.edit_item("SHIRT-R", upcCode="5012345678900")
        w.sim.fill_item(
            "SHIRT",
            custitem_category="Shirts",
            custitem_material="wool",
            custitem_image="https://images.example/1.jpg https://images.example/2.jpg",
            custitem_title_de="Hemd",
            custitem_groups="trade, export",
            custitem_status="active",
        )
        events, cursor = await w.pull("products")
        found = told(w, events)
        assert found["SHIRT"] == Product(
            "SHIRT",
            "Shirt",
            (Variant("SHIRT-R", ("red", "S"), "5012345678900"), Variant("SHIRT-B", ("blue", "S"))),
            ("Colour", "Size"),
            ProductStatus.ACTIVE,
            "<p>Warm</p>",
            "Shirts",
            {"Material": "wool"},
            ("https://images.example/1.jpg", "https://images.example/2.jpg"),
            {"de": Wording({"title": "Hemd"})},
            ("trade", "export"),
        )
        # One without children is its own variant; the items that carry money are no products.
        assert found["21730"].variants == (Variant("21730"),)
        assert found["21730"].assortments == ()
        assert set(found) == {"SHIRT", "21730", "84406B"}

        (page,) = await pages(w, cursor)
        assert page.events == ()
        assert len(page.present) == 3

        w.sim.deactivate_item("SHIRT-B")
        w.sim.fill_item("21730", custitem_status="F")
        events, cursor = await w.pull("products", cursor)
        found = told(w, events)
        assert [one.sku for one in found["SHIRT"].variants] == ["SHIRT-R"]
        assert found["21730"].status is ProductStatus.ARCHIVED
        w.sim.deactivate_item("SHIRT-R")
        (page,) = await pages(w, cursor)
        assert {key for _, key in page.present} == {"21730", "84406B"}  # none of it is sold any more

    run(story, catalog_fields=FIELDS)


def test_what_no_column_was_named_for_is_not_told():
    async def story(w: World) -> None:
        events, _ = await w.pull("products")
        product = told(w, events)["21730"]
        assert (product.category, product.attributes, product.images, product.assortments) == (None,) * 4
        assert product.status is ProductStatus.ACTIVE

    run(story)


def test_a_page_ends_with_a_whole_product(monkeypatch):
    monkeypatch.setattr(client, "PAGE_MAX", 4)
    monkeypatch.setattr(products, "PAGE_MAX", 4)

    async def story(w: World) -> None:
        prepared(w)
        w.sim.make_matrix(
            "M", {f"M-{n}": {"custitem_colour": f"c{n}", "custitem_size": "S"} for n in range(2)}
        )
        w.sim.fill_item("M", custitem_status="T")
        read = await pages(w)
        assert len(read) > 1
        found = told(w, [event for page in read for event in page.events])
        assert [one.sku for one in found["M"].variants] == ["M-0", "M-1"]
        # Killed behind any page, the rest is read from there on.
        for number, page in enumerate(read[:-1]):
            again = await pages(w, page.cursor)
            rest = {key for later in read[number + 1 :] for key in told(w, later.events)}
            assert {key for one in again for _, key in one.present} >= rest
        parent = w.sim.account.item_by_sku["M"].id
        for n in range(2, 5):
            w.sim.add_child(parent, f"M-{n}", {"custitem_colour": f"c{n}", "custitem_size": "S"})
        with pytest.raises(Retryable, match="4 or more variants"):
            await pages(w)

    run(story, catalog_fields=FIELDS)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("custitem_image", "http://images.example/1.jpg", "must begin with https"),
        ("custitem_image", "https://[images/1.jpg", "no address of an image"),
        ("custitem_status", "perhaps", "is no status"),
    ],
)
def test_what_cannot_be_meant_is_parked_alone(column, value, words):
    async def story(w: World) -> None:
        prepared(w)
        w.sim.fill_item("21730", **{column: value})
        events, _ = await w.pull("products")
        odd = [event for event in events if b'"21730"' in event.body]
        assert (len(odd), len(events)) == (1, 2)
        with pytest.raises(Rejected, match=words):
            w.system.source.decode(LoggedEvent(1, 0, odd[0]))
        with pytest.raises(Rejected, match="cannot be read"):
            w.system.source.decode(LoggedEvent(1, 0, replace(events[0], body=b"{")))

    run(story, catalog_fields=FIELDS)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"colour": "custitem_colour"}, "is no field of a product"),
        ({"category": "custitem_x; DROP"}, "is no column of item"),
    ],
)
def test_fields_are_checked(fields, words):
    async def story(w: World) -> None:
        del w

    with pytest.raises(Misconfigured, match=words):
        run(story, catalog_fields=fields)
