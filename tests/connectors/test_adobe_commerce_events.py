"""Events of Adobe I/O as they are posted: CloudEvents and what was before them, one by one and in batches, and what is sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.connectors.adobe_opened import opened
from tests.connectors.adobe_world import HOOK, World, run

from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import make_keys, public_pem, sign
from syncline.engine.capture.ingress import Ingress
from syncline.model.change import Event, LoggedEvent
from syncline.model.errors import Rejected
from syncline.model.records import Notice, Order
from syncline.ports import System, Verified, WebhookRequest

KEYS = tuple(public_pem(key) for key in make_keys())
SAVED = "com.adobe.commerce.observer.sales_order_save_commit_after"
ORDER = {"entity_id": 7, "updated_at": "2026-07-01 09:00:00"}


def ours(world: World) -> System:
    return opened(world, event_public_keys=KEYS, event_client_id="us")[0]


def cloud(name: str = "e-1", **changed: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": f"cloud-{name}",
        "source": "urn:uuid:9dd02f4d-0000-4000-8000-000000000000",
        "type": SAVED,
        "datacontenttype": "application/json",
        "time": "2026-07-01T09:00:00.123Z",
        "data": {"key": "k", "value": ORDER, "source": "shop.prod", "_metadata": {"storeId": "1"}},
        "eventid": name,
        "recipientclientid": "us",
    } | changed
    return {key: value for key, value in event.items() if value is not None}


def verified(system: System, told: Any) -> Verified:
    body = json.dumps(told).encode()
    headers = {"x-adobe-digital-signature-1": sign(make_keys()[0], body)}
    return system.source.verify(WebhookRequest(headers, body, 0))


def values(system: System, events: list[Event]) -> list[Any]:
    return [change.value for one in events for change in system.source.decode(LoggedEvent(1, 0, one))]


DEPRECATED = {"event_id": "e-1", "recipient_client_id": "us"}


@pytest.mark.parametrize(
    "told",
    [
        cloud(),
        cloud() | DEPRECATED,
        cloud(eventid=None, recipientclientid=None) | DEPRECATED,
        {"event": {"data": {"value": ORDER}}, **DEPRECATED},
    ],
    ids=["cloud event", "both names", "deprecated names", "former envelope"],
)
def test_an_event_is_understood_in_every_form_that_adobe_has_had(told):
    async def story(world: World) -> None:
        system = ours(world)
        got = verified(system, told)
        assert (got.event.event_id, got.more) == ("e-1", ())
        assert values(system, [got.event]) == [Notice("7")]

    run(story)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (cloud(recipientclientid="them"), "somebody else"),
        (cloud(recipientclientid=None), "somebody else"),
        (cloud(recipientclientid="them") | DEPRECATED, "somebody else"),
        (cloud(eventid=None, id=None), "eventid"),
        (cloud(data=None), "data.value"),
        (cloud(type="com.adobe.commerce.observer.catalog_product_save_after"), "is of no order"),
        ([], "batch"),
        ([cloud("a"), cloud("b", recipientclientid="them")], "somebody else"),
        ([cloud(type="com.adobe.commerce.plugin.customer.save")], "is of no order"),
        ([cloud()] * 101, "batch"),
    ],
)
def test_what_is_no_event_of_ours_is_refused(told, why):
    async def story(world: World) -> None:
        with pytest.raises(Rejected, match=why):
            verified(ours(world), told)

    run(story)


def test_an_event_under_a_name_of_the_shop_s_own_is_an_order_s():
    async def story(world: World) -> None:
        assert verified(ours(world), cloud(type="com.adobe.commerce.large_order")).event.event_id == "e-1"

    run(story)


def test_an_order_that_cannot_be_understood_is_kept_and_parked_for_adobe_does_not_send_it_again():
    async def story(world: World) -> None:
        system = ours(world)
        got = verified(system, cloud(data={"value": {"entity_id": "?", "updated_at": "yesterday"}}))
        with pytest.raises(Rejected):
            values(system, [got.event])

    run(story)


def test_events_of_something_else_in_a_batch_are_passed_over():
    async def story(world: World) -> None:
        other = cloud("p", type="com.adobe.commerce.observer.catalog_product_save_after")
        got = verified(ours(world), [other, cloud("a"), other, cloud("b")])
        assert [one.event_id for one in (got.event, *got.more)] == ["a", "b"]

    run(story)


class Posts:
    """The system's own ingress behind a log in memory, where the shop's events are posted to."""

    def __init__(self, world: World) -> None:
        self.system = ours(world)
        self.log: dict[str, Event] = {}
        self.stored: list[LoggedEvent] = []
        self.statuses: list[int] = []
        self.headers: list[Mapping[str, str]] = []
        self.sizes: list[int] = []
        self.ingress = Ingress(self, world.clock, {"shop": self.system}, self.stored.append)  # type: ignore[arg-type]
        world.transport.register(HOOK, self)

    async def append(self, events: list[Event], *, received_at_ms: int) -> list[int | None]:
        found: list[int | None] = []
        for event in events:
            found.append(None if event.event_id in self.log else len(self.log) + 1)
            self.log.setdefault(event.event_id, event)
        return found

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        told = json.loads(body)
        self.sizes.append(len(told) if isinstance(told, list) else 1)
        status = self.statuses.pop(0) if self.statuses else 0
        if not status:
            status = (await self.ingress.accept("shop", self.headers[-1], body)).status
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("former", [False, True])
@pytest.mark.parametrize("batch", [False, True])
def test_what_the_shop_tells_comes_into_the_log(batch, former):
    async def story(world: World) -> None:
        posts = Posts(world)
        world.shop.register_events(f"{HOOK}/in", "us", EVENT_FIELDS, batch=batch, former=former)
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        keys = [world.buy(("B", 1)) for _ in range(45)]
        await world.clock.sleep(10)
        orders = values(posts.system, [one.event for one in posts.stored])
        assert {order.key for order in orders if isinstance(order, Order)} == set(map(str, keys))
        assert sorted(posts.sizes) == ([5, 20, 20] if batch else [1] * 45)
        assert posts.ingress.received["shop"].accepted == 45 == world.shop.events.sent
        runner.cancel()

    run(story)


def test_a_batch_that_comes_again_is_known_event_by_event():
    async def story(world: World) -> None:
        posts = Posts(world)
        body = json.dumps([cloud("a"), cloud("b")]).encode()
        longer = json.dumps([cloud("b"), cloud("c")]).encode()
        for one in (body, body, longer):
            signed = {"x-adobe-digital-signature-2": sign(make_keys()[1], one)}
            assert (await posts.ingress.accept("shop", signed, one)).status == 200
        assert list(posts.log) == ["a", "b", "c"] and len(posts.stored) == 3
        assert posts.ingress.received["shop"].duplicates == 3

    run(story)


@pytest.mark.parametrize(
    ("statuses", "posted"),
    [([429], 2), ([503, 500], 3), ([505], 1), ([422], 1), ([401], 1), ([301], 1), ([204], 1)],
)
def test_only_what_was_not_answered_or_failed_on_our_side_is_sent_again(statuses, posted):
    async def story(world: World) -> None:
        posts = Posts(world)
        posts.statuses = list(statuses)
        world.shop.register_events(f"{HOOK}/in", "us", EVENT_FIELDS)
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        world.buy(("A", 1))
        await world.clock.sleep(86_400)
        assert [head.get("x-adobe-retry-count") for head in posts.headers] == [None, "1", "2"][:posted]
        assert len({head["x-adobe-delivery-id"] for head in posts.headers}) == posted
        taken = posted > 1 or statuses == [204]
        assert (world.shop.events.sent, world.shop.events.lost) == (int(taken), int(not taken))
        assert world.shop.events.in_flight() == 0
        runner.cancel()

    run(story)


def test_adobe_tries_for_a_day_and_then_drops_it():
    async def story(world: World) -> None:
        posts = Posts(world)
        posts.statuses = [500] * 1_000
        world.shop.register_events(f"{HOOK}/in", "us", EVENT_FIELDS)
        runner = asyncio.get_running_loop().create_task(world.shop.run())
        world.buy(("A", 1))
        await world.clock.sleep(86_000)
        assert world.shop.events.in_flight() == 1
        await world.clock.sleep(2_000)
        assert (world.shop.events.in_flight(), world.shop.events.lost, len(posts.headers)) == (0, 1, 100)
        runner.cancel()

    run(story)
