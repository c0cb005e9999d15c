"""A buyer is forgotten: nothing that a run leaves behind tells of them, and the ERP hears nothing of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
import structlog

from syncline.engine.codec import decode
from syncline.engine.inquiry import search
from syncline.engine.operations import NotPossible, Operations
from syncline.engine.privacy import intake, traces
from syncline.engine.privacy.cases import LAST_MS, CaseState, moved
from syncline.engine.privacy.desk import Desk
from syncline.engine.privacy.eraser import Eraser
from syncline.engine.status import status
from syncline.model.change import Event, Kind, Via
from syncline.model.copying import replace
from syncline.model.privacy import Ask
from syncline.runtime.logs import configure
from syncline.simulate.customering import CustomerPlay
from syncline.simulate.history import HistoryLine, HistoryOrder
from syncline.simulate.restoring import Restoring
from syncline.simulate.sides import shopify as side
from syncline.simulate.simulation import HOOKS, START_MS, Plan
from syncline.simulate.world import ERP, SHOP
from syncline.stores.bodies import unpack

pytestmark = pytest.mark.simulation

CALM = Plan(faults=False, kills=0, asides=0)
WHO = "canary"
CANARIES = ("Quellwasser", "zwitscherling", "Vogelsang 17", "+49 30 5550142", "leave it with the neighbour")


def buyer(name: str):
    """The one who will be forgotten; all others are as ever."""
    if name != WHO:
        return MADE(name)
    return side.Buyer(
        first_name="Kanari",
        last_name="Quellwasser",
        email="zwitscherling@example.com",
        phone="+49 30 5550142",
        address1="Vogelsang 17",
        city="Reading",
        zip="RG1 1AA",
    )


MADE = side._buyer


class Lines:
    """A ledger that outlives the store."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def lines(self):
        return tuple(self.kept)

    def add(self, line: str) -> None:
        self.kept.append(line)


def everything_stored(store):
    """Every value of every table, messages as they were received."""
    connection = store._connection
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                text = value
                if isinstance(value, bytes):
                    text = unpack(value).decode("utf-8", "replace") if table == "event" else value.hex()
                yield f"{table}: {text}"


class Story(Restoring):
    """A few orders, told step by step."""

    def __init__(self, tell) -> None:
        super().__init__(7, CALM)
        self._tell = tell
        self.ledger = Lines()

    def _start(self) -> None:
        super()._start()
        self.engine.eraser._ledger = self.ledger

    async def _people(self, orders):
        """Nobody but who the story tells of."""

    async def _live_and_die(self):
        self.world.shop.subscribe_compliance(f"{HOOKS}/hooks/{SHOP}")
        await self.clock.sleep(120)
        await self._tell(self)

    async def order(self, name: str = WHO, *, settle_s: float = 60) -> int:
        sku, _ = self.world.trade._safe[0]
        lines = (HistoryLine(sku, sku, 2, Decimal("10.00")),)
        placed = self.world.trade.place(HistoryOrder(name, START_MS, name, "GB", lines))
        self.world.shop.orders[placed].note = CANARIES[4] if name == WHO else None
        await self.clock.sleep(settle_s)
        return placed

    def customer_of(self, placed: int) -> int:
        return self.world.shop.orders[placed].customer.id

    async def forget(self, placed: int) -> None:
        """As the shop tells it; the compliance webhook itself names the person."""
        self.world.shop.redact_customer(self.customer_of(placed), wait_s=1.0)
        await self.clock.sleep(120)

    def telling(self) -> list[str]:
        """What of the store still tells of the person."""
        return [
            text[:160]
            for text in everything_stored(self._store)
            if any(canary.lower() in text.lower() for canary in CANARIES)
        ]

    def in_erp(self, placed: int):
        """The order as the ERP holds it, with everything that it was given."""
        account = self.world.erp.account
        (found,) = [
            one
            for one in account.txns.values()
            if one.external_id == f"shop-{placed}" and one.record == "salesOrder"
        ]
        return found

    def address(self, placed: int) -> dict:
        """Where the ERP sends it."""
        return {name: value for name, value in self.in_erp(placed).fields.items() if "ddress" in name}

    async def cases(self):
        return await Desk(self.engine, self.engine.audit).requests()


