"""What erasing finds by keys and by words, table by table, and what it leaves alone."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from tests.web.support import StillClock, make_engine, record

from syncline.engine.adopt.orders import WHOLE, Kept
from syncline.engine.codec import encode
from syncline.engine.operations import NotPossible
from syncline.engine.privacy.cases import LAST_MS, CaseState, asked, case_of, moved
from syncline.engine.privacy.desk import Desk
from syncline.engine.routes import Route
from syncline.model.census import ListedCustomer
from syncline.model.change import Event, Flow, Kind, Via
from syncline.model.copying import replace
from syncline.model.customers import Company, Contact
from syncline.model.errors import Misconfigured, Retryable
from syncline.model.payloads import PutOrder
from syncline.model.privacy import Ask, PrivacyRequest
from syncline.model.records import Address, Customer, Order
from syncline.ports import Searched, Write
from syncline.stores.sqlite import SqliteStore

EMAIL, NAME, STREET = "zwitscherling@example.com", "Kanari Quellwasser", "Vogelsang 17"
MINUTE = 60_000
CUSTOMERS, ORDERS, OUTLET = "customers:erp->shop", "orders:shop->erp", "orders:outlet->erp"


def an_order(key: str = "7", **more) -> Order:
    values = {
        "key": key, "number": f"#{key}", "placed_at_ms": 1, "updated_at_ms": 1, "currency": "EUR", "lines": (),
        "shipping": Decimal(0), "tax": Decimal(0), "total": Decimal(0), "complete": True,
        "customer": Customer("9", NAME, EMAIL), "shipping_to": Address(NAME, line1=STREET, country="GB"),
    }  # fmt: skip
    return Order(**(values | more))


@pytest.fixture
async def engine():
    clock = StillClock()
    made = await make_engine(clock, SqliteStore.open(":memory:", now_ms=clock.now_ms()))
    more = [
        Route(Flow.CUSTOMERS, "erp", "shop", 60 * MINUTE),
        Route(
            Flow.ORDERS, "outlet", "erp", 60 * MINUTE
        ),  # another shop, which counts its orders as the first
    ]
    made.routes.all = (*made.routes.all, *more)
    made.routes._by_name |= {route.name: route for route in more}
    await made.applier._lease.take()
    return made


async def keep(engine, kind: Kind, key: str, value, system: str) -> None:
    row = record(system, kind, key, value, engine.clock.now_ms())
    await engine.store.write(Write("record_put", [row]))


async def deliver(engine, system, operation, key, route, *, reason="", state="completed") -> None:
    now = engine.clock.now_ms()
    at = {"system": system, "operation": operation, "key": key}
    due = {"changed_at_ms": now, "deliver_by_ms": now, "not_before_ms": now, "now_ms": now}
    done = {"state": state, "generation": 1, "not_before_ms": now, "reason": reason, "uncounted": 0}
    await engine.store.write(
        Write("delivery_fact", [{**at, "route": route, **due}]),
        Write("delivery_finish", [{**at, **done, "now_ms": now}]),
    )


async def call(engine, id_, system, operation, key, payload, *, message="", ended=True) -> None:
    now = engine.clock.now_ms()
    items = json.dumps({key: json.loads(encode(payload))}) if payload is not None else "{}"
    at = {"intent": id_, "system": system, "operation": operation, "key": key}
    intent = {"id": id_, "system": system, "operation": operation, "items": items, "now_ms": now}
    attempt = {**at, "generation": 1, "result": "done", "message": message, "now_ms": now}
    writes = [Write("intent_put", [intent]), Write("attempt_put", [attempt])]
    if ended:
        writes.append(Write("intent_finish", [{"id": id_, "result": "known", "now_ms": now}]))
    await engine.store.write(*writes)


async def erase(engine, system="shop", **who) -> None:
    await Desk(engine, engine.audit).erase(system, by="Ada", **who)
    await engine.eraser.look()


def telling(engine, *words: str) -> list[str]:
    """Where the store still has one of some words."""
    connection = engine.store._connection
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [
        table
        for table in tables
        for row in connection.execute(f'SELECT * FROM "{table}"')
        if any(word.lower() in str(row).lower() for word in words)
    ]


async def test_what_others_said_of_a_customer_of_the_erp_is_erased(engine):
    company = Company("42", "Quellwasser Ltd", contacts=(Contact("1", "Kanari", "Quellwasser", EMAIL),))
    await keep(engine, Kind.CUSTOMER, "42", company, "erp")
    why = f"rejected: the address {EMAIL} belongs to another customer"
    await deliver(engine, "shop", "put_customer", "42", CUSTOMERS, reason=why)
    engine.store._connection.execute(
        "INSERT INTO difference (route, key, cause, subject, detail, units, state, proof, first_at_ms, seen_at_ms, times)"
        " VALUES (?, '42', 'missing', '', ?, 0, 'open', '', 1, 1, 1)",
        (CUSTOMERS, f"{EMAIL} is not there"),
    )
    assert set(telling(engine, EMAIL)) == {"record", "delivery", "difference"}
    await erase(engine, "erp", customer="42")
    assert telling(engine, EMAIL, NAME) == []


async def test_what_an_adoption_has_read_is_erased_although_it_keeps_messages_packed(engine):
    await keep(engine, Kind.ORDER, "7", an_order(), "shop")
    told = json.dumps({"id": 7, "email": EMAIL, "name": NAME}).encode()
    event = Event("shop", "order.read", "e", Via.READ, 1, told)
    other = Event("shop", "order.read", "f", Via.READ, 1, b'{"email": "somebody@example.com"}')
    rows = {
        (WHOLE, "7"): Kept(1, event), (WHOLE, "8"): Kept(1, other),
        ("customers", "9"): ListedCustomer("9", NAME),
        ("customers", "10"): ListedCustomer("10", "Somebody", "somebody@example.com"),
    }  # fmt: skip
    kept = [
        {"system": "shop", "kind": kind, "key": key, "body": encode(row)} for (kind, key), row in rows.items()
    ]
    await engine.store.write(Write("adoption_put", kept))
    await erase(engine, customer="9")
    left = {
        (kind, key): body
        for kind in (WHOLE, "customers")
        for key, body in await engine.store.read(
            "adoption_after", system="shop", kind=kind, after="", limit=9
        )
    }
    assert left[WHOLE, "7"] == encode(Kept(0, replace(event, body=b"")))
    assert left["customers", "9"] == encode(ListedCustomer("9"))
    for same in ((WHOLE, "8"), ("customers", "10")):
        assert left[same] == encode(rows[same])


async def test_an_order_of_another_shop_with_the_same_number_is_left_as_it_is(engine):
    mine = an_order()
    theirs = an_order(customer=Customer("3", "Somebody Else", "somebody@example.com"), shipping_to=None)
    await keep(engine, Kind.ORDER, "7", mine, "shop")
    await keep(engine, Kind.ORDER, "7", theirs, "outlet")
    for route, revision, order in ((ORDERS, "1", mine), (OUTLET, "2", theirs)):
        key, name = f"7\x1f{revision}", route.partition(":")[2].partition("-")[0]
        await deliver(engine, "erp", "put_order", key, route, reason=f"said of {name}")
        await call(
            engine, name, "erp", "put_order", key, PutOrder(f"{name}-7", order, ()), message=f"to {name}"
        )
        parked = {
            "system": "erp", "operation": "put_order", "key": key, "reason": "rejected", "detail": f"why of {name}",
            "payload": "{}", "now_ms": 1,
        }  # fmt: skip
        await engine.store.write(Write("parked_put", [parked]))
    held = await Desk(engine, engine.audit).export("shop", customer="9", by="Ada")
    assert [call.key for call in held.calls] == ["7\x1f1"]
    await erase(engine, customer="9")
    assert telling(engine, EMAIL, NAME, "said of shop", "to shop", "why of shop") == []
    assert set(telling(engine, "somebody@example.com")) == {"record", "intent"}
    for kept, table in (
        ("said of outlet", "delivery"),
        ("to outlet", "attempt"),
        ("why of outlet", "parked"),
    ):
        assert telling(engine, kept) == [table]


async def test_nobody_waits_for_another_shops_order(engine):
    await keep(engine, Kind.ORDER, "7", an_order(), "shop")
    await deliver(engine, "erp", "put_order", "7\x1f2", OUTLET, state="parked")
    await erase(engine, customer="9")
    (case,) = await Desk(engine, engine.audit).requests()
    assert case.state is CaseState.DONE


async def test_a_call_without_an_answer_keeps_the_request_open_even_at_its_end(engine):
    """What it carries is needed to find out what became of it; it is erased once that is known."""
    await keep(engine, Kind.ORDER, "7", an_order(), "shop")
    await deliver(engine, "erp", "put_order", "7\x1f1", ORDERS, state="retryable")
    await call(engine, "open", "erp", "put_order", "7\x1f1", PutOrder("shop-7", an_order(), ()), ended=False)
    desk = Desk(engine, engine.audit)
    case = await desk.erase("shop", customer="9", by="Ada")
    late = replace(case, deadline_ms=engine.clock.now_ms() + LAST_MS)
    await engine.store.write(moved(late))
    assert await engine.eraser.look()
    (case,) = await desk.requests()
    assert case.state is CaseState.WAITING
    assert case.waits == ("order 7: a call of put_order to erp is not answered yet",)
    assert set(telling(engine, EMAIL)) == {"intent"}
    now = engine.clock.now_ms()
    await engine.store.write(Write("intent_finish", [{"id": "open", "result": "known", "now_ms": now}]))
    assert not await engine.eraser.look()
    (case,) = await desk.requests()
    assert case.state is CaseState.DONE
    assert telling(engine, EMAIL, NAME) == []


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ({"email": "  "}, "nobody_named"),
        ({"customer": " ", "orders": ["", " "]}, "nobody_named"),
        ({"email": "example"}, "no_email"),
        ({"email": "@example.com"}, "no_email"),
    ],
)
async def test_a_request_names_somebody_and_no_word_that_others_use(engine, who, code):
    with pytest.raises(NotPossible) as refused:
        await Desk(engine, engine.audit).erase("shop", by="Ada", **who)
    assert refused.value.code == code
    assert await Desk(engine, engine.audit).requests() == []


class Spool:
    """A connector's copies: which orders they have, and what stays in them."""

    def __init__(self, *orders: str, left: tuple[str, ...] = (), broken: bool = False) -> None:
        self.orders, self.left, self.broken = orders, left, broken
        self.erased: list[str] = []

    async def search(self, whose, tells, *, erase):
        if self.broken:
            raise Misconfigured("the spool cannot be used")
        assert tells(f"{NAME} of {STREET}") or not tells(EMAIL)
        mine = sorted(await whose(self.orders))
        self.erased += mine if erase else []
        return Searched(len(mine), ("a.csv", *self.left), self.left)


