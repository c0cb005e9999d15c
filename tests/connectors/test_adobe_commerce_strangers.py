"""What clients that know nothing of us ask an Adobe Commerce shop, and how it answers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.connectors.adobe_world import World, run

# Names that the vendor's document of 2.4.9 says an answer has in any case (contract section 12).
REQUIRED: dict[str, tuple[str, str]] = {
    "orders/1": ("", "base_grand_total customer_email grand_total items"),
    "orders/1 ": ("payment", "account_status additional_information cc_last4 method"),
    "invoices/1": ("", "order_id total_qty items"),
    "creditmemo/1": ("items", "base_cost base_price entity_id order_item_id qty"),
    "shipment/1": (
        "tracks",
        "order_id parent_id weight qty description track_number title carrier_code",
    ),
    "products/attributes?searchCriteria=": (
        "items",
        "attribute_code frontend_input entity_type_id is_required frontend_labels",
    ),
    "categories": ("", "parent_id name is_active position level product_count children_data"),
    "store/storeConfigs": (
        "",
        "base_link_url base_media_url base_static_url secure_base_url secure_base_link_url secure_base_media_url weight_unit",
    ),
    "store/storeGroups": ("", "id website_id root_category_id default_store_id name code"),
}


def first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


async def furnish(world: World) -> int:
    """One of every document; returns the order's first item."""
    order = world.buy(("A", 2), paid=True)
    item = (await world.get(f"orders/{order}"))["items"][0]["item_id"]
    track = {"track_number": "1Z", "title": "UPS", "carrier_code": "ups"}
    source = {"extension_attributes": {"source_code": "default"}}
    shipment = {"tracks": [track], "arguments": source, "comment": {"comment": "sent"}}
    await world.post(f"order/{order}/ship", shipment)
    await world.post(f"order/{order}/refund", {"items": [{"order_item_id": item, "qty": 1}]})
    return int(item)


@pytest.mark.parametrize("path", REQUIRED)
def test_an_answer_has_what_the_vendors_document_says_it_has(path):
    async def story(world: World) -> None:
        await furnish(world)
        inner, names = REQUIRED[path]
        address, _, query = path.strip().partition("?")
        value = first(await world.get(address, **({query.strip("="): ""} if query else {})))
        found = first(value[inner]) if inner else value
        assert set(names.split()) <= found.keys()

    run(story)


def test_amounts_are_told_in_both_currencies():
    async def story(world: World) -> None:
        await furnish(world)
        order = await world.get("orders/1")
        for told in (order, order["items"][0]):
            base = [
                name for name in told if name.startswith("base_") and not name.endswith(("_code", "_amnt"))
            ]
            assert base and all(told[name] == told[name.removeprefix("base_")] for name in base)
        assert (order["total_qty_ordered"], order["order_currency_code"]) == (2, "GBP")

    run(story)


def test_what_only_searches_know_is_not_told():
    async def story(world: World) -> None:
        world.buy(("A", 1), registered=True)
        product = await world.get("products/A")
        assert "entity_id" not in product
        assert [one["sku"] for one in await world.search("products", entity_id=product["id"])] == ["A"]
        (customer,) = await world.search("customers/search", entity_id=1)
        assert (customer["id"], "entity_id" in customer) == (1, False)

    run(story)


def test_products_are_searched_by_their_attributes_and_categories():
    async def story(world: World) -> None:
        shoes = world.shop.add_category("Shoes")
        colour = world.shop.add_select("colour", "Red", "Blue")
        red, blue = colour.options
        for sku, value in (("A", red), ("B", blue)):
            saved = {
                "sku": sku,
                "custom_attributes": [{"attribute_code": "colour", "value": str(value)}],
                "extension_attributes": {"category_links": [{"position": 0, "category_id": str(shoes)}]},
            }
            assert (await world.http("PUT", f"all/V1/products/{sku}", {"product": saved})).status == 200

        async def found(field: str, value: Any, condition: str = "eq") -> list[str]:
            key = "searchCriteria[filter_groups][0][filters][0]"
            query = {f"{key}[field]": field, f"{key}[value]": value, f"{key}[condition_type]": condition}
            return [one["sku"] for one in (await world.get("products", **query))["items"]]

        assert await found("colour", red) == ["A"]
        assert await found("colour", f"{red},{blue}", "in") == ["A", "B"]
        assert await found("colour", "", "null") == ["C"]
        assert await found("category_id", shoes) == ["A", "B"]
        assert await found("category_id", shoes, "neq") == ["C"]
        assert await found("website_id", 1) == ["A", "B", "C"]

    run(story)


