"""What items of Business Central become as products."""

from __future__ import annotations

import pytest
from tests.connectors.business_central_opened import World, run

from syncline.model.change import LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import Rejected
from syncline.model.products import Product, ProductStatus, Variant


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
