"""The simulated shop's products with variants, values to choose from, categories and images, against the vendor's words.

developer.adobe.com/commerce/webapi/rest/tutorials (configurable-product, image) and magento/magento2, as ``merchandise`` names them.
"""

from __future__ import annotations

import base64

import pytest
from tests.connectors.adobe_world import World, run

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 20).decode()


def shirts(w: World) -> tuple[int, dict[str, int]]:
    """An attribute with two values, of which A and B have one each; its id, and the numbers of its values."""
    size = w.shop.add_select("size", "S", "M")
    values = {label: number for number, label in size.options.items()}
    w.shop.state.products["A"].attributes["size"] = str(values["S"])
    w.shop.state.products["B"].attributes["size"] = str(values["M"])
    return size.attribute_id, values


def option(number: int, *values: int, label: str = "Size") -> dict:
    return {
        "option": {
            "attribute_id": str(number),
            "label": label,
            "position": 0,
            "is_use_default": True,
            "values": [{"value_index": value} for value in values],
        }
    }


def parent(**more) -> dict:
    return {
        "product": {"sku": "P", "name": "P", "attribute_set_id": 4, "type_id": "configurable", "status": 1}
        | more
    }


def test_a_configurable_product_is_put_together_in_the_order_of_the_tutorial():
    async def story(w: World) -> None:
        number, values = shirts(w)
        assert (await w.post("products", parent())).status == 200
        early = await w.post("configurable-products/P/child", {"childSku": "A"})
        assert "doesn't have configurable product options" in early.body["message"]
        assert (await w.post("configurable-products/P/options", option(number, values["S"]))).body == 1
        for sku in ("A", "B"):
            assert (await w.post("configurable-products/P/child", {"childSku": sku})).body is True
        again = await w.post("configurable-products/P/child", {"childSku": "A"})
        assert (again.status, again.body["message"]) == (400, "The product is already attached.")
        without = await w.post("configurable-products/P/child", {"childSku": "C"})
        assert without.body["parameters"] == ["size"]
        found = await w.get("products/P")
        told = found["extension_attributes"]
        ids = [w.shop.state.products[sku].entity_id for sku in ("A", "B")]
        assert told["configurable_product_links"] == ids
        assert told["configurable_product_options"][0]["attribute_id"] == str(number)
        assert [one["sku"] for one in await w.get("configurable-products/P/children")] == ["A", "B"]
        assert len(await w.get("configurable-products/P/options/all")) == 1

    run(story)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"attribute_id": ""}, "Option attribute ID is not specified."),
        ({"label": ""}, "Option label is not specified."),
        ({"values": []}, "Option values are not specified."),
        ({"values": [{"value_index": 0}]}, "Value index is not specified for an option."),
        ({"attribute_id": "999"}, "doesn't exist"),
    ],
)
def test_an_option_that_lacks_something_is_refused(change, words):
    async def story(w: World) -> None:
        number, values = shirts(w)
        await w.post("products", parent())
        body = option(number, values["S"])
        body["option"] |= change
        refused = await w.post("configurable-products/P/options", body)
        assert words in refused.body["message"]
        assert w.shop.state.products["P"].choices == []

    run(story)


def test_a_list_that_is_saved_with_a_product_replaces_the_one_that_was_there():
    async def story(w: World) -> None:
        number, values = shirts(w)
        a, b = (w.shop.state.products[sku].entity_id for sku in ("A", "B"))
        shelf = w.shop.add_category("Shelf")
        more = {
            "configurable_product_options": [option(number, *values.values())["option"]],
            "configurable_product_links": [a, b],
            "category_links": [{"position": 0, "category_id": str(shelf)}],
        }
        assert (await w.post("products", parent(extension_attributes=more))).status == 200
        held = w.shop.state.products["P"]
        assert (held.links, held.categories) == ([a, b], {shelf: 0})
        for given in ({"configurable_product_links": [b]}, {"category_links": []}):
            body = {"product": {"sku": "P", "extension_attributes": given}}
            assert (await w.http("PUT", "all/V1/products/P", body)).status == 200
        assert (held.links, held.categories) == ([b], {})
        assert w.shop.ledger.effects["variant_unlinked"] == 1
        assert w.shop.ledger.effects["category_left"] == 1
        w.shop.state.products["A"].attributes["size"] = str(values["M"])
        for wrong, words in (([a, b], "same set of attribute values"), ([999], "does not exist")):
            body = {"product": {"sku": "P", "extension_attributes": {"configurable_product_links": wrong}}}
            refused = await w.http("PUT", "all/V1/products/P", body)
            assert (refused.status, words in refused.body["message"]) == (400, True)
        assert held.links == [b]

    run(story)


