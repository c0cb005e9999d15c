from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timezone
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest
from tests.connectors.netsuite_world import START_MS, World, line, order, run

from syncline.model.copying import replace
from syncline.model.delivery import Result
from syncline.model.errors import AuthExpired, Retryable, Throttled
from syncline.model.payloads import FieldValue, OrderItem, PutOrder, PutPayment, PutRefund
from syncline.model.records import Address, Customer, Payment, Refund, RefundLine
from syncline.ports import Response


def put(w: World, *quantities: int, external_id: str = "", **more) -> PutOrder:
    items = [str(w.item), str(w.item2)]
    prices = ["9.99", "1.234567"]
    lines = [line(f"l{n}", f"s{n}", q, prices[n]) for n, q in enumerate(quantities)]
    placed = order(*lines, **more)
    wanted = tuple(
        OrderItem(f"l{n}", items[n], f"s{n}", str(w.place), q) for n, q in enumerate(quantities) if q
    )
    return PutOrder("shop-1001", placed, wanted, external_id)


def stocked(w: World) -> None:
    w.sim.opening_balance("21730", w.place, 40)
    w.sim.opening_balance("84406B", w.place, 40)


def test_an_order_arrives_whole():
    async def story(w: World) -> None:
        stocked(w)
        lines = (
            line("a", "21730", 3, "9.99", discount=Decimal("2.00"), tax=Decimal("5.59")),
            line("b", "84406B", 7, "1.234567", tax=Decimal("1.73")),
        )
        placed = order(*lines, shipping="4.95", tax="8.31")
        placed = replace(placed, total=placed.total.quantize(Decimal("0.01")))
        items = (
            OrderItem("a", str(w.item), "21730", str(w.place), 2),
            OrderItem("a", str(w.item), "21730", str(w.other), 1),
            OrderItem("b", str(w.item2), "84406B", str(w.place), 7),
        )
        outcome = await w.do("put_order", PutOrder("shop-1001", placed, items))
        assert outcome.result is Result.DONE and outcome.message == ""
        truth = w.sim.order(int(outcome.facts["external_id"]))
        assert truth.external_id == "shop-1001" and truth.status == "B"
        assert truth.customer_external_id == "c-77"
        assert (truth.discount, truth.tax, truth.shipping) == (
            Decimal("-2.00"),
            Decimal("8.31"),
            Decimal("4.95"),
        )
        assert truth.total == placed.total
        assert Decimal(outcome.facts["total_difference"]) == 0
        assert [(x.quantity, x.location) for x in truth.lines if x.role == "goods"] == [
            (2, w.place),
            (1, w.other),
            (7, w.place),
        ]
        assert w.sim.committed("21730", w.place) == 2

    w = run(story)
    assert not w.sim.ledger.breaches


@pytest.mark.parametrize("with_item", [True, False])
def test_prices_that_include_tax(with_item):
    async def story(w: World) -> None:
        lines = (
            line("a", "x", 3, "12.00", discount=Decimal("3.00"), tax=Decimal("5.50")),
            line("b", "y", 1, "7.49"),
        )
        placed = order(*lines, shipping="6.00", tax="6.50", taxes_included=True)
        items = (
            OrderItem("a", str(w.item), "x", str(w.place), 3),
            OrderItem("b", str(w.item2), "y", "", 1),
        )
        outcome = await w.do("put_order", PutOrder("r", placed, items))
        assert outcome.result is Result.DONE and outcome.message == ""
        truth = w.sim.order(int(outcome.facts["external_id"]))
        assert truth.tax == Decimal("6.50") and truth.shipping == Decimal("5.00")
        assert abs(truth.total - placed.total) <= Decimal("0.01")

    run(story, **({} if with_item else {"discount_item": ""}))


def test_erp_tax_is_compared():
    async def story(w: World) -> None:
        fits = await w.do("put_order", PutOrder("a", *_simple(w, "20.00", tax="4.00")))
        assert fits.message == "" and Decimal(fits.facts["total_difference"]) == 0
        off = await w.do("put_order", PutOrder("b", *_simple(w, "20.00", tax="3.50")))
        assert off.result is Result.DONE and off.facts["total_difference"] == "0.50"
        assert "#1001" in off.message

    run(story, sim={"computes_tax_rate": Decimal("0.2")}, tax="erp")


