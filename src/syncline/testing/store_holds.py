"""The part of the Store suite that is about holds and the numbers that they are taken from."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.model.errors import Fenced
from syncline.ports import Row, Store, Write
from syncline.testing.store_tools import T0, Opens, put

LATER = T0 + 900_000
WEEK = T0 + 7 * 86_400_000


async def shelve(store: Store, free: int, sku: str = "A", pool: str = "p") -> None:
    """Say how many there are before holds."""
    await put(store, "shelf_open", sku=sku, pool=pool)
    rows = await store.read("shelves", skus=[sku], now_ms=T0)
    rev = next(row[4] for row in rows if row[1] == pool)
    assert await put(store, "shelf_put", sku=sku, pool=pool, free=free, as_of_ms=T0 - 5, rev=rev) == [(sku,)]


def line(reference: str = "r1", quantity: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of ``hold_put``."""
    row = {
        "reference": reference, "line": 0, "pool": "p", "channel": "shop", "sku": "A", "location": "L",
        "asked": quantity, "quantity": quantity, "main": 1, "binds": 1, "order_key": "", "made_by": "till", "now_ms": T0,
        "expires_at_ms": LATER,
    }  # fmt: skip
    return {**row, **changes}


async def take(store: Store, reference: str = "r1", quantity: int = 1, **changes: Any) -> list[Row]:
    """Try to hold."""
    return await put(store, "hold_put", **line(reference, quantity, **changes))


async def confirm(
    store: Store, reference: str = "r1", now_ms: int = T0 + 1, order_key: str = ""
) -> list[Row]:
    """Try to confirm."""
    return await put(
        store, "hold_confirm", reference=reference, order_key=order_key, now_ms=now_ms, expires_at_ms=WEEK
    )


async def renew(store: Store, reference: str = "r1", **changes: Any) -> list[Row]:
    """Try to take an expired hold again."""
    row = {"reference": reference, "line": 0, "pool": "p", "sku": "A", "order_key": "7", "now_ms": LATER + 1,
           "expires_at_ms": WEEK}  # fmt: skip
    return await put(store, "hold_renew", **{**row, **changes})


async def lapse(store: Store, now_ms: int = LATER, *, firm: bool = False, sku: str = "A") -> list[Row]:
    """End what is over."""
    return await put(store, "hold_lapse", sku=sku, firm=firm, now_ms=now_ms)


async def order(store: Store, key: str = "7", channel: str = "shop") -> None:
    """Apply an order."""
    await put(
        store, "demand_want", channel=channel, order_key=key, line_id="1", location="L", sku="A", quantity=1, taken=1
    )  # fmt: skip


async def state(store: Store, reference: str = "r1") -> str:
    """The state of a hold's rows, which is one and the same."""
    (found,) = {row[7] for row in await store.read("holds_get", reference=reference)}
    return str(found)


async def shelf(store: Store, now_ms: int = T0, pool: str = "p") -> Row:
    """(free, stale, rev, as_of_ms, held, over) of a pool of the SKU."""
    rows = await store.read("shelves", skus=["A"], now_ms=now_ms)
    return next(row[2:] for row in rows if row[1] == pool)