async def forgotten(story: Story) -> None:
    """The whole way: shipped, parked, corrected by a person, forgotten, and told of again."""
    placed = await story.order()
    other = await story.order("somebody-else")
    story.world.trade.ship(5)
    await story.clock.sleep(120)
    operations = Operations(story.engine)
    body = f'{{"id": "none", "email": "zwitscherling@example.com", "order": {placed}}}'
    event = Event(SHOP, "orders/create", "broken", Via.EVENT, story.clock.now_ms(), body.encode())
    await story._store.append([event], received_at_ms=story.clock.now_ms())
    story.engine.applier.wake()
    await story.clock.sleep(5)
    (entry,) = await operations.parked()
    await operations.edit(entry.id, body.replace("none", "still none"), by="Ada")
    assert len(story.telling()) > 8
    tables = {text.partition(":")[0] for text in story.telling()}
    assert {"event", "record", "intent", "parked", "audit"} <= tables
    before = story._effects()
    version = (await story._store.read("records_get", system=SHOP, kind="order", keys=[str(placed)]))[0][1]

    await story.forget(placed)
    assert story.telling() == []
    (case,) = await story.cases()
    assert (case.ask, case.state, case.email, case.orders) == (Ask.ERASE, CaseState.DONE, "", (str(placed),))
    assert case.found["orders"] == 1
    assert case.found["calls"] >= 1
    assert case.found["parked entries"] == 1
    assert case.found["audit entries"] == 1
    assert (await operations.audit.verify()).holds
    rows = await story._store.read("records_get", system=SHOP, kind="order", keys=[str(placed), str(other)])
    assert len(rows) == 2
    assert rows[0][1] == version
    assert "somebody-else@example.com" in "".join(row[4] for row in rows)
    with pytest.raises(NotPossible, match="erased"):
        await operations.release(entry.id, by="Ada")
    lives = await search(story.engine, str(placed))
    seen = (
        f"{lives!r} {await status(story.engine, story.clock.now_ms())!r} {await operations.audit.newest()!r}"
    )
    assert not any(canary.lower() in seen.lower() for canary in CANARIES)

    # The shop tells of the order again, with the person, because it was late or does not erase as we do.
    story.world.shop.order_updated(story.world.shop.orders[placed])
    await story.clock.sleep(300)
    assert story.telling() == []
    assert story._effects() == before, "nothing is written for it"

    # Nor where somebody asks for the whole order to be compared again.
    await operations.replay_order(str(placed), by="Ada")
    await story.clock.sleep(60)
    assert story._effects() == before
    assert story.telling() == []


def test_a_buyer_is_forgotten_everywhere_and_the_erp_hears_nothing_of_it(capsys, monkeypatch):
    monkeypatch.setattr(side, "_buyer", buyer)
    configure()
    try:
        story = Story(forgotten)
        report = story.run()
    finally:
        structlog.reset_defaults()
    assert report.violations == [], report.text()
    assert "zwitscherling@example.com" in str(story.world.shop.state.customers)
    said = capsys.readouterr()
    assert "personal_data_erased" in said.err
    assert [canary for canary in CANARIES if canary.lower() in f"{said.out}{said.err}".lower()] == []


class Company(CustomerPlay):
    """In the end a company of the ERP is to be forgotten; the ERP goes on telling of it, and changes it."""

    async def _converge(self):
        problems, after_s = await super()._converge()
        shop = self.world.shop
        key = next(one for one in self.customering.customers if shop.company_of(str(one)) is not None)
        company = shop.company_of(str(key))
        (row,) = await self._store.read("records_get", system=ERP, kind="customer", keys=[str(key)])
        words = [one.email for one in decode(Kind.CUSTOMER, row[4]).contacts if one.email]
        assert words
        before = self.held(str(key), words)
        assert {text.partition(":")[0] for text in before} >= {"event", "record", "content", "intent"}
        shown = (company.name, sum(bool(one.assignments) for one in company.contacts))
        await Desk(self.engine, self.engine.audit).erase(ERP, customer=str(key), by="Ada")
        await self.clock.sleep(120)
        self.left = [self.held(str(key), words)]
        self.world.erp.edit_customer(key, companyName="Renamed by its owner")
        await self.clock.sleep(self.world.pace.poll_ms / 1000 + 900)
        self.left.append(self.held(str(key), [*words, "Renamed by its owner"]))
        self.same = shown == (company.name, sum(bool(one.assignments) for one in company.contacts))
        self.states = [one.state for one in await Desk(self.engine, self.engine.audit).requests()]
        return problems, after_s

    def held(self, key: str, words: list[str]) -> list[str]:
        return [
            text[:160]
            for text in everything_stored(self._store)
            if any(word.lower() in text.lower() for word in words)
        ]


