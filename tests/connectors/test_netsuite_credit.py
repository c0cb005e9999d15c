"""What NetSuite says of its customers' credit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.netsuite_world import World, run

from syncline.connectors.netsuite import client, credit
from syncline.model.change import Kind, LoggedEvent, Via
from syncline.model.errors import Rejected
from syncline.ports import Page

D = Decimal


def told(w: World, events) -> dict[str, tuple]:
    return {
        change.key: (
            one.currency, one.limit, one.balance, one.unbilled, one.on_hold, one.overdue,
        )
        for change in w.changes(events)
        if change.kind is Kind.CREDIT and (one := change.value)
    }  # fmt: skip


async def pages(w: World, cursor=None) -> list[Page]:
    return [page async for page in w.system.source.poll("credit", cursor)]


def test_limit_balance_open_orders_and_hold_are_one_record():
    async def story(w: World) -> None:
        a = w.sim.add_customer(
            "a", creditLimit=1000, balance=250.5, unbilledOrders=100, overdueBalance=10, currency={"id": "1"}
        )
        b = w.sim.add_customer("b", creditHoldOverride={"id": "ON"}, currency={"id": "2"})
        w.sim.add_customer("c", balance=50)  # neither a limit nor a hold
        w.sim.add_customer("d", creditLimit=1, isInactive=True)
        began_ms = w.clock.now_ms()
        events, cursor = await w.pull("credit")
        assert told(w, events) == {
            str(a): ("GBP", D(1000), D("250.5"), D(100), False, D(10)),
            str(b): ("USD", None, D(0), D(0), True, None),
        }
        (first, _) = w.changes(events)
        assert began_ms <= first.version == first.value.read_began_ms <= w.clock.now_ms()
        assert all(e.via is Via.SNAPSHOT for e in events)

        (again,) = await pages(w, cursor)
        assert (again.events, len(again.present)) == ((), 2)

        await w.clock.sleep(60)
        w.sim.edit_customer(a, stamped=False, balance=300)
        events, cursor = await w.pull("credit", cursor)
        assert list(told(w, events)) == [str(a)]
        (change,) = w.changes(events)
        assert change.changed_at_ms < change.version

        w.sim.edit_customer(b, creditHoldOverride={"id": "OFF"})
        assert len((await pages(w, cursor))[0].present) == 1
        await w.pull("credit", cursor)
        w.sim.edit_customer(b, creditHoldOverride={"id": "ON"})
        events, _ = await w.pull("credit", cursor)
        assert list(told(w, events)) == [str(b)], "what was gone is told again although it is as it was"

    run(story, currencies={"GBP": "1", "USD": "2"})


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_are_cut_anywhere_and_a_read_goes_on_where_it_was(monkeypatch, size):
    monkeypatch.setattr(client, "PAGE_MAX", size)
    monkeypatch.setattr(credit, "PAGE_MAX", size)

    async def story(w: World) -> None:
        made = [w.sim.add_customer(f"c{n}", creditLimit=n + 1) for n in range(5)]
        found = await pages(w)
        assert [page.last for page in found] == [False] * (len(found) - 1) + [True]
        assert [str(n) for n in made] == [key for page in found for key in told(w, page.events)]
        rest = await pages(w, found[0].cursor)
        assert sum(len(page.present) + len(told(w, page.events)) for page in rest) == 5 - size

    run(story)


@pytest.mark.parametrize("odd", [{"balance": "1e99"}, {"limit": "much"}, {"unbilled": "NaN"}])
def test_what_cannot_be_meant_is_refused_alone(odd):
    row = {
        "account": "1", "currency": "", "limit": "5", "balance": "0", "unbilled": "0", "overdue": "", "held": "",
        "terms": "", "began_ms": 1, "changed_ms": 1,
    }  # fmt: skip
    rows = [credit.CreditRow(**row), credit.CreditRow(**{**row, "account": "2", **odd})]
    events = list(credit._events("erp", rows))
    assert len(events) == 2
    refused, sound = (LoggedEvent(1, 1, event) for event in events)
    with pytest.raises(Rejected):
        credit.decode(refused)
    assert [change.key for change in credit.decode(sound)] == ["1"]


def test_documents_make_the_balance_and_what_is_not_billed():
    async def story(w: World) -> None:
        sim = w.sim
        a, b = (sim.add_customer(name, creditLimit=1000, balance=10) for name in "ab")
        sim.opening_balance("21730", w.place, 3)

        async def said(customer: int = a) -> tuple[Decimal, Decimal]:
            events, _ = await w.pull("credit", system=w.open())
            one = {change.key: change.value for change in w.changes(events)}[str(customer)]
            return one.balance, one.unbilled

        lines = [("21730", w.place, 3, D("4.10")), ("84406B", w.other, 2, D("4.00"))]
        sim.enter_order(lines)
        assert await said() == (D(10), D(0)), "it is somebody else's"
        order = sim.enter_order(lines, customer_id=a)
        assert await said() == (D(10), D("20.30"))
        sim.receive("21730", w.place, 3)
        sim.ship(order, tracking=None, lines={1: 2})
        invoice = sim.bill(order)
        assert await said() == (D("18.20"), D("12.10"))
        sim.deposit(order, "5.00")
        assert await said() == (D("18.20"), D("12.10")), "a deposit settles nothing until it is applied"
        sim.settle(invoice, "5.00")
        assert await said() == (D("13.20"), D("12.10"))
        sim.close_order(order)
        assert await said() == (D("13.20"), D(0))
        sim.settle(invoice)
        assert (await said(), await said(b)) == ((D(10), D(0)), (D(10), D(0)))
        other = sim.enter_order(lines, customer_id=b)
        assert await said(b) == (D(10), D("20.30"))
        sim.documents.delete(sim.account.txns[other])
        assert await said(b) == (D(10), D(0))

    run(story)


def test_open_invoices_are_counted_and_the_oldest_says_for_how_long_it_is_overdue():
    async def story(w: World) -> None:
        sim = w.sim
        account, other = (sim.add_customer(name, creditLimit=1000) for name in "ab")
        sim.opening_balance("21730", w.place, 9)

        def day(ahead: int) -> str:
            return sim.account.local(w.clock.now_ms() + ahead * 86_400_000)[:10]

        async def said() -> list[tuple[int | None, int | None]]:
            events, _ = await w.pull("credit", system=w.open())
            found = {change.key: change.value for change in w.changes(events)}
            return [
                (one.open_invoices, one.days_past_due) for one in (found[str(account)], found[str(other)])
            ]

        assert await said() == [(0, 0), (0, 0)]
        invoices = []
        for customer, due in ((account, day(0)), (account, day(2)), (other, day(9))):
            order = sim.enter_order([("21730", w.place, 1, D("4.10"))], customer_id=customer)
            sim.ship(order, tracking=None)
            invoices.append(sim.bill(order, due))
        assert await said() == [(2, 0), (1, 0)]
        await w.clock.sleep(3 * 86_400)
        assert await said() == [(2, 3), (1, 0)]
        sim.settle(invoices[0])
        assert await said() == [(1, 1), (1, 0)]

    run(story)


def test_a_due_date_that_cannot_be_read_is_not_told():
    assert [credit._days(*dates) for dates in (("2026-01-03", "2026-01-05"), ("soon", "2026-01-05"))] == [
        "2",
        "",
    ]
