"""The Business Central simulator's subscriptions: the handshake, their end, and what is told when."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.connectors.business_central_world import EXTENSION, HOOK, STANDARD, World


async def subscribe(world: World, entity: str = "salesOrders", api: str = STANDARD) -> Any:
    resource = f"/api/{api}/companies({world.sim.company_id})/{entity}"
    body = {"notificationUrl": HOOK, "resource": resource, "clientState": "our secret"}
    return await world.send("POST", f"{world.sim.root(api)}/subscriptions", body)


def test_a_subscription_needs_the_handshake_and_lives_for_three_days():
    world = World()

    async def story() -> None:
        world.shakes_hands = False
        assert (await subscribe(world)).status == 400
        assert not world.sim.webhooks.subscriptions
        world.shakes_hands = True
        answer = await subscribe(world)
        made = json.loads(answer.body)
        assert (answer.status, made["expirationDateTime"][:10]) == (201, "2026-01-08")
        path = f"{world.sim.root()}/subscriptions('{made['subscriptionId']}')"
        assert (await world.send("PATCH", path, {})).status == 400  # no If-Match
        await world.clock.sleep(2 * 24 * 3600)
        world.token = json.loads((await world.login()).body)["access_token"]
        before = world.handshakes
        renewed = await world.send("PATCH", path, {}, {"If-Match": made["@odata.etag"]})
        assert json.loads(renewed.body)["expirationDateTime"][:10] == "2026-01-10"
        assert world.handshakes == before + 1
        await world.clock.sleep(3 * 24 * 3600 + 60)
        world.token = json.loads((await world.login()).body)["access_token"]
        assert not (await world.get(f"{world.sim.root()}/subscriptions"))["value"]

    world.run(story)


def test_only_what_the_vendor_supports_can_be_subscribed_to():
    world = World()

    async def story() -> None:
        for entity in ("salesShipments", "itemLedgerEntries", "itemVariants", "locations", "salesOrderLines"):
            assert (await subscribe(world, entity)).status == 400, entity
        assert (await subscribe(world, "stockLevels")).status == 400  # another API's address
        assert (await subscribe(world, "stockLevels", EXTENSION)).status == 201

    world.run(story)


def test_changes_are_gathered_and_say_only_that_something_changed():
    world = World()

    async def story() -> None:
        await subscribe(world)
        await subscribe(world, "stockLevels", EXTENSION)
        made = await world.create()
        world.sim.change_line(made["id"], 10_000, quantity=1)  # the header is told of its lines' changes
        await world.clock.sleep(20)
        assert not world.posts
        await world.clock.sleep(20)
        kinds = {(x["changeType"], x["resource"].rpartition("/")[2].partition("(")[0]) for x in world.posts}
        assert kinds == {("created", "salesOrders"), ("updated", "stockLevels")}
        assert len(world.posts) == 2
        (order,) = [x for x in world.posts if "salesOrders" in x["resource"]]
        assert order["resource"] == f"api/v2.0/companies({world.sim.company_id})/salesOrders({made['id']})"
        assert order["clientState"] == "our secret"
        assert "value" not in order
        world.posts.clear()
        world.sim.delete_order(made["id"])
        await world.clock.sleep(40)
        assert "deleted" in {x["changeType"] for x in world.posts}

    world.run(story)


def test_a_thousand_changes_become_one_collection_and_a_deletion_takes_its_filter_away():
    world = World()

    async def story() -> None:
        await subscribe(world, "items")
        for n in range(1_001):
            world.sim.add_item(f"M{n}", "x", "1")
        await world.clock.sleep(40)
        (entry,) = world.posts
        assert entry["changeType"] == "collection"
        assert "?$filter=lastModifiedDateTime%20gt%202026-01-05T" in entry["resource"]
        world.posts.clear()
        for n in range(1_001):
            world.sim.edit_item(f"M{n}", displayName="y")
        world.sim.delete_item("M7")
        await world.clock.sleep(40)
        assert world.posts[0]["resource"].endswith("/items")

    world.run(story)


@pytest.mark.parametrize("status", [401, 404, 410, 301])
def test_any_answer_but_success_or_try_again_ends_the_subscription(status):
    world = World()

    async def story() -> None:
        await subscribe(world)
        world.hook_status = status
        await world.create()
        await world.clock.sleep(40)

    world.run(story)
    assert not world.sim.webhooks.subscriptions
    assert len(world.sim.webhooks.removed) == 1


def test_a_refused_notification_is_sent_again_until_the_fifth_time():
    world = World()

    async def story() -> None:
        await subscribe(world)
        world.hook_status = 503
        await world.create()
        await world.clock.sleep(40)
        assert world.sim.webhooks.in_flight() == 1
        world.hook_status = 200
        await world.clock.sleep(60)
        assert len(world.posts) == 1
        world.hook_status = 503
        await world.create()
        await world.clock.sleep(70_000)
        assert not world.sim.webhooks.subscriptions  # given up

    world.run(story)


def test_notifications_are_lost_doubled_and_late_where_a_fault_says_so():
    world = World()

    async def story() -> None:
        await subscribe(world)
        world.sim.faults.webhook_lose_rate = 1.0
        await world.create()
        await world.clock.sleep(60)
        assert not world.posts
        world.sim.faults.webhook_lose_rate = 0.0
        world.sim.faults.webhook_copies_max = 5
        for _ in range(6):
            await world.create()
            await world.clock.sleep(60)
        assert len(world.posts) > 6

    world.run(story)
    assert world.sim.webhooks.lost
