"""What a broker as a way in has to do, shown of a real RabbitMQ and of the broker in which simulations are played."""

from __future__ import annotations

import asyncio
import itertools
from random import Random

import pytest
from tests.conformance.broker_stage import InProcessStage, RabbitStage
from tests.conformance.rabbitmq_server import NoBrokerError, RabbitServer

from syncline.connectors.adobe_commerce import CONNECTOR, AdobeCommerceSettings
from syncline.engine.capture.poller import Poller
from syncline.model.change import Flow
from syncline.model.errors import AuthExpired, Retryable
from syncline.ports import Opening, PollStream
from syncline.runtime.clock import SystemClock
from syncline.simulate.broker import matches
from syncline.simulate.severable import SeverableStore, Switch
from syncline.simulate.transport import AsgiTransport
from syncline.stores.sqlite import SqliteStore

_names = itertools.count(1)


@pytest.fixture(scope="module")
def rabbitmq():
    """One node for all tests of this file."""
    pytest.importorskip("aio_pika", reason="the rabbitmq extra is not installed")
    try:
        server = RabbitServer()
    except NoBrokerError as error:
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture
async def rabbit(rabbitmq):
    stage = RabbitStage(rabbitmq.url, f"t{next(_names)}")
    await stage.start()
    yield stage
    await stage.close()


