"""Business events of Business Central: subscribed by name, believed for their secret alone, and read about at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.connectors.business_central_opened import HOOK, SECRET, World, placed_order, run

from syncline.model.change import LoggedEvent
from syncline.model.copying import replace
from syncline.model.errors import Forged, Misconfigured, Rejected, Retryable
from syncline.ports import WebhookRequest

EVENTS = {"Sales shipment posted": "shipments", "salesinvoiceposted": "payments"}


def post(world: World, **changed: Any) -> WebhookRequest:
    body = {
        "initiatingUserAADObjectId": "00000000-0000-0000-0000-000000000001",
        "timestamp": "2026-01-05T09:40:00.1230000Z",
        "companyName": "any",
        "companyId": world.sim.company_id,
        "eventName": "SalesShipmentPosted",
        "payload": {"id": "x"},
        "appId": "y",
        "clientState": SECRET,
        **changed,
    }
    return WebhookRequest({}, json.dumps(body).encode(), world.clock.now_ms())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"business_events": {"Sales shipment posted": "parcels"}}, "one of the streams"),
        ({"business_events": {" ": "orders"}}, "one of the streams"),
        ({"business_events": EVENTS, "webhook_secrets": ()}, "webhook_secrets"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(more, words):
    async def story(world: World) -> None:
        with pytest.raises(Misconfigured, match=f"business_events.*{words}"):
            replace(world.settings, **more).validate()

    run(story)


def test_what_is_configured_is_subscribed_to_once():
    async def story(world: World) -> None:
        assert world.system.prepare is not None
        done = await world.system.prepare(HOOK)
        assert [said for said in done if "business event" in said] == [
            "subscribed to the business event SalesInvoicePosted",
            "subscribed to the business event SalesShipmentPosted",
        ]
        held = [dict(one) for one in world.sim.business_events.listed()]
        assert {one["notificationUrl"] for one in held} == {HOOK}
        assert {one["clientState"] for one in held} == {SECRET}
        assert await world.system.prepare(HOOK) == []
        assert len(world.sim.business_events.listed()) == 2
        elsewhere = await world.system.prepare("https://other.example/hooks/erp/token")
        assert len([said for said in elsewhere if "business event" in said]) == 2

    run(story, business_events=EVENTS)


def test_none_are_subscribed_to_where_none_are_configured():
    async def story(world: World) -> None:
        assert world.system.prepare is not None
        await world.system.prepare(HOOK)
        assert world.sent("GET", "externalbusinesseventdefinitions") == 0
        assert world.sim.business_events.listed() == []

    run(story)


def test_an_event_that_the_company_does_not_have_is_said_with_those_that_it_has():
    async def story(world: World) -> None:
        assert world.system.prepare is not None
        with pytest.raises(Retryable, match=r"no event Moon is full; it has salesinvoiceposted, salesship"):
            await world.system.prepare(HOOK)
        assert world.sim.webhooks.subscriptions, "the others are made all the same"

    run(story, business_events={"Moon is full": "orders"})


def test_an_event_has_its_stream_read_and_states_nothing_itself():
    async def story(world: World) -> None:
        verified = world.system.source.verify(post(world))
        assert verified.reads == ("shipments",)
        assert world.system.source.decode(LoggedEvent(1, 0, verified.event)) == []
        assert world.system.source.verify(post(world)).event.event_id == verified.event.event_id
        later = world.system.source.verify(post(world, timestamp="2026-01-05T09:40:00.1240000Z"))
        assert later.event.event_id != verified.event.event_id
        assert world.system.source.verify(post(world, eventName="SALESINVOICEPOSTED")).reads == ("payments",)
        assert world.system.source.verify(post(world, eventName="customerblocked")).reads == ()
        other = "88888888-2222-4333-8444-555555555555"
        assert world.system.source.verify(post(world, companyId=other)).reads == ()

    run(story, business_events=EVENTS)


@pytest.mark.parametrize("state", ["", "another-secret-of-24-bytes", SECRET[:-1], "ä" * 24])
def test_an_event_without_our_secret_is_a_forgery(state):
    async def story(world: World) -> None:
        with pytest.raises(Forged):
            world.system.source.verify(post(world, clientState=state))

    run(story, business_events=EVENTS)


def test_whatever_the_bytes_are_they_are_refused_and_nothing_else():
    async def story(world: World) -> None:
        body = post(world).body
        refused = 0
        for end in range(len(body)):
            with pytest.raises(Rejected):
                world.system.source.verify(WebhookRequest({}, body[:end], 0))
            refused += 1
        for deep in (b'{"eventName":' + b"[" * 90_000, b'{"eventName": 1, "companyId": 2}', b'"eventName":'):
            with pytest.raises(Rejected):
                world.system.source.verify(WebhookRequest({}, deep, 0))
        assert refused == len(body)

    run(story, business_events=EVENTS)


def test_a_parcel_and_its_invoice_are_told_before_notifications_are():
    async def story(world: World) -> None:
        vendor = world.clock._loop.create_task(world.sim.run())
        assert world.system.prepare is not None
        await world.system.prepare(HOOK)
        number, _ = await placed_order(world)
        (parcel, _) = world.sim.ship(number)
        world.sim.invoice(number)
        await world.clock.sleep(5)
        told = [world.system.source.verify(one).reads for one in world.around.mailbox.posts]
        assert told == [("shipments",), ("shipments",), ("payments",)]
        assert world.sim.webhooks.sent == 0
        posted = json.loads(world.around.mailbox.posts[0].body)
        shipment = world.sim.company.find("salesShipments", "number", parcel)
        assert shipment is not None
        assert posted["payload"] == {"SalesShipmentId": shipment.id}
        assert world.sim.business_events.sent == len(told)
        vendor.cancel()
        await asyncio.gather(vendor, return_exceptions=True)

    run(story, business_events=EVENTS)
