"""What items of Business Central become as products."""

from __future__ import annotations

import pytest
from tests.connectors.business_central_opened import World, run

from syncline.model.change import LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured, Rejected
from syncline.model.products import Product, ProductStatus, Variant, Wording


async def products(world: World, cursor=None):
    """Products by key, and the cursor after."""
    events, cursor = await world.pull("products", cursor)
    changes = [change for event in events for change in world.system.source.decode(LoggedEvent(1, 1, event))]
    return {change.key: change.value for change in changes}, cursor


def test_an_item_with_variants_is_one_product_in_a_category_with_a_name():
    async def story(world: World) -> None:
        sim = world.sim
        sim.add_category("SHIRTS", "Shirts and blouses")
        sim.edit_item("A", itemCategoryCode="SHIRTS", displayName="Shirt")
        sim.add_variant("A", "R", "red")
        sim.add_variant("A", "B", "blue")
        sim.edit_item("B", gtin="5012345678900", itemCategoryCode="")
        found, cursor = await products(world)
        assert found["A"] == Product(
            "A",
            "Shirt",
            (Variant("A/R", ("red",)), Variant("A/B", ("blue",))),
            ("Colour",),
            category="Shirts and blouses",
        )
        assert found["B"].variants == (Variant("B", (), "5012345678900"),)
        assert (found["B"].category, found["B"].description, found["B"].images) == ("", None, None)
        assert {one.status for one in found.values()} == {ProductStatus.ACTIVE}

        pages = [page async for page in world.system.source.poll("products", cursor)]
        assert [page.events for page in pages] == [()]
        assert {key for _, key in pages[0].present} == set(found)

        sim.add_variant("A", "B2", "blue")  # which text is taken already
        sim.edit_item("B", blocked=True)
        found, cursor = await products(world, cursor)
        assert [one.values for one in found["A"].variants] == [("R",), ("B",), ("B2",)]
        pages = [page async for page in world.system.source.poll("products", cursor)]
        assert "B" not in {key for _, key in pages[0].present}  # it is not sold any more

    run(story, variant_option="Colour")


def test_what_cannot_be_read_is_refused():
    async def story(world: World) -> None:
        events, _ = await world.pull("products")
        logged = LoggedEvent(1, 1, replace(events[0], body=b"[]"))
        with pytest.raises(Rejected, match="cannot be read"):
            world.system.source.decode(logged)

    run(story)


def test_texts_languages_and_attributes_come_by_the_extension():
    async def story(world: World) -> None:
        sim = world.sim
        sim.add_translation("A", "DEU", "Hemd")
        sim.add_translation("A", "DEU", "Hemd, rot", variant="R")
        sim.add_text("A", "Warm and", "soft.")
        sim.add_text("A", "Washable.", text=2)
        sim.add_text("A", "Warm und weich.", language="DEU")
        sim.add_text("B", "Nur deutsch.", language="DEU")
        for name, value in (
            ("Material", "wool"),
            ("Pictures", "https://images.example.com/a.png https://images.example.com/b.png"),
            ("Sold to", "trade, export"),
        ):
            sim.add_attribute("A", name, value)
        found, cursor = await products(world)
        shirt, other = found["A"], found["B"]
        assert shirt.description == "Warm and\nsoft.\nWashable."
        assert shirt.translations == {"DEU": Wording({"title": "Hemd", "description": "Warm und weich."})}
        assert shirt.attributes == {"Material": "wool"}
        assert shirt.images == ("https://images.example.com/a.png", "https://images.example.com/b.png")
        assert shirt.assortments == ("trade", "export")
        # What has no text in the company's own language keeps the one that it has in the shop.
        assert (other.description, other.translations) == (
            None,
            {"DEU": Wording({"description": "Nur deutsch."})},
        )
        assert (other.attributes, other.images, other.assortments) == ({}, (), ())

        sim.add_attribute("B", "Material", "silk")
        found, cursor = await products(world, cursor)
        assert set(found) == {"B"}

    run(
        story,
        item_texts=True,
        item_attributes=True,
        image_attribute="Pictures",
        assortment_attribute="Sold to",
    )


def test_without_being_asked_for_the_extensions_pages_are_not_read():
    async def story(world: World) -> None:
        world.sim.add_text("A", "Warm")
        world.sim.add_attribute("A", "Material", "wool")
        found, _ = await products(world)
        assert (found["A"].description, found["A"].attributes, found["A"].translations) == (None, None, {})
        assert not any("item" in name and "syncline" in name for name in world.sim.ledger.calls_by_operation)

    run(story)


@pytest.mark.parametrize("installed", [True, False])
def test_the_check_says_whether_the_extension_has_the_pages(installed):
    async def story(world: World) -> None:
        world.sim.extension = installed
        found = {what: (ok, mend) for what, ok, mend in await world.system.check()}
        ok, mend = found["texts of items readable"]
        assert (ok, "version 1.1" in mend) == (installed, not installed)

    run(story, item_attributes=True)


def test_an_attribute_is_named_only_where_attributes_are_read():
    with pytest.raises(Misconfigured, match="image_attribute"):
        run(lambda world: None, image_attribute="Pictures")
