"""The part of the Store suite that is about deliveries: every state, every way into and out of it."""

from __future__ import annotations

from typing import Any

from syncline.ports import Row, Store
from syncline.testing.store_tools import T0, Opens, put

OPEN = ("available", "scheduled", "retryable")
ENDED = ("completed", "superseded", "cancelled")
STATES = (*OPEN, "running", "parked", *ENDED)
AT = {"system": "shop", "operation": "set_stock", "key": "A\x1f1"}
EARLIER, LATER = T0 - 500, T0 + 500


async def touch(store: Store, at_ms: int = T0, **changes: Any) -> list[Row]:
    """Say that a delivery is to be made because of a change at ``at_ms``."""
    row = {
        **AT, "route": "stock", "changed_at_ms": at_ms, "deliver_by_ms": at_ms + 10_000,
        "not_before_ms": at_ms + 2_000, "now_ms": at_ms + 1, "wanted": 1, "rev": 0,
    }  # fmt: skip
    return await put(store, "delivery_touch", **{**row, **changes})


async def finish(store: Store, state: str, generation: int, at_ms: int = T0, **changes: Any) -> list[Row]:
    """Say what became of a delivery."""
    row = {
        **AT, "state": state, "generation": generation, "not_before_ms": at_ms + 4_000, "reason": f"now {state}",
        "uncounted": 0, "now_ms": at_ms,
    }  # fmt: skip
    return await put(store, "delivery_finish", **{**row, **changes})


async def run(store: Store, at_ms: int = T0) -> list[Row]:
    """Say that a call is being made."""
    return await put(store, "delivery_run", **AT, now_ms=at_ms)


async def known(store: Store) -> Row:
    """(route, state, generation, first_changed, deliver_by, not_before, attempts, reason) of the delivery."""
    rows = await store.read("deliveries_get", system="shop", operation="set_stock", keys=[AT["key"]])
    return rows[0][1:] if rows else ()


async def bring_to(store: Store, state: str) -> None:
    """A delivery of generation 1 with one attempt, in a state."""
    await touch(store)
    await run(store)
    if state != "running":
        await finish(store, state, 1)


