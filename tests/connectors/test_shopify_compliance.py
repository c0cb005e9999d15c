"""Shopify's webhooks about personal data: what each body asks for, and that nobody can make one ask for more."""

from __future__ import annotations

import json

import pytest
from tests.connectors.test_shopify_client import ORDER, signed, source
from tests.connectors.test_shopify_simulator import HOOK, START_MS, World, run

from syncline.connectors.shopify.simulator import Buyer
from syncline.model.change import Kind, LoggedEvent
from syncline.model.errors import Forged, Rejected
from syncline.model.privacy import Ask

SHOP = "north.myshopify.com"
WHO = {"id": 191167, "email": "Kanari@example.com", "phone": "555-625-1199"}
DATA_REQUEST = {
    "shop_id": 954889, "shop_domain": SHOP, "orders_requested": [299938, 280263], "customer": WHO,
    "data_request": {"id": 9999},
}  # fmt: skip
REDACT = {"shop_id": 954889, "shop_domain": SHOP, "customer": WHO, "orders_to_redact": [299938, 280263]}
LEFT = {"shop_id": 954889, "shop_domain": SHOP}
BODIES = {"customers/data_request": DATA_REQUEST, "customers/redact": REDACT, "shop/redact": LEFT}


def asked(body, topic, **headers):
    """What a webhook asks for."""
    known = source()
    event = known.verify(signed(json.dumps(body).encode(), x_shopify_topic=topic, **headers)).event
    (change,) = known.decode(LoggedEvent(1, START_MS, event))
    assert change.kind is Kind.PRIVACY
    assert change.key == change.value.id
    return change.value


def test_each_of_the_three_is_understood():
    told = asked(DATA_REQUEST, "customers/data_request")
    assert (told.ask, told.customer, told.email, told.orders) == (
        Ask.EXPORT, "191167", "Kanari@example.com", ("299938", "280263"),
    )  # fmt: skip
    told = asked(REDACT, "customers/redact")
    assert (told.ask, told.customer, told.email, told.orders) == (
        Ask.ERASE, "191167", "Kanari@example.com", ("299938", "280263"),
    )  # fmt: skip
    told = asked(LEFT, "shop/redact")
    assert (told.ask, told.customer, told.email, told.orders) == (Ask.ERASE_ALL, "", "", ())


def test_what_shopify_leaves_out_is_not_missed():
    bare = {"shop_id": 1, "shop_domain": SHOP, "customer": {"email": "a@example.com"}, "orders_to_redact": []}
    told = asked(bare, "customers/redact")
    assert (told.customer, told.email, told.orders) == ("", "a@example.com", ())
    nobody = {**bare, "customer": {"id": 5, "email": None, "phone": None}}
    assert asked(nobody, "customers/redact").customer == "5"


@pytest.mark.parametrize("topic", BODIES)
@pytest.mark.parametrize("body", [*BODIES.values(), ORDER])
def test_a_body_counts_for_its_own_topic_only(topic, body):
    """The topic stands in a header, which nobody signs."""
    if body is BODIES[topic]:
        assert asked(body, topic).id
        return
    with pytest.raises(Rejected):
        source().verify(signed(json.dumps(body).encode(), x_shopify_topic=topic))


def test_a_request_of_another_shop_is_refused():
    with pytest.raises(Rejected, match="shop_domain"):
        asked({**REDACT, "shop_domain": "south.myshopify.com"}, "customers/redact")


def test_a_forged_one_is_refused():
    with pytest.raises(Forged):
        asked(REDACT, "customers/redact", x_shopify_hmac_sha256="AAAA")


def test_the_same_request_is_one_however_often_it_comes():
    first = asked(REDACT, "customers/redact", x_shopify_webhook_id="w-1")
    assert asked(REDACT, "customers/redact", x_shopify_webhook_id="w-2").id == first.id
    other = {**REDACT, "orders_to_redact": [299938]}
    assert asked(other, "customers/redact").id != first.id
    left = asked(LEFT, "shop/redact").id
    assert asked(LEFT, "shop/redact", x_shopify_triggered_at="2026-09-21T23:00:00Z").id == left


# --- the simulator -------------------------------------------------------------------------------------

DAY_MS = 86_400_000


def told(world: World) -> list[tuple[int, str, dict]]:
    """What an app was told: days from the beginning, topic, body."""
    return [
        ((at_ms - START_MS) // DAY_MS, headers["x-shopify-topic"], json.loads(body))
        for at_ms, headers, body in world.receiver.got
    ]


def test_the_simulator_tells_the_three_when_the_vendor_does():
    async def story(w: World) -> None:
        order = w.order(("A", 1), customer=Buyer("Kanari", "Q", "kanari@example.com", "555"))
        customer = order.customer.id
        w.shop.redact_customer(customer)  # nobody has subscribed
        await w.clock.sleep(200 * 86_400)
        assert w.receiver.got == []
        w.shop.subscribe_compliance(HOOK)
        w.shop.request_customer_data(customer)
        w.shop.redact_customer(customer)  # six months have passed since the order
        w.shop.uninstall()
        await w.clock.sleep(11 * 86_400)
        who = {"id": customer, "email": "kanari@example.com", "phone": "555"}
        shop = {"shop_id": 954889, "shop_domain": w.shop.shop}
        (first, asked_, body), left, redact = told(w)
        number = body.pop("data_request")["id"]
        assert isinstance(number, int)
        assert (first, asked_, body) == (
            200, "customers/data_request", {**shop, "customer": who, "orders_requested": [order.id]},
        )  # fmt: skip
        assert left == (202, "shop/redact", shop)
        assert redact == (210, "customers/redact", {**shop, "customer": who, "orders_to_redact": [order.id]})
        assert w.shop.state.subscriptions == {}, "the API knows nothing of these"
        answer = await w.ask("{ webhookSubscriptions(first: 5) { nodes { id } } }")
        assert answer["data"]["webhookSubscriptions"]["nodes"] == []

    run(story)


def test_the_simulator_withholds_a_request_while_an_order_is_young():
    async def story(w: World) -> None:
        w.shop.subscribe_compliance(HOOK)
        order = w.order(("A", 1), customer=Buyer("Kanari", "Q", "kanari@example.com"))
        w.shop.redact_customer(order.customer.id)
        await w.clock.sleep(190 * 86_400)
        assert [day for day, _, _ in told(w)] == [183]

    run(story)
