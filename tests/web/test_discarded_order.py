"""An order that a person discards takes along what waits for it, and a replay brings it back."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from tests.web.support import MINUTE, Client, make_site, order, park_order, record
from typer.testing import CliRunner

from syncline.cli import app, operate
from syncline.engine.delivery.discarded import WHY
from syncline.engine.inquiry import search
from syncline.engine.operations import NotPossible
from syncline.engine.status import status
from syncline.model.change import Kind
from syncline.model.records import Payment
from syncline.ports import Write

KEY = "551043"
FIRST = f"{KEY}\x1f1"
PAYMENT = f"{KEY}\x1fp1"
AT = {"system": "erp", "route": "orders:shop->erp"}


@pytest.fixture
async def site():
    return await make_site()


@pytest.fixture
def operator(site):
    return Client(site.app, site.tokens["operator"])


@pytest.fixture
async def number(site) -> int:
    """An order that the ERP refused, whose payment has waited for it since."""
    now_ms = site.clock.now_ms()
    paid = Payment("p1", Decimal("42.90"), "EUR", now_ms)
    placed = order(1043, now_ms, payments=(paid,))
    row = record("shop", Kind.ORDER, KEY, placed, now_ms)
    await site.store.write(Write("record_put", [row]))
    entry = await park_order(site.engine, FIRST)
    await due(site, "put_payment", PAYMENT)
    return entry


async def due(site, operation, key):
    at_ms = site.clock.now_ms()
    row = {**AT, "operation": operation, "key": key, "changed_at_ms": at_ms, "deliver_by_ms": at_ms + 10_000}
    await site.store.write(Write("delivery_fact", [{**row, "not_before_ms": at_ms, "now_ms": at_ms}]))


async def tried(site, operation, key) -> tuple[str, str]:
    """State and reason of a delivery once the lane has tried it."""
    lane = site.engine.lanes["erp"]
    await lane._lease.take()
    await lane._slots.acquire()
    await lane._deliver(operation, [key])
    return await state(site, operation, key)


async def state(site, operation, key) -> tuple[str, str]:
    rows = await site.store.read("deliveries_get", system="erp", operation=operation, keys=[key])
    return rows[0][2], rows[0][8]


async def bind(site, external_id):
    row = {"system": "erp", "kind": "order", "key": "shop-551043", "external_id": external_id}
    await site.store.write(Write("binding_put", [{**row, "version": 1, "hash": "x", "now_ms": 1}]))


async def test_a_payment_looks_for_its_order_less_and_less_often(site, number):
    """Its order may wait for a person for days, and each look is written to the store."""
    pauses = []
    for _ in range(7):
        assert await tried(site, "put_payment", PAYMENT) == ("retryable", "the order is not in the ERP yet")
        rows = await site.store.read("deliveries_get", system="erp", operation="put_payment", keys=[PAYMENT])
        pauses.append(rows[0][6] - site.clock.now_ms())
    assert pauses == [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]


async def test_the_payment_of_a_discarded_order_waits_no_longer(site, operator, number):
    assert await tried(site, "put_payment", PAYMENT) == ("retryable", "the order is not in the ERP yet")
    answer = await operator.post(f"/v1/parked/{number}/discard")
    assert answer.json() == {
        "message": "Discarded. It stays in the history. What waited for this order is settled with it: 1 payment.",
        "count": 2,
    }
    assert await state(site, "put_order", FIRST) == ("cancelled", "rejected")
    assert await tried(site, "put_payment", PAYMENT) == ("completed", WHY)
    site.clock.at_ms += 60 * MINUTE
    assert [one.late for one in (await status(site.engine, site.clock.now_ms())).routes] == [0, 0, 0]
    assert not site.engine.lanes["erp"].system.sink.delivered


async def test_what_comes_later_of_a_discarded_order_ends_too_however_much_later(site, operator, number):
    await operator.post(f"/v1/parked/{number}/discard")
    site.clock.at_ms += 365 * 24 * 60 * MINUTE
    await site.store.write(Write("forget_deliveries", [{"before": site.clock.now_ms(), "limit": 100}]))
    for operation, key in (("put_order", f"{KEY}\x1f2"), ("put_payment", PAYMENT)):
        await due(site, operation, key)
        assert await tried(site, operation, key) == ("completed", WHY)


async def test_a_later_revision_that_is_parked_is_discarded_with_the_first(site, number):
    second = await park_order(site.engine, f"{KEY}\x1f2")
    done = await site.operations.discard(number, by="Otto")
    assert "1 revision, 1 payment" in done.message and done.count == 3
    shown = await site.operations.show(second)
    assert (shown.resolution, shown.resolved_by) == ("discarded with its order", "Otto")
    assert await site.operations.parked() == []
    assert (await state(site, "put_order", f"{KEY}\x1f2"))[0] == "cancelled"


async def test_an_order_that_the_erp_has_loses_only_the_revision(site, number):
    await bind(site, "88124")
    done = await site.operations.discard(number, by="Otto")
    assert (done.message, done.count) == ("Discarded. It stays in the history.", 1)
    assert (await tried(site, "put_payment", PAYMENT))[0] == "completed"
    assert site.engine.lanes["erp"].system.sink.delivered == [("put_payment", PAYMENT)]


async def test_an_order_that_reaches_the_erp_after_all_has_its_payment(site, number):
    await site.operations.discard(number, by="Otto")
    await bind(site, "88124")
    await tried(site, "put_payment", PAYMENT)
    assert site.engine.lanes["erp"].system.sink.delivered == [("put_payment", PAYMENT)]


async def test_an_order_that_is_being_written_is_not_discarded(site, number):
    site.engine.lanes["erp"]._busy[f"order {KEY}"] = site.clock.now_ms()
    with pytest.raises(NotPossible) as told:
        await site.operations.discard(number, by="Otto")
    assert told.value.code == "under_way"
    assert (await site.operations.show(number)).resolved_at_ms is None


async def test_a_replay_takes_the_decision_back(site, number):
    await site.operations.discard(number, by="Otto")
    await tried(site, "put_payment", PAYMENT)
    await site.operations.replay_order("#1043", by="Ada")
    assert (await state(site, "put_order", FIRST))[0] == "available"
    assert (await state(site, "put_payment", PAYMENT))[0] == "available"
    assert await tried(site, "put_order", FIRST) == ("completed", "")
    assert (await tried(site, "put_payment", PAYMENT))[1] != WHY


async def test_a_replay_brings_no_order_back_that_nobody_discarded(site, number):
    await bind(site, "88124")
    await site.operations.discard(number, by="Otto")  # only this revision of it
    await site.operations.replay_order("#1043", by="Ada")
    assert (await state(site, "put_order", FIRST))[0] == "cancelled"


async def test_the_life_of_the_order_says_what_was_settled(site, number):
    await site.operations.discard(number, by="Otto")
    await tried(site, "put_payment", PAYMENT)
    (life,) = await search(site.engine, "#1043")
    assert ("In erp", "discarded") in [(fact.label, fact.value) for fact in life.facts]
    assert life.discarded
    told = [(moment.what, moment.detail) for moment in life.moments]
    assert ("Parked entry discarded by Otto", "") in told
    assert ("Record a payment: not to be done", WHY) in told


def test_the_command_tells_what_was_settled_too(monkeypatch):
    asked = []

    def call(config, method, path, body=None):
        asked.append((method, path))
        return {"message": "settled with it: 1 payment.", "count": 2}

    monkeypatch.setattr(operate, "call", call)
    answer = CliRunner().invoke(app, ["parked", "discard", "12", "--json"])
    assert asked == [("POST", "/v1/parked/12/discard")]
    assert json.loads(answer.output)["message"] == "settled with it: 1 payment."


async def test_the_page_says_so(site, number):
    session = Client(site.app, site.tokens["operator"])
    done = await session.get("/parked?done=discarded_with")
    assert "What waited for this order is settled with it." in done.text
    back = "this takes that back"
    assert back not in (await session.get("/search?q=1043")).text
    await site.operations.discard(number, by="Otto")
    assert back in (await session.get("/search?q=1043")).text