def with_copies(engine, **copies) -> None:
    known = engine.eraser._systems
    engine.eraser._systems = {
        name: replace(system, copies=copies.get(name)) for name, system in known.items()
    }


async def test_copies_of_files_are_searched_and_what_is_left_is_named(engine):
    await keep(engine, Kind.ORDER, "7", an_order(), "shop")
    shop, erp = Spool("7", "8"), Spool("7", left=("b.csv, taken 2026-11-01",))
    with_copies(engine, shop=shop, erp=erp)
    held = await Desk(engine, engine.audit).export("shop", customer="9", by="Ada")
    assert held.files == (("erp", "a.csv"), ("erp", "b.csv, taken 2026-11-01"), ("shop", "a.csv"))
    assert shop.erased == []
    await erase(engine, customer="9")
    assert (shop.erased, erp.erased) == (["7"], [])  # the ERP has that number for another order
    (case,) = await Desk(engine, engine.audit).requests()
    assert (case.state, case.found["orders in files"]) == (CaseState.DONE, 1)
    assert case.waits == ("erp keeps a file that tells of the person: b.csv, taken 2026-11-01",)


async def test_of_a_system_whose_customers_all_go_every_known_order_goes_from_its_copies(engine):
    for key in ("7", "8"):
        await keep(engine, Kind.ORDER, key, an_order(key), "shop")
    shop = Spool("7", "8", "9")  # the last is still to be told
    with_copies(engine, shop=shop)
    now = engine.clock.now_ms()
    case = case_of("shop", PrivacyRequest("all", Ask.ERASE_ALL), by="", now_ms=now)
    await engine.store.write(asked(case))
    assert not await engine.eraser.look()
    assert shop.erased == ["7", "8"]


async def test_copies_that_cannot_be_searched_keep_the_request_open(engine):
    await keep(engine, Kind.ORDER, "7", an_order(), "shop")
    with_copies(engine, shop=Spool(broken=True))
    with pytest.raises(Retryable, match="shop: the spool"):
        await erase(engine, customer="9")
    with_copies(engine, shop=Spool("7"))
    assert not await engine.eraser.look()
    assert telling(engine, EMAIL, NAME) == []
