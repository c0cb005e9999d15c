"""Products of rows: everything that NetSuite and Business Central tell of one, and rows that contradict one another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.files_place import STOCK, Desk
from tests.unit.test_files_records import changes

from syncline.connectors.files.declared import Column
from syncline.model.change import Change, Kind
from syncline.model.errors import Misconfigured
from syncline.model.products import Product, ProductStatus, Variant, Wording

LONG = (
    "product sku barcode option.Colour option.Size language title description category status attribute attribute_value image "
    "image_position assortment"
)
WIDE = (
    "product sku option_name.1 option_value.1 option_name.2 option_value.2 title translation.de.title translation.de.description "
    "attribute.Care_label attribute.Material image.2 image.1 assortments status"
)
PRODUCTS = replace(
    STOCK,
    kind="products",
    pattern="PRODUCTS_*.csv",
    stamp="name",
    stamp_format="%Y%m%d%H%M",
    lead_s=60,
    delimiter=";",
    columns=tuple(Column(name, name=name) for name in LONG.split()),
)
CHANGES = replace(PRODUCTS, scope="delta", pattern="DELTA_*.csv")
URL = "https://images.example.com/{}.png"


def row(fields: str = LONG, **cells: str) -> str:
    """A row of some cells; ``option_Colour`` stands for ``option.Colour``."""
    named = {name.replace(".", "_"): name for name in fields.split()}
    assert not cells.keys() - named.keys()
    told = {named[name]: text for name, text in cells.items()}
    return ";".join(told.get(name, "") for name in fields.split())


def leave(desk: Desk, *rows: str, fields: str = LONG, name: str = "PRODUCTS_202601010000") -> None:
    desk.leave(f"{name}.csv", *rows, header=fields.replace(" ", ";"))


def told(
    desk: Desk, cursor=None, stream: str = "products"
) -> tuple[dict[str, Change], list[str], list, object]:
    pages = desk.pages(cursor, stream)
    found, refused = changes(desk, [event for page in pages for event in page.events])
    assert all(change.kind is Kind.PRODUCT and change.key == change.value.key for change in found)
    there = [key for page in pages for kind, key in page.present if kind is Kind.PRODUCT]
    return {change.key: change for change in found}, refused, there, pages[-1].cursor


def made(desk: Desk) -> Product:
    found, refused, _, _ = told(desk)
    assert refused == []
    (change,) = found.values()
    assert isinstance(change.value, Product)
    return change.value


def test_rows_of_one_product_say_everything_of_it_wherever_they_stand(desks):
    desk = desks(replace(PRODUCTS, own_language="en"))
    leave(
        desk,
        row(product="SHIRT", image=URL.format("b"), image_position="20"),
        row(product="SHIRT", sku="S-1", barcode="401", option_Colour="red", option_Size="M", title="Shirt"),
        row(sku="MUG", title="A mug", status="draft", category="Home/Kitchen", language="en"),
        row(product="SHIRT", language="de", title="Hemd", description="Warm"),
        row(product="SHIRT", attribute="Material", attribute_value="wool"),
        row(product="SHIRT", attribute="Care label", attribute_value="30°"),
        row(product="SHIRT", sku="S-2", option_Colour="blue", option_Size="M", description="All about it"),
        row(product="SHIRT", image=URL.format("a"), image_position="3", assortment="trade"),
        row(product="SHIRT", assortment="export", category="Clothes/Shirts", status="active", language="en"),
    )
    found, refused, _, _ = told(desk)
    assert refused == []
    assert found["SHIRT"].value == Product(
        "SHIRT",
        "Shirt",
        (Variant("S-1", ("red", "M"), "401"), Variant("S-2", ("blue", "M"))),
        ("Colour", "Size"),
        ProductStatus.ACTIVE,
        "All about it",
        "Clothes/Shirts",
        {"Care label": "30°", "Material": "wool"},
        (URL.format("a"), URL.format("b")),
        {"de": Wording({"title": "Hemd", "description": "Warm"})},
        ("export", "trade"),
    )
    mug = found["MUG"].value
    assert (mug.variants, mug.options, mug.status) == ((Variant("MUG"),), (), ProductStatus.DRAFT)
    assert (mug.images, mug.attributes, mug.assortments) == ((), {}, ()), "told to be none"
    assert mug.description == ""


def test_a_wide_row_says_the_same_with_columns_and_cells_that_name_options(desks):
    desk = desks(replace(PRODUCTS, columns=tuple(Column(name, name=name) for name in WIDE.split())))
    common = {"product": "SHIRT", "title": "Shirt", "option_name_1": "Colour", "option_name_2": "Size"}
    more = {
        "translation_de_title": "Hemd",
        "attribute_Material": "wool",
        "assortments": "trade | export, b2b",
    }
    leave(
        desk,
        row(WIDE, **common, **more, sku="S-1", option_value_1="red", option_value_2="M", status="1"),
        row(WIDE, **common, sku="S-2", option_value_1="red", option_value_2="L", image_1=URL.format("a")),
        row(WIDE, **common, image_2=URL.format("b")),
        fields=WIDE,
    )
    product = made(desk)
    assert product.options == ("Colour", "Size")
    assert product.variants == (Variant("S-1", ("red", "M")), Variant("S-2", ("red", "L")))
    assert product.attributes == {"Care_label": "", "Material": "wool"}, (
        "what a column leaves empty is told as empty"
    )
    assert product.images == (URL.format("a"), URL.format("b")), "in the order of their numbers"
    assert product.translations == {"de": Wording({"title": "Hemd"})}
    assert product.assortments == ("trade", "export", "b2b")
    assert (product.description, product.category) == (None, None), "what no column has is not told"


def test_what_no_column_has_is_left_to_the_shop(desks):
    desk = desks(replace(PRODUCTS, columns=PRODUCTS.columns[1:2]))
    leave(desk, "A", fields="sku")
    assert made(desk) == Product("A", "A", (Variant("A"),))


words = st.text("abcXYZ é/,|", min_size=1, max_size=6).map(str.strip).filter(bool)
names = st.text("abcdef", min_size=1, max_size=4)


@st.composite
def products(draw) -> Product:
    values = draw(st.lists(st.tuples(words, words), min_size=1, max_size=4, unique=True))
    options = draw(st.sampled_from(((), ("Colour", "Size"))))
    variants = tuple(
        Variant(f"S-{n}", each if options else (), draw(st.sampled_from(("", "401"))))
        for n, each in enumerate(values[: None if options else 1])
    )
    texts = st.dictionaries(st.sampled_from(("title", "description")), words, min_size=1)
    return Product(
        "SHIRT",
        draw(words),
        variants,
        options,
        draw(st.sampled_from(ProductStatus)),
        draw(words),
        draw(words),
        dict(sorted(draw(st.dictionaries(names, words, max_size=3)).items())),
        tuple(URL.format(n) for n in draw(st.lists(st.integers(0, 99), max_size=4, unique=True))),
        {
            key: Wording(said)
            for key, said in sorted(draw(st.dictionaries(st.sampled_from(("de", "fr")), texts)).items())
        },
        tuple(sorted(draw(st.sets(names, max_size=3)))),
    )


def rows_of(product: Product) -> list[str]:
    """A row for each thing that is said of it."""
    told = [{"title": product.title}, {"description": product.description}, {"category": product.category}]
    told += [{"status": product.status.value}]
    for one in product.variants:
        told += [{"sku": one.sku, "barcode": one.barcode}]
        told += [
            {"sku": one.sku, f"option_{name}": text}
            for name, text in zip(product.options, one.values, strict=True)
        ]
    told += [{"image": address, "image_position": str(n)} for n, address in enumerate(product.images)]
    told += [{"attribute": name, "attribute_value": text} for name, text in product.attributes.items()]
    told += [{"assortment": name} for name in product.assortments]
    told += [
        {"language": language, name: text}
        for language, wording in product.translations.items()
        for name, text in wording.texts.items()
    ]
    return [row(product=product.key, **cells) for cells in told]


@given(product=products(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_product_comes_out_as_it_went_in_whatever_the_order_of_its_rows(tmp_path_factory, product, data):
    desk = Desk(tmp_path_factory.mktemp("desk"), PRODUCTS)
    try:
        leave(desk, *data.draw(st.permutations(rows_of(product))))
        found = made(desk)
        assert set(found.variants) == set(product.variants)
        assert replace(found, variants=product.variants) == product
    finally:
        desk.spool.close()
        desk.loop.close()


SHIRT = row(product="SHIRT", sku="S-1", option_Colour="red", title="Shirt", status="1")


@pytest.mark.parametrize(
    ("rows", "line", "why"),
    [
        ((SHIRT, row(product="SHIRT", title="Skirt")), 3, "field title: 'Skirt' here, and 'Shirt' in line 2"),
        (
            (SHIRT, row(product="SHIRT", status="1"), row(product="SHIRT", status="0")),
            4,
            "field status: '0' here, and '1' in line 3",
        ),
        (
            (SHIRT, row(product="SHIRT", sku="S-1", status="0")),
            3,
            "field status: '0' here, and '1' in line 2",
        ),
        (
            (
                SHIRT,
                row(product="SHIRT", sku="S-2", option_Colour="blue"),
                row(product="SHIRT", sku="S-3", option_Colour="green", status="0"),
            ),
            3,
            "field status: nothing is said of 'S-2', and others differ",
        ),
        (
            (SHIRT, row(product="SHIRT", sku="S-1", option_Colour="blue")),
            3,
            "option 'Colour': 'blue' here, and 'red'",
        ),
        (
            (SHIRT, row(product="SHIRT", sku="S-2", option_Colour="red")),
            3,
            "'S-2' differs from 'S-1' in no option",
        ),
        ((SHIRT, row(product="SHIRT", sku="S-2")), 3, "option 'Colour': 'S-2' has no value of it"),
        (
            (SHIRT, row(product="SHIRT", language="de", sku="S-3")),
            3,
            "'S-3' stands in rows of other languages only",
        ),
        ((row(product="SHIRT", title="Shirt", status="1"),), 2, "no row says what can be bought"),
        (
            (SHIRT, row(product="SHIRT", image="http://a.example/1", image_position="1")),
            3,
            "field image: 'http://a.example/1' is no address; it must begin with https://",
        ),
        (
            (SHIRT, row(product="SHIRT", image="https://[a/1", image_position="1")),
            3,
            "field image: 'https://[a/1' is no",
        ),
        ((SHIRT, row(product="SHIRT", image=URL.format(1))), 3, "field image_position: '' is no number here"),
        (
            (
                SHIRT,
                row(product="SHIRT", image=URL.format(1), image_position="1"),
                row(product="SHIRT", image=URL.format(2), image_position="1"),
            ),
            4,
            "field image_position: 1 is that of another image in line 3",
        ),
        (
            (
                SHIRT,
                row(product="SHIRT", attribute="Material", attribute_value="wool"),
                row(product="SHIRT", attribute="Material", attribute_value="silk"),
            ),
            4,
            "attribute 'Material': 'silk' here, and 'wool' in line 3",
        ),
        ((SHIRT, row(product="SHIRT", attribute_value="wool")), 3, "an attribute without a name"),
        (
            (SHIRT.replace(";1;", ";;"), row(product="SHIRT", sku="S-1", status="perhaps")),
            3,
            "'perhaps' is no status",
        ),
        ((SHIRT.replace(";1;", ";;"),), 2, "field status: '' is no status"),
        (
            (
                SHIRT,
                row(product="SHIRT", language="de", title="Hemd"),
                row(product="SHIRT", language="de", title="Bluse"),
            ),
            4,
            "field title: 'Bluse' here, and 'Hemd' in line 3",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_refused_by_their_line_and_the_product_stays(
    desks, rows, line, why
):
    desk = desks(PRODUCTS)
    leave(desk, *rows, row(sku="MUG", title="Mug", status="1"))
    found, refused, there, _ = told(desk)
    assert list(found) == ["MUG"]
    assert len(refused) == 1 and refused[0].startswith(f"line {line} of PRODUCTS_") and why in refused[0]
    assert there == ["SHIRT"], "it is in the list, so it has not ended"


def test_a_sku_of_two_products_is_neithers(desks):
    desk = desks(PRODUCTS)
    leave(desk, SHIRT, row(product="COAT", sku="S-1", title="Coat", status="1"))
    found, refused, _, cursor = told(desk)
    assert found == {} and len(refused) == 2
    assert "line 2 of" in refused[0] and "'S-1' is of product 'COAT' as well" in refused[0]
    assert "line 3 of" in refused[1] and "'S-1' is of product 'SHIRT' as well" in refused[1]
    leave(desk, SHIRT.replace("SHIRT", "COAT"), name="PRODUCTS_202601020000")
    assert list(told(desk, cursor)[0]) == ["COAT"], "of another file it may be another's"


def test_only_what_differs_is_told_and_what_moved_to_another_product_too(desks):
    desk = desks(PRODUCTS)
    mug = row(sku="MUG", title="Mug", status="1")
    second = row(product="SHIRT", sku="S-2", option_Colour="blue")
    leave(desk, SHIRT, second, mug)
    _, _, _, cursor = told(desk)
    desk.source.believed("products", cursor.covers_ms)
    leave(desk, second, mug, SHIRT, name="PRODUCTS_202601020000")
    found, _, there, cursor = told(desk, cursor)
    assert (found, sorted(there)) == ({}, ["MUG", "SHIRT"]), "rows may stand elsewhere"
    desk.source.believed("products", cursor.covers_ms)
    moved = row(product="COAT", sku="S-2", title="Coat", status="1")
    leave(desk, SHIRT, moved, mug, name="PRODUCTS_202601030000")
    found, refused, there, _ = told(desk, cursor)
    assert refused == [] and there == ["MUG"]
    assert {key: [x.sku for x in change.value.variants] for key, change in found.items()} == {
        "SHIRT": ["S-1"],
        "COAT": ["S-2"],
    }


def test_changes_between_full_lists_are_newer_and_say_all_of_a_product(desks):
    desk = desks(PRODUCTS, CHANGES)
    leave(desk, SHIRT, row(sku="MUG", title="Mug", status="1"))
    first = told(desk)[0]["SHIRT"]
    leave(desk, SHIRT.replace("Shirt", "Skirt").replace(";1;", ";archived;"), name="DELTA_202601010000")
    found, _, there, _ = told(desk, None, "product_changes")
    assert list(found) == ["SHIRT"] and there == []
    assert found["SHIRT"].value.status is ProductStatus.ARCHIVED
    assert found["SHIRT"].version - first.version == 60_000, "a full list was read before its stamp"


def test_words_of_the_partners_own_say_what_has_ended(desks):
    desk = desks(replace(PRODUCTS, ended=("D", "X"), drafts=("P",)))
    leave(desk, *(row(sku=f"A{word}", title="A", status=word) for word in ("D", "X", "P", "S", "")))
    found, refused, _, _ = told(desk)
    assert {key: change.value.status.value for key, change in found.items()} == {
        "AD": "archived",
        "AX": "archived",
        "AP": "draft",
        "AS": "active",
    }
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("whole", "each", "status", "left"),
    [
        ("", ("1", "1"), "active", 2),
        ("", ("1", ""), "active", 2),  # one row says it of all
        ("", ("1", "0"), "active", 1),  # one variant has ended
        ("", ("draft", "0"), "draft", 1),
        ("", ("1", "draft"), "active", 1),
        ("", ("0", "0"), "archived", 2),
        ("1", ("", "0"), "active", 1),
        ("1", ("0", "0"), "archived", 2),
        ("0", ("1", "1"), "archived", 2),  # it has ended, whatever is said of its variants
    ],
)
def test_a_variant_that_has_ended_is_no_part_of_a_product_that_is_sold(desks, whole, each, status, left):
    desk = desks(PRODUCTS)
    rows = [
        row(product="SHIRT", sku=f"S-{n}", option_Colour=f"colour {n}", status=word)
        for n, word in enumerate(each, 1)
    ]
    leave(desk, row(product="SHIRT", title="Shirt", status=whole), *rows)
    product = made(desk)
    assert (product.status.value, len(product.variants)) == (status, left)


def test_a_sku_that_took_the_place_of_another_may_have_its_values(desks):
    desk = desks(PRODUCTS)
    leave(desk, SHIRT, row(product="SHIRT", sku="S-0", option_Colour="red", status="0"))
    assert [one.sku for one in made(desk).variants] == ["S-1"]


def test_in_xml_a_row_is_a_variant_and_names_what_stands_around_it(desks):
    names = {
        "product": "../@id",
        "title": "../name",
        "images": "../pictures",
        "sku": "@sku",
        "option_name.1": "../differs",
        "option_value.1": "value",
    }
    told_by = tuple(Column(field, name=name) for field, name in names.items())
    desk = desks(replace(PRODUCTS, format="xml", record="catalog/product/variant", columns=told_by))
    variants = "".join(
        f'<variant sku="S-{n}"><value>{value}</value></variant>' for n, value in enumerate(("M", "L"))
    )
    around = f"<differs>Size</differs><name>Shirt &amp; tie</name><pictures>{URL.format(1)} {URL.format(2)}</pictures>"
    body = f'<catalog><product id="SHIRT">{variants}{around}</product></catalog>'
    (desk.root / "in" / "PRODUCTS_202601010000.csv").write_text(body)
    product = made(desk)
    assert (product.title, product.options) == ("Shirt & tie", ("Size",))
    assert product.variants == (Variant("S-0", ("M",)), Variant("S-1", ("L",)))
    assert product.images == (URL.format(1), URL.format(2))


def declared(fields: str, **more):
    return replace(PRODUCTS, columns=tuple(Column(name, name=name) for name in fields.split()), **more)


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (declared("sku colour"), "'colour' is none of"),
        (declared("sku option."), "'option.' is none of"),
        (declared("sku image.0"), "'image.0' is none of"),
        (declared("sku translation.de.category"), "is none of"),
        (declared("product"), "'sku' is missing"),
        (declared("sku image"), "'image' needs 'image_position'"),
        (declared("sku attribute"), "'attribute' needs 'attribute_value'"),
        (declared("sku option_name.1"), "'option_name.1' needs 'option_value.1'"),
        (declared("sku option_value.2"), "'option_value.2' needs 'option_name.2'"),
        (declared("sku images image.1"), "images are told in one way, and not as images and as image.1"),
        (declared("sku assortments assortment"), "assortments are told in one way"),
        (declared("sku option.A option_name.1 option_value.1"), "options are told in one way"),
        (declared("sku attribute attribute_value attribute.A"), "attributes are told in one way"),
        (declared("sku language translation.de.title"), "translations are told in one way"),
        (declared("sku", ended=("D",)), "ended is for products, and needs a column of the field status"),
        (declared("sku title", own_language="en"), "own_language is for products"),
        (replace(STOCK, ended=("D",)), "ended is for products"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(desks, read, why):
    with pytest.raises(Misconfigured, match=why.replace(".", r"\.")):
        desks(read).settings.validate()


@pytest.mark.parametrize("read", [PRODUCTS, CHANGES, declared(WIDE), declared("sku images")])
def test_every_declaration_of_these_tests_is_sound(desks, read):
    desks(read).settings.validate()
