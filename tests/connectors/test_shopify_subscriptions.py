"""Webhook subscriptions of the simulated shop: what they may ask for, and what they let through."""

from __future__ import annotations

from typing import Any

import pytest
from tests.connectors.test_shopify_simulator import HOOK, World, run

from syncline.connectors.shopify.simulator import gates

CREATE = """mutation($topic: WebhookSubscriptionTopic!, $with: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $with) {
    webhookSubscription { id filter includeFields metafieldNamespaces name format } userErrors { field message }
  }
}"""
UPDATE = """mutation($id: ID!, $with: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $with) {
    webhookSubscription { id uri filter includeFields metafieldNamespaces name } userErrors { field message }
  }
}"""
INVALID = "The specified filter is invalid, please ensure you specify the field(s) you wish to filter on."
PRODUCT = {
    "id": 9,
    "title": "T-Shirt",
    "status": "active",
    "vendor": None,
    "updated_at": "2026-07-01T10:00:00+01:00",
    "variants": [
        {"id": 1, "price": "29.99", "taxable": True, "weight": 0.2},
        {"id": 2, "price": "9.50", "taxable": False, "weight": 7},
    ],
    "tags": "cotton",
}


async def create(w: World, topic: str = "ORDERS_CREATE", **given: Any) -> dict[str, Any]:
    answer = await w.ask(CREATE, topic=topic, **{"with": {"uri": HOOK + "/in", **given}})
    told: dict[str, Any] = answer["data"]["webhookSubscriptionCreate"]
    return told


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        (None, True),
        ("", True),
        ("id:9", True),
        ("id:*", True),
        ("vendor:*", False),
        ("colour:*", False),
        ("colour:red", False),
        ("-colour:red", True),
        ("status:ACTIVE", True),
        ("status:draft", False),
        ("-status:draft", True),
        ("NOT status:active", False),
        ("title:T-*", True),
        ("title:shirt*", False),
        ("title:'T-Shirt'", True),
        ("variants.price:>=29.99", True),
        ("variants.price:>29.99", False),
        ("variants.price:>=100", False),
        ("variants.price:<10", True),
        ("variants.taxable:true AND variants.weight:<5", True),
        ("variants.taxable:true variants.weight:>100", False),
        ("status:draft OR id:9", True),
        ("status:draft AND id:9 OR tags:cotton", True),
        ("status:draft AND (id:9 OR tags:cotton)", False),
        ("id:* AND status:active AND (title:Music OR title:T-Shirt) AND variants.price:>=10", True),
        ("updated_at:>='2026-07-01T09:00:00Z'", True),
        ("updated_at:>'2026-07-01T09:00:00Z'", False),
    ],
)
def test_a_filter_is_evaluated_against_the_payload(text, passes):
    found = gates.parse(text)
    assert (found is None or found(PRODUCT)) is passes


@pytest.mark.parametrize(
    "text", ["totally bogus syntax", "id:1 bareword", "(id:1", "id:1)", "id:1 OR", "AND", "()", "NOT", "id:"]
)
def test_a_filter_in_which_a_term_names_no_field_is_refused(text):
    async def story(w: World) -> None:
        error = [{"field": ["webhookSubscription"], "message": INVALID}]
        assert (await create(w, filter=text)) == {"webhookSubscription": None, "userErrors": error}
        number = (await create(w, filter="id:1"))["webhookSubscription"]["id"]
        told = (await w.ask(UPDATE, id=number, **{"with": {"filter": text}}))["data"][
            "webhookSubscriptionUpdate"
        ]
        assert told == {"webhookSubscription": None, "userErrors": error}
        (kept,) = w.shop.state.subscriptions.values()
        assert kept.filter == "id:1"

    run(story)


def test_a_filter_has_a_largest_size():
    async def story(w: World) -> None:
        most = ("id:1 " * 13_107)[:-5] + "id:111111"
        most = most[:65_535]
        assert (await create(w, filter=most))["userErrors"] == []
        over = (await create(w, filter=most + "1"))["userErrors"]
        assert over == [
            {
                "field": ["webhookSubscription"],
                "message": "The specified filter exceeds the maximum allowed size.",
            }
        ]

    run(story)


