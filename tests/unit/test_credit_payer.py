"""For whom an order is booked in the ERP, so that it counts where it was approved."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.support import change, line, order
from tests.unit.test_credit import MINUTE, World, told

from syncline.credit.rules import Conflict, CreditRules
from syncline.engine.adoption import Adoption
from syncline.engine.apply.credit import claim_of, claims_of
from syncline.engine.delivery.payer import Payer, Payers
from syncline.engine.routes import Route, Routes, customer_reference, reference_of
from syncline.mapping.customers import CustomerRules
from syncline.model.change import Flow, Kind
from syncline.model.copying import replace
from syncline.model.records import Customer, ErpOrder
from syncline.ports import Write
from syncline.runtime.credit import CreditConfig

D = Decimal
PLACED = order(line("1", "A", 1, "100"), key="7001", customer=Customer("c9"))


def routes(rules: CreditRules, **merged: str) -> Routes:
    customers = CustomerRules(merged=merged)
    return Routes(
        [
            Route(Flow.ORDERS, "shop", "erp", 10_000),
            Route(Flow.CREDIT, "erp", "shop", 300_000, credit=rules),
            Route(Flow.CUSTOMERS, "erp", "shop", 300_000, customers=customers),
        ]
    )


async def bind(world: World, account: str) -> None:
    """The buyer is one of the ERP's customers."""
    row = {
        "system": "erp", "kind": "customer", "key": customer_reference("shop", "c9"), "external_id": account, "version": 0,
        "hash": "", "now_ms": world.clock.now_ms(),
    }  # fmt: skip
    await world.store.write(Write("binding_put", [row]))


async def payer(world: World, rules: CreditRules, placed=PLACED, **merged: str) -> Payer:
    """Who is to pay for the order that was placed."""
    known = routes(rules, **merged)
    customer = replace(placed.customer, key=customer_reference("shop", placed.customer.key))
    payers = Payers(world.store, known, Adoption(world.store, known, {}), "erp")
    return await payers.of("shop", placed, customer, world.clock.now_ms())


async def placed(world: World, approved: str, bound: str = "") -> None:
    """An order that an account was approved for, of a buyer who may be known."""
    for account in ("107", "108"):
        await world.figures(account=account)
    if bound:
        await bind(world, bound)
    await world.ask("100", "cart", account=approved, order=PLACED.number)
    await world.order("100", customer=PLACED.customer)


async def counted(world: World) -> dict[str, D]:
    """What of each account is used."""
    found = {}
    for account in ("107", "108"):
        found[account] = D(1000) - (await world.gate.look("shop", account)).available
    return found


def test_an_order_is_booked_for_the_account_that_was_approved_for_it():
    async def story(world):
        await placed(world, "107")
        return await payer(world, CreditRules()), await counted(world)

    assert told(story) == (Payer("107"), {"107": D(100), "108": D(0)})


@pytest.mark.parametrize(
    ("conflict", "account", "parks", "counts"),
    [
        (Conflict.PARK, "", True, "107"),
        (Conflict.APPROVAL, "107", False, "107"),
        (Conflict.BUYER, "108", False, "108"),
    ],
)
def test_where_approval_and_buyer_differ_the_route_decides_and_the_order_counts_there(
    conflict, account, parks, counts
):
    rules = CreditRules(mirror=False, conflict=conflict)

    async def story(world):
        await placed(world, "107", bound="108")
        found = await payer(world, rules)
        return found, await counted(world), (await world.gate.show("cart")).state

    found, used, state = told(story, rules)
    assert (found.account, bool(found.conflict), found.writes) == (account, parks, ())
    assert used == {"107": D(0), "108": D(0), counts: D(100)}
    assert state == "replaced"


def test_an_order_that_waited_for_a_person_counts_where_it_is_booked_then():
    async def story(world):
        await placed(world, "107", bound="108")
        assert (await payer(world, CreditRules())).conflict
        found = await payer(world, CreditRules(conflict=Conflict.BUYER))
        await world.store.write(*found.writes)
        again = await payer(world, CreditRules(conflict=Conflict.BUYER))
        return found, again, await counted(world)

    found, again, used = told(story)
    assert found.account == "108"
    marked = next(write for write in found.writes if write.statement == "state_mark")
    assert {row["key"] for row in marked.rows} == {"107", "108"}, "both accounts' channels are told"
    assert (again, used) == (Payer("108"), {"107": D(0), "108": D(100)})