def test_lines_of_orders_are_read_by_themselves():
    async def story(world: World) -> None:
        item = await furnish(world)
        world.buy(("B", 3))
        assert [one["sku"] for one in await world.search("orders/items", sku="B")] == ["B"]
        one = await world.get(f"orders/items/{item}")
        assert one == (await world.get("orders/1"))["items"][0]
        assert (await world.http("GET", "all/V1/orders/items/99")).status == 404
        await world.post("orders/1/comments", {"statusHistory": {"comment": "called"}})
        told = await world.get("orders/1/comments")
        assert ([row["comment"] for row in told["items"]], told["total_count"]) == (["called"], 1)
        told = await world.get("shipment/1/comments")
        assert [row["comment"] for row in told["items"]] == ["sent"]
        assert (await world.get("invoices/1/comments"))["total_count"] == 0

    run(story)


def test_small_things_have_addresses_of_their_own():
    async def story(world: World) -> None:
        shoes = world.shop.add_category("Shoes")
        world.shop.add_select("colour", "Red")
        made = await world.post(
            "categories", {"category": {"name": "Hats", "parent_id": shoes, "is_active": True}}
        )
        assert {name: made.body[name] for name in ("level", "path", "children")} == {
            "level": 3,
            "path": f"1/2/{shoes}/{shoes + 1}",
            "children": "",
        }
        assert "children_data" not in made.body
        (named,) = await world.search("categories/list", name="Shoes")
        assert named == await world.get(f"categories/{shoes}")
        await world.post(f"categories/{shoes}/products", {"productLink": {"sku": "A", "position": 4}})
        link = {"sku": "A", "position": 4, "category_id": str(shoes)}
        assert await world.get(f"categories/{shoes}/products") == [link]
        options = await world.get("products/attributes/colour/options")
        assert [one["label"] for one in options] == [" ", "Red"]
        assert (await world.get("products/attributes/colour"))["options"] == options
        assert (await world.http("GET", "all/V1/products/attributes/size")).status == 404
        assert {"name": "simple", "label": "Simple Product"} in await world.get("products/types")
        assert (await world.get("inventory/sources/leeds"))["source_code"] == "leeds"
        assert (await world.get("inventory/stocks/1"))["stock_id"] == 1
        assert (await world.http("GET", "all/V1/inventory/sources/mars")).status == 404

    run(story)


def test_a_deleted_product_is_gone_with_what_lay_in_its_sources():
    async def story(world: World) -> None:
        answer = await world.http("DELETE", "all/V1/products/C")
        assert (answer.status, answer.body) == (200, True)
        assert (await world.http("DELETE", "all/V1/products/C")).status == 404
        assert (await world.http("GET", "all/V1/products/C")).status == 404
        assert await world.search("inventory/source-items", sku="C") == []

    run(story)


def test_a_stock_item_shows_and_sets_what_lies_in_the_default_source():
    async def story(world: World) -> None:
        told = (await world.get("products/A"))["extension_attributes"]["stock_item"]
        assert (told["qty"], told["is_in_stock"], told["stock_id"]) == (5, True, 1)
        assert told == await world.get("stockItems/A")
        path = f"all/V1/products/A/stockItems/{told['item_id']}"
        answer = await world.http("PUT", path, {"stockItem": {"qty": 9}})
        assert (answer.status, answer.body) == (200, told["item_id"])
        assert (world.shop.quantity("A", "default"), world.shop.quantity("A", "leeds")) == (9, 20)
        saved = {"extension_attributes": {"stock_item": {"qty": 0, "is_in_stock": False}}}
        answer = await world.http("PUT", "all/V1/products/A", {"product": saved})
        assert answer.body["extension_attributes"]["stock_item"]["is_in_stock"] is False
        item = world.shop.state.item_at("A", "default")
        assert item is not None and (item.quantity, item.status) == (0, 0)
        entry = {"productSku": "B", "stockItem": {"qty": 7}}
        await world.http("PUT", "all/async/bulk/V1/products/byProductSku/stockItems/byItemId", [entry])
        await world.clock.sleep(60)
        assert world.shop.quantity("B", "default") == 7
        assert (await world.http("GET", "all/V1/stockItems/ZZ")).status == 404
        (listed,) = await world.search("products", sku="A")
        assert "stock_item" not in listed["extension_attributes"]

    run(story)


