"""Who may buy on credit: what counts, what is decided, and that it counts once."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.checkout import Clock, Told
from tests.unit.support import START_MS, change, line, order

from syncline.credit.exposure import Claim, down, judge, of_parts, tag_of, up
from syncline.credit.rules import CreditPolicy, CreditRules, Decision
from syncline.engine.apply.applier import Applier
from syncline.engine.apply.credit import CreditNews, claim_of
from syncline.engine.catalog import Catalog
from syncline.engine.credit import FIRM_MS, CreditGate, CreditRefused
from syncline.engine.derive.demand import DemandLearner
from syncline.engine.derive.stock import StockDeriver
from syncline.engine.leases import Lease
from syncline.engine.routes import Route, Routes, customer_reference, reference_of
from syncline.model.capabilities import Capabilities
from syncline.model.change import Event, Flow, Kind, Via
from syncline.model.copying import replace
from syncline.model.credit import Credit
from syncline.model.records import Customer, ErpOrder, Payment
from syncline.ports import System, Write
from syncline.stores.sqlite import SqliteStore

MINUTE = 60_000
USUAL = CreditPolicy()
UNTOLD = CreditRules(mirror=False)
D = Decimal
LIMITED = Credit("107", "GBP", D(1000), D(300), D(200), read_began_ms=START_MS)


def judged(credit=LIMITED, amount="100", claims=(), policy=USUAL, currency="GBP", age_ms=0):
    return judge(
        credit, claims, policy, D(amount), currency, contains_ms=START_MS, age_ms=age_ms, now_ms=START_MS
    )


def claim(amount: str, state: str = "open", **more) -> Claim:
    return Claim("c", state, up(D(amount)), "GBP", **{"expires_at_ms": START_MS + 1, **more})


# --- what is decided -------------------------------------------------------------------------------


def test_the_exposure_is_the_sum_of_its_parts_and_the_last_of_the_credit_can_be_used():
    found = judged(amount="500")
    assert (found.decision, found.exposure, found.available) == (Decision.APPROVE, D(1000), D(500))
    assert {part.name: part.amount for part in found.parts} == {
        "balance": D(300), "unbilled_orders": D(200), "approvals": D(0), "orders_not_in_erp": D(0),
        "this_order": D(500),
    }  # fmt: skip
    assert found.room == down(D(500))
    over = judged(amount="500.01")
    assert (over.decision, over.reason) == (Decision.DENY, "over_limit")


def test_what_the_figures_lack_counts_and_what_they_contain_does_not():
    counted = [
        claim("100"),
        claim("50", "confirmed"),
        claim("30", "ordered"),
        claim("7", "ordered", our_stamp_ms=START_MS + 1),
    ]
    left_out = [claim("500", "ordered", our_stamp_ms=START_MS), claim("500", expires_at_ms=START_MS)]
    found = judged(amount="313", claims=[*counted, *left_out])
    assert {part.name: part.amount for part in found.parts} == {
        "balance": D(300), "unbilled_orders": D(200), "approvals": D(150), "orders_not_in_erp": D(37),
        "this_order": D(313),
    }  # fmt: skip
    assert found.decision is Decision.APPROVE
    assert judged(amount="313.01", claims=counted).decision is Decision.DENY


@pytest.mark.parametrize(
    ("credit", "more", "decision", "reason"),
    [
        (None, {}, "hold", "unknown_account"),
        (None, {"policy": CreditPolicy(missing=Decision.APPROVE)}, "approve", "unknown_account"),
        (replace(LIMITED, limit=None), {}, "hold", "no_limit"),
        (replace(LIMITED, limit=None), {"policy": CreditPolicy(unlimited=Decision.APPROVE)}, "approve", "no_limit"),
        (replace(LIMITED, on_hold=True), {}, "deny", "on_hold"),
        (replace(LIMITED, on_hold=True), {"policy": CreditPolicy(on_hold=Decision.HOLD)}, "hold", "on_hold"),
        (LIMITED, {"age_ms": 15 * MINUTE}, "approve", "within_limit"),
        (LIMITED, {"age_ms": 15 * MINUTE + 1}, "hold", "old_figures"),
        (LIMITED, {"age_ms": 99 * MINUTE, "policy": CreditPolicy(old=Decision.DENY)}, "deny", "old_figures"),
        (LIMITED, {"age_ms": 99 * MINUTE, "policy": CreditPolicy(old=Decision.APPROVE)}, "approve", "within_limit"),
        (LIMITED, {"currency": "EUR"}, "hold", "other_currency"),
        (LIMITED, {"claims": [Claim("c", "ordered", 1, "EUR")]}, "hold", "other_currency"),
        (LIMITED, {"claims": [Claim("c", "open", 1, "EUR")]}, "approve", "within_limit"),  # it has expired
        (LIMITED, {"amount": "501", "age_ms": 99 * MINUTE}, "deny", "over_limit"),
        (LIMITED, {"amount": "501", "policy": CreditPolicy(over_limit=Decision.HOLD)}, "hold", "over_limit"),
        (replace(LIMITED, days_past_due=31), {}, "approve", "within_limit"),
        (replace(LIMITED, days_past_due=30), {"policy": CreditPolicy(max_days_past_due=30)}, "approve", "within_limit"),
        (replace(LIMITED, days_past_due=31), {"policy": CreditPolicy(max_days_past_due=30)}, "hold", "past_due"),
    ],
)  # fmt: skip
def test_the_policy_decides_what_the_figures_alone_do_not(credit, more, decision, reason):
    found = judged(credit, **more)
    assert (found.decision, found.reason) == (decision, reason)


def test_a_channel_is_told_what_is_left_and_why_nothing_may_be_bought():
    assert tag_of(LIMITED, up(D(120)), CreditPolicy()).available == D(380)
    assert tag_of(LIMITED, up(D(900)), CreditPolicy()).available == D(0)
    assert not tag_of(LIMITED, 0, CreditPolicy()).blocked
    assert tag_of(replace(LIMITED, on_hold=True), 0, CreditPolicy()).blocked
    assert not tag_of(replace(LIMITED, on_hold=True), 0, CreditPolicy(on_hold=Decision.APPROVE)).blocked
    assert tag_of(replace(LIMITED, days_past_due=31), 0, CreditPolicy(max_days_past_due=30)).blocked
    assert tag_of(replace(LIMITED, limit=None), 0, CreditPolicy()).blocked
    free = tag_of(replace(LIMITED, limit=None), 0, CreditPolicy(unlimited=Decision.APPROVE))
    assert (free.blocked, free.available) == (False, None)


@given(st.decimals("0", "9999999", places=6), st.decimals("-9999999", "9999999", places=6))
def test_rounding_never_gives_credit_away(used, room):
    assert of_parts(up(used)) >= used
    assert of_parts(down(room)) <= room
    assert up(used) - used * 10_000 < 1
    assert room * 10_000 - down(room) < 1


# --- the gate ----------------------------------------------------------------------------------------


class World:
    """An ERP that keeps credit, a shop that sells on it, and everything between a message and an approval."""

    def __init__(self, rules: CreditRules = UNTOLD) -> None:
        self.clock = Clock()
        self.store = SqliteStore.open(":memory:", now_ms=START_MS)
        self.told = Told()
        self.systems = {
            name: System(name, name, Capabilities(), self.told, None, None) for name in ("erp", "shop")
        }
        routes = Routes(
            [
                Route(Flow.ORDERS, "shop", "erp", 10_000),
                Route(Flow.CREDIT, "erp", "shop", 300_000, credit=rules),
            ]
        )
        catalog = Catalog(self.store)
        learner = DemandLearner(self.store)
        deriver = StockDeriver(self.store, self.clock, catalog, routes, self.systems, learner)
        self.lease = Lease(self.store, self.clock, "apply", "test")
        self.applier = Applier(
            store=self.store, clock=self.clock, systems=self.systems, routes=routes, catalog=catalog, deriver=deriver,
            learner=learner, lease=self.lease, offer=lambda rows: None, credit=CreditNews(self.store, routes),
        )  # fmt: skip
        self.gate = CreditGate(
            self.store, self.clock, routes, self.systems, lambda: None, lambda route: 5 * MINUTE
        )
        self.references = 0

    async def tell(self, system: str, *changes) -> None:
        """Let changes happen at a system, and apply them."""
        events = []
        for one in changes:
            self.references += 1
            name = f"e{self.references}"
            self.told.changes[name] = one
            events.append(Event(system, "t", name, Via.POLL, self.clock.now_ms(), b""))
        await self.store.append(events, received_at_ms=self.clock.now_ms())
        self.applier.wake()
        while await self.applier.step():
            pass

    async def figures(self, balance="0", unbilled="0", limit="1000", account="107", **more) -> None:
        """The ERP is read, from now on."""
        now_ms = self.clock.now_ms()
        known = None if limit is None else D(limit)
        credit = Credit(account, "GBP", known, D(balance), D(unbilled), read_began_ms=now_ms, **more)
        await self.tell("erp", change(Kind.CREDIT, account, credit, version=now_ms))

    async def order(self, total: str, key: str = "7001", **more) -> None:
        """An order comes."""
        made = order(line("1", "A", 1, total), key=key, updated_at_ms=self.clock.now_ms(), **more)
        await self.tell("shop", change(Kind.ORDER, key, made, version=made.updated_at_ms))

    async def sent(self, key: str = "7001") -> None:
        """The ERP holds the order, and says so."""
        reference = reference_of("shop", key)
        row = {
            "system": "erp", "kind": "order", "key": reference, "external_id": "9", "version": self.clock.now_ms(),
            "hash": "h", "now_ms": self.clock.now_ms(),
        }  # fmt: skip
        await self.store.write(Write("binding_put", [row]))
        told = ErpOrder(reference, "9", "B", commits_stock=True, lines=(), erp_stamp_ms=self.clock.now_ms())
        await self.tell("erp", change(Kind.ERP_ORDER, reference, told, version=self.clock.now_ms()))

    async def ask(self, amount: str, reference: str = "", **more):
        """Ask for an amount."""
        self.references += 1
        return await self.gate.check(
            reference or f"r{self.references}", "shop", D(amount), "GBP",
            **{"account": "107", **more},
        )  # fmt: skip

    async def contained(self) -> None:
        """An order of 100 is approved, comes, is sent, and is in the figures that are read a minute later."""
        await self.figures()
        await self.ask("100", "cart", order="7001")
        await self.order("100")
        await self.sent()
        self.wait(MINUTE)
        await self.figures(unbilled="100")

    async def judged(self, at_ms: int) -> None:
        """A full read of the figures that began then has been judged, and what it settles is looked for."""
        cursor = {"system": "syncline", "stream": "full read of credit of erp", "covers_ms": 0}
        await self.store.write(Write("cursor_put", [{**cursor, "position": str(at_ms)}]))
        await self.gate.sweep()

    async def available(self) -> D:
        """What is left."""
        return (await self.gate.look("shop", "107")).available

    def wait(self, ms: int) -> None:
        """Time passes."""
        self.clock.at_ms += ms


def told(story, rules: CreditRules = UNTOLD):
    async def run():
        world = World(rules)
        await world.lease.take()
        try:
            return await story(world)
        finally:
            await world.store.close()

    return asyncio.run(run())


def test_an_answer_names_every_figure_its_age_and_its_bound():
    async def story(world):
        await world.figures("300", "200.5")
        world.wait(2 * MINUTE)
        return await world.ask("100", "cart-1", order="#7001")

    found = told(story)
    assert (found.decision, found.reason, found.state) == ("approve", "within_limit", "open")
    assert (found.limit, found.exposure, found.available) == (D(1000), D("600.5"), D("499.5"))
    assert (found.as_of_ms, found.age_ms, found.bound_ms) == (START_MS, 2 * MINUTE, 5 * MINUTE)
    assert found.expires_at_ms == START_MS + 17 * MINUTE
    assert (found.reference, found.account, found.order) == ("cart-1", "107", "#7001")


def test_two_checkouts_cannot_both_use_the_last_of_a_credit():
    async def story(world):
        await world.figures("400")
        both = await asyncio.gather(world.ask("400"), world.ask("400"))
        return sorted(one.decision for one in both), await world.available()

    assert told(story) == (["approve", "deny"], D(200))


def test_a_reference_is_approved_once_and_is_not_given_to_another_amount():
    async def story(world):
        await world.figures()
        first = await world.ask("400", "cart")
        again = await world.ask("400", "cart")
        with pytest.raises(CreditRefused) as refused:
            await world.ask("401", "cart")
        assert refused.value.code == "reference_taken"
        denied = await world.ask("700", "other")
        await world.gate.release("cart")
        return first, again, denied, await world.ask("700", "other"), await world.ask("400", "cart")

    first, again, denied, later, ended = told(story)
    assert (first.decision, again.decision, again.state) == ("approve", "approve", "open")
    assert first.exposure == again.exposure == D(400)
    assert (denied.decision, denied.state) == ("deny", "")
    assert (later.decision, ended.decision, ended.reason) == ("approve", "deny", "ended")


def test_an_approval_expires_and_may_be_asked_anew():
    async def story(world):
        await world.figures()
        await world.ask("900", "cart")
        world.wait(15 * MINUTE)
        await world.figures()
        expired = await world.gate.show("cart")
        other = await world.ask("200", "other")
        again = await world.ask("900", "cart")
        await world.gate.release("other")
        return expired, other, again, await world.ask("900", "cart")

    expired, other, again, last = told(story)
    assert (expired.state, expired.decision) == ("expired", "deny")
    assert (other.decision, again.decision, last.decision) == ("approve", "deny", "approve")


def test_an_order_has_one_approval():
    async def story(world):
        await world.figures()
        await world.ask("900", "cart-1", order="#7001")
        more = await world.ask("950", "cart-2", order="#7001")
        return more, await world.gate.show("cart-1"), await world.available()

    more, former, available = told(story)
    assert (more.decision, more.exposure) == ("approve", D(950))
    assert (former.state, available) == ("replaced", D(50))


def test_an_approval_its_order_and_its_place_in_the_erp_count_once():
    async def story(world):
        left = []
        await world.figures()
        await world.ask("400", "cart", order="#7001")
        left.append(await world.available())
        await world.gate.confirm("cart")
        world.wait(20 * MINUTE)
        await world.figures()
        left.append(await world.available())
        await world.order("400")
        left.append(await world.available())
        world.wait(MINUTE)
        await world.sent()
        left.append(await world.available())
        world.wait(MINUTE)
        await world.figures(unbilled="400")
        left.append(await world.available())
        world.wait(MINUTE)
        await world.figures(balance="400")
        left.append(await world.available())
        return left, (await world.gate.show("cart")).state

    assert told(story) == ([D(600)] * 6, "replaced")


def test_an_order_counts_for_its_buyers_account_until_it_is_paid_or_cancelled():
    async def story(world):
        await world.figures()
        row = {
            "system": "erp", "kind": "customer", "key": customer_reference("shop", "c9"), "external_id": "107",
            "version": 0, "hash": "", "now_ms": START_MS,
        }  # fmt: skip
        await world.store.write(Write("binding_put", [row]))
        buyer = Customer("c9")
        await world.order("300", customer=buyer)
        left = [await world.available()]
        await world.order("100", key="7002", customer=Customer("stranger"))
        await world.order("100", key="7003", customer=buyer, placed_at_ms=START_MS - 8 * 86_400_000)
        left.append(await world.available())
        world.wait(MINUTE)
        await world.order("300", customer=buyer, payments=(Payment("p", D(120), "GBP", START_MS),))
        left.append(await world.available())
        world.wait(MINUTE)
        await world.order("300", customer=buyer, cancelled_at_ms=START_MS)
        left.append(await world.available())
        by_buyer = await world.ask("1", account="", customer="c9")
        unknown = await world.ask("1", account="", customer="stranger")
        return left, by_buyer.account, unknown.reason

    assert told(story) == ([D(700), D(700), D(820), D(1000)], "107", "unknown_account")


def test_an_order_that_grows_counts_again_until_the_erp_has_it_so():
    async def story(world):
        await world.figures()
        await world.ask("100", "cart", order="7001")
        await world.order("100")
        world.wait(MINUTE)
        await world.sent()
        world.wait(MINUTE)
        await world.figures(unbilled="100")
        left = [await world.available()]
        await world.order("150")
        left.append(await world.available())  # the ERP's 100 and our 150: never too little
        world.wait(MINUTE)
        await world.sent()
        world.wait(MINUTE)
        await world.figures(unbilled="150")
        left.append(await world.available())
        return left

    assert told(story) == [D(900), D(750), D(850)]


def test_an_order_that_the_erp_drops_counts_again():
    async def story(world):
        await world.figures()
        await world.ask("100", "cart", order="7001")
        await world.order("100")
        await world.sent()
        world.wait(MINUTE)
        await world.figures()
        left = [await world.available()]
        world.wait(MINUTE)
        reference = reference_of("shop", "7001")
        dropped = ErpOrder(reference, "9", "A", commits_stock=False, lines=(), erp_stamp_ms=1)
        await world.tell("erp", change(Kind.ERP_ORDER, reference, dropped, version=world.clock.now_ms()))
        left.append(await world.available())
        return left

    assert told(story) == [D(1000), D(900)]


def test_a_reading_that_began_in_the_very_millisecond_need_not_contain_an_order():
    async def story(world):
        await world.figures()
        await world.ask("100", "cart", order="7001")
        await world.order("100")
        await world.sent()
        left = [await world.available()]
        world.wait(1)
        await world.figures(unbilled="100")
        left.append(await world.available())
        return left

    assert told(story) == [D(900), D(900)]


def test_an_approval_that_learns_its_order_late_meets_it():
    async def story(world):
        await world.figures()
        await world.ask("100", "cart")
        await world.order("120")
        before = await world.available()
        confirmed = await world.gate.confirm("cart", order="#7001")
        return before, confirmed.state, await world.available()

    assert told(story) == (D(900), "replaced", D(880))


def test_a_confirmation_after_the_end_is_judged_again():
    async def story(world):
        await world.figures()
        await world.ask("400", "a")
        await world.ask("500", "b")
        world.wait(16 * MINUTE)
        await world.figures("500")
        held = await world.gate.confirm("a")
        with pytest.raises(CreditRefused) as refused:
            await world.gate.confirm("b")
        return held, refused.value.code, world.clock.now_ms()

    held, code, now_ms = told(story)
    assert (held.state, held.expires_at_ms, code) == ("confirmed", now_ms + FIRM_MS, "expired")


def test_what_was_released_or_is_for_another_order_is_not_confirmed():
    async def story(world):
        await world.figures()
        await world.ask("400", "a", order="1")
        await world.ask("400", "b")
        await world.gate.release("b")
        codes = []
        for reference, name in (("a", "2"), ("b", ""), ("c", "")):
            with pytest.raises(CreditRefused) as refused:
                await world.gate.confirm(reference, order=name)
            codes.append(refused.value.code)
        return codes

    assert told(story) == ["other_order", "released", "not_found"]


def test_what_cannot_be_judged_is_refused():
    async def story(world):
        codes = []
        for more in (
            {"amount": "0"}, {"amount": "NaN"}, {"amount": "1e11"}, {"expires_in_ms": 9_999},
            {"expires_in_ms": 86_400_001},
        ):  # fmt: skip
            with pytest.raises(CreditRefused) as refused:
                await world.ask(**{"amount": "1", **more})
            codes.append(refused.value.code)
        with pytest.raises(CreditRefused) as refused:
            await world.gate.check("r", "outlet", D(1), "GBP", account="107")
        return [*codes, refused.value.code]

    assert told(story) == ["bad_amount"] * 3 + ["bad_expiry"] * 2 + ["unknown_channel"]


def test_an_account_may_have_a_policy_of_its_own():
    rules = CreditRules(accounts={"108": CreditPolicy(missing=Decision.APPROVE)}, mirror=False)

    async def story(world):
        usual = await world.ask("1")
        own = await world.ask("99999", "cart", account="108")
        again = await world.ask("99999", "cart", account="108")
        assert (own.reason, own.message) == (again.reason, again.message)  # and not that no limit was set
        return usual.decision, own.decision, own.reason, own.limit, own.age_ms

    assert told(story, rules) == ("hold", "approve", "unknown_account", None, None)


def test_what_is_settled_is_computed_again_though_the_process_ends_in_between():
    """In two transactions a shop would be told too little until the account's next change."""

    async def story(world):
        await world.contained()
        written = []
        write = world.store.write

        async def watched(*writes):
            written.append({one.statement for one in writes})
            return await write(*writes)

        world.store.write = watched
        await world.judged(world.clock.now_ms())
        return [names & {"credit_settle", "state_mark"} for names in written if "credit_settle" in names]

    assert told(story, CreditRules()) == [{"credit_settle", "state_mark"}]


