"""What a channel should show of a product: what the source owns, and nothing that it does not say."""

from __future__ import annotations

import pytest

from syncline.engine.catalog import Catalog
from syncline.engine.derive.products import ProductFlow
from syncline.engine.routes import Route, Routes
from syncline.model.change import Flow
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.model.products import (
    ELSE_NONE,
    EVERYTHING,
    Goods,
    Listing,
    Product,
    ProductRules,
    ProductStatus,
    Variant,
    Wording,
    image_mark,
)
from syncline.model.records import Item
from syncline.runtime.catalog import CatalogConfig
from syncline.stores.sqlite import SqliteStore

RULES = ProductRules(locales={"de-DE": "de"}, assortments={"1": (EVERYTHING,), "2": ("trade",)})
SHIRT = Product(
    "SHIRT",
    "Shirt",
    (Variant("S-R", ("red",)), Variant("S-B", ("blue",))),
    ("Colour",),
    description="Warm",
    category="Shirts",
    translations={"de": Wording({"title": "Hemd"})},
    assortments=("trade",),
)


class Stage:
    def __init__(self, rules: ProductRules = RULES) -> None:
        self.route = Route(Flow.CATALOG, "erp", "shop", 1, products=rules)
        stock = Route(Flow.INVENTORY, "erp", "shop", 1, locations={"1": "70", "2": "71"})
        self.catalog = Catalog(SqliteStore.open(":memory:", now_ms=0))
        self.flow = ProductFlow(self.catalog, Routes([self.route, stock]))

    def wanted(self, group: str, product: Product | None = SHIRT, before=None):
        records = {} if product is None else {"SHIRT": product}
        item = Item("SHIRT", "bound")
        return self.flow.wanted(self.route, f"{group}\x1fSHIRT", records, item, before, 0)

    def sold(self) -> Stage:
        for sku in ("S-R", "S-B"):
            self.catalog.put("shop", Item(sku, f"v-{sku}", parent_id="p-1"))
        return self


def test_a_product_is_told_with_the_channels_ids_and_the_places_of_its_stock():
    found = Stage().wanted("goods")
    assert found.content == Goods(
        SHIRT.variants, ("Colour",), ProductStatus.ACTIVE, "Shirt", "Warm", "Shirts"
    )
    assert found.details == {"ids": {}, "places": ("70", "71")}
    ids = {"S-R": ("v-S-R", "p-1"), "S-B": ("v-S-B", "p-1")}
    assert Stage().sold().wanted("goods").details["ids"] == ids


def test_what_the_source_does_not_own_stays_as_it_is():
    stage = Stage(replace(RULES, fields=frozenset({"title"}))).sold()
    assert stage.wanted("goods").content == Goods(SHIRT.variants, ("Colour",), None, "Shirt")
    before = Goods(SHIRT.variants, ("Colour",), None, "Shirt")
    gone = stage.wanted("goods", None, before)
    assert gone.content is None
    assert "the channel's own" in gone.why


def test_what_ended_is_archived_as_it_was_and_what_was_never_there_is_left():
    stage = Stage().sold()
    before = Goods(SHIRT.variants, ("Colour",), ProductStatus.ACTIVE, "Shirt")
    assert stage.wanted("goods", None, before).content == replace(before, status=ProductStatus.ARCHIVED)
    assert stage.wanted("goods", None).content is None
    assert Stage().wanted("goods", replace(SHIRT, status=ProductStatus.DRAFT)).content is None
    ended = Stage().wanted("goods", replace(SHIRT, status=ProductStatus.ARCHIVED), before)
    assert ended.content.status is ProductStatus.ARCHIVED, (
        "it was told, and its channel has not listed it yet"
    )
    never = Stage(replace(RULES, creates=False)).wanted("goods")
    assert (never.content, "not made there" in never.why) == (None, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": " "}, "product_untitled"),
        ({"variants": (Variant("S-R", ("red",)), Variant("S-R", ("blue",)))}, "product_ambiguous"),
        ({"variants": (Variant("S-R", ("red",)), Variant("S-B", ("red",)))}, "product_ambiguous"),
        ({"variants": (Variant("S-R", ("red",)), Variant("S-B", ()))}, "product_ambiguous"),
    ],
)
def test_what_nobody_can_mean_waits_for_a_person(change, reason):
    doubt = Stage().wanted("goods", replace(SHIRT, **change)).doubt
    assert doubt is not None
    assert doubt[0] == reason