def test_a_column_may_be_empty_and_is_still_a_column():
    async def story(world: World) -> None:
        guest, known = world.buy(("A", 1)), world.buy(("A", 1), registered=True)
        await world.post("orders", {"entity": {"entity_id": guest, "ext_order_id": "E1"}})
        assert [one["entity_id"] for one in await world.search("orders", customer_id=1)] == [known]
        assert [one["entity_id"] for one in await world.search("orders", ext_order_id="E1")] == [guest]
        key = "searchCriteria[filter_groups][0][filters][0]"
        query = {f"{key}[field]": "customer_id", f"{key}[condition_type]": "null"}
        assert [one["entity_id"] for one in (await world.get("orders", **query))["items"]] == [guest]
        assert await world.search("orders/items", parent_item_id=1) == []

    run(story)


# --- queued calls ------------------------------------------------------------------------------------------


def test_a_queued_call_needs_no_name_that_its_object_says():
    async def story(world: World) -> None:
        shoes = world.shop.add_category("Shoes")
        path = "all/async/bulk/V1/products/bySku"
        answer = await world.http("PUT", path, [{"product": {"sku": "A", "name": "Anew"}}])
        assert answer.status == 202
        # What the address would say is no parameter of the service, so only the object counts.
        await world.http("PUT", path, [{"sku": "B", "product": {"sku": "C", "name": "Cnew"}}])
        link = {"productLink": {"sku": "A", "category_id": str(shoes), "position": 0}}
        await world.http("POST", "all/async/bulk/V1/categories/byCategoryId/products", [link])
        await world.clock.sleep(60)
        names = [world.shop.state.products[sku].name for sku in "ABC"]
        assert names == ["Anew", "Product B", "Cnew"]
        assert world.shop.state.products["A"].categories == {shoes: 0}
        # These are parameters of their services.
        path = "all/async/bulk/V1/categories/byCategoryId/products/bySku"
        assert (await world.http("DELETE", path, [{"sku": "A"}])).body["parameters"] == {
            "fieldName": "categoryId"
        }
        await world.http("DELETE", path, [{"categoryId": shoes, "sku": "A"}])
        await world.clock.sleep(60)
        assert world.shop.state.products["A"].categories == {}

    run(story)


def test_a_queued_call_acts_on_the_store_view_of_its_address():
    async def story(world: World) -> None:
        for store, name in (("all", "Everywhere"), ("german", "Deutsch")):
            body = {"sku": "A", "name": name}
            await world.http("PUT", f"{store}/async/bulk/V1/products/bySku", [{"product": body}])
            await world.http("PUT", f"{store}/async/V1/products/B", {"product": {"name": name}})
            await world.clock.sleep(60)
        for sku in "AB":
            product = world.shop.state.products[sku]
            assert (product.name, product.texts["german"]["name"]) == ("Everywhere", "Deutsch")

    run(story, stores=("default", "all", "german"))


def test_a_batch_tells_who_asked_for_what_and_when():
    async def story(world: World) -> None:
        sign_in = {"username": "simulated", "password": "simulated-Password-1"}
        token = (await world.post("integration/admin/token", sign_in)).body
        body = [{"prices": [{"sku": "A", "price": 5, "store_id": 0}]}]
        topic = "async.magento.catalog.api.basepricestorageinterface.update.post"
        for headers, user in (({}, 1), ({"authorization": f"Bearer {token}"}, 2)):
            answer = await world.http("POST", "all/async/bulk/V1/products/base-prices", body, **headers)
            status = await world.get(f"bulk/{answer.body['bulk_uuid']}/status")
            assert {name: status[name] for name in ("description", "start_time", "user_type")} == {
                "description": f"Topic {topic}",
                "start_time": "2026-07-01 09:00:00",
                "user_type": user,
            }
            (one,) = (await world.get(f"bulk/{answer.body['bulk_uuid']}/detailed-status"))["operations_list"]
            assert (one["bulk_uuid"], one["topic_name"]) == (answer.body["bulk_uuid"], topic)

    run(story, answer_ms=(0.0, 1.0))


# --- what a client takes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.8", 200),
        ("text/html", 406),
        ("application/xml", 406),
    ],
)
def test_an_answer_is_json_or_none(accept, status):
    async def story(world: World) -> None:
        answer = await world.http("GET", "all/V1/store/storeViews", accept=accept)
        assert answer.status == status
        if status == 406:
            assert answer.body["parameters"] == [accept]

    run(story)