def test_only_what_passes_is_sent_and_only_the_fields_that_are_asked_for():
    async def story(w: World) -> None:
        told = await create(w, filter="line_items.sku:A", includeFields=["id", "line_items.sku", "nothing"])
        assert told["webhookSubscription"]["filter"] == "line_items.sku:A"
        w.order(("B", 1))
        order = w.order(("A", 2), ("C", 1))
        await w.quiet()
        assert w.receiver.payloads() == [{"id": order.id, "line_items": [{"sku": "A"}, {"sku": "C"}]}]
        number = told["webhookSubscription"]["id"]
        await w.ask(UPDATE, id=number, **{"with": {"filter": "line_items.sku:B", "includeFields": ["name"]}})
        w.order(("A", 1))
        other = w.order(("B", 1))
        await w.quiet()
        assert w.receiver.payloads()[1:] == [{"name": other.name}]

    run(story)


def test_metafields_of_the_record_are_told_in_the_namespaces_that_are_named():
    async def story(w: World) -> None:
        told = await create(w, includeFields=["id"], metafieldNamespaces=["custom", "$app:Own", "$app", "x"])
        assert told["webhookSubscription"]["metafieldNamespaces"] == ["custom", "app--1--Own", "app--1", "x"]
        order = w.order(("A", 1))
        gid = f"gid://shopify/Order/{order.id}"
        await w.quiet()
        for namespace in ("custom", "other"):
            w.shop.state.metafields[gid, namespace, "k"] = ("json", "1")
        number = told["webhookSubscription"]["id"]
        await w.subscribe("ORDERS_UPDATED", "/b")
        for one in w.shop.state.subscriptions.values():
            one.topic = "ORDERS_UPDATED"
        w.shop.edit_order(order.id, "A", 2)
        await w.quiet()
        first, *after = w.receiver.payloads()
        assert first == {"id": order.id, "metafields": []}
        (small,) = [body for body in after if len(body) == 2]
        assert small["metafields"] == [{"namespace": "custom", "key": "k", "value": "1", "type": "json"}]
        (whole,) = [body for body in after if len(body) > 2]
        assert "metafields" not in whole
        changed = {"metafieldNamespaces": [], "name": "Hook"}
        told = (await w.ask(UPDATE, id=number, **{"with": changed}))["data"]["webhookSubscriptionUpdate"]
        assert (told["webhookSubscription"]["metafieldNamespaces"], told["webhookSubscription"]["name"]) == (
            [],
            "Hook",
        )

    run(story)


def test_names_and_addresses_are_unique_and_a_missing_filter_is_none():
    async def story(w: World) -> None:
        first = await create(w, name="Orders")
        assert first["webhookSubscription"]["filter"] is None
        name = ["webhookSubscription", "name"]
        assert (await create(w, filter="id:1", name="orders"))["userErrors"] == [
            {"field": name, "message": "Name already exists, no duplicate allowed"}
        ]
        assert [e["message"] for e in (await create(w, filter="id:1", name=""))["userErrors"]] == [
            "Name is too short (minimum is 1 character)",
            "Name name field can only contain alphanumeric characters, underscores, and hyphens",
        ]
        taken = [
            {
                "field": ["webhookSubscription", "callbackUrl"],
                "message": "Address for this topic has already been taken",
            }
        ]
        assert (await create(w))["userErrors"] == taken
        assert (await create(w, filter="id:1"))["userErrors"] == []
        assert (await create(w, format="XML"))["userErrors"] == []
        own = first["webhookSubscription"]["id"]
        kept = (await w.ask(UPDATE, id=own, **{"with": {"name": "ORDERS"}}))["data"][
            "webhookSubscriptionUpdate"
        ]
        assert kept["userErrors"] == []

    run(story)
