"""What the catalog says of SKUs: where they are sold, and which categories are large enough to learn from."""

from __future__ import annotations

from syncline.engine.catalog import CATEGORY_SKUS_MIN, Catalog
from syncline.engine.codec import encode
from syncline.model.change import Kind
from syncline.model.records import Item
from syncline.ports import Write
from syncline.stores.sqlite import SqliteStore


def filled(system="shop", category="mugs", count=CATEGORY_SKUS_MIN):
    catalog = Catalog(None)
    for n in range(count):
        catalog.put(system, Item(f"M{n}", f"id-{n}", category=category))
    return catalog


def test_a_category_counts_once_it_has_some_size():
    catalog = filled(count=CATEGORY_SKUS_MIN - 1)
    assert catalog.category("M0") == ""
    catalog.put("shop", Item("MORE", "id", category="mugs"))
    assert catalog.category("M0") == catalog.category("MORE") == "mugs"
    assert catalog.category("nothing") == ""
    catalog.put("shop", Item("MORE", "id", category="cups"))  # it was moved
    assert catalog.category("M0") == catalog.category("MORE") == ""


def test_an_item_that_is_told_again_counts_once():
    catalog = filled(count=CATEGORY_SKUS_MIN - 1)
    catalog.put("shop", Item("M0", "id-0", title="new", category="mugs"))
    assert catalog.category("M0") == ""


def test_the_first_system_that_has_a_category_says_it():
    catalog = filled("erp", category="")
    for n in range(CATEGORY_SKUS_MIN):
        catalog.put("shop", Item(f"M{n}", f"s-{n}", category="drinkware"))
        catalog.put("market", Item(f"M{n}", f"m-{n}", category="kitchen"))
    assert catalog.category("M1") == "drinkware"
    assert catalog.skus("erp") == [f"M{n}" for n in range(CATEGORY_SKUS_MIN)]
    assert catalog.skus("nowhere") == []


async def test_it_is_the_same_after_a_restart():
    store = SqliteStore.open(":memory:", now_ms=0)
    rows = [
        {
            "system": "shop", "kind": Kind.ITEM.value, "key": f"M{n}", "version": 1, "tiebreak": 0, "changed_at_ms": 0,
            "observed_at_ms": 0, "offset": 0, "hash": "", "body": encode(Item(f"M{n}", "i", category="mugs")),
        }
        for n in range(CATEGORY_SKUS_MIN)
    ]  # fmt: skip
    await store.write(Write("record_put", rows))
    catalog = Catalog(store)
    for _ in range(2):
        await catalog.load(["shop"])
        assert (catalog.category("M3"), catalog.count("shop")) == ("mugs", CATEGORY_SKUS_MIN)
    await store.close()