def test_a_product_whose_variants_cannot_be_is_not_made():
    async def story(w: World) -> None:
        more = {"configurable_product_links": [999]}
        refused = await w.post("products", parent(extension_attributes=more))
        assert refused.status == 400
        assert "P" not in w.shop.state.products
        free = parent(type_id="simple")
        assert (await w.post("products", free)).body["parameters"] == [
            "price"
        ]  # only a configurable has none

    run(story)


def test_a_value_that_differs_in_case_only_is_there_already():
    async def story(w: World) -> None:
        shirts(w)
        path = "products/attributes/size/options"
        made = await w.post(path, {"option": {"label": " L "}})
        assert w.shop.state.selects["size"].options[int(made.body)] == "L"
        twice = await w.post(path, {"option": {"label": "l"}})
        assert (twice.status, "already exists" in twice.body["message"]) == (400, True)
        assert (await w.post(path, {"option": {"label": " "}})).status == 400
        odd = await w.post("products/attributes/description/options", {"option": {"label": "x"}})
        assert "doesn't work with options" in odd.body["message"]
        assert (await w.post("products/attributes/nothing/options", {"option": {"label": "x"}})).status == 404
        (size,) = await w.search("products/attributes", attribute_code="size")
        assert [one["label"] for one in size["options"]] == [" ", "S", "M", "L"]

    run(story)


def test_an_image_is_taken_as_content_and_a_name_that_is_taken_gets_a_number():
    async def story(w: World) -> None:
        def entry(**more) -> dict:
            content = {"base64_encoded_data": PNG, "type": "image/png", "name": "one.png"} | more
            return {"entry": {"media_type": "image", "types": ["image"], "content": content}}

        assert (await w.post("products/A/media", entry())).body == "1"
        assert (await w.post("products/A/media", entry())).body == "2"
        first, second = (await w.get("products/A"))["media_gallery_entries"]
        assert (first["file"], second["file"]) == ("/o/n/one.png", "/o/n/one_1.png")
        assert (first["types"], second["types"]) == ([], ["image"])
        for change, words in (
            ({"base64_encoded_data": "!"}, "valid base64"),
            ({"type": "image/jpeg"}, "MIME type"),
            ({"type": "image/svg+xml"}, "MIME type"),
            ({"name": "../one.png"}, "forbidden characters"),
        ):
            refused = await w.post("products/A/media", entry(**change))
            assert (refused.status, words in refused.body["message"]) == (400, True)
        assert (await w.post("products/NONE/media", entry())).status == 404

    run(story)


def test_a_product_enters_a_category_and_leaves_it_beside_the_others():
    async def story(w: World) -> None:
        clothes = (
            await w.post("categories", {"category": {"parent_id": 2, "name": "Clothes", "is_active": True}})
        ).body["id"]
        again = await w.post(
            "categories", {"category": {"parent_id": 2, "name": "Clothes", "is_active": True}}
        )
        assert again.status == 400
        nowhere = {"category": {"parent_id": 77, "name": "X", "is_active": True}}
        assert (await w.post("categories", nowhere)).status == 404
        tree = await w.get("categories", rootCategoryId=2)
        assert [one["name"] for one in tree["children_data"]] == ["Clothes"]
        link = {"productLink": {"sku": "A", "position": 3, "category_id": str(clothes)}}
        assert (await w.post(f"categories/{clothes}/products", link)).body is True
        assert w.shop.state.products["A"].categories == {clothes: 3}
        path = f"all/V1/categories/{clothes}/products/A"
        left = await w.http("DELETE", path, b"", None)
        assert (left.body, w.shop.state.products["A"].categories) == (True, {})
        refused = await w.http("DELETE", path, b"", None)
        assert (refused.status, "doesn't contain" in refused.body["message"]) == (400, True)

    run(story)


def test_fields_that_were_asked_for_and_are_not_there_leave_an_empty_list():
    async def story(w: World) -> None:
        found = await w.get("products/A", fields="sku,extension_attributes[configurable_product_links]")
        assert found == {"sku": "A", "extension_attributes": []}

    run(story)
