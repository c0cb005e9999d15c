"""The part of the Store suite that is about what is paused or in shadow, and what that explains."""

from __future__ import annotations

from syncline.model.change import Cursor, Event, Via
from syncline.ports import Store
from syncline.testing.store_bindings import ANYHOW, held, hold
from syncline.testing.store_tools import T0, Opens, put

ROUTE = "inventory:erp->shop"


async def begin(store: Store, subject: str, mode: str, now_ms: int, actor: str = "Ada") -> bool:
    """Whether something was declared that was not so before."""
    row = {"subject": subject, "mode": mode, "now_ms": now_ms, "actor": actor, "reason": f"for {actor}"}
    return bool(await put(store, "mode_begin", **row))


async def end(store: Store, subject: str, mode: str, now_ms: int) -> bool:
    """Whether something declared was ended."""
    return bool(await put(store, "mode_end", subject=subject, mode=mode, now_ms=now_ms))


class ModeConformance(Opens):
    """Modes, and the statements that tell apart what they explain."""

    async def test_a_mode_begins_once_ends_once_and_what_is_over_stays(self) -> None:
        async with self.store() as store:
            assert await begin(store, ROUTE, "shadow", T0)
            assert not await begin(store, ROUTE, "shadow", T0 + 1, "Otto")
            assert await begin(store, ROUTE, "paused", T0 + 2)
            assert await begin(store, "shop", "paused", T0 + 3, "Otto")
            assert await end(store, ROUTE, "shadow", T0 + 9)
            assert not await end(store, ROUTE, "shadow", T0 + 10)
            assert not await end(store, "shop", "shadow", T0 + 10)
            assert await store.read("modes", limit=9) == [
                ("shop", "paused", T0 + 3, None, "Otto", "for Otto"),
                (ROUTE, "paused", T0 + 2, None, "Ada", "for Ada"),
                (ROUTE, "shadow", T0, T0 + 9, "Ada", "for Ada"),
            ]
            assert await begin(store, ROUTE, "shadow", T0 + 9)
            assert [row[:4] for row in await store.read("modes", limit=2)] == [
                (ROUTE, "shadow", T0 + 9, None),
                ("shop", "paused", T0 + 3, None),
            ]

    async def test_what_holds_is_told_before_what_is_over(self) -> None:
        async with self.store() as store:
            await begin(store, "shop", "paused", T0)
            for n in range(3):
                await begin(store, ROUTE, "paused", T0 + n)
                await end(store, ROUTE, "paused", T0 + n)
            assert [row[0] for row in await store.read("modes", limit=2)] == ["shop", ROUTE]

    async def test_lags_are_told_apart_if_their_change_waited_for_a_pause(self) -> None:
        async with self.store() as store:

            async def lag(lag_ms: int, at_ms: int, kept: int = 0, route: str = ROUTE) -> None:
                await put(store, "lag_put", route=route, key="A", lag_ms=lag_ms, kept=kept, now_ms=T0 + at_ms)

            async def apart(since_ms: int = 0) -> list[tuple[int, int]]:
                return await store.read("lags_apart", route=ROUTE, sink="shop", since=T0 + since_ms)

            assert await apart() == [(0, 0)]
            await lag(30, 120)
            await lag(30, 130)  # changed when a pause has ended
            await lag(90, 100)
            await lag(40, 130, kept=1)  # waited and was in time all the same
            await lag(99, 310)  # landed while its sink is paused
            await lag(70, 130, route="other")
            await begin(store, ROUTE, "paused", T0 + 130)  # when the second has landed
            await end(store, ROUTE, "paused", T0 + 131)
            await begin(store, "erp", "paused", T0)
            assert await apart() == [(0, 99)]
            await begin(store, ROUTE, "shadow", T0 + 85)
            await end(store, ROUTE, "shadow", T0 + 100)
            assert await apart() == [(2, 99)]
            await begin(store, "shop", "paused", T0 + 300)
            assert await apart() == [(3, 40)]
            assert await apart(125) == [(1, 40)]
            assert await apart(311) == [(0, 0)]

    async def test_what_is_late_is_told_apart_by_when_it_changed(self) -> None:
        async with self.store() as store:
            for key, changed, due, route, system in (
                ("a", 0, 5, ROUTE, "shop"),
                ("b", 9, 12, ROUTE, "shop"),
                ("c", 10, 13, ROUTE, "shop"),
                ("d", 0, 20, ROUTE, "shop"),
                ("e", 0, 5, "other", "shop"),
                ("f", 0, 5, ROUTE, "till"),
                ("g", 0, 5, ROUTE, "shop"),
                ("h", 0, 5, ROUTE, "shop"),
                ("i", 0, 5, ROUTE, "shop"),
            ):
                await put(
                    store, "delivery_fact", system=system, operation="set_stock", key=key, route=route,
                    changed_at_ms=T0 + changed, deliver_by_ms=T0 + due, not_before_ms=T0, now_ms=T0,
                )  # fmt: skip
            at = {"system": "shop", "operation": "set_stock"}
            done = {"generation": 1, "not_before_ms": T0, "reason": "", "uncounted": 0, "now_ms": T0}
            await put(store, "delivery_finish", **at, key="g", state="completed", **done)
            await put(store, "delivery_run", **at, key="h", now_ms=T0)
            await put(store, "delivery_finish", **at, key="i", state="parked", **done)
            asked = {"system": "shop", "route": ROUTE}
            assert await store.read("late_apart", **asked, now_ms=T0 + 20, before=T0 + 10) == [(3,)]
            assert await store.read("late_apart", **asked, now_ms=T0 + 21, before=T0 + 10) == [(4,)]
            assert await store.read("late_apart", **asked, now_ms=T0 + 5, before=T0 + 10) == [(0,)]

    async def test_a_number_that_others_write_is_learned_and_nothing_fell(self) -> None:
        row = {"system": "shop", "key": "A\x1f1", "ours_ms": T0 + 50, "now_ms": T0 + 20}
        async with self.store() as store:
            assert await put(store, "held_learned", **row, held=3, **ANYHOW) == []
            await hold(store, 9, unseen=2)
            assert await put(store, "held_learned", **row, held=3, rev=1, exact=True) == []
            assert await put(store, "held_learned", **{**row, "ours_ms": T0}, held=3, **ANYHOW) == []
            assert await put(store, "held_learned", **{**row, "system": "till"}, held=3, **ANYHOW) == []
            assert await put(store, "held_learned", **row, held=3, rev=2, exact=True) == [("A\x1f1",)]
            assert await put(
                store, "held_seen", system="shop", key="A\x1f1", held=3, rev=2, exact=True, now_ms=T0 + 20
            ) == [("A\x1f1", 2)]
            assert await held(store) == (3, 2, 3, T0 + 20)
            # What was heard of late is in the reading or not, as with the first one.
            shift = {"system": "shop", "key": "A\x1f1", "by": -1}
            await put(store, "held_shift", **shift, moved_at_ms=T0 + 20 + 4_999)
            assert (await store.read("bindings_of_skus", system="shop", skus=["A"]))[0][1] is None
            assert await put(store, "held_learned", **row, held=7, **ANYHOW) == [("A\x1f1",)]
            await put(store, "held_seen", system="shop", key="A\x1f1", held=7, **ANYHOW, now_ms=T0 + 60)
            assert await held(store) == (7, 2, 5, T0 + 60)
            # From now on it is ours again, and what differs fell unseen.
            assert await put(store, "held_learned", **row, held=5, **ANYHOW) == []

    async def test_what_came_back_unseen_is_no_debt_of_a_number_that_others_write(self) -> None:
        async with self.store() as store:
            await hold(store, 4)
            await put(store, "held_seen", system="shop", key="A\x1f1", held=6, **ANYHOW, now_ms=T0)
            assert (await held(store))[1] == -2
            row = {"system": "shop", "key": "A\x1f1", "held": 6, **ANYHOW}
            await put(store, "held_learned", **row, ours_ms=T0 + 1, now_ms=T0)
            assert (await held(store))[:2] == (6, 0)

    async def test_what_an_order_may_explain_is_decided_by_the_reading_of_a_number_that_others_write(
        self,
    ) -> None:
        row = {"system": "shop", "key": "A\x1f1", **ANYHOW, "ours_ms": T0 + 50, "now_ms": T0 + 20}
        explain = {"system": "shop", "key": "A\x1f1", "by": 4, "moved_at_ms": T0 + 9_000}
        for until_ms, read, left in (
            (T0 + 9_020, 16, 0),  # the order was in the fall: all of it is explained
            (T0 + 9_020, 15, 1),
            (T0 + 9_020, 12, 4),  # it came on top of it
            (T0 + 9_020, 17, 4),  # somebody wrote something else
            (T0 + 9_020, 11, 4),
            (T0 + 9_010, 16, 0),  # it was known to be in the fall
        ):
            async with self.store() as store:
                await hold(store, 20)
                await put(store, "held_seen", system="shop", key="A\x1f1", held=16, **ANYHOW, now_ms=T0)
                await put(store, "held_asked", system="shop", key="A\x1f1", asked_ms=T0 + 9_010, now_ms=T0)
                await put(store, "held_explain", **explain, until_ms=until_ms)
                await put(store, "held_learned", **row, held=read)
                assert (await held(store))[:2] == (read, left), (until_ms, read)
        for by, moved_at_ms in ((0, 0), (1, T0 + 4_999)):  # nothing came; it is known to be in doubt
            async with self.store() as store:
                await hold(store, 9, unseen=2)
                if by:
                    order = {**explain, "by": by, "moved_at_ms": moved_at_ms, "until_ms": T0 + 9_000}
                    await put(store, "held_explain", **order)
                await put(store, "held_learned", **row, held=10 - by)
                assert (await held(store))[:2] == (10 - by, 2), by

    async def test_a_record_knows_by_what_it_came(self) -> None:
        async with self.store() as store:
            events = [
                Event("shop", "t", "1", Via.EVENT, T0, b""),
                Event("shop", "t", "2", Via.SNAPSHOT, T0, b""),
            ]
            await store.append(events, received_at_ms=T0, cursor=Cursor("shop", "s", "", 0))
            record = {
                "version": 1, "tiebreak": 0, "observed_at_ms": T0, "hash": "", "body": "{}", "changed_at_ms": T0 + 3,
            }  # fmt: skip
            for system, kind, key, offset in (
                ("shop", "order", "a", 1),
                ("shop", "order", "b", 2),
                ("shop", "order", "c", 99),
                ("shop", "stock", "d", 1),
                ("erp", "order", "e", 1),
                ("shop", "order", "f", 1),
            ):
                await put(store, "record_put", system=system, kind=kind, key=key, offset=offset, **record)
            asked = ["c", "b", "a", "d", "e", "none"]
            rows = await store.read("record_origins", system="shop", kind="order", keys=asked)
            assert sorted(rows) == [("a", T0 + 3, "event"), ("b", T0 + 3, "snapshot"), ("c", T0 + 3, "")]
