"""Further ways in from Adobe Commerce: its RabbitMQ, Adobe I/O's journal, and how a webhook's address is proved."""

from __future__ import annotations

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.connectors.adobe_opened import opened, settings
from tests.connectors.adobe_world import HOOK, World, run

from syncline.connectors.adobe_commerce import CONNECTOR, messages
from syncline.connectors.adobe_commerce.gates import AdobeCommerceGate
from syncline.connectors.adobe_commerce.manifest import EVENT_FIELDS
from syncline.connectors.adobe_commerce.simulator import CartLine, Hook, Journal, make_keys, public_pem
from syncline.connectors.adobe_commerce.simulator.journal import KEPT_MS, PATH
from syncline.engine.capture.ingress import Ingress
from syncline.model.change import Cursor, Event, LoggedEvent
from syncline.model.errors import AuthExpired, Misconfigured, Rejected, Retryable, Throttled
from syncline.model.records import Notice, Order
from syncline.ports import Opening, Response, System, WebhookRequest
from syncline.simulate.broker import InProcessBroker
from syncline.simulate.hooks import HooksApp

EVENTS = "https://events.simulated.example"
IMS = "https://ims.simulated.example"
TOPIC = "sales.order.saved"
AMQP = {
    "amqp_url": "amqps://mq.example/shop",
    "amqp_user": "syncline",
    "amqp_password": "secret-of-the:broker",
    "amqp_topics": (TOPIC,),
}
JOURNAL = {
    "journal_url": EVENTS + PATH,
    "ims_url": IMS,
    "ims_org_id": "simulated@AdobeOrg",
    "ims_client_secret": "simulated-ims-secret",
    "event_client_id": "client",
}