class DeliveryConformance(Opens):
    """The statements whose names begin with ``delivery`` or ``deliveries``."""

    async def test_a_wanted_delivery_is_made_available(self) -> None:
        async with self.store() as store:
            rows = await touch(store)
            assert rows == [("shop", "set_stock", "A\x1f1", "available", 1, T0 + 10_000, T0 + 2_000)]
            assert await known(store) == ("stock", "available", 1, T0, T0 + 10_000, T0 + 2_000, 0, "")

    async def test_an_unwanted_delivery_is_made_only_if_the_binding_moved(self) -> None:
        async with self.store() as store:
            assert await touch(store, wanted=0, rev=0) == []  # nothing held, nothing known: revision 0
            await put(
                store, "held_seen", system="shop", key=AT["key"], held=5, rev=None, exact=True, now_ms=T0
            )
            assert await touch(store, wanted=0, rev=1) == []
            assert await touch(store, wanted=False, rev=1) == []  # the engine says it either way
            assert await known(store) == ()
            assert [row[3:5] for row in await touch(store, wanted=0, rev=0)] == [("available", 1)]

    async def test_an_unwanted_touch_leaves_an_ended_delivery_alone(self) -> None:
        for state in (*ENDED, "parked"):
            async with self.store() as store:
                await bring_to(store, state)
                before = await known(store)
                assert await touch(store, LATER, wanted=0) == []
                assert await known(store) == before

    async def test_an_unwanted_touch_reaches_an_open_delivery(self) -> None:
        """A call may be under construction from numbers that are not true any more."""
        for state in (*OPEN, "running"):
            async with self.store() as store:
                await bring_to(store, state)
                assert [row[4] for row in await touch(store, LATER, wanted=0)] == [2], state

    async def test_a_touch_makes_anything_but_a_running_delivery_available(self) -> None:
        for state in STATES:
            async with self.store() as store:
                await bring_to(store, state)
                rows = await touch(store, LATER, route="other")
                expected = "running" if state == "running" else "available"
                assert [row[3:5] for row in rows] == [(expected, 2)], state
                assert (await known(store))[:3] == ("other", expected, 2), state

    async def test_a_touch_keeps_the_earliest_deadline_of_an_open_delivery(self) -> None:
        for state in (*OPEN, "running"):
            for at_ms, expected in ((LATER, T0), (EARLIER, EARLIER)):
                async with self.store() as store:
                    await bring_to(store, state)
                    await touch(store, at_ms)
                    assert (await known(store))[3:5] == (expected, expected + 10_000), state

    async def test_a_touch_sets_a_new_deadline_for_an_ended_delivery(self) -> None:
        for state in ("parked", *ENDED):
            for at_ms in (LATER, EARLIER):
                async with self.store() as store:
                    await bring_to(store, state)
                    await touch(store, at_ms)
                    expected = (at_ms, at_ms + 10_000, at_ms + 2_000)
                    assert (await known(store))[3:6] == expected, state

    async def test_a_touch_may_bring_a_delivery_forward_but_not_past_its_backoff(self) -> None:
        for state, at_ms, expected in (
            ("available", LATER, T0 + 2_500), ("available", LATER + 5_000, T0 + 4_000),
            ("scheduled", EARLIER, T0 + 1_500), ("scheduled", LATER + 5_000, T0 + 4_000),
            ("retryable", EARLIER, T0 + 4_000), ("retryable", LATER + 5_000, T0 + 4_000),
            ("running", EARLIER, T0 + 1_500), ("running", LATER + 5_000, T0 + 2_000),
        ):  # fmt: skip
            async with self.store() as store:
                await bring_to(store, state)
                await touch(store, at_ms)
                assert (await known(store))[5] == expected, (state, at_ms)

    async def test_a_touch_forgets_attempts_except_of_a_failing_delivery(self) -> None:
        for state in STATES:
            async with self.store() as store:
                await bring_to(store, state)
                await touch(store, LATER)
                assert (await known(store))[6] == (1 if state in ("retryable", "running") else 0), state

    async def test_running_counts_an_attempt_and_only_from_open_states(self) -> None:
        for state in STATES:
            async with self.store() as store:
                await bring_to(store, state)
                rows = await run(store)
                if state in (*OPEN, "running"):
                    assert rows == [(AT["key"], 1)], state
                    assert [(await known(store))[n] for n in (1, 2, 6)] == ["running", 1, 2], state
                else:
                    assert rows == [], state
                    assert [(await known(store))[n] for n in (1, 6)] == [state, 1], state

    async def test_finishing_says_what_became_of_it(self) -> None:
        for state in STATES:
            async with self.store() as store:
                await bring_to(store, "running")
                rows = await finish(store, state, 1)
                assert rows == [("shop", "set_stock", AT["key"], state, 1, T0 + 10_000, T0 + 4_000)]
                assert await known(store) == (
                    "stock", state, 1, T0, T0 + 10_000, T0 + 4_000, 1, f"now {state}",
                )  # fmt: skip

    async def test_a_call_that_does_not_count_is_taken_back(self) -> None:
        async with self.store() as store:
            await bring_to(store, "running")
            await finish(store, "retryable", 1, uncounted=1)
            assert (await known(store))[6] == 0

    async def test_completing_an_older_generation_leaves_work_to_do(self) -> None:
        """What came while the call was made has a deadline that counts from its own change."""
        for state in ("completed", "superseded"):
            async with self.store() as store:
                await bring_to(store, "running")
                await touch(store, LATER)
                rows = await finish(store, state, 1)
                assert [row[3:6] for row in rows] == [("available", 2, LATER + 10_000)], state
                assert (await known(store))[3:5] == (LATER, LATER + 10_000), state

    async def test_of_several_changes_during_a_call_the_first_sets_the_deadline(self) -> None:
        async with self.store() as store:
            await bring_to(store, "running")
            for at_ms in (LATER + 70, LATER, LATER + 90):
                await touch(store, at_ms)
            assert [row[3:6] for row in await finish(store, "completed", 1)] == [
                ("available", 4, LATER + 10_000)
            ]

    async def test_changes_from_before_a_call_do_not_count_as_made_during_it(self) -> None:
        async with self.store() as store:
            await bring_to(store, "running")
            await touch(store, LATER)
            await run(store)  # the next call carries what came during the one before
            rows = await finish(store, "completed", 1)
            assert [row[3:6] for row in rows] == [("available", 2, T0 + 10_000)]

    async def test_failing_an_older_generation_keeps_its_state_and_deadline(self) -> None:
        for state in ("retryable", "parked", "cancelled"):
            async with self.store() as store:
                await bring_to(store, "running")
                await touch(store, LATER)
                assert [row[3:6] for row in await finish(store, state, 1)] == [(state, 2, T0 + 10_000)]
                assert (await known(store))[3] == T0

    async def test_finishing_what_does_not_exist_changes_nothing(self) -> None:
        async with self.store() as store:
            assert await finish(store, "completed", 1) == []
            assert await run(store) == []
            assert await known(store) == ()

    async def test_a_fact_is_delivered_once(self) -> None:
        fact = {
            **AT, "route": "orders", "changed_at_ms": T0, "deliver_by_ms": T0 + 9, "not_before_ms": T0 + 3,
            "now_ms": T0 + 1,
        }  # fmt: skip
        for state in ("available", *STATES):
            async with self.store() as store:
                rows = await put(store, "delivery_fact", **fact)
                assert rows == [("shop", "set_stock", AT["key"], "available", 1, T0 + 9, T0 + 3)]
                await finish(store, state, 1)
                before = await known(store)
                assert await put(store, "delivery_fact", **{**fact, "route": "x", "deliver_by_ms": 1}) == []
                assert await known(store) == before

    async def test_hastening_brings_open_deliveries_forward_only(self) -> None:
        for state in STATES:
            async with self.store() as store:
                await bring_to(store, state)
                not_before = (await known(store))[5]
                rows = await put(store, "delivery_hasten", **AT, now_ms=T0 + 100)
                if state in OPEN:
                    assert rows == [("shop", "set_stock", AT["key"], state, 1, T0 + 10_000, T0 + 100)]
                    assert (await known(store))[5] == T0 + 100
                    assert await put(store, "delivery_hasten", **AT, now_ms=T0 + 101) == []
                else:
                    assert rows == []
                    assert (await known(store))[5] == not_before

    async def test_releasing_makes_a_delivery_start_over(self) -> None:
        for state in STATES:
            async with self.store() as store:
                await bring_to(store, state)
                before = await known(store)
                rows = await put(store, "delivery_release", **AT, now_ms=LATER)
                if state in ("parked", "retryable", *ENDED):
                    assert rows == [("shop", "set_stock", AT["key"], "available", 2, T0 + 10_000, LATER)], (
                        state
                    )
                    assert await known(store) == ("stock", "available", 2, T0, T0 + 10_000, LATER, 0, "")
                else:
                    assert rows == [], state
                    assert await known(store) == before

    async def test_only_a_parked_delivery_can_be_cancelled(self) -> None:
        for state in STATES:
            async with self.store() as store:
                await bring_to(store, state)
                rows = await put(store, "delivery_cancel", **AT, now_ms=LATER)
                assert rows == ([(AT["key"],)] if state == "parked" else []), state
                assert (await known(store))[1] == ("cancelled" if state == "parked" else state)

    async def test_pending_deliveries_are_found_again_after_a_restart(self) -> None:
        async with self.store() as store:
            for state in STATES:
                await touch(store, key=state)
                await finish(store, state, 1, key=state)
            await touch(store, system="other", key="elsewhere")
            rows = await store.read("deliveries_pending", system="shop")
            assert sorted(rows) == [
                ("shop", "set_stock", state, state, 1, T0 + 10_000, T0 + 4_000)
                for state in sorted((*OPEN, "running"))
            ]
            assert await store.read("deliveries_get", system="shop", operation="x", keys=list(STATES)) == []

    async def test_deliveries_are_counted_by_route_and_state(self) -> None:
        async with self.store() as store:
            for n, state in enumerate((*STATES, "parked")):
                await touch(store, T0 + n, key=f"{state} {n}")
                await finish(store, state, 1, key=f"{state} {n}")
            expected = [
                ("shop", "set_stock", "stock", "available", 1, T0 + 10_000, T0),
                ("shop", "set_stock", "stock", "parked", 2, T0 + 10_004, T0 + 4),
                ("shop", "set_stock", "stock", "retryable", 1, T0 + 10_002, T0 + 2),
                ("shop", "set_stock", "stock", "running", 1, T0 + 10_003, T0 + 3),
                ("shop", "set_stock", "stock", "scheduled", 1, T0 + 10_001, T0 + 1),
            ]
            assert await store.read("delivery_counts") == expected
            rows = await store.read("delivery_summary", now_ms=T0 + 10_003)
            assert rows == [(*row, late) for row, late in zip(expected, (1, 0, 1, 0, 1), strict=True)]

    async def test_deliveries_are_found_by_the_beginning_of_their_key(self) -> None:
        async with self.store() as store:
            for key in ("1", "10\x1f7", "100", "10\x1f2", "2"):
                await touch(store, key=key)
            rows = await store.read("deliveries_like", **{"from": "10\x1f", "to": "10 "}, limit=9)
            assert [row[2] for row in rows] == ["10\x1f2", "10\x1f7"]
            assert rows[0] == (
                "shop", "set_stock", "10\x1f2", "stock", "available", 1, T0, T0 + 10_000, T0 + 2_000, 0, "", T0 + 1,
            )  # fmt: skip
            assert len(await store.read("deliveries_like", **{"from": "", "to": "\x7f"}, limit=3)) == 3
            await touch(store, key="10\x1f2", operation="read_stock")
            at = {"system": "shop", "operation": "set_stock"}
            found = await store.read("deliveries_range", **at, **{"from": "10\x1f", "to": "10 "}, limit=9)
            assert found == rows
            assert (
                await store.read("deliveries_range", **at, **{"from": "10\x1f", "to": "10 "}, limit=1)
                == rows[:1]
            )
