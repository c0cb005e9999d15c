"""Credit at Shopify: the metafields that are written, in how many calls, and the function that reads them."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.resources import files

import pytest
from graphql import build_schema, parse, validate
from tests.connectors.test_shopify_prices import World
from tests.unit.support import START_MS

from syncline.connectors.shopify.credit import value_of
from syncline.model.credit import CreditTag
from syncline.model.delivery import Item, Result
from syncline.model.payloads import SetCredit
from syncline.simulate.clock import VirtualLoop

D = Decimal
FUNCTION = files("syncline.connectors.shopify") / "function"


def tag(available: str | None = "400.50", **more) -> CreditTag:
    left = None if available is None else D(available)
    return CreditTag("GBP", D(1000), left, **more)


def item(number: int | str, content: CreditTag | None = None) -> Item:
    gid = number if isinstance(number, str) else f"gid://shopify/Company/{number}"
    return Item(str(number), SetCredit(str(number), gid, content or tag()))


def run(story):
    loop = VirtualLoop(START_MS)
    try:
        return loop.run_until_complete(story(World(loop)))
    finally:
        loop.close()


def test_what_is_left_of_a_credit_is_a_metafield_of_the_company():
    async def story(world):
        outcomes = await world.do(
            "set_credit", item(7), item(8, tag(None)), item(9, tag(blocked=True, reason="On hold."))
        )
        assert [one.result for one in outcomes] == [Result.DONE] * 3
        assert world.requests() == 1
        held = world.shop.state.metafields
        assert {at[1:] for at in held} == {("syncline", "credit")}
        assert {kind for kind, _ in held.values()} == {"json"}
        return [json.loads(held[f"gid://shopify/Company/{n}", "syncline", "credit"][1]) for n in (7, 8, 9)]

    plain, free, blocked = run(story)
    assert plain == {
        "currency": "GBP",
        "limit": "1000",
        "available": "400.50",
        "blocked": False,
        "reason": "",
    }
    assert free["available"] is None
    assert (blocked["blocked"], blocked["reason"]) == (True, "On hold.")


def test_a_full_call_is_one_request_and_setting_again_changes_nothing():
    async def story(world):
        items = [item(n) for n in range(1, 26)]
        for _ in range(2):
            assert {one.result for one in await world.do("set_credit", *items)} == {Result.DONE}
        assert len(world.shop.state.metafields) == 25
        return world.requests()

    assert run(story) == 2


def test_one_that_is_refused_spoils_only_itself():
    async def story(world):
        items = [
            item(1),
            item("gid://shopify/Company/0"),
            item("107"),
            item("gid://shopify/Order/3"),
            item(2),
        ]
        outcomes = await world.do("set_credit", *items)
        return [one.result for one in outcomes], len(world.shop.state.metafields), world.requests()

    results, held, requests = run(story)
    assert results == [Result.DONE, Result.REJECTED, Result.REJECTED, Result.REJECTED, Result.DONE]
    assert (held, requests) == (2, 2), "the one that only the shop knows to be wrong costs a second call"


def test_what_the_function_asks_for_is_in_its_input():
    schema = build_schema((FUNCTION / "schema.graphql").read_text())
    query = (FUNCTION / "src" / "run.graphql").read_text()
    assert validate(schema, parse(query)) == []
    assert validate(schema, parse(query.replace("purchasingCompany", "buyer"))) != []


@pytest.mark.parametrize("name", ["currency", "available", "blocked", "reason"])
def test_the_function_reads_what_is_written(name):
    assert name in value_of(tag())
    assert f"credit.{name}" in (FUNCTION / "src" / "run.js").read_text()
