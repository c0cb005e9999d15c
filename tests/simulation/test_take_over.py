"""From a shop that another connector kept to Syncline: nothing doubled, nothing lost, whenever it is killed."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from random import Random

import pytest
from bench.adopt import fewest_calls, past_of
from tests.simulation.take_over import SMALL, Stage, play

from syncline.connectors.netsuite import CONNECTOR as NETSUITE
from syncline.connectors.shopify import CONNECTOR as SHOPIFY
from syncline.connectors.shopify.simulator import Buyer, CartLine, OrderRecord
from syncline.connectors.shopify.simulator.records import Tracking
from syncline.engine import failpoints
from syncline.engine.adopt import adopter
from syncline.engine.adopt.adopter import Adopter
from syncline.engine.adopt.orders import Fate
from syncline.engine.adopt.report import ChannelReport
from syncline.engine.reconcile.differences import Cause
from syncline.model.copying import replace
from syncline.model.errors import Misconfigured
from syncline.ports import Opening
from syncline.simulate.disagree import prove
from syncline.simulate.severable import Killed, SeverableStore, Switch
from syncline.simulate.takeover import RULES
from syncline.simulate.world import ERP, SHOP

pytestmark = pytest.mark.simulation
QUIET_S = 1_200.0
DAY_S = 86_400.0
FAILPOINTS = ("adopt.after_page", "adopt.began", "adopt.told", "adopt.bound", "adopt.ended")


class DyingStore(SeverableStore):
    """The store of a process that dies at its n-th write, before it or after it."""

    def __init__(self, inner, switch, writes, *, committed):
        super().__init__(inner, switch)
        self._left = writes
        self._committed = committed

    async def _count(self, write):
        self._switch.check()
        self._left -= 1
        if self._left <= 0 and not self._committed:
            self._switch.cut = True
            raise Killed
        done = await write
        if self._left <= 0:
            self._switch.cut = True
            raise Killed
        return done

    async def append(self, events, *, received_at_ms, cursor=None):
        work = self._inner.append(events, received_at_ms=received_at_ms, cursor=cursor)
        try:
            return await self._count(work)
        finally:
            work.close()

    async def write(self, *writes):
        work = self._inner.write(*writes)
        try:
            return await self._count(work)
        finally:
            work.close()


ERPS = ("netsuite", "business-central")


@pytest.mark.parametrize("vendor", ERPS)
@pytest.mark.parametrize("seed_", range(1, 5))
def test_nothing_is_doubled_or_lost_when_a_shop_is_taken_over(seed_, vendor):
    async def story(stage: Stage) -> None:
        dry = await stage.adopt()
        assert stage.rows("SELECT * FROM binding") == []
        assert stage.rows("SELECT * FROM event") == []
        (report,) = dry.channels
        assert {v.order.key for v in report.of(Fate.TWICE)} == set(map(str, stage.left.twice))
        assert {v.order.key for v in report.of(Fate.LEAVE)} == set(map(str, stage.left.missing))
        assert {v.order.number for v in report.verdicts if v.differs} == {
            stage.world.shop.orders[key].name for key in stage.left.different
        }
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(Random(seed_).choice((3.0, 60.0, 600.0)))
        late = [stage.past.order() for _ in range(5)]
        for order in late[:2]:
            stage.past.export_late(order)
        await stage.wait(QUIET_S)
        assert stage.unexpected() == []
        assert stage.past.wrong_numbers() == []
        for order_id in stage.left.open:
            if order_id not in stage.left.missing:
                for erp_id in stage.past.in_erp(stage.world.shop.orders[order_id]):
                    stage.past.former.ship(erp_id, f"NEW{order_id}")
        await stage.wait(QUIET_S)
        kept_back = {*stage.left.missing, *stage.left.twice}
        for order_id in set(stage.left.open) - kept_back:
            order = stage.world.shop.orders[order_id]
            left = sum(part.remaining for one in order.fulfillment_orders for part in one.lines)
            # What the ERP was told one unit more of cannot all be told to the shop; the other half was.
            assert left == 0 or order_id in stage.left.different, order.name
            assert len(order.fulfillments) <= len(order.lines)
        # Deposits of those orders only that nobody else had exported.
        assert stage.past.former.payments() == len(late) - 2
        odd = {str(key) for key in (*stage.left.twice, *stage.left.different)}
        assert {key.partition("\x1f")[0] for _, key in stage.parked()} <= odd
        assert stage.breaches() == 0

    play(story, SMALL, seed_, vendor)


def test_a_partner_who_exchanges_files_is_taken_over_as_far_as_its_files_tell():
    """Its statuses name the orders that it has booked for somebody else; what they come to nobody tells."""

    async def story(stage: Stage) -> None:
        (report,) = (await stage.adopt()).channels
        assert stage.rows("SELECT * FROM binding") == []
        assert {v.order.key for v in report.of(Fate.LEAVE)} == set(map(str, stage.left.missing))
        assert {v.order.key for v in report.of(Fate.ADOPT)} == set(
            map(str, set(stage.left.open) - set(stage.left.missing))
        )
        assert {v.order.number for v in report.verdicts if v.differs} == {
            stage.world.shop.orders[key].name for key in stage.left.different
        }
        gone = stage.world.shop.orders[stage.left.open[-1]]
        stage.past.former.ship(stage.past.in_erp(gone)[0], "GAP")
        await stage.wait(DAY_S)
        since = [stage.past.order() for _ in range(3)]
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(QUIET_S)
        assert [parcel.tracking[0].number for parcel in gone.fulfillments] == ["GAP"]
        assert stage.unexpected() == []
        assert stage.past.wrong_numbers() == []
        assert all(len(stage.past.in_erp(order)) == 1 for order in since)
        for order_id in set(stage.left.open) - {*stage.left.missing, gone.id}:
            (erp_id,) = stage.past.in_erp(stage.world.shop.orders[order_id])
            stage.past.former.ship(erp_id, f"NEW{order_id}")
        await stage.wait(QUIET_S)
        for order_id in set(stage.left.open) - {*stage.left.missing, *stage.left.different}:
            order = stage.world.shop.orders[order_id]
            assert all(part.remaining == 0 for one in order.fulfillment_orders for part in one.lines), (
                order.name
            )
        assert stage.past.former.payments() == len(since), "deposits of before were told by others"
        assert stage.past.wrong_numbers() == []
        assert stage.breaches() == 0

    play(story, erp="files")


@pytest.mark.parametrize("vendor", [*ERPS, "files"])
def test_a_killed_adoption_goes_on_and_ends_as_if_it_had_not_been(monkeypatch, vendor):
    """Dies at its first write, then at the second of the next try, and so on until a try comes through."""
    monkeypatch.setattr(adopter, "CHUNK", 3)

    async def story(stage: Stage) -> None:
        whole = stage.store
        for committed in (True, False):
            stage.store = type(whole).open(":memory:", now_ms=stage.clock.now_ms())
            for writes in range(1, 200):
                dying = DyingStore(stage.store, Switch(), writes, committed=committed)
                try:
                    await stage.past.adopter(dying, stage.systems, Random(3)).run(apply=True)
                except Killed:
                    continue
                break
            else:
                raise AssertionError("it never came through")
            assert writes > 12, "it wrote less often than there is to write"
            killed = bound(stage)
            events = len(stage.rows("SELECT * FROM event"))
            await stage.store.close()
            stage.store = type(whole).open(":memory:", now_ms=stage.clock.now_ms())
            await stage.adopt(apply=True)
            assert killed == bound(stage)
            assert events == len(stage.rows("SELECT * FROM event"))
            await stage.store.close()
        stage.store = whole

    play(story, erp=vendor)


def bound(stage: Stage) -> list[tuple[object, ...]]:
    """What an adoption has bound, without when."""
    return [
        (*row, status.partition("@")[0])
        for *row, status in stage.rows(
            "SELECT system, kind, key, external_id, hash FROM binding ORDER BY 1, 2, 3"
        )
    ]


@pytest.mark.parametrize("vendor", ERPS)
@pytest.mark.parametrize("point", FAILPOINTS)
def test_an_engine_starts_only_on_an_adoption_that_has_ended(point, vendor):
    async def story(stage: Stage) -> None:
        switch = Switch()

        def die() -> None:
            switch.cut = True
            raise Killed

        failpoints.arm(point, die)
        try:
            store = SeverableStore(stage.store, switch)
            with pytest.raises(Killed):
                await stage.past.adopter(store, stage.systems, Random(3)).run(apply=True)
        finally:
            failpoints.disarm()
        engine = stage.past.engine(stage.store, stage.systems, Random(4))
        if point in ("adopt.began", "adopt.told", "adopt.bound"):
            with pytest.raises(Misconfigured, match="broken off"):
                await engine.run()
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(QUIET_S)
        assert stage.unexpected() == []
        assert stage.past.wrong_numbers() == []

    play(story, erp=vendor)


@pytest.mark.parametrize("vendor", ERPS)
def test_a_second_adoption_changes_nothing(vendor):
    async def story(stage: Stage) -> None:
        await stage.adopt(apply=True)
        before = stage.content()
        await stage.adopt(apply=True)
        after = stage.content()
        for table in before:
            if table != "adoption":  # it holds what was read, which is read again
                assert before[table] == after[table], table

    play(story, replace(SMALL, twice=0), erp=vendor)


def test_an_adoption_after_going_live_touches_nothing_that_the_engine_wrote():
    async def story(stage: Stage) -> None:
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(30)
        order = stage.past.order()
        await stage.wait(QUIET_S)
        assert stage.engine is not None
        with pytest.raises(Misconfigured, match="works on this store"):
            await stage.past.adopter(stage.store, stage.systems, Random(9), owner="another").run()
        binding = "SELECT external_id, version, hash FROM binding WHERE kind = 'order' AND key = ?"
        before = stage.rows(binding, f"shop-{order.id}")
        assert len(before) == 1
        await stage.halt()
        await stage.adopt(apply=True)
        assert stage.rows(binding, f"shop-{order.id}") == before
        stage.go_live()
        await stage.wait(QUIET_S)
        assert stage.unexpected() == []

    play(story)


@pytest.mark.parametrize("vendor", ERPS)
def test_a_proof_after_a_take_over_names_what_was_planted_and_nothing_else(vendor):
    """Orders of before carry another reference, and some are nowhere: neither is a difference, nor to be mended."""

    async def orders_named(stage: Stage) -> set[tuple[str, str]]:
        assert stage.engine is not None
        found, why = await prove(stage.engine.reconciler, stage.store, stage.clock, dry_run=True)
        assert why == ""
        return {(key, cause) for key, cause in found if key.isdigit()}

    async def story(stage: Stage) -> None:
        before = [stage.past.order() for _ in range(3)]
        for order in before:
            stage.past.export_late(order)
        await stage.wait(60)
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(60)
        late = [stage.past.order() for _ in range(4)]
        for order in late[:2]:
            stage.past.export_late(order)
        await stage.wait(QUIET_S)
        assert stage.unexpected() == []
        compared = [*before, *late]
        assert await orders_named(stage) == set()
        assert stage.engine is not None
        proof = stage.engine.reconciler.latest["orders:shop->erp"]
        assert proof.rows >= len(compared) > proof.counts.get(Cause.IN_FLIGHT, 0) == 0

        ids = [stage.past.in_erp(order)[0] for order in compared]
        shop = stage.world.shop
        if vendor == "netsuite":
            stage.world.erp.close_order(ids[0])  # of it nothing is sent
            stage.world.erp.close_order(ids[3])
            planted = {(str(compared[n].id), Cause.WRONG_LINES) for n in (0, 3)}
        else:
            company = stage.world.erp_side.simulator
            company.ship(ids[1])
            company.invoice(ids[1])  # posted whole, so it is deleted, which is no difference
            company.delete_order(ids[0])
            first = company.order(ids[3]).lines[0]
            company.change_line(ids[3], first.sequence, quantity=first.quantity + 1)
            planted = {
                (str(compared[0].id), Cause.MISSING_IN_ERP),
                (str(compared[3].id), Cause.WRONG_LINES),
            }
        stage.past.former.export(shop.orders[late[3].id], stage.past.lines_of(late[3]), named=False)
        planted.add((str(late[3].id), Cause.DUPLICATE))
        assert await orders_named(stage) == planted

    play(story, erp=vendor)


def test_two_adoptions_at_once_refuse():
    async def story(stage: Stage) -> None:
        def one(owner: str):
            return stage.past.adopter(stage.store, stage.systems, Random(3), owner=owner)

        first = stage.loop.create_task(one("one").run())
        await stage.clock.sleep(0.1)
        with pytest.raises(Misconfigured, match="works on this store"):
            await one("two").run()
        await first
        await one("two").run()

    play(story)


@pytest.mark.parametrize("vendor", ERPS)
def test_an_order_of_before_is_exported_once_if_the_start_moment_is_moved_before_it(vendor):
    async def story(stage: Stage) -> None:
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(QUIET_S)
        missing = [stage.world.shop.orders[order_id] for order_id in stage.left.missing]
        assert [len(stage.past.in_erp(order)) for order in missing] == [0, 0]
        await stage.halt()
        await stage.adopt(apply=True, orders_from_ms=min(order.created_ms for order in missing))
        stage.go_live()
        await stage.wait(QUIET_S)
        assert [len(stage.past.in_erp(order)) for order in missing] == [1, 1]
        stage.left.missing.clear()
        assert stage.unexpected() == []
        assert stage.past.wrong_numbers() == []
        # Nobody had told their payments.
        assert stage.past.former.payments() == len(missing)

    play(story, erp=vendor)


@pytest.mark.parametrize("vendor", ERPS)
def test_no_order_falls_between_the_connector_before_and_ours(vendor):
    """It was switched off, and buyers went on: what was ordered since its last export is exported by us."""

    async def story(stage: Stage) -> None:
        since = [stage.past.order() for _ in range(3)]
        await stage.wait(3_600)
        survey = await stage.adopt(apply=True)
        (report,) = survey.channels
        assert {v.order.key for v in report.of(Fate.EXPORT)} == {str(order.id) for order in since}
        stage.go_live()
        await stage.wait(QUIET_S)
        assert stage.unexpected() == []
        assert stage.past.former.payments() == len(since)

    play(story, erp=vendor)


def test_a_buyer_whom_the_erp_knows_is_not_made_again():
    """By what the connector before wrote; by e-mail only once a person has said so; else a new one."""

    async def story(stage: Stage) -> None:
        buyers = [Buyer("Known", "By id", "id@example.com"), Buyer("Known", "By mail", "mail@example.com")]
        buyers.append(Buyer("Not", "Known", "new@example.com"))
        cart = [CartLine(stage.left.skus[0], 1, None)]
        shop, erp = stage.world.shop, stage.world.erp

        def orders() -> list[OrderRecord]:
            return [shop.orders[shop.checkout(cart, customer=buyer).order_id] for buyer in buyers]

        for order in orders():
            stage.past._export(order)
        ids = {one.buyer.last_name: one.id for one in shop.state.customers.values()}
        by_id = erp.add_customer(f"SHOPIFY-{ids['By id']}", companyName="By id")
        by_mail = erp.add_customer(None, companyName="By mail", email="mail@example.com")
        await stage.wait(60)

        def taker() -> Adopter:
            one = stage.past.adopter(stage.store, stage.systems, Random(3))
            one._rules = {SHOP: replace(RULES[SHOP], customers=(("externalid", "SHOPIFY-{id}"),))}
            return one

        (report,) = (await taker().run()).channels
        (suggested,) = report.buyers.matches.suggested
        assert suggested.theirs == str(by_mail)
        await taker().decide({suggested.id: True})
        await taker().run(apply=True)
        stage.go_live()
        await stage.wait(60)
        before = len(erp.account.customers)
        made = orders()
        await stage.wait(QUIET_S)
        assert stage.unexpected() == []
        found = [erp.account.txns[stage.past.in_erp(order)[0]].entity for order in made]
        assert found[:2] == [by_id, by_mail]
        assert found[2] not in (by_id, by_mail)
        assert len(erp.account.customers) == before + 1

    play(story)


def test_an_order_that_is_over_at_the_shop_only_is_reported():
    async def story(stage: Stage) -> None:
        over = stage.world.shop.orders[stage.left.open[-1]]
        stage.world.shop.cancel_order(over.id, True)
        await stage.wait(60)
        (report,) = (await stage.adopt(apply=True)).channels
        (found,) = [v for v in report.of(Fate.CLOSE) if v.differs]
        assert found.order.number == over.name
        assert found.differs == ["cancelled at the channel, and still to be sent in the ERP"]
        assert ("adopt", str(over.id)) not in stage.parked()
        assert any(over.name in line for line in report.words())

    play(story)


def test_a_list_whose_reading_was_ended_before_its_first_page_is_read_again():
    """What was read for other fields is dropped; a kill in between must not leave the old mark on nothing."""

    async def story(stage: Stage) -> None:
        whole = counts((await stage.adopt()).channels[0])
        for writes in range(1, 12):
            dying = DyingStore(stage.store, Switch(), writes, committed=True)
            other = stage.past.adopter(dying, stage.systems, Random(3))
            other._rules = {SHOP: replace(RULES[SHOP], items=("sku", "externalid", "barcode"))}
            with contextlib.suppress(Killed):
                await other.run()
            assert counts((await stage.adopt()).channels[0]) == whole

    play(story)


@pytest.mark.parametrize("vendor", ERPS)
def test_what_happens_between_the_adoption_and_the_first_run_is_not_missed(vendor):
    async def story(stage: Stage) -> None:
        await stage.wait(DAY_S)
        await stage.adopt(apply=True)
        between = stage.past.order()
        waiting = stage.world.shop.orders[stage.left.open[-1]]
        (erp_id,) = stage.past.in_erp(waiting)
        stage.past.former.ship(erp_id, "BETWEEN")
        await stage.wait(3 * DAY_S)
        stage.go_live()
        await stage.wait(QUIET_S)
        assert len(stage.past.in_erp(between)) == 1
        assert [parcel.tracking[0].number for parcel in waiting.fulfillments] == ["BETWEEN"]

    play(story, erp=vendor)


@pytest.mark.parametrize("vendor", ERPS)
@pytest.mark.parametrize("gap_s", [60.0, 2 * DAY_S])
def test_what_left_after_the_connector_before_was_switched_off_is_told(gap_s, vendor):
    """However long ago: with a tracking number the shop is told once, without one a person is asked."""

    async def story(stage: Stage) -> None:
        shop, past = stage.world.shop, stage.past
        odd = {*stage.left.missing, *stage.left.twice, *stage.left.different}
        left = [shop.orders[order_id] for order_id in stage.left.open if order_id not in odd]
        told = next(order for order in left if sum(line.open_quantity for line in order.lines) > 1)
        tracked, untracked = [order for order in left if order is not told][:2]
        for order, number in ((tracked, "GAP"), (untracked, None), (told, "KNOWN")):
            (erp_id,) = past.in_erp(order)
            past.former.ship(erp_id, number)
        part, line = next((one, x) for one in told.fulfillment_orders for x in one.lines if x.remaining)
        shop.send_parcel(told, [(part, line, 1)], (Tracking(None, "KNOWN", None),))
        await stage.wait(gap_s)
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(QUIET_S)
        assert [parcel.tracking[0].number for parcel in tracked.fulfillments] == ["GAP"]
        assert untracked.fulfillments == []
        parked = {reason for (operation, _), reason in stage.parked().items() if operation != "adopt"}
        assert parked == {"shipped_before"}
        assert all(line.open_quantity == 0 for line in told.lines)  # the parcel of which only a unit was told
        assert [parcel.tracking[0].number for parcel in told.fulfillments] == ["KNOWN", "KNOWN"]
        assert stage.unexpected() == []
        assert stage.past.wrong_numbers() == []
        assert stage.breaches() == 0

    play(story, erp=vendor)


def test_an_order_that_was_done_with_is_left_as_it_is_when_it_is_heard_of_again():
    async def story(stage: Stage) -> None:
        await stage.wait(DAY_S)
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(60)
        done = stage.world.shop.orders[stage.left.done[0]]
        (erp_id,) = stage.past.in_erp(done)
        before = stage.world.erp.order(erp_id)
        stage.world.shop.refund(done.id, {done.lines[0].id: 1}, restock=False)
        await stage.wait(QUIET_S)
        key = f"{done.id}\x1f%"
        assert stage.rows("SELECT * FROM delivery WHERE operation = 'put_order' AND key LIKE ?", key)
        assert stage.rows("SELECT * FROM attempt WHERE operation = 'put_order' AND key LIKE ?", key) == []
        assert stage.world.erp.order(erp_id) == before
        # The goods that come back are booked on the order of before; nothing was told twice.
        assert (
            len(stage.rows("SELECT * FROM attempt WHERE operation = 'put_refund' AND result = 'done'")) == 1
        )
        assert stage.past.wrong_numbers() == []
        assert stage.world.erp.deposits() == []

    play(story)


def test_an_order_from_before_the_start_that_nobody_has_seen_waits_for_a_person():
    """Such as one that the shop let nobody see when everything was read. It is neither lost nor guessed about."""

    async def story(stage: Stage) -> None:
        await stage.adopt(apply=True, orders_from_ms=stage.clock.now_ms() + 3_600_000)
        stage.go_live()
        await stage.wait(60)
        order = stage.past.order()
        await stage.wait(QUIET_S)
        reasons = {key.partition("\x1f")[0]: reason for (_, key), reason in stage.parked().items()}
        assert reasons[str(order.id)] == "before_the_start"
        assert stage.past.in_erp(order) == []
        await stage.halt()
        await stage.adopt(apply=True, orders_from_ms=order.created_ms - 1_000)
        stage.go_live()
        await stage.wait(QUIET_S)
        assert len(stage.past.in_erp(order)) == 1
        assert str(order.id) not in {key.partition("\x1f")[0] for _, key in stage.parked()}

    play(story)


def test_a_parcel_of_before_without_a_number_is_told_by_a_person():
    async def story(stage: Stage) -> None:
        *_, older, newer = (stage.world.shop.orders[order_id] for order_id in stage.left.open)
        (erp_id,) = stage.past.in_erp(older)
        stage.past.former.ship(erp_id, None)
        await stage.wait(60)
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(60)
        (erp_id,) = stage.past.in_erp(newer)
        stage.past.former.ship(erp_id, None)
        await stage.wait(QUIET_S)
        assert older.fulfillments == []
        assert "shipped_before" in stage.parked().values()
        assert len(newer.fulfillments) == 1

    play(story)


def test_what_was_parked_is_adopted_once_it_is_mended():
    """An order exported twice, until one of the two is closed; orders of which nothing is told, until it is."""

    async def story(stage: Stage) -> None:
        (twice,) = stage.left.twice
        shop, erp = stage.world.settings()
        clock, apps = stage.clock, stage.apps
        silent = [
            SHOPIFY.open(Opening(SHOP, shop, clock, Random(1), apps)),
            NETSUITE.open(Opening(ERP, erp, clock, Random(2), apps)),
        ]
        await stage.past.adopter(stage.store, silent, Random(3)).run(apply=True)
        unnamed = {("adopt", str(key)): "adopted_unfollowed" for key in stage.left.unnamed}
        differs = {("adopt", str(key)): "adopted_differs" for key in stage.left.different}
        assert stage.parked() == {**unnamed, **differs, ("adopt", str(twice)): "adopted_twice"}
        first, second = stage.past.in_erp(stage.world.shop.orders[twice])
        stage.world.erp.close_order(second)
        await stage.adopt(apply=True)
        assert stage.parked() == differs
        bound = dict(stage.rows("SELECT key, external_id FROM binding WHERE kind = 'order'"))
        assert bound[f"shop-{twice}"] == str(first)
        assert all(f"shop-{key}" in bound for key in stage.left.unnamed)

    play(story)


def test_what_a_person_confirms_is_kept_in_agreement():
    async def story(stage: Stage) -> None:
        survey = await stage.adopt()
        (report,) = survey.channels
        suggested = {report.ours[one.ours].sku: one.id for one in report.matches.suggested}
        assert set(suggested) == {"GOOD-00000", "GOOD-00001", "GOOD-00002"}
        person = stage.past.adopter(stage.store, stage.systems, Random(3))
        wrong = await person.decide(
            {suggested["GOOD-00000"]: True, suggested["GOOD-00001"]: False, "nil": True}
        )
        assert wrong == ["nil"]
        survey = await stage.adopt(apply=True)
        (report,) = survey.channels
        assert [report.ours[one.ours].sku for one in report.matches.suggested] == ["GOOD-00002"]
        assert report.aliases["GOOD-00000"] == "good 0"
        stage.go_live()
        await stage.wait(60)
        erp_at, shop_at = stage.world.trade.locations[0]
        stage.world.erp.adjust("good 0", erp_at, -100)
        stage.world.erp.adjust("good 1", erp_at, -100)
        await stage.wait(QUIET_S)
        assert stage.world.shop.available("GOOD-00000", shop_at) == 400
        assert stage.world.shop.available("GOOD-00001", shop_at) == 500
        order = stage.past.order(["GOOD-00000"])
        await stage.wait(QUIET_S)
        (erp_id,) = stage.past.in_erp(order)
        assert [line.sku for line in stage.world.erp.order(erp_id).lines] == ["good 0"]

    play(story)


def test_an_open_order_of_before_counts_until_the_erp_contains_it_and_not_twice():
    """The ERP has taken what it holds off its figures already; what it never heard of is still to be taken off."""

    async def story(stage: Stage) -> None:
        erp_at, shop_at = stage.world.trade.locations[0]
        held, unheard = stage.left.skus[0], stage.left.skus[1]
        adopted = stage.world.shop.orders[stage.world.shop.checkout([CartLine(held, 7, None)]).order_id]
        stage.past._export(adopted)
        missing = stage.world.shop.orders[stage.world.shop.checkout([CartLine(unheard, 5, None)]).order_id]
        stage.left.missing.append(missing.id)
        erp = stage.world.erp
        at_first = erp.available(held, erp_at), erp.available(unheard, erp_at)
        await stage.wait(3 * DAY_S)  # longer than a first poll of the ERP looks back
        await stage.adopt(apply=True, orders_from_ms=stage.clock.now_ms())
        stage.go_live()
        await stage.wait(QUIET_S)
        for sku in (held, unheard):
            erp.adjust(sku, erp_at, 1)  # so that a number has to be written
        await stage.wait(QUIET_S)
        shown = [stage.world.shop.available(sku, shop_at) for sku in (held, unheard)]
        assert shown == [at_first[0] + 1, at_first[1] + 1 - 5]
        # Sent by hand: it is demand no more, although the ERP will never tell of it.
        stage.past.ship(missing)
        erp.adjust(unheard, erp_at, 1)
        await stage.wait(QUIET_S)
        assert stage.world.shop.available(unheard, shop_at) == at_first[1] + 2

    play(story, replace(SMALL, missing=0))


def test_an_order_that_was_adopted_is_revised_when_its_buyer_changes_it():
    async def story(stage: Stage) -> None:
        sku = stage.left.skus[0]
        order = stage.world.shop.orders[stage.world.shop.checkout([CartLine(sku, 7, None)]).order_id]
        erp_id = stage.past._export(order)
        await stage.wait(60)
        await stage.adopt(apply=True)
        stage.go_live()
        await stage.wait(60)
        stage.world.shop.edit_order(order.id, sku, 3)
        await stage.wait(QUIET_S)
        truth = stage.world.erp.order(erp_id)
        assert [(line.sku, line.quantity) for line in truth.lines if line.role == "goods"] == [(sku, 3)]
        assert truth.total == Decimal(30)
        assert stage.past.in_erp(order) == [erp_id]

    play(story)


def test_without_the_references_of_the_connector_before_orders_are_only_left_alone():
    """Whoever forgets to declare them sees it in the report, and nothing old is exported again."""

    async def story(stage: Stage) -> None:
        await stage.wait(60)
        plain = replace(RULES[SHOP], orders=())
        forgetful = stage.past.adopter(stage.store, stage.systems, Random(3))
        forgetful._rules = {SHOP: plain}
        survey = await forgetful.run(apply=True)
        (report,) = survey.channels
        assert len(report.of(Fate.LEAVE)) == len(stage.left.open)
        assert report.of(Fate.ADOPT) == []
        stage.go_live()
        await stage.wait(QUIET_S)
        assert stage.unexpected() == []

    play(story)


def test_both_sides_are_read_once_and_hardly_anything_else():
    """What comes with any size: a token, two readings of a clock, the newest order, pages that are not full."""

    async def story(stage: Stage) -> None:
        survey = await stage.adopt(apply=True)
        ledgers = (stage.world.shop.ledger, stage.world.erp.ledger)
        calls = sum(sum(ledger.calls_by_operation.values()) for ledger in ledgers)
        assert calls <= fewest_calls(stage.past, survey.channels[0]) + 8
        await stage.adopt(apply=True)
        again = sum(sum(ledger.calls_by_operation.values()) for ledger in ledgers) - calls
        assert again <= 8
        assert stage.breaches() == 0

    play(story, past_of(2_000, 1_000))


@pytest.mark.parametrize("seed_", range(1, 4))
def test_an_adoption_that_is_throttled_and_cut_off_reads_all_the_same(seed_):
    async def story(stage: Stage) -> None:
        rng = Random(seed_)
        for vendor in (stage.world.erp, stage.world.shop):
            vendor.faults.error_before_rate = vendor.faults.throttle_rate = 0.2
        rough = [(report.channel, counts(report)) for report in (await stage.adopt()).channels]
        for vendor in (stage.world.erp, stage.world.shop):
            assert vendor.ledger.calls_by_operation
            vendor.faults.error_before_rate = vendor.faults.throttle_rate = 0.0
        store = stage.store
        stage.store = type(store).open(":memory:", now_ms=stage.clock.now_ms() + rng.randrange(9))
        assert [(report.channel, counts(report)) for report in (await stage.adopt()).channels] == rough
        await stage.store.close()
        stage.store = store

    play(story, seed=seed_)


def counts(report: ChannelReport) -> list[int]:
    """How many orders share each fate, and how many goods are matched."""
    return [len(report.matches.exact), *(len(report.of(fate)) for fate in Fate)]
