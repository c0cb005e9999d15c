"""The simulated shop's special prices and shared catalogs: what is taken, what is refused row by row, and what it does to a sale."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.adobe_world import World, run

from syncline.connectors.adobe_commerce.simulator import CartLine
from syncline.connectors.adobe_commerce.simulator.companies import Company

SPECIAL = "products/special-price"


def row(sku: str = "A", price: object = 8.0, **more: Any) -> dict[str, Any]:
    return {"sku": sku, "price": price, "store_id": 0} | more


async def sold(world: World, sku: str = "A") -> Decimal:
    key = world.shop.checkout([CartLine(sku, 1)]).order_id
    assert key is not None
    return Decimal(world.shop.orders[key].lines[0].price_minor) / 100


# --- special prices ----------------------------------------------------------------------------------------


def test_a_special_price_is_what_is_paid_while_it_holds_and_is_lower():
    async def story(world: World) -> None:
        dates = {"price_from": "2026-07-02 00:00:00", "price_to": "2026-07-03 00:00:00"}
        answer = await world.post(SPECIAL, {"prices": [row(**dates), row("B", 9)]})
        assert (answer.status, answer.body) == (200, [])
        assert (await sold(world), await sold(world, "B")) == (10, Decimal("3.33")), "not yet, and not lower"
        await world.clock.sleep(86_400)
        assert await sold(world) == 8
        told = (await world.post(f"{SPECIAL}-information", {"skus": ["A", "C", "?"]})).body
        assert told == [{"price": 8.0, "store_id": 0, "sku": "A", **dates}]
        await world.clock.sleep(86_400)
        assert await sold(world) == 8, "the day on which it ends is its last"
        await world.clock.sleep(86_400)
        assert await sold(world) == 10

    run(story)


def test_dates_that_are_left_out_are_kept_until_it_is_deleted():
    async def story(world: World) -> None:
        await world.post(SPECIAL, {"prices": [row(price_to="2026-06-01 00:00:00")]})
        await world.post(SPECIAL, {"prices": [row(price=7)]})
        assert await sold(world) == 10, "it ended, whatever its price"
        assert (await world.post(f"{SPECIAL}-delete", {"prices": [row(price=1)]})).body == []
        await world.post(SPECIAL, {"prices": [row(price=7)]})
        assert await sold(world) == 7

    run(story)


ROW = "Row ID: SKU = %SKU, Store ID: %storeId, Price From: %priceFrom, Price To: %priceTo."


@pytest.mark.parametrize(
    ("given", "message", "parameters"),
    [
        (row("?"), "The product that was requested doesn't exist. Verify the product and try again. ", ["?", "0", None, None]),
        (row("SHIRT"), "The product that was requested doesn't exist. Verify the product and try again. ", ["SHIRT", "0", None, None]),
        (row(price=-1), "Invalid attribute Price = %price. ", ["-1", "A", "0", None, None]),
        (row(price=None), "Invalid attribute Price = %price. ", [None, "A", "0", None, None]),
        (row(store_id=1), "Could not change non global Price when price scope is global. ", ["A", "1", None, None]),
        (row(price_from="2026-07-02"), "Invalid attribute %label = %priceTo. ", ["Price From", "A", "0", "2026-07-02", None]),
        (row(price_to="2026-02-30 00:00:00"), "Invalid attribute %label = %priceTo. ", ["Price To", "A", "0", None, "2026-02-30 00:00:00"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [SPECIAL, f"{SPECIAL}-delete"])
def test_a_row_that_is_refused_spoils_no_other(path, given, message, parameters):
    async def story(world: World) -> None:
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        answer = await world.post(path, {"prices": [given, row("C", 5)]})
        assert answer.status == 200
        assert answer.body == [{"message": message + ROW, "parameters": parameters}]
        assert (await sold(world, "C")) == (5 if path == SPECIAL else 7)

    run(story)


def test_what_is_no_special_price_is_refused_whole():
    async def story(world: World) -> None:
        answer = await world.post(SPECIAL, {"prices": [row(special=1)]})
        assert answer.status == 400 and "special" in json.dumps(answer.body).lower()
        assert (await world.post(SPECIAL, {})).body["parameters"] == {"fieldName": "prices"}
        world.shop.denied.add("Magento_Catalog::catalog")
        assert (await world.post(SPECIAL, {"prices": [row()]})).status == 401

    run(story)


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({}, "needs to be selected"),
        ({"price_from": "2026-07-01 08:00:00"}, "can't be earlier than the current time"),
        ({"price_from": "2026-07-03 00:00:00"}, "already exists in this time range"),
        ({"price_from": "2026-07-05 00:00:00", "price_to": "2026-07-06 00:00:00"}, ""),
    ],
)
def test_a_shop_that_schedules_them_wants_a_beginning_to_come_and_no_overlap(dates, words):
    async def story(world: World) -> None:
        world.shop.state.staging = True
        first = row(price_from="2026-07-02 00:00:00", price_to="2026-07-04 00:00:00")
        assert (await world.post(SPECIAL, {"prices": [first]})).body == []
        answer = await world.post(SPECIAL, {"prices": [row(price=5, **dates)]})
        assert (answer.status, len(world.shop.state.specials)) == ((400, 1) if words else (200, 2))
        assert words in json.dumps(answer.body)

    run(story)


# --- shared catalogs ---------------------------------------------------------------------------------------


def catalog(name: str = "Trade", **more: Any) -> dict[str, Any]:
    return {"sharedCatalog": {"name": name, "type": 0, "store_id": 0, "tax_class_id": 3} | more}


async def made(world: World, name: str = "Trade") -> int:
    answer = await world.post("sharedCatalog", catalog(name))
    assert answer.status == 200 and isinstance(answer.body, int), answer
    return answer.body


def test_a_catalog_is_made_with_a_group_of_its_own_and_read_changed_and_deleted():
    async def story(world: World) -> None:
        at = await made(world)
        told = await world.get(f"sharedCatalog/{at}")
        groups = await world.search("customerGroups/search", code="Trade")
        assert [one["id"] for one in groups] == [told["customer_group_id"]]
        assert {name: told[name] for name in ("id", "name", "type", "store_id", "tax_class_id", "created_at")} == {
            "id": at, "name": "Trade", "type": 0, "store_id": 0, "tax_class_id": 3, "created_at": "2026-07-01 09:00:00",
        }  # fmt: skip
        changed = catalog("Big trade", description="x", id=at)
        assert (await world.http("PUT", f"all/V1/sharedCatalog/{at}", changed)).body == at
        (found,) = await world.search("sharedCatalog/", type="0")
        assert (found["name"], found["description"]) == ("Big trade", "x")
        assert (await world.http("DELETE", f"all/V1/sharedCatalog/{at}")).body is True
        assert (await world.http("GET", f"all/V1/sharedCatalog/{at}")).status == 404
        assert (await world.http("DELETE", "all/V1/sharedCatalog/1")).status == 400, "the public one"
        assert not world.shop.ledger.breaches

    run(story)


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (catalog(name=""), 400, "is required"),
        ({"sharedCatalog": {"name": "x"}}, 400, "One or more input exceptions"),
        (catalog("trade"), 400, "already exists"),
        (catalog("x" * 33), 400, "length"),
        (catalog("x", type=2), 400, "Invalid value"),
        (catalog("x", store_id=9), 400, "Invalid value"),
        (catalog("x", tax_class_id=9), 400, "Invalid value"),
        (catalog("x", id=99), 404, "No such entity"),
        (catalog("x", price=1), 400, "does not have accessor"),
        ({}, 400, "sharedCatalog"),
    ],
)
def test_a_catalog_that_cannot_be_is_refused(given, status, words):
    async def story(world: World) -> None:
        await made(world)
        answer = await world.post("sharedCatalog", given)
        assert answer.status == status and words in json.dumps(answer.body), answer
        assert len(world.shop.state.catalogs) == 2

    run(story)


def test_there_is_one_public_catalog():
    async def story(world: World) -> None:
        at = await made(world)
        answer = await world.http("PUT", f"all/V1/sharedCatalog/{at}", catalog(type=1))
        assert answer.status == 200
        assert [one["id"] for one in await world.search("sharedCatalog", type="1")] == [at]
        assert (await world.http("PUT", f"all/V1/sharedCatalog/{at}", catalog(type=0))).status == 400

    run(story)


def test_a_company_is_in_one_catalog_and_pays_its_prices():
    async def story(world: World) -> None:
        first, second = await made(world), await made(world, "Bigger trade")
        world.shop.state.companies[7] = Company(7, {"customer_group_id": 1})

        async def where() -> list[int]:
            ids = (first, second, 1)
            return [at for at in ids if "7" in json.loads(await world.get(f"sharedCatalog/{at}/companies"))]

        assert await where() == [1]
        for at in (first, second):
            body = {"companies": [{"id": 7}]}
            assert (await world.post(f"sharedCatalog/{at}/assignCompanies", body)).body is True
            assert await where() == [at]
        tiers = {"prices": [{**row(price=4), "price_type": "fixed", "website_id": 0, "quantity": 1}]}
        del tiers["prices"][0]["store_id"]
        assert (await world.post(f"sharedCatalog/{second}/assignTierPrices", tiers)).body == []
        assert world.shop.state.tier_prices == {("A", "Bigger trade", 1.0): 4.0}
        assert (await world.post(f"sharedCatalog/{second}/unassignCompanies", body)).body is True
        assert await where() == [1]
        assert (await world.post("sharedCatalog/1/unassignCompanies", body)).status == 400
        assert (
            await world.post(f"sharedCatalog/{first}/assignCompanies", {"companies": [{"id": 8}]})
        ).status == 404
        await world.post(f"sharedCatalog/{second}/resetTierPrices", {"skus": ["A"]})
        assert world.shop.state.tier_prices == {}

    run(story)


def test_categories_are_put_into_a_catalog_without_their_products_and_take_them_along():
    async def story(world: World) -> None:
        at = await made(world)
        shoes, boots = world.shop.add_category("Shoes"), world.shop.add_category("Boots")
        products = world.shop.state.products
        products["A"].categories = {shoes: 0}
        products["B"].categories = {shoes: 0, boots: 0}
        body = {"categories": [{"id": shoes}, {"id": boots}]}
        assert (await world.post(f"sharedCatalog/{at}/assignCategories", body)).body is True
        assert await world.get(f"sharedCatalog/{at}/categories") == [shoes, boots]
        assert await world.get(f"sharedCatalog/{at}/products") == []
        await world.post(
            f"sharedCatalog/{at}/assignProducts", {"products": [{"sku": "A"}, {"sku": "B"}, {"sku": "C"}]}
        )
        await world.post(f"sharedCatalog/{at}/unassignCategories", {"categories": [{"id": shoes}]})
        assert await world.get(f"sharedCatalog/{at}/products") == ["B", "C"]
        assert (
            await world.post(f"sharedCatalog/{at}/assignCategories", {"categories": [{"id": 999}]})
        ).status == 404
        assert (await world.post("sharedCatalog/99/assignCategories", body)).status == 404

    run(story)