def test_orders_in_the_figures_are_settled_once_a_read_was_judged():
    async def story(world):
        await world.contained()
        states = []
        for judged_ms in (START_MS - 1, world.clock.now_ms()):
            await world.judged(judged_ms)
            rows = await world.store.read("credit_claim", reference=claim_of("shop", "7001"))
            states.append(rows[0][6])
        return states, await world.available()

    assert told(story) == (["ordered", "contained"], D(900))


def test_a_channel_is_told_anew_once_the_figures_contain_an_order():
    async def story(world):
        await world.contained()
        found, now_ms = [], world.clock.now_ms()
        for _ in range(2):
            for route, key, seq, _ in await world.store.read("state_marks", now_ms=now_ms, limit=9):
                await world.store.write(Write("state_done", [{"route": route, "key": key, "seq": seq}]))
            await world.judged(now_ms)
            marked = {"route": "credit:erp->shop", "keys": ["107"], "now_ms": now_ms}
            found.append(await world.store.read("state_marked", **marked))
        return found

    assert told(story, CreditRules()) == [[("credit:erp->shop", "107")], []], "once, and only then"


# --- over random histories --------------------------------------------------------------------------


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "order", "send", "read", "confirm", "release", "wait"]),
        st.integers(1, 400),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_what_was_approved_never_exceeds_the_limit(steps):
    """The truth: each amount that was approved and not given back is owed once, wherever it is counted."""

    async def story(world):
        await world.figures()
        owed: dict[str, int] = {}  # by order, what was approved for it and stands
        orders: dict[str, int] = {}
        in_erp: dict[str, int] = {}
        ends: dict[str, int] = {}
        for number, (step, amount) in enumerate(steps):
            now_ms = world.clock.now_ms()
            for key in [key for key, at in ends.items() if at <= now_ms and key not in orders]:
                owed.pop(key, None)
            waiting = [key for key in owed if key not in orders]
            unsent = [key for key in orders if key not in in_erp]
            if step == "ask":
                key = str(8000 + number)
                found = await world.ask(str(amount), f"r{key}", order=key)
                if found.decision == "approve":
                    owed[key], ends[key] = amount, found.expires_at_ms
                else:
                    assert sum(owed.values()) + amount > 1000 or found.exposure > 1000
            elif step == "order" and waiting:
                key = waiting[amount % len(waiting)]
                await world.order(str(owed[key]), key=key)
                orders[key] = owed[key]
            elif step == "send" and unsent:
                key = unsent[amount % len(unsent)]
                await world.sent(key)
                in_erp[key] = orders[key]
            elif step == "read":
                world.wait(1)
                await world.figures(unbilled=str(sum(in_erp.values())))
            elif step == "confirm" and waiting:
                key = waiting[amount % len(waiting)]
                ends[key] = (await world.gate.confirm(f"r{key}")).expires_at_ms
            elif step == "release" and waiting:
                key = waiting[amount % len(waiting)]
                await world.gate.release(f"r{key}")
                owed.pop(key)
            elif step == "wait":
                world.wait(amount * 1000)
            assert sum(owed.values()) <= 1000
        world.wait(1)
        await world.figures(unbilled=str(sum(in_erp.values())))
        now_ms = world.clock.now_ms()
        stands = {key for key in owed if key in orders or ends[key] > now_ms}
        assert await world.available() == 1000 - sum(owed[key] for key in stands)

    told(story, CreditRules(CreditPolicy(max_age_ms=10**9), mirror=False))