# --- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (AMQP | {"amqp_url": "amqp://mq.example"}, "amqp_url"),
        (AMQP | {"amqp_url": "https://mq.example"}, "amqp_url"),
        (AMQP | {"amqp_url": "amqps://a:b@mq.example"}, "amqp_url"),
        (AMQP | {"amqp_user": ""}, "amqp_user"),
        (AMQP | {"amqp_password": ""}, "amqp_password"),
        (AMQP | {"amqp_topics": ()}, "amqp_topics"),
        (AMQP | {"amqp_topics": ("#",)}, "amqp_topics"),
        (AMQP | {"amqp_topics": ("async.#",)}, "amqp_topics"),
        (AMQP | {"amqp_queue": "async.operations.all"}, "amqp_queue"),
        (AMQP | {"amqp_exchange": ""}, "amqp_exchange"),
        (AMQP | {"amqp_prefetch": 0}, "amqp_prefetch"),
        (JOURNAL | {"journal_url": "http://events.example"}, "journal_url"),
        (JOURNAL | {"journal_url": EVENTS + "?since=1"}, "journal_url"),
        (JOURNAL | {"ims_url": "ims.example"}, "ims_url"),
        (JOURNAL | {"ims_org_id": ""}, "ims_org_id"),
        (JOURNAL | {"ims_client_secret": ""}, "ims_client_secret"),
        (JOURNAL | {"event_client_id": ""}, "event_client_id"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(more, field):
    with pytest.raises(Misconfigured, match=field):
        settings(**more)


def test_settings_show_neither_the_broker_s_password_nor_the_token_service_s():
    shown = repr(settings(**AMQP, **JOURNAL))
    assert "secret-of-the" not in shown and "simulated-ims-secret" not in shown


def test_a_password_may_have_any_letters():
    assert settings(**AMQP).broker_url == "amqps://syncline:secret-of-the%3Abroker@mq.example/shop"


def test_a_stream_is_read_where_it_is_configured_and_nowhere_else():
    async def story(world: World) -> None:
        assert [stream.name for stream in opened(world)[0].source.streams] == ["orders", "items"]
        journal = [stream.name for stream in opened(world, **JOURNAL)[0].source.streams]
        assert journal == ["orders", "items", "journal"]
        with pytest.raises(Misconfigured, match="amqp_url"):
            opened(world, **AMQP)  # nobody hears a broker here
        with pytest.raises(ValueError, match="messages"):
            opened(world)[0].source.poll("messages", None)

    run(story)


# --- messages ----------------------------------------------------------------------------------------------


class Shop:
    """A shop that publishes its orders, and a system that hears them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broker = InProcessBroker("magento")
        self.publisher = world.shop.publish_orders(
            lambda topic, body, number: self.broker.publish("magento", topic, body, number), TOPIC
        )
        self.system = self.open()

    def open(self) -> System:
        given = Opening(
            "shop",
            settings(**AMQP),
            self.world.clock,
            self.world.shop.rng,
            self.world.transport,
            self.broker.inlet,
        )
        return CONNECTOR.open(given)

    async def take(self) -> list[Event]:
        """What one read tells; all of it is kept."""
        return [event for page in await pages(self.system, "messages") for event in page.events]

    def publish(self, body: Any, topic: str = TOPIC, number: str = "") -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.broker.publish("magento", topic, raw, number)


async def pages(system: System, stream: str, cursor: Cursor | None = None) -> list[Any]:
    return [page async for page in system.source.poll(stream, cursor)]


def value(system: System, event: Event) -> Any:
    (change,) = system.source.decode(LoggedEvent(1, 0, event))
    return change.value


def test_an_order_that_is_published_is_understood_without_reading_it():
    async def story(world: World) -> None:
        shop = Shop(world)
        await shop.take()
        key = world.buy(("A", 2))
        (event, *_) = await shop.take()
        order = value(shop.system, event)
        assert isinstance(order, Order)
        assert (order.key, [(line.sku, line.quantity) for line in order.lines]) == (str(key), [("A", 2)])
        assert event.occurred_at_ms == order.updated_at_ms
        assert await shop.take() == [] and shop.broker.waiting("syncline") == 0

    run(story)


def test_a_message_with_less_than_an_order_has_the_order_read():
    async def story(world: World) -> None:
        shop = Shop(world)
        await shop.take()
        shop.publish({"entity_id": 7, "updated_at": "2026-07-01 09:00:00"})
        (event,) = await shop.take()
        assert value(shop.system, event) == Notice("7")

    run(story)


def test_nothing_is_accepted_before_its_page_is_kept():
    async def story(world: World) -> None:
        shop = Shop(world)
        await shop.take()
        world.buy(("A", 1))
        read = shop.system.source.poll("messages", None)
        page = await anext(read)
        assert page.events and shop.broker.waiting("syncline") > 0, "accepted while it was in memory only"
        await read.aclose()  # the disk is full
        again = await shop.take()
        assert [event.event_id for event in again] == [event.event_id for event in page.events]
        assert shop.broker.waiting("syncline") == 0

    run(story)


def test_a_message_that_is_told_again_has_the_same_id():
    async def story(world: World) -> None:
        shop = Shop(world)
        await shop.take()
        world.buy(("A", 1))
        read = shop.system.source.poll("messages", None)
        first = [event.event_id for event in (await anext(read)).events]
        shop.broker.drop()  # after the append, before the acknowledgement
        with pytest.raises(Retryable):
            await anext(read)
        assert [event.event_id for event in await shop.take()] == first
        shop.publish({"entity_id": 7}, number="one id")
        shop.publish({"entity_id": 8}, number="one id")
        assert len({event.event_id for event in await shop.take()}) == 2, (
            "an id that was given twice hides one"
        )

    run(story)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[1, 2", b'"a text"', b'{"entity_id": "x"}', b"[" * 9_000]
)
def test_a_poison_message_is_kept_and_parked_and_the_next_one_flows(body):
    async def story(world: World) -> None:
        shop = Shop(world)
        await shop.take()
        shop.publish(body)
        world.buy(("A", 1))
        poison, *rest = await shop.take()
        with pytest.raises(Rejected):
            shop.system.source.decode(LoggedEvent(1, 0, poison))
        assert poison.body == body
        assert isinstance(value(shop.system, rest[-1]), Order)
        assert shop.broker.waiting("syncline") == 0

    run(story)


def test_a_message_that_is_too_large_is_put_aside_and_that_it_came_is_parked(monkeypatch):
    monkeypatch.setattr(messages, "BODY_BYTES_MAX", 100)

    async def story(world: World) -> None:
        shop = Shop(world)
        await shop.take()
        shop.publish(b"x" * 101)
        (event,) = await shop.take()
        with pytest.raises(Rejected, match=r"'sales\.order\.saved' has 101 bytes"):
            shop.system.source.decode(LoggedEvent(1, 0, event))
        assert shop.broker.dead("syncline") == [b"x" * 101]

    run(story)


def test_more_than_a_page_is_told_page_by_page(monkeypatch):
    monkeypatch.setattr(messages, "PAGE_MESSAGES", 3)

    async def story(world: World) -> None:
        shop = Shop(world)
        await shop.take()
        for number in range(8):
            shop.publish({"entity_id": number + 1, "updated_at": "2026-07-01 09:00:00"})
        read = await pages(shop.system, "messages")
        assert [len(page.events) for page in read] == [3, 3, 2, 0]
        assert [page.last for page in read] == [False, False, False, True]
        assert read[-1].cursor.covers_ms == 0, "an empty queue confirms nothing"

    run(story)


def test_what_arrives_is_announced_and_so_is_a_lost_connection():
    async def story(world: World) -> None:
        shop = Shop(world)
        heard: list[tuple[str, ...]] = []
        assert shop.system.listen is not None
        listening = world.clock._loop.create_task(shop.system.listen(heard.append))
        await world.clock.sleep(1)
        await shop.take()
        assert heard == []
        world.buy(("A", 1))
        assert set(heard) == {("messages",)}
        heard.clear()
        shop.broker.drop()
        assert heard == [("messages",)]
        listening.cancel()
        await world.clock.sleep(1)
        shop.broker.drop()
        assert heard == [("messages",)], "said although nobody listens"

    run(story)


def test_the_check_says_whether_the_broker_can_be_heard():
    async def story(world: World) -> None:
        shop = Shop(world)
        assert shop.system.check is not None
        assert ("messages of RabbitMQ", True, "") in await shop.system.check()
        shop.broker.down = True
        found = {what: (ok, mend) for what, ok, mend in await shop.system.check()}
        assert found["messages of RabbitMQ"] == (False, "the broker is not reached")

    run(story)


# --- the journal -------------------------------------------------------------------------------------------


class Read:
    """A system that reads the journal, page by page, as an engine does."""

    def __init__(self, world: World, **more: Any) -> None:
        self.world = world
        self.journal: Journal = world.shop.keep_journal("client", EVENT_FIELDS)
        world.transport.register(EVENTS, self.journal)
        world.transport.register(IMS, self.journal)
        self.system, self.wire = opened(world, **(JOURNAL | more))
        self.cursor: Cursor | None = None

    async def take(self) -> list[Event]:
        events: list[Event] = []
        async for page in self.system.source.poll("journal", self.cursor):
            events += page.events
            self.cursor = page.cursor
        return events

    async def rested(self) -> list[Event]:
        """The same, when the journal may be asked again and what was told has come there."""
        await self.world.clock.sleep(15)
        return await self.take()


def test_the_journal_tells_what_happens_from_now_on():
    async def story(world: World) -> None:
        world.shop.keep_journal("client")
        before = Read(world)
        world.buy(("A", 1))
        await world.clock.sleep(60)
        assert await before.take() == [], "what was before is the poll's"
        keys = [world.buy(("A", 1)), world.buy(("B", 2))]
        told = [value(before.system, event) for event in await before.rested()]
        assert {order.key for order in told} == {str(key) for key in keys}
        assert all(isinstance(order, Order) for order in told)
        assert await before.rested() == []
        assert before.cursor is not None and before.cursor.covers_ms == 0, "an empty journal confirms nothing"

    run(story)


def test_the_journal_and_the_webhook_tell_an_event_under_one_id():
    async def story(world: World) -> None:
        world.shop.register_events(HOOK, "client", EVENT_FIELDS)
        read = Read(world)
        await read.take()
        listening = world.clock._loop.create_task(world.shop.run())
        world.buy(("A", 1))
        told = {event.event_id for event in await read.rested()}
        assert told == {json.loads(body)["eventid"] for _, _, body in world.receiver.got} != set()
        listening.cancel()

    run(story)


def test_the_journal_is_read_in_batches_and_resumed_from_any():
    async def story(world: World) -> None:
        read = Read(world)
        await read.take()
        for _ in range(5):
            world.buy(("B", 1))
        await world.clock.sleep(15)
        assert read.cursor is not None
        read.cursor = Cursor("shop", "journal", read.cursor.position.replace("limit=100", "limit=2"), 0)
        polled = read.system.source.poll("journal", read.cursor)
        first = await anext(polled)
        await polled.aclose()
        assert len(first.events) == 2
        read.cursor = first.cursor
        rest = await read.take()
        ids = [event.event_id for event in (*first.events, *rest)]
        assert len(ids) == len(set(ids)) == 5

    run(story)


def test_the_journal_is_left_alone_for_as_long_as_it_says():
    async def story(world: World) -> None:
        read = Read(world)
        for _ in range(20):
            await read.take()
            await world.clock.sleep(1)
        assert read.journal.breaches == 0 and 2 <= read.journal.calls <= 4

    run(story)


def test_a_position_that_expired_is_left_for_the_oldest_that_is_there():
    async def story(world: World) -> None:
        read = Read(world)
        gone = 0

        async def between(request: Any, send: Any) -> Response:
            nonlocal gone
            answer: Response = await send(request)
            gone += answer.status == 410
            return answer

        read.wire.between = between
        await read.take()
        world.buy(("B", 1))
        await read.rested()
        world.buy(("B", 1))
        await world.clock.sleep(KEPT_MS / 1000 + 3_600)
        key = world.buy(("B", 2))
        told = [value(read.system, event).key for event in await read.rested()]
        assert set(told) == {str(key)}
        assert gone == 1

    run(story)


def test_a_token_that_ended_is_renewed_and_a_wrong_secret_is_said():
    async def story(world: World) -> None:
        read = Read(world)
        await read.take()
        read.journal.revoke()
        world.buy(("B", 1))
        assert await read.rested() != []
        wrong = Read(world, ims_client_secret="another")
        with pytest.raises(AuthExpired, match="ims_client_secret"):
            await wrong.take()
        elsewhere = Read(world, ims_org_id="another@AdobeOrg")
        with pytest.raises(AuthExpired, match="ims_org_id"):
            await elsewhere.take()
        assert elsewhere.system.check is not None
        assert [ok for what, ok, _ in await elsewhere.system.check() if what == "event journal"] == [False]

    run(story)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(429, {"retry-after": "40"}), Throttled),
        (Response(500), Retryable),
        (Response(200, {}, b"{}"), Retryable),
        (Response(200, {"link": '<https://elsewhere.example/x>; rel="next"'}, b"{}"), Retryable),
        (Response(200, {"link": f'<{PATH}?latest=true&limit=100>; rel="next"'}, b"{}"), Retryable),
        (Response(200, {"link": f'<{PATH}?since=x>; rel="next"'}, b"<html>"), Retryable),
    ],
)
def test_an_answer_that_cannot_be_followed_is_asked_for_again(answer, error):
    async def story(world: World) -> None:
        read = Read(world)

        async def between(request: Any, send: Any) -> Response:
            return answer if request.url.startswith(EVENTS) else await send(request)

        read.wire.between = between
        with pytest.raises(error):
            await read.take()
        assert read.cursor is None

    run(story)


@pytest.mark.parametrize(
    ("entry", "event_id", "entity"),
    [
        (
            {"id": "flat-1", "data": {"value": {"entity_id": 3, "updated_at": "2026-07-01 09:00:00"}}},
            "flat-1",
            "3",
        ),
        ({"data": {"value": {"entity_id": 3, "updated_at": "2026-07-01 09:00:00"}}}, "journal:p1", "3"),
        ({"something": "else"}, "journal:p1", None),
    ],
)
def test_an_entry_without_an_envelope_is_understood_or_parked(entry, event_id, entity):
    async def story(world: World) -> None:
        read = Read(world)
        body = json.dumps({"events": [{"position": "p1", "event": entry}]}).encode()
        left = [Response(200, {"link": f'<{PATH}?since=p1>; rel="next"'}, body), Response(204)]

        async def between(request: Any, send: Any) -> Response:
            return left.pop(0) if request.url.startswith(EVENTS) else await send(request)

        read.wire.between = between
        (event,) = await read.take()
        assert event.event_id == event_id
        assert read.cursor is not None
        assert parse_qs(urlsplit(read.cursor.position).query) == {"since": ["p1"]}
        if entity is None:
            with pytest.raises(Rejected):
                read.system.source.decode(LoggedEvent(1, 0, event))
        else:
            assert value(read.system, event) == Notice(entity)

    run(story)


# --- the webhook's address ---------------------------------------------------------------------------------


def test_an_address_proves_itself_by_giving_the_challenge_back():
    async def story(world: World) -> None:
        system, _ = opened(world, event_client_id="client")
        hooks = HooksApp()
        ingress = Ingress(None, world.clock, {"shop": system}, lambda logged: None)
        hooks.engine = SimpleNamespace(ingress=ingress)
        world.transport.register("https://syncline.example", hooks)
        assert await world.shop.events.challenge("https://syncline.example/hooks/shop")
        assert not await world.shop.events.challenge(HOOK), "any answer will do"

    run(story)


def test_no_events_are_promised_where_they_are_read_from_the_journal():
    async def story(world: World) -> None:
        told = [
            opened(world, **more)[0].capabilities.webhooks
            for more in (JOURNAL, {"event_client_id": "client"}, {})
        ]
        assert told == [False, True, False]

    run(story)


# --- what a checkout asks ----------------------------------------------------------------------------------


def test_a_variant_in_an_order_that_is_not_saved_yet_counts_once():
    async def story(world: World) -> None:
        key = make_keys()[0]
        gate = AdobeCommerceGate("shop", settings(webhook_public_keys=(public_pem(key),)))
        world.shop.add_product("SHIRT", "Shirt", Decimal(0), {}, kind="configurable")
        world.shop.hook = Hook(f"{HOOK}/check", required=False, signing_key=key)
        cart = [CartLine("A", 2, configurable="SHIRT"), CartLine("A", 1), CartLine("B", 3)]
        await world.shop.place(cart)
        ((at_ms, headers, body),) = world.receiver.got
        asked = gate.read(WebhookRequest(headers, body, at_ms))
        assert [(line.sku, line.quantity, line.place) for line in asked.lines] == [
            ("A", 2, "order/items/0"),
            ("A", 1, "order/items/2"),
            ("B", 3, "order/items/3"),
        ]

    run(story)