def test_a_company_is_forgotten_and_stays_at_the_channel_as_it_was():
    played = Company(1, Plan(orders=2, skus=8, minutes=4, kills=0, asides=0, faults=False))
    report = played.run()
    assert report.violations == [], report.text()
    assert played.left == [[], []]
    assert played.same
    assert played.states == [CaseState.DONE]


async def revised(story: Story) -> None:
    """An order that is edited after its buyer was forgotten."""
    placed = await story.order()
    kept = story.address(placed)
    assert "Vogelsang 17" in str(kept)
    await story.forget(placed)
    story.world.shop.edit_order(placed, story.world.shop.orders[placed].lines[0].id, 1)
    await story.clock.sleep(120)
    goods = [
        one.quantity for one in story.in_erp(placed).lines if one.quantity and not one.closed and not one.memo
    ]
    assert goods[0] == 1
    assert story.address(placed) == kept
    assert story.telling() == []


async def under_way(story: Story) -> None:
    """While the ERP cannot be reached, the order still needs its buyer; so the request waits, and is done by itself."""
    story.world.erp.faults.down = True
    placed = await story.order()
    await story.forget(placed)
    (case,) = await story.cases()
    assert case.state is CaseState.WAITING
    assert [why for why in case.waits if "put_order at erp" in why]
    assert story.telling()
    story.world.erp.faults.down = False
    await story.clock.sleep(2 * 900)
    assert "Vogelsang 17" in str(story.address(placed)), "it was sent with its buyer"
    assert [one.state for one in await story.cases()] == [CaseState.DONE]
    assert story.telling() == []


async def too_late(story: Story) -> None:
    """Shortly before the deadline nothing is waited for any more: the order goes to the ERP without its buyer."""
    story.world.erp.faults.down = True
    placed = await story.order()
    await story.forget(placed)
    (case,) = await story.cases()
    assert case.state is CaseState.WAITING
    await story._store.write(moved(replace(case, deadline_ms=story.clock.now_ms() + LAST_MS + 60_000)))
    story.engine.eraser.wake()
    await story.clock.sleep(10)
    assert story.telling()
    await story.clock.sleep(900)
    assert story.telling() == []
    assert [one.state for one in await story.cases()] == [CaseState.DONE]
    story.world.erp.faults.down = False
    await story.clock.sleep(1800)
    assert story.address(placed) == {}
    given = f"{story.in_erp(placed).fields} {story.world.erp.account.customers}"
    assert not any(canary.lower() in given.lower() for canary in CANARIES)
    assert story.telling() == []


async def restored(story: Story) -> None:
    """A backup from before brings the buyer back, and the ledger takes them out again before anything is sent."""
    placed = await story.order()
    copied = story.take_copy()
    await story.forget(placed)
    assert story.telling() == []
    assert not any(canary.lower() in line.lower() for canary in CANARIES for line in story.ledger.kept)
    before = story._effects()
    await story._kill("story")
    story.put_back(copied)
    assert story.telling()
    story._start()
    story._prepare_soon()
    await story.clock.sleep(1800)
    assert story.telling() == []
    (case,) = await story.cases()
    assert case.state is CaseState.DONE
    assert story._effects()["erp salesOrder.put"] == before["erp salesOrder.put"]


