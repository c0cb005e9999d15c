"""What the Business Central connector reads: levels, orders, shipments, items, and what notifications announce."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.connectors.business_central_opened import HOOK, SECRET, World, run

from syncline.connectors.business_central import reads
from syncline.model.copying import replace
from syncline.model.errors import Forged, Misconfigured, Rejected, Retryable
from syncline.ports import Request, Response, WebhookRequest
from syncline.testing.bench import Send

# --- levels ---------------------------------------------------------------------------------------------


def test_a_level_states_what_is_there_and_what_orders_will_take():
    async def story(world: World) -> None:
        world.sim.sell([("A", "MAIN", 3)])
        levels = {(x.value.sku, x.value.location): x.value for x in await world.read("levels")}
        level = levels["A", "MAIN"]
        assert (level.on_hand, level.committed, level.available) == (20, 3, 17)
        assert level.erp_stamp_ms >= level.read_began_ms

    run(story)


def test_each_location_states_its_own_figure_below_zero_too():
    async def story(world: World) -> None:
        world.sim.withdraw("A", "NORTH", 4)  # counted wrong, or shipped before it was received
        world.sim.sell([("A", "NORTH", 1), ("A", "MAIN", 25)])
        levels = {x.value.location: x.value for x in await world.read("levels") if x.value.sku == "A"}
        assert [(x.on_hand, x.available) for x in (levels["MAIN"], levels["NORTH"])] == [(20, -5), (-4, -5)]

    run(story)


def test_goods_that_an_order_brings_back_are_not_there_before_they_are():
    """An exchange: two are sent, and one is to come back on the same order."""

    async def story(world: World) -> None:
        made = world.sim.sell([("A", "MAIN", 2), ("A", "MAIN", -1)], externalDocumentNumber="shop-1001")
        (level,) = [x.value for x in await world.read("levels") if x.value.sku == "A"]
        assert (level.on_hand, level.available) == (20, 18)
        (order,) = [x.value for x in await world.read("orders")]
        assert [(x.sku, x.quantity) for x in order.lines] == [("A", 2)]
        world.sim.delete_order(made)
        assert world.sim.available("A", "MAIN") == 20

    run(story)


def test_only_levels_that_changed_are_read_again_and_orders_change_them_too():
    async def story(world: World) -> None:
        _, cursor = await world.pull("levels")
        assert await world.read("levels", cursor) == []
        made = world.sim.sell([("B", "NORTH", 2)])
        assert [x.value.sku for x in await world.read("levels", cursor)] == ["B"]
        _, cursor = await world.pull("levels", cursor)
        world.sim.ship(made)
        (change,) = await world.read("levels", cursor)
        assert (change.value.on_hand, change.value.available) == (5, 5)

    run(story)


def test_a_variant_is_a_sku_of_its_own():
    async def story(world: World) -> None:
        world.sim.add_variant("A", "RED")
        world.sim.receive("A", "MAIN", 4, variant="RED")
        skus = {x.value.sku: x.value.on_hand for x in await world.read("levels")}
        assert skus["A/RED"] == 4
        assert {x.value.sku for x in await world.read("items")} == {"A/RED", "B"}
        assert {x.value.sku for x in await world.read("stock")} == {"A", "A/RED", "B"}

    run(story)


def test_without_the_extension_reading_says_what_is_missing():
    async def story(world: World) -> None:
        with pytest.raises(Retryable, match="is it installed"):
            await world.pull("levels")
        found = {what: (ok, mend) for what, ok, mend in await world.system.check()}
        assert not found["extension"][0]
        assert "Install our extension" in found["stock levels readable"][1]

    run(story, sim={"extension": False})


# --- orders ---------------------------------------------------------------------------------------------


def test_an_order_tells_all_its_units_by_location_and_only_if_it_carries_a_number():
    async def story(world: World) -> None:
        world.sim.sell([("A", "MAIN", 1)])
        payer = world.sim.add_customer("C1", "One")
        lines = [("A", "MAIN", 3), ("B", "NORTH", 2)]
        made = world.sim.sell(lines, externalDocumentNumber="shop-7", customerNumber="C1")
        world.sim.ship(made, lines={10_000: 2})
        (change,) = await world.read("orders")
        assert change.value.account == payer
        assert (change.key, change.value.external_id, change.value.commits_stock) == ("SHOP-7", made, True)
        units = {(x.sku, x.location): x.quantity for x in change.value.lines}
        assert units == {("A", "MAIN"): 3, ("B", "NORTH"): 2}
        assert change.value.erp_stamp_ms >= change.version

    run(story)


def test_an_order_is_told_once_and_again_when_it_changes():
    async def story(world: World) -> None:
        made = world.sim.sell([("A", "MAIN", 3)], externalDocumentNumber="shop-7")
        events, cursor = await world.pull("orders")
        await world.clock.sleep(60)
        again, cursor = await world.pull("orders", cursor)
        assert (len(events), again) == (1, [])  # within the overlap, and known
        world.system = world.open()  # a process that remembers nothing
        restarted, _ = await world.pull("orders", cursor)
        assert [x.event_id for x in restarted] == [x.event_id for x in events]
        world.sim.change_line(made, 10_000, quantity=5)
        (change,) = await world.read("orders", cursor)
        assert change.value.lines[0].quantity == 5

    run(story)


def test_orders_are_read_page_by_page_and_a_read_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr("syncline.connectors.business_central.client.PAGE", 3)

    async def story(world: World) -> None:
        for n in range(8):
            world.sim.sell([("A", "MAIN", 1)], externalDocumentNumber=f"shop-{n}")
        pages = [page async for page in world.system.source.poll("orders", None)]
        assert [len(page.events) for page in pages] == [3, 3, 2]
        world.system = world.open()
        rest = await world.read("orders", pages[0].cursor)
        first = {x.key for x in world.changes(list(pages[0].events))}
        assert {x.key for x in rest} == {f"SHOP-{n}" for n in range(8)} - first
        # An address of a page that the product takes no more costs a read from the mark, not the stream.
        place = json.loads(pages[0].cursor.position)
        place["follow"] = place["follow"].partition("skiptoken=")[0] + "skiptoken=gone"
        world.system = world.open()
        whole = await world.read("orders", replace(pages[0].cursor, position=json.dumps(place)))
        assert len(whole) == 8

    run(story)


def test_a_next_page_elsewhere_never_gets_our_token():
    async def story(world: World) -> None:
        async def elsewhere(request: Request, send: Send) -> Response:
            answer = await send(request)
            if "/salesOrders" not in request.url:
                return answer
            body = {**json.loads(answer.body), "@odata.nextLink": "https://evil.example/v2.0/x"}
            return replace(answer, body=json.dumps(body).encode())

        world.around.wire.between = elsewhere
        with pytest.raises(Retryable, match="another address"):
            await world.pull("orders")
        assert not world.sent("GET", "evil.example")

    run(story)


def test_an_order_that_cannot_be_understood_is_parked_alone():
    async def story(world: World) -> None:
        for n in range(2):
            world.sim.sell([("A", "MAIN", 1)], externalDocumentNumber=f"shop-{n}")

        async def spoiled(request: Request, send: Send) -> Response:
            answer = await send(request)
            body = answer.body.replace(b'"quantity":1', b'"quantity":"one"', 1)
            return replace(answer, body=body) if "/salesOrders" in request.url else answer

        world.around.wire.between = spoiled
        events, _ = await world.pull("orders")
        parked, told = 0, []
        for event in events:
            try:
                told += world.changes([event])
            except Rejected:
                parked += 1
        assert (parked, len(told)) == (1, 1)

    run(story)


# --- shipments and items --------------------------------------------------------------------------------


def test_a_shipment_tells_its_goods_and_its_number_when_somebody_writes_it_down():
    async def story(world: World) -> None:
        world.sim.ship(world.sim.sell([("A", "MAIN", 1)]))  # no channel's
        made = world.sim.sell([("A", "MAIN", 3), ("B", "NORTH", 2)], externalDocumentNumber="shop-7")
        numbers = world.sim.ship(made, tracking="T-1", agent="DHL")
        assert len(numbers) == 2
        events, cursor = await world.pull("shipments")
        changes = {x.key: x.value for x in world.changes(events)}
        assert set(changes) == set(numbers)
        first = changes[numbers[0]]
        assert (first.order_key, first.tracking, first.carrier) == ("SHOP-7", ("T-1",), "DHL")
        assert [(x.sku, x.location, x.quantity) for x in first.lines] == [("A", "MAIN", Decimal(3))]
        world.sim.invoice(made)  # the order is deleted; its shipments stay
        assert (await world.pull("shipments", cursor))[0] == []
        world.sim.set_tracking(numbers[1], "T-2")
        (change,) = await world.read("shipments", cursor)
        assert change.value.tracking == ("T-2",)
        assert change.version > 0

    run(story)


def test_items_are_told_once_and_those_that_are_blocked_not_at_all():
    async def story(world: World) -> None:
        world.sim.edit_item("B", blocked=True)
        events, cursor = await world.pull("items")
        assert [x.value.sku for x in world.changes(events)] == ["A"]
        pages = [page async for page in world.system.source.poll("items", cursor)]
        assert [page.events for page in pages] == [()]
        assert [key for _, key in pages[0].present] == ["A"]

    run(story)


def test_reads_that_never_end_do(monkeypatch):
    monkeypatch.setattr(reads, "PAGES_MAX", 2)
    monkeypatch.setattr("syncline.connectors.business_central.gone.PAGES_MAX", 2)
    for module in ("prices", "money", "customers", "credit", "products"):
        monkeypatch.setattr(f"syncline.connectors.business_central.{module}.PAGES_MAX", 2)
    monkeypatch.setattr(reads, "PAGE", 1)
    monkeypatch.setattr("syncline.connectors.business_central.client.PAGE", 1)

    async def story(world: World) -> None:
        for n in range(4):
            world.sim.sell([("A", "MAIN", 1)], externalDocumentNumber=f"shop-{n}")
            sold = world.sim.sell([("A", "MAIN", 1)], externalDocumentNumber=f"web-{n}")
            world.sim.ship(sold)
            world.sim.credit(world.sim.invoice(sold), {"A": 1})
            world.sim.add_item(f"N{n}", "x", "1")
            world.sim.receive(f"N{n}", "MAIN", 1)
            world.sim.add_customer(f"C{n}", "x")
        for stream in world.system.source.streams:
            with pytest.raises(Retryable, match="more than 2 pages"):
                await world.pull(stream.name)

    run(story)


# --- notifications --------------------------------------------------------------------------------------


def note(world: World, *entries: dict[str, Any]) -> WebhookRequest:
    base = {"subscriptionId": "1", "clientState": SECRET, "changeType": "updated", "resource": "x"}
    body = json.dumps({"value": [{**base, **entry} for entry in entries]}).encode()
    return WebhookRequest({}, body, world.clock.now_ms())


def resource(world: World, entity: str, api: str = "v2.0", company: str = "") -> dict[str, str]:
    return {"resource": f"api/{api}/companies({company or world.sim.company_id})/{entity}"}


def test_a_notification_names_the_streams_to_read():
    async def story(world: World) -> None:
        ours = "syncline/connect/v1.0"
        verify = world.system.source.verify
        both = note(world, resource(world, "salesOrders(1)"), resource(world, "stockLevels(2)", ours))
        assert verify(both).reads == ("orders", "levels")
        slash = note(world, {"resource": "/" + resource(world, "shipments", ours)["resource"]})
        assert verify(slash).reads == ("shipments",)
        many = "stockLevels?$filter=lastModifiedDateTime%20gt%202026-01-01T00:00:00Z"
        assert verify(note(world, resource(world, many, ours))).reads == ("levels",)
        other = note(world, resource(world, "salesOrders(1)", company=world.ids["A"]))
        assert verify(other).reads == ()
        assert verify(note(world, resource(world, "items(1)"))).reads == ()

    run(story)


def test_one_entry_without_our_secret_spoils_the_whole():
    async def story(world: World) -> None:
        good = resource(world, "salesOrders(1)")
        for wrong in ("", "x", SECRET[:-1], SECRET + "x", "é"):
            with pytest.raises(Forged):
                world.system.source.verify(note(world, good, {**good, "clientState": wrong}))
        with pytest.raises(Rejected):
            world.system.source.verify(note(world))

    run(story)


def test_three_subscriptions_are_made_and_looked_after():
    async def story(world: World) -> None:
        assert world.system.prepare is not None
        done = await world.system.prepare(HOOK)
        assert len(done) == 3
        assert await world.system.prepare(HOOK) == []
        held = world.sim.webhooks.subscriptions
        assert {x.entity for x in held.values()} == {"salesOrders", "stockLevels", "shipments"}
        assert {x.client_state for x in held.values()} == {SECRET}
        world.sim.webhooks.delete(next(iter(held.values())))
        assert len(await world.system.prepare(HOOK)) == 1

    run(story)


def test_subscriptions_are_renewed_before_they_end():
    async def story(world: World) -> None:
        assert world.system.prepare is not None
        await world.system.prepare(HOOK)
        first = set(world.sim.webhooks.subscriptions)
        for _ in range(10):  # days
            await world.clock.sleep(24 * 3600)
            assert await world.system.prepare(HOOK) == []
        assert set(world.sim.webhooks.alive()) == first

    run(story)


def test_a_new_secret_is_told_at_once_and_the_old_one_still_taken():
    async def story(world: World) -> None:
        assert world.system.prepare is not None
        await world.system.prepare(HOOK)
        world.settings = replace(world.settings, webhook_secrets=("another-secret-of-24-bytes", SECRET))
        world.system = world.open()
        assert world.system.prepare is not None
        await world.system.prepare(HOOK)
        states = {x.client_state for x in world.sim.webhooks.subscriptions.values()}
        assert states == {"another-secret-of-24-bytes"}
        assert world.system.source.verify(note(world, resource(world, "salesOrders(1)"))).reads

    run(story)


def test_two_subscriptions_of_one_resource_become_one():
    async def story(world: World) -> None:
        assert world.system.prepare is not None
        await world.system.prepare(HOOK)
        (orders,) = [x for x in world.sim.webhooks.subscriptions.values() if x.entity == "salesOrders"]
        body = {"notificationUrl": HOOK, "resource": orders.resource, "clientState": SECRET}
        await world.sim.webhooks.create(body, "v2.0")
        await world.system.prepare(HOOK)
        assert len(world.sim.webhooks.subscriptions) == 3

    run(story)


def test_without_a_secret_nothing_is_subscribed_or_believed():
    async def story(world: World) -> None:
        assert world.system.prepare is None
        with pytest.raises(Forged):
            world.system.source.verify(note(world, {**resource(world, "salesOrders(1)"), "clientState": ""}))

    run(story, webhook_secrets=())


# --- settings and checks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tenant": ""}, "tenant is empty"),
        ({"company_id": "Main"}, "must be a GUID"),
        ({"environment": "a/b"}, "environment may have"),
        ({"base_url": "http://bc.example"}, "base_url must be https"),
        ({"login_url": "ftp://x"}, "login_url must be https"),
        ({"webhook_secrets": ("short",)}, "24 random bytes"),
        ({"slots": 0}, "slots must be"),
        ({"poll_overlap_s": -1}, "must not be negative"),
        ({"tax": "none"}, '"keep" or "erp"'),
        ({"tax": "keep"}, "tax_account and zero_tax_code"),
        ({"create_customers": False, "web_customer": ""}, "web_customer is needed"),
    ],
)
def test_settings_that_cannot_work_name_the_field(changed, words):
    async def story(world: World) -> None:
        raise AssertionError("it opened")

    with pytest.raises(Misconfigured, match=words):
        run(story, **changed)


def test_a_company_that_is_set_up_passes_every_check():
    async def story(world: World) -> None:
        assert [what for what, ok, _ in await world.system.check() if not ok] == []

    run(story)


def test_a_check_says_how_to_mend_what_is_missing():
    async def story(world: World) -> None:
        found = {what: mend for what, ok, mend in await world.system.check() if not ok}
        assert "no customer NOBODY" in found["web customer"]
        assert "no customer payment journal NONE" in found["payment journal"]
        assert "no G/L account 1" in found["accounts"]
        assert "webhook_secrets" in found["webhook secret"]

    run(story, web_customer="nobody", payment_journal="none", shipping_account="1", webhook_secrets=())


def test_a_company_that_is_not_there_is_said_once_with_those_that_are_and_what_waits_for_it():
    wrong = "66666666-2222-4333-8444-555555555555"

    async def story(world: World) -> None:
        found = [one for one in await world.system.check() if not one[1]]
        ((what, _, mend),) = found
        assert what == "company" and f'The company "{wrong}" does not exist.' in mend
        assert f"There are Main ({world.sim.company_id})." in mend
        for name in ("locations readable", "stock levels readable", "currency", "web customer", "accounts"):
            assert name in mend

    run(story, company_id=wrong)


@pytest.mark.parametrize(("declared", "ok"), [("GBP", True), ("", True), ("EUR", False), ("gbp", False)])
def test_the_currency_that_is_declared_is_compared_with_the_companys_own(declared, ok):
    async def story(world: World) -> None:
        found = {what: (ok, mend) for what, ok, mend in await world.system.check()}
        said = f"The company's own is GBP, and business_central.currency says {declared}: correct it."
        assert found["currency"] == (ok, "" if ok else said)

    run(story, currency=declared)


def test_a_refused_secret_is_said_without_being_shown():
    async def story(world: World) -> None:
        (what, ok, mend), *_ = await world.system.check()
        assert (what, ok) == ("token", False)
        assert "AADSTS7000215" in mend
        assert "not-the-secret" not in mend

    run(story, client_secret="not-the-secret")