def test_languages_and_assortments_are_contents_of_their_own():
    stage = Stage().sold()
    assert list(stage.flow.of_record(stage.route, "SHIRT")) == [
        "goods\x1fSHIRT",
        "locale:de-DE\x1fSHIRT",
        "assortment:1\x1fSHIRT",
        "assortment:2\x1fSHIRT",
    ]
    assert stage.flow.operations(stage.route) == {"set_product", "set_wording", "set_listing"}
    told = stage.wanted("locale:de-DE")
    assert (told.content, told.details) == (Wording({"title": "Hemd"}), {"product_id": "p-1"})
    assert Stage().wanted("locale:de-DE").details == {"product_id": "bound"}
    assert stage.wanted("locale:de-DE", replace(SHIRT, translations={})).content is None
    assert stage.wanted("assortment:1").content == Listing(shown=True)
    elsewhere = replace(SHIRT, assortments=("export",))
    assert stage.wanted("assortment:2", elsewhere).content is None  # it never was there
    shown = Listing(shown=True)
    assert stage.wanted("assortment:2", elsewhere, shown).content == Listing(shown=False)
    assert stage.wanted("assortment:2", None, shown).content is None


def test_only_what_is_ours_is_compared():
    flow = Stage().flow
    ours = Goods(SHIRT.variants, ("Colour",), ProductStatus.ACTIVE, "Shirt", attributes={"a": "b"})
    there = Goods(
        (Variant("THEIRS", ("gold",)), Variant("S-B", ("blue",), "501"), Variant("S-R", ("red",), "502")),
        ("Colour",),
        ProductStatus.ACTIVE,
        "Shirt",
        "Their text",
        "Their type",
    )
    assert flow.seen(there, ours) == ours
    other = replace(there, title="By hand")
    assert flow.seen(other, ours) != ours
    assert flow.contrasted(other, ours) == "the channel shows another title, ours"
    words = Wording({"title": "Hemd"})
    assert flow.seen(Wording({"title": "Hemd", "description": "x"}), words) == words


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (CatalogConfig(fields=("title", "title")), "named twice"),
        (CatalogConfig(assortments={"1": []}), "name the assortments"),
        (CatalogConfig(languages={"de": ""}), "map languages"),
        (CatalogConfig(languages={"de": "x", "at": "x"}), "two languages"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(config, words):
    with pytest.raises(Misconfigured, match=words):
        config.rules("routes[0].catalog")


def test_a_route_of_the_catalog_says_by_default_that_everything_is_the_sources():
    rules = CatalogConfig(languages={"de": "de-DE"}, assortments={"1": ["*"]}).rules("")
    assert rules == replace(RULES, assortments={"1": (EVERYTHING,)})


OURS = Goods(
    SHIRT.variants,
    ("Colour",),
    ProductStatus.ACTIVE,
    "Shirt",
    "Warm",
    "Clothes/Shirts",
    {"Care label": "30°", "Material": "wool", "Lining": " "},
    ("https://images.example.com/a.png", "https://images.example.com/b.png"),
)
MARKS = tuple(image_mark(one) for one in OURS.images or ())


@pytest.mark.parametrize(
    ("shown", "names"),
    [
        ({}, ""),
        ({"category": "Shirts"}, "category"),
        ({"category": "\nSale\nClothes/Shirts"}, ""),
        ({"category": "\nSale"}, "category"),
        ({"attributes": {"care_label": "30°", "material": "wool", "theirs": "x"}}, ""),
        ({"attributes": {"Care_label": "30°", "Material": "silk"}}, "attributes"),
        ({"attributes": {"material": "wool"}}, ""),  # the other was not read
        ({"attributes": {"lining": "silk"}}, ""),  # and this one is empty
        ({"attributes": {"material": "wool", ELSE_NONE: ""}}, "attributes"),
        ({"images": ("theirs", *MARKS)}, ""),
        ({"images": MARKS[:1]}, "images"),
        ({"variants": SHIRT.variants[:1]}, "variants"),
        ({"title": "Blouse", "images": ()}, "title, images"),
    ],
)
def test_what_a_channel_shows_is_compared_as_far_as_it_was_read(shown, names):
    flow = Stage().flow
    there = replace(OURS, category=None, attributes=None, images=None, options=("size",))
    there = replace(there, **shown)
    assert (flow.seen(there, OURS) == OURS) == (not names)
    if names:
        assert f"another {names}, ours" in flow.contrasted(there, OURS)
    assert list(flow.seen(there, OURS).attributes) == list(OURS.attributes)  # in our order


def test_a_category_that_the_source_has_none_of_leaves_the_others_where_they_may_be_several():
    flow = Stage().flow
    ours = replace(OURS, category="")
    shown = replace(ours, images=None)
    assert flow.seen(replace(shown, category="\nSale"), ours) == ours
    assert flow.seen(replace(shown, category="Sale"), ours) != ours