async def asked_for(story: Story) -> None:
    """A person asks what is held of a customer, and for another to be erased by the address alone."""
    placed = await story.order()
    desk = Desk(story.engine, story.engine.audit)
    story.world.shop.request_customer_data(story.customer_of(placed))
    await story.clock.sleep(60)
    (case,) = await story.cases()
    assert (case.ask, case.state) == (Ask.EXPORT, CaseState.ASKED)
    (note,) = await Operations(story.engine).parked()
    assert (note.operation, note.reason, note.can_release) == ("tell_customer", "data_requested", False)
    assert case.id in note.detail
    held = await desk.answer(case.id, by="Ada")
    assert await Operations(story.engine).parked() == []
    assert [order["customer"]["email"] for order in held.orders] == ["zwitscherling@example.com"]
    assert {row[1] for row in held.ids} >= {f"shop-{placed}"}
    assert any("put_order" in call.operation for call in held.calls)
    assert any("Quellwasser" in message.body for message in held.messages)
    assert (await story.cases())[0].state is CaseState.DONE
    with pytest.raises(NotPossible):
        await desk.answer("nothing", by="Ada")
    with pytest.raises(NotPossible):
        await desk.erase(SHOP, by="Ada")
    with pytest.raises(NotPossible):
        await desk.erase("nowhere", email="x@example.com", by="Ada")
    assert story.telling()
    await desk.erase(SHOP, email="Zwitscherling@example.com", by="Ada")
    await story.clock.sleep(60)
    assert story.telling() == []
    held = await desk.export(SHOP, customer=str(story.customer_of(placed)), by="Ada")
    assert "zwitscherling" not in str(held).lower()
    assert [order["key"] for order in held.orders] == [str(placed)]


async def left(story: Story) -> None:
    """The shop leaves the app: everybody is forgotten, order by order."""
    placed = [await story.order(), await story.order("somebody-else")]
    story.world.shop.uninstall(wait_s=1.0)
    await story.clock.sleep(120)
    (case,) = await story.cases()
    assert (case.ask, case.state, case.found["orders"]) == (Ask.ERASE_ALL, CaseState.DONE, len(placed))
    assert story.telling() == []
    assert not any("somebody-else@example.com" in text for text in everything_stored(story._store))


@pytest.mark.parametrize("tell", [revised, under_way, too_late, restored, asked_for, left])
def test_a_story_of_being_forgotten(tell, monkeypatch):
    monkeypatch.setattr(side, "_buyer", buyer)
    report = Story(tell).run()
    assert report.violations == [], report.text()


def without_marks(monkeypatch):
    async def nobody(self, decoded):
        return set()

    monkeypatch.setattr(intake.Intake, "_erased", nobody)


async def nothing_done(*what):
    return 0


def without_the_log(monkeypatch):
    monkeypatch.setattr(Eraser, "_messages", nothing_done)


def without_parked_work(monkeypatch):
    monkeypatch.setattr(Eraser, "_parked", nothing_done)


def without_the_audit(monkeypatch):
    monkeypatch.setattr(Eraser, "_audited", nothing_done)


def without_fingerprints(monkeypatch):
    monkeypatch.setattr(traces, "order_fingerprint", lambda order: "another")


def without_calls(monkeypatch):
    monkeypatch.setattr(traces, "_calls", nothing_done)


def at_once(monkeypatch):
    async def nothing(self, case):
        return []

    monkeypatch.setattr(Eraser, "_waits", nothing)


def without_the_ledger(monkeypatch):
    monkeypatch.setattr(Lines, "lines", lambda self: ())


@pytest.mark.parametrize(
    ("tell", "mistake"),
    [
        (forgotten, without_marks),
        (forgotten, without_the_log),
        (forgotten, without_parked_work),
        (forgotten, without_the_audit),
        (forgotten, without_fingerprints),
        (forgotten, without_calls),
        (under_way, at_once),
        (restored, without_the_ledger),
    ],
)
def test_a_mistake_is_caught(tell, mistake, monkeypatch):
    monkeypatch.setattr(side, "_buyer", buyer)
    mistake(monkeypatch)
    try:
        report = Story(tell).run()
    except AssertionError:
        return
    assert report.violations