def test_an_account_that_was_merged_pays_as_its_heir():
    async def story(world):
        await placed(world, "107", bound="107")
        found = await payer(world, CreditRules(), **{"107": "108"})
        await world.store.write(*found.writes)
        return found, await counted(world)

    found, used = told(story)
    assert (found.account, found.conflict) == ("108", "")
    assert used == {"107": D(0), "108": D(100)}


def test_without_an_approval_or_a_route_of_credit_the_buyer_pays():
    async def story(world):
        await bind(world, "108")
        known = Routes([Route(Flow.ORDERS, "shop", "erp", 10_000)])
        bare = Payers(world.store, known, Adoption(world.store, known, {}), "erp")
        customer = Customer(customer_reference("shop", "c9"))
        nobody = await bare.of("shop", PLACED, customer, world.clock.now_ms())
        return await payer(world, CreditRules()), nobody

    assert told(story) == (Payer("108"), Payer())


def test_the_last_approval_that_holds_says_whose_an_order_is():
    async def story(world):
        (credit,) = world.gate._all
        for account in ("107", "108"):
            await world.figures(account=account)
        seen = []
        for reference, account in (("z", "107"), ("a", "108")):  # the second one takes the place of the first
            await world.ask("100", reference, account=account, order="7001")
            seen.append((await claims_of(world.store, credit, [PLACED]))["7001"].account)
            world.wait(1)
        world.wait(16 * MINUTE)
        await world.figures(account="108")
        seen.append((await claims_of(world.store, credit, [PLACED]))["7001"].account)
        await world.order("100")
        seen.append((await claims_of(world.store, credit, [PLACED]))["7001"])
        return seen

    *asked, claimed = told(story)
    assert asked == ["107", "108", "108"]
    assert (claimed.account, claimed.own) == ("108", True)


def test_an_order_that_the_erp_booked_for_somebody_else_goes_on_counting():
    async def story(world):
        await world.figures()
        await world.ask("100", "cart")
        await world.order("100", customer=PLACED.customer)
        await booked(world, "900")
        await world.gate.confirm("cart", order="#7001")  # too late: it was booked for the guests' customer
        left = []
        for account in ("900", "107"):
            world.wait(MINUTE)
            await booked(world, account)
            world.wait(MINUTE)
            await world.figures(unbilled="100" if account == "107" else "0")
            left.append(await world.available())
        rows = await world.store.read("credit_claim", reference=claim_of("shop", "7001"))
        return left, rows[0][1]

    assert told(story) == ([D(900), D(900)], "107")


def test_an_order_that_nobody_approved_is_whose_the_erp_says():
    async def story(world):
        await world.figures()
        await bind(world, "107")
        await world.order("100", customer=PLACED.customer)
        left = [await world.available()]
        await booked(world, "900")  # its invoices are another's to pay
        world.wait(MINUTE)
        await world.figures()
        return [*left, await world.available()]

    assert told(story) == [D(900), D(1000)]


def test_the_configuration_says_whose_such_an_order_is():
    assert CreditConfig().rules("f").conflict is Conflict.PARK
    assert CreditConfig(conflict="buyer").rules("f").conflict is Conflict.BUYER


async def booked(world: World, account: str) -> None:
    """The ERP tells for whom it holds the order."""
    now_ms = world.clock.now_ms()
    reference = reference_of("shop", "7001")
    row = {
        "system": "erp", "kind": "order", "key": reference, "external_id": "9", "version": now_ms, "hash": "h",
        "now_ms": now_ms,
    }  # fmt: skip
    await world.store.write(Write("binding_put", [row]))
    told = ErpOrder(reference, "9", "B", commits_stock=True, lines=(), erp_stamp_ms=now_ms, account=account)
    await world.tell("erp", change(Kind.ERP_ORDER, reference, told, version=now_ms))