def _simple(w: World, price: str, **more):
    return order(line("a", "x", 1, price), **more), (OrderItem("a", str(w.item), "x", str(w.place), 1),)


def test_a_lost_answer_is_looked_up_and_never_doubles():
    async def story(w: World) -> None:
        payload = put(w, 2, 1)
        w.wire.lose = lambda r: r.method == "PUT" and "salesOrder" in r.url
        assert (await w.do("put_order", payload)).result is Result.UNKNOWN
        w.wire.lose = lambda _: False
        found = await w.find("put_order", payload)
        assert found is not None and found.result is Result.DONE
        # Even a put repeated against the rules replaces the lines.
        again = await w.do("put_order", payload)
        assert again.facts["external_id"] == found.facts["external_id"]
        truth = w.sim.order(int(found.facts["external_id"]))
        assert [x.quantity for x in truth.lines] == [2, 1]
        assert await w.find("put_order", replace(payload, reference="shop-1002")) is None

    assert not run(story).sim.ledger.breaches


def test_an_order_counts_as_held_since_it_was_answered_not_since_its_total_was_read():
    async def story(w: World) -> None:
        answered: list[int] = []

        def seen(request) -> bool:
            if request.method in ("PUT", "PATCH") and "/salesOrder/" in request.url:
                answered.append(w.clock.now_ms())
            return False

        w.wire.lose = seen
        outcome = await w.do("put_order", put(w, 2))
        assert outcome.facts["written_ms"] == answered.pop() < w.clock.now_ms()
        outcome = await w.do("put_order", put(w, 1, external_id=outcome.facts["external_id"]))
        assert outcome.facts["written_ms"] == answered.pop() < w.clock.now_ms()
        # Where the total could not be read, the order is held all the same.
        w.wire.replace = lambda r: Response(500, {}, b"{}") if r.method == "GET" else None
        outcome = await w.do("put_order", replace(put(w, 1), reference="b"))
        assert outcome.result is Result.DONE and outcome.facts["written_ms"] == answered.pop()

    run(story)


@pytest.mark.parametrize("located", [True, False])
def test_an_order_read_back_without_its_id_is_the_one_that_was_located(located):
    async def story(w: World) -> None:
        def bare(request) -> Response | None:
            if request.method == "GET" and "/salesOrder/" in request.url:
                return Response(200, {}, b'{"links":[],"externalId":"shop-1001","total":9.99}')
            # Without a location nobody knows which order it was: it is looked up.
            return None if located or request.method != "PUT" else Response(204, {}, b"")

        w.wire.replace = bare
        outcome = await w.do("put_order", put(w, 1))
        assert outcome.result is (Result.DONE if located else Result.UNKNOWN)
        if located:
            assert outcome.facts["external_id"] == str(w.sim.find_order("shop-1001"))

    run(story)


def test_a_reference_that_differs_in_case_is_somebody_elses():
    async def story(w: World) -> None:
        assert (await w.do("put_order", put(w, 1))).result is Result.DONE
        found = await w.find("put_order", replace(put(w, 1), reference="SHOP-1001"))
        assert found is not None and found.result is Result.REJECTED and "shop-1001" in found.message

    run(story)


def test_revisions_replace_lines_and_respect_what_was_shipped():
    async def story(w: World) -> None:
        stocked(w)
        first = await w.do("put_order", put(w, 5, 4, shipping="3.00"))
        number = first.facts["external_id"]
        w.sim.ship(int(number), tracking="T", lines={1: 3})
        less = put(w, 4, 0, external_id=number, shipping="3.00")
        assert await w.find("put_order", less) is None
        outcome = await w.do("put_order", less)
        assert outcome.result is Result.DONE and outcome.message == ""
        assert (await w.find("put_order", less)).result is Result.DONE
        truth = w.sim.order(int(number))
        assert [(x.line, x.quantity, x.shipped) for x in truth.lines] == [(1, 4, 3)]
        # Fewer than were shipped cannot be: the line keeps what left.
        outcome = await w.do("put_order", put(w, 1, 2, external_id=number, shipping="3.00"))
        assert outcome.result is Result.DONE and Decimal(outcome.facts["total_difference"]) > 0
        assert [(x.quantity, x.shipped) for x in w.sim.order(int(number)).lines] == [(3, 3), (2, 0)]

    assert not run(story).sim.ledger.breaches


