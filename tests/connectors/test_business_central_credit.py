"""What Business Central says of its customers' credit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from tests.connectors.business_central_opened import World, run

from syncline.connectors.business_central import credit
from syncline.model.change import Kind, LoggedEvent
from syncline.model.errors import Rejected

D = Decimal


async def told(world: World, cursor=None):
    """Figures by account, and the cursor after."""
    events, cursor = await world.pull("credit", cursor)
    found = {}
    for event in events:
        for change in world.system.source.decode(LoggedEvent(1, 1, event)):
            assert change.kind is Kind.CREDIT
            assert change.version == change.value.read_began_ms
            found[change.key] = change.value
    return found, cursor


def test_limit_open_orders_and_block_are_one_record():
    async def story(world: World) -> None:
        sim = world.sim
        c1 = sim.add_customer("C1", "One", creditLimit=1000)
        c2 = sim.add_customer("C2", "Two", blocked="Ship")
        c3 = sim.add_customer("C3", "Three")
        first, cursor = await told(world)
        assert (first[c1].limit, first[c1].balance, first[c1].unbilled) == (D(1000), D(0), D(0))
        assert (first[c2].on_hold, first[c3].on_hold, first[c3].limit) == (True, False, None)
        assert {one.currency for one in first.values()} == {world.settings.currency}
        assert {(one.open_invoices, one.days_past_due) for one in first.values()} == {(0, 0)}

        again, cursor = await told(world, cursor)
        assert again == {}
        (page,) = [page async for page in world.system.source.poll("credit", cursor)]
        assert len(page.present) == len(first)

        sim.edit_customer("C1", creditLimit=500)
        assert {key: one.limit for key, one in (await told(world, cursor))[0].items()} == {c1: D(500)}

    run(story)


def test_what_is_not_invoiced_of_a_line_counts():
    line = {"quantity": 4, "invoicedQuantity": 1, "amountIncludingTax": 100}
    assert credit._open(line) == D(75)
    assert credit._open({**line, "invoicedQuantity": 4}) == 0
    assert credit._open({**line, "invoicedQuantity": 5}) == 0
    assert credit._open({"amountIncludingTax": 7, "quantity": 0}) == 7
    assert credit._open({"description": "a comment"}) == 0


@pytest.mark.parametrize("odd", [{"limit": "much"}, {"balance": "1e99"}, {"account": " "}])
def test_what_cannot_be_meant_is_refused_alone(odd):
    row = {
        "account": "C1", "currency": "GBP", "limit": "5", "balance": "0", "orders": "0", "overdue": "",
        "blocked": "_x0020_", "began_ms": 1, "changed_ms": 1,
    }  # fmt: skip
    rows = [credit.CreditRow(**row), credit.CreditRow(**{**row, "account": "C2", **odd})]
    refused, sound = (LoggedEvent(1, 1, event) for event in credit._events("erp", rows))
    with pytest.raises(Rejected):
        credit.decode(refused)
    assert [change.key for change in credit.decode(sound)] == ["C1"]


def test_an_order_and_its_invoice_count_once():
    async def story(world: World) -> None:
        sim = world.sim
        account = sim.add_customer("C1", "One", creditLimit=1000)
        sim.receive("A", "MAIN", 9)
        order = sim.sell([("A", "MAIN", 3)], customerNumber="C1")
        sums = []
        cursor = None
        for act in (None, lambda: sim.ship(order), lambda: sim.invoice(order)):
            if act is not None:
                act()
            found, cursor = await told(world, cursor)
            one = found.get(account)
            sums.append(None if one is None else (one.balance, one.unbilled))
        assert sums == [(D(0), D(30)), None, (D(30), D(0))]

        sim.sell([("A", "MAIN", 1)], customerNumber="C1", currencyCode="USD")
        (mixed,) = (await told(world, cursor))[0].values()
        assert mixed.currency == credit.MIXED

    run(story)


def test_open_invoices_are_counted_and_the_oldest_says_for_how_long_it_is_overdue():
    async def story(world: World) -> None:
        sim = world.sim
        account = sim.add_customer("C1", "One", creditLimit=1000)
        sim.receive("A", "MAIN", 9)
        today = datetime.fromtimestamp(world.clock.now_ms() / 1000, UTC).date()
        invoices = []
        for ahead in (0, 2):
            order = sim.sell([("A", "MAIN", 1)], customerNumber="C1")
            sim.ship(order)
            invoices.append(sim.invoice(order, (today + timedelta(days=ahead)).isoformat()))
        said = []
        for act in (None, lambda: world.clock.sleep(3 * 86_400), lambda: sim.settle(invoices[0])):
            waits = act() if act else None
            if waits is not None:
                await waits
            one = (await told(world))[0][account]
            said.append((one.open_invoices, one.days_past_due, one.overdue))
        assert said == [(2, 0, D(0)), (2, 3, D(20)), (1, 1, D(10))]

    run(story)


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01"])
def test_an_invoice_without_a_due_date_is_not_overdue(text):
    today = date(2026, 1, 5)
    assert credit._due(text, today) == today
    assert credit._due("2026-01-03", today) == date(2026, 1, 3)
