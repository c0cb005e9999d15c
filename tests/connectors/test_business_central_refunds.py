"""What the Business Central connector writes when goods come back: credit memos over the money that was refunded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.connectors.business_central_opened import START_MS, World, done, line, order, placed_order, run

from syncline.connectors.business_central.simulator.schema import ENTITIES
from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import OutcomeUnknown
from syncline.model.payloads import OrderItem, PutRefund
from syncline.model.records import Refund, RefundLine
from syncline.ports import Request, Response
from syncline.testing.bench import Send


def refund(world: World, number: str, *, restocked: bool = True, units: int = 1) -> PutRefund:
    item = OrderItem("1", world.ids["A"], "A", "MAIN", units)
    items = (item,) if units else ()
    back = Refund("5", Decimal("10.00"), START_MS)
    return PutRefund("shop-1001-refund-5", number, back, items, restocked=restocked)


def test_a_return_is_a_credit_memo_over_the_money_that_went_back():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)
        put = refund(world, number)
        assert await world.find("put_refund", put) is None
        done(await world.do("put_refund", put))
        done(await world.do("put_refund", put))
        (memo,) = world.sim.memos()
        assert (memo.posted, memo.lines) == (False, (("A", Decimal(1)),))
        assert world.sim.company.tables["salesCreditMemos"][memo.id].values["totalAmountIncludingTax"] == 10
        nothing = replace(refund(world, number, units=0), reference="shop-1001-refund-6")
        assert "for the accounts" in (await world.do("put_refund", nothing)).message
        assert len(world.sim.memos()) == 1

    run(story)


def two_back(world: World, number: str) -> PutRefund:
    items = (
        OrderItem("1", world.ids["A"], "A", "MAIN", 1),
        OrderItem("2", world.ids["B"], "B", "NORTH", 2),
    )
    return PutRefund("shop-1001-refund-5", number, Refund("5", Decimal("10.00"), START_MS), items, True)


def memo_total(world: World) -> Decimal:
    (memo,) = world.sim.memos()
    return Decimal(world.sim.company.tables["salesCreditMemos"][memo.id].values["totalAmountIncludingTax"])


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(("tax", "batches"), [("0", 0), ("20", 1)])
def test_a_credit_memo_is_over_the_money_whatever_the_customers_card_says_of_tax(inside, tax, batches):
    async def story(world: World) -> None:
        world.sim.writes.prices_include_tax = inside
        number, _ = await placed_order(world)
        world.sim.ship(number)
        world.sim.set_tax("STANDARD", tax)
        before = world.sent("POST", "$batch")
        outcome = await world.do("put_refund", two_back(world, number))
        assert (outcome.result, outcome.message) == (Result.DONE, "")
        assert abs(memo_total(world) - 10) <= Decimal("0.01")  # tax is rounded line by line
        assert world.sent("POST", "$batch") - before == (0 if inside else batches)
        assert [x.posted for x in world.sim.memos()] == [True]

    run(story, post_returns=True)


def test_a_credit_memo_is_over_the_money_to_the_cent_and_in_its_orders_currency():
    async def story(world: World) -> None:
        placed = order(line("1", "A", 1, "10.00"), line("2", "B", 2, "2.50"), currency="EUR")
        parts = ("1", "A", "MAIN", 1), ("2", "B", "NORTH", 2)
        number = done(await world.do("put_order", world.put(placed, *parts)))
        world.sim.ship(number)
        for n, opened in enumerate((world.system, world.open())):  # the second has to ask for the currency
            world.system = opened
            items = (*two_back(world, number).items, OrderItem("3", world.ids["A"], "A", "MAIN", 1))
            put = replace(two_back(world, number), reference=f"shop-1001-refund-{n}", items=items[::2])
            # Three lines of a third each.
            put = replace(put, items=(*put.items, replace(items[0], line_id="4")))
            done(await world.do("put_refund", put))
        held = list(world.sim.company.tables["salesCreditMemos"].values())
        assert [(x.values["totalAmountIncludingTax"], x.values["currencyCode"]) for x in held] == [
            (10, "EUR"),
            (10, "EUR"),
        ]

    run(story)


def test_a_credit_memo_that_does_not_come_to_the_money_is_not_posted():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)
        world.sim.set_tax("STANDARD", "20")

        async def refuse(request: Request, send: Send) -> Response:
            answer = await send(request)
            if "$batch" in request.url:
                raise OutcomeUnknown("lost")
            if "$expand=salesCreditMemoLines" in request.url.replace("%24", "$"):
                return Response(200, {}, answer.body.replace(b"salesCreditMemoLines", b"others"))
            return answer

        world.around.wire.between = refuse
        outcome = await world.do("put_refund", two_back(world, number))
        assert outcome.result is Result.DONE
        assert "is over 12" in outcome.message
        assert [x.posted for x in world.sim.memos()] == [False]
        world.around.wire.between = None
        found = await world.find("put_refund", two_back(world, number))
        assert found is not None
        assert found.result is Result.RETRY
        done(await world.do("put_refund", two_back(world, number)))
        assert abs(memo_total(world) - 10) <= Decimal("0.01")
        assert [x.posted for x in world.sim.memos()] == [True]

    run(story, post_returns=True)


def test_goods_that_went_back_on_the_shelf_are_posted_where_that_is_configured():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)
        done(await world.do("put_refund", refund(world, number)))
        assert world.sim.on_hand("A", "MAIN") == 17
        other = replace(refund(world, number, restocked=False), reference="shop-1001-refund-6")
        done(await world.do("put_refund", other))
        assert [x.posted for x in world.sim.memos()] == [True, False]

    run(story, post_returns=True)


def test_broken_goods_are_not_put_into_stock_with_those_that_went_back_on_the_shelf():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)
        before = world.sim.on_hand("A", "MAIN")
        put = refund(world, number, units=2)
        lines = tuple(RefundLine("1", Decimal(1), restocked=whole) for whole in (True, False))
        put = replace(put, refund=replace(put.refund, lines=lines))
        done(await world.do("put_refund", put))
        assert [x.posted for x in world.sim.memos()] == [False]
        assert world.sim.on_hand("A", "MAIN") == before
        assert (await world.find("put_refund", put)).result is Result.DONE

    run(story, post_returns=True)


def test_a_memo_that_somebody_posted_in_between_is_not_posted_twice():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)

        async def first(request: Request, send: Send) -> Response:
            if request.url.endswith("Microsoft.NAV.post"):
                world.sim.post_memo(world.sim.memos()[0].id)
            return await send(request)

        world.around.wire.between = first
        done(await world.do("put_refund", refund(world, number)))
        assert world.sim.on_hand("A", "MAIN") == 17

    run(story, post_returns=True)


def test_a_credit_memo_in_a_closed_period_waits_as_a_draft_and_is_posted_once():
    async def story(world: World) -> None:
        number, _ = await placed_order(world)
        world.sim.ship(number)
        world.sim.allow_posting("2026-02-01")
        put = refund(world, number)
        for _ in range(2):
            outcome = await world.do("put_refund", put)
            assert outcome.result is Result.REJECTED
            assert "not within your range of allowed posting dates" in outcome.message
        assert [x.posted for x in world.sim.memos()] == [False]
        assert world.sim.on_hand("A", "MAIN") == 16
        world.sim.allow_posting("2026-01-01")
        done(await world.do("put_refund", put))
        done(await world.do("put_refund", put))
        assert [x.posted for x in world.sim.memos()] == [True]
        assert world.sim.on_hand("A", "MAIN") == 17

    run(story, post_returns=True)


@pytest.mark.parametrize("in_page_order", [False, True])
def test_a_credit_memo_is_for_who_was_charged(in_page_order):
    async def story(world: World) -> None:
        world.sim.writes.in_page_order = in_page_order
        number, _ = await placed_order(world)
        head = world.sim.add_customer("HEAD", "Head office", currencyCode="EUR")
        world.sim.writes.change(
            ENTITIES["salesOrders"],
            world.sim.order_record(number),
            {"billToCustomerId": head, "currencyCode": "GBP"},
        )
        world.sim.ship(number)
        world.sim.invoice(number)
        world.system = world.open()
        done(await world.do("put_refund", refund(world, number)))
        (memo,) = world.sim.memos()
        held = world.sim.company.tables["salesCreditMemos"][memo.id].values
        assert (held["billToCustomerNumber"], held["currencyCode"]) == ("HEAD", "GBP")

    run(story)