@pytest.mark.parametrize("approve_orders", [True, False])
def test_whether_stock_is_promised_to_an_order_is_what_the_account_says(approve_orders):
    async def story(w: World) -> None:
        stocked(w)
        first = await w.do("put_order", put(w, 5))
        number = first.facts["external_id"]
        assert first.facts["commits_stock"] is approve_orders
        # Somebody approves it, or takes the approval back, before the next revision.
        txn = w.sim.account.txns[int(number)]
        txn.status = "A" if approve_orders else "B"
        w.sim.documents.settle_order(txn, "edit")
        outcome = await w.do("put_order", put(w, 4, external_id=number))
        assert outcome.facts["commits_stock"] is not approve_orders
        assert w.sim.committed("21730", w.place) == (0 if approve_orders else 4)
        # The same of an order that is found again after its answer was lost.
        assert (await w.find("put_order", put(w, 4))).facts["commits_stock"] is not approve_orders

    run(story, approve_orders=approve_orders)


def test_a_cancelled_order_is_closed():
    async def story(w: World) -> None:
        stocked(w)
        first = await w.do("put_order", put(w, 5, 4, tax="1.00"))
        number = first.facts["external_id"]
        gone = put(w, 5, 4, tax="1.00", external_id=number, cancelled_at_ms=START_MS)
        assert await w.find("put_order", gone) is None
        assert (await w.do("put_order", gone)).result is Result.DONE
        assert w.sim.order(int(number)).status == "H"
        assert w.sim.committed("21730", w.place) == 0
        assert (await w.find("put_order", gone)).result is Result.DONE
        assert (await w.do("put_order", gone)).result is Result.DONE

    run(story)


def test_what_left_of_a_cancelled_order_can_still_be_billed():
    async def story(w: World) -> None:
        stocked(w)
        first = await w.do("put_order", put(w, 5, 4, tax="1.00"))
        number = first.facts["external_id"]
        w.sim.ship(int(number), tracking="T", lines={1: 3})
        gone = put(w, 5, 4, tax="1.00", external_id=number, cancelled_at_ms=START_MS)
        assert await w.find("put_order", gone) is None
        assert (await w.do("put_order", gone)).result is Result.DONE
        truth = w.sim.order(int(number))
        assert [(x.role, x.quantity, x.shipped, x.closed) for x in truth.lines] == [
            ("goods", 3, 3, False),
            ("goods", 4, 0, True),
            ("tax", 1, 0, False),
        ]
        assert truth.status == "F" and w.sim.committed("21730", w.place) == 0
        assert (await w.find("put_order", gone)).result is Result.DONE

    assert not run(story).sim.ledger.breaches


def test_guests_and_ids_that_do_not_fit_a_url():
    async def story(w: World) -> None:
        guest = await w.do("put_order", replace(put(w, 1), order=replace(put(w, 1).order, customer=None)))
        assert w.sim.order(int(guest.facts["external_id"])).customer_id == w.web
        odd = put(w, 1).order
        odd = replace(odd, customer=replace(odd.customer, key="gid://shop/Customer/7"))
        outcome = await w.do("put_order", replace(put(w, 1), reference="odd", order=odd))
        eid = w.sim.order(int(outcome.facts["external_id"])).customer_external_id
        assert eid.startswith("gid___shop_Customer_7_")
        bad = await w.do("put_order", replace(put(w, 1), reference="a|b"))
        assert bad.result is Result.REJECTED

    run(story)


def test_refusals_keep_the_vendors_words():
    async def story(w: World) -> None:
        payload = put(w, 1)
        payload = replace(payload, items=(replace(payload.items[0], item_id="999999"),))
        outcome = await w.do("put_order", payload)
        assert outcome.result is Result.REJECTED
        assert "999999" in outcome.message and "item.items[0].item" in outcome.message

    run(story)