@pytest.fixture(params=["in process", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
async def stage(request):
    if request.param == "in process":
        made = InProcessStage()
    else:
        made = RabbitStage(request.getfixturevalue("rabbitmq").url, f"t{next(_names)}")
        await made.start()
    yield made
    await made.close()


@pytest.mark.slow
async def test_a_message_comes_as_it_was_published(stage):
    heard = stage.hear()
    await heard.open()
    await stage.publish("sales.order.saved", b'{"entity_id": 1}', "id-1")
    (message,) = await heard.take(1)
    assert message.topic.endswith("sales.order.saved")
    assert (message.body, message.message_id, message.redelivered) == (b'{"entity_id": 1}', "id-1", False)


async def test_what_was_accepted_is_not_told_again_and_what_was_not_is(stage):
    heard = stage.hear()
    await heard.open()
    for name in ("a", "b", "c"):
        await stage.publish("sales.order.saved", name.encode(), name)
    first, *_ = await heard.take(3)
    await heard.inlet.accept([first])
    await heard.inlet.close()
    await heard.open()
    again = await heard.take(2)
    assert {message.body for message in again} == {b"b", b"c"}
    assert all(message.redelivered for message in again)


async def test_a_lost_connection_is_said_and_nothing_taken_can_be_accepted_any_more(stage):
    heard = stage.hear()
    await heard.open()
    await stage.publish("sales.order.saved", b"a")
    taken = await heard.take(1)
    await heard.lost(stage.cut())
    with pytest.raises(Retryable, match="told again"):
        await heard.inlet.accept(taken)
    await heard.open()
    (again,) = await heard.take(1)
    assert again.body == b"a" and again.redelivered
    await heard.inlet.accept([again])


async def test_only_the_topics_of_a_feed_are_heard(stage):
    heard = stage.hear(topics=("sales.order.*", "stock.#"))
    await heard.open()
    for topic in (
        "sales.invoice.saved",
        "sales.order.saved.twice",
        "sales.order.saved",
        "stock",
        "stock.a.b",
    ):
        await stage.publish(topic, topic.encode())
    await stage.publish("sales.order.last", b"last")
    found = [message.body for message in await heard.take(4)]
    assert found == [b"sales.order.saved", b"stock", b"stock.a.b", b"last"]


async def test_no_more_is_here_unsettled_than_the_prefetch(stage):
    heard = stage.hear(prefetch=2)
    await heard.open()
    for number in range(7):
        await stage.publish("sales.order.saved", b"%d" % number)
    found = []
    while len(found) < 6:
        pair = await heard.take(2)
        assert heard.inlet.take(10) == [], "a third came while two were not settled"
        await heard.inlet.accept(pair)
        found += [message.body for message in pair]
    assert found == [b"%d" % number for number in range(6)]


async def test_what_is_given_back_is_taken_again_in_its_order(stage):
    heard = stage.hear()
    await heard.open()
    for number in range(4):
        await stage.publish("sales.order.saved", b"%d" % number)
    taken = await heard.take(4)
    await heard.inlet.accept(taken[1:2])
    heard.inlet.give_back()
    assert [message.body for message in heard.inlet.take(10)] == [b"0", b"2", b"3"]


async def test_what_is_refused_is_put_aside(stage):
    heard = stage.hear()
    await heard.open()
    await stage.publish("sales.order.saved", b"poison")
    await stage.publish("sales.order.saved", b"good")
    poison, good = await heard.take(2)
    await heard.inlet.refuse([poison])
    await heard.inlet.accept([good])
    assert await stage.dead("syncline", 1) == [b"poison"]


async def test_a_message_that_breaks_every_connection_is_put_aside_in_the_end(stage):
    heard = stage.hear(deliveries_max=2)
    await heard.open()
    await stage.publish("sales.order.saved", b"poison")
    for _ in range(3):
        await heard.take(1)
        await heard.lost(stage.cut())
        await heard.open()
    await stage.publish("sales.order.saved", b"good")
    assert [message.body for message in await heard.take(1)] == [b"good"]
    assert await stage.dead("syncline", 1) == [b"poison"]


async def test_what_is_published_while_nobody_listens_is_kept(stage):
    heard = stage.hear()
    await heard.open()
    await heard.inlet.close()
    await stage.publish("sales.order.saved", b"kept")
    await heard.open()
    assert [message.body for message in await heard.take(1)] == [b"kept"]


async def test_a_broker_that_is_down_is_tried_again(stage):
    heard = stage.hear()
    await heard.open()
    await stage.publish("sales.order.saved", b"a")
    await heard.take(1)
    await heard.lost(stage.down())
    with pytest.raises(Retryable, match="not reached"):
        await heard.open()
    await stage.up()
    await heard.open()
    assert [message.body for message in await heard.take(1)] == [b"a"]


async def test_an_exchange_that_is_not_there_is_said_and_never_made(stage):
    heard = stage.hear(exchange="other")
    for _ in range(2):
        with pytest.raises(Retryable, match="no exchange 'other"):
            await heard.open()
    await stage.add_exchange("other")
    await heard.open()


@pytest.mark.rabbitmq
async def test_a_wrong_password_is_an_expired_credential_and_is_not_quoted(rabbit, rabbitmq):
    heard = rabbit.hear(url=f"amqp://guest:wrong-secret@127.0.0.1:{rabbitmq.port}/")
    with pytest.raises(AuthExpired, match="refuses the user") as caught:
        await heard.open()
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.rabbitmq
async def test_a_queue_of_another_kind_is_left_alone(rabbit):
    await rabbit.add_queue("syncline")
    heard = rabbit.hear()
    with pytest.raises(Retryable, match="of another kind"):
        await heard.open()


class CuttingStore(SeverableStore):
    """A store after whose first writes the connection to the broker breaks, before anything can be acknowledged."""

    def __init__(self, inner, stage):
        super().__init__(inner, Switch())
        self._stage = stage
        self.cuts = 0

    async def append(self, events, *, received_at_ms, cursor=None):
        offsets = await super().append(events, received_at_ms=received_at_ms, cursor=cursor)
        if events and self.cuts < 3:
            self.cuts += 1
            await self._stage.cut()
        return offsets


async def test_every_message_is_in_the_log_once_though_connections_break(stage):
    heard = stage.hear(prefetch=7)
    settings = AdobeCommerceSettings(
        base_url="https://shop.example.com",
        auth="bearer",
        access_token="x",
        amqp_url="amqps://mq.example.com",
        amqp_user="syncline",
        amqp_password="x",
        amqp_topics=("sales.order.saved",),
    )
    clock = SystemClock()
    system = CONNECTOR.open(
        Opening("shop", settings, clock, Random(1), AsgiTransport({}), lambda feed: heard.inlet)
    )
    inner = SqliteStore.open(":memory:", now_ms=clock.now_ms())
    store = CuttingStore(inner, stage)
    called = asyncio.Event()
    listening = asyncio.ensure_future(system.listen(lambda streams: called.set()))
    poller = Poller(
        system=system,
        stream=PollStream("messages", (Flow.ORDERS,), arrives=True),
        interval_ms=1_000,
        store=store,
        clock=clock,
        rng=Random(1),
        on_stored=lambda: None,
        applied=None,
    )
    await poller.read_once()
    for number in range(1, 41):
        body = f'{{"entity_id": {number}, "updated_at": "2026-11-02 10:00:00"}}'.encode()
        await stage.publish("sales.order.saved", body, f"id-{number}")
    kept = []
    while len(kept) < 40:
        try:
            await poller.read_once()
        except Retryable:
            continue  # the connection was cut: what was not acknowledged comes again
        kept = await inner.events(0, 100)
        if len(kept) < 40:
            await called.wait()
            called.clear()
    assert store.cuts == 3
    told = [system.source.decode(logged)[0].key for logged in kept]
    assert sorted(map(int, told)) == list(range(1, 41))
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await inner.close()


@pytest.mark.parametrize(
    ("key", "topic", "covered"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("#", "", True),
        ("a.#", "a", True),
        ("a.#.z", "a.b.c.z", True),
        ("a.#.z", "a.b.c", False),
    ],
)
def test_binding_keys(key, topic, covered):
    assert matches(key, topic) is covered