class HoldConformance(Opens):
    """Numbers before holds, and holds from first to last."""

    # --- the number before holds -----------------------------------------------------------------

    async def test_a_number_before_holds_is_stale_until_it_is_computed(self) -> None:
        async with self.store() as store:
            assert await put(store, "shelf_open", sku="A", pool="p") == [("A",)]
            assert await shelf(store) == (0, 1, 1, 0, 0, 0)
            assert await put(store, "shelf_open", sku="A", pool="p") == []
            await shelve(store, 5)
            assert await put(store, "shelf_open", sku="A", pool="p") == []
            assert await shelf(store) == (5, 0, 2, T0 - 5, 0, 0)

    async def test_a_number_is_stored_only_if_nothing_changed_since_it_was_read(self) -> None:
        async with self.store() as store:
            await shelve(store, 5)
            await shelve(store, 6, pool="q")
            await shelve(store, 7, sku="B")
            assert await put(store, "shelf_stale", sku="A") == [("A",), ("A",)]
            assert await put(store, "shelf_stale", sku="C") == []
            assert await shelf(store) == (5, 1, 3, T0 - 5, 0, 0)
            row = {"sku": "A", "pool": "p", "free": 9, "as_of_ms": T0}
            for rev, stored in ((2, []), (4, []), (3, [("A",)]), (3, [])):
                assert await put(store, "shelf_put", **row, rev=rev) == stored
            assert await shelf(store) == (9, 0, 4, T0, 0, 0)
            assert (await shelf(store, pool="q"))[:3] == (6, 1, 3)
            rows = await store.read("shelves", skus=["B", "A", "none"], now_ms=T0)
            assert [row[:3] for row in rows] == [("A", "p", 9), ("A", "q", 6), ("B", "p", 7)]

    # --- taking ----------------------------------------------------------------------------------

    async def test_a_hold_is_taken_only_from_what_is_left(self) -> None:
        async with self.store() as store:
            await shelve(store, 5)
            for reference, quantity, taken in (
                ("r1", 6, 0),
                ("r2", 3, 1),
                ("r3", 3, 0),
                ("r4", 2, 1),
                ("r5", 1, 0),
            ):
                assert await take(store, reference, quantity) == [(reference,)] * taken
            assert (await shelf(store))[4] == 5
            assert await store.read("holds_get", reference="r3") == []
            assert await store.read("holds_get", reference="r2") == [
                (0, "p", "shop", "A", "L", 3, 3, "open", 1, "", "till", T0, LATER, 0, 1)
            ]

    async def test_pools_and_skus_are_counted_apart(self) -> None:
        async with self.store() as store:
            await shelve(store, 1)
            await shelve(store, 1, pool="q")
            await shelve(store, 1, sku="B")
            assert await take(store, "r1") == [("r1",)]
            assert await take(store, "r2", pool="q") == [("r2",)]
            assert await take(store, "r3", sku="B") == [("r3",)]
            assert await take(store, "r4", pool="q") == []

    async def test_a_hold_counts_in_another_channels_pool_without_being_bound_by_it(self) -> None:
        async with self.store() as store:
            await shelve(store, 1)
            assert await take(store, "r1", 3, binds=0) == [("r1",)]
            assert (await shelf(store))[4] == 3
            assert await take(store, "r2") == []
            await lapse(store)
            await take(store, "r3")
            assert await renew(store) == [("r1",)]

    async def test_nothing_is_taken_from_a_number_that_is_stale_or_missing(self) -> None:
        async with self.store() as store:
            assert await take(store) == []
            await shelve(store, 5)
            await put(store, "shelf_stale", sku="A")
            assert await take(store) == []
            assert await take(store, "r2", 0, asked=2) == [
                ("r2",)
            ]  # a line that gets nothing needs no number

    async def test_lines_are_taken_together_or_not_at_all(self) -> None:
        async with self.store() as store:
            await shelve(store, 5)
            rows = [line(quantity=3), line(quantity=3, line=1)]
            with pytest.raises(Fenced):
                await store.write(Write("hold_put", rows, guard=True))
            assert await store.read("holds_get", reference="r1") == []
            rows = [line(quantity=3), line(quantity=2, line=1)]
            await store.write(Write("hold_put", rows, guard=True))
            assert (await shelf(store))[4] == 5

    async def test_a_reference_is_taken_once(self) -> None:
        async with self.store() as store:
            await shelve(store, 5)
            assert await take(store) == [("r1",)]
            assert await take(store, quantity=2, expires_at_ms=LATER + 1) == []
            rows = await store.read("holds_get", reference="r1")
            assert [(row[6], row[12]) for row in rows] == [(1, LATER)]

    # --- the end of a hold -----------------------------------------------------------------------

    async def test_a_hold_counts_until_it_is_ended_and_not_by_the_clock_alone(self) -> None:
        async with self.store() as store:
            await shelve(store, 1)
            await take(store)
            assert (await shelf(store, LATER - 1))[4:] == (1, 0)
            assert (await shelf(store, LATER))[4:] == (0, 1)
            assert await take(store, "r2", now_ms=LATER) == []
            assert await lapse(store, LATER - 1) == []
            assert await lapse(store, sku="B") == []
            assert await lapse(store) == [("r1",)]
            assert await lapse(store) == []
            assert await take(store, "r2", now_ms=LATER) == [("r2",)]
            assert await confirm(store, now_ms=LATER - 1) == []  # by a clock that is behind
            assert await state(store) == "expired"

    async def test_a_confirmed_hold_stays_until_somebody_decides(self) -> None:
        async with self.store() as store:
            await shelve(store, 2)
            await take(store)
            await take(store, "r2")
            assert await confirm(store, now_ms=LATER - 1) == [("r1",)]
            assert await confirm(store, "r2", now_ms=LATER) == []
            assert await confirm(store, "r3") == []
            assert (await store.read("holds_get", reference="r1"))[0][7:] == (
                "confirmed", 1, "", "till", T0, WEEK, LATER - 1, 1,
            )  # fmt: skip
            assert await lapse(store, WEEK) == [("r2",)]
            assert (await shelf(store, WEEK))[4:] == (1, 0)
            assert await lapse(store, WEEK - 1, firm=True) == []
            assert await lapse(store, WEEK, firm=True) == [("r1",)]

    async def test_a_second_confirmation_moves_nothing_but_may_name_the_order_once(self) -> None:
        async with self.store() as store:
            await shelve(store, 1)
            await take(store)
            await confirm(store)
            for order_key, named in (("", ""), ("7", "7"), ("", "7"), ("7", "7")):
                row = {"reference": "r1", "order_key": order_key, "now_ms": T0 + 9, "expires_at_ms": WEEK + 9}
                assert await put(store, "hold_confirm", **row) == [("r1",)]
                kept = (await store.read("holds_get", reference="r1"))[0]
                assert (kept[9], kept[12], kept[13]) == (named, WEEK, T0 + 1)
            assert await confirm(store, order_key="8") == []

    async def test_a_hold_is_released_once(self) -> None:
        for before in ("open", "confirmed", "expired", "replaced"):
            async with self.store() as store:
                await shelve(store, 1)
                await take(store, order_key="7")
                if before == "confirmed":
                    await confirm(store)
                elif before == "expired":
                    await lapse(store)
                elif before == "replaced":
                    await put(store, "hold_replace", channel="shop", order_key="7")
                holds = before in ("open", "confirmed")
                assert await put(store, "hold_release", reference="r2") == []
                assert await put(store, "hold_release", reference="r1") == ([("r1",)] if holds else [])
                assert await put(store, "hold_release", reference="r1") == []
                assert await state(store) == ("released" if holds else before)
                assert await confirm(store) == []

    async def test_an_expired_hold_is_taken_again_only_from_what_is_left(self) -> None:
        async with self.store() as store:
            await shelve(store, 4)
            await take(store, quantity=2)
            assert await renew(store) == []  # it is open
            await lapse(store)
            await shelve(store, 2)
            await take(store, "r2", now_ms=LATER)
            assert await renew(store) == []
            await put(store, "hold_release", reference="r2")
            await put(store, "shelf_stale", sku="A")
            assert await renew(store) == []
            await shelve(store, 2)
            assert await renew(store, line=1) == []
            assert await renew(store) == [("r1",)]
            assert await renew(store) == []
            assert (await store.read("holds_get", reference="r1"))[0][7:] == (
                "confirmed", 1, "7", "till", T0, WEEK, LATER + 1, 1,
            )  # fmt: skip
        async with self.store() as store:  # what held nothing holds nothing, and keeps the order it had
            await take(store, quantity=0, order_key="5")
            await lapse(store)
            assert await renew(store) == [("r1",)]
            assert (await store.read("holds_get", reference="r1"))[0][9] == "5"

    # --- the order -------------------------------------------------------------------------------

    async def test_an_order_replaces_its_hold(self) -> None:
        async with self.store() as store:
            await shelve(store, 5)
            await take(store, order_key="7")
            await take(store, "r2", order_key="8")
            await take(store, "r3")
            await take(store, "r4", order_key="7", channel="other")
            assert await store.read("holds_of_orders", channel="shop", orders=["7", "9", ""]) == [
                ("7", "r1", "A")
            ]
            for channel, key, replaced in (("shop", "9", []), ("shop", "", []), ("shop", "7", [("r1",)])):
                assert await put(store, "hold_replace", channel=channel, order_key=key) == replaced
            assert await put(store, "hold_replace", channel="shop", order_key="7") == []
            assert [await state(store, f"r{n}") for n in range(1, 5)] == ["replaced", "open", "open", "open"]
            assert await store.read("holds_of_orders", channel="shop", orders=["7"]) == []
            assert (await shelf(store))[4] == 3

    async def test_an_order_that_came_first_replaces_its_hold_at_once(self) -> None:
        async with self.store() as store:
            await shelve(store, 5)
            for reference in ("r1", "r2", "r3", "r4"):
                await take(store, reference)
            await put(store, "hold_release", reference="r2")
            await confirm(store, "r3")
            await order(store)
            await order(store, "8", "other")
            for reference, key, met in (
                ("r1", "8", []), ("r1", "", []), ("r1", "7", [("r1",)]), ("r2", "7", []), ("r3", "7", [("r3",)]),
            ):  # fmt: skip
                assert await put(store, "hold_meet", reference=reference, order_key=key) == met, (
                    reference,
                    key,
                )
            rows = [(await store.read("holds_get", reference=f"r{n}"))[0] for n in range(1, 5)]
            assert [(row[7], row[9]) for row in rows] == [
                ("replaced", "7"), ("released", ""), ("replaced", "7"), ("open", ""),
            ]  # fmt: skip

    async def test_holds_whose_order_is_there_are_found(self) -> None:
        async with self.store() as store:
            await shelve(store, 9)
            await order(store)
            await take(store, "r3", order_key="7")
            await take(store, "r1", order_key="7")
            await take(store, "r1", order_key="7", line=1, main=0)
            await take(store, "r2", order_key="8")
            await take(store, "r4", order_key="7", channel="other")
            await take(store, "r5", order_key="7")
            await put(store, "hold_release", reference="r5")
            assert await store.read("holds_met", limit=9) == [("A", "r1", "7"), ("A", "r3", "7")]
            assert await store.read("holds_met", limit=1) == [("A", "r1", "7")]

    # --- what is held, and what is over ----------------------------------------------------------

    async def test_what_is_held_of_a_sku_is_told_line_by_line(self) -> None:
        async with self.store() as store:
            await shelve(store, 9)
            await shelve(store, 9, sku="B")
            await take(store, "r2", 2, location="")
            await take(store, "r1", 3, channel="other", line=1)
            await take(store, "r1", 1, sku="B", main=0)
            await take(store, "r3", now_ms=T0, expires_at_ms=T0 + 1)
            await take(store, "r4")
            await put(store, "hold_release", reference="r4")
            held = [("A", "r1", 1, "p", "other", "L", 3, 1), ("A", "r2", 0, "p", "shop", "", 2, 1)]
            over = ("A", "r3", 0, "p", "shop", "L", 1, 1)
            assert await store.read("holds_of_skus", skus=["A", "C"], now_ms=T0) == [*held, over]
            assert await store.read("holds_of_skus", skus=["A", "C"], now_ms=T0 + 1) == held
            rows = await store.read("holds_of_skus", skus=["B", "A"], now_ms=T0 + 1)
            assert rows == [*held, ("B", "r1", 0, "p", "shop", "L", 1, 0)]
            await confirm(store, "r2")
            assert await store.read("holds_of_skus", skus=["A"], now_ms=WEEK) == held[1:]

    async def test_what_is_over_is_found_oldest_first(self) -> None:
        async with self.store() as store:
            await shelve(store, 9)
            assert await store.read("hold_next", limit=1) == []
            for reference, after in (("r1", 30), ("r2", 20), ("r3", 40), ("r4", 10)):
                await take(store, reference, expires_at_ms=T0 + after)
            await take(store, "r2", line=1, main=0, expires_at_ms=T0 + 20)
            await put(store, "hold_release", reference="r4")
            assert await store.read("hold_next", limit=1) == [(T0 + 20,)]
            due = [("A", "r2", "shop", 1, 0, T0 + 20), ("A", "r1", "shop", 1, 0, T0 + 30)]
            assert await store.read("holds_due", now_ms=T0 + 30, limit=9) == due
            assert await store.read("holds_due", now_ms=T0 + 30, limit=1) == due[:1]
            await confirm(store, "r1")
            assert await store.read("holds_due", now_ms=T0 + 30, limit=9) == due[:1]
            assert (await store.read("holds_due", now_ms=WEEK, limit=9))[-1] == (
                "A",
                "r1",
                "shop",
                1,
                T0 + 1,
                WEEK,
            )

    async def test_what_is_held_is_known_from_first_to_last(self) -> None:
        async def held() -> list[int]:
            rows = await store.read("shelves", skus=["A", "B"], now_ms=T0)
            return [row[6] for row in rows]

        async with self.store() as store:
            for sku, pool in (("A", "p"), ("A", "q"), ("B", "p")):
                await shelve(store, 9, sku=sku, pool=pool)
            for reference, quantity in (("r1", 2), ("r2", 3)):
                rows = [line(reference, quantity), line(reference, quantity, pool="q", main=0)]
                await store.write(Write("hold_put", rows, guard=True))
            await take(store, "r3", 4, sku="B", order_key="7")
            assert await held() == [5, 5, 4]
            await confirm(store)
            await confirm(store)  # it held before, and holds as much
            assert await held() == [5, 5, 4]
            await put(store, "hold_replace", channel="shop", order_key="7")
            await put(store, "hold_replace", channel="shop", order_key="7")
            assert await held() == [5, 5, 0]
            await lapse(store)  # of r2 alone
            await put(store, "hold_release", reference="r2")
            assert await held() == [2, 2, 0]
            assert await renew(store, "r2") == [("r2",)]
            assert await held() == [5, 2, 0]
            await order(store)
            await put(store, "hold_meet", reference="r1", order_key="7")
            await put(store, "hold_meet", reference="r1", order_key="7")
            assert await held() == [3, 0, 0]
            await put(store, "hold_release", reference="r2")
            await put(store, "hold_release", reference="r2")
            assert await held() == [0, 0, 0]

    async def test_only_holds_that_ended_are_forgotten(self) -> None:
        async with self.store() as store:
            await shelve(store, 9)
            for reference in ("r1", "r2", "r3", "r4"):
                await take(store, reference)
            for reference in ("r1", "r2", "r3"):
                await put(store, "hold_release", reference=reference)
            assert await put(store, "forget_holds", before=LATER, limit=9) == []
            assert len(await put(store, "forget_holds", before=LATER + 1, limit=2)) == 2
            assert len(await put(store, "forget_holds", before=LATER + 1, limit=9)) == 1
            assert await state(store, "r4") == "open"