def test_fields_of_the_account_are_written_as_their_types():
    fields = (
        FieldValue("custbody_text", "string", "from the shop"),
        FieldValue("custbody_net", "decimal", "12.50"),
        FieldValue("custbody_gift", "boolean", "false"),
        FieldValue("custbody_due", "date", "2026-11-24"),
    )

    async def story(w: World) -> None:
        for field, kind in zip(fields, ("str", "num", "bool", "date"), strict=True):
            w.sim.define_field("salesOrder", field.name, kind)
        stocked(w)
        done = await w.do("put_order", replace(put(w, 2), fields=fields))
        number = int(done.facts["external_id"])
        held = w.sim.account.txns[number].fields
        assert {name: held[name] for name in held if name.startswith("custbody")} == {
            "custbody_text": "from the shop",
            "custbody_net": Decimal("12.50"),
            "custbody_gift": False,
            "custbody_due": "2026-11-24",
        }
        edited = replace(put(w, 1, external_id=str(number)), fields=(replace(fields[0], text="edited"),))
        assert (await w.do("put_order", edited)).result is Result.DONE
        assert w.sim.account.txns[number].fields["custbody_text"] == "edited"
        unknown = replace(
            put(w, 2), reference="shop-1002", fields=(FieldValue("custbody_gone", "string", "x"),)
        )
        assert (await w.do("put_order", unknown)).result is Result.REJECTED

    assert run(story).sim.ledger.breaches == {"unknown_field": 1}  # the last one only


@pytest.mark.parametrize("item", ["", "999999"])
def test_a_location_that_is_refused_is_told_apart_from_everything_else(item):
    async def story(w: World) -> None:
        asked = put(w, 2, 1)
        gone = replace(asked.items[1], location="424242", item_id=item or asked.items[1].item_id)
        outcome = await w.do("put_order", replace(asked, items=(asked.items[0], gone)))
        assert outcome.result is Result.REJECTED
        # Of an order that is refused for something else as well, nothing is gained by sending it from elsewhere.
        assert outcome.facts == ({} if item else {"refused_locations": ["424242"]})
        assert (await w.do("put_order", asked)).result is Result.DONE

    run(story)


def test_answers_are_sorted_by_what_to_do_next():
    async def story(w: World) -> None:
        payload = put(w, 1)

        def answer(status: int, body: bytes, method: str = "PUT") -> None:
            w.wire.replace = lambda r: (
                Response(status, {}, body) if r.method == method and "salesOrder" in r.url else None
            )

        answer(500, b"{}")
        assert (await w.do("put_order", payload)).result is Result.UNKNOWN
        answer(400, b"<html>proxy</html>")
        assert (await w.do("put_order", payload)).result is Result.UNKNOWN
        answer(302, b"")
        assert (await w.do("put_order", payload)).result is Result.UNKNOWN
        body = b'{"title":"Bad Request","status":429,"o:errorCode":"USER_ERROR","o:errorDetails":[{"detail":"Blocked",'
        answer(429, body + b'"o:errorCode":"CONCURRENCY_LIMIT_EXCEEDED"}]}')
        outcome = await w.do("put_order", payload)
        assert outcome.result is Result.THROTTLED and 0 < outcome.retry_after_s < 1
        assert w.system.governor.usage()["throttled"] == 1
        answer(
            403, b'{"o:errorDetails":[{"detail":"No permission","o:errorCode":"INSUFFICIENT_PERMISSION"}]}'
        )
        outcome = await w.do("put_order", payload)
        assert outcome.result is Result.REJECTED and "No permission" in outcome.message
        # Somebody else saved it meanwhile: nothing was applied, and the next try is made with what is there then.
        answer(400, b'{"o:errorDetails":[{"detail":"Record has been changed","o:errorCode":"USER_ERROR"}]}')
        assert (await w.do("put_order", payload)).result is Result.NOT_SENT
        answer(204, b"")  # without Location; there is no such order
        assert (await w.do("put_order", payload)).result is Result.UNKNOWN

    run(story)


def test_a_lost_customer_only_delays_the_order():
    async def story(w: World) -> None:
        w.wire.lose = lambda r: r.url.endswith("/customer")
        assert (await w.do("put_order", put(w, 1))).result is Result.NOT_SENT
        w.wire.lose = lambda _: False
        assert (await w.do("put_order", put(w, 1))).result is Result.DONE
        assert w.wire.count("PUT", "/salesOrder/") == 1

    run(story)


def test_a_customer_who_is_there_stays_as_the_account_has_them():
    async def story(w: World) -> None:
        assert (await w.do("put_order", put(w, 1))).result is Result.DONE
        (buyer,) = (c for c in w.sim.account.customers.values() if c.external_id == "c-77")
        buyer.fields |= {"lastName": "King", "phone": "+44 2"}
        w.system = w.open()  # another process knows nobody
        business = replace(
            put(w, 1).order, billing=Address("Ada", "Acme", "1 High St", "", "Reading", "", "RG1", "GB")
        )
        second = replace(put(w, 1), reference="shop-1002", order=business)
        outcome = await w.do("put_order", second)
        assert w.sim.order(int(outcome.facts["external_id"])).customer_id == buyer.id
        assert (buyer.fields["lastName"], buyer.fields["phone"], buyer.fields["isPerson"]) == (
            "King",
            "+44 2",
            True,
        )
        # One who cannot be made is not there, and what NetSuite says of it is kept.
        odd = replace(put(w, 1).order, customer=Customer("c-78", "Bo Ek", "bo@example.com"))
        w.wire.replace = lambda r: (
            Response(400, {}, b'{"o:errorDetails":[{"detail":"This email is taken"}]}')
            if r.url.endswith("/customer")
            else None
        )
        outcome = await w.do("put_order", replace(put(w, 1), reference="shop-1003", order=odd))
        assert outcome.result is Result.REJECTED and "This email is taken" in outcome.message

    run(story)


def test_who_was_known_and_is_not_there_any_more_is_looked_for_again():
    async def story(w: World) -> None:
        first = await w.do("put_order", put(w, 1))
        # The customer is merged into another in NetSuite, who has another external id.
        customer = w.sim.account.customers[w.sim.order(int(first.facts["external_id"])).customer_id]
        del w.sim.account.external["customer", "c-77"]
        customer.external_id = None
        other = replace(put(w, 1), reference="shop-1002")
        assert (await w.do("put_order", other)).result is Result.REJECTED
        assert (await w.do("put_order", other)).result is Result.DONE  # released by a person
        # An order is moved to another customer before the payment comes.
        number = first.facts["external_id"]
        paid = PutPayment("shop-1001-pay-1", number, "c-77", Payment("1", Decimal("9.99"), "GBP", START_MS))
        w.sim.account.txns[int(number)].entity = w.web
        assert (await w.do("put_payment", paid)).result is Result.REJECTED
        assert (await w.do("put_payment", paid)).result is Result.DONE
        assert [d.customer_id for d in w.sim.deposits()] == [w.web]

    run(story)


def test_tokens_are_renewed_once_then_the_system_pauses():
    async def story(w: World) -> None:
        assert (await w.do("put_order", put(w, 1))).result is Result.DONE
        w.sim.revoke_tokens()
        assert (await w.do("put_order", replace(put(w, 1), reference="b"))).result is Result.DONE
        w.sim.faults.reject_auth = True
        with pytest.raises(AuthExpired) as caught:
            await w.do("put_order", replace(put(w, 1), reference="c"))
        assert "PRIVATE" not in str(caught.value)

    run(story)


def test_payments_and_refunds_survive_a_crash_anywhere():
    async def story(w: World) -> None:
        stocked(w)
        first = await w.do("put_order", put(w, 5, 4))
        number = first.facts["external_id"]
        paid = PutPayment("shop-1001-p1", number, "c-77", Payment("p1", Decimal("54.89"), "GBP", START_MS))
        w.wire.lose = lambda r: "customerDeposit" in r.url and r.method == "PUT"
        assert (await w.do("put_payment", paid)).result is Result.UNKNOWN
        w.wire.lose = lambda _: False
        found = await w.find("put_payment", paid)
        assert found is not None
        again = await w.do("put_payment", paid)
        assert again.facts == found.facts
        assert [(d.amount, d.order_external_id) for d in w.sim.deposits()] == [
            (Decimal("54.89"), "shop-1001")
        ]

        w.sim.ship(int(number), tracking="T")
        back = PutRefund(
            "shop-1001-r1",
            number,
            Refund("r1", Decimal("20.00"), START_MS, (RefundLine("l0", Decimal(2), restocked=True),)),
            (OrderItem("l0", str(w.item), "21730", str(w.place), 2),),
            restocked=True,
        )
        before = w.sim.on_hand("21730", w.place)
        assert await w.find("put_refund", back) is None
        w.wire.lose = lambda r: "returnAuthorization" in r.url and r.method == "POST"
        assert (await w.do("put_refund", back)).result is Result.UNKNOWN
        assert await w.find("put_refund", back) is None  # the receipt's answer was not the one lost
        w.wire.lose = lambda r: r.url.endswith("itemReceipt")
        assert (await w.do("put_refund", back)).result is Result.UNKNOWN
        w.wire.lose = lambda _: False
        found = await w.find("put_refund", back)
        assert found is not None and found.result is Result.DONE
        assert (await w.do("put_refund", back)).facts == found.facts
        assert w.sim.on_hand("21730", w.place) == before + 2
        (held,) = w.sim.returns()
        assert held.lines == (("21730", 2, 2),)
        too_many = replace(back, reference="x", items=(replace(back.items[0], quantity=9),))
        assert (await w.do("put_refund", too_many)).result is Result.REJECTED

    assert not run(story).sim.ledger.breaches


def test_only_what_went_back_on_the_shelf_is_received():
    async def story(w: World) -> None:
        stocked(w)
        first = await w.do("put_order", put(w, 5, 4))
        number = first.facts["external_id"]
        w.sim.ship(int(number), tracking="T")
        # Of five lanterns two come back whole and one in pieces; the hanger that comes back is in pieces.
        lines = (
            RefundLine("l0", Decimal(2), restocked=True),
            RefundLine("l0", Decimal(1), restocked=False),
            RefundLine("l1", Decimal(1), restocked=False),
        )
        items = (
            OrderItem("l0", str(w.item), "21730", str(w.place), 2),
            OrderItem("l0", str(w.item), "21730", str(w.place), 1),
            OrderItem("l1", str(w.item2), "84406B", str(w.place), 1),
        )
        refund = Refund("r1", Decimal("31.20"), START_MS, lines)
        back = PutRefund("shop-1001-ref-r1", number, refund, items, restocked=True)
        before = [w.sim.on_hand(sku, w.place) for sku in ("21730", "84406B")]
        assert (await w.do("put_refund", back)).result is Result.DONE
        assert [w.sim.on_hand(sku, w.place) for sku in ("21730", "84406B")] == [before[0] + 2, before[1]]
        (held,) = w.sim.returns()
        assert sum(expected for _, expected, _ in held.lines) == 4
        assert sum(received for _, _, received in held.lines) == 2
        assert (await w.find("put_refund", back)).result is Result.DONE

    assert not run(story).sim.ledger.breaches


def test_a_payment_is_a_deposit_in_the_currency_of_its_order():
    async def story(w: World) -> None:
        first = await w.do("put_order", put(w, 2, currency="EUR"))
        number = first.facts["external_id"]
        euros = Payment("p1", Decimal("19.98"), "EUR", START_MS)
        paid = PutPayment("shop-1001-pay-1", number, "c-77", euros)
        assert (await w.do("put_payment", paid)).result is Result.DONE
        assert [(d.amount, d.currency) for d in w.sim.deposits()] == [(Decimal("19.98"), 2)]
        # What is paid in another is no deposit for the order, and one that the account does not know cannot be booked.
        other = replace(paid, reference="shop-1001-pay-2", payment=replace(euros, currency="GBP"))
        assert "salesOrder" in (await w.do("put_payment", other)).message
        other = replace(paid, reference="shop-1001-pay-3", payment=replace(euros, currency="USD"))
        outcome = await w.do("put_payment", other)
        assert outcome.result is Result.REJECTED and "netsuite.currencies" in outcome.message

    run(story, currencies={"GBP": "1", "EUR": "2"})


def test_nothing_is_sent_above_the_allowance():
    async def story(w: World) -> None:
        stocked(w)
        results = await asyncio.gather(
            *(w.do("put_order", replace(put(w, 1), reference=f"o-{n}")) for n in range(40))
        )
        assert {r.result for r in results} == {Result.DONE}
        assert w.sim.ledger.calls_by_operation["token"] == 1

    w = run(story, sim={"tier": "standard"})
    assert not w.sim.ledger.breaches


def test_the_check_says_what_works():
    async def story(w: World) -> None:
        stocked(w)
        await w.do("put_order", put(w, 1))
        assert all(ok for _, ok, _ in await w.system.check())

    run(story)

    async def wrong(w: World) -> None:
        found = {what: (ok, mend) for what, ok, mend in await w.system.check()}
        assert not found["time zone"][0] and "timezone" in found["time zone"][1]
        assert not found["concurrency allowance"][0]
        assert not found["push secret"][0] and not found["stock levels readable"][0]

    run(wrong, timezone="Europe/London", push_secrets=(), slots=50)


@pytest.mark.parametrize(("zone", "fits"), [("America/New_York", False), ("America/Los_Angeles", True)])
def test_a_clock_of_the_data_centre_does_not_prove_the_zone_of_stamps(zone, fits):
    """NetSuite's clock shows the zone that is configured; orders are stamped in Los Angeles."""

    async def story(w: World) -> None:
        stocked(w)
        await w.do("put_order", put(w, 1))

        def shown(at: ZoneInfo | timezone) -> str:
            return datetime.fromtimestamp(w.clock.now_ms() / 1000, at).strftime("%Y-%m-%d %H:%M:%S")

        def clock(request) -> Response | None:
            if b"erp_local" not in request.body:
                return None
            row = {"links": [], "erp_now": f"{shown(UTC)}.000", "erp_local": shown(ZoneInfo(zone))}
            return Response(200, {}, json.dumps({"items": [row], "hasMore": False}).encode())

        w.wire.replace = clock
        found = {what: (ok, mend) for what, ok, mend in await w.system.check()}
        assert found["time zone"][0] is fits, found["time zone"]
        assert fits or "is stamped 2026-01-05 00:" in found["time zone"][1]

    run(story, timezone=zone)


@pytest.mark.parametrize("seed", range(4))
def test_every_order_and_payment_exactly_once_whatever_fails(seed):
    async def once(w: World, operation: str, payload) -> dict:
        for _ in range(60):
            outcome = await w.do(operation, payload)
            if outcome.result is Result.UNKNOWN:
                await w.clock.sleep(5)
                while True:
                    try:
                        found = await w.find(operation, payload)
                        break
                    except (Retryable, Throttled):
                        await w.clock.sleep(1)
                if found is not None:
                    return found.facts
            elif outcome.result is Result.DONE:
                return outcome.facts
            else:
                assert outcome.result in (Result.RETRY, Result.NOT_SENT, Result.THROTTLED), outcome
            await w.clock.sleep(outcome.retry_after_s or 1)
        raise AssertionError

    async def sell(w: World, n: int) -> None:
        reference = f"o-{n}"
        first = await once(w, "put_order", replace(put(w, 2, 3, shipping="1.00"), reference=reference))
        number = first["external_id"]
        payment = Payment(f"p-{n}", Decimal("24.68"), "GBP", START_MS)
        await once(w, "put_payment", PutPayment(f"{reference}-p", number, "c-77", payment))
        revised = replace(put(w, 1, 3, shipping="1.00", external_id=number), reference=reference)
        await once(w, "put_order", revised)

    async def story(w: World) -> None:
        stocked(w)
        chance = Random(seed)
        w.sim.faults.throttle_rate = w.sim.faults.error_before_rate = w.sim.faults.error_after_rate = 0.1
        w.wire.lose = lambda r: "token" not in r.url and chance.random() < 0.1
        await asyncio.gather(*(sell(w, n) for n in range(12)))
        orders = w.sim.sales_orders_by_external_id()
        assert sorted(orders) == sorted(f"o-{n}" for n in range(12))
        for (truth,) in orders.values():
            assert [(x.quantity, x.role) for x in truth.lines] == [(1, "goods"), (3, "goods")]
        deposits = w.sim.deposits()
        assert sorted(d.external_id for d in deposits) == sorted(f"o-{n}-p" for n in range(12))

    assert not run(story).sim.ledger.breaches


def test_a_credential_that_ends_after_the_order_was_written():
    async def story(w: World) -> None:
        def revoke(request) -> Response | None:
            if request.method == "GET":
                w.sim.faults.reject_auth = True
            return None

        w.wire.replace = revoke
        outcome = await w.do("put_order", put(w, 1))
        assert outcome.result is Result.DONE and "not checked" in outcome.message
        assert w.sim.find_order("shop-1001") == int(outcome.facts["external_id"])

    run(story)
